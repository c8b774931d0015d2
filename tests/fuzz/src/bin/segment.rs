//! A frame, as it stands in a pack or comes from the box: 3 bytes of expected length, then the frame.
#![no_main]

use datis_engine::chunk::seal::{FrameDecoder, SEGMENT_PLAIN_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, frame)) = data.split_first_chunk::<3>() else { return };
    let expected = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let mut plain = Vec::new();
    let decoded = FrameDecoder::new().expect("memory").decode(frame, expected, SEGMENT_PLAIN_MAX, &mut plain);
    if decoded.is_ok() {
        assert_eq!(plain.len(), expected);
    }
    assert!(plain.capacity() <= SEGMENT_PLAIN_MAX);
});
