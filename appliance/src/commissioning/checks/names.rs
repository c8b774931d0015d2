//! `lan.dns`: are names resolved, and truly?
//!
//! Each resolver of this computer is asked by itself: for a name whose address the whole Internet knows, and for one
//! that cannot exist (RFC 6761: nothing is in `.invalid`). Some networks answer the second with a page of
//! advertisements or a log-in: whoever relies on names there relies on a lie.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use datis_engine::keys::random_bytes;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::Found;
use crate::commissioning::catalogue::Finding;
use crate::commissioning::outcome::Fact;

/// A root server, whose address stands in every resolver's hints and has not changed in its life.
const KNOWN_NAME: &str = "a.root-servers.net";
const KNOWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 41, 0, 4);
/// For each of two tries: datagrams get lost.
const PATIENCE: Duration = Duration::from_millis(2_000);
const TRIES: usize = 2;
/// Slower than this is felt on every connection.
const SLOW: Duration = Duration::from_millis(500);
/// No more resolvers are asked; the system itself uses three (resolv.conf(5)).
const RESOLVERS_MAX: usize = 6;
/// The longest answer over UDP that was not asked for with an extension (RFC 1035, 4.2.1).
const ANSWER_MAX: usize = 512;

/// What one resolver did.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Resolver {
    True(Duration),
    Lies(String),
    Refuses(String),
    Silent,
}

pub(super) fn look() -> Found {
    let resolvers = configured(Path::new("/"));
    let answers: Vec<(IpAddr, Resolver)> = std::thread::scope(|scope| {
        let asked: Vec<_> = resolvers.iter().map(|ip| (*ip, scope.spawn(move || examine((*ip, 53).into())))).collect();
        asked.into_iter().map(|(ip, thread)| (ip, thread.join().unwrap_or(Resolver::Silent))).collect()
    });
    judge(&answers)
}

/// The IPv4 address of a host, by the first resolver that knows one: the system's own way has no limit of time.
pub(in crate::commissioning) fn address_of(host: &str) -> Option<Ipv4Addr> {
    host.parse().ok().or_else(|| {
        let resolvers = configured(Path::new("/"));
        resolvers.into_iter().find_map(|ip| ask((ip, 53).into(), host)?.addresses.first().copied())
    })
}

/// The resolvers that this computer asks.
pub(in crate::commissioning) fn resolvers() -> Vec<IpAddr> {
    configured(Path::new("/"))
}

/// What a resolver says are the addresses of a name; `None` when it says nothing.
pub(super) fn addresses(resolver: IpAddr, name: &str) -> Option<Vec<Ipv4Addr>> {
    ask((resolver, 53).into(), name).map(|answer| answer.addresses)
}

fn judge(answers: &[(IpAddr, Resolver)]) -> Found {
    let shown = answers.iter().map(|(ip, did)| match did {
        Resolver::True(took) => format!("{ip} {} ms", took.as_millis()),
        Resolver::Lies(what) => format!("{ip}: {what}"),
        Resolver::Refuses(code) => format!("{ip}: {code}"),
        Resolver::Silent => format!("{ip}: -"),
    });
    let asked = vec![KNOWN_NAME.to_owned(), "….invalid".to_owned()];
    let facts = vec![Fact::lines("resolvers", shown.collect()), Fact::lines("asked", asked)];
    let some = |is: fn(&Resolver) -> bool| answers.iter().find(|(_, did)| is(did));
    let of = |found: Option<&(IpAddr, Resolver)>| found.map(|(ip, _)| Fact::text("resolver", ip));
    let good = some(|did| matches!(did, Resolver::True(_)));
    let liar = some(|did| matches!(did, Resolver::Lies(_)));
    let refusing = some(|did| matches!(did, Resolver::Refuses(_)));
    let silent = some(|did| matches!(did, Resolver::Silent));
    let slow = some(|did| matches!(did, Resolver::True(took) if *took > SLOW));
    let (finding, which) = match (good, liar, refusing, silent, slow) {
        (_, Some(liar), ..) => (Finding::NamesLie, Some(liar)),
        (None, None, None, None, _) => (Finding::NamesNobody, None),
        (None, None, Some(refusing), _, _) => (Finding::NamesRefused, Some(refusing)),
        (None, None, None, Some(silent), _) => (Finding::NamesSilent, Some(silent)),
        (Some(_), None, Some(bad), _, _) | (Some(_), None, None, Some(bad), _) => (Finding::NamesPartly, Some(bad)),
        (Some(_), None, None, None, Some(slow)) => (Finding::NamesSlow, Some(slow)),
        (Some(good), None, None, None, None) => (Finding::NamesResolve, Some(good)),
    };
    (finding, of(which).into_iter().chain(facts).collect())
}

/// The resolvers that this computer asks. A resolver of its own in between is passed over: what counts is what the
/// network gives. `root` is the root of the file system.
fn configured(root: &Path) -> Vec<IpAddr> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map(|text| name_servers(&text)).unwrap_or_default();
    let direct = read("etc/resolv.conf");
    let behind =
        if direct.iter().all(IpAddr::is_loopback) { read("run/systemd/resolve/resolv.conf") } else { Vec::new() };
    if behind.is_empty() { direct } else { behind }
}

