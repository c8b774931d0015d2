//! Audits: which bytes a peer is asked for, and what its answers prove.
//!
//! Ranges are drawn by bytes, so that a large shard is asked for more often than a small one: whoever drops one percent
//! of the bytes is found with 99 % within a day, however the shards are cut. Source: mutual-backup 2 (7), 4.5.

use super::Draws;
use crate::units::Seconds;

/// Bytes of one range.
pub const RANGE_BYTES: u32 = 16 * 1024;

/// Ranges asked of one peer in a round.
pub const RANGES_A_ROUND: usize = 10;

/// From one round to the next.
pub const ROUND: Seconds = Seconds(30 * 60);

/// A peer that does not answer within this is asked again, [`TRIES`] times in all, and then counts as silent.
pub const ANSWER_WITHIN: Seconds = Seconds(15);

/// How often a range is asked for before the peer counts as silent.
pub const TRIES: u32 = 3;

/// Ranges that find one percent of lost bytes with 99 %: asked of a peer that comes back.
pub const RETURN_RANGES: u32 = 480;

/// Ranges that find a thousandth of lost bytes with 99 %: asked of a peer that was proven to have lost something.
pub const SWEEP_RANGES: u32 = 4_603;

/// A range to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// Position of the shard in the list that [`Shelf::new`] was given.
    pub shard: usize,
    /// Where it starts, in bytes; a multiple of [`RANGE_BYTES`].
    pub offset: u32,
    /// 1 to [`RANGE_BYTES`] bytes; never beyond the end of the shard.
    pub len: u32,
}

/// The shards that one peer holds, ready to draw from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// For each shard the number of ranges in it and in all before it.
    ends: Vec<u64>,
    lens: Vec<u32>,
}

impl Shelf {
    /// `lens`: the length of every shard in bytes.
    #[must_use]
    pub fn new(lens: Vec<u32>) -> Self {
        let mut sum = 0;
        let ends = lens
            .iter()
            .map(|len| {
                sum += u64::from(len.div_ceil(RANGE_BYTES));
                sum
            })
            .collect();
        Self { ends, lens }
    }

    /// Draws `count` ranges, each anew: one may come twice. `seed`: at least 16 bytes that the peer cannot know.
    #[must_use]
    pub fn draw(&self, seed: &[u8], count: usize) -> Vec<Range> {
        let total = self.ends.last().copied().unwrap_or(0);
        if total == 0 {
            return Vec::new();
        }
        let mut draws = Draws::new("datis 2026 audit ranges", seed);
        (0..count).map(|_| self.range(draws.below(total))).collect()
    }

    /// One range of every shard, for a peer of which more than a sample must be known.
    #[must_use]
    pub fn draw_each(&self, seed: &[u8]) -> Vec<Range> {
        let mut draws = Draws::new("datis 2026 audit of every shard", seed);
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends).filter(|(start, end)| start < end);
        spans.map(|(start, end)| self.range(start + draws.below(end - start))).collect()
    }

    /// The range of a number below the last of `ends`.
    fn range(&self, number: u64) -> Range {
        let shard = self.ends.partition_point(|end| *end <= number);
        let start = if shard == 0 { 0 } else { self.ends[shard - 1] };
        let offset = u32::try_from(number - start).unwrap_or(0) * RANGE_BYTES;
        Range { shard, offset, len: (self.lens[shard] - offset).min(RANGE_BYTES) }
    }
}

/// What a peer said when it was asked for a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It sent bytes, or a hash over them.
    Served {
        /// Whether they are the right ones, checked by whoever asked.
        matches: bool,
    },
    /// Its store is readable, and there is no such shard.
    NotFound,
    /// It has found out itself that its copy is damaged.
    Corrupt,
    /// Its disk is not there, or cannot be read.
    StoreUnavailable,
    /// It has too much to do.
    Overloaded,
    /// Nothing came within [`ANSWER_WITHIN`], [`TRIES`] times.
    Silent,
}

/// What an answer proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finding {
    /// The shard is there.
    Good,
    /// This shard is lost at this peer: it has to be made again, at once.
    Loss,
    /// Nothing about the shard; the peer could not tell.
    Absence,
}

impl Answer {
    /// Only not-found, wrong bytes and damage that the peer reports itself are loss; all the rest is absence.
    #[must_use]
    pub fn judge(self) -> Finding {
        #[cfg(feature = "plant")]
        if self == Self::StoreUnavailable && crate::plant::planted("unavailable-is-loss") {
            return Finding::Loss;
        }
        match self {
            Self::Served { matches: true } => Finding::Good,
            Self::Served { matches: false } | Self::NotFound | Self::Corrupt => Finding::Loss,
            Self::StoreUnavailable | Self::Overloaded | Self::Silent => Finding::Absence,
        }
    }
}

