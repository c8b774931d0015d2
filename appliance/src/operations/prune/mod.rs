//! Retention and collection: snapshots that no policy wants go, then the packs that nothing refers to any more.
//!
//! What is alive is found by following all snapshots that stay. What is not is condemned and deleted a day later, or
//! copied away first where a pack is partly alive. While this goes on, backups come in and may refer to anything that
//! they were told is there: hence nothing is condemned before the snapshots that came meanwhile were followed too, and
//! whoever commits revives what it needs of the condemned. Every step leaves a state that is sound after a crash.
//!
//! What only the external policy of a machine wants is left to the other boxes alone ([`outside`]): its snapshots stay on the list,
//! and packs that nothing else needs are condemned like all others, but give up only their files when their time has come.
//!
//! The brake: a run that would remove a tenth of all bytes, or the last snapshot of a tenth of all days (of one source
//! each), does nothing unless it is forced. Thinning within a day is not counted as loss, so that the daily course of
//! a policy never brakes; and up to three days a source and [`Limits::brake_floor`](super::Limits) bytes pass, so that
//! a young vault does not brake all the time.

mod collect;
#[cfg(test)]
mod histories;
mod orphans;
mod outside;
mod plan;
mod preview;
mod report;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use datis_engine::retention::RetentionPolicy;
use datis_engine::units::UnixMillis;

pub use plan::{Kept, Why};
pub use preview::{LeavesSoon, PolicyPreview, PolicyWeight, SOON, preview_policy, weigh_policy};
pub use report::{ExpiredSnapshot, HeldBack, PruneOptions, PruneReport};

use self::collect::Collection;
use self::orphans::Orphans;
use self::outside::Outside;
use self::plan::{Facts, Plan, Policies, plan};
use self::sweep::{Decisions, Homes, JudgeFacts, Shelter, decide, measure};
use super::OperationError;
use super::dispersal::Circle;
use super::marks::{ChunkIndex, Marking};
use super::site::{Site, lock};
use crate::catalog::dispersal::kept_outside;
use crate::catalog::machines::Machine;
use crate::catalog::packs::Pack;
use crate::catalog::snapshots::SnapshotBrief;
use crate::catalog::{CatalogError, MachineRow, PackRow, machines, packs, runs, snapshots};

/// A run that removes more than one in so many bytes or days brakes.
const BRAKE_PART: u64 = 10;

/// Removes what no policy wants. Only one runs at a time.
///
/// # Errors
/// [`OperationError::Brake`] when too much would go at once; [`OperationError::CatalogBehind`];
/// [`OperationError::ComingBack`]; [`OperationError`].
pub fn prune(site: &Site, options: &PruneOptions) -> Result<PruneReport, OperationError> {
    prune_with(site, Circle::of(site)?.as_ref(), options)
}

/// The same with these other boxes, which keep what this box gives up.
pub(crate) fn prune_with(
    site: &Site,
    circle: Option<&Circle>,
    options: &PruneOptions,
) -> Result<PruneReport, OperationError> {
    let Ok(_running) = site.pruning.try_lock() else {
        return Err(OperationError::Running { what: "collection" });
    };
    site.check_running()?;
    run(site, circle, options).map_err(|error| site.noted(error))
}

