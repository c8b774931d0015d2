//! The company's directory: how it is asked, and who came in by it.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::CatalogError;
use super::accounts::Role;
use super::values::{AccountRow, state_words, word_at};

state_words! {
    /// How the way to the directory is protected.
    DirectorySecurity {
        /// TLS from the first byte.
        Ldaps => "ldaps",
        /// TLS after a first word in the clear; without it nothing is asked.
        StartTls => "starttls",
        /// Nothing: for a server on the box itself.
        None => "none",
    }
}

/// An account that the box itself has in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name there.
    pub name: String,
    /// Its password; sealed.
    pub password: Vec<u8>,
}

/// How the directory is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorySetting {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: DirectorySecurity,
    /// Certificates, PEM, that are trusted in place of the system's.
    pub authority: Option<String>,
    /// What somebody binds as, with `{name}` for what they typed; `None`: their entry is looked for first.
    pub template: Option<String>,
    /// Whom the box itself binds as.
    pub service: Option<ServiceAccount>,
    /// Below which entry people and groups are.
    pub base: String,
    /// What finds somebody's entry, with `{name}` for what they typed.
    pub filter: String,
    /// Who is what by which group.
    pub groups: Vec<(String, Role)>,
}

impl DirectorySetting {
    /// Whether both are one server, reached and known again in one way. A password belongs to it: another server must
    /// not get it, nor a stranger who listens where a way is less protected.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        let server = |s: &Self| (s.host.clone(), s.port, s.security, s.authority.clone());
        server(self) == server(other)
    }
}

/// How the directory is asked, if that was set.
///
/// # Errors
/// [`CatalogError`].
pub fn setting(c: &Connection) -> Result<Option<DirectorySetting>, CatalogError> {
    let mut groups = c.prepare_cached("SELECT name, role FROM directory_group ORDER BY name")?;
    let groups = groups.query_map([], |row| Ok((row.get(0)?, word_at(row, 1)?)))?.collect::<Result<Vec<_>, _>>()?;
    let sql =
        "SELECT host, port, security, authority, template, service, password, base, filter FROM directory_setting";
    let found = c
        .prepare_cached(sql)?
        .query_row([], |row| {
            let (service, password): (Option<String>, Option<Vec<u8>>) = (row.get(5)?, row.get(6)?);
            Ok(DirectorySetting {
                host: row.get(0)?,
                port: row.get(1)?,
                security: word_at(row, 2)?,
                authority: row.get(3)?,
                template: row.get(4)?,
                service: service.zip(password).map(|(name, password)| ServiceAccount { name, password }),
                base: row.get(7)?,
                filter: row.get(8)?,
                groups,
            })
        })
        .optional()?;
    Ok(found)
}

/// Sets how the directory is asked; `None`: not at all.
///
/// # Errors
/// [`CatalogError`].
pub fn set(tx: &Transaction<'_>, setting: Option<&DirectorySetting>) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM directory_setting", [])?;
    tx.execute("DELETE FROM directory_group", [])?;
    let Some(setting) = setting else { return Ok(()) };
    tx.execute(
        "INSERT INTO directory_setting
             (id, host, port, security, authority, template, service, password, base, filter)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            setting.host,
            setting.port,
            setting.security.word(),
            setting.authority,
            setting.template,
            setting.service.as_ref().map(|service| &service.name),
            setting.service.as_ref().map(|service| &service.password),
            setting.base,
            setting.filter,
        ],
    )?;
    for (name, role) in &setting.groups {
        tx.execute("INSERT OR REPLACE INTO directory_group (name, role) VALUES (?1, ?2)", params![name, role.word()])?;
    }
    Ok(())
}

/// Marks an account as one of the directory.
///
/// # Errors
/// [`CatalogError`].
pub fn mark(tx: &Transaction<'_>, account: AccountRow, entry: &str) -> Result<(), CatalogError> {
    tx.execute("INSERT OR REPLACE INTO directory_account (account, entry) VALUES (?1, ?2)", params![account, entry])?;
    Ok(())
}

/// The name of somebody's entry in the directory; `None` for an account of the box itself.
///
/// # Errors
/// [`CatalogError`].
pub fn entry_of(c: &Connection, account: AccountRow) -> Result<Option<String>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT entry FROM directory_account WHERE account = ?1")?;
    Ok(statement.query_row([account], |row| row.get(0)).optional()?)
}

/// All accounts of the directory, with the names of their entries there.
///
/// # Errors
/// [`CatalogError`].
pub fn accounts(c: &Connection) -> Result<Vec<(AccountRow, String)>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT account, entry FROM directory_account ORDER BY account")?;
    Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}
