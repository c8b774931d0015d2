//! What owners say about their shards, and the heads that are kept for them.

use datis_engine::community::head::{Head, SignedBy};
use datis_engine::community::roster::Standing;
use datis_engine::ids::ShardId;
use datis_engine::life::hosting::{self as life, Fate, Lease};
use datis_engine::units::Seconds;
use datis_engine::wire::peers::{
    Condemn, Condemned, HeadKept, HeadPage, KeepHead, LeaseAnswer, ListHeads, PEER_BATCH_MAX, RenewLease, Wish,
};
use datis_engine::wire::{Refusal, RefusalCode};

use super::super::community::Community;
use super::super::error::Failure;
use super::super::site::Site;
use super::{Owner, Peer};
use crate::catalog::{CatalogError, hosting};

/// So many of the newest heads stay whatever their age.
const HEADS_KEPT: u32 = 64;
/// Heads of one owner within a day. A box that was taken over could otherwise fill the disk with what may not be removed.
const HEADS_A_DAY: u64 = 144;
/// A head's number is at most so much above the last one. No box makes as many in ten years, however long this one was away; and
/// whoever has a box's key cannot use up the numbers.
const HEADS_JUMP_MAX: u64 = 1 << 20;
/// The most heads in an answer.
const HEADS_LISTED_MAX: u8 = 16;

/// The owner does not need these any more, or needs them after all. What it condemns stays for its window, and more than is
/// usual stands still.
///
/// # Errors
/// [`RefusalCode::UnknownMachine`] for who may only read; [`RefusalCode::TooLarge`]; [`Refusal`].
pub fn condemn(site: &Site, peer: &Peer, message: &Condemn) -> Result<Condemned, Refusal> {
    try_condemn(site, peer, message).map_err(|failure| site.refusal(failure))
}

fn try_condemn(site: &Site, peer: &Peer, message: &Condemn) -> Result<Condemned, Failure> {
    peer.check_may_write()?;
    if message.shards.len() > PEER_BATCH_MAX {
        let sentence = format!("a list has at most {PEER_BATCH_MAX} shards");
        return Err(Failure::refuse(RefusalCode::TooLarge, sentence));
    }
    site.with_owner(peer.member, |owner| {
        let now = site.counted_now();
        let ids = message.shards.as_slice();
        let (answer, changed) = match message.wish {
            Wish::Spare => {
                let noted = count(owner.hosting.spare(ids));
                let frozen_until = owner.hosting.frozen_until(now);
                (Condemned { noted, taken: count(ids.len()), frozen_until }, known(owner, ids))
            }
            Wish::Delete => condemn_some(site, owner, ids),
            Wish::DeleteWithinBrake if leaves(site) => condemn_some(site, owner, ids),
            Wish::DeleteWithinBrake => {
                let fitting = owner.hosting.fitting(now, ids);
                condemn_some(site, owner, &ids[..fitting])
            }
        };
        let recent = owner.hosting.state().recent;
        owner.save_with(site, &changed, |tx, row| hosting::keep_recent(tx, row, &recent))?;
        Ok(answer)
    })
}

/// The answer, and the shards whose state is another one now.
fn condemn_some(site: &Site, owner: &mut Owner, ids: &[ShardId]) -> (Condemned, Vec<ShardId>) {
    if leaves(site) {
        let (noted, taken) = (count(owner.hosting.release(site.counted_now(), ids)), count(ids.len()));
        return (Condemned { noted, taken, frozen_until: None }, known(owner, ids));
    }
    match owner.hosting.condemn(site.counted_now(), ids) {
        life::Condemned::Taken { shards, .. } => {
            let (noted, taken) = (count(shards), count(ids.len()));
            (Condemned { noted, taken, frozen_until: None }, known(owner, ids))
        }
        life::Condemned::BrakePulled { until, condemned_bytes } => {
            tracing::warn!(
                owner = %owner.hosting.owner(),
                condemned_bytes,
                held_bytes = owner.hosting.held_bytes(),
                "A member has condemned more in a week than is usual; none of its shards is deleted for now"
            );
            let all = owner.hosting.inventory(None, usize::MAX);
            let moved = all.filter(|(_, held)| held.fate != Fate::Kept).map(|(id, _)| *id).collect();
            (Condemned { noted: 0, taken: 0, frozen_until: Some(until) }, moved)
        }
        life::Condemned::Frozen { until } => (Condemned { noted: 0, taken: 0, frozen_until: Some(until) }, Vec::new()),
    }
}

/// Whether this box has said that it goes.
fn leaves(site: &Site) -> bool {
    let me = |known: &Community| known.roster().member(known.me).map(|member| member.standing);
    site.community().is_some_and(|known| matches!(me(&known), Some(Standing::Leaving { .. })))
}

fn known(owner: &Owner, ids: &[ShardId]) -> Vec<ShardId> {
    ids.iter().filter(|id| owner.hosting.get(id).is_some()).copied().collect()
}

fn count(shards: usize) -> u32 {
    u32::try_from(shards).unwrap_or(u32::MAX)
}

