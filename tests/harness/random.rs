//! Randomness that a seed repeats: a failing test prints its seed, and the seed brings the failure back.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, good enough to make files and choose moments.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A stream of numbers that depends on `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed in `DATIS_SEED`, or one from the clock; printed, so that a failure tells it.
    ///
    /// # Panics
    /// When `DATIS_SEED` is no number.
    #[must_use]
    pub fn from_environment() -> Self {
        let seed = match std::env::var("DATIS_SEED") {
            Ok(text) => text.parse().expect("DATIS_SEED is a number"),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |d| d.as_secs() * 1_000 + u64::from(d.subsec_millis())),
        };
        println!("DATIS_SEED={seed}");
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        self.number() % bound
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn choose<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).expect("an index of a slice")]
    }

    /// `len` bytes that do not compress.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// `len` bytes that compress about as well as text does.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        const WORDS: [&str; 16] = [
            "backup ", "of ", "the ", "shop ", "invoice ", "table ", "total ", "stock ", "order ", "0.00 ", "name ",
            "address ", "date ", "paid ", "open ", "\n",
        ];
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(self.choose(&WORDS).as_bytes());
            if self.one_in(8) {
                bytes.extend_from_slice(self.below(1_000_000).to_string().as_bytes());
            }
        }
        bytes.truncate(len);
        bytes
    }
}
