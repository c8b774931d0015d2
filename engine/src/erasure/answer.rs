//! The short answer to an audit: one keyed hash over ranges of shards, which an owner that has the packs can check.
//!
//! A peer that does not have the bytes cannot answer, since the key is a fresh nonce. The owner makes the same bytes again:
//! those of a data shard by sealing the blocks concerned, those of a parity shard by coding the same blocks of all data shards.
//! Source: mutual-backup 4.0 b, 4.5.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::layout::{BLOCK_LEN, HEADER_LEN};
use super::reading::ShardRange;
use super::shard::ShardHeader;
use crate::ids::ShardId;
use crate::keys::DispersalSecret;

/// Why the owner does not know what to expect.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The pack cannot be read, or is shorter than it was.
    #[error("the local pack cannot be read")]
    Io(#[from] std::io::Error),
    /// The shard has no such range.
    #[error("a shard of {len} bytes has no bytes {} to {}", .range.start, .range.end)]
    Range {
        /// Length of the shard file.
        len: usize,
        /// The range that was asked for.
        range: Range<usize>,
    },
}

/// The answer as it grows, range by range, in the order of the questions.
///
/// BLAKE3 keyed by the nonce, over shard id, start (u64), length (u64) and bytes of each range.
pub struct Answer(blake3::Hasher);

