//! The machine port spoken by hand: TLS with any certificate, from any local address, and bytes as they are.
//!
//! For strangers and hostile machines. It never tries again, never follows the rules by itself, and never checks the
//! box: tests of those who do use the client.

mod machine;

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use datis_engine::format::{decode_all, encode};
use datis_engine::wire::{CBOR, Message, Refusal};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, date_time_ymd,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName as AuthorityName, ServerConfig,
    SignatureScheme, StreamOwned,
};
use socket2::{Domain, Socket, Type};

pub use machine::{Made, RawMachine, Stored, put_body};

/// Without an answer for this long, a test has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a machine shows in TLS: a key and a certificate for it.
#[derive(Clone)]
pub struct Identity {
    /// PKCS#8, DER.
    pub key: Vec<u8>,
    /// X.509, DER.
    pub certificate: Vec<u8>,
}

impl Identity {
    /// What the box with this key (PKCS#8) shows other boxes: a certificate that the key itself has signed.
    ///
    /// # Panics
    /// When it is no key.
    #[must_use]
    pub fn of_box(key: &[u8]) -> Self {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key), &PKCS_ED25519).expect("a key");
        let certificate = CertificateParams::default().self_signed(&pair).expect("a certificate");
        Self { key: key.to_vec(), certificate: certificate.der().to_vec() }
    }
}

/// A fresh Ed25519 key.
#[must_use]
pub fn fresh_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key")
}

/// Signs certificates of machines: a stranger's authority, or the one of a box whose key was taken from its folder.
pub struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// One that no box knows, whatever it calls itself.
    #[must_use]
    pub fn stranger(name: &str) -> Self {
        Self::named(name, fresh_key())
    }

    /// The one of the box with the key `machine_ca` (PKCS#8), which has signed `certificate`.
    #[must_use]
    pub fn of_box(machine_ca: &[u8], certificate: &[u8]) -> Self {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).expect("a certificate");
        let name = parsed.issuer().iter_common_name().next().expect("a name").as_str().expect("text").to_owned();
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(machine_ca), &PKCS_ED25519);
        Self::named(&name, key.expect("the box's key"))
    }

    fn named(name: &str, key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(Issuer::new(params, key))
    }

    /// A certificate for `key`, valid from the first of January of one year to that of another.
    #[must_use]
    pub fn certify(&self, key: &[u8], years: Range<i32>) -> Identity {
        self.certify_for(key, years, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// The same, but for the use of servers.
    #[must_use]
    pub fn certify_server(&self, key: &[u8], years: Range<i32>) -> Identity {
        self.certify_for(key, years, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn certify_for(&self, key: &[u8], years: Range<i32>, purpose: ExtendedKeyUsagePurpose) -> Identity {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key), &PKCS_ED25519).expect("a key");
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&pair, &self.0).expect("a certificate");
        Identity { key: key.to_vec(), certificate: certificate.der().to_vec() }
    }
}

/// One connection.
pub struct Raw(StreamOwned<ClientConnection, TcpStream>);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All headers but the date, names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as a refusal.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        decode_all("refusal", &self.body).unwrap_or_else(|e| panic!("not a refusal ({e}): {self:?}"))
    }

    /// The same answer with every one of `words` in its body replaced by stars of the same length: ids that were asked
    /// for, so that answers about different ids can be compared byte by byte.
    #[must_use]
    pub fn without(mut self, words: &[&str]) -> Self {
        for word in words.iter().filter(|word| !word.is_empty()) {
            let stars = vec![b'*'; word.len()];
            while let Some(at) = self.body.windows(word.len()).position(|w| w == word.as_bytes()) {
                self.body[at..at + word.len()].copy_from_slice(&stars);
            }
        }
        self
    }
}

