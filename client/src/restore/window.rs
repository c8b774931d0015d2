//! A stretch of the listing that is restored together: its pieces, ordered so that each segment is fetched once.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex};

use datis_engine::format::content::Ref;
use datis_engine::ids::{ChunkId, PackId};

use super::site::held;
use super::target::Target;
use crate::reader::{Place, Places, Segment, Wanted};

/// A chunk and the place in a file that it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) id: ChunkId,
    pub(super) len: u32,
    /// Index of the file in the window.
    pub(super) file: u32,
    /// Offset in the file's data.
    pub(super) offset: u64,
}

impl Piece {
    pub(super) fn new(file: u32, r: Ref, offset: u64) -> Self {
        // A length that no chunk can have finds no place with that length, and is told as a lost chunk.
        Self { id: r.id, len: u32::try_from(r.len).unwrap_or(u32::MAX), file, offset }
    }
}

/// Files and pieces that were collected.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) files: Vec<Arc<Target>>,
    pub(super) pieces: Vec<Piece>,
    /// Files without any bytes.
    pub(super) empty: Vec<Arc<Target>>,
}

/// Pieces of one file that stand in one segment.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) file: Arc<Target>,
    pub(super) pieces: Range<usize>,
}

/// A piece within a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    /// Index of the chunk among those that are wanted of the segment.
    pub(super) chunk: u32,
    /// Offset in the file's data.
    pub(super) offset: u64,
}

/// One segment and everything that is wanted of it.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) pack: PackId,
    pub(super) segment: u32,
    pub(super) wanted: Vec<Wanted>,
    pub(super) stands: Vec<Stand>,
    pub(super) units: Vec<Unit>,
    pub(super) window: Arc<Outstanding>,
}

/// Some files of a segment that was fetched, or some empty files.
pub(super) struct Batch {
    pub(super) fetch: Arc<Fetch>,
    pub(super) segment: Arc<Segment>,
    pub(super) units: Range<usize>,
}

/// A piece of work.
pub(super) enum Job {
    Fetch(Fetch),
    Batch(Batch),
    Empty(Vec<Arc<Target>>, Arc<Outstanding>),
}

/// How many jobs of a window are not done.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    count: Mutex<usize>,
    all_done: Condvar,
}

impl Outstanding {
    pub(super) fn add(&self, jobs: usize) {
        *held(&self.count) += jobs;
    }

    /// One job fewer when the result is dropped: also when the thread panics, so that nobody waits for it for ever.
    pub(super) const fn done_when_dropped(&self) -> DoneWhenDropped<'_> {
        DoneWhenDropped(self)
    }

    fn done(&self) {
        let mut count = held(&self.count);
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.all_done.notify_all();
        }
    }

    pub(super) fn wait(&self) {
        let mut count = held(&self.count);
        while *count > 0 {
            count = self.all_done.wait(count).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// See [`Outstanding::done_when_dropped`].
pub(super) struct DoneWhenDropped<'o>(&'o Outstanding);

impl Drop for DoneWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}

/// How many empty files are made in one go.
const EMPTY_AT_ONCE: usize = 256;

impl Window {
    /// Orders the pieces by segment. `found`: where they are, in the order of the pieces.
    pub(super) fn into_jobs(
        self,
        found: &[Option<Place>],
        places: &Places,
        window: &Arc<Outstanding>,
        lost: &mut dyn FnMut(&Arc<Target>, ChunkId),
    ) -> Vec<Job> {
        let Self { files, pieces, empty } = self;
        let mut placed: Vec<(Place, Piece)> = Vec::with_capacity(pieces.len());
        for (piece, place) in pieces.into_iter().zip(found) {
            match place {
                Some(place) if place.len == piece.len => placed.push((*place, piece)),
                Some(_) | None => lost(&files[piece.file as usize], piece.id),
            }
        }
        placed
            .sort_unstable_by_key(|(place, piece)| (place.pack, place.segment, place.offset, piece.file, piece.offset));
        let mut jobs: Vec<(u32, Job)> = placed
            .chunk_by(|(a, _), (b, _)| (a.pack, a.segment) == (b.pack, b.segment))
            .map(|group| fetch_of(group, &files, places, window))
            .collect();
        // In the order of the walk: neighbours in the tree are made one after the other, and files end early.
        jobs.sort_by_key(|(first, _)| *first);
        let empties = empty.chunks(EMPTY_AT_ONCE).map(|some| Job::Empty(some.to_vec(), window.clone()));
        empties.chain(jobs.into_iter().map(|(_, job)| job)).collect()
    }
}

/// `group`: all pieces of one segment, by their offset in it.
fn fetch_of(group: &[(Place, Piece)], files: &[Arc<Target>], places: &Places, window: &Arc<Outstanding>) -> (u32, Job) {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut stands: Vec<(u32, Stand)> = Vec::with_capacity(group.len());
    for (place, piece) in group {
        if wanted.last().is_none_or(|w| w.id != piece.id || w.offset != place.offset) {
            wanted.push(Wanted { id: piece.id, offset: place.offset, len: place.len });
        }
        let chunk = u32::try_from(wanted.len() - 1).unwrap_or(u32::MAX);
        stands.push((piece.file, Stand { chunk, offset: piece.offset }));
    }
    stands.sort_unstable_by_key(|(file, stand)| (*file, stand.offset));
    let mut units = Vec::new();
    let mut start = 0;
    for run in stands.chunk_by(|(a, _), (b, _)| a == b) {
        units.push(Unit { file: files[run[0].0 as usize].clone(), pieces: start..start + run.len() });
        start += run.len();
    }
    let first_file = stands.first().map_or(0, |(file, _)| *file);
    let (pack, segment) = group.first().map_or((0, 0), |(place, _)| (place.pack, place.segment));
    let stands = stands.into_iter().map(|(_, stand)| stand).collect();
    (first_file, Job::Fetch(Fetch { pack: places.pack(pack), segment, wanted, stands, units, window: window.clone() }))
}
