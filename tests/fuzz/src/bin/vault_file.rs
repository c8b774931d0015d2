//! The vault file, opened.
#![no_main]

use datis_engine::format::kit::VaultFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = VaultFile::decode(data) else { return };
    assert!(file.dedup_secret().is_some());
    let again = VaultFile::decode(&file.encode()).expect("own bytes");
    assert_eq!((again.vault(), again.recipients()), (file.vault(), file.recipients()));
});
