//! Restores a snapshot, or a part of it, into a directory: every byte checked against its name before it is written.
//!
//! ```text
//! planner: listing → directories, windows of files ─► queue of segments ─► threads: fetch, decode, check, write
//!                    ◄─ window written: links, special files, attributes of directories
//! ```
//! Whoever else may write into the target cannot make this write elsewhere: see `platform::target`. A file that cannot be
//! read or written is told as a problem, and everything else is restored all the same.

mod back;
mod planner;
mod site;
mod survey;
mod target;
mod window;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Instant;

use datis_engine::format::listing::{Entry, Node};
use datis_engine::format::path::{EntryPath, NAME_MAX};
use datis_engine::keys::ChunkKeys;
use indicatif::BinaryBytes;
use serde::Serialize;

use self::planner::{Own, Planner};
use self::site::{Log, Site};
use self::writer::Queue;
use crate::exit::Exit;
use crate::link::LinkError;
use crate::platform::attributes::{Attributes, Defaults, passes_on};
use crate::platform::target::{Dir, NoMask, room_for_open_files};
use crate::progress::{Phase, Progress};
use crate::reader::{ChunkReader, Cursor, ReadError};
use crate::snapshots::Snapshot;
use crate::state::State;

pub use site::{Problem, Warnings};
pub use survey::{Survey, survey};

/// Mode of directories until their own attributes are set.
const FRESH_DIR_MODE: u32 = 0o700;

/// Threads beyond one a processor: while some wait for the box, the others decode and write.
const THREADS_MORE: usize = 2;
const THREADS_MAX: usize = 16;

/// Of the files that this process may have open, one in so many is a directory of the target: connections need some too.
const OPEN_SHARE: usize = 4;

/// The most directories of the target that are kept open.
const OPENED_MAX: usize = 4_096;

/// What is done about names that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The target must be empty or absent.
    Empty,
    /// What is there stays; what is restored gets a name with a date.
    Beside,
    /// What is there is replaced, file by file, at once.
    Overwrite,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        match raw {
            "empty" => Ok(Self::Empty),
            "beside" => Ok(Self::Beside),
            "overwrite" => Ok(Self::Overwrite),
            _ => Err("use one of empty, beside, overwrite".to_owned()),
        }
    }
}

/// Where in the target directory something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Right into it; it is made if it is not there, and links on the way to it are followed.
    Inside,
    /// Where it was, seen from the target directory as the root of all paths. No link is followed, not even on the way: who
    /// may write there cannot lead it elsewhere. What gets another name gets the snapshot's date.
    WhereItWas,
}

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// From which snapshot.
    pub snapshot: Snapshot,
    /// What of it; `None`: everything, each entry below the target with its full path.
    pub path: Option<EntryPath>,
    /// The target directory.
    pub to: PathBuf,
    /// Where in it.
    pub place: Place,
    /// What is done about names that are taken.
    pub mode: Mode,
    /// Whether to wait until the target's disk has all of it.
    pub sync: bool,
}

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreSummary {
    /// The snapshot.
    pub snapshot: String,
    /// Regular files restored.
    pub files: u64,
    /// Other entries restored: directories, links, special files.
    pub others: u64,
    /// Bytes written, all of them checked against their names.
    pub bytes: u64,
    /// Entries not restored.
    pub problem_count: u64,
    /// The first ten thousand of them.
    pub problems: Vec<Problem>,
    /// What could not be set.
    pub warnings: Warnings,
    /// How long it took.
    pub seconds: f64,
}

impl RestoreSummary {
    /// How the program ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        if self.problem_count > 0 { Exit::Incomplete } else { Exit::Complete }
    }
}

