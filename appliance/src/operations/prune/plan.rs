//! Which snapshots go, by the policies of their machines, and what that means for the days that people remember.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use datis_engine::ids::SourceName;
use datis_engine::retention::{self, KeepReason, RetentionPolicy, Verdict};
use datis_engine::units::UnixMillis;
use datis_engine::wire::SnapshotState;

use crate::catalog::snapshots::{Lifecycle, SnapshotBrief};
use crate::catalog::{MachineRow, SnapshotRow};

const DAY_MS: i64 = 86_400_000;

/// So many days a source may go without a brake.
const BRAKE_DAYS_PER_SOURCE: u64 = 3;

/// Why a snapshot stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its machine's policy wants it.
    Policy(KeepReason),
    /// A backup that is under way rests on it.
    InUse,
    /// Nobody knows a policy for it.
    NoPolicy,
}

/// A snapshot that stays.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Which one.
    pub snapshot: SnapshotBrief,
    /// What for.
    pub why: Why,
}

/// What retention decides.
pub(super) struct Plan {
    /// They stay.
    pub(super) kept: Vec<Kept>,
    /// They go.
    pub(super) expired: Vec<SnapshotBrief>,
    /// Days of one source each that have a snapshot.
    pub(super) days: u64,
    /// Of these, those that will have none.
    pub(super) days_lost: u64,
    /// How many sources have snapshots.
    pub(super) sources: u64,
}

impl Plan {
    /// Whether more days would have no snapshot any more than may go at once.
    pub(super) fn is_over_days(&self) -> bool {
        super::is_over(self.days_lost, self.days, BRAKE_DAYS_PER_SOURCE.saturating_mul(self.sources))
    }
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
        let days_before = days_of(snapshots.iter());
        let (kept, expired) = match policies.get(&machine) {
            Some(policy) => of_source(snapshots, policy, pinned, now),
            None => (snapshots.into_iter().map(|snapshot| Kept { snapshot, why: Why::NoPolicy }).collect(), Vec::new()),
        };
        let days_after = days_of(kept.iter().map(|kept| &kept.snapshot));
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
) -> (Vec<Kept>, Vec<SnapshotBrief>) {
    let facts = |s: &SnapshotBrief| retention::Snapshot {
        id: s.row,
        received_at: s.received_at,
        complete: s.state == SnapshotState::Complete,
    };
    let facts: Vec<_> = snapshots.iter().map(facts).collect();
    let verdicts = retention::plan(policy, now, &facts);
    let (mut kept, mut expired) = (Vec::new(), Vec::new());
    for (snapshot, verdict) in snapshots.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Keep(reason) => kept.push(Kept { snapshot, why: Why::Policy(reason) }),
            Verdict::Expire if pinned.contains(&snapshot.row) => kept.push(Kept { snapshot, why: Why::InUse }),
            Verdict::Expire => expired.push(snapshot),
        }
    }
    (kept, expired)
}

fn days_of<'s>(snapshots: impl Iterator<Item = &'s SnapshotBrief>) -> BTreeSet<i64> {
    snapshots.map(|s| s.received_at.0.div_euclid(DAY_MS)).collect()
}
