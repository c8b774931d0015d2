//! People who may sign in at the portal.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use datis_engine::ids::MachineId;
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::values::{AccountRow, bytes_at, optional_time_at, state_words, time_at, word_at};

state_words! {
    /// What a person is to the box.
    Role {
        /// Runs the box: everything.
        Admin => "admin",
        /// Puts it into service and looks after it, without seeing what is in backups.
        Technician => "technician",
        /// Restores from the own machines.
        Member => "member",
        /// Looks at states, reports and the audit log, and changes nothing.
        Auditor => "auditor",
    }
}

state_words! {
    /// Whether somebody may come in.
    AccountState {
        /// Has a link and no password yet.
        Invited => "invited",
        /// May sign in.
        Active => "active",
        /// May not, until an admin says otherwise.
        Off => "off",
    }
}

state_words! {
    /// What an account may be used for besides looking.
    Service {
        /// Restoring in the portal.
        Restore => "restore",
        /// Reading backups as a network folder.
        Webdav => "webdav",
        /// Operations on POS servers.
        Pos => "pos",
    }
}

/// What somebody signs in with: 1 to 64 letters, digits, `.`, `_`, `-`, `+` and `@`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// Text that is no name of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 64 letters, digits, or . _ - + @")]
pub struct AccountNameError;

impl AccountName {
    /// The longest, in characters.
    pub const MAX: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(raw: &str) -> Result<Self, AccountNameError> {
        let name = raw.trim().to_lowercase();
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
        if (1..=Self::MAX).contains(&name.chars().count()) && name.chars().all(allowed) {
            Ok(Self(name))
        } else {
            Err(AccountNameError)
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody who may sign in.
#[derive(Debug, Clone)]
pub struct Account {
    /// Number of its row; never given twice.
    pub row: AccountRow,
    /// What they sign in with.
    pub name: AccountName,
    /// What they are to the box.
    pub role: Role,
    /// Whether they may come in.
    pub state: AccountState,
    /// BCP 47; `None`: what the browser likes best.
    pub language: Option<String>,
    /// Argon2id, in the PHC form.
    pub password: Option<String>,
    /// The secret of the authenticator, sealed.
    pub totp: Option<Vec<u8>>,
    /// The last step of the authenticator that was used: it and those before are refused (RFC 6238, 5.2).
    pub totp_step: Option<i64>,
    /// When the account was made.
    pub created_at: UnixMillis,
    /// When somebody last signed in with it.
    pub last_login_at: Option<UnixMillis>,
}

const COLUMNS: &str = "id, name, role, state, language, password, totp, totp_step, created_at, last_login_at";

fn account_from(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        row: row.get(0)?,
        name: word_at(row, 1)?,
        role: word_at(row, 2)?,
        state: word_at(row, 3)?,
        language: row.get(4)?,
        password: row.get(5)?,
        totp: row.get(6)?,
        totp_step: row.get(7)?,
        created_at: time_at(row, 8)?,
        last_login_at: optional_time_at(row, 9)?,
    })
}

/// Adds an account that has no password yet.
///
/// # Errors
/// [`CatalogError`], also when the name is taken.
pub fn insert(
    tx: &Transaction<'_>,
    name: &AccountName,
    role: Role,
    at: UnixMillis,
) -> Result<AccountRow, CatalogError> {
    tx.execute(
        "INSERT INTO account (name, role, state, created_at) VALUES (?1, ?2, 'invited', ?3)",
        params![name.as_str(), role.word(), at.0],
    )?;
    Ok(AccountRow(tx.last_insert_rowid()))
}

/// All accounts, by name.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<Vec<Account>, CatalogError> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM account ORDER BY name"))?;
    Ok(statement.query_map([], account_from)?.collect::<Result<_, _>>()?)
}

