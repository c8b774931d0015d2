//! The default [`PackStore`]: a folder on the box's own disk.
//!
//! ```text
//! packs/ab/<hex>.pack     snapshots/ab/<hex>.age     vault.age     incoming/<random>
//! shards/<owner>/ab/<hex>.shard     incoming/<owner>-<hex>     (in a store for shards of others)
//! ```
//!
//! An object takes this way, and each step waits for the one before: bytes into `incoming/`, fsync of the file, fsync of
//! the parent of its directory if that may be new, rename that never overwrites, fsync of its directory, fsync of the
//! file once more. Before the rename nobody sees it; before the last step nobody is promised it. A deletion is synced the
//! same way: the directory, then the file that was in it. Source:
//! `docs/FORMAT.md`, "Store"; for the last step `docs/decisions/0013-sync-of-directories.md`.
//!
//! A shard may come in several pieces, over days: what has come of it stays in `incoming/` under its name
//! ([`FolderStore::resume`]), and its length says from where on the rest is needed. It promises nothing until it is put.
//!
//! The folder is held open, so that a disk taken away under a running box gives errors, not an empty store.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{ObjectKind, ObjectName, PackStore, Space, Stage, Staged, Staging, StoreError};
use crate::ids::{MemberId, ShardId};

const INCOMING: &str = "incoming";

/// Objects in a folder. One at a time may be open for a folder, which is held by the caller's lock on the data folder.
#[derive(Debug)]
pub struct FolderStore {
    root: OwnedFd,
    /// Where the folder is, for messages.
    path: PathBuf,
    staging: Arc<Staging>,
    /// Directories, relative to the folder, whose own entry this process has made durable. That one exists says
    /// nothing: a process killed before it synced may have made it.
    durable_dirs: Mutex<BTreeSet<String>>,
}

/// A shard of which a part has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardPart {
    /// Whose.
    pub owner: MemberId,
    /// Which.
    pub shard: ShardId,
    /// How much has come.
    pub len_bytes: u64,
    /// When something came last, by the wall clock.
    pub changed_at: SystemTime,
}