impl Answer {
    /// An answer to the questions that came with `nonce`, which the owner draws afresh each time.
    #[must_use]
    pub fn new(nonce: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(nonce))
    }

    /// Adds bytes of a shard file that stand at `start`.
    pub fn add(&mut self, shard: ShardId, start: usize, bytes: &[u8]) {
        self.0.update(shard.as_bytes());
        self.0.update(&(start as u64).to_le_bytes());
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds what `range` of shard `shard` has to hold, by the owner's own pack; reads no more of it than it needs.
    ///
    /// `header`: that of this shard. `pack`: the whole pack file, which is not checked: if it has rotted, the answers differ, and
    /// the owner has to look at both sides.
    ///
    /// # Errors
    /// [`AnswerError`]; the answer is then of no use.
    pub fn add_expected<R: Read + Seek>(
        &mut self,
        shard: ShardId,
        header: &ShardHeader,
        range: Range<usize>,
        pack: &mut R,
        secret: &DispersalSecret,
    ) -> Result<(), AnswerError> {
        let bytes = expected(header, range.clone(), pack, secret)?;
        self.add(shard, range.start, &bytes);
        Ok(())
    }

    /// The answer, 32 bytes.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// `range` of the shard file of `header`, from the pack. To be compared only, never to be sent: the pack was not checked, and
/// rotted bytes must not be sealed for others under a key that has sealed the right ones (see [`super::shard`]).
fn expected<R: Read + Seek>(
    header: &ShardHeader,
    range: Range<usize>,
    pack: &mut R,
    secret: &DispersalSecret,
) -> Result<Vec<u8>, AnswerError> {
    let layout = &header.layout;
    if range.start > range.end || range.end > layout.shard_len() {
        return Err(AnswerError::Range { len: layout.shard_len(), range });
    }
    let mut read = |range: Range<usize>| -> Result<Vec<u8>, AnswerError> {
        let mut bytes = vec![0; range.len()];
        pack.seek(SeekFrom::Start(range.start as u64))?;
        pack.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let head = header.seal(secret);
    let mut bytes = head.get(range.start..range.end.min(HEADER_LEN)).unwrap_or_default().to_vec();
    let body = range.start.max(HEADER_LEN) - HEADER_LEN..range.end.max(HEADER_LEN) - HEADER_LEN;
    if body.is_empty() {
        return Ok(bytes);
    }
    let (mut source, mut whole) = (ShardRange::new(header, secret), Vec::new());
    let blocks = layout.blocks_of(&body);
    let start = blocks.start * BLOCK_LEN;
    for block in blocks {
        source.block(header.index, block, &mut read, &mut whole)?;
    }
    bytes.extend_from_slice(whole.get(body.start - start..body.end - start).unwrap_or_default());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::erasure::scheme::Scheme;
    use crate::erasure::stripe::Stripe;
    use crate::erasure::testing::{pack, secret};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_owner_expects_what_an_honest_peer_answers(
            which in 0_usize..12, len in 1_usize..600_000, index: prop::sample::Index,
            a: prop::sample::Index, b: prop::sample::Index, nonce: [u8; 32]
        ) {
            let scheme = Scheme::all().nth(which).expect("scheme");
            let ((id, bytes), secret) = (pack(len), secret());
            let stripe = Stripe::new(id, &bytes, scheme, &secret).expect("stripe");
            let index = u8::try_from(index.index(usize::from(scheme.width()))).expect("index");
            let shard = stripe.encode_some(&[index], &mut Vec::new()).expect("shard").remove(0);
            let header = ShardHeader { pack: id, index, layout: *stripe.layout() };
            let (a, b) = (a.index(shard.bytes.len() + 1), b.index(shard.bytes.len() + 1));
            let range = a.min(b)..a.max(b);
            let again = expected(&header, range.clone(), &mut Cursor::new(&bytes), &secret).expect("expected");
            prop_assert!(again == shard.bytes[range.clone()]);

            let mut peer = Answer::new(&nonce);
            peer.add(shard.id, range.start, &shard.bytes[range.clone()]);
            let mut owner = Answer::new(&nonce);
            owner.add_expected(shard.id, &header, range, &mut Cursor::new(&bytes), &secret).expect("expected");
            prop_assert_eq!(peer.finish(), owner.finish());
        }
    }

    #[test]
    fn an_answer_is_about_its_nonce_its_shards_its_places_and_its_bytes() {
        let shard = |n| ShardId::from_bytes([n; 32]);
        let answer = |nonce: u8, questions: &[(ShardId, usize, &[u8])]| {
            let mut answer = Answer::new(&[nonce; 32]);
            questions.iter().for_each(|(shard, start, bytes)| answer.add(*shard, *start, bytes));
            answer.finish()
        };
        let right = answer(1, &[(shard(1), 0, b"ab"), (shard(2), 5, b"c")]);
        assert_eq!(right, answer(1, &[(shard(1), 0, b"ab"), (shard(2), 5, b"c")]));
        for wrong in [
            answer(2, &[(shard(1), 0, b"ab"), (shard(2), 5, b"c")]),
            answer(1, &[(shard(1), 0, b"ab"), (shard(2), 6, b"c")]),
            answer(1, &[(shard(1), 0, b"ab"), (shard(3), 5, b"c")]),
            answer(1, &[(shard(1), 0, b"ax"), (shard(2), 5, b"c")]),
            answer(1, &[(shard(2), 5, b"c"), (shard(1), 0, b"ab")]),
        ] {
            assert_ne!(right, wrong);
        }
    }

    #[test]
    fn a_pack_that_is_short_or_a_range_that_is_not_there_is_told() {
        let ((id, bytes), secret) = (pack(100_000), secret());
        let stripe = Stripe::new(id, &bytes, Scheme::new(2, 2).expect("scheme"), &secret).expect("stripe");
        let header = ShardHeader { pack: id, index: 3, layout: *stripe.layout() };
        let ask = |range: Range<usize>, pack: &[u8]| expected(&header, range, &mut Cursor::new(pack), &secret);
        let len = stripe.layout().shard_len();
        assert!(ask(0..len, &bytes).is_ok());
        assert!(matches!(ask(0..len, &bytes[..99_999]), Err(AnswerError::Io(_))));
        assert!(matches!(ask(0..len + 1, &bytes), Err(AnswerError::Range { .. })));
        let (start, end) = (5, 4);
        assert!(matches!(ask(start..end, &bytes), Err(AnswerError::Range { .. })));
    }
}
