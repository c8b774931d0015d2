//! Which members hold the shards of an owner: one fixed group for each epoch.
//!
//! A fresh random set for each stripe would mean that nearly any set of m + 1 deaths loses some stripe; one group means
//! that only few do. Members that share a customer, a site or an address block count as one, and at most m shards lie
//! with one reseller or one update ring. Where there are too few for that, the rules are relaxed one after another, and
//! the group says which. Source: mutual-backup 4.3.

use std::collections::BTreeMap;

use super::{Draws, Redundancy};
use crate::ids::{MemberId, PackId};

/// The part of an address that is given to one place: a /24 of IPv4, a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressBlock {
    /// The first three bytes.
    V4([u8; 3]),
    /// The first eight bytes.
    V6([u8; 8]),
}

impl AddressBlock {
    /// The block of an IPv4 address.
    #[must_use]
    pub const fn of_v4([a, b, c, _]: [u8; 4]) -> Self {
        Self::V4([a, b, c])
    }

    /// The block of an IPv6 address; of its IPv4 address when it carries one (`::ffff:0:0/96`).
    #[must_use]
    pub fn of_v6(address: [u8; 16]) -> Self {
        match address {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Self::of_v4([a, b, c, d]),
            [a, b, c, d, e, f, g, h, ..] => Self::V6([a, b, c, d, e, f, g, h]),
        }
    }
}

/// What a member may share with others, so that they fail together. Texts are compared as they are; `None` is unknown and
/// shared with nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Domains {
    /// Who owns the box.
    pub customer: Option<String>,
    /// The street address or the power feed.
    pub site: Option<String>,
    /// Blocks of all its addresses.
    pub blocks: Vec<AddressBlock>,
    /// Who looks after the box.
    pub reseller: Option<String>,
    /// With whom it is updated.
    pub ring: Option<String>,
}

/// A member that could hold shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub member: MemberId,
    /// What it shares with others.
    pub domains: Domains,
    /// What the owner may still store there. A member with none is not taken into a group anew.
    pub room_bytes: u64,
}

/// A rule that could not be kept, because there are too few members that do not fail together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relaxed {
    /// More than m shards lie in one update ring.
    Ring {
        /// Which one.
        ring: String,
        /// How many shards.
        shards: usize,
        /// How many would be allowed.
        allowed: usize,
    },
    /// More than m shards lie with members of one reseller.
    Reseller {
        /// Which one.
        reseller: String,
        /// How many shards.
        shards: usize,
        /// How many would be allowed.
        allowed: usize,
    },
    /// Two members share a customer, a site or an address block.
    Shared {
        /// The member that is not independent.
        member: MemberId,
        /// Of which other one in the group.
        with: MemberId,
    },
}

/// Why there is no group at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// Fewer members than shards.
    #[error("{members} members with room are too few for stripes of {needed} shards")]
    TooFew {
        /// Members with room.
        members: usize,
        /// Shards of a stripe.
        needed: usize,
    },
}

/// Who holds an owner's shards, in one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Counts up from 1; a new one only when members or quotas ask for it.
    pub epoch: u32,
    /// How the stripes are cut.
    pub redundancy: Redundancy,
    /// As many as a stripe has shards.
    pub members: Vec<MemberId>,
    /// Members that take over shards of those that are lost; the best first.
    pub spares: Vec<MemberId>,
    /// Which rules could not be kept; empty when all were.
    pub relaxed: Vec<Relaxed>,
}

impl Group {
    /// Which member holds shard `index` of a pack. The pack's id turns the order, so that all hold as many data shards.
    #[must_use]
    pub fn member_for(&self, pack: &PackId, index: usize) -> MemberId {
        let [a, b, c, d, ..] = *pack.as_bytes();
        let turn = u32::from_le_bytes([a, b, c, d]) as usize;
        self.members[(turn % self.members.len() + index) % self.members.len()]
    }

    /// The first group.
    ///
    /// # Errors
    /// [`PlacementError::TooFew`].
    pub fn found(candidates: &[Candidate], redundancy: Redundancy) -> Result<Self, PlacementError> {
        Self::choose(1, candidates, redundancy, &[])
    }

    /// The group of the next epoch, or `None` when this one can stay: nobody left, everybody has room, the stripes are
    /// cut the same, and no rule that is relaxed now could be kept.
    ///
    /// Members stay as far as the rules let them, so that few shards move.
    ///
    /// # Errors
    /// [`PlacementError::TooFew`].
    pub fn next(&self, candidates: &[Candidate], redundancy: Redundancy) -> Result<Option<Self>, PlacementError> {
        let has_room = |member: &MemberId| candidates.iter().any(|one| one.member == *member && one.room_bytes > 0);
        let stays = redundancy == self.redundancy && self.members.iter().all(has_room);
        // By what the members share now: that may have changed since they were chosen.
        let relaxed = self.relaxed_by(candidates);
        if stays && relaxed.is_empty() {
            return Ok(None);
        }
        let next = Self::choose(self.epoch.saturating_add(1), candidates, redundancy, &self.members)?;
        let is_better = !stays || next.relaxed.len() < relaxed.len();
        Ok(is_better.then_some(next))
    }

