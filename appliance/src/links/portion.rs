//! How much goes over a line at once: on a slow one so little that each answer comes in time and a break loses little, on a fast
//! one so much that waiting for answers costs nothing.

use std::time::Duration;

/// What the first one has; 30 seconds suffice for it at 140 kbit/s.
const MIN: usize = 512 << 10;
/// As long as the longest shard of most schemes.
const MAX: usize = 16 << 20;
/// How long one should take at most.
const TARGET: Duration = Duration::from_secs(2);

/// The length of the next portion, learnt from how long those before took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portion(usize);

impl Default for Portion {
    fn default() -> Self {
        Self(MIN)
    }
}

impl Portion {
    pub(crate) const fn bytes(self) -> usize {
        self.0
    }

    /// The last one took so long.
    pub(crate) fn took(&mut self, time: Duration) {
        if time > TARGET {
            self.0 = (self.0 / 2).max(MIN);
        } else if time < TARGET / 4 {
            self.0 = (self.0 * 2).min(MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The portion that a line of so many bytes a second comes to, and the longest that one took until then.
    fn settle(bytes_per_second: f64) -> (usize, Duration) {
        let (mut portion, mut longest) = (Portion::default(), Duration::ZERO);
        for _ in 0..20 {
            let time = Duration::from_secs_f64(portion.bytes() as f64 / bytes_per_second);
            longest = longest.max(time);
            portion.took(time);
        }
        (portion.bytes(), longest)
    }

    #[test]
    fn a_fast_line_takes_whole_shards_and_a_slow_one_never_waits_long() {
        assert_eq!(settle(1e9).0, MAX);
        for bits in [1e6, 1e7, 1e8] {
            let (portion, longest) = settle(bits / 8.0);
            assert!(longest <= 2 * TARGET + Duration::from_secs(1), "{bits}: {portion} took {longest:?}");
        }
        assert_eq!(settle(20_000.0).0, MIN);
    }

    #[test]
    fn a_line_that_becomes_slow_gets_less() {
        let mut portion = Portion(MAX);
        (0..10).for_each(|_| portion.took(Duration::from_secs(9)));
        assert_eq!(portion.bytes(), MIN);
    }
}
