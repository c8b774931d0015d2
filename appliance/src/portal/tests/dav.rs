//! Network folders on real snapshots, as programs open them who may, and those who may not.

use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service};
use data_encoding::BASE64;
use datis_engine::ids::MachineId;
use datis_engine::store::ObjectKind;
use datis_engine::units::Seconds;

use super::super::access::Access;
use super::super::answer::encoded;
use super::super::dav::places::OF_ONE_ACCOUNT;
use super::super::routes::ROUTES;
use super::super::*;
use super::{Asked, Fixture, PASSWORD, ask, fixture, path_of};
use crate::operations;
use crate::operations::accounts::{self, Action, Actor, AuditEntry, Role, Service, TokenScope};
use crate::operations::testing::{Client, Planted, noise};

/// Every method of HTTP and WebDAV that changes something, with those of its relatives (RFC 3253, 3648, 3744, 4791, 5323,
/// 5789, 5842), and some that nobody knows.
const WRITING: [&str; 27] = [
    "PUT",
    "POST",
    "DELETE",
    "PATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "ACL",
    "BIND",
    "UNBIND",
    "REBIND",
    "CHECKIN",
    "CHECKOUT",
    "UNCHECKOUT",
    "LABEL",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKWORKSPACE",
    "ORDERPATCH",
    "UPDATE",
    "VERSION-CONTROL",
    "TRACE",
    "X-ANYTHING",
];

const PEER: &str = "127.0.0.1:40000";

pub(super) fn basic(name: &str, token: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{name}:{token}").as_bytes()))
}

/// A token for network folders, or the one for looking where the account may not have one.
pub(super) fn any_token_of(fixture: &Fixture, actor: &Actor) -> String {
    match accounts::make_token(fixture.site(), actor, "drive", TokenScope::Webdav, Seconds::DAY) {
        Ok(token) => token.expose().to_owned(),
        Err(_) => granted_token_of(fixture, actor),
    }
}

/// As if it had been made before the account lost its right.
fn granted_token_of(fixture: &Fixture, actor: &Actor) -> String {
    let token = accounts::make_token(fixture.site(), actor, "drive", TokenScope::Manage, Seconds::DAY).expect("token");
    let changed = fixture.site().catalog.writer().write(|tx| {
        tx.execute("UPDATE api_token SET scope = 'webdav' WHERE id = (SELECT max(id) FROM api_token)", [])
            .expect("scope");
        Ok::<_, OperationError>(())
    });
    changed.expect("write");
    token.expose().to_owned()
}

struct Got {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
    /// Whether the body came to its end.
    is_whole: bool,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("text")
    }

    /// The addresses that it tells of, below the first one.
    fn below(&self) -> Vec<String> {
        assert_eq!(self.status, StatusCode::MULTI_STATUS, "{}", self.text());
        let text = self.text();
        let all = text.split("<D:href>").skip(1).filter_map(|rest| rest.split('<').next());
        all.skip(1).map(str::to_owned).collect()
    }
}

/// Somebody's drive.
struct Drive<'f> {
    fixture: &'f Fixture,
    /// Where it asks from.
    peer: &'static str,
    credentials: String,
}

impl<'f> Drive<'f> {
    fn of(fixture: &'f Fixture, actor: &Actor) -> Self {
        Self { fixture, peer: PEER, credentials: basic(actor.name(), &any_token_of(fixture, actor)) }
    }

    fn admins(fixture: &'f Fixture) -> Self {
        Self::of(fixture, &fixture.signed_in(Role::Admin).1)
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let service = init_service(app(web::Data::from(Arc::clone(&self.fixture.portal)))).await;
        let mut request = TestRequest::default()
            .method(method.parse().expect("method"))
            .uri(path)
            .peer_addr(self.peer.parse().expect("peer"))
            .insert_header(("host", "localhost:8443"))
            .insert_header(("authorization", self.credentials.as_str()))
            .set_payload(body.to_vec());
        for header in headers {
            request = request.insert_header(*header);
        }
        let response = call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Box::pin(response.into_body());
        let (mut bytes, mut is_whole) = (Vec::new(), true);
        while let Some(piece) = std::future::poll_fn(|context| body.as_mut().poll_next(context)).await {
            match piece {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(_) => is_whole = false,
            }
        }
        Got { status, headers, bytes, is_whole }
    }

