//! Goes through the listing: makes directories, collects files into windows, and finishes each window when it is written.
//!
//! A window's end is the moment for everything that must not come before the files: further names of one inode, links,
//! special files, and the attributes of directories that nothing more comes into.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};

use datis_engine::format::listing::{Entry, HardLink, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::ChunkId;
use indicatif::BinaryBytes;

use super::site::{DirNode, OpenDirs, Site, path_in};
use super::target::{LinkSource, PieceError, Shape, Target};
use super::window::{Outstanding, Piece, Window};
use super::writer::Queue;
use super::{Mode, RestoreError, attributes_of};
use crate::platform::attributes::{Attributes, Defaults, Unmet};
use crate::platform::target::{Dir, Obstacle, Special, Standing, identity};
use crate::reader::{ChunkReader, ContentCursor, Places, ReadError};

/// The first window is small, so that the threads have something to do at once; later ones grow to this many pieces.
const PIECES_FIRST: usize = 2_000;
const PIECES_MAX: usize = 32_000;

/// The most entries of other sorts in one window.
const OTHERS_MAX: usize = 16_000;

/// Names of temporary files in directories that hold other things.
const TEMPORARY: &str = ".datis-restore-";

/// A directory that the walk is in.
struct OpenBranch {
    /// Its path in the listing.
    path: EntryPath,
    /// `None`: it could not be made, and nothing below it is restored.
    node: Option<Arc<DirNode>>,
    attributes: Option<Attributes>,
    skipped: u64,
}

/// Something to be made when its window is written.
enum Later {
    Link {
        dir: Arc<DirNode>,
        name: Vec<u8>,
        replaces: bool,
        source: Arc<LinkSource>,
        size: u64,
    },
    Other {
        dir: Arc<DirNode>,
        name: Vec<u8>,
        replaces: bool,
        entry: Entry,
        link: Option<Arc<LinkSource>>,
    },
    /// `is_fresh`: this restore has made it.
    Leave {
        node: Arc<DirNode>,
        attributes: Attributes,
        is_fresh: bool,
    },
}

/// A window that the threads are at work on.
struct Running {
    outstanding: Arc<Outstanding>,
    later: Vec<Later>,
}

/// What the target itself is to have.
pub(super) struct Own {
    pub(super) attributes: Attributes,
    /// Whether it was made for this restore.
    pub(super) is_fresh: bool,
}

/// Makes everything below the target's root.
pub(super) struct Planner<'r> {
    site: &'r Site<'r>,
    queue: &'r Queue,
    dirs: OpenDirs<'r>,
    root: Arc<DirNode>,
    own: Option<Own>,
    branches: Vec<OpenBranch>,
    links: HashMap<HardLink, Arc<LinkSource>>,
    places: Places,
    window: Window,
    later: Vec<Later>,
    pieces_max: usize,
    running: Option<Running>,
    temporaries: u64,
}

impl<'r> Planner<'r> {
    pub(super) fn new(site: &'r Site<'r>, queue: &'r Queue, own: Option<Own>) -> Self {
        let root = DirNode::new(Vec::new(), None);
        Self {
            site,
            queue,
            dirs: OpenDirs::new(site),
            root,
            own,
            branches: Vec::new(),
            links: HashMap::new(),
            places: Places::default(),
            window: Window::default(),
            later: Vec::new(),
            pieces_max: PIECES_FIRST,
            running: None,
            temporaries: 0,
        }
    }

    /// Takes the next entry of the listing; `path` is the one below the target.
    pub(super) fn add(
        &mut self,
        path: &EntryPath,
        mut entry: Entry,
        reader: &mut ChunkReader,
    ) -> Result<(), RestoreError> {
        self.leave_branches(path);
        let Some(parent) = self.parent_of(path) else { return Ok(()) };
        if let Node::Directory = entry.node {
            self.enter(path, &parent, attributes_of(&mut entry));
        } else if let Err(error) = self.add_to(&parent, path.name().to_vec(), entry, reader)? {
            self.site.cannot_write(&path_in(&parent, path.name()), &error);
        }
        if self.window.pieces.len() >= self.pieces_max || self.window_entries() >= OTHERS_MAX {
            self.dispatch(reader)?;
        }
        Ok(())
    }

    /// Ends the restore: everything that was taken is there, or is told as a problem.
    pub(super) fn finish(&mut self, reader: &mut ChunkReader) -> Result<(), RestoreError> {
        self.leave_all();
        self.dispatch(reader)?;
        self.complete_running();
        Ok(())
    }

