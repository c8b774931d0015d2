//! Too many connections, too fast, and bytes that are no TLS.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use datis_engine::enrolment::EnrolmentCode;
use datis_engine::units::UnixMillis;
use datis_engine::wire::{Begin, Enrol, Heartbeat, Message, RefusalCode};
use harness::raw::{Raw, RawMachine, dial, fresh_key};

use crate::stage::{Stage, attacker};

fn heartbeat() -> Heartbeat {
    Heartbeat { client_version: "raw".to_owned(), now: UnixMillis(0) }
}

#[test]
fn thousands_of_connections_in_a_few_seconds_do_not_hinder_a_backup() {
    let stage = Stage::set();
    stage.while_backing_up(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..3_000).for_each(|_| drop(dial(stage.port(), attacker(11)))));
            scope.spawn(|| (0..1_000).for_each(|_| drop(Raw::open_from(stage.port(), attacker(12), None))));
        });
    });
    stage.assert_unharmed();
}

#[test]
fn one_address_has_a_limit_of_connections_and_gets_its_places_back() {
    let stage = Stage::set();
    let identity = Some(&stage.machine.identity);
    let open: Vec<Raw> = (0..400).filter_map(|_| Raw::open_from(stage.port(), attacker(13), identity).ok()).collect();
    assert!((200..=256).contains(&open.len()), "{} of 400 connections of one address are open", open.len());
    assert!(stage.machine.connect().ask(&heartbeat()).is_ok(), "another address is hindered");
    drop(open);
    let mut again = harness::wait_for("a place", Duration::from_secs(10), || {
        Raw::open_from(stage.port(), attacker(13), identity).ok()
    });
    assert!(again.ask(&heartbeat()).is_ok());
    stage.assert_unharmed();
}

#[test]
fn an_address_that_connects_and_says_nothing_does_not_keep_others_from_connecting() {
    let stage = Stage::set();
    let silent: Vec<TcpStream> = (0..250).filter_map(|_| dial(stage.port(), attacker(17)).ok()).collect();
    let started = Instant::now();
    for _ in 0..5 {
        assert!(stage.machine.connect().ask(&heartbeat()).is_ok());
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(4), "others were kept waiting for {took:?} by {} connections", silent.len());
    drop(silent);
    stage.assert_unharmed();
}

#[test]
fn bytes_that_are_no_tls_1_3_are_refused_and_harm_nobody() {
    let stage = Stage::set();
    let noise: Vec<u8> = (0..20_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let hellos: Vec<(&str, Vec<u8>)> = vec![
        ("noise", noise),
        ("plain HTTP", b"GET / HTTP/1.1\r\nhost: box\r\n\r\n".to_vec()),
        ("SSL 2", vec![0x80, 0x2e, 0x01, 0x00, 0x02, 0x00, 0x15, 0x00, 0x00, 0x00, 0x10, 0x01, 0x00, 0x80]),
        ("TLS 1.2", client_hello_1_2()),
        ("TLS 1.2, a byte a record", fragmented(&client_hello_1_2())),
        ("a record of 64 KiB", [&[0x16, 3, 1, 0xff, 0xff][..], &[1; 65_535]].concat()),
        ("an empty record again and again", [0x16, 3, 1, 0, 0].repeat(10_000)),
        ("close_notify instead of a hello", vec![0x15, 3, 3, 0, 2, 1, 0]),
        ("a hello of 16 MiB", vec![0x16, 3, 1, 0, 5, 1, 0xff, 0xff, 0xff, 3]),
        ("nothing", vec![]),
    ];
    for (what, bytes) in hellos {
        let mut stream = dial(stage.port(), attacker(14)).expect("connect");
        // It may close before it has read all.
        let _sent = stream.write_all(&bytes);
        let answer = read_until_closed(stream);
        assert!(!answer.windows(4).any(|w| w == b"HTTP"), "{what} was answered");
        if what.starts_with("TLS 1.2") {
            // RFC 8446: alert, fatal, protocol_version.
            assert!(answer.starts_with(&[0x15, 3, 3, 0, 2, 2, 70]), "{what}: {answer:?}");
        }
    }
    stage.assert_unharmed();
}

/// What comes within a second after this side has ended.
fn read_until_closed(mut stream: TcpStream) -> Vec<u8> {
    let _ended = stream.shutdown(std::net::Shutdown::Write);
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("set");
    let mut answer = Vec::new();
    let _end = stream.read_to_end(&mut answer);
    answer
}

/// A hello that offers TLS 1.2 and nothing later, as OpenSSL would make it.
fn client_hello_1_2() -> Vec<u8> {
    let ciphers = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30];
    let extensions: Vec<u8> = [
        &[0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x1d][..],
        &[0x00, 0x0b, 0x00, 0x02, 0x01, 0x00],
        &[0x00, 0x0d, 0x00, 0x08, 0x00, 0x06, 0x08, 0x07, 0x04, 0x03, 0x08, 0x04],
    ]
    .concat();
    let length = |n: usize| u16::try_from(n).expect("short").to_be_bytes();
    let body = [
        &[3, 3][..],
        &[0x42; 32],
        &[0],
        &length(ciphers.len()),
        &ciphers,
        &[1, 0],
        &length(extensions.len()),
        &extensions,
    ]
    .concat();
    let handshake = [&[1, 0][..], &length(body.len()), &body].concat();
    [&[0x16, 3, 1][..], &length(handshake.len()), &handshake].concat()
}