/// The account of this name.
///
/// # Errors
/// [`CatalogError`].
pub fn by_name(c: &Connection, name: &AccountName) -> Result<Option<Account>, CatalogError> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE name = ?1"))?;
    Ok(statement.query_row([name.as_str()], account_from).optional()?)
}

/// The account in this row.
///
/// # Errors
/// [`CatalogError`].
pub fn by_row(c: &Connection, row: AccountRow) -> Result<Option<Account>, CatalogError> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE id = ?1"))?;
    Ok(statement.query_row([row], account_from).optional()?)
}

/// How many admins may sign in.
///
/// # Errors
/// [`CatalogError`].
pub fn count_active_admins(c: &Connection) -> Result<u64, CatalogError> {
    Ok(c.query_row("SELECT count(*) FROM account WHERE role = 'admin' AND state = 'active'", [], |row| {
        super::values::size_at(row, 0)
    })?)
}

/// Gives the account a password; one that was invited becomes active by it.
///
/// # Errors
/// [`CatalogError`].
pub fn set_password(tx: &Transaction<'_>, account: AccountRow, phc: &str) -> Result<(), CatalogError> {
    tx.execute(
        "UPDATE account SET password = ?2, state = CASE state WHEN 'invited' THEN 'active' ELSE state END WHERE id = ?1",
        params![account, phc],
    )?;
    Ok(())
}

/// Sets or removes the secret of the authenticator, and forgets all recovery codes.
///
/// # Errors
/// [`CatalogError`].
pub fn set_totp(
    tx: &Transaction<'_>,
    account: AccountRow,
    sealed: Option<&[u8]>,
    step: Option<i64>,
) -> Result<(), CatalogError> {
    tx.execute("UPDATE account SET totp = ?2, totp_step = ?3 WHERE id = ?1", params![account, sealed, step])?;
    tx.execute("DELETE FROM recovery_code WHERE account = ?1", [account])?;
    Ok(())
}

/// Takes a step of the authenticator, unless it or a later one has been used.
///
/// # Errors
/// [`CatalogError`].
pub fn take_totp_step(tx: &Transaction<'_>, account: AccountRow, step: i64) -> Result<bool, CatalogError> {
    let taken = tx.execute(
        "UPDATE account SET totp_step = ?2 WHERE id = ?1 AND (totp_step IS NULL OR totp_step < ?2)",
        params![account, step],
    )?;
    Ok(taken == 1)
}

/// Keeps the digests of recovery codes, in place of those before.
///
/// # Errors
/// [`CatalogError`].
pub fn set_recovery_codes(tx: &Transaction<'_>, account: AccountRow, digests: &[[u8; 32]]) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM recovery_code WHERE account = ?1", [account])?;
    for digest in digests {
        tx.prepare_cached("INSERT INTO recovery_code (account, digest) VALUES (?1, ?2)")?
            .execute(params![account, digest])?;
    }
    Ok(())
}

/// Uses up a recovery code; whether there was one.
///
/// # Errors
/// [`CatalogError`].
pub fn use_recovery_code(tx: &Transaction<'_>, account: AccountRow, digest: &[u8; 32]) -> Result<bool, CatalogError> {
    Ok(tx.execute("DELETE FROM recovery_code WHERE account = ?1 AND digest = ?2", params![account, digest])? == 1)
}

/// How many recovery codes are left.
///
/// # Errors
/// [`CatalogError`].
pub fn count_recovery_codes(c: &Connection, account: AccountRow) -> Result<u64, CatalogError> {
    Ok(c.query_row("SELECT count(*) FROM recovery_code WHERE account = ?1", [account], |row| {
        super::values::size_at(row, 0)
    })?)
}

/// Changes what somebody is and whether they may come in.
///
/// # Errors
/// [`CatalogError`].
pub fn set_standing(
    tx: &Transaction<'_>,
    account: AccountRow,
    role: Role,
    state: AccountState,
) -> Result<(), CatalogError> {
    tx.execute("UPDATE account SET role = ?2, state = ?3 WHERE id = ?1", params![account, role.word(), state.word()])?;
    Ok(())
}

