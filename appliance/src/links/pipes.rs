//! Connections to other boxes, below what is asked on them: TCP, TLS 1.3 with both keys, and channels that carry the bytes of
//! others.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use datis_engine::community::address::Address;
use datis_engine::community::dial::{AllowPrivate, Dial, NotDialled, check_ip};
use datis_engine::ids::SpkiPin;
use datis_engine::keys::PublicKey;
use datis_engine::wire::peers::CHANNEL_LABEL;
use datis_engine::wire::reach::{CHANNEL_PROTOCOL, ChannelAnswer, ChannelClosed, OpenChannel};
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::peers::Identity;
use crate::channels::{AnyPipe, read_message, write_message};
use crate::partner::{Shown, TLS_NAME};

/// What is spoken on a connection for requests (ALPN).
pub(super) const HTTP: &[u8] = b"http/1.1";
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// What is taken from the system at once, in bytes: TLS by itself takes 4 KiB at a time.
const READ_AT_ONCE: usize = 64 << 10;
/// For a TCP connection: across the world it takes a second, and whoever waits has other ways to try.
const TCP_PATIENCE: Duration = Duration::from_secs(8);
/// For the answer to what a channel is to be: a relay may have to dial.
const CHANNEL_PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipeError {
    /// No TCP.
    #[error("no connection to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("the other box does not answer in time")]
    Late,
    /// No TLS, or the connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// Somebody else is there.
    #[error("another box than the one that is looked for answers")]
    OtherKey,
    /// The other box does not carry bytes on it.
    #[error(transparent)]
    Closed(#[from] ChannelClosed),
    /// There is nowhere to connect to.
    #[error("nobody has told where that box is")]
    Nowhere,
    /// An address that is not dialled.
    #[error(transparent)]
    NotDialled(#[from] NotDialled),
}

/// A connection on which both sides have shown their keys.
pub(super) struct Secured {
    pub(super) pipe: AnyPipe,
    /// The key of the other box.
    pub(super) key: PublicKey,
    /// What both ends can derive and nobody else.
    pub(super) channel: [u8; 32],
}

/// The addresses that may be dialled: what a name leads to is looked at again.
pub(super) fn look_up(place: &Address, private: AllowPrivate) -> Result<Vec<SocketAddr>, NotDialled> {
    match place.dial(private)? {
        Dial::Connect(address) => Ok(vec![address]),
        Dial::Resolve { name, port } => {
            // A name that leads nowhere has no address.
            let found = (name, port).to_socket_addrs().into_iter().flatten();
            let fit = |address: &SocketAddr| check_ip(address.ip(), private).is_ok();
            Ok(found.filter(fit).take(ADDRESSES_MAX).collect())
        }
    }
}

pub(super) async fn tcp(address: SocketAddr) -> Result<AnyPipe, PipeError> {
    let connect = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    match tokio::time::timeout(TCP_PATIENCE, connect).await {
        Ok(Ok(stream)) => Ok(Box::new(BufReader::with_capacity(READ_AT_ONCE, stream))),
        Ok(Err(source)) => Err(PipeError::Connect { address, source }),
        Err(_) => Err(PipeError::Late),
    }
}

pub(super) async fn tcp_to(places: &[Address], private: AllowPrivate) -> Result<AnyPipe, PipeError> {
    let mut last = PipeError::Nowhere;
    for place in places {
        let place = place.clone();
        // A resolver may keep somebody waiting.
        let found = tokio::task::spawn_blocking(move || look_up(&place, private)).await;
        let addresses = match found.map_err(|e| PipeError::Broken(io::Error::other(e)))? {
            Ok(addresses) => addresses,
            Err(not_dialled) => {
                last = not_dialled.into();
                continue;
            }
        };
        for address in addresses {
            match tcp(address).await {
                Ok(pipe) => return Ok(pipe),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// TLS 1.3 with the box that has this key.
pub(super) async fn secure(
    pipe: AnyPipe,
    pin: SpkiPin,
    own: &Identity,
    protocol: &'static [u8],
) -> Result<Secured, PipeError> {
    let secured = greet(pipe, own, protocol).await.map_err(PipeError::Broken)?;
    if secured.key.spki_pin() == pin { Ok(secured) } else { Err(PipeError::OtherKey) }
}

pub(super) async fn greet(pipe: AnyPipe, own: &Identity, protocol: &'static [u8]) -> io::Result<Secured> {
    let shown = Shown::new(Arc::new(default_provider()));
    let mut config = ClientConfig::builder_with_provider(Arc::clone(shown.provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(shown.clone())
        .with_client_auth_cert(vec![own.certificate.clone()], own.key.clone_key())
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from(TLS_NAME).map_err(io::Error::other)?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, pipe).await?;
    let channel =
        tls.get_ref().1.export_keying_material([0; 32], CHANNEL_LABEL, Some(b"")).map_err(io::Error::other)?;
    let key = shown.key().ok_or(io::ErrorKind::InvalidData)?;
    Ok(Secured { pipe: Box::new(tls), key, channel })
}

/// A connection to the box with this key that carries bytes, if that box agrees.
pub(super) async fn channel(
    pipe: AnyPipe,
    pin: SpkiPin,
    own: &Identity,
    request: &OpenChannel,
) -> Result<AnyPipe, PipeError> {
    let opening = async {
        let mut pipe = secure(pipe, pin, own, CHANNEL_PROTOCOL).await?.pipe;
        write_message(&mut pipe, request).await.map_err(PipeError::Broken)?;
        match read_message(&mut pipe, CHANNEL_PATIENCE).await.map_err(PipeError::Broken)? {
            ChannelAnswer::Ready => Ok(pipe),
            ChannelAnswer::Closed(why) => Err(why.into()),
        }
    };
    tokio::time::timeout(CHANNEL_PATIENCE, opening).await.unwrap_or(Err(PipeError::Late))
}
