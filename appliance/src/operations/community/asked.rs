//! What other boxes ask about the community, as messages of the machine port.

use datis_engine::keys::PublicKey;
use datis_engine::wire::peers::{
    AskAgain, AskToJoin, BeginSpoken, ClaimOwner, Claimed, ConfirmSpoken, Exchange, Exchanged, JoinAnswer, JoinSpoken,
    SpokenBegun, SpokenConfirmed,
};
use datis_engine::wire::{Refusal, RefusalCode};

use super::super::Site;
use super::super::error::{Failure, chain};
use super::super::hosting::Peer;
use super::{CommunityError, claims, coming_in, exchange, spoken};

/// A member compares notes.
///
/// # Errors
/// A refusal with its sentence.
pub(crate) fn answer_exchange(site: &Site, peer: &Peer, asked: &Exchange) -> Result<Exchanged, Refusal> {
    exchange::exchange(site, peer.member, asked).map_err(|error| refusal(site, error))
}

/// Somebody with an invitation asks to be let in.
///
/// # Errors
/// A refusal with its sentence.
pub(crate) fn answer_join(
    site: &Site,
    joiner: PublicKey,
    channel: [u8; 32],
    asked: &AskToJoin,
) -> Result<JoinAnswer, Refusal> {
    coming_in::take_request(site, &asked.invitation, &asked.request, joiner, channel)
        .and_then(|()| coming_in::join_answer(site, &joiner))
        .map_err(|error| refusal(site, error))
}

/// Somebody to whom a code was read out begins.
///
/// # Errors
/// A refusal with its sentence.
pub(crate) fn answer_spoken(
    site: &Site,
    joiner: PublicKey,
    channel: [u8; 32],
    asked: &BeginSpoken,
) -> Result<SpokenBegun, Refusal> {
    spoken::begin(site, asked, joiner, channel).map_err(|error| refusal(site, error))
}

/// It shows that it has the code.
///
/// # Errors
/// A refusal with its sentence.
pub(crate) fn answer_spoken_confirm(
    site: &Site,
    joiner: PublicKey,
    channel: [u8; 32],
    asked: &ConfirmSpoken,
) -> Result<SpokenConfirmed, Refusal> {
    spoken::confirm(site, joiner, channel, asked).map_err(|error| refusal(site, error))
}

/// It asks to be let in.
///
/// # Errors
/// A refusal with its sentence.
pub(crate) fn answer_spoken_join(
    site: &Site,
    joiner: PublicKey,
    channel: [u8; 32],
    asked: &JoinSpoken,
) -> Result<JoinAnswer, Refusal> {
    spoken::take_request(site, joiner, channel, &asked.request)
        .and_then(|()| coming_in::join_answer(site, &joiner))
        .map_err(|error| refusal(site, error))
}

/// Somebody asks what has become of that.
///
/// # Errors
/// A refusal with its sentence.
pub(crate) fn answer_again(
    site: &Site,
    joiner: PublicKey,
    _: [u8; 32],
    asked: &AskAgain,
) -> Result<JoinAnswer, Refusal> {
    if site.community().is_none_or(|known| known.log.community() != asked.community) {
        return Err(refusal(site, CommunityError::None));
    }
    coming_in::join_answer(site, &joiner).map_err(|error| refusal(site, error))
}

/// A blank box shows a kit.
///
/// # Errors
/// A refusal with its sentence.
pub(crate) fn answer_claim(
    site: &Site,
    device: PublicKey,
    channel: [u8; 32],
    asked: &ClaimOwner,
) -> Result<Claimed, Refusal> {
    claims::claim(site, asked, device, &channel).map_err(|error| refusal(site, error))
}

fn refusal(site: &Site, error: CommunityError) -> Refusal {
    let code = match &error {
        CommunityError::Operation(_) => RefusalCode::Fault,
        CommunityError::TooMany(_) | CommunityError::TooEarly { .. } | CommunityError::Accused => RefusalCode::Busy,
        CommunityError::NoInvitation
        | CommunityError::NoRequest
        | CommunityError::NoMember
        | CommunityError::NoProposal
        | CommunityError::NotParted => RefusalCode::NotFound,
        CommunityError::OtherKit
        | CommunityError::OnlyOutside(_)
        | CommunityError::OtherCommunity
        | CommunityError::Join(_)
        | CommunityError::Digits
        | CommunityError::Spoken(_) => RefusalCode::BadSignature,
        CommunityError::None | CommunityError::Already | CommunityError::NotAdmin | CommunityError::Unknown => {
            RefusalCode::UnknownMachine
        }
        CommunityError::Log(_) | CommunityError::Format(_) | CommunityError::Name(_) => RefusalCode::Malformed,
    };
    match error {
        CommunityError::Operation(error) => site.refusal(Failure::from(error)),
        refused => Refusal::new(code, chain(&refused)),
    }
}
