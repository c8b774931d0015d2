//! Runs checks: each as soon as those it rests on have ended, the others beside it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{OnceLock, mpsc};
use std::time::Instant;

use super::catalogue::{Check, CheckState};
use super::checks;
use super::dhcp::{NoScan, Scan};
use super::memory::{self, Remembered};
use super::network::{Network, NetworkError};
use super::outcome::{Outcome, Verdict};
use super::outside::{Dialling, Doorkeeper, Meeting};
use super::router::{NotAsked, Router};
use crate::config::CommissioningConfig;
use crate::operations::{OperationError, Site, chain};
use crate::partner::Door;

/// What the checks look at.
pub struct Surroundings<'s> {
    pub(super) site: &'s Site,
    pub(super) config: &'s CommissioningConfig,
    /// As it was when the run began.
    pub(super) network: Result<Network, NetworkError>,
    /// What earlier runs found.
    pub(super) before: Vec<Remembered>,
    /// What DHCP servers would lend, once a check wants to know.
    scan: OnceLock<Result<Scan, NoScan>>,
    /// The box's own port; without it nobody can be asked to dial it.
    pub(super) door: Option<&'s Door>,
    /// The partners outside, once a check wants to know.
    meeting: OnceLock<Meeting>,
    /// What the router says when it is asked to let connections in.
    router: OnceLock<Result<Router, NotAsked>>,
    /// Who listens at the box's own port while no daemon does.
    doorkeeper: OnceLock<Option<Doorkeeper>>,
    /// What partners found when they dialled back.
    dialling: OnceLock<Dialling>,
}

impl<'s> Surroundings<'s> {
    /// Looks at the network, and back; the checks themselves come later.
    #[must_use]
    pub fn look(site: &'s Site, config: &'s CommissioningConfig) -> Self {
        let before = memory::remembered(site).unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "What commissioning found before cannot be read");
            Vec::new()
        });
        Self {
            site,
            config,
            network: Network::look(),
            before,
            scan: OnceLock::new(),
            door: None,
            meeting: OnceLock::new(),
            router: OnceLock::new(),
            doorkeeper: OnceLock::new(),
            dialling: OnceLock::new(),
        }
    }

    /// With the box's own port, so that others can be asked whether they reach it.
    #[must_use]
    pub(crate) fn with_door(mut self, door: &'s Door) -> Self {
        self.door = Some(door);
        self
    }

    /// The partners outside. The first who asks waits, and so do those who ask meanwhile.
    pub(super) fn meeting(&self) -> &Meeting {
        self.meeting.get_or_init(|| Meeting::hold(&self.config.coordinators))
    }

    /// What partners find when they dial back.
    pub(super) fn dialling(&self) -> &Dialling {
        self.attend();
        self.dialling.get_or_init(|| Dialling::ask(self.meeting(), self.door, self.outside_port()))
    }

    /// Sees to it that somebody listens at the box's own port until the run is over.
    pub(super) fn attend(&self) {
        if let Some(door) = self.door {
            self.doorkeeper.get_or_init(|| Doorkeeper::stand_in(door));
        }
    }

    /// The port at which the box is to be found from outside.
    pub(super) fn outside_port(&self) -> Option<u16> {
        self.router().as_ref().ok().and_then(Router::outside).or_else(|| self.wanted_port())
    }

    /// The port that the box wants to be found at.
    pub(super) fn wanted_port(&self) -> Option<u16> {
        self.door.map(|door| door.outside_port.unwrap_or(door.port))
    }

    /// What the router says when it is asked to let connections in. It does until [`Self::put_back`].
    pub(super) fn router(&self) -> &Result<Router, NotAsked> {
        self.router.get_or_init(|| match (&self.network, self.door) {
            (Ok(network), Some(door)) => Router::ask(network, door),
            (Err(error), _) => Err(chain(error)),
            (_, None) => Err("the box's own port is not known".to_owned()),
        })
    }

    /// Takes back what the router was asked for only to see whether it does it.
    fn put_back(&self) {
        if let Some(Ok(router)) = self.router.get()
            && self.door.is_some_and(|door| !door.keep_open)
        {
            router.close();
        }
    }

    /// What DHCP servers would lend, or why that is not known. The first who asks waits for seconds, and so do those who
    /// ask meanwhile.
    pub(super) fn scan(&self, network: &Network) -> &Result<Scan, NoScan> {
        self.scan.get_or_init(|| Scan::make(network))
    }

    /// What a check found the last time.
    #[must_use]
    pub fn last(&self, check: Check) -> Option<&Outcome> {
        self.before.iter().map(|remembered| &remembered.outcome).find(|outcome| outcome.check == check)
    }
}

