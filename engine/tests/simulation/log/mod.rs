//! The log of a community among its boxes, from a seed: what `engine/src/community` makes of what boxes tell one another, driven
//! through partitions, power cuts, wrong clocks, absences of months, boxes that are stolen and kits that are stolen.
//!
//! What must hold is looked at whenever a log changes (`truth.rs`). `DATIS_SEED=n cargo test -p datis-engine --test simulation
//! seeds_of_the_log` runs one seed alone.

mod node;
mod people;
mod thieves;
mod truth;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use datis_engine::community::entry::{Change, Domains};
use datis_engine::community::log::{Comparison, LogError, compare};
use datis_engine::community::proposals::majority;
use datis_engine::community::roster::{Rights, Standing};
use datis_engine::ids::MemberId;

use self::node::{By, Hands, Node, Taken, Told};
use self::people::{ADMINS_MAX, DEVICES, MEMBERS_MAX, admit, community, name, person, signed};
use self::truth::Truth;
use crate::host::{DAY, HOUR};
use crate::rng::Rng;

const START: u64 = 1_800_000_000_000;
/// At the end nothing goes wrong any more for so long but for what thieves do, and then everybody has to know the same.
const QUIET: u64 = 9 * DAY;
/// And in the last of these days thieves rest as well: what they said is held back for three.
const CALM: u64 = 4 * DAY;
/// Boxes that come in later.
const LATER: usize = 2;
/// An exchange goes so many times to and fro at most.
const TURNS_MAX: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A box compares notes with another one.
    Compare(usize),
    /// The people of a box do what is to be done at it.
    People(usize),
    /// A box says something of itself.
    Word(usize),
    /// An admin decides something.
    Decide(usize),
    Leave(usize),
    /// Something goes wrong for a while.
    Fault,
    Mend(usize),
    /// A box is switched off until the quiet days come.
    Away(usize),
    /// A box is lost, and its owner has another one after a while.
    Lost(usize),
    ComesBack(usize),
    /// Somebody takes a box, or a kit, away.
    BoxStolen,
    KitStolen,
    /// Thieves do what they can.
    Thief(usize),
    ThiefConfirms(usize),
    Quiet,
}

/// What the runs saw, so that runs that saw nothing are noticed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    events: u64,
    entries: u64,
    gave_way: u64,
    parted: u64,
    chosen: u64,
    put_out: u64,
    in_pieces: u64,
    held: u64,
    freed: u64,
    rebound: u64,
    stolen_boxes: u64,
    stolen_kits: u64,
    refused: u64,
    forged: u64,
    read_only: u64,
    left: u64,
    away: u64,
    /// Communities of two admins, one of whose boxes was stolen and has put the other one out.
    taken_over: u64,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.entries += other.entries;
        self.gave_way += other.gave_way;
        self.parted += other.parted;
        self.chosen += other.chosen;
        self.put_out += other.put_out;
        self.in_pieces += other.in_pieces;
        self.held += other.held;
        self.freed += other.freed;
        self.rebound += other.rebound;
        self.stolen_boxes += other.stolen_boxes;
        self.stolen_kits += other.stolen_kits;
        self.refused += other.refused;
        self.forged += other.forged;
        self.read_only += other.read_only;
        self.left += other.left;
        self.away += other.away;
        self.taken_over += other.taken_over;
    }
}

/// What all runs have to have seen together.
pub(crate) fn saw_enough(sum: &Seen, seeds: u64) {
    for (count, what) in [
        (sum.entries, "entries"),
        (sum.gave_way, "logs that gave way"),
        (sum.parted, "logs that parted for people to choose"),
        (sum.chosen, "choices of people"),
        (sum.put_out, "members that were put out"),
        (sum.in_pieces, "boxes that caught up in pieces"),
        (sum.held, "words of accused members that were held back"),
        (sum.freed, "boxes that a kit or an admin confirmed"),
        (sum.rebound, "members with another box"),
        (sum.stolen_boxes, "stolen boxes"),
        (sum.stolen_kits, "stolen kits"),
        (sum.refused, "calls of boxes that have no rights any more"),
        (sum.forged, "forged entries"),
        (sum.read_only, "boxes that only read"),
        (sum.left, "members that left"),
        (sum.away, "boxes that were away for months"),
    ] {
        assert!(count >= seeds / 50, "only {count} {what} in {seeds} seeds");
    }
}

