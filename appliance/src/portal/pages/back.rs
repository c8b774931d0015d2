//! A lost box is brought back in the place of a blank one: the kit is typed, the page says how far it is, and the box starts again.
//!
//! Whoever has the link of the first admin may do it, as long as nobody owns the box.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::format::kit::{KitError, RecoveryKit};
use datis_engine::format::kit_shares::JoinError;
use fluent_bundle::FluentArgs;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

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
    /// Whether one box is enough; `None`: it is not asked.
    one_peer: Option<bool>,
    /// What was typed and cannot be taken yet: so that nobody types a whole page again for one word.
    typed: Zeroizing<String>,
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

pub(super) struct Problem {
    pub(super) text: String,
    /// What the box says itself, in English.
    pub(super) detail: Option<String>,
}

impl Problem {
    pub(super) fn plain(text: String) -> Self {
        Self { text, detail: None }
    }
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct Kit {
    /// The text of the recovery kit, or of two of its sheets one after the other.
    kit: String,
    /// There when one box that tells what there was last is to be believed, though others are silent.
    one_peer: Option<String>,
}

pub(in crate::portal) async fn show(visit: Visit, link: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let standing = standing(visit, &link)?;
            let is_under_way = matches!(standing, BackStanding::UnderWay(_));
            let page = page(visit, link.into_inner(), standing, Typed::default(), false)?;
            Ok(if is_under_way { Reply::UnderWay(page) } else { Reply::Page(page) })
        })
        .await
}

pub(in crate::portal) async fn begin(visit: Visit, link: web::Path<String>, form: web::Form<Kit>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let standing = standing(visit, &link)?;
            let Kit { kit, one_peer } = form.into_inner();
            let (text, one_peer) = (Zeroizing::new(kit), one_peer.is_some());
            match RecoveryKit::parse(&text) {
                Ok(kit) => {
                    visit.portal.ways.back.begin(kit, one_peer);
                    Ok(Reply::Go(format!("/welcome/{link}/back")))
                }
                Err(error) => {
                    let problem = Some(kit_problem(&error, visit.locale()));
                    let typed = Typed { text, one_peer, problem };
                    Ok(Reply::Refused(page(visit, link.into_inner(), standing, typed, false)?))
                }
            }
        })
        .await
}

pub(in crate::portal) async fn start_again(visit: Visit, link: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            standing(visit, &link)?;
            visit.portal.ways.back.start_again();
            let standing = standing(visit, &link)?;
            Ok(Reply::Page(page(visit, link.into_inner(), standing, Typed::default(), true)?))
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

/// What was typed and cannot be taken.
#[derive(Default)]
struct Typed {
    text: Zeroizing<String>,
    one_peer: bool,
    problem: Option<Problem>,
}

fn page(
    visit: &Visit,
    link: String,
    standing: BackStanding,
    typed: Typed,
    is_asked: bool,
) -> Result<String, PageError> {
    let locale = visit.locale();
    let is_one_word = matches!(standing, BackStanding::Failed(BackProblem::OneWord { .. }));
    let one_peer = is_one_word.then_some(typed.one_peer);
    let (steps, problem, next) = match standing {
        _ if typed.problem.is_some() => (Vec::new(), typed.problem, None),
        BackStanding::NotBlank | BackStanding::NotBegun => (Vec::new(), None, None),
        BackStanding::UnderWay(stage) => (steps(Some(stage), locale), None, None),
        BackStanding::Failed(why) => (Vec::new(), Some(problem(why, locale)), None),
        BackStanding::Ready { link } => (steps(None, locale), None, Some(link)),
    };
    let is_starting = is_asked && next.is_some();
    let frame = Frame::new(visit, &locale.word("back-title"));
    Ok(BackPage { frame, link, steps, problem, one_peer, typed: typed.text, next, is_starting }.render()?)
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
        BackProblem::OneWord { silent } => {
            return Problem::plain(locale.naming("err-back-one", &silent.join(", ")));
        }
        BackProblem::NoCommunity => ("err-back-no-community", None),
        BackProblem::Nobody => ("err-back-nobody", None),
        BackProblem::NothingKept => ("err-back-nothing", None),
        BackProblem::TooFew => ("err-back-few", None),
        BackProblem::Other(words) => ("err-back-other", Some(words)),
    };
    Problem { text: locale.word(key), detail }
}

/// Why what was typed is no kit. What the right lines do not help against has a sentence in the visitor's language.
pub(super) fn kit_problem(error: &KitError, locale: &Locale) -> Problem {
    let mut args = FluentArgs::new();
    let key = match error {
        KitError::Join(JoinError::OneMore { number, set }) => {
            args.set("sheet", number.to_string());
            args.set("set", set.to_string());
            "err-kit-one-more"
        }
        KitError::Join(JoinError::Same { number, set }) => {
            args.set("sheet", number.to_string());
            args.set("set", set.to_string());
            "err-kit-same-sheet"
        }
        KitError::Join(JoinError::TwoSets { one, other }) => {
            args.set("one", one.to_string());
            args.set("other", other.to_string());
            "err-kit-two-sets"
        }
        KitError::Join(JoinError::Altered) => "err-kit-altered",
        KitError::TwoVaults { .. } => "err-kit-two-boxes",
        KitError::Version => "err-kit-none",
        KitError::Missing(_)
        | KitError::Vault
        | KitError::OtherKey
        | KitError::Line(_)
        | KitError::Words(_)
        | KitError::Key(_)
        | KitError::Sheet(_) => {
            return Problem { text: locale.word("err-back-kit"), detail: Some(error.to_string()) };
        }
    };
    Problem::plain(locale.say(key, &args))
}
