//! What commissioning found, and having it look again.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpResponse;
use askama::Template;
use datis_engine::units::UnixMillis;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::When;
use crate::commissioning::{self, Check, CheckState, Outcome, Remembered, Surroundings, Verdict};
use crate::config::CommissioningConfig;
use crate::figures::Ago;
use crate::locale::Locale;
use crate::operations::accounts::{Action, Right, log_use};
use crate::operations::{self, Site};
use crate::partner::Door;
use crate::sheets::{self, Sheet, SheetError, Whereabouts};

/// A run that somebody asked for in the portal.
#[derive(Default)]
pub(in crate::portal) struct Checking(Mutex<Option<Vec<Outcome>>>);

impl Checking {
    /// What the run that is under way has found so far.
    fn so_far(&self) -> Option<Vec<Outcome>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many checks it has made, while one is under way.
    pub(in crate::portal) fn count(&self) -> Option<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Vec::len)
    }

    /// Starts a run on a thread of its own, unless one is under way.
    fn start(self: &Arc<Self>, site: Arc<Site>, config: CommissioningConfig, door: Door) -> std::io::Result<()> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Ok(());
        }
        let checking = Arc::clone(self);
        std::thread::Builder::new().name("checks".into()).spawn(move || {
            let _ended = Ended(&checking);
            let around = Surroundings::look(&site, &config).with_door(&door);
            let run = commissioning::commission(&around, &[], &mut |outcome| {
                if let Some(found) = checking.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    found.push(outcome.clone());
                }
            });
            if let Err(error) = run {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "The checks of the site did not come to an end"
                );
            }
        })?;
        *running = Some(Vec::new());
        Ok(())
    }
}

/// Says that no run is under way any more, however it ended.
struct Ended<'c>(&'c Checking);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[derive(Template)]
#[template(path = "site.html")]
struct SitePage<'p> {
    frame: Frame<'p>,
    /// Checks that have ended, of all, while a run is under way.
    running: Option<(usize, usize)>,
    may_run: bool,
    verdict: &'static str,
    sentence: String,
    checks: Vec<CheckRow>,
    /// What stands in the way of signing, while something does.
    in_the_way: Option<String>,
    signed: Option<Signed>,
    problem: Option<String>,
}

/// Who answers for the box.
struct Signed {
    by: String,
    when: When,
}

/// A check of the site.
pub(super) struct CheckRow {
    pub(super) id: &'static str,
    /// Style class.
    pub(super) state: &'static str,
    pub(super) word: String,
    pub(super) title: String,
    /// Empty when it was skipped.
    pub(super) message: String,
    pub(super) remedy: Option<String>,
    pub(super) evidence: String,
    /// What it was skipped for.
    pub(super) because: Option<String>,
    /// When it was last in order, unless it is now.
    pub(super) passed: Option<String>,
    pub(super) when: When,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit.answer(|visit| Ok(Reply::Page(site_page(visit, None)?))).await
}

fn site_page(visit: &Visit, problem: Option<String>) -> Result<String, PageError> {
    let locale = visit.locale();
    let now = visit.site().clock.now();
    let mut known = commissioning::refresh(&Surroundings::look(visit.site(), &visit.portal.commissioning))?;
    let so_far = visit.portal.checking.so_far();
    let running = so_far.as_ref().map(|found| (found.len(), Check::ALL.len()));
    for outcome in so_far.into_iter().flatten() {
        match known.iter_mut().find(|known| known.outcome.check == outcome.check) {
            Some(known) => known.outcome = outcome,
            None => known.push(Remembered { since: outcome.started_at, passed_at: None, outcome }),
        }
    }
    let failed = known.iter().filter(|check| check.outcome.state() == CheckState::Fail).count() as u64;
    let warned = known.iter().filter(|check| check.outcome.state() == CheckState::Warn).count() as u64;
    let (verdict, sentence) = match (failed, warned) {
        _ if known.iter().all(|check| check.outcome.check.is_at_hand()) => ("plain", locale.word("site-never")),
        (0, 0) => ("good", locale.word("site-good")),
        (0, n) => ("warn", locale.count("site-warned", n)),
        (n, _) => ("bad", locale.count("site-failed", n)),
    };
    let page = SitePage {
        frame: Frame::new(visit, &locale.word("nav-site")),
        running,
        may_run: visit.actor()?.has(Right::Commission),
        verdict,
        sentence,
        checks: known.iter().map(|check| check_row(check, now, locale)).collect(),
        in_the_way: match commissioning::obstacles(&known).len() as u64 {
            0 => None,
            n => Some(locale.count("sign-in-the-way", n)),
        },
        signed: operations::last_signature(visit.site())?
            .map(|signature| Signed { by: signature.signed_by, when: When::new(signature.signed_at, now, locale) }),
        problem,
    };
    Ok(page.render()?)
}

