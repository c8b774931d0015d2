//! Invitations that are read out: the codes that are open at this box, and the exchanges about them that are under way. Both are
//! in memory alone; a code is good for a quarter of an hour, and a restart ends it.
//!
//! A code is short, so what counts is how often it can be guessed: after [`TRIES`] wrong ones it is gone, whoever made them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use datis_engine::community::address::Address;
use datis_engine::community::check::{Ends, Pairing, PairingKey};
use datis_engine::community::invitation::JoinRequest;
use datis_engine::community::spoken::{
    CODE_VALID, COMMITMENT_LEN, CONFIRMATION_LEN, Exchange, MESSAGE_LEN, NUMBER_MAX, SpokenCode, SpokenError,
    Unconfirmed, WordCount, commitment,
};
use datis_engine::ids::MemberName;
use datis_engine::keys::{PublicKey, VaultIdentity};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::{BeginSpoken, ConfirmSpoken, JoinSpoken, SpokenBegun, SpokenConfirmed};
use zeroize::Zeroizing;

use super::super::accounts::{Action, Actor, Right, record};
use super::super::site::lock;
use super::super::{OperationError, Site};
use super::CommunityError;
use super::coming_in::{JoinTry, Way, make_request, note_request, recovery_of};
use crate::catalog::CatalogError;

/// Wrong words before a code is gone: three guesses at two words are 1 in 21 845.
pub(super) const TRIES: u8 = 3;
/// Exchanges that may be begun about a code. Who knows it sees in each, without a guess, which digits would come of it, and
/// could begin until they are those on another screen.
pub(super) const BEGINNINGS: u8 = 16;
/// Codes that are open at a time.
const CODES_MAX: usize = 8;
/// Exchanges that are under way at a time; whoever begins one more has to wait until one is over.
const TALKS_MAX: usize = 16;
/// An exchange that does not go on is over after this.
const TALK_VALID: Seconds = Seconds(60);

/// What is open at this box.
#[derive(Default)]
pub(crate) struct SpokenCodes(Mutex<Open>);

impl fmt::Debug for SpokenCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpokenCodes(secret)")
    }
}

#[derive(Default)]
struct Open {
    codes: Vec<OpenCode>,
    /// By the key of the box that joins.
    talks: HashMap<PublicKey, Talk>,
}

struct OpenCode {
    number: u16,
    text: Zeroizing<String>,
    expires: UnixMillis,
    tries_left: u8,
    beginnings_left: u8,
}

struct Talk {
    pairing: Pairing,
    begun_at: UnixMillis,
    stage: Stage,
}

enum Stage {
    /// This box's message is out.
    Begun { number: u16, exchange: Box<Exchange>, commitment: [u8; COMMITMENT_LEN] },
    /// Both sides have shown that they have the code.
    Confirmed(PairingKey),
}

impl Open {
    fn tidy(&mut self, now: UnixMillis) {
        let codes = &mut self.codes;
        codes.retain(|code| now < code.expires);
        // Another code may get the number of one that is gone: what was begun about that counts for nothing.
        let has_its_code = |stage: &Stage| match stage {
            Stage::Begun { number, .. } => codes.iter().any(|code| code.number == *number),
            Stage::Confirmed(_) => true,
        };
        self.talks.retain(|_, talk| now < talk.begun_at.plus(TALK_VALID) && has_its_code(&talk.stage));
    }

    /// The exchange with this box on this connection; it is over with that, unless it is put back.
    fn talk(&mut self, joiner: &PublicKey, channel: [u8; 32]) -> Result<Talk, CommunityError> {
        let talk = self.talks.remove(joiner).filter(|talk| talk.pairing.channel == channel);
        talk.ok_or(CommunityError::NoInvitation)
    }

    /// One guess less at the code of this number.
    fn missed(&mut self, number: u16) {
        self.codes.iter_mut().filter(|code| code.number == number).for_each(|code| code.tries_left -= 1);
        self.codes.retain(|code| code.tries_left > 0);
    }
}

