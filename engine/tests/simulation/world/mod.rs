//! Boxes, what happens to them, and what must hold after each event.

mod books;
mod heads;
mod members;
mod troubles;
mod truth;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use datis_engine::ids::{PackId, ShardId};
use datis_engine::life::audit::{Answer, Finding, RANGES_A_ROUND, Range, Round};
use datis_engine::life::hosting::{Condemned, Window};
use datis_engine::life::peer::{self, Check, Effect, Standing};
use datis_engine::life::placement::{AddressBlock, Candidate, Domains};
use datis_engine::life::repair::THIN_AFTER;
use datis_engine::life::stripe::{Progress, ShardState, StripeError};

use crate::host::{DAY, Disk, HOUR, Host, member};
use crate::lies::Lie;
use crate::owner::{BALLAST_BYTES, Owner, Pack};
use crate::rng::Rng;
use crate::world::troubles::Trouble;

const START: u64 = 1_800_000_000_000;
/// At the end nothing goes wrong any more for so long, and then everybody has to know the truth.
const QUIET: u64 = 6 * DAY;
const BALLAST: u64 = 12;
/// The owner's, and 48 others: a table of 4.2 ends there.
const BOXES_MAX: u64 = 49;

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
    Lie,
    Honest(usize),
    Heal(usize, Trouble),
    Attack(usize),
    Housekeeping(usize),
    Books(usize),
    Head(usize),
    LookForHead(usize),
    Rebind(usize),
    Join(usize),
    Leave,
    Left(usize),
    PutOut,
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
    /// Shards that were denied, and taken for lost.
    pub(crate) denied: u64,
    /// Shards that a host signed for and threw away.
    pub(crate) never_kept: u64,
    /// Shards that a list left out, and an audit found.
    pub(crate) contradicted: u64,
    /// Shards that nobody needed and that were condemned.
    pub(crate) unknown: u64,
    pub(crate) heads: u64,
    pub(crate) old_heads: u64,
    pub(crate) forged_heads: u64,
    pub(crate) forks: u64,
    pub(crate) rebound: u64,
    pub(crate) joined: u64,
    pub(crate) left: u64,
    pub(crate) put_out: u64,
    /// Shards that were elsewhere when their holder left.
    pub(crate) moved: u64,
    pub(crate) epochs: u64,
    /// Groups in which a rule could not be kept, and that is said.
    pub(crate) relaxed: u64,
    /// Repairs at a member that fails together with another holder, because nobody else was free.
    pub(crate) shared: u64,
    /// Worlds of 48 others.
    pub(crate) largest: u64,
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
        self.denied += other.denied;
        self.never_kept += other.never_kept;
        self.contradicted += other.contradicted;
        self.unknown += other.unknown;
        self.heads += other.heads;
        self.old_heads += other.old_heads;
        self.forged_heads += other.forged_heads;
        self.forks += other.forks;
        self.rebound += other.rebound;
        self.joined += other.joined;
        self.left += other.left;
        self.put_out += other.put_out;
        self.moved += other.moved;
        self.epochs += other.epochs;
        self.relaxed += other.relaxed;
        self.shared += other.shared;
        self.largest += other.largest;
    }
}

