//! How much one address may ask for, and all of them together.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rates::{Rates, limited_address};

/// Until the first byte has come.
pub(super) const OPENING: Duration = Duration::from_secs(5);
/// For one connection in all.
pub(super) const CONNECTION: Duration = Duration::from_secs(20);
/// Requests on one connection.
pub(super) const REQUESTS_MAX: usize = 8;

/// Connections at a time, each with a thread: the unit allows 256 in all.
const OPEN_MAX: usize = 64;
/// Of these, of one address. A box that looks for its ports opens sixteen at once.
const OPEN_PER_ADDRESS_MAX: usize = 32;
/// Rate tests at a time.
const RATE_TESTS_MAX: usize = 2;
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 4_096;

/// All of them.
pub(super) struct Limits {
    connections: Rates<IpAddr>,
    dials: Rates<IpAddr>,
    rate_tests: Rates<IpAddr>,
    echoes: Rates<IpAddr>,
    open: Counts,
    measuring: Counts,
}

/// Places that are taken, by address.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Rates::new(256.0, 2.0, ADDRESSES_MAX),
            dials: Rates::new(12.0, 0.2, ADDRESSES_MAX),
            rate_tests: Rates::new(6.0, 0.05, ADDRESSES_MAX),
            echoes: Rates::new(256.0, 10.0, ADDRESSES_MAX),
            open: Counts::default(),
            measuring: Counts::default(),
        }
    }
}

impl Limits {
    /// A place for a connection; given back when it is dropped.
    pub(super) fn place(&self, peer: SocketAddr) -> Option<Place> {
        let address = limited_address(peer);
        if !self.connections.take(&address, Instant::now()) {
            return None;
        }
        self.open.take(address, OPEN_MAX, OPEN_PER_ADDRESS_MAX)
    }

    pub(super) fn dial(&self, peer: SocketAddr) -> bool {
        self.dials.take(&limited_address(peer), Instant::now())
    }

    pub(super) fn echo(&self, peer: SocketAddr) -> bool {
        self.echoes.take(&limited_address(peer), Instant::now())
    }

    /// Whether a rate test may be made at all; then a place for it, unless others have them.
    pub(super) fn rate_test(&self, peer: SocketAddr) -> Option<Option<Place>> {
        let address = limited_address(peer);
        self.rate_tests.take(&address, Instant::now()).then(|| self.measuring.take(address, RATE_TESTS_MAX, 1))
    }
}

impl Counts {
    fn take(&self, address: IpAddr, all_max: usize, one_max: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.values().sum::<usize>() >= all_max || counts.get(&address).is_some_and(|count| *count >= one_max) {
            return None;
        }
        *counts.entry(address).or_default() += 1;
        Some(Place { counts: self.clone(), address })
    }
}

/// A place that is taken.
pub(super) struct Place {
    counts: Counts,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let limits = Limits::default();
        let peer = |text: &str| SocketAddr::new(text.parse().expect("address"), 1);
        let taken: Vec<_> = (0..100).filter_map(|_| limits.place(peer("44.128.1.1"))).collect();
        assert_eq!(taken.len(), OPEN_PER_ADDRESS_MAX);
        assert!(limits.place(peer("44.128.1.2")).is_some());
        drop(taken);
        assert!(limits.place(peer("44.128.1.1")).is_some());
        let test = limits.rate_test(peer("44.128.1.1")).flatten();
        assert!(test.is_some());
        assert!(limits.rate_test(peer("44.128.1.1")).is_some_and(|place| place.is_none()), "one at a time");
        assert_eq!((0..50).filter(|_| limits.dial(peer("44.128.1.1"))).count(), 12);
    }
}
