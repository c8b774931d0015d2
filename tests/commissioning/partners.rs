//! The world behind the shop: partner boxes at public addresses, each a real `datisd`, and what stands in between.
//!
//! ```text
//! box ── rtr 11.22.33.2 ── 11.22.33.1 net 44.128.1.254 ── out 44.128.1.1, .2, .3
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use crate::site::{BOX, Site};

/// The port of a coordinator.
pub(crate) const PORT: u16 = 20_601;
/// The address that the world sees of the shop.
pub(crate) const PUBLIC: &str = "11.22.33.2";
/// The machine port of the box.
pub(crate) const MACHINES: u16 = 20_600;

/// The address of a partner, from 1.
pub(crate) fn partner(number: usize) -> String {
    format!("44.128.1.{number}")
}

impl Site {
    /// The shop as it should be, and so many partners; not made yet, so that it can still be changed.
    pub(crate) fn with_partners(count: usize) -> Self {
        let mut site = Self::build();
        site.lab.space("out");
        site.lab.cable("net", "out");
        site.lab.ip("net", "addr add 44.128.1.254/24 dev out");
        site.lab.ip("out", "addr add 44.128.1.1/24 dev net");
        site.lab.ip("out", "route add default via 44.128.1.254");
        site.lab.ip("rtr", "route add default via 11.22.33.1");
        site.lab.sysctl("net", "net.ipv4.ip_forward=1");
        for number in 1..=count {
            if number > 1 {
                site.lab.ip("out", &format!("addr add {}/24 dev net", partner(number)));
            }
            site.add_partner(&partner(number), "more_ports = [80]");
        }
        site.configure("");
        site.init()
    }

    /// A box outside that answers others.
    pub(crate) fn add_partner(&mut self, address: &str, more: &str) {
        let folder = self.lab.folder().join(address.replace(':', "-"));
        let datisd = self.lab.inside("out", self.datisd()).arg("--data").arg(&folder);
        let made = datisd.clone().arg("init").run().expect_success().text();
        let pin = made.split("key ").nth(1).and_then(|rest| rest.get(..64)).expect("a pin").to_owned();
        let text = format!(
            "[commissioning]\nautomatic = false\n[machine_port]\nlisten = \"{address}\"\n\
             [coordinator]\nenabled = true\nlisten = \"{address}\"\n{more}\n"
        );
        std::fs::write(folder.join("datisd.toml"), text).expect("configuration");
        self.lab.serve(datisd.args(["run", "--portal-port", "0"]));
        let ready = folder.join("run.json");
        let told = harness::wait_for("the partner", Duration::from_secs(20), || std::fs::read_to_string(&ready).ok());
        let line = if address.contains(':') { format!("[{address}]:{PORT}") } else { format!("{address}:{PORT}") };
        let line = format!("{line}#{pin}");
        assert!(told.contains(&line), "the box tells what others have to enter: {told}");
        self.partners.push(line);
    }

    /// The router forwards the machine port to an address inside.
    pub(crate) fn forward_to(&self, address: &str, port: u16) {
        self.lab.nft(
            "rtr",
            &format!(
                "table ip forward {{ chain pre {{ type nat hook prerouting priority dstnat; iifname \"net\" \
                 tcp dport {MACHINES} dnat to {address}:{port}; }}\n}}"
            ),
        );
    }

    /// The router forwards the machine port to the box.
    pub(crate) fn forward(&self) {
        self.forward_to(BOX, MACHINES);
    }

    /// A firewall in a namespace, with rules for what goes through it.
    pub(crate) fn filter(&self, space: &str, rules: &str) {
        let chain = format!("chain pass {{ type filter hook forward priority filter; {rules}; }}");
        self.lab.nft(space, &format!("table ip filter {{ {chain}\n}}"));
    }

    /// The router sends connections to these ports to a port of its own.
    pub(crate) fn divert(&self, ports: &str, to: u16) -> SocketAddr {
        self.lab.nft(
            "rtr",
            &format!(
                "table ip divert {{ chain pre {{ type nat hook prerouting priority dstnat; iifname \"box\" \
                 tcp dport {{ {ports} }} redirect to :{to}; }}\n}}"
            ),
        );
        SocketAddr::from(([0, 0, 0, 0], to))
    }
}
