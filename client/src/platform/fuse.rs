//! Linux: the tree of `mount` as a FUSE file system: mounting it, and getting rid of it again.

mod served;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};

use self::served::Served;
use crate::mount::{LANES, MountError, Tree};

const DEVICE: &str = "/dev/fuse";

/// Who may look into a mounted tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Who mounted it, and that user may see everything.
    Owner,
    /// Every user, as far as modes and ACLs of the files allow.
    Everyone,
}

/// A tree that is mounted but not served yet.
pub(crate) struct Mounted {
    session: Session<Served>,
    dir: PathBuf,
}

/// Ends a mounted tree.
pub(crate) struct Unmounter {
    inner: SessionUnmounter,
    dir: PathBuf,
}

/// How a tree was unmounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmounted {
    /// It is gone.
    Wholly,
    /// Its name is gone; what is still in use ends with this process.
    Detached,
}

/// Mounts `tree` on `dir`.
pub(crate) fn mount(tree: Tree, dir: &Path, access: Access) -> Result<Mounted, MountError> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
        MountOption::FSName("datis".to_owned()),
        MountOption::Subtype("datis".to_owned()),
    ];
    if access == Access::Everyone {
        config.acl = SessionACL::All;
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    // One more than can wait for the box, so that what is known is answered meanwhile.
    config.n_threads = Some(LANES + 1);
    config.clone_fd = true;
    let session = Session::new(Served::new(tree, access), dir, &config).map_err(|e| refusal(&e, dir, access))?;
    Ok(Mounted { session, dir: dir.to_owned() })
}

fn refusal(error: &io::Error, dir: &Path, access: Access) -> MountError {
    let reason = error.to_string();
    if !Path::new(DEVICE).exists() {
        return MountError::NoFuse;
    }
    match error.kind() {
        _ if access == Access::Everyone && reason.contains("user_allow_other") => MountError::OthersNotAllowed,
        io::ErrorKind::PermissionDenied => MountError::NotAllowed { reason: format!("{DEVICE}: {reason}") },
        // The helper that mounts for ordinary users is not installed.
        io::ErrorKind::NotFound => MountError::NotAllowed { reason: "fusermount3 is not installed".to_owned() },
        _ if reason.contains("Permission denied") || reason.contains("Operation not permitted") => {
            MountError::NotAllowed { reason: reason.trim().replace('\n', " ") }
        }
        _ => MountError::System { dir: dir.to_owned(), reason: reason.trim().replace('\n', " ") },
    }
}

impl Mounted {
    /// Answers the kernel in threads of its own until the tree is unmounted; then calls `ended`.
    pub(crate) fn serve(mut self, ended: impl FnOnce(io::Result<()>) + Send + 'static) -> io::Result<Unmounter> {
        let inner = self.session.unmount_callable();
        let session = self.session;
        std::thread::Builder::new().name("mount".to_owned()).spawn(move || ended(session.run()))?;
        Ok(Unmounter { inner, dir: self.dir })
    }
}

impl Unmounter {
    /// Unmounts, whoever still uses it.
    pub(crate) fn unmount(&mut self) -> io::Result<Unmounted> {
        match self.inner.unmount() {
            Ok(()) => Ok(Unmounted::Wholly),
            Err(_) => self.detach(),
        }
    }

    fn detach(&self) -> io::Result<Unmounted> {
        for program in ["fusermount3", "fusermount", "umount"] {
            let flags: &[&str] = if program == "umount" { &["-l", "--"] } else { &["-u", "-z", "-q", "--"] };
            let done = Command::new(program).args(flags).arg(&self.dir).output();
            if done.is_ok_and(|done| done.status.success()) {
                return Ok(Unmounted::Detached);
            }
        }
        Err(io::Error::other("it is in use; unmount it by hand once it is not any more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_mount_says_what_to_do() {
        let dir = Path::new("/mnt");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let other = io::Error::other(
            "fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\n",
        );
        if Path::new(DEVICE).exists() {
            assert!(matches!(refusal(&denied, dir, Access::Owner), MountError::NotAllowed { .. }));
            assert!(matches!(refusal(&other, dir, Access::Everyone), MountError::OthersNotAllowed));
        } else {
            assert!(matches!(refusal(&denied, dir, Access::Owner), MountError::NoFuse));
        }
    }
}
