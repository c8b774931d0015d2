//! The signed file: the content as bytes, the key, and the signature over exactly these bytes. One form alone is accepted.

use data_encoding::BASE64;
use datis_engine::keys::{KeyError, PublicKey, Signature, SigningContext, SigningKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::content::{CONTENT_MAX, WORDS_MAX};
use crate::config::KeyPrint;
use crate::plain::plain;

/// No file is longer, in bytes.
pub(crate) const ENVELOPE_MAX: usize = 32 << 10;
/// The only form there is.
const FORM: u64 = 1;
/// Around a key in its file (RFC 7468).
const PEM: [&str; 2] = ["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"];
/// No file of a key is longer, in bytes.
const PEM_MAX: usize = 4 << 10;

/// Why bytes are no signed bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("the file is longer than {ENVELOPE_MAX} bytes, so it is no bundle")]
    TooLong,
    #[error("the file is no signed bundle: {0}")]
    Json(String),
    #[error("the bundle is of form {found}, and this box knows form {FORM}; it needs a later version of the program")]
    Form { found: u64 },
    #[error("the file is no signed bundle: `{key}` {reason}")]
    Value { key: &'static str, reason: &'static str },
    #[error("the bundle is not as it was signed: the signature does not fit; get the file again")]
    Signature,
}

impl From<serde_json::Error> for EnvelopeError {
    /// Its words are in part the file's own.
    fn from(error: serde_json::Error) -> Self {
        Self::Json(plain(&error.to_string(), WORDS_MAX))
    }
}

/// The file's fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    datis_bundle: u64,
    key: String,
    signature: String,
    content: String,
}

/// A bundle whose signature fits its key. Whose key that is, is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) key: PublicKey,
    /// What was signed.
    pub(crate) content: Vec<u8>,
}

impl Envelope {
    /// Reads a file and checks its signature.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_MAX {
            return Err(EnvelopeError::TooLong);
        }
        let file: File = serde_json::from_slice(bytes)?;
        if file.datis_bundle != FORM {
            return Err(EnvelopeError::Form { found: file.datis_bundle });
        }
        let bytes_of = |key, text: &str| {
            let reason = "is not in base64";
            BASE64.decode(text.as_bytes()).map_err(|_| EnvelopeError::Value { key, reason })
        };
        let key = PublicKey::from_slice(&bytes_of("key", &file.key)?);
        let key = key.ok_or(EnvelopeError::Value { key: "key", reason: "must have 32 bytes" })?;
        let signature = Signature::from_slice(&bytes_of("signature", &file.signature)?);
        let signature = signature.ok_or(EnvelopeError::Value { key: "signature", reason: "must have 64 bytes" })?;
        let content = bytes_of("content", &file.content)?;
        // Nothing of the content is looked at before.
        key.verify(SigningContext::Bundle, &content, &signature).map_err(|_| EnvelopeError::Signature)?;
        if content.len() > CONTENT_MAX {
            return Err(EnvelopeError::Value { key: "content", reason: "is longer than 16 KiB" });
        }
        Ok(Self { key, content })
    }

    /// Signs `content`; gives the file.
    pub(crate) fn seal(content: &[u8], key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
        let file = File {
            datis_bundle: FORM,
            key: BASE64.encode(key.public_key().as_bytes()),
            signature: BASE64.encode(key.sign(SigningContext::Bundle, content).as_bytes()),
            content: BASE64.encode(content),
        };
        let mut bytes = serde_json::to_vec_pretty(&file)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// How people know the key.
    pub(crate) fn key_print(&self) -> KeyPrint {
        KeyPrint::of(&self.key)
    }
}

/// A new private key as the text of its file.
///
/// # Errors
/// [`KeyError::NoRandom`].
pub(crate) fn new_key_pem() -> Result<Zeroizing<String>, KeyError> {
    let text = Zeroizing::new(BASE64.encode(&SigningKey::generate_pkcs8()?));
    let lines: Vec<&str> = (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
    Ok(Zeroizing::new(format!("{}\n{}\n{}\n", PEM[0], lines.join("\n"), PEM[1])))
}

/// Reads the text of such a file; also one that OpenSSL made.
///
/// # Errors
/// [`KeyError::SigningKey`].
pub(crate) fn key_from_pem(text: &[u8]) -> Result<SigningKey, KeyError> {
    let inside = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.len() <= PEM_MAX)
        .and_then(|text| text.split_once(PEM[0])?.1.split_once(PEM[1]))
        .ok_or(KeyError::SigningKey)?
        .0;
    let joined: Zeroizing<String> = Zeroizing::new(inside.split_ascii_whitespace().collect());
    let der = Zeroizing::new(BASE64.decode(joined.as_bytes()).map_err(|_| KeyError::SigningKey)?);
    SigningKey::from_pkcs8(&der)
}
