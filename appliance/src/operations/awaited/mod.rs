//! Packs that the box knows and does not have on its disk: which other boxes hold them, how they are read there, and how they
//! come back.
//!
//! A box that was lost begins with all its packs here. Everybody who asks the store for a pack gets it: from the disk first,
//! else from the others ([`Shelf`]). Nobody above has to know which of both it was. Decision 0033.
//!
//! Beside what comes back there is what retention keeps outside only (decision 0038): packs whose files this box has given up
//! on purpose. They are read in the same way, and come back only when a snapshot that needs them is wanted here again ([`bring_home`]).

mod back;
mod home;
mod mend;
mod order;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use datis_engine::erasure::layout::PACK_LEN_MAX;
use datis_engine::format::directory::{Directory, ENCODED_MAX};
use datis_engine::ids::PackId;
use datis_engine::keys::VaultIdentity;
use datis_engine::outside::OutsideError;
use datis_engine::outside::map_part::{MapPart, merge};
use datis_engine::outside::stripes::StripeRef;
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectKind, ObjectName, PackStore, StoreError};
use serde::Serialize;

pub(crate) use back::{Brought, bring_back};
#[cfg(test)]
pub(crate) use home::bring_home_for;
pub(crate) use home::{Home, bring_home};
#[cfg(test)]
pub(crate) use mend::mend_for;
pub(crate) use mend::{Mended, mend};
pub(super) use shelf::Shelf;

use super::OperationError;
use super::site::lock;
use crate::config::DataDir;
use crate::files::{self, FileError};

/// What is fetched at once of a pack that is read before it is back, in bytes: what is read next is near.
const PIECE: usize = 1 << 20;
/// Pieces that are kept for the next reader: 48 MiB.
const PIECES_MAX: usize = 48;

/// Gets packs from the boxes that hold shards of them.
pub(crate) trait Fetch: Send + Sync {
    /// `range` of a pack. Each block of it was sealed for this place.
    ///
    /// # Errors
    /// [`FetchError`].
    fn range(&self, stripe: &StripeRef, range: Range<usize>) -> Result<Vec<u8>, FetchError>;

    /// A whole pack, which hashes to its name; in `memory`, as long as that is not used for another one.
    ///
    /// # Errors
    /// [`FetchError`].
    fn whole<'m>(&self, stripe: &StripeRef, memory: &'m mut Memory) -> Result<&'m [u8], FetchError>;
}

/// What a pack and its shards are held in. Whoever fetches many packs uses it for all of them: fresh memory costs as much as
/// opening what goes into it.
#[derive(Default)]
pub(crate) struct Memory {
    /// The pack.
    pub(crate) pack: Vec<u8>,
    /// Shards; their content does not matter any more.
    pub(crate) shards: Vec<Vec<u8>>,
}

/// Why a pack, or a part of it, is not got from the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// Somebody who may have a shard does not answer.
    #[error("{there} shards came of {needed} that it takes; boxes that hold others do not answer")]
    Away {
        /// Shards that came.
        there: usize,
        /// Shards that it takes.
        needed: usize,
    },
    /// All answered, and it is not enough.
    #[error("{there} shards are left of {needed} that it takes")]
    Lost {
        /// Shards that came.
        there: usize,
        /// Shards that it takes.
        needed: usize,
    },
}

/// Why the list of such packs cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AwaitedError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A part of the map.
    #[error("the list of packs that are to come back is damaged; recover into an empty folder")]
    Map(#[from] OutsideError),
    /// What is on the disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a box is that comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ComingBack {
    /// Packs that are with other boxes only.
    pub packs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Packs that there were to bring back.
    pub all_packs: usize,
    /// Their bytes.
    pub all_bytes: u64,
    /// Packs that could not be had when they were asked for last: they are asked for again.
    pub unanswered: Vec<String>,
}

/// A piece of a pack: of which one, the number of the piece, its bytes.
type FetchedPiece = (PackId, usize, Arc<Vec<u8>>);

/// The packs that are with other boxes only.
pub(crate) struct Awaited {
    folder: PathBuf,
    /// For the directories of packs that are kept outside only.
    outside_folder: PathBuf,
    packs: RwLock<BTreeMap<PackId, Arc<StripeRef>>>,
    /// How many there were, and their bytes.
    all: (usize, u64),
    /// Set once the box can reach the others.
    fetch: OnceLock<Arc<dyn Fetch>>,
    /// The ones used last at the end.
    pieces: Mutex<Vec<FetchedPiece>>,
    /// Packs that somebody has read of: the rest of them is wanted first.
    asked_for: Mutex<Vec<PackId>>,
    /// In which order they come back; found out once.
    order: Mutex<Option<Vec<PackId>>>,
    /// What could not be had when it was asked for last, the latest at the end.
    unanswered: Mutex<Vec<PackId>>,
    /// Damaged packs that were asked for.
    mended: Asked,
    /// Packs that were asked for, of snapshots that are wanted here again.
    brought_home: Asked,
}

