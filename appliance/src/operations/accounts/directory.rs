//! People of the company's directory: who of them may come in, what they are here, and when they may no more.
//!
//! Asking the directory is somebody else's work ([`Directory`]); what its answer means is decided here. An account of the
//! box itself always goes before one of the directory that has its name.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use datis_engine::units::{Seconds, UnixMillis};
use rusqlite::Transaction;
use zeroize::Zeroizing;

use super::super::{OperationError, Site};
use super::actor::{Actor, Right};
use super::audit::{Action, record};
use super::error::AccountError;
use super::login::{Origin, actor_of, noted, shut_out};
use super::password;
use super::secret::Secret;
use crate::catalog::AccountRow;
use crate::catalog::accounts::{self, Account, AccountName, AccountState, Role, Service};
use crate::catalog::directory::{self, DirectorySetting, ServiceAccount};
use crate::catalog::{CatalogError, entry};

/// What somebody of the directory has here ends this long after it began, where the box cannot look them up itself.
const UNSEEN_MAX: Seconds = Seconds(8 * 3_600);
/// A sealed password opens to no more than this, in bytes.
const PASSWORD_MAX: usize = 1 << 10;
/// Accounts of one box.
const ACCOUNTS_MAX: usize = 1_000;
/// Questions of people at a time: fewer than the threads that answer them, so that a directory that is slow keeps nobody
/// out who does not need it.
const QUESTIONS_MAX: usize = 3;
/// A directory that fails so often in a row is not asked for the others.
const FAILURES_MAX: usize = 3;

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

/// What the directory is being asked.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// Questions of people that are under way.
    under_way: AtomicUsize,
    /// With whom the next look at everybody begins.
    turn: AtomicUsize,
}

/// One question of somebody who waits.
struct Question<'q>(&'q Questions);

