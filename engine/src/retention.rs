//! Retention: which snapshots of one source are kept, and why. Arithmetic only; deleting is up to the caller.
//!
//! A policy is written as in the original product, `continuous: 2h/5m, 4h/15m, 24h/1h, 30d/1d`: of the snapshots
//! younger than 2 hours one per 5 minutes is kept, of those younger than 4 hours one per 15 minutes, and so on. A
//! snapshot is kept as long as any rule wants it.
//!
//! Periods are cut at fixed instants: the period of a snapshot is its `received_at` divided by the rule's period, in
//! UTC, counted from 1970-01-01 (so weeks begin on Thursdays). Hence what a rule wants depends on the snapshots and not
//! on when somebody asks, and time only takes rules away. Of each period the newest complete snapshot is wanted, or the
//! newest incomplete one where none is complete.
//!
//! What holds, and is tested below:
//!
//! - **Something is left.** The newest snapshot and the newest complete one are kept whatever their age. One that is
//!   dated after `now`, because the clock went back, is kept and displaces nothing until its time has come.
//! - **Monotone.** What expires at one time expires at every later time too, whatever snapshots arrive in between. So a
//!   clock that goes back never makes more expire.
//! - **No thrashing.** Removing what expired changes no other verdict of the same time.
//! - **The way there does not matter.** Planning and removing at many times leaves what planning once at the last of
//!   them would leave. Where incomplete snapshots are among them it may leave more, never less: an incomplete one may
//!   inherit a period whose complete one has grown too old.
//! - **Bounded gaps.** Where a snapshot arrived at least once per period of a rule, the snapshots kept within the rule's
//!   duration are less than two periods apart.
//! - **A flood changes nothing earlier.** Nothing counts snapshots, so snapshots can only displace others of the same
//!   period, never those of earlier ones, however many there are.
//!
//! What does not hold: a clock that jumps ahead makes everything look old. No arithmetic here can notice; that is what
//! the collector's brake and its undo period are for.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use crate::units::{Seconds, SecondsError, UnixMillis};

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// No rule at all; such a policy would expire nearly everything.
    #[error("a retention policy needs at least one rule, such as 30d/1d")]
    Empty,
    /// More rules than [`RetentionPolicy::RULES_MAX`].
    #[error("a retention policy has at most {} rules", RetentionPolicy::RULES_MAX)]
    TooMany,
    /// Text between two commas that is not `duration/period`.
    #[error("`{0}` is not a retention rule; write duration/period, such as 30d/1d")]
    NotARule(String),
    /// The duration or the period of a rule cannot be read.
    #[error("a retention rule cannot be read")]
    Length(#[from] SecondsError),
    /// A period of no length.
    #[error("the period of retention rule {0} is zero")]
    PeriodZero(RetentionRule),
    /// A period that does not fit into its own duration.
    #[error("the period of retention rule {0} is longer than its duration")]
    PeriodTooLong(RetentionRule),
    /// Durations that do not grow, or periods that shrink, from one rule to the next.
    #[error("retention rule {after} does not fit after {before}: durations must grow, and periods must not shrink")]
    Order {
        /// The rule that comes first.
        before: RetentionRule,
        /// The rule that should keep less, for longer.
        after: RetentionRule,
    },
}

/// Of the snapshots younger than `duration`, keep one per `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetentionRule {
    /// Age at which the rule stops to apply: a snapshot of exactly this age is no longer wanted.
    pub duration: Seconds,
    /// Length of the periods that get one snapshot each.
    pub period: Seconds,
}

impl fmt::Display for RetentionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.duration, self.period)
    }
}

impl FromStr for RetentionRule {
    type Err = RetentionError;

    /// Reads `duration/period`; spaces around either are allowed. What the lengths may be is checked by the policy.
    fn from_str(raw: &str) -> Result<Self, RetentionError> {
        let (duration, period) =
            raw.split_once('/').ok_or_else(|| RetentionError::NotARule(raw.trim().chars().take(40).collect()))?;
        Ok(Self { duration: duration.trim().parse()?, period: period.trim().parse()? })
    }
}