fn run(site: &Site, circle: Option<&Circle>, options: &PruneOptions) -> Result<PruneReport, OperationError> {
    if let Some(at) = site.awaited.standing() {
        return Err(OperationError::ComingBack { packs: at.packs });
    }
    site.sessions.close_stale();
    orphans::check_catalog_is_current(site)?;
    if !options.dry_run {
        site.complete_deletions()?;
    }
    let now = site.clock.now();
    let mut scene = Scene::look(site, now, None)?;
    let outside = Outside::look(site, circle, &mut scene.plan)?;
    let mut marking = Marking::new(site, ChunkIndex::read(site, scene.chunks(), options.pace)?)?;
    let mut decisions = scene.judge(site, &outside, (now, options), &mut marking)?;
    let orphans = Orphans::find(site, now, options)?;
    decisions.doomed_bytes += orphans.new_bytes();

    let mut report = first_report(site, options, &scene, &outside, &decisions, &marking);
    if options.dry_run {
        report.deleted_orphans = orphans.due();
        return Ok(report);
    }
    site.catalog.writer().write(|tx| runs::keep_sizes(tx, &decisions.sizes))?;
    if report.over_brake && !options.force {
        return Err(OperationError::Brake {
            days_lost: report.days_lost,
            days: report.days,
            doomed_bytes: report.doomed_bytes,
            stored_bytes: report.stored_bytes,
        });
    }
    expire(site, &scene, &mut report)?;
    report.sent_outside = outside.note(site, &scene.plan)?.iter().map(|s| scene.named(s)).collect();
    let collection = Collection { site, options, packs: &scene.packs, outside: &outside };
    collection.run(&mut marking, decisions, &mut report)?;
    report.deleted_orphans = orphans.delete(site)?;
    site.catalog.writer().checkpoint()?;
    Ok(report)
}

/// What there is when a run begins.
struct Scene {
    plan: Plan,
    packs: HashMap<PackRow, Pack>,
    names: BTreeMap<MachineRow, String>,
}

impl Scene {
    /// `instead`: a policy to be tried for a machine in place of its own.
    fn look(
        site: &Site,
        now: UnixMillis,
        instead: Option<(MachineRow, &RetentionPolicy)>,
    ) -> Result<Self, OperationError> {
        let pinned = site.sessions.pinned();
        let has_community = site.community().is_some();
        site.catalog
            .reader()
            .read(|tx| {
                let machines = machines::all(tx)?;
                let both =
                    |m: &Machine| Policies { local: m.policy.local.clone(), external: m.policy.external.clone() };
                let mut policies: BTreeMap<_, _> = machines.iter().map(|m| (m.row, both(m))).collect();
                if let Some((policies, policy)) =
                    instead.and_then(|(row, policy)| Some((policies.get_mut(&row)?, policy)))
                {
                    policies.local = policy.clone();
                }
                let facts = Facts { pinned, protected: kept_outside::protected(tx)?, has_community };
                Ok::<_, CatalogError>(Self {
                    plan: plan(snapshots::all(tx)?, &policies, &facts, now),
                    packs: packs::all(tx)?.into_iter().map(|pack| (pack.row, pack)).collect(),
                    names: machines.into_iter().map(|m| (m.row, m.name.to_string())).collect(),
                })
            })
            .map_err(OperationError::from)
    }

    /// Follows all snapshots that stay here, and decides about all packs.
    fn judge(
        &self,
        site: &Site,
        outside: &Outside,
        (now, options): (UnixMillis, &PruneOptions),
        marking: &mut Marking<'_>,
    ) -> Result<Decisions, OperationError> {
        for kept in &self.plan.kept {
            site.breathe(options.pace)?;
            marking.mark(&kept.snapshot)?;
        }
        let homes = Homes { packs: &self.packs, marking };
        let measured = measure(site, &homes, options.pace)?;
        let shelter = shelter(site, now, options);
        let facts = JudgeFacts { held_back: &|machine| marking.is_held_back(machine), outside, shelter };
        let mut decisions = decide(&self.packs, &measured.usages, &facts);
        decisions.sizes = measured.sizes(&self.packs, now);
        Ok(decisions)
    }

    fn chunks(&self) -> u64 {
        self.packs.values().map(|pack| pack.chunks).sum()
    }

    fn name(&self, machine: MachineRow) -> String {
        self.names.get(&machine).cloned().unwrap_or_default()
    }

    fn named(&self, snapshot: &SnapshotBrief) -> ExpiredSnapshot {
        ExpiredSnapshot {
            snapshot: snapshot.id,
            machine: self.name(snapshot.machine),
            source: snapshot.source.to_string(),
            received_at: snapshot.received_at.0,
        }
    }
}

