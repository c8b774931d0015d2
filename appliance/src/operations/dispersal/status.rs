//! How much is outside, for pages and the console.

use std::sync::atomic::Ordering;

use datis_engine::ids::MemberId;
use datis_engine::units::UnixMillis;
use serde::Serialize;

use super::{Circle, heads, standing};
use crate::catalog::dispersal::outside::Thinned;
use crate::catalog::dispersal::{holders, outside};
use crate::catalog::{CatalogError, machines};
use crate::operations::bandwidth::{Outgoing, outgoing};
use crate::operations::{OperationError, Site};

/// How much of one machine is outside. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachineDispersal {
    /// Its name.
    pub machine: String,
    /// When its newest snapshot that is off-site safe was received.
    pub last_safe: Option<i64>,
    /// When its newest snapshot that is fully protected was received.
    pub last_full: Option<i64>,
    /// Packs that are off-site safe.
    pub packs_in_place: u64,
    /// Packs that should be.
    pub packs_needed: u64,
    /// Bytes that are off-site safe, before coding.
    pub bytes_in_place: u64,
    /// Bytes that should be.
    pub bytes_needed: u64,
    /// When the oldest pack came that is not off-site safe.
    pub oldest_missing: Option<i64>,
}

/// How much is outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DispersalStatus {
    /// The scheme of what is placed now, as `6+4`; `None` before the first group.
    pub scheme: Option<String>,
    /// Machines, in the order of their enrolment.
    pub machines: Vec<MachineDispersal>,
    /// When the last head was made.
    pub last_head_at: Option<i64>,
    /// When the oldest pack of all came that is not off-site safe.
    pub oldest_missing: Option<i64>,
    /// Packs that were off-site safe and are not now, since members have gone or lost something; they are made again.
    pub thin_packs: u64,
    /// Those of which so little is left outside that the other boxes could not bring them back now.
    pub beyond_reach_packs: u64,
    /// Packs with a shard that was lost and that no member is free to take: one more is needed, or one that is away has to come back.
    pub homeless_packs: u64,
    /// Shards that members have signed for, of packs and of the map.
    pub fragments_in_place: u64,
    /// Shards that there should be.
    pub fragments_needed: u64,
    /// Shards among those in place that were taken over from an earlier box or catalog, and that nobody has said or shown to be there
    /// since: they are being checked, until books are compared with their member.
    pub fragments_unchecked: u64,
    /// Whether what can wait goes out in this hour.
    pub outgoing: Outgoing,
}

/// How much is outside.
///
/// # Errors
/// [`OperationError`].
pub fn dispersal_status(site: &Site) -> Result<DispersalStatus, OperationError> {
    let millis = |at: Option<UnixMillis>| at.map(|at| at.0);
    let believed = believed(site)?;
    let status = site.catalog.reader().read(|tx| {
        let mut all = Vec::new();
        for machine in machines::all(tx)? {
            let outside = outside::of_machine(tx, machine.row)?;
            all.push(MachineDispersal {
                machine: machine.name.to_string(),
                last_safe: millis(outside.last_safe),
                last_full: millis(outside.last_full),
                packs_in_place: outside.packs_in_place,
                packs_needed: outside.packs_needed,
                bytes_in_place: outside.bytes_in_place,
                bytes_needed: outside.bytes_needed,
                oldest_missing: millis(outside.oldest_missing),
            });
        }
        let group = holders::group(tx)?;
        let width = group.as_ref().map_or(0, |group| group.redundancy.width() as u64);
        let (fragments_in_place, fragments_needed) = outside::fragments(tx, width)?;
        let scheme = group.map(|group| format!("{}+{}", group.redundancy.data(), group.redundancy.parity()));
        let last_head_at = millis(heads::last_made_at(tx)?);
        let oldest_missing = all.iter().filter_map(|machine| machine.oldest_missing).min();
        Ok::<_, CatalogError>(DispersalStatus {
            scheme,
            machines: all,
            last_head_at,
            oldest_missing,
            thin_packs: believed.thinned.thin,
            beyond_reach_packs: believed.thinned.beyond_reach,
            homeless_packs: site.homeless.load(Ordering::SeqCst),
            fragments_in_place,
            fragments_needed,
            fragments_unchecked: believed.unchecked,
            outgoing: outgoing(site),
        })
    })?;
    Ok(status)
}

/// What the members whose shards count now are believed to have.
#[derive(Debug, Default)]
struct Believed {
    thinned: Thinned,
    unchecked: u64,
}

/// A box that may not write to the others knows nothing of how they do, and has compared books with nobody.
fn believed(site: &Site) -> Result<Believed, OperationError> {
    let Some(circle) = Circle::of(site)? else {
        return Ok(site.catalog.reader().read(|tx| {
            let all: Vec<_> = holders::all(tx)?.into_iter().map(|holder| holder.row).collect();
            Ok::<_, CatalogError>(Believed { unchecked: outside::unchecked(tx, &all)?, ..Believed::default() })
        })?);
    };
    let presences = standing::presences(site, &circle)?;
    let counts = |member: &MemberId| presences.get(member).is_some_and(|presence| presence.counts);
    Ok(site.catalog.reader().read(|tx| {
        let counting = holders::all(tx)?.into_iter().filter(|holder| counts(&holder.member));
        let counting: Vec<_> = counting.map(|holder| holder.row).collect();
        let (thinned, unchecked) = (outside::thinned(tx, &counting)?, outside::unchecked(tx, &counting)?);
        Ok::<_, CatalogError>(Believed { thinned, unchecked })
    })?)
}
