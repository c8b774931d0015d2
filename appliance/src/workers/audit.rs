//! Asks the other boxes for proofs that they still have what they signed for, and orders anew what they have lost.
//!
//! A round asks each member for a few ranges that it cannot guess; the right answer is made of the box's own packs. Of what the box
//! keeps outside only it wants the bytes themselves, each with a proof that they belong to the shard of that name. What an
//! answer means is for `engine::life` to say. Members are asked side by side, and none has more than a limited time: what a slow
//! one leaves undone goes on in the next round, and nobody else waits for it. Source: mutual-backup 4.5, 4.6.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datis_engine::erasure::proof::{GROUP_LEN, verify};
use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::keys::random_bytes;
use datis_engine::life::audit::{ANSWER_WITHIN, Answer, Finding, RANGES_A_ROUND, ROUND, Range, Round, TRIES};
use datis_engine::life::peer::{Check, Event};
use datis_engine::wire::peers::{Audit, AuditRange, Audited};
use minicbor::bytes::ByteVec;

use super::lines::{Line, LineError, Lines};
use super::steps::Done;
use super::{abreast, books};
use crate::operations::dispersal::{self, Circle, HeldShard, Shelves, SoFar};
use crate::operations::{OperationError, Site};

/// From one round to the next.
pub(super) const EVERY_SECONDS: u64 = ROUND.0;

/// Shards that are ordered anew at once.
const REPAIRS_AT_ONCE: usize = 4_096;

/// Ranges that are asked for in one question; a wrong answer to several is taken apart.
const RANGES_AT_ONCE: usize = RANGES_A_ROUND;

/// For the few ranges of a round, of one member.
const ROUND_WITHIN: Duration = Duration::from_secs(120);

/// For all close looks of one step together: half of what lies between two rounds.
const LOOKS_WITHIN: Duration = Duration::from_secs(ROUND.0 / 2);

/// One round with everybody.
pub(super) fn step<L: Lines>(
    site: &Arc<Site>,
    lines: &L,
    working: &dyn Fn(Option<String>),
) -> Result<Done, OperationError> {
    let Some(circle) = Circle::of(site)? else { return Ok(Done::Everything) };
    books::compare(site, &circle, lines, working)?;
    round(site, &circle, lines, working)?;
    Ok(Done::Everything)
}

