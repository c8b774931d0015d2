//! What somebody does who has stolen a box, or a kit.

use datis_engine::community::entry::{Change, SignedEntry};
use datis_engine::community::roster::Rights;
use datis_engine::ids::MemberId;
use datis_engine::units::UnixMillis;

use super::node::{Hands, Told};
use super::people::{admit, name, person, signed, stranger};
use super::{CALM, Circle, Event};
use crate::host::{DAY, HOUR};

/// Whom thieves let in.
const FRIENDS: std::ops::Range<usize> = 18..24;

impl Circle {
    /// A box is in the hands of a thief from now on: it has the box's key, and not the kit. Its people say so by telephone.
    pub(super) fn box_stolen(&mut self) {
        let Some(number) = self.anybody_to_rob() else { return };
        self.nodes[number].hands = Hands::Thief;
        self.seen.stolen_boxes += 1;
        self.wanted_out.insert(self.nodes[number].id(), self.t + DAY);
        self.after(HOUR, Event::Thief(number));
    }

    /// One box of those whose member the others can put out then; one theft at a time.
    fn anybody_to_rob(&mut self) -> Option<usize> {
        let may = |number: &usize| {
            let node = &self.nodes[*number];
            node.hands == Hands::Owner && node.is_up(self.t) && self.others_can_put_out(*number)
        };
        let those: Vec<usize> = (0..self.nodes.len()).filter(may).collect();
        (!those.is_empty() && self.wanted_out.is_empty()).then(|| self.rng.pick(&those))
    }

    /// A member that is alone in deciding cannot be put out; two of whom each decides alone are a matter of who comes first.
    fn others_can_put_out(&self, number: usize) -> bool {
        let roster = self.nodes[number].log().roster();
        let is_admin = roster.is_admin(self.nodes[number].id());
        !is_admin || roster.admins().count() > 2
    }

    /// Somebody has a copy of a member's kit, while its box lives. The owner answers, and the others put the member out in the end.
    pub(super) fn kit_stolen(&mut self) {
        let Some(number) = self.anybody_to_rob() else { return };
        let person = self.nodes[number].person;
        let before = self.nodes.len();
        self.comes_back(person, Hands::Thief);
        if self.nodes.len() == before {
            return;
        }
        self.seen.stolen_kits += 1;
        self.after(HOUR, Event::Thief(before));
        let confirms = self.rng.range(HOUR, 3 * DAY);
        self.after(confirms, Event::ThiefConfirms(before));
        // The true owner hears of it, and takes its place back by the same kit; or the others put the member out.
        if self.rng.percent(50) {
            let answers = self.rng.range(2 * HOUR, 4 * DAY);
            self.after(answers, Event::ComesBack(person));
        }
        let wanted = self.t + self.rng.range(DAY, 4 * DAY);
        self.wanted_out.insert(self.nodes[number].id(), wanted);
    }

    /// A thief goes round: it tries what its box may, and what it may not.
    pub(super) fn thief(&mut self, number: usize) {
        let again = self.rng.range(3 * HOUR, 14 * HOUR);
        self.after(again, Event::Thief(number));
        if !self.nodes[number].is_up(self.t) || self.t > self.end - CALM {
            return;
        }
        let honest: Vec<usize> = (0..self.nodes.len())
            .filter(|other| {
                self.is_honest(*other)
                    && self.nodes[*other].is_up(self.t)
                    && self.nodes[*other].id() != self.nodes[number].id()
            })
            .collect();
        if honest.is_empty() {
            return;
        }
        let other = self.rng.pick(&honest);
        if !self.is_let_in_as_it_should(number, other) {
            self.seen.refused += 1;
            return;
        }
        let told = self.lies(number, other);
        let (thief, before) = (self.nodes[number].id(), self.nodes[other].log().last_hash());
        match self.nodes[other].learn(thief, &told, self.t) {
            Ok(taken) => self.changed(other, taken),
            Err(_) => {
                assert_eq!(self.nodes[other].log().last_hash(), before, "something of a refused message was taken")
            }
        }
    }

