//! Giving way: long operations that nobody waits for stop at their safe points while backups are going on.

use std::time::{Duration, Instant};

use super::OperationError;
use super::site::Site;

/// Whether an operation gives way to backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Somebody waits for it: it goes on.
    #[default]
    Steady,
    /// It waits at each safe point while backups are going on, but never for long: it has to come to its end also on a
    /// box that always has a backup.
    Yielding,
}

/// A backup that has asked for nothing for this long is not held up.
const QUIET: Duration = Duration::from_secs(1);

/// The longest wait at one safe point.
const WAIT_MAX: Duration = Duration::from_secs(2);

const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Site {
    /// Whether no open backup has asked for anything lately.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.sessions.quiet_for().is_none_or(|quiet| quiet >= QUIET)
    }

    /// A safe point: ends the operation if the box stops, and gives way if it should.
    pub(super) fn breathe(&self, pace: Pace) -> Result<(), OperationError> {
        self.check_running()?;
        let began = Instant::now();
        while pace == Pace::Yielding && !self.is_quiet() && began.elapsed() < WAIT_MAX {
            std::thread::sleep(LOOK_AGAIN);
            self.check_running()?;
        }
        Ok(())
    }
}