    async fn list(&self, path: &str) -> Got {
        self.send("PROPFIND", path, &[("depth", "1")], b"").await
    }

    async fn get(&self, path: &str) -> Got {
        self.send("GET", path, &[], b"").await
    }

    /// The address of the newest snapshot of the machine.
    async fn newest(&self, machine: &str) -> String {
        self.list(&format!("/dav/{machine}/system")).await.below().remove(0)
    }
}

fn file(content: &[u8]) -> Planted {
    Planted::File(content.to_vec())
}

fn tree(entries: &[(&[u8], Planted)]) -> Vec<(Vec<u8>, Planted)> {
    entries.iter().map(|(path, planted)| (path.to_vec(), planted.clone())).collect()
}

fn log_of(fixture: &Fixture, action: Action) -> Vec<AuditEntry> {
    let mut log = accounts::audit_log(fixture.site(), &Actor::console(), None, 1_000).expect("log");
    log.retain(|entry| entry.action == action.word());
    log
}

fn change_member(fixture: &Fixture, actor: &Actor, services: Vec<Service>, machines: Vec<MachineId>) {
    let change = accounts::PersonChange {
        role: Role::Member,
        may_come_in: None,
        services,
        machines: machines.into_iter().collect(),
    };
    let name = actor.name().parse().expect("name");
    accounts::change_person(fixture.site(), &Actor::console(), &name, &change).expect("change");
}

