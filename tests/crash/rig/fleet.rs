//! A box under several writing workstations, through as many faults as wanted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{BoxOptions, Machine, Programs, Random, TestBox};

use super::finding::{Broken, Finding, Outcome};
use super::writer::{Expiry, KEEP_LITTLE, KEEP_MUCH, Switch, UnderWay, Writer};

/// What the box leaves free on small disks, in bytes: room for its catalog, as its usual reserve is on large ones.
const RESERVE: u64 = 16 << 20;

/// What a scenario works with. All paths are the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) programs: Programs,
    /// Variables of the box's environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The box's folder.
    pub(crate) data: PathBuf,
    /// Where the workstations keep their state.
    pub(crate) machines: PathBuf,
    /// Where the workstations' trees are.
    pub(crate) trees: PathBuf,
    pub(crate) writers: usize,
}

impl Setting {
    /// The shipped programs, a box in `data`, `writers` workstations in `machines`.
    pub(crate) fn plain(data: &Path, machines: &Path, writers: usize) -> Self {
        let (data, machines) = (data.to_owned(), machines.to_owned());
        let trees = machines.clone();
        Self { programs: Programs::plain(), environment: Vec::new(), data, machines, trees, writers }
    }

    /// As [`Self::plain`], for scenarios that choose the folders themselves.
    pub(crate) fn unplaced(writers: usize) -> Self {
        Self::plain(Path::new(""), Path::new(""), writers)
    }
}

/// Counts for the report at the end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) cycles: u32,
    /// Snapshots that were acknowledged.
    pub(crate) acknowledged: usize,
    pub(crate) slowest_start: Duration,
}

impl Tally {
    /// Adds another part of the same scenario.
    pub(crate) fn add(&mut self, other: &Self) {
        self.cycles += other.cycles;
        self.acknowledged += other.acknowledged;
        self.slowest_start = self.slowest_start.max(other.slowest_start);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cycles, acknowledged, slowest_start } = self;
        write!(f, "{cycles} cycles, {acknowledged} snapshots acknowledged, slowest start {slowest_start:.1?}")
    }
}

/// What goes on at the box beside the backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    /// Collection without a grace period, one run after another.
    Prune,
    /// Workstations are enrolled, one after another.
    Enrolment,
}

/// The box and its workstations.
pub(crate) struct Fleet {
    pub(crate) test_box: TestBox,
    pub(crate) writers: Vec<Writer>,
    setting: Setting,
    /// Machines whose enrolment was confirmed, beside the writers.
    enrolled: Vec<Machine>,
    enrolments: u32,
    /// What collections since the last check may have taken.
    expiry: Expiry,
    keeps_little: bool,
    pub(crate) tally: Tally,
}

impl Fleet {
    /// Starts a box in the setting's folder and enrols its workstations.
    pub(crate) fn start(setting: Setting, random: &mut Random) -> Self {
        let mut options = BoxOptions::new()
            .programs(setting.programs.clone())
            .data(&setting.data)
            .config(format!("[storage]\nreserve_bytes = {RESERVE}\n"));
        for (name, value) in &setting.environment {
            options = options.env(name, value);
        }
        let test_box = options.start();
        let enrol = |number| {
            let folders = (setting.machines.as_path(), setting.trees.as_path());
            Writer::enrol(&test_box, &setting.programs, folders, &format!("writer-{number}"), random)
        };
        let writers = (0..setting.writers).map(enrol).collect();
        let fleet = Self {
            test_box,
            writers,
            setting,
            enrolled: Vec::new(),
            enrolments: 0,
            expiry: Expiry::Nothing,
            keeps_little: false,
            tally: Tally::default(),
        };
        fleet.set_policy(KEEP_MUCH);
        // What the test itself wrote, such as `datisd.toml`, has long reached the disk when the power goes.
        let on_disk = std::fs::File::open(fleet.test_box.data()).expect("the box's folder can be opened");
        rustix::fs::syncfs(on_disk).expect("the disk can be synced");
        fleet
    }

    fn set_policy(&self, policy: &str) {
        for writer in &self.writers {
            self.test_box.command(["policy", "--machine", writer.name(), "--local", policy]).run().expect_success();
        }
    }

    /// Says that a collection has run since the last check.
    pub(crate) fn note_collection(&mut self) {
        self.expiry = if self.keeps_little { Expiry::AllButTheNewest } else { Expiry::OneASecond };
    }

