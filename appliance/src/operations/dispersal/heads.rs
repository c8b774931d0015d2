//! The head: where the map is, kept whole by every member.

use datis_engine::community::head::{HEAD_MAX, Head, SignedBy, VerifiedHead};
use datis_engine::community::signed::Signed;
use datis_engine::format::{VERSION, decode_all};
use datis_engine::ids::{HeadHash, MemberId};
use datis_engine::keys::SigningKey;
use datis_engine::life::placement::Group;
use datis_engine::outside::OutsideError;
use datis_engine::outside::head_content::HeadContent;
use datis_engine::outside::stripes::StripeRef;
use datis_engine::units::UnixMillis;

use super::{Circle, adopted, map};
use crate::catalog::CatalogError;
use crate::catalog::dispersal::holders::Holder;
use crate::catalog::dispersal::outside::LastHead;
use crate::catalog::dispersal::{holders, outside, stripes};
use crate::operations::{OperationError, Site};

/// Makes the next head when there is something new to say, and writes it down before anybody is told. Returns its sequence;
/// `None`: the last one still holds, or the map is not safe outside yet, or would say less than the last one.
///
/// # Errors
/// [`OperationError::MapTooLong`]; [`OperationError`].
pub fn next_head(site: &Site, circle: &Circle, device: &SigningKey) -> Result<Option<u64>, OperationError> {
    let (last, parts) =
        site.catalog.reader().read(|tx| Ok::<_, CatalogError>((outside::last_head(tx)?, parts(tx)?)))?;
    let Some(parts) = parts.filter(|parts| !parts.is_empty()) else { return Ok(None) };
    let names = fingerprint(circle, &parts);
    if last.as_ref().is_some_and(|last| last.parts == names) || !adopted::may_go_on(site, last.as_ref())? {
        return Ok(None);
    }
    let content = HeadContent {
        vault_file: site.vault.sealed_file.clone(),
        dispersal: site.vault.dispersal.clone(),
        identity: site.vault.identity.clone(),
        receipt_key: site.vault.kept_receipt_key.clone(),
        box_name: site.vault.box_name.clone(),
        parts,
    };
    let (sequence, previous) = after(last.as_ref(), circle)?;
    let made_at = site.clock.stamp();
    let (community, member) = (circle.community, circle.me);
    let catalog = content.seal(&site.vault.recipients).map_err(|error| match error {
        OutsideError::TooLong { .. } => OperationError::MapTooLong,
        other => other.into(),
    })?;
    let head = Head { version: VERSION, community, member, sequence, previous, made_at, catalog };
    let new = LastHead { sequence, signed: head.sign(device).encode(), parts: names, made_at };
    let written = site.catalog.writer().write(|tx| outside::set_head(tx, &new));
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(Some(sequence))
}

/// The parts of the map; `None` while one of them is not safe outside.
fn parts(tx: &rusqlite::Transaction<'_>) -> Result<Option<Vec<StripeRef>>, CatalogError> {
    let mut found = Vec::new();
    for part in outside::parts(tx)?.into_iter().filter(|part| !part.is_replaced) {
        let Some(stripe) = stripes::safe_of(tx, &part.id)? else { return Ok(None) };
        let places = stripes::places(tx, stripe.row)?;
        let Some(place) = map::place_of(&stripe, &places) else { return Ok(None) };
        found.push(place);
    }
    Ok(Some(found))
}

/// Tells whether two heads would say the same.
fn fingerprint(circle: &Circle, parts: &[StripeRef]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(circle.community.as_bytes()).update(circle.me.as_bytes());
    for part in parts {
        hasher.update(part.pack.as_bytes());
        for (member, shard) in &part.shards {
            hasher.update(member.as_bytes()).update(shard.as_bytes());
        }
    }
    hasher.finalize().as_bytes().to_vec()
}

/// The sequence and the chain after the last head, if that is of the same member.
fn after(last: Option<&LastHead>, circle: &Circle) -> Result<(u64, HeadHash), OperationError> {
    let first = (0, HeadHash::from_bytes([0; HeadHash::LEN]));
    let Some(last) = last else { return Ok(first) };
    let (signed, head) = opened(last)?;
    if (head.community, head.member) != (circle.community, circle.me) {
        return Ok(first);
    }
    Ok((head.sequence.saturating_add(1), HeadHash::from_bytes(signed.body_hash())))
}