    /// Gives up what was not handed to the threads yet, after an error: files that have begun are taken back. The threads
    /// must be stopping.
    pub(super) fn abort(&mut self) {
        let Window { files, pieces, .. } = std::mem::take(&mut self.window);
        for piece in pieces {
            files[piece.file as usize].settle(1, Err(PieceError::Stopped), &mut self.dirs, self.site);
        }
        self.complete_running();
        self.leave_all();
        let later = std::mem::take(&mut self.later);
        self.complete_all(later);
    }

    fn window_entries(&self) -> usize {
        self.window.files.len() + self.window.empty.len() + self.later.len()
    }

    /// Leaves the directories that `path` is not in.
    fn leave_branches(&mut self, path: &EntryPath) {
        while self.branches.last().is_some_and(|branch| !path.is_within(&branch.path)) {
            if let Some(branch) = self.branches.pop() {
                self.leave(branch);
            }
        }
    }

    /// Leaves all directories, the target itself last.
    fn leave_all(&mut self) {
        while let Some(branch) = self.branches.pop() {
            self.leave(branch);
        }
        if let Some(Own { attributes, is_fresh }) = self.own.take() {
            self.later.push(Later::Leave { node: self.root.clone(), attributes, is_fresh });
        }
    }

    fn leave(&mut self, branch: OpenBranch) {
        match (branch.node, branch.attributes) {
            (Some(node), Some(attributes)) => {
                let is_fresh = node.identity.is_some();
                self.later.push(Later::Leave { node, attributes, is_fresh });
            }
            (Some(_), None) => {}
            (None, _) => {
                if branch.skipped > 0 {
                    let reason = format!("{} entries below it are not restored either", branch.skipped);
                    self.site.problem(branch.path.as_bytes(), reason, branch.skipped);
                }
            }
        }
    }

    /// The directory that `path` goes into; `None` when it could not be made.
    fn parent_of(&mut self, path: &EntryPath) -> Option<Arc<DirNode>> {
        let parent = path.parent();
        let top = self.branches.last();
        if top.map(|branch| &branch.path) == parent.as_ref() {
            return match self.branches.last_mut() {
                None => Some(self.root.clone()),
                Some(branch) => {
                    branch.skipped += u64::from(branch.node.is_none());
                    branch.node.clone()
                }
            };
        }
        // The part of the listing with the directory itself could not be read: it is made for its owner alone.
        let parent = parent?;
        let above = self.parent_of(&parent)?;
        self.enter_with(&parent, &above, None);
        self.branches.last().and_then(|branch| branch.node.clone())
    }

    fn enter(&mut self, path: &EntryPath, parent: &Arc<DirNode>, attributes: Attributes) {
        self.enter_with(path, parent, Some(attributes));
    }

    fn enter_with(&mut self, path: &EntryPath, parent: &Arc<DirNode>, attributes: Option<Attributes>) {
        let node = match self.make_dir(parent, path.name()) {
            Ok(node) => Some(node),
            Err(error) => {
                self.site.cannot_write(&path_in(parent, path.name()), &error);
                None
            }
        };
        self.site.progress.entries_seen.add(1);
        self.site.log.others.add(u64::from(node.is_some()));
        // Beside other things, a directory that was there stays as it was.
        let stays = self.site.mode == Mode::Beside && node.as_ref().is_some_and(|node| node.identity.is_none());
        let attributes = attributes.filter(|_| !stays);
        self.branches.push(OpenBranch { path: path.clone(), node, attributes, skipped: 0 });
    }

    fn make_dir(&mut self, parent: &Arc<DirNode>, name: &[u8]) -> io::Result<Arc<DirNode>> {
        let above = self.dirs.open(parent)?;
        let mut name = name.to_vec();
        let standing = if self.site.mode == Mode::Empty { Standing::Nothing } else { above.standing(&name)? };
        match (standing, self.site.mode) {
            (Standing::Directory, _) => {
                return Ok(DirNode::new(path_in(parent, &name), None));
            }
            (Standing::Other, Mode::Overwrite) => above.remove(&name)?,
            (Standing::Other, Mode::Beside | Mode::Empty) => name = self.beside(&name),
            (Standing::Nothing, _) => {}
        }
        let (dir, fresh) = above.make_dir(&name)?;
        let node = DirNode::new(path_in(parent, &name), Some(fresh.identity));
        self.dirs.keep(&node, dir);
        Ok(node)
    }

