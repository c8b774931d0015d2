//! The map of what is outside, the snapshots in it, and the head that names its parts.

use datis_engine::ids::{PackId, SnapshotId};
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::stripes::{self, Stripe};
use crate::catalog::values::{bytes_at, column_size, optional_time_at, size_at, time_at};
use crate::catalog::{CatalogError, HolderRow, MachineRow, StripeRow};

/// The fingerprint of the secret that seals what is outside; kept when there is none yet.
///
/// # Errors
/// [`CatalogError`].
pub fn fingerprint(tx: &Transaction<'_>, present: &[u8; 32]) -> Result<Vec<u8>, CatalogError> {
    tx.execute("INSERT OR IGNORE INTO dispersal_secret (id, fingerprint) VALUES (1, ?1)", [present.as_slice()])?;
    Ok(tx.query_row("SELECT fingerprint FROM dispersal_secret", [], |row| row.get(0))?)
}

/// A part of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its number: parts are in the order of these.
    pub number: i64,
    /// Its name.
    pub id: PackId,
    /// How long it is at most before it is sealed, in bytes.
    pub weight: u64,
    /// Whether a later part says the same.
    pub is_replaced: bool,
}

/// All parts, in order.
///
/// # Errors
/// [`CatalogError`].
pub fn parts(c: &Connection) -> Result<Vec<Part>, CatalogError> {
    let part = |row: &Row<'_>| {
        Ok(Part { number: row.get(0)?, id: bytes_at(row, 1)?, weight: size_at(row, 2)?, is_replaced: row.get(3)? })
    };
    let sql = "SELECT number, pack_id, weight, replaced FROM map_part ORDER BY number";
    let found = c.prepare_cached(sql)?.query_map([], part)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// When the last part was made.
///
/// # Errors
/// [`CatalogError`].
pub fn last_part_at(c: &Connection) -> Result<Option<UnixMillis>, CatalogError> {
    let sql = "SELECT max(made_at) FROM map_part";
    Ok(c.prepare_cached(sql)?.query_row([], |row| optional_time_at(row, 0))?)
}

/// The bytes of a part.
///
/// # Errors
/// [`CatalogError`].
pub fn part_content(c: &Connection, id: &PackId) -> Result<Option<Vec<u8>>, CatalogError> {
    let sql = "SELECT content FROM map_part WHERE pack_id = ?1";
    Ok(c.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}

/// Adds a part, by its name, its sealed bytes and its weight, that says the same as those with the numbers from `replaces` on, and
/// more.
///
/// # Errors
/// [`CatalogError`].
pub fn add_part(
    tx: &Transaction<'_>,
    (id, content, weight): (&PackId, &[u8], u64),
    replaces: Option<i64>,
    at: UnixMillis,
) -> Result<(), CatalogError> {
    if let Some(first) = replaces {
        tx.execute("UPDATE map_part SET replaced = 1 WHERE number >= ?1", [first])?;
    }
    tx.execute(
        "INSERT INTO map_part (pack_id, content, weight, made_at, replaced) VALUES (?1, ?2, ?3, ?4, 0)",
        params![id.as_bytes(), content, column_size(weight), at.0],
    )?;
    Ok(())
}

/// Takes away parts that were replaced, and condemns their stripes.
///
/// # Errors
/// [`CatalogError`].
pub fn drop_replaced(tx: &Transaction<'_>, at: UnixMillis) -> Result<usize, CatalogError> {
    let replaced: Vec<Part> = parts(tx)?.into_iter().filter(|part| part.is_replaced).collect();
    for part in &replaced {
        stripes::condemn_part(tx, &part.id, at)?;
    }
    tx.execute("DELETE FROM map_part WHERE replaced = 1", [])?;
    Ok(replaced.len())
}

/// Parts that were not placed yet, in order.
///
/// # Errors
/// [`CatalogError`].
pub fn unplaced_parts(c: &Connection) -> Result<Vec<Part>, CatalogError> {
    let mut found = Vec::new();
    for part in parts(c)?.into_iter().filter(|part| !part.is_replaced) {
        if stripes::by_pack(c, &part.id)?.is_none() {
            found.push(part);
        }
    }
    Ok(found)
}

/// Stripes of packs that the map does not show as they are: safe ones that are new or have moved, and after
/// them those that are gone: nothing leaves the map before what takes its place is in it.
///
/// # Errors
/// [`CatalogError`].
pub fn unmapped(c: &Connection) -> Result<Vec<(Stripe, bool)>, CatalogError> {
    let sql = "SELECT id FROM stripe WHERE mapped = 0 AND (gone_at IS NOT NULL OR (safe_at IS NOT NULL AND former = 0))
               ORDER BY gone_at IS NOT NULL, id";
    let rows: Vec<StripeRow> = c.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for row in rows {
        if let Some(stripe) = stripes::by_row(c, row)? {
            let is_gone = stripe.gone_at.is_some();
            found.push((stripe, is_gone));
        }
    }
    Ok(found)
}

/// Notes that the map shows a stripe as it is.
///
/// # Errors
/// [`CatalogError`].
pub fn set_mapped(tx: &Transaction<'_>, stripe: StripeRow) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE stripe SET mapped = 1 WHERE id = ?1")?.execute([stripe])?;
    Ok(())
}

/// A snapshot that the map may tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadySnapshot {
    /// Which one.
    pub id: SnapshotId,
    /// Whose.
    pub machine: MachineRow,
    /// Of which source.
    pub source: String,
    /// When the box had all of it.
    pub received_at: UnixMillis,
}

