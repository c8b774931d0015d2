//! Whose turn it is: one token bucket for each kind of traffic.
//!
//! What goes out is counted in the bucket of its kind and in those of all lower ranks. So each kind together with all that go
//! before it keeps to its own rate, and a lower one gets what the higher ones leave.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{BandwidthPlan, HourClass, Megabits};

/// What may go at once after a rest, and in one piece, in seconds of the rate: short enough that a call over the same line does
/// not suffer.
const BURST_SECONDS: f64 = 0.25;
/// A debt to higher ranks that is longer is forgotten, in seconds of the rate.
const DEBT_SECONDS: f64 = 2.0;
/// No piece is shorter: each costs an answer.
const PIECE_MIN: usize = 16 << 10;

/// What leaves the box in bulk, by rank (mutual-backup 4.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// What others fetch of theirs: it is never held up altogether, since somebody waits for it.
    Restore,
    /// A shard of a pack of which hardly enough is left.
    UrgentRepair,
    /// What is nowhere outside yet.
    Backup,
    /// A shard in place of one that was lost, or that a slow member missed.
    Repair,
}

impl Traffic {
    const ALL: [Self; 4] = [Self::Restore, Self::UrgentRepair, Self::Backup, Self::Repair];
}

/// What came of asking for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// So many bytes may go now; at least one.
    Go(usize),
    /// Ask again after this time.
    Wait(Duration),
    /// Nothing of this kind goes out in this hour.
    Held,
}

/// How fast a kind may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rate {
    /// As the line is.
    Line,
    /// Bytes a second.
    Bytes(f64),
    /// Not at all.
    Held,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Bytes that may go; below zero, what others have used.
    tokens: f64,
    filled_at: Instant,
}

/// The buckets, in the order of [`Traffic::ALL`]; none before the first turn.
#[derive(Debug, Default)]
pub(super) struct Pacer(Mutex<[Option<Bucket>; Traffic::ALL.len()]>);

impl Pacer {
    /// Takes up to `wanted` bytes if it is this kind's turn.
    pub(super) fn take(
        &self,
        plan: &BandwidthPlan,
        class: HourClass,
        traffic: Traffic,
        wanted: usize,
        now: Instant,
    ) -> Turn {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match rate(plan, class, traffic) {
            Rate::Held => return Turn::Held,
            Rate::Line => wanted,
            Rate::Bytes(rate) => {
                let bucket = filled(&mut buckets[traffic as usize], rate, now);
                if bucket.tokens < 0.0 {
                    return Turn::Wait(Duration::from_secs_f64(-bucket.tokens / rate));
                }
                // Rounded down; the least piece is more than nothing.
                wanted.min(((rate * BURST_SECONDS) as usize).max(PIECE_MIN))
            }
        };
        for lower in Traffic::ALL.into_iter().skip(traffic as usize) {
            if let Rate::Bytes(rate) = rate(plan, class, lower) {
                let bucket = filled(&mut buckets[lower as usize], rate, now);
                bucket.tokens = (bucket.tokens - bytes as f64).max(-rate * DEBT_SECONDS);
            }
        }
        Turn::Go(bytes)
    }
}

/// How fast a kind may be in such an hour.
pub(super) fn rate(plan: &BandwidthPlan, class: HourClass, traffic: Traffic) -> Rate {
    let full = plan.full.map_or(Rate::Line, |full| Rate::Bytes(full.bytes_per_second()));
    let hour = match class {
        HourClass::Full => full,
        // Never more than in a full hour.
        HourClass::Reduced => {
            let reduced = plan.full.map_or(plan.reduced, |full| full.min(plan.reduced));
            Rate::Bytes(reduced.bytes_per_second())
        }
        HourClass::Pause => Rate::Held,
    };
    match (traffic, hour) {
        (Traffic::Restore, Rate::Line) => Rate::Line,
        (Traffic::Restore, Rate::Bytes(bytes)) => Rate::Bytes(bytes.max(restore_floor(plan))),
        (Traffic::Restore, Rate::Held) => Rate::Bytes(restore_floor(plan)),
        (Traffic::UrgentRepair, _) => full,
        (Traffic::Backup, hour) => hour,
        (Traffic::Repair, Rate::Bytes(bytes)) => Rate::Bytes(bytes / 2.0),
        (Traffic::Repair, other) => other,
    }
}

