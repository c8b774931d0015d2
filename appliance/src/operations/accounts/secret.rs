//! Random texts that let in: cookies, links, tokens, recovery codes. The box keeps their digests only.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use datis_engine::keys::{KeyError, random_bytes};
use zeroize::Zeroizing;

use crate::catalog::entry::Digest;

/// A secret of 256 random bits as text: 52 lower-case letters and digits.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A fresh one.
    ///
    /// # Errors
    /// There are no random numbers.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(random_bytes::<32>()?);
        Ok(Self(Zeroizing::new(BASE32_NOPAD.encode(&*bytes).to_ascii_lowercase())))
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether somebody shows this secret; how long the answer takes tells nothing of it.
    pub(crate) fn is(&self, shown: &str) -> bool {
        self.digest() == digest(shown)
    }

    pub(super) fn digest(&self) -> Digest {
        digest(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a secret is known by. Random secrets of this length need no slow hash.
pub(super) fn digest(text: &str) -> Digest {
    blake3::derive_key("datis 2026-11 secret of the portal", text.as_bytes())
}

/// A recovery code, `xxxxx-xxxxx`: 50 random bits, tried at the pace of the growing delay.
pub(super) fn recovery_code() -> Result<String, KeyError> {
    let text = BASE32_NOPAD.encode(&random_bytes::<7>()?).to_ascii_lowercase();
    Ok(format!("{}-{}", &text[..5], &text[5..10]))
}

/// Written by hand: spaces, the dash and capitals do not count.
pub(super) fn recovery_digest(account: i64, typed: &str) -> Digest {
    let plain: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    digest(&format!("recovery {account} {}", plain.to_ascii_lowercase()))
}
