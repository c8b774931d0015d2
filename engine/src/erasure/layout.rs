//! The geometry of a stripe: how long its shards are, and which bytes of the pack stand where in them.
//!
//! A data shard holds a consecutive part of the padded pack, cut into blocks that are sealed one by one. Each shard has blocks
//! of its own, so no block lies across two shards: a few bytes of a pack come out of the shards that hold them and no other.

use std::ops::Range;

use super::scheme::Scheme;

/// A sealed block, in bytes; the last one of a shard may be shorter.
pub const BLOCK_LEN: usize = 64 << 10;

/// What sealing adds to a block or a header: the AES-GCM tag, in bytes.
pub const TAG_LEN: usize = 16;

/// The plain bytes of a whole block.
pub const BLOCK_PLAIN: usize = BLOCK_LEN - TAG_LEN;

/// The sealed header at the start of a shard file, in bytes.
pub const HEADER_LEN: usize = 128;

/// No longer pack is coded. The longest that is ever written is well below ([`crate::pack::PACK_MAX`]).
pub const PACK_LEN_MAX: usize = 64 << 20;

/// No shard file is longer, in bytes: the whole longest pack with its tags, for the schemes with one data shard.
pub const SHARD_LEN_MAX: usize = PACK_LEN_MAX + (PACK_LEN_MAX / BLOCK_PLAIN + 1) * TAG_LEN + ALIGN + HEADER_LEN;

/// Bodies have a multiple of this many bytes: the Reed-Solomon code works on 64 bytes at a time.
pub(super) const ALIGN: usize = 64;

/// Packs below this length look as if they had it, in bytes.
const PADDED_MIN: usize = 64 << 10;

/// From this length on a pack counts as full, and is padded to a multiple of [`FULL_STEP`].
const FULL: usize = 32 << 20;

const FULL_STEP: usize = 256 << 10;

/// How a stripe is made. What was brought out once keeps its version: its shards are made again under the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeVersion {
    /// Packs that are not full are padded in 16 steps between two powers of two.
    First,
    /// In 32 steps: those of PADMÉ for all lengths from 64 KiB to below 4 GiB (Nikitin et al., "Reducing Metadata Leakage from
    /// Encrypted Files and Communication with PURBs", 2019).
    Second,
}

impl StripeVersion {
    /// What new stripes are made by.
    pub const NEWEST: Self = Self::Second;

    /// Its number, as it is written down.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::First => 1,
            Self::Second => 2,
        }
    }

    /// The version of this number.
    #[must_use]
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::First),
            2 => Some(Self::Second),
            _ => None,
        }
    }

    /// The steps of padding between two powers of two, as a power of two, for what is not full.
    const fn steps_log(self) -> u32 {
        match self {
            Self::First => 4,
            Self::Second => 5,
        }
    }
}

/// Where the bytes of one pack stand in the shards of one scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    version: StripeVersion,
    scheme: Scheme,
    pack_len: usize,
    body_len: usize,
}

impl Layout {
    /// The layout of a new stripe for a pack of `pack_len` bytes; `None` if there are none, or more than [`PACK_LEN_MAX`].
    #[must_use]
    pub fn new(scheme: Scheme, pack_len: usize) -> Option<Self> {
        Self::of(StripeVersion::NEWEST, scheme, pack_len)
    }

