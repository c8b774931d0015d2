//! Whose certificates are believed: those that the system trusts, or the one authority that an admin has named in their
//! place.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// No list of authorities is longer, in bytes.
pub(crate) const AUTHORITY_MAX: usize = 32 << 10;
/// Certificates in such a list.
const CERTIFICATES_MAX: usize = 16;

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// What was named is no certificate of an authority.
    #[error("the authority that was named is no certificate in the PEM form")]
    Authority,
    /// The system has none either.
    #[error("this system trusts no authority: install the package ca-certificates, or name the authority")]
    Nobody,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Whether this text is a list of certificates that can be trusted.
pub(crate) fn is_authority(pem: &str) -> bool {
    pem.len() <= AUTHORITY_MAX && named(pem).is_ok()
}

/// TLS towards a server whose certificate is checked: by `authority` alone where it is given, else by the system's.
pub(crate) fn client_config(authority: Option<&str>) -> Result<Arc<ClientConfig>, TrustError> {
    let roots = match authority {
        Some(pem) => named(pem)?,
        None => of_the_system()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn named(pem: &str) -> Result<RootCertStore, TrustError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).take(CERTIFICATES_MAX + 1).collect();
    if certificates.is_empty() || certificates.len() > CERTIFICATES_MAX {
        return Err(TrustError::Authority);
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|_| TrustError::Authority)?;
        roots.add(certificate).map_err(|_| TrustError::Authority)?;
    }
    Ok(roots)
}

fn of_the_system() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be read is one less; that there is none at all is told.
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TrustError::Nobody) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_authorities() {
        let key = rcgen::KeyPair::generate().expect("key");
        let params = rcgen::CertificateParams::new(vec!["ca.test".to_owned()]).expect("names");
        let certificate = params.self_signed(&key).expect("certificate").pem();
        assert!(is_authority(&certificate));
        assert!(is_authority(&format!("my own authority\n{certificate}{certificate}")));
        for bad in [String::new(), "x".to_owned(), key.serialize_pem(), certificate.replace("MII", "AAA")] {
            assert!(!is_authority(&bad), "{bad}");
        }
        assert!(!is_authority(&certificate.repeat(CERTIFICATES_MAX + 1)));
    }
}
