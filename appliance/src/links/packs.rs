//! Packs out of shards: the `k` fastest of those members that hold one are asked, and when they take long, others besides.
//!
//! Who is fast shows while it works; who does not answer is left alone for a while. Connections are kept for the next pack.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datis_engine::erasure::layout::Piece;
use datis_engine::erasure::reading::PackRange;
use datis_engine::erasure::restore::{restore, restore_reusing};
use datis_engine::erasure::shard::{ShardFile, ShardHeader, name_shard};
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::keys::DispersalSecret;
use datis_engine::outside::stripes::StripeRef;
use datis_engine::wire::RefusalCode;

use super::cost::{Cost, UNKNOWN_PACE, by_cost, for_a_pack};
use super::peers::{PeerLink, PeerLinkError};
use super::portion::Portion;
use crate::operations::awaited::{Fetch, FetchError, Memory};

/// Whoever waits longer asks others besides (mutual-backup 4.13).
const OVERDRIVE: Duration = Duration::from_secs(3);
/// A member that does not answer is asked last for so long.
const LEFT_ALONE: Duration = Duration::from_secs(60);
/// How often a shard is begun again where it broke off.
const TRIES: u32 = 2;
/// Connections to one member that are kept for the next ones.
const IDLE_MAX: usize = 4;
/// So long a connection that is busy is waited for where there can be no more.
const BUSY_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
/// How much the last answer counts for the pace of a member.
const LAST_COUNTS: f64 = 0.3;

/// Why there is no connection to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoLine {
    /// It does not answer now.
    Silent,
    /// It is not in the community any more: nobody waits for it.
    Gone,
}

/// Connects to members.
pub(crate) trait Reach: Send + Sync + 'static {
    /// A connection on which this box may read what is kept for it.
    ///
    /// # Errors
    /// [`NoLine`].
    fn reach(&self, member: MemberId) -> Result<PeerLink, NoLine>;
}

/// Fetches packs of one owner.
pub(crate) struct Fetcher<R>(Arc<Lines<R>>);

struct Lines<R> {
    reach: R,
    secret: DispersalSecret,
    members: Mutex<HashMap<MemberId, Line>>,
    /// Somebody has done with a connection.
    freed: Condvar,
}

/// What is known of one member.
#[derive(Default)]
struct Line {
    idle: Vec<PeerLink>,
    /// Shards that it is asked for at this moment.
    asked: u32,
    /// Connections on which that happens.
    busy: u32,
    seconds_per_mib: Option<f64>,
    /// What is asked for at once.
    portion: Portion,
    /// When a part of a shard came last.
    heard_at: Option<Instant>,
    silent_since: Option<Instant>,
}

impl Line {
    fn is_left_alone(&self) -> bool {
        self.silent_since.is_some_and(|at| at.elapsed() < LEFT_ALONE)
    }
}

/// What came of asking one member.
enum Answer {
    Bytes(Vec<u8>),
    /// It does not have it, or has something else.
    Without,
    Silent,
    /// Others were faster, and nothing is said of it.
    Passed,
}

/// What came of asking several.
struct Gathered<T> {
    result: Option<T>,
    there: usize,
    is_anybody_silent: bool,
}

impl<R: Reach> Fetcher<R> {
    /// `secret`: what the owner's shards are sealed with.
    pub(crate) fn new(reach: R, secret: DispersalSecret) -> Self {
        Self(Arc::new(Lines { reach, secret, members: Mutex::default(), freed: Condvar::new() }))
    }

    /// These did not answer just now, so they are asked last for a while.
    pub(crate) fn leave_alone(&self, silent: impl IntoIterator<Item = MemberId>) {
        let mut members = self.0.members();
        for member in silent {
            members.entry(member).or_default().silent_since = Some(Instant::now());
        }
    }

    /// What it costs now to ask each of those that hold a shard of the stripe.
    fn costs(&self, stripe: &StripeRef) -> Vec<Cost> {
        let members = self.0.members();
        let cost = |member: &MemberId| {
            let Some(line) = members.get(member) else { return Cost::UNKNOWN };
            Cost {
                is_silent: line.is_left_alone(),
                seconds: f64::from(line.asked + 1) * line.seconds_per_mib.unwrap_or(UNKNOWN_PACE),
            }
        };
        stripe.shards.iter().map(|(member, _)| cost(member)).collect()
    }

