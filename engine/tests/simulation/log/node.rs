//! One box of the community: what it knows, and what it makes of what others tell it. All of it is done by the engine; this is
//! only the driver that saves and passes on.

use std::collections::BTreeMap;

use datis_engine::community::accused::{Accusations, is_free_to_say};
use datis_engine::community::entry::{Change, SignedEntry};
use datis_engine::community::hearing::{Heard, hear, say_again};
use datis_engine::community::known::Community;
use datis_engine::community::log::{Log, LogError};
use datis_engine::community::parting::{Parting, Proposed};
use datis_engine::community::proposals::{self, Open, Put};
use datis_engine::community::roster::Rights;
use datis_engine::ids::{EntryHash, MemberId};
use datis_engine::keys::SigningKey;
use datis_engine::units::UnixMillis;

use super::people::{Person, person, signed};
use crate::clocks::Clocks;

/// An answer gives so many entries to a box that is behind, which then asks again.
const PIECE: usize = 5;

/// In whose hands a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hands {
    Owner,
    Thief,
}

pub(super) struct Node {
    pub(super) person: usize,
    device: usize,
    pub(super) hands: Hands,
    /// `None`: it is in no community yet.
    pub(super) known: Option<Community>,
    pub(super) kept: Vec<SignedEntry>,
    /// In memory, as what follows.
    accusations: Accusations,
    /// What members have told that parts from what is known here, where people have to choose.
    pub(super) parted: BTreeMap<MemberId, Vec<SignedEntry>>,
    pub(super) clocks: Clocks,
    pub(super) off_until: u64,
    pub(super) island: u64,
    /// It is lost for good, or was given up for another one.
    pub(super) is_gone: bool,
    /// When each rebinding of the log came here, by true time.
    pub(super) rebound_at: BTreeMap<EntryHash, u64>,
}

/// What one box says of its log to another one, as a question or as an answer.
#[derive(Default)]
pub(super) struct Told {
    pub(super) sequence: u64,
    pub(super) last: Option<EntryHash>,
    pub(super) entries: Vec<SignedEntry>,
    pub(super) proposals: Vec<SignedEntry>,
    /// Whoever has only the beginning of a log is given the rest by and by.
    pub(super) may_be_a_piece: bool,
}

/// How a box came to its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Entry by entry, its own ones with them.
    Itself,
    /// It gave way to another one.
    GivingWay,
    /// Its people wanted that of another box.
    People,
    /// It came in, or back, with it.
    Entering,
}

/// A log that a box had before, and why it has another one now.
pub(super) struct Taken {
    pub(super) before: Option<Log>,
    pub(super) by: By,
    /// What the log that it gave way to has from the parting on, also what has to wait before it is taken.
    pub(super) gave_way_to: Vec<SignedEntry>,
}

impl Node {
    pub(super) fn new(person: usize, device: usize, hands: Hands, t: u64) -> Self {
        Self {
            person,
            device,
            hands,
            known: None,
            kept: Vec::new(),
            accusations: Accusations::default(),
            parted: BTreeMap::new(),
            clocks: Clocks::new(t),
            off_until: t,
            island: 0,
            is_gone: false,
            rebound_at: BTreeMap::new(),
        }
    }

