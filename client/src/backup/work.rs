//! What the workers do: read files, cut and name chunks, ask the box which it lacks, compress segments.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use datis_engine::chunk::cut::{CutProfile, Cutter, WHOLE_FILE_MAX};
use datis_engine::chunk::seal::{Effort, FrameEncoder, SEGMENT_PLAIN_MAX};
use datis_engine::format::content::Ref;
use datis_engine::format::directory::ChunkInfo;
use datis_engine::format::listing::{Entry, HardLink};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::{ChunkId, SourceKind, Witness};
use datis_engine::keys::ChunkKeys;
use datis_engine::wire::{BATCH_MAX, Have, SessionId};

use super::BackupError;
use super::packing::Packer;
use super::reading::{FileFacts, read_whole, special_entry};
use crate::ledger::Key;
use crate::link::{Connection, Link};
use crate::platform::scan::{Sort, Stat};
use crate::progress::Progress;

/// An entry on its way, in the order of the walk.
pub(super) enum Item {
    /// Looks as it did: taken over from the ledger.
    Kept { path: EntryPath, key: Option<Key>, body: Vec<u8>, size: u64 },
    /// To be read.
    ToRead { path: EntryPath, absolute: PathBuf, stat: Stat, sort: Sort, key: Option<Key>, hard_link: Option<HardLink> },
}

impl Item {
    /// How many bytes are to be read for it, as it looked to the walk: a hint, bounded by what makes a file long.
    fn bytes_to_read(&self) -> usize {
        match self {
            Self::ToRead { stat, sort: Sort::File, .. } => usize::try_from(stat.size).unwrap_or(0),
            Self::ToRead { .. } | Self::Kept { .. } => 0,
        }
    }
}

/// An entry that was dealt with.
pub(super) enum DoneItem {
    /// As it came.
    Kept { path: EntryPath, key: Option<Key>, body: Vec<u8>, size: u64 },
    /// Complete.
    Special { path: EntryPath, key: Option<Key>, entry: Entry },
    /// A file and its chunks; the collector makes the content of them, since nodes need an order.
    File { path: EntryPath, key: Option<Key>, facts: FileFacts, hard_link: Option<HardLink>, chunks: Vec<Ref> },
    /// Could not be read.
    Unreadable { absolute: PathBuf, reason: String },
}

/// A chunk within a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) id: ChunkId,
    pub(super) witness: Witness,
    pub(super) start: usize,
    pub(super) len: usize,
}

impl Chunk {
    pub(super) fn info(&self) -> ChunkInfo {
        // A chunk has at most CHUNK_MAX bytes.
        ChunkInfo { id: self.id, len: u32::try_from(self.len).unwrap_or(u32::MAX) }
    }
}

/// Plain bytes and the chunks in them that the box lacks.
pub(super) struct Fresh {
    pub(super) data: Vec<u8>,
    pub(super) chunks: Vec<Chunk>,
}

pub(super) enum Task {
    /// A turn's worth of entries.
    Items { turn: u64, items: Vec<Item> },
    /// A turn's worth of one long file or stream, cut already.
    Piece { turn: u64, data: Vec<u8>, lens: Vec<usize> },
    /// Listing and content nodes, named already.
    Nodes { data: Vec<u8>, chunks: Vec<Chunk> },
    /// Chunks to be sent, one after the other.
    Segment { data: Vec<u8>, chunks: Vec<ChunkInfo> },
}

pub(super) enum Outcome {
    Items { turn: u64, items: Vec<DoneItem>, fresh: Fresh },
    Piece { turn: u64, chunks: Vec<Ref>, fresh: Fresh },
    Nodes { fresh: Fresh },
    Segment,
    Failed(BackupError),
}

/// What all workers share.
pub(super) struct Shop<'s> {
    pub(super) link: &'s Link,
    pub(super) session: SessionId,
    pub(super) keys: &'s ChunkKeys,
    pub(super) kind: SourceKind,
    /// The box has nothing that could be referred to: it is not asked.
    pub(super) nothing_known: bool,
    pub(super) seen: Seen,
    pub(super) packer: Packer<'s>,
    pub(super) progress: &'s Progress,
}

/// Works until there are no more tasks.
pub(super) fn work(shop: &Shop<'_>, tasks: &Receiver<Task>, outcomes: &Sender<Outcome>) {
    let mut worker = match Worker::new(shop) {
        Ok(worker) => worker,
        Err(error) => {
            let _the_collector_is_gone = outcomes.send(Outcome::Failed(error));
            return;
        }
    };
    for task in tasks {
        let outcome = worker.perform(task).unwrap_or_else(Outcome::Failed);
        if outcomes.send(outcome).is_err() {
            return;
        }
    }
}

struct Worker<'s> {
    shop: &'s Shop<'s>,
    encoder: FrameEncoder,
    connection: Option<Connection>,
}

impl<'s> Worker<'s> {
    fn new(shop: &'s Shop<'s>) -> Result<Self, BackupError> {
        Ok(Self { shop, encoder: FrameEncoder::new(Effort::Mixed)?, connection: None })
    }

