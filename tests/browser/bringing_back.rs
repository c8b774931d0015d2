//! A lost box comes back in the place of a blank one, by clicking alone, on the word of the one other box that is left.

use std::time::Duration;

use harness::browser::Browser;
use harness::clicks::picture;
use harness::community::{community, neighbour, unite, wait_until_outside};
use harness::portal::{COOKIE, Visitor};
use harness::{TestBox, wait_for};

use crate::{inspect, scene};

/// Until everything has spread to the other boxes.
const SPREAD: Duration = Duration::from_secs(240);

/// What people say who know that no other box is left.
const ONE_IS_ENOUGH: &str = "All these boxes are lost: one box is enough";

/// A box with one backup that others keep: its kit, the same on three sheets, and an admin of it.
struct Lost {
    the_box: TestBox,
    kit: String,
    sheets: Vec<String>,
    admin: Visitor,
}

impl Lost {
    /// `others`: of its community, the first of which has founded it.
    fn among(others: [(&TestBox, &str); 2]) -> Self {
        let the_box = neighbour().start();
        let [(keeper, keeper_name), (other, other_name)] = others;
        unite(&[keeper, &the_box, other], &[keeper_name, "bakery", other_name]);
        let desk = the_box.enrol("cash desk");
        let papers = the_box.beside().join("papers");
        std::fs::create_dir(&papers).expect("a folder");
        std::fs::write(papers.join("letter.txt"), "Dear all").expect("a file");
        let _saved = desk.backup(&papers);
        let _outside = wait_until_outside(&the_box, SPREAD);
        let kit = the_box.command(["kit"]).run().expect_success().text();
        let sheets = the_box.command(["kit", "--sheets"]).run().expect_success().text();
        let sheets = sheets.split("# DATIS").skip(1).map(|sheet| format!("# DATIS{sheet}")).collect();
        let admin = scene::admin(&the_box, "boris");
        Self { the_box, kit, sheets, admin }
    }

    /// Its admin, on the page of the other boxes.
    fn desk(&self) -> Browser {
        let browser = scene::browser(&self.the_box);
        browser.open(&self.the_box.url("/login"));
        browser.set_cookie(COOKIE, &self.admin.cookie);
        browser.open(&self.the_box.url("/peers"));
        browser
    }

    /// An admin looks at what is outside and presses the button that tries the kit.
    fn try_recovery(&self) {
        let browser = self.desk();
        browser.see("Give and take");
        browser.press("Test the kit now");
        wait_for("the kit is tried", SPREAD, || browser.text().contains("and it went well.").then_some(()));
        has_no_barriers(&browser);
        picture(&browser, "other-boxes");
    }

    /// Somebody who has found the kit types it elsewhere; the box hears of that from whoever has seen it.
    fn have_its_kit_stolen(&mut self, seen_by: &str) {
        let thief = neighbour().prepare();
        std::fs::remove_dir_all(thief.data()).expect("a blank place");
        let paper = thief.beside().join("kit.txt");
        std::fs::write(&paper, &self.kit).expect("the kit is typed");
        let told = thief.command(["recover", "--near", "--kit"]).arg(&paper).run().expect_code(1);
        assert!(told.error_text().contains("only one box that answers"), "{told}");
        // Boxes talk every half hour, and when one has started.
        self.the_box.stop();
        self.the_box.start_again();
        let browser = self.desk();
        let is_told = || browser.text().contains("Somebody has shown the recovery kit of this box").then_some(());
        wait_for("the box has heard of it", SPREAD, is_told);
        browser.see(&format!("It was shown to {seen_by}:"));
        inspect::is_whole(&browser, &self.the_box, "/peers");
        wait_for("the alert", SPREAD, || {
            browser.open(&self.the_box.url("/alerts"));
            browser.text().contains(&format!("Seen by: {seen_by}.")).then_some(())
        });
        inspect::is_whole(&browser, &self.the_box, "/alerts");
        let console = community(&self.the_box, &["show"]).run().expect_success().text();
        assert!(console.contains(&format!("has shown the recovery kit of this box to {seen_by},")), "{console}");
    }

    /// It was not lost after all, and is switched on while another one has its place.
    fn turn_up_again(&mut self, refused_by: &str) {
        self.the_box.start_again();
        let browser = self.desk();
        let is_told = || browser.text().contains("The other boxes refuse this one").then_some(());
        wait_for("the others refuse it", SPREAD, is_told);
        browser.see(&format!("Refused by {refused_by}: "));
        inspect::is_whole(&browser, &self.the_box, "/peers");
    }
}

#[track_caller]
fn has_no_barriers(browser: &Browser) {
    let told = inspect::barriers(browser);
    assert!(told.is_empty(), "{}: {told:#?}", browser.url());
}

/// Types the kit; what is wrong with it is said on the same page.
fn type_kit(browser: &Browser, kit: &str) {
    browser.fill("The recovery kit", kit);
    browser.press("Bring it back");
}

#[test]
fn a_lost_box_comes_back_on_the_first_page_of_a_blank_one() {
    let (keeper, mut silent) = (neighbour().start(), neighbour().start());
    let mut lost = Lost::among([(&keeper, "keeper"), (&silent, "mill")]);
    lost.try_recovery();
    silent.kill();
    lost.have_its_kit_stolen("keeper");
    lost.the_box.kill();

    let blank = neighbour().start();
    let browser = scene::browser(&blank);
    browser.open(&blank.url(&scene::admin_link(&blank)));
    browser.see("Was another box lost?");
    has_no_barriers(&browser);
    browser.press("Bring back a lost box");
    browser.see("This box is blank.");
    has_no_barriers(&browser);
    picture(&browser, "bring-back");
    let path = browser.url().split('/').skip(3).fold(String::new(), |path, part| format!("{path}/{part}"));
    inspect::is_whole(&browser, &blank, path.split('?').next().expect("a path"));
    let key = lost.kit.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).expect("the key");
    let mistyped = lost.kit.replace(key, &key.replace("KEY-1", "KEY-1Q"));
    type_kit(&browser, &mistyped);
    browser.see("Something in the kit is mistyped.");
    has_no_barriers(&browser);
    type_kit(&browser, &lost.sheets[2]);
    browser.see("one more is needed");
    has_no_barriers(&browser);

    // What was typed is still there.
    let typed = browser.run("return document.querySelector('textarea').value", &[]);
    let both = format!("{}\n{}", typed.as_str().expect("a text"), lost.sheets[0]);
    type_kit(&browser, &both);
    let said = "Only one box has told what there was last.";
    wait_for("one box alone is asked about", SPREAD, || browser.text().contains(said).then_some(()));
    browser.see("These do not answer: mill.");
    assert!(!browser.field(ONE_IS_ENOUGH).is_ticked(), "somebody has to say so");
    inspect::is_whole(&browser, &blank, path.split('?').next().expect("a path"));
    browser.field(ONE_IS_ENOUGH).click();
    type_kit(&browser, &lost.sheets[2]);
    browser.see("one more is needed");
    assert!(browser.field(ONE_IS_ENOUGH).is_ticked(), "nor is that asked twice");
    type_kit(&browser, &both);
    wait_for("the box is back", SPREAD, || {
        browser.text().contains("Everything that the other boxes keep is known.").then_some(())
    });
    has_no_barriers(&browser);
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
    lost.turn_up_again("keeper");
}
