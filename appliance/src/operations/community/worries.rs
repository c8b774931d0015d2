//! What goes wrong between this box and others, for alerts.

use datis_engine::community::roster;
use datis_engine::ids::MemberId;
use datis_engine::life::hosting::SILENCE_MAX;
use datis_engine::life::peer::Standing;

use super::super::dispersal::{Circle, presences};
use super::super::hosting::hosted_for;
use super::super::{OperationError, Site};
use super::partings::partings;
use crate::catalog::statements;

/// What is wrong with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It has lost something that it kept for this box.
    Suspect,
    /// It has not answered for days.
    Absent,
    /// It condemned more in a week than is usual: nothing of its data is deleted here for now.
    Frozen,
    /// Nothing was heard of it for half a year, and its data is here.
    Silent,
    /// Its books and this box's differ.
    Books,
    /// Its log of the community is another one, and people have to choose.
    Parted,
    /// Its kit was used: it is on a new box, which nobody has confirmed.
    Rebound,
}

/// Something that people should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worry {
    /// About which member.
    pub member: MemberId,
    /// What is wrong.
    pub what: Wrong,
}

/// All of them, in no order.
///
/// # Errors
/// [`OperationError`].
pub fn worries(site: &Site) -> Result<Vec<Worry>, OperationError> {
    let Some(known) = site.community() else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    let mut worry = |member: MemberId, what| all.push(Worry { member, what });
    for member in known.others().filter(|member| matches!(member.standing, roster::Standing::Rebound { .. })) {
        worry(member.id, Wrong::Rebound);
    }
    if let Some(circle) = Circle::of(site)? {
        for (member, presence) in presences(site, &circle)? {
            match presence.standing {
                Standing::Suspect => worry(member, Wrong::Suspect),
                Standing::Absent | Standing::Gone => worry(member, Wrong::Absent),
                Standing::Ok | Standing::Away | Standing::Expelled => {}
            }
        }
    }
    let silent_before = site.counted_now().minus(SILENCE_MAX);
    for owner in hosted_for(site)? {
        if owner.frozen_until.is_some() {
            worry(owner.member, Wrong::Frozen);
        }
        if owner.shards > 0 && owner.lease_at < silent_before {
            worry(owner.member, Wrong::Silent);
        }
    }
    for statement in site.catalog.reader().read(|tx| statements::all(tx))? {
        if statement.theirs.is_some() {
            worry(if statement.owner == known.me { statement.host } else { statement.owner }, Wrong::Books);
        }
    }
    partings(site).into_iter().for_each(|one| worry(one.member, Wrong::Parted));
    Ok(all)
}
