//! What the tests of this folder share.

use crate::ids::PackId;
use crate::keys::DispersalSecret;

/// `len` bytes that look random, and are the same each time; and their name.
pub(super) fn pack(len: usize) -> (PackId, Vec<u8>) {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"a pack for tests").finalize_xof().fill(&mut bytes);
    (PackId::from_bytes(*blake3::hash(&bytes).as_bytes()), bytes)
}

pub(super) fn secret() -> DispersalSecret {
    DispersalSecret::from_bytes([0xd1; 32])
}
