//! What the person who runs the box can ask of it, and what must outlive a restart.

use std::time::Duration;

use harness::{BoxOptions, Random, TestBox, scratch, tree, wait_for};

#[test]
fn init_makes_a_box_once_and_run_uses_it() {
    let mut the_box = BoxOptions::new().prepare();
    let first = the_box.command(["init"]).run().expect_success().text();
    let second = the_box.command(["init"]).run().expect_success().text();
    assert!(first.contains("ready") && second.contains("already"), "{first}{second}");
    let kit = the_box.command(["kit"]).run().expect_success().text();
    the_box.start_again();
    assert_eq!(the_box.command(["kit"]).run().expect_success().text(), kit, "the same vault");
}

#[test]
fn commands_of_a_folder_without_a_box_say_so() {
    let the_box = BoxOptions::new().prepare();
    for word in ["status", "verify", "kit", "machines"] {
        let _refused = the_box.command([word]).run().expect_refusal(1, &["no box", "datisd init"]);
    }
}

#[test]
fn two_daemons_do_not_share_a_folder() {
    let the_box = TestBox::start();
    let run =
        ["run", "--listen", "127.0.0.1", "--machine-port", "0", "--portal-listen", "127.0.0.1", "--portal-port", "0"];
    let _refused = the_box.command(run).run().expect_code(1);
    assert_eq!(the_box.get("/healthz").0, 200, "the first one is not disturbed");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_before_anything_is_applied() {
    let mut the_box = BoxOptions::new().config("[machine_port]\nprot = 1\n").prepare();
    let told = the_box.try_start().expect_err("an unknown key");
    assert!(told.contains("prot") && told.contains("datisd.toml"), "{told}");
    assert!(!the_box.data().join("keys").exists());
}

#[test]
fn everything_outlives_a_stop_and_a_crash() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let unused = the_box.enrol_code("later", "laptop");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 100, 1);
    let snapshot = machine.backup(&source).snapshot;
    let _set = the_box.command(["policy", "--machine", "pc", "--every", "30m", "--local", "24h/1h, 30d/1d"]).run();
    let policy = the_box.command(["policy", "--json"]).run().expect_success().json();
    let pid = the_box.pid();
    the_box.stop();
    the_box.start_again();
    the_box.kill();
    the_box.start_again();
    assert_ne!(the_box.pid(), pid);
    assert_eq!(the_box.command(["policy", "--json"]).run().expect_success().json(), policy);
    assert_eq!(machine.snapshots()[0].id, snapshot);
    let _enrolled = the_box.machine("later").run(["enrol", &unused]).expect_success();
    let target = folder.path().join("target");
    machine.restore_folder(&snapshot, &source, &target);
    tree::assert_same(&source, &target);
    let again = machine.backup(&source);
    assert!(again.sent_bytes < 20_000, "{:?}", again.all);
}

#[test]
fn a_stop_during_a_backup_is_graceful_and_the_backup_goes_on_afterwards() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).expect("folder");
    std::fs::write(source.join("large"), Random::new(1).bytes(200 << 20)).expect("file");
    let running = machine.backup_command(&source, [""; 0]).start();
    let begun = || (the_box.status()["sessions"].as_u64() == Some(1)).then_some(());
    wait_for("the backup to begin", Duration::from_secs(20), begun);
    the_box.stop();
    the_box.start_again();
    // The client waits for the box to come back and begins again: nobody has to do anything.
    let summary = harness::Summary::of(&running.wait().expect_success());
    let target = folder.path().join("target");
    machine.restore_folder(&summary.snapshot, &source, &target);
    tree::assert_same(&source, &target);
    assert_eq!(machine.snapshots().len(), 1, "nothing half-written is listed");
}

#[test]
fn policies_are_shown_set_and_reach_the_machine() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let set = ["policy", "--machine", "pc", "--every", "45m", "--local", "2h/5m, 30d/1d", "--external", "90d/1d"];
    let _set = the_box.command(set).run().expect_success();
    let shown = the_box.command(["policy", "--machine", "pc", "--json"]).run().expect_success().json();
    assert_eq!((&shown[0]["machine"], &shown[0]["every"]), (&"pc".into(), &"45m".into()), "{shown}");
    let _refused = the_box.command(["policy", "--machine", "nobody", "--every", "1h"]).run();
    let _refused = _refused.expect_refusal(1, &["nobody", "no active machine"]);
    let told = machine.run(["status"]).expect_success().text();
    assert!(told.contains("45"), "{told}");
}

#[test]
fn a_retired_machine_is_shut_out_and_its_snapshots_stay() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 10, 1);
    let _summary = machine.backup(&source);
    let _retired = the_box.command(["retire", "--machine", "pc"]).run().expect_success();
    // The box may remember for two seconds that it was let in.
    let refused = wait_for("the refusal", Duration::from_secs(10), || {
        let backup = machine.command(["backup"]).arg(&source).run();
        (backup.code() != Some(0)).then_some(backup)
    });
    let _refused = refused.expect_refusal(12, &["retired"]);
    let machines = the_box.command(["machines", "--json"]).run().expect_success().json();
    assert_eq!((&machines[0]["name"], &machines[0]["state"]), (&"pc".into(), &"retired".into()), "{machines}");
    assert!(the_box.status()["machines"][0]["sources"][0]["snapshots"].as_u64() >= Some(1));
    the_box.assert_sound();
}

