//! Sheets that somebody takes away: what commissioning found, with a signature or without, and what the admin of the
//! firewall has to know. The same sentences as on the screens, laid out by `paper`.

mod certificate;
mod firewall;
mod kit;

use datis_engine::units::UnixMillis;

use crate::commissioning::{self, Check, Lan, Surroundings};
use crate::config::CommissioningConfig;
use crate::locale::Locale;
use crate::operations::accounts::Actor;
use crate::operations::{self, OperationError, Signature, Site};
use crate::paper::PaperError;
use crate::partner::Door;

pub(crate) use kit::{print_kit, print_kit_sheets};

/// Why there is no sheet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SheetError {
    #[error(transparent)]
    Operation(#[from] OperationError),
    #[error("the sheet cannot be laid out")]
    Paper(#[from] PaperError),
    /// Nobody signs for a box that is not in order.
    #[error("the box is not in order: {} of its checks stand in the way; page Site says which and what to do", .0.len())]
    NotInOrder(Vec<Check>),
}

/// Which sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sheet {
    /// What commissioning found, not signed.
    Certificate,
    /// What to open and to forward.
    Firewall,
}

/// Where the box is found, and what it was set to.
pub(crate) struct Whereabouts<'w> {
    /// By machines.
    pub(crate) host: &'w str,
    /// By people.
    pub(crate) url: &'w str,
    pub(crate) door: &'w Door,
    pub(crate) config: &'w CommissioningConfig,
}

/// A sheet of how things are now, PDF.
///
/// # Errors
/// [`SheetError`].
pub(crate) fn print(
    sheet: Sheet,
    site: &Site,
    place: &Whereabouts<'_>,
    locale: &Locale,
) -> Result<Vec<u8>, SheetError> {
    let lan = Lan::look();
    Ok(match sheet {
        Sheet::Certificate => {
            let known = commissioning::refresh(&Surroundings::look(site, place.config))?;
            let started_at = operations::first_start(site)?;
            certificate::paper(site, place, lan.as_ref(), &known, started_at, None, locale)?.pdf()?
        }
        Sheet::Firewall => firewall::paper(site, place, lan.as_ref(), locale)?.pdf()?,
    })
}

/// Signs for the box: from now on the sheet of this moment is its certificate.
///
/// # Errors
/// [`SheetError::NotInOrder`]; [`SheetError`].
pub(crate) fn sign_off(
    site: &Site,
    by: &Actor,
    place: &Whereabouts<'_>,
    locale: &Locale,
) -> Result<Signature, SheetError> {
    let known = commissioning::refresh(&Surroundings::look(site, place.config))?;
    let obstacles = commissioning::obstacles(&known);
    if !obstacles.is_empty() {
        return Err(SheetError::NotInOrder(obstacles));
    }
    let started_at = operations::first_start(site)?;
    let signature = Signature { signed_at: site.clock.now(), signed_by: by.name().to_owned(), started_at };
    let lan = Lan::look();
    let paper = certificate::paper(site, place, lan.as_ref(), &known, started_at, Some(&signature), locale)?;
    operations::sign_off(site, by, &signature, &paper.pdf()?)?;
    Ok(signature)
}

/// A day, in UTC.
pub(crate) fn day(at: UnixMillis) -> String {
    let shown = jiff::Timestamp::from_millisecond(at.0).map(|at| at.strftime("%Y-%m-%d").to_string());
    shown.unwrap_or_default()
}

/// To the minute, in UTC.
fn minute(at: UnixMillis) -> String {
    let shown = jiff::Timestamp::from_millisecond(at.0).map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    shown.unwrap_or_default()
}
