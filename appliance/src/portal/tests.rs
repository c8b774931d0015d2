//! The portal as browsers, programs and strangers see it.

mod dav;
mod machines;
mod restore;
mod setup;
mod system;
mod told;

use std::collections::BTreeSet;

use actix_web::body::to_bytes;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::test::{TestRequest, call_service, init_service};
use datis_engine::format::kit::RecoveryKit;
use datis_engine::units::{Seconds, UnixMillis};

use super::access::Access;
use super::answer::COOKIE;
use super::routes::{ROUTES, Route};
use super::*;
use crate::commissioning::{Check, Finding};
use crate::config::Config;
use crate::meters::WorkerMood;
use crate::operations::accounts::{self, Actor, NewPerson, Origin, Right, Role, Service, TokenScope, Visitor};
use crate::operations::{self, CheckOutcome, CheckState, Limits, Question};
use crate::vault::Vault;

const PASSWORD: &str = "les trois cafés du port";

struct Fixture {
    portal: Arc<Portal>,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    let dir = DataDir::new(folder.path().join("box"));
    let vault = Vault::open_or_make(&dir, Some("cellar<b>"), &mut |_| ()).expect("vault");
    let site = Arc::new(Site::open(&dir, vault, Limits { disk_reserve: Some(0), ..Limits::default() }).expect("site"));
    let worker = WorkerView {
        name: "verifier",
        state: WorkerMood::Failed,
        progress: None,
        last_error: Some("no & luck".to_owned()),
        last_run: Some(1_700_000_000_123),
    };
    let workers: WorkerLook = Box::new(move || vec![worker.clone()]);
    let outcome = |check: &str, state, finding: Option<&str>, because: Option<&str>, facts: &str| CheckOutcome {
        check: check.to_owned(),
        state,
        finding: finding.map(str::to_owned),
        because: because.map(str::to_owned),
        facts: facts.to_owned(),
        started_at: UnixMillis(1_700_000_000_000),
        took_ms: 1,
    };
    let port = r#"[{"name":"port","value":"eth<0>"}]"#;
    let outcomes = [
        outcome("lan.link", CheckState::Fail, Some("link-down"), None, port),
        outcome("lan.addr", CheckState::Skip, None, Some("lan.link"), "[]"),
    ];
    let before = outcome("lan.link", CheckState::Pass, Some("link-fast"), None, "[]");
    operations::keep_outcomes(&site, &[before]).expect("keep");
    operations::keep_outcomes(&site, &outcomes).expect("keep");
    let (machine_host, url) = ("192.0.2.1".to_owned(), "https://192.0.2.1".to_owned());
    let host = Host::new(Arc::clone(&site), &dir, &Config::default().network);
    let peers = Arc::new(Peers::of_nobody(&site));
    let back = Box::new(StillBlank(Arc::default()));
    let ways = Ways { door: Door::of_nobody(), machine_host, url, host, peers, back, drill: Arc::new(|| Ok(())) };
    let portal = Portal::new(site, &dir, &Config::default(), &Meters::new(), workers, ways).expect("portal");
    Fixture { portal, _folder: folder }
}

/// A way back that only notes what it is told.
struct StillBlank(Arc<std::sync::Mutex<Vec<String>>>);

impl BringBack for StillBlank {
    fn standing(&self) -> Result<BackStanding, OperationError> {
        let told = self.0.lock().expect("told");
        Ok(match told.as_slice() {
            [] => BackStanding::NotBegun,
            [_] => BackStanding::UnderWay(BackStage::Catalog),
            [_, _, ..] => BackStanding::Failed(BackProblem::Other("the kit\'s <line>".to_owned())),
        })
    }

    fn begin(&self, kit: RecoveryKit, _one_peer: bool) {
        self.0.lock().expect("told").push(kit.box_name);
    }

    fn start_again(&self) {}
}

fn origin() -> Origin {
    Origin { address: "127.0.0.1".parse().expect("address"), agent: "Browser <i>1</i>".to_owned() }
}

impl Fixture {
    fn site(&self) -> &Arc<Site> {
        &self.portal.site
    }

