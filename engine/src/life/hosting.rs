//! What a host holds for one owner, and what it refuses to do with it: the last line of defence of an owner whose box has
//! been taken over.
//!
//! A shard's way is kept → condemned → trashed → erased. The host goes it by its own counted time and never by a time
//! that the owner sends:
//!
//! | from | to | when |
//! |---|---|---|
//! | kept | condemned | a list of the owner names it, and the brake does not hold |
//! | condemned | trashed | both `received_at` + window and condemned + [`CONDEMN_DELAY`] are past |
//! | trashed | erased | [`TRASH_DELAY`] later |
//! | condemned, trashed | kept | the owner spares it, or stores it again |
//!
//! Silence deletes nothing: after [`SILENCE_MAX`] people are asked. Source: mutual-backup 4.7, 4.8.

mod limits;
mod trash;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::clock::since;
use crate::ids::{MemberId, ShardId};
use crate::units::{Seconds, UnixMillis};

pub use limits::{
    BRAKE_COUNTS_AFTER, BRAKE_LOOKS_BACK, BRAKE_PERCENT, Condemned, FREEZE, QUOTA_GRACE_PERCENT, RecoveryProof, Window,
};
pub use trash::{CONDEMN_DELAY, TRASH_DELAY};

/// An owner that renewed no lease for so long is a question for people.
pub const SILENCE_MAX: Seconds = Seconds(180 * 86_400);
/// People are asked again after so long.
pub const ASK_AGAIN_AFTER: Seconds = Seconds(30 * 86_400);

/// Where a shard stands on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nobody wants it gone.
    Kept,
    /// Named by a condemn list.
    Condemned {
        /// When, plus all time that the brake held since.
        at: UnixMillis,
    },
    /// Out of the way, still on the disk and still readable.
    Trashed {
        /// When, plus all time that the brake held since.
        at: UnixMillis,
    },
}

/// A shard as the host knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldShard {
    /// Its length in bytes.
    pub len: u32,
    /// The window that it came with, or a longer one.
    pub window: Window,
    /// When it became durable here.
    pub received_at: UnixMillis,
    /// Where it stands.
    pub fate: Fate,
    /// Whether its bytes are known not to be those of its name any more. The host's list is without it, so that its owner asks for
    /// it, hears that, and makes it again.
    pub is_damaged: bool,
}

/// Whether a shard was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is new; once this state is saved, a receipt may be signed.
    New,
    /// It was here already.
    Already,
    /// It was condemned or in the trash, and is kept again, as if it had just come.
    Spared,
    /// Too much: nothing was taken. Reads, audits and what is here go on.
    OverQuota {
        /// What the owner may have here, with grace.
        limit_bytes: u64,
        /// What it has.
        held_bytes: u64,
    },
    /// A shard of this name has another length here.
    Differs,
}

/// What the host is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Move the shard's file to the trash.
    Trash(ShardId),
    /// Take it off the disk.
    Erase(ShardId),
    /// Ask people what is to become of an owner that has been silent for so long. Nothing is deleted meanwhile.
    AskPeople(Seconds),
}

/// Whether owner and host agree on what is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// They do.
    Agreed,
    /// They do not: time for an exchange of inventories.
    Differs,
}

/// Everything that one host holds for one owner.
#[derive(Debug, Clone)]
pub struct Hosting {
    owner: MemberId,
    quota_bytes: u64,
    held_bytes: u64,
    shards: BTreeMap<ShardId, HeldShard>,
    /// What was condemned when, an entry per hour: the brake's memory.
    recent: VecDeque<(UnixMillis, u64)>,
    frozen_until: Option<UnixMillis>,
    waived_until: Option<UnixMillis>,
    lease_at: UnixMillis,
    asked_at: Option<UnixMillis>,
    /// No shard moves on before.
    next_due: Option<UnixMillis>,
}

/// What has to be saved of a host's state for one owner, beside its shards and the quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostingState {
    /// What was condemned when, in order: bytes, an entry per hour, within [`BRAKE_LOOKS_BACK`].
    pub recent: Vec<(UnixMillis, u64)>,
    /// Until when the brake holds.
    pub frozen_until: Option<UnixMillis>,
    /// Until when there is none.
    pub waived_until: Option<UnixMillis>,
    /// When the owner was heard of last.
    pub lease_at: UnixMillis,
    /// When people were asked about its silence last.
    pub asked_at: Option<UnixMillis>,
}

