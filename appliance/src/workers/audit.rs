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
    let mut found = Round::default();
    let mut line = None;
    for (count, some) in ranges.chunks(RANGES_AT_ONCE).enumerate() {
        site.check_running()?;
        let (mut of_these, mut lost) = (Round::default(), BTreeSet::new());
        let asked = ask(site, lines, (member, &mut line), shelves, some, (&mut of_these, &mut lost))?;
        let lost: Vec<ShardId> = lost.into_iter().collect();
        if !lost.is_empty() && dispersal::note_lost(site, &member, &lost)? > 0 {
            tracing::warn!(peer = %member, shards = lost.len(), "A peer has lost shards");
        }
        found.good += of_these.good;
        found.lost += of_these.lost;
        found.absent += of_these.absent;
        if asked == Asked::Silent {
            let rest = ranges.len().saturating_sub((count + 1) * RANGES_AT_ONCE);
            found.absent = found.absent.saturating_add(u32::try_from(rest).unwrap_or(u32::MAX));
            break;
        }
    }
    Ok((found != Round::default()).then_some(found))
}

/// Whether it is worth while to ask on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It is.
    Answered,
    /// Nothing comes from there.
    Silent,
}

/// One question. A digest that does not match does not say which range it is: they are asked for one by one then.
fn ask<L: Lines>(
    site: &Site,
    lines: &L,
    (member, line): (MemberId, &mut Option<L::Line>),
    shelves: &Shelves,
    ranges: &[Range],
    (found, lost): (&mut Round, &mut BTreeSet<ShardId>),
) -> Result<Asked, OperationError> {
    let nonce: [u8; 32] = random_bytes()?;
    // What the box cannot say itself it does not ask for.
    let Some(expected) = dispersal::expected_digest(site, &nonce, shelves, ranges)? else {
        return match ranges {
            [] | [_] => Ok(Asked::Answered),
            several => ask_each(site, lines, (member, line), shelves, several, (found, lost)),
        };
    };
    let name = |range: &Range| shelves.held.get(range.shard).map(|held| held.shard);
    let asked = ranges.iter().filter_map(|range| Some((name(range)?, range)));
    let question = Audit {
        nonce: nonce.into(),
        ranges: asked.map(|(shard, range)| AuditRange { shard, start: range.offset, len: range.len }).collect(),
        with_proofs: false,
    };
    let mut judge = |range: &Range, answer: Answer| {
        let finding = answer.judge();
        found.add(finding);
        if let (Finding::Loss, Some(shard)) = (finding, name(range)) {
            lost.insert(shard);
        }
    };
    match put_question(lines, (member, line), &question) {
        Some(Audited::Digest(digest)) if *digest == expected => {
            ranges.iter().for_each(|range| judge(range, Answer::Served { matches: true }));
        }
        Some(Audited::Digest(_) | Audited::Proofs(_)) => match ranges {
            [range] => judge(range, Answer::Served { matches: false }),
            several => return ask_each(site, lines, (member, line), shelves, several, (found, lost)),
        },
        Some(Audited::NotFound(shards)) => {
            let rest = named(ranges, &shards, name, |range| judge(range, Answer::NotFound));
            return ask_the_rest(site, lines, (member, line), shelves, (ranges, &rest), (found, lost));
        }
        Some(Audited::Corrupt(shards)) => {
            let rest = named(ranges, &shards, name, |range| judge(range, Answer::Corrupt));
            return ask_the_rest(site, lines, (member, line), shelves, (ranges, &rest), (found, lost));
        }
        Some(Audited::Unavailable) => ranges.iter().for_each(|range| judge(range, Answer::StoreUnavailable)),
        Some(Audited::Overloaded) => ranges.iter().for_each(|range| judge(range, Answer::Overloaded)),
        None => {
            ranges.iter().for_each(|range| judge(range, Answer::Silent));
            return Ok(Asked::Silent);
        }
    }
    Ok(Asked::Answered)
}

/// One question for each range; those after one that is not answered count as not answered.
fn ask_each<L: Lines>(
    site: &Site,
    lines: &L,
    (member, line): (MemberId, &mut Option<L::Line>),
    shelves: &Shelves,
    ranges: &[Range],
    (found, lost): (&mut Round, &mut BTreeSet<ShardId>),
) -> Result<Asked, OperationError> {
    let mut asked = Asked::Answered;
    for range in ranges {
        if asked == Asked::Silent {
            found.add(Finding::Absence);
        } else {
            asked = ask(site, lines, (member, line), shelves, std::slice::from_ref(range), (found, lost))?;
        }
    }
    Ok(asked)
}

/// Judges the ranges of shards that were named; gives the others.
fn named(
    ranges: &[Range],
    shards: &[ShardId],
    name: impl Fn(&Range) -> Option<ShardId>,
    mut judge: impl FnMut(&Range),
) -> Vec<Range> {
    let is_named = |range: &&Range| name(range).is_some_and(|shard| shards.contains(&shard));
    let (named, rest): (Vec<&Range>, Vec<&Range>) = ranges.iter().partition(is_named);
    named.into_iter().for_each(&mut judge);
    rest.into_iter().copied().collect()
}

/// The answer was about some of the ranges only. One that was about none of them says nothing.
fn ask_the_rest<L: Lines>(
    site: &Site,
    lines: &L,
    (member, line): (MemberId, &mut Option<L::Line>),
    shelves: &Shelves,
    (ranges, rest): (&[Range], &[Range]),
    (found, lost): (&mut Round, &mut BTreeSet<ShardId>),
) -> Result<Asked, OperationError> {
    if rest.len() == ranges.len() {
        rest.iter().for_each(|_| found.add(Finding::Absence));
        return Ok(Asked::Answered);
    }
    if rest.is_empty() { Ok(Asked::Answered) } else { ask(site, lines, (member, line), shelves, rest, (found, lost)) }
}

/// `None`: nothing came, however often it was asked.
fn put_question<L: Lines>(
    lines: &L,
    (member, line): (MemberId, &mut Option<L::Line>),
    question: &Audit,
) -> Option<Audited> {
    for _ in 0..TRIES {
        let opened = match line.take() {
            Some(line) => Ok(line),
            None => lines.open(member),
        };
        let Ok(mut opened) = opened else { continue };
        match opened.audit(question) {
            Ok(answer) => {
                *line = Some(opened);
                return Some(answer);
            }
            Err(LineError::Refused(_) | LineError::Broken(_)) => {}
        }
    }
    None
}
