//! How much of the line goes to the other boxes: the week's plan, and whose turn it is now (decision 0036).
//!
//! Only what leaves the box in bulk waits for its turn: shards that go to members, and shards that members fetch back. Words
//! between boxes, proofs and the box's own restore do not.

mod pacer;
mod stroke;

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use datis_engine::units::{Seconds, UnixMillis};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::Serialize;

use self::pacer::Pacer;
pub use self::pacer::{Traffic, Turn};
pub use self::stroke::{Stroke, StrokeError};
use super::accounts::{Action, Actor, Right, record};
use super::{OperationError, Site};
use crate::catalog::bandwidth;
pub use crate::catalog::bandwidth::{
    BandwidthPlan, HOURS, HourClass, HourClassError, Megabits, MegabitsError, WEEK, WeekGrid, WeekGridError,
};

/// How long somebody who waits for a turn does not look: a changed plan counts after that.
const LOOK: Duration = Duration::from_millis(100);

/// In a plan with less than that, what went out long ago does not matter any more: eight weeks, in hours.
const LOOKS_BACK: usize = 8 * WEEK;

/// The plan, and what has gone out by it.
pub(super) struct Bandwidth {
    plan: RwLock<BandwidthPlan>,
    pacer: Pacer,
}

impl Bandwidth {
    pub(super) fn new(plan: BandwidthPlan) -> Self {
        Self { plan: RwLock::new(plan), pacer: Pacer::default() }
    }
}

/// What goes out in this hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outgoing {
    /// Whether backups wait.
    pub paused: bool,
    /// When they go on, milliseconds since 1970; `None`: not within a week.
    pub paused_until: Option<i64>,
}

/// How much of the line goes to the other boxes.
#[must_use]
pub fn bandwidth_plan(site: &Site) -> BandwidthPlan {
    site.bandwidth.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Sets it; whoever waits for a turn hears at once.
///
/// # Errors
/// [`OperationError`].
pub fn set_bandwidth(site: &Site, by: &Actor, plan: &BandwidthPlan) -> Result<(), OperationError> {
    by.may(Right::ChangeBox)?;
    let full = plan.full.map_or_else(|| "-".to_owned(), |full| full.get().to_string());
    let count = |class| plan.hours.count(class);
    let hours = HourClass::ALL.map(|class| format!("{} {} h", class.word(), count(class))).join(", ");
    let detail = format!("{full} / {} Mbit/s; {hours}", plan.reduced.get());
    let set = site.catalog.writer().write(|tx| {
        bandwidth::set_plan(tx, plan)?;
        record(tx, site, by, Action::BandwidthSet, "", &detail)?;
        // Within the transaction, so that of two changes the later one counts here too.
        *site.bandwidth.plan.write().unwrap_or_else(PoisonError::into_inner) = plan.clone();
        Ok::<_, OperationError>(())
    });
    set.map_err(|e| site.noted(e))
}

/// What goes out in this hour.
#[must_use]
pub fn outgoing(site: &Site) -> Outgoing {
    let (plan, now) = (bandwidth_plan(site), local(site.clock.now(), TimeZone::system()));
    if class_at(&plan.hours, &now) != HourClass::Pause {
        return Outgoing::default();
    }
    Outgoing { paused: true, paused_until: pause_end(&plan.hours, &now).map(|at| at.0) }
}

/// Since when what can wait could go out for `long`, hours of pause left out, by the present plan; eight weeks ago at most. Whoever has
/// not taken in that time what it was to get is slow itself.
#[must_use]
pub fn open_for(site: &Site, long: Seconds) -> UnixMillis {
    open_since(&bandwidth_plan(site).hours, &local(site.clock.now(), TimeZone::system()), long)
}

/// Whether something of this kind may go out now at all.
#[must_use]
pub fn may_go(site: &Site, traffic: Traffic) -> bool {
    let plan = bandwidth_plan(site);
    pacer::rate(&plan, class_now(site, &plan), traffic) != pacer::Rate::Held
}

/// Asks for the right to send up to `wanted` bytes now.
#[must_use]
pub fn take_turn(site: &Site, traffic: Traffic, wanted: usize) -> Turn {
    let plan = site.bandwidth.plan.read().unwrap_or_else(PoisonError::into_inner);
    match site.bandwidth.pacer.take(&plan, class_now(site, &plan), traffic, wanted, Instant::now()) {
        Turn::Wait(time) => Turn::Wait(time.min(LOOK)),
        turn => turn,
    }
}

/// Waits for a turn; how many of the `wanted` bytes may go. `None`: nothing goes out in this hour, or `is_over`.
pub fn wait_for_turn(site: &Site, traffic: Traffic, wanted: usize, is_over: impl Fn() -> bool) -> Option<usize> {
    loop {
        if is_over() {
            return None;
        }
        match take_turn(site, traffic, wanted) {
            Turn::Go(bytes) => return Some(bytes),
            Turn::Wait(time) => std::thread::sleep(time),
            Turn::Held => return None,
        }
    }
}

fn class_now(site: &Site, plan: &BandwidthPlan) -> HourClass {
    class_at(&plan.hours, &local(site.clock.now(), TimeZone::system()))
}

/// A time that no calendar has is the start of 1970: the clock of such a box is wrong anyway.
fn local(at: UnixMillis, zone: TimeZone) -> Zoned {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone)
}

