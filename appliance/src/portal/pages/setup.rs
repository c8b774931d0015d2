//! The setup: the steps from the first start to the signature, each at its own address. It keeps nothing of its own: what
//! is done is what the checks have found, and each step leads to where the thing is done.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::units::UnixMillis;
use fluent_bundle::FluentArgs;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::When;
use super::site::{CheckRow, check_row};
use crate::bundle::{self, Applied};
use crate::certs::portal::PortalCerts;
use crate::commissioning::{self, Check, CheckState, Remembered, Surroundings, Verdict, questions};
use crate::locale::Locale;
use crate::operations::accounts::Right;
use crate::operations::{self, Question, SiteAnswer};
use crate::vault;

/// A step. Its word is its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What the box has done by itself.
    Start,
    Place,
    Network,
    Outside,
    Account,
    Kit,
    Mail,
    FirstMachine,
    SignOff,
}

impl Step {
    const ALL: [Self; 9] = [
        Self::Start,
        Self::Place,
        Self::Network,
        Self::Outside,
        Self::Account,
        Self::Kit,
        Self::Mail,
        Self::FirstMachine,
        Self::SignOff,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Place => "place",
            Self::Network => "network",
            Self::Outside => "outside",
            Self::Account => "account",
            Self::Kit => "kit",
            Self::Mail => "mail",
            Self::FirstMachine => "first-machine",
            Self::SignOff => "sign-off",
        }
    }

    /// The step at which a check is shown.
    const fn of(check: Check) -> Self {
        match check {
            Check::LanLink | Check::LanAddress | Check::LanFound | Check::Time | Check::Room | Check::Disks => {
                Self::Start
            }
            Check::LanDuplicate
            | Check::LanDhcp
            | Check::LanReserved
            | Check::LanStable
            | Check::WanGateway
            | Check::LanDns
            | Check::LanRebind => Self::Network,
            Check::WanUplink
            | Check::WanProxy
            | Check::WanCaptive
            | Check::WanTls
            | Check::OutMatrix
            | Check::WanPublic
            | Check::WanShared
            | Check::WanPorts
            | Check::InMap
            | Check::InDialback
            | Check::InHairpin
            | Check::InV6
            | Check::PathMtu
            | Check::PathRate => Self::Outside,
            Check::Power
            | Check::SitePlace
            | Check::SitePower
            | Check::SiteAccess
            | Check::SiteLine
            | Check::SiteShared
            | Check::SiteOperator => Self::Place,
            Check::Admin => Self::Account,
            Check::Kit => Self::Kit,
            Check::Mail => Self::Mail,
            Check::FirstMachine => Self::FirstMachine,
        }
    }

    /// Where the thing is done, for those who may.
    const fn place(self) -> Option<(&'static str, Right)> {
        match self {
            Self::Start | Self::Place => None,
            Self::Network | Self::Outside | Self::SignOff => Some(("/site", Right::LookAtBox)),
            Self::Account => Some(("/people", Right::ManageAccounts)),
            Self::Kit => Some(("/system#kit-proof", Right::SeeKit)),
            Self::Mail => Some(("/reports", Right::LookAtBox)),
            Self::FirstMachine => Some(("/machines/new", Right::EnrolMachines)),
        }
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Done,
    /// Done, and somebody should look.
    Look,
    Open,
    Failed,
}

