//! The partner outside for other boxes: tells them from where they come, dials them back, echoes datagrams, measures the
//! rate. Off unless it is switched on; any box can be one.
//!
//! Who asks is anonymous, so everything has a limit, counted by the address that is observed. Nothing is ever sent to an
//! address that did not ask: dialling back goes to the observed one, and a datagram's answer is not longer than the
//! question. Nothing of the box is read or changed here.

mod limits;
mod serve;
mod web;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::ServerConfig;

use crate::certs::Certs;
use crate::config::CoordinatorConfig;
use crate::partner::{ECHO_MIN, answer_echo, server_config};

use limits::Limits;

/// The longest datagram that is looked at; longer than any that a network carries in one piece.
const DATAGRAM_MAX: usize = 9_000;
/// TLS needs some room; a connection does nothing else that does.
const STACK_BYTES: usize = 512 << 10;

/// A coordinator that runs. Its threads end with the process; they hold nothing that has to be put in order.
pub(crate) struct Coordinator {
    shared: Arc<Shared>,
    /// Where it listens, the main port first.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// What all connections share.
struct Shared {
    tls: Arc<ServerConfig>,
    ports: Vec<u16>,
    limits: Limits,
    stopping: AtomicBool,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CoordinatorError {
    /// A port.
    #[error("the coordinator cannot listen on {0}; another program may have the port, or it needs a privilege")]
    Listen(SocketAddr, #[source] io::Error),
    /// The box's certificate.
    #[error("the coordinator cannot use the box's certificate")]
    Tls(#[from] rustls::Error),
    /// No thread.
    #[error("the coordinator cannot start a thread")]
    Thread(#[source] io::Error),
}

impl Coordinator {
    /// Listens on all its ports.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub(crate) fn start(config: &CoordinatorConfig, certs: &Certs) -> Result<Self, CoordinatorError> {
        let mut listeners = Vec::new();
        for port in std::iter::once(config.port).chain(config.more_ports.iter().copied()) {
            listeners.push(listen(config.listen, port)?);
        }
        let addresses: Vec<SocketAddr> = listeners.iter().map(|(_, address)| *address).collect();
        let shared = Arc::new(Shared {
            tls: server_config(certs.server())?,
            ports: addresses.iter().map(SocketAddr::port).collect(),
            limits: Limits::default(),
            stopping: AtomicBool::new(false),
        });
        if let Some(main) = addresses.first() {
            let echo = UdpSocket::bind(main).map_err(|source| CoordinatorError::Listen(*main, source))?;
            let shared = Arc::clone(&shared);
            spawn("coordinator", move || shared.echo(&echo)).map_err(CoordinatorError::Thread)?;
        }
        for (listener, _) in listeners {
            let shared = Arc::clone(&shared);
            spawn("coordinator", move || accept(&shared, &listener)).map_err(CoordinatorError::Thread)?;
        }
        Ok(Self { shared, addresses })
    }

    /// From now on nobody is answered any more.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
    }
}

fn listen(ip: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), CoordinatorError> {
    let wanted = SocketAddr::new(ip, port);
    let refuse = |source| CoordinatorError::Listen(wanted, source);
    let listener = match TcpListener::bind(wanted) {
        // A kernel without IPv6.
        Err(e) if ip.is_ipv6() && ip.is_unspecified() && e.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        }
        bound => bound,
    };
    let listener = listener.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    Ok((listener, address))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(work).map(drop)
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    loop {
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of descriptors, most likely: not a reason to spin.
                tracing::debug!(error = %e, "A partner's connection was not taken");
                std::thread::sleep(std::time::Duration::from_millis(100));
                continue;
            }
        };
        if shared.stopping.load(Ordering::Acquire) {
            continue;
        }
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(place) = shared.limits.place(peer) else { continue };
        let its = Arc::clone(shared);
        let served = spawn("partner", move || {
            let _place = place;
            its.serve(stream, peer);
        });
        if let Err(e) = served {
            tracing::warn!(error = %e, "A partner is not served: the system gives no thread");
        }
    }
}

impl Shared {
    /// TLS or plain HTTP, by the first byte: both are asked for on the same port, so that what is between the boxes can
    /// be told from which of them gets through.
    fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let outcome = match first_byte(&stream) {
            // The type of a record that holds a handshake (RFC 8446, section 5.1).
            Ok(0x16) => self.partner(stream, peer),
            Ok(_) => web::serve(stream, peer),
            Err(e) => Err(e),
        };
        if let Err(e) = outcome {
            tracing::debug!(%peer, error = %e, "A partner's connection ended");
        }
    }

    fn echo(&self, socket: &UdpSocket) {
        let mut question = vec![0; DATAGRAM_MAX];
        loop {
            match socket.recv_from(&mut question) {
                Ok((length, from)) if length >= ECHO_MIN && !self.stopping.load(Ordering::Acquire) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    if !self.limits.echo(from) {
                        continue;
                    }
                    if let Some(answer) = answer_echo(&question[..length], from) {
                        // Whoever asked asks again when it gets lost.
                        let _ = socket.send_to(&answer, destination(socket, from));
                    }
                }
                Ok(_) => {}
                Err(e) => {
                    // What an earlier answer met, such as a closed port.
                    tracing::trace!(error = %e, "A datagram was not received");
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        }
    }
}

/// A socket of IPv6 wants IPv4 addresses written its own way.
fn destination(socket: &UdpSocket, to: SocketAddr) -> SocketAddr {
    match (socket.local_addr(), to.ip()) {
        (Ok(SocketAddr::V6(_)), IpAddr::V4(v4)) => SocketAddr::new(v4.to_ipv6_mapped().into(), to.port()),
        _ => to,
    }
}

fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    stream.set_read_timeout(Some(limits::OPENING))?;
    let mut byte = [0];
    if stream.peek(&mut byte)? == 1 { Ok(byte[0]) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
