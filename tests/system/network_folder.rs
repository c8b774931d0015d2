//! Backups as a network folder, through a program that others have written: rclone, as Debian has it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use harness::portal::{self, Visitor};
use harness::{Finished, Invocation, TestBox, people, scratch, tree};

/// Somebody with rclone and a token.
struct Drive {
    settings: Vec<(String, String)>,
    authority: PathBuf,
}

impl Drive {
    fn new(the_box: &TestBox, name: &str, token: &str) -> Self {
        let obscured = Invocation::new("/usr/bin/rclone").args(["obscure", token]).run().expect_success().text();
        let settings = [
            ("TYPE", "webdav".to_owned()),
            ("VENDOR", "other".to_owned()),
            ("URL", the_box.url("/dav/")),
            ("USER", name.to_owned()),
            ("PASS", obscured.trim().to_owned()),
        ];
        let settings = settings.map(|(key, value)| (format!("RCLONE_CONFIG_BOX_{key}"), value)).to_vec();
        let der = std::fs::read(the_box.authority()).expect("the portal's authority");
        let authority = the_box.beside().join("authority.pem");
        let lines = data_encoding::BASE64.encode(&der);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
        std::fs::write(&authority, pem).expect("a file");
        Self { settings, authority }
    }

    fn run(&self, words: &[&str]) -> Finished {
        let mut rclone = Invocation::new("/usr/bin/rclone").args(words).arg("--ca-cert").arg(&self.authority);
        rclone = rclone.args(["--config", "/dev/null", "--retries", "1", "--low-level-retries", "2"]);
        for (name, value) in &self.settings {
            rclone = rclone.env(name, value);
        }
        rclone.patience(Duration::from_secs(300)).run()
    }

    /// What is in a folder, folders with a `/` at the end.
    fn list(&self, folder: &str) -> Vec<String> {
        let told = self.run(&["lsf", &format!("box:{folder}")]).expect_success().text();
        told.lines().map(str::to_owned).collect()
    }
}

/// A token for network folders, made as its owner makes it.
fn token(visitor: &mut Visitor) -> String {
    let page = visitor.get("/account").body;
    assert!(page.contains("davs://127.0.0.1"), "the own page says where the folder is");
    let made = visitor.post("/account/tokens", &[("name", "drive"), ("scope", "webdav"), ("days", "1")]);
    let token = made.body.split("id=\"token\"").nth(1).and_then(|rest| rest.split(['>', '<']).nth(1));
    token.expect("a token").to_owned()
}

/// Every file below `folder`: its path, its bytes, when it was changed.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let changed = path.metadata().and_then(|m| m.modified()).expect("a time");
            let bytes = std::fs::read(&path).expect("a file");
            found.insert(path.strip_prefix(folder).expect("below").to_owned(), (bytes, changed));
        }
    }
    found
}

#[test]
fn another_program_finds_the_dates_and_gets_a_folder_byte_for_byte() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("till 1");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 40, 1);
    std::fs::write(source.join("large"), harness::Random::new(7).bytes(24 << 20)).expect("a file");
    std::fs::write(source.join("empty"), b"").expect("a file");
    std::fs::write(source.join("Bilan d’été – 100 % #1.ods"), b"summer").expect("a file");
    std::fs::write(source.join("12:30?"), b"odd").expect("a file");
    let _first = machine.backup(&source);
    std::fs::remove_file(source.join("empty")).expect("remove");
    let _second = machine.backup(&source);
    std::fs::write(source.join("empty"), b"").expect("a file");

    let mut admin = people::admin(&the_box, "claire");
    let drive = Drive::new(&the_box, "claire", &token(&mut admin));
    assert_eq!(drive.list(""), ["till 1/"]);
    assert_eq!(drive.list("till 1"), ["source/"]);
    let dates = drive.list("till 1/source");
    assert_eq!(dates.len(), 2, "{dates:?}");
    let pattern = "dddd-dd-dd dd.dd.dd";
    for date in &dates {
        let digits: String = date.chars().take(19).map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
        assert!(digits == pattern && date.ends_with('/'), "{date}");
    }
    // Of two in one second the later one carries more.
    let first = dates.iter().min_by_key(|date| (&date[..19], date.len())).expect("a date");
    let below = source.strip_prefix("/").expect("absolute").to_str().expect("text");
    let there = format!("box:till 1/source/{first}{below}");
    let target = folder.path().join("target");
    let _copied = drive.run(&["copy", &there, target.to_str().expect("text")]).expect_success();
    let (mut expected, got) = (files(&source), files(&target));
    let odd = expected.remove(Path::new("12:30?")).expect("the odd one");
    expected.insert("12^3A30^3F".into(), odd);
    assert!(got.keys().eq(expected.keys()), "{:?}", got.keys());
    for (path, (bytes, changed)) in &expected {
        assert!(got[path].0 == *bytes, "{} differs", path.display());
        let apart = got[path].1.duration_since(*changed).unwrap_or_else(|e| e.duration());
        assert!(apart < Duration::from_secs(2), "{}: {apart:?}", path.display());
    }
    let part = drive.run(&["cat", "--offset", "5000000", "--count", "70000", &format!("{there}/large")]);
    assert!(part.expect_success().stdout == expected[Path::new("large")].0[5_000_000..5_070_000], "a part of a file");

    // Nothing can be changed, and what was taken stands in the log, each file once.
    let new = folder.path().join("target/empty");
    let new = new.to_str().expect("text");
    for words in [
        &["copyto", new, &format!("{there}/new")][..],
        &["copyto", new, &format!("{there}/large")],
        &["deletefile", &format!("{there}/large")],
        &["purge", &there],
        &["mkdir", &format!("{there}/new")],
        &["moveto", &format!("{there}/large"), &format!("{there}/larger")],
    ] {
        let refused = drive.run(words);
        assert_ne!(refused.code(), Some(0), "{words:?}");
    }
    let again = drive.run(&["check", "--download", &there, target.to_str().expect("text")]);
    let _whole = again.expect_success();
    let log = admin.get("/audit").body;
    assert!(log.contains("webdav 20") && log.contains("till 1/source"), "{log}");
    assert_eq!(log.matches("/large<").count(), 1, "once for all its parts: {log}");
    the_box.assert_sound();
}