impl Progress {
    /// Key of its word.
    const fn key(self) -> &'static str {
        match self {
            Self::Done => "setup-done",
            Self::Look => "setup-look",
            Self::Open => "setup-open",
            Self::Failed => "setup-failed",
        }
    }

    /// Style class, that of a check.
    const fn class(self) -> &'static str {
        match self {
            Self::Done => "pass",
            Self::Look => "warn",
            Self::Open => "skip",
            Self::Failed => "fail",
        }
    }

    /// Of a step: the worst of its checks.
    fn of(step: Step, known: &[Remembered], is_signed: bool) -> Self {
        if step == Step::SignOff {
            return if is_signed { Self::Done } else { Self::Open };
        }
        let of_check = |check: Check| match known.iter().find(|known| known.outcome.check == check) {
            None => Self::Open,
            Some(known) => match known.outcome.verdict {
                Verdict::Skipped { .. } => Self::Open,
                Verdict::Found(finding) if finding.is_undone() => Self::Open,
                Verdict::Found(finding) => match finding.state() {
                    CheckState::Fail => Self::Failed,
                    CheckState::Warn => Self::Look,
                    CheckState::Pass | CheckState::Skip => Self::Done,
                },
            },
        };
        let all: Vec<Self> = Check::ALL.into_iter().filter(|check| Step::of(*check) == step).map(of_check).collect();
        [Self::Failed, Self::Open, Self::Look].into_iter().find(|each| all.contains(each)).unwrap_or(Self::Done)
    }
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'p> {
    frame: Frame<'p>,
    steps: Vec<StepRow>,
    heading: String,
    text: String,
    /// Whose bundle set the defaults, and why the last one was not taken.
    bundles: Vec<BundleNote>,
    /// Things that the box has made by itself, and when.
    made: Vec<(String, Option<When>)>,
    checks: Vec<CheckRow>,
    questions: Vec<Asked>,
    may_answer: bool,
    may_run: bool,
    running: Option<(usize, usize)>,
    /// Where it is done, and what the link says.
    place: Option<(&'static str, String)>,
    before: Option<&'static str>,
    after: Option<&'static str>,
    /// The last step: nothing stands in the way, and the visitor may sign.
    may_sign: bool,
    in_the_way: Option<String>,
    is_signed: bool,
}

struct BundleNote {
    text: String,
    /// Style class.
    class: &'static str,
}

struct StepRow {
    number: usize,
    address: &'static str,
    title: String,
    class: &'static str,
    word: String,
    is_here: bool,
}

/// A question about the place.
struct Asked {
    name: &'static str,
    text: String,
    hint: String,
    /// Whether several answers may be true.
    is_several: bool,
    choices: Vec<Answer>,
    /// What else is to be said, and what was.
    contact: Option<String>,
    /// By whom it was answered.
    said: Option<String>,
}

struct Answer {
    field: String,
    word: &'static str,
    text: String,
    is_chosen: bool,
}

/// The first step.
pub(in crate::portal) async fn start(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(setup_page(visit, Step::Start)?))).await
}

/// The step with the questions.
pub(in crate::portal) async fn place(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(setup_page(visit, Step::Place)?))).await
}

pub(in crate::portal) async fn show(visit: Visit, step: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let step = Step::ALL.into_iter().find(|known| known.word() == *step && *known != Step::Start);
            Ok(Reply::Page(setup_page(visit, step.ok_or(PageError::NotFound)?)?))
        })
        .await
}

fn address(step: Step) -> &'static str {
    match step {
        Step::Start => "/setup",
        Step::Place => "/setup/place",
        Step::Network => "/setup/network",
        Step::Outside => "/setup/outside",
        Step::Account => "/setup/account",
        Step::Kit => "/setup/kit",
        Step::Mail => "/setup/mail",
        Step::FirstMachine => "/setup/first-machine",
        Step::SignOff => "/setup/sign-off",
    }
}

