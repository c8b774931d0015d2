//! Who may ask for what: strangers, foreign and expired certificates, retired machines, and requests that are not served.

use std::time::Duration;

use datis_engine::enrolment::EnrolmentCode;
use datis_engine::format::{decode_all, encode};
use datis_engine::ids::{PackId, Profile, VaultId};
use datis_engine::units::UnixMillis;
use datis_engine::wire::{Enrol, Enrolled, Heartbeat, Policy, RefusalCode, Renew, Renewed, SessionId, pack_path};
use rcgen::{KeyPair, PKCS_ED25519};

use super::fixture::{Identity, Port, Wire, post, signing_request};
use crate::certs::Certs;
use crate::config::DataDir;
use crate::operations;
use crate::operations::accounts::Actor;

const MESSAGES: [&str; 9] = [
    "/v1/renew",
    "/v1/heartbeat",
    "/v1/begin",
    "/v1/have",
    "/v1/commit",
    "/v1/abandon",
    "/v1/snapshots",
    "/v1/locate",
    "/v1/read",
];

fn heartbeat() -> Heartbeat {
    Heartbeat { client_version: "0".to_owned(), now: UnixMillis(0) }
}

fn put(body: &str) -> String {
    let path = pack_path(SessionId(1), &PackId::from_bytes([1; 32]));
    format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn without_a_certificate_nothing_but_enrolment_is_heard() {
    let port = Port::serve();
    for path in MESSAGES {
        let answer = port.connect(None).ask(&post(path, b"\xa0")).expect("answer");
        assert_eq!((answer.status, answer.refusal().code), (401, RefusalCode::NoCertificate), "{path}");
    }
    let answer = port.connect(None).ask(put("body").as_bytes()).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (401, RefusalCode::NoCertificate));
}

/// TLS 1.3 tells a client about its own certificate only after the handshake; no request is answered.
fn is_refused_by_tls(mut wire: Wire) -> bool {
    match wire.message(&heartbeat()) {
        Ok(answer) => panic!("answered with {}", answer.status),
        Err(e) => {
            e.to_string().contains("ertificate")
                || e.to_string().contains("UnknownCA")
                || e.kind() != std::io::ErrorKind::TimedOut
        }
    }
}

#[test]
fn certificates_of_others_and_expired_ones_are_refused_before_a_request_is_read() {
    let port = Port::serve();
    let folder = tempfile::tempdir().expect("folder");
    let dir = DataDir::new(folder.path());
    std::fs::create_dir(dir.keys_dir()).expect("keys");
    let other_box = Certs::open_or_make(&dir, VaultId::from_bytes([7; 16]), &mut |_| ()).expect("certs");
    let now = port.site.clock.now();
    assert!(is_refused_by_tls(port.connect(Some(&Identity::signed_by(&other_box, now)))));

    let years = |n: i64| n * 366 * 86_400_000;
    let expired = Identity::signed_by(&port.certs, UnixMillis(now.0 - years(2)));
    assert!(is_refused_by_tls(port.connect(Some(&expired))));
    let not_yet = Identity::signed_by(&port.certs, UnixMillis(now.0 + years(1)));
    assert!(is_refused_by_tls(port.connect(Some(&not_yet))));
}

#[test]
fn a_certificate_without_a_machine_and_a_retired_machine_are_refused() {
    let port = Port::serve();
    let unknown = Identity::signed_by(&port.certs, port.site.clock.now());
    let answer = port.connect(Some(&unknown)).message(&heartbeat()).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (403, RefusalCode::UnknownMachine));

    let retired = port.enrol("till");
    let mut wire = port.connect(Some(&retired));
    assert_eq!(wire.message(&heartbeat()).expect("answer").status, 200);
    operations::retire_machine(&port.site, &Actor::console(), &"till".parse().expect("name")).expect("retire");
    std::thread::sleep(Duration::from_millis(2_200));
    let answer = wire.message(&heartbeat()).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (403, RefusalCode::UnknownMachine));
}

