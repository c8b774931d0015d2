//! How two boxes come together, as their admins click it.

use harness::browser::{Browser, eventually};
use harness::portal::COOKIE;
use harness::{BoxOptions, TestBox};

use crate::inspect::is_whole;
use crate::{inspect, scene};

/// The strangest name that a member may have.
const STRANGE: &str = "onerror constructor.__proto__ עברית";

/// A box that dials others of its own network, with an admin in front of it.
fn desk() -> (TestBox, Browser) {
    let the_box = BoxOptions::new().config("[community]\nallow_private = true\n").start();
    let admin = scene::admin(&the_box, "claire");
    let browser = scene::browser(&the_box);
    browser.open(&the_box.url("/login"));
    browser.set_cookie(COOKIE, &admin.cookie);
    browser.open(&the_box.url("/peers"));
    (the_box, browser)
}

/// The six digits that the page shows.
fn digits(browser: &Browser) -> String {
    browser.content(".digits")
}

#[test]
fn two_boxes_come_together_by_a_line_and_six_digits() {
    let ((first, one), (second, other)) = (desk(), desk());
    one.fill("Name of the community", "harbour");
    one.press("Found it");
    one.see("this box");
    one.press("Invite a box");
    let line = one.content("#line");
    assert_eq!(one.run("return document.querySelectorAll('.qr svg').length", &[]), 1);
    one.press("To the other boxes");

    other.fill("Invitation or code", line.get(..line.len() - 1).expect("letters"));
    other.press("Ask to be let in");
    other.see("This is no whole invitation.");
    other.fill("Invitation or code", &line);
    other.fill("What the others call this box", STRANGE);
    other.press("Ask to be let in");
    let shown = digits(&other);
    is_whole(&other, &second, "/peers");

    // The page of the first box was open all the time, and shows by itself who has come.
    one.see("Wants to come in");
    assert_eq!(digits(&one), shown, "both screens show the same");
    is_whole(&one, &first, "/peers");
    one.press("The digits are the same: let it in");
    one.see(STRANGE);
    other.see("harbour");
    other.see("This box is no admin of its community.");

    one.press(STRANGE);
    one.see("Make it an admin");
    assert!(one.text().contains("Put it out of the community"));
    let path = one.url().split('/').skip(3).fold(String::new(), |path, part| format!("{path}/{part}"));
    is_whole(&one, &first, &path);
    one.press("Make it an admin");
    eventually("the role", || one.content(".facts").contains("admin").then_some(()));
    is_whole(&one, &first, "/peers");
    let ran = one.run("return document.querySelectorAll('img, [onerror], body script').length", &[]);
    assert_eq!(ran, 0, "a name stays a text");
}

#[test]
fn who_is_sent_away_hears_it_and_an_invitation_can_be_taken_back() {
    let ((_first, one), (_second, other)) = (desk(), desk());
    one.fill("Name of the community", "harbour");
    one.press("Found it");
    one.press("Invite a box");
    let used = one.content("#line");
    one.press("To the other boxes");
    other.fill("Invitation or code", &used);
    other.press("Ask to be let in");
    let _asked = digits(&other);
    one.see("Wants to come in");
    one.press("Send it away");
    other.see("This box is in no community.");

    one.press("Invite a box");
    let revoked = one.content("#line");
    one.press("To the other boxes");
    one.press("Take it back");
    eventually("no invitation", || (!one.text().contains("Good until")).then_some(()));
    other.fill("Invitation or code", &revoked);
    other.press("Ask to be let in");
    other.see("this invitation was used already, or is over");
}

#[test]
fn a_code_is_read_out_a_box_is_named_and_labelled_and_leaves() {
    let ((first, one), (second, other)) = (desk(), desk());
    one.fill("Name of the community", "harbour");
    one.press("Found it");
    one.press("Read out a code");
    let (code, place) = (one.content("#code"), one.content("#places"));
    assert!(inspect::barriers(&one).is_empty() && inspect::overflow(&one).is_empty());
    one.press("To the other boxes");
    other.fill("Invitation or code", "7-crossover-clockwok");
    other.press("Ask to be let in");
    other.see("This is no code.");
    other.fill("Invitation or code", &code);
    other.press("Ask to be let in");
    other.see("A code needs the address of the other box");
    other.fill("Address of the other box", place.trim());
    other.fill("What the others call this box", "attic");
    other.press("Ask to be let in");
    let shown = digits(&other);
    one.see("Wants to come in");
    assert_eq!(digits(&one), shown, "both screens show the same");
    one.press("The digits are the same: let it in");
    other.see("harbour");

    // The box says itself how it is called and where it stands, and the other one hears of it.
    other.press("attic");
    other.fill("Name", "barn");
    other.fill("Place", "Gare");
    other.press("Save");
    other.see("Gare");
    let path = other.url().split('/').skip(3).fold(String::new(), |path, part| format!("{path}/{part}"));
    let path = path.split('?').next().unwrap_or_default().to_owned();
    is_whole(&other, &second, &path);
    one.see("barn");
    one.see("Gare");
    other.press("Leave");
    other.see("leaving");
    eventually("the other one hears of it", || one.text().contains("leaving").then_some(()));
    is_whole(&one, &first, "/peers");
    one.press("barn");
    one.press("Put it out of the community");
    eventually("it is out", || (!one.text().contains("barn")).then_some(()));
}

#[test]
fn a_week_of_bandwidth_is_painted_with_the_keyboard_or_set_with_the_form() {
    let (the_box, browser) = desk();
    browser.open(&the_box.url("/peers/bandwidth"));
    let _painted = browser.run(
        "document.querySelector('[name=brush][value=pause]').click();\
         document.querySelector('[data-week] td').focus();\
         const key = (key, shiftKey) => document.activeElement.dispatchEvent(\
           new KeyboardEvent('keydown', { key, shiftKey, bubbles: true, cancelable: true }));\
         key(' ', false); key('ArrowRight', true); key('ArrowDown', false); return null",
        &[],
    );
    browser.press("Save");
    browser.see("Saved");
    let hours = || the_box.command(["bandwidth", "show", "--json"]).run().expect_success().json()["hours"].clone();
    assert_eq!((&hours()[0], &hours()[1]), (&"mon 0-2 pause".into(), &"mon 2-24 full".into()));
    // Monday to Friday, from 8 to 19, reduced: as the form stands.
    browser.press("Set these hours");
    eventually("the hours", || (hours()[2] == "mon 8-19 reduced").then_some(()));
    is_whole(&browser, &the_box, "/peers/bandwidth");
}
