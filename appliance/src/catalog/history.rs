//! What people look at: machines and snapshots by their ids, whoever they belong to. Who may look is decided above.

use datis_engine::ids::{MachineId, SnapshotId, SourceName};
use datis_engine::units::UnixMillis;
use datis_engine::wire::SnapshotState;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::snapshots::state_at;
use super::values::{bytes_at, size_at, time_at, word_at};
use super::{CatalogError, MachineRow, SnapshotRow};

/// A live snapshot with its record.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its number here.
    pub row: SnapshotRow,
    /// Its name.
    pub id: SnapshotId,
    /// Whose it is.
    pub machine: MachineRow,
    /// The same, as it is called.
    pub machine_id: MachineId,
    /// Of which source.
    pub source: SourceName,
    /// When the box had all of it.
    pub received_at: UnixMillis,
    /// What the machine signed; the signature was checked at the commit.
    pub record: Vec<u8>,
}

/// A live snapshot at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Its name.
    pub id: SnapshotId,
    /// When the box had all of it.
    pub received_at: UnixMillis,
    /// What is known of it.
    pub state: SnapshotState,
    /// How many entries it holds.
    pub entries: u64,
    /// Bytes of its regular files, holes included.
    pub bytes: u64,
    /// How many entries could not be read when it was made.
    pub problems: u64,
    /// Whether it is kept outside only.
    pub is_outside: bool,
}

const COLUMNS: &str = "s.id, s.snapshot_id, s.machine, m.machine_id, s.source, s.received_at, s.record";

fn seen_from(row: &Row<'_>) -> rusqlite::Result<Seen> {
    Ok(Seen {
        row: row.get(0)?,
        id: bytes_at(row, 1)?,
        machine: row.get(2)?,
        machine_id: bytes_at(row, 3)?,
        source: word_at(row, 4)?,
        received_at: time_at(row, 5)?,
        record: row.get(6)?,
    })
}

/// The live snapshot of this name.
///
/// # Errors
/// [`CatalogError`].
pub fn snapshot(c: &Connection, id: &SnapshotId) -> Result<Option<Seen>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM snapshot s JOIN machine m ON m.id = s.machine
         WHERE s.snapshot_id = ?1 AND s.lifecycle = 'live'"
    );
    Ok(c.prepare_cached(&sql)?.query_row([id.as_bytes()], seen_from).optional()?)
}

/// Live snapshots of a source that came before `before`, newest first, at most `limit`.
///
/// # Errors
/// [`CatalogError`].
pub fn of_source(
    c: &Connection,
    machine: MachineRow,
    source: &SourceName,
    before: UnixMillis,
    limit: usize,
) -> Result<Vec<Seen>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM snapshot s JOIN machine m ON m.id = s.machine
         WHERE s.machine = ?1 AND s.source = ?2 AND s.received_at < ?3 AND s.lifecycle = 'live'
         ORDER BY s.received_at DESC, s.id DESC LIMIT ?4"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = c.prepare_cached(&sql)?;
    let found = statement.query_map(params![machine, source.as_str(), before.0, limit], seen_from)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The newest live snapshot of each source of a machine.
///
/// # Errors
/// [`CatalogError`].
pub fn newest_of_each_source(c: &Connection, machine: MachineRow) -> Result<Vec<Seen>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM snapshot s JOIN machine m ON m.id = s.machine
         WHERE s.machine = ?1 AND s.lifecycle = 'live' AND s.received_at =
             (SELECT max(t.received_at) FROM snapshot t
              WHERE t.machine = s.machine AND t.source = s.source AND t.lifecycle = 'live')
         ORDER BY s.source, s.id"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let mut found: Vec<Seen> = statement.query_map([machine], seen_from)?.collect::<Result<_, _>>()?;
    found.dedup_by(|later, earlier| later.source == earlier.source);
    Ok(found)
}

/// The number of the machine of this name, retired or not.
///
/// # Errors
/// [`CatalogError`].
pub fn machine(c: &Connection, id: &MachineId) -> Result<Option<MachineRow>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT id FROM machine WHERE machine_id = ?1")?;
    Ok(statement.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}

/// Every machine with its number, retired or not.
///
/// # Errors
/// [`CatalogError`].
pub fn machines(c: &Connection) -> Result<Vec<(MachineRow, MachineId)>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT id, machine_id FROM machine ORDER BY id")?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, bytes_at(row, 1)?)))?;
    Ok(all.collect::<Result<_, _>>()?)
}

/// All live snapshots of a source, newest first.
///
/// # Errors
/// [`CatalogError`].
pub fn timeline(c: &Connection, machine: MachineRow, source: &SourceName) -> Result<Vec<Moment>, CatalogError> {
    let mut statement = c.prepare_cached(
        "SELECT snapshot_id, received_at, state, entries, bytes, problem_count, outside_at IS NOT NULL FROM snapshot
         WHERE machine = ?1 AND source = ?2 AND lifecycle = 'live' ORDER BY received_at DESC, id DESC",
    )?;
    let moment = |row: &Row<'_>| {
        Ok(Moment {
            id: bytes_at(row, 0)?,
            received_at: time_at(row, 1)?,
            state: state_at(row, 2)?,
            entries: size_at(row, 3)?,
            bytes: size_at(row, 4)?,
            problems: size_at(row, 5)?,
            is_outside: row.get(6)?,
        })
    };
    let all = statement.query_map(params![machine, source.as_str()], moment)?;
    Ok(all.collect::<Result<_, _>>()?)
}