pub(crate) struct World {
    t: u64,
    end: u64,
    rng: Rng,
    hosts: Vec<Host>,
    owners: Vec<Owner>,
    /// What each box shares with others.
    domains: Vec<Domains>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    queued: u64,
    round_every: u64,
    /// Boxes that may still die or lie: never more than the stripes of anybody bear.
    may_destroy: usize,
    /// Until when something is wrong, as far as it can be said.
    troubled_until: u64,
    /// The sum of all changes when it was last looked at what has to hold.
    looked_at: u64,
    seen: Seen,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let boxes = match rng.range(0, 40) {
            0..24 => rng.range(1, 11),
            24..35 => rng.range(8, 20),
            35..39 => rng.range(20, 50),
            _ => BOXES_MAX,
        };
        let days = rng.range(6, 14 + 300 / (boxes + 3));
        // Who comes in later is a box that nobody knows yet.
        let later = if boxes > 1 { rng.range(0, 3).min(BOXES_MAX - boxes) } else { 0 };
        let (boxes, later) = (usize::try_from(boxes).expect("small"), usize::try_from(later).expect("small"));
        let window = Window::of_days(rng.pick(&[30, 30, 90]));
        let owner_count = if boxes > 1 && boxes < 12 && rng.percent(30) { 2 } else { 1 };
        let members: Vec<_> = (0..owner_count).map(member).collect();
        let mut hosts: Vec<Host> =
            (0..boxes + later).map(|number| Host::new(number, &members, window, START)).collect();
        // In some worlds nobody shares anything, or a table of 48 sites would never have as many.
        let shares = rng.percent(70);
        let domains: Vec<Domains> = (0..boxes + later).map(|_| domains(shares, &mut rng)).collect();
        let candidates: Vec<Candidate> = (0..boxes).map(|number| candidate(number, &domains[number])).collect();
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
            round_every: if days > 30 || boxes > 12 { 2 * HOUR } else { HOUR / 2 },
            rng,
            hosts,
            owners,
            domains,
            queue: BinaryHeap::new(),
            queued: 0,
            may_destroy,
            troubled_until: START,
            looked_at: 0,
            seen: Seen::default(),
        };
        world.seen.largest += u64::from(world.owners.iter().any(|owner| owner.width() == Some(45)));
        world.lay_out(boxes, days);
        world
    }

    /// The first events, and the ballast that is there from the start.
    fn lay_out(&mut self, boxes: usize, days: u64) {
        for number in 0..self.hosts.len() {
            let at = self.rng.range(0, HOUR);
            self.after(at, Event::Tick(number));
        }
        for owner in 0..self.owners.len() {
            self.rules_are_kept(owner);
            for peer in 0..boxes {
                let ids: Vec<ShardId> = (0..BALLAST).map(|number| ballast(owner, peer, number)).collect();
                if peer != owner {
                    let stored = ids.iter().all(|id| self.hosts[peer].store(self.t, owner, *id, BALLAST_BYTES, false));
                    assert!(stored, "a new host takes what it is given");
                    self.owners[owner].ballast.insert(peer, ids);
                }
            }
            let often = [Event::Round(owner), Event::Plan(owner), Event::Housekeeping(owner), Event::Head(owner)];
            for event in often {
                let at = self.rng.range(0, HOUR);
                self.after(at, event);
            }
            let at = self.rng.range(0, DAY);
            self.after(at, Event::Books(owner));
            let at = self.rng.range(DAY, 8 * DAY);
            self.after(at, Event::LookForHead(owner));
            if self.rng.percent(30) {
                let at = self.rng.range(DAY, days * DAY);
                self.after(at, Event::Rebind(owner));
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
        for _ in 0..self.rng.range(0, 5) {
            let at = self.rng.range(0, self.end - QUIET - START);
            self.after(at, Event::Lie);
        }
        for number in boxes..self.hosts.len() {
            let at = self.rng.range(HOUR, days * DAY);
            self.after(at, Event::Join(number));
        }
        if self.rng.percent(40) {
            let last = if days > 32 { days - 31 } else { days };
            let at = self.rng.range(HOUR, last * DAY);
            self.after(at, Event::Leave);
        }
        if self.rng.percent(25) {
            let at = self.rng.range(HOUR, days * DAY);
            self.after(at, Event::PutOut);
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
            self.look();
        }
        self.everybody_knows_the_truth();
        self.seen
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Tick(number) => self.tick(number),
            Event::Round(owner) => self.round(owner),
            Event::Check(owner, peer, check) => self.check(owner, peer, check),
            Event::Plan(owner) => self.plan(owner),
            Event::Send(owner, pack, index, peer) => self.send(owner, pack, index, peer),
            Event::NewPack(owner) => self.new_pack(owner),
            Event::Fault => self.fault(),
            Event::Lie => self.begin_to_lie(),
            Event::Honest(number) => self.hosts[number].lie = None,
            Event::Heal(number, trouble) => self.heal(number, trouble),
            Event::Attack(owner) => self.attack(owner),
            Event::Housekeeping(owner) => self.housekeeping(owner),
            Event::Books(owner) => self.books(owner),
            Event::Head(owner) => self.make_head(owner),
            Event::LookForHead(owner) => self.look_for_head(owner),
            Event::Rebind(owner) => self.rebind(owner),
            Event::Join(number) => self.join(number),
            Event::Leave => self.leave(),
            Event::Left(number) => self.left(number),
            Event::PutOut => self.put_out(),
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
                    let mut nonce = [0; 32];
                    nonce[..8].copy_from_slice(&self.rng.next().to_le_bytes());
                    let answer = self.hosts[peer].answer(owner, &id, &nonce);
                    let finding = answer.judge();
                    // An honest host that says that a shard is there has just looked.
                    if finding != Finding::Good || self.hosts[peer].lie.is_some() {
                        self.is_true(owner, peer, &id, finding);
                    }
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

    /// Only what is truly not there, or is denied, may be taken for lost.
    fn proven_lost(&mut self, owner: usize, peer: usize, id: ShardId, pack: Option<PackId>, answer: Answer) {
        let (is_there, is_denied) = (self.hosts[peer].truly_has(owner, &id), self.hosts[peer].denies());
        assert!(!is_there || is_denied, "{answer:?} was taken for a loss of what is there");
        self.seen.losses += 1;
        self.seen.denied += u64::from(is_there);
        if is_denied {
            self.hosts[peer].has_failed(owner);
        }
        let owner = &mut self.owners[owner];
        match pack {
            Some(pack) => {
                if owner.map_mut().lost(&pack, &member(peer)) {
                    owner.pack(&pack).losses += 1;
                }
                owner.pack(&pack).destroyed |= 1 << peer;
                let still_counts = |(holder, _, state)| holder == member(peer) && state == ShardState::Held;
                assert!(!owner.map().places(&pack).any(still_counts), "what is proven lost still counts");
            }
            None => {
                owner.version += 1;
                owner.ballast.get_mut(&peer).expect("ballast").retain(|one| *one != id);
            }
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

    fn check(&mut self, owner: usize, peer: usize, number: u8) {
        if !self.owners[owner].peers.contains_key(&peer) {
            return;
        }
        if !self.hosts[owner].is_up(self.t) {
            // What was under way is begun again.
            let back = self.hosts[owner].off_until.saturating_sub(self.t);
            return self.after(back + HOUR / 6, Event::Check(owner, peer, number));
        }
        let check = CHECKS[usize::from(number)];
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
        one.map_mut().place(id, &group).expect("a new pack");
        let (safe, fully, local) = (false, false, true);
        one.packs.push(Pack {
            id,
            redundancy: group.redundancy,
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
        let place = self.owners[owner].map().places(&id).find(|(to, at, _)| *to == member(peer) && *at == index);
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
            let withdrawn = one.map_mut().withdraw(&id, &member(peer));
            one.packs[pack].withdrawn += u32::from(withdrawn);
            self.seen.refused += 1;
            return;
        }
        if is_stored && self.hosts[peer].lie == Some(Lie::KeepsNothing) {
            self.owners[owner].packs[pack].destroyed |= 1 << peer;
            self.seen.never_kept += 1;
        }
        // The receipt is lost on the way, or with the owner's power before it was saved.
        if !is_stored || self.rng.percent(3) {
            let again = self.rng.range(HOUR / 2, 3 * HOUR);
            return self.after(again, Event::Send(owner, pack, index, peer));
        }
        let progress = self.owners[owner].map_mut().receipt(id, index, member(peer)).expect("it was sent there");
        self.is_as_safe_as_said(owner, pack, progress);
        let one = &mut self.owners[owner].packs[pack];
        match progress {
            Progress::OffSiteSafe => {
                one.safe = true;
                self.seen.safe += 1;
            }
            Progress::FullyProtected => (one.safe, one.fully) = (true, true),
            Progress::Known | Progress::Counted => {}
        }
    }

    /// Repairs: those that are planned are begun, and none is planned twice.
    fn plan(&mut self, owner: usize) {
        self.after(HOUR, Event::Plan(owner));
        if !self.hosts[owner].is_up(self.t) || self.owners[owner].taken_over {
            return;
        }
        let now = self.hosts[owner].now(self.t);
        let presences = self.owners[owner].presences(now);
        let missed = presences.iter().fold(0_u64, |bits, (peer, presence)| {
            bits | u64::from(!presence.counts || presence.silent >= THIN_AFTER) << peer.as_bytes()[0]
        });
        let one = &self.owners[owner];
        let has_room =
            |peer: usize| !one.leaving.contains(&peer) && one.full.get(&peer).is_none_or(|until| *until <= self.t);
        let known = one.peers.keys().map(|peer| (has_room(*peer), candidate(*peer, &self.domains[*peer])));
        let known = known.map(|(has_room, one)| if has_room { one } else { Candidate { room_bytes: 0, ..one } });
        let candidates: Vec<Candidate> = known.collect();
        self.owners[owner].packs.iter_mut().for_each(|pack| pack.missed |= missed);
        let plan = self.owners[owner].map().plan_repairs(&presences, &candidates, 1_000);
        for order in &plan.orders {
            self.is_apart_if_it_can_be(owner, (order, &plan), &presences, &candidates);
            let one = &mut self.owners[owner];
            one.map_mut().begin_order(order).expect("a plan orders what can be begun");
            let at = one.packs.iter().position(|pack| pack.id == order.pack).expect("known");
            let pack = &mut one.packs[at];
            pack.repairs += 1;
            pack.swaps += u32::from(order.replaces.is_some());
            let causes = pack.missed.count_ones() + pack.losses + pack.swaps + pack.withdrawn;
            assert!(pack.repairs <= causes, "{} repairs of a pack for {causes} causes: {order:?}", pack.repairs);
            self.seen.repairs += 1;
            let peer = usize::from(order.to.as_bytes()[0]);
            assert!(self.owners[owner].peers.contains_key(&peer), "a repair goes to a box that is no member");
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
        let view = one.map().view(&presences);
        for at in 0..one.packs.len() {
            let pack = &one.packs[at];
            if !(goes && pack.local && pack.safe) {
                continue;
            }
            let id = pack.id;
            match one.map_mut().forget_local(id, &view) {
                Ok(()) => one.packs[at].local = false,
                Err(StripeError::NotSafe { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        self.regroup_if_members_changed(owner);
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

fn candidate(number: usize, domains: &Domains) -> Candidate {
    Candidate { member: member(number), domains: domains.clone(), room_bytes: 1 << 40 }
}

fn domains(shares: bool, rng: &mut Rng) -> Domains {
    if !shares {
        return Domains::default();
    }
    let shared = |rng: &mut Rng, chance, of| rng.percent(chance).then(|| rng.range(0, of).to_string());
    let block = rng.percent(20).then(|| rng.range(0, 8) as u8);
    Domains {
        customer: shared(rng, 20, 6),
        site: shared(rng, 20, 8),
        blocks: block.map(|block| AddressBlock::of_v4([192, 0, block, 1])).into_iter().collect(),
        reseller: shared(rng, 50, 4),
        ring: shared(rng, 50, 3),
    }
}
