//! That lost shards were ordered anew: whoever sends them hears it at once, and looks again at what it has looked at before.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::operations::Site;

/// How often something was ordered since the box started, and who wants to hear of it.
#[derive(Default)]
pub(in crate::operations) struct Orders {
    count: AtomicU64,
    listener: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Orders({})", self.count())
    }
}

impl Orders {
    /// A number that changes with each order.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// To be called once what was ordered stands in the catalog.
    pub(super) fn note(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        if let Some(listener) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            listener();
        }
    }
}

/// `listener` is called whenever lost shards were ordered anew, and nobody else any more. It must not take long.
pub fn on_orders(site: &Site, listener: impl Fn() + Send + Sync + 'static) {
    *site.orders.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
}
