//! Finding the community from one box that answers, and showing the kit to every member.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datis_engine::community::address::{Address, AddressRecord};
use datis_engine::community::log::{Comparison, Log, LogError, compare};
use datis_engine::community::roster::Member;
use datis_engine::format::kit::KitHint;
use datis_engine::ids::{CommunityId, MemberId};
use datis_engine::keys::{PublicKey, SigningContext, SigningKey};
use datis_engine::wire::peers::{ClaimOwner, Claimed, Exchange, claim_message};

use minicbor::bytes::ByteVec;

use super::RecoveryError;
use crate::links::packs::{NoLine, Reach};
use crate::links::peers::{DialError, Dialler, PeerLink};

/// For connecting, and for each answer.
const PATIENCE: Duration = Duration::from_secs(30);

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
    places: HashMap<MemberId, Vec<KitHint>>,
}

impl Reach for WithTheKit {
    fn reach(&self, member: MemberId) -> Result<PeerLink, NoLine> {
        let hints = self.places.get(&member).ok_or(NoLine::Gone)?;
        Ok(self.proof.show_to_one_of(hints).map_err(|_| NoLine::Silent)?.0)
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
        let mut asked = BTreeSet::from([self.proof.member]);
        loop {
            let next = self.log.roster().active().find(|member| !asked.contains(&member.id)).cloned();
            let Some(member) = next else { break };
            asked.insert(member.id);
            match self.connect(&member) {
                Ok((link, claimed)) => {
                    self.take(&claimed)?;
                    self.links.push((member.id, Mutex::new(link)));
                }
                Err(error) => progress(format!("{} does not answer: {error}", member.name)),
            }
        }
        let roster = self.log.roster();
        self.others = roster.active().filter(|member| member.id != self.proof.member).count();
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
        let places = others.map(|member| (member.id, self.places_of(member))).collect();
        WithTheKit { proof: Arc::clone(&self.proof), places }
    }

    fn connect(&self, member: &Member) -> Result<(PeerLink, Claimed), RecoveryError> {
        self.proof.show_to_one_of(&self.places_of(member))
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
        let mut link = self.dialler.dial(&place, hint.pin, PATIENCE)?;
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
