//! All versions of one file or folder.

use actix_web::{HttpResponse, web};
use askama::Template;
use datis_engine::format::path::EntryPath;
use datis_engine::units::UnixMillis;

use super::super::super::answer::{PageError, Reply};
use super::super::super::frame::Frame;
use super::super::super::visit::Visit;
use super::super::Date;
use super::kind_key;
use super::place::{Place, path_of, shown_name};
use crate::operations::browse::{self, EntryKind, Version};

#[derive(Template)]
#[template(path = "restore_versions.html")]
struct VersionsPage<'p> {
    frame: Frame<'p>,
    machine: String,
    source: String,
    base: String,
    name: String,
    /// The folder that it is, or was, in, and its address.
    folder: String,
    folder_address: String,
    /// When it was last seen, if it is not in the newest snapshot.
    gone: Option<Date>,
    unreadable: Option<String>,
    is_cut: bool,
    versions: Vec<VersionRow>,
}

struct VersionRow {
    /// What it is, unless it is a file.
    kind: Option<String>,
    from: Date,
    /// `None` when only one snapshot has it so.
    to: Option<Date>,
    snapshots: String,
    modified: Date,
    size: Option<String>,
    target: Option<String>,
    /// Of a folder.
    folder: Option<String>,
    /// `None` for what has no bytes.
    download: Option<String>,
}

pub(in crate::portal) async fn versions(visit: Visit, at: web::Path<(String, String)>) -> HttpResponse {
    let (machine, source) = at.into_inner();
    visit
        .answer(move |visit| {
            let locale = visit.locale();
            let place = Place::find(visit, &machine, &source)?;
            let path = path_of(visit.query("path").as_deref())?.ok_or(PageError::NotFound)?;
            let found = browse::versions(&visit.portal.site, &place.scope, &place.machine, &place.source, &path)?;
            let newest = found.versions.first();
            let moment = newest.map(|version| version.snapshot).or(place.moments.first().map(|moment| moment.id));
            let moment = moment.ok_or(PageError::NotFound)?;
            let (name, folder) = (shown_name(path.name()), path.parent());
            let page = VersionsPage {
                frame: Frame::new(visit, &format!("{name} · {}", locale.word("nav-restore"))),
                machine: place.machine_name.clone(),
                source: place.source.as_str().to_owned(),
                base: place.addresses.base(),
                name,
                folder: folder.as_ref().map_or_else(|| "/".to_owned(), |folder| format!("/{folder}")),
                folder_address: place.addresses.folder(&moment, folder.as_ref()),
                gone: newest.filter(|_| !found.is_in_newest).map(|version| Date::new(version.to)),
                unreadable: (found.unreadable > 0).then(|| locale.count("versions-unreadable", found.unreadable)),
                is_cut: found.is_cut,
                versions: found.versions.iter().map(|version| row(visit, &place, &path, version)).collect(),
            };
            Ok(Reply::Page(page.render()?))
        })
        .await
}

fn row(visit: &Visit, place: &Place, path: &EntryPath, version: &Version) -> VersionRow {
    let (locale, detail) = (visit.locale(), &version.detail);
    let (is_file, is_folder) = (detail.kind == EntryKind::File, detail.kind == EntryKind::Dir);
    VersionRow {
        kind: (!is_file).then(|| locale.word(kind_key(detail.kind))),
        from: Date::new(version.from),
        to: (version.to != version.from).then(|| Date::new(version.to)),
        snapshots: locale.count("versions-same", version.snapshots),
        modified: Date::new(UnixMillis(detail.modified.seconds.saturating_mul(1_000))),
        size: is_file.then(|| locale.bytes(detail.size)),
        target: detail.target.as_deref().map(|target| String::from_utf8_lossy(target).escape_debug().to_string()),
        folder: is_folder.then(|| place.addresses.folder(&version.snapshot, Some(path))),
        download: if is_folder {
            Some(place.addresses.archive(&version.snapshot, Some(path)))
        } else {
            is_file.then(|| place.addresses.file(&version.snapshot, path))
        },
    }
}
