//! What the golden vault holds, and the table of facts about it that every reader has to come to.

use std::fmt::Write;

use datis_engine::format::content::Content;
use datis_engine::format::listing::{Entry, HardLink, Node};
use datis_engine::ids::SourceKind;
use datis_engine::units::FileTime;

use super::{Outcome, Source, Vault};

/// One thing to be backed up, with its content in memory.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) modified: FileTime,
    pub(crate) xattrs: Vec<(&'static [u8], &'static [u8])>,
    pub(crate) inode: Option<u64>,
    pub(crate) what: What,
}

/// The sorts of items.
#[derive(Clone)]
pub(crate) enum What {
    Directory,
    File(Vec<u8>),
    /// Length with holes, and the data: first byte, bytes.
    Sparse(u64, Vec<(u64, Vec<u8>)>),
    Symlink(&'static [u8]),
    Block(u32, u32),
    Char(u32, u32),
    Fifo,
    Socket,
}

impl Item {
    fn new(path: impl AsRef<[u8]>, mode: u32, what: What) -> Self {
        let modified = FileTime { seconds: 1_760_000_000, nanoseconds: 123_456_789 };
        Self { path: path.as_ref().to_vec(), mode, owner: (0, 0), modified, xattrs: vec![], inode: None, what }
    }

    fn owned(self, uid: u32, gid: u32) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    fn modified(self, seconds: i64, nanoseconds: u32) -> Self {
        Self { modified: FileTime { seconds, nanoseconds }, ..self }
    }

    fn xattrs(self, xattrs: &[(&'static [u8], &'static [u8])]) -> Self {
        Self { xattrs: xattrs.to_vec(), ..self }
    }

    fn linked(self, inode: u64) -> Self {
        Self { inode: Some(inode), ..self }
    }

    /// The listing's entry; `store` puts the data where it belongs.
    pub(crate) fn entry(&self, mut store: impl FnMut(&[u8]) -> Outcome<Content>) -> Outcome<Entry> {
        let node = match &self.what {
            What::Directory => Node::Directory,
            What::File(data) => Node::File { size: data.len() as u64, extents: None, content: store(data)? },
            What::Sparse(size, parts) => Node::File {
                size: *size,
                extents: Some(parts.iter().map(|(at, data)| (*at, data.len() as u64)).collect()),
                content: store(&parts.iter().flat_map(|(_, data)| data.iter().copied()).collect::<Vec<_>>())?,
            },
            What::Symlink(target) => Node::Symlink { target: target.to_vec() },
            What::Block(major, minor) => Node::BlockDevice { major: *major, minor: *minor },
            What::Char(major, minor) => Node::CharDevice { major: *major, minor: *minor },
            What::Fifo => Node::Fifo,
            What::Socket => Node::Socket,
        };
        Ok(Entry {
            mode: self.mode,
            uid: self.owner.0,
            gid: self.owner.1,
            modified: self.modified,
            xattrs: self.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            hard_link: self.inode.map(|inode| HardLink { device: 0, inode }),
            node,
        })
    }

