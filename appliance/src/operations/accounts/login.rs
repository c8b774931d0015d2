//! Signing in: password, second factor, session; and what a session or a token lets somebody be.
//!
//! A session has a fresh secret at each step (ASVS 7.2.4), lives on the box, and dies there: after 12 hours without use,
//! after 7 days, with the password, or when its owner or an admin ends it.

use std::net::IpAddr;
use std::time::Instant;

use datis_engine::units::{Seconds, UnixMillis};
use rusqlite::Transaction;

use super::super::{OperationError, Site};
use super::actor::{Actor, Reach};
use super::audit::{Action, record};
use super::directory::{self, Directory};
use super::error::AccountError;
use super::password;
use super::second_factor::{self, Enrolment, Factor};
use super::secret::{Secret, digest};
use crate::catalog::accounts::{self, Account, AccountName, AccountState, Role};
use crate::catalog::entry::{self, ApiToken, Digest, Stage, TokenScope, WebSession};
use crate::catalog::support;
use crate::catalog::{AccountRow, CatalogError};
use crate::plain::plain;

/// A session ends when it is not used for this long.
const IDLE: Seconds = Seconds(12 * 3_600);
/// A session ends after this time.
const LIFE: Seconds = Seconds(7 * 86_400);
/// Between password and code no more than this may pass.
const HALF_LIFE: Seconds = Seconds(15 * 60);
/// A password counts as fresh for this long.
const FRESH: Seconds = Seconds(15 * 60);
/// That a session or token is used is written down no more often than this.
const NOTED: Seconds = Seconds(60);
/// Sessions of one account at a time; the one unused for longest goes.
const SESSIONS_MAX: usize = 32;
/// What a browser calls itself is cut after this many characters.
const AGENT_MAX: usize = 160;

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The other side's address.
    pub address: IpAddr,
    /// What its program calls itself.
    pub agent: String,
}

/// Somebody who has come one step further.
#[derive(Debug)]
pub struct SignedIn {
    /// What the browser shows from now on.
    pub cookie: Secret,
    /// How far they are.
    pub stage: Stage,
}

/// Somebody between password and second factor.
#[derive(Debug, Clone)]
pub struct Pending {
    account: AccountRow,
    /// What they sign in with.
    pub name: AccountName,
    /// What is still to come.
    pub stage: Stage,
    /// The language they chose.
    pub language: Option<String>,
    session: Digest,
}

/// Whoever sends a request.
#[derive(Debug, Clone)]
pub enum Visitor {
    /// Nobody that is known.
    Stranger,
    /// The second factor is missing.
    Pending(Pending),
    /// Signed in.
    Known(Actor),
}

/// Signs in with a password. What is wrong is not told, and takes the same time. `way`: to the company's directory, which
/// judges the names that the box has no account for itself.
///
/// # Errors
/// [`AccountError::Wait`], [`AccountError::Wrong`], [`AccountError::Directory`].
pub fn sign_in(
    site: &Site,
    from: &Origin,
    name: &str,
    password: &str,
    way: &dyn Directory,
) -> Result<SignedIn, AccountError> {
    let tried: String = name.trim().to_lowercase().chars().take(AccountName::MAX).collect();
    wait(site, from, &tried)?;
    let name = name.parse::<AccountName>().ok();
    let account = match &name {
        Some(name) => {
            let now = site.clock.now();
            site.catalog.reader().read(|tx| in_time(tx, accounts::by_name(tx, name)?, now))?
        }
        None => None,
    };
    if let Some(name) = &name
        && let Some(setting) = directory::setting_for(site, account.as_ref())?
    {
        let verified = directory::verify(site, way, &setting, name, password);
        let Some((entry, role)) = counted(site, from, &tried, verified)? else { return failed(site, from, &tried, "") };
        let account = directory::admit(site, from, name, (&entry, role))?;
        return open_session(site, from, &account, stage_after_password(&account), None, |_| Ok(()));
    }
    // Without its directory an account of it has no password that anybody could know.
    let phc = account.as_ref().filter(|a| a.state == AccountState::Active).and_then(|a| a.password.as_deref());
    if !password::verify(password, phc) {
        site.delays.failed(from.address, &tried, Instant::now());
        return failed(site, from, &tried, "");
    }
    let account = account.ok_or(AccountError::Wrong)?;
    let stage = stage_after_password(&account);
    open_session(site, from, &account, stage, None, |_| Ok(()))
}

