//! The connection to the box: HTTP/1.1 over TLS 1.3 with both sides' keys, one request at a time, blocking.
//!
//! The box is known by its key alone (the pin of the enrolment URI), never by a name or an authority. A connection that
//! breaks is made again and the request repeated: every request of the protocol may be repeated without harm.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::{PackId, SpkiPin};
use datis_engine::pack::FinishedPack;
use datis_engine::wire::{CBOR, Message, Refusal, RefusalCode, SessionId, pack_path, put_body_head};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::errors::shown;
use crate::exit::Exit;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A commit waits for the box's disk, and a pack for the line: only silence of this length is taken for a fault.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a broken connection is tried again: long enough for the box to restart (30 s at most).
const RETRY_FOR: Duration = Duration::from_secs(90);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// How long a first connection is tried.
const CONNECT_FOR: Duration = Duration::from_secs(3);

/// What is read at once of an answer: a TLS record (16 KiB at most) fits, and what was read is copied on while the
/// processor still has it near. Larger ones made a restore slower by an eighth (decision 0011).
const READ_BUFFER: usize = 24 << 10;

/// The longest refusal that is read, in bytes; also the longest answer to a pack.
const REFUSAL_MAX: usize = 64 << 10;

/// Where the box is, and the key it must prove to have.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// The machine port.
    pub port: u16,
    /// SHA-256 of the box's subject public key info.
    pub pin: SpkiPin,
}

/// What this machine proves itself with.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The private key (PKCS#8, DER).
    pub key_pkcs8: Zeroizing<Vec<u8>>,
    /// The certificate that the box gave (X.509, DER).
    pub certificate_der: Vec<u8>,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(secret)")
    }
}

/// Why an exchange with the box failed; each in one sentence for the person.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody answers there.
    #[error("the box at {address} cannot be reached ({reason}); check that it is on and that this network leads to it")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// Somebody answers with another key.
    #[error(
        "what answers at {address} is not the box this machine was enrolled with: its key differs from the pinned one; \
         do not go on unless the box was replaced, then enrol again"
    )]
    WrongBox {
        /// Host and port.
        address: String,
    },
    /// This machine's certificate has run out.
    #[error(
        "the box finds this machine's certificate expired; if the clocks of both are right, ask the box's admin for a new enrolment code and enrol again"
    )]
    CertificateExpired,
    /// The box does not take this machine's certificate.
    #[error("the box refuses this machine's certificate; ask its admin for a new enrolment code and enrol again")]
    CertificateRefused,
    /// The box says no, and why.
    #[error(transparent)]
    Refused(Refusal),
    /// What came back is not what the protocol says.
    #[error("the box at {address} answers something that this program does not understand ({reason}); update both")]
    Protocol {
        /// Host and port.
        address: String,
        /// What was wrong.
        reason: String,
    },
    /// This machine cannot use its own key or certificate.
    #[error("the key or certificate in the state folder cannot be used ({0}); enrol again")]
    Identity(String),
    /// No thread or descriptor for a connection.
    #[error("a connection cannot be set up on this machine ({0})")]
    Local(String),
}

impl LinkError {
    /// The refusal's code, when the box refused.
    #[must_use]
    pub fn refusal(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    /// What the program ends with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::WrongBox { .. } | Self::CertificateExpired | Self::CertificateRefused | Self::Identity(_) => {
                Exit::KeyRefused
            }
            Self::Refused(refusal) => Exit::of_refusal(refusal.code),
            Self::Protocol { .. } | Self::Local(_) => Exit::Failed,
        }
    }
}

/// Makes connections to one box with one identity.
#[derive(Debug, Clone)]
pub struct Link {
    endpoint: Endpoint,
    config: Arc<ClientConfig>,
}

