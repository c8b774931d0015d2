//! A reseller prepares boxes: one signed file, and what becomes of it on boxes that are new, believe somebody else, or have
//! an owner already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness::portal::Visitor;
use harness::{BoxOptions, Invocation, Programs, TestBox, people, scratch};

/// The reseller's own computer: a key and what it signs.
struct Reseller {
    folder: tempfile::TempDir,
    /// Of its key, as people compare it.
    fingerprint: String,
}

impl Reseller {
    fn new() -> Self {
        let folder = scratch();
        let made = datisd(["bundle", "key", "--json"]).arg(folder.path().join("reseller.pem")).run().expect_success();
        let fingerprint = made.json()["key"].as_str().expect("a fingerprint").to_owned();
        Self { folder, fingerprint }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A signed bundle, as a file of the reseller's.
    fn bundle(&self, serial: u32, settings: &serde_json::Value) -> PathBuf {
        let content = serde_json::json!({
            "format": 1, "reseller": { "name": "Tills & Sons", "contact": "support@tills.example" },
            "serial": serial, "not_after": "2099-12-31", "settings": settings,
        });
        let (source, out) = (self.path("defaults.json"), self.path(&format!("bundle-{serial}.json")));
        std::fs::write(&source, content.to_string()).expect("written");
        let sign = datisd(["bundle", "sign"]).arg(&source).arg("--signing-key").arg(self.path("reseller.pem"));
        let told = sign.arg("--out").arg(&out).run().expect_success().text();
        assert!(told.contains("Tills & Sons") && told.contains(&self.fingerprint), "{told}");
        out
    }

    /// What is set in `datisd.toml` of boxes that believe this reseller.
    fn config(&self) -> String {
        format!("[bundle]\nkey = \"{}\"\n", self.fingerprint)
    }
}

fn datisd<const N: usize>(words: [&str; N]) -> Invocation {
    Invocation::new(Programs::plain().datisd()).args(words)
}

fn settings() -> serde_json::Value {
    serde_json::json!({
        "portal": { "names": ["backup.lan"] },
        "mail": { "host": "smtp.tills.example", "user": "boxes", "sender": "box@tills.example",
                  "recipients": ["support@tills.example"], "language": "fr", "report_at": "06:45" },
        "alerts": { "mail": ["alarm"], "quiet": { "from": "21:15", "until": "07:00" } },
        "machines": { "server": { "every": "25m", "local": "lean" } },
    })
}

fn put(the_box: &TestBox, bundle: &Path) {
    std::fs::copy(bundle, the_box.data().join("bundle.json")).expect("copied");
}

/// Why the last bundle was not taken; that nothing was set is checked here.
#[track_caller]
fn refused(the_box: &TestBox) -> String {
    let shown = the_box.command(["bundle", "show", "--json"]).run().expect_success().json();
    assert_eq!(shown["applied"], serde_json::Value::Null, "{shown}");
    defaults_stand(the_box);
    shown["refused"]["reason"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn defaults_stand(the_box: &TestBox) {
    let policy = the_box.command(["policy", "--new", "server", "--json"]).run().expect_success().json();
    assert_eq!(policy["every"], "1h", "{policy}");
}

#[test]
fn a_blank_box_starts_with_what_its_reseller_has_prepared_and_everything_can_be_changed() {
    let reseller = Reseller::new();
    let bundle = reseller.bundle(3, &settings());
    let mut the_box = BoxOptions::new().config(reseller.config()).prepare();
    put(&the_box, &bundle);
    the_box.start_again();
    assert_eq!(the_box.status()["portal"]["url"].as_str().map(|url| url.contains("backup.lan")), Some(true));
    let mut admin = people::admin(&the_box, "claire");
    let page = |admin: &mut Visitor, path: &str, said: &[&str]| {
        let page = admin.get(path).body;
        for said in said {
            assert!(page.contains(said), "{said} in {path}: {page}");
        }
    };
    page(&mut admin, "/setup", &["Tills &#38; Sons", "support@tills.example", "number 3"]);
    page(
        &mut admin,
        "/reports",
        &["smtp.tills.example", "boxes", "box@tills.example", "support@tills.example", "06:45"],
    );
    page(&mut admin, "/alerts/settings", &["21:15", "07:00"]);
    let _machine = the_box.enrol("till-1");
    let policy = the_box.command(["policy", "--machine", "till-1", "--json"]).run().expect_success().json();
    assert_eq!(policy[0]["every"], "25m", "{policy}");
    page(&mut admin, "/audit", &["Tills &#38; Sons", "serial 3"]);
    assert_eq!(admin.get("/site/certificate.pdf").status, 200);
    // Everything stays editable: in the portal, on the console, in the file.
    let changed = admin.post(
        "/reports",
        &[
            ("host", "mail.example.org"),
            ("port", "25"),
            ("security", "none"),
            ("user", ""),
            ("password", ""),
            ("sender", "box@example.org"),
            ("recipients", "claire@example.org"),
            ("language", "en"),
            ("at", "08:00"),
        ],
    );
    assert_eq!(changed.location, "/reports?said=saved", "{}", changed.body);
    let _set = the_box.command(["policy", "--new", "server", "--every", "3h"]).run().expect_success();
    the_box.stop();
    let config = the_box.data().join("datisd.toml");
    let text = std::fs::read_to_string(&config).expect("text");
    std::fs::write(&config, format!("{text}\n[portal]\nnames = [\"box.lan\"]\n")).expect("written");
    the_box.start_again();
    assert!(the_box.status()["portal"]["url"].as_str().is_some_and(|url| url.contains("box.lan")));
    page(&mut admin, "/reports", &["mail.example.org"]);
    let policy = the_box.command(["policy", "--new", "server", "--json"]).run().expect_success().json();
    assert_eq!(policy["every"], "3h", "the file in the folder is not looked at any more: {policy}");
    // And with an owner it takes no other one.
    let newer = reseller.bundle(4, &settings());
    let apply = the_box.command(["bundle", "apply"]).arg(&newer).run();
    let _refused = apply.expect_refusal(1, &["has an admin", "portal"]);
    the_box.stop();
    let _rebuilt = the_box.command(["rebuild"]).run().expect_success();
    the_box.start_again();
    let shown = the_box.command(["bundle", "show", "--json"]).run().expect_success().json();
    assert_eq!(
        (&shown["applied"]["serial"], &shown["applied"]["contact"]),
        (&3.into(), &"support@tills.example".into())
    );
    let policy = the_box.command(["policy", "--new", "server", "--json"]).run().expect_success().json();
    assert_eq!(policy["every"], "3h", "a rebuilt catalog knows it: {policy}");
}

#[test]
fn what_nobody_vouches_for_what_was_changed_and_what_is_older_is_refused_and_the_box_starts() {
    let (reseller, stranger) = (Reseller::new(), Reseller::new());
    let mut the_box = BoxOptions::new().config(reseller.config()).prepare();
    put(&the_box, &stranger.bundle(1, &settings()));
    the_box.start_again();
    assert_eq!(refused(&the_box), "other-key");
    the_box.stop();
    let good = reseller.bundle(5, &settings());
    let mut text = std::fs::read_to_string(&good).expect("text");
    let at = text.find("\"content\": \"").expect("the content") + 40;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    text.replace_range(at..=at, other);
    std::fs::write(the_box.data().join("bundle.json"), &text).expect("written");
    the_box.start_again();
    assert_eq!(refused(&the_box), "signature");
    assert!(the_box.log().contains("The bundle was not taken"), "{}", the_box.log());
    the_box.stop();
    // Taken while the daemon rests, then an older one and one of a stranger, who has to be named.
    let _applied = the_box.command(["bundle", "apply"]).arg(&good).run().expect_success();
    let older = the_box.command(["bundle", "apply"]).arg(reseller.bundle(4, &settings())).run();
    let _refused = older.expect_refusal(1, &["serial 4", "serial 5"]);
    std::fs::remove_file(the_box.data().join("bundle.json")).expect("removed");
    the_box.start_again();
    let theirs = stranger.bundle(2, &serde_json::json!({}));
    let unnamed = the_box.command(["bundle", "apply"]).arg(&theirs).run();
    let _refused = unnamed.expect_refusal(1, &[&reseller.fingerprint, &stranger.fingerprint]);
    let named = the_box.command(["bundle", "apply", "--key", &stranger.fingerprint.to_uppercase()]).arg(&theirs).run();
    let _applied = named.expect_success();
    defaults_stand(&the_box);
}

#[test]
fn a_bundle_whose_key_nobody_has_named_waits_for_the_technician() {
    let reseller = Reseller::new();
    let mut the_box = BoxOptions::new().prepare();
    put(&the_box, &reseller.bundle(1, &settings()));
    the_box.start_again();
    assert_eq!(refused(&the_box), "untrusted");
    let without = the_box.command(["bundle", "apply"]).run();
    let _refused = without.expect_refusal(1, &["vouched", &reseller.fingerprint]);
    let told = the_box.command(["bundle", "apply", "--key", &reseller.fingerprint]).run().expect_success().text();
    assert!(told.contains("Applied") && told.contains("next start"), "{told}");
    let policy = the_box.command(["policy", "--new", "server", "--json"]).run().expect_success().json();
    assert_eq!(policy["every"], "25m", "{policy}");
    // What was taken by hand is no fault at the next start, though nobody has named its key in datisd.toml.
    the_box.stop();
    the_box.start_again();
    let shown = the_box.command(["bundle", "show", "--json"]).run().expect_success().json();
    assert_eq!((&shown["applied"]["serial"], &shown["refused"]), (&1.into(), &serde_json::Value::Null), "{shown}");
}

#[test]
fn a_box_fetches_its_bundle_and_one_that_cannot_starts_all_the_same() {
    let reseller = Reseller::new();
    let bundle = std::fs::read(reseller.bundle(8, &settings())).expect("bundle");
    let certificate = reseller.path("ca.pem");
    let port = serve(bundle, &certificate);
    let config = format!("{}url = \"https://127.0.0.1:{port}/boxes/bundle.json\"\n", reseller.config());
    let mut blank = BoxOptions::new().config(&config).env("SSL_CERT_FILE", &certificate).prepare();
    blank.start_again();
    let shown = blank.command(["bundle", "show", "--json"]).run().expect_success().json();
    assert_eq!(shown["applied"]["serial"], 8, "{shown}");
    // Nothing listens there.
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a port").port();
    let config = format!("{}url = \"https://127.0.0.1:{closed}/bundle.json\"\n", reseller.config());
    let alone = BoxOptions::new().config(&config).env("SSL_CERT_FILE", &certificate).start();
    assert_eq!(refused(&alone), "unreachable");
}

/// Serves `document` over TLS for ever; writes the certificate to be believed to `certificate`.
fn serve(document: Vec<u8>, certificate: &Path) -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("certificate");
    std::fs::write(certificate, made.cert.pem()).expect("written");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("certificate");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("tls");
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let mut asked = BufReader::new(&mut stream);
            let mut line = String::new();
            while asked.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            // A caller that does not believe the certificate is gone by now.
            let said = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").and_then(|()| stream.write_all(&document));
            stream.conn.send_close_notify();
            let _gone = said.and_then(|()| stream.flush());
        }
    });
    port
}

