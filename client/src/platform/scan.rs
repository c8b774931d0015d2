//! Linux: looking at a file tree. Names, `statx`, extended attributes, holes. Nothing here follows a symbolic link.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use datis_engine::units::FileTime;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, SeekFrom, StatxAttributes, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

/// What `statx` tells of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Number of names.
    pub links: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Bytes that take room on the disk.
    pub allocated: u64,
    /// Inode number.
    pub inode: u64,
    /// File system, as major and minor number.
    pub device: (u32, u32),
    /// Of a device node: its major and minor number.
    pub node_device: (u32, u32),
    /// Last change of content.
    pub modified: FileTime,
    /// Last change of content or metadata; cannot be set by programs.
    pub changed: FileTime,
    /// Marked as not to be backed up (`chattr +d`).
    pub no_dump: bool,
}

/// The sort of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Directory.
    Directory,
    /// Regular file.
    File,
    /// Symbolic link.
    Symlink,
    /// Block device.
    BlockDevice,
    /// Character device.
    CharDevice,
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
}

impl Stat {
    /// The sort of the entry; `None` for one that this program does not know.
    #[must_use]
    pub fn sort(&self) -> Option<Sort> {
        use rustix::fs::FileType;
        match FileType::from_raw_mode(self.mode) {
            FileType::Directory => Some(Sort::Directory),
            FileType::RegularFile => Some(Sort::File),
            FileType::Symlink => Some(Sort::Symlink),
            FileType::BlockDevice => Some(Sort::BlockDevice),
            FileType::CharacterDevice => Some(Sort::CharDevice),
            FileType::Fifo => Some(Sort::Fifo),
            FileType::Socket => Some(Sort::Socket),
            FileType::Unknown => None,
        }
    }

    fn from_raw(raw: &rustix::fs::Statx) -> Self {
        let time = |t: rustix::fs::StatxTimestamp| FileTime { seconds: t.tv_sec, nanoseconds: t.tv_nsec };
        Self {
            mode: u32::from(raw.stx_mode),
            links: raw.stx_nlink,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            size: raw.stx_size,
            allocated: raw.stx_blocks.saturating_mul(512),
            inode: raw.stx_ino,
            device: (raw.stx_dev_major, raw.stx_dev_minor),
            node_device: (raw.stx_rdev_major, raw.stx_rdev_minor),
            modified: time(raw.stx_mtime),
            changed: time(raw.stx_ctime),
            no_dump: raw.stx_attributes.contains(StatxAttributes::NODUMP),
        }
    }
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS
}

/// Looks at `path` itself, never at what a link points to.
///
/// # Errors
/// What the system says.
pub fn stat(path: &Path) -> io::Result<Stat> {
    let raw = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted())?;
    Ok(Stat::from_raw(&raw))
}

/// Looks at an open file.
///
/// # Errors
/// What the system says.
pub fn stat_open(file: &File) -> io::Result<Stat> {
    let raw = rustix::fs::statx(file.as_fd(), c"", AtFlags::EMPTY_PATH, wanted())?;
    Ok(Stat::from_raw(&raw))
}

/// The names in one directory, sorted as bytes, in little memory: a million names take 30 to 40 MB.
#[derive(Debug)]
pub struct Names {
    directory: OwnedFd,
    bytes: Vec<u8>,
    /// First byte and length of each name.
    places: Vec<(u32, u16)>,
}

impl Names {
    /// Reads the directory.
    ///
    /// # Errors
    /// What the system says; also when `path` is not a directory any more.
    pub fn read(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        let mut buffer = [MaybeUninit::uninit(); 32 << 10];
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let too_large = || io::Error::other("the directory is too large");
            let place = u32::try_from(bytes.len()).map_err(|_| too_large())?;
            places.push((place, u16::try_from(name.len()).map_err(|_| too_large())?));
            bytes.extend_from_slice(name);
        }
        let mut names = Self { directory, bytes, places };
        let bytes = &names.bytes;
        names.places.sort_unstable_by_key(|place| name_at(bytes, *place));
        Ok(names)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The name at `index`, in sorted order.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.places.get(index).map(|place| name_at(&self.bytes, *place))
    }

    /// Whether the name is there.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.places.binary_search_by(|place| name_at(&self.bytes, *place).cmp(name)).is_ok()
    }

    /// Looks at the entry with this name.
    ///
    /// # Errors
    /// What the system says.
    pub fn stat(&self, name: &[u8]) -> io::Result<Stat> {
        let raw = rustix::fs::statx(&self.directory, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW, wanted())?;
        Ok(Stat::from_raw(&raw))
    }
}

