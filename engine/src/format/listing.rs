//! The listing of a snapshot: its entries in the order of a walk, in nodes that are chunks themselves.
//!
//! Leaves hold entries, inner nodes hold the first path and the id of each child, up to one root. Nodes end where a keyed
//! hash of the path says so: an unchanged region gives the same nodes again, wherever it moved, and costs nothing.
//!
//! An entry is a path and a body. The body does not contain the path, so that whoever takes an entry over from an earlier
//! listing copies its bytes without decoding them.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};

use super::content::Content;
use super::path::{EntryPath, PATH_MAX, compare};
use super::{FormatError, VERSION, open_record};
use crate::ids::ChunkId;
use crate::keys::ChunkKeys;
use crate::units::FileTime;

/// A node is never longer, in bytes, unless a single entry is.
pub const NODE_MAX: usize = 32 << 10;

/// A node that ends by its content has at least this many bytes.
const NODE_MIN: usize = 2 << 10;

/// After the minimum, one entry in 32 ends a leaf: about 4 KiB on average.
const BOUNDARY_MASK: u64 = 31;

/// The longest body of an entry, in bytes: 64 KiB of extended attributes (Linux' own limit for a list) and the rest.
pub const BODY_MAX: usize = 512 << 10;

/// The most bytes of paths in one leaf, each written out in full: paths share their beginnings, so that a short leaf could
/// otherwise stand for more than fits in memory.
pub const LEAF_PATHS_MAX: usize = 4 << 20;

/// The most levels above the leaves.
pub const LEVEL_MAX: u8 = 12;

const LEAF: &str = "listing leaf";
const INNER: &str = "listing node";
const ENTRY: &str = "listing entry";

/// What a path is, and all that is needed to make it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Permission bits, set-id and sticky bits: the low 12 bits of `st_mode`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Time of the last change of content.
    pub modified: FileTime,
    /// Extended attributes, sorted by name. ACLs are among them, as the system stores them.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Set when the inode has several names; entries of one snapshot with equal groups are one inode.
    pub hard_link: Option<HardLink>,
    /// What it is.
    pub node: Node,
}

/// Tells which entries of one snapshot are the same inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardLink {
    /// Number of the file system within this snapshot, in the order of the walk.
    pub device: u32,
    /// Inode number on it.
    pub inode: u64,
}

/// The sorts of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes, holes included.
        size: u64,
        /// Where it has data, when it has holes: (first byte, length), ascending, apart from each other.
        /// Without it the content is the whole file.
        extents: Option<Vec<(u64, u64)>>,
        /// Its data; for a sparse file the extents one after the other.
        content: Content,
    },
    /// A symbolic link and its target, as the system gives it.
    Symlink {
        /// 1 to 4 096 bytes, never followed by this program.
        target: Vec<u8>,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket; restored as a name, since a socket lives only with its process.
    Socket,
}

impl Node {
    const fn number(&self) -> u8 {
        match self {
            Self::Directory => 0,
            Self::File { .. } => 1,
            Self::Symlink { .. } => 2,
            Self::BlockDevice { .. } => 3,
            Self::CharDevice { .. } => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
        }
    }

    /// One word for lists: `dir`, `file`, `symlink`, `block`, `char`, `fifo`, `socket`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Directory => "dir",
            Self::File { .. } => "file",
            Self::Symlink { .. } => "symlink",
            Self::BlockDevice { .. } => "block",
            Self::CharDevice { .. } => "char",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }
}

type EncodeError = minicbor::encode::Error<std::convert::Infallible>;
type DecodeError = minicbor::decode::Error;

