//! Who refers to which chunks, and which packs and rights follow from that.

use std::collections::{BTreeMap, HashMap, HashSet};

use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::ChunkId;

use super::super::OperationError;
use super::super::marks::{ChunkIndex, Marks, for_each_chunk};
use super::super::pace::Pace;
use super::super::site::Site;
use super::super::walk::{Guide, NodePlace, NodeRef, Walk};
use crate::catalog::chunks::ChunkFinder;
use crate::catalog::closure::{self, NodeKind};
use crate::catalog::packs::{self, Pack};
use crate::catalog::snapshots::{self, SnapshotBrief};
use crate::catalog::{CatalogError, MachineRow, PackRow};

/// Rights are written down in groups of about this many.
const RIGHTS: usize = 1 << 16;

/// What the snapshots of each machine refer to, as far as it is there.
pub(super) struct Reach<'r> {
    site: &'r Site,
    index: &'r ChunkIndex,
    walk: Walk<'r>,
    machines: BTreeMap<MachineRow, OfMachine>,
    /// Packs that were found unreadable on the way.
    unreadable: HashSet<PackRow>,
}

struct OfMachine {
    marks: Marks,
    /// Nodes that need not be followed again. Only while nothing is missing: else what is missing below one would be
    /// noticed for its first snapshot alone.
    nodes: HashSet<(ChunkId, NodeKind)>,
    complete: bool,
}

impl<'r> Reach<'r> {
    pub(super) fn new(site: &'r Site, index: &'r ChunkIndex) -> Result<Self, OperationError> {
        let walk = Walk::new(site)?;
        Ok(Self { site, index, walk, machines: BTreeMap::new(), unreadable: HashSet::new() })
    }

    /// Follows a snapshot; tells whether all of it is there.
    pub(super) fn follow(&mut self, snapshot: &SnapshotBrief) -> Result<bool, OperationError> {
        let found = self.site.catalog.reader().read(|tx| snapshots::by_row(tx, snapshot.row))?;
        let Some(found) = found else { return Ok(false) };
        let record = SnapshotRecord::decode(&found.signed.record)?;
        let new = || OfMachine { marks: self.index.no_marks(), nodes: HashSet::new(), complete: true };
        let of_machine = self.machines.entry(snapshot.machine).or_insert_with(new);
        let mut damaged = false;
        loop {
            if !of_machine.complete {
                of_machine.nodes.clear();
            }
            let mut follower = Follower {
                site: self.site,
                index: self.index,
                unreadable: &self.unreadable,
                of_machine,
                missing: false,
            };
            let walked = self.walk.snapshot(&record, &mut follower);
            damaged |= follower.missing;
            match walked {
                Ok(()) => break,
                // Once more, around that pack.
                Err(OperationError::DamagedPack { pack, .. }) => {
                    let rows = self.site.catalog.reader().read(|tx| packs::all_by_id(tx, &pack))?;
                    let before = self.unreadable.len();
                    self.unreadable.extend(rows.iter().map(|pack| pack.row));
                    (damaged, of_machine.complete) = (true, false);
                    if self.unreadable.len() == before {
                        break;
                    }
                }
                Err(OperationError::Node(_)) => {
                    damaged = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        of_machine.complete &= !damaged;
        Ok(!damaged)
    }
}

struct Follower<'f> {
    site: &'f Site,
    index: &'f ChunkIndex,
    unreadable: &'f HashSet<PackRow>,
    of_machine: &'f mut OfMachine,
    missing: bool,
}

impl Follower<'_> {
    fn mark(&mut self, id: &ChunkId) {
        match self.index.number(id) {
            Some(number) => {
                self.of_machine.marks.set(number);
            }
            None => self.missing = true,
        }
    }
}

impl Guide for Follower<'_> {
    type Error = OperationError;

    fn choose(&mut self, nodes: &[NodeRef]) -> Result<Vec<Option<NodePlace>>, OperationError> {
        self.site.check_running()?;
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let (mut finder, mut places) = (ChunkFinder::new(tx)?, Vec::new());
            let mut chosen = Vec::with_capacity(nodes.len());
            for node in nodes {
                if !self.of_machine.nodes.insert((node.id, node.kind)) {
                    chosen.push(None);
                    continue;
                }
                self.mark(&node.id);
                finder.find(&node.id, &mut places)?;
                let place = places.iter().find(|place| !self.unreadable.contains(&place.pack));
                self.missing |= place.is_none();
                chosen.push(place.map(NodePlace::of));
            }
            Ok(chosen)
        })
    }

    fn chunks(&mut self, chunks: &[(ChunkId, u64)]) -> Result<(), OperationError> {
        chunks.iter().for_each(|(id, _)| self.mark(id));
        Ok(())
    }
}

/// Gives packs to the machines that refer to all of them, and to every machine the right to what else it refers to.
pub(super) fn assign(site: &Site, packs: &[Pack], index: &ChunkIndex, reach: Reach<'_>) -> Result<(), OperationError> {
    let machines = reach.machines;
    let marked = |machine: &OfMachine, id: &ChunkId| index.number(id).is_some_and(|number| machine.marks.get(number));
    let mut reached: HashMap<(PackRow, MachineRow), u64> = HashMap::new();
    for_each_chunk(site, Pace::Steady, &mut |id, places| {
        for (machine, _) in machines.iter().filter(|(_, machine)| marked(machine, id)) {
            for (pack, _) in places {
                *reached.entry((*pack, *machine)).or_default() += 1;
            }
        }
    })?;
    let mut owners: HashMap<PackRow, MachineRow> = HashMap::new();
    for pack in packs.iter().filter(|pack| pack.chunks > 0) {
        let reaches_all = |machine: &&MachineRow| reached.get(&(pack.row, **machine)) == Some(&pack.chunks);
        if let Some(owner) = machines.keys().find(reaches_all) {
            owners.insert(pack.row, *owner);
        }
    }
    write(site, |tx| owners.iter().try_for_each(|(pack, owner)| packs::set_machine(tx, *pack, *owner)))?;

    let mut rights: BTreeMap<MachineRow, Vec<ChunkId>> = BTreeMap::new();
    let mut failed = Ok(());
    let mut count = 0;
    for_each_chunk(site, Pace::Steady, &mut |id, places| {
        for (machine, _) in machines.iter().filter(|(_, machine)| marked(machine, id)) {
            if places.iter().all(|(pack, _)| owners.get(pack) != Some(machine)) {
                rights.entry(*machine).or_default().push(*id);
                count += 1;
            }
        }
        if count >= RIGHTS && failed.is_ok() {
            failed = grant(site, &mut rights);
            count = 0;
        }
    })?;
    failed?;
    grant(site, &mut rights)
}

fn grant(site: &Site, rights: &mut BTreeMap<MachineRow, Vec<ChunkId>>) -> Result<(), OperationError> {
    let mut rights = std::mem::take(rights);
    write(site, |tx| rights.iter_mut().try_for_each(|(machine, ids)| closure::insert_foreign(tx, *machine, ids)))
}

fn write(
    site: &Site,
    change: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), CatalogError>,
) -> Result<(), OperationError> {
    site.catalog.writer().write(change).map_err(OperationError::from)
}
