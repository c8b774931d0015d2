//! Founding a community, inviting, asking to be let in, and letting in.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::ids::{CommunityName, IdError, InvitationId, MemberName};
use datis_engine::keys::VaultIdentity;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::Frame;
use super::super::super::qr;
use super::super::super::visit::Visit;
use super::super::Date;
use super::{Typed, peers_page, problem};
use crate::locale::Locale;
use crate::operations::community::{self, CommunityError};
use crate::peers::PeersError;
use crate::vault::VaultError;

#[derive(Template)]
#[template(path = "peer_invitation.html")]
struct InvitationPage<'p> {
    frame: Frame<'p>,
    line: String,
    until: Date,
    picture: String,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct FoundForm {
    name: String,
    member: String,
    #[serde(default)]
    kit: String,
}

/// Founds a community.
pub(in crate::portal) async fn found(visit: Visit, form: web::Form<FoundForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let FoundForm { name, member, kit } = form.0;
            let typed = Typed { name: name.clone(), member: member.clone(), ..Typed::default() };
            let founded = (|| {
                let name: CommunityName = name.trim().parse()?;
                let member: MemberName = member.trim().parse()?;
                community::found(visit.site(), visit.actor()?, name, member, &kit_of(visit, &kit)?).map_err(Into::into)
            })();
            done(visit, founded, typed)
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct JoinForm {
    invitation: String,
    /// With a code that was read out: where the other box is.
    #[serde(default)]
    address: String,
    member: String,
    #[serde(default)]
    kit: String,
}

/// Asks another box to be let in.
pub(in crate::portal) async fn join(visit: Visit, form: web::Form<JoinForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let JoinForm { invitation, address, member, kit } = form.0;
            let (typed_line, typed_place) = (invitation.clone(), address.clone());
            let typed =
                Typed { member: member.clone(), invitation: typed_line, address: typed_place, ..Typed::default() };
            let asked = (|| {
                let member: MemberName = member.trim().parse()?;
                let kit = kit_of(visit, &kit)?;
                let (peers, by) = (&visit.portal.ways.peers, visit.actor()?);
                // A line says itself where its box is; a code is told from it by having no scheme.
                if invitation.contains(':') {
                    peers.join(by, &invitation, member, &kit)?;
                } else {
                    let code = invitation.parse().map_err(CommunityError::Spoken)?;
                    let place = address.trim().parse().map_err(|_| Undone::Address)?;
                    peers.join_aloud(by, (code, &place), member, &kit)?;
                }
                Ok(())
            })();
            done(visit, asked, typed)
        })
        .await
}

/// Why a form came to nothing.
pub(super) enum Undone {
    /// What was typed as the address of a box is none.
    Address,
    Asking(PeersError),
    Page(PageError),
}

impl From<PeersError> for Undone {
    fn from(error: PeersError) -> Self {
        Self::Asking(error)
    }
}

impl From<CommunityError> for Undone {
    fn from(error: CommunityError) -> Self {
        Self::Asking(error.into())
    }
}

impl From<IdError> for Undone {
    fn from(error: IdError) -> Self {
        CommunityError::Name(error).into()
    }
}

