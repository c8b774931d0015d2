//! Bad input: one sentence that names the thing and says what to do, the right exit code, and nothing lost.

use std::time::Duration;

use harness::{BoxOptions, Machine, Summary, TestBox, scratch, tree};

#[test]
fn a_machine_that_is_not_enrolled_is_told_how_to_enrol() {
    let the_box = TestBox::start();
    let machine = the_box.machine("pc");
    for words in
        [&["snapshots"][..], &["backup", "/etc"], &["restore", "latest", "--to", "/nowhere"], &["ls", "latest"]]
    {
        let _refused = machine.run(words).expect_refusal(10, &["not enrolled", "datis enrol"]);
    }
}

#[test]
fn a_box_that_is_away_is_named_and_nothing_is_lost() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 20, 1);
    let before = machine.backup(&source).snapshot;
    the_box.stop();
    let address = format!("127.0.0.1:{}", the_box.machine_port());
    let backup = machine.command(["backup"]).arg(&source).run();
    let _refused = backup.expect_refusal(13, &[&address, "cannot be reached"]);
    let _refused = machine.run(["snapshots"]).expect_refusal(13, &[&address]);
    the_box.start_again();
    assert_eq!(machine.snapshots()[0].id, before);
    let _again = machine.backup(&source);
}

#[test]
fn another_box_at_the_same_address_is_not_talked_to() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    the_box.stop();
    let mut other = BoxOptions::new().prepare();
    other.take_ports_of(&the_box);
    other.start_again();
    let _refused = machine.run(["snapshots"]).expect_refusal(12, &["key", "enrol"]);
    let folder = scratch();
    let backup = machine.command(["backup"]).arg(folder.path()).run();
    let _refused = backup.expect_refusal(12, &["key", "enrol"]);
}

#[test]
fn an_expired_certificate_is_told_as_such() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    the_box.stop();
    let mut later = BoxOptions::new().data(the_box.data()).clock("+20y").prepare();
    later.take_ports_of(&the_box);
    later.start_again();
    let _refused = machine.run(["snapshots"]).expect_refusal(12, &["certificate", "enrol"]);
    later.stop();
    the_box.start_again();
    assert_eq!(machine.snapshots(), [], "with the right clock it goes on");
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 3, 1);
    let _refused = machine.run(["backup", "/no/such/folder"]).expect_refusal(1, &["/no/such/folder"]);
    assert_eq!(machine.snapshots(), []);
    let snapshot = machine.backup(&source).snapshot;
    for words in [
        &["ls", "latest:no/such/folder"][..],
        &["cat", "latest:no/such/folder"],
        &["restore", "latest:no/such/folder", "--to", "/nowhere"],
    ] {
        let _refused = machine.run(words).expect_refusal(1, &["no/such/folder", "not in this snapshot"]);
    }
    let _refused = machine.run(["ls", "ffffffff"]).expect_refusal(1, &["ffffffff", "datis snapshots"]);
    assert!(machine.run(["ls", "x:y"]).error_text().contains("latest"));
    assert!(!snapshot.starts_with("ffffffff"));
    assert!(!std::path::Path::new("/nowhere").exists());
}

#[test]
fn words_that_make_no_command_end_with_2_and_a_hint() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    for words in
        [&["forget", "latest"][..], &["backup"], &["backup", "--stdin"], &["restore", "latest"], &["frobnicate"]]
    {
        let finished = machine.run(words).expect_code(2);
        assert!(finished.error_text().contains("Usage"), "{finished}");
    }
    for words in [&["verify", "--sample", "0%"][..], &["enrol-code", "--machine", "a/b", "--profile", "server"], &["x"]]
    {
        let _finished = the_box.command(words).run().expect_code(2);
    }
}

#[test]
fn a_full_box_refuses_before_its_disk_is_full_and_gives_back_what_it_has() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 50, 1);
    let snapshot = machine.backup(&source).snapshot;
    the_box.stop();
    std::fs::write(the_box.data().join("datisd.toml"), "[storage]\nreserve_bytes = 9000000000000000\n")
        .expect("config");
    the_box.start_again();
    std::fs::write(source.join("more"), harness::Random::new(3).bytes(3 << 20)).expect("file");
    let refused = machine.command(["backup"]).arg(&source).run();
    let _refused = refused.expect_refusal(14, &["full", "nothing was lost"]);
    let target = folder.path().join("target");
    machine.restore_folder(&snapshot, &source, &target);
    let told = tree::TreeState::read_without(&source, &["more"]).differences_to(&tree::TreeState::read(&target));
    assert!(told.iter().all(|difference| difference.starts_with("the folder itself")), "{told:?}");
    the_box.stop();
    std::fs::remove_file(the_box.data().join("datisd.toml")).expect("config");
    the_box.start_again();
    let _summary = machine.backup(&source);
    the_box.assert_sound();
}

#[test]
fn a_full_target_is_told_and_what_was_restored_stays() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).expect("folder");
    for number in 0..12 {
        std::fs::write(source.join(format!("{number:02}")), harness::Random::new(number).bytes(1 << 20)).expect("file");
    }
    let snapshot = machine.backup(&source).snapshot;
    let target = folder.path().join("target");
    std::fs::create_dir(&target).expect("folder");
    let mount = harness::Invocation::new("/bin/mount").args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(&target);
    let _mounted = mount.run().expect_success();
    let restore = machine.command(["restore"]).arg(harness::within(&snapshot, &source)).arg("--to").arg(&target).run();
    let unmount = harness::Invocation::new("/bin/umount").arg(&target).run();
    let _refused = restore.expect_refusal(1, &["room"]);
    let _unmounted = unmount.expect_success();
}

#[test]
fn two_runs_of_one_source_do_not_get_in_each_others_way() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).expect("folder");
    std::fs::write(source.join("large"), harness::Random::new(1).bytes(150 << 20)).expect("file");
    let first = machine.backup_command(&source, [""; 0]).start();
    let locked = || machine.state().join("locks").read_dir().ok()?.next().map(drop);
    harness::wait_for("the first run to begin", Duration::from_secs(20), locked);
    let second = machine.command(["backup"]).arg(&source).run();
    let summary = Summary::of(&first.wait().expect_success());
    let _refused = second.expect_refusal(11, &["source", "running"]);
    assert_eq!(summary.outcome, "complete");
}

#[test]
fn a_damaged_state_folder_is_named_with_the_way_out() {
    let the_box = TestBox::start();
    let spoil = |machine: &Machine, name: &str| {
        std::fs::write(machine.state().join(name), b"spoilt").expect("file");
        let _refused = machine.run(["snapshots"]).expect_refusal(1, &[name, "enrol"]);
    };
    for (number, name) in ["enrolment.toml", "machine.key", "dedup.secret"].iter().enumerate() {
        spoil(&the_box.enrol(&format!("pc-{number}")), name);
    }
    let later = the_box.enrol("later");
    let path = later.state().join("enrolment.toml");
    let text = std::fs::read_to_string(&path).expect("file");
    std::fs::write(&path, text.replace("version = 1", "version = 9")).expect("file");
    let _refused = later.run(["snapshots"]).expect_refusal(1, &["version 9", "version 1"]);
}
