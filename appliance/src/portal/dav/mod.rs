//! Backups as a network folder, to read from: `/dav/` (RFC 4918, class 1, without any way to change something).
//!
//! Who may is decided in [`entry`], where things stand in [`tree`], what they are called in [`names`]. Folders come as a
//! stream, files too, so memory is bounded whatever is in a backup. Every method that writes is refused before anything is
//! looked at. Decision 0024 says why this is not a library.

mod entry;
mod multistatus;
mod names;
pub(super) mod places;
mod told;
mod tree;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{self, PageError};
use super::download::{self, Wish};
use super::pages::exactly;
use super::pipe;
use super::visit::Visit;
use crate::operations::accounts::{Action, Right, log_use};
pub(super) use entry::{admit, is_within};
use multistatus::{Item, Multistatus, http_date};
pub(super) use places::Places;
pub(super) use told::Told;
use tree::{Found, Node, SnapshotFile, SnapshotFolder};

/// Where the network folder begins.
const ROOT: &str = "/dav";
/// What may be asked of it.
const ALLOWED: &str = "OPTIONS, GET, HEAD, PROPFIND";
/// The same of folders below the first one.
const ALLOWED_OF_FOLDERS: &str = "OPTIONS, PROPFIND";
const XML: &str = "application/xml; charset=utf-8";
/// RFC 4918, 9.1.1: the answer to whoever wants a tree as a whole.
const FINITE_DEPTH: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:error xmlns:D=\"DAV:\">\
                            <D:propfind-finite-depth/></D:error>\n";
/// What a request says beside its head is read away, so that the connection can go on; nothing of it counts. In bytes.
const BODY_MAX: usize = 64 << 10;
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// Folders that are listed at a time: each has a thread, and parts of listings in memory. Who comes later waits for so long.
pub(super) const LISTED_AT_A_TIME: usize = 4;
const LISTING_PATIENCE: Duration = Duration::from_secs(30);

/// What can be done here; whoever the gate lets through may ask.
pub(super) async fn options(_: Visit) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((ALLOW, ALLOWED))
        .insert_header(("dav", "1"))
        .insert_header(("ms-author-via", "DAV"))
        .finish()
}

/// How much of a tree is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Itself,
    AndBelow,
}

impl Depth {
    /// `None` for a whole tree, which is also meant when nothing is said (RFC 4918, 10.2).
    fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(HeaderName::from_static("depth")).map(HeaderValue::as_bytes) {
            Some(b"0") => Some(Self::Itself),
            // The second form is what programs of Microsoft say; that the folder itself comes too, they pass over.
            Some(b"1" | b"1,noroot") => Some(Self::AndBelow),
            Some(_) | None => None,
        }
    }
}

/// What is in a folder, or what a file is.
pub(super) async fn list(visit: Visit, request: HttpRequest, body: web::Payload) -> HttpResponse {
    if !is_read_away(body).await {
        return answer::plain(StatusCode::PAYLOAD_TOO_LARGE, visit.locale().word("dav-body"));
    }
    let Some(depth) = Depth::of(request.headers()) else {
        return HttpResponse::Forbidden().content_type(XML).body(FINITE_DEPTH);
    };
    match listed(&visit, &request, depth).await {
        Ok(response) => response,
        Err(error) => refused(&visit, error),
    }
}

async fn listed(visit: &Visit, request: &HttpRequest, depth: Depth) -> Result<HttpResponse, PageError> {
    // Before the folder is opened: those who wait hold nothing of it.
    let permit = match depth {
        Depth::AndBelow => Some(place(&visit.portal.listings).await?),
        Depth::Itself => None,
    };
    let found = find(visit, request).await?;
    let (address, item) = (found.address, found.item);
    let below = match (permit, found.node) {
        (Some(permit), Node::Folder(folder)) => return streamed(permit, address, item, folder).await,
        (Some(_), Node::Few(items)) => items,
        (Some(_), Node::File(_)) | (None, _) => Vec::new(),
    };
    let written = || {
        let mut answer = Multistatus::begin(Vec::new())?;
        answer.add(&address, &item)?;
        below.iter().try_for_each(|item| answer.add_below(&address, item))?;
        answer.end()
    };
    Ok(multistatus_of().body(written().map_err(PageError::Sink)?))
}

/// A folder of a snapshot may have any number of entries: it comes as it is read.
async fn streamed(
    permit: OwnedSemaphorePermit,
    address: String,
    item: Item,
    mut folder: Box<SnapshotFolder>,
) -> Result<HttpResponse, PageError> {
    let flow = pipe::start(permit, None, move |out| {
        let mut answer = Multistatus::begin(out).map_err(PageError::Sink)?;
        answer.add(&address, &item).map_err(PageError::Sink)?;
        while let Some(item) = folder.next()? {
            answer.add_below(&address, &item).map_err(PageError::Sink)?;
        }
        answer.end().map_err(PageError::Sink)?;
        Ok(())
    });
    let flow = flow.map_err(PageError::Sink)?.begun().await?;
    Ok(multistatus_of().body(flow))
}

