//! Attacks on a restore: boxes and snapshots that lie, targets with traps in them, and neighbours that set traps while it
//! runs. Nothing outside of the target may change, and the machine that restores must come to no harm.

mod answers;
mod arena;
mod corpus;
mod forge;
mod hostile;
mod racing;
mod requests;
mod restores;

use datis_engine::keys::SigningKey;

/// A fresh key that nobody knows.
fn any_key() -> SigningKey {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
    SigningKey::from_pkcs8(&key.serialize_der()).expect("key")
}

/// The program under attack.
fn client() -> std::path::PathBuf {
    harness::Programs::plain().datis()
}
