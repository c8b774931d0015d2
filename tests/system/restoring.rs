//! Where a restore puts things when the place is not empty, and what it says beforehand.

use std::path::Path;

use harness::{Machine, TestBox, scratch, tree, within};

struct Scene {
    _box: TestBox,
    machine: Machine,
    folder: tempfile::TempDir,
    snapshot: String,
}

impl Scene {
    /// A tree that was backed up and has changed since.
    fn new() -> Self {
        let the_box = TestBox::start();
        let machine = the_box.enrol("pc");
        let folder = scratch();
        let source = folder.path().join("source");
        tree::many_files(&source, 40, 1);
        let snapshot = machine.backup(&source).snapshot;
        Self { _box: the_box, machine, folder, snapshot }
    }

    fn restore(&self, mode: &str, target: &Path) -> harness::Finished {
        let what = within(&self.snapshot, &self.folder.path().join("source"));
        self.machine.command(["restore", "--mode", mode]).arg(what).arg("--to").arg(target).run()
    }
}

#[test]
fn a_place_that_is_not_empty_is_left_alone_unless_a_mode_is_named() {
    let scene = Scene::new();
    let target = scene.folder.path().join("target");
    std::fs::create_dir(&target).expect("folder");
    std::fs::write(target.join("mine"), b"mine").expect("file");
    let _refused = scene.restore("empty", &target).expect_refusal(1, &["target", "not empty", "--mode"]);
    assert_eq!(target.read_dir().expect("folder").count(), 1);
}

#[test]
fn beside_keeps_what_is_there_and_adds_dated_copies() {
    let scene = Scene::new();
    let target = scene.folder.path().join("target");
    std::fs::create_dir_all(target.join("folder 0")).expect("folder");
    std::fs::write(target.join("folder 0/file 3"), b"mine").expect("file");
    let _done = scene.restore("beside", &target).expect_success();
    assert_eq!(std::fs::read(target.join("folder 0/file 3")).expect("file"), b"mine");
    let wanted = std::fs::read(scene.folder.path().join("source/folder 0/file 3")).expect("file");
    let mut copies = 0;
    for entry in target.join("folder 0").read_dir().expect("folder") {
        let entry = entry.expect("entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("file 3") && name.len() > "file 39".len() {
            assert_eq!(std::fs::read(entry.path()).expect("file"), wanted, "{name}");
            copies += 1;
        }
    }
    assert_eq!(copies, 1);
    assert!(target.join("folder 0/file 39").exists());
}

#[test]
fn overwrite_makes_the_place_as_the_snapshot_was_and_keeps_what_it_does_not_name() {
    let scene = Scene::new();
    let source = scene.folder.path().join("source");
    let was = tree::TreeState::read(&source);
    std::fs::write(source.join("folder 0/file 3"), b"spoilt").expect("file");
    std::fs::remove_file(source.join("folder 0/file 4")).expect("file");
    std::fs::write(source.join("newer"), b"newer").expect("file");
    let _done = scene.restore("overwrite", &source).expect_success();
    assert_eq!(std::fs::read(source.join("newer")).expect("file"), b"newer");
    std::fs::remove_file(source.join("newer")).expect("file");
    let mut told = was.differences_to(&tree::TreeState::read(&source));
    // Removing what was newer is the test's own doing.
    told.retain(|difference| !difference.starts_with("the folder itself: modification time"));
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_folder_in_the_way_of_a_file_is_not_removed_and_the_rest_is_restored() {
    let scene = Scene::new();
    let source = scene.folder.path().join("source");
    std::fs::remove_file(source.join("folder 0/file 5")).expect("file");
    std::fs::create_dir(source.join("folder 0/file 5")).expect("folder");
    std::fs::write(source.join("folder 0/file 5/mine"), b"mine").expect("file");
    std::fs::remove_file(source.join("folder 0/file 4")).expect("file");
    let finished = scene.restore("overwrite", &source).expect_code(3);
    assert!(finished.error_text().contains("folder 0/file 5"), "{finished}");
    assert_eq!(std::fs::read(source.join("folder 0/file 5/mine")).expect("file"), b"mine");
    assert!(source.join("folder 0/file 4").is_file());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let scene = Scene::new();
    let target = scene.folder.path().join("target");
    let what = within(&scene.snapshot, &scene.folder.path().join("source"));
    let restore = scene.machine.command(["restore", "--dry-run", "--json"]).arg(what).arg("--to").arg(&target);
    let survey = restore.run().expect_success().json_lines().pop().expect("a summary");
    assert_eq!(survey["files"], 40, "{survey}");
    assert!(!target.exists());
}

#[test]
fn a_killed_restore_is_simply_done_again() {
    let scene = Scene::new();
    let source = scene.folder.path().join("source");
    std::fs::write(source.join("large"), harness::Random::new(5).bytes(60 << 20)).expect("file");
    let snapshot = scene.machine.backup(&source).snapshot;
    let target = scene.folder.path().join("target");
    let restore = || scene.machine.command(["restore", "--mode", "overwrite"]).arg(within(&snapshot, &source));
    let running = restore().arg("--to").arg(&target).start();
    let begun = || target.exists().then_some(());
    harness::wait_for("the restore to begin", harness::PATIENCE, begun);
    let _killed = running.kill();
    let _done = restore().arg("--to").arg(&target).run().expect_success();
    // The folder that is restored into exists by then, and stays the user's.
    let told = tree::differences(&source, &target);
    assert!(told.iter().all(|difference| difference.starts_with("the folder itself: modification time")), "{told:?}");
}
