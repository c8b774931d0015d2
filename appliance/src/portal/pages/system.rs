//! The box itself: what it stores, its background work, its certificate, its recovery kit.

use actix_web::HttpResponse;
use askama::Template;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use crate::locale::Locale;
use crate::meters::{WorkerMood, WorkerView};
use crate::operations::Status;
use crate::operations::accounts::{Action, Right, log_use};

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage<'p> {
    frame: Frame<'p>,
    figures: Vec<Figure>,
    workers: Vec<WorkerRow>,
    vault: String,
    fingerprint: String,
    names: Vec<String>,
    may_see_kit: bool,
}

struct Figure {
    label: String,
    value: String,
    alarm: bool,
}

struct WorkerRow {
    name: String,
    /// Style class.
    mood: &'static str,
    word: String,
    progress: String,
    last_error: String,
}

pub(in crate::portal) async fn show(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (locale, scene) = (visit.locale(), visit.portal.look()?);
            let names = visit.portal.tls.names();
            let hosts = names.hosts.iter().map(|host| host.as_str().to_owned());
            let page = SystemPage {
                frame: Frame::new(visit, &locale.word("nav-system")),
                figures: figures(&scene.status, locale),
                workers: scene.workers.iter().map(|worker| worker_row(worker, locale)).collect(),
                vault: scene.status.vault.clone(),
                fingerprint: visit.portal.tls.fingerprint(),
                names: hosts.chain(names.addresses.iter().map(ToString::to_string)).collect(),
                may_see_kit: visit.actor()?.has(Right::SeeKit),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

fn figures(status: &Status, locale: &Locale) -> Vec<Figure> {
    let figure = |key: &str, value: String| Figure { label: locale.word(key), value, alarm: false };
    vec![
        figure("stored", locale.bytes(status.stored.bytes)),
        figure("packs", status.stored.packs.to_string()),
        figure("chunks", status.stored.chunks.to_string()),
        figure("unchecked", status.unverified_packs.to_string()),
        Figure { alarm: status.damaged.packs > 0, ..figure("damaged-packs", status.damaged.packs.to_string()) },
        figure("running", status.sessions.to_string()),
    ]
}

fn worker_row(worker: &WorkerView, locale: &Locale) -> WorkerRow {
    WorkerRow {
        name: locale.word(&format!("work-{}", worker.name)),
        mood: worker.state.word(),
        word: locale.word(match worker.state {
            WorkerMood::Idle => "mood-idle",
            WorkerMood::Working => "mood-working",
            WorkerMood::Waiting => "mood-waiting",
            WorkerMood::Failed => "mood-failed",
        }),
        progress: worker.progress.clone().unwrap_or_default(),
        last_error: worker.last_error.clone().unwrap_or_default(),
    }
}

/// The recovery kit as a file. That it was taken is in the audit log.
pub(in crate::portal) async fn kit(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            log_use(visit.site(), visit.actor()?, Right::SeeKit, Action::KitShown, "", "")?;
            let kit = visit.portal.site.vault.recovery_kit(&visit.portal.dir);
            let kit = kit.map_err(|e| PageError::Other(e.to_string()))?;
            Ok(Reply::File {
                name: "datis-recovery-kit.txt",
                media_type: "text/plain; charset=utf-8",
                bytes: kit.to_text().as_bytes().to_vec(),
            })
        })
        .await
}
