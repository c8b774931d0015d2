//! The same asked of several boxes side by side. Whoever is silent holds up neither the others nor, once enough have answered, whoever
//! asks; and what breaks off by a defect of this box is told like any other failure, so that nothing is waited for that never comes.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Boxes that are asked at a time: each costs a thread and a connection.
const AT_A_TIME: usize = 64;
/// So long after the first answer the others are waited for: a dead place has shown by then, and a way round it.
pub(super) const WAIT: Duration = Duration::from_secs(12);
/// Where fewer have answered, all are waited for: what there is rests on the word of two boxes, where there are two.
pub(super) const ENOUGH: usize = 2;

/// Why an attempt came to no end of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenOff {
    /// This box has no thread for it.
    #[error("this box cannot begin to ask; it has too much to do")]
    Begin(#[source] io::Error),
    /// A defect.
    #[error("this box failed while it asked, by a defect of its own; its log says where. Try again, and report it")]
    Failed,
}

/// What is done with one, by any thread.
type Act<A, T, E> = Arc<dyn Fn(&A) -> Result<T, E> + Send + Sync>;

/// Attempts that are under way on threads of their own, and those that wait for one.
pub(super) struct Abreast<A, T, E> {
    act: Act<A, T, E>,
    waiting: VecDeque<A>,
    under_way: usize,
    tell: Sender<(A, Result<T, E>)>,
    told: Receiver<(A, Result<T, E>)>,
}

impl<A, T, E> Abreast<A, T, E>
where
    A: Clone + Send + 'static,
    T: Send + 'static,
    E: From<BrokenOff> + Send + 'static,
{
    /// `act`: what is done with each; it has to end by itself.
    pub(super) fn new(act: impl Fn(&A) -> Result<T, E> + Send + Sync + 'static) -> Self {
        let (tell, told) = channel();
        Self { act: Arc::new(act), waiting: VecDeque::new(), under_way: 0, tell, told }
    }

    /// Begins with this one when there is a place.
    pub(super) fn add(&mut self, attempt: A) {
        self.waiting.push_back(attempt);
    }

    /// The next one that has ended, and how; `None`: all have, or it is later than `until`. Those that are still at it then are left
    /// to it.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Option<(A, Result<T, E>)> {
        while self.under_way < AT_A_TIME {
            let Some(attempt) = self.waiting.pop_front() else { break };
            self.under_way += 1;
            self.begin(attempt);
        }
        if self.under_way == 0 {
            return None;
        }
        // Each attempt tells of its end, whatever that was.
        let ended = match until {
            Some(until) => self.told.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?,
            None => self.told.recv().ok()?,
        };
        self.under_way -= 1;
        Some(ended)
    }

    fn begin(&self, attempt: A) {
        let (act, tell, one) = (Arc::clone(&self.act), self.tell.clone(), attempt.clone());
        let run = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| act(&one)));
            // Nobody listens any more when enough have answered.
            let _ = tell.send((one, ended.unwrap_or_else(|_| Err(BrokenOff::Failed.into()))));
        };
        if let Err(error) = std::thread::Builder::new().name("ask a box".into()).spawn(run) {
            let _ = self.tell.send((attempt, Err(BrokenOff::Begin(error).into())));
        }
    }

    /// Does `act` with all of `all`; what came of it, in the order in which it ended. Once [`ENOUGH`] have given an answer that
    /// `counts`, the others have [`WAIT`] from the first such answer on; those that are silent for longer are not in it.
    pub(super) fn each(
        all: impl IntoIterator<Item = A>,
        act: impl Fn(&A) -> Result<T, E> + Send + Sync + 'static,
        counts: impl Fn(&T) -> bool,
    ) -> Vec<(A, Result<T, E>)> {
        Self::each_within(WAIT, all, act, counts)
    }

    fn each_within(
        wait: Duration,
        all: impl IntoIterator<Item = A>,
        act: impl Fn(&A) -> Result<T, E> + Send + Sync + 'static,
        counts: impl Fn(&T) -> bool,
    ) -> Vec<(A, Result<T, E>)> {
        let mut abreast = Self::new(act);
        all.into_iter().for_each(|one| abreast.add(one));
        let (mut ended, mut answered, mut until) = (Vec::new(), 0, None);
        while let Some((one, came)) = abreast.next(until.filter(|_| answered >= ENOUGH)) {
            if came.as_ref().is_ok_and(&counts) {
                answered += 1;
                until.get_or_insert_with(|| Instant::now() + wait);
            }
            ended.push((one, came));
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_ends_by_a_panic_is_told_as_a_failure_and_nothing_waits_for_it() {
        for answering in [0, 1, 2] {
            let ended = Abreast::each(
                0..answering + 2,
                move |one| match one {
                    one if *one < answering => Ok(*one),
                    _ => panic!("a defect"),
                },
                |_| true,
            );
            let failed = ended.iter().filter(|(_, came)| matches!(came, Err(BrokenOff::Failed))).count();
            assert_eq!((ended.len(), failed), (answering + 2, 2));
        }
    }

    #[test]
    fn whoever_is_silent_holds_up_nobody_once_enough_have_answered() {
        let (tell, told) = channel::<()>();
        let told = Mutex::new(told);
        let (began, wait) = (Instant::now(), Duration::from_secs(3));
        let ended = Abreast::each_within(
            wait,
            0..9,
            move |one| match one {
                // It is silent until the test is over.
                0 => told.lock().expect("lock").recv().map(|()| true).map_err(|_| BrokenOff::Failed),
                1 => Ok(false),
                _ => Ok(true),
            },
            |counts| *counts,
        );
        assert_eq!(ended.len(), 8);
        assert!(began.elapsed() >= wait, "it has had its time");
        drop(tell);
    }

    #[test]
    fn more_than_have_a_place_come_one_after_the_other() {
        let ended = Abreast::each(0..3 * AT_A_TIME, |one| Ok::<_, BrokenOff>(*one), |_| false);
        let mut all: Vec<usize> = ended.into_iter().filter_map(|(_, came)| came.ok()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..3 * AT_A_TIME).collect::<Vec<_>>());
    }
}
