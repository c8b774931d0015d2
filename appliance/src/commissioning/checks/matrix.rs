//! `out.matrix`: does what has to get out get out? Every port that partners answer on is tried, and a datagram; how a try
//! fails tells who stands in the way.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use datis_engine::keys::random_bytes;

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;
use crate::commissioning::outside::{Meeting, at_once, reach};
use crate::partner::{ECHO_ANSWER, ECHO_MIN, EchoAnswer, Reach, echo_question};

/// For each of three datagrams: they get lost.
const ECHO_PATIENCE: Duration = Duration::from_millis(600);
const ECHO_TRIES: usize = 3;

/// A port of partners, and how it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    port: u16,
    is_datagram: bool,
    /// Without it boxes cannot talk.
    is_needed: bool,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", if self.is_datagram { "UDP" } else { "TCP" }, self.port)
    }
}

pub(super) fn look(meeting: &Meeting) -> Found {
    if meeting.is_empty() {
        return (Finding::PartnerNone, Vec::new());
    }
    let mut tries = Vec::new();
    for partner in &meeting.partners {
        let Some(socket) = partner.socket else { continue };
        tries.push((socket, Way { port: socket.port(), is_datagram: false, is_needed: true }));
        if let Ok(seen) = &partner.answer {
            let more = seen.ports.iter().filter(|port| **port != socket.port());
            let further = more.map(|port| (*port, false)).chain(seen.ports.first().map(|port| (*port, true)));
            tries.extend(further.map(|(port, is_datagram)| {
                (SocketAddr::new(socket.ip(), port), Way { port, is_datagram, is_needed: false })
            }));
        }
    }
    let tried = at_once(&tries, |(socket, way)| {
        let (reach, took) = if way.is_datagram { echo(*socket) } else { reach(*socket) };
        (*way, reach, took)
    });
    judge(&tried)
}

/// One port may be tried at several partners: it is open when one of them is reached by it, since the others may be off.
fn judge(tried: &[(Way, Reach, Duration)]) -> Found {
    let mut best: BTreeMap<Way, (Reach, Duration)> = BTreeMap::new();
    for (way, reach, took) in tried {
        let so_far = best.entry(*way).or_insert((*reach, *took));
        if *reach == Reach::Open {
            *so_far = (*reach, *took);
        }
    }
    let shown = best.iter().map(|(way, (reach, took))| format!("{way} {} {} ms", reach.word(), took.as_millis()));
    let ports = Fact::lines("ports", shown.collect());
    let blocked = |is_needed: bool| {
        best.iter().filter(move |(way, (reach, _))| way.is_needed == is_needed && *reach != Reach::Open)
    };
    let has_way = best.iter().any(|(way, (reach, _))| way.is_needed && *reach == Reach::Open);
    // Partners may listen on different ports. While one is reached, another one may just be off.
    let (finding, which): (_, Vec<_>) = match (has_way, blocked(true).count() + blocked(false).count()) {
        (true, 0) => return (Finding::OutOpen, vec![ports]),
        (true, _) => (Finding::OutPartly, blocked(true).chain(blocked(false)).collect()),
        (false, _) => (Finding::OutBlocked, blocked(true).collect()),
    };
    let how = which.first().map_or(Reach::Dropped, |(_, (reach, _))| *reach);
    let names = which.iter().map(|(way, _)| way.to_string()).collect();
    (finding, vec![Fact::lines("blocked", names), Fact::text("how", how.word()), ports])
}

/// Whether a datagram gets out and its answer back.
pub(super) fn echo(partner: SocketAddr) -> (Reach, Duration) {
    let began = Instant::now();
    let outcome = ask(partner, ECHO_MIN);
    let reach = match outcome {
        Ok(Some(_)) => Reach::Open,
        Ok(None) => Reach::Dropped,
        Err(error) => Reach::of(&error, began.elapsed()),
    };
    (reach, began.elapsed())
}

fn ask(partner: SocketAddr, length: usize) -> std::io::Result<Option<EchoAnswer>> {
    let any: SocketAddr =
        if partner.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(partner)?;
    socket.set_read_timeout(Some(ECHO_PATIENCE))?;
    let nonce = random_bytes::<16>().map_err(std::io::Error::other)?;
    for _ in 0..ECHO_TRIES {
        socket.send(&echo_question(nonce, length))?;
        let mut answer = [0; ECHO_ANSWER];
        match socket.recv(&mut answer) {
            Ok(read) => {
                if let Some(answer) = answer.get(..read).and_then(|answer| EchoAnswer::read(answer, nonce)) {
                    return Ok(Some(answer));
                }
            }
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_and_what_is_not_are_told_apart() {
        let way = |port, is_datagram, is_needed| Way { port, is_datagram, is_needed };
        let (main, web, echo) = (way(20_601, false, true), way(80, false, false), way(20_601, true, false));
        let judged = |tried: &[(Way, Reach)]| {
            judge(&tried.iter().map(|(way, reach)| (*way, *reach, Duration::ZERO)).collect::<Vec<_>>())
        };
        for (tried, expected, how) in [
            (vec![(main, Reach::Open), (web, Reach::Open), (echo, Reach::Open)], Finding::OutOpen, None),
            (vec![(main, Reach::Open), (web, Reach::RejectedNear)], Finding::OutPartly, Some("rejected-near")),
            (vec![(main, Reach::Open), (echo, Reach::Dropped)], Finding::OutPartly, Some("dropped")),
            (vec![(main, Reach::Dropped), (main, Reach::Open)], Finding::OutOpen, None),
            (vec![(main, Reach::Dropped), (way(444, false, true), Reach::Open)], Finding::OutPartly, Some("dropped")),
            (vec![(main, Reach::Prohibited)], Finding::OutBlocked, Some("prohibited")),
            (vec![(main, Reach::Refused), (main, Reach::Dropped)], Finding::OutBlocked, Some("refused")),
        ] {
            let (finding, facts) = judged(&tried);
            assert_eq!(finding, expected, "{tried:?}");
            let told = facts.iter().find(|fact| fact.name == "how").map(|fact| fact.value.to_string());
            assert_eq!(told.as_deref(), how, "{tried:?}");
        }
    }
}
