//! Shards to pack, whatever `k` of them are there, and with wrong ones among them.
//!
//! Goes block by block: the blocks at one place of all shards are a row, and each row is restored by itself. A block of a data
//! shard shows by its tag whether it is right. One of a parity shard does not, unless the shard's name was known; but a data
//! block that comes out of a wrong one does not open. So damage in different places of more than `m` shards is no loss either.

use std::fmt::Write;
use std::ops::Range;

use super::code::{DataDecoder, ParityEncoder};
use super::layout::{BLOCK_LEN, Layout};
use super::scheme::Scheme;
use super::shard::{BlockKey, ShardFile};
use crate::ids::PackId;
use crate::keys::DispersalSecret;

/// How many combinations of parity shards of unknown names are tried for one pack, so that hostile peers cost seconds at most.
const TRIES_MAX: usize = 4_096;

/// Rows that are restored at once as long as nothing is damaged: the code needs as long to find out which shards are missing as
/// to make up for them in some rows.
const RUN: usize = 8;

/// Why shards do not give a pack.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// No shard at all.
    #[error("there is no shard")]
    Nothing,
    /// The shards belong to more than one stripe.
    #[error(
        "the shards do not belong together: {first} of {first_scheme} and {other} of {other_scheme}",
        first = .first.0, first_scheme = .first.1, other = .other.0, other_scheme = .other.1
    )]
    Mixed {
        /// What the first shard is a part of.
        first: (PackId, Scheme),
        /// What another one is a part of.
        other: (PackId, Scheme),
    },
    /// Not even `k` different shards.
    #[error("pack {pack} needs {} shards, there are {}: {}", .scheme.data(), .there.len(), list(.there))]
    TooFew {
        /// The pack.
        pack: PackId,
        /// The scheme of its stripe.
        scheme: Scheme,
        /// The indexes that are there, ascending.
        there: Vec<u8>,
    },
    /// Shards are damaged, in one place too many of them.
    #[error("pack {pack} needs {} undamaged shards out of {}; damaged are {}", .scheme.data(), list(.there), list(.damaged))]
    Damaged {
        /// The pack.
        pack: PackId,
        /// The scheme of its stripe.
        scheme: Scheme,
        /// The indexes that are there, ascending.
        there: Vec<u8>,
        /// Those known to be damaged, ascending; a parity shard of unknown name may be, too.
        damaged: Vec<u8>,
    },
    /// Every block opens, but together they are not the pack: its owner sealed something else.
    #[error("the shards of pack {0} hold other bytes than it")]
    Name(PackId),
}

/// 0, 3, 4 as text; "none".
fn list(indexes: &[u8]) -> String {
    let mut text = String::new();
    for index in indexes {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing into a string cannot fail.
        let _ = write!(text, "{comma}{index}");
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

/// A pack that came back from shards.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its name, which its bytes hash to.
    pub pack: PackId,
    /// The whole pack.
    pub bytes: Vec<u8>,
    /// Which of the given shards were found damaged, by their place in the list, ascending: to be made again. Parity shards
    /// that were not needed are not looked at.
    pub damaged: Vec<usize>,
}

/// Restores a pack from shards of one stripe, in any order. There may be several of one index, and wrong ones.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(shards: &[ShardFile<'_>], secret: &DispersalSecret) -> Result<Restored, RestoreError> {
    restore_reusing(shards, secret, Vec::new())
}

