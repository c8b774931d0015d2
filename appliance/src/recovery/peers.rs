//! Finding the community from one box that answers, and showing the kit to every member.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datis_engine::community::address::{Address, AddressRecord};
use datis_engine::community::log::{Comparison, Log, compare};
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
    logs: Logs,
    pub(super) links: Vec<(MemberId, Mutex<PeerLink>)>,
    /// How many others are in it.
    pub(super) others: usize,
    /// Where members said that they are, as they signed it.
    pub(super) records: Vec<ByteVec>,
    hints: Vec<KitHint>,
    proof: Arc<Proof>,
}

/// The logs that members gave, each with how many gave just it. The first one stands for the box that told where the others are,
/// which is asked once more like all of them.
struct Logs(Vec<(Log, usize)>);

impl Logs {
    fn begin(first: Log) -> Self {
        Self(vec![(first, 0)])
    }

    fn add(&mut self, log: Log) {
        match self.0.iter_mut().find(|(known, _)| known.last_hash() == log.last_hash()) {
            Some((_, count)) => *count += 1,
            None => self.0.push((log, 1)),
        }
    }

    /// Of logs that part the one of which most members have at least the beginning; of those that follow on one another the longest.
    fn chosen(&self) -> &Log {
        let is_part_of =
            |part: &Log, whole: &Log| matches!(compare(whole, part), Comparison::Same | Comparison::Extends);
        let weight = |(log, _): &&(Log, usize)| {
            let behind_it = self.0.iter().filter(|(other, _)| is_part_of(other, log)).map(|(_, count)| count);
            (behind_it.sum::<usize>(), log.roster().sequence())
        };
        self.0.iter().max_by_key(weight).map_or_else(|| unreachable!("there is a first one"), |(log, _)| log)
    }

    fn have_parted(&self) -> bool {
        self.0.iter().any(|(log, _)| matches!(compare(self.chosen(), log), Comparison::Parted { .. }))
    }
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
                    let (logs, links) = (Logs::begin(log), Vec::new());
                    let mut found = Self { logs, links, others: 0, records, hints, proof };
                    found.show_to_all(progress);
                    if !found.links.is_empty() {
                        return Ok(found);
                    }
                    progress(format!("of the community that {} names nobody answers", hint.place));
                }
                Err(error) => {
                    progress(format!("{} is not to be had: {error}", hint.place));
                    last = error;
                }
            }
        }
        Err(RecoveryError::Nobody(Box::new(last)))
    }

    /// Shows the kit to every member once, also to those that only a longer log names, which the first box did not have. One that
    /// answers what is no log is as one that is silent.
    fn show_to_all(&mut self, progress: &mut dyn FnMut(String)) {
        let mut silent = Vec::new();
        let mut asked = BTreeSet::from([self.proof.member]);
        loop {
            let next = self.log().roster().active().find(|member| !asked.contains(&member.id)).cloned();
            let Some(member) = next else { break };
            asked.insert(member.id);
            match self.dial(&member) {
                Ok(shown) => self.keep(&member, shown, progress),
                Err(error) => silent.push((member, error)),
            }
        }
        // Those that answer may reach those that did not.
        for (member, dialled) in silent {
            match self.go_through(&member) {
                Ok(shown) => self.keep(&member, shown, progress),
                Err(_) => progress(format!("{} does not answer: {dialled}", member.name)),
            }
        }
        if self.logs.have_parted() {
            progress(
                "the boxes have logs of the community that part; the one that most of them have counts".to_owned(),
            );
        }
        let roster = self.log().roster();
        self.others = roster.active().filter(|member| member.id != self.proof.member).count();
    }

    fn keep(&mut self, member: &Member, (link, claimed): (PeerLink, Claimed), progress: &mut dyn FnMut(String)) {
        match Log::decode(&claimed.log, self.proof.community) {
            Ok(theirs) => {
                self.logs.add(theirs);
                self.records.extend(claimed.records);
                self.links.push((member.id, Mutex::new(link)));
            }
            Err(error) => {
                progress(format!("{} is left out: it answers with no log of the community: {error}", member.name))
            }
        }
    }

    /// The log that counts.
    pub(super) fn log(&self) -> &Log {
        self.logs.chosen()
    }

    /// Gives those that answer the entries of `log` that they lack; how many have just these now.
    pub(super) fn tell(&self, log: &Log) -> usize {
        let theirs = self.log().roster().sequence();
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
        let others = self.log().roster().active().filter(|member| member.id != self.proof.member);
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
        for via in seen.filter_map(|(via, _)| self.log().roster().member(*via)) {
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
        let records = self.records.iter().filter_map(|bytes| AddressRecord::verify(bytes, self.log().roster()).ok());
        let told = records.filter(|record| record.member == member.id).flat_map(|record| record.addresses);
        let printed = self.hints.iter().filter(|hint| hint.pin == pin);
        let mut places: Vec<String> = told.map(|place| place.to_string()).collect();
        places.extend(printed.map(|hint| hint.place.clone()));
        places.dedup();
        places.into_iter().map(|place| KitHint { place, pin }).collect()
    }

    /// What those of these members are called that did not answer, by name.
    pub(super) fn silent_among(&self, members: impl IntoIterator<Item = MemberId>) -> Vec<String> {
        let answers = |member: &MemberId| self.links.iter().any(|(link, _)| link == member);
        let silent: BTreeSet<String> =
            members.into_iter().filter(|member| !answers(member)).map(|member| self.name(member)).collect();
        silent.into_iter().collect()
    }

    pub(super) fn name(&self, member: MemberId) -> String {
        self.log().roster().member(member).map_or_else(|| member.to_string(), |member| member.name.to_string())
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

#[cfg(test)]
mod tests {
    use datis_engine::community::entry::{Admission, Change, Domains};
    use datis_engine::units::UnixMillis;

    use super::*;

    fn founded() -> (Log, SigningKey) {
        let (device, recovery) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let founder = Admission {
            name: "cellar".parse().expect("name"),
            recovery: recovery.public_key(),
            device: device.public_key(),
            domains: Domains::default(),
        };
        let name = "harbour".parse().expect("name");
        let change = Change::Found { name, founder: Box::new(founder), removal_threshold: 1, window_days: 90 };
        let mut first = Log::founding(UnixMillis(1), change);
        first.sign(&device);
        first.sign(&recovery);
        (Log::begin(first).expect("founded"), device)
    }

    fn with(base: &Log, key: &SigningKey, days: u16) -> Log {
        let mut log = base.clone();
        let mut entry = log.draft(UnixMillis(2), Change::SetWindow { days });
        entry.sign(key);
        log.append(entry).expect("extended");
        log
    }

    #[test]
    fn the_longest_log_counts_and_of_those_that_part_the_one_that_most_have() {
        let (base, key) = founded();
        let (ours, odd) = (with(&base, &key, 100), with(&with(&base, &key, 200), &key, 300));
        let mut logs = Logs::begin(base.clone());
        assert_eq!(logs.chosen().last_hash(), base.last_hash());
        logs.add(odd.clone());
        assert_eq!(
            logs.chosen().last_hash(),
            odd.last_hash(),
            "what only one box has counts as long as nobody says otherwise"
        );
        assert!(!logs.have_parted());
        logs.add(ours.clone());
        logs.add(ours.clone());
        logs.add(base);
        assert_eq!(logs.chosen().last_hash(), ours.last_hash());
        assert!(logs.have_parted());
        let longer = with(&ours, &key, 110);
        logs.add(longer.clone());
        assert_eq!(logs.chosen().last_hash(), longer.last_hash());
    }
}
