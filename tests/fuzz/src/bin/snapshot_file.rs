//! A snapshot file, as it stands in a store, opened.
#![no_main]

use datis_engine::format::snapshot::SnapshotFile;
use datis_engine::keys::PublicKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = SnapshotFile::decode(data) else { return };
    assert_eq!(SnapshotFile::decode(&file.encode()).expect("own bytes"), file);
    if let Some(key) = PublicKey::from_slice(&file.machine_key) {
        let _ = (file.signed.open(&key), file.receipt.verify(&key));
    }
});
