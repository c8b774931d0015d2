//! Linux: making files below a restore's target, whoever else may be at work there.
//!
//! Directories are opened with `openat2` from the target's root, which follows no link and leaves the target under no
//! circumstances. Everything else is made by a single name in such a directory, and only if that name is free.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};

/// Longer paths than this are opened in steps: the system takes 4 095 bytes at a time.
const OPEN_AT_ONCE: usize = 4_000;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Tells one inode from all others, as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// What stands at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// A directory.
    Directory,
    /// Anything else; links are not followed.
    Other,
}

/// What stands in the way of an entry, as far as people are told so in words of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// A symbolic link, which is not followed.
    Link,
    /// Something else stands where this restore made an entry of its own.
    Exchanged,
    /// A directory, where only a file is replaced.
    Directory,
    /// Something that has the name already.
    Taken,
}

impl Obstacle {
    /// What an error tells of; `None` when it is of any other sort.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let errno = Errno::from_io_error(error)?;
        [Self::Link, Self::Exchanged, Self::Directory, Self::Taken].into_iter().find(|one| one.errno() == errno)
    }

    const fn errno(self) -> Errno {
        match self {
            Self::Link => Errno::LOOP,
            Self::Exchanged => Errno::STALE,
            Self::Directory => Errno::ISDIR,
            Self::Taken => Errno::EXIST,
        }
    }
}

impl From<Obstacle> for io::Error {
    fn from(obstacle: Obstacle) -> Self {
        obstacle.errno().into()
    }
}

/// What a fresh entry gets without being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fresh {
    /// Its inode.
    pub identity: Identity,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its mode, type included.
    pub mode: u32,
}

/// A special file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// Block device with its numbers.
    Block(u32, u32),
    /// Character device with its numbers.
    Char(u32, u32),
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
}

/// A directory below the target's root, or the root itself.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn look_at(fd: impl AsFd) -> io::Result<Fresh> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(Fresh {
        identity: Identity { device: stat.st_dev, inode: stat.st_ino },
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode,
    })
}

impl Dir {
    /// Opens the target's root, which the user named: links on the way to it are followed.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_root(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens a directory below this one; an empty path is this one itself. Links are refused, wherever they stand.
    ///
    /// # Errors
    /// What the system says: `ELOOP` for a link, `ENOTDIR` for another entry.
    pub fn open_below(&self, path: &[u8]) -> io::Result<Self> {
        if path.is_empty() {
            return Ok(Self(rustix::fs::openat(&self.0, c".", DIRECTORY, Mode::empty())?));
        }
        let mut rest = path;
        let mut at: Option<OwnedFd> = None;
        while !rest.is_empty() {
            let cut = if rest.len() <= OPEN_AT_ONCE {
                rest.len()
            } else {
                rest[..OPEN_AT_ONCE].iter().rposition(|b| *b == b'/').ok_or(Errno::NAMETOOLONG)?
            };
            let from = at.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
            at = Some(rustix::fs::openat2(from, &rest[..cut], DIRECTORY, Mode::empty(), BENEATH)?);
            rest = rest.get(cut + 1..).unwrap_or_default();
        }
        at.map(Self).ok_or_else(|| Errno::INVAL.into())
    }

    /// What stands at `name`.
    ///
    /// # Errors
    /// What the system says.
    pub fn standing(&self, name: &[u8]) -> io::Result<Standing> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(Standing::Directory),
            Ok(_) => Ok(Standing::Other),
            Err(Errno::NOENT) => Ok(Standing::Nothing),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether there is nothing in it but what a fresh file system has (`lost+found`).
    ///
    /// # Errors
    /// What the system says.
    pub fn is_empty(&self) -> io::Result<bool> {
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b".." | b"lost+found") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks at the directory itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn look(&self) -> io::Result<Fresh> {
        look_at(&self.0)
    }