/// A valid list of rules, finest first. On the wire and in the catalog it is its text form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RetentionPolicy(Vec<RetentionRule>);

impl RetentionPolicy {
    /// How many rules a policy may have.
    pub const RULES_MAX: usize = 16;

    /// Checks the rules: 1 to [`Self::RULES_MAX`]; durations grow from one to the next, periods do not shrink; no
    /// period is zero or longer than its duration.
    ///
    /// # Errors
    /// All of [`RetentionError`] except those about text.
    pub fn new(rules: Vec<RetentionRule>) -> Result<Self, RetentionError> {
        if rules.is_empty() {
            return Err(RetentionError::Empty);
        }
        if rules.len() > Self::RULES_MAX {
            return Err(RetentionError::TooMany);
        }
        for &rule in &rules {
            if rule.period.0 == 0 {
                return Err(RetentionError::PeriodZero(rule));
            }
            if rule.period > rule.duration {
                return Err(RetentionError::PeriodTooLong(rule));
            }
        }
        for (&before, &after) in rules.iter().zip(rules.iter().skip(1)) {
            if after.duration <= before.duration || after.period < before.period {
                return Err(RetentionError::Order { before, after });
            }
        }
        Ok(Self(rules))
    }

    /// What a box keeps on its own disks: `2h/5m, 4h/15m, 24h/1h, 30d/1d`.
    #[must_use]
    pub fn default_local() -> Self {
        Self(vec![
            rule(2, Seconds::HOUR, 5, Seconds::MINUTE),
            rule(4, Seconds::HOUR, 15, Seconds::MINUTE),
            rule(24, Seconds::HOUR, 1, Seconds::HOUR),
            rule(30, Seconds::DAY, 1, Seconds::DAY),
        ])
    }

    /// What a box keeps at its peers: everything of [`Self::default_local`], and one snapshot a week for 90 days.
    #[must_use]
    pub fn default_external() -> Self {
        let mut rules = Self::default_local().0;
        rules.push(rule(90, Seconds::DAY, 7, Seconds::DAY));
        Self(rules)
    }

    /// For little room: `24h/1h, 7d/1d`.
    #[must_use]
    pub fn lean() -> Self {
        Self(vec![rule(24, Seconds::HOUR, 1, Seconds::HOUR), rule(7, Seconds::DAY, 1, Seconds::DAY)])
    }

    /// For those who look far back: everything of [`Self::default_external`], and one snapshot in 30 days for two years.
    #[must_use]
    pub fn years() -> Self {
        let mut rules = Self::default_external().0;
        rules.push(rule(730, Seconds::DAY, 30, Seconds::DAY));
        Self(rules)
    }

    /// The rules, finest first.
    #[must_use]
    pub fn rules(&self) -> &[RetentionRule] {
        &self.0
    }
}

const fn rule(durations: u64, duration_unit: Seconds, periods: u64, period_unit: Seconds) -> RetentionRule {
    RetentionRule { duration: Seconds(durations * duration_unit.0), period: Seconds(periods * period_unit.0) }
}

impl fmt::Display for RetentionPolicy {
    /// The rules, separated by a comma and a space, each length in its largest unit: `24h/60m` prints as `1d/1h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{rule}")?;
        }
        Ok(())
    }
}

impl FromStr for RetentionPolicy {
    type Err = RetentionError;

    /// Reads rules separated by commas, with or without `continuous:` in front.
    fn from_str(raw: &str) -> Result<Self, RetentionError> {
        let raw = raw.trim();
        let list = raw.strip_prefix("continuous:").unwrap_or(raw).trim();
        if list.is_empty() {
            return Err(RetentionError::Empty);
        }
        // One more than allowed is read, so that a long text costs no more than a short one and is still refused.
        let rules = list.split(',').take(Self::RULES_MAX + 1).map(str::parse).collect::<Result<Vec<_>, _>>()?;
        Self::new(rules)
    }
}

