//! What stands where: the top directory, one directory a source, in it one a snapshot, and below that what is in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datis_engine::format::listing::{Entry, HardLink, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::SourceName;
use datis_engine::units::{FileTime, UnixMillis};

use super::cache::Cache;
use super::content::OpenFile;
use super::directory::{Item, OpenDirectory};
use super::inodes::{Inodes, number_of};
use super::lanes::Lanes;
use super::shelf::Shelf;
use crate::reader::{Cursor, ReadError};
use crate::snapshots::{Snapshot, SnapshotList};
use crate::state::State;

/// The link beside the snapshots of a source that leads to the newest one.
const LATEST: &str = "latest";

/// How old the list of snapshots may be when somebody looks at it.
const SHELF_AGE_MAX: Duration = Duration::from_secs(15);

/// The most bytes of entries that are kept.
const ENTRIES_WEIGHT_MAX: usize = 8 << 20;

/// Mode of the directories that are in no snapshot.
const SHELF_MODE: u32 = 0o555;

/// Where something stands.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// The directory of all sources.
    Top,
    /// The directory of one source's snapshots.
    Source(SourceName),
    /// The link to the newest snapshot of a source.
    Latest(SourceName),
    /// A snapshot, or what has this path in it.
    Inside(Arc<Snapshot>, Option<EntryPath>),
}

impl Place {
    /// The snapshot that it is in.
    pub(super) fn snapshot(&self) -> Option<datis_engine::ids::SnapshotId> {
        match self {
            Self::Inside(snapshot, _) => Some(snapshot.id),
            Self::Top | Self::Source(_) | Self::Latest(_) => None,
        }
    }

    fn parent(&self) -> Self {
        match self {
            Self::Top | Self::Source(_) => Self::Top,
            Self::Latest(source) => Self::Source(source.clone()),
            Self::Inside(snapshot, None) => Self::Source(snapshot.record.source.clone()),
            Self::Inside(snapshot, Some(path)) => Self::Inside(snapshot.clone(), path.parent()),
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Top, Self::Top) => true,
            (Self::Source(a), Self::Source(b)) | (Self::Latest(a), Self::Latest(b)) => a == b,
            (Self::Inside(a, path), Self::Inside(b, other)) => a.id == b.id && path == other,
            (Self::Top | Self::Source(_) | Self::Latest(_) | Self::Inside(..), _) => false,
        }
    }
}

/// Why something cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("there is no such name")]
    NotFound,
    #[error("it is no directory")]
    NotADirectory,
    #[error("it is a directory")]
    IsADirectory,
    #[error("it is of another sort")]
    OtherSort,
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Something that was found.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) number: u64,
    pub(crate) entry: Arc<Entry>,
    /// Whether it will never change.
    pub(crate) is_final: bool,
}

/// The whole tree. All of it may be used by several threads at a time.
pub(crate) struct Tree {
    pub(super) lanes: Lanes,
    shelf: Mutex<(Arc<Shelf>, Instant)>,
    is_refreshing: AtomicBool,
    inodes: Mutex<Inodes>,
    entries: Mutex<Cache<u64, Arc<Entry>>>,
    owner: (u32, u32),
}

impl Tree {
    /// Connects to the box and fetches the list of snapshots.
    pub(crate) fn open(state: State) -> Result<Self, ReadError> {
        let owner = crate::platform::host::own_ids();
        let tree = Self {
            lanes: Lanes::new(state),
            shelf: Mutex::new((Arc::default(), Instant::now())),
            is_refreshing: AtomicBool::new(false),
            inodes: Mutex::default(),
            entries: Mutex::new(Cache::new(ENTRIES_WEIGHT_MAX, |entry| weight(entry))),
            owner,
        };
        tree.refresh()?;
        Ok(tree)
    }

