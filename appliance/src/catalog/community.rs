//! The community of boxes that this one belongs to: its log, where its members are, who wants to come in.

use datis_engine::ids::{CommunityId, EntryHash, InvitationId, MemberId, SpkiPin};
use datis_engine::keys::PublicKey;
use datis_engine::units::UnixMillis;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::CatalogError;
use super::dispersal::outside::{self, LastHead};
use super::values::{bytes_at, column_size, optional_time_at, size_at, state_words, time_at, word_at};

state_words! {
    /// How far somebody is who came with an invitation.
    RequestState {
        /// An admin has to compare the digits.
        Waiting => "waiting",
        /// It is in.
        Admitted => "admitted",
        /// An admin has refused.
        Refused => "refused",
    }
}

/// What this box is in its community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub community: CommunityId,
    /// As whom.
    pub member: MemberId,
    /// Since when.
    pub joined_at: UnixMillis,
}

/// Somebody who came with an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The key of its box.
    pub device: PublicKey,
    /// [`datis_engine::community::invitation::JoinRequest`], encoded; its proof was checked.
    pub request: Vec<u8>,
    /// What has to stand on its screen.
    pub digits: String,
    /// When it came.
    pub asked_at: UnixMillis,
    /// How far it is.
    pub state: RequestState,
}

/// What this box has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// Into which community.
    pub community: CommunityId,
    /// As whom.
    pub member: MemberId,
    /// Key of the box that is asked.
    pub pin: SpkiPin,
    /// Where it is, HOST:PORT.
    pub address: String,
    /// What has to stand on the other screen.
    pub digits: String,
    /// When it was asked.
    pub asked_at: UnixMillis,
}

/// `None`: the box is in no community.
///
/// # Errors
/// [`CatalogError`].
pub fn membership(c: &Connection) -> Result<Option<Membership>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT community, member, joined_at FROM community")?;
    let row = statement.query_row([], |row| {
        Ok(Membership { community: bytes_at(row, 0)?, member: bytes_at(row, 1)?, joined_at: time_at(row, 2)? })
    });
    Ok(row.optional()?)
}

/// The box is a member from now on, and asks nobody any more.
///
/// # Errors
/// [`CatalogError`].
pub fn enter(tx: &Transaction<'_>, membership: &Membership) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM community_joining", [])?;
    tx.execute(
        "INSERT INTO community (id, community, member, joined_at) VALUES (1, ?1, ?2, ?3)",
        params![membership.community.as_bytes(), membership.member.as_bytes(), membership.joined_at.0],
    )?;
    Ok(())
}

