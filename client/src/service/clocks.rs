//! Two clocks side by side: one that people set and that goes on while a machine sleeps, one that does neither.

use std::time::{Duration, Instant};

use datis_engine::units::UnixMillis;

/// Clocks that are set by a time server move by less than this.
const JUMP_MIN: Duration = Duration::from_secs(30);

/// What happened to the wall clock since it was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jump {
    /// Nothing.
    None,
    /// The machine slept, or the clock was set forward.
    Forward(Duration),
    /// The clock was set back.
    Back(Duration),
}

/// Both clocks as they were last read.
pub(super) struct Clocks {
    wall: UnixMillis,
    steady: Instant,
}

impl Clocks {
    pub(super) fn new() -> Self {
        Self { wall: wall_now(), steady: Instant::now() }
    }

    pub(super) const fn now(&self) -> UnixMillis {
        self.wall
    }

    /// Reads both, and tells whether they still agree.
    pub(super) fn tick(&mut self) -> Jump {
        let (wall, steady) = (wall_now(), Instant::now());
        let jump = jump(self.wall, wall, steady.duration_since(self.steady));
        (self.wall, self.steady) = (wall, steady);
        jump
    }
}

fn jump(before: UnixMillis, after: UnixMillis, steady: Duration) -> Jump {
    let steady = i64::try_from(steady.as_millis()).unwrap_or(i64::MAX);
    let off = after.0.saturating_sub(before.0).saturating_sub(steady);
    let distance = Duration::from_millis(off.unsigned_abs());
    match off {
        _ if distance < JUMP_MIN => Jump::None,
        ..0 => Jump::Back(distance),
        _ => Jump::Forward(distance),
    }
}

pub(crate) fn wall_now() -> UnixMillis {
    UnixMillis(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_and_a_clock_that_was_set_are_told_from_time_that_passed() {
        let second = Duration::from_secs(1);
        let (start, at) = (UnixMillis(1_000_000), |seconds: i64| UnixMillis(1_000_000 + seconds * 1_000));
        assert_eq!(jump(start, at(10), 10 * second), Jump::None);
        assert_eq!(jump(start, at(39), 10 * second), Jump::None);
        assert_eq!(jump(start, at(3_610), 10 * second), Jump::Forward(3_600 * second));
        assert_eq!(jump(start, at(-3_590), 10 * second), Jump::Back(3_600 * second));
        assert!(matches!(jump(UnixMillis(i64::MIN), UnixMillis(i64::MAX), second), Jump::Forward(_)));
    }
}