/// Invites one box: a code that is read out together with the address of this box. It is good for [`CODE_VALID`].
/// `places`: where this box can be reached.
///
/// # Errors
/// [`CommunityError`].
pub fn invite_aloud(site: &Site, by: &Actor, places: &[Address]) -> Result<Zeroizing<String>, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let known = site.in_community()?;
    if !known.roster().is_admin(known.me) {
        return Err(CommunityError::NotAdmin);
    }
    super::addresses::announce_first(site, places)?;
    let now = site.clock.now();
    let mut open = lock(&site.spoken.0);
    open.tidy(now);
    if open.codes.len() >= CODES_MAX {
        return Err(CommunityError::TooMany(CODES_MAX as u64));
    }
    let is_free = |number: &u16| open.codes.iter().all(|code| code.number != *number);
    let number = (1..=NUMBER_MAX).find(is_free).ok_or(CommunityError::TooMany(CODES_MAX as u64))?;
    let code = SpokenCode::generate(number, WordCount::Two).map_err(OperationError::from)?;
    let (text, expires) = (code.expose(), now.plus(CODE_VALID));
    let written = site.catalog.writer().write(|tx| record(tx, site, by, Action::MemberInvited, "", ""));
    written.map_err(|e: CatalogError| site.noted(e.into()))?;
    open.codes.push(OpenCode { number, text: text.clone(), expires, tries_left: TRIES, beginnings_left: BEGINNINGS });
    Ok(text)
}

/// Somebody begins: this box says its part, which tells nothing of the code.
///
/// # Errors
/// [`CommunityError::NoInvitation`], [`CommunityError::TooMany`].
pub(super) fn begin(
    site: &Site,
    asked: &BeginSpoken,
    joiner: PublicKey,
    channel: [u8; 32],
) -> Result<SpokenBegun, CommunityError> {
    let known = site.in_community()?;
    let (now, community, number) = (site.clock.now(), known.log.community(), asked.number);
    let mut open = lock(&site.spoken.0);
    open.tidy(now);
    if open.talks.len() >= TALKS_MAX && !open.talks.contains_key(&joiner) {
        return Err(CommunityError::TooMany(TALKS_MAX as u64));
    }
    let found = open.codes.iter_mut().find(|code| code.number == number).ok_or(CommunityError::NoInvitation)?;
    found.beginnings_left = found.beginnings_left.checked_sub(1).ok_or(CommunityError::NoInvitation)?;
    let code: SpokenCode = found.text.parse()?;
    let pairing = Pairing { community, inviter: site.vault.device_key.public_key(), joiner, channel };
    let (exchange, message) = code.start_inviter(&pairing.ends());
    let stage = Stage::Begun { number, exchange: Box::new(exchange), commitment: *asked.commitment };
    open.talks.insert(joiner, Talk { pairing, begun_at: now, stage });
    Ok(SpokenBegun { community, message: message.into() })
}

/// The other side shows that it has the code; then this one does. The code is used up, or has a guess less.
///
/// # Errors
/// [`CommunityError::Spoken`] for another code.
pub(super) fn confirm(
    site: &Site,
    joiner: PublicKey,
    channel: [u8; 32],
    asked: &ConfirmSpoken,
) -> Result<SpokenConfirmed, CommunityError> {
    let mut open = lock(&site.spoken.0);
    open.tidy(site.clock.now());
    let Talk { pairing, begun_at, stage } = open.talk(&joiner, channel)?;
    let Stage::Begun { number, exchange, commitment: promised } = stage else {
        return Err(CommunityError::NoInvitation);
    };
    let kept_its_word = || if commitment(&asked.message) == promised { Ok(()) } else { Err(SpokenError::Message) };
    let confirmed = kept_its_word().and_then(|()| {
        let unconfirmed = exchange.finish(pairing.community, &*asked.message)?;
        let own = unconfirmed.confirmation();
        unconfirmed.confirm(&*asked.confirmation).map(|key| (key, own))
    });
    match confirmed {
        Ok((key, own)) => {
            open.codes.retain(|code| code.number != number);
            open.talks.insert(joiner, Talk { pairing, begun_at, stage: Stage::Confirmed(key) });
            Ok(SpokenConfirmed { confirmation: own.into() })
        }
        Err(error) => {
            open.missed(number);
            tracing::warn!("Somebody has tried another code than the one that was read out");
            Err(error.into())
        }
    }
}

