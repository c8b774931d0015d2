//! Heads and bodies that are too long, contradict themselves, or decode to more than they are.

use std::time::{Duration, Instant};

use datis_engine::format::encode;
use datis_engine::ids::{ChunkId, PackId, Witness};
use datis_engine::wire::{
    Abandon, BATCH_MAX, Begin, CBOR, Commit, Enrol, Have, Heartbeat, ListSnapshots, Locate, Message, REQUEST_MAX,
    ReadSegment, RefusalCode, Renew, SessionId,
};
use harness::raw::{Raw, RawMachine};

use crate::stage::{Stage, attacker};

/// Sends bytes as a request and gives the status; `None`: the box hung up without a word.
fn status_of(machine: &RawMachine, request: &[u8]) -> Option<u16> {
    let mut raw = machine.connect();
    // It may answer and hang up before it has read all.
    let _sent = raw.send(request);
    raw.answer().ok().map(|answer| answer.status)
}

fn request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: box\r\ncontent-type: {CBOR}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn heads_that_are_too_long_or_contradict_themselves_are_refused() {
    let stage = Stage::set();
    let body = encode(&Locate { ids: vec![] });
    let length = format!("content-length: {}\r\n", body.len());
    let chunked = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let path = Locate::PATH;
    let machine = &stage.machine;
    // What is refused below is otherwise a good request.
    assert_eq!(status_of(machine, &request(path, &length, &body)), Some(200));
    // Chunked bodies are refused whole: the HTTP layer would read them to their end even after a refusal.
    assert_eq!(status_of(machine, &request(path, "transfer-encoding: chunked\r\n", &chunked)), Some(400));
    let heads: Vec<(&str, Vec<u8>)> = vec![
        ("a header of 2 MiB", request(path, &format!("{length}x: {}\r\n", "y".repeat(2 << 20)), &body)),
        ("50 000 headers", request(path, &format!("{length}{}", "x: y\r\n".repeat(50_000)), &body)),
        ("a path of 2 MiB", request(&"/x".repeat(1 << 20), &length, &body)),
        ("two lengths", request(path, &format!("{length}content-length: 0\r\n"), &body)),
        ("a length and chunks", request(path, &format!("{length}transfer-encoding: chunked\r\n"), &chunked)),
        ("chunks of an unknown kind", request(path, "transfer-encoding: xchunked\r\n", &chunked)),
        ("chunks twice", request(path, "transfer-encoding: chunked, chunked\r\n", &chunked)),
        ("a chunk longer than all numbers", request(path, "transfer-encoding: chunked\r\n", b"fffffffffffffffff\r\nx")),
        ("a negative length", request(path, "content-length: -1\r\n", &body)),
        ("a length with a sign", request(path, &format!("content-length: +{}\r\n", body.len()), &body)),
        ("a length beyond all numbers", request(path, "content-length: 99999999999999999999999\r\n", &body)),
        ("a length of words", request(path, "content-length: some\r\n", &body)),
        ("a folded header", request(path, &format!("{length}x: y\r\n z: a\r\n"), &body)),
        ("a header without a name", request(path, &format!("{length}: y\r\n"), &body)),
        ("a zero byte in a header", request(path, &format!("{length}x: a\0b\r\n"), &body)),
        ("another version", format!("POST {path} HTTP/9.9\r\nhost: box\r\n{length}\r\n").into_bytes()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("no words", b"\r\n\r\n\r\n\r\n\x00\x01\x02\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in heads {
        let status = status_of(machine, &bytes);
        assert!(status.is_none_or(|s| (400..500).contains(&s)), "{what}: {status:?}");
    }
    stage.assert_unharmed();
}

#[test]
fn bodies_that_are_longer_than_any_are_refused_before_they_are_read() {
    let stage = Stage::set();
    let machine = &stage.machine;
    for announced in [REQUEST_MAX as u64 + 1, 1 << 32, 1 << 63, u64::MAX] {
        for path in [Locate::PATH, Have::PATH, Commit::PATH, Begin::PATH] {
            let status = status_of(machine, &request(path, &format!("content-length: {announced}\r\n"), b"x"));
            assert!([Some(413), Some(400)].contains(&status), "{path} of {announced} bytes: {status:?}");
        }
    }
    let put = |announced: u64| {
        let path = datis_engine::wire::pack_path(SessionId(1), &PackId::from_bytes([1; 32]));
        format!("PUT {path} HTTP/1.1\r\nhost: box\r\ncontent-length: {announced}\r\n\r\nx").into_bytes()
    };
    for announced in [1 << 26, 1 << 32, 1 << 63, u64::MAX] {
        let status = status_of(machine, &put(announced));
        assert!([Some(413), Some(400)].contains(&status), "a pack of {announced} bytes: {status:?}");
    }
    // An endless body in chunks is refused at its head. What is sent all the same is thrown away for a few seconds, so that
    // the refusal can be read, and then the connection ends.
    let mut raw = machine.connect();
    raw.send(&request(Locate::PATH, "transfer-encoding: chunked\r\n", b"")).expect("send");
    let chunk = [b"10000\r\n".as_slice(), &[0; 65_536], b"\r\n"].concat();
    let began = Instant::now();
    while raw.send(&chunk).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(30), "the box still reads an endless body");
    }
    // Before enrolment much less is read.
    let body = encode(&Enrol { code: "A".repeat(24), signing_request: vec![0; 100_000] });
    let mut stranger = Raw::open_from(stage.port(), attacker(41), None).expect("connect");
    let answer = stranger.exchange("POST", Enrol::PATH, &body).expect("an answer");
    assert_eq!(answer.refusal().code, RefusalCode::TooLarge);
    stage.assert_unharmed();
}

