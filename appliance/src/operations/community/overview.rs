//! The community for people: who is in it, how each does, what is kept for whom.

use std::collections::BTreeMap;

use datis_engine::community::roster::Standing;
use datis_engine::life::peer;

use super::super::dispersal::{Circle, presences};
use super::super::hosting::hosted_for;
use super::super::{OperationError, Site};

/// How a member does, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// This box itself.
    Here,
    /// It answers, or nothing else is known.
    Ok,
    /// It has not answered for hours.
    Away,
    /// It has not answered for days: what it holds is made again elsewhere.
    Absent,
    /// It has lost something.
    Suspect,
    /// It has not answered for a month.
    Gone,
    /// It has said that it goes.
    Leaving,
    /// It is back on a new box, which nobody has confirmed.
    Rebound,
}

impl MemberState {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Here, Self::Ok, Self::Away, Self::Absent, Self::Suspect, Self::Gone, Self::Leaving, Self::Rebound];

    /// The word for it, which the pages have a sentence for (`peer-WORD`).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Ok => "ok",
            Self::Away => "away",
            Self::Absent => "absent",
            Self::Suspect => "suspect",
            Self::Gone => "gone",
            Self::Leaving => "leaving",
            Self::Rebound => "rebound",
        }
    }
}

/// A member that is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its name.
    pub name: String,
    /// Whether it may let others in.
    pub is_admin: bool,
    /// How it does.
    pub state: MemberState,
    /// Shards of it on this box, and their bytes.
    pub kept_here: (u64, u64),
}

/// What there is to say about a community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// What it is called.
    pub name: String,
    /// Who is in, by name, this box first.
    pub members: Vec<MemberView>,
}

/// The community as people see it; `None`: the box is in none.
///
/// # Errors
/// [`OperationError`].
pub fn overview(site: &Site) -> Result<Option<Overview>, OperationError> {
    let Some(known) = site.community() else { return Ok(None) };
    let presences = match Circle::of(site)? {
        Some(circle) => presences(site, &circle)?,
        None => BTreeMap::new(),
    };
    let kept: BTreeMap<_, _> =
        hosted_for(site)?.into_iter().map(|owner| (owner.member, (owner.shards, owner.bytes))).collect();
    let mut members: Vec<MemberView> = known
        .roster()
        .active()
        .map(|member| {
            let seen = presences.get(&member.id).map_or(peer::Standing::Ok, |presence| presence.standing);
            let state = match (member.standing, seen) {
                _ if member.id == known.me => MemberState::Here,
                (Standing::Leaving { .. } | Standing::Removed { .. }, _) => MemberState::Leaving,
                (Standing::Rebound { .. }, _) => MemberState::Rebound,
                (Standing::Full, peer::Standing::Ok) => MemberState::Ok,
                (Standing::Full, peer::Standing::Away) => MemberState::Away,
                (Standing::Full, peer::Standing::Absent) => MemberState::Absent,
                (Standing::Full, peer::Standing::Suspect) => MemberState::Suspect,
                (Standing::Full, peer::Standing::Gone | peer::Standing::Expelled) => MemberState::Gone,
            };
            MemberView {
                name: member.name.to_string(),
                is_admin: known.roster().is_admin(member.id),
                state,
                kept_here: kept.get(&member.id).copied().unwrap_or_default(),
            }
        })
        .collect();
    members.sort_by(|a, b| (a.state != MemberState::Here, &a.name).cmp(&(b.state != MemberState::Here, &b.name)));
    Ok(Some(Overview { name: known.roster().name().to_string(), members }))
}