/// Gives the code of the authenticator, or a recovery code.
///
/// # Errors
/// [`AccountError::Wait`], [`AccountError::Wrong`].
pub fn give_code(site: &Site, from: &Origin, pending: &Pending, code: &str) -> Result<SignedIn, AccountError> {
    wait(site, from, pending.name.as_str())?;
    let account = of(site, pending.account)?;
    if pending.stage != Stage::Code {
        return Err(AccountError::Wrong);
    }
    let taken = site.catalog.writer().write(|tx| {
        let factor = second_factor::take_code(tx, site, &account, code)?;
        if factor == Some(Factor::RecoveryCode) {
            let left = accounts::count_recovery_codes(tx, account.row)?;
            record(tx, site, &actor_of(&account, from), Action::RecoveryCodeUsed, "", &left.to_string())?;
        }
        Ok::<_, OperationError>(factor)
    });
    if taken.map_err(|e| site.noted(e))?.is_none() {
        site.delays.failed(from.address, pending.name.as_str(), Instant::now());
        return failed(site, from, pending.name.as_str(), "");
    }
    open_session(site, from, &account, Stage::Full, Some(pending.session), |_| Ok(()))
}

/// A fresh secret for an authenticator, to be shown; nothing is kept until [`finish_second_factor`].
///
/// # Errors
/// [`AccountError`].
pub fn begin_second_factor(site: &Site, visitor: &Visitor) -> Result<Enrolment, AccountError> {
    let account = of(site, may_set_second_factor(visitor)?)?;
    Ok(second_factor::enrolment(&site.vault.box_name, &account.name)?)
}

/// A secret that was shown before, to be shown again after a mistyped code.
///
/// # Errors
/// [`AccountError`].
pub fn same_second_factor(site: &Site, visitor: &Visitor, secret: &str) -> Result<Enrolment, AccountError> {
    let account = of(site, may_set_second_factor(visitor)?)?;
    Ok(second_factor::same_enrolment(&site.vault.box_name, &account.name, secret)?)
}

/// Sets the secret once `code` shows that the authenticator has it. Gives recovery codes, to be shown once, and a new
/// session.
///
/// # Errors
/// [`AccountError::Wait`], [`AccountError::Wrong`].
pub fn finish_second_factor(
    site: &Site,
    from: &Origin,
    visitor: &Visitor,
    secret: &str,
    code: &str,
) -> Result<(SignedIn, Vec<String>), AccountError> {
    let account = of(site, may_set_second_factor(visitor)?)?;
    wait(site, from, account.name.as_str())?;
    let before = match visitor {
        Visitor::Pending(pending) => Some(pending.session),
        Visitor::Known(actor) => actor.session,
        Visitor::Stranger => None,
    };
    let mut codes = None;
    let signed_in = open_session(site, from, &account, Stage::Full, before, |tx| {
        codes = second_factor::set(tx, site, account.row, secret, code)?;
        if codes.is_none() {
            return Err(AccountError::Wrong);
        }
        // Sessions of before were opened without it.
        shut_out(tx, account.row, None)?;
        record(tx, site, &actor_of(&account, from), Action::SecondFactorSet, "", "")?;
        Ok(())
    });
    if matches!(signed_in, Err(AccountError::Wrong)) {
        site.delays.failed(from.address, account.name.as_str(), Instant::now());
    }
    Ok((signed_in?, codes.unwrap_or_default()))
}

/// Those who must set a second factor, and those who are signed in and have just given their password.
fn may_set_second_factor(visitor: &Visitor) -> Result<AccountRow, AccountError> {
    match visitor {
        Visitor::Pending(pending) if pending.stage == Stage::Setup => Ok(pending.account),
        Visitor::Known(actor) if actor.is_fresh => Ok(actor.own()?),
        Visitor::Known(_) => Err(OperationError::ConfirmFirst.into()),
        Visitor::Pending(_) | Visitor::Stranger => Err(OperationError::Forbidden.into()),
    }
}

/// Whose a link is; `None` for one that makes a new admin, who chooses a name.
///
/// # Errors
/// [`AccountError::LinkOver`].
pub fn invited(site: &Site, link: &str) -> Result<Option<AccountName>, AccountError> {
    let now = site.clock.now();
    let found = site.catalog.reader().read(|tx| {
        let Some(invitation) = entry::invitation(tx, &digest(link), now)? else { return Ok(None) };
        let Some(row) = invitation.account else { return Ok(Some(None)) };
        Ok::<_, CatalogError>(accounts::by_row(tx, row)?.map(|account| Some(account.name)))
    })?;
    found.ok_or(AccountError::LinkOver)
}

