//! A served machine port, machines with certificates, and a client that can be as rude as it likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::Profile;
use datis_engine::units::UnixMillis;
use datis_engine::wire::{Message, Refusal};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::certs::{Certs, MachineRequest};
use crate::channels::{Channels, RelayLimits};
use crate::config::DataDir;
use crate::intake::{ForPeers, Intake, Patience};
use crate::meters::Meters;
use crate::operations::accounts::Actor;
use crate::operations::{self, Limits, Site};
use crate::peering::Peering;
use crate::peers::{AllowPrivate, Dialler, Identity as Shown, Peers};
use crate::vault::Vault;

/// Nothing that should come takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) struct Port {
    pub(super) address: SocketAddr,
    pub(super) site: Arc<Site>,
    pub(super) certs: Arc<Certs>,
    pub(super) intake: Arc<Intake>,
    /// How the box reaches others; addresses of its own computer too.
    pub(super) peers: Arc<Peers>,
    pub(super) handle: ServerHandle,
    _folder: tempfile::TempDir,
}

impl Port {
    /// Serves on a thread of its own, with a short patience.
    pub(super) fn serve() -> Self {
        let second = Duration::from_secs(1);
        Self::serve_with(Patience { head: second, idle: 60 * second, pace: second, stall: 2 * second })
    }

    pub(super) fn serve_with(patience: Patience) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path().join("box"));
        let vault = Vault::open_or_make(&dir, None, &mut |_| ()).expect("vault");
        let certs = Arc::new(Certs::open_or_make(&dir, vault.id, &mut |_| ()).expect("certs"));
        let limits = Limits { disk_reserve: Some(0), ..Limits::default() };
        let site = Arc::new(Site::open(&dir, vault, limits).expect("site"));
        let intake = Intake::new(Arc::clone(&site), Arc::clone(&certs), Meters::new(), patience);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let (tell, told) = std::sync::mpsc::channel();
        let served = Arc::clone(&intake);
        let limits = RelayLimits { bits_per_second: 1 << 30, bytes_per_day: 1 << 30 };
        let dialler = Dialler::new(Shown::new(certs.server()), AllowPrivate::Yes);
        let channels = Channels::new(address, limits);
        let peers = Arc::new(Peers::new(Arc::clone(&site), dialler, (Vec::new(), address.port()), channels));
        let peering = Peering::new(Arc::clone(&site), Meters::new(), Arc::clone(&peers));
        let for_peers =
            ForPeers { routes: peering.routes(), channels: peering.channels(), known: Arc::clone(peers.channels()) };
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = served.serve(listener, for_peers).expect("serve");
                tell.send(server.handle()).expect("tell");
                server.await
            })
        });
        let handle = told.recv().expect("handle");
        Self { address, site, certs, intake, peers, handle, _folder: folder }
    }

    pub(super) fn enrol(&self, name: &str) -> Identity {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("key");
        let request = MachineRequest::parse(&signing_request(&key)).expect("request");
        let name = name.parse().expect("name");
        let code =
            operations::create_enrolment_code(&self.site, &Actor::console(), &name, Profile::Server).expect("code");
        let public_key = request.public_key().expect("public key");
        let machine = operations::redeem_enrolment_code(&self.site, &code, public_key).expect("machine");
        let certificate = self.certs.sign_machine(&request, machine.id, self.site.clock.now()).expect("sign");
        Identity { key: key.serialize_der(), certificate }
    }

    pub(super) fn connect(&self, identity: Option<&Identity>) -> Wire {
        Wire(StreamOwned::new(client(identity, None), self.tcp()))
    }

    /// As another box, on a connection that stands.
    pub(super) fn connect_over(&self, stream: TcpStream, identity: &Identity) -> Wire {
        stream.set_read_timeout(Some(DEADLINE)).expect("timeout");
        Wire(StreamOwned::new(client(Some(identity), None), stream))
    }

    /// As another box that says that it speaks this.
    pub(super) fn connect_speaking(&self, identity: &Identity, protocol: &[u8]) -> Wire {
        Wire(StreamOwned::new(client(Some(identity), Some(protocol)), self.tcp()))
    }

    /// With whatever the resolver shows and signs with.
    pub(super) fn connect_as(&self, shown: Arc<dyn ResolvesClientCert>) -> Wire {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyBox))
            .with_client_cert_resolver(shown);
        let name = ServerName::try_from("datis.box").expect("name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("connection");
        Wire(StreamOwned::new(connection, self.tcp()))
    }

    pub(super) fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connect");
        stream.set_read_timeout(Some(DEADLINE)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        stream
    }
}

