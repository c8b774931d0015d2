//! The map of what is outside: a new part whenever something has changed, and few parts in all.

use datis_engine::format::snapshot::SNAPSHOT_FILE_MAX;
use datis_engine::ids::{PackId, SnapshotId};
use datis_engine::outside::head_content::MAP_PARTS_MAX;
use datis_engine::outside::map_part::MapPart;
use datis_engine::outside::stripes::StripeRef;
use datis_engine::store::{ObjectName, StoreError};
use datis_engine::units::Seconds;

use super::{Place, PlacedStripe, ShardState};
use crate::catalog::dispersal::outside::{self, Part, ReadySnapshot};
use crate::catalog::dispersal::stripes;
use crate::catalog::{CatalogError, StripeRow};
use crate::operations::{OperationError, Site};

/// A part is not made longer than about this, in bytes before it is sealed; what does not fit is in the next one. The longest
/// snapshot file may come on top of it.
const PART_TARGET: usize = 48 << 20;

/// A part takes in the one before it unless that is so many times as long: so there are few, and each is rewritten seldom.
const GROWTH: u64 = 4;

/// While packs are on their way a part is made this often at least.
const PART_EVERY: Seconds = Seconds(30 * 60);

/// Where a stripe is, as the map says it: of several members of one shard the one that has it.
#[must_use]
pub fn place_of(stripe: &PlacedStripe, places: &[Place]) -> Option<StripeRef> {
    let rank = |place: &&Place| match place.state {
        ShardState::Durable => 2,
        ShardState::Wanted => 1,
        ShardState::Lost | ShardState::Condemned => 0,
    };
    let holder = |index| places.iter().filter(|place| place.index == index).max_by_key(rank);
    let shard = |index| holder(index).map(|place| (place.member, place.shard));
    let shards = (0..stripe.layout.scheme().width()).map(shard).collect::<Option<_>>()?;
    Some(StripeRef { pack: stripe.pack, layout: stripe.layout, shards })
}

/// Whether a part is worth being made while packs are still on their way: a snapshot came to be whole outside, or the last
/// part is old.
///
/// # Errors
/// [`OperationError`].
pub fn is_map_due(site: &Site) -> Result<bool, OperationError> {
    let now = site.clock.now();
    let due = site.catalog.reader().read(|tx| {
        let is_old = outside::last_part_at(tx)?.is_none_or(|at| at.plus(PART_EVERY) <= now);
        Ok::<_, CatalogError>(is_old || !outside::ready_snapshots(tx)?.is_empty())
    })?;
    Ok(due)
}

/// What a new part is made of.
struct News {
    part: MapPart,
    stripes: Vec<StripeRow>,
    snapshots: Vec<ReadySnapshot>,
    gone_snapshots: Vec<SnapshotId>,
}

/// Makes a part of the map out of all that has changed, and writes it down to be dispersed. `None`: nothing has changed.
///
/// Only packs that are off-site safe, and only snapshots all of whose packs are, come into the map.
///
/// # Errors
/// [`OperationError`].
pub fn next_map_part(site: &Site) -> Result<Option<PackId>, OperationError> {
    let Some(news) = news(site)? else { return Ok(None) };
    let parts = site.catalog.reader().read(|tx| outside::parts(tx))?;
    let present: Vec<Part> = parts.into_iter().filter(|part| !part.is_replaced).collect();
    let taken = taken_in(&present, news.part.weight());
    let (kept, taken) = present.split_at(present.len() - taken);
    let mut part = MapPart::default();
    // Older parts weigh at most as much together as they do one by one.
    for old in taken {
        let content = site.catalog.reader().read(|tx| outside::part_content(tx, &old.id))?;
        let content = content.ok_or(OperationError::Stopped)?;
        part = part.followed_by(MapPart::open(&content, &site.vault.identity)?);
    }
    part = part.followed_by(news.part);
    if kept.is_empty() {
        part = part.as_base();
    }
    let sealed = part.seal(&site.vault.recipients)?;
    let at = site.clock.stamp();
    let written = site.catalog.writer().write(|tx| {
        let weight = part.weight() as u64;
        outside::add_part(tx, (&sealed.id, &sealed.bytes, weight), taken.first().map(|part| part.number), at)?;
        news.stripes.iter().try_for_each(|stripe| outside::set_mapped(tx, *stripe))?;
        news.snapshots.iter().try_for_each(|snapshot| outside::add_snapshot(tx, snapshot, at))?;
        news.gone_snapshots.iter().try_for_each(|snapshot| outside::forget_snapshot(tx, snapshot))?;
        stripes::forget_empty(tx)
    });
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(Some(sealed.id))
}

/// How many of the last parts a new one of `weight` bytes takes in.
fn taken_in(present: &[Part], weight: usize) -> usize {
    let limit = PART_TARGET as u64;
    let (mut sum, mut taken) = (weight as u64, 0);
    for part in present.iter().rev() {
        let is_small = part.weight <= sum.saturating_mul(GROWTH) || present.len() - taken >= MAP_PARTS_MAX;
        if !is_small || sum.saturating_add(part.weight) > limit {
            break;
        }
        sum += part.weight;
        taken += 1;
    }
    taken
}

