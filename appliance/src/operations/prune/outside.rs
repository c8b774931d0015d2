//! What is kept outside only: which snapshots may be left to the other boxes, what they need there, and packs that give up their
//! files here. Decision 0038.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::ChunkId;

use super::super::OperationError;
use super::super::dispersal::{Circle, Keepers};
use super::super::readable::Readable;
use super::super::site::{Site, lock};
use super::super::verify::read_directory;
use super::super::walk::{Guide, NodePlace, NodeRef, Walk};
use super::plan::{Kept, Plan, Why};
use crate::catalog::chunks::ChunkAt;
use crate::catalog::closure::NodeKind;
use crate::catalog::dispersal::kept_outside;
use crate::catalog::packs::{Pack, PackState};
use crate::catalog::snapshots::{self, SnapshotBrief};
use crate::catalog::{CatalogError, MachineRow, PackRow, packs};

/// So many snapshots leave in one run at most: each has its listing read and its packs written down, and others wait for that. The
/// next run goes on.
const LEAVING_MAX: usize = 64;

/// What the other boxes keep alone, and what may be left to them.
pub(super) struct Outside {
    /// `None`: nothing more may be left to them now.
    keepers: Option<Keepers>,
    /// Snapshots that leave with this run, and the packs that each needs.
    pub(super) leaving: Vec<(SnapshotBrief, HashSet<PackRow>)>,
    /// Packs that snapshots need which are kept outside only, with those that leave.
    needed: HashSet<PackRow>,
    /// Of these, packs that snapshots need which are wanted here again.
    recalled: HashSet<PackRow>,
}

impl Outside {
    /// Looks at what the plan lets leave. What cannot be left to the others yet goes back among what stays here.
    pub(super) fn look(site: &Site, circle: Option<&Circle>, plan: &mut Plan) -> Result<Self, OperationError> {
        let keepers = match circle {
            Some(circle) => Keepers::of(site, circle)?,
            None => None,
        };
        // What is about to expire needs nothing any more: the brake counts what goes with it.
        let expired: Vec<_> = plan.expired.iter().map(|snapshot| snapshot.row).collect();
        let mut needed = site.catalog.reader().read(|tx| kept_outside::needed(tx, &expired))?;
        let mut leaving = Vec::new();
        for leaver in std::mem::take(&mut plan.leaving) {
            site.check_running()?;
            let needs = match &keepers {
                Some(keepers) if leaving.len() < LEAVING_MAX => needs_of(site, keepers, &leaver.snapshot)?,
                Some(_) | None => None,
            };
            match needs {
                Some(packs) => {
                    needed.extend(&packs);
                    leaving.push((leaver.snapshot, packs));
                }
                None => plan.kept.push(not_yet(leaver)),
            }
        }
        let mut recalled = HashSet::new();
        for kept in &plan.recalled {
            recalled.extend(site.catalog.reader().read(|tx| kept_outside::needs_of(tx, kept.snapshot.row))?);
        }
        Ok(Self { keepers, leaving, needed, recalled })
    }

    /// Whether a snapshot needs a pack that is kept outside only, or is from now on.
    pub(super) fn needs(&self, pack: PackRow) -> bool {
        self.needed.contains(&pack)
    }

    /// Whether such a snapshot is wanted here again.
    pub(super) fn recalls(&self, pack: PackRow) -> bool {
        self.recalled.contains(&pack)
    }

    /// Writes down which snapshots are kept outside only, except those that a backup has come to rest on meanwhile, and which of
    /// them are wanted here again.
    pub(super) fn note(&self, site: &Site, plan: &Plan) -> Result<Vec<SnapshotBrief>, OperationError> {
        let now = site.clock.now();
        let mut gone = Vec::new();
        for (snapshot, packs) in &self.leaving {
            site.check_running()?;
            // Whoever begins a backup looks for its base and pins it under the same lock, and waits for one snapshot at most.
            let _pins = lock(&site.pins);
            if site.sessions.pinned().contains(&snapshot.row) {
                continue;
            }
            let written = site.catalog.writer().write(|tx| kept_outside::send_out(tx, snapshot.row, packs, now));
            written.map_err(|e: CatalogError| site.noted(e.into()))?;
            gone.push(snapshot.clone());
        }
        let written = site.catalog.writer().write(|tx| {
            plan.recalled.iter().try_for_each(|kept| kept_outside::recall(tx, kept.snapshot.row, true, now))?;
            plan.outside.iter().try_for_each(|kept| kept_outside::recall(tx, kept.snapshot.row, false, now))
        });
        written.map_err(|e: CatalogError| site.noted(e.into()))?;
        Ok(gone)
    }

