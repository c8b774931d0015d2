//! A box whose disk went bad: the damage is named, the rest comes back, and nothing is made worse.

use std::path::{Path, PathBuf};

use harness::{Invocation, Random, TestBox, flip_byte, scratch, tree, within};

/// A tree of which one file fills packs of its own.
fn source_with_a_large_file(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    tree::many_files(&source, 60, 1);
    std::fs::write(source.join("large"), Random::new(2).bytes(100 << 20)).expect("file");
    source
}

/// The store's packs by size, largest first; the largest hold nothing but the large file.
fn packs_by_size(the_box: &TestBox) -> Vec<(u64, PathBuf)> {
    let sized = |path: PathBuf| (path.metadata().expect("pack").len(), path);
    let mut packs: Vec<_> = the_box.packs().into_iter().map(sized).collect();
    packs.sort();
    packs.reverse();
    packs
}

fn name_of(pack: &Path) -> String {
    pack.file_stem().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn a_flipped_byte_is_found_and_named_and_the_rest_is_restored() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = source_with_a_large_file(folder.path());
    let snapshot = machine.backup(&source).snapshot;
    let (len, pack) = packs_by_size(&the_box).remove(1);
    flip_byte(&pack, len / 2);
    let verify = the_box.command(["verify"]).run().expect_code(3);
    assert!(verify.text().contains(&name_of(&pack)) && verify.text().contains(&snapshot), "{verify}");
    let report = the_box.command(["verify", "--json"]).run().expect_code(3).json();
    assert_eq!(report["damaged"][0]["pack"], name_of(&pack).as_str(), "{report}");
    assert_eq!(machine.snapshots()[0].state, "damaged");
    let target = folder.path().join("target");
    let restore = machine.command(["restore"]).arg(within(&snapshot, &source)).arg("--to").arg(&target).run();
    let restore = restore.expect_code(3);
    assert!(restore.error_text().contains("large"), "{restore}");
    let mut told = tree::TreeState::read(&source).differences_to(&tree::TreeState::read(&target));
    told.retain(|difference| !difference.starts_with("large"));
    assert!(told.is_empty(), "{told:?}");
    assert!(the_box.status()["damaged"]["packs"].as_u64() >= Some(1));
}

#[test]
fn the_next_backup_sends_again_what_was_damaged() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = source_with_a_large_file(folder.path());
    let _first = machine.backup(&source);
    let (len, pack) = packs_by_size(&the_box).remove(0);
    flip_byte(&pack, len / 2);
    let _found = the_box.command(["verify"]).run().expect_code(3);
    let again = machine.backup(&source);
    assert!(again.sent_bytes > 1 << 20, "{:?}", again.all);
    let target = folder.path().join("target");
    machine.restore_folder(&again.snapshot, &source, &target);
    tree::assert_same(&source, &target);
}

#[test]
fn a_missing_and_a_truncated_pack_are_found() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = source_with_a_large_file(folder.path());
    let _snapshot = machine.backup(&source);
    let packs = packs_by_size(&the_box);
    std::fs::remove_file(&packs[0].1).expect("pack");
    let cut = std::fs::File::options().write(true).open(&packs[1].1).expect("pack");
    cut.set_len(packs[1].0 - 10).expect("pack");
    let verify = the_box.command(["verify"]).run().expect_code(3);
    for pack in &packs[..2] {
        assert!(verify.text().contains(&name_of(&pack.1)), "{verify}");
    }
}

#[test]
fn a_catalog_that_is_gone_is_rebuilt_from_the_packs() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::every_kind(&source, 3);
    let first = machine.backup(&source).snapshot;
    let was = tree::TreeState::read(&source);
    std::fs::write(source.join("contents/one byte"), b"changed").expect("file");
    let _second = machine.backup(&source);
    let rows = machine.snapshots();
    let running = the_box.command(["rebuild"]).run();
    let _refused = running.expect_refusal(1, &["stop"]);
    the_box.stop();
    std::fs::remove_dir_all(the_box.data().join("catalog")).expect("catalog");
    let _rebuilt = the_box.command(["rebuild"]).run().expect_success();
    the_box.start_again();
    assert_eq!(machine.snapshots(), rows, "the machine comes in with its old certificate and sees what it saw");
    let target = folder.path().join("target");
    machine.restore_folder(&first, &source, &target);
    let told = was.differences_to(&tree::TreeState::read(&target));
    assert!(told.is_empty(), "{told:?}");
    let third = machine.backup(&source);
    assert!(third.sent_bytes < 100_000, "{:?}", third.all);
    the_box.assert_sound();
}

#[test]
fn a_damaged_catalog_is_refused_with_the_way_out_and_rebuilt() {
    let mut the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 400, 4);
    let snapshot = machine.backup(&source).snapshot;
    the_box.stop();
    for entry in the_box.data().join("catalog").read_dir().expect("catalog") {
        let file = entry.expect("catalog").path();
        let len = file.metadata().expect("catalog").len();
        std::fs::write(&file, vec![0x5a; usize::try_from(len).expect("a small file")]).expect("catalog");
    }
    let told = the_box.try_start().expect_err("the catalog is no database");
    assert!(told.contains("damaged") && told.contains("datisd rebuild"), "{told}");
    let _rebuilt = the_box.command(["rebuild"]).run().expect_success();
    the_box.start_again();
    let target = folder.path().join("target");
    machine.restore_folder(&snapshot, &source, &target);
    tree::assert_same(&source, &target);
}

#[test]
fn a_catalog_of_a_later_version_is_left_alone() {
    let mut the_box = TestBox::start();
    the_box.stop();
    let catalog = the_box.data().join("catalog/catalog.db");
    let sql = |statement: &str| {
        const RUN: &str =
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(*c.execute(sys.argv[2])); c.commit()";
        Invocation::new("/usr/bin/python3").args(["-c", RUN]).arg(&catalog).arg(statement).run().expect_success().text()
    };
    let version = sql("PRAGMA user_version");
    let _set = sql("PRAGMA user_version = 9000");
    let told = the_box.try_start().expect_err("the catalog is newer");
    assert!(told.contains("9000") && told.contains("version"), "{told}");
    let version = version.trim().trim_matches(['(', ')', ',']);
    let _set = sql(&format!("PRAGMA user_version = {version}"));
    the_box.start_again();
}

#[test]
fn a_pack_of_a_later_format_is_named_and_not_misread() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 30, 5);
    let snapshot = machine.backup(&source).snapshot;
    let pack = the_box.packs().remove(0);
    // The version marker is among the first bytes.
    let mut bytes = std::fs::read(&pack).expect("pack");
    let at = bytes.iter().take(16).position(|byte| *byte == 1).expect("version 1");
    bytes[at] = 99;
    std::fs::write(&pack, bytes).expect("pack");
    let verify = the_box.command(["verify"]).run().expect_code(3);
    assert!(verify.text().contains(&name_of(&pack)), "{verify}");
    let target = folder.path().join("target");
    let restore = machine.command(["restore"]).arg(within(&snapshot, &source)).arg("--to").arg(&target).run();
    // Its place in the pack and its key are known to the box: what is there may come back, but never something else.
    if restore.code() == Some(0) {
        tree::assert_same(&source, &target);
    } else {
        let _told = restore.expect_code(3);
    }
}
