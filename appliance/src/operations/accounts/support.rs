//! Somebody from outside may help for some hours: an account that ends by itself. It is a technician's, who looks after the
//! box and sees nothing of what is in backups.

use datis_engine::units::{Seconds, UnixMillis};

use super::super::{OperationError, Site};
use super::actor::{Actor, Right};
use super::audit::{Action, record};
use super::error::AccountError;
use super::login::noted;
use super::secret::Secret;
use crate::catalog::accounts::{self, AccountName, Role};
use crate::catalog::entry::{self, Invitation};
use crate::catalog::support;
use crate::catalog::{CatalogError, support::SupportAccess};

/// What the account is called.
const NAME: &str = "support";

/// For how long somebody may help: 1 to 72 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct SupportHours(u8);

impl SupportHours {
    /// The longest time.
    pub const MAX: u8 = 72;

    /// As a number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for SupportHours {
    type Error = String;

    fn try_from(hours: u8) -> Result<Self, String> {
        if (1..=Self::MAX).contains(&hours) {
            Ok(Self(hours))
        } else {
            Err(format!("support access is open for 1 to {} hours", Self::MAX))
        }
    }
}

impl From<SupportHours> for u8 {
    fn from(hours: SupportHours) -> Self {
        hours.0
    }
}

impl std::str::FromStr for SupportHours {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        raw.parse::<u8>().map_err(|_| format!("`{raw}` is no number of hours"))?.try_into()
    }
}

/// Opens the access, in place of one that is open. Gives a link that works once, to be shown once, and the end.
///
/// # Errors
/// [`AccountError::NameTaken`] when somebody of the company is called so; [`AccountError`].
pub fn open_support(site: &Site, by: &Actor, hours: SupportHours) -> Result<(Secret, UnixMillis), AccountError> {
    by.may(Right::ManageAccounts)?;
    let name: AccountName = NAME.parse().map_err(|_| AccountError::BadName)?;
    let (link, now) = (Secret::generate().map_err(OperationError::from)?, site.clock.now());
    let expires_at = now.plus(Seconds(u64::from(hours.get()) * 3_600));
    let opened = site.catalog.writer().write(|tx| {
        if let Some(before) = support::access(tx)? {
            accounts::remove(tx, before.account)?;
            record(tx, site, by, Action::SupportClosed, before.name.as_str(), "")?;
        }
        if accounts::by_name(tx, &name)?.is_some() {
            return Err(AccountError::NameTaken);
        }
        let row = accounts::insert(tx, &name, Role::Technician, now)?;
        support::open(tx, row, expires_at)?;
        entry::insert_invitation(tx, &link.digest(), Invitation { account: Some(row), expires_at }, now)?;
        Ok(record(tx, site, by, Action::SupportOpened, name.as_str(), &format!("{} h", hours.get()))?)
    });
    opened.map_err(|e: AccountError| noted(site, e))?;
    Ok((link, expires_at))
}

/// The access that is open.
///
/// # Errors
/// [`AccountError`].
pub fn support_access(site: &Site, by: &Actor) -> Result<Option<SupportAccess>, AccountError> {
    if !by.has(Right::ManageAccounts) {
        return Err(OperationError::Forbidden.into());
    }
    let now = site.clock.now();
    let found = site.catalog.reader().read(|tx| support::access(tx))?;
    Ok(found.filter(|access| access.expires_at > now))
}

/// Closes it at once: whoever is signed in by it is out. Whether there was one.
///
/// # Errors
/// [`AccountError`].
pub fn close_support(site: &Site, by: &Actor) -> Result<bool, AccountError> {
    by.may(Right::ManageAccounts)?;
    end(site, by, Action::SupportClosed, None)
}

/// Ends what is over. Until this comes by, nobody gets in with it either.
///
/// # Errors
/// [`AccountError`].
pub(crate) fn end_support_in_time(site: &Site) -> Result<bool, AccountError> {
    let now = site.clock.now();
    let is_over = |access: &SupportAccess| access.expires_at <= now;
    if site.catalog.reader().read(|tx| support::access(tx))?.filter(is_over).is_none() {
        return Ok(false);
    }
    end(site, &Actor::the_box(), Action::SupportEnded, Some(now))
}

/// `over_at`: only what is over by then.
fn end(site: &Site, by: &Actor, action: Action, over_at: Option<UnixMillis>) -> Result<bool, AccountError> {
    let ended = site.catalog.writer().write(|tx| {
        let access = support::access(tx)?.filter(|access| over_at.is_none_or(|now| access.expires_at <= now));
        let Some(access) = access else { return Ok(false) };
        accounts::remove(tx, access.account)?;
        record(tx, site, by, action, access.name.as_str(), "")?;
        Ok(true)
    });
    Ok(ended.map_err(|e: CatalogError| site.noted(e.into()))?)
}