impl Entry {
    /// The body: everything but the path.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(96));
        match self.encode_into(&mut e) {
            Ok(()) => e.into_writer(),
            Err(_) => unreachable!("encoding into memory cannot fail"),
        }
    }

    fn encode_into(&self, e: &mut Encoder<Vec<u8>>) -> Result<(), EncodeError> {
        e.array(9)?.u8(self.node.number())?.u32(self.mode)?.u32(self.uid)?.u32(self.gid)?;
        e.i64(self.modified.seconds)?.u32(self.modified.nanoseconds)?;
        e.array(self.xattrs.len() as u64 * 2)?;
        for (name, value) in &self.xattrs {
            e.bytes(name)?.bytes(value)?;
        }
        match &self.hard_link {
            None => e.null()?,
            Some(group) => e.array(2)?.u32(group.device)?.u64(group.inode)?,
        };
        match &self.node {
            Node::Directory | Node::Fifo | Node::Socket => e.null()?.ok(),
            Node::File { size, extents, content } => {
                e.array(3)?.u64(*size)?;
                match extents {
                    None => e.null()?.ok()?,
                    Some(extents) => {
                        e.array(extents.len() as u64 * 2)?;
                        extents.iter().try_for_each(|(at, len)| e.u64(*at)?.u64(*len)?.ok())?;
                    }
                }
                e.encode(content)?.ok()
            }
            Node::Symlink { target } => e.bytes(target)?.ok(),
            Node::BlockDevice { major, minor } | Node::CharDevice { major, minor } => {
                e.array(2)?.u32(*major)?.u32(*minor)?.ok()
            }
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`FormatError::Damaged`]; also when times, modes, extents or attributes are such that nobody could restore them.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut d = Decoder::new(bytes);
        let entry = Self::decode_from(&mut d).map_err(|e| FormatError::damaged(ENTRY, e))?;
        if d.position() != bytes.len() {
            return Err(FormatError::damaged(ENTRY, "bytes are left over at its end"));
        }
        Ok(entry)
    }

    fn decode_from(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        expect_array(d, 9)?;
        let number = d.u8()?;
        let (mode, uid, gid) = (d.u32()?, d.u32()?, d.u32()?);
        let modified = FileTime { seconds: d.i64()?, nanoseconds: d.u32()? };
        let xattrs = pairs(d)?
            .map(|()| Ok((d.bytes()?.to_vec(), d.bytes()?.to_vec())))
            .collect::<Result<Vec<_>, DecodeError>>()?;
        let hard_link = match d.datatype()? {
            minicbor::data::Type::Null => d.null().map(|()| None)?,
            _ => {
                expect_array(d, 2)?;
                Some(HardLink { device: d.u32()?, inode: d.u64()? })
            }
        };
        let node = Self::decode_node(number, d)?;
        // The highest number stands for "no owner" in system calls.
        let sound = mode <= 0o7777
            && uid != u32::MAX
            && gid != u32::MAX
            && modified.nanoseconds < 1_000_000_000
            && xattrs.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && xattrs.iter().all(|(name, _)| !name.is_empty() && !name.contains(&0));
        if sound {
            Ok(Self { mode, uid, gid, modified, xattrs, hard_link, node })
        } else {
            Err(DecodeError::message("impossible mode, owner, time or attribute"))
        }
    }

    fn decode_node(number: u8, d: &mut Decoder<'_>) -> Result<Node, DecodeError> {
        let device = |d: &mut Decoder<'_>| {
            expect_array(d, 2)?;
            Ok::<_, DecodeError>((d.u32()?, d.u32()?))
        };
        Ok(match number {
            0 => d.null().map(|()| Node::Directory)?,
            1 => {
                expect_array(d, 3)?;
                let size = d.u64()?;
                let extents = decode_extents(d)?;
                let content: Content = d.decode()?;
                let data: u64 = extents.as_ref().map_or(size, |e| e.iter().map(|(_, len)| len).sum());
                if content.len() != data
                    || extents.as_ref().and_then(|e| e.last()).is_some_and(|(at, len)| at + len > size)
                {
                    return Err(DecodeError::message("size, extents and content do not fit together"));
                }
                Node::File { size, extents, content }
            }
            2 => {
                let target = d.bytes()?.to_vec();
                if target.is_empty() || target.len() > 4096 || target.contains(&0) {
                    return Err(DecodeError::message("impossible link target"));
                }
                Node::Symlink { target }
            }
            3 => device(d).map(|(major, minor)| Node::BlockDevice { major, minor })?,
            4 => device(d).map(|(major, minor)| Node::CharDevice { major, minor })?,
            5 => d.null().map(|()| Node::Fifo)?,
            6 => d.null().map(|()| Node::Socket)?,
            _ => return Err(DecodeError::message("unknown sort of entry")),
        })
    }

    /// The content of a regular file; `None` for everything else.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        match &self.node {
            Node::File { content, .. } => Some(content),
            _ => None,
        }
    }

    /// Length in bytes; 0 for everything that is not a regular file.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.node {
            Node::File { size, .. } => *size,
            _ => 0,
        }
    }
}

