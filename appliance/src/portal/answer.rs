//! Answers: pages, ways on to other pages, refusals. What was done leads on with 303, so that reloading does it once.

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION, REFRESH, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use datis_engine::store::StoreError;

use super::download::Download;
use super::frame::Frame;
use super::routes::Route;
use super::visit::Visit;
use crate::locale::Locale;
use crate::operations::accounts::{AccountError, Secret};
use crate::operations::browse::BrowseError;
use crate::operations::{self, OperationError, PutBackProblem};
use crate::sheets::SheetError;

/// The cookie of a session. Its name makes browsers take it from this host alone, over TLS (RFC 6265bis, 4.1.3.2).
pub(super) const COOKIE: &str = "__Host-datis";

/// After how many seconds a page is asked for again that shows what is under way.
const ASKED_AGAIN_SECONDS: u16 = 3;

/// What a handler answers.
pub(super) enum Reply {
    /// A page.
    Page(String),
    /// A page that browsers ask for again after some seconds: something is under way.
    UnderWay(String),
    /// A page that says what is wrong with what was sent.
    Refused(String),
    /// On to another page.
    Go(String),
    /// Signed in, or one step further, and on.
    SignedIn(Secret, String),
    /// Signed in, with a page to be read first.
    SignedInPage(Secret, String),
    /// Signed out.
    SignedOut,
    /// Text for programs.
    Text { media_type: &'static str, text: String },
    /// Something out of a backup.
    Download(Box<Download>),
    /// A file to be kept.
    File { name: &'static str, media_type: &'static str, bytes: Vec<u8> },
}

impl Reply {
    /// Waits for the first bytes of a download: what fails before them is told as a page.
    pub(super) async fn into_response(self) -> Result<HttpResponse, PageError> {
        Ok(match self {
            Self::Download(download) => download.response().await?,
            Self::Page(html) => page(StatusCode::OK, html),
            Self::UnderWay(html) => {
                let mut response = page(StatusCode::OK, html);
                response.headers_mut().insert(REFRESH, HeaderValue::from(ASKED_AGAIN_SECONDS));
                response
            }
            Self::Refused(html) => page(StatusCode::UNPROCESSABLE_ENTITY, html),
            Self::Go(path) => go(&path),
            Self::SignedIn(secret, path) => with_cookie(go(&path), secret.expose()),
            Self::SignedInPage(secret, html) => with_cookie(page(StatusCode::OK, html), secret.expose()),
            Self::SignedOut => {
                let mut response = go("/login");
                let mut cookie = session_cookie(String::new());
                cookie.make_removal();
                // A cookie without a value is always one.
                let _ = response.add_cookie(&cookie);
                response
            }
            Self::Text { media_type, text } => HttpResponse::Ok().content_type(media_type).body(text),
            Self::File { name, media_type, bytes } => HttpResponse::Ok()
                .content_type(media_type)
                .insert_header(("content-disposition", format!("attachment; filename=\"{name}\"")))
                .body(bytes),
        })
    }
}

fn with_cookie(mut response: HttpResponse, secret: &str) -> HttpResponse {
    // Letters and digits are always a cookie.
    let _ = response.add_cookie(&session_cookie(secret.to_owned()));
    response
}

fn session_cookie(value: String) -> Cookie<'static> {
    Cookie::build(COOKIE, value).path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
}

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("the page cannot be written")]
    Template(#[from] askama::Error),
    /// What was asked for is not there, or not for this visitor.
    #[error("there is no such thing")]
    NotFound,
    /// Something of a backup is damaged; the rest of it can still be read.
    #[error("a part of a backup cannot be read")]
    Unreadable(#[source] OperationError),
    /// As many downloads run as the box can serve.
    #[error("too many downloads run already")]
    Busy,
    /// What was to be downloaded could not be handed over.
    #[error("the bytes could not be handed over")]
    Sink(#[source] std::io::Error),
    #[error("the figures cannot be written")]
    Figures(#[from] std::fmt::Error),
    /// A picture or document could not be made.
    #[error("{0}")]
    Other(String),
}

impl From<OperationError> for PageError {
    fn from(error: OperationError) -> Self {
        Self::Account(error.into())
    }
}

impl From<SheetError> for PageError {
    fn from(error: SheetError) -> Self {
        match error {
            SheetError::Operation(error) => error.into(),
            SheetError::Paper(_) | SheetError::NotInOrder(_) => Self::Other(operations::chain(&error)),
        }
    }
}

impl From<BrowseError> for PageError {
    fn from(error: BrowseError) -> Self {
        match error {
            // What is no file has no bytes to give, whoever asks for them.
            BrowseError::NotFound | BrowseError::NoFile { .. } => Self::NotFound,
            BrowseError::Unreadable(error) => Self::Unreadable(error),
            BrowseError::Sink(error) => Self::Sink(error),
            BrowseError::Fault(error) => error.into(),
        }
    }
}

/// What is wrong with what was sent, in the visitor's language; `None` for what is not the visitor's doing.
pub(super) fn problem(error: &AccountError, locale: &Locale) -> Option<String> {
    let key = match error {
        AccountError::Wait { wait } => return Some(locale.count("err-wait", wait.as_secs() + 1)),
        AccountError::Wrong => "err-wrong",
        AccountError::LinkOver => "err-link-over",
        AccountError::NameTaken => "err-name-taken",
        AccountError::BadName => "err-bad-name",
        AccountError::NoSuchAccount => "err-no-account",
        AccountError::LastAdmin => "err-last-admin",
        AccountError::PasswordShort => "err-password-short",
        AccountError::PasswordLong => "err-password-long",
        AccountError::PasswordGuessable => "err-password-guessable",
        AccountError::TooMany => "err-too-many",
        AccountError::Directory(_) => "err-directory",
        AccountError::DirectoryBusy => "err-directory-busy",
        AccountError::OfDirectory => "err-of-directory",
        AccountError::Operation(OperationError::NameTaken { .. }) => "err-machine-name-taken",
        AccountError::Operation(OperationError::NoSuchMachine { .. }) => "err-no-machine",
        AccountError::Operation(OperationError::PauseLength) => "err-pause",
        AccountError::Operation(OperationError::Store(StoreError::Away { .. })) => "err-away",
        AccountError::Operation(OperationError::ComingBack { .. }) => "err-coming-back",
        AccountError::Operation(OperationError::NotToBePutBack(problem)) => match problem {
            PutBackProblem::Choice => "err-put-back-choice",
            PutBackProblem::Retired => "err-put-back-retired",
            PutBackProblem::Snapshot => "err-put-back-snapshot",
            PutBackProblem::Stream => "err-put-back-stream",
            PutBackProblem::TooMany => "err-put-back-many",
            PutBackProblem::Over => "err-put-back-over",
        },
        AccountError::Operation(_) | AccountError::Hash => return None,
    };
    Some(locale.word(key))
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'p> {
    frame: Frame<'p>,
    heading: String,
    text: String,
    back: bool,
}

/// The answer to a request that could not be fulfilled.
pub(super) fn failed(visit: &Visit, error: PageError) -> HttpResponse {
    match error {
        PageError::NotFound => not_found(visit),
        PageError::Account(AccountError::Operation(OperationError::Forbidden)) => forbidden(visit),
        PageError::Account(AccountError::Operation(OperationError::ConfirmFirst)) => {
            go(&format!("/confirm?next={}", encoded(&visit.path)))
        }
        PageError::Account(error) => match problem(&error, visit.locale()) {
            Some(text) => {
                let mut response = message(visit, StatusCode::UNPROCESSABLE_ENTITY, "err-title", text);
                if let AccountError::Wait { wait } = error {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
                }
                response
            }
            None => {
                let response = broken(&error);
                if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
                    message(visit, response.status(), "err-title", visit.locale().word("unavailable"))
                } else {
                    response
                }
            }
        },
        PageError::Busy => {
            let text = visit.locale().word("err-busy");
            let mut response = message(visit, StatusCode::SERVICE_UNAVAILABLE, "err-title", text);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        PageError::Unreadable(_) => {
            let status = broken(&error).status();
            message(visit, status, "err-title", visit.locale().word("err-unreadable"))
        }
        PageError::Template(_) | PageError::Figures(_) | PageError::Sink(_) | PageError::Other(_) => {
            let status = broken(&error).status();
            message(visit, status, "err-title", visit.locale().word("unavailable"))
        }
    }
}

fn message(visit: &Visit, status: StatusCode, heading: &str, text: String) -> HttpResponse {
    let heading = visit.locale().word(heading);
    let shown = MessagePage { frame: Frame::new(visit, &heading), heading: heading.clone(), text, back: true };
    match shown.render() {
        Ok(html) => page(status, html),
        Err(e) => broken(&e),
    }
}

/// One sentence for whoever is not shown pages.
pub(super) fn plain(status: StatusCode, sentence: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(sentence + "\n")
}

fn page(status: StatusCode, html: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html)
}

/// On to another page of the portal.
pub(super) fn go(path: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther().finish();
    if let Ok(value) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// Something of the box failed; the log says what.
pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> HttpResponse {
    tracing::error!(error, "A request of the portal failed");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the log of the box says why this failed".to_owned())
}

pub(super) fn not_found(visit: &Visit) -> HttpResponse {
    message(visit, StatusCode::NOT_FOUND, "err-not-found-title", visit.locale().word("err-not-found"))
}

pub(super) fn forbidden(visit: &Visit) -> HttpResponse {
    message(visit, StatusCode::FORBIDDEN, "err-forbidden-title", visit.locale().word("err-forbidden"))
}

pub(super) fn unauthorised() -> HttpResponse {
    let mut refused = plain(StatusCode::UNAUTHORIZED, "figures need a token".to_owned());
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refused
}

/// Whoever is not signed in goes there first, and comes back to the page, or to the first one after sending a form.
pub(super) fn sign_in_first(visit: &Visit, route: &Route) -> HttpResponse {
    if route.is_look() && visit.path != "/" {
        go(&format!("/login?next={}", encoded(&visit.path)))
    } else {
        go("/login")
    }
}

/// Whoever has not given the password for a while does so first, and comes back to the page with the form.
pub(super) fn confirm_first(visit: &Visit, route: &Route, referer: Option<&str>) -> HttpResponse {
    let back = if route.is_look() { Some(visit.path.as_str()) } else { referer.and_then(path_of) };
    go(&format!("/confirm?next={}", encoded(back.unwrap_or("/"))))
}

fn path_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    Some(&rest[rest.find('/')?..])
}

/// A path of the portal out of what a form says, so that it leads nowhere else.
pub(super) fn own_path(next: &str) -> &str {
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'"');
    if is_own { next } else { "/" }
}

/// For a value of a query (RFC 3986, 2.3: all but unreserved characters).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    out
}

/// A form that cannot be read.
pub(super) fn unreadable_form(error: actix_web::error::UrlencodedError, _: &HttpRequest) -> actix_web::Error {
    let response = plain(StatusCode::BAD_REQUEST, format!("this form cannot be read: {error}"));
    actix_web::error::InternalError::from_response(error, response).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_away_from_the_portal() {
        for good in ["/", "/machines/ab?x=1", "/restore/%2e%2e"] {
            assert_eq!(own_path(good), good);
        }
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a b", "javascript:x", "/\r\nx"] {
            assert_eq!(own_path(bad), "/", "{bad:?}");
        }
        assert_eq!(encoded("/a b?c=d&é"), "/a%20b%3Fc%3Dd%26%C3%A9");
        assert_eq!(path_of("https://box:8443/people?x=1"), Some("/people?x=1"));
        assert_eq!(path_of("http://box/people"), None);
    }
}
