//! Power cuts: whatever was not synced is gone.

use std::time::Duration;

use harness::Random;

use crate::killed::CYCLES_PER_BOX;
use crate::rig::disk::{Format, scratch};
use crate::rig::finding::Outcome;
use crate::rig::fleet::{Beside, Fleet, Setting, Tally};
use crate::rig::ground::{Blow, Ground};
use crate::rig::seed::{cycles, fork, in_parts, moment};
use crate::rig::writer::UnderWay;

/// What shares the disk whose power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnTheDisk {
    /// All that the box has.
    WholeBox,
    /// The packs; the catalog is on a disk that keeps its power. So no sync of the catalog hides a missing one.
    StoreOnly,
    /// The box and the workstations' own state: the whole site goes dark. Their trees are the test's own and stay.
    WholeSite,
}

/// A box on a disk of its own.
struct Site {
    fleet: Fleet,
    // Dropped after the box that runs on it.
    ground: Ground,
    _folder: tempfile::TempDir,
}

impl Site {
    /// `setting`: what is to run there; its folders are set here.
    fn start(blow: Blow, on: OnTheDisk, setting: &Setting, random: &mut Random) -> Self {
        let folder = scratch();
        let beside = folder.path().to_owned();
        let trees = beside.clone();
        let (ground, data, machines) = match on {
            OnTheDisk::StoreOnly => {
                let data = beside.join("box");
                std::fs::create_dir(&data).expect("the box's folder can be made");
                (Ground::make(blow, &data, "store"), data, beside)
            }
            OnTheDisk::WholeBox => {
                let ground = Ground::make(blow, &beside, "disk");
                let data = ground.path().join("box");
                (ground, data, beside)
            }
            OnTheDisk::WholeSite => {
                let ground = Ground::make(blow, &beside, "disk");
                let (data, machines) = (ground.path().join("box"), ground.path().join("machines"));
                (ground, data, machines)
            }
        };
        let fleet = Fleet::start(Setting { data, machines, trees, ..setting.clone() }, random);
        Self { fleet, ground, _folder: folder }
    }

    /// Cuts the power while everybody writes and switches it on again.
    fn cut(&mut self, under_way: UnderWay, beside: Beside, life: Duration, random: &mut Random) -> Outcome {
        let (ground, work) = (&mut self.ground, random.below(4));
        self.fleet.write_until(under_way, beside, |switch, test_box| {
            switch.await_work(work, life);
            switch.announce_cut();
            ground.cut(random);
            test_box.kill();
            switch.stop();
        });
        self.ground.power_on();
        self.fleet.start_again()
    }
}

/// Cuts the power `cycles` times.
pub(crate) fn cut_power(
    blow: Blow,
    on: OnTheDisk,
    setting: &Setting,
    cycles: u32,
    random: &mut Random,
) -> Outcome<Tally> {
    let mut site = Site::start(blow, on, setting, random);
    for cycle in 0..cycles {
        let goes_on = on != OnTheDisk::WholeSite && random.one_in(4);
        let under_way = if goes_on { UnderWay::GoesOn } else { UnderWay::Killed };
        // A workstation cannot be made on a disk that is gone.
        let any = [Beside::Nothing, Beside::Prune, Beside::Enrolment];
        let beside = *random.choose(if on == OnTheDisk::WholeSite { &any[..2] } else { &any });
        let life = moment(random, 150);
        site.cut(under_way, beside, life, random)?;
        site.fleet.check(1)?;
        // Without its record in the store a snapshot still restores by the catalog, so that only this looks for it.
        if on == OnTheDisk::StoreOnly || cycle % 20 == 19 {
            site.fleet.verify()?;
        }
    }
    site.fleet.conclude()
}

fn many_cuts(blow: Blow, on: OnTheDisk, total: u32) {
    let mut random = Random::from_environment();
    let mut sum = Tally::default();
    in_parts(total, CYCLES_PER_BOX, |cycles| {
        let tally = cut_power(blow, on, &Setting::unplaced(3), cycles, &mut fork(&mut random));
        sum.add(&tally.unwrap_or_else(|finding| panic!("after {} sound cycles: {finding}", sum.cycles)));
    });
    println!("power cut, {blow:?} of {on:?}: {sum}");
}

#[test]
fn a_power_cut_of_the_box_on_ext4_loses_nothing_that_was_acknowledged() {
    many_cuts(Blow::Shutdown(Format::Ext4), OnTheDisk::WholeBox, cycles(30));
}

#[test]
fn a_power_cut_of_the_box_on_xfs_loses_nothing_that_was_acknowledged() {
    many_cuts(Blow::Shutdown(Format::Xfs), OnTheDisk::WholeBox, cycles(30));
}

#[test]
fn a_power_cut_of_the_packs_alone_loses_nothing_that_was_acknowledged() {
    many_cuts(Blow::Shutdown(Format::Ext4), OnTheDisk::StoreOnly, cycles(10));
    many_cuts(Blow::Shutdown(Format::Xfs), OnTheDisk::StoreOnly, cycles(10));
}

#[test]
fn a_power_cut_of_the_whole_site_loses_nothing_that_was_acknowledged() {
    many_cuts(Blow::Shutdown(Format::Ext4), OnTheDisk::WholeSite, cycles(15));
}

#[test]
fn a_clone_of_the_running_box_has_everything_that_was_acknowledged_before() {
    many_cuts(Blow::Clone, OnTheDisk::WholeBox, cycles(30));
}

#[test]
fn a_disk_with_torn_and_reordered_writes_has_everything_that_was_acknowledged() {
    many_cuts(Blow::Torn, OnTheDisk::WholeBox, cycles(15));
}

#[test]
fn a_power_cut_while_old_snapshots_are_collected_leaves_the_newest_ones() {
    let mut random = Random::from_environment();
    let blow = Blow::Shutdown(Format::Ext4);
    let mut site = Site::start(blow, OnTheDisk::WholeBox, &Setting::unplaced(3), &mut random);
    site.fleet.keep_little();
    for _ in 0..cycles(15) {
        let life = moment(&mut random, 400);
        let outcome = site.cut(UnderWay::Killed, Beside::Prune, life, &mut random);
        outcome.and_then(|()| site.fleet.check(2)).unwrap_or_else(|finding| panic!("{finding}"));
    }
    let tally = site.fleet.conclude().unwrap_or_else(|finding| panic!("{finding}"));
    println!("power cut while collecting: {tally}");
}
