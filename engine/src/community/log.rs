//! The hash-chained log of a community, which every member holds.
//!
//! As bytes it is a CBOR sequence (RFC 8742) of byte strings, one encoded [`SignedEntry`] each, so that a file of it
//! grows at its end. Two logs that differ at one place have parted: `community/parting.rs`.

use super::entry::{Change, Entry, SignedEntry};
use super::roster::Roster;
use super::rules;
use crate::format::FormatError;
use crate::ids::{CommunityId, EntryHash, MemberId};
use crate::keys::{PublicKey, SigningContext};
use crate::units::UnixMillis;

pub use super::rules::{Refusal, THRESHOLD_MAX, WINDOW_DAYS_MAX, WINDOW_DAYS_MIN};

/// The most entries.
pub const ENTRIES_MAX: usize = 10_000;

/// The longest log, in bytes: 3 KiB an entry, which is five times the usual.
pub const LOG_MAX: usize = 30 << 20;

/// The last places are for putting members out and for their coming back: whoever fills the log stops neither.
const ENTRIES_KEPT: usize = 1_000;

/// The same in bytes.
const BYTES_KEPT: usize = 4 << 20;

const LOG: &str = "community log";

/// Why a log, or the next entry of one, was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A log of another community.
    #[error("the log is that of community {found}, not of {wanted}")]
    Community {
        /// Whose it is.
        found: CommunityId,
        /// Whose was asked for.
        wanted: CommunityId,
    },
    /// Out of its place: sent again, left out, exchanged, or of a fork.
    #[error("entry {found} does not follow on entry {last} of this log")]
    Chain {
        /// Its sequence.
        found: u64,
        /// Sequence of the last one here.
        last: u64,
    },
    /// Against the rules.
    #[error("entry {sequence} is refused: {refusal}")]
    Refused {
        /// Which entry.
        sequence: u64,
        /// Why.
        refusal: Refusal,
    },
    /// At a limit.
    #[error("the log is full: it has {ENTRIES_MAX} entries or {LOG_MAX} bytes")]
    Full,
}

/// An entry that may become the next one, and who has signed it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// What it says.
    pub entry: Entry,
    /// The keys that have signed.
    pub signed: Vec<PublicKey>,
    /// How many have to.
    pub needed: usize,
}

/// How one log stands to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Entry by entry.
    Same,
    /// The first has all of the second, and more.
    Extends,
    /// The second has all of the first, and more.
    Behind,
    /// They part.
    Parted {
        /// Sequence of the first entry that differs.
        at: u64,
    },
}

/// A log that holds: every entry follows on the one before, and was signed by those who had to.
#[derive(Debug, Clone)]
pub struct Log {
    first: SignedEntry,
    rest: Vec<SignedEntry>,
    hashes: Vec<EntryHash>,
    bytes: usize,
    roster: Roster,
}

impl Log {
    /// A log that begins with `first`, the founding.
    ///
    /// # Errors
    /// [`LogError::Format`], [`LogError::Chain`], [`LogError::Refused`].
    pub fn begin(first: SignedEntry) -> Result<Self, LogError> {
        SignedEntry::decode(&first.encode())?;
        let entry = first.entry()?;
        if entry.sequence != 0 || entry.previous != EntryHash::from_bytes([0; EntryHash::LEN]) {
            return Err(LogError::Chain { found: entry.sequence, last: 0 });
        }
        rules::check_founding(&entry.change, &first).map_err(|refusal| LogError::Refused { sequence: 0, refusal })?;
        Self::begun(first, &entry.change).ok_or(LogError::Refused { sequence: 0, refusal: Refusal::Founding })
    }

    /// The log of a first entry that was checked; `None`: `change`, which it makes, founds nothing.
    fn begun(first: SignedEntry, change: &Change) -> Option<Self> {
        let Change::Found { name, founder, removal_threshold, window_days } = change else { return None };
        let (hash, bytes) = (first.hash(), framed_len(first.encode().len()));
        let community = CommunityId::from_bytes(*hash.as_bytes());
        let roster = Roster::founded(community, name, founder, *removal_threshold, *window_days);
        Some(Self { first, rest: Vec::new(), hashes: vec![hash], bytes, roster })
    }

    /// The unsigned first entry of a new log; the founder's device key and recovery key have to sign it.
    #[must_use]
    pub fn founding(at: UnixMillis, change: Change) -> SignedEntry {
        SignedEntry::unsigned(EntryHash::from_bytes([0; EntryHash::LEN]), 0, at, change)
    }

