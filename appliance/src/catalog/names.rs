//! Names of everything that snapshots hold, to search over all dates.

use datis_engine::format::listing::Node;

use super::values::state_words;

state_words! {
    /// What an entry is.
    EntryKind {
        /// A directory.
        Dir => "dir",
        /// A regular file.
        File => "file",
        /// A symbolic link.
        Symlink => "symlink",
        /// A block device.
        Block => "block",
        /// A character device.
        Char => "char",
        /// A named pipe.
        Fifo => "fifo",
        /// A socket.
        Socket => "socket",
    }
}

impl EntryKind {
    /// The sort of an entry.
    #[must_use]
    pub const fn of(node: &Node) -> Self {
        match node {
            Node::Directory => Self::Dir,
            Node::File { .. } => Self::File,
            Node::Symlink { .. } => Self::Symlink,
            Node::BlockDevice { .. } => Self::Block,
            Node::CharDevice { .. } => Self::Char,
            Node::Fifo => Self::Fifo,
            Node::Socket => Self::Socket,
        }
    }
}
