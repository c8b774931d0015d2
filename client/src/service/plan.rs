//! When a source is backed up next: arithmetic only. Time, power and what happened so far come in as arguments, so that
//! the same questions always get the same answers.
//!
//! What holds, and is tested below:
//!
//! - A source that was backed up is not due again before `every`, and at most a tenth of it (ten minutes) later: the
//!   delay differs by machine and source, so that not all come at once.
//! - A source that is due runs, unless it failed lately, or the laptop it is on should save power or money.
//! - A wait always ends, however wrong the clock is or was: a time that lies in the future is not believed.
//! - After a failure the waits grow, up to an hour or `every`, whichever is shorter; a new network ends them.

use datis_engine::ids::{MachineId, Profile, SourceName};
use datis_engine::units::{Seconds, UnixMillis};

use crate::exit::Exit;
use crate::platform::power::{Metering, Power};

/// The shortest time between two runs that a policy can ask for.
const EVERY_MIN: Seconds = Seconds(1);

/// Runs are delayed by at most this share of `every`, and at most this long.
const JITTER_SHARE: u64 = 10;
const JITTER_MAX: Seconds = Seconds(600);

/// Clocks are set by so much without anybody noticing; a time further ahead than this is taken for wrong.
const AHEAD_MAX: Seconds = Seconds(300);

/// The longest wait after failures.
const RETRY_MAX: Seconds = Seconds::HOUR;

/// A laptop with less left than this saves it.
const BATTERY_PERCENT_MIN: u8 = 50;

/// Beyond so many times `every` a laptop does not spare its battery any longer.
const OVERDUE_TIMES: u64 = 3;

/// How soon power and network are looked at again.
const LOOK_AGAIN: Seconds = Seconds(120);

/// What the box wants, and what kind of machine this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How often.
    pub every: Seconds,
    /// Laptops may wait for better times.
    pub profile: Profile,
    /// The delay of this source ([`jitter`]).
    pub jitter: Seconds,
}

/// What happened to a source so far, by this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// When the box last signed for a snapshot.
    pub succeeded_at: Option<UnixMillis>,
    /// When the last run ended, or at least began, and how. `None`: it is not known to have failed.
    pub failed: Option<Failed>,
}

/// A run that made no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// When.
    pub at: UnixMillis,
    /// What it was.
    pub why: Trouble,
    /// How many runs in a row have failed, this one included.
    pub times: u32,
    /// Whether this machine has come to another network since.
    pub has_moved: bool,
}

/// Sorts of failures, by how soon it is worth trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The box does not answer.
    Unreachable,
    /// Somebody else has the source or the box's attention, or the run was stopped.
    Passing,
    /// The box has no room left.
    BoxFull,
    /// Somebody has to enrol this machine again.
    Refused,
    /// Something else.
    Other,
}

impl Trouble {
    /// What the exit code of a run means; `None` when it made a snapshot. `code` is `None` when a signal ended it.
    #[must_use]
    pub fn of_code(code: Option<u8>) -> Option<Self> {
        let exit = code.and_then(|code| Exit::ALL.iter().copied().find(|exit| exit.code() == code));
        match exit {
            Some(Exit::Complete | Exit::Incomplete) => None,
            Some(Exit::Unreachable) => Some(Self::Unreachable),
            Some(Exit::Busy | Exit::Postponed | Exit::Interrupted) => Some(Self::Passing),
            Some(Exit::BoxFull) => Some(Self::BoxFull),
            Some(Exit::KeyRefused | Exit::NotEnrolled) => Some(Self::Refused),
            Some(Exit::Failed | Exit::Usage) | None => Some(Self::Other),
        }
    }

    const fn first_wait(self) -> Seconds {
        match self {
            Self::Unreachable | Self::Passing => Seconds(30),
            Self::Other => Seconds(300),
            Self::BoxFull => Seconds(900),
            Self::Refused => Seconds(1_800),
        }
    }
}

/// What a machine has at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// What it lives on.
    pub power: Power,
    /// What its network costs.
    pub metering: Metering,
}

