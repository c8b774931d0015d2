//! Places for what takes memory or a thread: so many over all, so many for one machine or one
//! other box. The others wait in line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datis_engine::keys::PublicKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places, counted over all and by the key of whoever asks.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    per_machine: usize,
    by_machine: Mutex<HashMap<PublicKey, Arc<Semaphore>>>,
}

/// A place; given back when dropped.
pub(crate) struct Place {
    _own: OwnedSemaphorePermit,
    all: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Leaves the place to the others, and stays one of the machine's own: its work is over, and what is left waits for nobody but
    /// the machine itself.
    pub(crate) fn left_to_others(mut self) -> Self {
        self.all = None;
        self
    }
}

impl Places {
    pub(crate) fn new(all: usize, per_machine: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_machine, by_machine: Mutex::default() }
    }

    /// Waits for a place: first among the machine's own, so that one machine's queue does not hold up the others.
    pub(crate) async fn enter(&self, key: PublicKey) -> Option<Place> {
        let own = {
            let mut machines = self.by_machine.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever waits or is inside holds a clone.
            machines.retain(|other, places| *other == key || Arc::strong_count(places) > 1);
            Arc::clone(machines.entry(key).or_insert_with(|| Arc::new(Semaphore::new(self.per_machine))))
        };
        let own = own.acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _own: own, all: Some(all) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[actix_web::test]
    async fn one_machine_cannot_take_all_places() {
        let places = Places::new(32, 6);
        let key = |byte| PublicKey::from_slice(&[byte; 32]).expect("key");
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(places.enter(key(1)).await.expect("place"));
        }
        let wait = Duration::from_millis(20);
        assert!(tokio::time::timeout(wait, places.enter(key(1))).await.is_err());
        assert!(tokio::time::timeout(wait, places.enter(key(2))).await.is_ok());
        held.pop();
        assert!(tokio::time::timeout(wait, places.enter(key(1))).await.is_ok());
        drop(held);
        assert_eq!(places.all.available_permits(), 32);
        assert!(places.enter(key(3)).await.is_some());
        assert_eq!(places.by_machine.lock().expect("lock").len(), 1, "machines that are gone are forgotten");
    }

    #[actix_web::test]
    async fn who_does_not_take_its_answer_keeps_nobody_else_from_the_work() {
        let places = Places::new(1, 1);
        let key = |byte| PublicKey::from_slice(&[byte; 32]).expect("key");
        let wait = Duration::from_millis(20);
        let place = places.enter(key(1)).await.expect("place");
        assert!(tokio::time::timeout(wait, places.enter(key(2))).await.is_err());
        let answering = place.left_to_others();
        assert!(tokio::time::timeout(wait, places.enter(key(1))).await.is_err(), "its own is still taken");
        assert!(tokio::time::timeout(wait, places.enter(key(2))).await.is_ok());
        drop(answering);
        assert!(tokio::time::timeout(wait, places.enter(key(1))).await.is_ok());
    }
}