/// The box is in none any more, and knows nothing of the one that it was in.
///
/// # Errors
/// [`CatalogError`].
pub fn forget(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    for table in [
        "community",
        "community_entry",
        "community_proposal",
        "community_address",
        "community_invitation",
        "community_request",
        "community_reach",
        "kit_shown",
    ] {
        tx.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

/// The box with the key of `pin` has shown a member's recovery kit here. Only the `kept` that did so last are remembered.
///
/// # Errors
/// [`CatalogError`].
pub fn note_kit_shown(
    tx: &Transaction<'_>,
    member: &MemberId,
    pin: &SpkiPin,
    at: UnixMillis,
    kept: usize,
) -> Result<(), CatalogError> {
    add_kit_shown(tx, (member, pin), None, at)?;
    keep_newest_shown(tx, member, kept)
}

/// `teller` says that the box with the key of `pin` has shown the recovery kit of `member`, which is this box.
///
/// # Errors
/// [`CatalogError`].
pub fn note_kit_told(
    tx: &Transaction<'_>,
    (member, pin): (&MemberId, &SpkiPin),
    teller: &MemberId,
    at: UnixMillis,
    kept: usize,
) -> Result<(), CatalogError> {
    add_kit_shown(tx, (member, pin), Some(teller), at)?;
    keep_newest_shown(tx, member, kept)
}

fn add_kit_shown(
    tx: &Transaction<'_>,
    (member, pin): (&MemberId, &SpkiPin),
    teller: Option<&MemberId>,
    at: UnixMillis,
) -> Result<(), CatalogError> {
    let sql = "INSERT OR REPLACE INTO kit_shown (member, pin, teller, at) VALUES (?1, ?2, ?3, ?4)";
    let teller = teller.map(MemberId::as_bytes);
    tx.prepare_cached(sql)?.execute(params![member.as_bytes(), pin.as_bytes(), teller, at.0])?;
    Ok(())
}

fn keep_newest_shown(tx: &Transaction<'_>, member: &MemberId, kept: usize) -> Result<(), CatalogError> {
    let sql = "DELETE FROM kit_shown WHERE member = ?1 AND pin NOT IN
               (SELECT pin FROM kit_shown WHERE member = ?1 ORDER BY at DESC, pin LIMIT ?2)";
    tx.prepare_cached(sql)?.execute(params![member.as_bytes(), i64::try_from(kept).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// What is known of who has shown a member's kit before `before` is forgotten.
///
/// # Errors
/// [`CatalogError`].
pub fn forget_kit_shown(tx: &Transaction<'_>, member: &MemberId, before: UnixMillis) -> Result<(), CatalogError> {
    let sql = "DELETE FROM kit_shown WHERE member = ?1 AND at < ?2";
    tx.prepare_cached(sql)?.execute(params![member.as_bytes(), before.0])?;
    Ok(())
}

/// Somebody has shown a recovery kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownKit {
    /// Of the key of their box.
    pub pin: SpkiPin,
    /// Which member has said so; `None`: it was shown to this box.
    pub teller: Option<MemberId>,
    /// When, or when this box heard of it first.
    pub at: UnixMillis,
}

/// Who has shown a member's recovery kit, the last one first.
///
/// # Errors
/// [`CatalogError`].
pub fn kits_shown(c: &Connection, member: &MemberId) -> Result<Vec<ShownKit>, CatalogError> {
    let sql = "SELECT pin, at, teller FROM kit_shown WHERE member = ?1 ORDER BY at DESC, pin";
    let shown = |row: &Row<'_>| {
        let teller = if row.get_ref(2)? == ValueRef::Null { None } else { Some(bytes_at(row, 2)?) };
        Ok(ShownKit { pin: bytes_at(row, 0)?, teller, at: time_at(row, 1)? })
    };
    let found = c.prepare_cached(sql)?.query_map([member.as_bytes()], shown)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// This box tries a recovery itself, with the key of `pin`. Keys of before `forgotten` go.
///
/// # Errors
/// [`CatalogError`].
pub fn note_drill_key(
    tx: &Transaction<'_>,
    pin: &SpkiPin,
    now: UnixMillis,
    forgotten: UnixMillis,
) -> Result<(), CatalogError> {
    tx.prepare_cached("DELETE FROM drill_key WHERE at < ?1")?.execute([forgotten.0])?;
    let sql = "INSERT OR REPLACE INTO drill_key (pin, at) VALUES (?1, ?2)";
    tx.prepare_cached(sql)?.execute(params![pin.as_bytes(), now.0])?;
    Ok(())
}

/// Whether this box has tried a recovery with the key of `pin`.
///
/// # Errors
/// [`CatalogError`].
pub fn is_drill_key(c: &Connection, pin: &SpkiPin) -> Result<bool, CatalogError> {
    let mut statement = c.prepare_cached("SELECT 1 FROM drill_key WHERE pin = ?1")?;
    Ok(statement.exists([pin.as_bytes()])?)
}

/// Others reach the box again, or for the first time.
///
/// # Errors
/// [`CatalogError`].
pub fn reached(tx: &Transaction<'_>, now: UnixMillis) -> Result<(), CatalogError> {
    let sql = "INSERT OR REPLACE INTO community_reach (id, reached_at, lost_at) VALUES (1, ?1, NULL)";
    tx.prepare_cached(sql)?.execute([now.0])?;
    Ok(())
}

/// Others do not reach the box. Where they never did, nothing is lost.
///
/// # Errors
/// [`CatalogError`].
pub fn lost_reach(tx: &Transaction<'_>, now: UnixMillis) -> Result<(), CatalogError> {
    tx.prepare_cached("UPDATE community_reach SET lost_at = ?1 WHERE lost_at IS NULL")?.execute([now.0])?;
    Ok(())
}

/// Since when others do not reach the box that they have reached before.
///
/// # Errors
/// [`CatalogError`].
pub fn reach_lost_at(c: &Connection) -> Result<Option<UnixMillis>, CatalogError> {
    let lost = c.prepare_cached("SELECT lost_at FROM community_reach")?.query_row([], |row| optional_time_at(row, 0));
    Ok(lost.optional()?.flatten())
}

/// The log, and when each entry was seen first.
///
/// # Errors
/// [`CatalogError`].
pub fn entries(c: &Connection) -> Result<Vec<(Vec<u8>, UnixMillis)>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT entry, seen_at FROM community_entry ORDER BY sequence")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, time_at(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One more entry.
///
/// # Errors
/// [`CatalogError`].
pub fn append(tx: &Transaction<'_>, sequence: u64, entry: &[u8], seen_at: UnixMillis) -> Result<(), CatalogError> {
    let sql = "INSERT INTO community_entry (sequence, entry, seen_at) VALUES (?1, ?2, ?3)";
    tx.execute(sql, params![column_size(sequence), entry, seen_at.0])?;
    Ok(())
}

/// Takes the entries from this sequence on away: the box goes on with others in their place.
///
/// # Errors
/// [`CatalogError`].
pub fn cut(tx: &Transaction<'_>, from: u64) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM community_entry WHERE sequence >= ?1", [column_size(from)])?;
    Ok(())
}

/// Changes that wait for more signatures, as they were signed.
///
/// # Errors
/// [`CatalogError`].
pub fn proposals(c: &Connection) -> Result<Vec<Vec<u8>>, CatalogError> {
    let mut statement = c.prepare_cached("SELECT entry FROM community_proposal ORDER BY hash")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps a proposal, in place of the same with fewer signatures.
///
/// # Errors
/// [`CatalogError`].
pub fn keep_proposal(tx: &Transaction<'_>, hash: &EntryHash, entry: &[u8]) -> Result<(), CatalogError> {
    let sql = "INSERT INTO community_proposal (hash, entry) VALUES (?1, ?2) \
               ON CONFLICT (hash) DO UPDATE SET entry = excluded.entry";
    tx.execute(sql, params![hash.as_bytes(), entry])?;
    Ok(())
}

/// The log has gone on: none of them can come next any more.
///
/// # Errors
/// [`CatalogError`].
pub fn drop_proposals(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM community_proposal", [])?;
    Ok(())
}

/// All address records, and when each was received.
///
/// # Errors
/// [`CatalogError`].
pub fn records(c: &Connection) -> Result<Vec<(MemberId, Vec<u8>, UnixMillis)>, CatalogError> {
    let mut statement =
        c.prepare_cached("SELECT member, record, received_at FROM community_address ORDER BY member")?;
    let rows = statement.query_map([], |row| Ok((bytes_at(row, 0)?, row.get(1)?, time_at(row, 2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// In place of the member's earlier record.
///
/// # Errors
/// [`CatalogError`].
pub fn set_record(tx: &Transaction<'_>, member: &MemberId, record: &[u8], at: UnixMillis) -> Result<(), CatalogError> {
    let sql = "INSERT INTO community_address (member, record, received_at) VALUES (?1, ?2, ?3) \
               ON CONFLICT (member) DO UPDATE SET record = excluded.record, received_at = excluded.received_at";
    tx.execute(sql, params![member.as_bytes(), record, at.0])?;
    Ok(())
}

/// Forgets the record of a member.
///
/// # Errors
/// [`CatalogError`].
pub fn drop_record(tx: &Transaction<'_>, member: &MemberId) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM community_address WHERE member = ?1", [member.as_bytes()])?;
    Ok(())
}

/// The number of the next record of the box's own addresses, which is used up. It never goes back, also not over a clock that does.
///
/// # Errors
/// [`CatalogError`].
pub fn next_address_sequence(tx: &Transaction<'_>, now: UnixMillis) -> Result<u64, CatalogError> {
    let sql = "UPDATE community SET address_sequence = max(address_sequence + 1, ?1) RETURNING address_sequence";
    Ok(tx.query_row(sql, [now.0], |row| size_at(row, 0))?)
}

/// Notes an invitation.
///
/// # Errors
/// [`CatalogError`].
pub fn add_invitation(
    tx: &Transaction<'_>,
    id: &InvitationId,
    line: &str,
    expires: UnixMillis,
) -> Result<(), CatalogError> {
    let sql = "INSERT INTO community_invitation (invitation, line, expires) VALUES (?1, ?2, ?3)";
    tx.execute(sql, params![id.as_bytes(), line, expires.0])?;
    Ok(())
}

/// The line of an invitation that was not used yet.
///
/// # Errors
/// [`CatalogError`].
pub fn invitation(c: &Connection, id: &InvitationId) -> Result<Option<String>, CatalogError> {
    let sql = "SELECT line FROM community_invitation WHERE invitation = ?1";
    Ok(c.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}

/// Takes an invitation away, and all that have expired.
///
/// # Errors
/// [`CatalogError`].
pub fn drop_invitation(tx: &Transaction<'_>, id: &InvitationId, now: UnixMillis) -> Result<(), CatalogError> {
    let sql = "DELETE FROM community_invitation WHERE invitation = ?1 OR expires <= ?2";
    tx.execute(sql, params![id.as_bytes(), now.0])?;
    Ok(())
}

/// The invitations that count now, the first one to end first.
///
/// # Errors
/// [`CatalogError`].
pub fn invitations(c: &Connection, now: UnixMillis) -> Result<Vec<(InvitationId, UnixMillis)>, CatalogError> {
    let sql = "SELECT invitation, expires FROM community_invitation WHERE expires > ?1 ORDER BY expires, invitation";
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map([now.0], |row| Ok((bytes_at(row, 0)?, time_at(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many invitations count now.
///
/// # Errors
/// [`CatalogError`].
pub fn open_invitations(c: &Connection, now: UnixMillis) -> Result<u64, CatalogError> {
    let sql = "SELECT count(*) FROM community_invitation WHERE expires > ?1";
    Ok(c.query_row(sql, [now.0], |row| size_at(row, 0))?)
}

/// Somebody wants to come in; an earlier request of the same box is forgotten.
///
/// # Errors
/// [`CatalogError`].
pub fn add_request(tx: &Transaction<'_>, request: &Request) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT OR REPLACE INTO community_request (device, request, digits, asked_at, state) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            request.device.as_bytes(),
            request.request,
            request.digits,
            request.asked_at.0,
            request.state.word()
        ],
    )?;
    Ok(())
}

/// Everybody who came, the first one first.
///
/// # Errors
/// [`CatalogError`].
pub fn requests(c: &Connection) -> Result<Vec<Request>, CatalogError> {
    let sql = "SELECT device, request, digits, asked_at, state FROM community_request ORDER BY asked_at, device";
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Request {
            device: bytes_at(row, 0)?,
            request: row.get(1)?,
            digits: row.get(2)?,
            asked_at: time_at(row, 3)?,
            state: word_at(row, 4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How far a request is now.
///
/// # Errors
/// [`CatalogError`].
pub fn set_request_state(tx: &Transaction<'_>, device: &PublicKey, state: RequestState) -> Result<(), CatalogError> {
    let sql = "UPDATE community_request SET state = ?2 WHERE device = ?1";
    tx.execute(sql, params![device.as_bytes(), state.word()])?;
    Ok(())
}

/// What this box has asked for; `None`: nothing, or it is in.
///
/// # Errors
/// [`CatalogError`].
pub fn joining(c: &Connection) -> Result<Option<Joining>, CatalogError> {
    let sql = "SELECT community, member, pin, address, digits, asked_at FROM community_joining";
    let row = c.prepare_cached(sql)?.query_row([], |row| {
        Ok(Joining {
            community: bytes_at(row, 0)?,
            member: bytes_at(row, 1)?,
            pin: bytes_at(row, 2)?,
            address: row.get(3)?,
            digits: row.get(4)?,
            asked_at: time_at(row, 5)?,
        })
    });
    Ok(row.optional()?)
}

/// In place of what it asked for before; `None`: it asks no more.
///
/// # Errors
/// [`CatalogError`].
pub fn set_joining(tx: &Transaction<'_>, joining: Option<&Joining>) -> Result<(), CatalogError> {
    tx.execute("DELETE FROM community_joining", [])?;
    if let Some(joining) = joining {
        tx.execute(
            "INSERT INTO community_joining (id, community, member, pin, address, digits, asked_at) \
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                joining.community.as_bytes(),
                joining.member.as_bytes(),
                joining.pin.as_bytes(),
                joining.address,
                joining.digits,
                joining.asked_at.0
            ],
        )?;
    }
    Ok(())
}

/// What a new catalog takes over from an old one, so that the box stays the member that it is.
#[derive(Debug, Clone)]
pub struct SavedCommunity {
    membership: Membership,
    entries: Vec<(Vec<u8>, UnixMillis)>,
    records: Vec<(MemberId, Vec<u8>, UnixMillis)>,
    head: Option<LastHead>,
}

/// What the old catalog knows; `None`: the box was in no community.
///
/// # Errors
/// [`CatalogError`].
pub(super) fn read_saved(c: &Connection) -> Result<Option<SavedCommunity>, CatalogError> {
    let Some(membership) = membership(c)? else { return Ok(None) };
    let (entries, records) = (entries(c)?, records(c)?);
    // It is given to nobody again: where what it names is, is taken over, and the next head says that.
    let head = outside::last_head(c)?.map(|head| LastHead { parts: Vec::new(), ..head });
    Ok(Some(SavedCommunity { membership, entries, records, head }))
}

/// Puts it into the new catalog.
///
/// # Errors
/// [`CatalogError`].
pub fn put_back(tx: &Transaction<'_>, saved: &SavedCommunity) -> Result<(), CatalogError> {
    enter(tx, &saved.membership)?;
    for (sequence, (entry, seen_at)) in (0..).zip(&saved.entries) {
        append(tx, sequence, entry, *seen_at)?;
    }
    for (member, record, at) in &saved.records {
        set_record(tx, member, record, *at)?;
    }
    saved.head.iter().try_for_each(|head| outside::set_head(tx, head))
}
