//! Where the box keeps what, and what can be set: `DIR/datisd.toml`. The file need not exist; every value has a default.
//!
//! The file is read strictly: an unknown key or an impossible value is refused with a sentence before anything is applied.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use datis_engine::wire::MACHINE_PORT;
use serde::Deserialize;

mod bundle;
mod community;
mod defaults;
mod partner;

pub use bundle::{BundleConfig, KeyPrint, KeyPrintError};
pub use community::CommunityConfig;
pub(crate) use defaults::given;
pub use defaults::{CommissioningDefaults, ConfigDefaults, DiscoveryDefaults, MachinePortDefaults, PortalDefaults};
pub use partner::PartnerAddress;

/// The portal's ports, the first one that can be had: what browsers use by themselves, and one that needs no privilege.
pub const PORTAL_PORTS: [u16; 2] = [443, 8443];

/// The most further names of the portal that can be set.
pub const PORTAL_NAMES_MAX: usize = 16;

/// The most time servers that can be set.
pub const TIME_SERVERS_MAX: usize = 8;

/// The most boxes outside that can be named.
pub const COORDINATORS_MAX: usize = 8;

/// The coordinator's default port.
pub const COORDINATOR_PORT: u16 = 20_601;

/// The box's folder: everything it has is in it, and only one process works in it at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Takes the folder's path; nothing is touched.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// What is set, TOML; need not exist.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.0.join("datisd.toml")
    }

    /// What the box may start with, signed by a reseller; need not exist.
    #[must_use]
    pub fn bundle_file(&self) -> PathBuf {
        self.0.join("bundle.json")
    }

    /// Locked by the process that works in the folder.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Unix socket on which the daemon takes commands.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Which addresses the running daemon serves, JSON.
    #[must_use]
    pub fn run_file(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// Which change of the network is being tried; there only as long as one is.
    #[must_use]
    pub fn trial_file(&self) -> PathBuf {
        self.0.join("network-trial")
    }

    /// There only as long as a lost box is being brought back into the folder; its content is the vault's id.
    #[must_use]
    pub fn recovery_mark(&self) -> PathBuf {
        self.0.join("recovering")
    }

    /// Folder of the list of packs that are with other boxes only; there as long as a lost box comes back.
    #[must_use]
    pub fn awaited_dir(&self) -> PathBuf {
        self.0.join("awaited")
    }

    /// The directories of packs that are kept outside only.
    #[must_use]
    pub fn outside_dir(&self) -> PathBuf {
        self.0.join("outside")
    }

    /// Folder of the catalog.
    #[must_use]
    pub fn catalog_dir(&self) -> PathBuf {
        self.0.join("catalog")
    }

    /// The catalog, SQLite.
    #[must_use]
    pub fn catalog_file(&self) -> PathBuf {
        self.catalog_dir().join("catalog.db")
    }

    /// Folder of all that the recovery kit can open: packs, snapshots, the vault file.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.0.join("store")
    }

    /// Folder of what the box keeps for other members of its community; may be a disk of its own.
    #[must_use]
    pub fn hosted_dir(&self) -> PathBuf {
        self.0.join("hosted")
    }

    /// What belongs to the vault as a whole, sealed for its recipients.
    #[must_use]
    pub fn vault_file(&self) -> PathBuf {
        self.store_dir().join("vault.age")
    }

    /// Folder of the box's keys, mode 0700; files in it have mode 0600.
    #[must_use]
    pub fn keys_dir(&self) -> PathBuf {
        self.0.join("keys")
    }
}

/// Why the configuration was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("{path} cannot be read; the box starts without it once it is moved away")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{path} is not accepted, and nothing of it was applied: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        reason: String,
    },
    /// A value that cannot work.
    #[error("{path} is not accepted, and nothing of it was applied: `{key}` {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
}

/// What can be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What people call the box; default: `datis-` and four digits of the vault's id.
    pub box_name: Option<String>,
    /// Where workstations come in.
    pub machine_port: MachinePortConfig,
    /// Where people come in.
    pub portal: PortalConfig,
    /// How the disk is used.
    pub storage: StorageConfig,
    /// How the site is checked.
    pub commissioning: CommissioningConfig,
    /// Whether other boxes may ask this one about their way in and out.
    pub coordinator: CoordinatorConfig,
    /// Whether the box is found in its network by name.
    pub discovery: DiscoveryConfig,
    /// How its own address is changed.
    pub network: NetworkConfig,
    /// Whose defaults it starts with.
    pub bundle: BundleConfig,
    /// How it deals with other boxes.
    pub community: CommunityConfig,
}

