//! Heads: each owner's box makes one from time to time and gives it to all it reaches; a new box asks some hosts for the newest,
//! and some of them lie.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use datis_engine::community::entry::{Admission, Change, Domains};
use datis_engine::community::head::{Choice, Head, SignedBy, VerifiedHead, choose};
use datis_engine::community::log::Log;
use datis_engine::community::roster::Roster;
use datis_engine::ids::MemberId;
use datis_engine::keys::SigningKey;
use datis_engine::units::UnixMillis;

use super::{Event, World};
use crate::host::{DAY, Disk, KeptHead, member};
use crate::lies::Lie;

/// More owners than a world has.
const OWNERS: u8 = 2;
/// A host keeps so many heads.
const KEPT: usize = 8;
/// So many hosts are asked.
const ASKED: usize = 4;

/// The owners' community, the same in each world: before and after each has another box.
struct Circle {
    before: Roster,
    after: Roster,
    owners: Vec<Keys>,
    stranger: SigningKey,
}

struct Keys {
    recovery: SigningKey,
    first_box: SigningKey,
    second_box: SigningKey,
}

impl Keys {
    fn new(number: u8) -> Self {
        let key = |which| SigningKey::from_seed(&[number * 8 + which; 32]);
        Self { recovery: key(1), first_box: key(2), second_box: key(3) }
    }

    fn member(&self) -> MemberId {
        self.recovery.public_key().member_id()
    }

    fn admission(&self, number: usize) -> Box<Admission> {
        Box::new(Admission {
            name: format!("box-{number}").parse().expect("a name"),
            recovery: self.recovery.public_key(),
            device: self.first_box.public_key(),
            domains: Domains::default(),
        })
    }
}

fn circle() -> &'static Circle {
    static CIRCLE: OnceLock<Circle> = OnceLock::new();
    CIRCLE.get_or_init(|| {
        let owners: Vec<Keys> = (0..OWNERS).map(Keys::new).collect();
        let (name, window_days) = ("Quartier".parse().expect("a name"), 30);
        let founding = Change::Found { name, founder: owners[0].admission(0), removal_threshold: 1, window_days };
        let mut first = Log::founding(UnixMillis(1), founding);
        first.sign(&owners[0].first_box);
        first.sign(&owners[0].recovery);
        let mut log = Log::begin(first).expect("a founding");
        let say = |log: &mut Log, change, keys: &[&SigningKey]| {
            let mut entry = log.draft(UnixMillis(2), change);
            keys.iter().for_each(|key| entry.sign(key));
            log.append(entry).expect("an entry that may be");
        };
        for (number, keys) in owners.iter().enumerate().skip(1) {
            let admission = keys.admission(number);
            let consent = Box::new(admission.consent(log.community(), &keys.first_box, &keys.recovery));
            say(&mut log, Change::Admit { admission, consent }, &[&owners[0].first_box]);
        }
        let before = log.roster().clone();
        for keys in &owners {
            let change = Change::Rebind { member: keys.member(), device: keys.second_box.public_key() };
            say(&mut log, change, &[&keys.recovery, &keys.second_box]);
        }
        let stranger = SigningKey::from_seed(&[200; 32]);
        Circle { before, after: log.roster().clone(), owners, stranger }
    })
}

impl Circle {
    fn roster(&self, rebound: bool) -> &Roster {
        if rebound { &self.after } else { &self.before }
    }

    fn member(&self, owner: usize) -> MemberId {
        self.owners[owner].member()
    }

    fn device(&self, owner: usize, rebound: bool) -> &SigningKey {
        let keys = &self.owners[owner];
        if rebound { &keys.second_box } else { &keys.first_box }
    }

    fn head(&self, owner: usize, previous: Option<&VerifiedHead>, catalog: &str) -> Head {
        let community = self.before.community();
        Head::next(community, self.member(owner), previous, UnixMillis(3), catalog.into()).expect("a next head")
    }
}

/// What was asked of several hosts for the newest head.
#[derive(Default)]
struct Given {
    given: Vec<(MemberId, Vec<u8>)>,
    /// The newest that an honest one has.
    newest: Option<(usize, u64)>,
    /// Who showed one that the owner did not sign.
    forgers: BTreeSet<MemberId>,
    /// Who showed an old one, and its sequence.
    old: Vec<(MemberId, u64)>,
}

impl World {
    /// The owner's box says where its vault stands.
    pub(super) fn make_head(&mut self, owner: usize) {
        self.after(3 * DAY, Event::Head(owner));
        let one = &self.owners[owner];
        if !self.hosts[owner].is_up(self.t) || one.taken_over {
            return;
        }
        let roster = circle().roster(one.rebound);
        let head = circle().head(owner, one.heads.last(), "catalog");
        let bytes = head.sign(circle().device(owner, one.rebound)).encode();
        let head = Head::verify(&bytes, roster, SignedBy::PresentBox).expect("its own head");
        let rank = (usize::from(one.rebound), head.head().sequence);
        for peer in one.others() {
            if self.reach(owner, peer) && self.hosts[peer].disk == Disk::Fine {
                let kept = self.hosts[peer].heads.entry(owner).or_default();
                kept.push(KeptHead { rank, bytes: bytes.clone() });
                if kept.len() > KEPT {
                    kept.remove(1);
                }
            }
        }
        self.owners[owner].heads.push(head);
    }

