//! Content-defined cutting: FastCDC with normalised chunking (Xia et al., USENIX ATC 2016, section 4; IEEE TPDS 2020)
//! over a gear table that is derived from the vault's secret, so that chunk lengths do not give known files away.
//!
//! The cut points depend on the bytes, the profile and the key, never on how the bytes arrive in buffers.

use crate::ids::SourceKind;
use crate::keys::ChunkKeys;

/// Lengths of the chunks that a cutter makes, all in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutProfile {
    /// No chunk but the last of a stream is shorter.
    pub min: usize,
    /// The length that cuts are steered to.
    pub average: usize,
    /// No chunk is longer.
    pub max: usize,
}

/// The longest chunk of any profile; a segment holds at least one.
pub const CHUNK_MAX: usize = 1 << 20;

/// Streams of up to this many bytes become one chunk: cutting them would cost more in names than it saves.
pub const WHOLE_FILE_MAX: usize = 64 << 10;

impl CutProfile {
    const fn around(average: usize) -> Self {
        Self { min: average / 4, average, max: average * 4 }
    }

    /// The profile for a stream of `len` bytes (`None`: not known in advance) of a source of `kind`.
    ///
    /// Measured in `docs/decisions/0004-chunk-sizes.md`: small chunks where edits are small and scattered (databases),
    /// larger ones where an index row costs more than it saves.
    #[must_use]
    pub const fn choose(kind: SourceKind, len: Option<u64>) -> Self {
        match (kind, len) {
            (SourceKind::Database, _) => Self::around(12 << 10),
            (SourceKind::Image, _) | (SourceKind::Files, None) => Self::around(64 << 10),
            (SourceKind::Files, Some(len)) if len <= 64 << 20 => Self::around(64 << 10),
            (SourceKind::Files, Some(_)) => Self::around(256 << 10),
        }
    }
}

/// Finds cut points. One cutter serves any number of streams of one profile.
#[derive(Debug, Clone)]
pub struct Cutter<'k> {
    gear: &'k [u64; 256],
    profile: CutProfile,
    /// Used before the average is reached: two more bits, so cuts are four times rarer.
    mask_early: u64,
    /// Used after it: two fewer bits.
    mask_late: u64,
}

impl<'k> Cutter<'k> {
    /// A cutter for `profile`.
    #[must_use]
    pub fn new(keys: &'k ChunkKeys, profile: CutProfile) -> Self {
        let bits = profile.average.ilog2();
        Self { gear: keys.gear(), profile, mask_early: high_bits(bits + 2), mask_late: high_bits(bits - 2) }
    }

    /// Length of the first chunk of `bytes`.
    ///
    /// `bytes` starts where the previous chunk ended. `None` means that the end of the chunk is not in `bytes` yet: call
    /// again with more bytes from the same start, at least [`CutProfile::max`] of them or all that is left (`last`).
    #[must_use]
    pub fn next(&self, bytes: &[u8], last: bool) -> Option<usize> {
        let CutProfile { min, average, max } = self.profile;
        let end = bytes.len().min(max);
        if end > min {
            let mut hash = 0_u64;
            let middle = end.min(average);
            // The gear hash forgets a byte after 64 steps, so it need not see the bytes before `min`.
            if let Some(cut) = self.scan(&bytes[..middle], min, self.mask_early, &mut hash) {
                return Some(cut);
            }
            if let Some(cut) = self.scan(&bytes[..end], middle.max(min), self.mask_late, &mut hash) {
                return Some(cut);
            }
        }
        if end == max {
            Some(max)
        } else if last && !bytes.is_empty() {
            Some(bytes.len())
        } else {
            None
        }
    }

    /// Looks for a cut in `bytes`, from position `from` on.
    ///
    /// Two bytes a turn: the hash after the first is worked out beside the one after the second, so that a turn waits
    /// for one shift and one addition only.
    fn scan(&self, bytes: &[u8], from: usize, mask: u64, hash: &mut u64) -> Option<usize> {
        let tail = bytes.get(from..)?;
        let mut rolling = *hash;
        let (pairs, odd) = tail.as_chunks::<2>();
        for (index, [one, two]) in pairs.iter().enumerate() {
            let (one, two) = (self.gear[usize::from(*one)], self.gear[usize::from(*two)]);
            let between = (rolling << 1).wrapping_add(one);
            rolling = (rolling << 2).wrapping_add((one << 1).wrapping_add(two));
            if between & mask == 0 {
                return Some(from + 2 * index + 1);
            }
            if rolling & mask == 0 {
                return Some(from + 2 * index + 2);
            }
        }
        for byte in odd {
            rolling = (rolling << 1).wrapping_add(self.gear[usize::from(*byte)]);
            if rolling & mask == 0 {
                return Some(bytes.len());
            }
        }
        *hash = rolling;
        None
    }
}

