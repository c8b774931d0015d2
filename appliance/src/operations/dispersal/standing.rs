//! What the box believes of its peers, and what they are asked for.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use datis_engine::erasure::answer::{Answer, AnswerError};
use datis_engine::erasure::shard::ShardHeader;
use datis_engine::ids::MemberId;
use datis_engine::life::audit::{Range, Shelf};
use datis_engine::life::peer::{Check, Event, Peer, Presence, Standing};
use datis_engine::store::{ObjectName, PackStore, StoreError};
use datis_engine::units::UnixMillis;

use super::spreading::has_sound_source;
use super::{Circle, StripeKind, read_source};
use crate::catalog::dispersal::holders::{self, SoFar};
use crate::catalog::dispersal::stripes::{self, HeldShard};
use crate::catalog::{CatalogError, HolderRow};
use crate::operations::{OperationError, Site};

/// The state of a peer follows from what happened since it was last without any fault.
fn replay(met_at: UnixMillis, events: Vec<(UnixMillis, Event)>) -> Peer {
    let mut peer = Peer::met(met_at);
    for (at, event) in events {
        peer.step(at, event);
    }
    peer
}

/// All members as decisions about stripes see them now. Whoever never was asked for anything counts as just met.
///
/// # Errors
/// [`OperationError`].
pub fn presences(site: &Site, circle: &Circle) -> Result<BTreeMap<MemberId, Presence>, OperationError> {
    let now = site.counted_now();
    let known = site.catalog.reader().read(|tx| {
        let all = holders::all(tx)?.into_iter();
        all.map(|holder| holders::events(tx, holder.row).map(|events| (holder, events))).collect::<Result<Vec<_>, _>>()
    })?;
    let mut presences: BTreeMap<MemberId, Presence> =
        circle.fellows.iter().map(|fellow| (fellow.member, Peer::met(now).presence(now))).collect();
    for (holder, events) in known {
        if let Some(presence) = presences.get_mut(&holder.member) {
            *presence = replay(holder.met_at.unwrap_or(now), events).presence(now);
        }
    }
    for fellow in circle.fellows.iter().filter(|fellow| fellow.leaves) {
        if let Some(presence) = presences.get_mut(&fellow.member) {
            *presence = presence.leaving();
        }
    }
    Ok(presences)
}

