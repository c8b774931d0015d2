//! `make demo`: the whole product at work on this computer, told step by step.
//!
//! A box starts in a temporary folder, a workstation enrols, a real folder is backed up, some of it changes, it is backed up
//! again, looked into, restored and compared. Then six more boxes join the first one in a community, its packs spread over them,
//! it is lost together with two of the others, and a blank box brings everything back out of the recovery kit. That one goes
//! on running, with a link that lets into its portal once; with `KEEP=0` it ends.

mod lost;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::{Finished, Machine, Random, Summary, TestBox, tree, within};

use crate::lost::Neighbours;
use crate::steps::{Steps, size};

/// Files that the demonstration changes, so that there is something new in the second backup.
const CHANGED_FILES: usize = 40;

/// How long one step may take: the folder is the user's choice.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// How soon after its first start a box takes workstations.
const READY_WITHIN: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let source = PathBuf::from(std::env::var_os("DEMO_SOURCE").unwrap_or_else(|| "/usr/share".into()));
    let keep = std::env::var("KEEP").map_or(true, |keep| keep != "0");
    if !source.is_dir() {
        eprintln!("{} is no folder; name one with DEMO_SOURCE=…", source.display());
        return ExitCode::from(2);
    }
    Demonstration::begin(&source).run(keep);
    ExitCode::SUCCESS
}

struct Demonstration {
    folder: tempfile::TempDir,
    source: PathBuf,
    the_box: TestBox,
    first_start: Instant,
    steps: Steps,
}

impl Demonstration {
    fn begin(original: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("datis-demo-").tempdir().expect("a temporary folder can be made");
        let mut steps = Steps::default();
        println!("Datis: backup boxes and a workstation, all on this computer, in {}.\n", folder.path().display());

        steps.begin("Copying the folder that is going to be backed up, so that it can be changed");
        let source = folder.path().join("workstation").join(original.file_name().unwrap_or("root".as_ref()));
        copy(original, &source);
        let state = tree::TreeState::read(&source);
        steps.end(&format!("{} entries, {} of {}", state.len(), size(state.bytes()), original.display()));

        steps.begin("Starting a box; it makes its own keys, vault and catalog");
        let first_start = Instant::now();
        let the_box = harness::community::neighbour().data(folder.path().join("box")).start();
        steps.end(&format!(
            "it serves machines on port {}, people on port {}",
            the_box.machine_port(),
            the_box.portal_port()
        ));
        Self { folder, source, the_box, first_start, steps }
    }

    fn run(mut self, keep: bool) {
        let machine = self.enrol();
        let first = self.back_up(&machine, "First backup: everything is read, cut, compressed, encrypted and sent");
        let before = tree::TreeState::read(&self.source);
        self.steps.begin("Changing the folder: new, edited, renamed, deleted files, other rights");
        tree::change(&self.source, CHANGED_FILES as u64, &mut Random::new(2));
        std::fs::write(self.source.join("letter.txt"), b"Written between two backups.\n")
            .expect("a file can be written");
        self.steps.end(&format!("{} changes", CHANGED_FILES + 1));
        let second = self.back_up(&machine, "Second backup: only what has changed is read and sent");
        self.look_around(&machine, &first, &second);

        let after = tree::TreeState::read(&self.source);
        self.restore(&machine, &second, &after, "newest");
        self.restore(&machine, &first, &before, "first");
        self.steps.begin("The box reads and opens everything that it stores");
        let verify = self.the_box.command(["verify"]).patience(PATIENCE).run().expect_success();
        self.steps.end(verify.text().lines().next().unwrap_or_default().trim_end_matches('.'));

        let neighbours = self.lose_and_recover(&machine);
        self.restore(&machine, &second, &after, "newest");

        println!("\nEverything came back byte by byte, with modes, owners, times, attributes and links.");
        self.steps.table();
        if keep {
            self.keep(&machine, neighbours);
        } else {
            println!(
                "\nAll boxes end now, and their folders are removed; KEEP=1 leaves them running, to be looked at."
            );
        }
    }

    fn enrol(&mut self) -> Machine {
        self.steps.begin("Enrolling a workstation with a one-use code from the box");
        let programs = harness::Programs::plain();
        let machine = Machine::new(&programs, self.folder.path().join("workstation-state"), "workstation");
        let uri = self.the_box.enrol_code("workstation", "desktop");
        let told = machine.run(["enrol", &uri]).expect_success().text();
        self.steps.end(told.split(';').next().unwrap_or_default().trim_end());
        let ready = self.first_start.elapsed();
        assert!(ready <= READY_WITHIN, "the box was ready for its first workstation after {ready:?}");
        println!("    {:7.2} s  from the first start to a workstation that may back up", ready.as_secs_f64());
        machine
    }

