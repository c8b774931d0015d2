//! What all parts of a restore share: the target, the rules of naming, and the list of what went wrong.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datis_engine::keys::ChunkKeys;
use serde::Serialize;

use super::{Mode, RestoreError, RestoreRequest, RestoreSummary};
use crate::errors::shown;
use crate::platform::attributes::{Defaults, Unmet};
use crate::platform::target::{Dir, Identity, Obstacle, is_target_full};
use crate::progress::{Counter, Progress};
use crate::reader::ReadError;

/// The most problems that are kept with their paths; more are only counted.
const PROBLEMS_MAX: usize = 10_000;

/// An entry that was not restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it should be, below the target.
    pub path: String,
    /// Why it is not there.
    pub reason: String,
}

/// What could not be set although the entries are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Warnings {
    /// Entries that belong to this user instead of their owner or group.
    pub owners: u64,
    /// Files whose set-id bits were dropped because of that.
    pub set_id: u64,
    /// Entries with extended attributes that this user or file system cannot set.
    pub xattrs: u64,
    /// Device nodes that this user cannot make.
    pub devices: u64,
}

/// A directory of the target.
#[derive(Debug, Default)]
pub(super) struct DirNode {
    /// Below the target's root; empty for the root itself.
    pub(super) path: Vec<u8>,
    /// Of one that was made now, so that nothing else is taken for it later.
    pub(super) identity: Option<Identity>,
    /// Open for all threads, until too many others are.
    open: Mutex<Option<Arc<Dir>>>,
}

impl DirNode {
    pub(super) fn new(path: Vec<u8>, identity: Option<Identity>) -> Arc<Self> {
        Arc::new(Self { path, identity, open: Mutex::default() })
    }

    /// Nothing more comes into it.
    pub(super) fn close(&self) {
        held(&self.open).take();
    }
}

/// The target of a restore.
pub(super) struct Site<'r> {
    pub(super) root: Dir,
    pub(super) mode: Mode,
    /// Added to names that are taken, in [`Mode::Beside`].
    pub(super) suffix: String,
    pub(super) defaults: Defaults,
    pub(super) keys: ChunkKeys,
    pub(super) progress: &'r Progress,
    pub(super) log: Log,
    /// Directories that were opened, the oldest first.
    pub(super) opened: Mutex<VecDeque<Arc<DirNode>>>,
    /// The most directories that stay open.
    pub(super) opened_max: usize,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    problems: Mutex<Vec<Problem>>,
    pub(super) problem_count: Counter,
    owners: Counter,
    set_id: Counter,
    xattrs: Counter,
    pub(super) devices: Counter,
    pub(super) files: Counter,
    pub(super) others: Counter,
    pub(super) bytes: Counter,
    fatal: Mutex<Option<RestoreError>>,
    is_stopping: AtomicBool,
}

