//! The owner's books: what it believes to have with each member, and what comes of comparing that with the member's own.

use std::collections::BTreeSet;

use datis_engine::community::ledger::{Agreement, SignedStatement, Statement, StatementError, Words};
use datis_engine::format::{FormatError, VERSION};
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::life::hosting::list_hash;
use datis_engine::units::Seconds;
use datis_engine::wire::peers::ListedShard;

use super::standing::Shelves;
use super::{Circle, dispersal_status, heads};
use crate::catalog::CatalogError;
use crate::catalog::dispersal::{holders, outside, stripes};
use crate::catalog::statements::{self, StatementRow};
use crate::operations::hosting::day_of;
use crate::operations::{OperationError, Site};

/// From one lease to the next.
const LEASE_EVERY: Seconds = Seconds::DAY;

/// What a member has and the box does not know may be on its way into the books for so long (mutual-backup 4.7).
const UNKNOWN_AFTER: Seconds = Seconds(48 * 3_600);

/// Members that were not told for a day that this box lives.
///
/// # Errors
/// [`OperationError`].
pub fn leases_due(site: &Site, circle: &Circle) -> Result<Vec<MemberId>, OperationError> {
    let now = site.counted_now();
    let known = site.catalog.reader().read(|tx| holders::all(tx))?;
    let is_due = |member: &MemberId| {
        let leased_at = known.iter().find(|holder| holder.member == *member).and_then(|holder| holder.leased_at);
        leased_at.is_none_or(|at| at.plus(LEASE_EVERY) <= now)
    };
    Ok(circle.fellows.iter().map(|fellow| fellow.member).filter(is_due).collect())
}

/// Notes that a member was told.
///
/// # Errors
/// [`OperationError`].
pub fn note_leased(site: &Site, member: &MemberId) -> Result<(), OperationError> {
    let now = site.counted_now();
    let noted = site.catalog.writer().write(|tx| {
        let holder = holders::number(tx, member)?;
        holders::set_leased(tx, holder, now)
    });
    noted.map_err(|e: CatalogError| site.noted(e.into()))
}

impl Shelves {
    /// By name, each with its length.
    fn listed(&self) -> impl Iterator<Item = (ShardId, u32)> {
        let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.held.iter().map(move |held| (held.shard, len(held.layout.shard_len())))
    }

    /// What a lease says of it.
    #[must_use]
    pub fn list_hash(&self) -> [u8; 32] {
        list_hash(self.listed())
    }
}

/// How a member's list differs from the box's books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Signed for and needed, and not in the list.
    pub missing: BTreeSet<ShardId>,
    /// Needed, and about to be deleted there.
    pub condemned: Vec<ShardId>,
    /// Kept there for long, and nothing here needs it.
    pub unknown: Vec<ShardId>,
}

/// Compares a member's whole list with what the box believed, before it asked for the list, to have there.
///
/// # Errors
/// [`OperationError`].
pub fn differences(
    site: &Site,
    member: &MemberId,
    believed: &Shelves,
    listed: &[ListedShard],
) -> Result<Difference, OperationError> {
    let there: BTreeSet<ShardId> = listed.iter().map(|one| one.shard).collect();
    let needed: BTreeSet<ShardId> = believed.held.iter().map(|held| held.shard).collect();
    let before = site.counted_now().minus(UNKNOWN_AFTER);
    let not_needed = listed.iter().filter(|one| one.is_kept && one.received_at < before);
    let not_needed: Vec<ShardId> = not_needed.map(|one| one.shard).filter(|shard| !needed.contains(shard)).collect();
    let unknown = site.catalog.reader().read(|tx| {
        let Some(holder) = holders::by_member(tx, member)? else { return Ok(not_needed) };
        let mut unknown = Vec::new();
        for shard in not_needed {
            if stripes::of_shard(tx, holder.row, &shard)?.is_none() {
                unknown.push(shard);
            }
        }
        Ok::<_, CatalogError>(unknown)
    })?;
    let condemned = listed.iter().filter(|one| !one.is_kept && needed.contains(&one.shard)).map(|one| one.shard);
    Ok(Difference { missing: needed.difference(&there).copied().collect(), condemned: condemned.collect(), unknown })
}

/// Whether what nothing needs may be condemned: only while the box has all that it knows, all of that is off-site safe, and its
/// own last head, which enough members keep, says so. After its catalog was made anew it may know nothing of what is outside until it
/// has sent it again, one with nothing at all may have lost its disk, and of a damaged pack what it does not know of may be the
/// last good copy.
///
/// # Errors
/// [`OperationError`].
pub fn condemnable(site: &Site) -> Result<bool, OperationError> {
    let Some(circle) = Circle::of(site)? else { return Ok(false) };
    let status = dispersal_status(site)?;
    let has_some = status.machines.iter().any(|machine| machine.packs_in_place > 0);
    let is_whole = site.awaited.is_empty() && !site.catalog.reader().read(|tx| outside::is_damaged_unsafe(tx))?;
    Ok(has_some && status.oldest_missing.is_none() && is_whole && heads::is_last_kept(site, &circle)?)
}

/// Why a member's statement does not count.
#[derive(Debug, thiserror::Error)]
pub enum StatementRefusal {
    /// It does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It is not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is about others, or by somebody else.
    #[error("it is no answer to the statement that was sent")]
    NoAnswer,
    /// What had to be done here.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

/// What the box has with a member today, with its word.
///
/// # Errors
/// [`StatementRefusal`].
pub fn statement_for(
    site: &Site,
    circle: &Circle,
    member: &MemberId,
    believed: &Shelves,
) -> Result<SignedStatement, StatementRefusal> {
    let known = site.community().ok_or(StatementRefusal::NoAnswer)?;
    let statement = Statement {
        version: VERSION,
        community: circle.community,
        owner: circle.me,
        host: *member,
        bytes: believed.listed().map(|(_, len)| u64::from(len)).sum(),
        count: believed.held.len() as u64,
        list_hash: believed.list_hash(),
        day: day_of(site.clock.now()),
    };
    let mut signed = SignedStatement::unsigned(&statement);
    signed.sign(&site.vault.device_key, known.roster())?;
    Ok(signed)
}

/// Takes down what a member answered to a statement: with both words, or with what it has in its own books.
///
/// # Errors
/// [`StatementRefusal`].
pub fn note_statement(site: &Site, ours: &SignedStatement, answer: &[u8]) -> Result<Agreement, StatementRefusal> {
    let known = site.community().ok_or(StatementRefusal::NoAnswer)?;
    let (mine, _) = ours.open(known.roster())?;
    let theirs = SignedStatement::decode(answer)?;
    let (their, words) = theirs.open(known.roster())?;
    let agreement = mine.compare(&their);
    let (signed, differing) = match (agreement, words) {
        (Agreement::Agreed, Words::Both) => (theirs.encode(), None),
        (Agreement::Differs { .. }, Words::Host) => (ours.encode(), Some(theirs)),
        (Agreement::Agreed, Words::Owner | Words::Host)
        | (Agreement::Differs { .. }, Words::Owner | Words::Both)
        | (Agreement::Unrelated, _) => return Err(StatementRefusal::NoAnswer),
    };
    let row = StatementRow {
        owner: mine.owner,
        host: mine.host,
        day: mine.day,
        bytes: mine.bytes,
        count: mine.count,
        signed,
        theirs: differing,
    };
    let kept = site.catalog.writer().write(|tx| statements::keep(tx, &row));
    kept.map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(agreement)
}