fn class_at(hours: &WeekGrid, at: &Zoned) -> HourClass {
    let day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
    hours.at(day, usize::try_from(at.hour()).unwrap_or(0))
}

/// When the first hour begins that is no pause: by the clock on the wall, which may be put forward or back before.
fn pause_end(hours: &WeekGrid, now: &Zoned) -> Option<UnixMillis> {
    let mut at = now.with().minute(0).second(0).subsec_nanosecond(0).build().ok()?;
    // One hour more for the day on which the clock is put back.
    for _ in 0..=WEEK {
        at = at.checked_add(1.hour()).ok()?;
        if class_at(hours, &at) != HourClass::Pause {
            return Some(UnixMillis(at.timestamp().as_millisecond()));
        }
    }
    None
}

fn open_since(hours: &WeekGrid, now: &Zoned, long: Seconds) -> UnixMillis {
    let (mut end, mut left) =
        (now.timestamp().as_millisecond(), i64::try_from(long.0).unwrap_or(i64::MAX).saturating_mul(1_000));
    for _ in 0..LOOKS_BACK {
        // The hour that the millisecond before `end` is in.
        let at = local(UnixMillis(end.saturating_sub(1)), now.time_zone().clone());
        let Ok(start) = at.with().minute(0).second(0).subsec_nanosecond(0).build() else { break };
        let start = start.timestamp().as_millisecond().min(end.saturating_sub(1));
        if class_at(hours, &at) != HourClass::Pause {
            if end - start >= left {
                return UnixMillis(end - left);
            }
            left -= end - start;
        }
        end = start;
    }
    UnixMillis(end)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::testing::TestBox;
    use super::*;

    fn plan(class: HourClass, full: Option<u32>, reduced: u32) -> BandwidthPlan {
        let rate = |megabits| Megabits::new(megabits).expect("rate");
        BandwidthPlan { hours: WeekGrid::all(class), full: full.map(rate), reduced: rate(reduced) }
    }

    #[test]
    fn a_pause_ends_at_the_first_hour_of_another_class_also_where_the_clock_is_put_forward() {
        let paris = TimeZone::get("Europe/Paris").expect("zone");
        // Sunday, 2026-03-29: after 01:59 comes 03:00.
        let night = "2026-03-28T23:30:00+01:00".parse::<Timestamp>().expect("time").to_zoned(paris);
        let mut hours = WeekGrid::all(HourClass::Pause);
        assert_eq!(pause_end(&hours, &night), None);
        hours.paint(6, 2, HourClass::Full);
        hours.paint(6, 8, HourClass::Reduced);
        let end = Timestamp::from_millisecond(pause_end(&hours, &night).expect("end").0).expect("time");
        assert_eq!(end, "2026-03-29T08:00:00+02:00".parse().expect("time"));
        assert_eq!(class_at(&hours, &end.to_zoned(night.time_zone().clone())), HourClass::Reduced);
    }

    #[test]
    fn hours_of_pause_do_not_count_as_time_in_which_something_could_go_out() {
        let utc = |text: &str| text.parse::<Timestamp>().expect("time");
        // A Monday.
        let now = utc("2026-11-23T20:30:00Z").to_zoned(TimeZone::UTC);
        let since = |hours: &WeekGrid| {
            Timestamp::from_millisecond(open_since(hours, &now, Seconds(12 * 3_600)).0).expect("time")
        };
        assert_eq!(since(&WeekGrid::all(HourClass::Full)), utc("2026-11-23T08:30:00Z"));
        let mut nights = WeekGrid::all(HourClass::Pause);
        (0..7).for_each(|day| (0..6).for_each(|hour| nights.paint(day, hour, HourClass::Reduced)));
        assert_eq!(since(&nights), utc("2026-11-22T00:00:00Z"), "two nights");
        let weeks = since(&WeekGrid::all(HourClass::Pause));
        assert_eq!(weeks, utc("2026-09-28T21:00:00Z"), "never: as far as it looks back");
    }

    #[test]
    fn the_plan_outlives_a_start_and_is_in_the_log() {
        let mut test = TestBox::start();
        assert_eq!(bandwidth_plan(test.site()), BandwidthPlan::default());
        let mut wanted = plan(HourClass::Full, Some(40), 3);
        wanted.hours.paint(2, 9, HourClass::Pause);
        set_bandwidth(test.site(), &Actor::console(), &wanted).expect("set");
        test.restart();
        assert_eq!(bandwidth_plan(test.site()), wanted);
        let log = test.site().catalog.reader().read(|tx| crate::catalog::audit::last(tx)).expect("log").expect("entry");
        assert_eq!(log.detail, "40 / 3 Mbit/s; full 167 h, reduced 0 h, pause 1 h");
    }

    #[test]
    fn a_change_reaches_whoever_waits() {
        let test = TestBox::start();
        let (site, by) = (test.site(), Actor::console());
        let set = |class| set_bandwidth(site, &by, &plan(class, None, 1)).expect("set");
        set(HourClass::Pause);
        assert!(outgoing(site).paused);
        assert_eq!(wait_for_turn(site, Traffic::Backup, 1, || false), None);
        assert!(!may_go(site, Traffic::Backup) && may_go(site, Traffic::UrgentRepair));
        set(HourClass::Reduced);
        std::thread::scope(|scope| {
            // More than half an hour at 1 Mbit/s.
            let waiting = scope.spawn(|| {
                let (mut sent, began) = (0, Instant::now());
                while sent < 256 << 20 {
                    sent += wait_for_turn(site, Traffic::Backup, 16 << 20, || false).expect("turn");
                }
                began.elapsed()
            });
            set(HourClass::Full);
            assert!(waiting.join().expect("sender") < Duration::from_secs(60));
        });
    }

    /// A real clock and real waiting: what two senders get through in some seconds, against what was set.
    #[test]
    fn senders_keep_to_the_rate() {
        let test = TestBox::start();
        let site = test.site();
        set_bandwidth(site, &Actor::console(), &plan(HourClass::Reduced, None, 40)).expect("set");
        let sent = AtomicUsize::new(0);
        let began = Instant::now();
        let is_over = || began.elapsed() > Duration::from_secs(4);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(bytes) = wait_for_turn(site, Traffic::Backup, 16 << 20, is_over) {
                        sent.fetch_add(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        let rate = sent.load(Ordering::SeqCst) as f64 / began.elapsed().as_secs_f64();
        let wanted = Megabits::new(40).expect("rate").bytes_per_second();
        // What may go at once, and the last piece, count into so short a time. The rate is a bound: whoever is not woken in
        // time on a busy machine sends less, and does not make up for it.
        assert!((0.25 * wanted..1.2 * wanted).contains(&rate), "{rate} bytes/s, {wanted} wanted");
    }
}