    /// Makes a directory at a free name, for its owner alone, and opens it.
    ///
    /// # Errors
    /// What the system says; `EEXIST` when the name is taken.
    pub fn make_dir(&self, name: &[u8]) -> io::Result<(Self, Fresh)> {
        rustix::fs::mkdirat(&self.0, name, Mode::RWXU)?;
        let dir = Self(rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty())?);
        let fresh = dir.look()?;
        Ok((dir, fresh))
    }

    /// Makes an empty file at a free name, with these permission bits (less the process' mask).
    ///
    /// # Errors
    /// What the system says; `EEXIST` when the name is taken, be it by a link.
    pub fn make_file(&self, name: &[u8], mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(mode & 0o777))?))
    }

    /// Opens the file that was made with `identity`, to write more of it.
    ///
    /// # Errors
    /// What the system says; [`Obstacle::Exchanged`] when something else stands there by now.
    pub fn reopen_file(&self, name: &[u8], identity: Identity) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        if look_at(&file)?.identity == identity { Ok(File::from(file)) } else { Err(Obstacle::Exchanged.into()) }
    }

    /// Makes a symbolic link at a free name, and opens the link itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn make_symlink(&self, name: &[u8], target: &[u8]) -> io::Result<OwnedFd> {
        rustix::fs::symlinkat(target, &self.0, name)?;
        self.open_made(name, FileType::Symlink)
    }

    /// Makes a special file at a free name, for its owner alone, and opens it without using it.
    ///
    /// # Errors
    /// What the system says; `EPERM` for devices without the right to make them.
    pub fn make_special(&self, name: &[u8], special: Special) -> io::Result<OwnedFd> {
        let (sort, device) = match special {
            Special::Block(major, minor) => (FileType::BlockDevice, rustix::fs::makedev(major, minor)),
            Special::Char(major, minor) => (FileType::CharacterDevice, rustix::fs::makedev(major, minor)),
            Special::Fifo => (FileType::Fifo, 0),
            Special::Socket => (FileType::Socket, 0),
        };
        rustix::fs::mknodat(&self.0, name, sort, Mode::RUSR | Mode::WUSR, device)?;
        self.open_made(name, sort)
    }

    /// Opens what was just made, and makes sure that nobody has put something of another sort in its place.
    fn open_made(&self, name: &[u8], sort: FileType) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&made)?;
        let own = stat.st_nlink == 1 && stat.st_uid == rustix::process::geteuid().as_raw();
        if own && FileType::from_raw_mode(stat.st_mode) == sort { Ok(made) } else { Err(Obstacle::Exchanged.into()) }
    }

    /// Gives the file `name` of `from`, which must be the one with `identity`, a second name here.
    ///
    /// # Errors
    /// What the system says; [`Obstacle::Exchanged`] when something else stands there by now.
    pub fn make_link(&self, name: &[u8], from: &Self, from_name: &[u8], identity: Identity) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&from.0, from_name, flags, Mode::empty())?;
        if look_at(&file)?.identity != identity {
            return Err(Obstacle::Exchanged.into());
        }
        Ok(rustix::fs::linkat(CWD, own_path(&file), &self.0, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Puts `name` in place of `to`, whatever file stands there. Both are names in this directory.
    ///
    /// # Errors
    /// What the system says; `EISDIR` for a directory.
    pub fn replace(&self, name: &[u8], to: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(&self.0, name, &self.0, to, RenameFlags::empty())?)
    }

    /// Removes a name that is no directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Waits until the disk has all that was written to this file system, and tells whether that worked.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }

    /// Bytes that may still be written to its file system.
    ///
    /// # Errors
    /// What the system says.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.0)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// The identity of an open file.
///
/// # Errors
/// What the system says.
pub fn identity(file: impl AsFd) -> io::Result<Identity> {
    Ok(look_at(file)?.identity)
}

/// Writes all of `bytes` from `offset` on.
///
/// # Errors
/// What the system says.
pub fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    FileExt::write_all_at(file, bytes, offset)
}

/// The path of an open descriptor, for calls that take no descriptor opened with `O_PATH`.
pub(super) fn own_path(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// Whether an error means that the target as a whole takes no more.
#[must_use]
pub fn is_target_full(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS))
}

