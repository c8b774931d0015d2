//! Making trees. Root is needed for owners, devices and some attributes.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, makedev};

use crate::Random;

/// A file capability (`cap_net_raw=ep`) as Linux stores it: version 2, effective, bit 13 permitted.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An access control list as Linux stores it: version 2, then tag, permissions and id of owner, user 1234, group, mask, others.
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 7, 0, 0xd2, 4, 0, 0, 4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
    0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
];

/// Makes one entry of every kind that a file system can hold, in the folder `root`, which is made too.
///
/// # Panics
/// When the file system or the user cannot have one of them.
pub fn every_kind(root: &Path, seed: u64) {
    let mut random = Random::new(seed);
    std::fs::create_dir_all(root).expect("a folder can be made");
    contents(&folder(root, "contents"), &mut random);
    names(&folder(root, "names"));
    rights(&folder(root, "rights"));
    attributes(&folder(root, "attributes"));
    links(&folder(root, "links"));
    specials(&folder(root, "specials"));
    sparse(&folder(root, "sparse"));
    folders(&folder(root, "folders"));
    times(root, &mut random);
}

fn contents(root: &Path, random: &mut Random) {
    write(root, "empty", b"");
    write(root, "one byte", b"x");
    write(root, "zeros", &vec![0; 300_000]);
    for len in [4_095, 4_096, 4_097, 65_536, 1 << 20] {
        let bytes = if len % 2 == 0 { random.bytes(len) } else { random.text(len) };
        write(root, format!("of {len}"), &bytes);
    }
    write(root, "random 3 MiB", &random.bytes(3 << 20));
    let text = random.text(5 << 20);
    write(root, "text 5 MiB", &text);
    write(root, "text again", &text);
}

fn names(root: &Path) {
    let long = [b'n'; 255];
    let names: [&[u8]; 22] = [
        b"plain",
        b" leading and trailing ",
        b"-dash",
        b"--to",
        b"new\nline",
        b"tab\tbell\x07escape\x1b[31m",
        b"quote'\"`$(id)",
        b"back\\slash",
        b"star*question?[bracket]",
        b"colon:semi;comma,",
        b"%2e%2e%2f",
        b"...",
        b".hidden",
        b"CON",
        b"case",
        b"CASE",
        b"not utf-8 \xff\xfe\x80",
        b"\xc3\x28",
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
        "файл \u{202e}txt.exe".as_bytes(),
        &long,
    ];
    for name in names {
        write(root, OsStr::from_bytes(name), name);
    }
    // Neighbours in the order of paths: '/' sorts between '.' and '0'.
    for name in ["a.b", "a-b", "a0", "a\u{1}"] {
        write(root, name, name.as_bytes());
    }
    write(&folder(root, "a"), "b", b"below a");
    write(&folder(root, OsStr::from_bytes(b"folder \xf0\x28")), "file", b"below a name that is not UTF-8");
}

fn rights(root: &Path) {
    for mode in [0o000, 0o400, 0o644, 0o666, 0o755, 0o1644, 0o2755, 0o4755, 0o6755, 0o7777] {
        set_mode(&write(root, format!("file {mode:04o}"), b"rights"), mode);
    }
    for mode in [0o000, 0o555, 0o700, 0o1777, 0o2775] {
        let dir = folder(root, format!("folder {mode:04o}"));
        write(&dir, "inside", b"rights");
        set_mode(&dir, mode);
    }
    for (uid, gid) in [(0, 1000), (1000, 0), (1234, 5678), (65_534, 65_534), (4_000_000_000, 4_000_000_001)] {
        let file = write(root, format!("of {uid} {gid}"), b"owner");
        own(&file, uid, gid);
        set_mode(&file, 0o4711);
        let dir = folder(root, format!("folder of {uid} {gid}"));
        own(&dir, uid, gid);
        let link = root.join(format!("link of {uid} {gid}"));
        symlink("nowhere", &link).expect("a link can be made");
        own(&link, uid, gid);
    }
}

