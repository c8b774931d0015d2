//! The one small door to stored objects: packs, sealed snapshot records and the vault file; in a store of its own, shards
//! that are kept for others.
//!
//! Objects are written once and never changed. Whoever stores one stages its bytes first, because the name of a pack is
//! known only when its last byte is; then [`PackStore::put_new`] gives it its name, and returns once the object would
//! survive a power cut. What is staged and not put vanishes.
//!
//! The door never looks into an object, never retries, and keeps no cache. [`folder::FolderStore`] is the default;
//! a store in an object cluster stages in the same way, in a local folder, and uploads on `put_new`.

pub mod folder;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::ids::{MemberId, PackId, ShardId, SnapshotId};
use crate::keys::random_bytes;

/// What can go wrong at the door. Each message tells the step; the source tells the rest.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object is not there, while its store is.
    #[error("{name} is not in the store")]
    Absent {
        /// The object asked for.
        name: ObjectName,
    },
    /// The disk or the quota is full (ENOSPC, EDQUOT). Nothing was promised; earlier objects are untouched.
    #[error("cannot {step}: no room for {needed_bytes} bytes at {path}")]
    Full {
        /// What was being done, as a verb.
        step: &'static str,
        /// Where.
        path: PathBuf,
        /// What the failed step had to place; 0 where it is the file system's own bookkeeping that found no room.
        needed_bytes: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A sync failed. **The caller must stop the process and start again from what is on disk.**
    ///
    /// After a failed fsync the kernel may have dropped the unwritten data and marked it clean, so that the next fsync
    /// succeeds although the data is gone. Hence nothing here is ever tried again, even if the disk was merely full:
    /// what this error was about, and all that relies on it, counts as not stored. Until the process has stopped, its
    /// store answers every put, delete and sync with this error, so that no other thread promises anything either.
    #[error("cannot {step} {path}: what was written may be lost; the process must stop and start again from disk")]
    Durability {
        /// What was being done, as a verb.
        step: &'static str,
        /// What could not be synced.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The object is not on this disk but with others, who do not give it now. Nothing is known to be lost.
    #[error("{name} is with other boxes only, and too few of them answer now; nothing is lost by that: {reason}")]
    Away {
        /// The object asked for.
        name: ObjectName,
        /// Who does not answer, or what they said.
        reason: String,
    },
    /// The object ends before the last byte asked for.
    #[error("{name} has {size_bytes} bytes, too few for {len_bytes} bytes from offset {offset_bytes}")]
    Short {
        /// The object asked for.
        name: ObjectName,
        /// First byte asked for.
        offset_bytes: u64,
        /// How many were asked for.
        len_bytes: usize,
        /// How many the object has, as far as it could be read.
        size_bytes: u64,
    },
    /// The object is longer than the reader is ready to hold.
    #[error("{name} has {size_bytes} bytes, more than the {max_bytes} bytes allowed")]
    TooLong {
        /// The object asked for.
        name: ObjectName,
        /// How many bytes it has.
        size_bytes: u64,
        /// How many the caller allowed.
        max_bytes: usize,
    },
    /// There is an object of this name already, and its name does not vouch for its content.
    #[error("{name} is in the store already, and is never overwritten")]
    Exists {
        /// The object that was to be put.
        name: ObjectName,
    },
    /// The object of this name in the store has another length, although its name is a hash of its bytes: the stored
    /// one (or the one offered) is damaged. The stored one was left alone.
    #[error("{name} is in the store already, with {stored_bytes} bytes instead of {offered_bytes}; one is damaged")]
    Differs {
        /// The object that was to be put.
        name: ObjectName,
        /// Length of the one in the store.
        stored_bytes: u64,
        /// Length of the one offered.
        offered_bytes: u64,
    },
    /// A write or sync of this staged file has failed before, so it can never be put.
    #[error("{path} cannot be stored: writing or syncing it failed before")]
    Spoiled {
        /// The staged file.
        path: PathBuf,
    },
    /// Anything else that the system refused.
    #[error("cannot {step} {path}")]
    Io {
        /// What was being done, as a verb.
        step: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Tells a full disk, met while placing `needed_bytes`, from everything else.
    fn io(step: &'static str, path: &Path, needed_bytes: u64, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { step, path, needed_bytes, source }
            }
            _ => Self::Io { step, path, source },
        }
    }
}

/// The sorts of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Packs.
    Pack,
    /// Sealed snapshot records.
    Snapshot,
    /// The vault file.
    Vault,
    /// Shards of other members.
    Shard,
}

