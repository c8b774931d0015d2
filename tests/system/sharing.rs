//! Two machines at one box: what they share, and what they must not.

use harness::{Random, TestBox, scratch, tree};

#[test]
fn two_machines_with_the_same_files_store_them_once_after_verification() {
    let the_box = TestBox::start();
    let (one, two) = (the_box.enrol("one"), the_box.enrol("two"));
    let folder = scratch();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).expect("folder");
    for number in 0..20 {
        std::fs::write(source.join(format!("{number}")), Random::new(number).bytes(500_000)).expect("file");
    }
    let first = one.backup(&source);
    assert!(first.sent_bytes > 9_000_000, "{:?}", first.all);
    the_box.wait_until_verified();
    let second = two.backup(&source);
    assert!(second.sent_bytes < 100_000, "{} bytes were sent again", second.sent_bytes);
    let target = folder.path().join("target");
    two.restore_folder(&second.snapshot, &source, &target);
    tree::assert_same(&source, &target);
    the_box.assert_sound();
}

#[test]
fn machines_do_not_see_each_others_snapshots() {
    let the_box = TestBox::start();
    let (one, two) = (the_box.enrol("one"), the_box.enrol("two"));
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 10, 1);
    let snapshot = one.backup(&source).snapshot;
    assert_eq!(two.snapshots(), []);
    let target = folder.path().join("target");
    for what in [snapshot.as_str(), &snapshot[..8], "latest", "source@latest"] {
        let restore = two.command(["restore", what, "--to"]).arg(&target).run();
        let _refused = restore.expect_refusal(1, &["snapshot"]);
        let _refused = two.run(["ls", what]).expect_refusal(1, &["snapshot"]);
        let _refused = two.run(["cat", &format!("{what}:x")]).expect_refusal(1, &["snapshot"]);
    }
    assert!(!target.exists());
    let rows = one.snapshots();
    assert_eq!((rows.len(), rows[0].machine.as_str()), (1, "one"));
}

#[test]
fn many_machines_back_up_at_the_same_time() {
    let the_box = TestBox::start();
    let folder = scratch();
    let machines: Vec<_> = (0..6).map(|number| the_box.enrol(&format!("pc-{number}"))).collect();
    std::thread::scope(|scope| {
        for (number, machine) in machines.iter().enumerate() {
            let source = folder.path().join(format!("source {number}"));
            scope.spawn(move || {
                // Half of it is the same everywhere.
                tree::many_files(&source.join("own"), 80, number as u64);
                tree::many_files(&source.join("shared"), 80, 1_000);
                let snapshot = machine.backup(&source).snapshot;
                let target = source.with_extension("target");
                machine.restore_folder(&snapshot, &source, &target);
                tree::assert_same(&source, &target);
            });
        }
    });
    the_box.assert_sound();
}
