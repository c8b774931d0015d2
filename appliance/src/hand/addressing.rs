//! How a port gets its IPv4 address: lent by DHCP, or fixed. What cannot work is refused before anybody touches a port.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::plain::plain;

/// Name servers of one port.
pub const NAME_SERVERS_MAX: usize = 3;

/// How a port gets its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addressing {
    /// Lent by the network's DHCP server, with gateway and name servers.
    Dhcp,
    /// This one.
    Fixed(Fixed),
}

/// A fixed address that can work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Fixed {
    address: Ipv4Addr,
    prefix: u8,
    gateway: Option<Ipv4Addr>,
    names: Vec<Ipv4Addr>,
}

/// Why a fixed address cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressingError {
    /// Not `ADDRESS/PREFIX`.
    #[error("`{0}` is no address with its network; write it such as 192.168.1.20/24")]
    NoAddress(String),
    /// Not the gateway's or a name server's address.
    #[error("`{0}` is no IPv4 address; write it such as 192.168.1.1")]
    NoIp(String),
    /// A network of this size is no local network.
    #[error("a network of /{0} is not possible here; use a prefix from /8 to /30, mostly /24")]
    Prefix(u8),
    /// Nobody can have this address.
    #[error("{0} cannot be the address of a computer; choose an ordinary one of the local network")]
    Unusable(Ipv4Addr),
    /// It names the network itself, or everybody in it.
    #[error("{0} stands for the network itself or for everybody in it; choose an address between them")]
    Ends(Ipv4Addr),
    /// The gateway could not be reached.
    #[error("the gateway {gateway} is outside of the network {network}; the box could not reach it")]
    GatewayOutside {
        /// The gateway.
        gateway: Ipv4Addr,
        /// The network, `ADDRESS/PREFIX`.
        network: String,
    },
    /// The gateway is the box.
    #[error("{0} is given as the box's address and as its gateway; they are two devices")]
    GatewayIsBox(Ipv4Addr),
    /// Too many name servers.
    #[error("a port has up to {NAME_SERVERS_MAX} name servers; leave some out")]
    TooManyNames,
}

impl Fixed {
    /// Reads what people write: `192.168.1.20/24`, the gateway (may be empty), name servers with spaces or commas between.
    ///
    /// # Errors
    /// [`AddressingError`].
    pub fn parse(address: &str, gateway: &str, names: &str) -> Result<Self, AddressingError> {
        let no_address = || AddressingError::NoAddress(short(address));
        let (ip, prefix) = address.trim().split_once('/').ok_or_else(no_address)?;
        let (ip, prefix) = (ip.parse().map_err(|_| no_address())?, prefix.parse().map_err(|_| no_address())?);
        let read = |text: &str| text.parse().map_err(|_| AddressingError::NoIp(short(text)));
        let gateway = Some(gateway.trim()).filter(|gateway| !gateway.is_empty()).map(read).transpose()?;
        let words = names.split([' ', ',', ';', '\n', '\r', '\t']).filter(|word| !word.is_empty());
        // One more than there may be is enough to refuse them.
        let names = words.take(NAME_SERVERS_MAX + 1).map(read).collect::<Result<_, _>>()?;
        Self::new(ip, prefix, gateway, names)
    }

    fn new(
        address: Ipv4Addr,
        prefix: u8,
        gateway: Option<Ipv4Addr>,
        names: Vec<Ipv4Addr>,
    ) -> Result<Self, AddressingError> {
        if !(8..=30).contains(&prefix) {
            return Err(AddressingError::Prefix(prefix));
        }
        let fixed = Self { address, prefix, gateway, names };
        fixed.can_be_had(address)?;
        if let Some(gateway) = gateway {
            if gateway == address {
                return Err(AddressingError::GatewayIsBox(gateway));
            }
            if !fixed.is_inside(gateway) {
                return Err(AddressingError::GatewayOutside { gateway, network: fixed.network() });
            }
            fixed.can_be_had(gateway)?;
        }
        if fixed.names.len() > NAME_SERVERS_MAX {
            return Err(AddressingError::TooManyNames);
        }
        match fixed.names.iter().find(|name| name.is_unspecified() || name.is_multicast() || name.is_broadcast()) {
            Some(name) => Err(AddressingError::Unusable(*name)),
            None => Ok(fixed),
        }
    }

    fn mask(&self) -> u32 {
        u32::MAX << (32 - u32::from(self.prefix))
    }

    fn is_inside(&self, ip: Ipv4Addr) -> bool {
        (u32::from(ip) ^ u32::from(self.address)) & self.mask() == 0
    }

    fn network(&self) -> String {
        format!("{}/{}", Ipv4Addr::from(u32::from(self.address) & self.mask()), self.prefix)
    }

