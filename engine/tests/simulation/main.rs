//! Mutual backup of 1 to 48 boxes in one thread a run, from a seed: the machines of `engine/src/life`, driven through
//! partitions, power cuts, disks that are not there, wrong clocks, slow and flapping peers, peers that come back after 29 and
//! 31 days, owners that are taken over, hosts that lie in audits, lists, leases and heads, and members that come and go.
//!
//! What must hold is looked at after each event (`world.rs`, `host.rs`). A failing run prints its seed;
//! `DATIS_SEED=n cargo test -p datis-engine --test simulation seeds` runs it alone. `DATIS_SEEDS` sets how many are run.

mod clocks;
mod deaths;
mod host;
mod lies;
mod log;
mod owner;
#[cfg(feature = "plant")]
mod planted;
mod rng;
mod world;

use std::fmt::Debug;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::world::{Seen, World};

const SEEDS: u64 = 2_000;
const THREADS: u64 = 2;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Runs one seed, or as many as are asked for; what they saw together, and how many they were. `None`: one alone, of which not much
/// can be asked.
fn run_all<S: AddAssign + Default + Debug + Send + 'static>(test: &'static str, run: fn(u64) -> S) -> Option<(S, u64)> {
    let run = move |seed| {
        let seen = catch_unwind(AssertUnwindSafe(|| run(seed)));
        seen.unwrap_or_else(|cause| {
            println!(
                "seed {seed} failed; again with: DATIS_SEED={seed} cargo test -p datis-engine --test simulation {test}"
            );
            std::panic::resume_unwind(cause)
        })
    };
    if let Some(seed) = number("DATIS_SEED") {
        println!("{:?}", run(seed));
        return None;
    }
    let seeds = number("DATIS_SEEDS").unwrap_or(SEEDS);
    let workers: Vec<_> = (0..THREADS)
        .map(|first| {
            std::thread::spawn(move || {
                let mut sum = S::default();
                (first..seeds).step_by(THREADS as usize).for_each(|seed| sum += run(seed));
                sum
            })
        })
        .collect();
    let mut sum = S::default();
    for worker in workers {
        match worker.join() {
            Ok(seen) => sum += seen,
            Err(cause) => std::panic::resume_unwind(cause),
        }
    }
    println!("{seeds} seeds: {sum:?}");
    Some((sum, seeds))
}

#[test]
fn seeds_of_the_log_lead_all_boxes_to_the_same() {
    let run = |seed| log::Circle::new(seed).run();
    if let Some((sum, seeds)) = run_all("seeds_of_the_log", run) {
        log::saw_enough(&sum, seeds);
    }
}

#[test]
fn seeds_of_mutual_backup_hold_what_is_promised() {
    let run = |seed| World::new(seed).run();
    let Some((sum, seeds)): Option<(Seen, u64)> = run_all("seeds_of_mutual_backup", run) else { return };
    // A simulation in which nothing happens proves nothing.
    for (count, what) in [
        (sum.safe, "packs that became safe"),
        (sum.losses, "proven losses"),
        (sum.repairs, "repairs"),
        (sum.erased, "shards erased in time"),
        (sum.brakes, "brakes pulled"),
        (sum.returned, "peers that came back"),
        (sum.destroyed, "boxes that died or lied"),
        (sum.refused, "shards that a full disk refused"),
        (sum.denied, "shards that were denied"),
        (sum.never_kept, "shards that were signed for and thrown away"),
        (sum.contradicted, "shards that a list left out and an audit found"),
        (sum.unknown, "shards that nobody needed and that were condemned"),
        (sum.heads, "looks for the newest head"),
        (sum.old_heads, "old heads that were shown for the newest"),
        (sum.forged_heads, "forged heads"),
        (sum.forks, "forks of heads"),
        (sum.rebound, "members with another box"),
        (sum.joined, "boxes that came in"),
        (sum.left, "boxes that left"),
        (sum.put_out, "boxes that were put out"),
        (sum.moved, "shards that were elsewhere when their holder left"),
        (sum.epochs, "new groups"),
        (sum.relaxed, "groups in which a rule could not be kept"),
        (sum.shared, "repairs where nobody was free that fails alone"),
    ] {
        assert!(count >= seeds / 50, "only {count} {what} in {seeds} seeds");
    }
    assert!(sum.largest >= seeds / 400, "only {} worlds of 48 independent others in {seeds} seeds", sum.largest);
}