/// Name of an object. Prints as its key, a path relative to the store, and reads back only from exactly that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// `packs/ab/<64 hex digits>.pack`, where `ab` are the first two of the digits.
    Pack(PackId),
    /// `snapshots/ab/<64 hex digits>.age`, likewise.
    Snapshot(SnapshotId),
    /// `vault.age`, at most one in a store.
    Vault,
    /// `shards/<owner, 64 hex digits>/ab/<64 hex digits>.shard`, where `ab` are the first two of the latter. Two owners never
    /// share a file, though they may send the same bytes.
    Shard(MemberId, ShardId),
}

const VAULT_KEY: &str = "vault.age";

impl ObjectName {
    /// What it is the name of.
    #[must_use]
    pub const fn kind(self) -> ObjectKind {
        match self {
            Self::Pack(_) => ObjectKind::Pack,
            Self::Snapshot(_) => ObjectKind::Snapshot,
            Self::Vault => ObjectKind::Vault,
            Self::Shard(..) => ObjectKind::Shard,
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pack(id) => write!(f, "packs/{:02x}/{id}.pack", id.as_bytes()[0]),
            Self::Snapshot(id) => write!(f, "snapshots/{:02x}/{id}.age", id.as_bytes()[0]),
            Self::Vault => f.write_str(VAULT_KEY),
            Self::Shard(owner, id) => write!(f, "shards/{owner}/{:02x}/{id}.shard", id.as_bytes()[0]),
        }
    }
}

/// Text that is not the key of an object; holds its first characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the key of a stored object")]
pub struct ObjectNameError(pub String);

impl FromStr for ObjectName {
    type Err = ObjectNameError;

    fn from_str(raw: &str) -> Result<Self, ObjectNameError> {
        let mut parts = raw.split('/');
        let parsed = match (parts.next(), parts.next(), parts.next()) {
            (Some("packs"), Some(_), Some(file)) => id_before(file, ".pack").map(Self::Pack),
            (Some("snapshots"), Some(_), Some(file)) => id_before(file, ".age").map(Self::Snapshot),
            (Some(VAULT_KEY), None, None) => Some(Self::Vault),
            (Some("shards"), Some(owner), Some(_)) => owner.parse().ok().and_then(|owner| {
                parts.next().and_then(|file| id_before(file, ".shard")).map(|id| Self::Shard(owner, id))
            }),
            _ => None,
        };
        // Printing it again checks what was skipped: the two digits in front, and that nothing follows.
        parsed
            .filter(|name| name.to_string() == raw)
            .ok_or_else(|| ObjectNameError(raw.chars().filter(|c| !c.is_control()).take(120).collect()))
    }
}

fn id_before<I: FromStr>(file: &str, suffix: &str) -> Option<I> {
    file.strip_suffix(suffix)?.parse().ok()
}

/// Room in a store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What the file system or the quota holds in all.
    pub total_bytes: u64,
    /// What this process could still write. The caller keeps its own reserve out of it.
    pub free_bytes: u64,
}

/// A place for objects. All verbs may be called from several threads at once.
pub trait PackStore: Send + Sync {
    /// Opens a place to write an object's bytes to, before its name is known.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    fn stage(&self) -> Result<Staged, StoreError>;

    /// Stores several objects; returns once all of them would survive a power cut. Cheaper than one by one, because
    /// each directory is synced once, and cheapest if [`Staged::sync`] was called as each object came to its end.
    ///
    /// Packs and snapshots that are there already stay as they are and become durable if they were not; the staged
    /// ones are dropped. A store never overwrites.
    ///
    /// # Errors
    /// After any error no object is promised, and each is either there as a whole or absent; what is left of the staged
    /// files is removed. Putting the same objects again later is harmless, except after [`StoreError::Durability`],
    /// on which the process has to stop. [`StoreError::Exists`] comes for the vault file only,
    /// [`StoreError::Differs`] for packs only; further [`StoreError::Spoiled`], [`StoreError::Full`],
    /// [`StoreError::Io`].
    fn put_new_many(&self, objects: Vec<(ObjectName, Staged)>) -> Result<(), StoreError>;

    /// Stores one object; returns once it would survive a power cut.
    ///
    /// # Errors
    /// As for [`Self::put_new_many`].
    fn put_new(&self, name: ObjectName, staged: Staged) -> Result<(), StoreError> {
        self.put_new_many(vec![(name, staged)])
    }

    /// Reads exactly `len_bytes` bytes from `offset_bytes` on. Nothing is allocated before the length is checked.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::Short`], [`StoreError::Io`].
    fn read_range(&self, name: ObjectName, offset_bytes: u64, len_bytes: usize) -> Result<Vec<u8>, StoreError>;

