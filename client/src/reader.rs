//! Reads snapshots back through the box: chunks by name, listings entry by entry, contents byte by byte.
//!
//! Nothing is used before its keyed hash was found to be its name: a wrong byte, wherever it came from, is an error and
//! never content. Memory is bounded, whatever the snapshot.

mod chunks;
mod content;
mod fetch;
mod listing;

use datis_engine::chunk::seal::SealError;
use datis_engine::format::FormatError;
use datis_engine::format::path::EntryPath;
use datis_engine::ids::{ChunkId, PackId};
use datis_engine::wire::RefusalCode;

pub use chunks::{Chunk, ChunkReader};
pub use content::ContentCursor;
pub use fetch::{Fetcher, Place, Places, Segment, Wanted};
pub use listing::{Cursor, Step, difference};

use crate::exit::Exit;
use crate::link::LinkError;

/// Why something of a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The way to the box, or a refusal that is not about the bytes.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The box says that the pack is damaged.
    #[error("pack {pack} is damaged on the box, and with it what is needed here; tell the box's admin")]
    DamagedPack {
        /// Which pack.
        pack: PackId,
    },
    /// The box has no such chunk.
    #[error("the box has lost chunk {id}")]
    Missing {
        /// Which chunk.
        id: ChunkId,
    },
    /// The bytes are not what was asked for.
    #[error("what the box sent for chunk {id} (pack {pack}) is something else")]
    WrongBytes {
        /// Which chunk.
        id: ChunkId,
        /// The pack that should hold it.
        pack: PackId,
    },
    /// A segment does not decode.
    #[error("segment {segment} of pack {pack} cannot be decoded")]
    Segment {
        /// Which pack.
        pack: PackId,
        /// Which segment of it.
        segment: u32,
        /// Why.
        #[source]
        source: SealError,
    },
    /// A node or record is not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A part of the listing cannot be read.
    #[error("{entries} entries of the listing, from {first} on, cannot be read")]
    Listing {
        /// The first path of that part.
        first: String,
        /// How many entries are in it.
        entries: u64,
        /// Why.
        #[source]
        source: Box<ReadError>,
    },
    /// What was found for another entry that needs the same bytes.
    #[error("{0}")]
    Repeated(String),
    /// Not there.
    #[error("{0} is not in this snapshot; `datis ls` shows what is")]
    NoSuchPath(EntryPath),
}

impl ReadError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Link(error) => error.exit(),
            Self::DamagedPack { .. }
            | Self::Missing { .. }
            | Self::WrongBytes { .. }
            | Self::Segment { .. }
            | Self::Format(_)
            | Self::Listing { .. }
            | Self::Repeated(_)
            | Self::NoSuchPath(_) => Exit::Failed,
        }
    }

    /// Whether only some bytes are affected, so that the rest can be read all the same.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Link(error) => matches!(error.refusal(), Some(RefusalCode::Damaged | RefusalCode::NotFound)),
            Self::DamagedPack { .. }
            | Self::Missing { .. }
            | Self::WrongBytes { .. }
            | Self::Segment { .. }
            | Self::Format(_)
            | Self::Listing { .. }
            | Self::Repeated(_)
            | Self::NoSuchPath(_) => true,
        }
    }

    /// The whole chain of causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        crate::errors::chain(self)
    }
}
