//! Small files that survive a power cut whole: written beside, made durable, then renamed into place.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::platform::files::{create_new_private, sync_dir};

/// Puts `bytes` in place of `path`, which has the old or the new content at any time, and the new one once this returns.
///
/// The file is for its owner alone. Another process that writes the same file at the same time must hold a lock.
///
/// # Errors
/// What the system says; the old content is still there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = parent.join(name);
    match std::fs::remove_file(&temporary) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let mut file = create_new_private(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_dir(parent)?;
    // XFS does not tell of a directory that it could not sync; see docs/decisions/0013-sync-of-directories.md.
    file.sync_all()
}

/// The same for `fields` as TOML.
///
/// # Errors
/// What the system says; the old content is still there.
pub fn write_toml(path: &Path, fields: &impl Serialize) -> io::Result<()> {
    let text = toml::to_string(fields).map_err(io::Error::other)?;
    write(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_secrets_to_its_owner() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("secret");
        write(&path, b"one").expect("write");
        std::fs::write(dir.path().join("secret.new"), b"left by a crash").expect("write");
        write(&path, b"two").expect("write again");
        assert_eq!(std::fs::read(&path).expect("read"), b"two");
        assert_eq!(path.metadata().expect("stat").mode() & 0o777, 0o600);
        assert_eq!(dir.path().read_dir().expect("list").count(), 1);
    }
}
