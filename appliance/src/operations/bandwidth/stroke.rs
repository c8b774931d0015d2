//! Hours that get a class together, as people say it: `mon-fri 8-19 reduced`.

use std::fmt;
use std::str::FromStr;

use super::{HOURS, HourClass, WeekGrid};

/// Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Some days, the same hours of each, and what they become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stroke {
    /// From this day to that one, with both; 0 is Monday.
    days: (usize, usize),
    /// From this hour until that one, without it.
    hours: (usize, usize),
    class: HourClass,
}

impl Stroke {
    /// `None` unless both go forward within a week and a day.
    #[must_use]
    pub fn new(days: (usize, usize), hours: (usize, usize), class: HourClass) -> Option<Self> {
        let is_week = days.0 <= days.1 && days.1 < DAYS.len();
        let is_day = hours.0 < hours.1 && hours.1 <= HOURS;
        (is_week && is_day).then_some(Self { days, hours, class })
    }

    /// Sets its hours in a week.
    pub fn paint(&self, week: &mut WeekGrid) {
        for day in self.days.0..=self.days.1 {
            for hour in self.hours.0..self.hours.1 {
                week.paint(day, hour, self.class);
            }
        }
    }

    /// All of a week in as few strokes as hours that follow one another need.
    #[must_use]
    pub fn of_week(week: &WeekGrid) -> Vec<Self> {
        let mut strokes: Vec<Self> = Vec::new();
        let mut day = 0;
        while day < DAYS.len() {
            let is_alike = |other: usize| (0..HOURS).all(|hour| week.at(day, hour) == week.at(other, hour));
            let last = (day..DAYS.len()).take_while(|other| is_alike(*other)).last().unwrap_or(day);
            let mut from = 0;
            while from < HOURS {
                let class = week.at(day, from);
                let until = (from..HOURS).find(|hour| week.at(day, *hour) != class).unwrap_or(HOURS);
                strokes.push(Self { days: (day, last), hours: (from, until), class });
                from = until;
            }
            day = last + 1;
        }
        strokes
    }
}

impl fmt::Display for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (DAYS[self.days.0], DAYS[self.days.1]);
        match first == last {
            true => write!(f, "{first}")?,
            false => write!(f, "{first}-{last}")?,
        }
        write!(f, " {}-{} {}", self.hours.0, self.hours.1, self.class.word())
    }
}

/// A text says no hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "hours are said as `mon-fri 8-19 reduced`: a day or two with a dash between, the hours from 0 to 24, and `full`, \
     `reduced` or `pause`; what goes over midnight or over Sunday takes two of them"
)]
pub struct StrokeError;

impl FromStr for Stroke {
    type Err = StrokeError;

    fn from_str(text: &str) -> Result<Self, StrokeError> {
        let mut words = text.split_whitespace();
        let (Some(days), Some(hours), Some(class), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(StrokeError);
        };
        let day = |word: &str| DAYS.iter().position(|day| *day == word).ok_or(StrokeError);
        let hour = |word: &str| word.parse::<usize>().map_err(|_| StrokeError);
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (from, until) = hours.split_once('-').ok_or(StrokeError)?;
        let class = class.parse().map_err(|_| StrokeError)?;
        Self::new((day(first)?, day(last)?), (hour(from)?, hour(until)?), class).ok_or(StrokeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_are_painted_in_order_and_said_again_alike() {
        let mut week = WeekGrid::all(HourClass::Full);
        for text in ["mon-fri 8-19 reduced", "wed 8-10 pause", "sun 0-24 pause"] {
            let stroke: Stroke = text.parse().expect(text);
            assert_eq!(stroke.to_string(), text);
            stroke.paint(&mut week);
        }
        assert_eq!((week.count(HourClass::Reduced), week.count(HourClass::Pause)), (5 * 11 - 2, 2 + 24));
        let mut again = WeekGrid::all(HourClass::Full);
        let said = Stroke::of_week(&week);
        said.iter().for_each(|stroke| stroke.paint(&mut again));
        assert_eq!(again, week);
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said[..3], ["mon-tue 0-8 full", "mon-tue 8-19 reduced", "mon-tue 19-24 full"]);
    }

    #[test]
    fn what_says_no_hours_is_refused() {
        for bad in [
            "",
            "mon",
            "mon 8-19",
            "mon 8 full",
            "mon 19-8 full",
            "mon 8-8 full",
            "mon 0-25 full",
            "fri-mon 0-1 full",
            "Mon 0-1 full",
            "mon 0-1 slow",
            "mon 0-1 full full",
            "mon- 0-1 full",
            "mon -1-2 full",
        ] {
            assert_eq!(bad.parse::<Stroke>(), Err(StrokeError), "{bad}");
        }
    }
}
