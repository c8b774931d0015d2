//! `wan.uplink`: does the box itself go out over a mobile line? Such lines move, share addresses and cost by volume. What
//! lies behind a router it cannot see; that is why this only ever warns.

use std::fs;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::network::Network;
use crate::commissioning::outcome::Fact;

pub(super) fn look(network: &Network) -> Found {
    let Some(port) = network.main_port() else { return (Finding::UplinkFixed, Vec::new()) };
    let told = fs::read_to_string(format!("/sys/class/net/{}/uevent", port.name)).unwrap_or_default();
    let finding = if is_mobile(&port.name, &told) { Finding::UplinkMobile } else { Finding::UplinkFixed };
    (finding, vec![Fact::text("port", &port.name)])
}

/// By what the kernel says of the device, and by the name that modems get (systemd.net-naming-scheme(7): `ww…`).
fn is_mobile(name: &str, uevent: &str) -> bool {
    uevent.lines().any(|line| line == "DEVTYPE=wwan") || name.starts_with("ww")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modems_are_known_by_their_kind_or_name() {
        assert!(is_mobile("usb0", "DEVTYPE=wwan\nINTERFACE=usb0\n"));
        assert!(is_mobile("wwan0", "INTERFACE=wwan0\n"));
        assert!(!is_mobile("enp1s0", "INTERFACE=enp1s0\n"));
        assert!(!is_mobile("wlan0", "DEVTYPE=wlan\n"));
    }
}
