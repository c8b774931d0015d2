//! Marks: all that a request would do, in a few letters. Consent is to what was shown; what the box says later under the same
//! number is something else.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use datis_engine::format::path::EntryPath;
use datis_engine::ids::SnapshotId;
use datis_engine::wire::PutBackMode;

/// Letters of a mark: 60 bits. Only this machine can make one, so that a box cannot look for two requests that have the
/// same: it would have to guess.
const LETTERS: usize = 12;

/// What the key of the marks is derived for.
pub(super) const PURPOSE: &str = "datis 2026-11-22 marks of requests to put back";

/// A request as it was shown: its number, and the letters of what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The request's number on the box.
    pub request: u64,
    letters: String,
}

impl Mark {
    /// Of a request that was checked; `key` is this machine's own. The paths are in the order of what is shown.
    pub(super) fn of(
        key: &[u8; 32],
        request: u64,
        snapshot: &SnapshotId,
        mode: PutBackMode,
        paths: &[EntryPath],
    ) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&request.to_le_bytes()).update(snapshot.as_bytes());
        hasher.update(match mode {
            PutBackMode::Beside => b"b",
            PutBackMode::Overwrite => b"o",
        });
        for path in paths {
            let bytes = path.as_bytes();
            // With its length, so that two paths never read like one.
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        let mut letters = BASE32_NOPAD.encode(hasher.finalize().as_bytes());
        letters.truncate(LETTERS);
        Self { request, letters }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.request, self.letters)
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        let refuse = || "copy number and letters from `datis requests`, such as 7-ABCDEFGH2345".to_owned();
        let (number, letters) = raw.split_once('-').ok_or_else(refuse)?;
        let letters = letters.to_ascii_uppercase();
        let is_sound = letters.len() == LETTERS && letters.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
        match number.parse() {
            Ok(request) if is_sound => Ok(Self { request, letters }),
            Ok(_) | Err(_) => Err(refuse()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_decides_what_is_written_makes_another_mark() {
        let key = [1; 32];
        let snapshot = SnapshotId::from_bytes([1; 32]);
        let paths = |texts: &[&str]| -> Vec<EntryPath> {
            texts.iter().map(|text| EntryPath::from_user(text.as_bytes()).expect("a path")).collect()
        };
        let shown = paths(&["/home/claire/a", "/home/claire/b"]);
        let mark = Mark::of(&key, 7, &snapshot, PutBackMode::Beside, &shown);
        assert_eq!(mark, Mark::of(&key, 7, &snapshot, PutBackMode::Beside, &shown));
        let others = [
            Mark::of(&[2; 32], 7, &snapshot, PutBackMode::Beside, &shown),
            Mark::of(&key, 8, &snapshot, PutBackMode::Beside, &shown),
            Mark::of(&key, 7, &SnapshotId::from_bytes([2; 32]), PutBackMode::Beside, &shown),
            Mark::of(&key, 7, &snapshot, PutBackMode::Overwrite, &shown),
            Mark::of(&key, 7, &snapshot, PutBackMode::Beside, &shown[..1]),
            Mark::of(&key, 7, &snapshot, PutBackMode::Beside, &paths(&["/home/claire/a/home/claire/b"])),
        ];
        for other in others {
            assert_ne!(other.letters, mark.letters, "{other}");
        }
    }

    #[test]
    fn a_mark_reads_back_as_it_was_shown_and_a_number_alone_is_none() {
        let mark = Mark::of(&[1; 32], 7, &SnapshotId::from_bytes([1; 32]), PutBackMode::Beside, &[]);
        let shown = mark.to_string();
        assert_eq!(shown.len(), "7-".len() + LETTERS);
        assert_eq!(shown.parse(), Ok(mark.clone()));
        assert_eq!(shown.to_lowercase().parse(), Ok(mark));
        for bad in ["7", "7-", "7-ABC", "-ABCDEFGH2345", "7-ABCDEFGH2341", "7-ABCDEFGH23456", "x-ABCDEFGH2345"] {
            assert!(bad.parse::<Mark>().is_err(), "{bad}");
        }
    }
}
