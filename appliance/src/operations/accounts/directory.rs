//! People of the company's directory: who of them may come in, what they are here, and when they may no more.
//!
//! Asking the directory is somebody else's work ([`Directory`]); what its answer means is decided here. An account of the
//! box itself always goes before one of the directory that has its name.

use datis_engine::units::{Seconds, UnixMillis};
use zeroize::Zeroizing;

use super::super::{OperationError, Site};
use super::actor::{Actor, Right};
use super::audit::{Action, record};
use super::error::AccountError;
use super::login::{Origin, actor_of, noted};
use super::password;
use super::secret::Secret;
use crate::catalog::accounts::{self, Account, AccountName, AccountState, Role, Service};
use crate::catalog::directory::{self, DirectorySetting, ServiceAccount};
use crate::catalog::{CatalogError, entry};

/// What somebody of the directory has here ends this long after it began, where the box cannot look them up itself.
const UNSEEN_MAX: Seconds = Seconds(8 * 3_600);
/// A sealed password opens to no more than this, in bytes.
const PASSWORD_MAX: usize = 1 << 10;
/// Accounts of one box.
const ACCOUNTS_MAX: usize = 1_000;

/// What the directory says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It knows them; where a password was given, it is theirs.
    Entry {
        /// The name of their entry.
        entry: String,
        /// The names of the groups that they are in.
        groups: Vec<String>,
    },
    /// It does not know them, has shut them out, or the password is wrong.
    Nobody,
}

/// What came of asking the directory in vain, in words: those of the server where it said something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DirectoryError(pub String);

/// Whoever can ask the directory.
pub trait Directory {
    /// Whether the password is that of `name`; without one, whether there is such a person. `service`: the password of the
    /// service account.
    ///
    /// # Errors
    /// [`DirectoryError`].
    fn ask(
        &self,
        setting: &DirectorySetting,
        service: Option<&str>,
        name: &AccountName,
        password: Option<&str>,
    ) -> Result<Known, DirectoryError>;
}

/// How the directory is asked; `None`: not at all.
///
/// # Errors
/// [`OperationError`].
pub fn directory_setting(site: &Site, by: &Actor) -> Result<Option<DirectorySetting>, OperationError> {
    by.may(Right::ManageAccounts)?;
    Ok(site.catalog.reader().read(|tx| directory::setting(tx))?)
}

/// Sets how the directory is asked; `None`: not at all. The service account's password is `password`, or the one that is
/// there where server and account are the same.
///
/// # Errors
/// [`AccountError::PasswordShort`] where the service account has none; [`AccountError`].
pub fn set_directory(
    site: &Site,
    by: &Actor,
    setting: Option<&DirectorySetting>,
    password: Option<&str>,
) -> Result<(), AccountError> {
    by.may(Right::ManageAccounts)?;
    let sealed = password.map(|password| site.vault.recipients.seal(password.as_bytes())).transpose();
    let sealed = sealed.map_err(OperationError::from)?;
    let set = site.catalog.writer().write(|tx| {
        let before = directory::setting(tx)?;
        let mut setting = setting.cloned();
        if let Some(DirectorySetting { service: Some(service), host, .. }) = &mut setting {
            // A password belongs to a server: another one must not get it.
            let kept = before.filter(|before| before.host == *host).and_then(|before| before.service);
            let kept = kept.filter(|kept| kept.name == service.name).map(|kept| kept.password);
            service.password = sealed.or(kept).ok_or(AccountError::PasswordShort)?;
        }
        directory::set(tx, setting.as_ref())?;
        let host = setting.as_ref().map_or("", |setting| &setting.host);
        Ok(record(tx, site, by, Action::DirectorySet, host, "")?)
    });
    set.map_err(|e: AccountError| noted(site, e))
}

