//! The whole first run, as people click it: from the link on the console to the first backup, and everybody's way in.

use harness::browser::Browser;
use harness::clicks::{invite, picture, prove_the_kit, see_the_checks_end, tick};
use harness::{Random, TestBox};
use serde_json::json;

use crate::{inspect, scene};

/// The page that is shown keeps what every page is held to.
#[track_caller]
fn is_whole(browser: &Browser) {
    let told = inspect::barriers(browser);
    assert!(told.is_empty(), "{}: {told:#?}", browser.url());
    // A refused form is an answer of 422, and the browser says so.
    let told: Vec<_> = browser.complaints().into_iter().filter(|line| !line.contains("status of 422")).collect();
    assert!(told.is_empty(), "{}: {told:#?}", browser.url());
}

#[test]
fn the_first_run_goes_from_the_link_to_a_safe_machine_by_clicking_alone() {
    scene::apart(|place| {
        let the_box = place.start_box();
        let admin = scene::browser(&the_box);
        let codes = becomes_admin(&admin, &the_box);
        goes_through_the_setup(&admin, &the_box);
        adds_a_machine(&admin, &the_box);
        changes_the_policy(&admin);
        let link = invites_a_technician(&admin);
        works_as_technician(&scene::browser(&the_box), &the_box, &link);
        signs_out_and_in(&admin, &the_box, &codes);
        looks_around(&admin);
        reads_in_other_languages(&admin);
    });
}

fn becomes_admin(browser: &Browser, the_box: &TestBox) -> Vec<String> {
    let link = the_box.url(&scene::admin_link(the_box));
    browser.open(&link);
    browser.see("You become an admin of this box.");
    browser.fill("Name", "claire");
    browser.fill("New password", "short");
    browser.press("Continue");
    let refused = browser.run("return document.querySelector('[type=password]').validity.tooShort", &[]);
    assert!(refused == true && browser.url() == link, "the browser does not send it");
    // One that does not look at lengths itself is told by the box.
    let _unaware = browser.run("document.querySelector('[type=password]').removeAttribute('minlength')", &[]);
    browser.press("Continue");
    browser.see("The password is too short: it needs at least 10 characters.");
    browser.fill("New password", "claire claire");
    browser.press("Continue");
    browser.see("This password is easily guessed.");
    is_whole(browser);
    let name = browser.run("return document.querySelector('[name=name]').value", &[]);
    assert_eq!(name, "claire", "what was typed is still there");
    browser.fill("New password", scene::PASSWORD);
    browser.press("Continue");

    browser.see("Set up the second factor");
    picture(browser, "second-factor");
    browser.press("Type the key by hand instead");
    let secret = browser.content("#factor-secret");
    browser.fill("The six digits that the app shows", "000000");
    browser.press("Check the code");
    browser.see("That is not right.");
    assert_eq!(browser.content("#factor-secret"), secret, "the key is in the app already");
    browser.fill("The six digits that the app shows", &scene::code(&secret));
    browser.press("Check the code");

    browser.see("Your recovery codes");
    is_whole(browser);
    let _there = browser.select(".codes");
    let codes = browser.run("return [...document.querySelectorAll('.codes li')].map((e) => e.textContent)", &[]);
    let codes: Vec<String> = serde_json::from_value(codes).expect("codes");
    assert_eq!(codes.len(), 10, "{codes:?}");
    browser.press("I have them on paper");
    browser.see("The box is ready. Add the first machine.");
    picture(browser, "dashboard-empty");
    is_whole(browser);
    browser.open(&link);
    browser.see("This link was used already, or is over.");
    codes
}

/// As far as the place lets it: its router knows no names and no time, and that stands in the way of the signature.
fn goes_through_the_setup(browser: &Browser, the_box: &TestBox) {
    browser.open(&the_box.url("/"));
    browser.see("This box is not signed for yet.");
    browser.open(&the_box.url("/setup"));
    browser.see("What the box has made by itself");
    picture(browser, "setup");
    is_whole(browser);
    browser.open(&the_box.url("/setup/place"));
    let answers = [
        "It is dry",
        "The sun does not get to it",
        "It is free of dust",
        "It has a network socket",
        "It has a power socket",
        "Not at all",
        "All of them",
        "Fibre",
        "Yes, others use it too",
        "Yes, without a dedicated address",
    ];
    tick(browser, &answers);
    browser.fill("Who runs that network: name and telephone number", "Paul <b>, 555");
    browser.press("Save");
    browser.see("Saved.");
    browser.see("The power is not protected.");
    browser.see("Contact: Paul <b>, 555");
    browser.see("Answered by: claire");
    assert!(browser.field("It is dry").is_ticked(), "answers stay");
    browser.field("By a UPS").click();
    browser.press("Save");
    browser.see("The power of the box is protected.");
    is_whole(browser);

    browser.open(&the_box.url("/setup/kit"));
    browser.see("Nobody has taken the recovery kit.");
    let kit = the_box.command(["kit"]).run().expect_success().text();
    browser.press("To the recovery kit");
    browser.see("Do you still have it?");
    assert!(!kit.lines().any(|line| line.starts_with("AGE-") && browser.text().contains(line)), "the kit is not shown");
    prove_the_kit(browser, &kit);
    browser.open(&the_box.url("/setup/kit"));
    browser.see("The recovery kit is in somebody’s hands");

    browser.open(&the_box.url("/setup/sign-off"));
    browser.see("Nobody can sign for this box yet");
    is_whole(browser);
    browser.open(&the_box.url("/"));
}

