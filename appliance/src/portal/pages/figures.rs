//! A sign of life, and figures for supervision.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::super::answer::{self, Reply};
use super::super::supervision;
use super::super::visit::Visit;

pub(in crate::portal) async fn health(visit: Visit) -> HttpResponse {
    match visit.portal.site.poisoned() {
        None => answer::plain(StatusCode::OK, "ok".to_owned()),
        Some(_) => answer::plain(StatusCode::SERVICE_UNAVAILABLE, "the box must start again".to_owned()),
    }
}

pub(in crate::portal) async fn metrics(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let text = supervision::encode(&visit.portal.counters, &visit.portal.look()?)?;
            Ok(Reply::Text { media_type: supervision::OPEN_METRICS, text })
        })
        .await
}
