//! The way to a partner: `path.mtu`, how large a packet may be, and `path.rate`, how much goes through.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use datis_engine::keys::random_bytes;
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};

use super::{Found, nobody_outside};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::network::Network;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::{Meeting, absence};
use crate::partner::{ECHO_ANSWER, EchoAnswer, Link, Measured, Unanswered, echo_question};

/// Every IPv4 network carries that much (RFC 791).
const SMALLEST: u16 = 576;
/// What an Ethernet carries.
const LARGEST: u16 = 1_500;
/// Headers of IPv4 and UDP.
const HEADERS: u16 = 28;
/// For the answer to a datagram, twice: they get lost.
const PATIENCE: Duration = Duration::from_millis(600);
const TRIES: usize = 2;

/// What was found on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Path {
    /// The largest packet that came through; `None` when none did.
    largest: Option<u16>,
    /// The largest that can leave here.
    own: u16,
    /// Whether a router said that a packet was too large.
    is_told: bool,
}

/// `path.mtu`: packets that may not be cut, larger and smaller, until the largest that gets through is known.
pub(super) fn mtu(meeting: &Meeting, network: &Network) -> Found {
    if let Some(nobody) = nobody_outside(meeting) {
        return nobody;
    }
    let Some((partner, socket, seen)) = meeting.met().find(|(_, socket, _)| socket.is_ipv4()) else {
        return (Finding::PartnerSilent, vec![Fact::lines("partners", meeting.lines())]);
    };
    let echo = SocketAddr::new(socket.ip(), seen.ports.first().copied().unwrap_or(socket.port()));
    let own = network.main_port().and_then(|port| own_mtu(&port.name)).unwrap_or(LARGEST).min(LARGEST);
    match bisect(echo, own) {
        Ok(path) => {
            let mut facts = vec![Fact::text("partner", &partner.address), Fact::number("mtu-own", f64::from(path.own))];
            facts.extend(path.largest.map(|largest| Fact::number("mtu", f64::from(largest))));
            (judge_mtu(path), facts)
        }
        Err(error) => (Finding::Untold, vec![Fact::text("reason", error)]),
    }
}

fn own_mtu(port: &str) -> Option<u16> {
    fs::read_to_string(format!("/sys/class/net/{port}/mtu")).ok()?.trim().parse().ok()
}

fn judge_mtu(path: Path) -> Finding {
    match path.largest {
        None => Finding::MtuUntold,
        Some(largest) if largest < path.own && !path.is_told => Finding::MtuHole,
        Some(1_400..) => Finding::MtuFull,
        Some(1_280..) => Finding::MtuSmall,
        Some(_) => Finding::MtuTiny,
    }
}

fn bisect(partner: SocketAddr, own: u16) -> std::io::Result<Path> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    // Packets are never cut, and what routers said about earlier ones is not believed: every size is really tried.
    set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE)?;
    socket.connect(partner)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut path = Path { largest: None, own, is_told: false };
    if get_through(&socket, own, &mut path)? {
        return Ok(Path { largest: Some(own), ..path });
    }
    if !get_through(&socket, SMALLEST, &mut path)? {
        return Ok(path);
    }
    let (mut good, mut bad) = (SMALLEST, own);
    while bad - good > 4 {
        let middle = good.midpoint(bad);
        if get_through(&socket, middle, &mut path)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    // To the byte at the end, from above: sizes that networks have are rarely odd.
    let last = (good..bad).rev().find_map(|size| match get_through(&socket, size, &mut path) {
        Ok(true) => Some(Ok(size)),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    });
    path.largest = Some(last.transpose()?.unwrap_or(good));
    Ok(path)
}

