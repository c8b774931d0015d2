//! Setting what a reseller's bundle says, once, as long as nobody owns the box yet. Whether a bundle is to be believed is
//! the module `bundle`'s to know.

use std::cmp::Ordering;

use datis_engine::ids::Profile;
use datis_engine::keys::PublicKey;

use super::accounts::{Action, Actor, Right, record};
use super::machines::{PolicyChange, usual_policy};
use super::{OperationError, Site};
use crate::catalog::alerts::{self, AlertSetting, Channel, QuietHours, Severity};
use crate::catalog::bundle::{self, AppliedBundle, BundleRefusal, RefusedBundle};
use crate::catalog::mail::{self, MailSetting};
use crate::catalog::{CatalogError, machines};
use crate::config::KeyPrint;

/// What is set in the catalog. What a bundle does not name is as the program has it.
#[derive(Debug, Clone, Default)]
pub struct BundleSettings {
    /// How mail is sent, without a password.
    pub mail: Option<MailSetting>,
    /// What is told by mail.
    pub mailed: Option<Vec<Severity>>,
    /// When warnings wait.
    pub quiet: Option<QuietHours>,
    /// What machines begin with.
    pub machines: Vec<(Profile, PolicyChange)>,
}

/// A bundle that is believed.
#[derive(Debug, Clone, Copy)]
pub struct NewBundle<'b> {
    /// Whose it is.
    pub key: PublicKey,
    /// Its number.
    pub serial: u32,
    /// What it says, JSON, as it was signed.
    pub content: &'b str,
    /// Who made it, for the log.
    pub reseller: &'b str,
    /// What it sets.
    pub settings: &'b BundleSettings,
    /// Whether one that is older than what was applied is taken too.
    pub may_be_older: bool,
}

/// Why it is not set.
#[derive(Debug, thiserror::Error)]
pub enum ApplyBundleError {
    /// Somebody owns the box.
    #[error(
        "the box has an admin, a machine or a backup, and bundles are for boxes that have none yet; change what you want to \
         change in the portal (reports, alerts, policies of machines) and in datisd.toml"
    )]
    Activated,
    /// There was a newer one.
    #[error("the bundle has serial {serial}, and serial {applied} was applied before; only a higher one is taken")]
    Older {
        /// Its number.
        serial: u32,
        /// The number of the one before.
        applied: u32,
    },
    /// Two bundles of one number.
    #[error("another bundle with serial {serial} was applied before; a changed bundle needs a higher serial")]
    Changed {
        /// The number of both.
        serial: u32,
    },
    /// Another key's bundle came after it.
    #[error(
        "this bundle, with serial {serial}, was applied before, and one of another key after it; it is taken again with \
         `--older`"
    )]
    Replaced {
        /// Its number.
        serial: u32,
    },
    /// Not allowed, or the catalog failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<CatalogError> for ApplyBundleError {
    fn from(error: CatalogError) -> Self {
        Self::Operation(error.into())
    }
}

/// Whether somebody owns the box: an admin who may sign in, or whoever has put machines into it. After a rebuild out of the
/// store alone there is no account left, and the box is nobody's to prepare all the same.
///
/// # Errors
/// [`OperationError`].
pub fn is_activated(site: &Site) -> Result<bool, OperationError> {
    Ok(site.catalog.reader().read(|tx| bundle::is_owned(tx))?)
}