fn name_at(bytes: &[u8], (at, len): (u32, u16)) -> &[u8] {
    bytes.get(at as usize..at as usize + usize::from(len)).unwrap_or_default()
}

/// Opens a regular file for reading; a link or a pipe that took its place is refused, not waited for.
///
/// # Errors
/// What the system says.
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // Not touching the access time is allowed to owners only.
    match rustix::fs::openat(CWD, path, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => Ok(File::from(rustix::fs::openat(CWD, path, flags, Mode::empty())?)),
        opened => Ok(File::from(opened?)),
    }
}

/// Standard input, to be read as one stream without the buffer that the library keeps for it.
///
/// # Errors
/// What the system says.
pub fn open_stdin() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Reads what comes next of a stream into the room that `data` has left, which is not cleared before. 0: there is no more.
///
/// # Errors
/// What the system says.
pub fn read_next(file: &File, data: &mut Vec<u8>) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::read(file, spare_capacity(&mut *data)))?)
}

/// Reads what a file has from `at` on, as [`read_next`] does.
///
/// # Errors
/// What the system says.
pub fn read_at(file: &File, at: u64, data: &mut Vec<u8>) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pread(file, spare_capacity(&mut *data), at))?)
}

/// Target of a symbolic link.
///
/// # Errors
/// What the system says.
pub fn read_link(path: &Path) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(CWD, path, Vec::new())?.into_bytes())
}

/// Attributes by name, sorted; ACLs are among them as the system stores them.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// All extended attributes of an open file.
///
/// # Errors
/// What the system says; a file system without attributes has none.
pub fn attributes_open(file: &File) -> io::Result<Attributes> {
    collect_attributes(
        |buffer| rustix::fs::flistxattr(file, buffer),
        |name, buffer| rustix::fs::fgetxattr(file, name, buffer),
    )
}

/// All extended attributes of a path itself.
///
/// # Errors
/// As [`attributes_open`].
pub fn attributes(path: &Path) -> io::Result<Attributes> {
    collect_attributes(
        |buffer| rustix::fs::llistxattr(path, buffer),
        |name, buffer| rustix::fs::lgetxattr(path, name, buffer),
    )
}

fn collect_attributes(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
) -> io::Result<Attributes> {
    /// Linux' own limit for a list and for a value (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
    const MAX: usize = 64 << 10;
    let mut short = [0_u8; 256];
    let mut long = Vec::new();
    let names: &[u8] = match list(&mut short) {
        Ok(len) => short.get(..len).unwrap_or_default(),
        Err(Errno::RANGE) => {
            long.resize(MAX, 0);
            let len = list(&mut long)?;
            long.get(..len).unwrap_or_default()
        }
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut attributes = Vec::new();
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; MAX];
        match get(name, &mut value) {
            Ok(len) => {
                value.truncate(len);
                value.shrink_to_fit();
                attributes.push((name.to_vec(), value));
            }
            // Removed since it was listed, or not readable for anybody (some security modules).
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    attributes.sort_unstable();
    Ok(attributes)
}

/// Where a file has data: (first byte, length), ascending. `None` when it has no holes worth keeping.
///
/// # Errors
/// What the system says.
pub fn data_extents(file: &File, stat: &Stat) -> io::Result<Option<Vec<(u64, u64)>>> {
    /// A file more fragmented than this is stored with its holes filled: its entry would not fit its limits.
    const EXTENTS_MAX: usize = 8_192;
    if stat.allocated >= stat.size {
        return Ok(None);
    }
    let mut extents = Vec::new();
    let mut at = 0;
    while at < stat.size {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) => start.min(stat.size),
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(stat.size);
        if end <= start {
            break;
        }
        extents.push((start, end - start));
        if extents.len() > EXTENTS_MAX {
            return Ok(None);
        }
        at = end;
    }
    let whole = extents.len() == 1 && extents[0] == (0, stat.size);
    Ok(if whole { None } else { Some(extents) })
}

/// Tells the system that a long file is read from start to end, once.
pub fn will_read_once(file: &File) {
    // Advice only: a file system that does not take it reads as well, just slower.
    let _advice = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}
