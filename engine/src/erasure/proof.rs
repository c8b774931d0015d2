//! Proofs that a range of a shard file is what its name says, without the rest of the file.
//!
//! The name of a shard is a BLAKE3 hash, and so the root of a tree. A proof gives, for a run of groups of 16 KiB, their bytes
//! and the hashes of the subtrees beside them, in the order of the tree walked from its root, left before right: 32 bytes for a
//! subtree outside the range, the bytes of a group inside it. It has no other parts, so each proof has exactly one length.
//! A host keeps the hashes of a shard's groups ([`GroupHashes`], 0.2 % of its size), so that a proof costs it one short read.
//! Source: mutual-backup 4.1, 4.5; section 2.1 of the BLAKE3 paper.

use std::ops::Range;

use blake3::hazmat::{HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};

use super::layout::SHARD_LEN_MAX;
use crate::format::FormatError;
use crate::ids::ShardId;

/// What proofs are about: this many bytes of a shard file, from a multiple of it on. The last group may be shorter.
pub const GROUP_LEN: usize = 16 << 10;

/// No proof is about more groups: 4 MiB of data.
pub const PROOF_GROUPS_MAX: usize = 256;

type Hash = [u8; 32];

/// Why a proof cannot be made, or is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No group, too many, or some beyond the end of the file.
    #[error("a shard of {len} bytes has no groups {start} to {end}, or they are more than {PROOF_GROUPS_MAX}")]
    Range {
        /// Length of the shard file.
        len: usize,
        /// The first group.
        start: usize,
        /// The one behind the last group.
        end: usize,
    },
    /// Not as many bytes as are needed.
    #[error("{found} bytes instead of {expected}")]
    Length {
        /// What is needed.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// Something else than the shard of this name has there.
    #[error("the proof does not lead to the shard's name")]
    Root,
}

/// How many groups a shard file of `len` bytes has.
#[must_use]
pub const fn groups(len: usize) -> usize {
    len.div_ceil(GROUP_LEN)
}

/// Which bytes of a shard file of `len` bytes the groups `range` are.
#[must_use]
pub fn bytes_of(len: usize, range: &Range<usize>) -> Range<usize> {
    let at = |group: usize| group.saturating_mul(GROUP_LEN).min(len);
    at(range.start)..at(range.end)
}

fn check(len: usize, range: &Range<usize>) -> Result<(), ProofError> {
    let is_fine = (1..=SHARD_LEN_MAX).contains(&len)
        && range.start < range.end
        && range.end <= groups(len)
        && range.len() <= PROOF_GROUPS_MAX;
    if is_fine { Ok(()) } else { Err(ProofError::Range { len, start: range.start, end: range.end }) }
}

/// A node of the tree over a file: the bytes below it.
#[derive(Clone, Copy)]
struct Node {
    start: usize,
    len: usize,
}

impl Node {
    const fn root(len: usize) -> Self {
        Self { start: 0, len }
    }

    /// Its two children; `None` for a group.
    fn children(self) -> Option<(Self, Self)> {
        if self.len <= GROUP_LEN {
            return None;
        }
        // Below the length of a file in memory, so it fits.
        let left = usize::try_from(left_subtree_len(self.len as u64)).unwrap_or(self.len);
        Some((Self { start: self.start, len: left }, Self { start: self.start + left, len: self.len - left }))
    }

    const fn is_beside(self, bytes: &Range<usize>) -> bool {
        self.start + self.len <= bytes.start || bytes.end <= self.start
    }
}

fn hash_group(start: usize, bytes: &[u8]) -> Hash {
    blake3::Hasher::new().set_input_offset(start as u64).update(bytes).finalize_non_root()
}

/// The hashes of all groups of a shard file, in order: what a host keeps beside it, 32 bytes for each 16 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupHashes {
    len: usize,
    root: ShardId,
    hashes: Vec<Hash>,
}

