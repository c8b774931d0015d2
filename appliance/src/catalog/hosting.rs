//! What the box keeps for other members: whose shards are here and how far they are on their way out, the members' heads,
//! and counted time.

use datis_engine::ids::{MemberId, ShardId};
use datis_engine::life::clock::Look;
use datis_engine::life::hosting::{Fate, HeldShard, HostingState, Window};
use datis_engine::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::values::{OwnerRow, bytes_at, misfit, optional_time_at, size_at, state_words, time_at, word_at};

state_words! {
    /// Where a shard stands on its way.
    FateWord {
        /// Nobody wants it gone.
        Kept => "kept",
        /// Its owner does not need it any more.
        Condemned => "condemned",
        /// It is deleted soon.
        Trashed => "trashed",
    }
}

/// Counted time, with the look at the computer's clock that it rests on: `wall` is the counted time.
///
/// # Errors
/// [`CatalogError`].
pub fn clock(c: &Connection) -> Result<Option<Look>, CatalogError> {
    let look = |row: &Row<'_>| {
        let boot: Vec<u8> = row.get(1)?;
        let boot = boot.try_into().map_err(|_| misfit(1))?;
        Ok(Look { wall: time_at(row, 0)?, boot, since_boot_ms: size_at(row, 2)? })
    };
    let sql = "SELECT counted, boot, since_boot_ms FROM counted_clock";
    Ok(c.prepare_cached(sql)?.query_row([], look).optional()?)
}

/// Keeps counted time.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_clock(tx: &Transaction<'_>, look: &Look) -> Result<(), CatalogError> {
    let sql = "INSERT OR REPLACE INTO counted_clock (id, counted, boot, since_boot_ms) VALUES (1, ?1, ?2, ?3)";
    let since_boot = i64::try_from(look.since_boot_ms).unwrap_or(i64::MAX);
    tx.prepare_cached(sql)?.execute(params![look.wall.0, look.boot, since_boot])?;
    Ok(())
}

/// What stands in the marker file of the folder of shards; `None` if none was made yet.
///
/// # Errors
/// [`CatalogError`].
pub fn marker(c: &Connection) -> Result<Option<[u8; 16]>, CatalogError> {
    let read = |row: &Row<'_>| row.get::<_, Vec<u8>>(0)?.try_into().map_err(|_| misfit(0));
    Ok(c.prepare_cached("SELECT marker FROM hosting_folder")?.query_row([], read).optional()?)
}

/// Keeps what stands there.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_marker(tx: &Transaction<'_>, marker: &[u8; 16]) -> Result<(), CatalogError> {
    tx.execute("INSERT OR REPLACE INTO hosting_folder (id, marker) VALUES (1, ?1)", [marker])?;
    Ok(())
}

/// Whether nothing is kept, or was and is still to be deleted.
///
/// # Errors
/// [`CatalogError`].
pub fn holds_nothing(c: &Connection) -> Result<bool, CatalogError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM hosted_shard) AND NOT EXISTS (SELECT 1 FROM hosted_doomed)";
    Ok(c.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// All members that something is or was kept for.
///
/// # Errors
/// [`CatalogError`].
pub fn owners(c: &Connection) -> Result<Vec<MemberId>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT member FROM hosted_owner ORDER BY member")?;
    Ok(statement.query_map([], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?)
}

/// What is saved of one of them.
///
/// # Errors
/// [`CatalogError`].
pub fn owner(c: &Connection, member: &MemberId) -> Result<Option<(OwnerRow, HostingState)>, CatalogError> {
    let sql = "SELECT id, lease_at, frozen_until, waived_until, asked_at FROM hosted_owner WHERE member = ?1";
    let state = |row: &Row<'_>| {
        let state = HostingState {
            recent: Vec::new(),
            lease_at: time_at(row, 1)?,
            frozen_until: optional_time_at(row, 2)?,
            waived_until: optional_time_at(row, 3)?,
            asked_at: optional_time_at(row, 4)?,
        };
        Ok((row.get(0)?, state))
    };
    let found: Option<(OwnerRow, HostingState)> =
        c.prepare_cached(sql)?.query_row([member.as_bytes()], state).optional()?;
    let Some((row, mut state)) = found else { return Ok(None) };
    let mut statement = c.prepare_cached("SELECT at, bytes FROM hosted_condemning WHERE owner = ?1 ORDER BY at")?;
    let recent = statement.query_map([row], |row| Ok((time_at(row, 0)?, size_at(row, 1)?)))?;
    state.recent = recent.collect::<Result<_, _>>()?;
    Ok(Some((row, state)))
}

