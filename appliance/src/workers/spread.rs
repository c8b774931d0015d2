//! Brings what the box keeps to the other boxes, and tells them where it stands.
//!
//! A round looks at what should be and at what is, sends what is missing to all members at once, then the map, then the head.
//! Nothing is remembered between rounds but what the catalog says; connections last for a round. The pace is that of the
//! members which make a pack off-site safe: whoever is slower gets what it missed later. Decision 0030.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use datis_engine::erasure::scheme::Scheme;
use datis_engine::erasure::shard::Shard;
use datis_engine::ids::{MemberId, PackId};
use datis_engine::life::placement::Group;

use super::carriers::{Errand, Outcome, Told, carry};
use super::lines::Lines;
use super::steps::Done;
use crate::operations::bandwidth::Traffic;
use crate::operations::dispersal::{self, Circle, Place, ReceiptRefusal, Received, StripeKind, Task, Tried};
use crate::operations::{OperationError, Site};

/// Packs that are on their way together: while one is coded, the others are sent.
const PACKS_AT_ONCE: usize = 3;
/// Shards that wait for one member.
const QUEUE: usize = 4;
/// A round ends after this, so that it is told how far it is, and members that were away are asked again.
const ROUND_MAX: Duration = Duration::from_secs(60);
/// For the members that make a pack safe.
const PACE_MAX: Duration = Duration::from_secs(120);
/// For the rest, when all that there is to do was given out.
const LAST_WAIT: Duration = Duration::from_secs(20);
/// How often it is looked whether the box is to stop.
const LOOK: Duration = Duration::from_millis(200);
/// Shards that one member is told at once that nobody needs.
const CONDEMN_AT_ONCE: usize = 1_000;
/// Receipts that are written down together.
const RECEIPTS_AT_ONCE: usize = 256;
/// A member that has refused so many shards in a round is given no more in it.
const REFUSALS_MAX: usize = 4;
/// Memory of shards that is kept for the next ones, in bytes.
const SPARE_BYTES_MAX: usize = 256 << 20;

/// What a round has done.
#[derive(Debug, Default)]
pub(super) struct Rounded {
    /// Shards that members signed for.
    pub(super) receipts: usize,
    /// Members that do not answer, and why.
    pub(super) silent: BTreeMap<MemberId, String>,
    /// Whether there is more to do at once.
    pub(super) more: bool,
    /// What keeps the next head back, for people.
    pub(super) no_head: Option<String>,
}

/// One step of the worker.
pub(super) fn step<L: Lines>(
    site: &Arc<Site>,
    lines: &L,
    working: &dyn Fn(Option<String>),
) -> Result<Done, OperationError> {
    let Some(circle) = Circle::of(site)? else { return Ok(Done::Everything) };
    let window_days = site.community().map_or(0, |known| known.roster().window_days());
    let rounded = round(site, &circle, lines, window_days, working)?;
    if let Some(why) = rounded.no_head {
        return Ok(Done::Failed(why));
    }
    if rounded.more && rounded.receipts > 0 {
        // A round is a whole step: beside a member that is always behind there would be no other end.
        return Ok(Done::For(Duration::ZERO));
    }
    match rounded.silent.first_key_value() {
        Some((_, why)) if rounded.silent.len() == circle.fellows.len() => {
            Ok(Done::Failed(format!("no other box answers: {why}")))
        }
        Some(_) | None => Ok(Done::Everything),
    }
}

/// One round.
pub(super) fn round<L: Lines>(
    site: &Arc<Site>,
    circle: &Circle,
    lines: &L,
    window_days: u16,
    working: &dyn Fn(Option<String>),
) -> Result<Rounded, OperationError> {
    dispersal::forget_leavers(site, circle)?;
    dispersal::release_leavers(site, circle)?;
    dispersal::packs_gone(site)?;
    let Some(group) = dispersal::choose_group(site, circle)? else { return Ok(Rounded::default()) };
    dispersal::place_wide_again(site, circle, &group)?;
    let stop = AtomicBool::new(false);
    let (told, outcomes) = channel::<Told>();
    std::thread::scope(|scope| {
        let mut queues = HashMap::new();
        for member in circle.fellows.iter().map(|fellow| fellow.member) {
            let (sender, errands) = sync_channel(QUEUE);
            let (told, stop) = (told.clone(), &stop);
            scope.spawn(move || carry(site, lines, (member, window_days), &errands, stop, &told));
            queues.insert(member, sender);
        }
        drop(told);
        let mut round = Round {
            site,
            circle,
            group,
            queues,
            outcomes,
            pending: HashMap::new(),
            errands: 0,
            tried: Tried::default(),
            refusals: HashMap::new(),
            heads: HashMap::new(),
            memory: Vec::new(),
            done: Rounded::default(),
        };
        let result = round.run(working);
        // Whatever happened, the threads have to come to their end: those that are slow are told to.
        round.queues.clear();
        let ended = round.wind_up(&stop);
        result.and(ended).map(|()| round.done)
    })
}

