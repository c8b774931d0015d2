//! What this machine remembers of the last snapshot of a source: for each entry how the file looked, and the entry's
//! bytes, so that a file that looks the same is taken over without being opened.
//!
//! The ledger is only a memory. It is used when the box still has the snapshot that it belongs to; when it is absent,
//! altered or cut short, everything is read again. One pass reads it while the next one is written.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use datis_engine::format::path::{EntryPath, PATH_MAX};
use datis_engine::ids::{SnapshotId, SourceName};
use datis_engine::units::{FileTime, UnixMillis};

use crate::platform::files::create_private;
use crate::platform::scan::Stat;

const MAGIC: &[u8; 8] = b"DATISLG\x01";
const RECORD: u8 = 1;
const END: u8 = 0;
const BODY_MAX: usize = datis_engine::format::listing::BODY_MAX;

/// How an entry looked. Equal keys of a path mean that neither content nor metadata has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    inode: u64,
    size: u64,
    modified: FileTime,
    changed: FileTime,
}

impl Key {
    /// The key of an entry that was looked at `now`; `None` when it changed so shortly before that another change within
    /// the same tick of the file system's clock could go unseen.
    #[must_use]
    pub fn of(stat: &Stat, now: UnixMillis) -> Option<Self> {
        // Linux stamps files with a clock that ticks every 1 to 10 ms; file systems that keep whole seconds (or two)
        // show themselves by stamps without a fraction.
        let margin_millis = if stat.changed.nanoseconds == 0 { 2_500 } else { 100 };
        let changed = stat.changed.seconds.saturating_mul(1_000) + i64::from(stat.changed.nanoseconds / 1_000_000);
        let settled = changed < now.0.saturating_sub(margin_millis);
        settled.then_some(Self { inode: stat.inode, size: stat.size, modified: stat.modified, changed: stat.changed })
    }

    fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.inode.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.size.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.modified.seconds.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.modified.nanoseconds.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.changed.seconds.to_le_bytes());
        bytes[36..].copy_from_slice(&self.changed.nanoseconds.to_le_bytes());
        bytes
    }
}

/// One remembered entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its path.
    pub path: EntryPath,
    /// How it looked, as bytes; all zero matches nothing.
    key: [u8; 40],
    /// The entry's body for the listing.
    pub body: Vec<u8>,
}

impl Remembered {
    /// Whether the entry looked the same.
    #[must_use]
    pub fn looks_like(&self, key: Key) -> bool {
        self.key == key.to_bytes()
    }
}

/// Where the ledger of a source is.
#[must_use]
pub fn path_of(cache_dir: &Path, source: &SourceName) -> PathBuf {
    let name = data_encoding::HEXLOWER.encode(source.as_str().as_bytes());
    cache_dir.join(format!("{name}.ledger"))
}

/// Reads a ledger in order.
#[derive(Debug)]
pub struct LedgerReader {
    input: Option<Hashed<BufReader<File>>>,
    /// The snapshot that the ledger belongs to.
    pub base: SnapshotId,
    next: Option<Remembered>,
    /// Set once the end was reached and its checksum held.
    sound: bool,
}

impl LedgerReader {
    /// Opens the ledger; `None` when there is none that can be used.
    #[must_use]
    pub fn open(path: &Path) -> Option<Self> {
        let mut input = Hashed::new(BufReader::with_capacity(256 << 10, File::open(path).ok()?));
        let mut head = [0; 8 + SnapshotId::LEN];
        input.read_exact(&mut head).ok()?;
        let (magic, base) = head.split_at(8);
        if magic != MAGIC {
            return None;
        }
        let base = SnapshotId::from_slice(base)?;
        input.hasher.reset();
        let mut reader = Self { input: Some(input), base, next: None, sound: false };
        reader.advance();
        Some(reader)
    }

    /// The remembered entry with this path, if there is one. Paths must be asked for in ascending order.
    pub fn find(&mut self, path: &EntryPath) -> Option<Remembered> {
        while self.next.as_ref().is_some_and(|next| next.path < *path) {
            self.advance();
        }
        if self.next.as_ref().is_some_and(|next| next.path == *path) {
            let found = self.next.take();
            self.advance();
            found
        } else {
            None
        }
    }

    /// Reads to the end; whether all of it was as it was written. If not, nothing that was found may be used.
    pub fn finish(&mut self) -> bool {
        while self.next.is_some() {
            self.advance();
        }
        self.sound
    }

    fn advance(&mut self) {
        let Some(input) = &mut self.input else {
            self.next = None;
            return;
        };
        self.next = None;
        match read_record(input) {
            Ok(Some(record)) => self.next = Some(record),
            Ok(None) => {
                self.sound = input.checksum_holds();
                self.input = None;
            }
            Err(_) => self.input = None,
        }
    }
}

fn read_record(input: &mut Hashed<BufReader<File>>) -> io::Result<Option<Remembered>> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut tag = [0];
    input.read_exact(&mut tag)?;
    if tag[0] != RECORD {
        return if tag[0] == END { Ok(None) } else { Err(damaged()) };
    }
    let mut head = [0; 48];
    input.read_exact(&mut head)?;
    let (lengths, key_bytes) = head.split_at(8);
    let length = |range: std::ops::Range<usize>| {
        lengths[range].iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (path_len, body_len) = (length(0..4), length(4..8));
    if path_len > PATH_MAX || body_len > BODY_MAX {
        return Err(damaged());
    }
    let mut path = vec![0; path_len];
    input.read_exact(&mut path)?;
    let mut body = vec![0; body_len];
    input.read_exact(&mut body)?;
    let mut key = [0; 40];
    key.copy_from_slice(key_bytes);
    Ok(Some(Remembered { path: EntryPath::parse(path).map_err(|_| damaged())?, key, body }))
}

