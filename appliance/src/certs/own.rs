//! A certificate that the company brings for the portal, from an authority that its browsers know already. What could not
//! serve is refused with what is wrong with it, before it takes the place of one that does.

use std::collections::BTreeSet;
use std::sync::Arc;

use datis_engine::units::UnixMillis;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::portal::{PortalNames, fingerprint};

/// Chain and key together are no longer than this, in bytes.
pub const PEM_MAX: usize = 48 << 10;
/// Certificates of a chain.
const CHAIN_MAX: usize = 8;

/// Why a certificate cannot serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OwnError {
    /// Longer than [`PEM_MAX`].
    #[error("this is longer than any certificate with its chain and key")]
    TooLong,
    /// No certificate in PEM.
    #[error("there is no certificate in it; it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// No private key in PEM.
    #[error("there is no private key in it; it begins with -----BEGIN PRIVATE KEY----- and has no password")]
    NoKey,
    /// The chain is longer than any.
    #[error("the chain has more than {CHAIN_MAX} certificates")]
    TooMany,
    /// Not X.509.
    #[error("a certificate cannot be read")]
    Unreadable,
    /// The key is of another certificate.
    #[error("the key does not belong to the first certificate; that one must be the portal's own")]
    OtherKey,
    /// No kind of key that TLS of the box knows.
    #[error("this kind of key is not known here; use RSA from 2048 bits, P-256, P-384 or Ed25519")]
    KeyKind,
    /// None of the box's names.
    #[error("the certificate is for none of the names or addresses of this box; add its name to `portal.names`")]
    Names,
    /// Not valid yet.
    #[error("a certificate of the chain is not valid yet")]
    NotYet,
    /// Not valid any more.
    #[error("a certificate of the chain has ended")]
    Over,
    /// The chain's order is wrong, or a link of it is missing.
    #[error("the certificates do not follow one another: each must be signed by the next")]
    Order,
}

/// A certificate that can serve.
pub struct OwnCertificate {
    key: Arc<CertifiedKey>,
    facts: OwnFacts,
}

/// What there is to show of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFacts {
    /// Who has signed it.
    pub issuer: String,
    /// Names and addresses, as they stand in it.
    pub names: Vec<String>,
    /// SHA-256, as browsers show it.
    pub fingerprint: String,
    /// When it ends.
    pub ends_at: UnixMillis,
}

impl OwnCertificate {
    /// Reads chain and key, PEM in any order, and checks them against the names of the box and its clock.
    ///
    /// # Errors
    /// [`OwnError`].
    pub fn read(pem: &[u8], found_under: &PortalNames, now: UnixMillis) -> Result<Self, OwnError> {
        if pem.len() > PEM_MAX {
            return Err(OwnError::TooLong);
        }
        let chain = CertificateDer::pem_slice_iter(pem).take(CHAIN_MAX + 1).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| OwnError::NoCertificate)?;
        if chain.len() > CHAIN_MAX {
            return Err(OwnError::TooMany);
        }
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| OwnError::NoKey)?;
        let facts = check_chain(&chain, found_under, now)?;
        let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => OwnError::OtherKey,
            _ => OwnError::KeyKind,
        })?;
        Ok(Self { key: Arc::new(key), facts })
    }

    /// For TLS.
    #[must_use]
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// Whether it is for those who come by this name; by an address, browsers name none.
    #[must_use]
    pub fn is_for(&self, host: Option<&str>) -> bool {
        let mut listed = self.facts.names.iter();
        match host {
            Some(host) => {
                let host = host.to_ascii_lowercase();
                listed.any(|name| is_name_for(name, &host))
            }
            None => listed.any(|name| name.parse::<std::net::IpAddr>().is_ok()),
        }
    }

    /// What there is to show of it.
    #[must_use]
    pub fn facts(&self) -> &OwnFacts {
        &self.facts
    }
}

fn check_chain(
    chain: &[CertificateDer<'static>],
    found_under: &PortalNames,
    now: UnixMillis,
) -> Result<OwnFacts, OwnError> {
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .map(|der| X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|_| OwnError::Unreadable))
        .collect::<Result<_, _>>()?;
    let own = parsed.first().ok_or(OwnError::NoCertificate)?;
    let seconds = now.0.div_euclid(1_000);
    for certificate in &parsed {
        if certificate.validity().not_before.timestamp() > seconds {
            return Err(OwnError::NotYet);
        }
        if certificate.validity().not_after.timestamp() <= seconds {
            return Err(OwnError::Over);
        }
    }
    for pair in parsed.windows(2) {
        let [of, by] = pair else { continue };
        let follows = of.issuer().as_raw() == by.subject().as_raw() && by.is_ca();
        if !follows || of.verify_signature(Some(by.public_key())).is_err() {
            return Err(OwnError::Order);
        }
    }
    let names = names_of(own);
    if !names.iter().any(|name| covers(name, found_under)) {
        return Err(OwnError::Names);
    }
    Ok(OwnFacts {
        issuer: own.issuer().to_string(),
        names: names.into_iter().collect(),
        fingerprint: fingerprint(chain.first().ok_or(OwnError::NoCertificate)?),
        ends_at: UnixMillis(own.validity().not_after.timestamp().saturating_mul(1_000)),
    })
}

