//! Linux: owner, mode, times and extended attributes of what was restored.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use datis_engine::units::FileTime;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use super::target::own_path;

const SET_ID: u32 = 0o6000;
const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// What an entry is to have besides its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The low 12 bits of `st_mode`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Last change of content.
    pub modified: FileTime,
    /// Extended attributes; ACLs are among them.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What could not be given because this user or the target's file system does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unmet {
    /// Owner or group.
    pub owner: bool,
    /// The set-id bits, which are dropped when the owner is not the right one.
    pub set_id: bool,
    /// Extended attributes.
    pub xattrs: bool,
}

/// What fresh entries get by themselves, so that only what differs costs a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// Whether this process may give files away.
    pub is_root: bool,
    /// Owner of fresh entries.
    pub uid: u32,
    /// Group of fresh entries.
    pub gid: u32,
    /// False where directories pass on group, mode or ACLs to what is made in them: everything is set then.
    pub are_plain: bool,
}

impl Defaults {
    /// What this process' fresh entries get where directories pass nothing on.
    #[must_use]
    pub fn of_process(are_plain: bool) -> Self {
        let uid = rustix::process::geteuid();
        Self { is_root: uid.is_root(), uid: uid.as_raw(), gid: rustix::process::getegid().as_raw(), are_plain }
    }
}

impl Attributes {
    /// The mode to make a file with: its own, unless it has to be writable until its attributes are set.
    #[must_use]
    pub fn creation_mode(&self, is_written_at_once: bool) -> u32 {
        if is_written_at_once && self.xattrs.is_empty() { self.mode & 0o777 } else { 0o600 }
    }

    /// Gives them to an open file or directory that was made with mode `has`.
    ///
    /// # Errors
    /// What the system says, unless it is that this user or file system cannot have it: that is the result.
    pub fn apply(&self, file: impl AsFd, has: u32, defaults: &Defaults) -> io::Result<Unmet> {
        let mut unmet = Unmet::default();
        let file = file.as_fd();
        let (uid, gid) = self.owner_to_set(defaults);
        unmet.owner = !owned(uid, gid, defaults, &|uid, gid| rustix::fs::fchown(file, uid, gid))?;
        if !defaults.are_plain {
            for name in [ACL_ACCESS, ACL_DEFAULT] {
                if !self.xattrs.iter().any(|(own, _)| own == name) {
                    drop_inherited(rustix::fs::fremovexattr(file, name))?;
                }
            }
        }
        for (name, value) in &self.xattrs {
            let set = rustix::fs::fsetxattr(file, name.as_slice(), value, XattrFlags::empty());
            unmet.xattrs |= !xattr_taken(set)?;
        }
        let mode = self.mode_to_set(&mut unmet);
        let owner_changed = uid.is_some() || gid.is_some();
        if mode != has || !defaults.are_plain || !self.xattrs.is_empty() || owner_changed && mode & SET_ID != 0 {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
        }
        rustix::fs::futimens(file, &self.times())?;
        Ok(unmet)
    }