    /// The entry called `name` in directory `parent`. The kernel is told its number once.
    pub(crate) fn look_up(&self, parent: u64, name: &[u8]) -> Result<Seen, TreeError> {
        let place = match self.place(parent)? {
            Place::Top => Place::Source(parse(name)?),
            Place::Source(source) if name == LATEST.as_bytes() => Place::Latest(source),
            Place::Source(source) => {
                let name = std::str::from_utf8(name).map_err(|_| TreeError::NotFound)?;
                Place::Inside(self.shelf().named(&source, name).ok_or(TreeError::NotFound)?, None)
            }
            Place::Latest(_) => return Err(TreeError::NotADirectory),
            Place::Inside(snapshot, dir) => {
                let path = match dir {
                    Some(dir) => dir.join(name),
                    None => EntryPath::parse(name.to_vec()),
                };
                Place::Inside(snapshot, Some(path.map_err(|_| TreeError::NotFound)?))
            }
        };
        let entry = self.entry_at(&place)?;
        Ok(self.hold(&Item { name: Vec::new(), place, entry }))
    }

    /// Whose the directories are that are in no snapshot.
    pub(super) const fn owner(&self) -> (u32, u32) {
        self.owner
    }

    /// Notes that the kernel is told the number of `item` once.
    pub(crate) fn hold(&self, item: &Item) -> Seen {
        let number = lock(&self.inodes).hold(&item.place, item.entry.hard_link);
        let is_final = matches!(item.place, Place::Inside(..));
        if is_final {
            lock(&self.entries).put(number, item.entry.clone());
        }
        Seen { number, entry: item.entry.clone(), is_final }
    }

    /// The kernel has forgotten a number that it was told `references` times.
    pub(crate) fn forget(&self, number: u64, references: u64) {
        lock(&self.inodes).forget(number, references);
    }

    /// What `number` stands for.
    pub(crate) fn seen(&self, number: u64) -> Result<Seen, TreeError> {
        if let Some(entry) = lock(&self.entries).get(&number) {
            return Ok(Seen { number, entry, is_final: true });
        }
        let place = self.place(number)?;
        let entry = self.entry_at(&place)?;
        let is_final = matches!(place, Place::Inside(..));
        if is_final {
            lock(&self.entries).put(number, entry.clone());
        }
        Ok(Seen { number, entry, is_final })
    }

    pub(crate) fn open_directory(&self, number: u64) -> Result<OpenDirectory, TreeError> {
        let place = self.place(number)?;
        match &place {
            Place::Top => Ok(OpenDirectory::fixed(place.clone(), self.sources_as_items())),
            Place::Source(source) => Ok(OpenDirectory::fixed(place.clone(), self.snapshots_as_items(source)?)),
            Place::Latest(_) => Err(TreeError::NotADirectory),
            Place::Inside(snapshot, path) => {
                let is_directory = matches!(self.seen(number)?.entry.node, Node::Directory);
                if !is_directory {
                    return Err(TreeError::NotADirectory);
                }
                Ok(OpenDirectory::listed(snapshot.clone(), path.clone()))
            }
        }
    }

    pub(crate) fn open_file(&self, number: u64) -> Result<OpenFile, TreeError> {
        let entry = self.seen(number)?.entry;
        match entry.node {
            Node::File { .. } => Ok(OpenFile::new(entry, self.lanes.join())),
            Node::Directory => Err(TreeError::IsADirectory),
            Node::Symlink { .. } | Node::BlockDevice { .. } | Node::CharDevice { .. } | Node::Fifo | Node::Socket => {
                Err(TreeError::OtherSort)
            }
        }
    }

    /// Where `number` stands, as a person reads it.
    pub(crate) fn shown(&self, number: u64) -> String {
        match self.place(number) {
            Ok(Place::Top) => "the top directory".to_owned(),
            Ok(Place::Source(source) | Place::Latest(source)) => format!("the snapshots of `{source}`"),
            Ok(Place::Inside(snapshot, None)) => format!("snapshot {}", snapshot.id),
            Ok(Place::Inside(snapshot, Some(path))) => format!("/{path} of snapshot {}", snapshot.id),
            Err(_) => format!("inode {number}"),
        }
    }