#[test]
fn what_is_not_served_is_refused_in_the_same_form() {
    let port = Port::serve();
    let machine = port.enrol("till");
    for request in
        ["GET / HTTP/1.1", "GET /v1/heartbeat HTTP/1.1", "POST /v2/heartbeat HTTP/1.1", "DELETE /v1/packs/1/2 HTTP/1.1"]
    {
        for identity in [None, Some(&machine)] {
            let answer =
                port.connect(identity).ask(format!("{request}\r\nhost: x\r\n\r\n").as_bytes()).expect("answer");
            assert_eq!((answer.status, answer.refusal().code), (404, RefusalCode::NotFound), "{request}");
        }
    }
}

#[test]
fn noise_in_the_place_of_a_message_is_refused_with_a_sentence() {
    let port = Port::serve();
    let machine = port.enrol("till");
    for path in MESSAGES {
        for noise in [
            b"".as_slice(),
            b"\xff\xff\xff",
            b"\xbf",
            b"hello",
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            let answer = port.connect(Some(&machine)).ask(&post(path, noise)).expect("answer");
            assert_eq!((answer.status, answer.refusal().code), (400, RefusalCode::Malformed), "{path} {noise:?}");
        }
    }
    let plain = b"POST /v1/heartbeat HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1\r\n\r\n\xa0";
    let answer = port.connect(Some(&machine)).ask(plain).expect("answer");
    assert_eq!((answer.status, answer.refusal().code), (400, RefusalCode::Malformed));
    for path in ["/v1/packs/x/00", "/v1/packs/-1/00", "/v1/packs/1/../../etc"] {
        let request = format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx");
        let answer = port.connect(Some(&machine)).ask(request.as_bytes()).expect("answer");
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
    }
}

#[test]
fn a_code_enrols_one_machine_once_and_wrong_codes_run_out() {
    let port = Port::serve();
    let name = "till".parse().expect("name");
    let code = operations::create_enrolment_code(&port.site, &Actor::console(), &name, Profile::Server).expect("code");
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("key");
    let message = Enrol { code: code.expose().to_owned(), signing_request: signing_request(&key) };
    let answer = port.connect(None).message(&message).expect("answer");
    assert_eq!(answer.status, 200);
    let enrolled: Enrolled = decode_all("enrolled", &answer.body).expect("enrolled");
    let identity = Identity { key: key.serialize_der(), certificate: enrolled.certificate };
    let mut wire = port.connect(Some(&identity));
    decode_all::<Policy>("policy", &wire.message(&heartbeat()).expect("answer").body).expect("policy");

    // Renewal is for the machine's own key.
    let renewed = wire.message(&Renew { signing_request: signing_request(&key) }).expect("answer");
    decode_all::<Renewed>("renewed", &renewed.body).expect("renewed");
    let other_key = KeyPair::generate_for(&PKCS_ED25519).expect("key");
    let answer = wire.message(&Renew { signing_request: signing_request(&other_key) }).expect("answer");
    assert_eq!(answer.refusal().code, RefusalCode::BadSignature);

    // Used, made up, and garbled codes get the same answer, and not for long.
    let wrong = |code: String| {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("key");
        let message = Enrol { code, signing_request: signing_request(&key) };
        let answer = port.connect(None).ask(&post("/v1/enrol", &encode(&message))).expect("answer");
        answer.refusal()
    };
    let used = wrong(code.expose().to_owned());
    assert_eq!(used.code, RefusalCode::BadCode);
    assert_eq!(wrong(EnrolmentCode::generate().expect("code").expose().to_owned()), used);
    let codes: Vec<RefusalCode> = (0..12).map(|_| wrong("A".repeat(24)).code).collect();
    assert_eq!(codes.iter().filter(|code| **code == RefusalCode::BadCode).count(), 8);
    assert_eq!(codes.last(), Some(&RefusalCode::Busy));
}
