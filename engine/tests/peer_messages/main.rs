//! Messages between boxes: an example of each, whose bytes stay what they are, read by what `docs/PROTOCOL.md` says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use datis_engine::community::entry::{Change, KeyedSignature};
use datis_engine::community::ledger::SignedStatement;
use datis_engine::community::log::Log;
use datis_engine::community::signed::Signed;
use datis_engine::format::encode;
use datis_engine::keys::{PublicKey, Signature, SigningContext};
use datis_engine::wire::peers::{claim_message, lift_message};
use minicbor::Decoder;
use minicbor::bytes::ByteArray;

mod examples;
mod told;

use examples::{AT, Example, Examples, address_record, community, head, host, owner, receipt, signed_entry, statement};
use told::{Told, section, section_of_boxes};

const CHANNEL: [u8; 32] = [0xc4; 32];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

#[test]
fn every_example_is_what_the_document_says() {
    let (told, mut wrong) = (Told::read(), String::new());
    let examples = Examples::all();
    for (name, Example { bytes, .. }) in &examples.0 {
        if let Err(why) = told.check(name, bytes) {
            writeln!(wrong, "{name}: {why}").expect("text");
        }
    }
    for name in told.fields.keys().filter(|name| !examples.0.contains_key(*name)) {
        writeln!(wrong, "{name}: there is no example").expect("text");
    }
    assert!(wrong.is_empty(), "docs/PROTOCOL.md and the messages differ:\n{wrong}");
}

#[test]
fn the_bytes_of_every_message_are_those_that_other_boxes_know() {
    let now = Examples::all().0.into_iter().map(|(name, example)| (name, HEXLOWER.encode(&example.bytes)));
    let now: BTreeMap<_, _> = now.collect();
    let kept = read("tests/peer_messages/bytes.txt");
    let kept: BTreeMap<_, _> = kept.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let mut wrong = String::new();
    for (name, bytes) in &now {
        if kept.get(name.as_str()) != Some(&bytes.as_str()) {
            writeln!(wrong, "{name} {bytes}").expect("text");
        }
    }
    for name in kept.keys().filter(|name| !now.contains_key(**name)) {
        writeln!(wrong, "{name} is gone").expect("text");
    }
    assert!(wrong.is_empty(), "other boxes would not understand these, or they are new:\n{wrong}");
}

#[test]
fn a_field_that_a_box_does_not_know_is_skipped_and_a_choice_that_it_does_not_know_is_refused() {
    for (name, Example { bytes, again }) in Examples::all().0 {
        // All have fewer than 23 fields, so their number is in the first byte.
        let is_choice = name.contains(' ');
        let longer = if is_choice {
            [&[0x82, bytes[1], bytes[2] + 1], &bytes[3..], b"\xf5"].concat()
        } else {
            [&[bytes[0] + 1], &bytes[1..], b"\xf5"].concat()
        };
        assert_eq!(again(&longer).as_ref(), Some(&bytes), "{name} with a field of later");
        if is_choice {
            assert_eq!(again(&[0x82, 23, 0x80]), None, "another choice than {name}");
        }
    }
}

#[test]
fn fields_that_came_later_may_be_missing() {
    let examples = Examples::all().0;
    for (name, fields) in [("Exchange", 4), ("Exchange", 5), ("Exchanged", 4), ("ListHeads", 1), ("AddressRecord", 7)] {
        let Example { bytes, again } = &examples[name];
        let mut decoder = Decoder::new(bytes);
        decoder.array().expect(name);
        (0..fields).for_each(|_| decoder.skip().expect(name));
        let earlier = [&[0x80 + fields], &bytes[1..decoder.position()]].concat();
        assert!(again(&earlier).is_some(), "{name} with {fields} fields");
    }
}

