//! Members that hold shards, what happened with them, and the groups that packs are placed in.

use std::collections::{BTreeMap, HashMap};

use datis_engine::ids::{MemberId, ShardId};
use datis_engine::life::Redundancy;
use datis_engine::life::audit::Round;
use datis_engine::life::peer::{Check, Event};
use datis_engine::life::placement::Group;
use datis_engine::units::UnixMillis;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::stripes::layout_at;
use crate::catalog::values::{bytes_at, optional_time_at, state_words, time_at, word_at};
use crate::catalog::{CatalogError, HolderRow};

state_words! {
    /// What happened with a member.
    HolderEventKind {
        /// A round of audits was over.
        Round => "round",
        /// The check of one that was away was over.
        Return => "return",
        /// The check of one that lost something was over.
        Sweep => "sweep",
        /// Every shard was asked for.
        EveryShard => "every-shard",
        /// People put it out.
        Expelled => "expelled",
        /// People took it back.
        Readmitted => "readmitted",
    }
}

state_words! {
    /// What a member is in a group.
    GroupRole {
        /// It holds shards.
        Member => "member",
        /// It takes over those that are lost.
        Spare => "spare",
    }
}

/// A member that holds something, or ever did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number here.
    pub row: HolderRow,
    /// Who it is.
    pub member: MemberId,
    /// When it was last without any fault, in counted time; what happened since is in its events. `None`: it never was asked
    /// for anything.
    pub met_at: Option<UnixMillis>,
    /// When it last said that it takes no more.
    pub full_at: Option<UnixMillis>,
    /// Sequence of the newest head that it keeps.
    pub head: Option<u64>,
    /// When it was last told that this box lives, in counted time.
    pub leased_at: Option<UnixMillis>,
    /// Rounds of audits that it answered without a fault.
    pub audits_passed: u32,
}

const COLUMNS: &str = "id, member, met_at, full_at, head, leased_at, audits_passed";

fn holder_from(row: &Row<'_>) -> rusqlite::Result<Holder> {
    let head: Option<i64> = row.get(4)?;
    Ok(Holder {
        row: row.get(0)?,
        member: bytes_at(row, 1)?,
        met_at: optional_time_at(row, 2)?,
        full_at: optional_time_at(row, 3)?,
        head: head.and_then(|head| u64::try_from(head).ok()),
        leased_at: optional_time_at(row, 5)?,
        audits_passed: row.get(6)?,
    })
}

/// All of them.
///
/// # Errors
/// [`CatalogError`].
pub fn all(c: &Connection) -> Result<Vec<Holder>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM holder ORDER BY id");
    let found = c.prepare_cached(&sql)?.query_map([], holder_from)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// How many shards each of them has signed for that are still needed, and their bytes.
///
/// # Errors
/// [`CatalogError`].
pub fn kept(c: &Connection) -> Result<BTreeMap<MemberId, (u64, u64)>, CatalogError> {
    // In the order of the table: grouping by length would sort all of it.
    let sql = "SELECT shard.holder, stripe.data, stripe.parity, stripe.pack_len, stripe.version FROM stripe
               JOIN shard ON shard.stripe = stripe.id WHERE shard.state = 'durable' AND stripe.gone_at IS NULL";
    let mut kept: HashMap<HolderRow, (u64, u64)> = HashMap::new();
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let of = kept.entry(row.get(0)?).or_default();
        of.0 += 1;
        of.1 += layout_at(row, 1)?.shard_len() as u64;
    }
    let named = all(c)?.into_iter().filter_map(|holder| Some((holder.member, kept.remove(&holder.row)?)));
    Ok(named.collect())
}

/// One of them.
///
/// # Errors
/// [`CatalogError`].
pub fn by_member(c: &Connection, member: &MemberId) -> Result<Option<Holder>, CatalogError> {
    let sql = format!("SELECT {COLUMNS} FROM holder WHERE member = ?1");
    Ok(c.prepare_cached(&sql)?.query_row([member.as_bytes()], holder_from).optional()?)
}

/// The number of a member; it gets one when it has none.
///
/// # Errors
/// [`CatalogError`].
pub fn number(tx: &Transaction<'_>, member: &MemberId) -> Result<HolderRow, CatalogError> {
    tx.prepare_cached("INSERT OR IGNORE INTO holder (member) VALUES (?1)")?.execute([member.as_bytes()])?;
    let sql = "SELECT id FROM holder WHERE member = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([member.as_bytes()], |row| row.get(0))?)
}

