//! A box and twelve others, all real. Table 4.2 of the design gives twelve others 6+4: ten of them hold a shard of every pack,
//! two are spares.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::community::{Outside, let_in, neighbour_with, unite, watch_outside};
use harness::{BoxOptions, Machine, Programs, Random, Summary, TestBox, wait_for, within};

use crate::cost::{Cost, Watch, forget_peak, peak_mib};

const OTHERS: usize = 12;
/// Of these the shards are lost for the repair.
const LOSERS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How often it is looked how far something is.
const LOOK: Duration = Duration::from_millis(250);
/// What the source is written in.
const PIECE: usize = 32 << 20;
/// A small file beside the large ones: the first one that somebody wants back.
const FIRST_FILE: &str = "first file";

/// Gives the others as much as they can ask for: each is new, and gets a quarter of its share.
fn roomy() -> BoxOptions {
    neighbour_with("gives_bytes = 1099511627776\n")
}

/// The owner, its machine, and the others.
pub(crate) struct Ours {
    folder: PathBuf,
    owner: TestBox,
    others: Vec<TestBox>,
    machine: Machine,
    source: PathBuf,
    summary: Summary,
}

/// What dispersal took.
pub(crate) struct Spread {
    pub(crate) scheme: String,
    pub(crate) cost: Cost,
    /// What the owner had of it.
    pub(crate) owner: Cost,
    pub(crate) data_bytes: u64,
    pub(crate) wire_bytes: u64,
    pub(crate) owner_peak_mib: f64,
}

/// What it took to make lost shards again.
pub(crate) struct Repaired {
    pub(crate) shards: usize,
    pub(crate) seconds: f64,
}

/// What recovery took.
pub(crate) struct Restored {
    /// From the moment the box serves until all packs are on its disk.
    pub(crate) packs: Cost,
    /// What the owner had of it.
    pub(crate) owner: Cost,
    pub(crate) bytes: u64,
    /// From the kit typed until the box serves.
    pub(crate) served_seconds: f64,
    pub(crate) first_file_seconds: f64,
    pub(crate) owner_peak_mib: f64,
}

