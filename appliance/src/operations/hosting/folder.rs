//! The folder of shards: `DIR/hosted`, often a disk of its own. A marker file tells it from the empty folder that is there
//! while the disk is away; while the marker cannot be read, nothing is called missing.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use datis_engine::keys::random_bytes;
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{PackStore, StoreError};

use super::super::error::{Failure, OperationError};
use super::super::site::{Site, lock};
use crate::catalog::{CatalogError, hosting};

const MARKER: &str = "datis-hosted";

/// The folder, opened when it is first needed and again after it was away.
pub(crate) struct Folder {
    path: PathBuf,
    open: Mutex<Option<Arc<FolderStore>>>,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None) }
    }

    /// The store of shards, when it is sound.
    ///
    /// # Errors
    /// [`OperationError::HostedAway`] when the folder is not the one that it was, or nothing was ever kept in it.
    pub(super) fn store(&self, site: &Site) -> Result<Arc<FolderStore>, OperationError> {
        let marker = site.catalog.reader().read(|tx| hosting::marker(tx))?;
        self.open_marked(marker.ok_or_else(|| away(io::ErrorKind::NotFound.into()))?)
    }

    /// The same; the first time, the folder and its marker are made.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub(super) fn store_or_make(&self, site: &Site) -> Result<Arc<FolderStore>, Failure> {
        match site.catalog.reader().read(|tx| hosting::marker(tx))? {
            Some(marker) => Ok(self.open_marked(marker)?),
            None => self.make(site),
        }
    }

    fn open_marked(&self, marker: [u8; 16]) -> Result<Arc<FolderStore>, OperationError> {
        let mut open = lock(&self.open);
        match fs::read(self.path.join(MARKER)) {
            Ok(found) if found == marker => {}
            Ok(_) => {
                *open = None;
                return Err(away(io::Error::other("its marker is that of another folder")));
            }
            Err(source) => {
                *open = None;
                return Err(away(source));
            }
        }
        if let Some(store) = &*open {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(FolderStore::open_for_shards(&self.path)?);
        *open = Some(Arc::clone(&store));
        Ok(store)
    }

    /// A folder that has a marker already is taken as it is: the catalog was made anew, and what is in the folder is entered
    /// again by [`super::hosting_step`].
    fn make(&self, site: &Site) -> Result<Arc<FolderStore>, Failure> {
        let (marker, is_new) = {
            // Nobody else makes it meanwhile.
            let _open = lock(&self.open);
            let failed = |source| OperationError::Io { step: "make the folder for shards of other members", source };
            fs::create_dir_all(&self.path).map_err(failed)?;
            let path = self.path.join(MARKER);
            match fs::read(&path).ok().and_then(|found| found.try_into().ok()) {
                Some(found) => (found, false),
                None => {
                    let marker: [u8; 16] = random_bytes()?;
                    fs::write(&path, marker).map_err(failed)?;
                    let durable = fs::File::open(&path)
                        .and_then(|file| file.sync_all())
                        .and_then(|()| fs::File::open(&self.path)?.sync_all())
                        .and_then(|()| self.path.parent().map_or(Ok(()), |above| fs::File::open(above)?.sync_all()));
                    durable.map_err(|source| StoreError::Durability { step: "sync", path, source })?;
                    (marker, true)
                }
            }
        };
        site.catalog
            .writer()
            .write(|tx| hosting::keep_marker(tx, &marker))
            .map_err(|e: CatalogError| Failure::from(e))?;
        if is_new {
            // There is nothing in it that the catalog does not know.
            site.hosted.set_compared();
        }
        Ok(self.open_marked(marker)?)
    }

    /// Whether there is a folder with a marker, whosever it is.
    pub(super) fn is_made(&self) -> bool {
        self.path.join(MARKER).exists()
    }

    /// The size of the disk that the folder is on, in bytes; before there is one, of the disk with the packs.
    pub(super) fn disk_bytes(&self, site: &Site) -> Result<Option<u64>, OperationError> {
        let open = lock(&self.open).clone();
        let space = match open {
            Some(store) => store.space()?,
            None => site.store.space()?,
        };
        Ok(space.map(|space| space.total_bytes))
    }

    /// Whether `more` bytes leave the reserve of the disk untouched.
    pub(super) fn has_room(&self, site: &Site, store: &FolderStore, more: u64) -> Result<bool, StoreError> {
        let Some(space) = store.space()? else { return Ok(true) };
        Ok(space.free_bytes >= site.reserve(&space).saturating_add(more))
    }
}

fn away(source: io::Error) -> OperationError {
    OperationError::HostedAway { source }
}
