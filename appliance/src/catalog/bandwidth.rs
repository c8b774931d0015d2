//! How much of the line goes to the other boxes, hour by hour of a week.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::CatalogError;
use super::values::word_at;

/// Hours of a day.
pub const HOURS: usize = 24;
/// Hours of a week.
pub const WEEK: usize = 7 * HOURS;

/// What goes out in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HourClass {
    /// As much as the line takes, or as was set for such hours.
    Full,
    /// What was set for hours in which people need the line.
    Reduced,
    /// Nothing that can wait.
    Pause,
}

impl HourClass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::Reduced, Self::Pause];

    /// The word of the program.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
            Self::Pause => "pause",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Full => 'f',
            Self::Reduced => 'r',
            Self::Pause => 'p',
        }
    }
}

/// What was said is none of the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an hour is `full`, `reduced` or `pause`")]
pub struct HourClassError;

impl FromStr for HourClass {
    type Err = HourClassError;

    fn from_str(word: &str) -> Result<Self, HourClassError> {
        Self::ALL.into_iter().find(|class| class.word() == word).ok_or(HourClassError)
    }
}

/// A class for each hour of a week, Monday from 0:00 first.
#[derive(Clone, PartialEq, Eq)]
pub struct WeekGrid([HourClass; WEEK]);

impl WeekGrid {
    /// All hours alike.
    #[must_use]
    pub const fn all(class: HourClass) -> Self {
        Self([class; WEEK])
    }

    /// The class of an hour. `day`: 0 is Monday; beyond Sunday the week begins again.
    #[must_use]
    pub fn at(&self, day: usize, hour: usize) -> HourClass {
        self.0[(day * HOURS + hour) % WEEK]
    }

    /// How many hours of the week are of a class.
    #[must_use]
    pub fn count(&self, class: HourClass) -> usize {
        self.0.iter().filter(|hour| **hour == class).count()
    }

    /// Sets one hour.
    pub fn paint(&mut self, day: usize, hour: usize, class: HourClass) {
        self.0[(day * HOURS + hour) % WEEK] = class;
    }
}

impl fmt::Debug for WeekGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeekGrid({self})")
    }
}

impl fmt::Display for WeekGrid {
    /// 168 letters: `f`, `r` or `p`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|class| write!(f, "{}", class.letter()))
    }
}

/// A text is no grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a week is 168 letters, each `f`, `r` or `p`")]
pub struct WeekGridError;

impl FromStr for WeekGrid {
    type Err = WeekGridError;

    fn from_str(text: &str) -> Result<Self, WeekGridError> {
        let class = |letter| HourClass::ALL.into_iter().find(|class| class.letter() == letter);
        let hours: Option<Vec<HourClass>> = text.chars().take(WEEK + 1).map(class).collect();
        hours.and_then(|hours| hours.try_into().ok()).map(Self).ok_or(WeekGridError)
    }
}

/// A rate: 10^6 bits a second, from 1 to 100 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Megabits(u32);

impl Megabits {
    /// The lowest rate: below it one piece of a shard takes longer than another box waits for it.
    pub const MIN: Self = Self(1);
    /// Faster than any line of an office.
    pub const MAX: Self = Self(100_000);

    /// `None` outside the range.
    #[must_use]
    pub fn new(megabits: u32) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&megabits).then_some(Self(megabits))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// In bytes a second.
    #[must_use]
    pub fn bytes_per_second(self) -> f64 {
        f64::from(self.0) * 1e6 / 8.0
    }
}

impl fmt::Display for Megabits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a whole number of Mbit/s from 1 to 100000")]
pub struct MegabitsError;

impl FromStr for Megabits {
    type Err = MegabitsError;

    fn from_str(text: &str) -> Result<Self, MegabitsError> {
        text.parse().ok().and_then(Self::new).ok_or(MegabitsError)
    }
}

/// How much of the line goes to the other boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandwidthPlan {
    /// What kind of hour each is.
    pub hours: WeekGrid,
    /// In full hours; `None`: as much as the line takes.
    pub full: Option<Megabits>,
    /// In reduced hours.
    pub reduced: Megabits,
}

impl Default for BandwidthPlan {
    /// Always everything: what is not outside is not safe, and nobody has said yet when people need the line.
    fn default() -> Self {
        Self { hours: WeekGrid::all(HourClass::Full), full: None, reduced: Megabits(5) }
    }
}

/// The plan that was set.
///
/// # Errors
/// [`CatalogError`].
pub fn plan(c: &Connection) -> Result<Option<BandwidthPlan>, CatalogError> {
    let read = |row: &rusqlite::Row<'_>| {
        let full: Option<String> = row.get(1)?;
        let full = full.map(|_| word_at(row, 1)).transpose()?;
        Ok(BandwidthPlan { hours: word_at(row, 0)?, full, reduced: word_at(row, 2)? })
    };
    // As text: a number that is no rate is refused where the others are.
    let sql = "SELECT hours, CAST(full_mbit AS TEXT), CAST(reduced_mbit AS TEXT) FROM bandwidth_plan";
    Ok(c.prepare_cached(sql)?.query_row([], read).optional()?)
}

/// Sets the plan.
///
/// # Errors
/// [`CatalogError`].
pub fn set_plan(tx: &Transaction<'_>, plan: &BandwidthPlan) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO bandwidth_plan (id, hours, full_mbit, reduced_mbit) VALUES (1, ?1, ?2, ?3)",
        params![plan.hours.to_string(), plan.full.map(Megabits::get), plan.reduced.get()],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_reads_what_it_prints_and_nothing_else() {
        let mut week = WeekGrid::all(HourClass::Full);
        week.paint(0, 8, HourClass::Reduced);
        week.paint(6, 23, HourClass::Pause);
        let text = week.to_string();
        assert_eq!(text.parse::<WeekGrid>(), Ok(week));
        assert_eq!((text.len(), &text[8..9], &text[167..]), (168, "r", "p"));
        for bad in [String::new(), text[1..].to_owned(), format!("{text}f"), text.replace('r', "R")] {
            assert_eq!(bad.parse::<WeekGrid>(), Err(WeekGridError), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_a_number_of_the_range() {
        assert_eq!("100000".parse(), Ok(Megabits::MAX));
        for bad in ["", "0", "100001", "-1", "1.5", "5 Mbit/s", "99999999999"] {
            assert_eq!(bad.parse::<Megabits>(), Err(MegabitsError), "{bad}");
        }
    }
}
