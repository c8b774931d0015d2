//! The machine port: HTTP/1.1 over TLS 1.3 with certificates on both sides.
//!
//! Before TLS, [`gate`] turns away addresses that come too often; in TLS, [`tls`] accepts certificates of this box's
//! authority, those that other boxes signed themselves, or none; after it, every request except enrolment needs one of this
//! box's authority. Requests of other boxes are served by whoever hands in their routes, and boxes reach nothing else. Handlers only translate: what is done is one
//! verb of `operations`, on a blocking thread.

mod answer;
mod enrol;
mod gate;
mod machines;
mod messages;
mod packs;
#[cfg(test)]
mod tests;
mod tls;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::dev::{AppConfig, Server, Service};
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::{App, HttpMessage, web};
use datis_engine::keys::PublicKey;
use datis_engine::wire::peers::CHANNEL_LABEL;
use datis_engine::wire::reach::CHANNEL_PROTOCOL;
use datis_engine::wire::{self, PACK_PATH, Refusal, RefusalCode};
use futures_util::future::{FutureExt, LocalBoxFuture};

use crate::certs::{Certs, certificate_key, self_signed_key};
use crate::channels::{AnyPipe, Channels};
use crate::doorway::places::Places;
use crate::doorway::{Channel, PEER_PATHS, PeerKey};
use crate::meters::Meters;
use crate::operations::{self, Site};

use gate::{Admitted, Gate};
use machines::{CertifiedKey, KnownMachines};
use messages::{BATCH, SMALL};

/// Threads that speak TLS and HTTP. Hashing and disk work happen on blocking threads beside them.
const WORKERS: usize = 2;
/// Connections that are open at a time, over all workers.
const CONNECTIONS_MAX: usize = 4_096;
/// Handshakes that are under way at a time, for each worker; [`gate`] keeps one address from taking them all.
const HANDSHAKES_MAX: usize = 256;
/// Blocking threads of each worker; an upload holds one for as long as it lasts.
const BLOCKING_MAX: usize = 48;
/// Running requests may take this long when the box stops.
const STOP_TIMEOUT_SECONDS: u64 = 10;

/// How long the port waits for the other side.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// From connecting to the end of the handshake, and from a request's first byte to the end of its head; 10 s.
    head: Duration,
    /// Between two requests of a connection; 75 s.
    idle: Duration,
    /// For each stretch of a body; 30 s.
    pace: Duration,
    /// For a machine that takes nothing of what is sent to it; 60 s.
    stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            pace: Duration::from_secs(30),
            stall: Duration::from_secs(60),
        }
    }
}

/// What all handlers share.
pub(crate) struct Intake {
    site: Arc<Site>,
    certs: Arc<Certs>,
    meters: Meters,
    machines: KnownMachines,
    enrolments: enrol::Attempts,
    messages: Places,
    uploads: Places,
    patience: Patience,
    stopping: AtomicBool,
}

