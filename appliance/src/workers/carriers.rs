//! One thread for each other box: it carries what it is given, in order, over a connection that stays open, and tells what came
//! of it. A box that is slow or away holds up its own thread and nobody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use bytes::Bytes;
use datis_engine::community::signed::Signed;
use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::wire::peers::{Condemn, Condemned, KeepHead, ListHeads, OfferShard, ShardOffer, Wish};

use super::lines::{Line, LineError, Lines};
use crate::links::portion::Portion;
use crate::operations::Site;
use crate::operations::bandwidth::{Traffic, wait_for_turn};
use crate::operations::dispersal::{Place, Received};

/// Heads that a box is asked for that does not keep the one it was given: the newest tells.
const HEADS_ASKED: u8 = 2;

/// Something to be carried to a box.
pub(super) enum Errand {
    /// A shard.
    Shard {
        /// Of which pack.
        pack: PackId,
        /// Which one.
        place: Place,
        /// The whole file.
        bytes: Bytes,
        /// What it counts as on the line.
        traffic: Traffic,
    },
    /// A head.
    Head {
        /// Its number.
        sequence: u64,
        /// As it was signed.
        signed: Vec<u8>,
    },
    /// What is not needed any more.
    Condemn(Vec<ShardId>),
}

/// What came of an errand.
pub(super) enum Outcome {
    /// The shard is there, by the box's word. The memory is free again.
    Receipt(Received, Bytes),
    /// The box takes no more.
    Full(PackId),
    /// The shard was not taken, or there was no time.
    Undone(PackId),
    /// The box will not have the shard, and does not say that it has no room.
    Refused(PackId, String),
    /// The box keeps the head of this number.
    HeadKept(u64),
    /// It does not keep the head that it was given; these are what it says that it keeps.
    OtherHeads(Vec<Vec<u8>>),
    /// It was told, and this is what it does with that.
    Condemned(Vec<ShardId>, Condemned),
    /// It was not told.
    Nothing,
    /// It does not answer: what follows is [`Self::Undone`].
    Silent(String),
}

/// What a thread tells: who, and what.
pub(super) type Told = (MemberId, Outcome);

/// Carries all that comes until there is nothing more or `stop` is set.
pub(super) fn carry<L: Lines>(
    site: &Site,
    lines: &L,
    (member, window_days): (MemberId, u16),
    errands: &Receiver<Errand>,
    stop: &AtomicBool,
    told: &Sender<Told>,
) {
    let tell = |outcome: Outcome| {
        // Whoever does not listen any more does not need it.
        let _ = told.send((member, outcome));
    };
    let (mut line, mut portion, mut is_silent) = (None, Portion::default(), false);
    for errand in errands {
        if is_silent || stop.load(Ordering::SeqCst) {
            tell(undone(&errand));
            continue;
        }
        let opened = match line.take() {
            Some(line) => Ok(line),
            None => lines.open(member),
        };
        let result = opened.and_then(|mut opened| {
            let outcome = run(site, (&mut opened, &mut portion), &errand, window_days, stop)?;
            line = Some(opened);
            Ok(outcome)
        });
        match result {
            Ok(outcome) => tell(outcome),
            Err(error) => {
                // A refusal leaves the connection as it was, but nothing tells here: the next errand opens another.
                match (error, &errand) {
                    (LineError::Broken(why), _) => {
                        is_silent = true;
                        tell(Outcome::Silent(why));
                        tell(undone(&errand));
                    }
                    (LineError::Refused(why), Errand::Shard { pack, .. }) => tell(Outcome::Refused(*pack, why)),
                    (LineError::Refused(why), Errand::Head { .. } | Errand::Condemn(_)) => {
                        tracing::warn!(peer = %member, reason = %why, "A peer refuses");
                        tell(undone(&errand));
                    }
                }
            }
        }
    }
}

