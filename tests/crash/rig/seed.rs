//! How long a scenario goes on, and when things happen in it. All chance comes from one seed, which a failure prints.

use std::time::Duration;

use harness::Random;

/// Runs `total` rounds in parts of at most `most`, each on a disk or a box of its own: a long run fills neither.
pub(crate) fn in_parts(total: u32, most: u32, mut part: impl FnMut(u32)) {
    let mut left = total;
    while left > 0 {
        let rounds = left.min(most);
        part(rounds);
        left -= rounds;
    }
}

/// How many cycles a scenario runs: `DATIS_CYCLES`, or `usual`.
pub(crate) fn cycles(usual: u32) -> u32 {
    match std::env::var("DATIS_CYCLES") {
        Ok(text) => text.parse().expect("DATIS_CYCLES is a number"),
        Err(_) => usual,
    }
}

/// A duration below `end_ms` milliseconds, in steps of 10 microseconds.
pub(crate) fn moment(random: &mut Random, end_ms: u64) -> Duration {
    Duration::from_micros(random.below(end_ms * 100) * 10)
}

/// Another stream, which does not depend on how often `random` is asked later.
pub(crate) fn fork(random: &mut Random) -> Random {
    Random::new(random.number())
}
