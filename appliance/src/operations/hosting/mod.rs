//! What this box keeps for the other members of its community. They are not trusted, and what they keep here is defended
//! against their own boxes as well: a box that was taken over cannot remove anything before its time.
//!
//! What a host refuses is decided by [`datis_engine::life::hosting::Hosting`], one for each owner. It is read from the catalog
//! when it is first needed; every change is saved before anybody is told of it, and a state that could not be saved is read
//! again. The bytes are in a store of their own ([`folder`]), which may be a disk of its own: while that is away, nothing is
//! called lost. Times are counted time ([`clock`]). Source: mutual-backup 4.5, 4.7, 4.8.

mod auditing;
mod books;
mod clock;
mod folder;
mod keeping;
mod receiving;
mod scrubbing;
mod share;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tidying;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use datis_engine::community::roster::Rights;
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::keys::PublicKey;
use datis_engine::life::hosting::{Fate, HeldShard, Hosting, Window};
use datis_engine::store::{ObjectName, PackStore, StoreError};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::{ListShards, ListedShard, PEER_BATCH_MAX, ShardPage};
use datis_engine::wire::{Refusal, RefusalCode};

use super::error::{Failure, chain};
use super::site::lock;
use super::{Clock, Site};
use crate::catalog::{Catalog, CatalogError, OwnerRow, hosting};
use crate::config::DataDir;

pub use auditing::audit;
pub(crate) use books::day_of;
pub use books::{agree_statement, lift_brake};
pub use keeping::{condemn, keep_head, list_heads, renew_lease};
pub use receiving::{PieceIntake, offer_shard, receive_piece};
pub use scrubbing::read_over;
pub(crate) use scrubbing::scrub_next;
pub(crate) use share::{given_bytes, quota_of};
pub use tidying::{HostingReport, OwnerReport, hosted_for, hosting_step};

use clock::HostClock;
use folder::Folder;

/// A member of the community that asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub member: MemberId,
    may_write: bool,
    /// How long the community wants hosts to refuse deletion, at least.
    window: Window,
}

impl Peer {
    /// Whether it is a member in full standing, on a box that the community trusts.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.may_write
    }

    fn check_may_write(&self) -> Result<(), Failure> {
        if self.may_write {
            return Ok(());
        }
        let sentence = "this member may only read at present: its box is new, or it is leaving the community";
        Err(Failure::refuse(RefusalCode::UnknownMachine, sentence))
    }
}

/// Who has this key: a member by its box, or by a blank box that has shown its recovery kit, which only reads.
///
/// # Errors
/// [`RefusalCode::UnknownMachine`] for everybody else.
pub fn peer_by_key(site: &Site, key: &PublicKey) -> Result<Peer, Refusal> {
    let unknown =
        || Refusal::new(RefusalCode::UnknownMachine, "this key is of no box of a member of the box's community");
    let community = site.community().ok_or_else(unknown)?;
    let now = site.clock.now();
    let (member, by_kit) = match community.who(key) {
        Some(member) => (member, false),
        None => (site.kit_claims.member(key, now).ok_or_else(unknown)?, true),
    };
    let may_write = match community.rights_of(member, now) {
        Rights::All => !by_kit,
        Rights::ReadOnly { .. } | Rights::Leaving { .. } => false,
        Rights::None => return Err(unknown()),
    };
    if member == community.me {
        return Err(unknown());
    }
    let window = Window::of_days(u32::from(community.roster().window_days()));
    Ok(Peer { member, may_write, window })
}

/// What the box has for others, as far as it is in memory.
pub(crate) struct Hosted {
    pub(super) folder: Folder,
    clock: HostClock,
    owners: Mutex<HashMap<MemberId, Slot>>,
    /// Shards to which somebody is appending.
    receiving: Mutex<HashSet<(MemberId, ShardId)>>,
    /// Whether the files were compared with the catalog since the start.
    is_compared: AtomicBool,
    /// Shards whose files are there, and which the disk did not give when they were looked at.
    unreadable: Mutex<HashSet<(MemberId, ShardId)>>,
    /// Connections on which a brake was let go; a restart ends them all.
    lifted: Mutex<VecDeque<[u8; 32]>>,
}

/// `None`: to be read from the catalog.
type Slot = Arc<Mutex<Option<Owner>>>;

/// What is here of one owner. Locked by whoever changes it, until that is durable.
struct Owner {
    /// Its row; none before anything is kept.
    row: Option<OwnerRow>,
    hosting: Hosting,
    /// Shards that were offered or of which a part is here.
    coming: BTreeMap<ShardId, Coming>,
    /// When it was reckoned what the owner may keep here.
    quota_at: Instant,
}

