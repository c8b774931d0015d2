//! `docs/reader.py`, the second implementation, against the golden vaults: it restores what the table says, and refuses
//! every lie.
//!
//! Needs root (owners, devices), the stock `age` tool, and a Python with the packages of `tests/tools/requirements.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use datis_engine::format::content::Content;
use datis_engine::format::listing::{Entry, HardLink, Node};
use datis_engine::units::FileTime;

use super::golden_vault::{hostile, tree};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the reader on a golden vault.
fn reader(vault: &str, arguments: &[&OsStr]) -> Output {
    reader_with("kit.txt", vault, arguments)
}

/// The same, with another file of the vault for a kit.
fn reader_with(kit: &str, vault: &str, arguments: &[&OsStr]) -> Output {
    // Set by `make test`; without it a Python with the packages is expected in the path.
    let python = std::env::var_os("DATIS_PYTHON").unwrap_or_else(|| "python3".into());
    let vault = root().join("tests/golden").join(vault);
    let mut command = Command::new(python);
    command.arg(root().join("docs/reader.py")).arg(vault.join("store")).arg(vault.join(kit)).args(arguments);
    command.output().expect("python runs")
}

/// Source and id of every snapshot in the reader's list.
fn list(vault: &str) -> (BTreeMap<String, Vec<String>>, Output) {
    let output = reader(vault, &["list".as_ref()]);
    let mut snapshots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        snapshots.entry(columns[3].to_owned()).or_default().push(columns[0].to_owned());
    }
    (snapshots, output)
}

/// Every path below `dir`, relative to it.
fn paths(dir: &Path, base: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("folder") {
        let path = entry.expect("entry").path();
        found.push(path.strip_prefix(base).expect("below").to_owned());
        if fs::symlink_metadata(&path).expect("entry").is_dir() {
            paths(&path, base, found);
        }
    }
}

fn xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    let mut found = BTreeMap::new();
    for name in names[..len].split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 4096];
        let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value).expect("attribute");
        found.insert(name.to_vec(), value[..len].to_vec());
    }
    found.into_iter().collect()
}

/// What stands at `path`, as an entry; `inode` is that of the group in the golden tree.
fn entry(path: &Path, inode: Option<u64>) -> (Entry, Vec<u8>) {
    let meta = fs::symlink_metadata(path).expect("entry");
    let (sort, device) = (meta.file_type(), meta.rdev());
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mut data = Vec::new();
    let node = if sort.is_dir() {
        Node::Directory
    } else if sort.is_file() {
        data = fs::read(path).expect("content");
        let has_holes = meta.len() >= 1 << 20 && meta.blocks() * 512 < meta.len();
        Node::File { size: meta.len(), extents: has_holes.then(Vec::new), content: Content::default() }
    } else if sort.is_symlink() {
        Node::Symlink { target: fs::read_link(path).expect("link").as_os_str().as_bytes().to_vec() }
    } else if sort.is_block_device() {
        Node::BlockDevice { major, minor }
    } else if sort.is_char_device() {
        Node::CharDevice { major, minor }
    } else if sort.is_fifo() {
        Node::Fifo
    } else {
        Node::Socket
    };
    let entry = Entry {
        mode: meta.permissions().mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        modified: FileTime {
            seconds: meta.mtime(),
            nanoseconds: u32::try_from(meta.mtime_nsec()).expect("below 10^9"),
        },
        xattrs: xattrs(path),
        hard_link: inode.map(|inode| HardLink { device: 0, inode }),
        node,
    };
    (entry, data)
}

/// The rows of the golden table for what was restored into `dir`.
fn rows(source: &str, day: usize, dir: &Path) -> BTreeSet<String> {
    let mut found = Vec::new();
    paths(dir, dir, &mut found);
    let linked = |path: &Path| {
        let meta = fs::symlink_metadata(dir.join(path)).expect("entry");
        meta.is_file() && meta.nlink() > 1
    };
    // The golden tree has one group of names for one inode.
    let group: BTreeSet<u64> = found
        .iter()
        .filter(|path| linked(path))
        .map(|path| fs::symlink_metadata(dir.join(path)).expect("entry").ino())
        .collect();
    assert!(group.len() <= 1, "names of one inode were restored as several");
    found
        .iter()
        .map(|path| {
            let (entry, data) = entry(&dir.join(path), linked(path).then_some(4_711));
            tree::row(source, day, path.as_os_str().as_bytes(), &entry, &data)
        })
        .collect()
}

