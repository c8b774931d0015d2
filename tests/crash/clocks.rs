//! Clocks that jump: the box's time comes from a file (libfaketime) and is moved between its lives and under it.

use std::path::{Path, PathBuf};

use harness::{Random, scratch};

use crate::rig::finding::Outcome;
use crate::rig::fleet::{Fleet, Setting};

/// Where Debian has it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// What `datis` ends with when the box does not take its certificate.
const KEY_REFUSED: i32 = 12;

/// What `datisd prune` ends with when the brake stops it.
const BRAKE: i32 = 3;

/// A box with a clock of its own, and one workstation with the right time.
struct Scene {
    fleet: Fleet,
    clock: PathBuf,
    // Dropped after the box.
    leftovers: Leftovers,
    _folder: tempfile::TempDir,
}

/// What libfaketime leaves in shared memory for each process that was killed, by the process's id.
#[derive(Default)]
struct Leftovers(Vec<u32>);

impl Drop for Leftovers {
    fn drop(&mut self) {
        for pid in &self.0 {
            for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
                // A process that ended in order has removed its own.
                let _removed = std::fs::remove_file(Path::new("/dev/shm").join(name));
            }
        }
    }
}

impl Scene {
    fn start() -> Self {
        assert!(Path::new(LIBRARY).exists(), "the package libfaketime is needed; `make test` installs it");
        let folder = scratch();
        let clock = folder.path().join("clock");
        std::fs::write(&clock, "+0").expect("the clock can be set");
        let mut setting = Setting::plain(&folder.path().join("box"), folder.path(), 1);
        for (name, value) in [
            ("LD_PRELOAD", LIBRARY),
            ("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ] {
            setting.environment.push((name.to_owned(), value.to_owned()));
        }
        let fleet = Fleet::start(setting, &mut Random::from_environment());
        let leftovers = Leftovers(vec![fleet.test_box.pid()]);
        Self { fleet, clock, leftovers, _folder: folder }
    }

    /// Sets the box's clock under the running box: `+3650d`, `-400d`, `+0`.
    fn set_clock(&self, ahead: &str) {
        // Renamed into place, so that the box never reads half of it.
        let next = self.clock.with_extension("next");
        std::fs::write(&next, ahead).and_then(|()| std::fs::rename(&next, &self.clock)).expect("the clock can be set");
    }

    fn restart_at(&mut self, ahead: &str) {
        self.fleet.test_box.kill();
        self.set_clock(ahead);
        sound(self.fleet.start_again());
        self.leftovers.0.push(self.fleet.test_box.pid());
    }

    fn write(&mut self) {
        sound(self.fleet.writers[0].write());
    }

    fn check(&mut self) {
        sound(self.fleet.check(2));
    }

    /// When the box received the snapshots, as it says, in the order in which they were made.
    fn received(&self) -> Vec<String> {
        let listed = self.fleet.writers[0].machine().run(["snapshots", "--json"]).expect_success().json();
        let rows = listed.as_array().expect("a list");
        let when = |id: &String| {
            let row = rows.iter().find(|row| row["id"] == **id).expect("every snapshot is listed");
            row["received_at"].as_str().expect("a time").to_owned()
        };
        self.fleet.writers[0].snapshots().iter().map(when).collect()
    }

    fn conclude(&mut self) {
        sound(self.fleet.conclude().map(|_| ()));
        self.leftovers.0.push(self.fleet.test_box.pid());
    }

    fn assert_received_in_order(&self) {
        let received = self.received();
        assert!(received.is_sorted(), "received_at goes back: {received:#?}");
    }
}

fn sound(outcome: Outcome) {
    outcome.unwrap_or_else(|finding| panic!("{finding}"));
}

#[test]
fn a_clock_ten_years_ahead_removes_nothing_and_what_it_refuses_it_explains() {
    let mut scene = Scene::start();
    // Days enough for the brake to see that a jump would cost most of them.
    for day in 0..9 {
        scene.set_clock(&format!("+{day}d"));
        scene.write();
    }
    scene.assert_received_in_order();
    scene.restart_at("+3650d");
    let refused = scene.fleet.writers[0].machine().run(["snapshots"]);
    refused.expect_refusal(KEY_REFUSED, &["certificate", "expired"]);
    scene.fleet.test_box.command(["prune"]).run().expect_refusal(BRAKE, &["10 %"]);
    sound(scene.fleet.verify());
    scene.restart_at("+9d");
    scene.check();
    scene.write();
    scene.assert_received_in_order();
    scene.conclude();
}

#[test]
fn a_clock_that_goes_back_a_year_does_not_turn_the_order_of_snapshots_around() {
    let mut scene = Scene::start();
    scene.write();
    scene.write();
    // While it runs, and over a restart.
    scene.set_clock("-400d");
    for restart in [false, true] {
        if restart {
            scene.restart_at("-400d");
        }
        let finished = scene.fleet.writers[0].try_write(&crate::rig::writer::Switch::default());
        if finished.code() != Some(0) {
            finished.expect_refusal(KEY_REFUSED, &["clock"]);
        }
        scene.fleet.test_box.command(["prune"]).run().expect_success();
        // The box's clock stands still meanwhile, so that several snapshots fall into one second.
        scene.fleet.note_collection();
    }
    scene.restart_at("+0");
    scene.check();
    scene.write();
    scene.assert_received_in_order();
    scene.conclude();
}

#[test]
fn an_enrolment_code_does_not_outlive_a_clock_that_jumps_ahead() {
    let mut scene = Scene::start();
    let code = scene.fleet.test_box.enrol_code("late", "laptop");
    scene.restart_at("+1d");
    let machine = scene.fleet.test_box.machine("late");
    machine.run(["enrol", &code]).expect_refusal(KEY_REFUSED, &["code"]);
    // A new one works, and so does the machine.
    machine.run(["enrol", &scene.fleet.test_box.enrol_code("late", "laptop")]).expect_success();
    machine.run(["snapshots"]).expect_success();
}
