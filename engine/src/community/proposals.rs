//! What waits for more admins: entries that may come next in a log, and have not the signatures of all who have to agree.
//!
//! They travel with every exchange, each box adds the signatures it has, and whoever has enough appends the entry. The next entry of
//! the log ends all of them. Decision 0034.

use super::entry::{Change, SignedEntry};
use super::log::{Log, LogError, Weighed};
use super::roster::Roster;
use crate::keys::PublicKey;

/// The most that wait at one box, and that one message tells.
pub const PROPOSALS_MAX: usize = 16;

/// Of what waits, each admin signs so much and no more: nobody fills the places of the others.
pub const PROPOSALS_OF_ONE: usize = 2;

/// From so many admins on it takes more than half of them.
const MANY_ADMINS: usize = 3;

/// A proposal, and how far it is.
pub type Open = (SignedEntry, Weighed);

/// What a box makes of the proposals that another member has told.
#[derive(Debug, Default)]
pub struct Passed {
    /// To be kept, each in place of what has the same hash here.
    pub kept: Vec<SignedEntry>,
    /// What has all signatures with that, and the log that goes on with it: all else that waits ends.
    pub complete: Option<(SignedEntry, Log)>,
}

/// Those of `kept` that can still come next.
pub fn open(log: &Log, kept: impl IntoIterator<Item = SignedEntry>) -> Vec<Open> {
    let weigh = |entry: SignedEntry| log.weigh(&entry).ok().map(|weighed| (entry, weighed));
    kept.into_iter().filter_map(weigh).collect()
}

/// Takes over what `told` has more than `here`: signatures of admins over what may come next, and nothing else.
///
/// # Errors
/// [`LogError`] when one has all signatures, and the log does not take it.
pub fn pass(log: &Log, mut here: Vec<Open>, told: &[SignedEntry]) -> Result<Passed, LogError> {
    let mut passed = Passed::default();
    for theirs in told.iter().take(PROPOSALS_MAX) {
        // Of another place in the log, or not by admins alone: the next one who asks has a better one.
        let Ok(weighed) = log.weigh(theirs) else { continue };
        // What one signature is enough for comes with the log, where it is held back as long as it has to be.
        if !needs_admins(&weighed.entry.change) {
            continue;
        }
        let has_room = here.len() < PROPOSALS_MAX && weighed.signed.iter().any(|signer| signs_few(&here, signer));
        let joined = match here.iter_mut().find(|(entry, _)| entry.hash() == theirs.hash()) {
            Some((entry, _)) => entry.merge(theirs).then(|| entry.clone()),
            None if has_room => {
                here.push((theirs.clone(), weighed));
                Some(theirs.clone())
            }
            None => None,
        };
        let Some(entry) = joined else { continue };
        match put(log, &entry)? {
            Put::Next(log) => {
                passed.complete = Some((entry, *log));
                return Ok(passed);
            }
            Put::Waits { .. } => passed.kept.push(entry),
        }
    }
    Ok(passed)
}

/// What becomes of an entry that somebody has signed.
#[derive(Debug)]
pub enum Put {
    /// It is the next one: the log with it.
    Next(Box<Log>),
    /// It waits for more admins.
    Waits {
        /// How many have signed.
        agreed: usize,
        /// How many have to.
        needed: usize,
    },
}

/// Appends an entry, or says that more admins have to sign it.
///
/// # Errors
/// [`LogError`] when it cannot be the next one, or nobody who may has signed it.
pub fn put(log: &Log, entry: &SignedEntry) -> Result<Put, LogError> {
    let weighed = log.weigh(entry)?;
    let mut next = log.clone();
    match next.append(entry.clone()) {
        Ok(()) => Ok(Put::Next(Box::new(next))),
        Err(_) if !weighed.signed.is_empty() && weighed.signed.len() < weighed.needed => {
            Ok(Put::Waits { agreed: weighed.signed.len(), needed: weighed.needed })
        }
        Err(error) => Err(error),
    }
}

fn signs_few(open: &[Open], signer: &PublicKey) -> bool {
    open.iter().filter(|(_, weighed)| weighed.signed.contains(signer)).count() < PROPOSALS_OF_ONE
}

/// How many admins should have to agree: more than half from three on, so that one alone, or whoever has stolen one box, puts
/// nobody out.
#[must_use]
pub fn majority(roster: &Roster) -> u8 {
    let admins = roster.admins().count();
    if admins < MANY_ADMINS { 1 } else { u8::try_from(admins / 2 + 1).unwrap_or(u8::MAX) }
}

/// Whether it may take more than one admin; all else never waits.
fn needs_admins(change: &Change) -> bool {
    match change {
        Change::Remove { .. }
        | Change::Appoint { .. }
        | Change::Dismiss { .. }
        | Change::SetRemovalThreshold { .. }
        | Change::SetWindow { .. } => true,
        Change::Found { .. }
        | Change::Admit { .. }
        | Change::Rename { .. }
        | Change::Leave { .. }
        | Change::Rebind { .. }
        | Change::Confirm { .. }
        | Change::SetDomains { .. }
        | Change::Vouch { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::community::testing::{Person, community, signed};
    use crate::units::UnixMillis;

    fn proposes(log: &Log, change: Change, by: &[&Person]) -> SignedEntry {
        let keys: Vec<_> = by.iter().map(|person| &person.device).collect();
        signed(log.draft(UnixMillis(3), change), &keys)
    }

    #[test]
    fn signatures_over_the_same_come_together_and_the_last_one_makes_the_next_entry() {
        let (log, people) = community(5, 4);
        let log = {
            let mut log = log;
            let more = proposes(&log, Change::SetRemovalThreshold { threshold: 3 }, &[&people[0], &people[1]]);
            log.append(more).expect("decided");
            log
        };
        let out = Change::Remove { member: people[4].id() };
        let first = proposes(&log, out.clone(), &[&people[0]]);
        let passed = pass(&log, Vec::new(), std::slice::from_ref(&first)).expect("passed");
        assert_eq!((passed.kept.len(), passed.complete.is_none()), (1, true));
        let here = open(&log, passed.kept);
        assert!(pass(&log, here.clone(), std::slice::from_ref(&first)).expect("passed").kept.is_empty(), "known");
        let more = proposes(&log, out, &[&people[1], &people[2]]);
        let (entry, next) = pass(&log, here, &[more]).expect("passed").complete.expect("three have signed");
        assert_eq!(entry.signatures.len(), 3);
        assert!(!next.roster().member(people[4].id()).expect("known").is_active());
    }

    #[test]
    fn nobody_fills_the_places_of_others_and_what_one_may_decide_does_not_wait() {
        let (log, people) = community(8, 3);
        let out = |number: usize| proposes(&log, Change::Remove { member: people[number].id() }, &[&people[2]]);
        let told: Vec<SignedEntry> = (3..8).map(out).collect();
        assert_eq!(pass(&log, Vec::new(), &told).expect("passed").kept.len(), PROPOSALS_OF_ONE);
        let name = "x".parse().expect("name");
        let rename = proposes(&log, Change::Rename { member: people[2].id(), name }, &[&people[2]]);
        let passed = pass(&log, Vec::new(), &[rename]).expect("passed");
        assert!(passed.kept.is_empty() && passed.complete.is_none());
    }
}
