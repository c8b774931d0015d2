//! The collector: takes the walk's entries in, hands work out, and puts what comes back in order again.
//!
//! Entries are dealt with in turns. A turn is a batch of entries, or a piece of one long file; workers finish turns in
//! any order, the listing takes them in theirs. Few turns are under way at a time, so memory stays flat.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender};
use datis_engine::chunk::cut::{CutProfile, Cutter};
use datis_engine::chunk::seal::SEGMENT_PLAIN_MAX;
use datis_engine::format::content::{Content, ContentBuilder, Ref};
use datis_engine::format::directory::ChunkInfo;
use datis_engine::format::listing::{Entry, HardLink, ListingBuilder, ListingRoot, Totals};
use datis_engine::format::path::EntryPath;
use datis_engine::ids::{ChunkId, SourceKind};
use datis_engine::keys::ChunkKeys;
use datis_engine::units::UnixMillis;

use super::BackupError;
use super::reading::{DataReader, FileFacts, file_entry, looks_same};
use super::work::{Chunk, DoneItem, Fresh, Item, Outcome, Task};
use crate::ledger::{Key, LedgerReader, LedgerWriter};
use crate::platform::names::bytes_of;
use crate::platform::scan::{Sort, Stat, attributes_open, data_extents, open_file, stat_open, will_read_once};
use crate::progress::Progress;
use crate::walk::{Found, Step};

/// Plain bytes in a segment, in a batch of small files, and in a piece of a long one.
///
/// Half of what the format allows: measured in `docs/decisions/0004-chunk-sizes.md`.
const SEGMENT_TARGET: usize = SEGMENT_PLAIN_MAX / 2;

/// Longer files are read here, in pieces; shorter ones by the workers, whole.
const WHOLE_MAX: u64 = SEGMENT_TARGET as u64;

/// The most entries in a batch.
const BATCH_ITEMS_MAX: usize = 2_048;

/// Tasks under way, over all workers: each holds up to [`SEGMENT_TARGET`] bytes.
const TASKS_MAX: usize = 5;

/// Turns begun and not yet listed: those that wait for a slow one hold up to [`SEGMENT_TARGET`] bytes each.
const TURNS_MAX: u64 = TASKS_MAX as u64 + 2;

/// The most nodes that are asked for at once.
const NODES_MAX: usize = 2_048;

pub(super) struct Collector<'c> {
    pub(super) keys: &'c ChunkKeys,
    pub(super) kind: SourceKind,
    pub(super) started_at: UnixMillis,
    pub(super) tasks: Sender<Task>,
    pub(super) outcomes: Receiver<Outcome>,
    pub(super) progress: &'c Progress,
    pub(super) base: Option<LedgerReader>,
    pub(super) ledger: Option<LedgerWriter>,
    pub(super) order: Order,
    pub(super) batch: Batch,
    pub(super) listing: Listing<'c>,
    pub(super) segments: Segments,
    pub(super) devices: HashMap<(u32, u32), u32>,
    /// Problems as text, and the chunks that hold what of it was stored already.
    pub(super) problems: Problems,
}

/// Which turns are handed out, done, and due.
#[derive(Default)]
pub(super) struct Order {
    tasks_under_way: usize,
    next: u64,
    due: u64,
    early: BTreeMap<u64, Turn>,
    /// Sending on what one turn brought may wait for others to arrive: they are taken after it, never in the middle.
    is_taking: bool,
    /// The long files whose last piece is the turn.
    ends: HashMap<u64, LongFile>,
    content: ContentBuilder,
}

enum Turn {
    Items(Vec<DoneItem>, Fresh),
    Piece(Vec<Ref>, Fresh),
}

struct LongFile {
    path: EntryPath,
    key: Option<Key>,
    facts: FileFacts,
    hard_link: Option<HardLink>,
    absolute: PathBuf,
    /// Set when reading failed half-way: the entry is left out.
    failed: Option<String>,
}

#[derive(Default)]
pub(super) struct Batch {
    items: Vec<Item>,
    bytes: u64,
}

pub(super) struct Listing<'c> {
    builder: ListingBuilder<'c>,
    nodes: Nodes<'c>,
}

/// Nodes that were made and have yet to be asked for.
struct Nodes<'c> {
    keys: &'c ChunkKeys,
    data: Vec<u8>,
    chunks: Vec<Chunk>,
}

impl<'c> Listing<'c> {
    pub(super) fn new(keys: &'c ChunkKeys) -> Self {
        Self { builder: ListingBuilder::new(keys), nodes: Nodes { keys, data: Vec::new(), chunks: Vec::new() } }
    }
}