/// Why nothing more was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The box, or the way to it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something is there.
    #[error("{0} is not empty; name another directory, or say --mode beside or --mode overwrite")]
    NotEmpty(PathBuf),
    /// The folder that something was in is gone, or a link stands there now.
    #[error("the folder that {path} was in is not there any more; put the folder itself back, or restore elsewhere")]
    FolderGone {
        /// What was to be put back.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Something else has the place of a directory.
    #[error("something that is no directory stands at {path}; move it away first")]
    InTheWay {
        /// What was to be put back.
        path: String,
    },
    /// The target cannot be made or opened.
    #[error("{path} cannot be restored into")]
    Target {
        /// The target.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Not enough room, as known before anything is written.
    #[error("{path} has room for {}, but {} are needed; make room or restore elsewhere", BinaryBytes(*free), BinaryBytes(*needed))]
    NoRoom {
        /// The target.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes of all files.
        needed: u64,
    },
    /// Not enough room after all.
    #[error(
        "the target takes nothing more ({reason}); what was restored so far is whole and stays, so make room and restore again with --mode overwrite"
    )]
    TargetFull {
        /// What the system says.
        reason: String,
    },
    /// Everything was written, but the disk did not keep it.
    #[error("the disk of {path} did not keep what was written; replace it and restore elsewhere")]
    NotKept {
        /// The target.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted; the files restored so far are whole")]
    Interrupted,
}

impl From<LinkError> for RestoreError {
    fn from(error: LinkError) -> Self {
        Self::Read(error.into())
    }
}

impl RestoreError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Read(error) => error.exit(),
            Self::Interrupted => Exit::Interrupted,
            Self::NotEmpty(_)
            | Self::FolderGone { .. }
            | Self::InTheWay { .. }
            | Self::Target { .. }
            | Self::NoRoom { .. }
            | Self::TargetFull { .. }
            | Self::NotKept { .. } => Exit::Failed,
        }
    }
}

/// Restores. Returns with a list of problems when some entries could not be restored.
///
/// # Errors
/// [`RestoreError`] when it could not go on; files that are there by then are whole.
pub fn run(state: &State, request: &RestoreRequest, progress: &Progress) -> Result<RestoreSummary, RestoreError> {
    let (done, stopped) = as_far_as_it_goes(state, request, progress)?;
    stopped.map_or(Ok(done), Err)
}

/// The same, and what was restored is told also when it could not go on: then with the reason.
///
/// # Errors
/// [`RestoreError`] when nothing was written.
pub fn as_far_as_it_goes(
    state: &State,
    request: &RestoreRequest,
    progress: &Progress,
) -> Result<(RestoreSummary, Option<RestoreError>), RestoreError> {
    let clock = Instant::now();
    let mut reader = ChunkReader::connect(state)?;
    progress.enter(Phase::Scan);
    let selected = Selected::find(request, &mut reader)?;
    let Opened { root, at, mode, suffix } = match request.place {
        Place::Inside => {
            let root = open_target(request)?;
            Opened { root, at: request.to.clone(), mode: request.mode, suffix: suffix_now() }
        }
        Place::WhereItWas => back::open(request, &selected)?,
    };
    check_room(&selected, &root, &at, &mut reader)?;
    if request.path.is_none() {
        progress.entries_total.set(request.snapshot.record.totals.entries);
        progress.bytes_total.set(request.snapshot.record.totals.bytes);
    }

    let _mask = NoMask::new();
    let are_plain = mode == Mode::Empty && is_plain(&root).map_err(|source| refused(&at, source))?;
    let site = Site {
        root,
        mode,
        suffix,
        defaults: Defaults::of_process(are_plain),
        keys: ChunkKeys::derive(&state.secret),
        progress,
        log: Log::default(),
        opened: Mutex::default(),
        opened_max: (room_for_open_files() / OPEN_SHARE).min(OPENED_MAX),
    };
    let stopped = write(state, &site, &selected, &at, &mut reader).err();
    Ok((site.summary(request, clock.elapsed()), stopped))
}

fn write(
    state: &State,
    site: &Site<'_>,
    selected: &Selected<'_>,
    at: &Path,
    reader: &mut ChunkReader,
) -> Result<(), RestoreError> {
    site.progress.enter(Phase::Restore);
    restore(state, site, selected, reader)?;
    if let Some(error) = site.take_fatal() {
        return Err(error);
    }
    if site.progress.is_interrupted() {
        return Err(RestoreError::Interrupted);
    }
    if selected.request.sync {
        site.progress.enter(Phase::Finish);
        let not_kept = |source| RestoreError::NotKept { path: at.to_owned(), source };
        site.root.sync_file_system().map_err(not_kept)?;
    }
    Ok(())
}