/// Asks everybody once, and orders what is lost; then looks closely at whom that is due for.
pub(super) fn round<L: Lines>(
    site: &Site,
    circle: &Circle,
    lines: &L,
    working: &dyn Fn(Option<String>),
) -> Result<usize, OperationError> {
    working(Some("asking the other boxes for proofs".to_owned()));
    let own = OwnSide::new(site);
    let members = circle.fellows.iter().map(|fellow| fellow.member).collect();
    let due = abreast::each(members, |member| ask_some(&own, lines, member))?;
    let (ordered, is_due) = (Mutex::new(0), AtomicBool::new(false));
    // One plan at a time, or the same would be ordered twice. Whoever finds one being made leaves it to that one to make another,
    // and goes on.
    let order = || {
        is_due.store(true, Ordering::SeqCst);
        while is_due.load(Ordering::SeqCst) {
            let Ok(mut ordered) = ordered.try_lock() else { break };
            if is_due.swap(false, Ordering::SeqCst) {
                *ordered += dispersal::order_repairs(site, circle, REPAIRS_AT_ONCE)?;
            }
        }
        Ok::<_, OperationError>(())
    };
    order()?;
    let mut due: Vec<(MemberId, Check)> = due.into_iter().flatten().collect();
    if !due.is_empty() {
        working(Some(format!("looking closely at {} of the other boxes", due.len())));
        // When there are more than can be looked at in time, it is not always the same ones that wait.
        let first: [u8; 1] = random_bytes()?;
        let first = usize::from(first[0]) % due.len();
        due.rotate_left(first);
        let until = Instant::now() + LOOKS_WITHIN;
        abreast::each(due, |(member, check)| {
            // What one has lost does not wait for the looks at the others.
            if look(&own, lines, member, check, until)? == Looked::Lost { order() } else { Ok(()) }
        })?;
        // Whoever was in doubt until now may be given something again.
        order()?;
    }
    Ok(ordered.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// A round with one member. The check that is due then, if it answers.
fn ask_some<L: Lines>(
    own: &OwnSide<'_>,
    lines: &L,
    member: MemberId,
) -> Result<Option<(MemberId, Check)>, OperationError> {
    own.site.check_running()?;
    let shelves = dispersal::shelf_of(own.site, &member)?;
    let found = if shelves.held.is_empty() {
        greet(lines, member)
    } else {
        let seed: [u8; 32] = random_bytes()?;
        let ranges = shelves.checkable(shelves.shelf.draw(&seed, RANGES_A_ROUND));
        let until = Instant::now() + ROUND_WITHIN;
        examine(own, lines, (member, &shelves), &ranges, until, |_| false)?.all_of(&ranges)
    };
    if found == Round::default() {
        // The box could not say itself what the answer to any of them is, so nothing was asked.
        return Ok(None);
    }
    let check = dispersal::note_peer(own.site, &member, Event::Round(found))?;
    // Whoever does not answer is not asked for hundreds of ranges more.
    let answers = found.good > 0 || found.lost > 0;
    Ok(check.filter(|_| answers).map(|check| (member, check)))
}

/// Whether a member that holds nothing is there at all.
fn greet<L: Lines>(lines: &L, member: MemberId) -> Round {
    match lines.open(member) {
        Ok(_) => Round::greeting(),
        Err(_) => std::iter::once(Finding::Absence).collect(),
    }
}

/// Asks for these shards, which the member has said that it does not have. When that is so, the next round looks closely at it.
pub(super) fn confirm<L: Lines>(
    site: &Site,
    lines: &L,
    (member, shelves): (MemberId, &Shelves),
    doubted: &BTreeSet<ShardId>,
    until: Instant,
) -> Result<(), OperationError> {
    let seed: [u8; 32] = random_bytes()?;
    let is_doubted = |range: &Range| shelves.held.get(range.shard).is_some_and(|held| doubted.contains(&held.shard));
    let ranges: Vec<Range> = shelves.shelf.draw_each(&seed).into_iter().filter(is_doubted).collect();
    let ranges = shelves.checkable(ranges);
    let own = OwnSide::new(site);
    let found = examine(&own, lines, (member, shelves), &ranges, until, |_| false)?.all_of(&ranges);
    if found != Round::default() {
        dispersal::note_peer(site, &member, Event::Round(found))?;
    }
    Ok(())
}

/// What a close look has come to, as far as it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// Nothing is proven lost.
    Sound,
    /// Something is, and noted.
    Lost,
}

/// Goes on with the close look at a member, until there is no more reason to, or until then: the rest follows in the next round.
pub(super) fn look<L: Lines>(
    own: &OwnSide<'_>,
    lines: &L,
    member: MemberId,
    first: Check,
    until: Instant,
) -> Result<Looked, OperationError> {
    let mut next = Some(first);
    let mut looked = Looked::Sound;
    while let Some(check) = next {
        let shelves = dispersal::shelf_of(own.site, &member)?;
        let so_far = dispersal::check_so_far(own.site, &member)?;
        let before = so_far.map_or(Round::default(), |so_far| so_far.found);
        let found = if shelves.held.is_empty() {
            match greet(lines, member) {
                // Nothing is left that could be asked for: that it answers proves no more than that.
                answered if answered.good > 0 => before,
                silent => sum(before, silent),
            }
        } else {
            let ranges = what_is_left(&shelves, check, so_far)?;
            let is_enough = |found: &Round| is_decided(check, found);
            let examined = examine(own, lines, (member, &shelves), &ranges, until, is_enough)?;
            if examined.found.lost > 0 {
                looked = Looked::Lost;
            }
            let (found, done) = (sum(before, examined.found), ranges.get(..examined.done).unwrap_or_default());
            if done.len() < ranges.len() && !is_decided(check, &found) {
                if let Some(last) = done.last().and_then(|range| shelves.held.get(range.shard)) {
                    let asked = so_far.map_or(0, |so_far| so_far.asked).saturating_add(count(done.len()));
                    let so_far = SoFar { asked, last: last.shard, found };
                    dispersal::note_check_so_far(own.site, &member, &so_far)?;
                }
                return Ok(looked);
            }
            if found == Round::default() {
                // The box could not say itself what the answer to any of them is.
                return Ok(looked);
            }
            found
        };
        next = dispersal::note_peer(own.site, &member, Event::Checked(check, found))?;
    }
    Ok(looked)
}

/// What a check has still to ask for.
fn what_is_left(shelves: &Shelves, check: Check, so_far: Option<SoFar>) -> Result<Vec<Range>, OperationError> {
    let seed: [u8; 32] = random_bytes()?;
    let ranges = match check.ranges() {
        Some(count) => {
            let asked = so_far.map_or(0, |so_far| so_far.asked);
            shelves.shelf.draw(&seed, count.saturating_sub(asked) as usize)
        }
        None => {
            let is_left = |held: &HeldShard| so_far.is_none_or(|so_far| held.shard > so_far.last);
            let is_left = |range: &Range| shelves.held.get(range.shard).is_some_and(is_left);
            shelves.shelf.draw_each(&seed).into_iter().filter(is_left).collect()
        }
    };
    Ok(shelves.checkable(ranges))
}

/// Whether more ranges would change nothing: a sample that has found a loss leads to every shard.
fn is_decided(check: Check, found: &Round) -> bool {
    match check {
        Check::Return | Check::Sweep => found.lost > 0,
        Check::EveryShard => false,
    }
}

fn sum(one: Round, other: Round) -> Round {
    Round {
        good: one.good.saturating_add(other.good),
        lost: one.lost.saturating_add(other.lost),
        absent: one.absent.saturating_add(other.absent),
    }
}

fn count(ranges: usize) -> u32 {
    u32::try_from(ranges).unwrap_or(u32::MAX)
}

/// The box's own side of what is compared, for one step.
pub(super) struct OwnSide<'s> {
    site: &'s Site,
    /// Packs that were read as a whole, and whether they were sound.
    read: Mutex<BTreeMap<PackId, bool>>,
}