/// Saves a member's state, except what it condemned lately; makes its row where there is none. `list_hash`: of its last lease;
/// `None` leaves it as it is.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_owner(
    tx: &Transaction<'_>,
    member: &MemberId,
    state: &HostingState,
    list_hash: Option<&[u8; 32]>,
) -> Result<OwnerRow, CatalogError> {
    let sql = "INSERT INTO hosted_owner (member, lease_at, frozen_until, waived_until, asked_at, list_hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (member) DO UPDATE SET lease_at = ?2, frozen_until = ?3, waived_until = ?4, asked_at = ?5,
                                                  list_hash = coalesce(?6, list_hash)
               RETURNING id";
    let values = params![
        member.as_bytes(),
        state.lease_at.0,
        state.frozen_until.map(|at| at.0),
        state.waived_until.map(|at| at.0),
        state.asked_at.map(|at| at.0),
        list_hash,
    ];
    Ok(tx.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
}

/// Saves what it condemned lately.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_recent(tx: &Transaction<'_>, owner: OwnerRow, recent: &[(UnixMillis, u64)]) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM hosted_condemning WHERE owner = ?1")?.execute([owner])?;
    let mut insert = tx.prepare_cached("INSERT INTO hosted_condemning (owner, at, bytes) VALUES (?1, ?2, ?3)")?;
    for (at, bytes) in recent {
        insert.execute(params![owner, at.0, super::values::column_size(*bytes)])?;
    }
    Ok(())
}

/// The shards of a member, by id.
///
/// # Errors
/// [`CatalogError`].
pub fn shards(c: &Connection, owner: OwnerRow) -> Result<Vec<(ShardId, HeldShard)>, CatalogError> {
    let sql = "SELECT shard, bytes, window_days, received_at, fate, fate_at, damaged_at IS NOT NULL FROM hosted_shard
               WHERE owner = ?1 ORDER BY shard";
    let shard = |row: &Row<'_>| {
        let at = || optional_time_at(row, 5)?.ok_or_else(|| misfit(5));
        let held = HeldShard {
            len: row.get(1)?,
            window: Window::of_days(row.get(2)?),
            received_at: time_at(row, 3)?,
            fate: match word_at(row, 4)? {
                FateWord::Kept => Fate::Kept,
                FateWord::Condemned => Fate::Condemned { at: at()? },
                FateWord::Trashed => Fate::Trashed { at: at()? },
            },
            is_damaged: row.get(6)?,
        };
        Ok((bytes_at(row, 0)?, held))
    };
    let mut statement = c.prepare_cached(sql)?;
    Ok(statement.query_map([owner], shard)?.collect::<Result<_, _>>()?)
}

/// Saves a shard as it stands at `now`; it is not to be deleted, whatever was decided before.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_shard(
    tx: &Transaction<'_>,
    owner: OwnerRow,
    id: &ShardId,
    held: &HeldShard,
    now: UnixMillis,
) -> Result<(), CatalogError> {
    let (fate, at) = match held.fate {
        Fate::Kept => (FateWord::Kept, None),
        Fate::Condemned { at } => (FateWord::Condemned, Some(at.0)),
        Fate::Trashed { at } => (FateWord::Trashed, Some(at.0)),
    };
    let sql = "INSERT INTO hosted_shard (owner, shard, bytes, window_days, received_at, fate, fate_at, damaged_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT (owner, shard) DO UPDATE SET bytes = ?3, window_days = ?4, received_at = ?5, fate = ?6, fate_at = ?7,
                                                        damaged_at = iif(?8 IS NULL, NULL, coalesce(damaged_at, ?8))";
    let (days, damaged_at) = (held.window.days(), held.is_damaged.then_some(now.0));
    let values = params![owner, id.as_bytes(), held.len, days, held.received_at.0, fate.word(), at, damaged_at];
    tx.prepare_cached(sql)?.execute(values)?;
    forget_doomed(tx, owner, id)
}

