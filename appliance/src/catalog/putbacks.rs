//! Requests that something of a snapshot be put back on its machine, and what became of them.

use datis_engine::ids::{SnapshotId, SourceName};
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::values::{PutBackRow, bytes_at, column_size, optional_time_at, size_at, state_words, time_at, word_at};
use super::{CatalogError, MachineRow};

/// Requests of one machine that are kept after their end.
const KEPT: i64 = 100;

state_words! {
    /// What is done about names that are taken.
    PutBackKind {
        /// What is there stays.
        Beside => "beside",
        /// What is there is replaced.
        Overwrite => "overwrite",
    }
}

state_words! {
    /// How far a request is.
    PutBackState {
        /// Nobody at the machine has said anything yet.
        Waiting => "waiting",
        /// Somebody there has agreed, and it is under way.
        Running => "running",
        /// All of it is back.
        Done => "done",
        /// Some of it is back.
        Incomplete => "incomplete",
        /// Nothing is back.
        Failed => "failed",
        /// Somebody at the machine has refused.
        Refused => "refused",
        /// Somebody at the box does not want it any more.
        Cancelled => "cancelled",
        /// Nobody said anything in time, or the machine fell silent while it was under way.
        Expired => "expired",
    }
}

impl PutBackState {
    /// Whether something may still come of it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Waiting | Self::Running => true,
            Self::Done | Self::Incomplete | Self::Failed | Self::Refused | Self::Cancelled | Self::Expired => false,
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct PutBack {
    /// Its number.
    pub row: PutBackRow,
    /// On which machine.
    pub machine: MachineRow,
    /// Of which source.
    pub source: SourceName,
    /// Out of which snapshot.
    pub snapshot: SnapshotId,
    /// When that was received.
    pub snapshot_at: UnixMillis,
    /// What is done about names that are taken.
    pub kind: PutBackKind,
    /// How far it is.
    pub state: PutBackState,
    /// What is put back.
    pub paths: Vec<Vec<u8>>,
    /// Who has asked.
    pub asked_by: String,
    /// When.
    pub asked_at: UnixMillis,
    /// Until when it waits, or, under way, by when the machine has to be heard of again.
    pub expires_at: UnixMillis,
    /// Who at the machine has agreed or refused, as the machine says.
    pub answered_by: String,
    /// When.
    pub answered_at: Option<UnixMillis>,
    /// When it came to its end; of one that nobody wanted any more while it was under way: when the machine told its end.
    pub ended_at: Option<UnixMillis>,
    /// Files that are back, each byte of which the machine has checked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that are not back.
    pub problems: u64,
    /// Why, in the machine's words.
    pub reason: String,
}

/// A request that is not in the catalog yet.
#[derive(Debug)]
pub struct NewPutBack<'p> {
    /// See [`PutBack`].
    pub machine: MachineRow,
    /// See [`PutBack`].
    pub source: &'p SourceName,
    /// See [`PutBack`].
    pub snapshot: &'p SnapshotId,
    /// See [`PutBack`].
    pub snapshot_at: UnixMillis,
    /// See [`PutBack`].
    pub kind: PutBackKind,
    /// See [`PutBack`].
    pub paths: &'p [Vec<u8>],
    /// See [`PutBack`].
    pub asked_by: &'p str,
    /// See [`PutBack`].
    pub asked_at: UnixMillis,
    /// See [`PutBack`].
    pub expires_at: UnixMillis,
}

const COLUMNS: &str = "id, machine, source, snapshot_id, snapshot_at, kind, state, asked_by, asked_at, expires_at, \
                       answered_by, answered_at, ended_at, files, bytes, problems, reason";

fn put_back_from(row: &Row<'_>) -> rusqlite::Result<PutBack> {
    Ok(PutBack {
        row: row.get(0)?,
        machine: row.get(1)?,
        source: word_at(row, 2)?,
        snapshot: bytes_at(row, 3)?,
        snapshot_at: time_at(row, 4)?,
        kind: word_at(row, 5)?,
        state: word_at(row, 6)?,
        paths: Vec::new(),
        asked_by: row.get(7)?,
        asked_at: time_at(row, 8)?,
        expires_at: time_at(row, 9)?,
        answered_by: row.get(10)?,
        answered_at: optional_time_at(row, 11)?,
        ended_at: optional_time_at(row, 12)?,
        files: size_at(row, 13)?,
        bytes: size_at(row, 14)?,
        problems: size_at(row, 15)?,
        reason: row.get(16)?,
    })
}