fn setup_page(visit: &Visit, step: Step) -> Result<String, PageError> {
    let (locale, now, actor) = (visit.locale(), visit.site().clock.now(), visit.actor()?);
    let known = commissioning::refresh(&Surroundings::look(visit.site(), &visit.portal.commissioning))?;
    let is_signed = operations::last_signature(visit.site())?.is_some();
    let obstacles = commissioning::obstacles(&known);
    let title = |step: Step| locale.word(&format!("setup-step-{}", step.word()));
    let steps = Step::ALL.into_iter().enumerate().map(|(at, each)| {
        let progress = Progress::of(each, &known, is_signed);
        StepRow {
            number: at + 1,
            address: address(each),
            title: title(each),
            class: progress.class(),
            word: locale.word(progress.key()),
            is_here: each == step,
        }
    });
    let is_of_step = |check: &&Remembered| match step {
        Step::SignOff => obstacles.contains(&check.outcome.check),
        _ => Step::of(check.outcome.check) == step,
    };
    let at = Step::ALL.iter().position(|each| *each == step).unwrap_or(0);
    let answers = if step == Step::Place { operations::site_answers(visit.site())? } else { Vec::new() };
    let page = SetupPage {
        frame: Frame::new(visit, &format!("{} · {}", locale.word("setup"), title(step))),
        steps: steps.collect(),
        heading: title(step),
        text: locale.word(&format!("setup-text-{}", step.word())),
        bundles: if step == Step::Start { bundles(visit, is_signed)? } else { Vec::new() },
        made: if step == Step::Start { made(visit, now) } else { Vec::new() },
        checks: known.iter().filter(is_of_step).map(|check| check_row(check, now, locale)).collect(),
        questions: match step {
            Step::Place => Question::ALL.iter().map(|question| asked(*question, &answers, locale)).collect(),
            _ => Vec::new(),
        },
        may_answer: actor.has(Right::Commission),
        may_run: actor.has(Right::Commission) && matches!(step, Step::Start | Step::Network | Step::Outside),
        running: visit.portal.checking.count().map(|done| (done, Check::ALL.len())),
        place: step
            .place()
            .filter(|(_, right)| actor.has(*right))
            .map(|(path, _)| (path, locale.word(&format!("setup-do-{}", step.word())))),
        before: at.checked_sub(1).and_then(|at| Step::ALL.get(at)).map(|step| address(*step)),
        after: Step::ALL.get(at + 1).map(|step| address(*step)),
        may_sign: step == Step::SignOff && obstacles.is_empty() && actor.has(Right::Commission),
        in_the_way: (step == Step::SignOff && !obstacles.is_empty())
            .then(|| locale.count("sign-in-the-way", obstacles.len() as u64)),
        is_signed,
    };
    Ok(page.render()?)
}

/// What became of what a reseller has prepared.
fn bundles(visit: &Visit, is_signed: bool) -> Result<Vec<BundleNote>, PageError> {
    let (locale, mut notes) = (visit.locale(), Vec::new());
    if let Some(Applied { content, kept }) = bundle::applied(visit.site())? {
        let mut args = FluentArgs::new();
        args.set("name", content.reseller.name.as_str());
        args.set("contact", content.reseller.contact.as_str());
        args.set("serial", kept.serial.to_string());
        notes.push(BundleNote { text: locale.say("setup-bundle", &args), class: "good" });
    }
    // Whoever has signed was content without.
    if let Some(refused) = operations::refused_bundle(visit.site())?.filter(|_| !is_signed) {
        let text = locale.word(&format!("setup-bundle-{}", refused.reason.word()));
        notes.push(BundleNote { text, class: "warn" });
    }
    Ok(notes)
}

/// What the box has made on its first start.
fn made(visit: &Visit, now: UnixMillis) -> Vec<(String, Option<When>)> {
    let locale = visit.locale();
    let [keys, vault] = vault::made_at(&visit.portal.dir);
    let certificate = PortalCerts::made_at(&visit.portal.dir);
    [("setup-made-keys", keys), ("setup-made-vault", vault), ("setup-made-certificate", certificate)]
        .into_iter()
        .map(|(key, at)| (locale.word(key), at.map(|at| When::new(at, now, locale))))
        .collect()
}

