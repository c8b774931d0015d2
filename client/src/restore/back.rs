//! Opening the place where something was, so that it can be put back there.
//!
//! Every step from the root of all paths is opened without following a link, so that whoever may write in one of the folders
//! on the way can spoil the restore but not lead it elsewhere.

use std::io;
use std::path::Path;

use datis_engine::format::listing::Node;
use datis_engine::format::path::EntryPath;
use datis_engine::units::UnixMillis;

use super::{Mode, Opened, RestoreError, RestoreRequest, Selected, beside, refused};
use crate::errors::shown;
use crate::platform::names::{bytes_of, path_of};
use crate::platform::target::{Dir, Obstacle, Standing};

/// So many names are tried before it is given up.
const NAMES_MAX: u32 = 100;

/// Opens the directory that the selected entry goes into, or that is its own place.
pub(super) fn open(request: &RestoreRequest, selected: &Selected<'_>) -> Result<Opened, RestoreError> {
    let top = Dir::open_root(&request.to).map_err(|e| refused(&request.to, e))?;
    // All of a snapshot has no single place: its entries are where they were below the root.
    let Some((path, entry)) = &selected.entry else {
        return Ok(Opened { root: top, at: request.to.clone(), mode: request.mode, suffix: suffix_of(request, 1) });
    };
    let at = request.to.join(path_of(path.as_bytes()));
    let closed = |source| closed(&at, source);
    let folder = match path.parent() {
        Some(parent) => top.open_below(parent.as_bytes()).map_err(closed)?,
        None => top,
    };
    let standing = folder.standing(path.name()).map_err(closed)?;
    let is_directory = matches!(entry.node, Node::Directory);
    let (root, mode, suffix) = match (is_directory, standing, request.mode) {
        (false, ..) => {
            let suffix = free_suffix(request, &folder, path).map_err(closed)?;
            (folder, request.mode, suffix)
        }
        // A fresh directory; what goes into it meets nothing.
        (true, Standing::Nothing, _) => (make(&folder, path.name(), &at)?, Mode::Empty, suffix_of(request, 1)),
        (true, Standing::Directory, Mode::Overwrite) => {
            (folder.open_below(path.name()).map_err(closed)?, Mode::Overwrite, suffix_of(request, 1))
        }
        (true, Standing::Other, Mode::Overwrite) => {
            return Err(RestoreError::InTheWay { path: shown(&bytes_of(&at)) });
        }
        (true, Standing::Directory | Standing::Other, Mode::Beside | Mode::Empty) => {
            let suffix = free_suffix(request, &folder, path).map_err(closed)?;
            (make(&folder, &beside(path.name(), &suffix), &at)?, Mode::Empty, suffix_of(request, 1))
        }
    };
    Ok(Opened { root, at, mode, suffix })
}

/// Why the place of an entry cannot be opened. Only what is gone, or leads elsewhere by now, is told as that.
fn closed(at: &Path, source: io::Error) -> RestoreError {
    let is_gone = matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || Obstacle::of(&source) == Some(Obstacle::Link);
    if is_gone { RestoreError::FolderGone { path: shown(&bytes_of(at)), source } } else { refused(at, source) }
}

fn make(folder: &Dir, name: &[u8], at: &Path) -> Result<Dir, RestoreError> {
    folder.make_dir(name).map(|(root, _)| root).map_err(|e| refused(at, e))
}

/// The first suffix with which the name is free.
fn free_suffix(request: &RestoreRequest, folder: &Dir, path: &EntryPath) -> io::Result<String> {
    for number in 1..NAMES_MAX {
        let suffix = suffix_of(request, number);
        if folder.standing(&beside(path.name(), &suffix))? == Standing::Nothing {
            return Ok(suffix);
        }
    }
    Ok(suffix_of(request, NAMES_MAX))
}

/// ` (2026-11-12)`, and ` (2026-11-12, 2)` where that is taken: the day of the snapshot, as this machine has signed it and its
/// user counts days.
fn suffix_of(request: &RestoreRequest, number: u32) -> String {
    let day = day_of(request.snapshot.record.finished_at);
    if number == 1 { format!(" ({day})") } else { format!(" ({day}, {number})") }
}

fn day_of(at: UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use datis_engine::ids::SnapshotId;
    use datis_engine::wire::SnapshotState;
    use rustix::io::Errno;

    use super::super::Place;
    use super::*;
    use crate::snapshots::Snapshot;
    use crate::snapshots::tests::record;

    pub(in super::super) fn request(path: &str) -> RestoreRequest {
        RestoreRequest {
            snapshot: Snapshot {
                id: SnapshotId::from_bytes([1; 32]),
                // 13 September 2020, as this machine has signed it; ten years later, as the box says.
                record: record("docs", 1_600_000_000_000),
                received_at: UnixMillis(2_000_000_000_000),
                state: SnapshotState::Complete,
                outside_only: false,
            },
            path: Some(EntryPath::from_user(path.as_bytes()).expect("a path")),
            to: "/".into(),
            place: Place::WhereItWas,
            mode: Mode::Beside,
            sync: false,
        }
    }

    #[test]
    fn a_name_gets_the_day_that_was_signed() {
        let request = request("/home/claire/a");
        assert!(suffix_of(&request, 1).starts_with(" (2020-09-1"), "{}", suffix_of(&request, 1));
        assert!(suffix_of(&request, 2).ends_with(", 2)"), "{}", suffix_of(&request, 2));
    }

    #[test]
    fn only_a_folder_that_is_gone_is_told_as_gone() {
        let at = Path::new("/home/claire/a");
        for gone in [Errno::NOENT, Errno::NOTDIR, Errno::LOOP] {
            let error = closed(at, gone.into());
            assert!(matches!(&error, RestoreError::FolderGone { path, .. } if path == "/home/claire/a"), "{error}");
        }
        for other in [Errno::ACCESS, Errno::IO, Errno::MFILE, Errno::NAMETOOLONG] {
            let error = closed(at, other.into());
            assert!(matches!(&error, RestoreError::Target { path, .. } if path == at), "{error}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let dir = Dir::open_root(folder.path()).expect("open");
        std::fs::write(folder.path().join("docs"), b"in its place").expect("write");
        let at = Path::new("/home/claire/docs");
        let error = make(&dir, b"docs", at).expect_err("taken");
        assert!(matches!(&error, RestoreError::Target { path, .. } if path == at), "{error}");
    }
}
