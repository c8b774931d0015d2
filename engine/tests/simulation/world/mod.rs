//! Boxes, what happens to them, and what must hold after each event.

mod troubles;
mod truth;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use datis_engine::ids::{PackId, ShardId};
use datis_engine::life::audit::{Answer, Finding, RANGES_A_ROUND, Range, Round};
use datis_engine::life::hosting::{Condemned, Window};
use datis_engine::life::peer::{self, Check, Effect, Standing};
use datis_engine::life::placement::{Candidate, Domains};
use datis_engine::life::repair::THIN_AFTER;
use datis_engine::life::stripe::{Progress, ShardState, StripeError};

use crate::host::{DAY, Disk, HOUR, Host, member};
use crate::owner::{BALLAST_BYTES, Owner, Pack};
use crate::rng::Rng;
use crate::world::troubles::Trouble;

const START: u64 = 1_800_000_000_000;
/// At the end nothing goes wrong any more for so long, and then everybody has to know the truth.
const QUIET: u64 = 6 * DAY;
const BALLAST: u64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Tick(usize),
    Round(usize),
    Check(usize, usize, u8),
    Plan(usize),
    /// Owner, position of the pack, shard, peer.
    Send(usize, usize, usize, usize),
    NewPack(usize),
    Fault,
    Heal(usize, Trouble),
    Attack(usize),
    Housekeeping(usize),
    Quiet,
}

/// What one run saw, so that a run that saw nothing is noticed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    pub(crate) safe: u64,
    pub(crate) losses: u64,
    pub(crate) repairs: u64,
    pub(crate) erased: u64,
    pub(crate) brakes: u64,
    pub(crate) returned: u64,
    pub(crate) destroyed: u64,
    pub(crate) refused: u64,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.safe += other.safe;
        self.losses += other.losses;
        self.repairs += other.repairs;
        self.erased += other.erased;
        self.brakes += other.brakes;
        self.returned += other.returned;
        self.destroyed += other.destroyed;
        self.refused += other.refused;
    }
}

