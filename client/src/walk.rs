//! The walk: every entry below some roots, in the order of a listing, looked at ahead of time by several threads.
//!
//! Whoever walks gets one entry after the other; meanwhile the scanners read the directories that come next. A directory
//! that no scanner has begun is read by the walker itself, so the walk never waits for work that nobody does.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use datis_engine::format::path::EntryPath;

use crate::exclude::{CACHE_TAG, Excludes, IGNORE_FILE, PatternError, is_cache};
use crate::platform::names::{bytes_of, path_of};
use crate::platform::scan::{Names, Sort, Stat, stat};

/// Directories with up to this many names are looked at whole, ahead of time; larger ones entry by entry.
const STAT_AHEAD_MAX: usize = 4_096;

/// Looked-at entries that may wait for the walker, over all directories: about 10 MB.
const WAITING_MAX: usize = 32_768;

const SCANNERS: usize = 4;

/// One entry that the walk came to.
#[derive(Debug)]
pub struct Found {
    /// Its path in the listing.
    pub path: EntryPath,
    /// Its absolute path on this machine.
    pub absolute: PathBuf,
    /// What it is.
    pub stat: Stat,
    /// The sort, taken from `stat`.
    pub sort: Sort,
}

/// Something that the walk could not look at.
#[derive(Debug)]
pub struct Unreadable {
    /// Its absolute path on this machine.
    pub absolute: PathBuf,
    /// Why.
    pub reason: String,
}

/// What the walk gives.
#[derive(Debug)]
pub enum Step {
    /// An entry.
    Found(Found),
    /// Something that could not be looked at; the walk goes on.
    Unreadable(Unreadable),
}

/// Why a walk cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A root does not exist or cannot be reached.
    #[error("{path} cannot be backed up: {reason}")]
    Root {
        /// The root as it was given.
        path: String,
        /// Why.
        reason: String,
    },
    /// A `--exclude` pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// What to walk.
#[derive(Debug, Clone, Default)]
pub struct WalkOptions {
    /// `--exclude` patterns.
    pub excludes: Vec<String>,
    /// Do not enter other file systems than that of the root.
    pub one_file_system: bool,
}