impl<C> Encode<C> for RetentionPolicy {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for RetentionPolicy {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(|_| minicbor::decode::Error::message("not a retention policy"))
    }
}

/// What retention has to know about a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot<T> {
    /// Which one it is; decides, by its order, between two that arrived in the same millisecond.
    pub id: T,
    /// When the box received it, by the box's clock. The client's clock has no say, or it could age snapshots out.
    pub received_at: UnixMillis,
    /// Whether everything that should be in it could be read.
    pub complete: bool,
}

/// Why a snapshot is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepReason {
    /// It is dated after the time of the plan, so its age means nothing.
    Future,
    /// It is the newest one; kept whatever its age.
    Newest,
    /// It is the newest complete one; kept whatever its age.
    NewestComplete,
    /// It is the one its period keeps under this rule; of several rules, the one that lasts longest.
    Rule(RetentionRule),
}

impl KeepReason {
    /// When the reason ends by itself for a snapshot of this age, if nothing else arrives; `None`: not by time alone.
    ///
    /// Whatever arrives until then, it is not kept any longer: newer snapshots only ever take a reason away.
    #[must_use]
    pub fn until(self, received_at: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::Future | Self::Newest | Self::NewestComplete => None,
            Self::Rule(rule) => Some(received_at.plus(rule.duration)),
        }
    }
}

/// What a policy says about one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep(KeepReason),
    /// Nothing wants it any longer.
    Expire,
}

/// Gives the verdict on each snapshot of one source, in the order they were passed in; any order will do.
///
/// `snapshots` are all the visible ones of the source: leaving some out lets others take their place. Takes time in
/// O(n log n). The module's page says what holds between plans at different times.
#[must_use]
pub fn plan<T: Ord>(policy: &RetentionPolicy, now: UnixMillis, snapshots: &[Snapshot<T>]) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::Expire; snapshots.len()];
    let mut newest_first = Vec::with_capacity(snapshots.len());
    for (index, snapshot) in snapshots.iter().enumerate() {
        if snapshot.received_at > now {
            verdicts[index] = Verdict::Keep(KeepReason::Future);
        } else {
            newest_first.push(index);
        }
    }
    newest_first.sort_by(|&a, &b| {
        let (a, b) = (&snapshots[a], &snapshots[b]);
        (b.received_at, &b.id).cmp(&(a.received_at, &a.id))
    });

    for rule in policy.rules() {
        let duration_ms = millis(rule.duration);
        for index in one_per_period(snapshots, &newest_first, rule.period) {
            if now.0.saturating_sub(snapshots[index].received_at.0) < duration_ms {
                verdicts[index] = Verdict::Keep(KeepReason::Rule(*rule));
            }
        }
    }
    if let Some(&index) = newest_first.iter().find(|&&index| snapshots[index].complete) {
        verdicts[index] = Verdict::Keep(KeepReason::NewestComplete);
    }
    if let Some(&index) = newest_first.first() {
        verdicts[index] = Verdict::Keep(KeepReason::Newest);
    }
    verdicts
}

/// The index of the newest complete snapshot of each period, or of the newest one where none is complete.
///
/// Chosen among snapshots of all ages: were those too old for the rule left out, an incomplete snapshot that has
/// expired already would be wanted again once the complete one of its period is out of the way.
fn one_per_period<T>(snapshots: &[Snapshot<T>], newest_first: &[usize], period: Seconds) -> Vec<usize> {
    let period_ms = millis(period);
    let period_of = |index: usize| snapshots[index].received_at.0.div_euclid(period_ms);
    let mut chosen: Vec<usize> = Vec::new();
    for &index in newest_first {
        match chosen.last_mut() {
            Some(last) if period_of(*last) == period_of(index) => {
                if snapshots[index].complete && !snapshots[*last].complete {
                    *last = index;
                }
            }
            _ => chosen.push(index),
        }
    }
    chosen
}

