//! Connections that carry the bytes of others: those that members lend, so that they are reached without being dialled, and those
//! that this box relays between two members. What is inside is TLS between the two ends, with both keys; nobody here reads it.
//!
//! Here is what is known of them and how bytes are moved; who may open one, `peering` decides, and `peers` opens them.

mod frames;
mod lent;
mod pair;
mod splice;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datis_engine::ids::MemberId;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

pub(crate) use frames::{read_message, write_message};
pub(crate) use lent::{keep, lend};
pub(crate) use pair::{Pair, RelayLimits, Relayed};
pub(crate) use splice::{Pace, splice};

/// Connections that wait here to be taken, of one member.
const LENT_PER_MEMBER_MAX: usize = 4;
/// Bytes that are moved at once; a TLS record fits.
const GULP: usize = 64 << 10;

/// Bytes to a box's machine port and back, however they get there.
pub(crate) trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// Any of them.
pub(crate) type AnyPipe = Box<dyn Pipe>;

/// What all edges and workers know of such connections.
#[derive(Debug)]
pub(crate) struct Channels {
    /// The machine port, where what comes in on a channel goes.
    own: SocketAddr,
    lent: Mutex<HashMap<MemberId, VecDeque<oneshot::Sender<DuplexStream>>>>,
    /// From where this box dials its own machine port for others, and who has opened the channel that leads there.
    inner: Mutex<HashMap<SocketAddr, MemberId>>,
    pairs: pair::Pairs,
}

impl Channels {
    /// `own`: where the machine port listens.
    pub(crate) fn new(own: SocketAddr, limits: RelayLimits) -> Arc<Self> {
        let pairs = pair::Pairs::new(limits);
        Arc::new(Self { own: dialled(own), lent: Mutex::default(), inner: Mutex::default(), pairs })
    }

    /// Takes a connection that a member has lent; whether it still stands shows when it is used.
    pub(crate) fn take(&self, member: MemberId) -> Option<AnyPipe> {
        self.take_if(member, |_| true)
    }

    /// The same for bytes between two others. The last one that waits stays for this box itself.
    pub(crate) fn take_for_others(&self, member: MemberId, pair: &mut Pair) -> Option<AnyPipe> {
        self.take_if(member, |waiting| waiting > 1 && pair.count_as_lent())
    }

    /// Takes one if `fits`, which is told how many wait.
    fn take_if(&self, member: MemberId, mut fits: impl FnMut(usize) -> bool) -> Option<AnyPipe> {
        loop {
            let taker = {
                let mut lent = self.lent();
                let waiting = lent.get_mut(&member)?;
                waiting.retain(|taker| !taker.is_closed());
                if waiting.is_empty() || !fits(waiting.len()) {
                    return None;
                }
                waiting.pop_front()?
            };
            let (near, far) = tokio::io::duplex(4 * GULP);
            // Whoever kept it may have gone meanwhile.
            if taker.send(far).is_ok() {
                return Some(Box::new(near));
            }
        }
    }

    /// How many connections of a member wait to be taken.
    pub(crate) fn lent_by(&self, member: MemberId) -> usize {
        let mut lent = self.lent();
        let Some(waiting) = lent.get_mut(&member) else { return 0 };
        waiting.retain(|taker| !taker.is_closed());
        waiting.len()
    }

    /// Ends what waits of a member: it is reached by a better way.
    pub(crate) fn give_back(&self, member: MemberId) {
        self.lent().remove(&member);
    }

    /// Whether no more of this member's can wait here.
    pub(crate) fn is_full_of(&self, member: MemberId) -> bool {
        self.lent_by(member) >= LENT_PER_MEMBER_MAX
    }

    /// Puts one more there; `None`: there are enough.
    fn put(&self, member: MemberId) -> Option<oneshot::Receiver<DuplexStream>> {
        let mut lent = self.lent();
        let waiting = lent.entry(member).or_default();
        waiting.retain(|taker| !taker.is_closed());
        if waiting.len() >= LENT_PER_MEMBER_MAX {
            return None;
        }
        let (taker, taken) = oneshot::channel();
        waiting.push_back(taker);
        Some(taken)
    }

    /// Connects to the box's own machine port, for bytes that come on a channel which a member has opened, or was lent.
    ///
    /// # Errors
    /// The system's.
    pub(crate) async fn connect_inside(self: &Arc<Self>, opened_by: MemberId) -> io::Result<(TcpStream, Inside)> {
        let socket =
            if self.own.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
        // Known before the port can see it.
        socket.bind(SocketAddr::new(self.own.ip(), 0))?;
        let from = socket.local_addr()?;
        self.inner().insert(from, opened_by);
        let inside = Inside { channels: Arc::clone(self), from };
        let stream = socket.connect(self.own).await?;
        stream.set_nodelay(true)?;
        Ok((stream, inside))
    }

    /// Who has opened the channel on which a connection at the machine port came, if it came on one: its address says nothing about
    /// who asks.
    pub(crate) fn opened_by(&self, from: SocketAddr) -> Option<MemberId> {
        self.inner().get(&SocketAddr::new(from.ip().to_canonical(), from.port())).copied()
    }

    /// A place to relay between two members.
    pub(crate) fn relay(&self, from: MemberId, to: MemberId) -> Result<Pair, datis_engine::wire::reach::ChannelClosed> {
        self.pairs.enter(from, to)
    }

    /// What was relayed today, for whom.
    pub(crate) fn relayed(&self) -> Vec<Relayed> {
        self.pairs.today()
    }

    fn lent(&self) -> MutexGuard<'_, HashMap<MemberId, VecDeque<oneshot::Sender<DuplexStream>>>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> MutexGuard<'_, HashMap<SocketAddr, MemberId>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as a connection of the box to itself stands.
pub(crate) struct Inside {
    channels: Arc<Channels>,
    from: SocketAddr,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.channels.inner().remove(&self.from);
    }
}

/// Where a listener is dialled from the same computer.
fn dialled(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        std::net::IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        // One that listens to every address hears both families.
        std::net::IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests;