fn attributes(root: &Path) {
    let file = write(root, "attributes", b"attributes");
    set_xattr(&file, "user.comment", b"a comment");
    set_xattr(&file, "user.empty", b"");
    set_xattr(&file, "user.binary", &[0, 255, 0, 10, 13]);
    set_xattr(&file, "user.2 KiB", &[7; 2_048]);
    set_xattr(&file, "trusted.datis", b"only root sees it");
    set_xattr(&write(root, "capability", b"#!/bin/true"), "security.capability", &CAPABILITY);
    let owned = write(root, "capability of another user", b"#!/bin/true");
    own(&owned, 1234, 1234);
    set_xattr(&owned, "security.capability", &CAPABILITY);
    set_xattr(&write(root, "acl", b"acl"), "system.posix_acl_access", &ACL);
    let dir = folder(root, "folder with acls");
    set_xattr(&dir, "user.dir", b"a folder's attribute");
    set_xattr(&dir, "system.posix_acl_access", &ACL);
    // What is made below it inherits it: a restore must not, where the original did not have it.
    write(&dir, "before the default", b"plain");
    set_xattr(&dir, "system.posix_acl_default", &ACL);
    write(&dir, "after the default", b"inherits");
    let link = root.join("link");
    symlink("attributes", &link).expect("a link can be made");
    set_xattr(&link, "trusted.link", b"a link's attribute");
    let read_only = write(root, "read only", b"attributes on a read-only file");
    set_xattr(&read_only, "user.comment", b"x");
    set_mode(&read_only, 0o444);
}

fn links(root: &Path) {
    let first = write(root, "first", b"one inode, three names");
    let below = folder(root, "below");
    std::fs::hard_link(&first, below.join("second")).expect("a hard link can be made");
    std::fs::hard_link(&first, root.join("third")).expect("a hard link can be made");
    set_xattr(&first, "user.shared", b"by all names");
    write(root, "same content", b"one inode, three names");
    for (name, target) in [
        ("relative", "first"),
        ("up", "../contents/empty"),
        ("absolute", "/etc/hostname"),
        ("dangling", "nothing/here"),
        ("to itself", "to itself"),
        ("to a folder", "below"),
        ("out of the tree", "../../../../../../etc"),
    ] {
        symlink(target, root.join(name)).expect("a link can be made");
    }
    symlink("t".repeat(4_000), root.join("long target")).expect("a link can be made");
    symlink(OsStr::from_bytes(b"\xff\n"), root.join("strange target")).expect("a link can be made");
    std::fs::hard_link(root.join("dangling"), root.join("dangling too")).expect("a link can have two names");
}

fn specials(root: &Path) {
    let make = |name: &str, kind: FileType, mode: u32, device: u64| {
        let path = root.join(name);
        rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(mode), device).expect("root makes devices");
        set_mode(&path, mode);
        path
    };
    let fifo = make("fifo", FileType::Fifo, 0o620, 0);
    own(&fifo, 1234, 5);
    std::fs::hard_link(&fifo, root.join("fifo too")).expect("a pipe can have two names");
    make("null", FileType::CharacterDevice, 0o666, makedev(1, 3));
    make("large numbers", FileType::CharacterDevice, 0o600, makedev(4_095, 1_048_575));
    make("disk", FileType::BlockDevice, 0o660, makedev(8, 1));
    // Bound and closed at once: the name stays.
    drop(UnixListener::bind(root.join("socket")).expect("a socket can be bound"));
}

