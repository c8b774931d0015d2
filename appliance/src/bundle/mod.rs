//! The configuration bundle: what a reseller prepares once for all boxes, signed, and what a box takes of it before anybody
//! owns it. docs/BUNDLE.md describes the file, docs/decisions/0025-bundle.md says why it is as it is.
//!
//! A box believes no key by itself: `datisd.toml` names the key, or somebody on the console does. What is not believed, or
//! cannot be read, changes nothing and stops nothing.

mod content;
mod envelope;
mod take;
#[cfg(test)]
mod tests;
mod words;

use crate::config::ConfigDefaults;
use crate::operations::{self, OperationError, Site};

pub(crate) use content::Content;
pub(crate) use envelope::{ENVELOPE_MAX, Envelope, key_from_pem, new_key_pem};
pub(crate) use take::{BundleError, Taken, apply, look, looked};
pub(crate) use words::{only_from_the_next_start, sentences};

/// The bundle that the box has its defaults from.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) content: Content,
    pub(crate) kept: operations::AppliedBundle,
}

/// What was applied last. A bundle of a later version of the program counts for nothing, and that is logged.
///
/// # Errors
/// [`OperationError`].
pub(crate) fn applied(site: &Site) -> Result<Option<Applied>, OperationError> {
    let Some(kept) = operations::applied_bundle(site)? else { return Ok(None) };
    match Content::parse(kept.content.as_bytes()) {
        Ok(content) => Ok(Some(Applied { content, kept })),
        Err(e) => {
            tracing::warn!(error = %e, serial = kept.serial, "The bundle that was applied is not understood any more");
            Ok(None)
        }
    }
}

/// What stands where `datisd.toml` names nothing.
///
/// # Errors
/// [`OperationError`].
pub(crate) fn config_defaults(site: &Site) -> Result<ConfigDefaults, OperationError> {
    Ok(applied(site)?.map(|applied| applied.content.settings.config()).unwrap_or_default())
}
