//! Other boxes at the machine port: what members reach, and that nobody else reaches it and they reach nothing else.

use std::sync::Arc;
use std::time::Duration;

use datis_engine::community::signed::Signed;
use datis_engine::erasure::answer::Answer as AuditAnswer;
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::ShardId;
use datis_engine::units::UnixMillis;
use datis_engine::wire::peers::{
    Audit, AuditRange, Audited, ListShards, OfferShard, ShardOffer, ShardPage, ShardReceipt,
};
use datis_engine::wire::{Heartbeat, Message, RefusalCode};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::fixture::{Identity, Port, Wire, post};
use crate::operations::hosting::testing::{Circle, shard};

const PEER_MESSAGES: [&str; 9] = [
    "/v1/peers/offer",
    "/v1/peers/audit",
    "/v1/peers/inventory",
    "/v1/peers/condemn",
    "/v1/peers/lease",
    "/v1/peers/head",
    "/v1/peers/heads",
    "/v1/peers/ping",
    "/v1/peers/dialback",
];
const MACHINE_MESSAGES: [&str; 6] =
    ["/v1/enrol", "/v1/renew", "/v1/heartbeat", "/v1/begin", "/v1/snapshots", "/v1/nothing"];

fn asked<M: Message>(wire: &mut Wire, message: &M) -> M::Response {
    let answer = wire.message(message).expect("answer");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    decode_all("response", &answer.body).expect("response")
}

fn offer(wire: &mut Wire, shard: ShardId, len: usize) -> ShardOffer {
    asked(wire, &OfferShard { shard, len: u32::try_from(len).expect("short"), window_days: 90 })
}

fn piece_head(shard: ShardId, from: usize, len: usize, total: usize) -> Vec<u8> {
    format!(
        "PUT /v1/peers/shards/{shard} HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\ncontent-range: bytes {from}-{}/{total}\r\n\r\n",
        from + len - 1
    )
    .into_bytes()
}

fn get(shard: ShardId, range: &str) -> Vec<u8> {
    format!("GET /v1/peers/shards/{shard} HTTP/1.1\r\nhost: x\r\n{range}\r\n").into_bytes()
}

#[test]
fn another_box_keeps_a_shard_here_over_a_cut_and_gets_it_back() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let member = Identity::self_signed(&circle.one.document);
    let (id, bytes) = shard(3_500_000, 1);
    let mut wire = port.connect(Some(&member));
    assert!(matches!(offer(&mut wire, id, bytes.len()), ShardOffer::Send { from: 0 }));
    wire.send(&piece_head(id, 0, 1_000_000, bytes.len())).expect("head");
    assert_eq!(wire.ask(&bytes[..1_000_000]).expect("answer").status, 204);
    wire.send(&piece_head(id, 1_000_000, 2_500_000, bytes.len())).expect("head");
    wire.send(&bytes[1_000_000..2_700_000]).expect("a part");
    drop(wire);

    let mut wire = port.connect(Some(&member));
    let from = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        match offer(&mut wire, id, bytes.len()) {
            ShardOffer::Send { from } if from > 1_000_000 => Some(from as usize),
            _ => None,
        }
    });
    let from = from.expect("what came before the cut is kept");
    assert!(from <= 2_700_000, "{from}");
    // The piece that was cut may have its place for a moment longer.
    let answer = (0..100).find_map(|_| {
        let mut wire = port.connect(Some(&member));
        wire.send(&piece_head(id, from, bytes.len() - from, bytes.len())).expect("head");
        wire.send(&bytes[from..]).and_then(|()| wire.answer()).ok().filter(|answer| answer.status == 200)
    });
    let receipt: Signed = decode_all("receipt", &answer.expect("all is there").body).expect("signed");
    let receipt = ShardReceipt::verify(&receipt, &port.site.vault.device_key.public_key()).expect("receipt");
    assert_eq!((receipt.owner, receipt.host, receipt.shard), (circle.one.id(), circle.me, id));
    assert!(matches!(offer(&mut wire, id, bytes.len()), ShardOffer::Held { .. }));

    let whole = wire.ask(&get(id, "")).expect("answer");
    assert!(whole.status == 200 && whole.body == bytes);
    let part = wire.ask(&get(id, "range: bytes=1048570-2097160\r\n")).expect("answer");
    assert!(part.status == 206 && part.body == bytes[1_048_570..=2_097_160]);
    assert!(part.head.contains("content-range: bytes 1048570-2097160/3500000"), "{}", part.head);
    for bad in ["range: bytes=0-3500000\r\n", "range: bytes=-5\r\n", "range: bytes=0-1,3-4\r\n"] {
        let refused = wire.ask(&get(id, bad)).expect("answer");
        assert_eq!((refused.status, refused.refusal().code), (400, RefusalCode::Malformed), "{bad}");
    }

    let ranges = vec![AuditRange { shard: id, start: 16_384, len: 16_384 }];
    let mut expected = AuditAnswer::new(&[3; 32]);
    expected.add(id, 16_384, &bytes[16_384..32_768]);
    match asked(&mut wire, &Audit { nonce: [3; 32].into(), ranges, with_proofs: false }) {
        Audited::Digest(digest) => assert_eq!(*digest, expected.finish()),
        other => panic!("{other:?}"),
    }
    let ShardPage { shards } = asked(&mut wire, &ListShards { after: None });
    assert_eq!(shards.iter().map(|shard| shard.shard).collect::<Vec<_>>(), [id]);

    // To another member it is not there.
    let mut wire = port.connect(Some(&Identity::self_signed(&circle.other.document)));
    assert_eq!(wire.ask(&get(id, "")).expect("answer").refusal().code, RefusalCode::NotFound);
    assert!(asked(&mut wire, &ListShards { after: None }).shards.is_empty());
}

