//! The directory of a pack: which chunks are in it, and where.

use minicbor::decode::Decoder;
use minicbor::encode::Encoder;

use super::{FormatError, VERSION, open_record};
use crate::chunk::cut::CHUNK_MAX;
use crate::chunk::seal::{SEGMENT_PLAIN_MAX, TAG_LEN};
use crate::ids::ChunkId;

/// The most chunks in one pack.
pub const CHUNKS_MAX: usize = 1 << 18;

/// The most segments in one pack.
pub const SEGMENTS_MAX: usize = 1 << 14;

/// The longest encoded directory: ids, lengths and segments of a full pack.
pub const ENCODED_MAX: usize = CHUNKS_MAX * (ChunkId::LEN + 5) + SEGMENTS_MAX * 12 + 64;

/// One segment of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Length in the pack, tag included, in bytes.
    pub sealed_len: u32,
    /// Length of its chunks together, in bytes.
    pub plain_len: u32,
    /// How many chunks it holds.
    pub chunks: u32,
}

/// One chunk of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Its name.
    pub id: ChunkId,
    /// Its plain length in bytes.
    pub len: u32,
}

/// Segments in the order in which they stand in the pack, chunks in the order in which they stand in the segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Where the first segment starts in the pack, in bytes.
    pub first_offset: u32,
    /// All segments.
    pub segments: Vec<SegmentInfo>,
    /// All chunks.
    pub chunks: Vec<ChunkInfo>,
}