/// Counters and lists stay usable when a thread panicked: the panic itself ends the restore.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Site<'_> {
    /// Whether the restore is coming to an end before its time: what is under way is taken back.
    pub(super) fn is_stopping(&self) -> bool {
        self.log.is_stopping.load(Ordering::Relaxed) || self.progress.is_interrupted()
    }

    /// Stops everything; the first reason stays.
    pub(super) fn stop(&self, reason: RestoreError) {
        held(&self.log.fatal).get_or_insert(reason);
        self.log.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Why it was stopped.
    pub(super) fn take_fatal(&self) -> Option<RestoreError> {
        held(&self.log.fatal).take()
    }

    /// Something could not be read: one entry less, or the end of it all.
    pub(super) fn cannot_read(&self, path: &[u8], error: ReadError) {
        if error.is_local() {
            self.problem(path, error.chain(), 1);
        } else {
            self.stop(RestoreError::Read(error));
        }
    }

    /// Something could not be written: one entry less, or the end of it all when the target takes nothing more.
    pub(super) fn cannot_write(&self, path: &[u8], error: &io::Error) {
        if is_target_full(error) {
            self.stop(RestoreError::TargetFull { reason: error.to_string() });
        } else {
            self.problem(path, explained(error), 1);
        }
    }

    /// Some attributes could not be given. Those of a target that belongs to somebody else are theirs to set.
    pub(super) fn cannot_set_attributes(&self, path: &[u8], error: &io::Error) {
        if path.is_empty() && error.kind() == io::ErrorKind::PermissionDenied {
            self.count(Unmet { owner: true, ..Unmet::default() });
        } else {
            self.cannot_write(path, error);
        }
    }

    /// Adds a problem that stands for `entries` entries.
    pub(super) fn problem(&self, path: &[u8], reason: String, entries: u64) {
        self.progress.problems.add(entries);
        self.log.problem_count.add(entries);
        let mut problems = held(&self.log.problems);
        if problems.len() < PROBLEMS_MAX {
            problems.push(Problem { path: shown(path), reason });
        }
    }

    pub(super) fn count(&self, unmet: Unmet) {
        self.log.owners.add(u64::from(unmet.owner));
        self.log.set_id.add(u64::from(unmet.set_id));
        self.log.xattrs.add(u64::from(unmet.xattrs));
    }

    pub(super) fn warnings(&self) -> Warnings {
        Warnings {
            owners: self.log.owners.get(),
            set_id: self.log.set_id.get(),
            xattrs: self.log.xattrs.get(),
            devices: self.log.devices.get(),
        }
    }

    /// What this restore did. Its counters may go on from an earlier one's; this does not.
    pub(super) fn summary(&self, request: &RestoreRequest, took: Duration) -> RestoreSummary {
        RestoreSummary {
            snapshot: request.snapshot.id.to_string(),
            files: self.log.files.get(),
            others: self.log.others.get(),
            bytes: self.log.bytes.get(),
            problem_count: self.log.problem_count.get(),
            problems: self.take_problems(),
            warnings: self.warnings(),
            seconds: took.as_secs_f64(),
        }
    }

    pub(super) fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut *held(&self.log.problems))
    }
}

fn explained(error: &io::Error) -> String {
    match Obstacle::of(error) {
        Some(Obstacle::Link) => "a symbolic link is in the way, and links are not followed".to_owned(),
        Some(Obstacle::Exchanged) => "something else was put in its place while it was being restored".to_owned(),
        Some(Obstacle::Directory) => "a directory of this name is there, and only files are replaced".to_owned(),
        Some(Obstacle::Taken) => "something of this name is already there".to_owned(),
        None => error.to_string(),
    }
}

/// The path of `name` in `dir`, for messages.
pub(super) fn path_in(dir: &DirNode, name: &[u8]) -> Vec<u8> {
    let mut path = dir.path.clone();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Opens directories of the target. Shared through the nodes, so that what the planner made is not opened again.
pub(super) struct OpenDirs<'r> {
    site: &'r Site<'r>,
}

impl<'r> OpenDirs<'r> {
    pub(super) const fn new(site: &'r Site<'r>) -> Self {
        Self { site }
    }

    /// Opens `node`, following no link; one that was made by this restore must still be the same.
    pub(super) fn open(&mut self, node: &Arc<DirNode>) -> io::Result<Arc<Dir>> {
        let mut open = held(&node.open);
        if let Some(dir) = &*open {
            return Ok(dir.clone());
        }
        let dir = self.site.root.open_below(&node.path)?;
        if node.identity.is_some() && node.identity != Some(dir.look()?.identity) {
            return Err(Obstacle::Exchanged.into());
        }
        let dir = Arc::new(dir);
        *open = Some(dir.clone());
        drop(open);
        self.note(node);
        Ok(dir)
    }

    /// Keeps a directory that was just made.
    pub(super) fn keep(&mut self, node: &Arc<DirNode>, dir: Dir) {
        *held(&node.open) = Some(Arc::new(dir));
        self.note(node);
    }

