//! What a file holds: its chunks in order, or the one at an offset. Only the nodes on the way are read.

use datis_engine::format::FormatError;
use datis_engine::format::content::{Content, ContentNode, Ref};

use super::super::OperationError;
use super::chunks::Chunks;

const WHAT: &str = "content node";

/// How many chunks are looked up ahead of reading them: some megabytes of content.
const AHEAD: usize = 256;

/// Stands before a chunk of a content. Memory: one node a level.
pub(super) struct ContentCursor {
    /// From the top to the node whose references are chunks.
    levels: Vec<Level>,
}

struct Level {
    /// What the references stand for: 0 means chunks.
    level: u8,
    refs: Vec<Ref>,
    next: usize,
    /// References before this one are looked up.
    expected: usize,
    /// Offset of `refs[next]` in the content.
    at: u64,
}

impl Level {
    fn new(level: u8, refs: Vec<Ref>, start: u64) -> Self {
        Self { level, refs, next: 0, expected: 0, at: start }
    }

    /// Moves forward to the reference that holds `offset`.
    fn seek(&mut self, offset: u64) {
        while let Some(r) = self.refs.get(self.next) {
            if offset.saturating_sub(self.at) < r.len {
                return;
            }
            self.at = self.at.saturating_add(r.len);
            self.next += 1;
        }
    }
}

impl ContentCursor {
    /// Before the chunk that holds `offset`; at the end if there is none.
    pub(super) fn at(content: &Content, offset: u64, chunks: &mut Chunks) -> Result<Self, OperationError> {
        let mut cursor = Self { levels: vec![Level::new(content.level, content.refs.clone(), 0)] };
        while let Some(top) = cursor.levels.last_mut() {
            top.seek(offset);
            if top.level == 0 || !cursor.descend(chunks)? {
                break;
            }
        }
        Ok(cursor)
    }

    /// The next chunk and its offset in the content; `None` at the end.
    pub(super) fn next(&mut self, chunks: &mut Chunks) -> Result<Option<(u64, Vec<u8>)>, OperationError> {
        loop {
            let Some(top) = self.levels.last_mut() else { return Ok(None) };
            if top.next >= top.refs.len() {
                self.levels.pop();
            } else if top.level > 0 {
                self.descend(chunks)?;
            } else {
                let Some((at, r)) = self.take(chunks)? else { return Ok(None) };
                let bytes = chunks.get(&r.id)?;
                if bytes.len() as u64 != r.len {
                    let lie = FormatError::damaged("content", "a chunk has another length than its reference says");
                    return Err(lie.into());
                }
                return Ok(Some((at, bytes)));
            }
        }
    }

    /// The next reference of the lowest level, which is looked up with those that follow.
    fn take(&mut self, chunks: &mut Chunks) -> Result<Option<(u64, Ref)>, OperationError> {
        let Some(top) = self.levels.last_mut() else { return Ok(None) };
        let Some(r) = top.refs.get(top.next).copied() else { return Ok(None) };
        if top.next >= top.expected {
            top.expected = top.refs.len().min(top.next + AHEAD);
            let mut ids = top.refs[top.next..top.expected].iter().map(|r| r.id).collect();
            chunks.expect(&mut ids)?;
        }
        let at = top.at;
        top.next += 1;
        top.at = top.at.saturating_add(r.len);
        Ok(Some((at, r)))
    }

    /// Reads the next node. False: there is none.
    fn descend(&mut self, chunks: &mut Chunks) -> Result<bool, OperationError> {
        let Some((at, r)) = self.take(chunks)? else { return Ok(false) };
        // Only called above the lowest level.
        let below = self.levels.last().map_or(0, |top| top.level.saturating_sub(1));
        let node = ContentNode::decode(&chunks.get(&r.id)?)?;
        let total = node.refs.iter().fold(0_u64, |sum, r| sum.saturating_add(r.len));
        if node.level != below + 1 || total != r.len {
            return Err(FormatError::damaged(WHAT, "it has another level or length than its reference says").into());
        }
        self.levels.push(Level::new(below, node.refs, at));
        Ok(true)
    }
}
