//! Ordering lost shards anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::life::Redundancy;
use datis_engine::life::repair::{Stuck, THIN_AFTER};
use datis_engine::life::stripe::StripeMap;
use datis_engine::units::Seconds;

use super::{Circle, Place, PlacedStripe, ShardState, group, standing};
use crate::catalog::CatalogError;
use crate::catalog::dispersal::{holders, stripes};
use crate::operations::bandwidth::open_for;
use crate::operations::{OperationError, Site};

/// Whoever has not taken a shard for so long does not keep others from getting it. Hours in which this box sends nothing do not count.
pub(super) const TAKEN_WITHIN: Seconds = THIN_AFTER;

/// Plans what is to be made again by the rules of [`datis_engine::life::repair`], and wants it at the members that were
/// chosen: it is sent like everything else then. What a member has not taken within [`TAKEN_WITHIN`] counts as lost there, and that
/// member gets nothing more in place of others; what is on its way to it stays so. At most `limit` shards, the most urgent; how many there are.
///
/// None as long as packs of this box are with others only.
///
/// # Errors
/// [`OperationError`].
pub fn order_repairs(site: &Site, circle: &Circle, limit: usize) -> Result<usize, OperationError> {
    // Nothing is sent before all packs are back: what were ordered now would be late by then, and held against others.
    if !site.awaited.is_empty() {
        return Ok(0);
    }
    let presences = standing::presences(site, circle)?;
    let (now, late) = (site.clock.now(), open_for(site, TAKEN_WITHIN));
    let (has_group, full, overdue, all) = site.catalog.reader().read(|tx| {
        let mut all = Vec::new();
        for stripe in stripes::all_codable(tx)? {
            let places = stripes::places(tx, stripe.row)?;
            all.push((stripe, places));
        }
        let full = holders::all(tx)?.into_iter().filter(|holder| group::is_full(holder, now));
        let full: Vec<MemberId> = full.map(|holder| holder.member).collect();
        let overdue = stripes::wanted_before(tx, late)?;
        Ok::<_, CatalogError>((holders::group(tx)?.is_some(), full, overdue, all))
    })?;
    if !has_group {
        site.homeless.store(0, Ordering::SeqCst);
        return Ok(0);
    }
    let mut map = StripeMap::new();
    for (stripe, places) in &all {
        let is_overdue = |place: &Place| overdue.contains(&(stripe.row, place.member));
        enter(&mut map, stripe, places, is_overdue);
    }
    let slow: BTreeSet<MemberId> = overdue.iter().map(|(_, member)| *member).collect();
    // Also members that came after the group was chosen.
    let candidates = circle.candidates(|member| !full.contains(member) && !slow.contains(member));
    let plan = map.plan_repairs(&presences, &candidates, limit);
    let no_member = plan.stuck.iter().filter(|(_, why)| *why == Stuck::NoMember).count();
    let before = site.homeless.swap(no_member as u64, Ordering::SeqCst);
    if no_member > 0 && before != no_member as u64 {
        tracing::warn!(packs = no_member, "Lost shards wait for a member that holds none of their pack yet");
    }
    if plan.orders.is_empty() {
        return Ok(0);
    }
    let known: BTreeMap<PackId, &(PlacedStripe, Vec<Place>)> = all.iter().map(|one| (one.0.pack, one)).collect();
    let ordered = site.catalog.writer().write(|tx| {
        let mut ordered = 0;
        for order in &plan.orders {
            let Some((stripe, places)) = known.get(&order.pack) else { continue };
            let Ok(index) = u8::try_from(order.index) else { continue };
            let Some(shard) = name_of(places, index) else { continue };
            let holder = holders::number(tx, &order.to)?;
            if let Some(old) = order.replaces.and_then(|old| u8::try_from(old).ok()) {
                stripes::condemn_one(tx, stripe.row, old, holder, now)?;
            }
            stripes::want(tx, stripe.row, index, holder, &shard, now)?;
            ordered += 1;
        }
        Ok(ordered)
    });
    let ordered = ordered.map_err(|e: CatalogError| site.noted(e.into()))?;
    if ordered > 0 {
        site.orders.note();
    }
    Ok(ordered)
}

/// Names of shards do not change, whoever holds them.
fn name_of(places: &[Place], index: u8) -> Option<ShardId> {
    places.iter().find(|place| place.index == index).map(|place| place.shard)
}

fn enter(map: &mut StripeMap, stripe: &PlacedStripe, places: &[Place], is_overdue: impl Fn(&Place) -> bool) {
    let scheme = stripe.layout.scheme();
    let Some(redundancy) = Redundancy::new(scheme.data(), scheme.parity()) else { return };
    // The map has one shard of a pack for each member: the one that it has counts, before one that it is to get, before one
    // that it has lost.
    let rank = |place: &&Place| match place.state {
        ShardState::Durable => 0,
        ShardState::Wanted => 1,
        ShardState::Lost | ShardState::Condemned => 2,
    };
    let mut known: Vec<&Place> = places.iter().filter(|place| place.state != ShardState::Condemned).collect();
    known.sort_by_key(rank);
    for place in known {
        let index = usize::from(place.index);
        // The map takes what is wanted only for stripes that it knows, and again only for what was lost.
        let entered = map.adopt(stripe.pack, redundancy, index, place.member);
        if entered.is_err() || place.state == ShardState::Durable {
            continue;
        }
        map.lost(&stripe.pack, &place.member);
        if place.state == ShardState::Wanted && !is_overdue(place) {
            // It was lost right above, so there is room for it.
            let _ = map.begin(stripe.pack, index, place.member);
        }
    }
    // A pack that is known here is here; those that are known to be damaged are not among these.
    let _ = map.set_local(stripe.pack, true);
}