pub(crate) struct World {
    t: u64,
    end: u64,
    rng: Rng,
    hosts: Vec<Host>,
    owners: Vec<Owner>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    queued: u64,
    round_every: u64,
    /// Boxes that may still die or lie: never more than the stripes of anybody bear.
    may_destroy: usize,
    /// Whether what has to hold for packs must be looked at again.
    dirty: bool,
    seen: Seen,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let boxes = match rng.range(0, 20) {
            0..12 => rng.range(1, 11),
            12..18 => rng.range(8, 20),
            _ => rng.range(20, 49),
        };
        let boxes = usize::try_from(boxes).expect("small");
        let days = rng.range(6, 14 + 300 / (boxes as u64 + 3));
        let window = Window::of_days(rng.pick(&[30, 30, 90]));
        let owner_count = if boxes > 1 && boxes < 12 && rng.percent(30) { 2 } else { 1 };
        let members: Vec<_> = (0..owner_count).map(member).collect();
        let mut hosts: Vec<Host> = (0..boxes).map(|number| Host::new(number, &members, window, START)).collect();
        let candidates: Vec<Candidate> = (0..boxes).map(|number| candidate(number, &mut rng)).collect();
        let owners: Vec<Owner> = (0..owner_count)
            .map(|number| {
                let others: Vec<_> = candidates.iter().filter(|one| one.member != member(number)).cloned().collect();
                Owner::new(number, &others, hosts[number].now(START))
            })
            .collect();
        let parities = owners.iter().filter_map(|owner| Some(owner.group.as_ref()?.redundancy.parity()));
        let may_destroy = parities.min().unwrap_or(0);
        let mut world = Self {
            t: START,
            end: START + days * DAY + QUIET,
            round_every: if days > 30 || boxes > 16 { 2 * HOUR } else { HOUR / 2 },
            rng,
            hosts,
            owners,
            queue: BinaryHeap::new(),
            queued: 0,
            may_destroy,
            dirty: true,
            seen: Seen::default(),
        };
        world.lay_out();
        world
    }

    /// The first events, and the ballast that is there from the start.
    fn lay_out(&mut self) {
        for number in 0..self.hosts.len() {
            let at = self.rng.range(0, HOUR);
            self.after(at, Event::Tick(number));
        }
        for owner in 0..self.owners.len() {
            for peer in 0..self.hosts.len() {
                let ids: Vec<ShardId> = (0..BALLAST).map(|number| ballast(owner, peer, number)).collect();
                if peer != owner {
                    let stored = ids.iter().all(|id| self.hosts[peer].store(self.t, owner, *id, BALLAST_BYTES, false));
                    assert!(stored, "a new host takes what it is given");
                    self.owners[owner].ballast.insert(peer, ids);
                }
            }
            for event in [Event::Round(owner), Event::Plan(owner), Event::Housekeeping(owner)] {
                let at = self.rng.range(0, HOUR);
                self.after(at, event);
            }
            for _ in 0..self.rng.range(1, 6) {
                let at = self.rng.range(0, (self.end - QUIET - START) / 2);
                self.after(at, Event::NewPack(owner));
            }
        }
        for _ in 0..self.rng.range(0, 12) {
            let at = self.rng.range(HOUR, self.end - QUIET - START);
            self.after(at, Event::Fault);
        }
        self.after(self.end - QUIET - START, Event::Quiet);
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse((self.t + delay, self.queued, event)));
    }

    pub(crate) fn run(mut self) -> Seen {
        while let Some(Reverse((t, _, event))) = self.queue.pop() {
            if t > self.end {
                break;
            }
            self.t = t;
            self.seen.events += 1;
            self.handle(event);
            if self.dirty {
                self.dirty = false;
                self.packs_are_still_there();
            }
        }
        self.everybody_knows_the_truth();
        self.seen
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Tick(number) => self.tick(number),
            Event::Round(owner) => self.round(owner),
            Event::Check(owner, peer, check) => self.check(owner, peer, CHECKS[usize::from(check)]),
            Event::Plan(owner) => self.plan(owner),
            Event::Send(owner, pack, index, peer) => self.send(owner, pack, index, peer),
            Event::NewPack(owner) => self.new_pack(owner),
            Event::Fault => self.fault(),
            Event::Heal(number, trouble) => self.heal(number, trouble),
            Event::Attack(owner) => self.attack(owner),
            Event::Housekeeping(owner) => self.housekeeping(owner),
            Event::Quiet => self.quiet(),
        }
    }

    fn reach(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.hosts[one], &self.hosts[other]);
        let flapped_off = |host: &Host| host.flaps && (self.t / HOUR).is_multiple_of(2);
        a.is_up(self.t) && b.is_up(self.t) && a.island == b.island && !flapped_off(a) && !flapped_off(b)
    }

    fn tick(&mut self, number: usize) {
        self.after(HOUR, Event::Tick(number));
        if !self.hosts[number].is_up(self.t) {
            return;
        }
        for (owner, shard) in self.hosts[number].tick(self.t) {
            self.seen.erased += 1;
            if let Some(pack) = self.owners[owner].pack_of(&shard) {
                self.owners[owner].pack(&pack).destroyed |= 1 << number;
                self.dirty = true;
            }
        }
    }

    /// A round of audits of every peer.
    fn round(&mut self, owner: usize) {
        self.after(self.round_every, Event::Round(owner));
        if !self.hosts[owner].is_up(self.t) {
            return;
        }
        self.owners[owner].saved_peers = self.owners[owner].peers.clone();
        let peers: Vec<usize> = self.owners[owner].peers.keys().copied().collect();
        for peer in peers {
            let round = if self.reach(owner, peer) {
                let seed = self.rng.next().to_le_bytes();
                let ranges = self.owners[owner].audited(peer).shelf.draw(&seed, RANGES_A_ROUND);
                self.ask(owner, peer, &ranges)
            } else {
                Round { absent: 1, ..Round::default() }
            };
            self.step(owner, peer, peer::Event::Round(round));
        }
    }

    fn ask(&mut self, owner: usize, peer: usize, ranges: &[Range]) -> Round {
        if ranges.is_empty() {
            return Round::greeting();
        }
        let shards = Rc::clone(&self.owners[owner].audited(peer).shards);
        let mut asked: BTreeMap<usize, Finding> = BTreeMap::new();
        let mut round = Round::default();
        for range in ranges {
            let (id, pack) = shards[range.shard];
            let finding = match asked.get(&range.shard) {
                Some(finding) => *finding,
                None => {
                    let answer = self.hosts[peer].answer(owner, &id, self.rng.percent(50));
                    let finding = answer.judge();
                    if finding == Finding::Loss {
                        self.proven_lost(owner, peer, id, pack, answer);
                    }
                    asked.insert(range.shard, finding);
                    finding
                }
            };
            round.add(finding);
        }
        round
    }

    /// Only what is truly not there may be taken for lost.
    fn proven_lost(&mut self, owner: usize, peer: usize, id: ShardId, pack: Option<PackId>, answer: Answer) {
        assert!(!self.hosts[peer].truly_has(owner, &id), "{answer:?} was taken for a loss of what is there");
        self.seen.losses += 1;
        let owner = &mut self.owners[owner];
        owner.version += 1;
        match pack {
            Some(pack) => {
                if owner.map.lost(&pack, &member(peer)) {
                    owner.pack(&pack).losses += 1;
                }
            }
            None => owner.ballast.get_mut(&peer).expect("ballast").retain(|one| *one != id),
        }
    }

    fn step(&mut self, owner: usize, peer: usize, event: peer::Event) {
        let now = self.hosts[owner].now(self.t);
        let effects = self.owners[owner].peers.get_mut(&peer).expect("a peer").step(now, event);
        for effect in effects {
            match effect {
                Effect::Changed { from, to } => self.changed(owner, peer, from, to),
                Effect::Look(check) => self.begin_check(owner, peer, check),
            }
        }
    }

    fn begin_check(&mut self, owner: usize, peer: usize, check: Check) {
        let number = CHECKS.iter().position(|one| *one == check).expect("listed");
        self.after(HOUR / 6, Event::Check(owner, peer, u8::try_from(number).expect("small")));
    }

    fn changed(&mut self, owner: usize, peer: usize, from: Standing, to: Standing) {
        if to == Standing::Suspect {
            let lost = self.owners[owner].packs.iter().any(|pack| pack.destroyed & 1 << peer != 0);
            assert!(lost || self.hosts[peer].shelves[&owner].has_dropped(), "peer {peer} is suspected for nothing");
        }
        if to == Standing::Ok && matches!(from, Standing::Absent | Standing::Gone) {
            self.seen.returned += 1;
        }
    }

    fn check(&mut self, owner: usize, peer: usize, check: Check) {
        if !self.hosts[owner].is_up(self.t) {
            return;
        }
        let round = if self.reach(owner, peer) {
            let seed = self.rng.next().to_le_bytes();
            let shelf = &self.owners[owner].audited(peer).shelf;
            let ranges = match check.ranges() {
                Some(count) => shelf.draw(&seed, count as usize),
                None => shelf.draw_each(&seed),
            };
            self.ask(owner, peer, &ranges)
        } else {
            Round { absent: 1, ..Round::default() }
        };
        self.step(owner, peer, peer::Event::Checked(check, round));
    }

    fn new_pack(&mut self, owner: usize) {
        let number = self.owners[owner].packs.len();
        let mut bytes = [0; PackId::LEN];
        bytes[..8].copy_from_slice(&self.rng.next().to_le_bytes());
        bytes[30] = u8::try_from(number).expect("few packs");
        let (id, shard_bytes) = (PackId::from_bytes(bytes), u32::try_from(self.rng.range(1, 80_000)).expect("small"));
        let Some(group) = self.owners[owner].group.clone() else { return };
        let one = &mut self.owners[owner];
        one.map.place(id, &group).expect("a new pack");
        let (safe, fully, local) = (false, false, true);
        one.packs.push(Pack {
            id,
            shard_bytes,
            safe,
            fully,
            local,
            destroyed: 0,
            missed: 0,
            losses: 0,
            repairs: 0,
            swaps: 0,
            withdrawn: 0,
        });
        for index in 0..group.redundancy.width() {
            let peer = usize::from(group.member_for(&id, index).as_bytes()[0]);
            let at = self.rng.range(0, HOUR);
            self.after(at, Event::Send(owner, number, index, peer));
        }
    }

    fn send(&mut self, owner: usize, pack: usize, index: usize, peer: usize) {
        let (id, len) = (self.owners[owner].packs[pack].id, self.owners[owner].packs[pack].shard_bytes);
        let place = self.owners[owner].map.places(&id).find(|(to, at, _)| *to == member(peer) && *at == index);
        if place.is_none_or(|(.., state)| state != ShardState::Sending) {
            return;
        }
        let shard = self.owners[owner].shard_id(&id, index);
        let crashes = self.rng.percent(2);
        let slow = self.hosts[peer].slow && self.rng.percent(50);
        let is_made = self.reach(owner, peer) && !slow && !self.owners[owner].taken_over;
        let is_stored = is_made && self.hosts[peer].store(self.t, owner, shard, len, crashes);
        let refuses = is_made && matches!(self.hosts[peer].disk, Disk::Full | Disk::ReadOnly);
        if refuses && self.rng.percent(30) {
            let one = &mut self.owners[owner];
            one.full.insert(peer, self.t + DAY);
            one.packs[pack].withdrawn += u32::from(one.map.withdraw(&id, &member(peer)));
            self.seen.refused += 1;
            return;
        }
        // The receipt is lost on the way, or with the owner's power before it was saved.
        if !is_stored || self.rng.percent(3) {
            let again = self.rng.range(HOUR / 2, 3 * HOUR);
            return self.after(again, Event::Send(owner, pack, index, peer));
        }
        let progress = self.owners[owner].map.receipt(id, index, member(peer)).expect("it was sent there");
        self.owners[owner].version += 1;
        let one = &mut self.owners[owner].packs[pack];
        match progress {
            Progress::OffSiteSafe => {
                one.safe = true;
                self.seen.safe += 1;
            }
            Progress::FullyProtected => (one.safe, one.fully) = (true, true),
            Progress::Known | Progress::Counted => {}
        }
        self.dirty = true;
    }

    /// Repairs: those that are planned are begun, and none is planned twice.
    fn plan(&mut self, owner: usize) {
        self.after(HOUR, Event::Plan(owner));
        if !self.hosts[owner].is_up(self.t) || self.owners[owner].taken_over {
            return;
        }
        let now = self.hosts[owner].now(self.t);
        let presences = self.owners[owner].presences(now);
        let missed = self.owners[owner].peers.iter().fold(0_u64, |bits, (peer, view)| {
            let presence = view.presence(now);
            bits | u64::from(!presence.counts || presence.silent >= THIN_AFTER) << peer
        });
        let one = &self.owners[owner];
        let has_room = |peer: &&usize| one.full.get(*peer).is_none_or(|until| *until <= self.t);
        let targets: Vec<_> = one.peers.keys().filter(has_room).map(|peer| member(*peer)).collect();
        self.owners[owner].packs.iter_mut().for_each(|pack| pack.missed |= missed);
        let plan = self.owners[owner].map.plan_repairs(&presences, &targets, 1_000);
        for order in plan.orders {
            let one = &mut self.owners[owner];
            one.map.begin_order(&order).expect("a plan orders what can be begun");
            let at = one.packs.iter().position(|pack| pack.id == order.pack).expect("known");
            let pack = &mut one.packs[at];
            pack.repairs += 1;
            pack.swaps += u32::from(order.replaces.is_some());
            one.version += 1;
            let causes = pack.missed.count_ones() + pack.losses + pack.swaps + pack.withdrawn;
            assert!(pack.repairs <= causes, "{} repairs of a pack for {causes} causes: {order:?}", pack.repairs);
            self.seen.repairs += 1;
            let peer = usize::from(order.to.as_bytes()[0]);
            self.after(HOUR / 2, Event::Send(owner, at, order.index, peer));
        }
    }

    /// Retention: some packs live only outside after a while, and a little ballast is condemned within the allowance.
    fn housekeeping(&mut self, owner: usize) {
        self.after(DAY, Event::Housekeeping(owner));
        if !self.hosts[owner].is_up(self.t) || self.owners[owner].taken_over {
            return;
        }
        let now = self.hosts[owner].now(self.t);
        let presences = self.owners[owner].presences(now);
        let goes = self.rng.percent(10);
        let one = &mut self.owners[owner];
        let view = one.map.view(&presences);
        for pack in one.packs.iter_mut().filter(|pack| pack.local && pack.safe && goes) {
            match one.map.forget_local(pack.id, &view) {
                Ok(()) => pack.local = false,
                Err(StripeError::NotSafe { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        let peers: Vec<usize> = self.owners[owner].peers.keys().copied().collect();
        for peer in peers {
            if !self.reach(owner, peer) || self.hosts[peer].condemnable(self.t, owner) < u64::from(BALLAST_BYTES) {
                continue;
            }
            let Some(id) = self.owners[owner].ballast.get(&peer).and_then(|ids| ids.last().copied()) else { continue };
            match self.hosts[peer].condemn(self.t, owner, &[id]) {
                None | Some(Condemned::Frozen { .. }) => {}
                Some(Condemned::Taken { .. }) => {
                    self.owners[owner].ballast.get_mut(&peer).expect("ballast").pop();
                    self.owners[owner].version += 1;
                }
                Some(Condemned::BrakePulled { .. }) => panic!("an honest owner pulled the brake"),
            }
        }
    }
}

const CHECKS: [Check; 3] = [Check::Return, Check::Sweep, Check::EveryShard];

fn ballast(owner: usize, peer: usize, number: u64) -> ShardId {
    let text = format!("ballast {owner} {peer} {number}");
    let mut bytes = [0xff; ShardId::LEN];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    ShardId::from_bytes(bytes)
}

fn candidate(number: usize, rng: &mut Rng) -> Candidate {
    let shared = |rng: &mut Rng, chance, of| rng.percent(chance).then(|| rng.range(0, of).to_string());
    let domains = Domains {
        customer: shared(rng, 20, 6),
        site: shared(rng, 20, 8),
        blocks: Vec::new(),
        reseller: shared(rng, 50, 4),
        ring: shared(rng, 50, 3),
    };
    Candidate { member: member(number), domains, room_bytes: 1 << 40 }
}
