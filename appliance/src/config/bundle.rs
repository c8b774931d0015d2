//! Section `bundle`: whose defaults the box starts with, and where it asks for them.

use std::fmt;
use std::str::FromStr;

use datis_engine::keys::PublicKey;
use serde::{Deserialize, Serialize};

/// No address is longer, in bytes.
const URL_MAX: usize = 1_024;

/// Section `bundle`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BundleConfig {
    /// The key that is believed; default: none, and then somebody has to vouch for it on the console.
    pub key: Option<KeyPrint>,
    /// Where a bundle is fetched when the folder has none, `https://…`; default: nowhere.
    pub url: Option<String>,
}

/// Whether text is an address that can be asked: with a host, and without a user, whose password would lie about.
pub(super) fn is_address(url: &str) -> bool {
    let is_plain = url.len() <= URL_MAX
        && url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'\\' | b'"' | b'<' | b'>'));
    let host = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    is_plain && !host.is_empty() && host.chars().all(is_of_host)
}

/// What people compare of a key: the first half of its SHA-256, in eight groups of four digits.
///
/// 128 bits: nobody finds a second key to a given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPrint([u8; Self::LEN]);

/// Text that is no such fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fingerprint of a key; write its eight groups of four digits, such as 0a1b-2c3d-…")]
pub struct KeyPrintError(String);

impl KeyPrint {
    const LEN: usize = 16;

    /// That of a key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(&digest.as_ref()[..Self::LEN]);
        Self(bytes)
    }
}

impl FromStr for KeyPrint {
    type Err = KeyPrintError;

    /// Whatever people put between the groups, and in whichever case they write.
    fn from_str(raw: &str) -> Result<Self, KeyPrintError> {
        let digits: String = raw.chars().filter(|c| !matches!(c, '-' | ' ' | ':')).take(3 * Self::LEN).collect();
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| KeyPrintError(raw.chars().take(80).collect()))
    }
}

impl TryFrom<String> for KeyPrint {
    type Error = KeyPrintError;

    fn try_from(raw: String) -> Result<Self, KeyPrintError> {
        raw.parse()
    }
}

impl From<KeyPrint> for String {
    fn from(print: KeyPrint) -> Self {
        print.to_string()
    }
}

impl fmt::Display for KeyPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.0.chunks(2).enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { "-" }, data_encoding::HEXLOWER.encode(group))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_people_write_it() {
        let key = PublicKey::from_slice(&[7; 32]).expect("key");
        let print = KeyPrint::of(&key);
        let text = print.to_string();
        assert_eq!((text.len(), text.split('-').count()), (39, 8), "{text}");
        for written in [text.clone(), text.to_uppercase(), text.replace('-', " "), text.replace('-', "")] {
            assert_eq!(written.parse(), Ok(print), "{written}");
        }
        for bad in ["", "0a1b", &text[1..], &format!("{text}-0a1b"), &text.replace('-', "_"), &"g".repeat(32)] {
            assert!(bad.parse::<KeyPrint>().is_err(), "{bad}");
        }
        assert_ne!(KeyPrint::of(&PublicKey::from_slice(&[8; 32]).expect("key")), print);
    }

    /// Made with `head -c 32 /dev/zero | openssl dgst -sha256`.
    #[test]
    fn the_fingerprint_is_that_of_other_programs() {
        let key = PublicKey::from_slice(&[0; 32]).expect("key");
        assert_eq!(KeyPrint::of(&key).to_string(), "6668-7aad-f862-bd77-6c8f-c18b-8e9f-8e20");
    }
}