    /// The cookie of somebody who is signed in, as `signed-in-ROLE`.
    fn cookie_of(&self, role: Role) -> String {
        self.signed_in(role).0
    }

    fn signed_in(&self, role: Role) -> (String, Actor) {
        let console = Actor::console();
        let name: accounts::AccountName = format!("somebody-{}", role.word()).parse().expect("name");
        let person = NewPerson { name, role, services: Service::ALL.to_vec(), machines: BTreeSet::new() };
        let link = accounts::invite(self.site(), &console, &person).expect("invite");
        let first = accounts::accept_invitation(self.site(), &origin(), link.expose(), "", PASSWORD).expect("accept");
        let visitor = accounts::authenticate(self.site(), &origin(), first.cookie.expose()).expect("visitor");
        let signed_in = match &visitor {
            Visitor::Pending(_) => {
                let secret = accounts::begin_second_factor(self.site(), &visitor).expect("begin").secret;
                let code = accounts::code_for_tests(&secret, self.site().clock.now());
                accounts::finish_second_factor(self.site(), &origin(), &visitor, &secret, &code).expect("finish").0
            }
            Visitor::Known(_) | Visitor::Stranger => first,
        };
        match accounts::authenticate(self.site(), &origin(), signed_in.cookie.expose()).expect("visitor") {
            Visitor::Known(actor) => (signed_in.cookie.expose().to_owned(), actor),
            other => panic!("{other:?}"),
        }
    }
}

struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    cookie: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
    form: &'a str,
    peer: &'a str,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self { method: "GET", path: "/", cookie: None, headers: &[], form: "", peer: "127.0.0.1:40000" }
    }
}

struct Told {
    status: StatusCode,
    location: String,
    cookies: Vec<Cookie<'static>>,
    policy: String,
    body: String,
}

async fn ask(fixture: &Fixture, asked: Asked<'_>) -> Told {
    let service = init_service(app(web::Data::from(Arc::clone(&fixture.portal)))).await;
    let mut request = TestRequest::default()
        .method(asked.method.parse().expect("method"))
        .uri(asked.path)
        .peer_addr(asked.peer.parse().expect("peer"));
    let mut headers = vec![("host", "localhost:8443"), ("user-agent", "Browser/1")];
    if asked.method != "GET" {
        headers.push(("sec-fetch-site", "same-origin"));
        headers.push(("content-type", "application/x-www-form-urlencoded"));
    }
    headers.extend(asked.headers);
    for header in headers {
        request = request.insert_header(header);
    }
    if let Some(cookie) = asked.cookie {
        request = request.cookie(Cookie::new(COOKIE, cookie.to_owned()));
    }
    if !asked.form.is_empty() {
        request = request.set_payload(asked.form.to_owned());
    }
    let response = call_service(&service, request.to_request()).await;
    let text = |name| response.headers().get(name).map(|v| v.to_str().expect("text").to_owned()).unwrap_or_default();
    let (status, location, policy) = (response.status(), text(LOCATION), text(CONTENT_SECURITY_POLICY));
    let cookies = response.response().cookies().map(Cookie::into_owned).collect();
    let body = to_bytes(response.into_body()).await.expect("body");
    Told { status, location, cookies, policy, body: String::from_utf8_lossy(&body).into_owned() }
}

async fn get(fixture: &Fixture, path: &str, cookie: &str, headers: &[(&str, &str)]) -> Told {
    ask(fixture, Asked { path, cookie: Some(cookie), headers, ..Asked::default() }).await
}

/// Values for the parts of a pattern that vary: of nothing that is there.
fn path_of(route: &Route) -> String {
    let id = "00".repeat(16);
    route
        .pattern
        .replace("{path:.*}", "nobody/system")
        .replace("{file}", "portal-0.css")
        .replace("{link}", "nosuchlink")
        .replace("{id}", &id)
        .replace("{alert}", "0")
        .replace("{name}", "nobody")
        .replace("{number}", "0")
        .replace("{machine}", &id)
        .replace("{source}", "system")
        .replace("{step}", "network")
        .replace("{snapshot}", &"00".repeat(32))
}

