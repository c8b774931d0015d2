//! Makes snapshots that are signed as they should be and say whatever a test wants: no check of the engine is in the way.

use datis_engine::format::VERSION;
use datis_engine::format::content::{Content, ContentNode, Ref};
use datis_engine::format::listing::{Entry, HardLink, ListingRoot, Node, Totals};
use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::{ChunkId, PackId, SourceKind};
use datis_engine::keys::{ChunkKeys, DedupSecret, SigningKey};
use datis_engine::units::{FileTime, UnixMillis};
use datis_engine::wire::{ChunkPlace, SegmentFrame, SnapshotInfo, SnapshotState};
use minicbor::Encoder;

use crate::hostile::{MACHINE, SECRET, Script};

/// What every file of a forged snapshot holds, unless it says something else.
pub(crate) const DATA: &[u8] = b"planted\n";

/// Puts chunks into a script and names them.
pub(crate) struct Forge {
    pub(crate) keys: ChunkKeys,
    pub(crate) script: Script,
}

impl Forge {
    pub(crate) fn new() -> Self {
        Self { keys: ChunkKeys::derive(&DedupSecret::from_bytes(SECRET)), script: Script::default() }
    }

    /// Stores a chunk under its right name.
    pub(crate) fn add(&mut self, plain: &[u8]) -> ChunkId {
        let id = self.keys.name(plain).0;
        self.add_as(id, plain);
        id
    }

    /// Stores a chunk under any name, as the only one of a segment.
    pub(crate) fn add_as(&mut self, id: ChunkId, plain: &[u8]) {
        let len = u32::try_from(plain.len()).expect("short");
        let frame = SegmentFrame { whole: true, plain_len: len, frame: [&[0], plain].concat() };
        self.add_frame(id, len, frame);
    }

    /// Says that chunk `id`, of `len` bytes, is the first of a segment for which `frame` is the answer.
    pub(crate) fn add_frame(&mut self, id: ChunkId, len: u32, frame: SegmentFrame) {
        let mut pack = [0; PackId::LEN];
        pack[..ChunkId::LEN].copy_from_slice(id.as_bytes());
        let pack = PackId::from_bytes(pack);
        self.script.places.insert(id, (pack, ChunkPlace { pack: 0, segment: 0, offset: 0, len }));
        self.script.segments.insert((pack, 0), frame);
    }

    /// A file whose content is [`DATA`].
    pub(crate) fn file(&mut self) -> Entry {
        let id = self.add(DATA);
        file_of(vec![Ref { id, len: DATA.len() as u64 }])
    }

    /// Stores a content node and gives a reference to it.
    pub(crate) fn content_node(&mut self, level: u8, refs: Vec<Ref>) -> Ref {
        let len = refs.iter().fold(0_u64, |sum, r| sum.saturating_add(r.len));
        Ref { id: self.add(&ContentNode { level, refs }.encode()), len }
    }

    /// Stores a leaf and gives the root that it is.
    pub(crate) fn leaf(&mut self, items: &[(&[u8], Entry)]) -> ListingRoot {
        let bytes = leaf(items);
        self.root(&bytes, 0)
    }

    /// Stores an inner node of `level` above `children`.
    pub(crate) fn inner(&mut self, level: u8, children: &[(&[u8], ListingRoot)]) -> ListingRoot {
        let mut e = Encoder::new(Vec::new());
        e.array(3).and_then(|e| e.u8(VERSION)?.u8(level)?.array(children.len() as u64)).expect("memory");
        for (first, root) in children {
            e.array(4).and_then(|e| e.bytes(first)?.encode(root.id)?.u32(root.len)).expect("memory");
            e.encode(Totals { entries: 1, bytes: 8 }).expect("memory");
        }
        self.root(&e.into_writer(), level)
    }

    /// Stores the bytes of any node.
    pub(crate) fn root(&mut self, bytes: &[u8], level: u8) -> ListingRoot {
        ListingRoot { id: self.add(bytes), level, len: u32::try_from(bytes.len()).expect("short") }
    }

    /// The script with one snapshot of `listing`.
    pub(crate) fn sign(self, listing: ListingRoot, key: &SigningKey) -> Script {
        self.sign_with(listing, key, &|_| ())
    }

    /// The same, with a change to its record.
    pub(crate) fn sign_with(
        mut self,
        listing: ListingRoot,
        key: &SigningKey,
        change: &dyn Fn(&mut SnapshotRecord),
    ) -> Script {
        let mut record = record(listing);
        change(&mut record);
        self.script.snapshots.push(SnapshotInfo {
            signed: record.sign(key),
            received_at: UnixMillis(1_800_000_000_000),
            state: SnapshotState::Complete,
            outside_only: false,
        });
        self.script
    }
}

/// A record as a machine would make it.
pub(crate) fn record(listing: ListingRoot) -> SnapshotRecord {
    SnapshotRecord {
        version: VERSION,
        machine: MACHINE,
        machine_name: "victim".parse().expect("name"),
        source: "system".parse().expect("name"),
        kind: SourceKind::Files,
        started_at: UnixMillis(1_800_000_000_000),
        finished_at: UnixMillis(1_800_000_000_000),
        roots: vec![b"/".to_vec()],
        listing,
        totals: Totals { entries: 1, bytes: 8 },
        problem_count: 0,
        problems: None,
        client_version: "forged".to_owned(),
    }
}

/// The bytes of a leaf, without the checks that the engine's own builder makes.
pub(crate) fn leaf(items: &[(&[u8], Entry)]) -> Vec<u8> {
    let items: Vec<_> = items.iter().map(|(path, entry)| (0, *path, entry.encode())).collect();
    raw_leaf(VERSION, items.len() as u64, &items)
}

/// A leaf of paths that share their first bytes with the one before, and bodies of any bytes.
pub(crate) fn raw_leaf(version: u8, count: u64, items: &[(u32, &[u8], Vec<u8>)]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    e.array(3).and_then(|e| e.u8(version)?.u8(0)?.array(count)).expect("memory");
    for (shared, path, body) in items {
        e.array(3).and_then(|e| e.u32(*shared)?.bytes(path)).expect("memory");
        e.writer_mut().extend_from_slice(body);
    }
    e.into_writer()
}

/// An entry that is `node`, for its owner alone to write.
pub(crate) fn entry(node: Node) -> Entry {
    let mode = if matches!(node, Node::Directory) { 0o755 } else { 0o644 };
    Entry {
        mode,
        uid: 0,
        gid: 0,
        modified: FileTime { seconds: 1_700_000_000, nanoseconds: 0 },
        xattrs: vec![],
        hard_link: None,
        node,
    }
}

/// A file of these chunks.
pub(crate) fn file_of(refs: Vec<Ref>) -> Entry {
    let content = Content { level: 0, refs };
    entry(Node::File { size: content.len(), extents: None, content })
}

/// A file with a tree of chunks.
pub(crate) fn tree_file(level: u8, refs: Vec<Ref>) -> Entry {
    let content = Content { level, refs };
    entry(Node::File { size: content.len(), extents: None, content })
}

pub(crate) fn directory() -> Entry {
    entry(Node::Directory)
}

pub(crate) fn link(target: &[u8]) -> Entry {
    entry(Node::Symlink { target: target.to_vec() })
}

/// The same entry as one name of inode `inode`.
pub(crate) fn linked(entry: Entry, inode: u64) -> Entry {
    Entry { hard_link: Some(HardLink { device: 0, inode }), ..entry }
}

pub(crate) fn with_mode(entry: Entry, mode: u32) -> Entry {
    Entry { mode, ..entry }
}
