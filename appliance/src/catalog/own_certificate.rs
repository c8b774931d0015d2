//! The company's own certificate for the portal.

use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::CatalogError;
use super::values::time_at;

/// The certificate as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCertificate {
    /// Chain and key, sealed.
    pub sealed: Vec<u8>,
    /// When it ends.
    pub ends_at: UnixMillis,
}

/// The certificate, if there is one.
///
/// # Errors
/// [`CatalogError`].
pub fn kept(c: &Connection) -> Result<Option<KeptCertificate>, CatalogError> {
    let found = c
        .prepare_cached("SELECT sealed, ends_at FROM own_certificate")?
        .query_row([], |row| Ok(KeptCertificate { sealed: row.get(0)?, ends_at: time_at(row, 1)? }));
    Ok(found.optional()?)
}

/// Keeps a certificate in place of the one before.
///
/// # Errors
/// [`CatalogError`].
pub fn keep(tx: &Transaction<'_>, certificate: &KeptCertificate) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO own_certificate (id, sealed, ends_at) VALUES (1, ?1, ?2)",
        params![certificate.sealed, certificate.ends_at.0],
    )?;
    Ok(())
}

/// Forgets it. Whether there was one.
///
/// # Errors
/// [`CatalogError`].
pub fn forget(tx: &Transaction<'_>) -> Result<bool, CatalogError> {
    Ok(tx.execute("DELETE FROM own_certificate", [])? == 1)
}
