//! How many files of network folders are read at a time: apart from the downloads of the pages, and shared out between the
//! accounts, since a file manager opens whatever it shows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Files at a time.
pub(in crate::portal) const FILES_AT_A_TIME: usize = 8;
/// Those of one account.
pub(in crate::portal) const OF_ONE_ACCOUNT: usize = 4;

/// The places there are.
#[derive(Debug)]
pub(in crate::portal) struct Places {
    all: Arc<Semaphore>,
    /// Of the accounts that hold some, by name.
    own: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(in crate::portal) struct Taken {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(FILES_AT_A_TIME)), own: Mutex::default() }
    }
}

impl Places {
    /// A place for a file that `account` reads; `None` when it, or all together, have as many as there may be.
    pub(in crate::portal) fn take(&self, account: &str) -> Option<Taken> {
        let mut known = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, own| own.available_permits() < OF_ONE_ACCOUNT);
        let own = known.entry(account.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(OF_ONE_ACCOUNT)));
        let own = Arc::clone(own).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Taken { _all: all, _own: own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_share_and_all_together_have_theirs() {
        let places = Places::default();
        let mut held: Vec<Taken> = (0..OF_ONE_ACCOUNT).filter_map(|_| places.take("claire")).collect();
        assert!(held.len() == OF_ONE_ACCOUNT && places.take("claire").is_none());
        held.extend((held.len()..FILES_AT_A_TIME).filter_map(|_| places.take("paul")));
        assert!(held.len() == FILES_AT_A_TIME && places.take("nina").is_none());
        drop(held);
        assert!(places.take("claire").is_some() && places.take("nina").is_some());
        assert_eq!(places.own.lock().expect("lock").len(), 1, "who has none is forgotten");
    }
}
