//! Senders that take their time. They are cut off, and hold nobody up until then.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use datis_engine::wire::{CBOR, Have, Message, RefusalCode, pack_path};
use harness::raw::{Raw, dial, put_body};

use crate::stage::{Stage, attacker};

/// The box gives a head 10 s. What is above is the machine that the test runs on.
const HEAD_AT_MOST: Duration = Duration::from_secs(20);
/// The box gives a body 30 s without enough bytes.
const BODY_AT_MOST: Duration = Duration::from_secs(50);

/// How long the box keeps a connection that says nothing.
fn listened_to_silence(mut stream: TcpStream) -> Duration {
    let started = Instant::now();
    stream.set_read_timeout(Some(HEAD_AT_MOST)).expect("set");
    let _end = stream.read_to_end(&mut Vec::new());
    started.elapsed()
}

/// How long the box listens to a head that comes a byte a time.
fn slow_head(mut raw: Raw) -> Duration {
    let started = Instant::now();
    let head = format!("POST {} HTTP/1.1\r\nhost: {}", Have::PATH, "b".repeat(1_000));
    for byte in head.bytes() {
        if started.elapsed() > HEAD_AT_MOST || raw.send(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    started.elapsed()
}

/// How long the box listens to a body of a pack that comes a few bytes a time, and what it says then.
fn slow_body(stage: &Stage) -> (Duration, RefusalCode) {
    let machine = &stage.machine;
    let mut raw = machine.connect();
    let session = machine.begin(&mut raw, "slow").expect("begin");
    let pack = machine.pack(&[&vec![7; 1 << 20]]);
    let body = put_body(&pack);
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: box\r\ncontent-type: {CBOR}\r\ncontent-length: {}\r\n\r\n",
        pack_path(session, &pack.id),
        body.len() + (8 << 20)
    );
    raw.send(head.as_bytes()).expect("send");
    let started = Instant::now();
    for few in body.chunks(64) {
        if started.elapsed() > BODY_AT_MOST || raw.send(few).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    raw.be_patient(BODY_AT_MOST).expect("set");
    let answer = raw.answer().expect("an answer");
    (started.elapsed(), answer.refusal().code)
}

#[test]
fn slow_senders_are_cut_off_and_a_backup_beside_hundreds_of_them_succeeds() {
    let stage = Stage::set();
    let (port, machine) = (stage.port(), &stage.machine);
    stage.while_backing_up(|| {
        std::thread::scope(|scope| {
            let silent: Vec<_> = (0..100)
                .map(|_| {
                    let stream = dial(port, attacker(31)).expect("connect");
                    scope.spawn(|| listened_to_silence(stream))
                })
                .collect();
            let slow_hello: Vec<_> = (0..50)
                .map(|_| {
                    let mut stream = dial(port, attacker(32)).expect("connect");
                    stream.write_all(&[0x16, 3, 1, 2, 0, 1]).expect("send");
                    scope.spawn(|| listened_to_silence(stream))
                })
                .collect();
            let heads: Vec<_> = (0..100)
                .map(|_| {
                    let raw = Raw::open_from(port, attacker(33), Some(&machine.identity)).expect("connect");
                    scope.spawn(|| slow_head(raw))
                })
                .collect();
            let body = scope.spawn(|| slow_body(&stage));
            for (what, threads) in [("silent", silent), ("a slow hello", slow_hello), ("a slow head", heads)] {
                let longest = threads.into_iter().map(|thread| thread.join().expect("thread")).max().expect("one");
                assert!(longest < HEAD_AT_MOST, "{what}: it was listened to for {longest:?}");
            }
            let (listened, code) = body.join().expect("thread");
            assert!(listened < BODY_AT_MOST, "a slow body was listened to for {listened:?}");
            assert_eq!(code, RefusalCode::Busy);
        });
    });
    stage.assert_unharmed();
}

#[test]
fn uploads_that_stop_half_way_do_not_keep_another_machine_from_backing_up() {
    let stage = Stage::set();
    let machine = &stage.machine;
    let mut first = machine.connect();
    let session = machine.begin(&mut first, "stalled").expect("begin");
    let pack = machine.pack(&[&vec![7; 1 << 20]]);
    let body = put_body(&pack);
    let stalled: Vec<Raw> = (0..60)
        .map(|_| {
            let mut raw = machine.connect();
            let head = format!(
                "PUT {} HTTP/1.1\r\nhost: box\r\ncontent-length: {}\r\n\r\n",
                pack_path(session, &pack.id),
                body.len()
            );
            raw.send(head.as_bytes()).and_then(|()| raw.send(&body[..body.len() / 2])).expect("send");
            raw
        })
        .collect();
    let started = Instant::now();
    stage.while_backing_up(|| ());
    assert!(started.elapsed() < Duration::from_secs(25), "the backup waited for the uploads that had stopped");
    drop((stalled, first));
    harness::wait_for("the staged files to go", Duration::from_secs(40), || {
        let mut left = std::fs::read_dir(stage.boxed.data().join("store/incoming")).expect("a folder");
        left.next().is_none().then_some(())
    });
    stage.assert_unharmed();
}
