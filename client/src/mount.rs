//! Snapshots as a read-only file system: `SOURCE/TIME/…` below one directory, read from the box only where somebody looks.
//!
//! ```text
//! platform::fuse ─► tree: number of an inode → place → entry ─► directory, content ─► lanes ─► reader ─► box
//! ```
//! Nothing is fetched before it is asked for, and nothing is kept without a limit: names that the kernel remembers, some
//! entries, some segments. A part that cannot be read is an error of that file or directory alone.

mod cache;
mod content;
mod directory;
mod inodes;
mod lanes;
mod shelf;
mod tree;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use crate::exit::Exit;
use crate::platform::fuse::{self, Access};
use crate::platform::signals::on_stop_request;
use crate::reader::ReadError;
use crate::state::State;

pub(crate) use content::OpenFile;
pub(crate) use directory::{Item, OpenDirectory};
pub(crate) use lanes::LANES;
pub(crate) use tree::{Seen, Tree, TreeError};

/// How long a file system that nobody uses any more may take to end.
const END_MAX: Duration = Duration::from_secs(5);

/// What to mount, and for whom.
#[derive(Debug, Clone)]
pub struct MountRequest {
    /// An empty directory.
    pub dir: PathBuf,
    /// Whether other users of this machine may look too, as far as the files' modes allow.
    pub allow_other: bool,
}

/// Why nothing could be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The box, or the way to it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The directory is not there, or is no directory.
    #[error("{dir} cannot be mounted on ({reason}); name an empty directory that is there")]
    Dir {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// There is something in it.
    #[error("{0} is not empty; what is in it would be hidden, name an empty directory")]
    NotEmpty(PathBuf),
    /// No FUSE here.
    #[error("this system has no /dev/fuse; load the kernel module with `modprobe fuse`, or use `datis restore`")]
    NoFuse,
    /// No right to use it.
    #[error(
        "this user may not mount ({reason}); run it as root, or install fuse3 and ask the admin for the right to use /dev/fuse"
    )]
    NotAllowed {
        /// What the system says.
        reason: String,
    },
    /// Other users may look only if the admin says so.
    #[error("--allow-other is not permitted here; put `user_allow_other` into /etc/fuse.conf, or run it as root")]
    OthersNotAllowed,
    /// Something else.
    #[error("{dir} cannot be mounted on: {reason}")]
    System {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        reason: String,
    },
}

impl MountError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Read(error) => error.exit(),
            Self::Dir { .. }
            | Self::NotEmpty(_)
            | Self::NoFuse
            | Self::NotAllowed { .. }
            | Self::OthersNotAllowed
            | Self::System { .. } => Exit::Failed,
        }
    }
}

enum Event {
    Ended(io::Result<()>),
    Stop,
}

/// Mounts, calls `mounted`, and returns once the directory is unmounted again: from outside, or because the process is
/// asked to stop.
///
/// # Errors
/// [`MountError`]; nothing is mounted then.
pub fn run(state: State, request: &MountRequest, mounted: &mut dyn FnMut()) -> Result<(), MountError> {
    check_dir(request)?;
    let tree = Tree::open(state)?;
    let access = if request.allow_other { Access::Everyone } else { Access::Owner };
    let mount = fuse::mount(tree, &request.dir, access)?;
    let (events, inbox) = mpsc::channel();
    let stop = events.clone();
    if let Err(error) = on_stop_request(move || drop(stop.send(Event::Stop))) {
        tracing::warn!(%error, "signals cannot be watched; end this with `fusermount -u` on the directory");
    }
    let unmounter = mount.serve(move |ended| drop(events.send(Event::Ended(ended))));
    let mut unmounter = unmounter.map_err(|e| refused(request, &e))?;
    mounted();
    match inbox.recv() {
        Ok(Event::Ended(ended)) => told(ended),
        Ok(Event::Stop) => {
            // What still has a file open there keeps an ended file system, which answers with errors.
            if unmounter.unmount().map_err(|e| refused(request, &e))? == fuse::Unmounted::Detached {
                tracing::warn!(
                    "{} is still in use; what has a file open there can read no further",
                    request.dir.display()
                );
                return Ok(());
            }
            if let Ok(Event::Ended(ended)) = inbox.recv_timeout(END_MAX) {
                told(ended);
            }
        }
        Err(mpsc::RecvError) => {}
    }
    Ok(())
}

fn told(ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::warn!(%error, "the file system has ended");
    }
}

fn check_dir(request: &MountRequest) -> Result<(), MountError> {
    let unusable = |e: io::Error| MountError::Dir { dir: request.dir.clone(), reason: e.to_string() };
    let mut names = std::fs::read_dir(&request.dir).map_err(unusable)?;
    if names.next().is_some() { Err(MountError::NotEmpty(request.dir.clone())) } else { Ok(()) }
}

fn refused(request: &MountRequest, error: &io::Error) -> MountError {
    MountError::System { dir: request.dir.clone(), reason: error.to_string() }
}