/// Others' restores get this much in every hour: a fifth of the line, at most 20 Mbit/s. What is less than the least rate is too slow
/// for one answer.
fn restore_floor(plan: &BandwidthPlan) -> f64 {
    let fifth = plan.full.map_or(20, |full| (full.get() / 5).min(20));
    Megabits::new(fifth).unwrap_or(Megabits::MIN).bytes_per_second()
}

fn filled(bucket: &mut Option<Bucket>, rate: f64, now: Instant) -> &mut Bucket {
    let bucket = bucket.get_or_insert(Bucket { tokens: rate * BURST_SECONDS, filled_at: now });
    let seconds = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
    // A debt that was made at a higher rate is none of hours at this one.
    bucket.tokens = bucket.tokens.clamp(-rate * DEBT_SECONDS, rate * BURST_SECONDS);
    bucket.tokens = (bucket.tokens + seconds * rate).min(rate * BURST_SECONDS);
    bucket.filled_at = now.max(bucket.filled_at);
    bucket
}

#[cfg(test)]
mod tests {
    use super::super::WeekGrid;
    use super::*;

    fn plan(full: Option<u32>, reduced: u32) -> BandwidthPlan {
        let rate = |megabits| Megabits::new(megabits).expect("rate");
        BandwidthPlan { hours: WeekGrid::all(HourClass::Full), full: full.map(rate), reduced: rate(reduced) }
    }

    /// What each of `kinds` gets in Mbit/s when all of them always want more, in a minute of such hours.
    fn shares(plan: &BandwidthPlan, class: HourClass, kinds: &[Traffic]) -> Vec<f64> {
        let (pacer, start) = (Pacer::default(), Instant::now());
        let mut sent = vec![0.0; kinds.len()];
        for tick in 0..6_000_u64 {
            for (at, kind) in kinds.iter().enumerate() {
                let now = start + Duration::from_millis(tick * 10);
                if let Turn::Go(bytes) = pacer.take(plan, class, *kind, 16 << 20, now) {
                    sent[at] += bytes as f64 * 8.0 / 60e6;
                }
            }
        }
        sent
    }

    fn is_about(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() <= 0.03 * wanted + 0.05
    }

    #[test]
    fn each_kind_alone_keeps_to_its_own_rate() {
        let plan = plan(Some(50), 8);
        for (class, kind, wanted) in [
            (HourClass::Full, Traffic::Backup, 50.0),
            (HourClass::Full, Traffic::Repair, 25.0),
            (HourClass::Full, Traffic::Restore, 50.0),
            (HourClass::Reduced, Traffic::Backup, 8.0),
            (HourClass::Reduced, Traffic::Repair, 4.0),
            (HourClass::Reduced, Traffic::UrgentRepair, 50.0),
            (HourClass::Reduced, Traffic::Restore, 10.0),
            (HourClass::Pause, Traffic::Restore, 10.0),
            (HourClass::Pause, Traffic::UrgentRepair, 50.0),
            (HourClass::Pause, Traffic::Backup, 0.0),
            (HourClass::Pause, Traffic::Repair, 0.0),
        ] {
            let found = shares(&plan, class, &[kind])[0];
            assert!(is_about(found, wanted), "{class:?} {kind:?}: {found} Mbit/s, not {wanted}");
        }
    }

    #[test]
    fn all_together_are_no_faster_than_the_fastest_and_the_lower_gets_what_is_left() {
        let plan = plan(Some(50), 8);
        let backup_first = shares(&plan, HourClass::Full, &[Traffic::Repair, Traffic::Backup]);
        assert!(backup_first[0] < 1.0 && is_about(backup_first.iter().sum(), 50.0), "{backup_first:?}");
        let restore_first = shares(&plan, HourClass::Reduced, &[Traffic::Backup, Traffic::Restore]);
        assert!(restore_first[0] < 1.0 && is_about(restore_first.iter().sum(), 10.0), "{restore_first:?}");
    }

    #[test]
    fn without_a_rate_everything_goes_at_once_and_a_restore_never_waits_for_hours() {
        let plan = plan(None, 5);
        let pacer = Pacer::default();
        for kind in Traffic::ALL {
            assert_eq!(pacer.take(&plan, HourClass::Full, kind, 16 << 20, Instant::now()), Turn::Go(16 << 20));
        }
        let found = shares(&plan, HourClass::Pause, &[Traffic::Restore])[0];
        assert!(is_about(found, 20.0), "{found}");
        let slow = BandwidthPlan { full: Some(Megabits::MIN), ..plan };
        assert!(is_about(shares(&slow, HourClass::Pause, &[Traffic::Restore])[0], 1.0));
    }
}
