//! The bytes of one file, or of a part of it, in order.
//!
//! Holes come as zeros. A file with several names has its bytes under each of them. What is no file has none: the page
//! shows where a link points to, and nothing is followed.

use std::io;
use std::sync::Arc;

use datis_engine::format::content::Content;
use datis_engine::format::listing::{Entry, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::SnapshotId;

use super::EntryDetail;
use super::chunks::Chunks;
use super::content::ContentCursor;
use super::listing::find;
use super::scope::{BrowseError, Scope, open};
use crate::operations::{OperationError, Site};

/// Holes are given as zeros, this many at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A file that is being read. It can be sent to another thread. Memory: three segments, a chunk, and one node of the
/// content a level.
///
/// Also a [`io::Read`], whose errors carry a [`BrowseError`].
pub struct FileReader {
    chunks: Chunks,
    detail: EntryDetail,
    file: FileBytes,
}

impl FileReader {
    /// What is known of the file.
    #[must_use]
    pub fn detail(&self) -> &EntryDetail {
        &self.detail
    }

    /// How many bytes are left to be given.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.file.left()
    }

    /// Some more bytes, at most 4 MiB, checked against their names; `None` at the end. After an error there is no more.
    ///
    /// # Errors
    /// [`BrowseError::Unreadable`]; [`BrowseError`].
    pub fn next_piece(&mut self) -> Result<Option<&[u8]>, BrowseError> {
        Ok(self.file.next(&mut self.chunks, usize::MAX)?)
    }
}

impl io::Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let piece = self.file.next(&mut self.chunks, buffer.len());
        let piece = piece.map_err(|e| io::Error::other(BrowseError::from(e)))?.unwrap_or_default();
        buffer[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

/// Opens a file of a snapshot to read its bytes from `offset` on, at most `len` of them. A part that lies behind the end
/// of the file is empty.
///
/// # Errors
/// [`BrowseError::NotFound`], [`BrowseError::NoFile`], [`BrowseError::Unreadable`]; [`BrowseError`].
pub fn read_file(
    site: &Arc<Site>,
    scope: &Scope,
    snapshot: &SnapshotId,
    path: &EntryPath,
    offset: u64,
    len: u64,
) -> Result<FileReader, BrowseError> {
    let mut opened = open(site, scope, snapshot)?;
    let entry = find(&opened.listing, path, &mut opened.chunks)?.ok_or(BrowseError::NotFound)?;
    let detail = EntryDetail::of(&entry);
    let word = entry.node.word();
    let file = FileBytes::of(entry, offset, len).ok_or(BrowseError::NoFile { word })?;
    Ok(FileReader { chunks: opened.chunks, detail, file })
}

/// Where the bytes of a file come from.
pub(super) struct FileBytes {
    content: Content,
    /// Where there is data: first byte, length, and where that stands in the content.
    extents: Vec<(u64, u64, u64)>,
    /// The extent that holds `at`, or the next one.
    extent: usize,
    at: u64,
    end: u64,
    cursor: Option<ContentCursor>,
    /// Offset in the content, and the chunk there.
    chunk: (u64, Vec<u8>),
}

impl FileBytes {
    /// `None` when the entry is no file.
    pub(super) fn of(entry: Entry, offset: u64, len: u64) -> Option<Self> {
        let Node::File { size, extents, content } = entry.node else { return None };
        let mut found = Vec::new();
        let mut before = 0_u64;
        // Without data there is no extent; the format refuses those of no length.
        for (at, len) in extents.unwrap_or_else(|| vec![(0, size)]) {
            found.push((at, len, before));
            before = before.saturating_add(len);
        }
        let at = offset.min(size);
        let extent = found.partition_point(|(start, len, _)| start.saturating_add(*len) <= at);
        let end = at.saturating_add(len).min(size);
        Some(Self { content, extents: found, extent, at, end, cursor: None, chunk: (0, Vec::new()) })
    }

    pub(super) fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Some more bytes, at most `max`, which is not 0; `None` at the end.
    pub(super) fn next(&mut self, chunks: &mut Chunks, max: usize) -> Result<Option<&[u8]>, OperationError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX).min(max);
        let next = self.extents.get(self.extent).copied();
        let Some((_, len, before, into)) = next.and_then(|(start, len, before)| {
            // Before the extent there is a hole.
            Some((start, len, before, self.at.checked_sub(start)?))
        }) else {
            let hole = next.map_or(u64::MAX, |(start, ..)| start - self.at);
            let len = usize::try_from(hole).unwrap_or(usize::MAX).min(left).min(ZEROS.len());
            self.at += len as u64;
            return Ok(ZEROS.get(..len));
        };
        let wanted = before + into;
        self.load(wanted, chunks)?;
        let (start, bytes) = &self.chunk;
        let rest = usize::try_from(wanted - start).ok().and_then(|skip| bytes.get(skip..)).unwrap_or_default();
        let in_extent = usize::try_from(len - into).unwrap_or(usize::MAX);
        let piece = rest.len().min(in_extent).min(left);
        self.at += piece as u64;
        if piece == in_extent {
            self.extent += 1;
        }
        Ok(rest.get(..piece))
    }

    /// Makes `chunk` the one that holds `wanted`.
    fn load(&mut self, wanted: u64, chunks: &mut Chunks) -> Result<(), OperationError> {
        use datis_engine::format::FormatError;
        let holds = |(start, bytes): &(u64, Vec<u8>)| wanted >= *start && wanted - start < bytes.len() as u64;
        while !holds(&self.chunk) {
            let cursor = match &mut self.cursor {
                Some(cursor) => cursor,
                none => none.insert(ContentCursor::at(&self.content, wanted, chunks)?),
            };
            // Decoding has checked that there is as much content as the extents need.
            self.chunk = cursor.next(chunks)?.ok_or_else(|| FormatError::damaged("content", "it ends too early"))?;
        }
        Ok(())
    }
}