/// Packs that were asked for since the last rest. Those that cannot be had hold up no others: each is asked for once, and when all
/// were, it is time to rest.
#[derive(Default)]
struct Asked(Mutex<BTreeSet<PackId>>);

impl Asked {
    fn has(&self, pack: &PackId) -> bool {
        lock(&self.0).contains(pack)
    }

    fn add(&self, pack: PackId) {
        lock(&self.0).insert(pack);
    }

    fn forget_all(&self) {
        lock(&self.0).clear();
    }
}

/// The sealed parts of the map of packs that are to come back, in their order; written down before the first of them is read.
///
/// # Errors
/// [`AwaitedError`].
pub(crate) fn write_down(dir: &DataDir, parts: &[Vec<u8>]) -> Result<(), AwaitedError> {
    let folder = dir.awaited_dir();
    files::make_private_dir(&folder)?;
    // An earlier try may have found more parts.
    for number in parts.len().. {
        let file = part_file(&folder, number);
        if !file.exists() {
            break;
        }
        files::remove_if_there(&file)?;
    }
    for (number, part) in parts.iter().enumerate() {
        files::replace(&part_file(&folder, number), part)?;
    }
    Ok(())
}

/// The parts that were written down.
///
/// # Errors
/// [`AwaitedError`].
pub(crate) fn written_down(dir: &DataDir) -> Result<Vec<Vec<u8>>, AwaitedError> {
    let mut parts = Vec::new();
    while let Some(bytes) = files::read_if_there(&part_file(&dir.awaited_dir(), parts.len()), PACK_LEN_MAX as u64)? {
        parts.push(bytes);
    }
    Ok(parts)
}

/// Keeps the directory of such a pack, so that the catalog can be made without the pack.
///
/// # Errors
/// [`AwaitedError`].
pub(crate) fn keep_directory(dir: &DataDir, pack: &PackId, directory: &Directory) -> Result<(), AwaitedError> {
    Ok(files::replace(&directory_file(&dir.awaited_dir(), pack), &directory.encode())?)
}

/// Whether that was done.
pub(crate) fn has_directory(dir: &DataDir, pack: &PackId) -> bool {
    directory_file(&dir.awaited_dir(), pack).exists()
}

fn part_file(folder: &std::path::Path, number: usize) -> PathBuf {
    folder.join(format!("map-{number}.age"))
}

fn directory_file(folder: &std::path::Path, pack: &PackId) -> PathBuf {
    folder.join(format!("{pack}.directory"))
}

impl Awaited {
    /// Reads the list, and takes those off that are on the disk.
    ///
    /// # Errors
    /// [`AwaitedError`].
    pub(super) fn open(dir: &DataDir, identity: &VaultIdentity, store: &FolderStore) -> Result<Self, AwaitedError> {
        let folder = dir.awaited_dir();
        let parts: Result<Vec<MapPart>, OutsideError> =
            written_down(dir)?.iter().map(|bytes| MapPart::open(bytes, identity)).collect();
        let mut packs: BTreeMap<PackId, Arc<StripeRef>> =
            merge(parts?).stripes.into_iter().map(|(pack, stripe)| (pack, Arc::new(stripe))).collect();
        let all = (packs.len(), bytes_of(&packs));
        if !packs.is_empty() {
            for name in store.list(ObjectKind::Pack)? {
                if let ObjectName::Pack(id) = name {
                    packs.remove(&id);
                }
            }
        }
        Ok(Self {
            folder,
            outside_folder: dir.outside_dir(),
            packs: RwLock::new(packs),
            all,
            fetch: OnceLock::new(),
            pieces: Mutex::default(),
            asked_for: Mutex::default(),
            order: Mutex::default(),
            unanswered: Mutex::default(),
            mended: Asked::default(),
            brought_home: Asked::default(),
        })
    }

