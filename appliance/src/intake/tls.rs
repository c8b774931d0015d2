//! TLS of the machine port: version 1.3 alone, with the box's key and its authority for machines.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;

use crate::certs::Certs;
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

/// A client may come without a certificate, since it has none before it is enrolled; one that it does present must be
/// valid now and signed by this box. Sessions are never resumed: each connection shows its certificate again.
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
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.time_provider = Arc::new(BoxTime(Arc::clone(clock)));
    Ok(config)
}