    /// Asks for `range` of shards of a stripe: the first wave at once, the next one whenever somebody fails or all take long,
    /// until `enough` makes something of what came. `range`: of each shard's file. `memory`: what is taken for it, and given back.
    fn gather<T>(
        &self,
        stripe: &StripeRef,
        range: &Range<u32>,
        waves: Vec<Vec<usize>>,
        memory: &mut Vec<Vec<u8>>,
        mut enough: impl FnMut(&BTreeMap<usize, Vec<u8>>) -> Option<T>,
    ) -> Gathered<T> {
        let mut waves = waves.into_iter();
        let (told, answers) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut came = BTreeMap::new();
        let (mut under_way, mut is_anybody_silent) = (BTreeMap::new(), false);
        let mut begin = |wave: Option<Vec<usize>>, under_way: &mut BTreeMap<usize, Instant>| {
            for at in wave.into_iter().flatten() {
                let into = memory.pop().unwrap_or_default();
                self.begin((at, stripe.shards[at]), range.clone(), into, &is_over, &told);
                under_way.insert(at, Instant::now());
            }
        };
        begin(waves.next(), &mut under_way);
        let result = loop {
            if under_way.is_empty() {
                match waves.next() {
                    Some(wave) => begin(Some(wave), &mut under_way),
                    None => break None,
                }
            }
            match answers.recv_timeout(OVERDRIVE) {
                Ok((at, Answer::Bytes(bytes))) => {
                    under_way.remove(&at);
                    came.insert(at, bytes);
                    if let Some(made) = enough(&came) {
                        break Some(made);
                    }
                }
                Ok((at, answer)) => {
                    under_way.remove(&at);
                    is_anybody_silent |= matches!(answer, Answer::Silent);
                    begin(waves.next(), &mut under_way);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.0.note_late(under_way.iter().map(|(at, began)| (stripe.shards[*at].0, *began)));
                    begin(waves.next(), &mut under_way);
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        // Whoever is still at it stops after its piece.
        is_over.store(true, Ordering::Release);
        let there = came.len();
        memory.extend(came.into_values());
        Gathered { result, there, is_anybody_silent }
    }

    /// On a thread of its own: whoever is slow must not hold up those that are done.
    fn begin(
        &self,
        (at, (member, shard)): (usize, (MemberId, ShardId)),
        range: Range<u32>,
        into: Vec<u8>,
        is_over: &Arc<AtomicBool>,
        told: &Sender<(usize, Answer)>,
    ) {
        let (lines, is_over, told) = (Arc::clone(&self.0), Arc::clone(is_over), told.clone());
        let tell = told.clone();
        let asking = std::thread::Builder::new().name("fetch".into()).spawn(move || {
            let answer = lines.ask((member, shard), &range, into, &is_over);
            // Nobody listens any more when enough others have answered.
            let _ = tell.send((at, answer));
        });
        if asking.is_err() {
            let _ = told.send((at, Answer::Silent));
        }
    }

    /// The piece from the shard that holds it, or made of the same range of `k` others.
    fn piece(&self, stripe: &StripeRef, reader: &PackRange, piece: &Piece) -> Option<Vec<u8>> {
        let holder = usize::from(piece.shard);
        let k = usize::from(stripe.layout.scheme().data());
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let range = narrow(piece.in_file.start)..narrow(piece.in_file.end);
        let costs = self.costs(stripe);
        let mut order = by_cost(&costs);
        order.retain(|at| *at != holder);
        let others: Vec<usize> = order.drain(..order.len().min(k)).collect();
        // Where all are silent it costs least to ask the one that has it.
        let is_passed_by = costs[holder].is_silent && others.iter().all(|at| !costs[*at].is_silent);
        let mut waves: Vec<Vec<usize>> = if is_passed_by { Vec::new() } else { vec![vec![holder]] };
        waves.push(others);
        waves.extend(order.into_iter().map(|at| vec![at]));
        let made = self.gather(stripe, &range, waves, &mut Vec::new(), |came| {
            let direct = came.get(&holder).and_then(|bytes| reader.open(piece, bytes).ok());
            if direct.is_some() {
                return direct;
            }
            let parts: Vec<(u8, &[u8])> = came
                .iter()
                .filter(|(at, _)| **at != holder)
                .filter_map(|(at, bytes)| Some((u8::try_from(*at).ok()?, bytes.as_slice())))
                .collect();
            // With a wrong one among them it does not open; any of those that came may be that one.
            let mut choices = (0..=parts.len().saturating_sub(k)).map(|from| parts.get(from..from + k));
            choices.find_map(|some| reader.open(piece, &reader.rebuild(piece, some?).ok()?).ok())
        });
        made.result
    }
}

/// Shards whose names were looked at.
#[derive(Default)]
struct Named(BTreeMap<usize, bool>);

impl Named {
    /// The places of those that have the right one.
    fn sound(&mut self, came: &BTreeMap<usize, Vec<u8>>, stripe: &StripeRef) -> Vec<usize> {
        for (at, bytes) in came {
            self.0.entry(*at).or_insert_with(|| name_shard(bytes) == stripe.shards[*at].1);
        }
        self.0.iter().filter(|(_, is_sound)| **is_sound).map(|(at, _)| *at).collect()
    }
}

impl<R: Reach> Fetch for Fetcher<R> {
    fn range(&self, stripe: &StripeRef, range: Range<usize>) -> Result<Vec<u8>, FetchError> {
        let header = ShardHeader { pack: stripe.pack, index: 0, layout: stripe.layout };
        let reader = PackRange::new(&header, &self.0.secret);
        let mut bytes = Vec::with_capacity(range.len());
        for piece in stripe.layout.pieces(range.clone()).unwrap_or_default() {
            match self.piece(stripe, &reader, &piece) {
                Some(some) => bytes.extend_from_slice(&some),
                // All of it, with every shard's name looked at, says whether it is lost or only away.
                None => {
                    let mut memory = Memory::default();
                    return self.whole(stripe, &mut memory).map(|pack| pack.get(range).unwrap_or_default().to_vec());
                }
            }
        }
        Ok(bytes)
    }

    fn whole<'m>(&self, stripe: &StripeRef, memory: &'m mut Memory) -> Result<&'m [u8], FetchError> {
        let needed = usize::from(stripe.layout.scheme().data());
        let len = u32::try_from(stripe.layout.shard_len()).unwrap_or(u32::MAX);
        let mut order = for_a_pack(&self.costs(stripe), needed);
        let mut waves = vec![order.drain(..order.len().min(needed)).collect::<Vec<_>>()];
        waves.extend(order.into_iter().map(|at| vec![at]));
        let mut named = Named::default();
        let Memory { pack, shards } = memory;
        let made = self.gather(stripe, &(0..len), waves, shards, |came| {
            if came.len() < needed {
                return None;
            }
            let open = |at: &usize, name: Option<ShardId>| ShardFile::open(&came[at], name, &self.0.secret).ok();
            // Each block shows by its tag whether it is right, so names are looked at only when something is wrong.
            let files: Vec<ShardFile<'_>> = came.keys().filter_map(|at| open(at, None)).collect();
            let at_once = (came.len() == needed).then(|| restore_reusing(&files, &self.0.secret, std::mem::take(pack)));
            let restored = at_once.and_then(Result::ok);
            restored.filter(|restored| restored.pack == stripe.pack).or_else(|| {
                let sound = named.sound(came, stripe);
                if sound.len() < needed {
                    return None;
                }
                let files: Vec<ShardFile<'_>> =
                    sound.iter().filter_map(|at| open(at, Some(stripe.shards[*at].1))).collect();
                restore(&files, &self.0.secret).ok().filter(|restored| restored.pack == stripe.pack)
            })
        });
        match made {
            Gathered { result: Some(restored), .. } => {
                *pack = restored.bytes;
                Ok(pack)
            }
            Gathered { is_anybody_silent: true, there, .. } => Err(FetchError::Away { there, needed }),
            Gathered { there, .. } => Err(FetchError::Lost { there, needed }),
        }
    }
}

impl<R: Reach> Lines<R> {
    fn members(&self) -> MutexGuard<'_, HashMap<MemberId, Line>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of these nothing has come, since they were asked or at all, for so long that others are asked besides: they are asked last
    /// for a while, or each piece of each pack would wait for them anew.
    fn note_late(&self, asked: impl Iterator<Item = (MemberId, Instant)>) {
        let mut members = self.members();
        for (member, began) in asked {
            let line = members.entry(member).or_default();
            if line.heard_at.map_or(began, |at| at.max(began)).elapsed() >= OVERDRIVE {
                line.silent_since = Some(Instant::now());
            }
        }
    }

