//! Which chunks the snapshots of each machine refer to.
//!
//! Memory: 8 bytes a chunk in the catalog, 1 bit a chunk and machine, and about 30 bytes a node of a listing: 128 MiB
//! and 2 MiB a machine for 16 Mi chunks. Two ids that begin with the same 8 bytes count as one, so that at worst
//! something stays that could go.

use std::collections::{BTreeMap, HashSet};

use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::ChunkId;

use super::OperationError;
use super::pace::Pace;
use super::readable::Readable;
use super::site::Site;
use super::walk::{Guide, NodePlace, NodeRef, Walk};
use crate::catalog::chunks;
use crate::catalog::closure::{self, NodeKind};
use crate::catalog::snapshots::{self, SnapshotBrief};
use crate::catalog::{MachineRow, PackRow, SnapshotRow};

/// The chunks of the catalog, numbered in the order of their ids. Those that come later have no number.
pub(super) struct ChunkIndex {
    firsts: Vec<u64>,
}

impl ChunkIndex {
    /// Numbers the chunks; `chunks`: how many rows there are about.
    pub(super) fn read(site: &Site, chunks: u64, pace: Pace) -> Result<Self, OperationError> {
        let mut firsts: Vec<u64> = Vec::with_capacity(usize::try_from(chunks).unwrap_or(0));
        for slice in 0..=u8::MAX {
            site.breathe(pace)?;
            site.catalog.reader().read(|tx| {
                chunks::for_each_in(tx, slice, &mut |id, _, _| {
                    let first = first_of(&id);
                    if firsts.last() != Some(&first) {
                        firsts.push(first);
                    }
                })
            })?;
        }
        Ok(Self { firsts })
    }

    /// The number of a chunk; `None` when it came later.
    pub(super) fn number(&self, id: &ChunkId) -> Option<usize> {
        self.firsts.binary_search(&first_of(id)).ok()
    }

    fn len(&self) -> usize {
        self.firsts.len()
    }

    /// No chunk is marked.
    pub(super) fn no_marks(&self) -> Marks {
        Marks(vec![0; self.len().div_ceil(64)])
    }
}