/// A shard that is not here as a whole.
#[derive(Debug, Clone, Copy)]
struct Coming {
    /// Its length; of a part from before the last start that was not offered again: what is here of it.
    len: u32,
    /// Only what was offered is taken.
    window: Option<Window>,
    /// Since when.
    at: Instant,
}

impl Hosted {
    pub(super) fn new(dir: &DataDir, catalog: &Catalog, clock: &Clock) -> Result<Self, CatalogError> {
        let saved = catalog.reader().read(|tx| hosting::clock(tx))?;
        Ok(Self {
            folder: Folder::new(dir.hosted_dir()),
            clock: HostClock::new(saved, clock),
            owners: Mutex::default(),
            receiving: Mutex::default(),
            is_compared: AtomicBool::new(false),
            unreadable: Mutex::default(),
            lifted: Mutex::default(),
        })
    }

    /// Whether all that stands in the folder is in the catalog. Until then nothing is called missing: the catalog may have been
    /// made anew.
    fn is_compared(&self) -> bool {
        self.is_compared.load(Ordering::SeqCst)
    }

    fn set_compared(&self) {
        self.is_compared.store(true, Ordering::SeqCst);
    }

    /// Another folder is there than the one that was compared.
    fn look_again(&self) {
        self.is_compared.store(false, Ordering::SeqCst);
    }

    /// Said once for each shard.
    fn note_unreadable(&self, member: MemberId, shard: ShardId, error: &StoreError) {
        if lock(&self.unreadable).insert((member, shard)) {
            tracing::warn!(%member, %shard, error = %chain(error), "A shard that is kept for another member cannot be read");
        }
    }

    /// Whether it may be said of a shard that has no row that it is not here.
    fn is_missing_for_sure(&self, member: MemberId, shard: ShardId) -> bool {
        self.is_compared() && !lock(&self.unreadable).contains(&(member, shard))
    }

    fn slot(&self, member: MemberId) -> Slot {
        Arc::clone(lock(&self.owners).entry(member).or_default())
    }
}

impl Owner {
    fn read(site: &Site, member: MemberId) -> Result<Self, Failure> {
        let saved = site.catalog.reader().read(|tx| {
            let Some((row, state)) = hosting::owner(tx, &member)? else { return Ok(None) };
            Ok::<_, CatalogError>(Some((row, state, hosting::shards(tx, row)?)))
        })?;
        let quota = share::quota_of(site, member)?;
        let (row, hosting) = match saved {
            Some((row, state, shards)) => (Some(row), Hosting::from_saved(member, quota, state, shards)),
            None => (None, Hosting::begin(member, quota, site.counted_now())),
        };
        let mut coming = BTreeMap::new();
        if let Ok(store) = site.hosted.folder.store(site) {
            for part in store.parts()?.into_iter().filter(|part| part.owner == member) {
                let len = u32::try_from(part.len_bytes).unwrap_or(u32::MAX);
                coming.insert(part.shard, Coming { len, window: None, at: Instant::now() });
            }
        }
        Ok(Self { row, hosting, coming, quota_at: Instant::now() })
    }

    /// Saves the owner's state and what stands for `ids`; the answer may be given when this returns.
    fn save(&mut self, site: &Site, ids: &[ShardId]) -> Result<(), Failure> {
        self.save_with(site, ids, |_, _| Ok(()))
    }

    fn save_with(
        &mut self,
        site: &Site,
        ids: &[ShardId],
        more: impl FnOnce(&rusqlite::Transaction<'_>, OwnerRow) -> Result<(), CatalogError>,
    ) -> Result<(), Failure> {
        let (state, look) = (self.hosting.state(), site.hosted.clock.look());
        let row = site.catalog.writer().write(|tx| {
            let row = hosting::keep_owner(tx, &self.hosting.owner(), &state, None)?;
            hosting::keep_clock(tx, &look)?;
            for id in ids {
                match self.hosting.get(id) {
                    Some(held) => hosting::keep_shard(tx, row, id, held, look.wall)?,
                    None => hosting::doom(tx, row, id)?,
                }
            }
            more(tx, row)?;
            Ok::<_, CatalogError>(row)
        })?;
        self.row = Some(row);
        Ok(())
    }

    fn held(&self, site: &Site, id: &ShardId) -> Result<&HeldShard, Failure> {
        self.hosting.get(id).ok_or_else(|| not_here(site, self.hosting.owner(), *id).into())
    }
}

impl Site {
    /// Counted time.
    pub(crate) fn counted_now(&self) -> UnixMillis {
        self.hosted.clock.now()
    }