/// How many files this process may have open; the limit is raised as far as it may be, and is useful.
#[must_use]
pub fn room_for_open_files() -> usize {
    const USEFUL: u64 = 16_384;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(USEFUL).min(USEFUL);
    let present = limit.current.unwrap_or(USEFUL);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    // Where it cannot be raised, fewer directories are kept open.
    let room =
        if wanted > present && rustix::process::setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { present };
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// The process' mask for new files set aside: modes are those that are asked for while any of these is alive.
#[derive(Debug)]
pub struct NoMask(());

/// How many [`NoMask`] are alive, and the mask to put back.
static MASK: std::sync::Mutex<(usize, Option<Mode>)> = std::sync::Mutex::new((0, None));

impl NoMask {
    /// Sets the mask aside.
    #[must_use]
    pub fn new() -> Self {
        let mut state = MASK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.0 == 0 {
            state.1 = Some(rustix::process::umask(Mode::empty()));
        }
        state.0 += 1;
        Self(())
    }
}

impl Default for NoMask {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for NoMask {
    fn drop(&mut self) {
        let mut state = MASK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 -= 1;
        if let (0, Some(mask)) = (state.0, state.1) {
            rustix::process::umask(mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, Dir) {
        let dir = tempfile::tempdir().expect("temporary folder");
        let root = Dir::open_root(dir.path()).expect("open");
        (dir, root)
    }

    #[test]
    fn no_link_is_followed_and_the_root_is_never_left() {
        let (dir, root) = root();
        let outside = tempfile::tempdir().expect("temporary folder");
        symlink(outside.path(), dir.path().join("out")).expect("symlink");
        std::fs::create_dir(dir.path().join("in")).expect("mkdir");
        symlink("../in", dir.path().join("in/loop")).expect("symlink");
        assert!(root.open_below(b"in").is_ok());
        for path in [&b"out"[..], b"in/loop", b"..", b"in/../..", b"/", b"/tmp"] {
            assert!(root.open_below(path).is_err(), "{}", String::from_utf8_lossy(path));
        }
        assert!(root.make_file(b"out", 0o600).is_err(), "a planted link is not written through");
        assert_eq!(outside.path().read_dir().expect("list").count(), 0);
    }

    #[test]
    fn paths_longer_than_the_system_takes_at_once_are_opened_in_steps() {
        let (_keep, root) = root();
        let name = [b'n'; 200];
        let mut path = Vec::new();
        let mut dir = root.open_below(b"").expect("root");
        for _ in 0..50 {
            dir = dir.make_dir(&name).expect("mkdir").0;
            path.extend_from_slice(&name);
            path.push(b'/');
        }
        path.pop();
        let opened = root.open_below(&path).expect("open");
        assert_eq!(opened.look().expect("look").identity, dir.look().expect("look").identity);
    }

    #[test]
    fn a_file_put_in_place_of_ours_is_not_written_or_linked() {
        let (dir, root) = root();
        let file = root.make_file(b"a", 0o600).expect("make");
        let own = identity(&file).expect("identity");
        assert!(root.reopen_file(b"a", own).is_ok());
        std::fs::rename(dir.path().join("a"), dir.path().join("moved")).expect("rename");
        std::fs::write(dir.path().join("a"), b"planted").expect("write");
        assert!(root.reopen_file(b"a", own).is_err());
        assert!(root.make_link(b"b", &root, b"a", own).is_err());
        root.make_link(b"b", &root, b"moved", own).expect("the right one");
    }

    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let (dir, root) = root();
        let file = root.make_file(b"file", 0o600).expect("make");
        std::fs::create_dir_all(dir.path().join("dir/below")).expect("mkdir");
        symlink("dir", dir.path().join("link")).expect("symlink");
        let other = root.look().expect("look").identity;
        assert_ne!(identity(&file).expect("identity"), other);
        let obstacle = |done: io::Result<()>| Obstacle::of(&done.expect_err("refused"));
        assert_eq!(obstacle(root.open_below(b"link/below").map(drop)), Some(Obstacle::Link));
        assert_eq!(obstacle(root.reopen_file(b"file", other).map(drop)), Some(Obstacle::Exchanged));
        assert_eq!(obstacle(root.replace(b"file", b"dir")), Some(Obstacle::Directory));
        assert_eq!(obstacle(root.make_file(b"file", 0o600).map(drop)), Some(Obstacle::Taken));
        assert_eq!(obstacle(root.remove(b"absent")), None);
    }
}