impl From<PageError> for Undone {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl Undone {
    /// The sentence for it.
    pub(super) fn sentence(self, locale: &Locale) -> Result<String, PageError> {
        match self {
            Self::Page(error) => Err(error),
            Self::Address => Ok(locale.word("peer-err-address")),
            Self::Asking(error) => problem::of_asking(error, locale),
        }
    }
}

/// On to the page, or the forms again with what is wrong.
fn done(visit: &Visit, result: Result<(), Undone>, typed: Typed) -> Result<Reply, PageError> {
    match result {
        Ok(()) => Ok(Reply::Go("/peers".to_owned())),
        Err(undone) => Ok(Reply::Refused(peers_page(visit, typed, Some(undone.sentence(visit.locale())?))?)),
    }
}

/// The kit's key: as it was typed, else as long as it is on the box.
pub(super) fn kit_of(visit: &Visit, typed: &str) -> Result<VaultIdentity, Undone> {
    let typed: Zeroizing<String> = Zeroizing::new(typed.split_whitespace().collect());
    if !typed.is_empty() {
        return Ok(VaultIdentity::parse(&typed).map_err(|_| CommunityError::OtherKit)?);
    }
    match visit.site().vault.recovery_kit(&visit.portal.dir) {
        Ok(kit) => Ok(kit.identity),
        Err(VaultError::KitGone { .. }) => Err(CommunityError::OtherKit.into()),
        Err(error) => Err(PageError::Other(error.to_string()).into()),
    }
}

/// The box asks no more to be let in.
pub(in crate::portal) async fn ask_no_more(visit: Visit) -> HttpResponse {
    visit.answer(|visit| settled(visit, community::stop_asking(visit.site(), visit.actor()?))).await
}

/// A line for one other box, shown once.
pub(in crate::portal) async fn invite(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let hints = visit.portal.ways.peers.places();
            match community::invite(visit.site(), visit.actor()?, hints) {
                Ok(invitation) => {
                    let line = invitation.expose();
                    let page = InvitationPage {
                        frame: Frame::new(visit, &visit.locale().word("peer-invite")),
                        // Capitals, of which twice as many fit into a picture, are read as well.
                        picture: qr::svg(&line.to_uppercase())?,
                        line: line.to_string(),
                        until: Date::new(invitation.expires),
                    };
                    Ok(Reply::Page(page.render()?))
                }
                Err(error) => refused(visit, error),
            }
        })
        .await
}

#[derive(Template)]
#[template(path = "peer_code.html")]
struct CodePage<'p> {
    frame: Frame<'p>,
    code: String,
    places: Vec<String>,
}

/// A code to be read out, shown once.
pub(in crate::portal) async fn invite_aloud(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            match community::invite_aloud(visit.site(), visit.actor()?, &visit.portal.ways.peers.places()) {
                Ok(made) => {
                    let page = CodePage {
                        frame: Frame::new(visit, &visit.locale().word("peer-invite-aloud")),
                        code: made.to_string(),
                        places: visit.portal.ways.peers.places().iter().map(ToString::to_string).collect(),
                    };
                    Ok(Reply::Page(page.render()?))
                }
                Err(error) => refused(visit, error),
            }
        })
        .await
}

/// An invitation counts no more.
pub(in crate::portal) async fn revoke(visit: Visit, id: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let id: InvitationId = id.parse().map_err(|_| PageError::NotFound)?;
            settled(visit, community::revoke(visit.site(), visit.actor()?, &id))
        })
        .await
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct ApplicantForm {
    name: String,
    digits: String,
}

impl ApplicantForm {
    fn name(&self) -> Result<MemberName, PageError> {
        self.name.parse().map_err(|_| PageError::NotFound)
    }
}

/// Lets in whose digits were compared.
pub(in crate::portal) async fn admit(visit: Visit, form: web::Form<ApplicantForm>) -> HttpResponse {
    let admit = move |visit: &Visit| {
        visit.portal.ways.peers.hear()?;
        settled(visit, community::admit(visit.site(), visit.actor()?, &form.name()?, &form.digits))
    };
    visit.answer(admit).await
}

/// Sends somebody away.
pub(in crate::portal) async fn refuse(visit: Visit, form: web::Form<ApplicantForm>) -> HttpResponse {
    let refuse = move |visit: &Visit| {
        settled(visit, community::refuse(visit.site(), visit.actor()?, &form.name()?, Some(&form.digits)))
    };
    visit.answer(refuse).await
}

pub(super) fn settled(visit: &Visit, result: Result<(), CommunityError>) -> Result<Reply, PageError> {
    match result {
        Ok(()) => Ok(Reply::Go("/peers?said=saved".to_owned())),
        Err(error) => refused(visit, error),
    }
}

fn refused(visit: &Visit, error: CommunityError) -> Result<Reply, PageError> {
    let sentence = problem::sentence(error, visit.locale())?;
    Ok(Reply::Refused(peers_page(visit, Typed::default(), Some(sentence))?))
}
