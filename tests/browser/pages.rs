//! Every page, in every language, on a telephone and on a desk.

use std::collections::{BTreeMap, BTreeSet};

use harness::browser::{Browser, eventually};
use harness::portal::{COOKIE, Visitor};
use harness::{Invocation, TestBox, repository};
use serde_json::json;

use crate::{inspect, scene};

const LANGUAGES: [&str; 3] = ["en", "fr", "ru"];

/// Routes that answer with files, figures, events or the way to another page.
const NO_PAGES: &[&str] = &[
    "/reports/report.pdf",
    "/site/certificate.pdf",
    "/site/signed.pdf",
    "/site/firewall.pdf",
    "/system/components.json",
    "/static/{file}",
    "/ca.crt",
    "/openapi.json",
    "/healthz",
    "/metrics",
    "/events",
    "/restore/{machine}/{source}",
    "/restore/{machine}/{source}/{snapshot}/file",
    "/restore/{machine}/{source}/{snapshot}/archive",
    "/dav",
    "/dav/{path:.*}",
];

/// The steps of the setup that have an address of their own.
const STEPS: [&str; 7] = ["network", "outside", "account", "kit", "mail", "first-machine", "sign-off"];

/// A page, and who sees it.
struct Page {
    path: String,
    cookie: String,
    /// What HTTP says to it.
    status: u16,
}

/// Forms that answer with a page, and what has to be typed for it.
const FORMS: [(&str, &str, &str, &str); 7] = [
    ("/peers", "form[action='/peers/invite']", "", "#line"),
    ("/system/support", "form[action='/system/support']", "", "#link"),
    ("/machines/new", "form[action='/machines/new']", "name=till-%", "#command"),
    ("/machines/new", "form[action='/machines/new']", "name=a/b", ".problem"),
    ("/people/new", "form[action='/people/new']", "name=guest-%", "#link"),
    ("/account", "form[action='/account/tokens']", "name=supervision %", "#token"),
    ("/account", "form[action='/account/recovery-codes']", "", ".codes"),
];

#[test]
fn the_list_of_pages_is_that_of_the_routes() {
    let source = std::fs::read_to_string(repository().join("appliance/src/portal/routes.rs")).expect("routes.rs");
    let routes: BTreeSet<&str> =
        source.lines().filter_map(|line| line.trim().strip_prefix("get \"")?.split('"').next()).collect();
    assert!(routes.len() > 20, "{routes:?}");
    let known: BTreeSet<&str> = NO_PAGES.iter().copied().chain(PATTERNS.iter().map(|(pattern, _)| *pattern)).collect();
    assert_eq!(routes, known, "say in tests/browser/pages.rs how the page is reached");
}

/// Who sees a page, in one word each.
#[derive(Clone, Copy)]
enum Who {
    Stranger,
    BeforeCode,
    BeforeFactor,
    Admin,
}

/// Every GET of the table of routes that is a page.
const PATTERNS: &[(&str, Who)] = &[
    ("/login", Who::Stranger),
    ("/login/code", Who::BeforeCode),
    ("/welcome/second-factor", Who::BeforeFactor),
    ("/welcome/{link}", Who::Stranger),
    ("/welcome/{link}/back", Who::Stranger),
    ("/confirm", Who::Admin),
    ("/", Who::Admin),
    ("/machines", Who::Admin),
    ("/machines/new", Who::Admin),
    ("/machines/{id}", Who::Admin),
    ("/machines/{id}/retention", Who::Admin),
    ("/setup", Who::Admin),
    ("/setup/place", Who::Admin),
    ("/setup/{step}", Who::Admin),
    ("/site", Who::Admin),
    ("/alerts", Who::Admin),
    ("/peers", Who::Admin),
    ("/peers/bandwidth", Who::Admin),
    ("/peers/members/{id}", Who::Admin),
    ("/alerts/settings", Who::Admin),
    ("/reports", Who::Admin),
    ("/restore", Who::Admin),
    ("/restore/search", Who::Admin),
    ("/restore/{machine}/{source}/versions", Who::Admin),
    ("/restore/{machine}/{source}/{snapshot}", Who::Admin),
    ("/put-backs/{number}", Who::Admin),
    ("/people", Who::Admin),
    ("/people/new", Who::Admin),
    ("/people/directory", Who::Admin),
    ("/people/{name}", Who::Admin),
    ("/audit", Who::Admin),
    ("/system", Who::Admin),
    ("/system/network", Who::Admin),
    ("/system/time", Who::Admin),
    ("/system/storage", Who::Admin),
    ("/system/ups", Who::Admin),
    ("/system/services", Who::Admin),
    ("/system/components", Who::Admin),
    ("/system/power", Who::Admin),
    ("/system/support", Who::Admin),
    ("/system/certificate", Who::Admin),
    ("/system/network/keep/{link}", Who::Stranger),
    ("/account", Who::Admin),
    ("/account/second-factor", Who::Admin),
];

