//! How full the disk was, once a day.

use rusqlite::{Connection, Row, Transaction, params};

use super::CatalogError;
use super::runs::Day;
use super::values::{column_size, size_at};

/// Days that are kept.
const KEPT: i64 = 400;

/// The disk on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskDay {
    /// Which day.
    pub day: Day,
    /// What was used of it, by whatever.
    pub used_bytes: u64,
    /// What it holds in all.
    pub total_bytes: u64,
}

/// Whether the day is written down.
///
/// # Errors
/// [`CatalogError`].
pub fn has(c: &Connection, day: Day) -> Result<bool, CatalogError> {
    Ok(c.prepare_cached("SELECT 1 FROM disk_day WHERE day = ?1")?.exists([day.0])?)
}

/// Writes a day down; the oldest make room.
///
/// # Errors
/// [`CatalogError`].
pub fn keep(tx: &Transaction<'_>, day: &DiskDay) -> Result<(), CatalogError> {
    tx.prepare_cached("INSERT OR REPLACE INTO disk_day (day, used_bytes, total_bytes) VALUES (?1, ?2, ?3)")?
        .execute(params![day.day.0, column_size(day.used_bytes), column_size(day.total_bytes)])?;
    tx.prepare_cached("DELETE FROM disk_day WHERE day < ?1")?.execute([day.day.0 - KEPT])?;
    Ok(())
}

/// The days from `first` on, in their order.
///
/// # Errors
/// [`CatalogError`].
pub fn since(c: &Connection, first: Day) -> Result<Vec<DiskDay>, CatalogError> {
    let mut statement =
        c.prepare_cached("SELECT day, used_bytes, total_bytes FROM disk_day WHERE day >= ?1 ORDER BY day")?;
    let day = |row: &Row<'_>| {
        Ok(DiskDay { day: Day(row.get(0)?), used_bytes: size_at(row, 1)?, total_bytes: size_at(row, 2)? })
    };
    let days = statement.query_map([first.0], day)?;
    Ok(days.collect::<Result<_, _>>()?)
}
