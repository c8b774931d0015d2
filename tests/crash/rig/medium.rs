//! A disk that breaks when told to: one file in user space (FUSE), to be put under a loop device.
//!
//! It counts reads, writes and flushes and lets the chosen ones fail with EIO. It also remembers what came since the
//! last flush, so that it can show what a real disk may hold after a power cut: everything up to that flush, and of the
//! later writes any sectors, torn and out of order.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use harness::Random;

const FILE: INodeNo = INodeNo(2);
const FILE_NAME: &str = "disk";
const SECTOR: usize = 512;

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Flush,
}

/// Which accesses fail: from the `skip`-th after the order on, once or for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) access: Access,
    pub(crate) skip: u64,
    pub(crate) forever: bool,
}

struct Pending {
    offset: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    since_flush: Vec<Pending>,
    failure: Option<Failure>,
    failed: u64,
}

impl Platter {
    fn fails(&mut self, access: Access) -> bool {
        let Some(failure) = self.failure.as_mut().filter(|failure| failure.access == access) else { return false };
        if failure.skip > 0 {
            failure.skip -= 1;
            return false;
        }
        if !failure.forever {
            self.failure = None;
        }
        self.failed += 1;
        true
    }
}

/// The disk. Dropped after the loop device that lies on it.
pub(crate) struct Medium {
    platter: Arc<Mutex<Platter>>,
    file: PathBuf,
    session: Option<BackgroundSession>,
}

impl Medium {
    /// Serves `bytes` as one file below `mountpoint`, which must exist.
    pub(crate) fn serve(mountpoint: &Path, bytes: Vec<u8>) -> Self {
        let platter = Arc::new(Mutex::new(Platter { bytes, ..Platter::default() }));
        let served = Served(Arc::clone(&platter));
        let session = fuser::spawn_mount(served, mountpoint, &Config::default()).expect("mount the FUSE disk");
        Self { platter, file: mountpoint.join(FILE_NAME), session: Some(session) }
    }

    /// The file to attach.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Lets accesses fail from now on.
    pub(crate) fn break_at(&self, failure: Failure) {
        let mut platter = lock(&self.platter);
        platter.failed = 0;
        platter.failure = Some(failure);
    }

    /// Lets everything work again; tells how many accesses failed since [`Self::break_at`].
    pub(crate) fn mend(&self) -> u64 {
        let mut platter = lock(&self.platter);
        platter.failure = None;
        platter.failed
    }

    /// What the disk could hold had the power gone right now.
    pub(crate) fn after_a_cut(&self, random: &mut Random) -> Vec<u8> {
        let platter = lock(&self.platter);
        let mut bytes = platter.bytes.clone();
        for write in platter.since_flush.iter().rev() {
            bytes[write.offset..write.offset + write.before.len()].copy_from_slice(&write.before);
        }
        for write in &platter.since_flush {
            for (at, sector) in write.after.chunks(SECTOR).enumerate() {
                if random.one_in(2) {
                    let offset = write.offset + at * SECTOR;
                    bytes[offset..offset + sector.len()].copy_from_slice(sector);
                }
            }
        }
        bytes
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        // Failing requests would keep the kernel from letting go.
        self.mend();
        if let Some(Err(error)) = self.session.take().map(BackgroundSession::umount_and_join) {
            eprintln!("a FUSE disk stays behind: {error}");
        }
    }
}

fn lock(platter: &Mutex<Platter>) -> MutexGuard<'_, Platter> {
    platter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file system that has the one file.
struct Served(Arc<Mutex<Platter>>);

impl Served {
    fn attributes(&self, ino: INodeNo) -> FileAttr {
        let (kind, size) = match ino {
            FILE => (FileType::RegularFile, lock(&self.0).bytes.len() as u64),
            _ => (FileType::Directory, 0),
        };
        FileAttr {
            ino,
            size,
            blocks: size / SECTOR as u64,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        }
    }
}

const LASTING: Duration = Duration::from_secs(3600);

impl Filesystem for Served {
    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == FILE_NAME {
            reply.entry(&LASTING, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LASTING, &self.attributes(ino));
    }

    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Without the kernel's cache, so that every access of the loop device arrives here.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut platter = lock(&self.0);
        if platter.fails(Access::Read) {
            return reply.error(Errno::EIO);
        }
        let end = platter.bytes.len();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(end);
        let to = from.saturating_add(size as usize).min(end);
        reply.data(&platter.bytes[from..to]);
    }

    fn write(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut platter = lock(&self.0);
        if platter.fails(Access::Write) {
            return reply.error(Errno::EIO);
        }
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(place) = offset.checked_add(data.len()).and_then(|end| platter.bytes.get_mut(offset..end)) else {
            return reply.error(Errno::ENOSPC);
        };
        let before = place.to_vec();
        place.copy_from_slice(data);
        platter.since_flush.push(Pending { offset, before, after: data.to_vec() });
        reply.written(u32::try_from(data.len()).expect("a write is shorter than 4 GiB"));
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        let mut platter = lock(&self.0);
        if platter.fails(Access::Flush) {
            return reply.error(Errno::EIO);
        }
        platter.since_flush.clear();
        reply.ok();
    }

    fn flush(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _lock_owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}
