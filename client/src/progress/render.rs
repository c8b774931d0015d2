//! Shows a command's counters: a line on a terminal, JSON lines for programs, or nothing.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use super::{Counters, Phase, Progress};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// A line on standard error that is drawn again and again.
    Terminal,
    /// One JSON object a line on standard output, at most one a second.
    JsonLines,
    /// Not at all.
    Silent,
}

impl Display {
    /// What suits: JSON when asked for, a terminal's line when there is one.
    #[must_use]
    pub fn choose(json: bool) -> Self {
        if json {
            Self::JsonLines
        } else if std::io::stderr().is_terminal() {
            Self::Terminal
        } else {
            Self::Silent
        }
    }

    const fn every(self) -> Duration {
        match self {
            Self::Terminal => Duration::from_millis(200),
            Self::JsonLines | Self::Silent => Duration::from_secs(1),
        }
    }
}

/// The thread that shows progress; it ends with [`Self::finish`] or when it is dropped.
#[derive(Debug)]
pub struct Renderer(Option<(Sender<()>, JoinHandle<()>)>);

impl Renderer {
    /// Starts to show `progress`. When no thread can be had, nothing is shown: the command itself goes on.
    #[must_use]
    pub fn start(progress: &Progress, display: Display) -> Self {
        if display == Display::Silent {
            return Self(None);
        }
        let progress = progress.clone();
        let (stop, stopped) = channel();
        let show = move || {
            let mut view = View::new(display);
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(display.every()) {
                view.show(&progress);
            }
            view.clear();
        };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(show);
        Self(thread.ok().map(|thread| (stop, thread)))
    }

    /// Stops and takes the line off the terminal, so that what is printed next stands alone.
    pub fn finish(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // The thread only draws; if it panicked there is nothing left to take off.
            let _ = thread.join();
        }
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        self.stop();
    }
}

enum View {
    Terminal { bar: ProgressBar, pace: Pace, has_total: bool },
    JsonLines,
}

impl View {
    fn new(display: Display) -> Self {
        match display {
            Display::Terminal => Self::Terminal { bar: terminal_bar(), pace: Pace::default(), has_total: false },
            Display::JsonLines | Display::Silent => Self::JsonLines,
        }
    }

    fn show(&mut self, counters: &Counters) {
        match self {
            Self::Terminal { bar, pace, has_total } => {
                pace.sample(Instant::now(), counters);
                let (total, seen) = (counters.bytes_total.get(), counters.bytes_seen.get());
                if total > 0 {
                    if !*has_total {
                        restyle(bar, WITH_TOTAL);
                        *has_total = true;
                    }
                    bar.set_length(total);
                    bar.set_position(seen.min(total));
                }
                bar.set_prefix(counters.phase().word());
                bar.set_message(terminal_line(counters, pace));
                bar.tick();
            }
            Self::JsonLines => print_json(counters),
        }
    }

    fn clear(&self) {
        if let Self::Terminal { bar, .. } = self {
            bar.finish_and_clear();
        }
    }
}

fn terminal_bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    restyle(&bar, WITHOUT_TOTAL);
    bar
}

/// Before a total is known nothing is drawn that would look like a share of it.
const WITHOUT_TOTAL: &str = "{spinner} {prefix:<8} {wide_msg}";
const WITH_TOTAL: &str = "{spinner} {prefix:<8} [{bar:20}] {percent:>3} % · {wide_msg}";

