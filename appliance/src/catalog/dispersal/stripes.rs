//! Stripes and their shards: what is where, and what is still to be sent or to be condemned.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datis_engine::erasure::layout::{Layout, StripeVersion};
use datis_engine::erasure::scheme::Scheme;
use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::outside::stripes::StripeRef;
use datis_engine::units::UnixMillis;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::holders;
use crate::catalog::values::{bytes_at, column_size, optional_time_at, size_at, state_words, time_at, word_at};
use crate::catalog::{CatalogError, HolderRow, StripeRow};

state_words! {
    /// What a stripe is made of.
    StripeKind {
        /// A pack.
        Pack => "pack",
        /// A part of the map.
        Map => "map",
    }
}

state_words! {
    /// How far a shard is at one member.
    ShardState {
        /// To be sent.
        Wanted => "wanted",
        /// The member signed that it is durable.
        Durable => "durable",
        /// Not there, by the member's word or by an audit, or not taken.
        Lost => "lost",
        /// Not needed any more; the member is to be told.
        Condemned => "condemned",
    }
}

/// A stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripe {
    /// Its number here.
    pub row: StripeRow,
    /// The pack, or the part of the map.
    pub pack: PackId,
    /// Which of both.
    pub kind: StripeKind,
    /// How it is coded, and how long it is.
    pub layout: Layout,
    /// When its members were chosen.
    pub placed_at: UnixMillis,
    /// When it first was off-site safe.
    pub safe_at: Option<UnixMillis>,
    /// When it first was fully protected.
    pub full_at: Option<UnixMillis>,
    /// Since when nothing needs it.
    pub gone_at: Option<UnixMillis>,
}

/// A shard at one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its place in the stripe.
    pub index: u8,
    /// At which member.
    pub member: MemberId,
    /// Its name.
    pub shard: ShardId,
    /// How far it is.
    pub state: ShardState,
}

const COLUMNS: &str = "id, pack_id, kind, data, parity, pack_len, version, placed_at, safe_at, full_at, gone_at";
/// Where in a row stands what follows them.
const BEHIND: usize = 11;

/// Whether the box's own copy is damaged, so that nothing can be coded or computed of it.
const IS_DAMAGED: &str = "EXISTS (SELECT 1 FROM pack WHERE pack.pack_id = stripe.pack_id AND pack.state = 'damaged' AND stripe.kind = 'pack')";

/// Whether the box has no copy of its own, by the will of retention.
const IS_OUTSIDE: &str = "EXISTS (SELECT 1 FROM pack WHERE pack.pack_id = stripe.pack_id AND pack.outside_at IS NOT NULL AND stripe.kind = 'pack')";

/// How a pack is cut: data and parity shards, its length, and by which version, in four columns from `index` on.
pub(super) fn layout_at(row: &Row<'_>, index: usize) -> rusqlite::Result<Layout> {
    let (data, parity): (u8, u8) = (row.get(index)?, row.get(index + 1)?);
    let len = usize::try_from(size_at(row, index + 2)?).ok();
    let cut = Scheme::new(data, parity).zip(len).zip(StripeVersion::of(row.get(index + 3)?));
    let layout = cut.and_then(|((scheme, len), version)| Layout::of(version, scheme, len));
    layout.ok_or_else(|| rusqlite::Error::InvalidColumnType(index + 2, "pack_len".to_owned(), Type::Integer))
}

fn stripe_from(row: &Row<'_>) -> rusqlite::Result<Stripe> {
    Ok(Stripe {
        row: row.get(0)?,
        pack: bytes_at(row, 1)?,
        kind: word_at(row, 2)?,
        layout: layout_at(row, 3)?,
        placed_at: time_at(row, 7)?,
        safe_at: optional_time_at(row, 8)?,
        full_at: optional_time_at(row, 9)?,
        gone_at: optional_time_at(row, 10)?,
    })
}

fn place_from(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { index: row.get(0)?, member: bytes_at(row, 1)?, shard: bytes_at(row, 2)?, state: word_at(row, 3)? })
}

/// The stripe of a pack: of several the one that was placed last.
///
/// # Errors
/// [`CatalogError`].
pub fn by_pack(c: &Connection, pack: &PackId) -> Result<Option<Stripe>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM stripe WHERE pack_id = ?1 AND former = 0");
    Ok(c.prepare_cached(&sql)?.query_row([pack.as_bytes()], stripe_from).optional()?)
}