    /// The number that a directory shows for `item`, and for what it is in.
    pub(crate) fn shown_number(item: &Item) -> u64 {
        number_of(&item.place, item.entry.hard_link)
    }

    pub(crate) fn parent_number(directory: &OpenDirectory) -> u64 {
        number_of(&directory.place.parent(), None)
    }

    fn place(&self, number: u64) -> Result<Place, TreeError> {
        lock(&self.inodes).place(number).ok_or(TreeError::NotFound)
    }

    fn entry_at(&self, place: &Place) -> Result<Arc<Entry>, TreeError> {
        match place {
            Place::Top => Ok(self.plain_directory(UnixMillis(0))),
            Place::Source(source) => {
                let shelf = self.shelf();
                let (_, latest) = shelf.latest(source).ok_or(TreeError::NotFound)?;
                Ok(self.plain_directory(latest.received_at))
            }
            Place::Latest(source) => {
                let shelf = self.shelf();
                let (name, latest) = shelf.latest(source).ok_or(TreeError::NotFound)?;
                Ok(self.latest_link(name, latest))
            }
            Place::Inside(snapshot, None) => Ok(self.plain_directory(snapshot.received_at)),
            Place::Inside(snapshot, Some(path)) => self.find(snapshot, path).map(Arc::new),
        }
    }

    fn find(&self, snapshot: &Snapshot, path: &EntryPath) -> Result<Entry, TreeError> {
        let next = self.lanes.with_list(|reader| {
            let mut cursor = Cursor::new(&snapshot.record.listing);
            cursor.skip_to(reader, path)?;
            cursor.next(reader)
        });
        match next? {
            Some((found, entry)) if found == *path => Ok(entry),
            // A directory that could not be read itself when the snapshot was made, though what is in it could.
            Some((found, _)) if found.is_within(path) => Ok(directory_entry(snapshot.received_at, self.owner)),
            Some(_) | None => Err(TreeError::NotFound),
        }
    }

    fn sources_as_items(&self) -> Vec<Item> {
        let shelf = self.shelf();
        let item = |source: &SourceName| {
            let at = shelf.latest(source).map_or(UnixMillis(0), |(_, latest)| latest.received_at);
            let name = source.as_str().as_bytes().to_vec();
            Item { name, place: Place::Source(source.clone()), entry: self.plain_directory(at) }
        };
        shelf.sources().map(item).collect()
    }

    fn snapshots_as_items(&self, source: &SourceName) -> Result<Vec<Item>, TreeError> {
        let shelf = self.shelf();
        let item = |(name, snapshot): (&str, &Arc<Snapshot>)| Item {
            name: name.as_bytes().to_vec(),
            place: Place::Inside(snapshot.clone(), None),
            entry: self.plain_directory(snapshot.received_at),
        };
        let (name, latest) = shelf.latest(source).ok_or(TreeError::NotFound)?;
        let link = Item {
            name: LATEST.as_bytes().to_vec(),
            place: Place::Latest(source.clone()),
            entry: self.latest_link(name, latest),
        };
        Ok(shelf.of(source).map(item).chain([link]).collect())
    }

    fn latest_link(&self, name: &str, latest: &Snapshot) -> Arc<Entry> {
        let node = Node::Symlink { target: name.as_bytes().to_vec() };
        Arc::new(Entry { mode: 0o777, node, ..directory_entry(latest.received_at, self.owner) })
    }

    fn plain_directory(&self, modified: UnixMillis) -> Arc<Entry> {
        Arc::new(directory_entry(modified, self.owner))
    }

