//! What boxes say to one another, byte by byte: a change that another version would not understand shows here.
//!
//! `tests/golden/messages-v1.txt` has one message a line. A line that was released stays as it is: whoever adds a field, at the
//! end, adds a line for the new form.

use datis_engine::community::signed::Signed;
use datis_engine::format::{FormatError, decode_all, encode};
use datis_engine::ids::{CommunityId, EntryHash, InvitationId, MemberId, ShardId};
use datis_engine::keys::{Signature, SigningKey};
use datis_engine::units::UnixMillis;
use datis_engine::wire::peers::{
    AgreeStatement, AskAgain, AskToJoin, Audit, AuditRange, Audited, BeginSpoken, BrakeLifted, ClaimOwner, Claimed,
    Condemn, Condemned, ConfirmSpoken, Exchange, Exchanged, HeadKept, HeadPage, JoinAnswer, JoinSpoken, KeepHead,
    LeaseAnswer, LiftBrake, ListHeads, ListShards, ListedShard, OfferShard, RenewLease, ShardOffer, ShardPage,
    ShardReceipt, SpokenBegun, SpokenConfirmed, StatementAnswer, Wish,
};
use datis_engine::wire::reach::{
    ChannelAnswer, ChannelClosed, DialBack, DialFound, DialledBack, OpenChannel, Ping, Pong,
};
use datis_engine::wire::{Refusal, RefusalCode};
use minicbor::{Decode, Encode};

/// A message of today, and how its type reads and writes bytes.
struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    read_and_write: fn(&[u8]) -> Result<Vec<u8>, FormatError>,
}

fn sample<T: Encode<()> + for<'b> Decode<'b, ()>>(name: &'static str, message: &T) -> Sample {
    let read_and_write = |bytes: &[u8]| decode_all::<T>("message", bytes).map(|message| encode(&message));
    Sample { name, bytes: encode(message), read_and_write }
}

