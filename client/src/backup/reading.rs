//! Reading one entry: content, attributes, link target; and whether it held still meanwhile.

use std::fs::File;
use std::io;
use std::path::Path;

use datis_engine::format::content::Content;
use datis_engine::format::listing::{Entry, HardLink, Node};

use crate::platform::scan::{
    Attributes, Sort, Stat, attributes, attributes_open, data_extents, open_file, read_at, read_link, read_next,
    stat_open,
};

/// Data extents of a sparse file: (first byte, length), ascending.
pub(super) type Extents = Option<Vec<(u64, u64)>>;

/// What is known of a file once it was read.
#[derive(Debug)]
pub(super) struct FileFacts {
    pub(super) stat: Stat,
    pub(super) extents: Extents,
    pub(super) attributes: Attributes,
    /// Set when it changed while it was read, twice in a row: what was read may be a mixture of two states.
    pub(super) changed: bool,
}

/// Reads a file that fits into memory, to the end of `data`. `seen`: how it looked to the walk.
pub(super) fn read_whole(path: &Path, seen: &Stat, data: &mut Vec<u8>) -> io::Result<FileFacts> {
    let start = data.len();
    let mut before = *seen;
    for attempt in 0..2 {
        data.truncate(start);
        let file = open_file(path)?;
        if attempt > 0 {
            before = stat_open(&file)?;
        }
        let extents = data_extents(&file, &before)?;
        let mut reader = DataReader::new(&file, &before, extents);
        while reader.read_into(data, READ_STEP)? > 0 {}
        let extents = reader.finish();
        let attributes = attributes_open(&file)?;
        let after = stat_open(&file)?;
        let held_still = looks_same(&before, &after) && data_len(&extents, &after) == (data.len() - start) as u64;
        if held_still || attempt > 0 {
            // The entry describes the bytes that were read, whatever the file is now.
            let size = extents.as_ref().map_or((data.len() - start) as u64, |_| before.size);
            return Ok(FileFacts { stat: Stat { size, ..after }, extents, attributes, changed: !held_still });
        }
    }
    unreachable!("the second attempt returns")
}

const READ_STEP: usize = 4 << 20;

/// Whether an entry held still between two looks at it.
pub(super) fn looks_same(a: &Stat, b: &Stat) -> bool {
    (a.inode, a.size, a.modified, a.changed) == (b.inode, b.size, b.modified, b.changed)
}

fn data_len(extents: &Extents, stat: &Stat) -> u64 {
    extents.as_ref().map_or(stat.size, |extents| extents.iter().map(|(_, len)| len).sum())
}

/// Reads the data of a file in order, leaving out its holes.
#[derive(Debug)]
pub(super) struct DataReader<'f> {
    file: &'f File,
    /// What is left to read; for a file without holes one extent that ends where the file ended when it was looked at.
    left: std::collections::VecDeque<(u64, u64)>,
    extents: Extents,
    is_stream: bool,
}

impl<'f> DataReader<'f> {
    pub(super) fn new(file: &'f File, stat: &Stat, extents: Extents) -> Self {
        let left = extents.clone().unwrap_or_else(|| vec![(0, stat.size)]).into();
        Self { file, left, extents, is_stream: false }
    }

    /// For pipes and devices, which have no positions or lengths: reads until there is no more.
    pub(super) fn of_stream(file: &'f File) -> Self {
        Self { file, left: std::collections::VecDeque::new(), extents: None, is_stream: true }
    }

    /// Reads at most `max` bytes to the end of `data`. 0: there are no more, or the file was cut short meanwhile.
    pub(super) fn read_into(&mut self, data: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        if self.is_stream {
            data.reserve(max);
            return read_next(self.file, data);
        }
        loop {
            let Some((at, len)) = self.left.front_mut() else { return Ok(0) };
            if *len == 0 {
                self.left.pop_front();
                continue;
            }
            let want = usize::try_from(*len).unwrap_or(usize::MAX).min(max);
            let count = if self.extents.is_some() {
                // There may be far more room than one of many extents has bytes.
                let mut piece = Vec::with_capacity(want);
                read_at(self.file, *at, &mut piece)?;
                piece.truncate(want);
                data.extend_from_slice(&piece);
                piece.len()
            } else {
                let start = data.len();
                data.reserve(want);
                // A file that grows meanwhile: what it has gained is dropped again.
                let count = read_at(self.file, *at, data)?.min(want);
                data.truncate(start + count);
                count
            };
            *at += count as u64;
            *len -= count as u64;
            return Ok(count);
        }
    }

    /// The extents that were to be read.
    pub(super) fn finish(self) -> Extents {
        self.extents
    }
}

/// The entry of a file that was read.
pub(super) fn file_entry(facts: FileFacts, hard_link: Option<HardLink>, content: Content) -> Entry {
    let node = Node::File { size: facts.stat.size, extents: facts.extents, content };
    entry(&facts.stat, facts.attributes, hard_link, node)
}

/// The entry of anything but a file.
pub(super) fn special_entry(path: &Path, stat: &Stat, sort: Sort, hard_link: Option<HardLink>) -> io::Result<Entry> {
    let (major, minor) = stat.node_device;
    let node = match sort {
        Sort::Directory => Node::Directory,
        Sort::Symlink => Node::Symlink { target: read_link(path)? },
        Sort::BlockDevice => Node::BlockDevice { major, minor },
        Sort::CharDevice => Node::CharDevice { major, minor },
        Sort::Fifo => Node::Fifo,
        Sort::Socket => Node::Socket,
        Sort::File => return Err(io::Error::other("a file has content")),
    };
    Ok(entry(stat, attributes(path)?, hard_link, node))
}

fn entry(stat: &Stat, xattrs: Attributes, hard_link: Option<HardLink>, node: Node) -> Entry {
    Entry { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, modified: stat.modified, xattrs, hard_link, node }
}