/// The request of a box with which a code was confirmed on this connection.
///
/// # Errors
/// [`CommunityError`].
pub(super) fn take_request(
    site: &Site,
    joiner: PublicKey,
    channel: [u8; 32],
    request: &[u8],
) -> Result<(), CommunityError> {
    let talk = {
        let mut open = lock(&site.spoken.0);
        open.tidy(site.clock.now());
        open.talk(&joiner, channel)?
    };
    let Stage::Confirmed(key) = talk.stage else { return Err(CommunityError::NoInvitation) };
    let _gate = lock(&site.joining);
    let joined = JoinRequest::decode(request)?.open(key, &talk.pairing)?;
    note_request(site, None, joiner, request, &joined)
}

/// The joining side of an exchange that it begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// To be sent.
    pub(crate) message: BeginSpoken,
    exchange: Exchange,
    own: [u8; MESSAGE_LEN],
    ends: Ends,
}

/// The joining side of an exchange whose message is made.
#[derive(Debug)]
pub(crate) struct Answering {
    /// To be sent.
    pub(crate) message: ConfirmSpoken,
    unconfirmed: Unconfirmed,
    pairing: Pairing,
}

/// Begins with a code that was read out, on the connection with this `channel` to the box with the key `inviter`. `kit`: the
/// identity of this box's recovery kit, looked at before anything is sent, since another one would use the code up.
///
/// # Errors
/// [`CommunityError::Already`], [`CommunityError::OtherKit`].
pub(crate) fn begin_aloud(
    site: &Site,
    by: &Actor,
    code: SpokenCode,
    kit: &VaultIdentity,
    (inviter, channel): (PublicKey, [u8; 32]),
) -> Result<Beginning, CommunityError> {
    by.may(Right::ManageCommunity)?;
    if site.community().is_some() {
        return Err(CommunityError::Already);
    }
    recovery_of(site, kit)?;
    let ends = Ends { inviter, joiner: site.vault.device_key.public_key(), channel };
    let number = code.number();
    let (exchange, own) = code.start_joiner(&ends);
    Ok(Beginning { message: BeginSpoken { number, commitment: commitment(&own).into() }, exchange, own, ends })
}

/// Answers what the inviting box said.
///
/// # Errors
/// [`CommunityError::Spoken`].
pub(crate) fn answer_aloud(begun_with: Beginning, begun: &SpokenBegun) -> Result<Answering, CommunityError> {
    let Beginning { exchange, own, ends, .. } = begun_with;
    let unconfirmed = exchange.finish(begun.community, &*begun.message)?;
    let confirmation: [u8; CONFIRMATION_LEN] = unconfirmed.confirmation();
    let message = ConfirmSpoken { message: own.into(), confirmation: confirmation.into() };
    Ok(Answering { message, unconfirmed, pairing: ends.pairing(begun.community) })
}

/// Makes the request to join, once the inviting box has shown that it has the code as well.
///
/// # Errors
/// [`CommunityError::Spoken`] when it has not.
pub(crate) fn request_aloud(
    site: &Site,
    by: &Actor,
    (answering, told): (Answering, &SpokenConfirmed),
    address: &Address,
    member: MemberName,
    kit: &VaultIdentity,
) -> Result<JoinTry<JoinSpoken>, CommunityError> {
    by.may(Right::ManageCommunity)?;
    let Answering { unconfirmed, pairing, .. } = answering;
    let key = unconfirmed.confirm(&*told.confirmation)?;
    let way = Way { address, pairing: &pairing, key: &key };
    make_request(site, way, member, kit, |request| JoinSpoken { request: request.into() })
}

impl From<SpokenError> for CommunityError {
    fn from(error: SpokenError) -> Self {
        Self::Spoken(error)
    }
}
