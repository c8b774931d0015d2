//! NetworkManager, told by `nmcli`. What is tried is a profile in its memory, which a restart forgets.

use super::PortName;
use super::addressing::{Addressing, Fixed};

/// The profile that is tried, and the one that was kept.
const TRIED: &str = "datis-trial";
const KEPT: &str = "datis";

/// Runs `nmcli` with these words; gives what it prints.
pub(super) type Nmcli<'n> = &'n dyn Fn(&[&str]) -> Result<String, String>;

/// Whether NetworkManager manages the port.
pub(super) fn manages(nmcli: Nmcli<'_>, port: &PortName) -> bool {
    nmcli(&["-g", "GENERAL.STATE", "device", "show", port.as_str()]).is_ok_and(|state| is_managed(&state))
}

/// The profile that is on the port, by its UUID.
pub(super) fn before(nmcli: Nmcli<'_>, port: &PortName) -> Result<Option<String>, String> {
    let active = nmcli(&["-g", "GENERAL.CON-UUID", "device", "show", port.as_str()])?;
    Ok(Some(active.trim().to_owned()).filter(|uuid| !uuid.is_empty()))
}

pub(super) fn put_on(nmcli: Nmcli<'_>, port: &PortName, wanted: &Addressing) -> Result<(), String> {
    let profile = profile(port, wanted);
    nmcli(&profile.iter().map(String::as_str).collect::<Vec<_>>())?;
    nmcli(&["--wait", "20", "connection", "up", "id", TRIED]).map(drop)
}

pub(super) fn keep(nmcli: Nmcli<'_>, before: Option<&str>) -> Result<(), String> {
    if let Some(uuid) = before
        && nmcli(&["-g", "connection.id", "connection", "show", "uuid", uuid])?.trim() == KEPT
    {
        nmcli(&["connection", "delete", "uuid", uuid])?;
    }
    let settings = ["connection.id", KEPT, "connection.autoconnect", "yes"];
    let priority = ["connection.autoconnect-priority", "100"];
    let words = ["connection", "modify", "id", TRIED].into_iter().chain(settings).chain(priority);
    nmcli(&words.collect::<Vec<_>>()).map(drop)
}

pub(super) fn take_back(nmcli: Nmcli<'_>, before: Option<&str>) -> Result<(), String> {
    if let Some(uuid) = before {
        nmcli(&["--wait", "20", "connection", "up", "uuid", uuid])?;
    }
    let there = nmcli(&["-g", "NAME", "connection", "show"])?;
    if there.lines().any(|name| name == TRIED) {
        nmcli(&["connection", "delete", "id", TRIED])?;
    }
    Ok(())
}

/// What `nmcli` is told; kept in memory only, and not put on by itself.
fn profile(port: &PortName, wanted: &Addressing) -> Vec<String> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut profile = words("connection add save no type ethernet connection.autoconnect no");
    profile.extend(["con-name", TRIED, "ifname", port.as_str()].map(str::to_owned));
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

/// `100 (connected)`; from 30 on it is NetworkManager's.
fn is_managed(state: &str) -> bool {
    let number = state.split_whitespace().next().and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number >= 30)
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
    fn profiles_live_in_memory_until_they_are_kept() {
        let line = profile(&port(), &fixed("192.168.7.1", "192.168.7.1 9.9.9.9")).join(" ");
        assert_eq!(
            line,
            "connection add save no type ethernet connection.autoconnect no con-name datis-trial ifname eth0 ipv4.method \
             manual ipv4.addresses 192.168.7.9/24 ipv4.gateway 192.168.7.1 ipv4.dns 192.168.7.1 9.9.9.9"
        );
        assert!(profile(&port(), &Addressing::Dhcp).join(" ").ends_with("ipv4.method auto"));
    }

    #[test]
    fn a_port_is_managed_when_networkmanager_says_so() {
        assert!(is_managed("100 (connected)\n") && is_managed("30 (disconnected)"));
        assert!(!is_managed("10 (unmanaged)") && !is_managed("20 (unavailable)") && !is_managed(""));
    }
}
