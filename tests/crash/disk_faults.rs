//! Full disks, disks that turn read-only or vanish under the running box, and disks that break.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Finished, Random};

use crate::rig::disk::{Disk, Format, scratch, tool};
use crate::rig::finding::Outcome;
use crate::rig::fleet::{Beside, Fleet, Setting};
use crate::rig::medium::{Access, Failure, Medium};
use crate::rig::seed::{cycles, in_parts, moment};
use crate::rig::writer::{Switch, UnderWay};

/// What `datis` ends with when the box has no room.
const BOX_FULL: i32 = 14;

/// Rounds on one disk: every round stores something, and the disks are small.
const ROUNDS_PER_DISK: u32 = 5;
/// The same where most backups fail.
const FAILING_ROUNDS_PER_DISK: u32 = 16;

/// What the box ends with when it could not make data durable.
const DURABILITY: i32 = 70;

fn sound(outcome: Outcome) {
    outcome.unwrap_or_else(|finding| panic!("{finding}"));
}

/// A disk, and a box with two workstations beside it.
fn fleet_on(disk: &Disk, folder: &Path, random: &mut Random) -> Fleet {
    Fleet::start(Setting::plain(&disk.path().join("box"), folder, 2), random)
}

/// Writes a big file of the first workstation anew and backs it up, until that does not work any more.
fn fill_up(fleet: &mut Fleet, random: &mut Random) -> Finished {
    let writer = &mut fleet.writers[0];
    for _ in 0..100 {
        let folder = writer.tree().join("big");
        // The usual changes may have made a link of the file, or a directory.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("the tree can be changed");
        }
        std::fs::create_dir(&folder).expect("the tree can be changed");
        std::fs::write(folder.join("changing"), random.bytes(12 << 20)).expect("room for the test");
        let finished = writer.try_write(&Switch::default());
        if finished.code() != Some(0) {
            return finished;
        }
    }
    panic!("the disk does not fill up");
}

#[test]
fn a_full_box_says_so_loses_nothing_collects_and_takes_backups_again() {
    for format in [Format::Ext4, Format::Xfs] {
        let mut random = Random::from_environment();
        let folder = scratch();
        let mib = if format == Format::Ext4 { 96 } else { 320 };
        let disk = Disk::make(folder.path(), "disk", format, mib);
        let mut fleet = fleet_on(&disk, folder.path(), &mut random);
        sound(fleet.writers[1].write());
        fill_up(&mut fleet, &mut random).expect_refusal(BOX_FULL, &["full"]);
        let refused = fleet.writers[1].try_write(&Switch::default());
        assert!(matches!(refused.code(), Some(0 | BOX_FULL)), "{refused}");
        sound(fleet.check(3));
        // Nothing to collect is no error, and neither is a full disk.
        fleet.collect();
        sound(fleet.check(1));
        // The box must also start when its disk is full.
        fleet.test_box.kill();
        sound(fleet.start_again());
        sound(fleet.check(1));
        // Only the newest one of the big files is still wanted.
        fleet.keep_little();
        make_room(&mut fleet);
        sound(fleet.writers[0].write());
        sound(fleet.writers[1].write());
        sound(fleet.verify());
        sound(fleet.conclude().map(|_| ()));
    }
}

/// Collects until a backup works.
fn make_room(fleet: &mut Fleet) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        std::thread::sleep(Duration::from_millis(1100));
        fleet.collect();
        let finished = fleet.writers[0].try_write(&Switch::default());
        if finished.code() == Some(0) {
            return;
        }
        assert!(Instant::now() < until, "collection does not make room: {finished}");
    }
}

#[test]
fn a_disk_that_others_have_filled_to_the_last_byte_costs_nothing_that_was_acknowledged() {
    let mut random = Random::from_environment();
    in_parts(cycles(4), ROUNDS_PER_DISK, |rounds| fill_from_outside(rounds, &mut random));
}

