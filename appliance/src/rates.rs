//! How often somebody may do something: a token bucket for each of a bounded number of keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The address that limits count by: the network of an IPv6 address, since hosts choose the rest of it themselves.
pub(crate) fn limited_address(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// Buckets by key. A key that has not been seen for long enough is forgotten, since its bucket is full again.
pub(crate) struct Rates<K> {
    burst: f64,
    per_second: f64,
    keys_max: usize,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl<K: Eq + Hash + Clone> Rates<K> {
    /// At once `burst` times, then `per_second` times a second; at most `keys_max` keys are remembered.
    pub(crate) fn new(burst: f64, per_second: f64, keys_max: usize) -> Self {
        Self { burst, per_second, keys_max, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes a token; false when there is none, or too many other keys are in use.
    pub(crate) fn take(&self, key: &K, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.keys_max && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
            if buckets.len() >= self.keys_max {
                return false;
            }
        }
        let bucket = buckets.entry(key.clone()).or_insert(Bucket { tokens: self.burst, filled_at: now });
        let tokens = self.filled(*bucket, now);
        let taken = tokens >= 1.0;
        *bucket = Bucket { tokens: if taken { tokens - 1.0 } else { tokens }, filled_at: now };
        taken
    }

    /// Gives a token back: what it was taken for turned out to be rightful.
    pub(crate) fn give_back(&self, key: &K) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(key) {
            bucket.tokens = (bucket.tokens + 1.0).min(self.burst);
        }
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        (bucket.tokens + seconds * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_may_go_on_after_it_has_waited_and_does_not_hinder_others() {
        let (rates, start) = (Rates::new(3.0, 1.0, 10), Instant::now());
        assert_eq!((0..5).filter(|_| rates.take(&"a", start)).count(), 3);
        assert!(rates.take(&"b", start));
        assert!(!rates.take(&"a", start + Duration::from_millis(900)));
        assert!(rates.take(&"a", start + Duration::from_millis(1_900)));
        rates.give_back(&"a");
        assert!(rates.take(&"a", start + Duration::from_millis(1_900)));
    }

    #[test]
    fn the_number_of_keys_is_bounded_and_idle_ones_make_room() {
        let (rates, start) = (Rates::new(2.0, 1.0, 4), Instant::now());
        assert_eq!((0..100).filter(|key| rates.take(key, start)).count(), 4);
        assert_eq!(rates.buckets.lock().expect("lock").len(), 4);
        assert!(rates.take(&200, start + Duration::from_secs(5)));
    }
}
