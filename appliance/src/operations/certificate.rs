//! The company's own certificate for the portal: kept sealed, as everything that could pass for the box.

use datis_engine::units::UnixMillis;
use zeroize::Zeroizing;

use super::accounts::{Action, Actor, Right, record};
use super::{OperationError, Site};
use crate::catalog::CatalogError;
use crate::catalog::own_certificate::{self, KeptCertificate};
use crate::certs::own::{OwnCertificate, PEM_MAX};

/// Keeps a certificate that was checked. `pem`: what it was read from.
///
/// # Errors
/// [`OperationError`].
pub fn set_own_certificate(
    site: &Site,
    by: &Actor,
    checked: &OwnCertificate,
    pem: &[u8],
) -> Result<(), OperationError> {
    by.may(Right::RunBox)?;
    let facts = checked.facts();
    let kept = KeptCertificate { sealed: site.vault.recipients.seal(pem)?, ends_at: facts.ends_at };
    let set = site.catalog.writer().write(|tx| {
        own_certificate::keep(tx, &kept)?;
        record(tx, site, by, Action::CertificateSet, &facts.names.join(" "), &facts.fingerprint)
    });
    set.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Chain and key as they were given, if there are any.
///
/// # Errors
/// [`OperationError`].
pub fn own_certificate(site: &Site) -> Result<Option<Zeroizing<Vec<u8>>>, OperationError> {
    let kept = site.catalog.reader().read(|tx| own_certificate::kept(tx))?;
    let opened = kept.map(|kept| site.vault.identity.open(&kept.sealed, PEM_MAX));
    Ok(opened.transpose()?)
}

/// When it ends, if there is one.
///
/// # Errors
/// [`OperationError`].
pub fn own_certificate_end(site: &Site) -> Result<Option<UnixMillis>, OperationError> {
    Ok(site.catalog.reader().read(|tx| own_certificate::kept(tx))?.map(|kept| kept.ends_at))
}

/// Forgets it: the box uses one of its own authority again.
///
/// # Errors
/// [`OperationError`].
pub fn forget_own_certificate(site: &Site, by: &Actor) -> Result<(), OperationError> {
    by.may(Right::RunBox)?;
    let forgotten = site.catalog.writer().write(|tx| {
        if own_certificate::forget(tx)? {
            record(tx, site, by, Action::CertificateForgotten, "", "")?;
        }
        Ok(())
    });
    forgotten.map_err(|e: CatalogError| site.noted(e.into()))
}
