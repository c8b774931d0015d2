//! The partners outside: met once in a run, at the same time, and asked by all checks that need somebody outside.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use datis_engine::wire::reach::DialFound;
use rustls::ServerConnection;

use super::arriving::knocking;
use super::checks::names;
use crate::config::PartnerAddress;
use crate::partner::{
    Answer, DialVerdict, Dialled, Door, Link, MemberDial, Reach, Refusal, Request, Seen, Timed, Unanswered,
};

/// For an answer that needs no work.
const PATIENCE: Duration = Duration::from_secs(3);
/// For dialling back, which waits for what may not come.
const DIAL_PATIENCE: Duration = Duration::from_secs(7);
/// So many are asked to dial back: two of three decide.
const DIALLERS_MAX: usize = 3;

/// All partners, each as it was met.
#[derive(Debug, Default)]
pub(super) struct Meeting {
    pub(super) partners: Vec<Partner>,
}

/// One partner.
#[derive(Debug, Clone)]
pub(super) struct Partner {
    pub(super) address: PartnerAddress,
    /// `None` when its name has no address.
    pub(super) socket: Option<SocketAddr>,
    pub(super) answer: Result<Seen, Unanswered>,
    pub(super) took: Duration,
}

impl Meeting {
    /// Asks all of them what they see.
    pub(super) fn hold(partners: &[PartnerAddress]) -> Self {
        let partners = at_once(partners, |address| {
            let socket = resolve(address);
            let began = Instant::now();
            let answer = match socket {
                Some(socket) => hello(socket, address),
                None => Err(Unanswered::Broken("-".to_owned())),
            };
            Partner { address: address.clone(), socket, answer, took: began.elapsed() }
        });
        Self { partners }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partners.is_empty()
    }

    /// Those that answered.
    pub(super) fn met(&self) -> impl Iterator<Item = (&Partner, SocketAddr, &Seen)> {
        self.partners.iter().filter_map(|partner| Some((partner, partner.socket?, partner.answer.as_ref().ok()?)))
    }

    /// One line a partner, as evidence.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |partner: &Partner| match &partner.answer {
            Ok(seen) => format!("{} {} ms: {}", partner.address, partner.took.as_millis(), seen.address),
            Err(why) => format!("{}: {}", partner.address, absence(why)),
        };
        self.partners.iter().map(line).collect()
    }
}

/// Why somebody did not answer, in a word.
pub(super) fn absence(why: &Unanswered) -> String {
    match why {
        Unanswered::Unreached(reach) => reach.word().to_owned(),
        Unanswered::Other(issuer) => issuer.clone(),
        Unanswered::Foreign(what) | Unanswered::Broken(what) => what.clone(),
        Unanswered::Refused(Refusal::TooOften) => "asked too often".to_owned(),
        Unanswered::Refused(Refusal::Busy) => "busy".to_owned(),
        Unanswered::Refused(Refusal::Port) => "tries no port below 1024".to_owned(),
        Unanswered::Refused(refusal) => format!("{refusal:?}"),
    }
}

fn resolve(address: &PartnerAddress) -> Option<SocketAddr> {
    let ip = address.host().parse().ok().or_else(|| names::address_of(address.host()).map(IpAddr::V4))?;
    Some(SocketAddr::new(ip, address.port()))
}

fn hello(socket: SocketAddr, address: &PartnerAddress) -> Result<Seen, Unanswered> {
    match Link::open(socket, address.pin())?.ask(&Request::Hello, PATIENCE)? {
        Answer::Seen(seen) => Ok(seen),
        _ => Err(Unanswered::Foreign("CBOR".to_owned())),
    }
}

/// Does the same for each, all at once.
pub(super) fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        // One that panics is a defect; it goes where every panic goes.
        running.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// What partners found when they dialled the box.
#[derive(Debug, Default)]
pub(super) struct Dialling {
    /// The port they were told.
    pub(super) port: u16,
    pub(super) votes: Vec<Vote>,
}

