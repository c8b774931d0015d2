//! The recovery kit, as people type it in.
#![no_main]

use datis_engine::format::kit::RecoveryKit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(Ok(kit)) = datis_fuzz::text(data).map(RecoveryKit::parse) else { return };
    let again = RecoveryKit::parse(&kit.to_text()).expect("own text");
    assert_eq!((again.vault, again.box_name), (kit.vault, kit.box_name));
    assert_eq!(again.identity.recipient(), kit.identity.recipient());
});
