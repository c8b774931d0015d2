//! The daemon: opens the box, starts workers, portal, machine port and control socket, and stops them in order.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use datis_engine::format::kit::RecoveryKit;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::back::{self, Back};
use super::{AppError, Lock, Opened, advertised_host, portal_url};
use crate::bundle;
use crate::channels::{Channels, RelayLimits};
use crate::commissioning;
use crate::config::{CommunityConfig, Config, DataDir, PORTAL_PORTS};
use crate::control::{self, Desk};
use crate::coordinator::Coordinator;
use crate::discovery::{self, Announced};
use crate::files;
use crate::host::Host;
use crate::intake::{ForPeers, Intake, Patience};
use crate::meters::{Meters, WorkerMood, WorkerView};
use crate::operations::Site;
use crate::operations::community::kit_community;
use crate::partner::{AskMembers, Door, MemberDial};
use crate::peering::Peering;
use crate::peers::{AllowPrivate, Dialler, Identity, Peers};
use crate::portal::{Portal, PortalError, Ways, WorkerLook};
use crate::recovery;
use crate::workers::{self, Drill, Orders, WorkState, WorkerState, Workers};

/// Running requests and workers end within this time when the box stops; what is left then is cut off.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// A failure of durability is noticed within this time.
const POISON_CHECK: Duration = Duration::from_millis(50);

/// Why the box stops in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Terminated,
    Interrupted,
    /// The box that was brought back takes its place.
    ToStartAgain,
}

/// What the command line sets over the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunOptions {
    pub(crate) listen: Option<IpAddr>,
    pub(crate) machine_port: Option<u16>,
    pub(crate) portal_listen: Option<IpAddr>,
    pub(crate) portal_port: Option<u16>,
}

/// Runs the box until a signal stops it.
///
/// # Errors
/// [`AppError::Durability`] when the process must be started again; else why it did not start.
pub(crate) fn run(dir: &DataDir, options: &RunOptions) -> Result<(), AppError> {
    let lock = Lock::take(dir)?;
    back::change_places(dir)?;
    raise_descriptor_limit();
    let mut opened = super::open(dir, lock, &mut |made| tracing::info!("First start: {made}"))?;
    if let Err(error) = recovery::clear_sandbox(dir) {
        // The next drill says so too, where people see it.
        tracing::warn!(error = %control::with_causes(&error), "What a broken drill has left is not cleared away");
    }
    if bundle::looked(dir, &opened.config.bundle, &opened.site) {
        opened.config = super::settled(dir, &opened.site)?;
    }
    let machine_port = &mut opened.config.machine_port;
    machine_port.listen = options.listen.unwrap_or(machine_port.listen);
    machine_port.port = options.machine_port.unwrap_or(machine_port.port);
    let portal = &mut opened.config.portal;
    portal.listen = options.portal_listen.unwrap_or(portal.listen);
    portal.port = options.portal_port.or(portal.port);

    let machines = listen("machine port", machine_port.listen, machine_port.port)?;
    let portal = listen_for_people(&opened.config)?;
    let ports = (machines.address.port(), portal.address.port());
    let ended = actix_web::rt::System::new().block_on(serve(dir, &opened, machines, portal));
    // Threads that did not end in time may still write: the lock has to go with the process, not before it.
    std::mem::forget(opened);
    match ended? {
        Ended::Stopped => Ok(()),
        Ended::ToStartAgain => Err(back::start_again(ports)),
    }
}

/// How the box has ended.
enum Ended {
    Stopped,
    /// Another box has been made that takes its place.
    ToStartAgain,
}

