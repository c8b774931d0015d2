//! TLS of the machine port: version 1.3 alone, with the box's key and its authority for machines. Other boxes come with
//! certificates that they signed themselves.

use std::sync::Arc;
use std::time::Duration;

use datis_engine::wire::reach::CHANNEL_PROTOCOL;
use rustls::RootCertStore;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use crate::certs::{Certs, self_signed_key};
use crate::operations::Clock;

/// The time by which certificates are checked: that of the box, which never goes back. By a clock that lost its time in a
/// power cut, no machine's certificate would be valid yet.
#[derive(Debug)]
struct BoxTime(Arc<Clock>);

impl TimeProvider for BoxTime {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.now().0).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsSetupError {
    /// The box's key or the protocol version.
    #[error("the box's certificate does not fit its key")]
    Certificate(#[from] rustls::Error),
    /// The authority for machines.
    #[error("the authority for machine certificates is not accepted")]
    Authority(#[from] VerifierBuilderError),
}

/// Machines by the box's authority, other boxes by nothing but their key: that a self-signed certificate is accepted says that
/// its holder has the key, which the signature of the handshake proves, and gives no right to anything.
#[derive(Debug)]
struct MachineOrBox(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for MachineOrBox {
    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Dates are not looked at: what counts is the key, for as long as the community's log says so.
        if intermediates.is_empty() && self_signed_key(end_entity).is_some() {
            return Ok(ClientCertVerified::assertion());
        }
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A client may come without a certificate, since it has none before it is enrolled; one that it does present must be
/// valid now and signed by this box, or be signed by its own key ([`MachineOrBox`]). Sessions are never resumed: each connection shows its certificate again.
pub(super) fn server_config(certs: &Certs, clock: &Arc<Clock>) -> Result<ServerConfig, TlsSetupError> {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certs.machine_authority())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .clear_root_hint_subjects()
        .allow_unauthenticated()
        .build()?;
    let (certificate, key) = certs.server();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(MachineOrBox(verifier)))
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec(), CHANNEL_PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.time_provider = Arc::new(BoxTime(Arc::clone(clock)));
    Ok(config)
}
