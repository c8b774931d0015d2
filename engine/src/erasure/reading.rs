//! A few bytes of a pack out of the shards that hold them, so that one file comes back without whole packs.
//!
//! [`Layout::pieces`](super::layout::Layout::pieces) says which ranges of which shards to fetch; [`PackRange`] opens them. Where
//! a data shard is away, the same range of `k` other shards makes up for it.

use super::code::{DataDecoder, ParityEncoder};
use super::layout::{BLOCK_LEN, HEADER_LEN, Layout, Piece};
use super::shard::{BlockKey, ShardHeader};
use crate::keys::DispersalSecret;

/// Why fetched ranges do not give bytes of a pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not the bytes that were written there.
    #[error("the bytes from shard {shard} were altered, or stand elsewhere")]
    Altered {
        /// The index of the shard.
        shard: u8,
    },
    /// Not as many bytes as the piece has, or not `k` different shards of the stripe.
    #[error("not the ranges that make up for shard {shard}")]
    Parts {
        /// The index of the shard.
        shard: u8,
    },
}

/// Opens pieces of one stripe.
pub struct PackRange {
    layout: Layout,
    key: BlockKey,
}

impl PackRange {
    /// For the stripe that `header` belongs to; its index does not matter.
    #[must_use]
    pub fn new(header: &ShardHeader, secret: &DispersalSecret) -> Self {
        Self { layout: header.layout, key: BlockKey::derive(secret, header.pack, &header.layout) }
    }

    /// The bytes of the pack that `piece` holds, from `sealed`, its range of the shard file.
    ///
    /// # Errors
    /// [`ReadError::Altered`], also when there are more or fewer bytes.
    pub fn open(&self, piece: &Piece, sealed: &[u8]) -> Result<Vec<u8>, ReadError> {
        let altered = ReadError::Altered { shard: piece.shard };
        if piece.in_file.len() != sealed.len() || !self.is_ours(piece) {
            return Err(altered);
        }
        let first = (piece.in_file.start - HEADER_LEN) / BLOCK_LEN;
        let start = self.layout.block_in_pack(piece.shard, first).start;
        let mut plain = Vec::with_capacity(sealed.len());
        for (block, sealed) in (first..).zip(sealed.chunks(BLOCK_LEN)) {
            let at = plain.len();
            plain.resize(at + self.layout.block_in_pack(piece.shard, block).len(), 0);
            if !self.key.open(piece.shard, block, sealed, &mut plain[at..]) {
                return Err(altered);
            }
        }
        plain.truncate(piece.in_pack.end - start);
        Ok(plain.split_off(piece.in_pack.start - start))
    }

    /// The sealed bytes of `piece`, for [`Self::open`], made of `parts`: the same range of the files of `k` other shards, with
    /// their indexes.
    ///
    /// # Errors
    /// [`ReadError::Parts`]. Wrong bytes show when the result is opened.
    pub fn rebuild(&self, piece: &Piece, parts: &[(u8, &[u8])]) -> Result<Vec<u8>, ReadError> {
        let scheme = self.layout.scheme();
        let is_sound = |n: usize, (index, bytes): &(u8, &[u8])| {
            *index < scheme.width()
                && *index != piece.shard
                && bytes.len() == piece.in_file.len()
                && parts[..n].iter().all(|(before, _)| before != index)
        };
        let are_sound = parts.iter().enumerate().all(|(n, part)| is_sound(n, part));
        if parts.len() != usize::from(scheme.data()) || !are_sound || !self.is_ours(piece) {
            return Err(ReadError::Parts { shard: piece.shard });
        }
        let mut sealed = Vec::with_capacity(piece.in_file.len());
        DataDecoder::new(scheme).decode(parts, |index, bytes| {
            if index == piece.shard {
                sealed.extend_from_slice(bytes);
            }
        });
        Ok(sealed)
    }

    /// Whether a piece is one that this stripe's layout gives.
    fn is_ours(&self, piece: &Piece) -> bool {
        !piece.in_pack.is_empty()
            && self.layout.pieces(piece.in_pack.clone()).is_some_and(|pieces| pieces == [piece.clone()])
    }
}

/// Makes ranges of shard bodies again from ranges of the pack, as the owner does to check a peer's answer.
pub(super) struct ShardRange {
    layout: Layout,
    key: BlockKey,
    encoder: ParityEncoder,
}

impl ShardRange {
    pub(super) fn new(header: &ShardHeader, secret: &DispersalSecret) -> Self {
        let key = BlockKey::derive(secret, header.pack, &header.layout);
        Self { layout: header.layout, key, encoder: ParityEncoder::new(header.layout.scheme()) }
    }

