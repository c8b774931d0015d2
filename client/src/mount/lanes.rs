//! A few connections to the box, so that one who waits for bytes does not hold up the others.
//!
//! A file keeps its lane while it is open: what is read ahead for it stays at hand there. Lists have lanes of their own,
//! because looking around must not wait for large files.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::reader::{ChunkReader, ReadError};
use crate::state::State;

const FILE_LANES: usize = 4;
const LIST_LANES: usize = 2;

/// Requests that may be under way at a time; those beyond wait.
pub(crate) const LANES: usize = FILE_LANES + LIST_LANES;

/// The most plain bytes of segments that one lane keeps: 24 MiB over all.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The connections; each is made when it is first used.
pub(super) struct Lanes {
    state: State,
    files: [Lane; FILE_LANES],
    lists: [Lane; LIST_LANES],
    next_list: AtomicUsize,
}

#[derive(Default)]
struct Lane {
    reader: Mutex<Option<ChunkReader>>,
    /// Files that are open on it.
    users: Arc<AtomicUsize>,
}

/// The lane of an open file; dropped when it is closed.
#[derive(Debug)]
pub(super) struct FileLane {
    index: usize,
    users: Arc<AtomicUsize>,
}

impl Drop for FileLane {
    fn drop(&mut self) {
        self.users.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    pub(super) fn new(state: State) -> Self {
        Self { state, files: Default::default(), lists: Default::default(), next_list: AtomicUsize::new(0) }
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// The lane with the fewest open files; the first of several, so that whoever reads one file after the other finds
    /// again what was fetched for the last one.
    pub(super) fn join(&self) -> FileLane {
        let users = |index: &usize| self.files[*index].users.load(Ordering::Relaxed);
        let index = (0..FILE_LANES).min_by_key(users).unwrap_or(0);
        let users = self.files[index].users.clone();
        users.fetch_add(1, Ordering::Relaxed);
        FileLane { index, users }
    }

    /// Reads something of a file.
    pub(super) fn with_file<T>(
        &self,
        lane: &FileLane,
        read: impl FnOnce(&mut ChunkReader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let guard = self.files[lane.index].reader.lock().unwrap_or_else(PoisonError::into_inner);
        self.on(guard, read)
    }

    /// Reads something of a listing, on the first lane that is free.
    pub(super) fn with_list<T>(
        &self,
        read: impl FnOnce(&mut ChunkReader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let free = self.lists.iter().find_map(|lane| match lane.reader.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let guard = free.unwrap_or_else(|| {
            let turn = self.next_list.fetch_add(1, Ordering::Relaxed) % LIST_LANES;
            self.lists[turn].reader.lock().unwrap_or_else(PoisonError::into_inner)
        });
        self.on(guard, read)
    }

    fn on<T>(
        &self,
        mut lane: MutexGuard<'_, Option<ChunkReader>>,
        read: impl FnOnce(&mut ChunkReader) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        // Taken out while it is used: a reader that panicked is not used again.
        let mut reader = match lane.take() {
            Some(reader) => reader,
            None => ChunkReader::connect(&self.state)?.keeping_at_most(KEPT_BYTES_MAX),
        };
        let result = read(&mut reader);
        *lane = Some(reader);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_open_together_go_over_different_lanes_and_one_after_the_other_over_the_same() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let lanes = Lanes::new(crate::state::tests::enrolled(dir.path()));
        let (first, second) = (lanes.join(), lanes.join());
        assert_eq!((first.index, second.index), (0, 1));
        drop(first);
        assert_eq!(lanes.join().index, 0);
        let all: Vec<_> = (0..FILE_LANES).map(|_| lanes.join()).collect();
        assert_eq!(all.last().map(|lane| lane.index), Some(0), "second has one, all others have one too");
    }
}
