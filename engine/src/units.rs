//! Times and sizes as types, so that seconds, milliseconds and bytes do not add up by accident.

use std::fmt;

use minicbor::{Decode, Encode};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Negative before 1970. The engine never asks for the time; whoever runs it passes one of these in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Default)]
#[cbor(transparent)]
pub struct UnixMillis(#[n(0)] pub i64);

impl UnixMillis {
    /// The time `duration` later; stops at the end of the representable range.
    #[must_use]
    pub fn plus(self, duration: Seconds) -> Self {
        Self(self.0.saturating_add(duration.as_millis_i64()))
    }

    /// The time `duration` earlier; stops at the start of the representable range.
    #[must_use]
    pub fn minus(self, duration: Seconds) -> Self {
        Self(self.0.saturating_sub(duration.as_millis_i64()))
    }
}

/// A file's time stamp: seconds and nanoseconds, as `stat` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileTime {
    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    pub seconds: i64,
    /// 0 to 999 999 999.
    pub nanoseconds: u32,
}

/// A length of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Seconds(#[n(0)] pub u64);

impl Seconds {
    /// One minute.
    pub const MINUTE: Self = Self(60);
    /// One hour.
    pub const HOUR: Self = Self(3_600);
    /// One day of 24 hours.
    pub const DAY: Self = Self(86_400);

    fn as_millis_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX).saturating_mul(1_000)
    }
}

impl fmt::Display for Seconds {
    /// The largest unit that divides it: `90m`, `36h`, `30d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n % 86_400 == 0 => write!(f, "{}d", n / 86_400),
            n if n > 0 && n % 3_600 == 0 => write!(f, "{}h", n / 3_600),
            n if n > 0 && n % 60 == 0 => write!(f, "{}m", n / 60),
            n => write!(f, "{n}s"),
        }
    }
}

/// Why a length of time could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time; write a number and a unit, such as 30s, 15m, 24h or 30d")]
pub struct SecondsError(pub String);

impl std::str::FromStr for Seconds {
    type Err = SecondsError;

    /// Reads `30s`, `15m`, `24h`, `30d`, `4w` or `2y` (365 days).
    fn from_str(raw: &str) -> Result<Self, SecondsError> {
        let refuse = || SecondsError(raw.chars().take(40).collect());
        let split = raw.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
        let (digits, unit) = raw.split_at(split);
        let unit_seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            "y" => 365 * 86_400,
            _ => return Err(refuse()),
        };
        let count: u64 = digits.parse().map_err(|_| refuse())?;
        count.checked_mul(unit_seconds).map(Seconds).ok_or_else(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_what_they_print() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("24h", 86_400), ("30d", 2_592_000), ("4w", 2_419_200)] {
            let parsed: Seconds = text.parse().expect(text);
            assert_eq!(parsed, Seconds(seconds));
            assert_eq!(parsed.to_string().parse::<Seconds>().expect("printed form"), parsed);
        }
    }

    #[test]
    fn nonsense_lengths_are_refused() {
        for text in ["", "h", "5", "5 h", "-5h", "99999999999999999999d", "5fortnights", "18446744073709551615y"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }
}
