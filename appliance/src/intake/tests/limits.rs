//! Limits of time, size and number.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use datis_engine::ids::{PackId, RunId};
use datis_engine::units::UnixMillis;
use datis_engine::wire::{Begin, Begun, Heartbeat, REQUEST_MAX, RefusalCode, SessionId, pack_path};

use super::fixture::{Port, Wire, post, post_head};
use crate::intake::Patience;

fn heartbeat() -> Heartbeat {
    Heartbeat { client_version: "0".to_owned(), now: UnixMillis(0) }
}

fn begin(wire: &mut Wire) -> SessionId {
    let message = Begin { source: "home".parse().expect("name"), base: None, run: RunId::from_bytes([1; 16]) };
    let answer = wire.message(&message).expect("begin");
    datis_engine::format::decode_all::<Begun>("begun", &answer.body).expect("begun").session
}

fn put_head(session: SessionId, pack: &PackId, length: u64) -> Vec<u8> {
    format!("PUT {} HTTP/1.1\r\nhost: datis.box\r\ncontent-length: {length}\r\n\r\n", pack_path(session, pack))
        .into_bytes()
}

#[test]
fn who_does_not_finish_the_handshake_or_the_head_is_hung_up_on() {
    let port = Port::serve();
    let started = Instant::now();
    let mut silent = port.tcp();
    let mut noisy = port.tcp();
    noisy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("write");
    let mut slow = port.connect(None);
    slow.send(b"POST /v1/enrol HTTP/1.1\r\nhost: x\r\n").expect("send");
    // Neither gets a byte of HTTP; TLS may send an alert.
    for stream in [&mut silent, &mut noisy] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    }
    loop {
        if slow.send(b"x: y\r\n").is_err() || started.elapsed() > Duration::from_secs(10) {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(started.elapsed() < Duration::from_secs(8), "hung up after {:?}", started.elapsed());
}

#[test]
fn a_body_that_drips_is_refused() {
    let port = Port::serve();
    let machine = port.enrol("till");
    let mut wire = port.connect(Some(&machine));
    let started = Instant::now();
    wire.send(&post_head("/v1/heartbeat", 4_000)).expect("head");
    while started.elapsed() < Duration::from_millis(1_500) && wire.send(b"x").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let answer = wire.answer().expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (429, RefusalCode::Busy));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_pack_that_drips_is_refused_and_leaves_nothing_behind() {
    let port = Port::serve();
    let machine = port.enrol("till");
    let mut wire = port.connect(Some(&machine));
    let session = begin(&mut wire);
    wire.send(&put_head(session, &PackId::from_bytes([1; 32]), 1 << 20)).expect("head");
    wire.send(&[0, 1, 0, 0]).expect("beginning");
    let answer = wire.answer().expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (429, RefusalCode::Busy));
    let incoming = port.site.store.list(datis_engine::store::ObjectKind::Pack).expect("list");
    assert!(incoming.is_empty());
}

#[test]
fn bodies_that_are_too_large_are_refused_before_they_are_read() {
    let port = Port::serve();
    let machine = port.enrol("till");
    let mut wire = port.connect(Some(&machine));
    let answer = wire.ask(&post_head("/v1/have", REQUEST_MAX + 1)).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (413, RefusalCode::TooLarge));
    assert!(answer.head.contains("connection: close"), "{}", answer.head);

    let mut wire = port.connect(Some(&machine));
    let session = begin(&mut wire);
    let answer = wire.ask(&put_head(session, &PackId::from_bytes([1; 32]), 1 << 40)).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (413, RefusalCode::TooLarge));

    // A stranger may send little even where strangers are heard.
    let answer = port.connect(None).ask(&post_head("/v1/enrol", 1 << 20)).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (413, RefusalCode::TooLarge));
}

