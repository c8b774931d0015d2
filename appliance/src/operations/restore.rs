//! What machines read back: their snapshots, and the chunks of these. What is another machine's looks like nothing.

use std::collections::HashMap;

use datis_engine::chunk::seal::{Effort, FrameDecoder, FrameEncoder, SEGMENT_PLAIN_MAX};
use datis_engine::ids::{ChunkId, PackId};
use datis_engine::wire::{
    BATCH_MAX, ChunkPlace, ListSnapshots, Locate, Located, PAGE_MAX, ReadSegment, Refusal, RefusalCode, SegmentFrame,
    SnapshotInfo, SnapshotPage,
};

use super::Machine;
use super::error::Failure;
use super::readable::Readable;
use super::site::Site;
use crate::catalog::chunks::{ChunkAt, ChunkFinder};
use crate::catalog::closure::ClosureLookup;
use crate::catalog::packs::Pack;
use crate::catalog::{CatalogError, PackRow, packs, snapshots};

/// The machine's snapshots, newest first.
///
/// # Errors
/// [`RefusalCode::NotFound`] when the one to go on after is not there any more; [`Refusal`].
pub fn list_snapshots(site: &Site, machine: &Machine, message: &ListSnapshots) -> Result<SnapshotPage, Refusal> {
    let listed = site.catalog.reader().read(|tx| {
        let after = match &message.after {
            None => None,
            Some(id) => {
                let found = snapshots::by_id(tx, machine.row, id)?;
                let found = found.ok_or_else(|| Failure::from(not_found(&format!("snapshot {id}"))))?;
                Some((found.received_at, found.row))
            }
        };
        Ok::<_, Failure>(snapshots::page(tx, machine.row, message.source.as_ref(), after, PAGE_MAX + 1)?)
    });
    let mut found = listed.map_err(|failure| site.refusal(failure))?;
    let more = found.len() > PAGE_MAX;
    found.truncate(PAGE_MAX);
    let info = |s: snapshots::Snapshot| SnapshotInfo {
        signed: s.signed,
        received_at: s.received_at,
        state: s.state,
        outside_only: s.is_outside,
    };
    Ok(SnapshotPage { snapshots: found.into_iter().map(info).collect(), more })
}

/// Where the machine's chunks are.
///
/// # Errors
/// [`RefusalCode::Malformed`]; [`Refusal`].
pub fn locate(site: &Site, machine: &Machine, message: &Locate) -> Result<Located, Refusal> {
    try_locate(site, machine, message).map_err(|failure| site.refusal(failure))
}

fn try_locate(site: &Site, machine: &Machine, message: &Locate) -> Result<Located, Failure> {
    let ids = message.items().ok_or_else(|| malformed("the list of chunks"))?;
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_unstable_by_key(|at| ids[*at]);
    site.catalog.reader().read(|tx| {
        let mut readable = Readable::new(tx, machine.row)?;
        let mut located = Located { packs: Vec::new(), places: vec![None; ids.len()] };
        let mut numbers: HashMap<PackRow, u32> = HashMap::new();
        for at in order {
            let Some(best) = readable.find(&ids[at])? else { continue };
            let next = u32::try_from(located.packs.len()).map_err(|_| malformed("the number of packs"))?;
            let pack = *numbers.entry(best.pack).or_insert(next);
            if pack == next {
                let found =
                    packs::by_row(tx, best.pack)?.ok_or(CatalogError::from(rusqlite::Error::QueryReturnedNoRows))?;
                located.packs.push(found.id);
            }
            let place = best.location;
            located.places[at] =
                Some(ChunkPlace { pack, segment: place.segment, offset: place.offset, len: place.len });
        }
        Ok(located)
    })
}

/// One segment: the whole of it when the machine sent the pack, else exactly the chunks it may read.
///
/// # Errors
/// [`RefusalCode::NotFound`], [`RefusalCode::Damaged`], [`RefusalCode::Malformed`]; [`Refusal`].
pub fn read_segment(site: &Site, machine: &Machine, message: &ReadSegment) -> Result<SegmentFrame, Refusal> {
    try_read_segment(site, machine, message).map_err(|failure| site.refusal(failure))
}

