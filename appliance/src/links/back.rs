//! Dialling a member back: looks whether its box answers at one address, and never sends more there than the member has sent.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use datis_engine::ids::SpkiPin;
use datis_engine::wire::reach::{DialFound, Ping};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::peers::{Identity, PeerLink, PeerLinkError};
use super::pipes::PipeError;
use crate::channels::AnyPipe;
use crate::partner::Reach;

/// For connecting, and again for the answer.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// What the packets that open and end a connection take of the budget, in bytes: several times 60.
const OPENING: usize = 512;

/// Looks whether the box with this key answers there. Sends at most `budget` bytes.
pub(super) fn look(address: SocketAddr, pin: SpkiPin, own: &Identity, budget: usize) -> DialFound {
    let (reach, _, stream) = Reach::try_tcp(address, PATIENCE);
    let stream = match (reach, stream) {
        (Reach::Open, Some(stream)) => stream,
        (Reach::Dropped, _) => return DialFound::Silent,
        (Reach::Refused | Reach::RejectedNear, _) => return DialFound::Refused,
        (Reach::Prohibited | Reach::Open, _) => return DialFound::Prohibited,
    };
    let connecting = async {
        let stream =
            stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).map_err(PipeError::Broken)?;
        let counted: AnyPipe = Box::new(Budgeted { stream, left: budget.saturating_sub(OPENING) });
        Ok(counted)
    };
    let mut link = match PeerLink::open(connecting, pin, own, PATIENCE) {
        Ok(link) => link,
        Err(PeerLinkError::Pipe(PipeError::OtherKey)) => return DialFound::OtherKey,
        Err(_) => return DialFound::NoTls,
    };
    let (ping, asked) = (Ping { nonce: nonce().into() }, Instant::now());
    match link.ask(&ping) {
        Ok(pong) if pong.nonce == ping.nonce => {
            DialFound::Reached { millis: u32::try_from(asked.elapsed().as_millis()).unwrap_or(u32::MAX) }
        }
        Ok(_) | Err(_) => DialFound::NoAnswer,
    }
}

fn nonce() -> [u8; 8] {
    let mut bytes = [0; 8];
    // Without randomness there is no TLS either; the answer is on the same connection anyway.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    bytes
}

/// A connection that breaks before it sends more than it may.
struct Budgeted {
    stream: TcpStream,
    left: usize,
}

impl AsyncRead for Budgeted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Budgeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.len() > self.left {
            return Poll::Ready(Err(io::Error::other("more would be sent than was asked with")));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = written {
            self.left -= len;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use datis_engine::format::encode;
    use datis_engine::wire::reach::DialBack;

    use super::*;
    use crate::certs::Certs;
    use crate::config::DataDir;
    use crate::links::peers::{AllowPrivate, Dialler};

    fn certs() -> Certs {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        std::fs::create_dir(dir.keys_dir()).expect("keys");
        Certs::open_or_make(&dir, datis_engine::ids::VaultId::from_bytes([7; 16]), &mut |_| ()).expect("certs")
    }

    /// Speaks TLS with a certificate to one caller and answers no request. Gives all that it was sent.
    fn door(certs: &Certs) -> (SocketAddr, std::thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("address");
        let mut config = rustls::ServerConfig::clone(&crate::partner::server_config(certs.server()).expect("TLS"));
        config.alpn_protocols = vec![super::super::pipes::HTTP.to_vec()];
        let serve = move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            let mut tls = rustls::ServerConnection::new(std::sync::Arc::new(config)).expect("TLS");
            let (mut came, mut bytes) = (0, [0; 4_096]);
            while let Ok(len @ 1..) = stream.read(&mut bytes) {
                came += len;
                let mut rest = &bytes[..len];
                while !rest.is_empty() {
                    let _ = tls.read_tls(&mut rest);
                    let _ = tls.process_new_packets();
                }
                while tls.wants_write() {
                    let _ = tls.write_tls(&mut stream);
                }
            }
            came
        };
        (address, std::thread::spawn(serve))
    }

    #[test]
    fn what_dialling_sends_is_never_more_than_what_it_was_asked_with() {
        let (own, other) = (certs(), certs());
        let identity = Identity::new(own.server());
        let asked = encode(&DialBack::at(20_600)).len();
        let (address, served) = door(&other);
        assert_eq!(look(address, other.pin(), &identity, asked), DialFound::NoAnswer, "the handshake is no answer");
        let sent = served.join().expect("served");
        assert!(sent > 300 && sent + OPENING <= asked, "{sent} for {asked}");
        // Who asks with less gets less, and no answer.
        for budget in [0, OPENING, OPENING + 100, OPENING + sent / 2] {
            let (address, served) = door(&other);
            assert!(!look(address, other.pin(), &identity, budget).is_reached(), "{budget}");
            assert!(served.join().expect("served") <= budget.saturating_sub(OPENING), "{budget}");
        }
    }

    #[test]
    fn how_far_it_went_is_told_apart() {
        let (own, other) = (certs(), certs());
        let identity = Identity::new(own.server());
        let (address, _served) = door(&other);
        assert_eq!(look(address, own.pin(), &identity, 3_072), DialFound::OtherKey);
        let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
        assert_eq!(look(free, other.pin(), &identity, 3_072), DialFound::Refused);
        let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = mute.local_addr().expect("address");
        assert_eq!(look(address, other.pin(), &identity, 3_072), DialFound::NoTls);
    }

    #[test]
    fn nobody_has_this_box_dial_what_is_not_of_the_internet() {
        let own = certs();
        let dialler = Dialler::new(Identity::new(own.server()), AllowPrivate::No);
        let near = TcpListener::bind("127.0.0.1:0").expect("a port");
        near.set_nonblocking(true).expect("a listener that does not wait");
        let port = near.local_addr().expect("address").port();
        for ip in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "fd00::1",
            "fd00:ec2::254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
        ] {
            let address = SocketAddr::new(ip.parse().expect(ip), port);
            assert!(dialler.look(address, own.pin(), 3_072).is_err(), "{ip}");
        }
        assert_eq!(near.accept().err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock), "nobody came");
    }
}
