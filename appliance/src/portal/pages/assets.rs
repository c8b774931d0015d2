//! Styles, script, icon and the authority's certificate. The names of files hold the digest of what is in them, so browsers
//! keep them until another version of the box has others.

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use super::super::answer::{self, Reply};
use super::super::visit::Visit;

const STYLE: &str = include_str!("../../../../portal-templates/static/portal.css");
const SCRIPT: &str = include_str!("../../../../portal-templates/static/portal.js");
const ICON: &str = include_str!("../../../../portal-templates/static/portal.svg");

/// Where the styles are.
pub(in crate::portal) fn style_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| path("css", STYLE))
}

/// Where the script is.
pub(in crate::portal) fn script_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| path("js", SCRIPT))
}

/// Where the icon is.
pub(in crate::portal) fn icon_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| path("svg", ICON))
}

fn path(kind: &str, content: &str) -> String {
    format!("/static/portal-{}.{kind}", &blake3::hash(content.as_bytes()).to_hex()[..16])
}

pub(in crate::portal) async fn file(visit: Visit, name: web::Path<String>) -> HttpResponse {
    let path = format!("/static/{name}");
    let (media_type, content) = if path == style_path() {
        ("text/css; charset=utf-8", STYLE)
    } else if path == script_path() {
        ("text/javascript; charset=utf-8", SCRIPT)
    } else if path == icon_path() {
        ("image/svg+xml", ICON)
    } else {
        return answer::plain(StatusCode::NOT_FOUND, visit.locale().word("err-not-found"));
    };
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(content)
}

pub(in crate::portal) async fn authority(visit: Visit) -> HttpResponse {
    let bytes = visit.portal.tls.authority();
    let file = Reply::File { name: "datis-portal.crt", media_type: "application/pkix-cert", bytes };
    file.into_response().await.unwrap_or_else(|error| answer::failed(&visit, error))
}