impl<'s> OwnSide<'s> {
    pub(super) fn new(site: &'s Site) -> Self {
        Self { site, read: Mutex::default() }
    }

    /// Whether an answer that is not the expected one may be held against whoever gave it.
    fn is_sound(&self, held: &HeldShard) -> Result<bool, OperationError> {
        let read = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read().get(&held.pack) {
            return Ok(*known);
        }
        let is_sound = dispersal::is_sound_here(self.site, held)?;
        read().insert(held.pack, is_sound);
        Ok(is_sound)
    }
}

/// What came of asking.
struct Examined {
    found: Round,
    /// How many of the ranges that is about; for the others there was no time.
    done: usize,
}

impl Examined {
    /// As what was found of all the `ranges`: those that were not asked for count as not answered.
    fn all_of(self, ranges: &[Range]) -> Round {
        let absent = self.found.absent.saturating_add(count(ranges.len().saturating_sub(self.done)));
        Round { absent, ..self.found }
    }
}

/// Asks one member for ranges, and notes what is proven lost after each question. The first one that is not answered is the
/// last: the rest counts as not answered. What there is no time for by `until`, or comes after `is_enough`, is not asked for.
fn examine<L: Lines>(
    own: &OwnSide<'_>,
    lines: &L,
    (member, shelves): (MemberId, &Shelves),
    ranges: &[Range],
    until: Instant,
    is_enough: impl Fn(&Round) -> bool,
) -> Result<Examined, OperationError> {
    let (found, lost) = (Round::default(), BTreeSet::new());
    let mut examination = Examination { own, lines, member, shelves, line: None, found, lost };
    let mut done = 0;
    for some in ranges.chunks(RANGES_AT_ONCE) {
        own.site.check_running()?;
        if Instant::now() >= until || is_enough(&examination.found) {
            break;
        }
        let asked = examination.ask(some)?;
        examination.note_lost()?;
        done += some.len();
        if asked == Asked::Silent {
            let absent = &mut examination.found.absent;
            *absent = absent.saturating_add(count(ranges.len() - done));
            done = ranges.len();
            break;
        }
    }
    Ok(Examined { found: examination.found, done })
}