/// Section `machine_port`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachinePortConfig {
    /// Address to listen on; default `::`, which is every address of both families.
    pub listen: IpAddr,
    /// Port; default [`MACHINE_PORT`]; 0 takes a free one at each start.
    pub port: u16,
    /// Host name or address that enrolment URIs carry; default: the address of the box in its network.
    pub address: Option<String>,
    /// The port that others outside are told, where it is not the same; default: `port`, or what the router gave.
    pub outside_port: Option<u16>,
    /// Whether the router is asked to let others in at this port, and asked again for as long as the box runs; default: no.
    pub keep_open: bool,
}

impl Default for MachinePortConfig {
    fn default() -> Self {
        Self {
            listen: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port: MACHINE_PORT,
            address: None,
            outside_port: None,
            keep_open: false,
        }
    }
}

/// Section `portal`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortalConfig {
    /// Address to listen on; default `::`, which is every address of both families.
    pub listen: IpAddr,
    /// Port; default: the first of [`PORTAL_PORTS`] that can be had; 0 takes a free one at each start.
    pub port: Option<u16>,
    /// Further host names under which people find the portal, at most [`PORTAL_NAMES_MAX`].
    pub names: Vec<HostName>,
    /// Whether it also answers addresses outside the local network; default: no.
    pub from_outside: bool,
}

impl Default for PortalConfig {
    fn default() -> Self {
        Self { listen: IpAddr::V6(Ipv6Addr::UNSPECIFIED), port: None, names: Vec::new(), from_outside: false }
    }
}

/// A host name, in lower case (RFC 1123, 2.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let name = raw.to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // An address is no name, and browsers take a number at the end for one.
        let ends_in_a_number = name.rsplit('.').next().is_some_and(|label| label.chars().all(|c| c.is_ascii_digit()));
        if name.len() <= 253 && name.split('.').all(is_label) && !ends_in_a_number {
            Ok(Self(name))
        } else {
            Err(format!("`{raw}` is no host name; write one such as `backup.example.org`"))
        }
    }
}

/// Section `storage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Bytes of the disk that are never filled; default: the larger of 2 % and 2 GiB.
    pub reserve_bytes: Option<u64>,
}

/// Section `commissioning`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommissioningConfig {
    /// Whether the box checks its site by itself, after each start and from time to time; default: yes.
    pub automatic: bool,
    /// Time servers that the clock is compared with, at most [`TIME_SERVERS_MAX`]; default: three of the public pool.
    /// Setting the clock is the system's business.
    pub time_servers: Vec<TimeServer>,
    /// Where the NUT server listens that knows the UPS; default: its usual port on this computer.
    pub nut_server: SocketAddr,
    /// A program that asks disks how they are, with the words of `smartctl`, and runs as the box; default: the helper
    /// `datis-probe` runs `smartctl`.
    pub smartctl: Option<PathBuf>,
    /// Boxes outside that may be asked, `HOST:PORT#PIN`, at most [`COORDINATORS_MAX`]; default: none.
    pub coordinators: Vec<PartnerAddress>,
}

/// The port of NUT (network UPS tools).
const NUT_PORT: u16 = 3493;

impl Default for CommissioningConfig {
    fn default() -> Self {
        let of_pool = |number: u8| TimeServer { host: format!("{number}.pool.ntp.org"), port: TimeServer::PORT };
        Self {
            automatic: true,
            time_servers: (0..3).map(of_pool).collect(),
            nut_server: (Ipv4Addr::LOCALHOST, NUT_PORT).into(),
            smartctl: None,
            coordinators: Vec::new(),
        }
    }
}

/// Section `discovery`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoveryConfig {
    /// Whether the running box answers to `datis-XXXX.local` and announces `_datis._tcp`; default: yes.
    pub mdns: bool,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { mdns: true }
    }
}

/// Section `network`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// A new address that nobody confirms is taken back after so many seconds, from 5 to 600; default: 60.
    pub trial_seconds: u16,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { trial_seconds: 60 }
    }
}