/// The same handshake message in records of one byte each.
fn fragmented(record: &[u8]) -> Vec<u8> {
    record[5..].iter().flat_map(|byte| [0x16, 3, 1, 0, 1, *byte]).collect()
}

#[test]
fn sessions_are_limited_by_machine_and_free_again_when_they_end() {
    let stage = Stage::set();
    let mut raw = stage.machine.connect();
    let mut open = Vec::new();
    let refused = (0..40).find_map(|n| match stage.machine.begin(&mut raw, &format!("source {n}")) {
        Ok(session) => {
            open.push(session);
            None
        }
        Err(refusal) => Some(refusal),
    });
    assert_eq!(refused.expect("no limit").code, RefusalCode::Busy);
    assert_eq!(open.len(), 8);
    let other = stage.second_machine("other");
    assert!(other.begin(&mut other.connect(), "source").is_ok(), "one machine takes all sessions");
    raw.ask(&datis_engine::wire::Abandon { session: open[0] }).expect("abandoned");
    assert!(stage.machine.begin(&mut raw, "one more").is_ok());
    stage.assert_unharmed();
}

#[test]
fn enrolment_codes_cannot_be_guessed_at_any_pace() {
    let stage = Stage::set();
    let guess = |from: Option<IpAddr>| {
        let code = EnrolmentCode::generate().expect("random").expose().to_owned();
        let request = Enrol { code, signing_request: RawMachine::signing_request(&fresh_key()) };
        let mut raw = Raw::open_from(stage.port(), from, None).expect("connect");
        raw.ask(&request).expect_err("a guess was right").code
    };
    let of_one: Vec<RefusalCode> = (0..15).map(|_| guess(attacker(15))).collect();
    assert_eq!(of_one.iter().filter(|code| **code == RefusalCode::BadCode).count(), 10, "{of_one:?}");
    assert!(of_one[10..].iter().all(|code| *code == RefusalCode::Busy), "{of_one:?}");
    assert_eq!(guess(attacker(16)), RefusalCode::BadCode, "others may still try");
    // From many addresses it comes to an end as well.
    let of_many: Vec<RefusalCode> = (20..=220).map(|last| guess(attacker(last))).collect();
    let tried = of_many.iter().filter(|code| **code == RefusalCode::BadCode).count();
    assert!((80..=110).contains(&tried), "{tried} guesses from 201 addresses were looked at");
    // Machines that are enrolled do not notice.
    assert!(stage.machine.connect().ask(&heartbeat()).is_ok());
}

#[test]
fn requests_whose_answers_nobody_reads_come_to_a_halt_in_little_memory() {
    let stage = Stage::set();
    let ids = vec![7; datis_engine::ids::ChunkId::LEN * 16_384];
    let body = datis_engine::format::encode(&datis_engine::wire::Locate { ids });
    let request = [
        format!(
            "POST {} HTTP/1.1\r\nhost: box\r\ncontent-type: application/cbor\r\ncontent-length: {}\r\n\r\n",
            datis_engine::wire::Locate::PATH,
            body.len()
        )
        .into_bytes(),
        body,
    ]
    .concat();
    stage.while_backing_up(|| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut raw = stage.machine.connect();
                    raw.be_patient(Duration::from_secs(2)).expect("set");
                    let until = Instant::now() + Duration::from_secs(6);
                    while Instant::now() < until && raw.send(&request).is_ok() {}
                });
            }
        });
    });
    stage.assert_unharmed();
}

#[test]
fn a_machine_that_begins_again_and_again_is_answered_and_leaves_nothing() {
    let stage = Stage::set();
    let mut raw = stage.machine.connect();
    let run = datis_engine::ids::RunId::from_bytes([5; 16]);
    for _ in 0..500 {
        let begin = Begin { source: "s".parse().expect("name"), base: None, run };
        assert!(raw.ask(&begin).is_ok(), "{}", Begin::PATH);
    }
    stage.assert_unharmed();
}