/// The findings of one round, or of one sweep, counted. None at all: there was nothing to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Ranges that were right.
    pub good: u32,
    /// Ranges of shards that are proven lost.
    pub lost: u32,
    /// Ranges of which nothing is known.
    pub absent: u32,
}

impl Round {
    /// Adds one finding.
    pub fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Good => self.good += 1,
            Finding::Loss => self.lost += 1,
            Finding::Absence => self.absent += 1,
        }
    }

    /// A round in which the peer had nothing to be asked for, but answered.
    #[must_use]
    pub const fn greeting() -> Self {
        Self { good: 1, lost: 0, absent: 0 }
    }
}

impl FromIterator<Finding> for Round {
    fn from_iter<I: IntoIterator<Item = Finding>>(findings: I) -> Self {
        let mut round = Self::default();
        findings.into_iter().for_each(|finding| round.add(finding));
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_range_lies_within_its_shard(lens in prop::collection::vec(0..200_000_u32, 0..20), seed: u64) {
            let shelf = Shelf::new(lens.clone());
            let seed = seed.to_le_bytes();
            for range in shelf.draw(&seed, 50).into_iter().chain(shelf.draw_each(&seed)) {
                prop_assert!(range.len >= 1 && range.len <= RANGE_BYTES);
                prop_assert!(range.offset.is_multiple_of(RANGE_BYTES));
                prop_assert!(range.offset + range.len <= lens[range.shard]);
            }
            let each: Vec<usize> = shelf.draw_each(&seed).iter().map(|range| range.shard).collect();
            let filled: Vec<usize> = (0..lens.len()).filter(|shard| lens[*shard] > 0).collect();
            prop_assert_eq!(each, filled);
        }
    }

    #[test]
    fn the_same_seed_asks_for_the_same_ranges() {
        let shelf = Shelf::new(vec![5 << 20; 40]);
        assert_eq!(shelf.draw(b"0123456789abcdef", 10), shelf.draw(b"0123456789abcdef", 10));
        assert_ne!(shelf.draw(b"0123456789abcdef", 10), shelf.draw(b"0123456789abcdeF", 10));
        assert_eq!(Shelf::new(vec![]).draw(b"0123456789abcdef", 10), []);
    }

    /// 20 000 peers, each of which has dropped one percent of its bytes: as one large shard or as many small ones.
    #[test]
    fn one_percent_of_silent_loss_is_found_within_a_day_by_99_of_100() {
        let rounds = usize::try_from(Seconds::DAY.0 / ROUND.0).expect("small");
        assert_eq!(rounds * RANGES_A_ROUND, 480);
        assert!(1.0 - 0.99_f64.powi(480) >= 0.99);
        // The last shard is one percent of all: 16 of 1600 ranges.
        let one_large = Shelf::new([vec![RANGE_BYTES; 1_584], vec![16 * RANGE_BYTES]].concat());
        // A percent of the shards are lost, of very different lengths.
        let many_small = Shelf::new([vec![99 * RANGE_BYTES; 100], vec![RANGE_BYTES; 100]].concat());
        for (shelf, first_lost) in [(one_large, 1_584), (many_small, 100)] {
            let trials = 10_000_u64;
            let found = (0..trials).filter(|trial| {
                (0..rounds).any(|round| {
                    let seed = [trial.to_le_bytes(), (round as u64).to_le_bytes()].concat();
                    shelf.draw(&seed, RANGES_A_ROUND).iter().any(|range| range.shard >= first_lost)
                })
            });
            let found = found.count() as u64;
            assert!(found * 100 >= trials * 99, "{found} of {trials}");
        }
    }

    #[test]
    fn a_peer_that_cannot_answer_is_never_a_peer_that_lost() {
        for answer in [Answer::StoreUnavailable, Answer::Overloaded, Answer::Silent] {
            assert_eq!(answer.judge(), Finding::Absence, "{answer:?}");
        }
        for answer in [Answer::NotFound, Answer::Corrupt, Answer::Served { matches: false }] {
            assert_eq!(answer.judge(), Finding::Loss, "{answer:?}");
        }
        assert_eq!(Answer::Served { matches: true }.judge(), Finding::Good);
    }
}
