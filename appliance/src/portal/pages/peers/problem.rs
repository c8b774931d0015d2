//! What is wrong with what was asked about the community, in the visitor's language.

use datis_engine::community::log::{LogError, Refusal};
use datis_engine::community::spoken::SpokenError;
use fluent_bundle::FluentArgs;

use super::super::super::answer::PageError;
use crate::links::peers::PeerLinkError;
use crate::locale::Locale;
use crate::operations::community::CommunityError;
use crate::peers::PeersError;

/// The sentence for it.
///
/// # Errors
/// What is not the visitor's doing, and what needs the password once more.
pub(super) fn sentence(error: CommunityError, locale: &Locale) -> Result<String, PageError> {
    let key = match error {
        CommunityError::Operation(error) => return Err(error.into()),
        CommunityError::None => "peer-none",
        CommunityError::Already => "peer-err-already",
        CommunityError::NotAdmin => "peer-err-not-admin",
        CommunityError::OtherKit => "peer-err-kit",
        CommunityError::Name(_) => "err-bad-name",
        CommunityError::NoRequest => "peer-err-no-request",
        CommunityError::NoMember => "peer-err-no-member",
        CommunityError::OnlyOutside(snapshots) => return Ok(locale.count("peer-err-only-outside", snapshots)),
        CommunityError::OtherCommunity => "peer-err-other-community",
        CommunityError::NoProposal => "peer-err-no-proposal",
        CommunityError::Digits => "peer-err-digits",
        CommunityError::NoInvitation => "peer-err-no-invitation",
        CommunityError::TooMany(_) => "peer-err-too-many",
        CommunityError::Join(_) => "peer-err-no-invitation",
        CommunityError::Spoken(SpokenError::Form | SpokenError::Word(_)) => "peer-err-code",
        CommunityError::Spoken(SpokenError::Message | SpokenError::Wrong) => "peer-err-code-wrong",
        CommunityError::Log(LogError::Refused { refusal, .. }) => refused(&refusal),
        CommunityError::TooEarly { .. } => "peer-err-too-early",
        CommunityError::Accused => "peer-err-accused",
        CommunityError::Log(_) | CommunityError::Format(_) | CommunityError::NotParted | CommunityError::Unknown => {
            "peer-err-log"
        }
    };
    Ok(locale.word(key))
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Name(_) => "peer-err-name-taken",
        Refusal::LastAdmin(_) => "peer-err-last-admin",
        Refusal::NoAdmin | Refusal::TooFew { .. } | Refusal::Signature => "peer-err-signers",
        Refusal::Full => "peer-err-full",
        Refusal::DeviceKey => "peer-err-device-key",
        Refusal::Member(_) => "peer-err-member",
        Refusal::Renames(_) => "peer-err-renames",
        Refusal::Founding
        | Refusal::NoMember(_)
        | Refusal::Standing(_)
        | Refusal::Boxes(_)
        | Refusal::Consent
        | Refusal::Vouched(_)
        | Refusal::Admin(_)
        | Refusal::NotAdmin(_)
        | Refusal::Threshold
        | Refusal::Window => "peer-err-log",
    }
}

/// The same of what was asked of another box.
///
/// # Errors
/// As of [`sentence`].
pub(super) fn of_asking(error: PeersError, locale: &Locale) -> Result<String, PageError> {
    match error {
        PeersError::Community(error) => sentence(error, locale),
        PeersError::Line(_) => Ok(locale.word("peer-err-line")),
        PeersError::Link(PeerLinkError::Refused(refusal)) => {
            let mut args = FluentArgs::new();
            args.set("why", refusal.sentence);
            Ok(locale.say("peer-err-refused", &args))
        }
        PeersError::Dial(_) | PeersError::Link(_) => Ok(locale.word("peer-err-dial")),
    }
}