fn sparse(root: &Path) {
    let make = |name: &str, len: u64, pieces: &[(u64, usize)]| {
        let file = File::create(root.join(name)).expect("a file can be made");
        file.set_len(len).expect("a length can be set");
        for (at, piece) in pieces {
            file.write_all_at(&vec![b's'; *piece], *at).expect("a file can be written");
        }
    };
    make("nothing but a hole", 10 << 20, &[]);
    make("hole first", 1 << 20, &[((1 << 20) - 5_000, 5_000)]);
    make("hole last", 1 << 20, &[(0, 5_000)]);
    make("holes between", (64 << 20) + 1, &[(0, 1), (3 << 20, 1 << 20), (20 << 20, 4_096), (64 << 20, 1)]);
    make("one byte hole", 1, &[]);
}

fn folders(root: &Path) {
    folder(root, "empty");
    folder(&folder(root, "outer"), "empty too");
    let mut deep = root.to_owned();
    for level in 0..60 {
        deep = folder(&deep, format!("level {level}"));
    }
    write(&deep, "at the bottom", b"deep");
    let crowd = folder(root, "crowd");
    for number in 0..1_500 {
        write(&crowd, format!("{number}"), number.to_string().as_bytes());
    }
}

/// Gives every entry a time with nanoseconds, some of them strange.
fn times(root: &Path, random: &mut Random) {
    let mut paths = Vec::new();
    collect(root, &mut paths);
    // Children before their folders: making an entry changes its folder's time, setting a time does not.
    for (index, path) in paths.iter().enumerate() {
        let seconds = match index % 40 {
            0 => -1_000_000_000,
            1 => 0,
            2 => -1,
            3 => 4_102_444_800,
            _ => 1_000_000_000 + i64::try_from(random.below(900_000_000)).expect("a small number"),
        };
        let modified =
            Timespec { tv_sec: seconds, tv_nsec: i64::try_from(random.below(1_000_000_000)).expect("a small number") };
        let times =
            Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: modified };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time can be set");
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder can be read")
        .map(|entry| entry.expect("a folder can be read").path())
        .collect();
    paths.sort();
    for path in paths {
        let is_folder = path.symlink_metadata().expect("an entry can be looked at").is_dir();
        if is_folder { collect(&path, found) } else { found.push(path) }
    }
    found.push(folder.to_owned());
}

/// A sparse file of more than 4 GiB, with data on both sides of that mark: numbers of 32 bits do not do.
///
/// # Panics
/// When it cannot be made.
pub fn large_sparse_file(path: &Path) {
    const FOUR_GIB: u64 = 4 << 30;
    let file = File::create(path).expect("a file can be made");
    file.set_len(FOUR_GIB + (1 << 30)).expect("a length can be set");
    for (at, piece) in [(0, &b"at the start"[..]), (FOUR_GIB - 3, b"across"), (FOUR_GIB + 12_345_678, b"beyond")] {
        file.write_all_at(piece, at).expect("a file can be written");
    }
}

/// Makes `count` small files in folders of up to a hundred, quickly; about 2 KiB each, half of them text.
///
/// # Panics
/// When they cannot be made.
pub fn many_files(root: &Path, count: u64, seed: u64) {
    let mut random = Random::new(seed);
    for number in 0..count {
        let dir = root.join(format!("folder {}", number / 100));
        if number % 100 == 0 {
            std::fs::create_dir_all(&dir).expect("a folder can be made");
        }
        let len = usize::try_from(random.below(4_096)).expect("a small number");
        let bytes = if random.one_in(2) { random.bytes(len) } else { random.text(len) };
        write(&dir, format!("file {number}"), &bytes);
    }
}

fn folder(root: &Path, name: impl AsRef<OsStr>) -> PathBuf {
    let path = root.join(name.as_ref());
    std::fs::create_dir_all(&path).expect("a folder can be made");
    path
}

fn write(root: &Path, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
    let path = root.join(name.as_ref());
    std::fs::write(&path, bytes).expect("a file can be written");
    path
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("rights can be set");
}

fn own(path: &Path, uid: u32, gid: u32) {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chownat(CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW).expect("root gives files away");
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|e| panic!("{name} cannot be set on {}: {e}", path.display()));
}
