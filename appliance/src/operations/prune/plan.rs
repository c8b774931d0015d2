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
#[derive(Debug)]
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

#[cfg(test)]
mod tests {
    use datis_engine::ids::SnapshotId;
    use proptest::prelude::*;

    use super::*;

    const START_MS: i64 = 1_774_224_000_000;
    const MACHINE: MachineRow = MachineRow(1);

    /// Up to four rules that any policy could have.
    fn policies() -> impl Strategy<Value = RetentionPolicy> {
        prop::collection::vec((1_u64..200, 0_u64..5_000), 1..=4).prop_map(|steps| {
            let (mut period, mut duration, mut rules) = (0, 0, Vec::new());
            for (longer_period, longer) in steps {
                period += longer_period;
                duration = (duration + 1 + longer).max(period);
                rules.push(format!("{duration}s/{period}s"));
            }
            rules.join(", ").parse().expect("a policy")
        })
    }

    fn two_policies() -> impl Strategy<Value = Policies> {
        (policies(), policies()).prop_map(|(local, external)| Policies { local, external })
    }

    /// Snapshots of one source, dense enough to share periods; some are damaged or incomplete, some are kept outside only.
    fn histories() -> impl Strategy<Value = Vec<SnapshotBrief>> {
        let state = prop_oneof![
            4 => Just(SnapshotState::Complete),
            1 => Just(SnapshotState::Incomplete),
            1 => Just(SnapshotState::Damaged),
        ];
        prop::collection::vec((0_i64..12_000_000, state, any::<bool>()), 1..40).prop_map(|all| {
            all.into_iter().zip(1..).map(|((ms, state, is_outside), row)| brief(row, ms, state, is_outside)).collect()
        })
    }

    fn brief(row: i64, ms: i64, state: SnapshotState, is_outside: bool) -> SnapshotBrief {
        SnapshotBrief {
            row: SnapshotRow(row),
            id: SnapshotId::from_bytes([0; SnapshotId::LEN]),
            machine: MACHINE,
            source: "papers".parse().expect("a name"),
            state,
            lifecycle: Lifecycle::Live,
            received_at: UnixMillis(START_MS + ms),
            problem_count: 0,
            is_outside,
        }
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let rows = || prop::collection::hash_set((1_i64..40).prop_map(SnapshotRow), 0..30);
        (rows(), rows(), any::<bool>()).prop_map(|(pinned, protected, has_community)| Facts {
            pinned,
            protected,
            has_community,
        })
    }

    fn planned(all: &[SnapshotBrief], policies: &Policies, facts: &Facts, now: UnixMillis) -> Plan {
        plan(all.to_vec(), &BTreeMap::from([(MACHINE, policies.clone())]), facts, now)
    }

