//! Members whom others want to put out, or to be no admin any more, while that waits for more admins.
//!
//! A proposal ends with the next entry of the log, and every member may write one about itself alone: so a stolen box could end each
//! proposal about it. Its words are held back therefore, and count nothing where two logs part. Accusing another one in turn must
//! gain it nothing: what a second admin has built on holds nobody back. Decision 0034.

use super::entry::{Change, SignedEntry};
use super::log::Log;
use crate::ids::MemberId;
use crate::keys::PublicKey;

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
