//! One folder of a snapshot, a page at a time, and one entry with all that is known of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use datis_engine::format::listing::{Entry, HardLink, Node};
use datis_engine::format::path::{EntryPath, NAME_MAX};
use datis_engine::ids::SnapshotId;
use datis_engine::units::FileTime;

use super::chunks::{Chunks, is_local};
use super::listing::{Cursor, find};
use super::scope::{BrowseError, Scope, open};
use crate::catalog::names::EntryKind;
use crate::operations::Site;

/// The most entries of one page.
pub const PAGE_MAX: usize = 1_000;

/// A folder with more entries than this comes in the order of the listing: to have its folders first, all of it would
/// have to be read for each page.
const SORTED_MAX: usize = 10_000;

/// Something directly in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its name, one component; any bytes but `/` and zero.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Length in bytes, holes included; 0 for everything that is no file.
    pub size: u64,
    /// Time of last change and permission bits; `None` for a folder on the way to what was backed up, of which nothing
    /// else is known.
    pub known: Option<(FileTime, u32)>,
}

/// Some entries of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderPage {
    /// Folders first, each group in the order of the names' bytes; without groups when the folder is very large.
    pub entries: Vec<FolderEntry>,
    /// Where the next page begins; `None` when this is the last one.
    pub next: Option<PageCursor>,
    /// Whether a part of the listing cannot be read, so that entries are missing here.
    pub is_damaged: bool,
}

/// Where a page begins: behind an entry. Its text form fits into an address; a wrong one gives wrong pages, and no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    order: Order,
    name: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Behind this folder; files follow.
    Folders,
    /// Behind this entry, all folders being over.
    Others,
    /// Behind this entry, in the order of the listing.
    Listing,
}

impl Order {
    const ALL: [(Self, char); 3] = [(Self::Folders, 'd'), (Self::Others, 'f'), (Self::Listing, 'n')];
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = Order::ALL.iter().find(|(order, _)| *order == self.order).map_or('n', |(_, letter)| *letter);
        write!(f, "{letter}{}", HEXLOWER.encode(&self.name))
    }
}

/// Not the text form of a [`PageCursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in a folder")]
pub struct PageCursorError;

impl FromStr for PageCursor {
    type Err = PageCursorError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let order = Order::ALL.iter().find(|(_, letter)| raw.starts_with(*letter)).ok_or(PageCursorError)?.0;
        let name = HEXLOWER.decode(raw.get(1..).unwrap_or_default().as_bytes()).map_err(|_| PageCursorError)?;
        let is_name = !name.is_empty() && name.len() <= NAME_MAX && !name.contains(&b'/');
        if is_name { Ok(Self { order, name }) } else { Err(PageCursorError) }
    }
}

/// One entry with all that is known of it, but its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDetail {
    /// What it is.
    pub kind: EntryKind,
    /// Length in bytes, holes included; 0 for everything that is no file.
    pub size: u64,
    /// Bytes that are stored of a file with holes; `None` without holes.
    pub data_bytes: Option<u64>,
    /// Time of the last change of content.
    pub modified: FileTime,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Where a symbolic link points to, as the system gave it.
    pub target: Option<Vec<u8>>,
    /// Set when the file has several names.
    pub hard_link: Option<HardLink>,
}

impl EntryDetail {
    pub(super) fn of(entry: &Entry) -> Self {
        let (data_bytes, target) = match &entry.node {
            Node::File { extents: Some(_), content, .. } => (Some(content.len()), None),
            Node::Symlink { target } => (None, Some(target.clone())),
            _ => (None, None),
        };
        Self {
            kind: EntryKind::of(&entry.node),
            size: entry.size(),
            data_bytes,
            modified: entry.modified,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            target,
            hard_link: entry.hard_link,
        }
    }
}

