//! What a rebuild tells.

use datis_engine::ids::{MachineId, SnapshotId};
use serde::Serialize;

use super::super::verify::{DamagedPack, all_as_text, as_text};
use crate::catalog::machines::MachineState;

/// What a rebuild found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Packs in the new catalog.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks in them.
    pub chunks: u64,
    /// Packs whose directory cannot be read; their files were left where they are.
    pub damaged: Vec<DamagedPack>,
    /// Snapshots in the new catalog.
    pub snapshots: u64,
    /// Snapshots among them of which something is missing.
    #[serde(serialize_with = "all_as_text")]
    pub snapshots_affected: Vec<SnapshotId>,
    /// Snapshots whose record cannot be read; their files were left where they are.
    #[serde(serialize_with = "all_as_text")]
    pub snapshots_unreadable: Vec<SnapshotId>,
    /// Machines in the new catalog.
    pub machines: Vec<RebuiltMachine>,
}

impl RebuildReport {
    /// Whether nothing is damaged or missing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.snapshots_affected.is_empty() && self.snapshots_unreadable.is_empty()
    }
}

/// A machine in the new catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuiltMachine {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub id: MachineId,
    /// Its name.
    pub name: String,
    /// Whether it may come in.
    pub state: MachineState,
    /// Where it is known from.
    pub origin: MachineOrigin,
}

/// Where a machine is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineOrigin {
    /// From the old catalog, with its policy and state.
    Catalog,
    /// From its snapshots alone: it can come in with its certificate as before, and has the default policy.
    Snapshots,
}
