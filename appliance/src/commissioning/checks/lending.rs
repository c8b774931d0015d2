//! `lan.dup`, `lan.dhcp2`, `lan.reserved`: does the box's address belong to it alone, and who lends addresses here?

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::dhcp::{NoScan, Scan, holders};
use crate::commissioning::network::Network;
use crate::commissioning::outcome::Fact;

/// A lease that is shorter than this runs out while the box or the router is off for a day.
const SHORT: Duration = Duration::from_secs(86_400);

/// Nobody else has the box's address. A ping would miss a computer that answers to none; ARP it has to answer.
pub(super) fn duplicate(network: &Network) -> Found {
    let Some((port, address)) = network.main_address() else { return unseen(&NoScan::gone()) };
    match holders(network, address.ip) {
        Err(reason) => unseen(&reason),
        Ok(macs) if macs.is_empty() => (Finding::AddressUnshared, vec![Fact::text("address", address.ip)]),
        Ok(macs) => (
            Finding::AddressShared,
            vec![Fact::text("address", address.ip), Fact::lines("other-macs", macs), Fact::text("mac", &port.mac)],
        ),
    }
}

/// Two DHCP servers lend addresses of two networks, in turns: the worst fault to look for without a tool.
pub(super) fn servers(scan: &Result<Scan, NoScan>) -> Found {
    let scan = match scan {
        Ok(scan) => scan,
        Err(reason) => return unseen(reason),
    };
    let servers: Vec<String> = scan.servers().iter().map(ToString::to_string).collect();
    let finding = match servers.len() {
        0 => Finding::DhcpNone,
        1 => Finding::DhcpOne,
        _ => Finding::DhcpSeveral,
    };
    (finding, vec![Fact::lines("servers", servers)])
}

/// The router keeps the box's address for it. `lent`: whether it was lent at all, and for how long at a time.
pub(super) fn reserved(ip: Ipv4Addr, mac: &str, lent: bool, scan: &Result<Scan, NoScan>) -> Found {
    let scan = match scan {
        Ok(scan) => scan,
        Err(reason) => return unseen(reason),
    };
    let mut facts = vec![Fact::text("address", ip), Fact::text("mac", mac)];
    let offered = scan.unknown.iter().map(|offer| format!("{}: {}", offer.server, offer.address));
    facts.push(Fact::lines("offers", offered.collect()));
    let lease = scan.unknown.iter().filter_map(|offer| offer.lease_seconds).min();
    facts.extend(lease.map(|seconds| Fact::number("lease-hours", (f64::from(seconds) / 360.0).round() / 10.0)));
    let is_short = lease.is_some_and(|seconds| Duration::from_secs(seconds.into()) < SHORT);
    let finding = match (scan.is_reserved(ip), lent) {
        (Some(true), _) => Finding::ReservedForBox,
        (_, false) => Finding::ReservedNotNeeded,
        (None, true) => Finding::ReservedUnproved,
        (Some(false), true) if is_short => Finding::ReservedNotAndShort,
        (Some(false), true) => Finding::ReservedNot,
    };
    (finding, facts)
}

/// Frames could not be sent or heard.
pub(super) fn unseen(why: &NoScan) -> Found {
    match why {
        NoScan::NoHelper(reason) => (Finding::ProbeMissing, vec![Fact::text("reason", reason)]),
        NoScan::Failed(reason) => (Finding::Untold, vec![Fact::text("reason", reason)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Offer;

    const IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 60);

    fn scan(unknown: &[(u8, u8, u32)]) -> Result<Scan, NoScan> {
        let of = |last| Ipv4Addr::new(192, 168, 77, last);
        let offer = |(server, address, seconds): &(u8, u8, u32)| Offer {
            server: of(*server),
            address: of(*address),
            lease_seconds: Some(*seconds),
        };
        let others = [vec![offer(&(1, 61, 1))], vec![offer(&(1, 59, 1))]];
        Ok(Scan { known: Vec::new(), unknown: unknown.iter().map(offer).collect(), others })
    }

    #[test]
    fn one_server_is_fine_and_so_is_none() {
        for (offers, expected) in [
            (Ok(Scan::default()), Finding::DhcpNone),
            (scan(&[(1, 60, 1), (1, 61, 1)]), Finding::DhcpOne),
            (scan(&[(1, 60, 1), (2, 61, 1)]), Finding::DhcpSeveral),
            (Err(NoScan::NoHelper(String::new())), Finding::ProbeMissing),
        ] {
            assert_eq!(servers(&offers).0, expected, "{offers:?}");
        }
    }

    #[test]
    fn a_lent_address_is_judged_by_what_a_stranger_would_get() {
        const DAY: u32 = 86_400;
        for (offers, lent, expected) in [
            (scan(&[(1, 60, 120)]), true, Finding::ReservedForBox),
            (scan(&[(1, 60, 120)]), false, Finding::ReservedForBox),
            (scan(&[(1, 61, DAY)]), true, Finding::ReservedNot),
            (scan(&[(1, 61, DAY - 1)]), true, Finding::ReservedNotAndShort),
            (scan(&[(1, 61, 120)]), false, Finding::ReservedNotNeeded),
            (scan(&[]), true, Finding::ReservedUnproved),
            (scan(&[]), false, Finding::ReservedNotNeeded),
            (Err(NoScan::gone()), true, Finding::Untold),
        ] {
            assert_eq!(reserved(IP, "", lent, &offers).0, expected, "{offers:?} {lent}");
        }
    }
}
