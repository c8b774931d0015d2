//! One file's bytes in order, each chunk checked against its name before it is given on.

use datis_engine::format::FormatError;
use datis_engine::format::content::{Content, Ref};
use datis_engine::format::listing::{ListingRoot, Node};
use datis_engine::format::path::EntryPath;

use crate::exit::Exit;
use crate::reader::{ChunkReader, ContentCursor, Cursor, ReadError};

/// How many chunks are located in one request: some megabytes of content.
const AHEAD: usize = 512;

/// Holes are given on as zeros, this many at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Why a file could not be given.
#[derive(Debug, thiserror::Error)]
pub enum CatError {
    /// The box, or the way to it, or the bytes.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something without bytes.
    #[error("{path} is no file (its sort is {word}), so it has no bytes to show; `datis restore` makes it again")]
    NoFile {
        /// Which entry.
        path: EntryPath,
        /// What it is.
        word: &'static str,
    },
    /// A part of the content cannot be read; all bytes before it were given.
    #[error("{path} is cut off at byte {at}, because the rest cannot be read")]
    CutOff {
        /// Which file.
        path: EntryPath,
        /// How many bytes were given.
        at: u64,
        /// Why.
        #[source]
        source: ReadError,
    },
}

impl CatError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Read(error) => error.exit(),
            Self::NoFile { .. } => Exit::Failed,
            Self::CutOff { .. } => Exit::Incomplete,
        }
    }
}

/// Gives the bytes of the file `path`, holes as zeros.
///
/// # Errors
/// [`CatError`], and whatever `give` returns.
pub fn cat<E: From<CatError>>(
    listing: &ListingRoot,
    path: &EntryPath,
    reader: &mut ChunkReader,
    give: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let entry = Cursor::find(listing, path, reader).map_err(CatError::from)?;
    let word = entry.node.word();
    let Node::File { size, extents, content } = entry.node else {
        return Err(CatError::NoFile { path: path.clone(), word }.into());
    };
    let extents = extents.unwrap_or_else(|| vec![(0, size)]);
    let mut layout = Layout { extents: extents.into(), at: 0 };
    let mut data = Data::new(&content);
    loop {
        let cut_off = |at, source: ReadError| match source.is_local() {
            true => CatError::CutOff { path: path.clone(), at, source },
            false => CatError::Read(source),
        };
        let next = data.next(reader).map_err(|e| cut_off(layout.at, e))?;
        let Some(r) = next else { break };
        let chunk = reader.chunk(&r.id).map_err(|e| cut_off(layout.at, e))?;
        if chunk.len() as u64 != r.len {
            let lie = FormatError::damaged("content", "a chunk has another length than the entry says");
            return Err(cut_off(layout.at, lie.into()).into());
        }
        layout.put(&chunk, give)?;
    }
    layout.fill_to(size, give)
}

/// The chunks of a content, located some at a time.
struct Data {
    cursor: ContentCursor,
    ahead: std::collections::VecDeque<Ref>,
}

impl Data {
    fn new(content: &Content) -> Self {
        Self { cursor: ContentCursor::new(content), ahead: std::collections::VecDeque::with_capacity(AHEAD) }
    }

    fn next(&mut self, reader: &mut ChunkReader) -> Result<Option<Ref>, ReadError> {
        if self.ahead.is_empty() {
            while self.ahead.len() < AHEAD
                && let Some((_, r)) = self.cursor.next(reader)?
            {
                self.ahead.push_back(r);
            }
            reader.expect(self.ahead.iter().map(|r| r.id))?;
        }
        Ok(self.ahead.pop_front())
    }
}

/// Puts data where the extents of a file say it belongs.
struct Layout {
    /// What is left of them.
    extents: std::collections::VecDeque<(u64, u64)>,
    /// Bytes given so far.
    at: u64,
}

impl Layout {
    fn put<E>(&mut self, mut data: &[u8], give: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        while !data.is_empty() {
            let Some((start, len)) = self.extents.front().copied() else { return Ok(()) };
            self.fill_to(start, give)?;
            let room = usize::try_from(len).unwrap_or(usize::MAX);
            let (now, later) = data.split_at(room.min(data.len()));
            give(now)?;
            let given = now.len() as u64;
            self.at += given;
            data = later;
            if given == len {
                self.extents.pop_front();
            } else if let Some(first) = self.extents.front_mut() {
                *first = (start + given, len - given);
            }
        }
        Ok(())
    }

    fn fill_to<E>(&mut self, end: u64, give: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        while self.at < end {
            let left = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(ZEROS.len());
            give(&ZEROS[..left])?;
            self.at += left as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_come_out_as_zeros_wherever_the_chunks_are_cut() {
        let whole = b"\0\0\0abcd\0\0ef\0\0\0\0";
        for cut in 0..=6 {
            let mut layout = Layout { extents: [(3, 4), (9, 2)].into(), at: 0 };
            let mut out = Vec::new();
            let mut give = |bytes: &[u8]| {
                out.extend_from_slice(bytes);
                Ok::<_, std::convert::Infallible>(())
            };
            layout.put(&b"abcdef"[..cut], &mut give).expect("give");
            layout.put(&b"abcdef"[cut..], &mut give).expect("give");
            layout.fill_to(15, &mut give).expect("give");
            assert_eq!(out, whole, "cut at {cut}");
        }
    }
}
