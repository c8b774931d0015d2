//! Rows out of nothing, to measure large catalogs without storing what they would describe.

mod histories;

pub use histories::GeneratedHistory;

use datis_engine::ids::{ChunkId, PackId, Witness};
use rusqlite::params;

use super::{Catalog, CatalogError, MachineRow, PackRow};

/// How many rows are written in one transaction.
const AT_A_TIME: u64 = 1 << 20;

/// Chunks in one pack.
const CHUNKS_PER_PACK: u64 = 1 << 13;

/// Plain length of every chunk, in bytes.
const CHUNK_LEN: u64 = 4 << 10;

/// A catalog's worth of chunks: evenly spread ids, in checked packs that two machines sent in turns.
#[derive(Debug, Clone, Copy)]
pub struct Generated {
    /// How many chunks, at most 2^40.
    pub chunks: u64,
    /// Who sent the packs with even numbers.
    pub even: MachineRow,
    /// Who sent the others.
    pub odd: MachineRow,
}

impl Generated {
    /// The chunk with this number: what it is called, and what proves to have had it. Numbers beyond the last give
    /// chunks that are not there.
    #[must_use]
    pub fn chunk(&self, number: u64) -> (ChunkId, Witness) {
        let hash = blake3::hash(&number.to_le_bytes());
        let (mut id, mut witness) = ([0; ChunkId::LEN], [0; Witness::LEN]);
        id.copy_from_slice(&hash.as_bytes()[..ChunkId::LEN]);
        witness.copy_from_slice(&hash.as_bytes()[ChunkId::LEN..]);
        // In order of their numbers, so that rows can be written in the order of ids; those beyond stand in between.
        let spread = (u64::MAX / self.chunks).saturating_mul(number % self.chunks) + number / self.chunks;
        id[..8].copy_from_slice(&spread.to_be_bytes());
        (ChunkId::from_bytes(id), Witness::from_bytes(witness))
    }

    /// Whether the machine that sent the even packs sent this chunk.
    #[must_use]
    pub fn is_even(&self, number: u64) -> bool {
        self.pack_of(number).is_multiple_of(2)
    }

    fn packs(&self) -> u64 {
        self.chunks.div_ceil(CHUNKS_PER_PACK).max(2)
    }

    /// Neighbours by id are in different packs, as they are in life.
    fn pack_of(&self, number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.packs()
    }

    /// Writes all rows; none of their objects exist.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn write(&self, catalog: &Catalog) -> Result<(), CatalogError> {
        let rows = self.write_packs(catalog)?;
        let mut number = 0;
        while number < self.chunks {
            let end = self.chunks.min(number + AT_A_TIME);
            catalog.writer().write(|tx| {
                let mut insert = tx.prepare_cached(
                    "INSERT INTO chunk (id, pack, segment, start, len, witness) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?;
                for number in number..end {
                    let (id, witness) = self.chunk(number);
                    let pack = usize::try_from(self.pack_of(number)).ok().and_then(|at| rows.get(at));
                    let (segment, start) = (number % CHUNKS_PER_PACK / 256, number % 256 * CHUNK_LEN);
                    insert.execute(params![
                        id.as_bytes(),
                        pack,
                        i64::try_from(segment).unwrap_or(0),
                        i64::try_from(start).unwrap_or(0),
                        i64::try_from(CHUNK_LEN).unwrap_or(0),
                        witness.as_bytes()
                    ])?;
                }
                Ok::<_, CatalogError>(())
            })?;
            number = end;
        }
        catalog.writer().checkpoint()
    }

    fn write_packs(&self, catalog: &Catalog) -> Result<Vec<PackRow>, CatalogError> {
        let mut chunks = vec![0_i64; usize::try_from(self.packs()).unwrap_or(0)];
        for number in 0..self.chunks {
            if let Some(count) = usize::try_from(self.pack_of(number)).ok().and_then(|at| chunks.get_mut(at)) {
                *count += 1;
            }
        }
        catalog.writer().write(|tx| {
            let mut rows = Vec::with_capacity(chunks.len());
            for (number, count) in (0_u64..).zip(&chunks) {
                let id = PackId::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes());
                let machine = if number.is_multiple_of(2) { self.even } else { self.odd };
                tx.prepare_cached(
                    "INSERT INTO pack (pack_id, machine, state, bytes, chunks, received_at, verified_at)
                     VALUES (?1, ?2, 'stored', ?3, ?4, 1, 2)",
                )?
                .execute(params![id.as_bytes(), machine, count * 2_048, count])?;
                rows.push(PackRow(tx.last_insert_rowid()));
            }
            Ok(rows)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::ChunkFinder;
    use super::*;
    use crate::operations::testing::{Client, TestBox};

    #[test]
    fn generated_rows_are_found_and_those_beyond_are_not() {
        let test = TestBox::start();
        let site = test.site();
        let (even, odd) = (Client::enrol(site, "even").machine.row, Client::enrol(site, "odd").machine.row);
        let generated = Generated { chunks: 20_000, even, odd };
        generated.write(&site.catalog).expect("write");
        let find = |number: u64| {
            let mut places = Vec::new();
            let (id, witness) = generated.chunk(number);
            site.catalog.reader().read(|tx| ChunkFinder::new(tx)?.find(&id, &mut places)).expect("find");
            places.into_iter().map(|place| (place.machine, place.witness == Some(witness))).collect::<Vec<_>>()
        };
        for number in (0..20_000).step_by(97) {
            let machine = if generated.is_even(number) { even } else { odd };
            assert_eq!(find(number), [(machine, true)]);
            assert_eq!(find(number + 20_000), []);
        }
    }
}
