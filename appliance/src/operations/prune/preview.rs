//! What another policy would do to a machine's snapshots: decided by the very functions of a collection, and nothing done.
//!
//! Which snapshots would go is known at once. What that gives back takes following everything that stays, as a collection
//! does, and is a question of its own.

use datis_engine::retention::RetentionPolicy;
use datis_engine::units::{Seconds, UnixMillis};

use super::super::OperationError;
use super::super::dispersal::Circle;
use super::super::marks::{ChunkIndex, Marking, Marks, for_each_chunk};
use super::super::site::Site;
use super::orphans::{self, Orphans};
use super::outside::Outside;
use super::plan::{Kept, Why};
use super::report::PruneOptions;
use super::{Scene, first_report};
use crate::catalog::machines::Machine;
use crate::catalog::packs::{Pack, PackState};
use crate::catalog::snapshots::SnapshotBrief;
use crate::catalog::{MachineRow, PackRow};

/// How far ahead is looked.
pub const SOON: Seconds = Seconds(30 * Seconds::DAY.0);

/// A snapshot that stays now and goes within [`SOON`].
#[derive(Debug, Clone)]
pub struct LeavesSoon {
    /// Which one.
    pub snapshot: SnapshotBrief,
    /// When, if nothing else arrives; never later than that.
    pub at: UnixMillis,
}

/// What a policy would keep and take of one machine.
#[derive(Debug, Clone)]
pub struct PolicyPreview {
    /// They stay, and what for; the newest first.
    pub kept: Vec<Kept>,
    /// Of these, those that go soon; the first to go first.
    pub soon: Vec<LeavesSoon>,
    /// They would go with the next collection; the newest first.
    pub expired: Vec<SnapshotBrief>,
    /// Days (of one source each, of all machines) that have a snapshot.
    pub days: u64,
    /// Of these, days that would have none.
    pub days_lost: u64,
    /// Whether that is more than may go at once, so that the collection would wait for somebody to force it.
    pub over_brake: bool,
}

/// Tries `policy` on a machine; changes nothing.
///
/// # Errors
/// [`OperationError`].
pub fn preview_policy(
    site: &Site,
    machine: &Machine,
    policy: &RetentionPolicy,
) -> Result<PolicyPreview, OperationError> {
    let now = site.clock.now();
    let plan = Scene::look(site, now, Some((machine.row, policy)))?.plan;
    let over_brake = plan.is_over_days();
    let stay = [plan.kept, plan.leaving, plan.outside, plan.recalled].into_iter().flatten();
    let newest_first = |s: &SnapshotBrief| std::cmp::Reverse((s.received_at, s.row));
    let mut kept: Vec<Kept> = stay.filter(|kept| kept.snapshot.machine == machine.row).collect();
    kept.sort_by_key(|kept| newest_first(&kept.snapshot));
    let mut expired: Vec<SnapshotBrief> = plan.expired.into_iter().filter(|s| s.machine == machine.row).collect();
    expired.sort_by_key(newest_first);
    let mut soon: Vec<LeavesSoon> = kept.iter().filter_map(|kept| leaves_soon(kept, now)).collect();
    soon.sort_by_key(|leaving| (leaving.at, leaving.snapshot.row));
    Ok(PolicyPreview { kept, soon, expired, days: plan.days, days_lost: plan.days_lost, over_brake })
}

fn leaves_soon(kept: &Kept, now: UnixMillis) -> Option<LeavesSoon> {
    let at = match kept.why {
        Why::Policy(reason) | Why::NotYetOutside(reason) | Why::OutsideOnly(reason) => {
            reason.until(kept.snapshot.received_at)?
        }
        Why::InUse | Why::NoPolicy => return None,
    };
    (at <= now.plus(SOON)).then(|| LeavesSoon { snapshot: kept.snapshot.clone(), at })
}

/// What a policy would give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyWeight {
    /// Bytes of chunks that only snapshots of this machine hold which would go.
    pub freed_bytes: u64,
    /// More may be freed: a listing of the machine cannot be read to its end.
    pub is_at_least: bool,
    /// Whether the collection would wait for somebody to force it.
    pub over_brake: bool,
    /// Bytes that the next collection would take, of whatever machine.
    pub doomed_bytes: u64,
    /// Bytes of all packs.
    pub stored_bytes: u64,
}

