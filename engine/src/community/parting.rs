//! Two logs of one community that part, and which of the two gives way where nobody has to be asked.
//!
//! A member signs alone what it says of itself, so two boxes that do not reach each other can write different next entries. Such
//! words cost nothing to say again: a log that has nothing else after the parting gives way. What admins have decided does not;
//! between two such logs people choose. Decision 0034.

use super::entry::{Change, SignedEntry};
use super::log::{Log, LogError};
use crate::ids::MemberId;
use crate::keys::PublicKey;

/// So many admins have to have signed a removal for it to outweigh what the one who is put out has signed alone: with one, a stolen
/// box could take back what another admin has decided.
const REMOVERS_MIN: usize = 2;

/// Where this box's log and another member's part, and what each has after that.
#[derive(Debug, Clone)]
pub struct Parting {
    common: Log,
    theirs_whole: Log,
    ours: Vec<SignedEntry>,
    theirs: Vec<SignedEntry>,
}

/// Which of two logs that part is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivesWay {
    /// This box's.
    Ours,
    /// The other member's; its box comes to the same result.
    Theirs,
    /// People have to say.
    Neither,
}

impl Parting {
    /// Where `entries`, as another member has told them, part from `log`; `None`: nowhere. `is_old` as of [`Log::follow`].
    ///
    /// # Errors
    /// [`LogError`] when they follow on no entry of `log`, or do not hold.
    pub fn of(log: &Log, entries: &[SignedEntry], is_old: impl Fn(u64) -> bool) -> Result<Option<Self>, LogError> {
        let mut from = entries.iter();
        let at = loop {
            let Some(entry) = from.as_slice().first() else { return Ok(None) };
            let sequence = entry.entry()?.sequence;
            match log.hash_at(sequence) {
                None => return Ok(None),
                Some(ours) if ours != entry.hash() => break sequence,
                Some(_) => from.next(),
            };
        };
        let last = log.roster().sequence();
        let common = log.up_to(at.checked_sub(1).ok_or(LogError::Chain { found: at, last })?);
        let mut theirs_whole = common.clone();
        // A rebinding after the parting was not seen before, whatever this box has had at its place.
        theirs_whole.follow(from.as_slice(), |since| since < at && is_old(since))?;
        let after = |log: &Log| log.after(common.roster().sequence()).cloned().collect();
        let (ours, theirs) = (after(log), after(&theirs_whole));
        Ok(Some(Self { common, theirs_whole, ours, theirs }))
    }

    /// Sequence of the first entry that differs.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.common.roster().sequence() + 1
    }

    /// What this box has and the other one has not, the first one first.
    #[must_use]
    pub fn ours(&self) -> &[SignedEntry] {
        &self.ours
    }

    /// What the other one has and this box has not, the first one first.
    #[must_use]
    pub fn theirs(&self) -> &[SignedEntry] {
        &self.theirs
    }

    /// The other one's log, as far as it may be taken now.
    #[must_use]
    pub fn their_log(&self) -> &Log {
        &self.theirs_whole
    }

    /// Both sides come to the same: what can be said again gives way to what was decided, of two such the shorter, and of two
    /// equally long ones the one whose first entry has the greater hash.
    #[must_use]
    pub fn gives_way(&self) -> GivesWay {
        let (Some(our_first), Some(their_first)) = (self.ours.first(), self.theirs.first()) else {
            // What is held back is not to be taken yet.
            return GivesWay::Neither;
        };
        let is_light =
            |tail: &[SignedEntry], other| can_be_said_again(&self.common, tail, puts_out(&self.common, other));
        match (is_light(&self.ours, their_first), is_light(&self.theirs, our_first)) {
            (false, false) => GivesWay::Neither,
            (true, false) => GivesWay::Ours,
            (false, true) => GivesWay::Theirs,
            (true, true) => {
                let weight = |tail: &[SignedEntry], first: &SignedEntry| (tail.len(), std::cmp::Reverse(first.hash()));
                if weight(&self.ours, our_first) < weight(&self.theirs, their_first) {
                    GivesWay::Ours
                } else {
                    GivesWay::Theirs
                }
            }
        }
    }

    /// What the member with this key has said of itself alone in this box's log, to be said again on top of the other one.
    pub fn said_by(&self, member: MemberId, device: PublicKey) -> impl Iterator<Item = Change> {
        let by_it_alone = move |entry: &&SignedEntry| entry.signatures.iter().all(|signed| signed.key == device);
        let changes = self.ours.iter().filter(by_it_alone).filter_map(|entry| Some(entry.entry().ok()?.change));
        changes.filter(move |change| change.said_of_itself() == Some(member))
    }
}

/// The member that an entry puts out, or takes the admin's rights from, by the word of enough others.
fn puts_out(before: &Log, entry: &SignedEntry) -> Option<MemberId> {
    let (Change::Remove { member } | Change::Dismiss { member }) = entry.entry().ok()?.change else { return None };
    let device = before.roster().member(member)?.device;
    let others = entry.signatures.iter().filter(|signed| signed.key != device).count();
    (others >= REMOVERS_MIN).then_some(member)
}