/// A mask of the `count` highest bits: those that the last 64 bytes all had a part in.
const fn high_bits(count: u32) -> u64 {
    !(u64::MAX >> count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::DedupSecret;

    fn keys(seed: u8) -> ChunkKeys {
        ChunkKeys::derive(&DedupSecret::from_bytes([seed; 32]))
    }

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn cut_all(cutter: &Cutter<'_>, mut bytes: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(len) = cutter.next(bytes, true) {
            lengths.push(len);
            bytes = &bytes[len..];
        }
        lengths
    }

    #[test]
    fn lengths_stay_in_their_limits_and_near_their_average() {
        let keys = keys(1);
        for kind in SourceKind::ALL {
            let profile = CutProfile::choose(*kind, None);
            let lengths = cut_all(&Cutter::new(&keys, profile), &noise(profile.average * 400, 7));
            let (last, body) = lengths.split_last().expect("chunks");
            assert!(body.iter().all(|l| (profile.min..=profile.max).contains(l)) && *last <= profile.max);
            let mean = profile.average * 400 / lengths.len();
            assert!((profile.average * 3 / 4..profile.average * 3 / 2).contains(&mean), "{kind}: mean {mean}");
            assert!(profile.max <= CHUNK_MAX);
        }
    }

    #[test]
    fn an_insertion_changes_only_the_chunks_around_it() {
        let keys = keys(1);
        let cutter = Cutter::new(&keys, CutProfile::choose(SourceKind::Database, None));
        let before = noise(1 << 20, 3);
        let mut after = before.clone();
        after.splice(500_000..500_000, *b"a few more bytes");
        let names = |bytes: &[u8]| {
            let mut at = 0;
            cut_all(&cutter, bytes)
                .into_iter()
                .map(|len| {
                    at += len;
                    keys.name(&bytes[at - len..at]).0
                })
                .collect::<std::collections::HashSet<_>>()
        };
        let fresh = names(&after).difference(&names(&before)).count();
        assert!((1..=4).contains(&fresh), "{fresh} new chunks");
    }

    #[test]
    fn another_vault_cuts_elsewhere() {
        let bytes = noise(1 << 20, 3);
        let profile = CutProfile::choose(SourceKind::Database, None);
        let (a, b) = (keys(1), keys(2));
        assert_ne!(cut_all(&Cutter::new(&a, profile), &bytes), cut_all(&Cutter::new(&b, profile), &bytes));
    }

    #[test]
    fn a_cut_reached_exactly_at_the_end_of_the_bytes_is_final() {
        let keys = keys(1);
        let cutter = Cutter::new(&keys, CutProfile::choose(SourceKind::Database, None));
        let bytes = noise(1 << 16, 9);
        let first = cutter.next(&bytes, true).expect("a chunk");
        assert_eq!(cutter.next(&bytes[..first], false), Some(first));
        assert_eq!(cutter.next(&[], true), None);
    }

    proptest! {
        #[test]
        fn cuts_do_not_depend_on_how_bytes_arrive(len in 0_usize..60_000, seed: u64, step in 1_usize..9_000) {
            let keys = keys(1);
            let cutter = Cutter::new(&keys, CutProfile::choose(SourceKind::Database, None));
            let bytes = noise(len, seed);
            let whole = cut_all(&cutter, &bytes);
            let (mut pieces, mut start, mut have) = (Vec::new(), 0, 0);
            while start < bytes.len() {
                match cutter.next(&bytes[start..have], have == bytes.len()) {
                    Some(cut) => { pieces.push(cut); start += cut; have = have.max(start); }
                    None => have = (have + step).min(bytes.len()),
                }
            }
            prop_assert_eq!(whole.iter().sum::<usize>(), bytes.len());
            prop_assert_eq!(pieces, whole);
        }
    }
}