    /// Whether a box answers a thief; what it grants it is what true time and the log allow.
    fn is_let_in_as_it_should(&mut self, number: usize, other: usize) -> bool {
        let (key, t) = (self.nodes[number].key(), self.t);
        let granted = self.nodes[other].grants(key, t);
        let truth = self.truth.may_write(&self.nodes[other], &key.public_key(), t);
        match granted {
            None | Some((_, Rights::None)) => false,
            Some((_, Rights::All)) => {
                assert!(truth, "a box that was put out, replaced or is new may write and condemn");
                true
            }
            Some((_, Rights::ReadOnly { .. } | Rights::Leaving { .. })) => {
                self.seen.read_only += 1;
                true
            }
        }
    }

    /// What a thief tells a box, on top of what that one knows: so each may be told something else.
    fn lies(&mut self, number: usize, other: usize) -> Told {
        let (thief, victim) = (&self.nodes[number], &self.nodes[other]);
        let (me, key) = (thief.id(), thief.key());
        let log = victim.log();
        let draft = |change| log.draft(UnixMillis(6), change);
        let honest: Vec<MemberId> = log.roster().admins().map(|admin| admin.id).filter(|id| *id != me).collect();
        let rename = |member, text: String| Change::Rename { member, name: name(text) };
        let friend = FRIENDS.start + self.rng.range(0, (FRIENDS.end - FRIENDS.start) as u64) as usize;
        let mut told = Told::default();
        match self.rng.range(0, 7) {
            0 | 1 => told.entries.push(signed(draft(rename(me, format!("thief-{}", self.queued))), &[key])),
            2 => told.entries.push(signed(draft(admit(friend, log)), &[key])),
            3 => told.entries.push(signed(draft(rename(victim.id(), format!("fool-{}", self.queued))), &[key])),
            4 => {
                let out = self.rng.range(0, honest.len().max(1) as u64) as usize;
                let Some(member) = honest.get(out).copied() else { return told };
                told.proposals.push(signed(draft(Change::Remove { member }), &[key]));
            }
            5 => {
                self.seen.forged += 1;
                told.entries.push(self.forged(number, other));
            }
            _ => {
                // What it said before, in another place.
                let old: Vec<SignedEntry> = log.entries().skip(1).cloned().collect();
                let at = self.rng.range(0, old.len().max(1) as u64) as usize;
                told.entries.extend(old.get(at).cloned().map(|mut entry| {
                    entry.body = draft(rename(me, "again".to_owned())).body;
                    entry
                }));
            }
        }
        told
    }

    /// Signed by somebody who may not, or by nobody.
    fn forged(&mut self, number: usize, other: usize) -> SignedEntry {
        let (thief, victim) = (&self.nodes[number], &self.nodes[other]);
        let log = victim.log();
        let member = victim.id();
        let change = match self.rng.range(0, 3) {
            0 => Change::Remove { member },
            1 => Change::Rebind { member, device: stranger().public_key() },
            _ => Change::Rename { member, name: name("forged".to_owned()) },
        };
        let entry = log.draft(UnixMillis(7), change);
        let first_box = &person(thief.person).devices[0];
        match self.rng.range(0, 3) {
            0 => signed(entry, &[stranger()]),
            1 => signed(entry, &[stranger(), first_box]),
            _ => {
                // Another one's signature, of something else.
                let mut entry = signed(entry, &[stranger()]);
                let theirs = log.entries().last().and_then(|last| last.signatures.first());
                entry.signatures.extend(theirs.cloned());
                entry.signatures.remove(0);
                entry
            }
        }
    }

    /// With the kit alone: to whoever has known the rebinding for a day it is as the owner's.
    pub(super) fn thief_confirms(&mut self, number: usize) {
        if !self.nodes[number].is_up(self.t) {
            return;
        }
        if self.t < self.end - CALM {
            self.after(10 * HOUR, Event::ThiefConfirms(number));
        }
        for other in 0..self.nodes.len() {
            let me = self.nodes[number].id();
            if !self.is_honest(other) || !self.nodes[other].is_up(self.t) || !self.is_let_in_as_it_should(number, other)
            {
                continue;
            }
            let recovery = &self.nodes[number].owner().recovery;
            let entry =
                signed(self.nodes[other].log().draft(UnixMillis(8), Change::Confirm { member: me }), &[recovery]);
            let told = Told { entries: vec![entry], ..Told::default() };
            if let Ok(taken) = self.nodes[other].learn(me, &told, self.t) {
                self.changed(other, taken);
            }
        }
    }
}