/// The first 8 bytes, most significant first, so that numbers and ids have the same order.
fn first_of(id: &ChunkId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// One bit for each chunk of an index.
pub(super) struct Marks(Vec<u64>);

impl Marks {
    /// Marks a chunk; tells whether it was not marked before.
    pub(super) fn set(&mut self, number: usize) -> bool {
        let bit = 1 << (number % 64);
        match self.0.get_mut(number / 64) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn get(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// What the snapshots of one machine refer to.
pub(super) struct MachineMarks {
    marks: Marks,
    nodes: HashSet<(ChunkId, NodeKind)>,
    /// Why it is not known completely: then nothing of this machine may go.
    held_back: Option<String>,
}

/// The marks of all machines.
pub(super) struct Marking<'s> {
    site: &'s Site,
    pub(super) index: ChunkIndex,
    walk: Walk<'s>,
    machines: BTreeMap<MachineRow, MachineMarks>,
    /// The snapshots that were marked.
    snapshots: HashSet<SnapshotRow>,
    /// Chunks that were marked after decisions had been made; `None` before that.
    late: Option<Vec<ChunkId>>,
}

impl<'s> Marking<'s> {
    pub(super) fn new(site: &'s Site, index: ChunkIndex) -> Result<Self, OperationError> {
        let walk = Walk::new(site)?;
        Ok(Self { site, index, walk, machines: BTreeMap::new(), snapshots: HashSet::new(), late: None })
    }

    /// Marks what a snapshot refers to. A listing that cannot be read to its end holds its machine back.
    pub(super) fn mark(&mut self, snapshot: &SnapshotBrief) -> Result<(), OperationError> {
        if !self.snapshots.insert(snapshot.row) {
            return Ok(());
        }
        let found = self.site.catalog.reader().read(|tx| snapshots::by_row(tx, snapshot.row))?;
        let Some(found) = found else { return Ok(()) };
        let no_marks = || MachineMarks { marks: self.index.no_marks(), nodes: HashSet::new(), held_back: None };
        let of_machine = self.machines.entry(snapshot.machine).or_insert_with(no_marks);
        if of_machine.held_back.is_some() {
            return Ok(());
        }
        let mut marker =
            Marker { site: self.site, index: &self.index, machine: snapshot.machine, of_machine, late: &mut self.late };
        let marked = SnapshotRecord::decode(&found.signed.record)
            .map_err(OperationError::from)
            .and_then(|record| self.walk.snapshot(&record, &mut marker));
        match marked {
            Ok(()) => Ok(()),
            Err(e @ (OperationError::DamagedPack { .. } | OperationError::ChunkGone(_) | OperationError::Node(_))) => {
                self.hold_back(snapshot, &e)
            }
            Err(e) => Err(e),
        }
    }

    /// What of the machine is alive is not known, so all of it counts as alive, also what it uses of others.
    fn hold_back(&mut self, snapshot: &SnapshotBrief, error: &OperationError) -> Result<(), OperationError> {
        let Some(of_machine) = self.machines.get_mut(&snapshot.machine) else { return Ok(()) };
        of_machine.held_back = Some(format!("snapshot {}: {error}", snapshot.id));
        let (index, late) = (&self.index, &mut self.late);
        self.site.catalog.reader().read(|tx| {
            closure::for_each_foreign(tx, snapshot.machine, &mut |id| mark_in(of_machine, index, late, &id))
        })?;
        Ok(())
    }

    /// From now on, what is newly marked is remembered.
    pub(super) fn watch(&mut self) {
        self.late = Some(Vec::new());
    }

    /// What was marked since the last time.
    pub(super) fn take_late(&mut self) -> Vec<ChunkId> {
        self.late.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn has_marked(&self, snapshot: SnapshotRow) -> bool {
        self.snapshots.contains(&snapshot)
    }

    /// Whether a snapshot of the machine refers to the chunk.
    pub(super) fn is_marked(&self, machine: MachineRow, number: usize) -> bool {
        self.machines.get(&machine).is_some_and(|of_machine| of_machine.marks.get(number))
    }

    /// All machines of which a snapshot refers to the chunk.
    pub(super) fn marked_by(&self, number: usize) -> impl Iterator<Item = MachineRow> {
        self.machines.iter().filter(move |(_, of_machine)| of_machine.marks.get(number)).map(|(row, _)| *row)
    }

    pub(super) fn is_held_back(&self, machine: MachineRow) -> bool {
        self.machines.get(&machine).is_some_and(|of_machine| of_machine.held_back.is_some())
    }

    /// Machines that are held back, and why.
    pub(super) fn held_back(&self) -> impl Iterator<Item = (MachineRow, &str)> {
        self.machines.iter().filter_map(|(row, of_machine)| Some((*row, of_machine.held_back.as_deref()?)))
    }

    /// Whether a node is reached as what it was remembered for.
    pub(super) fn reaches_node(&self, machine: MachineRow, id: &ChunkId, kind: NodeKind) -> bool {
        self.machines.get(&machine).is_some_and(|of_machine| of_machine.nodes.contains(&(*id, kind)))
    }
}

fn mark_in(of_machine: &mut MachineMarks, index: &ChunkIndex, late: &mut Option<Vec<ChunkId>>, id: &ChunkId) {
    if let Some(number) = index.number(id)
        && of_machine.marks.set(number)
        && let Some(late) = late
    {
        late.push(*id);
    }
}

struct Marker<'m> {
    site: &'m Site,
    index: &'m ChunkIndex,
    machine: MachineRow,
    of_machine: &'m mut MachineMarks,
    late: &'m mut Option<Vec<ChunkId>>,
}

impl Guide for Marker<'_> {
    type Error = OperationError;

    fn choose(&mut self, nodes: &[NodeRef]) -> Result<Vec<Option<NodePlace>>, OperationError> {
        self.site.check_running()?;
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let mut readable = Readable::new(tx, self.machine)?;
            let mut chosen = Vec::with_capacity(nodes.len());
            for node in nodes {
                if !self.of_machine.nodes.insert((node.id, node.kind)) {
                    chosen.push(None);
                    continue;
                }
                mark_in(self.of_machine, self.index, self.late, &node.id);
                chosen.push(Some(NodePlace::of(&readable.demand(&node.id)?)));
            }
            Ok(chosen)
        })
    }

    fn chunks(&mut self, chunks: &[(ChunkId, u64)]) -> Result<(), OperationError> {
        for (id, _) in chunks {
            mark_in(self.of_machine, self.index, self.late, id);
        }
        Ok(())
    }
}

/// Sees a chunk, and in which packs it is with which length.
pub(super) type VisitChunk<'v> = dyn FnMut(&ChunkId, &[(PackRow, u32)]) + 'v;

/// Every chunk slice by slice and id by id, with the packs that hold it.
pub(super) fn for_each_chunk(site: &Site, pace: Pace, visit: &mut VisitChunk<'_>) -> Result<(), OperationError> {
    let mut places = Vec::new();
    for slice in 0..=u8::MAX {
        site.breathe(pace)?;
        let mut current: Option<ChunkId> = None;
        site.catalog.reader().read(|tx| {
            chunks::for_each_in(tx, slice, &mut |id, pack, len| {
                if current != Some(id) {
                    if let Some(done) = current.replace(id) {
                        visit(&done, &places);
                    }
                    places.clear();
                }
                places.push((pack, len));
            })
        })?;
        if let Some(done) = current {
            visit(&done, &places);
        }
        places.clear();
    }
    Ok(())
}
