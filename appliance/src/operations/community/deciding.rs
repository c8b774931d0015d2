//! What people decide about members. Some of it needs more admins than one: it waits here, is passed on with the log, and each
//! admin agrees at their own box. Decision 0034.

use std::sync::atomic::Ordering;

use datis_engine::community::accused::is_free_to_say;
use datis_engine::community::entry::{Change, Domains, SignedEntry};
use datis_engine::community::log::{LogError, Refusal, Weighed};
use datis_engine::community::proposals::{self, Open, PROPOSALS_MAX, Put, majority};
use datis_engine::ids::{CommunityName, EntryHash, MemberId, MemberName};
use datis_engine::units::UnixMillis;
use minicbor::bytes::ByteVec;

use super::super::accounts::{Action, Actor, Right, record};
use super::super::dispersal;
use super::super::site::lock;
use super::super::{OperationError, Site};
use super::{Community, CommunityError};
use crate::catalog::dispersal::kept_outside;
use crate::catalog::{CatalogError, community};

/// What came of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is in the log, and the others hear of it.
    Done,
    /// More admins have to agree, each at their own box.
    Waiting {
        /// How many have.
        agreed: usize,
        /// How many have to.
        needed: usize,
    },
}

/// What waits for more admins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Names it.
    pub hash: EntryHash,
    /// What it would change.
    pub what: Proposed,
    /// When it was proposed, by the clock of that box.
    pub at: UnixMillis,
    /// Names of the members that agree.
    pub agreed: Vec<MemberName>,
    /// How many have to.
    pub needed: usize,
    /// Whether this box is one of those that are asked.
    pub waits_for_this_box: bool,
}

/// What a proposal would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposed {
    /// A member is put out.
    Remove(MemberName),
    /// A member becomes an admin.
    Appoint(MemberName),
    /// An admin is none any more.
    Dismiss(MemberName),
    /// So many admins have to agree from then on.
    Threshold(u8),
    /// Hosts refuse to delete for so many days.
    Window(u16),
}

/// Puts a member out: its box is refused from then on, and what others keep for it stays until its time is over.
///
/// # Errors
/// [`CommunityError`].
pub fn remove(site: &Site, by: &Actor, name: &MemberName) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let member = named(site, name)?;
    decide(site, by, (Action::MemberRemoved, name.as_str()), Change::Remove { member })
}

/// Makes a member an admin: it may let others in.
///
/// # Errors
/// [`CommunityError`].
pub fn appoint(site: &Site, by: &Actor, name: &MemberName) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let member = named(site, name)?;
    decide(site, by, (Action::MemberAppointed, name.as_str()), Change::Appoint { member })
}

/// Says that a new member need not show first that it can be relied on: it may keep at others what it may after its time as a new one.
///
/// # Errors
/// [`CommunityError`].
pub fn vouch(site: &Site, by: &Actor, name: &MemberName) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let member = named(site, name)?;
    decide(site, by, (Action::MemberVouched, name.as_str()), Change::Vouch { member })
}

/// An admin is none any more: this box itself, or, when enough others agree, another one.
///
/// # Errors
/// [`CommunityError`]; the last admin stays one.
pub fn dismiss(site: &Site, by: &Actor, name: &MemberName) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let member = named(site, name)?;
    decide(site, by, (Action::MemberDismissed, name.as_str()), Change::Dismiss { member })
}

/// Calls a member otherwise: this box itself, or, as an admin, another one.
///
/// # Errors
/// [`CommunityError`].
pub fn rename(site: &Site, by: &Actor, name: &MemberName, new: &MemberName) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let member = named(site, name)?;
    decide(site, by, (Action::MemberRenamed, name.as_str()), Change::Rename { member, name: new.clone() })
}

/// Says what a member has in common with others: this box itself, or, as an admin, another one. Shards of one pack are spread
/// over what is not in common.
///
/// # Errors
/// [`CommunityError`].
pub fn label(site: &Site, by: &Actor, name: &MemberName, domains: Domains) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let member = named(site, name)?;
    decide(site, by, (Action::MemberLabelled, name.as_str()), Change::SetDomains { member, domains })
}

/// This box goes: the others read from it for 30 days more, and keep what they have of it until its time is over.
///
/// # Errors
/// [`CommunityError`]; the last admin cannot go, nor can a box whose snapshots would be lost with it.
pub fn leave(site: &Site, by: &Actor) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let known = site.in_community()?;
    check_nothing_is_lost(site)?;
    let name = known.roster().name().to_string();
    decide(site, by, (Action::CommunityLeft, &name), Change::Leave { member: known.me })
}

/// What is kept outside only goes with the community that keeps it.
fn check_nothing_is_lost(site: &Site) -> Result<(), CommunityError> {
    match site.catalog.reader().read(|tx| kept_outside::count(tx)).map_err(OperationError::from)? {
        0 => Ok(()),
        snapshots => Err(CommunityError::OnlyOutside(snapshots)),
    }
}

