//! Until when somebody from outside may help.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::values::{AccountRow, time_at, word_at};
use super::{CatalogError, accounts::AccountName};

/// Access that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportAccess {
    /// Whose account.
    pub account: AccountRow,
    /// What they sign in with.
    pub name: AccountName,
    /// Until when.
    pub expires_at: UnixMillis,
}

/// The access that is open, or is over and was not ended yet.
///
/// # Errors
/// [`CatalogError`].
pub fn access(c: &Connection) -> Result<Option<SupportAccess>, CatalogError> {
    let sql =
        "SELECT id, name, expires_at FROM support_access JOIN account ON id = account ORDER BY expires_at LIMIT 1";
    let found = c.prepare_cached(sql)?.query_row([], |row| {
        Ok(SupportAccess { account: row.get(0)?, name: word_at(row, 1)?, expires_at: time_at(row, 2)? })
    });
    Ok(found.optional()?)
}

/// Gives an account its end, in place of one that it had.
///
/// # Errors
/// [`CatalogError`].
pub fn open(tx: &Transaction<'_>, account: AccountRow, expires_at: UnixMillis) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO support_access (account, expires_at) VALUES (?1, ?2)",
        params![account, expires_at.0],
    )?;
    Ok(())
}

/// Whether the time of this account is over; accounts of people of the company have none.
///
/// # Errors
/// [`CatalogError`].
pub fn is_over(c: &Connection, account: AccountRow, now: UnixMillis) -> Result<bool, CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM support_access WHERE account = ?1 AND expires_at <= ?2)";
    Ok(c.prepare_cached(sql)?.query_row(params![account, now.0], |row| row.get(0))?)
}

/// Whether this account is one that ends by itself.
///
/// # Errors
/// [`CatalogError`].
pub(super) fn is_support(c: &Connection, account: AccountRow) -> Result<bool, CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM support_access WHERE account = ?1)";
    Ok(c.prepare_cached(sql)?.query_row([account], |row| row.get(0))?)
}
