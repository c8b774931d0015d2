//! The ledger: the last statement of each pair that this box is a side of.

use datis_engine::community::ledger::SignedStatement;
use datis_engine::ids::MemberId;
use rusqlite::{Connection, Row, Transaction, params};

use super::CatalogError;
use super::values::{bytes_at, misfit, size_at};

/// What one side keeps for the other, by this box's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRow {
    /// Whose data it is.
    pub owner: MemberId,
    /// Who keeps it.
    pub host: MemberId,
    /// Days since 1970-01-01.
    pub day: u32,
    /// Of all shards that the owner needs.
    pub bytes: u64,
    /// How many these are.
    pub count: u64,
    /// With the words of both sides when they agree, else with this box's.
    pub signed: Vec<u8>,
    /// What the other side says when it does not agree.
    pub theirs: Option<SignedStatement>,
}

/// Keeps a statement in place of the last one of the same pair.
///
/// # Errors
/// [`CatalogError`].
pub fn keep(tx: &Transaction<'_>, row: &StatementRow) -> Result<(), CatalogError> {
    let sql = "INSERT OR REPLACE INTO statement (owner, host, day, bytes, count, signed, theirs)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let size = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let values = params![
        row.owner.as_bytes(),
        row.host.as_bytes(),
        row.day,
        size(row.bytes),
        size(row.count),
        row.signed,
        row.theirs.as_ref().map(SignedStatement::encode)
    ];
    tx.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// All of them.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<Vec<StatementRow>, CatalogError> {
    let read = |row: &Row<'_>| {
        Ok(StatementRow {
            owner: bytes_at(row, 0)?,
            host: bytes_at(row, 1)?,
            day: row.get(2)?,
            bytes: size_at(row, 3)?,
            count: size_at(row, 4)?,
            signed: row.get(5)?,
            theirs: theirs_at(row, 6)?,
        })
    };
    let sql = "SELECT owner, host, day, bytes, count, signed, theirs FROM statement ORDER BY owner, host";
    Ok(c.prepare_cached(sql)?.query_map([], read)?.collect::<Result<_, _>>()?)
}

fn theirs_at(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<SignedStatement>> {
    let Some(bytes) = row.get_ref(index)?.as_blob_or_null().map_err(|_| misfit(index))? else { return Ok(None) };
    SignedStatement::decode(bytes).map(Some).map_err(|_| misfit(index))
}
