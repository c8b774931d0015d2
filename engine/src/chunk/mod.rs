//! From plain bytes to sealed bytes and back: [`cut`] finds the chunks, [`seal`] makes segments of them.

pub mod cut;
pub mod seal;
