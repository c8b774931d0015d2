//! The sources that this machine has backed up: remembered so that the service can do it again, one run at a time.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use datis_engine::ids::{RunId, SourceKind, SourceName};
use datis_engine::keys::random_bytes;
use datis_engine::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{State, StateError, damaged, lock, read, write_toml};
use crate::platform::names::{bytes_of, path_of};

const SOURCES: &str = "sources.toml";

/// Marks a root whose bytes are not UTF-8; roots are absolute, so that nothing else starts like this.
const HEX: &str = "hex:";

/// A path that is backed up. Kept as text, or as hexadecimal digits where it is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceRoot(pub PathBuf);

impl TryFrom<String> for SourceRoot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix(HEX) {
            None => Ok(Self(PathBuf::from(text))),
            Some(digits) => HEXLOWER
                .decode(digits.as_bytes())
                .map(|bytes| Self(path_of(&bytes).into_owned()))
                .map_err(|e| e.to_string()),
        }
    }
}

impl From<SourceRoot> for String {
    fn from(root: SourceRoot) -> Self {
        match root.0.into_os_string().into_string() {
            Ok(text) => text,
            Err(odd) => format!("{HEX}{}", HEXLOWER.encode(&bytes_of(Path::new(&odd)))),
        }
    }
}

/// A source as `datis backup` was last asked to back it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSource {
    /// Its name.
    pub name: SourceName,
    /// How it is cut.
    pub kind: SourceKind,
    /// Absolute paths, at least one.
    pub roots: Vec<SourceRoot>,
    /// Patterns of what is left out.
    pub excludes: Vec<String>,
    /// Whether other file systems mounted below the roots are left out.
    pub one_file_system: bool,
}

#[derive(Serialize, Deserialize, Default)]
struct SourcesFile {
    #[serde(default, rename = "source")]
    sources: Vec<SourceFields>,
}

#[derive(Serialize, Deserialize)]
struct SourceFields {
    name: String,
    kind: String,
    roots: Vec<SourceRoot>,
    #[serde(default)]
    excludes: Vec<String>,
    #[serde(default)]
    one_file_system: bool,
}

/// How the last run of a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LastRun {
    /// When a run last ended with a receipt, in milliseconds since 1970, by this machine's clock.
    pub succeeded_at: Option<i64>,
    /// When a run was last begun, by the same clock.
    pub tried_at: Option<i64>,
    /// The exit code of the last run that ended.
    pub exit_code: Option<u8>,
}

impl LastRun {
    /// [`Self::succeeded_at`] as a time.
    #[must_use]
    pub fn success(&self) -> Option<UnixMillis> {
        self.succeeded_at.map(UnixMillis)
    }
}

/// The right to back up one source; another process has it only after this one is dropped.
///
/// The file holds the id of the run that is under way. Whoever gets the lock and finds an id takes it over: its run was
/// killed, and the box hands the same session on to the same id at once instead of waiting for it to go stale.
#[derive(Debug)]
pub struct SourceLock {
    file: File,
    run: RunId,
}

impl SourceLock {
    fn begin(mut file: File) -> io::Result<Self> {
        let mut left = Vec::new();
        (&file).take(RunId::LEN as u64 + 1).read_to_end(&mut left)?;
        if let Some(run) = RunId::from_slice(&left) {
            return Ok(Self { file, run });
        }
        let run = RunId::from_bytes(random_bytes().map_err(io::Error::other)?);
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(run.as_bytes())?;
        file.sync_data()?;
        Ok(Self { file, run })
    }

    /// The run that this lock is held for.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }
}

impl Drop for SourceLock {
    fn drop(&mut self) {
        // An id that stays would only make the next run take over a session that has ended.
        let _best_effort = self.file.set_len(0);
    }
}

