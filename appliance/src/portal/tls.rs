//! TLS of the portal, and the names under which it answers: those in its certificate.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::PortalError;
use crate::certs::portal::{PortalCerts, PortalNames};
use crate::config::{HostName, PortalConfig};
use crate::operations::Clock;

/// A new address of the box is in the certificate within this time.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The certificate that is shown now.
pub(crate) struct PortalTls {
    certs: PortalCerts,
    clock: Arc<Clock>,
    /// Those that do not change while the box runs.
    hosts: BTreeSet<HostName>,
    shown: RwLock<Shown>,
}

struct Shown {
    names: PortalNames,
    key: Arc<CertifiedKey>,
}

impl std::fmt::Debug for PortalTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortalTls").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl PortalTls {
    pub(super) fn new(
        certs: PortalCerts,
        box_name: &str,
        config: &PortalConfig,
        clock: Arc<Clock>,
    ) -> Result<Self, PortalError> {
        let hosts = hosts(box_name, config);
        let names = PortalNames { hosts: hosts.clone(), addresses: addresses() };
        let key = certified(&certs, &names, &clock)?;
        Ok(Self { certs, clock, hosts, shown: RwLock::new(Shown { names, key }) })
    }

    /// SHA-256 of the authority's certificate as browsers show it.
    pub(super) fn fingerprint(&self) -> String {
        self.certs.fingerprint()
    }

    /// The authority's certificate, DER.
    pub(super) fn authority(&self) -> Vec<u8> {
        self.certs.authority().to_vec()
    }

    /// Whether the portal is found under this host: one of its names, or any address. A browser that was led here from
    /// elsewhere (DNS rebinding) sends the name that led it.
    pub(super) fn answers_to(&self, host: &str) -> bool {
        match host_of(host) {
            Host::Address => true,
            Host::Name(name) => self.hosts.iter().any(|known| known.as_str() == name),
            Host::Nothing => false,
        }
    }

    /// The names and addresses in the certificate.
    pub(super) fn names(&self) -> PortalNames {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).names.clone()
    }

    /// Shows another certificate if the box has other addresses by now, or the time of this one is running out.
    fn look_again(&self) -> Result<(), PortalError> {
        let names = PortalNames { hosts: self.hosts.clone(), addresses: addresses() };
        let key = certified(&self.certs, &names, &self.clock)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Shown { names, key };
        Ok(())
    }
}

impl ResolvesServerCert for PortalTls {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

fn certified(certs: &PortalCerts, names: &PortalNames, clock: &Clock) -> Result<Arc<CertifiedKey>, PortalError> {
    let certificate = certs.certificate(names, clock.now())?;
    let chain = vec![certificate, certs.authority().clone()];
    Ok(Arc::new(CertifiedKey::from_der(chain, certs.key(), &default_provider())?))
}

pub(super) fn server_config(tls: &Arc<PortalTls>) -> Result<ServerConfig, PortalError> {
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<PortalTls>::clone(tls);
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Looks again from time to time, as long as there is a portal.
pub(super) async fn keep_current(tls: Weak<PortalTls>) {
    loop {
        actix_web::rt::time::sleep(LOOK_EVERY).await;
        let Some(tls) = tls.upgrade() else { return };
        match actix_web::web::block(move || tls.look_again()).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::warn!(error = &e as &dyn std::error::Error, "The portal keeps its old certificate"),
            Err(e) => tracing::warn!(error = %e, "The portal keeps its old certificate"),
        }
    }
}

fn hosts(box_name: &str, config: &PortalConfig) -> BTreeSet<HostName> {
    let node = rustix::system::uname();
    let node = node.nodename().to_str().unwrap_or_default().to_owned();
    let own = [box_name.to_owned(), format!("{box_name}.local"), node.clone(), format!("{node}.local")];
    let own = own.into_iter().chain(["localhost".to_owned()]).filter_map(|name| HostName::try_from(name).ok());
    own.chain(config.names.iter().cloned()).collect()
}

fn addresses() -> BTreeSet<IpAddr> {
    // For display only: what is missing here costs a warning of the browser.
    let listed = local_ip_address::list_afinet_netifas().unwrap_or_default();
    listed.into_iter().map(|(_, address)| address).collect()
}

enum Host<'h> {
    Name(&'h str),
    Address,
    Nothing,
}

/// What the `Host` header names, without its port.
fn host_of(header: &str) -> Host<'_> {
    if let Some(rest) = header.strip_prefix('[') {
        let address = rest.split(']').next().unwrap_or_default();
        return if address.parse::<std::net::Ipv6Addr>().is_ok() { Host::Address } else { Host::Nothing };
    }
    let name = header.split(':').next().unwrap_or_default();
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Host::Address
    } else if name.is_empty() {
        Host::Nothing
    } else {
        Host::Name(name)
    }
}
