//! An age file, as vault file and snapshot files are kept.
#![no_main]

use std::sync::LazyLock;

use datis_engine::format::kit::RecoveryKit;
use libfuzzer_sys::fuzz_target;

static KIT: LazyLock<RecoveryKit> =
    LazyLock::new(|| RecoveryKit::parse(datis_fuzz::GOLDEN_KIT).expect("the golden kit"));

fuzz_target!(|data: &[u8]| {
    if let Ok(plain) = KIT.identity.open(data, 1 << 16) {
        assert!(plain.len() <= 1 << 16);
    }
});
