//! What a file holds: a short list of chunks, or a tree of lists when there are many.
//!
//! Nodes of the tree end where the content decides, so that two states of one large file share all nodes but those on
//! the way to a change.

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::{FormatError, VERSION, open_record};
use crate::ids::ChunkId;

/// The most references that stand in an entry or record directly.
pub const INLINE_MAX: usize = 8;

/// The most references in one node.
pub const NODE_REFS_MAX: usize = 512;

/// No content needs more levels: 64 references a node on average make 64^8 chunks.
pub const LEVEL_MAX: u8 = 8;

/// The longest content, in bytes: positions in files are signed 64-bit numbers.
pub const LEN_MAX: u64 = i64::MAX as u64;

/// A node ends after a reference whose id has this many low zero bits in its first word: 64 references on average.
const BOUNDARY_MASK: u64 = 63;

/// Some plain bytes: a chunk of content, or a node and all that is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ref {
    /// The chunk, or the chunk that holds the node.
    pub id: ChunkId,
    /// Bytes of content that it stands for.
    pub len: u64,
}

/// All bytes of a file (or of the problem list of a snapshot), in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// 0: `refs` are chunks of content. n: they are nodes of level n, whose references are of level n - 1.
    pub level: u8,
    /// At most [`INLINE_MAX`].
    pub refs: Vec<Ref>,
}

impl Content {
    /// Total length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        total(&self.refs)
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }
}

fn total(refs: &[Ref]) -> u64 {
    refs.iter().fold(0, |sum, r| sum.saturating_add(r.len))
}

impl<C> Encode<C> for Content {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(3)?.u8(self.level)?;
        encode_refs(e, &self.refs)
    }
}

impl<'b, C> Decode<'b, C> for Content {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.array()? != Some(3) {
            return Err(minicbor::decode::Error::message("content has three fields"));
        }
        let level = d.u8()?;
        if level > LEVEL_MAX {
            return Err(minicbor::decode::Error::message("content has too many levels"));
        }
        Ok(Self { level, refs: decode_refs(d, INLINE_MAX)? })
    }
}

/// Lengths and ids in two columns: lengths compress, ids do not.
fn encode_refs<W: Write>(e: &mut Encoder<W>, refs: &[Ref]) -> Result<(), minicbor::encode::Error<W::Error>> {
    e.array(refs.len() as u64)?;
    for r in refs {
        e.u64(r.len)?;
    }
    let ids: Vec<u8> = refs.iter().flat_map(|r| *r.id.as_bytes()).collect();
    e.bytes(&ids)?.ok()
}

fn decode_refs(d: &mut Decoder<'_>, max: usize) -> Result<Vec<Ref>, minicbor::decode::Error> {
    let error = minicbor::decode::Error::message;
    let count = d.array()?.ok_or_else(|| error("indefinite array"))?;
    let count = usize::try_from(count).ok().filter(|c| *c <= max).ok_or_else(|| error("too many references"))?;
    let lens = (0..count).map(|_| d.u64()).collect::<Result<Vec<_>, _>>()?;
    // Nothing is referred to that is empty (nodes of such could stand for more steps than anyone can take), and no file is
    // longer than a position in it can be.
    let total = lens.iter().try_fold(0_u64, |sum, len| sum.checked_add(*len).filter(|sum| *sum <= LEN_MAX));
    if total.is_none() || lens.contains(&0) {
        return Err(error("a reference has an impossible length"));
    }
    let ids = d.bytes()?;
    if ids.len() != count * ChunkId::LEN {
        return Err(error("as many ids as lengths are expected"));
    }
    let ids = ids.chunks_exact(ChunkId::LEN).filter_map(ChunkId::from_slice);
    Ok(ids.zip(lens).map(|(id, len)| Ref { id, len }).collect())
}

/// One node of a content tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentNode {
    /// 1 and more; the references are of one level less.
    pub level: u8,
    /// 1 to [`NODE_REFS_MAX`].
    pub refs: Vec<Ref>,
}

impl ContentNode {
    const WHAT: &'static str = "content node";

    /// The node as the plain bytes of a chunk.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(16 + self.refs.len() * (ChunkId::LEN + 4)));
        let written = e.array(4).and_then(|e| e.u8(VERSION)).and_then(|e| e.u8(self.level)).map(|_| ());
        match written.and_then(|()| encode_refs(&mut e, &self.refs)) {
            Ok(()) => e.into_writer(),
            Err(_) => unreachable!("encoding into memory cannot fail"),
        }
    }

    /// Reads a node.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut d = Decoder::new(bytes);
        open_record(&mut d, Self::WHAT, 4)?;
        let damaged = |e: minicbor::decode::Error| FormatError::damaged(Self::WHAT, e);
        let level = d.u8().map_err(damaged)?;
        let refs = decode_refs(&mut d, NODE_REFS_MAX).map_err(damaged)?;
        if level == 0 || level > LEVEL_MAX || refs.is_empty() || d.position() != bytes.len() {
            return Err(FormatError::damaged(Self::WHAT, "its level, count or length is wrong"));
        }
        Ok(Self { level, refs })
    }
}

/// Collects the chunks of one file in order and makes the tree, if one is needed.
///
/// Memory: at most [`NODE_REFS_MAX`] references a level.
#[derive(Debug, Default)]
pub struct ContentBuilder {
    levels: Vec<Vec<Ref>>,
}

