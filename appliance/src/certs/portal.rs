//! Certificates of the portal: an authority of the box's own, which people may install in their browsers, and a
//! certificate for the names and addresses under which the box is found now.
//!
//! Both are kept, so that a browser that has accepted them once meets the same ones after a restart. The certificate is
//! made anew when the box has another name or address, and in time before it ends.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use datis_engine::ids::VaultId;
use datis_engine::units::{Seconds, UnixMillis};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{CertError, always, calendar, common_name, random_serial, sha256};
use crate::config::{DataDir, HostName};
use crate::files;
use crate::vault::{PortalKey, VaultError, portal_key};

/// Browsers refuse certificates that are valid for more than 398 days.
const VALID: Seconds = Seconds(397 * 86_400);
/// A certificate is made anew when it has less than this left.
const RENEWED: Seconds = Seconds(60 * 86_400);
/// Certificates are valid from this much before they are made, for clocks that differ.
const BACKDATED: Seconds = Seconds::DAY;
/// No certificate is longer, in bytes.
const FILE_MAX: u64 = 64 << 10;

/// Under what the box is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortalNames {
    /// Host names.
    pub hosts: BTreeSet<HostName>,
    /// Addresses.
    pub addresses: BTreeSet<IpAddr>,
}

/// The portal's keys, its authority, and where the certificate lies.
pub struct PortalCerts {
    server_key: Zeroizing<Vec<u8>>,
    authority: Issuer<'static, KeyPair>,
    authority_certificate: CertificateDer<'static>,
    file: PathBuf,
}

impl PortalCerts {
    /// Reads keys and authority; makes those that are not there yet. `step` hears of each.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn open_or_make(dir: &DataDir, vault: VaultId, step: &mut dyn FnMut(&str)) -> Result<Self, CertError> {
        let server_key = portal_key(dir, PortalKey::Server, step)?;
        let authority_key = key_pair(&portal_key(dir, PortalKey::Authority, step)?)?;
        let path = dir.keys_dir().join("portal-ca.der");
        let there = files::read_if_there(&path, FILE_MAX).map_err(VaultError::from)?;
        let authority_certificate = match there.filter(|der| is_for(der, &authority_key)) {
            Some(der) => CertificateDer::from(der),
            None => {
                let made = authority_params(vault).self_signed(&authority_key).map_err(failed)?;
                files::replace(&path, made.der()).map_err(VaultError::from)?;
                made.der().clone()
            }
        };
        // Its name is the one that it was made with: a box that came back has the authority of the blank one.
        let authority = Issuer::from_ca_cert_der(&authority_certificate, authority_key).map_err(failed)?;
        Ok(Self { server_key, authority, authority_certificate, file: dir.keys_dir().join("portal.der") })
    }

    /// When the authority was made.
    #[must_use]
    pub fn made_at(dir: &DataDir) -> Option<UnixMillis> {
        files::written_at(&dir.keys_dir().join("portal-ca.der"))
    }

    /// The authority's certificate, DER: what people install in their browsers.
    #[must_use]
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority_certificate
    }

    /// SHA-256 of the authority's certificate as browsers show it: `AB:CD:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.authority_certificate)
    }

    /// The private key that goes with the certificate.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.server_key.to_vec()).into()
    }

    /// The certificate for these names: the kept one if it still does, else a fresh one, which is kept.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn certificate(&self, names: &PortalNames, now: UnixMillis) -> Result<CertificateDer<'static>, CertError> {
        let key = key_pair(&self.server_key)?;
        let there = files::read_if_there(&self.file, FILE_MAX).map_err(VaultError::from)?;
        if let Some(der) = there.filter(|der| is_for(der, &key) && self.still_does(der, names, now)) {
            return Ok(CertificateDer::from(der));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("Datis");
        params.serial_number = Some(random_serial()?);
        params.not_before = calendar(now.minus(BACKDATED));
        params.not_after = calendar(now.plus(VALID).minus(BACKDATED));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for host in &names.hosts {
            params.subject_alt_names.push(SanType::DnsName(host.as_str().try_into().map_err(failed)?));
        }
        params.subject_alt_names.extend(names.addresses.iter().copied().map(SanType::IpAddress));
        let certificate = params.signed_by(&key, &self.authority).map_err(failed)?;
        files::replace(&self.file, certificate.der()).map_err(VaultError::from)?;
        Ok(certificate.der().clone())
    }

    /// Whether a certificate that was made before is for these names, of this authority, and long enough valid.
    fn still_does(&self, der: &[u8], names: &PortalNames, now: UnixMillis) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
        let Ok((_, authority)) = X509Certificate::from_der(&self.authority_certificate) else { return false };
        let seconds = |at: UnixMillis| at.0.div_euclid(1_000);
        let valid = certificate.validity();
        names_of(&certificate) == *names
            && certificate.issuer() == authority.subject()
            && certificate.verify_signature(Some(authority.public_key())).is_ok()
            && valid.not_before.timestamp() <= seconds(now)
            && valid.not_after.timestamp() >= seconds(now.plus(RENEWED))
    }
}

