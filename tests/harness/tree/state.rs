//! What a tree is: of each entry everything that a restore has to bring back.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;

/// Room that a file system may need more for the same sparse file, in bytes.
const SPARSE_SLACK: u64 = 256 << 10;

const BLOCK: u64 = 64 << 10;

/// What a tree was at one moment: every entry below a folder, and the folder itself under the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeState(BTreeMap<Vec<u8>, EntryState>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct EntryState {
    mode: u32,
    uid: u32,
    gid: u32,
    modified: (i64, i64),
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first of the names in this tree of an inode that has several.
    same_as: Option<Vec<u8>>,
    node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Directory,
    File { size: u64, allocated: u64, digest: blake3::Hash },
    Symlink(Vec<u8>),
    Device { block: bool, number: u64 },
    Fifo,
    Socket,
}

impl TreeState {
    /// Looks at everything below `root` and at `root` itself.
    ///
    /// # Panics
    /// When something cannot be read.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        Self::read_without(root, &[])
    }

    /// As [`Self::read`], but leaves out the entries with these paths below `root`, and what is below them.
    ///
    /// # Panics
    /// When something cannot be read.
    #[must_use]
    pub fn read_without(root: &Path, left_out: &[&str]) -> Self {
        let mut reader = Reader { root, left_out, entries: BTreeMap::new(), inodes: BTreeMap::new() };
        reader.read(&[]).unwrap_or_else(|e| panic!("{} cannot be read: {e}", root.display()));
        Self(reader.entries)
    }

    /// How many entries there are, the folder itself among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing: never, for a tree that was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all regular files, holes included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let size = |entry: &EntryState| if let Node::File { size, .. } = entry.node { size } else { 0 };
        self.0.values().map(size).sum()
    }

    /// Forgets the entry at `path`.
    pub fn forget(&mut self, path: &str) {
        self.0.remove(path.as_bytes());
    }

    /// How `found` differs from this, in words, one a difference. The folders' own attributes count too.
    #[must_use]
    pub fn differences_to(&self, found: &Self) -> Vec<String> {
        let mut told = Vec::new();
        for (path, wanted) in &self.0 {
            match found.0.get(path) {
                None => told.push(format!("{} is missing", shown(path))),
                Some(entry) => {
                    wanted.tell_differences(entry, &mut |what| told.push(format!("{}: {what}", shown(path))))
                }
            }
        }
        for path in found.0.keys().filter(|path| !self.0.contains_key(*path)) {
            told.push(format!("{} should not be there", shown(path)));
        }
        told
    }
}

impl EntryState {
    fn tell_differences(&self, found: &Self, tell: &mut dyn FnMut(String)) {
        if self.mode != found.mode {
            tell(format!("mode is {:o}, should be {:o}", found.mode, self.mode));
        }
        if (self.uid, self.gid) != (found.uid, found.gid) {
            tell(format!("owner is {}:{}, should be {}:{}", found.uid, found.gid, self.uid, self.gid));
        }
        if self.modified != found.modified {
            tell(format!("modification time is {:?}, should be {:?}", found.modified, self.modified));
        }
        if self.xattrs != found.xattrs {
            let names = |xattrs: &BTreeMap<Vec<u8>, Vec<u8>>| {
                xattrs.keys().map(|name| shown(name)).collect::<Vec<_>>().join(", ")
            };
            tell(format!(
                "attributes are [{}], should be [{}], or values differ",
                names(&found.xattrs),
                names(&self.xattrs)
            ));
        }
        if self.same_as != found.same_as {
            let name = |same: &Option<Vec<u8>>| same.as_deref().map_or("nothing".to_owned(), shown);
            tell(format!("is one inode with {}, should be with {}", name(&found.same_as), name(&self.same_as)));
        }
        match (&self.node, &found.node) {
            (
                Node::File { size, allocated, digest },
                Node::File { size: found_size, allocated: found_allocated, digest: found_digest },
            ) => {
                if size != found_size {
                    tell(format!("is {found_size} bytes long, should be {size}"));
                } else if digest != found_digest {
                    tell("has other content".to_owned());
                }
                if *allocated < *size && *found_allocated > allocated + SPARSE_SLACK {
                    tell(format!("takes {found_allocated} bytes of disk, the sparse original took {allocated}"));
                }
            }
            (wanted, found) if wanted != found => tell(format!("is {found:?}, should be {wanted:?}")),
            _ => {}
        }
    }
}

