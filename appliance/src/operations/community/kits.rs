//! That somebody has shown the recovery kit of a member: the member's own box hears of it from those that saw it, so that a stolen
//! kit is not used in silence (mutual-backup 5).

use datis_engine::ids::{MemberId, SpkiPin};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::KitShown;

use super::super::{OperationError, Site};
use super::CommunityError;
use crate::catalog::{CatalogError, community as catalog};

/// For so long people are told.
const TOLD: Seconds = Seconds(14 * 86_400);
/// Others tell of a drill for as long as they remember it, which is until the next one.
const DRILLS_REMEMBERED: Seconds = Seconds(3 * 366 * 86_400);

/// What this box says to a member about its own kit.
pub(super) fn shown_here(site: &Site, member: MemberId) -> Result<Option<KitShown>, OperationError> {
    let shown = site.catalog.reader().read(|tx| catalog::kit_shown(tx, &member))?;
    Ok(shown.map(|(pin, at)| KitShown { pin, at }))
}

/// Another member has seen the kit of this box. It was this box itself, when it was brought back or has tried that; or somebody
/// whom people have to ask.
pub(super) fn learn(site: &Site, shown: &KitShown) -> Result<(), CommunityError> {
    if shown.pin == site.vault.device_key.public_key().spki_pin() {
        return Ok(());
    }
    let (me, now) = (site.in_community()?.me, site.clock.now());
    let is_news = site.catalog.reader().read(|tx| {
        let known = catalog::kit_shown(tx, &me)?.is_some_and(|(pin, _)| pin == shown.pin);
        Ok::<_, CatalogError>(!known && !catalog::is_drill_key(tx, &shown.pin)?)
    });
    if is_news.map_err(OperationError::from)? {
        tracing::warn!(pin = %shown.pin, "Somebody has shown the recovery kit of this box to another one");
        // By this box's clock: the other one's may be wrong.
        let noted = site.catalog.writer().write(|tx| catalog::note_kit_shown(tx, &me, &shown.pin, now));
        noted.map_err(|e: CatalogError| site.noted(e.into()))?;
    }
    Ok(())
}

/// Writes down with which key this box tries a recovery itself.
///
/// # Errors
/// [`OperationError`].
pub(crate) fn note_own_drill(site: &Site, pin: &SpkiPin) -> Result<(), OperationError> {
    let now = site.clock.now();
    let noted = site.catalog.writer().write(|tx| catalog::note_drill_key(tx, pin, now, now.minus(DRILLS_REMEMBERED)));
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// When this box has heard lately that somebody has shown its kit.
///
/// # Errors
/// [`OperationError`].
pub fn kit_used_at(site: &Site) -> Result<Option<UnixMillis>, OperationError> {
    let Some(known) = site.community() else { return Ok(None) };
    let shown = site.catalog.reader().read(|tx| catalog::kit_shown(tx, &known.me))?;
    Ok(shown.map(|(_, at)| at).filter(|at| site.clock.now().minus(TOLD) < *at))
}
