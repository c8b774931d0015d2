//! The directory of a pack, as a machine sends it beside the pack.
#![no_main]

use datis_engine::format::directory::Directory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(directory) = Directory::decode(data) else { return };
    assert_eq!(Directory::decode(&directory.encode()).expect("own bytes"), directory);
    assert_eq!(directory.locations().count(), directory.chunks.len());
    for (_, place) in directory.locations() {
        let segment = &directory.segments[place.segment as usize];
        assert!(place.offset.checked_add(place.len).expect("in range") <= segment.plain_len);
    }
    let last = directory.offsets().zip(&directory.segments).last();
    let end = last.map_or(u64::from(directory.first_offset), |(at, segment)| at + u64::from(segment.sealed_len));
    assert_eq!(directory.end_offset(), end);
});
