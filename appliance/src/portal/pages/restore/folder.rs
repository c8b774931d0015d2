//! One folder at one date.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::format::path::EntryPath;
use datis_engine::units::UnixMillis;
use datis_engine::wire::SnapshotState;

use super::super::super::answer::{PageError, Reply, encoded};
use super::super::super::frame::Frame;
use super::super::super::visit::Visit;
use super::super::Date;
use super::dates::Dates;
use super::place::{Place, path_of, shown_name, text_of};
use super::{icon, kind_key};
use crate::locale::Locale;
use crate::operations::browse::{self, BrowseError, EntryKind, FolderEntry, Moment, PageCursor};

/// Entries of one page, all of which can be chosen at once.
pub(super) const PAGE: usize = 200;

#[derive(Template)]
#[template(path = "restore_folder.html")]
struct FolderView<'p> {
    frame: Frame<'p>,
    machine: String,
    source: String,
    crumbs: Vec<Crumb>,
    dates: Dates,
    /// What is to be known of the snapshot.
    /// How whole it is where it is not, and that it is kept outside only.
    notices: Vec<(&'static str, String)>,
    /// `None`: there is no such folder at this date.
    listed: Option<Listed>,
    /// Of the path, when it is not there.
    versions: Option<String>,
}

/// A folder on the way to where one is.
struct Crumb {
    name: String,
    address: String,
    is_here: bool,
}

/// What a page shows of a folder.
struct Listed {
    entries: Vec<EntryRow>,
    is_damaged: bool,
    /// Addresses of the page that follows, and of the first one.
    next: Option<String>,
    first: Option<String>,
    /// Where a choice is sent to, and the folder, as text.
    archive: String,
    path: String,
    /// Address of the folder as an archive.
    whole: String,
    /// Where a choice is sent to that is to be put back, if it can be.
    put_back: Option<String>,
}

struct EntryRow {
    name: String,
    /// As text for the form.
    value: String,
    /// What it is, if that is to be said.
    kind: Option<String>,
    icon: &'static str,
    /// The folder, or the versions of a file.
    address: String,
    /// Of a file, or of a folder as an archive; links and the like have no bytes.
    download: Option<String>,
    size: Option<String>,
    modified: Option<Date>,
}

pub(in crate::portal) async fn newest(visit: Visit, at: web::Path<(String, String)>) -> HttpResponse {
    let (machine, source) = at.into_inner();
    visit
        .answer(move |visit| {
            let place = Place::find(visit, &machine, &source)?;
            let path = path_of(visit.query("path").as_deref())?;
            let moment = match visit.query("snapshot") {
                Some(chosen) => place.moment(&chosen)?,
                None => place.moments.first().ok_or(PageError::NotFound)?,
            };
            Ok(Reply::Go(place.addresses.folder(&moment.id, path.as_ref())))
        })
        .await
}

pub(in crate::portal) async fn folder(visit: Visit, at: web::Path<(String, String, String)>) -> HttpResponse {
    let (machine, source, snapshot) = at.into_inner();
    visit
        .answer(move |visit| {
            let place = Place::find(visit, &machine, &source)?;
            let moment = place.moment(&snapshot)?;
            let path = path_of(visit.query("path").as_deref())?;
            let after = visit.query("after").and_then(|after| after.parse::<PageCursor>().ok());
            let (site, at) = (&visit.portal.site, path.as_ref());
            let listed = match browse::folder(site, &place.scope, &moment.id, at, after.as_ref(), PAGE) {
                Ok(page) => {
                    let has_places = browse::has_places(site, &place.scope, &moment.id)?;
                    let listed = listed(&place, moment, at, after.is_some(), page, visit.locale());
                    Some(Listed { put_back: listed.put_back.filter(|_| has_places), ..listed })
                }
                Err(BrowseError::NotFound) => None,
                Err(error) => return Err(error.into()),
            };
            if let (None, Some(path)) = (&listed, at)
                && browse::entry(site, &place.scope, &moment.id, path).is_ok()
            {
                // It is there and no folder: what there is to see of a file are its versions.
                return Ok(Reply::Go(place.addresses.versions(path)));
            }
            Ok(Reply::Page(view(visit, &place, moment, at, listed)?))
        })
        .await
}

