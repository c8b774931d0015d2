//! A workstation that changes its tree and backs it up, and remembers what the box has acknowledged and what not.
//!
//! The oracle: whatever was acknowledged is listed and restores equal, content and metadata; whatever else is listed
//! restores equal to a tree that was being backed up when the fault struck.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::tree::{TreeState, change};
use harness::{Finished, Machine, Programs, Random, Running, TestBox, within};
use jiff::Timestamp;

use super::finding::{Broken, Finding, Outcome};
use super::seed::fork;

/// How the fault and the writers tell each other where they are.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    /// Nothing that is acknowledged from now on counts: the power may be gone already.
    cut: AtomicBool,
    /// Writers begin nothing new.
    stop: AtomicBool,
    /// Backups that were acknowledged since the writers began.
    acknowledged: AtomicU64,
}

impl Switch {
    pub(crate) fn announce_cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Waits until `count` backups were acknowledged, or for two seconds, so that a slow computer has something to lose
    /// too; then for `life` more.
    pub(crate) fn await_work(&self, count: u64, life: Duration) {
        let until = Instant::now() + Duration::from_secs(2);
        while self.acknowledged.load(Ordering::SeqCst) < count && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(life);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

/// What becomes of a backup that is under way when the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnderWay {
    /// It is killed too.
    Killed,
    /// It goes on and meets the box again when that is back.
    GoesOn,
}

#[derive(Debug)]
struct Kept {
    snapshot: String,
    /// When the box received it, to the second.
    second: String,
    tree: TreeState,
}

/// A backup that meets the restart of the box.
#[derive(Debug)]
struct Meeting {
    running: Running,
    tree: TreeState,
    /// What was received by then was received by a box whose power was gone: where the disk of one instant is what is
    /// left, it goes on a little, in vain. `None`: the power did not go.
    in_vain_until: Option<Timestamp>,
}

impl Meeting {
    /// `received_at`: as the box says it, in whole milliseconds.
    fn counts(in_vain_until: Option<Timestamp>, received_at: &str) -> bool {
        let received = received_at.parse().map(Timestamp::as_millisecond);
        in_vain_until.is_none_or(|until| received.is_ok_and(|received| received > until.as_millisecond()))
    }
}

/// A snapshot that the box lists.
#[derive(Debug)]
struct Listed {
    snapshot: String,
    second: String,
}

/// What may have gone by the machine's policy since the last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Nothing: no collection ran.
    Nothing,
    /// A collection ran, and of each second one snapshot is kept ([`KEEP_MUCH`]).
    OneASecond,
    /// A collection ran, and only the newest snapshot is sure to be there ([`KEEP_LITTLE`]).
    AllButTheNewest,
}

/// The policy under which next to nothing expires; finer ones there are not.
pub(crate) const KEEP_MUCH: &str = "30d/1s";

/// The policy under which all but the newest snapshot expire within a second.
pub(crate) const KEEP_LITTLE: &str = "1s/1s";

/// One workstation with one source.
#[derive(Debug)]
pub(crate) struct Writer {
    machine: Machine,
    tree: PathBuf,
    random: Random,
    /// Acknowledged, oldest first.
    kept: Vec<Kept>,
    /// Not acknowledged; the box may have them or not.
    open: Vec<TreeState>,
    /// Goes on over a restart of the box.
    under_way: Option<Meeting>,
    restores: u64,
}

impl Writer {
    /// Enrols a workstation with its state below `folder` and a small tree of its own below `trees`.
    pub(crate) fn enrol(
        test_box: &TestBox,
        programs: &Programs,
        (folder, trees): (&Path, &Path),
        name: &str,
        random: &mut Random,
    ) -> Self {
        let mut random = fork(random);
        let machine = Machine::new(programs, folder.join(name), name);
        machine.run(["enrol", &test_box.enrol_code(name, "server")]).expect_success();
        let tree = trees.join(name).join("tree");
        plant_tree(&tree, &mut random);
        Self { machine, tree, random, kept: Vec::new(), open: Vec::new(), under_way: None, restores: 0 }
    }