    /// The way to the other boxes; the first one counts.
    pub(crate) fn reach_by(&self, fetch: Arc<dyn Fetch>) {
        // A second one would be the same.
        let _ = self.fetch.set(fetch);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.packs.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether a pack is with other boxes only.
    pub(crate) fn has(&self, pack: &PackId) -> bool {
        self.packs.read().unwrap_or_else(PoisonError::into_inner).contains_key(pack)
    }

    /// How far the box is; `None`: all that it knows is on its disk.
    pub(crate) fn standing(&self) -> Option<ComingBack> {
        let packs = self.packs.read().unwrap_or_else(PoisonError::into_inner);
        let unanswered = lock(&self.unanswered).iter().map(ToString::to_string).collect();
        (!packs.is_empty()).then(|| ComingBack {
            packs: packs.len(),
            bytes: bytes_of(&packs),
            all_packs: self.all.0,
            all_bytes: self.all.1,
            unanswered,
        })
    }

    /// The directory of such a pack, as it was fetched before; `None`: it was not.
    pub(super) fn directory(&self, pack: &PackId) -> Option<Directory> {
        let folder = if self.has(pack) { &self.folder } else { &self.outside_folder };
        let bytes = files::read_if_there(&directory_file(folder, pack), ENCODED_MAX as u64).ok()??;
        Directory::decode(&bytes).ok()
    }

    /// Keeps the directory of a pack that is about to give up its file: what is in it is known here without asking anybody.
    pub(super) fn keep_directory(&self, pack: &PackId, directory: &Directory) -> Result<(), OperationError> {
        let kept = files::make_private_dir(&self.outside_folder)
            .and_then(|()| files::replace(&directory_file(&self.outside_folder, pack), &directory.encode()));
        kept.map_err(|e| OperationError::Io { step: "keep the directory of a pack", source: std::io::Error::other(e) })
    }

    /// The pack is here, or nowhere.
    pub(super) fn forget_directory(&self, pack: &PackId) -> Result<(), OperationError> {
        files::remove_if_there(&directory_file(&self.outside_folder, pack)).map_err(|e| OperationError::Io {
            step: "forget the directory of a pack",
            source: std::io::Error::other(e),
        })
    }

    fn stripe(&self, pack: &PackId) -> Option<Arc<StripeRef>> {
        self.packs.read().unwrap_or_else(PoisonError::into_inner).get(pack).cloned()
    }

    fn names(&self) -> Vec<PackId> {
        self.packs.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// It is on the disk, or will never be.
    fn settle(&self, pack: &PackId) {
        self.packs.write().unwrap_or_else(PoisonError::into_inner).remove(pack);
        lock(&self.unanswered).retain(|waiting| waiting != pack);
        lock(&self.pieces).retain(|(of, ..)| of != pack);
    }

    /// Nothing is awaited any more: the list goes. What a crash leaves of it names packs that are on the disk.
    fn forget(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Bytes of a pack, from the others; whoever reads on finds the next ones here.
    fn read(&self, stripe: &StripeRef, range: Range<usize>) -> Result<Vec<u8>, StoreError> {
        let name = ObjectName::Pack(stripe.pack);
        let fetch = self.fetch.get();
        let fetch = fetch.ok_or_else(|| StoreError::Away { name, reason: "the box is not running".to_owned() })?;
        let mut bytes = Vec::with_capacity(range.len());
        for number in range.start / PIECE..range.end.div_ceil(PIECE) {
            let place = number * PIECE..stripe.layout.pack_len().min((number + 1) * PIECE);
            let piece = self.piece(fetch.as_ref(), stripe, number, &place).map_err(|error| match error {
                FetchError::Away { .. } => StoreError::Away { name, reason: error.to_string() },
                FetchError::Lost { .. } => StoreError::Absent { name },
            })?;
            let wanted = range.start.max(place.start) - place.start..range.end.min(place.end) - place.start;
            bytes.extend_from_slice(piece.get(wanted).unwrap_or_default());
        }
        Ok(bytes)
    }

    fn piece(
        &self,
        fetch: &dyn Fetch,
        stripe: &StripeRef,
        number: usize,
        place: &Range<usize>,
    ) -> Result<Arc<Vec<u8>>, FetchError> {
        let known = {
            let mut pieces = lock(&self.pieces);
            let at = pieces.iter().position(|(pack, piece, _)| (*pack, *piece) == (stripe.pack, number));
            at.map(|at| {
                let piece = pieces.remove(at);
                let bytes = Arc::clone(&piece.2);
                pieces.push(piece);
                bytes
            })
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let bytes = Arc::new(fetch.range(stripe, place.clone())?);
        let mut pieces = lock(&self.pieces);
        if pieces.len() >= PIECES_MAX {
            pieces.remove(0);
        }
        pieces.push((stripe.pack, number, Arc::clone(&bytes)));
        let mut asked_for = lock(&self.asked_for);
        if asked_for.last() != Some(&stripe.pack) {
            asked_for.retain(|pack| *pack != stripe.pack);
            asked_for.push(stripe.pack);
        }
        Ok(bytes)
    }
}

fn bytes_of(packs: &BTreeMap<PackId, Arc<StripeRef>>) -> u64 {
    packs.values().map(|stripe| stripe.layout.pack_len() as u64).sum()
}
