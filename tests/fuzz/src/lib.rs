//! What all fuzz targets share: bytes in, and what has to hold when they were understood.
//!
//! A target fails on a panic, on an arithmetic overflow, on memory beyond the limits that `run.sh` sets, on a time-out, and
//! where something that was read cannot be written and read again as the same.

use std::fmt::Debug;

use datis_engine::format::{decode_all, encode};

/// The key that opens the golden vault, from which the seeds come.
pub const GOLDEN_KIT: &str = include_str!("../../golden/v1/kit.txt");

/// What was decoded once is written in one form only, and that form means the same.
pub fn comes_back<T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + Debug>(data: &[u8]) {
    if let Ok(value) = decode_all::<T>("input", data) {
        let written = encode(&value);
        let again = decode_all::<T>("its own bytes", &written).expect("own bytes are understood");
        assert_eq!(encode(&again), written);
    }
}

/// Texts are read from UTF-8 only.
pub fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
