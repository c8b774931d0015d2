//! Files and folders of a snapshot as one ZIP file, written front to back while it is read.
//!
//! Entries are stored and not compressed: what people take out is mostly compressed already, the box's two cores are not
//! what should bound a download in the house, and a stored file that breaks off can be read up to there. Symbolic links,
//! devices, pipes and sockets are left out: the first could lead what unpacks the archive out of its folder, and the
//! others mean nothing elsewhere. Whatever is left out, cannot be read or is called otherwise is named in
//! `DATIS-PROBLEMS.txt` at the end. Reasons: docs/decisions/0016-names-index.md, "Archives".

mod names;
mod zip;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use datis_engine::format::listing::{Entry, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::SnapshotId;
use datis_engine::units::FileTime;

use self::names::{PROBLEMS, safe_path};
use self::zip::{Head, Put, ZipWriter};
use super::bytes::FileBytes;
use super::chunks::{Chunks, is_local};
use super::listing::Cursor;
use super::scope::{BrowseError, Scope, open};
use crate::operations::{OperationError, Site, chain};

/// Files up to this many bytes are read before anything of them is written: their sums stand in front, as the simplest
/// readers want it, and one that cannot be read is not in the archive at all.
const WHOLE_MAX: u64 = 1 << 20;

/// The longest note about problems, in bytes.
const NOTE_MAX: usize = 1 << 20;

/// What came into an archive, and what did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveReport {
    /// Files that are in it whole.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Files and parts of the listing that could not be read, or not to their end.
    pub failed: u64,
    /// Links, devices, pipes and sockets, which are left out.
    pub left_out: u64,
    /// Entries with another name than in the snapshot.
    pub renamed: u64,
    /// Length of the archive, in bytes.
    pub written: u64,
}

impl ArchiveReport {
    /// Whether every file that was asked for is in it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed == 0
    }
}

/// Writes files and folders of a snapshot, with all that is in them, to `sink` as a ZIP file; without `paths` all of it.
/// Names begin below the folder that all of the paths share. Memory: some segments, and about 40 bytes an entry.
///
/// # Errors
/// [`BrowseError::NotFound`] when one of the paths is not there, before anything is written; [`BrowseError::Sink`];
/// [`BrowseError`]. After an error what was written is no archive: the caller must break off, so that nobody takes it
/// for one. A file that cannot be read is no error but in the report.
pub fn archive(
    site: &Arc<Site>,
    scope: &Scope,
    snapshot: &SnapshotId,
    paths: &[EntryPath],
    sink: impl Write,
) -> Result<ArchiveReport, BrowseError> {
    let mut opened = open(site, scope, snapshot)?;
    let chosen = without_nested(paths);
    let base = common_parent(&chosen);
    for path in &chosen {
        let mut cursor = Cursor::new(&opened.listing);
        cursor.skip_to(&mut opened.chunks, path)?;
        let found = cursor.next(&mut opened.chunks)?;
        if !found.is_some_and(|(found, _)| found.is_within(path)) {
            return Err(BrowseError::NotFound);
        }
    }
    let mut making = Making {
        zip: ZipWriter::new(sink).map_err(BrowseError::Sink)?,
        chunks: opened.chunks,
        base,
        report: ArchiveReport::default(),
        note: String::new(),
        whole: Vec::new(),
    };
    if chosen.is_empty() {
        making.add_all(Cursor::new(&opened.listing), None)?;
    }
    for path in &chosen {
        let mut cursor = Cursor::new(&opened.listing);
        cursor.skip_to(&mut making.chunks, path)?;
        making.add_all(cursor, Some(path))?;
    }
    making.finish(opened.seen.received_at.0 / 1_000)
}

/// In order, without those that are in another one anyway.
fn without_nested(paths: &[EntryPath]) -> Vec<EntryPath> {
    let mut sorted = paths.to_vec();
    sorted.sort();
    let mut kept: Vec<EntryPath> = Vec::new();
    for path in sorted {
        if !kept.last().is_some_and(|last| path.is_within(last)) {
            kept.push(path);
        }
    }
    kept
}

/// The deepest folder that all of the paths are in; `None` is the top.
fn common_parent(paths: &[EntryPath]) -> Option<EntryPath> {
    let mut base = paths.first()?.parent()?;
    while !paths.iter().all(|path| path.below(&base).is_some()) {
        base = base.parent()?;
    }
    Some(base)
}

/// An archive that is being made.
struct Making<W: Write> {
    zip: ZipWriter<W>,
    chunks: Chunks,
    base: Option<EntryPath>,
    report: ArchiveReport,
    note: String,
    /// A small file, before it is written.
    whole: Vec<u8>,
}