/// The stripe of a pack that it can be had from: the one that was placed last, or while that is not off-site safe a former one that
/// is.
///
/// # Errors
/// [`CatalogError`].
pub fn safe_of(c: &Connection, pack: &PackId) -> Result<Option<Stripe>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe WHERE pack_id = ?1 AND gone_at IS NULL AND safe_at IS NOT NULL
         ORDER BY former, id DESC LIMIT 1"
    );
    Ok(c.prepare_cached(&sql)?.query_row([pack.as_bytes()], stripe_from).optional()?)
}

/// The stripe of a pack that gives it back most likely, off-site safe or not: one of whose shards enough are there, of several of
/// these the one that was placed last; else the one that has most of them.
///
/// # Errors
/// [`CatalogError`].
pub fn best_of(c: &Connection, pack: &PackId) -> Result<Option<Stripe>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM
             (SELECT *, (SELECT count(DISTINCT shard_index) FROM shard
                         WHERE shard.stripe = stripe.id AND state = 'durable') AS there FROM stripe)
         WHERE pack_id = ?1 AND kind = 'pack' AND gone_at IS NULL
         ORDER BY there >= data DESC, iif(there >= data, former, 0), there DESC, id DESC LIMIT 1"
    );
    Ok(c.prepare_cached(&sql)?.query_row([pack.as_bytes()], stripe_from).optional()?)
}

/// All stripes that are needed and whose shards can be made here, without former ones, in the order in which they were placed.
///
/// # Errors
/// [`CatalogError`].
pub fn all_codable(c: &Connection) -> Result<Vec<Stripe>, CatalogError> {
    let sql =
        format!("SELECT {COLUMNS} FROM stripe WHERE gone_at IS NULL AND former = 0 AND NOT {IS_DAMAGED} ORDER BY id");
    let found = c.prepare_cached(&sql)?.query_map([], stripe_from)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Stripes of packs that are damaged here, and of which the members have enough, as far as is known, to bring them back.
///
/// # Errors
/// [`CatalogError`].
pub fn damaged_here(c: &Connection) -> Result<Vec<Stripe>, CatalogError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe WHERE pack_id IN (SELECT pack_id FROM pack WHERE state = 'damaged') AND kind = 'pack'
             AND (SELECT count(DISTINCT shard_index) FROM shard WHERE stripe = stripe.id AND state = 'durable') >= data
         ORDER BY id"
    );
    let found = c.prepare_cached(&sql)?.query_map([], stripe_from)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Where the shards of a stripe are, by index.
///
/// # Errors
/// [`CatalogError`].
pub fn places(c: &Connection, stripe: StripeRow) -> Result<Vec<Place>, CatalogError> {
    let sql = "SELECT shard_index, holder.member, shard_id, state FROM shard JOIN holder ON holder.id = shard.holder
               WHERE stripe = ?1 ORDER BY shard_index, at";
    let found = c.prepare_cached(sql)?.query_map([stripe], place_from)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// What is placed together: to be written down before anything is sent.
#[derive(Debug)]
pub struct NewStripe<'s> {
    /// The pack, or the part of the map.
    pub pack: PackId,
    /// Which of both.
    pub kind: StripeKind,
    /// In which epoch.
    pub epoch: u32,
    /// How it is coded, and how long it is.
    pub layout: Layout,
    /// Who is to hold which shard, by index.
    pub shards: &'s [(MemberId, ShardId)],
}

/// Adds a stripe, all its shards wanted.
///
/// # Errors
/// [`CatalogError`], also when there is one of this pack that is not a former one.
pub fn insert(tx: &Transaction<'_>, new: &NewStripe<'_>, at: UnixMillis) -> Result<StripeRow, CatalogError> {
    let scheme = new.layout.scheme();
    // A part of the map is named by heads, not by the map.
    let mapped = new.kind == StripeKind::Map;
    tx.prepare_cached(
        "INSERT INTO stripe (pack_id, kind, epoch, data, parity, pack_len, version, placed_at, mapped)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        new.pack.as_bytes(),
        new.kind.word(),
        new.epoch,
        scheme.data(),
        scheme.parity(),
        column_size(new.layout.pack_len() as u64),
        new.layout.version().number(),
        at.0,
        mapped
    ])?;
    let row = StripeRow(tx.last_insert_rowid());
    for (index, (member, shard)) in (0_u8..).zip(new.shards) {
        want(tx, row, index, holders::number(tx, member)?, shard, at)?;
    }
    Ok(row)
}

