//! How much of the line goes to the other boxes: two rates, and a week to be painted.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::Choice;
use super::assets::Asset;
use crate::figures;
use crate::locale::Locale;
use crate::operations::accounts::Right;
use crate::operations::bandwidth::{
    BandwidthPlan, HOURS, HourClass, Megabits, Outgoing, Stroke, bandwidth_plan, outgoing, set_bandwidth,
};

/// Names of the days in the locales, Monday first.
const DAYS: [&str; 7] = ["day-mon", "day-tue", "day-wed", "day-thu", "day-fri", "day-sat", "day-sun"];

#[derive(Template)]
#[template(path = "bandwidth.html")]
struct BandwidthPage<'p> {
    frame: Frame<'p>,
    /// Where the file is that lets people paint.
    script: &'static str,
    may_change: bool,
    paused: Option<String>,
    form: PlanForm,
    classes: Vec<Choice>,
    days: Vec<Day>,
    problem: Option<String>,
}

struct Day {
    name: String,
    hours: Vec<HourClass>,
}

/// Rates as they were typed; hours as letters.
#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct PlanForm {
    /// In Mbit/s; empty: as much as the line takes.
    full: String,
    reduced: String,
    /// 168 letters, from Monday 0:00: `f`ull, `r`educed or `p`ause.
    hours: String,
}

impl PlanForm {
    fn of(plan: &BandwidthPlan) -> Self {
        Self {
            full: plan.full.map(|full| full.get().to_string()).unwrap_or_default(),
            reduced: plan.reduced.get().to_string(),
            hours: plan.hours.to_string(),
        }
    }

    /// The plan, or the key of the sentence that says what is wrong.
    fn plan(&self) -> Result<BandwidthPlan, &'static str> {
        let rate = |text: &str| text.trim().parse::<Megabits>().map_err(|_| "bandwidth-err-rate");
        let full = if self.full.trim().is_empty() { None } else { Some(rate(&self.full)?) };
        let hours = self.hours.parse().map_err(|_| "bandwidth-err-hours")?;
        Ok(BandwidthPlan { hours, full, reduced: rate(&self.reduced)? })
    }
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct StrokeForm {
    /// 0 is Monday.
    first: usize,
    last: usize,
    from: usize,
    until: usize,
    /// `full`, `reduced` or `pause`.
    class: String,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(bandwidth_page(visit, None, None)?))).await
}

/// Sets rates and hours.
pub(in crate::portal) async fn set(visit: Visit, form: web::Form<PlanForm>) -> HttpResponse {
    visit
        .answer(move |visit| match form.plan() {
            Ok(plan) => save(visit, &plan),
            Err(key) => {
                let problem = visit.locale().word(key);
                Ok(Reply::Refused(bandwidth_page(visit, Some(form.0), Some(problem))?))
            }
        })
        .await
}

/// Sets some hours, for those who do not paint.
pub(in crate::portal) async fn paint(visit: Visit, form: web::Form<StrokeForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let mut plan = bandwidth_plan(visit.site());
            let class = form.class.parse().ok();
            let stroke = class.and_then(|class| Stroke::new((form.first, form.last), (form.from, form.until), class));
            let Some(stroke) = stroke else {
                let problem = visit.locale().word("bandwidth-err-stroke");
                return Ok(Reply::Refused(bandwidth_page(visit, None, Some(problem))?));
            };
            stroke.paint(&mut plan.hours);
            save(visit, &plan)
        })
        .await
}

fn save(visit: &Visit, plan: &BandwidthPlan) -> Result<Reply, PageError> {
    set_bandwidth(visit.site(), visit.actor()?, plan)?;
    Ok(Reply::Go("/peers/bandwidth?said=saved".to_owned()))
}

fn bandwidth_page(visit: &Visit, typed: Option<PlanForm>, problem: Option<String>) -> Result<String, PageError> {
    let locale = visit.locale();
    let plan = bandwidth_plan(visit.site());
    let hours = typed.as_ref().and_then(|form| form.hours.parse().ok()).unwrap_or_else(|| plan.hours.clone());
    let page = BandwidthPage {
        frame: Frame::new(visit, &locale.word("bandwidth")),
        script: Asset::WeekScript.path(),
        may_change: visit.actor()?.has(Right::ChangeBox),
        paused: paused(&outgoing(visit.site()), visit.site().clock.now().0, locale),
        form: PlanForm { hours: hours.to_string(), ..typed.unwrap_or_else(|| PlanForm::of(&plan)) },
        classes: HourClass::ALL
            .map(|class| Choice {
                value: class.word(),
                word: word_of(class, locale),
                is_chosen: class == HourClass::Reduced,
            })
            .into(),
        days: (0..)
            .zip(DAYS)
            .map(|(day, key)| Day {
                name: locale.word(key),
                hours: (0..HOURS).map(|hour| hours.at(day, hour)).collect(),
            })
            .collect(),
        problem,
    };
    Ok(page.render()?)
}

fn word_of(class: HourClass, locale: &Locale) -> String {
    locale.word(match class {
        HourClass::Full => "bandwidth-full",
        HourClass::Reduced => "bandwidth-reduced",
        HourClass::Pause => "bandwidth-pause",
    })
}

/// That what can wait does not go out in this hour; `None`: it does.
pub(super) fn paused(outgoing: &Outgoing, now: i64, locale: &Locale) -> Option<String> {
    outgoing.paused.then(|| match outgoing.paused_until {
        Some(until) => locale.naming("bandwidth-paused-until", &figures::wall_clock(until, now)),
        None => locale.word("bandwidth-paused"),
    })
}
