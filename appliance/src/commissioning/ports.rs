//! The box's port as pages and the console show it, and whether an address in its network is taken.

use std::net::{IpAddr, Ipv4Addr};

use super::checks::names;
use super::dhcp::{self, NoScan};
use super::network::Network;
use crate::operations::chain;

/// The port that leads outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortView {
    /// What the kernel calls it.
    pub(crate) name: String,
    /// Its hardware address.
    pub(crate) mac: String,
    /// Whether the cable carries a signal.
    pub(crate) has_signal: bool,
    /// Its IPv4 addresses.
    pub(crate) addresses: Vec<HeldAddress>,
    /// The way outside.
    pub(crate) gateway: Option<Ipv4Addr>,
    /// Whom this computer asks for names.
    pub(crate) names: Vec<IpAddr>,
}

/// An address of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldAddress {
    pub(crate) ip: Ipv4Addr,
    pub(crate) prefix: u8,
    /// Whether it was lent for a time.
    pub(crate) is_lent: bool,
}

/// Looks at the port that leads outside; `None` for a computer without any.
///
/// # Errors
/// The kernel does not tell, and why.
pub(crate) fn main_port() -> Result<Option<PortView>, String> {
    let network = Network::look().map_err(|e| chain(&e))?;
    let Some(port) = network.main_port() else { return Ok(None) };
    let held = network.addresses_of(port.index).map(|address| HeldAddress {
        ip: address.ip,
        prefix: address.prefix,
        is_lent: address.valid_for.is_some(),
    });
    Ok(Some(PortView {
        name: port.name.clone(),
        mac: port.mac.to_string(),
        has_signal: port.carrier,
        addresses: held.collect(),
        gateway: network.way_out.filter(|way| way.port == port.index).and_then(|way| way.gateway),
        names: names::resolvers(),
    }))
}

/// Who else in the box's network has this address: hardware addresses.
///
/// # Errors
/// It cannot be asked for, and why.
pub(crate) fn holders_of(address: Ipv4Addr) -> Result<Vec<String>, String> {
    let network = Network::look().map_err(|e| chain(&e))?;
    dhcp::holders(&network, address).map_err(|reason| match reason {
        NoScan::NoHelper(reason) | NoScan::Failed(reason) => reason,
    })
}
