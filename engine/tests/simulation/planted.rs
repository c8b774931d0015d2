//! The simulator against bugs that were planted for it: it has to find each, by what it breaks.

use std::process::Command;

/// Whether a bug is to be planted in what the simulation itself drives.
pub(crate) fn is_planted(bug: &str) -> bool {
    std::env::var("DATIS_PLANT").is_ok_and(|planted| planted == bug)
}

/// Runs some seeds of mutual backup in a process of their own, with a bug in it; `says`: what has to be found broken.
fn finds(bug: &str, says: &str) {
    finds_in("seeds_of_mutual_backup_hold_what_is_promised", bug, says);
}

/// The same with seeds of the log.
fn finds_in_the_log(bug: &str, says: &str) {
    finds_in("seeds_of_the_log_lead_all_boxes_to_the_same", bug, says);
}

fn finds_in(test: &str, bug: &str, says: &str) {
    let program = std::env::current_exe().expect("this program");
    let run = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env("DATIS_PLANT", bug)
        .env("DATIS_SEEDS", "1000")
        .env_remove("DATIS_SEED")
        .output()
        .expect("run");
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!run.status.success() && said.contains("again with: DATIS_SEED="), "`{bug}` was not found");
    assert!(said.contains(says), "`{bug}` was found by something else:\n{said}");
}

#[test]
fn a_host_that_believes_the_wall_clock_is_found() {
    finds("wall-clock", "");
}

#[test]
fn an_owner_that_takes_unavailable_for_lost_is_found() {
    finds("unavailable-is-loss", "what is there was taken for lost");
}

#[test]
fn a_host_without_a_brake_is_found() {
    finds("no-brake", "no brake");
}

#[test]
fn a_host_that_does_not_wait_for_the_window_is_found() {
    finds("window-ignored", "before its window had passed");
}

#[test]
fn an_owner_that_calls_a_pack_safe_too_soon_is_found() {
    finds("safe-at-k", "OffSiteSafe was said of");
}

#[test]
fn an_owner_that_takes_a_list_for_a_proof_is_found() {
    finds("list-is-proof", "was taken for a loss of what is there");
}

#[test]
fn a_recovery_that_believes_the_first_host_s_head_is_found() {
    finds("newest-head-of-one", "was chosen, and an honest host has");
}

#[test]
fn an_owner_that_counts_on_whom_others_put_out_is_found() {
    finds("put-out-counts", "a pack is called fully protected, and is not");
}

#[test]
fn a_kit_that_confirms_a_box_at_once_is_found() {
    finds_in_the_log("kit-at-once", "a kit alone confirmed a box that was known since");
}

#[test]
fn a_host_that_lets_a_new_box_write_at_once_is_found() {
    finds_in_the_log("rebound-writes-at-once", "may write and condemn");
}

#[test]
fn a_member_that_keeps_its_rights_when_it_is_put_out_is_found() {
    finds_in_the_log("removed-keeps-rights", "of a member that was put out");
}

#[test]
fn a_removal_by_too_few_admins_is_found() {
    finds_in_the_log("one-admin-removes", "admins put a member out");
}

#[test]
fn a_box_that_gives_up_what_others_decided_is_found() {
    finds_in_the_log("decisions-give-way", "what others decided was given up");
}
