//! A file that is being restored, from its first piece to its last.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::site::{DirNode, OpenDirs, Site, held, path_in};
use crate::platform::attributes::Attributes;
use crate::platform::target::{Dir, Identity, identity, write_all_at};
use crate::reader::ReadError;

/// The first name of an inode that has several; the others are linked to it.
#[derive(Debug)]
pub(super) struct LinkSource {
    pub(super) dir: Arc<DirNode>,
    pub(super) name: Vec<u8>,
    /// Set once it is restored.
    pub(super) identity: OnceLock<Identity>,
}

/// A regular file to be restored.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) dir: Arc<DirNode>,
    pub(super) name: Vec<u8>,
    /// Where it is written before it takes the place of what stands at `name`.
    pub(super) replaces: Option<Vec<u8>>,
    pub(super) attributes: Attributes,
    pub(super) size: u64,
    pub(super) extents: Option<Vec<(u64, u64)>>,
    /// How many pieces it has; `None`: not known yet, it is written piece by piece.
    pub(super) pieces: Option<usize>,
    /// Pieces that are not written yet; one more as long as more may come.
    pub(super) left: AtomicU64,
    pub(super) link: Option<Arc<LinkSource>>,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    has_failed: AtomicBool,
    made: Mutex<Option<Identity>>,
}

/// Why a piece was not written.
#[derive(Debug)]
pub(super) enum PieceError {
    Read(ReadError),
    Write(io::Error),
    /// The restore is being stopped; nobody needs to be told about this file.
    Stopped,
}

/// Some bytes of a file's data, and where they belong in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'b> {
    /// Offset in the data; in a sparse file the extents one after the other.
    pub(super) offset: u64,
    pub(super) bytes: &'b [u8],
}

/// What an entry says of a file, besides its attributes.
pub(super) struct Shape {
    pub(super) size: u64,
    pub(super) extents: Option<Vec<(u64, u64)>>,
    pub(super) pieces: Option<usize>,
}

impl Target {
    pub(super) fn new(
        dir: Arc<DirNode>,
        name: Vec<u8>,
        replaces: Option<Vec<u8>>,
        attributes: Attributes,
        shape: Shape,
        link: Option<Arc<LinkSource>>,
    ) -> Self {
        let left = AtomicU64::new(shape.pieces.map_or(1, |pieces| pieces as u64));
        let Shape { size, extents, pieces } = shape;
        Self { dir, name, replaces, attributes, size, extents, pieces, left, link, state: State::default() }
    }

    fn work_name(&self) -> &[u8] {
        self.replaces.as_ref().unwrap_or(&self.name)
    }

