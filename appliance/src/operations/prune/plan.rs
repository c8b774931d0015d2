//! Which snapshots go, by the policies of their machines, and what that means for the days that people remember.
//!
//! A machine has two policies. What the local one wants is kept here, and outside with it. What only the external one wants is
//! kept outside only, once it is safe there; until then it stays here. Decision 0038.

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
    /// Only its machine's external policy wants it, and it is not safe outside yet.
    NotYetOutside(KeepReason),
    /// Only its machine's external policy wants it: it is kept outside only, or will be after the next collection.
    OutsideOnly(KeepReason),
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
    /// They stay here.
    pub(super) kept: Vec<Kept>,
    /// They are here, and may be kept outside only from now on.
    pub(super) leaving: Vec<Kept>,
    /// They are kept outside only, and stay so.
    pub(super) outside: Vec<Kept>,
    /// They are kept outside only, and are wanted here again.
    pub(super) recalled: Vec<Kept>,
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

/// The two policies of a machine.
#[derive(Debug, Clone)]
pub(super) struct Policies {
    pub(super) local: RetentionPolicy,
    pub(super) external: RetentionPolicy,
}

/// What a plan has to know besides.
pub(super) struct Facts {
    /// Backups that are under way rest on them: they stay here whatever a policy says.
    pub(super) pinned: HashSet<SnapshotRow>,
    /// They are fully protected outside.
    pub(super) protected: HashSet<SnapshotRow>,
    /// Whether there are other boxes that could keep something. Without, only the local policy counts for what is here.
    pub(super) has_community: bool,
}

/// Decides for all snapshots.
pub(super) fn plan(
    all: Vec<SnapshotBrief>,
    policies: &BTreeMap<MachineRow, Policies>,
    facts: &Facts,
    now: UnixMillis,
) -> Plan {
    let mut sources: BTreeMap<(MachineRow, SourceName), Vec<SnapshotBrief>> = BTreeMap::new();
    for snapshot in all.into_iter().filter(|s| s.lifecycle == Lifecycle::Live) {
        sources.entry((snapshot.machine, snapshot.source.clone())).or_default().push(snapshot);
    }
    let mut plan = Plan {
        kept: Vec::new(),
        leaving: Vec::new(),
        outside: Vec::new(),
        recalled: Vec::new(),
        expired: Vec::new(),
        days: 0,
        days_lost: 0,
        sources: sources.len() as u64,
    };
    for ((machine, _), snapshots) in sources {
        let days_before = days_of(snapshots.iter());
        let fates = fates(snapshots, policies.get(&machine), facts, now);
        let stay = fates.iter().filter(|(_, fate)| *fate != Fate::Expires).map(|(snapshot, _)| snapshot);
        let days_after = days_of(stay);
        plan.days += days_before.len() as u64;
        plan.days_lost += (days_before.len() - days_after.len()) as u64;
        fates.into_iter().for_each(|(snapshot, fate)| plan.take(snapshot, fate));
    }
    plan
}

/// What becomes of one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Here(Why),
    Leaves(Why),
    Outside(Why),
    Recalled(Why),
    Expires,
}

impl Plan {
    fn take(&mut self, snapshot: SnapshotBrief, fate: Fate) {
        match fate {
            Fate::Here(why) => self.kept.push(Kept { snapshot, why }),
            Fate::Leaves(why) => self.leaving.push(Kept { snapshot, why }),
            Fate::Outside(why) => self.outside.push(Kept { snapshot, why }),
            Fate::Recalled(why) => self.recalled.push(Kept { snapshot, why }),
            Fate::Expires => self.expired.push(snapshot),
        }
    }
}

/// What becomes of the snapshots of one source.
fn fates(
    snapshots: Vec<SnapshotBrief>,
    policies: Option<&Policies>,
    facts: &Facts,
    now: UnixMillis,
) -> Vec<(SnapshotBrief, Fate)> {
    let Some(policies) = policies else {
        let stays =
            |s: &SnapshotBrief| if s.is_outside { Fate::Outside(Why::NoPolicy) } else { Fate::Here(Why::NoPolicy) };
        return snapshots.into_iter().map(|s| (s.clone(), stays(&s))).collect();
    };
    let (local, external) = (verdicts(&snapshots, &policies.local, now), verdicts(&snapshots, &policies.external, now));
    let fate = |snapshot: &SnapshotBrief, local: Verdict, external: Verdict| match (local, external) {
        (Verdict::Keep(reason), _) if snapshot.is_outside => Fate::Recalled(Why::Policy(reason)),
        (Verdict::Keep(reason), _) => Fate::Here(Why::Policy(reason)),
        (Verdict::Expire, Verdict::Keep(reason)) if snapshot.is_outside => Fate::Outside(Why::OutsideOnly(reason)),
        (Verdict::Expire, _) if facts.pinned.contains(&snapshot.row) => Fate::Here(Why::InUse),
        (Verdict::Expire, Verdict::Keep(reason)) if facts.has_community => {
            // What is damaged would be brought out as it is: the others may have better.
            if facts.protected.contains(&snapshot.row) && snapshot.state != SnapshotState::Damaged {
                Fate::Leaves(Why::OutsideOnly(reason))
            } else {
                Fate::Here(Why::NotYetOutside(reason))
            }
        }
        (Verdict::Expire, _) => Fate::Expires,
    };
    let fates: Vec<Fate> = snapshots
        .iter()
        .zip(local.into_iter().zip(external))
        .map(|(s, (local, external))| fate(s, local, external))
        .collect();
    snapshots.into_iter().zip(fates).collect()
}

fn verdicts(snapshots: &[SnapshotBrief], policy: &RetentionPolicy, now: UnixMillis) -> Vec<Verdict> {
    let facts = |s: &SnapshotBrief| retention::Snapshot {
        id: s.row,
        received_at: s.received_at,
        complete: s.state == SnapshotState::Complete,
    };
    let facts: Vec<_> = snapshots.iter().map(facts).collect();
    retention::plan(policy, now, &facts)
}

fn days_of<'s>(snapshots: impl Iterator<Item = &'s SnapshotBrief>) -> BTreeSet<i64> {
    snapshots.map(|s| s.received_at.0.div_euclid(DAY_MS)).collect()
}
