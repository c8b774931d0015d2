//! Walks a listing entry by entry, or jumps to a path, reading only the nodes on the way.

use std::iter::Peekable;

use datis_engine::format::FormatError;
use datis_engine::format::listing::{Child, Entry, ListingNode, ListingRoot, Totals};
use datis_engine::format::path::{EntryPath, compare};
use datis_engine::ids::ChunkId;

use super::super::OperationError;
use super::chunks::Chunks;

/// How many children of a node are looked up ahead of reading them.
const AHEAD: usize = 256;

/// Stands before an entry of a listing. Memory: one node a level.
pub(super) struct Cursor {
    levels: Vec<Level>,
    leaf: Peekable<std::vec::IntoIter<(EntryPath, Entry)>>,
    last: Vec<u8>,
}

/// An inner node that was read. `level` is that of its children.
struct Level {
    level: u8,
    children: Vec<Child>,
    next: usize,
    /// Children before this one are looked up.
    expected: usize,
}

/// What a cursor stands before.
pub(super) enum Head {
    /// A whole node, none of it read yet.
    Node { level: u8, id: ChunkId, first: Vec<u8> },
    /// An entry.
    Entry,
    /// The end.
    End,
}

impl Cursor {
    /// Before the first entry.
    pub(super) fn new(root: &ListingRoot) -> Self {
        // The root is treated as the only child of a node above it. Its first path is not known; an empty one is below all.
        let child = Child { first: Vec::new(), id: root.id, len: root.len, totals: Totals::default() };
        let top = Level { level: root.level, children: vec![child], next: 0, expected: 0 };
        Self { levels: vec![top], leaf: Vec::new().into_iter().peekable(), last: Vec::new() }
    }

    /// Before the end of a listing that has nothing.
    pub(super) fn empty() -> Self {
        Self { levels: Vec::new(), leaf: Vec::new().into_iter().peekable(), last: Vec::new() }
    }

    /// The next entry; `None` at the end. After an error that is about some bytes only, the next call goes on behind them.
    pub(super) fn next(&mut self, chunks: &mut Chunks) -> Result<Option<(EntryPath, Entry)>, OperationError> {
        loop {
            if let Some(entry) = self.leaf.next() {
                return Ok(Some(entry));
            }
            if !self.descend(chunks)? {
                return Ok(None);
            }
        }
    }

    /// Moves forward to the first entry whose path `is_beyond`, which must be false for all before it and true for all
    /// after it.
    pub(super) fn skip_until(
        &mut self,
        chunks: &mut Chunks,
        is_beyond: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), OperationError> {
        loop {
            while let Some((path, _)) = self.leaf.peek() {
                if is_beyond(path.as_bytes()) {
                    return Ok(());
                }
                self.leaf.next();
            }
            if !self.skip_children(is_beyond) || !self.descend(chunks)? {
                return Ok(());
            }
        }
    }

    /// Moves forward to `path`, or to the entry that stands where it would.
    pub(super) fn skip_to(&mut self, chunks: &mut Chunks, path: &EntryPath) -> Result<(), OperationError> {
        self.skip_until(chunks, &|other| compare(other, path.as_bytes()).is_ge())
    }

    /// Moves forward behind everything that is below `path`.
    pub(super) fn skip_below(&mut self, chunks: &mut Chunks, path: &EntryPath) -> Result<(), OperationError> {
        let base = path.as_bytes();
        self.skip_until(chunks, &|other| {
            let below = other.strip_prefix(base).is_some_and(|rest| rest.first().is_none_or(|b| *b == b'/'));
            compare(other, base).is_gt() && !below
        })
    }

    /// Moves past children that lie wholly before the target. False: nothing is left.
    fn skip_children(&mut self, is_beyond: &dyn Fn(&[u8]) -> bool) -> bool {
        // A level is done when the next child of one above it still starts before the target.
        let keep = self.levels.iter().position(|l| l.children.get(l.next).is_some_and(|c| !is_beyond(&c.first)));
        if let Some(keep) = keep {
            self.levels.truncate(keep + 1);
        }
        while let Some(level) = self.levels.last_mut() {
            let rest = level.children.get(level.next..).unwrap_or_default();
            if rest.is_empty() {
                self.levels.pop();
                continue;
            }
            let before = rest.partition_point(|child| !is_beyond(&child.first));
            level.next += before.saturating_sub(1);
            return true;
        }
        false
    }