/// Enters a stripe that was brought out by an earlier box or under an earlier catalog, as the map says that it is.
///
/// # Errors
/// [`CatalogError`], also when there is one of this pack.
pub fn adopt(tx: &Transaction<'_>, found: &StripeRef, kind: StripeKind, at: UnixMillis) -> Result<(), CatalogError> {
    // No epoch of this box has chosen the members.
    let new = NewStripe { pack: found.pack, kind, epoch: 0, layout: found.layout, shards: &found.shards };
    let row = insert(tx, &new, at)?;
    tx.prepare_cached("UPDATE shard SET state = 'durable' WHERE stripe = ?1")?.execute([row])?;
    tx.prepare_cached("UPDATE stripe SET mapped = 1 WHERE id = ?1")?.execute([row])?;
    by_row(tx, row)?.map_or(Ok(()), |stripe| note_reached(tx, &stripe, at))
}

/// Wants a shard at a member, also one that the member had lost. What it has signed for it has.
///
/// # Errors
/// [`CatalogError`].
pub fn want(
    tx: &Transaction<'_>,
    stripe: StripeRow,
    index: u8,
    holder: HolderRow,
    shard: &ShardId,
    at: UnixMillis,
) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "INSERT INTO shard (stripe, shard_index, holder, shard_id, state, at) VALUES (?1, ?2, ?3, ?4, 'wanted', ?5)
         ON CONFLICT DO UPDATE SET state = 'wanted', at = ?5 WHERE state <> 'durable'",
    )?
    .execute(params![stripe, index, holder, shard.as_bytes(), at.0])?;
    Ok(())
}

/// Changes the state of one shard at one member from one of `from`; whether there was one.
///
/// # Errors
/// [`CatalogError`].
pub fn turn(
    tx: &Transaction<'_>,
    stripe: StripeRow,
    index: u8,
    holder: HolderRow,
    to: ShardState,
    at: UnixMillis,
) -> Result<bool, CatalogError> {
    let sql = "UPDATE shard SET state = ?4, at = ?5
               WHERE stripe = ?1 AND shard_index = ?2 AND holder = ?3 AND state <> ?4 AND state <> 'condemned'";
    Ok(tx.prepare_cached(sql)?.execute(params![stripe, index, holder, to.word(), at.0])? > 0)
}

/// How many different shards of a stripe are durable.
///
/// # Errors
/// [`CatalogError`].
pub fn count_durable(c: &Connection, stripe: StripeRow) -> Result<u8, CatalogError> {
    let sql = "SELECT count(DISTINCT shard_index) FROM shard WHERE stripe = ?1 AND state = 'durable'";
    Ok(c.prepare_cached(sql)?.query_row([stripe], |row| row.get(0))?)
}

/// Notes since when a stripe is off-site safe and fully protected, by what of it is durable now.
///
/// # Errors
/// [`CatalogError`].
pub fn note_reached(tx: &Transaction<'_>, stripe: &Stripe, at: UnixMillis) -> Result<(), CatalogError> {
    let (durable, scheme) = (count_durable(tx, stripe.row)?, stripe.layout.scheme());
    let since = |before: Option<UnixMillis>, is_so: bool| is_so.then(|| before.unwrap_or(at));
    let safe_at = since(stripe.safe_at, durable >= scheme.off_site_safe());
    let full_at = since(stripe.full_at, durable >= scheme.width());
    if (safe_at, full_at) != (stripe.safe_at, stripe.full_at) {
        tx.prepare_cached("UPDATE stripe SET safe_at = ?2, full_at = ?3 WHERE id = ?1")?.execute(params![
            stripe.row,
            safe_at.map(|at| at.0),
            full_at.map(|at| at.0)
        ])?;
    }
    Ok(())
}

/// Whether several members hold, or are to hold, one shard: it has moved.
///
/// # Errors
/// [`CatalogError`].
pub fn has_moved(c: &Connection, stripe: StripeRow, index: u8) -> Result<bool, CatalogError> {
    let sql = "SELECT count(*) > 1 FROM shard WHERE stripe = ?1 AND shard_index = ?2 AND state <> 'condemned'";
    Ok(c.prepare_cached(sql)?.query_row(params![stripe, index], |row| row.get(0))?)
}

