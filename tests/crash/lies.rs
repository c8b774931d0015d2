//! A workstation that names data which it never sent, as one would whose memory of the box is wrong.

use datis_engine::wire::{Commit, RefusalCode};
use harness::Random;
use harness::raw::RawMachine;

use crate::rig::disk::scratch;
use crate::rig::finding::{Broken, Finding, Outcome};
use crate::rig::fleet::{Fleet, Setting, Tally};

/// Commits a snapshot `cycles` times of which one file's content is missing. The box must not take it.
pub(crate) fn name_what_was_never_sent(setting: &Setting, cycles: u32, random: &mut Random) -> Outcome<Tally> {
    let mut fleet = Fleet::start(setting.clone(), random);
    let machine = RawMachine::enrol(&fleet.test_box.enrol_code("liar", "server")).expect("the machine is enrolled");
    for cycle in 0..cycles {
        let source = format!("source-{cycle}");
        let (sent, never) = (random.bytes(1000), random.bytes(1000));
        let absent = machine.make(&source, &[("absent", &never)], &[]).chunks[0].0;
        let made = machine.make(&source, &[("there", &sent)], &[("absent", absent, 1000)]);
        let mut raw = machine.connect();
        let session = machine.begin(&mut raw, &source).expect("a backup begins");
        let put = machine.put(&mut raw, session, &made.pack).expect("a pack is sent");
        assert_eq!(put.status, 204, "{put:?}");
        match raw.ask(&Commit { session, signed: made.signed }) {
            Err(refusal) => assert_eq!(refusal.code, RefusalCode::ChunksMissing, "{refusal:?}"),
            Ok(receipt) => {
                let told = format!("{:?} was acknowledged without the content of one of its files", receipt.snapshot);
                return Err(Finding::new(Broken::HalfWritten, told));
            }
        }
        fleet.tally.cycles += 1;
    }
    fleet.conclude()
}

#[test]
fn a_snapshot_is_not_taken_without_all_that_it_names() {
    let folder = scratch();
    let setting = Setting::plain(&folder.path().join("box"), folder.path(), 1);
    let outcome = name_what_was_never_sent(&setting, 5, &mut Random::from_environment());
    outcome.unwrap_or_else(|finding| panic!("{finding}"));
}
