//! Mutual backup as state machines: what a host enforces, what an owner believes of its peers, and what follows from it.
//!
//! Everything here is plain state and verbs. No verb does I/O or looks at a clock; each returns what is to be done or why
//! not. Whoever drives a machine saves its next state before it acts on what was returned or speaks of it; every effect
//! may be done twice without harm.
//!
//! `now` is always **counted time** ([`clock`]), never the clock on the wall: a machine whose wall clock jumps by ten
//! years deletes nothing early and believes nobody gone. Source: mutual-backup 4.3 to 4.8, docs/decisions/0028.

pub mod audit;
pub mod clock;
pub mod hosting;
pub mod peer;
pub mod placement;
pub mod reach;
pub mod repair;
pub mod stripe;
pub mod ways;

/// How many shards a stripe has: any `data` of `data + parity` give the pack back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redundancy {
    data: u8,
    parity: u8,
}

impl Redundancy {
    /// The widest stripe.
    pub const WIDTH_MAX: usize = 48;

    /// `data`: at least 1; `data + parity`: at most [`Self::WIDTH_MAX`]. `None` for anything else.
    #[must_use]
    pub const fn new(data: u8, parity: u8) -> Option<Self> {
        if data == 0 || data as usize + parity as usize > Self::WIDTH_MAX { None } else { Some(Self { data, parity }) }
    }

    /// How many shards are needed to read (k).
    #[must_use]
    pub const fn data(self) -> usize {
        self.data as usize
    }

    /// How many shards may be lost (m).
    #[must_use]
    pub const fn parity(self) -> usize {
        self.parity as usize
    }

    /// How many shards there are (k + m).
    #[must_use]
    pub const fn width(self) -> usize {
        self.data() + self.parity()
    }

    /// How many durable shards make a pack off-site safe: k + ⌈m/2⌉ (mutual-backup 4.4).
    #[must_use]
    pub const fn off_site_safe(self) -> usize {
        self.data() + self.parity().div_ceil(2)
    }
}

/// Numbers drawn from a seed: the same seed gives the same numbers on every machine.
///
/// BLAKE3's extendable output, so whoever does not know the seed cannot guess the next number.
pub(crate) struct Draws {
    output: blake3::OutputReader,
    /// Bytes that were taken out of `output`, one block at a time, and how many of them are used up.
    block: [u8; 64],
    used: usize,
}

impl Draws {
    /// `purpose` keeps draws for different ends apart.
    pub(crate) fn new(purpose: &str, seed: &[u8]) -> Self {
        let output = blake3::Hasher::new_derive_key(purpose).update(seed).finalize_xof();
        Self { output, block: [0; 64], used: 64 }
    }

    /// A number below `bound`, which is not 0; the bias is below 2⁻⁶⁴ · `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if self.used == self.block.len() {
            self.output.fill(&mut self.block);
            self.used = 0;
        }
        let drawn = self.block[self.used..self.used + 8].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        self.used += 8;
        u64::try_from((drawn * u128::from(bound)) >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use crate::ids::{MemberId, PackId, ShardId};
    use crate::units::{Seconds, UnixMillis};

    pub(crate) fn member(number: u8) -> MemberId {
        MemberId::from_bytes([number; MemberId::LEN])
    }

    pub(crate) fn pack(number: u32) -> PackId {
        PackId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    pub(crate) fn shard(number: u32) -> ShardId {
        ShardId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    /// So many hours after the start of the test.
    pub(crate) fn hours(count: u64) -> UnixMillis {
        UnixMillis(1_800_000_000_000).plus(Seconds(count * 3_600))
    }

    /// So many days after the start of the test.
    pub(crate) fn days(count: u64) -> UnixMillis {
        hours(24 * count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_of_a_stripe_are_those_of_the_design() {
        for ((data, parity), safe) in [((1, 0), 1), ((1, 1), 2), ((3, 2), 4), ((6, 4), 8), ((9, 5), 12), ((32, 16), 40)]
        {
            let redundancy = Redundancy::new(data, parity).expect("fits");
            assert_eq!(redundancy.off_site_safe(), safe, "{data}+{parity}");
        }
        assert_eq!(Redundancy::new(0, 1), None);
        assert_eq!(Redundancy::new(33, 16), None);
        assert_eq!(Redundancy::new(255, 255), None);
    }

    #[test]
    fn draws_repeat_and_stay_below_their_bound() {
        let draw = |seed: &[u8]| -> Vec<u64> {
            let mut draws = Draws::new("test", seed);
            (1..200).map(|bound| draws.below(bound)).collect()
        };
        assert_eq!(draw(b"a"), draw(b"a"));
        assert_ne!(draw(b"a"), draw(b"b"));
        assert!(draw(b"a").iter().zip(1..).all(|(number, bound)| *number < bound));
    }
}
