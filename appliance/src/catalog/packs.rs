//! Packs: who sent them, what state they are in, where their segments stand.

use datis_engine::format::directory::{Directory, SegmentInfo};
use datis_engine::ids::PackId;
use datis_engine::units::UnixMillis;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::values::{bytes_at, column_size, optional_time_at, size_at, state_words, time_at, word_at};
use super::{CatalogError, MachineRow, PackRow, chunks};

state_words! {
    /// What the column `state` says of a pack.
    PackWord {
        /// It is needed, here or outside.
        Stored => "stored",
        /// Nothing that is kept here refers to it.
        Condemned => "condemned",
        /// It was found damaged.
        Damaged => "damaged",
    }
}

/// What is to be done with a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackState {
    /// It is there to be used.
    Stored,
    /// Only snapshots need it that are kept outside: its file is with other boxes only, and nobody may refer to it anew.
    Outside,
    /// Nothing that is kept here refers to it; after the grace period it is deleted, or kept outside only where it is needed
    /// there, unless somebody refers to it again.
    Condemned,
    /// It was found damaged: nobody may refer to it anew, what can still be read of it is.
    Damaged,
}

impl PackState {
    /// Of the columns `state` and `outside_at IS NOT NULL`.
    pub(super) fn at(row: &Row<'_>, word: usize, is_outside: usize) -> rusqlite::Result<Self> {
        Ok(match (word_at::<PackWord>(row, word)?, row.get(is_outside)?) {
            (PackWord::Stored, false) => Self::Stored,
            (PackWord::Stored, true) => Self::Outside,
            (PackWord::Condemned, _) => Self::Condemned,
            (PackWord::Damaged, _) => Self::Damaged,
        })
    }
}

/// A pack that one machine sent.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its number here.
    pub row: PackRow,
    /// Its name.
    pub id: PackId,
    /// Who sent it.
    pub machine: MachineRow,
    /// What is to be done with it.
    pub state: PackState,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// How many different chunks are in it.
    pub chunks: u64,
    /// When it came.
    pub received_at: UnixMillis,
    /// When every chunk of it was found to be what its id says.
    pub verified_at: Option<UnixMillis>,
    /// When the file was last found to be what its name says.
    pub scrubbed_at: Option<UnixMillis>,
    /// Since when nothing refers to it.
    pub condemned_at: Option<UnixMillis>,
}

const COLUMNS: &str = "id, pack_id, machine, state, bytes, chunks, received_at, verified_at, scrubbed_at, condemned_at,
     outside_at IS NOT NULL";

fn pack_from(row: &Row<'_>) -> rusqlite::Result<Pack> {
    Ok(Pack {
        row: row.get(0)?,
        id: bytes_at(row, 1)?,
        machine: row.get(2)?,
        state: PackState::at(row, 3, 10)?,
        bytes: size_at(row, 4)?,
        chunks: size_at(row, 5)?,
        received_at: time_at(row, 6)?,
        verified_at: optional_time_at(row, 7)?,
        scrubbed_at: optional_time_at(row, 8)?,
        condemned_at: optional_time_at(row, 9)?,
    })
}

/// A pack on its way into the catalog; its object is durable already.
#[derive(Debug)]
pub struct NewPack {
    /// Its name.
    pub id: PackId,
    /// Who sent it.
    pub machine: MachineRow,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// What is in it.
    pub directory: Directory,
    /// Whether snapshots from before it may rest on it: the box made it out of older packs, or does not know when it came.
    pub is_copy: bool,
}

/// Adds packs with all their chunks. One that this machine has sent before stays as it is, except that one that is condemned, or
/// outside only, is stored again.
///
/// # Errors
/// [`CatalogError`].
pub fn insert_many(tx: &Transaction<'_>, packs: &[NewPack], at: UnixMillis) -> Result<(), CatalogError> {
    let mut rows = Vec::new();
    for pack in packs {
        // Sent again before its old object was deleted: now it must stay.
        tx.prepare_cached("DELETE FROM doomed_pack WHERE pack_id = ?1")?.execute([pack.id.as_bytes()])?;
        if let Some(known) = by_id(tx, pack.machine, &pack.id)? {
            revive(tx, known.row)?;
            set_here(tx, &pack.id)?;
            continue;
        }
        tx.prepare_cached(
            "INSERT INTO pack (pack_id, machine, state, bytes, chunks, received_at, copied)
             VALUES (?1, ?2, 'stored', ?3, 0, ?4, ?5)",
        )?
        .execute(params![pack.id.as_bytes(), pack.machine, column_size(pack.bytes), at.0, pack.is_copy])?;
        let row = PackRow(tx.last_insert_rowid());
        let segments = encode_segments(&pack.directory);
        tx.prepare_cached("INSERT INTO pack_segments (pack, segments) VALUES (?1, ?2)")?
            .execute(params![row, segments])?;
        rows.push((row, &pack.directory));
    }
    for (row, count) in chunks::insert_all(tx, &rows)? {
        tx.prepare_cached("UPDATE pack SET chunks = ?2 WHERE id = ?1")?.execute(params![row, column_size(count)])?;
    }
    Ok(())
}

