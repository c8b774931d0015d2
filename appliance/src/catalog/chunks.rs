//! Chunks: in which packs they are, and where.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use datis_engine::format::directory::{Directory, Location};
use datis_engine::ids::{ChunkId, Witness};
use rusqlite::{CachedStatement, Connection, Row, Transaction, params};

use super::packs::PackState;
use super::values::{bytes_at, optional_bytes_at};
use super::{CatalogError, MachineRow, PackRow};

/// One place of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkAt {
    /// The pack.
    pub pack: PackRow,
    /// Who sent the pack.
    pub machine: MachineRow,
    /// What is to be done with the pack.
    pub state: PackState,
    /// Whether the box has checked every chunk of the pack.
    pub verified: bool,
    /// What only those know who have had the chunk; known for checked packs.
    pub witness: Option<Witness>,
    /// Where in the pack.
    pub location: Location,
}

/// Finds chunks one after the other, within one transaction that only reads; fastest in ascending order of their ids.
pub struct ChunkFinder<'c> {
    chunk: CachedStatement<'c>,
    pack: CachedStatement<'c>,
    /// The packs that were met: there are few beside the chunks in them.
    packs: HashMap<PackRow, Holder>,
}

/// What every chunk of a pack shares.
#[derive(Debug, Clone, Copy)]
struct Holder {
    machine: MachineRow,
    state: PackState,
    verified: bool,
}

impl<'c> ChunkFinder<'c> {
    /// Prepares the search.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn new(c: &'c Connection) -> Result<Self, CatalogError> {
        Ok(Self {
            chunk: c.prepare_cached("SELECT pack, witness, segment, start, len FROM chunk WHERE id = ?1")?,
            pack: c.prepare_cached(
                "SELECT machine, state, verified_at IS NOT NULL, outside_at IS NOT NULL FROM pack WHERE id = ?1",
            )?,
            packs: HashMap::new(),
        })
    }

    /// Puts all places of a chunk into `places`, in the order in which the packs came.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn find(&mut self, id: &ChunkId, places: &mut Vec<ChunkAt>) -> Result<(), CatalogError> {
        places.clear();
        let mut rows = self.chunk.query([id.as_bytes()])?;
        while let Some(row) = rows.next()? {
            let pack = row.get(0)?;
            let Holder { machine, state, verified } = match self.packs.entry(pack) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => *unknown.insert(self.pack.query_row([pack], holder_from)?),
            };
            places.push(ChunkAt {
                pack,
                machine,
                state,
                verified,
                witness: optional_bytes_at(row, 1)?,
                location: Location { segment: row.get(2)?, offset: row.get(3)?, len: row.get(4)? },
            });
        }
        Ok(())
    }
}

fn holder_from(row: &Row<'_>) -> rusqlite::Result<Holder> {
    Ok(Holder { machine: row.get(0)?, state: PackState::at(row, 1, 3)?, verified: row.get(2)? })
}

/// Adds the chunks of all these packs in the order of their ids, which keeps the pages that change few.
///
/// Gives the number of different chunks of each pack.
pub(super) fn insert_all(
    tx: &Transaction<'_>,
    packs: &[(PackRow, &Directory)],
) -> Result<Vec<(PackRow, u64)>, CatalogError> {
    let mut all: Vec<(ChunkId, PackRow, Location)> = packs
        .iter()
        .flat_map(|(row, directory)| directory.locations().map(|(id, location)| (id, *row, location)))
        .collect();
    // The same chunk twice in a pack: its first place counts, and the sort keeps their order.
    all.sort_by_key(|(id, row, _)| (*id, *row));
    all.dedup_by_key(|(id, row, _)| (*id, *row));
    let mut statement =
        tx.prepare_cached("INSERT INTO chunk (id, pack, segment, start, len) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (id, row, place) in &all {
        statement.execute(params![id.as_bytes(), row, place.segment, place.offset, place.len])?;
    }
    let count = |row: PackRow| all.iter().filter(|(_, of, _)| *of == row).count() as u64;
    Ok(packs.iter().map(|(row, _)| (*row, count(*row))).collect())
}

/// Notes the witnesses of a pack's chunks, which are what their ids say.
///
/// # Errors
/// [`CatalogError`].
pub fn set_witnesses(
    tx: &Transaction<'_>,
    pack: PackRow,
    witnesses: &mut [(ChunkId, Witness)],
) -> Result<(), CatalogError> {
    witnesses.sort_unstable_by_key(|(id, _)| *id);
    let mut statement = tx.prepare_cached("UPDATE chunk SET witness = ?3 WHERE id = ?1 AND pack = ?2")?;
    for (id, witness) in witnesses.iter() {
        statement.execute(params![id.as_bytes(), pack, witness.as_bytes()])?;
    }
    Ok(())
}

/// Whether the catalog has exactly the chunks of a directory for this pack, at the same places.
///
/// # Errors
/// [`CatalogError`].
pub fn match_directory(
    c: &Connection,
    pack: PackRow,
    chunks: u64,
    directory: &Directory,
) -> Result<bool, CatalogError> {
    let mut listed: Vec<(ChunkId, Location)> = directory.locations().collect();
    listed.sort_by_key(|(id, _)| *id);
    listed.dedup_by_key(|(id, _)| *id);
    if listed.len() as u64 != chunks {
        return Ok(false);
    }
    let mut statement = c.prepare_cached("SELECT segment, start, len FROM chunk WHERE id = ?1 AND pack = ?2")?;
    for (id, location) in &listed {
        let mut rows = statement.query(params![id.as_bytes(), pack])?;
        let found = match rows.next()? {
            Some(row) => Location { segment: row.get(0)?, offset: row.get(1)?, len: row.get(2)? } == *location,
            None => false,
        };
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes those chunks of a pack that the directory names; tells how many that were.
pub(super) fn delete_listed(tx: &Transaction<'_>, pack: PackRow, directory: &Directory) -> Result<u64, CatalogError> {
    let mut ids: Vec<ChunkId> = directory.chunks.iter().map(|chunk| chunk.id).collect();
    ids.sort_unstable();
    let mut statement = tx.prepare_cached("DELETE FROM chunk WHERE id = ?1 AND pack = ?2")?;
    let mut removed = 0;
    for id in &ids {
        removed += statement.execute(params![id.as_bytes(), pack])? as u64;
    }
    Ok(removed)
}

/// How many slices the chunks are in, by the first byte of their ids.
pub const SLICES: u16 = 256;

/// Shows every chunk of one slice with its pack and length, in the order of ids. Slice by slice, no reader holds on to
/// one state of the catalog for long.
///
/// # Errors
/// [`CatalogError`].
pub fn for_each_in(
    c: &Connection,
    slice: u8,
    visit: &mut dyn FnMut(ChunkId, PackRow, u32),
) -> Result<(), CatalogError> {
    let sql = "SELECT id, pack, len FROM chunk WHERE id >= ?1 AND id < ?2 ORDER BY id, pack";
    let mut statement = c.prepare_cached(sql)?;
    // A shorter BLOB comes before a longer one that it begins.
    let end = slice.checked_add(1).map_or_else(|| vec![u8::MAX; ChunkId::LEN + 1], |next| vec![next]);
    let mut rows = statement.query(params![[slice].as_slice(), end])?;
    while let Some(row) = rows.next()? {
        visit(bytes_at(row, 0)?, row.get(1)?, row.get(2)?);
    }
    Ok(())
}
