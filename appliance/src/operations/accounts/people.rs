//! What admins do with the accounts of others. One admin who can sign in is always left.

use std::collections::BTreeSet;

use datis_engine::ids::MachineId;
use datis_engine::units::{Seconds, UnixMillis};
use rusqlite::Transaction;

use super::super::{OperationError, Site};
use super::actor::{Actor, Right};
use super::audit::{Action, record};
use super::error::AccountError;
use super::login::{noted, shut_out};
use super::secret::Secret;
use crate::catalog::accounts::{self, Account, AccountName, AccountState, Role, Service};
use crate::catalog::directory;
use crate::catalog::entry::{self, Invitation};
use crate::catalog::{AccountRow, CatalogError};

/// A link works for this long.
const LINK_VALID: Seconds = Seconds(3 * 86_400);
/// Accounts of one box.
const ACCOUNTS_MAX: usize = 1_000;

/// Somebody as admins see them.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account; password and authenticator are not for showing.
    pub account: Account,
    /// What it may be used for.
    pub services: Vec<Service>,
    /// The machines of a member.
    pub machines: BTreeSet<MachineId>,
    /// The name of their entry in the company's directory, if they came in by it.
    pub entry: Option<String>,
}

/// Somebody who is to come in.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// What they will sign in with.
    pub name: AccountName,
    /// What they will be.
    pub role: Role,
    /// What for.
    pub services: Vec<Service>,
    /// The machines of a member.
    pub machines: BTreeSet<MachineId>,
}

/// What becomes of an account.
#[derive(Debug, Clone)]
pub struct PersonChange {
    /// What they are.
    pub role: Role,
    /// Whether they may come in; `None` leaves that as it is.
    pub may_come_in: Option<bool>,
    /// What for.
    pub services: Vec<Service>,
    /// The machines of a member.
    pub machines: BTreeSet<MachineId>,
}

/// Everybody, by name.
///
/// # Errors
/// [`AccountError`].
pub fn list_people(site: &Site, by: &Actor) -> Result<Vec<Person>, AccountError> {
    // Looking needs no fresh password.
    if !by.has(Right::ManageAccounts) {
        return Err(OperationError::Forbidden.into());
    }
    let people = site.catalog.reader().read(|tx| {
        accounts::all(tx)?.into_iter().map(|account| whole(tx, account)).collect::<Result<Vec<_>, CatalogError>>()
    })?;
    Ok(people)
}

/// An admin, as far as it matters for the box's safety.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminStanding {
    /// What they sign in with.
    pub name: String,
    /// Whether a password alone is not enough.
    pub has_second_factor: bool,
    /// Recovery codes that are left.
    pub recovery_codes: u64,
}

/// Admins who may come in.
///
/// # Errors
/// [`OperationError`].
pub fn admins(site: &Site) -> Result<Vec<AdminStanding>, OperationError> {
    let admins = site.catalog.reader().read(|tx| {
        let all = accounts::all(tx)?.into_iter();
        let active = all.filter(|account| account.role == Role::Admin && account.state == AccountState::Active);
        let standing = active.map(|account| {
            Ok(AdminStanding {
                has_second_factor: account.totp.is_some(),
                recovery_codes: accounts::count_recovery_codes(tx, account.row)?,
                name: account.name.to_string(),
            })
        });
        standing.collect::<Result<Vec<_>, CatalogError>>()
    })?;
    Ok(admins)
}

/// One of them.
///
/// # Errors
/// [`AccountError::NoSuchAccount`]; [`AccountError`].
pub fn person(site: &Site, by: &Actor, name: &AccountName) -> Result<Person, AccountError> {
    if !by.has(Right::ManageAccounts) {
        return Err(OperationError::Forbidden.into());
    }
    site.catalog.reader().read(|tx| Ok(whole(tx, named(tx, name)?)?))
}

fn whole(tx: &Transaction<'_>, account: Account) -> Result<Person, CatalogError> {
    let row = account.row;
    let (services, machines) = (accounts::services(tx, row)?, accounts::machines(tx, row)?);
    Ok(Person { account, services, machines, entry: directory::entry_of(tx, row)? })
}

/// Makes an account, and a link with which its owner sets a password. The link is shown once.
///
/// # Errors
/// [`AccountError::NameTaken`]; [`AccountError`].
pub fn invite(site: &Site, by: &Actor, person: &NewPerson) -> Result<Secret, AccountError> {
    by.may(Right::ManageAccounts)?;
    let (link, now) = (Secret::generate().map_err(OperationError::from)?, site.clock.now());
    let kept = site.catalog.writer().write(|tx| {
        let there = accounts::all(tx)?;
        if there.iter().any(|account| account.name == person.name) {
            return Err(AccountError::NameTaken);
        }
        if there.len() >= ACCOUNTS_MAX {
            return Err(AccountError::TooMany);
        }
        let row = accounts::insert(tx, &person.name, person.role, now)?;
        accounts::set_services(tx, row, &person.services)?;
        accounts::set_machines(tx, row, &person.machines)?;
        keep_link(tx, &link, Some(row), now)?;
        Ok(record(tx, site, by, Action::Invited, person.name.as_str(), person.role.word())?)
    });
    kept.map_err(|e: AccountError| noted(site, e))?;
    Ok(link)
}

