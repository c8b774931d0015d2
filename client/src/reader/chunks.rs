//! Chunks one at a time, for listings, contents and single files: segments are kept for a while, in bounded memory.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use datis_engine::ids::ChunkId;
use datis_engine::keys::ChunkKeys;

use super::fetch::{Fetcher, Place, Places, Segment, Wanted};
use super::{ReadError, content};
use crate::link::{Connection, LinkError};
use crate::state::State;

/// The most plain bytes of segments that are kept.
const KEPT_BYTES_MAX: usize = 24 << 20;

/// The most segments that are kept.
const KEPT_SEGMENTS_MAX: usize = 256;

/// The most places that are remembered; beyond it all are forgotten and asked for again.
const PLACES_MAX: usize = 1 << 16;

/// The bytes of one chunk, whose name was checked.
#[derive(Debug, Clone)]
pub struct Chunk {
    segment: Arc<Kept>,
    start: usize,
    end: usize,
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.segment.segment.plain().get(self.start..self.end).unwrap_or_default()
    }
}

/// A fetched segment. `starts` is used when it holds only some of the chunks.
#[derive(Debug)]
struct Kept {
    segment: Segment,
    starts: HashMap<ChunkId, u32>,
}

impl Kept {
    fn start_of(&self, id: &ChunkId, place: Place) -> Option<usize> {
        if self.segment.is_whole() {
            Some(place.offset as usize)
        } else {
            self.starts.get(id).map(|start| *start as usize)
        }
    }
}

/// Reads chunks by name over one connection.
pub struct ChunkReader {
    fetcher: Fetcher,
    keys: ChunkKeys,
    places: Places,
    known: HashMap<ChunkId, Place>,
    /// Chunks that will be wanted soon, by segment: they are asked for together with the first one.
    soon: HashMap<(u32, u32), Vec<Wanted>>,
    kept: HashMap<(u32, u32), (Arc<Kept>, u64)>,
    kept_bytes: usize,
    kept_bytes_max: usize,
    uses: u64,
}

impl ChunkReader {
    /// Connects to the box of `state`.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn connect(state: &State) -> Result<Self, LinkError> {
        let fetcher = Fetcher::connect(&state.link()?)?;
        Ok(Self {
            fetcher,
            keys: ChunkKeys::derive(&state.secret),
            places: Places::default(),
            known: HashMap::new(),
            soon: HashMap::new(),
            kept: HashMap::new(),
            kept_bytes: 0,
            kept_bytes_max: KEPT_BYTES_MAX,
            uses: 0,
        })
    }

    /// Keeps at most `bytes` plain bytes of segments, for those who use several readers.
    #[must_use]
    pub const fn keeping_at_most(mut self, bytes: usize) -> Self {
        self.kept_bytes_max = bytes;
        self
    }

    /// The connection, for everything else.
    pub const fn connection(&mut self) -> &mut Connection {
        self.fetcher.connection()
    }

    /// Says that these chunks will be read soon: they are located in one request, and fetched together where they stand
    /// together.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn expect(&mut self, ids: impl Iterator<Item = ChunkId>) -> Result<(), LinkError> {
        if self.known.len() > PLACES_MAX {
            self.known.clear();
        }
        let unknown: Vec<ChunkId> = ids.filter(|id| !self.known.contains_key(id)).collect();
        let places = self.places.locate(self.fetcher.connection(), &unknown)?;
        self.soon.clear();
        for (id, place) in unknown.into_iter().zip(places) {
            let Some(place) = place else { continue };
            self.known.insert(id, place);
            let wanted = Wanted { id, offset: place.offset, len: place.len };
            self.soon.entry((place.pack, place.segment)).or_default().push(wanted);
        }
        Ok(())
    }

    /// The bytes of chunk `id`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn chunk(&mut self, id: &ChunkId) -> Result<Chunk, ReadError> {
        if !self.known.contains_key(id) {
            let place = self.places.locate(self.fetcher.connection(), std::slice::from_ref(id))?;
            let place = place.first().copied().flatten().ok_or(ReadError::Missing { id: *id })?;
            self.known.insert(*id, place);
        }
        let place = *self.known.get(id).ok_or(ReadError::Missing { id: *id })?;
        let (segment, start) = self.segment_with(id, place)?;
        let end = start + place.len as usize;
        let pack = self.places.pack(place.pack);
        let sound = segment.segment.plain().get(start..end).is_some_and(|plain| self.keys.name(plain).0 == *id);
        if sound { Ok(Chunk { segment, start, end }) } else { Err(ReadError::WrongBytes { id: *id, pack }) }
    }

    fn segment_with(&mut self, id: &ChunkId, place: Place) -> Result<(Arc<Kept>, usize), ReadError> {
        let key = (place.pack, place.segment);
        self.uses += 1;
        if let Some((kept, used)) = self.kept.get_mut(&key) {
            *used = self.uses;
            if let Some(start) = kept.start_of(id, place) {
                return Ok((kept.clone(), start));
            }
        }
        let mut wanted = self.soon.remove(&key).unwrap_or_default();
        if !wanted.iter().any(|w| w.id == *id) {
            wanted.push(Wanted { id: *id, offset: place.offset, len: place.len });
        }
        let pack = self.places.pack(place.pack);
        let segment = self.fetcher.segment(pack, place.segment, &wanted, Vec::new)?;
        let starts = if segment.is_whole() {
            HashMap::new()
        } else {
            wanted.iter().enumerate().filter_map(|(i, w)| segment.start(i).map(|start| (w.id, start))).collect()
        };
        let kept = Arc::new(Kept { segment, starts });
        let start = kept.start_of(id, place).ok_or(ReadError::WrongBytes { id: *id, pack })?;
        self.keep(key, kept.clone());
        Ok((kept, start))
    }

    fn keep(&mut self, key: (u32, u32), kept: Arc<Kept>) {
        self.kept_bytes += kept.segment.plain().len();
        if let Some((replaced, _)) = self.kept.insert(key, (kept, self.uses)) {
            self.kept_bytes -= replaced.segment.plain().len();
        }
        while self.kept.len() > 1 && (self.kept_bytes > self.kept_bytes_max || self.kept.len() > KEPT_SEGMENTS_MAX) {
            let Some(oldest) = self.kept.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key) else { return };
            if let Some((dropped, _)) = self.kept.remove(&oldest) {
                self.kept_bytes -= dropped.segment.plain().len();
            }
        }
    }

    /// All bytes of a short content, such as a snapshot's list of problems.
    ///
    /// # Errors
    /// [`ReadError`]; also when it is longer than `max` bytes.
    pub fn whole(
        &mut self,
        content: &datis_engine::format::content::Content,
        max: usize,
    ) -> Result<Vec<u8>, ReadError> {
        content::whole(self, content, max)
    }
}
