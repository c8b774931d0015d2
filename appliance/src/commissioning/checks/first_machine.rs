//! `client.first`: a backup that nobody has restored from is a hope. One machine backed up, and one file out of it.

use super::Found;
use super::keeping::day;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::operations::accounts::Action;
use crate::operations::{self, Deed, MachineState, OperationError, Site, Status, chain};

pub(super) fn look(site: &Site) -> Found {
    let look = || -> Result<_, OperationError> {
        // In the portal, or by the machine itself.
        let restored = [operations::last_done(site, Action::Restored)?, operations::last_machine_restore(site)?];
        Ok((operations::status(site)?, restored.into_iter().flatten().max_by_key(|deed| deed.at.0)))
    };
    match look() {
        Ok((status, restored)) => judge(&backed_up(&status), restored.as_ref()),
        Err(error) => (Finding::Untold, vec![Fact::text("reason", chain(&error))]),
    }
}

/// Machines that may come in and have a snapshot.
fn backed_up(status: &Status) -> Vec<String> {
    let machines = status.machines.iter().filter(|machine| machine.state == MachineState::Active);
    let saved = machines.filter(|machine| machine.sources.iter().any(|source| source.snapshots > 0));
    saved.map(|machine| machine.name.clone()).collect()
}

fn judge(machines: &[String], restored: Option<&Deed>) -> Found {
    let mut facts = vec![Fact::lines("machines", machines.to_vec())];
    facts.extend(restored.map(|deed| Fact::text("restored", format!("{}, {}", deed.subject, day(deed.at)))));
    let finding = match (machines.is_empty(), restored) {
        (true, _) => Finding::MachineNone,
        (false, None) => Finding::MachineSaved,
        (false, Some(_)) => Finding::MachineRestored,
    };
    (finding, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datis_engine::units::UnixMillis;

    #[test]
    fn a_backup_counts_when_something_came_out_of_it_again() {
        let restored = Deed { at: UnixMillis(0), by: "claire".to_owned(), subject: "front office/files".to_owned() };
        let one = ["front office".to_owned()];
        assert_eq!(judge(&[], None).0, Finding::MachineNone);
        assert_eq!(judge(&[], Some(&restored)).0, Finding::MachineNone, "the machine is gone");
        assert_eq!(judge(&one, None).0, Finding::MachineSaved);
        let (found, facts) = judge(&one, Some(&restored));
        assert_eq!(found, Finding::MachineRestored);
        assert_eq!(facts[1].value.to_string(), "front office/files, 1970-01-01");
    }
}
