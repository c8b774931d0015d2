//! The bytes of an open file: only the chunks that hold what is asked for are fetched, and holes are not fetched at all.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datis_engine::format::FormatError;
use datis_engine::format::content::Content;
use datis_engine::format::listing::{Entry, Node};

use super::lanes::FileLane;
use super::tree::{Tree, TreeError};
use crate::reader::{ChunkReader, ContentCursor, ReadError};

/// How many bytes ahead of a read are located, so that a file that is read from its beginning to its end costs few
/// questions.
const AHEAD: u64 = 8 << 20;

/// The most chunks that are located at once.
const AHEAD_CHUNKS_MAX: usize = 2_048;

/// A file that somebody reads.
pub(crate) struct OpenFile {
    pub(crate) entry: Arc<Entry>,
    lane: FileLane,
    reading: Mutex<Reading>,
    has_failed: AtomicBool,
}

/// Where the last read ended. Offsets are those of the content, without holes.
#[derive(Default)]
struct Reading {
    cursor: Option<ContentCursor>,
    located: Range<u64>,
}

impl OpenFile {
    pub(super) fn new(entry: Arc<Entry>, lane: FileLane) -> Self {
        Self { entry, lane, reading: Mutex::default(), has_failed: AtomicBool::new(false) }
    }

    /// At most `len` bytes from `offset` on; fewer only at the end of the file.
    pub(crate) fn read(&self, offset: u64, len: u32, tree: &Tree) -> Result<Vec<u8>, TreeError> {
        let Node::File { size, extents, content } = &self.entry.node else { return Err(TreeError::OtherSort) };
        let wanted = offset..offset.saturating_add(u64::from(len)).min(*size);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        // At most `len`, which is 32 bits wide.
        let mut bytes = vec![0; (wanted.end - wanted.start) as usize];
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in pieces(extents.as_deref(), *size, &wanted) {
            let at = (piece.at - wanted.start) as usize;
            let out = &mut bytes[at..at + piece.len as usize];
            let read = tree.lanes.with_file(&self.lane, |reader| reading.fill(content, piece.from, out, reader));
            if let Err(error) = read {
                *reading = Reading::default();
                return Err(error.into());
            }
        }
        Ok(bytes)
    }

    /// Whether this is the first time that this file could not be read, so that it is told once.
    pub(crate) fn fails_first(&self) -> bool {
        !self.has_failed.swap(true, Ordering::Relaxed)
    }

    /// The first byte from `offset` on that is data, or that is in a hole. The end of the file counts as a hole. `None`:
    /// there is none.
    pub(crate) fn seek(&self, offset: u64, to_data: bool) -> Option<u64> {
        let Node::File { size, extents, .. } = &self.entry.node else { return None };
        if offset >= *size {
            return None;
        }
        let whole = [(0, *size)];
        let extents = extents.as_deref().unwrap_or(&whole);
        if to_data {
            extents.iter().find(|(at, len)| at + len > offset).map(|(at, _)| offset.max(*at))
        } else {
            // Extents may touch one another.
            Some(
                extents
                    .iter()
                    .fold(offset, |hole, (at, len)| if (*at..at + len).contains(&hole) { at + len } else { hole }),
            )
        }
    }
}

/// A piece of data within a read.
#[derive(Debug, PartialEq)]
struct Piece {
    /// Its first byte in the file.
    at: u64,
    /// Its first byte in the content.
    from: u64,
    len: u64,
}

/// The data that `wanted` touches; between the pieces there are holes.
fn pieces<'e>(
    extents: Option<&'e [(u64, u64)]>,
    size: u64,
    wanted: &'e Range<u64>,
) -> impl Iterator<Item = Piece> + use<'e> {
    let whole = if extents.is_none() { Some((0, size)) } else { None };
    let mut from = 0;
    whole.into_iter().chain(extents.unwrap_or_default().iter().copied()).filter_map(move |(at, len)| {
        let first = from;
        from += len;
        let (start, end) = (wanted.start.max(at), wanted.end.min(at + len));
        (start < end).then(|| Piece { at: start, from: first + (start - at), len: end - start })
    })
}

