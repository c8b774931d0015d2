//! The body of an entry, as the client's ledger and listings hold it.
#![no_main]

use datis_engine::format::listing::{Entry, Node};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(entry) = Entry::decode(data) else { return };
    assert_eq!(Entry::decode(&entry.encode()).expect("own bytes"), entry);
    if let Node::File { size, extents: Some(extents), .. } = &entry.node {
        assert!(extents.iter().all(|(at, len)| at.checked_add(*len).is_some_and(|end| end <= *size)));
    }
});