/// What one of them found.
#[derive(Debug, Clone)]
pub(super) struct Vote {
    pub(super) partner: String,
    pub(super) answer: Result<Dialled, Unanswered>,
    /// Whether the box has seen a connection from there meanwhile.
    pub(super) arrived: bool,
}

impl Dialling {
    /// Asks up to three members of the box's community to dial `port`, and partners where none can tell. Somebody has to listen
    /// there.
    pub(super) fn ask(meeting: &Meeting, door: Option<&Door>, port: Option<u16>) -> Self {
        let members = door.and_then(|door| door.members.as_ref());
        if let (Some(members), Some(port)) = (members, port) {
            let votes: Vec<Vote> = members(port).into_iter().map(Vote::of_member).collect();
            if votes.iter().any(|vote| vote.answer.is_ok()) {
                return Self { port, votes };
            }
        }
        Self::of(meeting, door, port, SocketAddr::is_ipv4)
    }

    /// The same with some of the partners alone.
    pub(super) fn of(
        meeting: &Meeting,
        door: Option<&Door>,
        port: Option<u16>,
        wanted: impl Fn(&SocketAddr) -> bool,
    ) -> Self {
        let (Some(door), Some(port)) = (door, port) else { return Self::default() };
        let diallers: Vec<_> = meeting.met().filter(|(_, socket, _)| wanted(socket)).take(DIALLERS_MAX).collect();
        if diallers.is_empty() {
            return Self { port, votes: Vec::new() };
        }
        let (began, watching) = (Instant::now(), AtomicBool::new(true));
        let (votes, knocked) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| knocking_while(&watching, door.port));
            let votes = at_once(&diallers, |(partner, socket, _)| {
                (partner.address.to_string(), dial(*socket, &partner.address, port, door))
            });
            watching.store(false, Ordering::Release);
            (votes, watch.join().unwrap_or_default())
        });
        let votes = votes.into_iter().map(|(partner, answer)| {
            let from = answer.as_ref().ok().and_then(|dialled| dialled.from.parse::<IpAddr>().ok());
            let arrived = from.is_some_and(|from| door.arrivals.came(from, began) || knocked.contains(&from));
            Vote { partner, answer, arrived }
        });
        let votes = votes.collect();
        Self { port, votes }
    }

    /// How many found the box, of those that could tell.
    pub(super) fn reached(&self) -> (usize, usize) {
        let answered = self.votes.iter().filter_map(|vote| vote.answer.as_ref().ok());
        let ours = answered.clone().filter(|dialled| dialled.verdict == DialVerdict::Ours).count();
        (ours, answered.count())
    }
}

impl Vote {
    fn of_member(told: MemberDial) -> Self {
        let arrived = told.found.as_ref().is_ok_and(|dialled| dialled.found.is_reached());
        let answer = told.found.map_err(Unanswered::Broken).map(|dialled| {
            let (verdict, millis) = match dialled.found {
                DialFound::Reached { millis } => (DialVerdict::Ours, millis),
                DialFound::NoTls | DialFound::OtherKey | DialFound::NoAnswer => (DialVerdict::Other, 0),
                DialFound::Silent => (DialVerdict::TimedOut, 0),
                DialFound::Refused => (DialVerdict::Refused, 0),
                DialFound::Prohibited => (DialVerdict::Prohibited, 0),
            };
            // A member does not tell from where it dialled.
            Dialled { verdict, millis, from: String::new() }
        });
        Self { partner: told.name, answer, arrived }
    }
}

/// Who has knocked at the port until somebody says that it is enough.
fn knocking_while(watching: &AtomicBool, port: u16) -> BTreeSet<IpAddr> {
    let mut all = BTreeSet::new();
    while watching.load(Ordering::Acquire) {
        all.extend(knocking(port));
        std::thread::sleep(Duration::from_millis(25));
    }
    all
}

fn dial(socket: SocketAddr, address: &PartnerAddress, port: u16, door: &Door) -> Result<Dialled, Unanswered> {
    let mut link = Link::open(socket, address.pin())?;
    match link.ask(&Request::Dial { port, pin: door.pin }, DIAL_PATIENCE)? {
        Answer::Dialled(dialled) => Ok(dialled),
        _ => Err(Unanswered::Foreign("CBOR".to_owned())),
    }
}

