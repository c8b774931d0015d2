//! Who did what: a log that is only added to, each entry bound to the one before by its digest.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::values::time_at;

/// What is said of something that was done. All texts are as the program or a checked name has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place, from 1 on.
    pub seq: i64,
    /// When.
    pub at: UnixMillis,
    /// Who: the name of an account, or `console`.
    pub actor: String,
    /// From where; empty on the console.
    pub address: String,
    /// What, one of the program's words.
    pub action: String,
    /// To what or whom.
    pub subject: String,
    /// What else is worth knowing.
    pub detail: String,
    /// Of this entry and the digest before it.
    pub digest: [u8; 32],
}

const COLUMNS: &str = "seq, at, actor, address, action, subject, detail, digest";

fn entry_from(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        seq: row.get(0)?,
        at: time_at(row, 1)?,
        actor: row.get(2)?,
        address: row.get(3)?,
        action: row.get(4)?,
        subject: row.get(5)?,
        detail: row.get(6)?,
        digest: row.get(7)?,
    })
}

/// The last entry.
///
/// # Errors
/// [`CatalogError`].
pub fn last(c: &Connection) -> Result<Option<AuditEntry>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM audit_entry ORDER BY seq DESC LIMIT 1");
    Ok(c.prepare_cached(&sql)?.query_row([], entry_from).optional()?)
}

/// Adds an entry.
///
/// # Errors
/// [`CatalogError`], also when its place is taken.
pub fn append(tx: &Transaction<'_>, entry: &AuditEntry) -> Result<(), CatalogError> {
    tx.prepare_cached(&format!("INSERT INTO audit_entry ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?
        .execute(params![
            entry.seq,
            entry.at.0,
            entry.actor,
            entry.address,
            entry.action,
            entry.subject,
            entry.detail,
            entry.digest,
        ])?;
    Ok(())
}

/// At most `limit` entries before `before` (or the newest), the newest first.
///
/// # Errors
/// [`CatalogError`].
pub fn newest(c: &Connection, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM audit_entry WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
    let mut statement = c.prepare_cached(&sql)?;
    let entries = statement.query_map(params![before.unwrap_or(i64::MAX), limit], entry_from)?;
    Ok(entries.collect::<Result<_, _>>()?)
}

/// The last entry that says that `action` was done.
///
/// # Errors
/// [`CatalogError`].
pub fn last_of(c: &Connection, action: &str) -> Result<Option<AuditEntry>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM audit_entry WHERE action = ?1 ORDER BY at DESC, seq DESC LIMIT 1");
    Ok(c.prepare_cached(&sql)?.query_row([action], entry_from).optional()?)
}

/// Shows every entry to `look`, from the first to the last, until it has seen enough (`false`).
///
/// # Errors
/// [`CatalogError`].
pub fn each(c: &Connection, look: &mut dyn FnMut(&AuditEntry) -> bool) -> Result<(), CatalogError> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM audit_entry ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !look(&entry_from(row)?) {
            break;
        }
    }
    Ok(())
}
