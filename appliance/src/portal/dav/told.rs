//! What was taken out of backups a short while ago, so that it stands in the audit log once: programs fetch one file in many
//! parts.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For so long further parts of a file belong to what was written down.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// Files that are remembered. Beyond it the oldest are forgotten: then one is written down twice.
const FILES_MAX: usize = 4_096;

/// A digest of who has taken what.
type Taking = [u8; 32];

/// What was written down lately, the oldest first.
#[derive(Debug, Default)]
pub(in crate::portal) struct Told(Mutex<VecDeque<(Taking, Instant)>>);

impl Told {
    /// Whether it was written down lately.
    pub(super) fn has(&self, taking: &Taking, now: Instant) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while known.front().is_some_and(|(_, at)| now.duration_since(*at) >= REMEMBERED) {
            known.pop_front();
        }
        known.iter().any(|(one, _)| one == taking)
    }

    /// Remembers that it was written down.
    pub(super) fn add(&self, taking: Taking, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= FILES_MAX {
            known.pop_front();
        }
        known.push_back((taking, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_new_once_an_hour_and_few_are_remembered() {
        let (told, start) = (Told::default(), Instant::now());
        assert!(!told.has(&[1; 32], start));
        told.add([1; 32], start);
        assert!(told.has(&[1; 32], start + Duration::from_secs(3_599)));
        assert!(!told.has(&[2; 32], start));
        assert!(!told.has(&[1; 32], start + REMEMBERED));
        for _ in 0..3 * FILES_MAX {
            told.add([3; 32], start + REMEMBERED);
        }
        assert_eq!(told.0.lock().expect("lock").len(), FILES_MAX);
    }
}