    /// All bytes of a file, holes as zeros.
    pub(crate) fn data(&self) -> Vec<u8> {
        match &self.what {
            What::File(data) => data.clone(),
            What::Sparse(size, parts) => {
                let mut whole = Vec::new();
                for (at, data) in parts {
                    whole.resize(usize::try_from(*at).unwrap_or(0), 0);
                    whole.extend_from_slice(data);
                }
                whole.resize(usize::try_from(*size).unwrap_or(0), 0);
                whole
            }
            _ => Vec::new(),
        }
    }
}

/// The table's row of an entry whose whole content is `data`.
///
/// Columns, apart by tabs: source, path, sort, mode, owner, group, time, size, SHA-256, target or device numbers, inode of
/// a hard link, extended attributes, `sparse`. Bytes outside of printable ASCII, blanks and `%` stand as `%xx`; `-` stands
/// for nothing.
pub(crate) fn row(source: &str, day: usize, path: &[u8], entry: &Entry, data: &[u8]) -> String {
    let none = || "-".to_owned();
    let (detail, is_sparse) = match &entry.node {
        Node::Symlink { target } => (escape(target), false),
        Node::BlockDevice { major, minor } | Node::CharDevice { major, minor } => (format!("{major}:{minor}"), false),
        Node::File { extents, .. } => (none(), extents.is_some()),
        Node::Directory | Node::Fifo | Node::Socket => (none(), false),
    };
    let is_file = entry.content().is_some();
    let hash = ring::digest::digest(&ring::digest::SHA256, data);
    let xattrs: Vec<String> =
        entry.xattrs.iter().map(|(name, value)| format!("{}={}", escape(name), hex(value))).collect();
    let columns = [
        format!("{source}.{day}"),
        escape(path),
        entry.node.word().to_owned(),
        format!("{:04o}", entry.mode),
        entry.uid.to_string(),
        entry.gid.to_string(),
        format!("{}+{:09}", entry.modified.seconds, entry.modified.nanoseconds),
        if is_file { entry.size().to_string() } else { none() },
        if is_file { hex(hash.as_ref()) } else { none() },
        detail,
        entry.hard_link.map_or_else(none, |group| group.inode.to_string()),
        if xattrs.is_empty() { none() } else { xattrs.join(",") },
        if is_sparse { "sparse".to_owned() } else { none() },
    ];
    columns.join("\t") + "\n"
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'%' => text.push_str("%25"),
            0x21..=0x7e => text.push(char::from(*byte)),
            _ => _ = write!(text, "%{byte:02x}"),
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Writes the whole golden vault; gives the table, and the pack of the worked example in `docs/FORMAT.md`.
pub(crate) fn write_vault(vault: &mut Vault<'_>) -> Outcome<(String, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut example = Vec::new();
    for (source, items) in sources() {
        let pack = vault.back_up(&source, &items)?;
        example = pack.bytes;
        for item in &items {
            let entry = item.entry(|_| Ok(Content::default()))?;
            rows.push((
                item.path.clone(),
                row(source.name, usize::try_from(source.day)?, &item.path, &entry, &item.data()),
            ));
        }
    }
    rows.sort_by(|a, b| a.1.cmp(&b.1));
    Ok((rows.into_iter().map(|(_, row)| row).collect(), example))
}

/// The backups, in the order in which they are made. The last is the worked example.
fn sources() -> Vec<(Source, Vec<Item>)> {
    let source = |name, kind, day, roots, problems| Source { name, kind, day, roots, problems };
    let lost: &[&[u8]] =
        &[b"permission denied\t/srv/sales/locked.db", b"changed while it was read\t/srv/sales/\xff.log"];
    vec![
        (source("system", SourceKind::Files, 0, &[b"/srv", b"/srv/caf\xe9"], &[]), tree()),
        (source("sales", SourceKind::Database, 0, &[], &[]), dump(None)),
        (source("sales", SourceKind::Database, 1, &[], lost), dump(Some(2_600))),
        (source("hello", SourceKind::Files, 0, &[b"/hello.txt"], &[]), vec![hello("hello.txt")]),
    ]
}

fn hello(path: &str) -> Item {
    Item::new(path, 0o644, What::File(b"hello, stranger\n".to_vec()))
}

/// One dump of a database; the row `changed` differs, and the chunks around it.
fn dump(changed: Option<u32>) -> Vec<Item> {
    let mut text = Vec::new();
    for row in 0..5_000_u32 {
        let price = if changed == Some(row) { 0 } else { row % 7 * 125 };
        text.extend_from_slice(
            format!("INSERT INTO sales VALUES ({row:06}, 'espresso', {price:04}, 'paid');\n").as_bytes(),
        );
    }
    vec![Item::new("sales.sql", 0o600, What::File(text)).owned(26, 26).modified(1_768_442_400, 0)]
}

/// Every sort of entry, and more entries than one listing node holds.
fn tree() -> Vec<Item> {
    const ACL: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff\
        \x10\0\x06\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
    let dir = |path: &str, mode| Item::new(path, mode, What::Directory);
    let file = |path: &str, mode, data: &[u8]| Item::new(path, mode, What::File(data.to_vec()));
    let lines: Vec<u8> = (0..9_000).flat_map(|n| format!("{n:05} the quick brown fox\n").into_bytes()).collect();
    let mut items = vec![
        dir("srv", 0o755).modified(1_760_000_001, 1),
        dir("srv/empty", 0o700).owned(1_000, 1_000),
        dir("srv/sticky", 0o1777).modified(0, 0),
        dir("srv/deep", 0o755),
        dir("srv/deep/er", 0o750),
        dir("srv/deep/er/still", 0o555),
        hello("srv/deep/er/still/hello.txt"),
        file("srv/deep.txt", 0o644, b"sorts after everything in deep/\n"),
        file("srv/empty.txt", 0o644, b""),
        file("srv/before-1970", 0o644, b"old").modified(-2, 500_000_000),
        file("srv/after-2106", 0o644, b"late").modified(5_000_000_000, 999_999_999),
        file("srv/set-id", 0o6755, b"#!/bin/sh\n").owned(1_000, 50),
        file("srv/unreadable", 0o000, b"nobody may read me"),
        file("srv/attributes", 0o664, b"with an ACL").xattrs(&[
            (b"system.posix_acl_access", ACL),
            (b"user.empty", b""),
            (b"user.note", b"caf\xc3\xa9\0\xff"),
        ]),
        file("srv/noise.bin", 0o644, &noise(40_000)),
        file("srv/lines.txt", 0o644, &lines),
        file("srv/twin.txt", 0o644, &lines),
        file("srv/link-one", 0o640, b"one inode, two names").linked(4_711),
        file("srv/sticky/link-two", 0o640, b"one inode, two names").linked(4_711),
        Item::new("srv/relative", 0o777, What::Symlink(b"deep/er/still/hello.txt")).owned(1_000, 1_000).modified(7, 7),
        Item::new("srv/dangling", 0o777, What::Symlink(b"../../no such \xff place")),
        Item::new("srv/absolute", 0o777, What::Symlink(b"/etc/hostname")),
        Item::new("srv/block", 0o660, What::Block(7, 200)).owned(0, 6),
        Item::new("srv/char", 0o666, What::Char(1, 3)),
        Item::new("srv/fifo", 0o622, What::Fifo),
        Item::new("srv/socket", 0o755, What::Socket),
        Item::new(
            "srv/sparse.img",
            0o600,
            What::Sparse(3 << 20, vec![(1 << 20, b"data\n".repeat(13_107)), (2 << 20, vec![7; 4_096])]),
        ),
        Item::new("srv/hole.img", 0o600, What::Sparse(1 << 20, vec![])),
        Item::new(b"srv/caf\xe9", 0o644, What::File(b"not UTF-8".to_vec())),
        Item::new(b"srv/100% \n\t\x01 name", 0o644, What::File(b"blanks and control characters".to_vec())),
        file("srv/\u{43a}\u{430}\u{441}\u{441}\u{430}", 0o644, b"UTF-8"),
        dir("srv/many", 0o755),
    ];
    items.extend((0..160).map(|n| file(&format!("srv/many/{n:03}"), 0o644, format!("small file {n}\n").as_bytes())));
    items
}

/// Bytes that no compressor shrinks.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"golden").finalize_xof().fill(&mut bytes);
    bytes
}
