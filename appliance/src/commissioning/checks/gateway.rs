//! `wan.gateway`: is somebody there who takes what leaves the network?
//!
//! First its hardware address: a datagram makes the kernel look for it, and no firewall stands in the way of that. Then
//! anything it answers with: an echo, or a word on a port that gateways have, a refusal included.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Found, untold};
use crate::commissioning::catalogue::Finding;
use crate::commissioning::dhcp::holders;
use crate::commissioning::network::{Network, NetworkError, neighbour};
use crate::commissioning::outcome::Fact;

/// The kernel gives up looking for a neighbour after three seconds.
const NEIGHBOUR_PATIENCE: Duration = Duration::from_millis(3_500);
/// How often the kernel is asked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// For each answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Names and configuration pages: what gateways have open, if anything.
const PORTS: [u16; 3] = [53, 80, 443];
/// Echo request (RFC 792), code 0; the kernel fills in the checksum and the identifier.
const ECHO: [u8; 16] = [8, 0, 0, 0, 0, 0, 0, 1, b'd', b'a', b't', b'i', b's', 0, 0, 0];

pub(super) fn look(network: &Network) -> Found {
    let Some(gateway) = network.way_out.and_then(|way| way.gateway) else {
        // A link to one other end only: that it is up is all that can be known.
        let port = network.main_port().map(|port| Fact::text("port", &port.name));
        return (Finding::GatewayNotNeeded, port.into_iter().collect());
    };
    let mut facts = vec![Fact::text("gateway", gateway)];
    match find_neighbour(gateway) {
        Ok(None) => return (Finding::GatewayGone, facts),
        Ok(Some(mac)) => facts.push(Fact::text("gateway-mac", mac)),
        Err(error) => return untold(&error),
    }
    let Some((how, took)) = answer(gateway) else {
        // The kernel remembers neighbours for a while after they have gone.
        if holders(network, gateway).is_ok_and(|macs| macs.is_empty()) {
            return (Finding::GatewayGone, facts);
        }
        let ports = PORTS.iter().map(|port| format!("TCP {port}"));
        facts.push(Fact::lines("tried", std::iter::once("ping".to_owned()).chain(ports).collect()));
        return (Finding::GatewayMute, facts);
    };
    facts.push(Fact::text("answered-to", how));
    facts.push(Fact::number("answer-ms", (took.as_secs_f64() * 10_000.0).round() / 10.0));
    (Finding::GatewayAnswers, facts)
}

fn find_neighbour(gateway: Ipv4Addr) -> Result<Option<impl std::fmt::Display>, NetworkError> {
    // Only to make the kernel look for it; port 9 is where nobody listens (RFC 863). What becomes of it shows below.
    let _sent = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| socket.send_to(&[0], (gateway, 9)));
    let deadline = Instant::now() + NEIGHBOUR_PATIENCE;
    loop {
        let found = neighbour(gateway)?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// What the gateway answered to first, and how soon.
fn answer(gateway: Ipv4Addr) -> Option<(String, Duration)> {
    let began = Instant::now();
    if echo(gateway).is_ok() {
        return Some(("ping".to_owned(), began.elapsed()));
    }
    PORTS.into_iter().find_map(|port| {
        let began = Instant::now();
        match TcpStream::connect_timeout(&SocketAddr::from((gateway, port)), ANSWER_PATIENCE) {
            Ok(_) => Some((format!("TCP {port}"), began.elapsed())),
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => Some((format!("TCP {port}"), began.elapsed())),
            Err(_) => None,
        }
    })
}

/// Needs no privilege where `net.ipv4.ping_group_range` has the daemon's group in it.
fn echo(gateway: Ipv4Addr) -> std::io::Result<()> {
    let mut socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
    socket.set_read_timeout(Some(ANSWER_PATIENCE))?;
    socket.connect(&SocketAddr::from((gateway, 0)).into())?;
    socket.send(&ECHO)?;
    let mut reply = [0; 64];
    let read = socket.read(&mut reply)?;
    // Type 0 is the reply; the kernel gives this socket no other but errors.
    if read > 0 && reply[0] == 0 { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}
