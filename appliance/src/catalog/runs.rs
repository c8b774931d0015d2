//! What machines did: day by day, and their last runs as they told of them; and what they take on the disk.

use datis_engine::ids::{RunId, SourceName};
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::values::{column_size, size_at, state_words, time_at, word_at};
use super::{CatalogError, MachineRow};

/// A day, in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// How many runs of a machine are kept.
const RUNS_KEPT: i64 = 50;
/// How many days are kept: more than 53 weeks.
const DAYS_KEPT: i64 = 400;

state_words! {
    /// How a run ended.
    RunOutcome {
        /// Everything of its source is in the snapshot.
        Complete => "complete",
        /// Some entries could not be read.
        Incomplete => "incomplete",
        /// There is no snapshot of it.
        Failed => "failed",
    }
}

/// A day, counted from 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day that a time is in.
    #[must_use]
    pub const fn of(at: UnixMillis) -> Self {
        Self(at.0.div_euclid(DAY_MS))
    }

    /// Its first moment.
    #[must_use]
    pub const fn start(self) -> UnixMillis {
        UnixMillis(self.0.saturating_mul(DAY_MS))
    }
}

/// How many runs of a machine ended how on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRuns {
    /// Which day.
    pub day: Day,
    /// Snapshots with everything.
    pub complete: u64,
    /// Snapshots that lack something.
    pub incomplete: u64,
    /// Runs without a snapshot.
    pub failed: u64,
}

/// One more run that ended so on the day of `at`.
pub(super) fn count(
    tx: &Transaction<'_>,
    machine: MachineRow,
    at: UnixMillis,
    outcome: RunOutcome,
) -> Result<(), CatalogError> {
    let one = |wanted: RunOutcome| i64::from(outcome == wanted);
    tx.prepare_cached(
        "INSERT INTO machine_day (machine, day, complete, incomplete, failed) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (machine, day) DO UPDATE SET
             complete = complete + ?3, incomplete = incomplete + ?4, failed = failed + ?5",
    )?
    .execute(params![
        machine,
        Day::of(at).0,
        one(RunOutcome::Complete),
        one(RunOutcome::Incomplete),
        one(RunOutcome::Failed)
    ])?;
    tx.prepare_cached("DELETE FROM machine_day WHERE machine = ?1 AND day < ?2")?
        .execute(params![machine, Day::of(at).0 - DAYS_KEPT])?;
    Ok(())
}

/// The days of a machine from `first` on that have a run, in their order.
///
/// # Errors
/// [`CatalogError`].
pub fn days(c: &Connection, machine: MachineRow, first: Day) -> Result<Vec<DayRuns>, CatalogError> {
    let mut statement = c.prepare_cached(
        "SELECT day, complete, incomplete, failed FROM machine_day WHERE machine = ?1 AND day >= ?2 ORDER BY day",
    )?;
    let day = |row: &Row<'_>| {
        Ok(DayRuns {
            day: Day(row.get(0)?),
            complete: size_at(row, 1)?,
            incomplete: size_at(row, 2)?,
            failed: size_at(row, 3)?,
        })
    };
    let days = statement.query_map(params![machine, first.0], day)?;
    Ok(days.collect::<Result<_, _>>()?)
}

/// A run as its machine told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Of which source.
    pub source: SourceName,
    /// How it ended.
    pub outcome: RunOutcome,
    /// When the box heard of it.
    pub reported_at: UnixMillis,
    /// How long it looked, read and sent, in milliseconds.
    pub reading_ms: u64,
    /// How long the box took to make it durable.
    pub commit_ms: u64,
    /// How long it took in all.
    pub took_ms: u64,
    /// Entries in its snapshot.
    pub entries: u64,
    /// Bytes that the box did not have yet.
    pub new_bytes: u64,
    /// Entries that could not be read.
    pub problems: u64,
    /// Why it failed, in the machine's words.
    pub message: String,
    /// What was left out on purpose.
    pub excludes: Vec<String>,
}

