//! What goes wrong: for a while, for good, or because somebody wants it to.

use datis_engine::life::hosting::Condemned;
use datis_engine::life::peer::Check;

use super::{CHECKS, Event, QUIET, World};
use crate::host::{DAY, Disk, HOUR};
use crate::lies::{LIES, Lie};

/// What goes wrong with a box for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Island,
    Unmounted,
    Full,
    ReadOnly,
    Slow,
    Overloaded,
    Flaps,
    Crash,
    Away,
    WallClock,
    /// These destroy.
    Dies,
    DropsSilently,
    OwnerTakenOver,
}

const TROUBLES: [Trouble; 13] = [
    Trouble::Island,
    Trouble::Unmounted,
    Trouble::Full,
    Trouble::ReadOnly,
    Trouble::Slow,
    Trouble::Overloaded,
    Trouble::Flaps,
    Trouble::Crash,
    Trouble::Away,
    Trouble::WallClock,
    Trouble::Dies,
    Trouble::DropsSilently,
    Trouble::OwnerTakenOver,
];

/// A death or a loss is known and repaired in so long at the latest, but for the days that nothing else goes wrong.
pub(super) const KNOWN_AFTER: u64 = 4 * DAY;

impl World {
    pub(super) fn fault(&mut self) {
        let number = usize::try_from(self.rng.range(0, self.hosts.len() as u64)).expect("small");
        let trouble = self.rng.pick(&TROUBLES);
        // Hours, days, and the two that are on either side of the limit.
        let hours = [1, 2, 6, 13, 20, 50, 80, 29 * 24, 31 * 24];
        let lasts = self.rng.pick(&hours) * HOUR;
        let t = self.t;
        self.troubled_until = self.troubled_until.max(t + lasts.max(KNOWN_AFTER));
        match trouble {
            Trouble::Island => self.hosts[number].island = 1 + self.rng.range(0, 2),
            Trouble::Unmounted => self.hosts[number].disk = Disk::Unmounted,
            Trouble::Full => self.hosts[number].disk = Disk::Full,
            Trouble::ReadOnly => self.hosts[number].disk = Disk::ReadOnly,
            Trouble::Slow => self.hosts[number].slow = true,
            Trouble::Overloaded => self.hosts[number].overloaded = true,
            Trouble::Flaps => self.hosts[number].flaps = true,
            Trouble::Crash => self.crash(number, HOUR / 6),
            Trouble::Away => self.crash(number, lasts),
            Trouble::WallClock => {
                let ten_years = 3_653 * DAY.cast_signed();
                let offset = self.rng.pick(&[ten_years, -ten_years, HOUR.cast_signed()]);
                self.hosts[number].set_wall(offset);
            }
            Trouble::Dies | Trouble::DropsSilently => self.destroy(number, trouble == Trouble::Dies),
            Trouble::OwnerTakenOver => {
                let owner = number % self.owners.len();
                if !self.owners[owner].taken_over {
                    self.owners[owner].taken_over = true;
                    self.after(0, Event::Attack(owner));
                    self.after(lasts.min(10 * DAY), Event::Heal(owner, Trouble::OwnerTakenOver));
                }
                return;
            }
        }
        if t + lasts < self.end - QUIET {
            self.after(lasts, Event::Heal(number, trouble));
        }
    }

    fn crash(&mut self, number: usize, off_ms: u64) {
        self.hosts[number].crash(self.t, off_ms);
        if number >= self.owners.len() {
            return;
        }
        // The owner forgets what it had not saved, and begins again what was under way.
        self.owners[number].peers = self.owners[number].saved_peers.clone();
        let under_way: Vec<(usize, Check)> =
            self.owners[number].peers.iter().filter_map(|(peer, view)| Some((*peer, view.under_way()?))).collect();
        for (peer, check) in under_way {
            let number_of_check = CHECKS.iter().position(|one| *one == check).expect("listed");
            let event = Event::Check(number, peer, u8::try_from(number_of_check).expect("small"));
            let back = self.hosts[number].off_until.saturating_sub(self.t);
            self.after(back + HOUR / 6, event);
        }
    }

