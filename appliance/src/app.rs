//! Puts the parts together: opens the folder, runs the daemon, runs single commands beside or through it.
//!
//! Nothing else builds these things, and nothing below knows that this module exists.

mod back;
mod lock;
mod run;

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use datis_engine::format::kit::{KitHint, RecoveryKit};

use crate::bundle;
use crate::certs::{CertError, Certs};
use crate::config::{Config, ConfigError, DataDir};
use crate::control::{self, Answer, Command, Desk, Failed, FailedKind, Paced};
use crate::files;
use crate::operations::{self, Limits, OpenError, Site};
use crate::partner::{Arrivals, Door, server_config};
use crate::peers::AllowPrivate;
pub(crate) use crate::recovery::Consent;
use crate::recovery::{Recovery, RecoveryError};
use crate::vault::{Vault, VaultError};

pub(crate) use lock::{Lock, LockError, Way};
pub(crate) use run::{RunOptions, run};

/// Why the box could not be opened or run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Certs(#[from] CertError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("a lost box is being brought back into {folder}: give the same `datisd recover` again until it has ended")]
    Recovering { folder: String },
    #[error("there is no box in {folder}; `datisd init --data {folder}` makes one there")]
    NoBox { folder: String },
    #[error(
        "this box is coming back: packs are still with other boxes only, and a catalog cannot be made without them; run the box until \
         they are here, or recover it into another empty folder"
    )]
    ComingBack,
    #[error("{what} {address} cannot be listened on; another program may have it, so stop that or choose another port")]
    Listen {
        what: &'static str,
        address: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the box cannot {step}")]
    System {
        step: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Serve(String),
    /// The disk did not keep what it was given.
    #[error("the box stops, to start again from what is on its disk: {0}")]
    Durability(String),
}

impl AppError {
    /// Whether the process must stop and start again from what is on disk.
    pub(crate) fn is_durability(&self) -> bool {
        match self {
            Self::Durability(_) => true,
            Self::Open(OpenError::Leftovers(error)) => error.is_durability(),
            Self::Config(_)
            | Self::Vault(_)
            | Self::Certs(_)
            | Self::Open(_)
            | Self::Lock(_)
            | Self::NoBox { .. }
            | Self::ComingBack
            | Self::Recovering { .. }
            | Self::Listen { .. }
            | Self::System { .. }
            | Self::Serve(_) => false,
        }
    }
}

impl From<RecoveryError> for Failed {
    fn from(error: RecoveryError) -> Self {
        let is_attention = matches!(error, RecoveryError::Packs { .. });
        let kind = if is_attention { FailedKind::Brake } else { FailedKind::Failed };
        Self { sentence: control::with_causes(&error), kind }
    }
}

impl From<AppError> for Failed {
    fn from(error: AppError) -> Self {
        let kind = if error.is_durability() { FailedKind::Durability } else { FailedKind::Failed };
        Self { sentence: control::with_causes(&error), kind }
    }
}

/// Root acts as the owner of the box's folder, so that what a command makes there belongs to the daemon's user too.
///
/// Must come before the first thread is started.
pub(crate) fn act_as_owner(dir: &DataDir) -> Result<(), AppError> {
    use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
    let Ok(folder) = std::fs::metadata(dir.root()) else { return Ok(()) };
    if !rustix::process::geteuid().is_root() || folder.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (rustix::process::Uid::from_raw(folder.uid()), rustix::process::Gid::from_raw(folder.gid()));
    set_thread_groups(&[])
        .and_then(|()| set_thread_gid(gid))
        .and_then(|()| set_thread_uid(uid))
        .map_err(|e| AppError::System { step: "act as the owner of its folder", source: e.into() })
}

/// An opened box. Its folder stays locked as long as this is there.
struct Opened {
    config: Config,
    site: Arc<Site>,
    certs: Arc<Certs>,
    /// Held, never read.
    _lock: Lock,
}

/// Opens the box in the locked folder, and makes what is not there yet. `step` hears of each thing that is made.
fn open(dir: &DataDir, lock: Lock, step: &mut dyn FnMut(&str)) -> Result<Opened, AppError> {
    check_not_recovering(dir)?;
    open_marked(dir, lock, step)
}

/// A folder that is being filled is no box yet: another vault must not begin in it.
fn check_not_recovering(dir: &DataDir) -> Result<(), AppError> {
    if dir.recovery_mark().exists() {
        Err(AppError::Recovering { folder: dir.root().display().to_string() })
    } else {
        Ok(())
    }
}

fn open_marked(dir: &DataDir, lock: Lock, step: &mut dyn FnMut(&str)) -> Result<Opened, AppError> {
    let config = Config::read(dir)?;
    let vault = Vault::open_or_make(dir, config.box_name.as_deref(), step)?;
    let certs = Arc::new(Certs::open_or_make(dir, vault.id, step)?);
    let limits = Limits {
        disk_reserve: config.storage.reserve_bytes,
        given_bytes: config.community.gives_bytes,
        ..Limits::default()
    };
    let site = Arc::new(Site::open(dir, vault, limits)?);
    // The vault's file is made once, on the first start.
    let made_at = files::written_at(&dir.vault_file()).unwrap_or_else(|| site.clock.now());
    operations::note_first_start(&site, made_at).map_err(|e| AppError::Open(OpenError::Leftovers(Box::new(e))))?;
    let config = settled(dir, &site)?;
    Ok(Opened { config, site, certs, _lock: lock })
}

/// The configuration with what a bundle has set below it.
fn settled(dir: &DataDir, site: &Site) -> Result<Config, AppError> {
    let defaults = bundle::config_defaults(site).map_err(|e| AppError::Open(OpenError::Leftovers(Box::new(e))))?;
    Ok(Config::read_over(dir, &defaults)?)
}

/// Makes the box, or finds that it is there. Gives what there is to say about it.
pub(crate) fn init(dir: &DataDir, step: &mut dyn FnMut(&str)) -> Result<String, AppError> {
    files::make_private_dir(dir.root()).map_err(LockError::from)?;
    let lock = match Way::find(dir)? {
        Way::Daemon(_) => return Ok(format!("The box in {} is there and runs.", dir.root().display())),
        Way::Alone(lock) => lock,
    };
    let mut fresh = false;
    let opened = open(dir, lock, &mut |made| {
        fresh = true;
        step(made);
    })?;
    let vault = &opened.site.vault;
    let what = if fresh { "is ready" } else { "was ready already" };
    Ok(format!("Box {} {what} (vault {}, key {}).", vault.box_name, vault.id, opened.certs.pin()))
}

/// Runs a command: through the daemon when it runs, else on the folder itself.
pub(crate) fn command(dir: &DataDir, command: &Command, progress: &mut dyn FnMut(&str)) -> Result<Answer, Failed> {
    check_there(dir)?;
    match Way::find(dir).map_err(AppError::from)? {
        Way::Daemon(stream) => control::socket::ask(&stream, command, progress),
        Way::Alone(lock) => {
            let opened = open(dir, lock, &mut |_| ())?;
            let listen = opened.config.machine_port.listen;
            let port = opened.config.machine_port.port;
            let desk = Desk {
                peers: None,
                dir: dir.clone(),
                host: advertised_host(&opened.config, listen),
                machine_port: (port != 0).then_some(port),
                site: Arc::clone(&opened.site),
                certs: Arc::clone(&opened.certs),
                look: Arc::new(|| serde_json::json!({ "running": false })),
                portal: portal_url(&opened.config, opened.config.portal.port),
                commissioning: opened.config.commissioning.clone(),
                bundle: opened.config.bundle.clone(),
                door: door(&opened.config, &opened.certs, None, Arrivals::default())?,
                computer: None,
            };
            desk.execute(command, progress)
        }
    }
}

/// Makes a new catalog out of the packs. The daemon must be stopped.
pub(crate) fn rebuild(dir: &DataDir, progress: &mut dyn FnMut(&str)) -> Result<Answer, Failed> {
    check_there(dir)?;
    let _lock = Lock::take(dir).map_err(AppError::from)?;
    if dir.awaited_dir().exists() {
        return Err(AppError::ComingBack.into());
    }
    let config = Config::read(dir).map_err(AppError::from)?;
    let vault = Vault::open_or_make(dir, config.box_name.as_deref(), &mut |_| ()).map_err(AppError::from)?;
    let mut paced = Paced::new(progress);
    Ok(control::show_rebuild(&operations::rebuild(dir, vault, None, &mut |at| paced.hear(&at))?))
}

/// Brings a lost box back into an empty folder, with its kit and what other boxes keep of it. `more`: other boxes to
/// begin with.
pub(crate) fn recover(
    dir: &DataDir,
    kit: RecoveryKit,
    more: &[KitHint],
    (private, consent): (AllowPrivate, Consent),
    progress: &mut dyn FnMut(&str),
) -> Result<Answer, Failed> {
    files::make_private_dir(dir.root()).map_err(|e| AppError::from(LockError::from(e)))?;
    let lock = Lock::take(dir).map_err(AppError::from)?;
    let recovery = Recovery::begin(dir, kit, more, private)?;
    let (recovered, fetch) = recovery.fill(consent, &mut |line| progress(&line))?;
    let config = Config::read(dir).map_err(AppError::from)?;
    let vault = Vault::open_or_make(dir, config.box_name.as_deref(), &mut |_| ()).map_err(AppError::from)?;
    let mut paced = Paced::new(progress);
    let rebuilt = operations::rebuild(dir, vault, Some(fetch), &mut |at| paced.hear(&at))?;
    let opened = open_marked(dir, lock, &mut |_| ())?;
    let told = recovery.take_the_place(&opened.site, &mut |line| progress(&line))?;
    Ok(control::show_recovered(&recovered, told, control::show_rebuild(&rebuilt)))
}

fn check_there(dir: &DataDir) -> Result<(), AppError> {
    check_not_recovering(dir)?;
    // The vault file is the first thing that cannot be made again.
    if dir.vault_file().exists() { Ok(()) } else { Err(AppError::NoBox { folder: dir.root().display().to_string() }) }
}

/// Where people find the portal, without a slash at its end.
fn portal_url(config: &Config, port: Option<u16>) -> String {
    let host = match config.portal.names.first() {
        Some(name) => name.as_str().to_owned(),
        None => own_address(config.portal.listen),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    match port {
        None | Some(443) => format!("https://{host}"),
        Some(port) => format!("https://{host}:{port}"),
    }
}

/// The machine port as somebody outside has to find it. `served`: the port on which the daemon listens, if it runs.
fn door(config: &Config, certs: &Certs, served: Option<u16>, arrivals: Arrivals) -> Result<Door, AppError> {
    let port = served.or((config.machine_port.port != 0).then_some(config.machine_port.port));
    Ok(Door {
        port: port.unwrap_or(datis_engine::wire::MACHINE_PORT),
        outside_port: config.machine_port.outside_port,
        is_served: served.is_some(),
        is_announced: served.is_some() && config.discovery.mdns,
        keep_open: config.machine_port.keep_open,
        name: config.machine_port.address.clone(),
        pin: certs.pin(),
        nonce: certs.router_nonce(),
        tls: server_config(certs.server()).map_err(|e| AppError::Serve(control::with_causes(&e)))?,
        arrivals,
        members: None,
    })
}

/// Where machines find the box, as far as it knows itself.
fn advertised_host(config: &Config, listen: IpAddr) -> String {
    config.machine_port.address.clone().unwrap_or_else(|| own_address(listen))
}

/// The address of the box in its network, as far as it knows itself.
fn own_address(listen: IpAddr) -> String {
    if !listen.is_unspecified() {
        return listen.to_string();
    }
    // For display only: whoever reads the code sees the address and can give another one.
    match local_ip_address::local_ip().or_else(|_| local_ip_address::local_ipv6()) {
        Ok(address) => address.to_string(),
        Err(_) => rustix::system::uname()
            .nodename()
            .to_str()
            .ok()
            .filter(|name| !name.is_empty())
            .unwrap_or("localhost")
            .to_owned(),
    }
}
