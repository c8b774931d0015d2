//! The head that a recovery goes on from: the newest that leads to a map. Whoever took the lost box over had its key, and may have
//! signed heads that lead nowhere, as many as hosts take; those before them are still there.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use datis_engine::community::head::{Choice, Head, SignedBy, VerifiedHead, choose};
use datis_engine::community::roster::Roster;
use datis_engine::ids::MemberId;
use datis_engine::wire::peers::{HeadPage, ListHeads};

use super::RecoveryError;
use super::abreast::Abreast;
use super::peers::{Community, Linked};
use crate::operations::awaited::FetchError;
use crate::operations::chain;

/// Heads that each member is asked for first: mostly the newest one is good.
const FIRST: u8 = 4;
/// Heads that it is asked for then.
const NEXT: u8 = 16;
/// So often each member is asked: for more than it can have taken in a window of 90 days.
const PAGES_MAX: usize = 1_000;

/// Who is asked for heads.
pub(super) trait Keepers {
    /// Their numbers, and what they are called.
    fn all(&self) -> Vec<(MemberId, String)>;
    /// Asks them side by side for heads that they keep, and gives what each says; why it gives none, in words. Those that are silent
    /// for too long are not in it.
    fn ask(&self, questions: Vec<(MemberId, ListHeads)>) -> Vec<(MemberId, Result<HeadPage, String>)>;
}

impl Keepers for Community {
    fn all(&self) -> Vec<(MemberId, String)> {
        self.links.iter().map(|(member, _)| (*member, self.name(*member))).collect()
    }

    fn ask(&self, questions: Vec<(MemberId, ListHeads)>) -> Vec<(MemberId, Result<HeadPage, String>)> {
        let linked = questions.into_iter().filter_map(|(member, question)| Some((self.link_to(member)?, question)));
        let ask = |(link, question): &(Linked, ListHeads)| Ok::<_, RecoveryError>(link.lock().ask(question)?);
        // Who keeps nothing knows nothing of what the others keep.
        let told = Abreast::each(linked, ask, |page: &HeadPage| !page.heads.is_empty());
        let in_words = |page: Result<HeadPage, RecoveryError>| page.map_err(|error| error.to_string());
        told.into_iter().map(|((link, _), page)| (link.member, in_words(page))).collect()
    }
}

/// The head that a recovery goes on from.
pub(super) struct Newest<T> {
    pub(super) head: VerifiedHead,
    /// What it leads to.
    pub(super) read: T,
    /// How many members gave heads: one alone may be behind, or say so.
    pub(super) witnesses: usize,
    /// What those are called that were connected and have not said what they keep.
    pub(super) unheard: Vec<String>,
}

