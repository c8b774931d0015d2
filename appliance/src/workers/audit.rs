//! Asks the other boxes for proofs that they still have what they signed for, and orders anew what they have lost.
//!
//! A round asks each member for a few ranges that it cannot guess; the right answer is made of the box's own packs. What an
//! answer means is for `engine::life` to say. Source: mutual-backup 4.5, 4.6.

use std::collections::BTreeSet;
use std::sync::Arc;

use datis_engine::ids::{MemberId, ShardId};
use datis_engine::keys::random_bytes;
use datis_engine::life::audit::{Answer, Finding, RANGES_A_ROUND, ROUND, Range, Round, TRIES};
use datis_engine::life::peer::{Check, Effect, Event};
use datis_engine::wire::peers::{Audit, AuditRange, Audited};

use super::books;
use super::lines::{Line, LineError, Lines};
use super::steps::Done;
use crate::operations::dispersal::{self, Circle, Shelves};
use crate::operations::{OperationError, Site};

/// From one round to the next.
pub(super) const EVERY_SECONDS: u64 = ROUND.0;

/// Shards that are ordered anew at once.
const REPAIRS_AT_ONCE: usize = 4_096;

/// Ranges that are asked for in one question; a wrong answer to several is taken apart.
const RANGES_AT_ONCE: usize = RANGES_A_ROUND;

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

/// Asks everybody once, and orders what is lost; then looks closely at whom that is due for, which may take long.
pub(super) fn round<L: Lines>(
    site: &Site,
    circle: &Circle,
    lines: &L,
    working: &dyn Fn(Option<String>),
) -> Result<usize, OperationError> {
    let mut checks = Vec::new();
    for fellow in &circle.fellows {
        site.check_running()?;
        working(Some("asking the other boxes for proofs".to_owned()));
        let shelves = dispersal::shelf_of(site, &fellow.member)?;
        let found = if shelves.held.is_empty() {
            Some(greet(lines, fellow.member))
        } else {
            let seed: [u8; 32] = random_bytes()?;
            let ranges = shelves.shelf.draw(&seed, RANGES_A_ROUND);
            examine(site, lines, fellow.member, &shelves, &ranges)?
        };
        let Some(found) = found else { continue };
        let (effects, _) = dispersal::note_peer(site, &fellow.member, Event::Round(found))?;
        checks.extend(check_of(&effects).map(|check| (fellow.member, check)));
    }
    let mut ordered = dispersal::order_repairs(site, circle, REPAIRS_AT_ONCE)?;
    if !checks.is_empty() {
        for (member, check) in checks {
            look(site, lines, member, check)?;
        }
        ordered += dispersal::order_repairs(site, circle, REPAIRS_AT_ONCE)?;
    }
    Ok(ordered)
}

/// Whether a member that holds nothing is there at all.
fn greet<L: Lines>(lines: &L, member: MemberId) -> Round {
    match lines.open(member) {
        Ok(_) => Round::greeting(),
        Err(_) => std::iter::once(Finding::Absence).collect(),
    }
}

/// Asks for these shards, which the member has said that it does not have, and looks closely when that is so.
pub(super) fn confirm<L: Lines>(
    site: &Site,
    lines: &L,
    member: MemberId,
    shelves: &Shelves,
    doubted: &BTreeSet<ShardId>,
) -> Result<(), OperationError> {
    let seed: [u8; 32] = random_bytes()?;
    let is_doubted = |range: &Range| shelves.held.get(range.shard).is_some_and(|held| doubted.contains(&held.shard));
    let ranges: Vec<Range> = shelves.shelf.draw_each(&seed).into_iter().filter(is_doubted).collect();
    let Some(found) = examine(site, lines, member, shelves, &ranges)? else { return Ok(()) };
    let (effects, _) = dispersal::note_peer(site, &member, Event::Round(found))?;
    match check_of(&effects) {
        Some(check) => look(site, lines, member, check),
        None => Ok(()),
    }
}

/// Looks closely at a member, until there is no more reason to.
fn look<L: Lines>(site: &Site, lines: &L, member: MemberId, first: Check) -> Result<(), OperationError> {
    let mut next = Some(first);
    while let Some(check) = next {
        let shelves = dispersal::shelf_of(site, &member)?;
        let found = if shelves.held.is_empty() {
            Some(greet(lines, member))
        } else {
            let seed: [u8; 32] = random_bytes()?;
            let ranges = match check.ranges() {
                Some(count) => shelves.shelf.draw(&seed, count as usize),
                None => shelves.shelf.draw_each(&seed),
            };
            examine(site, lines, member, &shelves, &ranges)?
        };
        let Some(found) = found else { return Ok(()) };
        next = check_of(&dispersal::note_peer(site, &member, Event::Checked(check, found))?.0);
    }
    Ok(())
}

fn check_of(effects: &[Effect]) -> Option<Check> {
    effects.iter().find_map(|effect| match effect {
        Effect::Look(check) => Some(*check),
        Effect::Changed { .. } => None,
    })
}

/// Asks one member for ranges, and notes what is proven lost after each question. The first one that is not answered is the
/// last. `None`: the box could not say itself what the answer to any of them is, so nothing was asked.
fn examine<L: Lines>(
    site: &Site,
    lines: &L,
    member: MemberId,
    shelves: &Shelves,
    ranges: &[Range],
) -> Result<Option<Round>, OperationError> {
    let (found, lost) = (Round::default(), BTreeSet::new());
    let mut examination = Examination { site, lines, member, shelves, line: None, found, lost };
    for (count, some) in ranges.chunks(RANGES_AT_ONCE).enumerate() {
        site.check_running()?;
        let asked = examination.ask(some)?;
        examination.note_lost()?;
        if asked == Asked::Silent {
            let rest = ranges.len().saturating_sub((count + 1) * RANGES_AT_ONCE);
            let absent = &mut examination.found.absent;
            *absent = absent.saturating_add(u32::try_from(rest).unwrap_or(u32::MAX));
            break;
        }
    }
    Ok(Some(examination.found).filter(|found| *found != Round::default()))
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
    site: &'e Site,
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
        let nonce: [u8; 32] = random_bytes()?;
        // What the box cannot say itself it does not ask for.
        let Some(expected) = dispersal::expected_digest(self.site, &nonce, self.shelves, ranges)? else {
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
                [range] => self.judge(range, Answer::Served { matches: false }),
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

    fn note_lost(&mut self) -> Result<(), OperationError> {
        let lost: Vec<ShardId> = std::mem::take(&mut self.lost).into_iter().collect();
        if !lost.is_empty() && dispersal::note_lost(self.site, &self.member, &lost)? > 0 {
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
            let Ok(mut opened) = opened else { continue };
            match opened.audit(question) {
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
