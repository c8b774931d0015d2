//! Restore: what is in the backups, found by its name, by its place or by its date, and taken out.
//!
//! File first: a search over all dates, or the newest folder of a machine, with the dates above as a second way. Looking
//! is not written down; whatever is taken out stands in the audit log before its first byte is on its way.

mod dates;
mod folder;
pub(super) mod place;
mod put_back;
mod search;
mod take;
mod versions;

use actix_web::HttpResponse;
use askama::Template;
use datis_engine::ids::MachineId;
use datis_engine::units::UnixMillis;

use super::super::answer::{PageError, Reply};
use super::super::frame::Frame;
use super::super::visit::Visit;
use super::When;
use crate::operations::browse::EntryKind;
pub(in crate::portal) use folder::{folder, newest};
pub(in crate::portal) use put_back::{
    Row as PutBackLine, ask as ask_put_back, cancel as cancel_put_back, rows as put_back_lines, show as show_put_back,
};
pub(in crate::portal) use search::search;
pub(in crate::portal) use take::{file, selection, whole_folder};
pub(in crate::portal) use versions::versions;

#[derive(Template)]
#[template(path = "restore.html")]
struct StartPage<'p> {
    frame: Frame<'p>,
    words: String,
    machines: Vec<MachineRow>,
    /// Whether the visitor sees all machines, so that one can be added.
    sees_all: bool,
}

/// A machine, and where its backups are looked into.
struct MachineRow {
    name: String,
    sources: Vec<SourceRow>,
}

struct SourceRow {
    name: String,
    kind: String,
    path: String,
    snapshots: u64,
    last: When,
}

pub(in crate::portal) async fn start(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let locale = visit.locale();
            let page = StartPage {
                frame: Frame::new(visit, &locale.word("nav-restore")),
                words: String::new(),
                machines: machines(visit)?,
                sees_all: visit.actor()?.only_machines().is_none(),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

/// The machines that the visitor may see, by their names; also those that are gone, as long as there are backups.
fn machines(visit: &Visit) -> Result<Vec<MachineRow>, PageError> {
    let (locale, actor, scene) = (visit.locale(), visit.actor()?, visit.portal.look()?);
    let mut rows: Vec<MachineRow> = scene
        .machines_seen_by(actor)
        .into_iter()
        .map(|(_, machine, status)| MachineRow {
            name: status.name.clone(),
            sources: status
                .sources
                .iter()
                .map(|source| SourceRow {
                    name: source.source.clone(),
                    kind: locale.word(&format!("kind-{}", source.kind)),
                    path: address_of(&machine.id, &source.source),
                    snapshots: source.snapshots,
                    last: When::new(UnixMillis(source.last_received_at), UnixMillis(scene.status.now), locale),
                })
                .collect(),
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

/// Where what is in the backups of a source is shown.
pub(super) fn address_of(machine: &MachineId, source: &str) -> String {
    place::Addresses::of(machine, source).base()
}

/// The key of the word for what an entry is.
fn kind_key(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Dir => "entry-folder",
        EntryKind::File => "entry-file",
        EntryKind::Symlink => "entry-link",
        EntryKind::Block | EntryKind::Char => "entry-device",
        EntryKind::Fifo | EntryKind::Socket => "entry-pipe",
    }
}

/// The icon for it.
fn icon(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Dir => "folder",
        EntryKind::File => "file",
        EntryKind::Symlink | EntryKind::Block | EntryKind::Char | EntryKind::Fifo | EntryKind::Socket => "other",
    }
}