fn expect_array(d: &mut Decoder<'_>, len: u64) -> Result<(), DecodeError> {
    if d.array()? == Some(len) { Ok(()) } else { Err(DecodeError::message("another number of fields")) }
}

/// Reads the header of an array of pairs, and gives an iterator that ends after as many pairs.
fn pairs(d: &mut Decoder<'_>) -> Result<impl Iterator<Item = ()> + use<>, DecodeError> {
    let count = d.array()?.filter(|c| c % 2 == 0).ok_or_else(|| DecodeError::message("pairs are expected"))?;
    Ok((0..count / 2).map(|_| ()))
}

fn decode_extents(d: &mut Decoder<'_>) -> Result<Option<Vec<(u64, u64)>>, DecodeError> {
    if d.datatype()? == minicbor::data::Type::Null {
        return d.null().map(|()| None);
    }
    let mut extents: Vec<(u64, u64)> = Vec::new();
    let mut end = 0;
    for () in pairs(d)? {
        let (at, len) = (d.u64()?, d.u64()?);
        if at < end || len == 0 {
            return Err(DecodeError::message("extents overlap"));
        }
        end = at.checked_add(len).ok_or_else(|| DecodeError::message("an extent is too long"))?;
        extents.push((at, len));
    }
    Ok(Some(extents))
}

/// Counts of what a listing, or a part of it, holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct Totals {
    /// Entries of every sort.
    #[n(0)]
    pub entries: u64,
    /// Bytes of all regular files, holes included.
    #[n(1)]
    pub bytes: u64,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The root of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ListingRoot {
    /// The chunk that holds the root node.
    #[n(0)]
    pub id: ChunkId,
    /// 0: the root is a leaf.
    #[n(1)]
    pub level: u8,
    /// Plain length of the root node in bytes.
    #[n(2)]
    pub len: u32,
}

/// One child of an inner node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Path of the first entry below it.
    pub first: Vec<u8>,
    /// The chunk that holds the node.
    pub id: ChunkId,
    /// Plain length of that node in bytes.
    pub len: u32,
    /// What is below it.
    pub totals: Totals,
}

/// A decoded node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListingNode {
    /// Entries: path and body.
    Leaf(Vec<(EntryPath, Entry)>),
    /// Children, in order.
    Inner(Vec<Child>),
}

impl ListingNode {
    /// Reads the node that stands at `level`.
    ///
    /// # Errors
    /// [`FormatError`]; also when paths are out of order, which a restore relies on.
    pub fn decode(level: u8, bytes: &[u8]) -> Result<Self, FormatError> {
        if level == 0 { decode_leaf(bytes).map(Self::Leaf) } else { decode_inner(level, bytes).map(Self::Inner) }
    }
}

fn decode_leaf(bytes: &[u8]) -> Result<Vec<(EntryPath, Entry)>, FormatError> {
    let damaged = |e: DecodeError| FormatError::damaged(LEAF, e);
    let mut d = Decoder::new(bytes);
    open_record(&mut d, LEAF, 3)?;
    if d.u8().map_err(damaged)? != 0 {
        return Err(FormatError::damaged(LEAF, "it is an inner node"));
    }
    let count = d.array().map_err(damaged)?.ok_or_else(|| FormatError::damaged(LEAF, "indefinite array"))?;
    let mut entries: Vec<(EntryPath, Entry)> = Vec::new();
    let mut path = Vec::new();
    let mut path_bytes = 0;
    for _ in 0..count {
        expect_array(&mut d, 3).map_err(damaged)?;
        let shared = d.u32().map_err(damaged)? as usize;
        if shared > path.len() {
            return Err(FormatError::damaged(LEAF, "a path shares more than there is"));
        }
        path.truncate(shared);
        path.extend_from_slice(d.bytes().map_err(damaged)?);
        path_bytes += path.len();
        if path_bytes > LEAF_PATHS_MAX {
            return Err(FormatError::damaged(LEAF, "its paths are too long together"));
        }
        let parsed = EntryPath::parse(path.clone()).map_err(|e| FormatError::damaged(LEAF, e))?;
        if entries.last().is_some_and(|(previous, _)| *previous >= parsed) {
            return Err(FormatError::damaged(LEAF, "paths are out of order"));
        }
        let entry = Entry::decode_from(&mut d).map_err(damaged)?;
        entries.push((parsed, entry));
    }
    end_of(&d, bytes, LEAF)?;
    Ok(entries)
}

