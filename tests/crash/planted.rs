//! The harnesses find what they are for: programs with a planted bug, each of which one of them has to catch.
//!
//! The programs come from `DATIS_PLANTED_BIN_DIR`, which `make test` sets; without it these tests say so and pass.

use harness::{Programs, Random};

use crate::killed::{collect_while_writing, kill_boxes};
use crate::lies::name_what_was_never_sent;
use crate::power_cut::{OnTheDisk, cut_power};
use crate::rig::disk::{Format, scratch};
use crate::rig::finding::{Broken, Outcome};
use crate::rig::fleet::{Setting, Tally};
use crate::rig::ground::Blow;

/// A harness: runs as many cycles as it is told, from one seed.
type Harness = fn(&Setting, u32, &mut Random) -> Outcome<Tally>;

/// Demands that `harness` finds a broken promise of one of the kinds `expected` within `cycles` cycles: several times what
/// it needs as a rule, since it stops at the first.
fn is_caught(plant: &str, harness: Harness, cycles: u32, expected: &[Broken]) {
    let Some(programs) = Programs::planted() else {
        eprintln!("SKIPPED: `{plant}` was not tried, DATIS_PLANTED_BIN_DIR is not set; `make test` sets it");
        return;
    };
    let mut random = Random::from_environment();
    let folder = scratch();
    let mut setting = Setting::plain(&folder.path().join("box"), folder.path(), 3);
    setting.programs = programs;
    setting.environment.push(("DATIS_PLANT".to_owned(), plant.to_owned()));
    match harness(&setting, cycles, &mut random) {
        Err(finding) if expected.contains(&finding.broken) => {
            println!("`{plant}` was caught: {}", finding.first_line())
        }
        Err(finding) => panic!("`{plant}` was caught by accident: {finding}"),
        Ok(tally) => panic!("`{plant}` was not caught: {tally}"),
    }
}

#[test]
fn a_missing_sync_of_files_is_caught_by_power_cuts() {
    let ext4: Harness =
        |setting, cycles, random| cut_power(Blow::Shutdown(Format::Ext4), OnTheDisk::WholeBox, setting, cycles, random);
    let xfs: Harness =
        |setting, cycles, random| cut_power(Blow::Shutdown(Format::Xfs), OnTheDisk::WholeBox, setting, cycles, random);
    let clone: Harness = |setting, cycles, random| cut_power(Blow::Clone, OnTheDisk::WholeBox, setting, cycles, random);
    for harness in [ext4, xfs, clone] {
        is_caught("skip-file-fsync", harness, 80, &[Broken::Loss, Broken::Damage, Broken::HalfWritten]);
    }
}

#[test]
fn a_missing_sync_of_directories_is_caught_by_power_cuts_of_the_packs() {
    let ext4: Harness = |setting, cycles, random| {
        cut_power(Blow::Shutdown(Format::Ext4), OnTheDisk::StoreOnly, setting, cycles, random)
    };
    let xfs: Harness =
        |setting, cycles, random| cut_power(Blow::Shutdown(Format::Xfs), OnTheDisk::StoreOnly, setting, cycles, random);
    for harness in [ext4, xfs] {
        is_caught("skip-dir-fsync", harness, 80, &[Broken::Loss, Broken::Damage, Broken::HalfWritten]);
    }
}

#[test]
fn an_acknowledgement_before_the_commit_is_caught_by_kills() {
    // Where a collection runs, a snapshot that cannot be seen yet is taken for expired; then its coming later tells of it.
    is_caught("ack-before-commit", kill_boxes, 160, &[Broken::Loss, Broken::HalfWritten]);
}

#[test]
fn collection_without_grace_is_caught_by_collecting_while_writing() {
    is_caught("gc-without-grace", collect_while_writing, 200, &[Broken::Loss, Broken::HalfWritten, Broken::Damage]);
}

#[test]
fn a_commit_that_is_not_checked_is_caught_by_naming_what_was_never_sent() {
    is_caught("skip-closure-check", name_what_was_never_sent, 3, &[Broken::HalfWritten]);
}