/// Runs all checks, or those that are named and what they rest on. `hear` gets each outcome when it is there; the answer
/// has those that were asked for, in the order of [`Check::ALL`]. What was found is remembered.
///
/// # Errors
/// [`OperationError::Stopped`] when the box stops meanwhile; nothing is remembered then.
pub fn commission(
    around: &Surroundings<'_>,
    only: &[Check],
    hear: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, OperationError> {
    let asked = |check: &Check| only.is_empty() || only.contains(check);
    let wanted = with_grounds(Check::ALL.into_iter().filter(asked));
    let outcomes = run(around, &wanted, &mut |outcome| {
        if asked(&outcome.check) {
            hear(outcome);
        }
    });
    around.put_back();
    let outcomes = outcomes?;
    // What was found is true whether it is kept or not.
    if let Err(error) = memory::keep(around.site, &outcomes) {
        tracing::warn!(error = %chain(&error), "What commissioning found is not remembered");
    }
    Ok(outcomes.into_iter().filter(|outcome| asked(&outcome.check)).collect())
}

/// What the last runs found, with those checks made again that ask nobody but the box itself and what people told it:
/// so that what somebody has just done is seen at once.
///
/// # Errors
/// [`OperationError`].
pub fn refresh(around: &Surroundings<'_>) -> Result<Vec<Remembered>, OperationError> {
    let is_free = |check: &Check| {
        check.is_at_hand()
            && check.rests_on().iter().all(|ground| {
                !around.last(*ground).is_some_and(|last| matches!(last.state(), CheckState::Fail | CheckState::Skip))
            })
    };
    let fresh = Check::ALL.into_iter().filter(is_free).map(|check| one(around, check, None));
    let is_news = |outcome: &Outcome| {
        !around.last(outcome.check).is_some_and(|last| last.verdict == outcome.verdict && last.facts == outcome.facts)
    };
    let news: Vec<Outcome> = fresh.filter(is_news).collect();
    if !news.is_empty() {
        memory::keep(around.site, &news)?;
    }
    memory::remembered(around.site)
}

/// Begins each check as soon as those it rests on have ended.
fn run(
    around: &Surroundings<'_>,
    wanted: &[Check],
    hear: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, OperationError> {
    let mut outcomes: BTreeMap<Check, Outcome> = BTreeMap::new();
    let mut waiting: Vec<Check> = wanted.to_vec();
    std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        while outcomes.len() < wanted.len() {
            around.site.check_running()?;
            let is_ready = |check: &Check| check.rests_on().iter().all(|ground| outcomes.contains_key(ground));
            for check in waiting.extract_if(.., |check| is_ready(check)) {
                let (done, cause) = (done.clone(), root_cause(check, &outcomes));
                scope.spawn(move || {
                    let outcome = catch_unwind(AssertUnwindSafe(|| one(around, check, cause)));
                    // Nobody listens any more when the box stops.
                    let _ = done.send(outcome);
                });
            }
            // This end is kept open here, so there is always a next one.
            let Ok(outcome) = ended.recv() else { break };
            // A check that panics is a defect; it goes where every panic goes.
            let outcome = outcome.unwrap_or_else(|panic| resume_unwind(panic));
            hear(&outcome);
            outcomes.insert(outcome.check, outcome);
        }
        Ok(())
    })
    .map(|()| outcomes.into_values().collect())
}

/// The checks and all they rest on, in the order of [`Check::ALL`].
fn with_grounds(checks: impl Iterator<Item = Check>) -> Vec<Check> {
    let mut wanted: Vec<Check> = checks.collect();
    // Grounds come before what rests on them, so that going backwards sees each before its own grounds.
    for check in Check::ALL.into_iter().rev() {
        if wanted.contains(&check) {
            wanted.extend(check.rests_on());
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

fn one(around: &Surroundings<'_>, check: Check, cause: Option<Check>) -> Outcome {
    let (started_at, began) = (around.site.clock.now(), Instant::now());
    let (verdict, facts) = match cause {
        Some(because) => (Verdict::Skipped { because }, Vec::new()),
        None => {
            let (finding, facts) = checks::look(check, around);
            (Verdict::Found(finding), facts)
        }
    };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Outcome { check, verdict, facts, started_at, took_ms }
}

/// The first of its grounds that failed, or what that one was skipped for.
fn root_cause(check: Check, before: &BTreeMap<Check, Outcome>) -> Option<Check> {
    check.rests_on().iter().filter_map(|ground| before.get(ground)).find_map(|outcome| match outcome.verdict {
        Verdict::Skipped { because } => Some(because),
        Verdict::Found(finding) => (finding.state() == CheckState::Fail).then_some(outcome.check),
    })
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Finding;
    use super::*;
    use datis_engine::units::UnixMillis;

    #[test]
    fn a_check_that_was_asked_for_brings_what_it_rests_on() {
        let grounds = with_grounds([Check::LanDns].into_iter());
        assert_eq!(grounds, [Check::LanLink, Check::LanAddress, Check::WanGateway, Check::LanDns]);
        assert_eq!(with_grounds(Check::ALL.into_iter()), Check::ALL);
    }

    #[test]
    fn the_root_cause_is_never_a_check_that_was_skipped_itself() {
        let outcome = |check, verdict| {
            let outcome = Outcome { check, verdict, facts: Vec::new(), started_at: UnixMillis(0), took_ms: 0 };
            (check, outcome)
        };
        let before = BTreeMap::from([
            outcome(Check::LanLink, Verdict::Found(Finding::LinkDown)),
            outcome(Check::LanAddress, Verdict::Skipped { because: Check::LanLink }),
            outcome(Check::WanGateway, Verdict::Found(Finding::GatewayMute)),
        ]);
        assert_eq!(root_cause(Check::LanDhcp, &before), Some(Check::LanLink));
        assert_eq!(root_cause(Check::LanAddress, &before), Some(Check::LanLink));
        assert_eq!(root_cause(Check::LanDns, &before), None, "a warning is no reason to skip");
        assert_eq!(root_cause(Check::Room, &before), None);
    }
}
