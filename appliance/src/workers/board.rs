//! What workers show of themselves, and how they are told to stop.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datis_engine::units::UnixMillis;
use serde::Serialize;

/// What a worker does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkState {
    /// There is nothing to do.
    Idle,
    /// It works.
    Working,
    /// There may be something to do, but a backup or a command is going on, which has the right of way.
    Waiting,
    /// The last step failed; it is tried again later.
    Failed,
}

/// A worker at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerState {
    /// Which one: `verifier`, `scrub`, `prune`, `compaction`, `index`, `proofs`, `commissioning`.
    pub name: &'static str,
    /// What it does.
    pub state: WorkState,
    /// How far it is, for people.
    pub progress: Option<String>,
    /// What went wrong last; gone once a round succeeds.
    pub last_error: Option<String>,
    /// When it last ended a round, milliseconds since 1970.
    pub last_run: Option<i64>,
}

pub(super) struct Board {
    states: Mutex<Vec<WorkerState>>,
    calls: Mutex<Calls>,
    called: Condvar,
}

/// What those that sleep are to hear.
struct Calls {
    is_over: bool,
    /// By worker: whether there is something to do for it.
    nudged: Vec<bool>,
}

impl Board {
    pub(super) fn new(names: impl Iterator<Item = &'static str>) -> Self {
        let idle =
            |name| WorkerState { name, state: WorkState::Idle, progress: None, last_error: None, last_run: None };
        let states: Vec<WorkerState> = names.map(idle).collect();
        let calls = Calls { is_over: false, nudged: vec![false; states.len()] };
        Self { states: Mutex::new(states), calls: Mutex::new(calls), called: Condvar::new() }
    }

    pub(super) fn states(&self) -> Vec<WorkerState> {
        lock(&self.states).clone()
    }

    pub(super) fn note(&self, at: usize, state: WorkState, progress: Option<String>) {
        self.change(at, |worker| (worker.state, worker.progress) = (state, progress));
    }

    pub(super) fn succeeded(&self, at: usize, now: UnixMillis) {
        self.change(at, |worker| {
            let name = worker.name;
            let (state, last_run) = (WorkState::Idle, Some(now.0));
            *worker = WorkerState { name, state, progress: None, last_error: None, last_run };
        });
    }

    pub(super) fn failed(&self, at: usize, error: String) {
        self.change(at, |worker| {
            (worker.state, worker.progress, worker.last_error) = (WorkState::Failed, None, Some(error));
        });
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut WorkerState)) {
        if let Some(worker) = lock(&self.states).get_mut(at) {
            change(worker);
        }
    }

    /// The worker sleeps, unless it was nudged since it has slept last; false when it is time to end.
    pub(super) fn sleep(&self, at: usize, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut calls = lock(&self.calls);
        loop {
            if calls.is_over {
                return false;
            }
            if calls.nudged.get_mut(at).is_some_and(std::mem::take) {
                return true;
            }
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return true;
            };
            calls = self.called.wait_timeout(calls, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// There is something to do for a worker: it does not sleep on.
    pub(super) fn nudge(&self, at: usize) {
        if let Some(nudged) = lock(&self.calls).nudged.get_mut(at) {
            *nudged = true;
        }
        self.called.notify_all();
    }

    pub(super) fn stop(&self) {
        lock(&self.calls).is_over = true;
        self.called.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
