//! What has to be made again, by whom it is to be held, and from what it is made.
//!
//! | reason | when |
//! |---|---|
//! | lost | nobody holds the shard, or it was proven lost: at once |
//! | thin | its holder is silent for 12 h, and at most k + ⌈m/2⌉ shards are healthy |
//! | absent | its holder does not count any more: silent for 72 h, gone, expelled, or about to leave |
//!
//! A plan changes nothing. Each order that is carried out begins with [`StripeMap::begin_order`], so no later plan asks for
//! the same again, and a shard that was made again for a peer that comes back is an extra, which is kept: peers that come
//! and go cause one repair and not one a day. An extra is given up where no member is free and another shard of the pack is
//! lost, or absent for 72 h; never for one that is merely thin. Of the members that are free one is chosen that does not fail
//! together with those that hold the rest of the pack, as far as there is one. Source: mutual-backup 4.3, 4.6.

use std::collections::BTreeMap;

use super::peer::{ABSENT_AFTER, Presence};
use super::placement::{Candidate, Choice};
use super::stripe::{Place, ShardState, Stripe, StripeError, StripeMap, View};
use crate::ids::{MemberId, PackId};
use crate::units::Seconds;

/// With at most k + ⌈m/2⌉ healthy shards, nobody waits longer than this for a silent peer.
pub const THIN_AFTER: Seconds = Seconds(12 * 3_600);

/// Why a shard is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Nobody holds it.
    Lost,
    /// Too few are left to wait.
    Thin,
    /// Its holder has been away for too long.
    Absent,
}

/// What a shard is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The box's own copy of the pack.
    Local,
    /// k shards of peers that answer.
    Peers,
}

/// A shard to make and to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Of which pack.
    pub pack: PackId,
    /// Which shard.
    pub index: usize,
    /// To whom.
    pub to: MemberId,
    /// An extra that this member has to give up for it; to be condemned there.
    pub replaces: Option<usize>,
    /// Why.
    pub why: Why,
    /// From what.
    pub source: Source,
    /// Healthy shards of the pack beyond those that are needed to read; the fewer, the sooner. Negative when too few.
    pub margin: i32,
}

/// Why a shard that is missing cannot be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Every member that answers and has room holds a shard of this pack already.
    NoMember,
    /// The pack is only outside, and not enough peers answer.
    TooFewAnswer {
        /// How many shards can be read now.
        answer: usize,
        /// How many are needed.
        needed: usize,
    },
}

/// What is to be done, and what cannot be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The most urgent first.
    pub orders: Vec<Order>,
    /// Packs with a missing shard that cannot be made now.
    pub stuck: Vec<(PackId, Stuck)>,
    /// Packs that nobody has any more.
    pub unreadable: Vec<PackId>,
}

impl StripeMap {
    /// Plans repairs of all packs; at most `limit` orders, the most urgent.
    ///
    /// `candidates`: all members, so that it is known what holders share. Only those are chosen that have room and answer
    /// now.
    #[must_use]
    pub fn plan_repairs(
        &self,
        presences: &BTreeMap<MemberId, Presence>,
        candidates: &[Candidate],
        limit: usize,
    ) -> Plan {
        let view = self.view(presences);
        let targets = self.targets(presences, candidates);
        let mut plan = Plan::default();
        for (pack, stripe) in &self.stripes {
            if stripe.is_unreadable(&view) {
                plan.unreadable.push(*pack);
            } else {
                repair(*pack, stripe, &view, &targets, &mut plan);
            }
        }
        plan.orders.sort_by_key(|order| (order.margin, order.why, order.pack, order.index));
        plan.orders.truncate(limit);
        plan
    }

    /// Begins to carry out an order; what it replaces is forgotten.
    ///
    /// # Errors
    /// [`StripeError::Unknown`], [`StripeError::Occupied`] when the map has changed since the plan.
    pub fn begin_order(&mut self, order: &Order) -> Result<(), StripeError> {
        let gives_up = |(member, index, _)| member == order.to && Some(index) == order.replaces;
        let is_given_up = self.places(&order.pack).any(gives_up);
        if is_given_up {
            self.release(&order.pack, &order.to);
        }
        self.begin(order.pack, order.index, order.to)
    }