    /// The rules that its members break, by what `candidates` share.
    fn relaxed_by(&self, candidates: &[Candidate]) -> Vec<Relaxed> {
        let taken = candidates.iter().filter(|one| self.members.contains(&one.member)).collect();
        Choice::of(taken, self.redundancy).relaxed()
    }

    fn choose(
        epoch: u32,
        candidates: &[Candidate],
        redundancy: Redundancy,
        wanted: &[MemberId],
    ) -> Result<Self, PlacementError> {
        let mut ranked: Vec<&Candidate> = candidates.iter().filter(|one| one.room_bytes > 0).collect();
        let needed = redundancy.width();
        if ranked.len() < needed {
            return Err(PlacementError::TooFew { members: ranked.len(), needed });
        }
        // Those that are wanted, then those with most room; equal ones in an order that has nothing to do with names.
        ranked.sort_by_cached_key(|one| {
            let tie = Draws::new("datis 2026 order of members", one.member.as_bytes()).below(u64::MAX);
            (!wanted.contains(&one.member), u64::MAX - one.room_bytes, tie)
        });
        let mut choice = Choice::of(Vec::new(), redundancy);
        for rules in Rules::EACH {
            choice.fill(&ranked, rules);
        }
        let relaxed = choice.relaxed();
        let members: Vec<MemberId> = choice.taken.iter().map(|one| one.member).collect();
        let spares = ranked.iter().map(|one| one.member).filter(|member| !members.contains(member)).collect();
        Ok(Self { epoch, redundancy, members, spares, relaxed })
    }
}

/// How many members with room are independent of one another: N of table 4.2, which the redundancy follows from.
///
/// Who shares something with somebody who shares something with a third counts as one with both, so this may be too few.
#[must_use]
pub fn independent(candidates: &[Candidate]) -> usize {
    let mut clusters: Vec<Vec<&Candidate>> = Vec::new();
    for one in candidates.iter().filter(|one| one.room_bytes > 0) {
        let (touched, mut apart): (Vec<_>, Vec<_>) =
            clusters.into_iter().partition(|cluster| cluster.iter().any(|other| share(one, other)));
        apart.push(touched.into_iter().flatten().chain([one]).collect());
        clusters = apart;
    }
    clusters.len()
}

/// Whether two members fail together.
fn share(one: &Candidate, other: &Candidate) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    same(&one.domains.customer, &other.domains.customer)
        || same(&one.domains.site, &other.domains.site)
        || one.domains.blocks.iter().any(|block| other.domains.blocks.contains(block))
}

/// Which rules hold while a group is filled, the strictest first.
#[derive(Clone, Copy)]
enum Rules {
    All,
    AnyRing,
    AnyReseller,
    None,
}

impl Rules {
    const EACH: [Self; 4] = [Self::All, Self::AnyRing, Self::AnyReseller, Self::None];
}

/// Members that hold shards of the same stripes, and whoever comes to them.
pub(super) struct Choice<'a> {
    taken: Vec<&'a Candidate>,
    /// Shards with one reseller or in one ring.
    allowed: usize,
    needed: usize,
}

impl<'a> Choice<'a> {
    pub(super) fn of(taken: Vec<&'a Candidate>, redundancy: Redundancy) -> Self {
        Self { taken, allowed: redundancy.parity().max(1), needed: redundancy.width() }
    }

    /// Where in `free` the first is that fits the strictest rules that anybody there fits.
    pub(super) fn best(&self, free: &[&Candidate]) -> Option<usize> {
        Rules::EACH.into_iter().find_map(|rules| free.iter().position(|one| self.fits(one, rules)))
    }

    pub(super) fn take(&mut self, one: &'a Candidate) {
        self.taken.push(one);
    }