fn try_read_segment(site: &Site, machine: &Machine, message: &ReadSegment) -> Result<SegmentFrame, Failure> {
    let Rights { pack, places } = rights(site, machine, message)?;
    let opened = site.open_pack(pack.row)?;
    let Some(places) = places else {
        let plain_len = opened.plain_len(message.segment).ok_or_else(|| segment_not_found(&message.pack))?;
        return Ok(SegmentFrame { whole: true, plain_len, frame: site.read_frame(&opened, message.segment)? });
    };
    let mut plain = Vec::new();
    site.read_plain(&opened, message.segment, &mut FrameDecoder::new()?, &mut plain)?;
    let mut asked = Vec::new();
    for place in places {
        let range = place.location.offset as usize..(place.location.offset + place.location.len) as usize;
        asked.extend_from_slice(plain.get(range).ok_or_else(|| segment_not_found(&message.pack))?);
    }
    let plain_len = u32::try_from(asked.len()).map_err(|_| malformed("the length of what is asked for"))?;
    let frame = FrameEncoder::new(Effort::Passing)?.encode(&asked, SEGMENT_PLAIN_MAX)?;
    Ok(SegmentFrame { whole: false, plain_len, frame })
}

/// What a machine may read of a segment.
struct Rights {
    pack: Pack,
    /// `None`: all of it. Otherwise exactly these chunks, in the order asked.
    places: Option<Vec<ChunkAt>>,
}

fn rights(site: &Site, machine: &Machine, message: &ReadSegment) -> Result<Rights, Failure> {
    site.catalog.reader().read(|tx| {
        if let Some(pack) = packs::by_id(tx, machine.row, &message.pack)? {
            return Ok(Rights { pack, places: None });
        }
        let ids = ids_of(message)?;
        let (mut finder, mut lookup) = (ChunkFinder::new(tx)?, ClosureLookup::new(tx, machine.row)?);
        let holders = packs::all_by_id(tx, &message.pack)?;
        let mut found = Vec::new();
        let (mut chosen, mut total) = (Vec::new(), 0_usize);
        for id in &ids {
            finder.find(id, &mut found)?;
            let here = found
                .iter()
                .find(|p| p.location.segment == message.segment && holders.iter().any(|pack| pack.row == p.pack));
            // Absent and not allowed look alike.
            let place = match here {
                Some(place) if lookup.may_use_foreign(id)? => *place,
                Some(_) | None => return Err(segment_not_found(&message.pack).into()),
            };
            total += place.location.len as usize;
            chosen.push(place);
        }
        if total > SEGMENT_PLAIN_MAX {
            return Err(malformed("the length of what is asked for"));
        }
        let first = chosen.first().ok_or_else(|| segment_not_found(&message.pack))?;
        let pack = holders.into_iter().find(|pack| pack.row == first.pack);
        let pack = pack.ok_or_else(|| segment_not_found(&message.pack))?;
        Ok(Rights { pack, places: Some(chosen) })
    })
}

fn ids_of(message: &ReadSegment) -> Result<Vec<ChunkId>, Failure> {
    if !message.ids.len().is_multiple_of(ChunkId::LEN) || message.ids.len() / ChunkId::LEN > BATCH_MAX {
        return Err(malformed("the list of chunks"));
    }
    Ok(message.ids.chunks_exact(ChunkId::LEN).filter_map(ChunkId::from_slice).collect())
}

fn segment_not_found(pack: &PackId) -> Refusal {
    not_found(&format!("segment or chunk in pack {pack}"))
}

fn not_found(what: &str) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("the box has no such {what} for this machine"))
}

fn malformed(what: &str) -> Failure {
    Failure::refuse(RefusalCode::Malformed, format!("{what} in the request is impossible"))
}
