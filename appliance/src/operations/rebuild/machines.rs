//! Which machines there are: those of the old catalog, and those that only snapshots tell of.

use std::collections::{BTreeMap, BTreeSet};

use datis_engine::ids::{MachineId, MachineName, Profile};
use datis_engine::keys::{PublicKey, random_bytes};
use datis_engine::units::UnixMillis;

use super::super::OperationError;
use super::super::machines::new_machine;
use super::super::site::Site;
use super::{MachineOrigin, RebuiltMachine};
use crate::catalog::machines::{self, Machine, MachineState, NewMachine};
use crate::catalog::{CatalogError, MachineRow};

/// What people see of the packs that are nobody's.
const NOBODY: &str = "unassigned";

/// What the snapshots of one machine tell of it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) id: MachineId,
    /// As the newest snapshot has it.
    pub(super) name: MachineName,
    pub(super) first: UnixMillis,
    pub(super) last: UnixMillis,
}

/// The machines of the new catalog.
pub(super) struct Enrolled {
    /// By their keys.
    pub(super) rows: BTreeMap<[u8; 32], MachineRow>,
    /// To whom packs belong until their owner is known.
    pub(super) nobody: MachineRow,
    pub(super) report: Vec<RebuiltMachine>,
}

/// Enters all machines. Of two that had the same name, the one that sent the newest snapshot keeps its access.
pub(super) fn enrol(
    site: &Site,
    old: Vec<Machine>,
    seen: &BTreeMap<[u8; 32], Seen>,
) -> Result<Enrolled, OperationError> {
    let mut ids: BTreeSet<MachineId> = BTreeSet::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut all: Vec<(NewMachine, MachineOrigin)> = Vec::new();
    for machine in old.into_iter().filter(|machine| machine.name.as_str() != NOBODY) {
        if machine.state == MachineState::Active {
            names.insert(machine.name.to_string());
        }
        ids.insert(machine.id);
        all.push((again(machine), MachineOrigin::Catalog));
    }
    let mut only_seen: Vec<(&[u8; 32], &Seen)> =
        seen.iter().filter(|(key, _)| all.iter().all(|(machine, _)| machine.public_key.as_bytes() != *key)).collect();
    only_seen.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.last));
    for (key, seen) in only_seen {
        let Some(public_key) = PublicKey::from_slice(key) else { continue };
        if !ids.insert(seen.id) {
            continue;
        }
        // What it is for is not known; a server's policy keeps no less than any other.
        let mut machine = new_machine(seen.id, seen.name.clone(), Profile::Server, public_key, seen.first);
        if !names.insert(seen.name.to_string()) {
            machine.state = MachineState::Retired;
        }
        all.push((machine, MachineOrigin::Snapshots));
    }
    let nobody = nobody()?;
    site.catalog
        .writer()
        .write(|tx| {
            let mut rows = BTreeMap::new();
            for (machine, _) in &all {
                rows.insert(*machine.public_key.as_bytes(), machines::insert(tx, machine)?);
            }
            let nobody = machines::insert(tx, &nobody)?;
            Ok::<_, CatalogError>((rows, nobody))
        })
        .map(|(rows, nobody)| Enrolled { rows, nobody, report: all.iter().map(rebuilt).collect() })
        .map_err(OperationError::from)
}

fn rebuilt((machine, origin): &(NewMachine, MachineOrigin)) -> RebuiltMachine {
    RebuiltMachine { id: machine.id, name: machine.name.to_string(), state: machine.state, origin: *origin }
}

fn again(machine: Machine) -> NewMachine {
    let Machine { id, name, profile, public_key, state, policy, created_at, .. } = machine;
    NewMachine { id, name, profile, public_key, state, policy, created_at }
}

/// A machine that can never come in: it is retired, and nobody has the private part of its key.
fn nobody() -> Result<NewMachine, OperationError> {
    let name = NOBODY.parse().map_err(|_| OperationError::Io {
        step: "name the packs that are nobody's",
        source: std::io::ErrorKind::InvalidInput.into(),
    })?;
    let (id, key): ([u8; MachineId::LEN], [u8; 32]) = (random_bytes()?, random_bytes()?);
    let key = PublicKey::from_slice(&key).ok_or(datis_engine::keys::KeyError::NoRandom)?;
    let mut nobody = new_machine(MachineId::from_bytes(id), name, Profile::Server, key, UnixMillis(0));
    nobody.state = MachineState::Retired;
    Ok(nobody)
}