/// The owner lives.
///
/// # Errors
/// [`RefusalCode::UnknownMachine`] for who may only read; [`Refusal`].
pub fn renew_lease(site: &Site, peer: &Peer, message: &RenewLease) -> Result<LeaseAnswer, Refusal> {
    let renewed = peer.check_may_write().and_then(|()| {
        site.with_owner(peer.member, |owner| {
            let lease = owner.hosting.renew_lease(site.counted_now(), *message.list_hash);
            let state = owner.hosting.state();
            owner.save_with(site, &[], |tx, _| {
                hosting::keep_owner(tx, &peer.member, &state, Some(&message.list_hash)).map(drop)
            })?;
            Ok(match lease {
                Lease::Agreed => LeaseAnswer::Same,
                Lease::Differs => LeaseAnswer::Differs,
            })
        })
    });
    renewed.map_err(|failure| site.refusal(failure))
}

/// Keeps a head of the asking member; durable when this returns. The same one again is a success.
///
/// # Errors
/// [`RefusalCode::BadSignature`] when it is not the member's, or not signed by its present box; [`RefusalCode::Malformed`] when
/// a later one of this box, or another one of this number, is here, or when it is too far above the last one;
/// [`RefusalCode::Busy`] when too many came today; [`Refusal`].
pub fn keep_head(site: &Site, peer: &Peer, message: &KeepHead) -> Result<HeadKept, Refusal> {
    try_keep_head(site, peer, message).map_err(|failure| site.refusal(failure))
}

fn try_keep_head(site: &Site, peer: &Peer, message: &KeepHead) -> Result<HeadKept, Failure> {
    peer.check_may_write()?;
    let community = site
        .community()
        .ok_or_else(|| Refusal::new(RefusalCode::UnknownMachine, "the box belongs to no community any more"))?;
    let verified = Head::verify(&message.head, community.roster(), SignedBy::PresentBox)
        .map_err(|error| Failure::refuse(RefusalCode::BadSignature, format!("the head is not taken: {error}")))?;
    if verified.head().member != peer.member {
        return Err(Failure::refuse(RefusalCode::BadSignature, "the head is not of the member that brings it"));
    }
    let sequence = verified.head().sequence;
    if i64::try_from(sequence).is_err() {
        return Err(Failure::refuse(RefusalCode::Malformed, "the number of the head is too large"));
    }
    let (content, window) = (verified.signed().encode(), community.roster().window());
    let is_of_present_box = |bytes: &[u8]| Head::verify(bytes, community.roster(), SignedBy::PresentBox).is_ok();
    site.with_owner(peer.member, |owner| {
        let now = site.counted_now();
        if let Some(row) = owner.row {
            let (newest, today) = site.catalog.reader().read(|tx| {
                let newest = hosting::heads(tx, row, None, 1)?.pop();
                Ok::<_, CatalogError>((newest, hosting::count_heads_after(tx, row, now.minus(Seconds::DAY))?))
            })?;
            match newest {
                Some((known, bytes)) if known == sequence && bytes == content => return Ok(HeadKept { sequence }),
                Some((known, bytes)) => check_follows(sequence, known, is_of_present_box(&bytes))?,
                None => {}
            }
            if today >= HEADS_A_DAY {
                let sentence = format!("{HEADS_A_DAY} heads of this member came within a day; later ones wait");
                return Err(Failure::refuse(RefusalCode::Busy, sentence));
            }
        }
        owner.save_with(site, &[], |tx, row| {
            hosting::keep_head(tx, row, sequence, &content, now)?;
            hosting::prune_heads(tx, row, HEADS_KEPT, now.minus(window))
        })?;
        Ok(HeadKept { sequence })
    })
}

/// Refuses a head that cannot come after number `known`. A box that has taken the place of another one goes on after a head of its
/// choice: what the former one signed last may be the work of whoever took it over.
fn check_follows(sequence: u64, known: u64, known_is_of_this_box: bool) -> Result<(), Failure> {
    let sentence = if known_is_of_this_box && known >= sequence {
        format!("head {known} of this member is here already, so {sequence} is not taken")
    } else if sequence > known.saturating_add(HEADS_JUMP_MAX) {
        format!(
            "head {sequence} is more than {HEADS_JUMP_MAX} above {known}, the last one of this member, and is not taken"
        )
    } else {
        return Ok(());
    };
    Err(Failure::refuse(RefusalCode::Malformed, sentence))
}

/// The heads that are kept for the asking member, that which came last first.
///
/// # Errors
/// [`Refusal`].
pub fn list_heads(site: &Site, peer: &Peer, message: &ListHeads) -> Result<HeadPage, Refusal> {
    let limit = message.limit.min(HEADS_LISTED_MAX);
    let listed = site.with_owner(peer.member, |owner| {
        let Some(row) = owner.row else { return Ok(HeadPage { heads: Vec::new() }) };
        let heads = site.catalog.reader().read(|tx| hosting::heads(tx, row, message.before, limit))?;
        Ok(HeadPage { heads: heads.into_iter().map(|(_, bytes)| bytes.into()).collect() })
    });
    listed.map_err(|failure| site.refusal(failure))
}