async fn serve(dir: &DataDir, opened: &Opened, machines: Listening, portal: Listening) -> Result<Ended, AppError> {
    let system = |step| move |source| AppError::System { step, source };
    let (site, meters) = (Arc::clone(&opened.site), Meters::new());
    let host = Host::new(Arc::clone(&site), dir, &opened.config.network);
    settle_on_thread(&host);
    let mut terminate = signal(SignalKind::terminate()).map_err(system("watch for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("watch for signals"))?;

    let mut door = super::door(&opened.config, &opened.certs, Some(machines.address.port()), meters.arrivals.clone())?;
    let portal_url = portal_url(&opened.config, Some(portal.address.port()));
    // The portal shows what the workers do, so it comes after them.
    let shown: Arc<OnceLock<Weak<Portal>>> = Arc::default();
    let peers = Arc::new(reach_peers(opened, &site, machines.address));
    site.awaited.reach_by(peers.packs());
    door.members = Some(ask_members(&peers));
    let orders = Orders {
        commissioning: opened.config.commissioning.clone(),
        door: door.clone(),
        portal_url: portal_url.clone(),
        peers: Arc::clone(&peers),
        drill: drill_by_itself(dir, &site),
        certificate_ends: {
            let shown = Arc::clone(&shown);
            Arc::new(move || shown.get()?.upgrade()?.certificate_ends())
        },
    };
    let reachable = peers.keep_reachable().map_err(system("start a thread"))?;
    let workers = RunningWorkers::start(&site, &orders).map_err(system("start a thread"))?;
    let coordinator = start_coordinator(opened)?;
    let announced = announce_by_name(&site, &door);
    let intake = Intake::new(Arc::clone(&site), Arc::clone(&opened.certs), meters.clone(), Patience::default());
    let peering = Peering::new(Arc::clone(&site), meters.clone(), Arc::clone(&peers));
    let for_peers =
        ForPeers { routes: peering.routes(), channels: peering.channels(), known: Arc::clone(peers.channels()) };
    let machine_server =
        intake.serve(machines.listener, for_peers).map_err(|e| AppError::Serve(control::with_causes(&e)))?;
    let states = workers.clone();
    let serving = |e: PortalError| AppError::Serve(control::with_causes(&e));
    let back = Back::new(dir, private(&opened.config), &site);
    let ways = Ways {
        door: door.clone(),
        machine_host: advertised_host(&opened.config, machines.address.ip()),
        url: portal_url.clone(),
        host: Arc::clone(&host),
        peers: Arc::clone(&peers),
        back: Box::new(Arc::clone(&back)),
        drill: drill_by_itself(dir, &site),
    };
    let look: WorkerLook = Box::new(move || states.views());
    let pages = Portal::new(Arc::clone(&site), dir, &opened.config, &meters, look, ways).map_err(serving)?;
    // Nobody has set it before.
    let _ = shown.set(Arc::downgrade(&pages));
    let portal_server = pages.serve(portal.listener).map_err(serving)?;
    let mut addresses = json!({ "machine": machines.address.to_string(), "portal": portal.address.to_string() });
    if let Some(coordinator) = &coordinator {
        addresses["coordinator"] = coordinator_line(opened, coordinator, machines.address.ip()).into();
    }
    let desk = Desk {
        dir: dir.clone(),
        host: advertised_host(&opened.config, machines.address.ip()),
        machine_port: Some(machines.address.port()),
        site: Arc::clone(&site),
        certs: Arc::clone(&opened.certs),
        look: {
            let (addresses, workers, pages) = (addresses.clone(), workers.clone(), Arc::clone(&pages));
            let url = portal_url.clone();
            Arc::new(move || {
                let portal = json!({ "url": url, "authority_sha256": pages.fingerprint() });
                json!({ "running": true, "addresses": addresses, "workers": workers.states(), "portal": portal })
            })
        },
        portal: portal_url,
        commissioning: opened.config.commissioning.clone(),
        bundle: opened.config.bundle.clone(),
        door,
        computer: Some(host),
        peers: Some(peers),
    };
    control::socket::serve(&dir.control_socket(), Arc::new(move |command, progress| desk.execute(command, progress)))
        .map_err(system("open its control socket"))?;
    note_run(dir, &addresses).map_err(system("note where it listens"))?;
    announce(&machines.address, &portal.address);

    let (machine_handle, portal_handle) = (machine_server.handle(), portal_server.handle());
    let ended = futures_util::future::select(Box::pin(machine_server), Box::pin(portal_server));
    let outcome = tokio::select! {
        _ = terminate.recv() => Ok(Stop::Terminated),
        _ = interrupt.recv() => Ok(Stop::Interrupted),
        () = back.is_to_start_again() => Ok(Stop::ToStartAgain),
        reason = poisoned(&site) => Err(AppError::Durability(reason)),
        _ = ended => Err(AppError::Serve("a listener ended by itself; its log says why".to_owned())),
    };
    let stop = outcome?;
    tracing::info!(why = ?stop, "Stopping");
    intake.stop_taking_requests();
    peering.stop_taking_requests();
    drop(announced);
    if let Some(coordinator) = coordinator {
        coordinator.stop();
    }
    site.stop();
    let stopping = async {
        let _ = tokio::join!(machine_handle.stop(true), portal_handle.stop(true), stop_on_thread(workers, reachable));
    };
    let in_time = tokio::select! {
        done = tokio::time::timeout(STOP_TIMEOUT, stopping) => done.is_ok(),
        reason = poisoned(&site) => return Err(AppError::Durability(reason)),
    };
    if !in_time {
        tracing::warn!("Some requests did not end in time and were cut off");
    }
    // The lock goes with the process; these two only tell others where it was.
    let _ = std::fs::remove_file(dir.control_socket());
    let _ = std::fs::remove_file(dir.run_file());
    match site.poisoned() {
        Some(reason) => Err(AppError::Durability(reason)),
        None => Ok(match stop {
            Stop::ToStartAgain => Ended::ToStartAgain,
            Stop::Terminated | Stop::Interrupted => Ended::Stopped,
        }),
    }
}

/// For boxes that name this one as their partner, if that is switched on.
fn start_coordinator(opened: &Opened) -> Result<Option<Coordinator>, AppError> {
    let config = &opened.config.coordinator;
    let start = || Coordinator::start(config, &opened.certs).map_err(|e| AppError::Serve(control::with_causes(&e)));
    config.enabled.then(start).transpose()
}

/// The other boxes, who find this one where machines do.
fn reach_peers(opened: &Opened, site: &Arc<Site>, machines: SocketAddr) -> Peers {
    let host = advertised_host(&opened.config, machines.ip());
    let port = opened.config.machine_port.outside_port.unwrap_or(machines.port());
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let places = place.parse().into_iter().collect();
    let CommunityConfig { relay_bits_per_second: bits_per_second, relay_bytes_per_day: bytes_per_day, .. } =
        opened.config.community;
    let channels = Channels::new(machines, RelayLimits { bits_per_second, bytes_per_day });
    let dialler = Dialler::new(Identity::new(opened.certs.server()), private(&opened.config));
    Peers::new(Arc::clone(site), dialler, (places, port), channels)
}

/// What members find when they dial this box, for the checks of the site.
fn ask_members(peers: &Arc<Peers>) -> AskMembers {
    let peers = Arc::clone(peers);
    Arc::new(move |port| {
        let (_, told) = peers.ask_to_dial(port);
        told.into_iter().map(|told| MemberDial { name: told.name.to_string(), found: told.found }).collect()
    })
}

/// With the kit's key that is on the box. Where it was taken off, only whoever has the paper can try it.
fn drill_by_itself(dir: &DataDir, site: &Arc<Site>) -> Drill {
    let (dir, site) = (dir.clone(), Arc::clone(site));
    Arc::new(move || {
        let Ok(kit) = site.vault.recovery_kit(&dir) else { return Ok(()) };
        let community = kit_community(&site).map_err(|e| control::with_causes(&e))?;
        let kit = RecoveryKit { community, ..kit };
        let drilled = recovery::drill(&site, &dir, kit, &mut |_| ()).map_err(|e| control::with_causes(&e))?;
        let (files, milliseconds) = (drilled.files.0, drilled.took_ms);
        tracing::info!(files, milliseconds, "A recovery was tried, and would work");
        Ok(())
    })
}

fn private(config: &Config) -> AllowPrivate {
    if config.community.allow_private { AllowPrivate::Yes } else { AllowPrivate::No }
}

/// In the network, by name. A box that cannot is found by its address all the same.
fn announce_by_name(site: &Site, door: &Door) -> Option<Announced> {
    if !door.is_announced {
        return None;
    }
    let announced = discovery::announce(&commissioning::card(site, door));
    announced.inspect_err(|e| tracing::warn!(error = %e, "The box is not announced in its network")).ok()
}

/// What the other box writes into its configuration.
fn coordinator_line(opened: &Opened, coordinator: &Coordinator, machines: IpAddr) -> String {
    let own = opened.config.coordinator.listen;
    let host = if own.is_unspecified() { advertised_host(&opened.config, machines) } else { own.to_string() };
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    let port = coordinator.addresses.first().map_or(opened.config.coordinator.port, SocketAddr::port);
    format!("{open}{host}{close}:{port}#{}", opened.certs.pin())
}

/// The workers, shared with those that show what they do, until they are stopped.
#[derive(Clone)]
struct RunningWorkers(Arc<Mutex<Option<Workers>>>);

impl RunningWorkers {
    fn start(site: &Arc<Site>, orders: &Orders) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Some(workers::start(Arc::clone(site), orders)?)))))
    }

    fn states(&self) -> Vec<WorkerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Workers::states).unwrap_or_default()
    }

    fn views(&self) -> Vec<WorkerView> {
        self.states().into_iter().map(view).collect()
    }

    fn stop(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.stop();
        }
    }
}

