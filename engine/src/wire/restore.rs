//! Chunks, found and read.

use minicbor::{Decode, Encode, Encoder};

use super::{BATCH_MAX, Message};
use crate::chunk::seal::SEGMENT_PLAIN_MAX;
use crate::ids::{ChunkId, PackId};

/// Where are these chunks? Only those that the machine's own packs or snapshots hold are answered.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Locate {
    /// At most [`BATCH_MAX`] ids of 16 bytes.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub ids: Vec<u8>,
}
message!(Locate => Located, "/v1/locate", 4 << 20);

impl Locate {
    /// The ids; `None` when there are too many, or bytes are left over.
    #[must_use]
    pub fn items(&self) -> Option<Vec<ChunkId>> {
        if !self.ids.len().is_multiple_of(ChunkId::LEN) || self.ids.len() / ChunkId::LEN > BATCH_MAX {
            return None;
        }
        self.ids.chunks_exact(ChunkId::LEN).map(ChunkId::from_slice).collect()
    }
}

/// Places of chunks, in the order asked.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Located {
    /// Packs that the places refer to.
    #[n(0)]
    pub packs: Vec<PackId>,
    /// `None`: the box has no such chunk, or it is none of this machine's.
    #[n(1)]
    pub places: Vec<Option<ChunkPlace>>,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChunkPlace {
    /// Index into [`Located::packs`].
    #[n(0)]
    pub pack: u32,
    /// Number of the segment in the pack.
    #[n(1)]
    pub segment: u32,
    /// First byte within the segment's plain bytes.
    #[n(2)]
    pub offset: u32,
    /// Length in bytes.
    #[n(3)]
    pub len: u32,
}

/// Reads chunks of one segment.
///
/// Answered with one frame (as in a pack, opened): of the whole segment when the machine sent the pack itself, else of
/// the asked chunks alone, one after the other in the order asked.
#[derive(Debug, Clone, Encode, Decode)]
pub struct ReadSegment {
    /// Which pack.
    #[n(0)]
    pub pack: PackId,
    /// Which segment of it.
    #[n(1)]
    pub segment: u32,
    /// The chunks that are needed, each 16 bytes of id.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub ids: Vec<u8>,
}
message!(ReadSegment => SegmentFrame, "/v1/read", SEGMENT_PLAIN_MAX + 4_096, SegmentFrame::into_parts);

/// The bytes that were asked for.
#[derive(Debug, Clone, Encode, Decode)]
pub struct SegmentFrame {
    /// True: the whole segment; places are those of [`Located`]. False: only the asked chunks, in the order asked.
    #[n(0)]
    pub whole: bool,
    /// Plain length in bytes.
    #[n(1)]
    pub plain_len: u32,
    /// The frame.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub frame: Vec<u8>,
}

impl SegmentFrame {
    /// See [`Message::parts`]: the frame stays where it is.
    fn into_parts(self) -> [Vec<u8>; 2] {
        let Self { whole, plain_len, frame } = self;
        let mut head = Encoder::new(Vec::new());
        match head.array(3).and_then(|e| e.bool(whole)?.u32(plain_len)?.bytes_len(frame.len() as u64)) {
            Ok(_) => [head.into_writer(), frame],
            Err(_) => unreachable!("encoding into memory cannot fail"),
        }
    }
}

/// As [`SegmentFrame`], left where it was received: it is nearly all of what crosses the line in a restore.
#[derive(Debug, Clone, Copy, Decode)]
pub struct ReceivedFrame<'b> {
    /// See [`SegmentFrame::whole`].
    #[n(0)]
    pub whole: bool,
    /// See [`SegmentFrame::plain_len`].
    #[n(1)]
    pub plain_len: u32,
    /// See [`SegmentFrame::frame`].
    #[b(2)]
    #[cbor(with = "minicbor::bytes")]
    pub frame: &'b [u8],
}