fn news(site: &Site) -> Result<Option<News>, OperationError> {
    let (changed, ready, gone_snapshots) = site.catalog.reader().read(|tx| {
        let mut changed = Vec::new();
        for (stripe, is_gone) in outside::unmapped(tx)? {
            let places = stripes::places(tx, stripe.row)?;
            changed.push((stripe, is_gone, places));
        }
        Ok::<_, CatalogError>((changed, outside::ready_snapshots(tx)?, outside::gone_snapshots(tx)?))
    })?;
    let (mut part, mut stripes, mut is_whole) = (MapPart::default(), Vec::new(), true);
    let mut weight = MapPart::WEIGHT_OF_NOTHING + MapPart::WEIGHT_OF_GONE * gone_snapshots.len();
    for (stripe, is_gone, places) in changed {
        if weight > PART_TARGET {
            is_whole = false;
            break;
        }
        if is_gone {
            weight += MapPart::WEIGHT_OF_GONE;
            part.gone_packs.insert(stripe.pack);
        } else if let Some(found) = place_of(&stripe, &places) {
            weight += MapPart::weight_of_stripe(&found);
            // Without its directory, which stands at the end of the pack (decision 0033).
            part.stripes.insert(stripe.pack, found);
        }
        stripes.push(stripe.row);
    }
    let mut snapshots = Vec::new();
    // A snapshot comes after its packs.
    for snapshot in if is_whole { ready } else { Vec::new() } {
        if weight > PART_TARGET {
            break;
        }
        match site.store.read_all(ObjectName::Snapshot(snapshot.id), SNAPSHOT_FILE_MAX) {
            Ok(file) => {
                weight += MapPart::weight_of_snapshot(&file);
                part.snapshots.insert(snapshot.id, file);
            }
            // Expired meanwhile.
            Err(StoreError::Absent { .. }) => continue,
            Err(error) => return Err(site.noted(error.into())),
        }
        snapshots.push(snapshot);
    }
    part.gone_snapshots.extend(gone_snapshots.iter().copied());
    let is_news = !part.is_empty();
    Ok(is_news.then_some(News { part, stripes, snapshots, gone_snapshots }))
}

#[cfg(test)]
mod tests {
    use datis_engine::erasure::layout::Layout;
    use datis_engine::erasure::scheme::Scheme;
    use datis_engine::ids::{MemberId, ShardId};
    use datis_engine::outside::head_content::HEAD_CONTENT_MAX;

    use super::*;

    fn part(number: i64, weight: u64) -> Part {
        Part { number, id: PackId::from_bytes([1; 32]), weight, is_replaced: false }
    }

    #[test]
    fn many_small_changes_make_few_parts_and_old_ones_are_rewritten_seldom() {
        let (mut parts, mut written) = (Vec::new(), 0);
        for number in 0..10_000 {
            let taken = taken_in(&parts, 4_000);
            let kept = parts.len() - taken;
            let weight = 4_000 + parts.drain(kept..).map(|part| part.weight).sum::<u64>();
            written += weight;
            parts.push(part(number, weight));
            assert!(parts.len() <= MAP_PARTS_MAX);
        }
        assert!(written < 30 * 10_000 * 4_000, "{written}");
    }

    #[test]
    fn a_head_names_the_map_of_sixteen_terabytes_whatever_the_scheme() {
        for scheme in Scheme::all() {
            let shards =
                vec![(MemberId::from_bytes([1; 32]), ShardId::from_bytes([2; 32])); usize::from(scheme.width())];
            let layout = Layout::new(scheme, 32 << 20).expect("layout");
            let stripe = StripeRef { pack: PackId::from_bytes([3; 32]), layout, shards };
            // Members, secrets and keys besides, and as many short parts as are not put together yet.
            let room = HEAD_CONTENT_MAX - 32 * usize::from(scheme.width()) - (4 << 10);
            let parts = room / MapPart::weight_of_stripe(&stripe) - MAP_PARTS_MAX;
            let packs = parts * (PART_TARGET / MapPart::weight_of_stripe(&stripe));
            assert!(packs as u64 * (32 << 20) >= HEAD_COVERS, "{scheme}: {parts} parts of {packs} packs");
        }
    }

    /// In bytes of packs, in full parts; that is at 30+15, narrower schemes have room for more.
    const HEAD_COVERS: u64 = 16_000_000_000_000;

    #[test]
    fn no_part_becomes_longer_than_a_pack() {
        let parts = [part(1, 40 << 20), part(2, 30 << 20), part(3, 10 << 20)];
        assert_eq!(taken_in(&parts, 5 << 20), 2);
        assert_eq!(taken_in(&parts, 45 << 20), 0);
    }
}