/// Takes in what happened with a peer. The check that is under way then: one that is asked for now, or one that was broken off
/// by a stop or a failure and has to go on.
///
/// # Errors
/// [`OperationError`].
pub fn note_peer(site: &Site, member: &MemberId, event: Event) -> Result<Option<Check>, OperationError> {
    let now = site.counted_now();
    let noted = site.catalog.writer().write(|tx| {
        let row = holders::number(tx, member)?;
        step(tx, (member, row), now, event).map(|peer| peer.under_way())
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// The same within a transaction.
fn step(
    tx: &rusqlite::Transaction<'_>,
    (member, row): (&MemberId, HolderRow),
    now: UnixMillis,
    event: Event,
) -> Result<Peer, CatalogError> {
    holders::meet(tx, row, now)?;
    let met_at = holders::by_member(tx, member)?.and_then(|holder| holder.met_at).unwrap_or(now);
    let mut peer = replay(met_at, holders::events(tx, row)?);
    let before = peer.under_way();
    peer.step(now, event);
    if peer.under_way() != before {
        holders::forget_check(tx, row)?;
    }
    let presence = peer.presence(now);
    if matches!(event, Event::Round(round) if round.good > 0 && round.lost == 0 && round.absent == 0) {
        holders::count_passed(tx, row)?;
    }
    let missed = matches!(event, Event::Round(round) if round.good == 0 && round.lost == 0);
    if presence.standing == Standing::Ok && presence.counts && !missed {
        // Nothing is left of what was before.
        holders::forget_events(tx, row, now)?;
    } else {
        holders::add_event(tx, row, now, &event)?;
    }
    Ok(peer)
}

/// How far the check of a peer is that is under way; `None`: at its beginning.
///
/// # Errors
/// [`OperationError`].
pub fn check_so_far(site: &Site, member: &MemberId) -> Result<Option<SoFar>, OperationError> {
    let found = site.catalog.reader().read(|tx| match holders::by_member(tx, member)? {
        Some(holder) => holders::check_so_far(tx, holder.row),
        None => Ok::<_, CatalogError>(None),
    })?;
    Ok(found)
}

/// Notes how far the check of a peer is, so that it goes on there, also after a stop.
///
/// # Errors
/// [`OperationError`].
pub fn note_check_so_far(site: &Site, member: &MemberId, so_far: &SoFar) -> Result<(), OperationError> {
    let noted = site.catalog.writer().write(|tx| {
        let row = holders::number(tx, member)?;
        holders::set_check_so_far(tx, row, so_far)
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

/// What one peer holds, ready to be drawn from.
pub struct Shelves {
    /// In the order in which the shelf names them.
    pub held: Vec<HeldShard>,
    /// The same as lengths.
    pub shelf: Shelf,
}

/// What a peer signed for and is needed.
///
/// # Errors
/// [`OperationError`].
pub fn shelf_of(site: &Site, member: &MemberId) -> Result<Shelves, OperationError> {
    let held = site.catalog.reader().read(|tx| match holders::by_member(tx, member)? {
        Some(holder) => stripes::held_by(tx, holder.row),
        None => Ok::<_, CatalogError>(Vec::new()),
    })?;
    let lens = held.iter().map(|shard| u32::try_from(shard.layout.shard_len()).unwrap_or(u32::MAX)).collect();
    Ok(Shelves { held, shelf: Shelf::new(lens) })
}

impl Shelves {
    /// Those of `ranges` that the box can check the answer of: its own copy of the pack is not known to be damaged.
    #[must_use]
    pub fn checkable(&self, ranges: Vec<Range>) -> Vec<Range> {
        let is_checkable = |range: &Range| self.held.get(range.shard).is_some_and(|held| !held.is_damaged_here);
        ranges.into_iter().filter(is_checkable).collect()
    }
}

/// Whether the box's own copy of what a shard was made of is what it was then. To be asked before an answer that differs from it is
/// held against a peer. Damage is noted.
///
/// # Errors
/// [`OperationError`].
pub fn is_sound_here(site: &Site, held: &HeldShard) -> Result<bool, OperationError> {
    match has_sound_source(site, (held.pack, held.kind), held.layout) {
        // A part of the map.
        Err(OperationError::DamagedPack { .. }) => Ok(false),
        looked => looked,
    }
}

/// The answer that an honest peer gives to these ranges, by the box's own packs. `None`: the box does not have them all any
/// more.
///
/// # Errors
/// [`OperationError`].
pub fn expected_digest(
    site: &Site,
    nonce: &[u8; 32],
    shelves: &Shelves,
    ranges: &[Range],
) -> Result<Option<[u8; 32]>, OperationError> {
    let mut answer = Answer::new(nonce);
    for range in ranges {
        let Some(held) = shelves.held.get(range.shard) else { return Ok(None) };
        let header = ShardHeader { pack: held.pack, index: held.index, layout: held.layout };
        let bytes = range.offset as usize..(range.offset + range.len) as usize;
        let secret = &site.vault.dispersal;
        let added = match held.kind {
            // It would be read at the others, who are to prove that they have it.
            StripeKind::Pack if held.is_outside || site.awaited.has(&held.pack) => return Ok(None),
            StripeKind::Pack => {
                let mut pack = Stored { store: site.store.as_ref(), name: ObjectName::Pack(held.pack), at: 0 };
                answer.add_expected(held.shard, &header, bytes, &mut pack, secret)
            }
            StripeKind::Map => match read_source(site, &held.pack, held.kind) {
                Ok(part) => answer.add_expected(held.shard, &header, bytes, &mut Cursor::new(part), secret),
                Err(OperationError::DamagedPack { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        match added {
            Ok(()) => {}
            Err(AnswerError::Io(_) | AnswerError::Range { .. }) => return Ok(None),
        }
    }
    Ok(Some(answer.finish()))
}

/// An object of the store as a file that is read here and there.
struct Stored<'s> {
    store: &'s dyn PackStore,
    name: ObjectName,
    at: u64,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.store.read_range(self.name, self.at, buffer.len()).map_err(|e| match e {
            StoreError::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        buffer.copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Stored<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(at) => self.at = at,
            SeekFrom::Current(by) => self.at = self.at.saturating_add_signed(by),
            SeekFrom::End(_) => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use datis_engine::life::audit::Round;
    use datis_engine::life::peer::Effect;
    use datis_engine::units::Seconds;

    use super::*;
    use crate::operations::testing::TestBox;

    /// Rounds of half an hour each: answered, not answered, or with a loss; what is asked for then is found clean.
    fn live(pattern: &str) {
        let test = TestBox::start();
        let writer = test.site().catalog.writer();
        let member = MemberId::from_bytes([3; 32]);
        let start = UnixMillis(1_800_000_000_000);
        let row = writer.write(|tx| {
            let row = holders::number(tx, &member)?;
            holders::meet(tx, row, start).map(|()| row)
        });
        let row = row.expect("number");
        let mut direct = Peer::met(start);
        for (count, letter) in (1..).zip(pattern.chars()) {
            let now = start.plus(Seconds(1_800 * count));
            let round = match letter {
                'a' => Round { good: 10, lost: 0, absent: 0 },
                'l' => Round { good: 9, lost: 1, absent: 0 },
                _ => Round { good: 0, lost: 0, absent: 10 },
            };
            let mut events = vec![Event::Round(round)];
            while let Some(event) = events.pop() {
                let effects = direct.step(now, event);
                let noted = writer.write(|tx| step(tx, (&member, row), now, event)).expect("noted");
                assert_eq!(noted.under_way(), direct.under_way(), "{pattern} at {count}");
                assert_eq!(noted.standing(), direct.standing(), "{pattern} at {count}");
                for effect in effects {
                    if let Effect::Look(check) = effect {
                        events.push(Event::Checked(check, Round { good: 480, lost: 0, absent: 0 }));
                    }
                }
            }
        }
        let events = test.site().catalog.reader().read(|tx| holders::events(tx, row)).expect("events");
        assert!(events.len() < 20, "{pattern}: {} events are kept", events.len());
    }

    #[test]
    fn what_is_kept_of_a_peer_gives_the_same_state_as_living_through_it() {
        let silent = |rounds: usize| "s".repeat(rounds);
        live("aaaa");
        live(&format!("aa{}aaa", silent(3)));
        live(&format!("aa{}aaa", silent(10)));
        live(&format!("aa{}aaa{}a", silent(150), silent(9)));
        live("aalaal");
        live(&format!("al{}aa", silent(200)));
        live(&format!("a{}a{}aaa", silent(1_500), silent(2)));
    }
}