    /// Takes members until there are enough, or nobody fits the rules any more. Of those that fit, those go first whose
    /// reseller and ring hold least, so that room is left for the rest.
    fn fill(&mut self, ranked: &[&'a Candidate], rules: Rules) {
        while self.taken.len() < self.needed {
            let fits = ranked.iter().filter(|one| self.fits(one, rules));
            let Some(best) = fits.min_by_key(|one| self.crowd(one)) else { return };
            self.taken.push(best);
        }
    }

    fn fits(&self, one: &Candidate, rules: Rules) -> bool {
        let is_new = self.taken.iter().all(|other| other.member != one.member);
        let is_apart = || self.taken.iter().all(|other| !share(one, other));
        let ring_has_room = || self.count(|other| &other.ring, &one.domains.ring) < self.allowed;
        let reseller_has_room = || self.count(|other| &other.reseller, &one.domains.reseller) < self.allowed;
        is_new
            && match rules {
                Rules::All => is_apart() && reseller_has_room() && ring_has_room(),
                Rules::AnyRing => is_apart() && reseller_has_room(),
                Rules::AnyReseller => is_apart(),
                Rules::None => true,
            }
    }

    fn crowd(&self, one: &Candidate) -> usize {
        let reseller = self.count(|other| &other.reseller, &one.domains.reseller);
        reseller.max(self.count(|other| &other.ring, &one.domains.ring))
    }

    fn count(&self, of: impl Fn(&Domains) -> &Option<String>, value: &Option<String>) -> usize {
        if value.is_none() { 0 } else { self.taken.iter().filter(|other| of(&other.domains) == value).count() }
    }

    fn relaxed(&self) -> Vec<Relaxed> {
        let allowed = self.allowed;
        let crowded = |of: fn(&Domains) -> &Option<String>| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for name in self.taken.iter().filter_map(|one| of(&one.domains).clone()) {
                *counts.entry(name).or_default() += 1;
            }
            counts.into_iter().filter(|(_, shards)| *shards > allowed).collect::<Vec<_>>()
        };
        let rings = crowded(|domains| &domains.ring);
        let resellers = crowded(|domains| &domains.reseller);
        let shared = self.taken.iter().enumerate().filter_map(|(at, one)| {
            let with = self.taken[..at].iter().find(|other| share(one, other))?;
            Some(Relaxed::Shared { member: one.member, with: with.member })
        });
        let rings = rings.into_iter().map(|(ring, shards)| Relaxed::Ring { ring, shards, allowed });
        let resellers = resellers.into_iter().map(|(reseller, shards)| Relaxed::Reseller { reseller, shards, allowed });
        rings.chain(resellers).chain(shared).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{member, pack};
    use super::*;
    use proptest::prelude::*;

    fn candidate(number: u8) -> Candidate {
        Candidate { member: member(number), domains: Domains::default(), room_bytes: 1 << 40 }
    }

    fn redundancy(data: u8, parity: u8) -> Redundancy {
        Redundancy::new(data, parity).expect("fits")
    }

    fn named(name: impl ToString) -> Option<String> {
        Some(name.to_string())
    }

    #[test]
    fn a_group_of_strangers_relaxes_nothing_and_keeps_spares() {
        let candidates: Vec<_> = (0..13).map(candidate).collect();
        let group = Group::found(&candidates, redundancy(6, 4)).expect("enough");
        assert_eq!((group.members.len(), group.spares.len(), group.relaxed.len()), (10, 3, 0));
        assert_eq!(group.next(&candidates, redundancy(6, 4)), Ok(None));
        let too_few = PlacementError::TooFew { members: 13, needed: 14 };
        assert_eq!(Group::found(&candidates, redundancy(9, 5)), Err(too_few));
    }

    #[test]
    fn every_index_of_a_pack_lies_with_another_member_and_packs_are_turned() {
        let candidates: Vec<_> = (0..10).map(candidate).collect();
        let group = Group::found(&candidates, redundancy(6, 4)).expect("enough");
        let mut firsts: BTreeMap<MemberId, usize> = BTreeMap::new();
        for number in 0..1_000 {
            let mut holders: Vec<_> = (0..10).map(|index| group.member_for(&pack(number), index)).collect();
            *firsts.entry(holders[0]).or_default() += 1;
            holders.sort();
            holders.dedup();
            assert_eq!(holders.len(), 10);
        }
        assert!(firsts.values().all(|count| (60..140).contains(count)), "{firsts:?}");
    }

    #[test]
    fn members_that_fail_together_count_as_one() {
        let mut candidates: Vec<_> = (0..6).map(candidate).collect();
        candidates[0].domains.customer = named("Bistro");
        candidates[1].domains.customer = named("Bistro");
        candidates[1].domains.site = named("Rue 1");
        candidates[2].domains.site = named("Rue 1");
        candidates[3].domains.blocks = vec![AddressBlock::of_v4([192, 0, 2, 7])];
        candidates[4].domains.blocks = vec![AddressBlock::of_v6([0x20; 16]), AddressBlock::of_v4([192, 0, 2, 9])];
        assert_eq!(independent(&candidates), 3, "0-1-2, 3-4, 5");
        let group = Group::found(&candidates, redundancy(1, 1)).expect("enough");
        assert_eq!(group.relaxed, []);
        let group = Group::found(&candidates, redundancy(3, 2)).expect("enough");
        assert!(group.relaxed.iter().any(|one| matches!(one, Relaxed::Shared { .. })), "{:?}", group.relaxed);
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
        assert_eq!(AddressBlock::of_v6(mapped), AddressBlock::of_v4([192, 0, 2, 200]));
    }

    #[test]
    fn no_more_than_m_shards_lie_with_one_reseller_or_in_one_ring() {
        let mut candidates: Vec<_> = (0..12).map(candidate).collect();
        for (at, one) in candidates.iter_mut().enumerate() {
            one.domains.reseller = named(if at < 7 { "A" } else { "B" });
            one.domains.ring = named(at % 3);
        }
        let group = Group::found(&candidates, redundancy(3, 3)).expect("enough");
        assert_eq!(group.relaxed, []);
        let group = Group::found(&candidates, redundancy(5, 3)).expect("enough");
        let reseller = |name: &str| Relaxed::Reseller { reseller: name.to_owned(), shards: 4, allowed: 3 };
        assert_eq!(group.relaxed, [reseller("A"), reseller("B")]);
    }

    #[test]
    fn a_new_epoch_comes_only_when_somebody_leaves_or_is_full_and_moves_little() {
        let mut candidates: Vec<_> = (0..12).map(candidate).collect();
        let first = Group::found(&candidates, redundancy(6, 4)).expect("enough");
        candidates.push(candidate(50));
        assert_eq!(first.next(&candidates, redundancy(6, 4)), Ok(None), "one more member is no reason");
        let left = first.members[3];
        candidates.retain(|one| one.member != left);
        let second = first.next(&candidates, redundancy(6, 4)).expect("enough").expect("a member left");
        let stayed = second.members.iter().filter(|member| first.members.contains(member)).count();
        assert_eq!((second.epoch, stayed), (2, 9));
        let full = second.members[0];
        candidates.iter_mut().filter(|one| one.member == full).for_each(|one| one.room_bytes = 0);
        let third = second.next(&candidates, redundancy(6, 4)).expect("enough").expect("a member is full");
        assert!(!third.members.contains(&full));
    }

    #[test]
    fn a_rule_that_could_not_be_kept_is_kept_once_somebody_comes_who_allows_it() {
        let mut candidates: Vec<_> = (0..5).map(candidate).collect();
        candidates[0].domains.customer = named("Bistro");
        candidates[1].domains.customer = named("Bistro");
        let mut group = Group::found(&candidates, redundancy(3, 2)).expect("enough");
        assert_eq!(group.relaxed.len(), 1);
        // As it comes back from where it is kept.
        group.relaxed.clear();
        assert_eq!(group.next(&candidates, redundancy(3, 2)), Ok(None), "nobody else is there");
        candidates.push(candidate(9));
        let better = group.next(&candidates, redundancy(3, 2)).expect("enough").expect("a better one");
        assert_eq!((better.relaxed.len(), better.epoch), (0, 2));
        assert!(better.members.contains(&member(9)));
    }

    proptest! {
        #[test]
        fn a_group_keeps_every_rule_that_it_does_not_call_relaxed(
            traits in prop::collection::vec((0..20_u8, 0..30_u8, 0..5_u8, 0..4_u8), 2..48),
            data in 1..8_u8,
            parity in 0..6_u8,
        ) {
            let candidates: Vec<Candidate> = traits.iter().zip(0_u8..).map(|(&(customer, site, reseller, ring), number)| {
                let mut one = candidate(number);
                one.domains = Domains {
                    customer: named(customer), site: named(site), blocks: vec![], reseller: named(reseller), ring: named(ring),
                };
                one
            }).collect();
            let redundancy = redundancy(data, parity);
            let Ok(group) = Group::found(&candidates, redundancy) else {
                prop_assert!(candidates.len() < redundancy.width());
                return Ok(());
            };
            let of = |member: &MemberId| candidates.iter().find(|one| one.member == *member).expect("a candidate");
            prop_assert_eq!(group.members.len(), redundancy.width());
            prop_assert_eq!(group.members.len() + group.spares.len(), candidates.len());
            if group.relaxed.is_empty() {
                for member in &group.members {
                    let same = |get: fn(&Domains) -> &Option<String>| {
                        group.members.iter().filter(|other| get(&of(other).domains) == get(&of(member).domains)).count()
                    };
                    prop_assert_eq!(same(|domains| &domains.customer), 1);
                    prop_assert_eq!(same(|domains| &domains.site), 1);
                    prop_assert!(same(|domains| &domains.reseller) <= redundancy.parity().max(1));
                    prop_assert!(same(|domains| &domains.ring) <= redundancy.parity().max(1));
                }
            }
            prop_assert_eq!(Group::found(&candidates, redundancy), Ok(group));
        }
    }
}
