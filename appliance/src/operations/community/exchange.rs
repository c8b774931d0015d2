//! What two members tell each other of the community: entries of the log and address records.

use datis_engine::community::entry::SignedEntry;
use datis_engine::community::hearing::{Heard, hear};
use datis_engine::community::log::Log;
use datis_engine::community::parting::Proposed;
use datis_engine::ids::MemberId;
use datis_engine::wire::peers::{ENTRIES_AT_ONCE, Exchange, Exchanged, PROPOSALS_MAX};
use minicbor::bytes::ByteVec;

use super::super::Site;
use super::super::site::lock;
use super::{Community, CommunityError, partings};

/// So many parts of a log one comparison gives or takes; the next one goes on. More than the longest log has.
const PARTS_MAX: usize = 64;

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
    let mut told = catch_up(site, member, &mut ask)?;
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
    if known.log.hash_at(told.sequence) == Some(told.last) {
        let given = give(&known.log, told, |entries| {
            let told = ask(&Exchange { entries, ..question(site)? })?;
            learn(site, member, &told)?;
            Ok::<_, E>(told)
        });
        return Ok(given?.sequence);
    }
    // Which of two logs gives way is reckoned on the whole of both. What is too long for a question the other one hears when it asks.
    let whole = Part::after(&known.log, common, usize::MAX);
    if whole.bytes <= ENTRIES_AT_ONCE {
        told = ask(&Exchange { entries: whole.entries, ..question(site)? })?;
        learn(site, member, &told)?;
    }
    Ok(told.sequence)
}

/// Takes what the other one has and this box has not, part by part.
fn catch_up<E: From<CommunityError>>(
    site: &Site,
    member: MemberId,
    ask: &mut impl FnMut(&Exchange) -> Result<Exchanged, E>,
) -> Result<Exchanged, E> {
    let mut parts = 0;
    loop {
        let before = site.in_community()?.roster().sequence();
        let told = ask(&question(site)?)?;
        learn(site, member, &told)?;
        let now = site.in_community()?.roster().sequence();
        parts += 1;
        // What is held back for now would come again.
        if now <= before || told.sequence <= now || parts == PARTS_MAX {
            return Ok(told);
        }
    }
}

/// Gives another box, which has `told` the beginning of `log` as its own, what follows, part by part. `ask` hands one over. What it
/// tells then.
///
/// # Errors
/// What `ask` gives.
pub(crate) fn give<E>(
    log: &Log,
    mut told: Exchanged,
    mut ask: impl FnMut(Vec<ByteVec>) -> Result<Exchanged, E>,
) -> Result<Exchanged, E> {
    for _ in 0..PARTS_MAX {
        let part = Part::after(log, told.sequence, ENTRIES_AT_ONCE);
        if part.entries.is_empty() || log.hash_at(told.sequence) != Some(told.last) {
            break;
        }
        let before = std::mem::replace(&mut told, ask(part.entries)?);
        // What it holds back for now it would not take the next time either.
        if told.sequence <= before.sequence {
            break;
        }
    }
    Ok(told)
}

/// What this box asks another member: for as much as comes over at once.
///
/// # Errors
/// [`CommunityError`].
pub(super) fn question(site: &Site) -> Result<Exchange, CommunityError> {
    let known = site.in_community()?;
    Ok(Exchange {
        sequence: known.roster().sequence(),
        last: known.log.last_hash(),
        entries: Vec::new(),
        records: super::addresses::known(site)?,
        proposals: super::deciding::known(site)?,
        entries_at_most: Some(u32::try_from(ENTRIES_AT_ONCE).unwrap_or(u32::MAX)),
    })
}

/// Asks for all that follows on an earlier entry.
fn earlier(known: &Community, sequence: u64) -> Exchange {
    let last = known.log.hash_at(sequence).unwrap_or_else(|| known.log.last_hash());
    Exchange { sequence, last, entries: Vec::new(), records: Vec::new(), proposals: Vec::new(), entries_at_most: None }
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
    let at_most = asked.entries_at_most.map_or(usize::MAX, |at_most| usize::try_from(at_most).unwrap_or(usize::MAX));
    Ok(Exchanged {
        sequence: known.roster().sequence(),
        last: known.log.last_hash(),
        entries: if is_same_so_far { Part::after(&known.log, asked.sequence, at_most).entries } else { Vec::new() },
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
    let entries = entries.iter().map(|bytes| SignedEntry::decode(bytes)).collect::<Result<Vec<_>, _>>()?;
    // One that is not understood is passed over, as it is where they are taken.
    let theirs = proposals.iter().take(PROPOSALS_MAX).filter_map(|bytes| SignedEntry::decode(bytes).ok());
    let (ours, theirs) = (super::deciding::waiting(site, &known)?, theirs.collect::<Vec<_>>());
    let held = super::deciding::held_back(site, &known)?;
    let proposed = Proposed { ours: &ours, theirs: &theirs, held: &held };
    match hear(&known, &site.vault.device_key, &entries, proposed, site.clock.now())? {
        Heard::Nothing => Ok(()),
        Heard::Longer(log) => site.take_log(known.me, *log, |_| Ok(())),
        Heard::GivesWay(parting, said_again) => {
            tracing::warn!(%member, at = parting.at(), "Takes another member's log, and says again what this box had said");
            partings::give_way(site, &known, *said_again, |_| Ok(()))
        }
        Heard::Parted(parting) => {
            site.community.part(member, &parting, site.clock.now());
            Ok(())
        }
    }
}

/// Whether what another member has told shows that its log is no part of this one, nor this one of it.
fn has_parted(known: &Community, told: &Exchanged) -> bool {
    told.entries.is_empty() && known.log.hash_at(told.sequence) != Some(told.last)
}

/// Entries of a log that follow on one another.
struct Part {
    entries: Vec<ByteVec>,
    bytes: usize,
}

impl Part {
    /// Those behind `sequence`, as many as have `at_most` bytes, but one at least where there is one.
    fn after(log: &Log, sequence: u64, at_most: usize) -> Self {
        let mut part = Self { entries: Vec::new(), bytes: 0 };
        for entry in log.after(sequence).map(SignedEntry::encode) {
            if !part.entries.is_empty() && part.bytes + entry.len() > at_most {
                break;
            }
            part.bytes += entry.len();
            part.entries.push(entry.into());
        }
        part
    }
}
