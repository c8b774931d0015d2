//! What is different between two snapshots. Parts of the listings that both share are not read.

use datis_engine::format::listing::Entry;
use datis_engine::format::path::EntryPath;

use crate::reader::{ChunkReader, Cursor, ReadError, Step, difference};
use crate::snapshots::Snapshot;

/// Something about an entry that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// The bytes of a file, its holes, the target of a link, the numbers of a device.
    Content,
    /// Permission bits.
    Mode,
    /// Owner or group.
    Owner,
    /// Time of last change.
    Time,
    /// Extended attributes, ACLs among them.
    Attributes,
    /// Whether it has further names.
    Links,
}

impl Aspect {
    /// All of them, in the order in which they are told.
    pub const ALL: &'static [Self] =
        &[Self::Content, Self::Mode, Self::Owner, Self::Time, Self::Attributes, Self::Links];

    /// The word for it on screens and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Time => "time",
            Self::Attributes => "attributes",
            Self::Links => "links",
        }
    }

    fn differs(self, a: &Entry, b: &Entry) -> bool {
        match self {
            Self::Content => a.node != b.node,
            Self::Mode => a.mode != b.mode,
            Self::Owner => (a.uid, a.gid) != (b.uid, b.gid),
            Self::Time => a.modified != b.modified,
            Self::Attributes => a.xattrs != b.xattrs,
            // The numbers of a group mean nothing outside their snapshot.
            Self::Links => a.hard_link.is_some() != b.hard_link.is_some(),
        }
    }
}

/// One path that is not the same in both snapshots.
#[derive(Debug)]
pub enum Difference {
    /// Only the second one has it.
    Added(EntryPath, Entry),
    /// Only the first one has it.
    Removed(EntryPath, Entry),
    /// It is of another sort in the second one: first, then second.
    Type(EntryPath, Entry, Entry),
    /// It changed: what about it, first, then second.
    Changed(EntryPath, Vec<Aspect>, Entry, Entry),
}

/// Gives all differences in the order of the paths.
///
/// # Errors
/// [`ReadError`], and whatever `give` returns.
pub fn diff<E: From<ReadError>>(
    before: &Snapshot,
    after: &Snapshot,
    reader: &mut ChunkReader,
    give: &mut dyn FnMut(Difference) -> Result<(), E>,
) -> Result<(), E> {
    let (mut first, mut second) = (Cursor::new(&before.record.listing), Cursor::new(&after.record.listing));
    difference(&mut first, &mut second, reader, &mut |step| match judge(step) {
        Some(difference) => give(difference),
        None => Ok(()),
    })
}

/// `None`: they differ only in numbers that mean nothing to a person.
fn judge(step: Step) -> Option<Difference> {
    match step {
        Step::Added(path, entry) => Some(Difference::Added(path, entry)),
        Step::Removed(path, entry) => Some(Difference::Removed(path, entry)),
        Step::Changed(path, a, b) if a.node.word() != b.node.word() => Some(Difference::Type(path, a, b)),
        Step::Changed(path, a, b) => {
            let aspects: Vec<Aspect> = Aspect::ALL.iter().copied().filter(|aspect| aspect.differs(&a, &b)).collect();
            if aspects.is_empty() { None } else { Some(Difference::Changed(path, aspects, a, b)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use datis_engine::format::content::{Content, Ref};
    use datis_engine::format::listing::{HardLink, Node};
    use datis_engine::ids::ChunkId;
    use datis_engine::units::FileTime;

    use super::*;

    fn file(chunk: u8) -> Entry {
        let content = Content { level: 0, refs: vec![Ref { id: ChunkId::from_bytes([chunk; ChunkId::LEN]), len: 3 }] };
        Entry {
            mode: 0o644,
            uid: 1,
            gid: 1,
            modified: FileTime { seconds: 5, nanoseconds: 6 },
            xattrs: vec![],
            hard_link: Some(HardLink { device: 0, inode: 7 }),
            node: Node::File { size: 3, extents: None, content },
        }
    }

    fn changed(a: &Entry, b: &Entry) -> Option<Vec<&'static str>> {
        let path = EntryPath::parse(b"a".to_vec()).expect("path");
        match judge(Step::Changed(path, a.clone(), b.clone()))? {
            Difference::Changed(_, aspects, ..) => Some(aspects.iter().map(|aspect| aspect.word()).collect()),
            Difference::Type(..) => Some(vec!["type"]),
            Difference::Added(..) | Difference::Removed(..) => None,
        }
    }

    #[test]
    fn what_changed_is_told_and_inode_numbers_are_not() {
        let base = file(1);
        assert_eq!(changed(&base, &Entry { hard_link: Some(HardLink { device: 3, inode: 9 }), ..base.clone() }), None);
        assert_eq!(changed(&base, &Entry { hard_link: None, ..base.clone() }), Some(vec!["links"]));
        assert_eq!(changed(&base, &Entry { mode: 0o600, gid: 2, ..base.clone() }), Some(vec!["mode", "owner"]));
        let time = FileTime { seconds: 5, nanoseconds: 7 };
        assert_eq!(changed(&base, &Entry { modified: time, ..file(2) }), Some(vec!["content", "time"]));
        assert_eq!(changed(&base, &Entry { node: Node::Directory, ..base.clone() }), Some(vec!["type"]));
    }
}