impl Intake {
    pub(crate) fn new(site: Arc<Site>, certs: Arc<Certs>, meters: Meters, patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            site,
            certs,
            meters,
            machines: KnownMachines::default(),
            enrolments: enrol::Attempts::default(),
            messages: messages::places(),
            uploads: packs::places(),
            patience,
            stopping: AtomicBool::new(false),
        })
    }

    /// From now on every new request is refused with the sentence that the box is stopping.
    pub(crate) fn stop_taking_requests(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Serves the machine port until the server's handle stops it. `peers`: what other boxes ask.
    ///
    /// # Errors
    /// The TLS set-up is not accepted, or the listener cannot be watched.
    pub(crate) fn serve(self: &Arc<Self>, listener: TcpListener, peers: ForPeers) -> Result<Server, ServeError> {
        let address = listener.local_addr()?;
        let tls = tls::server_config(&self.certs, &self.site.clock)?;
        actix_tls::accept::max_concurrent_tls_connect(HANDSHAKES_MAX);
        let mut acceptor = Acceptor::new(tls);
        acceptor.set_handshake_timeout(self.patience.head);
        let Patience { head, idle, .. } = self.patience.clone();
        let gate = Gate::new(self.meters.clone(), self.patience.stall, Arc::clone(&peers.known));
        let intake = web::Data::from(Arc::clone(self));

        let builder = Server::build();
        let stopping = builder.graceful_shutdown_signal();
        let server = builder
            .workers(WORKERS)
            .max_concurrent_connections(CONNECTIONS_MAX / WORKERS)
            .worker_max_blocking_threads(BLOCKING_MAX)
            .shutdown_timeout(STOP_TIMEOUT_SECONDS)
            .disable_signals()
            .listen("machine port", listener, move || {
                let gate = gate.clone();
                let app = map_config(
                    app(intake.clone(), peers.routes.clone())
                        .into_factory()
                        .map_err(|e: actix_web::Error| e.error_response()),
                    |()| AppConfig::default(),
                );
                let (stopping, channels) = (stopping.clone(), peers.channels.clone());
                let stops = stopping.clone();
                let http = HttpService::build()
                    // Idle connections end with it, so that a stop does not wait for machines that have nothing to say.
                    .graceful_shutdown_signal(move || {
                        let stopping = stopping.clone();
                        async move { stopping.notified().await }
                    })
                    .secure()
                    .local_addr(address)
                    .keep_alive(idle)
                    .client_request_timeout(head)
                    .client_disconnect_timeout(Duration::from_secs(2))
                    .h1_write_buffer_size(256 << 10)
                    .on_connect_ext(|stream: &TlsStream<Admitted>, data| {
                        stream.get_ref().0.established();
                        let tls = stream.get_ref().1;
                        let Some(presented) = tls.peer_certificates().and_then(|chain| chain.first()) else { return };
                        if let Some(key) = self_signed_key(presented) {
                            data.insert(PeerKey(key));
                            if let Ok(channel) = tls.export_keying_material([0; 32], CHANNEL_LABEL, None) {
                                data.insert(Channel(channel));
                            }
                        } else if let Some(key) = certificate_key(presented) {
                            data.insert(CertifiedKey(key));
                        }
                    })
                    .h1(app);
                fn_service(move |stream| std::future::ready(gate.admit(stream)))
                    .map_err(TlsError::Tls)
                    .and_then(acceptor.clone().map_err(TlsError::into_service_error))
                    .map(|stream: TlsStream<Admitted>| {
                        let peer = stream.get_ref().0.peer();
                        (stream, Some(peer))
                    })
                    .and_then(apply_fn_factory(http.map_err(TlsError::Service), move |(stream, peer), http| {
                        match lends_or_relays(&stream) {
                            Some(key) => {
                                let (carried, stops) = (channels(Box::new(stream), key), stops.clone());
                                async move {
                                    tokio::select! {
                                        () = carried => {}
                                        () = stops.notified() => {}
                                    }
                                    Ok(())
                                }
                                .left_future()
                            }
                            None => http.call((stream, peer)).right_future(),
                        }
                    }))
            })?
            .run();
        Ok(server)
    }
}