#[actix_web::test]
async fn every_page_speaks_the_visitors_language_without_code_in_it() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    for route in ROUTES.iter().filter(|route| route.is_look() && !route.pattern.contains('{')) {
        let files = ["/healthz", "/metrics", "/ca.crt", "/events", "/login", "/login/code"];
        let is_file = route.pattern.ends_with(".pdf") || route.pattern.ends_with(".json");
        if files.contains(&route.pattern) || is_file || matches!(route.access, Access::HalfSignedIn | Access::Folders) {
            continue;
        }
        for language in ["en", "fr", "ru"] {
            let told = get(&fixture, route.pattern, &cookie, &[("accept-language", language)]).await;
            assert_eq!(told.status, StatusCode::OK, "{}", route.pattern);
            let page = told.body;
            assert!(page.contains(&format!("<html lang=\"{language}\"")), "{page}");
            for code in ["<script>", "style=", "onclick", "javascript:"] {
                assert!(!page.contains(code), "{}: {code}", route.pattern);
            }
            assert!(!page.contains("cellar<b>") && page.contains("cellar&#60;b&#62;"), "{}", route.pattern);
            // A key that has no sentence is shown as it is.
            let keys = [
                "nav-",
                "err-",
                "said-",
                "role-",
                "site-",
                "notice-",
                "kind-",
                "health-",
                "scope-",
                "policy-",
                "alert-",
                "severity-",
                "channel-",
                "post-",
                "directory-",
            ];
            for key in keys {
                assert!(!page.contains(&format!(">{key}")), "{}: {key} in {page}", route.pattern);
            }
        }
    }
}

#[actix_web::test]
async fn each_route_lets_through_whom_the_table_names_and_nobody_else() {
    let fixture = fixture();
    let roles = [Role::Admin, Role::Technician, Role::Member, Role::Auditor];
    let signed_in: Vec<_> = roles.into_iter().map(|role| fixture.signed_in(role)).collect();
    for route in ROUTES {
        let path = path_of(route);
        let stranger = ask(&fixture, Asked { method: route.method, path: &path, ..Asked::default() }).await;
        match route.access {
            Access::Public if route.pattern == "/logout" => {}
            Access::Public => assert_ne!(stranger.location, "/login", "{route:?}"),
            // From this computer.
            Access::Figures => assert_eq!(stranger.status, StatusCode::OK, "{route:?}"),
            Access::Folders => assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{route:?}"),
            Access::HalfSignedIn | Access::SignedIn | Access::Has(_) => {
                assert_eq!(stranger.status, StatusCode::SEE_OTHER, "{route:?}");
                assert!(stranger.location.starts_with("/login"), "{route:?}: {}", stranger.location);
            }
        }
        if ["/events", "/logout", "/site/run", "/account/sessions/end-others", "/account/recovery-codes"]
            .contains(&route.pattern)
        {
            continue;
        }
        if route.access == Access::Folders {
            for (cookie, actor) in &signed_in {
                let asked = Asked { method: route.method, path: &path, cookie: Some(cookie), ..Asked::default() };
                let by_cookie = ask(&fixture, asked).await;
                assert_eq!(by_cookie.status, StatusCode::UNAUTHORIZED, "cookies count for nothing: {route:?}");
                let token = dav::any_token_of(&fixture, actor);
                let headers = [("authorization", dav::basic(actor.name(), &token)), ("depth", "1".to_owned())];
                let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                let asked = Asked { method: route.method, path: &path, headers: &headers, ..Asked::default() };
                let status = ask(&fixture, asked).await.status;
                let may = actor.may(Right::OpenFolders).is_ok();
                assert_eq!(status == StatusCode::FORBIDDEN, !may, "{route:?} {:?} {status}", actor.role());
                assert!(status.is_success() == (may && (path == "/dav" || route.method == "OPTIONS")), "{route:?}");
            }
            continue;
        }
        for (cookie, actor) in &signed_in {
            let told =
                ask(&fixture, Asked { method: route.method, path: &path, cookie: Some(cookie), ..Asked::default() })
                    .await;
            let may = match route.access {
                Access::Has(right) => actor.may(right).is_ok(),
                Access::Public | Access::SignedIn | Access::HalfSignedIn | Access::Figures | Access::Folders => true,
            };
            assert_eq!(told.status == StatusCode::FORBIDDEN, !may, "{route:?} {:?} {}", actor.role(), told.status);
            assert_ne!(told.status, StatusCode::INTERNAL_SERVER_ERROR, "{route:?}: {}", told.body);
        }
    }
}