/// A link with which somebody sets a new password; the old one works until then.
///
/// # Errors
/// [`AccountError::NoSuchAccount`]; [`AccountError`].
pub fn link_for(site: &Site, by: &Actor, name: &AccountName) -> Result<Secret, AccountError> {
    by.may(Right::ManageAccounts)?;
    let (link, now) = (Secret::generate().map_err(OperationError::from)?, site.clock.now());
    let kept = site.catalog.writer().write(|tx| {
        let account = named(tx, name)?;
        if account.state == AccountState::Off {
            return Err(OperationError::Forbidden.into());
        }
        if directory::entry_of(tx, account.row)?.is_some() {
            return Err(AccountError::OfDirectory);
        }
        keep_link(tx, &link, Some(account.row), now)?;
        Ok(record(tx, site, by, Action::LinkMade, name.as_str(), "")?)
    });
    kept.map_err(|e: AccountError| noted(site, e))?;
    Ok(link)
}

/// A link that makes a new admin: how the first one comes in, and how the owner of the box does after all are gone.
///
/// # Errors
/// [`AccountError`].
pub fn admin_link(site: &Site, by: &Actor) -> Result<Secret, AccountError> {
    by.may(Right::ManageAccounts)?;
    let (link, now) = (Secret::generate().map_err(OperationError::from)?, site.clock.now());
    let kept = site.catalog.writer().write(|tx| {
        keep_link(tx, &link, None, now)?;
        Ok(record(tx, site, by, Action::LinkMade, "", Role::Admin.word())?)
    });
    kept.map_err(|e: AccountError| noted(site, e))?;
    Ok(link)
}

fn keep_link(
    tx: &Transaction<'_>,
    link: &Secret,
    account: Option<AccountRow>,
    now: UnixMillis,
) -> Result<(), CatalogError> {
    let invitation = Invitation { account, expires_at: now.plus(LINK_VALID) };
    entry::insert_invitation(tx, &link.digest(), invitation, now)
}

/// Changes what somebody is and may do. Who is shut out or loses a role is signed out everywhere.
///
/// # Errors
/// [`AccountError::NoSuchAccount`], [`AccountError::LastAdmin`]; [`AccountError`].
pub fn change_person(site: &Site, by: &Actor, name: &AccountName, change: &PersonChange) -> Result<(), AccountError> {
    by.may(Right::ManageAccounts)?;
    let changed = site.catalog.writer().write(|tx| {
        let account = named(tx, name)?;
        let state = match (change.may_come_in, account.password.is_some()) {
            (None, _) => account.state,
            (Some(false), _) => AccountState::Off,
            (Some(true), true) => AccountState::Active,
            (Some(true), false) => AccountState::Invited,
        };
        accounts::set_standing(tx, account.row, change.role, state)?;
        accounts::set_services(tx, account.row, &change.services)?;
        accounts::set_machines(tx, account.row, &change.machines)?;
        keeps_an_admin(tx, &account)?;
        if change.role != account.role || state == AccountState::Off {
            shut_out(tx, account.row, by.session.as_ref().filter(|_| by.is(account.row)))?;
        }
        let services: Vec<&str> = change.services.iter().map(|service| service.word()).collect();
        let detail = format!("{} {} {}", change.role.word(), state.word(), services.join(" "));
        Ok(record(tx, site, by, Action::AccountChanged, name.as_str(), &detail)?)
    });
    changed.map_err(|e: AccountError| noted(site, e))
}

/// Removes an account with its sessions and tokens.
///
/// # Errors
/// [`AccountError::NoSuchAccount`], [`AccountError::LastAdmin`]; [`AccountError`].
pub fn remove_person(site: &Site, by: &Actor, name: &AccountName) -> Result<(), AccountError> {
    by.may(Right::ManageAccounts)?;
    let removed = site.catalog.writer().write(|tx| {
        let account = named(tx, name)?;
        accounts::remove(tx, account.row)?;
        keeps_an_admin(tx, &account)?;
        Ok(record(tx, site, by, Action::AccountRemoved, name.as_str(), account.role.word())?)
    });
    removed.map_err(|e: AccountError| noted(site, e))
}

/// Takes somebody's authenticator away, who has lost it: an admin has to set up another one at the next sign-in.
///
/// # Errors
/// [`AccountError::NoSuchAccount`]; [`AccountError`].
pub fn reset_second_factor(site: &Site, by: &Actor, name: &AccountName) -> Result<(), AccountError> {
    by.may(Right::ManageAccounts)?;
    let reset = site.catalog.writer().write(|tx| {
        let account = named(tx, name)?;
        accounts::set_totp(tx, account.row, None, None)?;
        shut_out(tx, account.row, None)?;
        Ok(record(tx, site, by, Action::SecondFactorReset, name.as_str(), "")?)
    });
    reset.map_err(|e: AccountError| noted(site, e))
}

/// Called after a change to the account `before`: refuses what has taken the last admin who can sign in.
fn keeps_an_admin(tx: &Transaction<'_>, before: &Account) -> Result<(), AccountError> {
    let was_one = before.role == Role::Admin && before.state == AccountState::Active;
    if was_one && accounts::count_active_admins(tx)? == 0 { Err(AccountError::LastAdmin) } else { Ok(()) }
}

fn named(tx: &Transaction<'_>, name: &AccountName) -> Result<Account, AccountError> {
    accounts::by_name(tx, name)?.ok_or(AccountError::NoSuchAccount)
}
