//! A lost box comes back in the place of a blank one, by clicking alone.

use std::time::Duration;

use harness::browser::Browser;
use harness::clicks::picture;
use harness::portal::COOKIE;
use harness::{BoxOptions, TestBox, wait_for};

use crate::{inspect, scene};

/// Until everything has spread to the other boxes.
const SPREAD: Duration = Duration::from_secs(240);

fn start() -> TestBox {
    BoxOptions::new().config("[community]\nallow_private = true\n[storage]\nreserve_bytes = 1048576\n").start()
}

fn community(of: &TestBox, words: &[&str]) -> String {
    of.command(["community"].iter().chain(words)).run().expect_success().text()
}

/// A box with one backup that another one keeps: its kit, and the same on three sheets.
fn lost_box(keeper: &TestBox) -> (String, Vec<String>) {
    let mut lost = start();
    community(keeper, &["found", "harbour", "--as", "keeper"]);
    let line = community(keeper, &["invite"]);
    community(&lost, &["join", line.trim(), "--as", "bakery"]);
    let waiting = keeper.command(["community", "requests", "--json"]).run().expect_success().json();
    community(keeper, &["admit", "bakery", waiting[0]["digits"].as_str().expect("digits")]);
    let desk = lost.enrol("cash desk");
    let papers = lost.beside().join("papers");
    std::fs::create_dir(&papers).expect("a folder");
    std::fs::write(papers.join("letter.txt"), "Dear all").expect("a file");
    let _saved = desk.backup(&papers);
    wait_for("the backup is outside", SPREAD, || lost.status()["outside"]["machines"][0]["last_full"].as_i64());
    recovery_is_tried(&lost);
    let kit = lost.command(["kit"]).run().expect_success().text();
    let sheets = lost.command(["kit", "--sheets"]).run().expect_success().text();
    let sheets = sheets.split("# DATIS").skip(1).map(|sheet| format!("# DATIS{sheet}")).collect();
    lost.kill();
    (kit, sheets)
}

/// An admin looks at what is outside and presses the button that tries the kit.
fn recovery_is_tried(of: &TestBox) {
    let admin = scene::admin(of, "boris");
    let browser = scene::browser(of);
    browser.open(&of.url("/login"));
    browser.set_cookie(COOKIE, &admin.cookie);
    browser.open(&of.url("/peers"));
    browser.see("Give and take");
    browser.press("Test the kit now");
    wait_for("the kit is tried", SPREAD, || browser.text().contains("and it went well.").then_some(()));
    is_whole(&browser);
    picture(&browser, "other-boxes");
}

#[track_caller]
fn is_whole(browser: &Browser) {
    let told = inspect::barriers(browser);
    assert!(told.is_empty(), "{}: {told:#?}", browser.url());
}

#[test]
fn a_lost_box_comes_back_on_the_first_page_of_a_blank_one() {
    let keeper = start();
    let (kit, sheets) = lost_box(&keeper);
    let blank = start();
    let browser = scene::browser(&blank);
    browser.open(&blank.url(&scene::admin_link(&blank)));
    browser.see("Was another box lost?");
    is_whole(&browser);
    browser.press("Bring back a lost box");
    browser.see("This box is blank.");
    is_whole(&browser);
    picture(&browser, "bring-back");
    for (language, words) in
        [("fr", "Ce boîtier est vierge."), ("ru", "Это устройство пустое."), ("en", "This box is blank.")]
    {
        let here = browser.url();
        browser.open(&format!("{}?lang={language}", here.split('?').next().expect("a path")));
        browser.see(words);
        is_whole(&browser);
    }
    let key = kit.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).expect("the key");
    let mistyped = kit.replace(key, &key.replace("KEY-1", "KEY-1Q"));
    browser.fill("The recovery kit", &mistyped);
    browser.press("Bring it back");
    browser.see("Something in the kit is mistyped.");
    is_whole(&browser);
    browser.fill("The recovery kit", &sheets[2]);
    browser.press("Bring it back");
    browser.see("one more is needed");
    is_whole(&browser);

    // What was typed is still there.
    let typed = browser.run("return document.querySelector('textarea').value", &[]);
    let typed = typed.as_str().expect("a text").to_owned();
    browser.fill("The recovery kit", &format!("{typed}\n{}", sheets[0]));
    browser.press("Bring it back");
    wait_for("the box is back", SPREAD, || {
        browser.text().contains("Everything that the other boxes keep is known.").then_some(())
    });
    is_whole(&browser);
    browser.press("Start as the lost box");
    browser.see("The box is starting again");
    let next = browser.content("a.button.main");
    assert_eq!(next, "Go on");
    let path = browser.run("return document.querySelector('a.button.main').getAttribute('href')", &[]);
    let link = blank.url(path.as_str().expect("a path"));
    wait_for("it runs again", SPREAD, || {
        (browser.try_open(&link).is_ok() && browser.text().contains("You become an admin of this box.")).then_some(())
    });
    assert!(!browser.text().contains("Was another box lost?"), "it is no blank box any more");
    browser.fill("Name", "claire");
    browser.fill("New password", scene::PASSWORD);
    browser.press("Continue");
    browser.see("Set up the second factor");

    let status = blank.status();
    let machines: Vec<&str> =
        status["machines"].as_array().into_iter().flatten().filter_map(|machine| machine["name"].as_str()).collect();
    assert!(machines.contains(&"cash desk"), "{machines:?}");
    wait_for("all is back", SPREAD, || blank.status()["coming_back"].is_null().then_some(()));
    let _sound = blank.command(["verify"]).run().expect_success();
}