/// Section `coordinator`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoordinatorConfig {
    /// Whether this box answers others; default: no.
    pub enabled: bool,
    /// Address to listen on; default `::`, which is every address of both families. A box with several addresses must
    /// name the one that others know, since datagrams are answered from the one that the system chooses.
    pub listen: IpAddr,
    /// Port, TCP and UDP; default [`COORDINATOR_PORT`]; 0 takes a free one at each start.
    pub port: u16,
    /// Further TCP ports on which the same is answered, so that others can see whether they get out to these.
    pub more_ports: Vec<u16>,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port: COORDINATOR_PORT,
            more_ports: Vec::new(),
        }
    }
}

/// A time server: `HOST` or `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeServer {
    host: String,
    port: u16,
}

impl TimeServer {
    /// The port of NTP.
    pub const PORT: u16 = 123;

    /// Name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl TryFrom<String> for TimeServer {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let (host, port) = match raw.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)),
            None => (raw.as_str(), Some(Self::PORT)),
        };
        let is_host = |host: &str| {
            (1..=253).contains(&host.len()) && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        };
        match port {
            Some(port) if is_host(host) => Ok(Self { host: host.to_owned(), port }),
            _ => {
                Err(format!("`{raw}` is no time server; write a host name or an IPv4 address, with `:PORT` if need be"))
            }
        }
    }
}