/// Asks the directory for somebody, as a sign-in would, and changes nothing.
///
/// # Errors
/// [`AccountError::Directory`] with what the server said; [`AccountError`].
pub fn try_directory(
    site: &Site,
    by: &Actor,
    way: &dyn Directory,
    name: &str,
    password: Option<&str>,
) -> Result<(Known, Option<Role>), AccountError> {
    by.may(Right::ManageAccounts)?;
    let name: AccountName = name.parse().map_err(|_| AccountError::BadName)?;
    let setting = site.catalog.reader().read(|tx| directory::setting(tx))?.ok_or(AccountError::NoSuchAccount)?;
    let known = asked(site, way, &setting, &name, password)?;
    let role = match &known {
        Known::Entry { groups, .. } => role_of(&setting, groups),
        Known::Nobody => None,
    };
    Ok((known, role))
}

/// Whether somebody's name is the directory's to judge: it is set up, and the box has no account of that name itself.
pub(super) fn setting_for(site: &Site, account: Option<&Account>) -> Result<Option<DirectorySetting>, CatalogError> {
    site.catalog.reader().read(|tx| match account {
        Some(account) if directory::entry_of(tx, account.row)?.is_none() => Ok(None),
        Some(_) | None => directory::setting(tx),
    })
}

/// Whether the account is one of the directory.
pub(super) fn is_of_directory(site: &Site, account: &Account) -> Result<bool, CatalogError> {
    Ok(site.catalog.reader().read(|tx| directory::entry_of(tx, account.row))?.is_some())
}

/// Asks the directory whether the password is right. An empty one is refused here: to a directory it would be a question
/// without a name, which many answer with yes (RFC 4513, 5.1.2).
pub(super) fn verify(
    site: &Site,
    way: &dyn Directory,
    setting: &DirectorySetting,
    name: &AccountName,
    password: &str,
) -> Result<Option<(String, Role)>, AccountError> {
    if password.is_empty() {
        return Ok(None);
    }
    Ok(match asked(site, way, setting, name, Some(password))? {
        Known::Entry { entry, groups } => role_of(setting, &groups).map(|role| (entry, role)),
        Known::Nobody => None,
    })
}

fn asked(
    site: &Site,
    way: &dyn Directory,
    setting: &DirectorySetting,
    name: &AccountName,
    password: Option<&str>,
) -> Result<Known, AccountError> {
    let service = service_password(site, setting)?;
    let service = service.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    way.ask(setting, service, name, password).map_err(|error| {
        tracing::warn!(%error, "The company's directory could not be asked");
        AccountError::Directory(error)
    })
}

fn service_password(site: &Site, setting: &DirectorySetting) -> Result<Option<Zeroizing<Vec<u8>>>, OperationError> {
    let Some(ServiceAccount { password, .. }) = &setting.service else { return Ok(None) };
    Ok(Some(site.vault.identity.open(password, PASSWORD_MAX)?))
}

/// What somebody is by their groups: the first of admin, technician, member, auditor that one of them gives.
fn role_of(setting: &DirectorySetting, groups: &[String]) -> Option<Role> {
    let theirs: Vec<String> = groups.iter().map(|group| plain(group)).collect();
    let gives = |role: Role| setting.groups.iter().any(|(name, gives)| *gives == role && theirs.contains(&plain(name)));
    Role::ALL.iter().copied().find(|role| gives(*role))
}

/// Names of entries do not differ by case, nor by spaces around their parts.
fn plain(name: &str) -> String {
    name.to_lowercase()
        .split(',')
        .map(|part| part.split('=').map(str::trim).collect::<Vec<_>>().join("="))
        .collect::<Vec<_>>()
        .join(",")
}

