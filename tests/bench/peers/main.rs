//! Mutual backup measured: packs out to other boxes, back from them, and made again, beside one TLS stream of raw bytes and
//! Tahoe-LAFS in the same run. `tests/bench/README.md` says how.
//!
//! `datis-bench-peers [MIB [FOLDER [TAHOE [OTHERS]]]]`: so much data; where the boxes keep it (default: the temporary folder); the
//! program `tahoe`, without which that comparison is left out; where the other boxes keep it, if not there too. Ends with 1 when a
//! target is missed.
//!
//! `datis-bench-peers distance [MIB [FOLDER]]`: how fast packs go out to boxes that are far away.

mod boxes;
mod cost;
mod distance;
mod laws;
mod least;
mod stream;
mod table;
mod tahoe;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::boxes::Ours;
use crate::cost::mib;
use crate::table::Table;

const MIB: u64 = 1 << 20;
/// What goes through the raw stream each time.
const STREAM_BYTES: u64 = 2 << 30;

/// Dispersal and restore, of what the raw stream reaches.
const OF_STREAM_MIN: f64 = 0.6;
/// From the kit typed to the first file, in seconds.
const FIRST_FILE_MAX: f64 = 60.0;
/// Of what the code alone takes: 10 shards of which 6 hold the data.
const OVERHEAD_MAX: f64 = 10.0 / 6.0 * 1.02;
/// Memory of a stripe map of 30 000 packs, in MiB.
const MAP_MAX: f64 = 64.0;
/// Peers of which one percent of silent loss is found within a day.
const FOUND_MIN: f64 = 0.99;
/// Of the time that Tahoe-LAFS takes.
const OF_TAHOE_MAX: f64 = 0.2;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|word| word == "distance").is_some() {
        let mib = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(256_usize);
        let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
        let scratch = tempfile::Builder::new().prefix("datis-bench-").tempdir_in(folder).expect("a folder");
        distance::measure(scratch.path(), mib << 20);
        return ExitCode::SUCCESS;
    }
    let size = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(2048) * MIB;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let tahoe = arguments.next().map(PathBuf::from).filter(|path| path.is_file());
    let others = arguments.next().map_or_else(|| folder.clone(), PathBuf::from);
    let scratch_in = |folder: &Path| tempfile::Builder::new().prefix("datis-bench-").tempdir_in(folder);
    let (scratch, others) = (scratch_in(&folder).expect("a folder"), scratch_in(&others).expect("a folder"));
    let mut table = Table::new(&format!("mutual backup of {:.0} MiB, all boxes in {}", mib(size), folder.display()));

    table.at_most("map of 30 000 packs of 48 shards, MiB", laws::map_mib(), MAP_MAX);
    table.at_least("1 % of silent loss found within a day", laws::found_within_a_day(), FOUND_MIN);
    let least = least::measure(scratch.path());
    let before = stream::send(STREAM_BYTES);
    let folder = scratch.path().join("ours");
    std::fs::create_dir(&folder).expect("a folder");
    let mut ours = Ours::begin(&folder, others.path(), size);
    let spread = ours.disperse();
    let between = stream::send(STREAM_BYTES);
    let repaired = tahoe.as_ref().map(|_| ours.repair());
    let restored = ours.lose_and_recover();
    let after = stream::send(STREAM_BYTES);
    drop(ours);
    std::fs::remove_dir_all(&folder).expect("room for the others");
    drop(others);

    let streams = [&before, &between, &after].map(|cost| cost.mib_per_second(STREAM_BYTES));
    let raw = |one: usize, other: usize| (streams[one] + streams[other]) / 2.0;
    for (when, rate) in ["before", "between", "after"].iter().zip(streams) {
        table.figure(&format!("raw TLS stream, {when}"), rate, "MiB/s");
    }
    let stream = before.cpu_per_gib(STREAM_BYTES);
    table.figure("  processor time", stream, "s/GiB");
    // Had all processors nothing else to do, and never to wait.
    let processors = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    let reachable = |least: f64, raw: f64| (processors * 1024.0 / (least + stream) / raw).min(1.0);
    let rate = spread.cost.mib_per_second(spread.wire_bytes);
    table.figure(&format!("dispersal {}, on the wire", spread.scheme), rate, "MiB/s");
    table.at_least("  of the raw stream", rate / raw(0, 1), OF_STREAM_MIN);
    table.figure("  within reach of this machine", reachable(least.out, raw(0, 1)), "");
    table.figure("  processor time, what the format asks", least.out + stream, "s/GiB");
    table.figure("  data", spread.cost.mib_per_second(spread.data_bytes), "MiB/s");
    table.figure("  processor time, all boxes", spread.cost.cpu_per_gib(spread.wire_bytes), "s/GiB");
    table.figure("  processor time, owner alone", spread.owner.cpu_per_gib(spread.wire_bytes), "s/GiB");
    table.figure("  memory of the owner, peak", spread.owner_peak_mib, "MiB");
    table.at_most("  stored outside, of the packs", spread.wire_bytes as f64 / spread.data_bytes as f64, OVERHEAD_MAX);
    let rate = restored.packs.mib_per_second(restored.bytes);
    table.figure("restore from peers", rate, "MiB/s");
    table.at_least("  of the raw stream", rate / raw(1, 2), OF_STREAM_MIN);
    table.figure("  within reach of this machine", reachable(least.back, raw(1, 2)), "");
    table.figure("  processor time, what the format asks", least.back + stream, "s/GiB");
    table.figure("  processor time, all boxes", restored.packs.cpu_per_gib(restored.bytes), "s/GiB");
    table.figure("  processor time, owner alone", restored.owner.cpu_per_gib(restored.bytes), "s/GiB");
    table.figure("  memory of the owner, peak", restored.owner_peak_mib, "MiB");
    table.figure("kit typed to box serves", restored.served_seconds, "s");
    table.at_most("kit typed to first file", restored.first_file_seconds, FIRST_FILE_MAX);

    if let (Some(tahoe), Some(repaired)) = (tahoe, repaired) {
        table.figure(&format!("repair of {} lost shards", repaired.shards), repaired.seconds, "s");
        let theirs = tahoe::measure(&tahoe, scratch.path(), size);
        for (step, ours, theirs) in [
            ("upload", spread.cost.seconds, theirs.upload_seconds),
            ("download", restored.packs.seconds, theirs.download_seconds),
            ("repair", repaired.seconds, theirs.repair_seconds),
        ] {
            table.figure(&format!("Tahoe-LAFS 3 of 10, {step}"), theirs, "s");
            table.at_most("  ours, of its time", ours / theirs, OF_TAHOE_MAX);
        }
    }
    table.print()
}
