//! Small files that must survive a power cut: written beside, synced, renamed, and the folder synced; then the file once
//! more, since XFS does not tell of a folder that it could not (`docs/decisions/0013-sync-of-directories.md`).
//!
//! For keys and notes of the daemon only; packs and snapshots go through the engine's store.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use datis_engine::units::UnixMillis;
use rustix::fs::{CWD, RenameFlags};

/// A step on a file that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path}")]
pub struct FileError {
    step: &'static str,
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl FileError {
    fn at<E: Into<std::io::Error>>(step: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self { step, path, source: source.into() }
    }
}

/// Makes a folder with mode 0700 if it is not there; it survives a power cut afterwards.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_dir_of(path),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(FileError::at("make the folder", path)(e)),
    }
}

/// Reads a file of at most `max` bytes; `None` when it is not there.
pub(crate) fn read_if_there(path: &Path, max: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FileError::at("open", path)(e)),
    };
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::at("read", path))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
        return Err(FileError::at("read the whole of", path)(std::io::Error::other(format!(
            "longer than {max} bytes"
        ))));
    }
    Ok(Some(bytes))
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(FileError::at("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Writes a file with mode 0600 that is not there yet; returns once it would survive a power cut.
///
/// A file of that name is never replaced: that is an error.
pub(crate) fn put_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let (beside, file) = write_beside(path, bytes)?;
    rustix::fs::renameat_with(CWD, &beside, CWD, path, RenameFlags::NOREPLACE)
        .map_err(FileError::at("put in place", path))?;
    sync_in_place(path, &file)
}

/// Writes a file with mode 0600, or replaces it as a whole; returns once it would survive a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let (beside, file) = write_beside(path, bytes)?;
    std::fs::rename(&beside, path).map_err(FileError::at("put in place", path))?;
    sync_in_place(path, &file)
}

/// A leftover of an earlier crash is written over: it never was in place.
fn write_beside(path: &Path, bytes: &[u8]) -> Result<(PathBuf, File), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(FileError::at("make", &beside))?;
    file.write_all(bytes).map_err(FileError::at("write", &beside))?;
    file.sync_all().map_err(FileError::at("make durable", &beside))?;
    Ok((beside, file))
}

fn sync_in_place(path: &Path, file: &File) -> Result<(), FileError> {
    sync_dir_of(path)?;
    file.sync_all().map_err(FileError::at("make durable", path))
}

fn sync_dir_of(path: &Path) -> Result<(), FileError> {
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(dir).and_then(|d| d.sync_all()).map_err(FileError::at("make durable", dir))
}

/// When a file was last written; `None` when it is not there or does not tell.
pub(crate) fn written_at(path: &Path) -> Option<UnixMillis> {
    let at = std::fs::metadata(path).ok()?.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(at.as_millis()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_is_there_is_never_replaced_by_put_new() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        put_new(&path, b"first").expect("put");
        assert!(put_new(&path, b"second").is_err());
        assert_eq!(read_if_there(&path, 100).expect("read"), Some(b"first".to_vec()));
        replace(&path, b"third").expect("replace");
        assert_eq!(read_if_there(&path, 100).expect("read"), Some(b"third".to_vec()));
        assert_eq!(std::fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o600);
        assert!(read_if_there(&path, 2).is_err());
    }

    #[test]
    fn a_leftover_of_a_crash_does_not_matter() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        std::fs::write(folder.path().join("key.new"), b"half a ke").expect("leftover");
        put_new(&path, b"key").expect("put");
        assert_eq!(read_if_there(&path, 100).expect("read"), Some(b"key".to_vec()));
    }
}
