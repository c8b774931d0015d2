//! Snapshots: what was acknowledged, and how long it stays.

use datis_engine::format::snapshot::{Receipt, SignedRecord, SnapshotRecord};
use datis_engine::ids::{SnapshotId, SourceKind, SourceName};
use datis_engine::units::UnixMillis;
use datis_engine::wire::SnapshotState;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::runs::{self, RunOutcome};
use super::values::{bytes_at, column_size, size_at, state_words, time_at, word_at};
use super::{CatalogError, MachineRow, SnapshotRow};

state_words! {
    /// How far a snapshot is on its way out.
    Lifecycle {
        /// It is there.
        Live => "live",
        /// No policy wants it; its object is being deleted, and it is shown to nobody.
        Expiring => "expiring",
    }
}

/// A snapshot with its signed record.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its number here.
    pub row: SnapshotRow,
    /// Its name.
    pub id: SnapshotId,
    /// Whose it is.
    pub machine: MachineRow,
    /// Of which source.
    pub source: SourceName,
    /// What is known of it.
    pub state: SnapshotState,
    /// How far it is on its way out.
    pub lifecycle: Lifecycle,
    /// When the box had all of it.
    pub received_at: UnixMillis,
    /// What the machine signed.
    pub signed: SignedRecord,
    /// Whether it is kept outside only.
    pub is_outside: bool,
}

/// The same without the record: enough to plan retention.
#[derive(Debug, Clone)]
pub struct SnapshotBrief {
    /// Its number here.
    pub row: SnapshotRow,
    /// Its name.
    pub id: SnapshotId,
    /// Whose it is.
    pub machine: MachineRow,
    /// Of which source.
    pub source: SourceName,
    /// What is known of it.
    pub state: SnapshotState,
    /// How far it is on its way out.
    pub lifecycle: Lifecycle,
    /// When the box had all of it.
    pub received_at: UnixMillis,
    /// How many entries could not be read when it was made.
    pub problem_count: u64,
    /// Whether it is kept outside only.
    pub is_outside: bool,
}

/// The word of a snapshot's state, back into the state.
pub(super) fn state_at(row: &Row<'_>, index: usize) -> rusqlite::Result<SnapshotState> {
    let word = row.get_ref(index)?.as_str()?;
    let known = SnapshotState::ALL.iter().find(|state| state.word() == word);
    known.copied().ok_or_else(|| rusqlite::Error::InvalidColumnType(index, "state".to_owned(), Type::Text))
}

const COLUMNS: &str =
    "id, snapshot_id, machine, source, state, lifecycle, received_at, record, signature, outside_at IS NOT NULL";

fn snapshot_from(row: &Row<'_>) -> rusqlite::Result<Snapshot> {
    Ok(Snapshot {
        row: row.get(0)?,
        id: bytes_at(row, 1)?,
        machine: row.get(2)?,
        source: word_at(row, 3)?,
        state: state_at(row, 4)?,
        lifecycle: word_at(row, 5)?,
        received_at: time_at(row, 6)?,
        signed: SignedRecord { record: row.get(7)?, signature: row.get(8)? },
        is_outside: row.get(9)?,
    })
}

/// Says that the object of a snapshot is about to be put. Until [`insert`], it is nobody's snapshot.
///
/// # Errors
/// [`CatalogError`].
pub fn announce(tx: &Transaction<'_>, id: &SnapshotId) -> Result<(), CatalogError> {
    tx.prepare_cached("INSERT OR IGNORE INTO announced_snapshot (snapshot_id) VALUES (?1)")?
        .execute([id.as_bytes()])?;
    Ok(())
}

/// Takes an announcement back, once there is no object.
///
/// # Errors
/// [`CatalogError`].
pub fn retract(tx: &Transaction<'_>, id: &SnapshotId) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM announced_snapshot WHERE snapshot_id = ?1")?.execute([id.as_bytes()])?;
    Ok(())
}

/// Snapshots that were announced and have not come.
///
/// # Errors
/// [`CatalogError`].
pub fn announced(c: &Connection) -> Result<Vec<SnapshotId>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT snapshot_id FROM announced_snapshot")?;
    let ids = statement.query_map([], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// A snapshot on its way into the catalog; its object is durable already.
#[derive(Debug)]
pub struct NewSnapshot<'s> {
    /// Whose it is.
    pub machine: MachineRow,
    /// What the machine signed.
    pub signed: &'s SignedRecord,
    /// The same, read.
    pub record: &'s SnapshotRecord,
    /// The box's answer.
    pub receipt: &'s Receipt,
}

