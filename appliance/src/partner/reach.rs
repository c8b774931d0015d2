//! What became of opening a connection, as far as that tells who stood in the way.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// A refusal that comes sooner than this comes from near: no packet goes out into the Internet and back in that time.
const NEAR: Duration = Duration::from_millis(5);

/// How an attempt to connect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It stands.
    Open,
    /// Refused, so soon that somebody near did it: the router or a firewall.
    RejectedNear,
    /// Refused by somebody further away.
    Refused,
    /// Nothing came back.
    Dropped,
    /// The network said that there is no way, or that it is not allowed.
    Prohibited,
}

impl Reach {
    /// Connects, and says how long that took.
    pub(crate) fn try_tcp(address: SocketAddr, patience: Duration) -> (Self, Duration, Option<TcpStream>) {
        Self::judge(|| TcpStream::connect_timeout(&address, patience))
    }

    /// The same from an address and port of one's own; port 0 means a new one.
    pub(crate) fn try_tcp_from(
        own: SocketAddr,
        address: SocketAddr,
        patience: Duration,
    ) -> (Self, Duration, Option<TcpStream>) {
        Self::judge(|| connect_from(own, address, patience))
    }

    fn judge(connect: impl FnOnce() -> io::Result<TcpStream>) -> (Self, Duration, Option<TcpStream>) {
        let began = Instant::now();
        let outcome = connect();
        let took = began.elapsed();
        match outcome {
            Ok(stream) => (Self::Open, took, Some(stream)),
            Err(error) => (Self::of(&error, took), took, None),
        }
    }

    /// What an error means.
    pub(crate) fn of(error: &io::Error, took: Duration) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset if took < NEAR => Self::RejectedNear,
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Self::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Dropped,
            _ => Self::Prohibited,
        }
    }

    /// The word that texts choose by.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::RejectedNear => "rejected-near",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::Prohibited => "prohibited",
        }
    }
}

fn connect_from(own: SocketAddr, address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&own.into())?;
    socket.connect_timeout(&address.into(), patience)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_who_stood_in_the_way() {
        let (soon, late) = (Duration::from_millis(1), Duration::from_millis(40));
        for (error, took, expected) in [
            (io::Error::from(ErrorKind::ConnectionRefused), soon, Reach::RejectedNear),
            (ErrorKind::ConnectionRefused.into(), late, Reach::Refused),
            (ErrorKind::TimedOut.into(), late, Reach::Dropped),
            // What "administratively prohibited" becomes.
            (io::Error::from_raw_os_error(113), late, Reach::Prohibited),
            (io::Error::from_raw_os_error(101), soon, Reach::Prohibited),
        ] {
            assert_eq!(Reach::of(&error, took), expected, "{error}");
        }
    }
}