/// The last head as it was signed, and what it says to everybody.
pub(super) fn opened(last: &LastHead) -> Result<(Signed, Head), OperationError> {
    let signed = Signed::decode("last head", &last.signed, HEAD_MAX)?;
    let head = decode_all("last head", &signed.body)?;
    Ok((signed, head))
}

/// Why a head that peers keep was not taken as one's own last one.
#[derive(Debug, thiserror::Error)]
pub enum AdoptHeadError {
    /// The box has made, or adopted, one with this or a later number.
    #[error("this box has head {ours} already, {theirs} is not after it")]
    NotLater {
        /// What the box has.
        ours: u64,
        /// What was given.
        theirs: u64,
    },
    /// The catalog.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

/// Goes on after a head of an earlier box of this member, on a box that was recovered: its own ones are chained to it,
/// and come once they say no less: see [`super::take_over_map`].
///
/// # Errors
/// [`AdoptHeadError`].
pub fn adopt_head(site: &Site, head: &VerifiedHead) -> Result<(), AdoptHeadError> {
    let sequence = head.head().sequence;
    let last = site.catalog.reader().read(|tx| outside::last_head(tx)).map_err(OperationError::from)?;
    if let Some(last) = last.filter(|last| last.sequence >= sequence) {
        return Err(AdoptHeadError::NotLater { ours: last.sequence, theirs: sequence });
    }
    let made_at = head.head().made_at;
    let new = LastHead { sequence, signed: head.signed().encode(), parts: Vec::new(), made_at };
    let written = site.catalog.writer().write(|tx| outside::set_head(tx, &new));
    Ok(written.map_err(|e: CatalogError| site.noted(e.into()))?)
}

/// The head that a member is to be given; `None` when it has the last one.
///
/// # Errors
/// [`OperationError`].
pub fn head_for(site: &Site, member: &MemberId) -> Result<Option<(u64, Vec<u8>)>, OperationError> {
    let head = site.catalog.reader().read(|tx| {
        let kept = holders::by_member(tx, member)?.and_then(|holder| holder.head);
        // One that was adopted is not this box's to give: it has no parts.
        let last = outside::last_head(tx)?.filter(|last| !last.parts.is_empty());
        let last = last.filter(|last| kept.is_none_or(|kept| kept < last.sequence));
        Ok::<_, CatalogError>(last.map(|last| (last.sequence, last.signed)))
    })?;
    Ok(head)
}

/// Notes that a member keeps a head of this box now, by its number.
///
/// # Errors
/// [`OperationError`].
pub fn note_head_kept(site: &Site, member: &MemberId, sequence: u64) -> Result<(), OperationError> {
    let noted = site.catalog.writer().write(|tx| {
        let holder = holders::number(tx, member)?;
        holders::set_head(tx, holder, sequence)
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Hears which heads a member keeps that did not take the one it was given. A later one that this box's key has signed is not a
/// member's word but a proof: a copy of the box runs somewhere. A box that nobody keeps a head of has lost its catalog, and goes on
/// after that one.
///
/// # Errors
/// [`OperationError::OtherBox`]; [`OperationError`].
pub fn hear_heads(site: &Site, circle: &Circle, heads: &[Vec<u8>]) -> Result<(), OperationError> {
    let Some(known) = site.community() else { return Ok(()) };
    let (last, is_kept) = site.catalog.reader().read(|tx| {
        let is_kept = holders::all(tx)?.iter().any(|holder| holder.head.is_some());
        Ok::<_, CatalogError>((outside::last_head(tx)?, is_kept))
    })?;
    let verified = heads.iter().filter_map(|head| Head::verify(head, known.roster(), SignedBy::PresentBox).ok());
    let own = verified.filter(|verified| verified.head().member == circle.me);
    let Some(newest) = own.max_by_key(|verified| verified.head().sequence) else { return Ok(()) };
    let theirs = newest.head().sequence;
    let is_later = last.as_ref().is_none_or(|last| theirs > last.sequence);
    let is_twin = last.as_ref().is_some_and(|last| theirs == last.sequence && newest.signed().encode() != last.signed);
    if !is_later && !is_twin {
        return Ok(());
    }
    if is_kept {
        return Err(OperationError::OtherBox { ours: last.map_or(0, |last| last.sequence), theirs });
    }
    match adopt_head(site, &newest) {
        // One of the same number is passed by the next one.
        Ok(()) | Err(AdoptHeadError::NotLater { .. }) => Ok(()),
        Err(AdoptHeadError::Operation(error)) => Err(error),
    }
}

/// What became true by members keeping the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadSettled {
    /// How many members keep the last head.
    pub kept_by: usize,
    /// Snapshots that are off-site safe since now.
    pub safe_snapshots: usize,
    /// Parts of the map that nothing names any more.
    pub dropped_parts: usize,
}

/// Draws the conclusions: snapshots of a map whose head is kept by as many as may be lost, and one more, are off-site safe.
///
/// # Errors
/// [`OperationError`].
pub fn settle_head(site: &Site, circle: &Circle) -> Result<HeadSettled, OperationError> {
    let (last, group, all, names) = site.catalog.reader().read(|tx| {
        let names = parts(tx)?.map(|parts| fingerprint(circle, &parts));
        Ok::<_, CatalogError>((outside::last_head(tx)?, holders::group(tx)?, holders::all(tx)?, names))
    })?;
    let (Some(last), Some(group)) = (last, group) else { return Ok(HeadSettled::default()) };
    let keeps = |member: &MemberId| keeps(circle, &all, last.sequence, member);
    let kept_by = circle.fellows.iter().filter(|fellow| keeps(&fellow.member)).count();
    if !is_enough(circle, &group, kept_by) {
        return Ok(HeadSettled { kept_by, ..HeadSettled::default() });
    }
    let is_full = group.members.iter().all(keeps);
    // Replaced parts are named by the head before: they go when the present one names those that took their place.
    let is_present = names.as_ref() == Some(&last.parts);
    let at = site.clock.now();
    let settled = site.catalog.writer().write(|tx| {
        let safe_snapshots = outside::note_safe(tx, last.made_at, is_full, at)?;
        let dropped_parts = if is_present { outside::drop_replaced(tx, at)? } else { 0 };
        if is_present {
            stripes::condemn_former(tx, at)?;
        }
        Ok(HeadSettled { kept_by, safe_snapshots, dropped_parts })
    });
    settled.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Whether a member keeps a head.
fn keeps(circle: &Circle, all: &[Holder], sequence: u64, member: &MemberId) -> bool {
    circle.fellow(member).is_some()
        && all.iter().any(|holder| holder.member == *member && holder.head == Some(sequence))
}

/// A head is there for sure with as many members as may be lost, and one more.
fn is_enough(circle: &Circle, group: &Group, kept_by: usize) -> bool {
    let needed = (group.redundancy.parity().div_ceil(2) + 1).min(circle.fellows.len());
    kept_by > 0 && kept_by >= needed
}

/// Whether the last head is one of this box that enough members keep.
pub(super) fn is_last_kept(site: &Site, circle: &Circle) -> Result<bool, OperationError> {
    let (last, group, all) = site
        .catalog
        .reader()
        .read(|tx| Ok::<_, CatalogError>((outside::last_head(tx)?, holders::group(tx)?, holders::all(tx)?)))?;
    let (Some(last), Some(group)) = (last, group) else { return Ok(false) };
    let keep = circle.fellows.iter().filter(|fellow| keeps(circle, &all, last.sequence, &fellow.member));
    Ok(!last.parts.is_empty() && is_enough(circle, &group, keep.count()))
}

/// Whether enough members keep a head that says where all parts of the map are now.
pub(super) fn leads_to_all(tx: &rusqlite::Transaction<'_>, circle: &Circle) -> Result<bool, CatalogError> {
    let (Some(last), Some(group)) = (outside::last_head(tx)?, holders::group(tx)?) else { return Ok(false) };
    let all = holders::all(tx)?;
    let keep = circle.fellows.iter().filter(|fellow| keeps(circle, &all, last.sequence, &fellow.member));
    let is_present = parts(tx)?.is_some_and(|parts| fingerprint(circle, &parts) == last.parts);
    Ok(is_present && is_enough(circle, &group, keep.count()))
}

/// When the last head was made; for pages.
pub(super) fn last_made_at(tx: &rusqlite::Transaction<'_>) -> Result<Option<UnixMillis>, CatalogError> {
    Ok(outside::last_head(tx)?.map(|head| head.made_at))
}