/// The edges do not know one another, so the portal gets its own picture of a worker.
fn view(worker: WorkerState) -> WorkerView {
    let state = match worker.state {
        WorkState::Idle => WorkerMood::Idle,
        WorkState::Working => WorkerMood::Working,
        WorkState::Waiting => WorkerMood::Waiting,
        WorkState::Failed => WorkerMood::Failed,
    };
    let WorkerState { name, progress, last_error, last_run, .. } = worker;
    WorkerView { name, state, progress, last_error, last_run }
}

/// Ending the workers blocks; a thread of its own holds nobody up when they do not end.
async fn stop_on_thread(workers: RunningWorkers, reachable: JoinHandle<()>) {
    let (ended, end) = tokio::sync::oneshot::channel();
    let stopping = std::thread::Builder::new().name("stop".into()).spawn(move || {
        workers.stop();
        if reachable.join().is_err() {
            tracing::error!("The thread that keeps the box reachable ended with a panic");
        }
        // Nobody waits any more once the time is over.
        let _ = ended.send(());
    });
    match stopping {
        Ok(_) => drop(end.await),
        Err(e) => tracing::warn!(error = %e, "No thread could be started to end the background work"),
    }
}

/// What a stopped box left behind at the network is taken back beside everything else.
fn settle_on_thread(host: &Arc<Host>) {
    let host = Arc::clone(host);
    if let Err(e) = std::thread::Builder::new().name("settle".into()).spawn(move || host.settle()) {
        tracing::warn!(error = %e, "No thread could be started to look after the network");
    }
}

