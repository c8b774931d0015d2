//! What an owner may not do at a host: delete before the window is over, condemn much at once, have more than its share.
//!
//! These hold against whoever has the owner's box, so nothing that the box alone can say lifts any of them. Source: mutual-backup 4.7, 4.8.

use std::collections::BTreeSet;

use super::{Fate, Hosting};
use crate::ids::{MemberId, ShardId};
use crate::units::{Seconds, UnixMillis};

/// The brake looks back so far.
pub const BRAKE_LOOKS_BACK: Seconds = Seconds(7 * 86_400);
/// The brake holds for so long.
pub const FREEZE: Seconds = Seconds(14 * 86_400);
/// Condemning more than this share of an owner's bytes within [`BRAKE_LOOKS_BACK`] pulls the brake.
pub const BRAKE_PERCENT: u64 = 10;
/// Of these bytes those count that have been here for so long: else whoever took an owner's box over could send junk first, and condemn
/// all that is worth something as a small share of it. Nothing younger than that can be deleted anyway ([`Window::MIN`]).
pub const BRAKE_COUNTS_AFTER: Seconds = Seconds(30 * 86_400);
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

impl Hosting {
    /// What the owner may still store here, in bytes, with grace.
    #[must_use]
    pub fn left_bytes(&self) -> u64 {
        self.limit_bytes().saturating_sub(self.held_bytes)
    }

    pub(super) fn limit_bytes(&self) -> u64 {
        self.quota_bytes.saturating_add(self.quota_bytes / 100 * QUOTA_GRACE_PERCENT)
    }

    /// Sets what the owner may have here. A smaller quota takes nothing away.
    pub fn set_quota(&mut self, quota_bytes: u64) {
        self.quota_bytes = quota_bytes;
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

#[cfg(test)]
mod tests {
    use super::super::testing::{MIB, all, hosting};
    use super::super::{Effect, Stored};
    use super::*;
    use crate::life::testing::{days, member, shard};

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
        let mut slow = super::super::testing::hosting(1_000);
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
        let mut new = super::super::testing::hosting(100);
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
}
