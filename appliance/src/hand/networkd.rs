//! systemd-networkd, told by files of the box's own. The first file by name counts (systemd.network(5)).

use std::path::{Path, PathBuf};

use super::addressing::Addressing;
use super::manager::run;
use super::{PortName, journal};
use crate::files;

/// What is tried: in a folder that a restart empties.
const TRIED: &str = "/run/systemd/network/05-datis-trial.network";
/// What was kept.
const KEPT: &str = "/etc/systemd/network/06-datis.network";
/// Where systemd-networkd says what it does with each port.
const LINKS: &str = "/run/systemd/netif/links";
/// The file of what was kept is short; in bytes.
const KEPT_MAX: u64 = 4 << 10;

/// The two files, and how systemd-networkd is told to read them.
pub(super) struct Networkd {
    tried: PathBuf,
    kept: PathBuf,
    reload: fn() -> Result<(), String>,
}

impl Networkd {
    pub(super) fn of_this_computer() -> Self {
        let reload = || run("networkctl", &["reload"]).map(drop);
        Self { tried: TRIED.into(), kept: KEPT.into(), reload }
    }

    /// What an earlier change has kept, as a text; empty when there is nothing.
    pub(super) fn before(&self) -> Result<String, String> {
        let kept = files::read_if_there(&self.kept, KEPT_MAX).map_err(|e| journal::told(&e))?;
        String::from_utf8(kept.unwrap_or_default()).map_err(|_| format!("{} is no text", self.kept.display()))
    }

    pub(super) fn put_on(&self, port: &PortName, wanted: &Addressing) -> Result<(), String> {
        journal::write_for_all(&self.tried, network_file(port, wanted).as_bytes())?;
        (self.reload)()
    }

    pub(super) fn keep(&self, port: &PortName, wanted: &Addressing) -> Result<(), String> {
        journal::write_for_all(&self.kept, network_file(port, wanted).as_bytes())?;
        remove(&self.tried)?;
        (self.reload)()
    }

    /// `before`: what was kept before; `None` when nobody has looked, and the file is left alone.
    pub(super) fn take_back(&self, before: Option<&str>) -> Result<(), String> {
        remove(&self.tried)?;
        match before {
            None => {}
            Some("") => remove(&self.kept)?,
            Some(text) if self.before().is_ok_and(|now| now == text) => {}
            Some(text) => journal::write_for_all(&self.kept, text.as_bytes())?,
        }
        (self.reload)()
    }
}

/// IPv6 stays as the defaults of systemd-networkd have it.
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

/// Whether it is its. systemd-networkd tells of each port by its number.
pub(super) fn manages(port: &PortName) -> bool {
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

fn remove(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{} cannot be removed: {e}", path.display())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::addressing::Fixed;
    use super::*;

    fn port() -> PortName {
        PortName::try_from("eth0".to_owned()).expect("a name")
    }

    fn fixed(gateway: &str, names: &str) -> Addressing {
        Addressing::Fixed(Fixed::parse("192.168.7.9/24", gateway, names).expect("fixed"))
    }

    #[test]
    fn files_say_what_is_wanted_and_no_more() {
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
    fn what_is_kept_half_way_is_taken_back_to_what_was_kept_before() {
        let folder = tempfile::tempdir().expect("folder");
        let networkd = |reload| Networkd {
            tried: folder.path().join("run/05-datis-trial.network"),
            kept: folder.path().join("etc/06-datis.network"),
            reload,
        };
        let (works, fails) = (networkd(|| Ok(())), networkd(|| Err("no bus".to_owned())));
        let both = || (std::fs::read_to_string(&works.tried).ok(), std::fs::read_to_string(&works.kept).ok());
        let dhcp = network_file(&port(), &Addressing::Dhcp);
        for earlier in [None, Some(dhcp.clone())] {
            if earlier.is_some() {
                works.keep(&port(), &Addressing::Dhcp).expect("kept");
            }
            let before = works.before().expect("read");
            works.put_on(&port(), &fixed("", "")).expect("tried");
            assert!(fails.keep(&port(), &fixed("", "")).is_err());
            assert_ne!(both().1, earlier, "it is written already");
            works.take_back(Some(&before)).expect("taken back");
            assert_eq!(both(), (None, earlier));
        }
        works.take_back(None).expect("nobody has looked");
        assert_eq!(both(), (None, Some(dhcp)));
    }

    #[test]
    fn a_port_is_managed_when_its_manager_says_so() {
        assert!(is_managed("# This is private data.\nADMIN_STATE=configured\nOPER_STATE=routable\n"));
        assert!(is_managed("ADMIN_STATE=failed\n"), "one that gets no lease is managed all the same");
        assert!(!is_managed("ADMIN_STATE=unmanaged\n") && !is_managed("OPER_STATE=routable\n") && !is_managed(""));
    }
}