impl Surroundings {
    /// Those that never make anything wait.
    pub const BEST: Self = Self { power: Power::Mains, metering: Metering::Free };
}

/// What to do about a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Back it up now.
    Run,
    /// Ask again at this time; it is always later than now.
    Wait {
        /// When.
        until: UnixMillis,
        /// Why not now.
        because: Reason,
    },
}

/// Why a source is not backed up now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The last snapshot is young enough.
    NotDue,
    /// It failed a short time ago.
    FailedLately,
    /// The battery is low.
    OnBattery,
    /// The network costs money.
    Metered,
}

impl Reason {
    /// The word for it in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotDue => "not-due",
            Self::FailedLately => "failed-lately",
            Self::OnBattery => "on-battery",
            Self::Metered => "metered",
        }
    }
}

/// Decides about one source.
#[must_use]
pub fn due(now: UnixMillis, rules: &Rules, history: &History, surroundings: &Surroundings) -> Decision {
    if let Some(until) = next_due(now, rules, history).filter(|until| *until > now) {
        return Decision::Wait { until, because: Reason::NotDue };
    }
    if let Some(until) = history.failed.map(|failed| retry_at(now, rules, &failed)).filter(|until| *until > now) {
        return Decision::Wait { until, because: Reason::FailedLately };
    }
    match (rules.profile, postponed(now, rules, history, surroundings)) {
        (Profile::Laptop, Some(because)) => Decision::Wait { until: now.plus(LOOK_AGAIN), because },
        (Profile::Laptop, None) | (Profile::Server | Profile::Desktop, _) => Decision::Run,
    }
}

/// When a source is due, failures and batteries apart; `None` when it is at once, because it never succeeded or because
/// the clock was wrong when it did.
#[must_use]
pub fn next_due(now: UnixMillis, rules: &Rules, history: &History) -> Option<UnixMillis> {
    let succeeded_at = history.succeeded_at.filter(|at| *at <= now.plus(AHEAD_MAX))?;
    Some(succeeded_at.plus(every(rules)).plus(rules.jitter))
}

fn retry_at(now: UnixMillis, rules: &Rules, failed: &Failed) -> UnixMillis {
    let is_new_network = failed.has_moved && failed.why == Trouble::Unreachable;
    if is_new_network || failed.at > now {
        return now;
    }
    let doubled = failed.why.first_wait().0.saturating_mul(1 << failed.times.saturating_sub(1).min(16));
    failed.at.plus(Seconds(doubled).min(RETRY_MAX).min(every(rules)))
}

fn postponed(now: UnixMillis, rules: &Rules, history: &History, surroundings: &Surroundings) -> Option<Reason> {
    let overdue_after = Seconds(every(rules).0.saturating_mul(OVERDUE_TIMES));
    let is_overdue = history.succeeded_at.is_some_and(|at| at.plus(overdue_after) <= now);
    match (surroundings.metering, surroundings.power) {
        (Metering::Metered, _) => Some(Reason::Metered),
        (Metering::Free, Power::Battery { percent }) if percent < BATTERY_PERCENT_MIN && !is_overdue => {
            Some(Reason::OnBattery)
        }
        (Metering::Free, Power::Battery { .. } | Power::Mains) => None,
    }
}

fn every(rules: &Rules) -> Seconds {
    rules.every.max(EVERY_MIN)
}