impl std::fmt::Display for TimeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Self::PORT => f.write_str(&self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

impl Config {
    /// Reads and checks the folder's configuration; a file that is not there means the defaults.
    ///
    /// # Errors
    /// [`ConfigError`]; nothing is applied then.
    pub fn read(dir: &DataDir) -> Result<Self, ConfigError> {
        Self::read_over(dir, &ConfigDefaults::default())
    }

    /// The same, with `defaults` wherever the file names nothing.
    ///
    /// # Errors
    /// [`ConfigError`]; nothing is applied then.
    pub fn read_over(dir: &DataDir, defaults: &ConfigDefaults) -> Result<Self, ConfigError> {
        let path = dir.config_file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        let refuse =
            |e: toml::de::Error| ConfigError::Parse { path: path.clone(), reason: e.to_string().trim_end().to_owned() };
        let config: Self = toml::from_str(&text).map_err(refuse)?;
        let named: toml::Table = toml::from_str(&text).map_err(refuse)?;
        let config = defaults.below(config, &named);
        config.check().map_err(|(key, reason)| ConfigError::Value {
            path: path.clone(),
            key,
            reason: reason.to_owned(),
        })?;
        Ok(config)
    }

    /// Whether it can work; else the key, and what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let refuse = |key, reason| Err((key, reason));
        if self.machine_port.port != 0 && self.machine_port.port < 1024 {
            return refuse("machine_port.port", "must be 1024 or higher, or 0 for any free port");
        }
        if self.machine_port.port != 0 && self.portal.port == Some(self.machine_port.port) {
            return refuse("portal.port", "is the same as machine_port.port; choose another");
        }
        let printable = |text: &str, max: usize| {
            (1..=max).contains(&text.chars().count()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        if self.box_name.as_deref().is_some_and(|name| !printable(name, 64)) {
            return refuse("box_name", "must have 1 to 64 characters and no spaces");
        }
        let host_characters =
            |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        if self.machine_port.address.as_deref().is_some_and(|host| !printable(host, 253) || !host_characters(host)) {
            return refuse("machine_port.address", "must be a host name or an address, without a port");
        }
        if self.portal.names.len() > PORTAL_NAMES_MAX {
            return refuse("portal.names", "may name 16 hosts");
        }
        if !(1..=TIME_SERVERS_MAX).contains(&self.commissioning.time_servers.len()) {
            return refuse("commissioning.time_servers", "must name 1 to 8 time servers");
        }
        if self.commissioning.coordinators.len() > COORDINATORS_MAX {
            return refuse("commissioning.coordinators", "must name no more than 8 boxes");
        }
        // Some providers leave a line only some ports: any may be forwarded.
        if self.machine_port.outside_port == Some(0) {
            return refuse("machine_port.outside_port", "must be from 1 to 65535");
        }
        if !(5..=600).contains(&self.network.trial_seconds) {
            return refuse("network.trial_seconds", "must be from 5 to 600");
        }
        let taken = [self.machine_port.port, self.portal.port.unwrap_or(0)];
        let mut ports = std::iter::once(self.coordinator.port).chain(self.coordinator.more_ports.iter().copied());
        if self.coordinator.enabled && ports.any(|port| port != 0 && taken.contains(&port)) {
            return refuse("coordinator.port", "is the same as another port of the box; choose another");
        }
        if self.coordinator.more_ports.len() > 16 || self.coordinator.more_ports.contains(&0) {
            return refuse("coordinator.more_ports", "must name no more than 16 ports, and not 0");
        }
        if self.bundle.url.as_deref().is_some_and(|url| !bundle::is_address(url)) {
            // The address is not repeated: it may have a password.
            return refuse("bundle.url", "must be https://HOST/PATH, without a user, without spaces and without `#`");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        std::fs::write(dir.config_file(), text).expect("write");
        Config::read(&dir)
    }

    #[test]
    fn without_a_file_the_defaults_stand() {
        let folder = tempfile::tempdir().expect("folder");
        let config = Config::read(&DataDir::new(folder.path())).expect("defaults");
        assert_eq!(config, Config::default());
        assert_eq!((config.machine_port.port, config.portal.port, config.portal.from_outside), (20600, None, false));
    }

    #[test]
    fn a_file_sets_what_it_names_and_nothing_else() {
        let config =
            read("box_name = \"cellar\"\n[machine_port]\nport = 30000\naddress = \"box.lan\"\n").expect("config");
        assert_eq!(config.box_name.as_deref(), Some("cellar"));
        assert_eq!(config.machine_port.port, 30000);
        assert_eq!(config.portal, PortalConfig::default());
        let config = read("[machine_port]\noutside_port = 443\n").expect("any port may be forwarded");
        assert_eq!(config.machine_port.outside_port, Some(443));
        let config = read("[commissioning]\ntime_servers = [\"10.0.0.1:1123\", \"ntp.lan\"]\n").expect("config");
        let servers: Vec<_> = config.commissioning.time_servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:1123", "ntp.lan"]);
    }

    #[test]
    fn what_cannot_work_is_refused_and_named() {
        for (text, named) in [
            ("colour = 1", "colour"),
            ("[machine_port]\nprot = 1", "prot"),
            ("[machine_port]\nport = 80", "machine_port.port"),
            ("[machine_port]\nport = 70000", "70000"),
            ("[portal]\nport = 20600", "portal.port"),
            ("[portal]\nlisten = \"everywhere\"", "listen"),
            ("[portal]\nnames = [\"a b\"]", "a b"),
            ("[portal]\nnames = [\"-a.lan\"]", "-a.lan"),
            ("[portal]\nnames = [\"192.0.2.1\"]", "192.0.2.1"),
            ("box_name = \"a b\"", "box_name"),
            ("[machine_port]\naddress = \"a/b\"", "machine_port.address"),
            ("[storage]\nreserve_bytes = -1", "-1"),
            ("[commissioning]\ntime_servers = []", "commissioning.time_servers"),
            ("[commissioning]\ntime_servers = [\"a b\"]", "a b"),
            ("[commissioning]\ntime_servers = [\"ntp.lan:0\"]", "ntp.lan:0"),
            ("[commissioning]\ncoordinators = [\"box.lan\"]", "box.lan"),
            ("[machine_port]\noutside_port = 0", "machine_port.outside_port"),
            ("[coordinator]\nenabled = true\nport = 20600", "coordinator.port"),
            ("[coordinator]\nmore_ports = [0]", "coordinator.more_ports"),
            ("[network]\ntrial_seconds = 4", "network.trial_seconds"),
            ("[bundle]\nurl = \"http://example.org/b.json\"", "bundle.url"),
            ("[bundle]\nurl = \"https://user:secret@example.org/b.json\"", "bundle.url"),
            ("[bundle]\nurl = \"https://example.org/b.json#secret\"", "bundle.url"),
            ("[bundle]\nurl = \"https:///b.json\"", "bundle.url"),
            ("[bundle]\nkey = \"abcd\"", "abcd"),
            ("box_name", "1"),
        ] {
            let message = read(text).expect_err(text).to_string();
            assert!(message.contains(named) && message.contains("datisd.toml"), "{text}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