/// Sets the language of somebody's pages; `None`: what the browser likes best.
///
/// # Errors
/// [`CatalogError`].
pub fn set_language(tx: &Transaction<'_>, account: AccountRow, language: Option<&str>) -> Result<(), CatalogError> {
    tx.execute("UPDATE account SET language = ?2 WHERE id = ?1", params![account, language])?;
    Ok(())
}

/// Notes that somebody has signed in.
///
/// # Errors
/// [`CatalogError`].
pub fn note_login(tx: &Transaction<'_>, account: AccountRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.execute("UPDATE account SET last_login_at = ?2 WHERE id = ?1", params![account, at.0])?;
    Ok(())
}

/// Removes an account with all that belongs to it.
///
/// # Errors
/// [`CatalogError`].
pub fn remove(tx: &Transaction<'_>, account: AccountRow) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM account WHERE id = ?1", [account])?;
    Ok(())
}

/// What an account may be used for.
///
/// # Errors
/// [`CatalogError`].
pub fn services(c: &Connection, account: AccountRow) -> Result<Vec<Service>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT service FROM account_service WHERE account = ?1 ORDER BY service")?;
    Ok(statement.query_map([account], |row| word_at(row, 0))?.collect::<Result<_, _>>()?)
}

/// Sets what an account may be used for.
///
/// # Errors
/// [`CatalogError`].
pub fn set_services(tx: &Transaction<'_>, account: AccountRow, services: &[Service]) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM account_service WHERE account = ?1", [account])?;
    for service in services {
        tx.prepare_cached("INSERT OR IGNORE INTO account_service (account, service) VALUES (?1, ?2)")?
            .execute(params![account, service.word()])?;
    }
    Ok(())
}

/// The machines of a member.
///
/// # Errors
/// [`CatalogError`].
pub fn machines(c: &Connection, account: AccountRow) -> Result<BTreeSet<MachineId>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT machine_id FROM account_machine WHERE account = ?1")?;
    Ok(statement.query_map([account], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?)
}

/// Sets the machines of a member.
///
/// # Errors
/// [`CatalogError`].
pub fn set_machines(
    tx: &Transaction<'_>,
    account: AccountRow,
    machines: &BTreeSet<MachineId>,
) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM account_machine WHERE account = ?1", [account])?;
    for machine in machines {
        tx.prepare_cached("INSERT INTO account_machine (account, machine_id) VALUES (?1, ?2)")?
            .execute(params![account, machine.as_bytes()])?;
    }
    Ok(())
}

/// The digests of all recovery codes of an account.
///
/// # Errors
/// [`CatalogError`].
pub fn recovery_codes(c: &Connection, account: AccountRow) -> Result<Vec<[u8; 32]>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT digest FROM recovery_code WHERE account = ?1")?;
    Ok(statement.query_map([account], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Puts back an account that was read from another catalog, in the same row: recovery codes are bound to it.
///
/// # Errors
/// [`CatalogError`].
pub fn put_back(tx: &Transaction<'_>, account: &Account) -> Result<AccountRow, CatalogError> {
    tx.execute(
        "INSERT INTO account (id, name, role, state, language, password, totp, totp_step, created_at, last_login_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            account.row,
            account.name.as_str(),
            account.role.word(),
            account.state.word(),
            account.language,
            account.password,
            account.totp,
            account.totp_step,
            account.created_at.0,
            account.last_login_at.map(|at| at.0),
        ],
    )?;
    Ok(account.row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_what_could_mislead_is_refused() {
        let name: AccountName = " Élodie.Martin@Example.org ".parse().expect("name");
        assert_eq!(name.as_str(), "élodie.martin@example.org");
        for bad in ["", " ", "a b", "a/b", "a\u{202e}b", "a\0", "<b>", &"x".repeat(65)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }
}