impl<W: Write> Making<W> {
    /// Adds everything from the cursor on that is within `top`.
    fn add_all(&mut self, mut cursor: Cursor, top: Option<&EntryPath>) -> Result<(), BrowseError> {
        loop {
            self.chunks.site().check_running()?;
            let (path, entry) = match cursor.next(&mut self.chunks) {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(()),
                Err(error) if is_local(&error) => {
                    self.report.failed += 1;
                    self.say(&format!(
                        "a part of the list of files cannot be read, so files are missing here ({})",
                        chain(&error)
                    ));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if top.is_some_and(|top| !path.is_within(top)) {
                return Ok(());
            }
            if !self.zip.has_room() {
                self.report.failed += 1;
                self.say(&format!("{path} and all that follows: there are too many files for one archive"));
                return Ok(());
            }
            self.add(&path, entry)?;
        }
    }

    fn add(&mut self, path: &EntryPath, entry: Entry) -> Result<(), BrowseError> {
        let below = match &self.base {
            Some(base) => path.below(base),
            None => Some(path.clone()),
        };
        let Some((below, name)) = below.and_then(|below| safe_path(&below).map(|name| (below, name))) else {
            self.report.failed += 1;
            self.say(&format!("{path}: its name is too long for an archive"));
            return Ok(());
        };
        let is_renamed = name.as_bytes() != below.as_bytes();
        match &entry.node {
            Node::Directory => {
                let head =
                    Head { name: &format!("{name}/"), mode: 0o040_000 | entry.mode & 0o777, modified: entry.modified };
                self.zip.add(&head, &[]).map_err(BrowseError::Sink)?;
                self.report.folders += 1;
            }
            Node::File { .. } => {
                if !self.add_file(path, &name, entry)? {
                    return Ok(());
                }
            }
            Node::Symlink { target } => {
                self.report.left_out += 1;
                let target = String::from_utf8_lossy(target).escape_debug().to_string();
                self.say(&format!("{path}: left out, a symbolic link to {target}"));
                return Ok(());
            }
            Node::BlockDevice { .. } | Node::CharDevice { .. } | Node::Fifo | Node::Socket => {
                self.report.left_out += 1;
                self.say(&format!("{path}: left out, it is no file (its sort is {})", entry.node.word()));
                return Ok(());
            }
        }
        if is_renamed {
            self.report.renamed += 1;
            self.say(&format!("{path}: is called {name} here"));
        }
        Ok(())
    }

    /// Whether anything of the file is in the archive.
    fn add_file(&mut self, path: &EntryPath, name: &str, entry: Entry) -> Result<bool, BrowseError> {
        let size = entry.size();
        // Set-id bits do not belong into something that is unpacked elsewhere.
        let head = Head { name, mode: 0o100_000 | entry.mode & 0o777, modified: entry.modified };
        let Some(mut bytes) = FileBytes::of(entry, 0, u64::MAX) else { return Ok(false) };
        let (chunks, whole) = (&mut self.chunks, &mut self.whole);
        let (given, is_in) = if size <= WHOLE_MAX {
            whole.clear();
            let read = read_all(&mut bytes, chunks, &mut |piece| {
                whole.extend_from_slice(piece);
                Ok(())
            });
            let read = read.map_err(BrowseError::Sink)?;
            if read.is_ok() {
                self.zip.add(&head, whole).map_err(BrowseError::Sink)?;
            }
            let is_in = read.is_ok();
            (read, is_in)
        } else {
            let mut give = |put: &mut Put<'_>| read_all(&mut bytes, chunks, put);
            (self.zip.stream(&head, size, &mut give).map_err(BrowseError::Sink)?, true)
        };
        match given {
            Ok(()) => {
                self.report.files += 1;
                self.report.bytes += size;
            }
            Err(error) if is_local(&error) => {
                self.report.failed += 1;
                let how =
                    if is_in { format!("cut off at byte {}", size - bytes.left()) } else { "not here".to_owned() };
                self.say(&format!("{path}: {how}, because it cannot be read ({})", chain(&error)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(is_in)
    }

    fn say(&mut self, line: &str) {
        if self.note.len() < NOTE_MAX {
            let _ = writeln!(self.note, "{line}");
            if self.note.len() >= NOTE_MAX {
                self.note.push_str("… and more\n");
            }
        }
    }

    fn finish(mut self, received_at_seconds: i64) -> Result<ArchiveReport, BrowseError> {
        if !self.note.is_empty() {
            let modified = FileTime { seconds: received_at_seconds, nanoseconds: 0 };
            let head = Head { name: PROBLEMS, mode: 0o100_644, modified };
            self.zip.add(&head, self.note.as_bytes()).map_err(BrowseError::Sink)?;
        }
        self.report.written = self.zip.finish().map_err(BrowseError::Sink)?;
        Ok(self.report)
    }
}

/// Hands all bytes of a file over. The outer error is that of `put`.
fn read_all(bytes: &mut FileBytes, chunks: &mut Chunks, put: &mut Put<'_>) -> io::Result<Result<(), OperationError>> {
    loop {
        if let Err(stopped) = chunks.site().check_running() {
            return Ok(Err(stopped));
        }
        match bytes.next(chunks, usize::MAX) {
            Ok(Some(piece)) => put(piece)?,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}
