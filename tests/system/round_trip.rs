//! Back up, restore, compare; back up again after changes.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use harness::{Invocation, Random, TestBox, scratch, tree, within};

#[test]
fn a_tree_with_every_kind_of_entry_comes_back_the_same() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    tree::every_kind(&source, 1);
    let summary = machine.backup(&source);
    assert!(summary.files > 1_500 && summary.bytes > 80 << 20, "{:?}", summary.all);
    machine.restore_folder(&summary.snapshot, &source, &target);
    tree::assert_same(&source, &target);
    second_witness(&source, &target);
    the_box.assert_sound();
}

/// `rsync -aHAXnc` would have nothing to do either.
fn second_witness(source: &Path, target: &Path) {
    let mut contents = source.as_os_str().to_owned();
    contents.push("/");
    let finished = Invocation::new("/usr/bin/rsync").args(["-aHAXnci", "--delete"]).arg(contents).arg(target).run();
    assert_eq!(finished.clone().expect_success().text(), "", "{finished}");
}

#[test]
fn restoring_a_whole_snapshot_makes_its_full_paths_with_their_rights() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("outer/inner");
    tree::many_files(&source, 5, 2);
    std::fs::set_permissions(folder.path().join("outer"), PermissionsExt::from_mode(0o2711)).expect("rights");
    let summary = machine.backup(&source);
    let target = folder.path().join("target");
    machine.restore(&summary.snapshot, &target);
    let below = target.join(source.strip_prefix("/").expect("absolute"));
    tree::assert_same(&source, &below);
    let mode = below.parent().expect("outer").metadata().expect("outer").permissions().mode();
    assert_eq!(mode & 0o7777, 0o2711);
}

#[test]
fn a_single_file_and_a_folder_below_the_root_can_be_restored() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 250, 3);
    let summary = machine.backup(&source);
    let target = folder.path().join("one file");
    machine.restore(within(&summary.snapshot, &source.join("folder 1/file 150")), &target);
    assert_eq!(
        std::fs::read(target.join("file 150")).expect("restored"),
        std::fs::read(source.join("folder 1/file 150")).expect("original")
    );
    let target = folder.path().join("one folder");
    machine.restore_folder(&summary.snapshot, &source.join("folder 2"), &target);
    tree::assert_same(&source.join("folder 2"), &target);
}

#[test]
fn a_second_backup_of_an_unchanged_tree_sends_nothing() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    // Not below /tmp: folders above the source belong to the snapshot too, and other tests change /tmp all the time.
    let folder = tempfile::Builder::new().prefix("still-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
    let source = folder.path().canonicalize().expect("path").join("source");
    tree::every_kind(&source, 4);
    let first = machine.backup(&source);
    assert!(first.packs > 0 && first.sent_bytes > 0, "{:?}", first.all);
    let packs = the_box.packs();
    let second = machine.backup(&source);
    assert_eq!((second.packs, second.sent_bytes), (0, 0), "{:?}", second.all);
    assert_eq!(the_box.packs(), packs);
    assert_ne!(first.snapshot, second.snapshot, "each backup is a point in time of its own");
    assert_eq!((first.files, first.bytes), (second.files, second.bytes));
    let third = machine.backup(&source);
    assert_eq!(third.all["read_bytes"], 0, "files that have not changed for a while are not opened: {:?}", third.all);
    let target = folder.path().join("target");
    machine.restore_folder(&third.snapshot, &source, &target);
    tree::assert_same(&source, &target);
}

#[test]
fn a_lost_ledger_costs_time_but_no_traffic() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 300, 5);
    let _first = machine.backup(&source);
    std::fs::remove_dir_all(machine.state().join("cache")).expect("the cache is there");
    let again = machine.backup(&source);
    // Of folders above the source that other tests change, the listing may have a new block.
    assert!(again.sent_bytes < 20_000, "{:?}", again.all);
    let target = folder.path().join("target");
    machine.restore_folder(&again.snapshot, &source, &target);
    tree::assert_same(&source, &target);
}

type Change = fn(&Path);

/// Each of these is made alone, backed up and compared: one hidden by another would not be seen.
const CHANGES: [(&str, Change); 16] = [
    ("append", |root| edit(root, "file", |bytes| bytes.extend_from_slice(b"appended"))),
    ("insert in front", |root| edit(root, "file", |bytes| drop(bytes.splice(0..0, *b"in front")))),
    ("insert in the middle", |root| edit(root, "file", |bytes| drop(bytes.splice(200_000..200_000, *b"middle")))),
    ("one byte", |root| edit(root, "file", |bytes| bytes[300_001] ^= 1)),
    ("truncate", |root| edit(root, "file", |bytes| bytes.truncate(123_456))),
    ("empty", |root| edit(root, "file", Vec::clear)),
    ("rename", |root| std::fs::rename(root.join("file"), root.join("renamed")).expect("rename")),
    ("move to another folder", |root| std::fs::rename(root.join("file"), root.join("folder 0/moved")).expect("rename")),
    ("rename a folder", |root| std::fs::rename(root.join("folder 0"), root.join("folder 9")).expect("rename")),
    ("chmod", |root| std::fs::set_permissions(root.join("file"), PermissionsExt::from_mode(0o4750)).expect("chmod")),
    ("chown", |root| std::os::unix::fs::chown(root.join("file"), Some(4711), Some(4712)).expect("chown")),
    ("swap of two files", |root| {
        for (from, to) in [("file", "aside"), ("other", "file"), ("aside", "other")] {
            std::fs::rename(root.join(from), root.join(to)).expect("rename");
        }
    }),
    ("delete", |root| std::fs::remove_file(root.join("other")).expect("delete")),
    ("file becomes folder", |root| {
        std::fs::remove_file(root.join("file")).expect("delete");
        tree::many_files(&root.join("file"), 3, 7);
    }),
    ("folder becomes link", |root| {
        std::fs::remove_dir_all(root.join("folder 0")).expect("delete");
        symlink("other", root.join("folder 0")).expect("link");
    }),
    ("same size and time, other content", |root| {
        let file = root.join("file");
        let modified = file.metadata().and_then(|m| m.modified()).expect("time");
        edit(root, "file", |bytes| bytes[77] ^= 1);
        std::fs::File::options().write(true).open(&file).and_then(|f| f.set_modified(modified)).expect("time");
    }),
];