    /// Gives up the file of a condemned pack that is needed outside, once the others have all of it; its rows stay. Whether it did.
    pub(super) fn give_up(&self, site: &Site, pack: &Pack) -> Result<bool, OperationError> {
        let Some(keepers) = &self.keepers else { return Ok(false) };
        if !site.catalog.reader().read(|tx| keepers.have(tx, &pack.id))? {
            return Ok(false);
        }
        // What cannot be read here is no reason to let go of it: it would be found out to be damaged first.
        let directory = match read_directory(site, &pack.id) {
            Ok(directory) => directory,
            Err(OperationError::DamagedPack { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        site.awaited.keep_directory(&pack.id, &directory)?;
        let now = site.clock.now();
        let written = site.catalog.writer().write(|tx| {
            let present = packs::by_row(tx, pack.row)?;
            let is_same = present.is_some_and(|p| (p.state, p.condemned_at) == (pack.state, pack.condemned_at));
            if !is_same || !keepers.have(tx, &pack.id)? {
                return Ok(false);
            }
            packs::set_outside(tx, pack, now)?;
            // A commit that has found the pack among the condemned looks again.
            site.sweeps.fetch_add(1, Ordering::SeqCst);
            Ok(true)
        });
        written.map_err(|e: CatalogError| site.noted(e.into()))
    }
}

fn not_yet(leaver: Kept) -> Kept {
    let why = match leaver.why {
        Why::OutsideOnly(reason) => Why::NotYetOutside(reason),
        other => other,
    };
    Kept { why, ..leaver }
}

/// The packs that a snapshot rests on. `None`: the others do not have all of them yet, or it cannot be read to its end here.
fn needs_of(
    site: &Site,
    keepers: &Keepers,
    snapshot: &SnapshotBrief,
) -> Result<Option<HashSet<PackRow>>, OperationError> {
    let Some(found) = site.catalog.reader().read(|tx| snapshots::by_row(tx, snapshot.row))? else { return Ok(None) };
    let record = SnapshotRecord::decode(&found.signed.record)?;
    let mut needs =
        Needs { site, machine: snapshot.machine, keepers, nodes: HashSet::new(), packs: HashSet::new(), is_safe: true };
    match Walk::new(site)?.snapshot(&record, &mut needs) {
        Ok(()) if needs.is_safe => Ok(Some(needs.packs)),
        Ok(()) => Ok(None),
        Err(e @ (OperationError::DamagedPack { .. } | OperationError::ChunkGone(_) | OperationError::Node(_))) => {
            tracing::warn!(snapshot = %snapshot.id, error = %e, "A snapshot cannot be left to the other boxes, since it is damaged here");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Notes which packs a snapshot rests on, and whether the others have them.
struct Needs<'n> {
    site: &'n Site,
    machine: MachineRow,
    keepers: &'n Keepers,
    nodes: HashSet<(ChunkId, NodeKind)>,
    packs: HashSet<PackRow>,
    is_safe: bool,
}

impl Needs<'_> {
    /// The place that is best read, like whoever restores it finds it.
    fn place(
        &mut self,
        tx: &rusqlite::Transaction<'_>,
        readable: &mut Readable<'_>,
        id: &ChunkId,
    ) -> Result<ChunkAt, OperationError> {
        let best = readable.demand(id)?;
        if self.is_safe && self.packs.insert(best.pack) {
            let pack = packs::by_row(tx, best.pack)?.ok_or(OperationError::ChunkGone(*id))?;
            self.is_safe = pack.state != PackState::Damaged && self.keepers.have(tx, &pack.id)?;
        }
        Ok(best)
    }
}

impl Guide for Needs<'_> {
    type Error = OperationError;

    fn choose(&mut self, nodes: &[NodeRef]) -> Result<Vec<Option<NodePlace>>, OperationError> {
        self.site.check_running()?;
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let mut readable = Readable::new(tx, self.machine)?;
            let mut chosen = Vec::with_capacity(nodes.len());
            for node in nodes {
                // Once it is known not to be safe, nothing more has to be read.
                if !self.is_safe || !self.nodes.insert((node.id, node.kind)) {
                    chosen.push(None);
                    continue;
                }
                chosen.push(Some(NodePlace::of(&self.place(tx, &mut readable, &node.id)?)));
            }
            Ok(chosen)
        })
    }

    fn chunks(&mut self, chunks: &[(ChunkId, u64)]) -> Result<(), OperationError> {
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let mut readable = Readable::new(tx, self.machine)?;
            for (id, _) in chunks {
                if !self.is_safe {
                    break;
                }
                self.place(tx, &mut readable, id)?;
            }
            Ok(())
        })
    }
}
