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
/// The same, while it is under way and when it was stopped: the end waits for it, and the service for the end, but not for
/// long (`STOP_GRACE`).
const ANSWER_MAX_SHORT: Duration = Duration::from_secs(5);
/// How long it rests between the attempts to tell the box the last word.
const LAST_PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];
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
/// [`RequestError::Over`] when it was cancelled or carried out before; [`RequestError`].
pub fn refuse(state: &State, request: u64, by: &str) -> Result<(), RequestError> {
    let told = TellPutBack { step: PutBackStep::Refused, ..message(request, by, &Carried::default()) };
    if tell(state, &told, ANSWER_MAX)? { Ok(()) } else { Err(RequestError::Over(request)) }
}

/// Puts everything back that `request` names. `by`: who has agreed. The box hears what came of it, if it can be reached.
///
/// # Errors
/// [`RequestError`] when it did not come to its end; [`RequestError::Over`] when the box has stopped it.
pub fn carry_out(state: &State, request: &Request, by: &str, progress: &Progress) -> Result<Carried, RequestError> {
    let _only_one = state.lock_put_back()?;
    let id = request.id;
    if !tell(state, &message(id, by, &Carried::default()), ANSWER_MAX)? {
        return Err(RequestError::Over(id));
    }
    let is_over = AtomicBool::new(false);
    let was_cancelled = AtomicBool::new(false);
    let (carried, stopped) = meanwhile(
        &is_over,
        || keep_telling(state, request, by, progress, &is_over, &was_cancelled),
        || put_back(state, request, progress),
    );
    let last = last_word(id, by, &carried, stopped.as_ref());
    let rest = |time| {
        let may_wait = !has_no_time(progress, &was_cancelled);
        if may_wait {
            std::thread::sleep(time);
        }
        may_wait
    };
    let answer_max = || answer_max(progress, &was_cancelled);
    if let Err(error) = tell_for_sure(&last, |message| tell(state, message, answer_max()), rest) {
        tracing::warn!("the box does not know what became of request {id}: {}", chain(&error));
    }
    match stopped {
        None => Ok(carried),
        Some(RestoreError::Interrupted) if was_cancelled.load(Ordering::Relaxed) => Err(RequestError::Over(id)),
        Some(error) => Err(error.into()),
    }
}

/// Sets it when it is dropped, so that whoever waits for it also hears of a panic.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Works, and tells meanwhile, until `is_over`: it is set when the work has ended, however it did.
fn meanwhile<T>(is_over: &AtomicBool, tell: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        scope.spawn(tell);
        let _over = SetWhenDropped(is_over);
        work()
    })
}

/// Whether somebody here wants it to end, who waits for no second attempt. When the box has stopped it, nobody waits.
fn has_no_time(progress: &Progress, was_cancelled: &AtomicBool) -> bool {
    progress.is_interrupted() && !was_cancelled.load(Ordering::Relaxed)
}

/// How long the answer to the last word may take.
fn answer_max(progress: &Progress, was_cancelled: &AtomicBool) -> Duration {
    if has_no_time(progress, was_cancelled) { ANSWER_MAX_SHORT } else { ANSWER_MAX }
}

/// Puts back one path after the other. What is back is told also when it could not go on: then with the reason.
fn put_back(state: &State, request: &Request, progress: &Progress) -> (Carried, Option<RestoreError>) {
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
        let stopped = match restore::as_far_as_it_goes(state, &restore, progress) {
            Ok((done, stopped)) => {
                carried.add(&done);
                stopped
            }
            Err(error) => Some(error),
        };
        match stopped {
            None => {}
            Some(error) if ends_all(&error) => return (carried, Some(error)),
            Some(error) => carried.failed(&error),
        }
    }
    (carried, None)
}

/// Whether the next part would fail in the same way.
fn ends_all(error: &RestoreError) -> bool {
    match error {
        RestoreError::Interrupted | RestoreError::TargetFull { .. } | RestoreError::NotKept { .. } => true,
        RestoreError::Read(error) => !error.is_local(),
        RestoreError::NotEmpty(_)
        | RestoreError::FolderGone { .. }
        | RestoreError::InTheWay { .. }
        | RestoreError::Target { .. }
        | RestoreError::NoRoom { .. } => false,
    }
}

/// What the box keeps of it.
fn last_word(request: u64, by: &str, carried: &Carried, stopped: Option<&RestoreError>) -> TellPutBack {
    let is_whole = carried.problems == 0 && stopped.is_none();
    let step = match (is_whole, carried.files + carried.others) {
        (true, _) => PutBackStep::Done,
        (false, 0) => PutBackStep::Failed,
        (false, _) => PutBackStep::Incomplete,
    };
    let told = message(request, by, carried);
    let reason = stopped.map_or(told.reason, |error| chain(error).chars().take(REASON_MAX).collect());
    TellPutBack { step, reason, ..told }
}

