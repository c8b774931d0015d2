//! A simulated box as others see it: its clocks, its link, its disk, and what is truly on it.

use std::collections::BTreeMap;

use datis_engine::ids::{MemberId, ShardId};
use datis_engine::life::audit::Answer;
use datis_engine::life::hosting::{Condemned, Effect, Fate, HeldShard, Hosting, Lease, Stored, Window};
use datis_engine::units::{Seconds, UnixMillis};

use crate::clocks::Clocks;
use crate::lies::{self, Lie};

pub(crate) const HOUR: u64 = 3_600_000;
pub(crate) const DAY: u64 = 24 * HOUR;

/// What a disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Fine,
    Unmounted,
    Full,
    ReadOnly,
}

/// A shard as it truly is, which no machine is told.
#[derive(Debug, Clone, Copy)]
struct Truth {
    received: u64,
    condemned: u64,
    intact: bool,
}

/// What one box holds for one owner.
pub(crate) struct Shelf {
    hosting: Hosting,
    truth: BTreeMap<ShardId, Truth>,
    /// Condemn lists that were taken: when, and how many bytes.
    taken: Vec<(u64, u64)>,
    dropped: bool,
}

impl Shelf {
    /// Whether something is missing that the host says it has, or was denied, or ever was.
    pub(crate) fn has_dropped(&self) -> bool {
        self.dropped
    }
}

/// A head as a host keeps it, and its place in the order of its owner's heads.
#[derive(Debug, Clone)]
pub(crate) struct KeptHead {
    pub(crate) rank: (usize, u64),
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Host {
    dead: bool,
    /// Switched off until then.
    pub(crate) off_until: u64,
    pub(crate) disk: Disk,
    /// Boxes of different islands do not reach each other.
    pub(crate) island: u64,
    /// Answers after 16 s.
    pub(crate) slow: bool,
    pub(crate) overloaded: bool,
    /// There in every second hour.
    pub(crate) flaps: bool,
    pub(crate) lie: Option<Lie>,
    /// The heads of each owner that it was given, the oldest first.
    pub(crate) heads: BTreeMap<usize, Vec<KeptHead>>,
    /// Counts changes of what is truly here.
    pub(crate) changes: u64,
    clocks: Clocks,
    pub(crate) shelves: BTreeMap<usize, Shelf>,
    window: Window,
}

impl Host {
    pub(crate) fn new(number: usize, owners: &[MemberId], window: Window, t: u64) -> Self {
        let mut clocks = Clocks::new(t);
        let member = member(number);
        let mut shelves = BTreeMap::new();
        for (owner, id) in owners.iter().enumerate().filter(|(_, id)| **id != member) {
            let hosting = Hosting::begin(*id, 1 << 40, clocks.now(t));
            shelves.insert(owner, Shelf { hosting, truth: BTreeMap::new(), taken: Vec::new(), dropped: false });
        }
        Self {
            dead: false,
            off_until: 0,
            disk: Disk::Fine,
            island: 0,
            slow: false,
            overloaded: false,
            flaps: false,
            lie: None,
            heads: BTreeMap::new(),
            changes: 0,
            clocks,
            shelves,
            window,
        }
    }

