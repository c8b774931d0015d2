//! How full the disk was, day by day, and when it will be full if it goes on like that.

use super::OperationError;
use super::site::Site;
use crate::catalog::capacity::{self, DiskDay};
use crate::catalog::runs::Day;

/// Days that the trend rests on, at most and at least.
const DAYS_MAX: i64 = 30;
const DAYS_MIN: u64 = 7;
/// Who looks further ahead than ten years looks at noise.
const WEEKS_MAX: i128 = 520;

/// What the trend says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// Fewer days are recorded than a trend needs.
    TooEarly {
        /// So many are.
        days: u64,
        /// So many are needed.
        needed: u64,
    },
    /// It does not grow, or so slowly that nobody need care.
    NotGrowing,
    /// Full in about so many weeks.
    Full {
        /// 0: within this week.
        weeks: u64,
    },
}

/// Writes down how full the disk is, once a day.
///
/// # Errors
/// [`OperationError`].
pub fn note_disk(site: &Site) -> Result<(), OperationError> {
    let today = Day::of(site.clock.now());
    let known = site.catalog.reader().read(|tx| capacity::has(tx, today))?;
    let Some(space) = site.store.space()?.filter(|_| !known) else { return Ok(()) };
    let day = DiskDay {
        day: today,
        used_bytes: space.total_bytes.saturating_sub(space.free_bytes),
        total_bytes: space.total_bytes,
    };
    let kept = site.catalog.writer().write(|tx| capacity::keep(tx, &day));
    kept.map_err(|e: crate::catalog::CatalogError| site.noted(e.into()))
}

/// How full the disk was, on all days that are remembered, in their order.
///
/// # Errors
/// [`OperationError`].
pub fn disk_days(site: &Site) -> Result<Vec<DiskDay>, OperationError> {
    Ok(site.catalog.reader().read(|tx| capacity::since(tx, Day(i64::MIN)))?)
}

/// When the disk will be full, by the trend of the last 30 days.
///
/// # Errors
/// [`OperationError`].
pub fn forecast(site: &Site) -> Result<Forecast, OperationError> {
    let first = Day(Day::of(site.clock.now()).0 - DAYS_MAX + 1);
    let days = site.catalog.reader().read(|tx| capacity::since(tx, first))?;
    Ok(trend(&days))
}

/// The straight line with the least squares through all days, followed from the last day on. Days on a disk of another size
/// do not count.
fn trend(days: &[DiskDay]) -> Forecast {
    let Some(last) = days.last() else { return Forecast::TooEarly { days: 0, needed: DAYS_MIN } };
    let same: Vec<&DiskDay> = days.iter().filter(|day| day.total_bytes == last.total_bytes).collect();
    let count = same.len() as u64;
    if count < DAYS_MIN {
        return Forecast::TooEarly { days: count, needed: DAYS_MIN };
    }
    let point = |day: &DiskDay| (i128::from(day.day.0 - last.day.0), i128::from(day.used_bytes));
    let sum = |of: &dyn Fn((i128, i128)) -> i128| same.iter().map(|day| of(point(day))).sum::<i128>();
    let n = i128::from(count);
    let (x, y, xx, xy) = (sum(&|p| p.0), sum(&|p| p.1), sum(&|p| p.0 * p.0), sum(&|p| p.0 * p.1));
    // Bytes a day are `rise / run`.
    let (rise, run) = (n * xy - x * y, n * xx - x * x);
    let free = i128::from(last.total_bytes.saturating_sub(last.used_bytes));
    if rise <= 0 || run <= 0 {
        return Forecast::NotGrowing;
    }
    match free * run / rise / 7 {
        weeks if weeks > WEEKS_MAX => Forecast::NotGrowing,
        weeks => Forecast::Full { weeks: u64::try_from(weeks).unwrap_or(0) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestBox;
    use super::*;

    const GIB: u64 = 1 << 30;

    fn days(used: &[u64]) -> Vec<DiskDay> {
        let day = |(at, used): (usize, &u64)| DiskDay {
            day: Day(20_000 + i64::try_from(at).expect("small")),
            used_bytes: *used,
            total_bytes: 1_000 * GIB,
        };
        used.iter().enumerate().map(day).collect()
    }

    #[test]
    fn the_trend_is_followed_and_never_invented() {
        let steady: Vec<u64> = (0..30).map(|day| (400 + 2 * day) * GIB).collect();
        // 458 GiB are used and 542 free: 271 days.
        assert_eq!(trend(&days(&steady)), Forecast::Full { weeks: 38 });
        let noisy: Vec<u64> = (0..30).map(|day| (400 + 2 * day + [0, 7, 3][day as usize % 3]) * GIB).collect();
        assert!(matches!(trend(&days(&noisy)), Forecast::Full { weeks: 36..=40 }));
        assert_eq!(trend(&days(&steady[..6])), Forecast::TooEarly { days: 6, needed: 7 });
        assert_eq!(trend(&[]), Forecast::TooEarly { days: 0, needed: 7 });
        let falling: Vec<u64> = steady.iter().rev().copied().collect();
        for flat in [vec![5 * GIB; 30], falling, (0..30).map(|day| 5 * GIB + day).collect()] {
            assert_eq!(trend(&days(&flat)), Forecast::NotGrowing);
        }
        let full: Vec<u64> = (0..10).map(|day| (990 + day) * GIB).collect();
        assert_eq!(trend(&days(&full)), Forecast::Full { weeks: 0 });
    }

    #[test]
    fn a_larger_disk_begins_a_trend_of_its_own() {
        let mut days = days(&(0..30).map(|day| day * 30 * GIB).collect::<Vec<_>>());
        for day in &mut days[27..] {
            day.total_bytes = 4_000 * GIB;
        }
        assert_eq!(trend(&days), Forecast::TooEarly { days: 3, needed: 7 });
    }

    #[test]
    fn one_figure_a_day_is_written_down() {
        let test = TestBox::start();
        let site = test.site();
        let commits = site.changes();
        note_disk(site).expect("note");
        note_disk(site).expect("note");
        assert_eq!(site.changes(), commits + 1);
        assert_eq!(forecast(site).expect("forecast"), Forecast::TooEarly { days: 1, needed: 7 });
    }
}
