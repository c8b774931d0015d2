//! The community for people: who is in it, how each does, what is kept for whom.

use std::collections::BTreeMap;

use datis_engine::community::roster::{Rights, Standing};
use datis_engine::ids::{MemberId, MemberName};
use datis_engine::life::peer;
use datis_engine::units::UnixMillis;

use super::super::dispersal::{Circle, presences};
use super::super::hosting::hosted_for;
use super::super::{OperationError, Site};
use crate::catalog::dispersal::holders;
use crate::catalog::{CatalogError, community as catalog};

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
    /// Its time after leaving is over: an admin may put it out, so that its name is free.
    Left,
    /// It is back on a new box, which nobody has confirmed.
    Rebound,
}

impl MemberState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Here,
        Self::Ok,
        Self::Away,
        Self::Absent,
        Self::Suspect,
        Self::Gone,
        Self::Leaving,
        Self::Left,
        Self::Rebound,
    ];

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
            Self::Left => "left",
            Self::Rebound => "rebound",
        }
    }
}

/// A member that is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Names it for good.
    pub id: MemberId,
    /// Its name, which may change.
    pub name: String,
    /// Whether it may let others in.
    pub is_admin: bool,
    /// Whether it is this box.
    pub is_here: bool,
    /// How it does.
    pub state: MemberState,
    /// Whether it is back on a new box that nobody has confirmed; this box as well.
    pub is_rebound: bool,
    /// From when on its kit alone confirms it; `None`: it is not rebound.
    pub confirms_itself_from: Option<UnixMillis>,
    /// Whether it is in full standing, so that it can be an admin.
    pub may_decide: bool,
    /// Shards of it on this box, and their bytes.
    pub kept_here: (u64, u64),
    /// Shards of this box that it has signed for, and their bytes.
    pub kept_there: (u64, u64),
    /// When it last said where it is, by this box's clock; `None`: never, or it is this box.
    pub heard_at: Option<UnixMillis>,
    /// Where it stands, as the admin who let it in said.
    pub site: Option<String>,
}

/// What there is to say about a community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// What it is called.
    pub name: String,
    /// Whether this box may let others in.
    pub is_admin: bool,
    /// Who is in, by name, this box first.
    pub members: Vec<MemberView>,
}

/// Who still needs what this box holds, by name, where it has said that it goes: it may be switched off when nobody does. `None`: it
/// stays.
///
/// # Errors
/// [`OperationError`].
pub fn going(site: &Site) -> Result<Option<Vec<MemberName>>, OperationError> {
    let Some(known) = site.community() else { return Ok(None) };
    let standing = known.roster().member(known.me).map(|member| member.standing);
    if !matches!(standing, Some(Standing::Leaving { .. })) {
        return Ok(None);
    }
    let needing: Vec<MemberId> =
        hosted_for(site)?.into_iter().filter(|owner| owner.needed > 0).map(|owner| owner.member).collect();
    let mut names: Vec<MemberName> =
        known.others().filter(|member| needing.contains(&member.id)).map(|member| member.name.clone()).collect();
    names.sort();
    Ok(Some(names))
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
    let (there, records) =
        site.catalog.reader().read(|tx| Ok::<_, CatalogError>((holders::kept(tx)?, catalog::records(tx)?)))?;
    let heard: BTreeMap<MemberId, UnixMillis> = records.into_iter().map(|(member, _, at)| (member, at)).collect();
    let now = site.clock.now();
    let mut members: Vec<MemberView> = known
        .roster()
        .active()
        .map(|member| {
            let seen = presences.get(&member.id).map_or(peer::Standing::Ok, |presence| presence.standing);
            // The log cannot know when the time of one that leaves is over.
            let has_left = known.rights_of(member.id, now) == Rights::None;
            let state = match (member.standing, seen) {
                (Standing::Leaving { .. }, _) if has_left => MemberState::Left,
                (Standing::Leaving { .. } | Standing::Removed { .. }, _) => MemberState::Leaving,
                _ if member.id == known.me => MemberState::Here,
                (Standing::Rebound { .. }, _) => MemberState::Rebound,
                (Standing::Full, peer::Standing::Ok) => MemberState::Ok,
                (Standing::Full, peer::Standing::Away) => MemberState::Away,
                (Standing::Full, peer::Standing::Absent) => MemberState::Absent,
                (Standing::Full, peer::Standing::Suspect) => MemberState::Suspect,
                (Standing::Full, peer::Standing::Gone | peer::Standing::Expelled) => MemberState::Gone,
            };
            MemberView {
                id: member.id,
                name: member.name.to_string(),
                is_admin: known.roster().is_admin(member.id),
                is_here: member.id == known.me,
                state,
                is_rebound: matches!(member.standing, Standing::Rebound { .. }),
                confirms_itself_from: known.confirms_itself_from(member.id),
                may_decide: member.standing == Standing::Full,
                kept_here: kept.get(&member.id).copied().unwrap_or_default(),
                kept_there: there.get(&member.id).copied().unwrap_or_default(),
                heard_at: heard.get(&member.id).copied().filter(|_| member.id != known.me),
                site: member.domains.site.as_ref().map(ToString::to_string),
            }
        })
        .collect();
    members.sort_by(|a, b| (!a.is_here, &a.name).cmp(&(!b.is_here, &b.name)));
    let is_admin = known.roster().is_admin(known.me);
    Ok(Some(Overview { name: known.roster().name().to_string(), is_admin, members }))
}
