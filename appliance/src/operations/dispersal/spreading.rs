//! What is to be sent, and what came of it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datis_engine::community::signed::Signed;
use datis_engine::erasure::layout::{Layout, PACK_LEN_MAX};
use datis_engine::erasure::scheme::Scheme;
use datis_engine::erasure::shard::Shard;
use datis_engine::erasure::stripe::Stripe;
use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::life::placement::Group;
use datis_engine::store::{ObjectName, StoreError};
use datis_engine::wire::peers::{ReceiptError, ShardReceipt};

use super::repair::TAKEN_WITHIN;
use super::{Circle, Place, PlacedStripe, ShardState, StripeKind, Tried, heads, standing};
use crate::catalog::dispersal::{holders, outside, stripes};
use crate::catalog::{CatalogError, HolderRow, packs};
use crate::operations::bandwidth::{Traffic, may_go, open_for};
use crate::operations::opened::as_damage;
use crate::operations::{OperationError, Site};

/// Stripes that are looked at for urgent ones while backups wait.
const HELD_LOOKED_AT: usize = 4_096;
/// Packs that are looked for at once when many were deleted.
const GONE_AT_ONCE: usize = 1_000;

/// Something to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A pack, or a part of the map, that is nowhere yet.
    New {
        /// Which.
        pack: PackId,
        /// Which of both.
        kind: StripeKind,
    },
    /// Shards of a stripe that are not where they should be.
    Again {
        /// The stripe.
        stripe: PlacedStripe,
        /// What is to be sent to members that are there.
        missing: Vec<Place>,
        /// What it counts as on the line.
        traffic: Traffic,
    },
}

impl Task {
    /// What it counts as on the line.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        match self {
            Self::New { .. } => Traffic::Backup,
            Self::Again { traffic, .. } => *traffic,
        }
    }
}

