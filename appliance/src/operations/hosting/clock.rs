//! Counted time: what windows and delays of shards are measured in, whatever the clock on the wall says.

use std::sync::Mutex;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

use datis_engine::life::clock::{CountedClock, Look};
use datis_engine::units::UnixMillis;

use super::super::site::{Clock, lock};

/// What the kernel calls its present start.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Seconds since then, with those that the computer slept.
const UPTIME: &str = "/proc/uptime";

/// Counted time, and the last look that it rests on.
#[derive(Debug)]
pub(super) struct HostClock {
    counted: Mutex<(CountedClock, Look)>,
    /// What tests let pass, in milliseconds.
    #[cfg(test)]
    passed: AtomicU64,
}

impl HostClock {
    /// Goes on from `saved`; the first time it starts with `clock`.
    pub(super) fn new(saved: Option<Look>, clock: &Clock) -> Self {
        let first = saved.unwrap_or_else(|| look(clock.now()));
        Self {
            counted: Mutex::new((CountedClock::start(first), first)),
            #[cfg(test)]
            passed: AtomicU64::new(0),
        }
    }

    /// Counts what has passed, and says what time it is.
    pub(super) fn now(&self) -> UnixMillis {
        self.look().wall
    }

    /// The same, as it is to be saved: `wall` is the counted time.
    pub(super) fn look(&self) -> Look {
        let mut seen = look(UnixMillis(0));
        #[cfg(test)]
        {
            seen.since_boot_ms += self.passed.load(Ordering::SeqCst);
        }
        let mut counted = lock(&self.counted);
        // Without a look at the kernel's clock no time passes.
        if seen.boot == [0; 16] {
            return counted.1;
        }
        seen.wall = counted.0.observe(seen);
        counted.1 = seen;
        seen
    }

    /// Lets so many days pass, as if the box had looked at its clock on each of them.
    #[cfg(test)]
    pub(in crate::operations::hosting) fn pass_days(&self, days: u64) {
        for _ in 0..days {
            self.passed.fetch_add(86_400_000, Ordering::SeqCst);
            self.look();
        }
    }
}

/// `boot` is zero when the kernel does not tell.
fn look(wall: UnixMillis) -> Look {
    let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    let digits: String = boot.chars().filter(char::is_ascii_hexdigit).collect();
    let boot = u128::from_str_radix(&digits, 16).map(u128::to_be_bytes).unwrap_or_default();
    let uptime = std::fs::read_to_string(UPTIME).ok().and_then(|line| millis(&line));
    match uptime {
        Some(since_boot_ms) => Look { wall, boot, since_boot_ms },
        None => Look { wall, boot: [0; 16], since_boot_ms: 0 },
    }
}

/// `12345.67 …` in milliseconds.
fn millis(line: &str) -> Option<u64> {
    let (whole, part) = line.split_whitespace().next()?.split_once('.')?;
    let hundredths: u64 = part.get(..2)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(hundredths * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_clock_is_read_and_noise_is_not() {
        assert_eq!(millis("12345.67 99.00\n"), Some(12_345_670));
        for noise in ["", "x", "12", "1.x", "1.2"] {
            assert_eq!(millis(noise), None, "{noise}");
        }
        let seen = look(UnixMillis(7));
        assert!(seen.boot != [0; 16] && seen.since_boot_ms > 0);
    }

    #[test]
    fn counted_time_goes_on_from_what_was_saved_and_not_from_the_wall() {
        let saved = Look { wall: UnixMillis(1_000), boot: [9; 16], since_boot_ms: 5 };
        let clock = HostClock::new(Some(saved), &Clock::starting_at(UnixMillis(i64::MAX / 2)));
        let now = clock.now();
        assert!(now.0 >= 1_000 && now.0 <= 1_000 + 86_400_000, "{now:?}");
        clock.pass_days(3);
        assert!(clock.now().0 >= now.0 + 3 * 86_400_000);
    }
}