impl GroupHashes {
    /// Hashes a whole shard file, as it comes in. `None` if it is empty or longer than any shard.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<Self> {
        if !(1..=SHARD_LEN_MAX).contains(&file.len()) {
            return None;
        }
        let hashes: Vec<_> = (0..)
            .step_by(GROUP_LEN)
            .zip(file.chunks(GROUP_LEN))
            .map(|(start, group)| hash_group(start, group))
            .collect();
        let root = match Node::root(file.len()).children() {
            Some(_) => root_of(file.len(), &hashes),
            None => ShardId::from_bytes(*blake3::hash(file).as_bytes()),
        };
        Some(Self { len: file.len(), root, hashes })
    }

    /// The name of the shard whose groups these are.
    #[must_use]
    pub const fn root(&self) -> ShardId {
        self.root
    }

    /// To be kept: the hashes one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.concat()
    }

    /// Reads what [`Self::to_bytes`] gave for shard `id` of `len` bytes.
    ///
    /// # Errors
    /// [`FormatError`] when they do not lead to that name; hash the shard again.
    pub fn from_bytes(id: ShardId, len: usize, bytes: &[u8]) -> Result<Self, FormatError> {
        let damaged = |reason: &str| FormatError::damaged("hashes of a shard's groups", reason);
        let (hashes, rest) = bytes.as_chunks::<32>();
        let is_fine = (1..=SHARD_LEN_MAX).contains(&len) && rest.is_empty() && hashes.len() == groups(len);
        if !is_fine {
            return Err(damaged("they are more or fewer than the groups"));
        }
        // The one hash of a file that is one group is never used: the file itself is the whole proof.
        if len > GROUP_LEN && root_of(len, hashes) != id {
            return Err(damaged("they do not lead to its name"));
        }
        Ok(Self { len, root: id, hashes: hashes.to_vec() })
    }

    /// Proves the groups `range`. `data`: their bytes, [`bytes_of`] the file, which is not looked at beyond its length.
    ///
    /// # Errors
    /// [`ProofError::Range`], [`ProofError::Length`].
    pub fn prove(&self, range: &Range<usize>, data: &[u8]) -> Result<Vec<u8>, ProofError> {
        check(self.len, range)?;
        let bytes = bytes_of(self.len, range);
        if data.len() != bytes.len() {
            return Err(ProofError::Length { expected: bytes.len(), found: data.len() });
        }
        let mut proof = Vec::with_capacity(proof_len(self.len, range)?);
        self.walk(Node::root(self.len), &bytes, data, &mut proof);
        Ok(proof)
    }

    fn walk(&self, node: Node, bytes: &Range<usize>, data: &[u8], proof: &mut Vec<u8>) {
        if node.is_beside(bytes) {
            proof.extend_from_slice(&subtree(node, &self.hashes));
        } else if let Some((left, right)) = node.children() {
            self.walk(left, bytes, data, proof);
            self.walk(right, bytes, data, proof);
        } else {
            let at = node.start - bytes.start;
            proof.extend_from_slice(&data[at..at + node.len]);
        }
    }
}

/// The hash of a node that is not the root, from those of its groups.
fn subtree(node: Node, hashes: &[Hash]) -> Hash {
    match node.children() {
        Some((left, right)) => merge_subtrees_non_root(&subtree(left, hashes), &subtree(right, hashes), Mode::Hash),
        None => hashes[node.start / GROUP_LEN],
    }
}

/// The name of a file of more than one group.
fn root_of(len: usize, hashes: &[Hash]) -> ShardId {
    match Node::root(len).children() {
        Some((left, right)) => {
            let root = merge_subtrees_root(&subtree(left, hashes), &subtree(right, hashes), Mode::Hash);
            ShardId::from_bytes(*root.as_bytes())
        }
        None => unreachable!("a file of one group is hashed as it is"),
    }
}

