//! What the pages are made of: the box at one moment, and its background work.

use std::ops::Deref;

use crate::meters::WorkerView;
use crate::operations::accounts::Actor;
use crate::operations::{Machine, MachineStatus};
use crate::reports::{Health, Standing};

/// The box at one moment, and its background work.
pub(super) struct Scene {
    pub(super) standing: Standing,
    pub(super) workers: Vec<WorkerView>,
}

impl Deref for Scene {
    type Target = Standing;

    fn deref(&self) -> &Standing {
        &self.standing
    }
}

impl Scene {
    /// Those that `actor` may see, what needs somebody first.
    pub(super) fn machines_seen_by(&self, actor: &Actor) -> Vec<(Health, &Machine, &MachineStatus)> {
        let mut machines: Vec<_> =
            self.machines_by_health().filter(|(_, machine, _)| actor.sees(&machine.id)).collect();
        machines.sort_by_key(|(health, machine, _)| (*health, machine.name.clone()));
        machines
    }
}
