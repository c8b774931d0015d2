//! Going on after a head that this catalog did not make: of the box that was lost, or from before the catalog was made anew.
//!
//! What it names is taken over as it says, so that nothing has to be brought out again, and the next head says no less than the last.
//! Not each member need have what the map says: books and audits find out, and it is made again. Decision 0033.

use datis_engine::community::head::Head;
use datis_engine::outside::OutsideError;
use datis_engine::outside::head_content::HeadContent;
use datis_engine::outside::map_part::{MapPart, merge};
use datis_engine::outside::stripes::StripeRef;
use datis_engine::units::UnixMillis;
use rusqlite::Transaction;

use super::StripeKind;
use super::heads::opened;
use crate::catalog::CatalogError;
use crate::catalog::dispersal::outside::{self, LastHead};
use crate::catalog::dispersal::stripes;
use crate::operations::{OperationError, Site};

/// Why the map was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// The map that is here is not the one that the head names.
    #[error("head {sequence} names another map than the one that is here")]
    OtherMap {
        /// Its number.
        sequence: u64,
    },
    /// What it says cannot be read.
    #[error(transparent)]
    Outside(#[from] OutsideError),
    /// The catalog.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

/// What a head says of the outside.
struct Named {
    /// Where each part is, its sealed bytes, and its weight.
    parts: Vec<(StripeRef, Vec<u8>, u64)>,
    map: MapPart,
}

/// Takes over what the last head names, if that is of an earlier box, or of an earlier catalog. `parts`: the sealed parts of the map.
/// Done again, it changes nothing.
///
/// # Errors
/// [`TakeOverError::OtherMap`] when not all that the head names is among `parts`; [`TakeOverError`].
pub fn take_over_map(site: &Site, parts: &[Vec<u8>]) -> Result<(), TakeOverError> {
    let found = site.catalog.reader().read(|tx| {
        let is_known = !outside::parts(tx)?.is_empty();
        Ok::<_, CatalogError>((outside::last_head(tx)?, is_known))
    });
    let (Some(last), false) = found.map_err(OperationError::from)? else { return Ok(()) };
    let (_, head) = opened(&last)?;
    let named = read(site, &head, parts)?;
    let at = site.clock.stamp();
    let written = site.catalog.writer().write(|tx| enter(tx, &named, at));
    Ok(written.map_err(|e: CatalogError| site.noted(e.into()))?)
}

fn read(site: &Site, head: &Head, sealed: &[Vec<u8>]) -> Result<Named, TakeOverError> {
    let content = HeadContent::open(&head.catalog, &site.vault.identity)?;
    let (mut parts, mut opened) = (Vec::new(), Vec::new());
    for place in content.parts {
        let bytes = sealed.iter().find(|bytes| blake3::hash(bytes).as_bytes() == place.pack.as_bytes());
        let bytes = bytes.ok_or(TakeOverError::OtherMap { sequence: head.sequence })?;
        let part = MapPart::open(bytes, &site.vault.identity)?;
        parts.push((place, bytes.clone(), part.weight() as u64));
        opened.push(part);
    }
    Ok(Named { parts, map: merge(opened) })
}

fn enter(tx: &Transaction<'_>, named: &Named, at: UnixMillis) -> Result<(), CatalogError> {
    for (place, bytes, weight) in &named.parts {
        outside::add_part(tx, (&place.pack, bytes, *weight), None, at)?;
        stripes::adopt(tx, place, StripeKind::Map, at)?;
    }
    named.map.stripes.values().try_for_each(|stripe| stripes::adopt(tx, stripe, StripeKind::Pack, at))?;
    named.map.snapshots.keys().try_for_each(|snapshot| outside::adopt_snapshot(tx, snapshot, at))
}

/// Whether a new head says no less than the last one. That of another catalog, whose map was not taken over, stays the newest
/// until all that is here is outside again.
pub(super) fn may_go_on(site: &Site, last: Option<&LastHead>) -> Result<bool, OperationError> {
    let Some(last) = last.filter(|last| last.parts.is_empty()) else { return Ok(true) };
    let (_, head) = opened(last)?;
    let content = HeadContent::open(&head.catalog, &site.vault.identity)?;
    let (known, is_all_outside) = site
        .catalog
        .reader()
        .read(|tx| Ok::<_, CatalogError>((outside::parts(tx)?, outside::is_all_in_the_map(tx)?)))?;
    let is_known = |named: &StripeRef| known.iter().any(|part| part.id == named.pack);
    Ok(is_all_outside || content.parts.iter().all(is_known))
}
