//! Certificates: the box's own, which machines pin by its key, and those it signs for its machines.
//!
//! Only keys are kept on disk; the box's two certificates are made from them at each start and say the same every time.
//! They have no date of expiry on purpose: a box whose clock is wrong after a long power cut must still be reachable, and
//! what machines trust is the key. Machine certificates do expire, after [`MACHINE_CERTIFICATE_VALID`]. The portal has keys
//! and an authority of its own ([`portal`]).

pub mod own;
pub mod portal;

use datis_engine::ids::{MachineId, SpkiPin, VaultId};
use datis_engine::keys::{KeyError, PublicKey, random_bytes};
use datis_engine::units::{Seconds, UnixMillis};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::config::DataDir;
use crate::vault::{KeyFile, VaultError, signing_key};

/// How long a machine's certificate is valid. The client asks for a fresh one long before.
pub const MACHINE_CERTIFICATE_VALID: Seconds = Seconds(365 * 86_400);

/// Certificates are valid from this much before they are made, for clocks that differ.
const BACKDATED: Seconds = Seconds::DAY;

/// The box's certificates.
pub struct Certs {
    tls_key: Zeroizing<Vec<u8>>,
    tls_certificate: CertificateDer<'static>,
    pin: SpkiPin,
    ca: Issuer<'static, KeyPair>,
    ca_certificate: CertificateDer<'static>,
}

/// Why certificates could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A key cannot be read or made.
    #[error("the keys of the machine port are not to be had")]
    Key(#[from] VaultError),
    /// A certificate cannot be made from its key.
    #[error("the certificate of {of} cannot be made; its key file may be damaged")]
    Make {
        /// Whose certificate.
        of: &'static str,
        /// What is wrong.
        #[source]
        source: rcgen::Error,
    },
    /// No random numbers.
    #[error("a certificate needs a random serial number")]
    Random(#[source] KeyError),
    /// The signing request is no PKCS#10, is not signed by its own key, or the key is not Ed25519.
    #[error("the signing request is not a PKCS#10 request for an Ed25519 key")]
    Request,
}

impl Certs {
    /// Reads the keys; makes those that are not there yet. `step` hears of each.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn open_or_make(dir: &DataDir, vault: VaultId, step: &mut dyn FnMut(&str)) -> Result<Self, CertError> {
        let tls_key = signing_key(dir, KeyFile::Tls, step)?;
        let tls_pair = key_pair("the box", &tls_key)?;
        let tls_certificate = box_certificate(&tls_pair, vault)?;
        let pin = SpkiPin::from_bytes(sha256(&tls_pair.subject_public_key_info()));

        let ca_pair = key_pair("the machine authority", &signing_key(dir, KeyFile::MachineCa, step)?)?;
        let params = ca_params(vault);
        let made = |source| CertError::Make { of: "the machine authority", source };
        let ca_certificate = params.self_signed(&ca_pair).map_err(made)?.der().clone();
        Ok(Self { tls_key, tls_certificate, pin, ca: Issuer::new(params, ca_pair), ca_certificate })
    }

    /// What machines know the box by.
    #[must_use]
    pub fn pin(&self) -> SpkiPin {
        self.pin
    }

    /// The box's certificate and key, for the machine port.
    #[must_use]
    pub fn server(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        (self.tls_certificate.clone(), PrivatePkcs8KeyDer::from(self.tls_key.to_vec()).into())
    }

    /// Twelve bytes that only this box knows, the same at each start: by them a router knows the box's mappings again
    /// (RFC 6887, section 11.1).
    #[must_use]
    pub fn router_nonce(&self) -> [u32; 3] {
        let derived = blake3::derive_key("datis 2026-11 nonce for mappings at the router", &self.tls_key);
        std::array::from_fn(|at| u32::from_be_bytes(std::array::from_fn(|byte| derived[at * 4 + byte])))
    }

    /// What machine certificates must chain to.
    #[must_use]
    pub fn machine_authority(&self) -> CertificateDer<'static> {
        self.ca_certificate.clone()
    }

    /// Signs a certificate for `machine`, valid for [`MACHINE_CERTIFICATE_VALID`] from `now`. DER.
    ///
    /// Only the key of the request is taken over: names and extensions are the box's own.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn sign_machine(
        &self,
        request: &MachineRequest,
        machine: MachineId,
        now: UnixMillis,
    ) -> Result<Vec<u8>, CertError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&machine.to_string());
        params.serial_number = Some(random_serial()?);
        params.not_before = calendar(now.minus(BACKDATED));
        params.not_after = calendar(now.plus(MACHINE_CERTIFICATE_VALID));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params
            .signed_by(&request.0.public_key, &self.ca)
            .map_err(|source| CertError::Make { of: "a machine", source })?;
        Ok(certificate.der().to_vec())
    }
}