/// When a certificate ends; `None` for what is none.
pub(crate) fn ends_at(der: &[u8]) -> Option<UnixMillis> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(UnixMillis(certificate.validity().not_after.timestamp().saturating_mul(1_000)))
}

/// SHA-256 of a certificate as browsers show it: `AB:CD:…`.
pub(super) fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for byte in sha256(der) {
        // Writing to a string does not fail.
        let _ = write!(text, "{}{byte:02X}", if text.is_empty() { "" } else { ":" });
    }
    text
}

fn names_of(certificate: &X509Certificate<'_>) -> PortalNames {
    let mut names = PortalNames::default();
    let Ok(Some(listed)) = certificate.subject_alternative_name() else { return names };
    for name in &listed.value.general_names {
        match name {
            GeneralName::DNSName(host) => names.hosts.extend(HostName::try_from((*host).to_owned()).ok()),
            GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
            _ => {}
        }
    }
    names
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

fn authority_params(vault: VaultId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Datis portal {vault}"));
    params.distinguished_name.push(DnType::OrganizationName, "Datis");
    (params.not_before, params.not_after) = always();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn is_for(der: &[u8], key: &KeyPair) -> bool {
    use rcgen::PublicKeyData;
    X509Certificate::from_der(der)
        .is_ok_and(|(_, certificate)| certificate.public_key().raw == key.subject_public_key_info())
}

fn key_pair(der: &[u8]) -> Result<KeyPair, CertError> {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ECDSA_P256_SHA256).map_err(failed)
}

fn failed(source: rcgen::Error) -> CertError {
    CertError::Make { of: "the portal", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hosts: &[&str], addresses: &[&str]) -> PortalNames {
        PortalNames {
            hosts: hosts.iter().map(|host| HostName::try_from((*host).to_owned()).expect("host")).collect(),
            addresses: addresses.iter().map(|address| address.parse().expect("address")).collect(),
        }
    }

    #[test]
    fn a_vault_that_comes_later_goes_on_with_the_authority_that_browsers_know() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        std::fs::create_dir(dir.keys_dir()).expect("keys");
        let open =
            |vault| PortalCerts::open_or_make(&dir, VaultId::from_bytes([vault; 16]), &mut |_| ()).expect("certs");
        let (blank, here, now) = (open(7), names(&["localhost"], &[]), UnixMillis(1_800_000_000_000));
        let first = blank.certificate(&here, now).expect("certificate");
        let back = open(8);
        assert_eq!(back.fingerprint(), blank.fingerprint());
        assert_eq!(back.certificate(&here, now).expect("certificate"), first);
        std::fs::remove_file(dir.keys_dir().join("portal.der")).expect("lose");
        let made = back.certificate(&here, now).expect("certificate");
        let (_, made) = X509Certificate::from_der(&made).expect("certificate");
        let (_, authority) = X509Certificate::from_der(back.authority()).expect("authority");
        assert_eq!(made.issuer(), authority.subject(), "browsers find the way to it by its name");
    }

    #[test]
    fn the_certificate_stays_until_names_or_time_want_another_one() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        std::fs::create_dir(dir.keys_dir()).expect("keys");
        let open = || PortalCerts::open_or_make(&dir, VaultId::from_bytes([7; 16]), &mut |_| ()).expect("certs");
        let (certs, now) = (open(), UnixMillis(1_800_000_000_000));
        let here = names(&["datis-ab12.local", "localhost"], &["192.168.1.60", "fe80::1"]);
        let first = certs.certificate(&here, now).expect("certificate");
        let (_, parsed) = X509Certificate::from_der(&first).expect("certificate");
        assert_eq!(names_of(&parsed), here);
        let (_, authority) = X509Certificate::from_der(certs.authority()).expect("authority");
        parsed.verify_signature(Some(authority.public_key())).expect("signed by the authority");
        assert!(parsed.validity().not_after.timestamp() - parsed.validity().not_before.timestamp() <= 398 * 86_400);

        let again = open();
        assert_eq!(again.fingerprint(), certs.fingerprint());
        assert_eq!(again.fingerprint().len(), 32 * 3 - 1);
        assert_eq!(again.certificate(&here, now).expect("certificate"), first);
        let moved = names(&["datis-ab12.local", "localhost"], &["192.168.1.61"]);
        let second = again.certificate(&moved, now).expect("certificate");
        assert_ne!(second, first);
        let late = now.plus(Seconds(340 * 86_400));
        assert_ne!(again.certificate(&moved, late).expect("certificate"), second);
        std::fs::write(dir.keys_dir().join("portal.der"), b"noise").expect("damage");
        again.certificate(&moved, now).expect("made anew");
        std::fs::remove_file(dir.keys_dir().join("portal-ca.pkcs8")).expect("lose");
        let other = open();
        assert_ne!(other.fingerprint(), again.fingerprint(), "another key is another authority");
    }
}