impl ContentBuilder {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next chunk. `store` is given each finished node's bytes, and names it.
    pub fn push(&mut self, chunk: Ref, store: &mut dyn FnMut(Vec<u8>) -> ChunkId) {
        self.push_at(0, chunk, store);
    }

    fn push_at(&mut self, level: usize, next: Ref, store: &mut dyn FnMut(Vec<u8>) -> ChunkId) {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(next);
        // The first references of a level stay in the entry, so a node is made only once there are too many for that.
        let refs = &self.levels[level];
        let ends = is_boundary(&next.id) && refs.len() > INLINE_MAX || refs.len() == NODE_REFS_MAX;
        if ends && level < usize::from(LEVEL_MAX) {
            self.close(level, store);
        }
    }

    fn close(&mut self, level: usize, store: &mut dyn FnMut(Vec<u8>) -> ChunkId) {
        let refs = std::mem::take(&mut self.levels[level]);
        let len = total(&refs);
        let node = ContentNode { level: level_number(level + 1), refs };
        let id = store(node.encode());
        self.push_at(level + 1, Ref { id, len }, store);
    }

    /// Ends the file. Equal chunks in equal order give an equal result.
    pub fn finish(mut self, store: &mut dyn FnMut(Vec<u8>) -> ChunkId) -> Content {
        let mut level = 0;
        while level < self.levels.len() {
            let is_top = level + 1 == self.levels.len();
            if is_top && self.levels[level].len() <= INLINE_MAX {
                return Content { level: level_number(level), refs: std::mem::take(&mut self.levels[level]) };
            }
            if !self.levels[level].is_empty() {
                self.close(level, store);
            }
            level += 1;
        }
        Content::default()
    }
}

fn level_number(level: usize) -> u8 {
    u8::try_from(level).unwrap_or(u8::MAX)
}

fn is_boundary(id: &ChunkId) -> bool {
    let mut word = [0_u8; 8];
    word.copy_from_slice(&id.as_bytes()[..8]);
    u64::from_le_bytes(word) & BOUNDARY_MASK == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn name(bytes: &[u8]) -> ChunkId {
        ChunkId::from_slice(&blake3::hash(bytes).as_bytes()[..ChunkId::LEN]).expect("length of an id")
    }

    fn chunk(n: u64) -> Ref {
        Ref { id: name(&n.to_le_bytes()), len: n % 5_000 + 1 }
    }

    fn build(chunks: &[Ref]) -> (Content, HashMap<ChunkId, Vec<u8>>) {
        let mut nodes = HashMap::new();
        let mut store = |bytes: Vec<u8>| {
            let id = name(&bytes);
            nodes.insert(id, bytes);
            id
        };
        let mut builder = ContentBuilder::new();
        for chunk in chunks {
            builder.push(*chunk, &mut store);
        }
        let content = builder.finish(&mut store);
        (content, nodes)
    }

    fn flatten(level: u8, refs: &[Ref], nodes: &HashMap<ChunkId, Vec<u8>>, out: &mut Vec<Ref>) {
        for r in refs {
            if level == 0 {
                out.push(*r);
            } else {
                let node = ContentNode::decode(&nodes[&r.id]).expect("node");
                assert_eq!((node.level, total(&node.refs)), (level, r.len));
                flatten(level - 1, &node.refs, nodes, out);
            }
        }
    }

    #[test]
    fn a_change_in_the_middle_makes_few_new_nodes() {
        let before: Vec<Ref> = (0..50_000).map(chunk).collect();
        let mut after = before.clone();
        after[25_000] = chunk(9_999_999);
        after.insert(30_000, chunk(8_888_888));
        let (nodes_before, nodes_after) = (build(&before).1, build(&after).1);
        let fresh = nodes_after.keys().filter(|id| !nodes_before.contains_key(*id)).count();
        assert!(nodes_after.len() > 500 && fresh <= 8, "{fresh} of {}", nodes_after.len());
    }

    #[test]
    fn references_that_are_empty_or_longer_than_any_file_are_refused() {
        let with = |lens: &[u64]| {
            let refs = lens.iter().map(|len| Ref { len: *len, ..chunk(1) }).collect();
            ContentNode::decode(&ContentNode { level: 1, refs }.encode())
        };
        assert!(with(&[1, LEN_MAX - 1]).is_ok());
        for lens in [&[0][..], &[5, 0], &[u64::MAX, 8], &[LEN_MAX, 1]] {
            assert!(with(lens).is_err(), "{lens:?}");
        }
    }

    proptest! {
        #[test]
        fn the_tree_gives_back_its_chunks_in_order(count in 0_u64..3_000, seed: u32) {
            let chunks: Vec<Ref> = (0..count).map(|n| chunk(n + u64::from(seed))).collect();
            let (content, nodes) = build(&chunks);
            prop_assert!(content.refs.len() <= INLINE_MAX);
            prop_assert_eq!(content.len(), total(&chunks));
            let mut back = Vec::new();
            flatten(content.level, &content.refs, &nodes, &mut back);
            prop_assert_eq!(back, chunks);
            let bytes = super::super::encode(&content);
            prop_assert_eq!(super::super::decode_all::<Content>("content", &bytes).expect("decode"), content);
        }

        #[test]
        fn hostile_nodes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(node) = ContentNode::decode(&bytes) {
                prop_assert_eq!(ContentNode::decode(&node.encode()).expect("own bytes"), node);
            }
        }
    }
}