/// The right to be the service of a state directory.
#[derive(Debug)]
pub struct ServiceLock(#[expect(dead_code, reason = "held open: closing the file gives the lock away")] File);

/// The right to carry out what the box asked to put back.
#[derive(Debug)]
pub struct PutBackLock(#[expect(dead_code, reason = "held open: closing the file gives the lock away")] File);

impl State {
    /// The sources that `backup` has seen, by name.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Damaged`].
    pub fn sources(&self) -> Result<Vec<KnownSource>, StateError> {
        let path = self.dir.join(SOURCES);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let unusable = |reason: String| damaged(&path, reason);
        let text = String::from_utf8(bytes).map_err(|e| unusable(e.to_string()))?;
        let file: SourcesFile = toml::from_str(&text).map_err(|e| unusable(e.message().to_owned()))?;
        file.sources
            .into_iter()
            .map(|fields| {
                Ok(KnownSource {
                    name: fields.name.parse().map_err(|e: datis_engine::ids::IdError| unusable(e.to_string()))?,
                    kind: fields.kind.parse().map_err(|e: datis_engine::ids::IdError| unusable(e.to_string()))?,
                    roots: fields.roots,
                    excludes: fields.excludes,
                    one_file_system: fields.one_file_system,
                })
            })
            .collect()
    }

    /// Remembers `source`, in place of an earlier one of the same name. Durable when this returns.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn remember_source(&self, source: &KnownSource) -> Result<(), StateError> {
        let _whole_file = self.wait_lock("sources")?;
        let mut sources = self.sources()?;
        if sources.contains(source) {
            return Ok(());
        }
        sources.retain(|known| known.name != source.name);
        sources.push(source.clone());
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        self.write_sources(sources)
    }

    /// Forgets that `name` is to be backed up; its snapshots stay. Tells whether it was known.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn release_source(&self, name: &SourceName) -> Result<bool, StateError> {
        let _whole_file = self.wait_lock("sources")?;
        let mut sources = self.sources()?;
        let before = sources.len();
        sources.retain(|known| known.name != *name);
        let was_known = sources.len() < before;
        if was_known {
            self.write_sources(sources)?;
        }
        Ok(was_known)
    }

    fn write_sources(&self, sources: Vec<KnownSource>) -> Result<(), StateError> {
        let fields = |source: KnownSource| SourceFields {
            name: source.name.to_string(),
            kind: source.kind.to_string(),
            roots: source.roots,
            excludes: source.excludes,
            one_file_system: source.one_file_system,
        };
        let file = SourcesFile { sources: sources.into_iter().map(fields).collect() };
        write_toml(&self.dir.join(SOURCES), &file)
    }

    /// Takes the right to back up `source`; at most one process of this machine has it.
    ///
    /// # Errors
    /// [`StateError::SourceBusy`], [`StateError::Write`].
    pub fn lock_source(&self, source: &SourceName) -> Result<SourceLock, StateError> {
        let path = self.private_dir("locks")?.join(file_name_of(source));
        match lock(&path)? {
            Some(file) => SourceLock::begin(file).map_err(|source| StateError::Write { path, source }),
            None => Err(StateError::SourceBusy { source_name: source.to_string() }),
        }
    }

    /// Takes the right to be the service of this state directory.
    ///
    /// # Errors
    /// [`StateError::ServiceBusy`], [`StateError::Write`].
    pub fn lock_service(&self) -> Result<ServiceLock, StateError> {
        let path = self.private_dir("locks")?.join("service");
        match lock(&path)? {
            Some(file) => Ok(ServiceLock(file)),
            None => Err(StateError::ServiceBusy { dir: self.dir.clone() }),
        }
    }

    /// Takes the right to put something back: one request at a time, by one process.
    ///
    /// # Errors
    /// [`StateError::PutBackBusy`], [`StateError::Write`].
    pub fn lock_put_back(&self) -> Result<PutBackLock, StateError> {
        let path = self.private_dir("locks")?.join("put-back");
        lock(&path)?.map(PutBackLock).ok_or(StateError::PutBackBusy)
    }

    /// Waits for a lock that is held only for moments.
    fn wait_lock(&self, name: &str) -> Result<File, StateError> {
        let path = self.private_dir("locks")?.join(name);
        let failed = |source: io::Error| StateError::Write { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// How the last run of `source` ended; all `None` when there was none, or when nobody can tell any more.
    #[must_use]
    pub fn last_run(&self, source: &SourceName) -> LastRun {
        let path = self.dir.join("runs").join(file_name_of(source));
        let text = read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        text.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }

    /// Keeps how the last run of `source` ended.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn keep_last_run(&self, source: &SourceName, run: &LastRun) -> Result<(), StateError> {
        write_toml(&self.private_dir("runs")?.join(file_name_of(source)), run)
    }
}

/// A file name for a source: names may be longer than file names, and differ only by letters that some systems fold.
fn file_name_of(source: &SourceName) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, source.as_str().as_bytes());
    HEXLOWER.encode(&digest.as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::super::tests::enrolled;
    use super::*;

    fn source(name: &str, root: &[u8]) -> KnownSource {
        KnownSource {
            name: name.parse().expect("name"),
            kind: SourceKind::Files,
            roots: vec![SourceRoot(path_of(root).into_owned())],
            excludes: vec!["*.tmp".to_owned()],
            one_file_system: true,
        }
    }

    #[test]
    fn sources_read_back_even_where_their_paths_are_not_text() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let state = enrolled(dir.path());
        let (odd, even) = (source("b", b"/data/\xff\xfe"), source("a", b"/hex:"));
        state.remember_source(&odd).expect("remember");
        state.remember_source(&even).expect("remember");
        state.remember_source(&even).expect("remember again");
        assert_eq!(state.sources().expect("read"), [even.clone(), odd]);
        assert!(state.release_source(&"b".parse().expect("name")).expect("release"));
        assert_eq!(state.sources().expect("read"), [even]);
    }

    #[test]
    fn a_source_belongs_to_one_run_at_a_time() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let state = enrolled(dir.path());
        let name: SourceName = "a".parse().expect("name");
        let held = state.lock_source(&name).expect("free");
        assert_eq!(state.lock_source(&name).expect_err("taken").exit(), crate::exit::Exit::Busy);
        let first = held.run();
        drop(held);
        let ended = state.lock_source(&name).expect("free again");
        assert_ne!(ended.run(), first, "a run that ended is over");
        // As a killed process leaves it: the lock is free, the id is there.
        let (killed, left) = (ended.run(), dir.path().join("locks").join(file_name_of(&name)));
        let bytes = std::fs::read(&left).expect("read");
        drop(ended);
        std::fs::write(&left, bytes).expect("write");
        assert_eq!(state.lock_source(&name).expect("free").run(), killed, "the next run takes it over");
    }

    #[test]
    fn the_last_run_reads_back() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let state = enrolled(dir.path());
        let name: SourceName = "a".parse().expect("name");
        assert_eq!(state.last_run(&name), LastRun::default());
        let run = LastRun { succeeded_at: Some(5), tried_at: Some(4), exit_code: Some(3) };
        state.keep_last_run(&name, &run).expect("keep");
        assert_eq!(state.last_run(&name), run);
    }
}
