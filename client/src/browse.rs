//! Looking into snapshots without restoring them: lists, searches, differences, single files.
//!
//! Everything is given one by one as it is read, so memory does not depend on the snapshot. Nothing is printed here.

mod cat;
mod diff;
mod find;

use datis_engine::format::listing::{Entry, ListingRoot, Node};
use datis_engine::format::path::EntryPath;

use crate::reader::{ChunkReader, Cursor, ReadError};

pub use cat::{CatError, cat};
pub use diff::{Aspect, Difference, diff};
pub use find::{GiveVersion, Pattern, PatternError, Version, find, find_in};

/// How far a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What is right in the directory.
    Children,
    /// Everything below it.
    All,
}

/// Receives entries one by one, and each part of the listing that cannot be read.
pub type Give<'g, E> = &'g mut dyn FnMut(Result<(EntryPath, Entry), ReadError>) -> Result<(), E>;

/// Gives what is in the directory `path` (`None`: the top), or `path` itself when it is no directory.
///
/// # Errors
/// [`ReadError::NoSuchPath`]; others that are not about a part of the listing only; whatever `give` returns.
pub fn list<E: From<ReadError>>(
    listing: &ListingRoot,
    path: Option<&EntryPath>,
    depth: Depth,
    reader: &mut ChunkReader,
    give: Give<'_, E>,
) -> Result<(), E> {
    let mut cursor = Cursor::new(listing);
    if let Some(path) = path {
        let entry = Cursor::find(listing, path, reader)?;
        if !matches!(entry.node, Node::Directory) {
            return give(Ok((path.clone(), entry)));
        }
        go_on(&mut |reader| cursor.skip_to(reader, path), reader, give)?;
    }
    loop {
        let (found, entry) = match cursor.next(reader) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(error) if error.is_local() => {
                give(Err(error))?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match path {
            Some(path) if found == *path => continue,
            Some(path) if !found.is_within(path) => return Ok(()),
            Some(_) | None => {}
        }
        let skip = (depth == Depth::Children && matches!(entry.node, Node::Directory)).then(|| found.clone());
        give(Ok((found, entry)))?;
        if let Some(directory) = skip {
            go_on(&mut |reader| cursor.skip_below(reader, &directory), reader, give)?;
        }
    }
}

/// Repeats a movement of a cursor until it arrives; parts that cannot be read are told and left behind.
fn go_on<E: From<ReadError>>(
    movement: &mut dyn FnMut(&mut ChunkReader) -> Result<(), ReadError>,
    reader: &mut ChunkReader,
    give: Give<'_, E>,
) -> Result<(), E> {
    loop {
        match movement(reader) {
            Ok(()) => return Ok(()),
            Err(error) if error.is_local() => give(Err(error))?,
            Err(error) => return Err(error.into()),
        }
    }
}
