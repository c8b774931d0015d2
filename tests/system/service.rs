//! `datis service` and `datis status`: backups without anybody asking.

use std::time::Duration;

use harness::{TestBox, scratch, tree, wait_for};

#[test]
fn the_service_backs_up_what_is_due_and_ends_on_request() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 20, 1);
    let _summary = machine.backup(&source);
    // So that the first run is over long since when the service looks.
    let _set = the_box.command(["policy", "--machine", "pc", "--every", "1s"]).run().expect_success();
    std::fs::write(source.join("new"), b"since then").expect("file");
    let service = machine.command(["service"]).patience(Duration::from_secs(300)).start();
    wait_for("a backup by the service", Duration::from_secs(90), || (machine.snapshots().len() >= 2).then_some(()));
    let status = machine.run(["status", "--json"]).expect_success().json();
    assert!(status.to_string().contains("source"), "{status}");
    let seen = the_box.status()["machines"][0]["last_seen_at"].as_i64();
    assert!(seen.is_some(), "the service sends heartbeats");
    service.signal(rustix::process::Signal::TERM);
    let finished = service.wait();
    assert!(matches!(finished.code(), Some(0 | 130)), "{finished}");
    let target = folder.path().join("target");
    machine.restore_folder("latest", &source, &target);
    tree::assert_same(&source, &target);
}

#[test]
fn one_service_a_machine() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let mut first = machine.command(["service"]).start();
    let heard = || the_box.status()["machines"][0]["last_seen_at"].as_i64();
    wait_for("the first service's heartbeat", Duration::from_secs(60), heard);
    let second = machine.run(["service"]);
    let _refused = second.expect_refusal(11, &["datis service"]);
    assert!(!first.has_ended());
}

#[test]
fn status_tells_where_the_machine_stands_even_when_the_box_is_away() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 3, 1);
    let _summary = machine.backup(&source);
    let told = machine.run(["status"]).expect_success().text();
    assert!(told.contains("pc") && told.contains("source"), "{told}");
    the_box.stop();
    let away = machine.run(["status"]);
    assert!(matches!(away.code(), Some(0 | 13)), "{away}");
    assert!(format!("{}{}", away.text(), away.error_text()).contains("cannot be reached"), "{away}");
}
