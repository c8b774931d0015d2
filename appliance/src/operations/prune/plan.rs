//! Which snapshots go, by the policies of their machines, and what that means for the days that people remember.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use datis_engine::ids::SourceName;
use datis_engine::retention::{self, RetentionPolicy, Verdict};
use datis_engine::units::UnixMillis;
use datis_engine::wire::SnapshotState;

use crate::catalog::snapshots::{Lifecycle, SnapshotBrief};
use crate::catalog::{MachineRow, SnapshotRow};

const DAY_MS: i64 = 86_400_000;

/// What retention decides.
pub(super) struct Plan {
    /// They stay.
    pub(super) kept: Vec<SnapshotBrief>,
    /// They go.
    pub(super) expired: Vec<SnapshotBrief>,
    /// Days of one source each that have a snapshot.
    pub(super) days: u64,
    /// Of these, those that will have none.
    pub(super) days_lost: u64,
    /// How many sources have snapshots.
    pub(super) sources: u64,
}

/// Decides for all snapshots; those that are `pinned` stay whatever their policy says.
pub(super) fn plan(
    all: Vec<SnapshotBrief>,
    policies: &BTreeMap<MachineRow, RetentionPolicy>,
    pinned: &HashSet<SnapshotRow>,
    now: UnixMillis,
) -> Plan {
    let mut sources: BTreeMap<(MachineRow, SourceName), Vec<SnapshotBrief>> = BTreeMap::new();
    for snapshot in all.into_iter().filter(|s| s.lifecycle == Lifecycle::Live) {
        sources.entry((snapshot.machine, snapshot.source.clone())).or_default().push(snapshot);
    }
    let mut plan = Plan { kept: Vec::new(), expired: Vec::new(), days: 0, days_lost: 0, sources: sources.len() as u64 };
    for ((machine, _), snapshots) in sources {
        let days_before = days_of(&snapshots);
        let (kept, expired) = match policies.get(&machine) {
            Some(policy) => of_source(snapshots, policy, pinned, now),
            None => (snapshots, Vec::new()),
        };
        let days_after = days_of(&kept);
        plan.days += days_before.len() as u64;
        plan.days_lost += (days_before.len() - days_after.len()) as u64;
        plan.kept.extend(kept);
        plan.expired.extend(expired);
    }
    plan
}

fn of_source(
    snapshots: Vec<SnapshotBrief>,
    policy: &RetentionPolicy,
    pinned: &HashSet<SnapshotRow>,
    now: UnixMillis,
) -> (Vec<SnapshotBrief>, Vec<SnapshotBrief>) {
    let facts = |s: &SnapshotBrief| retention::Snapshot {
        id: s.row,
        received_at: s.received_at,
        complete: s.state == SnapshotState::Complete,
    };
    let facts: Vec<_> = snapshots.iter().map(facts).collect();
    let verdicts = retention::plan(policy, now, &facts);
    let stays = |(snapshot, verdict): &(SnapshotBrief, Verdict)| match verdict {
        Verdict::Keep(_) => true,
        Verdict::Expire => pinned.contains(&snapshot.row),
    };
    let (kept, expired): (Vec<_>, Vec<_>) = snapshots.into_iter().zip(verdicts).partition(stays);
    let alone = |pairs: Vec<(SnapshotBrief, Verdict)>| pairs.into_iter().map(|(snapshot, _)| snapshot).collect();
    (alone(kept), alone(expired))
}

fn days_of(snapshots: &[SnapshotBrief]) -> BTreeSet<i64> {
    snapshots.iter().map(|s| s.received_at.0.div_euclid(DAY_MS)).collect()
}