#[actix_web::test]
async fn the_headers_that_protect_browsers_are_on_every_answer() {
    let fixture = fixture();
    let service = init_service(app(web::Data::from(Arc::clone(&fixture.portal)))).await;
    let asked = ["/", "/login", "/nothing", "/static/x", "/healthz", "/welcome/x", "/machines/%00"];
    for (path, host) in asked.iter().map(|path| (*path, "localhost")).chain([("/", "evil.example")]) {
        let request =
            TestRequest::get().uri(path).peer_addr("127.0.0.1:1".parse().expect("peer")).insert_header(("host", host));
        let response = call_service(&service, request.to_request()).await;
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().expect("text")).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert!(header("strict-transport-security").starts_with("max-age="), "{path}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
    }
}

#[actix_web::test]
async fn somebody_signs_in_with_password_and_code_and_out_again() {
    let fixture = fixture();
    let link = accounts::admin_link(fixture.site(), &Actor::console()).expect("link");
    let path = format!("/welcome/{}", link.expose());
    let shown = ask(&fixture, Asked { path: &path, ..Asked::default() }).await;
    assert!(shown.status == StatusCode::OK && shown.body.contains("name=\"name\""), "{}", shown.body);
    let post = |path, cookie, form| Asked { method: "POST", path, cookie, form, ..Asked::default() };
    let weak = ask(&fixture, post(&path, None, "name=claire&password=short")).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(weak.body.contains("too short") && weak.body.contains("value=\"claire\""), "{}", weak.body);
    let form = "name=claire&password=les+trois+caf%C3%A9s+du+port";
    let accepted = ask(&fixture, post(&path, None, form)).await;
    assert_eq!((accepted.status, accepted.location.as_str()), (StatusCode::SEE_OTHER, "/welcome/second-factor"));
    let cookie = accepted.cookies.iter().find(|cookie| cookie.name() == COOKIE).expect("a cookie").clone();
    assert_eq!(cookie.http_only(), Some(true));
    assert_eq!((cookie.secure(), cookie.same_site()), (Some(true), Some(SameSite::Strict)));
    assert_eq!((cookie.path(), cookie.domain()), (Some("/"), None));

    // Before the second factor nothing else is to be had.
    let early = get(&fixture, "/", cookie.value(), &[]).await;
    assert_eq!(early.location, "/welcome/second-factor");
    let setup = get(&fixture, "/welcome/second-factor", cookie.value(), &[]).await;
    let secret = setup.body.split("name=\"secret\" value=\"").nth(1).expect("secret").split('"').next().expect("end");
    let form = format!("secret={secret}&code=000000");
    let wrong = ask(&fixture, post("/welcome/second-factor", Some(cookie.value()), &form)).await;
    assert!(wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.body.contains(secret), "the same secret again");
    let code = accounts::code_for_tests(secret, fixture.site().clock.now());
    let form = format!("secret={secret}&code={code}");
    let done = ask(&fixture, post("/welcome/second-factor", Some(cookie.value()), &form)).await;
    assert_eq!(done.status, StatusCode::OK);
    let codes: Vec<&str> = done.body.split("<li><code>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(codes.len(), 10, "{}", done.body);
    let signed_in = done.cookies.iter().find(|cookie| cookie.name() == COOKIE).expect("a cookie").value().to_owned();
    assert_ne!(signed_in, cookie.value(), "another one at each step");
    assert_eq!(get(&fixture, "/people", &signed_in, &[]).await.status, StatusCode::OK);

    let form = "name=Claire&password=les+trois+caf%C3%A9s+du+port&next=%2Fsystem";
    let half = ask(&fixture, post("/login", None, form)).await;
    assert_eq!(half.location, "/login/code");
    let half_cookie = half.cookies.iter().find(|cookie| cookie.name() == COOKIE).expect("a cookie").value().to_owned();
    let form = format!("code={}", codes[0]);
    let full = ask(&fixture, post("/login/code", Some(&half_cookie), &form)).await;
    assert_eq!(full.location, "/");
    let full_cookie = full.cookies.iter().find(|cookie| cookie.name() == COOKIE).expect("a cookie").value().to_owned();
    let out = ask(&fixture, post("/logout", Some(&full_cookie), "")).await;
    assert!(out.cookies.iter().any(|cookie| cookie.name() == COOKIE && cookie.value().is_empty()));
    assert_eq!(get(&fixture, "/", &full_cookie, &[]).await.location, "/login", "it is over on the box too");
    let wrong = ask(&fixture, post("/login", None, "name=claire&password=wrong")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("That is not right"), "{}", wrong.body);
}

#[actix_web::test]
async fn what_a_page_from_elsewhere_sends_does_nothing() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    for route in ROUTES.iter().filter(|route| !route.is_look()) {
        let path = path_of(route);
        for header in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("sec-fetch-site", "none")] {
            let asked =
                Asked { method: "POST", path: &path, cookie: Some(&cookie), headers: &[header], ..Asked::default() };
            let told = ask(&fixture, asked).await;
            assert!(told.status == StatusCode::FORBIDDEN && told.body.contains("another site"), "{route:?}");
        }
    }
    assert_eq!(get(&fixture, "/", &cookie, &[]).await.status, StatusCode::OK, "still signed in");
}

