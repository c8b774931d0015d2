//! What a box keeps for others when its disk goes away, fills up or takes no more: nothing is called lost
//! that is not.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use datis_engine::erasure::shard::name_shard;
use datis_engine::ids::ShardId;
use datis_engine::wire::peers::{Audit, AuditRange, Audited, ListShards, OfferShard, SHARD_PATH, ShardOffer};
use datis_engine::wire::{Refusal, RefusalCode};
use harness::community::{neighbour, unite, wait_until_outside};
use harness::raw::Answer;
use harness::{Invocation, Programs, Random, TestBox, scratch, wait_for};

use crate::saved::{SPREAD, as_the_box};

/// A disk of its own for what a box keeps for others. It may go, refuse to be written to and fill up; what is on it stays.
struct Disk {
    folder: tempfile::TempDir,
    at: PathBuf,
}

impl Disk {
    /// Below a box that was not started yet.
    fn beneath(of: &TestBox) -> Self {
        let (folder, at) = (scratch(), of.data().join("hosted"));
        std::fs::create_dir(&at).expect("a place for the disk");
        mount(&["-t", "tmpfs", "-o", "size=48m,mode=700", "tmpfs"], folder.path());
        std::fs::create_dir(folder.path().join("hosted")).expect("a folder on the disk");
        let disk = Self { folder, at };
        disk.put_back();
        disk
    }

    fn take_away(&self) {
        Invocation::new("umount").arg("--lazy").arg(&self.at).run().expect_success();
    }

    fn put_back(&self) {
        mount(&["--bind".as_ref(), self.folder.path().join("hosted").as_os_str()], &self.at);
    }

    /// As the kernel does it after an error of the disk.
    fn refuse_writing(&self) {
        let remount = || Invocation::new("mount").args(["-o", "remount,ro"]).arg(self.folder.path()).run();
        // Not while the box has a file open that it writes.
        wait_for("the disk is read-only", SPREAD, || (remount().code() == Some(0)).then_some(()));
    }

    fn allow_writing(&self) {
        mount(&["-o", "remount,rw"], self.folder.path());
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        // Until there is no room.
        while ballast.write_all(&[1; 64 << 10]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Either may be away already.
        for at in [&self.at, self.folder.path()] {
            let _gone = Invocation::new("umount").args(["--quiet", "--lazy"]).arg(at).run();
        }
    }
}

#[track_caller]
fn mount<A: AsRef<std::ffi::OsStr>>(words: &[A], at: &Path) {
    Invocation::new("mount").args(words).arg(at).run().expect_success();
}

/// An owner that asks for proofs all the time, a host with a disk of its own, and one that is spare.
struct Watched {
    owner: TestBox,
    others: Vec<TestBox>,
    disks: Vec<Disk>,
    desk: harness::Machine,
}

impl Watched {
    /// `None` without the programs that hurry.
    fn new() -> Option<Self> {
        let Some(programs) = Programs::planted() else {
            eprintln!("SKIPPED: DATIS_PLANTED_BIN_DIR is not set; `make test` sets it");
            return None;
        };
        let owner = neighbour().programs(programs).env("DATIS_PLANT", "hurried-audits").start();
        let (mut others, mut disks) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let mut other = neighbour().prepare();
            disks.push(Disk::beneath(&other));
            other.start_again();
            others.push(other);
        }
        let boxes: Vec<&TestBox> = others.iter().take(1).chain([&owner]).chain(&others[1..]).collect();
        unite(&boxes, &["inn", "bakery", "smithy", "mill"]);
        let desk = owner.enrol("desk");
        std::fs::create_dir(owner.beside().join("papers")).expect("a folder");
        let watched = Self { owner, others, disks, desk };
        watched.save(1);
        let _outside = wait_until_outside(&watched.owner, SPREAD);
        Some(watched)
    }

    fn save(&self, seed: u64) {
        let papers = self.owner.beside().join("papers");
        std::fs::write(papers.join(format!("ledger {seed}")), Random::new(seed).bytes(700_000)).expect("a file");
        let _saved = self.desk.backup(&papers);
    }

    /// Fragments that are in place, and those that there should be.
    fn fragments(&self) -> (u64, u64) {
        let outside = &self.owner.status()["outside"];
        let number = |key: &str| outside[key].as_u64().expect("a number");
        assert_eq!((number("thin_packs"), number("beyond_reach_packs")), (0, 0), "nothing is called lost: {outside}");
        (number("fragments_in_place"), number("fragments_needed"))
    }

    /// Waits until all others were asked for proofs so many times more.
    fn wait_for_rounds(&self, count: usize) {
        let ended = || self.owner.metric("datis_worker_last_run_timestamp_seconds{worker=\"audit\"}");
        for _ in 0..count {
            let before = ended();
            wait_for("a round of audits", SPREAD, || (ended() != before).then_some(()));
        }
    }

    /// Nothing is called lost, nor placed anew: all that is in place stays so over some rounds, and the spare one gets nothing.
    fn nothing_changes(&self, spare: usize) {
        let before = self.fragments();
        self.wait_for_rounds(4);
        assert_eq!(self.fragments(), before);
        assert!(self.others[spare].shards().is_empty(), "the spare one got something");
        assert!(!self.owner.log().contains("A peer has lost shards"));
    }
}