impl Link {
    /// Prepares; does not connect. Without an identity only enrolment is possible.
    ///
    /// # Errors
    /// [`LinkError::Identity`].
    pub fn new(endpoint: &Endpoint, identity: Option<&ClientIdentity>) -> Result<Self, LinkError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let refused = |e: rustls::Error| LinkError::Identity(e.to_string());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedBox { pin: endpoint.pin, provider }));
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from(identity.certificate_der.clone())];
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_pkcs8.to_vec()));
                builder.with_client_auth_cert(chain, key).map_err(refused)?
            }
        };
        Ok(Self { endpoint: endpoint.clone(), config: Arc::new(config) })
    }

    /// Connects, within [`CONNECT_FOR`]: a box that starts again, or that has just had too many connections from this
    /// address, takes one a moment later.
    ///
    /// # Errors
    /// [`LinkError`]; a refused certificate shows only with the first request (TLS 1.3).
    pub fn connect(&self) -> Result<Connection, LinkError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| LinkError::Local(e.to_string()))?;
        let started = Instant::now();
        let mut pause = RETRY_FIRST;
        let sender = loop {
            match runtime.block_on(self.open()) {
                Ok(sender) => break sender,
                Err(LinkError::Unreachable { .. }) if started.elapsed() + pause < CONNECT_FOR => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        };
        Ok(Connection { link: self.clone(), runtime, sender: Some(sender) })
    }

    fn address(&self) -> String {
        format!("{}:{}", self.endpoint.host, self.endpoint.port)
    }

    async fn open(&self) -> Result<SendRequest<Pieces>, LinkError> {
        let unreachable = |reason: String| LinkError::Unreachable { address: self.address(), reason };
        let tcp = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port));
        let tcp = tokio::time::timeout(CONNECT_TIMEOUT, tcp)
            .await
            .map_err(|_| unreachable("no answer in 10 s".into()))?
            .map_err(|e| unreachable(e.to_string()))?;
        tcp.set_nodelay(true).map_err(|e| LinkError::Local(e.to_string()))?;
        let name = ServerName::try_from("box.datis.internal").map_err(|e| LinkError::Local(e.to_string()))?;
        let connect = TlsConnector::from(self.config.clone()).connect(name, tcp);
        let tls = tokio::time::timeout(CONNECT_TIMEOUT, connect)
            .await
            .map_err(|_| unreachable("no TLS answer in 10 s".into()))?
            .map_err(|e| self.explain(&e))?;
        let (sender, driver) = http1::Builder::new()
            .read_buf_exact_size(Some(READ_BUFFER))
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|e| self.explain(&e))?;
        // The driver lives on this connection's runtime, which runs only while a request waits; its end shows there.
        tokio::spawn(async move {
            let _ended = driver.await;
        });
        Ok(sender)
    }

    /// Finds the TLS alert or system error at the root of what a library reports.
    fn explain(&self, error: &(dyn StdError + 'static)) -> LinkError {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
        let mut reason = error.to_string();
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                reason = io.to_string();
                // `io::Error::source` skips the error it wraps, so that one is looked at here.
                if let Some(found) = io.get_ref().and_then(|e| e.downcast_ref()).and_then(|e| self.explain_tls(e)) {
                    return found;
                }
            }
            if let Some(found) = error.downcast_ref().and_then(|e| self.explain_tls(e)) {
                return found;
            }
            cause = error.source();
        }
        LinkError::Unreachable { address: self.address(), reason }
    }

    fn explain_tls(&self, error: &rustls::Error) -> Option<LinkError> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
                Some(LinkError::WrongBox { address: self.address() })
            }
            rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => Some(LinkError::CertificateExpired),
            rustls::Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRevoked
                | AlertDescription::AccessDenied
                | AlertDescription::DecryptError
                | AlertDescription::UnsupportedCertificate,
            ) => Some(LinkError::CertificateRefused),
            _ => None,
        }
    }
}

/// One connection. Requests block; broken connections are made again within the request.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    runtime: Runtime,
    sender: Option<SendRequest<Pieces>>,
}

/// A pack on its way, cheap to send again.
#[derive(Debug, Clone)]
pub struct PackUpload {
    id: PackId,
    body: Pieces,
}

impl PackUpload {
    /// Takes a finished pack over; its bytes are not copied.
    #[must_use]
    pub fn new(pack: FinishedPack) -> Self {
        let directory = pack.directory.encode();
        let head = put_body_head(u32::try_from(directory.len()).unwrap_or(u32::MAX));
        let pieces = [Bytes::copy_from_slice(&head), Bytes::from(directory), Bytes::from(pack.bytes)];
        Self { id: pack.id, body: Pieces(pieces.into()) }
    }

    /// Bytes that cross the line.
    #[must_use]
    pub fn line_bytes(&self) -> u64 {
        self.body.len()
    }
}

/// One request.
struct Call<'c> {
    method: Method,
    path: &'c str,
    body: &'c Pieces,
    /// The longest answer that is read; a longer one is an error.
    answer_max: usize,
}

impl<'c> Call<'c> {
    const fn of<M: Message>(body: &'c Pieces) -> Self {
        Self { method: Method::POST, path: M::PATH, body, answer_max: M::RESPONSE_MAX }
    }
}

fn body_of<M: Message>(message: &M) -> Pieces {
    Pieces([Bytes::from(encode(message))].into())
}

impl Connection {
    /// Sends a message and waits for its answer.
    ///
    /// # Errors
    /// [`LinkError`], after trying again for [`RETRY_FOR`] when the connection breaks or the box is busy.
    pub fn ask<M: Message>(&mut self, message: &M) -> Result<M::Response, LinkError> {
        let mut answer = Vec::new();
        self.ask_into(message, &mut answer)?;
        decode_all("answer", &answer).map_err(|e| self.misunderstood(e.to_string()))
    }

