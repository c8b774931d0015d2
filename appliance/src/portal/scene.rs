//! What the pages are made of: the box at one moment.

use std::collections::HashMap;

use super::health::Health;
use crate::commissioning::Remembered;
use crate::meters::WorkerView;
use crate::operations::accounts::Actor;
use crate::operations::{Machine, MachineStatus, Status};

/// The box at one moment.
pub(super) struct Scene {
    pub(super) status: Status,
    pub(super) machines: Vec<Machine>,
    pub(super) workers: Vec<WorkerView>,
    pub(super) checks: Vec<Remembered>,
}

impl Scene {
    /// Each machine with how it is.
    pub(super) fn machines_by_health(&self) -> impl Iterator<Item = (Health, &Machine, &MachineStatus)> {
        let by_id: HashMap<String, &Machine> = self.machines.iter().map(|m| (m.id.to_string(), m)).collect();
        self.status.machines.iter().filter_map(move |status| {
            let machine = by_id.get(&status.id)?;
            Some((Health::of(machine, status, self.status.now), *machine, status))
        })
    }

    /// Those that `actor` may see, what needs somebody first.
    pub(super) fn machines_seen_by(&self, actor: &Actor) -> Vec<(Health, &Machine, &MachineStatus)> {
        let mut machines: Vec<_> =
            self.machines_by_health().filter(|(_, machine, _)| actor.sees(&machine.id)).collect();
        machines.sort_by_key(|(health, machine, _)| (*health, machine.name.clone()));
        machines
    }
}
