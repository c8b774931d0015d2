//! What is kept outside only, taken over from the old catalog: its packs are not in the store, and nobody reads them from the others
//! for this. Their directories are kept here.

use std::collections::{BTreeMap, HashMap, HashSet};

use datis_engine::ids::{ChunkId, MachineId, PackId, SnapshotId};

use super::super::OperationError;
use super::super::site::Site;
use crate::catalog::dispersal::kept_outside::{self, SavedOutside};
use crate::catalog::dispersal::stripes;
use crate::catalog::packs::{NewPack, Pack, PackState};
use crate::catalog::snapshots::SnapshotBrief;
use crate::catalog::{CatalogError, MachineRow, PackRow, closure, machines, packs, snapshots};

/// Enters the packs whose directories are here; how many there are.
pub(super) fn enter_packs(site: &Site, saved: &SavedOutside, owner: MachineRow) -> Result<u64, OperationError> {
    let mut chunks = 0;
    let mut entered = HashSet::new();
    for (id, _, bytes, outside_at) in &saved.packs {
        let (Some(at), true) = (outside_at, entered.insert(*id)) else { continue };
        let Some(directory) = site.awaited.directory(id) else {
            tracing::error!(pack = %id, "The directory of a pack that is kept outside only is gone; its snapshots are damaged");
            continue;
        };
        chunks += directory.chunks.len() as u64;
        let new = NewPack { id: *id, machine: owner, bytes: *bytes, directory, is_copy: true };
        let now = site.clock.now();
        write(site, |tx| {
            packs::insert_many(tx, &[new], now)?;
            kept_outside::set_pack_outside(tx, id, *at)
        })?;
    }
    Ok(chunks)
}

/// Snapshots that need not be followed: all packs that they need have a row again. Whether the packs can be had as well is known
/// once the map was taken over ([`out_of_reach`]).
pub(super) fn known_snapshots(site: &Site, saved: &SavedOutside) -> Result<HashSet<SnapshotId>, OperationError> {
    let known: HashSet<PackId> =
        site.catalog.reader().read(|tx| packs::all(tx))?.into_iter().map(|pack| pack.id).collect();
    let is_known = |needs: &[PackId]| !needs.is_empty() && needs.iter().all(|pack| known.contains(pack));
    Ok(saved.snapshots.iter().filter(|(_, _, needs)| is_known(needs)).map(|(id, ..)| *id).collect())
}

/// Writes down again what these snapshots need, whose their packs are, and what their machines may use of others. After the packs
/// that the other snapshots show were given to their machines.
pub(super) fn put_back(site: &Site, saved: &SavedOutside, known: &HashSet<SnapshotId>) -> Result<(), OperationError> {
    let (rows, machines, all) = site
        .catalog
        .reader()
        .read(|tx| Ok::<_, CatalogError>((packs::all(tx)?, machines::all(tx)?, snapshots::all(tx)?)))?;
    let rows: HashMap<PackId, PackRow> = rows.into_iter().map(|pack| (pack.id, pack.row)).collect();
    let machines: HashMap<MachineId, MachineRow> =
        machines.into_iter().map(|machine| (machine.id, machine.row)).collect();
    let all: HashMap<SnapshotId, _> = all.into_iter().map(|snapshot| (snapshot.id, snapshot.row)).collect();
    let mut rights: BTreeMap<MachineRow, Vec<ChunkId>> = BTreeMap::new();
    for (machine, chunk) in &saved.rights {
        if let Some(row) = machines.get(machine) {
            rights.entry(*row).or_default().push(*chunk);
        }
    }
    write(site, |tx| {
        for (id, at, needs) in saved.snapshots.iter().filter(|(id, ..)| known.contains(id)) {
            let Some(snapshot) = all.get(id) else { continue };
            let needs = needs.iter().filter_map(|pack| rows.get(pack).copied()).collect();
            kept_outside::send_out(tx, *snapshot, &needs, *at)?;
        }
        for (pack, machine, ..) in &saved.packs {
            if let (Some(pack), Some(machine)) = (rows.get(pack), machines.get(machine)) {
                packs::set_machine(tx, *pack, *machine)?;
            }
        }
        rights.iter_mut().try_for_each(|(machine, chunks)| closure::insert_foreign(tx, *machine, chunks))
    })
}

/// Of the snapshots in `known`, those with a pack that nobody is known to give any more: damaged here, or kept outside only and the
/// map does not say where.
pub(super) fn out_of_reach(
    site: &Site,
    saved: &SavedOutside,
    known: &HashSet<SnapshotId>,
) -> Result<Vec<SnapshotBrief>, OperationError> {
    let (there, all) = site.catalog.reader().read(|tx| {
        let mut there = HashSet::new();
        for pack in packs::all(tx)? {
            if can_be_had(tx, &pack)? {
                there.insert(pack.id);
            }
        }
        Ok::<_, CatalogError>((there, snapshots::all(tx)?))
    })?;
    let is_out_of_reach = |needs: &[PackId]| !needs.iter().all(|pack| there.contains(pack));
    let kept = saved.snapshots.iter().filter(|(id, _, needs)| known.contains(id) && is_out_of_reach(needs));
    let lost: HashSet<SnapshotId> = kept.map(|(id, ..)| *id).collect();
    Ok(all.into_iter().filter(|snapshot| lost.contains(&snapshot.id)).collect())
}

fn can_be_had(tx: &rusqlite::Transaction<'_>, pack: &Pack) -> Result<bool, CatalogError> {
    match pack.state {
        PackState::Stored | PackState::Condemned => Ok(true),
        PackState::Damaged => Ok(false),
        PackState::Outside => match stripes::best_of(tx, &pack.id)? {
            Some(stripe) => Ok(stripes::count_durable(tx, stripe.row)? >= stripe.layout.scheme().data()),
            None => Ok(false),
        },
    }
}

fn write(
    site: &Site,
    change: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), CatalogError>,
) -> Result<(), OperationError> {
    site.catalog.writer().write(change).map_err(OperationError::from)
}
