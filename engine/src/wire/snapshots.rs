//! Which snapshots a machine has.

use minicbor::{Decode, Encode};

use super::Message;
use crate::format::snapshot::SignedRecord;
use crate::ids::{SnapshotId, SourceName};
use crate::units::UnixMillis;

/// Asks for this machine's snapshots, newest first.
#[derive(Debug, Clone, Encode, Decode)]
pub struct ListSnapshots {
    /// Only of this source.
    #[n(0)]
    pub source: Option<SourceName>,
    /// Only those after this one in the order of the list.
    #[n(1)]
    pub after: Option<SnapshotId>,
}
message!(ListSnapshots => SnapshotPage, "/v1/snapshots", 64 << 20);

/// At most [`super::PAGE_MAX`] snapshots.
#[derive(Debug, Clone, Encode, Decode)]
pub struct SnapshotPage {
    /// Newest first.
    #[n(0)]
    pub snapshots: Vec<SnapshotInfo>,
    /// Whether there are more after the last one.
    #[n(1)]
    pub more: bool,
}

/// A snapshot that the box has.
#[derive(Debug, Clone, Encode, Decode)]
pub struct SnapshotInfo {
    /// Its signed record.
    #[n(0)]
    pub signed: SignedRecord,
    /// When the box had all of it.
    #[n(1)]
    pub received_at: UnixMillis,
    /// What is known of it now.
    #[n(2)]
    pub state: SnapshotState,
    /// Whether it is kept outside only: reading it takes other boxes that answer. Earlier boxes do not say it.
    #[n(3)]
    #[cbor(default)]
    pub outside_only: bool,
}

/// What is known of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum SnapshotState {
    /// Everything of its source is in it.
    #[n(0)]
    Complete,
    /// Some entries could not be read when it was made.
    #[n(1)]
    Incomplete,
    /// The box has found that a pack it needs is damaged; the rest can be restored.
    #[n(2)]
    Damaged,
}

impl SnapshotState {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Complete, Self::Incomplete, Self::Damaged];

    /// The word for it on screens and in the catalog.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Damaged => "damaged",
        }
    }
}

impl std::fmt::Display for SnapshotState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
