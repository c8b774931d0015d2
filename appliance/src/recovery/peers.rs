//! The community as the boxes tell it that the kit was shown to, and the ways to them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datis_engine::community::address::{Address, AddressRecord};
use datis_engine::community::entry::SignedEntry;
use datis_engine::community::log::{Comparison, Log, compare};
use datis_engine::community::roster::Member;
use datis_engine::format::kit::KitHint;
use datis_engine::ids::{CommunityId, MemberId, SpkiPin};
use datis_engine::keys::{PublicKey, SigningContext, SigningKey};
use datis_engine::wire::peers::{ClaimOwner, Claimed, Exchange, Exchanged, claim_message};
use datis_engine::wire::reach::OpenChannel;

use minicbor::bytes::ByteVec;

use super::RecoveryError;
use super::abreast::Abreast;
use crate::links::packs::{NoLine, Reach};
use crate::links::peers::{DialError, Dialler, PeerLink};
use crate::operations::community::give;

/// For connecting, and for each answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Members that are tried in turn as a way to another one.
pub(super) const RELAYS_MAX: usize = 3;

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
    pub(super) links: Vec<(MemberId, Arc<Mutex<PeerLink>>)>,
    /// Where members said that they are, as they signed it.
    pub(super) records: Vec<ByteVec>,
    hints: Vec<KitHint>,
    proof: Arc<Proof>,
}

/// The logs that boxes gave, each with how many members gave just it.
struct Logs(Vec<(Log, usize)>);

impl Logs {
    fn begin(first: Log) -> Self {
        Self(vec![(first, 0)])
    }

    /// Whoever is not in the community that counts by then has no say.
    fn add(&mut self, log: Log, of: &SpkiPin) {
        let last = log.last_hash();
        if self.0.iter().all(|(known, _)| known.last_hash() != last) {
            self.0.push((log, 0));
        }
        let is_in = active(self.chosen(), of).is_some();
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| known.last_hash() == last) {
            *count += usize::from(is_in);
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

/// The member that has the box with this key now.
pub(super) fn active<'l>(log: &'l Log, pin: &SpkiPin) -> Option<&'l Member> {
    log.roster().active().find(|member| member.device.spki_pin() == *pin)
}

/// The way to the members of a community, with the kit.
pub(super) struct WithTheKit {
    proof: Arc<Proof>,
    /// The key of each, and where it says that it is.
    places: HashMap<MemberId, (SpkiPin, Vec<KitHint>)>,
    /// Those that answered, through which others may be reached.
    relays: Vec<MemberId>,
}

impl Reach for WithTheKit {
    fn reach(&self, member: MemberId) -> Result<PeerLink, NoLine> {
        let (pin, hints) = self.places.get(&member).ok_or(NoLine::Gone)?;
        if let Ok((link, _)) = self.proof.show_to_one_of(hints) {
            return Ok(link);
        }
        let relays = self.relays.iter().filter(|relay| **relay != member).take(RELAYS_MAX);
        let between = relays.filter_map(|relay| self.places.get(relay)).map(|(_, between)| between);
        let through = |between: &Vec<KitHint>| self.proof.show_through(between, (member, *pin)).ok();
        between.into_iter().find_map(through).map(|(link, _)| link).ok_or(NoLine::Silent)
    }
}

impl Community {
    /// What the first box tells that answers.
    pub(super) fn begin(log: Log, proof: &Arc<Proof>, hints: Vec<KitHint>) -> Self {
        let (logs, proof) = (Logs::begin(log), Arc::clone(proof));
        Self { logs, links: Vec::new(), records: Vec::new(), hints, proof }
    }

    /// What the box with this key tells; whether anything of it is new.
    pub(super) fn hear(&mut self, pin: &SpkiPin, log: Log, records: Vec<ByteVec>) -> bool {
        let before = (self.log().last_hash(), self.records.len());
        self.logs.add(log, pin);
        for record in records {
            if !self.records.contains(&record) {
                self.records.push(record);
            }
        }
        before != (self.log().last_hash(), self.records.len())
    }

    /// The members that are in, but for the one that comes back.
    pub(super) fn others(&self) -> impl Iterator<Item = &Member> {
        self.log().roster().active().filter(|member| member.id != self.proof.member)
    }

    /// Keeps these connections, and says what else came out.
    pub(super) fn settle(&mut self, links: Vec<(SpkiPin, PeerLink)>, progress: &mut dyn FnMut(String)) {
        for (pin, link) in links {
            if let Some(member) = active(self.log(), &pin).map(|member| member.id) {
                self.links.push((member, Arc::new(Mutex::new(link))));
            }
        }
        if self.logs.have_parted() {
            progress(
                "the boxes have logs of the community that part; the one that most of them have counts".to_owned(),
            );
        }
    }

    /// The log that counts.
    pub(super) fn log(&self) -> &Log {
        self.logs.chosen()
    }

