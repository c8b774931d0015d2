//! One request that has passed the gate: who asks, in which language, and how the answer is made.

use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};

use super::Portal;
use super::answer::{self, PageError, Reply};
use crate::locale::{Language, Locale};
use crate::operations::accounts::{Actor, Origin, TokenScope, Visitor};
use crate::operations::browse::Scope;
use crate::operations::{OperationError, Site};

/// A request that came with a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bearer(pub(super) TokenScope);

/// One request that has passed the gate.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) portal: web::Data<Portal>,
    pub(super) visitor: Visitor,
    pub(super) origin: Origin,
    pub(super) language: Language,
    /// Path and query, as they were asked for.
    pub(super) path: String,
    /// Which of the box's addresses it came in on.
    pub(super) arrived_on: Option<IpAddr>,
    /// How many alerts are open that nobody has seen to; nothing for those who may not look at the box.
    pub(super) unseen_alerts: u64,
    /// Whether it is a form that was sent, so that asking for the same address again gives something else.
    pub(super) is_change: bool,
    /// The host, and perhaps port, that was asked.
    host: String,
}

/// What was asked for.
pub(super) struct Asked {
    pub(super) host: String,
    /// With the query.
    pub(super) path: String,
    pub(super) is_change: bool,
}

impl FromRequest for Visit {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = request.extensions().get::<Self>().cloned();
        ready(visit.ok_or_else(|| actix_web::error::ErrorInternalServerError("the request did not pass the gate")))
    }
}

impl Visit {
    pub(super) fn new(
        portal: web::Data<Portal>,
        (visitor, unseen_alerts): (Visitor, u64),
        origin: Origin,
        language: Language,
        asked: Asked,
        arrived_on: Option<IpAddr>,
    ) -> Self {
        let Asked { host, path, is_change } = asked;
        Self { portal, visitor, origin, language, path, arrived_on, unseen_alerts, is_change, host }
    }

    pub(super) fn locale(&self) -> &Locale {
        self.portal.locales.of(self.language)
    }

    pub(super) fn site(&self) -> &Site {
        &self.portal.site
    }

    /// Who asks; the gate has let nobody else through to where this is called.
    pub(super) fn actor(&self) -> Result<&Actor, PageError> {
        match &self.visitor {
            Visitor::Known(actor) => Ok(actor),
            Visitor::Pending(_) | Visitor::Stranger => Err(OperationError::Forbidden.into()),
        }
    }

    /// What of the backups the visitor may see.
    pub(super) fn scope(&self) -> Result<Scope, PageError> {
        Ok(self.actor()?.only_machines().map_or(Scope::All, |machines| Scope::Only(machines.clone())))
    }

    /// Where the visitor has found the portal.
    pub(super) fn here(&self) -> String {
        format!("https://{}", self.host)
    }

    /// The port that was asked, where it is not the usual one.
    pub(super) fn port(&self) -> Option<&str> {
        // Of an address in brackets the last colon is not the port's.
        self.host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()))
    }

    /// One value of the query.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        super::gate::query_value(self.path.split_once('?')?.1, name)
    }

    /// Makes the answer on a thread that may block.
    pub(super) async fn answer(
        self,
        make: impl FnOnce(&Self) -> Result<Reply, PageError> + Send + 'static,
    ) -> HttpResponse {
        let visit = self.clone();
        match web::block(move || make(&self)).await {
            Ok(Ok(reply)) => reply.into_response().await.unwrap_or_else(|error| answer::failed(&visit, error)),
            Ok(Err(error)) => answer::failed(&visit, error),
            Err(error) => answer::broken(&error),
        }
    }
}
