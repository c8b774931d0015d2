//! What two members tell each other of the community: entries of the log and address records.

use datis_engine::community::accused::before_the_word_of;
use datis_engine::community::entry::SignedEntry;
use datis_engine::community::parting::{GivesWay, Parting, Proposed};
use datis_engine::ids::MemberId;
use datis_engine::wire::peers::{Exchange, Exchanged, PROPOSALS_MAX};
use minicbor::bytes::ByteVec;

use super::super::Site;
use super::super::site::lock;
use super::{Community, CommunityError, partings};

/// Compares notes with another member, of which `ask` asks one thing after the other: both know the same afterwards, and of logs
/// that part the one that has to gives way. The sequence that the other one has then.
///
/// # Errors
/// [`CommunityError`], and what `ask` gives.
pub(crate) fn compare_notes<E: From<CommunityError>>(
    site: &Site,
    member: MemberId,
    mut ask: impl FnMut(&Exchange) -> Result<Exchanged, E>,
) -> Result<u64, E> {
    let mut told = ask(&question(site, None)?)?;
    learn(site, member, &told)?;
    let mut common = told.sequence;
    // A log that parts from this one is looked at from further back, each time twice as far.
    let mut back = 1;
    while common > 0 && has_parted(&*site.in_community()?, &told) {
        common = common.min(site.in_community()?.roster().sequence()).saturating_sub(back);
        back *= 2;
        told = ask(&earlier(&*site.in_community()?, common))?;
        learn(site, member, &told)?;
    }
    let known = site.in_community()?;
    if known.log.last_hash() == told.last || known.roster().sequence() <= common {
        return Ok(told.sequence);
    }
    let told = ask(&question(site, Some(common))?)?;
    learn(site, member, &told)?;
    Ok(told.sequence)
}

/// What this box asks another member. `theirs`: sequence of the last entry that the other one is known to have.
///
/// # Errors
/// [`CommunityError`].
pub(super) fn question(site: &Site, theirs: Option<u64>) -> Result<Exchange, CommunityError> {
    let known = site.in_community()?;
    Ok(Exchange {
        sequence: known.roster().sequence(),
        last: known.log.last_hash(),
        entries: theirs.map(|theirs| entries_after(&known, theirs)).unwrap_or_default(),
        records: super::addresses::known(site)?,
        proposals: super::deciding::known(site)?,
    })
}

/// Asks for what follows on an earlier entry.
fn earlier(known: &Community, sequence: u64) -> Exchange {
    let last = known.log.hash_at(sequence).unwrap_or_else(|| known.log.last_hash());
    Exchange { sequence, last, entries: Vec::new(), records: Vec::new(), proposals: Vec::new() }
}

/// Takes what another member knows, and tells what this one does.
///
/// # Errors
/// [`CommunityError`].
pub(super) fn exchange(site: &Site, member: MemberId, asked: &Exchange) -> Result<Exchanged, CommunityError> {
    take_entries(site, member, &asked.entries, &asked.proposals)?;
    super::addresses::take(site, &asked.records)?;
    super::deciding::take(site, &asked.proposals)?;
    let known = site.in_community()?;
    if asked.last == known.log.last_hash() {
        site.community.joined_again(member);
    }
    let is_same_so_far = known.log.hash_at(asked.sequence) == Some(asked.last);
    Ok(Exchanged {
        sequence: known.roster().sequence(),
        last: known.log.last_hash(),
        entries: if is_same_so_far { entries_after(&known, asked.sequence) } else { Vec::new() },
        records: super::addresses::known(site)?,
        proposals: super::deciding::known(site)?,
        kits_shown: super::kits::shown_here(site, member)?,
    })
}

/// Takes what the other member has answered.
///
/// # Errors
/// [`CommunityError`].
pub(super) fn learn(site: &Site, member: MemberId, told: &Exchanged) -> Result<(), CommunityError> {
    take_entries(site, member, &told.entries, &told.proposals)?;
    super::addresses::take(site, &told.records)?;
    super::deciding::take(site, &told.proposals)?;
    super::kits::learn(site, member, &told.kits_shown)?;
    if told.last == site.in_community()?.log.last_hash() {
        site.community.joined_again(member);
    }
    Ok(())
}

/// Appends those that follow on what is known. One that rests on a kit alone waits until its time is over, and one that parts from
/// what is known is weighed. `proposals`: what the other one has on top of them.
fn take_entries(
    site: &Site,
    member: MemberId,
    entries: &[ByteVec],
    proposals: &[ByteVec],
) -> Result<(), CommunityError> {
    if entries.is_empty() {
        return Ok(());
    }
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    let (mut log, now) = (known.log.clone(), site.clock.now());
    let entries = entries.iter().map(|bytes| SignedEntry::decode(bytes)).collect::<Result<Vec<_>, _>>()?;
    // One that is not understood is passed over, as it is where they are taken.
    let theirs = proposals.iter().take(PROPOSALS_MAX).filter_map(|bytes| SignedEntry::decode(bytes).ok());
    let (ours, theirs) = (super::deciding::waiting(site, &known)?, theirs.collect::<Vec<_>>());
    let held = super::deciding::held_back(site, &known)?;
    let is_old = |since: u64| known.is_old(since, now);
    let proposed = Proposed { ours: &ours, theirs: &theirs, held: &held };
    if let Some(parting) = Parting::of(&known.log, &entries, proposed, is_old)? {
        return settle(site, &known, member, &parting);
    }
    log.follow(before_the_word_of(&held, &known.log, &entries, &theirs), is_old)?;
    if log.roster().sequence() > known.roster().sequence() { site.take_log(known.me, log, |_| Ok(())) } else { Ok(()) }
}

/// Of two logs that part, this box's gives way, or the other one's does when its box hears of it, or people have to choose.
fn settle(site: &Site, known: &Community, member: MemberId, parting: &Parting) -> Result<(), CommunityError> {
    match (parting.gives_way(), parting.their_log()) {
        // A log that does not know this box is none to go on with by itself.
        (GivesWay::Ours, Some(log)) if log.roster().member(known.me).is_some() => {
            tracing::warn!(%member, at = parting.at(), "Takes another member's log, and says again what this box had said");
            partings::give_way(site, known, parting, log, |_| Ok(()))
        }
        // What is held back is taken when its time is over.
        (GivesWay::Theirs, _) | (GivesWay::Ours, None) => Ok(()),
        (GivesWay::Ours, Some(_)) | (GivesWay::Neither, _) => {
            site.community.part(member, parting, site.clock.now());
            Ok(())
        }
    }
}

/// Whether what another member has told shows that its log is no part of this one, nor this one of it.
fn has_parted(known: &Community, told: &Exchanged) -> bool {
    told.entries.is_empty() && known.log.hash_at(told.sequence) != Some(told.last)
}

fn entries_after(known: &Community, sequence: u64) -> Vec<ByteVec> {
    known.log.after(sequence).map(|entry| entry.encode().into()).collect()
}
