//! Chunks of one machine's snapshots, for people who look: each is checked against its id before it is given on.
//!
//! A chunk comes from a pack that its machine has a right to, as a restore of that machine would get it. Memory: a few
//! decoded segments and the places of what is read next.

use std::collections::HashMap;
use std::sync::Arc;

use datis_engine::chunk::seal::FrameDecoder;
use datis_engine::ids::ChunkId;

use super::super::OperationError;
use super::super::readable::Readable;
use super::super::site::Site;
use crate::catalog::chunks::ChunkAt;
use crate::catalog::{CatalogError, MachineRow, PackRow};

/// How many segments stay decoded, 4 MiB each at most.
const SEGMENTS: usize = 3;

/// How many places are remembered, some 100 bytes each.
const PLACES_MAX: usize = 8_192;

/// Gives chunks by their ids.
pub(super) struct Chunks {
    site: Arc<Site>,
    machine: MachineRow,
    decoder: FrameDecoder,
    /// Decoded segments, the one used last at the end.
    segments: Vec<(PackRow, u32, Vec<u8>)>,
    places: HashMap<ChunkId, ChunkAt>,
    #[cfg(test)]
    opened: u64,
}

impl Chunks {
    pub(super) fn new(site: &Arc<Site>, machine: MachineRow) -> Result<Self, OperationError> {
        Ok(Self {
            site: Arc::clone(site),
            machine,
            decoder: FrameDecoder::new()?,
            segments: Vec::new(),
            places: HashMap::new(),
            #[cfg(test)]
            opened: 0,
        })
    }

    pub(super) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// How many segments were opened so far: what looking has cost.
    #[cfg(test)]
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// Looks up where these chunks are, all at once, and puts them into the order in which reading costs least.
    pub(super) fn expect(&mut self, ids: &mut Vec<ChunkId>) -> Result<(), OperationError> {
        ids.sort_unstable();
        ids.dedup();
        if self.places.len() + ids.len() > PLACES_MAX {
            self.places.clear();
        }
        let (site, machine) = (&self.site, self.machine);
        let places = &mut self.places;
        site.catalog.reader().read(|tx| {
            let mut readable = Readable::new(tx, machine)?;
            for id in ids.iter().filter(|id| !places.contains_key(*id)).collect::<Vec<_>>() {
                if let Some(place) = readable.find(id)? {
                    places.insert(*id, place);
                }
            }
            Ok::<_, CatalogError>(())
        })?;
        ids.sort_by_key(|id| self.places.get(id).map(|p| (p.pack, p.location.segment, p.location.offset)));
        Ok(())
    }

    /// The plain bytes of a chunk.
    ///
    /// # Errors
    /// [`OperationError::ChunkGone`], [`OperationError::DamagedPack`]; [`OperationError`].
    pub(super) fn get(&mut self, id: &ChunkId) -> Result<Vec<u8>, OperationError> {
        let mut place = match self.places.get(id) {
            Some(place) => *place,
            None => self.locate(id)?,
        };
        loop {
            let error = match self.read(id, &place) {
                Ok(bytes) => return Ok(bytes),
                Err(error) if is_local(&error) || has_moved(&error) => error,
                Err(error) => return Err(error),
            };
            // The pack may have been rewritten, or another one may hold the chunk too: a damaged one is noted by now and
            // comes last.
            let other = self.locate(id)?;
            if other.pack == place.pack {
                return Err(error);
            }
            place = other;
        }
    }

    fn locate(&mut self, id: &ChunkId) -> Result<ChunkAt, OperationError> {
        self.places.remove(id);
        self.expect(&mut vec![*id])?;
        self.places.get(id).copied().ok_or(OperationError::ChunkGone(*id))
    }

    fn read(&mut self, id: &ChunkId, place: &ChunkAt) -> Result<Vec<u8>, OperationError> {
        let at = self.segment(place.pack, place.location.segment)?;
        let start = place.location.offset as usize;
        let range = start..start + place.location.len as usize;
        let bytes = self.segments[at].2.get(range).filter(|bytes| self.site.vault.keys.name(bytes).0 == *id);
        match bytes {
            Some(bytes) => Ok(bytes.to_vec()),
            None => {
                self.segments.remove(at);
                let pack = self.site.open_pack(place.pack)?;
                Err(self.site.found_damaged(&pack.id, "a chunk in it is not what its id says"))
            }
        }
    }

    /// Index of the decoded segment.
    fn segment(&mut self, pack: PackRow, segment: u32) -> Result<usize, OperationError> {
        let found = self.segments.iter().position(|(p, s, _)| (*p, *s) == (pack, segment));
        let entry = match found {
            Some(at) => self.segments.remove(at),
            None => {
                let spare = if self.segments.len() >= SEGMENTS { self.segments.remove(0).2 } else { Vec::new() };
                let mut entry = (pack, segment, spare);
                let opened = self.site.open_pack(pack)?;
                #[cfg(test)]
                {
                    self.opened += 1;
                }
                self.site.read_plain(&opened, segment, &mut self.decoder, &mut entry.2)?;
                entry
            }
        };
        self.segments.push(entry);
        Ok(self.segments.len() - 1)
    }
}

/// Whether the error is about some bytes only, so that everything else can still be read.
pub(super) fn is_local(error: &OperationError) -> bool {
    matches!(error, OperationError::DamagedPack { .. } | OperationError::Node(_) | OperationError::ChunkGone(_))
}

/// The row of the pack has gone between looking it up and reading it.
fn has_moved(error: &OperationError) -> bool {
    matches!(error, OperationError::Catalog(CatalogError::Sql(rusqlite::Error::QueryReturnedNoRows)))
}
