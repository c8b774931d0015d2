//! How a machine is, in one word.

use datis_engine::ids::Profile;
use datis_engine::units::Seconds;

use crate::operations::{Machine, MachineState, MachineStatus};

/// From bad to good, except for the retired, who are not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// A snapshot of it rests on a damaged pack.
    Damaged,
    /// It should have backed up long ago.
    Late,
    /// Its last backup is not whole.
    Incomplete,
    /// Somebody lets it rest until a date.
    Paused,
    /// It was enrolled a short time ago and has not backed up yet.
    Empty,
    /// Its last backup is recent, and the last one of every source is whole.
    Current,
    /// It may not come in any more.
    Retired,
}

impl Health {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Damaged, Self::Late, Self::Incomplete, Self::Paused, Self::Empty, Self::Current, Self::Retired];

    /// The word for programs: style classes and labels of figures.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Late => "late",
            Self::Incomplete => "incomplete",
            Self::Paused => "paused",
            Self::Empty => "empty",
            Self::Current => "current",
            Self::Retired => "retired",
        }
    }

    /// `now`: milliseconds since 1970, as all times in a [`MachineStatus`].
    pub(crate) fn of(machine: &Machine, status: &MachineStatus, now: i64) -> Self {
        if machine.state == MachineState::Retired {
            return Self::Retired;
        }
        let latest = status.sources.iter().map(|source| source.last_received_at).max();
        // One that has rested gets its whole allowance again.
        let rested = status.paused_until.unwrap_or(i64::MIN);
        let too_long_ago = |at: i64| now.saturating_sub(at.max(rested)) > patience_millis(machine);
        if status.sources.iter().any(|source| source.damaged > 0) {
            Self::Damaged
        } else if status.is_paused(now) {
            Self::Paused
        } else if too_long_ago(latest.unwrap_or(status.created_at)) {
            Self::Late
        } else if latest.is_none() {
            Self::Empty
        } else if status.sources.iter().any(|source| source.last_problems > 0) {
            Self::Incomplete
        } else {
            Self::Current
        }
    }
}

/// A server is missed after three periods of its policy; other machines are also off at week-ends or on holiday.
fn patience_millis(machine: &Machine) -> i64 {
    let least = match machine.profile {
        Profile::Server => Seconds::HOUR.0,
        Profile::Desktop => 3 * Seconds::DAY.0,
        Profile::Laptop => 7 * Seconds::DAY.0,
    };
    let seconds = machine.policy.every.0.saturating_mul(3).max(least);
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)
}
