//! A node of a content tree, and the content of an entry.
#![no_main]

use datis_engine::format::content::{Content, ContentNode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(node) = ContentNode::decode(data) {
        assert_eq!(ContentNode::decode(&node.encode()).expect("own bytes"), node);
    }
    datis_fuzz::comes_back::<Content>(data);
});
