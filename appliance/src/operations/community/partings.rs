//! Logs of other members that part from this box's where people have to choose: who has one, what either would lose, and going over
//! to the other one. Kept in memory: boxes compare notes again after a restart.

use datis_engine::community::entry::{Change, SignedEntry};
use datis_engine::community::hearing::{SaidAgain, say_again};
use datis_engine::community::parting::{Parting, Proposed};
use datis_engine::community::roster::Rights;
use datis_engine::ids::{MemberId, MemberName};
use datis_engine::units::UnixMillis;

use super::super::Site;
use super::super::accounts::{Action, Actor, Right, record};
use super::super::site::lock;
use super::{Community, CommunityError, Present};
use crate::catalog::CatalogError;

/// What a member has told that parts from what is known here.
#[derive(Debug, Clone)]
pub(super) struct Told {
    entries: Vec<SignedEntry>,
    since: UnixMillis,
}

/// Another member has another log than this box, and nothing but people can say which counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parted {
    /// Whose box has it.
    pub member: MemberId,
    /// What it is called.
    pub name: MemberName,
    /// Sequence of the first entry that differs.
    pub at: u64,
    /// Since when it is known here.
    pub since: UnixMillis,
    /// What only this box's log says.
    pub ours: Vec<Change>,
    /// What only the other one says.
    pub theirs: Vec<Change>,
}

impl Present {
    /// Remembers what a member has told that people have to look at.
    pub(super) fn part(&self, member: MemberId, parting: &Parting, now: UnixMillis) {
        let mut told = lock(&self.parted);
        let since = told.get(&member).map_or(now, |before| before.since);
        if told.insert(member, Told { entries: parting.theirs().to_vec(), since }).is_none() {
            tracing::error!(%member, at = parting.at(), "Another member has another log: the community has parted");
        }
    }

    /// The box is in no community any more.
    pub(super) fn forget(&self) {
        lock(&self.parted).clear();
        lock(&self.accusations).clear();
        self.set(None);
    }

    /// Its log and this box's are one again.
    pub(super) fn joined_again(&self, member: MemberId) {
        lock(&self.parted).remove(&member);
    }
}

/// All members whose log parts from this box's so that people have to choose, by id.
#[must_use]
pub fn partings(site: &Site) -> Vec<Parted> {
    let Some(known) = site.community() else { return Vec::new() };
    let (told, now) = (lock(&site.community.parted).clone(), site.clock.now());
    let change = |entry: &SignedEntry| Some(entry.entry().ok()?.change);
    let is_old = |since| known.is_old(since, now);
    let view = |(member, told): (MemberId, Told)| {
        // Whoever was put out, or has left, has a log that nobody goes by.
        let of = known.roster().member(member).filter(|_| known.rights_of(member, now) != Rights::None)?;
        let parting = Parting::of(&known.log, &told.entries, Proposed::default(), is_old).ok()??;
        Some(Parted {
            member,
            name: of.name.clone(),
            at: parting.at(),
            since: told.since,
            ours: parting.ours().iter().filter_map(change).collect(),
            theirs: parting.theirs().iter().filter_map(change).collect(),
        })
    };
    told.into_iter().filter_map(view).collect()
}

/// Gives up what only this box's log says, and goes on with the log of the member of this name. What this box has said of itself it
/// says again; gives what is lost.
///
/// # Errors
/// [`CommunityError::NotParted`] when that member's log does not part from this one; [`CommunityError::Unknown`] when this box is
/// none of those that it names.
pub fn take_log_of(site: &Site, by: &Actor, name: &MemberName) -> Result<Vec<Change>, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let _gate = lock(&site.joining);
    let (known, now) = (site.in_community()?, site.clock.now());
    let member = known.roster().members().find(|member| member.name == *name).ok_or(CommunityError::NoMember)?.id;
    let told = lock(&site.community.parted).get(&member).cloned().ok_or(CommunityError::NotParted)?;
    let is_old = |since| known.is_old(since, now);
    let parting = Parting::of(&known.log, &told.entries, Proposed::default(), is_old)?;
    let parting = parting.ok_or(CommunityError::NotParted)?;
    let log = parting.their_log().ok_or(CommunityError::NotParted)?;
    if log.roster().member(known.me).is_none() {
        return Err(CommunityError::Unknown);
    }
    let lost = parting.ours().iter().filter_map(|entry| Some(entry.entry().ok()?.change));
    let lost: Vec<Change> = lost.filter(|change| change.said_of_itself() != Some(known.me)).collect();
    let detail = format!("{} / {}", lost.len(), parting.theirs().len());
    let said_again = say_again(&known, &site.vault.device_key, &parting, log, now);
    give_way(site, &known, said_again, |tx| record(tx, site, by, Action::LogTaken, name.as_str(), &detail))?;
    site.community.joined_again(member);
    Ok(lost)
}

/// Goes on with another log, on top of which this box has said again what it had said of itself. The caller holds [`Site::joining`].
pub(super) fn give_way(
    site: &Site,
    known: &Community,
    said_again: SaidAgain,
    more: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), CatalogError>,
) -> Result<(), CommunityError> {
    for error in &said_again.refused {
        tracing::warn!(%error, "What this box had said of itself cannot be said again");
    }
    site.take_log(known.me, said_again.log, more)
}
