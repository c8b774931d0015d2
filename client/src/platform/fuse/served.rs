//! Turns the kernel's questions into those of `mount::Tree`, and the answers into the kernel's; decides nothing itself, and
//! never writes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use datis_engine::format::listing::{Entry, Node};
use datis_engine::units::FileTime;
use fuser::{
    AccessFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenAccMode, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyXattr, Request,
};

use super::Access;
use crate::mount::{Item, OpenDirectory, OpenFile, Seen, Tree, TreeError};

/// How long the kernel may keep what never changes.
const FINAL_TTL: Duration = Duration::from_secs(24 * 3_600);

/// How long it may keep what changes when there is a new snapshot.
const SHELF_TTL: Duration = Duration::from_secs(5);

const BLOCK: u64 = 512;

// `lseek`'s ways that reach a file system.
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;

/// What is open, by a number.
struct Handles<T> {
    open: Mutex<HashMap<u64, Arc<T>>>,
    next: AtomicU64,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { open: Mutex::default(), next: AtomicU64::new(1) }
    }
}

impl<T> Handles<T> {
    fn add(&self, item: T) -> FileHandle {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(item));
        FileHandle(number)
    }

    fn get(&self, handle: FileHandle) -> Result<Arc<T>, Errno> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    fn close(&self, handle: FileHandle) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&handle.0);
    }
}

/// The tree, and what of it is open.
pub(super) struct Served {
    tree: Tree,
    access: Access,
    files: Handles<OpenFile>,
    directories: Handles<OpenDirectory>,
}

impl Served {
    pub(super) fn new(tree: Tree, access: Access) -> Self {
        Self { tree, access, files: Handles::default(), directories: Handles::default() }
    }

    /// The kernel's number for an error; what is not the asker's mistake is logged.
    fn errno(&self, error: &TreeError, number: INodeNo) -> Errno {
        match error {
            TreeError::NotFound => Errno::ENOENT,
            TreeError::NotADirectory => Errno::ENOTDIR,
            TreeError::IsADirectory => Errno::EISDIR,
            TreeError::OtherSort => Errno::EINVAL,
            TreeError::Read(error) => {
                tracing::warn!(error = %error.chain(), "{} cannot be read", self.tree.shown(number.0));
                Errno::EIO
            }
        }
    }

    /// Hands the names from `offset` on to `give`, which says whether there was no room for this one.
    ///
    /// Offsets: 0 and 1 are `.` and `..`, then come the names in order.
    fn list(
        &self,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        give: &mut dyn FnMut(u64, Listed) -> bool,
    ) -> Result<(), Errno> {
        let directory = self.directories.get(handle)?;
        let mut at = offset;
        loop {
            let listed = match at {
                0 => Listed::Dots(".", number.0),
                1 => Listed::Dots("..", Tree::parent_number(&directory)),
                _ => match directory.item(at - 2, &self.tree) {
                    Ok(Some(item)) => Listed::Item(item),
                    Ok(None) => return Ok(()),
                    // What was read is handed out first; the next call gets here again.
                    Err(_) if at > offset => return Ok(()),
                    Err(error) => return Err(self.errno(&error, number)),
                },
            };
            if give(at + 1, listed) {
                return Ok(());
            }
            at += 1;
        }
    }
}

enum Listed {
    Dots(&'static str, u64),
    Item(Item),
}

impl Filesystem for Served {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Entries are at hand when names are: the kernel is given both, and need not ask for each name. It must not keep
        // links for good, since `latest` changes.
        let mut wanted = InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_PARALLEL_DIROPS;
        if self.access == Access::Everyone {
            wanted |= InitFlags::FUSE_POSIX_ACL;
        }
        // Kernels that lack some of these do without.
        if let Err(unknown) = config.add_capabilities(wanted) {
            let _ = config.add_capabilities(wanted.difference(unknown));
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.tree.look_up(parent.0, name.as_bytes()) {
            Ok(seen) => reply.entry(&ttl(&seen), &attributes(&seen), Generation(0)),
            Err(error) => reply.error(self.errno(&error, parent)),
        }
    }