    /// Gives those that answer the entries of `log` that they lack; how many have just these now.
    pub(super) fn tell(&self, log: &Log) -> usize {
        let (last, log) = (log.last_hash(), log.clone());
        // What this box adds to what the others have told.
        let added: Vec<ByteVec> =
            log.after(self.log().roster().sequence()).map(|entry| SignedEntry::encode(entry).into()).collect();
        let members = self.links.iter().filter_map(|(member, _)| self.link_to(*member));
        let give_all = move |link: &Linked| {
            let question = |entries: Vec<ByteVec>| Exchange {
                sequence: log.roster().sequence(),
                last,
                entries,
                records: Vec::new(),
                proposals: Vec::new(),
                // What they have besides is of no use here.
                entries_at_most: Some(0),
            };
            let mut link = link.lock();
            let told = link.ask(&question(Vec::new()))?;
            if log.hash_at(told.sequence) == Some(told.last) {
                return give(&log, told, |entries| Ok::<_, RecoveryError>(link.ask(&question(entries))?));
            }
            // It has heard of something since it was asked for its log, and weighs both.
            Ok(if added.is_empty() { told } else { link.ask(&question(added.clone()))? })
        };
        let has_taken = |told: &Exchanged| told.last == last;
        let told = Abreast::each(members, give_all, has_taken);
        told.into_iter().filter(|(_, told)| told.as_ref().is_ok_and(has_taken)).count()
    }

    /// The connection to a member that answers.
    pub(super) fn link_to(&self, member: MemberId) -> Option<Linked> {
        let (_, link) = self.links.iter().find(|(id, _)| *id == member)?;
        Some(Linked { member, link: Arc::clone(link) })
    }

    /// The way to all members that are in.
    pub(super) fn reach(&self) -> WithTheKit {
        let mut told = self.places();
        let place =
            |member: &Member| (member.id, (member.device.spki_pin(), told.remove(&member.id).unwrap_or_default()));
        let places = self.others().map(place).collect();
        let relays = self.links.iter().map(|(member, _)| *member).collect();
        WithTheKit { proof: Arc::clone(&self.proof), places, relays }
    }

    /// Where the others say that each member is, then where the kit does; those of whom nobody knows are not in it.
    pub(super) fn places(&self) -> HashMap<MemberId, Vec<KitHint>> {
        let mut places: HashMap<MemberId, Vec<KitHint>> = HashMap::new();
        let mut add = |member: &Member, place: String| {
            let hint = KitHint { place, pin: member.device.spki_pin() };
            let known = places.entry(member.id).or_default();
            if !known.contains(&hint) {
                known.push(hint);
            }
        };
        let roster = self.log().roster();
        for record in self.records.iter().filter_map(|bytes| AddressRecord::verify(bytes, roster).ok()) {
            if let Some(member) = roster.member(record.member) {
                record.addresses.iter().for_each(|place| add(member, place.to_string()));
            }
        }
        for hint in &self.hints {
            if let Some(member) = active(self.log(), &hint.pin) {
                add(member, hint.place.clone());
            }
        }
        places
    }

    /// The members that did not answer.
    pub(super) fn silent(&self) -> impl Iterator<Item = MemberId> {
        let silent = self.others().filter(|member| self.links.iter().all(|(link, _)| *link != member.id));
        silent.map(|member| member.id)
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
}

/// A connection to a member, which whoever has stopped to wait for it may still be asking on.
#[derive(Clone)]
pub(super) struct Linked {
    pub(super) member: MemberId,
    link: Arc<Mutex<PeerLink>>,
}

impl Linked {
    /// It is used as it is after a panic elsewhere: a broken one says so.
    pub(super) fn lock(&self) -> MutexGuard<'_, PeerLink> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proof {
    pub(super) fn show_to(&self, hint: &KitHint) -> Result<(PeerLink, Claimed), RecoveryError> {
        let place: Address = hint.place.parse().map_err(|_| DialError::Name(hint.place.clone()))?;
        self.show_on(self.dialler.dial(&place, hint.pin, PATIENCE)?)
    }

    /// Shows it to `to` through the box that is at one of the places of `between`, which sees nothing of what goes through it.
    pub(super) fn show_through(
        &self,
        between: &[KitHint],
        to: (MemberId, SpkiPin),
    ) -> Result<(PeerLink, Claimed), RecoveryError> {
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
        let pin = key.public_key().spki_pin();
        let (ours, odd) = (with(&base, &key, 100), with(&with(&base, &key, 200), &key, 300));
        let mut logs = Logs::begin(base.clone());
        assert_eq!(logs.chosen().last_hash(), base.last_hash());
        logs.add(odd.clone(), &pin);
        assert_eq!(
            logs.chosen().last_hash(),
            odd.last_hash(),
            "what only one box has counts as long as nobody says otherwise"
        );
        assert!(!logs.have_parted());
        logs.add(ours.clone(), &pin);
        logs.add(ours.clone(), &pin);
        logs.add(base, &pin);
        assert_eq!(logs.chosen().last_hash(), ours.last_hash());
        assert!(logs.have_parted());
        let longer = with(&ours, &key, 110);
        logs.add(longer.clone(), &pin);
        assert_eq!(logs.chosen().last_hash(), longer.last_hash());
        let stranger = SigningKey::from_seed(&[9; 32]).public_key().spki_pin();
        (0..9).for_each(|_| logs.add(odd.clone(), &stranger));
        assert_eq!(logs.chosen().last_hash(), longer.last_hash(), "who is not in it has no say");
    }
}