    /// Reads a whole object of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::TooLong`], [`StoreError::Short`], [`StoreError::Io`].
    fn read_all(&self, name: ObjectName, max_bytes: usize) -> Result<Vec<u8>, StoreError> {
        let size_bytes = self.size(name)?;
        match usize::try_from(size_bytes) {
            Ok(len_bytes) if len_bytes <= max_bytes => self.read_range(name, 0, len_bytes),
            _ => Err(StoreError::TooLong { name, size_bytes, max_bytes }),
        }
    }

    /// Opens an object for reading from its start to its end, to be hashed or copied whatever its length.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::Io`].
    fn reader(&self, name: ObjectName) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Length of an object in bytes.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::Io`].
    fn size(&self, name: ObjectName) -> Result<u64, StoreError>;

    /// Names of all objects of one kind, in ascending order: all of them or an error, never a part. An object put or
    /// deleted meanwhile may be among them or not.
    ///
    /// What does not have the key of an object is no object and is skipped. What has one is listed without a further
    /// look, be it damaged or unreadable, so that nothing of the vault is taken for absent.
    ///
    /// # Errors
    /// [`StoreError::Io`], also if the store itself has gone (a disk that is not mounted).
    fn list(&self, kind: ObjectKind) -> Result<Vec<ObjectName>, StoreError>;

    /// Deletes an object; returns once it would not come back after a power cut. One that is absent is a success.
    ///
    /// # Errors
    /// [`StoreError::Durability`], on which the process has to stop; [`StoreError::Io`].
    fn delete(&self, name: ObjectName) -> Result<(), StoreError>;

    /// Room in the store; `None` where there is no limit that could be asked for.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn space(&self) -> Result<Option<Space>, StoreError>;
}

/// How far a staged file can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Bytes may be in memory only.
    Written,
    /// Every byte would survive a power cut, though not yet the name.
    Synced,
    /// A write or a sync failed; what is in the file is unknown.
    Spoiled,
    /// The file has left the staging folder.
    Moved,
}

/// Bytes on their way into a store, in a file of their own that nobody else sees; removed on drop unless it was put.
#[derive(Debug)]
pub struct Staged {
    staging: Arc<Staging>,
    file_name: String,
    /// Where the file is, for messages.
    path: PathBuf,
    file: File,
    len_bytes: u64,
    stage: Stage,
    /// What was written stays for [`folder::FolderStore::resume`] if it is not put.
    is_kept: bool,
}

impl Staged {
    /// Makes an empty file with a random name and mode 0600 in the staging folder, `shown` in messages.
    fn create_in(staging: &Arc<Staging>, shown: &Path) -> Result<Self, StoreError> {
        let step = "make a staged file in";
        let random = random_bytes::<16>().map_err(|e| StoreError::io(step, shown, 0, io::Error::other(e)))?;
        let file_name = data_encoding::HEXLOWER.encode(&random);
        let path = shown.join(&file_name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| {
            rustix::fs::openat(&staging.folder, file_name.as_str(), flags, Mode::RUSR | Mode::WUSR)
        });
        let file = File::from(opened.map_err(|e| StoreError::io(step, &path, 0, e.into()))?);
        let staging = Arc::clone(staging);
        Ok(Self { staging, file_name, path, file, len_bytes: 0, stage: Stage::Written, is_kept: false })
    }

    /// Appends `bytes`, in one system call as a rule and without a buffer: pass pieces of 64 KiB or more.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`]; [`StoreError::Spoiled`] after any earlier failure.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.check()?;
        // Anything but success leaves an unknown part of `bytes` in the file.
        self.stage = Stage::Spoiled;
        let more_bytes = bytes.len() as u64;
        self.file.write_all(bytes).map_err(|e| StoreError::io("write", &self.path, more_bytes, e))?;
        self.stage = Stage::Written;
        self.len_bytes += more_bytes;
        Ok(())
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Reads what has been written so far, from its start.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn reread(&self) -> Result<impl Read + '_, StoreError> {
        let mut file = &self.file;
        file.rewind().map_err(|e| StoreError::io("read", &self.path, 0, e))?;
        Ok(file.take(self.len_bytes))
    }

    /// What was written is of no use: it goes with the drop.
    pub fn discard(mut self) {
        self.is_kept = false;
    }

    /// Makes the bytes written so far durable, so that putting them later has less left to wait for. Putting does this
    /// by itself where it is still to be done.
    ///
    /// # Errors
    /// [`StoreError::Durability`], on which the process has to stop; [`StoreError::Spoiled`] after any earlier failure
    /// of this file.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.check()?;
        if self.stage == Stage::Synced {
            return Ok(());
        }
        self.stage = Stage::Spoiled;
        self.staging.sync_file(&self.file, &self.path)?;
        self.stage = Stage::Synced;
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.stage {
            Stage::Written | Stage::Synced => Ok(()),
            Stage::Spoiled | Stage::Moved => Err(StoreError::Spoiled { path: self.path.clone() }),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let stays = self.is_kept && self.stage != Stage::Spoiled;
        if self.stage != Stage::Moved && !stays {
            // A file that stays behind costs room until the store is opened again, and nothing else.
            let _ = rustix::fs::unlinkat(&self.staging.folder, self.file_name.as_str(), AtFlags::empty());
        }
    }
}