    /// Gives them to a link or special file, opened without being used.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_to_special(&self, made: &OwnedFd, is_symlink: bool, defaults: &Defaults) -> io::Result<Unmet> {
        let mut unmet = Unmet::default();
        let (uid, gid) = self.owner_to_set(defaults);
        unmet.owner =
            !owned(uid, gid, defaults, &|uid, gid| rustix::fs::chownat(made, c"", uid, gid, AtFlags::EMPTY_PATH))?;
        let path = own_path(made);
        for (name, value) in &self.xattrs {
            let set = rustix::fs::setxattr(path.as_str(), name.as_slice(), value, XattrFlags::empty());
            unmet.xattrs |= !xattr_taken(set)?;
        }
        if !is_symlink {
            let mode = self.mode_to_set(&mut unmet);
            rustix::fs::chmodat(CWD, path.as_str(), Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        match rustix::fs::utimensat(made, c"", &self.times(), AtFlags::EMPTY_PATH) {
            // Kernels before 5.8 do not know the flag here.
            Err(Errno::INVAL) if !is_symlink => {
                rustix::fs::utimensat(CWD, path.as_str(), &self.times(), AtFlags::empty())?;
            }
            other => other?,
        }
        Ok(unmet)
    }

    fn owner_to_set(&self, defaults: &Defaults) -> (Option<Uid>, Option<Gid>) {
        let uid = (self.uid != defaults.uid || !defaults.are_plain).then(|| Uid::from_raw(self.uid));
        let gid = (self.gid != defaults.gid || !defaults.are_plain).then(|| Gid::from_raw(self.gid));
        (uid, gid)
    }

    /// A set-id bit under the wrong owner would give away rights that nobody meant to give.
    fn mode_to_set(&self, unmet: &mut Unmet) -> u32 {
        if unmet.owner && self.mode & SET_ID != 0 {
            unmet.set_id = true;
            self.mode & !SET_ID
        } else {
            self.mode
        }
    }

    fn times(&self) -> Timestamps {
        let modified = Timespec { tv_sec: self.modified.seconds, tv_nsec: i64::from(self.modified.nanoseconds) };
        let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        Timestamps { last_access: keep, last_modification: modified }
    }
}

/// Sets the owner as far as it may be set: without root the group alone, when the user is in it.
fn owned(
    uid: Option<Uid>,
    gid: Option<Gid>,
    defaults: &Defaults,
    chown: &dyn Fn(Option<Uid>, Option<Gid>) -> rustix::io::Result<()>,
) -> io::Result<bool> {
    if uid.is_none() && gid.is_none() {
        return Ok(true);
    }
    if defaults.is_root {
        return owner_taken(chown(uid, gid));
    }
    let group_set = match gid {
        None => true,
        Some(gid) => owner_taken(chown(None, Some(gid)))?,
    };
    Ok(group_set && uid.is_none_or(|uid| uid.as_raw() == defaults.uid))
}

/// False: this user or file system cannot have this owner. `EINVAL`: it has no number in this user namespace.
fn owner_taken(result: rustix::io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::INVAL) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// False: this user or file system cannot have this attribute. Root in a container is refused some too, and `ENOSPC`
/// tells of the room that a file system has for the attributes of one file, not of the disk.
fn xattr_taken(result: rustix::io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(
            Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE,
        ) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn drop_inherited(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Whether what is made in a directory gets group or ACLs from it.
///
/// # Errors
/// What the system says.
pub fn passes_on(dir: impl AsFd) -> io::Result<bool> {
    const SET_GID: u32 = 0o2000;
    let dir = dir.as_fd();
    if rustix::fs::fstat(dir)?.st_mode & SET_GID != 0 {
        return Ok(true);
    }
    match rustix::fs::fgetxattr_query(dir, ACL_DEFAULT) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::target::{Dir, NoMask, Special};
    use super::*;

    fn attributes(mode: u32, defaults: &Defaults) -> Attributes {
        let modified = FileTime { seconds: -5, nanoseconds: 123_456_789 };
        Attributes { mode, uid: defaults.uid, gid: defaults.gid, modified, xattrs: vec![] }
    }

    #[test]
    fn files_links_and_pipes_get_mode_and_times() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let root = Dir::open_root(dir.path()).expect("open");
        let _mask = NoMask::new();
        let defaults = Defaults::of_process(true);
        let wanted = attributes(0o6555, &defaults);
        let file = root.make_file(b"file", wanted.creation_mode(true)).expect("make");
        assert_eq!(wanted.apply(&file, wanted.creation_mode(true), &defaults).expect("apply"), Unmet::default());
        let pipe = root.make_special(b"pipe", Special::Fifo).expect("make");
        assert_eq!(wanted.apply_to_special(&pipe, false, &defaults).expect("apply"), Unmet::default());
        let link = root.make_symlink(b"link", b"nowhere").expect("make");
        assert_eq!(wanted.apply_to_special(&link, true, &defaults).expect("apply"), Unmet::default());
        for (name, mode) in [("file", Some(0o6555)), ("pipe", Some(0o6555)), ("link", None)] {
            let stat = dir.path().join(name).symlink_metadata().expect("stat");
            assert_eq!((stat.mtime(), stat.mtime_nsec()), (-5, 123_456_789), "{name}");
            assert!(mode.is_none_or(|mode| stat.mode() & 0o7777 == mode), "{name}: {:o}", stat.mode());
        }
    }

    #[test]
    fn a_set_id_bit_is_dropped_when_the_owner_cannot_be_set() {
        let defaults = Defaults { is_root: false, uid: 1000, gid: 1000, are_plain: true };
        let wanted = Attributes { uid: 0, ..attributes(0o4755, &defaults) };
        let mut unmet = Unmet { owner: true, ..Unmet::default() };
        assert_eq!(wanted.mode_to_set(&mut unmet), 0o755);
        assert!(unmet.set_id);
    }
}
