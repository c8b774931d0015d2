//! The restore pages on real snapshots, as those see them who may, and those who may not.

use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service};
use datis_engine::ids::{MachineId, SnapshotId};
use datis_engine::store::{ObjectKind, ObjectName};

use super::super::access::Access;
use super::super::answer::{COOKIE, encoded};
use super::super::routes::ROUTES;
use super::super::*;
use super::{Fixture, fixture};
use crate::operations::accounts::{self, Action, Actor, AuditEntry, Right, Role, Service};
use crate::operations::browse;
use crate::operations::testing::{Client, Planted, noise, source};

const HOSTILE: &[u8] = b"<script>alert(1)<b>\"'&%41\xff\n\xe2\x80\xae.pdf";

struct Got {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
    /// Whether the body came to its end.
    is_whole: bool,
    length: actix_web::body::BodySize,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }

    fn page(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("text")
    }

    /// The first address on the page that begins so.
    fn link(&self, start: &str, part: &str) -> String {
        let page = self.page();
        let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let links = links.map(|link| link.replace("&#38;", "&").replace("&#39;", "'"));
        let mut found = links.filter(|link| link.starts_with(start) && link.contains(part));
        found.next().unwrap_or_else(|| panic!("no link {start}…{part} in {page}"))
    }
}

async fn send(fixture: &Fixture, cookie: &str, request: TestRequest) -> Got {
    let service = init_service(app(web::Data::from(Arc::clone(&fixture.portal)))).await;
    let request = request
        .peer_addr("127.0.0.1:40000".parse().expect("peer"))
        .insert_header(("host", "localhost:8443"))
        .insert_header(("sec-fetch-site", "same-origin"))
        .cookie(Cookie::new(COOKIE, cookie.to_owned()));
    let response = call_service(&service, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Box::pin(response.into_body());
    let length = body.size();
    let (mut bytes, mut is_whole) = (Vec::new(), true);
    while let Some(piece) = std::future::poll_fn(|context| body.as_mut().poll_next(context)).await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(_) => is_whole = false,
        }
    }
    Got { status, headers, bytes, is_whole, length }
}

async fn get(fixture: &Fixture, cookie: &str, path: &str) -> Got {
    send(fixture, cookie, TestRequest::get().uri(path)).await
}

fn file(content: &[u8]) -> Planted {
    Planted::File(content.to_vec())
}

fn tree(entries: &[(&str, Planted)]) -> Vec<(Vec<u8>, Planted)> {
    entries.iter().map(|(path, planted)| (path.as_bytes().to_vec(), planted.clone())).collect()
}

fn base(machine: &MachineId) -> String {
    format!("/restore/{machine}/{}", source().as_str())
}

fn index(fixture: &Fixture) {
    while browse::index_next(fixture.site(), crate::operations::Pace::Steady, &|_| ()).expect("index") {}
}

/// What was taken out, oldest first.
fn receipts(fixture: &Fixture) -> Vec<AuditEntry> {
    let mut log = accounts::audit_log(fixture.site(), &Actor::console(), None, 1_000).expect("log");
    log.retain(|entry| entry.action == Action::Restored.word());
    log.reverse();
    log
}

/// A member whose only machine is this one.
fn member_of(fixture: &Fixture, machine: MachineId) -> String {
    let (cookie, actor) = fixture.signed_in(Role::Member);
    let change = accounts::PersonChange {
        role: Role::Member,
        may_come_in: None,
        services: vec![Service::Restore],
        machines: [machine].into(),
    };
    let name = actor.name().parse().expect("name");
    accounts::change_person(fixture.site(), &Actor::console(), &name, &change).expect("change");
    cookie
}

fn packs(fixture: &Fixture) -> Vec<ObjectName> {
    fixture.site().store.list(ObjectKind::Pack).expect("list")
}

fn lose(fixture: &Fixture, packs: Vec<ObjectName>) {
    for name in packs {
        fixture.site().store.delete(name).expect("delete");
    }
}