/// Uses a link up: sets the password, and signs in. `name` counts only where the link is nobody's yet.
///
/// # Errors
/// [`AccountError`]: the link is kept then.
pub fn accept_invitation(
    site: &Site,
    from: &Origin,
    link: &str,
    name: &str,
    new_password: &str,
) -> Result<SignedIn, AccountError> {
    let name = match invited(site, link)? {
        Some(name) => name,
        None => name.parse().map_err(|_| AccountError::BadName)?,
    };
    password::check_strength(new_password, &name)?;
    let phc = password::hash(new_password)?;
    let account = site.catalog.writer().write(|tx| {
        let now = site.clock.now();
        let invitation = entry::invitation(tx, &digest(link), now)?.ok_or(AccountError::LinkOver)?;
        let row = match invitation.account {
            Some(row) => row,
            None if accounts::by_name(tx, &name)?.is_some() => return Err(AccountError::NameTaken),
            None => accounts::insert(tx, &name, Role::Admin, now)?,
        };
        if invitation.account.is_none() {
            accounts::set_services(tx, row, accounts::Service::ALL)?;
        }
        entry::remove_invitation(tx, &digest(link))?;
        shut_out(tx, row, None)?;
        accounts::set_password(tx, row, &phc)?;
        let account = accounts::by_row(tx, row)?.ok_or(AccountError::LinkOver)?;
        if account.state != AccountState::Active {
            return Err(AccountError::LinkOver);
        }
        record(tx, site, &actor_of(&account, from), Action::LinkUsed, account.name.as_str(), account.role.word())?;
        Ok(account)
    });
    let account = account.map_err(|e: AccountError| noted(site, e))?;
    open_session(site, from, &account, stage_after_password(&account), None, |_| Ok(()))
}

/// Gives the password again, for what only a fresh one allows.
///
/// # Errors
/// [`AccountError::Wait`], [`AccountError::Wrong`].
pub fn confirm_password(
    site: &Site,
    from: &Origin,
    by: &Actor,
    password: &str,
    way: &dyn Directory,
) -> Result<(), AccountError> {
    wait(site, from, by.name())?;
    let account = of(site, by.own()?)?;
    let session = by.session.ok_or(OperationError::Forbidden)?;
    let is_right = match directory::setting_for(site, Some(&account))? {
        Some(setting) => {
            let verified = directory::verify(site, way, &setting, &account.name, password);
            match counted(site, from, by.name(), verified)? {
                Some((entry, role)) => role == account.role && directory::is_theirs(site, &account, &entry)?,
                None => return failed(site, from, by.name(), ""),
            }
        }
        None => password::verify(password, account.password.as_deref()),
    };
    if !is_right {
        site.delays.failed(from.address, by.name(), Instant::now());
        return failed(site, from, by.name(), "");
    }
    site.delays.succeeded(from.address, by.name());
    let now = site.clock.now();
    let confirmed = site.catalog.writer().write(|tx| entry::note_confirmed(tx, &session, now));
    confirmed.map_err(|e| site.noted(e.into()))?;
    Ok(())
}

/// Ends the session.
///
/// # Errors
/// [`AccountError`].
pub fn sign_out(site: &Site, visitor: &Visitor) -> Result<(), AccountError> {
    let (account, session, actor) = match visitor {
        Visitor::Stranger => return Ok(()),
        Visitor::Pending(pending) => (pending.account, Some(pending.session), None),
        Visitor::Known(actor) => (actor.own()?, actor.session, Some(actor)),
    };
    let Some(session) = session else { return Ok(()) };
    let ended = site.catalog.writer().write(|tx| {
        entry::remove_session(tx, account, &session)?;
        actor.map_or(Ok(()), |actor| record(tx, site, actor, Action::SignedOut, "", ""))
    });
    ended.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(())
}

/// Who shows this cookie.
///
/// # Errors
/// [`OperationError`].
pub fn authenticate(site: &Site, from: &Origin, cookie: &str) -> Result<Visitor, OperationError> {
    let (key, now) = (digest(cookie), site.clock.now());
    let found = site.catalog.reader().read(|tx| {
        let Some(session) = entry::session(tx, &key)?.filter(|session| is_alive(session, now)) else { return Ok(None) };
        let account = accounts::by_row(tx, session.account)?.filter(|account| account.state == AccountState::Active);
        let Some(account) = in_time(tx, account, now)? else { return Ok(None) };
        let actor = with_rights(tx, actor_of(&account, from), &account, now)?;
        Ok::<_, CatalogError>(Some((session, account, actor)))
    })?;
    let Some((session, account, actor)) = found else { return Ok(Visitor::Stranger) };
    if now.minus(NOTED) > session.seen_at {
        let noted = site.catalog.writer().write(|tx| entry::note_session_used(tx, &key, now));
        noted.map_err(|e| site.noted(e.into()))?;
    }
    Ok(match session.stage {
        Stage::Code | Stage::Setup => Visitor::Pending(Pending {
            account: account.row,
            name: account.name,
            stage: session.stage,
            language: account.language,
            session: key,
        }),
        Stage::Full => {
            let is_fresh = session.confirmed_at >= now.minus(FRESH);
            Visitor::Known(Actor { is_fresh, session: Some(key), ..actor })
        }
    })
}

