//! What the DHCP servers of the network would lend, asked once a run for all checks that want to know.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::network::{Address, Network, Port};
use crate::probe::{self, Answer, HelperError, Offer, PortName, Question};

/// How many addresses are tried to find two that nobody has.
const CANDIDATES: usize = 6;

/// What was offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// To the box.
    pub(super) known: Vec<Offer>,
    /// To somebody unknown with the box's hardware address, who asked for another address: a server that keeps the
    /// box's address for its hardware address offers that one all the same.
    pub(super) unknown: Vec<Offer>,
    /// To two unknown ones with one other hardware address.
    pub(super) others: [Vec<Offer>; 2],
}

/// Why frames could not be sent or heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoScan {
    /// The helper is not there.
    NoHelper(String),
    /// Anything else.
    Failed(String),
}

impl Scan {
    /// Asks, for seconds.
    ///
    /// # Errors
    /// [`NoScan`].
    pub(super) fn make(network: &Network) -> Result<Self, NoScan> {
        let (port, address) = network.main_address().ok_or_else(NoScan::gone)?;
        match ask(&Question::Offers { port: name_of(port)?, free: free_addresses(network, address)? })? {
            Answer::Offers { known, unknown, others } => Ok(Self { known, unknown, others }),
            Answer::Holders { .. } | Answer::Disks { .. } | Answer::Failed { .. } => Err(NoScan::strange()),
        }
    }

    /// All servers that offered anything.
    pub(super) fn servers(&self) -> BTreeSet<Ipv4Addr> {
        let all = [&self.known, &self.unknown].into_iter().chain(&self.others).flatten();
        all.map(|offer| offer.server).collect()
    }

    /// The offer that shows that a server has lent this address to the box, or keeps it for it.
    pub(super) fn lender(&self, ip: Ipv4Addr) -> Option<&Offer> {
        self.known.iter().find(|offer| offer.address == ip)
    }

    /// Whether every server that answers keeps this address for the box. `None` when none answers, and when the servers
    /// may go by hardware addresses, to whom the unknown one is the box itself.
    pub(super) fn is_reserved(&self, ip: Ipv4Addr) -> Option<bool> {
        if self.unknown.is_empty() {
            return None;
        }
        if self.unknown.iter().any(|offer| offer.address != ip) {
            return Some(false);
        }
        self.tells_clients_apart().then_some(true)
    }

    /// Every server has offered two addresses to two clients with one hardware address.
    fn tells_clients_apart(&self) -> bool {
        let [one, two] = &self.others;
        let is_apart = |offer: &Offer| two.iter().any(|b| b.server == offer.server && b.address != offer.address);
        !one.is_empty() && one.iter().all(is_apart)
    }
}

impl NoScan {
    pub(super) fn gone() -> Self {
        Self::Failed("the address went away meanwhile".to_owned())
    }

    fn strange() -> Self {
        Self::Failed("the helper answers something else".to_owned())
    }
}

/// Who else has an address, by the hardware addresses of those who are not this computer.
///
/// # Errors
/// [`NoScan`].
pub(super) fn holders(network: &Network, address: Ipv4Addr) -> Result<Vec<String>, NoScan> {
    let port = network.main_port().ok_or_else(NoScan::gone)?;
    match ask(&Question::Holders { port: name_of(port)?, address })? {
        Answer::Holders { macs } => {
            // A computer with two ports in one network answers at both for all its addresses.
            let own: Vec<String> = network.ports.iter().map(|port| port.mac.to_string()).collect();
            Ok(macs.into_iter().filter(|mac| !own.contains(mac)).collect())
        }
        Answer::Offers { .. } | Answer::Disks { .. } | Answer::Failed { .. } => Err(NoScan::strange()),
    }
}

fn name_of(port: &Port) -> Result<PortName, NoScan> {
    PortName::try_from(port.name.clone()).map_err(NoScan::Failed)
}

fn ask(question: &Question) -> Result<Answer, NoScan> {
    probe::ask(question).map_err(|error| {
        let text = crate::operations::chain(&error);
        if matches!(error, HelperError::Start { .. }) { NoScan::NoHelper(text) } else { NoScan::Failed(text) }
    })
}