#[actix_web::test]
async fn a_drive_walks_from_the_machine_to_a_file_and_gets_it_whole_or_in_part() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let content = noise(700_000, 1);
    let entries = tree(&[
        (b"srv", Planted::Dir),
        (b"srv/docs", Planted::Dir),
        (b"srv/docs/Bilan 12:30.bin", file(&content)),
        (b"srv/docs/caf\xe9", file(b"latin")),
        (b"srv/docs/CON", file(b"device")),
        (b"srv/docs/empty", file(b"")),
        (b"srv/docs/link", Planted::Symlink(b"empty")),
        ("srv/docs/été <b>&.txt".as_bytes(), file(b"summer")),
    ]);
    client.back_up_tree(fixture.site(), entries);
    let drive = Drive::admins(&fixture);
    for top in ["/dav", "/dav/", "/dav//"] {
        assert_eq!(drive.list(top).await.below(), ["/dav/till-1/"], "{top}");
    }
    assert_eq!(drive.list("/dav/till-1/").await.below(), ["/dav/till-1/system/"]);
    let date = drive.newest("till-1").await;
    let stamp = date.strip_prefix("/dav/till-1/system/").expect("below").trim_end_matches('/').replace("%20", " ");
    assert!(stamp.len() == 19 && stamp.as_bytes()[13] == b'.' && !stamp.contains(':'), "{stamp}");
    let itself = drive.send("PROPFIND", &date, &[("depth", "0")], b"").await;
    assert!(itself.below().is_empty() && itself.text().contains("<D:getlastmodified>"), "{}", itself.text());
    assert_eq!(drive.list(&date).await.below(), [format!("{date}srv/")]);
    let docs = drive.list(&format!("{date}srv/docs")).await;
    let base = format!("{date}srv/docs/");
    let names = ["Bilan%2012%5E3A30.bin", "%5E43ON", "caf%5EE9", "empty", "%C3%A9t%C3%A9%20%5E3Cb%5E3E%26.txt"];
    let mut expected = names.map(|name| format!("{base}{name}"));
    let mut below = docs.below();
    expected.sort();
    below.sort();
    assert_eq!(below, expected, "links have no bytes");
    assert!(docs.text().contains("<D:getcontentlength>700000</D:getcontentlength>"), "{}", docs.text());

    let path = format!("{base}{}", names[0]);
    let whole = drive.get(&path).await;
    assert!(whole.status == StatusCode::OK && whole.is_whole && whole.bytes == content);
    assert_eq!(whole.header("content-type"), "application/octet-stream", "nothing runs in a browser");
    assert!(whole.header("content-disposition").starts_with("attachment") && !whole.header("last-modified").is_empty());
    assert!(docs.text().contains(whole.header("etag")), "{}", docs.text());
    let part = drive.send("GET", &path, &[("range", "bytes=4095-600000")], b"").await;
    assert_eq!(part.header("content-range"), "bytes 4095-600000/700000");
    assert!(part.status == StatusCode::PARTIAL_CONTENT && part.bytes == content[4_095..=600_000]);
    let head = drive.send("HEAD", &path, &[], b"").await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    for (name, bytes) in names[1..].iter().zip([&b"device"[..], b"latin", b"", b"summer"]) {
        assert_eq!(drive.get(&format!("{base}{name}")).await.bytes, bytes, "{name}");
    }
    assert!(drive.list(&path).await.below().is_empty(), "a file has nothing below it");
    let top = drive.get("/dav/").await;
    assert!(
        top.status == StatusCode::OK && top.text().contains("network folder"),
        "whoever opens it in a browser is told"
    );
    for folder in ["/dav/till-1/", &date, &base] {
        let got = drive.get(folder).await;
        assert_eq!(
            (got.status, got.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, "OPTIONS, PROPFIND"),
            "{folder}"
        );
    }
    let without_root = drive.send("PROPFIND", &base, &[("depth", "1,noroot")], b"").await;
    assert_eq!(without_root.below().len(), names.len());
    let options = drive.send("OPTIONS", "/dav/", &[], b"").await;
    assert_eq!((options.header("dav"), options.header("allow")), ("1", "OPTIONS, GET, HEAD, PROPFIND"));

    // Each file once, however many parts of it were fetched.
    let log = log_of(&fixture, Action::Restored);
    assert_eq!(log.len(), 5, "{log:?}");
    let first = log.last().expect("an entry");
    assert!(
        first.detail.starts_with("webdav 20") && first.detail.ends_with("Z /srv/docs/Bilan 12:30.bin"),
        "{first:?}"
    );
    assert_eq!((first.actor.as_str(), first.subject.as_str()), ("somebody-admin", "till-1/system"));
    // Whoever has stolen the token is elsewhere.
    let elsewhere = Drive { peer: "127.0.0.2:40000", ..drive };
    assert_eq!([elsewhere.get(&path).await.status, elsewhere.get(&path).await.status], [StatusCode::OK; 2]);
    assert_eq!(log_of(&fixture, Action::Restored).len(), 6);
}