/// How far the reading of what is kept for others is, in counted time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrub {
    /// When the present reading began, or the last one.
    pub began_at: UnixMillis,
    /// The last one that was read; `None` between two readings.
    pub after: Option<(OwnerRow, ShardId)>,
    /// When all was read last.
    pub over_at: Option<UnixMillis>,
}

/// How far the reading is; `None` before anything was kept.
///
/// # Errors
/// [`CatalogError`].
pub fn scrub(c: &Connection) -> Result<Option<Scrub>, CatalogError> {
    let read = |row: &Row<'_>| {
        let after = match row.get::<_, Option<OwnerRow>>(1)? {
            Some(owner) => Some((owner, bytes_at(row, 2)?)),
            None => None,
        };
        Ok(Scrub { began_at: time_at(row, 0)?, after, over_at: optional_time_at(row, 3)? })
    };
    let sql = "SELECT began_at, owner, shard, over_at FROM hosted_scrub";
    Ok(c.prepare_cached(sql)?.query_row([], read).optional()?)
}

/// Keeps that.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_scrub(tx: &Transaction<'_>, scrub: &Scrub) -> Result<(), CatalogError> {
    let sql = "INSERT OR REPLACE INTO hosted_scrub (id, began_at, owner, shard, over_at) VALUES (1, ?1, ?2, ?3, ?4)";
    let (owner, shard) = scrub.after.as_ref().map(|(owner, shard)| (*owner, shard.as_bytes())).unzip();
    tx.prepare_cached(sql)?.execute(params![scrub.began_at.0, owner, shard, scrub.over_at.map(|at| at.0)])?;
    Ok(())
}

/// The shard that is read after this one; `None`: that was the last.
///
/// # Errors
/// [`CatalogError`].
pub fn next_to_scrub(
    c: &Connection,
    after: Option<(OwnerRow, ShardId)>,
) -> Result<Option<(OwnerRow, MemberId, ShardId)>, CatalogError> {
    // Before all of them.
    let (owner, shard) = after.as_ref().map_or((OwnerRow(0), &[][..]), |(owner, shard)| (*owner, shard.as_bytes()));
    let next = |row: &Row<'_>| Ok((row.get(0)?, bytes_at(row, 1)?, bytes_at(row, 2)?));
    Ok(c.prepare_cached(NEXT_TO_SCRUB)?.query_row(params![owner, shard], next).optional()?)
}

/// Begins right behind the last one, by the key of the table: else reading all of many shards would take the square of their number.
const NEXT_TO_SCRUB: &str = "SELECT hosted_shard.owner, hosted_owner.member, shard FROM hosted_shard
    CROSS JOIN hosted_owner ON hosted_owner.id = hosted_shard.owner
    WHERE (hosted_shard.owner, shard) > (?1, ?2)
    ORDER BY hosted_shard.owner, shard LIMIT 1";

/// A shard's time is over: its row goes, its file is to follow.
///
/// # Errors
/// [`CatalogError`].
pub fn doom(tx: &Transaction<'_>, owner: OwnerRow, id: &ShardId) -> Result<(), CatalogError> {
    let values = params![owner, id.as_bytes()];
    tx.prepare_cached("DELETE FROM hosted_shard WHERE owner = ?1 AND shard = ?2")?.execute(values)?;
    tx.prepare_cached("INSERT OR IGNORE INTO hosted_doomed (owner, shard) VALUES (?1, ?2)")?.execute(values)?;
    Ok(())
}

/// Shards of a member whose files are to be deleted.
///
/// # Errors
/// [`CatalogError`].
pub fn doomed(c: &Connection, owner: OwnerRow) -> Result<Vec<ShardId>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT shard FROM hosted_doomed WHERE owner = ?1 ORDER BY shard")?;
    Ok(statement.query_map([owner], |row| bytes_at(row, 0))?.collect::<Result<_, _>>()?)
}

