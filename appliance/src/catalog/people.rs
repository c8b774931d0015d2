//! Taking people from one catalog over into another: accounts, and the log of what they did. Sessions, tokens and links
//! are left behind: signing in again is little, and a token that is still out there may be the reason for the rebuild.

use std::collections::BTreeSet;

use datis_engine::ids::MachineId;
use rusqlite::{Connection, Transaction};

use super::accounts::{self, Account, Service};
use super::audit::{self, AuditEntry};
use super::entry::Digest;
use super::{CatalogError, directory, open, support};

/// Somebody with all that is kept of them.
#[derive(Debug, Clone)]
pub struct SavedPerson {
    account: Account,
    services: Vec<Service>,
    machines: BTreeSet<MachineId>,
    recovery_codes: Vec<Digest>,
    /// The name of their entry in the company's directory, if they came in by it.
    entry: Option<String>,
}

/// All accounts that stay: one that ends by itself would lose its end. Catalogs of earlier versions have no such accounts,
/// and none of the company's directory.
///
/// # Errors
/// [`CatalogError`].
pub(super) fn read_accounts(c: &Connection) -> Result<Vec<SavedPerson>, CatalogError> {
    let has_directory = open::has_table(c, "directory_account")?;
    let has_support = open::has_table(c, "support_access")?;
    let stays = |account: &Account| Ok::<_, CatalogError>(!(has_support && support::is_support(c, account.row)?));
    let mut saved = Vec::new();
    for account in accounts::all(c)? {
        if !stays(&account)? {
            continue;
        }
        saved.push(SavedPerson {
            entry: if has_directory { directory::entry_of(c, account.row)? } else { None },
            services: accounts::services(c, account.row)?,
            machines: accounts::machines(c, account.row)?,
            recovery_codes: accounts::recovery_codes(c, account.row)?,
            account,
        });
    }
    Ok(saved)
}

/// The whole log.
///
/// # Errors
/// [`CatalogError`].
pub(super) fn read_log(c: &Connection) -> Result<Vec<AuditEntry>, CatalogError> {
    let mut log = Vec::new();
    audit::each(c, &mut |entry| {
        log.push(entry.clone());
        true
    })?;
    Ok(log)
}

/// Puts people and log into an empty catalog, row numbers and all.
///
/// # Errors
/// [`CatalogError`].
pub fn put_back(tx: &Transaction<'_>, people: &[SavedPerson], log: &[AuditEntry]) -> Result<(), CatalogError> {
    for person in people {
        let row = accounts::put_back(tx, &person.account)?;
        accounts::set_services(tx, row, &person.services)?;
        accounts::set_machines(tx, row, &person.machines)?;
        accounts::set_recovery_codes(tx, row, &person.recovery_codes)?;
        if let Some(entry) = &person.entry {
            directory::mark(tx, row, entry)?;
        }
    }
    log.iter().try_for_each(|entry| audit::append(tx, entry))
}
