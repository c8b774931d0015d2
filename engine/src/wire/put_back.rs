//! The box asks a machine to put something back.

use minicbor::{Decode, Encode};

use super::Message;
use crate::ids::SnapshotId;
use crate::units::UnixMillis;

/// The most requests of one machine that are open at a time.
pub const PUT_BACKS_MAX: usize = 16;

/// The most paths of one [`PutBack`].
pub const PUT_BACK_PATHS_MAX: usize = 200;

/// What is the machine asked to put back? A box can only ask: nothing is done unless somebody at the machine agrees.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListPutBacks {}
message!(ListPutBacks => PutBacks, "/v1/requests");

/// The requests that wait, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutBacks {
    /// At most [`PUT_BACKS_MAX`], each number once.
    #[n(0)]
    pub requests: Vec<PutBack>,
}

/// Something of a snapshot is to be put back where it was.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutBack {
    /// Its number on the box.
    #[n(0)]
    pub id: u64,
    /// One of the machine's own snapshots.
    #[n(1)]
    pub snapshot: SnapshotId,
    /// What of it, as paths of the listing; at most [`PUT_BACK_PATHS_MAX`].
    #[n(2)]
    pub paths: Vec<minicbor::bytes::ByteVec>,
    /// What is done about names that are taken.
    #[n(3)]
    pub mode: PutBackMode,
    /// Who has asked on the box.
    #[n(4)]
    pub asked_by: String,
    /// When, by the box's clock.
    #[n(5)]
    pub asked_at: UnixMillis,
    /// Until when it waits.
    #[n(6)]
    pub expires_at: UnixMillis,
}

/// What is done about names that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum PutBackMode {
    /// What is there stays; what is put back gets a name with the snapshot's date.
    #[n(0)]
    Beside,
    /// What is there is replaced.
    #[n(1)]
    Overwrite,
}

/// How far a request is, as the machine says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TellPutBack {
    /// Which request.
    #[n(0)]
    pub request: u64,
    /// How far it is.
    #[n(1)]
    pub step: PutBackStep,
    /// Who at the machine has agreed, or refused.
    #[n(2)]
    pub by: String,
    /// Files that are back so far, each byte of which was checked against its hash.
    #[n(3)]
    pub files: u64,
    /// Their bytes.
    #[n(4)]
    pub bytes: u64,
    /// Entries that could not be put back.
    #[n(5)]
    pub problems: u64,
    /// The first reason for that; empty when there is none.
    #[n(6)]
    pub reason: String,
}
message!(TellPutBack => PutBackAnswer, "/v1/requests/tell");

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum PutBackStep {
    /// Somebody has agreed, and it is under way.
    #[n(0)]
    Working,
    /// Somebody has refused.
    #[n(1)]
    Refused,
    /// All of it is back.
    #[n(2)]
    Done,
    /// Some of it is back.
    #[n(3)]
    Incomplete,
    /// Nothing is back.
    #[n(4)]
    Failed,
}

/// Whether anybody still wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PutBackAnswer {
    /// False: it was cancelled, has expired or is over, and the machine stops.
    #[n(0)]
    pub goes_on: bool,
}
