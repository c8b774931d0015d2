//! What is being tried, on disk before it is put on: whoever comes after a crash takes it back.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::addressing::Addressing;
use super::{Manager, PortName};
use crate::files;

/// Where the helper keeps it, unless systemd says where (`StateDirectory=`).
const FOLDER: &str = "/var/lib/datis-hand";
/// No journal is longer, in bytes.
const JOURNAL_MAX: u64 = 16 << 10;

/// What is being tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) manager: Manager,
    pub(super) port: PortName,
    pub(super) wanted: Addressing,
    /// What the manager needs to go back.
    pub(super) before: Option<String>,
}

/// The journal, locked: one helper at a time changes the network.
pub(super) struct Journal {
    file: PathBuf,
    /// Held, never read.
    _lock: File,
}

impl Journal {
    /// Opens it; `None` while another helper has it.
    pub(super) fn open() -> Result<Option<Self>, String> {
        let folder = std::env::var_os("STATE_DIRECTORY").map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
        Self::open_in(&folder)
    }

    fn open_in(folder: &Path) -> Result<Option<Self>, String> {
        files::make_private_dir(folder).map_err(|e| told(&e))?;
        let path = folder.join("lock");
        let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = options.map_err(|e| format!("{} cannot be opened: {e}", path.display()))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file: folder.join("network.json"), _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(format!("{} cannot be locked: {e}", path.display())),
        }
    }

    /// What was being tried when somebody stopped. It is written as a whole: one that is not understood is of another
    /// version or damaged, and what it speaks of may still be on.
    pub(super) fn left_over(&self) -> Result<Option<Entry>, String> {
        let bytes = files::read_if_there(&self.file, JOURNAL_MAX).map_err(|e| told(&e))?;
        let entry = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        entry.map_err(|e| {
            let file = self.file.display();
            format!(
                "what was being tried cannot be understood ({e}); see that the network is right, then remove {file}"
            )
        })
    }

    /// Returns once it would survive a power cut.
    pub(super) fn write(&self, entry: &Entry) -> Result<(), String> {
        let bytes = serde_json::to_vec(entry).map_err(|e| e.to_string())?;
        files::replace(&self.file, &bytes).map_err(|e| told(&e))
    }

    /// Nothing is being tried any more.
    pub(super) fn clear(&self) -> Result<(), String> {
        match std::fs::remove_file(&self.file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{} cannot be removed: {e}", self.file.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a file that others may read, as a whole and durably. Its folder is made if it is not there.
pub(super) fn write_for_all(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{} cannot be written: {e}", path.display());
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Not a name that the manager would read.
    let beside = path.with_extension("datis-new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

pub(super) fn told(error: &files::FileError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_tried_is_found_again_and_only_one_tries() {
        let folder = tempfile::tempdir().expect("folder");
        let open = || Journal::open_in(folder.path()).expect("journal");
        let journal = open().expect("nobody else has it");
        assert!(open().is_none(), "another helper has it");
        assert_eq!(journal.left_over().expect("read"), None);
        let entry = Entry {
            manager: Manager::Networkd,
            port: PortName::try_from("eth0".to_owned()).expect("a name"),
            wanted: Addressing::Dhcp,
            before: None,
        };
        journal.write(&entry).expect("write");
        drop(journal);
        // Another test may be starting a program, which holds what is open until it runs.
        let wait = || std::thread::sleep(std::time::Duration::from_millis(20));
        let again = (0..250).find_map(|_| {
            open().or_else(|| {
                wait();
                None
            })
        });
        let journal = again.expect("free again");
        assert_eq!(journal.left_over().expect("read"), Some(entry));
        journal.clear().expect("clear");
        journal.clear().expect("clear");
        assert_eq!(journal.left_over().expect("read"), None);
    }

    #[test]
    fn a_journal_that_is_not_understood_is_not_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let journal = Journal::open_in(folder.path()).expect("journal").expect("nobody else has it");
        for odd in ["", "{}", "{\"manager\":\"of-tomorrow\"}"] {
            std::fs::write(folder.path().join("network.json"), odd).expect("write");
            assert!(journal.left_over().expect_err(odd).contains("network.json"));
        }
    }

    #[test]
    fn the_manager_can_read_what_is_written_for_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("network/05-datis-trial.network");
        write_for_all(&path, b"[Match]\n").expect("write");
        let mode = std::fs::metadata(&path).expect("stat").permissions().mode();
        assert_eq!(mode & 0o400, 0o400);
        assert_eq!(std::fs::read_dir(folder.path().join("network")).expect("folder").count(), 1);
    }
}
