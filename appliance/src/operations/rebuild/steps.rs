//! Fills an empty catalog: packs, machines, snapshots, and what belongs to whom.

use std::collections::BTreeMap;

use datis_engine::format::directory::Directory;
use datis_engine::ids::SnapshotId;
use datis_engine::store::{ObjectKind, ObjectName};
use datis_engine::wire::SnapshotState;

use super::super::OperationError;
use super::super::check::{OpenedSnapshot, open_snapshot};
use super::super::dispersal::{self, TakeOverError};
use super::super::error::chain;
use super::super::marks::ChunkIndex;
use super::super::pace::Pace;
use super::super::site::Site;
use super::super::verify::{DamagedPack, Progress, read_directory};
use super::machines::{Enrolled, Seen, enrol};
use super::outside;
use super::owners::{Reach, assign};
use super::{Old, RebuildReport};
use crate::catalog::packs::NewPack;
use crate::catalog::snapshots::{NewSnapshot, SnapshotBrief};
use crate::catalog::{CatalogError, MachineRow, bundle, community, hosting, packs, people, snapshots};

/// Packs are entered in one transaction until they hold so many chunks together: some 16 MiB of memory.
const CHUNKS_AT_A_TIME: usize = 1 << 18;

pub(super) fn fill(site: &Site, old: Old, progress: &mut dyn FnMut(Progress)) -> Result<RebuildReport, OperationError> {
    let mut report = RebuildReport::default();
    let readable = read_snapshots(site, &mut report)?;
    let Enrolled { rows, nobody, report: machines } = enrol(site, old.machines, &readable.machines)?;
    let put_back = site.catalog.writer().write(|tx| {
        old.defaults.iter().try_for_each(|saved| bundle::put_back(tx, saved))?;
        old.community.iter().try_for_each(|saved| community::put_back(tx, saved))?;
        old.hosted_marker.iter().try_for_each(|marker| hosting::keep_marker(tx, marker))?;
        people::put_back(tx, &old.people, &old.log)
    });
    put_back.map_err(|e: CatalogError| OperationError::from(e))?;
    report.machines = machines;
    enter_packs(site, nobody, &mut report, progress)?;
    let saved = old.outside.into_iter().next().unwrap_or_default();
    report.chunks += outside::enter_packs(site, &saved, nobody)?;
    let kept_outside = outside::known_snapshots(site, &saved)?;
    enter_snapshots(site, &readable, &rows, &mut report)?;
    let (packs, all) =
        site.catalog.reader().read(|tx| Ok::<_, CatalogError>((packs::all(tx)?, snapshots::all(tx)?)))?;
    let index = ChunkIndex::read(site, report.chunks, Pace::Steady)?;
    let mut reach = Reach::new(site, &index)?;
    let total = all.len() as u64;
    for (done, snapshot) in (0..).zip(&all) {
        progress(Progress { phase: "snapshots", done, total });
        if !kept_outside.contains(&snapshot.id) && !reach.follow(snapshot)? {
            note_damaged(site, snapshot)?;
            report.snapshots_affected.push(snapshot.id);
        }
    }
    progress(Progress { phase: "snapshots", done: total, total });
    assign(site, &packs, &index, reach)?;
    outside::put_back(site, &saved, &kept_outside)?;
    take_over_map(site, &old.map)?;
    for snapshot in outside::out_of_reach(site, &saved, &kept_outside)? {
        tracing::error!(snapshot = %snapshot.id, "A pack of a snapshot that is kept outside only can be had from nobody that is known");
        note_damaged(site, &snapshot)?;
        report.snapshots_affected.push(snapshot.id);
    }
    Ok(report)
}

/// What is outside stays there. Where the map is not whole any more, all is brought out again, and the last head stays until then.
fn take_over_map(site: &Site, parts: &[Vec<u8>]) -> Result<(), OperationError> {
    match dispersal::take_over_map(site, parts) {
        Ok(()) => Ok(()),
        Err(TakeOverError::Operation(error)) => Err(error),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "The map of what is outside cannot be taken over");
            Ok(())
        }
    }
}

/// Snapshots whose records can be read, in the order in which they came, and the machines that they tell of.
struct Readable {
    snapshots: Vec<SnapshotId>,
    machines: BTreeMap<[u8; 32], Seen>,
}