/// [`restore`] into the memory of a pack that is done with, whose content does not matter: fresh memory costs as much as opening
/// what goes into it.
///
/// # Errors
/// [`RestoreError`].
pub fn restore_reusing(
    shards: &[ShardFile<'_>],
    secret: &DispersalSecret,
    used: Vec<u8>,
) -> Result<Restored, RestoreError> {
    let first = shards.first().ok_or(RestoreError::Nothing)?;
    let (pack, layout) = (first.header.pack, first.header.layout);
    if let Some(other) = shards.iter().find(|s| (s.header.pack, s.header.layout) != (pack, layout)) {
        let name = |shard: &ShardFile<'_>| (shard.header.pack, shard.header.layout.scheme());
        return Err(RestoreError::Mixed { first: name(first), other: name(other) });
    }
    let mut rows = Rows::new(shards, layout, BlockKey::derive(secret, pack, &layout));
    let (scheme, there) = (layout.scheme(), rows.there());
    if there.len() < usize::from(scheme.data()) {
        return Err(RestoreError::TooFew { pack, scheme, there });
    }
    let mut bytes = used;
    bytes.resize(layout.share_len() * usize::from(scheme.data()), 0);
    for first in (0..layout.blocks()).step_by(RUN) {
        if !rows.restore_run(first..layout.blocks().min(first + RUN), &mut bytes) {
            let mut damaged: Vec<_> = rows.damaged().iter().map(|at| shards[*at].header.index).collect();
            damaged.sort_unstable();
            damaged.dedup();
            return Err(RestoreError::Damaged { pack, scheme, there, damaged });
        }
    }
    bytes.truncate(layout.pack_len());
    if blake3::hash(&bytes).as_bytes() != pack.as_bytes() {
        return Err(RestoreError::Name(pack));
    }
    Ok(Restored { pack, bytes, damaged: rows.damaged() })
}

/// The shards of one stripe, restored row by row.
struct Rows<'s, 'a> {
    shards: &'s [ShardFile<'a>],
    layout: Layout,
    key: BlockKey,
    decoder: DataDecoder,
    is_damaged: Vec<bool>,
    tries_left: usize,
}

