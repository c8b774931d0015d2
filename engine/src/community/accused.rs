//! Members whom others want to put out, or to be no admin any more, while that waits for more admins.
//!
//! A proposal ends with the next entry of the log, and every member may write one about itself alone: so a stolen box could end each
//! proposal about it. Its words are held back therefore, and count nothing where two logs part. Accusing another one in turn must
//! gain it nothing: what a second admin has built on holds nobody back. Decision 0034.

use std::collections::BTreeMap;

use super::entry::{Change, SignedEntry};
use super::known::Community;
use super::log::{Log, Weighed};
use super::proposals::Open;
use crate::ids::{EntryHash, MemberId};
use crate::keys::PublicKey;
use crate::units::{Seconds, UnixMillis};

/// For so long what a member says alone is held up while others want to put it out.
pub const ACCUSED_FOR: Seconds = Seconds(3 * 86_400);

/// Since when a box has known of each proposal to put somebody out.
#[derive(Debug, Clone, Default)]
pub struct Accusations(BTreeMap<EntryHash, UnixMillis>);

impl Accusations {
    /// Whose words are held back: those whom others want to put out, or to be no admin any more. An entry that nobody else has signed
    /// would end the proposal, so it waits, for [`ACCUSED_FOR`] at most. Whom this box's own admin wants to put out holds up nobody here.
    ///
    /// `open`: what waits here and can still come next. What is not in it any more is forgotten.
    pub fn held_back(&mut self, known: &Community, open: &[Open], now: UnixMillis) -> Vec<MemberId> {
        self.0.retain(|hash, _| open.iter().any(|(entry, _)| entry.hash() == *hash));
        let signers = |weighed: &Weighed| weighed.signed.iter().map(|key| known.who(key)).collect::<Vec<_>>();
        let accusing = open.iter().filter_map(|(entry, weighed)| {
            let about = is_about(&weighed.entry.change)?;
            Some((entry.hash(), about, signers(weighed)))
        });
        let accusing: Vec<_> = accusing.collect();
        let by_this_box = accusing.iter().filter(|(_, _, by)| by.contains(&Some(known.me)));
        let distrusted: Vec<MemberId> = by_this_box.map(|(_, member, _)| *member).collect();
        let is_heard = |by: &[Option<MemberId>]| by.iter().flatten().any(|by| !distrusted.contains(by));
        let mut is_young = |hash: EntryHash| now < self.0.entry(hash).or_insert(now).plus(ACCUSED_FOR);
        // What others hold back of this box does not depend on whom it believes.
        let counts = |member: &MemberId, by: &[Option<MemberId>]| *member == known.me || is_heard(by);
        let held = accusing.into_iter().filter(|(hash, member, by)| is_young(*hash) && counts(member, by));
        held.map(|(_, member, _)| member).collect()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether a box may say this, which comes next, while the words of `held` are held back. What it alone would say while others are
/// asked to put it out is taken by nobody: it would keep its log from the place where they agree on what comes next.
#[must_use]
pub fn is_free_to_say(known: &Community, entry: &SignedEntry, held: &[MemberId]) -> bool {
    !(known.log.is_signed_only_by(entry, known.me) && held.contains(&known.me))
}

/// The member whom `change` puts out, or takes the admin's rights from.
#[must_use]
pub fn is_about(change: &Change) -> Option<MemberId> {
    match change {
        Change::Remove { member } | Change::Dismiss { member } => Some(*member),
        Change::Found { .. }
        | Change::Admit { .. }
        | Change::Rename { .. }
        | Change::Appoint { .. }
        | Change::SetRemovalThreshold { .. }
        | Change::Leave { .. }
        | Change::Rebind { .. }
        | Change::Confirm { .. }
        | Change::SetWindow { .. }
        | Change::SetDomains { .. }
        | Change::Vouch { .. } => None,
    }
}

/// Those whom `proposals` are about, as far as they may come next in `log`.
#[must_use]
pub fn accused(log: &Log, proposals: &[SignedEntry]) -> Vec<MemberId> {
    let weighed = proposals.iter().filter_map(|proposal| log.weigh(proposal).ok());
    weighed.filter_map(|weighed| is_about(&weighed.entry.change)).collect()
}

/// Those of `entries`, as another member has told them, before the first one that `log` has not, that only a member of `accused` has
/// signed, and that no other admin has built on: by a later entry, or by one of the `proposals` that were told with them.
#[must_use]
pub fn before_the_word_of<'e>(
    accused: &[MemberId],
    log: &Log,
    entries: &'e [SignedEntry],
    proposals: &[SignedEntry],
) -> &'e [SignedEntry] {
    if accused.is_empty() {
        return entries;
    }
    let is_new = |entry: &SignedEntry| entry.entry().is_ok_and(|e| log.hash_at(e.sequence) != Some(entry.hash()));
    let on_top = signers_on_top(log, entries, proposals);
    let is_held = |(at, entry): (usize, &SignedEntry)| {
        let Some(by) = accused.iter().find(|member| log.is_signed_only_by(entry, **member)) else { return false };
        let own = log.roster().member(*by).map(|member| member.device);
        let later = entries[at + 1..].iter().flat_map(|entry| &entry.signatures).map(|signed| signed.key);
        let mut builders = later.chain(on_top.iter().copied());
        is_new(entry) && !builders.any(|key| Some(key) != own && is_admin(log, &key))
    };
    let held = entries.iter().enumerate().position(is_held);
    &entries[..held.unwrap_or(entries.len())]
}