#[test]
fn another_program_sees_the_own_machines_alone_and_needs_a_token() {
    let the_box = TestBox::start();
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 3, 1);
    for name in ["own", "other"] {
        let _done = the_box.enrol(name).backup(&source);
    }
    let mut admin = people::admin(&the_box, "claire");
    let mut paul = people::person(&the_box, &mut admin, "paul", "member");
    let own = the_box.status()["machines"].as_array().expect("machines").iter().find(|m| m["name"] == "own").cloned();
    let own = own.expect("the machine")["id"].as_str().expect("an id").to_owned();
    let form = [("role", "member"), ("active", "yes"), ("service", "webdav"), ("machine", own.as_str())];
    let changed = admin.post("/people/paul", &form);
    assert_eq!(changed.status, 303, "{}", changed.body);
    let drive = Drive::new(&the_box, "paul", &token(&mut paul));
    assert_eq!(drive.list(""), ["own/"]);
    let foreign = drive.run(&["lsf", "box:other/source"]);
    assert!(foreign.code() != Some(0) && foreign.error_text().contains("not found"), "{foreign}");
    let by_password = Drive::new(&the_box, "paul", people::PASSWORD).run(&["lsf", "box:"]);
    assert!(by_password.code() != Some(0) && by_password.error_text().contains("401"), "{by_password}");
    the_box.assert_sound();
}

/// Sends a request as it stands, on a connection of its own; gives the status of the answer.
fn raw(the_box: &TestBox, head: &str, authorization: &str, body: &[u8]) -> u16 {
    let authority = std::fs::read(the_box.authority()).expect("the portal's authority");
    let port = the_box.portal_port();
    let mut stream = portal::connect(("127.0.0.1", port), authority);
    let head = format!(
        "{head} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {authorization}\r\nDepth: 1\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // Who is refused early may find the connection closed before all was sent.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    while let Ok(len @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..len]);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{head}: no answer: {answer}"))
}

#[test]
fn hostile_requests_leave_the_box_as_it_was() {
    let the_box = TestBox::start();
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 3, 1);
    let _done = the_box.enrol("till").backup(&source);
    let mut admin = people::admin(&the_box, "claire");
    let right = data_encoding::BASE64.encode(format!("claire:{}", token(&mut admin)).as_bytes());
    let deep = format!("<propfind xmlns=\"DAV:\">{}{}</propfind>", "<a>".repeat(9_000), "</a>".repeat(9_000));
    let entities: String =
        (1..9).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    let bomb = format!("<!DOCTYPE a [<!ENTITY e0 \"aaaaaaaaaa\">{entities}]><propfind xmlns=\"DAV:\">&e8;</propfind>");
    for (head, body, status) in [
        ("PROPFIND /dav/", deep.as_bytes(), 207),
        ("PROPFIND /dav/", bomb.as_bytes(), 207),
        ("PROPFIND /dav/", &vec![b'<'; 8 << 20], 413),
        ("PROPFIND /dav/../machines", b"", 404),
        ("PROPFIND /dav/till/..%2f..%2f", b"", 404),
        ("PROPFIND /dav/till/source/%00", b"", 404),
        ("GET /%64av/till/", b"", 404),
        ("GET /dav/%2e%2e/%2e%2e/etc/passwd", b"", 404),
        ("PUT /dav/till/new", &vec![b'x'; 8 << 20], 405),
        ("LOCK /dav/till/", deep.as_bytes(), 405),
        ("DELETE /dav/till/", b"", 405),
        ("MKCOL /dav/till/new/", b"", 403),
        ("PROPFIND /dav/", b"", 207),
    ] {
        assert_eq!(raw(&the_box, head, &right, body), status, "{head}");
        let stranger = raw(&the_box, head, "eDp5", b"");
        assert!([401, 404, 429].contains(&stranger), "{head}: {stranger}");
    }
    assert_eq!(the_box.get("/healthz").0, 200);
    the_box.assert_sound();
}