/// 12 bytes a segment (sealed length, plain length, number of chunks), after 4 bytes for where the first one starts.
fn encode_segments(directory: &Directory) -> Vec<u8> {
    let numbers = directory.segments.iter().flat_map(|s| [s.sealed_len, s.plain_len, s.chunks]);
    std::iter::once(directory.first_offset).chain(numbers).flat_map(u32::to_le_bytes).collect()
}

fn decode_segments(blob: &[u8]) -> Option<Directory> {
    let (numbers, rest) = blob.as_chunks::<4>();
    let mut numbers = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let first_offset = numbers.next()?;
    if !rest.is_empty() || !numbers.len().is_multiple_of(3) {
        return None;
    }
    let mut segments = Vec::with_capacity(numbers.len() / 3);
    while let (Some(sealed_len), Some(plain_len), Some(chunks)) = (numbers.next(), numbers.next(), numbers.next()) {
        segments.push(SegmentInfo { sealed_len, plain_len, chunks });
    }
    Some(Directory { first_offset, segments, chunks: Vec::new() })
}

/// Where the segments of a pack stand: its directory without the chunks.
///
/// # Errors
/// [`CatalogError`].
pub fn segments(c: &Connection, pack: PackRow) -> Result<Directory, CatalogError> {
    let mut statement = c.prepare_cached("SELECT segments FROM pack_segments WHERE pack = ?1")?;
    let directory = statement.query_row([pack], |row| {
        let blob = row.get_ref(0)?.as_blob()?;
        let invalid = || rusqlite::Error::InvalidColumnType(0, "segments".to_owned(), Type::Blob);
        decode_segments(blob).ok_or_else(invalid)
    })?;
    Ok(directory)
}

/// The pack with this number; `None` when it was deleted meanwhile.
///
/// # Errors
/// [`CatalogError`].
pub fn by_row(c: &Connection, row: PackRow) -> Result<Option<Pack>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM pack WHERE id = ?1");
    Ok(c.prepare_cached(&sql)?.query_row([row], pack_from).optional()?)
}

/// The pack of this name that this machine sent.
///
/// # Errors
/// [`CatalogError`].
pub fn by_id(c: &Connection, machine: MachineRow, id: &PackId) -> Result<Option<Pack>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM pack WHERE pack_id = ?2 AND machine = ?1");
    Ok(c.prepare_cached(&sql)?.query_row(params![machine, id.as_bytes()], pack_from).optional()?)
}

/// The packs of this name, whoever sent them.
///
/// # Errors
/// [`CatalogError`].
pub fn all_by_id(c: &Connection, id: &PackId) -> Result<Vec<Pack>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM pack WHERE pack_id = ?1");
    let packs = c.prepare_cached(&sql)?.query_map([id.as_bytes()], pack_from)?.collect::<Result<_, _>>()?;
    Ok(packs)
}

/// All packs, in the order in which they came.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<Vec<Pack>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM pack ORDER BY id");
    let packs = c.prepare_cached(&sql)?.query_map([], pack_from)?.collect::<Result<_, _>>()?;
    Ok(packs)
}

/// The stored pack that has waited longest to be verified, of those that `is_here` holds for.
///
/// # Errors
/// [`CatalogError`].
pub fn next_unverified(c: &Connection, is_here: &dyn Fn(&PackId) -> bool) -> Result<Option<Pack>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM pack WHERE verified_at IS NULL AND state = 'stored' AND outside_at IS NULL ORDER BY id"
    );
    first_here(c.prepare_cached(&sql)?.query_map([], pack_from)?, is_here)
}

/// The first one that `is_here` holds for; no row is read after it.
fn first_here(
    mut found: impl Iterator<Item = rusqlite::Result<Pack>>,
    is_here: &dyn Fn(&PackId) -> bool,
) -> Result<Option<Pack>, CatalogError> {
    let fits = |pack: &rusqlite::Result<Pack>| pack.as_ref().map_or(true, |pack| is_here(&pack.id));
    Ok(found.find(fits).transpose()?)
}

/// How many stored packs wait to be verified.
///
/// # Errors
/// [`CatalogError`].
pub fn count_unverified(c: &Connection) -> Result<u64, CatalogError> {
    let sql = "SELECT count(*) FROM pack WHERE verified_at IS NULL AND state = 'stored' AND outside_at IS NULL";
    Ok(c.prepare_cached(sql)?.query_row([], |row| size_at(row, 0))?)
}

