//! What is in a directory, name after name, as far as somebody reads it.

use std::sync::{Arc, Mutex, PoisonError};

use datis_engine::format::listing::Entry;
use datis_engine::format::path::EntryPath;

use super::lanes::Lanes;
use super::tree::{Place, Tree, TreeError, directory_entry};
use crate::reader::{ChunkReader, Cursor, ReadError};
use crate::snapshots::Snapshot;

/// After so many parts that cannot be read a directory is given up.
const DAMAGE_MAX: u32 = 1_000;

/// One name in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) name: Vec<u8>,
    pub(super) place: Place,
    pub(crate) entry: Arc<Entry>,
}

/// A directory that somebody reads. Its memory does not depend on how long it is, unless it is one of the few that stand
/// above the snapshots.
pub(crate) struct OpenDirectory {
    pub(super) place: Place,
    names: Mutex<Names>,
}

enum Names {
    Fixed(Vec<Item>),
    Listed(Box<Listed>),
}

impl OpenDirectory {
    pub(super) const fn fixed(place: Place, items: Vec<Item>) -> Self {
        Self { place, names: Mutex::new(Names::Fixed(items)) }
    }

    pub(super) fn listed(snapshot: Arc<Snapshot>, dir: Option<EntryPath>) -> Self {
        let place = Place::Inside(snapshot.clone(), dir.clone());
        Self { place, names: Mutex::new(Names::Listed(Box::new(Listed::new(snapshot, dir)))) }
    }

    /// The name at `position`, counted from 0; `None` behind the last one.
    ///
    /// # Errors
    /// Behind the last one, when parts of the directory could not be read; what could be read is given before.
    pub(crate) fn item(&self, position: u64, tree: &Tree) -> Result<Option<Item>, TreeError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *names {
            Names::Fixed(items) => Ok(usize::try_from(position).ok().and_then(|at| items.get(at)).cloned()),
            Names::Listed(listed) => listed.item(position, &tree.lanes, tree.owner()),
        }
    }
}

/// A directory of a snapshot: its children are found by going through the listing and jumping over what is below them.
struct Listed {
    snapshot: Arc<Snapshot>,
    dir: Option<EntryPath>,
    cursor: Option<Cursor>,
    /// The child given last; what is below it is jumped over.
    last: Option<EntryPath>,
    /// The position of the child that comes next, and the one given last.
    next: u64,
    given: Option<Item>,
    damaged: u32,
}

impl Listed {
    const fn new(snapshot: Arc<Snapshot>, dir: Option<EntryPath>) -> Self {
        Self { snapshot, dir, cursor: None, last: None, next: 0, given: None, damaged: 0 }
    }

    fn item(&mut self, position: u64, lanes: &Lanes, owner: (u32, u32)) -> Result<Option<Item>, TreeError> {
        if self.given.is_some() && position + 1 == self.next {
            return Ok(self.given.clone());
        }
        if position < self.next {
            self.begin_again();
        }
        while self.next <= position {
            match lanes.with_list(|reader| self.advance(reader)) {
                Ok(Some((path, entry))) => {
                    let entry = entry.unwrap_or_else(|| directory_entry(self.snapshot.received_at, owner));
                    let place = Place::Inside(self.snapshot.clone(), Some(path.clone()));
                    self.given = Some(Item { name: path.name().to_vec(), place, entry: Arc::new(entry) });
                    self.next += 1;
                }
                Ok(None) => {
                    self.given = None;
                    return if self.damaged == 0 { Ok(None) } else { Err(damaged(self.damaged)) };
                }
                Err(error) => {
                    // The cursor may have passed what it could not read: whoever tries again starts anew.
                    self.begin_again();
                    return Err(error.into());
                }
            }
        }
        Ok(self.given.clone())
    }

    fn begin_again(&mut self) {
        *self = Self::new(self.snapshot.clone(), self.dir.take());
    }

    /// The next child; without an entry if the listing only has what is below it.
    fn advance(&mut self, reader: &mut ChunkReader) -> Result<Option<(EntryPath, Option<Entry>)>, ReadError> {
        loop {
            let found = match self.step(reader) {
                Ok(found) => found,
                Err(error) if error.is_local() && self.damaged < DAMAGE_MAX => {
                    tracing::warn!(error = %error.chain(), "a part of a directory cannot be read");
                    self.damaged += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some((path, entry)) = found else { return Ok(None) };
            match child_of(self.dir.as_ref(), &path) {
                Child::Itself => {}
                Child::Elsewhere => return Ok(None),
                Child::Is(child) if self.last.as_ref() == Some(&child) => {}
                Child::Is(child) => {
                    self.last = Some(child.clone());
                    let entry = (child == path).then_some(entry);
                    return Ok(Some((child, entry)));
                }
            }
        }
    }

    fn step(&mut self, reader: &mut ChunkReader) -> Result<Option<(EntryPath, Entry)>, ReadError> {
        let cursor = match &mut self.cursor {
            Some(cursor) => {
                if let Some(last) = &self.last {
                    cursor.skip_below(reader, last)?;
                }
                cursor
            }
            None => {
                let cursor = self.cursor.insert(Cursor::new(&self.snapshot.record.listing));
                if let Some(dir) = &self.dir {
                    cursor.skip_to(reader, dir)?;
                }
                cursor
            }
        };
        cursor.next(reader)
    }
}

fn damaged(parts: u32) -> TreeError {
    ReadError::Repeated(format!("{parts} parts of the directory cannot be read")).into()
}

#[derive(Debug, PartialEq)]
enum Child {
    Itself,
    Elsewhere,
    Is(EntryPath),
}

/// The child of `dir` that `path` is or lies below.
fn child_of(dir: Option<&EntryPath>, path: &EntryPath) -> Child {
    let base = match dir {
        None => 0,
        Some(dir) if path == dir => return Child::Itself,
        Some(dir) if path.is_within(dir) => dir.as_bytes().len() + 1,
        Some(_) => return Child::Elsewhere,
    };
    let rest = &path.as_bytes()[base..];
    let end = base + rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    EntryPath::parse(path.as_bytes()[..end].to_vec()).map_or(Child::Elsewhere, Child::Is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_child_it_is_or_lies_below() {
        let path = |text: &str| EntryPath::parse(text.as_bytes().to_vec()).expect("path");
        let child = |dir: &str, of: &str| child_of(Some(&path(dir)), &path(of));
        assert_eq!(child_of(None, &path("a/b/c")), Child::Is(path("a")));
        assert_eq!(child("a", "a/b/c"), Child::Is(path("a/b")));
        assert_eq!(child("a", "a/b"), Child::Is(path("a/b")));
        assert_eq!(child("a", "a"), Child::Itself);
        assert_eq!(child("a", "ab"), Child::Elsewhere);
    }
}