#[test]
fn pieces_that_do_not_say_what_they_are_or_were_not_offered_are_refused() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let member = Identity::self_signed(&circle.one.document);
    let (id, bytes) = shard(1_000, 1);
    let refused = |request: &[u8]| port.connect(Some(&member)).ask(request).expect("answer").refusal().code;
    let put = |shard: &str, range: &str| {
        format!("PUT /v1/peers/shards/{shard} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n{range}\r\nbody").into_bytes()
    };
    let name = id.to_string();
    for (shard, range) in [
        (name.as_str(), ""),
        (&name, "content-range: bytes 0-4/1000\r\n"),
        (&name, "content-range: bytes 0-3/*\r\n"),
        (&name, "content-range: bytes 3-0/1000\r\n"),
        (&name[1..], "content-range: bytes 0-3/1000\r\n"),
        ("..%2f..%2fplanted", "content-range: bytes 0-3/1000\r\n"),
    ] {
        assert_eq!(refused(&put(shard, range)), RefusalCode::Malformed, "{shard} {range}");
    }
    let unoffered = [piece_head(id, 0, 1_000, 1_000), bytes].concat();
    assert_eq!(refused(&unoffered), RefusalCode::SessionUnknown);
    for path in PEER_MESSAGES {
        for noise in [b"".as_slice(), b"\xff\xff", &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(refused(&post(path, noise)), RefusalCode::Malformed, "{path}");
        }
        assert_eq!(refused(&post(path, &vec![0; 300 << 10])), RefusalCode::TooLarge, "{path}");
    }
}