fn decode_inner(level: u8, bytes: &[u8]) -> Result<Vec<Child>, FormatError> {
    let damaged = |e: DecodeError| FormatError::damaged(INNER, e);
    let mut d = Decoder::new(bytes);
    open_record(&mut d, INNER, 3)?;
    if d.u8().map_err(damaged)? != level || level > LEVEL_MAX {
        return Err(FormatError::damaged(INNER, "it stands at another level"));
    }
    let count = d.array().map_err(damaged)?.ok_or_else(|| FormatError::damaged(INNER, "indefinite array"))?;
    let mut children: Vec<Child> = Vec::new();
    for _ in 0..count {
        expect_array(&mut d, 4).map_err(damaged)?;
        let child = Child {
            first: d.bytes().map_err(damaged)?.to_vec(),
            id: d.decode().map_err(damaged)?,
            len: d.u32().map_err(damaged)?,
            totals: d.decode().map_err(damaged)?,
        };
        if children.last().is_some_and(|previous| compare(&previous.first, &child.first).is_ge()) {
            return Err(FormatError::damaged(INNER, "children are out of order"));
        }
        children.push(child);
    }
    end_of(&d, bytes, INNER)?;
    if children.is_empty() { Err(FormatError::damaged(INNER, "it has no children")) } else { Ok(children) }
}

fn end_of(d: &Decoder<'_>, bytes: &[u8], what: &'static str) -> Result<(), FormatError> {
    if d.position() == bytes.len() { Ok(()) } else { Err(FormatError::damaged(what, "bytes are left over at its end")) }
}

/// Makes a listing from entries in order. Memory: one node a level.
#[derive(Debug)]
pub struct ListingBuilder<'k> {
    keys: &'k ChunkKeys,
    levels: Vec<OpenNode>,
    totals: Totals,
    last_path: Vec<u8>,
}

#[derive(Debug, Default)]
struct OpenNode {
    items: Vec<u8>,
    count: u64,
    first: Vec<u8>,
    totals: Totals,
    /// Sum of the lengths of its paths, written out.
    path_bytes: usize,
}

/// Stores a node's bytes as a chunk, and names it.
pub type StoreNode<'s> = dyn FnMut(Vec<u8>) -> ChunkId + 's;

impl<'k> ListingBuilder<'k> {
    /// An empty listing.
    #[must_use]
    pub fn new(keys: &'k ChunkKeys) -> Self {
        Self { keys, levels: vec![OpenNode::default()], totals: Totals::default(), last_path: Vec::new() }
    }

    /// Adds the next entry. `body` is [`Entry::encode`]'s result, `size` the file's length.
    ///
    /// Paths must come in ascending order; that is the walk's contract and is asserted.
    pub fn push(&mut self, path: &EntryPath, body: &[u8], size: u64, store: &mut StoreNode<'_>) {
        let bytes = path.as_bytes();
        assert!(
            self.totals.entries == 0 || compare(&self.last_path, bytes).is_lt(),
            "paths come in the order of a walk"
        );
        let one = Totals { entries: 1, bytes: size };
        self.totals.add(one);

        let leaf = &mut self.levels[0];
        let shared = if leaf.count == 0 { 0 } else { common_prefix(&self.last_path, bytes) };
        let mut e = Encoder::new(&mut leaf.items);
        let head =
            e.array(3).and_then(|e| e.u32(u32::try_from(shared).unwrap_or(0))).and_then(|e| e.bytes(&bytes[shared..]));
        assert!(head.is_ok(), "encoding into memory cannot fail");
        leaf.items.extend_from_slice(body);
        leaf.added(bytes, one);

        self.last_path.clear();
        self.last_path.extend_from_slice(bytes);
        if leaf.is_full(self.keys, bytes) {
            self.close(0, store);
        }
    }