/// Tells the box the last word, which nobody else knows: tries again for a while when it does not answer. `rest` tells
/// whether there is time for that.
fn tell_for_sure(
    last: &TellPutBack,
    mut tell: impl FnMut(&TellPutBack) -> Result<bool, RequestError>,
    mut rest: impl FnMut(Duration) -> bool,
) -> Result<(), RequestError> {
    for pause in LAST_PAUSES {
        match tell(last) {
            Ok(_) => return Ok(()),
            Err(error) if !rest(pause) => return Err(error),
            Err(_) => {}
        }
    }
    tell(last).map(drop)
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
            Carried { files: progress.files_seen.get(), bytes: progress.bytes_seen.get(), ..Carried::default() };
        match tell(state, &message(request.id, by, &so_far), ANSWER_MAX_SHORT) {
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
fn tell(state: &State, message: &TellPutBack, answer_max: Duration) -> Result<bool, RequestError> {
    let ask = || -> Result<bool, LinkError> { Ok(state.link()?.connect()?.ask_once(message, answer_max)?.goes_on) };
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

    #[test]
    fn a_panic_in_the_work_ends_the_telling_too() {
        let is_over = AtomicBool::new(false);
        let told_until_over = AtomicBool::new(false);
        let tell = || {
            let since = Instant::now();
            while !is_over.load(Ordering::Relaxed) && since.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(1));
            }
            told_until_over.store(is_over.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        let work = std::panic::AssertUnwindSafe(|| meanwhile(&is_over, tell, || panic!("on purpose")));
        assert!(std::panic::catch_unwind(work).is_err());
        assert!(told_until_over.load(Ordering::Relaxed), "it would have told for ever");
    }

    #[test]
    fn only_who_stops_it_here_waits_for_no_second_attempt() {
        let (progress, was_cancelled) = (Progress::new(), AtomicBool::new(false));
        let now = |progress, was_cancelled| (has_no_time(progress, was_cancelled), answer_max(progress, was_cancelled));
        assert_eq!(now(&progress, &was_cancelled), (false, ANSWER_MAX));
        progress.interrupt();
        assert_eq!(now(&progress, &was_cancelled), (true, ANSWER_MAX_SHORT));
        was_cancelled.store(true, Ordering::Relaxed);
        assert_eq!(now(&progress, &was_cancelled), (false, ANSWER_MAX), "the box has stopped it");
    }

    #[test]
    fn what_is_back_is_told_although_it_could_not_go_on() {
        let some = Carried { files: 2, bytes: 9, ..Carried::default() };
        let none = Carried::default();
        let problem = Carried { problems: 1, first_problem: Some("/a: gone".to_owned()), ..Carried::default() };
        let full = RestoreError::TargetFull { reason: "no space".to_owned() };
        let word = |carried: &Carried, stopped| last_word(7, "claire", carried, stopped);
        let told = word(&some, Some(&full));
        assert_eq!((told.step, told.files, told.bytes), (PutBackStep::Incomplete, 2, 9));
        assert!(told.reason.contains("no space"), "{}", told.reason);
        assert_eq!(word(&none, Some(&full)).step, PutBackStep::Failed);
        assert_eq!(word(&none, None).step, PutBackStep::Done, "an empty choice is back as it was");
        assert_eq!(word(&problem, None).step, PutBackStep::Failed);
        let in_part = word(&Carried { others: 1, ..problem }, None);
        assert_eq!((in_part.step, in_part.reason.as_str()), (PutBackStep::Incomplete, "/a: gone"));
    }

    #[test]
    fn the_last_word_is_told_again_when_the_box_does_not_answer() {
        let last = message(7, "claire", &Carried::default());
        let (mut told, mut rested) = (0, Duration::ZERO);
        let answered = tell_for_sure(
            &last,
            |_| {
                told += 1;
                if told < 3 { Err(RequestError::Unknown(7)) } else { Ok(false) }
            },
            |time| {
                rested += time;
                true
            },
        );
        assert!(answered.is_ok() && told == 3, "told {told} times");
        assert_eq!(rested, LAST_PAUSES[0] + LAST_PAUSES[1]);
        let mut told = 0;
        let mut silent = |may_wait| {
            told = 0;
            let never = |_: &TellPutBack| {
                told += 1;
                Err(RequestError::Unknown(7))
            };
            assert!(tell_for_sure(&last, never, |_| may_wait).is_err());
            told
        };
        assert_eq!((silent(true), silent(false)), (1 + LAST_PAUSES.len(), 1));
    }
}
