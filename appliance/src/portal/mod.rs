//! DatisAdmin, the portal for people, and `/metrics` for supervision: HTTPS on the local network.
//!
//! A request passes the [`gate`], which knows from where it comes and who sends it, and lets it through to what the
//! [`routes`] table gives it a right to. Handlers ask `operations` and fill a page; there is nothing to decide in
//! templates. Pages work without script.

mod access;
mod answer;
mod dav;
mod download;
mod frame;
mod gate;
mod openapi;
mod pages;
mod pipe;
mod qr;
mod routes;
mod scene;
mod supervision;
#[cfg(test)]
mod tests;
mod tls;
mod visit;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use datis_engine::format::kit::RecoveryKit;
use datis_engine::units::UnixMillis;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::certs::CertError;
use crate::certs::portal::PortalCerts;
use crate::config::{CommissioningConfig, Config, DataDir};
use crate::host::Host;
use crate::locale::{LocaleError, Locales};
use crate::meters::{Meters, WorkerView};
use crate::operations::{OperationError, Site};
use crate::partner::Door;
use crate::peers::Peers;
use crate::reports::Standing;

use pages::events::Streams;
use pages::peers::Drilling;
use pages::proofs::Proving;
use pages::retention::Weighing;
use pages::site::Checking;
use scene::Scene;
pub(crate) use tls::PortalTls;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 512;
/// Threads that look into the catalog.
const BLOCKING_MAX: usize = 6;
/// From connecting to the end of a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// No form is longer, in bytes.
const FORM_MAX: usize = 64 << 10;

/// What the workers do.
pub(crate) type WorkerLook = Box<dyn Fn() -> Vec<WorkerView> + Send + Sync>;

/// Tries a recovery with the kit that is on the box; what has failed.
pub(crate) type TryRecovery = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Where the box is found.
pub(crate) struct Ways {
    /// The machine port.
    pub(crate) door: Door,
    /// Where machines find it.
    pub(crate) machine_host: String,
    /// Where people find the portal.
    pub(crate) url: String,
    /// The computer under it.
    pub(crate) host: Arc<Host>,
    /// The other boxes.
    pub(crate) peers: Arc<Peers>,
    /// How a lost box is brought back in its place.
    pub(crate) back: Box<dyn BringBack>,
    /// How a recovery is tried.
    pub(crate) drill: TryRecovery,
}

/// Brings a lost box back in the place of this one, as long as this one is blank.
pub(crate) trait BringBack: Send + Sync {
    /// How far it is.
    ///
    /// # Errors
    /// [`OperationError`].
    fn standing(&self) -> Result<BackStanding, OperationError>;

    /// Begins with a kit; does nothing while it is under way. `one_peer`: one box that tells what there was last is believed.
    fn begin(&self, kit: RecoveryKit, one_peer: bool);

    /// Starts this box again as the one that came back, if that is ready.
    fn start_again(&self);
}

/// How far a lost box is on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackStanding {
    /// This box has an owner, machines or backups of its own.
    NotBlank,
    /// It could be.
    NotBegun,
    /// It is on its way.
    UnderWay(BackStage),
    /// It did not come.
    Failed(BackProblem),
    /// It is here. `link`: the path where its first admin comes in.
    Ready { link: String },
}

/// What is done at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BackStage {
    /// The other boxes are asked what they keep.
    Find,
    /// The catalog is made.
    Catalog,
    /// The other boxes are told that this is the box now.
    Place,
}

/// Why it did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackProblem {
    /// The kit names no community.
    NoCommunity,
    /// None of its boxes answers.
    Nobody,
    /// They keep nothing of it.
    NothingKept,
    /// One box's word, where these are silent.
    OneWord { silent: Vec<String> },
    /// Too few of those that keep it answer.
    TooFew,
    /// Something else, as the log has it.
    Other(String),
}