fn asked(question: Question, answers: &[SiteAnswer], locale: &Locale) -> Asked {
    let answer = answers.iter().find(|answer| answer.question == question);
    let is_several = question == Question::Place;
    let choices = questions::words_of(question).iter().map(|word| Answer {
        field: if is_several { format!("place_{word}") } else { question.word().to_owned() },
        word,
        text: locale.word(&format!("answer-{}-{word}", question.word())),
        is_chosen: answer.is_some_and(|answer| answer.words.iter().any(|said| said == word)),
    });
    let note = || answer.map(|answer| answer.note.clone()).unwrap_or_default();
    Asked {
        name: question.word(),
        text: locale.word(&format!("ask-{}", question.word())),
        hint: locale.word(&format!("ask-{}-why", question.word())),
        is_several,
        choices: choices.collect(),
        contact: (question == Question::Shared).then(note),
        said: answer.map(|answer| answer.actor.clone()),
    }
}

/// What was answered about the place. Questions that were left out stay as they are.
#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct PlaceForm {
    place_dry: Option<String>,
    place_shade: Option<String>,
    place_clean: Option<String>,
    place_network: Option<String>,
    place_socket: Option<String>,
    power: Option<String>,
    access: Option<String>,
    line: Option<String>,
    shared: Option<String>,
    #[serde(default)]
    contact: String,
    operator: Option<String>,
}

impl PlaceForm {
    fn place(&self) -> Vec<&'static str> {
        let ticked = [&self.place_dry, &self.place_shade, &self.place_clean, &self.place_network, &self.place_socket];
        questions::PLACE.into_iter().zip(ticked).filter(|(_, ticked)| ticked.is_some()).map(|(word, _)| word).collect()
    }

    /// The word of the program that was chosen; `None` where nothing was.
    fn choice(&self, question: Question) -> Option<Result<&'static str, PageError>> {
        let said = match question {
            Question::Place => None,
            Question::Power => self.power.as_deref(),
            Question::Access => self.access.as_deref(),
            Question::Line => self.line.as_deref(),
            Question::Shared => self.shared.as_deref(),
            Question::Operator => self.operator.as_deref(),
        }?;
        let known = questions::words_of(question).iter().copied().find(|word| *word == said);
        Some(known.ok_or(PageError::NotFound))
    }
}

pub(in crate::portal) async fn answer(visit: Visit, form: web::Form<PlaceForm>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let (site, by) = (visit.site(), visit.actor()?);
            // All of it is understood before anything is kept.
            let chosen = Question::ALL.iter().filter_map(|question| Some((*question, form.choice(*question)?)));
            let chosen: Vec<(Question, &'static str)> =
                chosen.map(|(question, word)| Ok((question, word?))).collect::<Result<_, PageError>>()?;
            operations::answer_question(site, by, Question::Place, &form.place(), "")?;
            for (question, word) in chosen {
                let note = if question == Question::Shared { form.contact.as_str() } else { "" };
                operations::answer_question(site, by, question, &[word], note)?;
            }
            Ok(Reply::Go("/setup/place?said=saved".to_owned()))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_but_the_last_has_something_to_be_seen_by() {
        for step in Step::ALL {
            let has_checks = Check::ALL.into_iter().any(|check| Step::of(check) == step);
            assert_eq!(has_checks, step != Step::SignOff, "{step:?}");
        }
    }

    #[test]
    fn a_step_is_as_far_as_its_worst_check() {
        use crate::commissioning::{Finding, Outcome};
        let found = |check, finding| Remembered {
            outcome: Outcome {
                check,
                verdict: Verdict::Found(finding),
                facts: Vec::new(),
                started_at: UnixMillis(0),
                took_ms: 0,
            },
            since: UnixMillis(0),
            passed_at: None,
        };
        let progress = |finding| Progress::of(Step::Kit, &[found(Check::Kit, finding)], false);
        assert_eq!(progress(Finding::KitProved), Progress::Done);
        assert_eq!(progress(Finding::KitTaken), Progress::Look);
        assert_eq!(progress(Finding::KitNone), Progress::Open);
        assert_eq!(Progress::of(Step::Kit, &[], false), Progress::Open);
        assert_eq!(Progress::of(Step::Mail, &[found(Check::Mail, Finding::MailRefused)], false), Progress::Failed);
        assert_eq!(Progress::of(Step::SignOff, &[], true), Progress::Done);
    }
}