/// What a snapshot has at `path`.
///
/// # Errors
/// [`BrowseError::NotFound`], [`BrowseError::Unreadable`]; [`BrowseError`].
pub fn entry(
    site: &Arc<Site>,
    scope: &Scope,
    snapshot: &SnapshotId,
    path: &EntryPath,
) -> Result<EntryDetail, BrowseError> {
    let mut opened = open(site, scope, snapshot)?;
    let found = find(&opened.listing, path, &mut opened.chunks)?.ok_or(BrowseError::NotFound)?;
    Ok(EntryDetail::of(&found))
}

/// Entries directly in the folder `path` of a snapshot; `None` is the top. At most `limit`, 1 to [`PAGE_MAX`], behind
/// `after`. Only the blocks of the listing that hold them are read, and those on the way.
///
/// # Errors
/// [`BrowseError::NotFound`], also when `path` is no folder; [`BrowseError::Unreadable`]; [`BrowseError`].
pub fn folder(
    site: &Arc<Site>,
    scope: &Scope,
    snapshot: &SnapshotId,
    path: Option<&EntryPath>,
    after: Option<&PageCursor>,
    limit: usize,
) -> Result<FolderPage, BrowseError> {
    let mut opened = open(site, scope, snapshot)?;
    let limit = limit.clamp(1, PAGE_MAX);
    let mut reader = Children::open(Cursor::new(&opened.listing), path, &mut opened.chunks)?;
    if let Some(PageCursor { order: Order::Listing, name }) = after {
        reader.skip_past(name, &mut opened.chunks)?;
        return listing_page(reader, limit, &mut opened.chunks);
    }
    let mut all = Vec::new();
    while let Some(entry) = reader.next(&mut opened.chunks)? {
        all.push(entry);
        if all.len() > SORTED_MAX {
            // Too many to be grouped: the first page is the beginning of the listing.
            all.truncate(limit);
            let next = all.last().map(|e| PageCursor { order: Order::Listing, name: e.name.clone() });
            return Ok(FolderPage { entries: all, next, is_damaged: reader.is_damaged });
        }
    }
    all.sort_by(|a, b| key_of(a).cmp(&key_of(b)));
    if let Some(after) = after {
        let (is_other, name) = (after.order == Order::Others, after.name.as_slice());
        let done = all.partition_point(|entry| key_of(entry) <= (is_other, name));
        all.drain(..done);
    }
    let more = all.len() > limit;
    all.truncate(limit);
    let cursor = |entry: &FolderEntry| {
        let order = if key_of(entry).0 { Order::Others } else { Order::Folders };
        PageCursor { order, name: entry.name.clone() }
    };
    let next = all.last().filter(|_| more).map(cursor);
    Ok(FolderPage { entries: all, next, is_damaged: reader.is_damaged })
}

/// A folder that is being read, entry by entry in the order of the listing. It can be sent to another thread. Memory: what
/// stands in a few blocks of the listing, however many entries there are.
pub struct FolderReader {
    chunks: Chunks,
    children: Children,
}

impl FolderReader {
    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// [`BrowseError::Fault`]. What cannot be read of the listing is passed over: see [`FolderReader::is_damaged`].
    pub fn next_entry(&mut self) -> Result<Option<FolderEntry>, BrowseError> {
        self.children.next(&mut self.chunks)
    }

    /// Whether entries were missing so far.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.children.is_damaged
    }
}

/// Opens the folder `path` of a snapshot to read all that is directly in it; `None` is the top.
///
/// # Errors
/// [`BrowseError::NotFound`], also when `path` is no folder; [`BrowseError::Unreadable`]; [`BrowseError`].
pub fn open_folder(
    site: &Arc<Site>,
    scope: &Scope,
    snapshot: &SnapshotId,
    path: Option<&EntryPath>,
) -> Result<FolderReader, BrowseError> {
    let mut opened = open(site, scope, snapshot)?;
    let children = Children::open(Cursor::new(&opened.listing), path, &mut opened.chunks)?;
    Ok(FolderReader { chunks: opened.chunks, children })
}

/// Folders first, then by name.
fn key_of(entry: &FolderEntry) -> (bool, &[u8]) {
    (entry.kind != EntryKind::Dir, &entry.name)
}