/// The pack, damaged ones left out, whose file was not looked at for longest, if that was before `before`; of those that
/// `is_here` holds for.
///
/// # Errors
/// [`CatalogError`].
pub fn next_unscrubbed(
    c: &Connection,
    before: UnixMillis,
    is_here: &dyn Fn(&PackId) -> bool,
) -> Result<Option<Pack>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM pack
         WHERE state <> 'damaged' AND outside_at IS NULL AND coalesce(scrubbed_at, received_at) < ?1
         ORDER BY coalesce(scrubbed_at, received_at)"
    );
    first_here(c.prepare_cached(&sql)?.query_map([before.0], pack_from)?, is_here)
}

/// Whether this machine has sent anything, or others have sent what it could refer to.
///
/// # Errors
/// [`CatalogError`].
pub fn any_usable(c: &Connection, machine: MachineRow) -> Result<bool, CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pack WHERE machine = ?1 OR verified_at IS NOT NULL)";
    Ok(c.prepare_cached(sql)?.query_row([machine], |row| row.get(0))?)
}

/// Notes that every chunk of a pack is what its id says.
///
/// # Errors
/// [`CatalogError`].
pub fn mark_verified(tx: &Transaction<'_>, pack: PackRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE pack SET verified_at = ?2, scrubbed_at = ?2 WHERE id = ?1")?
        .execute(params![pack, at.0])?;
    Ok(())
}

/// The stored and checked packs of all machines that are shorter than `below` bytes, machine by machine, in the order in which they
/// came. Those that something rests on that is kept outside only are left as they are.
///
/// # Errors
/// [`CatalogError`].
pub fn small_verified(c: &Connection, below: u64) -> Result<Vec<Pack>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM pack WHERE state = 'stored' AND outside_at IS NULL AND verified_at IS NOT NULL AND bytes < ?1
             AND NOT EXISTS (SELECT 1 FROM outside_need WHERE outside_need.pack = pack.id)
         ORDER BY machine, id"
    );
    let packs = c.prepare_cached(&sql)?.query_map([column_size(below)], pack_from)?.collect::<Result<_, _>>()?;
    Ok(packs)
}

/// Notes that a pack's file is what its name says.
///
/// # Errors
/// [`CatalogError`].
pub fn mark_scrubbed(tx: &Transaction<'_>, pack: PackRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE pack SET scrubbed_at = ?2 WHERE id = ?1")?.execute(params![pack, at.0])?;
    Ok(())
}

/// Notes that the object of this name is damaged. Which nodes rested on it is not known, so no node is remembered as
/// complete any more.
///
/// # Errors
/// [`CatalogError`].
pub fn mark_damaged(tx: &Transaction<'_>, id: &PackId) -> Result<(), CatalogError> {
    let sql = "UPDATE pack SET state = 'damaged', condemned_at = NULL, verified_at = NULL, outside_at = NULL
               WHERE pack_id = ?1";
    tx.prepare_cached(sql)?.execute([id.as_bytes()])?;
    tx.execute("DELETE FROM node", [])?;
    Ok(())
}

/// A damaged pack whose file was found sound again (the disk came back): it may be used, once verified anew.
///
/// # Errors
/// [`CatalogError`].
pub fn mark_sound(tx: &Transaction<'_>, pack: PackRow) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE pack SET state = 'stored' WHERE id = ?1 AND state = 'damaged'")?.execute([pack])?;
    Ok(())
}

/// Marks a stored pack for deletion.
///
/// # Errors
/// [`CatalogError`].
pub fn condemn(tx: &Transaction<'_>, pack: PackRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE pack SET state = 'condemned', condemned_at = ?2 WHERE id = ?1 AND state = 'stored'")?
        .execute(params![pack, at.0])?;
    Ok(())
}

/// Takes the mark for deletion away.
///
/// # Errors
/// [`CatalogError`].
pub fn revive(tx: &Transaction<'_>, pack: PackRow) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE pack SET state = 'stored', condemned_at = NULL WHERE id = ?1 AND state = 'condemned'")?
        .execute([pack])?;
    Ok(())
}

/// A condemned pack is kept outside only from now on: its object is to be deleted, unless another machine's pack needs it too.
///
/// # Errors
/// [`CatalogError`].
pub fn set_outside(tx: &Transaction<'_>, pack: &Pack, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "UPDATE pack SET state = 'stored', condemned_at = NULL, outside_at = ?2 WHERE id = ?1 AND state = 'condemned'",
    )?
    .execute(params![pack.row, at.0])?;
    tx.prepare_cached(
        "INSERT OR IGNORE INTO doomed_pack (pack_id)
         SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM pack WHERE pack_id = ?1 AND outside_at IS NULL)",
    )?
    .execute([pack.id.as_bytes()])?;
    Ok(())
}