    /// That of a stripe of this version, otherwise as [`Self::new`].
    #[must_use]
    pub fn of(version: StripeVersion, scheme: Scheme, pack_len: usize) -> Option<Self> {
        let is_fine = (1..=PACK_LEN_MAX).contains(&pack_len);
        is_fine.then(|| Self { version, scheme, pack_len, body_len: body_len(scheme, padded(version, pack_len)) })
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> StripeVersion {
        self.version
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The pack's own length, in bytes.
    #[must_use]
    pub const fn pack_len(&self) -> usize {
        self.pack_len
    }

    /// What follows the header of each shard file, in bytes: a multiple of 64.
    #[must_use]
    pub const fn body_len(&self) -> usize {
        self.body_len
    }

    /// The length of each shard file, in bytes.
    #[must_use]
    pub const fn shard_len(&self) -> usize {
        HEADER_LEN + self.body_len
    }

    /// How many blocks a body has.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.body_len.div_ceil(BLOCK_LEN)
    }

    /// How many bytes of the padded pack one data shard holds.
    #[must_use]
    pub const fn share_len(&self) -> usize {
        self.body_len - self.blocks() * TAG_LEN
    }

    /// Where block `block` stands in a body.
    #[must_use]
    pub fn block_in_body(&self, block: usize) -> Range<usize> {
        let start = (block * BLOCK_LEN).min(self.body_len);
        start..(start + BLOCK_LEN).min(self.body_len)
    }

    /// Which bytes of the padded pack block `block` of data shard `shard` seals.
    #[must_use]
    pub fn block_in_pack(&self, shard: u8, block: usize) -> Range<usize> {
        let share = usize::from(shard) * self.share_len();
        let start = share + (block * BLOCK_PLAIN).min(self.share_len());
        start..(start + BLOCK_PLAIN).min(share + self.share_len())
    }

    /// The blocks that hold `range` of a body.
    pub(super) fn blocks_of(&self, range: &Range<usize>) -> Range<usize> {
        range.start / BLOCK_LEN..range.end.div_ceil(BLOCK_LEN)
    }

    /// Where to find `range` of the pack, in order: one piece for each data shard that holds some of it. `None` when the pack
    /// does not have that range.
    #[must_use]
    pub fn pieces(&self, range: Range<usize>) -> Option<Vec<Piece>> {
        if range.start > range.end || range.end > self.pack_len {
            return None;
        }
        let mut pieces = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let shard = start / self.share_len();
            let share = shard * self.share_len();
            let end = range.end.min(share + self.share_len());
            pieces.push(self.piece(u8::try_from(shard).ok()?, start..end));
            start = end;
        }
        Some(pieces)
    }

    /// `range` of the pack, all of it in data shard `shard`, with the whole blocks around it.
    fn piece(&self, shard: u8, range: Range<usize>) -> Piece {
        let share = usize::from(shard) * self.share_len();
        let blocks = (range.start - share) / BLOCK_PLAIN..(range.end - share).div_ceil(BLOCK_PLAIN);
        let body = self.block_in_body(blocks.start).start..self.block_in_body(blocks.end - 1).end;
        Piece { shard, in_file: HEADER_LEN + body.start..HEADER_LEN + body.end, in_pack: range }
    }
}

/// Some bytes of a pack that stand in one data shard, and what has to be read of its file to get at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The index of the data shard.
    pub shard: u8,
    /// What to read of the shard file: whole blocks.
    pub in_file: Range<usize>,
    /// What comes out, as a range of the pack.
    pub in_pack: Range<usize>,
}

/// The length that a pack of `len` bytes is padded to, so that peers see few lengths: 32 steps between two powers of two (at
/// most 3.125 % more; 16 and 6.25 % in the first version), 256 KiB from 32 MiB on (below 0.8 %), and no less than 64 KiB.
fn padded(version: StripeVersion, len: usize) -> usize {
    let len = len.max(PADDED_MIN);
    let step = if len >= FULL { FULL_STEP } else { 1 << (len.ilog2() - version.steps_log()) };
    len.next_multiple_of(step)
}