fn undone(errand: &Errand) -> Outcome {
    match errand {
        Errand::Shard { pack, .. } => Outcome::Undone(*pack),
        Errand::Head { .. } | Errand::Condemn(_) => Outcome::Nothing,
    }
}

fn run(
    site: &Site,
    (line, portion): (&mut impl Line, &mut Portion),
    errand: &Errand,
    window_days: u16,
    stop: &AtomicBool,
) -> Result<Outcome, LineError> {
    match errand {
        Errand::Shard { pack, place, bytes, traffic } => {
            let turn = |wanted| wait_for_turn(site, *traffic, wanted, || stop.load(Ordering::SeqCst));
            Ok(match deliver((line, portion), place.shard, bytes, window_days, turn)? {
                Delivered::Receipt(signed) => {
                    Outcome::Receipt(Received { pack: *pack, place: *place, signed }, bytes.clone())
                }
                Delivered::Full => Outcome::Full(*pack),
                Delivered::Stopped => Outcome::Undone(*pack),
            })
        }
        Errand::Head { sequence, signed } => {
            match line.keep_head(&KeepHead { head: signed.clone().into() }) {
                Ok(kept) if kept.sequence == *sequence => return Ok(Outcome::HeadKept(*sequence)),
                // A number is only a word: what counts is a signed head.
                Ok(_) => {}
                Err(LineError::Refused(why)) => tracing::info!(reason = %why, "A peer does not take the head"),
                Err(broken) => return Err(broken),
            }
            let kept = line.list_heads(&ListHeads { limit: HEADS_ASKED, before: None })?;
            Ok(Outcome::OtherHeads(kept.heads.into_iter().take(HEADS_ASKED.into()).map(Vec::from).collect()))
        }
        Errand::Condemn(shards) => {
            let wish = Wish::DeleteWithinBrake;
            let answer = line.condemn(&Condemn { shards: shards.clone(), wish })?;
            let dealt_with = shards.iter().take(answer.taken as usize).copied().collect();
            Ok(Outcome::Condemned(dealt_with, answer))
        }
    }
}

enum Delivered {
    Receipt(Signed),
    Full,
    Stopped,
}

/// What broke off goes on where the other box says. `turn`: how many of so many bytes may go now; `None` ends it for this time.
fn deliver(
    (line, portion): (&mut impl Line, &mut Portion),
    shard: ShardId,
    bytes: &Bytes,
    window_days: u16,
    turn: impl Fn(usize) -> Option<usize>,
) -> Result<Delivered, LineError> {
    let wrong = |what: &str| LineError::Broken(what.to_owned());
    let total = u32::try_from(bytes.len()).map_err(|_| wrong("a shard that is too long"))?;
    let mut from = match line.offer(&OfferShard { shard, len: total, window_days })? {
        ShardOffer::Held { receipt } => {
            // It may have been told once that nobody needs it.
            line.condemn(&Condemn { shards: vec![shard], wish: Wish::Spare })?;
            return Ok(Delivered::Receipt(receipt));
        }
        ShardOffer::Send { from } => from as usize,
        ShardOffer::OverQuota { .. } | ShardOffer::NoRoom => return Ok(Delivered::Full),
    };
    if from >= bytes.len() {
        return Err(wrong("it wants bytes that there are not"));
    }
    while from < bytes.len() {
        let wanted = portion.bytes().min(bytes.len() - from);
        let Some(granted) = turn(wanted) else { return Ok(Delivered::Stopped) };
        let piece = bytes.slice(from..from + granted.min(wanted));
        let (start, began) = (u32::try_from(from).unwrap_or(u32::MAX), Instant::now());
        from += piece.len();
        if let Some(receipt) = line.put(shard, start, total, piece)? {
            return Ok(Delivered::Receipt(receipt));
        }
        // What was cut short says nothing about the line.
        if granted == portion.bytes() {
            portion.took(began.elapsed());
        }
    }
    Err(wrong("it took a whole shard and gave no receipt"))
}