fn samples() -> Vec<Sample> {
    let key = SigningKey::from_seed(&[1; 32]);
    let (community, member) =
        (CommunityId::from_bytes([2; CommunityId::LEN]), MemberId::from_bytes([3; MemberId::LEN]));
    let (shard, last) = (ShardId::from_bytes([4; ShardId::LEN]), EntryHash::from_bytes([5; EntryHash::LEN]));
    let invitation = InvitationId::from_bytes([6; InvitationId::LEN]);
    let signature = Signature::from_slice(&[7; 64]).expect("64 bytes");
    let some = || vec![b"some".to_vec().into()];
    let (received_at, len) = (UnixMillis(1_700_000_000_000), 4_096);
    let receipt: Signed = ShardReceipt { owner: member, host: member, shard, len, received_at }.sign(&key);
    let listed = ListedShard { shard, len, received_at, is_kept: true };
    let range = AuditRange { shard, start: 16_384, len };
    vec![
        sample("Exchange", &Exchange { sequence: 9, last, entries: some(), records: some(), proposals: some() }),
        sample("Exchanged", &Exchanged { sequence: 9, last, entries: some(), records: some(), proposals: some() }),
        sample("AskToJoin", &AskToJoin { invitation, request: b"request".to_vec().into() }),
        sample("AskAgain", &AskAgain { community }),
        sample("JoinAnswer::Waiting", &JoinAnswer::Waiting),
        sample("JoinAnswer::Admitted", &JoinAnswer::Admitted { log: b"log".to_vec().into(), records: some() }),
        sample("JoinAnswer::Refused", &JoinAnswer::Refused),
        sample("BeginSpoken", &BeginSpoken { number: 7, commitment: [8; 32].into() }),
        sample("SpokenBegun", &SpokenBegun { community, message: [9; 33].into() }),
        sample("ConfirmSpoken", &ConfirmSpoken { message: [9; 33].into(), confirmation: [10; 32].into() }),
        sample("SpokenConfirmed", &SpokenConfirmed { confirmation: [10; 32].into() }),
        sample("JoinSpoken", &JoinSpoken { request: b"request".to_vec().into() }),
        sample("OfferShard", &OfferShard { shard, len, window_days: 90 }),
        sample("ShardOffer::Held", &ShardOffer::Held { receipt: receipt.clone() }),
        sample("ShardOffer::Send", &ShardOffer::Send { from: 100_000 }),
        sample("ShardOffer::OverQuota", &ShardOffer::OverQuota { left: 1 << 40 }),
        sample("ShardOffer::NoRoom", &ShardOffer::NoRoom),
        sample("ShardReceipt", &receipt),
        sample("Audit", &Audit { nonce: [11; 32].into(), ranges: vec![range], with_proofs: true }),
        sample("Audited::Digest", &Audited::Digest([12; 32].into())),
        sample("Audited::Proofs", &Audited::Proofs(some())),
        sample("Audited::NotFound", &Audited::NotFound(vec![shard])),
        sample("Audited::Corrupt", &Audited::Corrupt(vec![shard])),
        sample("Audited::Unavailable", &Audited::Unavailable),
        sample("Audited::Overloaded", &Audited::Overloaded),
        sample("ListShards, from the first", &ListShards { after: None }),
        sample("ListShards", &ListShards { after: Some(shard) }),
        sample("ShardPage", &ShardPage { shards: vec![listed] }),
        sample("Condemn, delete", &Condemn { shards: vec![shard], wish: Wish::Delete }),
        sample("Condemn, within the brake", &Condemn { shards: vec![shard], wish: Wish::DeleteWithinBrake }),
        sample("Condemn, spare", &Condemn { shards: vec![shard], wish: Wish::Spare }),
        sample("Condemned", &Condemned { noted: 1, taken: 2, frozen_until: Some(received_at) }),
        sample("RenewLease", &RenewLease { list_hash: [13; 32].into() }),
        sample("LeaseAnswer::Same", &LeaseAnswer::Same),
        sample("LeaseAnswer::Differs", &LeaseAnswer::Differs),
        sample("AgreeStatement", &AgreeStatement { statement: b"statement".to_vec().into() }),
        sample("StatementAnswer", &StatementAnswer { statement: b"statement".to_vec().into() }),
        sample("LiftBrake", &LiftBrake { signature }),
        sample("BrakeLifted", &BrakeLifted { held: true }),
        sample("KeepHead", &KeepHead { head: b"head".to_vec().into() }),
        sample("HeadKept", &HeadKept { sequence: 14 }),
        sample("ListHeads, from the newest", &ListHeads { limit: 16, before: None }),
        sample("ListHeads", &ListHeads { limit: 16, before: Some(14) }),
        sample("HeadPage", &HeadPage { heads: some() }),
        sample("ClaimOwner", &ClaimOwner { community, member, signature }),
        sample("Claimed", &Claimed { log: b"log".to_vec().into(), records: some() }),
        sample("Ping", &Ping { nonce: [15; 8].into() }),
        sample("Pong", &Pong { nonce: [15; 8].into() }),
        sample("DialBack", &DialBack { port: 20_600, padding: vec![0; 4].into() }),
        sample(
            "DialledBack",
            &DialledBack { address: "192.0.2.7".to_owned(), found: DialFound::Reached { millis: 12 } },
        ),
        sample("DialFound::OtherKey", &DialFound::OtherKey),
        sample("OpenChannel::Lend", &OpenChannel::Lend),
        sample("OpenChannel::Relay", &OpenChannel::Relay { to: member }),
        sample("OpenChannel::Relayed", &OpenChannel::Relayed),
        sample("ChannelAnswer::Ready", &ChannelAnswer::Ready),
        sample("ChannelAnswer::Closed", &ChannelAnswer::Closed(ChannelClosed::UsedUp)),
        sample("Refusal", &Refusal { code: RefusalCode::NotFound, sentence: "no such thing".to_owned() }),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn golden() -> String {
    std::fs::read_to_string(super::golden("messages-v1.txt")).expect("the messages of before")
}

#[test]
fn boxes_say_to_one_another_what_they_have_always_said() {
    let golden = golden();
    let today: Vec<String> = samples().iter().map(|one| format!("{}: {}", one.name, hex(&one.bytes))).collect();
    let released: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    for (today, released) in today.iter().zip(&released) {
        assert_eq!(today, released, "boxes of another version would not understand this one");
    }
    assert_eq!(today.len(), released.len(), "all of today:\n{}", today.join("\n"));
}

#[test]
fn what_was_said_is_still_understood() {
    let golden = golden();
    let of_before: Vec<(&str, &str)> =
        golden.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(": ")).collect();
    for one in samples() {
        let (_, released) = of_before.iter().find(|(name, _)| *name == one.name).expect("a line");
        let released = bytes_of(released);
        assert_eq!((one.read_and_write)(&released).expect(one.name), released, "{}", one.name);
    }
}

/// Within version 1 fields are added at the end, also of one case of an enumeration: whoever does not know them passes over them.
#[test]
fn fields_of_a_later_version_are_passed_over() {
    for one in samples().into_iter().filter(|one| !one.name.contains(", from the ")) {
        // A case is a pair: its number, and the list of its fields.
        let list = if one.name.contains("::") { 2 } else { 0 };
        let mut later = one.bytes.clone();
        assert!((0x80..0x97).contains(&later[list]), "{}: a short list", one.name);
        later[list] += 1;
        later.extend_from_slice(b"\x65later");
        let understood = (one.read_and_write)(&later).unwrap_or_else(|e| panic!("{}: {e}", one.name));
        assert_eq!(understood, one.bytes, "{}", one.name);
    }
}

/// Boxes of before leave out what they do not know.
#[test]
fn fields_that_came_later_may_be_missing() {
    let last = EntryHash::from_bytes([5; EntryHash::LEN]);
    // Sequence, hash, entries, records; no proposals.
    let exchange = [&[0x84, 9, 0x58, 32], last.as_bytes().as_slice(), &[0x80, 0x80]].concat();
    assert!(decode_all::<Exchange>("exchange", &exchange).expect("understood").proposals.is_empty());
    assert!(decode_all::<Exchanged>("exchanged", &exchange).expect("understood").proposals.is_empty());
    // How many; not before which.
    let heads: ListHeads = decode_all("heads", &[0x81, 4]).expect("understood");
    assert_eq!((heads.limit, heads.before), (4, None));
    let shards: ListShards = decode_all("shards", &[0x80]).expect("understood");
    assert_eq!(shards.after, None);
}