/// What all pages share.
pub(crate) struct Portal {
    site: Arc<Site>,
    dir: DataDir,
    workers: WorkerLook,
    counters: Registry,
    locales: Locales,
    tls: Arc<PortalTls>,
    ways: Ways,
    from_outside: bool,
    commissioning: CommissioningConfig,
    checking: Arc<Checking>,
    streams: Arc<Streams>,
    proving: Arc<Proving>,
    weighing: Arc<Weighing>,
    drilling: Arc<Drilling>,
    /// Downloads that may still begin.
    downloads: Arc<Semaphore>,
    /// Files of network folders.
    places: dav::Places,
    /// Network folders that may still be listed.
    listings: Arc<Semaphore>,
    told: dav::Told,
}

/// Why the portal cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortalError {
    #[error("the portal has no words")]
    Words(#[from] LocaleError),
    #[error("the portal has no certificate")]
    Certificate(#[from] CertError),
    #[error("the company's certificate cannot be looked for")]
    OwnCertificate(#[from] OperationError),
    #[error("TLS cannot be set up with the portal's certificate")]
    Tls(#[from] rustls::Error),
    #[error("the portal port cannot be listened on")]
    Listen(#[from] std::io::Error),
}

impl Portal {
    pub(crate) fn new(
        site: Arc<Site>,
        dir: &DataDir,
        config: &Config,
        meters: &Meters,
        workers: WorkerLook,
        ways: Ways,
    ) -> Result<Arc<Self>, PortalError> {
        let mut counters = Registry::default();
        meters.register(&mut counters);
        let certs = PortalCerts::open_or_make(dir, site.vault.id, &mut |made| tracing::info!("First start: {made}"))?;
        let tls = PortalTls::new(certs, &site.vault.box_name, &config.portal, Arc::clone(&site))?;
        Ok(Arc::new(Self {
            site,
            dir: dir.clone(),
            workers,
            counters,
            locales: Locales::open()?,
            tls: Arc::new(tls),
            ways,
            from_outside: config.portal.from_outside,
            commissioning: config.commissioning.clone(),
            checking: Arc::default(),
            streams: Arc::default(),
            proving: Arc::default(),
            weighing: Arc::default(),
            drilling: Arc::default(),
            downloads: Arc::new(Semaphore::new(pipe::AT_A_TIME)),
            places: dav::Places::default(),
            listings: Arc::new(Semaphore::new(dav::LISTED_AT_A_TIME)),
            told: dav::Told::default(),
        }))
    }

    /// SHA-256 of the certificate of the portal's authority, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        self.tls.fingerprint()
    }

    /// When the certificate that is shown now ends.
    pub(crate) fn certificate_ends(&self) -> Option<UnixMillis> {
        self.tls.ends_at()
    }

    /// Serves the portal until the server's handle stops it.
    ///
    /// # Errors
    /// The listener cannot be watched.
    pub(crate) fn serve(self: &Arc<Self>, listener: TcpListener) -> Result<Server, PortalError> {
        let portal = web::Data::from(Arc::clone(self));
        let config = tls::server_config(&self.tls)?;
        let server = HttpServer::new(move || app(portal.clone()))
            .workers(1)
            .max_connections(CONNECTIONS_MAX)
            .worker_max_blocking_threads(BLOCKING_MAX)
            .client_request_timeout(HEAD_TIMEOUT)
            .on_connect(gate::note_connection)
            .disable_signals()
            .shutdown_timeout(2)
            .listen_rustls_0_23(listener, config)?
            .run();
        let (tls, host) = (Arc::downgrade(&self.tls), Arc::clone(&self.ways.host));
        actix_web::rt::spawn(tls::keep_current(tls, host));
        Ok(server)
    }

    /// Blocks on the catalog.
    fn look(&self) -> Result<Scene, OperationError> {
        Ok(Scene { standing: Standing::look(&self.site)?, workers: (self.workers)() })
    }
}

fn app(
    portal: web::Data<Portal>,
) -> App<
    impl actix_service::ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = actix_web::dev::ServiceResponse<actix_web::body::BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(portal)
        .app_data(web::FormConfig::default().limit(FORM_MAX).error_handler(answer::unreadable_form))
        .app_data(web::PathConfig::default().error_handler(|_, _| actix_web::error::ErrorNotFound("")))
        .configure(routes::configure)
        .wrap(actix_web::middleware::from_fn(gate::pass))
}