/// Whether each entry of `tail` is a member's word about itself, or was signed by nobody but the one whom the others put out.
fn can_be_said_again(before: &Log, tail: &[SignedEntry], put_out: Option<MemberId>) -> bool {
    let mut log = before.clone();
    tail.iter().all(|entry| {
        let Ok(read) = entry.entry() else { return false };
        let alone = [read.change.said_of_itself(), put_out].into_iter().flatten();
        let is_light = alone.into_iter().any(|member| log.is_signed_only_by(entry, member));
        is_light && log.append(entry.clone()).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::community::testing::{Person, community, say, signed};
    use crate::keys::SigningKey;

    fn rename(person: &Person, name: &str) -> Change {
        Change::Rename { member: person.id(), name: name.parse().expect("name") }
    }

    /// What both sides make of it: the first one's answer, after the second one's was found to fit.
    fn settle(one: &Log, other: &Log) -> GivesWay {
        let parting = |ours: &Log, theirs: &Log| {
            let entries: Vec<SignedEntry> = theirs.entries().cloned().collect();
            Parting::of(ours, &entries, |_| false).expect("it holds").expect("they part")
        };
        let (here, there) = (parting(one, other).gives_way(), parting(other, one).gives_way());
        let fits = match here {
            GivesWay::Ours => GivesWay::Theirs,
            GivesWay::Theirs => GivesWay::Ours,
            GivesWay::Neither => GivesWay::Neither,
        };
        assert_eq!(there, fits, "both sides have to come to the same");
        here
    }

    fn after(base: &Log, entries: &[(Change, &[&SigningKey])]) -> Log {
        let mut log = base.clone();
        entries.iter().for_each(|(change, keys)| say(&mut log, change.clone(), keys).expect("it may be said"));
        log
    }

    #[test]
    fn words_of_a_member_about_itself_give_way_to_what_was_decided_and_to_more_words() {
        let (base, people) = community(4, 2);
        let [admin, other] = [&people[0], &people[2]];
        let words = after(&base, &[(rename(other, "a"), &[&other.device])]);
        let more = after(&base, &[(rename(other, "b"), &[&other.device]), (rename(other, "c"), &[&other.device])]);
        let newcomer = Person::new(9).admit(&base);
        let decided = after(&base, &[(newcomer, &[&admin.device])]);
        let by_an_admin = after(&base, &[(rename(other, "d"), &[&admin.device])]);
        assert_eq!(settle(&words, &more), GivesWay::Ours);
        assert_eq!(settle(&more, &decided), GivesWay::Ours);
        assert_eq!(settle(&decided, &by_an_admin), GivesWay::Neither);
        let equal = after(&base, &[(rename(other, "e"), &[&other.device])]);
        assert_ne!(settle(&words, &equal), GivesWay::Neither);
    }

    #[test]
    fn what_an_admin_signs_alone_gives_way_when_two_others_put_it_out_at_that_place() {
        let (base, people) = community(5, 3);
        let (thief, others) = (&people[2], [&people[0].device, &people[1].device]);
        let newcomer = Person::new(9).admit(&base);
        let overtaking = after(&base, &[(newcomer.clone(), &[&thief.device]), (rename(thief, "x"), &[&thief.device])]);
        let out = after(&base, &[(Change::Remove { member: thief.id() }, &others)]);
        assert_eq!(settle(&overtaking, &out), GivesWay::Ours);
        // Once another admin has built on it, people have to look.
        let built_on = after(&overtaking, &[(rename(&people[4], "y"), &[others[0]])]);
        assert_eq!(settle(&built_on, &out), GivesWay::Neither);
    }

    #[test]
    fn one_admin_alone_takes_back_nothing_that_another_has_decided() {
        let (base, people) = community(3, 2);
        let newcomer = Person::new(9).admit(&base);
        let decided = after(&base, &[(newcomer, &[&people[0].device])]);
        let stolen = after(&base, &[(Change::Remove { member: people[0].id() }, &[&people[1].device])]);
        assert_eq!(settle(&decided, &stolen), GivesWay::Neither);
    }

    #[test]
    fn a_rebinding_in_the_other_log_is_seen_only_now_whatever_this_box_has_had_in_its_place() {
        let (base, people) = community(3, 1);
        let (owner, thief) = (&people[2], crate::community::testing::key(2, 77));
        let ours = after(&base, &[(rename(owner, "a"), &[&owner.device])]);
        let rebind = Change::Rebind { member: owner.id(), device: thief.public_key() };
        let confirm = Change::Confirm { member: owner.id() };
        let theirs = after(&base, &[(rebind, &[&owner.recovery, &thief]), (confirm, &[&owner.recovery])]);
        let entries: Vec<SignedEntry> = theirs.entries().cloned().collect();
        let parting = Parting::of(&ours, &entries, |_| true).expect("it holds").expect("they part");
        assert_eq!((parting.gives_way(), parting.theirs().len()), (GivesWay::Ours, 1), "the confirmation waits");
    }

    #[test]
    fn entries_that_are_known_or_follow_part_nowhere_and_strange_ones_are_refused() {
        let (base, people) = community(4, 1);
        let longer = after(&base, &[(rename(&people[1], "a"), &[&people[1].device])]);
        let all: Vec<SignedEntry> = longer.entries().cloned().collect();
        assert!(Parting::of(&base, &all, |_| false).expect("it holds").is_none());
        assert!(Parting::of(&longer, &all, |_| false).expect("it holds").is_none());
        let stranger = crate::community::testing::key(9, 9);
        let forged = signed(base.draft(crate::units::UnixMillis(9), rename(&people[1], "z")), &[&stranger]);
        let parts = after(&base, &[(rename(&people[2], "b"), &[&people[2].device])]);
        assert!(Parting::of(&parts, &[forged], |_| false).is_err());
    }
}
