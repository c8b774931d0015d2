//! Changing a tree at random, the way people and programs do.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::Random;

/// Makes `count` random changes below `root`: new files, appended, overwritten, cut, renamed, deleted ones, other rights,
/// two files swapped, a file that becomes a folder or a link.
///
/// # Panics
/// When the tree cannot be changed.
pub fn change(root: &Path, count: u64, random: &mut Random) {
    let mut fresh = random.number();
    for _ in 0..count {
        fresh = fresh.wrapping_add(1);
        let files = files(root);
        let new = root.join(format!("new {fresh:x}"));
        if files.len() < 3 {
            std::fs::write(new, random.text(1_000)).expect("a file can be written");
            continue;
        }
        let (file, other) = (random.choose(&files).clone(), random.choose(&files).clone());
        change_one(random, &file, &other, &new);
    }
}

fn change_one(random: &mut Random, file: &Path, other: &Path, new: &Path) {
    const CANNOT: &str = "a test's own file can be changed";
    let len = file.metadata().expect(CANNOT).len();
    let open = || File::options().read(true).write(true).open(file).expect(CANNOT);
    let some = usize::try_from(random.below(200_000)).expect("a small number");
    match random.below(10) {
        0 | 1 => std::fs::write(new, random.bytes(some)).expect(CANNOT),
        2 => File::options().append(true).open(file).and_then(|mut f| f.write_all(&random.text(some))).expect(CANNOT),
        3 => open().write_all_at(&random.bytes(100), random.below(len + 1)).expect(CANNOT),
        4 => open().set_len(random.below(len + 1)).expect(CANNOT),
        5 => std::fs::rename(file, new).expect(CANNOT),
        6 => std::fs::remove_file(file).expect(CANNOT),
        7 => std::fs::set_permissions(file, PermissionsExt::from_mode(*random.choose(&[0o600, 0o640, 0o755])))
            .expect(CANNOT),
        8 if file != other => {
            std::fs::rename(file, new).expect(CANNOT);
            std::fs::rename(other, file).expect(CANNOT);
            std::fs::rename(new, other).expect(CANNOT);
        }
        _ => {
            std::fs::remove_file(file).expect(CANNOT);
            if random.one_in(2) {
                std::fs::create_dir(file).expect(CANNOT);
                std::fs::write(file.join("inside"), random.text(some)).expect(CANNOT);
            } else {
                symlink(other, file).expect(CANNOT);
            }
        }
    }
}

/// All regular files, in the order of their names.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
            let entry = entry.expect("a folder can be read");
            let kind = entry.file_type().expect("an entry can be looked at");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
