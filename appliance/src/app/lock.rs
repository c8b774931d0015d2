//! One process at a time works in the box's folder: the one that holds the lock on `DIR/lock`.
//!
//! The lock is the system's (flock), so that it goes with its process however that ends.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::config::DataDir;
use crate::control::socket;
use crate::files::{self, FileError};

/// Short commands end within this time, and a daemon that starts opens its socket.
const PATIENCE: Duration = Duration::from_secs(30);
/// A command that needs the folder for itself gives up sooner: a daemon does not go away by itself.
const TAKE_PATIENCE: Duration = Duration::from_secs(3);

/// Why the folder could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("another datisd works in {folder}; stop it first, or give this one another folder with --data")]
    Taken { folder: PathBuf },
    #[error("another datisd works in {folder} and does not answer; wait for its command to end, or look at its log")]
    Silent { folder: PathBuf },
    #[error("the box's folder cannot be used; check that it is there and who owns it")]
    Folder(#[from] FileError),
    #[error("{path} cannot be locked; check the owner of the folder")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The lock; given back when dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "held open, since closing it gives the lock back")] File);

impl Lock {
    /// Takes the lock; waits a moment for a short command to end.
    pub(crate) fn take(dir: &DataDir) -> Result<Self, LockError> {
        files::make_private_dir(dir.root())?;
        let started = Instant::now();
        loop {
            if let Some(lock) = Self::try_take(dir)? {
                return Ok(lock);
            }
            if started.elapsed() > TAKE_PATIENCE {
                return Err(LockError::Taken { folder: dir.root().to_owned() });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn try_take(dir: &DataDir) -> Result<Option<Self>, LockError> {
        let path = dir.lock_file();
        let refuse = |source| LockError::File { path: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(refuse)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(refuse(e.into())),
        }
    }
}

/// How a command gets at the box.
pub(crate) enum Way {
    /// Nobody else works in the folder.
    Alone(Lock),
    /// The daemon does, and takes commands.
    Daemon(UnixStream),
}

impl Way {
    /// Finds the way; waits for a daemon that is just starting, and for other commands to end.
    pub(crate) fn find(dir: &DataDir) -> Result<Self, LockError> {
        let started = Instant::now();
        loop {
            if let Some(lock) = Lock::try_take(dir)? {
                return Ok(Self::Alone(lock));
            }
            if let Ok(stream) = socket::connect(&dir.control_socket()) {
                return Ok(Self::Daemon(stream));
            }
            if started.elapsed() > PATIENCE {
                return Err(LockError::Silent { folder: dir.root().to_owned() });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::{Failed, FailedKind};

    #[test]
    fn the_folder_belongs_to_one_at_a_time() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path().join("box"));
        let lock = Lock::take(&dir).expect("first");
        assert!(matches!(Lock::take(&dir), Err(LockError::Taken { .. })));
        drop(lock);
        assert!(matches!(Way::find(&dir), Ok(Way::Alone(_))));
    }

    #[test]
    fn a_command_waits_until_the_daemon_takes_commands() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        let _lock = Lock::take(&dir).expect("the daemon's lock");
        let path = dir.control_socket();
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            socket::serve(&path, Arc::new(|_, _| Err(Failed { sentence: String::new(), kind: FailedKind::Failed })))
        });
        assert!(matches!(Way::find(&dir), Ok(Way::Daemon(_))));
        late.join().expect("thread").expect("serve");
    }
}