/// Packs stay for the grace period after they came, and as long as a backup is open that began before they did.
fn shelter(site: &Site, now: UnixMillis, options: &PruneOptions) -> Shelter {
    #[cfg(feature = "plant")]
    if super::site::planted("gc-without-grace") {
        // Planted bug: what nothing refers to yet is taken for garbage.
        return Shelter { received_after: UnixMillis(i64::MAX) };
    }
    let by_age = now.minus(options.grace);
    let by_session = site.sessions.oldest().map_or(UnixMillis(i64::MAX), |began| UnixMillis(began.0.saturating_sub(1)));
    Shelter { received_after: by_age.min(by_session) }
}

fn first_report(
    site: &Site,
    options: &PruneOptions,
    scene: &Scene,
    outside: &Outside,
    decisions: &Decisions,
    marking: &Marking<'_>,
) -> PruneReport {
    let Scene { plan, .. } = scene;
    let (doomed_bytes, stored_bytes) = (decisions.doomed_bytes, decisions.stored_bytes);
    let over_bytes = is_over(doomed_bytes, stored_bytes, site.limits.brake_floor);
    let due = decisions.waiting.iter().filter(|pack| collect::is_due(site, pack, options) && !outside.needs(pack.row));
    let (deleted_packs, deleted_bytes) = due.chain(&decisions.useless).fold((0, 0), |(n, b), p| (n + 1, b + p.bytes));
    PruneReport {
        dry_run: options.dry_run,
        over_brake: over_bytes || plan.is_over_days(),
        expired: plan.expired.iter().map(|s| scene.named(s)).collect(),
        sent_outside: outside.leaving.iter().map(|(s, _)| scene.named(s)).collect(),
        kept_snapshots: plan.kept.len() as u64,
        outside_snapshots: (plan.outside.len() + plan.recalled.len() + outside.leaving.len()) as u64,
        days: plan.days,
        days_lost: plan.days_lost,
        stored_bytes,
        doomed_bytes,
        condemned_packs: decisions.condemn.len() as u64,
        condemned_bytes: decisions.condemn.iter().map(|pack| pack.bytes).sum(),
        revived_packs: decisions.revive.len() as u64,
        rewritten_packs: decisions.rewrite.len() as u64,
        rewritten_bytes: 0,
        deleted_packs,
        deleted_bytes,
        given_up_packs: 0,
        given_up_bytes: 0,
        deleted_orphans: 0,
        held_back: marking
            .held_back()
            .map(|(machine, reason)| HeldBack { machine: scene.name(machine), reason: reason.to_owned() })
            .collect(),
    }
}

fn is_over(part: u64, whole: u64, floor: u64) -> bool {
    part > floor && part.saturating_mul(BRAKE_PART) > whole
}

/// Takes the expired snapshots off the list, except those that a backup has come to rest on meanwhile.
fn expire(site: &Site, scene: &Scene, report: &mut PruneReport) -> Result<(), OperationError> {
    {
        // Whoever begins a backup looks for its base and pins it under the same lock.
        let _pins = lock(&site.pins);
        let pinned = site.sessions.pinned();
        let expired: Vec<_> = scene.plan.expired.iter().filter(|s| !pinned.contains(&s.row)).collect();
        site.catalog
            .writer()
            .write(|tx| expired.iter().try_for_each(|s| snapshots::mark_expiring(tx, s.row)))
            .map_err(OperationError::from)?;
        if expired.len() != scene.plan.expired.len() {
            let gone: std::collections::HashSet<_> = expired.iter().map(|s| s.id).collect();
            report.expired.retain(|s| gone.contains(&s.snapshot));
            report.kept_snapshots += (scene.plan.expired.len() - expired.len()) as u64;
        }
    }
    site.complete_deletions()?;
    Ok(())
}
