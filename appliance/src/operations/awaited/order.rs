//! In which order packs come back: what the newest backup of each source needs, then everything else.

use std::collections::{BTreeMap, HashSet};

use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::{ChunkId, PackId};

use crate::catalog::chunks::ChunkFinder;
use crate::catalog::snapshots::{self, SnapshotBrief};
use crate::catalog::{CatalogError, PackRow, packs};
use crate::operations::walk::{Guide, NodePlace, NodeRef, Walk};
use crate::operations::{OperationError, Site};

/// All packs of the catalog, the ones that are wanted first at the start.
///
/// # Errors
/// [`OperationError`], also when a listing cannot be read now.
pub(super) fn newest_first(site: &Site) -> Result<Vec<PackId>, OperationError> {
    let (all, rows) = site.catalog.reader().read(|tx| Ok::<_, CatalogError>((snapshots::all(tx)?, packs::all(tx)?)))?;
    let mut newest: BTreeMap<_, SnapshotBrief> = BTreeMap::new();
    for snapshot in all {
        let source = (snapshot.machine, snapshot.source.clone());
        if newest.get(&source).is_none_or(|known| known.received_at < snapshot.received_at) {
            newest.insert(source, snapshot);
        }
    }
    let mut newest: Vec<SnapshotBrief> = newest.into_values().collect();
    newest.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.received_at));
    let mut collector = Collector { site, seen: HashSet::new(), nodes: HashSet::new(), order: Vec::new() };
    let mut walk = Walk::new(site)?;
    for snapshot in newest {
        let Some(found) = site.catalog.reader().read(|tx| snapshots::by_row(tx, snapshot.row))? else { continue };
        let record = SnapshotRecord::decode(&found.signed.record)?;
        match walk.snapshot(&record, &mut collector) {
            // What is damaged gives no order; the packs come all the same.
            Ok(()) | Err(OperationError::DamagedPack { .. } | OperationError::Node(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let names: BTreeMap<PackRow, PackId> = rows.iter().map(|pack| (pack.row, pack.id)).collect();
    let mut order: Vec<PackId> = collector.order.iter().filter_map(|row| names.get(row).copied()).collect();
    let first: HashSet<PackId> = order.iter().copied().collect();
    order.extend(rows.iter().map(|pack| pack.id).filter(|id| !first.contains(id)));
    Ok(order)
}

/// Notes packs in the order in which a walk comes to them.
struct Collector<'c> {
    site: &'c Site,
    seen: HashSet<PackRow>,
    nodes: HashSet<ChunkId>,
    order: Vec<PackRow>,
}

impl Collector<'_> {
    fn note(&mut self, pack: PackRow) {
        if self.seen.insert(pack) {
            self.order.push(pack);
        }
    }
}

impl Guide for Collector<'_> {
    type Error = OperationError;

    fn choose(&mut self, nodes: &[NodeRef]) -> Result<Vec<Option<NodePlace>>, OperationError> {
        self.site.check_running()?;
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let (mut finder, mut places) = (ChunkFinder::new(tx)?, Vec::new());
            let mut chosen = Vec::with_capacity(nodes.len());
            for node in nodes {
                if !self.nodes.insert(node.id) {
                    chosen.push(None);
                    continue;
                }
                finder.find(&node.id, &mut places)?;
                let place = places.first().map(NodePlace::of);
                place.iter().for_each(|place| self.note(place.pack));
                chosen.push(place);
            }
            Ok(chosen)
        })
    }

    fn chunks(&mut self, chunks: &[(ChunkId, u64)]) -> Result<(), OperationError> {
        let site = self.site;
        site.catalog.reader().read(|tx| {
            let (mut finder, mut places) = (ChunkFinder::new(tx)?, Vec::new());
            for (id, _) in chunks {
                finder.find(id, &mut places)?;
                places.first().iter().for_each(|place| self.note(place.pack));
            }
            Ok::<_, OperationError>(())
        })
    }
}