    /// The list of snapshots, not older than [`SHELF_AGE_MAX`] if the box answers; else as it was last known.
    fn shelf(&self) -> Arc<Shelf> {
        let (shelf, fetched) = lock(&self.shelf).clone();
        if fetched.elapsed() <= SHELF_AGE_MAX || self.is_refreshing.swap(true, Ordering::Acquire) {
            return shelf;
        }
        let refreshed = self.refresh();
        self.is_refreshing.store(false, Ordering::Release);
        if let Err(error) = refreshed {
            tracing::warn!(error = %error.chain(), "the list of snapshots could not be refreshed");
            lock(&self.shelf).1 = Instant::now();
        }
        lock(&self.shelf).0.clone()
    }

    fn refresh(&self) -> Result<(), ReadError> {
        let key = self.lanes.state().signing_key().public_key();
        let list = self.lanes.with_list(|reader| Ok(SnapshotList::fetch(reader.connection(), &key, None)?))?;
        for rejected in &list.rejected {
            tracing::warn!("snapshot {} is not shown: {}", rejected.id, rejected.reason);
        }
        *lock(&self.shelf) = (Arc::new(Shelf::new(list.snapshots)), Instant::now());
        Ok(())
    }
}

fn parse(name: &[u8]) -> Result<SourceName, TreeError> {
    std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(TreeError::NotFound)
}

/// A directory that is in no listing.
pub(super) fn directory_entry(modified: UnixMillis, (uid, gid): (u32, u32)) -> Entry {
    let millis = u32::try_from(modified.0.rem_euclid(1_000)).unwrap_or(0);
    Entry {
        mode: SHELF_MODE,
        uid,
        gid,
        modified: FileTime { seconds: modified.0.div_euclid(1_000), nanoseconds: millis * 1_000_000 },
        xattrs: Vec::new(),
        hard_link: None::<HardLink>,
        node: Node::Directory,
    }
}

/// About as many bytes as an entry takes.
fn weight(entry: &Entry) -> usize {
    let own = match &entry.node {
        Node::File { extents, content, .. } => extents.as_ref().map_or(0, |e| e.len() * 16) + content.refs.len() * 24,
        Node::Symlink { target } => target.len(),
        Node::Directory | Node::BlockDevice { .. } | Node::CharDevice { .. } | Node::Fifo | Node::Socket => 0,
    };
    let xattrs: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    size_of::<Entry>() + 48 + own + xattrs
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use datis_engine::ids::SnapshotId;
    use datis_engine::wire::SnapshotState;

    use super::*;
    use crate::snapshots::tests::record;

    pub(in super::super) fn snapshot(id: u8) -> Snapshot {
        Snapshot {
            id: SnapshotId::from_bytes([id; 32]),
            record: record("docs", 0),
            received_at: UnixMillis(1_700_000_000_000),
            state: SnapshotState::Complete,
            outside_only: false,
        }
    }

    pub(in super::super) fn inside(id: u8, path: Option<&str>) -> Place {
        let path = path.map(|path| EntryPath::parse(path.as_bytes().to_vec()).expect("path"));
        Place::Inside(Arc::new(snapshot(id)), path)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as entries have it")]
    pub(in super::super) fn link(inode: u64) -> Option<HardLink> {
        Some(HardLink { device: 0, inode })
    }

    #[test]
    fn every_place_leads_up_to_the_top() {
        let mut place = inside(1, Some("a/b"));
        let ways = [
            inside(1, Some("a")),
            inside(1, None),
            Place::Source("docs".parse().expect("name")),
            Place::Top,
            Place::Top,
        ];
        for above in ways {
            place = place.parent();
            assert_eq!(place, above);
        }
        assert_eq!(Place::Latest("docs".parse().expect("name")).parent(), Place::Source("docs".parse().expect("name")));
    }

    #[test]
    fn times_before_1970_keep_their_milliseconds() {
        let entry = directory_entry(UnixMillis(-1), (0, 0));
        assert_eq!(entry.modified, FileTime { seconds: -1, nanoseconds: 999_000_000 });
    }
}