/// Who has signed what may come after all of `entries`.
fn signers_on_top(log: &Log, entries: &[SignedEntry], proposals: &[SignedEntry]) -> Vec<PublicKey> {
    let Some(before) = entries.iter().find_map(|entry| entry.entry().ok()?.sequence.checked_sub(1)) else {
        return Vec::new();
    };
    let mut whole = log.up_to(before);
    if whole.follow(entries, |_| true).is_err() {
        return Vec::new();
    }
    proposals.iter().filter_map(|proposal| whole.weigh(proposal).ok()).flat_map(|weighed| weighed.signed).collect()
}

fn is_admin(log: &Log, key: &PublicKey) -> bool {
    log.roster().signing_admins().any(|admin| admin.device == *key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::community::testing::{Person, community, signed};
    use crate::keys::SigningKey;
    use crate::units::UnixMillis;

    fn rename(person: &Person, name: &str) -> Change {
        Change::Rename { member: person.id(), name: name.parse().expect("name") }
    }

    /// `log` with one more entry, which is given as well.
    fn grow(log: &mut Log, change: Change, keys: &[&SigningKey]) -> SignedEntry {
        let entry = signed(log.draft(UnixMillis(2), change), keys);
        log.append(entry.clone()).expect("it may be said");
        entry
    }

    #[test]
    fn the_word_of_an_accused_is_held_back_and_what_came_before_it_is_not() {
        let (log, people) = community(4, 3);
        let (honest, thief) = (&people[0], &people[2]);
        let mut theirs = log.clone();
        let before = grow(&mut theirs, rename(&people[3], "x"), &[&people[3].device]);
        let word = grow(&mut theirs, rename(thief, "y"), &[&thief.device]);
        let entries = [before, word];
        assert_eq!(before_the_word_of(&[thief.id()], &log, &entries, &[]).len(), 1);
        assert_eq!(before_the_word_of(&[honest.id()], &log, &entries, &[]).len(), 2);
        // Its own signature on top frees nothing, nor does that of a member that is no admin.
        let more = grow(&mut theirs, rename(&people[3], "z"), &[&people[3].device]);
        let own = signed(theirs.draft(UnixMillis(3), Change::Remove { member: honest.id() }), &[&thief.device]);
        let [before, word] = entries;
        assert_eq!(before_the_word_of(&[thief.id()], &log, &[before, word, more], &[own]).len(), 1);
    }

    #[test]
    fn what_another_admin_has_built_on_is_not_held_back_by_whoever_accuses_both() {
        let (log, people) = community(4, 3);
        let [one, other, thief] = [&people[0], &people[1], &people[2]];
        let both = [one.id(), other.id()];
        let mut theirs = log.clone();
        let word = grow(&mut theirs, rename(one, "x"), &[&one.device]);
        let out = signed(theirs.draft(UnixMillis(3), Change::Remove { member: thief.id() }), &[&other.device]);
        let alone = [word.clone()];
        assert_eq!(before_the_word_of(&both, &log, &alone, &[]).len(), 0);
        assert_eq!(before_the_word_of(&both, &log, &alone, std::slice::from_ref(&out)).len(), 1, "proposed on top");
        let forged = SignedEntry { signatures: alone[0].signatures.clone(), ..out.clone() };
        assert_eq!(before_the_word_of(&both, &log, &alone, &[forged]).len(), 0, "a signature has to fit");
        let decided = signed(out, &[&one.device]);
        assert_eq!(before_the_word_of(&both, &log, &[word, decided], &[]).len(), 2, "decided on top");
    }
}