impl<'s, 'a> Rows<'s, 'a> {
    fn new(shards: &'s [ShardFile<'a>], layout: Layout, key: BlockKey) -> Self {
        let decoder = DataDecoder::new(layout.scheme());
        let is_damaged = vec![false; shards.len()];
        Self { shards, layout, key, decoder, is_damaged, tries_left: TRIES_MAX }
    }

    /// The different indexes, ascending.
    fn there(&self) -> Vec<u8> {
        let mut there: Vec<_> = self.shards.iter().map(|shard| shard.header.index).collect();
        there.sort_unstable();
        there.dedup();
        there
    }

    fn damaged(&self) -> Vec<usize> {
        (0..).zip(&self.is_damaged).filter(|(_, is_damaged)| **is_damaged).map(|(at, _)| at).collect()
    }

    fn sealed(&self, at: usize, block: usize) -> &'a [u8] {
        self.shards[at].body.get(self.layout.block_in_body(block)).unwrap_or_default()
    }

    /// Opens the blocks of some rows into their places in `pack`; whether all of them came back.
    fn restore_run(&mut self, blocks: Range<usize>, pack: &mut [u8]) -> bool {
        self.restore_undamaged(&blocks, pack) || blocks.into_iter().all(|block| self.restore(block, pack))
    }

    /// The same if it goes without trying: from the first `k` shards that are not known to be damaged, all of them right.
    fn restore_undamaged(&mut self, blocks: &Range<usize>, pack: &mut [u8]) -> bool {
        let k = self.layout.scheme().data();
        let body = blocks.start * BLOCK_LEN..self.layout.body_len().min(blocks.end * BLOCK_LEN);
        let data = (0..self.shards.len()).filter(|at| self.shards[*at].header.index < k && !self.is_damaged[*at]);
        let mut parts: Vec<(u8, &[u8])> = Vec::with_capacity(usize::from(k));
        for at in data.chain(self.parity()) {
            let shard = &self.shards[at];
            if parts.len() < usize::from(k) && parts.iter().all(|(index, _)| *index != shard.header.index) {
                parts.push((shard.header.index, shard.body.get(body.clone()).unwrap_or_default()));
            }
        }
        let (key, layout) = (&self.key, &self.layout);
        let mut open = |index: u8, sealed: &[u8]| {
            blocks
                .clone()
                .zip(sealed.chunks(BLOCK_LEN))
                .all(|(block, sealed)| key.open(index, block, sealed, &mut pack[layout.block_in_pack(index, block)]))
        };
        let mut opened = parts.len() == usize::from(k);
        opened = opened && parts.iter().all(|(index, sealed)| *index >= k || open(*index, sealed));
        if opened {
            self.decoder.decode(&parts, |index, sealed| opened = opened && open(index, sealed));
        }
        opened
    }

    /// Opens the blocks of one row into their places in `pack`; whether all of them came back.
    fn restore(&mut self, block: usize, pack: &mut [u8]) -> bool {
        let k = self.layout.scheme().data();
        let mut good: Vec<(u8, &[u8])> = Vec::with_capacity(usize::from(k));
        for index in 0..k {
            if let Some(sealed) = self.open_data(index, block, pack) {
                good.push((index, sealed));
            }
        }
        let missing = usize::from(k) - good.len();
        if missing == 0 {
            return true;
        }
        let parity = self.parity();
        let mut choice = Choice::first(missing, parity.len());
        let mut is_first = true;
        while let Some(chosen) = &choice {
            let chosen: Vec<_> = chosen.0.iter().map(|place| parity[*place]).collect();
            if self.are_different(&chosen) {
                if self.tries_left == 0 {
                    return false;
                }
                self.tries_left -= usize::from(!is_first);
                if self.restore_from(&good, &chosen, block, pack) {
                    if !is_first {
                        self.blame_parity(&parity, block, pack);
                    }
                    return true;
                }
                is_first = false;
            }
            choice = choice.and_then(|choice| choice.next(parity.len()));
        }
        false
    }

    /// The first block of data shard `index` that opens; the others are damaged.
    fn open_data(&mut self, index: u8, block: usize, pack: &mut [u8]) -> Option<&'a [u8]> {
        for at in 0..self.shards.len() {
            if self.shards[at].header.index == index {
                let sealed = self.sealed(at, block);
                if self.key.open(index, block, sealed, &mut pack[self.layout.block_in_pack(index, block)]) {
                    return Some(sealed);
                }
                self.is_damaged[at] = true;
            }
        }
        None
    }

    /// The places of parity shards in the list, those to be trusted most first.
    fn parity(&self) -> Vec<usize> {
        let k = self.layout.scheme().data();
        let mut parity: Vec<_> = (0..self.shards.len()).filter(|at| self.shards[*at].header.index >= k).collect();
        parity.sort_by_key(|at| (self.is_damaged[*at], !self.shards[*at].is_named));
        parity
    }

    fn are_different(&self, chosen: &[usize]) -> bool {
        let index = |at: &usize| self.shards[*at].header.index;
        chosen.iter().enumerate().all(|(n, at)| chosen[..n].iter().all(|before| index(before) != index(at)))
    }

    /// Makes the missing data blocks of a row from `good` ones and chosen parity shards; whether all of them open.
    fn restore_from(&mut self, good: &[(u8, &[u8])], chosen: &[usize], block: usize, pack: &mut [u8]) -> bool {
        let mut parts = good.to_vec();
        parts.extend(chosen.iter().map(|at| (self.shards[*at].header.index, self.sealed(*at, block))));
        let (key, layout, mut opened) = (&self.key, &self.layout, true);
        self.decoder.decode(&parts, |index, sealed| {
            opened = opened && key.open(index, block, sealed, &mut pack[layout.block_in_pack(index, block)]);
        });
        opened
    }

    /// Marks the parity shards that differ from what the restored row says: they were in the way.
    fn blame_parity(&mut self, parity: &[usize], block: usize, pack: &[u8]) {
        let scheme = self.layout.scheme();
        let mut row = vec![Vec::new(); usize::from(scheme.data())];
        for (index, sealed) in (0..).zip(&mut row) {
            let plain = &pack[self.layout.block_in_pack(index, block)];
            self.key.seal(index, block, plain, plain.len(), sealed);
        }
        let mut right = Vec::new();
        ParityEncoder::new(scheme).encode(row.iter().map(Vec::as_slice), |_, range| right.push(range.to_vec()));
        for at in parity {
            let number = usize::from(self.shards[*at].header.index - scheme.data());
            if right.get(number).is_some_and(|right| right != self.sealed(*at, block)) {
                self.is_damaged[*at] = true;
            }
        }
    }
}

