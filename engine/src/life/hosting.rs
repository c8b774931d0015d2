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

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use super::clock::since;
use crate::ids::{MemberId, ShardId};
use crate::units::{Seconds, UnixMillis};

/// From being condemned to the trash, at the earliest.
pub const CONDEMN_DELAY: Seconds = Seconds(14 * 86_400);
/// From the trash to being erased.
pub const TRASH_DELAY: Seconds = Seconds(7 * 86_400);
/// The brake looks back so far.
pub const BRAKE_LOOKS_BACK: Seconds = Seconds(7 * 86_400);
/// The brake holds for so long.
pub const FREEZE: Seconds = Seconds(14 * 86_400);
/// Condemning more than this share of an owner's bytes within [`BRAKE_LOOKS_BACK`] pulls the brake.
pub const BRAKE_PERCENT: u64 = 10;
/// Of these bytes those count that have been here for so long: else whoever took an owner's box over could send junk first, and condemn
/// all that is worth something as a small share of it. Nothing younger than that can be deleted anyway ([`Window::MIN`]).
pub const BRAKE_COUNTS_AFTER: Seconds = Seconds(30 * 86_400);
/// An owner that renewed no lease for so long is a question for people.
pub const SILENCE_MAX: Seconds = Seconds(180 * 86_400);
/// People are asked again after so long.
pub const ASK_AGAIN_AFTER: Seconds = Seconds(30 * 86_400);
/// Over the quota by this share, writes are still taken.
pub const QUOTA_GRACE_PERCENT: u64 = 5;

/// For how long a shard cannot be removed after it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(u32);

impl Window {
    /// The least that a community may agree on.
    pub const MIN: Self = Self(30);
    /// What holds when nobody chose.
    pub const DEFAULT: Self = Self(90);
    /// A hundred years.
    pub const MAX: Self = Self(36_500);

