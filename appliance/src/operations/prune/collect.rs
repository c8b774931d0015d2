//! Doing what was decided: copy, condemn, and delete what was condemned long enough ago.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;

use datis_engine::ids::ChunkId;

use super::super::OperationError;
use super::super::copier::Copier;
use super::super::marks::Marking;
use super::super::site::{Site, lock};
use super::super::verify::read_directory;
use super::outside::Outside;
use super::sweep::{Decisions, Homes, without};
use super::{PruneOptions, PruneReport};
use crate::catalog::chunks::ChunkFinder;
use crate::catalog::dispersal::kept_outside;
use crate::catalog::packs::{Pack, PackState};
use crate::catalog::snapshots::{Lifecycle, SnapshotBrief};
use crate::catalog::{CatalogError, MachineRow, PackRow, closure, machines, packs, snapshots};

/// How often snapshots that came meanwhile are followed before the run leaves its work to the next one.
const ATTEMPTS: usize = 16;

/// Carries out decisions.
pub(super) struct Collection<'c> {
    pub(super) site: &'c Site,
    pub(super) options: &'c PruneOptions,
    /// The packs that were judged.
    pub(super) packs: &'c HashMap<PackRow, Pack>,
    /// What the other boxes keep alone.
    pub(super) outside: &'c Outside,
}