    /// As [`Self::ask`], with the answer as it was received, in memory that can be used again; what was there is replaced.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_into<M: Message>(&mut self, message: &M, answer: &mut Vec<u8>) -> Result<(), LinkError> {
        let body = body_of(message);
        self.exchange(&Call::of::<M>(&body), answer)
    }

    /// As [`Self::ask`], but once and for at most `limit`: for questions whose answer is only of use now.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn ask_once<M: Message>(&mut self, message: &M, limit: Duration) -> Result<M::Response, LinkError> {
        let body = body_of(message);
        let mut answer = Vec::new();
        self.exchange_once(&Call::of::<M>(&body), &mut answer, limit)?;
        decode_all("answer", &answer).map_err(|e| self.misunderstood(e.to_string()))
    }

    /// Sends a pack.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn put_pack(&mut self, session: SessionId, pack: &PackUpload) -> Result<(), LinkError> {
        let path = pack_path(session, &pack.id);
        let call = Call { method: Method::PUT, path: &path, body: &pack.body, answer_max: REFUSAL_MAX };
        self.exchange(&call, &mut Vec::new())
    }

    pub(crate) fn misunderstood(&self, reason: String) -> LinkError {
        self.link.misunderstood(reason)
    }

    fn exchange(&mut self, call: &Call<'_>, answer: &mut Vec<u8>) -> Result<(), LinkError> {
        let started = Instant::now();
        let mut pause = RETRY_FIRST;
        loop {
            let failed = match self.exchange_once(call, answer, ANSWER_TIMEOUT) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let passing = matches!(failed, LinkError::Unreachable { .. })
                || matches!(failed.refusal(), Some(RefusalCode::Busy | RefusalCode::Stopping));
            if !passing || started.elapsed() + pause > RETRY_FOR {
                return Err(failed);
            }
            tracing::debug!(error = %failed, "request failed, trying again in {pause:?}");
            std::thread::sleep(pause);
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }

    fn exchange_once(&mut self, call: &Call<'_>, answer: &mut Vec<u8>, limit: Duration) -> Result<(), LinkError> {
        let Self { link, runtime, sender } = self;
        let result = runtime.block_on(async {
            let mut open = match sender.take() {
                Some(open) if !open.is_closed() => open,
                _ => link.open().await?,
            };
            let sent = tokio::time::timeout(limit, link.send(&mut open, call, answer)).await;
            let status = sent.map_err(|_| LinkError::Unreachable {
                address: link.address(),
                reason: format!("no answer in {} s", limit.as_secs()),
            })??;
            *sender = Some(open);
            Ok::<_, LinkError>(status)
        });
        let status = result?;
        if status.is_success() {
            return Ok(());
        }
        match decode_all::<Refusal>("refusal", answer) {
            // Whatever the box is, what it says must not act on a terminal.
            Ok(refusal) => Err(LinkError::Refused(Refusal::new(refusal.code, shown(refusal.sentence.as_bytes())))),
            Err(_) => Err(self.misunderstood(format!("status {status}"))),
        }
    }
}

impl Link {
    fn misunderstood(&self, reason: String) -> LinkError {
        LinkError::Protocol { address: self.address(), reason }
    }

    /// Sends a request and replaces `answer` by the body of what comes back.
    async fn send(
        &self,
        sender: &mut SendRequest<Pieces>,
        call: &Call<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<StatusCode, LinkError> {
        let request = Request::builder()
            .method(&call.method)
            .uri(call.path)
            .header(header::HOST, "box.datis.internal")
            .header(header::CONTENT_TYPE, CBOR)
            .body(call.body.clone())
            .map_err(|e| LinkError::Local(e.to_string()))?;
        let response = sender.send_request(request).await.map_err(|e| {
            // No more a broken connection than an answer that is too long.
            if e.is_parse() { self.misunderstood(e.to_string()) } else { self.explain(&e) }
        })?;
        let status = response.status();
        let answer_max = if status.is_success() { call.answer_max } else { REFUSAL_MAX };
        receive(Limited::new(response.into_body(), answer_max), answer_max, answer).await.map_err(|e| {
            // Not a broken connection: asking again would bring the same.
            if e.is::<LengthLimitError>() {
                self.misunderstood("its answer is too long".into())
            } else {
                self.explain(&*e)
            }
        })?;
        Ok(status)
    }
}

/// Replaces `answer` by a whole body of at most `max` bytes. Each piece is moved there as it comes, while the processor
/// still has it near; gathered first and joined at the end, the long answers of a restore would cost more.
async fn receive<B>(mut body: B, max: usize, answer: &mut Vec<u8>) -> Result<(), B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = body.size_hint().exact().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    answer.clear();
    answer.reserve_exact(announced.min(max));
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        if let Ok(piece) = frame?.into_data() {
            answer.extend_from_slice(&piece);
        }
    }
    Ok(())
}

/// A body of a few pieces that are already in memory.
#[derive(Debug, Clone)]
struct Pieces(VecDeque<Bytes>);

impl Pieces {
    fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

/// Accepts exactly the box with the pinned key (RFC 7469's pin, used without any authority).
#[derive(Debug)]
struct PinnedBox {
    pin: SpkiPin,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for PinnedBox {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (_, certificate) = x509_parser::parse_x509_certificate(end_entity)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.public_key().raw);
        if digest.as_ref() == self.pin.as_bytes() {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
