//! Starting the computer again, and switching it off.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::{Frame, Way};
use super::super::super::visit::Visit;
use super::ways;
use crate::host::{HostError, Switch};
use crate::operations;

#[derive(Template)]
#[template(path = "system_power.html")]
struct PowerPage<'p> {
    frame: Frame<'p>,
    ways: Vec<Way>,
    /// What is cut short.
    running: String,
    /// What was just told to the computer.
    told: Option<String>,
    problem: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct PowerForm {
    #[schema(value_type = String)]
    switch: Switch,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(power_page(visit, None, None)?))).await
}

fn power_page(visit: &Visit, told: Option<String>, problem: Option<String>) -> Result<String, PageError> {
    let locale = visit.locale();
    let page = PowerPage {
        frame: Frame::new(visit, &locale.word("sys-power")),
        ways: ways(visit, "/system/power")?,
        running: locale.count("power-running", operations::status(visit.site())?.sessions),
        told,
        problem,
    };
    Ok(page.render()?)
}

pub(in crate::portal) async fn switch(visit: Visit, form: web::Form<PowerForm>) -> HttpResponse {
    let switch = form.switch;
    visit
        .answer(move |visit| {
            let locale = visit.locale();
            match visit.portal.ways.host.power(visit.actor()?, switch) {
                Ok(()) => {
                    let key = match switch {
                        Switch::Restart => "power-restarting",
                        Switch::Off => "power-going-off",
                    };
                    Ok(Reply::Page(power_page(visit, Some(locale.word(key)), None)?))
                }
                Err(HostError::Operation(error)) => Err(error.into()),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "The computer was not switched");
                    Ok(Reply::Refused(power_page(visit, None, Some(locale.word("err-power")))?))
                }
            }
        })
        .await
}