fn restore(
    state: &State,
    site: &Site<'_>,
    selected: &Selected<'_>,
    reader: &mut ChunkReader,
) -> Result<(), RestoreError> {
    let link = state.link()?;
    let queue = Queue::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from) + THREADS_MORE;
    std::thread::scope(|scope| {
        for _ in 0..threads.min(THREADS_MAX) {
            scope.spawn(|| writer::work(site, &queue, &link));
        }
        let mut planner = Planner::new(site, &queue, selected.own(site.mode));
        let added = selected.each(reader, &mut |path, entry, reader| planner.add(path, entry, reader), site);
        let done = added.and_then(|()| planner.finish(reader));
        if done.is_err() {
            site.stop(RestoreError::Interrupted);
            planner.abort();
        }
        queue.close();
        done
    })
}

/// A target, ready to be written into.
struct Opened {
    root: Dir,
    /// What people are told that it is: the directory they named, or where the selected entry was.
    at: PathBuf,
    mode: Mode,
    /// Of names that are taken.
    suffix: String,
}

/// What of a snapshot is restored.
struct Selected<'r> {
    request: &'r RestoreRequest,
    /// The entry of the path that was named.
    entry: Option<(EntryPath, Entry)>,
}

impl<'r> Selected<'r> {
    fn find(request: &'r RestoreRequest, reader: &mut ChunkReader) -> Result<Self, ReadError> {
        let entry = match &request.path {
            None => None,
            Some(path) => Some((path.clone(), Cursor::find(&request.snapshot.record.listing, path, reader)?)),
        };
        Ok(Self { request, entry })
    }

    /// What the target itself gets: the attributes of the directory whose content goes right into it. One that is there
    /// gets them only where it was named to be put back, as the directories in it do.
    fn own(&self, mode: Mode) -> Option<Own> {
        let (_, entry) = self.entry.as_ref()?;
        let was_named = match (self.request.place, mode) {
            (_, Mode::Empty) | (Place::WhereItWas, Mode::Overwrite) => true,
            (Place::Inside, Mode::Overwrite) | (_, Mode::Beside) => false,
        };
        let is_whole = was_named && matches!(entry.node, Node::Directory);
        let is_fresh = mode == Mode::Empty && self.request.place == Place::WhereItWas;
        is_whole.then(|| Own { attributes: attributes_of(&mut entry.clone()), is_fresh })
    }

