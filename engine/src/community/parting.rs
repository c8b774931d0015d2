//! Two logs of one community that part, and which of the two gives way where nobody has to be asked.
//!
//! A member signs alone what it says of itself, so two boxes that do not reach each other can write different next entries. Such
//! words cost nothing to say again: a log that has nothing else after the parting gives way. What admins have decided does not;
//! between two such logs people choose. Decision 0034.

use super::accused::{accused, before_the_word_of, is_about};
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
    theirs_for_now: Log,
    ours: Vec<SignedEntry>,
    theirs: Vec<SignedEntry>,
    /// Whom a proposal on either log is about.
    accused: Vec<MemberId>,
}

/// What is proposed on top of two logs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proposed<'a> {
    /// On this box's.
    pub ours: &'a [SignedEntry],
    /// On the other member's.
    pub theirs: &'a [SignedEntry],
    /// Whose words this box takes from nobody for now.
    pub held: &'a [MemberId],
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
    pub fn of(
        log: &Log,
        entries: &[SignedEntry],
        proposed: Proposed<'_>,
        is_old: impl Fn(u64) -> bool,
    ) -> Result<Option<Self>, LogError> {
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
        // Which of both gives way is reckoned on all of it, as the other box does; taken is only what may be taken now.
        let mut theirs_whole = common.clone();
        theirs_whole.follow(from.as_slice(), |_| true)?;
        let mut theirs_for_now = common.clone();
        let free = before_the_word_of(proposed.held, log, from.as_slice(), proposed.theirs);
        // A rebinding after the parting was not seen before, whatever this box has had at its place.
        theirs_for_now.follow(free, |since| since < at && is_old(since))?;
        let after = |log: &Log| log.after(common.roster().sequence()).cloned().collect();
        let (ours, theirs) = (after(log), after(&theirs_whole));
        let accused = [accused(log, proposed.ours), accused(&theirs_whole, proposed.theirs)].concat();
        Ok(Some(Self { common, theirs_for_now, ours, theirs, accused }))
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

    /// The other one's log, as far as it may be taken now; `None`: not at all.
    #[must_use]
    pub fn their_log(&self) -> Option<&Log> {
        let has_more = self.theirs_for_now.roster().sequence() > self.common.roster().sequence();
        has_more.then_some(&self.theirs_for_now)
    }

    /// Both sides come to the same: what can be said again gives way to what was decided, of two such the shorter, and of two
    /// equally long ones the one whose first entry has the greater hash. What somebody says alone whom a proposal is about adds no
    /// length: else a stolen box could end the proposal by saying much.
    #[must_use]
    pub fn gives_way(&self) -> GivesWay {
        let (Some(our_first), Some(their_first)) = (self.ours.first(), self.theirs.first()) else {
            return GivesWay::Neither;
        };
        let is_light = |tail, other| can_be_said_again(&self.common, tail, &put_out(&self.common, other));
        match (is_light(&self.ours, &self.theirs), is_light(&self.theirs, &self.ours)) {
            (false, false) => GivesWay::Neither,
            (true, false) => GivesWay::Ours,
            (false, true) => GivesWay::Theirs,
            (true, true) => {
                let weight = |tail: &[SignedEntry], first: &SignedEntry| {
                    (self.unaccused(tail), tail.len(), std::cmp::Reverse(first.hash()))
                };
                if weight(&self.ours, our_first) < weight(&self.theirs, their_first) {
                    GivesWay::Ours
                } else {
                    GivesWay::Theirs
                }
            }
        }
    }

    /// How many entries others have signed than those whom a proposal is about.
    fn unaccused(&self, tail: &[SignedEntry]) -> usize {
        let by_accused = |entry: &&SignedEntry| self.accused.iter().any(|m| self.common.is_signed_only_by(entry, *m));
        tail.len() - tail.iter().filter(by_accused).count()
    }

    /// What the member with this key has said of itself alone in this box's log, to be said again on top of the other one.
    pub fn said_by(&self, member: MemberId, device: PublicKey) -> impl Iterator<Item = Change> {
        let by_it_alone = move |entry: &&SignedEntry| entry.signatures.iter().all(|signed| signed.key == device);
        let changes = self.ours.iter().filter(by_it_alone).filter_map(|entry| Some(entry.entry().ok()?.change));
        changes.filter(move |change| change.said_of_itself() == Some(member))
    }
}