/// Some of a number of places, ascending; one choice after the other in lexicographic order.
struct Choice(Vec<usize>);

impl Choice {
    fn first(some: usize, of: usize) -> Option<Self> {
        (some <= of).then(|| Self((0..some).collect()))
    }

    fn next(mut self, of: usize) -> Option<Self> {
        let some = self.0.len();
        let movable = (0..some).rev().find(|n| self.0[*n] < of - some + n)?;
        let start = self.0[movable] + 1;
        for (n, place) in self.0[movable..].iter_mut().enumerate() {
            *place = start + n;
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::erasure::layout::HEADER_LEN;
    use crate::erasure::shard::{Shard, ShardError};
    use crate::erasure::stripe::Stripe;
    use crate::erasure::testing::{pack, secret};
    use crate::ids::ShardId;

    fn shards_of(len: usize, scheme: Scheme) -> (Vec<u8>, Vec<Shard>) {
        let (id, bytes) = pack(len);
        let shards = Stripe::new(id, &bytes, scheme, &secret()).expect("stripe").encode();
        (bytes, shards)
    }

    fn restore_shards(shards: &[Shard], is_named: bool) -> Result<Restored, RestoreError> {
        let name = |shard: &Shard| is_named.then_some(shard.id);
        let files: Vec<_> =
            shards.iter().map(|s| ShardFile::open(&s.bytes, name(s), &secret()).expect("open")).collect();
        let restored = restore(&files, &secret());
        // What was in the memory before shows nowhere.
        for len in [0, 3, 900_000] {
            assert_eq!(restore_reusing(&files, &secret(), vec![7; len]), restored);
        }
        restored
    }

    fn scheme(k: u8, m: u8) -> Scheme {
        Scheme::new(k, m).expect("scheme")
    }

    /// A permutation of the shards that depends on `seed`.
    fn shuffled(mut shards: Vec<Shard>, seed: u64) -> Vec<Shard> {
        shards.sort_by_key(|s| *blake3::hash(&[&seed.to_le_bytes()[..], &[s.index]].concat()).as_bytes());
        shards
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_lost_m_of_every_scheme_are_no_loss_and_one_more_is_named(
            which in 0_usize..12, len in 1_usize..400_000, seed: u64
        ) {
            let scheme = Scheme::all().nth(which).expect("scheme");
            let (bytes, shards) = shards_of(len, scheme);
            let mut shards = shuffled(shards, seed);
            shards.truncate(usize::from(scheme.data()));
            let restored = restore_shards(&shards, seed % 2 == 0).expect("restore");
            prop_assert_eq!((&restored.bytes, &restored.damaged), (&bytes, &Vec::new()));
            shards.pop();
            let mut there: Vec<_> = shards.iter().map(|s| s.index).collect();
            there.sort_unstable();
            let expected = if there.is_empty() {
                RestoreError::Nothing
            } else {
                RestoreError::TooFew { pack: restored.pack, scheme, there }
            };
            prop_assert_eq!(restore_shards(&shards, true).expect_err("too few"), expected);
        }

        #[test]
        fn wrong_shards_beside_k_right_ones_are_found_and_left_out(
            which in 1_usize..8, len in 1_usize..300_000, seed: u64, at: prop::sample::Index
        ) {
            let scheme = Scheme::all().nth(which).expect("scheme");
            let (bytes, shards) = shards_of(len, scheme);
            let mut shards = shuffled(shards, seed);
            let wrong = usize::from(scheme.parity());
            for shard in &mut shards[..wrong] {
                let body = &mut shard.bytes[HEADER_LEN..];
                body[at.index(body.len())] ^= 0x40;
            }
            let restored = restore_shards(&shards, false).expect("restore");
            prop_assert_eq!(&restored.bytes, &bytes);
            // All of the wrong data shards, and none that is right.
            prop_assert!(restored.damaged.iter().all(|at| *at < wrong));
            for (at, shard) in shards[..wrong].iter().enumerate() {
                prop_assert!(shard.index >= scheme.data() || restored.damaged.contains(&at));
            }
        }
    }

    #[test]
    fn a_full_pack_comes_back() {
        let (bytes, shards) = shards_of((32 << 20) + 1_234_567, scheme(6, 4));
        let restored = restore_shards(&shards[4..], true).expect("restore");
        assert!(restored.bytes == bytes);
    }

    #[test]
    fn damage_in_different_places_of_all_shards_is_no_loss() {
        let (bytes, mut shards) = shards_of(1_000_000, scheme(2, 2));
        for (n, shard) in shards.iter_mut().enumerate() {
            shard.bytes[HEADER_LEN + n * BLOCK_LEN + 77] ^= 1;
        }
        let restored = restore_shards(&shards, false).expect("restore");
        assert_eq!(restored.bytes, bytes);
        assert_eq!(restored.damaged, [0, 1]);
    }

    #[test]
    fn too_much_damage_in_one_place_is_told_with_the_shards_that_have_it() {
        let (_, mut shards) = shards_of(100_000, scheme(3, 2));
        for at in [0, 2, 3] {
            shards[at].bytes[HEADER_LEN] ^= 1;
        }
        let Err(RestoreError::Damaged { there, damaged, .. }) = restore_shards(&shards, false) else {
            panic!("damage that cannot be repaired was not told");
        };
        assert_eq!((there, damaged), (vec![0, 1, 2, 3, 4], vec![0, 2]));
    }

    #[test]
    fn shards_of_two_packs_or_two_schemes_are_not_mixed() {
        let (_, two) = shards_of(100_000, scheme(2, 2));
        let (_, three) = shards_of(100_000, scheme(3, 2));
        let (_, other) = shards_of(90_000, scheme(2, 2));
        for foreign in [&three[1], &other[1]] {
            let mixed = restore_shards(&[two[0].clone(), foreign.clone()], true);
            assert!(matches!(mixed, Err(RestoreError::Mixed { .. })));
        }
    }

    #[test]
    fn a_damaged_shard_of_known_name_is_refused_by_name() {
        let (_, mut shards) = shards_of(100_000, scheme(2, 2));
        let (id, len) = (shards[3].id, shards[3].bytes.len());
        shards[3].bytes[len - 1] ^= 1;
        let open = |bytes: &[u8], id: Option<ShardId>| ShardFile::open(bytes, id, &secret()).map(|_| ());
        assert!(matches!(open(&shards[3].bytes, Some(id)), Err(ShardError::Name(named)) if named == id));
        assert!(open(&shards[3].bytes, None).is_ok());
        assert!(matches!(open(&shards[3].bytes[..len - 64], None), Err(ShardError::Length { .. })));
    }

    #[test]
    fn of_two_shards_with_one_index_the_right_one_is_taken() {
        let (bytes, shards) = shards_of(200_000, scheme(2, 2));
        let mut wrong = shards[2].clone();
        wrong.bytes[HEADER_LEN..].fill(0);
        let given = [wrong, shards[0].clone(), shards[2].clone()];
        let restored = restore_shards(&given, false).expect("restore");
        assert_eq!((restored.bytes, restored.damaged), (bytes, vec![0]));
    }

    #[test]
    fn choices_are_all_there_once() {
        let mut choice = Choice::first(3, 6);
        let mut seen = std::collections::BTreeSet::new();
        while let Some(now) = choice {
            assert!(seen.insert(now.0.clone()));
            choice = now.next(6);
        }
        assert_eq!(seen.len(), 20);
        assert!(Choice::first(3, 2).is_none());
    }
}