/// Live snapshots that the map does not have, and all of whose packs are safe outside. That no snapshot rests on a pack that
/// came after it, unless the box copied that from older ones, and that other machines' packs may hold chunks of it, is all that
/// is known here: so all packs that came before it and all copies have to be safe, except damaged ones of other machines. Of packs
/// that are kept outside only those count that the snapshot is known to need: nothing else rests on them. A former stripe counts
/// only where the map has it already: it does not come into it any more.
///
/// # Errors
/// [`CatalogError`].
pub fn ready_snapshots(c: &Connection) -> Result<Vec<ReadySnapshot>, CatalogError> {
    let sql = "SELECT snapshot_id, machine, source, received_at FROM snapshot AS s WHERE lifecycle = 'live'
                 AND NOT EXISTS (SELECT 1 FROM snapshot_outside WHERE snapshot_outside.snapshot_id = s.snapshot_id)
                 AND received_at < coalesce(
                     (SELECT min(iif(copied, -9223372036854775807, received_at)) FROM pack WHERE state = 'stored'
                        AND outside_at IS NULL
                        AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id
                                          AND stripe.gone_at IS NULL AND stripe.safe_at IS NOT NULL
                                          AND (stripe.former = 0 OR stripe.mapped = 1))),
                     9223372036854775807)
                 AND NOT EXISTS (SELECT 1 FROM pack AS p WHERE p.state = 'damaged' AND p.machine = s.machine
                                   AND (p.copied OR p.received_at <= s.received_at)
                                   AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = p.pack_id
                                                     AND stripe.gone_at IS NULL AND stripe.safe_at IS NOT NULL
                                                     AND (stripe.former = 0 OR stripe.mapped = 1)))
                 AND NOT EXISTS (SELECT 1 FROM outside_need JOIN pack AS p ON p.id = outside_need.pack
                                 WHERE outside_need.snapshot = s.id
                                   AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = p.pack_id
                                                     AND stripe.gone_at IS NULL AND stripe.safe_at IS NOT NULL
                                                     AND (stripe.former = 0 OR stripe.mapped = 1)))
               ORDER BY id";
    let ready = |row: &Row<'_>| {
        let (id, received_at) = (bytes_at(row, 0)?, time_at(row, 3)?);
        Ok(ReadySnapshot { id, machine: row.get(1)?, source: row.get(2)?, received_at })
    };
    let found = c.prepare_cached(sql)?.query_map([], ready)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Notes that the map has a snapshot.
