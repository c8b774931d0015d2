//! Machines that rest, and until when.

use std::collections::BTreeMap;

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::values::time_at;
use super::{CatalogError, MachineRow};

/// Lets a machine rest until then.
///
/// # Errors
/// [`CatalogError`].
pub fn set(
    tx: &Transaction<'_>,
    machine: MachineRow,
    since: UnixMillis,
    until: UnixMillis,
    actor: &str,
) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO machine_pause (machine, since, until_at, actor) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![machine, since.0, until.0, actor])?;
    Ok(())
}

/// Until when a machine rests, or has rested last.
///
/// # Errors
/// [`CatalogError`].
pub fn until(c: &Connection, machine: MachineRow) -> Result<Option<UnixMillis>, CatalogError> {
    Ok(c.prepare_cached("SELECT until_at FROM machine_pause WHERE machine = ?1")?
        .query_row([machine], |row| time_at(row, 0))
        .optional()?)
}

/// The same of all machines.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<BTreeMap<MachineRow, UnixMillis>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT machine, until_at FROM machine_pause")?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, time_at(row, 1)?)))?;
    Ok(all.collect::<Result<_, _>>()?)
}