/// The box knows nothing of its community any more, so that it can found or join another one: for one that was put out, or has
/// left. `name`: that of the community, as somebody has typed it. What others keep for it stays until its time is over, and so does
/// what it keeps for them.
///
/// # Errors
/// [`CommunityError::OtherCommunity`] when another name was typed; [`CommunityError::OnlyOutside`]: the box would not know any more
/// where those snapshots are.
pub fn forget(site: &Site, by: &Actor, name: &CommunityName) -> Result<(), CommunityError> {
    by.may(Right::ManageCommunity)?;
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    if known.roster().name() != name {
        return Err(CommunityError::OtherCommunity);
    }
    check_nothing_is_lost(site)?;
    let now = site.clock.now();
    let written = site.catalog.writer().write(|tx| {
        community::forget(tx)?;
        dispersal::forget_holders(tx, now)?;
        record(tx, site, by, Action::CommunityForgotten, name.as_str(), "")
    });
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    site.community.forget();
    site.homeless.store(0, Ordering::SeqCst);
    Ok(())
}

/// What waits for more admins.
///
/// # Errors
/// [`CommunityError`].
pub fn proposals(site: &Site) -> Result<Vec<Proposal>, CommunityError> {
    let Some(known) = site.community() else { return Ok(Vec::new()) };
    let open = open(site, &known)?;
    Ok(open.iter().filter_map(|(entry, weighed)| shown(&known, entry, weighed)).collect())
}

/// Agrees to what another admin has proposed.
///
/// # Errors
/// [`CommunityError::NoProposal`] when it is done, or something else was done before it.
pub fn agree(site: &Site, by: &Actor, hash: &EntryHash) -> Result<Decided, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let decided = {
        let _gate = lock(&site.joining);
        let known = site.in_community()?;
        let mut open = open(site, &known)?.into_iter();
        let (entry, _) = open.find(|(entry, _)| entry.hash() == *hash).ok_or(CommunityError::NoProposal)?;
        sign(site, by, (Action::ProposalAgreed, ""), &known, entry)?
    };
    follow_up(site, by, decided)
}

/// All that wait, to be passed on.
pub(super) fn known(site: &Site) -> Result<Vec<ByteVec>, CommunityError> {
    Ok(site.catalog.reader().read(|tx| community::proposals(tx))?.into_iter().map(Into::into).collect())
}

/// A number that changes whenever there is something new to pass on.
///
/// # Errors
/// [`CommunityError`].
pub(crate) fn news(site: &Site) -> Result<usize, CommunityError> {
    let Some(known) = site.community() else { return Ok(0) };
    Ok(open(site, &known)?.iter().map(|(_, weighed)| weighed.signed.len()).sum())
}

/// Takes what another member passes on: signatures of admins over what may come next, and nothing else. What has all of them
/// with that goes into the log.
pub(super) fn take(site: &Site, proposals: &[ByteVec]) -> Result<(), CommunityError> {
    if proposals.is_empty() {
        return Ok(());
    }
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    // Of another version, or none at all: the next one who asks has a better one.
    let told = proposals.iter().take(PROPOSALS_MAX).filter_map(|bytes| SignedEntry::decode(bytes).ok());
    let passed = proposals::pass(&known.log, open(site, &known)?, &told.collect::<Vec<_>>())?;
    if !passed.kept.is_empty() {
        let keep = |tx: &rusqlite::Transaction<'_>| {
            passed.kept.iter().try_for_each(|entry| community::keep_proposal(tx, &entry.hash(), &entry.encode()))
        };
        site.catalog.writer().write(keep).map_err(|e: CatalogError| site.noted(e.into()))?;
    }
    let Some((entry, log)) = passed.complete else { return Ok(()) };
    check_is_heard(site, &known, &entry)?;
    site.take_log(known.me, log, |_| Ok(()))
}

/// Whose words are held back ([`Accusations::held_back`](datis_engine::community::accused::Accusations::held_back)).
pub(super) fn held_back(site: &Site, known: &Community) -> Result<Vec<MemberId>, CommunityError> {
    let (open, now) = (open(site, known)?, site.clock.now());
    Ok(lock(&site.community.accusations).held_back(known, &open, now))
}

/// Whether the others would hear what this box is about to say.
pub(super) fn check_is_heard(site: &Site, known: &Community, entry: &SignedEntry) -> Result<(), CommunityError> {
    if is_free_to_say(known, entry, &held_back(site, known)?) { Ok(()) } else { Err(CommunityError::Accused) }
}

/// What waits, as it is passed on.
pub(super) fn waiting(site: &Site, known: &Community) -> Result<Vec<SignedEntry>, CommunityError> {
    Ok(open(site, known)?.into_iter().map(|(entry, _)| entry).collect())
}

fn named(site: &Site, name: &MemberName) -> Result<MemberId, CommunityError> {
    let known = site.in_community()?;
    let member = known.roster().active().find(|member| member.name == *name);
    member.map(|member| member.id).ok_or(CommunityError::NoMember)
}