/// A checked signing request: its sender has the private key, and the key is Ed25519.
pub struct MachineRequest(CertificateSigningRequestParams);

impl MachineRequest {
    /// Reads a PKCS#10 request (DER) and checks its signature.
    ///
    /// # Errors
    /// [`CertError::Request`].
    pub fn parse(der: &[u8]) -> Result<Self, CertError> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der))
            .map_err(|_| CertError::Request)?;
        let sound = request.public_key.algorithm() == &PKCS_ED25519;
        if sound && request.public_key.der_bytes().len() == 32 { Ok(Self(request)) } else { Err(CertError::Request) }
    }

    /// The key that is to be certified.
    ///
    /// # Errors
    /// [`CertError::Request`].
    pub fn public_key(&self) -> Result<PublicKey, CertError> {
        PublicKey::from_slice(self.0.public_key.der_bytes()).ok_or(CertError::Request)
    }
}

/// The Ed25519 key of a certificate (DER) that TLS has already accepted; `None` for any other kind of key.
#[must_use]
pub fn certificate_key(der: &[u8]) -> Option<PublicKey> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let info = certificate.public_key();
    let ed25519 = info.algorithm.algorithm == x509_parser::oid_registry::OID_SIG_ED25519;
    if ed25519 { PublicKey::from_slice(&info.subject_public_key.data) } else { None }
}

/// The Ed25519 key of a certificate (DER) that is signed with the key itself, as other boxes make them; `None` for any other.
/// A machine's certificate is never one: it carries another name than its issuer's.
#[must_use]
pub fn self_signed_key(der: &[u8]) -> Option<PublicKey> {
    let key = certificate_key(der)?;
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let is_own = rest.is_empty() && certificate.issuer().as_raw() == certificate.subject().as_raw();
    (is_own && certificate.verify_signature(None).is_ok()).then_some(key)
}

fn key_pair(of: &'static str, der: &[u8]) -> Result<KeyPair, CertError> {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ED25519)
        .map_err(|source| CertError::Make { of, source })
}

fn box_certificate(key: &KeyPair, vault: VaultId) -> Result<CertificateDer<'static>, CertError> {
    let made = |source| CertError::Make { of: "the box", source };
    // Nobody checks this name: the key is what machines go by. TLS stacks want one nevertheless.
    let mut params = CertificateParams::new(vec!["datis.box".to_owned()]).map_err(made)?;
    params.distinguished_name = common_name(&format!("Datis box {vault}"));
    (params.not_before, params.not_after) = always();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params.self_signed(key).map_err(made)?.der().clone())
}