impl Hosting {
    /// Goes on from what was saved.
    #[must_use]
    pub fn from_saved(
        owner: MemberId,
        quota_bytes: u64,
        state: HostingState,
        shards: impl IntoIterator<Item = (ShardId, HeldShard)>,
    ) -> Self {
        let shards: BTreeMap<ShardId, HeldShard> = shards.into_iter().collect();
        let held_bytes = shards.values().map(|shard| u64::from(shard.len)).sum();
        let HostingState { recent, frozen_until, waived_until, lease_at, asked_at } = state;
        Self {
            owner,
            quota_bytes,
            held_bytes,
            shards,
            recent: recent.into(),
            frozen_until,
            waived_until,
            lease_at,
            asked_at,
            next_due: None,
        }
    }

    /// What is to be saved; the shards are those of [`Self::inventory`].
    #[must_use]
    pub fn state(&self) -> HostingState {
        HostingState {
            recent: self.recent.iter().copied().collect(),
            frozen_until: self.frozen_until,
            waived_until: self.waived_until,
            lease_at: self.lease_at,
            asked_at: self.asked_at,
        }
    }

    /// Whose shards these are.
    #[must_use]
    pub fn owner(&self) -> MemberId {
        self.owner
    }

    /// How many shards are on the disk for this owner, with the trash.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.len()
    }

    /// Begins to hold for `owner`; the lease runs from now.
    #[must_use]
    pub fn begin(owner: MemberId, quota_bytes: u64, now: UnixMillis) -> Self {
        Self {
            owner,
            quota_bytes,
            held_bytes: 0,
            shards: BTreeMap::new(),
            recent: VecDeque::new(),
            frozen_until: None,
            waived_until: None,
            lease_at: now,
            asked_at: None,
            next_due: None,
        }
    }

    /// Bytes on the disk for this owner, with the trash.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Takes note of a shard whose bytes are durable.
    pub fn store(&mut self, now: UnixMillis, id: ShardId, len: u32, window: Window) -> Stored {
        if let Some(shard) = self.shards.get_mut(&id) {
            return if shard.len == len { shard.store_again(now, window) } else { Stored::Differs };
        }
        let limit_bytes = self.limit_bytes();
        if self.held_bytes.saturating_add(u64::from(len)) > limit_bytes {
            return Stored::OverQuota { limit_bytes, held_bytes: self.held_bytes };
        }
        self.held_bytes += u64::from(len);
        self.shards.insert(id, HeldShard::received(len, window, now));
        Stored::New
    }

    /// Takes note of a shard that was found on the disk, sound and durable, and of which nothing is known: the state was made anew,
    /// or was not saved any more. It takes no room that it has not already, so the quota does not matter. One that is known
    /// stays as it is.
    pub fn found(&mut self, now: UnixMillis, id: ShardId, len: u32, window: Window) {
        if let Entry::Vacant(place) = self.shards.entry(id) {
            place.insert(HeldShard::received(len, window, now));
            self.held_bytes += u64::from(len);
        }
    }

    /// A shard that is on the disk, whatever its fate: reads and audits are never refused.
    #[must_use]
    pub fn get(&self, id: &ShardId) -> Option<&HeldShard> {
        self.shards.get(id)
    }

    /// Lengthens the window of some shards; a shorter one is not taken. Returns how many were lengthened.
    pub fn extend(&mut self, ids: &[ShardId], window: Window) -> usize {
        let mut count = 0;
        for id in ids {
            if let Some(shard) = self.shards.get_mut(id).filter(|shard| shard.window < window) {
                shard.window = window;
                count += 1;
            }
        }
        count
    }

    /// Condemns what a signed list names on a host that leaves, whatever the brake says: it protects what stays, and this host goes with
    /// all that it has. Returns how many shards that concerned.
    pub fn release(&mut self, now: UnixMillis, ids: &[ShardId]) -> usize {
        let mut count = 0;
        for id in ids {
            if let Some(shard) = self.shards.get_mut(id).filter(|shard| shard.fate == Fate::Kept) {
                shard.fate = Fate::Condemned { at: now };
                count += 1;
            }
        }
        self.next_due = None;
        count
    }

    /// How many shards the owner still needs here. Of what is damaged it cannot need anything.
    #[must_use]
    pub fn needed(&self) -> usize {
        self.shards.values().filter(|shard| shard.counts()).count()
    }

    /// Keeps what was condemned or trashed after all. Returns how many shards that concerned.
    pub fn spare(&mut self, ids: &[ShardId]) -> usize {
        let mut count = 0;
        for id in ids {
            if let Some(shard) = self.shards.get_mut(id).filter(|shard| shard.fate != Fate::Kept) {
                shard.fate = Fate::Kept;
                count += 1;
            }
        }
        count
    }

    /// The owner lives, and believes that what is here has this hash.
    pub fn renew_lease(&mut self, now: UnixMillis, list_hash: [u8; 32]) -> Lease {
        self.lease_at = now;
        self.asked_at = None;
        if list_hash == self.list_hash() { Lease::Agreed } else { Lease::Differs }
    }

    /// Takes note that a shard's bytes are not those of its name; whether that is new. It stays, to be stored again over it.
    pub fn damaged(&mut self, id: &ShardId) -> bool {
        self.shards.get_mut(id).is_some_and(|shard| !std::mem::replace(&mut shard.is_damaged, true))
    }

    /// BLAKE3 over id and length (4 bytes, little-endian) of each shard that is kept and sound, in order of ids.
    #[must_use]
    pub fn list_hash(&self) -> [u8; 32] {
        let kept = self.shards.iter().filter(|(_, shard)| shard.counts());
        list_hash(kept.map(|(id, shard)| (*id, shard.len)))
    }

    /// Up to `limit` shards with greater ids than `after`, in order, for the exchange of inventories.
    pub fn inventory(&self, after: Option<ShardId>, limit: usize) -> impl Iterator<Item = (&ShardId, &HeldShard)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.shards.range((from, Bound::Unbounded)).take(limit)
    }

    /// Moves on what is due. To be called each hour or so; the effects are for after this state has been saved.
    pub fn tick(&mut self, now: UnixMillis) -> Vec<Effect> {
        let mut effects = self.ask_people(now);
        effects.extend(self.move_on(now));
        effects
    }

    fn ask_people(&mut self, now: UnixMillis) -> Vec<Effect> {
        let silent = since(self.lease_at, now);
        let asked_lately = self.asked_at.is_some_and(|at| since(at, now) < ASK_AGAIN_AFTER);
        if silent < SILENCE_MAX || asked_lately || self.shards.is_empty() {
            return Vec::new();
        }
        self.asked_at = Some(now);
        vec![Effect::AskPeople(silent)]
    }

    fn is_kept(&self, id: &ShardId) -> bool {
        self.shards.get(id).is_some_and(|shard| shard.fate == Fate::Kept)
    }
}

