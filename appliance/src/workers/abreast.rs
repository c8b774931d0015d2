//! The same for several members at a time: whoever is slow takes up a place, and the others go on beside it.

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

/// Members that are dealt with at a time: each costs a thread and a connection.
const AT_A_TIME: usize = 8;

/// Does `act` with each of `all`, in their order as far as there is a place. What came of it, in the order in which it ended.
///
/// # Errors
/// The first one; the others are done all the same.
pub(super) fn each<T: Send, R: Send, E: Send>(
    all: Vec<T>,
    act: impl Fn(T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let places = AT_A_TIME.min(all.len());
    let waiting = Mutex::new(all.into_iter());
    let (tell, told) = channel();
    std::thread::scope(|scope| {
        for _ in 0..places {
            let (tell, waiting, act) = (tell.clone(), &waiting, &act);
            scope.spawn(move || {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(one) = next() {
                    if tell.send(act(one)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let ended: Vec<Result<R, E>> = told.into_iter().collect();
        ended.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_is_slow_holds_up_nobody_else() {
        let (tell, told) = channel();
        let told = Mutex::new(told);
        let ended = each(vec!["slow", "quick"], |one| match one {
            // It waits for the one after it.
            "slow" => told.lock().expect("lock").recv_timeout(Duration::from_secs(60)).map(|()| one),
            _ => Ok(tell.send(()).map(|()| one).expect("somebody waits")),
        });
        assert_eq!(ended.map(|ended| ended.len()), Ok(2));
    }

    #[test]
    fn what_fails_with_one_is_told_and_the_others_are_done_all_the_same() {
        let done = Mutex::new(Vec::new());
        let ended = each((0..50).collect(), |number| {
            done.lock().expect("lock").push(number);
            if number == 0 { Err("it fails") } else { Ok(number) }
        });
        assert_eq!(ended, Err("it fails"));
        assert_eq!(done.lock().expect("lock").len(), 50);
    }
}
