//! Invitations that are read out: the codes that are open at this box, and the exchanges about them that are under way. Both are
//! in memory alone; a code is good for a quarter of an hour, and a restart ends it.
//!
//! A code is short, so what counts is how often it can be guessed: after [`TRIES`] wrong ones it is gone, whoever made them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use datis_engine::community::address::Address;
use datis_engine::community::check::{Pairing, PairingKey};
use datis_engine::community::invitation::JoinRequest;
use datis_engine::community::spoken::{
    CODE_VALID, CONFIRMATION_LEN, Exchange, MESSAGE_LEN, NUMBER_MAX, SpokenCode, SpokenError, Unconfirmed, WordCount,
};
use datis_engine::ids::MemberName;
use datis_engine::keys::{PublicKey, VaultIdentity};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::{ConfirmSpoken, JoinSpoken, SpokenBegun, SpokenConfirmed};
use zeroize::Zeroizing;

use super::super::accounts::{Action, Actor, Right, record};
use super::super::site::lock;
use super::super::{OperationError, Site};
use super::CommunityError;
use super::coming_in::{JoinTry, Way, make_request, note_request};
use crate::catalog::CatalogError;

/// Wrong words before a code is gone: three guesses at two words are 1 in 21 845.
pub(super) const TRIES: u8 = 3;
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
}

struct Talk {
    pairing: Pairing,
    begun_at: UnixMillis,
    stage: Stage,
}

enum Stage {
    /// This box's message is out.
    Begun { number: u16, exchange: Box<Exchange> },
    /// Both sides have shown that they have the code.
    Confirmed(PairingKey),
}

impl Open {
    fn tidy(&mut self, now: UnixMillis) {
        self.codes.retain(|code| now < code.expires);
        self.talks.retain(|_, talk| now < talk.begun_at.plus(TALK_VALID));
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
    open.codes.push(OpenCode { number, text: text.clone(), expires, tries_left: TRIES });
    Ok(text)
}

/// Somebody begins: this box says its part, which tells nothing of the code.
///
/// # Errors
/// [`CommunityError::NoInvitation`], [`CommunityError::TooMany`].
pub(super) fn begin(
    site: &Site,
    number: u16,
    joiner: PublicKey,
    channel: [u8; 32],
) -> Result<SpokenBegun, CommunityError> {
    let known = site.in_community()?;
    let (now, community) = (site.clock.now(), known.log.community());
    let mut open = lock(&site.spoken.0);
    open.tidy(now);
    let found = open.codes.iter().find(|code| code.number == number).ok_or(CommunityError::NoInvitation)?;
    let code: SpokenCode = found.text.parse()?;
    if open.talks.len() >= TALKS_MAX && !open.talks.contains_key(&joiner) {
        return Err(CommunityError::TooMany(TALKS_MAX as u64));
    }
    let pairing = Pairing { community, inviter: site.vault.device_key.public_key(), joiner, channel };
    let (exchange, message) = code.start_inviter(&pairing);
    open.talks
        .insert(joiner, Talk { pairing, begun_at: now, stage: Stage::Begun { number, exchange: Box::new(exchange) } });
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
    let Stage::Begun { number, exchange } = stage else { return Err(CommunityError::NoInvitation) };
    // Somebody else may have used it up meanwhile.
    if open.codes.iter().all(|code| code.number != number) {
        return Err(CommunityError::NoInvitation);
    }
    let confirmed = exchange.finish(&*asked.message).and_then(|unconfirmed| {
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

/// The joining side of an exchange whose message is made.
#[derive(Debug)]
pub(crate) struct Answering {
    /// To be sent.
    pub(crate) message: ConfirmSpoken,
    unconfirmed: Unconfirmed,
    pairing: Pairing,
}

/// Answers what the inviting box said, on the connection with this `channel` to the box with the key `inviter`.
///
/// # Errors
/// [`CommunityError::Already`]; [`CommunityError::Spoken`].
pub(crate) fn answer_aloud(
    site: &Site,
    by: &Actor,
    code: SpokenCode,
    begun: &SpokenBegun,
    (inviter, channel): (PublicKey, [u8; 32]),
) -> Result<Answering, CommunityError> {
    by.may(Right::ManageCommunity)?;
    if site.community().is_some() {
        return Err(CommunityError::Already);
    }
    let joiner = site.vault.device_key.public_key();
    let pairing = Pairing { community: begun.community, inviter, joiner, channel };
    let (exchange, message): (_, [u8; MESSAGE_LEN]) = code.start_joiner(&pairing);
    let unconfirmed = exchange.finish(&*begun.message)?;
    let confirmation: [u8; CONFIRMATION_LEN] = unconfirmed.confirmation();
    let message = ConfirmSpoken { message: message.into(), confirmation: confirmation.into() };
    Ok(Answering { message, unconfirmed, pairing })
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
