//! One connection to another box of the community: HTTP/1.1 over TLS 1.3, both sides known by their keys, one request at a time,
//! blocking. Nothing is tried again here: whoever asks decides what a broken connection means.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datis_engine::community::address::Address;
pub(crate) use datis_engine::community::dial::AllowPrivate;
use datis_engine::community::dial::{NotDialled, check_ip};
use datis_engine::community::signed::Signed;
use datis_engine::format::{FormatError, decode_all, encode};
use datis_engine::ids::{ShardId, SpkiPin};
use datis_engine::keys::PublicKey;
use datis_engine::wire::peers::SHARD_PATH;
use datis_engine::wire::reach::{DialFound, OpenChannel};
use datis_engine::wire::{CBOR, Message, Refusal};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, HOST, RANGE};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::Runtime;

use super::back;
use super::pipes;
pub(crate) use super::pipes::PipeError;
use crate::channels::AnyPipe;
use crate::partner::TLS_NAME;
use crate::plain::plain;

/// The longest refusal that is read, in bytes.
const REFUSAL_MAX: usize = 64 << 10;
/// What is shown of another box's words, in characters.
const SENTENCE_MAX: usize = 300;
/// What is read at once of an answer: a TLS record fits.
const READ_BUFFER: usize = 24 << 10;