    /// Appends the whole block `block` of shard `index` to `out`. `read` gives a range of the pack.
    ///
    /// # Errors
    /// What `read` gives.
    pub(super) fn block<E>(
        &mut self,
        index: u8,
        block: usize,
        read: &mut dyn FnMut(std::ops::Range<usize>) -> Result<Vec<u8>, E>,
        out: &mut Vec<u8>,
    ) -> Result<(), E> {
        let k = self.layout.scheme().data();
        let Some(number) = index.checked_sub(k) else { return self.seal(index, block, read, out) };
        let mut row = vec![Vec::new(); usize::from(k)];
        for (shard, sealed) in (0..).zip(&mut row) {
            self.seal(shard, block, read, sealed)?;
        }
        self.encoder.encode(row.iter().map(Vec::as_slice), |made, range| {
            if made == usize::from(number) {
                out.extend_from_slice(range);
            }
        });
        Ok(())
    }

    fn seal<E>(
        &self,
        shard: u8,
        block: usize,
        read: &mut dyn FnMut(std::ops::Range<usize>) -> Result<Vec<u8>, E>,
        out: &mut Vec<u8>,
    ) -> Result<(), E> {
        let plain = self.layout.block_in_pack(shard, block);
        let there = plain.start.min(self.layout.pack_len())..plain.end.min(self.layout.pack_len());
        let bytes = if there.is_empty() { Vec::new() } else { read(there)? };
        self.key.seal(shard, block, &bytes, plain.len(), out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::erasure::scheme::Scheme;
    use crate::erasure::stripe::Stripe;
    use crate::erasure::testing::{pack, secret};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_range_comes_out_of_the_shards_that_hold_it_or_of_k_others(
            which in 1_usize..12, len in 1_usize..600_000, a: prop::sample::Index, b: prop::sample::Index
        ) {
            let scheme = Scheme::all().nth(which).expect("scheme");
            let ((id, bytes), secret) = (pack(len), secret());
            let stripe = Stripe::new(id, &bytes, scheme, &secret).expect("stripe");
            let shards = stripe.encode();
            let header = ShardHeader::open(&shards[0].bytes, &secret).expect("header");
            let reader = PackRange::new(&header, &secret);
            let (a, b) = (a.index(len + 1), b.index(len + 1));
            let range = a.min(b)..a.max(b);
            let (mut direct, mut rebuilt) = (Vec::new(), Vec::new());
            for piece in header.layout.pieces(range.clone()).expect("pieces") {
                let fetch = |index: u8| &shards[usize::from(index)].bytes[piece.in_file.clone()];
                direct.extend(reader.open(&piece, fetch(piece.shard)).expect("open"));
                let others = (0..scheme.width()).rev().filter(|index| *index != piece.shard);
                let parts: Vec<_> =
                    others.take(usize::from(scheme.data())).map(|index| (index, fetch(index))).collect();
                let sealed = reader.rebuild(&piece, &parts).expect("rebuild");
                prop_assert_eq!(sealed.as_slice(), fetch(piece.shard));
                rebuilt.extend(reader.open(&piece, &sealed).expect("open"));
                prop_assert!(reader.rebuild(&piece, &parts[1..]).is_err());
            }
            prop_assert_eq!(&direct, &bytes[range.clone()]);
            prop_assert_eq!(&rebuilt, &bytes[range]);
        }
    }

    #[test]
    fn altered_ranges_and_pieces_that_no_layout_gives_are_refused() {
        let ((id, bytes), secret) = (pack(300_000), secret());
        let scheme = Scheme::new(2, 2).expect("scheme");
        let shards = Stripe::new(id, &bytes, scheme, &secret).expect("stripe").encode();
        let header = ShardHeader::open(&shards[0].bytes, &secret).expect("header");
        let reader = PackRange::new(&header, &secret);
        let piece = header.layout.pieces(70_000..70_100).expect("pieces").remove(0);
        let fetched = shards[0].bytes[piece.in_file.clone()].to_vec();
        assert_eq!(reader.open(&piece, &fetched).expect("open"), &bytes[70_000..70_100]);
        let mut altered = fetched.clone();
        altered[40_000] ^= 1;
        assert_eq!(reader.open(&piece, &altered), Err(ReadError::Altered { shard: 0 }));
        assert!(reader.open(&piece, &fetched[1..]).is_err());
        for change in [
            |p: &mut Piece| p.shard = 3,
            |p: &mut Piece| p.shard = 250,
            |p: &mut Piece| p.in_file = 0..p.in_file.len(),
            |p: &mut Piece| p.in_pack = 5..5,
            |p: &mut Piece| p.in_pack.end = usize::MAX,
        ] {
            let mut strange = piece.clone();
            change(&mut strange);
            assert!(reader.open(&strange, &fetched).is_err());
            assert!(reader.rebuild(&strange, &[(2, &fetched), (3, &fetched)]).is_err());
        }
    }
}