#[test]
fn lists_that_are_longer_than_allowed_are_refused() {
    let stage = Stage::set();
    let mut raw = stage.machine.connect();
    let session = stage.machine.begin(&mut raw, "lists").expect("begin");
    let have = |count: usize| {
        let mut have = Have { session, chunks: Vec::new() };
        (0..count).for_each(|_| have.push(&ChunkId::from_bytes([1; ChunkId::LEN]), &Witness::from_bytes([2; 16])));
        have
    };
    let code = |answer: harness::raw::Answer| (answer.status != 200).then(|| answer.refusal().code);
    let ask = |answer: std::io::Result<harness::raw::Answer>| code(answer.expect("an answer"));
    assert_eq!(ask(raw.post(&have(BATCH_MAX))), None);
    assert_eq!(ask(raw.post(&have(BATCH_MAX + 1))), Some(RefusalCode::Malformed));
    assert_eq!(ask(raw.post(&Locate { ids: vec![3; ChunkId::LEN * BATCH_MAX] })), None);
    assert_eq!(ask(raw.post(&Locate { ids: vec![3; ChunkId::LEN * (BATCH_MAX + 1)] })), Some(RefusalCode::Malformed));
    let read = |count: usize| ReadSegment {
        pack: PackId::from_bytes([4; 32]),
        segment: 0,
        ids: vec![3; ChunkId::LEN * count],
    };
    assert_eq!(ask(raw.post(&read(BATCH_MAX))), Some(RefusalCode::NotFound));
    assert_eq!(ask(raw.post(&read(BATCH_MAX + 1))), Some(RefusalCode::Malformed));
    stage.assert_unharmed();
}

#[test]
fn cbor_that_is_deep_or_declares_more_than_it_has_is_refused_on_every_route() {
    let stage = Stage::set();
    let before = stage.peak_memory();
    let mut bombs: Vec<Vec<u8>> = vec![vec![]];
    for opener in [0x9f, 0xbf, 0x81, 0xa1, 0xc6, 0x5f, 0x7f, 0x82, 0xd8] {
        bombs.push(vec![opener; 3 << 20]);
        bombs.push([vec![opener; 1 << 20], vec![0xff; 1 << 20]].concat());
    }
    for head in [0x9b, 0xbb, 0x5b, 0x7b, 0xdb] {
        for length in [1_u64 << 32, 1 << 60, u64::MAX] {
            bombs.push([&[head][..], &length.to_be_bytes()].concat());
            bombs.push([&[0x82, head][..], &length.to_be_bytes(), &[0; 100]].concat());
            bombs.push([&[0x82, 0x01, head][..], &length.to_be_bytes(), &[0; 100]].concat());
        }
    }
    let routes = [
        Heartbeat::PATH,
        Begin::PATH,
        Have::PATH,
        Commit::PATH,
        Abandon::PATH,
        ListSnapshots::PATH,
        Locate::PATH,
        ReadSegment::PATH,
        Renew::PATH,
    ];
    for (path, number) in routes.into_iter().zip(50..) {
        for bomb in &bombs {
            // One address may open no more than some hundred at a time, which is not what is tried here.
            let from = attacker(number);
            let mut raw = Raw::open_from(stage.port(), from, Some(&stage.machine.identity)).expect("connect");
            let answer = raw.exchange("POST", path, bomb).unwrap_or_else(|e| panic!("{path}: {e}"));
            let code = answer.refusal().code;
            let expected = [RefusalCode::Malformed, RefusalCode::TooLarge];
            assert!(expected.contains(&code), "{path} with {} bytes of {:?}: {code:?}", bomb.len(), bomb.first());
        }
    }
    stage.assert_unharmed();
    let grown = stage.peak_memory().saturating_sub(before);
    assert!(grown < 64 << 10, "the box has grown by {grown} KiB");
}