///
/// # Errors
/// [`CatalogError`].
pub fn add_snapshot(tx: &Transaction<'_>, ready: &ReadySnapshot, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO snapshot_outside (snapshot_id, machine, source, received_at, mapped_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![ready.id.as_bytes(), ready.machine, ready.source, ready.received_at.0, at.0])?;
    Ok(())
}

/// Notes that a map that was taken over has a snapshot, if the box has it.
///
/// # Errors
/// [`CatalogError`].
pub fn adopt_snapshot(tx: &Transaction<'_>, id: &SnapshotId, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO snapshot_outside (snapshot_id, machine, source, received_at, mapped_at)
         SELECT snapshot_id, machine, source, received_at, ?2 FROM snapshot WHERE snapshot_id = ?1",
    )?
    .execute(params![id.as_bytes(), at.0])?;
    Ok(())
}

/// Whether every stored pack is off-site safe, and the map tells of every snapshot that it may tell of.
///
/// # Errors
/// [`CatalogError`].
pub fn is_all_in_the_map(c: &Connection) -> Result<bool, CatalogError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM pack WHERE state = 'stored'
                   AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id
                                     AND stripe.gone_at IS NULL AND stripe.safe_at IS NOT NULL AND stripe.mapped = 1))";
    let is_safe: bool = c.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(is_safe && ready_snapshots(c)?.is_empty())
}

/// Whether a pack is damaged here and not known to be off-site safe, or a snapshot lacks something: what the box does not know of
/// may be what gives it back.
///
/// # Errors
/// [`CatalogError`].
pub fn is_damaged_unsafe(c: &Connection) -> Result<bool, CatalogError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pack WHERE state = 'damaged'
                   AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id
                                     AND stripe.gone_at IS NULL AND stripe.safe_at IS NOT NULL))
               OR EXISTS (SELECT 1 FROM snapshot WHERE state = 'damaged' AND lifecycle = 'live')";
    Ok(c.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// The sealed parts of the map that a catalog has.
///
/// # Errors
/// [`CatalogError`].
pub fn part_contents(c: &Connection) -> Result<Vec<Vec<u8>>, CatalogError> {
    let sql = "SELECT content FROM map_part ORDER BY number";
    let found = c.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Snapshots of the map that the box does not have any more.
///
/// # Errors
/// [`CatalogError`].
pub fn gone_snapshots(c: &Connection) -> Result<Vec<SnapshotId>, CatalogError> {
    let sql = "SELECT snapshot_id FROM snapshot_outside AS o
               WHERE NOT EXISTS (SELECT 1 FROM snapshot AS s WHERE s.snapshot_id = o.snapshot_id AND s.lifecycle = 'live')";
    let found = c.prepare_cached(sql)?.query_map([], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Forgets a snapshot of the map.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_snapshot(tx: &Transaction<'_>, id: &SnapshotId) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM snapshot_outside WHERE snapshot_id = ?1")?.execute([id.as_bytes()])?;
    Ok(())
}

/// The head that was made last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastHead {
    /// Its number.
    pub sequence: u64,
    /// As it was signed.
    pub signed: Vec<u8>,
    /// A hash over the parts that it names and where these are.
    pub parts: Vec<u8>,
    /// When.
    pub made_at: UnixMillis,
}

/// The head that was made last.
///
/// # Errors
/// [`CatalogError`].
pub fn last_head(c: &Connection) -> Result<Option<LastHead>, CatalogError> {
    let head = |row: &Row<'_>| {
        Ok(LastHead { sequence: size_at(row, 0)?, signed: row.get(1)?, parts: row.get(2)?, made_at: time_at(row, 3)? })
    };
    Ok(c.prepare_cached("SELECT sequence, signed, parts, made_at FROM head")?.query_row([], head).optional()?)
}

/// Keeps a head in place of the one before.
///
/// # Errors
/// [`CatalogError`].
pub fn set_head(tx: &Transaction<'_>, head: &LastHead) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO head (id, sequence, signed, parts, made_at) VALUES (1, ?1, ?2, ?3, ?4)",
        params![column_size(head.sequence), head.signed, head.parts, head.made_at.0],
    )?;
    Ok(())
}

/// Nothing is known any more to be safe outside, and nobody to keep a head.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_safety(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute("UPDATE snapshot_outside SET safe_at = NULL, full_at = NULL", [])?;
    tx.execute("UPDATE holder SET head = NULL", [])?;
    Ok(())
}