fn ca_params(vault: VaultId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Datis machines {vault}"));
    (params.not_before, params.not_after) = always();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// The last day is the one that RFC 5280 section 4.1.2.5 gives for "does not expire".
fn always() -> (OffsetDateTime, OffsetDateTime) {
    (date_time_ymd(2000, 1, 1), date_time_ymd(9999, 12, 31))
}

/// Out of the calendar's range means a clock that is off by centuries; the nearest end stands for it.
fn calendar(at: UnixMillis) -> OffsetDateTime {
    let seconds = at.0.div_euclid(1_000);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or_else(|_| if seconds < 0 { always().0 } else { always().1 })
}

/// 127 random bits: positive, as RFC 5280 wants it, without a leading zero byte.
fn random_serial() -> Result<SerialNumber, CertError> {
    let mut bytes = random_bytes::<16>().map_err(CertError::Random)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certs() -> (tempfile::TempDir, Certs) {
        let folder = tempfile::tempdir().expect("folder");
        let dir = DataDir::new(folder.path());
        std::fs::create_dir(dir.keys_dir()).expect("keys");
        let certs = Certs::open_or_make(&dir, VaultId::from_bytes([7; 16]), &mut |_| ()).expect("certs");
        (folder, certs)
    }

    fn request(key: &KeyPair) -> Vec<u8> {
        CertificateParams::default().serialize_request(key).expect("request").der().to_vec()
    }

    #[test]
    fn the_pin_is_the_digest_of_the_certificates_key_info_and_stays() {
        let (folder, certs) = certs();
        let der = certs.server().0;
        let (_, parsed) = X509Certificate::from_der(&der).expect("certificate");
        assert_eq!(certs.pin().as_bytes(), &sha256(parsed.public_key().raw));
        let again = Certs::open_or_make(&DataDir::new(folder.path()), VaultId::from_bytes([7; 16]), &mut |_| ())
            .expect("again");
        assert_eq!(again.pin(), certs.pin());
    }

    #[test]
    fn a_machine_gets_a_certificate_for_its_key_that_the_authority_signed() {
        let (_folder, certs) = certs();
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("key");
        let request = MachineRequest::parse(&request(&key)).expect("request");
        let now = UnixMillis(1_800_000_000_000);
        let der = certs.sign_machine(&request, MachineId::from_bytes([9; 16]), now).expect("sign");
        assert_eq!(certificate_key(&der), Some(request.public_key().expect("key")));
        let (_, parsed) = X509Certificate::from_der(&der).expect("certificate");
        let authority = certs.machine_authority();
        let (_, authority) = X509Certificate::from_der(&authority).expect("authority");
        parsed.verify_signature(Some(authority.public_key())).expect("signed by the authority");
        assert_eq!(parsed.validity().not_after.timestamp(), 1_800_000_000 + 365 * 86_400);
        assert!(!parsed.is_ca());
    }

    #[test]
    fn requests_that_are_altered_or_for_other_keys_are_refused() {
        let good = request(&KeyPair::generate_for(&PKCS_ED25519).expect("key"));
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(MachineRequest::parse(&bad).is_err(), "byte {at}");
        }
        let other = request(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("key"));
        assert!(MachineRequest::parse(&other).is_err());
        assert!(MachineRequest::parse(b"").is_err());
    }

    #[test]
    fn a_certificate_is_self_signed_only_by_its_own_ed25519_key() {
        let (_folder, certs) = certs();
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("key");
        let own = CertificateParams::default().self_signed(&key).expect("certificate").der().to_vec();
        assert_eq!(self_signed_key(&own), certificate_key(&own));
        assert!(self_signed_key(&own).is_some());
        assert!(self_signed_key(&certs.server().0).is_some(), "boxes show the certificate that machines know them by");
        for at in [own.len() - 1, own.len() / 2] {
            let mut altered = own.clone();
            altered[at] ^= 1;
            assert_eq!(self_signed_key(&altered), None, "byte {at}");
        }
        assert_eq!(self_signed_key(&[own.as_slice(), b"x"].concat()), None);
        let request = MachineRequest::parse(&request(&key)).expect("request");
        let machine = certs.sign_machine(&request, MachineId::from_bytes([9; 16]), UnixMillis(0)).expect("sign");
        assert_eq!(self_signed_key(&machine), None);
        let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("key");
        let other = CertificateParams::default().self_signed(&other).expect("certificate").der().to_vec();
        assert_eq!(self_signed_key(&other), None);
        // One key's name and another one's signature.
        let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate_for(&PKCS_ED25519).expect("key"));
        let foreign = CertificateParams::default().signed_by(&key, &issuer).expect("certificate").der().to_vec();
        assert_eq!(self_signed_key(&foreign), None);
    }

    #[test]
    fn a_clock_far_off_does_not_panic() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            let _ = calendar(UnixMillis(at));
        }
    }
}
