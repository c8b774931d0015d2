//! Heartbeats: "I am alive" to the box, and what it wants in answer. Each in a thread of its own, so that a box that is
//! not there holds nothing up.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use datis_engine::wire::{Heartbeat, Policy};

use super::clocks::wall_now;
use crate::link::{Connection, LinkError};
use crate::state::{State, StateError};

/// How often the box is told that this machine is alive.
const EVERY: Duration = Duration::from_secs(300);

/// How soon it is told again when it did not answer, at first and at last.
const RETRY_FIRST: Duration = Duration::from_secs(15);

/// How soon after one heartbeat the next one may come, whatever happens.
const PAUSE_MIN: Duration = Duration::from_secs(5);

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Why the box could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeartError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    State(#[from] StateError),
}

/// When the next heartbeat is to come.
pub(super) struct Heart {
    next: Instant,
    last: Option<Instant>,
    failures: u32,
    is_beating: bool,
}

impl Heart {
    pub(super) fn new() -> Self {
        Self { next: Instant::now(), last: None, failures: 0, is_beating: false }
    }

    /// Whether the last heartbeats were not answered.
    pub(super) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Something has happened that makes an earlier heartbeat worth while.
    pub(super) fn hurry(&mut self) {
        self.next = self.next.min(self.last.map_or_else(Instant::now, |last| last + PAUSE_MIN));
    }

    /// Sends one if it is time; `answered` is called in another thread.
    pub(super) fn beat(&mut self, dir: PathBuf, answered: impl FnOnce(Result<Policy, HeartError>) + Send + 'static) {
        if self.is_beating || Instant::now() < self.next {
            return;
        }
        let beat = move || answered(once(dir));
        match std::thread::Builder::new().name("heartbeat".to_owned()).spawn(beat) {
            Ok(_) => self.is_beating = true,
            Err(error) => {
                tracing::warn!(%error, "no heartbeat can be sent");
                self.next = Instant::now() + RETRY_FIRST;
            }
        }
    }

    /// The answer is there.
    pub(super) fn ended(&mut self, is_answered: bool) {
        let now = Instant::now();
        self.is_beating = false;
        self.last = Some(now);
        self.failures = if is_answered { 0 } else { self.failures.saturating_add(1) };
        let wait = match self.failures {
            0 => EVERY,
            failures => RETRY_FIRST.saturating_mul(1 << (failures - 1).min(8)).min(EVERY),
        };
        self.next = now + wait;
    }
}

/// The state directory is read each time: this machine may have been enrolled anew.
fn once(dir: PathBuf) -> Result<Policy, HeartError> {
    let state = State::open(dir)?;
    let mut connection = state.link()?.connect()?;
    Ok(ask(&mut connection)?)
}

/// One heartbeat on a connection.
pub(crate) fn ask(connection: &mut Connection) -> Result<Policy, LinkError> {
    let message = Heartbeat { client_version: env!("CARGO_PKG_VERSION").to_owned(), now: wall_now() };
    connection.ask_once(&message, ANSWER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_that_are_not_answered_come_sooner_and_then_rarer() {
        let mut heart = Heart::new();
        let mut wait = |is_answered| {
            heart.ended(is_answered);
            heart.next.duration_since(heart.last.expect("one has ended")).as_secs()
        };
        assert_eq!([wait(false), wait(false), wait(false)], [15, 30, 60]);
        assert_eq!((0..10).map(|_| wait(false)).last(), Some(300));
        assert_eq!(wait(true), 300);
        assert_eq!(wait(false), 15);
        heart.hurry();
        assert_eq!(heart.next.duration_since(heart.last.expect("one has ended")), PAUSE_MIN);
    }
}