impl FolderStore {
    /// Opens the store in `dir`, which must exist, and makes its subfolders (mode 0700) where they are missing. What an
    /// earlier process left in `incoming/` is removed, so the caller must hold the lock on the data folder.
    ///
    /// # Errors
    /// [`StoreError::Durability`] also tells that the file system cannot sync directories; [`StoreError::Full`],
    /// [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_for(dir, &[ObjectKind::Pack, ObjectKind::Snapshot])
    }

    /// The same for a store of shards that are kept for others. Shards of which a part has come stay as they are.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_for_shards(dir: &Path) -> Result<Self, StoreError> {
        Self::open_for(dir, &[ObjectKind::Shard])
    }

    fn open_for(dir: &Path, kinds: &[ObjectKind]) -> Result<Self, StoreError> {
        let root = File::open(dir).map_err(|e| StoreError::io("open the store", dir, 0, e))?;
        for name in kinds.iter().map(|kind| top_dir(*kind)).chain([INCOMING]) {
            make_dir(&root, name).map_err(|e| StoreError::io("make the folder", &dir.join(name), 0, e.into()))?;
        }
        let shown = dir.join(INCOMING);
        let incoming = open_dir(&root, INCOMING).map_err(|e| StoreError::io("open the folder", &shown, 0, e.into()))?;
        let staging = Arc::new(Staging::new(incoming));
        staging.sync_dir(&root, dir)?;
        let left = entries(&staging.folder).map_err(|e| StoreError::io("list", &shown, 0, e.into()))?;
        for name in left.iter().filter(|name| part_of(name).is_none()) {
            match rustix::fs::unlinkat(&staging.folder, name.as_str(), AtFlags::empty()) {
                // A folder cannot be ours, and is no reason not to start.
                Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => {}
                Err(e) => return Err(StoreError::io("remove the leftover", &shown.join(name), 0, e.into())),
            }
        }
        Ok(Self { root: root.into(), path: dir.to_owned(), staging, durable_dirs: Mutex::default() })
    }

    /// Opens what has come so far of a shard, to append to it; an empty file if nothing has. It stays when it is dropped
    /// without being put, unless writing to it failed. The caller sees to it that nobody else writes to it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub fn resume(&self, owner: MemberId, shard: ShardId) -> Result<Staged, StoreError> {
        let file_name = part_name(owner, shard);
        let path = self.shown(INCOMING).join(&file_name);
        let failed = |e: io::Error| StoreError::io("open the staged file", &path, 0, e);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| {
            rustix::fs::openat(&self.staging.folder, file_name.as_str(), flags, Mode::RUSR | Mode::WUSR)
        });
        let file = File::from(opened.map_err(|e| failed(e.into()))?);
        let len_bytes = file.metadata().map_err(failed)?.len();
        let staging = Arc::clone(&self.staging);
        Ok(Staged { staging, file_name, path, file, len_bytes, stage: Stage::Written, is_kept: true })
    }

    /// How much has come of a shard, in bytes; 0 if nothing has.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn part_len(&self, owner: MemberId, shard: ShardId) -> Result<u64, StoreError> {
        let name = part_name(owner, shard);
        match rustix::fs::statat(&self.staging.folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(u64::try_from(found.st_size).unwrap_or(0)),
            Err(Errno::NOENT) => Ok(0),
            Err(e) => Err(StoreError::io("look at", &self.shown(INCOMING).join(&name), 0, e.into())),
        }
    }

    /// All shards of which only a part has come.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn parts(&self) -> Result<Vec<ShardPart>, StoreError> {
        let shown = self.shown(INCOMING);
        let mut parts = Vec::new();
        for name in entries(&self.staging.folder).map_err(|e| StoreError::io("list", &shown, 0, e.into()))? {
            let Some((owner, shard)) = part_of(&name) else { continue };
            match rustix::fs::statat(&self.staging.folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => parts.push(ShardPart {
                    owner,
                    shard,
                    len_bytes: u64::try_from(found.st_size).unwrap_or(0),
                    changed_at: SystemTime::UNIX_EPOCH
                        + std::time::Duration::from_secs(u64::try_from(found.st_mtime).unwrap_or(0)),
                }),
                // Put or dropped meanwhile.
                Err(Errno::NOENT) => {}
                Err(e) => return Err(StoreError::io("look at", &shown.join(&name), 0, e.into())),
            }
        }
        Ok(parts)
    }

    /// Removes what has come of a shard; nothing was promised of it. One of which nothing has come is a success.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn drop_part(&self, owner: MemberId, shard: ShardId) -> Result<(), StoreError> {
        let name = part_name(owner, shard);
        match rustix::fs::unlinkat(&self.staging.folder, name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(StoreError::io("remove", &self.shown(INCOMING).join(&name), 0, e.into())),
        }
    }

    /// Whether this store is what stands at `dir` now. One whose disk was taken away is not, also when the disk is there again.
    ///
    /// # Errors
    /// The system's.
    pub fn is_at(&self, dir: &Path) -> io::Result<bool> {
        let (held, there) = (rustix::fs::fstat(&self.root)?, rustix::fs::stat(dir)?);
        Ok((held.st_dev, held.st_ino) == (there.st_dev, there.st_ino))
    }

    /// Whether what is put can be made durable still.
    ///
    /// # Errors
    /// [`StoreError::Durability`] once any sync of this store has failed.
    pub fn check_durable(&self) -> Result<(), StoreError> {
        self.staging.check_syncs(&self.path)
    }

    /// Sees to it that an object survives a power cut that was found here: whoever put it may have died before it synced.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::Durability`], [`StoreError`].
    pub fn make_durable(&self, name: ObjectName) -> Result<(), StoreError> {
        self.staging.check_syncs(&self.path)?;
        let (file, dir) = (self.open_object(name)?, dir_of(name));
        let path = self.shown(&name.to_string());
        self.staging.confirm(&file, &path)?;
        self.make_durable_dirs(&with_parents(&dir).into_iter().collect())?;
        self.sync_dir(&dir)?;
        self.staging.confirm(&file, &path)
    }

    fn shown(&self, key: &str) -> PathBuf {
        self.path.join(key)
    }

    fn sync_dir(&self, key: &str) -> Result<(), StoreError> {
        let path = self.shown(key);
        let dir = open_dir(&self.root, key).map_err(|e| StoreError::io("open the folder", &path, 0, e.into()))?;
        self.staging.sync_dir(&File::from(dir), &path)
    }

    /// Makes directories of objects and sees to it that they survive a power cut: once each in the life of a process.
    fn make_durable_dirs(&self, keys: &BTreeSet<String>) -> Result<(), StoreError> {
        // Held while syncing: another thread must not rely on a directory that is not durable yet.
        let mut durable_dirs = self.durable_dirs.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&String> = keys.difference(&durable_dirs).collect();
        let mut parents = BTreeSet::new();
        for key in &missing {
            // The folder itself is the one without a parent here; the caller of `open` made it.
            let Some((parent, _)) = key.rsplit_once('/') else { continue };
            make_dir(&self.root, key).map_err(|e| StoreError::io("make the folder", &self.shown(key), 0, e.into()))?;
            parents.insert(parent);
        }
        parents.iter().try_for_each(|parent| self.sync_dir(parent))?;
        let missing: Vec<String> = missing.into_iter().cloned().collect();
        durable_dirs.extend(missing);
        Ok(())
    }

    /// Gives a synced file its name, or drops it where that is taken by an object that is as good.
    fn publish(&self, name: ObjectName, staged: &mut Staged) -> Result<(), StoreError> {
        let key = name.to_string();
        match self.rename_new(&staged.file_name, &key) {
            Ok(()) => {
                staged.stage = Stage::Moved;
                Ok(())
            }
            Err(Errno::EXIST) => match name.kind() {
                ObjectKind::Vault => Err(StoreError::Exists { name }),
                // Sealed anew, the same record has other bytes; its id vouches for what is inside.
                ObjectKind::Snapshot => Ok(()),
                ObjectKind::Pack | ObjectKind::Shard => match (self.size(name)?, staged.len_bytes) {
                    (stored_bytes, offered_bytes) if stored_bytes == offered_bytes => Ok(()),
                    (stored_bytes, offered_bytes) => Err(StoreError::Differs { name, stored_bytes, offered_bytes }),
                },
            },
            Err(e) => Err(StoreError::io("store", &self.shown(&key), 0, e.into())),
        }
    }

    fn rename_new(&self, staged: &str, key: &str) -> Result<(), Errno> {
        match rustix::fs::renameat_with(&self.staging.folder, staged, &self.root, key, RenameFlags::NOREPLACE) {
            // File systems that cannot (NFS, some in user space) can link, which does not overwrite either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.link_new(staged, key),
            done => done,
        }
    }

    fn link_new(&self, staged: &str, key: &str) -> Result<(), Errno> {
        rustix::fs::linkat(&self.staging.folder, staged, &self.root, key, AtFlags::empty())?;
        // If this fails the file has two names, one of which goes when the store is opened again.
        let _ = rustix::fs::unlinkat(&self.staging.folder, staged, AtFlags::empty());
        Ok(())
    }

    fn open_object(&self, name: ObjectName) -> Result<File, StoreError> {
        let key = name.to_string();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::io::retry_on_intr(|| rustix::fs::openat(&self.root, key.as_str(), flags, Mode::empty())) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::NOENT) => self.check_present(name.kind()).and(Err(StoreError::Absent { name })),
            Err(e) => Err(StoreError::io("open", &self.shown(&key), 0, e.into())),
        }
    }

    /// Tells an absent object from an absent store. A folder that was removed while held open reads as empty, so a
    /// subfolder that every store has must be there.
    fn check_present(&self, kind: ObjectKind) -> Result<(), StoreError> {
        let key = match kind {
            ObjectKind::Pack | ObjectKind::Vault => top_dir(ObjectKind::Pack),
            ObjectKind::Snapshot => top_dir(ObjectKind::Snapshot),
            ObjectKind::Shard => top_dir(ObjectKind::Shard),
        };
        let found = rustix::fs::statat(&self.root, key, AtFlags::empty());
        found.map(drop).map_err(|e| StoreError::io("find the folder", &self.shown(key), 0, e.into()))
    }

    /// Adds the keys of all files in the directories of two digits below `top`.
    fn list_fans(&self, top: &str, keys: &mut Vec<String>) -> Result<(), StoreError> {
        for fan in self.list_dir(top)?.iter().filter(|name| is_fan(name)) {
            let dir = format!("{top}/{fan}");
            keys.extend(self.list_dir(&dir)?.iter().map(|file| format!("{dir}/{file}")));
        }
        Ok(())
    }

    fn list_dir(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let listed = open_dir(&self.root, key).and_then(|dir| entries(&dir));
        listed.map_err(|e| StoreError::io("list", &self.shown(key), 0, e.into()))
    }
}