    pub(crate) fn name(&self) -> &str {
        &self.machine.name
    }

    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The acknowledged snapshots, oldest first.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        self.kept.iter().map(|kept| kept.snapshot.clone()).collect()
    }

    /// How many snapshots were acknowledged and are still watched.
    pub(crate) fn acknowledged(&self) -> usize {
        self.kept.len()
    }

    /// Changes the tree a little.
    pub(crate) fn change(&mut self) {
        let count = 1 + self.random.below(4);
        change(&self.tree, count, &mut self.random);
    }

    fn start_backup(&self) -> Running {
        self.machine.backup_command(&self.tree, ["--source", "files"]).start()
    }

    /// One backup after another, until the switch says stop.
    pub(crate) fn write_until_stopped(&mut self, switch: &Switch, under_way: UnderWay) {
        while !switch.is_stopped() {
            self.change();
            let tree = TreeState::read(&self.tree);
            let mut running = self.start_backup();
            while !running.has_ended() && !switch.is_stopped() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if running.has_ended() {
                let finished = running.wait();
                self.note(&finished, tree, switch);
            } else if under_way == UnderWay::GoesOn {
                // The fault has ended the old box before it stopped the switch.
                let in_vain_until = switch.is_cut().then(Timestamp::now);
                self.under_way = Some(Meeting { running, tree, in_vain_until });
            } else {
                let finished = running.kill();
                self.note(&finished, tree, switch);
            }
        }
    }

    /// Starts a backup and kills it after `life`.
    pub(crate) fn write_and_be_killed(&mut self, life: Duration, switch: &Switch) {
        self.change();
        let tree = TreeState::read(&self.tree);
        let running = self.start_backup();
        std::thread::sleep(life);
        let finished = running.kill();
        self.note(&finished, tree, switch);
    }

    /// A backup with nothing in its way. It has to work.
    pub(crate) fn write(&mut self) -> Outcome {
        self.change();
        self.write_unchanged()
    }

    pub(crate) fn write_unchanged(&mut self) -> Outcome {
        let tree = TreeState::read(&self.tree);
        let finished = self.start_backup().wait();
        if self.note(&finished, tree, &Switch::default()) && finished.code() == Some(0) {
            Ok(())
        } else {
            Err(Finding::new(Broken::Refusal, finished))
        }
    }

    /// A backup that may fail or not; tells how it ended.
    pub(crate) fn try_write(&mut self, switch: &Switch) -> Finished {
        self.change();
        let tree = TreeState::read(&self.tree);
        let finished = self.start_backup().wait();
        self.note(&finished, tree, switch);
        finished
    }

    /// Waits for the backup that met the restart of the box, if there is one.
    pub(crate) fn finish_under_way(&mut self) {
        if let Some(Meeting { running, tree, in_vain_until }) = self.under_way.take() {
            let finished = running.wait();
            self.keep(&finished, tree, |received_at| Meeting::counts(in_vain_until, received_at));
        }
    }

    /// Remembers a backup by what it said, which counts even when it was killed right after. True: acknowledged.
    fn note(&mut self, finished: &Finished, tree: TreeState, switch: &Switch) -> bool {
        let acknowledged = self.keep(finished, tree, |_| !switch.is_cut());
        if acknowledged {
            switch.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        acknowledged
    }

    /// Keeps a backup in mind as one that the box owes if it said so, and if what was received then counts.
    fn keep(&mut self, finished: &Finished, tree: TreeState, counts: impl FnOnce(&str) -> bool) -> bool {
        let text = finished.text();
        let last = text.lines().last().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let field = |key: &str| last.as_ref().and_then(|summary| summary[key].as_str()).unwrap_or_default().to_owned();
        let received_at = field("received_at");
        if field("outcome") == "complete" && counts(&received_at) {
            self.kept.push(Kept { snapshot: field("snapshot"), second: second(&received_at), tree });
            return true;
        }
        self.open.push(tree);
        false
    }

    /// Compares what the box lists with what it owes, once no backup of this machine is under way any more.
    /// `samples`: how many acknowledged snapshots are restored.
    pub(crate) fn check(&mut self, samples: usize, expiry: Expiry) -> Outcome {
        let listed = self.listed()?;
        for found in &listed {
            if !self.kept.iter().any(|kept| kept.snapshot == found.snapshot) {
                self.recognise(found)?;
            }
        }
        let has = |kept: &Kept| listed.iter().any(|found| found.snapshot == kept.snapshot);
        for (at, kept) in self.kept.iter().enumerate() {
            let is_owed = match expiry {
                Expiry::Nothing => true,
                // Which one of a second is the newest is only known for those that were acknowledged: any other will do.
                Expiry::OneASecond => !listed.iter().any(|found| found.second == kept.second),
                Expiry::AllButTheNewest => at + 1 == self.kept.len(),
            };
            if is_owed && !has(kept) {
                let told = format!(
                    "snapshot {} of {} was acknowledged at {} and is gone; listed are {listed:?}",
                    kept.snapshot,
                    self.name(),
                    kept.second
                );
                return Err(Finding::new(Broken::Loss, told));
            }
        }
        self.kept.retain(has);
        // What the box does not have by now it will never have.
        self.open.clear();
        self.check_restores(samples)
    }

    /// After a rebuild of the catalog: what was acknowledged is there. Further snapshots, whose commit was cut off after
    /// their record was stored, may turn up, as whole ones.
    pub(crate) fn check_after_rebuild(&mut self) -> Outcome {
        let listed = self.listed()?;
        for kept in &self.kept {
            if !listed.iter().any(|found| found.snapshot == kept.snapshot) {
                let told = format!("snapshot {} of {} is gone after a rebuild", kept.snapshot, self.name());
                return Err(Finding::new(Broken::Loss, told));
            }
        }
        let is_new = |found: &Listed| !self.kept.iter().any(|kept| kept.snapshot == found.snapshot);
        let extra: Vec<Listed> = listed.into_iter().filter(is_new).collect();
        for found in extra {
            self.restored(&found.snapshot).map_err(|finished| Finding::new(Broken::HalfWritten, finished))?;
        }
        self.check_restores(5)
    }

    /// Restores the newest acknowledged snapshot and some others.
    fn check_restores(&mut self, samples: usize) -> Outcome {
        for sample in 0..samples.min(self.kept.len()) {
            let at = match sample {
                0 => self.kept.len() - 1,
                _ => usize::try_from(self.random.below(self.kept.len() as u64)).expect("an index"),
            };
            let snapshot = self.kept[at].snapshot.clone();
            match self.restored(&snapshot) {
                Ok(found) => {
                    let told = self.kept[at].tree.differences_to(&found);
                    if !told.is_empty() {
                        let told = format!("snapshot {snapshot} came back different: {}", told.join("; "));
                        return Err(Finding::new(Broken::Loss, told));
                    }
                }
                Err(finished) => return Err(Finding::new(Broken::Loss, finished)),
            }
        }
        Ok(())
    }

    /// A snapshot that nobody was told of must be a backup that was under way, as a whole.
    fn recognise(&mut self, listed: &Listed) -> Outcome {
        let Listed { snapshot, second } = listed;
        let found = self.restored(snapshot).map_err(|finished| Finding::new(Broken::HalfWritten, finished))?;
        let Some(at) = self.open.iter().rposition(|tree| tree.differences_to(&found).is_empty()) else {
            let told =
                format!("{snapshot} of {} is none of {} trees that were under way", self.name(), self.open.len());
            return Err(Finding::new(Broken::HalfWritten, told));
        };
        let kept = Kept { snapshot: snapshot.clone(), second: second.clone(), tree: self.open.remove(at) };
        // By the time of arrival, as if it had been acknowledged.
        let at = self.kept.partition_point(|other| other.second <= kept.second);
        self.kept.insert(at, kept);
        Ok(())
    }

    fn listed(&self) -> Outcome<Vec<Listed>> {
        let finished = self.machine.run(["snapshots", "--json"]);
        let failed = |finished: &Finished| Finding::new(Broken::NotBack, finished);
        if finished.code() != Some(0) {
            return Err(failed(&finished));
        }
        let rows: serde_json::Value = serde_json::from_slice(&finished.stdout).map_err(|_| failed(&finished))?;
        let mut listed = Vec::new();
        for row in rows.as_array().ok_or_else(|| failed(&finished))? {
            if row["state"] != "complete" {
                return Err(Finding::new(Broken::Damage, row));
            }
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            listed.push(Listed { snapshot: text("id"), second: second(&text("received_at")) });
        }
        Ok(listed)
    }

    fn restored(&mut self, snapshot: &str) -> Result<TreeState, Finished> {
        self.restores += 1;
        let target = self.tree.with_file_name(format!("restored-{}", self.restores));
        let what = within(snapshot, &self.tree);
        let finished = self.machine.command(["restore", "--json"]).arg(what).arg("--to").arg(&target).run();
        if finished.code() != Some(0) {
            return Err(finished);
        }
        let found = TreeState::read(&target);
        std::fs::remove_dir_all(&target).expect("a restored tree can be removed");
        Ok(found)
    }
}