    /// Closes the oldest one when there are too many. Whoever works in it has a handle of their own.
    fn note(&self, node: &Arc<DirNode>) {
        let mut opened = held(&self.site.opened);
        opened.push_back(node.clone());
        let oldest = if opened.len() > self.site.opened_max { opened.pop_front() } else { None };
        drop(opened);
        if let Some(oldest) = oldest {
            oldest.close();
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use datis_engine::keys::DedupSecret;

    use super::*;

    pub(in super::super) fn with_site(opened_max: usize, mode: Mode, check: impl FnOnce(&std::path::Path, &Site<'_>)) {
        let dir = tempfile::tempdir().expect("temporary folder");
        let progress = Progress::new();
        let site = Site {
            root: Dir::open_root(dir.path()).expect("open"),
            mode,
            suffix: String::new(),
            defaults: Defaults::of_process(true),
            keys: ChunkKeys::derive(&DedupSecret::from_bytes([1; 32])),
            progress: &progress,
            log: Log::default(),
            opened: Mutex::default(),
            opened_max,
        };
        check(dir.path(), &site);
    }

    #[test]
    fn what_went_wrong_before_under_the_same_counters_is_not_counted_again() {
        with_site(1, Mode::Empty, |_, site| {
            site.progress.problems.add(7);
            site.problem(b"x", "it is gone".to_owned(), 2);
            let done = site.summary(&super::super::back::tests::request("/home/claire"), Duration::ZERO);
            assert_eq!((done.problem_count, done.problems.len()), (2, 1));
            assert_eq!(site.progress.problems.get(), 9, "the whole command has met so many");
        });
    }

    fn make(site: &Site<'_>, name: &[u8]) -> Arc<DirNode> {
        let (dir, fresh) = site.root.make_dir(name).expect("make");
        let node = DirNode::new(name.to_vec(), Some(fresh.identity));
        OpenDirs::new(site).keep(&node, dir);
        node
    }

    #[test]
    fn few_directories_stay_open_and_the_others_are_opened_again() {
        with_site(2, Mode::Empty, |_, site| {
            let nodes: Vec<_> = [b"a", b"b", b"c"].iter().map(|name| make(site, *name)).collect();
            let is_open = |node: &DirNode| held(&node.open).is_some();
            assert_eq!(nodes.iter().map(|node| is_open(node)).collect::<Vec<_>>(), [false, true, true]);
            OpenDirs::new(site).open(&nodes[0]).expect("again");
            assert_eq!(nodes.iter().map(|node| is_open(node)).collect::<Vec<_>>(), [true, false, true]);
        });
    }

    #[test]
    fn another_directory_in_the_place_of_ours_is_not_used() {
        with_site(1, Mode::Empty, |root, site| {
            let node = make(site, b"a");
            make(site, b"b");
            std::fs::rename(root.join("a"), root.join("moved")).expect("rename");
            std::fs::create_dir(root.join("a")).expect("planted");
            let error = OpenDirs::new(site).open(&node).expect_err("planted");
            assert!(explained(&error).contains("something else was put in its place"), "{error}");
        });
    }

    #[test]
    fn a_full_target_ends_the_restore_and_other_errors_do_not() {
        with_site(1, Mode::Empty, |_, site| {
            site.cannot_write(b"x", &Obstacle::Directory.into());
            site.cannot_set_attributes(b"", &rustix::io::Errno::PERM.into());
            assert!(!site.is_stopping() && site.warnings().owners == 1 && site.progress.problems.get() == 1);
            site.cannot_write(b"y", &rustix::io::Errno::NOSPC.into());
            assert!(site.is_stopping());
            assert!(matches!(site.take_fatal(), Some(RestoreError::TargetFull { .. })));
            assert_eq!(site.take_problems().len(), 1);
        });
    }
}