fn multistatus_of() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(StatusCode::MULTI_STATUS);
    response.insert_header((CONTENT_TYPE, XML));
    response
}

/// The bytes of a file, or a part of them.
pub(super) async fn read(visit: Visit, request: HttpRequest) -> HttpResponse {
    match taken(&visit, &request).await {
        Ok(response) => response,
        Err(error) => refused(&visit, error),
    }
}

async fn taken(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, PageError> {
    let found = find(visit, request).await?;
    let Node::File(file) = found.node else {
        // Whoever has typed the address into a browser is told what it is; elsewhere no program may take that for a file.
        let is_top = found.address.strip_prefix(ROOT) == Some("/");
        let status = if is_top { StatusCode::OK } else { StatusCode::METHOD_NOT_ALLOWED };
        let mut told = answer::plain(status, visit.locale().word("dav-folder"));
        if !is_top {
            told.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED_OF_FOLDERS));
        }
        return Ok(told);
    };
    let (wish, asking) = (Wish::of(request), visit.clone());
    let made = blocking(move || {
        let receipt = || write_receipt(&asking, &file);
        let place = || asking.portal.places.take(asking.actor().ok()?.name());
        download::file(&asking, &file.snapshot, &file.path, &wish, place, receipt)
    });
    let mut response = made.await?.response().await?;
    let modified = found.item.modified.and_then(http_date);
    if let Some(Ok(date)) = modified.as_deref().map(HeaderValue::from_str) {
        response.headers_mut().insert(LAST_MODIFIED, date);
    }
    Ok(response)
}

/// Before the first byte leaves the box; once for all parts of a file.
fn write_receipt(visit: &Visit, file: &SnapshotFile) -> Result<(), PageError> {
    let actor = visit.actor()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(file.snapshot.as_bytes()).update(file.path.as_bytes()).update(b"/").update(actor.name().as_bytes());
    // Somebody elsewhere with the same token is told apart. No name has a slash.
    hasher.update(b"/").update(visit.origin.address.to_string().as_bytes());
    let taking = *hasher.finalize().as_bytes();
    if visit.portal.told.has(&taking, Instant::now()) {
        return Ok(());
    }
    // The path comes last: long texts are cut in the log.
    let detail = format!("webdav {} /{}", exactly(file.received_at.0), file.path);
    log_use(visit.site(), actor, Right::OpenFolders, Action::Restored, &file.subject, &detail)?;
    visit.portal.told.add(taking, Instant::now());
    Ok(())
}

async fn find(visit: &Visit, request: &HttpRequest) -> Result<Found, PageError> {
    let names = tree::segments(request.uri().path()).ok_or(PageError::NotFound)?;
    let (site, scope) = (Arc::clone(&visit.portal.site), visit.scope()?);
    blocking(move || tree::find(&site, &scope, &names)).await
}

async fn blocking<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, PageError> + Send + 'static,
) -> Result<T, PageError> {
    web::block(make).await.map_err(|error| PageError::Other(error.to_string()))?
}

async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, PageError> {
    let waited = tokio::time::timeout(LISTING_PATIENCE, Arc::clone(places).acquire_owned()).await;
    waited.ok().and_then(Result::ok).ok_or(PageError::Busy)
}

/// False: there is more than anybody has to say, or it does not come.
async fn is_read_away(mut body: web::Payload) -> bool {
    let all = async {
        let mut len = 0_usize;
        while let Some(piece) = body.next().await {
            let Ok(piece) = piece else { return false };
            len = len.saturating_add(piece.len());
            if len > BODY_MAX {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(BODY_PATIENCE, all).await.unwrap_or(false)
}

/// One sentence: programs show no pages.
fn refused(visit: &Visit, error: PageError) -> HttpResponse {
    let locale = visit.locale();
    match error {
        PageError::NotFound => answer::plain(StatusCode::NOT_FOUND, locale.word("err-not-found")),
        PageError::Busy => {
            let mut response = answer::plain(StatusCode::SERVICE_UNAVAILABLE, locale.word("err-busy"));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        PageError::Unreadable(_) => {
            let status = answer::broken(&error).status();
            answer::plain(status, locale.word("err-unreadable"))
        }
        PageError::Account(_)
        | PageError::Template(_)
        | PageError::Sink(_)
        | PageError::Figures(_)
        | PageError::Other(_) => answer::broken(&error),
    }
}