#[test]
fn resellers_are_told_what_boxes_would_refuse_and_keep_their_key() {
    let (reseller, stranger) = (Reseller::new(), Reseller::new());
    let good = reseller.bundle(1, &settings());
    let told = datisd(["bundle", "check"]).arg(&good).run().expect_success().text();
    assert!(told.contains("smtp.tills.example") && told.contains(&reseller.fingerprint), "{told}");
    let other = datisd(["bundle", "check", "--key", &stranger.fingerprint]).arg(&good).run();
    let _refused = other.expect_refusal(1, &[&reseller.fingerprint, &stranger.fingerprint]);
    let over = datisd(["bundle", "key"]).arg(reseller.path("reseller.pem")).run();
    let _refused = over.expect_refusal(1, &["reseller.pem"]);
    let bare = |more: &str, last: &str| {
        format!(
            "{{\"format\":1,\"reseller\":{{\"name\":\"x\",\"contact\":\"y\"}},\"serial\":1,\"not_after\":\"{last}\"{more}}}"
        )
    };
    for (content, named) in [
        (bare(",\"settings\":{\"colour\":1}", "2099-12-31"), "colour"),
        (bare("", "2001-01-01"), "2001-01-01"),
        ("{".to_owned(), "line 1"),
    ] {
        let source = reseller.path("bad.json");
        std::fs::write(&source, content).expect("written");
        let (pem, out) = (reseller.path("reseller.pem"), reseller.path("bad-bundle.json"));
        let sign = datisd(["bundle", "sign"]).arg(&source).arg("--signing-key").arg(pem).arg("--out").arg(&out);
        let _refused = sign.run().expect_refusal(1, &["bad.json", named]);
        assert!(!out.exists());
    }
}