#[test]
fn the_stranger_s_reader_restores_the_golden_vault_with_all_metadata() {
    assert!(rustix::process::geteuid().is_root(), "owners and devices can be restored by root only");
    let (snapshots, listed) = list("v1");
    assert_eq!((listed.status.code(), listed.stderr.as_slice()), (Some(0), &b""[..]));
    let mut restored = BTreeSet::new();
    for (source, ids) in &snapshots {
        // The list has the newest first.
        for (day, id) in ids.iter().rev().enumerate() {
            let dir = tempfile::tempdir().expect("folder");
            let output = reader("v1", &["restore".as_ref(), id.as_ref(), dir.path().as_ref()]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{source} {id}: {said}");
            // An incomplete snapshot is restored, and what is not in it is named.
            assert_eq!(
                said.contains("permission denied: /srv/sales/locked.db"),
                (source.as_str(), day) == ("sales", 1)
            );
            restored.extend(rows(source, day, dir.path()));
        }
    }
    let expected = fs::read_to_string(root().join("tests/golden/v1/expected.txt")).expect("table");
    let expected: BTreeSet<String> = expected.split_inclusive('\n').map(str::to_owned).collect();
    let missing: Vec<_> = expected.difference(&restored).collect();
    let surplus: Vec<_> = restored.difference(&expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}\nsurplus {surplus:#?}");
}

#[test]
fn the_stranger_s_reader_takes_two_sheets_for_the_kit_and_one_for_nothing() {
    let sheets = fs::read_to_string(root().join("tests/golden/v1/sheets.txt")).expect("sheets");
    let sheets: Vec<String> = sheets.split("# DATIS").skip(1).map(|sheet| format!("# DATIS{sheet}")).collect();
    let paper = tempfile::NamedTempFile::new().expect("a file");
    let listed = |text: String| {
        fs::write(&paper, text).expect("written");
        reader_with(&paper.path().display().to_string(), "v1", &["list".as_ref()])
    };
    let all = reader("v1", &["list".as_ref()]).stdout;
    for (one, two) in [(0, 1), (2, 0), (1, 2)] {
        let told = listed(format!("{}{}", sheets[one], sheets[two]));
        assert_eq!((told.status.code(), &told.stdout), (Some(0), &all), "{}", String::from_utf8_lossy(&told.stderr));
    }
    for text in [sheets[0].clone(), format!("{0}{0}", sheets[1]), sheets.concat().replace("SHEET-1A", "SHEET-1B")] {
        assert_eq!(listed(text).status.code(), Some(2));
    }
}

#[test]
fn the_stranger_s_reader_refuses_every_lie() {
    let (snapshots, listed) = list("hostile-v1");
    let said = String::from_utf8_lossy(&listed.stderr);
    assert!(listed.status.code() == Some(1) && said.contains("snapshot record has format version 2"), "{said}");
    for lie in hostile::LIES {
        let Some(ids) = snapshots.get(lie) else {
            assert_eq!(lie, "later-record", "is missing in the list");
            continue;
        };
        let around = tempfile::tempdir().expect("folder");
        let dir = around.path().join("target");
        let output = reader("hostile-v1", &["restore".as_ref(), ids[0].as_ref(), dir.as_ref()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{lie}: {said}");
        assert!(!said.contains("Traceback"), "{lie}: {said}");
        let outside: Vec<_> =
            fs::read_dir(around.path()).expect("folder").map(|e| e.expect("entry").file_name()).collect();
        assert_eq!(outside, ["target"], "{lie} left its folder");
        assert!(!Path::new("/tmp/planted").exists(), "{lie} wrote to an absolute path");
    }
}