    fn back_up(&mut self, machine: &Machine, title: &str) -> Summary {
        self.steps.begin(title);
        let finished = machine.backup_command(&self.source, [""; 0]).patience(PATIENCE).run().expect_success();
        let summary = Summary::of(&finished);
        let number = |key: &str| summary.all[key].as_u64().unwrap_or_default();
        self.steps.end(&format!(
            "{} files, {}; read {}, new {}, sent {} in {} pack{}",
            summary.files,
            size(summary.bytes),
            size(number("read_bytes")),
            size(number("new_bytes")),
            size(summary.sent_bytes),
            summary.packs,
            if summary.packs == 1 { "" } else { "s" }
        ));
        summary
    }

    fn look_around(&mut self, machine: &Machine, first: &Summary, second: &Summary) {
        self.steps.begin("Listing, finding and comparing snapshots, without restoring them");
        let show = |finished: Finished, lines: usize| {
            let finished = finished.expect_success();
            println!("     $ datis {}", finished.line.split_once("/state ").map_or("", |(_, words)| words));
            let text = finished.text();
            text.lines().take(lines).for_each(|line| println!("       {line}"));
            let more = text.lines().count().saturating_sub(lines);
            if more > 0 {
                println!("       … and {more} more lines");
            }
        };
        let (first, second) = (&first.snapshot[..12], &second.snapshot[..12]);
        show(machine.run(["snapshots"]), 5);
        show(machine.run(["find", "letter.txt"]), 3);
        show(machine.run(["diff", first, second]), 6);
        let folder = within(second, &self.source);
        show(machine.command(["ls"]).arg(folder).run(), 3);
        self.steps.end("each took a few blocks of the listings");
    }

    fn restore(&mut self, machine: &Machine, snapshot: &Summary, wanted: &tree::TreeState, which: &str) {
        self.steps.begin(&format!("Restoring the {which} snapshot into an empty folder"));
        let target = self.folder.path().join(format!("restored {which}"));
        let restore = machine.command(["restore", "--json"]).arg(within(&snapshot.snapshot, &self.source));
        let finished = restore.arg("--to").arg(&target).patience(PATIENCE).run().expect_success();
        let rate = snapshot.bytes as f64 / finished.seconds.max(0.001) / f64::from(1 << 20);
        self.steps.end(&format!("{} files, {rate:.0} MiB/s", snapshot.files));
        self.steps.begin("Comparing it with what was backed up: content and all metadata");
        let found = tree::TreeState::read(&target);
        let told = wanted.differences_to(&found);
        assert!(told.is_empty(), "{} differences: {:#?}", told.len(), &told[..told.len().min(20)]);
        self.steps.end(&format!("{} entries are the same, 0 differ", found.len()));
        // The folder may be large, and comes back three times.
        std::fs::remove_dir_all(&target).expect("what was restored can be removed");
    }

    /// The box is lost and two others with it; another one takes its place out of the kit.
    fn lose_and_recover(&mut self, machine: &Machine) -> Neighbours {
        println!("\nNow the worst: other boxes keep what this one has, and then it is lost.\n");
        let mut neighbours = Neighbours::start(&mut self.steps, self.folder.path(), &self.the_box);
        neighbours.spread(&mut self.steps, &self.the_box, PATIENCE);
        let kit = self.the_box.command(["kit"]).run().expect_success().text();
        neighbours.burn(&mut self.steps, &mut self.the_box);
        self.the_box = neighbours.recover(&mut self.steps, self.folder.path(), &kit);
        neighbours.let_in_again(&mut self.steps, &self.the_box, machine);
        neighbours
    }

    fn keep(self, machine: &Machine, neighbours: Neighbours) {
        let (folder, pid) = (self.folder.keep(), self.the_box.pid());
        let data = self.the_box.data().to_owned();
        let (mut pids, mut logs) = (pid.to_string(), self.the_box.beside().display().to_string());
        for (pid, log) in neighbours.leave_running() {
            pids.push_str(&format!(" {pid}"));
            logs.push_str(&format!(" {}", log.display()));
        }
        let programs = harness::Programs::plain();
        let (datisd, datis) = (programs.datisd(), programs.datis());
        let link = self.the_box.command(["auth", "admin-link"]).run().expect_success().text();
        self.the_box.leave_running();
        println!(
            "\nThe new box goes on running (process {pid}), and so do those of its community. Open its portal with this link, once, and become its admin:\n"
        );
        println!("  {}\n", link.trim_end());
        println!("  export DATISD='{} --data {}'", datisd.display(), data.display());
        println!("  export DATIS='{} --state {}'", datis.display(), machine.state().display());
        println!("  $DATISD status                      what the box has");
        println!("  $DATISD kit                         the recovery kit");
        println!("  $DATIS snapshots                    what can be restored");
        println!("  $DATIS restore latest --to /tmp/x   get everything back");
        println!("  kill {pids}; rm -rf {} {logs}   ends it", folder.display());
    }
}

/// With all that belongs to it, as `cp` does it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a path in a folder")).expect("a folder can be made");
    let copied = std::process::Command::new("cp").arg("-a").arg("--").arg(from).arg(to).status().expect("cp starts");
    assert!(copied.success(), "cp could not copy {}", from.display());
}