    /// Takes an entry that is no directory. The inner error is about this entry alone.
    fn add_to(
        &mut self,
        parent: &Arc<DirNode>,
        name: Vec<u8>,
        entry: Entry,
        reader: &mut ChunkReader,
    ) -> Result<io::Result<()>, RestoreError> {
        let (name, replaces) = match self.free_name(parent, name) {
            Ok(free) => free,
            Err(error) => return Ok(Err(error)),
        };
        let mut link = None;
        if let Some(group) = entry.hard_link {
            if let Some(source) = self.links.get(&group) {
                let (size, source) = (entry.size(), source.clone());
                self.later.push(Later::Link { dir: parent.clone(), name, replaces, source, size });
                return Ok(Ok(()));
            }
            let source = Arc::new(LinkSource { dir: parent.clone(), name: name.clone(), identity: OnceLock::new() });
            self.links.insert(group, source.clone());
            link = Some(source);
        }
        if matches!(entry.node, Node::File { .. }) {
            self.add_file(parent, name, replaces, entry, link, reader)?;
        } else {
            self.later.push(Later::Other { dir: parent.clone(), name, replaces, entry, link });
        }
        Ok(Ok(()))
    }

    /// The name that is free, or is to be replaced, in the present mode.
    fn free_name(&mut self, parent: &Arc<DirNode>, name: Vec<u8>) -> io::Result<(Vec<u8>, bool)> {
        if self.site.mode == Mode::Empty {
            return Ok((name, false));
        }
        match (self.dirs.open(parent)?.standing(&name)?, self.site.mode) {
            (Standing::Nothing, _) => Ok((name, false)),
            (Standing::Directory, Mode::Overwrite) => Err(Obstacle::Directory.into()),
            (Standing::Other, Mode::Overwrite) => Ok((name, true)),
            (Standing::Directory | Standing::Other, Mode::Beside | Mode::Empty) => Ok((self.beside(&name), false)),
        }
    }

    fn beside(&self, name: &[u8]) -> Vec<u8> {
        super::beside(name, &self.site.suffix)
    }

    fn temporary(&mut self) -> Vec<u8> {
        self.temporaries += 1;
        format!("{TEMPORARY}{}-{}", std::process::id(), self.temporaries).into_bytes()
    }

    fn add_file(
        &mut self,
        parent: &Arc<DirNode>,
        name: Vec<u8>,
        replaces: bool,
        mut entry: Entry,
        link: Option<Arc<LinkSource>>,
        reader: &mut ChunkReader,
    ) -> Result<(), RestoreError> {
        let attributes = attributes_of(&mut entry);
        let Node::File { size, extents, content } = entry.node else { return Ok(()) };
        let temporary = replaces.then(|| self.temporary());
        let pieces = (content.level == 0).then_some(content.refs.len());
        let shape = Shape { size, extents, pieces };
        let file = Arc::new(Target::new(parent.clone(), name, temporary, attributes, shape, link));
        if content.is_empty() {
            self.window.empty.push(file);
            return Ok(());
        }
        if pieces.is_none() {
            self.check_room(content.len())?;
            return self.add_long_file(&file, ContentCursor::new(&content), reader);
        }
        let mut offset = 0;
        let index = self.add_target(&file);
        for r in &content.refs {
            self.window.pieces.push(Piece::new(index, *r, offset));
            offset += r.len;
        }
        Ok(())
    }

    /// Looks for room before a long file is begun: the totals that were looked at before may not be true, and a few chunks
    /// that are referred to again and again make a file of any length.
    fn check_room(&self, len: u64) -> Result<(), RestoreError> {
        let free = self.site.root.free_bytes().map_err(|e| RestoreError::TargetFull { reason: e.to_string() })?;
        if len <= free {
            return Ok(());
        }
        Err(RestoreError::TargetFull {
            reason: format!("{} free, {} are needed for the next file", BinaryBytes(free), BinaryBytes(len)),
        })
    }

    /// A file with a tree of chunks may go on over several windows.
    fn add_long_file(
        &mut self,
        file: &Arc<Target>,
        mut cursor: ContentCursor,
        reader: &mut ChunkReader,
    ) -> Result<(), RestoreError> {
        let mut index = self.add_target(file);
        loop {
            match cursor.next(reader) {
                Ok(Some((offset, r))) => {
                    file.announce(1);
                    self.window.pieces.push(Piece::new(index, r, offset));
                }
                Ok(None) => break,
                Err(error) if error.is_local() => {
                    file.fail(PieceError::Read(error), self.site);
                    break;
                }
                Err(error) => {
                    file.settle(1, Err(PieceError::Stopped), &mut self.dirs, self.site);
                    return Err(error.into());
                }
            }
            if self.window.pieces.len() >= self.pieces_max {
                if let Err(error) = self.dispatch(reader) {
                    file.settle(1, Err(PieceError::Stopped), &mut self.dirs, self.site);
                    return Err(error);
                }
                index = self.add_target(file);
            }
        }
        // No more pieces will come; if all are written already, this ends the file.
        file.settle(1, Ok(None), &mut self.dirs, self.site);
        Ok(())
    }