fn fill_from_outside(rounds: u32, random: &mut Random) {
    let folder = scratch();
    let disk = Disk::make(folder.path(), "disk", Format::Ext4, 96);
    let mut fleet = fleet_on(&disk, folder.path(), random);
    sound(fleet.writers[0].write());
    sound(fleet.writers[1].write());
    let ballast = disk.path().join("ballast");
    for round in 0..rounds {
        // Either before a backup begins, or in the middle of it.
        if round % 2 == 0 {
            fill_to_the_last_byte(&ballast);
            let finished = fleet.writers[0].try_write(&Switch::default());
            assert_ne!(finished.code(), Some(0), "nothing can be kept on a full disk\n{finished}");
        } else {
            fleet.write_until(UnderWay::Killed, Beside::Nothing, |switch, _| {
                fill_to_the_last_byte(&ballast);
                std::thread::sleep(Duration::from_millis(300));
                switch.stop();
            });
        }
        std::fs::remove_file(&ballast).expect("the ballast can be removed");
        sound(revive(&mut fleet));
        sound(fleet.check(2));
        sound(fleet.writers[0].write());
        sound(fleet.writers[1].write());
    }
    sound(fleet.conclude().map(|_| ()));
}

fn fill_to_the_last_byte(ballast: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast).expect("the ballast can be made");
    for len in [1 << 20, 4096, 1] {
        while file.write_all(&vec![7; len]).is_ok() {}
    }
    // What the page cache took must have found its place as well; there is no room for an error to matter.
    let _synced = file.sync_all();
}

/// The box may have stopped because something was not durable; then it is started as a service manager would.
fn revive(fleet: &mut Fleet) -> Outcome {
    match fleet.test_box.wait_for_end(Duration::from_millis(300)) {
        None => Ok(()),
        Some(status) => {
            assert_eq!(status.code(), Some(DURABILITY), "the box ended in another way: {}", fleet.test_box.log());
            fleet.start_again()
        }
    }
}

/// The disk goes away while everybody writes; no backup that begins afterwards may be acknowledged.
fn lose_disks(lose: fn(&Disk)) {
    let mut random = Random::from_environment();
    in_parts(cycles(5), ROUNDS_PER_DISK, |rounds| lose_the_disk(lose, rounds, &mut random));
}

fn lose_the_disk(lose: fn(&Disk), rounds: u32, random: &mut Random) {
    let folder = scratch();
    let mut disk = Disk::make(folder.path(), "disk", Format::Ext4, 128);
    let mut fleet = fleet_on(&disk, folder.path(), random);
    for _ in 0..rounds {
        let life = moment(random, 200);
        fleet.write_until(UnderWay::Killed, Beside::Nothing, |switch, _| {
            std::thread::sleep(life);
            switch.announce_cut();
            lose(&disk);
            std::thread::sleep(Duration::from_millis(100));
            switch.stop();
        });
        for writer in &mut fleet.writers {
            let before = writer.acknowledged();
            // By itself it would try for longer than a test can wait.
            writer.write_and_be_killed(Duration::from_millis(400), &Switch::default());
            assert_eq!(writer.acknowledged(), before, "acknowledged without a disk");
        }
        match fleet.test_box.wait_for_end(Duration::from_secs(2)) {
            None => fleet.test_box.kill(),
            Some(status) => assert_eq!(status.code(), Some(DURABILITY), "{}", fleet.test_box.log()),
        }
        disk.power_on();
        sound(fleet.start_again());
        sound(fleet.check(2));
    }
    sound(fleet.conclude().map(|_| ()));
}

#[test]
fn a_disk_that_vanishes_under_the_running_box_brings_no_false_acknowledgement() {
    lose_disks(Disk::cut);
}

#[test]
fn a_disk_that_turns_read_only_under_the_running_box_brings_no_false_acknowledgement() {
    lose_disks(Disk::freeze_read_only);
}