/// The account of somebody whose password the directory has found right: the one that is there, or a new one.
pub(super) fn admit(
    site: &Site,
    from: &Origin,
    name: &AccountName,
    (entry_name, role): (&str, Role),
) -> Result<Account, AccountError> {
    // The catalog wants an active account to have a password. Nobody knows this one, and no way leads to it.
    let nobodys = password::hash(Secret::generate().map_err(OperationError::from)?.expose())?;
    let now = site.clock.now();
    let admitted = site.catalog.writer().write(|tx| {
        let account = match accounts::by_name(tx, name)? {
            Some(account) if account.state != AccountState::Active => return Err(AccountError::Wrong),
            Some(account) if directory::entry_of(tx, account.row)?.is_none() => return Err(AccountError::Wrong),
            Some(account) => {
                if account.role != role {
                    accounts::set_standing(tx, account.row, role, account.state)?;
                    entry::remove_sessions(tx, account.row, None)?;
                    record(tx, site, &from_the_directory(), Action::AccountChanged, name.as_str(), role.word())?;
                }
                account
            }
            None => {
                if accounts::all(tx)?.len() >= ACCOUNTS_MAX {
                    return Err(AccountError::TooMany);
                }
                let row = accounts::insert(tx, name, role, now)?;
                accounts::set_password(tx, row, &nobodys)?;
                accounts::set_services(tx, row, &[Service::Restore])?;
                let account = accounts::by_row(tx, row)?.ok_or(AccountError::Wrong)?;
                record(tx, site, &actor_of(&account, from), Action::CameByDirectory, name.as_str(), role.word())?;
                account
            }
        };
        directory::mark(tx, account.row, entry_name)?;
        Ok(Account { role, ..account })
    });
    admitted.map_err(|e: AccountError| noted(site, e))
}

fn from_the_directory() -> Actor {
    Actor { name: "directory".to_owned(), ..Actor::console() }
}

/// Looks every person of the directory up who has something open here, and ends what those have who are gone, or no more
/// in a group that may come in. Where the box has no account of its own in the directory it cannot look: what is older
/// than 8 hours ends. While the directory does not answer nothing changes.
///
/// # Errors
/// [`AccountError`].
pub fn check_directory(site: &Site, way: &dyn Directory) -> Result<(), AccountError> {
    let now = site.clock.now();
    let (setting, people) = site.catalog.reader().read(|tx| {
        let mut people = Vec::new();
        for row in directory::accounts(tx)? {
            let has_something = !entry::sessions_of(tx, row)?.is_empty() || !entry::tokens_of(tx, row)?.is_empty();
            people.extend(accounts::by_row(tx, row)?.filter(|_| has_something));
        }
        Ok::<_, CatalogError>((directory::setting(tx)?, people))
    })?;
    for account in people {
        match &setting {
            None => end(site, &account, None)?,
            Some(setting) if setting.service.is_none() => end(site, &account, Some(now.minus(UNSEEN_MAX)))?,
            Some(setting) => {
                let role = match asked(site, way, setting, &account.name, None)? {
                    Known::Entry { groups, .. } => role_of(setting, &groups),
                    Known::Nobody => None,
                };
                if role != Some(account.role) {
                    end(site, &account, None)?;
                }
            }
        }
    }
    Ok(())
}

/// Ends sessions and tokens that were made before `before`, or all of them.
fn end(site: &Site, account: &Account, before: Option<UnixMillis>) -> Result<(), AccountError> {
    let is_old = |at: UnixMillis| before.is_none_or(|before| at < before);
    let ended = site.catalog.writer().write(|tx| {
        let mut count = 0_u64;
        for session in entry::sessions_of(tx, account.row)?.iter().filter(|session| is_old(session.created_at)) {
            entry::remove_session(tx, account.row, &session.digest)?;
            count += 1;
        }
        for token in entry::tokens_of(tx, account.row)?.iter().filter(|token| is_old(token.created_at)) {
            entry::remove_token(tx, account.row, token.row)?;
            count += 1;
        }
        if count > 0 {
            let name = account.name.as_str();
            record(tx, site, &from_the_directory(), Action::SessionsEnded, name, &count.to_string())?;
        }
        Ok(())
    });
    ended.map_err(|e: CatalogError| site.noted(e.into()).into())
}