fn view(
    visit: &Visit,
    place: &Place,
    moment: &Moment,
    path: Option<&EntryPath>,
    listed: Option<Listed>,
) -> Result<String, PageError> {
    let locale = visit.locale();
    let state = match moment.state {
        SnapshotState::Complete => None,
        SnapshotState::Incomplete => Some(("warn", locale.count("restore-incomplete", moment.problems))),
        SnapshotState::Damaged => Some(("bad", locale.word("restore-damaged"))),
    };
    let place_of_it = moment.is_outside.then(|| ("plain", locale.word("restore-outside")));
    let page = FolderView {
        frame: Frame::new(visit, &format!("{} · {}", place.machine_name, locale.word("nav-restore"))),
        machine: place.machine_name.clone(),
        source: place.source.as_str().to_owned(),
        crumbs: crumbs(place, moment, path),
        dates: Dates::new(place, moment, path, locale),
        notices: state.into_iter().chain(place_of_it).collect(),
        versions: path.filter(|_| listed.is_none()).map(|path| place.addresses.versions(path)),
        listed,
    };
    Ok(page.render()?)
}

/// From the top down to `path`.
fn crumbs(place: &Place, moment: &Moment, path: Option<&EntryPath>) -> Vec<Crumb> {
    let mut below = Vec::new();
    let mut next = path.cloned();
    while let Some(path) = next {
        below.push(Crumb {
            name: shown_name(path.name()),
            address: place.addresses.folder(&moment.id, Some(&path)),
            is_here: below.is_empty(),
        });
        next = path.parent();
    }
    below.push(Crumb {
        name: "/".to_owned(),
        address: place.addresses.folder(&moment.id, None),
        is_here: path.is_none(),
    });
    below.reverse();
    below
}

fn listed(
    place: &Place,
    moment: &Moment,
    path: Option<&EntryPath>,
    is_further: bool,
    page: browse::FolderPage,
    locale: &Locale,
) -> Listed {
    let here = place.addresses.folder(&moment.id, path);
    let next = page.next.map(|next| {
        let joined = if path.is_some() { '&' } else { '?' };
        format!("{here}{joined}after={}", encoded(&next.to_string()))
    });
    Listed {
        entries: page.entries.iter().filter_map(|entry| row(place, moment, path, entry, locale)).collect(),
        is_damaged: page.is_damaged,
        next,
        first: is_further.then_some(here),
        archive: place.addresses.archive(&moment.id, None),
        path: path.map(|path| text_of(path.as_bytes())).unwrap_or_default(),
        whole: place.addresses.archive(&moment.id, path),
        put_back: Some(place.addresses.put_back(&moment.id)),
    }
}

/// `None` for an entry whose path would be too long: no snapshot holds one.
fn row(
    place: &Place,
    moment: &Moment,
    folder: Option<&EntryPath>,
    entry: &FolderEntry,
    locale: &Locale,
) -> Option<EntryRow> {
    let path = match folder {
        Some(folder) => folder.join(&entry.name),
        None => EntryPath::parse(entry.name.clone()),
    };
    let path = path.ok()?;
    let (address, download) = match entry.kind {
        EntryKind::Dir => {
            (place.addresses.folder(&moment.id, Some(&path)), Some(place.addresses.archive(&moment.id, Some(&path))))
        }
        EntryKind::File => (place.addresses.versions(&path), Some(place.addresses.file(&moment.id, &path))),
        _ => (place.addresses.versions(&path), None),
    };
    let is_plain = matches!(entry.kind, EntryKind::Dir | EntryKind::File);
    Some(EntryRow {
        name: shown_name(&entry.name),
        value: text_of(&entry.name),
        kind: (!is_plain).then(|| locale.word(kind_key(entry.kind))),
        icon: icon(entry.kind),
        address,
        download,
        size: (entry.kind == EntryKind::File).then(|| locale.bytes(entry.size)),
        modified: entry.known.map(|(at, _)| Date::new(UnixMillis(at.seconds.saturating_mul(1_000)))),
    })
}
