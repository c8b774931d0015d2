//! The comparer and the maker of trees, before anything else is measured with them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use harness::{Random, scratch, tree};

fn copied(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg("--sparse=always").arg(from).arg(to).status();
    assert!(status.expect("cp starts").success());
}

#[test]
fn a_faithful_copy_has_no_differences() {
    let folder = scratch();
    let (original, copy) = (folder.path().join("original"), folder.path().join("copy"));
    tree::every_kind(&original, 1);
    copied(&original, &copy);
    tree::assert_same(&original, &copy);
    assert!(tree::TreeState::read(&original).len() > 1_600);
}

#[test]
fn every_single_difference_is_told() {
    type Spoil = fn(&Path) -> std::io::Result<()>;
    let spoils: [(&str, Spoil); 11] = [
        ("is missing", |t| std::fs::remove_file(t.join("contents/empty"))),
        ("should not be there", |t| std::fs::write(t.join("folders/more"), b"")),
        ("mode is", |t| std::fs::set_permissions(t.join("specials/fifo"), PermissionsExt::from_mode(0o600))),
        ("owner is", |t| std::os::unix::fs::lchown(t.join("links/dangling"), Some(9), None)),
        ("modification time", |t| std::fs::File::open(t.join("contents/empty"))?.set_modified(std::time::UNIX_EPOCH)),
        ("bytes long", |t| std::fs::File::options().write(true).open(t.join("contents/zeros"))?.set_len(5)),
        ("other content", |t| {
            harness::flip_byte(&t.join("contents/of 65536"), 60_000);
            Ok(())
        }),
        ("one inode", |t| {
            std::fs::remove_file(t.join("links/third"))?;
            std::fs::write(t.join("links/third"), b"one inode, three names")
        }),
        ("should be Symlink", |t| {
            std::fs::remove_file(t.join("links/up"))?;
            symlink("../contents/zeros", t.join("links/up"))
        }),
        ("bytes of disk", |t| std::fs::write(t.join("sparse/nothing but a hole"), vec![0; 10 << 20])),
        ("attributes are", |t| Ok(rustix::fs::removexattr(t.join("attributes/acl"), "system.posix_acl_access")?)),
    ];
    let folder = scratch();
    let original = folder.path().join("original");
    tree::every_kind(&original, 2);
    let wanted = tree::TreeState::read(&original);
    for (number, (told, spoil)) in spoils.iter().enumerate() {
        let copy = folder.path().join(format!("copy {number}"));
        copied(&original, &copy);
        spoil(&copy).expect(told);
        let differences = wanted.differences_to(&tree::TreeState::read(&copy));
        assert!(differences.iter().any(|d| d.contains(told)), "{told}: {differences:?}");
    }
}

#[test]
fn a_seed_repeats_a_tree_and_its_changes() {
    let folder = scratch();
    let mut states = Vec::new();
    for name in ["one", "two"] {
        let root = folder.path().join(name);
        tree::many_files(&root, 150, 3);
        tree::change(&root, 60, &mut Random::new(4));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&root).expect("folder") {
            names.push(entry.expect("entry").file_name());
        }
        names.sort();
        states.push(names);
    }
    assert_eq!(states[0], states[1]);
}
