//! One partner's connection: TLS, then some requests.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use datis_engine::ids::SpkiPin;
use rustls::{ServerConnection, StreamOwned};

use super::Shared;
use super::limits::{CONNECTION, REQUESTS_MAX};
use crate::partner::{
    Answer, CHUNK_MAX, DialVerdict, Dialled, Measured, RATE_BYTES_MAX, RATE_TIME_MAX, Reach, Refusal, Request, Seen,
    Timed, greet, read_message, write_message,
};

/// For connecting back, and again for the handshake.
const DIAL_PATIENCE: Duration = Duration::from_millis(2_500);
/// Ports below are other people's services.
const DIAL_PORT_MIN: u16 = 1_024;

type Tls = StreamOwned<ServerConnection, Timed>;

impl Shared {
    pub(super) fn partner(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let tls = ServerConnection::new(Arc::clone(&self.tls)).map_err(io::Error::other)?;
        let mut tls = StreamOwned::new(tls, Timed::new(stream, CONNECTION));
        for _ in 0..REQUESTS_MAX {
            let request = match read_message(&mut tls) {
                Ok(request) => request,
                Err(e) if e.kind() == ErrorKind::InvalidData => {
                    return write_message(&mut tls, &Answer::Refused(Refusal::Unreadable));
                }
                // The usual end.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                Err(e) => return Err(e),
            };
            let answer = match request {
                Request::Hello => Answer::Seen(self.seen(peer)),
                Request::Dial { port, pin } => self.dial(peer, port, pin, tls.sock.stream()),
                Request::Upload | Request::Download => match self.limits.rate_test(peer) {
                    None => Answer::Refused(Refusal::TooOften),
                    Some(None) => Answer::Refused(Refusal::Busy),
                    Some(Some(_place)) if request == Request::Upload => Answer::Measured(receive(&mut tls)?),
                    Some(Some(_place)) => Answer::Measured(send(&mut tls)?),
                },
            };
            write_message(&mut tls, &answer)?;
        }
        Ok(())
    }

    fn seen(&self, peer: SocketAddr) -> Seen {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Seen {
            address: peer.ip().to_string(),
            port: peer.port(),
            now: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            ports: self.ports.clone(),
        }
    }

    /// Dials the address that is observed, and no other.
    fn dial(&self, peer: SocketAddr, port: u16, pin: SpkiPin, asked_on: &TcpStream) -> Answer {
        if port < DIAL_PORT_MIN {
            return Answer::Refused(Refusal::Port);
        }
        if !self.limits.dial(peer) {
            return Answer::Refused(Refusal::TooOften);
        }
        // From the address that was asked: a box may have several, and the asker looks out for this one.
        let Ok(own) = asked_on.local_addr().map(|address| address.ip().to_canonical()) else {
            return Answer::Refused(Refusal::Busy);
        };
        let (verdict, took) = dial(SocketAddr::new(peer.ip(), port), own, pin);
        let millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let from = own.to_string();
        tracing::info!(%peer, port, ?verdict, millis, "Dialled a partner back");
        Answer::Dialled(Dialled { verdict, millis, from })
    }
}

/// Connects from a new port, and looks who is there; nothing is said after the handshake.
fn dial(target: SocketAddr, own: IpAddr, pin: SpkiPin) -> (DialVerdict, Duration) {
    let (reach, took, stream) = Reach::try_tcp_from(SocketAddr::new(own, 0), target, DIAL_PATIENCE);
    let verdict = match (reach, stream) {
        (Reach::Open, Some(stream)) => match greet(stream, DIAL_PATIENCE, false) {
            Ok(greeting) if greeting.pin == pin => DialVerdict::Ours,
            Ok(_) | Err(_) => DialVerdict::Other,
        },
        (Reach::RejectedNear | Reach::Refused, _) => DialVerdict::Refused,
        (Reach::Dropped, _) => DialVerdict::TimedOut,
        (Reach::Prohibited | Reach::Open, _) => DialVerdict::Prohibited,
    };
    (verdict, took)
}

/// Takes pieces until an empty one, and counts them.
fn receive(tls: &mut Tls) -> io::Result<Measured> {
    tls.sock.extend(RATE_TIME_MAX * 3);
    let (mut piece, mut began, mut bytes) = (vec![0; CHUNK_MAX], None, 0_u64);
    loop {
        let mut length = [0; 2];
        tls.read_exact(&mut length)?;
        let began = *began.get_or_insert_with(Instant::now);
        let length = usize::from(u16::from_be_bytes(length));
        if length == 0 {
            return Ok(measured(bytes, began.elapsed()));
        }
        let room = piece.get_mut(..length).ok_or(ErrorKind::InvalidData)?;
        tls.read_exact(room)?;
        bytes += length as u64;
        if bytes > RATE_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
    }
}