impl Reading {
    /// Fills `out` with the content from `from` on.
    fn fill(
        &mut self,
        content: &Content,
        from: u64,
        out: &mut [u8],
        reader: &mut ChunkReader,
    ) -> Result<(), ReadError> {
        let end = from + out.len() as u64;
        if !(self.located.start <= from && end <= self.located.end) {
            self.located = from..locate(content, from, end, reader)?;
        }
        let cursor = self.cursor.get_or_insert_with(|| ContentCursor::new(content));
        cursor.seek(from, reader)?;
        let mut at = from;
        while at < end {
            let Some((start, chunk)) = cursor.next(reader)? else { return Err(ends_early().into()) };
            let bytes = reader.chunk(&chunk.id)?;
            if bytes.len() as u64 != chunk.len || start > at {
                return Err(other_length().into());
            }
            // A chunk is in memory, so offsets in it fit.
            let rest = bytes.get((at - start) as usize..).unwrap_or_default();
            if rest.is_empty() && !bytes.is_empty() {
                return Err(other_length().into());
            }
            let done = (at - from) as usize;
            let len = rest.len().min(out.len() - done);
            out[done..done + len].copy_from_slice(&rest[..len]);
            at += len as u64;
        }
        Ok(())
    }
}

/// Asks where the chunks from `from` to `end`, and some more, are. Returns where that ends.
fn locate(content: &Content, from: u64, end: u64, reader: &mut ChunkReader) -> Result<u64, ReadError> {
    let mut cursor = ContentCursor::new(content);
    cursor.seek(from, reader)?;
    let mut ids = Vec::new();
    let mut until = from;
    while until < end || until < from.saturating_add(AHEAD) && ids.len() < AHEAD_CHUNKS_MAX {
        let Some((start, chunk)) = cursor.next(reader)? else { break };
        ids.push(chunk.id);
        until = start + chunk.len;
    }
    reader.expect(ids.into_iter())?;
    Ok(until)
}

fn ends_early() -> FormatError {
    FormatError::Damaged { what: "content", reason: "it ends before the file does".to_owned() }
}

fn other_length() -> FormatError {
    FormatError::Damaged { what: "content", reason: "a chunk has another length than its reference says".to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lanes::Lanes;
    use super::super::tree::directory_entry;
    use super::*;

    /// Sorted extents that may touch one another, and a size.
    fn sparse() -> impl Strategy<Value = (Vec<(u64, u64)>, u64)> {
        (proptest::collection::vec((0..5_u64, 1..5_u64), 0..6), 0..5_u64).prop_map(|(gaps, tail)| {
            let mut end = 0;
            let extents: Vec<_> = gaps
                .into_iter()
                .map(|(gap, len)| {
                    let at = end + gap;
                    end = at + len;
                    (at, len)
                })
                .collect();
            (extents, end + tail)
        })
    }

    /// For each byte of the file its offset in the content, if it is data.
    fn laid_out(extents: &[(u64, u64)], size: u64) -> Vec<Option<u64>> {
        let mut bytes = vec![None; size as usize];
        let mut from = 0;
        for (at, len) in extents {
            for i in 0..*len {
                bytes[(at + i) as usize] = Some(from);
                from += 1;
            }
        }
        bytes
    }

    fn file(extents: Vec<(u64, u64)>, size: u64) -> OpenFile {
        let dir = tempfile::tempdir().expect("temporary folder");
        let lanes = Lanes::new(crate::state::tests::enrolled(dir.path()));
        let node = Node::File { size, extents: Some(extents), content: Content::default() };
        let entry = Entry { node, ..directory_entry(datis_engine::units::UnixMillis(0), (0, 0)) };
        OpenFile::new(Arc::new(entry), lanes.join())
    }

    proptest! {
        #[test]
        fn a_read_takes_each_byte_of_data_from_its_place_and_leaves_holes_out(
            (extents, size) in sparse(), start in 0..60_u64, len in 0..60_u64,
        ) {
            let wanted = start..(start + len).min(size).max(start);
            let mut read = vec![None; (wanted.end - wanted.start) as usize];
            for piece in pieces(Some(&extents), size, &wanted) {
                for i in 0..piece.len {
                    read[(piece.at + i - wanted.start) as usize] = Some(piece.from + i);
                }
            }
            let whole = laid_out(&extents, size);
            let expected: Vec<_> = wanted.map(|at| whole.get(at as usize).copied().flatten()).collect();
            prop_assert_eq!(read, expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_search_finds_the_next_data_and_the_next_hole((extents, size) in sparse(), offset in 0..60_u64) {
            let whole = laid_out(&extents, size);
            let file = file(extents, size);
            let find = |data: bool| (offset..size).find(|at| whole[*at as usize].is_some() == data);
            prop_assert_eq!(file.seek(offset, true), find(true));
            let hole = if offset < size { Some(find(false).unwrap_or(size)) } else { None };
            prop_assert_eq!(file.seek(offset, false), hole);
        }
    }

    #[test]
    fn a_file_without_holes_is_one_piece() {
        let all: Vec<_> = pieces(None, 10, &(4..7)).collect();
        assert_eq!(all, [Piece { at: 4, from: 4, len: 3 }]);
    }
}
