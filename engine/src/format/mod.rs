//! Bytes and the structs they mean, one file a record; every record starts with a version.
//!
//! All of it is CBOR (RFC 8949) in the core deterministic form that the encoder writes, except the few fixed bytes at
//! both ends of a pack. Decoders take untrusted bytes: they never panic, and allocate no more than a small multiple of
//! their input.

pub mod content;
pub mod directory;
pub mod kit;
pub mod kit_shares;
pub mod kit_sheets;
pub mod kit_words;
pub mod listing;
pub mod path;
pub mod snapshot;
pub(crate) mod words;

use minicbor::decode::Decoder;

/// The format version that this program writes, and the only one it reads.
pub const VERSION: u8 = 1;

/// Why bytes could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Cut short, altered, or something else altogether.
    #[error("damaged {what}: {reason}")]
    Damaged {
        /// Which record.
        what: &'static str,
        /// What does not hold.
        reason: String,
    },
    /// Written by a later version.
    #[error("{what} has format version {found}, this program reads version {VERSION}; update it")]
    Future {
        /// Which record.
        what: &'static str,
        /// The version found.
        found: u64,
    },
}

impl FormatError {
    /// Damage of a record, and the reason why it is taken for damaged.
    pub fn damaged(what: &'static str, reason: impl ToString) -> Self {
        Self::Damaged { what, reason: reason.to_string() }
    }
}

/// Encodes into memory, which cannot fail.
pub(crate) fn to_vec<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    match minicbor::to_vec(value) {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("encoding into memory cannot fail"),
    }
}

/// Decodes the whole of `bytes`; left-over bytes are damage.
///
/// # Errors
/// [`FormatError::Damaged`].
pub fn decode_all<'b, T: Decode1<'b>>(what: &'static str, bytes: &'b [u8]) -> Result<T, FormatError> {
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode().map_err(|e| FormatError::damaged(what, e))?;
    if decoder.position() == bytes.len() {
        Ok(value)
    } else {
        Err(FormatError::damaged(what, "bytes are left over at its end"))
    }
}

/// What [`decode_all`] can read: anything that decodes without a context.
pub trait Decode1<'b>: minicbor::Decode<'b, ()> {}
impl<'b, T: minicbor::Decode<'b, ()>> Decode1<'b> for T {}

/// Encodes any wire or format value into memory.
#[must_use]
pub fn encode<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    to_vec(value)
}

/// Reads an array header of a known length, then the version.
pub(crate) fn open_record(d: &mut Decoder<'_>, what: &'static str, len: u64) -> Result<(), FormatError> {
    let damaged = |e: minicbor::decode::Error| FormatError::damaged(what, e);
    let found = d.array().map_err(damaged)?;
    let version = d.u64().map_err(damaged)?;
    if version != u64::from(VERSION) {
        return Err(FormatError::Future { what, found: version });
    }
    if found == Some(len) { Ok(()) } else { Err(FormatError::damaged(what, "another number of fields")) }
}