/// Notes that the snapshots that came into the map before `before` are off-site safe; as far as nothing that they may rest on
/// is less than fully protected and `is_full`, also that. Of packs that are kept
/// outside only those count that a snapshot is known to need. How many are new.
///
/// # Errors
/// [`CatalogError`].
pub fn note_safe(
    tx: &Transaction<'_>,
    before: UnixMillis,
    is_full: bool,
    at: UnixMillis,
) -> Result<usize, CatalogError> {
    let safe = tx.execute(
        "UPDATE snapshot_outside SET safe_at = ?2 WHERE safe_at IS NULL AND mapped_at <= ?1",
        params![before.0, at.0],
    )?;
    if is_full {
        tx.execute(
            "UPDATE snapshot_outside SET full_at = ?2 WHERE full_at IS NULL AND safe_at IS NOT NULL
                 AND received_at < coalesce(
                     (SELECT min(iif(copied, -9223372036854775807, received_at)) FROM pack WHERE state = 'stored'
                        AND outside_at IS NULL
                        AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id
                                          AND stripe.gone_at IS NULL AND stripe.full_at IS NOT NULL)),
                     9223372036854775807)
                 AND NOT EXISTS (SELECT 1 FROM outside_need JOIN pack ON pack.id = outside_need.pack
                                     JOIN snapshot ON snapshot.id = outside_need.snapshot
                                 WHERE snapshot.snapshot_id = snapshot_outside.snapshot_id
                                   AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id
                                                     AND stripe.gone_at IS NULL AND stripe.full_at IS NOT NULL))",
            params![before.0, at.0],
        )?;
    }
    Ok(safe)
}

/// How much of a machine is outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MachineOutside {
    /// When the newest snapshot that is off-site safe was received.
    pub last_safe: Option<UnixMillis>,
    /// When the newest snapshot that is fully protected was received.
    pub last_full: Option<UnixMillis>,
    /// Packs that are off-site safe.
    pub packs_in_place: u64,
    /// Packs that should be.
    pub packs_needed: u64,
    /// Bytes of these.
    pub bytes_needed: u64,
    /// Bytes of those that are.
    pub bytes_in_place: u64,
    /// When the oldest pack came that is not off-site safe.
    pub oldest_missing: Option<UnixMillis>,
}

/// How much of a machine is outside.
///
/// # Errors
/// [`CatalogError`].
pub fn of_machine(c: &Connection, machine: MachineRow) -> Result<MachineOutside, CatalogError> {
    let sql = "SELECT max(received_at) FILTER (WHERE safe_at IS NOT NULL),
                      max(received_at) FILTER (WHERE full_at IS NOT NULL)
               FROM snapshot_outside WHERE machine = ?1";
    let dates = |row: &Row<'_>| Ok((optional_time_at(row, 0)?, optional_time_at(row, 1)?));
    let (last_safe, last_full) = c.prepare_cached(sql)?.query_row([machine], dates)?;
    let sql = "SELECT count(*), coalesce(sum(bytes), 0), coalesce(sum(is_safe), 0),
                      coalesce(sum(bytes) FILTER (WHERE is_safe), 0), min(received_at) FILTER (WHERE NOT is_safe)
               FROM (SELECT bytes, received_at,
                            EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id
                                      AND stripe.gone_at IS NULL AND stripe.safe_at IS NOT NULL) AS is_safe
                     FROM pack WHERE machine = ?1 AND state = 'stored')";
    let all = |row: &Row<'_>| {
        Ok(MachineOutside {
            last_safe,
            last_full,
            packs_needed: size_at(row, 0)?,
            bytes_needed: size_at(row, 1)?,
            packs_in_place: size_at(row, 2)?,
            bytes_in_place: size_at(row, 3)?,
            oldest_missing: optional_time_at(row, 4)?,
        })
    };
    Ok(c.prepare_cached(sql)?.query_row([machine], all)?)
}