impl Questions {
    fn begin(&self) -> Option<Question<'_>> {
        let one_more = |under_way| Some(under_way + 1).filter(|count| *count <= QUESTIONS_MAX);
        let begun = self.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        begun.is_ok().then_some(Question(self))
    }

    fn next_turn(&self) -> usize {
        self.turn.fetch_add(FAILURES_MAX, Ordering::Relaxed)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
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
/// there where the server, the way to it and the account are the same.
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
        let kept = setting.as_ref().and_then(|setting| before.filter(|before| before.is_same_server(setting)));
        if let Some(service) = setting.as_mut().and_then(|setting| setting.service.as_mut()) {
            let kept = kept.and_then(|before| before.service).filter(|kept| kept.name == service.name);
            service.password = sealed.or(kept.map(|kept| kept.password)).ok_or(AccountError::PasswordShort)?;
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
    let known = asked_by_people(site, way, &setting, &name, password)?;
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

/// Whether somebody whom the directory knows by this entry is the one that the account was made for.
pub(super) fn is_theirs(site: &Site, account: &Account, entry: &str) -> Result<bool, CatalogError> {
    let known = site.catalog.reader().read(|tx| directory::entry_of(tx, account.row))?;
    Ok(known.is_some_and(|known| folded(&known) == folded(entry)))
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
    Ok(match asked_by_people(site, way, setting, name, Some(password))? {
        Known::Entry { entry, groups } => role_of(setting, &groups).map(|role| (entry, role)),
        Known::Nobody => None,
    })
}

/// Asks while somebody waits for the answer.
fn asked_by_people(
    site: &Site,
    way: &dyn Directory,
    setting: &DirectorySetting,
    name: &AccountName,
    password: Option<&str>,
) -> Result<Known, AccountError> {
    let Some(_question) = site.directory_questions.begin() else { return Err(AccountError::DirectoryBusy) };
    asked(site, way, setting, name, password)
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
    let theirs: Vec<String> = groups.iter().map(|group| folded(group)).collect();
    let gives =
        |role: Role| setting.groups.iter().any(|(name, gives)| *gives == role && theirs.contains(&folded(name)));
    Role::ALL.iter().copied().find(|role| gives(*role))
}

/// Names of entries do not differ by case, nor by spaces around their parts.
fn folded(name: &str) -> String {
    name.to_lowercase()
        .split(',')
        .map(|part| part.split('=').map(str::trim).collect::<Vec<_>>().join("="))
        .collect::<Vec<_>>()
        .join(",")
}

/// The account of somebody whose password the directory has found right: the one that is there, or a new one.
///
/// # Errors
/// [`AccountError::Wrong`] where the account is shut out, or is the box's own, or where the entry has come in under another
/// name: a directory takes several spellings for one (RFC 4518), and each would be an account without a second factor.
pub(super) fn admit(
    site: &Site,
    from: &Origin,
    name: &AccountName,
    (entry_name, role): (&str, Role),
) -> Result<Account, AccountError> {
    // The catalog wants an active account to have a password. Nobody knows this one, and no way leads to it.
    let nobodys = password::hash(Secret::generate().map_err(OperationError::from)?.expose())?;
    let admitted = site.catalog.writer().write(|tx| {
        let account = match accounts::by_name(tx, name)? {
            Some(account) => known_here(tx, site, account, (entry_name, role))?,
            None => newcomer(tx, site, from, (name, &nobodys), (entry_name, role))?,
        };
        directory::mark(tx, account.row, entry_name)?;
        Ok(Account { role, ..account })
    });
    admitted.map_err(|e: AccountError| noted(site, e))
}

fn known_here(
    tx: &Transaction<'_>,
    site: &Site,
    account: Account,
    (entry_name, role): (&str, Role),
) -> Result<Account, AccountError> {
    let entry_before = directory::entry_of(tx, account.row)?;
    let entry_before = entry_before.filter(|_| account.state == AccountState::Active).ok_or(AccountError::Wrong)?;
    let name = account.name.as_str();
    if folded(&entry_before) != folded(entry_name) {
        if account_of_entry(tx, entry_name)?.is_some() {
            return Err(AccountError::Wrong);
        }
        // Somebody who left and somebody new may have one name: what the first was given is not the second's. The second
        // factor stays, since an entry may only have moved; an admin takes it off.
        end_in(tx, site, &account, None)?;
        accounts::set_services(tx, account.row, &[Service::Restore])?;
        accounts::set_machines(tx, account.row, &BTreeSet::new())?;
        record(tx, site, &from_the_directory(), Action::AccountChanged, name, entry_name)?;
    }
    if account.role != role {
        accounts::set_standing(tx, account.row, role, account.state)?;
        shut_out(tx, account.row, None)?;
        record(tx, site, &from_the_directory(), Action::AccountChanged, name, role.word())?;
    }
    Ok(account)
}

fn newcomer(
    tx: &Transaction<'_>,
    site: &Site,
    from: &Origin,
    (name, password): (&AccountName, &str),
    (entry_name, role): (&str, Role),
) -> Result<Account, AccountError> {
    if account_of_entry(tx, entry_name)?.is_some() {
        return Err(AccountError::Wrong);
    }
    if accounts::all(tx)?.len() >= ACCOUNTS_MAX {
        return Err(AccountError::TooMany);
    }
    let row = accounts::insert(tx, name, role, site.clock.now())?;
    accounts::set_password(tx, row, password)?;
    accounts::set_services(tx, row, &[Service::Restore])?;
    let account = accounts::by_row(tx, row)?.ok_or(AccountError::Wrong)?;
    record(tx, site, &actor_of(&account, from), Action::CameByDirectory, name.as_str(), role.word())?;
    Ok(account)
}

fn account_of_entry(tx: &Transaction<'_>, entry_name: &str) -> Result<Option<AccountRow>, CatalogError> {
    let wanted = folded(entry_name);
    Ok(directory::accounts(tx)?.into_iter().find(|(_, entry)| folded(entry) == wanted).map(|(row, _)| row))
}

fn from_the_directory() -> Actor {
    Actor { name: "directory".to_owned(), ..Actor::console() }
}

/// Looks every person of the directory up who has something open here, and ends what those have who are gone, or no more
/// in a group that may come in, or whose name is somebody else's now. Where the box has no account of its own in the
/// directory it cannot look: what is older than 8 hours ends. For whom the directory does not answer nothing changes.
///
/// # Errors
/// [`AccountError`]: the first one; the others were looked up all the same, unless three in a row failed.
pub fn check_directory(site: &Site, way: &dyn Directory) -> Result<(), AccountError> {
    let (setting, mut people) = site.catalog.reader().read(|tx| {
        let mut people = Vec::new();
        for (row, entry_name) in directory::accounts(tx)? {
            let has_something = !entry::sessions_of(tx, row)?.is_empty() || !entry::tokens_of(tx, row)?.is_empty();
            let account = accounts::by_row(tx, row)?.filter(|_| has_something);
            people.extend(account.map(|account| (account, entry_name)));
        }
        Ok::<_, CatalogError>((directory::setting(tx)?, people))
    })?;
    // Each time from another one on: whom the directory cannot tell of must not keep those behind them from being looked up.
    let turn = site.directory_questions.next_turn();
    let first_asked = turn.checked_rem(people.len()).unwrap_or(0);
    people.rotate_left(first_asked);
    let (mut first, mut in_a_row) = (None, 0);
    for (account, entry_name) in people {
        match check_person(site, way, setting.as_ref(), &account, &entry_name) {
            Ok(()) => in_a_row = 0,
            Err(error @ AccountError::Directory(_)) => {
                first.get_or_insert(error);
                in_a_row += 1;
                if in_a_row == FAILURES_MAX {
                    break;
                }
            }
            Err(other) => return Err(other),
        }
    }
    first.map_or(Ok(()), Err)
}

fn check_person(
    site: &Site,
    way: &dyn Directory,
    setting: Option<&DirectorySetting>,
    account: &Account,
    entry_name: &str,
) -> Result<(), AccountError> {
    let Some(setting) = setting else { return end(site, account, None) };
    if setting.service.is_none() {
        return end(site, account, Some(site.clock.now().minus(UNSEEN_MAX)));
    }
    let is_as_before = match asked(site, way, setting, &account.name, None)? {
        Known::Entry { entry, groups } => {
            folded(&entry) == folded(entry_name) && role_of(setting, &groups) == Some(account.role)
        }
        Known::Nobody => false,
    };
    if is_as_before { Ok(()) } else { end(site, account, None) }
}

/// Ends sessions and tokens that were made before `before`, or all of them.
fn end(site: &Site, account: &Account, before: Option<UnixMillis>) -> Result<(), AccountError> {
    let ended = site.catalog.writer().write(|tx| end_in(tx, site, account, before));
    ended.map_err(|e: CatalogError| site.noted(e.into()).into())
}

fn end_in(
    tx: &Transaction<'_>,
    site: &Site,
    account: &Account,
    before: Option<UnixMillis>,
) -> Result<(), CatalogError> {
    let is_old = |at: UnixMillis| before.is_none_or(|before| at < before);
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
}
