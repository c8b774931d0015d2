//! The portal: a page for people, figures for supervision. Served on the loopback address only, until there are accounts.
//!
//! Nothing can be changed here. Since anybody on this computer may look, pages show what the box has, never what is in
//! it. Requests under another host name are refused, so that no page from elsewhere can read this one through a browser.

mod health;
mod page;
mod supervision;
#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, Service};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use askama::Template;
use prometheus_client::registry::Registry;
use serde::Deserialize;

use crate::commissioning;
use crate::locale::{Locale, LocaleError, Locales};
use crate::meters::{Meters, WorkerView};
use crate::operations::{self, OperationError, Site};

use page::{Scene, StatusPage};

/// Connections at a time; there is one computer to serve.
const CONNECTIONS_MAX: usize = 64;
/// Threads that look into the catalog.
const BLOCKING_MAX: usize = 4;
/// From connecting to the end of a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// No script at all, styles from here, nothing from elsewhere, in nobody's frame.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../../../portal-templates/static/portal.css");

/// What the workers do.
type Workers = Box<dyn Fn() -> Vec<WorkerView> + Send + Sync>;

/// What all pages share.
pub(crate) struct Portal {
    site: Arc<Site>,
    workers: Workers,
    counters: Registry,
    locales: Locales,
}

/// Why the portal cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortalError {
    #[error("the portal has no words")]
    Words(#[from] LocaleError),
    #[error("the portal port cannot be listened on")]
    Listen(#[from] std::io::Error),
}

impl Portal {
    pub(crate) fn new(site: Arc<Site>, meters: &Meters, workers: Workers) -> Result<Arc<Self>, PortalError> {
        let mut counters = Registry::default();
        meters.register(&mut counters);
        Ok(Arc::new(Self { site, workers, counters, locales: Locales::open()? }))
    }

    /// Serves the portal until the server's handle stops it.
    ///
    /// # Errors
    /// The listener cannot be watched.
    pub(crate) fn serve(self: &Arc<Self>, listener: TcpListener) -> Result<Server, PortalError> {
        let portal = web::Data::from(Arc::clone(self));
        let server = HttpServer::new(move || app(portal.clone()))
            .workers(1)
            .max_connections(CONNECTIONS_MAX)
            .worker_max_blocking_threads(BLOCKING_MAX)
            .client_request_timeout(HEAD_TIMEOUT)
            .disable_signals()
            .shutdown_timeout(2)
            .listen(listener)?
            .run();
        Ok(server)
    }

    /// Blocks on the catalog.
    fn look(&self) -> Result<Scene, OperationError> {
        Ok(Scene {
            status: operations::status(&self.site)?,
            machines: operations::list_machines(&self.site)?,
            workers: (self.workers)(),
            checks: commissioning::remembered(&self.site)?,
        })
    }

    fn locale(&self, request: &HttpRequest, asked: Option<&str>) -> &Locale {
        let accepted = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        self.locales.choose(asked, accepted)
    }
}

fn app(
    portal: web::Data<Portal>,
) -> App<
    impl actix_service::ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = actix_web::dev::ServiceResponse,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let guard = portal.clone();
    App::new()
        .app_data(portal)
        .wrap_fn(move |request, service| {
            let foreign = (!is_this_computer(request.connection_info().host()))
                .then(|| guard.locale(request.request(), None).word("foreign-host"));
            let answered = match foreign {
                None => Ok(service.call(request)),
                Some(sentence) => Err(request.into_response(refused(StatusCode::MISDIRECTED_REQUEST, sentence))),
            };
            async move {
                let mut response = match answered {
                    Ok(answering) => answering.await?,
                    Err(refused) => refused,
                };
                let headers = response.headers_mut();
                for (name, value) in [
                    (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
                    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                    (REFERRER_POLICY, "no-referrer"),
                    (CACHE_CONTROL, "no-store"),
                ] {
                    headers.insert(name, HeaderValue::from_static(value));
                }
                Ok(response)
            }
        })
        .route("/", web::get().to(status))
        .route("/portal.css", web::get().to(style))
        .route("/healthz", web::get().to(health))
        .route("/metrics", web::get().to(metrics))
}

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

async fn status(portal: web::Data<Portal>, request: HttpRequest, asked: web::Query<Asked>) -> HttpResponse {
    let language = portal.locale(&request, asked.lang.as_deref()).language;
    let looking = portal.clone();
    let rendered = web::block(move || {
        let scene = looking.look().map_err(|e| log_failure(&e))?;
        let page = StatusPage::new(&scene, &looking.locales, looking.locales.of(language));
        page.render().map_err(|e| log_failure(&e))
    });
    match rendered.await {
        Ok(Ok(page)) => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page),
        Ok(Err(())) | Err(_) => {
            refused(StatusCode::INTERNAL_SERVER_ERROR, portal.locales.of(language).word("unavailable"))
        }
    }
}

async fn style() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(STYLE)
}

async fn health(portal: web::Data<Portal>) -> HttpResponse {
    match portal.site.poisoned() {
        None => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n"),
        Some(_) => refused(StatusCode::SERVICE_UNAVAILABLE, "the box must start again".to_owned()),
    }
}

async fn metrics(portal: web::Data<Portal>) -> HttpResponse {
    let looking = portal.clone();
    let figures = web::block(move || {
        let scene = looking.look().map_err(|e| log_failure(&e))?;
        supervision::encode(&looking.counters, &scene).map_err(|e| log_failure(&e))
    });
    match figures.await {
        Ok(Ok(text)) => HttpResponse::Ok().content_type(supervision::OPEN_METRICS).body(text),
        Ok(Err(())) | Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "the log says why".to_owned()),
    }
}

fn log_failure(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error, "The portal cannot show the state of the box");
}

fn refused(status: StatusCode, sentence: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(sentence + "\n")
}

/// A browser that was led here under another name (DNS rebinding) sends that name.
fn is_this_computer(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}