    /// Works on what is here of a member. After a fault the state is read again: what was not saved is not believed.
    fn with_owner<T>(
        &self,
        member: MemberId,
        work: impl FnOnce(&mut Owner) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.check_running()?;
        let slot = self.hosted.slot(member);
        let mut slot = lock(&slot);
        let mut owner = match slot.take() {
            Some(owner) => owner,
            None => Owner::read(self, member)?,
        };
        if owner.quota_at.elapsed() > QUOTA_HOLDS {
            owner.hosting.set_quota(share::quota_of(self, member)?);
            owner.quota_at = Instant::now();
        }
        let done = work(&mut owner);
        if !matches!(done, Err(Failure::Fault(_))) {
            *slot = Some(owner);
        }
        done
    }
}

/// The length of a shard that is here for the asking member, in bytes.
///
/// # Errors
/// [`RefusalCode::NotFound`]; [`Refusal`].
pub fn shard_len(site: &Site, peer: &Peer, shard: ShardId) -> Result<u32, Refusal> {
    site.with_owner(peer.member, |owner| Ok(owner.held(site, &shard)?.len)).map_err(|failure| site.refusal(failure))
}

/// Bytes of a shard that is here for the asking member. What is in the trash is still read.
///
/// # Errors
/// [`RefusalCode::NotFound`], also for shards of others; [`RefusalCode::Malformed`] for bytes that it does not have;
/// [`RefusalCode::Damaged`]; [`RefusalCode::Fault`] also when the disk is away, which is no loss.
pub fn read_shard(site: &Site, peer: &Peer, shard: ShardId, range: Range<u32>) -> Result<Vec<u8>, Refusal> {
    try_read(site, peer, shard, range).map_err(|failure| site.refusal(failure))
}

fn try_read(site: &Site, peer: &Peer, shard: ShardId, range: Range<u32>) -> Result<Vec<u8>, Failure> {
    let len = site.with_owner(peer.member, |owner| Ok(owner.held(site, &shard)?.len))?;
    if range.start > range.end || range.end > len {
        let sentence = format!("the shard has {len} bytes, not those from {} to {}", range.start, range.end);
        return Err(Failure::refuse(RefusalCode::Malformed, sentence));
    }
    let store = site.hosted.folder.store(site)?;
    let (start, many) = (u64::from(range.start), (range.end - range.start) as usize);
    match store.read_range(ObjectName::Shard(peer.member, shard), start, many) {
        Ok(bytes) => Ok(bytes),
        Err(StoreError::Absent { .. }) => {
            // The disk may have gone between both looks.
            site.hosted.folder.store(site)?;
            Err(not_here(site, peer.member, shard).into())
        }
        Err(StoreError::Short { .. }) => {
            Err(Failure::refuse(RefusalCode::Damaged, "the shard is damaged on the box that keeps it"))
        }
        Err(error) => {
            site.hosted.folder.store(site)?;
            site.hosted.note_unreadable(peer.member, shard, &error);
            Err(unreadable().into())
        }
    }
}

fn not_here(site: &Site, member: MemberId, shard: ShardId) -> Refusal {
    if site.hosted.is_missing_for_sure(member, shard) {
        Refusal::new(RefusalCode::NotFound, "the box keeps no such shard for this member")
    } else if site.hosted.is_compared() {
        unreadable()
    } else {
        still_looking()
    }
}

fn unreadable() -> Refusal {
    let sentence = "the disk does not give this shard at present; that is no loss yet, ask again later";
    Refusal::new(RefusalCode::Fault, sentence)
}

fn still_looking() -> Refusal {
    let sentence =
        "the box still looks through what it keeps for others and cannot say what is not there; ask again later";
    Refusal::new(RefusalCode::Busy, sentence)
}

/// What is here for the asking member and sound, by id, with what is condemned or in the trash: all of it can be read.
///
/// # Errors
/// [`RefusalCode::Busy`] while the box does not know all that it has; [`Refusal`].
pub fn list_shards(site: &Site, peer: &Peer, message: &ListShards) -> Result<ShardPage, Refusal> {
    if !site.hosted.is_compared() {
        return Err(still_looking());
    }
    let listed = site.with_owner(peer.member, |owner| {
        // What is damaged is none of it: its owner asks for it then, hears so, and sends it again.
        let sound = owner.hosting.inventory(message.after, usize::MAX).filter(|(_, held)| !held.is_damaged);
        let page = sound.take(PEER_BATCH_MAX);
        let listed = page.map(|(id, held)| ListedShard {
            shard: *id,
            len: held.len,
            received_at: held.received_at,
            is_kept: held.fate == Fate::Kept,
        });
        Ok(ShardPage { shards: listed.collect() })
    });
    listed.map_err(|failure| site.refusal(failure))
}

/// What an owner may keep here is reckoned again after this time.
const QUOTA_HOLDS: Duration = Duration::from_secs(60);

/// A part of a shard of which nothing more comes is kept for so long.
const PART_KEPT: Seconds = Seconds(7 * 86_400);