impl PackStore for FolderStore {
    fn stage(&self) -> Result<Staged, StoreError> {
        Staged::create_in(&self.staging, &self.shown(INCOMING))
    }

    fn put_new_many(&self, mut objects: Vec<(ObjectName, Staged)>) -> Result<(), StoreError> {
        self.staging.check_syncs(&self.path)?;
        for (_, staged) in &mut objects {
            staged.sync()?;
        }
        let dirs: BTreeSet<String> = objects.iter().map(|(name, _)| dir_of(*name)).collect();
        self.make_durable_dirs(&dirs.iter().flat_map(|dir| with_parents(dir)).collect())?;
        objects.iter_mut().try_for_each(|(name, staged)| self.publish(*name, staged))?;
        // Also where an object was there before: the process that put it may have died before it synced.
        dirs.iter().try_for_each(|dir| self.sync_dir(dir))?;
        objects.iter().try_for_each(|(_, staged)| self.staging.confirm(&staged.file, &staged.path))
    }

    fn read_range(&self, name: ObjectName, offset_bytes: u64, len_bytes: usize) -> Result<Vec<u8>, StoreError> {
        let mut file = self.open_object(name)?;
        let failed = |e| StoreError::io("read", &self.shown(&name.to_string()), 0, e);
        let short = |size_bytes| StoreError::Short { name, offset_bytes, len_bytes, size_bytes };
        let size_bytes = file.metadata().map_err(failed)?.len();
        match offset_bytes.checked_add(len_bytes as u64) {
            Some(end) if end <= size_bytes => {}
            _ => return Err(short(size_bytes)),
        }
        // Read to an end, not into a slice: that would have to be cleared first.
        let mut bytes = Vec::with_capacity(len_bytes);
        file.seek(SeekFrom::Start(offset_bytes)).map_err(failed)?;
        (&file).take(len_bytes as u64).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() == len_bytes { Ok(bytes) } else { Err(short(file.metadata().map_err(failed)?.len())) }
    }

