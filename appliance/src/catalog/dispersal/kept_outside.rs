//! Snapshots that external retention alone keeps, and the packs that they need.

use std::collections::HashSet;

use datis_engine::ids::{ChunkId, MachineId, PackId, SnapshotId};
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::stripes::{self, Stripe};
use crate::catalog::values::{bytes_at, optional_time_at, size_at, time_at};
use crate::catalog::{CatalogError, MachineRow, PackRow, SnapshotRow};

/// From now on a snapshot is kept outside only, and needs these packs there.
///
/// # Errors
/// [`CatalogError`].
pub fn send_out(
    tx: &Transaction<'_>,
    snapshot: SnapshotRow,
    packs: &HashSet<PackRow>,
    at: UnixMillis,
) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE snapshot SET outside_at = ?2 WHERE id = ?1")?.execute(params![snapshot, at.0])?;
    let mut need = tx.prepare_cached("INSERT OR IGNORE INTO outside_need (snapshot, pack) VALUES (?1, ?2)")?;
    packs.iter().try_for_each(|pack| need.execute(params![snapshot, pack]).map(drop))?;
    Ok(())
}

/// Packs that snapshots need which are kept outside only, other than `but`.
///
/// # Errors
/// [`CatalogError`].
pub fn needed(c: &Connection, but: &[SnapshotRow]) -> Result<HashSet<PackRow>, CatalogError> {
    let but: Vec<String> = but.iter().map(|row| row.0.to_string()).collect();
    let sql = "SELECT id FROM pack WHERE EXISTS (SELECT 1 FROM outside_need WHERE outside_need.pack = pack.id
                   AND snapshot NOT IN (SELECT value FROM json_each(?1)))";
    let mut statement = c.prepare_cached(sql)?;
    let found = statement.query_map([format!("[{}]", but.join(","))], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Whether such a snapshot needs a pack.
///
/// # Errors
/// [`CatalogError`].
pub fn is_needed(c: &Connection, pack: PackRow) -> Result<bool, CatalogError> {
    Ok(c.prepare_cached("SELECT 1 FROM outside_need WHERE pack = ?1")?.exists([pack])?)
}

/// The packs that one such snapshot needs.
///
/// # Errors
/// [`CatalogError`].
pub fn needs_of(c: &Connection, snapshot: SnapshotRow) -> Result<Vec<PackRow>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT pack FROM outside_need WHERE snapshot = ?1 ORDER BY pack")?;
    let found = statement.query_map([snapshot], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// How many snapshots are kept outside only.
///
/// # Errors
/// [`CatalogError`].
pub fn count(c: &Connection) -> Result<u64, CatalogError> {
    let sql = "SELECT count(*) FROM snapshot WHERE outside_at IS NOT NULL AND lifecycle = 'live'";
    Ok(c.prepare_cached(sql)?.query_row([], |row| size_at(row, 0))?)
}

/// Machines that have such snapshots.
///
/// # Errors
/// [`CatalogError`].
pub fn machines(c: &Connection) -> Result<HashSet<MachineRow>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT DISTINCT machine FROM snapshot WHERE outside_at IS NOT NULL")?;
    let found = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Notes whether a snapshot that is kept outside only is wanted here again.
///
/// # Errors
/// [`CatalogError`].
pub fn recall(
    tx: &Transaction<'_>,
    snapshot: SnapshotRow,
    is_wanted: bool,
    at: UnixMillis,
) -> Result<(), CatalogError> {
    let sql = "UPDATE snapshot SET recalled_at = iif(?2, coalesce(recalled_at, ?3), NULL)
               WHERE id = ?1 AND outside_at IS NOT NULL";
    tx.prepare_cached(sql)?.execute(params![snapshot, is_wanted, at.0])?;
    Ok(())
}

/// Snapshots that are wanted here again, the newest first.
///
/// # Errors
/// [`CatalogError`].
pub fn recalled(c: &Connection) -> Result<Vec<SnapshotRow>, CatalogError> {
    let sql = "SELECT id FROM snapshot WHERE recalled_at IS NOT NULL AND lifecycle = 'live' ORDER BY received_at DESC, id DESC";
    let found = c.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Packs that such snapshots need and whose files are not here.
///
/// # Errors
/// [`CatalogError`].
pub fn missing_here(c: &Connection, snapshot: SnapshotRow) -> Result<Vec<PackId>, CatalogError> {
    let sql = "SELECT DISTINCT pack_id FROM pack JOIN outside_need ON outside_need.pack = pack.id
               WHERE snapshot = ?1 AND outside_at IS NOT NULL ORDER BY pack.id";
    let found = c.prepare_cached(sql)?.query_map([snapshot], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// A recalled snapshot is here again, unless one of its packs is not. Whether it is. One that needs a damaged pack comes back as a
/// damaged one, so that people hear of it before it is read.
///
/// # Errors
/// [`CatalogError`].
pub fn come_home(tx: &Transaction<'_>, snapshot: SnapshotRow) -> Result<bool, CatalogError> {
    if !missing_here(tx, snapshot)?.is_empty() {
        return Ok(false);
    }
    let sql = "UPDATE snapshot SET outside_at = NULL, recalled_at = NULL,
                   state = iif(EXISTS (SELECT 1 FROM outside_need JOIN pack ON pack.id = outside_need.pack
                                       WHERE snapshot = ?1 AND pack.state = 'damaged'), 'damaged', state)
               WHERE id = ?1 AND recalled_at IS NOT NULL";
    let is_home = tx.prepare_cached(sql)?.execute([snapshot])? > 0;
    if is_home {
        tx.prepare_cached("DELETE FROM outside_need WHERE snapshot = ?1")?.execute([snapshot])?;
    }
    Ok(is_home)
}

/// Snapshots that are fully protected outside, by what was known when that was noted.
///
/// # Errors
/// [`CatalogError`].
pub fn protected(c: &Connection) -> Result<HashSet<SnapshotRow>, CatalogError> {
    let sql = "SELECT s.id FROM snapshot AS s JOIN snapshot_outside AS o ON o.snapshot_id = s.snapshot_id
               WHERE o.safe_at IS NOT NULL AND o.full_at IS NOT NULL";
    let found = c.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// The stripe of a pack all of whose shards were signed for, and which the map shows as it is.
///
/// # Errors
/// [`CatalogError`].
pub fn full_stripe(c: &Connection, pack: &PackId) -> Result<Option<Stripe>, CatalogError> {
    let sql = "SELECT id FROM stripe WHERE pack_id = ?1 AND kind = 'pack' AND former = 0 AND gone_at IS NULL
                 AND safe_at IS NOT NULL AND full_at IS NOT NULL AND mapped = 1";
    let row = c.prepare_cached(sql)?.query_row([pack.as_bytes()], |row| row.get(0)).optional()?;
    row.map_or(Ok(None), |row| stripes::by_row(c, row))
}

/// Whether the file of a pack is with other boxes only, by the will of retention.
///
/// # Errors
/// [`CatalogError`].
pub fn is_outside(c: &Connection, pack: &PackId) -> Result<bool, CatalogError> {
    let sql = "SELECT 1 FROM pack WHERE pack_id = ?1 AND outside_at IS NOT NULL";
    Ok(c.prepare_cached(sql)?.exists([pack.as_bytes()])?)
}

/// All that is kept outside only, by names: what a catalog that is made anew cannot find in the store.
#[derive(Debug, Clone, Default)]
pub struct SavedOutside {
    /// Snapshots, since when, and the packs that each needs.
    pub snapshots: Vec<(SnapshotId, UnixMillis, Vec<PackId>)>,
    /// All packs that they need: whose each is, its length, and since when its file is not here.
    pub packs: Vec<(PackId, MachineId, u64, Option<UnixMillis>)>,
    /// What their machines may use of others.
    pub rights: Vec<(MachineId, ChunkId)>,
}

/// Reads it.
///
/// # Errors
/// [`CatalogError`].
pub fn saved(c: &Connection) -> Result<SavedOutside, CatalogError> {
    let mut saved = SavedOutside::default();
    let sql = "SELECT id, snapshot_id, outside_at FROM snapshot WHERE outside_at IS NOT NULL AND lifecycle = 'live'";
    let mut statement = c.prepare(sql)?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, bytes_at(row, 1)?, time_at(row, 2)?));
    let found: Vec<(SnapshotRow, SnapshotId, UnixMillis)> = statement.query_map([], row)?.collect::<Result<_, _>>()?;
    let sql = "SELECT pack_id FROM outside_need JOIN pack ON pack.id = outside_need.pack WHERE snapshot = ?1";
    let mut statement = c.prepare(sql)?;
    for (row, id, at) in found {
        let packs = statement.query_map([row], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?;
        saved.snapshots.push((id, at, packs));
    }
    let sql = "SELECT pack_id, machine_id, bytes, outside_at FROM pack JOIN machine ON machine.id = pack.machine
               WHERE pack.id IN (SELECT pack FROM outside_need)";
    let pack = |row: &Row<'_>| Ok((bytes_at(row, 0)?, bytes_at(row, 1)?, size_at(row, 2)?, optional_time_at(row, 3)?));
    saved.packs = c.prepare(sql)?.query_map([], pack)?.collect::<Result<_, _>>()?;
    let sql = "SELECT machine_id, chunk_id FROM foreign_ref JOIN machine ON machine.id = foreign_ref.machine
               WHERE machine IN (SELECT machine FROM snapshot WHERE outside_at IS NOT NULL)";
    let right = |row: &Row<'_>| Ok((bytes_at(row, 0)?, bytes_at(row, 1)?));
    saved.rights = c.prepare(sql)?.query_map([], right)?.collect::<Result<_, _>>()?;
    Ok(saved)
}

/// A pack that was entered as one without a file here.
///
/// # Errors
/// [`CatalogError`].
pub fn set_pack_outside(tx: &Transaction<'_>, pack: &PackId, at: UnixMillis) -> Result<(), CatalogError> {
    let sql = "UPDATE pack SET outside_at = ?2 WHERE pack_id = ?1 AND state = 'stored'";
    tx.prepare_cached(sql)?.execute(params![pack.as_bytes(), at.0])?;
    Ok(())
}
