//! The box itself: what it stores, its background work, its certificate, its recovery kit.

pub(in crate::portal) mod certificate;
pub(in crate::portal) mod components;
pub(in crate::portal) mod facts;
pub(in crate::portal) mod network;
pub(in crate::portal) mod power;
pub(in crate::portal) mod support;

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::format::kit::RecoveryKit;
use datis_engine::format::kit_shares::SHARES;
use datis_engine::format::kit_sheets::KitSheet;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::super::answer::{self, PageError, Reply};
use super::super::frame::{Frame, Way};
use super::super::visit::Visit;
use super::back::{self, Problem};
use crate::locale::Locale;
use crate::meters::{WorkerMood, WorkerView};
use crate::operations::accounts::{AccountError, Right};
use crate::operations::community::kit_community;
use crate::operations::{self, Status};
use crate::sheets;
use crate::vault::{self, VaultError};

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage<'p> {
    frame: Frame<'p>,
    ways: Vec<Way>,
    figures: Vec<Figure>,
    workers: Vec<WorkerRow>,
    vault: String,
    fingerprint: String,
    names: Vec<String>,
    may_see_kit: bool,
    /// What the fields for the groups are called; `None` when the kit was taken off the box.
    asked: Option<(String, String)>,
    /// What is wrong with the groups, or with the paper, that somebody typed.
    groups_problem: Option<Problem>,
    paper_problem: Option<Problem>,
    /// The paper as it was typed, where it cannot be taken yet.
    typed: Zeroizing<String>,
}

/// What of the kit was typed and is not taken.
#[derive(Default)]
struct Refused {
    groups: Option<Problem>,
    paper: Option<Problem>,
    typed: Zeroizing<String>,
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
    visit.answer(|visit| Ok(Reply::Page(system_page(visit, Refused::default())?))).await
}

fn system_page(visit: &Visit, refused: Refused) -> Result<String, PageError> {
    let (locale, scene) = (visit.locale(), visit.portal.look()?);
    let names = visit.portal.tls.names();
    let hosts = names.hosts.iter().map(|host| host.as_str().to_owned());
    let may_see_kit = visit.actor()?.has(Right::SeeKit);
    let groups = if may_see_kit { kit_groups(visit)? } else { Vec::new() };
    let asked = match groups.as_slice() {
        [] => None,
        groups => Some(operations::kit_question(visit.site(), groups)?),
    };
    let label = |group: u32| locale.count("kit-group", group.into());
    let asked = asked.map(|(first, second)| (label(first), label(second)));
    let page = SystemPage {
        frame: Frame::new(visit, &locale.word("nav-system")),
        ways: ways(visit, "/system")?,
        figures: figures(&scene.status, locale),
        workers: scene.workers.iter().map(|worker| worker_row(worker, locale)).collect(),
        vault: scene.status.vault.clone(),
        fingerprint: visit.portal.tls.fingerprint(),
        names: hosts.chain(names.addresses.iter().map(ToString::to_string)).collect(),
        may_see_kit,
        asked,
        groups_problem: refused.groups,
        paper_problem: refused.paper,
        typed: refused.typed,
    };
    Ok(page.render()?)
}

/// The pages about the box, those that the visitor may open.
fn ways(visit: &Visit, here: &str) -> Result<Vec<Way>, PageError> {
    let (locale, actor) = (visit.locale(), visit.actor()?);
    let all = [
        ("/system", "sys-overview", Right::LookAtBox),
        ("/system/network", "sys-network", Right::LookAtBox),
        ("/system/time", "sys-time", Right::LookAtBox),
        ("/system/storage", "sys-storage", Right::LookAtBox),
        ("/system/ups", "sys-ups", Right::LookAtBox),
        ("/system/services", "sys-services", Right::LookAtBox),
        ("/system/components", "sys-components", Right::LookAtBox),
        ("/system/certificate", "sys-certificate", Right::LookAtBox),
        ("/system/support", "sys-support", Right::ManageAccounts),
        ("/system/power", "sys-power", Right::RunBox),
    ];
    let shown = all.into_iter().filter(|(.., right)| actor.has(*right));
    let way = |(path, key, _): (&'static str, &str, Right)| Way {
        path,
        icon: "box",
        word: locale.word(key),
        is_here: path == here,
        count: None,
    };
    Ok(shown.map(way).collect())
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

/// The kit on paper, where its key was taken off the box; empty where it was not.
#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct Paper {
    #[serde(default)]
    paper: String,
}

/// The recovery kit as a file. That it was taken is in the audit log.
pub(in crate::portal) async fn kit(visit: Visit, form: web::Form<Paper>) -> HttpResponse {
    visit
        .answer(move |visit| {
            hand_out(visit, form.into_inner(), |kit| {
                operations::note_kit_shown(visit.site(), visit.actor()?, kit)?;
                let bytes = vault::kit_page(kit).as_bytes().to_vec();
                Ok(Reply::File { name: "datis-recovery-kit.txt", media_type: TEXT, bytes })
            })
        })
        .await
}

/// The same to be printed.
pub(in crate::portal) async fn kit_sheet(visit: Visit, form: web::Form<Paper>) -> HttpResponse {
    visit
        .answer(move |visit| {
            hand_out(visit, form.into_inner(), |kit| {
                operations::note_kit_shown(visit.site(), visit.actor()?, kit)?;
                let bytes = sheets::print_kit(kit, visit.site().clock.now(), visit.locale())?;
                Ok(Reply::File { name: "datis-recovery-kit.pdf", media_type: PDF, bytes })
            })
        })
        .await
}

