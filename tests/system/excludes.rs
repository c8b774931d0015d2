//! What is left out, and what a snapshot says about what it could not have.

use harness::{Invocation, Summary, TestBox, scratch, tree};

#[test]
fn patterns_ignore_files_and_caches_are_left_out() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    let write = |name: &str, text: &str| {
        let path = source.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, text).expect("file");
    };
    write("keep/a.txt", "kept");
    write("keep/b.tmp", "out by --exclude");
    write("deep/er/c.tmp", "out by --exclude");
    write("with rules/.datisignore", "*.key\n!public.key\nbuild/\n");
    write("with rules/secret.key", "out by .datisignore");
    write("with rules/public.key", "kept");
    write("with rules/build/object", "out by .datisignore");
    write("elsewhere/secret.key", "kept: the rule is not from here");
    write("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    write("cache/thumbnail", "out as a cache");
    write("no cache/CACHEDIR.TAG", "something else");
    write("no cache/file", "kept");
    let summary = machine.backup_with(&source, ["--exclude", "*.tmp"]);
    let target = folder.path().join("target");
    machine.restore_folder(&summary.snapshot, &source, &target);
    let out = ["keep/b.tmp", "deep/er/c.tmp", "with rules/secret.key", "with rules/build", "cache/thumbnail"];
    let mut wanted = tree::TreeState::read_without(&source, &out);
    let mut found = tree::TreeState::read(&target);
    // Whether the empty folder of a cache and its tag stay is not promised.
    for name in ["cache", "cache/CACHEDIR.TAG"] {
        wanted.forget(name);
        found.forget(name);
    }
    let told = wanted.differences_to(&found);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn other_file_systems_are_entered_unless_told_not_to() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    let mounted = source.join("mounted");
    std::fs::create_dir_all(&mounted).expect("folder");
    std::fs::write(source.join("here"), b"here").expect("file");
    let _mounted = Mounted::tmpfs(&mounted);
    std::fs::write(mounted.join("there"), b"there").expect("file");
    let both = machine.backup(&source);
    let one = machine.backup_with(&source, ["--one-file-system"]);
    assert_eq!((both.files, one.files), (2, 1));
}

struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(place: &std::path::Path) -> Self {
        let mount = Invocation::new("/bin/mount").args(["-t", "tmpfs", "none"]).arg(place);
        let _done = mount.run().expect_success();
        Self(place.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A panic is under way or the folder goes anyway.
        let _tried = Invocation::new("/bin/umount").arg("--lazy").arg(&self.0).run();
    }
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let backup = machine.command(["backup", "--exclude", "{a"]).arg(folder.path()).run();
    assert!(backup.code() == Some(1) || backup.code() == Some(2), "{backup}");
    assert!(backup.error_text().contains("{a"), "{backup}");
    assert_eq!(machine.snapshots(), []);
}

#[test]
fn what_cannot_be_read_makes_the_snapshot_incomplete_and_is_named() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let source = folder.path().join("source");
    tree::many_files(&source, 20, 1);
    let unreadable = Unreadable::mount(&source);
    let finished = machine.backup_command(&source, [""; 0]).run().expect_code(3);
    let summary = Summary::of(&finished);
    assert_eq!(summary.outcome, "incomplete");
    assert!(finished.error_text().contains("unreadable"), "{finished}");
    assert_eq!(machine.snapshots()[0].state, "incomplete");
    let problems = machine.run(["problems", "latest", "--json"]).expect_success().json();
    assert!(problems[0]["path"].as_str().is_some_and(|path| path.contains("unreadable")), "{problems}");
    drop(unreadable);
    let target = folder.path().join("target");
    machine.restore_folder(&summary.snapshot, &source, &target);
    assert!(target.join("folder 0/file 7").exists(), "the rest is there");
}

/// Root reads everything but a file whose file system is broken: a FUSE mount whose server is gone.
struct Unreadable(std::path::PathBuf);

impl Unreadable {
    fn mount(source: &std::path::Path) -> Self {
        let place = source.join("unreadable");
        std::fs::create_dir(&place).expect("folder");
        // The connection of a closed descriptor: every access ends in "Transport endpoint is not connected".
        let script = "exec 9<>/dev/fuse; mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 none \"$1\"";
        let mount = Invocation::new("/bin/bash").args(["-c", script, "bash"]).arg(&place);
        let _done = mount.run().expect_success();
        Self(place)
    }
}

impl Drop for Unreadable {
    fn drop(&mut self) {
        // A panic is under way or the folder goes anyway.
        let _tried = Invocation::new("/bin/umount").arg("--lazy").arg(&self.0).run();
    }
}
