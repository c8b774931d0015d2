//! Names and texts from elsewhere that look like markup stay texts, and no script of theirs runs.

use harness::browser::Browser;
use harness::portal::COOKIE;
use serde_json::json;

use crate::scene;

/// A piece of markup that would tell that it runs.
const MARKUP: &str = "\"'><img src=x onerror=window.ran=1><svg onload=window.ran=1><script>window.ran=1</script>";

/// The page shows `text` as text, and nothing of it is an element, runs, or was even kept from running.
#[track_caller]
fn is_text(browser: &Browser, text: &str) {
    let held = browser.run(
        "const values = [...document.querySelectorAll('input')].map((field) => field.value);\
         return document.documentElement.textContent.includes(arguments[0]) || values.some((v) => v.includes(arguments[0]))",
        &[json!(text)],
    );
    assert!(held == true, "`{text}` is not at {}:\n{}", browser.url(), browser.text());
    is_quiet(browser);
}

#[track_caller]
fn is_quiet(browser: &Browser) {
    let planted = browser.run("return document.querySelectorAll('img, [onload], [onerror], body script').length", &[]);
    assert_eq!(planted, 0, "markup became elements at {}", browser.url());
    assert_eq!(browser.run("return window.ran === undefined", &[]), true, "a script ran at {}", browser.url());
    let told: Vec<_> = browser.complaints().into_iter().filter(|line| !line.contains("status of 422")).collect();
    assert!(told.is_empty(), "{}: {told:#?}", browser.url());
}

#[test]
fn what_looks_like_markup_is_shown_as_text_and_runs_nothing() {
    scene::apart(|place| {
        let the_box = place.start_box();
        let mut admin = scene::admin(&the_box, "claire");

        // A program that calls itself by markup signs in as the same person.
        let mut technician = scene::person(&the_box, &mut admin, "theo", "technician");
        let mut hostile = the_box.visitor();
        hostile.agent = MARKUP.to_owned();
        let signed_in = hostile.post("/login", &[("name", "theo"), ("password", scene::PASSWORD)]);
        assert_eq!(signed_in.location, "/", "{}", signed_in.body);
        let failed = hostile.post("/login", &[("name", MARKUP), ("password", "wrong")]);
        assert_eq!(failed.status, 422);

        // The strangest names that accounts, machines, sources and tokens may have.
        let name = "javascript.alert+1@__proto__-مرحبا";
        let _link = scene::invite(&mut admin, name, "member");
        let machine = the_box.enrol("onerror constructor.__proto__ עברית");
        let folder = the_box.beside().join("papers");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join(MARKUP.replace('/', "")), "hostile").expect("a file");
        let _done = machine.backup_with(&folder, ["--source", "script onload.innerHTML"]);
        let form = [("name", "<script>window.ran=1</script>"), ("scope", "read"), ("days", "1")];
        let token = technician.post("/account/tokens", &form);
        assert_eq!(token.status, 200, "{}", token.body);

        let browser = scene::browser(&the_box);
        browser.open(&the_box.url("/login"));
        browser.set_cookie(COOKIE, &technician.cookie);
        browser.open(&the_box.url("/account"));
        is_text(&browser, MARKUP);
        is_text(&browser, "<script>window.ran=1</script>");

        browser.forget_cookies();
        browser.set_cookie(COOKIE, &admin.cookie);
        for (path, text) in [
            ("/", "onerror constructor.__proto__ עברית"),
            ("/machines", "script onload.innerHTML"),
            ("/people", name),
            ("/people/javascript.alert%2B1%40__proto__-%D9%85%D8%B1%D8%AD%D8%A8%D8%A7", name),
            ("/people/new", "onerror constructor.__proto__ עברית"),
            ("/audit", "onerror constructor.__proto__ עברית"),
        ] {
            browser.open(&the_box.url(path));
            is_text(&browser, text);
        }

        // What is refused comes back in the form.
        for (path, label, button) in
            [("/machines/new", "Name of the machine", "Make the line"), ("/people/new", "Name", "Make the link")]
        {
            browser.open(&the_box.url(path));
            // As long as a program may send it.
            let _longer = browser.run("document.querySelector('[name=name]').removeAttribute('maxlength')", &[]);
            browser.fill(label, MARKUP);
            browser.press(button);
            let _refused = browser.select(".problem");
            is_text(&browser, MARKUP);
        }

        // Addresses are text from elsewhere as well.
        let written = "%22%27%3E%3Cscript%3Ewindow.ran=1%3C/script%3E";
        for path in [
            format!("/login?next={written}"),
            format!("/confirm?next={written}"),
            format!("/welcome/{written}"),
            format!("/people/{written}"),
            format!("/machines/{written}?lang={written}"),
            format!("/account?said={written}"),
            format!("/audit?before={written}"),
            format!("/{written}?{written}"),
            format!("/static/{written}"),
        ] {
            browser.open(&the_box.url(&path));
            let told = browser.run("return window.ran === undefined && !document.querySelector('body script')", &[]);
            assert_eq!(told, true, "{path}");
            let told = browser.complaints();
            assert!(told.iter().all(|line| line.contains("status of 4")), "{path}: {told:#?}");
        }
    });
}
