//! `wan.proxy`: does the network want a proxy? The box talks directly; where only a proxy gets out, that has to be known
//! before anybody looks for another fault. Tried: what the environment names, and the usual ports of the gateway.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{Found, names};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::network::Network;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::{Meeting, at_once};
use crate::config::PartnerAddress;
use crate::partner::{Reach, Timed};

/// For connecting, and again for the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where proxies listen.
const PORTS: [u16; 3] = [3_128, 8_080, 8_888];
/// The longest answer.
const ANSWER_MAX: u64 = 4 << 10;

pub(super) fn look(meeting: &Meeting, network: &Network) -> Found {
    if meeting.is_empty() {
        return (Finding::PartnerNone, Vec::new());
    }
    // Anything that answers at all was reached directly.
    let is_direct = meeting.partners.iter().any(|partner| {
        use crate::partner::Unanswered::Unreached;
        !matches!(&partner.answer, Err(Unreached(_))) && partner.socket.is_some()
    });
    let candidates = if is_direct { Vec::new() } else { candidates(network) };
    let Some(partner) = meeting.partners.first().map(|partner| &partner.address) else {
        return (Finding::PartnerNone, Vec::new());
    };
    let working = at_once(&candidates, |proxy| leads_out(*proxy, partner).then_some(*proxy));
    judge(is_direct, working.into_iter().flatten().next(), meeting)
}

fn judge(is_direct: bool, proxy: Option<SocketAddr>, meeting: &Meeting) -> Found {
    match (is_direct, proxy) {
        (true, _) => (Finding::ProxyNone, Vec::new()),
        (false, Some(proxy)) => (Finding::ProxyOnly, vec![Fact::text("proxy", proxy)]),
        (false, None) => (Finding::PartnerSilent, vec![Fact::lines("partners", meeting.lines())]),
    }
}

fn candidates(network: &Network) -> Vec<SocketAddr> {
    let named = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy"];
    let named = named.iter().filter_map(|name| std::env::var(name).ok()).filter_map(|url| {
        let (host, port) = host_and_port(&url)?;
        Some(SocketAddr::from((names::address_of(host)?, port)))
    });
    let gateway: Option<Ipv4Addr> = network.way_out.and_then(|way| way.gateway);
    let mut all: Vec<SocketAddr> =
        named.chain(gateway.into_iter().flat_map(|ip| PORTS.map(|port| (ip, port).into()))).collect();
    all.dedup();
    all
}

/// `http://user:password@host:port/` → host and port.
fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    match place.rsplit_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((place, 3_128)).filter(|(host, _)| !host.is_empty()),
    }
}

/// Whether it connects to the partner when it is asked to.
fn leads_out(proxy: SocketAddr, partner: &PartnerAddress) -> bool {
    let (_, _, Some(stream)) = Reach::try_tcp(proxy, PATIENCE) else { return false };
    let mut stream = Timed::new(stream, PATIENCE);
    let question = format!("CONNECT {partner} HTTP/1.1\r\nHost: {partner}\r\n\r\n");
    let mut first = String::new();
    stream.write_all(question.as_bytes()).is_ok()
        && BufReader::new(stream.take(ANSWER_MAX)).read_line(&mut first).is_ok()
        && first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)) == Some("200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_from_what_people_write() {
        for (url, expected) in [
            ("http://proxy.lan:3128/", Some(("proxy.lan", 3_128))),
            ("http://user:p:w@10.0.0.1:8080", Some(("10.0.0.1", 8_080))),
            ("proxy.lan", Some(("proxy.lan", 3_128))),
            ("http://proxy.lan:x", None),
            ("", None),
        ] {
            assert_eq!(host_and_port(url), expected, "{url}");
        }
    }

    #[test]
    fn only_a_proxy_that_is_the_only_way_is_a_failure() {
        let (nobody, proxy) = (Meeting::default(), "10.0.0.1:3128".parse().ok());
        for (is_direct, proxy, expected) in [
            (true, None, Finding::ProxyNone),
            (true, proxy, Finding::ProxyNone),
            (false, proxy, Finding::ProxyOnly),
            (false, None, Finding::PartnerSilent),
        ] {
            assert_eq!(judge(is_direct, proxy, &nobody).0, expected);
        }
    }
}