fn read_snapshots(site: &Site, report: &mut RebuildReport) -> Result<Readable, OperationError> {
    let mut machines: BTreeMap<[u8; 32], Seen> = BTreeMap::new();
    let mut found = Vec::new();
    for name in site.store.list(ObjectKind::Snapshot)? {
        let ObjectName::Snapshot(id) = name else { continue };
        let OpenedSnapshot { file, record, machine_key } = match open_snapshot(site, &id)? {
            Ok(opened) => opened,
            Err(reason) => {
                tracing::error!(snapshot = %id, reason, "The record of snapshot `{id}` cannot be read");
                report.snapshots_unreadable.push(id);
                continue;
            }
        };
        let at = file.receipt.received_at;
        let new = || Seen { id: record.machine, name: record.machine_name.clone(), first: at, last: at };
        let seen = machines.entry(*machine_key.as_bytes()).or_insert_with(new);
        seen.first = seen.first.min(at);
        if at >= seen.last {
            (seen.last, seen.name) = (at, record.machine_name);
        }
        found.push((at, id));
    }
    found.sort_unstable();
    Ok(Readable { snapshots: found.into_iter().map(|(_, id)| id).collect(), machines })
}

fn enter_packs(
    site: &Site,
    owner: MachineRow,
    report: &mut RebuildReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), OperationError> {
    let mut sizes = Vec::new();
    for name in site.store.list(ObjectKind::Pack)? {
        if let ObjectName::Pack(id) = name {
            sizes.push((id, site.store.size(name)?));
        }
    }
    let total = sizes.iter().map(|(_, bytes)| bytes).sum();
    let mut done = 0;
    let mut waiting = Vec::new();
    for (id, bytes) in sizes {
        site.check_running()?;
        progress(Progress { phase: "packs", done, total });
        done += bytes;
        let directory = match read_directory(site, &id) {
            Ok(directory) => directory,
            Err(OperationError::DamagedPack { pack, reason }) => {
                tracing::error!(%pack, reason, "Pack `{pack}` is damaged and left out");
                report.damaged.push(DamagedPack { pack, reason });
                // It has a row all the same, so that nobody takes its file for one that nothing needs.
                let left_out = NewPack { id, machine: owner, bytes, directory: Directory::default(), is_copy: true };
                enter(site, &[left_out], true)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        report.packs += 1;
        report.bytes += bytes;
        report.chunks += directory.chunks.len() as u64;
        waiting.push(NewPack { id, machine: owner, bytes, directory, is_copy: true });
        if waiting.iter().map(|pack| pack.directory.chunks.len()).sum::<usize>() >= CHUNKS_AT_A_TIME {
            enter(site, &waiting, false)?;
            waiting.clear();
        }
    }
    enter(site, &waiting, false)?;
    progress(Progress { phase: "packs", done: total, total });
    Ok(())
}

fn enter(site: &Site, new: &[NewPack], damaged: bool) -> Result<(), OperationError> {
    let at = site.clock.now();
    let entered = site.catalog.writer().write(|tx| {
        packs::insert_many(tx, new, at)?;
        if damaged { new.iter().try_for_each(|pack| packs::mark_damaged(tx, &pack.id)) } else { Ok(()) }
    });
    entered.map_err(|e: CatalogError| e.into())
}

fn enter_snapshots(
    site: &Site,
    readable: &Readable,
    rows: &BTreeMap<[u8; 32], MachineRow>,
    report: &mut RebuildReport,
) -> Result<(), OperationError> {
    for id in &readable.snapshots {
        let opened = open_snapshot(site, id)?;
        let known = opened.ok().and_then(|opened| Some((*rows.get(opened.machine_key.as_bytes())?, opened)));
        // Its record was read a moment ago; only a machine that contradicts another one has no row.
        let Some((machine, OpenedSnapshot { file, record, .. })) = known else {
            report.snapshots_unreadable.push(*id);
            continue;
        };
        let new = NewSnapshot { machine, signed: &file.signed, record: &record, receipt: &file.receipt };
        site.catalog.writer().write(|tx| snapshots::insert(tx, &new)).map_err(OperationError::from)?;
        report.snapshots += 1;
    }
    Ok(())
}

fn note_damaged(site: &Site, snapshot: &SnapshotBrief) -> Result<(), OperationError> {
    let noted = site.catalog.writer().write(|tx| snapshots::set_state(tx, snapshot.row, SnapshotState::Damaged));
    noted.map_err(|e: CatalogError| e.into())
}