/// What this box shows others: the certificate of its machine port.
pub(crate) struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Takes what the machine port shows.
    pub(crate) fn new((certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>)) -> Self {
        Self { certificate, key }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(secret)")
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerLinkError {
    /// No connection, no TLS on it, or somebody else is there.
    #[error(transparent)]
    Pipe(#[from] PipeError),
    /// The other box does not want to.
    #[error(transparent)]
    Refused(Refusal),
    /// The connection broke, or took too long.
    #[error("the connection broke ({0})")]
    Broken(String),
    /// What came is not what the protocol says.
    #[error("the other box answers what this one does not understand")]
    Protocol(#[from] FormatError),
}

/// One connection.
pub(crate) struct PeerLink {
    // Dropped before the runtime that its connection lives on.
    sender: SendRequest<Full<Bytes>>,
    runtime: Runtime,
    key: PublicKey,
    channel: [u8; 32],
    patience: Duration,
}

impl fmt::Debug for PeerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerLink({:?})", self.key)
    }
}

impl PeerLink {
    /// Speaks to the box with this key over what `connecting` gives. `patience`: for all of that, and for each answer.
    ///
    /// # Errors
    /// [`PeerLinkError::Pipe`].
    pub(crate) fn open(
        connecting: impl Future<Output = Result<AnyPipe, PipeError>>,
        pin: SpkiPin,
        own: &Identity,
        patience: Duration,
    ) -> Result<Self, PeerLinkError> {
        Self::over(patience, async { pipes::secure(connecting.await?, pin, own, pipes::HTTP).await })
    }

    /// Connects to whoever is there: who that is has to be proved on the connection.
    ///
    /// # Errors
    /// [`PeerLinkError::Pipe`].
    pub(crate) fn open_to_anyone(
        connecting: impl Future<Output = Result<AnyPipe, PipeError>>,
        own: &Identity,
        patience: Duration,
    ) -> Result<Self, PeerLinkError> {
        Self::over(patience, async {
            pipes::greet(connecting.await?, own, pipes::HTTP).await.map_err(PipeError::Broken)
        })
    }

    fn over(
        patience: Duration,
        securing: impl Future<Output = Result<pipes::Secured, PipeError>>,
    ) -> Result<Self, PeerLinkError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(PipeError::Broken)?;
        let opened = runtime.block_on(async {
            let opening = async {
                let secured = securing.await?;
                let buffer = READ_BUFFER.max(64 << 10);
                let handshake = http1::Builder::new().max_buf_size(buffer).handshake(TokioIo::new(secured.pipe)).await;
                let (sender, connection) = handshake.map_err(|e| PipeError::Broken(std::io::Error::other(e)))?;
                // It ends with the connection; what went wrong, the request hears.
                tokio::spawn(async move { connection.await.unwrap_or_default() });
                Ok::<_, PipeError>((sender, secured.key, secured.channel))
            };
            tokio::time::timeout(patience, opening).await.unwrap_or(Err(PipeError::Late))
        });
        let (sender, key, channel) = opened?;
        Ok(Self { sender, runtime, key, channel, patience })
    }

    /// The same connection, on which each answer may take this long from now on.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The key of the other box.
    pub(crate) fn key(&self) -> PublicKey {
        self.key
    }

    /// What both ends of this connection can derive and nobody else.
    pub(crate) fn channel(&self) -> [u8; 32] {
        self.channel
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// [`PeerLinkError`].
    pub(crate) fn ask<M: Message>(&mut self, message: &M) -> Result<M::Response, PeerLinkError> {
        let request = post(M::PATH).header(CONTENT_TYPE, CBOR);
        let answer = self.send(request, encode(message).into(), M::RESPONSE_MAX)?;
        Ok(decode_all(M::PATH, &answer)?)
    }

    /// Sends bytes of a shard of `total` bytes, from byte `from` on. What the host says when it has the last one.
    ///
    /// # Errors
    /// [`PeerLinkError`].
    pub(crate) fn put_shard(
        &mut self,
        shard: ShardId,
        from: u32,
        total: u32,
        bytes: Bytes,
    ) -> Result<Option<Signed>, PeerLinkError> {
        let end = u64::from(from) + bytes.len() as u64;
        let range = format!("bytes {from}-{}/{total}", end.saturating_sub(1));
        let request = Request::builder().method(Method::PUT).uri(shard_path(shard)).header(CONTENT_RANGE, range);
        let answer = self.send(request, bytes, REFUSAL_MAX)?;
        if answer.is_empty() { Ok(None) } else { Ok(Some(decode_all("shard receipt", &answer)?)) }
    }

    /// Fetches a range of a shard and puts it behind what `into` holds; what came before an error stays there. Each piece is
    /// copied once, while it is still in the processor's cache.
    ///
    /// # Errors
    /// [`PeerLinkError`].
    pub(crate) fn get_shard(
        &mut self,
        shard: ShardId,
        range: Range<u32>,
        into: &mut Vec<u8>,
    ) -> Result<(), PeerLinkError> {
        let wanted = range.end.saturating_sub(range.start) as usize;
        let header = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let request = Request::builder().method(Method::GET).uri(shard_path(shard)).header(RANGE, header);
        self.exchange(request, Bytes::new(), async |mut body| {
            let mut left = wanted;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|e| broken(&e))?;
                let Some(piece) = frame.data_ref() else { continue };
                left = left
                    .checked_sub(piece.len())
                    .ok_or_else(|| PeerLinkError::Broken(format!("more than {wanted} bytes")))?;
                into.extend_from_slice(piece);
            }
            if left == 0 { Ok(()) } else { Err(PeerLinkError::Broken(format!("{left} of {wanted} bytes are missing"))) }
        })
    }

    /// The body of an answer that is no refusal; `max` bytes of it at most.
    fn send(
        &mut self,
        request: hyper::http::request::Builder,
        body: Bytes,
        max: usize,
    ) -> Result<Bytes, PeerLinkError> {
        self.exchange(request, body, async |body| collect(body, max).await)
    }

    /// Sends a request; gives what `read` makes of the body of an answer that is no refusal.
    fn exchange<T>(
        &mut self,
        request: hyper::http::request::Builder,
        body: Bytes,
        read: impl AsyncFnOnce(Incoming) -> Result<T, PeerLinkError>,
    ) -> Result<T, PeerLinkError> {
        let request = request.header(HOST, TLS_NAME).body(Full::new(body)).map_err(|e| broken(&e))?;
        let (patience, sender) = (self.patience, &mut self.sender);
        let asked = async {
            sender.ready().await.map_err(|e| broken(&e))?;
            let answer = sender.send_request(request).await.map_err(|e| broken(&e))?;
            match answer.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NO_CONTENT => read(answer.into_body()).await,
                _ => {
                    let refusal: Refusal = decode_all("refusal", &collect(answer.into_body(), REFUSAL_MAX).await?)?;
                    // Words of another box go onto screens and into logs here.
                    Err(PeerLinkError::Refused(Refusal::new(refusal.code, plain(&refusal.sentence, SENTENCE_MAX))))
                }
            }
        };
        let answered = self.runtime.block_on(async { tokio::time::timeout(patience, asked).await });
        answered.map_err(|e| broken(&e))?
    }
}

async fn collect(body: Incoming, max: usize) -> Result<Bytes, PeerLinkError> {
    let body = Limited::new(body, max).collect().await;
    Ok(body.map_err(|e| PeerLinkError::Broken(e.to_string()))?.to_bytes())
}