/// A TCP connection from `from`, a local address, or from any.
///
/// # Errors
/// What the system says.
pub fn dial(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let stream: TcpStream = socket.into();
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Raw {
    /// Connects and ends the handshake, as far as this side goes: a certificate that is refused shows with the answer.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn open(to: SocketAddr, identity: Option<&Identity>) -> io::Result<Self> {
        Self::open_from(to, None, identity)
    }

    /// The same from a local address of choice: limits by address are then apart from those of other tests.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn open_from(to: SocketAddr, from: Option<IpAddr>, identity: Option<&Identity>) -> io::Result<Self> {
        let config = Arc::new(client_config(identity));
        let name = ServerName::try_from("box.datis.internal").map_err(io::Error::other)?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, dial(to, from)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Waits for another time than [`PATIENCE`].
    ///
    /// # Errors
    /// What the system says.
    pub fn be_patient(&mut self, how_long: Duration) -> io::Result<()> {
        self.0.sock.set_read_timeout(Some(how_long))?;
        self.0.sock.set_write_timeout(Some(how_long))
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// What the system or TLS says; `UnexpectedEof` when the connection ends before the answer does.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head_of_answer()?;
        let length = answer.headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// Reads one answer without its body, which some methods have none of whatever the head says.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn head_of_answer(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
            if head.len() > 64 << 10 {
                return Err(io::Error::other("the head of the answer does not end"));
            }
        }
        let (status, mut headers) = parse_head(&head)?;
        headers.retain(|(name, _)| name != "date");
        Ok(Answer { status, headers, body: Vec::new() })
    }

    /// Sends a whole request and reads its answer, even when the box refuses before it has read everything.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn exchange(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.exchange_with(method, path, &[("content-type", CBOR)], body)
    }

    /// The same with headers of choice.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn exchange_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let len = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: box\r\n{lines}content-length: {len}\r\n\r\n");
        let sent = self.send(head.as_bytes()).and_then(|()| self.send(body));
        // A box that has refused may have closed its side; what it said before is still there to be read.
        self.answer().map_err(|e| sent.err().unwrap_or(e))
    }

    /// Posts a message.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn post<M: Message>(&mut self, message: &M) -> io::Result<Answer> {
        self.exchange("POST", M::PATH, &encode(message))
    }

    /// Posts a message that is answered, or refused as the protocol says.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// When the connection fails or what comes back is no answer.
    pub fn ask<M: Message>(&mut self, message: &M) -> Result<M::Response, Refusal> {
        self.try_ask(message).unwrap_or_else(|e| panic!("{}: {e}", M::PATH))
    }

    /// The same of a box that may be gone.
    ///
    /// # Errors
    /// As [`Self::answer`]; within, the refusal.
    ///
    /// # Panics
    /// When what comes back is no answer.
    pub fn try_ask<M: Message>(&mut self, message: &M) -> io::Result<Result<M::Response, Refusal>> {
        let answer = self.post(message)?;
        if answer.status == 200 {
            Ok(Ok(decode_all("answer", &answer.body).unwrap_or_else(|e| panic!("{}: {e}", M::PATH))))
        } else {
            Ok(Err(answer.refusal()))
        }
    }
}

fn parse_head(head: &[u8]) -> io::Result<(u16, Vec<(String, String)>)> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {text:?}")))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok((status, headers))
}

fn client_config(identity: Option<&Identity>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyBox));
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = vec![CertificateDer::from(identity.certificate.clone())];
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.clone()));
            builder.with_client_auth_cert(chain, key).expect("a key that fits")
        }
    }
}

/// What a box with this identity serves other boxes with, which all have to show a certificate; which one does not matter.
///
/// # Panics
/// When the key does not fit.
#[must_use]
pub fn server_of_boxes(identity: &Identity) -> ServerConfig {
    let chain = vec![CertificateDer::from(identity.certificate.clone())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.clone()));
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3");
    let mut config =
        builder.with_client_cert_verifier(Arc::new(AnyBox)).with_single_cert(chain, key).expect("a key that fits");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Takes any box.
#[derive(Debug)]
struct AnyBox;

impl ClientCertVerifier for AnyBox {
    fn root_hint_subjects(&self) -> &[AuthorityName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for AnyBox {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
