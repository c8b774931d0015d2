//! The enrolment URI: where the box is, the one-use code, and the key the box must prove to have.
//!
//! `datis://192.168.1.20:20600/ABCD…?pin=<64 hexadecimal digits>`

use std::fmt;
use std::str::FromStr;

use crate::ids::SpkiPin;
use crate::keys::{KeyError, random_bytes};

/// How long a code is valid.
pub const CODE_VALID: crate::units::Seconds = crate::units::Seconds::HOUR;

/// A one-use code: 120 random bits as 24 letters and digits (RFC 4648 base 32).
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode(String);

impl EnrolmentCode {
    /// A fresh one.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self(data_encoding::BASE32_NOPAD.encode(&random_bytes::<15>()?)))
    }

    /// The code as text, to be shown to the one person who enrols.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the box keeps instead of the code: BLAKE3 of its text.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(self.0.as_bytes()).as_bytes()
    }
}

impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentCode(secret)")
    }
}

impl FromStr for EnrolmentCode {
    type Err = EnrolmentError;

    /// Case and dashes do not matter.
    fn from_str(raw: &str) -> Result<Self, EnrolmentError> {
        let code: String = raw.chars().filter(|c| *c != '-').map(|c| c.to_ascii_uppercase()).collect();
        let sound = code.len() == 24 && data_encoding::BASE32_NOPAD.decode(code.as_bytes()).is_ok();
        if sound { Ok(Self(code)) } else { Err(EnrolmentError::Code) }
    }
}

/// All that a workstation needs to enrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentUri {
    /// Host name or address; IPv6 addresses without brackets.
    pub host: String,
    /// The machine port.
    pub port: u16,
    /// The code.
    pub code: EnrolmentCode,
    /// The box's key.
    pub pin: SpkiPin,
}

/// Why an enrolment URI was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentError {
    /// Not of this form at all.
    #[error("this is not an enrolment URI; copy the whole line that starts with datis:// from the box")]
    Form,
    /// The code part is mistyped.
    #[error("the enrolment code is mistyped: 24 letters and digits are expected; copy the whole line again")]
    Code,
    /// The pin part is mistyped.
    #[error("the box's key pin is mistyped or missing; copy the whole line again, up to its last character")]
    Pin,
}

impl fmt::Display for EnrolmentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "datis://{open}{}{close}:{}/{}?pin={}", self.host, self.port, self.code.expose(), self.pin)
    }
}

impl FromStr for EnrolmentUri {
    type Err = EnrolmentError;

    fn from_str(raw: &str) -> Result<Self, EnrolmentError> {
        let rest = raw.trim().strip_prefix("datis://").ok_or(EnrolmentError::Form)?;
        let (authority, rest) = rest.split_once('/').ok_or(EnrolmentError::Form)?;
        let (code, pin) = rest.split_once("?pin=").ok_or(EnrolmentError::Pin)?;
        let (host, port) = authority.rsplit_once(':').ok_or(EnrolmentError::Form)?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty()
            || host.len() > 253
            || host.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '[' | ']'))
        {
            return Err(EnrolmentError::Form);
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| EnrolmentError::Form)?,
            code: code.parse()?,
            pin: pin.parse().map_err(|_| EnrolmentError::Pin)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_reads_what_it_prints() {
        for host in ["192.168.1.20", "fd00::1", "datis-0a1b.local"] {
            let code = EnrolmentCode::generate().expect("random");
            let uri = EnrolmentUri { host: host.into(), port: 20600, code, pin: SpkiPin::from_bytes([0xab; 32]) };
            assert_eq!(uri.to_string().parse::<EnrolmentUri>().expect("printed form"), uri);
        }
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        let check = |raw: &str, expected| assert_eq!(raw.parse::<EnrolmentUri>().err(), Some(expected), "{raw}");
        check("https://box", EnrolmentError::Form);
        check("datis://box/AAAA", EnrolmentError::Pin);
        check(&format!("datis://box:1/AAAA?pin={}", "ab".repeat(32)), EnrolmentError::Code);
        check(&format!("datis://box:1/{}?pin=abc", "A".repeat(24)), EnrolmentError::Pin);
        // A host of brackets alone would print as another one.
        check(&format!("datis://[[]]:1/{}?pin={}", "A".repeat(24), "ab".repeat(32)), EnrolmentError::Form);
        check(&format!("datis://box:99999/{}?pin={}", "A".repeat(24), "ab".repeat(32)), EnrolmentError::Form);
    }
}
