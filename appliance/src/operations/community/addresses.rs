//! Where members can be reached: records that each signs for itself, remembered and passed on.

use datis_engine::community::address::{Address, AddressRecord, TTL_DEFAULT};
use datis_engine::format::VERSION;
use datis_engine::format::kit::{HINTS_MAX, KitCommunity, KitHint};
use datis_engine::ids::MemberId;
use datis_engine::wire::peers::PEER_BATCH_MAX;
use minicbor::bytes::ByteVec;

use super::super::Site;
use super::super::hosting::given_bytes;
use super::CommunityError;
use crate::catalog::CatalogError;
use crate::catalog::community;

/// Signs where this box can be reached now. Records that hold no more, since their member was put out, has left, or has another box,
/// are forgotten: whoever compares notes with this box would be told them for ever.
///
/// # Errors
/// [`CommunityError`].
pub(crate) fn announce(site: &Site, addresses: Vec<Address>) -> Result<(), CommunityError> {
    let known = site.in_community()?;
    let now = site.clock.now();
    let gives_bytes = Some(given_bytes(site)?);
    let written = site.catalog.writer().write(|tx| {
        let record = AddressRecord {
            version: VERSION,
            community: known.log.community(),
            member: known.me,
            addresses: addresses.clone(),
            sequence: community::next_address_sequence(tx, now)?,
            ttl: TTL_DEFAULT,
            issued_at: now,
            gives_bytes,
        };
        for (member, bytes, _) in community::records(tx)? {
            if AddressRecord::verify(&bytes, known.roster()).is_err() {
                community::drop_record(tx, &member)?;
            }
        }
        community::set_record(tx, &known.me, &record.sign(&site.vault.device_key).encode(), now)
    });
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(())
}

/// The same, unless it has said so before: whoever comes in with an invitation of this box has to find it again, also when this box
/// has not come to speak yet.
///
/// # Errors
/// [`CommunityError`].
pub(super) fn announce_first(site: &Site, addresses: &[Address]) -> Result<(), CommunityError> {
    let known = site.in_community()?;
    let said = site.catalog.reader().read(|tx| community::records(tx))?;
    if said.iter().any(|(member, ..)| *member == known.me) { Ok(()) } else { announce(site, addresses.to_vec()) }
}

/// What the recovery kit says of the community; `None`: the box is in none.
///
/// # Errors
/// [`CommunityError`].
pub fn kit_community(site: &Site) -> Result<Option<KitCommunity>, CommunityError> {
    let Some(known) = site.community() else { return Ok(None) };
    let records = site.catalog.reader().read(|tx| community::records(tx))?;
    let heard = |member: &MemberId| records.iter().find(|(of, ..)| of == member).map(|(_, _, at)| *at);
    let mut partners = known.partners(site.clock.now());
    // There is room for a few: those that were heard of last are the likeliest to be found.
    partners.sort_by_key(|member| std::cmp::Reverse(heard(member)));
    let mut hints = Vec::new();
    for member in partners.iter().filter_map(|member| known.roster().member(*member)) {
        let pin = member.device.spki_pin();
        let places = places_of(site, member.id)?;
        hints.extend(places.first().map(|place| KitHint { place: place.to_string(), pin }));
    }
    hints.truncate(HINTS_MAX);
    Ok(Some(KitCommunity { id: known.log.community(), hints }))
}

/// All records that are known, as they were signed.
pub(super) fn known(site: &Site) -> Result<Vec<ByteVec>, CommunityError> {
    let records = site.catalog.reader().read(|tx| community::records(tx))?;
    Ok(records.into_iter().map(|(_, record, _)| record.into()).collect())
}

/// Remembers those that are by members and newer than what is known; others are passed over.
pub(super) fn take(site: &Site, records: &[ByteVec]) -> Result<(), CommunityError> {
    let known = site.in_community()?;
    let now = site.clock.now();
    let here = site.catalog.reader().read(|tx| community::records(tx))?;
    // Nearly all that comes is here already, and to check a signature takes longer than all the rest.
    let is_here = |bytes: &ByteVec| here.iter().any(|(_, known, _)| *known == ***bytes);
    let newer = records.iter().take(PEER_BATCH_MAX).filter(|bytes| !is_here(bytes)).filter_map(|bytes| {
        let record = AddressRecord::verify(bytes, known.roster()).ok().filter(|record| record.member != known.me)?;
        let before = here.iter().find(|(member, ..)| *member == record.member);
        // One that does not hold any more, after its box was replaced, counts for nothing.
        let before = before.and_then(|(_, bytes, _)| AddressRecord::verify(bytes, known.roster()).ok());
        before.is_none_or(|before| record.replaces(&before)).then_some((record.sequence, record.member, bytes))
    });
    // Of several by one member the newest counts.
    let mut newer: Vec<_> = newer.collect();
    newer.sort_by_key(|(sequence, ..)| *sequence);
    if newer.is_empty() {
        return Ok(());
    }
    let written = site
        .catalog
        .writer()
        .write(|tx| newer.iter().try_for_each(|(_, member, bytes)| community::set_record(tx, member, bytes, now)));
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(())
}

/// Where a member said last that it can be reached, also when that was long ago: there is nothing better to try.
///
/// # Errors
/// [`CommunityError`].
pub(crate) fn places_of(site: &Site, member: MemberId) -> Result<Vec<Address>, CommunityError> {
    Ok(record_of(site, member)?.map(|record| record.addresses).unwrap_or_default())
}

/// What a member said last that it gives to the others, in bytes; `None`: it has not said so.
///
/// # Errors
/// [`CommunityError`].
pub(crate) fn given_by(site: &Site, member: MemberId) -> Result<Option<u64>, CommunityError> {
    Ok(record_of(site, member)?.and_then(|record| record.gives_bytes))
}

fn record_of(site: &Site, member: MemberId) -> Result<Option<AddressRecord>, CommunityError> {
    let known = site.in_community()?;
    let records = site.catalog.reader().read(|tx| community::records(tx))?;
    let record = records.iter().find(|(of, ..)| *of == member);
    Ok(record.and_then(|(_, bytes, _)| AddressRecord::verify(bytes, known.roster()).ok()))
}
