//! Proofs: restores to nowhere, and what came out of them.

use datis_engine::ids::{MachineId, SnapshotId};
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::values::{bytes_at, column_size, size_at, time_at};
use super::{CatalogError, MachineRow};

/// How many proofs of a machine are kept: more than a year of weekly ones.
const KEPT: i64 = 60;

/// What a proof came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// When it began.
    pub started_at: UnixMillis,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Files that were read and are what they should be.
    pub files: u64,
    /// Bytes that were read and checked.
    pub bytes: u64,
    /// Files, or parts of a listing, that could not be read.
    pub failures: u64,
    /// The first of these.
    pub failed: Vec<ProofFailure>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFailure {
    /// In which snapshot.
    pub snapshot: SnapshotId,
    /// Which file, or where a part of the listing begins; empty for its top.
    pub path: Vec<u8>,
    /// What does not hold.
    pub reason: String,
}

/// Keeps a proof, and drops the oldest ones of the machine.
///
/// # Errors
/// [`CatalogError`].
pub fn keep(tx: &Transaction<'_>, machine: MachineRow, proof: &Proof) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "INSERT INTO proof (machine, started_at, took_ms, files, bytes, failures) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        machine,
        proof.started_at.0,
        column_size(proof.took_ms),
        column_size(proof.files),
        column_size(proof.bytes),
        column_size(proof.failures),
    ])?;
    let row = tx.last_insert_rowid();
    let mut insert =
        tx.prepare_cached("INSERT INTO proof_failure (proof, snapshot_id, path, reason) VALUES (?1, ?2, ?3, ?4)")?;
    for failure in &proof.failed {
        insert.execute(params![row, failure.snapshot.as_bytes(), failure.path, failure.reason])?;
    }
    let old = "SELECT id FROM proof WHERE machine = ?1 ORDER BY started_at DESC, id DESC LIMIT -1 OFFSET ?2";
    let old: Vec<i64> =
        tx.prepare_cached(old)?.query_map(params![machine, KEPT], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for row in old {
        tx.prepare_cached("DELETE FROM proof_failure WHERE proof = ?1")?.execute([row])?;
        tx.prepare_cached("DELETE FROM proof WHERE id = ?1")?.execute([row])?;
    }
    Ok(())
}

/// The last proof of a machine.
///
/// # Errors
/// [`CatalogError`].
pub fn last(c: &Connection, machine: MachineRow) -> Result<Option<Proof>, CatalogError> {
    let sql = "SELECT id, started_at, took_ms, files, bytes, failures FROM proof WHERE machine = ?1
               ORDER BY started_at DESC, id DESC LIMIT 1";
    let proof = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, proof_from(row)?));
    let Some((row, mut proof)) = c.prepare_cached(sql)?.query_row([machine], proof).optional()? else {
        return Ok(None);
    };
    let sql = "SELECT snapshot_id, path, reason FROM proof_failure WHERE proof = ?1 ORDER BY rowid";
    let failure =
        |row: &Row<'_>| Ok(ProofFailure { snapshot: bytes_at(row, 0)?, path: row.get(1)?, reason: row.get(2)? });
    proof.failed = c.prepare_cached(sql)?.query_map([row], failure)?.collect::<Result<_, _>>()?;
    Ok(Some(proof))
}

/// The last proof of each machine that has one, without what failed in it.
///
/// # Errors
/// [`CatalogError`].
pub fn last_of_each(c: &Connection) -> Result<Vec<(MachineId, Proof)>, CatalogError> {
    let sql = "SELECT m.machine_id, p.started_at, p.took_ms, p.files, p.bytes, p.failures
               FROM machine m JOIN proof p ON p.id =
                   (SELECT q.id FROM proof q WHERE q.machine = m.id ORDER BY q.started_at DESC, q.id DESC LIMIT 1)
               ORDER BY m.id";
    let proof = |row: &Row<'_>| Ok((bytes_at(row, 0)?, proof_from(row)?));
    Ok(c.prepare_cached(sql)?.query_map([], proof)?.collect::<Result<_, _>>()?)
}

/// Of a row whose columns from the second on are those of a proof.
fn proof_from(row: &Row<'_>) -> rusqlite::Result<Proof> {
    Ok(Proof {
        started_at: time_at(row, 1)?,
        took_ms: size_at(row, 2)?,
        files: size_at(row, 3)?,
        bytes: size_at(row, 4)?,
        failures: size_at(row, 5)?,
        failed: Vec::new(),
    })
}

/// A machine that has snapshots and no proof since `since`: the one whose last proof is oldest.
///
/// # Errors
/// [`CatalogError`].
pub fn next_due(c: &Connection, since: UnixMillis) -> Result<Option<MachineId>, CatalogError> {
    let sql = "SELECT m.machine_id, (SELECT max(p.started_at) FROM proof p WHERE p.machine = m.id) AS proved_at
               FROM machine m
               WHERE EXISTS (SELECT 1 FROM snapshot s WHERE s.machine = m.id AND s.lifecycle = 'live')
                 AND coalesce(proved_at, -1) < ?1
               ORDER BY coalesce(proved_at, -1), m.id LIMIT 1";
    Ok(c.prepare_cached(sql)?.query_row([since.0], |row| bytes_at(row, 0)).optional()?)
}
