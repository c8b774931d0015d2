//! Coming in for the first time by a link: a password, then an authenticator, then recovery codes on paper.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::BackStanding;
use super::super::answer::{self, PageError, Reply};
use super::super::frame::Frame;
use super::super::qr;
use super::super::visit::Visit;
use crate::operations::accounts::{self, Enrolment, Stage, Visitor};

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'p> {
    frame: Frame<'p>,
    link: String,
    /// Whose it is; `None`: the visitor chooses a name.
    account: Option<String>,
    name: String,
    problem: Option<String>,
    /// Whether a lost box may be brought back in place of this one.
    is_blank: bool,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct Acceptance {
    #[serde(default)]
    name: String,
    password: String,
}

pub(in crate::portal) async fn form(visit: Visit, link: web::Path<String>) -> HttpResponse {
    visit.answer(move |visit| Ok(Reply::Page(welcome_page(visit, link.into_inner(), String::new(), None)?))).await
}

fn welcome_page(visit: &Visit, link: String, name: String, problem: Option<String>) -> Result<String, PageError> {
    let account = accounts::invited(visit.site(), &link)?.map(|name| name.to_string());
    let frame = Frame::new(visit, &visit.locale().word("welcome-title"));
    let is_blank = account.is_none() && visit.portal.ways.back.standing()? != BackStanding::NotBlank;
    Ok(WelcomePage { frame, link, account, name, problem, is_blank }.render()?)
}

pub(in crate::portal) async fn accept(
    visit: Visit,
    link: web::Path<String>,
    form: web::Form<Acceptance>,
) -> HttpResponse {
    let (link, Acceptance { name, password }) = (link.into_inner(), form.into_inner());
    visit
        .answer(move |visit| {
            // Whoever began to use the box now would lose it to the one that comes back.
            if matches!(visit.portal.ways.back.standing()?, BackStanding::UnderWay(_) | BackStanding::Ready { .. }) {
                let text = visit.locale().word("err-back-first");
                return Ok(Reply::Refused(welcome_page(visit, link, name, Some(text))?));
            }
            match accounts::accept_invitation(visit.site(), &visit.origin, &link, &name, &password) {
                Ok(signed_in) => {
                    let next = match signed_in.stage {
                        Stage::Setup => "/welcome/second-factor",
                        Stage::Code => "/login/code",
                        Stage::Full => "/",
                    };
                    Ok(Reply::SignedIn(signed_in.cookie, next.to_owned()))
                }
                Err(error) => match answer::problem(&error, visit.locale()) {
                    Some(text) => Ok(Reply::Refused(welcome_page(visit, link, name, Some(text))?)),
                    None => Err(error.into()),
                },
            }
        })
        .await
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage<'p> {
    frame: Frame<'p>,
    /// Where the form goes.
    action: &'static str,
    /// Whether nothing else can be done before.
    is_required: bool,
    picture: String,
    secret: &'p str,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct SecondFactor {
    secret: String,
    code: String,
}

pub(in crate::portal) async fn second_factor_form(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let enrolment = accounts::begin_second_factor(visit.site(), &visit.visitor)?;
            Ok(Reply::Page(second_factor_page(visit, &enrolment, None)?))
        })
        .await
}

fn second_factor_page(visit: &Visit, enrolment: &Enrolment, problem: Option<String>) -> Result<String, PageError> {
    let is_required = matches!(visit.visitor, Visitor::Pending(_));
    let page = SecondFactorPage {
        frame: Frame::new(visit, &visit.locale().word("factor-title")),
        action: if is_required { "/welcome/second-factor" } else { "/account/second-factor" },
        is_required,
        picture: qr::svg(&enrolment.uri)?,
        secret: &enrolment.secret,
        problem,
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
pub(super) struct RecoveryCodesPage<'p> {
    pub(super) frame: Frame<'p>,
    pub(super) codes: Vec<String>,
}

pub(in crate::portal) async fn set_second_factor(visit: Visit, form: web::Form<SecondFactor>) -> HttpResponse {
    let SecondFactor { secret, code } = form.into_inner();
    visit
        .answer(move |visit| {
            let set = accounts::finish_second_factor(visit.site(), &visit.origin, &visit.visitor, &secret, &code);
            match set {
                Ok((signed_in, codes)) => {
                    let frame = Frame::new(visit, &visit.locale().word("codes-title"));
                    let page = RecoveryCodesPage { frame, codes }.render()?;
                    Ok(Reply::SignedInPage(signed_in.cookie, page))
                }
                Err(error) => match answer::problem(&error, visit.locale()) {
                    Some(text) => {
                        // The same secret again: it is in the authenticator by now.
                        let enrolment = accounts::same_second_factor(visit.site(), &visit.visitor, &secret)?;
                        Ok(Reply::Refused(second_factor_page(visit, &enrolment, Some(text))?))
                    }
                    None => Err(error.into()),
                },
            }
        })
        .await
}
