//! What a machine did: a calendar of the last 53 weeks, its last runs, and what it takes on the disk. Shown on its page.

use datis_engine::units::UnixMillis;
use fluent_bundle::FluentArgs;

use super::{Date, When};
use crate::locale::Locale;
use crate::operations::{Day, DayRuns, MachineSize, Past, Run, RunOutcome};

/// Weeks of the calendar, the present one included.
const WEEKS: i64 = 53;
/// Side of a day's square with the gap behind it.
const STEP: i64 = 13;
/// 1970-01-01 was a Thursday: so many days after a Monday.
const MONDAY: i64 = 3;

/// How a day went: the best that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayState {
    Complete,
    Incomplete,
    Failed,
    None,
}

impl DayState {
    const ALL: [Self; 4] = [Self::Complete, Self::Incomplete, Self::Failed, Self::None];

    const fn of(runs: Option<&DayRuns>) -> Self {
        match runs {
            Some(runs) if runs.complete > 0 => Self::Complete,
            Some(runs) if runs.incomplete > 0 => Self::Incomplete,
            Some(runs) if runs.failed > 0 => Self::Failed,
            Some(_) | None => Self::None,
        }
    }

    /// Style class.
    const fn class(self) -> &'static str {
        match self {
            Self::Complete => "day-complete",
            Self::Incomplete => "day-incomplete",
            Self::Failed => "day-failed",
            Self::None => "day-none",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Complete => "snapshot-complete",
            Self::Incomplete => "snapshot-incomplete",
            Self::Failed => "run-failed",
            Self::None => "day-none",
        }
    }
}

/// The calendar.
pub(super) struct Calendar {
    pub(super) width: i64,
    pub(super) squares: Vec<Square>,
    pub(super) legend: Vec<Legend>,
    pub(super) sentence: String,
    pub(super) days: Vec<DayRow>,
}

/// A day of the picture.
pub(super) struct Square {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) class: &'static str,
    pub(super) title: String,
}

pub(super) struct Legend {
    pub(super) class: &'static str,
    pub(super) word: String,
    pub(super) count: u64,
}

/// A day of the table, for those who cannot see the picture.
pub(super) struct DayRow {
    pub(super) date: String,
    pub(super) word: String,
    pub(super) complete: u64,
    pub(super) incomplete: u64,
    pub(super) failed: u64,
}

pub(super) fn date_of(day: Day) -> String {
    Date::new(day.start()).shown.split(' ').next().unwrap_or_default().to_owned()
}

/// The calendar of a machine that came on `since`; days before that are not drawn.
pub(super) fn calendar(past: &Past, since: UnixMillis, locale: &Locale) -> Calendar {
    let weekday = |day: Day| (day.0 + MONDAY).rem_euclid(7);
    let first_monday = past.today.0 - weekday(past.today) - (WEEKS - 1) * 7;
    // Backups may be older than the enrolment: of a machine that was enrolled again, or after a rebuild.
    let came = past.days.first().map_or(Day::of(since), |first| first.day.min(Day::of(since)));
    let first = first_monday.max(came.0);
    let runs_of = |day: Day| past.days.iter().find(|runs| runs.day == day);
    let (mut squares, mut counts) = (Vec::new(), [0_u64; DayState::ALL.len()]);
    for number in first..=past.today.0 {
        let day = Day(number);
        let state = DayState::of(runs_of(day));
        for (count, _) in counts.iter_mut().zip(DayState::ALL).filter(|(_, each)| *each == state) {
            *count += 1;
        }
        squares.push(Square {
            x: (number - first_monday).div_euclid(7) * STEP,
            y: weekday(day) * STEP,
            class: state.class(),
            title: format!("{}: {}", date_of(day), locale.word(state.key())),
        });
    }
    let legend = DayState::ALL.into_iter().zip(counts).map(|(state, count)| Legend {
        class: state.class(),
        word: locale.word(state.key()),
        count,
    });
    let mut args = FluentArgs::new();
    args.set("n", counts.first().copied().unwrap_or(0));
    args.set("all", squares.len() as u64);
    let days = past.days.iter().rev().filter(|runs| runs.day.0 >= first).map(|runs| DayRow {
        date: date_of(runs.day),
        word: locale.word(DayState::of(Some(runs)).key()),
        complete: runs.complete,
        incomplete: runs.incomplete,
        failed: runs.failed,
    });
    Calendar {
        width: WEEKS * STEP,
        legend: legend.collect(),
        sentence: locale.say("calendar-sentence", &args),
        days: days.collect(),
        squares,
    }
}

/// A run in the list.
pub(super) struct RunRow {
    pub(super) source: String,
    /// Style class.
    pub(super) tone: &'static str,
    pub(super) word: String,
    pub(super) when: When,
    pub(super) reading: String,
    pub(super) commit: String,
    pub(super) took: String,
    pub(super) new_size: String,
    /// Why it failed, or what is missing.
    pub(super) more: String,
}

