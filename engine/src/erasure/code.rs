//! The Reed-Solomon code over equally long ranges of bodies.
//!
//! Systematic, over GF(2^16), as Leopard-RS defines it and `reed-solomon-simd` computes it. Each 64 bytes are coded by
//! themselves, so a range of a body that is cut at multiples of 64 bytes can be coded alone (mutual-backup 4.0 b).

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::layout::ALIGN;
use super::scheme::Scheme;

/// Makes ranges of parity shards from the same ranges of data shards. Keeps its working space.
pub(super) struct ParityEncoder {
    scheme: Scheme,
    encoder: Option<(usize, ReedSolomonEncoder)>,
}

impl ParityEncoder {
    pub(super) const fn new(scheme: Scheme) -> Self {
        Self { scheme, encoder: None }
    }

    /// Calls `take` with the number and the bytes of each parity range, in order.
    ///
    /// `data`: all data ranges in order, of one length, a multiple of 64.
    pub(super) fn encode<'d>(&mut self, data: impl Iterator<Item = &'d [u8]>, mut take: impl FnMut(usize, &[u8])) {
        if self.scheme.parity() == 0 {
            return;
        }
        let mut data = data.peekable();
        if let (1, Some(range)) = (self.scheme.data(), data.peek()) {
            // What the code makes of one data shard is that shard; a copy is faster.
            (0..usize::from(self.scheme.parity())).for_each(|number| take(number, range));
            return;
        }
        let len = data.peek().map_or(0, |range| range.len());
        let encoder = self.sized(len);
        for range in data {
            held(encoder.add_original_shard(range));
        }
        for (number, range) in held(encoder.encode()).recovery_iter().enumerate() {
            take(number, range);
        }
    }

    fn sized(&mut self, len: usize) -> &mut ReedSolomonEncoder {
        debug_assert!(len.is_multiple_of(ALIGN) && len > 0);
        let (data, parity) = (usize::from(self.scheme.data()), usize::from(self.scheme.parity()));
        let (sized, encoder) =
            self.encoder.get_or_insert_with(|| (len, held(ReedSolomonEncoder::new(data, parity, len))));
        if *sized != len {
            held(encoder.reset(data, parity, len));
            *sized = len;
        }
        encoder
    }
}

/// Makes ranges of lost data shards from the same ranges of `k` other shards. Keeps its working space.
pub(super) struct DataDecoder {
    scheme: Scheme,
    decoder: Option<ReedSolomonDecoder>,
}

impl DataDecoder {
    pub(super) const fn new(scheme: Scheme) -> Self {
        Self { scheme, decoder: None }
    }

    /// Calls `take` with the index and the bytes of each data range that is not among `parts`, in order.
    ///
    /// `parts`: indexes and ranges of exactly `k` different shards, of one length, a multiple of 64.
    pub(super) fn decode(&mut self, parts: &[(u8, &[u8])], mut take: impl FnMut(u8, &[u8])) {
        let k = self.scheme.data();
        debug_assert_eq!(parts.len(), usize::from(k));
        if parts.iter().all(|(index, _)| *index < k) {
            return;
        }
        if let (1, [(_, range)]) = (k, parts) {
            take(0, range);
            return;
        }
        let decoder = self.sized(parts.first().map_or(0, |(_, range)| range.len()));
        for (index, range) in parts {
            held(match index.checked_sub(k) {
                None => decoder.add_original_shard(usize::from(*index), range),
                Some(number) => decoder.add_recovery_shard(usize::from(number), range),
            });
        }
        for (index, range) in held(decoder.decode()).restored_original_iter() {
            // Indexes of data shards are below `k`, which is a byte.
            take(u8::try_from(index).unwrap_or(u8::MAX), range);
        }
    }

    fn sized(&mut self, len: usize) -> &mut ReedSolomonDecoder {
        debug_assert!(len.is_multiple_of(ALIGN) && len > 0);
        let (data, parity) = (usize::from(self.scheme.data()), usize::from(self.scheme.parity()));
        let decoder = self.decoder.get_or_insert_with(|| held(ReedSolomonDecoder::new(data, parity, len)));
        // Also forgets what was added before.
        held(decoder.reset(data, parity, len));
        decoder
    }
}

/// The code refuses wrong numbers and lengths of shards only, and [`Scheme`] and the callers here hold those.
fn held<T>(result: Result<T, reed_solomon_simd::Error>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => unreachable!("the ranges of a stripe have one length and each index once: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_code_itself_makes_plain_copies_of_one_data_shard() {
        let data: Vec<u8> = (0..=255).collect();
        for parity in 1..48 {
            let mut encoder = ReedSolomonEncoder::new(1, parity, data.len()).expect("encoder");
            encoder.add_original_shard(&data).expect("add");
            let made = encoder.encode().expect("encode");
            assert_eq!(made.recovery_iter().count(), parity);
            assert!(made.recovery_iter().all(|range| range == data));
        }
    }

    fn parity(scheme: Scheme, data: &[Vec<u8>], from: usize, to: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        ParityEncoder::new(scheme).encode(data.iter().map(|d| &d[from..to]), |_, range| found.push(range.to_vec()));
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_range_is_coded_as_it_is_within_the_whole(
            which in 0_usize..12, seed: u8, units in 1_usize..40, a: prop::sample::Index, b: prop::sample::Index
        ) {
            let scheme = Scheme::all().nth(which).expect("scheme");
            let data: Vec<Vec<u8>> = (0..scheme.data())
                .map(|index| {
                    let mut bytes = vec![0; units * ALIGN];
                    blake3::Hasher::new().update(&[seed, index]).finalize_xof().fill(&mut bytes);
                    bytes
                })
                .collect();
            let (a, b) = (a.index(units), b.index(units));
            let (from, to) = (a.min(b) * ALIGN, (a.max(b) + 1) * ALIGN);
            let whole = parity(scheme, &data, 0, units * ALIGN);
            let part = parity(scheme, &data, from, to);
            prop_assert_eq!(whole.len(), usize::from(scheme.parity()));
            for (whole, part) in whole.iter().zip(&part) {
                prop_assert_eq!(&whole[from..to], part.as_slice());
            }
        }
    }
}
