//! The folder of shards: `DIR/hosted`, often a disk of its own. A marker file tells it from the empty folder that is there
//! while the disk is away; while the marker cannot be read, nothing is called missing.
//!
//! A failed sync of this folder bars it for writing, and stops nothing else: the box's own packs and its catalog are synced by
//! themselves, also where they are on the same disk, so that what concerns them is told to them.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use datis_engine::keys::random_bytes;
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{PackStore, StoreError};

use super::super::error::{Failure, OperationError, chain};
use super::super::site::{Site, lock};
use crate::catalog::{CatalogError, hosting};
use crate::files::{self, FileError};

const MARKER: &str = "datis-hosted";

/// The folder, opened when it is first needed and again after it was away.
pub(crate) struct Folder {
    path: PathBuf,
    open: Mutex<Option<Arc<FolderStore>>>,
    /// Whether it was said that it is not to be used: once each time, however often somebody asks.
    is_away: AtomicBool,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None), is_away: AtomicBool::new(false) }
    }

    /// The store of shards, when it is there. It may be barred for writing.
    ///
    /// # Errors
    /// [`OperationError::HostedAway`] when the folder is not the one that it was, or nothing was ever kept in it.
    pub(super) fn store(&self, site: &Site) -> Result<Arc<FolderStore>, OperationError> {
        match site.catalog.reader().read(|tx| hosting::marker(tx))? {
            Some(marker) => self.open_marked(site, marker),
            None => Err(away(io::ErrorKind::NotFound.into())),
        }
    }

    /// The same for writing; the first time, the folder and its marker are made.
    ///
    /// # Errors
    /// As [`Self::store`]; [`OperationError::HostedBarred`].
    pub(super) fn store_or_make(&self, site: &Site) -> Result<Arc<FolderStore>, Failure> {
        let store = match site.catalog.reader().read(|tx| hosting::marker(tx))? {
            Some(marker) => self.open_marked(site, marker)?,
            None => self.make(site)?,
        };
        check_writable(&store)?;
        Ok(store)
    }

    /// Whether `store` is still the one that is at the place of the folder, so that what it holds can be found there.
    ///
    /// # Errors
    /// [`OperationError::HostedAway`].
    pub(super) fn check_current(&self, site: &Site, store: &Arc<FolderStore>) -> Result<(), OperationError> {
        if Arc::ptr_eq(&self.store(site)?, store) {
            return Ok(());
        }
        Err(away(io::Error::other("its disk was taken away and is there again")))
    }

    fn open_marked(&self, site: &Site, marker: [u8; 16]) -> Result<Arc<FolderStore>, OperationError> {
        let opened = self.try_open(site, marker);
        match &opened {
            Err(error @ OperationError::HostedAway { .. }) if !self.is_away.swap(true, Ordering::SeqCst) => {
                tracing::warn!(folder = %self.path.display(), error = %chain(error), "What is kept for other members is away");
            }
            Ok(_) if self.is_away.swap(false, Ordering::SeqCst) => {
                tracing::info!(folder = %self.path.display(), "What is kept for other members is there again");
            }
            Ok(_) | Err(_) => {}
        }
        opened
    }

    fn try_open(&self, site: &Site, marker: [u8; 16]) -> Result<Arc<FolderStore>, OperationError> {
        let mut open = lock(&self.open);
        // Stays where the marker cannot be read now: that its last sync failed must not be forgotten.
        let before = open.clone();
        let found = fs::read(self.path.join(MARKER)).map_err(away)?;
        if found != marker {
            let is_empty = site.catalog.reader().read(|tx| hosting::holds_nothing(tx))?;
            let found: Option<[u8; 16]> = found.try_into().ok().filter(|_| is_empty);
            let sentence = "its marker is that of another folder; what is kept for others is divided between two disks";
            self.adopt(site, found.ok_or_else(|| away(io::Error::other(sentence)))?)?;
        }
        // A disk that went and came back is another one to whoever held the former open.
        let store = match before {
            Some(store) if store.is_at(&self.path).map_err(away)? => store,
            Some(_) | None => Arc::new(FolderStore::open_for_shards(&self.path).map_err(on_disk)?),
        };
        *open = Some(Arc::clone(&store));
        Ok(store)
    }

    /// The catalog was made anew while the disk was away: so a folder was made in the place where the disk belongs, and nothing
    /// was promised in it yet. The disk that is there now may hold all that was ever promised.
    fn adopt(&self, site: &Site, marker: [u8; 16]) -> Result<(), OperationError> {
        site.catalog.writer().write(|tx| hosting::keep_marker(tx, &marker))?;
        site.hosted.look_again();
        tracing::warn!(folder = %self.path.display(), "The folder of other members' shards from before is there again, and is taken");
        Ok(())
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
            match fs::read(&path) {
                Ok(found) => {
                    let broken = |_| away(io::Error::other("its marker is damaged"));
                    (found.try_into().map_err(broken)?, false)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if self.has_shards().map_err(failed)? {
                        return Err(away(io::Error::other("it holds shards, and its marker is not there")).into());
                    }
                    let marker: [u8; 16] = random_bytes()?;
                    files::put_new(&path, &marker).map_err(marker_failed)?;
                    (marker, true)
                }
                // What cannot be read may be there.
                Err(error) => return Err(away(error).into()),
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
        Ok(self.open_marked(site, marker)?)
    }

    fn has_shards(&self) -> io::Result<bool> {
        match fs::read_dir(self.path.join("shards")) {
            Ok(mut owners) => Ok(owners.next().is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
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

fn marker_failed(error: FileError) -> OperationError {
    OperationError::Io { step: "make the folder for shards of other members", source: io::Error::other(error) }
}

/// Refuses once a sync of the folder has failed.
///
/// # Errors
/// [`OperationError::HostedBarred`].
pub(super) fn check_writable(store: &FolderStore) -> Result<(), OperationError> {
    store.check_durable().map_err(|source| OperationError::HostedBarred { source })
}

/// What went wrong in this folder. A failed sync is no reason for the whole box to stop.
pub(super) fn on_disk(error: StoreError) -> OperationError {
    match error {
        StoreError::Durability { .. } => {
            tracing::error!(error = %chain(&error), "The folder of other members' shards takes nothing more");
            OperationError::HostedBarred { source: error }
        }
        error => error.into(),
    }
}