fn broken(error: &dyn std::error::Error) -> PeerLinkError {
    PeerLinkError::Broken(error.to_string())
}

/// Dials other boxes where they are said to be.
#[derive(Debug)]
pub(crate) struct Dialler {
    identity: Identity,
    private: AllowPrivate,
}

/// Why a box is not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Nobody has said where it is.
    #[error("nobody has told where that box is")]
    Nowhere,
    /// An address that is not dialled.
    #[error(transparent)]
    NotDialled(#[from] NotDialled),
    /// A name that leads nowhere.
    #[error("the name {0} leads to no address")]
    Name(String),
    /// It does not answer, or is another box.
    #[error(transparent)]
    Link(#[from] PeerLinkError),
}

impl From<PipeError> for DialError {
    fn from(error: PipeError) -> Self {
        Self::Link(error.into())
    }
}

impl Dialler {
    /// `private`: whether addresses of local networks are dialled too.
    pub(crate) fn new(identity: Identity, private: AllowPrivate) -> Self {
        Self { identity, private }
    }

    /// Connects to the box with this key at the first of several places where it answers.
    ///
    /// # Errors
    /// [`DialError`]: of the last place.
    pub(crate) fn dial_one_of<'a>(
        &self,
        places: &'a [Address],
        pin: SpkiPin,
        patience: Duration,
    ) -> Result<(&'a Address, PeerLink), DialError> {
        let (mut last, began) = (DialError::Nowhere, Instant::now());
        for place in places {
            // The first one has all the time, the others what is left of as much again: a list of dead ends holds nobody up.
            if began.elapsed() > patience {
                break;
            }
            match self.dial(place, pin, patience) {
                Ok(link) => return Ok((place, link)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects to the box with this key at this place.
    ///
    /// # Errors
    /// [`DialError`].
    pub(crate) fn dial(&self, place: &Address, pin: SpkiPin, patience: Duration) -> Result<PeerLink, DialError> {
        let mut last = DialError::Name(place.to_string());
        for address in pipes::look_up(place, self.private)? {
            match PeerLink::open(pipes::tcp(address), pin, &self.identity, patience) {
                Ok(link) => return Ok(link),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// Connects to whoever answers at this place; see [`PeerLink::open_to_anyone`].
    ///
    /// # Errors
    /// [`DialError`].
    pub(crate) fn dial_anyone(&self, place: &Address, patience: Duration) -> Result<PeerLink, DialError> {
        let connecting = pipes::tcp_to(std::slice::from_ref(place), self.private);
        Ok(PeerLink::open_to_anyone(connecting, &self.identity, patience)?)
    }

    /// Speaks to the box with this key over what `connecting` gives.
    ///
    /// # Errors
    /// [`DialError`].
    pub(crate) fn link_over(
        &self,
        connecting: impl Future<Output = Result<AnyPipe, PipeError>>,
        pin: SpkiPin,
        patience: Duration,
    ) -> Result<PeerLink, DialError> {
        Ok(PeerLink::open(connecting, pin, &self.identity, patience)?)
    }

    /// Asks the box with this key, over `pipe`, to carry bytes on this connection from now on.
    ///
    /// # Errors
    /// [`PipeError`].
    pub(crate) async fn channel(
        &self,
        pipe: AnyPipe,
        pin: SpkiPin,
        request: &OpenChannel,
    ) -> Result<AnyPipe, PipeError> {
        pipes::channel(pipe, pin, &self.identity, request).await
    }

    /// Connects to the first of several places that takes a connection; who is there shows only then.
    ///
    /// # Errors
    /// [`PipeError`]: of the last place.
    pub(crate) async fn tcp_to(&self, places: &[Address]) -> Result<AnyPipe, PipeError> {
        pipes::tcp_to(places, self.private).await
    }

    /// Looks whether the box with this key answers at an address. Never sends more than `budget` bytes there.
    pub(crate) fn look(&self, address: SocketAddr, pin: SpkiPin, budget: usize) -> Result<DialFound, NotDialled> {
        check_ip(address.ip(), self.private)?;
        Ok(back::look(address, pin, &self.identity, budget))
    }
}

fn post(path: &'static str) -> hyper::http::request::Builder {
    Request::builder().method(Method::POST).uri(path)
}

fn shard_path(shard: ShardId) -> String {
    SHARD_PATH.replace("{shard}", &shard.to_string())
}