    pub(super) fn owner(&self) -> &'static Person {
        person(self.person)
    }

    pub(super) fn id(&self) -> MemberId {
        self.owner().id
    }

    pub(super) fn key(&self) -> &'static SigningKey {
        &self.owner().devices[self.device]
    }

    pub(super) fn device(&self) -> usize {
        self.device
    }

    /// Whether it was made by somebody who has the kit.
    pub(super) fn is_of_kit(&self) -> bool {
        self.device > 0
    }

    pub(super) fn log(&self) -> &Log {
        &self.known.as_ref().expect("in the community").log
    }

    pub(super) fn is_up(&self, t: u64) -> bool {
        !self.is_gone && self.known.is_some() && t >= self.off_until
    }

    /// Whether this is its member's present box, as far as it knows.
    pub(super) fn is_in(&self) -> bool {
        self.known.as_ref().and_then(|known| known.who(&self.key().public_key())) == Some(self.id())
    }

    /// What waits and can still come next.
    pub(super) fn open(&self) -> Vec<Open> {
        proposals::open(self.log(), self.kept.iter().cloned())
    }

    /// Whose words it takes from nobody for now.
    pub(super) fn held_back(&mut self, t: u64) -> Vec<MemberId> {
        let (open, now) = (self.open(), self.clocks.now(t));
        let known = self.known.as_ref().expect("in the community");
        self.accusations.held_back(known, &open, now)
    }

    /// What it grants to whoever has this key.
    pub(super) fn grants(&mut self, device: &SigningKey, t: u64) -> Option<(MemberId, Rights)> {
        let now = self.clocks.now(t);
        let known = self.known.as_ref()?;
        let member = known.who(&device.public_key())?;
        Some((member, known.rights_of(member, now)))
    }

    /// Goes on with another log; durable before anybody hears of it.
    pub(super) fn take_log(&mut self, log: Log, by: By, t: u64) -> Taken {
        let now = self.clocks.now(t);
        self.clocks.save();
        self.kept.clear();
        let me = self.id();
        let before = self.known.take();
        self.known = Some(match &before {
            Some(before) => before.with_log(log, now),
            None => Community::entered(log, me, now),
        });
        Taken { before: before.map(|known| known.log), by, gave_way_to: Vec::new() }
    }

    /// Signs something for this box: it becomes the next entry, waits for more admins, or is not said.
    pub(super) fn decide(&mut self, change: Change, t: u64) -> Option<Taken> {
        let same = self.open().into_iter().find(|(_, weighed)| weighed.entry.change == change);
        let entry = same.map_or_else(|| self.log().draft(UnixMillis(3), change), |(entry, _)| entry);
        self.put(signed(entry, &[self.key()]), t)
    }

    /// Into the log, or among what waits; nowhere when the log does not take it or nobody would hear it.
    pub(super) fn put(&mut self, entry: SignedEntry, t: u64) -> Option<Taken> {
        match proposals::put(self.log(), &entry).ok()? {
            Put::Next(log) => {
                let held = self.held_back(t);
                let is_free = is_free_to_say(self.known.as_ref()?, &entry, &held);
                is_free.then(|| self.take_log(*log, By::Itself, t))
            }
            Put::Waits { .. } => {
                self.keep(entry);
                None
            }
        }
    }

    fn keep(&mut self, entry: SignedEntry) {
        self.kept.retain(|other| other.hash() != entry.hash());
        self.kept.push(entry);
    }

    pub(super) fn question(&self, theirs: Option<u64>) -> Told {
        let log = self.log();
        let entries = theirs.map(|theirs| log.after(theirs).cloned().collect()).unwrap_or_default();
        let (sequence, last) = (log.roster().sequence(), Some(log.last_hash()));
        Told { sequence, last, entries, proposals: self.kept.clone(), may_be_a_piece: theirs.is_none() }
    }

    /// Asks for what follows on an earlier entry of its own.
    pub(super) fn earlier(&self, sequence: u64) -> Told {
        Told { sequence, last: self.log().hash_at(sequence), ..Told::default() }
    }

    pub(super) fn answer(&self, asked: &Told) -> Told {
        let mut told = self.question(None);
        if self.log().hash_at(asked.sequence) == asked.last {
            told.entries = self.log().after(asked.sequence).cloned().collect();
            if asked.may_be_a_piece {
                told.entries.truncate(PIECE);
            }
        }
        told
    }

    /// Takes what `member` has told.
    pub(super) fn learn(&mut self, member: MemberId, told: &Told, t: u64) -> Result<Option<Taken>, LogError> {
        let heard = self.hear(member, told, t)?;
        let passed = self.pass(&told.proposals, t)?;
        if told.last == Some(self.log().last_hash()) {
            self.parted.remove(&member);
        }
        // Two changes in one message are one to whoever looks at it from outside.
        Ok(match (heard, passed) {
            (Some(first), Some(_)) => Some(first),
            (first, second) => first.or(second),
        })
    }

    fn hear(&mut self, member: MemberId, told: &Told, t: u64) -> Result<Option<Taken>, LogError> {
        if told.entries.is_empty() {
            return Ok(None);
        }
        let ours: Vec<SignedEntry> = self.open().into_iter().map(|(entry, _)| entry).collect();
        let (held, now, device) = (self.held_back(t), self.clocks.now(t), self.key());
        let proposed = Proposed { ours: &ours, theirs: &told.proposals, held: &held };
        let known = self.known.as_ref().expect("in the community");
        Ok(match hear(known, device, &told.entries, proposed, now)? {
            Heard::Nothing => None,
            Heard::Longer(log) => Some(self.take_log(*log, By::Itself, t)),
            Heard::GivesWay(parting, said_again) => {
                let taken = self.take_log(said_again.log, By::GivingWay, t);
                Some(Taken { gave_way_to: parting.theirs().to_vec(), ..taken })
            }
            Heard::Parted(parting) => {
                self.parted.insert(member, parting.theirs().to_vec());
                None
            }
        })
    }

    fn pass(&mut self, told: &[SignedEntry], t: u64) -> Result<Option<Taken>, LogError> {
        let passed = proposals::pass(self.log(), self.open(), told)?;
        passed.kept.into_iter().for_each(|entry| self.keep(entry));
        let Some((entry, log)) = passed.complete else { return Ok(None) };
        let held = self.held_back(t);
        let is_free = is_free_to_say(self.known.as_ref().expect("in the community"), &entry, &held);
        Ok(is_free.then(|| self.take_log(log, By::Itself, t)))
    }

    /// Its people give up what only this log says, for that of a member; `None`: there is nothing to choose, or it would be out.
    pub(super) fn take_log_of(&mut self, member: MemberId, t: u64) -> Option<Taken> {
        let told = self.parted.get(&member)?.clone();
        let (now, known) = (self.clocks.now(t), self.known.as_ref()?);
        let is_old = |since| known.is_old(since, now);
        let parting = Parting::of(&known.log, &told, Proposed::default(), is_old).ok()??;
        let log = parting.their_log()?;
        log.roster().member(known.me)?;
        let said_again = say_again(known, self.key(), &parting, log, now);
        self.parted.remove(&member);
        Some(self.take_log(said_again.log, By::People, t))
    }

    /// Power cut: what stood in memory is gone.
    pub(super) fn crash(&mut self, back_at: u64) {
        self.off_until = self.off_until.max(back_at);
        self.clocks.crash(self.off_until);
        self.accusations.clear();
        self.parted.clear();
    }
}
