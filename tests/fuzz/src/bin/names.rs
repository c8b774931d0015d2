//! Small texts from people and folders: policies, lengths of time, names, ids, keys of objects.
#![no_main]

use datis_engine::ids::{ChunkId, MachineName, Profile, SourceKind, SourceName};
use datis_engine::retention::RetentionPolicy;
use datis_engine::store::ObjectName;
use datis_engine::units::Seconds;
use libfuzzer_sys::fuzz_target;

fn reads_what_it_prints<T: std::str::FromStr + ToString + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert!(value.to_string().parse::<T>().is_ok_and(|again| again == value), "{text:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(text) = datis_fuzz::text(data) else { return };
    reads_what_it_prints::<RetentionPolicy>(text);
    reads_what_it_prints::<Seconds>(text);
    reads_what_it_prints::<MachineName>(text);
    reads_what_it_prints::<SourceName>(text);
    reads_what_it_prints::<Profile>(text);
    reads_what_it_prints::<SourceKind>(text);
    reads_what_it_prints::<ChunkId>(text);
    reads_what_it_prints::<ObjectName>(text);
});