    fn reader(&self, name: ObjectName) -> Result<Box<dyn Read + Send>, StoreError> {
        Ok(Box::new(self.open_object(name)?))
    }

    fn size(&self, name: ObjectName) -> Result<u64, StoreError> {
        let key = name.to_string();
        match rustix::fs::statat(&self.root, key.as_str(), AtFlags::empty()) {
            Ok(found) => Ok(u64::try_from(found.st_size).unwrap_or(0)),
            Err(Errno::NOENT) => self.check_present(name.kind()).and(Err(StoreError::Absent { name })),
            Err(e) => Err(StoreError::io("look at", &self.shown(&key), 0, e.into())),
        }
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<ObjectName>, StoreError> {
        let top = top_dir(kind);
        let mut keys = Vec::new();
        match kind {
            ObjectKind::Vault => keys = self.list_dir(top)?,
            ObjectKind::Pack | ObjectKind::Snapshot => self.list_fans(top, &mut keys)?,
            ObjectKind::Shard => {
                for owner in self.list_dir(top)?.iter().filter(|name| name.parse::<MemberId>().is_ok()) {
                    self.list_fans(&format!("{top}/{owner}"), &mut keys)?;
                }
            }
        }
        self.check_present(kind)?;
        let named = keys.iter().filter_map(|key| key.parse::<ObjectName>().ok());
        let mut names: Vec<ObjectName> = named.filter(|name| name.kind() == kind).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn delete(&self, name: ObjectName) -> Result<(), StoreError> {
        self.staging.check_syncs(&self.path)?;
        let key = name.to_string();
        // Held open to be synced after its directory, as after a put. What cannot be opened can be deleted all the same.
        let file = self.open_object(name).ok();
        match rustix::fs::unlinkat(&self.root, key.as_str(), AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => self.check_present(name.kind())?,
            Err(e) => return Err(StoreError::io("delete", &self.shown(&key), 0, e.into())),
        }
        // Also where it was absent: the process that deleted it may have died before it synced.
        match self.sync_dir(&dir_of(name)) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.check_present(name.kind())?;
            }
            done => done?,
        }
        file.map_or(Ok(()), |file| self.staging.confirm(&file, &self.shown(&key)))
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let stat = rustix::fs::fstatvfs(&self.root)
            .map_err(|e| StoreError::io("ask for the room in", &self.path, 0, e.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Some(Space { total_bytes: bytes(stat.f_blocks), free_bytes: bytes(stat.f_bavail) }))
    }
}

impl FolderStore {
    /// Whether the file system takes no writes at all now: it was mounted so, or has turned so after an error of its disk.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn is_read_only(&self) -> Result<bool, StoreError> {
        let stat = rustix::fs::fstatvfs(&self.root)
            .map_err(|e| StoreError::io("ask for the state of", &self.path, 0, e.into()))?;
        Ok(stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
    }
}

/// The directory that all objects of a kind are under, relative to the folder.
const fn top_dir(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pack => "packs",
        ObjectKind::Snapshot => "snapshots",
        ObjectKind::Vault => ".",
        ObjectKind::Shard => "shards",
    }
}

/// A directory and those above it, down from the one of its kind: `a/b/c` gives `a/b` and `a/b/c`.
fn with_parents(dir: &str) -> Vec<String> {
    let ends = dir.match_indices('/').map(|(at, _)| at).skip(1).chain([dir.len()]);
    ends.map(|end| dir[..end].to_owned()).collect()
}

fn part_name(owner: MemberId, shard: ShardId) -> String {
    format!("{owner}-{shard}")
}

fn part_of(name: &str) -> Option<(MemberId, ShardId)> {
    let (owner, shard) = name.split_once('-')?;
    let found = (owner.parse().ok()?, shard.parse().ok()?);
    (part_name(found.0, found.1) == name).then_some(found)
}