/// Whose own words a tail outweighs.
struct Outweighed {
    member: MemberId,
    /// Also what its kit alone has said: the member is out, and not only an admin no more.
    with_kit: bool,
}

/// The members that a tail puts out, or takes the admin's rights from, by the word of enough others. Who has become an admin only
/// after the parting does not count: whoever decides alone could make as many as are needed.
fn put_out(before: &Log, tail: &[SignedEntry]) -> Vec<Outweighed> {
    let about = |entry: &SignedEntry| {
        let change = entry.entry().ok()?.change;
        let member = is_about(&change)?;
        let by = |key: PublicKey| before.roster().admins().find(|admin| admin.device == key).map(|admin| admin.id);
        let others = entry.signatures.iter().filter_map(|signed| by(signed.key)).filter(|by| *by != member).count();
        let with_kit = matches!(change, Change::Remove { .. });
        (others >= REMOVERS_MIN).then_some(Outweighed { member, with_kit })
    };
    tail.iter().filter_map(about).collect()
}

/// Whether each entry of `tail` is a member's word about itself, or was signed by nobody but one whom the others put out.
fn can_be_said_again(before: &Log, tail: &[SignedEntry], put_out: &[Outweighed]) -> bool {
    let mut log = before.clone();
    tail.iter().all(|entry| {
        let Ok(read) = entry.entry() else { return false };
        let mut alone = read.change.said_of_itself().into_iter().chain(put_out.iter().map(|one| one.member));
        let is_light = alone.any(|member| log.is_signed_only_by(entry, member))
            || put_out.iter().any(|one| one.with_kit && is_by_kit(&log, entry, &read.change, one.member));
        #[cfg(feature = "plant")]
        let is_light = is_light || crate::plant::planted("decisions-give-way");
        is_light && log.append(entry.clone()).is_ok()
    })
}

