//! Every message between boxes, in both directions: one byte says which, then the body.
#![no_main]

use datis_engine::wire::{peers, reach};
use datis_fuzz::comes_back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((which, body)) = data.split_first() else { return };
    match which {
        0 => comes_back::<peers::Exchange>(body),
        1 => comes_back::<peers::Exchanged>(body),
        2 => comes_back::<peers::AskToJoin>(body),
        3 => comes_back::<peers::AskAgain>(body),
        4 => comes_back::<peers::JoinAnswer>(body),
        5 => comes_back::<peers::BeginSpoken>(body),
        6 => comes_back::<peers::SpokenBegun>(body),
        7 => comes_back::<peers::ConfirmSpoken>(body),
        8 => comes_back::<peers::SpokenConfirmed>(body),
        9 => comes_back::<peers::JoinSpoken>(body),
        10 => comes_back::<peers::OfferShard>(body),
        11 => comes_back::<peers::ShardOffer>(body),
        12 => comes_back::<peers::ShardReceipt>(body),
        13 => comes_back::<peers::Audit>(body),
        14 => comes_back::<peers::Audited>(body),
        15 => comes_back::<peers::ListShards>(body),
        16 => comes_back::<peers::ShardPage>(body),
        17 => comes_back::<peers::Condemn>(body),
        18 => comes_back::<peers::Condemned>(body),
        19 => comes_back::<peers::RenewLease>(body),
        20 => comes_back::<peers::LeaseAnswer>(body),
        21 => comes_back::<peers::AgreeStatement>(body),
        22 => comes_back::<peers::StatementAnswer>(body),
        23 => comes_back::<peers::LiftBrake>(body),
        24 => comes_back::<peers::BrakeLifted>(body),
        25 => comes_back::<peers::KeepHead>(body),
        26 => comes_back::<peers::HeadKept>(body),
        27 => comes_back::<peers::ListHeads>(body),
        28 => comes_back::<peers::HeadPage>(body),
        29 => comes_back::<peers::ClaimOwner>(body),
        30 => comes_back::<peers::Claimed>(body),
        31 => {
            let _ = reach::read_channel_message::<reach::OpenChannel>(body);
        }
        _ => {}
    }
});