/// Adds a snapshot, which ends its announcement; from the commit on it is visible.
///
/// # Errors
/// [`CatalogError`].
pub fn insert(tx: &Transaction<'_>, new: &NewSnapshot<'_>) -> Result<(), CatalogError> {
    let state = if new.record.problem_count == 0 { SnapshotState::Complete } else { SnapshotState::Incomplete };
    tx.prepare_cached(
        "INSERT INTO snapshot (snapshot_id, machine, source, kind, state, lifecycle, received_at, record, signature,
                               receipt, entries, bytes, problem_count)
         VALUES (?1, ?2, ?3, ?4, ?5, 'live', ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        new.signed.id().as_bytes(),
        new.machine,
        new.record.source.as_str(),
        new.record.kind.word(),
        state.word(),
        new.receipt.received_at.0,
        new.signed.record,
        new.signed.signature,
        new.receipt.encode(),
        column_size(new.record.totals.entries),
        column_size(new.record.totals.bytes),
        column_size(new.record.problem_count),
    ])?;
    let outcome = if new.record.problem_count == 0 { RunOutcome::Complete } else { RunOutcome::Incomplete };
    runs::count(tx, new.machine, new.receipt.received_at, outcome)?;
    retract(tx, &new.signed.id())
}

/// The receipt that was given for a snapshot, as bytes.
///
/// # Errors
/// [`CatalogError`].
pub fn receipt(c: &Connection, machine: MachineRow, id: &SnapshotId) -> Result<Option<Vec<u8>>, CatalogError> {
    Ok(c.prepare_cached("SELECT receipt FROM snapshot WHERE snapshot_id = ?1 AND machine = ?2")?
        .query_row(params![id.as_bytes(), machine], |row| row.get(0))
        .optional()?)
}

/// A snapshot of this machine.
///
/// # Errors
/// [`CatalogError`].
pub fn by_id(c: &Connection, machine: MachineRow, id: &SnapshotId) -> Result<Option<Snapshot>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM snapshot WHERE snapshot_id = ?1 AND machine = ?2");
    Ok(c.prepare_cached(&sql)?.query_row(params![id.as_bytes(), machine], snapshot_from).optional()?)
}

/// The snapshot with this number.
///
/// # Errors
/// [`CatalogError`].
pub fn by_row(c: &Connection, row: SnapshotRow) -> Result<Option<Snapshot>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM snapshot WHERE id = ?1");
    Ok(c.prepare_cached(&sql)?.query_row([row], snapshot_from).optional()?)
}

/// Live snapshots of a machine, newest first, at most `limit`: of one source or all, and only those after `after`.
///
/// # Errors
/// [`CatalogError`].
pub fn page(
    c: &Connection,
    machine: MachineRow,
    source: Option<&SourceName>,
    after: Option<(UnixMillis, SnapshotRow)>,
    limit: usize,
) -> Result<Vec<Snapshot>, CatalogError> {
    let (time, row) = after.map_or((i64::MAX, i64::MAX), |(time, row)| (time.0, row.0));
    let sql = format!(
        "SELECT {COLUMNS} FROM snapshot
         WHERE machine = ?1 AND lifecycle = 'live' AND (?2 IS NULL OR source = ?2) AND (received_at, id) < (?3, ?4)
         ORDER BY received_at DESC, id DESC LIMIT ?5"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = c.prepare_cached(&sql)?;
    let page = statement
        .query_map(params![machine, source.map(SourceName::as_str), time, row, limit], snapshot_from)?
        .collect::<Result<_, _>>()?;
    Ok(page)
}

/// All snapshots, in the order of their numbers.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<Vec<SnapshotBrief>, CatalogError> {
    let mut statement = c.prepare_cached(
        "SELECT id, snapshot_id, machine, source, state, lifecycle, received_at, problem_count, outside_at IS NOT NULL
         FROM snapshot ORDER BY id",
    )?;
    let brief = |row: &Row<'_>| {
        Ok(SnapshotBrief {
            row: row.get(0)?,
            id: bytes_at(row, 1)?,
            machine: row.get(2)?,
            source: word_at(row, 3)?,
            state: state_at(row, 4)?,
            lifecycle: word_at(row, 5)?,
            received_at: time_at(row, 6)?,
            problem_count: size_at(row, 7)?,
            is_outside: row.get(8)?,
        })
    };
    let all = statement.query_map([], brief)?.collect::<Result<_, _>>()?;
    Ok(all)
}

