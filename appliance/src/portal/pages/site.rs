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
use crate::operations::Site;
use crate::operations::accounts::{Action, Right, log_use};
use crate::partner::Door;

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
}

/// A check of the site.
struct CheckRow {
    id: &'static str,
    /// Style class.
    state: &'static str,
    word: String,
    title: String,
    /// Empty when it was skipped.
    message: String,
    remedy: Option<String>,
    evidence: String,
    /// What it was skipped for.
    because: Option<String>,
    /// When it was last in order, unless it is now.
    passed: Option<String>,
    when: When,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let locale = visit.locale();
            let now = visit.site().clock.now();
            let mut known = commissioning::remembered(visit.site())?;
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
            let (verdict, sentence) = match (known.len(), failed, warned) {
                (0, ..) => ("plain", locale.word("site-never")),
                (_, 0, 0) => ("good", locale.word("site-good")),
                (_, 0, n) => ("warn", locale.count("site-warned", n)),
                (_, n, _) => ("bad", locale.count("site-failed", n)),
            };
            let page = SitePage {
                frame: Frame::new(visit, &locale.word("nav-site")),
                running,
                may_run: visit.actor()?.has(Right::Commission),
                verdict,
                sentence,
                checks: known.iter().map(|check| check_row(check, now, locale)).collect(),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
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

fn check_row(check: &Remembered, now: UnixMillis, locale: &Locale) -> CheckRow {
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
