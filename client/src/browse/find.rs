//! Searching by name: in one snapshot, or in the whole history of every source.
//!
//! A history is searched from its newest snapshot backwards, and of each older one only what is not the same in the
//! newer one: so every version of an entry comes up once for each time it came into being.

use std::path::{Path, PathBuf};

use datis_engine::format::listing::{Entry, Node};
use datis_engine::format::path::EntryPath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{Depth, list};
use crate::platform::names::path_of;
use crate::reader::{ChunkReader, Cursor, ReadError, Step, difference};
use crate::snapshots::{Snapshot, SnapshotList};

/// Why a pattern was refused.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is no pattern ({reason}); write a name, or one with * and ?, such as '*.odt'")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A pattern as in `.gitignore`: without a slash it means names, with one it means paths from the top.
#[derive(Debug)]
pub struct Pattern(Gitignore);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(raw: &str, ignore_case: bool) -> Result<Self, PatternError> {
        let refused = |reason: String| PatternError { pattern: raw.to_owned(), reason };
        if raw.trim().is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        // Marks of an exception or a comment are letters like all others here.
        let line = if raw.starts_with(['!', '#']) { format!("\\{raw}") } else { raw.to_owned() };
        let mut builder = GitignoreBuilder::new("/");
        builder.case_insensitive(ignore_case).map_err(|e| refused(e.to_string()))?;
        builder.add_line(None, &line).map_err(|e| refused(e.to_string()))?;
        builder.build().map(Self).map_err(|e| refused(e.to_string()))
    }

    /// Whether `path` itself matches; that a directory above it does is not enough.
    #[must_use]
    pub fn matches(&self, path: &EntryPath, entry: &Entry) -> bool {
        let absolute: PathBuf = Path::new("/").join(path_of(path.as_bytes()));
        self.0.matched(absolute, matches!(entry.node, Node::Directory)).is_ignore()
    }
}

/// Something that was found, and the newest snapshot that has it in this state.
#[derive(Debug)]
pub struct Version<'s> {
    /// The snapshot.
    pub snapshot: &'s Snapshot,
    /// Where it is.
    pub path: EntryPath,
    /// What it is.
    pub entry: Entry,
}

/// Receives versions one by one, and what of a snapshot cannot be read.
pub type GiveVersion<'g, 's, E> = &'g mut dyn FnMut(Result<Version<'s>, (&'s Snapshot, ReadError)>) -> Result<(), E>;

/// Searches every source, its newest snapshot first.
///
/// # Errors
/// [`ReadError`] when it is not about some bytes only, and whatever `give` returns.
pub fn find<'s, E: From<ReadError>>(
    list: &'s SnapshotList,
    pattern: &Pattern,
    reader: &mut ChunkReader,
    give: GiveVersion<'_, 's, E>,
) -> Result<(), E> {
    for newest in list.latest_of_each() {
        find_in(newest, pattern, reader, give)?;
        let mut newer = newest;
        let of_source = list.snapshots.iter().filter(|s| s.record.source == newest.record.source);
        for older in of_source.skip(1) {
            find_between(newer, older, pattern, reader, give)?;
            newer = older;
        }
    }
    Ok(())
}

/// Searches one snapshot.
///
/// # Errors
/// As [`find`].
pub fn find_in<'s, E: From<ReadError>>(
    snapshot: &'s Snapshot,
    pattern: &Pattern,
    reader: &mut ChunkReader,
    give: GiveVersion<'_, 's, E>,
) -> Result<(), E> {
    list(&snapshot.record.listing, None, Depth::All, reader, &mut |found| match found {
        Ok((path, entry)) if pattern.matches(&path, &entry) => give(Ok(Version { snapshot, path, entry })),
        Ok(_) => Ok(()),
        Err(error) => give(Err((snapshot, error))),
    })
}

/// What `older` has that `newer` has not, or has otherwise.
fn find_between<'s, E: From<ReadError>>(
    newer: &'s Snapshot,
    older: &'s Snapshot,
    pattern: &Pattern,
    reader: &mut ChunkReader,
    give: GiveVersion<'_, 's, E>,
) -> Result<(), E> {
    let (mut new, mut old) = (Cursor::new(&newer.record.listing), Cursor::new(&older.record.listing));
    loop {
        let done = difference(&mut new, &mut old, reader, &mut |step| match step {
            Step::Added(path, entry) | Step::Changed(path, _, entry) if pattern.matches(&path, &entry) => {
                give(Ok(Version { snapshot: older, path, entry })).map_err(Stop::Given)
            }
            Step::Added(..) | Step::Changed(..) | Step::Removed(..) => Ok(()),
        });
        match done {
            Ok(()) => return Ok(()),
            Err(Stop::Given(error)) => return Err(error),
            // The cursors stand behind the part that cannot be read.
            Err(Stop::Read(error)) if error.is_local() => give(Err((older, error)))?,
            Err(Stop::Read(error)) => return Err(error.into()),
        }
    }
}

/// Why a comparison ended early.
enum Stop<E> {
    Read(ReadError),
    Given(E),
}

impl<E> From<ReadError> for Stop<E> {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests {
    use datis_engine::units::FileTime;

    use super::*;

    fn matches(pattern: &str, path: &[u8], ignore_case: bool) -> bool {
        let entry = Entry {
            mode: 0o755,
            uid: 0,
            gid: 0,
            modified: FileTime::default(),
            xattrs: vec![],
            hard_link: None,
            node: Node::Directory,
        };
        let path = EntryPath::parse(path.to_vec()).expect("path");
        Pattern::new(pattern, ignore_case).expect("pattern").matches(&path, &entry)
    }

    #[test]
    fn a_name_is_found_anywhere_and_a_path_from_the_top() {
        assert!(matches("*.odt", b"home/a/letter.odt", false) && matches("letter.*", b"letter.odt", false));
        assert!(!matches("letter", b"home/letter.odt", false), "a name is the whole name");
        assert!(matches("home/*/letter.odt", b"home/a/letter.odt", false));
        assert!(!matches("a/letter.odt", b"home/a/letter.odt", false));
        assert!(matches("/home/**/x", b"home/a/b/x", false));
        assert!(!matches("home", b"home/a", false), "what is below a match is no match");
        assert!(matches("*.ODT", b"a.odt", true) && !matches("*.ODT", b"a.odt", false));
        assert!(matches("!x", b"a/!x", false) && matches("#x", b"#x", false), "these are letters here");
        assert!(matches("*.bin", b"\xff\xfe.bin", false), "names need not be text");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "  ", "{a"] {
            assert!(Pattern::new(bad, false).is_err(), "{bad}");
        }
    }
}
