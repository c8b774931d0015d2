//! Taking something out of a backup: a file, or a part of it; a folder, or some of what is in it, as one ZIP file.

use std::io::{self, Write};
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use datis_engine::format::path::EntryPath;

use super::super::super::answer::{PageError, Reply};
use super::super::super::download::{self, Download, Wish};
use super::super::super::pipe;
use super::super::super::visit::Visit;
use super::super::{Date, exactly};
use super::folder::PAGE;
use super::place::{Place, bytes_of, path_of, shown_name};
use crate::operations::PutBackKind;
use crate::operations::accounts::{Action, Right, log_use};
use crate::operations::browse::{self, Moment};

pub(in crate::portal) async fn file(
    visit: Visit,
    request: HttpRequest,
    at: web::Path<(String, String, String)>,
) -> HttpResponse {
    let wish = Wish::of(&request);
    let (machine, source, snapshot) = at.into_inner();
    visit
        .answer(move |visit| {
            let place = Place::find(visit, &machine, &source)?;
            let moment = place.moment(&snapshot)?;
            let path = path_of(visit.query("path").as_deref())?.ok_or(PageError::NotFound)?;
            let receipt = || Receipt::of(visit, &place, moment, std::slice::from_ref(&path)).write();
            let free = || Arc::clone(&visit.portal.downloads).try_acquire_owned().ok();
            let download = download::file(visit, &moment.id, &path, &wish, free, receipt)?;
            Ok(Reply::Download(Box::new(download)))
        })
        .await
}

pub(in crate::portal) async fn whole_folder(
    visit: Visit,
    request: HttpRequest,
    at: web::Path<(String, String, String)>,
) -> HttpResponse {
    let wish = Wish::of(&request);
    visit
        .answer(move |visit| {
            let path = path_of(visit.query("path").as_deref())?;
            archive(visit, &at, &wish, path.as_ref(), path.clone().into_iter().collect())
        })
        .await
}

pub(in crate::portal) async fn selection(
    visit: Visit,
    request: HttpRequest,
    at: web::Path<(String, String, String)>,
    form: String,
) -> HttpResponse {
    let wish = Wish::of(&request);
    visit
        .answer(move |visit| {
            let Choice { folder, paths: chosen, .. } = Choice::read(&form)?;
            if chosen.is_empty() {
                let (machine, source, snapshot) = &*at;
                let place = Place::find(visit, machine, source)?;
                let here = place.addresses.folder(&place.moment(snapshot)?.id, folder.as_ref());
                let joined = if folder.is_some() { '&' } else { '?' };
                return Ok(Reply::Go(format!("{here}{joined}said=nothing-chosen")));
            }
            archive(visit, &at, &wish, folder.as_ref(), chosen)
        })
        .await
}

/// What somebody has ticked in a folder.
pub(super) struct Choice {
    pub(super) folder: Option<EntryPath>,
    pub(super) paths: Vec<EntryPath>,
    /// How it is to be put back, if that was said.
    pub(super) kind: Option<PutBackKind>,
}

impl Choice {
    pub(super) fn read(form: &str) -> Result<Self, PageError> {
        // The same field many times, which forms made of structs do not know.
        let pairs = web::Query::<Vec<(String, String)>>::from_query(form).map_err(|_| PageError::NotFound)?;
        let value = |wanted: &str| pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
        let folder = path_of(value("path"))?;
        let names = pairs.iter().filter(|(key, _)| key == "name").map(|(_, name)| name);
        let paths: Option<Vec<EntryPath>> = names
            .map(|name| {
                let name = bytes_of(name)?;
                match &folder {
                    Some(folder) => folder.join(&name).ok(),
                    None => EntryPath::parse(name).ok(),
                }
            })
            .collect();
        let paths = paths.filter(|paths| paths.len() <= PAGE).ok_or(PageError::NotFound)?;
        let kind = value("kind").map(|word| word.parse().map_err(|_| PageError::NotFound)).transpose()?;
        Ok(Self { folder, paths, kind })
    }
}

/// `folder` gives the archive its name; without `chosen` all of the snapshot is in it.
fn archive(
    visit: &Visit,
    (machine, source, snapshot): &(String, String, String),
    wish: &Wish,
    folder: Option<&EntryPath>,
    chosen: Vec<EntryPath>,
) -> Result<Reply, PageError> {
    let place = Place::find(visit, machine, source)?;
    let moment = place.moment(snapshot)?;
    let of = folder.map_or_else(|| place.source.as_str().to_owned(), |folder| shown_name(folder.name()));
    let date = Date::new(moment.received_at).shown.replace(':', "-");
    let name = format!("{} {of} {date}.zip", place.machine_name);
    let flow = if wish.is_head {
        None
    } else {
        let permit = Arc::clone(&visit.portal.downloads).try_acquire_owned().map_err(|_| PageError::Busy)?;
        let receipt = Receipt::of(visit, &place, moment, &chosen);
        let (site, scope, id) = (Arc::clone(&visit.portal.site), place.scope.clone(), moment.id);
        let flow = pipe::start(permit, None, move |out| {
            // Whether all that was chosen is there is found out before the first byte, so that comes before the receipt.
            browse::archive(&site, &scope, &id, &chosen, Receipted { receipt: Some(receipt), out })?;
            Ok(())
        });
        Some(flow.map_err(PageError::Sink)?)
    };
    Ok(Reply::Download(Box::new(Download { name, media_type: "application/zip", extent: None, flow })))
}

/// What is written into the audit log before something leaves the box.
struct Receipt {
    visit: Visit,
    subject: String,
    details: Vec<String>,
}

impl Receipt {
    /// `paths`: without any, all of the snapshot.
    fn of(visit: &Visit, place: &Place, moment: &Moment, paths: &[EntryPath]) -> Self {
        let date = exactly(moment.received_at.0);
        // The date comes first: long texts are cut in the log.
        let mut details: Vec<String> = paths.iter().map(|path| format!("{date} /{path}")).collect();
        if details.is_empty() {
            details.push(format!("{date} /"));
        }
        Self { visit: visit.clone(), subject: place.subject(), details }
    }

    fn write(&self) -> Result<(), PageError> {
        let actor = self.visit.actor()?;
        for detail in &self.details {
            log_use(self.visit.site(), actor, Right::Restore, Action::Restored, &self.subject, detail)?;
        }
        Ok(())
    }
}

/// Writes the receipt before the first byte goes on.
struct Receipted<'o> {
    receipt: Option<Receipt>,
    out: &'o mut pipe::Outlet,
}

impl Write for Receipted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(receipt) = self.receipt.take() {
            receipt.write().map_err(io::Error::other)?;
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // Pieces go on when they are full, and at the end.
        Ok(())
    }
}