/// A box on a disk that breaks when told to.
struct Fragile {
    fleet: Fleet,
    // Dropped after the box, and the medium after the disk on it.
    disk: Disk,
    medium: Medium,
    _folder: tempfile::TempDir,
}

impl Fragile {
    fn start(random: &mut Random) -> Self {
        let folder = scratch();
        let image = folder.path().join("medium.img");
        std::fs::File::create(&image).and_then(|file| file.set_len(96 << 20)).expect("an image can be made");
        tool(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image));
        let mountpoint = folder.path().join("medium");
        std::fs::create_dir(&mountpoint).expect("a mountpoint can be made");
        let medium = Medium::serve(&mountpoint, std::fs::read(&image).expect("the image can be read"));
        let disk = Disk::open(folder.path(), "disk", Format::Ext4, medium.file().to_owned());
        let fleet = fleet_on(&disk, folder.path(), random);
        Self { fleet, disk, medium, _folder: folder }
    }

    /// Ends the box, mends the disk and starts again from what is on it.
    fn recover(&mut self) -> u64 {
        let failed = self.medium.mend();
        match self.fleet.test_box.wait_for_end(Duration::from_millis(100)) {
            None => self.fleet.test_box.kill(),
            Some(status) => assert_eq!(status.code(), Some(DURABILITY), "{}", self.fleet.test_box.log()),
        }
        self.disk.repair();
        sound(self.fleet.start_again());
        failed
    }
}

#[test]
fn errors_of_the_disk_while_writing_are_never_reported_as_success() {
    let mut random = Random::from_environment();
    let mut failed = 0;
    in_parts(cycles(16), FAILING_ROUNDS_PER_DISK, |rounds| failed += fail_writes(rounds, &mut random));
    assert!(failed > 0, "the disk never failed");
}

/// Gives how many accesses failed.
fn fail_writes(rounds: u32, random: &mut Random) -> u64 {
    let mut fragile = Fragile::start(random);
    let mut failed = 0;
    for round in 0..rounds {
        let access = if round % 2 == 0 { Access::Write } else { Access::Flush };
        let failure = Failure { access, skip: random.below(30), forever: random.one_in(2) };
        let (medium, before) = (&fragile.medium, moment(random, 200));
        fragile.fleet.write_until(UnderWay::Killed, Beside::Nothing, |switch, _| {
            std::thread::sleep(before);
            medium.break_at(failure);
            std::thread::sleep(Duration::from_millis(250));
            switch.stop();
        });
        failed += fragile.recover();
        sound(fragile.fleet.check(1));
    }
    let tally = fragile.fleet.conclude().unwrap_or_else(|finding| panic!("{finding}"));
    println!("errors while writing: {failed} accesses failed, {tally}");
    failed
}

#[test]
fn errors_of_the_disk_while_reading_give_no_wrong_data_and_pass_without_a_trace() {
    let mut random = Random::from_environment();
    let mut fragile = Fragile::start(&mut random);
    for writer in &mut fragile.fleet.writers {
        sound(writer.write());
    }
    let tree = fragile.fleet.writers[0].tree().to_owned();
    let target = tree.with_file_name("from a broken disk");
    // Mounted anew, the file system has nothing in memory.
    fragile.fleet.test_box.stop();
    fragile.disk.power_on();
    sound(fragile.fleet.start_again());
    fragile.medium.break_at(Failure { access: Access::Read, skip: 0, forever: true });
    let restored = fragile.fleet.writers[0].machine().command(["restore", "latest", "--to"]).arg(&target).run();
    assert_ne!(restored.code(), Some(0), "nothing can be read\n{restored}");
    let verified = fragile.fleet.test_box.command(["verify"]).run();
    assert_ne!(verified.code(), Some(0), "nothing can be read\n{verified}");
    let failed = fragile.recover();
    assert!(failed > 0, "the disk never failed");
    sound(fragile.fleet.check(2));
    sound(fragile.fleet.verify());
    sound(fragile.fleet.conclude().map(|_| ()));
}