    fn close(&mut self, level: usize, store: &mut StoreNode<'_>) {
        let node = std::mem::take(&mut self.levels[level]);
        let (first, totals) = (node.first.clone(), node.totals);
        let bytes = node.encode(level);
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let id = store(bytes);

        if self.levels.len() == level + 1 {
            self.levels.push(OpenNode::default());
        }
        let parent = &mut self.levels[level + 1];
        let mut e = Encoder::new(&mut parent.items);
        let written = e
            .array(4)
            .and_then(|e| e.bytes(&first))
            .and_then(|e| e.encode(id))
            .and_then(|e| e.u32(len))
            .and_then(|e| e.encode(totals));
        assert!(written.is_ok(), "encoding into memory cannot fail");
        parent.added(&first, totals);
        if parent.is_full(self.keys, id.as_bytes()) {
            self.close(level + 1, store);
        }
    }

    /// Ends the listing. An empty one has an empty leaf as its root.
    pub fn finish(mut self, store: &mut StoreNode<'_>) -> (ListingRoot, Totals) {
        let mut level = 0;
        loop {
            let is_top = level + 1 == self.levels.len();
            let node = &self.levels[level];
            // A single child needs no parent: it is the root itself.
            if is_top && level > 0 && node.count == 1 {
                if let Ok(children) =
                    decode_inner(level_number(level), &std::mem::take(&mut self.levels[level]).encode(level))
                {
                    let child = &children[0];
                    let root = ListingRoot { id: child.id, level: level_number(level - 1), len: child.len };
                    return (root, self.totals);
                }
                unreachable!("an inner node can be read back");
            }
            if is_top {
                let bytes = std::mem::take(&mut self.levels[level]).encode(level);
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                return (ListingRoot { id: store(bytes), level: level_number(level), len }, self.totals);
            }
            if node.count > 0 {
                self.close(level, store);
            }
            level += 1;
        }
    }
}

impl OpenNode {
    fn added(&mut self, path: &[u8], totals: Totals) {
        if self.count == 0 {
            self.first = path.to_vec();
        }
        self.path_bytes += path.len();
        self.count += 1;
        self.totals.add(totals);
    }

    fn is_full(&self, keys: &ChunkKeys, decider: &[u8]) -> bool {
        self.items.len() >= NODE_MAX
            || self.path_bytes > LEAF_PATHS_MAX - PATH_MAX
            || self.items.len() >= NODE_MIN && keys.boundary_value(decider) & BOUNDARY_MASK == 0
    }

    fn encode(self, level: usize) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(self.items.len() + 16));
        let head = e
            .array(3)
            .and_then(|e| e.u8(VERSION))
            .and_then(|e| e.u8(level_number(level)))
            .and_then(|e| e.array(self.count));
        assert!(head.is_ok(), "encoding into memory cannot fail");
        let mut bytes = e.into_writer();
        let appended = bytes.write_all(&self.items);
        assert!(appended.is_ok(), "writing into memory cannot fail");
        bytes
    }
}