#[test]
fn bodies_without_a_length_are_refused_and_not_read_to_their_end() {
    let port = Port::serve();
    let machine = port.enrol("till");
    let path = pack_path(SessionId(1), &PackId::from_bytes([1; 32]));
    for line in ["POST /v1/heartbeat".to_owned(), "POST /nothing".to_owned(), format!("PUT {path}")] {
        let mut wire = port.connect(Some(&machine));
        let head = format!(
            "{line} HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let answer = wire.ask(head.as_bytes()).expect("answer");
        assert_eq!((answer.status, answer.refusal().code), (400, RefusalCode::Malformed), "{line}");
        // What comes after it is dropped for a moment, so that the refusal can be read; then the box hangs up.
        let chunk = [b"10000\r\n".as_slice(), &vec![0; 1 << 16], b"\r\n"].concat();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(15) && wire.send(&chunk).is_ok() {}
        assert!(started.elapsed() < Duration::from_secs(12), "it went on and on: {line}");
    }
}

#[test]
fn a_head_without_end_is_not_collected() {
    let port = Port::serve();
    let mut wire = port.connect(None);
    wire.send(b"POST /v1/enrol HTTP/1.1\r\n").expect("start");
    let line = format!("x-{}: y\r\n", "a".repeat(1_000));
    // More than the system's own buffers hold for a box that is slow to hang up.
    let mut sent = 0;
    while sent < 64_000 && wire.send(line.as_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent < 64_000, "64 MB of head were taken");
    // Many small fields are refused as well.
    let mut wire = port.connect(None);
    let fields: String = (0..1_000).map(|n| format!("a{n}: b\r\n")).collect();
    let answer = wire.ask(format!("POST /v1/enrol HTTP/1.1\r\n{fields}\r\n").as_bytes());
    assert!(answer.as_ref().map_or(true, |answer| answer.status >= 400), "{answer:?}");
}

#[test]
fn one_address_gets_so_many_unfinished_connections_and_no_more_and_gets_them_back() {
    let port = Port::serve_with(Patience::default());
    let machine = port.enrol("till");
    let mut streams: Vec<_> = (0..100).map(|_| port.tcp()).collect();
    // Those over the limit are closed at once, long before the handshake's patience ends.
    std::thread::sleep(Duration::from_millis(500));
    let mut closed = 0;
    for stream in &mut streams {
        stream.set_nonblocking(true).expect("nonblocking");
        let open = matches!(stream.read(&mut [0; 1]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock);
        closed += usize::from(!open);
    }
    assert_eq!(closed, 36, "of 100");
    drop(streams);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(port.connect(Some(&machine)).message(&heartbeat()).expect("answer").status, 200);
}

#[test]
fn rapid_connects_are_turned_away_and_others_are_served_soon_after() {
    let port = Port::serve();
    let machine = port.enrol("till");
    let mut kept = port.connect(Some(&machine));
    assert_eq!(kept.message(&heartbeat()).expect("before").status, 200);
    for _ in 0..2_000 {
        drop(port.tcp());
    }
    // Who is in stays in, and the flood costs nobody more than a moment.
    assert_eq!(kept.message(&heartbeat()).expect("during").status, 200);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(port.connect(Some(&machine)).message(&heartbeat()).expect("after").status, 200);
    let mut registry = prometheus_client::registry::Registry::default();
    port.intake.meters.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("encode");
    assert!(text.contains("datis_turned_away_total{reason=\"opened too fast\"}"), "{text}");
}

#[test]
fn who_reads_nothing_of_the_answers_is_hung_up_on() {
    let port = Port::serve();
    let machine = port.enrol("till");
    let mut wire = port.connect(Some(&machine));
    // Requests without end, and not one answer is read: the box stops to read them, and then hangs up.
    let request = b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    let started = Instant::now();
    wire.0.sock.set_write_timeout(Some(Duration::from_secs(15))).expect("timeout");
    while started.elapsed() < Duration::from_secs(60) && wire.send(&request).is_ok() {}
    assert!(started.elapsed() < Duration::from_secs(60), "still served");
    let connections = || port.intake.meters.connections.get();
    let hung_up = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        connections() == 0
    });
    assert!(hung_up, "{} connections are held", connections());
}

#[test]
fn messages_wait_for_a_place_and_all_are_answered() {
    let port = Port::serve_with(Patience::default());
    let machine = port.enrol("till");
    // Three times as many half sent messages as one machine has places for.
    let request = post("/v1/heartbeat", &datis_engine::format::encode(&heartbeat()));
    let (beginning, end) = request.split_at(request.len() - 1);
    let mut wires: Vec<_> = (0..36).map(|_| port.connect(Some(&machine))).collect();
    for wire in &mut wires {
        wire.send(beginning).expect("beginning");
    }
    for wire in &mut wires {
        wire.send(end).expect("end");
    }
    for wire in &mut wires {
        assert_eq!(wire.answer().expect("answer").status, 200);
    }
}

#[test]
fn a_stop_ends_idle_connections_at_once_and_answers_running_requests() {
    let port = Port::serve();
    let machine = port.enrol("till");
    let mut idle = port.connect(Some(&machine));
    assert_eq!(idle.message(&heartbeat()).expect("answer").status, 200);
    let mut busy = port.connect(Some(&machine));
    let request = post("/v1/heartbeat", &datis_engine::format::encode(&heartbeat()));
    let (beginning, end) = request.split_at(request.len() - 3);
    busy.send(beginning).expect("beginning");
    std::thread::sleep(Duration::from_millis(100));

    port.intake.stop_taking_requests();
    let started = Instant::now();
    let (handle, stopped) = (port.handle.clone(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(handle.stop(true));
        let _ = stopped.0.send(());
    });
    std::thread::sleep(Duration::from_millis(200));
    assert!(idle.is_ended());
    let answer = busy.ask(end).expect("an answer, not a broken connection");
    assert_eq!((answer.status, answer.refusal().code), (503, RefusalCode::Stopping));
    stopped.1.recv_timeout(Duration::from_secs(5)).expect("stopped");
    assert!(started.elapsed() < Duration::from_secs(5));
}