/// The shortest body that is a multiple of 64 bytes long and whose plain bytes, `k` times, suffice for `padded`.
fn body_len(scheme: Scheme, padded: usize) -> usize {
    let share = padded.div_ceil(usize::from(scheme.data()));
    (share + share.div_ceil(BLOCK_PLAIN) * TAG_LEN).next_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::pack::{PACK_MAX, PACK_TARGET};

    fn layout(scheme: Scheme, len: usize) -> Layout {
        Layout::new(scheme, len).expect("layout")
    }

    /// Bytes on all peers together, beyond `(k + m) / k` times the pack, as a share of that.
    fn overhead(layout: &Layout) -> f64 {
        let scheme = layout.scheme();
        let stored = usize::from(scheme.width()) * layout.shard_len();
        let least = layout.pack_len() as f64 * f64::from(scheme.width()) / f64::from(scheme.data());
        stored as f64 / least - 1.0
    }

    #[test]
    fn a_full_pack_costs_less_than_a_hundredth_more_than_its_scheme() {
        for scheme in Scheme::all() {
            for len in (PACK_TARGET..PACK_TARGET + (6 << 20)).step_by(9_973) {
                let overhead = overhead(&layout(scheme, len));
                assert!(overhead < 0.01, "{scheme}, {len} bytes: {overhead}");
            }
        }
    }

    #[test]
    fn padding_adds_a_twentieth_at_most_and_on_average_little_to_packs_that_are_half_full() {
        for scheme in Scheme::all() {
            for len in (PADDED_MIN..PACK_TARGET).step_by(4_999) {
                let layout = layout(scheme, len);
                let sealed = usize::from(scheme.data()) * layout.body_len();
                let padding = sealed as f64 / len as f64 - 1.0;
                assert!(padding <= 0.05, "{scheme}, {len} bytes: {padding}");
            }
            // Packs that leave while the line is idle are half full or more.
            let lens = || (PACK_TARGET / 2..PACK_TARGET).step_by(4_999);
            let mean = lens().map(|len| overhead(&layout(scheme, len))).sum::<f64>() / lens().count() as f64;
            assert!(mean < 0.015, "{scheme}: {mean}");
        }
    }

    #[test]
    fn packs_have_few_lengths() {
        let scheme = Scheme::new(6, 4).expect("scheme");
        let lengths = |range: Range<usize>| {
            range.step_by(61).map(|len| layout(scheme, len).body_len()).collect::<BTreeSet<_>>().len()
        };
        assert_eq!(lengths(1..PADDED_MIN), 1);
        assert!(lengths(PADDED_MIN..PACK_TARGET) <= 9 * 32 + 1);
        assert!(lengths(PACK_TARGET..PACK_TARGET + (4 << 20)) <= 17);
    }

    #[test]
    fn the_longest_pack_that_is_written_can_be_coded() {
        assert!(PACK_MAX <= PACK_LEN_MAX as u64);
        for scheme in Scheme::all() {
            assert!(layout(scheme, PACK_LEN_MAX).shard_len() <= SHARD_LEN_MAX);
            assert_eq!(Layout::new(scheme, PACK_LEN_MAX + 1), None);
            assert_eq!(Layout::new(scheme, 0), None);
        }
    }

    proptest! {
        #[test]
        fn every_byte_of_a_pack_stands_in_one_block(len in 1_usize..3_000_000, which in 0_usize..12) {
            let layout = layout(Scheme::all().nth(which).expect("scheme"), len);
            prop_assert_eq!(layout.body_len() % ALIGN, 0);
            let mut at = 0;
            for shard in 0..layout.scheme().data() {
                for block in 0..layout.blocks() {
                    let plain = layout.block_in_pack(shard, block);
                    prop_assert_eq!(plain.start, at);
                    prop_assert!(!plain.is_empty());
                    prop_assert_eq!(plain.len() + TAG_LEN, layout.block_in_body(block).len());
                    at = plain.end;
                }
            }
            prop_assert!(at >= len);
        }

        #[test]
        fn pieces_are_the_range_in_order_and_no_more_than_it_needs(
            len in 1_usize..3_000_000, which in 0_usize..12, a: prop::sample::Index, b: prop::sample::Index
        ) {
            let layout = layout(Scheme::all().nth(which).expect("scheme"), len);
            let (a, b) = (a.index(len + 1), b.index(len + 1));
            let range = a.min(b)..a.max(b);
            let mut at = range.start;
            for piece in layout.pieces(range.clone()).expect("pieces") {
                prop_assert_eq!(piece.in_pack.start, at);
                prop_assert!(!piece.in_pack.is_empty());
                prop_assert!(piece.in_file.start >= HEADER_LEN && piece.in_file.end <= layout.shard_len());
                prop_assert!(piece.in_file.len() <= piece.in_pack.len().div_ceil(BLOCK_PLAIN) * BLOCK_LEN + BLOCK_LEN);
                at = piece.in_pack.end;
            }
            prop_assert_eq!(at, range.end);
            prop_assert_eq!(layout.pieces(0..len + 1), None);
        }
    }
}
