//! TLS 1.3 between boxes. A box is known by its key alone, so whoever dials looks at the certificate that is shown and then
//! decides: another key is an answer too, and its names tell who stands in between.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use datis_engine::ids::SpkiPin;
use datis_engine::keys::PublicKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, SignatureScheme, StreamOwned,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Timed;
use crate::plain::plain;

/// The name that is asked for; nobody checks it, TLS wants one.
pub(crate) const TLS_NAME: &str = "datis.box";

/// What both ends say that they speak.
const ALPN: &[u8] = b"datis-partner/1";

/// A connection on which the other end has shown who it is.
pub(crate) struct Greeting {
    pub(crate) tls: StreamOwned<ClientConnection, Timed>,
    /// Its key.
    pub(crate) pin: SpkiPin,
    /// Who signed its certificate, for people.
    pub(crate) issuer: String,
    /// Whether it speaks the protocol of partners.
    pub(crate) is_partner: bool,
}

/// Ends the handshake and sends nothing after it.
///
/// # Errors
/// There is no TLS 1.3 at the other end, or it ended too late.
pub(crate) fn greet(stream: TcpStream, patience: std::time::Duration, as_partner: bool) -> io::Result<Greeting> {
    let shown = Shown::new(Arc::new(default_provider()));
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&shown.provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&shown) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    if as_partner {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    let name = ServerName::try_from(TLS_NAME).map_err(io::Error::other)?;
    let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    stream.set_nodelay(true)?;
    let mut tls = StreamOwned::new(tls, Timed::new(stream, patience));
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    let certificate = shown.certificate.lock().unwrap_or_else(PoisonError::into_inner).take();
    let der = certificate.ok_or(io::ErrorKind::InvalidData)?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| io::ErrorKind::InvalidData)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate.public_key().raw);
    let pin = SpkiPin::from_slice(digest.as_ref()).ok_or(io::ErrorKind::InvalidData)?;
    // A name that is shown to people, chosen by whoever is at the other end.
    let issuer = plain(&certificate.issuer().to_string(), 120);
    let is_partner = tls.conn.alpn_protocol() == Some(ALPN);
    Ok(Greeting { tls, pin, issuer, is_partner })
}

/// The other end: the box's own certificate, for anybody who asks.
///
/// # Errors
/// The certificate does not fit the key.
pub(crate) fn server_config(
    (certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>),
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Keeps the certificate that is shown. That its owner has the key is checked; whose key it is, by whoever reads it.
#[derive(Debug)]
pub(crate) struct Shown {
    provider: Arc<CryptoProvider>,
    certificate: Mutex<Option<CertificateDer<'static>>>,
}

impl Shown {
    pub(crate) fn new(provider: Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self { provider, certificate: Mutex::default() })
    }

    pub(crate) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    /// The Ed25519 key of the certificate that was shown; `None` for none, or one of another kind.
    pub(crate) fn key(&self) -> Option<PublicKey> {
        let der = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, certificate) = X509Certificate::from_der(der.as_ref()?).ok()?;
        let info = certificate.public_key();
        let ed25519 = info.algorithm.algorithm == x509_parser::oid_registry::OID_SIG_ED25519;
        if ed25519 { PublicKey::from_slice(&info.subject_public_key.data) } else { None }
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if X509Certificate::from_der(end_entity).is_err() {
            return Err(rustls::Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
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
