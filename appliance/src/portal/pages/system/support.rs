//! Letting somebody from outside help, for some hours.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::answer::{self, PageError, Reply};
use super::super::super::frame::{Frame, Way};
use super::super::super::visit::Visit;
use super::super::exactly;
use super::ways;
use crate::operations::accounts::{self, SupportHours};

#[derive(Template)]
#[template(path = "system_support.html")]
struct SupportPage<'p> {
    frame: Frame<'p>,
    ways: Vec<Way>,
    /// Until when the access is open that there is.
    open_until: Option<String>,
    /// What was just made, to be shown once.
    link: Option<String>,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct SupportForm {
    hours: String,
}

fn support_page(visit: &Visit, link: Option<String>, problem: Option<String>) -> Result<String, PageError> {
    let access = accounts::support_access(visit.site(), visit.actor()?)?;
    let page = SupportPage {
        frame: Frame::new(visit, &visit.locale().word("sys-support")),
        ways: ways(visit, "/system/support")?,
        open_until: access.map(|access| exactly(access.expires_at.0)),
        link,
        problem,
    };
    Ok(page.render()?)
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(support_page(visit, None, None)?))).await
}

pub(in crate::portal) async fn open(visit: Visit, form: web::Form<SupportForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let Ok(hours) = form.hours.trim().parse::<SupportHours>() else {
                let problem = visit.locale().word("err-support-hours");
                return Ok(Reply::Refused(support_page(visit, None, Some(problem))?));
            };
            match accounts::open_support(visit.site(), visit.actor()?, hours) {
                Ok((link, _)) => {
                    let link = format!("{}/welcome/{}", visit.here(), link.expose());
                    Ok(Reply::Page(support_page(visit, Some(link), None)?))
                }
                Err(error) => match answer::problem(&error, visit.locale()) {
                    Some(problem) => Ok(Reply::Refused(support_page(visit, None, Some(problem))?)),
                    None => Err(error.into()),
                },
            }
        })
        .await
}

pub(in crate::portal) async fn close(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            accounts::close_support(visit.site(), visit.actor()?)?;
            Ok(Reply::Go("/system/support?said=ended".to_owned()))
        })
        .await
}