fn restyle(bar: &ProgressBar, template: &str) {
    // The templates are constants and sound; were they not, the bar would look plainer.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

fn terminal_line(counters: &Counters, pace: &Pace) -> String {
    let (entries, bytes) = (counters.entries_seen.get(), BinaryBytes(counters.bytes_seen.get()));
    let phase = counters.phase();
    let totals = match (counters.entries_total.get(), counters.bytes_total.get()) {
        (0, _) => format!("{entries} entries, {bytes}"),
        (entries_total, bytes_total) => {
            format!("{entries}/{entries_total} entries, {bytes}/{}", BinaryBytes(bytes_total))
        }
    };
    let moved = match phase {
        Phase::Restore | Phase::Finish => format!("{} fetched", BinaryBytes(counters.bytes_read.get())),
        Phase::Scan | Phase::Compare | Phase::Send | Phase::Commit => {
            format!("{} new, {} sent", BinaryBytes(counters.bytes_new.get()), BinaryBytes(counters.bytes_sent.get()))
        }
    };
    let left = pace.remaining(counters).map(|(low, high)| format!(" · {low}–{high} min left")).unwrap_or_default();
    let problems = match counters.problems.get() {
        0 => String::new(),
        n => format!(" · {n} problems"),
    };
    format!("{totals} · {moved}{problems}{left}")
}

fn print_json(counters: &Counters) {
    let known = |n: u64| (n > 0).then_some(n);
    let event = serde_json::json!({
        "event": "progress",
        "phase": counters.phase().word(),
        "entries": counters.entries_seen.get(),
        "bytes": counters.bytes_seen.get(),
        "entries_total": known(counters.entries_total.get()),
        "bytes_total": known(counters.bytes_total.get()),
        "bytes_read": counters.bytes_read.get(),
        "bytes_new": counters.bytes_new.get(),
        "bytes_sent": counters.bytes_sent.get(),
        "packs_sent": counters.packs_sent.get(),
        "problems": counters.problems.get(),
    });
    // Nobody reads any more: the command itself is not less important for that.
    let _ = writeln!(std::io::stdout(), "{event}");
}

/// The rate of the last minute, to tell whether it is steady enough to say when the end comes.
#[derive(Debug, Default)]
struct Pace(VecDeque<(Instant, u64)>);

/// A time to go is shown only after this long.
const STEADY_AFTER: Duration = Duration::from_secs(60);

impl Pace {
    fn sample(&mut self, now: Instant, counters: &Counters) {
        if self.0.back().is_some_and(|(at, _)| now.duration_since(*at) < Duration::from_secs(1)) {
            return;
        }
        self.0.push_back((now, counters.bytes_seen.get()));
        while self.0.front().is_some_and(|(at, _)| now.duration_since(*at) > STEADY_AFTER + Duration::from_secs(1)) {
            self.0.pop_front();
        }
    }

    /// Minutes to go, from and to; `None` while the total is unknown or the rate of both half minutes differs too much.
    fn remaining(&self, counters: &Counters) -> Option<(u64, u64)> {
        let total = counters.bytes_total.get();
        let ((first, low), (last, high)) = (*self.0.front()?, *self.0.back()?);
        if total == 0 || last.duration_since(first) < STEADY_AFTER {
            return None;
        }
        let (middle, between) = self.0[self.0.len() / 2];
        let rate = |from: Instant, to: Instant, bytes: u64| bytes / to.duration_since(from).as_secs().max(1);
        let (earlier, later) = (rate(first, middle, between - low), rate(middle, last, high - between));
        let (slow, fast) = (earlier.min(later), earlier.max(later));
        if slow == 0 || fast > slow * 2 {
            return None;
        }
        let left = total.saturating_sub(high);
        Some((left / fast / 60, left / slow / 60 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace_of(rates: [u64; 2]) -> (Pace, Progress) {
        let (progress, mut pace, start) = (Progress::new(), Pace::default(), Instant::now());
        progress.bytes_total.set(1_000_000);
        for second in 0..=60 {
            pace.sample(start + Duration::from_secs(second), &progress);
            progress.bytes_seen.add(rates[usize::from(second >= 30)]);
        }
        (pace, progress)
    }

    #[test]
    fn a_time_to_go_is_shown_only_when_the_rate_is_steady() {
        let (pace, progress) = pace_of([1_000, 1_100]);
        let (low, high) = pace.remaining(&progress).expect("steady");
        assert!((13..=16).contains(&low) && (14..=17).contains(&high), "{low} to {high}");
        let (pace, progress) = pace_of([100, 1_100]);
        assert_eq!(pace.remaining(&progress), None);
        progress.bytes_total.set(0);
        assert_eq!(pace_of([1_000, 1_000]).0.remaining(&progress), None);
    }
}