    /// Gives every selected entry with its path below the target. Parts that cannot be read become problems.
    fn each(
        &self,
        reader: &mut ChunkReader,
        give: &mut dyn FnMut(&EntryPath, Entry, &mut ChunkReader) -> Result<(), RestoreError>,
        site: &Site<'_>,
    ) -> Result<(), RestoreError> {
        let mut cursor = Cursor::new(&self.request.snapshot.record.listing);
        if let Some((path, _)) = &self.entry {
            cursor.skip_to(reader, path)?;
        }
        loop {
            if site.is_stopping() {
                return Err(site.take_fatal().unwrap_or(RestoreError::Interrupted));
            }
            match cursor.next(reader) {
                Ok(None) => return Ok(()),
                Ok(Some((path, entry))) => match self.below_target(&path) {
                    Below::Outside => return Ok(()),
                    Below::Target => {}
                    Below::Path(path) => give(&path, entry, reader)?,
                },
                Err(error) if error.is_local() => {
                    // Only of the root it is not said how many entries it stands for: all of them.
                    let all = self.request.snapshot.record.totals.entries;
                    let entries = if let ReadError::Listing { entries, .. } = &error { *entries } else { all };
                    site.problem(b"", error.chain(), entries);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn below_target(&self, path: &EntryPath) -> Below {
        match &self.entry {
            None => Below::Path(path.clone()),
            Some((base, _)) if !path.is_within(base) => Below::Outside,
            Some((base, entry)) => match (path.below(base), &entry.node) {
                (Some(rest), _) => Below::Path(rest),
                (None, Node::Directory) => Below::Target,
                (None, _) => EntryPath::parse(path.name().to_vec()).map_or(Below::Outside, Below::Path),
            },
        }
    }
}

/// Takes the attributes out of an entry.
fn attributes_of(entry: &mut Entry) -> Attributes {
    let xattrs = std::mem::take(&mut entry.xattrs);
    Attributes { mode: entry.mode, uid: entry.uid, gid: entry.gid, modified: entry.modified, xattrs }
}

/// Where an entry goes.
enum Below {
    Path(EntryPath),
    /// It is the target itself.
    Target,
    /// It is not restored, nor is anything after it.
    Outside,
}

fn refused(path: &Path, source: io::Error) -> RestoreError {
    RestoreError::Target { path: path.to_owned(), source }
}

fn open_target(request: &RestoreRequest) -> Result<Dir, RestoreError> {
    let failed = |e| refused(&request.to, e);
    std::fs::create_dir_all(&request.to).map_err(failed)?;
    let root = Dir::open_root(&request.to).map_err(failed)?;
    let is_free = request.mode != Mode::Empty || root.is_empty().map_err(failed)?;
    if is_free { Ok(root) } else { Err(RestoreError::NotEmpty(request.to.clone())) }
}

/// Looks at the room only when the rough sum says that it may be too little: holes and second names take none. What is
/// replaced makes room while it goes on, so that nothing can be said before.
fn check_room(selected: &Selected<'_>, root: &Dir, at: &Path, reader: &mut ChunkReader) -> Result<(), RestoreError> {
    let request = selected.request;
    let free = root.free_bytes().map_err(|e| refused(at, e))?;
    if request.mode == Mode::Overwrite || request.snapshot.record.totals.bytes <= free {
        return Ok(());
    }
    let needed = survey::count(selected, reader)?.bytes;
    if needed <= free { Ok(()) } else { Err(RestoreError::NoRoom { path: at.to_owned(), free, needed }) }
}

/// Whether fresh entries of the target get this process' own owner and group, and nothing else.
fn is_plain(root: &Dir) -> io::Result<bool> {
    const PROBE: &[u8] = b".datis-restore-probe";
    if passes_on(root)? {
        return Ok(false);
    }
    let own = Defaults::of_process(true);
    let (_, fresh) = root.make_dir(PROBE)?;
    root.remove_dir(PROBE)?;
    Ok((fresh.uid, fresh.gid) == (own.uid, own.gid))
}

fn suffix_now() -> String {
    jiff::Zoned::now().strftime(" (restored %Y-%m-%d %H%M%S)").to_string()
}

/// `name` with `suffix`, cut where it would be too long for a name; never within a UTF-8 character.
fn beside(name: &[u8], suffix: &str) -> Vec<u8> {
    let mut end = name.len().min(NAME_MAX - suffix.len());
    while end > 0 && end < name.len() && name[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    [&name[..end], suffix.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use datis_engine::units::FileTime;

    use super::*;

    #[test]
    fn names_beside_others_are_never_too_long_nor_cut_within_a_character() {
        let suffix = suffix_now();
        assert_eq!(beside(b"a.txt", " (x)"), b"a.txt (x)");
        for name in ["é".repeat(127), "a".repeat(255)] {
            let beside = String::from_utf8(beside(name.as_bytes(), &suffix)).expect("UTF-8");
            assert!(beside.len() <= NAME_MAX && beside.ends_with(&suffix), "{beside}");
        }
    }

    #[test]
    fn a_folder_that_is_there_gets_its_attributes_back_where_it_was_named_and_is_replaced() {
        let own = |place, mode, node| {
            let request = RestoreRequest { place, ..back::tests::request("/home/claire/docs") };
            let modified = FileTime { seconds: 0, nanoseconds: 0 };
            let entry = Entry { mode: 0o755, uid: 7, gid: 7, modified, xattrs: Vec::new(), hard_link: None, node };
            let entry = request.path.clone().map(|path| (path, entry));
            Selected { request: &request, entry }.own(mode).map(|own| (own.attributes.uid, own.is_fresh))
        };
        let of_dir = |place, mode| own(place, mode, Node::Directory);
        assert_eq!(of_dir(Place::WhereItWas, Mode::Overwrite), Some((7, false)));
        assert_eq!(of_dir(Place::WhereItWas, Mode::Empty), Some((7, true)));
        assert_eq!(of_dir(Place::Inside, Mode::Empty), Some((7, false)), "it is of whoever named it until the end");
        assert_eq!(of_dir(Place::Inside, Mode::Overwrite), None);
        assert_eq!(of_dir(Place::WhereItWas, Mode::Beside), None);
        assert_eq!(own(Place::WhereItWas, Mode::Overwrite, Node::Fifo), None);
    }
}