    /// Reads a whole log and checks all of it.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn decode(bytes: &[u8], community: CommunityId) -> Result<Self, LogError> {
        if bytes.len() > LOG_MAX {
            return Err(LogError::Full);
        }
        let mut d = minicbor::Decoder::new(bytes);
        let log = Self::begin(next_entry(&mut d)?)?;
        if log.community() != community {
            return Err(LogError::Community { found: log.community(), wanted: community });
        }
        let mut log = log;
        while d.position() < bytes.len() {
            log.append(next_entry(&mut d)?)?;
        }
        Ok(log)
    }

    /// Reads and checks a whole log, for its result alone.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn verify(bytes: &[u8], community: CommunityId) -> Result<Roster, LogError> {
        Self::decode(bytes, community).map(|log| log.roster)
    }

    /// The log as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut e = minicbor::Encoder::new(Vec::with_capacity(self.bytes));
        for entry in self.entries() {
            if e.bytes(&entry.encode()).is_err() {
                unreachable!("encoding into memory cannot fail");
            }
        }
        e.into_writer()
    }

    /// Which community.
    #[must_use]
    pub fn community(&self) -> CommunityId {
        self.roster.community()
    }

    /// Where the log has led to.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Hash of the last entry, for comparing by gossip.
    #[must_use]
    pub fn last_hash(&self) -> EntryHash {
        self.hashes.last().copied().unwrap_or_else(|| self.first.hash())
    }

    /// All entries, the first one first.
    pub fn entries(&self) -> impl Iterator<Item = &SignedEntry> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The unsigned next entry.
    #[must_use]
    pub fn draft(&self, at: UnixMillis, change: Change) -> SignedEntry {
        SignedEntry::unsigned(self.last_hash(), self.roster.sequence() + 1, at, change)
    }

    /// How far an entry is that may become the next one.
    ///
    /// # Errors
    /// [`LogError::Chain`] when it follows on another entry than the last one; [`LogError::Refused`] also when any of its
    /// signatures does not count.
    pub fn weigh(&self, signed: &SignedEntry) -> Result<Weighed, LogError> {
        SignedEntry::decode(&signed.encode())?;
        let entry = signed.entry()?;
        let last = self.roster.sequence();
        if entry.sequence != last + 1 || entry.previous != self.last_hash() {
            return Err(LogError::Chain { found: entry.sequence, last });
        }
        let (signed, needed) = rules::weigh(&entry.change, signed, &self.roster)
            .map_err(|refusal| LogError::Refused { sequence: entry.sequence, refusal })?;
        Ok(Weighed { entry, signed, needed })
    }

    /// Takes one more entry; a refused one leaves the log as it was.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn append(&mut self, signed: SignedEntry) -> Result<(), LogError> {
        let encoded = signed.encode();
        SignedEntry::decode(&encoded)?;
        let entry = signed.entry()?;
        let last = self.roster.sequence();
        if entry.sequence != last + 1 || entry.previous != self.last_hash() {
            return Err(LogError::Chain { found: entry.sequence, last });
        }
        let (entries_kept, bytes_kept) = if entry.change.is_urgent() { (0, 0) } else { (ENTRIES_KEPT, BYTES_KEPT) };
        let bytes = self.bytes + framed_len(encoded.len());
        if self.hashes.len() >= ENTRIES_MAX - entries_kept || bytes > LOG_MAX - bytes_kept {
            return Err(LogError::Full);
        }
        rules::check(&entry.change, &signed, &self.roster)
            .map_err(|refusal| LogError::Refused { sequence: entry.sequence, refusal })?;
        self.push(&entry, signed, bytes);
        Ok(())
    }

    fn push(&mut self, entry: &Entry, signed: SignedEntry, bytes: usize) {
        self.roster.apply(&entry.change, entry.sequence);
        self.hashes.push(signed.hash());
        self.bytes = bytes;
        self.rest.push(signed);
    }

    /// The log as it was when the entry of this sequence was its last.
    #[must_use]
    pub fn up_to(&self, sequence: u64) -> Self {
        let founding = self.first.entry().ok();
        let Some(mut log) = founding.and_then(|entry| Self::begun(self.first.clone(), &entry.change)) else {
            unreachable!("this log was begun with it")
        };
        let count = usize::try_from(sequence).unwrap_or(usize::MAX);
        for signed in self.rest.iter().take(count) {
            // It was checked when it was appended.
            let Ok(entry) = signed.entry() else { unreachable!("an entry of this log is read") };
            let bytes = log.bytes + framed_len(signed.encode().len());
            log.push(&entry, signed.clone(), bytes);
        }
        log
    }

    /// Hash of the entry of this sequence; `None`: the log is not so long.
    #[must_use]
    pub fn hash_at(&self, sequence: u64) -> Option<EntryHash> {
        self.hashes.get(usize::try_from(sequence).ok()?).copied()
    }

    /// The entries after that of this sequence.
    pub fn after(&self, sequence: u64) -> impl Iterator<Item = &SignedEntry> {
        self.rest.iter().skip(usize::try_from(sequence).unwrap_or(usize::MAX))
    }

    /// How many entries both logs have, from the first one on.
    #[must_use]
    pub fn common_entries(&self, other: &Self) -> usize {
        self.hashes.iter().zip(&other.hashes).take_while(|(a, b)| a == b).count()
    }

    /// Whether this entry, which may come next, has the signature of the member's present box and no other; checks none.
    #[must_use]
    pub fn is_signed_only_by(&self, next: &SignedEntry, member: MemberId) -> bool {
        let device = self.roster.member(member).map(|member| member.device);
        !next.signatures.is_empty() && next.signatures.iter().all(|signed| Some(signed.key) == device)
    }

    /// The sequence of a rebinding that `next` confirms by the kit alone, without an admin.
    ///
    /// Whoever gets such an entry appends it only [`super::roster::REBIND_HOLD`] after it saw that rebinding, by its
    /// own clock: until then the owner and the admins can answer a stolen kit.
    #[must_use]
    pub fn rests_on_rebind(&self, next: &SignedEntry) -> Option<u64> {
        let Ok(Entry { change: Change::Confirm { member }, .. }) = next.entry() else { return None };
        let member = self.roster.member(member)?;
        let super::roster::Standing::Rebound { since } = member.standing else { return None };
        let by_admin = self.roster.signing_admins().any(|admin| {
            let signed = next.signatures.iter().find(|signed| signed.key == admin.device);
            signed.is_some_and(|s| s.key.verify(SigningContext::CommunityEntry, &next.body, &s.signature).is_ok())
        });
        if by_admin { None } else { Some(since) }
    }

    /// Appends `entries`, as another member has told them; the number of those taken. One that is there already is passed over.
    ///
    /// `is_old`: whether this box saw the rebinding of that sequence [`super::roster::REBIND_HOLD`] ago or longer. Entries
    /// from the first one on that rests on a younger one are left for later: also on one that comes with them, which is seen
    /// only now.
    ///
    /// # Errors
    /// [`LogError`]; those before the one that is refused are taken.
    pub fn follow(&mut self, entries: &[SignedEntry], is_old: impl Fn(u64) -> bool) -> Result<usize, LogError> {
        let mut taken = 0;
        for entry in entries {
            if entry.entry()?.sequence <= self.roster.sequence() {
                continue;
            }
            if self.rests_on_rebind(entry).is_some_and(|since| !is_old(since)) {
                break;
            }
            self.append(entry.clone())?;
            taken += 1;
        }
        Ok(taken)
    }
}