    /// The member has another box; what the old one's key signs from now on counts for nothing that is new.
    pub(super) fn rebind(&mut self, owner: usize) {
        self.owners[owner].rebound = true;
        self.seen.rebound += 1;
    }

    /// Some hosts are asked for the newest head, as somebody does who has nothing but the kit.
    pub(super) fn look_for_head(&mut self, owner: usize) {
        self.after(9 * DAY, Event::LookForHead(owner));
        let mut peers = self.owners[owner].others();
        peers.retain(|peer| self.hosts[*peer].is_up(self.t) && self.hosts[*peer].disk != Disk::Unmounted);
        while peers.len() > ASKED {
            let out = usize::try_from(self.rng.range(0, peers.len() as u64)).expect("small");
            peers.swap_remove(out);
        }
        let mut asked = Given::default();
        for peer in peers {
            self.ask_for_heads(owner, peer, &mut asked);
        }
        let choice = choose(&asked.given, circle().member(owner), circle().roster(self.owners[owner].rebound));
        self.newest_honest_head_wins(owner, &asked, &choice);
    }

    fn ask_for_heads(&self, owner: usize, peer: usize, asked: &mut Given) {
        let Some(kept) = self.hosts[peer].heads.get(&owner) else { return };
        let (Some(first), Some(last)) = (kept.first(), kept.last()) else { return };
        let who = member(peer);
        match self.hosts[peer].lie {
            Some(Lie::OldHead) => {
                asked.given.push((who, first.bytes.clone()));
                asked.old.push((who, first.rank.1));
            }
            Some(Lie::ForgedHead) => {
                let mut altered = last.bytes.clone();
                *altered.last_mut().expect("a head has bytes") ^= 1;
                let head = circle().head(owner, self.owners[owner].heads.last(), "forged");
                let signed_by_stranger = head.sign(&circle().stranger).encode();
                asked.given.extend([(who, altered), (who, signed_by_stranger)]);
                asked.forgers.insert(who);
            }
            Some(Lie::ForkedHead) => asked.given.push((who, self.twin(owner))),
            _ => {
                asked.given.push((who, last.bytes.clone()));
                asked.newest = asked.newest.max(Some(last.rank));
            }
        }
    }

    /// What somebody signs who has the key of the owner's first box: in place of the last head, or after it once that key is revoked.
    fn twin(&self, owner: usize) -> Vec<u8> {
        let one = &self.owners[owner];
        let previous = if one.rebound { one.heads.last() } else { one.heads.iter().rev().nth(1) };
        let bytes = circle().head(owner, previous, "twin").sign(circle().device(owner, false)).encode();
        let is_taken = Head::verify(&bytes, circle().roster(one.rebound), SignedBy::PresentBox).is_ok();
        assert_eq!(is_taken, !one.rebound, "hosts take the heads of the present box and of no other");
        bytes
    }

    /// With one honest host among those that were asked, whatever the others say: what is chosen is as new as what that one has, or
    /// newer; it was signed with the owner's key; and who showed something else is named.
    fn newest_honest_head_wins(&mut self, owner: usize, asked: &Given, choice: &Choice) {
        let one = &self.owners[owner];
        let chosen = choice.chosen.as_ref();
        assert!(
            chosen.map(VerifiedHead::rank) >= asked.newest,
            "{:?} was chosen, and an honest host has {:?}",
            chosen.map(VerifiedHead::rank),
            asked.newest
        );
        let refused: BTreeSet<MemberId> = choice.refused.iter().map(|(peer, _)| *peer).collect();
        assert_eq!(refused, asked.forgers, "forged heads are refused, and no others");
        let Some(chosen) = chosen else { return };
        let is_owners = one.heads.iter().any(|head| head.hash() == chosen.hash());
        let has_newest = !one.rebound && asked.newest == one.heads.last().map(VerifiedHead::rank);
        assert!(is_owners || !has_newest || !choice.forks.is_empty(), "a fork of the owner's heads is not named");
        let is_new_box = asked.newest.is_some_and(|(number, _)| number > 0);
        assert!(is_owners || !is_new_box, "what the lost box's key signed was taken for newer than the new box's head");
        for (peer, sequence) in &asked.old {
            let is_behind = choice.behind.contains(&(*peer, *sequence));
            assert_eq!(is_behind, *sequence < chosen.head().sequence, "who shows an old head is named");
            self.seen.old_heads += u64::from(is_behind);
        }
        self.seen.forged_heads += asked.forgers.len() as u64;
        self.seen.forks += u64::from(!choice.forks.is_empty());
        self.seen.heads += 1;
    }
}
