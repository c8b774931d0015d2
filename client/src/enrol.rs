//! Enrolment: this machine makes its key, the box signs the certificate. The key never leaves the machine.
//!
//! The request goes over TLS without a client certificate, but only to the box with the pinned key.

use std::path::Path;

use datis_engine::enrolment::EnrolmentUri;
use datis_engine::keys::{DedupSecret, PublicKey, Recipients, SigningKey};
use datis_engine::wire::{Enrol, Renew};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::link::{Connection, Endpoint, Link, LinkError};
use crate::state::{Enrolment, State, StateError};

/// Why this machine could not be enrolled, or its certificate not be renewed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The box, or the way to it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// No key could be made.
    #[error("a key for this machine cannot be made ({0}); is the system out of random numbers?")]
    Key(String),
    /// What the box answered cannot be used.
    #[error(
        "the box answered the enrolment with {what} that cannot be used; update the box or this program, then enrol again"
    )]
    Answer {
        /// Which part of it.
        what: &'static str,
    },
}

impl EnrolError {
    /// How the program ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::State(error) => error.exit(),
            Self::Link(error) => error.exit(),
            Self::Key(_) | Self::Answer { .. } => Exit::Failed,
        }
    }
}

/// Enrols this machine with the box of `uri` and keeps the result in `dir`.
///
/// `again`: replace an earlier enrolment. Its key is kept, because earlier snapshots are signed with it.
///
/// # Errors
/// [`EnrolError`]; an earlier enrolment stays as it is unless the box has accepted the new one.
pub fn enrol(uri: &EnrolmentUri, dir: &Path, again: bool) -> Result<Enrolment, EnrolError> {
    if let (Some(earlier), false) = (Enrolment::read(dir)?, again) {
        return Err(StateError::AlreadyEnrolled { dir: dir.to_owned(), box_name: earlier.box_name }.into());
    }
    State::prepare(dir)?;
    let key = match State::earlier_key(dir)? {
        Some(key) if SigningKey::from_pkcs8(&key).is_ok() => key,
        Some(_) | None => fresh_key()?,
    };
    let endpoint = Endpoint { host: uri.host.clone(), port: uri.port, pin: uri.pin };
    let request = Enrol { code: uri.code.expose().to_owned(), signing_request: signing_request(&key)? };
    let answer = Link::new(&endpoint, None)?.connect()?.ask(&request)?;

    let secret: Zeroizing<Vec<u8>> = Zeroizing::new(answer.dedup_secret);
    let secret: [u8; 32] = secret.as_slice().try_into().map_err(|_| EnrolError::Answer { what: "a dedup secret" })?;
    let usable = Recipients::parse(&answer.recipients).map_err(|_| EnrolError::Answer { what: "recipients" });
    let enrolment = Enrolment {
        host: uri.host.clone(),
        port: uri.port,
        pin: uri.pin,
        box_name: answer.box_name,
        machine: answer.machine,
        machine_name: answer.machine_name,
        profile: answer.profile,
        recipients: usable?.to_strings(),
        receipt_key: PublicKey::from_slice(&answer.receipt_key).ok_or(EnrolError::Answer { what: "a receipt key" })?,
    };
    State::create(dir, &enrolment, &key, &answer.certificate, &DedupSecret::from_bytes(secret))?;
    Ok(enrolment)
}

/// Asks for a fresh certificate and takes it into use.
///
/// # Errors
/// [`EnrolError`]; the present certificate stays in use then.
pub fn renew(state: &mut State, connection: &mut Connection) -> Result<(), EnrolError> {
    let request = Renew { signing_request: signing_request(&state.identity().key_pkcs8)? };
    let answer = connection.ask(&request)?;
    state.replace_certificate(answer.certificate)?;
    Ok(())
}

fn fresh_key() -> Result<Zeroizing<Vec<u8>>, EnrolError> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(|e| EnrolError::Key(e.to_string()))?;
    Ok(Zeroizing::new(pair.serialize_der()))
}

/// A PKCS#10 request without a name: the box knows the machine by its code or certificate, and names it itself.
fn signing_request(key_pkcs8: &[u8]) -> Result<Vec<u8>, EnrolError> {
    let refused = |e: rcgen::Error| EnrolError::Key(e.to_string());
    let pair = rcgen::KeyPair::try_from(key_pkcs8).map_err(refused)?;
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    Ok(parameters.serialize_request(&pair).map_err(refused)?.der().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_signs_records_and_requests() {
        let key = fresh_key().expect("key");
        let public = SigningKey::from_pkcs8(&key).expect("signing key").public_key();
        let request = signing_request(&key).expect("request");
        assert!(request.windows(32).any(|w| w == public.as_bytes()), "the request carries the public key");
        assert!(!request.windows(32).any(|w| w == &key[16..48]), "and not the private one");
    }

    #[test]
    fn a_machine_that_is_enrolled_is_not_enrolled_again_by_accident() {
        let dir = tempfile::tempdir().expect("temporary folder");
        drop(crate::state::tests::enrolled(dir.path()));
        let uri = format!("datis://127.0.0.1:1/{}?pin={}", "A".repeat(24), "0".repeat(64)).parse().expect("uri");
        let error = enrol(&uri, dir.path(), false).expect_err("refused");
        assert!(matches!(error, EnrolError::State(StateError::AlreadyEnrolled { .. })), "{error}");
        let error = enrol(&uri, dir.path(), true).expect_err("nobody listens");
        assert_eq!(error.exit(), Exit::Unreachable);
        assert!(State::open(dir.path().to_owned()).is_ok(), "the earlier enrolment is as it was");
    }
}
