//! Finding the community from one box that answers, and showing the kit to every member.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datis_engine::community::address::{Address, AddressRecord};
use datis_engine::community::log::{Comparison, Log, LogError, compare};
use datis_engine::community::roster::Member;
use datis_engine::format::kit::KitHint;
use datis_engine::ids::{CommunityId, MemberId, SpkiPin};
use datis_engine::keys::{PublicKey, SigningContext, SigningKey};
use datis_engine::wire::peers::{ClaimOwner, Claimed, Exchange, claim_message};
use datis_engine::wire::reach::OpenChannel;

use minicbor::bytes::ByteVec;

use super::RecoveryError;
use crate::links::packs::{NoLine, Reach};
use crate::links::peers::{DialError, Dialler, PeerLink};

/// For connecting, and for each answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Members that are tried in turn as a way to another one.
const RELAYS_MAX: usize = 3;

/// The kit as it is shown: to each box on its own connection.
pub(super) struct Proof {
    pub(super) community: CommunityId,
    pub(super) member: MemberId,
    pub(super) recovery: SigningKey,
    pub(super) device: PublicKey,
    pub(super) dialler: Dialler,
}

/// The community, and a connection to each member that answers.
pub(super) struct Community {
    pub(super) log: Log,
    pub(super) links: Vec<(MemberId, Mutex<PeerLink>)>,
    /// How many others are in it.
    pub(super) others: usize,
    /// Where members said that they are, as they signed it.
    pub(super) records: Vec<ByteVec>,
    hints: Vec<KitHint>,
    proof: Arc<Proof>,
}

/// The way to the members of a community, with the kit.
pub(super) struct WithTheKit {
    proof: Arc<Proof>,
    /// The key of each, and where it says that it is.
    places: HashMap<MemberId, (SpkiPin, Vec<KitHint>)>,
}

impl Reach for WithTheKit {
    fn reach(&self, member: MemberId) -> Result<PeerLink, NoLine> {
        let (pin, hints) = self.places.get(&member).ok_or(NoLine::Gone)?;
        if let Ok((link, _)) = self.proof.show_to_one_of(hints) {
            return Ok(link);
        }
        // Those that answer may reach it.
        let others = self.places.iter().filter(|(other, _)| **other != member).take(RELAYS_MAX);
        let through =
            |(_, (_, between)): (_, &(_, Vec<KitHint>))| self.proof.show_through(between, (member, *pin)).ok();
        others.into_iter().find_map(through).map(|(link, _)| link).ok_or(NoLine::Silent)
    }
}

impl Community {
    /// Asks the boxes that the kit names, one after the other, until one tells the community; then shows the kit to all of it.
    ///
    /// # Errors
    /// [`RecoveryError::Nobody`].
    pub(super) fn find(
        proof: &Arc<Proof>,
        hints: &[KitHint],
        progress: &mut dyn FnMut(String),
    ) -> Result<Self, RecoveryError> {
        let mut last = RecoveryError::from(DialError::Nowhere);
        for hint in hints {
            match proof
                .show_to(hint)
                .and_then(|(_, claimed)| Ok((Log::decode(&claimed.log, proof.community)?, claimed.records)))
            {
                Ok((log, records)) => {
                    let hints = hints.to_vec();
                    let proof = Arc::clone(proof);
                    let mut found = Self { log, links: Vec::new(), others: 0, records, hints, proof };
                    found.show_to_all(progress)?;
                    return Ok(found);
                }
                Err(error) => {
                    progress(format!("{} is not to be had: {error}", hint.place));
                    last = error;
                }
            }
        }
        Err(RecoveryError::Nobody(Box::new(last)))
    }

    /// Shows the kit to every member once, also to those that only a longer log names, which the first box did not have.
    fn show_to_all(&mut self, progress: &mut dyn FnMut(String)) -> Result<(), RecoveryError> {
        let mut silent = Vec::new();
        let mut asked = BTreeSet::from([self.proof.member]);
        loop {
            let next = self.log.roster().active().find(|member| !asked.contains(&member.id)).cloned();
            let Some(member) = next else { break };
            asked.insert(member.id);
            match self.dial(&member) {
                Ok(shown) => self.keep(&member, shown)?,
                Err(error) => silent.push((member, error)),
            }
        }
        // Those that answer may reach those that did not.
        for (member, dialled) in silent {
            match self.go_through(&member) {
                Ok(shown) => self.keep(&member, shown)?,
                Err(_) => progress(format!("{} does not answer: {dialled}", member.name)),
            }
        }
        let roster = self.log.roster();
        self.others = roster.active().filter(|member| member.id != self.proof.member).count();
        Ok(())
    }

    fn keep(&mut self, member: &Member, (link, claimed): (PeerLink, Claimed)) -> Result<(), RecoveryError> {
        self.take(&claimed)?;
        self.links.push((member.id, Mutex::new(link)));
        Ok(())
    }

