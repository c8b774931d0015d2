//! A vault whose snapshots are signed and sealed as they should be, and lie: one lie a source, named after it.
//!
//! Readers have to refuse each without writing anything outside of the place that they were told.

use datis_engine::format::content::{Content, ContentNode, Ref};
use datis_engine::format::directory::ChunkInfo;
use datis_engine::format::listing::{Entry, ListingRoot, Node, Totals};
use datis_engine::ids::{ChunkId, SourceKind};
use datis_engine::units::FileTime;
use minicbor::Encoder;

use super::{Outcome, Packer, Source, Vault, signing_key};

const DATA: &[u8] = b"planted\n";

/// What a listing would say that must not be believed.
pub(crate) const LIES: [&str; 13] = [
    "above-the-target",
    "absolute-path",
    "below-a-symlink",
    "below-a-file",
    "two-of-one-name",
    "out-of-order",
    "another-chunk",
    "longer-than-its-chunk",
    "longer-than-its-node",
    "without-its-chunk",
    "one-leaf-twice",
    "later-listing",
    "later-record",
];

/// Writes one snapshot for each of [`LIES`].
pub(crate) fn write_vault(vault: &mut Vault<'_>) -> Outcome<()> {
    LIES.iter().try_for_each(|lie| write_lie(vault, lie))
}

fn write_lie(vault: &mut Vault<'_>, lie: &'static str) -> Outcome<()> {
    // No deduplication here: each lie is a pack of its own.
    vault.stored.clear();
    let mut packer = Packer::create(&vault.keys, &vault.recipients, &mut vault.stored)?;
    let id = match lie {
        "another-chunk" => packer.add_under_another_name(DATA)?,
        "without-its-chunk" => vault.keys.name(b"never stored").0,
        _ => packer.add(DATA)?,
    };
    let node = ContentNode { level: 1, refs: vec![Ref { id, len: DATA.len() as u64 }] };
    let node = packer.add(&node.encode())?;
    let file = |level, id, len| Node::File {
        size: len,
        extents: None,
        content: Content { level, refs: vec![Ref { id, len }] },
    };
    let good = || file(0, id, DATA.len() as u64);
    let link = |target: &[u8]| Node::Symlink { target: target.to_vec() };
    let items: Vec<(&[u8], Node)> = match lie {
        "above-the-target" => vec![(b"../planted", good())],
        "absolute-path" => vec![(b"/tmp/planted", good())],
        "below-a-symlink" => vec![(b"a", link(b"..")), (b"a/planted", good())],
        "below-a-file" => vec![(b"a", good()), (b"a/planted", good())],
        "two-of-one-name" => vec![(b"a", link(b"../planted")), (b"a", good())],
        "out-of-order" => vec![(b"b", good()), (b"a", good())],
        "longer-than-its-chunk" => vec![(b"planted", file(0, id, 1 << 19))],
        "longer-than-its-node" => vec![(b"planted", file(1, node, 1 << 19))],
        _ => vec![(b"planted", good())],
    };
    let leaf = leaf(if lie == "later-listing" { 2 } else { 1 }, &items)?;
    let mut root = ListingRoot { id: packer.add(&leaf)?, level: 0, len: u32::try_from(leaf.len())? };
    if lie == "one-leaf-twice" {
        let inner = inner(&[b"planted", b"planted-again"], &root)?;
        root = ListingRoot { id: packer.add(&inner)?, level: 1, len: u32::try_from(inner.len())? };
    }
    let pack = packer.finish()?;
    vault.put_pack(&pack)?;

    let source = Source { name: lie, kind: SourceKind::Files, day: 0, roots: &[b"/"], problems: &[] };
    let mut record = source.record(root, Totals { entries: items.len() as u64, bytes: 0 }, None)?;
    record.version = if lie == "later-record" { 2 } else { record.version };
    vault.put_snapshot(&record.sign(&signing_key(0xa0)?), 0)
}

impl Packer<'_> {
    fn add_under_another_name(&mut self, plain: &[u8]) -> Outcome<ChunkId> {
        let id = self.keys.name(b"something else").0;
        self.plain.extend_from_slice(plain);
        self.chunks.push(ChunkInfo { id, len: u32::try_from(plain.len())? });
        Ok(id)
    }
}

/// An inner node that names one child under several first paths.
fn inner(firsts: &[&[u8]], child: &ListingRoot) -> Outcome<Vec<u8>> {
    let mut e = Encoder::new(Vec::new());
    e.array(3)?.u8(1)?.u8(child.level + 1)?.array(firsts.len() as u64)?;
    for first in firsts {
        e.array(4)?.bytes(first)?.encode(child.id)?.u32(child.len)?.encode(Totals { entries: 1, bytes: 8 })?;
    }
    Ok(e.into_writer())
}

/// A leaf as `docs/FORMAT.md` describes it, without the checks that the engine's own builder makes.
fn leaf(version: u8, items: &[(&[u8], Node)]) -> Outcome<Vec<u8>> {
    let mut e = Encoder::new(Vec::new());
    e.array(3)?.u8(version)?.u8(0)?.array(items.len() as u64)?;
    for (path, node) in items {
        let entry = Entry {
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: FileTime::default(),
            xattrs: vec![],
            hard_link: None,
            node: node.clone(),
        };
        e.array(3)?.u32(0)?.bytes(path)?.writer_mut().extend_from_slice(&entry.encode());
    }
    Ok(e.into_writer())
}