    fn ask(
        &self,
        (member, shard): (MemberId, ShardId),
        range: &Range<u32>,
        into: Vec<u8>,
        is_over: &AtomicBool,
    ) -> Answer {
        let began = Instant::now();
        let (mut link, mut portion) = {
            let mut members = self.members();
            let line = members.entry(member).or_default();
            line.asked += 1;
            let idle = line.idle.pop();
            line.busy += u32::from(idle.is_some());
            (idle, line.portion)
        };
        let answer = self.read((member, shard), range, into, is_over, (&mut link, &mut portion));
        let mut members = self.members();
        let line = members.entry(member).or_default();
        line.portion = portion;
        line.asked = line.asked.saturating_sub(1);
        match &answer {
            Answer::Bytes(bytes) => {
                let mib = (f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) / f64::from(1 << 20)).max(0.0625);
                let now = began.elapsed().as_secs_f64() / mib;
                let before = line.seconds_per_mib.unwrap_or(now);
                line.seconds_per_mib = Some(before + LAST_COUNTS * (now - before));
                line.silent_since = None;
            }
            Answer::Without | Answer::Passed => {}
            Answer::Silent => line.silent_since = Some(Instant::now()),
        }
        if let Some(link) = link {
            line.busy = line.busy.saturating_sub(1);
            if line.idle.len() < IDLE_MAX {
                line.idle.push(link);
            }
        }
        drop(members);
        self.freed.notify_all();
        answer
    }

