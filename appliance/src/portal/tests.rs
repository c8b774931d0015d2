//! The portal as a browser and a supervisor see it.

use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, call_service, init_service};

use datis_engine::units::UnixMillis;

use super::*;
use crate::config::DataDir;
use crate::meters::WorkerMood;
use crate::operations::{CheckOutcome, CheckState, Limits};
use crate::vault::Vault;

struct Fixture {
    portal: Arc<Portal>,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    let dir = DataDir::new(folder.path().join("box"));
    let vault = Vault::open_or_make(&dir, Some("cellar<b>"), &mut |_| ()).expect("vault");
    let site = Arc::new(Site::open(&dir, vault, Limits::default()).expect("site"));
    let worker = WorkerView {
        name: "verifier",
        state: WorkerMood::Failed,
        progress: None,
        last_error: Some("no & luck".to_owned()),
        last_run: Some(1_700_000_000_123),
    };
    let workers: Workers = Box::new(move || vec![worker.clone()]);
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
    let portal = Portal::new(site, &Meters::new(), workers).expect("portal");
    Fixture { portal, _folder: folder }
}

async fn get(fixture: &Fixture, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String, String) {
    let service = init_service(app(web::Data::from(Arc::clone(&fixture.portal)))).await;
    let mut request = TestRequest::get().uri(path).insert_header(("host", "localhost:8443"));
    for header in headers {
        request = request.insert_header(*header);
    }
    let response = call_service(&service, request.to_request()).await;
    let status = response.status();
    let policy = response.headers().get(CONTENT_SECURITY_POLICY).expect("policy").to_str().expect("text").to_owned();
    let body = to_bytes(response.into_body()).await.expect("body");
    (status, policy, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[actix_web::test]
async fn the_page_speaks_the_visitors_language_and_runs_no_script() {
    let fixture = fixture();
    for (language, word) in [("en", "Background work"), ("fr", "Travaux de fond"), ("ru", "Фоновая работа")]
    {
        let (status, policy, page) = get(&fixture, "/", &[("accept-language", language)]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains(word) && page.contains(&format!("lang=\"{language}\"")), "{page}");
        assert!(!page.contains("<script") && !page.contains("style=") && policy.contains("default-src 'none'"));
    }
    let (_, _, page) = get(&fixture, "/?lang=fr", &[("accept-language", "ru")]).await;
    assert!(page.contains("Travaux de fond"));
}

#[actix_web::test]
async fn names_and_errors_are_shown_as_text_not_as_markup() {
    let (_, _, page) = get(&fixture(), "/", &[]).await;
    assert!(!page.contains("cellar<b>") && !page.contains("no & luck"), "{page}");
    assert!(page.contains("cellar&#60;b&#62;") && page.contains("no &#38; luck"), "{page}");
}

#[actix_web::test]
async fn what_fails_at_the_site_is_told_with_what_to_do_and_what_waits_for_it() {
    let fixture = fixture();
    for (language, notice, remedy, waits, passed) in [
        ("en", "One check of the site fails", "Plug the network cable", "mended: Network cable", "last in order"),
        ("fr", "Un contrôle du site échoue", "Branchez le câble", "réparé : Câble réseau", "en ordre pour la"),
        (
            "ru",
            "Не проходит 1 проверка места",
            "Вставьте сетевой кабель",
            "исправлено: Сетевой кабель",
            "последний раз",
        ),
    ] {
        let (_, _, page) = get(&fixture, "/", &[("accept-language", language)]).await;
        for said in [notice, remedy, waits, passed, "eth&#60;0&#62;"] {
            assert!(page.contains(said), "{said} in {page}");
        }
    }
}

#[actix_web::test]
async fn supervision_gets_figures_and_a_sign_of_life() {
    let fixture = fixture();
    let (status, _, text) = get(&fixture, "/metrics", &[]).await;
    assert_eq!(status, StatusCode::OK);
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
    assert_eq!(get(&fixture, "/healthz", &[]).await.0, StatusCode::OK);
    assert_eq!(get(&fixture, "/portal.css", &[]).await.0, StatusCode::OK);
    assert_eq!(get(&fixture, "/nothing", &[]).await.0, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_page_from_elsewhere_cannot_reach_the_portal_under_its_own_name() {
    let fixture = fixture();
    for host in ["evil.example", "localhost.evil.example:8443", "192.0.2.1", ""] {
        for path in ["/", "/metrics", "/healthz"] {
            let (status, _, _) = get(&fixture, path, &[("host", host)]).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host}{path}");
        }
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:8443"] {
        assert_eq!(get(&fixture, "/healthz", &[("host", host)]).await.0, StatusCode::OK, "{host}");
    }
}
