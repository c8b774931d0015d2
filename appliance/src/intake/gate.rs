//! Before TLS: an address that has too many connections, or opens them too fast, is closed without a byte.
//!
//! This keeps one host from using up the box's connections or its time for handshakes. It says nothing about who somebody
//! is; many hosts behind one address share its limits. What comes on a channel comes from this computer's own address, and counts for
//! the member that has opened the channel, so that one of them uses up its own only.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::rt::net::{ActixStream, Ready, TcpStream};
use datis_engine::ids::MemberId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::channels::Channels;
use crate::meters::Meters;
use crate::rates::{Rates, limited_address};

/// Connections of one address at a time.
const PER_ADDRESS_MAX: usize = 256;
/// Of these, connections whose handshake is not over. Far fewer than the box has places for handshakes, so that a host
/// that never ends its own does not keep others from theirs.
const SHAKING_PER_ADDRESS_MAX: usize = 64;
/// Connections that one address may open at once, and then each second.
const OPENINGS_BURST: f64 = 256.0;
const OPENINGS_PER_SECOND: f64 = 64.0;
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 8_192;

/// What connections are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Address(IpAddr),
    /// On a channel that this member has opened.
    Member(MemberId),
}

/// Counts connections by where they come from. Clones count together.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    open: Mutex<HashMap<Source, Counts>>,
    openings: Rates<Source>,
    meters: Meters,
    stall: Duration,
    channels: Arc<Channels>,
}

/// Connections from one source.
#[derive(Default)]
struct Counts {
    open: usize,
    /// Of these, whose handshake is not over.
    shaking: usize,
}

impl Gate {
    /// `stall`: how long a connection may take nothing of what is sent to it.
    pub(super) fn new(meters: Meters, stall: Duration, channels: Arc<Channels>) -> Self {
        let openings = Rates::new(OPENINGS_BURST, OPENINGS_PER_SECOND, ADDRESSES_MAX);
        Self(Arc::new(Inner { open: Mutex::new(HashMap::new()), openings, meters, stall, channels }))
    }

    /// Lets a connection in, or closes it by dropping it.
    ///
    /// # Errors
    /// The address is over its limits, or the connection is gone already.
    pub(super) fn admit(&self, stream: TcpStream) -> io::Result<Admitted> {
        let peer = stream.peer_addr()?;
        let source = self.source(peer);
        self.0.meters.arrivals.note(peer.ip());
        if !self.0.openings.take(&source, Instant::now()) {
            self.0.meters.turned_away("opened too fast");
            return Err(io::Error::other("the address opens connections too fast"));
        }
        let place = self.place(source).ok_or_else(|| {
            self.0.meters.turned_away("too many");
            io::Error::other("the address has too many connections")
        })?;
        stream.set_nodelay(true)?;
        Ok(Admitted { stream, peer, place, stalled: None })
    }

    fn source(&self, peer: SocketAddr) -> Source {
        self.0.channels.opened_by(peer).map_or_else(|| Source::Address(limited_address(peer)), Source::Member)
    }

    fn place(&self, source: Source) -> Option<Place> {
        let mut open = self.0.lock();
        let counts = open.entry(source).or_default();
        if counts.open >= PER_ADDRESS_MAX || counts.shaking >= SHAKING_PER_ADDRESS_MAX {
            return None;
        }
        counts.open += 1;
        counts.shaking += 1;
        self.0.meters.connections.inc();
        Some(Place { gate: self.clone(), source, shaking: AtomicBool::new(true) })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Counts>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's share of its source's limit; given back when it closes.
struct Place {
    gate: Gate,
    source: Source,
    shaking: AtomicBool,
}

impl Place {
    fn established(&self) {
        if self.shaking.swap(false, Ordering::AcqRel)
            && let Some(counts) = self.gate.0.lock().get_mut(&self.source)
        {
            counts.shaking -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.established();
        self.gate.0.meters.connections.dec();
        let mut open = self.gate.0.lock();
        if let Some(counts) = open.get_mut(&self.source) {
            counts.open -= 1;
            if counts.open == 0 {
                open.remove(&self.source);
            }
        }
    }
}

/// A connection that was let in.
pub(super) struct Admitted {
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    /// Runs while the other side takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Admitted {
    /// Lets a write that cannot go on wait, but not for ever.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.place.gate.0.stall;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Its handshake is over.
    pub(super) fn established(&self) {
        self.place.established();
    }

    /// Where it comes from.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for Admitted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.unless_stalled(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl ActixStream for Admitted {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.stream, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.stream, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::RelayLimits;

    fn gate() -> Gate {
        let limits = RelayLimits { bits_per_second: 0, bytes_per_day: 0 };
        let channels = Channels::new(([127, 0, 0, 1], 1).into(), limits);
        Gate::new(Meters::new(), Duration::from_secs(60), channels)
    }

    fn address(last: u8) -> Source {
        Source::Address([192, 0, 2, last].into())
    }

    #[tokio::test]
    async fn what_comes_on_channels_counts_for_the_member_that_opened_them() {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let limits = RelayLimits { bits_per_second: 0, bytes_per_day: 0 };
        let channels = Channels::new(port.local_addr().expect("address"), limits);
        let gate = Gate::new(Meters::new(), Duration::from_secs(60), Arc::clone(&channels));
        let member = |byte| MemberId::from_bytes([byte; MemberId::LEN]);
        let (_one, _inside) = channels.connect_inside(member(1)).await.expect("inside");
        let (_, from) = port.accept().await.expect("a connection");
        assert_eq!(gate.source(from), Source::Member(member(1)));
        let _all: Vec<_> = std::iter::from_fn(|| gate.place(gate.source(from))).collect();
        let (_two, _inside) = channels.connect_inside(member(2)).await.expect("inside");
        let (_, other) = port.accept().await.expect("a connection");
        assert!(gate.place(gate.source(from)).is_none() && gate.place(gate.source(other)).is_some());
        let _dialled = tokio::net::TcpStream::connect(port.local_addr().expect("address")).await.expect("dialled");
        let (_, dialled) = port.accept().await.expect("a connection");
        assert_eq!(gate.source(dialled), Source::Address([127, 0, 0, 1].into()));
    }

    #[test]
    fn an_address_gets_its_places_back_when_connections_close() {
        let gate = gate();
        let (one, other) = (address(1), address(2));
        let established = |place: Place| {
            place.established();
            place
        };
        let mut places: Vec<_> = std::iter::from_fn(|| gate.place(one).map(established)).collect();
        assert_eq!(places.len(), PER_ADDRESS_MAX);
        assert!(gate.place(other).is_some());
        places.pop();
        assert!(gate.place(one).is_some());
        drop(places);
        assert!(gate.0.open.lock().expect("lock").is_empty());
        assert_eq!(gate.0.meters.connections.get(), 0);
    }

    #[test]
    fn handshakes_that_do_not_end_use_up_their_own_places_only() {
        let gate = gate();
        let (one, other) = (address(1), address(2));
        let places: Vec<_> = std::iter::from_fn(|| gate.place(one)).collect();
        assert_eq!(places.len(), SHAKING_PER_ADDRESS_MAX);
        assert!(gate.place(other).is_some());
        places[0].established();
        assert!(gate.place(one).is_some());
        drop(places);
        assert!(gate.0.open.lock().expect("lock").is_empty());
    }

    #[test]
    fn hosts_of_one_ipv6_network_share_their_limit() {
        let address = |text: &str| limited_address(SocketAddr::new(text.parse().expect("address"), 1));
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
