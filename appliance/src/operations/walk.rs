//! Walks over everything that a snapshot refers to: nodes of its listing, nodes of large contents, chunks of content.
//!
//! What a walk does with what it finds is the business of its [`Guide`]: a commit checks, collection marks, a rebuild
//! counts. Memory: a few batches of nodes and two segments, whatever the size of the snapshot.

use datis_engine::chunk::seal::FrameDecoder;
use datis_engine::format::FormatError;
use datis_engine::format::content::{Content, ContentNode, Ref};
use datis_engine::format::listing::ListingNode;
use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::ChunkId;

use super::OperationError;
use super::site::Site;
use crate::catalog::PackRow;
use crate::catalog::chunks::ChunkAt;
use crate::catalog::closure::NodeKind;

/// Nodes are looked up and read in groups of up to this many, so that each segment is opened once for all of them.
const NODES: usize = 512;

/// Chunks of content are passed on in groups of about this many, 1.5 MB: the more at a time, the nearer the next one is.
const CHUNKS: usize = 65_536;

/// How many segments stay decoded, 4 MiB each at most.
const SEGMENTS: usize = 2;

/// A node that was referred to and has not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeRef {
    /// The chunk that holds it.
    pub(super) id: ChunkId,
    /// What it is taken for.
    pub(super) kind: NodeKind,
    /// What whoever refers to it says of its length: of the node itself for listings, of the content below for contents.
    len: u64,
}

/// Where a node's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodePlace {
    pub(super) pack: PackRow,
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
}

impl NodePlace {
    pub(super) fn of(place: &ChunkAt) -> Self {
        let location = place.location;
        Self { pack: place.pack, segment: location.segment, offset: location.offset, len: location.len }
    }
}

/// Decides what a walk does.
pub(super) trait Guide {
    /// What can go wrong.
    type Error: From<OperationError>;

    /// For each node, where it is to be read, or `None` when it need not be.
    fn choose(&mut self, nodes: &[NodeRef]) -> Result<Vec<Option<NodePlace>>, Self::Error>;

    /// Hears of chunks of content, with the length that they should have; sorted, each once in a group.
    fn chunks(&mut self, chunks: &[(ChunkId, u64)]) -> Result<(), Self::Error>;
}

/// One or several walks with the same guide.
pub(super) struct Walk<'s> {
    site: &'s Site,
    decoder: FrameDecoder,
    /// Decoded segments, the one used last at the end.
    segments: Vec<(PackRow, u32, Vec<u8>)>,
    nodes: Vec<NodeRef>,
    chunks: Vec<(ChunkId, u64)>,
}

impl<'s> Walk<'s> {
    pub(super) fn new(site: &'s Site) -> Result<Self, OperationError> {
        Ok(Self { site, decoder: FrameDecoder::new()?, segments: Vec::new(), nodes: Vec::new(), chunks: Vec::new() })
    }

    /// Walks over all that `record` refers to.
    pub(super) fn snapshot<G: Guide>(&mut self, record: &SnapshotRecord, guide: &mut G) -> Result<(), G::Error> {
        self.nodes.clear();
        self.chunks.clear();
        let root = record.listing;
        self.nodes.push(NodeRef { id: root.id, kind: NodeKind::Listing(root.level), len: u64::from(root.len) });
        if let Some(problems) = &record.problems {
            self.content(problems);
        }
        while !self.nodes.is_empty() {
            let rest = self.nodes.len().saturating_sub(NODES);
            let mut batch = self.nodes.split_off(rest);
            batch.sort_unstable();
            batch.dedup();
            self.read_batch(&batch, guide)?;
            if self.chunks.len() >= CHUNKS {
                self.pass_chunks(guide)?;
            }
        }
        self.pass_chunks(guide)
    }

    fn pass_chunks<G: Guide>(&mut self, guide: &mut G) -> Result<(), G::Error> {
        self.chunks.sort_unstable();
        self.chunks.dedup();
        guide.chunks(&self.chunks)?;
        self.chunks.clear();
        Ok(())
    }

    fn read_batch<G: Guide>(&mut self, batch: &[NodeRef], guide: &mut G) -> Result<(), G::Error> {
        let places = guide.choose(batch)?;
        let mut wanted: Vec<(NodePlace, NodeRef)> =
            places.into_iter().zip(batch).filter_map(|(place, node)| Some((place?, *node))).collect();
        wanted.sort_unstable();
        for (place, node) in wanted {
            let plain = self.segment(&place)?;
            let range = place.offset as usize..(place.offset + place.len) as usize;
            // The directory has been checked: every chunk lies within its segment.
            let bytes = self.segments[plain].2.get(range).map(<[u8]>::to_vec);
            let bytes = bytes.ok_or_else(|| FormatError::damaged("pack directory", "a chunk is out of its segment"));
            self.expand(&node, &bytes.map_err(OperationError::from)?).map_err(OperationError::from)?;
        }
        Ok(())
    }

    /// Index of the decoded segment.
    fn segment(&mut self, place: &NodePlace) -> Result<usize, OperationError> {
        let found =
            self.segments.iter().position(|(pack, segment, _)| (*pack, *segment) == (place.pack, place.segment));
        let mut entry = match found {
            Some(at) => self.segments.remove(at),
            None => {
                let spare = if self.segments.len() >= SEGMENTS { self.segments.remove(0).2 } else { Vec::new() };
                (place.pack, place.segment, spare)
            }
        };
        if found.is_none() {
            let pack = self.site.open_pack(place.pack)?;
            self.site.read_plain(&pack, place.segment, &mut self.decoder, &mut entry.2)?;
        }
        self.segments.push(entry);
        Ok(self.segments.len() - 1)
    }

    /// Notes what a node refers to.
    fn expand(&mut self, node: &NodeRef, bytes: &[u8]) -> Result<(), FormatError> {
        match node.kind {
            NodeKind::Listing(level) => {
                if bytes.len() as u64 != node.len {
                    return Err(FormatError::damaged("listing node", "it has another length than its parent says"));
                }
                match ListingNode::decode(level, bytes)? {
                    ListingNode::Leaf(entries) => {
                        entries.iter().filter_map(|(_, entry)| entry.content()).for_each(|c| self.content(c));
                    }
                    ListingNode::Inner(children) => {
                        // Level 0 decodes to leaves only, so there is a level below.
                        let kind = NodeKind::Listing(level.saturating_sub(1));
                        let refs = children.iter().map(|c| NodeRef { id: c.id, kind, len: u64::from(c.len) });
                        self.nodes.extend(refs);
                    }
                }
            }
            NodeKind::Content(level) => {
                let content = ContentNode::decode(bytes)?;
                let total = content.refs.iter().fold(0_u64, |sum, r| sum.saturating_add(r.len));
                if content.level != level || total != node.len {
                    return Err(FormatError::damaged(
                        "content node",
                        "it has another level or length than its parent says",
                    ));
                }
                self.refs(level - 1, &content.refs);
            }
        }
        Ok(())
    }

    fn content(&mut self, content: &Content) {
        self.refs(content.level, &content.refs);
    }

    fn refs(&mut self, level: u8, refs: &[Ref]) {
        if level == 0 {
            self.chunks.extend(refs.iter().map(|r| (r.id, r.len)));
        } else {
            let kind = NodeKind::Content(level);
            self.nodes.extend(refs.iter().map(|r| NodeRef { id: r.id, kind, len: r.len }));
        }
    }
}