/// Proves the groups `range` of a whole shard file; reads all of it. See [`GroupHashes`] for many proofs.
///
/// # Errors
/// [`ProofError::Range`].
pub fn prove(file: &[u8], range: &Range<usize>) -> Result<Vec<u8>, ProofError> {
    check(file.len(), range)?;
    let refused = ProofError::Range { len: file.len(), start: range.start, end: range.end };
    GroupHashes::of(file).ok_or(refused)?.prove(range, &file[bytes_of(file.len(), range)])
}

/// The one length that a proof of the groups `range` of a shard file of `len` bytes has.
///
/// # Errors
/// [`ProofError::Range`].
pub fn proof_len(len: usize, range: &Range<usize>) -> Result<usize, ProofError> {
    fn beside(node: Node, bytes: &Range<usize>) -> usize {
        match node.children() {
            _ if node.is_beside(bytes) => 1,
            Some((left, right)) => beside(left, bytes) + beside(right, bytes),
            None => 0,
        }
    }
    check(len, range)?;
    let bytes = bytes_of(len, range);
    Ok(bytes.len() + 32 * beside(Node::root(len), &bytes))
}

/// Checks a proof of the groups `range` of shard `id` of `len` bytes, and gives the bytes of these groups.
///
/// `len`: the owner's own figure. A proof shows it to be right only if it holds the last group.
///
/// # Errors
/// [`ProofError`].
pub fn verify(id: ShardId, len: usize, range: &Range<usize>, proof: &[u8]) -> Result<Vec<u8>, ProofError> {
    let expected = proof_len(len, range)?;
    if proof.len() != expected {
        return Err(ProofError::Length { expected, found: proof.len() });
    }
    let bytes = bytes_of(len, range);
    let mut reader = ProofReader { proof, bytes: &bytes, data: Vec::with_capacity(bytes.len()) };
    let root = match Node::root(len).children() {
        Some((left, right)) => {
            let (left, right) = (reader.hash(left)?, reader.hash(right)?);
            *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
        }
        None => *blake3::hash(reader.group(len)?).as_bytes(),
    };
    if root == *id.as_bytes() { Ok(reader.data) } else { Err(ProofError::Root) }
}

/// What is left of a proof, and the data that came out of it.
struct ProofReader<'a> {
    proof: &'a [u8],
    bytes: &'a Range<usize>,
    data: Vec<u8>,
}

impl<'a> ProofReader<'a> {
    fn hash(&mut self, node: Node) -> Result<Hash, ProofError> {
        if node.is_beside(self.bytes) {
            let (hash, rest) =
                self.proof.split_first_chunk().ok_or(ProofError::Length { expected: 32, found: self.proof.len() })?;
            self.proof = rest;
            return Ok(*hash);
        }
        match node.children() {
            Some((left, right)) => {
                let (left, right) = (self.hash(left)?, self.hash(right)?);
                Ok(merge_subtrees_non_root(&left, &right, Mode::Hash))
            }
            None => Ok(hash_group(node.start, self.group(node.len)?)),
        }
    }

    fn group(&mut self, len: usize) -> Result<&'a [u8], ProofError> {
        let found = self.proof.len();
        let (group, rest) = self.proof.split_at_checked(len).ok_or(ProofError::Length { expected: len, found })?;
        self.proof = rest;
        self.data.extend_from_slice(group);
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::erasure::shard::name_shard;
    use crate::erasure::testing::pack;

