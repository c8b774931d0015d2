//! What the box has and how it is, at a glance.

use datis_engine::store::Space;
use serde::Serialize;

use super::OperationError;
use super::site::Site;
use crate::catalog::machines::{Machine, MachineState};
use crate::catalog::packs::{PackState, PackTotals};
use crate::catalog::snapshots::SourceTotals;
use crate::catalog::{CatalogError, machines, packs, snapshots};

/// The box at a glance. Times are milliseconds since 1970.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
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
    /// Packs on their way out.
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
    site.catalog
        .reader()
        .read(|tx| {
            let mut sources = snapshots::source_totals(tx)?;
            let mut shown = Vec::new();
            for machine in machines::all(tx)? {
                let of_machine;
                (of_machine, sources) = sources.into_iter().partition(|source| source.machine == machine.row);
                let stored = packs::totals(tx, PackState::Stored, Some(machine.row))?;
                shown.push(machine_status(machine, stored, of_machine));
            }
            Ok::<_, CatalogError>(Status {
                box_name: site.vault.box_name.clone(),
                vault: site.vault.id.to_string(),
                now: site.clock.now().0,
                machines: shown,
                stored: packs::totals(tx, PackState::Stored, None)?,
                condemned: packs::totals(tx, PackState::Condemned, None)?,
                damaged: packs::totals(tx, PackState::Damaged, None)?,
                unverified_packs: packs::count_unverified(tx)?,
                sessions: site.sessions.count() as u64,
                disk_total_bytes: space.map(|s| s.total_bytes),
                disk_free_bytes: space.map(|s| s.free_bytes),
                poisoned: site.poisoned(),
            })
        })
        .map_err(OperationError::from)
}

/// What the place of the packs holds and has free; `None` where that cannot be asked for.
///
/// # Errors
/// [`OperationError`].
pub fn room(site: &Site) -> Result<Option<Space>, OperationError> {
    Ok(site.store.space()?)
}

fn machine_status(machine: Machine, stored: PackTotals, sources: Vec<SourceTotals>) -> MachineStatus {
    MachineStatus {
        name: machine.name.to_string(),
        id: machine.id.to_string(),
        profile: machine.profile.word(),
        state: machine.state,
        created_at: machine.created_at.0,
        last_seen_at: machine.last_seen_at.map(|at| at.0),
        client_version: machine.client_version,
        stored,
        sources,
    }
}
