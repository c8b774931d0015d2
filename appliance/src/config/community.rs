//! Section `community`.

use serde::Deserialize;

/// How the box deals with the other boxes of its community.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommunityConfig {
    /// Whether boxes at addresses of local networks are dialled too; default: no, since where a box is to be dialled is
    /// what others say.
    pub allow_private: bool,
    /// Bytes that this box gives to the others in all; default: half of the disk of `hosted/`. How much the others keep for this
    /// box follows from it.
    pub gives_bytes: Option<u64>,
    /// Bits a second that the box relays between two other members who do not reach each other; default 20 million; 0: none.
    pub relay_bits_per_second: u64,
    /// Bytes a day that it relays between two of them; default 20 billion.
    pub relay_bytes_per_day: u64,
}

impl Default for CommunityConfig {
    fn default() -> Self {
        Self {
            allow_private: false,
            gives_bytes: None,
            relay_bits_per_second: 20_000_000,
            relay_bytes_per_day: 20_000_000_000,
        }
    }
}