    /// The longest log counts; two that part are for people to look at.
    fn take(&mut self, claimed: &Claimed) -> Result<(), RecoveryError> {
        let theirs = Log::decode(&claimed.log, self.proof.community)?;
        match compare(&self.log, &theirs) {
            Comparison::Same | Comparison::Extends => {}
            Comparison::Behind => self.log = theirs,
            Comparison::Forked(fork) => return Err(LogError::Forked(fork).into()),
        }
        self.records.extend(claimed.records.iter().cloned());
        Ok(())
    }

    /// Gives those that answer the entries of `log` that they lack; how many have just these now.
    pub(super) fn tell(&self, log: &Log) -> usize {
        let theirs = self.log.roster().sequence();
        let skipped = usize::try_from(theirs).unwrap_or(usize::MAX).saturating_add(1);
        let message = Exchange {
            sequence: log.roster().sequence(),
            last: log.last_hash(),
            entries: log.entries().skip(skipped).map(|entry| entry.encode().into()).collect(),
            records: Vec::new(),
            proposals: Vec::new(),
        };
        let told = self
            .links
            .iter()
            .filter(|(_, link)| self.lock(link).ask(&message).is_ok_and(|told| told.last == log.last_hash()));
        told.count()
    }

    /// The way to all members that are in.
    pub(super) fn reach(&self) -> WithTheKit {
        let others = self.log.roster().active().filter(|member| member.id != self.proof.member);
        let place = |member: &Member| (member.id, (member.device.spki_pin(), self.places_of(member)));
        let places = others.map(place).collect();
        WithTheKit { proof: Arc::clone(&self.proof), places }
    }

    /// Where it says that it is, or the kit does.
    fn dial(&self, member: &Member) -> Result<(PeerLink, Claimed), RecoveryError> {
        self.proof.show_to_one_of(&self.places_of(member))
    }

    /// Through a member that has seen the kit.
    fn go_through(&self, member: &Member) -> Result<(PeerLink, Claimed), RecoveryError> {
        let to = (member.id, member.device.spki_pin());
        let seen = self.links.iter().filter(|(via, _)| *via != member.id).take(RELAYS_MAX);
        let mut last = RecoveryError::from(DialError::Nowhere);
        for via in seen.filter_map(|(via, _)| self.log.roster().member(*via)) {
            match self.proof.show_through(&self.places_of(via), to) {
                Ok(shown) => return Ok(shown),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where the others say that it is, then where the kit does.
    fn places_of(&self, member: &Member) -> Vec<KitHint> {
        let pin = member.device.spki_pin();
        let records = self.records.iter().filter_map(|bytes| AddressRecord::verify(bytes, self.log.roster()).ok());
        let told = records.filter(|record| record.member == member.id).flat_map(|record| record.addresses);
        let printed = self.hints.iter().filter(|hint| hint.pin == pin);
        let mut places: Vec<String> = told.map(|place| place.to_string()).collect();
        places.extend(printed.map(|hint| hint.place.clone()));
        places.dedup();
        places.into_iter().map(|place| KitHint { place, pin }).collect()
    }

    pub(super) fn name(&self, member: MemberId) -> String {
        self.log.roster().member(member).map_or_else(|| member.to_string(), |member| member.name.to_string())
    }

    /// A link is used as it is after a panic elsewhere: a broken one says so.
    pub(super) fn lock<'l>(&self, link: &'l Mutex<PeerLink>) -> MutexGuard<'l, PeerLink> {
        link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proof {
    fn show_to(&self, hint: &KitHint) -> Result<(PeerLink, Claimed), RecoveryError> {
        let place: Address = hint.place.parse().map_err(|_| DialError::Name(hint.place.clone()))?;
        self.show_on(self.dialler.dial(&place, hint.pin, PATIENCE)?)
    }

    /// Shows it to `to` through the box that is at one of the places of `between`, which sees nothing of what goes through it.
    fn show_through(&self, between: &[KitHint], to: (MemberId, SpkiPin)) -> Result<(PeerLink, Claimed), RecoveryError> {
        let (member, pin) = to;
        let via = between.first().ok_or(DialError::Nowhere)?.pin;
        let places: Vec<Address> = between.iter().filter_map(|hint| hint.place.parse().ok()).collect();
        let request = OpenChannel::Relay { to: member };
        let connecting = async {
            let pipe = self.dialler.tcp_to(&places).await?;
            self.dialler.channel(pipe, via, &request).await
        };
        self.show_on(self.dialler.link_over(connecting, pin, PATIENCE)?)
    }

    fn show_on(&self, mut link: PeerLink) -> Result<(PeerLink, Claimed), RecoveryError> {
        let message = claim_message(self.community, self.member, &self.device, &link.channel());
        let signature = self.recovery.sign(SigningContext::Claim, &message);
        let claimed = link.ask(&ClaimOwner { community: self.community, member: self.member, signature })?;
        Ok((link, claimed))
    }

    /// Shows it at the first place where the box answers.
    fn show_to_one_of(&self, hints: &[KitHint]) -> Result<(PeerLink, Claimed), RecoveryError> {
        let mut last = RecoveryError::from(DialError::Nowhere);
        for hint in hints {
            match self.show_to(hint) {
                Ok(shown) => return Ok(shown),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
