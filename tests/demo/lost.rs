//! Six other boxes keep what the first one has; it is lost with two of them, and a blank one brings it back.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::community::{community, neighbour, unite, watch_outside};
use harness::{Machine, Programs, TestBox};

use crate::steps::{Steps, size};

/// The box of the demonstration, as the others call it.
const OURS: &str = "our box";
/// Six others: a pack becomes three data shards and two of parity, and one box is left over.
const OTHERS: [&str; 6] = ["bakery", "chandler", "smithy", "inn", "mill", "chapel"];
/// As many as parity makes up for.
const LOST: usize = 2;
/// How often it is told how far something is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// The other boxes of the community; the first one has founded it.
pub(crate) struct Neighbours {
    boxes: Vec<TestBox>,
    kit_typed: Option<Instant>,
}

impl Neighbours {
    /// Starts them, and makes a community of them and `ours`.
    pub(crate) fn start(steps: &mut Steps, folder: &Path, ours: &TestBox) -> Self {
        steps.begin("Starting six boxes of others, and letting each into a community with ours, digits compared");
        let boxes: Vec<TestBox> = OTHERS.iter().map(|name| neighbour().data(folder.join(name)).start()).collect();
        let mut all: Vec<&TestBox> = boxes.iter().collect();
        let mut names = OTHERS.to_vec();
        all.insert(1, ours);
        names.insert(1, OURS);
        unite(&all, &names);
        steps.end(&format!("{} boxes know each other by their keys: {OURS}, {}", names.len(), OTHERS.join(", ")));
        Self { boxes, kit_typed: None }
    }

    /// Waits until as many boxes may be lost as the scheme allows.
    pub(crate) fn spread(&self, steps: &mut Steps, ours: &TestBox, patience: Duration) {
        steps.begin("Waiting until the others keep every pack; spreading began as soon as they were in");
        let mut told = Instant::now();
        let outside = watch_outside(ours, patience, |outside| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                steps.progress(&format!(
                    "{} of {} packs, {} of {} are off-site safe",
                    outside.packs.0,
                    outside.packs.1,
                    size(outside.bytes.0),
                    size(outside.bytes.1)
                ));
            }
        });
        let scheme = outside.scheme.unwrap_or_default();
        let sum: u64 = self.boxes.iter().flat_map(TestBox::shards).map(|(_, len)| len).sum();
        steps.end(&format!(
            "scheme {scheme}: {} of packs, sealed once more, became {} of shards at six boxes, {:.2} times as much",
            size(outside.bytes.1),
            size(sum),
            sum as f64 / outside.bytes.1.max(1) as f64
        ));
    }

    /// The site of `ours` burns down, and with it those of two others.
    pub(crate) fn burn(&mut self, steps: &mut Steps, ours: &mut TestBox) {
        let dead = &mut self.boxes[1..=LOST];
        steps.begin(&format!("Killing our box and two others: {}, disks and all", OTHERS[1..=LOST].join(" and ")));
        for lost in dead.iter_mut().chain([ours]) {
            lost.kill();
            std::fs::remove_dir_all(lost.data()).expect("its folder can be removed");
        }
        drop(self.boxes.drain(1..=LOST));
        steps.end(&format!("four boxes are left ({}), and a printed recovery kit", self.names().join(", ")));
    }

    /// A blank box, the kit typed into it.
    pub(crate) fn recover(&mut self, steps: &mut Steps, folder: &Path, kit: &str) -> TestBox {
        steps
            .begin("Typing the kit into a blank box: it asks the others what they keep, and makes its catalog of that");
        let data = folder.join("new box");
        let paper = folder.join("kit.txt");
        std::fs::write(&paper, kit).expect("the kit can be written down");
        self.kit_typed = Some(Instant::now());
        let mut recovery = Command::new(Programs::plain().datisd())
            .arg("--data")
            .arg(&data)
            .args(["recover", "--near", "--kit"])
            .arg(&paper)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("datisd can be started");
        let lines = BufReader::new(recovery.stderr.take().expect("a pipe was asked for")).lines();
        let is_log = |line: &str| [" INFO ", " WARN "].iter().any(|level| line.contains(level));
        // Where nobody is at an address out of the kit, it is told a moment later which box does not answer.
        let is_address = |line: &str| line.contains(" is not to be had: ");
        let mut told_before = HashSet::new();
        for line in lines.map_while(Result::ok).filter(|line| !is_log(line) && !is_address(line)) {
            if told_before.insert(line.clone()) {
                steps.progress(&line);
            }
        }
        let told = recovery.wait_with_output().expect("it ends");
        assert!(told.status.success(), "the box was not recovered: {}", String::from_utf8_lossy(&told.stdout));
        std::fs::remove_file(&paper).expect("the kit can be put away");
        steps.end(String::from_utf8_lossy(&told.stdout).lines().next().unwrap_or_default().trim_end_matches('.'));

        steps.begin("Starting it in the place of the lost one; packs come back while it serves");
        let back = neighbour().data(data).start();
        steps.end(&format!("it serves {:.1} s after the kit was typed", self.since_kit()));
        back
    }

    /// The community and the workstation get to know the new box.
    pub(crate) fn let_in_again(&self, steps: &mut Steps, ours: &TestBox, machine: &Machine) {
        steps.begin(
            "An admin of the community confirms it, and the workstation is enrolled again with the key that it has",
        );
        let _confirmed = community(&self.boxes[0], &["confirm", OURS]).run().expect_success();
        let _retired = ours.command(["retire", "--machine", &machine.name]).run().expect_success();
        let uri = ours.enrol_code(&machine.name, "desktop");
        let told = machine.run(["enrol", "--again", &uri]).expect_success().text();
        let snapshots = machine.snapshots().len();
        steps.end(&format!(
            "{}; its {snapshots} snapshots are there",
            told.split(';').next().unwrap_or_default().trim_end()
        ));
    }

    fn since_kit(&self) -> f64 {
        self.kit_typed.map_or(0.0, |typed| typed.elapsed().as_secs_f64())
    }

    fn names(&self) -> Vec<&str> {
        OTHERS.into_iter().enumerate().filter(|(at, _)| !(1..=LOST).contains(at)).map(|(_, name)| name).collect()
    }

    /// Lets go of them; their processes, and where their logs are.
    pub(crate) fn leave_running(self) -> Vec<(u32, PathBuf)> {
        let left = self.boxes.into_iter().map(|one| {
            let known = (one.pid(), one.beside().to_owned());
            one.leave_running();
            known
        });
        left.collect()
    }
}