impl Ours {
    /// An owner that has so much data and belongs to no community yet, and a community of the others, which lies in `elsewhere`.
    pub(crate) fn begin(folder: &Path, elsewhere: &Path, size: u64) -> Self {
        let owner = roomy().data(folder.join("owner")).start();
        let machine = Machine::new(&Programs::plain(), folder.join("machine"), "machine");
        let enrolled = machine.run(["enrol", &owner.enrol_code("machine", "server")]);
        let _told = enrolled.expect_success();
        let source = folder.join("source");
        std::fs::create_dir(&source).expect("a folder");
        std::fs::write(source.join(FIRST_FILE), Random::new(7).bytes(100_000)).expect("a file");
        let mut large = std::fs::File::create(source.join("large")).expect("a file");
        let mut left = usize::try_from(size).expect("a size that fits into memory's addresses");
        for seed in 1.. {
            large.write_all(&Random::new(seed).bytes(left.min(PIECE))).expect("room");
            left -= left.min(PIECE);
            if left == 0 {
                break;
            }
        }
        let backup = machine.backup_command(&source, [""; 0]).patience(PATIENCE).run().expect_success();
        let summary = Summary::of(&backup);
        std::fs::remove_file(source.join("large")).expect("the source is not needed any more");
        wait_for("the verifier", PATIENCE, || {
            std::thread::sleep(LOOK);
            (owner.status()["unverified_packs"] == 0).then_some(())
        });
        let others: Vec<TestBox> =
            (0..OTHERS).map(|number| roomy().data(elsewhere.join(format!("other {number}"))).start()).collect();
        let names: Vec<String> = (0..OTHERS).map(|number| format!("other {number}")).collect();
        unite(&others.iter().collect::<Vec<_>>(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        Self { folder: folder.to_owned(), owner, others, machine, source, summary }
    }

    fn pids(&self) -> Vec<u32> {
        self.others.iter().map(TestBox::pid).chain([self.owner.pid()]).collect()
    }

    /// From the first look at what is missing until every snapshot is fully protected.
    pub(crate) fn disperse(&mut self) -> Spread {
        let_in(&self.others[0], &self.owner, "owner");
        wait_for("the first group", PATIENCE, || Outside::of(&self.owner).scheme);
        let (watch, of_owner) = (Watch::start(&self.pids()), Watch::start(&[self.owner.pid()]));
        forget_peak(self.owner.pid());
        let outside = watch_outside(&self.owner, PATIENCE, |_| ());
        let (cost, owner) = (watch.stop(), of_owner.stop());
        Spread {
            scheme: outside.scheme.unwrap_or_default(),
            cost,
            owner,
            data_bytes: outside.bytes.1,
            wire_bytes: self.others.iter().flat_map(TestBox::shards).map(|(_, len)| len).sum(),
            owner_peak_mib: peak_mib(self.owner.pid()),
        }
    }

    /// Some boxes lose what they keep; the owner finds out by asking, and makes it again. Counted from the first shard that
    /// is made again: how soon it finds out is a matter of the rounds of half an hour, the first of which comes ten minutes
    /// after a start.
    pub(crate) fn repair(&mut self) -> Repaired {
        let mut lost = Vec::new();
        for loser in self.others.iter().filter(|one| !one.shards().is_empty()).take(LOSERS) {
            let shards = loser.shards();
            shards.iter().for_each(|(path, _)| std::fs::remove_file(path).expect("a shard can be lost"));
            lost.extend(shards);
        }
        let count = |ours: &Self| ours.others.iter().map(|one| one.shards().len()).sum::<usize>();
        let left = count(self);
        self.owner.stop();
        self.owner.start_again();
        let mut began = None;
        wait_for("lost shards are there again", PATIENCE, || {
            std::thread::sleep(LOOK);
            let there = count(self);
            if there > left {
                began.get_or_insert_with(Instant::now);
            }
            (there >= left + lost.len()).then_some(())
        });
        let seconds = began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        Repaired { shards: lost.len(), seconds }
    }

    /// The owner's box is gone; a blank one comes back out of the kit: a machine gets its first file while packs come back.
    pub(crate) fn lose_and_recover(&mut self) -> Restored {
        let paper = self.folder.join("kit.txt");
        std::fs::write(&paper, self.owner.command(["kit"]).run().expect_success().text()).expect("the kit");
        self.owner.kill();
        std::fs::remove_dir_all(self.owner.data()).expect("the box is lost");
        let data = self.folder.join("blank");
        let typed = Instant::now();
        let recovered = Command::new(Programs::plain().datisd())
            .arg("--data")
            .arg(&data)
            .args(["recover", "--near", "--kit"])
            .arg(&paper)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("datisd can be started");
        assert!(recovered.success(), "the box was not recovered");
        self.owner = roomy().data(&data).start();
        let served_seconds = typed.elapsed().as_secs_f64();
        let (watch, of_owner) = (Watch::start(&self.pids()), Watch::start(&[self.owner.pid()]));
        forget_peak(self.owner.pid());
        let (packs, owner, first_file_seconds) = std::thread::scope(|scope| {
            let first_file = scope.spawn(|| {
                self.first_file();
                typed.elapsed().as_secs_f64()
            });
            wait_for("the box is whole", PATIENCE, || {
                std::thread::sleep(LOOK);
                self.owner.status()["coming_back"].is_null().then_some(())
            });
            (watch.stop(), of_owner.stop(), first_file.join().expect("the first file"))
        });
        let bytes = self.owner.packs().iter().map(|pack| pack.metadata().expect("a pack").len()).sum();
        Restored { packs, owner, bytes, served_seconds, first_file_seconds, owner_peak_mib: peak_mib(self.owner.pid()) }
    }

    /// The machine is let in again and gets a small file back.
    fn first_file(&self) {
        let _retired = self.owner.command(["retire", "--machine", "machine"]).run().expect_success();
        let uri = self.owner.enrol_code("machine", "server");
        let _enrolled = self.machine.run(["enrol", "--again", &uri]).expect_success();
        self.machine.restore(within(&self.summary.snapshot, &self.source.join(FIRST_FILE)), &self.folder.join("back"));
    }
}