/// When the last snapshot or pack was received: the box's clock never goes back behind it.
///
/// # Errors
/// [`CatalogError`].
pub fn last_received_at(c: &Connection) -> Result<UnixMillis, CatalogError> {
    let sql = "SELECT max(coalesce((SELECT max(received_at) FROM snapshot), 0),
                          coalesce((SELECT max(received_at) FROM pack), 0))";
    Ok(c.query_row(sql, [], |row| time_at(row, 0))?)
}

/// Begins to remove a snapshot: nobody sees it from then on.
///
/// # Errors
/// [`CatalogError`].
pub fn mark_expiring(tx: &Transaction<'_>, row: SnapshotRow) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE snapshot SET lifecycle = 'expiring' WHERE id = ?1")?.execute([row])?;
    Ok(())
}

/// Ends removing a snapshot, whose object is gone.
///
/// # Errors
/// [`CatalogError`].
pub fn delete_expired(tx: &Transaction<'_>, row: SnapshotRow) -> Result<(), CatalogError> {
    let sql =
        "DELETE FROM outside_need WHERE snapshot IN (SELECT id FROM snapshot WHERE id = ?1 AND lifecycle = 'expiring')";
    tx.prepare_cached(sql)?.execute([row])?;
    tx.prepare_cached("DELETE FROM snapshot WHERE id = ?1 AND lifecycle = 'expiring'")?.execute([row])?;
    Ok(())
}

/// Notes what is known of a snapshot now.
///
/// # Errors
/// [`CatalogError`].
pub fn set_state(tx: &Transaction<'_>, row: SnapshotRow, state: SnapshotState) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE snapshot SET state = ?2 WHERE id = ?1")?.execute(params![row, state.word()])?;
    Ok(())
}

/// What the live snapshots of one source come to.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SourceTotals {
    /// Whose source.
    #[serde(skip)]
    pub machine: MachineRow,
    /// Its name.
    pub source: String,
    /// How it is cut.
    pub kind: &'static str,
    /// How many live snapshots.
    pub snapshots: u64,
    /// Of these, how many rest on damaged packs.
    pub damaged: u64,
    /// When the last one came, milliseconds since 1970.
    pub last_received_at: i64,
    /// What the last one holds, in bytes.
    pub last_bytes: u64,
    /// How many entries the last one holds.
    pub last_entries: u64,
    /// How many entries of the last one could not be read.
    pub last_problems: u64,
}

/// Every source that has live snapshots.
///
/// # Errors
/// [`CatalogError`].
pub fn source_totals(c: &Connection) -> Result<Vec<SourceTotals>, CatalogError> {
    // Counted out of an index alone; only the last one of each source is looked up.
    let mut statement = c.prepare_cached(
        "SELECT t.machine, t.source, s.kind, t.snapshots, t.damaged, t.last, s.bytes, s.entries, s.problem_count
         FROM (SELECT machine, source, count(*) AS snapshots, sum(state = 'damaged') AS damaged, max(received_at) AS last
               FROM snapshot INDEXED BY snapshot_totals WHERE lifecycle = 'live' GROUP BY machine, source) t
         JOIN snapshot s ON s.machine = t.machine AND s.source = t.source AND s.received_at = t.last
                        AND s.lifecycle = 'live'
         ORDER BY t.machine, t.source",
    )?;
    let totals = |row: &Row<'_>| {
        Ok(SourceTotals {
            machine: row.get(0)?,
            source: row.get(1)?,
            kind: word_at::<SourceKind>(row, 2)?.word(),
            snapshots: size_at(row, 3)?,
            damaged: size_at(row, 4)?,
            last_received_at: row.get(5)?,
            last_bytes: size_at(row, 6)?,
            last_entries: size_at(row, 7)?,
            last_problems: size_at(row, 8)?,
        })
    };
    let all = statement.query_map([], totals)?.collect::<Result<_, _>>()?;
    Ok(all)
}
