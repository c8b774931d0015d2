//! Every message of the machine port, in both directions: one byte says which, then the body.
#![no_main]

use datis_engine::format::{decode_all, snapshot::Receipt};
use datis_engine::wire;
use datis_fuzz::comes_back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((which, body)) = data.split_first() else { return };
    match which {
        0 => comes_back::<wire::Enrol>(body),
        1 => comes_back::<wire::Enrolled>(body),
        2 => comes_back::<wire::Renew>(body),
        3 => comes_back::<wire::Renewed>(body),
        4 => comes_back::<wire::Heartbeat>(body),
        5 => comes_back::<wire::Policy>(body),
        6 => comes_back::<wire::Begin>(body),
        7 => comes_back::<wire::Begun>(body),
        8 => {
            comes_back::<wire::Have>(body);
            let items = decode_all::<wire::Have>("have", body).ok().and_then(|message| message.items());
            assert!(items.is_none_or(|items| items.len() <= wire::BATCH_MAX));
        }
        9 => {
            comes_back::<wire::Known>(body);
            let _ = decode_all::<wire::Known>("known", body).map(|known| (known.get(0), known.get(usize::MAX)));
        }
        10 => comes_back::<wire::Commit>(body),
        11 => comes_back::<Receipt>(body),
        12 => comes_back::<wire::Abandon>(body),
        13 => comes_back::<wire::ListSnapshots>(body),
        14 => comes_back::<wire::SnapshotPage>(body),
        15 => {
            comes_back::<wire::Locate>(body);
            let items = decode_all::<wire::Locate>("locate", body).ok().and_then(|message| message.items());
            assert!(items.is_none_or(|items| items.len() <= wire::BATCH_MAX));
        }
        16 => comes_back::<wire::Located>(body),
        17 => comes_back::<wire::ReadSegment>(body),
        18 => comes_back::<wire::SegmentFrame>(body),
        19 => comes_back::<wire::Refusal>(body),
        20 => comes_back::<wire::Done>(body),
        _ => {}
    }
});