pub(super) fn run_rows(runs: &[Run], now: i64, locale: &Locale) -> Vec<RunRow> {
    runs.iter().map(|run| run_row(run, now, locale)).collect()
}

fn run_row(run: &Run, now: i64, locale: &Locale) -> RunRow {
    let (tone, key) = match run.outcome {
        RunOutcome::Complete => ("pass", "snapshot-complete"),
        RunOutcome::Incomplete => ("warn", "snapshot-incomplete"),
        RunOutcome::Failed => ("fail", "run-failed"),
    };
    RunRow {
        source: run.source.to_string(),
        tone,
        word: locale.word(key),
        when: When::new(run.reported_at, UnixMillis(now), locale),
        reading: length(run.reading_ms, locale),
        commit: length(run.commit_ms, locale),
        took: length(run.took_ms, locale),
        new_size: locale.bytes(run.new_bytes),
        more: match run.outcome {
            RunOutcome::Complete => String::new(),
            RunOutcome::Incomplete => locale.count("run-problems", run.problems),
            RunOutcome::Failed => run.message.clone(),
        },
    }
}

/// A length of time, in its largest unit.
fn length(millis: u64, locale: &Locale) -> String {
    let mut args = FluentArgs::new();
    match millis {
        0..60_000 => {
            // Tenths of a second.
            args.set("n", f64::from(u32::try_from(millis / 100).unwrap_or(0)) / 10.0);
            locale.say("length-seconds", &args)
        }
        60_000..3_600_000 => locale.count("length-minutes", millis / 60_000),
        _ => locale.count("length-hours", millis / 3_600_000),
    }
}

/// What each source of a machine leaves out, as its last run told.
pub(super) fn excludes(runs: &[Run]) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = Vec::new();
    for run in runs {
        if shown.iter().all(|(source, _)| source != run.source.as_str()) {
            shown.push((run.source.to_string(), run.excludes.join(" · ")));
        }
    }
    shown.retain(|(_, excludes)| !excludes.is_empty());
    shown
}

/// What a machine takes on the disk.
pub(super) struct Sizes {
    pub(super) unique: String,
    pub(super) shared: String,
    pub(super) as_of: String,
}

pub(super) fn sizes(size: Option<MachineSize>, now: i64, locale: &Locale) -> Option<Sizes> {
    size.map(|size| Sizes {
        unique: locale.bytes(size.unique_bytes),
        shared: locale.bytes(size.shared_bytes),
        as_of: When::new(size.weighed_at, UnixMillis(now), locale).ago,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::Language;

    fn past(days: &[(i64, u64, u64, u64)]) -> Past {
        // 2026-11-22, a Sunday.
        let today = Day(20_779);
        let days = days.iter().map(|(ago, complete, incomplete, failed)| DayRuns {
            day: Day(today.0 - ago),
            complete: *complete,
            incomplete: *incomplete,
            failed: *failed,
        });
        Past { today, days: days.rev().collect(), runs: Vec::new(), size: None }
    }

    #[test]
    fn the_calendar_begins_on_a_monday_and_ends_today() {
        let locale = Locale::open(Language::English).expect("tables");
        let calendar = calendar(&past(&[(0, 1, 0, 2), (1, 0, 3, 1), (2, 0, 0, 1)]), UnixMillis(0), &locale);
        assert_eq!(calendar.squares.len(), 53 * 7, "today is a Sunday, so the last week is whole");
        let place = |at: usize| (calendar.squares[at].x, calendar.squares[at].y);
        assert_eq!((place(0), place(370)), ((0, 0), (52 * STEP, 6 * STEP)));
        let states: Vec<_> = calendar.squares[367..].iter().map(|square| square.class).collect();
        assert_eq!(states, ["day-none", "day-failed", "day-incomplete", "day-complete"], "the best of a day counts");
        assert_eq!(calendar.squares[370].title, "2026-11-22: complete");
        assert_eq!(calendar.days[0].failed, 2);
        assert_eq!(calendar.legend.iter().map(|l| l.count).collect::<Vec<_>>(), [1, 1, 1, 368]);
    }

    #[test]
    fn days_before_a_machine_came_are_not_its_failures() {
        let locale = Locale::open(Language::English).expect("tables");
        let since = Day(20_779 - 3).start();
        assert_eq!(calendar(&past(&[]), since, &locale).squares.len(), 4);
        assert_eq!(calendar(&past(&[(9, 1, 0, 0)]), since, &locale).squares.len(), 10, "it had backups before");
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let locale = Locale::open(Language::French).expect("tables");
        assert_eq!(length(1_260, &locale), "1,2\u{a0}s");
        assert!(length(150_000, &locale).starts_with('2'));
        assert!(length(7_300_000, &locale).starts_with('2'));
    }
}
