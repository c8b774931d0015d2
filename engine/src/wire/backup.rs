//! A backup: opened, what is known already, packs, and the snapshot that ends it.

use minicbor::{Decode, Encode};

use super::{BATCH_MAX, Done, Message};
use crate::format::snapshot::{Receipt, SignedRecord};
use crate::ids::{ChunkId, PackId, RunId, SnapshotId, SourceName, Witness};
use crate::units::Seconds;

/// Opens a backup of one source. At most one is open per machine and source.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Begin {
    /// Which source.
    #[n(0)]
    pub source: SourceName,
    /// The snapshot that unchanged entries are taken over from, as the machine remembers it.
    #[n(1)]
    pub base: Option<SnapshotId>,
    /// Random, made for this run: the same run may ask again after its connection broke.
    #[n(2)]
    pub run: RunId,
}
message!(Begin => Begun, "/v1/begin");

/// A backup is open.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Begun {
    /// To be named in what follows.
    #[n(0)]
    pub session: SessionId,
    /// Whether the box has the base and keeps it until the session ends. Otherwise everything is asked for anew.
    #[n(1)]
    pub base_kept: bool,
    /// Whether the box has nothing at all that this machine could refer to, so that asking [`Have`] is of no use.
    #[n(2)]
    pub nothing_known: bool,
}

/// An open backup; valid until commit, a restart of the box, or [`SESSION_IDLE_MAX`] without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SessionId(#[n(0)] pub u64);

/// After this long without a request a session may be taken over by another run.
pub const SESSION_IDLE_MAX: Seconds = Seconds(600);

/// Which of these chunks may be referred to without sending them?
#[derive(Debug, Clone, Encode, Decode)]
pub struct Have {
    /// The open backup.
    #[n(0)]
    pub session: SessionId,
    /// At most [`BATCH_MAX`] chunks, each as 16 bytes of id and 16 bytes of witness.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub chunks: Vec<u8>,
}
message!(Have => Known, "/v1/have");

impl Have {
    /// Bytes of one chunk in [`Self::chunks`].
    pub const ITEM_LEN: usize = ChunkId::LEN + Witness::LEN;

    /// Adds a chunk.
    pub fn push(&mut self, id: &ChunkId, witness: &Witness) {
        self.chunks.extend_from_slice(id.as_bytes());
        self.chunks.extend_from_slice(witness.as_bytes());
    }

    /// The chunks; `None` when there are too many, or bytes are left over.
    #[must_use]
    pub fn items(&self) -> Option<Vec<(ChunkId, Witness)>> {
        if !self.chunks.len().is_multiple_of(Self::ITEM_LEN) || self.chunks.len() / Self::ITEM_LEN > BATCH_MAX {
            return None;
        }
        let item = |bytes: &[u8]| {
            let (id, witness) = bytes.split_at(ChunkId::LEN);
            ChunkId::from_slice(id).zip(Witness::from_slice(witness))
        };
        self.chunks.chunks_exact(Self::ITEM_LEN).map(item).collect()
    }
}

/// One bit a chunk, in the order asked, lowest bit of the first byte first: 1 means "need not be sent".
#[derive(Debug, Clone, Encode, Decode)]
pub struct Known {
    /// As many bits as chunks were asked for, filled up with zeros to whole bytes.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub bits: Vec<u8>,
}

impl Known {
    /// Packs the answers.
    #[must_use]
    pub fn from_flags(flags: &[bool]) -> Self {
        let bits =
            flags.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(*flag))).collect();
        Self { bits }
    }

    /// Whether the chunk asked for at `index` is known; out of range means it is not.
    #[must_use]
    pub fn get(&self, index: usize) -> bool {
        self.bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}

/// Path of a pack to `PUT`: the body is [`put_body_head`], the directory, then the pack, and nothing else.
///
/// The answer is 204. The pack is durable only after [`Commit`]; putting the same pack again does nothing.
pub const PACK_PATH: &str = "/v1/packs/{session}/{pack}";

/// [`PACK_PATH`] filled in.
#[must_use]
pub fn pack_path(session: SessionId, pack: &PackId) -> String {
    format!("/v1/packs/{}/{pack}", session.0)
}

/// The four bytes before the directory in the body of a `PUT`: its length, least byte first.
#[must_use]
pub const fn put_body_head(directory_len: u32) -> [u8; 4] {
    directory_len.to_le_bytes()
}

/// Ends a backup: from the answer on, the snapshot is there whatever happens to the box's power.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Commit {
    /// The open backup.
    #[n(0)]
    pub session: SessionId,
    /// The record.
    #[n(1)]
    pub signed: SignedRecord,
}
message!(Commit => Receipt, "/v1/commit");

/// Ends a backup without a snapshot; what was sent may be used by the next run.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Abandon {
    /// The open backup.
    #[n(0)]
    pub session: SessionId,
}
message!(Abandon => Done, "/v1/abandon");