/// What is to be sent next, at most `limit`, to members that are `available`: first what is not off-site safe, taking turns with what
/// is new in the order in which it came, then what is not fully protected. Neither of the first two holds up the other: what is not
/// safe may wait for one member for long. What does not go out in this hour is left out, and what was `tried`.
///
/// # Errors
/// [`OperationError`].
pub fn next_to_spread(
    site: &Site,
    circle: &Circle,
    available: &[MemberId],
    limit: usize,
    tried: &mut Tried,
) -> Result<Vec<Task>, OperationError> {
    // Before the catalog is read: what is ordered meanwhile is seen the next time.
    tried.hear_of(site.orders.count());
    let before = site.sessions.oldest().unwrap_or_else(|| site.clock.now());
    let counting = counting(site, circle)?;
    // While backups wait, the few that are urgent stand among them.
    let looked_at = if may_go(site, Traffic::Backup) { limit } else { limit.max(HELD_LOOKED_AT) };
    let tasks = site.catalog.reader().read(|tx| {
        let all = holders::all(tx)?;
        let rows: Vec<HolderRow> =
            all.iter().filter(|holder| available.contains(&holder.member)).map(|holder| holder.row).collect();
        let (mut urgent, mut rest) = (Vec::new(), Vec::new());
        stripes::wanting(tx, &rows, |stripe| {
            if tried.has_all_of(stripe.row) {
                return Ok(ControlFlow::Continue(()));
            }
            let places = stripes::places(tx, stripe.row)?;
            let traffic = traffic_of(&stripe, &places, &counting);
            let is_missing = |place: &Place| {
                place.state == ShardState::Wanted && available.contains(&place.member) && !tried.has_place(place)
            };
            let missing: Vec<Place> = places.into_iter().filter(is_missing).collect();
            if missing.is_empty() {
                tried.note_done(stripe.row);
                return Ok(ControlFlow::Continue(()));
            }
            let tasks = if stripe.safe_at.is_none() { &mut urgent } else { &mut rest };
            tasks.push(Task::Again { stripe, missing, traffic });
            let is_enough = urgent.len() + rest.len() >= looked_at;
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let passed = |pack: &PackId| tried.has_new(pack);
        let parts = outside::unplaced_parts(tx)?.into_iter().filter(|part| !passed(&part.id));
        let parts = parts.map(|part| (part.id, StripeKind::Map));
        let packs = stripes::unplaced(tx, before, passed, limit)?.into_iter().map(|one| (one.pack, StripeKind::Pack));
        let new = parts.chain(packs).map(|(pack, kind)| Task::New { pack, kind });
        let tasks = in_turn(urgent, new).chain(rest).filter(|task| may_go(site, task.traffic()));
        Ok::<_, CatalogError>(tasks.take(limit).collect())
    })?;
    Ok(tasks)
}

/// Members whose shards count now.
pub(super) fn counting(site: &Site, circle: &Circle) -> Result<BTreeSet<MemberId>, OperationError> {
    let presences = standing::presences(site, circle)?;
    Ok(presences.into_iter().filter(|(_, presence)| presence.counts).map(|(member, _)| member).collect())
}

/// What shards of a stripe count as that are sent again. At most one more than what gives the pack back makes it urgent
/// (mutual-backup 4.6), but only once the pack was outside: before, it is a backup that is under way.
fn traffic_of(stripe: &PlacedStripe, places: &[Place], counting: &BTreeSet<MemberId>) -> Traffic {
    let was_outside = stripe.safe_at.is_some() || places.iter().any(|place| place.state == ShardState::Lost);
    let is_there = |place: &&Place| place.state == ShardState::Durable && counting.contains(&place.member);
    let healthy: BTreeSet<u8> = places.iter().filter(is_there).map(|place| place.index).collect();
    match was_outside {
        false => Traffic::Backup,
        true if healthy.len() <= usize::from(stripe.layout.scheme().data()) + 1 => Traffic::UrgentRepair,
        true => Traffic::Repair,
    }
}

/// One of each in turn, and what is left of the longer one.
fn in_turn<T>(one: impl IntoIterator<Item = T>, other: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(move || {
        let next = [one.next(), other.next()];
        next.iter().any(Option::is_some).then_some(next)
    })
    .flatten()
    .flatten()
}

/// The bytes of a pack, or of a part of the map. Whether they are right is for the coder to check.
///
/// # Errors
/// [`OperationError::DamagedPack`] also when it is gone; [`OperationError`].
pub fn read_source(site: &Site, pack: &PackId, kind: StripeKind) -> Result<Vec<u8>, OperationError> {
    match kind {
        StripeKind::Pack => site.store.read_all(ObjectName::Pack(*pack), PACK_LEN_MAX).map_err(|e| as_damage(pack, e)),
        StripeKind::Map => {
            let content = site.catalog.reader().read(|tx| outside::part_content(tx, pack))?;
            let gone = || OperationError::DamagedPack { pack: *pack, reason: "the part of the map is gone".to_owned() };
            content.ok_or_else(gone)
        }
    }
}

/// Codes a pack, or a part of the map, all of it. `used`: memory of earlier shards, of which some is taken. `None`: it is gone,
/// or damaged, which is noted.
///
/// # Errors
/// [`OperationError`].
pub fn encode(
    site: &Site,
    (pack, kind): (PackId, StripeKind),
    scheme: Scheme,
    used: &mut Vec<Vec<u8>>,
) -> Result<Option<(Layout, Vec<Shard>)>, OperationError> {
    coded(site, (pack, kind), Cut::New(scheme), |stripe| (*stripe.layout(), stripe.encode_reusing(used)))
}

/// Codes some shards of a stripe anew, to be sent again. `used` and `None`: as for [`encode`].
///
/// # Errors
/// [`OperationError`].
pub fn encode_some(
    site: &Site,
    stripe: &PlacedStripe,
    indexes: &[u8],
    used: &mut Vec<Vec<u8>>,
) -> Result<Option<Vec<Shard>>, OperationError> {
    let width = stripe.layout.scheme().width();
    let known: Vec<u8> = indexes.iter().copied().filter(|index| *index < width).collect();
    let cut = Cut::Again(stripe.layout);
    let made = coded(site, (stripe.pack, stripe.kind), cut, |coder| coder.encode_some(&known, used))?;
    Ok(made.and_then(Result::ok))
}

/// Whether the bytes of a pack, or of a part of the map, are what its name says. Damage is noted as by [`encode`].
///
/// # Errors
/// [`OperationError`].
pub(super) fn has_sound_source(
    site: &Site,
    source: (PackId, StripeKind),
    layout: Layout,
) -> Result<bool, OperationError> {
    coded(site, source, Cut::Again(layout), |_| ()).map(|found| found.is_some())
}

/// How a pack becomes shards.
enum Cut {
    /// By the newest version.
    New(Scheme),
    /// As it was.
    Again(Layout),
}

fn coded<T>(
    site: &Site,
    (pack, kind): (PackId, StripeKind),
    cut: Cut,
    code: impl FnOnce(&Stripe<'_>) -> T,
) -> Result<Option<T>, OperationError> {
    let bytes = match read_source(site, &pack, kind) {
        Ok(bytes) => bytes,
        Err(OperationError::DamagedPack { reason, .. }) => return damaged(site, &pack, kind, &reason).map(|()| None),
        // It is kept outside only, and too few of those answer that have it: other packs do not wait for that.
        Err(OperationError::Store(error @ StoreError::Away { .. })) => {
            tracing::info!(%pack, %error, "A pack that is kept outside only cannot be read there now");
            return Ok(None);
        }
        Err(error) => return Err(site.noted(error)),
    };
    let secret = &site.vault.dispersal;
    let stripe = match cut {
        Cut::New(scheme) => Stripe::new(pack, &bytes, scheme, secret),
        Cut::Again(layout) => Stripe::again(pack, &bytes, layout, secret),
    };
    match stripe {
        Ok(stripe) => Ok(Some(code(&stripe))),
        Err(error) => damaged(site, &pack, kind, &error.to_string()).map(|()| None),
    }
}

/// A pack that was deleted meanwhile is not damaged. Damage of the map is worth stopping for: there is no other copy here.
fn damaged(site: &Site, pack: &PackId, kind: StripeKind, reason: &str) -> Result<(), OperationError> {
    if kind == StripeKind::Map {
        return Err(OperationError::DamagedPack { pack: *pack, reason: reason.to_owned() });
    }
    if site.catalog.reader().read(|tx| packs::all_by_id(tx, pack))?.is_empty() {
        return Ok(());
    }
    match site.found_damaged(pack, reason) {
        OperationError::DamagedPack { .. } => Ok(()),
        error => Err(error),
    }
}

/// Writes down who is to hold which shard of a pack; before anything of it is sent.
///
/// # Errors
/// [`OperationError`].
pub fn place(
    site: &Site,
    group: &Group,
    (pack, kind): (PackId, StripeKind),
    layout: Layout,
    shards: &[Shard],
) -> Result<Vec<Place>, OperationError> {
    let chosen: Vec<(MemberId, ShardId)> =
        shards.iter().map(|shard| (group.member_for(&pack, usize::from(shard.index)), shard.id)).collect();
    let new = stripes::NewStripe { pack, kind, epoch: group.epoch, layout, shards: &chosen };
    let at = site.clock.now();
    let placed = site.catalog.writer().write(|tx| stripes::insert(tx, &new, at));
    placed.map_err(|e: CatalogError| site.noted(e.into()))?;
    let wanted = |(shard, (member, id)): (&Shard, &(MemberId, ShardId))| Place {
        index: shard.index,
        member: *member,
        shard: *id,
        state: ShardState::Wanted,
    };
    Ok(shards.iter().zip(&chosen).map(wanted).collect())
}

/// A receipt that came from a member.
#[derive(Debug, Clone)]
pub struct Received {
    /// Of which pack or part of the map the shard is.
    pub pack: PackId,
    /// What was sent.
    pub place: Place,
    /// What the member signed.
    pub signed: Signed,
}

/// Why a receipt does not count.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptRefusal {
    /// Nobody who is in the community now.
    #[error("{0} is not a member any more")]
    NotMember(MemberId),
    /// The signature or the bytes.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// For somebody else, by somebody else, or for another shard.
    #[error("the receipt is not for shard {0} of this box, or of another length")]
    Other(ShardId),
    /// The shard is not one that the member is to hold.
    #[error("shard {0} is not wanted there any more")]
    NotWanted(ShardId),
}

/// Takes receipts in, all in one transaction; what is wrong with those that do not count, by their place in the list.
///
/// # Errors
/// [`OperationError`]; then none of them counts.
pub fn note_receipts(
    site: &Site,
    circle: &Circle,
    received: &[Received],
) -> Result<Vec<(usize, ReceiptRefusal)>, OperationError> {
    let mut refused = Vec::new();
    let mut sound = Vec::new();
    for (at, one) in received.iter().enumerate() {
        match check(circle, one) {
            Ok(receipt) => sound.push((at, one, receipt)),
            Err(why) => refused.push((at, why)),
        }
    }
    let now = site.clock.now();
    let noted = site.catalog.writer().write(|tx| {
        let all = holders::all(tx)?.into_iter().filter(|holder| circle.fellow(&holder.member).is_some());
        let tellable: Vec<HolderRow> = all.map(|holder| holder.row).collect();
        for (at, one, receipt) in &sound {
            let (shard, member) = (one.place.shard, one.place.member);
            let stripe = stripes::by_pack(tx, &one.pack)?;
            let fits = |stripe: &PlacedStripe| stripe.layout.shard_len() == receipt.len as usize;
            let Some(stripe) = stripe.filter(|stripe| fits(stripe) && stripe.gone_at.is_none()) else {
                refused.push((*at, ReceiptRefusal::NotWanted(shard)));
                continue;
            };
            let holder = holders::number(tx, &member)?;
            let is_meant = stripes::of_shard(tx, holder, &shard)?;
            if is_meant.is_none_or(|(row, index, state)| {
                (row, index) != (stripe.row, one.place.index) || state == ShardState::Condemned
            }) {
                refused.push((*at, ReceiptRefusal::NotWanted(shard)));
                continue;
            }
            if stripes::turn(tx, stripe.row, one.place.index, holder, ShardState::Durable, now)? {
                stripes::note_reached(tx, &stripe, now)?;
                if stripes::has_moved(tx, stripe.row, one.place.index)? {
                    stripes::unmap(tx, stripe.row)?;
                    stripes::condemn_lost(tx, stripe.row, one.place.index, &tellable, now)?;
                }
            }
        }
        Ok(())
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(refused)
}

fn check(circle: &Circle, one: &Received) -> Result<ShardReceipt, ReceiptRefusal> {
    let fellow = circle.fellow(&one.place.member).ok_or(ReceiptRefusal::NotMember(one.place.member))?;
    let receipt = ShardReceipt::verify(&one.signed, &fellow.device)?;
    let expected = (circle.me, one.place.member, one.place.shard);
    if (receipt.owner, receipt.host, receipt.shard) == expected {
        Ok(receipt)
    } else {
        Err(ReceiptRefusal::Other(one.place.shard))
    }
}

/// Notes that a member does not have these shards; they are made again. How many of them it was believed to have.
///
/// # Errors
/// [`OperationError`].
pub fn note_lost(site: &Site, member: &MemberId, shards: &[ShardId]) -> Result<usize, OperationError> {
    let now = site.clock.now();
    let lost = site.catalog.writer().write(|tx| {
        let holder = holders::number(tx, member)?;
        let mut lost = 0;
        for shard in shards {
            let Some((row, index, ShardState::Durable)) = stripes::of_shard(tx, holder, shard)? else { continue };
            lost += usize::from(stripes::turn(tx, row, index, holder, ShardState::Lost, now)?);
            if let Some(stripe) = stripes::by_row(tx, row)? {
                stripes::note_reached(tx, &stripe, now)?;
            }
            stripes::unmap_if_elsewhere(tx, row, index)?;
        }
        Ok(lost)
    });
    lost.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Notes that a member takes no more: what it was to get goes to others, and it is left out of groups for a day.
///
/// # Errors
/// [`OperationError`].
pub fn note_full(site: &Site, member: &MemberId) -> Result<(), OperationError> {
    let now = site.clock.now();
    let noted = site.catalog.writer().write(|tx| {
        let holder = holders::number(tx, member)?;
        holders::set_full(tx, holder, Some(now))?;
        stripes::withdraw(tx, holder, now).map(drop)
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Notes that a member will not have a shard, though it does not say that it is full. One that has not taken something for so long
/// that others get it instead is left alone like one that is full: else its place would stay taken for nothing, and the same shards
/// would be made for it again and again. Whether it is left alone now.
///
/// # Errors
/// [`OperationError`].
pub fn note_refused(site: &Site, member: &MemberId) -> Result<bool, OperationError> {
    let before = open_for(site, TAKEN_WITHIN);
    let overdue = site.catalog.reader().read(|tx| stripes::wanted_before(tx, before))?;
    let is_overdue = overdue.iter().any(|(_, holder)| holder == member);
    if is_overdue {
        note_full(site, member)?;
    }
    Ok(is_overdue)
}

/// Begins to take away from peers what the box itself has deleted. Peers keep it for their window. Nothing is taken away while
/// something else is not off-site safe yet. How many packs that were.
///
/// # Errors
/// [`OperationError`].
pub fn packs_gone(site: &Site) -> Result<usize, OperationError> {
    let now = site.clock.now();
    let mut all = 0;
    loop {
        let gone = site.catalog.writer().write(|tx| stripes::condemn_gone(tx, now, GONE_AT_ONCE));
        let gone = gone.map_err(|e: CatalogError| site.noted(e.into()))?;
        all += gone;
        if gone < GONE_AT_ONCE {
            return Ok(all);
        }
        site.check_running()?;
    }
}

/// Shards that a member is to be told that they are not needed, at most `limit`. The map does not name them any more; those that
/// are elsewhere now wait until enough members keep a head that leads there: a recovery would look for them where they were.
///
/// # Errors
/// [`OperationError`].
pub fn condemned_for(
    site: &Site,
    circle: &Circle,
    member: &MemberId,
    limit: usize,
) -> Result<Vec<ShardId>, OperationError> {
    let found = site.catalog.reader().read(|tx| match holders::by_member(tx, member)? {
        Some(holder) => stripes::condemned(tx, holder.row, heads::leads_to_all(tx, circle)?, limit),
        None => Ok(Vec::new()),
    })?;
    Ok(found)
}

/// Notes that a member was told so.
///
/// # Errors
/// [`OperationError`].
pub fn note_condemned(site: &Site, member: &MemberId, shards: &[ShardId]) -> Result<(), OperationError> {
    let noted = site.catalog.writer().write(|tx| {
        let holder = holders::number(tx, member)?;
        stripes::forget_condemned(tx, holder, shards)
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

#[cfg(test)]
mod tests {
    use datis_engine::ids::CommunityId;
    use datis_engine::keys::SigningKey;
    use datis_engine::units::UnixMillis;

    use super::super::Fellow;
    use super::*;

    #[test]
    fn a_receipt_counts_only_of_its_host_for_its_owner_and_its_shard() {
        let [me, host, other] = [1, 2, 3].map(|number| MemberId::from_bytes([number; MemberId::LEN]));
        let device = SigningKey::from_seed(&[7; 32]);
        let fellow = |member, key: &SigningKey| Fellow {
            member,
            device: key.public_key(),
            domains: Default::default(),
            leaves: false,
            room_bytes: 0,
        };
        let community = CommunityId::from_bytes([9; CommunityId::LEN]);
        let elsewhere = SigningKey::from_seed(&[8; 32]);
        let circle = Circle { community, me, fellows: vec![fellow(host, &device), fellow(other, &elsewhere)] };
        let shard = |number: u8| ShardId::from_bytes([number; ShardId::LEN]);
        let counts = |receipt: ShardReceipt, key: &SigningKey| {
            let place = Place { index: 0, member: host, shard: shard(5), state: ShardState::Wanted };
            let one = Received { pack: PackId::from_bytes([4; PackId::LEN]), place, signed: receipt.sign(key) };
            check(&circle, &one).is_ok()
        };
        let right = ShardReceipt { owner: me, host, shard: shard(5), len: 64, received_at: UnixMillis(1) };
        assert!(counts(right, &device));
        assert!(!counts(right, &elsewhere), "signed by another box");
        for wrong in [
            ShardReceipt { owner: other, ..right },
            ShardReceipt { host: other, ..right },
            ShardReceipt { shard: shard(6), ..right },
        ] {
            assert!(!counts(wrong, &device), "{wrong:?}");
        }
    }
}
