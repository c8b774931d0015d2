//! What members sign and people pass on: the log of a community, entries, addresses, invitations, statements, codes that are
//! read out, and the words of the kit.
#![no_main]

use datis_engine::community::address::Address;
use datis_engine::community::entry::SignedEntry;
use datis_engine::community::invitation::{Invitation, JoinRequest};
use datis_engine::community::ledger::SignedStatement;
use datis_engine::community::log::Log;
use datis_engine::community::spoken::SpokenCode;
use datis_engine::format::kit_words;
use datis_engine::ids::CommunityId;
use libfuzzer_sys::fuzz_target;

fn reads_what_it_prints<T: std::str::FromStr + ToString + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert!(value.to_string().parse::<T>().is_ok_and(|again| again == value), "{text:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    assert!(Log::decode(data, CommunityId::from_bytes([7; 32])).is_err(), "nobody can guess that name");
    let _ = SignedEntry::decode(data);
    let _ = JoinRequest::decode(data);
    let _ = SignedStatement::decode(data);
    let Some(text) = datis_fuzz::text(data) else { return };
    reads_what_it_prints::<Address>(text);
    let _ = text.parse::<Invitation>();
    let _ = text.parse::<SpokenCode>();
    let lines: Vec<&str> = text.lines().collect();
    let _ = kit_words::parse(&lines);
});