/// Sets all that the bundle says, in one step, in place of what an earlier one said. Whether anything was set: the same
/// bundle a second time is none.
///
/// # Errors
/// [`ApplyBundleError`]; nothing is set then.
pub fn apply_bundle(site: &Site, by: &Actor, new: &NewBundle<'_>) -> Result<bool, ApplyBundleError> {
    by.may(Right::ChangeBox)?;
    let applied = site.catalog.writer().write(|tx| {
        // In this transaction: somebody may become the admin at this moment.
        if bundle::is_owned(tx)? {
            return Err(ApplyBundleError::Activated);
        }
        let is_it = |known: &AppliedBundle| known.key == new.key && known.content == new.content;
        if bundle::applied(tx)?.is_some_and(|last| is_it(&last)) {
            bundle::forget_refused(tx)?;
            return Ok(false);
        }
        // Numbers are counted by each key for itself, whoever came in between.
        if let Some(before) = bundle::applied_of(tx, &new.key)?.filter(|_| !new.may_be_older) {
            let (serial, applied) = (new.serial, before.serial);
            if is_it(&before) {
                return Err(ApplyBundleError::Replaced { serial });
            }
            match serial.cmp(&applied) {
                Ordering::Less => return Err(ApplyBundleError::Older { serial, applied }),
                Ordering::Equal => return Err(ApplyBundleError::Changed { serial }),
                Ordering::Greater => {}
            }
        }
        set(tx, new.settings)?;
        let (key, serial, content) = (new.key, new.serial, new.content.to_owned());
        bundle::keep(tx, &AppliedBundle { key, serial, content, applied_at: site.clock.now() })?;
        let detail = format!("serial {serial}, key {}", KeyPrint::of(&key));
        record(tx, site, by, Action::BundleApplied, new.reseller, &detail)?;
        Ok(true)
    });
    applied.map_err(|e: ApplyBundleError| match e {
        ApplyBundleError::Operation(error) => ApplyBundleError::Operation(site.noted(error)),
        ApplyBundleError::Activated
        | ApplyBundleError::Older { .. }
        | ApplyBundleError::Changed { .. }
        | ApplyBundleError::Replaced { .. } => e,
    })
}

fn set(tx: &rusqlite::Transaction<'_>, settings: &BundleSettings) -> Result<(), CatalogError> {
    match &settings.mail {
        Some(setting) => mail::set(tx, &MailSetting { password: None, ..setting.clone() })?,
        None => mail::unset(tx)?,
    }
    let mut told = AlertSetting { quiet: settings.quiet.unwrap_or_default(), ..AlertSetting::default() };
    if let Some(mailed) = &settings.mailed {
        told.routes.retain(|(channel, _)| *channel != Channel::Mail);
        told.routes.extend(mailed.iter().map(|severity| (Channel::Mail, *severity)));
    }
    alerts::set(tx, &told)?;
    machines::forget_default_policies(tx)?;
    settings.machines.iter().try_for_each(|(profile, change)| {
        machines::set_default_policy(tx, *profile, &change.over(usual_policy(*profile)))
    })
}

/// The bundle that was applied last.
///
/// # Errors
/// [`OperationError`].
pub fn applied_bundle(site: &Site) -> Result<Option<AppliedBundle>, OperationError> {
    Ok(site.catalog.reader().read(|tx| bundle::applied(tx))?)
}

/// Remembers, for those who put the box into service, that one was not taken.
///
/// # Errors
/// [`OperationError`].
pub fn note_refused_bundle(site: &Site, reason: BundleRefusal, detail: &str) -> Result<(), OperationError> {
    let refused = RefusedBundle { at: site.clock.now(), reason, detail: detail.to_owned() };
    let noted = site.catalog.writer().write(|tx| bundle::note_refused(tx, &refused));
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Nothing that was not taken lies there any more.
///
/// # Errors
/// [`OperationError`].
pub fn forget_refused_bundle(site: &Site) -> Result<(), OperationError> {
    if refused_bundle(site)?.is_none() {
        return Ok(());
    }
    let forgotten = site.catalog.writer().write(bundle::forget_refused);
    forgotten.map_err(|e: CatalogError| site.noted(e.into()))
}

/// The last one that was not taken; `None` when one was applied after it.
///
/// # Errors
/// [`OperationError`].
pub fn refused_bundle(site: &Site) -> Result<Option<RefusedBundle>, OperationError> {
    Ok(site.catalog.reader().read(|tx| bundle::refused(tx))?)
}