/// Ends when nothing may be promised any more.
async fn poisoned(site: &Site) -> String {
    loop {
        if let Some(reason) = site.poisoned() {
            return reason;
        }
        tokio::time::sleep(POISON_CHECK).await;
    }
}

struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

/// The first of the usual ports that can be had and is not promised to other boxes, unless one was set.
fn listen_for_people(config: &Config) -> Result<Listening, AppError> {
    let Config { portal: config, coordinator, .. } = config;
    let is_promised = |port: &u16| coordinator.enabled && coordinator.more_ports.contains(port);
    let wanted: Vec<u16> = match config.port {
        Some(port) => vec![port],
        None => PORTAL_PORTS.into_iter().filter(|port| !is_promised(port)).collect(),
    };
    let mut last = None;
    for port in wanted {
        match listen("portal port", config.listen, port) {
            Ok(listening) => return Ok(listening),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| AppError::Serve("there is no port for the portal".to_owned())))
}

fn listen(what: &'static str, ip: IpAddr, port: u16) -> Result<Listening, AppError> {
    let wanted = SocketAddr::new(ip, port);
    let listener = match TcpListener::bind(wanted) {
        // A kernel without IPv6; the unspecified address means "everywhere" in either family.
        Err(e) if ip.is_ipv6() && ip.is_unspecified() && e.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        bound => bound,
    };
    let refuse = |source| AppError::Listen { what, address: wanted, source };
    let listener = listener.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok(Listening { listener, address })
}

/// `DIR/run.json`, for whoever looks into the folder.
fn note_run(dir: &DataDir, addresses: &serde_json::Value) -> std::io::Result<()> {
    let mut note = addresses.clone();
    if let Some(fields) = note.as_object_mut() {
        fields.insert("pid".to_owned(), json!(std::process::id()));
    }
    files::replace(&dir.run_file(), note.to_string().as_bytes()).map_err(std::io::Error::other)
}

/// The line that scripts wait for.
fn announce(machine: &SocketAddr, portal: &SocketAddr) {
    let mut out = std::io::stdout().lock();
    // Nobody may be listening; the box serves all the same.
    let _ = writeln!(out, "datisd ready machine={machine} portal={portal}").and_then(|()| out.flush());
    tracing::info!(%machine, %portal, "Ready");
}

/// Each connection and each pack needs a descriptor; the usual soft limit of 1 024 is for programs that use select(2).
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error = %e, "The limit of open files could not be raised");
    }
}
