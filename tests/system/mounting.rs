//! `datis mount`: snapshots as folders, read when they are looked at.

use std::time::Duration;

use harness::{TestBox, scratch, tree, wait_for};

#[test]
fn a_mounted_snapshot_reads_like_the_original_and_cannot_be_written() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::every_kind(&source, 1);
    let _summary = machine.backup(&source);
    let place = folder.path().join("mounted");
    std::fs::create_dir(&place).expect("folder");
    let mount = machine.command(["mount"]).arg(&place).patience(Duration::from_secs(300)).start();
    let inside = source.strip_prefix("/").expect("absolute");
    let found = wait_for("the mount", Duration::from_secs(20), || find_below(&place, inside, 4));
    let mut told = tree::TreeState::read(&source).differences_to(&tree::TreeState::read(&found));
    // How much room a file takes on a disk means nothing in a mount.
    told.retain(|difference| !difference.contains("bytes of disk"));
    let writing = std::fs::write(found.join("new"), b"x");
    let _unmounted = harness::Invocation::new("/usr/bin/fusermount3").arg("-u").arg(&place).run().expect_success();
    let finished = mount.wait();
    assert!(told.is_empty(), "{} differences: {:#?}", told.len(), &told[..told.len().min(20)]);
    assert!(writing.is_err(), "a snapshot cannot be changed");
    assert_eq!(finished.code(), Some(0), "{finished}");
}

/// The first folder below `place`, at most `depth` levels down, that has `inside` below it.
fn find_below(place: &std::path::Path, inside: &std::path::Path, depth: u32) -> Option<std::path::PathBuf> {
    let here = place.join(inside);
    if here.is_dir() {
        return Some(here);
    }
    let deeper = depth.checked_sub(1)?;
    let entries = std::fs::read_dir(place).ok()?;
    entries.flatten().filter(|e| e.path().is_dir()).find_map(|entry| find_below(&entry.path(), inside, deeper))
}