/// The kit on three sheets, as a file.
pub(in crate::portal) async fn kit_in_three(visit: Visit, form: web::Form<Paper>) -> HttpResponse {
    visit
        .answer(move |visit| {
            hand_out(visit, form.into_inner(), |kit| {
                let texts = three_sheets(visit, kit)?;
                let texts: Vec<&str> = texts.iter().map(KitSheet::text).collect();
                let bytes = texts.join("\n").into_bytes();
                Ok(Reply::File { name: "datis-recovery-sheets.txt", media_type: TEXT, bytes })
            })
        })
        .await
}

/// The same to be printed.
pub(in crate::portal) async fn kit_in_three_sheets(visit: Visit, form: web::Form<Paper>) -> HttpResponse {
    visit
        .answer(move |visit| {
            hand_out(visit, form.into_inner(), |kit| {
                let three = three_sheets(visit, kit)?;
                let now = visit.site().clock.now();
                let bytes = sheets::print_kit_sheets(&kit.box_name, &three, now, visit.locale())?;
                Ok(Reply::File { name: "datis-recovery-sheets.pdf", media_type: PDF, bytes })
            })
        })
        .await
}

/// Somebody types the kit, or two of its sheets, to see that they still open this box.
pub(in crate::portal) async fn prove_paper(visit: Visit, form: web::Form<Paper>) -> HttpResponse {
    visit
        .answer(move |visit| {
            with_paper(visit, form.into_inner(), |_| {
                operations::note_kit_typed(visit.site(), visit.actor()?)?;
                Ok(Reply::Go("/system?said=kit-proved".to_owned()))
            })
        })
        .await
}

const TEXT: &str = "text/plain; charset=utf-8";
const PDF: &str = "application/pdf";

/// A fresh set of sheets, for somebody who takes them away.
fn three_sheets(visit: &Visit, kit: &RecoveryKit) -> Result<[KitSheet; SHARES], PageError> {
    let day = sheets::day(visit.site().clock.now());
    let three = kit.to_sheets(&day).map_err(|e| PageError::Other(e.to_string()))?;
    operations::note_kit_sheets_shown(visit.site(), visit.actor()?, kit, three[0].share.set())?;
    Ok(three)
}

/// Gives the kit to `give`, for somebody who takes it away, with the other boxes as they are now. Where its key was taken off the
/// box, it is the one that was typed.
fn hand_out(
    visit: &Visit,
    form: Paper,
    give: impl FnOnce(&RecoveryKit) -> Result<Reply, PageError>,
) -> Result<Reply, PageError> {
    let give = |kit: RecoveryKit| {
        let community = kit_community(visit.site()).map_err(|e| PageError::Other(e.to_string()))?;
        give(&RecoveryKit { community, ..kit })
    };
    match visit.site().vault.recovery_kit(&visit.portal.dir) {
        Ok(kit) => give(kit),
        Err(VaultError::KitGone { .. }) => with_paper(visit, form, |kit| {
            operations::note_kit_typed(visit.site(), visit.actor()?)?;
            give(kit)
        }),
        Err(error) => Err(PageError::Other(error.to_string())),
    }
}

/// Gives the kit that was typed to `give`, if it is this box's; else says what is wrong with it, and keeps what was typed.
fn with_paper(
    visit: &Visit,
    form: Paper,
    give: impl FnOnce(RecoveryKit) -> Result<Reply, PageError>,
) -> Result<Reply, PageError> {
    let typed = Zeroizing::new(form.paper);
    let problem = match visit.site().vault.kit_on_paper(&typed) {
        Ok(kit) => return give(kit),
        Err(VaultError::KitText(error)) => back::kit_problem(&error, visit.locale()),
        Err(VaultError::OtherKit) => Problem::plain(visit.locale().word("err-kit-other")),
        Err(error) => return Err(PageError::Other(error.to_string())),
    };
    let refused = Refused { paper: Some(problem), typed, ..Refused::default() };
    Ok(Reply::Refused(system_page(visit, refused)?))
}

/// The letters of the kit, while it is on the box.
fn kit_groups(visit: &Visit) -> Result<Vec<Zeroizing<String>>, PageError> {
    match visit.site().vault.recovery_kit(&visit.portal.dir) {
        Ok(kit) => Ok(vault::kit_groups(&kit)),
        Err(VaultError::KitGone { .. }) => Ok(Vec::new()),
        Err(error) => Err(PageError::Other(error.to_string())),
    }
}

#[derive(Deserialize, ToSchema)]
pub(in crate::portal) struct KitProof {
    first: String,
    second: String,
}

/// Somebody types two groups from the paper.
pub(in crate::portal) async fn prove_kit(visit: Visit, form: web::Form<KitProof>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let groups = kit_groups(visit)?;
            if groups.is_empty() {
                return Err(PageError::NotFound);
            }
            let typed = (form.first.as_str(), form.second.as_str());
            match operations::prove_kit(visit.site(), visit.actor()?, visit.origin.address, &groups, typed) {
                Ok(()) => Ok(Reply::Go("/system?said=kit-proved".to_owned())),
                Err(AccountError::Wrong) => wrong_groups(visit, visit.locale().word("err-kit")),
                Err(error) => match answer::problem(&error, visit.locale()) {
                    Some(text) => wrong_groups(visit, text),
                    None => Err(error.into()),
                },
            }
        })
        .await
}

fn wrong_groups(visit: &Visit, text: String) -> Result<Reply, PageError> {
    let refused = Refused { groups: Some(Problem::plain(text)), ..Refused::default() };
    Ok(Reply::Refused(system_page(visit, refused)?))
}
