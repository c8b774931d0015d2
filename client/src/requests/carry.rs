//! Carrying out a request that was agreed to: path after path with the restore's own engine, and the box is told how far.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datis_engine::wire::{PutBackMode, PutBackStep, TellPutBack};

use super::{Request, RequestError};
use crate::errors::chain;
use crate::link::LinkError;
use crate::progress::Progress;
use crate::restore::{self, Mode, RestoreError, RestoreRequest, RestoreSummary};
use crate::state::State;

/// How often the box hears how far it is; and how soon it is known here that it was cancelled.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// How often there is a look whether the work is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Characters of a reason that the box is told.
const REASON_MAX: usize = 200;

/// What was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Regular files, each byte of which was checked.
    pub files: u64,
    /// Other entries.
    pub others: u64,
    /// Bytes.
    pub bytes: u64,
    /// Entries that were not put back.
    pub problems: u64,
    /// The first reason for that.
    pub first_problem: Option<String>,
}

impl Carried {
    fn add(&mut self, done: &RestoreSummary) {
        self.files += done.files;
        self.others += done.others;
        self.bytes += done.bytes;
        self.problems += done.problem_count;
        if let (None, Some(problem)) = (&self.first_problem, done.problems.first()) {
            self.first_problem = Some(format!("{}: {}", problem.path, problem.reason));
        }
    }

    /// A part that failed as a whole counts as one problem; the others are put back all the same.
    fn failed(&mut self, error: &RestoreError) {
        self.problems += 1;
        self.first_problem.get_or_insert_with(|| chain(error));
    }
}

/// Tells the box that nobody here agrees.
///
/// # Errors
/// [`RequestError`].
pub fn refuse(state: &State, request: u64, by: &str) -> Result<(), RequestError> {
    let told = TellPutBack { step: PutBackStep::Refused, ..message(request, by, &Carried::default()) };
    tell(state, &told).map(drop)
}

/// Puts everything back that `request` names. `by`: who has agreed.
///
/// # Errors
/// [`RequestError`]; the box is told why, as far as it can be reached.
pub fn carry_out(state: &State, request: &Request, by: &str, progress: &Progress) -> Result<Carried, RequestError> {
    let _only_one = state.lock_put_back()?;
    let id = request.id;
    if !tell(state, &message(id, by, &Carried::default()))? {
        return Err(RequestError::Over(id));
    }
    let is_over = AtomicBool::new(false);
    let was_cancelled = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        scope.spawn(|| keep_telling(state, request, by, progress, &is_over, &was_cancelled));
        let done = put_back(state, request, progress);
        is_over.store(true, Ordering::Relaxed);
        done
    });
    if was_cancelled.load(Ordering::Relaxed) {
        return Err(RequestError::Over(id));
    }
    let last = match &done {
        Ok(carried) => {
            let step = match (carried.problems, carried.files + carried.others) {
                (0, _) => PutBackStep::Done,
                (_, 0) => PutBackStep::Failed,
                (_, _) => PutBackStep::Incomplete,
            };
            TellPutBack { step, ..message(id, by, carried) }
        }
        Err(error) => {
            let reason = chain(error).chars().take(REASON_MAX).collect();
            TellPutBack { step: PutBackStep::Failed, reason, ..message(id, by, &Carried::default()) }
        }
    };
    tell(state, &last)?;
    Ok(done?)
}

fn put_back(state: &State, request: &Request, progress: &Progress) -> Result<Carried, RestoreError> {
    let mut carried = Carried::default();
    for path in &request.paths {
        let restore = RestoreRequest {
            snapshot: request.snapshot.clone(),
            path: Some(path.clone()),
            to: PathBuf::from("/"),
            place: restore::Place::WhereItWas,
            mode: match request.mode {
                PutBackMode::Beside => Mode::Beside,
                PutBackMode::Overwrite => Mode::Overwrite,
            },
            sync: true,
        };
        match restore::run(state, &restore, progress) {
            Ok(done) => carried.add(&done),
            // The next part would fail in the same way.
            Err(error @ (RestoreError::Interrupted | RestoreError::Read(_) | RestoreError::TargetFull { .. })) => {
                return Err(error);
            }
            Err(error) => carried.failed(&error),
        }
    }
    Ok(carried)
}

/// Tells how far it is until it is over; stops the work when the box says that nobody wants it any more.
fn keep_telling(
    state: &State,
    request: &Request,
    by: &str,
    progress: &Progress,
    is_over: &AtomicBool,
    was_cancelled: &AtomicBool,
) {
    let mut told_at = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK_EVERY);
        if told_at.elapsed() < TELL_EVERY {
            continue;
        }
        told_at = Instant::now();
        let so_far =
            Carried { files: progress.entries_seen.get(), bytes: progress.bytes_seen.get(), ..Carried::default() };
        match tell(state, &message(request.id, by, &so_far)) {
            Ok(true) => {}
            Ok(false) => {
                was_cancelled.store(true, Ordering::Relaxed);
                progress.interrupt();
                return;
            }
            // The restore itself notices when the box is gone for good.
            Err(error) => tracing::debug!(error = %chain(&error), "the box was not told how far the request is"),
        }
    }
}

fn message(request: u64, by: &str, carried: &Carried) -> TellPutBack {
    TellPutBack {
        request,
        step: PutBackStep::Working,
        by: by.to_owned(),
        files: carried.files,
        bytes: carried.bytes,
        problems: carried.problems,
        reason: carried.first_problem.as_deref().unwrap_or_default().chars().take(REASON_MAX).collect(),
    }
}

/// Whether the box still wants it.
fn tell(state: &State, message: &TellPutBack) -> Result<bool, RequestError> {
    let ask = || -> Result<bool, LinkError> { Ok(state.link()?.connect()?.ask_once(message, ANSWER_MAX)?.goes_on) };
    Ok(ask()?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn no_two_processes_put_back_at_the_same_time() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let state = crate::state::tests::enrolled(dir.path());
        let other = state.lock_put_back().expect("free");
        let refused = carry_out(&state, &request(1), "claire", &Progress::new()).expect_err("busy");
        assert!(matches!(refused, RequestError::State(crate::state::StateError::PutBackBusy)), "{refused}");
        assert_eq!(refused.exit(), Exit::Busy);
        drop(other);
        let _free_again = state.lock_put_back().expect("free again");
    }
}