#[test]
fn a_host_s_disk_that_is_away_or_takes_nothing_is_no_loss_and_all_counts_again_when_it_is_back() {
    let Some(watched) = Watched::new() else { return };
    let is_host = |at: &usize| !watched.others[*at].shards().is_empty();
    let host = (0..3).find(is_host).expect("two of the three keep something");
    let spare = (0..3).find(|at| !is_host(at)).expect("one does not");
    let (disk, the_box) = (&watched.disks[host], &watched.others[host]);
    let asked = ask_for_all(&watched.owner, the_box);
    let expected = audit(&watched.owner, the_box, &asked);
    assert!(matches!(expected, Audited::Digest(_)), "{expected:?}");
    let in_place = watched.fragments();
    assert_eq!(in_place.0, in_place.1);

    disk.take_away();
    let answer = audit(&watched.owner, the_box, &asked);
    assert!(matches!(answer, Audited::Unavailable), "{answer:?}");
    let offered = offer_something(&watched.owner, the_box);
    assert!(matches!(offered, Ok(ShardOffer::NoRoom)), "{offered:?}");
    let read = as_the_box(&watched.owner, the_box).exchange("GET", &path_of(asked[0].shard), b"").expect("an answer");
    assert_ne!((read.status, read.refusal().code), (404, RefusalCode::NotFound), "what is away is not missing");
    watched.nothing_changes(spare);
    disk.put_back();
    assert_eq!(digest(&audit(&watched.owner, the_box, &asked)), digest(&expected), "bit by bit");
    wait_for("it says so", SPREAD, || the_box.log().contains("is there again").then_some(()));

    disk.refuse_writing();
    assert_eq!(digest(&audit(&watched.owner, the_box, &asked)), digest(&expected), "it can still be read");
    let offered = offer_something(&watched.owner, the_box);
    assert!(matches!(offered, Ok(ShardOffer::NoRoom)), "{offered:?}");
    let sent = send_something(&watched.owner, the_box);
    assert!(![RefusalCode::NotFound, RefusalCode::Corrupt].contains(&sent.refusal().code), "nothing is called lost");
    watched.nothing_changes(spare);
    disk.allow_writing();

    disk.fill();
    assert_eq!(digest(&audit(&watched.owner, the_box, &asked)), digest(&expected));
    let offered = offer_something(&watched.owner, the_box);
    assert!(matches!(offered, Ok(ShardOffer::NoRoom)), "{offered:?}");
    watched.nothing_changes(spare);
    disk.empty();

    // What is new goes out again; and what is lost indeed is found, and made again.
    watched.save(2);
    let _outside = wait_until_outside(&watched.owner, SPREAD);
    let (lost, _) = the_box.shards().into_iter().max_by_key(|(_, len)| *len).expect("it keeps something");
    let content = std::fs::read(&lost).expect("a shard");
    std::fs::remove_file(&lost).expect("it is lost");
    wait_for("the loss is found", SPREAD, || watched.owner.log().contains("A peer has lost shards").then_some(()));
    wait_for("it is made again", SPREAD, || {
        let all = watched.others.iter().flat_map(TestBox::shards).collect::<Vec<_>>();
        all.iter().any(|(path, _)| std::fs::read(path).is_ok_and(|bytes| bytes == content)).then_some(())
    });
}

/// The first bytes of every shard that the host lists for the owner.
fn ask_for_all(owner: &TestBox, host: &TestBox) -> Vec<AuditRange> {
    let listed = as_the_box(owner, host).ask(&ListShards { after: None }).expect("its list").shards;
    listed.iter().map(|one| AuditRange { shard: one.shard, start: 0, len: one.len.min(16 << 10) }).collect()
}

fn audit(owner: &TestBox, host: &TestBox, ranges: &[AuditRange]) -> Audited {
    let message = Audit { nonce: [7; 32].into(), ranges: ranges.to_vec(), with_proofs: false };
    as_the_box(owner, host).ask(&message).expect("an answer")
}

fn digest(answer: &Audited) -> Option<[u8; 32]> {
    match answer {
        Audited::Digest(digest) => Some(**digest),
        Audited::Proofs(_)
        | Audited::NotFound(_)
        | Audited::Corrupt(_)
        | Audited::Unavailable
        | Audited::Overloaded => None,
    }
}

/// Something that the owner has not sent before.
const SOMETHING: [u8; 4_096] = [7; 4_096];

fn offer_something(owner: &TestBox, host: &TestBox) -> Result<ShardOffer, Refusal> {
    as_the_box(owner, host).ask(&OfferShard { shard: name_shard(&SOMETHING), len: 4_096, window_days: 90 })
}

fn send_something(owner: &TestBox, host: &TestBox) -> Answer {
    let headers = [("content-range", "bytes 0-4095/4096")];
    let sent = as_the_box(owner, host).exchange_with("PUT", &path_of(name_shard(&SOMETHING)), &headers, &SOMETHING);
    sent.expect("an answer")
}

fn path_of(shard: ShardId) -> String {
    SHARD_PATH.replace("{shard}", &shard.to_string())
}