/// The delay of a source on a machine: always the same one, and another one elsewhere.
#[must_use]
pub fn jitter(machine: MachineId, source: &SourceName, every: Seconds) -> Seconds {
    let longest = (every.0 / JITTER_SHARE).min(JITTER_MAX.0);
    let mut hasher = blake3::Hasher::new();
    hasher.update(machine.as_bytes()).update(source.as_str().as_bytes());
    let mut number = [0; 8];
    hasher.finalize_xof().fill(&mut number);
    Seconds(u64::from_le_bytes(number) % (longest + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn rules(every: u64, profile: Profile) -> Rules {
        Rules { every: Seconds(every), profile, jitter: Seconds(0) }
    }

    fn succeeded(ago: u64) -> History {
        History { succeeded_at: Some(NOW.minus(Seconds(ago))), failed: None }
    }

    fn failed(ago: u64, why: Trouble, times: u32) -> History {
        let failed = Failed { at: NOW.minus(Seconds(ago)), why, times, has_moved: false };
        History { failed: Some(failed), ..succeeded(1_000_000) }
    }

    fn decide(rules: &Rules, history: &History) -> Decision {
        due(NOW, rules, history, &Surroundings::BEST)
    }

    fn waits(decision: Decision) -> Option<(u64, Reason)> {
        match decision {
            Decision::Run => None,
            Decision::Wait { until, because } => {
                Some((u64::try_from(until.0 - NOW.0).expect("later") / 1_000, because))
            }
        }
    }

    #[test]
    fn a_source_is_due_when_its_last_snapshot_is_as_old_as_the_policy_says() {
        let hourly = rules(3_600, Profile::Server);
        assert_eq!(waits(decide(&hourly, &succeeded(600))), Some((3_000, Reason::NotDue)));
        assert_eq!(decide(&hourly, &succeeded(3_600)), Decision::Run);
        assert_eq!(decide(&hourly, &History::default()), Decision::Run, "never backed up");
        let delayed = Rules { jitter: Seconds(60), ..hourly };
        assert_eq!(waits(decide(&delayed, &succeeded(3_600))), Some((60, Reason::NotDue)));
    }

    #[test]
    fn what_was_missed_while_the_machine_slept_runs_once_it_is_awake() {
        assert_eq!(decide(&rules(300, Profile::Desktop), &succeeded(8 * 3_600)), Decision::Run);
    }

    #[test]
    fn a_success_in_the_future_is_not_believed() {
        let mut history = succeeded(0);
        history.succeeded_at = Some(NOW.plus(Seconds(86_400 * 365)));
        assert_eq!(decide(&rules(3_600, Profile::Server), &history), Decision::Run);
        history.succeeded_at = Some(NOW.plus(Seconds(2)));
        assert_eq!(waits(decide(&rules(3_600, Profile::Server), &history)), Some((3_602, Reason::NotDue)));
    }

    #[test]
    fn waits_after_failures_grow_and_stop_growing() {
        let daily = rules(86_400, Profile::Server);
        let wait = |times| waits(decide(&daily, &failed(0, Trouble::Unreachable, times))).map(|(wait, _)| wait);
        assert_eq!([wait(1), wait(2), wait(3), wait(40)], [Some(30), Some(60), Some(120), Some(3_600)]);
        assert_eq!(waits(decide(&daily, &failed(0, Trouble::Refused, 1))), Some((1_800, Reason::FailedLately)));
        assert_eq!(
            waits(decide(&rules(10, Profile::Server), &failed(0, Trouble::Other, 9))),
            Some((10, Reason::FailedLately))
        );
        assert_eq!(decide(&daily, &failed(31, Trouble::Unreachable, 1)), Decision::Run);
    }

    #[test]
    fn another_network_ends_the_wait_for_a_box_that_could_not_be_reached_and_no_other() {
        let moved = |why| {
            let mut history = failed(1, why, 5);
            history.failed = history.failed.map(|failed| Failed { has_moved: true, ..failed });
            decide(&rules(86_400, Profile::Server), &history)
        };
        assert_eq!(moved(Trouble::Unreachable), Decision::Run);
        assert_ne!(moved(Trouble::BoxFull), Decision::Run);
    }

    #[test]
    fn a_laptop_saves_its_battery_until_it_is_long_overdue_and_money_always() {
        let on = |power, metering, ago, profile| {
            due(NOW, &rules(3_600, profile), &succeeded(ago), &Surroundings { power, metering })
        };
        let low = Power::Battery { percent: 49 };
        let (free, metered) = (Metering::Free, Metering::Metered);
        assert_eq!(waits(on(low, free, 3_600, Profile::Laptop)), Some((120, Reason::OnBattery)));
        assert_eq!(on(Power::Battery { percent: 50 }, free, 3_600, Profile::Laptop), Decision::Run);
        assert_eq!(on(low, free, 3 * 3_600, Profile::Laptop), Decision::Run);
        assert_eq!(waits(on(Power::Mains, metered, 9 * 3_600, Profile::Laptop)), Some((120, Reason::Metered)));
        for profile in [Profile::Server, Profile::Desktop] {
            assert_eq!(on(low, metered, 3_600, profile), Decision::Run);
        }
    }

    #[test]
    fn every_exit_code_is_a_success_or_a_sort_of_trouble() {
        let successes: Vec<_> = Exit::ALL.iter().filter(|exit| Trouble::of_code(Some(exit.code())).is_none()).collect();
        assert_eq!(successes, [&Exit::Complete, &Exit::Incomplete]);
        assert_eq!(Trouble::of_code(Some(77)), Some(Trouble::Other));
        assert_eq!(Trouble::of_code(None), Some(Trouble::Other));
    }

    #[test]
    fn delays_stay_the_same_and_differ_by_source_and_machine() {
        let of = |machine, source: &str| {
            jitter(MachineId::from_bytes([machine; 16]), &source.parse().expect("name"), Seconds::DAY)
        };
        assert_eq!(of(1, "a"), of(1, "a"));
        assert!(of(1, "a") != of(2, "a") && of(1, "a") != of(1, "b"));
    }

    fn any_time() -> impl Strategy<Value = Option<UnixMillis>> {
        proptest::option::of(prop_oneof![
            any::<i64>().prop_map(UnixMillis),
            (-500_000_000..500_000_000_i64).prop_map(|off| UnixMillis(NOW.0 + off)),
        ])
    }

    fn any_history() -> impl Strategy<Value = History> {
        let troubles = [Trouble::Unreachable, Trouble::Passing, Trouble::BoxFull, Trouble::Refused, Trouble::Other];
        let failed = (any_time(), proptest::sample::select(troubles.to_vec()), any::<u32>(), any::<bool>());
        (any_time(), failed).prop_map(|(succeeded_at, (at, why, times, has_moved))| History {
            succeeded_at,
            failed: at.map(|at| Failed { at, why, times, has_moved }),
        })
    }

    fn any_rules() -> impl Strategy<Value = Rules> {
        (0..700_000_u64, proptest::sample::select(Profile::ALL.to_vec()), "[a-z]{1,5}").prop_map(
            |(every, profile, source)| {
                let every = Seconds(every);
                let jitter = jitter(MachineId::from_bytes([1; 16]), &source.parse().expect("name"), every);
                Rules { every, profile, jitter }
            },
        )
    }

    fn any_surroundings() -> impl Strategy<Value = Surroundings> {
        (proptest::option::of(0..=100_u8), any::<bool>()).prop_map(|(percent, is_metered)| Surroundings {
            power: percent.map_or(Power::Mains, |percent| Power::Battery { percent }),
            metering: if is_metered { Metering::Metered } else { Metering::Free },
        })
    }

    proptest! {
        #[test]
        fn every_wait_is_later_than_now_and_ends_in_time(
            rules in any_rules(), history in any_history(), surroundings in any_surroundings(),
        ) {
            if let Decision::Wait { until, .. } = due(NOW, &rules, &history, &surroundings) {
                prop_assert!(until > NOW);
                let longest = rules.every.0 + rules.every.0 / 10 + AHEAD_MAX.0 + 2 * RETRY_MAX.0;
                prop_assert!(until <= NOW.plus(Seconds(longest)), "{:?} after {:?}", until, longest);
            }
        }

        #[test]
        fn at_the_end_of_a_wait_that_reason_is_gone(rules in any_rules(), history in any_history()) {
            let mut now = NOW;
            let mut waits = 0;
            while let Decision::Wait { until, .. } = due(now, &rules, &history, &Surroundings::BEST) {
                now = until;
                waits += 1;
                prop_assert!(waits <= 2, "not due, then failed lately, then it runs");
            }
        }

        #[test]
        fn nothing_runs_before_it_is_due(rules in any_rules(), ago in 0..700_000_u64, surroundings in any_surroundings()) {
            let decision = due(NOW, &rules, &succeeded(ago), &surroundings);
            if decision == Decision::Run {
                prop_assert!(ago >= rules.every.0);
            }
        }
    }
}
