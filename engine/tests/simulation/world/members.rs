//! Members come and go, and each time the owners see whether another group is to hold what is new.

use std::collections::{BTreeMap, BTreeSet};

use datis_engine::ids::MemberId;
use datis_engine::life::peer::{Peer, Presence, Standing};
use datis_engine::life::placement::{Candidate, Domains, Group, Relaxed, independent};
use datis_engine::life::repair::{Order, Plan, THIN_AFTER};
use datis_engine::life::stripe::ShardState;

use super::troubles::KNOWN_AFTER;
use super::{Event, QUIET, World, candidate};
use crate::host::{DAY, member};
use crate::owner::{Owner, scheme};

/// Whoever leaves is read for so long (mutual-backup 4.15).
const LEAVING: u64 = 30 * DAY;

impl World {
    /// A box comes in that was not there.
    pub(super) fn join(&mut self, number: usize) {
        if self.hosts[number].is_dead() {
            return;
        }
        self.seen.joined += 1;
        for owner in 0..self.owners.len() {
            let met = Peer::met(self.hosts[owner].now(self.t));
            self.owners[owner].peers.insert(number, met);
            self.owners[owner].saved_peers.insert(number, met);
            self.regroup_if_members_changed(owner);
        }
    }

    /// A member says that it goes, and is there for 30 days more.
    pub(super) fn leave(&mut self) {
        let may = |number: &usize| {
            let is_in = |owner: &Owner| owner.peers.contains_key(number) && !owner.leaving.contains(number);
            !self.hosts[*number].is_dead() && self.owners.iter().all(is_in)
        };
        let those: Vec<usize> = (self.owners.len()..self.hosts.len()).filter(may).collect();
        if those.is_empty() {
            return;
        }
        let number = self.rng.pick(&those);
        self.after(LEAVING, Event::Left(number));
        for owner in 0..self.owners.len() {
            self.owners[owner].leaving.insert(number);
            self.regroup_if_members_changed(owner);
        }
    }

    /// It is gone with all that it held; by now that is elsewhere, unless there was trouble until lately or nobody to take it.
    pub(super) fn left(&mut self, number: usize) {
        self.seen.left += 1;
        for owner in 0..self.owners.len() {
            self.what_it_held_is_elsewhere(owner, number);
            let one = &mut self.owners[owner];
            for at in 0..one.packs.len() {
                let id = one.packs[at].id;
                one.map_mut().release(&id, &member(number));
            }
            one.peers.remove(&number);
            one.saved_peers.remove(&number);
            one.leaving.remove(&number);
            one.ballast.remove(&number);
        }
        self.hosts[number].dies();
        for owner in 0..self.owners.len() {
            self.regroup_if_members_changed(owner);
        }
    }

    /// The admins put a box out: from one moment to the next it is no member, and what it holds is worth nothing. Never more boxes
    /// than the stripes bear.
    pub(super) fn put_out(&mut self) {
        let is_in = |number: &usize| {
            let knows = |owner: &Owner| owner.peers.contains_key(number) && !owner.leaving.contains(number);
            !self.hosts[*number].is_dead() && self.owners.iter().all(knows)
        };
        let those: Vec<usize> = (self.owners.len()..self.hosts.len()).filter(is_in).collect();
        // Most are put out for what they have done.
        let liar = those.iter().copied().find(|number| self.hosts[*number].lie.is_some());
        let Some(number) = liar.or_else(|| (!those.is_empty()).then(|| self.rng.pick(&those))) else { return };
        if !self.may_fail(number) {
            return;
        }
        self.seen.put_out += 1;
        self.troubled_until = self.troubled_until.max(self.t + KNOWN_AFTER);
        self.hosts[number].dies();
        for owner in 0..self.owners.len() {
            let one = &mut self.owners[owner];
            one.peers.remove(&number);
            one.saved_peers.remove(&number);
            one.ballast.remove(&number);
            one.packs.iter_mut().for_each(|pack| {
                pack.destroyed |= 1 << number;
                pack.missed |= 1 << number;
            });
            self.regroup_if_members_changed(owner);
        }
    }

    fn what_it_held_is_elsewhere(&mut self, number: usize, leaver: usize) {
        let owner = &self.owners[number];
        let stay = self.who_stays(owner);
        let is_calm = self.t >= self.troubled_until + QUIET;
        let mut lost_with_it = Vec::new();
        for (at, pack) in owner.packs.iter().enumerate() {
            let held: Vec<(usize, usize)> = owner
                .map()
                .places(&pack.id)
                .filter(|(.., state)| *state == ShardState::Held)
                .map(|(holder, index, _)| (usize::from(holder.as_bytes()[0]), index))
                .filter(|(holder, index)| self.hosts[*holder].truly_has(number, &owner.shard_id(&pack.id, *index)))
                .collect();
            let Some((_, index)) = held.iter().find(|(holder, _)| *holder == leaver) else { continue };
            if held.iter().any(|(holder, other)| *holder != leaver && other == index) {
                self.seen.moved += 1;
                continue;
            }
            let rest: BTreeSet<usize> = held.iter().map(|(_, index)| *index).filter(|other| other != index).collect();
            let can_be_made = pack.local || rest.len() + 1 >= pack.redundancy.data();
            let is_excused = !is_calm || stay < pack.redundancy.width() || !can_be_made;
            assert!(
                is_excused,
                "box {leaver} leaves with the only copy of shard {index} of {:?}; local: {}, {stay} boxes stay",
                pack.redundancy, pack.local
            );
            lost_with_it.push(at);
        }
        for at in lost_with_it {
            self.owners[number].packs[at].destroyed |= 1 << leaver;
        }
    }

