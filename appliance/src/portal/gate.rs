//! What every request passes: from where it comes, under which name, who sends it, whether they may; and the headers of
//! every answer.

use std::any::Any;
use std::net::IpAddr;
use std::time::Instant;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, USER_AGENT, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::{HttpMessage, HttpResponse, web};

use super::Portal;
use super::access::{Access, is_from_here, is_near};
use super::answer::{self, COOKIE};
use super::dav;
use super::routes::{self, Route};
use super::visit::{Asked, Bearer, Visit};
use crate::locale::Language;
use crate::operations::accounts::{self, Origin, Right, Stage, TokenScope, Visitor};
use crate::operations::{self, OperationError};

/// Nothing from elsewhere, no code in pages, in nobody's frame.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                              connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Which language the pages have, for those who are not signed in.
const LANGUAGE_COOKIE: &str = "datis-language";

const HEADERS: [(HeaderName, &str); 8] = [
    (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    // No subdomains: the name may be one of the company's.
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

/// The address on which a connection came in.
#[derive(Debug, Clone, Copy)]
struct LocalAddress(IpAddr);

/// Remembers on which of the box's addresses a connection came in.
pub(super) fn note_connection(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<TlsStream<TcpStream>>();
    if let Some(Ok(address)) = stream.map(|stream| stream.get_ref().0.local_addr()) {
        data.insert(LocalAddress(address.ip()));
    }
}

/// The gate.
pub(super) async fn pass(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let admitted = admit(&request).await;
    let asked_language = admitted.asked_language;
    let mut response = match admitted.outcome {
        Ok(visit) => {
            request.extensions_mut().insert(visit);
            next.call(request).await?.map_into_boxed_body()
        }
        Err(refused) => request.into_response(refused),
    };
    if let Some(language) = asked_language {
        let cookie = actix_web::cookie::Cookie::build(LANGUAGE_COOKIE, language.code())
            .path("/")
            .secure(true)
            .same_site(actix_web::cookie::SameSite::Lax)
            .max_age(actix_web::cookie::time::Duration::days(365))
            .finish();
        // A cookie of fixed letters is always one.
        let _ = response.response_mut().add_cookie(&cookie);
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    tracing::debug!(%method, route = routes::shown(&path), status, seconds, "Request of the portal answered");
    Ok(response)
}

struct Admitted {
    outcome: Result<Visit, HttpResponse>,
    /// The language that the address asks for, to be remembered.
    asked_language: Option<Language>,
}

async fn admit(request: &ServiceRequest) -> Admitted {
    let Some(portal) = request.app_data::<web::Data<Portal>>().cloned() else {
        let outcome = Err(answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "the portal is not set up".to_owned()));
        return Admitted { outcome, asked_language: None };
    };
    let asked = query_value(request.query_string(), "lang");
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let kept = request.cookie(LANGUAGE_COOKIE).map(|cookie| cookie.value().to_owned());
    let accepted = header(actix_web::http::header::ACCEPT_LANGUAGE);
    let language = portal.locales.choose(asked.as_deref().or(kept.as_deref()), accepted).language;
    let asked_language = asked.as_deref().and_then(Language::of_code);
    let outcome = admit_in(request, &portal, language, asked_language).await;
    Admitted { outcome, asked_language }
}

async fn admit_in(
    request: &ServiceRequest,
    portal: &web::Data<Portal>,
    language: Language,
    chosen: Option<Language>,
) -> Result<Visit, HttpResponse> {
    let locale = portal.locales.of(language);
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else {
        return Err(answer::plain(StatusCode::FORBIDDEN, locale.word("err-outside")));
    };
    let local = request.conn_data::<LocalAddress>().map(|LocalAddress(address)| *address);
    if !portal.from_outside && !is_near(peer, local) {
        return Err(answer::plain(StatusCode::FORBIDDEN, locale.word("err-outside")));
    }
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = header(HOST).unwrap_or_default().to_ascii_lowercase();
    if !portal.tls.answers_to(&host) {
        return Err(answer::plain(StatusCode::MISDIRECTED_REQUEST, locale.word("err-host")));
    }
    let origin = Origin { address: peer, agent: header(USER_AGENT).unwrap_or_default().to_owned() };
    let arrived_on = local.map(|address| address.to_canonical());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let asked = Asked { host: host.clone(), path, is_change };
    if dav::is_within(request.path()) {
        let actor = dav::admit(portal, request, &origin, locale).await?;
        let language = actor.language().and_then(Language::of_code).unwrap_or(language);
        let who = (Visitor::Known(actor), 0);
        return Ok(Visit::new(portal.clone(), who, origin, language, asked, arrived_on));
    }
    let bearer = header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let Caller { visitor, scope, unseen_alerts } = who(portal, &origin, request, bearer).await?;
    let language = match (&visitor, chosen) {
        (_, Some(chosen)) => chosen,
        (Visitor::Known(actor), None) => actor.language().and_then(Language::of_code).unwrap_or(language),
        (Visitor::Pending(pending), None) => {
            pending.language.as_deref().and_then(Language::of_code).unwrap_or(language)
        }
        (Visitor::Stranger, None) => language,
    };
    let visit = Visit::new(portal.clone(), (visitor, unseen_alerts), origin, language, asked, arrived_on);
    if is_change && scope.is_none() && !is_from_here(request.headers(), &host) {
        return Err(answer::plain(StatusCode::FORBIDDEN, visit.locale().word("err-other-page")));
    }
    let Some(route) = request.match_pattern().and_then(|pattern| routes::find(request.method(), &pattern)) else {
        return Err(answer::not_found(&visit));
    };
    let referer = header(actix_web::http::header::REFERER);
    may_pass(&visit, route, scope.map(|Bearer(scope)| scope), referer)?;
    Ok(visit)
}

/// Whoever sends a request.
struct Caller {
    visitor: Visitor,
    scope: Option<Bearer>,
    /// What their pages show beside the way to the alerts.
    unseen_alerts: u64,
}

/// Who sends the request. A token that is shown must be right; a cookie that is over is that of a stranger.
async fn who(
    portal: &web::Data<Portal>,
    origin: &Origin,
    request: &ServiceRequest,
    bearer: Option<String>,
) -> Result<Caller, HttpResponse> {
    let cookie = request.cookie(COOKIE).map(|cookie| cookie.value().to_owned());
    if bearer.is_none() && cookie.is_none() {
        return Ok(Caller { visitor: Visitor::Stranger, scope: None, unseen_alerts: 0 });
    }
    let (site, origin) = (portal.clone(), origin.clone());
    let found = web::block(move || -> Result<_, OperationError> {
        let (visitor, scope) = match (bearer, cookie) {
            (Some(token), _) => match accounts::authenticate_token(&site.site, &origin, &token)? {
                Some((actor, scope)) => (Visitor::Known(actor), Some(Bearer(scope))),
                None => return Ok(None),
            },
            (None, Some(cookie)) => (accounts::authenticate(&site.site, &origin, &cookie)?, None),
            (None, None) => (Visitor::Stranger, None),
        };
        let unseen_alerts = match &visitor {
            Visitor::Known(actor) if actor.has(Right::LookAtBox) => operations::count_unseen_alerts(&site.site)?,
            Visitor::Known(_) | Visitor::Pending(_) | Visitor::Stranger => 0,
        };
        Ok(Some(Caller { visitor, scope, unseen_alerts }))
    });
    match found.await {
        Ok(Ok(Some(known))) => Ok(known),
        Ok(Ok(None)) => {
            let mut refused = answer::plain(StatusCode::UNAUTHORIZED, "the token is wrong or over".to_owned());
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            Err(refused)
        }
        Ok(Err(error)) => Err(answer::broken(&error)),
        Err(error) => Err(answer::broken(&error)),
    }
}

#[expect(clippy::result_large_err, reason = "once a request, and an answer is what it is about")]
fn may_pass(
    visit: &Visit,
    route: &Route,
    scope: Option<TokenScope>,
    referer: Option<&str>,
) -> Result<(), HttpResponse> {
    // A token for figures is good for nothing else, one for looking changes nothing, and one for network folders is good
    // for nothing that passes here.
    let is_within = match scope {
        Some(TokenScope::Metrics) => route.access == Access::Figures,
        Some(TokenScope::Read) => route.is_look(),
        Some(TokenScope::Webdav) => false,
        Some(TokenScope::Manage) | None => true,
    };
    if !is_within {
        return Err(answer::forbidden(visit));
    }
    match (route.access, &visit.visitor) {
        (Access::Public, _) => Ok(()),
        (Access::Figures, visitor) => {
            let is_known = matches!(visitor, Visitor::Known(_));
            if is_known || visit.origin.address.is_loopback() { Ok(()) } else { Err(answer::unauthorised()) }
        }
        // They are let through above, or not at all.
        (Access::Folders, _) => Err(answer::forbidden(visit)),
        (Access::HalfSignedIn, Visitor::Pending(_)) => Ok(()),
        (Access::HalfSignedIn, Visitor::Known(_)) => Err(answer::go("/")),
        (_, Visitor::Pending(pending)) => Err(answer::go(match pending.stage {
            Stage::Setup => "/welcome/second-factor",
            Stage::Code | Stage::Full => "/login/code",
        })),
        (_, Visitor::Stranger) => Err(answer::sign_in_first(visit, route)),
        (Access::SignedIn, Visitor::Known(_)) => Ok(()),
        (Access::Has(right), Visitor::Known(actor)) => match actor.may(right) {
            Ok(()) => Ok(()),
            Err(OperationError::ConfirmFirst) if scope.is_none() => Err(answer::confirm_first(visit, route, referer)),
            Err(_) => Err(answer::forbidden(visit)),
        },
    }
}

/// One value of a query.
pub(super) fn query_value(query: &str, name: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query).ok()?;
    pairs.into_inner().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}