impl Collection<'_> {
    pub(super) fn run(
        &self,
        marking: &mut Marking<'_>,
        mut decisions: Decisions,
        report: &mut PruneReport,
    ) -> Result<(), OperationError> {
        let rewritten = self.rewrite(marking, &decisions.rewrite, report)?;
        decisions.condemn.extend(rewritten);
        let deletable = self.condemn(marking, decisions, report)?;
        (report.deleted_packs, report.deleted_bytes) = (0, 0);
        for pack in deletable {
            self.site.breathe(self.options.pace)?;
            if self.outside.needs(pack.row) {
                if self.outside.give_up(self.site, &pack)? {
                    report.given_up_packs += 1;
                    report.given_up_bytes += pack.bytes;
                }
            } else if self.delete(&pack)? {
                report.deleted_packs += 1;
                report.deleted_bytes += pack.bytes;
            }
        }
        self.site.complete_deletions()?;
        Ok(())
    }

    /// Copies what is alive of these packs; gives those of which everything is durable elsewhere.
    fn rewrite(
        &self,
        marking: &Marking<'_>,
        rewrite: &[Pack],
        report: &mut PruneReport,
    ) -> Result<Vec<Pack>, OperationError> {
        let site = self.site;
        let homes = Homes { packs: self.packs, marking };
        let mut of_machines: BTreeMap<MachineRow, Vec<&Pack>> = BTreeMap::new();
        for pack in rewrite {
            of_machines.entry(pack.machine).or_default().push(pack);
        }
        let mut rewritten = Vec::new();
        // Less than half of each is copied, and the last copies are not on the disk yet.
        let mut copied_max = 0;
        for (machine, of_machine) in of_machines {
            let mut copier = Copier::new(site, machine)?;
            let mut copied = Vec::new();
            for pack in of_machine {
                copied_max += pack.bytes / 2;
                // Copies need room before what they replace gives it back.
                if !site.has_room_to_collect(copied_max)? {
                    tracing::warn!("The disk has no room to rewrite packs; only whole packs are collected");
                    break;
                }
                let wanted = |id: &_| {
                    site.catalog
                        .reader()
                        .read(|tx| {
                            let (mut places, mut found) = (Vec::new(), Vec::new());
                            ChunkFinder::new(tx)?.find(id, &mut places)?;
                            homes.find(id, places.iter().map(|place| place.pack), &mut found);
                            Ok::<_, CatalogError>(found.contains(&pack.row))
                        })
                        .map_err(OperationError::from)
                };
                match copier.copy(pack, &wanted, self.options.pace) {
                    Ok(()) => copied.push(pack.clone()),
                    // It is noted as damaged by now, and stays.
                    Err(OperationError::DamagedPack { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            report.rewritten_bytes += copier.finish()?;
            rewritten.extend(copied);
        }
        report.rewritten_packs = rewritten.len() as u64;
        Ok(rewritten)
    }

    /// Condemns, in one transaction, after all snapshots that came meanwhile were followed as well. Gives the packs
    /// that may be deleted now.
    fn condemn(
        &self,
        marking: &mut Marking<'_>,
        mut decisions: Decisions,
        report: &mut PruneReport,
    ) -> Result<Vec<Pack>, OperationError> {
        let site = self.site;
        marking.watch();
        for _ in 0..ATTEMPTS {
            // No backup begins meanwhile: it could be told that a chunk is there and yet seem to have begun afterwards.
            let pins = lock(&site.pins);
            let now = site.clock.now();
            let missed = site.catalog.writer().write(|tx| {
                let missed = unmarked(tx, marking)?;
                if missed.is_empty() {
                    for pack in &decisions.condemn {
                        packs::condemn(tx, pack.row, now)?;
                    }
                    for pack in &decisions.revive {
                        packs::revive(tx, pack.row)?;
                    }
                    forget_dead_nodes(tx, marking)?;
                    // Whoever checked a closure before has to check it again.
                    site.sweeps.fetch_add(1, Ordering::SeqCst);
                }
                Ok::<_, CatalogError>(missed)
            })?;
            drop(pins);
            if missed.is_empty() {
                report.condemned_packs = decisions.condemn.len() as u64;
                report.condemned_bytes = decisions.condemn.iter().map(|pack| pack.bytes).sum();
                return self.deletable(decisions);
            }
            for snapshot in &missed {
                marking.mark(snapshot)?;
            }
            spare(site, marking, &mut decisions)?;
        }
        tracing::info!("Backups came in too fast for a collection; the next one goes on");
        (report.condemned_packs, report.condemned_bytes, report.revived_packs) = (0, 0, 0);
        Ok(Vec::new())
    }

    /// The packs whose grace period is over.
    fn deletable(&self, decisions: Decisions) -> Result<Vec<Pack>, OperationError> {
        let Decisions { condemn, waiting, useless, .. } = decisions;
        let condemned = condemn.into_iter().chain(waiting);
        let now = self.site.catalog.reader().read(|tx| {
            condemned
                .map(|pack| packs::by_row(tx, pack.row))
                .filter_map(Result::transpose)
                .collect::<Result<Vec<_>, _>>()
        })?;
        let due = now.into_iter().filter(|pack| is_due(self.site, pack, self.options));
        Ok(due.chain(useless).collect())
    }

    /// Removes a pack from the catalog, unless somebody has come to need it; its object goes afterwards.
    fn delete(&self, pack: &Pack) -> Result<bool, OperationError> {
        let site = self.site;
        // With the directory, the rows of its chunks are found without a scan.
        let directory = read_directory(site, &pack.id).ok();
        let deleted = site.catalog.writer().write(|tx| {
            let Some(now) = packs::by_row(tx, pack.row)? else { return Ok(false) };
            // A snapshot that was about to expire may have been spared.
            if kept_outside::is_needed(tx, pack.row)? {
                return Ok(false);
            }
            if now.state != pack.state || now.condemned_at != pack.condemned_at {
                return Ok(false);
            }
            packs::delete(tx, &now, directory.as_ref())?;
            site.sweeps.fetch_add(1, Ordering::SeqCst);
            Ok::<_, CatalogError>(true)
        })?;
        Ok(deleted)
    }
}

/// Whether a condemned pack has waited long enough: for the grace period, and for every backup that began before it
/// was condemned and may have been told that its chunks are there.
pub(super) fn is_due(site: &Site, pack: &Pack, options: &PruneOptions) -> bool {
    let (PackState::Condemned, Some(condemned_at)) = (pack.state, pack.condemned_at) else { return false };
    #[cfg(feature = "plant")]
    if super::super::site::planted("gc-without-grace") {
        // Planted bug: nobody is waited for.
        return true;
    }
    let waited = condemned_at.plus(options.grace) <= site.clock.now();
    waited && site.sessions.oldest().is_none_or(|began| began > condemned_at)
}

fn unmarked(tx: &rusqlite::Transaction<'_>, marking: &Marking<'_>) -> Result<Vec<SnapshotBrief>, CatalogError> {
    #[cfg(feature = "plant")]
    if super::super::site::planted("gc-without-grace") {
        // Planted bug: what came meanwhile is overlooked.
        return Ok(Vec::new());
    }
    let all = snapshots::all(tx)?.into_iter();
    Ok(all.filter(|s| s.lifecycle == Lifecycle::Live && !s.is_outside && !marking.has_marked(s.row)).collect())
}

/// Nodes that no snapshot reaches may rest on what is condemned now, and so may rights to other machines' chunks.
fn forget_dead_nodes(tx: &rusqlite::Transaction<'_>, marking: &Marking<'_>) -> Result<(), CatalogError> {
    let rest_outside = kept_outside::machines(tx)?;
    for machine in machines::all(tx)?.into_iter().map(|m| m.row).filter(|m| !marking.is_held_back(*m)) {
        closure::retain_nodes(tx, machine, &|id, kind| marking.reaches_node(machine, id, kind))?;
        // A chunk without a number came later, and nothing was decided about it.
        let is_live = |id: &_| marking.index.number(id).is_none_or(|number| marking.is_marked(machine, number));
        // What its snapshots refer to that are kept outside only is not followed.
        let outside =
            if rest_outside.contains(&machine) { used_outside(tx, machine, &is_live)? } else { HashSet::new() };
        closure::retain_foreign(tx, machine, &|id| is_live(id) || outside.contains(id))?;
    }
    Ok(())
}

/// Of what a machine may use of others, and is not `live`, the chunks in packs that snapshots need which are kept outside only: which
/// of these chunks its own ones refer to is not known.
fn used_outside(
    tx: &rusqlite::Transaction<'_>,
    machine: MachineRow,
    is_live: &dyn Fn(&ChunkId) -> bool,
) -> Result<HashSet<ChunkId>, CatalogError> {
    let mut asked = Vec::new();
    closure::for_each_foreign(tx, machine, &mut |id| asked.extend((!is_live(&id)).then_some(id)))?;
    let (mut finder, mut places, mut used) = (ChunkFinder::new(tx)?, Vec::new(), HashSet::new());
    for id in asked {
        finder.find(&id, &mut places)?;
        for place in &places {
            if kept_outside::is_needed(tx, place.pack)? {
                used.insert(id);
            }
        }
    }
    Ok(used)
}

/// Leaves alone what snapshots have come to need after it was decided on.
fn spare(site: &Site, marking: &mut Marking<'_>, decisions: &mut Decisions) -> Result<(), OperationError> {
    let late = marking.take_late();
    let holders = site.catalog.reader().read(|tx| {
        let (mut finder, mut places, mut holders) = (ChunkFinder::new(tx)?, Vec::new(), HashSet::new());
        for id in &late {
            finder.find(id, &mut places)?;
            holders.extend(places.iter().map(|place| place.pack));
        }
        Ok::<_, CatalogError>(holders)
    })?;
    for packs in [&mut decisions.condemn, &mut decisions.waiting, &mut decisions.useless] {
        let spared = without(std::mem::take(packs), &holders);
        *packs = spared.into_iter().filter(|pack| !marking.is_held_back(pack.machine)).collect();
    }
    Ok(())
}