/// Whether a packet of this size gets an answer.
fn get_through(socket: &UdpSocket, size: u16, path: &mut Path) -> std::io::Result<bool> {
    for _ in 0..TRIES {
        let nonce = random_bytes::<16>().map_err(std::io::Error::other)?;
        let question = echo_question(nonce, usize::from(size.saturating_sub(HEADERS)));
        let mut answer = [0; ECHO_ANSWER];
        // An error that comes now may be the answer to an earlier packet: the next try tells.
        let came = socket.send(&question).and_then(|_| socket.recv(&mut answer));
        match came {
            Ok(read) => {
                let answer = answer.get(..read).and_then(|answer| EchoAnswer::read(answer, nonce));
                if answer.is_some_and(|answer| usize::from(answer.length) == question.len()) {
                    return Ok(true);
                }
            }
            Err(error) if is_too_large(&error) => path.is_told = true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn is_too_large(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

/// Upwards at least this many Mb/s are good, and fewer than these poor.
const RATE_GOOD: f64 = 10.0;
const RATE_POOR: f64 = 2.0;

/// `path.rate`: some seconds up, some down.
pub(super) fn rate(meeting: &Meeting) -> Found {
    if let Some(nobody) = nobody_outside(meeting) {
        return nobody;
    }
    let mut refused = Vec::new();
    for (partner, socket, _) in meeting.met() {
        let measure = || -> Result<(Measured, Measured), Unanswered> {
            let mut link = Link::open(socket, partner.address.pin())?;
            Ok((link.upload()?, link.download()?))
        };
        match measure() {
            Ok((up, down)) => {
                let (finding, facts) = judge_rate(&up, &down);
                let with = Fact::text("partner", &partner.address);
                return (finding, std::iter::once(with).chain(facts).collect());
            }
            Err(why) => refused.push(format!("{}: {}", partner.address, absence(&why))),
        }
    }
    (Finding::PartnerSilent, vec![Fact::lines("partners", refused)])
}

fn judge_rate(up: &Measured, down: &Measured) -> Found {
    let (up, down) = (megabits(up), megabits(down));
    let finding = if up >= RATE_GOOD {
        Finding::RateGood
    } else if up >= RATE_POOR {
        Finding::RateSlow
    } else {
        Finding::RatePoor
    };
    // What 100 GiB take, which is what a small company has.
    let hours = 100.0 * 8_589.934_592 / up.max(0.01) / 3_600.0;
    let round = |value: f64| (value * 10.0).round() / 10.0;
    let facts = vec![
        Fact::number("rate-up", round(up)),
        Fact::number("rate-down", round(down)),
        Fact::number("copy-hours", hours.ceil()),
    ];
    (finding, facts)
}

fn megabits(measured: &Measured) -> f64 {
    measured.bytes as f64 * 8.0 / 1_000.0 / f64::from(measured.millis.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_swallows_large_packets_without_a_word_is_a_hole() {
        for (largest, own, is_told, expected) in [
            (Some(1_500), 1_500, false, Finding::MtuFull),
            (Some(1_400), 1_400, false, Finding::MtuFull),
            (Some(1_492), 1_500, true, Finding::MtuFull),
            (Some(1_492), 1_500, false, Finding::MtuHole),
            (Some(1_399), 1_500, true, Finding::MtuSmall),
            (Some(1_280), 1_500, true, Finding::MtuSmall),
            (Some(1_279), 1_500, true, Finding::MtuTiny),
            (None, 1_500, false, Finding::MtuUntold),
        ] {
            assert_eq!(judge_mtu(Path { largest, own, is_told }), expected, "{largest:?} {own} {is_told}");
        }
    }

    #[test]
    fn the_rate_upwards_decides() {
        let at = |megabits: u64| Measured { bytes: megabits * 125_000, millis: 1_000 };
        for (up, expected) in [
            (100, Finding::RateGood),
            (10, Finding::RateGood),
            (9, Finding::RateSlow),
            (2, Finding::RateSlow),
            (1, Finding::RatePoor),
            (0, Finding::RatePoor),
        ] {
            assert_eq!(judge_rate(&at(up), &at(100)).0, expected, "{up}");
        }
        let (_, facts) = judge_rate(&at(10), &at(100));
        assert!(facts.contains(&Fact::number("copy-hours", 24.0)), "{facts:?}");
    }
}