    /// A box dies for good, or drops a part of what it holds and says nothing. Never more boxes than the stripes bear.
    fn destroy(&mut self, number: usize, all: bool) {
        if !self.may_fail(number) {
            return;
        }
        let share = self.rng.pick(&[1, 10, 50, 100]);
        for owner in 0..self.owners.len() {
            for shard in self.hosts[number].inventory(owner) {
                if !all && !self.rng.percent(share) {
                    continue;
                }
                self.hosts[number].drop_silently(owner, &shard);
                if let Some(pack) = self.owners[owner].pack_of(&shard) {
                    self.owners[owner].pack(&pack).destroyed |= 1 << number;
                }
            }
            if all {
                // What was on its way there, or comes there later, is lost with it.
                self.owners[owner].packs.iter_mut().for_each(|pack| pack.destroyed |= 1 << number);
            }
        }
        if all {
            self.hosts[number].dies();
        }
    }

    /// Whether one more box may cost its owners what it holds.
    pub(super) fn may_fail(&mut self, number: usize) -> bool {
        let may = number >= self.owners.len() && self.may_destroy > 0;
        self.may_destroy -= usize::from(may);
        self.seen.destroyed += u64::from(may);
        may
    }

    /// From now on a box says what is not so; whose lies cost shards counts among the boxes that failed.
    pub(super) fn begin_to_lie(&mut self) {
        let number = usize::try_from(self.rng.range(0, self.hosts.len() as u64)).expect("small");
        let (lie, days) = (self.rng.pick(&LIES), self.rng.range(1, 30));
        if lie == Lie::Replays {
            self.destroy(number, false);
        } else if lie.costs_shards() && !self.may_fail(number) {
            return;
        }
        self.hosts[number].lie = Some(lie);
        // Until people have put it right; in the end they have.
        self.troubled_until = self.troubled_until.max(self.t + days * DAY);
        self.after(days * DAY, Event::Honest(number));
    }

    pub(super) fn heal(&mut self, number: usize, trouble: Trouble) {
        let host = &mut self.hosts[number];
        match trouble {
            Trouble::Island => host.island = 0,
            Trouble::Unmounted | Trouble::Full | Trouble::ReadOnly => host.disk = Disk::Fine,
            Trouble::Slow => host.slow = false,
            Trouble::Overloaded => host.overloaded = false,
            Trouble::Flaps => host.flaps = false,
            Trouble::WallClock => host.set_wall(0),
            Trouble::OwnerTakenOver => self.rescue(number),
            Trouble::Crash | Trouble::Away | Trouble::Dies | Trouble::DropsSilently => {}
        }
    }

    /// Somebody with all the keys of an owner's box, but not the kit, wants its backups gone.
    pub(super) fn attack(&mut self, owner: usize) {
        if !self.owners[owner].taken_over {
            return;
        }
        self.after(6 * HOUR, Event::Attack(owner));
        let peers: Vec<usize> = self.owners[owner].peers.keys().copied().collect();
        for peer in peers.into_iter().filter(|peer| *peer != owner) {
            if !self.reach(owner, peer) {
                continue;
            }
            let all = self.hosts[peer].inventory(owner);
            // At once, or as much as may be without the brake.
            let list = if self.rng.percent(50) { &all[..] } else { &all[..all.len() / 10] };
            if let Some(Condemned::BrakePulled { .. }) = self.hosts[peer].condemn(self.t, owner, list) {
                self.owners[owner].alerted = true;
                self.seen.brakes += 1;
            }
        }
    }

    /// People have their box again: they spare what was condemned, wherever they reach it.
    fn rescue(&mut self, owner: usize) {
        self.owners[owner].taken_over = false;
        let peers: Vec<usize> = self.owners[owner].peers.keys().copied().collect();
        for peer in peers {
            let ids = self.hosts[peer].inventory(owner);
            self.hosts[peer].spare(owner, &ids);
        }
    }

    pub(super) fn quiet(&mut self) {
        for number in 0..self.hosts.len() {
            for trouble in TROUBLES {
                if trouble != Trouble::OwnerTakenOver {
                    self.heal(number, trouble);
                }
            }
            self.hosts[number].wake(self.t);
            self.hosts[number].lie = None;
        }
        (0..self.owners.len())
            .filter(|owner| self.owners[*owner].taken_over)
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|owner| self.rescue(owner));
    }
}
