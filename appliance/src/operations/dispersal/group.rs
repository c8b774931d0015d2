//! Choosing who holds shards.

use datis_engine::erasure::scheme::Scheme;
use datis_engine::life::Redundancy;
use datis_engine::life::peer::{Presence, Standing};
use datis_engine::life::placement::{Group, independent};
use datis_engine::units::{Seconds, UnixMillis};
use rusqlite::Transaction;

use super::{Circle, standing};
use crate::catalog::dispersal::holders::Holder;
use crate::catalog::dispersal::{holders, outside, stripes};
use crate::catalog::{CatalogError, HolderRow, StripeRow};
use crate::operations::{OperationError, Site};

/// A member that said that it takes no more is not asked again before this is over.
const FULL_REST: Seconds = Seconds::DAY;

const FINGERPRINT_CONTEXT: &str = "datis 2026 v1 dispersal secret fingerprint";

/// The group that packs are placed in from now on: the present one as long as it can stay. `None`: there is nobody to hold
/// anything.
///
/// # Errors
/// [`OperationError::OtherDispersalSecret`]; [`OperationError`].
pub fn choose_group(site: &Site, circle: &Circle) -> Result<Option<Group>, OperationError> {
    check_secret(site)?;
    let now = site.clock.now();
    let (present, known) =
        site.catalog.reader().read(|tx| Ok::<_, CatalogError>((holders::group(tx)?, holders::all(tx)?)))?;
    let presences = standing::presences(site, circle)?;
    let candidates = circle.candidates(|member| {
        let is_gone = presences.get(member).is_some_and(|peer| peer.standing == Standing::Gone);
        !is_gone && !known.iter().any(|holder| holder.member == *member && is_full(holder, now))
    });
    let scheme = Scheme::for_peers(independent(&candidates));
    let Some(redundancy) = scheme.and_then(|scheme| Redundancy::new(scheme.data(), scheme.parity())) else {
        return Ok(None);
    };
    let next = match &present {
        None => Group::found(&candidates, redundancy).map(Some),
        Some(present) => present.next(&candidates, redundancy),
    };
    let Ok(Some(next)) = next else { return Ok(present) };
    let added = site.catalog.writer().write(|tx| holders::add_group(tx, &next, now));
    added.map_err(|e: CatalogError| site.noted(e.into()))?;
    tracing::info!(
        epoch = next.epoch,
        scheme = %format!("{}+{}", next.redundancy.data(), next.redundancy.parity()),
        relaxed_rules = next.relaxed.len(),
        "A new group of members holds what is dispersed from now on"
    );
    Ok(Some(next))
}

/// Has packs and parts of the map placed again that were cut for more members than there are now: no repair makes them whole
/// any more. What they have outside stays until they are safe there. How many those are.
///
/// # Errors
/// [`OperationError`].
pub fn place_wide_again(site: &Site, circle: &Circle, group: &Group) -> Result<usize, OperationError> {
    let presences = standing::presences(site, circle)?;
    let is_gone = |member| presences.get(member).is_some_and(|peer: &Presence| peer.standing == Standing::Gone);
    let stay = circle.fellows.iter().filter(|fellow| !fellow.leaves && !is_gone(&fellow.member)).count();
    if group.redundancy.width() > stay || !site.catalog.reader().read(|tx| stripes::has_wide(tx, stay))? {
        return Ok(0);
    }
    let at = site.clock.now();
    let wide = site.catalog.writer().write(|tx| stripes::supersede_wide(tx, stay, at));
    let wide = wide.map_err(|e: CatalogError| site.noted(e.into()))?;
    if wide > 0 {
        tracing::info!(stripes = wide, members = stay, "What was cut for more members than there are is placed again");
    }
    Ok(wide)
}

/// Whether a member has said lately that it takes no more.
pub(super) fn is_full(holder: &Holder, now: UnixMillis) -> bool {
    holder.full_at.is_some_and(|at| at.plus(FULL_REST) > now)
}

/// What was sealed before must be sealed with the same secret again, or lost shards would be made under other names and
/// a recovery would open only half.
fn check_secret(site: &Site) -> Result<(), OperationError> {
    let present = blake3::derive_key(FINGERPRINT_CONTEXT, site.vault.dispersal.expose());
    let first = site.catalog.writer().write(|tx| outside::fingerprint(tx, &present));
    let first: Vec<u8> = first.map_err(|e: CatalogError| site.noted(e.into()))?;
    if first == present { Ok(()) } else { Err(OperationError::OtherDispersalSecret) }
}

/// Gives up what members hold that are not in the community any more, so that it is made again elsewhere. How many shards
/// that were.
///
/// # Errors
/// [`OperationError`].
pub fn forget_leavers(site: &Site, circle: &Circle) -> Result<usize, OperationError> {
    let known = site.catalog.reader().read(|tx| holders::all(tx))?;
    let left: Vec<_> = known.into_iter().filter(|holder| circle.fellow(&holder.member).is_none()).collect();
    if left.is_empty() {
        return Ok(0);
    }
    let at = site.clock.now();
    let lost = site.catalog.writer().write(|tx| give_up(tx, &left, at));
    lost.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Tells those that leave, by and by, what other members have in their place by now: when they know that of all, they may go. How
/// many shards those are.
///
/// # Errors
/// [`OperationError`].
pub fn release_leavers(site: &Site, circle: &Circle) -> Result<usize, OperationError> {
    if circle.fellows.iter().all(|fellow| !fellow.leaves) {
        return Ok(0);
    }
    let (presences, at) = (standing::presences(site, circle)?, site.clock.now());
    let leaves = |holder: &Holder| circle.fellow(&holder.member).is_some_and(|fellow| fellow.leaves);
    // Of whoever is in doubt, or silent, the copy may not be there: then that of the leaver is the last one.
    let is_well = |holder: &Holder| presences.get(&holder.member).is_some_and(Presence::may_receive);
    let all = site.catalog.reader().read(|tx| holders::all(tx))?;
    let others: Vec<HolderRow> = all.iter().filter(|holder| is_well(holder)).map(|holder| holder.row).collect();
    let released = site.catalog.writer().write(|tx| {
        let leaving = all.iter().filter(|holder| leaves(holder));
        leaving.map(|holder| stripes::release(tx, holder.row, &others, at)).sum()
    });
    released.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Gives up what all members hold: the box is in their community no more. Nothing counts as safe outside with that.
pub(in crate::operations) fn forget_holders(tx: &Transaction<'_>, at: UnixMillis) -> Result<(), CatalogError> {
    let all = holders::all(tx)?;
    give_up(tx, &all, at)?;
    outside::forget_safety(tx)
}

fn give_up(tx: &Transaction<'_>, left: &[Holder], at: UnixMillis) -> Result<usize, CatalogError> {
    let mut all: Vec<(StripeRow, u8)> = Vec::new();
    for holder in left {
        all.extend(stripes::lose_all(tx, holder.row, at)?);
    }
    for (row, index) in &all {
        if let Some(stripe) = stripes::by_row(tx, *row)? {
            stripes::note_reached(tx, &stripe, at)?;
        }
        stripes::unmap_if_elsewhere(tx, *row, *index)?;
    }
    Ok(all.len())
}
