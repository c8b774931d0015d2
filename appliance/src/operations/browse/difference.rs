//! What is different between two listings. Nodes that both share are not read.

use std::cmp::Ordering;

use datis_engine::format::listing::Entry;
use datis_engine::format::path::{EntryPath, compare};

use super::chunks::Chunks;
use super::listing::{Cursor, Head};
use crate::operations::OperationError;

/// One difference.
pub(super) enum Step {
    /// Only the second one has it.
    Added(EntryPath, Entry),
    /// Only the first one has it.
    Removed(EntryPath),
    /// Both have it, and not the same: first, then second.
    Changed(EntryPath, Entry, Entry),
}

/// Why the comparison ended early.
pub(super) enum Broken {
    /// The first listing could not be read.
    Before(OperationError),
    /// The second one could not.
    After(OperationError),
    /// Whoever takes the differences takes no more.
    Taker(OperationError),
}

/// Gives every difference, in the order of the paths.
pub(super) fn difference(
    before: &mut Cursor,
    after: &mut Cursor,
    chunks: &mut Chunks,
    give: &mut dyn FnMut(Step) -> Result<(), OperationError>,
) -> Result<(), Broken> {
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
                let order = compare(&first, &other);
                if a > b || a == b && order.is_le() {
                    before.descend(chunks).map_err(Broken::Before)?;
                }
                if b > a || a == b && order.is_ge() {
                    after.descend(chunks).map_err(Broken::After)?;
                }
            }
            (Head::Node { first, .. }, Head::Entry) => match next_before(after, &first) {
                Some((path, entry)) => give(Step::Added(path, entry)).map_err(Broken::Taker)?,
                None => before.descend(chunks).map(drop).map_err(Broken::Before)?,
            },
            (Head::Entry, Head::Node { first, .. }) => match next_before(before, &first) {
                Some((path, _)) => give(Step::Removed(path)).map_err(Broken::Taker)?,
                None => after.descend(chunks).map(drop).map_err(Broken::After)?,
            },
            (Head::Node { .. }, Head::End) => before.descend(chunks).map(drop).map_err(Broken::Before)?,
            (Head::End, Head::Node { .. }) => after.descend(chunks).map(drop).map_err(Broken::After)?,
            (Head::Entry, Head::Entry | Head::End) | (Head::End, Head::Entry) => {
                if let Some(step) = lower(before, after) {
                    give(step).map_err(Broken::Taker)?;
                }
            }
        }
    }
}

/// The next entry if it comes before a node that starts at `first`.
fn next_before(cursor: &mut Cursor, first: &[u8]) -> Option<(EntryPath, Entry)> {
    let is_before = cursor.peek_path().is_some_and(|path| compare(path.as_bytes(), first).is_lt());
    if is_before { cursor.next_here() } else { None }
}

/// Both stand before an entry, or one at the end: takes the lower one, or both when they have the same path.
fn lower(before: &mut Cursor, after: &mut Cursor) -> Option<Step> {
    let order = match (before.peek_path(), after.peek_path()) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    let first = if order.is_le() { before.next_here() } else { None };
    let second = if order.is_ge() { after.next_here() } else { None };
    match (first, second) {
        (Some((path, a)), Some((_, b))) => (a != b).then_some(Step::Changed(path, a, b)),
        (Some((path, _)), None) => Some(Step::Removed(path)),
        (None, Some((path, entry))) => Some(Step::Added(path, entry)),
        (None, None) => None,
    }
}
