//! That somebody has shown the recovery kit of a member: the member's own box hears of it from those that saw it, so that a stolen
//! kit is not used in silence (mutual-backup 5).

use std::collections::BTreeSet;

use datis_engine::ids::{MemberId, MemberName, SpkiPin};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::{KITS_SHOWN_MAX, KitShown};

use super::super::{OperationError, Site};
use super::CommunityError;
use crate::catalog::{CatalogError, community as catalog};

/// For so long people are told.
const TOLD: Seconds = Seconds(14 * 86_400);
/// For so long others are told of what this box has seen.
const TOLD_OTHERS: Seconds = Seconds(30 * 86_400);
/// For so long it is remembered what this box was told, and with which keys it has tried a recovery itself: longer than others tell of
/// it, or the same would be news again.
const REMEMBERED: Seconds = Seconds(60 * 86_400);
/// The most boxes that are remembered to have shown the kit of this one, of which any one member names [`KITS_SHOWN_MAX`] at most.
const HEARD_MAX: usize = 16;
/// By so much the clocks of two boxes may differ.
const CLOCKS_DIFFER: Seconds = Seconds::DAY;

/// What this box says to a member about its own kit.
pub(super) fn shown_here(site: &Site, member: MemberId) -> Result<Vec<KitShown>, OperationError> {
    let shown = site.catalog.reader().read(|tx| catalog::kits_shown(tx, &member))?;
    let since = site.clock.now().minus(TOLD_OTHERS);
    let lately = shown.into_iter().filter(|shown| since < shown.at).take(KITS_SHOWN_MAX);
    Ok(lately.map(|shown| KitShown { pin: shown.pin, at: shown.at }).collect())
}

/// Another member has seen the kit of this box. It was this box itself, when it was brought back or has tried that; or somebody
/// whom people have to ask. What was before this box came in, or back, is not about the box that it is now.
pub(super) fn learn(site: &Site, teller: MemberId, told: &[KitShown]) -> Result<(), CommunityError> {
    if told.is_empty() {
        return Ok(());
    }
    let (me, now) = (site.in_community()?.me, site.clock.now());
    let own = site.vault.device_key.public_key().spki_pin();
    let news = site.catalog.reader().read(|tx| {
        let heard = catalog::kits_shown(tx, &me)?;
        let since = catalog::membership(tx)?.map_or(now, |own| own.joined_at).minus(CLOCKS_DIFFER);
        let is_heard = |shown: &KitShown| heard.iter().any(|heard| heard.pin == shown.pin);
        let named = heard.iter().filter(|heard| heard.teller == Some(teller)).count();
        let mut news = Vec::new();
        for shown in
            told.iter().take(KITS_SHOWN_MAX).filter(|shown| shown.pin != own && shown.at >= since && !is_heard(shown))
        {
            if !catalog::is_drill_key(tx, &shown.pin)? {
                news.push(shown.pin);
            }
        }
        news.truncate(KITS_SHOWN_MAX.saturating_sub(named));
        Ok::<_, CatalogError>(news)
    });
    let news = news.map_err(OperationError::from)?;
    if news.is_empty() {
        return Ok(());
    }
    let noted = site.catalog.writer().write(|tx| {
        catalog::forget_kit_shown(tx, &me, now.minus(REMEMBERED))?;
        // By this box's clock: the other one's may be wrong.
        news.iter().try_for_each(|pin| catalog::note_kit_told(tx, (&me, pin), &teller, now, HEARD_MAX))
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))?;
    for pin in &news {
        tracing::warn!(%pin, %teller, "Somebody has shown the recovery kit of this box to another one");
    }
    Ok(())
}

/// Writes down with which key this box tries a recovery itself.
///
/// # Errors
/// [`OperationError`].
pub(crate) fn note_own_drill(site: &Site, pin: &SpkiPin) -> Result<(), OperationError> {
    let now = site.clock.now();
    let noted = site.catalog.writer().write(|tx| catalog::note_drill_key(tx, pin, now, now.minus(REMEMBERED)));
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// That somebody has shown the kit of this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitUse {
    /// When this box heard of it last, by its own clock.
    pub at: UnixMillis,
    /// The boxes that have seen it, as the community calls them, by name.
    pub seen_by: Vec<MemberName>,
}

impl KitUse {
    /// The boxes that have seen it, for people.
    #[must_use]
    pub fn witnesses(&self) -> String {
        self.seen_by.iter().map(MemberName::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Whether this box has heard lately that somebody has shown its kit, and from whom.
///
/// # Errors
/// [`OperationError`].
pub fn kit_use(site: &Site) -> Result<Option<KitUse>, OperationError> {
    let Some(known) = site.community() else { return Ok(None) };
    let shown = site.catalog.reader().read(|tx| catalog::kits_shown(tx, &known.me))?;
    let since = site.clock.now().minus(TOLD);
    let lately: Vec<_> = shown.iter().filter(|shown| since < shown.at).collect();
    let name_of = |member| Some(known.roster().member(member)?.name.clone());
    let seen_by: BTreeSet<_> = lately.iter().filter_map(|shown| name_of(shown.teller.unwrap_or(known.me))).collect();
    Ok(lately.first().map(|last| KitUse { at: last.at, seen_by: seen_by.into_iter().collect() }))
}
