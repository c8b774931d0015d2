//! What two members tell each other of the community: entries of the log and address records.

use datis_engine::community::entry::SignedEntry;
use datis_engine::community::roster::REBIND_HOLD;
use datis_engine::ids::EntryHash;
use datis_engine::wire::peers::{Exchange, Exchanged};
use minicbor::bytes::ByteVec;

use super::super::Site;
use super::super::site::lock;
use super::{Community, CommunityError};

/// What this box asks another member. `theirs`: sequence of the last entry that the other one is known to have.
///
/// # Errors
/// [`CommunityError`].
pub(crate) fn question(site: &Site, theirs: Option<u64>) -> Result<Exchange, CommunityError> {
    let known = site.in_community()?;
    Ok(Exchange {
        sequence: known.roster().sequence(),
        last: known.log.last_hash(),
        entries: theirs.map(|theirs| entries_after(&known, theirs)).unwrap_or_default(),
        records: super::addresses::known(site)?,
        proposals: super::deciding::known(site)?,
    })
}

/// Takes what another member knows, and tells what this one does.
///
/// # Errors
/// [`CommunityError`].
pub(crate) fn exchange(site: &Site, asked: &Exchange) -> Result<Exchanged, CommunityError> {
    take_entries(site, &asked.entries)?;
    super::addresses::take(site, &asked.records)?;
    super::deciding::take(site, &asked.proposals)?;
    let known = site.in_community()?;
    note_fork(&known, asked.sequence, asked.last);
    let is_same_so_far = hash_at(&known, asked.sequence) == Some(asked.last);
    Ok(Exchanged {
        sequence: known.roster().sequence(),
        last: known.log.last_hash(),
        entries: if is_same_so_far { entries_after(&known, asked.sequence) } else { Vec::new() },
        records: super::addresses::known(site)?,
        proposals: super::deciding::known(site)?,
    })
}

/// Takes what the other member has answered.
///
/// # Errors
/// [`CommunityError`].
pub(crate) fn learn(site: &Site, told: &Exchanged) -> Result<(), CommunityError> {
    note_fork(&*site.in_community()?, told.sequence, told.last);
    take_entries(site, &told.entries)?;
    super::addresses::take(site, &told.records)?;
    super::deciding::take(site, &told.proposals)
}

/// Appends those that follow on what is known. One that rests on a kit alone waits until its time is over.
fn take_entries(site: &Site, entries: &[ByteVec]) -> Result<(), CommunityError> {
    if entries.is_empty() {
        return Ok(());
    }
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    let (mut log, now) = (known.log.clone(), site.clock.now());
    let entries = entries.iter().map(|bytes| SignedEntry::decode(bytes)).collect::<Result<Vec<_>, _>>()?;
    // A rebinding that comes with what rests on it is seen only now.
    let is_old = |since: u64| known.seen.get(&since).is_some_and(|seen| now >= seen.plus(REBIND_HOLD));
    log.follow(&entries, is_old)?;
    if log.roster().sequence() > known.roster().sequence() { site.take_log(known.me, log, |_| Ok(())) } else { Ok(()) }
}

/// Two logs that part are for people: nothing here chooses between them.
fn note_fork(known: &Community, sequence: u64, last: EntryHash) {
    if hash_at(known, sequence).is_some_and(|ours| ours != last) {
        tracing::error!(sequence, "Another member has another log from this entry on: the community has parted");
    }
}

fn entries_after(known: &Community, sequence: u64) -> Vec<ByteVec> {
    let skipped = usize::try_from(sequence).unwrap_or(usize::MAX).saturating_add(1);
    known.log.entries().skip(skipped).map(|entry| entry.encode().into()).collect()
}

fn hash_at(known: &Community, sequence: u64) -> Option<EntryHash> {
    known.log.entries().nth(usize::try_from(sequence).ok()?).map(SignedEntry::hash)
}
