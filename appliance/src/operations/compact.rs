//! Makes large packs of many small ones, which frequent small backups leave behind.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use datis_engine::pack::PACK_TARGET;
use serde::Serialize;

use super::OperationError;
use super::copier::{Copier, has_room};
use super::pace::Pace;
use super::site::{Site, lock};
use crate::catalog::packs::{self, Pack, PackState};
use crate::catalog::{CatalogError, MachineRow};

/// Packs shorter than this are small: a quarter of what a pack should be.
const SMALL_BELOW: u64 = PACK_TARGET as u64 / 4;

/// So many small packs of one machine are worth the work.
const WORTH: usize = 8;

/// So many packs at most become others in one step.
const STEP_MAX: usize = 256;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CompactReport {
    /// Small packs whose chunks are in others now.
    pub packs: u64,
    /// Bytes of these others.
    pub written_bytes: u64,
}

/// Compacts the small packs of every machine that has enough of them. Only checked packs are touched, and none
/// together with another machine's.
///
/// # Errors
/// [`OperationError`].
pub fn compact(site: &Site, pace: Pace) -> Result<CompactReport, OperationError> {
    let Ok(_running) = site.pruning.try_lock() else {
        return Err(OperationError::Running { what: "collection" });
    };
    site.check_running()?;
    run(site, pace).map_err(|error| site.noted(error))
}

/// How many packs [`compact`] would work on.
pub(crate) fn count_compactable(site: &Site) -> Result<u64, OperationError> {
    Ok(worthwhile(site)?.values().map(|packs| packs.len() as u64).sum())
}

fn worthwhile(site: &Site) -> Result<BTreeMap<MachineRow, Vec<Pack>>, OperationError> {
    let small = site.catalog.reader().read(|tx| packs::small_verified(tx, SMALL_BELOW))?;
    let mut of_machines: BTreeMap<MachineRow, Vec<Pack>> = BTreeMap::new();
    for pack in small {
        of_machines.entry(pack.machine).or_default().push(pack);
    }
    of_machines.retain(|_, packs| packs.len() >= WORTH);
    Ok(of_machines)
}

fn run(site: &Site, pace: Pace) -> Result<CompactReport, OperationError> {
    let mut report = CompactReport::default();
    for (machine, small) in worthwhile(site)? {
        for step in small.chunks(STEP_MAX) {
            if !has_room(site)? {
                return Ok(report);
            }
            let (packs, written_bytes) = merge(site, machine, step, pace)?;
            report.packs += packs;
            report.written_bytes += written_bytes;
        }
    }
    Ok(report)
}

fn merge(site: &Site, machine: MachineRow, small: &[Pack], pace: Pace) -> Result<(u64, u64), OperationError> {
    let mut copier = Copier::new(site, machine)?;
    let mut copied = Vec::new();
    for pack in small {
        match copier.copy(pack, &|_| Ok(true), pace) {
            Ok(()) => copied.push(pack),
            // It is noted as damaged by now, and stays.
            Err(OperationError::DamagedPack { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let written_bytes = copier.finish()?;
    // No backup begins meanwhile: see `prune::collect`.
    let _pins = lock(&site.pins);
    let now = site.clock.now();
    site.catalog
        .writer()
        .write(|tx| {
            for pack in &copied {
                // Everything in it is in a new pack of the same machine, so whoever refers to it finds it there.
                if packs::by_row(tx, pack.row)?.is_some_and(|now| now.state == PackState::Stored) {
                    packs::condemn(tx, pack.row, now)?;
                }
            }
            site.sweeps.fetch_add(1, Ordering::SeqCst);
            Ok::<_, CatalogError>(())
        })
        .map_err(OperationError::from)?;
    Ok((copied.len() as u64, written_bytes))
}
