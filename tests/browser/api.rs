//! Whatever is sent to the portal's routes, none of them breaks: schemathesis makes requests out of the OpenAPI document,
//! fitting ones and others, and looks for answers that say the box has failed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Finished, Invocation, TestBox};

use crate::scene;

/// Requests that are made for one route, at most, in each phase.
const EXAMPLES: &str = "40";
/// Routes that end the session which the requests are sent with, or never end.
const LEFT_OUT: &str = "^/(logout|events|account/(sessions|password|second-factor).*|people/.*)$";

fn schemathesis() -> PathBuf {
    let python = PathBuf::from(std::env::var_os("DATIS_PYTHON").expect("DATIS_PYTHON names the Python of the tests"));
    python.with_file_name("schemathesis")
}

/// Lets it loose on the document at `schema`, with further `words`.
fn attack(schema: &str, report: &Path, words: &[&str]) -> Finished {
    Invocation::new(schemathesis())
        .args(["run", schema, "--no-color", "--checks", "not_a_server_error", "--generation-deterministic"])
        .args(["--max-examples", EXAMPLES, "--suppress-health-check", "all", "--warnings", "off"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-redirects", "0"])
        .arg("--report-ndjson-path")
        .arg(report)
        .args(words)
        .in_folder(report.parent().expect("a report lies in a folder"))
        .patience(Duration::from_secs(600))
        .run()
}

/// How often each status was answered, by the report's own words.
fn answers(report: &Path, status: u16) -> usize {
    let text = std::fs::read_to_string(report).expect("a report was written");
    text.matches(&format!("\"status_code\":{status},")).count()
        + text.matches(&format!("\"status_code\": {status},")).count()
}

/// What it checks the portal's certificate with.
fn authority(the_box: &TestBox) -> String {
    let der = std::fs::read(the_box.authority()).expect("the portal's authority");
    let lines = data_encoding::BASE64.encode(&der);
    let pem = the_box.beside().join("authority.pem");
    std::fs::write(&pem, format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")).expect("a file");
    pem.to_string_lossy().into_owned()
}

#[test]
fn no_request_that_the_document_allows_or_forbids_breaks_the_portal() {
    scene::apart(|place| {
        let the_box = place.start_box();
        let mut admin = scene::admin(&the_box, "claire");
        let machine = the_box.enrol("till");
        let _done = machine.backup(Path::new("/etc/ssl"));
        let (schema, authority) = (the_box.url("/openapi.json"), authority(&the_box));
        let report = the_box.beside().join("requests.ndjson");

        let made = admin.post("/account/tokens", &[("name", "attack"), ("scope", "manage"), ("days", "1")]);
        let token = made.body.split("id=\"token\"").nth(1).and_then(|rest| rest.split(['>', '<']).nth(1));
        let token = format!("Authorization: Bearer {}", token.expect("a token"));
        let words = ["--tls-verify", &authority, "--header", &token, "--exclude-path-regex", LEFT_OUT];
        attack(&schema, &report, &words).expect_success();
        for status in [200, 303, 404, 422] {
            assert!(answers(&report, status) > 0, "nothing was answered with {status}");
        }

        // The session may do what needs a password that was given just now.
        let session = format!("Cookie: {}={}", harness::portal::COOKIE, admin.cookie);
        let words = ["--tls-verify", &authority, "--header", &session, "--header", "Sec-Fetch-Site: same-origin"];
        attack(&schema, &report, &[words.as_slice(), &["--exclude-path-regex", LEFT_OUT]].concat()).expect_success();
        assert_eq!(admin.get("/machines").status, 200, "the session was ended by what should not end it");
        the_box.assert_sound();
    });
}

/// The same, against something that always fails.
#[test]
fn an_answer_that_says_the_server_failed_is_found() {
    scene::apart(|_| {
        let folder = harness::scratch();
        let schema = folder.path().join("openapi.json");
        let document = r#"{"openapi": "3.1.0", "info": {"title": "t", "version": "1"},
                           "paths": {"/x": {"get": {"responses": {"200": {"description": "ok"}}}}}}"#;
        std::fs::write(&schema, document).expect("a document");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        let report = folder.path().join("requests.ndjson");
        let found = attack(&schema.to_string_lossy(), &report, &["--url", &url]).expect_code(1);
        assert!(found.text().contains("Server error"), "{found}");
    });
}