fn edit(root: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(root.join(name)).expect("file");
    change(&mut bytes);
    std::fs::write(root.join(name), bytes).expect("file");
}

#[test]
fn every_kind_of_change_is_in_the_next_snapshot_and_little_else_is_sent() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    for (number, (name, change)) in CHANGES.iter().enumerate() {
        let source = folder.path().join(format!("source {number}"));
        tree::many_files(&source, 120, 8);
        let mut random = Random::new(9 + number as u64);
        std::fs::write(source.join("file"), random.bytes(900_000)).expect("file");
        std::fs::write(source.join("other"), random.bytes(900_000)).expect("file");
        let before = machine.backup(&source);
        let was = tree::TreeState::read(&source);
        change(&source);
        let after = machine.backup(&source);
        assert!(after.sent_bytes < 700_000, "{name} sends {} bytes", after.sent_bytes);
        let target = folder.path().join(format!("target {number}"));
        machine.restore_folder(&after.snapshot, &source, &target);
        let told = tree::TreeState::read(&source).differences_to(&tree::TreeState::read(&target));
        assert!(told.is_empty(), "{name}: {told:?}");
        let earlier = folder.path().join(format!("earlier {number}"));
        machine.restore_folder(&before.snapshot, &source, &earlier);
        let told = was.differences_to(&tree::TreeState::read(&earlier));
        assert!(told.is_empty(), "the snapshot before {name}: {told:?}");
    }
    the_box.assert_sound();
}

#[test]
fn random_changes_over_many_backups_leave_every_snapshot_as_it_was() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    let mut random = Random::from_environment();
    tree::many_files(&source, 200, random.number());
    let mut taken = Vec::new();
    for _ in 0..8 {
        tree::change(&source, 25, &mut random);
        taken.push((machine.backup(&source).snapshot, tree::TreeState::read(&source)));
    }
    for (number, (snapshot, was)) in taken.iter().enumerate() {
        let target = folder.path().join(format!("target {number}"));
        machine.restore_folder(snapshot, &source, &target);
        let told = was.differences_to(&tree::TreeState::read(&target));
        assert!(told.is_empty(), "snapshot {number}: {told:?}");
    }
}

#[test]
fn a_file_of_more_than_four_gib_and_its_holes_come_back() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).expect("folder");
    tree::large_sparse_file(&source.join("large"));
    let summary = machine.backup(&source);
    assert_eq!(summary.bytes, 5 << 30);
    let target = folder.path().join("target");
    machine.restore_folder(&summary.snapshot, &source, &target);
    tree::assert_same(&source, &target);
}

#[test]
fn several_roots_make_one_snapshot_and_a_root_inside_another_counts_once() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let roots: Vec<PathBuf> = ["b", "a", "a/inner"].map(|name| folder.path().join(name)).into();
    tree::many_files(&roots[0], 3, 10);
    tree::many_files(&roots[2], 4, 11);
    let finished = machine.command(["backup", "--json", "--source", "both"]).args(&roots).run().expect_success();
    assert_eq!(harness::Summary::of(&finished).files, 7);
    let target = folder.path().join("target");
    machine.restore("both@latest", &target);
    for root in &roots[..2] {
        tree::assert_same(root, &target.join(root.strip_prefix("/").expect("absolute")));
    }
}

#[test]
fn restores_work_while_backups_and_prunes_run() {
    let the_box = TestBox::start();
    let (reader, writer) = (the_box.enrol("reader"), the_box.enrol("writer"));
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 1_500, 12);
    let snapshot = reader.backup(&source).snapshot;
    let busy = folder.path().join("busy");
    tree::many_files(&busy, 300, 13);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let stop = &stop;
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let (mut random, mut backups) = (Random::new(14), 0);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                tree::change(&busy, 30, &mut random);
                let _summary = writer.backup(&busy);
                backups += 1;
            }
            backups
        });
        let pruning = scope.spawn(|| {
            let mut prunes = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _done = the_box.command(["prune", "--force", "--grace", "0"]).run().expect_success();
                prunes += 1;
            }
            prunes
        });
        let restoring = scope.spawn(|| {
            for number in 0..6 {
                let target = folder.path().join(format!("target {number}"));
                reader.restore_folder(&snapshot, &source, &target);
                tree::assert_same(&source, &target);
            }
        });
        let restored = restoring.join();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let (backups, prunes) = (writing.join().expect("backups"), pruning.join().expect("prunes"));
        restored.expect("restores");
        assert!(backups > 0 && prunes > 0, "{backups} backups and {prunes} prunes ran meanwhile");
    });
    let target = folder.path().join("busy again");
    writer.restore_folder("latest", &busy, &target);
    tree::assert_same(&busy, &target);
    the_box.assert_sound();
}
