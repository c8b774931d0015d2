//! Are the snapshots whole? Each is followed from its sealed record in the store to its last chunk.

use std::collections::{HashMap, HashSet};

use datis_engine::format::snapshot::{SNAPSHOT_FILE_MAX, SnapshotFile, SnapshotRecord};
use datis_engine::ids::{ChunkId, SnapshotId};
use datis_engine::keys::PublicKey;
use datis_engine::store::{ObjectName, StoreError};
use datis_engine::wire::SnapshotState;

use super::OperationError;
use super::readable::Readable;
use super::site::Site;
use super::verify::{Progress, VerifyReport};
use super::walk::{Guide, NodePlace, NodeRef, Walk};
use crate::catalog::chunks::ChunkAt;
use crate::catalog::closure::NodeKind;
use crate::catalog::packs::PackState;
use crate::catalog::snapshots::{Lifecycle, SnapshotBrief};
use crate::catalog::{CatalogError, MachineRow, packs, snapshots};

/// A sealed record out of the store, opened, with its signature checked.
pub(super) struct OpenedSnapshot {
    pub(super) file: SnapshotFile,
    pub(super) record: SnapshotRecord,
    pub(super) machine_key: PublicKey,
}

/// Opens the sealed record of a snapshot. `Err` in the result says why it is damaged.
pub(super) fn open_snapshot(site: &Site, id: &SnapshotId) -> Result<Result<OpenedSnapshot, String>, OperationError> {
    let sealed = match site.store.read_all(ObjectName::Snapshot(*id), SNAPSHOT_FILE_MAX) {
        Ok(sealed) => sealed,
        Err(e @ (StoreError::Absent { .. } | StoreError::TooLong { .. } | StoreError::Short { .. })) => {
            return Ok(Err(e.to_string()));
        }
        Err(e) => return Err(e.into()),
    };
    let open = || -> Result<OpenedSnapshot, String> {
        let plain = site.vault.identity.open(&sealed, SNAPSHOT_FILE_MAX).map_err(|e| e.to_string())?;
        let file = SnapshotFile::decode(&plain).map_err(|e| e.to_string())?;
        let machine_key = PublicKey::from_slice(&file.machine_key).ok_or("its machine key has another length")?;
        let record = file.signed.open(&machine_key).map_err(|e| e.to_string())?;
        file.receipt.verify(&site.vault.receipt_key.public_key()).map_err(|e| format!("its receipt: {e}"))?;
        if file.signed.id() != *id || file.receipt.snapshot != *id {
            return Err("it is another snapshot than its name says".to_owned());
        }
        Ok(OpenedSnapshot { file, record, machine_key })
    };
    Ok(open())
}

/// Checks all live snapshots, and notes which of them are damaged or whole again.
pub(super) fn check_snapshots(
    site: &Site,
    report: &mut VerifyReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), OperationError> {
    let (live, outside, any_damaged) = site.catalog.reader().read(|tx| {
        let live = snapshots::all(tx)?.into_iter().filter(|s| s.lifecycle == Lifecycle::Live);
        let (outside, live): (Vec<_>, Vec<_>) = live.partition(|s| s.is_outside);
        let damaged = packs::any_damaged(tx)?;
        Ok::<_, CatalogError>((live, outside.len() as u64, damaged))
    })?;
    // The others are asked for proofs of what they have of these.
    report.snapshots_outside = outside;
    let total = live.len() as u64;
    // While nothing is wrong, what one snapshot has shown to be there need not be looked at for the next.
    let mut shared: HashMap<MachineRow, Seen> = HashMap::new();
    let mut share = !any_damaged;
    for (done, snapshot) in (0..).zip(&live) {
        site.check_running()?;
        progress(Progress { phase: "snapshots", done, total });
        let seen = shared.entry(snapshot.machine).or_default();
        if !share {
            *seen = Seen::default();
        }
        let damage = is_damaged(site, snapshot, seen)?;
        if damage.is_some() && is_gone(site, snapshot)? {
            // It expired meanwhile, or is kept outside only from now on.
            continue;
        }
        if let Some(reason) = &damage {
            tracing::error!(snapshot = %snapshot.id, reason, "Snapshot `{}` is damaged", snapshot.id);
            report.snapshots_affected.push(snapshot.id);
            share = false;
        }
        report.snapshots += 1;
        note_state(site, snapshot, damage.is_some())?;
    }
    progress(Progress { phase: "snapshots", done: total, total });
    Ok(())
}

fn is_gone(site: &Site, snapshot: &SnapshotBrief) -> Result<bool, OperationError> {
    let now = site.catalog.reader().read(|tx| snapshots::by_row(tx, snapshot.row))?;
    Ok(now.is_none_or(|now| now.lifecycle != Lifecycle::Live || now.is_outside))
}

fn note_state(site: &Site, snapshot: &SnapshotBrief, damaged: bool) -> Result<(), OperationError> {
    let state = match (damaged, snapshot.problem_count) {
        (true, _) => SnapshotState::Damaged,
        (false, 0) => SnapshotState::Complete,
        (false, _) => SnapshotState::Incomplete,
    };
    if state == snapshot.state {
        return Ok(());
    }
    let noted = site.catalog.writer().write(|tx| snapshots::set_state(tx, snapshot.row, state));
    noted.map_err(|e| site.noted(e.into()))
}

/// What is wrong with a snapshot; `None` when all of it is there.
fn is_damaged(site: &Site, snapshot: &SnapshotBrief, seen: &mut Seen) -> Result<Option<String>, OperationError> {
    let opened = match open_snapshot(site, &snapshot.id)? {
        Ok(opened) => opened,
        Err(reason) => return Ok(Some(reason)),
    };
    let mut resolve = Resolve { site, machine: snapshot.machine, seen };
    match Walk::new(site)?.snapshot(&opened.record, &mut resolve) {
        Ok(()) => Ok(None),
        Err(e @ (OperationError::DamagedPack { .. } | OperationError::ChunkGone(_) | OperationError::Node(_))) => {
            Ok(Some(e.to_string()))
        }
        Err(e) => Err(e),
    }
}

/// What was found to be there already.
#[derive(Default)]
struct Seen {
    nodes: HashSet<(ChunkId, NodeKind)>,
}

/// Demands that every chunk has a place in a pack that is not damaged and that the machine may read.
struct Resolve<'r> {
    site: &'r Site,
    machine: MachineRow,
    seen: &'r mut Seen,
}

impl Guide for Resolve<'_> {
    type Error = OperationError;

    fn choose(&mut self, nodes: &[NodeRef]) -> Result<Vec<Option<NodePlace>>, OperationError> {
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let mut readable = Readable::new(tx, self.machine)?;
            let mut chosen = Vec::with_capacity(nodes.len());
            for node in nodes {
                if !self.seen.nodes.insert((node.id, node.kind)) {
                    chosen.push(None);
                    continue;
                }
                chosen.push(Some(NodePlace::of(&undamaged(&mut readable, &node.id)?)));
            }
            Ok(chosen)
        })
    }

    fn chunks(&mut self, chunks: &[(ChunkId, u64)]) -> Result<(), OperationError> {
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let mut readable = Readable::new(tx, self.machine)?;
            chunks.iter().try_for_each(|(id, _)| undamaged(&mut readable, id).map(drop))
        })
    }
}

/// Damaged places come last, so that there is no other one when the best is damaged.
fn undamaged(readable: &mut Readable<'_>, id: &ChunkId) -> Result<ChunkAt, OperationError> {
    let best = readable.find(id)?.filter(|place| place.state != PackState::Damaged);
    best.ok_or(OperationError::ChunkGone(*id))
}