/// In whose name this token speaks, and what for. Never with a fresh password.
///
/// # Errors
/// [`OperationError`].
pub fn authenticate_token(
    site: &Site,
    from: &Origin,
    token: &str,
) -> Result<Option<(Actor, TokenScope)>, OperationError> {
    let Some((token, actor)) = speaks_for(site, from, token)? else { return Ok(None) };
    note_token_used(site, &token)?;
    Ok(Some((actor, token.scope)))
}

/// In whose name somebody reads network folders: `name` is that of the account, `token` one of its tokens for this. The
/// account's password is no token, since it would go round the second factor.
///
/// Whoever shows the right token never waits: it cannot be guessed, and a drive with an old one, which tries again and
/// again, must keep nobody out. So what is wrong here counts apart from what is wrong in signing in, and a right token forgives
/// nothing: else its owner could guess without end, and fill the log.
///
/// # Errors
/// [`AccountError::Wait`], [`AccountError::Wrong`].
pub fn authenticate_folders(site: &Site, from: &Origin, name: &str, token: &str) -> Result<Actor, AccountError> {
    let tried: String = name.trim().to_lowercase().chars().take(AccountName::MAX).collect();
    let found = speaks_for(site, from, token)?;
    let found = found.filter(|(token, actor)| token.scope == TokenScope::Webdav && actor.name() == tried);
    if let Some((token, actor)) = found {
        note_token_used(site, &token)?;
        return Ok(actor);
    }
    if let Some(wait) = site.folder_delays.wait(from.address, &tried, Instant::now()) {
        return Err(AccountError::Wait { wait });
    }
    site.folder_delays.failed(from.address, &tried, Instant::now());
    failed(site, from, &tried, TokenScope::Webdav.word())
}

/// Whose token this is, with the rights that it reaches.
fn speaks_for(site: &Site, from: &Origin, token: &str) -> Result<Option<(ApiToken, Actor)>, OperationError> {
    let (key, now) = (digest(token), site.clock.now());
    let found = site.catalog.reader().read(|tx| {
        let Some(token) = entry::token(tx, &key, now)? else { return Ok(None) };
        let account = accounts::by_row(tx, token.account)?.filter(|account| account.state == AccountState::Active);
        let Some(account) = in_time(tx, account, now)? else { return Ok(None) };
        Ok::<_, CatalogError>(Some((token, with_rights(tx, actor_of(&account, from), &account, now)?)))
    })?;
    Ok(found.map(|(token, actor)| {
        let reach = match token.scope {
            TokenScope::Manage => Reach::Everything,
            TokenScope::Read | TokenScope::Metrics => Reach::Looks,
            TokenScope::Webdav => Reach::Folders,
        };
        (token, Actor { reach, ..actor })
    }))
}

fn note_token_used(site: &Site, token: &ApiToken) -> Result<(), OperationError> {
    let now = site.clock.now();
    if token.used_at.is_none_or(|used| now.minus(NOTED) > used) {
        let noted = site.catalog.writer().write(|tx| entry::note_token_used(tx, token.row, now));
        noted.map_err(|e| site.noted(e.into()))?;
    }
    Ok(())
}

/// After what changes how somebody signs in, or whether they may: ends all sessions but `except`, and takes the tokens for
/// network folders back, which lie in the key rings of computers and stand for what is over.
pub(super) fn shut_out(tx: &Transaction<'_>, account: AccountRow, except: Option<&Digest>) -> Result<(), CatalogError> {
    entry::remove_sessions(tx, account, except)?;
    entry::remove_tokens_for(tx, account, TokenScope::Webdav)
}

fn is_alive(session: &WebSession, now: UnixMillis) -> bool {
    let life = if session.stage == Stage::Full { LIFE } else { HALF_LIFE };
    session.created_at >= now.minus(life) && session.seen_at >= now.minus(IDLE)
}