/// The first part of a time as JSON has it, such as `2026-11-21T15:33:16.513Z`.
fn second(time: &str) -> String {
    time.split('.').next().unwrap_or_default().to_owned()
}

/// Some dozens of entries and some hundred KiB: small enough for many cycles, with one of most kinds of entry.
fn plant_tree(root: &Path, random: &mut Random) {
    const CANNOT: &str = "a test's own tree can be made";
    std::fs::create_dir_all(root.join("folder").join("empty")).expect(CANNOT);
    for number in 0..12_u64 {
        let len = usize::try_from(random.below(40_000)).expect("a small number");
        let bytes = if random.one_in(2) { random.text(len) } else { random.bytes(len) };
        std::fs::write(root.join(format!("file {number}")), bytes).expect(CANNOT);
    }
    // The same on every machine, so that machines share chunks.
    let mut common = Random::new(7);
    for number in 0..4 {
        std::fs::write(root.join("folder").join(format!("common {number}")), common.text(20_000)).expect(CANNOT);
    }
    std::fs::hard_link(root.join("file 0"), root.join("folder").join("second name")).expect(CANNOT);
    symlink("../file 1", root.join("folder").join("link")).expect(CANNOT);
    std::fs::set_permissions(root.join("file 2"), PermissionsExt::from_mode(0o4750)).expect(CANNOT);
}
