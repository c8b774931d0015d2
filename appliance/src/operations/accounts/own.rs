//! What everybody does with their own account.

use datis_engine::units::{Seconds, UnixMillis};

use super::super::{OperationError, Site};
use super::actor::{Actor, Right};
use super::audit::{Action, record};
use super::error::AccountError;
use super::login::{noted, of, shut_out};
use super::secret::Secret;
use super::{directory, password, second_factor};
use crate::catalog::TokenRow;
use crate::catalog::accounts::{self, Account, Service};
use crate::catalog::entry::{self, ApiToken, TokenScope, WebSession};
use crate::plain::plain;

/// Tokens of one account.
const TOKENS_MAX: usize = 32;
/// The longest life of a token.
const TOKEN_LIFE_MAX: Seconds = Seconds(366 * 86_400);
/// The longest name of a token, in characters.
const TOKEN_NAME_MAX: usize = 64;

/// What somebody sees of their own account.
#[derive(Debug, Clone)]
pub struct OwnAccount {
    /// The account; password and authenticator are not for showing.
    pub account: Account,
    /// What it may be used for.
    pub services: Vec<Service>,
    /// Recovery codes that are left.
    pub recovery_codes: u64,
    /// Where it is signed in, the one used last first.
    pub sessions: Vec<WebSession>,
    /// Which of them is this one.
    pub this_session: Option<[u8; 32]>,
    /// Its tokens, the newest first.
    pub tokens: Vec<ApiToken>,
    /// The box's clock.
    pub now: UnixMillis,
}

/// The own account.
///
/// # Errors
/// [`AccountError`].
pub fn own_account(site: &Site, by: &Actor) -> Result<OwnAccount, AccountError> {
    let row = by.own()?;
    let account = of(site, row)?;
    let now = site.clock.now();
    let shown = site.catalog.reader().read(|tx| {
        Ok::<_, OperationError>(OwnAccount {
            services: accounts::services(tx, row)?,
            recovery_codes: accounts::count_recovery_codes(tx, row)?,
            sessions: entry::sessions_of(tx, row)?,
            this_session: by.session,
            tokens: entry::tokens_of(tx, row)?,
            account,
            now,
        })
    });
    Ok(shown?)
}

/// Where somebody is signed in is decided by people: a token that was stolen must not sign its owner out.
fn at_a_browser(by: &Actor) -> Result<(), OperationError> {
    if by.session.is_some() { Ok(()) } else { Err(OperationError::Forbidden) }
}

/// Those who have just given their password; a token never has.
fn fresh(by: &Actor) -> Result<(), OperationError> {
    match by.session {
        None => Err(OperationError::Forbidden),
        Some(_) if by.is_fresh => Ok(()),
        Some(_) => Err(OperationError::ConfirmFirst),
    }
}

/// Sets another password. All other sessions end, and so do the tokens for network folders.
///
/// # Errors
/// [`AccountError`].
pub fn change_password(site: &Site, by: &Actor, new: &str) -> Result<(), AccountError> {
    fresh(by)?;
    let account = of(site, by.own()?)?;
    if directory::is_of_directory(site, &account)? {
        return Err(AccountError::OfDirectory);
    }
    password::check_strength(new, &account.name)?;
    let phc = password::hash(new)?;
    let changed = site.catalog.writer().write(|tx| {
        accounts::set_password(tx, account.row, &phc)?;
        shut_out(tx, account.row, by.session.as_ref())?;
        Ok(record(tx, site, by, Action::PasswordChanged, "", "")?)
    });
    changed.map_err(|e: AccountError| noted(site, e))
}

/// Sets the language of the own pages; `None`: what the browser likes best.
///
/// # Errors
/// [`AccountError`].
pub fn set_language(site: &Site, by: &Actor, language: Option<&str>) -> Result<(), AccountError> {
    let row = by.own()?;
    let set = site.catalog.writer().write(|tx| accounts::set_language(tx, row, language));
    set.map_err(|e| site.noted(e.into()))?;
    Ok(())
}

/// Fresh recovery codes in place of those before, to be shown once.
///
/// # Errors
/// [`AccountError`].
pub fn new_recovery_codes(site: &Site, by: &Actor) -> Result<Vec<String>, AccountError> {
    fresh(by)?;
    let account = of(site, by.own()?)?;
    if account.totp.is_none() {
        return Err(OperationError::Forbidden.into());
    }
    let made = site.catalog.writer().write(|tx| {
        let codes = second_factor::make_recovery_codes(tx, account.row)?;
        record(tx, site, by, Action::RecoveryCodesMade, "", "")?;
        Ok(codes)
    });
    made.map_err(|e: AccountError| noted(site, e))
}

/// Ends one of the own sessions.
///
/// # Errors
/// [`AccountError`].
pub fn end_session(site: &Site, by: &Actor, session: &[u8; 32]) -> Result<(), AccountError> {
    at_a_browser(by)?;
    let row = by.own()?;
    let ended = site.catalog.writer().write(|tx| {
        if entry::remove_session(tx, row, session)? {
            record(tx, site, by, Action::SessionsEnded, "", "1")?;
        }
        Ok(())
    });
    ended.map_err(|e: AccountError| noted(site, e))
}

/// Ends all own sessions but this one.
///
/// # Errors
/// [`AccountError`].
pub fn end_other_sessions(site: &Site, by: &Actor) -> Result<(), AccountError> {
    at_a_browser(by)?;
    let row = by.own()?;
    let ended = site.catalog.writer().write(|tx| {
        let ended = entry::remove_sessions(tx, row, by.session.as_ref())?;
        Ok(record(tx, site, by, Action::SessionsEnded, "", &ended.to_string())?)
    });
    ended.map_err(|e: AccountError| noted(site, e))
}

/// Makes a token, to be shown once. It works for `life`, at most a year.
///
/// # Errors
/// [`AccountError`].
pub fn make_token(
    site: &Site,
    by: &Actor,
    name: &str,
    scope: TokenScope,
    life: Seconds,
) -> Result<Secret, AccountError> {
    fresh(by)?;
    if scope == TokenScope::Webdav {
        by.may(Right::OpenFolders)?;
    }
    let row = by.own()?;
    let name = plain(name.trim(), TOKEN_NAME_MAX);
    let token = Secret::generate().map_err(OperationError::from)?;
    let now = site.clock.now();
    let expires_at = now.plus(Seconds(life.0.min(TOKEN_LIFE_MAX.0)));
    let kept = site.catalog.writer().write(|tx| {
        if entry::tokens_of(tx, row)?.len() >= TOKENS_MAX {
            return Err(AccountError::TooMany);
        }
        entry::insert_token(tx, row, &name, &token.digest(), scope, (now, expires_at))?;
        Ok(record(tx, site, by, Action::TokenMade, &name, scope.word())?)
    });
    kept.map_err(|e: AccountError| noted(site, e))?;
    Ok(token)
}

/// Takes one of the own tokens back.
///
/// # Errors
/// [`AccountError`].
pub fn revoke_token(site: &Site, by: &Actor, token: TokenRow) -> Result<(), AccountError> {
    at_a_browser(by)?;
    let row = by.own()?;
    let revoked = site.catalog.writer().write(|tx| match entry::remove_token(tx, row, token)? {
        Some(name) => Ok(record(tx, site, by, Action::TokenRevoked, &name, "")?),
        None => Ok(()),
    });
    revoked.map_err(|e: AccountError| noted(site, e))
}
