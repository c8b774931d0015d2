//! Every version of one entry over all snapshots of a source.
//!
//! Of each snapshot only the blocks of the listing on the way to the path are read, and a block that several snapshots
//! share is read once. The snapshots go down level by level together, so that blocks of one segment are read together.

use std::collections::HashMap;
use std::sync::Arc;

use datis_engine::format::listing::{Entry, ListingNode};
use datis_engine::format::path::{EntryPath, compare};
use datis_engine::ids::{ChunkId, MachineId, SnapshotId, SourceName};
use datis_engine::units::UnixMillis;

use super::EntryDetail;
use super::chunks::{Chunks, is_local};
use super::scope::{BrowseError, Scope, listing_of, machine};
use crate::catalog::history::{self, Seen};
use crate::operations::{OperationError, Site};

/// The newest snapshots of a source that are looked at.
const SNAPSHOTS_MAX: usize = 5_000;

/// One version of an entry: the same over consecutive snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What it is.
    pub detail: EntryDetail,
    /// The newest snapshot that has it so: the one to read it from.
    pub snapshot: SnapshotId,
    /// When the oldest snapshot that has it so was received.
    pub from: UnixMillis,
    /// When the newest one was.
    pub to: UnixMillis,
    /// How many snapshots have it so.
    pub snapshots: u64,
}

/// All versions of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// Newest first. Between two of them the entry may have been away.
    pub versions: Vec<Version>,
    /// Whether the newest snapshot has it.
    pub is_in_newest: bool,
    /// How many snapshots could not be looked into, because a part of them is damaged.
    pub unreadable: u64,
    /// Whether there are more snapshots than were looked at.
    pub is_cut: bool,
}

/// What is known below a block, about the path.
#[derive(Clone)]
enum Below {
    /// It is in this block, of the level below.
    Block(u8, ChunkId),
    /// It is not there.
    Absent,
    /// What it is, and a digest of all of that.
    Here(Arc<EntryDetail>, blake3::Hash),
    /// The block cannot be read.
    Unreadable,
}

/// Every version of the entry at `path`, of any sort.
///
/// # Errors
/// [`BrowseError::NotFound`] when no snapshot has it; [`BrowseError`].
pub fn versions(
    site: &Arc<Site>,
    scope: &Scope,
    of: &MachineId,
    source: &SourceName,
    path: &EntryPath,
) -> Result<Versions, BrowseError> {
    let row = machine(site, scope, of)?;
    let newest = UnixMillis(i64::MAX);
    let mut seen = site.catalog.reader().read(|tx| history::of_source(tx, row, source, newest, SNAPSHOTS_MAX + 1))?;
    let is_cut = seen.len() > SNAPSHOTS_MAX;
    seen.truncate(SNAPSHOTS_MAX);
    let found = find_all(&seen, path, &mut Chunks::new(site, row)?)?;
    let unreadable = found.iter().filter(|below| matches!(below, Below::Unreadable)).count() as u64;
    let is_in_newest = matches!(found.first(), Some(Below::Here(..)));
    let versions = fold(&seen, &found);
    if versions.is_empty() && unreadable == 0 {
        return Err(BrowseError::NotFound);
    }
    Ok(Versions { versions, is_in_newest, unreadable, is_cut })
}

/// What each of the snapshots has at the path; never [`Below::Block`].
fn find_all(seen: &[Seen], path: &EntryPath, chunks: &mut Chunks) -> Result<Vec<Below>, OperationError> {
    let root = |seen: &Seen| match listing_of(seen) {
        Ok(root) => Ok(Below::Block(root.level, root.id)),
        Err(error) if is_local(&error) => Ok(Below::Unreadable),
        Err(error) => Err(error),
    };
    let mut at: Vec<Below> = seen.iter().map(root).collect::<Result<_, _>>()?;
    loop {
        let level_of = |below: &Below| if let Below::Block(level, id) = below { Some((*level, *id)) } else { None };
        let Some(level) = at.iter().filter_map(level_of).map(|(level, _)| level).max() else { return Ok(at) };
        let of_level = at.iter().filter_map(level_of).filter(|(of, _)| *of == level);
        let mut ids: Vec<ChunkId> = of_level.map(|(_, id)| id).collect();
        chunks.expect(&mut ids)?;
        let mut known: HashMap<ChunkId, Below> = HashMap::with_capacity(ids.len());
        for id in ids {
            chunks.site().check_running()?;
            let below = match look_into(level, &id, path, chunks) {
                Err(error) if is_local(&error) => Below::Unreadable,
                looked => looked?,
            };
            known.insert(id, below);
        }
        for below in &mut at {
            let next = level_of(below).filter(|(of, _)| *of == level).and_then(|(_, id)| known.get(&id));
            if let Some(next) = next {
                *below = next.clone();
            }
        }
    }
}

fn look_into(level: u8, id: &ChunkId, path: &EntryPath, chunks: &mut Chunks) -> Result<Below, OperationError> {
    Ok(match ListingNode::decode(level, &chunks.get(id)?)? {
        ListingNode::Inner(children) => {
            let after = children.partition_point(|child| compare(&child.first, path.as_bytes()).is_le());
            let child = after.checked_sub(1).and_then(|at| children.get(at));
            // Level 0 decodes to leaves only, so there is a level below.
            child.map_or(Below::Absent, |child| Below::Block(level.saturating_sub(1), child.id))
        }
        ListingNode::Leaf(entries) => match entries.binary_search_by(|(other, _)| other.cmp(path)) {
            Ok(at) => entries.get(at).map_or(Below::Absent, |(_, entry)| {
                // The numbers of a group of hard links mean nothing outside their snapshot.
                let same = Entry { hard_link: None, ..entry.clone() };
                Below::Here(Arc::new(EntryDetail::of(entry)), blake3::hash(&same.encode()))
            }),
            Err(_) => Below::Absent,
        },
    })
}

/// Folds what is the same in consecutive snapshots; one that cannot be looked into is passed over.
fn fold(seen: &[Seen], found: &[Below]) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    let mut open: Option<blake3::Hash> = None;
    for (snapshot, below) in seen.iter().zip(found) {
        match below {
            Below::Unreadable | Below::Block(..) => {}
            Below::Absent => open = None,
            Below::Here(detail, digest) => match versions.last_mut().filter(|_| open == Some(*digest)) {
                Some(same) => {
                    same.from = snapshot.received_at;
                    same.snapshots += 1;
                }
                None => {
                    open = Some(*digest);
                    let at = snapshot.received_at;
                    let detail = EntryDetail::clone(detail);
                    versions.push(Version { detail, snapshot: snapshot.id, from: at, to: at, snapshots: 1 });
                }
            },
        }
    }
    versions
}

#[cfg(test)]
pub(super) fn cost(site: &Arc<Site>, of: &MachineId, source: &SourceName, path: &EntryPath) -> (usize, u64) {
    let row = machine(site, &Scope::All, of).expect("machine");
    let look = |tx: &rusqlite::Transaction<'_>| history::of_source(tx, row, source, UnixMillis(i64::MAX), 5_000);
    let seen = site.catalog.reader().read(look).expect("snapshots");
    let mut chunks = Chunks::new(site, row).expect("chunks");
    let found = find_all(&seen, path, &mut chunks).expect("found");
    (found.len(), chunks.opened())
}
