//! Time that a box has lived through: what windows, delays and absences are measured in.
//!
//! A wall clock can be wrong by ten years after a flat battery, or be set by whoever answers for a time server. Counted
//! time starts at the wall clock once and from then on follows the kernel's monotonic clock only: it never goes back,
//! never takes more than [`STEP_MAX`] at once, and gives nothing for the time that a box was switched off. So it is
//! never ahead of the time that really passed.
//!
//! What it costs: a box that is on 8 hours a day needs 270 days for a window of 90. Nothing is lost by that but space.
//! And it is right for absences: who was not looking cannot say that somebody was away. Source: docs/decisions/0028.

use crate::units::{Seconds, UnixMillis};

/// The most that one observation may add. Boxes look at the clock each minute; more than a day is a broken counter.
pub const STEP_MAX: Seconds = Seconds::DAY;

/// One look at the clocks of a computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The wall clock. Only the first look takes it.
    pub wall: UnixMillis,
    /// What the kernel calls this start of the computer (`/proc/sys/kernel/random/boot_id`).
    pub boot: [u8; 16],
    /// Milliseconds since this start, of a clock that nobody can set (`CLOCK_BOOTTIME`).
    pub since_boot_ms: u64,
}

/// Counted time. It is saved with everything that is stamped by it; an older copy of it only makes everybody wait longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedClock {
    counted: UnixMillis,
    boot: [u8; 16],
    since_boot_ms: u64,
}

impl CountedClock {
    /// Starts to count, on the first day of a box.
    #[must_use]
    pub const fn start(look: Look) -> Self {
        Self { counted: look.wall, boot: look.boot, since_boot_ms: look.since_boot_ms }
    }

    /// Counts what has passed since the last look, and says what time it is.
    pub fn observe(&mut self, look: Look) -> UnixMillis {
        #[cfg(feature = "plant")]
        if crate::plant::planted("wall-clock") {
            self.counted = look.wall;
            return self.counted;
        }
        let passed_ms = if look.boot == self.boot {
            look.since_boot_ms.saturating_sub(self.since_boot_ms)
        } else {
            // The computer was switched off for nobody knows how long, but since then this much passed.
            look.since_boot_ms
        };
        let step_ms = passed_ms.min(STEP_MAX.0 * 1_000);
        self.counted = UnixMillis(self.counted.0.saturating_add(i64::try_from(step_ms).unwrap_or(0)));
        self.boot = look.boot;
        self.since_boot_ms = look.since_boot_ms;
        self.counted
    }

    /// The time of the last look.
    #[must_use]
    pub const fn now(&self) -> UnixMillis {
        self.counted
    }
}

/// How long ago `then` was; nothing when it is still to come.
pub(crate) fn since(then: UnixMillis, now: UnixMillis) -> Seconds {
    Seconds(u64::try_from(now.0.saturating_sub(then.0)).unwrap_or(0) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR_MS: u64 = 3_600_000;

    fn look(wall: i64, boot: u8, since_boot_ms: u64) -> Look {
        Look { wall: UnixMillis(wall), boot: [boot; 16], since_boot_ms }
    }

    #[test]
    fn a_wall_clock_that_jumps_ten_years_changes_nothing() {
        let mut clock = CountedClock::start(look(1_000, 1, 0));
        for (hour, wall) in [(1, 315_360_000_000), (2, -315_360_000_000), (3, i64::MAX), (4, i64::MIN)] {
            assert_eq!(clock.observe(look(wall, 1, hour * HOUR_MS)).0, 1_000 + 3_600_000 * hour as i64);
        }
    }

    #[test]
    fn time_switched_off_does_not_count_but_time_since_then_does() {
        let mut clock = CountedClock::start(look(0, 1, 50 * HOUR_MS));
        assert_eq!(clock.observe(look(i64::MAX, 2, HOUR_MS)).0, 3_600_000);
    }

    #[test]
    fn a_counter_that_goes_back_or_leaps_is_not_believed() {
        let mut clock = CountedClock::start(look(0, 1, 50 * HOUR_MS));
        assert_eq!(clock.observe(look(0, 1, HOUR_MS)).0, 0, "a computer put back to an earlier state");
        assert_eq!(clock.observe(look(0, 1, u64::MAX)).0, 86_400_000, "one day at most");
        assert_eq!(clock.now().0, 86_400_000);
    }

    proptest! {
        /// Whatever the wall says and however often the box starts: never back, never ahead of what really passed.
        #[test]
        fn counted_time_is_never_ahead_of_true_time(steps in prop::collection::vec((any::<i64>(), 0..200_u64, any::<bool>()), 0..60)) {
            let mut clock = CountedClock::start(look(0, 0, 0));
            let (mut boot, mut up_ms, mut truth_ms) = (0_u8, 0_u64, 0_u64);
            for (wall, passed_hours, restarts) in steps {
                truth_ms += passed_hours * HOUR_MS;
                if restarts {
                    boot = boot.wrapping_add(1);
                    up_ms = passed_hours * HOUR_MS / 2;
                } else {
                    up_ms += passed_hours * HOUR_MS;
                }
                let before = clock.now();
                let now = clock.observe(look(wall, boot, up_ms));
                prop_assert!(now >= before);
                prop_assert!(now.0 <= i64::try_from(truth_ms).expect("small"));
            }
        }
    }
}