fn send(tls: &mut Tls) -> io::Result<Measured> {
    tls.sock.extend(RATE_TIME_MAX * 3);
    tls.sock.pace_writes()?;
    let (piece, began, mut bytes) = (vec![0xA5; CHUNK_MAX], Instant::now(), 0);
    while bytes < RATE_BYTES_MAX && began.elapsed() < RATE_TIME_MAX {
        tls.write_all(&(CHUNK_MAX as u16).to_be_bytes())?;
        tls.write_all(&piece)?;
        bytes += CHUNK_MAX as u64;
    }
    tls.write_all(&[0, 0])?;
    Ok(measured(bytes, began.elapsed()))
}

fn measured(bytes: u64, took: Duration) -> Measured {
    Measured { bytes, millis: u32::try_from(took.as_millis()).unwrap_or(u32::MAX).max(1) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::certs::Certs;
    use crate::config::{CoordinatorConfig, DataDir};
    use crate::coordinator::Coordinator;
    use crate::partner::{Link, Unanswered, server_config};

    fn certs() -> Certs {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        std::fs::create_dir(dir.keys_dir()).expect("keys");
        Certs::open_or_make(&dir, datis_engine::ids::VaultId::from_bytes([7; 16]), &mut |_| ()).expect("certs")
    }

    fn coordinator(certs: &Certs) -> Coordinator {
        let config = CoordinatorConfig {
            enabled: true,
            listen: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 0,
            more_ports: vec![],
        };
        Coordinator::start(&config, certs).expect("start")
    }

    /// Serves one handshake with a certificate, as the machine port does.
    fn door(certs: &Certs) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("address").port();
        let config = server_config(certs.server()).expect("TLS");
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a connection");
            let mut tls = StreamOwned::new(ServerConnection::new(config).expect("TLS"), stream);
            let _ended = tls.read(&mut [0]);
        });
        port
    }

    #[test]
    fn a_partner_tells_what_it_sees_and_who_is_behind_a_port() {
        let (own, other) = (certs(), certs());
        let running = coordinator(&own);
        let address = running.addresses[0];
        let mut link = Link::open(address, own.pin()).expect("link");
        let patience = Duration::from_secs(5);
        let Ok(Answer::Seen(seen)) = link.ask(&Request::Hello, patience) else { panic!("no answer") };
        assert_eq!((seen.address.as_str(), seen.ports.as_slice()), ("127.0.0.1", &[address.port()][..]));
        assert!(seen.now > 1_700_000_000_000);

        let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address").port();
        let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
        for (port, pin, expected) in [
            (door(&other), other.pin(), DialVerdict::Ours),
            (door(&other), own.pin(), DialVerdict::Other),
            (free, other.pin(), DialVerdict::Refused),
            (mute.local_addr().expect("address").port(), other.pin(), DialVerdict::Other),
        ] {
            let answer = link.ask(&Request::Dial { port, pin }, patience);
            let Ok(Answer::Dialled(dialled)) = answer else { panic!("{answer:?}") };
            assert_eq!(dialled.verdict, expected, "{port}");
        }
        let low = link.ask(&Request::Dial { port: 22, pin: other.pin() }, patience);
        assert_eq!(low, Err(Unanswered::Refused(Refusal::Port)));
        let refused = Link::open(address, other.pin()).err();
        assert!(matches!(refused, Some(Unanswered::Other(_))), "{refused:?}");
        running.stop();
    }

    #[test]
    fn rates_are_measured_and_bounded_in_number() {
        let own = certs();
        let running = coordinator(&own);
        let mut link = Link::open(running.addresses[0], own.pin()).expect("link");
        let up = link.upload().expect("up");
        assert!(up.bytes > 0 && up.bytes <= RATE_BYTES_MAX, "{up:?}");
        let down = link.download().expect("down");
        assert!(down.bytes > 0 && down.bytes <= RATE_BYTES_MAX, "{down:?}");
        let mut refused = None;
        for _ in 0..8 {
            let mut link = Link::open(running.addresses[0], own.pin()).expect("link");
            if let Err(error) = link.download() {
                refused = Some(error);
                break;
            }
        }
        assert!(refused.is_some());
    }

    #[test]
    fn what_is_no_message_gets_a_typed_refusal() {
        let own = certs();
        let running = coordinator(&own);
        let stream = TcpStream::connect(running.addresses[0]).expect("connect");
        let mut greeting = greet(stream, Duration::from_secs(5), true).expect("TLS");
        greeting.tls.write_all(&[0, 1, 0x00]).expect("write");
        let answer: Answer = read_message(&mut greeting.tls).expect("an answer");
        assert_eq!(answer, Answer::Refused(Refusal::Unreadable));
    }
}