/// How `found` differs from `wanted`, in words, one a difference.
///
/// # Panics
/// When one of them cannot be read.
#[must_use]
pub fn differences(wanted: &Path, found: &Path) -> Vec<String> {
    TreeState::read(wanted).differences_to(&TreeState::read(found))
}

/// Demands that two trees are the same: names, content and all metadata.
///
/// # Panics
/// When they differ; the message says in what.
#[track_caller]
pub fn assert_same(wanted: &Path, found: &Path) {
    let told = differences(wanted, found);
    let some = told.iter().take(30).cloned().collect::<Vec<_>>().join("\n  ");
    assert!(
        told.is_empty(),
        "{} differs from {} in {} things:\n  {some}",
        found.display(),
        wanted.display(),
        told.len()
    );
}

struct Reader<'r> {
    root: &'r Path,
    left_out: &'r [&'r str],
    entries: BTreeMap<Vec<u8>, EntryState>,
    inodes: BTreeMap<(u64, u64), Vec<u8>>,
}

impl Reader<'_> {
    fn read(&mut self, path: &[u8]) -> io::Result<()> {
        if self.left_out.iter().any(|left_out| left_out.as_bytes() == path) {
            return Ok(());
        }
        let full = self.full(path);
        let metadata = full.symlink_metadata()?;
        let mut names = Vec::new();
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&full)? {
                names.push(entry?.file_name());
            }
            // In the order of their bytes, so that "the first name" of an inode is the same in every copy.
            names.sort();
        }
        let entry = self.entry(path, &full, &metadata)?;
        self.entries.insert(path.to_vec(), entry);
        for name in names {
            let mut child = path.to_vec();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend_from_slice(name.as_bytes());
            self.read(&child)?;
        }
        Ok(())
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() { self.root.to_owned() } else { self.root.join(OsStr::from_bytes(path)) }
    }

    fn entry(&mut self, path: &[u8], full: &Path, metadata: &Metadata) -> io::Result<EntryState> {
        let kind = metadata.file_type();
        let node = if kind.is_dir() {
            Node::Directory
        } else if kind.is_symlink() {
            Node::Symlink(std::fs::read_link(full)?.into_os_string().into_encoded_bytes())
        } else if kind.is_fifo() {
            Node::Fifo
        } else if kind.is_socket() {
            Node::Socket
        } else if kind.is_block_device() || kind.is_char_device() {
            Node::Device { block: kind.is_block_device(), number: metadata.rdev() }
        } else {
            let digest = digest(&File::open(full)?, metadata.len())?;
            Node::File { size: metadata.len(), allocated: metadata.blocks() * 512, digest }
        };
        let same_as = (!kind.is_dir() && metadata.nlink() > 1)
            .then(|| self.inodes.entry((metadata.dev(), metadata.ino())).or_insert_with(|| path.to_vec()).clone());
        Ok(EntryState {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            xattrs: xattrs(full)?,
            same_as,
            node,
        })
    }
}

/// Depends on the content alone, not on where its zeros are holes; does not read holes.
fn digest(file: &File, size: u64) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&size.to_le_bytes());
    let mut block = vec![0; usize::try_from(BLOCK).expect("a small number")];
    let mut at = 0;
    while let Some(data) = next_data(file, at)? {
        at = data / BLOCK * BLOCK;
        let len = read_block(file, at, &mut block)?;
        if len == 0 {
            break;
        }
        if block[..len].iter().any(|byte| *byte != 0) {
            hasher.update(&at.to_le_bytes()).update(&block[..len]);
        }
        at += BLOCK;
    }
    Ok(hasher.finalize())
}

fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn read_block(file: &File, at: u64, block: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < block.len() {
        match file.read_at(&mut block[len..], at + len as u64)? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut list = vec![0; 64 << 10];
    let len = match rustix::fs::llistxattr(path, &mut list) {
        Ok(len) => len,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(e) => return Err(e.into()),
    };
    let mut found = BTreeMap::new();
    for name in list[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, name, &mut value)?;
        value.truncate(len);
        found.insert(name.to_vec(), value);
    }
    Ok(found)
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { "the folder itself".to_owned() } else { path.escape_ascii().to_string() }
}
