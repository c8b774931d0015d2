//! Which machines a person may see, and what is answered about others: nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use datis_engine::format::listing::ListingRoot;
use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::{MachineId, SnapshotId};

use super::super::OperationError;
use super::super::site::Site;
use super::chunks::{Chunks, is_local};
use crate::catalog::history::{self, Seen};
use crate::catalog::{CatalogError, MachineRow};

/// The machines that the one who asks may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These and no others.
    Only(BTreeSet<MachineId>),
}

impl Scope {
    /// Whether the machine is one of them.
    #[must_use]
    pub fn holds(&self, machine: &MachineId) -> bool {
        match self {
            Self::All => true,
            Self::Only(machines) => machines.contains(machine),
        }
    }
}

/// Why a look gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum BrowseError {
    /// There is no such machine, snapshot or path, or it is not for the one who asks: both look alike.
    #[error("there is no such machine, snapshot or path")]
    NotFound,
    /// The entry has no bytes to give.
    #[error("this is no file (its sort is {word}), so it has no bytes to give")]
    NoFile {
        /// What it is: `dir`, `symlink` and so on.
        word: &'static str,
    },
    /// Something of the snapshot is damaged or gone; the rest of it can still be read.
    #[error("a part of this snapshot cannot be read")]
    Unreadable(#[source] OperationError),
    /// Whoever takes the bytes takes no more.
    #[error("the bytes could not be handed over")]
    Sink(#[source] std::io::Error),
    /// The box has a fault.
    #[error(transparent)]
    Fault(OperationError),
}

impl From<OperationError> for BrowseError {
    fn from(error: OperationError) -> Self {
        if is_local(&error) { Self::Unreadable(error) } else { Self::Fault(error) }
    }
}

impl From<CatalogError> for BrowseError {
    fn from(error: CatalogError) -> Self {
        Self::Fault(error.into())
    }
}

/// A snapshot that may be seen, with what reads it.
pub(super) struct OpenSnapshot {
    pub(super) seen: Seen,
    pub(super) listing: ListingRoot,
    pub(super) chunks: Chunks,
}

/// Finds a snapshot within the scope.
pub(super) fn open(site: &Arc<Site>, scope: &Scope, id: &SnapshotId) -> Result<OpenSnapshot, BrowseError> {
    Ok(open_seen(site, find(site, scope, id)?)?)
}

fn find(site: &Site, scope: &Scope, id: &SnapshotId) -> Result<Seen, BrowseError> {
    let seen = site.catalog.reader().read(|tx| history::snapshot(tx, id))?;
    seen.filter(|seen| scope.holds(&seen.machine_id)).ok_or(BrowseError::NotFound)
}

/// The same for a snapshot that was found already.
pub(super) fn open_seen(site: &Arc<Site>, seen: Seen) -> Result<OpenSnapshot, OperationError> {
    let listing = listing_of(&seen)?;
    let chunks = Chunks::new(site, seen.machine)?;
    Ok(OpenSnapshot { seen, listing, chunks })
}

/// Whether what is in a snapshot was somewhere on its machine, so that it can go back there: a stream was nowhere.
///
/// # Errors
/// [`BrowseError`].
pub fn has_places(site: &Site, scope: &Scope, id: &SnapshotId) -> Result<bool, BrowseError> {
    let seen = find(site, scope, id)?;
    let record = SnapshotRecord::decode(&seen.record).map_err(OperationError::from)?;
    Ok(!record.roots.is_empty())
}

pub(super) fn listing_of(seen: &Seen) -> Result<ListingRoot, OperationError> {
    Ok(SnapshotRecord::decode(&seen.record)?.listing)
}

/// Finds a machine within the scope.
pub(super) fn machine(site: &Site, scope: &Scope, id: &MachineId) -> Result<MachineRow, BrowseError> {
    if !scope.holds(id) {
        return Err(BrowseError::NotFound);
    }
    site.catalog.reader().read(|tx| history::machine(tx, id))?.ok_or(BrowseError::NotFound)
}
