//! Signing in, giving the password again, signing out.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{self, PageError, Reply, own_path};
use super::super::frame::Frame;
use super::super::visit::Visit;
use crate::links::directory::OverLdap;
use crate::operations::accounts::{self, AccountError, Stage, Visitor};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'p> {
    frame: Frame<'p>,
    next: String,
    name: String,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct Login {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub(in crate::portal) async fn form(visit: Visit) -> HttpResponse {
    if let Visitor::Known(_) = visit.visitor {
        return answer::go("/");
    }
    visit
        .answer(|visit| {
            let next = visit.query("next").unwrap_or_default();
            Ok(Reply::Page(login_page(visit, next, String::new(), None)?))
        })
        .await
}

fn login_page(visit: &Visit, next: String, name: String, problem: Option<String>) -> Result<String, PageError> {
    Ok(LoginPage { frame: Frame::new(visit, &visit.locale().word("login-title")), next, name, problem }.render()?)
}

pub(in crate::portal) async fn sign_in(visit: Visit, form: web::Form<Login>) -> HttpResponse {
    let Login { name, password, next } = form.into_inner();
    visit
        .answer(move |visit| match accounts::sign_in(visit.site(), &visit.origin, &name, &password, &OverLdap) {
            Ok(signed_in) => {
                let next = match signed_in.stage {
                    Stage::Full => own_path(&next),
                    Stage::Code => "/login/code",
                    Stage::Setup => "/welcome/second-factor",
                };
                Ok(Reply::SignedIn(signed_in.cookie, next.to_owned()))
            }
            Err(error) => match problem(visit, &error) {
                Some(text) => Ok(Reply::Refused(login_page(visit, next, name, Some(text))?)),
                None => Err(error.into()),
            },
        })
        .await
}

fn problem(visit: &Visit, error: &AccountError) -> Option<String> {
    answer::problem(error, visit.locale())
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'p> {
    frame: Frame<'p>,
    name: String,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct Code {
    code: String,
}

pub(in crate::portal) async fn code_form(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(code_page(visit, None)?))).await
}

fn code_page(visit: &Visit, problem: Option<String>) -> Result<String, PageError> {
    let name = match &visit.visitor {
        Visitor::Pending(pending) => pending.name.to_string(),
        Visitor::Known(_) | Visitor::Stranger => String::new(),
    };
    Ok(CodePage { frame: Frame::new(visit, &visit.locale().word("code-title")), name, problem }.render()?)
}

pub(in crate::portal) async fn give_code(visit: Visit, form: web::Form<Code>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let Visitor::Pending(pending) = &visit.visitor else { return Ok(Reply::Go("/login".to_owned())) };
            match accounts::give_code(visit.site(), &visit.origin, pending, &form.code) {
                Ok(signed_in) => Ok(Reply::SignedIn(signed_in.cookie, "/".to_owned())),
                Err(error) => match problem(visit, &error) {
                    Some(text) => Ok(Reply::Refused(code_page(visit, Some(text))?)),
                    None => Err(error.into()),
                },
            }
        })
        .await
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'p> {
    frame: Frame<'p>,
    next: String,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct Confirmation {
    password: String,
    #[serde(default)]
    next: String,
}

pub(in crate::portal) async fn confirm_form(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let next = visit.query("next").unwrap_or_default();
            Ok(Reply::Page(confirm_page(visit, next, None)?))
        })
        .await
}

fn confirm_page(visit: &Visit, next: String, problem: Option<String>) -> Result<String, PageError> {
    Ok(ConfirmPage { frame: Frame::new(visit, &visit.locale().word("confirm-title")), next, problem }.render()?)
}

pub(in crate::portal) async fn confirm(visit: Visit, form: web::Form<Confirmation>) -> HttpResponse {
    let Confirmation { password, next } = form.into_inner();
    visit
        .answer(move |visit| {
            match accounts::confirm_password(visit.site(), &visit.origin, visit.actor()?, &password, &OverLdap) {
                Ok(()) => Ok(Reply::Go(own_path(&next).to_owned())),
                Err(error) => match problem(visit, &error) {
                    Some(text) => Ok(Reply::Refused(confirm_page(visit, next, Some(text))?)),
                    None => Err(error.into()),
                },
            }
        })
        .await
}

pub(in crate::portal) async fn sign_out(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            accounts::sign_out(visit.site(), &visit.visitor)?;
            Ok(Reply::SignedOut)
        })
        .await
}
