//! Asks the box where chunks are, and fetches segments.

use std::collections::HashMap;
use std::ops::Range;

use datis_engine::chunk::seal::{FrameDecoder, SEGMENT_PLAIN_MAX, uncompressed};
use datis_engine::format::decode_all;
use datis_engine::ids::{ChunkId, PackId};
use datis_engine::wire::{BATCH_MAX, Locate, ReadSegment, ReceivedFrame, RefusalCode};

use super::ReadError;
use crate::link::{Connection, Link, LinkError};

/// Where a chunk is. Packs are numbered by [`Places`], because a number is much shorter than a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the pack.
    pub pack: u32,
    /// Number of the segment in the pack.
    pub segment: u32,
    /// First byte in the segment's plain bytes.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Numbers packs, so that places are short.
#[derive(Debug, Default)]
pub struct Places {
    packs: Vec<PackId>,
    numbers: HashMap<PackId, u32>,
}

impl Places {
    /// The pack with `number`, which this numbered.
    #[must_use]
    pub fn pack(&self, number: u32) -> PackId {
        self.packs[number as usize]
    }

    fn number(&mut self, pack: PackId) -> u32 {
        let packs = &mut self.packs;
        *self.numbers.entry(pack).or_insert_with(|| {
            packs.push(pack);
            u32::try_from(packs.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Asks where `ids` are; the answers are in the same order, `None` where the box has no such chunk.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn locate(&mut self, connection: &mut Connection, ids: &[ChunkId]) -> Result<Vec<Option<Place>>, LinkError> {
        let mut places = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH_MAX) {
            let located = connection.ask(&Locate { ids: concat(batch.iter()) })?;
            let numbers: Vec<u32> = located.packs.iter().map(|pack| self.number(*pack)).collect();
            let mut answers = located.places.into_iter();
            places.extend(batch.iter().map(|_| {
                let place = answers.next().flatten()?;
                let pack = *numbers.get(place.pack as usize)?;
                Some(Place { pack, segment: place.segment, offset: place.offset, len: place.len })
            }));
        }
        Ok(places)
    }
}

/// A chunk that is wanted of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub id: ChunkId,
    /// First byte in the segment's plain bytes.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Where plain bytes are.
#[derive(Debug)]
enum Plain {
    /// Decoded into memory of their own.
    Decoded(Vec<u8>),
    /// They were not compressed, and are still where they were received.
    Received { answer: Vec<u8>, at: Range<usize> },
}

/// Plain bytes of a segment, or of some of its chunks. Not yet checked against names.
#[derive(Debug)]
pub struct Segment {
    plain: Plain,
    whole: bool,
    starts: Vec<u32>,
}

impl Segment {
    /// The bytes of the `index`th chunk that was asked for, whose length is `len`.
    #[must_use]
    pub fn chunk(&self, index: usize, len: u32) -> Option<&[u8]> {
        let start = *self.starts.get(index)? as usize;
        self.plain().get(start..start + len as usize)
    }

    /// Where the `index`th chunk that was asked for starts in [`Self::plain`].
    #[must_use]
    pub fn start(&self, index: usize) -> Option<u32> {
        self.starts.get(index).copied()
    }

    /// Whether these are all plain bytes of the segment, so that every offset in it holds.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The bytes.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        match &self.plain {
            Plain::Decoded(bytes) => bytes,
            Plain::Received { answer, at } => &answer[at.clone()],
        }
    }

    /// Gives the memory back for [`Fetcher::segment`].
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        match self.plain {
            Plain::Decoded(buffer) | Plain::Received { answer: buffer, .. } => buffer,
        }
    }
}

/// One connection and one decoder.
pub struct Fetcher {
    connection: Connection,
    decoder: FrameDecoder,
    /// What was received last.
    answer: Vec<u8>,
}

