//! `lan.stable`: has the box the address that it had? Machines keep the address they were enrolled with, and the router
//! forwards to one address: a box that moves is lost to both (D2).
//!
//! Two proofs that an address was lent: the kernel will drop it at a certain time, or a DHCP server offers it to this box
//! again. The kernel alone is not believed when it says "for ever": some DHCP clients do not tell it the end of the lease.
//! Whether the router keeps a lent address for the box is what `lan.reserved` says; here it is whether it has changed.

use std::net::Ipv4Addr;
use std::time::Duration;

use datis_engine::units::UnixMillis;
use jiff::{SignedDuration, Timestamp};

use super::{Found, lending};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::dhcp::{NoScan, Scan};
use crate::commissioning::network::{Address, Network};
use crate::commissioning::outcome::{Fact, Outcome, Value};

/// So long a change of the address counts as a failure, until the address is set by hand.
const REMEMBERED_SECONDS: i64 = 30 * 86_400;

/// A lease of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Lease {
    /// Who gave it, if that answers.
    server: Option<Ipv4Addr>,
    /// For how long it is still good, if the kernel knows.
    left: Option<Duration>,
}

/// How the address stood at the last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    ip: Ipv4Addr,
    moved: Option<Move>,
}

/// A change of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Move {
    from: Ipv4Addr,
    at: Timestamp,
}

impl Standing {
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        let text = |name: &str| match outcome.fact(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let moved = || Some(Move { from: text("moved-from")?.parse().ok()?, at: text("moved-at")?.parse().ok()? });
        Some(Self { ip: text("address")?.parse().ok()?, moved: moved() })
    }
}

pub(super) fn look(network: &Network, scan: &Result<Scan, NoScan>, last: Option<Standing>, now: UnixMillis) -> Found {
    let Some((_, address)) = network.main_address() else { return lending::unseen(&NoScan::gone()) };
    judge(address, lease(address, scan), scan.is_ok(), moved(address.ip, last, now))
}

/// `lan.reserved`, which needs to know whether the address was lent.
pub(super) fn reserved(network: &Network, scan: &Result<Scan, NoScan>) -> Found {
    let Some((port, address)) = network.main_address() else { return lending::unseen(&NoScan::gone()) };
    lending::reserved(address.ip, &port.mac.to_string(), lease(address, scan).is_some(), scan)
}

/// Whether the address has changed, now or not long ago.
fn moved(ip: Ipv4Addr, last: Option<Standing>, now: UnixMillis) -> Option<Move> {
    let last = last?;
    let now = Timestamp::from_millisecond(now.0).ok()?;
    let is_recent = |moved: &Move| now.duration_since(moved.at) < SignedDuration::from_secs(REMEMBERED_SECONDS);
    if last.ip == ip {
        return last.moved.filter(is_recent);
    }
    // Without parts of a second, which say nothing here.
    let at = Timestamp::from_second(now.as_second()).ok()?;
    Some(Move { from: last.ip, at })
}

/// `servers_asked`: whether it is known that no server has lent the address when nothing else says so.
fn judge(address: &Address, lease: Option<Lease>, servers_asked: bool, moved: Option<Move>) -> Found {
    let mut facts = vec![Fact::text("address", address.ip)];
    let Some(lease) = lease else {
        return (if servers_asked { Finding::StableStatic } else { Finding::StableUnproved }, facts);
    };
    facts.extend(lease.server.map(|server| Fact::text("server", server)));
    facts.extend(lease.left.map(|left| Fact::number("lease-minutes", (left.as_secs() / 60) as f64)));
    let Some(Move { from, at }) = moved else { return (Finding::StableLent, facts) };
    facts.extend([Fact::text("moved-from", from), Fact::text("moved-at", at)]);
    (Finding::StableMoved, facts)
}

/// What is known of the address's lease; `None` when nothing speaks for one.
fn lease(address: &Address, scan: &Result<Scan, NoScan>) -> Option<Lease> {
    let server = scan.as_ref().ok().and_then(|scan| scan.lender(address.ip)).map(|offer| offer.server);
    let left = address.valid_for;
    (server.is_some() || left.is_some()).then_some(Lease { server, left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commissioning::catalogue::Check;
    use crate::commissioning::outcome::Verdict;
    use crate::probe::Offer;

    const IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 60);
    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);

    fn address(ip: Ipv4Addr, valid_for: Option<Duration>) -> Address {
        Address { port: 2, ip, prefix: 24, valid_for }
    }

    #[test]
    fn an_address_is_lent_when_the_kernel_or_a_server_says_so() {
        let hours = Some(Duration::from_secs(7_200));
        let offer = Offer { server: SERVER, address: IP, lease_seconds: Some(120) };
        let offered = Ok(Scan { known: vec![offer], ..Scan::default() });
        let (nothing, blind) = (Ok(Scan::default()), Err(NoScan::NoHelper(String::new())));
        for (valid_for, scan, expected) in [
            (None, &nothing, Finding::StableStatic),
            (None, &offered, Finding::StableLent),
            (hours, &nothing, Finding::StableLent),
            (hours, &blind, Finding::StableLent),
            (None, &blind, Finding::StableUnproved),
        ] {
            let address = address(IP, valid_for);
            let found = judge(&address, lease(&address, scan), scan.is_ok(), None);
            assert_eq!(found.0, expected, "{valid_for:?} {scan:?}");
        }
        let (_, facts) = judge(&address(IP, hours), lease(&address(IP, hours), &offered), true, None);
        assert!(facts.contains(&Fact::number("lease-minutes", 120.0)) && facts.contains(&Fact::text("server", SERVER)));
    }

    #[test]
    fn a_lent_address_that_changed_is_a_failure_for_a_month() {
        const DAY: i64 = 86_400_000;
        let first = 1_790_000_000_000;
        let standing = |(finding, facts): Found| {
            let verdict = Verdict::Found(finding);
            Standing::of(&Outcome { check: Check::LanStable, verdict, facts, started_at: UnixMillis(0), took_ms: 0 })
        };
        let seen = |ip: Ipv4Addr, last: Option<Standing>, at: i64| {
            judge(&address(ip, None), Some(Lease::default()), true, moved(ip, last, UnixMillis(at)))
        };
        let other = Ipv4Addr::new(192, 168, 77, 61);
        let before = seen(IP, None, first);
        assert_eq!(before.0, Finding::StableLent);
        let after = seen(other, standing(before), first + DAY);
        assert_eq!(after.0, Finding::StableMoved);
        assert!(after.1.contains(&Fact::text("moved-from", IP)), "{:?}", after.1);
        let still = seen(other, standing(after), first + 20 * DAY);
        assert_eq!(still.0, Finding::StableMoved);
        let at_last = seen(other, standing(still), first + 32 * DAY);
        assert_eq!(at_last.0, Finding::StableLent);
        assert_eq!(standing((Finding::Untold, Vec::new())), None, "a run that saw no address says nothing");
    }
}
