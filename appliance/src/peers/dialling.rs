//! Asking members to dial this box, so that it learns whether others reach it: three of them have to agree, and two rounds.

use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use datis_engine::community::address::Address;
use datis_engine::ids::{MemberId, MemberName};
use datis_engine::life::reach::{DIALLERS, Reach, Votes};
use datis_engine::life::ways::Way;
use datis_engine::wire::reach::{DialBack, DialledBack};

use super::{BRIEF, Peers, PeersError};
use crate::links::peers::DialError;
use crate::operations::{chain, community};

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
    /// Where all who dialled last reached this box.
    seen: Option<Address>,
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

    /// Where this box is: what its configuration says, and where others reach it, if that is somewhere else.
    pub(crate) fn places(&self) -> Vec<Address> {
        let seen = self.rounds.lock().unwrap_or_else(PoisonError::into_inner).seen.clone();
        let new = seen.filter(|seen| !self.places.contains(seen));
        new.into_iter().chain(self.places.iter().cloned()).collect()
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
        match votes.verdict() {
            Reach::Reachable => rounds.seen = seen_by_all(&told, self.port),
            Reach::NotReachable => rounds.seen = None,
            Reach::NotKnown => {}
        }
        let before = rounds.reach.round(votes);
        let now = rounds.reach.state();
        drop(rounds);
        if before.is_some()
            && let Err(error) = community::note_reach(&self.site, now)
        {
            tracing::warn!(error = chain(&error), "Whether members reach this box was not written down");
        }
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

/// The address at which all who dialled reached this box, if they say the same.
fn seen_by_all(told: &[Told], port: u16) -> Option<Address> {
    let mut seen =
        told.iter().filter_map(|told| told.found.as_ref().ok().map(|dialled| dialled.address.parse::<IpAddr>()));
    let first = seen.next()?.ok()?;
    if seen.all(|other| other.is_ok_and(|other| other == first)) {
        SocketAddr::new(first, port).to_string().parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use datis_engine::wire::reach::DialFound;

    use super::*;

    #[test]
    fn where_others_reach_the_box_is_what_all_of_them_say() {
        let told = |addresses: &[Option<&str>]| {
            let one = |address: &Option<&str>| Told {
                member: MemberId::from_bytes([1; MemberId::LEN]),
                at: Instant::now(),
                port: 443,
                name: "bakery".parse().expect("a name"),
                found: address.map_or(Err("busy".to_owned()), |address| {
                    Ok(DialledBack { address: address.to_owned(), found: DialFound::Reached { millis: 1 } })
                }),
            };
            let told: Vec<Told> = addresses.iter().map(one).collect();
            seen_by_all(&told, 443).map(|place| place.to_string())
        };
        for (addresses, expected) in [
            (&[Some("81.2.69.142"), Some("81.2.69.142"), None][..], Some("81.2.69.142:443")),
            (&[Some("2a00:1450::1")], Some("[2a00:1450::1]:443")),
            (&[Some("81.2.69.142"), Some("81.2.69.143")], None),
            (&[Some("81.2.69.142"), Some("here")], None),
            (&[Some("not an address")], None),
            (&[None], None),
            (&[], None),
        ] {
            assert_eq!(told(addresses).as_deref(), expected, "{addresses:?}");
        }
    }
}