#[actix_web::test]
async fn the_portal_answers_the_local_network_under_its_names_only() {
    let fixture = fixture();
    for host in ["evil.example", "localhost.evil.example:8443", "cellar.evil.example", "", "[x]"] {
        for path in ["/", "/metrics", "/healthz", "/login"] {
            let told = ask(&fixture, Asked { path, headers: &[("host", host)], ..Asked::default() }).await;
            assert_eq!(told.status, StatusCode::MISDIRECTED_REQUEST, "{host}{path}");
        }
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:8443", "192.168.1.60", "LOCALHOST"] {
        let told = ask(&fixture, Asked { path: "/healthz", headers: &[("host", host)], ..Asked::default() }).await;
        assert_eq!(told.status, StatusCode::OK, "{host}");
    }
    for (peer, expected) in [
        ("192.168.1.7:1", StatusCode::OK),
        ("[fd00::7]:1", StatusCode::OK),
        ("203.0.113.7:1", StatusCode::FORBIDDEN),
        ("[2001:db8::7]:1", StatusCode::FORBIDDEN),
        ("[::ffff:203.0.113.7]:1", StatusCode::FORBIDDEN),
    ] {
        let told = ask(&fixture, Asked { path: "/login", peer, ..Asked::default() }).await;
        assert_eq!(told.status, expected, "{peer}");
    }
}