/// The stripe with this number.
///
/// # Errors
/// [`CatalogError`].
pub fn by_row(c: &Connection, row: StripeRow) -> Result<Option<Stripe>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM stripe WHERE id = ?1");
    Ok(c.prepare_cached(&sql)?.query_row([row], stripe_from).optional()?)
}

/// What a member has and is to get is given up; which shards of which stripes that are.
///
/// # Errors
/// [`CatalogError`].
pub fn lose_all(tx: &Transaction<'_>, holder: HolderRow, at: UnixMillis) -> Result<Vec<(StripeRow, u8)>, CatalogError> {
    let sql = "UPDATE shard SET state = 'lost', at = ?2 WHERE holder = ?1 AND state IN ('wanted', 'durable')
               RETURNING stripe, shard_index";
    let mut statement = tx.prepare_cached(sql)?;
    let found = statement.query_map(params![holder, at.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// What a member is to get, and will not take, is lost there, so that another one gets it.
///
/// # Errors
/// [`CatalogError`].
pub fn withdraw(tx: &Transaction<'_>, holder: HolderRow, at: UnixMillis) -> Result<usize, CatalogError> {
    let sql = "UPDATE shard SET state = 'lost', at = ?2 WHERE holder = ?1 AND state = 'wanted'";
    Ok(tx.prepare_cached(sql)?.execute(params![holder, at.0])?)
}

/// What members are to get since before `before`, and have not taken, though it can be made here.
///
/// # Errors
/// [`CatalogError`].
pub fn wanted_before(c: &Connection, before: UnixMillis) -> Result<BTreeSet<(StripeRow, MemberId)>, CatalogError> {
    let sql = format!(
        "SELECT shard.stripe, holder.member FROM shard JOIN holder ON holder.id = shard.holder
             JOIN stripe ON stripe.id = shard.stripe
         WHERE shard.state = 'wanted' AND at < ?1 AND NOT {IS_DAMAGED}"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let found = statement.query_map([before.0], |row| Ok((row.get(0)?, bytes_at(row, 1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The map has to say anew where a stripe is.
///
/// # Errors
/// [`CatalogError`].
pub fn unmap(tx: &Transaction<'_>, stripe: StripeRow) -> Result<(), CatalogError> {
    let sql = "UPDATE stripe SET mapped = 0 WHERE id = ?1 AND kind = 'pack'";
    tx.prepare_cached(sql)?.execute([stripe])?;
    Ok(())
}

/// The same where a member does not have a shard any more that another one has: the map may name the wrong one of them.
///
/// # Errors
/// [`CatalogError`].
pub fn unmap_if_elsewhere(tx: &Transaction<'_>, stripe: StripeRow, index: u8) -> Result<(), CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM shard WHERE stripe = ?1 AND shard_index = ?2 AND state = 'durable')";
    let is_elsewhere = tx.prepare_cached(sql)?.query_row(params![stripe, index], |row| row.get(0))?;
    if is_elsewhere { unmap(tx, stripe) } else { Ok(()) }
}

/// Needed stripes that want shards at one of `holders`, and whose shards can be made here: those that are not off-site safe first, then
/// the oldest. `each` hears of one after the other until it breaks off.
///
/// # Errors
/// [`CatalogError`], also of `each`.
pub fn wanting(
    c: &Connection,
    holders: &[HolderRow],
    mut each: impl FnMut(Stripe) -> Result<ControlFlow<()>, CatalogError>,
) -> Result<(), CatalogError> {
    let numbers = numbers(holders);
    let sql = format!(
        "SELECT {COLUMNS} FROM stripe WHERE gone_at IS NULL AND NOT {IS_DAMAGED}
             AND id IN (SELECT DISTINCT stripe FROM shard WHERE state = 'wanted' AND holder IN ({numbers}))
         ORDER BY safe_at IS NOT NULL, id"
    );
    let mut statement = c.prepare(&sql)?;
    for stripe in statement.query_map([], stripe_from)? {
        if each(stripe?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Numbers for a list in a statement.
fn numbers(holders: &[HolderRow]) -> String {
    holders.iter().map(|holder| holder.0.to_string()).collect::<Vec<_>>().join(", ")
}

/// A pack that is nowhere outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unplaced {
    /// Which pack.
    pub pack: PackId,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it came.
    pub received_at: UnixMillis,
}

/// Stored packs without a stripe, or with former ones only, the oldest first, that some snapshot came after or that came before `before`: packs of
/// backups that are under way may still turn out to be needed by nobody. At most `limit`, without those that are `passed`.
///
/// # Errors
/// [`CatalogError`].
pub fn unplaced(
    c: &Connection,
    before: UnixMillis,
    passed: impl Fn(&PackId) -> bool,
    limit: usize,
) -> Result<Vec<Unplaced>, CatalogError> {
    let sql = "SELECT pack_id, max(bytes), min(received_at), min(id) AS first FROM pack
               WHERE state = 'stored'
                 AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id AND stripe.former = 0)
                 AND (received_at < ?1 OR EXISTS (SELECT 1 FROM snapshot WHERE snapshot.machine = pack.machine
                                                  AND snapshot.received_at >= pack.received_at))
               GROUP BY pack_id ORDER BY first";
    let found = |row: &Row<'_>| {
        Ok(Unplaced { pack: bytes_at(row, 0)?, bytes: size_at(row, 1)?, received_at: time_at(row, 2)? })
    };
    let mut statement = c.prepare_cached(sql)?;
    let all = statement.query_map([before.0], found)?;
    let others = all.filter(|one| !one.as_ref().is_ok_and(|one| passed(&one.pack)));
    Ok(others.take(limit).collect::<Result<_, _>>()?)
}

/// Begins to take away the stripes of packs that the box does not have any more, at most `limit`; how many there were. None as
/// long as a stored pack is not off-site safe: it may be the one that takes the place of those that are gone. None either while a
/// snapshot is damaged: after the catalog was made anew, it may be whole outside.
///
/// # Errors
/// [`CatalogError`].
pub fn condemn_gone(tx: &Transaction<'_>, at: UnixMillis, limit: usize) -> Result<usize, CatalogError> {
    let sql = "SELECT id FROM stripe WHERE kind = 'pack' AND gone_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM pack WHERE pack.pack_id = stripe.pack_id)
                 AND NOT EXISTS (SELECT 1 FROM snapshot WHERE state = 'damaged' AND lifecycle = 'live')
                 AND NOT EXISTS (SELECT 1 FROM pack WHERE state = 'stored'
                                   AND NOT EXISTS (SELECT 1 FROM stripe AS s WHERE s.pack_id = pack.pack_id
                                                     AND s.gone_at IS NULL AND s.safe_at IS NOT NULL))
               LIMIT ?1";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let gone: Vec<StripeRow> =
        tx.prepare_cached(sql)?.query_map([limit], |row| row.get(0))?.collect::<Result<_, _>>()?;
    gone.iter().try_for_each(|stripe| condemn(tx, *stripe, at))?;
    Ok(gone.len())
}

/// What is too wide for so many members, and can be placed again.
const IS_WIDE: &str = "gone_at IS NULL AND former = 0 AND data + parity > ?1
    AND (kind = 'map' OR EXISTS (SELECT 1 FROM pack WHERE pack.pack_id = stripe.pack_id AND pack.state = 'stored'))";

/// Whether there are stripes that are cut for more than `members`.
///
/// # Errors
/// [`CatalogError`].
pub fn has_wide(c: &Connection, members: usize) -> Result<bool, CatalogError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM stripe WHERE {IS_WIDE})");
    Ok(c.prepare_cached(&sql)?.query_row([i64::try_from(members).unwrap_or(i64::MAX)], |row| row.get(0))?)
}

/// Stripes that are cut for more than `members` become former ones: their packs, and parts of the map, are placed again. How many.
///
/// # Errors
/// [`CatalogError`].
pub fn supersede_wide(tx: &Transaction<'_>, members: usize, at: UnixMillis) -> Result<usize, CatalogError> {
    let sql = format!("UPDATE stripe SET former = 1 WHERE {IS_WIDE} RETURNING id");
    let members = i64::try_from(members).unwrap_or(i64::MAX);
    let wide: Vec<StripeRow> =
        tx.prepare_cached(&sql)?.query_map([members], |row| row.get(0))?.collect::<Result<_, _>>()?;
    // What is not there yet does not go there any more.
    let sql = "UPDATE shard SET state = 'lost', at = ?2 WHERE stripe = ?1 AND state = 'wanted'";
    for stripe in &wide {
        tx.prepare_cached(sql)?.execute(params![stripe, at.0])?;
    }
    Ok(wide.len())
}

/// Condemns former stripes whose packs and parts are off-site safe in another one, which the map, or the head, names. How many.
///
/// # Errors
/// [`CatalogError`].
pub fn condemn_former(tx: &Transaction<'_>, at: UnixMillis) -> Result<usize, CatalogError> {
    let sql = "SELECT id FROM stripe AS old WHERE former = 1 AND gone_at IS NULL
                 AND EXISTS (SELECT 1 FROM stripe AS new WHERE new.pack_id = old.pack_id AND new.former = 0
                               AND new.gone_at IS NULL AND new.safe_at IS NOT NULL AND new.mapped = 1)";
    let former: Vec<StripeRow> = tx.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for stripe in &former {
        condemn(tx, *stripe, at)?;
        // The map says where the pack is, and not that it is gone.
        tx.prepare_cached("UPDATE stripe SET mapped = 1 WHERE id = ?1")?.execute([stripe])?;
    }
    Ok(former.len())
}

/// Condemns all stripes of a part of the map.
///
/// # Errors
/// [`CatalogError`].
pub fn condemn_part(tx: &Transaction<'_>, part: &PackId, at: UnixMillis) -> Result<(), CatalogError> {
    let sql = "SELECT id FROM stripe WHERE pack_id = ?1 AND gone_at IS NULL";
    let all: Vec<StripeRow> =
        tx.prepare_cached(sql)?.query_map([part.as_bytes()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    all.iter().try_for_each(|stripe| condemn(tx, *stripe, at))
}

/// Nobody needs a stripe any more: whoever has, or may have, a shard of it is to be told.
///
/// # Errors
/// [`CatalogError`].
pub fn condemn(tx: &Transaction<'_>, stripe: StripeRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE stripe SET gone_at = ?2, mapped = kind = 'map' WHERE id = ?1")?
        .execute(params![stripe, at.0])?;
    tx.prepare_cached("DELETE FROM shard WHERE stripe = ?1 AND state = 'lost'")?.execute([stripe])?;
    tx.prepare_cached("UPDATE shard SET state = 'condemned', at = ?2 WHERE stripe = ?1")?
        .execute(params![stripe, at.0])?;
    Ok(())
}

/// Condemns one shard alone, where another one takes its place.
///
/// # Errors
/// [`CatalogError`].
pub fn condemn_one(
    tx: &Transaction<'_>,
    stripe: StripeRow,
    index: u8,
    holder: HolderRow,
    at: UnixMillis,
) -> Result<(), CatalogError> {
    let sql = "UPDATE shard SET state = 'condemned', at = ?4 WHERE stripe = ?1 AND shard_index = ?2 AND holder = ?3";
    tx.prepare_cached(sql)?.execute(params![stripe, index, holder, at.0])?;
    unmap_if_elsewhere(tx, stripe, index)
}

/// Condemns what is left of a shard at those of `holders` that have lost it, where another one has it by now: it may have rotted there,
/// and would stay on that disk for ever.
///
/// # Errors
/// [`CatalogError`].
pub fn condemn_lost(
    tx: &Transaction<'_>,
    stripe: StripeRow,
    index: u8,
    holders: &[HolderRow],
    at: UnixMillis,
) -> Result<(), CatalogError> {
    let sql = format!(
        "UPDATE shard SET state = 'condemned', at = ?3
         WHERE stripe = ?1 AND shard_index = ?2 AND state = 'lost' AND holder IN ({})",
        numbers(holders)
    );
    tx.prepare_cached(&sql)?.execute(params![stripe, index, at.0])?;
    Ok(())
}

/// Condemns what a member holds that leaves, where one of `others` has the same shard; how many those are.
///
/// # Errors
/// [`CatalogError`].
pub fn release(
    tx: &Transaction<'_>,
    leaver: HolderRow,
    others: &[HolderRow],
    at: UnixMillis,
) -> Result<usize, CatalogError> {
    let sql = format!(
        "SELECT here.stripe, here.shard_index FROM shard AS here
         WHERE here.holder = ?1 AND here.state = 'durable' AND EXISTS (
             SELECT 1 FROM shard WHERE stripe = here.stripe AND shard_index = here.shard_index AND state = 'durable'
                 AND holder IN ({}))",
        numbers(others)
    );
    let mut statement = tx.prepare(&sql)?;
    let found = statement.query_map([leaver], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(StripeRow, u8)> = found.collect::<Result<_, _>>()?;
    for (stripe, index) in &found {
        condemn_one(tx, *stripe, *index, leaver, at)?;
    }
    Ok(found.len())
}

/// Shards that a member is to be told of, at most `limit`. Those that the map may still name are not among them; nor, without
/// `with_moved`, those of stripes that are still needed and have them elsewhere.
///
/// # Errors
/// [`CatalogError`].
pub fn condemned(
    c: &Connection,
    holder: HolderRow,
    with_moved: bool,
    limit: usize,
) -> Result<Vec<ShardId>, CatalogError> {
    let sql = "SELECT shard_id FROM shard JOIN stripe ON stripe.id = shard.stripe
               WHERE state = 'condemned' AND holder = ?1 AND mapped = 1 AND (?2 OR gone_at IS NOT NULL) LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = c.prepare_cached(sql)?;
    let found = statement.query_map(params![holder, with_moved, limit], |row| bytes_at(row, 0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Forgets what a member was told of, and stripes that are gone and nowhere any more.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_condemned(tx: &Transaction<'_>, holder: HolderRow, shards: &[ShardId]) -> Result<(), CatalogError> {
    for shard in shards {
        tx.prepare_cached("DELETE FROM shard WHERE holder = ?1 AND shard_id = ?2 AND state = 'condemned'")?
            .execute(params![holder, shard.as_bytes()])?;
    }
    forget_empty(tx)
}

/// Forgets stripes that are gone, that the map does not name, and that have no shard anywhere.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_empty(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute(
        "DELETE FROM stripe WHERE gone_at IS NOT NULL AND mapped = 1
             AND NOT EXISTS (SELECT 1 FROM shard WHERE shard.stripe = stripe.id)",
        [],
    )?;
    Ok(())
}

/// A shard that a member signed for, with what is needed to know its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldShard {
    /// Its name.
    pub shard: ShardId,
    /// Its place in the stripe.
    pub index: u8,
    /// The pack, or the part of the map.
    pub pack: PackId,
    /// Which of both.
    pub kind: StripeKind,
    /// How it is coded, and how long it is.
    pub layout: Layout,
    /// Whether the box's own copy is damaged: then it cannot say what the bytes of the shard are.
    pub is_damaged_here: bool,
    /// Whether the box keeps no copy of its own: what the bytes are, only a proof shows.
    pub is_outside: bool,
}

/// What a member holds and is needed, by name.
///
/// # Errors
/// [`CatalogError`].
pub fn held_by(c: &Connection, holder: HolderRow) -> Result<Vec<HeldShard>, CatalogError> {
    let sql = format!(
        "SELECT {}, shard.shard_id, shard.shard_index, {IS_DAMAGED}, {IS_OUTSIDE} FROM shard JOIN stripe ON stripe.id = shard.stripe
         WHERE holder = ?1 AND shard.state = 'durable' AND gone_at IS NULL ORDER BY shard.shard_id",
        COLUMNS.split(", ").map(|column| format!("stripe.{column}")).collect::<Vec<_>>().join(", ")
    );
    let held = |row: &Row<'_>| {
        let stripe = stripe_from(row)?;
        let (shard, index) = (bytes_at(row, BEHIND)?, row.get(BEHIND + 1)?);
        let (is_damaged_here, is_outside) = (row.get(BEHIND + 2)?, row.get(BEHIND + 3)?);
        let (pack, kind, layout) = (stripe.pack, stripe.kind, stripe.layout);
        Ok(HeldShard { shard, index, pack, kind, layout, is_damaged_here, is_outside })
    };
    let found = c.prepare_cached(&sql)?.query_map([holder], held)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// The stripe and index of a shard at a member.
///
/// # Errors
/// [`CatalogError`].
pub fn of_shard(
    c: &Connection,
    holder: HolderRow,
    shard: &ShardId,
) -> Result<Option<(StripeRow, u8, ShardState)>, CatalogError> {
    let sql = "SELECT stripe, shard_index, state FROM shard WHERE holder = ?1 AND shard_id = ?2";
    let found = c
        .prepare_cached(sql)?
        .query_row(params![holder, shard.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, word_at(row, 2)?)));
    Ok(found.optional()?)
}
