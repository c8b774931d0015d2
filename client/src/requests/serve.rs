//! Carrying out what was agreed to beforehand, one request after the other; each is a matter of its own.

use super::{Beforehand, Carried, Request, RequestError, beforehand, carry_out, waiting};
use crate::errors::chain;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::state::State;

/// Carries out what waits and was agreed to, until `progress` is interrupted. What became of each is told in the log.
///
/// # Errors
/// [`RequestError`] when it is not known what waits.
pub fn serve(state: &State, progress: &Progress) -> Result<Exit, RequestError> {
    let asked = waiting(state, &mut state.link()?.connect()?)?;
    let agreed = || beforehand(state.dir());
    Ok(each(asked, agreed, progress, |request, by, progress| carry_out(state, request, by, progress)))
}

fn each(
    asked: Vec<Result<Request, RequestError>>,
    agreed: impl Fn() -> Beforehand,
    progress: &Progress,
    carry_out: impl Fn(&Request, &str, &Progress) -> Result<Carried, RequestError>,
) -> Exit {
    let mut exit = Exit::Complete;
    for request in asked {
        if progress.is_interrupted() {
            return Exit::Interrupted;
        }
        // Looked at each time: whoever takes it back while another one is under way means this one.
        let agreed = agreed();
        let done = match request {
            Ok(request) if agreed.covers(request.mode) => {
                let by = format!("datis requests allow {agreed}");
                carry_out(&request, &by, &progress.part()).map(|carried| (request.id, carried))
            }
            Ok(_) => continue,
            Err(error) => Err(error),
        };
        match done {
            Ok((id, carried)) => warn_of(id, &carried),
            // Nobody wants it any more, or nobody may ask for it: that says nothing of the others.
            Err(error @ (RequestError::Over(_) | RequestError::Unfit { .. })) => tracing::warn!("{}", chain(&error)),
            Err(error) => {
                tracing::warn!("{}", chain(&error));
                exit = error.exit();
            }
        }
    }
    if progress.is_interrupted() { Exit::Interrupted } else { exit }
}

fn warn_of(id: u64, carried: &Carried) {
    if let Some(problem) = &carried.first_problem {
        tracing::warn!("request {id}: {} of its entries not put back, such as {problem}", carried.problems);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::super::tests::request;
    use super::*;

    /// Requests 1 to 3, and which of them were carried out.
    fn run(
        agreed: impl Fn(usize) -> Beforehand,
        carry_out: impl Fn(u64, &Progress) -> Result<Carried, RequestError>,
    ) -> (Exit, Vec<u64>) {
        let progress = Progress::new();
        let (asked, begun) = (Cell::new(0), RefCell::new(Vec::new()));
        let requests = (1..=3).map(|id| Ok(Request { id, ..request(1) })).collect();
        let agreed = || {
            asked.set(asked.get() + 1);
            agreed(asked.get())
        };
        let exit = each(requests, agreed, &progress, |request, _, part| {
            begun.borrow_mut().push(request.id);
            assert_eq!(part.bytes_seen.get(), 0, "each counts for itself");
            part.bytes_seen.add(5);
            carry_out(request.id, part)
        });
        (exit, begun.into_inner())
    }

    #[test]
    fn a_request_that_was_cancelled_does_not_end_the_others() {
        let (exit, begun) = run(
            |_| Beforehand::All,
            |id, part| {
                if id > 1 {
                    assert!(!part.is_interrupted(), "the first one was cancelled, not this one");
                    return Ok(Carried::default());
                }
                part.interrupt();
                Err(RequestError::Over(id))
            },
        );
        assert_eq!((exit, begun), (Exit::Complete, vec![1, 2, 3]));
    }

    #[test]
    fn consent_that_is_taken_back_holds_for_the_next_request() {
        let agreed = |times| if times == 1 { Beforehand::All } else { Beforehand::Ask };
        let (exit, begun) = run(agreed, |_, _| Ok(Carried::default()));
        assert_eq!((exit, begun), (Exit::Complete, vec![1]));
    }

    #[test]
    fn who_stops_the_command_stops_the_request_that_is_under_way_and_all_that_follow() {
        let progress = Progress::new();
        let requests = (1..=3).map(|id| Ok(Request { id, ..request(1) })).collect();
        let begun = Cell::new(0);
        let exit = each(
            requests,
            || Beforehand::All,
            &progress,
            |_, _, part| {
                begun.set(begun.get() + 1);
                progress.interrupt();
                assert!(part.is_interrupted());
                Ok(Carried::default())
            },
        );
        assert_eq!((exit, begun.get()), (Exit::Interrupted, 1));
    }
}