#[actix_web::test]
async fn a_stale_password_is_asked_for_again_before_it_decides_about_accounts() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    fixture
        .site()
        .catalog
        .writer()
        .write(|tx| {
            tx.execute("UPDATE web_session SET confirmed_at = confirmed_at - 3600000", []).expect("age");
            Ok::<_, OperationError>(())
        })
        .expect("write");
    let told = get(&fixture, "/people?x=1", &cookie, &[]).await;
    assert_eq!(told.location, "/confirm?next=/people%3Fx%3D1");
    let headers = [("referer", "https://localhost:8443/system")];
    let asked =
        Asked { method: "POST", path: "/system/kit", cookie: Some(&cookie), headers: &headers, ..Asked::default() };
    assert_eq!(ask(&fixture, asked).await.location, "/confirm?next=/system");
    let confirm = |form| Asked { method: "POST", path: "/confirm", cookie: Some(&cookie), form, ..Asked::default() };
    let wrong = ask(&fixture, confirm("password=wrong&next=%2Fpeople")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = ask(&fixture, confirm("password=les+trois+caf%C3%A9s+du+port&next=%2F%2Fevil.example")).await;
    assert_eq!(right.location, "/", "and nowhere else");
    assert_eq!(get(&fixture, "/people", &cookie, &[]).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_member_sees_own_machines_and_others_are_not_there() {
    let fixture = fixture();
    let site = fixture.site();
    let machine = |name: &str| {
        let code = operations::create_enrolment_code(
            site,
            &Actor::console(),
            &name.parse().expect("name"),
            datis_engine::ids::Profile::Server,
        );
        let key = datis_engine::keys::PublicKey::from_slice(&datis_engine::keys::random_bytes::<32>().expect("key"));
        operations::redeem_enrolment_code(site, &code.expect("code"), key.expect("key")).expect("enrol")
    };
    let (own, other) = (machine("own-till"), machine("other-till"));
    let (cookie, actor) = fixture.signed_in(Role::Member);
    let name: accounts::AccountName = actor.name().parse().expect("name");
    let change = accounts::PersonChange {
        role: Role::Member,
        may_come_in: None,
        services: vec![Service::Restore],
        machines: [own.id].into(),
    };
    accounts::change_person(site, &Actor::console(), &name, &change).expect("change");
    for path in ["/", "/machines"] {
        let page = get(&fixture, path, &cookie, &[]).await.body;
        assert!(page.contains("own-till") && !page.contains("other-till"), "{page}");
        assert!(!page.contains("Disk"), "the disk is not theirs to look at");
    }
    assert_eq!(get(&fixture, &format!("/machines/{}", own.id), &cookie, &[]).await.status, StatusCode::OK);
    let foreign = get(&fixture, &format!("/machines/{}", other.id), &cookie, &[]).await;
    let absent = get(&fixture, &format!("/machines/{}", "00".repeat(16)), &cookie, &[]).await;
    assert_eq!((foreign.status, absent.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    let without_paths = |told: Told| told.body.replace(&other.id.to_string(), "").replace(&"00".repeat(16), "");
    assert_eq!(without_paths(foreign), without_paths(absent), "nothing tells them apart");
}

#[actix_web::test]
async fn an_admin_lets_a_machine_in_and_changes_what_is_asked_of_it() {
    let fixture = fixture();
    let cookie = fixture.cookie_of(Role::Admin);
    let post = |path, form| Asked { method: "POST", path, cookie: Some(&cookie), form, ..Asked::default() };
    let refused = ask(&fixture, post("/machines/new", "name=a%2Fb&profile=server")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let made = ask(&fixture, post("/machines/new", "name=till&profile=server")).await;
    let command = made.body.split("id=\"command\"").nth(1).expect("the command");
    let uri = command.split("&#39;").nth(1).expect("the address").replace("&#38;", "&");
    let uri: datis_engine::enrolment::EnrolmentUri = uri.parse().expect("an enrolment URI");
    assert_eq!((uri.host.as_str(), uri.port), ("192.0.2.1", 20_600));
    assert!(made.body.contains("<svg"), "and as a picture");
    let key = datis_engine::keys::PublicKey::from_slice(&[9; 32]).expect("key");
    let machine = operations::redeem_enrolment_code(fixture.site(), &uri.code, key).expect("enrol");
    let taken = ask(&fixture, post("/machines/new", "name=till&profile=server")).await;
    assert!(taken.body.contains("machine of this name already"), "{}", taken.body);

    let path = format!("/machines/{}/policy", machine.id);
    let bad = ask(&fixture, post(&path, "every=often&local=30d%2F1d&external=90d%2F1d")).await;
    assert!(bad.status == StatusCode::UNPROCESSABLE_ENTITY && bad.body.contains("value=\"often\""), "{}", bad.body);
    let good = ask(&fixture, post(&path, "every=2h&local=30d%2F1d&external=90d%2F1d")).await;
    assert_eq!(good.location, format!("/machines/{}?said=saved", machine.id));
    assert_eq!(operations::policy(fixture.site(), &machine.name).expect("policy").every, Seconds(7_200));
    let retired = ask(&fixture, post(&format!("/machines/{}/retire", machine.id), "")).await;
    assert!(get(&fixture, &retired.location, &cookie, &[]).await.body.contains("cannot come in any more"));
}

#[actix_web::test]
async fn supervision_gets_figures_and_a_sign_of_life() {
    let fixture = fixture();
    let told = ask(&fixture, Asked { path: "/metrics", ..Asked::default() }).await;
    assert_eq!(told.status, StatusCode::OK);
    let text = told.body;
    for line in [
        "datis_packs{state=\"stored\"} 0",
        "datis_pack_bytes{state=\"stored\"} 0",
        "datis_machines{state=\"late\"} 0",
        "datis_worker_state{worker=\"verifier\",state=\"failed\"} 1",
        "datis_worker_state{worker=\"verifier\",state=\"idle\"} 0",
        "datis_worker_last_run_timestamp_seconds{worker=\"verifier\"} 1700000000",
        "datis_connections 0",
        "datis_check_state{check=\"lan.link\",state=\"fail\"} 1",
        "datis_check_state{check=\"lan.link\",state=\"pass\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in {text}");
    }
    assert!(text.contains("datis_disk_free_bytes ") && text.ends_with("# EOF\n"), "{text}");
    assert_eq!(ask(&fixture, Asked { path: "/healthz", ..Asked::default() }).await.status, StatusCode::OK);

    // From elsewhere in the network figures need a token, and a token for figures is good for nothing else.
    let (_, actor) = fixture.signed_in(Role::Admin);
    let token = |scope| {
        let token = accounts::make_token(fixture.site(), &actor, "scraper", scope, Seconds::DAY).expect("token");
        format!("Bearer {}", token.expose())
    };
    let (metrics, read) = (token(TokenScope::Metrics), token(TokenScope::Read));
    for (path, authorization, expected) in [
        ("/metrics", "", StatusCode::UNAUTHORIZED),
        ("/metrics", "Bearer wrong", StatusCode::UNAUTHORIZED),
        ("/metrics", metrics.as_str(), StatusCode::OK),
        ("/metrics", read.as_str(), StatusCode::OK),
        ("/machines", metrics.as_str(), StatusCode::FORBIDDEN),
        ("/machines", read.as_str(), StatusCode::OK),
        ("/people", read.as_str(), StatusCode::FORBIDDEN),
    ] {
        let header = [("authorization", authorization)];
        let headers = if authorization.is_empty() { &[][..] } else { &header[..] };
        let told = ask(&fixture, Asked { path, headers, peer: "192.168.1.9:5", ..Asked::default() }).await;
        assert_eq!(told.status, expected, "{path} {authorization}");
    }
    // A token for looking changes nothing, by any route.
    for route in ROUTES.iter().filter(|route| !route.is_look() && route.access != Access::Public) {
        let (path, headers) = (path_of(route), [("authorization", read.as_str())]);
        let asked = Asked { method: "POST", path: &path, headers: &headers, ..Asked::default() };
        assert_eq!(ask(&fixture, asked).await.status, StatusCode::FORBIDDEN, "{route:?}");
    }
}

#[actix_web::test]
async fn the_files_of_the_portal_may_be_kept_and_have_their_digest_in_their_names() {
    let fixture = fixture();
    for path in pages::assets::Asset::ALL.map(pages::assets::Asset::path) {
        let told = ask(&fixture, Asked { path, ..Asked::default() }).await;
        assert_eq!(told.status, StatusCode::OK, "{path}");
    }
    let told = ask(&fixture, Asked { path: "/ca.crt", ..Asked::default() }).await;
    assert_eq!(told.status, StatusCode::OK);
    let wrong_method = ask(&fixture, Asked { method: "DELETE", path: "/people", ..Asked::default() }).await;
    assert_eq!(wrong_method.status, StatusCode::NOT_FOUND);
    assert!(!wrong_method.policy.is_empty());
}
