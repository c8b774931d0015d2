//! Sizes and times as people read them. Units and words are the caller's, who knows the language.

use datis_engine::units::UnixMillis;

/// A number of bytes, scaled to the unit in which it has one to four digits before the point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scaled {
    /// How many of the unit.
    pub(crate) number: f64,
    /// Power of 1024 of the unit: 0 is bytes, 3 is GiB.
    pub(crate) power: usize,
}

impl Scaled {
    /// Scales `bytes`; what is shown is rounded, so the loss of digits above 2^53 does not matter.
    pub(crate) fn of(bytes: u64) -> Self {
        let (mut number, mut power) = (bytes as f64, 0);
        while number >= 1024.0 && power < 5 {
            number /= 1024.0;
            power += 1;
        }
        Self { number, power }
    }

    /// The number with one digit after the point where that says something.
    pub(crate) fn digits(self) -> String {
        if self.power == 0 || self.number >= 100.0 {
            format!("{:.0}", self.number)
        } else {
            format!("{:.1}", self.number)
        }
    }
}

/// `bytes` in English.
pub(crate) fn bytes(bytes: u64) -> String {
    let scaled = Scaled::of(bytes);
    let unit = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"].get(scaled.power).unwrap_or(&"PiB");
    format!("{} {unit}", scaled.digits())
}

/// `number` things: `1 pack`, `2 packs`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A time to come as the clock on the wall shows it: `08:00`, with the date when that is more than a day away. Milliseconds since
/// 1970.
pub(crate) fn wall_clock(at: i64, now: i64) -> String {
    let form = if at.saturating_sub(now) < 86_400_000 { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    let time = jiff::Timestamp::from_millisecond(at).map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    time.map(|time| time.strftime(form).to_string()).unwrap_or_default()
}

/// A day of UTC, which begins at this time.
pub(crate) fn day(at: UnixMillis) -> String {
    let day = jiff::Timestamp::from_millisecond(at.0).map(|day| day.strftime("%Y-%m-%d").to_string());
    day.unwrap_or_default()
}

/// How long ago something was, in the largest unit that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ago {
    /// Less than a minute.
    Now,
    /// Minutes.
    Minutes(u64),
    /// Hours.
    Hours(u64),
    /// Days.
    Days(u64),
}

impl Ago {
    /// The time between two points, both milliseconds since 1970; the future counts as now.
    pub(crate) fn between(then: i64, now: i64) -> Self {
        let minutes = u64::try_from(now.saturating_sub(then)).unwrap_or(0) / 60_000;
        match minutes {
            0 => Self::Now,
            1..120 => Self::Minutes(minutes),
            120..2_880 => Self::Hours(minutes / 60),
            _ => Self::Days(minutes / 1_440),
        }
    }
}

/// `ago` in English.
pub(crate) fn ago(ago: Ago) -> String {
    match ago {
        Ago::Now => "just now".to_owned(),
        Ago::Minutes(1) => "1 minute ago".to_owned(),
        Ago::Minutes(n) => format!("{n} minutes ago"),
        Ago::Hours(n) => format!("{n} hours ago"),
        Ago::Days(n) => format!("{n} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_scaled_to_the_unit_that_says_most() {
        for (number, shown) in [
            (0, "0 bytes"),
            (1_023, "1023 bytes"),
            (1_024, "1.0 KiB"),
            (150 << 20, "150 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(number), shown);
        }
    }

    #[test]
    fn times_are_told_in_the_largest_unit_and_the_future_is_now() {
        let minute = 60_000;
        for (then, shown) in [
            (minute, "just now"),
            (0, "just now"),
            (-minute, "1 minute ago"),
            (-119 * minute, "119 minutes ago"),
            (-120 * minute, "2 hours ago"),
            (-72 * 60 * minute, "3 days ago"),
        ] {
            assert_eq!(ago(Ago::between(then, 0)), shown);
        }
        assert_eq!(Ago::between(i64::MAX, i64::MIN), Ago::Now);
    }
}
