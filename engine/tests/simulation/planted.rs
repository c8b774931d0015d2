//! The simulator against bugs that were planted for it: it has to find each.

use std::process::Command;

/// Runs some seeds in a process of their own, with a bug in it.
fn finds(bug: &str) {
    let program = std::env::current_exe().expect("this program");
    let run = Command::new(program)
        .args(["--exact", "seeds_of_mutual_backup_hold_what_is_promised", "--nocapture"])
        .env("DATIS_PLANT", bug)
        .env("DATIS_SEEDS", "400")
        .env_remove("DATIS_SEED")
        .output()
        .expect("run");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(!run.status.success() && said.contains("again with: DATIS_SEED="), "`{bug}` was not found");
}

#[test]
fn a_host_that_believes_the_wall_clock_is_found() {
    finds("wall-clock");
}

#[test]
fn an_owner_that_takes_unavailable_for_lost_is_found() {
    finds("unavailable-is-loss");
}

#[test]
fn a_host_without_a_brake_is_found() {
    finds("no-brake");
}