#[test]
fn prune_keeps_what_policies_keep_and_frees_what_nothing_needs() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 50, 1);
    for number in 0..4 {
        std::fs::write(source.join("changing"), Random::new(number).bytes(2 << 20)).expect("file");
        let _summary = machine.backup(&source);
    }
    let _set = the_box.command(["policy", "--machine", "pc", "--local", "30d/1d"]).run().expect_success();
    let before = the_box.packs();
    let bytes =
        |packs: &[std::path::PathBuf]| -> u64 { packs.iter().map(|pack| pack.metadata().expect("pack").len()).sum() };
    let bytes_before = bytes(&before);
    let plan = the_box.command(["prune", "--dry-run", "--json"]).run();
    assert!(matches!(plan.code(), Some(0 | 3)), "{plan}");
    assert_eq!((machine.snapshots().len(), the_box.packs()), (4, before.clone()), "a dry run changes nothing");
    let _done = the_box.command(["prune", "--force", "--grace", "0"]).run().expect_success();
    let _done = the_box.command(["prune", "--force", "--grace", "0"]).run().expect_success();
    assert_eq!(machine.snapshots().len(), 1, "one of today");
    assert!(bytes(&the_box.packs()) + (4 << 20) < bytes_before, "three of four versions of 2 MiB are gone");
    let target = folder.path().join("target");
    machine.restore_folder("latest", &source, &target);
    tree::assert_same(&source, &target);
    the_box.assert_sound();
}

#[test]
fn the_newest_snapshot_of_a_source_is_never_pruned() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 10, 1);
    let snapshot = machine.backup(&source).snapshot;
    let _set = the_box.command(["policy", "--machine", "pc", "--local", "1h/30m"]).run().expect_success();
    let _done = the_box.command(["prune", "--force", "--grace", "0"]).run().expect_success();
    assert_eq!(machine.snapshots()[0].id, snapshot);
}

#[test]
fn metrics_and_status_tell_what_the_box_has_and_the_portal_asks_who_is_there() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 10, 1);
    let _summary = machine.backup(&source);
    let (code, metrics) = the_box.get("/metrics");
    assert_eq!(code, 200, "{metrics}");
    let lines = metrics.lines().filter(|line| line.starts_with("datis") && !line.starts_with('#')).count();
    assert!(lines >= 8, "{metrics}");
    assert_eq!(the_box.get("/healthz").0, 200);
    let (code, page) = the_box.get("/login");
    assert_eq!(code, 200);
    assert!(page.contains("<html") && !page.contains("pc"), "{page}");
    assert_eq!(the_box.get("/").0, 303, "strangers sign in first");
    let (code, _) = the_box.get("/no/such/page");
    assert_eq!(code, 404);
    let text = the_box.command(["status"]).run().expect_success().text();
    assert!(text.contains("pc (server)") && text.contains("source (files)"), "{text}");
}

#[test]
fn verify_reads_a_sample_or_everything() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 100, 1);
    let _summary = machine.backup(&source);
    let all = the_box.command(["verify", "--json"]).run().expect_success().json();
    assert_eq!((&all["sound"], all["snapshots"].as_u64()), (&true.into(), Some(1)), "{all}");
    assert_eq!(all["packs"].as_u64(), Some(the_box.packs().len() as u64), "{all}");
    let _sample = the_box.command(["verify", "--sample", "10%"]).run().expect_success();
}

#[test]
fn no_log_line_holds_a_secret_or_a_file_name() {
    let the_box = TestBox::start();
    let uri = the_box.enrol_code("pc", "server");
    let machine = the_box.machine("pc");
    let _enrolled = machine.run(["enrol", &uri]).expect_success();
    let folder = scratch();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).expect("folder");
    std::fs::write(source.join("canary-file-name"), b"canary-file-content").expect("file");
    let snapshot = machine.backup(&source).snapshot;
    machine.restore_folder(&snapshot, &source, &folder.path().join("target"));
    let kit = the_box.command(["kit"]).run().expect_success().text();
    let code = uri.rsplit_once('/').and_then(|(_, rest)| rest.split_once('?')).expect("a code").0;
    let secret = kit.lines().find(|line| line.contains("AGE-SECRET-KEY")).map_or("AGE-SECRET-KEY", str::trim);
    let log = the_box.log();
    assert!(log.contains("INFO"), "{log}");
    for canary in ["canary-file-name", "canary-file-content", code, secret] {
        assert!(!log.contains(canary), "the log holds {canary}");
    }
    // What the box keeps on its disk is sealed.
    let mut looked_at = 0;
    for pack in the_box.packs() {
        let bytes = std::fs::read(pack).expect("pack");
        assert!(!bytes.windows(19).any(|window| window == b"canary-file-content"));
        looked_at += 1;
    }
    assert!(looked_at > 0);
}