pub(crate) struct Circle {
    t: u64,
    end: u64,
    rng: Rng,
    nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    queued: u64,
    truth: Truth,
    /// Members whom people want to put out, since when.
    wanted_out: BTreeMap<MemberId, u64>,
    /// Members that were let in by now or wait for it, by their people's numbers.
    next_person: usize,
    is_quiet: bool,
    seen: Seen,
}

impl Circle {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x006c_6f67);
        let members = usize::try_from(rng.range(2, MEMBERS_MAX as u64 + 1)).expect("small");
        let admins = usize::try_from(rng.range(1, members.min(ADMINS_MAX) as u64 + 1)).expect("small");
        let days = rng.range(6, 12) + if rng.percent(8) { 90 } else { 0 };
        let log = community(members, admins);
        let mut nodes: Vec<Node> = (0..members).map(|number| Node::new(number, 0, Hands::Owner, START)).collect();
        let mut truth = Truth::new(log);
        for node in &mut nodes {
            node.take_log(log.clone(), By::Entering, START);
            truth.entered(node, START);
        }
        let mut circle = Self {
            t: START,
            end: START + days * DAY + QUIET,
            rng,
            nodes,
            queue: BinaryHeap::new(),
            queued: 0,
            truth,
            wanted_out: BTreeMap::new(),
            next_person: members,
            is_quiet: false,
            seen: Seen::default(),
        };
        circle.lay_out(members, admins, days);
        circle
    }

    fn lay_out(&mut self, members: usize, admins: usize, days: u64) {
        for number in 0..members {
            self.begin_to_live(number);
        }
        let until = days * DAY;
        for _ in 0..self.rng.range(1, 10) {
            let number = self.any(members);
            self.some_time(until, Event::Word(number));
        }
        for _ in 0..self.rng.range(0, 6) {
            let number = self.any(admins);
            self.some_time(until, Event::Decide(number));
        }
        for _ in 0..self.rng.range(0, 8) {
            self.some_time(until, Event::Fault);
        }
        for (chance, event) in [
            (25, Event::Leave(self.any(members))),
            (40, Event::Lost(self.any(members))),
            (35, Event::BoxStolen),
            (35, Event::KitStolen),
        ] {
            if self.rng.percent(chance) {
                self.some_time(until, event);
            }
        }
        if days > 60 {
            // Somebody goes away soon, and comes back when all is quiet.
            let number = self.any(members);
            let from = self.rng.range(DAY, 20 * DAY);
            self.after(from, Event::Away(number));
        }
        self.after(until, Event::Quiet);
    }

    fn any(&mut self, count: usize) -> usize {
        usize::try_from(self.rng.range(0, count as u64)).expect("small")
    }

    fn begin_to_live(&mut self, number: usize) {
        for event in [Event::Compare(number), Event::People(number)] {
            let at = self.rng.range(0, 6 * HOUR);
            self.after(at, event);
        }
    }

    fn some_time(&mut self, until: u64, event: Event) {
        let at = self.rng.range(0, until);
        self.after(at, event);
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
        }
        self.everybody_knows_the_same();
        self.seen
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Compare(number) => self.compare_with_somebody(number),
            Event::People(number) => self.people(number),
            Event::Word(number) => self.word(number),
            Event::Decide(number) => self.decide(number),
            Event::Leave(number) => self.leave(number),
            Event::Fault => self.fault(),
            Event::Mend(number) => self.mend(number),
            Event::Away(number) => self.away(number),
            Event::Lost(number) => self.lost(number),
            Event::ComesBack(person) => self.comes_back(person, Hands::Owner),
            Event::BoxStolen => self.box_stolen(),
            Event::KitStolen => self.kit_stolen(),
            Event::Thief(number) => self.thief(number),
            Event::ThiefConfirms(number) => self.thief_confirms(number),
            Event::Quiet => self.quiet(),
        }
    }

    fn is_honest(&self, number: usize) -> bool {
        self.nodes[number].hands == Hands::Owner
    }

    /// A log has changed; what must hold of that is looked at.
    fn changed(&mut self, number: usize, taken: Option<Taken>) {
        let Some(taken) = taken else { return };
        self.seen.gave_way += u64::from(taken.by == By::GivingWay);
        let node = &mut self.nodes[number];
        self.seen.entries += self.truth.look(node, &taken, self.t);
    }

    /// Whether one box gets through to another one: each has to know the other one's key, or the kit of a member.
    fn reaches(&mut self, one: usize, other: usize) -> bool {
        let t = self.t;
        if one == other || !self.nodes[one].is_up(t) || !self.nodes[other].is_up(t) {
            return false;
        }
        if self.nodes[one].island != self.nodes[other].island || self.nodes[one].id() == self.nodes[other].id() {
            return false;
        }
        let (caller, called) = (self.nodes[one].key(), self.nodes[other].key());
        let dials = self.nodes[one].grants(called, t).is_some_and(|(_, rights)| rights != Rights::None);
        let is_let_in = self.nodes[other].grants(caller, t).is_some_and(|(_, rights)| rights != Rights::None);
        let shows_kit = self.has_kit(one) && {
            let id = self.nodes[one].id();
            self.nodes[other].log().roster().member(id).is_some_and(|member| member.is_active())
        };
        dials && (is_let_in || shows_kit)
    }

    /// Whoever has a box made for the kit has the kit too; whoever has stolen a box has not.
    fn has_kit(&self, number: usize) -> bool {
        self.is_honest(number) || self.nodes[number].is_of_kit()
    }

    fn compare_with_somebody(&mut self, number: usize) {
        let again = self.rng.range(4 * HOUR, 10 * HOUR);
        self.after(again, Event::Compare(number));
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| self.reaches(number, *other)).collect();
        if others.is_empty() {
            return;
        }
        let other = self.rng.pick(&others);
        // What waits on either side may end with what the other one tells.
        let t = self.t;
        let was_held = [number, other].iter().any(|one| !self.nodes[*one].held_back(t).is_empty());
        let compared = self.compare(number, other);
        let are_honest = self.is_honest(number) && self.is_honest(other);
        if let Err(error) = compared {
            assert!(!are_honest, "an honest box was refused by another one: {error}");
        } else if are_honest {
            self.know_the_same_or_why_not(number, other, was_held);
        }
    }

    /// As `operations/community/exchange.rs` does it: asks, looks further back where the logs part, and gives what the other one lacks.
    fn compare(&mut self, one: usize, other: usize) -> Result<(), LogError> {
        let mut told = self.ask(one, other, self.nodes[one].question(None))?;
        let mut pieces = 1;
        while told.sequence > self.nodes[one].log().roster().sequence()
            && !told.entries.is_empty()
            && pieces < TURNS_MAX
        {
            let before = self.nodes[one].log().roster().sequence();
            told = self.ask(one, other, self.nodes[one].question(None))?;
            if self.nodes[one].log().roster().sequence() == before {
                break;
            }
            pieces += 1;
        }
        self.seen.in_pieces += u64::from(pieces > 1);
        let (mut common, mut back) = (told.sequence, 1);
        while common > 0 && told.entries.is_empty() && self.nodes[one].log().hash_at(told.sequence) != told.last {
            common = common.min(self.nodes[one].log().roster().sequence()).saturating_sub(back);
            back *= 2;
            told = self.ask(one, other, self.nodes[one].earlier(common))?;
        }
        let log = self.nodes[one].log();
        if Some(log.last_hash()) != told.last && log.roster().sequence() > common {
            self.ask(one, other, self.nodes[one].question(Some(common)))?;
        }
        Ok(())
    }

    fn ask(&mut self, one: usize, other: usize, asked: Told) -> Result<Told, LogError> {
        let (asks, asked_one) = (self.nodes[one].id(), self.nodes[other].id());
        let taken = self.nodes[other].learn(asks, &asked, self.t)?;
        self.changed(other, taken);
        let told = self.nodes[other].answer(&asked);
        let taken = self.nodes[one].learn(asked_one, &told, self.t)?;
        self.changed(one, taken);
        Ok(told)
    }

    /// Two boxes that have just compared notes know the same, or somebody was told that they do not, or something is held back for a time.
    fn know_the_same_or_why_not(&mut self, one: usize, other: usize, was_held: bool) {
        let how = compare(self.nodes[one].log(), self.nodes[other].log());
        if how == Comparison::Same {
            return;
        }
        let (a, b) = (self.nodes[one].id(), self.nodes[other].id());
        let is_told = self.nodes[one].parted.contains_key(&b) || self.nodes[other].parted.contains_key(&a);
        let is_held = was_held
            || !self.nodes[one].held_back(self.t).is_empty()
            || !self.nodes[other].held_back(self.t).is_empty()
            || self.rests_on_a_kit(one, other)
            || self.rests_on_a_kit(other, one);
        self.seen.held += u64::from(is_held);
        let (log, others) = (self.nodes[one].log(), self.nodes[other].log());
        let common = log.common_entries(others);
        let tails = || (truth::tail(log, common), truth::tail(others, common));
        match how {
            Comparison::Same => {}
            Comparison::Extends | Comparison::Behind => {
                assert!(is_held, "box {one} and box {other} know {:?}, and nothing was held back", tails());
            }
            Comparison::Parted { .. } => {
                self.seen.parted += u64::from(is_told);
                assert!(
                    is_told || is_held,
                    "the logs of box {one} and box {other} part, and nobody was told: {:?}",
                    tails()
                );
            }
        }
    }

    /// Whether one box has an entry that the other one holds back for a day, since it rests on a kit alone.
    fn rests_on_a_kit(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.nodes[one].log(), self.nodes[other].log());
        let common = one.common_entries(other);
        let mut log = one.up_to(common as u64 - 1);
        one.entries().skip(common).any(|entry| {
            let rests = log.rests_on_rebind(entry).is_some();
            rests || log.append(entry.clone()).is_err()
        })
    }

    /// People at a box see what waits and what is told.
    fn people(&mut self, number: usize) {
        let again = self.rng.range(6 * HOUR, 18 * HOUR);
        self.after(again, Event::People(number));
        if !self.is_honest(number) || !self.nodes[number].is_up(self.t) {
            return;
        }
        self.choose_a_log(number);
        self.confirm_by_kit(number);
        self.put_out_who_is_wanted_out(number);
        self.confirm_others(number);
    }

    /// All agree on the telephone that the log of the first box that is there counts.
    fn choose_a_log(&mut self, number: usize) {
        let Some(first) = self.who_counts().first().copied() else { return };
        if first == number {
            return;
        }
        let of = self.nodes[first].id();
        let taken = self.nodes[number].take_log_of(of, self.t);
        self.seen.chosen += u64::from(taken.is_some());
        self.changed(number, taken);
    }

    /// Boxes that are there, and are those of members whom nobody wants out.
    fn who_counts(&self) -> Vec<usize> {
        let counts = |number: &usize| {
            let node = &self.nodes[*number];
            self.is_honest(*number) && node.is_up(self.t) && node.is_in() && !self.wanted_out.contains_key(&node.id())
        };
        (0..self.nodes.len()).filter(counts).collect()
    }

    /// A day after it came back a box confirms itself, if nobody else has.
    fn confirm_by_kit(&mut self, number: usize) {
        let (t, now) = (self.t, self.nodes[number].clocks.now(self.t));
        let node = &mut self.nodes[number];
        let (id, known) = (node.id(), node.known.as_ref().expect("up"));
        if !node.is_in() || known.confirms_itself_from(id).is_none_or(|from| now < from) {
            return;
        }
        let entry = signed(
            node.log().draft(datis_engine::units::UnixMillis(4), Change::Confirm { member: id }),
            &[&node.owner().recovery],
        );
        let taken = node.put(entry, t);
        self.seen.freed += u64::from(taken.is_some());
        self.changed(number, taken);
    }

    /// Whether this box follows one whom people want out, which has put an admin out alone: with two admins each may, and who
    /// is out is heard by nobody.
    fn is_taken_over(&self, number: usize) -> bool {
        let is_wanted_out = |member: &MemberId| self.wanted_out.contains_key(member);
        let by_one = truth::put_out_by_one(self.nodes[number].log());
        by_one.iter().any(|(by, member)| is_wanted_out(by) && !is_wanted_out(member))
    }

    fn is_signing_admin(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        node.is_in() && node.log().roster().signing_admins().any(|admin| admin.id == node.id())
    }

    fn put_out_who_is_wanted_out(&mut self, number: usize) {
        let wanted: Vec<MemberId> = self.wanted_out.keys().copied().collect();
        for member in wanted {
            let is_in = self.nodes[number].log().roster().member(member).is_some_and(|one| one.is_active());
            if self.nodes[number].id() != member && is_in && self.is_signing_admin(number) {
                let taken = self.nodes[number].decide(Change::Remove { member }, self.t);
                self.changed(number, taken);
                self.follow_up(number);
            }
        }
        if self.is_signing_admin(number) {
            self.agree(number);
        }
    }

    /// With more admins more have to agree, which is one more thing to agree on.
    fn agree(&mut self, number: usize) {
        let wanted = majority(self.nodes[number].log().roster());
        let is_wanted =
            |change: &Change| matches!(change, Change::SetRemovalThreshold { threshold } if *threshold == wanted);
        let waits = self.nodes[number].open().into_iter().find(|(_, weighed)| is_wanted(&weighed.entry.change));
        if let Some((_, weighed)) = waits {
            let taken = self.nodes[number].decide(weighed.entry.change, self.t);
            self.changed(number, taken);
        }
    }

    fn follow_up(&mut self, number: usize) {
        let roster = self.nodes[number].log().roster();
        let (wanted, present) = (majority(roster), roster.removal_threshold());
        if wanted > present && self.is_signing_admin(number) {
            let taken = self.nodes[number].decide(Change::SetRemovalThreshold { threshold: wanted }, self.t);
            self.changed(number, taken);
        }
    }

    /// An admin confirms whom it knows: the owner of a box that came back.
    fn confirm_others(&mut self, number: usize) {
        if !self.is_signing_admin(number) || !self.rng.percent(40) {
            return;
        }
        let roster = self.nodes[number].log().roster();
        let rebound = roster.active().filter(|member| matches!(member.standing, Standing::Rebound { .. }));
        let known: Vec<MemberId> = rebound
            .filter(|member| !self.wanted_out.contains_key(&member.id) && member.id != self.nodes[number].id())
            .filter(|member| {
                let is_its = |node: &Node| node.id() == member.id && node.key().public_key() == member.device;
                self.nodes.iter().any(|node| node.hands == Hands::Owner && !node.is_gone && is_its(node))
            })
            .map(|member| member.id)
            .collect();
        for member in known {
            let taken = self.nodes[number].decide(Change::Confirm { member }, self.t);
            self.seen.freed += u64::from(taken.is_some());
            self.changed(number, taken);
        }
    }

    /// A box calls itself otherwise, or says where it stands.
    fn word(&mut self, number: usize) {
        if !self.is_honest(number) || !self.nodes[number].is_up(self.t) {
            return;
        }
        let member = self.nodes[number].id();
        let change = if self.rng.percent(70) {
            Change::Rename { member, name: name(format!("box-{number}-{}", self.queued)) }
        } else {
            let site = Some(format!("site {}", self.rng.range(0, 5)).parse().expect("a label"));
            Change::SetDomains { member, domains: Domains { site, ..Domains::default() } }
        };
        let taken = self.nodes[number].decide(change, self.t);
        self.changed(number, taken);
    }

    /// An admin lets somebody in, calls somebody otherwise, makes an admin, or has all keep for longer.
    fn decide(&mut self, number: usize) {
        if !self.is_honest(number) || !self.nodes[number].is_up(self.t) || !self.is_signing_admin(number) {
            return;
        }
        let count = self.nodes.len();
        let about = self.any(count);
        let member = self.nodes[about].id();
        let change = match self.rng.range(0, 5) {
            0 | 1 => {
                let newcomer = self.next_person;
                self.next_person += 1;
                if newcomer >= MEMBERS_MAX + LATER * 2 {
                    return;
                }
                return self.let_in(number, newcomer);
            }
            2 => Change::Rename { member, name: name(format!("named-{}", self.queued)) },
            3 if !self.wanted_out.contains_key(&member) => Change::Appoint { member },
            _ => Change::Vouch { member },
        };
        let taken = self.nodes[number].decide(change, self.t);
        self.changed(number, taken);
        self.follow_up(number);
    }

    /// An admin's box lets another one in, which has all of the log from it.
    fn let_in(&mut self, number: usize, newcomer: usize) {
        let change = admit(newcomer, self.nodes[number].log());
        let taken = self.nodes[number].decide(change, self.t);
        let is_in = taken.is_some();
        self.changed(number, taken);
        if is_in {
            let mut node = Node::new(newcomer, 0, Hands::Owner, self.t);
            node.island = self.nodes[number].island;
            node.take_log(self.nodes[number].log().clone(), By::Entering, self.t);
            self.truth.entered(&mut node, self.t);
            self.nodes.push(node);
            self.begin_to_live(self.nodes.len() - 1);
        }
    }

    fn leave(&mut self, number: usize) {
        if !self.is_honest(number) || !self.nodes[number].is_up(self.t) {
            return;
        }
        let member = self.nodes[number].id();
        let taken = self.nodes[number].decide(Change::Leave { member }, self.t);
        self.seen.left += u64::from(taken.is_some());
        self.changed(number, taken);
    }

    fn fault(&mut self) {
        let count = self.nodes.len();
        let number = self.any(count);
        let hours = self.rng.pick(&[2, 13, 30, 80, 200]);
        let lasts = hours * HOUR;
        match self.rng.range(0, 4) {
            0 => self.nodes[number].island = 1 + self.rng.range(0, 2),
            1 => self.nodes[number].crash(self.t + HOUR / 6),
            2 => self.nodes[number].crash(self.t + lasts),
            _ => {
                let ten_years = 3_653 * DAY.cast_signed();
                let offset = self.rng.pick(&[ten_years, -ten_years, 2 * DAY.cast_signed()]);
                self.nodes[number].clocks.set_wall(offset);
            }
        }
        self.after(lasts, Event::Mend(number));
    }

    fn away(&mut self, number: usize) {
        let until = self.end - QUIET;
        self.seen.away += u64::from(until > self.t + 30 * DAY && self.nodes[number].is_up(self.t));
        self.nodes[number].crash(until.max(self.t));
    }

    fn mend(&mut self, number: usize) {
        self.nodes[number].island = 0;
        self.nodes[number].clocks.set_wall(0);
    }

    fn quiet(&mut self) {
        self.is_quiet = true;
        for number in 0..self.nodes.len() {
            self.mend(number);
            let node = &mut self.nodes[number];
            if node.off_until > self.t {
                node.off_until = self.t;
                node.clocks.wake(self.t);
            }
        }
    }

    /// A box burns; its owner has another one after some hours or days.
    fn lost(&mut self, number: usize) {
        if !self.is_honest(number)
            || !self.nodes[number].is_up(self.t)
            || self.wanted_out.contains_key(&self.nodes[number].id())
        {
            return;
        }
        self.nodes[number].is_gone = true;
        let after = self.rng.range(HOUR, 3 * DAY);
        self.after(after, Event::ComesBack(self.nodes[number].person));
    }

    /// Somebody with a kit has a box read the log from another one, and take its member's place.
    fn comes_back(&mut self, person_number: usize, hands: Hands) {
        let member = person(person_number).id;
        let device = self
            .nodes
            .iter()
            .filter(|node| node.person == person_number)
            .map(Node::device)
            .max()
            .map_or(0, |last| last + 1);
        let is_in = |node: &Node| {
            let is_active = |id| node.log().roster().member(id).is_some_and(|one| one.is_active());
            node.is_up(self.t) && node.island == 0 && node.id() != member && is_active(member)
        };
        let from: Vec<usize> = (0..self.nodes.len()).filter(|other| is_in(&self.nodes[*other])).collect();
        if from.is_empty() || device >= DEVICES {
            if device < DEVICES && !self.is_quiet {
                self.after(6 * HOUR, Event::ComesBack(person_number));
            }
            return;
        }
        let other = self.rng.pick(&from);
        let mut node = Node::new(person_number, device, hands, self.t);
        node.take_log(self.nodes[other].log().clone(), By::Entering, self.t);
        self.truth.entered(&mut node, self.t);
        let change = Change::Rebind { member, device: node.key().public_key() };
        let keys = [&node.owner().recovery, node.key()];
        let entry = signed(node.log().draft(datis_engine::units::UnixMillis(5), change), &keys);
        let Some(taken) = node.put(entry, self.t) else { return };
        // What it had before is of no use any more to whoever has this kit.
        let mut same = self.nodes.iter_mut().filter(|one| one.person == person_number && one.hands == hands);
        same.by_ref().for_each(|one| one.is_gone = true);
        self.nodes.push(node);
        self.changed(self.nodes.len() - 1, Some(taken));
        self.seen.rebound += 1;
        self.begin_to_live(self.nodes.len() - 1);
        let number = self.nodes.len() - 1;
        if self.reaches(number, other) {
            let _ = self.compare(number, other);
        }
    }

    /// In the end all boxes that are in know the same, and whoever people want out is out.
    fn everybody_knows_the_same(&mut self) {
        let t = self.t;
        let there = self.who_counts();
        let Some(first) = there.first().copied() else { return };
        if there.iter().any(|number| self.is_taken_over(*number)) {
            self.seen.taken_over += 1;
            return;
        }
        let roster = self.nodes[first].log().roster().clone();
        let is_in = |node: &Node| {
            let member = roster.member(node.id()).filter(|member| member.standing == Standing::Full);
            member.is_some_and(|member| member.device == node.key().public_key())
        };
        let inside: Vec<usize> = there.into_iter().filter(|number| is_in(&self.nodes[*number])).collect();
        for number in &inside {
            let (ours, theirs) = (self.nodes[*number].log(), self.nodes[first].log());
            let common = ours.common_entries(theirs);
            assert_eq!(
                compare(ours, theirs),
                Comparison::Same,
                "after quiet days box {number} knows {:?}, and box {first} {:?}",
                truth::tail(ours, common),
                truth::tail(theirs, common)
            );
        }
        let able: BTreeSet<MemberId> = inside
            .iter()
            .filter(|number| self.is_signing_admin(**number))
            .map(|number| self.nodes[*number].id())
            .collect();
        for (member, since) in &self.wanted_out {
            let others = able.iter().filter(|admin| *admin != member).count();
            let is_out = roster.member(*member).is_none_or(|one| !one.is_active());
            self.seen.put_out += u64::from(is_out);
            let could = others >= usize::from(roster.removal_threshold()) && t >= since + QUIET / 2;
            assert!(is_out || !could, "{others} admins want a member out since {} h, and it is in", (t - since) / HOUR);
        }
    }
}
