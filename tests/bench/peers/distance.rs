//! How fast packs go out to boxes that are far away: an owner and four others, each behind a line of its own that is as long as is
//! asked. Each time the owner holds back what it has until all is there, then sends it; what counts is the time between the first
//! and the last hundredth of the bytes, as they come out at the others.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::community::{Outside, neighbour_with, unite};
use harness::{Length, LongLine, Machine, Programs, Random, TestBox, wait_for};

use crate::cost::{cpu, forget_peak, mib, peak_mib};

const OTHERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(900);
const LOOK: Duration = Duration::from_millis(20);
/// Asking the owner takes its time too.
const ASK: Duration = Duration::from_secs(2);
const ROUND_TRIPS: [u64; 4] = [0, 20, 50, 100];
/// What a sender keeps for one connection at most, as Linux comes.
const USUAL_WINDOW: usize = 4 << 20;

/// What is sent.
#[derive(Clone, Copy)]
enum Load {
    /// Full packs.
    Large { bytes: usize },
    /// Many small ones, as many machines make them in a night.
    Small { packs: usize, bytes: usize },
}

struct Far {
    owner: TestBox,
    machine: Machine,
    others: Vec<(TestBox, LongLine)>,
    backups: u64,
}

/// The figures of all lengths, one line each.
pub(crate) fn measure(folder: &Path, size: usize) {
    let mut far = Far::begin(folder);
    println!(
        "{:>8} {:>8} {:>8} {:>10} {:>12} {:>10} {:>12}",
        "packs", "rtt ms", "window", "MiB/s", "s/GiB", "owner MiB", "connections"
    );
    let small = Load::Small { packs: 60, bytes: 150_000 };
    for (load, word) in [(Load::Large { bytes: size }, "full"), (small, "small")] {
        for window in [None, Some(USUAL_WINDOW)] {
            // A window binds nothing small, and nothing that is near.
            let is_worth_it = |round_trip: &u64| window.is_none() || (*round_trip > 0 && word == "full");
            for round_trip in ROUND_TRIPS.into_iter().filter(is_worth_it) {
                far.send(load, word, Length { round_trip: Duration::from_millis(round_trip), window });
            }
        }
    }
}

impl Far {
    fn begin(folder: &Path) -> Self {
        let owner = neighbour_with("gives_bytes = 1099511627776\n").data(folder.join("owner")).start();
        let machine = Machine::new(&Programs::plain(), folder.join("machine"), "machine");
        let _told = machine.run(["enrol", &owner.enrol_code("machine", "server")]).expect_success();
        let others: Vec<(TestBox, LongLine)> = (0..OTHERS).map(|number| behind_a_line(folder, number)).collect();
        let names: Vec<String> = (0..=OTHERS).map(|number| format!("box {number}")).collect();
        let all: Vec<&TestBox> = others.iter().map(|(other, _)| other).collect();
        unite(&[&[&owner], &all[..]].concat(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        Self { owner, machine, others, backups: 0 }
    }

    fn send(&mut self, load: Load, word: &str, length: Length) {
        self.set_hours("pause");
        match load {
            Load::Large { bytes } => self.back_up(bytes),
            Load::Small { packs, bytes } => (0..packs).for_each(|_| self.back_up(bytes)),
        }
        wait_for("the verifier", PATIENCE, || {
            std::thread::sleep(ASK);
            (self.owner.status()["unverified_packs"] == 0).then_some(())
        });
        for (_, line) in &self.others {
            line.set_length(length);
            let _so_far = line.most_connections();
        }
        forget_peak(self.owner.pid());
        self.set_hours("full");
        let seen = self.watch();
        let total = seen.last().map_or(0, |last| last.bytes);
        let at = |share: f64| *seen.iter().find(|one| one.bytes as f64 >= share * total as f64).expect("it ends");
        let (first, last) = (at(0.01), at(0.99));
        let (bytes, seconds) = (last.bytes - first.bytes, (last.when - first.when).as_secs_f64());
        let most = self.others.iter().map(|(_, line)| line.most_connections()).max().unwrap_or(0);
        println!(
            "{word:>8} {:>8} {:>8} {:>10.1} {:>12.1} {:>10.0} {most:>12}",
            length.round_trip.as_millis(),
            length.window.map_or_else(|| "-".to_owned(), |window| format!("{:.0} MiB", mib(window as u64))),
            mib(bytes) / seconds.max(0.001),
            (last.cpu_seconds - first.cpu_seconds) / (mib(bytes) / 1024.0).max(0.001),
            peak_mib(self.owner.pid()),
        );
        self.others.iter().for_each(|(_, line)| line.set_length(Length::default()));
    }

    fn set_hours(&self, class: &str) {
        let hours = format!("mon-sun 0-24 {class}");
        let _set = self.owner.command(["bandwidth", "set", "--hours", &hours]).run().expect_success();
    }

    /// Random bytes, in packs of their own.
    fn back_up(&mut self, bytes: usize) {
        self.backups += 1;
        let source = self.owner.beside().join("source");
        std::fs::create_dir_all(&source).expect("a folder");
        std::fs::write(source.join("file"), Random::new(self.backups).bytes(bytes)).expect("a file");
        let _saved = self.machine.backup_command(&source, [""; 0]).patience(PATIENCE).run().expect_success();
    }

    /// What came out at the others, and what all boxes took for it, until everything is outside.
    fn watch(&self) -> Vec<Seen> {
        let pids: Vec<u32> = self.others.iter().map(|(other, _)| other.pid()).chain([self.owner.pid()]).collect();
        let arrived = || self.others.iter().map(|(_, line)| line.arrived()).sum::<u64>();
        let (before, began) = (arrived(), Instant::now());
        let (mut seen, mut asked) = (Vec::<Seen>::new(), Instant::now());
        loop {
            std::thread::sleep(LOOK);
            let (bytes, when) = (arrived() - before, Instant::now());
            if seen.last().is_none_or(|last| last.bytes != bytes) {
                seen.push(Seen { when, bytes, cpu_seconds: pids.iter().map(|pid| cpu(*pid)).sum() });
            }
            // Not while bytes go: whoever asks takes part.
            let is_still = seen.last().is_some_and(|last| last.when.elapsed() > ASK);
            if is_still && asked.elapsed() > ASK {
                if Outside::of(&self.owner).is_everything {
                    return seen;
                }
                asked = Instant::now();
            }
            assert!(began.elapsed() < PATIENCE, "it does not get outside\n{}", self.owner.log());
        }
    }
}

/// What was seen at one moment.
#[derive(Clone, Copy)]
struct Seen {
    when: Instant,
    /// Since it began.
    bytes: u64,
    cpu_seconds: f64,
}

/// A box that others find at the beginning of a line.
fn behind_a_line(folder: &Path, number: usize) -> (TestBox, LongLine) {
    let line = LongLine::new();
    let config = format!(
        "[community]\nallow_private = true\ngives_bytes = 1099511627776\n[storage]\nreserve_bytes = 1048576\n\
         [machine_port]\naddress = \"127.0.0.1\"\noutside_port = {}\n",
        line.port()
    );
    let other = harness::BoxOptions::new().config(config).data(folder.join(format!("other {number}"))).start();
    line.lead_to(other.machine_port());
    (other, line)
}