/// Writes the next ledger beside the present one.
#[derive(Debug)]
pub struct LedgerWriter {
    output: Hashed<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
}

impl LedgerWriter {
    /// Begins; the present ledger stays until [`Self::finish`].
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let temporary = path.with_extension("ledger.new");
        let file = create_private(&temporary)?;
        let mut output = Hashed::new(BufWriter::with_capacity(256 << 10, file));
        output.write_all(MAGIC)?;
        // The snapshot is named only once it is committed.
        output.write_all(&[0; SnapshotId::LEN])?;
        output.hasher.reset();
        Ok(Self { output, temporary, path: path.to_path_buf() })
    }

    /// Adds an entry; without a key it will be read again next time.
    ///
    /// # Errors
    /// What the system says.
    pub fn push(&mut self, path: &EntryPath, key: Option<Key>, body: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
        if body.len() > BODY_MAX {
            return Ok(());
        }
        let mut head = [0; 49];
        head[0] = RECORD;
        head[1..5].copy_from_slice(&u32::try_from(path.as_bytes().len()).map_err(too_long)?.to_le_bytes());
        head[5..9].copy_from_slice(&u32::try_from(body.len()).map_err(too_long)?.to_le_bytes());
        head[9..].copy_from_slice(&key.map_or([0; 40], Key::to_bytes));
        self.output.write_all(&head)?;
        self.output.write_all(path.as_bytes())?;
        self.output.write_all(body)
    }

    /// Ends the ledger and puts it in place of the present one. `base`: the committed snapshot.
    ///
    /// # Errors
    /// What the system says; the present ledger is then as it was.
    pub fn finish(mut self, base: &SnapshotId) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        self.output.write_all(&[END])?;
        let checksum = *self.output.hasher.finalize().as_bytes();
        self.output.inner.write_all(&checksum)?;
        let mut file = self.output.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(8))?;
        file.write_all(base.as_bytes())?;
        // Not synced: after a power cut a cut ledger is found out by its checksum, and costs one full reading.
        std::fs::rename(&self.temporary, &self.path)
    }
}

/// Hashes what goes through, from after the head on.
#[derive(Debug)]
struct Hashed<T> {
    inner: T,
    hasher: blake3::Hasher,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: blake3::Hasher::new() }
    }
}

impl<T: Read> Hashed<T> {
    /// Whether what is left is exactly the checksum of what was read.
    fn checksum_holds(&mut self) -> bool {
        let expected = self.hasher.finalize();
        let mut found = [0; 32];
        let mut rest = [0];
        self.inner.read_exact(&mut found).is_ok()
            && found == *expected.as_bytes()
            && matches!(self.inner.read(&mut rest), Ok(0))
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes().to_vec()).expect("path")
    }

    fn key(n: u64) -> Key {
        let time = FileTime { seconds: 5, nanoseconds: 6 };
        Key { inode: n, size: 10, modified: time, changed: time }
    }

    fn written(dir: &Path) -> PathBuf {
        let file = path_of(dir, &"source".parse().expect("name"));
        let mut writer = LedgerWriter::create(&file).expect("create");
        for n in 0..50 {
            writer.push(&path(&format!("a/{n:02}")), Some(key(n)), format!("body {n}").as_bytes()).expect("push");
        }
        writer.push(&path("b"), None, b"fresh").expect("push");
        writer.finish(&SnapshotId::from_bytes([7; 32])).expect("finish");
        file
    }

    #[test]
    fn remembered_entries_are_found_in_order_and_only_if_they_look_the_same() {
        let dir = tempfile::tempdir().expect("folder");
        let mut reader = LedgerReader::open(&written(dir.path())).expect("open");
        assert_eq!(reader.base, SnapshotId::from_bytes([7; 32]));
        assert_eq!(reader.find(&path("a")), None);
        let found = reader.find(&path("a/07")).expect("found");
        assert_eq!(found.body, b"body 7");
        assert!(found.looks_like(key(7)) && !found.looks_like(key(8)));
        assert_eq!(reader.find(&path("a/07x")), None);
        assert!(!reader.find(&path("b")).expect("found").looks_like(key(0)));
        assert!(reader.finish());
    }

    #[test]
    fn an_altered_or_cut_ledger_is_not_sound() {
        let dir = tempfile::tempdir().expect("folder");
        let file = written(dir.path());
        let bytes = std::fs::read(&file).expect("read");
        for index in (40..bytes.len()).step_by(17) {
            let mut altered = bytes.clone();
            altered[index] ^= 4;
            std::fs::write(&file, altered).expect("write");
            assert!(!LedgerReader::open(&file).is_some_and(|mut r| r.finish()), "byte {index}");
            std::fs::write(&file, &bytes[..index]).expect("write");
            assert!(!LedgerReader::open(&file).is_some_and(|mut r| r.finish()), "cut to {index}");
        }
    }

    #[test]
    fn an_entry_that_changed_just_now_is_not_trusted() {
        let stat = |seconds, nanoseconds| Stat {
            mode: 0o100_644,
            links: 1,
            uid: 0,
            gid: 0,
            size: 1,
            allocated: 512,
            inode: 1,
            device: (0, 0),
            node_device: (0, 0),
            modified: FileTime::default(),
            changed: FileTime { seconds, nanoseconds },
            no_dump: false,
        };
        let now = UnixMillis(100_000);
        assert!(Key::of(&stat(99, 500_000_000), now).is_some());
        assert!(Key::of(&stat(99, 950_000_000), now).is_none());
        assert!(Key::of(&stat(98, 0), now).is_none());
        assert!(Key::of(&stat(200, 5), now).is_none());
    }
}
