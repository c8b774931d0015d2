//! A record as bytes, and one signature over exactly these bytes.

use minicbor::{Decode, Encode};

use crate::format::{FormatError, decode_all, encode};
use crate::keys::{KeyError, PublicKey, Signature, SigningContext, SigningKey};

/// Bytes and who signed them; what they mean is for the record's own module to say.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Signed {
    /// The record; its version comes first, unless the signing context has it.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// Over [`Self::body`].
    #[n(1)]
    pub signature: Signature,
}

impl Signed {
    /// Signs `body`.
    #[must_use]
    pub fn new(body: Vec<u8>, context: SigningContext, key: &SigningKey) -> Self {
        let signature = key.sign(context, &body);
        Self { body, signature }
    }

    /// BLAKE3 of the body.
    #[must_use]
    pub fn body_hash(&self) -> [u8; 32] {
        *blake3::hash(&self.body).as_bytes()
    }

    /// Whether `key` signed it.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify(&self, context: SigningContext, key: &PublicKey) -> Result<(), KeyError> {
        key.verify(context, &self.body, &self.signature)
    }

    /// Both parts as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads both parts, at most `max` bytes; checks nothing of what they say.
    ///
    /// # Errors
    /// [`FormatError::Damaged`].
    pub fn decode(what: &'static str, bytes: &[u8], max: usize) -> Result<Self, FormatError> {
        if bytes.len() > max {
            return Err(FormatError::damaged(what, format!("longer than {max} bytes")));
        }
        decode_all(what, bytes)
    }
}

/// Reads a record whose first field is the version, and nothing after it.
pub(super) fn decode_record<'b, T: minicbor::Decode<'b, ()>>(
    what: &'static str,
    bytes: &'b [u8],
) -> Result<T, FormatError> {
    let mut d = minicbor::Decoder::new(bytes);
    let found = d.array().and_then(|_| d.u64()).map_err(|e| FormatError::damaged(what, e))?;
    if found == u64::from(crate::format::VERSION) {
        decode_all(what, bytes)
    } else {
        Err(FormatError::Future { what, found })
    }
}
