//! What a long command has done so far: counters that any thread may add to, and a thread that shows them.
//!
//! Counting never waits for showing. Totals are shown only once they are known; nothing is guessed.

mod render;

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use render::{Display, Renderer};

/// A number that only grows, added to by any thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets it, for totals that become known at once.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a long command is about at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Finding out what is there (backup), or what is to be written (restore).
    #[default]
    Scan,
    /// Comparing it with what the box has.
    Compare,
    /// Sending what is new.
    Send,
    /// Waiting for the box to make it durable.
    Commit,
    /// Fetching and writing files.
    Restore,
    /// Links, times and other metadata of what was restored.
    Finish,
}

impl Phase {
    const ALL: [Self; 6] = [Self::Scan, Self::Compare, Self::Send, Self::Commit, Self::Restore, Self::Finish];

    /// The word for it on screens and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Compare => "compare",
            Self::Send => "send",
            Self::Commit => "commit",
            Self::Restore => "restore",
            Self::Finish => "finish",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Scan => 0,
            Self::Compare => 1,
            Self::Send => 2,
            Self::Commit => 3,
            Self::Restore => 4,
            Self::Finish => 5,
        }
    }
}

/// How long each phase took.
#[derive(Debug, Default)]
struct Spent {
    in_phase: [Duration; Phase::ALL.len()],
    /// Since when the present one counts.
    since: Option<Instant>,
}

impl Spent {
    /// Adds what has passed to the present phase.
    fn close(&mut self, present: Phase) {
        let Some(since) = self.since else { return };
        let now = Instant::now();
        if let Some(spent) = self.in_phase.get_mut(usize::from(present.number())) {
            *spent += now.saturating_duration_since(since);
        }
        self.since = Some(now);
    }
}

/// The counters of one command. All sizes are bytes.
#[derive(Debug, Default)]
pub struct Counters {
    phase: AtomicU8,
    spent: Mutex<Spent>,
    interrupted: AtomicBool,
    /// The command that this is a part of.
    whole: Option<Progress>,
    /// Entries dealt with so far.
    pub entries_seen: Counter,
    /// Regular files among them.
    pub files_seen: Counter,
    /// Lengths of these files.
    pub bytes_seen: Counter,
    /// Bytes read from files, or from the box when restoring.
    pub bytes_read: Counter,
    /// Bytes that the box did not have yet.
    pub bytes_new: Counter,
    /// Bytes sent, compressed and sealed.
    pub bytes_sent: Counter,
    /// Packs sent.
    pub packs_sent: Counter,
    /// Entries that could not be dealt with.
    pub problems: Counter,
    /// How many entries there are in all; 0 until that is known.
    pub entries_total: Counter,
    /// How many bytes [`Self::bytes_seen`] will reach; 0 until that is known.
    pub bytes_total: Counter,
}

/// Shared handle on the counters of one command.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

impl Progress {
    /// All zero, in the first phase.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counters of its own for a part of the command. Who interrupts the command interrupts the part, not the other way round.
    #[must_use]
    pub fn part(&self) -> Self {
        Self(Arc::new(Counters { whole: Some(self.clone()), ..Counters::default() }))
    }
}

impl Deref for Progress {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.0
    }
}

impl Counters {
    /// A new phase has begun.
    pub fn enter(&self, phase: Phase) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.close(self.phase());
        spent.since = Some(Instant::now());
        self.phase.store(phase.number(), Ordering::Relaxed);
    }

    /// How long the command has been in a phase so far, however often it was entered.
    #[must_use]
    pub fn spent_in(&self, phase: Phase) -> Duration {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.close(self.phase());
        spent.in_phase.get(usize::from(phase.number())).copied().unwrap_or_default()
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::ALL.get(usize::from(self.phase.load(Ordering::Relaxed))).copied().unwrap_or_default()
    }

    /// The command begins again from the start: what it has seen so far is seen a second time. What was read, sent or
    /// went wrong stays counted.
    pub fn begin_again(&self) {
        for counter in [&self.entries_seen, &self.files_seen, &self.bytes_seen] {
            counter.set(0);
        }
    }

    /// Asks the command to come to a clean end soon; called when the user presses Ctrl-C or the service is stopped.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Whether the command is to come to a clean end; long loops look at it at every turn.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.whole.as_ref().is_some_and(|whole| whole.is_interrupted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_a_phase_adds_up_over_its_visits() {
        let progress = Progress::new();
        assert_eq!(progress.spent_in(Phase::Scan), Duration::ZERO, "nothing was entered yet");
        for phase in [Phase::Scan, Phase::Commit, Phase::Scan] {
            progress.enter(phase);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(progress.spent_in(Phase::Scan) >= Duration::from_millis(10));
        assert!(progress.spent_in(Phase::Commit) >= Duration::from_millis(5));
        assert_eq!(progress.spent_in(Phase::Restore), Duration::ZERO);
    }

    #[test]
    fn handles_share_their_counters_and_phases_read_back() {
        let progress = Progress::new();
        let other = progress.clone();
        other.bytes_seen.add(7);
        assert_eq!(progress.bytes_seen.get(), 7);
        for phase in Phase::ALL {
            progress.enter(phase);
            assert_eq!(other.phase(), phase);
        }
    }
}
