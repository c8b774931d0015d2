//! The network as the kernel has it: ports, addresses, the way outside, neighbours. Asked over rtnetlink, since every
//! shorter way guesses: an address can be there with the cable pulled, and a route without an address.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use rtnetlink::{Handle, RouteMessageBuilder, new_connection};

/// The kernel answers at once, or something is very wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the kernel did not tell.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetworkError {
    #[error("the kernel cannot be asked about the network")]
    Open(#[source] std::io::Error),
    #[error("the kernel does not tell about the network")]
    Ask(#[source] rtnetlink::Error),
    #[error("the kernel does not answer")]
    Silent,
}

/// The network at one moment. IPv4: what is asked for here is asked for its sake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) ports: Vec<Port>,
    pub(super) addresses: Vec<Address>,
    /// The default route that the kernel uses: the one with the lowest metric.
    pub(super) way_out: Option<WayOut>,
}

/// A network port that is no loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) index: u32,
    pub(super) name: String,
    /// Whether the cable carries a signal.
    pub(super) carrier: bool,
    /// Whether it is a piece of hardware, and not one that a program made.
    pub(super) physical: bool,
    pub(super) mac: Mac,
}

/// A hardware address; empty where a port has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mac(Vec<u8>);

/// An IPv4 address of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) port: u32,
    pub(super) ip: Ipv4Addr,
    pub(super) prefix: u8,
    /// For how long the kernel keeps it; `None` for ever.
    pub(super) valid_for: Option<Duration>,
}

/// A default route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WayOut {
    pub(super) port: u32,
    /// `None` on links that need none, such as PPP.
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) metric: u32,
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&bytes.join(":"))
    }
}

impl Network {
    /// Asks the kernel.
    ///
    /// # Errors
    /// It does not tell.
    pub(super) fn look() -> Result<Self, NetworkError> {
        ask(async |handle| {
            let links = handle.link().get().execute().try_collect::<Vec<_>>().await?;
            let addresses = handle.address().get().execute().try_collect::<Vec<_>>().await?;
            let routes = handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
            let routes = routes.try_collect::<Vec<_>>().await?;
            Ok(Self {
                ports: links.iter().filter_map(port).collect(),
                addresses: addresses.iter().filter_map(address).collect(),
                way_out: routes.iter().filter_map(way_out).min_by_key(|way| way.metric),
            })
        })
    }

    /// The port that leads outside; while none does, the one that most likely should.
    pub(super) fn main_port(&self) -> Option<&Port> {
        let of_route = self.way_out.and_then(|way| self.ports.iter().find(|port| port.index == way.port));
        // A port that containers use has a signal too: hardware comes first.
        of_route.or_else(|| self.ports.iter().max_by_key(|port| (port.physical, port.carrier, Reverse(port.index))))
    }

    /// That port, and the first address on it that somebody gave it.
    pub(super) fn main_address(&self) -> Option<(&Port, &Address)> {
        let port = self.main_port()?;
        let given = self.addresses_of(port.index).find(|address| !address.ip.is_link_local());
        Some((port, given?))
    }

    /// The addresses of a port.
    pub(super) fn addresses_of(&self, port: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |address| address.port == port)
    }
}

/// The hardware address that the kernel has found for a neighbour; `None` when nobody answered.
///
/// # Errors
/// The kernel does not tell.
pub(super) fn neighbour(ip: Ipv4Addr) -> Result<Option<Mac>, NetworkError> {
    ask(async |handle| {
        let neighbours = handle.neighbours().get().set_address_family(AddressFamily::Inet).execute();
        let neighbours = neighbours.try_collect::<Vec<_>>().await?;
        Ok(neighbours.iter().find_map(|message| mac_of(message, ip)))
    })
}

fn ask<T>(question: impl AsyncFnOnce(Handle) -> Result<T, rtnetlink::Error>) -> Result<T, NetworkError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(NetworkError::Open)?;
    runtime.block_on(async {
        let (connection, handle, _) = new_connection().map_err(NetworkError::Open)?;
        // Ends with the runtime.
        tokio::spawn(connection);
        match tokio::time::timeout(PATIENCE, question(handle)).await {
            Ok(answer) => answer.map_err(NetworkError::Ask),
            Err(_) => Err(NetworkError::Silent),
        }
    })
}

