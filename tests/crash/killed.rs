//! SIGKILL of the box and of workstations, at any moment.

use std::path::Path;
use std::time::Duration;

use harness::Random;

use crate::rig::disk::scratch;
use crate::rig::finding::Outcome;
use crate::rig::fleet::{Beside, Fleet, Setting, Tally};
use crate::rig::seed::{cycles, in_parts, moment};
use crate::rig::writer::{Switch, UnderWay};

/// Cycles on one box; then a fresh one takes over, so that a long run stays as fast as it begins.
pub(crate) const CYCLES_PER_BOX: u32 = 60;

/// Kills the box while everybody writes, `cycles` times.
pub(crate) fn kill_boxes(setting: &Setting, cycles: u32, random: &mut Random) -> Outcome<Tally> {
    let mut fleet = Fleet::start(setting.clone(), random);
    for cycle in 0..cycles {
        let under_way = if random.one_in(4) { UnderWay::GoesOn } else { UnderWay::Killed };
        let beside = *random.choose(&[Beside::Nothing, Beside::Nothing, Beside::Prune, Beside::Enrolment]);
        let (work, life) = (random.below(4), moment(random, 150));
        fleet.write_until(under_way, beside, |switch, test_box| {
            switch.await_work(work, life);
            test_box.kill();
            switch.stop();
        });
        fleet.start_again()?;
        fleet.check(1)?;
        if cycle % 20 == 19 {
            fleet.verify()?;
        }
    }
    fleet.conclude()
}

/// Kills a backup of each workstation, `cycles` times in all, and lets another one go through now and then.
fn kill_workstations(setting: &Setting, cycles: u32, random: &mut Random) -> Outcome<Tally> {
    let mut fleet = Fleet::start(setting.clone(), random);
    let mut killed = 0;
    while killed < cycles {
        for _ in 0..3 {
            let lives: Vec<Duration> = fleet.writers.iter().map(|_| moment(random, 150)).collect();
            killed += u32::try_from(lives.len()).expect("a small number");
            std::thread::scope(|scope| {
                for (writer, life) in fleet.writers.iter_mut().zip(lives) {
                    scope.spawn(move || writer.write_and_be_killed(life, &Switch::default()));
                }
            });
        }
        for writer in &mut fleet.writers {
            // What was killed must not stand in the way of the next one.
            writer.write()?;
        }
        fleet.check(1)?;
    }
    fleet.tally.cycles = killed;
    fleet.conclude()
}

/// Lets the box collect without a break while everybody writes, and kills backups so that there is something to
/// collect. Nothing strikes the box.
pub(crate) fn collect_while_writing(setting: &Setting, cycles: u32, random: &mut Random) -> Outcome<Tally> {
    let mut fleet = Fleet::start(setting.clone(), random);
    for _ in 0..cycles {
        let life = Duration::from_millis(100) + moment(random, 300);
        fleet.write_until(UnderWay::Killed, Beside::Prune, |switch, _| {
            std::thread::sleep(life);
            switch.stop();
        });
        for writer in &mut fleet.writers {
            writer.write()?;
        }
        fleet.check(2)?;
    }
    fleet.conclude()
}

fn in_boxes(total: u32, mut part: impl FnMut(&Path, u32) -> Outcome<Tally>) -> Tally {
    let mut sum = Tally::default();
    in_parts(total, CYCLES_PER_BOX, |cycles| {
        let folder = scratch();
        let tally = part(folder.path(), cycles);
        sum.add(&tally.unwrap_or_else(|finding| panic!("after {} sound cycles: {finding}", sum.cycles)));
    });
    sum
}

#[test]
fn a_box_that_is_killed_again_and_again_loses_nothing_that_it_acknowledged() {
    let mut random = Random::from_environment();
    let tally = in_boxes(cycles(100), |folder, cycles| {
        let setting = Setting::plain(&folder.join("box"), folder, 3);
        kill_boxes(&setting, cycles, &mut random)
    });
    println!("box killed: {tally}");
}

#[test]
fn collection_takes_nothing_away_from_backups_that_come_in_meanwhile() {
    let mut random = Random::from_environment();
    let tally = in_boxes(cycles(15), |folder, cycles| {
        let setting = Setting::plain(&folder.join("box"), folder, 3);
        collect_while_writing(&setting, cycles, &mut random)
    });
    println!("collected while writing: {tally}");
}

#[test]
fn a_workstation_that_is_killed_again_and_again_goes_on_and_leaves_nothing_half_written() {
    let mut random = Random::from_environment();
    let tally = in_boxes(cycles(102), |folder, cycles| {
        let setting = Setting::plain(&folder.join("box"), folder, 3);
        kill_workstations(&setting, cycles, &mut random)
    });
    println!("workstation killed: {tally}");
}