    fn can_be_had(&self, ip: Ipv4Addr) -> Result<(), AddressingError> {
        let is_of_nobody =
            ip.octets()[0] == 0 || ip.octets()[0] >= 240 || ip.is_loopback() || ip.is_multicast() || ip.is_link_local();
        if is_of_nobody {
            return Err(AddressingError::Unusable(ip));
        }
        let within = u32::from(ip) & !self.mask();
        if within == 0 || within == !self.mask() { Err(AddressingError::Ends(ip)) } else { Ok(()) }
    }

    /// The box's address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// `ADDRESS/PREFIX`.
    #[must_use]
    pub fn with_prefix(&self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }

    /// The way outside.
    #[must_use]
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway
    }

    /// Who is asked for names.
    #[must_use]
    pub fn names(&self) -> &[Ipv4Addr] {
        &self.names
    }
}

impl fmt::Display for Addressing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.write_str("DHCP"),
            Self::Fixed(fixed) => f.write_str(&fixed.with_prefix()),
        }
    }
}

/// What was typed goes into messages, and is cut there.
fn short(text: &str) -> String {
    plain(text, 40)
}

/// As it travels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    address: Ipv4Addr,
    prefix: u8,
    gateway: Option<Ipv4Addr>,
    names: Vec<Ipv4Addr>,
}

impl TryFrom<Raw> for Fixed {
    type Error = AddressingError;

    fn try_from(raw: Raw) -> Result<Self, AddressingError> {
        Self::new(raw.address, raw.prefix, raw.gateway, raw.names)
    }
}

impl From<Fixed> for Raw {
    fn from(Fixed { address, prefix, gateway, names }: Fixed) -> Self {
        Self { address, prefix, gateway, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_work_is_taken() {
        for (address, gateway, names, count) in [
            ("192.168.1.20/24", "192.168.1.1", "192.168.1.1 9.9.9.9", 2),
            (" 10.0.0.1/8 ", "10.255.255.254", "", 0),
            ("172.16.3.1/30", "172.16.3.2", "1.1.1.1,8.8.8.8;9.9.9.9", 3),
            ("192.168.1.20/24", "", "", 0),
            ("203.0.113.9/29", "203.0.113.14", "", 0),
        ] {
            let fixed = Fixed::parse(address, gateway, names).expect(address);
            assert_eq!(fixed.with_prefix(), address.trim());
            assert_eq!(fixed.names().len(), count);
            assert_eq!(fixed.gateway().map(|ip| ip.to_string()).unwrap_or_default(), gateway);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_reason() {
        let outside = |gateway: [u8; 4], network: &str| AddressingError::GatewayOutside {
            gateway: gateway.into(),
            network: network.to_owned(),
        };
        for (address, gateway, names, expected) in [
            ("192.168.1.20", "", "", AddressingError::NoAddress("192.168.1.20".to_owned())),
            ("192.168.1/24", "", "", AddressingError::NoAddress("192.168.1/24".to_owned())),
            ("192.168.1.20/x", "", "", AddressingError::NoAddress("192.168.1.20/x".to_owned())),
            ("192.168.1.20/33", "", "", AddressingError::Prefix(33)),
            ("192.168.1.20/31", "", "", AddressingError::Prefix(31)),
            ("192.168.1.0/24", "", "", AddressingError::Ends([192, 168, 1, 0].into())),
            ("192.168.1.255/24", "", "", AddressingError::Ends([192, 168, 1, 255].into())),
            ("127.0.0.1/8", "", "", AddressingError::Unusable([127, 0, 0, 1].into())),
            ("169.254.1.1/16", "", "", AddressingError::Unusable([169, 254, 1, 1].into())),
            ("224.0.0.5/24", "", "", AddressingError::Unusable([224, 0, 0, 5].into())),
            ("0.0.0.0/8", "", "", AddressingError::Unusable([0, 0, 0, 0].into())),
            ("192.168.1.20/24", "192.168.2.1", "", outside([192, 168, 2, 1], "192.168.1.0/24")),
            ("192.168.1.20/24", "192.168.1.20", "", AddressingError::GatewayIsBox([192, 168, 1, 20].into())),
            ("192.168.1.20/24", "192.168.1.255", "", AddressingError::Ends([192, 168, 1, 255].into())),
            ("192.168.1.20/24", "fe80::1", "", AddressingError::NoIp("fe80::1".to_owned())),
            ("192.168.1.20/24", "", "dns.lan", AddressingError::NoIp("dns.lan".to_owned())),
            ("192.168.1.20/24", "", "1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4", AddressingError::TooManyNames),
            ("192.168.1.20/24", "", "0.0.0.0", AddressingError::Unusable([0, 0, 0, 0].into())),
        ] {
            assert_eq!(Fixed::parse(address, gateway, names), Err(expected), "{address} {gateway} {names}");
        }
    }
}