impl HeldShard {
    fn received(len: u32, window: Window, now: UnixMillis) -> Self {
        Self { len, window, received_at: now, fate: Fate::Kept, is_damaged: false }
    }

    /// Whether it is one that the owner needs and may count on.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.fate == Fate::Kept && !self.is_damaged
    }

    fn store_again(&mut self, now: UnixMillis, window: Window) -> Stored {
        self.window = self.window.max(window);
        self.is_damaged = false;
        if self.fate == Fate::Kept {
            return Stored::Already;
        }
        self.fate = Fate::Kept;
        self.received_at = self.received_at.max(now);
        Stored::Spared
    }
}

/// What a lease says of a list of shards, which are in order of their ids.
#[must_use]
pub fn list_hash(shards: impl Iterator<Item = (ShardId, u32)>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for (id, len) in shards {
        hasher.update(id.as_bytes()).update(&len.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod testing {
    use super::super::testing::{days, member, shard};
    use super::*;

    pub(super) const MIB: u32 = 1 << 20;

    /// A host with so many shards of 1 MiB, received on day 0 with a window of 90 days.
    pub(super) fn hosting(shards: u32) -> Hosting {
        let mut hosting = Hosting::begin(member(1), 1 << 40, days(0));
        for number in 0..shards {
            assert_eq!(hosting.store(days(0), shard(number), MIB, Window::DEFAULT), Stored::New);
        }
        hosting
    }

    pub(super) fn all(count: u32) -> Vec<ShardId> {
        (0..count).map(shard).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{days, shard};
    use super::testing::{MIB, all, hosting};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_was_saved_goes_on_as_if_nothing_had_happened() {
        let mut before = hosting(100);
        before.condemn(days(31), &all(5));
        assert!(matches!(before.condemn(days(32), &all(50)), Condemned::BrakePulled { .. }));
        before.renew_lease(days(33), [0; 32]);
        let shards: Vec<_> = before.inventory(None, usize::MAX).map(|(id, shard)| (*id, *shard)).collect();
        let mut after = Hosting::from_saved(before.owner(), 1 << 40, before.state(), shards);
        assert_eq!((after.held_bytes(), after.count()), (before.held_bytes(), 100));
        assert_eq!(after.left_bytes(), before.left_bytes());
        for day in 34..400 {
            assert_eq!(after.tick(days(day)), before.tick(days(day)), "day {day}");
            assert_eq!(after.state(), before.state());
        }
    }

    #[test]
    fn a_damaged_shard_is_not_in_the_list_until_it_is_stored_again_and_takes_its_room_meanwhile() {
        let mut hosting = hosting(3);
        let (whole, bytes) = (hosting.list_hash(), hosting.held_bytes());
        assert!(hosting.damaged(&shard(1)) && !hosting.damaged(&shard(1)), "said once");
        assert!(!hosting.damaged(&shard(7)), "of what is not here nothing is said");
        assert_eq!(hosting.renew_lease(days(1), whole), Lease::Differs);
        let left = BTreeSet::from([shard(0), shard(2)]);
        assert_eq!(hosting.list_hash(), list_hash(left.into_iter().map(|id| (id, MIB))));
        assert_eq!((hosting.held_bytes(), hosting.count()), (bytes, 3));
        assert_eq!(hosting.store(days(2), shard(1), MIB, Window::DEFAULT), Stored::Already);
        assert_eq!(hosting.renew_lease(days(2), whole), Lease::Agreed);
    }

    #[test]
    fn a_host_that_leaves_is_told_that_nothing_is_needed_and_keeps_it_for_its_time_all_the_same() {
        let mut hosting = hosting(20);
        assert_eq!(hosting.needed(), 20);
        assert_eq!(hosting.release(days(31), &all(20)), 20, "no brake");
        assert_eq!((hosting.needed(), hosting.count(), hosting.release(days(32), &all(20))), (0, 20, 0));
        assert_eq!(hosting.tick(days(89)), [], "the window holds");
        assert_eq!(hosting.tick(days(90)).len(), 20);
    }

    #[test]
    fn nobody_needs_what_has_rotted() {
        let mut hosting = hosting(3);
        assert!(hosting.damaged(&shard(0)));
        hosting.release(days(1), &[shard(1)]);
        assert_eq!(hosting.needed(), 1, "else a host that leaves would wait for its owner for ever");
    }

    #[test]
    fn silence_asks_people_and_deletes_nothing() {
        let mut hosting = hosting(10);
        assert_eq!(hosting.tick(days(179)), []);
        assert_eq!(hosting.tick(days(180)), [Effect::AskPeople(SILENCE_MAX)]);
        assert_eq!(hosting.tick(days(181)), []);
        assert_eq!(hosting.tick(days(210)).len(), 1);
        let agreed = hosting.renew_lease(days(4_000), hosting.list_hash());
        assert_eq!((agreed, hosting.inventory(None, 99).count()), (Lease::Agreed, 10));
        assert_eq!(hosting.tick(days(4_001)), []);
    }

    #[test]
    fn inventories_go_page_by_page_and_hash_to_the_lease() {
        let mut hosting = hosting(50);
        let mut seen: Vec<(ShardId, u32)> = Vec::new();
        loop {
            let after = seen.last().map(|(id, _)| *id);
            let page: Vec<_> = hosting.inventory(after, 7).map(|(id, shard)| (*id, shard.len)).collect();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen.len(), 50);
        assert_eq!(list_hash(seen.into_iter()), hosting.list_hash());
        assert_eq!(hosting.renew_lease(days(1), [0; 32]), Lease::Differs);
    }

    #[test]
    fn a_host_holds_30_000_shards_of_an_owner_in_little_memory() {
        let hosting = hosting(30_000);
        let entry = size_of::<ShardId>() + size_of::<HeldShard>();
        assert!(entry <= 72, "{entry} bytes a shard");
        assert_eq!(hosting.inventory(None, usize::MAX).count(), 30_000);
    }
}
