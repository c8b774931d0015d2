//! A new catalog out of what is in the store, made beside the old one and put in its place at the end.
//!
//! Packs name their chunks, snapshots name their machines. Of the old catalog only the machines are taken over, if they
//! can still be read: with their policies, and who was retired; and what is kept outside only, which is not in the store. Otherwise every machine that has a snapshot comes back
//! with the key it signed with, so that its certificate is good as before.
//!
//! Nothing in the store says who sent a pack. A machine that refers to all chunks of a pack may have all of it, so the
//! pack becomes its own; all others belong to nobody, and machines get the right to exactly those chunks of them that
//! their snapshots refer to. So no machine reads more than before, whatever was lost.

mod machines;
mod outside;
mod owners;
mod report;
mod steps;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datis_engine::store::StoreError;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

pub use report::{MachineOrigin, RebuildReport, RebuiltMachine};

use super::OperationError;
use super::awaited::Fetch;
use super::site::{Limits, Site};
use super::verify::Progress;
use crate::catalog::audit::AuditEntry;
use crate::catalog::bundle::SavedDefaults;
use crate::catalog::community::SavedCommunity;
use crate::catalog::dispersal::kept_outside::SavedOutside;
use crate::catalog::machines::Machine;
use crate::catalog::people::SavedPerson;
use crate::catalog::{Catalog, CatalogError};
use crate::config::DataDir;
use crate::vault::Vault;

/// Where the new catalog is made.
const NEW: &str = "catalog.new";

/// Where the old one is kept until the next rebuild.
const OLD: &str = "catalog.old";

/// Makes a new catalog from packs and snapshots, beside the old one, and puts it in its place. The old one is kept as
/// `catalog.old`. The caller holds the lock on the folder. `fetch`: the way to packs that are with other boxes only.
///
/// # Errors
/// [`OperationError`]; the old catalog is in its place then. Damage is no error but a part of the report.
pub(crate) fn rebuild(
    dir: &DataDir,
    vault: Vault,
    fetch: Option<Arc<dyn Fetch>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<RebuildReport, OperationError> {
    let old = Old {
        machines: salvaged("machines", Catalog::salvage_machines(&dir.catalog_file(), vault.id)),
        people: salvaged("accounts", Catalog::salvage_accounts(&dir.catalog_file(), vault.id)),
        log: salvaged("audit log", Catalog::salvage_log(&dir.catalog_file(), vault.id)),
        defaults: salvaged("defaults", Catalog::salvage_defaults(&dir.catalog_file(), vault.id)),
        community: salvaged("community", Catalog::salvage_community(&dir.catalog_file(), vault.id)),
        hosted_marker: salvaged("hosted folder", Catalog::salvage_hosted_marker(&dir.catalog_file(), vault.id)),
        outside: salvaged("snapshots outside", Catalog::salvage_outside(&dir.catalog_file(), vault.id)),
        map: salvaged("map of what is outside", Catalog::salvage_map(&dir.catalog_file(), vault.id)),
    };
    let new = dir.root().join(NEW);
    remove_if_there(&new)?;
    let file_name = dir.catalog_file();
    let file = new.join(file_name.file_name().unwrap_or_default());
    let report = {
        let opened = Site::assemble(dir, &file, vault, Limits::default());
        let site = opened.map_err(|e| OperationError::Open(Box::new(e)))?;
        fetch.into_iter().for_each(|fetch| site.awaited.reach_by(fetch));
        steps::fill(&site, old, progress).map_err(|error| site.noted(error))?
        // Closing the last connection copies the log back into the database and syncs it.
    };
    swap(dir, &new)?;
    Ok(report)
}

/// What only the old catalog knew.
struct Old {
    machines: Vec<Machine>,
    people: Vec<SavedPerson>,
    log: Vec<AuditEntry>,
    /// At most one.
    defaults: Vec<SavedDefaults>,
    /// At most one.
    community: Vec<SavedCommunity>,
    /// At most one. With it, a disk that is away while the catalog is made anew is missed, and not made anew in its place.
    hosted_marker: Vec<[u8; 16]>,
    /// At most one.
    outside: Vec<SavedOutside>,
    /// The sealed parts.
    map: Vec<Vec<u8>>,
}

/// As much as the old catalog still gives; a damaged one gives less, and that is said.
fn salvaged<T>(what: &'static str, read: Result<Vec<T>, CatalogError>) -> Vec<T> {
    read.unwrap_or_else(|error| {
        tracing::warn!(what, error = %super::error::chain(&error), "A part of the old catalog cannot be read");
        Vec::new()
    })
}

fn remove_if_there(folder: &Path) -> Result<(), OperationError> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove an earlier catalog", e)),
        _ => Ok(()),
    }
}

/// Puts the new folder in the place of the old one. As a whole, since a log of the old catalog must never meet the new.
fn swap(dir: &DataDir, new: &Path) -> Result<(), OperationError> {
    let (place, old) = (dir.catalog_dir(), dir.root().join(OLD));
    sync(new)?;
    remove_if_there(&old)?;
    let step = "put the new catalog in place";
    match rustix::fs::renameat_with(CWD, new, CWD, &place, RenameFlags::EXCHANGE) {
        Ok(()) => std::fs::rename(new, &old).map_err(|e| io(step, e))?,
        Err(Errno::NOENT) => std::fs::rename(new, &place).map_err(|e| io(step, e))?,
        // File systems that cannot exchange: between the two steps the box says that its catalog is missing.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::rename(&place, &old).map_err(|e| io(step, e))?;
            std::fs::rename(new, &place).map_err(|e| io(step, e))?;
        }
        Err(e) => return Err(io(step, e.into())),
    }
    sync(dir.root())
}

fn sync(folder: &Path) -> Result<(), OperationError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| StoreError::Durability { step: "sync", path: folder.to_owned(), source }.into())
}

fn io(step: &'static str, source: std::io::Error) -> OperationError {
    OperationError::Io { step, source }
}
