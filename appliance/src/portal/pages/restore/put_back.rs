//! Putting something back on its machine: what is chosen in a folder becomes a request, which waits until somebody at the
//! machine agrees. Its page says what came of it.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::format::path::EntryPath;
use datis_engine::units::UnixMillis;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::Frame;
use super::super::super::visit::Visit;
use super::super::{Date, When};
use super::place::{Place, shown_name, text_of};
use super::take::Choice;
use crate::locale::Locale;
use crate::operations::accounts::Right;
use crate::operations::{self, Machine, PutBack, PutBackKind, PutBackRow, PutBackState};

#[derive(Template)]
#[template(path = "put_back_new.html")]
struct AskPage<'p> {
    frame: Frame<'p>,
    machine: String,
    source: String,
    date: Date,
    /// Where they are put back to.
    paths: Vec<String>,
    /// The choice, to be sent once more.
    folder: String,
    names: Vec<String>,
    action: String,
    back: String,
}

/// Without a `kind` in the form, what would be asked for is shown first, with the exact paths.
pub(in crate::portal) async fn ask(
    visit: Visit,
    at: web::Path<(String, String, String)>,
    form: String,
) -> HttpResponse {
    visit
        .answer(move |visit| {
            let (machine, source, snapshot) = &*at;
            let place = Place::find(visit, machine, source)?;
            let moment = place.moment(snapshot)?;
            let choice = Choice::read(&form)?;
            let back = place.addresses.folder(&moment.id, choice.folder.as_ref());
            if choice.paths.is_empty() {
                let joined = if choice.folder.is_some() { '&' } else { '?' };
                return Ok(Reply::Go(format!("{back}{joined}said=nothing-chosen")));
            }
            if let Some(kind) = choice.kind {
                let (site, actor) = (visit.site(), visit.actor()?);
                let row = operations::ask_put_back(site, actor, &place.machine, &moment.id, &choice.paths, kind)?;
                return Ok(Reply::Go(format!("/put-backs/{}?said=asked", row.0)));
            }
            let page = AskPage {
                frame: Frame::new(visit, &visit.locale().word("put-back-title")),
                machine: place.machine_name.clone(),
                source: place.source.as_str().to_owned(),
                date: Date::new(moment.received_at),
                paths: choice.paths.iter().map(shown_path).collect(),
                folder: choice.folder.as_ref().map(|folder| text_of(folder.as_bytes())).unwrap_or_default(),
                names: choice.paths.iter().map(|path| text_of(path.name())).collect(),
                action: place.addresses.put_back(&moment.id),
                back,
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

fn shown_path(path: &EntryPath) -> String {
    path.components().map(|name| format!("/{}", shown_name(name))).collect()
}

#[derive(Template)]
#[template(path = "put_back.html")]
struct PutBackPage<'p> {
    frame: Frame<'p>,
    machine: String,
    machine_id: String,
    request: Row,
    source: String,
    snapshot: Date,
    snapshot_id: String,
    kind: String,
    asked_by: String,
    asked: When,
    waits_until: Option<Date>,
    answered: Option<(String, When)>,
    ended: Option<When>,
    files: u64,
    size: String,
    problems: Option<String>,
    reason: String,
    paths: Vec<String>,
    is_open: bool,
}

/// A request in a list.
pub(in crate::portal) struct Row {
    pub(in crate::portal) number: i64,
    /// Style class.
    pub(in crate::portal) tone: &'static str,
    pub(in crate::portal) word: String,
    pub(in crate::portal) asked: String,
    pub(in crate::portal) what: String,
}

/// The requests of a machine, newest first.
pub(in crate::portal) fn rows(put_backs: &[PutBack], now: UnixMillis, locale: &Locale) -> Vec<Row> {
    put_backs.iter().map(|put_back| row(put_back, now, locale)).collect()
}

fn row(put_back: &PutBack, now: UnixMillis, locale: &Locale) -> Row {
    let (tone, key) = match put_back.state {
        PutBackState::Waiting => ("waiting", "put-back-waiting"),
        PutBackState::Running => ("working", "put-back-running"),
        PutBackState::Done => ("pass", "put-back-done"),
        PutBackState::Incomplete => ("warn", "put-back-incomplete"),
        PutBackState::Failed => ("fail", "put-back-failed"),
        PutBackState::Refused => ("warn", "put-back-refused"),
        PutBackState::Cancelled => ("retired", "put-back-cancelled"),
        PutBackState::Expired => ("retired", "put-back-expired"),
    };
    let first = put_back.paths.first().map(|path| shown_bytes(path)).unwrap_or_default();
    Row {
        number: put_back.row.0,
        tone,
        word: locale.word(key),
        asked: When::new(put_back.asked_at, now, locale).ago,
        what: match put_back.paths.len() {
            0 | 1 => first,
            more => format!("{first} + {}", more - 1),
        },
    }
}

fn shown_bytes(path: &[u8]) -> String {
    path.split(|byte| *byte == b'/').map(|name| format!("/{}", shown_name(name))).collect()
}

fn number_of(raw: &str) -> Result<PutBackRow, PageError> {
    raw.parse().map(PutBackRow).map_err(|_| PageError::NotFound)
}

pub(in crate::portal) async fn show(visit: Visit, number: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            operations::expire_put_backs(visit.site())?;
            let found = operations::put_back(visit.site(), visit.actor()?, number_of(&number)?)?;
            let (put_back, machine) = found.ok_or(PageError::NotFound)?;
            Ok(Reply::Page(page(visit, &put_back, &machine)?))
        })
        .await
}

fn page(visit: &Visit, put_back: &PutBack, machine: &Machine) -> Result<String, PageError> {
    let (locale, now) = (visit.locale(), visit.site().clock.now());
    let page = PutBackPage {
        frame: Frame::new(visit, &locale.word("put-back-title")),
        machine: machine.name.to_string(),
        machine_id: machine.id.to_string(),
        request: row(put_back, now, locale),
        source: put_back.source.to_string(),
        snapshot: Date::new(put_back.snapshot_at),
        snapshot_id: put_back.snapshot.to_string(),
        kind: locale.word(match put_back.kind {
            PutBackKind::Beside => "put-back-beside",
            PutBackKind::Overwrite => "put-back-overwrite",
        }),
        asked_by: put_back.asked_by.clone(),
        asked: When::new(put_back.asked_at, now, locale),
        waits_until: (put_back.state == PutBackState::Waiting).then(|| Date::new(put_back.expires_at)),
        answered: put_back.answered_at.map(|at| (put_back.answered_by.clone(), When::new(at, now, locale))),
        ended: put_back.ended_at.map(|at| When::new(at, now, locale)),
        files: put_back.files,
        size: locale.bytes(put_back.bytes),
        problems: (put_back.problems > 0).then(|| locale.count("put-back-problems", put_back.problems)),
        reason: put_back.reason.clone(),
        paths: put_back.paths.iter().map(|path| shown_bytes(path)).collect(),
        is_open: put_back.state.is_open() && visit.actor()?.has(Right::Restore),
    };
    Ok(page.render()?)
}

pub(in crate::portal) async fn cancel(visit: Visit, number: web::Path<String>) -> HttpResponse {
    visit
        .answer(move |visit| {
            let row = number_of(&number)?;
            operations::put_back(visit.site(), visit.actor()?, row)?.ok_or(PageError::NotFound)?;
            operations::cancel_put_back(visit.site(), visit.actor()?, row)?;
            Ok(Reply::Go(format!("/put-backs/{}?said=cancelled", row.0)))
        })
        .await
}