/// Whether these are the bytes of a range of the shard of that name.
fn proves(held: &HeldShard, range: &Range, proofs: &[ByteVec]) -> bool {
    let [proof] = proofs else { return false };
    let first = range.offset as usize / GROUP_LEN;
    let groups = first..first + (range.len as usize).div_ceil(GROUP_LEN);
    verify(held.shard, held.layout.shard_len(), &groups, proof).is_ok()
}

/// An answer about other shards than the one that was asked for says nothing.
fn named(shards: &[ShardId], held: &HeldShard, answer: Answer) -> Answer {
    if shards.contains(&held.shard) { answer } else { Answer::Overloaded }
}

/// Whether it is worth while to ask on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It is.
    Answered,
    /// Nothing comes from there.
    Silent,
}

/// Questions to one member, and what has come of them.
struct Examination<'e, L: Lines> {
    own: &'e OwnSide<'e>,
    lines: &'e L,
    member: MemberId,
    shelves: &'e Shelves,
    line: Option<L::Line>,
    found: Round,
    /// Proven lost, and not noted yet.
    lost: BTreeSet<ShardId>,
}

impl<L: Lines> Examination<'_, L> {
    /// One question. A digest that does not match does not say which range it is: they are asked for one by one then.
    fn ask(&mut self, ranges: &[Range]) -> Result<Asked, OperationError> {
        let (outside, ranges): (Vec<Range>, Vec<Range>) =
            ranges.iter().copied().partition(|range| self.is_outside(range));
        for (done, range) in (1..).zip(&outside) {
            if self.ask_for_proof(range)? == Asked::Silent {
                (done..outside.len() + ranges.len()).for_each(|_| self.found.add(Finding::Absence));
                return Ok(Asked::Silent);
            }
        }
        self.ask_for_digest(&ranges)
    }

    fn is_outside(&self, range: &Range) -> bool {
        let awaited = &self.own.site.awaited;
        self.shelves.held.get(range.shard).is_some_and(|held| held.is_outside || awaited.has(&held.pack))
    }

    /// The bytes of one range, proven by the name of their shard alone.
    fn ask_for_proof(&mut self, range: &Range) -> Result<Asked, OperationError> {
        let Some(held) = self.shelves.held.get(range.shard).cloned() else { return Ok(Asked::Answered) };
        let question = Audit {
            nonce: random_bytes::<32>()?.into(),
            ranges: vec![AuditRange { shard: held.shard, start: range.offset, len: range.len }],
            with_proofs: true,
        };
        let answer = match self.put(&question) {
            Some(Audited::Proofs(proofs)) => Answer::Served { matches: proves(&held, range, &proofs) },
            Some(Audited::Digest(_)) => Answer::Served { matches: false },
            Some(Audited::NotFound(shards)) => named(&shards, &held, Answer::NotFound),
            Some(Audited::Corrupt(shards)) => named(&shards, &held, Answer::Corrupt),
            Some(Audited::Unavailable) => Answer::StoreUnavailable,
            Some(Audited::Overloaded) => Answer::Overloaded,
            None => Answer::Silent,
        };
        self.judge(range, answer);
        Ok(if answer == Answer::Silent { Asked::Silent } else { Asked::Answered })
    }

    /// The same for what the box can compute itself.
    fn ask_for_digest(&mut self, ranges: &[Range]) -> Result<Asked, OperationError> {
        let nonce: [u8; 32] = random_bytes()?;
        // What the box cannot say itself it does not ask for.
        let Some(expected) = dispersal::expected_digest(self.own.site, &nonce, self.shelves, ranges)? else {
            return match ranges {
                [] | [_] => Ok(Asked::Answered),
                several => self.ask_each(several),
            };
        };
        let asked = ranges.iter().filter_map(|range| Some((self.name(range)?, range)));
        let question = Audit {
            nonce: nonce.into(),
            ranges: asked.map(|(shard, range)| AuditRange { shard, start: range.offset, len: range.len }).collect(),
            with_proofs: false,
        };
        match self.put(&question) {
            Some(Audited::Digest(digest)) if *digest == expected => {
                self.judge_all(ranges, Answer::Served { matches: true });
            }
            Some(Audited::Digest(_) | Audited::Proofs(_)) => match ranges {
                [range] => {
                    if self.is_sound_here(range)? {
                        self.judge(range, Answer::Served { matches: false });
                    }
                }
                several => return self.ask_each(several),
            },
            Some(Audited::NotFound(shards)) => return self.judge_named(ranges, &shards, Answer::NotFound),
            Some(Audited::Corrupt(shards)) => return self.judge_named(ranges, &shards, Answer::Corrupt),
            Some(Audited::Unavailable) => self.judge_all(ranges, Answer::StoreUnavailable),
            Some(Audited::Overloaded) => self.judge_all(ranges, Answer::Overloaded),
            None => {
                self.judge_all(ranges, Answer::Silent);
                return Ok(Asked::Silent);
            }
        }
        Ok(Asked::Answered)
    }

    /// One question for each range; those after one that is not answered count as not answered.
    fn ask_each(&mut self, ranges: &[Range]) -> Result<Asked, OperationError> {
        let mut asked = Asked::Answered;
        for range in ranges {
            if asked == Asked::Silent {
                self.found.add(Finding::Absence);
            } else {
                asked = self.ask(std::slice::from_ref(range))?;
            }
        }
        Ok(asked)
    }

    /// The answer was about the ranges of these shards; the others are asked for again. One that was about none of them says
    /// nothing.
    fn judge_named(&mut self, ranges: &[Range], shards: &[ShardId], answer: Answer) -> Result<Asked, OperationError> {
        let is_named = |range: &Range| self.name(range).is_some_and(|shard| shards.contains(&shard));
        let (named, rest): (Vec<Range>, Vec<Range>) = ranges.iter().copied().partition(is_named);
        if named.is_empty() {
            rest.iter().for_each(|_| self.found.add(Finding::Absence));
            return Ok(Asked::Answered);
        }
        self.judge_all(&named, answer);
        if rest.is_empty() { Ok(Asked::Answered) } else { self.ask(&rest) }
    }

    fn judge_all(&mut self, ranges: &[Range], answer: Answer) {
        ranges.iter().for_each(|range| self.judge(range, answer));
    }

    fn judge(&mut self, range: &Range, answer: Answer) {
        let finding = answer.judge();
        self.found.add(finding);
        if let (Finding::Loss, Some(shard)) = (finding, self.name(range)) {
            self.lost.insert(shard);
        }
    }

    fn name(&self, range: &Range) -> Option<ShardId> {
        self.shelves.held.get(range.shard).map(|held| held.shard)
    }

    fn is_sound_here(&self, range: &Range) -> Result<bool, OperationError> {
        self.shelves.held.get(range.shard).map_or(Ok(false), |held| self.own.is_sound(held))
    }

    fn note_lost(&mut self) -> Result<(), OperationError> {
        let lost: Vec<ShardId> = std::mem::take(&mut self.lost).into_iter().collect();
        if !lost.is_empty() && dispersal::note_lost(self.own.site, &self.member, &lost)? > 0 {
            tracing::warn!(peer = %self.member, shards = lost.len(), "A peer has lost shards");
        }
        Ok(())
    }

    /// `None`: nothing came, however often it was asked.
    fn put(&mut self, question: &Audit) -> Option<Audited> {
        for _ in 0..TRIES {
            let opened = match self.line.take() {
                Some(line) => Ok(line),
                None => self.lines.open(self.member),
            };
            let (Ok(mut opened), asked) = (opened, Instant::now()) else { continue };
            match opened.audit(question) {
                // Whoever takes longer has the time to get the bytes from elsewhere.
                Ok(_) if asked.elapsed() > Duration::from_secs(ANSWER_WITHIN.0) => {}
                Ok(answer) => {
                    self.line = Some(opened);
                    return Some(answer);
                }
                Err(LineError::Refused(_) | LineError::Broken(_)) => {}
            }
        }
        None
    }
}