    /// `days` at least [`Self::MIN`] and at most [`Self::MAX`]; others are brought to the nearest that is allowed.
    #[must_use]
    pub fn of_days(days: u32) -> Self {
        Self(days.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Its length in days.
    #[must_use]
    pub const fn days(self) -> u32 {
        self.0
    }

    /// Its length.
    #[must_use]
    pub fn length(self) -> Seconds {
        Seconds(u64::from(self.0) * 86_400)
    }
}

/// That the owner's recovery key signed the request at hand; the box alone cannot make one.
#[derive(Debug)]
pub struct RecoveryProof {
    owner: MemberId,
}

impl RecoveryProof {
    /// To be called where the signature of `owner`'s recovery key over the request was just checked, and nowhere else.
    #[must_use]
    pub const fn after_checking(owner: MemberId) -> Self {
        Self { owner }
    }
}

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

/// What became of a condemn list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condemned {
    /// Taken.
    Taken {
        /// How many shards are condemned by it.
        shards: usize,
        /// How many are unknown here, condemned already, or in the trash.
        others: usize,
    },
    /// This list pulled the brake: none of it was taken, all that was condemned stands still. Tell people, by other
    /// channels than the owner's box.
    BrakePulled {
        /// When the brake gives way by itself.
        until: UnixMillis,
        /// What this list would have brought the sum of the last seven days to.
        condemned_bytes: u64,
    },
    /// The brake holds; nothing was taken.
    Frozen {
        /// When the brake gives way by itself.
        until: UnixMillis,
    },
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

    /// What the owner may still store here, in bytes, with grace.
    #[must_use]
    pub fn left_bytes(&self) -> u64 {
        self.limit_bytes().saturating_sub(self.held_bytes)
    }

    fn limit_bytes(&self) -> u64 {
        self.quota_bytes.saturating_add(self.quota_bytes / 100 * QUOTA_GRACE_PERCENT)
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

    /// Sets what the owner may have here. A smaller quota takes nothing away.
    pub fn set_quota(&mut self, quota_bytes: u64) {
        self.quota_bytes = quota_bytes;
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

    /// How many of a list, from the first on, can be condemned now without pulling the brake. Honest owners send lists that wait
    /// for their turn, so that only somebody else pulls it.
    #[must_use]
    pub fn fitting(&self, now: UnixMillis, ids: &[ShardId]) -> usize {
        if self.frozen_until(now).is_some() {
            return 0;
        }
        let mut left = self.condemnable_bytes(now);
        let mut counted = BTreeSet::new();
        let fits = |id: &&ShardId| {
            let is_new = self.is_kept(id) && counted.insert(**id);
            let len = if is_new { self.shards.get(id).map_or(0, |shard| u64::from(shard.len)) } else { 0 };
            let fits = len <= left;
            left = left.saturating_sub(len);
            fits
        };
        ids.iter().take_while(fits).count()
    }

    /// How many bytes may be condemned now without pulling the brake.
    #[must_use]
    pub fn condemnable_bytes(&self, now: UnixMillis) -> u64 {
        if self.waived_until.is_some_and(|until| now < until) {
            return u64::MAX;
        }
        self.brake_bytes(now).saturating_sub(self.recently_condemned(now))
    }

    /// What may be condemned within [`BRAKE_LOOKS_BACK`].
    fn brake_bytes(&self, now: UnixMillis) -> u64 {
        let long_here = now.minus(BRAKE_COUNTS_AFTER);
        let counted = self.shards.values().filter(|shard| shard.received_at <= long_here);
        counted.map(|shard| u64::from(shard.len)).sum::<u64>() / 100 * BRAKE_PERCENT
    }

    /// Condemns what a list of the owner names (who asks was checked before), or pulls the brake.
    pub fn condemn(&mut self, now: UnixMillis, ids: &[ShardId]) -> Condemned {
        if let Some(until) = self.frozen_until.filter(|until| now < *until) {
            return Condemned::Frozen { until };
        }
        self.frozen_until = None;
        let mut fresh: Vec<ShardId> = ids.iter().copied().filter(|id| self.is_kept(id)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        let bytes: u64 = fresh.iter().filter_map(|id| self.shards.get(id)).map(|shard| u64::from(shard.len)).sum();
        let condemned_bytes = self.recently_condemned(now).saturating_add(bytes);
        let waived = self.waived_until.is_some_and(|until| now < until);
        #[cfg(feature = "plant")]
        let waived = waived || crate::plant::planted("no-brake");
        if !waived && bytes > 0 && condemned_bytes > self.brake_bytes(now) {
            return self.pull_brake(now, condemned_bytes);
        }
        for id in &fresh {
            if let Some(shard) = self.shards.get_mut(id) {
                shard.fate = Fate::Condemned { at: now };
            }
        }
        if bytes > 0 {
            self.remember(now, bytes);
            self.next_due = None;
        }
        Condemned::Taken { shards: fresh.len(), others: ids.len() - fresh.len() }
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

    /// Lets the brake go, and lets [`BRAKE_LOOKS_BACK`] pass without one; whether the proof was one of this owner.
    pub fn lift_brake(&mut self, now: UnixMillis, proof: &RecoveryProof) -> bool {
        if proof.owner != self.owner {
            return false;
        }
        self.frozen_until = None;
        self.waived_until = Some(now.plus(BRAKE_LOOKS_BACK));
        self.recent.clear();
        true
    }

    /// Until when the brake holds.
    #[must_use]
    pub fn frozen_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.frozen_until.filter(|until| now < *until)
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
        let frozen = self.frozen_until.is_some_and(|until| now < until);
        if frozen || self.next_due.is_some_and(|due| now < due) {
            return effects;
        }
        for (id, shard) in &mut self.shards {
            match shard.fate {
                Fate::Condemned { .. } if shard.due().is_some_and(|due| due <= now) => {
                    shard.fate = Fate::Trashed { at: now };
                    effects.push(Effect::Trash(*id));
                }
                Fate::Trashed { .. } if shard.due().is_some_and(|due| due <= now) => effects.push(Effect::Erase(*id)),
                Fate::Kept | Fate::Condemned { .. } | Fate::Trashed { .. } => {}
            }
        }
        for effect in &effects {
            if let Effect::Erase(id) = effect
                && let Some(shard) = self.shards.remove(id)
            {
                self.held_bytes -= u64::from(shard.len);
            }
        }
        let dues = self.shards.values().filter_map(HeldShard::due);
        self.next_due = Some(dues.min().unwrap_or(UnixMillis(i64::MAX)));
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

    /// Stops everything, and puts every delay off by the time that it stands still.
    fn pull_brake(&mut self, now: UnixMillis, condemned_bytes: u64) -> Condemned {
        let until = now.plus(FREEZE);
        self.frozen_until = Some(until);
        for shard in self.shards.values_mut() {
            match &mut shard.fate {
                Fate::Condemned { at } | Fate::Trashed { at } => *at = at.plus(FREEZE),
                Fate::Kept => {}
            }
        }
        self.next_due = None;
        Condemned::BrakePulled { until, condemned_bytes }
    }

    fn is_kept(&self, id: &ShardId) -> bool {
        self.shards.get(id).is_some_and(|shard| shard.fate == Fate::Kept)
    }

    fn recently_condemned(&self, now: UnixMillis) -> u64 {
        let from = now.minus(BRAKE_LOOKS_BACK);
        self.recent.iter().filter(|(at, _)| *at > from).map(|(_, bytes)| bytes).sum()
    }

    /// Entries of one hour are added up under the hour's last time, so there are never more than hours to look back on.
    fn remember(&mut self, now: UnixMillis, bytes: u64) {
        let from = now.minus(BRAKE_LOOKS_BACK);
        self.recent.retain(|(at, _)| *at > from);
        match self.recent.back_mut() {
            Some((at, sum)) if at.0.div_euclid(3_600_000) == now.0.div_euclid(3_600_000) => {
                *at = now;
                *sum = sum.saturating_add(bytes);
            }
            _ => self.recent.push_back((now, bytes)),
        }
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

    /// When it moves on.
    fn due(&self) -> Option<UnixMillis> {
        #[cfg(feature = "plant")]
        if let Fate::Condemned { at } = self.fate
            && crate::plant::planted("window-ignored")
        {
            return Some(at.plus(CONDEMN_DELAY));
        }
        match self.fate {
            Fate::Kept => None,
            Fate::Condemned { at } => Some(self.received_at.plus(self.window.length()).max(at.plus(CONDEMN_DELAY))),
            Fate::Trashed { at } => Some(at.plus(TRASH_DELAY)),
        }
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
mod tests {
    use super::super::testing::{days, member, shard};
    use super::*;
    use proptest::prelude::*;

    const MIB: u32 = 1 << 20;

    /// A host with so many shards of 1 MiB, received on day 0 with a window of 90 days.
    fn hosting(shards: u32) -> Hosting {
        let mut hosting = Hosting::begin(member(1), 1 << 40, days(0));
        for number in 0..shards {
            assert_eq!(hosting.store(days(0), shard(number), MIB, Window::DEFAULT), Stored::New);
        }
        hosting
    }

    fn all(count: u32) -> Vec<ShardId> {
        (0..count).map(shard).collect()
    }

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
    fn a_condemned_shard_goes_after_window_and_delay_by_way_of_the_trash() {
        for (condemned_on, trashed_on) in [(30, 90), (60, 90), (80, 94), (200, 214)] {
            let mut hosting = hosting(100);
            let taken = hosting.condemn(days(condemned_on), &[shard(7), shard(999)]);
            assert_eq!(taken, Condemned::Taken { shards: 1, others: 1 });
            hosting.renew_lease(days(trashed_on - 1), [0; 32]);
            assert_eq!(hosting.tick(days(trashed_on - 1)), []);
            assert_eq!(hosting.tick(days(trashed_on)), [Effect::Trash(shard(7))]);
            assert!(hosting.get(&shard(7)).is_some(), "still readable");
            assert_eq!(hosting.tick(days(trashed_on + 6)), []);
            assert_eq!(hosting.tick(days(trashed_on + 7))[0], Effect::Erase(shard(7)));
            assert!(hosting.get(&shard(7)).is_none());
            assert_eq!(hosting.held_bytes(), 99 << 20);
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
    fn windows_grow_and_never_shrink() {
        let mut hosting = hosting(100);
        assert_eq!(hosting.extend(&all(2), Window::of_days(365)), 2);
        assert_eq!(hosting.extend(&all(2), Window::of_days(0)), 0);
        hosting.store(days(1), shard(0), MIB, Window::MIN);
        hosting.condemn(days(31), &[shard(0)]);
        assert_eq!(hosting.tick(days(179)), []);
        let trashes = |effects: Vec<Effect>| effects.contains(&Effect::Trash(shard(0)));
        assert!(!trashes(hosting.tick(days(364))));
        assert!(trashes(hosting.tick(days(365))));
        assert_eq!(Window::of_days(1), Window::MIN);
    }

    #[test]
    fn who_condemns_everything_pulls_the_brake_and_nothing_moves() {
        let mut hosting = hosting(100);
        assert!(matches!(hosting.condemn(days(85), &all(9)), Condemned::Taken { shards: 9, .. }));
        assert_eq!(hosting.condemnable_bytes(days(85)), u64::from(MIB), "one more");
        assert_eq!(hosting.fitting(days(85), &all(100)), 10, "nine that are condemned, and the one more");
        assert_eq!(hosting.fitting(days(85), &[shard(20), shard(20), shard(21)]), 2, "none is counted twice");
        let until = days(86 + 14);
        let pulled = hosting.condemn(days(86), &all(100));
        assert_eq!(hosting.fitting(days(87), &all(9)), 0);
        assert_eq!(pulled, Condemned::BrakePulled { until, condemned_bytes: 100 << 20 });
        assert_eq!(hosting.condemn(days(99), &[shard(50)]), Condemned::Frozen { until });
        assert_eq!(hosting.tick(days(99)), [], "these would have been due before the brake");
        assert_eq!(hosting.tick(days(112)), [], "the delay begins again where it stood");
        assert_eq!(hosting.tick(days(113)).len(), 9);
        assert!(matches!(hosting.condemn(days(113), &all(100)), Condemned::BrakePulled { .. }), "and again");
    }

    #[test]
    fn the_brake_adds_up_what_comes_in_small_lists() {
        let mut hosting = hosting(100);
        let at = |hour: u32| days(30).plus(Seconds(u64::from(hour) * 3_600));
        let lists = (0..100).map(|number| hosting.condemn(at(number), &[shard(number)]));
        let taken = lists.take_while(|list| matches!(list, Condemned::Taken { .. })).count();
        assert_eq!(taken, 10);
        let mut slow = super::tests::hosting(1_000);
        for number in 0..300 {
            slow.condemn(at(2 * number), &[shard(number)]);
        }
        assert!(slow.recent.len() <= 7 * 24);
    }

    #[test]
    fn junk_that_came_lately_makes_no_room_for_condemning_what_is_old() {
        let mut hosting = hosting(100);
        for number in 1_000..11_000 {
            hosting.store(days(60), shard(number), MIB, Window::MIN);
        }
        assert_eq!(hosting.condemnable_bytes(days(61)), 10 << 20, "a tenth of what is old");
        assert!(matches!(hosting.condemn(days(61), &all(100)), Condemned::BrakePulled { .. }));
        // An honest owner whose data is new waits, and loses no time by it: nothing new is deleted anyway.
        let mut new = super::tests::hosting(100);
        assert_eq!((new.fitting(days(29), &all(5)), new.fitting(days(30), &all(5))), (0, 5));
        assert!(matches!(new.condemn(days(30), &all(5)), Condemned::Taken { shards: 5, .. }));
        assert_eq!(new.tick(days(90)).len(), 5);
    }

    #[test]
    fn the_owners_recovery_key_lifts_the_brake_and_no_other() {
        let mut hosting = hosting(100);
        hosting.condemn(days(1), &all(100));
        assert!(!hosting.lift_brake(days(1), &RecoveryProof::after_checking(member(2))));
        assert!(hosting.frozen_until(days(1)).is_some());
        assert!(hosting.lift_brake(days(1), &RecoveryProof::after_checking(member(1))));
        assert!(matches!(hosting.condemn(days(2), &all(100)), Condemned::Taken { shards: 100, .. }));
        assert_eq!(hosting.tick(days(89)), [], "the window stands also before the recovery key");
    }

    #[test]
    fn nobody_needs_what_has_rotted() {
        let mut hosting = hosting(3);
        assert!(hosting.damaged(&shard(0)));
        hosting.release(days(1), &[shard(1)]);
        assert_eq!(hosting.needed(), 1, "else a host that leaves would wait for its owner for ever");
    }

    #[test]
    fn what_is_spared_or_stored_again_stays() {
        let mut hosting = hosting(100);
        hosting.condemn(days(30), &all(3));
        assert_eq!(hosting.tick(days(90)).len(), 3);
        assert_eq!(hosting.spare(&[shard(0), shard(50)]), 1);
        assert_eq!(hosting.store(days(91), shard(1), MIB, Window::MIN), Stored::Spared);
        assert_eq!(hosting.tick(days(97)), [Effect::Erase(shard(2))]);
        assert_eq!(hosting.get(&shard(1)).expect("kept").received_at, days(91));
        assert_eq!(hosting.store(days(91), shard(1), 5, Window::MIN), Stored::Differs);
    }

    #[test]
    fn over_the_quota_writes_are_refused_and_nothing_else() {
        let mut hosting = Hosting::begin(member(1), 100 << 20, days(0));
        let taken = (0..200).filter(|number| hosting.store(days(0), shard(*number), MIB, Window::MIN) == Stored::New);
        assert_eq!(taken.count(), 105, "a hundred, and five of grace");
        hosting.set_quota(0);
        assert_eq!(hosting.store(days(0), shard(3), MIB, Window::MIN), Stored::Already);
        assert!(hosting.get(&shard(3)).is_some());
        assert_eq!(hosting.tick(days(100)), []);
        assert_eq!(hosting.inventory(None, 1_000).count(), 105);
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

    proptest! {
        /// Whatever an owner sends, in whatever order: nothing leaves the disk before its window, its delay and the trash.
        #[test]
        fn nothing_is_erased_before_its_time(steps in prop::collection::vec((0..7_u8, 0..40_u32, 0..30_u64), 0..120)) {
            let mut hosting = hosting(40);
            let (mut now, mut received) = (days(0), std::collections::HashMap::new());
            let mut condemned = std::collections::HashMap::new();
            for (verb, number, passed_days) in steps {
                now = now.plus(Seconds(passed_days * 86_400));
                let id = shard(number);
                match verb {
                    0 | 1 => if matches!(hosting.condemn(now, &[id]), Condemned::Taken { shards: 1, .. }) {
                        condemned.insert(id, now);
                    },
                    2 => {
                        hosting.spare(&[id]);
                        condemned.remove(&id);
                    }
                    3 => if matches!(hosting.store(now, id, MIB, Window::MIN), Stored::New | Stored::Spared) {
                        received.insert(id, now);
                    },
                    4 => { hosting.extend(&[id], Window::of_days(number * 10)); }
                    5 => {}
                    _ => { hosting.lift_brake(now, &RecoveryProof::after_checking(member(1))); }
                }
                if verb >= 5 && matches!(hosting.condemn(now, &all(40)), Condemned::Taken { .. }) {
                    for id in all(40) {
                        condemned.entry(id).or_insert(now);
                    }
                }
                for effect in hosting.tick(now) {
                    if let Effect::Erase(id) = effect {
                        let window = if received.contains_key(&id) { Window::MIN } else { Window::DEFAULT };
                        let stored = received.get(&id).copied().unwrap_or(days(0));
                        prop_assert!(since(stored, now) >= window.length());
                        prop_assert!(since(condemned[&id], now) >= Seconds(21 * 86_400));
                        condemned.remove(&id);
                    }
                }
                prop_assert_eq!(hosting.held_bytes(), u64::from(MIB) * hosting.shards.len() as u64);
            }
        }
    }
}
