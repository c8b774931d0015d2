//! Joining a box: one code, one machine, once.

use std::os::unix::fs::PermissionsExt;

use harness::TestBox;

#[test]
fn a_code_works_once() {
    let the_box = TestBox::start();
    let uri = the_box.enrol_code("pc", "laptop");
    let first = the_box.machine("first");
    let told = first.run(["enrol", &uri]).expect_success().text();
    assert!(told.contains("pc") && told.contains("laptop"), "{told}");
    let second = the_box.machine("second");
    let _refused = second.run(["enrol", &uri]).expect_refusal(12, &["code"]);
    assert!(second.run(["snapshots"]).code() == Some(10), "nothing is left of the attempt");
    assert_eq!(first.snapshots(), []);
}

#[test]
fn a_wrong_code_and_a_wrong_pin_are_told_apart_and_change_nothing() {
    let the_box = TestBox::start();
    let uri = the_box.enrol_code("pc", "server");
    let (place, pin) = uri.split_once("?pin=").expect("a pin");
    let (host, _) = place.rsplit_once('/').expect("a code");
    let machine = the_box.machine("pc");
    let wrong_code = format!("{host}/{}?pin={pin}", "A".repeat(24));
    let _refused = machine.run(["enrol", &wrong_code]).expect_refusal(12, &["code"]);
    let wrong_pin = format!("{place}?pin={}", "0".repeat(64));
    let _refused = machine.run(["enrol", &wrong_pin]).expect_refusal(12, &["key"]);
    let _done = machine.run(["enrol", &uri]).expect_success();
}

#[test]
fn a_mistyped_uri_is_refused_on_the_spot_and_its_code_is_not_repeated() {
    let the_box = TestBox::start();
    let uri = the_box.enrol_code("pc", "server");
    let machine = the_box.machine("pc");
    let code = uri.rsplit_once('/').and_then(|(_, rest)| rest.split_once('?')).expect("a code").0.to_owned();
    for broken in [uri.replace("datis://", "http://"), uri.replace(&code, &code[1..]), uri[..uri.len() - 1].to_owned()]
    {
        let finished = machine.run(["enrol", &broken]).expect_code(2);
        assert!(!finished.error_text().contains(&code[1..]), "{finished}");
    }
}

#[test]
fn a_name_is_given_to_one_machine_at_a_time() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let again = the_box.command(["enrol-code", "--machine", "pc", "--profile", "server"]).run();
    let _refused = again.expect_refusal(1, &["pc", "retire"]);
    let _done = the_box.command(["retire", "--machine", "pc"]).run().expect_success();
    let _refused = machine.run(["snapshots"]).expect_refusal(12, &["retired", "enrol"]);
    let _second = the_box.enrol_code("pc", "server");
}

#[test]
fn a_machine_is_not_enrolled_twice_by_accident() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let uri = the_box.enrol_code("pc-2", "server");
    let _refused = machine.run(["enrol", &uri]).expect_refusal(1, &["already enrolled", "--again"]);
    let _done = machine.run(["enrol", &uri, "--again"]).expect_success();
}

#[test]
fn what_is_secret_is_readable_by_its_owner_alone() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let mut looked_at = 0;
    let mut folders =
        vec![machine.state(), the_box.data().join("keys"), the_box.data().to_owned(), the_box.data().join("store")];
    while let Some(folder) = folders.pop() {
        let mode = folder.metadata().expect("folder").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", folder.display());
        for entry in folder.read_dir().expect("folder") {
            let entry = entry.expect("entry");
            let mode = entry.metadata().expect("entry").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is {mode:o}", entry.path().display());
            looked_at += 1;
        }
    }
    assert!(looked_at > 10, "{looked_at}");
}
