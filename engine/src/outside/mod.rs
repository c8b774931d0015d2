//! What a vault looks like from outside: where the shards of its packs are, and what a recovery begins with.
//!
//! - [`stripes`]: a pack and who holds which of its shards.
//! - [`map_part`]: a part of the map of all packs, with what the box knows about them; dispersed like a pack.
//! - [`head_content`]: what the head says to whoever has the kit or the box's identity.
//!
//! From the kit alone: head → [`head_content::HeadContent`] → map parts (by [`crate::erasure::restore`]) → packs. Nothing
//! here is readable for peers: all of it is sealed for the vault's recipients. `docs/FORMAT.md`, "Outside: map parts and
//! heads".

pub mod head_content;
pub mod map_part;
pub mod stripes;

use crate::format::FormatError;
use crate::keys::KeyError;

/// Why something of the outside could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// Not sealed for this identity, altered, or no random numbers.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It opened, but is not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// There is more in it than fits.
    #[error("{what} of {len} bytes is longer than {max} bytes")]
    TooLong {
        /// Which record.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// It cannot be compressed.
    #[error("a part of the map cannot be compressed")]
    Compress(#[source] std::io::Error),
}