fn listing_page(mut reader: Children, limit: usize, chunks: &mut Chunks) -> Result<FolderPage, BrowseError> {
    let mut entries = Vec::new();
    while entries.len() < limit {
        match reader.next(chunks)? {
            Some(entry) => entries.push(entry),
            None => return Ok(FolderPage { entries, next: None, is_damaged: reader.is_damaged }),
        }
    }
    let more = reader.next(chunks)?.is_some();
    let last = entries.last().filter(|_| more);
    let next = last.map(|e| PageCursor { order: Order::Listing, name: e.name.clone() });
    Ok(FolderPage { entries, next, is_damaged: reader.is_damaged })
}

/// Gives what is directly in a folder; what is deeper is skipped without being read.
struct Children {
    cursor: Cursor,
    base: Option<EntryPath>,
    /// Met while it was found out whether the folder is there.
    first: Option<(EntryPath, Entry)>,
    /// Whether something could not be read and was passed over.
    is_damaged: bool,
}

impl Children {
    fn open(mut cursor: Cursor, base: Option<&EntryPath>, chunks: &mut Chunks) -> Result<Self, BrowseError> {
        let Some(base) = base else { return Ok(Self { cursor, base: None, first: None, is_damaged: false }) };
        cursor.skip_to(chunks, base)?;
        let first = match cursor.next(chunks)? {
            Some((path, entry)) if path == *base => match entry.node {
                Node::Directory => None,
                _ => return Err(BrowseError::NotFound),
            },
            // A folder on the way to what was backed up has no entry itself.
            Some((path, entry)) if path.is_within(base) => Some((path, entry)),
            Some(_) | None => return Err(BrowseError::NotFound),
        };
        Ok(Self { cursor, base: Some(base.clone()), first, is_damaged: false })
    }

    fn child(&self, name: &[u8]) -> Result<EntryPath, BrowseError> {
        let path = match &self.base {
            None => EntryPath::parse(name.to_vec()),
            Some(base) => base.join(name),
        };
        path.map_err(|_| BrowseError::NotFound)
    }

    fn skip_past(&mut self, name: &[u8], chunks: &mut Chunks) -> Result<(), BrowseError> {
        let path = self.child(name)?;
        self.first = None;
        self.skip_below(&path, chunks)
    }

    /// Each part that cannot be read is passed over once, so this ends.
    fn skip_below(&mut self, path: &EntryPath, chunks: &mut Chunks) -> Result<(), BrowseError> {
        loop {
            match self.cursor.skip_below(chunks, path) {
                Ok(()) => return Ok(()),
                Err(error) if is_local(&error) => self.is_damaged = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn next_entry(&mut self, chunks: &mut Chunks) -> Result<Option<(EntryPath, Entry)>, BrowseError> {
        loop {
            match self.cursor.next(chunks) {
                Ok(next) => return Ok(next),
                Err(error) if is_local(&error) => self.is_damaged = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn next(&mut self, chunks: &mut Chunks) -> Result<Option<FolderEntry>, BrowseError> {
        let met = match self.first.take() {
            Some(met) => Some(met),
            None => self.next_entry(chunks)?,
        };
        let Some((path, entry)) = met else { return Ok(None) };
        let rest = match &self.base {
            None => Some(path.clone()),
            Some(base) => path.below(base),
        };
        let Some(rest) = rest else { return Ok(None) };
        let mut parts = rest.components();
        let name = parts.next().unwrap_or_default().to_vec();
        let is_direct = parts.next().is_none();
        if !is_direct || matches!(entry.node, Node::Directory) {
            let below = self.child(&name)?;
            self.skip_below(&below, chunks)?;
        }
        Ok(Some(if is_direct {
            let known = Some((entry.modified, entry.mode));
            FolderEntry { name, kind: EntryKind::of(&entry.node), size: entry.size(), known }
        } else {
            FolderEntry { name, kind: EntryKind::Dir, size: 0, known: None }
        }))
    }
}