/// Follows everything that would stay, and counts what would be left over; as long as a collection takes, and never at the
/// same time as one.
///
/// # Errors
/// [`OperationError::Running`]; [`OperationError`].
pub fn weigh_policy(site: &Site, machine: &Machine, policy: &RetentionPolicy) -> Result<PolicyWeight, OperationError> {
    let Ok(_running) = site.pruning.try_lock() else {
        return Err(OperationError::Running { what: "collection" });
    };
    site.check_running()?;
    weigh(site, machine.row, policy).map_err(|error| site.noted(error))
}

fn weigh(site: &Site, machine: MachineRow, policy: &RetentionPolicy) -> Result<PolicyWeight, OperationError> {
    orphans::check_catalog_is_current(site)?;
    let options = PruneOptions { dry_run: true, ..PruneOptions::default() };
    let now = site.clock.now();
    let mut scene = Scene::look(site, now, Some((machine, policy)))?;
    let outside = Outside::look(site, Circle::of(site)?.as_ref(), &mut scene.plan)?;
    let mut marking = Marking::new(site, ChunkIndex::read(site, scene.chunks(), options.pace)?)?;
    let mut decisions = scene.judge(site, &outside, (now, &options), &mut marking)?;
    decisions.doomed_bytes += Orphans::find(site, now, &options)?.new_bytes();
    let report = first_report(site, &options, &scene, &outside, &decisions, &marking);

    marking.watch();
    // What is kept outside only has no listing here to follow, and its packs no bytes.
    let expired = scene.plan.expired.iter().filter(|s| s.machine == machine && !s.is_outside);
    for snapshot in expired.chain(outside.leaving.iter().map(|(s, _)| s).filter(|s| s.machine == machine)) {
        site.breathe(options.pace)?;
        marking.mark(snapshot)?;
    }
    let gone = only_here(&mut marking, machine);
    Ok(PolicyWeight {
        freed_bytes: stored_bytes_of(site, &scene, &marking.index, &gone, &options)?,
        is_at_least: marking.is_held_back(machine),
        over_brake: report.over_brake,
        doomed_bytes: report.doomed_bytes,
        stored_bytes: report.stored_bytes,
    })
}

/// Of the chunks that were marked since the marking is watched, those that no other machine refers to.
fn only_here(marking: &mut Marking<'_>, machine: MachineRow) -> Marks {
    let mut gone = marking.index.no_marks();
    for id in marking.take_late() {
        let Some(number) = marking.index.number(&id) else { continue };
        if marking.marked_by(number).all(|other| other == machine) {
            gone.set(number);
        }
    }
    gone
}

/// What marked chunks take on the disk: of each pack the part that they are of its plain bytes. What is in condemned packs is
/// on its way out already.
fn stored_bytes_of(
    site: &Site,
    scene: &Scene,
    index: &ChunkIndex,
    marks: &Marks,
    options: &PruneOptions,
) -> Result<u64, OperationError> {
    let mut packs: std::collections::HashMap<PackRow, (&Pack, u64, u64)> = scene
        .packs
        .values()
        .filter(|pack| !matches!(pack.state, PackState::Condemned | PackState::Outside))
        .map(|pack| (pack.row, (pack, 0, 0)))
        .collect();
    for_each_chunk(site, options.pace, &mut |id, places| {
        let is_marked = index.number(id).is_some_and(|number| marks.get(number));
        for (pack, len) in places {
            if let Some((_, plain, marked)) = packs.get_mut(pack) {
                *plain += u64::from(*len);
                *marked += if is_marked { u64::from(*len) } else { 0 };
            }
        }
    })?;
    let part = |(pack, plain, marked): &(&Pack, u64, u64)| {
        let part = u128::from(pack.bytes) * u128::from(*marked) / u128::from((*plain).max(1));
        u64::try_from(part).unwrap_or(pack.bytes)
    };
    Ok(packs.values().map(part).sum())
}