struct Round<'a> {
    site: &'a Arc<Site>,
    circle: &'a Circle,
    group: Group,
    queues: HashMap<MemberId, SyncSender<Errand>>,
    outcomes: Receiver<Told>,
    /// Shards of a pack that are on their way.
    pending: HashMap<PackId, usize>,
    /// Everything that is on its way.
    errands: usize,
    tried: Tried,
    /// How often members would not have a shard, or signed for another one.
    refusals: HashMap<MemberId, usize>,
    /// Which head members were given in this round.
    heads: HashMap<MemberId, u64>,
    memory: Vec<Vec<u8>>,
    done: Rounded,
}

impl Round<'_> {
    fn run(&mut self, working: &dyn Fn(Option<String>)) -> Result<(), OperationError> {
        let began = Instant::now();
        // Whoever breaks off later has the head by then.
        self.give_head(Duration::ZERO)?;
        loop {
            self.site.check_running()?;
            let available = self.takers();
            if available.is_empty() {
                break;
            }
            if began.elapsed() > ROUND_MAX {
                self.done.more = true;
                // A part that is nowhere yet keeps the next head back.
                self.tell_head()?;
                // It goes out first in the next round.
                if dispersal::is_map_due(self.site)? {
                    dispersal::next_map_part(self.site)?;
                }
                break;
            }
            let tasks = dispersal::next_to_spread(self.site, self.circle, &available, PACKS_AT_ONCE, &mut self.tried)?;
            if tasks.is_empty() {
                // What is on its way may make more packs safe: then the map says so.
                self.wait(LAST_WAIT, |round| round.errands == 0)?;
                dispersal::packs_gone(self.site)?;
                self.tell_head()?;
                if dispersal::next_map_part(self.site)?.is_none() {
                    break;
                }
                continue;
            }
            working(Some(format!(
                "sending packs to {} boxes, {} shards are there",
                available.len(),
                self.done.receipts
            )));
            for task in tasks {
                self.keep_pace()?;
                // Also where nothing had to be waited for: who has refused gets no more.
                self.listen(Duration::ZERO)?;
                self.begin(task)?;
            }
        }
        self.tell_head()?;
        self.tell_condemned()
    }

    fn available(&self) -> Vec<MemberId> {
        let is_there = |member: &MemberId| !self.done.silent.contains_key(member);
        self.circle.fellows.iter().map(|fellow| fellow.member).filter(is_there).collect()
    }

    /// Those that may be given shards.
    fn takers(&self) -> Vec<MemberId> {
        self.available().into_iter().filter(|member| self.is_willing(member)).collect()
    }

    fn is_willing(&self, member: &MemberId) -> bool {
        self.refusals.get(member).is_none_or(|count| *count < REFUSALS_MAX)
    }

    fn begin(&mut self, task: Task) -> Result<(), OperationError> {
        self.tried.add(&task);
        match task {
            Task::New { pack, kind } => self.begin_new(pack, kind),
            Task::Again { stripe, missing, traffic } => {
                let indexes: Vec<u8> = missing.iter().map(|place| place.index).collect();
                let coded = dispersal::encode_some(self.site, &stripe, &indexes, &mut self.memory)?;
                let Some(mut shards) = coded else { return Ok(()) };
                let patience = Instant::now() + LAST_WAIT;
                for place in missing {
                    let is_it = |shard: &Shard| shard.index == place.index && shard.id == place.shard;
                    let Some(at) = shards.iter().position(is_it) else { continue };
                    let bytes = Bytes::from(shards.swap_remove(at).bytes);
                    let errand = Errand::Shard { pack: stripe.pack, place, bytes, traffic };
                    self.hand_over(place.member, errand, Some(patience))?;
                }
                Ok(())
            }
        }
    }

    fn begin_new(&mut self, pack: PackId, kind: StripeKind) -> Result<(), OperationError> {
        let narrow = |shards: usize| u8::try_from(shards).unwrap_or(u8::MAX);
        let redundancy = self.group.redundancy;
        let Some(scheme) = Scheme::new(narrow(redundancy.data()), narrow(redundancy.parity())) else { return Ok(()) };
        let coded = dispersal::encode(self.site, (pack, kind), scheme, &mut self.memory)?;
        let Some((layout, shards)) = coded else { return Ok(()) };
        let places: Vec<Place> = dispersal::place(self.site, &self.group, (pack, kind), layout, &shards)?;
        self.tried.add_places(&places);
        for (Shard { bytes, .. }, place) in shards.into_iter().zip(places) {
            self.hand_over(
                place.member,
                Errand::Shard { pack, place, bytes: bytes.into(), traffic: Traffic::Backup },
                None,
            )?;
        }
        Ok(())
    }

    /// Gives an errand to a member's thread. One that has enough to do is left alone: what it misses it gets later, unless
    /// there is time until `patience`. Whether it has it.
    fn hand_over(
        &mut self,
        member: MemberId,
        errand: Errand,
        patience: Option<Instant>,
    ) -> Result<bool, OperationError> {
        let pack = if let Errand::Shard { pack, .. } = &errand { Some(*pack) } else { None };
        let mut errand = errand;
        loop {
            if pack.is_some() && !self.is_willing(&member) {
                return Ok(false);
            }
            let Some(queue) = self.queues.get(&member) else { return Ok(false) };
            errand = match queue.try_send(errand) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Ok(false),
                Err(TrySendError::Full(errand)) => errand,
            };
            if patience.is_none_or(|patience| Instant::now() > patience) {
                self.done.more |= pack.is_some();
                return Ok(false);
            }
            self.listen(LOOK)?;
            self.site.check_running()?;
        }
        self.errands += 1;
        if let Some(pack) = pack {
            *self.pending.entry(pack).or_default() += 1;
        }
        Ok(true)
    }

    /// Waits until there is room for one more pack on its way: those that are off-site safe, or of which nothing is on its
    /// way any more, take none.
    fn keep_pace(&mut self) -> Result<(), OperationError> {
        let slack = self.group.redundancy.width() - self.group.redundancy.off_site_safe();
        self.wait(PACE_MAX, |round| round.pending.values().filter(|pending| **pending > slack).count() < PACKS_AT_ONCE)
    }

    fn wait(&mut self, patience: Duration, is_over: impl Fn(&Self) -> bool) -> Result<(), OperationError> {
        let until = Instant::now() + patience;
        while !is_over(self) && Instant::now() < until {
            self.site.check_running()?;
            self.listen(LOOK)?;
        }
        Ok(())
    }

    /// Hears what came of errands for a while, and writes it down; false when nobody is left to hear of.
    fn listen(&mut self, patience: Duration) -> Result<bool, OperationError> {
        let first = match self.outcomes.recv_timeout(patience) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        };
        let mut receipts: Vec<Received> = Vec::new();
        let mut next = Some(first);
        while let Some((member, outcome)) = next {
            self.hear(member, outcome, &mut receipts)?;
            next = if receipts.len() < RECEIPTS_AT_ONCE { self.outcomes.try_recv().ok() } else { None };
        }
        if !receipts.is_empty() {
            let refused = dispersal::note_receipts(self.site, self.circle, &receipts)?;
            self.done.receipts += receipts.len() - refused.len();
            for (at, why) in refused {
                let member = receipts[at].place.member;
                tracing::warn!(peer = %member, reason = %why, "A receipt of a peer does not count");
                // What is not wanted any more was meant for it a moment ago.
                if !matches!(why, ReceiptRefusal::NotWanted(_)) {
                    self.note_refusal(member)?;
                }
            }
        }
        Ok(true)
    }

    /// A member that goes on refusing gets no more shards in this round, and none for a day when it has done so for long.
    fn note_refusal(&mut self, member: MemberId) -> Result<(), OperationError> {
        let count = self.refusals.entry(member).or_default();
        *count += 1;
        if *count == REFUSALS_MAX && dispersal::note_refused(self.site, &member)? {
            tracing::warn!(peer = %member, "A peer has taken nothing for long; others get what it was to get");
        }
        Ok(())
    }

    fn hear(&mut self, member: MemberId, outcome: Outcome, receipts: &mut Vec<Received>) -> Result<(), OperationError> {
        let over = |round: &mut Self, pack: &PackId| {
            round.errands = round.errands.saturating_sub(1);
            if let Some(pending) = round.pending.get_mut(pack) {
                *pending = pending.saturating_sub(1);
                if *pending == 0 {
                    round.pending.remove(pack);
                }
            }
        };
        match outcome {
            Outcome::Receipt(received, bytes) => {
                over(self, &received.pack);
                receipts.push(received);
                let spare: usize = self.memory.iter().map(Vec::capacity).sum();
                if let (Ok(bytes), true) = (bytes.try_into_mut(), spare < SPARE_BYTES_MAX) {
                    let bytes = Vec::from(bytes);
                    if spare + bytes.capacity() <= SPARE_BYTES_MAX {
                        self.memory.push(bytes);
                    }
                }
            }
            Outcome::Full(pack) => {
                over(self, &pack);
                tracing::warn!(peer = %member, "A peer takes no more");
                dispersal::note_full(self.site, &member)?;
            }
            Outcome::Undone(pack) => over(self, &pack),
            Outcome::Refused(pack, why) => {
                over(self, &pack);
                tracing::warn!(peer = %member, reason = %why, "A peer refuses a shard");
                self.note_refusal(member)?;
            }
            Outcome::HeadKept(sequence) => {
                self.errands = self.errands.saturating_sub(1);
                dispersal::note_head_kept(self.site, &member, sequence)?;
            }
            Outcome::OtherHeads(heads) => {
                self.errands = self.errands.saturating_sub(1);
                dispersal::hear_heads(self.site, self.circle, &heads)?;
                tracing::warn!(peer = %member, "A peer does not keep the head that it was given; it is asked again");
            }
            Outcome::Condemned(shards, answer) => {
                self.errands = self.errands.saturating_sub(1);
                match answer.frozen_until {
                    // What it did not take down it does not have, or had taken down before.
                    None => dispersal::note_condemned(self.site, &member, &shards)?,
                    Some(until) => {
                        tracing::info!(peer = %member, until = until.0, "A peer deletes nothing for now; it is told again");
                    }
                }
            }
            Outcome::Nothing => self.errands = self.errands.saturating_sub(1),
            Outcome::Silent(why) => {
                tracing::info!(peer = %member, reason = %why, "A peer does not answer");
                self.done.silent.insert(member, why);
            }
        }
        Ok(())
    }

    /// Gives the head to everybody who does not have it; once in a round.
    fn give_head(&mut self, patience: Duration) -> Result<(), OperationError> {
        let device = &self.site.vault.device_key;
        match dispersal::next_head(self.site, self.circle, device) {
            Ok(Some(sequence)) => tracing::info!(sequence, "A new head says what is outside"),
            Ok(None) => {}
            // Packs go out all the same.
            Err(error @ OperationError::MapTooLong) => self.done.no_head = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        let until = Instant::now() + patience;
        for member in self.available() {
            let head = dispersal::head_for(self.site, &member)?;
            let Some((sequence, head)) = head.filter(|(sequence, _)| self.heads.get(&member) != Some(sequence)) else {
                continue;
            };
            let errand = Errand::Head { sequence, signed: head };
            if self.hand_over(member, errand, Some(until))? {
                self.heads.insert(member, sequence);
            }
        }
        Ok(())
    }

    /// Gives everybody the head, and draws the conclusions.
    fn tell_head(&mut self) -> Result<(), OperationError> {
        self.give_head(LAST_WAIT)?;
        self.wait(LAST_WAIT, |round| round.errands == 0)?;
        let settled = dispersal::settle_head(self.site, self.circle)?;
        if settled.safe_snapshots > 0 {
            tracing::info!(snapshots = settled.safe_snapshots, boxes = settled.kept_by, "Snapshots are off-site safe");
        }
        Ok(())
    }

    /// Tells what is not needed.
    fn tell_condemned(&mut self) -> Result<(), OperationError> {
        let patience = Instant::now() + LAST_WAIT;
        for member in self.available() {
            let shards = dispersal::condemned_for(self.site, self.circle, &member, CONDEMN_AT_ONCE)?;
            self.done.more |= shards.len() == CONDEMN_AT_ONCE;
            if !shards.is_empty() {
                self.hand_over(member, Errand::Condemn(shards), Some(patience))?;
            }
        }
        self.wait(LAST_WAIT, |round| round.errands == 0)
    }

    /// Hears the rest; then whoever still has something to do leaves it for the next round.
    fn wind_up(&mut self, stop: &AtomicBool) -> Result<(), OperationError> {
        stop.store(true, Ordering::SeqCst);
        while self.listen(LOOK)? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests;