/// Whether nothing but this member's kit, and the box that it puts in place of another one, has signed `next`; checks no signature.
fn is_by_kit(log: &Log, next: &SignedEntry, change: &Change, member: MemberId) -> bool {
    let Some(recovery) = log.roster().member(member).map(|member| member.recovery) else { return false };
    let new_box = match change {
        Change::Rebind { member: of, device } if *of == member => Some(*device),
        _ => None,
    };
    let is_its = |key: PublicKey| key == recovery || Some(key) == new_box;
    !next.signatures.is_empty() && next.signatures.iter().all(|signed| is_its(signed.key))
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
        settle_with((one, &[]), (other, &[]))
    }

    /// The same with what is proposed on each.
    fn settle_with(one: (&Log, &[SignedEntry]), other: (&Log, &[SignedEntry])) -> GivesWay {
        let parting = |(ours, our): (&Log, &[SignedEntry]), (theirs, their): (&Log, &[SignedEntry])| {
            let entries: Vec<SignedEntry> = theirs.entries().cloned().collect();
            let held = accused(ours, our);
            let proposed = Proposed { ours: our, theirs: their, held: &held };
            Parting::of(ours, &entries, proposed, |_| false).expect("it holds").expect("they part")
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
    fn what_a_kit_says_alone_gives_way_when_two_others_put_its_member_out_at_that_place() {
        let (base, people) = community(5, 3);
        let (owner, new_box) = (&people[4], crate::community::testing::key(4, 77));
        let rebind = Change::Rebind { member: owner.id(), device: new_box.public_key() };
        let with_kit: [&SigningKey; 2] = [&owner.recovery, &new_box];
        let rebound = after(&base, &[(rebind.clone(), &with_kit)]);
        let confirm = (Change::Confirm { member: owner.id() }, &[&owner.recovery][..]);
        let (two, out) = ([&people[0].device, &people[1].device], Change::Remove { member: owner.id() });
        let confirmed = after(&rebound, std::slice::from_ref(&confirm));
        assert_eq!(settle(&confirmed, &after(&rebound, &[(out.clone(), &two)])), GivesWay::Ours);
        let back_again = after(&base, &[(rebind, &with_kit), confirm]);
        assert_eq!(settle(&back_again, &after(&base, &[(out.clone(), &two)])), GivesWay::Ours);
        // An admin's word for it is a decision, and people choose.
        let vouched = after(&rebound, &[(Change::Confirm { member: owner.id() }, &[&people[2].device])]);
        assert_eq!(settle(&vouched, &after(&rebound, &[(out, &two)])), GivesWay::Neither);
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
        let parting = Parting::of(&ours, &entries, Proposed::default(), |_| true).expect("holds").expect("they part");
        let taken = parting.their_log().expect("some of it").roster().sequence();
        assert_eq!((parting.gives_way(), taken), (GivesWay::Ours, parting.at()), "the confirmation waits");
        assert_eq!(parting.theirs().len(), 2, "and counts: the other box knows of it");
        // The other one has more to say than this box: both know that before the confirmation may be taken.
        let more = after(&ours, &[(rename(owner, "b"), &[&owner.device]), (rename(owner, "c"), &[&owner.device])]);
        assert_eq!(settle(&more, &theirs), GivesWay::Ours);
    }

    #[test]
    fn who_is_to_be_put_out_gains_nothing_by_saying_much_and_both_sides_know() {
        let (base, people) = community(5, 3);
        let (thief, honest) = (&people[2], &people[0]);
        let ours = after(&base, &[(rename(&people[4], "a"), &[&people[4].device])]);
        let words = [(rename(thief, "b"), &[&thief.device][..]), (rename(thief, "c"), &[&thief.device][..])];
        let much = after(&base, &words);
        let propose = |log: &Log, member: &Person, by: &Person| {
            signed(log.draft(crate::units::UnixMillis(3), Change::Remove { member: member.id() }), &[&by.device])
        };
        assert_eq!(settle(&ours, &much), GivesWay::Ours, "nobody says anything of it");
        let out = [propose(&ours, thief, honest)];
        assert_eq!(settle_with((&ours, &out), (&much, &[])), GivesWay::Theirs);
        // That it accuses the other one in turn changes nothing.
        let back = [propose(&much, honest, thief)];
        assert_eq!(settle_with((&ours, &out), (&much, &back)), GivesWay::Theirs);
    }

    #[test]
    fn a_removal_by_two_outweighs_what_the_removed_one_decides_also_after_a_word_of_somebody() {
        let (base, people) = community(5, 3);
        let (thief, others) = (&people[2], [&people[0].device, &people[1].device]);
        let out = Change::Remove { member: thief.id() };
        let ours = after(&base, &[(rename(&people[0], "a"), &[others[0]]), (out, &others)]);
        let newcomer = Person::new(9).admit(&base);
        let stolen = after(&base, &[(newcomer, &[&thief.device])]);
        assert_eq!(settle(&ours, &stolen), GivesWay::Theirs);
    }

    #[test]
    fn admins_that_one_makes_alone_put_nobody_out_who_has_decided_something() {
        let (base, people) = community(4, 2);
        let base =
            after(&base, &[(Change::SetRemovalThreshold { threshold: 1 }, &[&people[0].device, &people[1].device])]);
        let (honest, thief) = (&people[0], &people[1]);
        let decided = after(&base, &[(Person::new(9).admit(&base), &[&honest.device])]);
        let made = [&people[2], &people[3]];
        let appoint = |person: &Person| Change::Appoint { member: person.id() };
        let stolen = after(&base, &[(appoint(made[0]), &[&thief.device]), (appoint(made[1]), &[&thief.device])]);
        let stolen = after(&stolen, &[(Change::SetRemovalThreshold { threshold: 2 }, &[&thief.device])]);
        let out = Change::Remove { member: honest.id() };
        let stolen = after(&stolen, &[(out, &[&made[0].device, &made[1].device])]);
        assert_eq!(settle(&decided, &stolen), GivesWay::Neither);
    }

    #[test]
    fn entries_that_are_known_or_follow_part_nowhere_and_strange_ones_are_refused() {
        let (base, people) = community(4, 1);
        let longer = after(&base, &[(rename(&people[1], "a"), &[&people[1].device])]);
        let all: Vec<SignedEntry> = longer.entries().cloned().collect();
        assert!(Parting::of(&base, &all, Proposed::default(), |_| false).expect("it holds").is_none());
        assert!(Parting::of(&longer, &all, Proposed::default(), |_| false).expect("it holds").is_none());
        let stranger = crate::community::testing::key(9, 9);
        let forged = signed(base.draft(crate::units::UnixMillis(9), rename(&people[1], "z")), &[&stranger]);
        let parts = after(&base, &[(rename(&people[2], "b"), &[&people[2].device])]);
        assert!(Parting::of(&parts, &[forged], Proposed::default(), |_| false).is_err());
    }
}