    /// Lets every workstation write, and `beside` happen, until `strike` returns. `strike` has to stop the switch.
    pub(crate) fn write_until(
        &mut self,
        under_way: UnderWay,
        beside: Beside,
        strike: impl FnOnce(&Switch, &mut TestBox),
    ) {
        if beside == Beside::Prune {
            self.note_collection();
        }
        let switch = Switch::default();
        let prune = self.test_box.command(["prune", "--force", "--grace", "0"]);
        let enrol = Enrolling::new(self);
        let (writers, test_box) = (&mut self.writers, &mut self.test_box);
        let enrolled = std::thread::scope(|scope| {
            // Also when the fault itself fails and panics, so that the scope ends.
            let _stop = StopOnDrop(&switch);
            for writer in writers {
                let switch = &switch;
                scope.spawn(move || writer.write_until_stopped(switch, under_way));
            }
            let busy = match beside {
                Beside::Nothing => None,
                Beside::Prune => Some(scope.spawn(|| {
                    while !switch.is_stopped() {
                        // The fault may strike it as well; what it says does not matter, what it leaves does.
                        let _finished = prune.clone().run();
                    }
                    Vec::new()
                })),
                Beside::Enrolment => Some(scope.spawn(|| enrol.until_stopped(&switch))),
            };
            strike(&switch, test_box);
            assert!(switch.is_stopped(), "the fault has to stop the writers");
            busy.map(|busy| busy.join().expect("no panic beside")).unwrap_or_default()
        });
        self.enrolments += 1;
        self.enrolled.extend(enrolled);
        self.tally.cycles += 1;
    }

    /// Lets all but the newest snapshot of a source expire within a second.
    pub(crate) fn keep_little(&mut self) {
        self.set_policy(KEEP_LITTLE);
        self.keeps_little = true;
    }

    /// Collects without a grace period; this has to work.
    pub(crate) fn collect(&mut self) {
        self.note_collection();
        self.test_box.command(["prune", "--force", "--grace", "0"]).run().expect_success();
    }

    /// Starts the box after a fault.
    pub(crate) fn start_again(&mut self) -> Outcome {
        let began = std::time::Instant::now();
        self.test_box.try_start().map_err(|told| Finding::new(Broken::NotBack, told))?;
        self.tally.slowest_start = self.tally.slowest_start.max(began.elapsed());
        self.writers.iter_mut().for_each(Writer::finish_under_way);
        Ok(())
    }

    /// Compares all workstations with the box.
    pub(crate) fn check(&mut self, samples: usize) -> Outcome {
        let cycle = self.tally.cycles;
        for writer in &mut self.writers {
            writer.check(samples, self.expiry).map_err(|finding| finding.at(cycle, &self.test_box))?;
        }
        self.expiry = Expiry::Nothing;
        for machine in self.enrolled.drain(..) {
            let finished = machine.run(["snapshots", "--json"]);
            if finished.code() != Some(0) {
                return Err(Finding::new(Broken::LostMachine, finished).at(cycle, &self.test_box));
            }
        }
        Ok(())
    }

    /// The end of a scenario: another backup works everywhere, everything is compared, the box finds itself sound, and
    /// what was acknowledged is there even without the catalog.
    pub(crate) fn conclude(&mut self) -> Outcome<Tally> {
        for writer in &mut self.writers {
            writer.write()?;
        }
        self.check(20)?;
        // With what it deletes, what a rebuild finds must still be whole.
        self.collect();
        self.check(3)?;
        self.verify()?;
        self.test_box.kill();
        let rebuilt = self.test_box.command(["rebuild"]).run();
        if rebuilt.code() != Some(0) {
            return Err(Finding::new(Broken::Loss, rebuilt));
        }
        self.start_again()?;
        for writer in &mut self.writers {
            writer.check_after_rebuild()?;
        }
        self.tally.acknowledged = self.writers.iter().map(Writer::acknowledged).sum();
        Ok(self.tally)
    }

    /// `datisd verify`.
    pub(crate) fn verify(&self) -> Outcome {
        let finished = self.test_box.command(["verify"]).run();
        if finished.code() == Some(0) { Ok(()) } else { Err(Finding::new(Broken::Damage, finished)) }
    }
}

struct StopOnDrop<'s>(&'s Switch);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Enrols machines one after another.
struct Enrolling {
    programs: Programs,
    folder: PathBuf,
    prefix: String,
    code: harness::Invocation,
}

impl Enrolling {
    fn new(fleet: &Fleet) -> Self {
        let prefix = format!("extra-{}", fleet.enrolments);
        let words = ["enrol-code", "--profile", "laptop", "--machine"];
        Self {
            programs: fleet.setting.programs.clone(),
            folder: fleet.setting.machines.clone(),
            prefix,
            code: fleet.test_box.command(words),
        }
    }

    /// The machines that were told that they are enrolled before the switch announced the cut.
    fn until_stopped(&self, switch: &Switch) -> Vec<Machine> {
        let mut enrolled = Vec::new();
        let mut number = 0;
        while !switch.is_stopped() {
            number += 1;
            let name = format!("{}-{number}", self.prefix);
            let code = self.code.clone().arg(&name).run();
            if code.code() != Some(0) {
                continue;
            }
            let machine = Machine::new(&self.programs, self.folder.join(&name), &name);
            let mut running = machine.command(["enrol", code.text().trim()]).start();
            // By itself it would wait for the box for longer than a test can.
            while !running.has_ended() && !switch.is_stopped() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let finished = if running.has_ended() { running.wait() } else { running.kill() };
            if finished.code() == Some(0) && !switch.is_cut() {
                enrolled.push(machine);
            }
        }
        enrolled
    }
}
