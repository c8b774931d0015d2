//! What a file holds: its chunks in order, or the one at an offset. Only the nodes on the way are read.

use datis_engine::format::FormatError;
use datis_engine::format::content::{Content, ContentNode, Ref};

use super::{ChunkReader, ReadError};

const WHAT: &str = "content node";

/// Stands before a chunk of a content. Memory: one node a level.
#[derive(Debug, Clone)]
pub struct ContentCursor {
    /// From the top to the node whose references are chunks.
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    /// What the references stand for: 0 means chunks.
    level: u8,
    refs: Vec<Ref>,
    next: usize,
    /// Offset of `refs[next]` in the content.
    at: u64,
    start: u64,
    end: u64,
}

impl Level {
    fn new(level: u8, refs: Vec<Ref>, start: u64) -> Self {
        let end = refs.iter().fold(start, |sum, r| sum.saturating_add(r.len));
        Self { level, refs, next: 0, at: start, start, end }
    }

    /// Moves to the reference that holds `offset`, which is within this level.
    fn seek(&mut self, offset: u64) {
        if offset < self.at {
            (self.next, self.at) = (0, self.start);
        }
        while let Some(r) = self.refs.get(self.next) {
            if offset - self.at < r.len {
                return;
            }
            self.at += r.len;
            self.next += 1;
        }
    }
}

impl ContentCursor {
    /// Before the first chunk.
    #[must_use]
    pub fn new(content: &Content) -> Self {
        Self { levels: vec![Level::new(content.level, content.refs.clone(), 0)] }
    }

    /// The next chunk and its offset in the content; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`]; the cursor cannot be used any more then.
    pub fn next(&mut self, reader: &mut ChunkReader) -> Result<Option<(u64, Ref)>, ReadError> {
        loop {
            let Some(top) = self.levels.last_mut() else { return Ok(None) };
            let Some(r) = top.refs.get(top.next).copied() else {
                if self.levels.len() == 1 {
                    return Ok(None);
                }
                self.levels.pop();
                continue;
            };
            let at = top.at;
            top.next += 1;
            top.at += r.len;
            if top.level == 0 {
                return Ok(Some((at, r)));
            }
            let below = top.level - 1;
            self.descend(r, at, below, reader)?;
        }
    }

    /// Moves before the chunk that holds `offset`; then [`Self::next`] gives it. At the end if there is none.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn seek(&mut self, offset: u64, reader: &mut ChunkReader) -> Result<(), ReadError> {
        while self.levels.len() > 1 && self.levels.last().is_some_and(|l| !(l.start..l.end).contains(&offset)) {
            self.levels.pop();
        }
        // The levels above have moved past the one below them: only the lowest kept one is moved.
        loop {
            let Some(top) = self.levels.last_mut() else { return Ok(()) };
            top.seek(offset);
            let Some(r) = top.refs.get(top.next).copied() else { return Ok(()) };
            if top.level == 0 {
                return Ok(());
            }
            let (at, below) = (top.at, top.level - 1);
            top.next += 1;
            top.at += r.len;
            self.descend(r, at, below, reader)?;
        }
    }

    /// Reads the node of `r`, whose references are of level `below`.
    fn descend(&mut self, r: Ref, at: u64, below: u8, reader: &mut ChunkReader) -> Result<(), ReadError> {
        let chunk = reader.chunk(&r.id)?;
        let node = ContentNode::decode(&chunk)?;
        let next = Level::new(below, node.refs, at);
        let broken = |reason: &str| FormatError::Damaged { what: WHAT, reason: reason.to_owned() };
        if node.level != below + 1 {
            return Err(broken("it stands at another level").into());
        }
        if next.end - next.start != r.len {
            return Err(broken("it holds another number of bytes than its reference says").into());
        }
        if below > 0 {
            reader.expect(next.refs.iter().map(|r| r.id))?;
        }
        self.levels.push(next);
        Ok(())
    }
}

/// All bytes of `content`, at most `max`.
pub(super) fn whole(reader: &mut ChunkReader, content: &Content, max: usize) -> Result<Vec<u8>, ReadError> {
    if content.len() > max as u64 {
        let reason = format!("{} bytes are more than are expected here", content.len());
        return Err(FormatError::Damaged { what: "content", reason }.into());
    }
    let mut bytes = Vec::new();
    let mut cursor = ContentCursor::new(content);
    while let Some((_, r)) = cursor.next(reader)? {
        let chunk = reader.chunk(&r.id)?;
        if chunk.len() as u64 != r.len {
            return Err(FormatError::damaged("content", "a chunk has another length than its reference says").into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use datis_engine::ids::ChunkId;

    use super::*;

    #[test]
    fn a_level_finds_the_reference_that_holds_an_offset_forward_and_back() {
        let r = |n: u8, len| Ref { id: ChunkId::from_bytes([n; ChunkId::LEN]), len };
        let mut level = Level::new(0, vec![r(0, 10), r(1, 0), r(2, 5), r(3, 7)], 100);
        for (offset, next, at) in
            [(100, 0, 100), (109, 0, 100), (110, 2, 110), (121, 3, 115), (114, 2, 110), (122, 4, 122)]
        {
            level.seek(offset);
            assert_eq!((level.next, level.at), (next, at), "{offset}");
        }
    }
}
