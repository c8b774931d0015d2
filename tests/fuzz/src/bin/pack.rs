//! A whole pack: header, age file, trailer, directory, segments; from a disk or a peer.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use datis_engine::chunk::seal::{FrameDecoder, SEGMENT_PLAIN_MAX};
use datis_engine::format::kit::RecoveryKit;
use datis_engine::pack::{PackReader, parse_header};
use libfuzzer_sys::fuzz_target;

static KIT: LazyLock<RecoveryKit> =
    LazyLock::new(|| RecoveryKit::parse(datis_fuzz::GOLDEN_KIT).expect("the golden kit"));

fuzz_target!(|data: &[u8]| {
    if let Some(start) = data.first_chunk() {
        let _ = parse_header(start);
    }
    let Ok(mut pack) = PackReader::open(Cursor::new(data), &KIT.identity) else { return };
    let mut decoder = FrameDecoder::new().expect("memory");
    let mut plain = Vec::new();
    for number in 0..u32::try_from(pack.directory().segments.len()).expect("few") {
        if pack.segment(number, &mut decoder, &mut plain).is_ok() {
            assert!(plain.len() <= SEGMENT_PLAIN_MAX);
        }
    }
});