impl Nodes<'_> {
    fn store(&mut self, bytes: &[u8]) -> ChunkId {
        let (id, witness) = self.keys.name(bytes);
        self.chunks.push(Chunk { id, witness, start: self.data.len(), len: bytes.len() });
        self.data.extend_from_slice(bytes);
        id
    }

    fn is_full(&self) -> bool {
        self.data.len() >= SEGMENT_TARGET / 2 || self.chunks.len() >= NODES_MAX
    }
}

/// Chunks that wait until there are enough for a segment; content and nodes apart, so that a listing lies together.
#[derive(Default)]
pub(super) struct Segments {
    content: OpenSegment,
    nodes: OpenSegment,
}

#[derive(Default)]
struct OpenSegment {
    data: Vec<u8>,
    chunks: Vec<ChunkInfo>,
}

#[derive(Default)]
pub(super) struct Problems {
    pub(super) count: u64,
    text: Vec<u8>,
    content: ContentBuilder,
}

/// What a finished collection found.
pub(super) struct Collected {
    pub(super) root: ListingRoot,
    pub(super) totals: Totals,
    pub(super) problem_count: u64,
    pub(super) problems: Option<Content>,
    pub(super) ledger: Option<LedgerWriter>,
}

impl Collector<'_> {
    /// Takes the next step of the walk.
    pub(super) fn take(&mut self, step: Step) -> Result<(), BackupError> {
        if self.progress.is_interrupted() {
            return Err(BackupError::Interrupted);
        }
        match step {
            Step::Unreadable(what) => self.problem(&what.absolute, &what.reason),
            Step::Found(found) => {
                self.progress.entries_seen.add(1);
                self.progress.files_seen.add(u64::from(found.sort == Sort::File));
                let is_long = found.sort == Sort::File && found.stat.size > WHOLE_MAX;
                match self.remembered(&found) {
                    Some(kept) => self.add_to_batch(kept, 0),
                    None if is_long => self.read_long(&found),
                    None => {
                        let bytes = if found.sort == Sort::File { found.stat.size } else { 0 };
                        let item = self.reading_of(found);
                        self.add_to_batch(item, bytes)
                    }
                }
            }
        }
    }

    fn remembered(&mut self, found: &Found) -> Option<Item> {
        let key = Key::of(&found.stat, self.started_at);
        let remembered = self.base.as_mut()?.find(&found.path)?;
        if !remembered.looks_like(key?) {
            return None;
        }
        let size = if found.sort == Sort::File { found.stat.size } else { 0 };
        Some(Item::Kept { path: remembered.path, key, body: remembered.body, size })
    }

    fn reading_of(&mut self, found: Found) -> Item {
        let key = Key::of(&found.stat, self.started_at);
        let hard_link = self.hard_link(&found.stat, found.sort);
        let Found { path, absolute, stat, sort } = found;
        Item::ToRead { path, absolute, stat, sort, key, hard_link }
    }

    fn hard_link(&mut self, stat: &Stat, sort: Sort) -> Option<HardLink> {
        if stat.links < 2 || sort == Sort::Directory {
            return None;
        }
        let next = u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        let device = *self.devices.entry(stat.device).or_insert(next);
        Some(HardLink { device, inode: stat.inode })
    }

    fn add_to_batch(&mut self, item: Item, bytes: u64) -> Result<(), BackupError> {
        if self.batch.bytes + bytes > SEGMENT_TARGET as u64 || self.batch.items.len() >= BATCH_ITEMS_MAX {
            self.hand_out_batch()?;
        }
        self.batch.bytes += bytes;
        self.batch.items.push(item);
        Ok(())
    }

    fn hand_out_batch(&mut self) -> Result<(), BackupError> {
        let Batch { items, .. } = std::mem::take(&mut self.batch);
        if items.is_empty() {
            return Ok(());
        }
        let turn = self.begin_turn()?;
        if items.iter().all(|item| matches!(item, Item::Kept { .. })) {
            let kept = items
                .into_iter()
                .filter_map(|item| match item {
                    Item::Kept { path, key, body, size } => Some(DoneItem::Kept { path, key, body, size }),
                    Item::ToRead { .. } => None,
                })
                .collect();
            let nothing = Fresh { data: Vec::new(), chunks: Vec::new() };
            self.order.early.insert(turn, Turn::Items(kept, nothing));
            return self.take_due();
        }
        self.hand_out(Task::Items { turn, items })
    }

    /// Reads a long file piece by piece.
    fn read_long(&mut self, found: &Found) -> Result<(), BackupError> {
        let opened = open_file(&found.absolute).and_then(|file| {
            let before = stat_open(&file)?;
            let extents = data_extents(&file, &before)?;
            Ok((file, before, extents))
        });
        let (file, before, extents) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.problem(&found.absolute, &error.to_string()),
        };
        will_read_once(&file);
        let hard_link = self.hard_link(&found.stat, found.sort);
        let reader = DataReader::new(&file, &before, extents.clone());
        let len = extents.as_ref().map_or(before.size, |extents| extents.iter().map(|(_, len)| len).sum());
        let (read, failed) = self.read_pieces(reader, Some(len))?;
        let looks = stat_open(&file).and_then(|after| Ok((after, attributes_open(&file)?)));
        let (after, attributes, failed) = match looks {
            Ok((after, attributes)) => (after, attributes, failed),
            Err(error) => (before, Vec::new(), failed.or(Some(error.to_string()))),
        };
        let held_still = looks_same(&before, &after) && read == len;
        // A sparse file that was cut short has extents that were not read; its entry would not hold together.
        let failed = match &extents {
            Some(_) if read != len => failed.or_else(|| Some("it was cut short while it was read".into())),
            _ => failed,
        };
        let size = if extents.is_some() { before.size } else { read };
        let key =
            if held_still && after.changed == found.stat.changed { Key::of(&after, self.started_at) } else { None };
        let facts = FileFacts { stat: Stat { size, ..after }, extents, attributes, changed: !held_still };
        let (path, absolute) = (found.path.clone(), found.absolute.clone());
        self.end_long(LongFile { path, key, facts, hard_link, absolute, failed })
    }

    /// Reads a stream to its end and lists it as one file.
    pub(super) fn read_stream(&mut self, file: &File, path: EntryPath, mut stat: Stat) -> Result<(), BackupError> {
        self.progress.entries_seen.add(1);
        self.progress.files_seen.add(1);
        let (read, failed) = self.read_pieces(DataReader::of_stream(file), None)?;
        // A stream that breaks off is no backup: nothing of it may pass for one.
        if let Some(reason) = failed {
            return Err(BackupError::Stream { reason });
        }
        stat.size = read;
        let facts = FileFacts { stat, extents: None, attributes: Vec::new(), changed: false };
        let absolute = PathBuf::from("standard input");
        self.end_long(LongFile { path, key: None, facts, hard_link: None, absolute, failed: None })
    }

    /// Cuts what `reader` gives and hands it out; how many bytes, and why it ended early if it did.
    fn read_pieces(
        &mut self,
        mut reader: DataReader<'_>,
        len: Option<u64>,
    ) -> Result<(u64, Option<String>), BackupError> {
        self.hand_out_batch()?;
        let keys = self.keys;
        let cutter = Cutter::new(keys, CutProfile::choose(self.kind, len));
        let mut data: Vec<u8> = Vec::with_capacity(SEGMENT_TARGET);
        let mut total = 0_u64;
        let mut failed = None;
        loop {
            let mut at_end = false;
            while data.len() < SEGMENT_TARGET && !at_end {
                let room = SEGMENT_TARGET - data.len();
                match reader.read_into(&mut data, room) {
                    Ok(0) => at_end = true,
                    Ok(count) => {
                        total += count as u64;
                        self.progress.bytes_read.add(count as u64);
                    }
                    Err(error) => {
                        failed = Some(error.to_string());
                        at_end = true;
                    }
                }
            }
            if self.progress.is_interrupted() {
                return Err(BackupError::Interrupted);
            }
            let (mut lens, mut at) = (Vec::new(), 0);
            while let Some(cut) = cutter.next(&data[at..], at_end) {
                lens.push(cut);
                at += cut;
            }
            let mut rest = Vec::with_capacity(SEGMENT_TARGET);
            rest.extend_from_slice(&data[at..]);
            data.truncate(at);
            if !lens.is_empty() {
                let turn = self.begin_turn()?;
                self.hand_out(Task::Piece { turn, data, lens })?;
            }
            if at_end {
                return Ok((total, failed));
            }
            data = rest;
        }
    }

    /// A turn of its own ends the file, after all of its pieces.
    fn end_long(&mut self, file: LongFile) -> Result<(), BackupError> {
        let turn = self.begin_turn()?;
        self.order.ends.insert(turn, file);
        let nothing = Fresh { data: Vec::new(), chunks: Vec::new() };
        self.order.early.insert(turn, Turn::Piece(Vec::new(), nothing));
        self.take_due()
    }

    /// The number of a new turn; waits while too many others wait for an earlier one.
    fn begin_turn(&mut self) -> Result<u64, BackupError> {
        while self.order.next - self.order.due >= TURNS_MAX {
            self.await_outcome()?;
        }
        let turn = self.order.next;
        self.order.next += 1;
        Ok(turn)
    }

    fn hand_out(&mut self, task: Task) -> Result<(), BackupError> {
        while self.order.tasks_under_way >= TASKS_MAX {
            self.await_outcome()?;
        }
        self.order.tasks_under_way += 1;
        self.tasks.send(task).map_err(|_| BackupError::Stopped)
    }

    fn await_outcome(&mut self) -> Result<(), BackupError> {
        let outcome = self.outcomes.recv().map_err(|_| BackupError::Stopped)?;
        self.order.tasks_under_way -= 1;
        match outcome {
            Outcome::Items { turn, items, fresh } => {
                self.order.early.insert(turn, Turn::Items(items, fresh));
                self.take_due()
            }
            Outcome::Piece { turn, chunks, fresh } => {
                self.order.early.insert(turn, Turn::Piece(chunks, fresh));
                self.take_due()
            }
            Outcome::Nodes { fresh } => self.send_on(fresh, |segments| &mut segments.nodes),
            Outcome::Segment => Ok(()),
            Outcome::Failed(error) => Err(error),
        }
    }

    fn take_due(&mut self) -> Result<(), BackupError> {
        if self.order.is_taking {
            return Ok(());
        }
        self.order.is_taking = true;
        let taken = self.take_in_order();
        self.order.is_taking = false;
        taken
    }

    fn take_in_order(&mut self) -> Result<(), BackupError> {
        while let Some(turn) = self.order.early.remove(&self.order.due) {
            let due = self.order.due;
            self.order.due += 1;
            match turn {
                Turn::Items(items, fresh) => {
                    self.send_on(fresh, |segments| &mut segments.content)?;
                    items.into_iter().try_for_each(|item| self.list_item(item))?;
                }
                Turn::Piece(chunks, fresh) => {
                    self.send_on(fresh, |segments| &mut segments.content)?;
                    let nodes = &mut self.listing.nodes;
                    chunks
                        .into_iter()
                        .for_each(|chunk| self.order.content.push(chunk, &mut |bytes| nodes.store(&bytes)));
                    if let Some(file) = self.order.ends.remove(&due) {
                        self.list_long(file)?;
                    }
                }
            }
            if self.listing.nodes.is_full() {
                self.hand_out_nodes()?;
            }
        }
        Ok(())
    }

    fn list_long(&mut self, file: LongFile) -> Result<(), BackupError> {
        let nodes = &mut self.listing.nodes;
        let content = std::mem::take(&mut self.order.content).finish(&mut |bytes| nodes.store(&bytes));
        if let Some(reason) = file.failed {
            return self.problem(&file.absolute, &reason);
        }
        if file.facts.changed {
            self.problem(&file.absolute, "it changed while it was read")?;
        }
        let entry = file_entry(file.facts, file.hard_link, content);
        self.list(&file.path, file.key, &entry.encode(), entry.size())
    }

    fn list_item(&mut self, item: DoneItem) -> Result<(), BackupError> {
        match item {
            DoneItem::Kept { path, key, body, size } => self.list(&path, key, &body, size),
            DoneItem::Special { path, key, entry } => self.list_entry(&path, key, &entry),
            DoneItem::Unreadable { absolute, reason } => self.problem(&absolute, &reason),
            DoneItem::File { path, key, facts, hard_link, chunks } => {
                if facts.changed {
                    self.problem(Path::new(&format!("/{path}")), "it changed while it was read")?;
                }
                let nodes = &mut self.listing.nodes;
                let mut content = ContentBuilder::new();
                chunks.into_iter().for_each(|chunk| content.push(chunk, &mut |bytes| nodes.store(&bytes)));
                let content = content.finish(&mut |bytes| nodes.store(&bytes));
                self.list_entry(&path, key, &file_entry(facts, hard_link, content))
            }
        }
    }

    fn list_entry(&mut self, path: &EntryPath, key: Option<Key>, entry: &Entry) -> Result<(), BackupError> {
        self.list(path, key, &entry.encode(), entry.size())
    }

    fn list(&mut self, path: &EntryPath, key: Option<Key>, body: &[u8], size: u64) -> Result<(), BackupError> {
        self.progress.bytes_seen.add(size);
        let Listing { builder, nodes } = &mut self.listing;
        builder.push(path, body, size, &mut |bytes| nodes.store(&bytes));
        if let Some(ledger) = &mut self.ledger {
            ledger.push(path, key, body).map_err(BackupError::Ledger)?;
        }
        Ok(())
    }

    fn problem(&mut self, absolute: &Path, reason: &str) -> Result<(), BackupError> {
        self.progress.problems.add(1);
        tracing::debug!(path = %absolute.display(), reason, "left out or doubtful");
        self.problems.count += 1;
        let text = &mut self.problems.text;
        text.extend(reason.bytes().map(|b| if b == b'\n' || b == b'\t' { b' ' } else { b }));
        text.push(b'\t');
        text.extend(bytes_of(absolute).iter().map(|b| if *b == b'\n' { b'?' } else { *b }));
        text.push(b'\n');
        if text.len() >= SEGMENT_TARGET / 8 {
            self.store_problems();
        }
        Ok(())
    }

    fn store_problems(&mut self) {
        let text = std::mem::take(&mut self.problems.text);
        if !text.is_empty() {
            let nodes = &mut self.listing.nodes;
            let chunk = Ref { id: nodes.store(&text), len: text.len() as u64 };
            self.problems.content.push(chunk, &mut |bytes| nodes.store(&bytes));
        }
    }

    fn hand_out_nodes(&mut self) -> Result<(), BackupError> {
        let nodes = &mut self.listing.nodes;
        let (data, chunks) = (std::mem::take(&mut nodes.data), std::mem::take(&mut nodes.chunks));
        if chunks.is_empty() { Ok(()) } else { self.hand_out(Task::Nodes { data, chunks }) }
    }

    /// Moves fresh chunks towards a segment.
    ///
    /// A buffer that is mostly fresh becomes the segment itself, without being copied; others are gathered.
    fn send_on(&mut self, fresh: Fresh, which: fn(&mut Segments) -> &mut OpenSegment) -> Result<(), BackupError> {
        let Fresh { mut data, chunks } = fresh;
        let bytes: usize = chunks.iter().map(|chunk| chunk.len).sum();
        if bytes >= SEGMENT_TARGET / 2 {
            let mut end = 0;
            for chunk in &chunks {
                data.copy_within(chunk.start..chunk.start + chunk.len, end);
                end += chunk.len;
            }
            data.truncate(end);
            let chunks = chunks.iter().map(Chunk::info).collect();
            return self.hand_out(Task::Segment { data, chunks });
        }
        for chunk in &chunks {
            if which(&mut self.segments).data.len() + chunk.len > SEGMENT_TARGET {
                self.hand_out_segment(which)?;
            }
            let open = which(&mut self.segments);
            if open.chunks.is_empty() {
                open.data.reserve_exact(SEGMENT_TARGET);
            }
            open.data.extend_from_slice(&data[chunk.start..chunk.start + chunk.len]);
            open.chunks.push(chunk.info());
        }
        Ok(())
    }

    fn hand_out_segment(&mut self, which: fn(&mut Segments) -> &mut OpenSegment) -> Result<(), BackupError> {
        let OpenSegment { data, chunks } = std::mem::take(which(&mut self.segments));
        if chunks.is_empty() { Ok(()) } else { self.hand_out(Task::Segment { data, chunks }) }
    }

    /// Ends the listing and waits until every segment is in a pack.
    pub(super) fn finish(mut self) -> Result<Collected, BackupError> {
        self.hand_out_batch()?;
        while self.order.due < self.order.next {
            self.await_outcome()?;
        }
        if self.base.as_mut().is_some_and(|base| !base.finish()) {
            return Err(BackupError::LedgerDamaged);
        }
        self.store_problems();
        let nodes = &mut self.listing.nodes;
        let problem_content = std::mem::take(&mut self.problems.content).finish(&mut |bytes| nodes.store(&bytes));
        let builder = std::mem::replace(&mut self.listing.builder, ListingBuilder::new(self.keys));
        let (root, totals) = builder.finish(&mut |bytes| nodes.store(&bytes));
        self.hand_out_nodes()?;
        while self.order.tasks_under_way > 0 {
            self.await_outcome()?;
        }
        self.hand_out_segment(|segments| &mut segments.content)?;
        self.hand_out_segment(|segments| &mut segments.nodes)?;
        while self.order.tasks_under_way > 0 {
            self.await_outcome()?;
        }
        let problems = (self.problems.count > 0).then_some(problem_content);
        Ok(Collected { root, totals, problem_count: self.problems.count, problems, ledger: self.ledger })
    }
}
