//! What the box has and how it is, at a glance.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use datis_engine::ids::SnapshotId;
use datis_engine::store::Space;
use datis_engine::units::UnixMillis;
use serde::Serialize;

use super::OperationError;
use super::awaited::ComingBack;
use super::dispersal::{DispersalStatus, dispersal_status};
use super::keeping::{DrillStatus, drill_status};
use super::site::Site;
use crate::catalog::dispersal::kept_outside;
use crate::catalog::machines::{Machine, MachineState};
use crate::catalog::packs::{PackState, PackTotals};
use crate::catalog::snapshots::SourceTotals;
use crate::catalog::{CatalogError, MachineRow, Reader, bundle, community, machines, packs, pauses, snapshots};

/// The box at a glance. Times are milliseconds since 1970.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// What of it is with other boxes; `None`: the box is in no community.
    pub outside: Option<DispersalStatus>,
    /// How recovery was tried last; `None`: the box is in no community.
    pub drill: Option<DrillStatus>,
    /// How far a box is that was lost and comes back; `None`: it is whole.
    pub coming_back: Option<ComingBack>,
    /// What people call the box.
    pub box_name: String,
    /// Which vault.
    pub vault: String,
    /// The box's clock.
    pub now: i64,
    /// Machines, in the order of their enrolment.
    pub machines: Vec<MachineStatus>,
    /// Packs to be used.
    pub stored: PackTotals,
    /// Packs that are with other boxes only, since nothing that is kept here needs them.
    pub kept_outside: PackTotals,
    /// Snapshots that are kept outside only.
    pub snapshots_outside: u64,
    /// Packs that nothing here refers to any more: they are deleted, or kept outside only.
    pub condemned: PackTotals,
    /// Packs that were found damaged.
    pub damaged: PackTotals,
    /// Stored packs that wait to be checked.
    pub unverified_packs: u64,
    /// Open backups.
    pub sessions: u64,
    /// Bytes that the disk holds in all; `None` where that cannot be asked for.
    pub disk_total_bytes: Option<u64>,
    /// Bytes that are free on it.
    pub disk_free_bytes: Option<u64>,
    /// Why the box must start again, when it must.
    pub poisoned: Option<String>,
}

/// A machine at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct MachineStatus {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// What it is for.
    pub profile: &'static str,
    /// Whether it may come in.
    pub state: MachineState,
    /// Until when it rests, or rested last.
    pub paused_until: Option<i64>,
    /// When it was enrolled.
    pub created_at: i64,
    /// When it last sent a heartbeat.
    pub last_seen_at: Option<i64>,
    /// Version of its client.
    pub client_version: Option<String>,
    /// What it has sent and is stored.
    pub stored: PackTotals,
    /// Its sources.
    pub sources: Vec<SourceTotals>,
}

impl MachineStatus {
    /// Whether it rests at `now`, milliseconds since 1970.
    #[must_use]
    pub fn is_paused(&self, now: i64) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// When the machine last showed up, with a heartbeat or a backup; milliseconds since 1970.
    #[must_use]
    pub fn last_sign_at(&self) -> Option<i64> {
        self.sources.iter().map(|source| source.last_received_at).chain(self.last_seen_at).max()
    }
}

/// The box at a glance.
///
/// # Errors
/// [`OperationError`].
pub fn status(site: &Site) -> Result<Status, OperationError> {
    let space = site.store.space()?;
    let outside = site.community().map(|_| dispersal_status(site)).transpose()?;
    let drill = drill_status(site)?;
    site.catalog
        .reader()
        .read(|tx| {
            let mut sources: HashMap<MachineRow, Vec<SourceTotals>> = HashMap::new();
            for source in snapshots::source_totals(tx)? {
                sources.entry(source.machine).or_default().push(source);
            }
            let paused = pauses::all(tx)?;
            let packs = packs::totals(tx)?;
            let of_state = |wanted: PackState| {
                let all = packs.iter().filter(|(state, ..)| *state == wanted);
                all.fold(PackTotals::default(), |sum, (.., totals)| sum.and(*totals))
            };
            let stored = packs.iter().filter(|(state, ..)| *state == PackState::Stored);
            let stored: HashMap<MachineRow, PackTotals> =
                stored.map(|(_, machine, totals)| (*machine, *totals)).collect();
            let shown = machines::all(tx)?.into_iter().map(|machine| {
                let stored = stored.get(&machine.row).copied().unwrap_or_default();
                let sources = sources.remove(&machine.row).unwrap_or_default();
                let paused_until = paused.get(&machine.row).copied();
                machine_status(machine, paused_until, stored, sources)
            });
            Ok::<_, CatalogError>(Status {
                outside,
                drill,
                coming_back: site.awaited.standing(),
                box_name: site.vault.box_name.clone(),
                vault: site.vault.id.to_string(),
                now: site.clock.now().0,
                machines: shown.collect(),
                stored: of_state(PackState::Stored),
                kept_outside: of_state(PackState::Outside),
                snapshots_outside: kept_outside::count(tx)?,
                condemned: of_state(PackState::Condemned),
                damaged: of_state(PackState::Damaged),
                unverified_packs: packs::count_unverified(tx)?,
                sessions: site.sessions.count() as u64,
                disk_total_bytes: space.map(|s| s.total_bytes),
                disk_free_bytes: space.map(|s| s.free_bytes),
                poisoned: site.poisoned(),
            })
        })
        .map_err(OperationError::from)
}

/// The names of all snapshots that the box has.
///
/// # Errors
/// [`OperationError`].
pub fn snapshot_ids(site: &Site) -> Result<HashSet<SnapshotId>, OperationError> {
    let all = site.catalog.reader().read(|tx| snapshots::all(tx))?;
    Ok(all.into_iter().map(|snapshot| snapshot.id).collect())
}

/// Whether nothing was ever done with the box: nobody owns it, nothing is on it, and nobody counts on it.
///
/// # Errors
/// [`OperationError`].
pub fn is_blank(site: &Site) -> Result<bool, OperationError> {
    Ok(!site.catalog.reader().read(is_used)?)
}

/// The same of a box that does not run, by its catalog at `path`, without changing that.
///
/// # Errors
/// [`OperationError`].
pub fn is_blank_at(path: &Path) -> Result<bool, OperationError> {
    Ok(!Reader::open(path)?.read(is_used)?)
}

fn is_used(tx: &rusqlite::Transaction<'_>) -> Result<bool, CatalogError> {
    let is_in_a_community = community::membership(tx)?.is_some();
    Ok(is_in_a_community || bundle::is_owned(tx)? || !machines::all(tx)?.is_empty() || !packs::all(tx)?.is_empty())
}

/// What the place of the packs holds and has free; `None` where that cannot be asked for.
///
/// # Errors
/// [`OperationError`].
pub fn room(site: &Site) -> Result<Option<Space>, OperationError> {
    Ok(site.store.space()?)
}

fn machine_status(
    machine: Machine,
    paused_until: Option<UnixMillis>,
    stored: PackTotals,
    sources: Vec<SourceTotals>,
) -> MachineStatus {
    MachineStatus {
        name: machine.name.to_string(),
        id: machine.id.to_string(),
        profile: machine.profile.word(),
        state: machine.state,
        paused_until: paused_until.map(|until| until.0),
        created_at: machine.created_at.0,
        last_seen_at: machine.last_seen_at.map(|at| at.0),
        client_version: machine.client_version,
        stored,
        sources,
    }
}
