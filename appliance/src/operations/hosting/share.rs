//! How much each member may keep here: an equal part of what it gives itself (mutual-backup 4.8).

use datis_engine::community::ledger::{Probation, share_of};
use datis_engine::erasure::scheme::Scheme;
use datis_engine::ids::MemberId;

use super::super::community::{CommunityError, given_by};
use super::super::{OperationError, Site};
use crate::catalog::dispersal::holders;

/// Bytes of shards that this box gives to the others, in all: as it was set, else half of the disk.
///
/// # Errors
/// [`OperationError`].
pub(crate) fn given_bytes(site: &Site) -> Result<u64, OperationError> {
    match site.limits.given_bytes {
        Some(given) => Ok(given),
        None => Ok(site.hosted.folder.disk_bytes(site)?.map_or(0, |bytes| bytes / 2)),
    }
}

/// Bytes that a member may keep here, before any grace. Whoever does not say what it gives is taken to give as much as this box;
/// nobody gets more than all of that. What a new member says counts up to what this box gives itself: nothing that it has kept for
/// anybody speaks for it yet.
///
/// # Errors
/// [`OperationError`].
pub(crate) fn quota_of(site: &Site, member: MemberId) -> Result<u64, OperationError> {
    let given = given_bytes(site)?;
    let Some(known) = site.community() else { return Ok(0) };
    let theirs = match given_by(site, member) {
        Ok(theirs) => theirs.unwrap_or(given),
        Err(CommunityError::Operation(error)) => return Err(error),
        Err(_) => given,
    };
    let others = known.roster().active().count().saturating_sub(1);
    let places = Scheme::for_peers(others).map_or(0, Scheme::width);
    let passed = site.catalog.reader().read(|tx| holders::by_member(tx, &member))?;
    let passed = passed.map_or(0, |holder| holder.audits_passed);
    let vouched = known.roster().member(member).is_some_and(|member| member.vouched);
    let probation = Probation::of(passed, known.time_in(member, site.clock.now()), vouched);
    let counted = match probation {
        Probation::New => theirs.min(given),
        Probation::Passed | Probation::Waived => theirs,
    };
    Ok(share_of(counted, places, probation).min(given))
}