/// Listens at the machine port while the daemon does not, and shows the box's certificate to whoever comes.
pub(super) struct Doorkeeper {
    going: Arc<AtomicBool>,
    watch: Option<JoinHandle<()>>,
}

impl Doorkeeper {
    /// `None` while the daemon listens, and when somebody else has the port: what partners find then is true.
    pub(super) fn stand_in(door: &Door) -> Option<Self> {
        if door.is_served {
            return None;
        }
        let listener = TcpListener::bind(("::", door.port)).or_else(|_| TcpListener::bind(("0.0.0.0", door.port)));
        let listener = listener.ok()?;
        listener.set_nonblocking(true).ok()?;
        let going = Arc::new(AtomicBool::new(false));
        let (door, leaving) = (door.clone(), Arc::clone(&going));
        let watch = move || {
            while !leaving.load(Ordering::Acquire) {
                match listener.accept() {
                    Ok((stream, peer)) => {
                        door.arrivals.note(peer.ip());
                        // Whoever does not take part in the handshake learns nothing.
                        let _ = show_certificate(stream, &door);
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(5)),
                    Err(_) => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        };
        let watch = std::thread::Builder::new().name("doorkeeper".to_owned()).spawn(watch).ok()?;
        Some(Self { going, watch: Some(watch) })
    }
}

impl Drop for Doorkeeper {
    fn drop(&mut self) {
        self.going.store(true, Ordering::Release);
        // So that the port is free again for whoever comes next.
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

fn show_certificate(stream: TcpStream, door: &Door) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut tls = ServerConnection::new(Arc::clone(&door.tls)).map_err(std::io::Error::other)?;
    let mut stream = Timed::new(stream, Duration::from_secs(1));
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    tls.send_close_notify();
    tls.complete_io(&mut stream).map(drop)
}

/// One try to connect, as evidence.
pub(super) fn reach(socket: SocketAddr) -> (Reach, Duration) {
    let (reach, took, _) = Reach::try_tcp(socket, Duration::from_millis(2_500));
    (reach, took)
}

#[cfg(test)]
mod tests {
    use datis_engine::wire::reach::DialledBack;

    use super::*;

    #[test]
    fn members_are_asked_where_there_are_some_and_partners_where_none_can_tell() {
        let asked_of = |found: Vec<Result<DialFound, &'static str>>| {
            let mut door = Door::of_nobody();
            door.members = Some(Arc::new(move |port| {
                assert_eq!(port, 443, "the port that others are to find");
                let told = found.iter().map(|found| MemberDial {
                    name: "bakery".to_owned(),
                    found: found
                        .map_err(str::to_owned)
                        .map(|found| DialledBack { address: "1.2.3.4".to_owned(), found }),
                });
                told.collect()
            }));
            Dialling::ask(&Meeting::default(), Some(&door), Some(443))
        };
        let reached = asked_of(vec![Ok(DialFound::Reached { millis: 7 }), Ok(DialFound::Silent), Err("busy")]);
        assert_eq!((reached.votes.len(), reached.reached()), (3, (1, 2)));
        assert_eq!(reached.votes[0].partner, "bakery");
        for (found, expected) in [
            (DialFound::Silent, DialVerdict::TimedOut),
            (DialFound::Refused, DialVerdict::Refused),
            (DialFound::Prohibited, DialVerdict::Prohibited),
            (DialFound::NoTls, DialVerdict::Other),
            (DialFound::OtherKey, DialVerdict::Other),
            (DialFound::NoAnswer, DialVerdict::Other),
        ] {
            let vote = &asked_of(vec![Ok(found)]).votes[0];
            assert_eq!((vote.answer.as_ref().map(|told| told.verdict), vote.arrived), (Ok(expected), false));
        }
        assert!(asked_of(vec![Err("busy")]).votes.is_empty() && asked_of(vec![]).votes.is_empty(), "then partners are");
    }
}