/// Signs a change for this box, and writes it into the log or, when it needs more admins, keeps it for them.
fn decide(site: &Site, by: &Actor, about: (Action, &str), change: Change) -> Result<Decided, CommunityError> {
    let decided = {
        let _gate = lock(&site.joining);
        let known = site.in_community()?;
        // Who wants what somebody else has proposed agrees to that.
        let same = open(site, &known)?.into_iter().find(|(_, weighed)| weighed.entry.change == change);
        let entry = same.map_or_else(|| known.log.draft(site.clock.now(), change), |(entry, _)| entry);
        sign(site, by, about, &known, entry)?
    };
    follow_up(site, by, decided)
}

fn sign(
    site: &Site,
    by: &Actor,
    (action, subject): (Action, &str),
    known: &Community,
    mut entry: SignedEntry,
) -> Result<Decided, CommunityError> {
    entry.sign(&site.vault.device_key);
    // What is only proposed says so in the audit log.
    let detail = match known.log.weigh(&entry) {
        Ok(Weighed { signed, needed, .. }) if signed.len() < needed => format!("{} / {needed}", signed.len()),
        Ok(_) | Err(_) => String::new(),
    };
    put(site, known, entry, |tx| record(tx, site, by, action, subject, &detail)).map_err(|error| match error {
        CommunityError::Log(LogError::Refused { refusal: Refusal::Signature, .. })
            if !known.roster().is_admin(known.me) =>
        {
            CommunityError::NotAdmin
        }
        other => other,
    })
}

/// Into the log, or among what waits.
fn put(
    site: &Site,
    known: &Community,
    entry: SignedEntry,
    more: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), CatalogError>,
) -> Result<Decided, CommunityError> {
    match proposals::put(&known.log, &entry)? {
        Put::Next(log) => {
            check_is_heard(site, known, &entry)?;
            site.take_log(known.me, *log, more)?;
            Ok(Decided::Done)
        }
        Put::Waits { agreed, needed } => {
            let written = site.catalog.writer().write(|tx| {
                community::keep_proposal(tx, &entry.hash(), &entry.encode())?;
                more(tx)
            });
            written.map_err(|e: CatalogError| site.noted(e.into()))?;
            Ok(Decided::Waiting { agreed, needed })
        }
    }
}

/// With more admins, more of them have to agree: the box that has made one says so as well.
fn follow_up(site: &Site, by: &Actor, decided: Decided) -> Result<Decided, CommunityError> {
    let _gate = lock(&site.joining);
    let known = site.in_community()?;
    let (wanted, present) = (majority(known.roster()), known.roster().removal_threshold());
    let may_sign = known.roster().signing_admins().any(|admin| admin.id == known.me);
    if decided == Decided::Done && wanted > present && may_sign {
        let entry = known.log.draft(site.clock.now(), Change::SetRemovalThreshold { threshold: wanted });
        match sign(site, by, (Action::ThresholdSet, known.roster().name().as_str()), &known, entry) {
            Ok(_) => {}
            // What was decided stands all the same; others say how many have to agree.
            Err(CommunityError::Accused) => {
                tracing::info!(
                    "The others do not hear this box at present: how many admins have to agree stays as it is"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(decided)
}

/// What waits and can still come next.
fn open(site: &Site, known: &Community) -> Result<Vec<Open>, CommunityError> {
    let kept = site.catalog.reader().read(|tx| community::proposals(tx))?;
    Ok(proposals::open(&known.log, kept.iter().filter_map(|bytes| SignedEntry::decode(bytes).ok())))
}

fn shown(known: &Community, entry: &SignedEntry, weighed: &Weighed) -> Option<Proposal> {
    let roster = known.roster();
    let name = |member: &MemberId| roster.member(*member).map(|member| member.name.clone());
    let what = match &weighed.entry.change {
        Change::Remove { member } => Proposed::Remove(name(member)?),
        Change::Appoint { member } => Proposed::Appoint(name(member)?),
        Change::Dismiss { member } => Proposed::Dismiss(name(member)?),
        Change::SetRemovalThreshold { threshold } => Proposed::Threshold(*threshold),
        Change::SetWindow { days } => Proposed::Window(*days),
        // They never wait.
        Change::Found { .. }
        | Change::Admit { .. }
        | Change::Rename { .. }
        | Change::Leave { .. }
        | Change::Rebind { .. }
        | Change::Confirm { .. }
        | Change::SetDomains { .. }
        | Change::Vouch { .. } => return None,
    };
    let agreed = weighed.signed.iter().filter_map(|key| known.who(key)).filter_map(|member| name(&member));
    let has_signed = |key| known.who(key) == Some(known.me);
    let may_sign =
        roster.signing_admins().any(|admin| admin.id == known.me) && is_not_about(known.me, &weighed.entry.change);
    Some(Proposal {
        hash: entry.hash(),
        what,
        at: weighed.entry.at,
        agreed: agreed.collect(),
        needed: weighed.needed,
        waits_for_this_box: may_sign && !weighed.signed.iter().any(has_signed),
    })
}

/// Nobody is asked about being put out, or about being no admin any more.
fn is_not_about(me: MemberId, change: &Change) -> bool {
    !matches!(change, Change::Remove { member } | Change::Dismiss { member } if *member == me)
}