/// How `ours` stands to `theirs`.
#[must_use]
pub fn compare(ours: &Log, theirs: &Log) -> Comparison {
    let common = ours.common_entries(theirs);
    match (common == ours.hashes.len(), common == theirs.hashes.len()) {
        (true, true) => Comparison::Same,
        (false, true) => Comparison::Extends,
        (true, false) => Comparison::Behind,
        (false, false) => Comparison::Parted { at: common as u64 },
    }
}

fn next_entry(d: &mut minicbor::Decoder<'_>) -> Result<SignedEntry, LogError> {
    let bytes = d.bytes().map_err(|e| FormatError::damaged(LOG, e))?;
    Ok(SignedEntry::decode(bytes)?)
}

/// Length of a byte string with its CBOR head, at most.
fn framed_len(len: usize) -> usize {
    len + 5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::community::entry::Domains;
    use crate::community::roster::{OWN_RENAMES_MAX, Pinned, RENAMES_MAX, Rights, Standing};
    use crate::community::testing::{Person, community, founding, key, say, signed};
    use crate::units::Seconds;

    fn refusal(result: Result<(), LogError>) -> Refusal {
        match result {
            Err(LogError::Refused { refusal, .. }) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_log_reads_what_it_writes_and_leads_to_the_same_roster() {
        let (log, people) = community(5, 2);
        let back = Log::decode(&log.encode(), log.community()).expect("own bytes");
        assert_eq!(back.roster(), log.roster());
        assert_eq!(compare(&back, &log), Comparison::Same);
        assert_eq!(back.encode(), log.encode());
        assert_eq!(log.roster().active().count(), 5);
        assert!(matches!(log.roster().who(people[3].pin()), Pinned::Current(m) if m.id == people[3].id()));
        let elsewhere = CommunityId::from_bytes([9; 32]);
        assert!(matches!(Log::verify(&log.encode(), elsewhere), Err(LogError::Community { .. })));
    }

    #[test]
    fn the_bytes_of_version_1_stay_as_they_are() {
        let (log, _) = community(3, 2);
        assert_eq!(log.community().to_string(), "4dd50a7381f91ab8bc0a84cc5a8e62cde21391592eacd5e5e76f74b2caad31c0");
        assert_eq!(
            blake3::hash(&log.encode()).to_hex().as_str(),
            "96cdb2d35fc37e9935180a42ec16985c2a1659042bf06db88cc32fac15be8a46"
        );
    }

    #[test]
    fn one_admin_vouches_once_for_another_member_and_nobody_for_itself() {
        let (mut log, people) = community(3, 2);
        let vouch = |person: &Person| Change::Vouch { member: person.id() };
        let by_itself = say(&mut log, vouch(&people[2]), &[&people[2].device]);
        assert_eq!(refusal(by_itself), Refusal::Signature);
        assert_eq!(refusal(say(&mut log, vouch(&people[1]), &[&people[1].device])), Refusal::Signature);
        say(&mut log, vouch(&people[2]), &[&people[1].device]).expect("one admin");
        assert_eq!(refusal(say(&mut log, vouch(&people[2]), &[&people[0].device])), Refusal::Vouched(people[2].id()));
        let vouched = |log: &Log| log.roster().member(people[2].id()).expect("in").vouched;
        assert!(vouched(&log));
        // Who comes in again is new again.
        say(&mut log, Change::Remove { member: people[2].id() }, &[&people[0].device, &people[1].device]).expect("out");
        let again = people[2].admit(&log);
        say(&mut log, again, &[&people[0].device]).expect("in");
        assert!(!vouched(&log));
        let back = Log::decode(&log.encode(), log.community()).expect("own bytes");
        assert_eq!(back.roster(), log.roster());
    }

    #[test]
    fn a_founder_signs_with_both_keys() {
        let founder = Person::new(0);
        let whole = founding(&founder, 2);
        assert!(Log::begin(whole.clone()).is_ok());
        let half = SignedEntry { signatures: whole.signatures[..1].to_vec(), ..whole };
        assert_eq!(refusal(Log::begin(half).map(|_| ())), Refusal::TooFew { found: 1, needed: 2 });
    }

    #[test]
    fn entries_that_are_replayed_left_out_or_exchanged_are_refused() {
        let (log, _) = community(5, 2);
        let entries: Vec<SignedEntry> = log.entries().cloned().collect();
        let read = |order: &[usize]| {
            let mut e = minicbor::Encoder::new(Vec::new());
            for index in order {
                e.bytes(&entries[*index].encode()).expect("memory");
            }
            Log::decode(&e.into_writer(), log.community())
        };
        assert!(read(&[0, 1, 2, 3, 4, 5]).is_ok());
        for order in [&[0, 1, 1][..], &[0, 2], &[0, 2, 1, 3], &[0, 1, 2, 1], &[0, 0]] {
            assert!(matches!(read(order), Err(LogError::Chain { .. })), "{order:?}");
        }
        assert!(read(&[]).is_err() && read(&[1, 0]).is_err());
    }

    #[test]
    fn logs_that_part_are_told_from_those_that_follow() {
        let (base, people) = community(4, 2);
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        let admin = &people[0].device;
        say(&mut ours, Change::Rename { member: people[2].id(), name: "a".parse().expect("name") }, &[admin])
            .expect("rename");
        say(&mut theirs, Change::Rename { member: people[2].id(), name: "b".parse().expect("name") }, &[admin])
            .expect("rename");
        assert_eq!(compare(&ours, &base), Comparison::Extends);
        assert_eq!(compare(&base, &ours), Comparison::Behind);
        assert_eq!(compare(&ours, &theirs), Comparison::Parted { at: base.roster().sequence() + 1 });
        let earlier = ours.up_to(base.roster().sequence());
        assert_eq!((earlier.encode(), earlier.roster()), (base.encode(), base.roster()));
        let mut behind = base;
        let all: Vec<SignedEntry> = ours.entries().cloned().collect();
        assert_eq!(behind.follow(&all, |_| true).expect("follow"), 1);
    }

    #[test]
    fn a_removal_needs_as_many_admins_as_the_community_says() {
        let (mut log, people) = community(5, 3);
        let [a, b, c] = [&people[0].device, &people[1].device, &people[2].device];
        let remove = Change::Remove { member: people[4].id() };
        assert_eq!(refusal(say(&mut log, remove.clone(), &[a])), Refusal::TooFew { found: 1, needed: 2 });
        assert_eq!(refusal(say(&mut log, remove.clone(), &[])), Refusal::TooFew { found: 0, needed: 2 });
        assert_eq!(refusal(say(&mut log, remove.clone(), &[a, &people[3].device])), Refusal::Signature);
        let mut twice = signed(log.draft(UnixMillis(3), remove.clone()), &[a]);
        twice.signatures.push(twice.signatures[0].clone());
        assert_eq!(refusal(log.append(twice)), Refusal::Signature);
        say(&mut log, remove, &[a, b]).expect("two admins");
        assert!(matches!(log.roster().who(people[4].pin()), Pinned::Revoked(_)));
        // An admin does not vote on itself, and where fewer than two others are left, these suffice.
        let remove = Change::Remove { member: people[2].id() };
        assert_eq!(refusal(say(&mut log, remove.clone(), &[a, c])), Refusal::Signature);
        say(&mut log, remove, &[a, b]).expect("two others");
        say(&mut log, Change::Remove { member: people[1].id() }, &[a]).expect("one other is left");
    }

    #[test]
    fn the_last_admin_cannot_go() {
        let (mut log, people) = community(3, 1);
        let (id, admin) = (people[0].id(), &people[0].device);
        for change in [Change::Remove { member: id }, Change::Leave { member: id }, Change::Dismiss { member: id }] {
            assert_eq!(refusal(say(&mut log, change, &[admin])), Refusal::LastAdmin(id));
        }
        say(&mut log, Change::Appoint { member: people[1].id() }, &[admin]).expect("another admin");
        say(&mut log, Change::Dismiss { member: id }, &[admin]).expect("stepping back");
        say(&mut log, Change::Leave { member: id }, &[admin]).expect("leaving");
        assert!(!log.roster().is_admin(id));
    }

    #[test]
    fn only_admins_admit_and_only_who_wants_it_with_both_keys() {
        let (mut log, people) = community(3, 1);
        let (newcomer, thief) = (Person::new(9), Person::new(8));
        let admit = newcomer.admit(&log);
        assert_eq!(refusal(say(&mut log, admit.clone(), &[&people[1].device])), Refusal::Signature);
        let admission = newcomer.admission();
        let consent = admission.consent(log.community(), &thief.device, &newcomer.recovery);
        let forced = Change::Admit { admission: Box::new(admission), consent: Box::new(consent) };
        assert_eq!(refusal(say(&mut log, forced, &[&people[0].device])), Refusal::Consent);
        say(&mut log, admit.clone(), &[&people[0].device]).expect("admission");
        assert_eq!(refusal(say(&mut log, admit, &[&people[0].device])), Refusal::Member(newcomer.id()));
        // Neither a name nor a device key is shared by two.
        let same_name = Person { name: "BOX-1".into(), ..Person::new(20) };
        let same_key = Person { device: key(9, 1), ..Person::new(21) };
        let change = same_name.admit(&log);
        assert!(matches!(refusal(say(&mut log, change, &[&people[0].device])), Refusal::Name(_)));
        let change = same_key.admit(&log);
        assert_eq!(refusal(say(&mut log, change, &[&people[0].device])), Refusal::DeviceKey);
    }

    #[test]
    fn of_two_boxes_that_claim_one_member_the_one_with_the_kit_stays() {
        let (mut log, people) = community(4, 2);
        let (owner, new) = (&people[3], key(3, 77));
        let rebind = Change::Rebind { member: owner.id(), device: new.public_key() };
        // The old box cannot rebind to a third one, and nobody can to a key that does not sign.
        assert_eq!(refusal(say(&mut log, rebind.clone(), &[&owner.device, &new])), Refusal::Signature);
        assert_eq!(refusal(say(&mut log, rebind.clone(), &[&owner.recovery])), Refusal::TooFew { found: 1, needed: 2 });
        say(&mut log, rebind.clone(), &[&owner.recovery, &new]).expect("rebinding");
        let since = log.roster().sequence();
        assert!(matches!(log.roster().who(owner.pin()), Pinned::Revoked(m) if m.id == owner.id()));
        let Pinned::Current(member) = log.roster().who(new.public_key().spki_pin()) else { panic!("not current") };
        assert_eq!(member.standing, Standing::Rebound { since });
        let (seen, day) = (UnixMillis(1_000), Seconds::DAY);
        assert_eq!(member.rights(seen, seen), Rights::ReadOnly { until: seen.plus(day) });
        assert_eq!(member.rights(seen, seen.plus(day)), Rights::All);
        // What the old box says now counts for nothing.
        let rename = Change::Rename { member: owner.id(), name: "thief".parse().expect("name") };
        assert_eq!(refusal(say(&mut log, rename, &[&owner.device])), Refusal::Signature);
        assert_eq!(refusal(say(&mut log, rebind, &[&owner.recovery, &new])), Refusal::DeviceKey);
        let back = Change::Rebind { member: owner.id(), device: owner.device.public_key() };
        assert_eq!(refusal(say(&mut log, back, &[&owner.recovery, &owner.device])), Refusal::DeviceKey);
        say(&mut log, Change::Confirm { member: owner.id() }, &[&people[0].device]).expect("confirmation");
        assert_eq!(log.roster().member(owner.id()).expect("member").rights(seen, seen), Rights::All);
    }

    #[test]
    fn an_admin_on_a_new_box_signs_nothing_until_confirmed_and_a_kit_alone_is_held_back_a_day() {
        let (base, people) = community(3, 1);
        let (admin, new) = (&people[0], key(0, 77));
        let mut log = base.clone();
        let rebind = Change::Rebind { member: admin.id(), device: new.public_key() };
        say(&mut log, rebind, &[&admin.recovery, &new]).expect("rebinding");
        let since = log.roster().sequence();
        let newcomer = Person::new(9).admit(&log);
        assert_eq!(refusal(say(&mut log, newcomer.clone(), &[&new])), Refusal::NoAdmin);
        let confirm = Change::Confirm { member: admin.id() };
        assert_eq!(refusal(say(&mut log, confirm.clone(), &[&new])), Refusal::Signature);
        let confirm = signed(log.draft(UnixMillis(5), confirm), &[&admin.recovery]);
        assert_eq!(log.rests_on_rebind(&confirm), Some(since));
        log.append(confirm).expect("by the kit");
        say(&mut log, newcomer, &[&new]).expect("an admin again");
        // Another box takes the rebinding at once, and the rest when it has known of it for a day.
        let mut other = base;
        let all: Vec<SignedEntry> = log.entries().cloned().collect();
        assert_eq!(other.follow(&all, |_| false).expect("follow"), 1);
        assert_eq!(other.follow(&all, |_| false).expect("follow"), 0);
        assert_eq!(other.follow(&all, |seen| seen == since).expect("follow"), 2);
    }

    #[test]
    fn an_admin_that_nobody_has_confirmed_counts_among_those_who_have_to_agree() {
        let (mut log, people) = community(4, 3);
        let (back, new) = (&people[0], key(0, 77));
        let rebind = Change::Rebind { member: back.id(), device: new.public_key() };
        say(&mut log, rebind, &[&back.recovery, &new]).expect("rebinding");
        let (victim, thief) = (&people[1], &people[2].device);
        let few = Refusal::TooFew { found: 1, needed: 2 };
        assert_eq!(refusal(say(&mut log, Change::Remove { member: victim.id() }, &[thief])), few);
        assert_eq!(refusal(say(&mut log, Change::Dismiss { member: victim.id() }, &[thief])), few);
        say(&mut log, Change::Confirm { member: back.id() }, &[&victim.device]).expect("confirmation");
        say(&mut log, Change::Remove { member: people[2].id() }, &[&new, &victim.device]).expect("both");
    }

    #[test]
    fn who_leaves_is_read_for_thirty_days_and_may_come_back() {
        let (mut log, people) = community(3, 1);
        let leaver = &people[2];
        let leave = Change::Leave { member: leaver.id() };
        assert_eq!(refusal(say(&mut log, leave.clone(), &[&people[0].device])), Refusal::Signature);
        say(&mut log, leave, &[&leaver.device]).expect("leave");
        let member = log.roster().member(leaver.id()).expect("member");
        let (seen, days) = (UnixMillis(0), Seconds(30 * 86_400));
        assert_eq!(member.rights(seen, UnixMillis(1)), Rights::Leaving { until: seen.plus(days) });
        assert_eq!(member.rights(seen, seen.plus(days)), Rights::None);
        let change = leaver.admit(&log);
        say(&mut log, change, &[&people[0].device]).expect("back again");
        assert_eq!(log.roster().member(leaver.id()).expect("member").standing, Standing::Full);
        say(&mut log, Change::Remove { member: leaver.id() }, &[&people[0].device]).expect("removal");
        let change = Person { device: key(2, 5), ..Person::new(2) }.admit(&log);
        say(&mut log, change, &[&people[0].device]).expect("back with another box");
        assert!(matches!(log.roster().who(leaver.pin()), Pinned::Revoked(_)));
    }

    #[test]
    fn a_box_that_was_put_out_by_mistake_comes_back_and_one_that_was_replaced_does_not() {
        let (mut log, people) = community(3, 1);
        let (admin, member) = (&people[0].device, &people[2]);
        say(&mut log, Change::Remove { member: member.id() }, &[admin]).expect("removal");
        assert!(matches!(log.roster().who(member.pin()), Pinned::Revoked(_)));
        let change = member.admit(&log);
        say(&mut log, change, &[admin]).expect("back");
        let Pinned::Current(back) = log.roster().who(member.pin()) else { panic!("not current") };
        assert!(back.revoked.is_empty(), "its key counts again");
        let new = key(2, 77);
        let rebind = Change::Rebind { member: member.id(), device: new.public_key() };
        say(&mut log, rebind, &[&member.recovery, &new]).expect("rebinding");
        say(&mut log, Change::Remove { member: member.id() }, &[admin]).expect("removal");
        let change = member.admit(&log);
        assert_eq!(
            refusal(say(&mut log, change, &[admin])),
            Refusal::DeviceKey,
            "the old box may be in a thief's hands"
        );
        let change = Person { device: key(2, 77), ..Person::new(2) }.admit(&log);
        say(&mut log, change, &[admin]).expect("the box that it had last");
    }

    #[test]
    fn a_window_is_only_extended_and_a_threshold_has_limits() {
        let (mut log, people) = community(3, 2);
        let both = [&people[0].device, &people[1].device];
        for days in [0, 29, 30, WINDOW_DAYS_MAX + 1] {
            assert_eq!(refusal(say(&mut log, Change::SetWindow { days }, &both)), Refusal::Window);
        }
        say(&mut log, Change::SetWindow { days: 90 }, &both).expect("extension");
        assert_eq!(refusal(say(&mut log, Change::SetWindow { days: 60 }, &both)), Refusal::Window);
        assert_eq!(log.roster().window(), Seconds(90 * 86_400));
        for threshold in [0, THRESHOLD_MAX + 1] {
            let change = Change::SetRemovalThreshold { threshold };
            assert_eq!(refusal(say(&mut log, change, &both)), Refusal::Threshold);
        }
        let lower = Change::SetRemovalThreshold { threshold: 1 };
        assert_eq!(refusal(say(&mut log, lower.clone(), &both[..1])), Refusal::TooFew { found: 1, needed: 2 });
        say(&mut log, lower, &both).expect("lower");
        say(&mut log, Change::Remove { member: people[1].id() }, &both[..1]).expect("one suffices now");
    }

    #[test]
    fn an_entry_is_weighed_before_all_have_signed_and_two_halves_make_a_whole() {
        let (mut log, people) = community(4, 3);
        let change = Change::Remove { member: people[3].id() };
        let mut one = signed(log.draft(UnixMillis(3), change.clone()), &[&people[0].device]);
        let other = signed(one.clone(), &[]);
        let weighed = log.weigh(&one).expect("it may come next");
        assert_eq!((weighed.signed, weighed.needed), (vec![people[0].device.public_key()], 2));
        assert!(log.append(one.clone()).is_err(), "not yet");
        let mut second = SignedEntry { signatures: Vec::new(), ..other };
        second.sign(&people[1].device);
        assert!(one.merge(&second) && !one.merge(&second));
        let elsewhere = signed(log.draft(UnixMillis(4), change), &[&people[2].device]);
        assert!(!one.merge(&elsewhere), "other bytes");
        let forged = signed(second, &[&people[3].device]);
        assert!(matches!(log.weigh(&forged), Err(LogError::Refused { refusal: Refusal::Signature, .. })));
        log.append(one.clone()).expect("both");
        assert!(matches!(log.weigh(&one), Err(LogError::Chain { .. })), "its place is taken");
    }

    #[test]
    fn labels_are_said_by_the_member_or_an_admin_and_not_without_end() {
        let (mut log, people) = community(3, 1);
        let labels = |number: u16| Change::SetDomains {
            member: people[1].id(),
            domains: Domains { site: Some(format!("site {number}").parse().expect("label")), ..Domains::default() },
        };
        assert!(say(&mut log, labels(0), &[&people[2].device]).is_err(), "somebody else");
        for number in 0..OWN_RENAMES_MAX {
            say(&mut log, labels(number), &[&people[1].device]).expect("its own");
        }
        assert!(say(&mut log, labels(99), &[&people[1].device]).is_err(), "it would fill the log");
        for number in OWN_RENAMES_MAX..RENAMES_MAX - 1 {
            say(&mut log, labels(number), &[&people[0].device]).expect("an admin");
        }
        say(&mut log, labels(99), &[&people[0].device]).expect("the last one");
        let id = people[1].id();
        assert_eq!(refusal(say(&mut log, labels(1), &[&people[0].device])), Refusal::Renames(id));
        let member = log.roster().member(people[1].id()).expect("in");
        assert_eq!(member.domains.site.as_ref().map(ToString::to_string).as_deref(), Some("site 99"));
    }

    #[test]
    fn a_community_has_room_for_256_members() {
        let founder = Person::new(0);
        let mut log = Log::begin(founding(&founder, 1)).expect("founding");
        for number in 1..=256_u16 {
            let [low, high] = number.to_le_bytes();
            let name = format!("n{number}");
            let person = Person { name, device: key(low, 10 + high), recovery: key(low, 20 + high) };
            let change = person.admit(&log);
            let result = say(&mut log, change, &[&founder.device]);
            if number < 256 {
                result.expect("admission");
            } else {
                assert_eq!(refusal(result), Refusal::Full);
            }
        }
        let started = std::time::Instant::now();
        let bytes = log.encode();
        Log::verify(&bytes, log.community()).expect("own bytes");
        println!("{} entries, {} bytes, verified in {:?}", log.entries().count(), bytes.len(), started.elapsed());
    }

    #[test]
    fn a_log_has_room_for_10_000_entries_and_the_last_1_000_are_for_putting_out_and_coming_back() {
        let (mut log, people) = community(3, 2);
        let (thief, other) = (&people[0], &people[1]);
        let [first, second] = [Change::Appoint { member: people[2].id() }, Change::Dismiss { member: people[2].id() }];
        let both = [&thief.device, &other.device];
        while log.entries().count() < ENTRIES_MAX - ENTRIES_KEPT {
            let change = if log.roster().is_admin(people[2].id()) { &second } else { &first };
            say(&mut log, change.clone(), &both).expect("there is room");
        }
        let rename = Change::Rename { member: people[2].id(), name: "full".parse().expect("name") };
        for change in [rename, Change::SetWindow { days: 60 }, Person::new(9).admit(&log)] {
            assert!(matches!(say(&mut log, change, &both), Err(LogError::Full)));
        }
        let gone = Change::Remove { member: thief.id() };
        say(&mut log, gone, &[&other.device]).expect("there is room for putting out");
        let (started, bytes) = (std::time::Instant::now(), log.encode());
        Log::verify(&bytes, log.community()).expect("own bytes");
        println!("{} entries, {} bytes, verified in {:?}", log.entries().count(), bytes.len(), started.elapsed());
    }

    proptest! {
        #[test]
        fn noise_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (Log::verify(&bytes, CommunityId::from_bytes([0; 32])), SignedEntry::decode(&bytes));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_log_with_any_byte_altered_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let (log, _) = community(3, 2);
            let mut bytes = log.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Log::verify(&bytes, log.community()).is_err());
        }
    }
}
