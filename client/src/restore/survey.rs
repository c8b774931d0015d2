//! What a restore would do, without doing it.

use std::collections::HashSet;
use std::io;

use datis_engine::format::listing::Node;
use datis_engine::format::path::EntryPath;
use serde::Serialize;

use super::{Below, Mode, RestoreError, RestoreRequest, Selected, refused};
use crate::errors::shown;
use crate::platform::target::{Dir, Standing};
use crate::reader::{ChunkReader, Cursor, ReadError};
use crate::state::State;

/// How many names that are taken are listed.
const TAKEN_SHOWN: usize = 20;

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Survey {
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Links and special files.
    pub others: u64,
    /// Bytes to be written: holes and further names of one file take none.
    pub bytes: u64,
    /// Entries, directories apart, whose name is taken in the target.
    pub taken: u64,
    /// The first of these.
    pub taken_examples: Vec<String>,
    /// Bytes free in the target, or where it would be made.
    pub free_bytes: u64,
    /// Whether there is room for all of it; what would be replaced is not taken into account.
    pub fits: bool,
}

/// Looks at what would be restored, and at the target.
///
/// # Errors
/// [`RestoreError`].
pub fn survey(state: &State, request: &RestoreRequest) -> Result<Survey, RestoreError> {
    let mut reader = ChunkReader::connect(state)?;
    let selected = Selected::find(request, &mut reader)?;
    let root = match Dir::open_root(&request.to) {
        Ok(root) => Some(root),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(refused(&request.to, e)),
    };
    let mut survey = Survey { free_bytes: free_at(request)?, ..Survey::default() };
    if let (Some(root), Mode::Empty) = (&root, request.mode)
        && !root.is_empty().map_err(|e| refused(&request.to, e))?
    {
        return Err(RestoreError::NotEmpty(request.to.clone()));
    }
    let mut view = root.map(View::new);
    go_through(&selected, &mut reader, &mut survey, &mut |path, survey| {
        if view.as_mut().is_some_and(|view| view.is_taken(path)) {
            survey.taken += 1;
            if survey.taken_examples.len() < TAKEN_SHOWN {
                survey.taken_examples.push(shown(path.as_bytes()));
            }
        }
    })?;
    survey.fits = survey.bytes <= survey.free_bytes;
    Ok(survey)
}

/// Room in the target, or in the nearest directory above it that is there.
fn free_at(request: &RestoreRequest) -> Result<u64, RestoreError> {
    let absolute = std::path::absolute(&request.to).map_err(|e| refused(&request.to, e))?;
    let there = absolute.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| std::path::Path::new("/"));
    Dir::open_root(there).and_then(|dir| dir.free_bytes()).map_err(|e| refused(&request.to, e))
}

/// Counts what is selected.
pub(super) fn count(selected: &Selected<'_>, reader: &mut ChunkReader) -> Result<Survey, ReadError> {
    let mut survey = Survey::default();
    go_through(selected, reader, &mut survey, &mut |_, _| ())?;
    Ok(survey)
}

fn go_through(
    selected: &Selected<'_>,
    reader: &mut ChunkReader,
    survey: &mut Survey,
    look: &mut dyn FnMut(&EntryPath, &mut Survey),
) -> Result<(), ReadError> {
    let mut linked = HashSet::new();
    let mut cursor = Cursor::new(&selected.request.snapshot.record.listing);
    if let Some((path, _)) = &selected.entry {
        cursor.skip_to(reader, path)?;
    }
    loop {
        let (path, entry) = match cursor.next(reader) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            // The restore itself will tell what cannot be read.
            Err(error) if error.is_local() => continue,
            Err(error) => return Err(error),
        };
        let path = match selected.below_target(&path) {
            Below::Outside => return Ok(()),
            Below::Target => continue,
            Below::Path(path) => path,
        };
        let is_first = entry.hard_link.is_none_or(|group| linked.insert(group));
        match &entry.node {
            Node::Directory => survey.directories += 1,
            Node::File { content, .. } => {
                survey.files += 1;
                survey.bytes = survey.bytes.saturating_add(if is_first { content.len() } else { 0 });
            }
            Node::Symlink { .. } | Node::BlockDevice { .. } | Node::CharDevice { .. } | Node::Fifo | Node::Socket => {
                survey.others += 1;
            }
        }
        if !matches!(entry.node, Node::Directory) {
            look(&path, survey);
        }
    }
}

/// The target, one directory of it open.
struct View {
    root: Dir,
    open: Option<(Option<EntryPath>, Option<Dir>)>,
}

impl View {
    const fn new(root: Dir) -> Self {
        Self { root, open: None }
    }

    /// Whether something stands at `path`. What cannot be looked at is met again by the restore itself.
    fn is_taken(&mut self, path: &EntryPath) -> bool {
        let parent = path.parent();
        if self.open.as_ref().is_none_or(|(open, _)| *open != parent) {
            let dir = self.root.open_below(parent.as_ref().map_or(b"", |p| p.as_bytes())).ok();
            self.open = Some((parent, dir));
        }
        let dir = self.open.as_ref().and_then(|(_, dir)| dir.as_ref());
        dir.is_some_and(|dir| dir.standing(path.name()).is_ok_and(|standing| standing != Standing::Nothing))
    }
}