    /// One more connection to a member. Where there can be no more, which is so of those that others relay, one that is busy is waited
    /// for.
    ///
    /// # Errors
    /// What to say instead.
    fn connect(&self, member: MemberId, is_over: &AtomicBool) -> Result<PeerLink, Answer> {
        let reached = self.reach.reach(member);
        let began = Instant::now();
        let mut members = self.members();
        if let Ok(link) = reached {
            members.entry(member).or_default().busy += 1;
            return Ok(link);
        }
        loop {
            let line = members.entry(member).or_default();
            if let Some(idle) = line.idle.pop() {
                line.busy += 1;
                return Ok(idle);
            }
            if line.busy == 0 || began.elapsed() > BUSY_MAX {
                return reached.map_err(|none| match none {
                    NoLine::Silent => Answer::Silent,
                    NoLine::Gone => Answer::Without,
                });
            }
            if is_over.load(Ordering::Acquire) {
                return Err(Answer::Passed);
            }
            members = self.freed.wait_timeout(members, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A connection that is of no use any more.
    fn hang_up(&self, member: MemberId, link: &mut Option<PeerLink>) {
        if link.take().is_some() {
            let mut members = self.members();
            let line = members.entry(member).or_default();
            line.busy = line.busy.saturating_sub(1);
        }
    }

    /// Piece by piece. A connection that breaks, or on which the box may not read any more, is made again.
    fn read(
        &self,
        (member, shard): (MemberId, ShardId),
        range: &Range<u32>,
        into: Vec<u8>,
        is_over: &AtomicBool,
        (link, portion): (&mut Option<PeerLink>, &mut Portion),
    ) -> Answer {
        let (mut bytes, mut tries) = (into, 0);
        bytes.clear();
        bytes.reserve_exact(range.len());
        loop {
            let from = range.start.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            if from >= range.end {
                return Answer::Bytes(bytes);
            }
            if is_over.load(Ordering::Acquire) {
                // Whoever broke off, or kept this waiting until it did, is not asked first the next time.
                return if tries == 0 { Answer::Passed } else { Answer::Silent };
            }
            let open = match link {
                Some(open) => open,
                None => match self.connect(member, is_over) {
                    Ok(new) => link.insert(new),
                    Err(answer) => return answer,
                },
            };
            let (len, began) = (u32::try_from(portion.bytes()).unwrap_or(u32::MAX), Instant::now());
            match open.get_shard(shard, from..range.end.min(from.saturating_add(len)), &mut bytes) {
                Ok(()) => {
                    portion.took(began.elapsed());
                    self.members().entry(member).or_default().heard_at = Some(Instant::now());
                }
                Err(PeerLinkError::Refused(refusal))
                    if matches!(
                        refusal.code,
                        RefusalCode::NotFound | RefusalCode::Damaged | RefusalCode::Malformed
                    ) =>
                {
                    return Answer::Without;
                }
                Err(error) if tries < TRIES => {
                    tracing::debug!(%member, %shard, error = %error, "A shard broke off; it is asked for again");
                    self.hang_up(member, link);
                    (*portion, tries) = (Portion::default(), tries + 1);
                }
                Err(error) => {
                    tracing::debug!(%member, %shard, error = %error, "A shard is not to be had now");
                    self.hang_up(member, link);
                    return Answer::Silent;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Reach for Nobody {
        fn reach(&self, _: MemberId) -> Result<PeerLink, NoLine> {
            Err(NoLine::Silent)
        }
    }

    #[test]
    fn whoever_others_are_asked_in_place_of_is_asked_last_for_a_while_unless_something_comes_of_it() {
        let fetcher = Fetcher::new(Nobody, DispersalSecret::from_bytes([1; 32]));
        let [still, flowing, fresh] = [1, 2, 3].map(|at| MemberId::from_bytes([at; MemberId::LEN]));
        let long_ago = Instant::now().checked_sub(OVERDRIVE).expect("the computer runs for longer");
        fetcher.0.members().entry(flowing).or_default().heard_at = Some(Instant::now());
        fetcher.0.note_late([(still, long_ago), (flowing, long_ago), (fresh, Instant::now())].into_iter());
        let members = fetcher.0.members();
        assert_eq!([still, flowing, fresh].map(|member| members[&member].is_left_alone()), [true, false, false]);
    }
}