    /// Reads the next node. False: there is none.
    pub(super) fn descend(&mut self, chunks: &mut Chunks) -> Result<bool, OperationError> {
        let Some((level, child)) = self.take_child(chunks)? else { return Ok(false) };
        self.open(level, &child, chunks)?;
        Ok(true)
    }

    fn take_child(&mut self, chunks: &mut Chunks) -> Result<Option<(u8, Child)>, OperationError> {
        while let Some(top) = self.levels.last_mut() {
            let Some(child) = top.children.get(top.next).cloned() else {
                self.levels.pop();
                continue;
            };
            if top.next >= top.expected {
                top.expected = top.children.len().min(top.next + AHEAD);
                let mut ids = top.children[top.next..top.expected].iter().map(|c| c.id).collect();
                chunks.expect(&mut ids)?;
            }
            top.next += 1;
            return Ok(Some((top.level, child)));
        }
        Ok(None)
    }

    fn open(&mut self, level: u8, child: &Child, chunks: &mut Chunks) -> Result<(), OperationError> {
        let node = ListingNode::decode(level, &chunks.get(&child.id)?)?;
        let first = match &node {
            ListingNode::Leaf(entries) => entries.first().map(|(path, _)| path.as_bytes()),
            ListingNode::Inner(children) => children.first().map(|child| child.first.as_slice()),
        };
        // A node begins where its parent says, behind everything before it: so each stands in one place only, and the walk
        // over a listing ends however its nodes refer to one another.
        let is_root = child.first.is_empty();
        let in_order = first.is_none_or(|first| self.last.is_empty() || compare(first, &self.last).is_gt());
        if !in_order || !is_root && first != Some(child.first.as_slice()) {
            return Err(FormatError::damaged("listing node", "it does not come after the one before it").into());
        }
        match node {
            ListingNode::Leaf(entries) => {
                if let Some((path, _)) = entries.last() {
                    self.last.clear();
                    self.last.extend_from_slice(path.as_bytes());
                }
                self.leaf = entries.into_iter().peekable();
            }
            ListingNode::Inner(children) => {
                // Level 0 decodes to leaves only, so there is a level below.
                self.levels.push(Level { level: level.saturating_sub(1), children, next: 0, expected: 0 });
            }
        }
        Ok(())
    }

    /// What it stands before.
    pub(super) fn head(&mut self) -> Head {
        if self.leaf.peek().is_some() {
            return Head::Entry;
        }
        while let Some(top) = self.levels.last() {
            match top.children.get(top.next) {
                Some(c) => return Head::Node { level: top.level, id: c.id, first: c.first.clone() },
                None => {
                    self.levels.pop();
                }
            }
        }
        Head::End
    }

    /// Moves past the node that it stands before.
    pub(super) fn skip_node(&mut self) {
        if let Some(top) = self.levels.last_mut() {
            top.next += 1;
        }
    }

    /// The path of the entry that it stands before, unless that is in a node that was not read yet.
    pub(super) fn peek_path(&mut self) -> Option<&EntryPath> {
        self.leaf.peek().map(|(path, _)| path)
    }

    /// The next entry of the node that was read last.
    pub(super) fn next_here(&mut self) -> Option<(EntryPath, Entry)> {
        self.leaf.next()
    }
}

/// Finds one entry; `None` when there is none at the path itself.
pub(super) fn find(root: &ListingRoot, path: &EntryPath, chunks: &mut Chunks) -> Result<Option<Entry>, OperationError> {
    let mut cursor = Cursor::new(root);
    cursor.skip_to(chunks, path)?;
    let found = cursor.next(chunks)?.filter(|(found, _)| found == path);
    Ok(found.map(|(_, entry)| entry))
}