/// What the staged files of one store share: their folder, and whether any sync of the store has failed.
#[derive(Debug)]
struct Staging {
    folder: OwnedFd,
    sync_failed: AtomicBool,
}

impl Staging {
    fn new(folder: OwnedFd) -> Self {
        Self { folder, sync_failed: AtomicBool::new(false) }
    }

    fn sync_file(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        #[cfg(feature = "plant")]
        if crate::plant::planted("skip-file-fsync") {
            return Ok(());
        }
        self.sync("sync the file", file, path)
    }

    fn sync_dir(&self, dir: &File, path: &Path) -> Result<(), StoreError> {
        #[cfg(feature = "plant")]
        if crate::plant::planted("skip-dir-fsync") {
            return Ok(());
        }
        self.sync("sync the directory", dir, path)
    }

    /// Makes sure that what was said of the directory of a file was true: XFS says that it has synced one even when it has
    /// shut down before, but of a file it tells.
    fn confirm(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        #[cfg(feature = "plant")]
        if crate::plant::planted("skip-file-fsync") || crate::plant::planted("skip-dir-fsync") {
            // It syncs both, where names and bytes share a log, and would make up for the planted bug.
            return Ok(());
        }
        self.sync("sync the file in its place", file, path)
    }

    fn sync(&self, step: &'static str, file: &File, path: &Path) -> Result<(), StoreError> {
        #[cfg(test)]
        seen::note(path);
        if let Err(source) = file.sync_all() {
            self.sync_failed.store(true, Ordering::SeqCst);
            return Err(StoreError::Durability { step, path: path.to_owned(), source });
        }
        // The kernel tells a failure once: another thread may have been told what concerns these bytes too.
        self.check_syncs(path)
    }

    /// Refuses to go on after a failed sync.
    fn check_syncs(&self, path: &Path) -> Result<(), StoreError> {
        if self.sync_failed.load(Ordering::SeqCst) {
            let source = io::Error::other("an earlier sync of this store failed");
            return Err(StoreError::Durability { step: "rely on syncs of", path: path.to_owned(), source });
        }
        Ok(())
    }
}

/// What this thread has synced, in order, for tests that count.
#[cfg(test)]
mod seen {
    use std::cell::RefCell;
    use std::path::{Path, PathBuf};

    thread_local! {
        static SYNCED: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(path: &Path) {
        SYNCED.with_borrow_mut(|synced| synced.push(path.to_owned()));
    }

    pub(super) fn take() -> Vec<PathBuf> {
        SYNCED.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_as_keys_and_read_back_from_nothing_else() {
        let hex = format!("ab{}", "0f".repeat(31));
        let pack = ObjectName::Pack(hex.parse().expect("id"));
        let snapshot = ObjectName::Snapshot(hex.parse().expect("id"));
        assert_eq!(pack.to_string(), format!("packs/ab/{hex}.pack"));
        assert_eq!(snapshot.to_string(), format!("snapshots/ab/{hex}.age"));
        let owner = "c4".repeat(32);
        let shard = ObjectName::Shard(owner.parse().expect("id"), hex.parse().expect("id"));
        assert_eq!(shard.to_string(), format!("shards/{owner}/ab/{hex}.shard"));
        for name in [pack, snapshot, ObjectName::Vault, shard] {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for bad in [
            "".to_owned(),
            "vault.age/".to_owned(),
            "/vault.age".to_owned(),
            format!("packs/ac/{hex}.pack"),
            format!("packs/ab/{hex}.age"),
            format!("packs/AB/{}.pack", hex.to_uppercase()),
            format!("packs/ab/{hex}.pack/"),
            format!("packs/ab/{hex}.pack.tmp"),
            format!("packs/../packs/ab/{hex}.pack"),
            format!("snapshots/ab/{hex}.pack"),
            format!("packs/ab/{}.pack", &hex[..62]),
            format!("shards/{owner}/{hex}.shard"),
            format!("shards/{owner}/ac/{hex}.shard"),
            format!("shards/{owner}/ab/{hex}.shard/x"),
            format!("shards/{}/ab/{hex}.shard", &owner[1..]),
        ] {
            assert!(bad.parse::<ObjectName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_door_fits_behind_a_shared_pointer() {
        fn shared(_: Arc<dyn PackStore>) {}
        let dir = tempfile::tempdir().expect("dir");
        shared(Arc::new(folder::FolderStore::open(dir.path()).expect("open")));
    }
}