/// The file of a pack is here again.
///
/// # Errors
/// [`CatalogError`].
pub fn set_here(tx: &Transaction<'_>, id: &PackId) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE pack SET outside_at = NULL WHERE pack_id = ?1")?.execute([id.as_bytes()])?;
    tx.prepare_cached("DELETE FROM doomed_pack WHERE pack_id = ?1")?.execute([id.as_bytes()])?;
    Ok(())
}

/// Forgets a pack and its chunks; its object is to be deleted from then on, unless another machine's pack needs it too.
///
/// `directory`: the pack's own; without it, or when it does not name all of them, the chunks cost a scan.
///
/// # Errors
/// [`CatalogError`].
pub fn delete(tx: &Transaction<'_>, pack: &Pack, directory: Option<&Directory>) -> Result<(), CatalogError> {
    let removed = directory.map_or(Ok(0), |d| chunks::delete_listed(tx, pack.row, d))?;
    if removed != pack.chunks {
        tx.execute("DELETE FROM chunk WHERE pack = ?1", [pack.row])?;
    }
    tx.prepare_cached("DELETE FROM pack_segments WHERE pack = ?1")?.execute([pack.row])?;
    tx.prepare_cached("DELETE FROM pack WHERE id = ?1")?.execute([pack.row])?;
    tx.prepare_cached(
        "INSERT OR IGNORE INTO doomed_pack (pack_id)
         SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM pack WHERE pack_id = ?1 AND outside_at IS NULL)",
    )?
    .execute([pack.id.as_bytes()])?;
    Ok(())
}

/// Objects that are still to be deleted.
///
/// # Errors
/// [`CatalogError`].
pub fn doomed(c: &Connection) -> Result<Vec<PackId>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT pack_id FROM doomed_pack")?;
    let ids = statement.query_map([], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Notes that an object is deleted.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_doomed(tx: &Transaction<'_>, id: &PackId) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM doomed_pack WHERE pack_id = ?1")?.execute([id.as_bytes()])?;
    Ok(())
}

/// Packs in the store that were found without a row here, and when that was first noticed.
///
/// # Errors
/// [`CatalogError`].
pub fn orphans(c: &Connection) -> Result<Vec<(PackId, UnixMillis)>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT pack_id, seen_at FROM orphan_pack")?;
    let orphans =
        statement.query_map([], |row| Ok((bytes_at(row, 0)?, time_at(row, 1)?)))?.collect::<Result<_, _>>()?;
    Ok(orphans)
}

/// Notes a pack in the store that has no row here; one that was noted before stays as it was.
///
/// # Errors
/// [`CatalogError`].
pub fn note_orphan(tx: &Transaction<'_>, id: &PackId, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("INSERT OR IGNORE INTO orphan_pack (pack_id, seen_at) VALUES (?1, ?2)")?
        .execute(params![id.as_bytes(), at.0])?;
    Ok(())
}

/// Forgets a pack without a row: it has one now, or its object is gone.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_orphan(tx: &Transaction<'_>, id: &PackId) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM orphan_pack WHERE pack_id = ?1")?.execute([id.as_bytes()])?;
    Ok(())
}

/// Hands packs over to a machine, when a catalog is made anew.
///
/// # Errors
/// [`CatalogError`].
pub fn set_machine(tx: &Transaction<'_>, pack: PackRow, machine: MachineRow) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE pack SET machine = ?2 WHERE id = ?1")?.execute(params![pack, machine])?;
    Ok(())
}

/// Counts and sizes of all packs in one state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PackTotals {
    /// How many.
    pub packs: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Chunks in them.
    pub chunks: u64,
}

impl PackTotals {
    /// The two together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            packs: self.packs.saturating_add(other.packs),
            bytes: self.bytes.saturating_add(other.bytes),
            chunks: self.chunks.saturating_add(other.chunks),
        }
    }
}

/// Counts and sizes of the packs of each machine in each state; out of an index alone.
///
/// # Errors
/// [`CatalogError`].
pub fn totals(c: &Connection) -> Result<Vec<(PackState, MachineRow, PackTotals)>, CatalogError> {
    let mut statement = c.prepare_cached(
        "SELECT state, outside_at IS NOT NULL AS is_outside, machine, count(*), sum(bytes), sum(chunks)
             FROM pack GROUP BY state, is_outside, machine",
    )?;
    let totals = |row: &Row<'_>| {
        let totals = PackTotals { packs: size_at(row, 3)?, bytes: size_at(row, 4)?, chunks: size_at(row, 5)? };
        Ok((PackState::at(row, 0, 1)?, row.get(2)?, totals))
    };
    let all = statement.query_map([], totals)?.collect::<Result<_, _>>()?;
    Ok(all)
}

/// Whether any pack was found damaged.
///
/// # Errors
/// [`CatalogError`].
pub fn any_damaged(c: &Connection) -> Result<bool, CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pack WHERE state = 'damaged')";
    Ok(c.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
