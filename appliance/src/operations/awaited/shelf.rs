//! The one place where packs are asked for: on the disk first, else with the boxes that hold them.
//!
//! Where what is awaited is, the list of it says. What retention keeps outside only moves among the others like all that is there,
//! so that where it is the catalog is asked each time.

use std::io::{Cursor, Read};
use std::sync::Arc;

use datis_engine::ids::PackId;
use datis_engine::outside::stripes::StripeRef;
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectKind, ObjectName, PackStore, Space, Staged, StoreError};

use super::Awaited;
use crate::catalog::dispersal::{kept_outside, stripes};
use crate::catalog::{Catalog, CatalogError};
use crate::operations::dispersal::place_of;
use crate::operations::error::chain;

/// The store of the box: its folder, what is awaited, and what is kept outside only.
pub(in crate::operations) struct Shelf {
    pub(in crate::operations) folder: FolderStore,
    pub(in crate::operations) awaited: Arc<Awaited>,
    pub(in crate::operations) catalog: Catalog,
}

impl Shelf {
    /// Where a pack is that is not here; `None`: it should be here, or nobody knows it.
    fn elsewhere(&self, pack: &PackId) -> Result<Option<Arc<StripeRef>>, StoreError> {
        if let Some(stripe) = self.awaited.stripe(pack) {
            return Ok(Some(stripe));
        }
        let away = |reason| StoreError::Away { name: ObjectName::Pack(*pack), reason };
        match self.catalog.reader().read(|tx| outside_place(tx, pack)).map_err(|e: CatalogError| away(chain(&e)))? {
            OutsidePlace::Not => Ok(None),
            OutsidePlace::At(stripe) => Ok(Some(Arc::new(stripe))),
            // That nobody knows where it is says nothing of its bytes.
            OutsidePlace::Unknown => Err(away("it is not known which of the other boxes have it".to_owned())),
        }
    }

    /// What `here` gives; of an object that is not here, what `there` gives.
    fn here_or<T>(
        &self,
        name: ObjectName,
        here: impl Fn() -> Result<T, StoreError>,
        there: impl FnOnce(&StripeRef) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match (here(), name) {
            (Err(StoreError::Absent { .. }), ObjectName::Pack(pack)) => match self.elsewhere(&pack)? {
                Some(stripe) => there(&stripe),
                // It may have come back between the two looks.
                None => here(),
            },
            (found, _) => found,
        }
    }
}

/// Where a pack is that is kept outside only.
pub(super) enum OutsidePlace {
    /// It is not one of these.
    Not,
    /// With these boxes, as far as is known: whether enough of them have their shards they say when they are asked.
    At(StripeRef),
    /// The catalog names no box.
    Unknown,
}

/// Where a pack is now that is kept outside only.
pub(super) fn outside_place(tx: &rusqlite::Transaction<'_>, pack: &PackId) -> Result<OutsidePlace, CatalogError> {
    if !kept_outside::is_outside(tx, pack)? {
        return Ok(OutsidePlace::Not);
    }
    let Some(stripe) = stripes::best_of(tx, pack)? else { return Ok(OutsidePlace::Unknown) };
    Ok(place_of(&stripe, &stripes::places(tx, stripe.row)?).map_or(OutsidePlace::Unknown, OutsidePlace::At))
}

impl PackStore for Shelf {
    fn stage(&self) -> Result<Staged, StoreError> {
        self.folder.stage()
    }

    fn put_new_many(&self, objects: Vec<(ObjectName, Staged)>) -> Result<(), StoreError> {
        self.folder.put_new_many(objects)
    }

    fn read_range(&self, name: ObjectName, offset_bytes: u64, len_bytes: usize) -> Result<Vec<u8>, StoreError> {
        self.here_or(
            name,
            || self.folder.read_range(name, offset_bytes, len_bytes),
            |stripe| {
                let size = stripe.layout.pack_len();
                let start = usize::try_from(offset_bytes).unwrap_or(usize::MAX);
                let end = start.checked_add(len_bytes).filter(|end| *end <= size);
                let short = StoreError::Short { name, offset_bytes, len_bytes, size_bytes: size as u64 };
                self.awaited.read(stripe, start..end.ok_or(short)?)
            },
        )
    }

    fn reader(&self, name: ObjectName) -> Result<Box<dyn Read + Send>, StoreError> {
        self.here_or(
            name,
            || self.folder.reader(name),
            |stripe| Ok(Box::new(Cursor::new(self.awaited.read(stripe, 0..stripe.layout.pack_len())?))),
        )
    }

    fn size(&self, name: ObjectName) -> Result<u64, StoreError> {
        self.here_or(name, || self.folder.size(name), |stripe| Ok(stripe.layout.pack_len() as u64))
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<ObjectName>, StoreError> {
        let mut names = match kind {
            // Before the folder: what comes back meanwhile is in both.
            ObjectKind::Pack => self.awaited.names().into_iter().map(ObjectName::Pack).collect(),
            ObjectKind::Snapshot | ObjectKind::Vault | ObjectKind::Shard => Vec::new(),
        };
        names.extend(self.folder.list(kind)?);
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn delete(&self, name: ObjectName) -> Result<(), StoreError> {
        self.folder.delete(name)?;
        if let ObjectName::Pack(pack) = name {
            self.awaited.settle(&pack);
        }
        Ok(())
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.folder.space()
    }
}