/// The lines `nameserver ADDRESS` of resolv.conf(5).
fn name_servers(text: &str) -> Vec<IpAddr> {
    let of_line = |line: &str| line.trim().strip_prefix("nameserver")?.trim().parse().ok();
    text.lines().filter_map(of_line).take(RESOLVERS_MAX).collect()
}

fn examine(resolver: SocketAddr) -> Resolver {
    let known = match ask(resolver, KNOWN_NAME) {
        None => return Resolver::Silent,
        Some(Answer { code: RCODE::NoError, addresses, took }) if addresses == [KNOWN_ADDRESS] => took,
        Some(Answer { code: RCODE::NoError, addresses, .. }) if !addresses.is_empty() => {
            return Resolver::Lies(format!("{KNOWN_NAME} = {}", listed(&addresses)));
        }
        Some(Answer { code, .. }) => return Resolver::Refuses(format!("{code:?}")),
    };
    let Ok(random) = random_bytes::<8>() else { return Resolver::True(known) };
    let impossible = format!("{}.invalid", HEXLOWER.encode(&random));
    match ask(resolver, &impossible) {
        Some(Answer { code: RCODE::NoError, addresses, .. }) if !addresses.is_empty() => {
            Resolver::Lies(format!("{impossible} = {}", listed(&addresses)))
        }
        // No address is no lie, and a lost datagram no reason to accuse anybody: the first question was answered.
        Some(_) | None => Resolver::True(known),
    }
}

fn listed(addresses: &[Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What a resolver says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    code: RCODE,
    addresses: Vec<Ipv4Addr>,
    /// From the question that was answered, not from an earlier one that got lost.
    took: Duration,
}

fn ask(resolver: SocketAddr, name: &str) -> Option<Answer> {
    (0..TRIES).find_map(|_| try_ask(resolver, name).ok())
}

fn try_ask(resolver: SocketAddr, name: &str) -> std::io::Result<Answer> {
    let unusable = |_| std::io::Error::from(ErrorKind::InvalidData);
    // A number that others cannot guess, so that nobody answers in the resolver's place.
    let id = u16::from_be_bytes(random_bytes::<2>().map_err(|_| std::io::Error::from(ErrorKind::Other))?);
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(unusable)?;
    query.questions.push(Question::new(name, QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false));
    let query = query.build_bytes_vec().map_err(unusable)?;

    let any: IpAddr = if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(resolver)?;
    let began = Instant::now();
    socket.send(&query)?;
    let deadline = began + PATIENCE;
    loop {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        socket.set_read_timeout(Some(left.ok_or(ErrorKind::TimedOut)?))?;
        let mut bytes = [0; ANSWER_MAX];
        let length = socket.recv(&mut bytes)?;
        let packet = Packet::parse(&bytes[..length]).map_err(unusable)?;
        if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
            continue;
        }
        let address = |record: &simple_dns::ResourceRecord<'_>| match &record.rdata {
            RData::A(a) => Some(Ipv4Addr::from(a.address)),
            _ => None,
        };
        let addresses = packet.answers.iter().filter_map(address).collect();
        return Ok(Answer { code: packet.rcode(), addresses, took: began.elapsed() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_liar_is_worse_than_one_that_is_silent() {
        let quick = || Resolver::True(Duration::from_millis(3));
        let slow = || Resolver::True(Duration::from_millis(700));
        let lies = || Resolver::Lies("x.invalid = 192.0.2.1".to_owned());
        let refuses = || Resolver::Refuses("Refused".to_owned());
        for (did, expected) in [
            (vec![], Finding::NamesNobody),
            (vec![quick(), quick()], Finding::NamesResolve),
            (vec![quick(), slow()], Finding::NamesSlow),
            (vec![quick(), Resolver::Silent, slow()], Finding::NamesPartly),
            (vec![refuses(), quick()], Finding::NamesPartly),
            (vec![quick(), Resolver::Silent, lies()], Finding::NamesLie),
            (vec![Resolver::Silent, Resolver::Silent], Finding::NamesSilent),
            (vec![Resolver::Silent, refuses()], Finding::NamesRefused),
        ] {
            let ips = (1..).map(|last| IpAddr::from([192, 168, 1, last]));
            let answers: Vec<_> = ips.zip(did).collect();
            assert_eq!(judge(&answers).0, expected, "{answers:?}");
        }
    }

    #[test]
    fn the_resolvers_of_the_network_count_not_the_one_of_this_computer() {
        let folder = tempfile::tempdir().expect("folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            fs::write(path, text).expect("file");
        };
        assert_eq!(configured(folder.path()), Vec::<IpAddr>::new());
        write("etc/resolv.conf", "# stub\nnameserver 127.0.0.53\noptions edns0\n");
        assert_eq!(configured(folder.path()), [IpAddr::from([127, 0, 0, 53])]);
        write("run/systemd/resolve/resolv.conf", "nameserver 192.168.1.1\nnameserver fe80::1%2\nnameserver fd00::1\n");
        let fd00: IpAddr = "fd00::1".parse().expect("address");
        assert_eq!(configured(folder.path()), [IpAddr::from([192, 168, 1, 1]), fd00]);
        write("etc/resolv.conf", "nameserver 192.168.1.254\n");
        assert_eq!(configured(folder.path()), [IpAddr::from([192, 168, 1, 254])]);
    }
}