    fn rows<'s>(snapshots: impl IntoIterator<Item = &'s SnapshotBrief>) -> BTreeSet<SnapshotRow> {
        snapshots.into_iter().map(|snapshot| snapshot.row).collect()
    }

    fn kept(kept: &[Kept]) -> BTreeSet<SnapshotRow> {
        rows(kept.iter().map(|kept| &kept.snapshot))
    }

    /// What a policy wants if there is no other one.
    fn wanted(all: &[SnapshotBrief], policy: &RetentionPolicy, now: UnixMillis) -> BTreeSet<SnapshotRow> {
        let judged = all.iter().zip(verdicts(all, policy, now));
        rows(judged.filter(|(_, verdict)| *verdict != Verdict::Expire).map(|(snapshot, _)| snapshot))
    }

    proptest! {
        #[test]
        fn what_either_policy_wants_stays_and_nothing_leaves_that_is_wanted_here_or_not_safe_there(
            all in histories(), policies in two_policies(), facts in facts(), now in 0_i64..20_000_000,
        ) {
            let (mut facts, now) = (facts, UnixMillis(START_MS + now));
            // No backup rests on what is kept outside only.
            facts.pinned.retain(|row| all.iter().all(|s| s.row != *row || !s.is_outside));
            let plan = planned(&all, &policies, &facts, now);
            let (local, external) = (wanted(&all, &policies.local, now), wanted(&all, &policies.external, now));
            let outside = rows(all.iter().filter(|s| s.is_outside));
            let pinned = rows(all.iter().filter(|s| facts.pinned.contains(&s.row)));
            let [here, leaving, stays_outside, recalled] =
                [&plan.kept, &plan.leaving, &plan.outside, &plan.recalled].map(|list| kept(list));
            let expired = rows(&plan.expired);

            // Each has one fate.
            prop_assert_eq!(here.len() + leaving.len() + stays_outside.len() + recalled.len() + expired.len(), all.len());
            let stays: BTreeSet<_> = [&here, &leaving, &stays_outside, &recalled].into_iter().flatten().copied().collect();
            // Without other boxes the external policy has a say only where something is outside already.
            let heard = external.iter().filter(|row| facts.has_community || outside.contains(row));
            let either: BTreeSet<_> = local.iter().chain(heard).chain(&pinned).copied().collect();
            prop_assert_eq!(&stays, &either);
            prop_assert!(stays.is_disjoint(&expired));

            // What is wanted here is here, or comes back.
            prop_assert!(local.difference(&outside).all(|row| here.contains(row)));
            prop_assert_eq!(&recalled, &local.intersection(&outside).copied().collect());
            for leaver in &plan.leaving {
                let leaver = &leaver.snapshot;
                prop_assert!(facts.has_community && facts.protected.contains(&leaver.row) && !pinned.contains(&leaver.row));
                prop_assert!(leaver.state != SnapshotState::Damaged && !leaver.is_outside);
                prop_assert!(external.contains(&leaver.row) && !local.contains(&leaver.row));
            }
            let past = || all.iter().filter(|s| s.received_at <= now);
            let complete = past().filter(|s| s.state == SnapshotState::Complete);
            let newest = [past().max_by_key(|s| (s.received_at, s.row)), complete.max_by_key(|s| (s.received_at, s.row))];
            prop_assert!(newest.into_iter().flatten().all(|s| here.contains(&s.row) || recalled.contains(&s.row)));
        }

        #[test]
        fn whatever_has_left_and_come_back_on_the_way_what_either_policy_wants_is_there_in_the_end(
            times in prop::collection::vec(0_i64..12_000_000, 1..40), policies in two_policies(),
            steps in prop::collection::vec((0_i64..20_000_000, any::<u64>()), 1..12),
        ) {
            let all: Vec<_> =
                times.iter().zip(1..).map(|(ms, row)| brief(row, *ms, SnapshotState::Complete, false)).collect();
            let mut steps = steps;
            steps.sort_unstable();
            let (mut left, mut before): (Vec<SnapshotBrief>, _) = (Vec::new(), UnixMillis(i64::MIN));
            for (ms, chance) in steps {
                let now = UnixMillis(START_MS + ms);
                left.extend(all.iter().filter(|s| s.received_at > before && s.received_at <= now).cloned());
                // Whether the others have it, and whether what is called back has come, is left to chance.
                let is_lucky = |row: SnapshotRow| chance >> (row.0 % 64) & 1 == 1;
                let protected = left.iter().map(|s| s.row).filter(|row| is_lucky(*row)).collect();
                let facts = Facts { pinned: HashSet::new(), protected, has_community: true };
                let plan = planned(&left, &policies, &facts, now);
                let placed = |kept: Kept, is_outside| SnapshotBrief { is_outside, ..kept.snapshot };
                left = plan.kept.into_iter().map(|here| placed(here, false)).collect();
                left.extend(plan.leaving.into_iter().chain(plan.outside).map(|there| placed(there, true)));
                left.extend(plan.recalled.into_iter().map(|called| {
                    let is_back = is_lucky(called.snapshot.row);
                    placed(called, !is_back)
                }));
                before = now;
            }
            let arrived: Vec<_> = all.iter().filter(|s| s.received_at <= before).cloned().collect();
            let either = [&policies.local, &policies.external].map(|policy| wanted(&arrived, policy, before));
            prop_assert_eq!(rows(&left), either.into_iter().flatten().collect());
        }
    }
}