/// Shards that members have signed for, and all that there should be: of stripes, and of packs that have none yet, which will have
/// `width` each.
///
/// # Errors
/// [`CatalogError`].
pub fn fragments(c: &Connection, width: u64) -> Result<(u64, u64), CatalogError> {
    let sql = "SELECT coalesce(sum(data + parity), 0),
                      coalesce(sum(CASE WHEN full_at IS NOT NULL THEN data + parity ELSE
                          (SELECT count(DISTINCT shard_index) FROM shard
                           WHERE shard.stripe = stripe.id AND state = 'durable') END), 0)
               FROM stripe WHERE gone_at IS NULL";
    let read = |row: &Row<'_>| Ok((size_at(row, 0)?, size_at(row, 1)?));
    let (all, there) = c.prepare_cached(sql)?.query_row([], read)?;
    let sql = "SELECT count(DISTINCT pack_id) FROM pack WHERE state = 'stored'
               AND NOT EXISTS (SELECT 1 FROM stripe WHERE stripe.pack_id = pack.pack_id AND gone_at IS NULL)";
    let unplaced = c.prepare_cached(sql)?.query_row([], |row| size_at(row, 0))?;
    Ok((there, all.saturating_add(unplaced.saturating_mul(width))))
}

/// Shards that were taken over from an earlier box, or an earlier catalog, and are at members with which books were not compared
/// since. `counting`: the members whose shards count.
///
/// # Errors
/// [`CatalogError`].
pub fn unchecked(c: &Connection, counting: &[HolderRow]) -> Result<u64, CatalogError> {
    // Mostly there is no such member.
    let sql = "SELECT count(*) FROM holder
               CROSS JOIN shard ON shard.holder = holder.id AND shard.state = 'durable'
               JOIN stripe ON stripe.id = shard.stripe AND stripe.epoch = 0 AND stripe.gone_at IS NULL
               WHERE holder.leased_at IS NULL AND holder.id IN (SELECT value FROM json_each(?1))";
    Ok(c.prepare_cached(sql)?.query_row([rows_as_json(counting)], |row| size_at(row, 0))?)
}

fn rows_as_json(rows: &[HolderRow]) -> String {
    let rows: Vec<String> = rows.iter().map(|row| row.0.to_string()).collect();
    format!("[{}]", rows.join(","))
}

/// Packs of which less is outside than once was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinned {
    /// Fewer shards than make a pack off-site safe.
    pub thin: u64,
    /// Fewer shards than bring it back; not counted among the others.
    pub beyond_reach: u64,
}

/// Which of the packs that were off-site safe are not any more, when only shards at these members count.
///
/// # Errors
/// [`CatalogError`].
pub fn thinned(c: &Connection, counting: &[HolderRow]) -> Result<Thinned, CatalogError> {
    let all_count = "SELECT NOT EXISTS (SELECT 1 FROM shard WHERE state IN ('lost', 'wanted'))
                        AND NOT EXISTS (SELECT 1 FROM holder WHERE id NOT IN (SELECT value FROM json_each(?1))
                                        AND EXISTS (SELECT 1 FROM shard WHERE shard.holder = holder.id))";
    let rows = rows_as_json(counting);
    if c.prepare_cached(all_count)?.query_row([&rows], |row| row.get(0))? {
        return Ok(Thinned::default());
    }
    let sql = "SELECT count(*) FILTER (WHERE there >= data), count(*) FILTER (WHERE there < data) FROM (
                   SELECT stripe.data, stripe.parity,
                          (SELECT count(DISTINCT shard_index) FROM shard WHERE shard.stripe = stripe.id AND state = 'durable'
                               AND holder IN (SELECT value FROM json_each(?1))) AS there
                   FROM stripe WHERE kind = 'pack' AND gone_at IS NULL AND safe_at IS NOT NULL AND former = 0)
               WHERE there < data + (parity + 1) / 2";
    let read = |row: &Row<'_>| Ok(Thinned { thin: size_at(row, 0)?, beyond_reach: size_at(row, 1)? });
    Ok(c.prepare_cached(sql)?.query_row([&rows], read)?)
}