fn port(message: &LinkMessage) -> Option<Port> {
    if message.header.flags.contains(LinkFlags::Loopback) {
        return None;
    }
    let mut port = Port { index: message.header.index, ..Port::default() };
    let is_up = message.header.flags.contains(LinkFlags::Up);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => port.name.clone_from(name),
            LinkAttribute::Carrier(carrier) => port.carrier = is_up && *carrier != 0,
            LinkAttribute::ParentDevName(_) => port.physical = true,
            LinkAttribute::Address(mac) => port.mac = Mac(mac.clone()),
            _ => {}
        }
    }
    Some(port)
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut ip = None;
    let mut valid_for = None;
    for attribute in &message.attributes {
        match attribute {
            // On point-to-point links `Address` is the other end.
            AddressAttribute::Local(IpAddr::V4(local)) => ip = Some(*local),
            AddressAttribute::CacheInfo(times) if times.ifa_valid != u32::MAX => {
                valid_for = Some(Duration::from_secs(times.ifa_valid.into()));
            }
            _ => {}
        }
    }
    let ip = ip.filter(|ip| !ip.is_loopback())?;
    Some(Address { port: message.header.index, ip, prefix: message.header.prefix_len, valid_for })
}

fn way_out(message: &RouteMessage) -> Option<WayOut> {
    let header = &message.header;
    let is_default = header.destination_prefix_length == 0
        && header.kind == RouteType::Unicast
        && header.table == RouteHeader::RT_TABLE_MAIN;
    let mut way = WayOut { port: 0, gateway: None, metric: 0 };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(port) => way.port = *port,
            RouteAttribute::Gateway(_) => way.gateway = gateway(attribute),
            RouteAttribute::Priority(metric) => way.metric = *metric,
            // Several ways at once: the first stands for them all.
            RouteAttribute::MultiPath(hops) => {
                if let Some(hop) = hops.first() {
                    way.port = hop.interface_index;
                    way.gateway = hop.attributes.iter().find_map(gateway);
                }
            }
            _ => {}
        }
    }
    (is_default && way.port != 0).then_some(way)
}

fn gateway(attribute: &RouteAttribute) -> Option<Ipv4Addr> {
    match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => Some(*gateway),
        _ => None,
    }
}

fn mac_of(message: &NeighbourMessage, wanted: Ipv4Addr) -> Option<Mac> {
    use NeighbourState::{Delay, Permanent, Probe, Reachable, Stale};
    let is_wanted = message.attributes.contains(&NeighbourAttribute::Destination(NeighbourAddress::Inet(wanted)));
    let is_known = matches!(message.header.state, Reachable | Stale | Delay | Probe | Permanent);
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(mac) if is_wanted && is_known => Some(Mac(mac.clone())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wired(index: u32, carrier: bool) -> Port {
        Port { index, name: format!("eth{index}"), carrier, physical: true, mac: Mac(vec![2, 0, 0, 0, 0, 0xa]) }
    }

    #[test]
    fn the_main_port_is_the_one_that_leads_outside() {
        let mut network = Network { ports: vec![wired(2, false), wired(3, true)], ..Network::default() };
        let main = |network: &Network| network.main_port().map(|port| port.index);
        assert_eq!(main(&network), Some(3), "no way out: the one with a cable");
        network.ports.push(Port { physical: false, ..wired(1, true) });
        assert_eq!(main(&network), Some(3), "not the one of a program");
        network.way_out = Some(WayOut { port: 2, gateway: None, metric: 100 });
        assert_eq!(main(&network), Some(2), "its cable was pulled, and it still is the one");
        assert_eq!(main(&Network::default()), None);
    }

    #[test]
    fn hardware_addresses_are_written_as_on_the_labels() {
        assert_eq!(wired(1, true).mac.to_string(), "02:00:00:00:00:0a");
    }

    #[test]
    fn the_kernel_of_this_computer_can_be_asked() {
        let network = Network::look().expect("rtnetlink");
        assert!(network.ports.iter().all(|port| !port.name.is_empty()), "{network:?}");
        assert!(network.addresses.iter().all(|address| !address.ip.is_loopback()), "{network:?}");
        assert_eq!(neighbour(Ipv4Addr::new(240, 0, 0, 1)).expect("rtnetlink"), None);
    }
}
