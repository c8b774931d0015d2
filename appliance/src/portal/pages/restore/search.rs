//! Search by name over all dates.

use std::collections::HashMap;

use actix_web::HttpResponse;
use askama::Template;
use datis_engine::ids::MachineId;

use super::super::super::answer::Reply;
use super::super::super::frame::Frame;
use super::super::super::visit::Visit;
use super::super::Date;
use super::place::{Addresses, shown_name};
use super::{icon, kind_key};
use crate::locale::Locale;
use crate::operations;
use crate::operations::browse::{self, EntryKind, Found};

/// Hits of one page: whoever gets more is helped by another word rather than by a second page.
const HITS: usize = 200;
/// Letters of a question that are taken.
const WORDS_MAX: usize = 300;

#[derive(Template)]
#[template(path = "restore_search.html")]
struct SearchPage<'p> {
    frame: Frame<'p>,
    words: String,
    is_cut: bool,
    hits: Vec<HitRow>,
}

struct HitRow {
    name: String,
    /// What it was, unless it was a file.
    kind: Option<String>,
    icon: &'static str,
    is_present: bool,
    machine: String,
    source: String,
    /// The folder that it is in, and its address.
    folder: String,
    folder_address: String,
    versions: String,
    size: Option<String>,
    last: Date,
}

pub(in crate::portal) async fn search(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let locale = visit.locale();
            let words: String = visit.query("q").unwrap_or_default().chars().take(WORDS_MAX).collect();
            let found = browse::search(&visit.portal.site, &visit.scope()?, &words, HITS)?;
            let machines = operations::list_machines(visit.site())?.into_iter();
            let names: HashMap<MachineId, String> = machines.map(|m| (m.id, m.name.as_str().to_owned())).collect();
            let page = SearchPage {
                frame: Frame::new(visit, &locale.word("search-title")),
                words: words.trim().to_owned(),
                is_cut: found.is_cut,
                hits: found.found.iter().filter_map(|hit| row(hit, &names, locale)).collect(),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

fn row(hit: &Found, names: &HashMap<MachineId, String>, locale: &Locale) -> Option<HitRow> {
    let addresses = Addresses::of(&hit.machine, hit.source.as_str());
    let folder = hit.path.parent();
    Some(HitRow {
        name: shown_name(hit.path.name()),
        kind: (hit.kind != EntryKind::File).then(|| locale.word(kind_key(hit.kind))),
        icon: icon(hit.kind),
        is_present: hit.is_present,
        machine: names.get(&hit.machine)?.clone(),
        source: hit.source.as_str().to_owned(),
        folder: folder.as_ref().map_or_else(|| "/".to_owned(), |folder| format!("/{folder}")),
        folder_address: addresses.folder(&hit.snapshot, folder.as_ref()),
        versions: addresses.versions(&hit.path),
        size: (hit.kind == EntryKind::File).then(|| locale.bytes(hit.size)),
        last: Date::new(hit.last_seen),
    })
}
