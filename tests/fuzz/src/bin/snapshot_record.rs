//! A snapshot record, as a machine sends it.
#![no_main]

use datis_engine::format::snapshot::SnapshotRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(record) = SnapshotRecord::decode(data) else { return };
    assert_eq!(SnapshotRecord::decode(&record.encode()).expect("own bytes"), record);
});
