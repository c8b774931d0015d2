//! Section `community`.

use serde::Deserialize;

/// How the box deals with the other boxes of its community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommunityConfig {
    /// Whether boxes at addresses of local networks are dialled too; default: no, since where a box is to be dialled is
    /// what others say.
    pub allow_private: bool,
    /// Bytes that this box gives to the others in all; default: half of the disk of `hosted/`. How much the others keep for this
    /// box follows from it.
    pub gives_bytes: Option<u64>,
}