    pub(crate) fn dies(&mut self) {
        self.dead = true;
        self.changes += 1;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    pub(crate) fn is_up(&self, t: u64) -> bool {
        !self.dead && t >= self.off_until
    }

    /// Counted time, which is all that machines see.
    pub(crate) fn now(&mut self, t: u64) -> UnixMillis {
        self.clocks.now(t)
    }

    pub(crate) fn set_wall(&mut self, offset_ms: i64) {
        self.clocks.set_wall(offset_ms);
    }

    /// Power cut: what was not saved is lost, and it takes a while until it is back.
    pub(crate) fn crash(&mut self, t: u64, off_ms: u64) {
        self.off_until = self.off_until.max(t + off_ms);
        self.clocks.crash(self.off_until);
    }

    /// Switches it on, if it is off.
    pub(crate) fn wake(&mut self, t: u64) {
        if self.off_until > t {
            self.off_until = t;
            self.clocks.wake(t);
        }
    }

    /// `crashes`: the power fails before the state is saved, so nobody may be told.
    pub(crate) fn store(&mut self, t: u64, owner: usize, id: ShardId, len: u32, crashes: bool) -> bool {
        if self.disk != Disk::Fine {
            return false;
        }
        if crashes {
            self.crash(t, HOUR / 6);
            return false;
        }
        let (now, window, intact) = (self.now(t), self.window, self.lie != Some(Lie::KeepsNothing));
        let shelf = self.shelves.get_mut(&owner).expect("a shelf for each owner");
        let stored = shelf.hosting.store(now, id, len, window);
        match stored {
            Stored::New | Stored::Spared => {
                shelf.truth.insert(id, Truth { received: t, condemned: u64::MAX, intact });
            }
            // The bytes came again, so the file is whole again.
            Stored::Already => shelf.truth.get_mut(&id).expect("held").intact = intact,
            Stored::OverQuota { .. } | Stored::Differs => return false,
        }
        shelf.dropped |= !intact;
        self.changes += 1;
        self.clocks.save();
        true
    }

    /// What it says to an audit of a shard. `nonce`: fresh.
    pub(crate) fn answer(&self, owner: usize, id: &ShardId, nonce: &[u8; 32]) -> Answer {
        if self.slow {
            return Answer::Silent;
        }
        if self.disk == Disk::Unmounted {
            return Answer::StoreUnavailable;
        }
        if self.overloaded {
            return Answer::Overloaded;
        }
        let shelf = &self.shelves[&owner];
        if shelf.hosting.get(id).is_none() {
            return Answer::NotFound;
        }
        let is_here = shelf.truth.get(id).is_some_and(|truth| truth.intact);
        match self.lie {
            Some(lie) => lie.answer(id, is_here, nonce),
            None if is_here => Answer::Served { matches: true },
            None if nonce[0].is_multiple_of(2) => lies::with_other_bytes(id, nonce),
            None => Answer::Corrupt,
        }
    }

    /// Whether it says that it does not have what it has, or answers as if.
    pub(crate) fn denies(&self) -> bool {
        matches!(self.lie, Some(Lie::Denies | Lie::OtherBytes))
    }

    /// Notes that it failed an owner by its own doing.
    pub(crate) fn has_failed(&mut self, owner: usize) {
        self.shelves.get_mut(&owner).expect("a shelf for each owner").dropped = true;
    }

    /// What it answers to a lease of this hash.
    pub(crate) fn renew_lease(&mut self, t: u64, owner: usize, hash: [u8; 32]) -> Lease {
        let now = self.now(t);
        let lease = self.shelves.get_mut(&owner).expect("a shelf for each owner").hosting.renew_lease(now, hash);
        match self.lie {
            Some(Lie::Agrees) => Lease::Agreed,
            Some(Lie::Omits | Lie::Invents) => Lease::Differs,
            _ => lease,
        }
    }

    /// The list that it shows.
    pub(crate) fn list(&self, owner: usize) -> Vec<(ShardId, HeldShard)> {
        let all = self.shelves[&owner].hosting.inventory(None, usize::MAX);
        let listed = all.map(|(id, held)| (*id, *held)).collect();
        match self.lie {
            Some(lie) => lie.list(listed),
            None => listed,
        }
    }

    /// How many of a list can be condemned without pulling the brake.
    pub(crate) fn fitting(&mut self, t: u64, owner: usize, ids: &[ShardId]) -> usize {
        let now = self.now(t);
        self.shelves[&owner].hosting.fitting(now, ids)
    }

    pub(crate) fn truly_has(&self, owner: usize, id: &ShardId) -> bool {
        let truth = self.shelves.get(&owner).and_then(|shelf| shelf.truth.get(id));
        !self.dead && truth.is_some_and(|truth| truth.intact)
    }

    /// Loses a shard without telling anybody.
    pub(crate) fn drop_silently(&mut self, owner: usize, id: &ShardId) {
        let shelf = self.shelves.get_mut(&owner).expect("a shelf for each owner");
        if let Some(truth) = shelf.truth.get_mut(id) {
            truth.intact = false;
            shelf.dropped = true;
            self.changes += 1;
        }
    }

    /// Takes a condemn list, and holds the host to the brake: no more than a tenth of the bytes in seven true days.
    pub(crate) fn condemn(&mut self, t: u64, owner: usize, ids: &[ShardId]) -> Option<Condemned> {
        if matches!(self.disk, Disk::Unmounted | Disk::ReadOnly) {
            return None;
        }
        let now = self.now(t);
        let shelf = self.shelves.get_mut(&owner).expect("a shelf for each owner");
        let kept: Vec<(ShardId, u32)> = ids
            .iter()
            .filter_map(|id| Some((*id, shelf.hosting.get(id).filter(|shard| shard.fate == Fate::Kept)?.len)))
            .collect();
        let held = shelf.hosting.held_bytes();
        let outcome = shelf.hosting.condemn(now, ids);
        if let Condemned::Taken { shards, .. } = outcome {
            assert_eq!(shards, kept.len(), "condemned others than were named");
            shelf.taken.push((t, kept.iter().map(|(_, len)| u64::from(*len)).sum()));
            for (id, _) in kept {
                shelf.truth.get_mut(&id).expect("held").condemned = t;
            }
            let lately: u64 = shelf.taken.iter().filter(|(at, _)| *at + 7 * DAY > t).map(|(_, bytes)| bytes).sum();
            assert!(lately * 10 <= held || shards == 0, "{lately} of {held} bytes condemned within a week, no brake");
        }
        self.clocks.save();
        Some(outcome)
    }

    pub(crate) fn condemnable(&mut self, t: u64, owner: usize) -> u64 {
        let now = self.now(t);
        self.shelves[&owner].hosting.condemnable_bytes(now)
    }

    pub(crate) fn spare(&mut self, owner: usize, ids: &[ShardId]) {
        let shelf = self.shelves.get_mut(&owner).expect("a shelf for each owner");
        shelf.hosting.spare(ids);
    }

    pub(crate) fn inventory(&self, owner: usize) -> Vec<ShardId> {
        self.shelves
            .get(&owner)
            .map_or(Vec::new(), |shelf| shelf.hosting.inventory(None, usize::MAX).map(|(id, _)| *id).collect())
    }

    /// Moves on what is due, and holds the host to window, delay and trash by true time. Returns what went off the disk.
    pub(crate) fn tick(&mut self, t: u64) -> Vec<(usize, ShardId)> {
        let now = self.now(t);
        if self.disk != Disk::Fine {
            return Vec::new();
        }
        self.clocks.save();
        let mut erased = Vec::new();
        for (owner, shelf) in &mut self.shelves {
            for effect in shelf.hosting.tick(now) {
                match effect {
                    Effect::Erase(id) => {
                        let truth = shelf.truth.remove(&id).expect("held");
                        let window = self.window.length().0 * 1_000;
                        assert!(t >= truth.received + window, "a shard was erased before its window had passed");
                        assert!(t >= truth.condemned.saturating_add(21 * DAY), "erased without delay and trash");
                        erased.push((*owner, id));
                        self.changes += 1;
                    }
                    Effect::Trash(_) => {}
                    Effect::AskPeople(silent) => assert!(silent >= Seconds(180 * 86_400)),
                }
            }
        }
        erased
    }
}

pub(crate) fn member(number: usize) -> MemberId {
    MemberId::from_bytes([u8::try_from(number).expect("at most 49 boxes"); MemberId::LEN])
}
