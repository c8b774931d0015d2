//! Machines that rest: asked not to back up until a date, which ends by itself.

use datis_engine::ids::MachineName;
use datis_engine::units::{Seconds, UnixMillis};

use super::accounts::{Action, Actor, Right, record};
use super::machines::active;
use super::site::Site;
use super::{Machine, OperationError};
use crate::catalog::CatalogError;
use crate::catalog::pauses;

/// Nobody lets a machine rest for longer at a time: what rests for ever is retired.
pub const PAUSE_MAX: Seconds = Seconds(366 * Seconds::DAY.0);

/// Lets a machine rest until then. It hears so with its next word to the box.
///
/// # Errors
/// [`OperationError::PauseLength`]; [`OperationError::NoSuchMachine`]; [`OperationError`].
pub fn pause_machine(site: &Site, by: &Actor, name: &MachineName, until: UnixMillis) -> Result<(), OperationError> {
    by.may(Right::ChangeMachines)?;
    let now = site.clock.now();
    if until <= now || until > now.plus(PAUSE_MAX) {
        return Err(OperationError::PauseLength);
    }
    let paused = site.catalog.writer().write(|tx| {
        pauses::set(tx, active(tx, name)?.row, now, until, by.name())?;
        Ok::<_, OperationError>(record(tx, site, by, Action::MachinePaused, name.as_str(), &date(until))?)
    });
    paused.map_err(|e| site.noted(e))
}

/// Ends a machine's rest.
///
/// # Errors
/// [`OperationError::NoSuchMachine`]; [`OperationError`].
pub fn resume_machine(site: &Site, by: &Actor, name: &MachineName) -> Result<(), OperationError> {
    by.may(Right::ChangeMachines)?;
    let now = site.clock.now();
    let resumed = site.catalog.writer().write(|tx| {
        let machine = active(tx, name)?.row;
        if pauses::until(tx, machine)?.is_some_and(|until| until > now) {
            // It ends now, and stays known as long as the machine could seem late because of it.
            pauses::set(tx, machine, now, now, by.name())?;
            record(tx, site, by, Action::MachineResumed, name.as_str(), "")?;
        }
        Ok::<_, OperationError>(())
    });
    resumed.map_err(|e| site.noted(e))
}

/// Until when the machine rests; `None` when it does not.
///
/// # Errors
/// [`CatalogError`].
pub(super) fn paused_until(site: &Site, machine: &Machine) -> Result<Option<UnixMillis>, CatalogError> {
    let until = site.catalog.reader().read(|tx| pauses::until(tx, machine.row))?;
    Ok(until.filter(|until| *until > site.clock.now()))
}

/// To the minute, in UTC.
pub(super) fn date(at: UnixMillis) -> String {
    let date = jiff::Timestamp::from_millisecond(at.0).map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    date.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use datis_engine::wire::{Heartbeat, RefusalCode};

    use super::super::testing::{Client, TestBox, files};
    use super::super::{heartbeat, status};
    use super::*;

    #[test]
    fn a_machine_that_rests_is_told_so_and_backs_up_again_afterwards() {
        let test = TestBox::start();
        let site = test.site();
        let (by, client) = (Actor::console(), Client::enrol(site, "till"));
        let name = &client.machine.name;
        let told = || {
            let message = Heartbeat { client_version: "1".to_owned(), now: UnixMillis(0) };
            heartbeat(site, &client.machine, &message).expect("policy").paused_until
        };
        assert_eq!(told(), None);
        for wrong in [site.clock.now(), site.clock.now().plus(Seconds(400 * Seconds::DAY.0))] {
            assert!(matches!(pause_machine(site, &by, name, wrong), Err(OperationError::PauseLength)));
        }
        let until = site.clock.now().plus(Seconds::DAY);
        pause_machine(site, &by, name, until).expect("pause");
        assert_eq!(told(), Some(until));
        assert_eq!(status(site).expect("status").machines[0].paused_until, Some(until.0));
        let refused = client.try_begin(site, None, [1; 16]).expect_err("it rests");
        assert_eq!(refused.code, RefusalCode::SessionTaken);
        assert!(refused.sentence.contains(&date(until)), "{refused}");
        resume_machine(site, &by, name).expect("resume");
        assert_eq!(told(), None);
        client.back_up(site, &files(1, 1));
    }
}
