//! Packs in the store that the catalog does not know: a crash between putting an object and writing its row leaves one.
//!
//! They wait as long as condemned packs do. Nothing is collected while there is a snapshot that the catalog does not
//! know: then it is the catalog that is behind (put back from an older copy), and only a rebuild helps.

use std::collections::{HashMap, HashSet};

use datis_engine::ids::{PackId, SnapshotId};
use datis_engine::store::{ObjectKind, ObjectName};
use datis_engine::units::UnixMillis;

use super::super::OperationError;
use super::super::check::open_snapshot;
use super::super::site::{Site, lock};
use super::PruneOptions;
use crate::catalog::{CatalogError, packs, snapshots};

/// Passes only if the catalog knows every snapshot in the store that could be brought back.
///
/// # Errors
/// [`OperationError::CatalogBehind`].
pub(super) fn check_catalog_is_current(site: &Site) -> Result<(), OperationError> {
    // The store first, then the commits under way: by the time the catalog is read, each of them is one of the three.
    let stored = site.store.list(ObjectKind::Snapshot)?;
    let mut known: HashSet<SnapshotId> = site.claims.taken();
    let entered = site.catalog.reader().read(|tx| snapshots::all(tx))?;
    known.extend(entered.into_iter().map(|snapshot| snapshot.id));
    let mut unknown = 0;
    for name in stored {
        let ObjectName::Snapshot(id) = name else { continue };
        if known.contains(&id) {
            continue;
        }
        match open_snapshot(site, &id)? {
            Ok(_) => unknown += 1,
            // A rebuild would not bring it back either.
            Err(reason) => tracing::warn!(snapshot = %id, reason, "An unknown snapshot record cannot be read"),
        }
    }
    if unknown == 0 { Ok(()) } else { Err(OperationError::CatalogBehind { snapshots: unknown }) }
}

/// What was found.
pub(super) struct Orphans {
    now: UnixMillis,
    /// Seen for the first time, with their lengths.
    new: Vec<(PackId, u64)>,
    /// Seen long enough ago.
    due: Vec<PackId>,
    /// Noted before, and none any more.
    settled: Vec<PackId>,
}

impl Orphans {
    pub(super) fn find(site: &Site, now: UnixMillis, options: &PruneOptions) -> Result<Self, OperationError> {
        // The store first: what comes later has a row before it could be missed.
        let stored = {
            let _gate = lock(&site.objects);
            site.store.list(ObjectKind::Pack)?
        };
        let (known, noted) = site.catalog.reader().read(|tx| {
            let mut known: HashSet<PackId> = packs::all(tx)?.into_iter().map(|pack| pack.id).collect();
            known.extend(packs::doomed(tx)?);
            Ok::<_, CatalogError>((known, packs::orphans(tx)?))
        })?;
        let noted: HashMap<PackId, UnixMillis> = noted.into_iter().collect();
        let mut found = Self { now, new: Vec::new(), due: Vec::new(), settled: Vec::new() };
        let mut orphans = HashSet::new();
        for name in stored {
            let ObjectName::Pack(id) = name else { continue };
            if known.contains(&id) {
                continue;
            }
            orphans.insert(id);
            match noted.get(&id) {
                None => found.new.push((id, site.store.size(name)?)),
                Some(seen_at) if seen_at.plus(options.grace) <= now => found.due.push(id),
                Some(_) => {}
            }
        }
        found.settled = noted.into_keys().filter(|id| !orphans.contains(id)).collect();
        Ok(found)
    }

    /// Bytes of those that were not seen before.
    pub(super) fn new_bytes(&self) -> u64 {
        self.new.iter().map(|(_, bytes)| bytes).sum()
    }

    /// How many have waited long enough.
    pub(super) fn due(&self) -> u64 {
        self.due.len() as u64
    }

    /// Notes the new ones and deletes those that have waited long enough; tells how many.
    pub(super) fn delete(self, site: &Site) -> Result<u64, OperationError> {
        site.catalog
            .writer()
            .write(|tx| {
                self.new.iter().try_for_each(|(id, _)| packs::note_orphan(tx, id, self.now))?;
                self.settled.iter().try_for_each(|id| packs::forget_orphan(tx, id))
            })
            .map_err(|e: CatalogError| OperationError::from(e))?;
        let mut deleted = 0;
        for id in &self.due {
            // Who puts an object holds this until its row is written.
            let _gate = lock(&site.objects);
            if site.catalog.reader().read(|tx| packs::all_by_id(tx, id))?.is_empty() {
                site.store.delete(ObjectName::Pack(*id))?;
                deleted += 1;
            }
            site.catalog.writer().write(|tx| packs::forget_orphan(tx, id))?;
        }
        Ok(deleted)
    }
}
