//! Paths: two of them, apart by a zero byte.
#![no_main]

use datis_engine::format::path::EntryPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (a, b) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    if let Ok(user) = EntryPath::from_user(a) {
        assert_eq!(EntryPath::parse(user.as_bytes().to_vec()).expect("checked"), user);
    }
    let (Ok(a), Ok(b)) = (EntryPath::parse(a.to_vec()), EntryPath::parse(b.to_vec())) else { return };
    assert_eq!(a.cmp(&b), a.components().cmp(b.components()));
    assert!(a.components().all(|part| !matches!(part, b"" | b"." | b"..") && !part.contains(&b'/')));
    assert_eq!(a.parent().map_or(0, |parent| parent.components().count()) + 1, a.components().count());
    if let Some(rest) = a.below(&b) {
        assert!(a.is_within(&b));
        assert_eq!([b.as_bytes(), b"/", rest.as_bytes()].concat(), a.as_bytes());
    }
});