/// Where a chunk is within a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Number of the segment, from 0.
    pub segment: u32,
    /// First byte within the segment's plain bytes.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Directory {
    const WHAT: &'static str = "pack directory";

    /// Every chunk with its place, in order.
    pub fn locations(&self) -> impl Iterator<Item = (ChunkId, Location)> {
        let mut chunks = self.chunks.iter();
        (0_u32..).zip(&self.segments).flat_map(move |(segment, info)| {
            let mut offset = 0;
            let taken: Vec<_> = chunks.by_ref().take(info.chunks as usize).collect();
            taken.into_iter().map(move |chunk| {
                let place = Location { segment, offset, len: chunk.len };
                offset += chunk.len;
                (chunk.id, place)
            })
        })
    }

    /// First byte of each segment within the pack, in order.
    pub fn offsets(&self) -> impl Iterator<Item = u64> {
        self.segments.iter().scan(u64::from(self.first_offset), |next, info| {
            let at = *next;
            *next += u64::from(info.sealed_len);
            Some(at)
        })
    }

    /// First byte after the last segment within the pack.
    #[must_use]
    pub fn end_offset(&self) -> u64 {
        self.segments.iter().fold(u64::from(self.first_offset), |sum, info| sum + u64::from(info.sealed_len))
    }

    /// The directory as bytes: columns, so that lengths compress apart from ids.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let ids: Vec<u8> = self.chunks.iter().flat_map(|c| *c.id.as_bytes()).collect();
        let mut e = Encoder::new(Vec::with_capacity(ids.len() + self.chunks.len() * 4 + self.segments.len() * 12 + 64));
        let mut write = || -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            e.array(7)?.u8(VERSION)?.u32(self.first_offset)?;
            let columns: [fn(&SegmentInfo) -> u32; 3] = [|s| s.sealed_len, |s| s.plain_len, |s| s.chunks];
            for column in columns {
                e.array(self.segments.len() as u64)?;
                for segment in &self.segments {
                    e.u32(column(segment))?;
                }
            }
            e.array(self.chunks.len() as u64)?;
            for chunk in &self.chunks {
                e.u32(chunk.len)?;
            }
            e.bytes(&ids)?.ok()
        };
        match write() {
            Ok(()) => e.into_writer(),
            Err(_) => unreachable!("encoding into memory cannot fail"),
        }
    }

    /// Reads a directory and checks that it holds together: counts, lengths and limits.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut d = Decoder::new(bytes);
        open_record(&mut d, Self::WHAT, 7)?;
        let directory = Self::decode_fields(&mut d).map_err(|e| FormatError::damaged(Self::WHAT, e))?;
        if d.position() != bytes.len() {
            return Err(FormatError::damaged(Self::WHAT, "bytes are left over at its end"));
        }
        directory.check().map_err(|reason| FormatError::damaged(Self::WHAT, reason))?;
        Ok(directory)
    }

    fn decode_fields(d: &mut Decoder<'_>) -> Result<Self, minicbor::decode::Error> {
        let error = minicbor::decode::Error::message;
        let first_offset = d.u32()?;
        let mut column = |max: usize| -> Result<Vec<u32>, minicbor::decode::Error> {
            let count = d.array()?.ok_or_else(|| error("indefinite array"))?;
            if usize::try_from(count).map_or(true, |c| c > max) {
                return Err(error("too many items"));
            }
            (0..count).map(|_| d.u32()).collect()
        };
        let (sealed, plain, counts) = (column(SEGMENTS_MAX)?, column(SEGMENTS_MAX)?, column(SEGMENTS_MAX)?);
        let lens = column(CHUNKS_MAX)?;
        let ids = d.bytes()?;
        if plain.len() != sealed.len() || counts.len() != sealed.len() || ids.len() != lens.len() * ChunkId::LEN {
            return Err(error("columns of different lengths"));
        }
        let segments = sealed
            .iter()
            .zip(&plain)
            .zip(&counts)
            .map(|((sealed_len, plain_len), chunks)| SegmentInfo {
                sealed_len: *sealed_len,
                plain_len: *plain_len,
                chunks: *chunks,
            })
            .collect();
        let ids = ids.chunks_exact(ChunkId::LEN).filter_map(ChunkId::from_slice);
        let chunks = ids.zip(lens).map(|(id, len)| ChunkInfo { id, len }).collect();
        Ok(Self { first_offset, segments, chunks })
    }

    fn check(&self) -> Result<(), &'static str> {
        let mut chunks = self.chunks.iter();
        for segment in &self.segments {
            let (mut sum, mut seen) = (0_u64, 0_u32);
            for chunk in chunks.by_ref().take(segment.chunks as usize) {
                if chunk.len as usize > CHUNK_MAX {
                    return Err("a chunk is too long");
                }
                sum += u64::from(chunk.len);
                seen += 1;
            }
            if seen != segment.chunks || seen == 0 || sum != u64::from(segment.plain_len) {
                return Err("a segment does not add up");
            }
            let sealed_max = segment.plain_len as usize + 1 + TAG_LEN;
            if segment.plain_len as usize > SEGMENT_PLAIN_MAX
                || !(1 + TAG_LEN..=sealed_max).contains(&(segment.sealed_len as usize))
            {
                return Err("a segment has an impossible length");
            }
        }
        if chunks.next().is_some() { Err("chunks are left over") } else { Ok(()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_directory() -> impl Strategy<Value = Directory> {
        let chunk = (any::<[u8; ChunkId::LEN]>(), 0_u32..5_000)
            .prop_map(|(id, len)| ChunkInfo { id: ChunkId::from_bytes(id), len });
        let segment = proptest::collection::vec(chunk, 1..20);
        (0_u32..1_000, proptest::collection::vec(segment, 0..10)).prop_map(|(first_offset, segments)| Directory {
            first_offset,
            segments: segments
                .iter()
                .map(|chunks| {
                    let plain_len = chunks.iter().map(|c| c.len).sum();
                    SegmentInfo {
                        sealed_len: plain_len + 17,
                        plain_len,
                        chunks: u32::try_from(chunks.len()).expect("few"),
                    }
                })
                .collect(),
            chunks: segments.concat(),
        })
    }

    #[test]
    fn a_later_version_is_named_as_such() {
        let mut bytes = Directory::default().encode();
        bytes[1] = 2;
        assert!(matches!(Directory::decode(&bytes), Err(FormatError::Future { found: 2, .. })));
    }

    proptest! {
        #[test]
        fn directories_come_back_and_add_up(directory in any_directory()) {
            let bytes = directory.encode();
            prop_assert!(bytes.len() <= ENCODED_MAX);
            prop_assert_eq!(&Directory::decode(&bytes).expect("decode"), &directory);
            prop_assert_eq!(directory.locations().count(), directory.chunks.len());
            for (_, place) in directory.locations() {
                prop_assert!(place.offset + place.len <= directory.segments[place.segment as usize].plain_len);
            }
        }

        #[test]
        fn altered_directories_do_not_panic(directory in any_directory(), at: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = directory.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let _ = Directory::decode(&bytes);
        }

        #[test]
        fn noise_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Directory::decode(&bytes);
        }
    }
}