/// Keeps a run, unless it was told of before; the oldest ones of the machine make room.
///
/// # Errors
/// [`CatalogError`].
pub fn keep(tx: &Transaction<'_>, machine: MachineRow, id: &RunId, run: &Run) -> Result<(), CatalogError> {
    let added = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO run (machine, run_id, source, outcome, reported_at, reading_ms, commit_ms, took_ms,
                                        entries, new_bytes, problems, message, excludes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            machine,
            id.as_bytes(),
            run.source.as_str(),
            run.outcome.word(),
            run.reported_at.0,
            column_size(run.reading_ms),
            column_size(run.commit_ms),
            column_size(run.took_ms),
            column_size(run.entries),
            column_size(run.new_bytes),
            column_size(run.problems),
            run.message,
            run.excludes.join("\n"),
        ])?;
    if added == 0 {
        return Ok(());
    }
    if run.outcome == RunOutcome::Failed {
        // The others are counted with their snapshots, whoever tells of them or not.
        count(tx, machine, run.reported_at, run.outcome)?;
    }
    tx.prepare_cached(
        "DELETE FROM run WHERE machine = ?1 AND id NOT IN
             (SELECT id FROM run WHERE machine = ?1 ORDER BY id DESC LIMIT ?2)",
    )?
    .execute(params![machine, RUNS_KEPT])?;
    Ok(())
}

/// The last runs of a machine, newest first, at most `limit`.
///
/// # Errors
/// [`CatalogError`].
pub fn newest(c: &Connection, machine: MachineRow, limit: u32) -> Result<Vec<Run>, CatalogError> {
    let mut statement = c.prepare_cached(
        "SELECT source, outcome, reported_at, reading_ms, commit_ms, took_ms, entries, new_bytes, problems, message,
                excludes
         FROM run WHERE machine = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let run = |row: &Row<'_>| {
        Ok(Run {
            source: word_at(row, 0)?,
            outcome: word_at(row, 1)?,
            reported_at: time_at(row, 2)?,
            reading_ms: size_at(row, 3)?,
            commit_ms: size_at(row, 4)?,
            took_ms: size_at(row, 5)?,
            entries: size_at(row, 6)?,
            new_bytes: size_at(row, 7)?,
            problems: size_at(row, 8)?,
            message: row.get(9)?,
            excludes: row.get::<_, String>(10)?.lines().map(str::to_owned).collect(),
        })
    };
    let runs = statement.query_map(params![machine, limit], run)?;
    Ok(runs.collect::<Result<_, _>>()?)
}

/// The last restore that a machine told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRestore {
    /// Out of which of its sources.
    pub source: SourceName,
    /// Files that came back.
    pub files: u64,
    /// When the box heard of it.
    pub reported_at: UnixMillis,
}

/// Keeps the last restore of a machine.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_restore(tx: &Transaction<'_>, machine: MachineRow, last: &MachineRestore) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO machine_restore (machine, source, files, reported_at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![machine, last.source.as_str(), column_size(last.files), last.reported_at.0])?;
    Ok(())
}

/// The newest restore that any machine told of, with its name.
///
/// # Errors
/// [`CatalogError`].
pub fn newest_restore(c: &Connection) -> Result<Option<(String, MachineRestore)>, CatalogError> {
    let mut statement = c.prepare_cached(
        "SELECT machine.name, source, files, reported_at FROM machine_restore JOIN machine ON machine.id = machine
         ORDER BY reported_at DESC LIMIT 1",
    )?;
    let last = |row: &Row<'_>| {
        Ok((
            row.get(0)?,
            MachineRestore { source: word_at(row, 1)?, files: size_at(row, 2)?, reported_at: time_at(row, 3)? },
        ))
    };
    Ok(statement.query_row([], last).optional()?)
}

/// What a machine takes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineSize {
    /// Bytes that only its snapshots need: so much would be free without them.
    pub unique_bytes: u64,
    /// Bytes that others need as well.
    pub shared_bytes: u64,
    /// As of when.
    pub weighed_at: UnixMillis,
}

/// Keeps what machines take, in place of what was known before.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_sizes(tx: &Transaction<'_>, sizes: &[(MachineRow, MachineSize)]) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM machine_size", [])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO machine_size (machine, unique_bytes, shared_bytes, weighed_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (machine, size) in sizes {
        insert.execute(params![
            machine,
            column_size(size.unique_bytes),
            column_size(size.shared_bytes),
            size.weighed_at.0
        ])?;
    }
    Ok(())
}

/// What a machine takes, if that was weighed yet.
///
/// # Errors
/// [`CatalogError`].
pub fn size(c: &Connection, machine: MachineRow) -> Result<Option<MachineSize>, CatalogError> {
    let mut statement =
        c.prepare_cached("SELECT unique_bytes, shared_bytes, weighed_at FROM machine_size WHERE machine = ?1")?;
    let size = |row: &Row<'_>| {
        Ok(MachineSize { unique_bytes: size_at(row, 0)?, shared_bytes: size_at(row, 1)?, weighed_at: time_at(row, 2)? })
    };
    Ok(statement.query_row([machine], size).optional()?)
}