    fn perform(&mut self, task: Task) -> Result<Outcome, BackupError> {
        match task {
            Task::Items { turn, items } => {
                let mut data = Vec::with_capacity(items.iter().map(Item::bytes_to_read).sum());
                let mut chunks = Vec::new();
                let items = items.into_iter().map(|item| self.read(item, &mut data, &mut chunks)).collect();
                Ok(Outcome::Items { turn, items, fresh: self.keep_fresh(data, chunks)? })
            }
            Task::Piece { turn, data, lens } => {
                let chunks = self.name_all(&data, 0, &lens);
                let refs = chunks.iter().map(as_ref).collect();
                Ok(Outcome::Piece { turn, chunks: refs, fresh: self.keep_fresh(data, chunks)? })
            }
            Task::Nodes { data, chunks } => Ok(Outcome::Nodes { fresh: self.keep_fresh(data, chunks)? }),
            Task::Segment { data, chunks } => {
                self.encoder.set_effort(Effort::choose(self.shop.kind, data.len(), chunks.len()))?;
                let frame = self.encoder.encode(&data, SEGMENT_PLAIN_MAX)?;
                drop(data);
                self.shop.packer.push(frame, &chunks, &mut self.encoder)?;
                Ok(Outcome::Segment)
            }
        }
    }

    fn read(&self, item: Item, data: &mut Vec<u8>, chunks: &mut Vec<Chunk>) -> DoneItem {
        let (path, absolute, stat, sort, key, hard_link) = match item {
            Item::Kept { path, key, body, size } => return DoneItem::Kept { path, key, body, size },
            Item::ToRead { path, absolute, stat, sort, key, hard_link } => (path, absolute, stat, sort, key, hard_link),
        };
        let start = data.len();
        let read = if sort == Sort::File {
            read_whole(&absolute, &stat, data).map(|facts| {
                let lens = self.cut(&data[start..]);
                let named = self.name_all(data, start, &lens);
                self.shop.progress.bytes_read.add((data.len() - start) as u64);
                let refs = named.iter().map(as_ref).collect();
                chunks.extend(named);
                // What changed under our eyes is looked at again next time.
                let key = if facts.changed || facts.stat.changed != stat.changed { None } else { key };
                DoneItem::File { path, key, facts, hard_link, chunks: refs }
            })
        } else {
            special_entry(&absolute, &stat, sort, hard_link).map(|entry| DoneItem::Special { path, key, entry })
        };
        read.unwrap_or_else(|error| {
            data.truncate(start);
            DoneItem::Unreadable { absolute, reason: error.to_string() }
        })
    }

    fn cut(&self, bytes: &[u8]) -> Vec<usize> {
        if self.shop.kind == SourceKind::Files && bytes.len() <= WHOLE_FILE_MAX {
            return if bytes.is_empty() { Vec::new() } else { vec![bytes.len()] };
        }
        let cutter = Cutter::new(self.shop.keys, CutProfile::choose(self.shop.kind, Some(bytes.len() as u64)));
        let mut at = 0;
        std::iter::from_fn(|| {
            let len = cutter.next(&bytes[at..], true)?;
            at += len;
            Some(len)
        })
        .collect()
    }

    fn name_all(&self, data: &[u8], mut start: usize, lens: &[usize]) -> Vec<Chunk> {
        lens.iter()
            .map(|len| {
                let (id, witness) = self.shop.keys.name(&data[start..start + len]);
                let chunk = Chunk { id, witness, start, len: *len };
                start += len;
                chunk
            })
            .collect()
    }

    /// Leaves of `chunks` those that neither this run has met before nor the box has.
    fn keep_fresh(&mut self, data: Vec<u8>, mut chunks: Vec<Chunk>) -> Result<Fresh, BackupError> {
        self.shop.seen.retain_new(&mut chunks);
        if !self.shop.nothing_known {
            let mut lacking = Vec::with_capacity(chunks.len());
            for batch in chunks.chunks(BATCH_MAX) {
                let mut have =
                    Have { session: self.shop.session, chunks: Vec::with_capacity(batch.len() * Have::ITEM_LEN) };
                batch.iter().for_each(|chunk| have.push(&chunk.id, &chunk.witness));
                let known = self.connection()?.ask(&have)?;
                lacking.extend(batch.iter().enumerate().filter(|(i, _)| !known.get(*i)).map(|(_, chunk)| *chunk));
            }
            chunks = lacking;
        }
        self.shop.progress.bytes_new.add(chunks.iter().map(|chunk| chunk.len as u64).sum());
        Ok(Fresh { data, chunks })
    }

    fn connection(&mut self) -> Result<&mut Connection, BackupError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(self.shop.link.connect()?)),
        }
    }
}

fn as_ref(chunk: &Chunk) -> Ref {
    Ref { id: chunk.id, len: chunk.len as u64 }
}

/// The chunks that this run has met lately, so that a chunk that occurs twice is neither asked for nor sent twice.
///
/// Bounded: beyond [`Self::GENERATION`] chunks the oldest are forgotten; then the box is asked again, which costs time
/// only.
#[derive(Default)]
pub(super) struct Seen(Mutex<[HashSet<ChunkId>; 2]>);

impl Seen {
    const GENERATION: usize = 100_000;

    /// Removes the chunks that were met before (in earlier calls or in this one) and remembers the others.
    fn retain_new(&self, chunks: &mut Vec<Chunk>) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.retain(|chunk| {
            let [young, old] = &mut *generations;
            if old.contains(&chunk.id) || !young.insert(chunk.id) {
                return false;
            }
            if young.len() >= Self::GENERATION {
                *old = std::mem::take(young);
            }
            true
        });
    }
}
