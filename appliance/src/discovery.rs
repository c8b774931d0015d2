//! Being found in the network by name: the box answers to `datis-XXXX.local` and announces the service `_datis._tcp`
//! (multicast DNS, RFC 6762 and 6763). Only within one network, and never the only way: some systems do not ask.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use mdns_sd::{Error, ServiceDaemon, ServiceEvent, ServiceInfo};

/// The service.
const SERVICE: &str = "_datis._tcp.local.";
/// How often the computer's addresses are looked at again, seconds.
const ADDRESS_CHECK_SECONDS: u32 = 15;

/// What is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    /// What people call the box.
    pub(crate) name: String,
    /// `datis-` and four digits.
    pub(crate) host: String,
    /// The vault.
    pub(crate) id: String,
    /// The machine port.
    pub(crate) port: u16,
    /// The key's pin.
    pub(crate) pin: String,
}

impl Card {
    /// The name that machines can use.
    pub(crate) fn host_name(&self) -> String {
        format!("{}.local", self.host)
    }
}

/// An announcement; taken back when it is dropped.
pub(crate) struct Announced(ServiceDaemon);

/// Announces the box on all ports of the computer, and answers to its name.
///
/// # Errors
/// There is no socket for it.
pub(crate) fn announce(card: &Card) -> Result<Announced, Error> {
    let daemon = ServiceDaemon::new()?;
    daemon.set_ip_check_interval(ADDRESS_CHECK_SECONDS)?;
    let facts = [("id", card.id.as_str()), ("version", env!("CARGO_PKG_VERSION")), ("pin", card.pin.as_str())];
    let host = format!("{}.", card.host_name());
    let service = ServiceInfo::new(SERVICE, &card.name, &host, (), card.port, &facts[..])?.enable_addr_auto();
    daemon.register(service)?;
    Ok(Announced(daemon))
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Says goodbye; who misses it forgets the box after two minutes.
        let _ = self.0.shutdown();
    }
}

/// What was found in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The addresses under which this box is announced; empty when nobody announces it.
    pub(crate) own: BTreeSet<Ipv4Addr>,
    /// The host name that goes with them; another one than on the card, if somebody else had that already.
    pub(crate) host: Option<String>,
}

/// Looks for the box as a machine would.
///
/// # Errors
/// There is no socket for it.
pub(crate) fn look_for(card: &Card, patience: Duration) -> Result<Found, Error> {
    let daemon = ServiceDaemon::new()?;
    let events = daemon.browse(SERVICE)?;
    let until = Instant::now() + patience;
    let mut found = Found::default();
    while found.own.is_empty() {
        let Ok(event) = events.recv_timeout(until.saturating_duration_since(Instant::now())) else { break };
        if let ServiceEvent::ServiceResolved(service) = event
            && service.get_property_val_str("id") == Some(card.id.as_str())
        {
            found.own = service.get_addresses_v4().into_iter().filter(|ip| !ip.is_loopback()).collect();
            found.host = Some(service.get_hostname().trim_end_matches('.').to_owned());
        }
    }
    // Its thread ends; nobody waits for that.
    let _ = daemon.shutdown();
    Ok(found)
}