/// As they stand in the certificate, in lower case; names with a star too, which are no host names.
fn names_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(listed)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let names = listed.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => super::portal::address(bytes).map(|address| address.to_string()),
        _ => None,
    });
    names.collect()
}

/// Whether a name of the certificate is one of the box's. Every computer is `localhost`: that is nobody's name.
fn covers(name: &str, found_under: &PortalNames) -> bool {
    let hosts = found_under.hosts.iter().map(crate::config::HostName::as_str);
    hosts.filter(|host| *host != "localhost").any(|host| is_name_for(name, host))
        || found_under.addresses.iter().any(|ip| !ip.is_loopback() && ip.to_string() == name)
}

/// A star stands for one label (RFC 6125, 6.4.3).
fn is_name_for(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, parent)| parent == rest),
        None => host == name,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;
    use crate::config::HostName;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    struct Authority(Issuer<'static, KeyPair>, String);

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name = crate::certs::common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
        let key = KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("authority").pem();
        Authority(Issuer::new(params, key), pem)
    }

    /// A certificate for a name until a year, and its key.
    fn leaf(by: &Authority, name: &str, from: i32, until: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().expect("key");
        (params.signed_by(&key, &by.0).expect("leaf").pem(), key.serialize_pem())
    }

    fn found_under() -> PortalNames {
        let hosts = ["localhost", "backup.example.org"];
        PortalNames {
            hosts: hosts.map(|host| HostName::try_from(host.to_owned()).expect("host")).into(),
            addresses: ["192.168.1.60".parse().expect("address")].into(),
        }
    }

    fn read(parts: &[&str]) -> Result<OwnFacts, OwnError> {
        OwnCertificate::read(parts.concat().as_bytes(), &found_under(), NOW).map(|own| own.facts().clone())
    }

    #[test]
    fn a_chain_with_its_key_is_taken() {
        let authority = authority("Company");
        for name in ["backup.example.org", "*.example.org", "192.168.1.60", "BACKUP.example.org"] {
            let (certificate, key) = leaf(&authority, name, 2026, 2028);
            for parts in [&[&certificate, &authority.1, &key][..], &[&key, &certificate]] {
                let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
                let facts = read(&parts).expect(name);
                assert_eq!(facts.names, [name.to_ascii_lowercase()]);
                assert!(facts.issuer.contains("Company"), "{}", facts.issuer);
                assert_eq!(facts.ends_at, UnixMillis(date_time_ymd(2028, 1, 1).unix_timestamp() * 1_000));
            }
        }
    }

    #[test]
    fn what_could_not_serve_is_refused_with_its_reason() {
        let (company, other) = (authority("Company"), authority("Other"));
        let (certificate, key) = leaf(&company, "backup.example.org", 2026, 2028);
        let (_, other_key) = leaf(&company, "backup.example.org", 2026, 2028);
        let (elsewhere, elsewhere_key) = leaf(&company, "www.example.com", 2026, 2028);
        let (local, local_key) = leaf(&company, "localhost", 2026, 2028);
        let (star, star_key) = leaf(&company, "*.org", 2026, 2028);
        let (old, old_key) = leaf(&company, "backup.example.org", 2020, 2026);
        let (early, early_key) = leaf(&company, "backup.example.org", 2030, 2031);
        let many = company.1.repeat(9);
        let damaged = certificate.replacen("MII", "AAA", 1);
        let long = "x".repeat(PEM_MAX + 1);
        for (parts, expected) in [
            (vec![], OwnError::NoKey),
            (vec![&key], OwnError::NoCertificate),
            (vec![&certificate], OwnError::NoKey),
            (vec![&certificate, &other_key], OwnError::OtherKey),
            (vec![&elsewhere, &elsewhere_key], OwnError::Names),
            (vec![&local, &local_key], OwnError::Names),
            (vec![&star, &star_key], OwnError::Names),
            (vec![&old, &old_key], OwnError::Over),
            (vec![&early, &early_key], OwnError::NotYet),
            (vec![&certificate, &other.1, &key], OwnError::Order),
            (vec![&company.1, &certificate, &key], OwnError::Order),
            (vec![&certificate, &many, &key], OwnError::TooMany),
            (vec![&damaged, &key], OwnError::Unreadable),
            (vec![&long], OwnError::TooLong),
        ] {
            let parts: Vec<&str> = parts.into_iter().map(String::as_str).collect();
            assert_eq!(read(&parts), Err(expected), "{parts:?}");
        }
    }
}