/// The client's side of a connection.
fn client(identity: Option<&Identity>, protocol: Option<&[u8]>) -> ClientConnection {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyBox));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from(identity.certificate.clone())],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.clone())),
            )
            .expect("identity"),
    };
    config.alpn_protocols = protocol.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("datis.box").expect("name");
    ClientConnection::new(Arc::new(config), name).expect("connection")
}

impl Drop for Port {
    fn drop(&mut self) {
        // The server goes on to stop by itself; nobody waits for it.
        drop(self.handle.stop(false));
    }
}

/// A machine's key and certificate.
pub(super) struct Identity {
    pub(super) key: Vec<u8>,
    pub(super) certificate: Vec<u8>,
}

impl Identity {
    /// A certificate of `certs` for a fresh key that no catalog knows, made at `at`.
    pub(super) fn signed_by(certs: &Certs, at: UnixMillis) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("key");
        let request = MachineRequest::parse(&signing_request(&key)).expect("request");
        let id = datis_engine::ids::MachineId::from_bytes([5; 16]);
        Self { key: key.serialize_der(), certificate: certs.sign_machine(&request, id, at).expect("sign") }
    }
}

impl Identity {
    /// A certificate that its holder signed itself, for a key as PKCS#8 (DER), with dates that are long over.
    pub(super) fn self_signed(document: &[u8]) -> Self {
        let key = PrivatePkcs8KeyDer::from(document.to_vec());
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519).expect("key");
        let mut params = CertificateParams::new(vec!["datis.box".to_owned()]).expect("params");
        params.not_after = rcgen::date_time_ymd(1990, 1, 1);
        let certificate = params.self_signed(&pair).expect("certificate").der().to_vec();
        Self { key: document.to_vec(), certificate }
    }
}

pub(super) fn signing_request(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).expect("request").der().to_vec()
}

/// A TLS connection that is written to by hand.
pub(super) struct Wire(pub(super) StreamOwned<ClientConnection, TcpStream>);

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn refusal(&self) -> Refusal {
        decode_all("refusal", &self.body).expect("a refusal")
    }
}

impl Wire {
    pub(super) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Reads one answer; an error when the connection ends before one is whole.
    pub(super) fn answer(&mut self) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("ASCII").to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        let length = field("content-length:").map_or(0, |length| length.parse().expect("length"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("status");
        Ok(Answer { status, head, body })
    }

    pub(super) fn ask(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        self.send(request)?;
        self.answer()
    }

    pub(super) fn message<M: Message>(&mut self, message: &M) -> std::io::Result<Answer> {
        self.ask(&post(M::PATH, &encode(message)))
    }

    /// Whether the other side ends the connection without another byte.
    pub(super) fn is_ended(&mut self) -> bool {
        !matches!(self.0.read(&mut [0; 1]), Ok(1..))
    }
}

pub(super) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = post_head(path, body.len());
    request.extend_from_slice(body);
    request
}

pub(super) fn post_head(path: &str, length: usize) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: datis.box\r\ncontent-type: application/cbor\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// These tests are about the other side; the box's key is checked by the client's own tests.
#[derive(Debug)]
struct AnyBox;

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
        vec![SignatureScheme::ED25519]
    }
}