impl Fetcher {
    /// Connects.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn connect(link: &Link) -> Result<Self, LinkError> {
        Self::over(link.connect()?)
    }

    /// Uses a connection that is there.
    ///
    /// # Errors
    /// [`LinkError::Local`] when there is no memory for a decoder.
    pub fn over(connection: Connection) -> Result<Self, LinkError> {
        let decoder = FrameDecoder::new().map_err(|e| LinkError::Local(e.to_string()))?;
        Ok(Self { connection, decoder, answer: Vec::new() })
    }

    /// The connection, for everything else.
    pub const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Fetches and decodes segment `segment` of `pack`, or at least the `wanted` chunks of it.
    ///
    /// `buffer`: gives memory to be used again, if any is needed; its content does not matter.
    ///
    /// # Errors
    /// [`ReadError`]; those about the pack name it.
    pub fn segment(
        &mut self,
        pack: PackId,
        segment: u32,
        wanted: &[Wanted],
        buffer: impl FnOnce() -> Vec<u8>,
    ) -> Result<Segment, ReadError> {
        let request = ReadSegment { pack, segment, ids: concat(wanted.iter().map(|w| &w.id)) };
        self.connection.ask_into(&request, &mut self.answer).map_err(|error| match error {
            LinkError::Refused(refusal) if refusal.code == RefusalCode::Damaged => ReadError::DamagedPack { pack },
            other => ReadError::Link(other),
        })?;
        let answer: ReceivedFrame<'_> =
            decode_all("answer", &self.answer).map_err(|e| self.connection.misunderstood(e.to_string()))?;
        let expected = answer.plain_len as usize;
        let is_whole = answer.whole;
        let plain = match uncompressed(answer.frame, expected, SEGMENT_PLAIN_MAX) {
            // A short one is copied, so that it does not keep far more memory than it fills.
            Ok(Some(payload)) if payload.len() >= self.answer.capacity() / 2 => {
                // Where in the answer: it is a part of it.
                let start = payload.as_ptr().addr() - self.answer.as_ptr().addr();
                let at = start..start + payload.len();
                Ok(Plain::Received { answer: std::mem::replace(&mut self.answer, buffer()), at })
            }
            Ok(Some(_) | None) => {
                let mut plain = buffer();
                let decoded = self.decoder.decode(answer.frame, expected, SEGMENT_PLAIN_MAX, &mut plain);
                decoded.map(|()| Plain::Decoded(plain))
            }
            Err(error) => Err(error),
        };
        let plain = plain.map_err(|source| ReadError::Segment { pack, segment, source })?;
        let starts = if is_whole { whole_starts(wanted, expected) } else { packed_starts(wanted, expected) };
        let starts = starts.map_err(|id| ReadError::WrongBytes { id, pack })?;
        Ok(Segment { plain, whole: is_whole, starts })
    }
}

/// All chunks of the segment are there: each starts where it was located.
fn whole_starts(wanted: &[Wanted], plain_len: usize) -> Result<Vec<u32>, ChunkId> {
    let fits = |w: &Wanted| u64::from(w.offset) + u64::from(w.len) <= plain_len as u64;
    wanted.iter().map(|w| if fits(w) { Ok(w.offset) } else { Err(w.id) }).collect()
}

/// Only the wanted chunks are there, one after the other.
fn packed_starts(wanted: &[Wanted], plain_len: usize) -> Result<Vec<u32>, ChunkId> {
    let mut next = 0_u32;
    wanted
        .iter()
        .map(|w| {
            let start = next;
            next = start.checked_add(w.len).filter(|end| *end as usize <= plain_len).ok_or(w.id)?;
            Ok(start)
        })
        .collect()
}

fn concat<'i>(ids: impl Iterator<Item = &'i ChunkId>) -> Vec<u8> {
    ids.flat_map(|id| *id.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_would_lie_outside_the_segment_are_refused() {
        let wanted = |offset, len| Wanted { id: ChunkId::from_bytes([1; ChunkId::LEN]), offset, len };
        assert_eq!(whole_starts(&[wanted(0, 4), wanted(4, 6)], 10), Ok(vec![0, 4]));
        assert!(whole_starts(&[wanted(5, 6)], 10).is_err());
        assert!(whole_starts(&[wanted(u32::MAX, u32::MAX)], 10).is_err());
        assert_eq!(packed_starts(&[wanted(70, 4), wanted(7, 6)], 10), Ok(vec![0, 4]));
        assert!(packed_starts(&[wanted(0, 4), wanted(4, 7)], 10).is_err());
        assert!(packed_starts(&[wanted(0, u32::MAX), wanted(0, u32::MAX)], 10).is_err());
    }
}
