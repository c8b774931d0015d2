//! Who manages a port's addresses on this computer, and how it is told: systemd-networkd by files of the box's own,
//! NetworkManager by `nmcli`. What is tried is put where a restart forgets it, and nothing that was there is touched.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::addressing::{Addressing, Fixed};
use super::{PortName, journal};

/// What is tried: in a folder that a restart empties. The first file by name counts (systemd.network(5)).
const TRIED: &str = "/run/systemd/network/05-datis-trial.network";
/// What was kept.
const KEPT: &str = "/etc/systemd/network/06-datis.network";
/// Where systemd-networkd says what it does with each port.
const LINKS: &str = "/run/systemd/netif/links";
/// The profile of NetworkManager that is tried, and the one that was kept.
const TRIED_PROFILE: &str = "datis-trial";
const KEPT_PROFILE: &str = "datis";
/// A manager takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a manager prints is read up to here, in bytes.
const OUTPUT_MAX: u64 = 64 << 10;
/// Where the system's own programs are.
const PROGRAMS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that manages addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// systemd-networkd.
    Networkd,
    /// NetworkManager.
    NetworkManager,
}

impl Manager {
    /// Its own name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Networkd => "systemd-networkd",
            Self::NetworkManager => "NetworkManager",
        }
    }

    /// The one that manages the port, if any does.
    pub(super) fn of(port: &PortName) -> Option<Self> {
        if networkd_manages(port) {
            return Some(Self::Networkd);
        }
        let state = run("nmcli", &["-g", "GENERAL.STATE", "device", "show", port.as_str()]).ok()?;
        nm_manages(&state).then_some(Self::NetworkManager)
    }

    /// What has to be known to go back; asked before anything is changed.
    pub(super) fn before(self, port: &PortName) -> Result<Option<String>, String> {
        match self {
            // Its own files are never touched: taking the tried one away is all.
            Self::Networkd => Ok(None),
            Self::NetworkManager => {
                let active = run("nmcli", &["-g", "GENERAL.CON-UUID", "device", "show", port.as_str()])?;
                Ok(Some(active.trim().to_owned()).filter(|uuid| !uuid.is_empty()))
            }
        }
    }

    pub(super) fn put_on(self, port: &PortName, wanted: &Addressing) -> Result<(), String> {
        match self {
            Self::Networkd => {
                let file = network_file(port, wanted);
                journal::write_for_all(Path::new(TRIED), file.as_bytes())?;
                run("networkctl", &["reload"]).map(drop)
            }
            Self::NetworkManager => {
                let profile = profile(port, wanted);
                run("nmcli", &profile.iter().map(String::as_str).collect::<Vec<_>>())?;
                run("nmcli", &["--wait", "20", "connection", "up", "id", TRIED_PROFILE]).map(drop)
            }
        }
    }

    /// From now on also after a restart.
    pub(super) fn keep(self, port: &PortName, wanted: &Addressing, before: Option<&str>) -> Result<(), String> {
        match self {
            Self::Networkd => {
                journal::write_for_all(Path::new(KEPT), network_file(port, wanted).as_bytes())?;
                remove(Path::new(TRIED))?;
                run("networkctl", &["reload"]).map(drop)
            }
            Self::NetworkManager => {
                // One of an earlier change has had its time; there may be none.
                if let Some(uuid) = before
                    && run("nmcli", &["-g", "connection.id", "connection", "show", "uuid", uuid])?.trim()
                        == KEPT_PROFILE
                {
                    run("nmcli", &["connection", "delete", "uuid", uuid])?;
                }
                let settings = ["connection.id", KEPT_PROFILE, "connection.autoconnect", "yes"];
                let priority = ["connection.autoconnect-priority", "100"];
                let words = ["connection", "modify", "id", TRIED_PROFILE].into_iter().chain(settings).chain(priority);
                run("nmcli", &words.collect::<Vec<_>>()).map(drop)
            }
        }
    }

    /// As it was. Does no harm when it is so already.
    pub(super) fn take_back(self, before: Option<&str>) -> Result<(), String> {
        match self {
            Self::Networkd => {
                remove(Path::new(TRIED))?;
                run("networkctl", &["reload"]).map(drop)
            }
            Self::NetworkManager => {
                if let Some(uuid) = before {
                    run("nmcli", &["--wait", "20", "connection", "up", "uuid", uuid])?;
                }
                let there = run("nmcli", &["-g", "NAME", "connection", "show"])?;
                if there.lines().any(|name| name == TRIED_PROFILE) {
                    run("nmcli", &["connection", "delete", "id", TRIED_PROFILE])?;
                }
                Ok(())
            }
        }
    }
}

/// For systemd-networkd (systemd.network(5)). IPv6 stays as its defaults have it.
fn network_file(port: &PortName, wanted: &Addressing) -> String {
    let head = format!(
        "# Written by the Datis box. Set it there: portal, or `datisd network`.\n[Match]\nName={}\n\n",
        port.as_str()
    );
    match wanted {
        Addressing::Dhcp => head + "[Network]\nDHCP=ipv4\n",
        Addressing::Fixed(fixed) => {
            let gateway = fixed.gateway().map(|gateway| format!("Gateway={gateway}\n")).unwrap_or_default();
            let names: String = fixed.names().iter().map(|name| format!("DNS={name}\n")).collect();
            format!("{head}[Network]\nAddress={}\n{gateway}{names}", fixed.with_prefix())
        }
    }
}