    fn forget(&self, _request: &Request, number: INodeNo, references: u64) {
        self.tree.forget(number.0, references);
    }

    fn getattr(&self, _request: &Request, number: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.tree.seen(number.0) {
            Ok(seen) => reply.attr(&ttl(&seen), &attributes(&seen)),
            Err(error) => reply.error(self.errno(&error, number)),
        }
    }

    fn readlink(&self, _request: &Request, number: INodeNo, reply: ReplyData) {
        match self.tree.seen(number.0) {
            Ok(seen) => match &seen.entry.node {
                Node::Symlink { target } => reply.data(target),
                _ => reply.error(Errno::EINVAL),
            },
            Err(error) => reply.error(self.errno(&error, number)),
        }
    }

    fn open(&self, _request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        match self.tree.open_file(number.0) {
            Ok(file) => reply.opened(self.files.add(file), FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH),
            Err(error) => reply.error(self.errno(&error, number)),
        }
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let file = match self.files.get(handle) {
            Ok(file) => file,
            Err(errno) => return reply.error(errno),
        };
        match file.read(offset, size, &self.tree) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) if file.fails_first() => reply.error(self.errno(&error, number)),
            Err(_) => reply.error(Errno::EIO),
        }
    }

    fn lseek(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let file = match self.files.get(handle) {
            Ok(file) => file,
            Err(errno) => return reply.error(errno),
        };
        let to_data = match whence {
            SEEK_DATA => true,
            SEEK_HOLE => false,
            _ => return reply.error(Errno::EINVAL),
        };
        let found = u64::try_from(offset).ok().and_then(|offset| file.seek(offset, to_data));
        match found.and_then(|at| i64::try_from(at).ok()) {
            Some(at) => reply.offset(at),
            None => reply.error(Errno::ENXIO),
        }
    }

    fn flush(&self, _request: &Request, _number: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.files.close(handle);
        reply.ok();
    }

    fn opendir(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.tree.open_directory(number.0) {
            Ok(directory) => reply.opened(self.directories.add(directory), FopenFlags::empty()),
            Err(error) => reply.error(self.errno(&error, number)),
        }
    }

    fn readdir(&self, _request: &Request, number: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.list(number, handle, offset, &mut |next, listed| match listed {
            Listed::Dots(name, number) => reply.add(INodeNo(number), next, FileType::Directory, name),
            Listed::Item(item) => {
                let number = INodeNo(Tree::shown_number(&item));
                reply.add(number, next, sort(&item.entry.node), OsStr::from_bytes(&item.name))
            }
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = self.list(number, handle, offset, &mut |next, listed| match listed {
            // The kernel does not look at more than name and number of these two, and counts no reference.
            Listed::Dots(name, number) => {
                let entry = Arc::new(dots());
                let attributes = attributes(&Seen { number, entry, is_final: true });
                reply.add(INodeNo(number), next, name, &Duration::ZERO, &attributes, Generation(0))
            }
            Listed::Item(item) => {
                let seen = self.tree.hold(&item);
                let (name, attributes) = (OsStr::from_bytes(&item.name), attributes(&seen));
                let is_full = reply.add(INodeNo(seen.number), next, name, &ttl(&seen), &attributes, Generation(0));
                if is_full {
                    self.tree.forget(seen.number, 1);
                }
                is_full
            }
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn releasedir(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.directories.close(handle);
        reply.ok();
    }

    fn getxattr(&self, _request: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        match self.tree.seen(number.0) {
            Ok(seen) => match seen.entry.xattrs.iter().find(|(own, _)| own == name.as_bytes()) {
                Some((_, value)) => answer_xattr(value, size, reply),
                None => reply.error(Errno::ENODATA),
            },
            Err(error) => reply.error(self.errno(&error, number)),
        }
    }

    fn listxattr(&self, _request: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        match self.tree.seen(number.0) {
            Ok(seen) => {
                let names: Vec<u8> =
                    seen.entry.xattrs.iter().flat_map(|(name, _)| name.iter().chain([&0])).copied().collect();
                answer_xattr(&names, size, reply);
            }
            Err(error) => reply.error(self.errno(&error, number)),
        }
    }

    fn access(&self, _request: &Request, _number: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        if mask.contains(AccessFlags::W_OK) { reply.error(Errno::EROFS) } else { reply.ok() }
    }
}

/// A first question only wants to know how much room it takes.
fn answer_xattr(value: &[u8], room: u32, reply: ReplyXattr) {
    match u32::try_from(value.len()) {
        Ok(len) if room == 0 => reply.size(len),
        Ok(len) if len <= room => reply.data(value),
        Ok(_) => reply.error(Errno::ERANGE),
        Err(_) => reply.error(Errno::E2BIG),
    }
}

fn dots() -> Entry {
    Entry {
        mode: 0o555,
        uid: 0,
        gid: 0,
        modified: FileTime::default(),
        xattrs: Vec::new(),
        hard_link: None,
        node: Node::Directory,
    }
}

const fn ttl(seen: &Seen) -> Duration {
    if seen.is_final { FINAL_TTL } else { SHELF_TTL }
}

const fn sort(node: &Node) -> FileType {
    match node {
        Node::Directory => FileType::Directory,
        Node::File { .. } => FileType::RegularFile,
        Node::Symlink { .. } => FileType::Symlink,
        Node::BlockDevice { .. } => FileType::BlockDevice,
        Node::CharDevice { .. } => FileType::CharDevice,
        Node::Fifo => FileType::NamedPipe,
        Node::Socket => FileType::Socket,
    }
}

fn attributes(seen: &Seen) -> FileAttr {
    let entry = &seen.entry;
    let modified = time(entry.modified);
    let (size, stored) = match &entry.node {
        Node::File { size, content, .. } => (*size, content.len()),
        Node::Symlink { target } => (target.len() as u64, 0),
        _ => (0, 0),
    };
    let rdev = match &entry.node {
        Node::BlockDevice { major, minor } | Node::CharDevice { major, minor } => device(*major, *minor),
        _ => 0,
    };
    FileAttr {
        ino: INodeNo(seen.number),
        size,
        blocks: stored.div_ceil(BLOCK),
        atime: modified,
        mtime: modified,
        ctime: modified,
        crtime: modified,
        kind: sort(&entry.node),
        // Twelve bits, as every entry has.
        perm: u16::try_from(entry.mode & 0o7777).unwrap_or(0),
        // How many names there are is not known; that there are several is what copying programs look for. One stands
        // for "not counted" at directories.
        nlink: if entry.hard_link.is_some() { 2 } else { 1 },
        uid: entry.uid,
        gid: entry.gid,
        rdev,
        blksize: 128 << 10,
        flags: 0,
    }
}

/// A device number as the kernel has it in 32 bits.
const fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

/// A time; one that the system cannot tell becomes 1970.
fn time(at: FileTime) -> SystemTime {
    let seconds = Duration::from_secs(at.seconds.unsigned_abs());
    let whole = if at.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    whole.and_then(|whole| whole.checked_add(Duration::from_nanos(u64::from(at.nanoseconds)))).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_shown_to_the_nanosecond() {
        let at = |seconds, nanoseconds| time(FileTime { seconds, nanoseconds });
        assert_eq!(at(-5, 250_000_000), UNIX_EPOCH - Duration::from_millis(4_750));
        assert_eq!(at(5, 1), UNIX_EPOCH + Duration::new(5, 1));
    }

    #[test]
    fn device_numbers_are_those_of_the_system() {
        assert_eq!(device(8, 1), 0x801);
        assert_eq!(u64::from(device(259, 300)), rustix::fs::makedev(259, 300) & 0xffff_ffff);
    }
}