#[test]
fn whoever_is_no_member_reaches_nothing_between_boxes() {
    let port = Port::serve();
    let paths = || PEER_MESSAGES.map(|path| post(path, b"\x80")).into_iter().chain([get(shard(9, 1).0, "")]);
    let stranger = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("key");
    let stranger = Identity::self_signed(stranger.as_ref());
    let code = |identity: Option<&Identity>, request: &[u8]| {
        let answer = port.connect(identity).ask(request).expect("answer");
        (answer.status, answer.refusal().code)
    };
    // Before the box is in any community, and after.
    for request in paths() {
        assert_eq!(code(Some(&stranger), &request), (403, RefusalCode::UnknownMachine));
    }
    let circle = Circle::around(&port.site);
    let machine = port.enrol("till");
    for request in paths() {
        assert_eq!(code(Some(&stranger), &request), (403, RefusalCode::UnknownMachine));
        assert_eq!(code(None, &request), (401, RefusalCode::NoCertificate));
        assert_eq!(code(Some(&machine), &request), (401, RefusalCode::NoCertificate), "a machine is no box");
    }
    assert!(matches!(
        offer(&mut port.connect(Some(&Identity::self_signed(&circle.one.document))), shard(9, 1).0, 9),
        ShardOffer::Send { from: 0 }
    ));
}

#[test]
fn a_box_that_sends_slowly_uses_up_its_own_places_only() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let (slow, other) = (Identity::self_signed(&circle.one.document), Identity::self_signed(&circle.other.document));
    let mut messages = port.connect(Some(&slow));
    let mut held = Vec::new();
    for seed in 0..12 {
        let (id, bytes) = shard(5_000, seed);
        offer(&mut messages, id, bytes.len());
        let mut wire = port.connect(Some(&slow));
        wire.send(&piece_head(id, 0, bytes.len(), bytes.len())).expect("head");
        wire.send(&bytes[..10]).expect("a few bytes, and no more");
        held.push(wire);
    }
    std::thread::sleep(Duration::from_millis(300));
    let (id, bytes) = shard(400_000, 99);
    let mut wire = port.connect(Some(&other));
    offer(&mut wire, id, bytes.len());
    wire.send(&piece_head(id, 0, bytes.len(), bytes.len())).expect("head");
    assert_eq!(wire.ask(&bytes).expect("answer").status, 200);
    assert!(wire.ask(&get(id, "")).expect("answer").body == bytes);
    // Its own messages go on, and machines do.
    assert!(asked(&mut messages, &ListShards { after: None }).shards.is_empty());
    let heartbeat = Heartbeat { client_version: "0".to_owned(), now: UnixMillis(0) };
    asked(&mut port.connect(Some(&port.enrol("till"))), &heartbeat);
}

#[test]
fn a_box_reaches_nothing_that_is_for_machines() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let member = Identity::self_signed(&circle.one.document);
    for path in MACHINE_MESSAGES {
        let answer = port.connect(Some(&member)).ask(&post(path, b"\x80")).expect("answer");
        assert_eq!((answer.status, answer.refusal().code), (401, RefusalCode::NoCertificate), "{path}");
    }
    // Another version is not there, which a box that speaks it has to be able to tell from a wrong certificate.
    let answer = port.connect(Some(&member)).ask(&post("/v2/peers/exchange", b"\x80")).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (404, RefusalCode::NotFound));
    let heartbeat = Heartbeat { client_version: "0".to_owned(), now: UnixMillis(0) };
    let answer = port.connect(Some(&member)).ask(&post(Heartbeat::PATH, &encode(&heartbeat))).expect("answer");
    assert_eq!(answer.refusal().code, RefusalCode::NoCertificate);
}

/// Shows one certificate and signs with another key.
#[derive(Debug)]
struct Liar(Arc<CertifiedKey>);

impl ResolvesClientCert for Liar {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn a_certificate_without_its_key_ends_in_the_handshake() {
    let port = Port::serve();
    let circle = Circle::around(&port.site);
    let member = Identity::self_signed(&circle.one.document);
    let wrong = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(circle.other.document.clone()));
    let wrong = rustls::crypto::ring::sign::any_eddsa_type(match &wrong {
        PrivateKeyDer::Pkcs8(key) => key,
        _ => unreachable!("made above"),
    });
    let shown = CertifiedKey::new(vec![CertificateDer::from(member.certificate)], wrong.expect("key"));
    let answer = port.connect_as(Arc::new(Liar(Arc::new(shown)))).message(&ListShards { after: None });
    assert!(answer.is_err(), "{answer:?}");
}