    fn add_target(&mut self, file: &Arc<Target>) -> u32 {
        self.window.files.push(file.clone());
        u32::try_from(self.window.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// Hands the window to the threads, then finishes the one before it.
    fn dispatch(&mut self, reader: &mut ChunkReader) -> Result<(), RestoreError> {
        if self.site.is_stopping() {
            return Err(self.site.take_fatal().unwrap_or(RestoreError::Interrupted));
        }
        let window = std::mem::take(&mut self.window);
        let later = std::mem::take(&mut self.later);
        let ids: Vec<ChunkId> = window.pieces.iter().map(|piece| piece.id).collect();
        let found = match self.places.locate(reader.connection(), &ids) {
            Ok(found) => found,
            Err(error) => {
                (self.window, self.later) = (window, later);
                return Err(RestoreError::Read(error.into()));
            }
        };
        drop(ids);
        let outstanding = Arc::new(Outstanding::default());
        let (site, dirs) = (self.site, &mut self.dirs);
        let jobs = window.into_jobs(&found, &self.places, &outstanding, &mut |file, id| {
            file.settle(1, Err(PieceError::Read(ReadError::Missing { id })), dirs, site);
        });
        outstanding.add(jobs.len());
        self.queue.add(jobs);
        self.pieces_max = (self.pieces_max * 4).min(PIECES_MAX);
        self.complete_running();
        self.running = Some(Running { outstanding, later });
        Ok(())
    }

    fn complete_running(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.outstanding.wait();
        self.complete_all(running.later);
    }

    fn complete_all(&mut self, later: Vec<Later>) {
        for later in later {
            if self.site.is_stopping() {
                self.leave_stopped(later);
            } else {
                self.complete(later);
            }
        }
    }

    /// Nothing more is made when it stops. The directories that are there by then get their attributes all the same: those
    /// they were made with let nobody in but this process' user. One that was there before stays as it is.
    fn leave_stopped(&mut self, later: Later) {
        let Later::Leave { node, mut attributes, is_fresh: true } = later else { return };
        if !self.site.defaults.is_root {
            // Whoever restores again, as the message says, has to be able to write there.
            attributes.mode |= super::FRESH_DIR_MODE;
        }
        self.complete(Later::Leave { node, attributes, is_fresh: true });
    }

    fn complete(&mut self, later: Later) {
        match later {
            Later::Link { dir, name, replaces, source, size } => {
                let done = self.make_link(&dir, &name, replaces, &source);
                self.site.progress.bytes_seen.add(size);
                self.made(&dir, &name, done);
            }
            Later::Other { dir, name, replaces, entry, link } => {
                let done = self.make_other(&dir, &name, replaces, &entry, link.as_deref());
                self.made(&dir, &name, done);
            }
            Later::Leave { node, attributes, .. } => {
                let applied = self.set_attributes(&node, &attributes);
                match applied {
                    Ok(unmet) => self.site.count(unmet),
                    Err(error) => self.site.cannot_set_attributes(&node.path, &error),
                }
                node.close();
            }
        }
    }

    /// One that was there before has owner and mode of its own, so that nothing is taken for granted.
    fn set_attributes(&mut self, node: &Arc<DirNode>, attributes: &Attributes) -> io::Result<Unmet> {
        let was_there = node.identity.is_none();
        let defaults = Defaults { are_plain: self.site.defaults.are_plain && !was_there, ..self.site.defaults };
        attributes.apply(&*self.dirs.open(node)?, super::FRESH_DIR_MODE, &defaults)
    }

    fn made(&self, dir: &DirNode, name: &[u8], done: io::Result<()>) {
        match done {
            Ok(()) => {
                self.site.log.others.add(1);
                self.site.progress.entries_seen.add(1);
            }
            Err(error) => self.site.cannot_write(&path_in(dir, name), &error),
        }
    }

    fn make_link(&mut self, dir: &Arc<DirNode>, name: &[u8], replaces: bool, source: &LinkSource) -> io::Result<()> {
        let Some(identity) = source.identity.get() else {
            let first = crate::errors::shown(&path_in(&source.dir, &source.name));
            return Err(io::Error::other(format!("its other name {first} could not be restored")));
        };
        let (to, from) = (self.dirs.open(dir)?, self.dirs.open(&source.dir)?);
        self.put(&to, name, replaces, &mut |temporary| to.make_link(temporary, &from, &source.name, *identity))
    }

    fn make_other(
        &mut self,
        dir: &Arc<DirNode>,
        name: &[u8],
        replaces: bool,
        entry: &Entry,
        link: Option<&LinkSource>,
    ) -> io::Result<()> {
        let special = match &entry.node {
            Node::BlockDevice { major, minor } => Some(Special::Block(*major, *minor)),
            Node::CharDevice { major, minor } => Some(Special::Char(*major, *minor)),
            Node::Fifo => Some(Special::Fifo),
            Node::Socket => Some(Special::Socket),
            Node::Symlink { .. } | Node::Directory | Node::File { .. } => None,
        };
        if matches!(special, Some(Special::Block(..) | Special::Char(..))) && !self.site.defaults.is_root {
            self.site.log.devices.add(1);
            return Ok(());
        }
        let site = self.site;
        let into = self.dirs.open(dir)?;
        let attributes = attributes_of(&mut entry.clone());
        self.put(&into, name, replaces, &mut |name| {
            let made = match (&entry.node, special) {
                (Node::Symlink { target }, _) => into.make_symlink(name, target)?,
                (_, Some(special)) => into.make_special(name, special)?,
                (_, None) => return Ok(()),
            };
            let is_symlink = matches!(entry.node, Node::Symlink { .. });
            site.count(attributes.apply_to_special(&made, is_symlink, &site.defaults)?);
            if let Some(link) = link {
                // Set once only: an entry is made once.
                let _ = link.identity.set(identity(&made)?);
            }
            Ok(())
        })
    }

    /// Makes something at `name`, or beside it and then in its place.
    fn put(
        &mut self,
        dir: &Dir,
        name: &[u8],
        replaces: bool,
        make: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if !replaces {
            return make(name);
        }
        let temporary = self.temporary();
        make(&temporary).and_then(|()| dir.replace(&temporary, name)).inspect_err(|_| {
            // What is left of it has a name that tells where it comes from.
            let _ = dir.remove(&temporary);
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use datis_engine::units::FileTime;

    use super::super::site::tests::with_site;
    use super::*;

    fn attributes(mode: u32) -> Attributes {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Attributes { mode, uid, gid, modified: FileTime { seconds: 1_600_000_000, nanoseconds: 0 }, xattrs: Vec::new() }
    }

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
    }

    fn path(path: &str) -> EntryPath {
        EntryPath::parse(path.as_bytes().to_vec()).expect("a path")
    }

    #[test]
    fn directories_made_before_it_stopped_are_not_left_to_their_maker_alone() {
        with_site(9, Mode::Overwrite, |target, site| {
            std::fs::create_dir(target.join("old")).expect("make");
            std::fs::set_permissions(target.join("old"), PermissionsExt::from_mode(0o711)).expect("mode");
            std::fs::set_permissions(target, PermissionsExt::from_mode(0o700)).expect("mode");
            let queue = Queue::default();
            let own = Own { attributes: attributes(0o750), is_fresh: true };
            let mut planner = Planner::new(site, &queue, Some(own));
            let root = planner.root.clone();
            // One whose window the threads are at work on, one that waits for its window, and two that it is in.
            planner.enter(&path("running"), &root, attributes(0o755));
            planner.leave_branches(&path("waiting"));
            let later = std::mem::take(&mut planner.later);
            planner.running = Some(Running { outstanding: Arc::default(), later });
            planner.enter(&path("waiting"), &root, attributes(0o755));
            planner.leave_branches(&path("old"));
            planner.enter(&path("old"), &root, attributes(0o755));
            let old = planner.branches[0].node.clone().expect("there");
            planner.enter(&path("old/fresh"), &old, attributes(0o755));
            site.stop(RestoreError::Interrupted);
            planner.abort();
            for made in ["running", "waiting", "old/fresh"] {
                assert_eq!(mode_of(&target.join(made)), 0o755, "{made}");
            }
            assert_eq!(mode_of(target), 0o750, "the target was made for it");
            assert_eq!(mode_of(&target.join("old")), 0o711, "it was there before");
        });
    }

    #[test]
    fn directories_of_the_last_window_get_their_attributes_when_it_stops_there() {
        with_site(9, Mode::Empty, |target, site| {
            let queue = Queue::default();
            let mut planner = Planner::new(site, &queue, None);
            let root = planner.root.clone();
            planner.enter(&path("docs"), &root, attributes(0o755));
            planner.leave_all();
            let later = std::mem::take(&mut planner.later);
            planner.running = Some(Running { outstanding: Arc::default(), later });
            site.progress.interrupt();
            planner.complete_running();
            assert_eq!(mode_of(&target.join("docs")), 0o755);
        });
    }
}