    /// Makes the file, writes all of it and gives it its attributes, in as few calls as there are.
    pub(super) fn write_whole(&self, runs: &[Run<'_>], dirs: &mut OpenDirs<'_>, site: &Site<'_>) -> io::Result<()> {
        let dir = dirs.open(&self.dir)?;
        let mode = self.attributes.creation_mode(true);
        let file = dir.make_file(self.work_name(), mode)?;
        let written = match &self.extents {
            None => runs.iter().try_for_each(|run| (&file).write_all(run.bytes)),
            Some(extents) => runs
                .iter()
                .try_for_each(|run| write_sparse(&file, extents, *run))
                .and_then(|()| file.set_len(self.size)),
        };
        let done = written.and_then(|()| self.complete(&file, mode, &dir, site));
        if done.is_err() {
            self.take_back(&dir);
        }
        done
    }

    /// Writes some of it; the file is made by whoever comes first.
    pub(super) fn write_part(&self, runs: &[Run<'_>], dirs: &mut OpenDirs<'_>) -> io::Result<File> {
        let file = self.open(dirs)?;
        match &self.extents {
            None => runs.iter().try_for_each(|run| write_all_at(&file, run.bytes, run.offset))?,
            Some(extents) => runs.iter().try_for_each(|run| write_sparse(&file, extents, *run))?,
        }
        Ok(file)
    }

    fn open(&self, dirs: &mut OpenDirs<'_>) -> io::Result<File> {
        let dir = dirs.open(&self.dir)?;
        let mut made = held(&self.state.made);
        if let Some(identity) = *made {
            drop(made);
            return dir.reopen_file(self.work_name(), identity);
        }
        let file = dir.make_file(self.work_name(), self.attributes.creation_mode(false))?;
        *made = Some(identity(&file)?);
        Ok(file)
    }

    /// One more piece may come; balanced by [`Self::settle`].
    pub(super) fn announce(&self, pieces: u64) {
        self.left.fetch_add(pieces, Ordering::Relaxed);
    }

    /// `pieces` were dealt with. Whoever deals with the last one gives the file its attributes, or takes it back.
    pub(super) fn settle(
        &self,
        pieces: u64,
        outcome: Result<Option<File>, PieceError>,
        dirs: &mut OpenDirs<'_>,
        site: &Site<'_>,
    ) {
        let file = outcome.unwrap_or_else(|error| {
            self.fail(error, site);
            None
        });
        if self.left.fetch_sub(pieces, Ordering::AcqRel) != pieces {
            return;
        }
        if let Err(error) = self.end(file, dirs, site) {
            self.fail(PieceError::Write(error), site);
            self.take_back_from(dirs);
        }
    }

    fn end(&self, file: Option<File>, dirs: &mut OpenDirs<'_>, site: &Site<'_>) -> io::Result<()> {
        if self.state.has_failed.load(Ordering::Acquire) {
            self.take_back_from(dirs);
            return Ok(());
        }
        let file = match file {
            Some(file) => file,
            None => self.open(dirs)?,
        };
        if self.extents.is_some() {
            file.set_len(self.size)?;
        }
        let dir = dirs.open(&self.dir)?;
        self.complete(&file, self.attributes.creation_mode(false), &dir, site)
    }

    fn complete(&self, file: &File, mode: u32, dir: &Dir, site: &Site<'_>) -> io::Result<()> {
        let unmet = self.attributes.apply(file, mode, &site.defaults)?;
        if let Some(temporary) = &self.replaces {
            dir.replace(temporary, &self.name)?;
        }
        if let Some(link) = &self.link {
            // Set once only: a file has one end.
            let _ = link.identity.set(identity(file)?);
        }
        site.count(unmet);
        // Totals count a file's holes too.
        let data = self.extents.as_ref().map_or(self.size, |extents| extents.iter().map(|(_, len)| len).sum());
        site.progress.bytes_seen.add(self.size.saturating_sub(data));
        // Only now: what is taken back was not restored.
        site.log.bytes.add(data);
        site.log.files.add(1);
        site.progress.files_seen.add(1);
        site.progress.entries_seen.add(1);
        Ok(())
    }

    /// Notes why the file is not restored, once.
    pub(super) fn fail(&self, error: PieceError, site: &Site<'_>) {
        if self.state.has_failed.swap(true, Ordering::AcqRel) {
            return;
        }
        let path = path_in(&self.dir, &self.name);
        match error {
            PieceError::Read(error) => site.cannot_read(&path, error),
            PieceError::Write(error) => site.cannot_write(&path, &error),
            PieceError::Stopped => {}
        }
    }

    fn take_back_from(&self, dirs: &mut OpenDirs<'_>) {
        if held(&self.state.made).is_some()
            && let Ok(dir) = dirs.open(&self.dir)
        {
            self.take_back(&dir);
        }
    }

    /// A file that is not whole is worse than none. That it cannot be removed is told by the problem it already has.
    fn take_back(&self, dir: &Dir) {
        let _ = dir.remove(self.work_name());
    }
}

/// Writes a run of a sparse file's data to the extents that it belongs to.
fn write_sparse(file: &File, extents: &[(u64, u64)], run: Run<'_>) -> io::Result<()> {
    for (at, bytes) in spread(extents, run) {
        write_all_at(file, bytes, at)?;
    }
    Ok(())
}

/// Cuts a run where the extents of a file do: each piece with its offset in the file.
fn spread<'b>(extents: &[(u64, u64)], run: Run<'b>) -> Vec<(u64, &'b [u8])> {
    let mut pieces = Vec::new();
    let (mut offset, mut bytes) = (run.offset, run.bytes);
    let mut data_before = 0;
    for (at, len) in extents {
        let within = offset.saturating_sub(data_before);
        if within < *len && !bytes.is_empty() {
            let room = usize::try_from(len - within).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            pieces.push((at + within, now));
            offset += now.len() as u64;
            bytes = later;
        }
        data_before += len;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use datis_engine::units::FileTime;

    use super::super::Mode;
    use super::super::site::tests::with_site;
    use super::*;

    #[test]
    fn data_of_a_sparse_file_is_spread_over_its_extents() {
        let extents = [(100, 4), (200, 2), (300, 10)];
        let run = |offset, bytes| spread(&extents, Run { offset, bytes });
        assert_eq!(run(0, b"abcd"), [(100, &b"abcd"[..])]);
        assert_eq!(run(2, b"cdefgh"), [(102, &b"cd"[..]), (200, b"ef"), (300, b"gh")]);
        assert_eq!(run(5, b"f"), [(201, &b"f"[..])]);
        assert_eq!(run(6, b"g"), [(300, &b"g"[..])]);
        assert!(run(0, b"").is_empty());
    }

    #[test]
    fn bytes_of_a_file_that_is_taken_back_are_not_counted() {
        with_site(9, Mode::Empty, |target, site| {
            let mut dirs = OpenDirs::new(site);
            let root = DirNode::new(Vec::new(), None);
            let attributes = Attributes {
                mode: 0o644,
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
                modified: FileTime { seconds: 0, nanoseconds: 0 },
                xattrs: Vec::new(),
            };
            let file = |name: &[u8]| {
                let shape = Shape { size: 8, extents: None, pieces: Some(2) };
                Target::new(root.clone(), name.to_vec(), None, attributes.clone(), shape, None)
            };
            let (kept, stopped) = (file(b"kept"), file(b"stopped"));
            for (file, last) in [(&kept, Ok(None)), (&stopped, Err(PieceError::Stopped))] {
                for offset in [0, 4] {
                    let written = file.write_part(&[Run { offset, bytes: b"abcd" }], &mut dirs).expect("write");
                    if offset == 0 {
                        file.settle(1, Ok(Some(written)), &mut dirs, site);
                    }
                }
                file.settle(1, last, &mut dirs, site);
            }
            assert!(target.join("kept").exists() && !target.join("stopped").exists());
            assert_eq!((site.log.files.get(), site.log.bytes.get()), (1, 8));
        });
    }
}