/// What `nmcli` is told; kept in memory only, and not put on by itself.
fn profile(port: &PortName, wanted: &Addressing) -> Vec<String> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut profile = words("connection add save no type ethernet connection.autoconnect no");
    profile.extend(["con-name", TRIED_PROFILE, "ifname", port.as_str()].map(str::to_owned));
    match wanted {
        Addressing::Dhcp => profile.extend(words("ipv4.method auto")),
        Addressing::Fixed(fixed) => profile.extend(fixed_words(fixed)),
    }
    profile
}

fn fixed_words(fixed: &Fixed) -> Vec<String> {
    let mut words =
        vec!["ipv4.method".to_owned(), "manual".to_owned(), "ipv4.addresses".to_owned(), fixed.with_prefix()];
    if let Some(gateway) = fixed.gateway() {
        words.extend(["ipv4.gateway".to_owned(), gateway.to_string()]);
    }
    if !fixed.names().is_empty() {
        let names: Vec<String> = fixed.names().iter().map(ToString::to_string).collect();
        words.extend(["ipv4.dns".to_owned(), names.join(" ")]);
    }
    words
}

/// systemd-networkd tells of each port by its number.
fn networkd_manages(port: &PortName) -> bool {
    let index = std::fs::read_to_string(format!("/sys/class/net/{}/ifindex", port.as_str())).unwrap_or_default();
    let told: PathBuf = Path::new(LINKS).join(index.trim());
    if index.trim().is_empty() {
        return false;
    }
    std::fs::read_to_string(told).is_ok_and(|told| is_managed(&told))
}

fn is_managed(told: &str) -> bool {
    let state = told.lines().find_map(|line| line.strip_prefix("ADMIN_STATE="));
    state.is_some_and(|state| matches!(state, "configured" | "configuring" | "pending" | "initialized" | "failed"))
}

/// `100 (connected)`; from 30 on it is NetworkManager's.
fn nm_manages(state: &str) -> bool {
    let number = state.split_whitespace().next().and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number >= 30)
}

fn remove(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{} cannot be removed: {e}", path.display())),
        _ => Ok(()),
    }
}

/// Runs one of the system's programs, with nothing of the environment; gives what it prints.
pub(super) fn run(program: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", PROGRAMS).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("`{program}` cannot be started: {e}"))?;
    let (told, complained) = (child.stdout.take(), child.stderr.take());
    let told = std::thread::spawn(move || read(told));
    let complained = std::thread::spawn(move || read(complained));
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|e| format!("`{program}` is lost: {e}"))? {
            Some(status) => break status,
            None if Instant::now() > end => {
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{program} {}` did not end", words.join(" ")));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let (told, complained) = (told.join().unwrap_or_default(), complained.join().unwrap_or_default());
    if status.success() {
        Ok(told)
    } else {
        let line = complained.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        Err(format!("`{program} {}` failed: {line}", words.join(" ")))
    }
}

fn read(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is still worth showing.
        let _ = pipe.take(OUTPUT_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> PortName {
        PortName::try_from("eth0".to_owned()).expect("a name")
    }

    fn fixed(gateway: &str, names: &str) -> Addressing {
        Addressing::Fixed(Fixed::parse("192.168.7.9/24", gateway, names).expect("fixed"))
    }

    #[test]
    fn files_for_networkd_say_what_is_wanted_and_no_more() {
        let body =
            |wanted: &Addressing| network_file(&port(), wanted).split_once("[Match]\n").expect("a head").1.to_owned();
        assert_eq!(body(&Addressing::Dhcp), "Name=eth0\n\n[Network]\nDHCP=ipv4\n");
        assert_eq!(body(&fixed("", "")), "Name=eth0\n\n[Network]\nAddress=192.168.7.9/24\n");
        assert_eq!(
            body(&fixed("192.168.7.1", "192.168.7.1 9.9.9.9")),
            "Name=eth0\n\n[Network]\nAddress=192.168.7.9/24\nGateway=192.168.7.1\nDNS=192.168.7.1\nDNS=9.9.9.9\n"
        );
    }

    #[test]
    fn profiles_for_networkmanager_live_in_memory_until_they_are_kept() {
        let line = profile(&port(), &fixed("192.168.7.1", "192.168.7.1 9.9.9.9")).join(" ");
        assert_eq!(
            line,
            "connection add save no type ethernet connection.autoconnect no con-name datis-trial ifname eth0 ipv4.method \
             manual ipv4.addresses 192.168.7.9/24 ipv4.gateway 192.168.7.1 ipv4.dns 192.168.7.1 9.9.9.9"
        );
        assert!(profile(&port(), &Addressing::Dhcp).join(" ").ends_with("ipv4.method auto"));
    }

    #[test]
    fn a_port_is_managed_when_its_manager_says_so() {
        assert!(is_managed("# This is private data.\nADMIN_STATE=configured\nOPER_STATE=routable\n"));
        assert!(is_managed("ADMIN_STATE=failed\n"), "one that gets no lease is managed all the same");
        assert!(!is_managed("ADMIN_STATE=unmanaged\n") && !is_managed("OPER_STATE=routable\n") && !is_managed(""));
        assert!(nm_manages("100 (connected)\n") && nm_manages("30 (disconnected)"));
        assert!(!nm_manages("10 (unmanaged)") && !nm_manages("20 (unavailable)") && !nm_manages(""));
    }

    #[test]
    fn what_a_program_complains_of_is_told() {
        assert_eq!(run("echo", &["a", "b"]).expect("echo"), "a b\n");
        assert!(run("ls", &["/no/such/folder"]).expect_err("ls").contains("/no/such/folder"));
        assert!(run("no-such-program", &[]).expect_err("nothing").contains("no-such-program"));
    }
}