#[test]
fn every_message_between_boxes_has_an_example() {
    let sources = read("src/wire/peers.rs") + &read("src/wire/reach.rs");
    let types = sources.split("\npub ").skip(1).filter_map(|item| {
        let (kind, name) = item.split_once(' ')?;
        let is_type = matches!(kind, "struct" | "enum");
        is_type.then(|| name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
    });
    // Those are fields of others, as numbers, and an error.
    let types: BTreeSet<_> = types.filter(|name| !matches!(*name, "Wish" | "ChannelClosed" | "ReceiptError")).collect();
    let examples = Examples::all();
    let shown: BTreeSet<_> = examples.0.keys().map(|name| name.split(' ').next().expect("a name")).collect();
    let missing: Vec<_> = types.difference(&shown).collect();
    assert!(missing.is_empty(), "no example of {missing:?}");
    assert!(types.len() >= 40, "only {} types were found", types.len());
}

/// A community of owner and host.
fn log() -> Log {
    let (owner, host) = (owner(), host());
    let name = "valley".parse().expect("name");
    let founder = Box::new(owner.admission("north"));
    let mut first = Log::founding(AT, Change::Found { name, founder, removal_threshold: 1, window_days: 90 });
    first.sign(&owner.device);
    first.sign(&owner.recovery);
    let mut log = Log::begin(first).expect("a log");
    let admission = Box::new(host.admission("south"));
    let consent = Box::new(host.consent(&admission, log.community()));
    let mut second = log.draft(AT, Change::Admit { admission, consent });
    second.sign(&owner.device);
    log.append(second).expect("admitted");
    log
}

#[test]
fn what_is_signed_between_boxes_is_what_the_document_says() {
    let (owner, host, log) = (owner(), host(), log());
    let (device, recovery) = (owner.device.public_key(), owner.recovery.public_key());
    let mut signed: Vec<(&str, Vec<u8>, PublicKey, Signature)> = Vec::new();

    let entry = signed_entry();
    let KeyedSignature { key, signature } = entry.signatures[0].clone();
    signed.push(("community entry", entry.body, key, signature));

    let admission = owner.admission("north");
    let consent = owner.consent(&admission, community());
    let message = encode(&(community(), &admission));
    signed.push(("admission", message.clone(), device, consent.device));
    signed.push(("admission", message, recovery, consent.recovery));

    let Signed { body, signature } = address_record().sign(&owner.device);
    assert_eq!(body, encode(&address_record()));
    signed.push(("address record", body, device, signature));

    let Signed { body, signature } = head().sign(&owner.device);
    assert_eq!(body, encode(&head()));
    signed.push(("head", body, device, signature));

    let mut agreed = SignedStatement::unsigned(&statement(log.community()));
    agreed.sign(&owner.device, log.roster()).expect("owner");
    agreed.sign(&host.device, log.roster()).expect("host");
    assert_eq!(agreed.body, encode(&statement(log.community())));
    signed.push(("statement", agreed.body.clone(), device, agreed.owner.expect("the owner's")));
    signed.push(("statement", agreed.body, host.device.public_key(), agreed.host.expect("the host's")));

    let Signed { body, signature } = receipt().sign(&host.device);
    assert_eq!(body, encode(&receipt()));
    signed.push(("shard receipt", body, host.device.public_key(), signature));

    let channel = ByteArray::from(CHANNEL);
    let message = claim_message(community(), owner.id(), &device, &CHANNEL);
    assert_eq!(message, encode(&(community(), owner.id(), device, channel)));
    let signature = owner.recovery.sign(SigningContext::Claim, &message);
    signed.push(("claim", message, recovery, signature));

    let message = lift_message(community(), owner.id(), host.id(), &CHANNEL);
    assert_eq!(message, encode(&(community(), owner.id(), host.id(), channel)));
    let signature = owner.recovery.sign(SigningContext::LiftBrake, &message);
    signed.push(("lift brake", message, recovery, signature));

    let document = read("../docs/PROTOCOL.md");
    let rows = section(section_of_boxes(&document), "### What is signed").lines();
    let told: BTreeSet<_> =
        rows.filter_map(|line| line.strip_prefix("| `datis v1 ")?.split_once("` |").map(|(text, _)| text)).collect();
    assert_eq!(told, signed.iter().map(|(text, ..)| *text).collect(), "the table has another text");
    for (text, body, key, signature) in signed {
        let bytes = [format!("datis v1 {text}\0").as_bytes(), body.as_slice()].concat();
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key.as_bytes());
        assert!(key.verify(&bytes, signature.as_bytes()).is_ok(), "{text} is signed otherwise");
    }
}
