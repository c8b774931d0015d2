//! A node of a listing: one byte of level, then the node; its entries come back from their own bytes.
#![no_main]

use datis_engine::format::listing::{Entry, ListingNode};
use datis_engine::format::path::compare;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((level, node)) = data.split_first() else { return };
    match ListingNode::decode(*level, node) {
        Ok(ListingNode::Leaf(entries)) => {
            assert!(entries.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (_, entry) in entries {
                assert_eq!(Entry::decode(&entry.encode()).expect("own bytes"), entry);
            }
        }
        Ok(ListingNode::Inner(children)) => {
            assert!(children.windows(2).all(|pair| compare(&pair[0].first, &pair[1].first).is_lt()));
        }
        Err(_) => {}
    }
});