    fn targets<'a>(&self, presences: &BTreeMap<MemberId, Presence>, candidates: &'a [Candidate]) -> Targets<'a> {
        let may =
            |one: &&Candidate| one.room_bytes > 0 && presences.get(&one.member).is_some_and(Presence::may_receive);
        let target = |one| Target { candidate: one, number: self.known(&one.member) };
        let holder = |one: &'a Candidate| Some((self.known(&one.member)?, one));
        Targets {
            receivers: candidates.iter().filter(may).map(target).collect(),
            holders: candidates.iter().filter_map(holder).collect(),
        }
    }
}

/// A member that may be given a shard; without a number when it never had one.
struct Target<'a> {
    candidate: &'a Candidate,
    number: Option<u16>,
}

struct Targets<'a> {
    receivers: Vec<Target<'a>>,
    /// Whoever has a number, with room or without.
    holders: BTreeMap<u16, &'a Candidate>,
}

/// Members that hold nothing of a pack yet, and those that hold the rest of it.
struct Free<'a> {
    members: Vec<&'a Candidate>,
    choice: Choice<'a>,
}

impl<'a> Free<'a> {
    /// Each pack begins at another member, so that all get as much. `is_there`: which places count.
    fn new(pack: &PackId, stripe: &Stripe, targets: &Targets<'a>, is_there: impl Fn(&Place) -> bool) -> Self {
        let holds = |target: &Target<'_>| {
            let is_its = |place: &Place| Some(place.member) == target.number && place.state != ShardState::Lost;
            stripe.places.iter().any(is_its)
        };
        let mut members: Vec<&Candidate> =
            targets.receivers.iter().filter(|target| !holds(target)).map(|target| target.candidate).collect();
        let [.., last] = *pack.as_bytes();
        let turn = usize::from(last) + stripe.places.len();
        let first = turn.checked_rem(members.len()).unwrap_or(0);
        members.rotate_left(first);
        let there = stripe.places.iter().filter(|place| is_there(place));
        let taken = there.filter_map(|place| targets.holders.get(&place.member).copied()).collect();
        Self { members, choice: Choice::of(taken, stripe.redundancy) }
    }

    fn next(&mut self) -> Option<MemberId> {
        let at = self.choice.best(&self.members)?;
        let chosen = self.members.remove(at);
        self.choice.take(chosen);
        Some(chosen.member)
    }
}

fn missing(stripe: &Stripe, covered: u64) -> impl Iterator<Item = usize> + use<> {
    (0..stripe.redundancy.width()).filter(move |index| covered & 1 << index == 0)
}

fn source(stripe: &Stripe, view: &View) -> Result<Source, Stuck> {
    let answer = stripe.distinct(|place| place.state == ShardState::Held && view.of(place).answers());
    let needed = stripe.redundancy.data();
    match stripe.local {
        true => Ok(Source::Local),
        false if answer >= needed => Ok(Source::Peers),
        false => Err(Stuck::TooFewAnswer { answer, needed }),
    }
}

fn repair(pack: PackId, stripe: &Stripe, view: &View, targets: &Targets<'_>, plan: &mut Plan) {
    // What is on its way counts as long as whoever is to get it is not silent for too long.
    let there = |place: &Place, patience: Seconds| match (place.state, view.of(place)) {
        (ShardState::Held, peer) => peer.counts && peer.silent < patience,
        (ShardState::Sending, peer) => !peer.is_dead() && !peer.leaves() && peer.silent < patience,
        (ShardState::Lost, _) => false,
    };
    let healthy =
        stripe.distinct(|place| place.state == ShardState::Held && view.of(place).counts && there(place, THIN_AFTER));
    let is_thin = healthy <= stripe.redundancy.off_site_safe();
    let patience = if is_thin { THIN_AFTER } else { Seconds(ABSENT_AFTER.0 + 1) };
    let mut missing = missing(stripe, stripe.covered(|place| there(place, patience))).peekable();
    if missing.peek().is_none() {
        return;
    }
    let source = match source(stripe, view) {
        Ok(source) => source,
        Err(stuck) => return plan.stuck.push((pack, stuck)),
    };
    let margin = i32::try_from(healthy).unwrap_or(0) - i32::try_from(stripe.redundancy.data()).unwrap_or(0);
    // Also those that are silent for now: they come back, and what fails together has just failed.
    let may_be_back = |place: &Place| {
        let peer = view.of(place);
        place.state != ShardState::Lost && !peer.is_dead() && !peer.leaves()
    };
    let mut free = Free::new(&pack, stripe, targets, may_be_back);
    let mut given_up = 0;
    for index in missing {
        let why = why(stripe, view, index);
        let chosen = free.next().map(|to| (to, None)).or_else(|| match why {
            Why::Thin => None,
            Why::Lost | Why::Absent => give_up_an_extra(stripe, view, targets, &mut given_up),
        });
        let Some((to, replaces)) = chosen else {
            plan.stuck.push((pack, Stuck::NoMember));
            return;
        };
        plan.orders.push(Order { pack, index, to, replaces, why, source, margin });
    }
}