#[actix_web::test]
async fn nothing_that_writes_gets_through_wherever_it_is_tried() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    client.back_up_tree(fixture.site(), tree(&[(b"a", file(b"kept"))]));
    let drive = Drive::admins(&fixture);
    let date = drive.newest("till-1").await;
    let a = format!("{date}a");
    let stranger = Drive { fixture: &fixture, peer: PEER, credentials: "none".to_owned() };
    for method in WRITING {
        for path in ["/dav", "/dav/", "/dav/till-1/", "/dav/new", date.as_str(), a.as_str(), "/dav/%00"] {
            let to = [("destination", "https://localhost:8443/dav/b"), ("overwrite", "T")];
            let got = drive.send(method, path, &to, b"<x/>").await;
            let is_new_folder = method == "MKCOL";
            let refused = if is_new_folder { StatusCode::FORBIDDEN } else { StatusCode::METHOD_NOT_ALLOWED };
            assert_eq!(got.status, refused, "{method} {path}");
            assert_eq!(got.header("allow"), "OPTIONS, GET, HEAD, PROPFIND", "{method}");
            assert_eq!(stranger.send(method, path, &to, b"").await.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    assert_eq!(drive.get(&a).await.bytes, b"kept");
    assert_eq!(drive.list("/dav/").await.below(), ["/dav/till-1/"]);
}

#[actix_web::test]
async fn only_a_token_for_network_folders_opens_them_and_it_opens_nothing_else() {
    let fixture = fixture();
    let (cookie, admin) = fixture.signed_in(Role::Admin);
    let token = |scope| {
        let token = accounts::make_token(fixture.site(), &admin, "t", scope, Seconds::DAY).expect("token");
        token.expose().to_owned()
    };
    let right = token(TokenScope::Webdav);
    let other_name = fixture.signed_in(Role::Member).1.name().to_owned();
    let status = async |credentials: &str, headers: &[(&str, &str)]| {
        let drive = Drive { fixture: &fixture, peer: PEER, credentials: credentials.to_owned() };
        let got = drive.send("PROPFIND", "/dav/", &[headers, &[("depth", "1")]].concat(), b"").await;
        let is_challenge = got.header("www-authenticate").starts_with("Basic realm=\"Datis\"");
        assert_eq!(got.status == StatusCode::UNAUTHORIZED, is_challenge);
        assert_eq!((got.header("x-content-type-options"), got.header("cache-control")), ("nosniff", "no-store"));
        assert!(got.header("content-security-policy").contains("default-src 'none'"));
        got.status
    };
    assert_eq!(status(&basic(admin.name(), &right), &[]).await, StatusCode::MULTI_STATUS);
    assert_eq!(status(&basic(&admin.name().to_uppercase(), &right), &[]).await, StatusCode::MULTI_STATUS);
    let cookie = format!("{}={cookie}", super::super::answer::COOKIE);
    assert_eq!(status("", &[("cookie", &cookie)]).await, StatusCode::UNAUTHORIZED, "no cookie counts");
    assert_eq!(status(&format!("Bearer {right}"), &[]).await, StatusCode::UNAUTHORIZED);
    for (site, expected) in [
        ("cross-site", StatusCode::FORBIDDEN),
        ("same-site", StatusCode::FORBIDDEN),
        ("none", StatusCode::MULTI_STATUS),
        ("same-origin", StatusCode::MULTI_STATUS),
    ] {
        assert_eq!(status(&basic(admin.name(), &right), &[("sec-fetch-site", site)]).await, expected, "{site}");
    }

    // The token is good for nothing else, by any route.
    let bearer = format!("Bearer {right}");
    for route in ROUTES.iter().filter(|route| route.access != Access::Folders) {
        let (path, headers) = (path_of(route), [("authorization", bearer.as_str())]);
        let asked = Asked { method: route.method, path: &path, headers: &headers, ..Asked::default() };
        assert_eq!(ask(&fixture, asked).await.status, StatusCode::FORBIDDEN, "{route:?}");
    }

    // Wrong ones: the first are free, then there is a delay, which the right one is spared.
    let (read, manage) = (token(TokenScope::Read), token(TokenScope::Manage));
    let wrong = [
        basic(admin.name(), PASSWORD),
        basic(admin.name(), &read),
        basic(&other_name, &right),
        basic(admin.name(), &manage),
    ];
    for wrong in &wrong {
        assert_eq!(status(wrong, &[]).await, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let drive = Drive { fixture: &fixture, peer: PEER, credentials: wrong[0].clone() };
    let late = drive.list("/dav/").await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(late.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{:?}", late.headers);
    assert_eq!(status(&basic(admin.name(), &right), &[]).await, StatusCode::MULTI_STATUS);
    let failed = log_of(&fixture, Action::SignInFailed);
    assert_eq!(failed.len(), wrong.len(), "{failed:?}");
    assert!(failed.iter().all(|entry| entry.detail == "webdav"), "{failed:?}");
    // A drive with an old token keeps nobody from signing in.
    let form = format!("name={}&password={}", admin.name(), PASSWORD.replace(' ', "+").replace('é', "%C3%A9"));
    let signed_in = ask(&fixture, Asked { method: "POST", path: "/login", form: &form, ..Asked::default() }).await;
    assert_eq!(signed_in.location, "/login/code", "{}", signed_in.body);
}

#[actix_web::test]
async fn who_loses_the_service_or_a_machine_loses_it_in_the_folder_too() {
    let fixture = fixture();
    let own = Client::enrol(fixture.site(), "own-till");
    let other = Client::enrol(fixture.site(), "other-till");
    own.back_up_tree(fixture.site(), tree(&[(b"a", file(b"own"))]));
    other.back_up_tree(fixture.site(), tree(&[(b"a", file(b"other"))]));
    let date = Drive::admins(&fixture).newest("other-till").await;
    let (_, member) = fixture.signed_in(Role::Member);
    change_member(&fixture, &member, vec![Service::Webdav], vec![own.machine.id]);
    let drive = Drive::of(&fixture, &member);
    assert_eq!(drive.list("/dav/").await.below(), ["/dav/own-till/"]);
    assert_eq!(drive.get(&format!("{}a", drive.newest("own-till").await)).await.bytes, b"own");
    let absent = drive.list("/dav/no-till/").await;
    for foreign in ["/dav/other-till", "/dav/other-till/system", &date, &format!("{date}a")] {
        for method in ["PROPFIND", "GET"] {
            let got = drive.send(method, foreign, &[("depth", "1")], b"").await;
            assert_eq!(got.status, StatusCode::NOT_FOUND, "{method} {foreign}");
            assert_eq!(got.bytes, absent.bytes, "nothing tells them apart");
        }
    }
    change_member(&fixture, &member, vec![Service::Webdav], vec![]);
    assert!(drive.list("/dav/").await.below().is_empty());
    change_member(&fixture, &member, vec![Service::Restore], vec![own.machine.id]);
    for method in ["PROPFIND", "GET", "OPTIONS"] {
        let got = drive.send(method, "/dav/", &[("depth", "1")], b"").await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{method}");
    }
    let (_, technician) = fixture.signed_in(Role::Technician);
    let refused = accounts::make_token(fixture.site(), &technician, "t", TokenScope::Webdav, Seconds::DAY);
    assert!(refused.is_err(), "nobody gets a token for what they may not do");
}

#[actix_web::test]
async fn hostile_addresses_and_bodies_find_nothing_and_break_nothing() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    client.back_up_tree(fixture.site(), tree(&[(b"d", Planted::Dir), (b"d/a", file(b"a")), (b"secret", file(b"s"))]));
    let drive = Drive::admins(&fixture);
    let date = drive.newest("till-1").await;
    for wrong in [
        "..",
        "../",
        "d/..",
        "d/../secret",
        "%2e%2e",
        "d/%2e%2e/secret",
        "d%2fa",
        "d%2Fa",
        "d%5ca",
        "d^2Fa",
        "d%5E2Fa",
        "%5E2E%5E2E/secret",
        "%252e%252e/secret",
        "d/%00",
        "d/a%00",
        "d/a%5E00",
        "%ff",
        "%",
        "%4",
        "%5E",
        "d/a/",
        "%E2%80%AEd",
        ".",
        "d/.",
    ] {
        for method in ["PROPFIND", "GET"] {
            let got = drive.send(method, &format!("{date}{wrong}"), &[("depth", "1")], b"").await;
            let is_same_file = wrong == "d/a/" && got.status.is_success();
            assert!(got.status == StatusCode::NOT_FOUND || is_same_file, "{method} {wrong}: {}", got.status);
        }
    }
    for wrong in
        ["/dav/../", "/dav/../people", "/dav/%2e%2e/people", "/dav/till-1/..", "/dav/till-1/system/2026", "/dav/*"]
    {
        assert_eq!(drive.list(wrong).await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    let long = format!("{date}{}", "a/".repeat(20_000));
    assert_eq!(drive.list(&long).await.status, StatusCode::NOT_FOUND);

    for depth in ["infinity", "2", "-1", "1,root", ""] {
        let headers = [("depth", depth), ("x-litmus", "1")];
        let got = drive.send("PROPFIND", "/dav/", &headers, b"").await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{depth}");
        assert!(got.text().contains("propfind-finite-depth"), "{}", got.text());
    }
    assert_eq!(drive.send("PROPFIND", "/dav/", &[], b"").await.status, StatusCode::FORBIDDEN, "all of it is meant");

    let bomb = (0..9).fold(String::from("<!DOCTYPE a [<!ENTITY e0 \"aaaaaaaaaa\">"), |dtd, n| {
        format!("{dtd}<!ENTITY e{} \"{}\">", n + 1, format!("&e{n};").repeat(10))
    });
    let bomb = format!("<?xml version=\"1.0\"?>{bomb}]><propfind xmlns=\"DAV:\"><prop><x>&e9;</x></prop></propfind>");
    let outside = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><propfind xmlns=\"DAV:\">&x;</propfind>";
    let deep = format!("<propfind xmlns=\"DAV:\">{}", "<a>".repeat(20_000));
    let begun = Instant::now();
    for body in [bomb.as_bytes(), outside.as_bytes(), deep.as_bytes(), b"\xff\xfe<", b"<propfind", b"no xml"] {
        let got = drive.send("PROPFIND", "/dav/", &[("depth", "1")], body).await;
        assert_eq!(got.below(), ["/dav/till-1/"], "nothing of a body counts");
        assert!(!got.text().contains("root:"), "{}", got.text());
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let huge = drive.send("PROPFIND", "/dav/", &[("depth", "1")], &vec![b'<'; 70_000]).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    let from_elsewhere = [("host", "evil.example"), ("depth", "1")];
    let got = drive.send("PROPFIND", "/dav/", &from_elsewhere, b"").await;
    assert_eq!(got.status, StatusCode::MISDIRECTED_REQUEST);
    let asked = Asked { method: "PROPFIND", path: "/dav/", peer: "203.0.113.7:1", ..Asked::default() };
    assert_eq!(ask(&fixture, asked).await.status, StatusCode::FORBIDDEN, "the network outside");
    assert!(log_of(&fixture, Action::Restored).len() <= 1, "at most the file whose address ends in a slash");
}

#[actix_web::test]
async fn a_folder_of_any_size_comes_whole_and_a_damaged_one_never_looks_whole() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let names: Vec<String> = (0..12_000).map(|n| format!("d/file-{n:05}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_bytes(), file(b"x"))).collect();
    client.back_up_tree(fixture.site(), tree(&entries));
    let drive = Drive::admins(&fixture);
    let date = drive.newest("till-1").await;
    let got = drive.list(&format!("{date}d")).await;
    assert!(got.is_whole && got.text().ends_with("</D:multistatus>\n"));
    let expected: Vec<String> = names.iter().map(|name| format!("{date}{}", encoded(name))).collect();
    assert!(got.below() == expected, "{} of {}", got.below().len(), expected.len());
    assert_eq!(fixture.portal.listings.available_permits(), dav::LISTED_AT_A_TIME, "every place is free again");

    let (kept, lost) = (noise(100 * 4_096, 1), noise(100 * 4_096, 2));
    client.back_up_tree(fixture.site(), tree(&[(b"before", file(&lost))]));
    let old = fixture.site().store.list(ObjectKind::Pack).expect("list");
    client
        .back_up_tree(fixture.site(), tree(&[(b"both", file(&[kept.clone(), lost].concat())), (b"kept", file(&kept))]));
    for name in old {
        fixture.site().store.delete(name).expect("delete");
    }
    let newest = drive.newest("till-1").await;
    let broken = drive.get(&format!("{newest}both")).await;
    assert!(!broken.is_whole && broken.bytes.len() < 2 * kept.len());
    assert_eq!(drive.get(&format!("{newest}kept")).await.bytes, kept);
    let gone = drive.list(&format!("{date}d")).await;
    assert!(gone.status == StatusCode::INTERNAL_SERVER_ERROR || !gone.is_whole, "{}", gone.status);
}

#[actix_web::test]
async fn network_folders_and_the_pages_keep_no_place_from_each_other() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    client.back_up_tree(fixture.site(), tree(&[(b"a", file(b"content"))]));
    let drive = Drive::admins(&fixture);
    let path = format!("{}a", drive.newest("till-1").await);
    let all = u32::try_from(pipe::AT_A_TIME).expect("few");
    let _pages = Arc::clone(&fixture.portal.downloads).acquire_many_owned(all).await.expect("places");
    assert_eq!(drive.get(&path).await.bytes, b"content");
    // The place of the file that was just read comes back a moment after its last bytes were taken.
    let mut held = Vec::new();
    while held.len() < OF_ONE_ACCOUNT {
        held.extend(fixture.portal.places.take("somebody-admin"));
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
    let busy = drive.get(&path).await;
    assert_eq!((busy.status, busy.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    drop(held);
    assert_eq!(drive.get(&path).await.bytes, b"content");
}

#[actix_web::test]
async fn machines_of_one_name_stay_apart() {
    let fixture = fixture();
    let first = Client::enrol(fixture.site(), "till");
    first.back_up_tree(fixture.site(), tree(&[(b"a", file(b"first"))]));
    operations::retire_machine(fixture.site(), &Actor::console(), &"till".parse().expect("name")).expect("retire");
    let second = Client::enrol(fixture.site(), "till");
    second.back_up_tree(fixture.site(), tree(&[(b"a", file(b"second"))]));
    let third = Client::enrol(fixture.site(), "TILL");
    let drive = Drive::admins(&fixture);
    let short = |client: &Client| client.machine.id.to_string()[..8].to_owned();
    let (gone, loud) = (format!("till%20%28{}%29", short(&first)), format!("TILL%20%28{}%29", short(&third)));
    let mut expected = vec![format!("/dav/{gone}/"), format!("/dav/{loud}/"), "/dav/till/".to_owned()];
    let mut below = drive.list("/dav/").await.below();
    expected.sort();
    below.sort();
    assert_eq!(below, expected);
    for (machine, content) in [("till", &b"second"[..]), (&gone, b"first")] {
        assert_eq!(drive.get(&format!("{}a", drive.newest(machine).await)).await.bytes, content);
    }
}

#[actix_web::test]
async fn the_own_page_makes_a_token_for_the_folder_and_says_where_it_is() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let page = super::get(&fixture, "/account", &cookie, &[]).await.body;
    for told in ["https://localhost:8443/dav/", "davs://localhost:8443/dav/", "your own password is not taken"] {
        assert!(page.contains(told), "{told} in {page}");
    }
    let form = "name=laptop&scope=webdav&days=30";
    let post = Asked { method: "POST", path: "/account/tokens", cookie: Some(&cookie), form, ..Asked::default() };
    let made = ask(&fixture, post).await.body;
    let token = made.split("id=\"token\"").nth(1).and_then(|rest| rest.split(['>', '<']).nth(1)).expect("a token");
    assert!(made.contains("<code>somebody-admin</code>") && made.contains("/dav/</code>"), "{made}");
    let drive = Drive { fixture: &fixture, peer: PEER, credentials: basic("somebody-admin", token) };
    assert_eq!(drive.list("/dav/").await.status, StatusCode::MULTI_STATUS);
    let auditor = fixture.cookie_of(Role::Auditor);
    assert!(!super::get(&fixture, "/account", &auditor, &[]).await.body.contains("/dav/"));
}