#[test]
fn every_page_is_whole_in_every_language_on_a_telephone_and_on_a_desk() {
    scene::apart(|place| {
        let the_box = place.start_box();
        let mut admin = scene::admin(&the_box, "claire");
        let browser = scene::browser(&the_box);
        browser.open(&the_box.url("/login"));
        let mut told = Vec::new();
        for empty in ["/", "/machines", "/site", "/peers"] {
            told.extend(visit(&browser, &the_box, &page(empty, &admin, 200)));
        }
        remember_a_year(&the_box);
        for page in &pages_of(&the_box, &mut admin) {
            told.extend(visit(&browser, &the_box, page));
        }
        told.extend(forms(&browser, &the_box, &admin));
        assert!(told.is_empty(), "{} defects\n{}", told.len(), told.join("\n"));
    });
}

/// Has the box remember how full its disk was on each day of a year.
fn remember_a_year(the_box: &TestBox) {
    const RUN: &str = "import sqlite3, sys, time
today = int(time.time() // 86400)
c = sqlite3.connect(sys.argv[1], timeout=20)
c.executemany('INSERT OR IGNORE INTO disk_day (day, used_bytes, total_bytes) VALUES (?, ?, 2000000000000)',
              [(today - n, (365 - n) * 4000000000) for n in range(1, 365)])
c.commit()";
    let catalog = the_box.data().join("catalog/catalog.db");
    let _kept = Invocation::new("/usr/bin/python3").args(["-c", RUN]).arg(catalog).run().expect_success();
}

#[test]
fn the_disk_over_a_year_can_be_looked_at_closer() {
    scene::apart(|place| {
        let the_box = place.start_box();
        let admin = scene::admin(&the_box, "claire");
        remember_a_year(&the_box);
        let browser = scene::browser(&the_box);
        browser.open(&the_box.url("/login"));
        browser.set_cookie(COOKIE, &admin.cookie);
        browser.open(&the_box.url("/system/storage"));
        let _drawn = browser.select(".chart .uplot canvas");
        let place = browser.run(
            "const over = document.querySelector('.u-over'); over.scrollIntoView({ block: 'center', behavior: 'instant' });
             const at = over.getBoundingClientRect(); return [at.left, at.top, at.width];",
            &[],
        );
        let [left, top, width] = [0, 1, 2].map(|side| place[side].as_f64().expect("a number"));
        let mouse = |kind: &str, part: f64| {
            let at = json!({ "type": kind, "x": left + width * part, "y": top + 40.0, "button": "left", "buttons": 1, "clickCount": 1 });
            browser.devtools("Input.dispatchMouseEvent", &at);
        };
        mouse("mousePressed", 0.3);
        mouse("mouseMoved", 0.5);
        eventually("the part that is dragged over", || {
            let chosen = browser.run("return document.querySelector('.u-select').offsetWidth", &[]);
            chosen.as_f64().filter(|chosen| *chosen > width * 0.1)
        });
        mouse("mouseReleased", 0.5);
        assert_eq!(browser.complaints(), [""; 0]);
        let rows = browser.run("return document.querySelectorAll('.chart tr[data-at]').length", &[]);
        assert!(rows.as_u64().is_some_and(|rows| rows >= 364), "{rows}");
    });
}

/// Looks at a page in every language.
fn visit(browser: &Browser, the_box: &TestBox, page: &Page) -> Vec<String> {
    let (mut told, mut english) = (Vec::new(), BTreeSet::new());
    for language in LANGUAGES {
        let name = format!("{} in {language}", page.path);
        // Cookies are those of the site that is shown, and this one is read by every page.
        browser.forget_cookies();
        browser.set_cookie(COOKIE, &page.cookie);
        let joint = if page.path.contains('?') { '&' } else { '?' };
        browser.open(&the_box.url(&format!("{}{joint}lang={language}", page.path)));
        let path = page.path.split('?').next().unwrap_or_default();
        assert!(browser.url().contains(path), "{name} leads to {}", browser.url());
        assert_eq!(status(browser), page.status, "{name}");
        let found = inspect_here(browser, language, page.status, &mut english);
        told.extend(found.into_iter().map(|each| format!("{name}: {each}")));
    }
    told
}

/// The pages that answer forms.
fn forms(browser: &Browser, the_box: &TestBox, admin: &Visitor) -> Vec<String> {
    let mut told = Vec::new();
    for (path, form, typed, wanted) in FORMS {
        let mut english = BTreeSet::new();
        for language in LANGUAGES {
            browser.forget_cookies();
            browser.set_cookie(COOKIE, &admin.cookie);
            browser.open(&the_box.url(&format!("{path}?lang={language}")));
            if let Some((field, text)) = typed.split_once('=') {
                let script = "document.querySelector(arguments[0]).elements[arguments[1]].value = arguments[2]";
                let _typed = browser.run(script, &[json!(form), json!(field), json!(text.replace('%', language))]);
            }
            browser.select(&format!("{form} button")).click();
            let _there = browser.select(wanted);
            let found = inspect_here(browser, language, status(browser), &mut english);
            told.extend(found.into_iter().map(|each| format!("{form} with {typed} in {language}: {each}")));
        }
    }
    told
}

/// What is wrong with the page that is shown. The English texts are kept, and compared with when it is another language.
fn inspect_here(browser: &Browser, language: &str, status: u16, english: &mut BTreeSet<String>) -> Vec<String> {
    let mut told = Vec::new();
    for width in [1280, 320] {
        browser.set_width(width);
        let at_width = inspect::barriers(browser).into_iter().chain(inspect::overflow(browser));
        told.extend(at_width.map(|each| format!("at {width} px: {each}")));
    }
    if language == "en" {
        browser.set_dark(true);
        told.extend(inspect::barriers(browser).into_iter().map(|each| format!("in the dark: {each}")));
        browser.set_dark(false);
    }
    browser.set_width(1280);
    if browser.run("return document.documentElement.lang", &[]) != language {
        told.push("the page says that it is in another language".to_owned());
    }
    let texts = inspect::texts(browser);
    told.extend(inspect::raw_messages(&texts));
    if language == "en" {
        *english = texts;
    } else {
        told.extend(inspect::untranslated(english, &texts));
    }
    // The browser itself says of a refusal that it is one.
    let is_expected = |line: &String| status >= 400 && line.contains(&format!("status of {status}"));
    told.extend(browser.complaints().into_iter().filter(|line| !is_expected(line)));
    told
}

fn status(browser: &Browser) -> u16 {
    let status = browser.run("return performance.getEntriesByType('navigation')[0].responseStatus", &[]);
    status.as_u64().and_then(|status| status.try_into().ok()).expect("the browser knows the status")
}

fn page(path: &str, visitor: &Visitor, status: u16) -> Page {
    Page { path: path.to_owned(), cookie: visitor.cookie.clone(), status }
}

/// Puts a box into use: every page of it.
fn pages_of(the_box: &TestBox, admin: &mut Visitor) -> Vec<Page> {
    let before_factor = scene::half_an_admin(the_box, "half");
    let mut before_code = the_box.visitor();
    let half = before_code.post("/login", &[("name", "claire"), ("password", scene::PASSWORD)]);
    assert_eq!(half.location, "/login/code", "{}", half.body);
    let mut technician = scene::person(the_box, admin, "theo", "technician");
    let auditor = scene::person(the_box, admin, "odile", "auditor");
    let member = scene::person(the_box, admin, "marc", "member");
    let for_guest = scene::invite(admin, "guest", "member");

    let machine = the_box.enrol("front office");
    let folder = the_box.beside().join("papers");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("letter.txt"), "Dear customer").expect("a file");
    let _done = machine.backup(&folder);
    let _silent = the_box.enrol("cellar-till");
    let old = the_box.enrol("old-till");
    let ids = ids(the_box);
    let retired = admin.post(&format!("/machines/{}/retire", ids[&old.name]), &[]);
    assert!(retired.location.ends_with("said=retired"), "{}", retired.body);
    let token = admin.post("/account/tokens", &[("name", "supervision"), ("scope", "metrics"), ("days", "30")]);
    assert_eq!(token.status, 200, "{}", token.body);
    let wrong = the_box.visitor().post("/login", &[("name", "claire"), ("password", "wrong")]);
    assert_eq!(wrong.status, 422);
    let run = technician.post("/site/run", &[]);
    assert_eq!(run.location, "/site?said=started", "{}", run.body);
    harness::wait_for("the checks", harness::PATIENCE, || {
        (!technician.get("/site").body.contains("data-busy")).then_some(())
    });

    let papers = format!("/restore/{}/papers", ids["front office"]);
    let newest = admin.get(&papers).location;
    let snapshot = newest.split('?').next().unwrap_or_default().to_owned();
    assert!(snapshot.starts_with(&papers), "{newest}");
    let versions = harness::wait_for("the index of names", harness::PATIENCE, || {
        let found = admin.get("/restore/search?q=letter").body;
        let at = found.find(&format!("{papers}/versions?path="))?;
        found[at..].split('"').next().map(|path| path.replace("&#38;", "&"))
    });
    let below = folder.strip_prefix("/").expect("absolute").to_str().expect("text").to_owned();
    let chosen = [("path", below.as_str()), ("name", "letter.txt"), ("kind", "beside")];
    let asked = admin.post(&format!("{snapshot}/put-back"), &chosen).location;
    let request = asked.split('?').next().unwrap_or_default().to_owned();
    assert!(request.starts_with("/put-backs/"), "{asked}");
    let stranger = the_box.visitor();
    let mut pages = Vec::new();
    for (pattern, who) in PATTERNS {
        let visitor = match who {
            Who::Stranger => &stranger,
            Who::BeforeCode => &before_code,
            Who::BeforeFactor => &before_factor,
            Who::Admin => &*admin,
        };
        let paths = match *pattern {
            "/welcome/{link}" => vec![scene::admin_link(the_box), for_guest.clone()],
            // Only on a blank box; see bringing_back.rs.
            "/welcome/{link}/back" => Vec::new(),
            // Only in the minute in which an address is tried; see tests/commissioning/moving.rs.
            "/system/network/keep/{link}" => Vec::new(),
            "/machines/{id}" => ids.values().map(|id| format!("/machines/{id}")).collect(),
            "/machines/{id}/retention" => {
                let path = format!("/machines/{}/retention", ids["front office"]);
                ["", "?preset=lean&list=kept", "?local=sometimes"].map(|query| format!("{path}{query}")).to_vec()
            }
            "/setup/{step}" => STEPS.map(|step| format!("/setup/{step}")).to_vec(),
            "/people/{name}" => ["claire", "theo", "guest"].map(|name| format!("/people/{name}")).to_vec(),
            "/peers/members/{id}" => vec![format!("/peers/members/{}", found_community(the_box))],
            "/restore/search" => ["", "?q=letter", "?q=nothing-like-it"].map(|q| format!("{pattern}{q}")).to_vec(),
            "/put-backs/{number}" => vec![request.clone()],
            "/restore/{machine}/{source}/versions" => vec![versions.clone()],
            "/restore/{machine}/{source}/{snapshot}" => {
                vec![snapshot.clone(), format!("{snapshot}?path=no-such-folder")]
            }
            plain => vec![plain.to_owned()],
        };
        pages.extend(paths.iter().map(|path| page(path, visitor, 200)));
    }
    // The same pages for those who may less, and what is said to those who may not.
    pages.extend([
        page("/", &member, 200),
        page(&format!("/machines/{}", ids["front office"]), &auditor, 200),
        page("/account", &technician, 200),
        page("/people", &technician, 403),
        page("/nothing/here", admin, 404),
        page("/welcome/0123456789", &stranger, 422),
        page(&format!("{}/back", scene::admin_link(the_box)), &stranger, 404),
        page("/system/network/keep/0123456789", &stranger, 422),
    ]);
    pages
}

/// Has the box found a community of its own; the id of its member.
fn found_community(the_box: &TestBox) -> String {
    let _founded = the_box.command(["community", "found", "harbour"]).run().expect_success();
    let shown = the_box.command(["community", "show", "--json"]).run().expect_success().json();
    shown["members"][0]["id"].as_str().expect("an id").to_owned()
}

/// The ids of all machines by their names.
fn ids(the_box: &TestBox) -> BTreeMap<String, String> {
    let status = the_box.status();
    let machines = status["machines"].as_array().expect("machines");
    let text = |machine: &serde_json::Value, key: &str| machine[key].as_str().expect(key).to_owned();
    machines.iter().map(|machine| (text(machine, "name"), text(machine, "id"))).collect()
}
