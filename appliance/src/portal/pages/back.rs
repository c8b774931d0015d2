//! A lost box is brought back in the place of a blank one: the kit is typed, the page says how far it is, and the box starts again.
//!
//! Whoever has the link of the first admin may do it, as long as nobody owns the box.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::super::{BackProblem, BackStage, BackStanding};
use crate::locale::Locale;
use crate::operations::accounts;

#[derive(Template)]
#[template(path = "back.html")]
struct BackPage<'p> {
    frame: Frame<'p>,
    link: String,
    /// What is shown of the way there; empty before it has begun.
    steps: Vec<Step>,
    problem: Option<Problem>,
    /// Where the first admin of the box that came back comes in.
    next: Option<String>,
    /// Whether the box was told to start again.
    is_starting: bool,
}

struct Step {
    text: String,
    /// Style class, and a word for those who do not see it.
    state: &'static str,
    word: String,
}

struct Problem {
    text: String,
    /// What the box says itself, in English.
    detail: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct Kit {
    /// The text of the recovery kit.
    kit: String,
}

pub(in crate::portal) async fn show(visit: Visit, link: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let standing = standing(visit, &link)?;
            let is_under_way = matches!(standing, BackStanding::UnderWay(_));
            let page = page(visit, link.into_inner(), standing, false)?;
            Ok(if is_under_way { Reply::UnderWay(page) } else { Reply::Page(page) })
        })
        .await
}

pub(in crate::portal) async fn begin(visit: Visit, link: web::Path<String>, form: web::Form<Kit>) -> HttpResponse {
    visit
        .answer(move |visit| {
            standing(visit, &link)?;
            visit.portal.ways.back.begin(form.into_inner().kit);
            Ok(Reply::Go(format!("/welcome/{link}/back")))
        })
        .await
}

pub(in crate::portal) async fn start_again(visit: Visit, link: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            standing(visit, &link)?;
            visit.portal.ways.back.start_again();
            let standing = standing(visit, &link)?;
            Ok(Reply::Page(page(visit, link.into_inner(), standing, true)?))
        })
        .await
}

/// How far it is, for whoever may know.
fn standing(visit: &Visit, link: &str) -> Result<BackStanding, PageError> {
    let is_first_admin = accounts::invited(visit.site(), link)?.is_none();
    match visit.portal.ways.back.standing()? {
        standing if is_first_admin && standing != BackStanding::NotBlank => Ok(standing),
        _ => Err(PageError::NotFound),
    }
}

fn page(visit: &Visit, link: String, standing: BackStanding, is_asked: bool) -> Result<String, PageError> {
    let locale = visit.locale();
    let (steps, problem, next) = match standing {
        BackStanding::NotBlank | BackStanding::NotBegun => (Vec::new(), None, None),
        BackStanding::UnderWay(stage) => (steps(Some(stage), locale), None, None),
        BackStanding::Failed(why) => (Vec::new(), Some(problem(why, locale)), None),
        BackStanding::Ready { link } => (steps(None, locale), None, Some(link)),
    };
    let is_starting = is_asked && next.is_some();
    let frame = Frame::new(visit, &locale.word("back-title"));
    Ok(BackPage { frame, link, steps, problem, next, is_starting }.render()?)
}

/// `at`: what is being done; `None`: all is done.
fn steps(at: Option<BackStage>, locale: &Locale) -> Vec<Step> {
    let step = |stage: BackStage, key: &str| {
        let (state, word) = match at {
            Some(at) if stage > at => ("plain", "back-waits"),
            Some(at) if stage == at => ("warn", "back-runs"),
            Some(_) | None => ("good", "back-done"),
        };
        Step { text: locale.word(key), state, word: locale.word(word) }
    };
    vec![
        step(BackStage::Find, "back-find"),
        step(BackStage::Catalog, "back-catalog"),
        step(BackStage::Place, "back-place"),
    ]
}

fn problem(why: BackProblem, locale: &Locale) -> Problem {
    let (key, detail) = match why {
        BackProblem::Kit(line) => ("err-back-kit", Some(line)),
        BackProblem::NoCommunity => ("err-back-no-community", None),
        BackProblem::Nobody => ("err-back-nobody", None),
        BackProblem::NothingKept => ("err-back-nothing", None),
        BackProblem::TooFew => ("err-back-few", None),
        BackProblem::Other(words) => ("err-back-other", Some(words)),
    };
    Problem { text: locale.word(key), detail }
}