/// Milliseconds, at most what a time can hold: lengths beyond it are all "for ever".
fn millis(length: Seconds) -> i64 {
    i64::try_from(length.0).unwrap_or(i64::MAX).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;
    const DAY_MS: i64 = 24 * HOUR_MS;
    /// 2026-01-01T00:00:00Z.
    const START_MS: i64 = 1_767_225_600_000;

    fn policy(text: &str) -> RetentionPolicy {
        text.parse().expect(text)
    }

    fn at(ms: i64) -> Snapshot<i64> {
        Snapshot { id: ms, received_at: UnixMillis(ms), complete: true }
    }

    fn incomplete_at(ms: i64) -> Snapshot<i64> {
        Snapshot { complete: false, ..at(ms) }
    }

    /// The snapshots that a plan keeps, in their order.
    fn kept<T: Ord + Clone>(policy: &RetentionPolicy, now_ms: i64, snapshots: &[Snapshot<T>]) -> Vec<Snapshot<T>> {
        let verdicts = plan(policy, UnixMillis(now_ms), snapshots);
        assert_eq!(verdicts.len(), snapshots.len());
        let pairs = snapshots.iter().zip(verdicts);
        pairs.filter(|(_, verdict)| *verdict != Verdict::Expire).map(|(snapshot, _)| snapshot.clone()).collect()
    }

    #[test]
    fn policies_read_what_they_print() {
        for (text, printed) in [
            ("continuous: 2h/5m, 4h/15m, 24h/1h, 30d/1d", "2h/5m, 4h/15m, 1d/1h, 30d/1d"),
            (" continuous:30d/1d ", "30d/1d"),
            ("120m / 300s,4h/15m", "2h/5m, 4h/15m"),
            ("1s/1s", "1s/1s"),
            ("2y/4w", "730d/28d"),
        ] {
            assert_eq!(policy(text).to_string(), printed);
            assert_eq!(policy(printed), policy(text));
        }
        assert_eq!(RetentionPolicy::default_local(), policy("continuous: 2h/5m, 4h/15m, 24h/1h, 30d/1d"));
        let defaults = [
            RetentionPolicy::default_local(),
            RetentionPolicy::default_external(),
            RetentionPolicy::lean(),
            RetentionPolicy::years(),
        ];
        for default in defaults {
            assert_eq!(RetentionPolicy::new(default.rules().to_vec()), Ok(default.clone()), "{default}");
        }
    }

    #[test]
    fn policies_that_make_no_sense_are_refused_by_name() {
        use RetentionError::{Empty, Length, NotARule, Order, PeriodTooLong, PeriodZero, TooMany};
        let check = |text: &str, expected: fn(&RetentionError) -> bool| {
            let error = text.parse::<RetentionPolicy>().expect_err(text);
            assert!(expected(&error), "{text}: {error:?}");
        };
        check("", |e| matches!(e, Empty));
        check("continuous:", |e| matches!(e, Empty));
        check("continuous: 30d", |e| matches!(e, NotARule(_)));
        check("2h/5m,", |e| matches!(e, NotARule(_)));
        check("sometimes: 2h/5m", |e| matches!(e, Length(_)));
        check("2h/5m/1m", |e| matches!(e, Length(_)));
        check("2h/-5m", |e| matches!(e, Length(_)));
        check("2h/0m", |e| matches!(e, PeriodZero(_)));
        check("0h/0m", |e| matches!(e, PeriodZero(_)));
        check("1h/2h", |e| matches!(e, PeriodTooLong(_)));
        check("4h/5m, 2h/15m", |e| matches!(e, Order { .. }));
        check("2h/5m, 2h/15m", |e| matches!(e, Order { .. }));
        check("2h/15m, 4h/5m", |e| matches!(e, Order { .. }));
        let many: Vec<String> = (1..=17).map(|n| format!("{n}h/1m")).collect();
        check(&many.join(","), |e| matches!(e, TooMany));
        assert!(many[..16].join(",").parse::<RetentionPolicy>().is_ok());
    }

    #[test]
    fn policies_travel_as_text() {
        let bytes = minicbor::to_vec(RetentionPolicy::default_local()).expect("encode");
        assert_eq!(minicbor::decode::<&str>(&bytes).expect("text"), "2h/5m, 4h/15m, 1d/1h, 30d/1d");
        assert_eq!(minicbor::decode::<RetentionPolicy>(&bytes).expect("decode"), RetentionPolicy::default_local());
        let refused = minicbor::to_vec("1h/2h").expect("encode");
        assert!(minicbor::decode::<RetentionPolicy>(&refused).is_err());
    }

    #[test]
    fn each_rule_keeps_the_newest_of_each_of_its_periods() {
        let all: Vec<_> = (0..=120).map(|n| at(START_MS + n * MINUTE_MS)).collect();
        let now = START_MS + 120 * MINUTE_MS;
        let minutes: Vec<i64> = kept(&policy("30m/10m, 2h/1h"), now, &all)
            .iter()
            .map(|snapshot| (snapshot.received_at.0 - START_MS) / MINUTE_MS)
            .collect();
        // 59 ends an hour; 99, 109 and 119 end ten minutes; 120 is the newest. Minute 0 is two hours old: too old.
        assert_eq!(minutes, [59, 99, 109, 119, 120]);
    }

    #[test]
    fn a_rule_ends_at_its_duration_and_periods_at_their_fixed_instants() {
        let (newest, hour_old) = (at(START_MS + HOUR_MS + 1), at(START_MS + 1));
        let policy = policy("1h/1m");
        assert_eq!(kept(&policy, START_MS + HOUR_MS, &[hour_old]), [hour_old]);
        assert_eq!(kept(&policy, START_MS + HOUR_MS, &[hour_old, newest]), [hour_old, newest]);
        assert_eq!(kept(&policy, START_MS + HOUR_MS + 1, &[hour_old, newest]), [newest]);
        // Two milliseconds apart, but not in one minute; the instants are as fixed before 1970 as after.
        let around = [at(-1), at(1), at(MINUTE_MS - 1), at(MINUTE_MS + 1)];
        assert_eq!(kept(&policy, MINUTE_MS + 2, &around), [around[0], around[2], around[3]]);
        assert_eq!(kept(&policy, 2, &around[..2]), around[..2]);
    }

    #[test]
    fn verdicts_come_in_the_order_of_the_question_and_say_why() {
        let now = START_MS + DAY_MS;
        let [hourly] = *policy("2h/1h").rules() else { panic!("one rule") };
        let snapshots = [
            at(now - 3 * DAY_MS),
            at(now + HOUR_MS),
            incomplete_at(now - MINUTE_MS),
            at(now - 50 * MINUTE_MS),
            at(now - 70 * MINUTE_MS),
            at(now - 71 * MINUTE_MS),
        ];
        assert_eq!(
            plan(&policy("2h/1h"), UnixMillis(now), &snapshots),
            [
                Verdict::Expire,
                Verdict::Keep(KeepReason::Future),
                Verdict::Keep(KeepReason::Newest),
                Verdict::Keep(KeepReason::NewestComplete),
                Verdict::Keep(KeepReason::Rule(hourly)),
                Verdict::Expire,
            ]
        );
        assert!(plan::<i64>(&policy("2h/1h"), UnixMillis(now), &[]).is_empty());
    }

    #[test]
    fn the_newest_and_the_newest_complete_survive_any_age() {
        let now = START_MS + 1_000 * DAY_MS;
        let (complete, broken) = (at(START_MS), incomplete_at(START_MS + DAY_MS));
        let older = [at(START_MS - DAY_MS), incomplete_at(START_MS + HOUR_MS)];
        assert_eq!(
            kept(&RetentionPolicy::default_local(), now, &[older[0], complete, older[1], broken]),
            [complete, broken]
        );
    }

    #[test]
    fn an_incomplete_snapshot_never_displaces_a_complete_one() {
        let now = START_MS + DAY_MS;
        let day = [incomplete_at(START_MS + 1), at(START_MS + 2), at(START_MS + 3), incomplete_at(START_MS + 4)];
        let newest = at(now);
        assert_eq!(kept(&policy("30d/1d"), now, &[&day[..], &[newest]].concat()), [day[2], newest]);
        // Without a complete one, the newest incomplete one is better than none.
        assert_eq!(kept(&policy("30d/1d"), now, &[day[0], day[3], newest]), [day[3], newest]);
    }

    #[test]
    fn a_snapshot_from_the_future_is_kept_and_displaces_nothing() {
        let past = [at(START_MS), at(START_MS + 1)];
        // Same day, same hour, but later than now: after a correction of the clock.
        let future = [at(START_MS + 10 * MINUTE_MS), at(START_MS + 3_650 * DAY_MS)];
        let all = [&past[..], &future[..]].concat();
        assert_eq!(kept(&policy("30d/1d"), START_MS + MINUTE_MS, &all), [past[1], future[0], future[1]]);
        // Once its time has come it is one of its day, like any other.
        assert_eq!(kept(&policy("30d/1d"), START_MS + HOUR_MS, &all), [future[0], future[1]]);
    }

    #[test]
    fn snapshots_of_the_same_millisecond_are_told_apart_by_their_ids() {
        let [a, b] = ["a", "b"].map(|id| Snapshot { id, received_at: UnixMillis(START_MS), complete: true });
        for order in [[a, b], [b, a]] {
            assert_eq!(kept(&RetentionPolicy::default_local(), START_MS, &order), [b]);
        }
    }

    #[test]
    fn times_and_lengths_at_the_ends_of_the_range_are_no_trouble() {
        let forever = policy("18446744073709551615s/18446744073709551615s");
        let ends = [at(i64::MIN), at(-1), at(0), at(i64::MAX)];
        for policy in [&forever, &RetentionPolicy::default_local()] {
            for now in [i64::MIN, -1, 0, i64::MAX] {
                assert!(!kept(policy, now, &ends).is_empty());
            }
        }
    }

    #[test]
    fn a_flood_of_snapshots_takes_nothing_of_earlier_periods_away() {
        let policy = RetentionPolicy::default_local();
        // A month of quarter-hourly backups, thinned out as it would be, up to the end of a day.
        let now = START_MS + 30 * DAY_MS;
        let month: Vec<_> = (0..30 * 96).map(|n| at(START_MS + n * 15 * MINUTE_MS)).collect();
        let good = kept(&policy, now, &month);
        // Ransomware with a valid certificate commits a million empty, "complete" snapshots within an hour.
        let flood: Vec<_> = (0..1_000_000).map(|n| at(now + n * HOUR_MS / 1_000_000)).collect();
        let after = kept(&policy, now + HOUR_MS, &[good.clone(), flood].concat());
        let (good_left, flood_left): (Vec<_>, Vec<_>) = after.into_iter().partition(|s| s.received_at.0 < now);
        assert_eq!(good_left, kept(&policy, now + HOUR_MS, &good));
        assert_eq!(flood_left.len(), 12);
    }

    /// Up to 6 rules that any policy could have, periods that do not divide one another included.
    fn policies() -> impl Strategy<Value = RetentionPolicy> {
        prop::collection::vec((1_u64..200, 0_u64..40, 0_u64..5_000), 1..=6).prop_map(|steps| {
            let (mut period, mut duration, mut rules) = (0, 0, Vec::new());
            for (first, grow, longer) in steps {
                period += if period == 0 { first } else { grow };
                duration = (duration + 1 + longer).max(period);
                rules.push(RetentionRule { duration: Seconds(duration), period: Seconds(period) });
            }
            RetentionPolicy::new(rules).expect("grows")
        })
    }

    /// Snapshots around `START_MS`, dense enough to share periods, some in the same millisecond; ids are unique.
    fn histories(all_complete: bool) -> impl Strategy<Value = Vec<Snapshot<usize>>> {
        prop::collection::vec((0_i64..12_000_000, any::<bool>()), 0..60).prop_map(move |points| {
            let snapshot = |(id, (ms, complete)): (usize, (i64, bool))| Snapshot {
                id,
                received_at: UnixMillis(START_MS + ms / 500 * 500),
                complete: complete || all_complete,
            };
            points.into_iter().enumerate().map(snapshot).collect()
        })
    }

    fn ids(snapshots: &[Snapshot<usize>]) -> Vec<usize> {
        let mut ids: Vec<usize> = snapshots.iter().map(|snapshot| snapshot.id).collect();
        ids.sort_unstable();
        ids
    }

    /// What is left when each of `times` (ascending) takes what has arrived by then and removes what expired.
    fn stepwise(policy: &RetentionPolicy, all: &[Snapshot<usize>], times: &[i64]) -> Vec<Snapshot<usize>> {
        let (mut left, mut before): (Vec<Snapshot<usize>>, _) = (Vec::new(), i64::MIN);
        for &now in times {
            left.extend(all.iter().filter(|s| s.received_at.0 > before && s.received_at.0 <= now));
            left = kept(policy, now, &left);
            before = now;
        }
        left
    }

    fn ascending(mut offsets: Vec<i64>) -> Vec<i64> {
        offsets.sort_unstable();
        offsets.iter().map(|offset| START_MS + offset).collect()
    }

    proptest! {
        #[test]
        fn what_expires_once_expires_for_ever(
            policy in policies(), all in histories(false), first in 0_i64..20_000_000, later in 0_i64..20_000_000,
            cut in 0_usize..60,
        ) {
            // The later plan sees more snapshots and a later time; neither brings anything back.
            let known = &all[..cut.min(all.len())];
            let before = plan(&policy, UnixMillis(START_MS + first), known);
            let after = plan(&policy, UnixMillis(START_MS + first + later), &all);
            for (before, after) in before.iter().zip(after) {
                prop_assert!(*before != Verdict::Expire || after == Verdict::Expire);
            }
        }

        #[test]
        fn removing_what_expired_changes_no_other_verdict(
            policy in policies(), all in histories(false), now in 0_i64..20_000_000,
        ) {
            let left = kept(&policy, START_MS + now, &all);
            prop_assert_eq!(kept(&policy, START_MS + now, &left), left);
        }

        #[test]
        fn a_rule_ends_exactly_when_it_says_if_nothing_else_arrives(
            policy in policies(), all in histories(false), now in 12_000_000_i64..20_000_000,
        ) {
            let now = UnixMillis(START_MS + now);
            for (index, verdict) in plan(&policy, now, &all).into_iter().enumerate() {
                let Verdict::Keep(reason) = verdict else { continue };
                let Some(until) = reason.until(all[index].received_at) else { continue };
                prop_assert!(until > now);
                prop_assert!(plan(&policy, UnixMillis(until.0 - 1), &all)[index] != Verdict::Expire);
                prop_assert_eq!(plan(&policy, until, &all)[index], Verdict::Expire);
            }
        }

        #[test]
        fn verdicts_do_not_depend_on_the_order_of_the_question(
            policy in policies(), all in histories(false), now in 0_i64..20_000_000,
        ) {
            let mut reversed = kept(&policy, START_MS + now, &all.iter().rev().copied().collect::<Vec<_>>());
            reversed.reverse();
            prop_assert_eq!(reversed, kept(&policy, START_MS + now, &all));
        }

        #[test]
        fn the_way_there_does_not_matter(
            policy in policies(), all in histories(true),
            times in prop::collection::vec(0_i64..20_000_000, 1..20), last in 20_000_000_i64..25_000_000,
        ) {
            let times = ascending([times, vec![last]].concat());
            let once = kept(&policy, START_MS + last, &all);
            prop_assert_eq!(ids(&stepwise(&policy, &all, &times)), ids(&once));
        }

        #[test]
        fn with_incomplete_ones_the_way_there_never_loses_any(
            policy in policies(), all in histories(false),
            times in prop::collection::vec(0_i64..20_000_000, 1..20), last in 12_000_000_i64..25_000_000,
        ) {
            let times = ascending([times, vec![last]].concat());
            let last = times[times.len() - 1];
            let left = ids(&stepwise(&policy, &all, &times));
            for id in ids(&kept(&policy, last, &all)) {
                prop_assert!(left.contains(&id));
            }
        }

        #[test]
        fn the_newest_ones_are_always_left(
            policy in policies(), all in histories(false), now in 0_i64..1_000_000_000_000,
        ) {
            let now = START_MS + now;
            let past = || all.iter().filter(|s| s.received_at.0 <= now);
            let newest = past().max_by_key(|s| (s.received_at, s.id));
            let newest_complete = past().filter(|s| s.complete).max_by_key(|s| (s.received_at, s.id));
            let left = kept(&policy, now, &all);
            for wanted in newest.into_iter().chain(newest_complete) {
                prop_assert!(left.contains(wanted));
            }
            prop_assert!(all.iter().filter(|s| s.received_at.0 > now).all(|s| left.contains(s)));
        }

        #[test]
        fn regular_snapshots_leave_no_gap_of_two_periods(
            policy in policies(), interval in 1_i64..200, jitter in prop::collection::vec((0_i64..1_000, any::<bool>()), 300),
        ) {
            // One snapshot in every interval, anywhere in it; every tenth instant, what expired is removed.
            let interval_ms = interval * 1_000;
            let mut left: Vec<Snapshot<usize>> = Vec::new();
            for (id, (part, complete)) in jitter.into_iter().enumerate() {
                let slot = START_MS + i64::try_from(id).expect("small") * interval_ms;
                let now = slot + part * interval_ms / 1_000;
                left.push(Snapshot { id, received_at: UnixMillis(now), complete });
                if id % 10 != 0 {
                    continue;
                }
                left = kept(&policy, now, &left);
                for rule in policy.rules().iter().filter(|rule| millis(rule.period) >= 2 * interval_ms) {
                    let reach_ms = (now - START_MS).min(millis(rule.duration));
                    let mut ages: Vec<i64> = left.iter().map(|s| now - s.received_at.0).collect();
                    ages.retain(|&age| age < reach_ms);
                    ages.sort_unstable();
                    ages.push(reach_ms);
                    for (younger, older) in ages.iter().zip(ages.iter().skip(1)) {
                        prop_assert!(older - younger < 2 * millis(rule.period), "{rule}: {ages:?}");
                    }
                }
            }
        }

        #[test]
        fn snapshots_displace_only_others_of_their_own_period(
            policy in policies(), all in histories(false), now in 12_000_000_i64..20_000_000, count in 1_usize..50,
        ) {
            // However many arrive at one moment, each loses only to one that shares a period with it.
            let now = START_MS + now;
            let flood = (0..count).map(|n| Snapshot { id: 1_000 + n, received_at: UnixMillis(now), complete: true });
            let with_flood: Vec<_> = all.iter().copied().chain(flood).collect();
            let after: BTreeMap<usize, _> = kept(&policy, now, &with_flood).iter().map(|s| (s.id, *s)).collect();
            let verdicts = plan(&policy, UnixMillis(now), &all);
            for (snapshot, verdict) in all.iter().zip(verdicts) {
                if let Verdict::Keep(KeepReason::Rule(rule)) = verdict {
                    let period_ms = millis(rule.period);
                    let same = snapshot.received_at.0.div_euclid(period_ms) == now.div_euclid(period_ms);
                    prop_assert!(same || after.contains_key(&snapshot.id));
                }
            }
        }
    }
}
