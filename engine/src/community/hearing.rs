//! What a box makes of the entries that another member tells it: they follow on what it knows, they part from it, or they wait.

use super::accused::before_the_word_of;
use super::entry::SignedEntry;
use super::known::Community;
use super::log::{Log, LogError};
use super::parting::{GivesWay, Parting, Proposed};
use crate::keys::SigningKey;
use crate::units::UnixMillis;

/// What is to be done with what was told.
#[derive(Debug)]
pub enum Heard {
    /// Nothing: all of it is known, has to wait, or is what its own box gives up when it hears of this one's.
    Nothing,
    /// The log goes on with it.
    Longer(Box<Log>),
    /// The logs part, and this box's gives way to the other one.
    GivesWay(Box<Parting>, Box<SaidAgain>),
    /// The logs part, and people have to choose.
    Parted(Box<Parting>),
}

/// Another log, with what this box had said of itself on top of it.
#[derive(Debug)]
pub struct SaidAgain {
    /// To go on with.
    pub log: Log,
    /// Why some of it cannot be said any more.
    pub refused: Vec<LogError>,
}

/// Weighs what another member has told. `device`: this box's key; `proposed`: what waits on both sides, and whose words are held back.
///
/// # Errors
/// [`LogError`] when an entry does not hold; then nothing of the message is taken.
pub fn hear(
    known: &Community,
    device: &SigningKey,
    told: &[SignedEntry],
    proposed: Proposed<'_>,
    now: UnixMillis,
) -> Result<Heard, LogError> {
    let is_old = |since: u64| known.is_old(since, now);
    if let Some(parting) = Parting::of(&known.log, told, proposed, is_old)? {
        return Ok(settle(known, device, parting, now));
    }
    let mut log = known.log.clone();
    let taken = log.follow(before_the_word_of(proposed.held, &known.log, told, proposed.theirs), is_old)?;
    Ok(if taken > 0 { Heard::Longer(Box::new(log)) } else { Heard::Nothing })
}

/// Of two logs that part, this box's gives way, or the other one's does when its box hears of it, or people have to choose.
fn settle(known: &Community, device: &SigningKey, parting: Parting, now: UnixMillis) -> Heard {
    match (parting.gives_way(), parting.their_log()) {
        // A log that does not know this box is none to go on with by itself.
        (GivesWay::Ours, Some(log)) if log.roster().member(known.me).is_some() => {
            let said_again = say_again(known, device, &parting, log, now);
            Heard::GivesWay(Box::new(parting), Box::new(said_again))
        }
        // What is held back is taken when its time is over.
        (GivesWay::Theirs, _) | (GivesWay::Ours, None) => Heard::Nothing,
        (GivesWay::Ours, Some(_)) | (GivesWay::Neither, _) => Heard::Parted(Box::new(parting)),
    }
}

/// The other log, `theirs`, with what this box has said of itself in its own said again on top of it.
#[must_use]
pub fn say_again(
    known: &Community,
    device: &SigningKey,
    parting: &Parting,
    theirs: &Log,
    now: UnixMillis,
) -> SaidAgain {
    let (mut log, mut refused) = (theirs.clone(), Vec::new());
    for change in parting.said_by(known.me, device.public_key()) {
        let mut entry = log.draft(now, change);
        entry.sign(device);
        refused.extend(log.append(entry).err());
    }
    SaidAgain { log, refused }
}