/// Notes when a member was asked for something for the first time, in counted time; later ones change nothing.
///
/// # Errors
/// [`CatalogError`].
pub fn meet(tx: &Transaction<'_>, holder: HolderRow, at: UnixMillis) -> Result<(), CatalogError> {
    let sql = "UPDATE holder SET met_at = ?2 WHERE id = ?1 AND met_at IS NULL";
    tx.prepare_cached(sql)?.execute(params![holder, at.0])?;
    Ok(())
}

/// Notes that a member takes no more, or does again.
///
/// # Errors
/// [`CatalogError`].
pub fn set_full(tx: &Transaction<'_>, holder: HolderRow, at: Option<UnixMillis>) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE holder SET full_at = ?2 WHERE id = ?1")?.execute(params![holder, at.map(|at| at.0)])?;
    Ok(())
}

/// Notes which head a member keeps.
///
/// # Errors
/// [`CatalogError`].
pub fn set_head(tx: &Transaction<'_>, holder: HolderRow, sequence: u64) -> Result<(), CatalogError> {
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
    tx.prepare_cached("UPDATE holder SET head = ?2 WHERE id = ?1")?.execute(params![holder, sequence])?;
    Ok(())
}

/// Notes when a member was told that this box lives, in counted time.
///
/// # Errors
/// [`CatalogError`].
pub fn set_leased(tx: &Transaction<'_>, holder: HolderRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE holder SET leased_at = ?2 WHERE id = ?1")?.execute(params![holder, at.0])?;
    Ok(())
}

/// Counts a round of audits that a member answered without a fault.
///
/// # Errors
/// [`CatalogError`].
pub fn count_passed(tx: &Transaction<'_>, holder: HolderRow) -> Result<(), CatalogError> {
    let sql = "UPDATE holder SET audits_passed = min(audits_passed + 1, 1000000) WHERE id = ?1";
    tx.prepare_cached(sql)?.execute([holder])?;
    Ok(())
}

fn words_of(event: &Event) -> (HolderEventKind, Round) {
    match event {
        Event::Round(round) => (HolderEventKind::Round, *round),
        Event::Checked(Check::Return, round) => (HolderEventKind::Return, *round),
        Event::Checked(Check::Sweep, round) => (HolderEventKind::Sweep, *round),
        Event::Checked(Check::EveryShard, round) => (HolderEventKind::EveryShard, *round),
        Event::Expelled => (HolderEventKind::Expelled, Round::default()),
        Event::Readmitted => (HolderEventKind::Readmitted, Round::default()),
    }
}

/// What happened with a member since [`Holder::met_at`], in order.
///
/// # Errors
/// [`CatalogError`].
pub fn events(c: &Connection, holder: HolderRow) -> Result<Vec<(UnixMillis, Event)>, CatalogError> {
    let sql = "SELECT at, what, good, lost, absent FROM holder_event WHERE holder = ?1 ORDER BY id";
    let event = |row: &Row<'_>| {
        let round = Round { good: row.get(2)?, lost: row.get(3)?, absent: row.get(4)? };
        let event = match word_at(row, 1)? {
            HolderEventKind::Round => Event::Round(round),
            HolderEventKind::Return => Event::Checked(Check::Return, round),
            HolderEventKind::Sweep => Event::Checked(Check::Sweep, round),
            HolderEventKind::EveryShard => Event::Checked(Check::EveryShard, round),
            HolderEventKind::Expelled => Event::Expelled,
            HolderEventKind::Readmitted => Event::Readmitted,
        };
        Ok((time_at(row, 0)?, event))
    };
    let found = c.prepare_cached(sql)?.query_map([holder], event)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Adds to what happened. Of many rounds without an answer in a row only the first two and the last are kept: the ones
/// between change nothing.
///
/// # Errors
/// [`CatalogError`].
pub fn add_event(tx: &Transaction<'_>, holder: HolderRow, at: UnixMillis, event: &Event) -> Result<(), CatalogError> {
    let (kind, round) = words_of(event);
    if kind == HolderEventKind::Round && round.good == 0 && round.lost == 0 {
        let sql = "SELECT id, what = 'round' AND good = 0 AND lost = 0 FROM holder_event WHERE holder = ?1
                   ORDER BY id DESC LIMIT 3";
        let last: Vec<(i64, bool)> = tx
            .prepare_cached(sql)?
            .query_map([holder], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        if let ([(newest, _), _, _], true) = (last.as_slice(), last.iter().all(|(_, is_silent)| *is_silent)) {
            tx.prepare_cached("UPDATE holder_event SET at = ?2 WHERE id = ?1")?.execute(params![newest, at.0])?;
            return Ok(());
        }
    }
    tx.prepare_cached(
        "INSERT INTO holder_event (holder, at, what, good, lost, absent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![holder, at.0, kind.word(), round.good, round.lost, round.absent])?;
    Ok(())
}

/// Begins anew: at `at` the member was without any fault.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_events(tx: &Transaction<'_>, holder: HolderRow, at: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM holder_event WHERE holder = ?1")?.execute([holder])?;
    tx.prepare_cached("UPDATE holder SET met_at = ?2 WHERE id = ?1")?.execute(params![holder, at.0])?;
    Ok(())
}

/// How far the check of a member is that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoFar {
    /// Ranges that were asked for.
    pub asked: u32,
    /// The last shard among them.
    pub last: ShardId,
    /// What was found.
    pub found: Round,
}

