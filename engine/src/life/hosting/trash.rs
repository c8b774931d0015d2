//! A shard's way off the disk, by counted time: condemned, in the trash, erased.

use super::{Effect, Fate, HeldShard, Hosting};
use crate::units::{Seconds, UnixMillis};

/// From being condemned to the trash, at the earliest.
pub const CONDEMN_DELAY: Seconds = Seconds(14 * 86_400);
/// From the trash to being erased.
pub const TRASH_DELAY: Seconds = Seconds(7 * 86_400);

impl Hosting {
    /// Nothing moves while the brake holds.
    pub(super) fn move_on(&mut self, now: UnixMillis) -> Vec<Effect> {
        let frozen = self.frozen_until.is_some_and(|until| now < until);
        if frozen || self.next_due.is_some_and(|due| now < due) {
            return Vec::new();
        }
        let mut effects = Vec::new();
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
}

impl HeldShard {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{MIB, all, hosting};
    use super::super::{Condemned, RecoveryProof, Stored, Window};
    use super::*;
    use crate::life::clock::since;
    use crate::life::testing::{days, member, shard};

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