fn with_paths(c: &Connection, mut put_back: PutBack) -> Result<PutBack, CatalogError> {
    let mut statement = c.prepare_cached("SELECT path FROM put_back_path WHERE put_back = ?1 ORDER BY path")?;
    put_back.paths = statement.query_map([put_back.row], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(put_back)
}

/// Adds a request; the oldest ended ones of the machine make room.
///
/// # Errors
/// [`CatalogError`].
pub fn insert(tx: &Transaction<'_>, new: &NewPutBack<'_>) -> Result<PutBackRow, CatalogError> {
    tx.prepare_cached(
        "INSERT INTO put_back (machine, source, snapshot_id, snapshot_at, kind, state, asked_by, asked_at, expires_at,
                               answered_by, files, bytes, problems, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', ?6, ?7, ?8, '', 0, 0, 0, '')",
    )?
    .execute(params![
        new.machine,
        new.source.as_str(),
        new.snapshot.as_bytes(),
        new.snapshot_at.0,
        new.kind.word(),
        new.asked_by,
        new.asked_at.0,
        new.expires_at.0,
    ])?;
    let row = PutBackRow(tx.last_insert_rowid());
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO put_back_path (put_back, path) VALUES (?1, ?2)")?;
    for path in new.paths {
        insert.execute(params![row, path])?;
    }
    let old = "SELECT id FROM put_back WHERE machine = ?1 AND state NOT IN ('waiting', 'running')
               ORDER BY id DESC LIMIT -1 OFFSET ?2";
    let old: Vec<i64> =
        tx.prepare_cached(old)?.query_map(params![new.machine, KEPT], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in old {
        tx.prepare_cached("DELETE FROM put_back_path WHERE put_back = ?1")?.execute([id])?;
        tx.prepare_cached("DELETE FROM put_back WHERE id = ?1")?.execute([id])?;
    }
    Ok(row)
}

/// The request with this number.
///
/// # Errors
/// [`CatalogError`].
pub fn by_row(c: &Connection, row: PutBackRow) -> Result<Option<PutBack>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM put_back WHERE id = ?1");
    let found = c.prepare_cached(&sql)?.query_row([row], put_back_from).optional()?;
    found.map(|found| with_paths(c, found)).transpose()
}

/// The requests of a machine, newest first, at most `limit`.
///
/// # Errors
/// [`CatalogError`].
pub fn of_machine(c: &Connection, machine: MachineRow, limit: u32) -> Result<Vec<PutBack>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM put_back WHERE machine = ?1 ORDER BY id DESC LIMIT ?2");
    let found: Vec<PutBack> =
        c.prepare_cached(&sql)?.query_map(params![machine, limit], put_back_from)?.collect::<Result<_, _>>()?;
    found.into_iter().map(|found| with_paths(c, found)).collect()
}

/// Those of a machine that wait, oldest first.
///
/// # Errors
/// [`CatalogError`].
pub fn waiting(c: &Connection, machine: MachineRow) -> Result<Vec<PutBack>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM put_back WHERE machine = ?1 AND state = 'waiting' ORDER BY id");
    let found: Vec<PutBack> = c.prepare_cached(&sql)?.query_map([machine], put_back_from)?.collect::<Result<_, _>>()?;
    found.into_iter().map(|found| with_paths(c, found)).collect()
}

/// How many of a machine wait.
///
/// # Errors
/// [`CatalogError`].
pub fn count_waiting(c: &Connection, machine: MachineRow, now: UnixMillis) -> Result<u32, CatalogError> {
    let sql = "SELECT count(*) FROM put_back WHERE machine = ?1 AND state = 'waiting' AND expires_at > ?2";
    Ok(c.prepare_cached(sql)?.query_row(params![machine, now.0], |row| row.get(0))?)
}

/// How many of a machine are open.
///
/// # Errors
/// [`CatalogError`].
pub fn count_open(c: &Connection, machine: MachineRow) -> Result<u64, CatalogError> {
    let sql = "SELECT count(*) FROM put_back WHERE machine = ?1 AND state IN ('waiting', 'running')";
    Ok(c.prepare_cached(sql)?.query_row([machine], |row| size_at(row, 0))?)
}

/// Whether [`expire`] has anything to do.
///
/// # Errors
/// [`CatalogError`].
pub fn is_any_due(c: &Connection, now: UnixMillis) -> Result<bool, CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM put_back WHERE state IN ('waiting', 'running') AND expires_at <= ?1)";
    Ok(c.prepare_cached(sql)?.query_row([now.0], |row| row.get(0))?)
}

/// Ends the open ones whose time was over at `now`; tells of which machines, and their numbers.
///
/// # Errors
/// [`CatalogError`].
pub fn expire(tx: &Transaction<'_>, now: UnixMillis) -> Result<Vec<(MachineRow, PutBackRow)>, CatalogError> {
    let mut statement = tx.prepare_cached(
        "UPDATE put_back SET state = 'expired', ended_at = CASE state WHEN 'waiting' THEN ?1 END
         WHERE state IN ('waiting', 'running') AND expires_at <= ?1 RETURNING machine, id",
    )?;
    let ended = statement.query_map([now.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(ended.collect::<Result<_, _>>()?)
}

/// Notes how far a request is.
///
/// # Errors
/// [`CatalogError`].
pub fn update(tx: &Transaction<'_>, put_back: &PutBack) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "UPDATE put_back SET state = ?2, expires_at = ?3, answered_by = ?4, answered_at = ?5, ended_at = ?6, files = ?7,
                             bytes = ?8, problems = ?9, reason = ?10
         WHERE id = ?1",
    )?
    .execute(params![
        put_back.row,
        put_back.state.word(),
        put_back.expires_at.0,
        put_back.answered_by,
        put_back.answered_at.map(|at| at.0),
        put_back.ended_at.map(|at| at.0),
        column_size(put_back.files),
        column_size(put_back.bytes),
        column_size(put_back.problems),
        put_back.reason,
    ])?;
    Ok(())
}