/// How far the check of a member is; `None`: at its beginning.
///
/// # Errors
/// [`CatalogError`].
pub fn check_so_far(c: &Connection, holder: HolderRow) -> Result<Option<SoFar>, CatalogError> {
    let sql = "SELECT asked, last, good, lost, absent FROM holder_check WHERE holder = ?1";
    let so_far = |row: &Row<'_>| {
        let found = Round { good: row.get(2)?, lost: row.get(3)?, absent: row.get(4)? };
        Ok(SoFar { asked: row.get(0)?, last: bytes_at(row, 1)?, found })
    };
    Ok(c.prepare_cached(sql)?.query_row([holder], so_far).optional()?)
}

/// Notes how far the check of a member is.
///
/// # Errors
/// [`CatalogError`].
pub fn set_check_so_far(tx: &Transaction<'_>, holder: HolderRow, so_far: &SoFar) -> Result<(), CatalogError> {
    let SoFar { asked, last, found } = so_far;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO holder_check (holder, asked, last, good, lost, absent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![holder, asked, last.as_bytes(), found.good, found.lost, found.absent])?;
    Ok(())
}

/// The check of a member is over, or begins anew.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_check(tx: &Transaction<'_>, holder: HolderRow) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM holder_check WHERE holder = ?1")?.execute([holder])?;
    Ok(())
}

/// The group that packs are placed in from now on; without the rules that could not be kept.
///
/// # Errors
/// [`CatalogError`].
pub fn group(c: &Connection) -> Result<Option<Group>, CatalogError> {
    let sql = "SELECT epoch, data, parity FROM placement ORDER BY epoch DESC LIMIT 1";
    let last = c.prepare_cached(sql)?.query_row([], |row| {
        let redundancy = Redundancy::new(row.get(1)?, row.get(2)?);
        let invalid = || rusqlite::Error::InvalidColumnType(1, "data".to_owned(), Type::Integer);
        Ok((row.get(0)?, redundancy.ok_or_else(invalid)?))
    });
    let Some((epoch, redundancy)) = last.optional()? else { return Ok(None) };
    let of_role = |role: GroupRole| -> Result<Vec<MemberId>, CatalogError> {
        let sql = "SELECT holder.member FROM placement_member JOIN holder ON holder.id = placement_member.holder
                   WHERE epoch = ?1 AND role = ?2 ORDER BY place";
        let mut statement = c.prepare_cached(sql)?;
        let found = statement.query_map(params![epoch, role.word()], |row| bytes_at(row, 0))?;
        Ok(found.collect::<Result<_, _>>()?)
    };
    let (members, spares) = (of_role(GroupRole::Member)?, of_role(GroupRole::Spare)?);
    Ok(Some(Group { epoch, redundancy, members, spares, relaxed: Vec::new() }))
}

/// Begins an epoch.
///
/// # Errors
/// [`CatalogError`].
pub fn add_group(tx: &Transaction<'_>, group: &Group, at: UnixMillis) -> Result<(), CatalogError> {
    let column = |shards: usize| i64::try_from(shards).unwrap_or(i64::MAX);
    let (data, parity) = (column(group.redundancy.data()), column(group.redundancy.parity()));
    tx.execute(
        "INSERT INTO placement (epoch, data, parity, made_at) VALUES (?1, ?2, ?3, ?4)",
        params![group.epoch, data, parity, at.0],
    )?;
    for (role, members) in [(GroupRole::Member, &group.members), (GroupRole::Spare, &group.spares)] {
        for (place, member) in (0_i64..).zip(members) {
            let holder = number(tx, member)?;
            tx.prepare_cached("INSERT INTO placement_member (epoch, role, place, holder) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![group.epoch, role.word(), place, holder])?;
        }
    }
    Ok(())
}