fn adds_a_machine(browser: &Browser, the_box: &TestBox) {
    browser.open(&the_box.url("/"));
    browser.press("Add a machine");
    browser.fill("Name of the machine", "front office");
    browser.choose("What it is", "desktop");
    browser.press("Make the line");
    let command = browser.content("#command");
    picture(browser, "add-machine");
    is_whole(browser);
    let uri = command.split('\'').nth(1).unwrap_or_else(|| panic!("no address in {command}"));
    let machine = the_box.machine("front office");
    let _enrolled = machine.run(["enrol", uri]).expect_success();
    browser.press("To the machines");
    browser.see("no backup yet");
    browser.press("Overview");
    browser.see("0 of 1 machines have a recent, whole backup on this box.");
    let folder = the_box.beside().join("papers");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("photograph"), Random::new(1).bytes(3_000_000)).expect("a file");
    // The page learns by itself what happens.
    let _done = machine.backup(&folder);
    browser.see("All is well: every machine has a recent backup.");
    let tile = |name: &str| browser.content(&format!(".tile{name}"));
    assert!(tile(".good").contains("Local") && tile(".good").contains("Safe"), "{}", tile(".good"));
    assert!(tile(".plain").contains("External") && tile(".plain").contains("Not set up yet"), "{}", tile(".plain"));
    assert!(browser.content("tbody.current").contains("front office"), "{}", browser.text());
    picture(browser, "dashboard");
    is_whole(browser);
}

fn changes_the_policy(browser: &Browser) {
    browser.press("front office");
    browser.see("What is asked of it");
    picture(browser, "machine");
    browser.fill("Back up every", "often");
    browser.press("Save");
    browser.see("Write how often as a number and a unit, such as 15m, 6h or 1d.");
    browser.fill("Back up every", "2h");
    browser.press("Save");
    browser.see("Saved.");
    let every = browser.run("return document.querySelector('[name=every]').value", &[]);
    assert_eq!(every, "2h");
    is_whole(browser);
}

fn invites_a_technician(browser: &Browser) -> String {
    browser.press("Accounts");
    let link = invite(browser, "Théo@example.org", "technician");
    is_whole(browser);
    browser.press("To the accounts");
    browser.see("théo@example.org");
    browser.see("invited");
    picture(browser, "accounts");
    link
}

fn works_as_technician(browser: &Browser, the_box: &TestBox, link: &str) {
    browser.open(link);
    browser.see("théo@example.org");
    browser.fill("New password", scene::PASSWORD);
    browser.press("Continue");
    browser.see("All is well: every machine has a recent backup.");
    let ways = browser.content("nav");
    for shown in ["Machines", "The site", "The box"] {
        assert!(ways.contains(shown), "{ways}");
    }
    for hidden in ["Accounts", "Audit log"] {
        assert!(!ways.contains(hidden), "{ways}");
    }
    for path in ["/people", "/people/new", "/audit"] {
        browser.open(&the_box.url(path));
        browser.see("Your account may not do this");
    }
    browser.press("To the first page");
    browser.press("front office");
    browser.see("What is asked of it");
    assert!(!browser.text().contains("Shut the machine out"), "{}", browser.text());
    browser.press("The box");
    browser.see("Get the authority");
    assert!(!browser.text().contains("Recovery kit"), "{}", browser.text());
    // Refusals are answers too, and the browser notes each.
    let _refusals = browser.complaints();

    browser.press("The site");
    browser.see("The site has not been checked yet.");
    browser.press("Check now");
    browser.see("The checks have been started.");
    see_the_checks_end(browser);
    browser.see("What to do");
    picture(browser, "site");
    is_whole(browser);
    browser.press("Sign out");
    browser.see("Sign in");
}

fn signs_out_and_in(browser: &Browser, the_box: &TestBox, codes: &[String]) {
    browser.press("Sign out");
    browser.see("Sign in");
    browser.open(&the_box.url("/audit"));
    assert!(browser.url().contains("/login?next="), "{}", browser.url());
    browser.open(&the_box.url("/login"));
    picture(browser, "login");
    browser.fill("Name", "claire");
    browser.fill("Password", "les quatre cafés du port");
    browser.press("Sign in");
    browser.see("That is not right. Check the name and the password, or the code.");
    is_whole(browser);
    browser.fill("Password", scene::PASSWORD);
    browser.press("Sign in");
    browser.see("Without the app, type one of your recovery codes.");
    browser.fill("Code", &codes[3]);
    browser.press("Continue");
    browser.see("The machine has a recent, whole backup on this box.");
    browser.select(".who a").click();
    browser.see("9 recovery codes are left.");
    picture(browser, "account");
    browser.press("Sign out");
    browser.see("Sign in");
    browser.fill("Name", "claire");
    browser.fill("Password", scene::PASSWORD);
    browser.press("Sign in");
    browser.fill("Code", &codes[3]);
    browser.press("Continue");
    browser.see("That is not right.");
    browser.fill("Code", &codes[4]);
    browser.press("Continue");
    browser.see("The machine has a recent, whole backup on this box.");
}

fn looks_around(browser: &Browser) {
    browser.press("Audit log");
    browser.see("The log is whole");
    for told in ["link used", "code for a machine made", "policy changed", "site checked", "sign-in failed"] {
        browser.see(told);
    }
    picture(browser, "audit");
    browser.press("The box");
    browser.see("Get the recovery kit");
    picture(browser, "system");
}

fn reads_in_other_languages(browser: &Browser) {
    for (language, words, back) in
        [("Français", "Pas encore configuré", "Vue d’ensemble"), ("Русский", "Ещё не настроено", "Обзор")]
    {
        browser.press(language);
        browser.press(back);
        browser.see(words);
    }
    assert_eq!(browser.run("return document.documentElement.lang", &[]), json!("ru"));
}
