//! Single matters of metadata that are easily lost.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use harness::{Invocation, TestBox, scratch, tree};

fn round_trip(fill: impl FnOnce(&Path), look: impl FnOnce(&Path)) {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    std::fs::create_dir(&source).expect("folder");
    fill(&source);
    let summary = machine.backup(&source);
    machine.restore_folder(&summary.snapshot, &source, &target);
    tree::assert_same(&source, &target);
    look(&target);
}

#[test]
fn acls_set_with_the_systems_own_tool_come_back_as_that_tool_shows_them() {
    let wanted = std::cell::OnceCell::new();
    let acls = |path: &Path| {
        let finished = Invocation::new("/usr/bin/getfacl").args(["--absolute-names", "--recursive", "--numeric", "."]);
        finished.in_folder(path).run().expect_success().text()
    };
    let fill = |source: &Path| {
        std::fs::create_dir(source.join("dir")).expect("folder");
        for (name, acl) in [("file", "u:1001:rwx,g:1002:r--,o::---"), ("dir", "u:1003:r-x,d:u:1003:rwx,d:o::---")] {
            if name == "file" {
                std::fs::write(source.join(name), b"x").expect("file");
            }
            let setfacl = Invocation::new("/usr/bin/setfacl").args(["-m", acl]).arg(source.join(name));
            let _done = setfacl.run().expect_success();
        }
        std::fs::write(source.join("dir/inherits"), b"x").expect("file");
    };
    round_trip(
        |source| {
            fill(source);
            let shown = wanted.get_or_init(|| acls(source));
            assert!(shown.contains("user:1001:rwx") && shown.contains("default:user:1003:rwx"), "{shown}");
        },
        |target| assert_eq!(Some(&acls(target)), wanted.get()),
    );
}

#[test]
fn a_set_id_program_of_another_user_keeps_its_bits_and_owner() {
    let place = |root: &Path| root.join("program");
    round_trip(
        |source| {
            std::fs::write(place(source), b"#!/bin/true").expect("file");
            std::os::unix::fs::chown(place(source), Some(1234), Some(1234)).expect("owner");
            std::fs::set_permissions(place(source), PermissionsExt::from_mode(0o6755)).expect("rights");
        },
        |target| {
            let metadata = place(target).metadata().expect("file");
            assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o6755, 1234));
        },
    );
}

#[test]
fn names_of_one_inode_are_one_inode_again_across_folders() {
    round_trip(
        |source| {
            for folder in ["a", "z"] {
                std::fs::create_dir(source.join(folder)).expect("folder");
            }
            std::fs::write(source.join("z/first made"), b"shared").expect("file");
            for name in ["a/earlier in the walk", "z/later"] {
                std::fs::hard_link(source.join("z/first made"), source.join(name)).expect("link");
            }
        },
        |target| {
            let inode = |name: &str| target.join(name).metadata().expect("file").ino();
            assert_eq!(inode("a/earlier in the walk"), inode("z/later"));
            std::fs::write(target.join("z/later"), b"written through one name").expect("file");
            let read = std::fs::read(target.join("a/earlier in the walk")).expect("file");
            assert_eq!(read, b"written through one name");
        },
    );
}

#[test]
fn a_user_without_privilege_restores_what_is_allowed_and_is_told_the_rest() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    let folder = scratch();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("rights");
    let source = folder.path().join("source");
    std::fs::create_dir(&source).expect("folder");
    std::fs::write(source.join("of root"), b"content").expect("file");
    let _done =
        Invocation::new("/usr/bin/mknod").arg(source.join("device")).args(["c", "1", "3"]).run().expect_success();
    let summary = machine.backup(&source);
    let target = folder.path().join("target");
    // The state is root's: the user gets a copy, as somebody who restores with a borrowed identity would.
    let state = folder.path().join("state");
    let _copied = Invocation::new("/bin/cp").arg("-r").arg(machine.state()).arg(&state).run().expect_success();
    let _given = Invocation::new("/bin/chown").args(["-R", "nobody"]).arg(&state).run().expect_success();
    let programs = folder.path().join("datis");
    std::fs::copy(harness::Programs::plain().datis(), &programs).expect("program");
    let what = harness::within(&summary.snapshot, &source);
    let finished = Invocation::new("/usr/bin/setpriv")
        .args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"])
        .arg(&programs)
        .arg("--state")
        .arg(&state)
        .arg("restore")
        .arg(what)
        .arg("--to")
        .arg(&target)
        .env("HOME", folder.path())
        .run();
    assert_eq!(std::fs::read(target.join("of root")).expect("restored"), b"content", "{finished}");
    assert!(finished.error_text().contains("root"), "{finished}");
    assert!(!target.join("device").exists());
}
