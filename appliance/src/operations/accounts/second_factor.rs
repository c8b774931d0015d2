//! The second factor: codes of an authenticator (TOTP, RFC 6238), and recovery codes for the day it is lost.
//!
//! The secret lies in the catalog sealed for the box and the recovery kit. A code is taken once: the step that it was for
//! is remembered, and it and those before are refused from then on.

use data_encoding::BASE32_NOPAD;
use datis_engine::keys::random_bytes;
use datis_engine::units::UnixMillis;
use rusqlite::Transaction;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::super::{OperationError, Site};
use super::secret::{recovery_code, recovery_digest};
use crate::catalog::accounts::{self, Account, AccountName};
use crate::catalog::{AccountRow, CatalogError};

/// RFC 4226 recommends 160 bits.
const SECRET_LEN: usize = 20;
/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// A sealed secret opens to no more than this, in bytes.
const OPENED_MAX: usize = 1 << 10;

/// A secret that somebody is about to put into an authenticator.
pub struct Enrolment {
    /// Base 32, for those who type it.
    pub secret: Zeroizing<String>,
    /// `otpauth:` address, for a QR code.
    pub uri: Zeroizing<String>,
}

/// A fresh secret for `name` on the box `box_name`.
pub(super) fn enrolment(box_name: &str, name: &AccountName) -> Result<Enrolment, OperationError> {
    let secret = Zeroizing::new(random_bytes::<SECRET_LEN>()?);
    let base32 = Zeroizing::new(BASE32_NOPAD.encode(&*secret));
    Ok(Enrolment { uri: uri(box_name, name, &base32), secret: base32 })
}

/// The secret `base32` again, or a fresh one if that is none.
pub(super) fn same_enrolment(box_name: &str, name: &AccountName, base32: &str) -> Result<Enrolment, OperationError> {
    let is_one = BASE32_NOPAD.decode(base32.as_bytes()).is_ok_and(|secret| secret.len() == SECRET_LEN);
    if !is_one {
        return enrolment(box_name, name);
    }
    Ok(Enrolment { uri: uri(box_name, name, base32), secret: Zeroizing::new(base32.to_owned()) })
}

/// What an authenticator reads out of a QR code.
pub(super) fn uri(box_name: &str, name: &AccountName, base32: &str) -> Zeroizing<String> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@')).collect()
    };
    let (issuer, account) = (plain(box_name), plain(name.as_str()));
    Zeroizing::new(format!("otpauth://totp/Datis%20{issuer}:{account}?secret={base32}&issuer=Datis%20{issuer}"))
}

/// Six digits every 30 s by SHA-1, as every authenticator has them; one step off is accepted (RFC 6238, 5.2).
fn totp(secret: &[u8]) -> Option<Totp> {
    Builder::new().with_secret(secret.to_vec()).build().ok()
}

/// The step that `code` is right for at `now`.
fn step_of(secret: &[u8], code: &str, now: UnixMillis) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let seconds = u64::try_from(now.0 / 1_000).ok()?;
    let step = totp(secret)?.check(&digits, seconds)?;
    i64::try_from(step).ok()
}

/// Whether `code`, of the authenticator or a recovery code, is right for the account; it is used up by that.
pub(super) fn take_code(
    tx: &Transaction<'_>,
    site: &Site,
    account: &Account,
    code: &str,
) -> Result<Option<Factor>, OperationError> {
    let Some(sealed) = &account.totp else { return Ok(None) };
    let secret = site.vault.identity.open(sealed, OPENED_MAX)?;
    if let Some(step) = step_of(&secret, code, site.clock.now()) {
        let taken = accounts::take_totp_step(tx, account.row, step)?;
        return Ok(taken.then_some(Factor::Authenticator));
    }
    let digest = recovery_digest(account.row.0, code);
    Ok(accounts::use_recovery_code(tx, account.row, &digest)?.then_some(Factor::RecoveryCode))
}

/// What somebody proved the second factor with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    Authenticator,
    RecoveryCode,
}

/// Sets the secret, if `code` shows that an authenticator has it; gives fresh recovery codes.
pub(super) fn set(
    tx: &Transaction<'_>,
    site: &Site,
    account: AccountRow,
    base32: &str,
    code: &str,
) -> Result<Option<Vec<String>>, OperationError> {
    let Ok(secret) = BASE32_NOPAD.decode(base32.as_bytes()).map(Zeroizing::new) else { return Ok(None) };
    if secret.len() != SECRET_LEN {
        return Ok(None);
    }
    let Some(step) = step_of(&secret, code, site.clock.now()) else { return Ok(None) };
    let sealed = site.vault.recipients.seal(&secret)?;
    accounts::set_totp(tx, account, Some(&sealed), Some(step))?;
    Ok(Some(make_recovery_codes(tx, account)?))
}

/// Fresh recovery codes in place of those before.
pub(super) fn make_recovery_codes(tx: &Transaction<'_>, account: AccountRow) -> Result<Vec<String>, OperationError> {
    let codes = (0..RECOVERY_CODES).map(|_| recovery_code()).collect::<Result<Vec<_>, _>>()?;
    let digests: Vec<_> = codes.iter().map(|code| recovery_digest(account.0, code)).collect();
    accounts::set_recovery_codes(tx, account, &digests).map_err(|e: CatalogError| OperationError::from(e))?;
    Ok(codes)
}

#[cfg(test)]
pub(crate) fn code_for_tests(base32: &str, now: UnixMillis) -> String {
    let secret = BASE32_NOPAD.decode(base32.as_bytes()).expect("base 32");
    totp(&secret).expect("totp").generate(u64::try_from(now.0 / 1_000).expect("time")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the vectors of SHA-1 cut to six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(step_of(secret, code, UnixMillis(seconds * 1_000)), Some(seconds / 30), "{seconds}");
        }
        assert_eq!(step_of(secret, "287 082", UnixMillis(59_000)), Some(1), "written in two groups");
        assert_eq!(step_of(secret, "287082", UnixMillis(59_000 + 30_000)), Some(1), "one step late");
        assert_eq!(step_of(secret, "287082", UnixMillis(59_000 + 60_000)), None, "two steps late");
        for bad in ["", "28708", "2870822", "28708x", "٢٨٧٠٨٢"] {
            assert_eq!(step_of(secret, bad, UnixMillis(59_000)), None, "{bad}");
        }
    }

    #[test]
    fn names_cannot_break_the_address_for_authenticators() {
        let name: AccountName = "élo+die@example.org".parse().expect("name");
        let uri = uri("cellar<b>&x=1", &name, "ABC");
        assert_eq!(
            uri.as_str(),
            "otpauth://totp/Datis%20cellarbx1:lodie@example.org?secret=ABC&issuer=Datis%20cellarbx1"
        );
    }
}
