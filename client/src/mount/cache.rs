//! A cache with a limit that forgets what was not used for the longest time, roughly and cheaply.

use std::collections::HashMap;
use std::hash::Hash;

/// Two generations: what is found in the old one moves to the young one, and when the young one has half of the allowed
/// weight it becomes the old one.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_weight: usize,
    weight_max: usize,
    weigh: fn(&V) -> usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// `weight_max`: the sum of what `weigh` says of all values never exceeds it by more than one value.
    pub(super) fn new(weight_max: usize, weigh: fn(&V) -> usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_weight: 0, weight_max, weigh }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        let weight = (self.weigh)(&value);
        if self.young_weight + weight > self.weight_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        self.old.remove(&key);
        self.young_weight += weight;
        if let Some(replaced) = self.young.insert(key, value) {
            self.young_weight -= (self.weigh)(&replaced);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cache_gives_what_was_put_last_and_stays_within_its_weight(
            puts in proptest::collection::vec((0..20_u8, 1..10_usize), 0..200),
        ) {
            let mut cache = Cache::new(40, |weight: &usize| *weight);
            let mut last = HashMap::new();
            for (key, value) in puts {
                cache.put(key, value);
                last.insert(key, value);
                prop_assert_eq!(cache.get(&key), Some(value));
                let held: usize = cache.young.values().chain(cache.old.values()).sum();
                prop_assert!(held <= 40, "{}", held);
                prop_assert_eq!(cache.young_weight, cache.young.values().sum::<usize>());
            }
            for (key, value) in last {
                prop_assert!(cache.get(&key).is_none_or(|found| found == value));
            }
        }
    }

    #[test]
    fn what_is_used_is_kept_longer_than_what_is_not() {
        let mut cache = Cache::new(8, |_| 1);
        for key in 0..100 {
            cache.put(key, key);
            assert_eq!(cache.get(&0), Some(0), "after {key}");
        }
        assert_eq!(cache.get(&1), None);
    }
}
