//! TLS of the portal, and the names under which it answers: those in its certificate.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use datis_engine::units::UnixMillis;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::PortalError;
use crate::certs::own::{OwnCertificate, OwnError, OwnFacts};
use crate::certs::portal::{self, PortalCerts, PortalNames};
use crate::config::{HostName, PortalConfig};
use crate::host::Host as Computer;
use crate::operations::{self, Site};

/// A new address of the box is in the certificate within this time.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Within this time when it is being tried.
const TICK: Duration = Duration::from_secs(1);

/// The certificate that is shown now.
pub(crate) struct PortalTls {
    certs: PortalCerts,
    site: Arc<Site>,
    /// Those that do not change while the box runs.
    hosts: BTreeSet<HostName>,
    shown: RwLock<Shown>,
}

struct Shown {
    names: PortalNames,
    key: Arc<CertifiedKey>,
    /// The company's own, or why it cannot serve.
    own: Option<Result<OwnCertificate, OwnError>>,
}

/// Whose certificate the portal shows.
pub(super) enum Shows {
    /// One of the box's authority.
    BoxsOwn,
    /// The company's, to those who come by a name that is in it.
    Companys(OwnFacts),
    /// The box's again, since the company's cannot serve any more.
    BoxsInsteadOfCompanys(OwnError),
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
        site: Arc<Site>,
    ) -> Result<Self, PortalError> {
        let hosts = hosts(box_name, config);
        let names = PortalNames { hosts: hosts.clone(), addresses: addresses() };
        let shown = shown(&certs, names, &site)?;
        Ok(Self { certs, site, hosts, shown: RwLock::new(shown) })
    }

    /// Whose certificate is shown.
    pub(super) fn shows(&self) -> Shows {
        match &self.shown.read().unwrap_or_else(PoisonError::into_inner).own {
            None => Shows::BoxsOwn,
            Some(Ok(own)) => Shows::Companys(own.facts().clone()),
            Some(Err(error)) => Shows::BoxsInsteadOfCompanys(*error),
        }
    }

    /// Under what people find the portal now.
    pub(super) fn found_under(&self) -> PortalNames {
        PortalNames { hosts: self.hosts.clone(), addresses: addresses() }
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

    /// When the certificate that is shown now ends.
    pub(super) fn ends_at(&self) -> Option<UnixMillis> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        portal::ends_at(shown.key.cert.first()?)
    }

    /// The names and addresses in the certificate.
    pub(super) fn names(&self) -> PortalNames {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).names.clone()
    }

    /// Shows another certificate if the box has other addresses by now, the time of this one is running out, or the company
    /// has brought or taken back its own.
    pub(super) fn look_again(&self) -> Result<(), PortalError> {
        let fresh = shown(&self.certs, self.found_under(), &self.site)?;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = &fresh.own
            && !matches!(&shown.own, Some(Err(before)) if before == error)
        {
            tracing::warn!(%error, "The company's certificate cannot serve; the portal shows the box's own");
        }
        *shown = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for PortalTls {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        match &shown.own {
            Some(Ok(own)) if own.is_for(hello.server_name()) => Some(own.key()),
            _ => Some(Arc::clone(&shown.key)),
        }
    }
}

fn shown(certs: &PortalCerts, names: PortalNames, site: &Site) -> Result<Shown, PortalError> {
    let now = site.clock.now();
    let own = operations::own_certificate(site)?.map(|pem| OwnCertificate::read(&pem, &names, now));
    Ok(Shown { key: certified(certs, &names, now)?, own, names })
}

fn certified(certs: &PortalCerts, names: &PortalNames, now: UnixMillis) -> Result<Arc<CertifiedKey>, PortalError> {
    let certificate = certs.certificate(names, now)?;
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

/// Looks again from time to time, as long as there is a portal; at once while another address is being tried, since whoever
/// confirms it comes by that.
pub(super) async fn keep_current(tls: Weak<PortalTls>, computer: Arc<Computer>) {
    let mut looked = Instant::now();
    loop {
        actix_web::rt::time::sleep(TICK).await;
        if looked.elapsed() < LOOK_EVERY && computer.trial().is_none() {
            continue;
        }
        looked = Instant::now();
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