/// Why the machine port cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The listener.
    #[error("the machine port cannot be listened on")]
    Listen(#[from] std::io::Error),
    /// The box's own certificate or authority is not accepted.
    #[error("TLS cannot be set up with the box's certificates")]
    Tls(#[from] tls::TlsSetupError),
}

/// Whose connection it is, if it is another box's and is to carry bytes of others. What is no other box's gets what everybody gets
/// who asks for what is not served.
fn lends_or_relays(stream: &TlsStream<Admitted>) -> Option<PublicKey> {
    let (admitted, tls) = stream.get_ref();
    let is_channel = tls.alpn_protocol() == Some(CHANNEL_PROTOCOL);
    let shown = tls.peer_certificates().and_then(|chain| chain.first()).filter(|_| is_channel)?;
    let key = self_signed_key(shown)?;
    admitted.established();
    Some(key)
}

/// How other boxes are served.
#[derive(Clone)]
pub(crate) struct ForPeers {
    /// Their requests.
    pub(crate) routes: PeerRoutes,
    /// Connections on which they send none, by the key that the handshake has proved.
    pub(crate) channels: PeerChannels,
    /// Whose connections come from inside.
    pub(crate) known: Arc<Channels>,
}

/// Below this path all requests are. A box that is ahead of this one may ask elsewhere, and is told that nothing is there.
const THIS_VERSION: &str = "/v1/";

/// Carries bytes for as long as it lasts.
pub(crate) type PeerChannels = Arc<dyn Fn(AnyPipe, PublicKey) -> LocalBoxFuture<'static, ()> + Send + Sync>;

/// Adds the routes below [`PEER_PATHS`] and what their handlers need.
pub(crate) type PeerRoutes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// The routes; nothing else is answered with anything but "not found".
fn app(
    intake: web::Data<Intake>,
    peers: PeerRoutes,
) -> App<
    impl actix_service::ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = actix_web::dev::ServiceResponse,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let (meters, guard) = (intake.meters.clone(), intake.clone());
    App::new()
        .app_data(intake)
        .wrap_fn(move |mut request, service| {
            let (meters, started) = (meters.clone(), Instant::now());
            let answered = if request.headers().contains_key(TRANSFER_ENCODING) {
                let unread = request.take_payload();
                Err(request.into_response(answer::length_required(&guard, unread)))
            } else if request.conn_data::<PeerKey>().is_some() && !request.path().starts_with(PEER_PATHS) {
                let sentence = "another box asks for nothing but what is between boxes";
                let is_for_machines = request.path().starts_with(THIS_VERSION);
                let why = if is_for_machines {
                    Refusal::new(RefusalCode::NoCertificate, sentence)
                } else {
                    answer::no_such_request()
                };
                Err(request.into_response(answer::refusal_and_close(&guard, &why)))
            } else {
                Ok(service.call(request))
            };
            async move {
                let response = match answered {
                    Ok(answering) => answering.await?,
                    Err(refused) => refused,
                };
                let route = response.request().match_pattern();
                let (route, status) = (route.as_deref().unwrap_or("other"), response.status().as_u16());
                let seconds = started.elapsed().as_secs_f64();
                meters.request(route, status, seconds);
                tracing::debug!(route, status, seconds, "Request of a machine answered");
                Ok(response)
            }
        })
        .route(path::<wire::Enrol>(), web::post().to(enrol::enrol))
        .route(path::<wire::Renew>(), web::post().to(enrol::renew))
        .route(path::<wire::Heartbeat>(), messages::route(SMALL, operations::heartbeat))
        .route(path::<wire::RunReport>(), messages::route(SMALL, operations::report_run))
        .route(path::<wire::RestoreReport>(), messages::route(SMALL, operations::report_restore))
        .route(path::<wire::ListPutBacks>(), messages::route(SMALL, operations::list_put_backs))
        .route(path::<wire::TellPutBack>(), messages::route(SMALL, operations::tell_put_back))
        .route(path::<wire::Begin>(), messages::route(SMALL, operations::begin))
        .route(path::<wire::Have>(), messages::route(BATCH, operations::have))
        .route(path::<wire::Commit>(), messages::route(wire::REQUEST_MAX, operations::commit))
        .route(path::<wire::Abandon>(), messages::route(SMALL, operations::abandon))
        .route(path::<wire::ListSnapshots>(), messages::route(SMALL, operations::list_snapshots))
        .route(path::<wire::Locate>(), messages::route(BATCH, operations::locate))
        .route(path::<wire::ReadSegment>(), messages::route(BATCH, operations::read_segment))
        .route(PACK_PATH, web::put().to(packs::put))
        .configure(move |routes| peers(routes))
        .default_service(web::to(answer::not_found))
}

const fn path<M: wire::Message>() -> &'static str {
    M::PATH
}