/// Two, or as many as are found among the nearest.
fn free_addresses(network: &Network, address: &Address) -> Result<Vec<Ipv4Addr>, NoScan> {
    let gateway = network.way_out.and_then(|way| way.gateway);
    let is_ours = |ip: &Ipv4Addr| network.addresses.iter().any(|address| address.ip == *ip);
    let mut free = Vec::new();
    for candidate in neighbours(address).filter(|ip| Some(*ip) != gateway && !is_ours(ip)).take(CANDIDATES) {
        if holders(network, candidate)?.is_empty() {
            free.push(candidate);
        }
        if free.len() == 2 {
            break;
        }
    }
    Ok(free)
}

/// The other addresses of the network, the nearest first: those are likely to be among the ones that a server lends.
fn neighbours(address: &Address) -> impl Iterator<Item = Ipv4Addr> {
    let own = u32::from(address.ip);
    let mask = u32::MAX.checked_shl(32 - u32::from(address.prefix.min(32))).unwrap_or(0);
    let (first, last) = (own & mask, own | !mask);
    let near = (1..=!mask).flat_map(move |distance| [own.checked_add(distance), own.checked_sub(distance)]);
    near.flatten().filter(move |ip| (first + 1..last).contains(ip)).map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(server: u8, address: u8) -> Offer {
        let of = |last| Ipv4Addr::new(192, 168, 77, last);
        Offer { server: of(server), address: of(address), lease_seconds: Some(3_600) }
    }

    #[test]
    fn the_nearest_other_addresses_of_the_network_are_tried() {
        let near = |ip: [u8; 4], prefix, take| {
            let address = Address { port: 2, ip: Ipv4Addr::from(ip), prefix, valid_for: None };
            neighbours(&address).take(take).map(|ip| ip.octets()[3]).collect::<Vec<_>>()
        };
        assert_eq!(near([192, 168, 77, 60], 24, 4), [61, 59, 62, 58]);
        assert_eq!(near([192, 168, 77, 254], 24, 2), [253, 252], "not the broadcast address");
        assert_eq!(near([192, 168, 77, 1], 30, 9), [2], "not the network's own address");
        assert_eq!(near([192, 168, 77, 1], 32, 9), Vec::<u8>::new());
        assert_eq!(near([255, 255, 255, 254], 24, 2), [253, 252]);
    }

    #[test]
    fn an_address_is_reserved_when_strangers_with_the_boxs_hardware_get_no_other() {
        let ip = Ipv4Addr::new(192, 168, 77, 60);
        let apart = [vec![offer(1, 61)], vec![offer(1, 59)]];
        let alike = [vec![offer(1, 61)], vec![offer(1, 61)]];
        let scan = |known: &[Offer], unknown: &[Offer], others: &[Vec<Offer>; 2]| Scan {
            known: known.to_vec(),
            unknown: unknown.to_vec(),
            others: others.clone(),
        };
        assert_eq!(scan(&[], &[], &apart).is_reserved(ip), None);
        assert_eq!(scan(&[offer(1, 60)], &[offer(1, 60)], &apart).is_reserved(ip), Some(true));
        assert_eq!(scan(&[offer(1, 60)], &[offer(1, 60)], &alike).is_reserved(ip), None, "it goes by hardware");
        assert_eq!(scan(&[offer(1, 60)], &[offer(1, 60)], &Default::default()).is_reserved(ip), None);
        let two_servers = [vec![offer(1, 61), offer(2, 59)], vec![offer(2, 59), offer(1, 61)]];
        assert_eq!(scan(&[], &[offer(1, 60)], &two_servers).is_reserved(ip), None, "each by itself goes by hardware");
        assert_eq!(scan(&[offer(1, 60)], &[offer(1, 61)], &alike).is_reserved(ip), Some(false));
        assert_eq!(scan(&[offer(1, 60)], &[offer(1, 60), offer(2, 61)], &apart).is_reserved(ip), Some(false));
        assert_eq!(scan(&[offer(1, 60)], &[offer(2, 60)], &Default::default()).servers().len(), 2);
        assert!(scan(&[offer(1, 60)], &[], &apart).lender(ip).is_some());
        assert!(scan(&[offer(1, 61)], &[offer(1, 60)], &apart).lender(ip).is_none());
    }
}