/// The file is deleted, or wanted again.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_doomed(tx: &Transaction<'_>, owner: OwnerRow, id: &ShardId) -> Result<(), CatalogError> {
    let values = params![owner, id.as_bytes()];
    tx.prepare_cached("DELETE FROM hosted_doomed WHERE owner = ?1 AND shard = ?2")?.execute(values)?;
    Ok(())
}

/// Heads of a member as they were signed, at most `limit`, that which came last first, each with its sequence. `before`: only those
/// that came before the one of this sequence.
///
/// # Errors
/// [`CatalogError`].
pub fn heads(
    c: &Connection,
    owner: OwnerRow,
    before: Option<u64>,
    limit: u8,
) -> Result<Vec<(u64, Vec<u8>)>, CatalogError> {
    let sql = "SELECT sequence, content FROM hosted_head WHERE owner = ?1 AND (?2 IS NULL OR (kept_at, sequence) <
               (SELECT kept_at, sequence FROM hosted_head WHERE owner = ?1 AND sequence = ?2))
               ORDER BY kept_at DESC, sequence DESC LIMIT ?3";
    let mut statement = c.prepare_cached(sql)?;
    let before = before.map(super::values::column_size);
    let found = statement.query_map(params![owner, before, limit], |row| Ok((size_at(row, 0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// How many heads of a member came after `at`.
///
/// # Errors
/// [`CatalogError`].
pub fn count_heads_after(c: &Connection, owner: OwnerRow, at: UnixMillis) -> Result<u64, CatalogError> {
    let sql = "SELECT count(*) FROM hosted_head WHERE owner = ?1 AND kept_at > ?2";
    Ok(c.prepare_cached(sql)?.query_row(params![owner, at.0], |row| size_at(row, 0))?)
}

/// Keeps a head, in the place of one of this sequence. Of two that come in one millisecond the later one counts as later.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_head(
    tx: &Transaction<'_>,
    owner: OwnerRow,
    sequence: u64,
    content: &[u8],
    at: UnixMillis,
) -> Result<(), CatalogError> {
    let sql = "INSERT OR REPLACE INTO hosted_head (owner, sequence, content, kept_at) VALUES (?1, ?2, ?3,
               max(?4, (SELECT coalesce(max(kept_at) + 1, ?4) FROM hosted_head WHERE owner = ?1)))";
    let sequence = super::values::column_size(sequence);
    tx.prepare_cached(sql)?.execute(params![owner, sequence, content, at.0])?;
    Ok(())
}

/// Removes heads that came before `before`, but none of the `newest` that came last.
///
/// # Errors
/// [`CatalogError`].
pub fn prune_heads(tx: &Transaction<'_>, owner: OwnerRow, newest: u32, before: UnixMillis) -> Result<(), CatalogError> {
    let sql = "DELETE FROM hosted_head WHERE owner = ?1 AND kept_at < ?3 AND sequence NOT IN
               (SELECT sequence FROM hosted_head WHERE owner = ?1 ORDER BY kept_at DESC, sequence DESC LIMIT ?2)";
    tx.prepare_cached(sql)?.execute(params![owner, newest, before.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_shard_to_read_is_found_by_its_key() {
        let c = Connection::open_in_memory().expect("memory");
        let tables = [include_str!("../../migrations/0018_hosting.sql")];
        tables.iter().for_each(|sql| c.execute_batch(sql).expect("tables"));
        let mut statement = c.prepare(&format!("EXPLAIN QUERY PLAN {NEXT_TO_SCRUB}")).expect("statement");
        let plan = statement.query_map(params![1, &[0_u8; 32][..]], |row| row.get::<_, String>(3)).expect("plan");
        let plan: Vec<String> = plan.collect::<Result<_, _>>().expect("steps");
        let [first, then] = plan.as_slice() else { panic!("{plan:?}") };
        assert!(first.starts_with("SEARCH hosted_shard") && first.contains("(owner,shard)>(?,?)"), "{plan:?}");
        assert!(then.starts_with("SEARCH hosted_owner USING INTEGER PRIMARY KEY"), "{plan:?}");
    }
}
