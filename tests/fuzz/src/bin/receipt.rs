//! A receipt, as the box sends it.
#![no_main]

use datis_engine::format::snapshot::Receipt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(receipt) = Receipt::decode(data) else { return };
    assert_eq!(Receipt::decode(&receipt.encode()).expect("own bytes"), receipt);
});
