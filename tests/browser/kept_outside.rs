//! A backup that only the other boxes keep: how it is marked, and how a file of it comes back.

use std::time::Duration;

use harness::community::{neighbour, unite, wait_until_outside};
use harness::portal::COOKIE;
use harness::{Invocation, TestBox, wait_for};

use crate::{inspect, scene};

/// Until everything has spread to the other boxes.
const SPREAD: Duration = Duration::from_secs(240);

/// What the letter was before it was written anew.
const BEFORE: &str = "Dear all, this was the first one";

/// Makes all that the box has a week older.
fn pass_a_week(the_box: &mut TestBox) {
    const RUN: &str = "import sqlite3, sys
week = 7 * 86400000
c = sqlite3.connect(sys.argv[1], timeout=20)
c.execute('UPDATE snapshot SET received_at = received_at - ?', (week,))
c.execute('UPDATE pack SET received_at = received_at - ?, condemned_at = condemned_at - ?', (week, week))
c.commit()";
    the_box.stop();
    let catalog = the_box.data().join("catalog/catalog.db");
    let _older = Invocation::new("/usr/bin/python3").args(["-c", RUN]).arg(catalog).run().expect_success();
    the_box.start_again();
}

/// A box that keeps two days itself, and has a backup of a week ago that only `keeper` has.
fn with_an_old_backup(keeper: &TestBox) -> TestBox {
    let mut the_box = neighbour().start();
    unite(&[keeper, &the_box], &["keeper", "bakery"]);
    let desk = the_box.enrol("cash desk");
    let policy = ["policy", "--machine", "cash desk", "--local", "2d/1d", "--external", "90d/1d"];
    let _kept = the_box.command(policy).run().expect_success();
    let papers = the_box.beside().join("papers");
    std::fs::create_dir(&papers).expect("a folder");
    std::fs::write(papers.join("letter.txt"), BEFORE).expect("a file");
    let _first = desk.backup(&papers);
    let _outside = wait_until_outside(&the_box, SPREAD);
    pass_a_week(&mut the_box);
    std::fs::write(papers.join("letter.txt"), "Dear all, and this is another one").expect("a file");
    let _second = desk.backup(&papers);
    let _outside = wait_until_outside(&the_box, SPREAD);
    wait_for("the file of the old backup has gone from here", SPREAD, || {
        let done = the_box.command(["prune", "--force", "--grace", "0", "--json"]).run().expect_success().json();
        (done["given_up_packs"].as_u64()? > 0).then_some(())
    });
    the_box
}

#[test]
fn a_file_of_a_backup_that_is_kept_outside_only_is_found_and_downloaded() {
    let keeper = neighbour().start();
    let the_box = with_an_old_backup(&keeper);
    let admin = scene::admin(&the_box, "claire");
    let browser = scene::browser(&the_box);
    browser.open(&the_box.url("/login"));
    browser.set_cookie(COOKIE, &admin.cookie);
    browser.open(&the_box.url("/restore"));
    browser.press("cash desk: papers");
    let papers = the_box.beside().join("papers");
    for folder in papers.iter().skip(1) {
        browser.press(folder.to_str().expect("a text"));
    }
    browser.see("letter.txt");
    assert!(!browser.text().contains("kept outside only"), "the newest one is here");
    let dates = browser.content("select[name=snapshot]");
    assert_eq!(dates.matches("outside only").count(), 1, "{dates}");
    browser.press("Older");
    browser.see("This backup is kept outside only");
    let path = browser.url().split('/').skip(3).fold(String::new(), |path, part| format!("{path}/{part}"));
    inspect::is_whole(&browser, &the_box, &path);
    browser.press("Download: letter.txt");
    assert_eq!(browser.downloaded("letter.txt"), BEFORE.as_bytes());

    // Where the retention of the machine is set, the same backup has the mark too.
    let status = the_box.status();
    let machine = status["machines"][0]["id"].as_str().expect("its id");
    browser.open(&the_box.url(&format!("/machines/{machine}/retention?list=kept")));
    browser.see("outside only");
}