fn level_number(level: usize) -> u8 {
    u8::try_from(level).unwrap_or(u8::MAX)
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::content::Ref;
    use super::*;
    use crate::keys::DedupSecret;

    fn keys() -> ChunkKeys {
        ChunkKeys::derive(&DedupSecret::from_bytes([1; 32]))
    }

    pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
        let bytes = |len| proptest::collection::vec(1_u8..=255, 1..len);
        let content =
            proptest::collection::vec((any::<[u8; ChunkId::LEN]>(), 1_u64..1 << 40), 0..4).prop_map(|refs| Content {
                level: 0,
                refs: refs.into_iter().map(|(id, len)| Ref { id: ChunkId::from_bytes(id), len }).collect(),
            });
        let node = prop_oneof![
            Just(Node::Directory),
            content.clone().prop_map(|content| Node::File { size: content.len(), extents: None, content }),
            content.prop_map(|content| {
                let extents = if content.is_empty() { vec![] } else { vec![(4096, content.len())] };
                Node::File { size: content.len() + 8192, extents: Some(extents), content }
            }),
            bytes(60).prop_map(|target| Node::Symlink { target }),
            any::<(u32, u32)>().prop_map(|(major, minor)| Node::BlockDevice { major, minor }),
            any::<(u32, u32)>().prop_map(|(major, minor)| Node::CharDevice { major, minor }),
            Just(Node::Fifo),
            Just(Node::Socket),
        ];
        let xattrs = proptest::collection::btree_map(bytes(20), proptest::collection::vec(any::<u8>(), 0..40), 0..3);
        let time = (any::<i64>(), 0_u32..1_000_000_000);
        (0_u32..=0o7777, (0..u32::MAX, 0..u32::MAX), time, xattrs, proptest::option::of(any::<(u32, u64)>()), node)
            .prop_map(|(mode, (uid, gid), (seconds, nanoseconds), xattrs, link, node)| Entry {
                mode,
                uid,
                gid,
                modified: FileTime { seconds, nanoseconds },
                xattrs: xattrs.into_iter().collect(),
                hard_link: link.map(|(device, inode)| HardLink { device, inode }),
                node,
            })
    }

    type Nodes = HashMap<ChunkId, Vec<u8>>;

    fn build(entries: &[(EntryPath, Entry)]) -> (ListingRoot, Totals, Nodes) {
        let keys = keys();
        let mut nodes = Nodes::new();
        let mut store = |bytes: Vec<u8>| {
            let id = keys.name(&bytes).0;
            nodes.insert(id, bytes);
            id
        };
        let mut builder = ListingBuilder::new(&keys);
        for (path, entry) in entries {
            builder.push(path, &entry.encode(), entry.size(), &mut store);
        }
        let (root, totals) = builder.finish(&mut store);
        (root, totals, nodes)
    }

    fn flatten(level: u8, id: &ChunkId, nodes: &Nodes, out: &mut Vec<(EntryPath, Entry)>) -> Totals {
        match ListingNode::decode(level, &nodes[id]).expect("node") {
            ListingNode::Leaf(entries) => {
                let mut totals = Totals::default();
                for (_, entry) in &entries {
                    totals.add(Totals { entries: 1, bytes: entry.size() });
                }
                out.extend(entries);
                totals
            }
            ListingNode::Inner(children) => {
                let mut totals = Totals::default();
                for child in children {
                    let start = out.len();
                    assert_eq!(flatten(level - 1, &child.id, nodes, out), child.totals);
                    assert_eq!(
                        (out[start].0.as_bytes(), nodes[&child.id].len()),
                        (&child.first[..], child.len as usize)
                    );
                    totals.add(child.totals);
                }
                totals
            }
        }
    }

    fn file(n: u64) -> Entry {
        let id = keys().name(&n.to_le_bytes()).0;
        let content = Content { level: 0, refs: vec![Ref { id, len: 10 }] };
        Entry {
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: FileTime { seconds: 1_700_000_000, nanoseconds: 5 },
            xattrs: vec![],
            hard_link: None,
            node: Node::File { size: 10, extents: None, content },
        }
    }

    fn files(count: u64) -> Vec<(EntryPath, Entry)> {
        (0..count).map(|n| (EntryPath::parse(format!("dir/{n:07}").into_bytes()).expect("path"), file(n))).collect()
    }

    #[test]
    fn an_inserted_file_makes_few_new_nodes_and_an_unchanged_listing_none() {
        let before = files(20_000);
        let mut after = before.clone();
        after.insert(10_000, (EntryPath::parse(b"dir/0009999x".to_vec()).expect("path"), file(1 << 40)));
        let (root, _, nodes_before) = build(&before);
        assert_eq!(build(&before).0, root);
        let nodes_after = build(&after).2;
        let fresh = nodes_after.keys().filter(|id| !nodes_before.contains_key(*id)).count();
        assert!(nodes_after.len() > 100 && fresh <= 6, "{fresh} of {}", nodes_after.len());
    }

    #[test]
    fn an_empty_listing_has_a_root() {
        let (root, totals, nodes) = build(&[]);
        let mut out = Vec::new();
        assert_eq!((flatten(root.level, &root.id, &nodes, &mut out), out.len()), (totals, 0));
    }

    #[test]
    fn hostile_entries_are_refused() {
        let sound = file(1);
        let alter = |change: &dyn Fn(&mut Entry)| {
            let mut entry = sound.clone();
            change(&mut entry);
            Entry::decode(&entry.encode())
        };
        assert!(alter(&|_| ()).is_ok());
        assert!(alter(&|e| e.mode = 0o10_000).is_err());
        assert!(alter(&|e| e.uid = u32::MAX).is_err());
        assert!(alter(&|e| e.gid = u32::MAX).is_err());
        assert!(alter(&|e| e.modified.nanoseconds = 1_000_000_000).is_err());
        assert!(alter(&|e| e.node = Node::Symlink { target: vec![] }).is_err());
        assert!(alter(&|e| e.xattrs = vec![(b"b".to_vec(), vec![]), (b"a".to_vec(), vec![])]).is_err());
        for extents in [vec![(0, 6), (5, 4)], vec![(u64::MAX, 10)], vec![(0, 0), (0, 10)], vec![(5, 10)]] {
            let with = |e: &mut Entry| {
                if let Node::File { extents: slot, .. } = &mut e.node {
                    *slot = Some(extents.clone());
                }
            };
            assert!(alter(&with).is_err(), "{extents:?}");
        }
    }

    #[test]
    fn a_leaf_whose_paths_share_too_much_is_never_made_and_refused() {
        let long = "d".repeat(250) + "/" + &format!("{}/", "d".repeat(250)).repeat(120);
        let entries: Vec<_> = (0..400)
            .map(|n| (EntryPath::parse(format!("{long}{n:05}").into_bytes()).expect("path"), file(n)))
            .collect();
        let (root, totals, nodes) = build(&entries);
        let mut back = Vec::new();
        assert_eq!((flatten(root.level, &root.id, &nodes, &mut back), back.len()), (totals, 400));

        let mut leaf = OpenNode::default();
        for (path, entry) in &entries {
            let shared = if leaf.count == 0 { 0 } else { path.as_bytes().len() - 5 };
            let mut e = Encoder::new(&mut leaf.items);
            e.array(3).expect("a").u32(u32::try_from(shared).expect("short")).expect("n");
            e.bytes(&path.as_bytes()[shared..]).expect("b");
            leaf.items.extend_from_slice(&entry.encode());
            leaf.count += 1;
        }
        let error = ListingNode::decode(0, &leaf.encode(0)).expect_err("12 MB of paths in one leaf");
        assert!(error.to_string().contains("too long together"), "{error}");
    }

    proptest! {
        #[test]
        fn entries_come_back(entry in any_entry()) {
            let bytes = entry.encode();
            prop_assert_eq!(Entry::decode(&bytes).expect("decode"), entry);
        }

        #[test]
        fn altered_entries_do_not_panic(entry in any_entry(), at: prop::sample::Index, value: u8) {
            let mut bytes = entry.encode();
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(entry) = Entry::decode(&bytes) {
                prop_assert_eq!(Entry::decode(&entry.encode()).expect("own bytes"), entry);
            }
        }

        #[test]
        fn noise_does_not_panic(level in 0_u8..4, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = ListingNode::decode(level, &bytes);
        }

        #[test]
        fn listings_come_back(entries in proptest::collection::vec(("[a-e]{1,3}(/[a-e]{1,3}){0,3}", any_entry()), 0..400)) {
            let mut entries: Vec<_> = entries
                .into_iter()
                .filter_map(|(p, e)| EntryPath::parse(p.into_bytes()).ok().map(|p| (p, e)))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.dedup_by(|a, b| a.0 == b.0);
            let (root, totals, nodes) = build(&entries);
            let mut back = Vec::new();
            prop_assert_eq!(flatten(root.level, &root.id, &nodes, &mut back), totals);
            prop_assert_eq!(back, entries);
        }
    }
}