/// The roots as absolute paths without links, sorted, without those that lie in another one.
///
/// # Errors
/// [`WalkError::Root`].
pub fn resolve_roots(roots: &[PathBuf]) -> Result<Vec<PathBuf>, WalkError> {
    let mut resolved = roots
        .iter()
        .map(|root| {
            std::fs::canonicalize(root).map_err(|e| WalkError::Root {
                path: root.display().to_string(),
                reason: match e.kind() {
                    io::ErrorKind::NotFound => "it is not there; check the spelling".into(),
                    _ => e.to_string(),
                },
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    resolved.sort_by(|a, b| datis_engine::format::path::compare(&bytes_of(a), &bytes_of(b)));
    resolved.dedup_by(|later, earlier| later.starts_with(earlier));
    Ok(resolved)
}

/// Walks `roots` ([`resolve_roots`]) and hands every step to `visit`, which may end the walk with an error.
///
/// # Errors
/// [`WalkError`] converted, or what `visit` returns.
pub fn walk<E: From<WalkError>>(
    roots: &[PathBuf],
    options: &WalkOptions,
    visit: &mut dyn FnMut(Step) -> Result<(), E>,
) -> Result<(), E> {
    let excludes = Excludes::new(&options.excludes).map_err(WalkError::from)?;
    let scans = Scans::default();
    std::thread::scope(|scope| {
        for _ in 0..SCANNERS {
            scope.spawn(|| scans.scan_until_stopped());
        }
        let result = Walker { scans: &scans, options, last_parent: None, visit }.walk_roots(roots, &excludes);
        scans.stop();
        result
    })
}

struct Walker<'w, E> {
    scans: &'w Scans,
    options: &'w WalkOptions,
    /// The deepest directory above a root that was visited, so that roots with common parents visit these once.
    last_parent: Option<PathBuf>,
    visit: &'w mut dyn FnMut(Step) -> Result<(), E>,
}

impl<E: From<WalkError>> Walker<'_, E> {
    fn walk_roots(&mut self, roots: &[PathBuf], excludes: &Excludes) -> Result<(), E> {
        for root in roots {
            let stat =
                stat(root).map_err(|e| WalkError::Root { path: root.display().to_string(), reason: e.to_string() })?;
            self.visit_parents(root)?;
            let is_top = root.parent().is_none();
            if !is_top {
                self.visit_entry(root, stat)?;
            }
            if stat.sort() == Some(Sort::Directory) {
                self.walk_directory(&Scan::new(root.clone()), stat, excludes)?;
            }
        }
        Ok(())
    }

    fn visit_parents(&mut self, root: &Path) -> Result<(), E> {
        let mut parents: Vec<&Path> = root.ancestors().skip(1).filter(|p| p.parent().is_some()).collect();
        parents.reverse();
        let visited = self.last_parent.clone();
        for parent in parents {
            if visited.as_ref().is_some_and(|v| v.starts_with(parent)) {
                continue;
            }
            match stat(parent) {
                Ok(stat) => self.visit_entry(parent, stat)?,
                Err(e) => self.unreadable(parent, &e)?,
            }
        }
        self.last_parent = root.parent().map(Path::to_path_buf);
        Ok(())
    }

    /// Goes through a directory, and depth first through those in it.
    fn walk_directory(&mut self, scan: &Arc<Scan>, own: Stat, excludes: &Excludes) -> Result<(), E> {
        let mut frames = vec![];
        if let Some(frame) = self.open(scan, excludes)? {
            frames.push(frame);
        }
        while let Some(frame) = frames.last_mut() {
            let Some(next) = frame.next() else {
                frames.pop();
                continue;
            };
            match next {
                Child::Unreadable(path, error) => self.unreadable(&path, &error)?,
                Child::Entry(path, stat) => self.visit_entry(&path, stat)?,
                Child::Directory(scan, stat) => {
                    self.visit_entry(&scan.path, stat)?;
                    let excludes = frame.excludes.clone();
                    let enters = !self.options.one_file_system || stat.device == own.device;
                    if enters && let Some(frame) = self.open(&scan, &excludes)? {
                        frames.push(frame);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a directory's scan and orders those of the directories in it.
    fn open(&mut self, scan: &Arc<Scan>, excludes: &Excludes) -> Result<Option<Frame>, E> {
        let listing = match self.scans.take(scan) {
            Ok(listing) => listing,
            Err(error) => {
                self.unreadable(&scan.path, &error)?;
                return Ok(None);
            }
        };
        let mut excludes = excludes.clone();
        if listing.names.contains(IGNORE_FILE.as_bytes()) {
            match excludes.with_file(&scan.path) {
                Ok(inner) => excludes = inner,
                // Said, and the snapshot is incomplete; the directory is backed up with the patterns from above.
                Err(error) => self.unreadable(&scan.path.join(IGNORE_FILE), &io::Error::other(error.to_string()))?,
            }
        }
        let is_cache = listing.names.contains(CACHE_TAG.as_bytes()) && is_cache(&scan.path);
        let mut frame = Frame { path: scan.path.clone(), listing, ordered: VecDeque::new(), at: 0, excludes, is_cache };
        frame.order_directories(self.scans);
        Ok(Some(frame))
    }

    fn visit_entry(&mut self, absolute: &Path, stat: Stat) -> Result<(), E> {
        let Some(sort) = stat.sort() else {
            return self.unreadable(absolute, &io::Error::other("it is of a sort that this program does not know"));
        };
        match EntryPath::from_user(&bytes_of(absolute)) {
            Ok(path) => (self.visit)(Step::Found(Found { path, absolute: absolute.to_path_buf(), stat, sort })),
            Err(error) => self.unreadable(absolute, &io::Error::other(error.to_string())),
        }
    }

    fn unreadable(&mut self, absolute: &Path, error: &io::Error) -> Result<(), E> {
        (self.visit)(Step::Unreadable(Unreadable { absolute: absolute.to_path_buf(), reason: error.to_string() }))
    }
}

/// A directory that the walker is in.
struct Frame {
    path: PathBuf,
    listing: Listing,
    /// Scans of the directories still to come, in order.
    ordered: VecDeque<(usize, Arc<Scan>)>,
    at: usize,
    excludes: Excludes,
    is_cache: bool,
}

enum Child {
    Entry(PathBuf, Stat),
    Directory(Arc<Scan>, Stat),
    Unreadable(PathBuf, io::Error),
}

impl Frame {
    /// Orders the scans of all directories in this one that were looked at already.
    fn order_directories(&mut self, scans: &Scans) {
        let mut ordered = Vec::new();
        for index in 0..self.listing.stats.len() {
            let Some(Ok(stat)) = self.listing.stats.get(index) else { continue };
            if stat.sort() == Some(Sort::Directory) {
                let path = self.child_path(index);
                if !self.leaves_out(&path, stat) {
                    ordered.push((index, Scan::new(path)));
                }
            }
        }
        scans.order_all(&ordered);
        self.ordered = ordered.into();
    }

    fn child_path(&self, index: usize) -> PathBuf {
        self.path.join(path_of(self.listing.names.get(index).unwrap_or_default()))
    }

    fn leaves_out(&self, path: &Path, stat: &Stat) -> bool {
        let is_directory = stat.sort() == Some(Sort::Directory);
        stat.no_dump
            || self.is_cache && path.file_name() != Some(OsStr::new(CACHE_TAG))
            || self.excludes.excludes(path, is_directory)
    }

    fn next(&mut self) -> Option<Child> {
        loop {
            let index = self.at;
            let name = self.listing.names.get(index)?;
            self.at += 1;
            let looked = match self.listing.stats.get_mut(index) {
                Some(ahead) => std::mem::replace(ahead, Err(io::Error::other("looked at twice"))),
                None => self.listing.names.stat(name),
            };
            let path = self.child_path(index);
            let stat = match looked {
                Ok(stat) => stat,
                // Gone between listing and looking: as if it had never been there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Some(Child::Unreadable(path, error)),
            };
            if self.leaves_out(&path, &stat) {
                continue;
            }
            if stat.sort() != Some(Sort::Directory) {
                return Some(Child::Entry(path, stat));
            }
            let scan = match self.ordered.pop_front() {
                Some((ordered, scan)) if ordered == index => scan,
                Some(other) => {
                    self.ordered.push_front(other);
                    Scan::new(path)
                }
                None => Scan::new(path),
            };
            return Some(Child::Directory(scan, stat));
        }
    }
}

/// One directory's names, and what was looked at ahead of time (all of them, or none).
#[derive(Debug)]
struct Listing {
    names: Names,
    stats: Vec<io::Result<Stat>>,
}

impl Listing {
    fn read(path: &Path) -> io::Result<Self> {
        let names = Names::read(path)?;
        let ahead = if names.len() <= STAT_AHEAD_MAX { names.len() } else { 0 };
        let stats = (0..ahead).filter_map(|i| names.get(i)).map(|name| names.stat(name)).collect();
        Ok(Self { names, stats })
    }
}

/// The scan of one directory.
struct Scan {
    path: PathBuf,
    state: Mutex<ScanState>,
    done: Condvar,
}

enum ScanState {
    Ordered,
    Running,
    Done(io::Result<Listing>),
    Taken,
}

impl Scan {
    fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, state: Mutex::new(ScanState::Ordered), done: Condvar::new() })
    }
}

/// What the scanners are to do next, the most urgent last.
#[derive(Default)]
struct Scans {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    ordered: Vec<Arc<Scan>>,
    waiting: usize,
    stopped: bool,
}

/// A scanner that panicked leaves plain data behind, which is fit for use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scans {
    fn order_all(&self, scans: &[(usize, Arc<Scan>)]) {
        if scans.is_empty() {
            return;
        }
        lock(&self.queue).ordered.extend(scans.iter().rev().map(|(_, scan)| scan.clone()));
        self.changed.notify_all();
    }

    fn stop(&self) {
        lock(&self.queue).stopped = true;
        self.changed.notify_all();
    }

    fn scan_until_stopped(&self) {
        while let Some(scan) = self.next_ordered() {
            if !begin(&scan) {
                continue;
            }
            let listing = Listing::read(&scan.path);
            lock(&self.queue).waiting += listing.as_ref().map_or(0, |l| l.stats.len());
            *lock(&scan.state) = ScanState::Done(listing);
            scan.done.notify_all();
        }
    }

    fn next_ordered(&self) -> Option<Arc<Scan>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.stopped {
                return None;
            }
            if queue.waiting < WAITING_MAX
                && let Some(scan) = queue.ordered.pop()
            {
                return Some(scan);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The scan's result: ready, awaited, or made here and now.
    fn take(&self, scan: &Scan) -> io::Result<Listing> {
        if begin(scan) {
            *lock(&scan.state) = ScanState::Taken;
            return Listing::read(&scan.path);
        }
        let mut state = lock(&scan.state);
        while matches!(*state, ScanState::Running) {
            state = scan.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match std::mem::replace(&mut *state, ScanState::Taken) {
            ScanState::Done(listing) => {
                lock(&self.queue).waiting -= listing.as_ref().map_or(0, |l| l.stats.len());
                self.changed.notify_all();
                listing
            }
            ScanState::Ordered | ScanState::Running | ScanState::Taken => {
                Err(io::Error::other("the directory was taken twice"))
            }
        }
    }
}

/// Marks an ordered scan as running; false when somebody else has it.
fn begin(scan: &Scan) -> bool {
    let mut state = lock(&scan.state);
    let is_ordered = matches!(*state, ScanState::Ordered);
    if is_ordered {
        *state = ScanState::Running;
    }
    is_ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path, options: &WalkOptions) -> Vec<String> {
        let roots = resolve_roots(&[root.to_path_buf()]).expect("roots");
        let mut seen: Vec<EntryPath> = Vec::new();
        walk::<WalkError>(&roots, options, &mut |step| {
            match step {
                Step::Found(found) => seen.push(found.path),
                Step::Unreadable(what) => panic!("{what:?}"),
            }
            Ok(())
        })
        .expect("walk");
        assert!(seen.is_sorted(), "the walk is in the order of a listing");
        let base = EntryPath::from_user(&bytes_of(&roots[0])).expect("path");
        seen.iter().filter_map(|p| p.below(&base)).map(|p| p.to_string()).collect()
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("folder");
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folders");
            std::fs::write(path, file).expect("file");
        }
        dir
    }

    #[test]
    fn entries_come_in_the_order_of_a_listing() {
        let dir = tree(&["a/x", "a.b", "a-", "a/b/c", "z/0", "b"]);
        assert_eq!(
            paths(dir.path(), &WalkOptions::default()),
            ["a", "a/b", "a/b/c", "a/x", "a-", "a.b", "b", "z", "z/0"]
        );
    }

    #[test]
    fn thousands_of_directories_are_walked_completely() {
        let names: Vec<String> = (0..3_000).map(|n| format!("{}/{}/{n}", n % 7, n % 300)).collect();
        let dir = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let files = paths(dir.path(), &WalkOptions::default()).iter().filter(|p| p.matches('/').count() == 2).count();
        assert_eq!(files, 3_000);
    }

    #[test]
    fn excluded_directories_ignore_files_and_caches_are_left_out() {
        let dir = tree(&["keep/a", "skip/b", "cache/data", "deep/x/secret.key", "deep/x/y"]);
        std::fs::write(dir.path().join("cache").join(CACHE_TAG), "Signature: 8a477f597d28d172789f06886806bc55\n")
            .expect("tag");
        std::fs::write(dir.path().join("deep/.datisignore"), "*.key\n").expect("ignore file");
        let options = WalkOptions { excludes: vec!["skip/".into()], ..WalkOptions::default() };
        let expected =
            ["cache", "cache/CACHEDIR.TAG", "deep", "deep/.datisignore", "deep/x", "deep/x/y", "keep", "keep/a"];
        assert_eq!(paths(dir.path(), &options), expected);
    }

    #[test]
    fn roots_within_roots_are_walked_once_and_absent_ones_are_named() {
        let dir = tree(&["a/b/c", "d"]);
        let roots = [dir.path().join("a/b"), dir.path().to_path_buf(), dir.path().join("a")];
        assert_eq!(resolve_roots(&roots).expect("roots").len(), 1);
        let absent = resolve_roots(&[dir.path().join("nothing")]).expect_err("absent");
        assert!(absent.to_string().contains("nothing cannot be backed up: it is not there"), "{absent}");
    }
}
