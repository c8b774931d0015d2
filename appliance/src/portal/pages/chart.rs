//! A line over time: a picture that the server makes, with a table for those who cannot see it. Where scripts run, the
//! table is drawn again so that people can zoom (`portal-templates/static/chart.js`).

use super::assets::Asset;
use super::past::date_of;
use crate::locale::Locale;
use crate::operations::DiskDay;

/// The picture's sides.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 160;
/// Powers of 1024 that sizes are told in.
const UNITS: usize = 6;

/// How full the disk was.
pub(super) struct Chart {
    /// Path of the line.
    pub(super) line: String,
    /// What the picture shows, in a sentence.
    pub(super) sentence: String,
    /// Of sizes, the smallest first, with spaces between.
    pub(super) units: String,
    /// The newest first.
    pub(super) rows: Vec<ChartRow>,
    /// Where the files are that let people zoom.
    pub(super) plot: &'static str,
    pub(super) plot_style: &'static str,
    pub(super) script: &'static str,
}

pub(super) struct ChartRow {
    pub(super) date: String,
    /// Seconds since 1970.
    pub(super) at: i64,
    pub(super) used_bytes: u64,
    pub(super) total_bytes: u64,
    pub(super) used: String,
    pub(super) total: String,
}

impl Chart {
    /// `days` in their order. A line needs two of them.
    pub(super) fn of_disk(days: &[DiskDay], locale: &Locale) -> Option<Self> {
        let (first, last) = (days.first()?, days.last()?);
        let most = days.iter().map(|day| day.total_bytes.max(day.used_bytes)).max()?;
        let span = u64::try_from(last.day.0 - first.day.0).ok().filter(|span| *span > 0)?;
        let points = days.iter().map(|day| {
            let x = day.day.0.abs_diff(first.day.0) * WIDTH / span;
            let y = HEIGHT - scaled(day.used_bytes, most);
            format!("{x},{y}")
        });
        let mut args = fluent_bundle::FluentArgs::new();
        args.set("from", date_of(first.day));
        args.set("until", date_of(last.day));
        args.set("before", locale.bytes(first.used_bytes));
        args.set("now", locale.bytes(last.used_bytes));
        Some(Self {
            line: format!("M{}", points.collect::<Vec<_>>().join("L")),
            sentence: locale.say("disk-chart-sentence", &args),
            units: (0..UNITS).map(|power| locale.word(&format!("unit-{power}"))).collect::<Vec<_>>().join(" "),
            rows: days.iter().rev().map(|day| row(day, locale)).collect(),
            plot: Asset::Plot.path(),
            plot_style: Asset::PlotStyle.path(),
            script: Asset::ChartScript.path(),
        })
    }
}

/// In the picture's height.
fn scaled(bytes: u64, most: u64) -> u64 {
    let height = u128::from(bytes) * u128::from(HEIGHT) / u128::from(most.max(1));
    u64::try_from(height).unwrap_or(HEIGHT)
}

fn row(day: &DiskDay, locale: &Locale) -> ChartRow {
    ChartRow {
        date: date_of(day.day),
        at: day.day.start().0 / 1_000,
        used_bytes: day.used_bytes,
        total_bytes: day.total_bytes,
        used: locale.bytes(day.used_bytes),
        total: locale.bytes(day.total_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::Language;
    use crate::operations::Day;

    fn days(used: &[(i64, u64)]) -> Vec<DiskDay> {
        used.iter()
            .map(|(day, used_bytes)| DiskDay { day: Day(20_000 + day), used_bytes: *used_bytes, total_bytes: 1_600 })
            .collect()
    }

    #[test]
    fn the_line_goes_by_days_and_sizes_and_needs_two_days() {
        let locale = Locale::open(Language::English).expect("locale");
        assert!(Chart::of_disk(&[], &locale).is_none());
        assert!(Chart::of_disk(&days(&[(0, 1)]), &locale).is_none());
        let chart = Chart::of_disk(&days(&[(0, 0), (5, 800), (10, 1_600)]), &locale).expect("a chart");
        assert_eq!(chart.line, "M0,160L300,80L600,0");
        assert_eq!(chart.rows.first().map(|row| (row.used_bytes, row.at)), Some((1_600, 20_010 * 86_400)));
        assert!(
            chart.sentence.contains("0\u{a0}bytes") && chart.sentence.contains("1.6\u{a0}KiB"),
            "{}",
            chart.sentence
        );
        assert_eq!(chart.units.split(' ').count(), UNITS);
        // A disk that was larger once, and sizes beyond any disk.
        let huge = Chart::of_disk(&days(&[(0, u64::MAX), (1, 5)]), &locale).expect("a chart");
        assert_eq!(huge.line, "M0,0L600,160");
    }
}