/// The sheet of how things are now.
pub(in crate::portal) async fn certificate(visit: Visit) -> HttpResponse {
    visit.answer(|visit| sheet(visit, Sheet::Certificate, "datis-commissioning.pdf")).await
}

/// The sheet for the firewall's admin.
pub(in crate::portal) async fn firewall(visit: Visit) -> HttpResponse {
    visit.answer(|visit| sheet(visit, Sheet::Firewall, "datis-firewall.pdf")).await
}

fn sheet(visit: &Visit, sheet: Sheet, name: &'static str) -> Result<Reply, PageError> {
    let bytes = sheets::print(sheet, visit.site(), &whereabouts(visit), visit.locale())?;
    Ok(Reply::File { name, media_type: "application/pdf", bytes })
}

/// The sheet that was signed last, as it was then.
pub(in crate::portal) async fn signed(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let bytes = operations::last_document(visit.site())?.ok_or(PageError::NotFound)?;
            Ok(Reply::File { name: "datis-certificate.pdf", media_type: "application/pdf", bytes })
        })
        .await
}

pub(in crate::portal) async fn sign(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let locale = visit.locale();
            match sheets::sign_off(visit.site(), visit.actor()?, &whereabouts(visit), locale) {
                Ok(_) => Ok(Reply::Go("/site?said=signed".to_owned())),
                Err(SheetError::NotInOrder(obstacles)) => {
                    let problem = locale.count("sign-in-the-way", obstacles.len() as u64);
                    Ok(Reply::Refused(site_page(visit, Some(problem))?))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
}

pub(super) fn whereabouts(visit: &Visit) -> Whereabouts<'_> {
    let portal = &visit.portal;
    let ways = &portal.ways;
    Whereabouts { host: &ways.machine_host, url: &ways.url, door: &ways.door, config: &portal.commissioning }
}

pub(in crate::portal) async fn run(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            log_use(visit.site(), visit.actor()?, Right::Commission, Action::Commissioned, "", "")?;
            let portal = &visit.portal;
            let started =
                portal.checking.start(Arc::clone(&portal.site), portal.commissioning.clone(), portal.ways.door.clone());
            started.map_err(|e| PageError::Other(format!("the checks cannot be started: {e}")))?;
            Ok(Reply::Go("/site?said=started".to_owned()))
        })
        .await
}

pub(super) fn check_row(check: &Remembered, now: UnixMillis, locale: &Locale) -> CheckRow {
    let outcome = &check.outcome;
    let (because, evidence) = match outcome.verdict {
        Verdict::Found(_) => (None, commissioning::evidence(outcome, locale)),
        Verdict::Skipped { because } => (Some(commissioning::title(because, locale)), String::new()),
    };
    CheckRow {
        id: outcome.check.word(),
        state: outcome.state().word(),
        word: commissioning::state_word(outcome.state(), locale),
        title: commissioning::title(outcome.check, locale),
        message: commissioning::message(outcome, locale),
        remedy: commissioning::remedy(outcome, locale),
        evidence,
        because,
        passed: check
            .passed_at
            .filter(|_| outcome.state() != CheckState::Pass)
            .map(|at| locale.ago(Ago::between(at.0, now.0))),
        when: When::new(outcome.started_at, now, locale),
    }
}
