//! Walks a listing entry by entry, or jumps to a path reading only the nodes on the way.

use datis_engine::format::FormatError;
use datis_engine::format::listing::{Child, Entry, ListingNode, ListingRoot};
use datis_engine::format::path::{EntryPath, compare};
use datis_engine::ids::ChunkId;

use super::{ChunkReader, ReadError};

/// How many children of a node are located ahead of reading them.
const AHEAD: usize = 512;

/// Stands before an entry of a listing. Memory: one node a level.
#[derive(Debug)]
pub struct Cursor {
    levels: Vec<Level>,
    leaf: std::iter::Peekable<std::vec::IntoIter<(EntryPath, Entry)>>,
    last: Vec<u8>,
}

/// An inner node that was read. `level` is that of its children.
#[derive(Debug)]
struct Level {
    level: u8,
    children: Vec<Child>,
    next: usize,
    /// Children before this one are located.
    expected: usize,
}

/// What a cursor stands before.
#[derive(Debug)]
enum Head {
    /// A whole node, none of it read yet.
    Node { level: u8, id: ChunkId, first: Vec<u8> },
    /// An entry.
    Entry,
    /// The end.
    End,
}

impl Cursor {
    /// Before the first entry.
    #[must_use]
    pub fn new(root: &ListingRoot) -> Self {
        // The root is treated as the only child of a node above it. Its first path is not known; an empty one is below all.
        let child = Child { first: Vec::new(), id: root.id, len: root.len, totals: Default::default() };
        let top = Level { level: root.level, children: vec![child], next: 0, expected: 0 };
        Self { levels: vec![top], leaf: Vec::new().into_iter().peekable(), last: Vec::new() }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`]. When it [`ReadError::is_local`], the next call goes on behind the part that cannot be read.
    pub fn next(&mut self, reader: &mut ChunkReader) -> Result<Option<(EntryPath, Entry)>, ReadError> {
        loop {
            if let Some(entry) = self.leaf.next() {
                return Ok(Some(entry));
            }
            if !self.descend(reader)? {
                return Ok(None);
            }
        }
    }

    /// Moves forward to the first entry whose path `is_beyond`, which must be false for all before it and true for all
    /// after it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn skip_until(&mut self, reader: &mut ChunkReader, is_beyond: &dyn Fn(&[u8]) -> bool) -> Result<(), ReadError> {
        loop {
            while let Some((path, _)) = self.leaf.peek() {
                if is_beyond(path.as_bytes()) {
                    return Ok(());
                }
                self.leaf.next();
            }
            if !self.skip_children(is_beyond) || !self.descend(reader)? {
                return Ok(());
            }
        }
    }

    /// Moves forward to `path`, or to the entry that stands where it would.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn skip_to(&mut self, reader: &mut ChunkReader, path: &EntryPath) -> Result<(), ReadError> {
        self.skip_until(reader, &|other| compare(other, path.as_bytes()).is_ge())
    }

    /// Moves forward behind everything that is below `path`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn skip_below(&mut self, reader: &mut ChunkReader, path: &EntryPath) -> Result<(), ReadError> {
        let base = path.as_bytes();
        self.skip_until(reader, &|other| {
            let below = other.strip_prefix(base).is_some_and(|rest| rest.first().is_none_or(|b| *b == b'/'));
            compare(other, base).is_gt() && !below
        })
    }

    /// Finds one entry.
    ///
    /// # Errors
    /// [`ReadError::NoSuchPath`] and all others.
    pub fn find(root: &ListingRoot, path: &EntryPath, reader: &mut ChunkReader) -> Result<Entry, ReadError> {
        let mut cursor = Self::new(root);
        cursor.skip_to(reader, path)?;
        match cursor.next(reader)? {
            Some((found, entry)) if found == *path => Ok(entry),
            Some(_) | None => Err(ReadError::NoSuchPath(path.clone())),
        }
    }

    /// Moves past children that lie wholly before the target. False: nothing is left.
    fn skip_children(&mut self, is_beyond: &dyn Fn(&[u8]) -> bool) -> bool {
        // A level is done when the next child of one above it still starts before the target.
        if let Some(keep) =
            self.levels.iter().position(|l| l.children.get(l.next).is_some_and(|c| !is_beyond(&c.first)))
        {
            self.levels.truncate(keep + 1);
        }
        while let Some(level) = self.levels.last_mut() {
            let rest = &level.children[level.next..];
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
    fn descend(&mut self, reader: &mut ChunkReader) -> Result<bool, ReadError> {
        let Some((level, child)) = self.take_child(reader)? else { return Ok(false) };
        self.open(level, &child, reader).map(|()| true).map_err(|source| {
            if !source.is_local() || child.first.is_empty() {
                return source;
            }
            let first = crate::errors::shown(&child.first);
            ReadError::Listing { first, entries: child.totals.entries, source: Box::new(source) }
        })
    }

    fn take_child(&mut self, reader: &mut ChunkReader) -> Result<Option<(u8, Child)>, ReadError> {
        while let Some(top) = self.levels.last_mut() {
            let Some(child) = top.children.get(top.next).cloned() else {
                self.levels.pop();
                continue;
            };
            if top.next >= top.expected {
                top.expected = top.children.len().min(top.next + AHEAD);
                reader.expect(top.children[top.next..top.expected].iter().map(|c| c.id))?;
            }
            top.next += 1;
            return Ok(Some((top.level, child)));
        }
        Ok(None)
    }

    fn open(&mut self, level: u8, child: &Child, reader: &mut ChunkReader) -> Result<(), ReadError> {
        let chunk = reader.chunk(&child.id)?;
        let node = ListingNode::decode(level, &chunk)?;
        let first = match &node {
            ListingNode::Leaf(entries) => entries.first().map(|(path, _)| path.as_bytes()),
            ListingNode::Inner(children) => children.first().map(|child| child.first.as_slice()),
        };
        // A node begins where its parent says, behind everything before it: so each stands in one place only, and the walk
        // over a listing ends however its nodes refer to one another.
        let is_root = child.first.is_empty();
        let in_order = first.is_none_or(|first| self.last.is_empty() || compare(first, &self.last).is_gt());
        if !in_order || !is_root && first != Some(child.first.as_slice()) {
            return Err(out_of_order().into());
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
                self.levels.push(Level { level: level - 1, children, next: 0, expected: 0 });
            }
        }
        Ok(())
    }

    fn head(&mut self) -> Head {
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
    fn skip_node(&mut self) {
        if let Some(top) = self.levels.last_mut() {
            top.next += 1;
        }
    }
}

fn out_of_order() -> FormatError {
    FormatError::Damaged { what: "listing leaf", reason: "it does not come after the one before it".to_owned() }
}

/// One difference between two listings.
#[derive(Debug)]
pub enum Step {
    /// Only the second one has it.
    Added(EntryPath, Entry),
    /// Only the first one has it.
    Removed(EntryPath, Entry),
    /// Both have it, and not the same: first, then second.
    Changed(EntryPath, Entry, Entry),
}

/// Gives every difference between two listings, in order. Nodes that both share are not read.
///
/// # Errors
/// [`ReadError`], and whatever `give` returns.
pub fn difference<E: From<ReadError>>(
    before: &mut Cursor,
    after: &mut Cursor,
    reader: &mut ChunkReader,
    give: &mut dyn FnMut(Step) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        match (before.head(), after.head()) {
            (Head::End, Head::End) => return Ok(()),
            (Head::Node { level: a, id, .. }, Head::Node { level: b, id: other, .. }) if (a, id) == (b, other) => {
                before.skip_node();
                after.skip_node();
            }
            (Head::Node { level: a, first, .. }, Head::Node { level: b, first: other, .. }) => {
                // The higher node is opened first; of two equals the one that starts first, since the other may be met
                // again further on.
                let open_first = a > b || a == b && compare(&first, &other).is_le();
                let open_second = b > a || a == b && compare(&first, &other).is_ge();
                if open_first {
                    before.descend(reader)?;
                }
                if open_second {
                    after.descend(reader)?;
                }
            }
            (Head::Node { first, .. }, Head::Entry) => {
                meet(before, &first, after, reader, &mut |p, e| give(Step::Added(p, e)))?
            }
            (Head::Entry, Head::Node { first, .. }) => {
                meet(after, &first, before, reader, &mut |p, e| give(Step::Removed(p, e)))?
            }
            (Head::Node { .. }, Head::End) => {
                before.descend(reader)?;
            }
            (Head::End, Head::Node { .. }) => {
                after.descend(reader)?;
            }
            (Head::Entry, Head::Entry | Head::End) | (Head::End, Head::Entry) => give_lower(before, after, give)?,
        }
    }
}

/// One stands before a node that starts at `first`, the other before an entry: gives the entry if it comes before the
/// node, else opens the node.
fn meet<E: From<ReadError>>(
    at_node: &mut Cursor,
    first: &[u8],
    at_entry: &mut Cursor,
    reader: &mut ChunkReader,
    give: &mut dyn FnMut(EntryPath, Entry) -> Result<(), E>,
) -> Result<(), E> {
    match at_entry.leaf.next_if(|(path, _)| compare(path.as_bytes(), first).is_lt()) {
        Some((path, entry)) => give(path, entry),
        None => Ok(at_node.descend(reader).map(|_| ())?),
    }
}

/// Both stand before an entry, or one at the end: gives the lower one, or both when they have the same path.
fn give_lower<E>(
    before: &mut Cursor,
    after: &mut Cursor,
    give: &mut dyn FnMut(Step) -> Result<(), E>,
) -> Result<(), E> {
    let order = match (before.leaf.peek(), after.leaf.peek()) {
        (Some((a, _)), Some((b, _))) => a.cmp(b),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, _) => std::cmp::Ordering::Greater,
    };
    let first = if order.is_le() { before.leaf.next() } else { None };
    let second = if order.is_ge() { after.leaf.next() } else { None };
    match (first, second) {
        (Some((path, a)), Some((_, b))) if a != b => give(Step::Changed(path, a, b)),
        (Some(_), Some(_)) | (None, None) => Ok(()),
        (Some((path, entry)), None) => give(Step::Removed(path, entry)),
        (None, Some((path, entry))) => give(Step::Added(path, entry)),
    }
}
