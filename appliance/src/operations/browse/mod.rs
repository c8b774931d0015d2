//! What people see of snapshots, and take out of them: folders, versions, bytes of files, archives.
//!
//! Everything here only reads. Who may see which machines is decided by the caller, who says so with a [`Scope`]; what is
//! outside of it is answered like what is not there. Every answer is bounded in memory whatever the snapshot is, and
//! every chunk is checked against its id before it is given on. All functions block.

mod archive;
mod bytes;
mod chunks;
mod content;
mod difference;
mod folder;
mod index;
mod listing;
mod prove;
mod scope;
mod search;
mod timeline;
mod versions;

#[cfg(test)]
mod tests;

pub use crate::catalog::history::Moment;
pub use crate::catalog::names::EntryKind;
pub use crate::catalog::proofs::{Proof, ProofFailure};
pub use archive::{ArchiveReport, archive};
pub use bytes::{FileReader, read_file};
pub use folder::{
    EntryDetail, FolderEntry, FolderPage, FolderReader, PAGE_MAX, PageCursor, entry, folder, open_folder,
};
pub(crate) use index::index_next;
pub(crate) use prove::prove_next;
pub use prove::{PROOF_SAMPLE, last_proof, last_proofs, prove};
pub use scope::{BrowseError, Scope, has_places};
pub use search::{Found, HITS_MAX, Search, search};
pub use timeline::{sources, timeline};
pub use versions::{Version, Versions, versions};