fn stage_after_password(account: &Account) -> Stage {
    match (&account.totp, account.role) {
        (Some(_), _) => Stage::Code,
        (None, Role::Admin) => Stage::Setup,
        (None, Role::Technician | Role::Member | Role::Auditor) => Stage::Full,
    }
}

/// Opens a session in place of `before`, after `first` in the same transaction.
fn open_session(
    site: &Site,
    from: &Origin,
    account: &Account,
    stage: Stage,
    before: Option<Digest>,
    first: impl FnOnce(&Transaction<'_>) -> Result<(), AccountError>,
) -> Result<SignedIn, AccountError> {
    let cookie = Secret::generate().map_err(OperationError::from)?;
    let now = site.clock.now();
    let session = WebSession {
        digest: cookie.digest(),
        account: account.row,
        stage,
        address: from.address.to_string(),
        agent: plain(&from.agent, AGENT_MAX),
        created_at: now,
        seen_at: now,
        confirmed_at: now,
    };
    let opened = site.catalog.writer().write(|tx| {
        first(tx)?;
        entry::remove_old_sessions(tx, now.minus(LIFE), now.minus(IDLE))?;
        if let Some(before) = before {
            entry::remove_session(tx, account.row, &before)?;
        }
        for old in entry::sessions_of(tx, account.row)?.iter().skip(SESSIONS_MAX - 1) {
            entry::remove_session(tx, account.row, &old.digest)?;
        }
        entry::insert_session(tx, &session)?;
        if stage == Stage::Full {
            accounts::note_login(tx, account.row, now)?;
            record(tx, site, &actor_of(account, from), Action::SignedIn, "", "")?;
        }
        Ok(())
    });
    opened.map_err(|e: AccountError| noted(site, e))?;
    if stage == Stage::Full {
        site.delays.succeeded(from.address, account.name.as_str());
    }
    Ok(SignedIn { cookie, stage })
}

fn wait(site: &Site, from: &Origin, name: &str) -> Result<(), AccountError> {
    match site.delays.wait(from.address, name, Instant::now()) {
        Some(wait) => Err(AccountError::Wait { wait }),
        None => Ok(()),
    }
}

/// Notes a failure where the directory did not say yes. That it did not answer counts, too: strangers would ask it without
/// end.
fn counted<T>(
    site: &Site,
    from: &Origin,
    name: &str,
    verified: Result<Option<T>, AccountError>,
) -> Result<Option<T>, AccountError> {
    if matches!(verified, Ok(None) | Err(AccountError::Directory(_))) {
        site.delays.failed(from.address, name, Instant::now());
    }
    verified
}

/// Writes a failed attempt into the log. The delay bounds how many there can be. `way`: nothing for the pages.
fn failed<T>(site: &Site, from: &Origin, name: &str, way: &str) -> Result<T, AccountError> {
    let stranger = Actor { address: from.address.to_string(), name: "-".to_owned(), ..Actor::console() };
    let written = site.catalog.writer().write(|tx| record(tx, site, &stranger, Action::SignInFailed, name, way));
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Err(AccountError::Wrong)
}

pub(super) fn noted(site: &Site, error: AccountError) -> AccountError {
    match error {
        AccountError::Operation(error) => AccountError::Operation(site.noted(error)),
        refused => refused,
    }
}

pub(super) fn of(site: &Site, row: AccountRow) -> Result<Account, AccountError> {
    site.catalog.reader().read(|tx| accounts::by_row(tx, row))?.ok_or(AccountError::NoSuchAccount)
}

/// Somebody without any right yet: enough to be named in the log.
pub(super) fn actor_of(account: &Account, from: &Origin) -> Actor {
    Actor {
        account: Some(account.row),
        name: account.name.to_string(),
        role: account.role,
        services: Vec::new(),
        language: account.language.clone(),
        address: from.address.to_string(),
        is_fresh: false,
        ..Actor::console()
    }
}

fn with_rights(tx: &Transaction<'_>, actor: Actor, account: &Account, now: UnixMillis) -> Result<Actor, CatalogError> {
    let services = accounts::services(tx, account.row)?;
    let support = if account.role == Role::Admin { support::access(tx)? } else { None };
    let support_until = support.map(|access| access.expires_at).filter(|end| *end > now);
    Ok(Actor { services, machines: accounts::machines(tx, account.row)?, support_until, ..actor })
}

/// Nobody comes in by an account whose time is over, also before it is removed.
fn in_time(tx: &Transaction<'_>, account: Option<Account>, now: UnixMillis) -> Result<Option<Account>, CatalogError> {
    match account {
        Some(account) if support::is_over(tx, account.row, now)? => Ok(None),
        other => Ok(other),
    }
}