/// The newest head of `of` that `read` makes something of, and what that is. Heads that cannot lead to anything are passed over, and
/// that is said; where boxes that do not answer may help, the recovery waits for them, unless it is to go `without_lost`.
///
/// # Errors
/// [`RecoveryError::NoHead`]; of the newest head, when there is no other; of one that may be read once more boxes answer.
pub(super) fn newest_readable<T>(
    keepers: &impl Keepers,
    (of, roster): (MemberId, &Roster),
    without_lost: bool,
    progress: &mut dyn FnMut(String),
    mut read: impl FnMut(&VerifiedHead) -> Result<T, RecoveryError>,
) -> Result<Newest<T>, RecoveryError> {
    let mut asked: Vec<Asked> = keepers.all().into_iter().map(Asked::of).collect();
    let (mut pool, mut tried, mut newest, mut witnesses) = (Vec::new(), HashSet::new(), None, 0);
    for page in 0..PAGES_MAX {
        let given = ask_next(keepers, &mut asked, roster, if page == 0 { FIRST } else { NEXT }, progress);
        let choice = choose(&given, of, roster);
        if page == 0 {
            tell(&asked, &choice, progress);
            witnesses = choice.held_by.len() + choice.behind.len();
        }
        pool.extend(choice.chosen.into_iter().chain(choice.others).filter(|head| tried.insert(head.hash())));
        pool.sort_by_key(|head: &VerifiedHead| Reverse(head.rank()));
        // Somebody may still give one that is newer than the rest.
        let frontier = asked.iter().filter_map(Asked::may_give_below).max();
        let ready = pool.iter().take_while(|head| frontier.is_none_or(|frontier| head.rank() >= frontier)).count();
        for head in pool.drain(..ready) {
            let sequence = head.head().sequence;
            match read(&head) {
                Ok(read) => {
                    if newest.is_some() {
                        progress(format!(
                            "goes on from head number {sequence}, which is not the newest: what came after it is not there. Newer \
                             ones lead nowhere, as when somebody else had the lost box's key"
                        ));
                    }
                    return Ok(Newest { head, read, witnesses, unheard: unheard(&asked) });
                }
                Err(error) if leads_nowhere(&error, without_lost) => {
                    progress(format!("head number {sequence} is passed over: {}", chain(&error)));
                    newest.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if frontier.is_none() {
            break;
        }
    }
    Err(newest.unwrap_or_else(|| RecoveryError::NoHead { asked: asked.len(), unheard: unheard(&asked) }))
}

fn unheard(asked: &[Asked]) -> Vec<String> {
    asked.iter().filter(|one| one.is_unheard).map(|one| one.name.clone()).collect()
}

/// How far somebody has been asked.
struct Asked {
    member: MemberId,
    name: String,
    reach: Reached,
    /// It did not answer the first question.
    is_unheard: bool,
}

enum Reached {
    /// Nothing was asked yet.
    Nothing,
    /// It may have more below this one.
    Until { sequence: u64, rank: (usize, u64) },
    /// It has given all.
    All,
}

impl Asked {
    fn of((member, name): (MemberId, String)) -> Self {
        Self { member, name, reach: Reached::Nothing, is_unheard: false }
    }

    /// Heads that it may still give come after this place in the order.
    fn may_give_below(&self) -> Option<(usize, u64)> {
        match self.reach {
            Reached::Nothing => Some((usize::MAX, u64::MAX)),
            Reached::Until { rank, .. } => Some(rank),
            Reached::All => None,
        }
    }
}

/// Whether nothing that may change would make anything of this head.
fn leads_nowhere(error: &RecoveryError, without_lost: bool) -> bool {
    match error {
        RecoveryError::Outside(_) | RecoveryError::Map { source: FetchError::Lost { .. }, .. } => true,
        RecoveryError::Map { source: FetchError::Away { .. }, .. } => without_lost,
        _ => false,
    }
}

/// The next heads of those who may give the newest.
fn ask_next(
    keepers: &impl Keepers,
    asked: &mut [Asked],
    roster: &Roster,
    limit: u8,
    progress: &mut dyn FnMut(String),
) -> Vec<(MemberId, Vec<u8>)> {
    let highest = asked.iter().filter_map(Asked::may_give_below).max();
    let mut now: Vec<(&mut Asked, Option<u64>)> = Vec::new();
    for one in asked.iter_mut().filter(|one| one.may_give_below().is_some_and(|place| Some(place) == highest)) {
        let before = match one.reach {
            Reached::Until { sequence, .. } => Some(sequence),
            Reached::Nothing | Reached::All => None,
        };
        one.reach = Reached::All;
        now.push((one, before));
    }
    let questions = now.iter().map(|(one, before)| (one.member, ListHeads { limit, before: *before }));
    let mut told: HashMap<_, _> = keepers.ask(questions.collect()).into_iter().collect();
    let mut given = Vec::new();
    for (one, before) in now {
        let silent = || Err("it is silent, while others have answered".to_owned());
        let page = match told.remove(&one.member).unwrap_or_else(silent) {
            Ok(page) => page.heads,
            Err(error) => {
                progress(format!("{} gives no heads: {error}", one.name));
                one.is_unheard |= before.is_none();
                continue;
            }
        };
        if let Some(last) = page.last().and_then(|head| Head::verify(head, roster, SignedBy::AnyBox).ok()) {
            let (sequence, rank) = (last.head().sequence, last.rank());
            // A box of before gives the same ones again.
            if Some(sequence) != before {
                one.reach = Reached::Until { sequence, rank };
            }
        }
        given.extend(page.into_iter().map(|head| (one.member, head.to_vec())));
    }
    given
}

/// What the heads that came first say of those who keep them.
fn tell(asked: &[Asked], choice: &Choice, progress: &mut dyn FnMut(String)) {
    let name = |member: &MemberId| {
        let found = asked.iter().find(|one| one.member == *member);
        found.map_or_else(|| member.to_string(), |one| one.name.clone())
    };
    for (peer, behind) in &choice.behind {
        progress(format!("{} is behind: its newest head is number {behind}", name(peer)));
    }
    for (peer, error) in &choice.refused {
        progress(format!("{} gives a head that is none: {error}", name(peer)));
    }
    if !choice.forks.is_empty() {
        progress("two heads of one number were signed: a copy of the lost box ran somewhere".to_owned());
    }
    match (&choice.held_by[..], &choice.behind[..]) {
        ([one], []) => progress(format!(
            "what there was last rests on the word of {} alone; something newer may be with those that do not answer",
            name(one)
        )),
        ([one], _) => progress(format!("only {} has the newest head", name(one))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use datis_engine::outside::OutsideError;
    use datis_engine::units::UnixMillis;

    use super::*;
    use crate::operations::hosting::testing::Circle;
    use crate::operations::testing::TestBox;

    /// Members that keep these heads, the newest first; `is_old`: they know of no pages.
    struct Kept {
        heads: Vec<(MemberId, Vec<VerifiedHead>)>,
        is_old: bool,
        /// It takes longer than anybody waits.
        too_slow: Option<MemberId>,
    }

    impl Kept {
        fn page(&self, member: MemberId, question: ListHeads) -> HeadPage {
            let (_, heads) = self.heads.iter().find(|(id, _)| *id == member).expect("one of them");
            let before = question.before.filter(|_| !self.is_old);
            let from = before.map_or(0, |before| {
                heads.iter().position(|head| head.head().sequence == before).map_or(heads.len(), |at| at + 1)
            });
            let page = heads[from..].iter().take(question.limit.into());
            HeadPage { heads: page.map(|head| head.signed().encode().into()).collect() }
        }
    }

    impl Keepers for Kept {
        fn all(&self) -> Vec<(MemberId, String)> {
            self.heads.iter().map(|(member, _)| (*member, member.to_string())).collect()
        }

        fn ask(&self, questions: Vec<(MemberId, ListHeads)>) -> Vec<(MemberId, Result<HeadPage, String>)> {
            let in_time = questions.into_iter().filter(|(member, _)| self.too_slow != Some(*member));
            in_time.map(|(member, question)| (member, Ok(self.page(member, question)))).collect()
        }
    }

    fn heads(circle: &Circle, count: u64) -> Vec<VerifiedHead> {
        let mut heads: Vec<VerifiedHead> = Vec::new();
        for _ in 0..count {
            let made = Head::next(circle.log.community(), circle.one.id(), heads.first(), UnixMillis(1), b"x".to_vec())
                .expect("head");
            let bytes = made.sign(&circle.one.device).encode();
            heads.insert(0, Head::verify(&bytes, circle.log.roster(), SignedBy::AnyBox).expect("head"));
        }
        heads
    }

    fn nonsense() -> RecoveryError {
        OutsideError::TooLong { what: "head", len: 1, max: 0 }.into()
    }

    fn no_map(source: FetchError) -> RecoveryError {
        RecoveryError::Map { silent: Vec::new(), source }
    }

    #[test]
    fn heads_that_lead_nowhere_are_passed_over_page_by_page_and_that_is_said() {
        let test = TestBox::start();
        let circle = Circle::around(test.site());
        let all = heads(&circle, 60);
        // One of both was away lately.
        let behind = all[40..].to_vec();
        let kept = Kept { heads: vec![(circle.other.id(), all), (circle.me, behind)], is_old: false, too_slow: None };
        let (of, roster) = (circle.one.id(), circle.log.roster());
        let mut said = Vec::new();
        let good_until = |last: u64| {
            move |head: &VerifiedHead| {
                if head.head().sequence <= last { Ok(head.head().sequence) } else { Err(nonsense()) }
            }
        };
        let found = newest_readable(&kept, (of, roster), false, &mut |line| said.push(line), good_until(30));
        let found = found.map(|newest| (newest.read, newest.witnesses));
        assert_eq!(found.expect("found"), (30, 2), "not the newest of whoever was away, which came first");
        assert!(said.iter().any(|line| line.contains("number 30, which is not the newest")), "{said:?}");
        assert!(said.iter().any(|line| line.ends_with("is behind: its newest head is number 19")), "{said:?}");
        said.clear();
        let found = newest_readable(&kept, (of, roster), false, &mut |line| said.push(line), good_until(59));
        assert_eq!(found.map(|newest| newest.read).expect("found"), 59);
        assert!(!said.iter().any(|line| line.contains("not the newest")), "{said:?}");
    }

    #[test]
    fn who_is_too_slow_to_say_what_it_keeps_is_named_and_may_have_something_newer() {
        let test = TestBox::start();
        let circle = Circle::around(test.site());
        let (of, roster) = (circle.one.id(), circle.log.roster());
        let all = heads(&circle, 9);
        let behind = all[5..].to_vec();
        let too_slow = Some(circle.other.id());
        let mut kept = Kept { heads: vec![(circle.other.id(), all), (circle.me, behind)], is_old: false, too_slow };
        let read = |head: &VerifiedHead| Ok(head.head().sequence);
        let newest = newest_readable(&kept, (of, roster), false, &mut |_| {}, read).expect("an older one");
        assert_eq!((newest.read, newest.witnesses, newest.unheard), (3, 1, vec![circle.other.id().to_string()]));
        kept.heads.truncate(1);
        let none = newest_readable(&kept, (of, roster), false, &mut |_| {}, read);
        assert!(matches!(none, Err(RecoveryError::NoHead { asked: 1, unheard }) if unheard.len() == 1));
    }

    #[test]
    fn what_boxes_that_are_away_may_help_with_is_waited_for() {
        let test = TestBox::start();
        let circle = Circle::around(test.site());
        let mut kept = Kept { heads: vec![(circle.other.id(), heads(&circle, 9))], is_old: false, too_slow: None };
        let (of, roster) = (circle.one.id(), circle.log.roster());
        let away = |head: &VerifiedHead| match head.head().sequence {
            8 => Err(no_map(FetchError::Away { there: 1, needed: 2 })),
            7 => Err(no_map(FetchError::Lost { there: 1, needed: 2 })),
            sequence => Ok(sequence),
        };
        let mut said = Vec::new();
        let waits = newest_readable(&kept, (of, roster), false, &mut |line| said.push(line), away);
        assert!(matches!(waits, Err(RecoveryError::Map { source: FetchError::Away { .. }, .. })));
        let goes_on = newest_readable(&kept, (of, roster), true, &mut |line| said.push(line), away);
        let goes_on = goes_on.map(|newest| (newest.read, newest.witnesses));
        assert_eq!(goes_on.expect("found"), (6, 1));
        assert!(said.iter().any(|line| line.contains(&format!("the word of {} alone", circle.other.id()))), "{said:?}");
        assert!(said.iter().any(|line| line.contains("number 6, which is not the newest")), "{said:?}");
        // Nobody has a good one, and a box of before does not go on for ever.
        for is_old in [false, true] {
            kept.is_old = is_old;
            let none = newest_readable(&kept, (of, roster), true, &mut |_| {}, |_| Err::<(), _>(nonsense()));
            assert!(matches!(none, Err(RecoveryError::Outside(_))));
        }
        kept.heads.clear();
        let nobody = newest_readable(&kept, (of, roster), false, &mut |_| {}, |_| Ok(()));
        assert!(matches!(nobody, Err(RecoveryError::NoHead { asked: 0, .. })));
    }
}