/// The directory that an object is in, relative to the folder.
fn dir_of(name: ObjectName) -> String {
    let key = name.to_string();
    key.rsplit_once('/').map_or(top_dir(name.kind()), |(dir, _)| dir).to_owned()
}

fn is_fan(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn make_dir(root: impl std::os::fd::AsFd, key: &str) -> Result<(), Errno> {
    match rustix::fs::mkdirat(root, key, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        done => done,
    }
}

/// Follows symbolic links: what an operator has moved elsewhere is not to be taken for absent.
fn open_dir(root: impl std::os::fd::AsFd, key: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::io::retry_on_intr(|| rustix::fs::openat(&root, key, flags, Mode::empty()))
}

/// Names in a directory; those that are not UTF-8 cannot be ours and are skipped.
fn entries(dir: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        match entry?.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{VAULT_KEY, seen};
    use super::*;
    use crate::ids::{PackId, SnapshotId};

    fn open() -> (tempfile::TempDir, FolderStore) {
        let dir = tempfile::tempdir().expect("dir");
        let store = FolderStore::open(dir.path()).expect("open");
        seen::take();
        (dir, store)
    }

    fn pack(first: u8, last: u8) -> ObjectName {
        let mut bytes = [last; 32];
        bytes[0] = first;
        ObjectName::Pack(PackId::from_bytes(bytes))
    }

    fn snapshot(byte: u8) -> ObjectName {
        ObjectName::Snapshot(SnapshotId::from_bytes([byte; 32]))
    }

    fn staged(store: &FolderStore, bytes: &[u8]) -> Staged {
        let mut staged = store.stage().expect("stage");
        staged.write_all(bytes).expect("write");
        staged
    }

    fn put(store: &FolderStore, name: ObjectName, bytes: &[u8]) {
        store.put_new(name, staged(store, bytes)).expect("put");
    }

    fn files_in(dir: &Path) -> usize {
        fs::read_dir(dir).expect("list").count()
    }

    /// A staged file whose bytes go to `device`, which fails where disks rarely do on command.
    fn staged_on(store: &FolderStore, device: &str) -> Staged {
        let mut staged = store.stage().expect("stage");
        staged.file = fs::OpenOptions::new().write(true).open(device).expect(device);
        staged
    }

    #[test]
    fn what_was_put_is_read_listed_and_deleted() {
        let (dir, store) = open();
        for name in [pack(0xab, 1), snapshot(2), ObjectName::Vault] {
            assert!(matches!(store.size(name), Err(StoreError::Absent { name: absent }) if absent == name));
            assert!(matches!(store.read_range(name, 0, 0), Err(StoreError::Absent { .. })));
            assert!(matches!(store.reader(name), Err(StoreError::Absent { .. })));
            assert_eq!(store.list(name.kind()).expect("list"), []);
            let mut staged = store.stage().expect("stage");
            staged.write_all(b"sealed ").expect("write");
            staged.sync().expect("sync");
            staged.write_all(b"bytes").expect("write");
            assert_eq!(staged.len_bytes(), 12);
            store.put_new(name, staged).expect("put");
            assert_eq!(store.size(name).expect("size"), 12);
            assert_eq!(store.read_range(name, 7, 5).expect("read"), b"bytes");
            assert_eq!(store.read_all(name, 12).expect("read"), b"sealed bytes");
            assert!(matches!(store.read_all(name, 11), Err(StoreError::TooLong { size_bytes: 12, .. })));
            let mut read = Vec::new();
            store.reader(name).expect("open").read_to_end(&mut read).expect("read");
            assert_eq!(read, b"sealed bytes");
            assert_eq!(store.list(name.kind()).expect("list"), [name]);
            assert!(dir.path().join(name.to_string()).is_file());
            store.delete(name).expect("delete");
            store.delete(name).expect("delete what is absent");
            assert_eq!(store.list(name.kind()).expect("list"), []);
        }
        store.delete(pack(0xcd, 1)).expect("delete where even the directory is absent");
        assert_eq!(files_in(&dir.path().join(INCOMING)), 0);
    }

    #[test]
    fn an_object_is_never_overwritten() {
        let (dir, store) = open();
        for name in [pack(1, 1), snapshot(1)] {
            put(&store, name, b"first");
            put(&store, name, b"other");
            assert_eq!(store.read_all(name, 9).expect("read"), b"first");
        }
        put(&store, snapshot(1), b"sealed anew");
        let differs = store.put_new(pack(1, 1), staged(&store, b"longer"));
        assert!(matches!(differs, Err(StoreError::Differs { stored_bytes: 5, offered_bytes: 6, .. })));
        put(&store, ObjectName::Vault, b"vault");
        let exists = store.put_new(ObjectName::Vault, staged(&store, b"vault"));
        assert!(matches!(exists, Err(StoreError::Exists { name: ObjectName::Vault })));
        assert_eq!(store.read_all(pack(1, 1), 9).expect("read"), b"first");
        assert_eq!(files_in(&dir.path().join(INCOMING)), 0);
    }

    #[test]
    fn linking_where_renaming_could_overwrite_gives_the_same() {
        let (dir, store) = open();
        let (first, second) = (staged(&store, b"first"), staged(&store, b"other"));
        assert_eq!(store.link_new(&first.file_name, VAULT_KEY), Ok(()));
        assert_eq!(files_in(&dir.path().join(INCOMING)), 1);
        assert_eq!(store.link_new(&second.file_name, VAULT_KEY), Err(Errno::EXIST));
        assert_eq!(store.read_all(ObjectName::Vault, 9).expect("read"), b"first");
    }

    #[test]
    fn each_step_of_a_put_is_synced_in_order_and_each_directory_once() {
        let (dir, store) = open();
        let (a, b, c) = (staged(&store, b"a"), staged(&store, b"b"), staged(&store, b"c"));
        let files: Vec<PathBuf> = [&a, &b, &c].map(|staged| staged.path.clone()).into();
        let dirs = |keys: &[&str]| keys.iter().map(|key| dir.path().join(key)).collect::<Vec<_>>();
        let objects = vec![(pack(7, 1), a), (pack(7, 2), b), (snapshot(8), c)];
        store.put_new_many(objects).expect("put");
        let new_dirs = dirs(&["packs", "snapshots", "packs/07", "snapshots/08"]);
        assert_eq!(seen::take(), [files.clone(), new_dirs, files].concat());
        // The directory is known by now; what was synced early is not synced again.
        let mut early = staged(&store, b"d");
        early.sync().expect("sync");
        let file = early.path.clone();
        store.put_new(pack(7, 3), early).expect("put");
        assert_eq!(seen::take(), [vec![file.clone()], dirs(&["packs/07"]), vec![file]].concat());
        // An object left by a process that died before it synced becomes durable when it is put again.
        let again = staged(&store, b"d");
        let file = again.path.clone();
        store.put_new(pack(7, 3), again).expect("put");
        assert_eq!(seen::take(), [vec![file.clone()], dirs(&["packs/07"]), vec![file]].concat());
        // The same for one that is only found.
        let found = store.shown(&pack(7, 3).to_string());
        store.make_durable(pack(7, 3)).expect("durable");
        assert_eq!(seen::take(), [vec![found.clone()], dirs(&["packs/07"]), vec![found]].concat());
        assert!(matches!(store.make_durable(pack(7, 9)), Err(StoreError::Absent { .. })));
        store.delete(pack(7, 3)).expect("delete");
        store.delete(pack(7, 3)).expect("delete");
        store.delete(ObjectName::Vault).expect("delete");
        let deleted = store.shown(&pack(7, 3).to_string());
        assert_eq!(seen::take(), [dirs(&["packs/07"]), vec![deleted], dirs(&["packs/07", "."])].concat());
        // A directory made by another process may not be durable: its parent is synced once more.
        let reopened = FolderStore::open(dir.path()).expect("open");
        seen::take();
        reopened.put_new_many(vec![(pack(7, 4), staged(&reopened, b"e"))]).expect("put");
        assert_eq!(seen::take()[1..3], dirs(&["packs", "packs/07"]));
    }

    #[test]
    fn what_was_staged_and_not_put_vanishes() {
        let (dir, store) = open();
        let incoming = dir.path().join(INCOMING);
        let dropped = staged(&store, b"bytes");
        assert_eq!(files_in(&incoming), 1);
        drop(dropped);
        assert_eq!(files_in(&incoming), 0);
        // A process that is killed drops nothing; the next one cleans up, and touches nothing else.
        put(&store, pack(1, 1), b"kept");
        std::mem::forget(staged(&store, b"bytes"));
        fs::create_dir(incoming.join("not ours")).expect("make");
        assert_eq!(files_in(&incoming), 2);
        let reopened = FolderStore::open(dir.path()).expect("open");
        assert_eq!(files_in(&incoming), 1);
        assert_eq!(reopened.list(ObjectKind::Pack).expect("list"), [pack(1, 1)]);
    }

    fn shard(owner: u8, byte: u8) -> ObjectName {
        ObjectName::Shard(MemberId::from_bytes([owner; 32]), ShardId::from_bytes([byte; 32]))
    }

    #[test]
    fn shards_of_owners_stand_apart_and_their_folders_are_synced_from_the_top() {
        let dir = tempfile::tempdir().expect("dir");
        let store = FolderStore::open_for_shards(dir.path()).expect("open");
        assert!(!dir.path().join("packs").exists());
        seen::take();
        put(&store, shard(1, 7), b"one");
        let synced = seen::take();
        let owner = format!("shards/{}", "01".repeat(32));
        let fan = format!("{owner}/07");
        assert_eq!(synced[1..4], ["shards", &owner, &fan].map(|key| dir.path().join(key)));
        put(&store, shard(2, 7), b"other");
        put(&store, shard(2, 9), b"third");
        assert_eq!(store.read_all(shard(1, 7), 9).expect("read"), b"one");
        assert!(matches!(store.size(shard(3, 7)), Err(StoreError::Absent { .. })));
        assert_eq!(store.list(ObjectKind::Shard).expect("list"), [shard(1, 7), shard(2, 7), shard(2, 9)]);
        let differs = store.put_new(shard(1, 7), staged(&store, b"longer"));
        assert!(matches!(differs, Err(StoreError::Differs { .. })));
        store.delete(shard(1, 7)).expect("delete");
        store.delete(shard(3, 7)).expect("delete what is absent");
        assert_eq!(store.list(ObjectKind::Shard).expect("list"), [shard(2, 7), shard(2, 9)]);
        fs::rename(dir.path().join("shards"), dir.path().join("elsewhere")).expect("rename");
        assert!(matches!(store.size(shard(2, 7)), Err(StoreError::Io { .. })), "an absent store is no absent shard");
    }

    #[test]
    fn a_part_of_a_shard_outlives_the_process_and_goes_on_where_it_ended() {
        let dir = tempfile::tempdir().expect("dir");
        let (owner, id) = (MemberId::from_bytes([1; 32]), ShardId::from_bytes([2; 32]));
        {
            let store = FolderStore::open_for_shards(dir.path()).expect("open");
            assert_eq!(store.part_len(owner, id).expect("look"), 0);
            let mut part = store.resume(owner, id).expect("begin");
            part.write_all(b"first ").expect("write");
            std::mem::forget(staged(&store, b"no part"));
        }
        let store = FolderStore::open_for_shards(dir.path()).expect("open");
        assert_eq!(files_in(&dir.path().join(INCOMING)), 1);
        let parts = store.parts().expect("list");
        assert_eq!(parts.iter().map(|p| (p.owner, p.shard, p.len_bytes)).collect::<Vec<_>>(), [(owner, id, 6)]);
        let mut part = store.resume(owner, id).expect("go on");
        assert_eq!(part.len_bytes(), 6);
        part.write_all(b"second").expect("write");
        let mut whole = Vec::new();
        part.reread().expect("reread").read_to_end(&mut whole).expect("read");
        assert_eq!(whole, b"first second");
        store.put_new(ObjectName::Shard(owner, id), part).expect("put");
        assert_eq!(store.read_all(ObjectName::Shard(owner, id), 20).expect("read"), b"first second");
        assert!(store.parts().expect("list").is_empty());
        store.resume(owner, id).expect("begin").discard();
        drop(store.resume(owner, id).expect("begin"));
        assert_eq!(store.parts().expect("list").len(), 1);
        store.drop_part(owner, id).expect("drop");
        store.drop_part(owner, id).expect("drop what is absent");
        assert!(store.parts().expect("list").is_empty());
    }

    #[test]
    fn a_failed_sync_publishes_nothing() {
        let (dir, store) = open();
        put(&store, pack(1, 1), b"earlier");
        let mut failing = staged_on(&store, "/dev/null");
        failing.write_all(b"bytes").expect("write");
        let batch = vec![(pack(1, 2), staged(&store, b"good")), (pack(1, 3), failing)];
        assert!(matches!(store.put_new_many(batch), Err(StoreError::Durability { step: "sync the file", .. })));
        assert_eq!(store.list(ObjectKind::Pack).expect("list"), [pack(1, 1)]);
        assert_eq!(files_in(&dir.path().join(INCOMING)), 0);
    }

    #[test]
    fn after_a_failed_sync_the_store_promises_nothing_more() {
        let (_dir, store) = open();
        put(&store, pack(1, 1), b"earlier");
        let (mut failing, mut good) = (staged_on(&store, "/dev/null"), staged(&store, b"good"));
        good.sync().expect("sync");
        assert!(matches!(failing.sync(), Err(StoreError::Durability { step: "sync the file", .. })));
        assert!(matches!(failing.sync(), Err(StoreError::Spoiled { .. })));
        assert!(matches!(failing.write_all(b"more"), Err(StoreError::Spoiled { .. })));
        assert!(matches!(staged(&store, b"other").sync(), Err(StoreError::Durability { .. })));
        assert!(matches!(store.put_new(pack(1, 2), good), Err(StoreError::Durability { .. })));
        assert!(matches!(store.delete(pack(1, 1)), Err(StoreError::Durability { .. })));
        // What was promised before can still be read while the process stops.
        assert_eq!(store.read_all(pack(1, 1), 9).expect("read"), b"earlier");
        assert_eq!(store.list(ObjectKind::Pack).expect("list"), [pack(1, 1)]);
    }

    #[test]
    fn a_full_disk_is_told_as_such_and_spoils_the_staged_file() {
        let (_dir, store) = open();
        let mut full = staged_on(&store, "/dev/full");
        assert!(matches!(full.write_all(b"bytes"), Err(StoreError::Full { needed_bytes: 5, .. })));
        assert!(matches!(store.put_new(pack(1, 1), full), Err(StoreError::Spoiled { .. })));
        let space = store.space().expect("space").expect("a folder has limits");
        assert!(space.free_bytes <= space.total_bytes && space.total_bytes > 0);
    }

    #[test]
    fn a_range_that_is_not_there_is_an_error() {
        let (_dir, store) = open();
        put(&store, pack(1, 1), b"12345");
        assert_eq!(store.read_range(pack(1, 1), 5, 0).expect("nothing at the end"), b"");
        for (offset, len) in [(0, 6), (5, 1), (6, 0), (u64::MAX, 1), (1, usize::MAX)] {
            let read = store.read_range(pack(1, 1), offset, len);
            assert!(matches!(read, Err(StoreError::Short { size_bytes: 5, .. })), "{offset} {len}");
        }
    }

    #[test]
    fn listing_skips_what_has_no_key_and_hides_nothing_that_has() {
        let (dir, store) = open();
        let (good, damaged) = (pack(0xab, 1), pack(0xab, 2));
        put(&store, good, b"good");
        put(&store, snapshot(3), b"good");
        let packs = dir.path().join("packs");
        let hex = "0f".repeat(32);
        for stray in ["README", "ab/notes.txt", "ab/.pack", &format!("ab/{hex}.pack"), &format!("ab/{hex}.pack.part")] {
            fs::write(packs.join(stray), b"stray").expect("write");
        }
        fs::create_dir(packs.join("lost+found")).expect("make");
        fs::create_dir(dir.path().join(damaged.to_string())).expect("make");
        assert_eq!(store.list(ObjectKind::Pack).expect("list"), [good, damaged]);
        assert!(matches!(store.read_all(damaged, 1_000_000), Err(StoreError::Io { .. } | StoreError::Short { .. })));
    }

    #[test]
    fn what_cannot_be_listed_is_never_empty() {
        let (dir, store) = open();
        put(&store, pack(1, 1), b"bytes");
        // Tests may run as root, whom permissions do not stop: a file where a directory should be does.
        fs::write(dir.path().join("packs/02"), b"").expect("write");
        assert!(matches!(store.list(ObjectKind::Pack), Err(StoreError::Io { .. })));
        fs::rename(dir.path().join("packs"), dir.path().join("elsewhere")).expect("rename");
        assert!(matches!(store.list(ObjectKind::Pack), Err(StoreError::Io { .. })));
        // Neither is an object absent, nor deleted, because its store is away.
        assert!(matches!(store.size(pack(1, 1)), Err(StoreError::Io { .. })));
        assert!(matches!(store.reader(pack(1, 1)), Err(StoreError::Io { .. })));
        assert!(matches!(store.delete(pack(1, 1)), Err(StoreError::Io { .. })));
        fs::remove_dir_all(dir.path()).expect("remove");
        for kind in [ObjectKind::Snapshot, ObjectKind::Vault] {
            assert!(matches!(store.list(kind), Err(StoreError::Io { .. })), "{kind:?}");
        }
        assert!(FolderStore::open(dir.path()).is_err());
    }

    #[test]
    fn one_object_put_by_many_threads_is_there_once() {
        let (dir, store) = open();
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let store = &store;
                scope.spawn(move || {
                    for object in 0..32 {
                        put(store, pack(object % 4, object), b"same bytes");
                        put(store, pack(object % 4, 100 + thread), b"own bytes");
                    }
                });
            }
        });
        assert_eq!(store.list(ObjectKind::Pack).expect("list").len(), 32 + 16);
        assert_eq!(files_in(&dir.path().join(INCOMING)), 0);
    }

    #[test]
    fn only_the_owner_may_look_into_the_store() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, store) = open();
        put(&store, pack(1, 1), b"bytes");
        for (key, mode) in [("packs", 0o700), ("packs/01", 0o700), (INCOMING, 0o700), (&*pack(1, 1).to_string(), 0o600)]
        {
            let found = fs::metadata(dir.path().join(key)).expect("stat").permissions().mode();
            assert_eq!(found & 0o777, mode, "{key}");
        }
    }
}