    /// Boxes that an owner's shards can be at from now on.
    pub(super) fn who_stays(&self, owner: &Owner) -> usize {
        let stays = |peer: &&usize| !self.hosts[**peer].is_dead() && !owner.leaving.contains(*peer);
        owner.peers.keys().filter(stays).count()
    }

    /// Another epoch, if members that came, left or are gone ask for one.
    pub(super) fn regroup_if_members_changed(&mut self, number: usize) {
        let owner = &self.owners[number];
        let stay = owner.peers.iter().filter(|(peer, _)| !owner.leaving.contains(*peer));
        let from: Vec<(usize, bool)> = stay.map(|(peer, view)| (*peer, view.standing() == Standing::Gone)).collect();
        if from == owner.chosen_from {
            return;
        }
        let candidates: Vec<Candidate> = from
            .iter()
            .map(|(peer, is_gone)| {
                let known = candidate(*peer, &self.domains[*peer]);
                Candidate { room_bytes: if *is_gone { 0 } else { known.room_bytes }, ..known }
            })
            .collect();
        let redundancy = scheme(independent(&candidates));
        let next = redundancy.and_then(|redundancy| match &owner.group {
            None => Group::found(&candidates, redundancy).ok(),
            Some(present) => present.next(&candidates, redundancy).ok().flatten(),
        });
        self.owners[number].chosen_from = from;
        if let Some(next) = next {
            self.owners[number].group = Some(next);
            self.seen.epochs += 1;
            self.rules_are_kept(number);
        }
    }

    /// One shard for each member, at most m with one reseller or in one ring, and none that fail together: or it is said.
    pub(super) fn rules_are_kept(&mut self, owner: usize) {
        let Some(group) = &self.owners[owner].group else { return };
        let members: Vec<usize> = group.members.iter().map(|member| usize::from(member.as_bytes()[0])).collect();
        let distinct: BTreeSet<&usize> = members.iter().collect();
        assert_eq!((members.len(), distinct.len()), (group.redundancy.width(), group.redundancy.width()));
        let allowed = group.redundancy.parity().max(1);
        for one in &members {
            let Domains { reseller, ring, .. } = &self.domains[*one];
            let as_many = |of: fn(&Domains) -> &Option<String>, name: &Option<String>| {
                members.iter().filter(|other| name.is_some() && of(&self.domains[**other]) == name).count()
            };
            let is_said = |fits: &dyn Fn(&Relaxed) -> bool| group.relaxed.iter().any(fits);
            let in_ring = as_many(|domains| &domains.ring, ring);
            let ring_is_said =
                || is_said(&|one| matches!(one, Relaxed::Ring { ring: name, .. } if Some(name) == ring.as_ref()));
            assert!(in_ring <= allowed || ring_is_said(), "{in_ring} shards in ring {ring:?}");
            let with_reseller = as_many(|domains| &domains.reseller, reseller);
            let reseller_is_said = || {
                is_said(
                    &|one| matches!(one, Relaxed::Reseller { reseller: name, .. } if Some(name) == reseller.as_ref()),
                )
            };
            assert!(with_reseller <= allowed || reseller_is_said(), "{with_reseller} shards with {reseller:?}");
        }
        for (at, one) in members.iter().enumerate() {
            let shares = members[..at].iter().any(|other| fail_together(&self.domains[*one], &self.domains[*other]));
            let is_named =
                |relaxed: &Relaxed| matches!(relaxed, Relaxed::Shared { member: named, .. } if *named == member(*one));
            assert!(!shares || group.relaxed.iter().any(is_named), "box {one} shares something with another one");
        }
        self.seen.relaxed += u64::from(!group.relaxed.is_empty());
    }

    /// A repair goes to a member that fails together with none that holds another shard of the pack, unless all that are
    /// free do.
    pub(super) fn is_apart_if_it_can_be(
        &mut self,
        owner: usize,
        (order, plan): (&Order, &Plan),
        presences: &BTreeMap<MemberId, Presence>,
        candidates: &[Candidate],
    ) {
        if order.replaces.is_some() {
            return;
        }
        let places: Vec<_> = self.owners[owner].map().places(&order.pack).collect();
        let of = |member: &MemberId| &self.domains[usize::from(member.as_bytes()[0])];
        let shares = |one: &MemberId, counts: &dyn Fn(&MemberId, ShardState) -> bool| {
            places.iter().any(|(other, _, state)| counts(other, *state) && fail_together(of(one), of(other)))
        };
        let is_here =
            |member: &MemberId| presences.get(member).is_some_and(|one| one.counts && one.silent < THIN_AFTER);
        if !shares(&order.to, &|other, state| state == ShardState::Held && is_here(other)) {
            return;
        }
        self.seen.shared += 1;
        // Others of the same plan may be what the rest of the pack goes to.
        let is_meant = |one: &MemberId| plan.orders.iter().any(|other| other.pack == order.pack && other.to == *one);
        let has_it =
            |one: &MemberId| places.iter().any(|(member, _, state)| member == one && *state != ShardState::Lost);
        let is_free = |one: &&Candidate| {
            let may = presences.get(&one.member).is_some_and(Presence::may_receive);
            one.room_bytes > 0 && may && !is_meant(&one.member) && !has_it(&one.member)
        };
        let mut free = candidates.iter().filter(is_free);
        let apart = free.find(|one| !shares(&one.member, &|_, state| state != ShardState::Lost));
        assert!(apart.is_none(), "{order:?} shares something with a holder, and {apart:?} is free");
    }
}

fn fail_together(one: &Domains, other: &Domains) -> bool {
    (one.customer.is_some() && one.customer == other.customer)
        || (one.site.is_some() && one.site == other.site)
        || one.blocks.iter().any(|block| other.blocks.contains(block))
}
