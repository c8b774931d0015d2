//! Asking members to dial this box, so that it learns whether others reach it: three of them have to agree, and two rounds.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use datis_engine::ids::{MemberId, MemberName};
use datis_engine::life::reach::{DIALLERS, Reach, Votes};
use datis_engine::life::ways::Way;
use datis_engine::wire::reach::{DialBack, DialledBack};

use super::{BRIEF, Peers, PeersError};
use crate::links::peers::DialError;

/// A member dials so often for another one; until then its last word counts.
pub(crate) const DIAL_EVERY: Duration = Duration::from_secs(600);
/// Between rounds, once what they say is known.
const ROUND_EVERY: Duration = Duration::from_secs(30 * 60);
/// Before the first one, so that it is known who can be asked.
const SETTLING: Duration = Duration::from_secs(20);

/// What is known of whether others reach this box.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    reach: datis_engine::life::reach::Reachability,
    last: Option<Instant>,
    told: Vec<Told>,
}

/// What one member found.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    member: MemberId,
    at: Instant,
    port: u16,
    /// Who.
    pub(crate) name: MemberName,
    /// What, or why it did not dial.
    pub(crate) found: Result<DialledBack, String>,
}

/// Whether others reach this box, as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The state.
    pub(crate) reach: Reach,
    /// What the last round said.
    pub(crate) said: Reach,
    /// The port that members were asked to dial.
    pub(crate) port: u16,
    /// What each found that dialled last.
    pub(crate) told: Vec<Told>,
}

impl Peers {
    /// What is known.
    pub(crate) fn standing(&self) -> Standing {
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let (reach, (said, _)) = (rounds.reach.state(), rounds.reach.said());
        Standing { reach, said, port: self.port, told: rounds.told.clone() }
    }

    /// Asks for a round, if it is time.
    pub(super) fn round_if_due(&self) {
        let is_due = {
            let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let is_settled = rounds.reach.state() != Reach::NotKnown && rounds.reach.said().0 == rounds.reach.state();
            let pause = if is_settled { ROUND_EVERY } else { DIAL_EVERY + Duration::from_secs(5) };
            rounds.last.map_or(self.began.elapsed() >= SETTLING, |last| last.elapsed() >= pause)
        };
        if is_due {
            self.round();
        }
    }

    fn round(&self) {
        let (askable, told) = self.ask_to_dial(self.port);
        let found = |reached: bool| {
            let fits = |told: &&Told| told.found.as_ref().is_ok_and(|dialled| dialled.found.is_reached() == reached);
            told.iter().filter(fits).count()
        };
        let votes = Votes { askable, reached: found(true), missed: found(false) };
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.last = Some(Instant::now());
        let before = rounds.reach.round(votes);
        let now = rounds.reach.state();
        drop(rounds);
        match (before, now) {
            (None, _) => {}
            (Some(_), Reach::NotReachable) => tracing::warn!(
                port = self.port,
                "Members of the community do not reach this box; it works by connections that it opens itself"
            ),
            (Some(_), now) => {
                tracing::info!(port = self.port, reach = now.word(), "Whether members reach this box has changed")
            }
        }
    }

    /// What members find at this port now; what one has found in the last ten minutes still counts. Also how many could be asked.
    pub(crate) fn ask_to_dial(&self, port: u16) -> (usize, Vec<Told>) {
        let Some(known) = self.site.community() else { return (0, Vec::new()) };
        // Only who is dialled sees the address that this box has outside.
        let is_dialled = |id| self.reached(id).is_some_and(|reached| reached.way == Way::Direct);
        let near: Vec<_> = known
            .others()
            .filter(|member| is_dialled(member.id))
            .map(|member| (member.id, member.name.clone()))
            .collect();
        let askable = near.len();
        let mut asked: Vec<_> = near.iter().map(|(id, name)| (self.lately(*id, port), *id, name.clone())).collect();
        // Those who may be asked again come first.
        asked.sort_by_key(|(lately, ..)| lately.is_some());
        asked.truncate(DIALLERS);
        let told: Vec<Told> = std::thread::scope(|scope| {
            let running: Vec<_> = asked
                .into_iter()
                .map(|(lately, member, name)| {
                    scope.spawn(move || {
                        lately.unwrap_or_else(|| {
                            let found = self.ask_one(member, port).map_err(|error| error.to_string());
                            Told { member, at: Instant::now(), port, name, found }
                        })
                    })
                })
                .collect();
            let joined = running.into_iter().map(|one| one.join());
            joined.map(|told| told.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.told.retain(|before| !told.iter().any(|new| new.member == before.member));
        rounds.told.extend(told.iter().cloned());
        (askable, told)
    }

    /// What it said less than ten minutes ago: it would not dial again.
    fn lately(&self, member: MemberId, port: u16) -> Option<Told> {
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |told: &&Told| {
            told.member == member && told.port == port && told.found.is_ok() && told.at.elapsed() < DIAL_EVERY
        };
        rounds.told.iter().find(fits).cloned()
    }

    fn ask_one(&self, member: MemberId, port: u16) -> Result<DialledBack, PeersError> {
        let link = self.dial_directly(member, BRIEF)?;
        let mut link = link.ok_or(DialError::Nowhere)?;
        Ok(link.ask(&DialBack::at(port))?)
    }
}