/// A member whose shard another healthy member holds too, and which shard that is; each shard is given up once in a plan.
fn give_up_an_extra(
    stripe: &Stripe,
    view: &View,
    targets: &Targets<'_>,
    given_up: &mut u64,
) -> Option<(MemberId, Option<usize>)> {
    let answers = |place: &&Place| place.state == ShardState::Held && view.of(place).answers();
    let held: Vec<&Place> = stripe.places.iter().filter(answers).collect();
    let mut extras = held.iter().filter(|place| {
        let is_twice = held.iter().filter(|other| other.index == place.index).count() > 1;
        is_twice && *given_up & 1 << place.index == 0
    });
    let (target, place) = extras.find_map(|place| {
        let target = targets.receivers.iter().find(|target| target.number == Some(place.member))?;
        Some((target, place))
    })?;
    *given_up |= 1 << place.index;
    Some((target.candidate.member, Some(usize::from(place.index))))
}

fn why(stripe: &Stripe, view: &View, index: usize) -> Why {
    let holders = stripe.places.iter().filter(|place| usize::from(place.index) == index);
    let mut held = holders.filter(|place| place.state != ShardState::Lost).map(|place| view.of(place)).peekable();
    if held.peek().is_none() {
        Why::Lost
    } else if held.any(|peer| peer.counts) {
        Why::Thin
    } else {
        Why::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::super::Redundancy;
    use super::super::placement::{Domains, Group};
    use super::super::stripe::{Progress, StripeError, StripeState};
    use super::super::testing::{member, pack};
    use super::*;
    use crate::life::peer::Standing;

    const HERE: Presence = Presence { standing: Standing::Ok, counts: true, silent: Seconds(0) };

    /// `members` of 3+2 stripes and so many packs, all in place.
    #[derive(Clone)]
    struct Site {
        map: StripeMap,
        group: Group,
        presences: BTreeMap<MemberId, Presence>,
        candidates: Vec<Candidate>,
    }

    impl Site {
        fn new(members: u8, packs: u32) -> Self {
            Self::sharing(members, packs, |_| Domains::default())
        }

        fn sharing(members: u8, packs: u32, domains: impl Fn(u8) -> Domains) -> Self {
            let candidate =
                |number| Candidate { member: member(number), domains: domains(number), room_bytes: 1 << 40 };
            let candidates: Vec<_> = (1..=members).map(candidate).collect();
            let group = Group::found(&candidates, Redundancy::new(3, 2).expect("fits")).expect("enough");
            let presences = (1..=members).map(|number| (member(number), HERE)).collect();
            let mut site = Self { map: StripeMap::new(), group, presences, candidates };
            for number in 0..packs {
                site.map.place(pack(number), &site.group).expect("new");
                for index in 0..5 {
                    let to = site.group.member_for(&pack(number), index);
                    site.map.receipt(pack(number), index, to).expect("meant");
                }
            }
            site
        }

        fn silent(&mut self, member: MemberId, hours: u64) {
            let (standing, counts) = match hours {
                0 => (Standing::Ok, true),
                1..=72 => (Standing::Away, true),
                73..=720 => (Standing::Absent, false),
                _ => (Standing::Gone, false),
            };
            self.presences.insert(member, Presence { standing, counts, silent: Seconds(hours * 3_600) });
        }

        fn holder(&self, number: u32, index: usize) -> MemberId {
            self.group.member_for(&pack(number), index)
        }

        fn plan(&self) -> Plan {
            self.map.plan_repairs(&self.presences, &self.candidates, usize::MAX)
        }

        fn state(&self, number: u32) -> StripeState {
            self.map.state(&pack(number), &self.map.view(&self.presences)).expect("in the map")
        }

        /// Carries the plan out; returns how many shards were made.
        fn repair(&mut self) -> usize {
            let orders = self.plan().orders;
            for order in &orders {
                self.map.begin_order(order).expect("free");
                self.map.receipt(order.pack, order.index, order.to).expect("meant");
            }
            orders.len()
        }
    }

    #[test]
    fn receipts_make_a_pack_safe_and_then_fully_protected() {
        let mut site = Site::new(6, 0);
        site.map.place(pack(0), &site.group).expect("new");
        let steps: Vec<Progress> =
            (0..5).map(|index| site.map.receipt(pack(0), index, site.holder(0, index)).expect("meant")).collect();
        let counted = Progress::Counted;
        assert_eq!(steps, [counted, counted, counted, Progress::OffSiteSafe, Progress::FullyProtected]);
        assert_eq!(site.map.receipt(pack(0), 0, site.holder(0, 0)), Ok(Progress::Known));
        assert_eq!(site.state(0), StripeState::FullyProtected);
        assert!(matches!(site.map.receipt(pack(0), 0, member(99)), Err(StripeError::NotMeant { .. })));
        assert_eq!(site.map.place(pack(0), &site.group), Err(StripeError::Placed(pack(0))));
    }

    #[test]
    fn a_proven_loss_is_repaired_at_once_by_somebody_else() {
        let mut site = Site::new(6, 20);
        let liar = site.holder(7, 2);
        assert!(site.map.lost(&pack(7), &liar));
        assert!(!site.map.lost(&pack(7), &liar), "told once");
        site.presences.insert(liar, Presence { standing: Standing::Suspect, ..HERE });
        let orders = site.plan().orders;
        assert_eq!(orders.len(), 1);
        let order = orders[0];
        assert_eq!((order.pack, order.index, order.why, order.source), (pack(7), 2, Why::Lost, Source::Local));
        assert!(site.map.places(&pack(7)).all(|(holder, ..)| holder != order.to));
        site.map.begin_order(&order).expect("free");
        assert_eq!(site.plan(), Plan::default(), "what is on its way is not ordered again");
    }

    #[test]
    fn what_a_leaver_holds_is_made_again_with_its_help_and_what_was_meant_for_it_goes_elsewhere() {
        let mut site = Site::new(6, 1);
        site.map.set_local(pack(0), false).expect("in the map");
        let (leaver, gone) = (site.holder(0, 0), [site.holder(0, 1), site.holder(0, 2)]);
        gone.into_iter().for_each(|member| site.silent(member, 1_000));
        site.presences.insert(leaver, HERE.leaving());
        let orders = site.plan().orders;
        assert_eq!(orders.len(), 1, "there is one member that has nothing of it");
        assert_eq!((orders[0].source, orders[0].to == leaver), (Source::Peers, false));
        site.silent(leaver, 1);
        site.presences.insert(leaver, site.presences[&leaver].leaving());
        assert!(matches!(site.plan().stuck[..], [(_, Stuck::TooFewAnswer { answer: 2, needed: 3 })]), "it is away");

        let mut site = Site::new(6, 1);
        let holder = site.holder(0, 0);
        assert!(site.map.lost(&pack(0), &holder));
        let first = site.plan().orders[0];
        site.map.begin_order(&first).expect("free");
        assert_eq!(site.plan().orders, []);
        site.presences.insert(first.to, HERE.leaving());
        let orders = site.plan().orders;
        assert_eq!((orders.len(), orders[0].index, orders[0].to == first.to), (1, 0, false));
    }

    #[test]
    fn a_silent_peer_is_waited_for_72_hours_and_12_when_few_are_left() {
        let mut site = Site::new(8, 1);
        for (hours, orders) in [(13, 0), (72, 0), (73, 1)] {
            site.silent(site.holder(0, 0), hours);
            let mut four = site.plan();
            four.orders.retain(|order| order.why != Why::Thin);
            assert_eq!(four.orders.len(), orders, "{hours} h");
        }
        // With 3+2, k + ⌈m/2⌉ is 4: one silent peer of five makes it thin after 12 h.
        site.silent(site.holder(0, 0), 11);
        assert_eq!(site.plan().orders, []);
        site.silent(site.holder(0, 0), 12);
        assert_eq!(site.plan().orders[0].why, Why::Thin);
    }

    #[test]
    fn the_pack_with_the_least_margin_comes_first() {
        let mut site = Site::new(9, 40);
        site.map.lost(&pack(3), &site.holder(3, 0));
        for index in 0..2 {
            site.map.lost(&pack(9), &site.holder(9, index));
        }
        let plan = site.plan();
        assert_eq!(plan.orders.iter().map(|order| order.pack).collect::<Vec<_>>(), [pack(9), pack(9), pack(3)]);
        assert_eq!(plan.orders[0].margin, 0);
        assert_eq!(site.map.plan_repairs(&site.presences, &site.candidates, 1).orders.len(), 1);
    }

    #[test]
    fn a_peer_that_comes_and_goes_for_four_days_causes_one_repair_and_no_more() {
        let mut site = Site::new(6, 30);
        let flapper = site.holder(0, 0);
        let its = site.map.of_member(&flapper).count();
        let mut made = 0;
        for _ in 0..20 {
            site.silent(flapper, 96);
            made += site.repair();
            site.silent(flapper, 0);
            made += site.repair();
        }
        assert_eq!(made, its);
        let view = site.map.view(&site.presences);
        let extras: usize = site.map.packs().map(|pack| site.map.extras(pack, &view).len()).sum();
        assert_eq!(extras, its, "the peer's own shards count again");
    }

    #[test]
    fn a_member_that_will_not_take_a_shard_is_passed_over() {
        let mut site = Site::new(6, 0);
        site.map.place(pack(0), &site.group).expect("new");
        let full = site.holder(0, 2);
        for index in [0, 1, 3, 4] {
            site.map.receipt(pack(0), index, site.holder(0, index)).expect("meant");
        }
        assert_eq!(site.plan(), Plan::default(), "it is on its way");
        assert!(site.map.withdraw(&pack(0), &full));
        assert!(!site.map.withdraw(&pack(0), &site.holder(0, 0)), "what is signed for stays");
        site.candidates.iter_mut().filter(|one| one.member == full).for_each(|one| one.room_bytes = 0);
        assert_eq!(site.repair(), 1);
        assert_eq!(site.state(0), StripeState::FullyProtected);
    }

    #[test]
    fn who_fails_together_with_other_holders_gets_a_shard_only_when_nobody_else_can() {
        // 6 and 7 belong to the customers of 1 and 2; 8 stands alone.
        let customer = |number: u8| if matches!(number, 6 | 7) { number - 5 } else { number };
        let domains = |number| Domains { customer: Some(customer(number).to_string()), ..Domains::default() };
        let whose = |member: MemberId| customer(member.as_bytes()[0]);
        let site = Site::sharing(8, 40, domains);
        for number in 0..40 {
            let mut one = site.clone();
            assert!(one.map.lost(&pack(number), &one.holder(number, 0)));
            let left: Vec<u8> = (1..5).map(|index| whose(one.holder(number, index))).collect();
            let to = one.plan().orders[0].to;
            assert!(!left.contains(&whose(to)), "{to:?} beside {left:?}");
            // With room only where it is shared, it goes there.
            let shares = |candidate: &Candidate| left.contains(&whose(candidate.member));
            one.candidates
                .iter_mut()
                .filter(|candidate| !shares(candidate))
                .for_each(|candidate| candidate.room_bytes = 0);
            assert!(left.contains(&whose(one.plan().orders[0].to)));
        }
    }

    #[test]
    fn no_more_than_m_shards_come_to_one_reseller_by_a_repair_while_others_are_free() {
        // 1, 2, 6 and 7 have one reseller; 3+2 allows two of them. 8 comes after the group was chosen.
        let has_one = |member: MemberId| matches!(member.as_bytes()[0], 1 | 2 | 6 | 7);
        let reseller = |number| has_one(member(number)).then(|| "one".to_owned());
        let mut site = Site::sharing(7, 40, |number| Domains { reseller: reseller(number), ..Domains::default() });
        site.presences.insert(member(8), HERE);
        site.candidates.push(Candidate { member: member(8), domains: Domains::default(), room_bytes: 1 });
        for number in 0..40 {
            let lost = (0..5).map(|index| site.holder(number, index)).find(|holder| !has_one(*holder));
            assert!(site.map.lost(&pack(number), &lost.expect("three of five at least")));
        }
        assert_eq!(site.repair(), 40);
        for number in 0..40 {
            let id = pack(number);
            let of_one =
                site.map.places(&id).filter(|(holder, _, state)| *state != ShardState::Lost && has_one(*holder));
            assert!(of_one.count() <= 2);
        }
    }

    #[test]
    fn an_extra_is_given_up_for_a_shard_that_nobody_has_when_no_member_is_free() {
        let mut site = Site::new(6, 1);
        site.silent(site.holder(0, 0), 96);
        assert_eq!(site.repair(), 1);
        site.silent(site.holder(0, 0), 0);
        site.silent(site.holder(0, 1), 13);
        assert_eq!(site.plan().orders, [], "not for one that is merely silent");
        site.silent(site.holder(0, 1), 31 * 24);
        let order = site.plan().orders[0];
        assert_eq!((order.index, order.replaces), (1, Some(0)));
        assert_eq!(site.repair(), 1);
        assert_eq!(site.state(0), StripeState::FullyProtected);
        site.silent(site.holder(0, 2), 31 * 24);
        assert_eq!(site.plan().stuck, [(pack(0), Stuck::NoMember)]);
    }

    #[test]
    fn a_pack_that_is_only_outside_is_repaired_from_peers_while_enough_answer() {
        let mut site = Site::new(7, 1);
        let view = site.map.view(&site.presences);
        site.map.forget_local(pack(0), &view).expect("safe outside");
        site.map.lost(&pack(0), &site.holder(0, 0));
        assert_eq!(site.plan().orders[0].source, Source::Peers);
        for index in 1..3 {
            site.silent(site.holder(0, index), 24);
        }
        let too_few = Stuck::TooFewAnswer { answer: 2, needed: 3 };
        assert_eq!(site.plan().stuck, [(pack(0), too_few)]);
        let view = site.map.view(&site.presences);
        assert_eq!((site.map.blocked(&view), site.map.unreadable(&view)), (vec![pack(0)], vec![]));
        let view = site.map.view(&BTreeMap::new());
        assert!(matches!(site.map.forget_local(pack(0), &view), Err(StripeError::NotSafe { healthy: 0, .. })));
    }

    #[test]
    fn when_more_than_m_members_die_the_lost_packs_are_named() {
        let mut site = Site::new(12, 60);
        for number in 0..60 {
            site.map.set_local(pack(number), false).expect("in the map");
        }
        let dead: Vec<MemberId> = (0..3).map(|index| site.holder(0, index)).collect();
        dead[..2].iter().for_each(|member| site.silent(*member, 24 * 31));
        assert_eq!(site.plan().unreadable, []);
        site.silent(dead[2], 24 * 31);
        let lost: Vec<PackId> = site
            .map
            .packs()
            .filter(|pack| site.map.places(pack).filter(|(holder, ..)| dead.contains(holder)).count() > 2)
            .copied()
            .collect();
        assert!(lost.contains(&pack(0)));
        assert_eq!(site.plan().unreadable, lost);
        assert_eq!(site.state(0), StripeState::Unreadable);
    }

    #[test]
    fn without_a_spare_member_a_repair_is_stuck_and_says_so() {
        let mut site = Site::new(5, 1);
        site.silent(site.holder(0, 4), 100);
        assert_eq!(site.plan().stuck, [(pack(0), Stuck::NoMember)]);
        assert_eq!(site.state(0), StripeState::OffSiteSafe { healthy: 4 });
        site.silent(site.holder(0, 3), 100);
        assert_eq!(site.state(0), StripeState::Degraded { healthy: 3 });
    }

    #[test]
    fn a_map_is_rebuilt_from_inventories() {
        let site = Site::new(6, 10);
        let mut rebuilt = StripeMap::new();
        let redundancy = site.group.redundancy;
        for number in 1..=6 {
            for (pack, index, _) in site.map.of_member(&member(number)) {
                rebuilt.adopt(pack, redundancy, index, member(number)).expect("fits");
            }
        }
        let view = rebuilt.view(&site.presences);
        assert!(rebuilt.packs().all(|pack| rebuilt.state(pack, &view) == Some(StripeState::FullyProtected)));
        assert!(rebuilt.adopt(pack(0), redundancy, 5, member(9)).is_err());
        assert!(rebuilt.adopt(pack(0), Redundancy::new(1, 1).expect("fits"), 0, member(9)).is_err());
    }

    #[test]
    fn a_map_of_30_000_packs_of_48_shards_fits_into_64_mib() {
        let candidate = |number| Candidate { member: member(number), domains: Domains::default(), room_bytes: 1 };
        let candidates: Vec<_> = (0..48).map(candidate).collect();
        let group = Group::found(&candidates, Redundancy::new(32, 16).expect("fits")).expect("enough");
        let mut map = StripeMap::new();
        (0..30_000).for_each(|number| map.place(pack(number), &group).expect("new"));
        let bytes = map.memory_bytes();
        println!("stripe map of 30 000 packs of 48 shards: {bytes} bytes");
        assert!(bytes <= 16 << 20, "{bytes}: far below 64 MiB, so that shard ids (44 MiB) fit beside it");
    }
}
