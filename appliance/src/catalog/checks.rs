//! What commissioning found, each check the last time it was made.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, Transaction, params};

use super::CatalogError;
use super::values::{column_size, optional_time_at, size_at, state_words, time_at, word_at};

state_words! {
    /// How a check ended.
    CheckState {
        /// All is as it should be.
        Pass => "pass",
        /// It works, but somebody should look; also where the box cannot tell.
        Warn => "warn",
        /// It does not work, or will not for long.
        Fail => "fail",
        /// Not looked at, because what it rests on has failed.
        Skip => "skip",
    }
}

/// How a check ended; the words are those of the module that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOutcome {
    /// Which check.
    pub check: String,
    /// What came out.
    pub state: CheckState,
    /// What it found, unless it was skipped.
    pub finding: Option<String>,
    /// The check that it was skipped for.
    pub because: Option<String>,
    /// The evidence of the last time it looked, JSON.
    pub facts: String,
    /// When it began.
    pub started_at: UnixMillis,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// An outcome, and what was before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOutcome {
    /// The last outcome.
    pub outcome: CheckOutcome,
    /// From when on the check has been in this state.
    pub since: UnixMillis,
    /// When it last passed; `None` if it never did.
    pub passed_at: Option<UnixMillis>,
}

/// Keeps an outcome in place of the one before. A check that was skipped keeps the evidence of the last time it looked.
///
/// # Errors
/// [`CatalogError`].
pub fn keep(tx: &Transaction<'_>, outcome: &CheckOutcome) -> Result<(), CatalogError> {
    let passed_at = (outcome.state == CheckState::Pass).then_some(outcome.started_at.0);
    tx.prepare_cached(
        "INSERT INTO check_outcome (check_id, state, finding, because, facts, started_at, took_ms, since, passed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?8)
         ON CONFLICT (check_id) DO UPDATE SET
             since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END,
             passed_at = COALESCE(excluded.passed_at, passed_at),
             facts = CASE WHEN excluded.state = 'skip' THEN facts ELSE excluded.facts END,
             state = excluded.state, finding = excluded.finding, because = excluded.because,
             started_at = excluded.started_at, took_ms = excluded.took_ms",
    )?
    .execute(params![
        outcome.check,
        outcome.state.word(),
        outcome.finding,
        outcome.because,
        outcome.facts,
        outcome.started_at.0,
        column_size(outcome.took_ms),
        passed_at,
    ])?;
    Ok(())
}

/// The last outcome of every check that was ever made.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<Vec<KnownOutcome>, CatalogError> {
    let mut statement = c.prepare_cached(
        "SELECT check_id, state, finding, because, facts, started_at, took_ms, since, passed_at FROM check_outcome",
    )?;
    let known = statement.query_map([], |row| {
        Ok(KnownOutcome {
            outcome: CheckOutcome {
                check: row.get(0)?,
                state: word_at(row, 1)?,
                finding: row.get(2)?,
                because: row.get(3)?,
                facts: row.get(4)?,
                started_at: time_at(row, 5)?,
                took_ms: size_at(row, 6)?,
            },
            since: time_at(row, 7)?,
            passed_at: optional_time_at(row, 8)?,
        })
    })?;
    Ok(known.collect::<Result<_, _>>()?)
}