/// Names of the entries of a ZIP file, out of its central directory (APPNOTE 4.3.12 and 4.3.16).
fn zip_names(bytes: &[u8]) -> Vec<String> {
    let number = |at: usize, len: usize| bytes[at..at + len].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
    let end = bytes.windows(4).rposition(|four| four == b"PK\x05\x06").expect("the end of the directory");
    assert_eq!(end + 22, bytes.len(), "nothing stands behind it");
    let (count, mut at) = (number(end + 10, 2), number(end + 16, 4));
    let mut names = Vec::new();
    for _ in 0..count {
        assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
        let (name, extra, comment) = (number(at + 28, 2), number(at + 30, 2), number(at + 32, 2));
        names.push(String::from_utf8(bytes[at + 46..at + 46 + name].to_vec()).expect("text"));
        at += 46 + name + extra + comment;
    }
    names
}

#[actix_web::test]
async fn somebody_finds_a_folder_and_keeps_the_place_at_another_date() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let first = client.back_up_tree(fixture.site(), tree(&[("srv", Planted::Dir), ("srv/a", file(b"a"))])).snapshot;
    let entries = tree(&[("srv", Planted::Dir), ("srv/docs", Planted::Dir), ("srv/docs/b.txt", file(&[7; 2_048]))]);
    let second = client.back_up_tree(fixture.site(), entries).snapshot;
    let cookie = fixture.cookie_of(Role::Admin);
    let base = base(&client.machine.id);

    let start = get(&fixture, &cookie, "/restore").await;
    assert!(start.page().contains("name=\"q\"") && start.page().contains("till-1"), "{}", start.page());
    let newest = get(&fixture, &cookie, &start.link("/restore/", "/system")).await;
    assert_eq!((newest.status, newest.header("location")), (StatusCode::SEE_OTHER, &*format!("{base}/{second}")));
    let top = get(&fixture, &cookie, newest.header("location")).await;
    let docs = get(&fixture, &cookie, &top.link(&format!("{base}/{second}?"), "path=srv")).await;
    let docs = get(&fixture, &cookie, &docs.link(&format!("{base}/{second}?"), "srv/docs")).await;
    let page = docs.page();
    assert!(
        page.contains("b.txt") && page.contains("2.0\u{a0}KiB") && page.contains("aria-current=\"page\""),
        "{page}"
    );
    assert!(page.contains("<circle") && page.matches("<option").count() == 2 && !page.contains("style="), "{page}");

    // Another language shows the same place.
    assert!(page.contains(&format!("href=\"{base}/{second}?path=srv/docs&#38;lang=fr\"")), "{page}");
    // Another date, by the form: the path stays, and is said not to be there.
    let chosen = get(&fixture, &cookie, &format!("{base}?path=srv%2Fdocs&snapshot={first}")).await;
    assert_eq!(chosen.header("location"), format!("{base}/{first}?path=srv/docs"));
    let absent = get(&fixture, &cookie, chosen.header("location")).await;
    assert!(absent.status == StatusCode::OK && absent.page().contains("no such file or folder"), "{}", absent.page());
    assert!(absent.page().contains("name=\"path\" value=\"srv/docs\""), "{}", absent.page());
    let versions = get(&fixture, &cookie, &absent.link(&base, "/versions?")).await;
    assert!(versions.page().contains(&format!("{second}/archive?path=srv/docs")), "{}", versions.page());

    // A file has no folder view, but versions.
    let on = get(&fixture, &cookie, &format!("{base}/{first}?path=srv/a")).await;
    assert_eq!(on.header("location"), format!("{base}/versions?path=srv/a"));
    let versions = get(&fixture, &cookie, on.header("location")).await;
    assert!(versions.page().contains("Deleted") && versions.page().contains("<bdi>/srv</bdi>"), "{}", versions.page());
    for wrong in
        ["?path=..", "?path=%2500", "?path=a//b", "?path=%25", "/versions?path=nothing", "/versions", "?snapshot=x"]
    {
        assert_eq!(get(&fixture, &cookie, &format!("{base}{wrong}")).await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    assert!(receipts(&fixture).is_empty(), "looking is not written down");
}

#[actix_web::test]
async fn a_long_folder_comes_in_pages() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let names: Vec<String> = (0..450).map(|n| format!("d/file-{n:03}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), file(b"x"))).collect();
    let snapshot = client.back_up_tree(fixture.site(), tree(&entries)).snapshot;
    let cookie = fixture.cookie_of(Role::Admin);
    let mut next = format!("{}/{snapshot}?path=d", base(&client.machine.id));
    for (at, count) in [(0, 200), (200, 200), (400, 50)] {
        let got = get(&fixture, &cookie, &next).await;
        assert_eq!(got.page().matches("type=\"checkbox\"").count(), count);
        assert!(got.page().contains(&format!("<bdi>file-{at:03}</bdi>")));
        next = if count == 200 { got.link(&base(&client.machine.id), "after=") } else { next };
    }
}

#[actix_web::test]
async fn search_finds_over_all_dates_and_shows_what_was_deleted() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let with =
        tree(&[("srv", Planted::Dir), ("srv/Accounts 2025.ods", file(b"sums")), ("srv/accounts.txt", file(b"t"))]);
    let first = client.back_up_tree(fixture.site(), with).snapshot;
    client.back_up_tree(fixture.site(), tree(&[("srv", Planted::Dir), ("srv/accounts.txt", file(b"t"))]));
    index(&fixture);
    let cookie = fixture.cookie_of(Role::Admin);
    let found = get(&fixture, &cookie, "/restore/search?q=accounts").await;
    let page = found.page();
    assert!(page.contains("<del><bdi>Accounts 2025.ods</bdi></del>") && page.contains("Last seen"), "{page}");
    assert!(page.contains("<a href=\"") && !page.contains("<del><bdi>accounts.txt"), "{page}");
    let versions = get(&fixture, &cookie, &found.link("/restore/", "/versions?path=srv/Accounts")).await;
    let file = versions.link("/restore/", "/file?");
    assert!(file.contains(&first.to_string()), "{file}");
    assert_eq!(get(&fixture, &cookie, &file).await.bytes, b"sums");
    for (query, said) in
        [("", "Type a part"), ("?q=nothing+of+this", "Nothing has this name"), ("?q=%22%00%27*", "Nothing has")]
    {
        let page = get(&fixture, &cookie, &format!("/restore/search{query}")).await;
        assert!(page.status == StatusCode::OK && page.page().contains(said), "{query}: {}", page.page());
    }

    let many: Vec<String> = (0..260).map(|n| format!("srv/accounts-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), Planted::File(b"m".to_vec()))).collect();
    client.back_up_tree(fixture.site(), tree(&many));
    index(&fixture);
    let cut = get(&fixture, &cookie, "/restore/search?q=accounts").await.page();
    assert!(cut.contains("more hits than are shown"), "{cut}");
}

#[actix_web::test]
async fn a_file_comes_out_as_it_was_whole_or_in_part() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let content = noise(1_500_000, 1);
    let entries =
        tree(&[("Été \"1\".bin", file(&content)), ("empty", file(b"")), ("link", Planted::Symlink(b"empty"))]);
    let snapshot = client.back_up_tree(fixture.site(), entries).snapshot;
    let cookie = fixture.cookie_of(Role::Admin);
    let at = format!("{}/{snapshot}/file?path=", base(&client.machine.id));
    let path = format!("{at}{}", encoded("Été \"1\".bin"));

    let whole = get(&fixture, &cookie, &path).await;
    assert!(whole.status == StatusCode::OK && whole.is_whole && whole.bytes == content);
    assert_eq!(whole.length, actix_web::body::BodySize::Sized(1_500_000));
    let named = "attachment; filename=\"_t_ _1_.bin\"; filename*=UTF-8''%C3%89t%C3%A9%20%221%22.bin";
    assert_eq!(whole.header("content-disposition"), named);
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    assert_eq!((whole.header("x-content-type-options"), whole.header("accept-ranges")), ("nosniff", "bytes"));
    let written = receipts(&fixture);
    assert_eq!((written.len(), written[0].subject.as_str()), (1, "till-1/system"));
    assert!(written[0].detail.starts_with("20") && written[0].detail.ends_with("Z /Été \"1\".bin"), "{written:?}");
    assert_eq!(written[0].actor, "somebody-admin");

    let head = send(&fixture, &cookie, TestRequest::default().method(Method::HEAD).uri(&path)).await;
    assert_eq!((head.status, head.bytes.len(), head.length), (StatusCode::OK, 0, whole.length));
    assert_eq!(head.header("etag"), whole.header("etag"));
    assert_eq!(receipts(&fixture).len(), 1, "nothing was taken out");

    let tag = whole.header("etag").to_owned();
    let part = |range: &str| TestRequest::get().uri(&path).insert_header(("range", range));
    for (range, first, last) in
        [("bytes=0-0", 0, 0), ("bytes=4095-900000", 4_095, 900_000), ("bytes=-5", 1_499_995, 1_499_999)]
    {
        let got = send(&fixture, &cookie, part(range).insert_header(("if-range", tag.as_str()))).await;
        assert_eq!(
            (got.status, got.header("content-range")),
            (StatusCode::PARTIAL_CONTENT, &*format!("bytes {first}-{last}/1500000"))
        );
        assert!(got.bytes == content[first..=last] && got.is_whole, "{range}");
    }
    assert_eq!(receipts(&fixture).len(), 4, "a part is taken out too");
    let late = send(&fixture, &cookie, part("bytes=1500000-")).await;
    assert_eq!((late.status, late.header("content-range")), (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */1500000"));
    assert_eq!((late.bytes.len(), receipts(&fixture).len()), (0, 4));
    let other = send(&fixture, &cookie, part("bytes=1-2").insert_header(("if-range", "\"other\""))).await;
    assert_eq!((other.status, other.bytes.len()), (StatusCode::OK, content.len()));

    let empty = get(&fixture, &cookie, &format!("{at}empty")).await;
    assert_eq!((empty.status, empty.bytes.len(), empty.is_whole), (StatusCode::OK, 0, true));
    for wrong in ["link", "nothing", "", "%2e%2e", "a%2500"] {
        assert_eq!(get(&fixture, &cookie, &format!("{at}{wrong}")).await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
}

#[actix_web::test]
async fn what_cannot_be_read_to_its_end_is_broken_off() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let (kept, lost) = (noise(100 * 4_096, 1), noise(100 * 4_096, 2));
    client.back_up_tree(fixture.site(), tree(&[("before", file(&lost))]));
    let old = packs(&fixture);
    let both = [kept.clone(), lost.clone()].concat();
    let entries = tree(&[("both", file(&both)), ("lost", file(&lost)), ("kept", file(&kept))]);
    let snapshot = client.back_up_tree(fixture.site(), entries).snapshot;
    lose(&fixture, old);
    let cookie = fixture.cookie_of(Role::Admin);
    let at = format!("{}/{snapshot}/file?path=", base(&client.machine.id));
    let broken = get(&fixture, &cookie, &format!("{at}both")).await;
    assert_eq!((broken.status, broken.is_whole), (StatusCode::OK, false));
    assert!(broken.bytes.len() < both.len() && kept.starts_with(&broken.bytes[..]), "{}", broken.bytes.len());
    let early = get(&fixture, &cookie, &format!("{at}lost")).await;
    assert_eq!((early.status, early.header("content-disposition")), (StatusCode::INTERNAL_SERVER_ERROR, ""));
    assert!(early.page().contains("Try another date"), "{}", early.page());
    assert_eq!(get(&fixture, &cookie, &format!("{at}kept")).await.bytes, kept);
}

#[actix_web::test]
async fn folders_and_what_is_ticked_come_as_one_zip_file() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let large = noise(700_000, 1);
    let mut entries = tree(&[
        ("srv/docs", Planted::Dir),
        ("srv/docs/large", file(&large)),
        ("srv/docs/small", file(b"small content")),
        ("srv/other", file(b"other")),
        ("srv/unwanted", file(b"unwanted")),
    ]);
    entries.push((b"srv/\xff%".to_vec(), file(b"odd")));
    let snapshot = client.back_up_tree(fixture.site(), entries).snapshot;
    let cookie = fixture.cookie_of(Role::Admin);
    let base = base(&client.machine.id);
    let here = get(&fixture, &cookie, &format!("{base}/{snapshot}?path=srv")).await;

    let folder = get(&fixture, &cookie, &here.link(&base, "/archive?path=srv/docs")).await;
    assert!(folder.status == StatusCode::OK && folder.is_whole);
    assert_eq!((folder.header("content-type"), folder.length), ("application/zip", actix_web::body::BodySize::Stream));
    assert!(folder.header("content-disposition").starts_with("attachment; filename=\"till-1 docs 20"));
    assert_eq!(zip_names(&folder.bytes), ["docs/", "docs/large", "docs/small"]);
    // Entries are stored as they are.
    assert!(folder.bytes.windows(large.len()).any(|some| some == large));

    let page = here.page();
    let value =
        page.split("name=\"name\" value=\"").find_map(|rest| rest.split('"').next().filter(|v| v.contains("FF")));
    assert_eq!(value, Some("%FF%25"));
    let form = format!("path=srv&name=other&name=docs&name={}", encoded("%FF%25"));
    let post = |form: String| {
        let address = format!("{base}/{snapshot}/archive");
        TestRequest::post()
            .uri(&address)
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(form)
    };
    let chosen = send(&fixture, &cookie, post(form)).await;
    let names = zip_names(&chosen.bytes);
    assert!(names.contains(&"other".to_owned()) && names.contains(&"docs/small".to_owned()), "{names:?}");
    assert!(!names.contains(&"unwanted".to_owned()) && names.len() == 6, "the odd one, and a note about it: {names:?}");
    let written: Vec<String> = receipts(&fixture).into_iter().map(|entry| entry.detail).collect();
    let ends = ["Z /srv/docs", "Z /srv/other", "Z /srv/docs", "Z /srv/\u{fffd}%"];
    assert_eq!(written.len(), ends.len(), "{written:?}");
    assert!(written.iter().zip(ends).all(|(detail, end)| detail.ends_with(end)), "{written:?}");

    let nothing = send(&fixture, &cookie, post("path=srv".to_owned())).await;
    assert_eq!(nothing.header("location"), format!("{base}/{snapshot}?path=srv&said=nothing-chosen"));
    for wrong in ["path=srv&name=nothing", "path=srv&name=..", "path=srv&name=%2525x", "path=..&name=a", "name=a/../b"]
    {
        assert_eq!(send(&fixture, &cookie, post(wrong.to_owned())).await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    let too_many = "path=srv".to_owned() + &"&name=other".repeat(201);
    assert_eq!(send(&fixture, &cookie, post(too_many)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(receipts(&fixture).len(), 4, "what was not taken is not written");
    let all = get(&fixture, &cookie, &format!("{base}/{snapshot}/archive")).await;
    assert!(zip_names(&all.bytes).contains(&"srv/unwanted".to_owned()));
    assert!(receipts(&fixture).last().expect("receipt").detail.ends_with("Z /"));
    let head = TestRequest::default().method(Method::HEAD).uri(&format!("{base}/{snapshot}/archive?path=srv"));
    let head = send(&fixture, &cookie, head).await;
    assert_eq!((head.status, head.bytes.len(), receipts(&fixture).len()), (StatusCode::OK, 0, 5));
}

#[actix_web::test]
async fn hostile_names_are_text_on_every_page_and_can_be_taken_out() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let in_folder = [HOSTILE, b"/", HOSTILE].concat();
    let entries = vec![(HOSTILE.to_vec(), Planted::Dir), (in_folder, file(b"inside"))];
    let snapshot = client.back_up_tree(fixture.site(), entries).snapshot;
    index(&fixture);
    let cookie = fixture.cookie_of(Role::Admin);
    let base = base(&client.machine.id);
    let top = get(&fixture, &cookie, &format!("{base}/{snapshot}")).await;
    let folder = get(&fixture, &cookie, &top.link(&format!("{base}/{snapshot}?"), "path=")).await;
    let versions = get(&fixture, &cookie, &folder.link(&base, "/versions?path=")).await;
    let found = get(&fixture, &cookie, "/restore/search?q=alert").await;
    let echoed = get(&fixture, &cookie, "/restore/search?q=%3Cscript%3Ealert(1)%3C/script%3E%22").await;
    for page in [&top, &folder, &versions, &found, &echoed] {
        let html = page.page();
        assert_eq!(page.status, StatusCode::OK, "{html}");
        assert!(!html.contains("<script>") && html.contains("&#60;script&#62;"), "{html}");
        for code in ["style=", "onclick", "javascript:", "\"'&"] {
            assert!(!html.contains(code), "{code} in {html}");
        }
        assert!(page.header("content-security-policy").contains("script-src 'self'"));
    }
    let taken = get(&fixture, &cookie, &versions.link(&base, "/file?path=")).await;
    assert_eq!(taken.bytes, b"inside");
    assert!(taken.header("content-disposition").is_ascii() && !taken.header("content-disposition").contains('<'));
    assert_eq!(taken.header("content-disposition").matches('"').count(), 2);
    let found = get(&fixture, &cookie, &found.link("/restore/", "/versions?path=")).await;
    assert_eq!(found.status, StatusCode::OK);
}

/// Every way into a backup.
fn ways(machine: &MachineId, snapshot: &SnapshotId) -> Vec<(&'static str, String)> {
    let routes = ROUTES.iter().filter(|route| route.pattern.starts_with("/restore/{"));
    let address = |pattern: &str| {
        let named = pattern.replace("{machine}", &machine.to_string()).replace("{source}", source().as_str());
        named.replace("{snapshot}", &snapshot.to_string())
    };
    routes.map(|route| (route.method, address(route.pattern) + "?path=secret")).collect()
}

fn asked(method: &str, path: &str) -> TestRequest {
    let request = TestRequest::default().method(method.parse().expect("method")).uri(path);
    if method == "POST" { request.set_payload("name=secret") } else { request }
}

#[actix_web::test]
async fn a_member_reaches_nothing_of_other_machines_by_any_way() {
    let fixture = fixture();
    let (own, other) = (Client::enrol(fixture.site(), "own-till"), Client::enrol(fixture.site(), "other-till"));
    let entries = || tree(&[("secret", file(b"content"))]);
    let own_one = own.back_up_tree(fixture.site(), entries()).snapshot;
    let other_one = other.back_up_tree(fixture.site(), entries()).snapshot;
    index(&fixture);
    let cookie = member_of(&fixture, own.machine.id);
    let (absent, absent_one) = (MachineId::from_bytes([9; 16]), SnapshotId::from_bytes([9; 32]));
    let ways_in = ways(&own.machine.id, &own_one);
    assert_eq!(ways_in.len(), 7, "{ways_in:?}");
    for (method, path) in ways_in {
        let got = send(&fixture, &cookie, asked(method, &path)).await;
        assert!(got.status == StatusCode::OK || got.status == StatusCode::SEE_OTHER, "{path}: {}", got.status);
    }
    let before = receipts(&fixture).len();
    let plain = |got: Got, machine: MachineId, snapshot: SnapshotId| {
        (got.status, got.page().replace(&machine.to_string(), "").replace(&snapshot.to_string(), ""))
    };
    let foreign = ways(&other.machine.id, &other_one).into_iter().zip(ways(&absent, &absent_one));
    for ((method, foreign), (_, nothing)) in foreign {
        let told = plain(send(&fixture, &cookie, asked(method, &foreign)).await, other.machine.id, other_one);
        let nothing = plain(send(&fixture, &cookie, asked(method, &nothing)).await, absent, absent_one);
        assert!(told.0 == StatusCode::NOT_FOUND && told == nothing, "{foreign}");
        let head = send(&fixture, &cookie, TestRequest::default().method(Method::HEAD).uri(&foreign)).await;
        assert_eq!(head.status, StatusCode::NOT_FOUND, "{foreign}");
    }
    // A snapshot of another machine is none of the own one's.
    for (method, path) in ways(&own.machine.id, &other_one) {
        if path.contains(&other_one.to_string()) {
            assert_eq!(send(&fixture, &cookie, asked(method, &path)).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    for path in ["/restore", "/restore/search?q=secret"] {
        let page = get(&fixture, &cookie, path).await.page();
        assert!(page.contains("own-till") && !page.contains("other-till"), "{page}");
    }
    assert_eq!(receipts(&fixture).len(), before);
}

#[actix_web::test]
async fn whoever_may_not_restore_sees_nothing_of_backups() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let snapshot = client.back_up_tree(fixture.site(), tree(&[("secret", file(b"hush-hush"))])).snapshot;
    for route in ROUTES.iter().filter(|route| route.pattern.starts_with("/restore")) {
        assert_eq!(route.access, Access::Has(Right::Restore), "{route:?}");
    }
    for role in [Role::Technician, Role::Auditor] {
        let cookie = fixture.cookie_of(role);
        let mut all = ways(&client.machine.id, &snapshot);
        all.extend(["/restore", "/restore/search?q=secret"].map(|path| ("GET", path.to_owned())));
        for (method, path) in all {
            let got = send(&fixture, &cookie, asked(method, &path)).await;
            assert_eq!(got.status, StatusCode::FORBIDDEN, "{role:?} {path}");
            assert!(!got.page().contains("hush-hush"), "{path}");
        }
        let page = get(&fixture, &cookie, &format!("/machines/{}", client.machine.id)).await.page();
        assert!(!page.contains("href=\"/restore"), "{page}");
    }
    assert!(receipts(&fixture).is_empty());
}

#[actix_web::test]
async fn a_proof_is_asked_for_and_its_result_is_shown() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let cookie = fixture.cookie_of(Role::Technician);
    let machine = format!("/machines/{}", client.machine.id);
    let none = get(&fixture, &cookie, &machine).await.page();
    assert!(none.contains("No restore has been proved yet") && !none.contains("/prove\""), "{none}");
    client.back_up_tree(fixture.site(), tree(&[("a", file(&noise(9_000, 1))), ("b", file(b"b"))]));
    let page = get(&fixture, &cookie, &machine).await.page();
    assert!(page.contains(&format!("action=\"{machine}/prove\"")), "{page}");
    let prove = || TestRequest::post().uri(&format!("{machine}/prove"));
    let started = send(&fixture, &cookie, prove()).await;
    assert_eq!(started.header("location"), format!("{machine}?said=proving"));
    for _ in 0..600 {
        if !fixture.portal.proving.holds(&client.machine.id) {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    let page = get(&fixture, &cookie, &machine).await.page();
    assert!(page.contains("2 files were read back, all of them whole (just now)"), "{page}");
    let first = get(&fixture, &cookie, "/").await.page();
    assert!(
        first.contains("Restoring is proved for one machine, the last time just now; files read back: 2"),
        "{first}"
    );
    let log = accounts::audit_log(fixture.site(), &Actor::console(), None, 10).expect("log");
    assert!(log.iter().any(|entry| entry.action == "proved" && entry.subject == "till-1"), "{log:?}");

    lose(&fixture, packs(&fixture));
    send(&fixture, &cookie, prove()).await;
    for _ in 0..600 {
        if !fixture.portal.proving.holds(&client.machine.id) {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    let first = get(&fixture, &cookie, "/").await.page();
    assert!(first.contains("The last proof of restoring failed for one machine"), "{first}");
    assert!(first.contains("tile bad"), "{first}");
    let auditor = fixture.cookie_of(Role::Auditor);
    let page = get(&fixture, &auditor, &machine).await.page();
    assert!(page.contains("could not be read back") && !page.contains("/prove\""), "{page}");
    assert_eq!(send(&fixture, &auditor, prove()).await.status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn as_many_downloads_run_as_there_are_places_for() {
    let fixture = fixture();
    let client = Client::enrol(fixture.site(), "till-1");
    let snapshot = client.back_up_tree(fixture.site(), tree(&[("a", file(b"content"))])).snapshot;
    let cookie = fixture.cookie_of(Role::Admin);
    let all = Arc::clone(&fixture.portal.downloads);
    let held = all.acquire_many_owned(u32::try_from(pipe::AT_A_TIME).expect("few")).await.expect("places");
    for path in ["file?path=a", "archive"] {
        let path = format!("{}/{snapshot}/{path}", base(&client.machine.id));
        let got = get(&fixture, &cookie, &path).await;
        assert_eq!((got.status, got.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    }
    assert!(receipts(&fixture).is_empty());
    drop(held);
    let path = format!("{}/{snapshot}/file?path=a", base(&client.machine.id));
    assert_eq!(get(&fixture, &cookie, &path).await.bytes, b"content");
}