    fn file(len: usize) -> (ShardId, Vec<u8>) {
        let (_, bytes) = pack(len);
        (name_shard(&bytes), bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn a_proof_gives_the_bytes_of_its_range(len in 1_usize..700_000, a: prop::sample::Index, b: prop::sample::Index) {
            let (id, bytes) = file(len);
            let (a, b) = (a.index(groups(len)), b.index(groups(len)));
            let range = a.min(b)..a.max(b) + 1;
            let hashes = GroupHashes::of(&bytes).expect("hashes");
            prop_assert_eq!(hashes.root(), id);
            let kept = GroupHashes::from_bytes(id, len, &hashes.to_bytes()).expect("kept");
            let data = &bytes[bytes_of(len, &range)];
            let proof = kept.prove(&range, data).expect("prove");
            prop_assert_eq!(&proof, &prove(&bytes, &range).expect("prove"));
            prop_assert_eq!(proof.len(), proof_len(len, &range).expect("length"));
            prop_assert_eq!(verify(id, len, &range, &proof).expect("verify"), data);
        }

        #[test]
        fn altered_proofs_and_those_of_other_places_are_refused(
            len in 1_usize..300_000, a: prop::sample::Index, at: prop::sample::Index, bit in 0_u8..8
        ) {
            let (id, bytes) = file(len);
            let first = a.index(groups(len));
            let range = first..first + 1;
            let mut proof = prove(&bytes, &range).expect("prove");
            let other = (first + 1) % groups(len);
            prop_assert!(other == first || verify(id, len, &(other..other + 1), &proof).is_err());
            prop_assert!(verify(name_shard(b"other"), len, &range, &proof).is_err());
            prop_assert!(verify(id, len, &range, &proof[1..]).is_err());
            let holds_the_end = range.end == groups(len);
            prop_assert!(!holds_the_end || verify(id, len + 1, &range, &proof).is_err());
            let at = at.index(proof.len());
            proof[at] ^= 1 << bit;
            prop_assert_eq!(verify(id, len, &range, &proof), Err(ProofError::Root));
        }

        #[test]
        fn noise_proves_nothing(
            len: usize, start: usize, end: usize, noise in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let id = name_shard(b"something");
            prop_assert!(verify(id, len, &(start..end), &noise).is_err());
            prop_assert!(verify(id, noise.len(), &(0..1), &noise).is_err());
            prop_assert!(GroupHashes::from_bytes(id, len, &noise).is_err());
        }
    }

    #[test]
    fn every_flipped_bit_of_a_proof_is_found() {
        let (id, bytes) = file(5 * GROUP_LEN + 100);
        let mut proof = prove(&bytes, &(5..6)).expect("prove");
        assert_eq!(proof.len(), 100 + 2 * 32);
        for bit in 0..proof.len() * 8 {
            proof[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verify(id, bytes.len(), &(5..6), &proof), Err(ProofError::Root));
            proof[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(verify(id, bytes.len(), &(5..6), &proof).is_ok());
    }

    #[test]
    fn a_host_whose_bytes_have_rotted_makes_a_proof_that_nobody_believes() {
        let (id, mut bytes) = file(200_000);
        let hashes = GroupHashes::of(&bytes).expect("hashes");
        bytes[50_000] ^= 1;
        let proof = hashes.prove(&(3..4), &bytes[bytes_of(200_000, &(3..4))]).expect("prove");
        assert_eq!(verify(id, 200_000, &(3..4), &proof), Err(ProofError::Root));
        let mut kept = hashes.to_bytes();
        kept[40] ^= 1;
        assert!(GroupHashes::from_bytes(id, 200_000, &kept).is_err());
    }

    #[test]
    fn ranges_that_are_not_there_or_too_long_are_refused() {
        let len = 10 << 20;
        for range in [0..0, 5..5, 640..641, 0..257, 0..usize::MAX, usize::MAX - 1..usize::MAX] {
            assert!(matches!(proof_len(len, &range), Err(ProofError::Range { .. })), "{range:?}");
        }
        assert!(proof_len(len, &(0..256)).is_ok() && proof_len(0, &(0..1)).is_err());
        assert!(proof_len(SHARD_LEN_MAX + 1, &(0..1)).is_err());
        // What one sample of an audit costs on the wire, for a shard of a full pack at 6+4.
        assert_eq!(proof_len(5_650_560, &(100..101)).expect("length"), GROUP_LEN + 9 * 32);
    }
}
