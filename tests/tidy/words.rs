//! Words that do not belong into the tree, in any file.

use harness::repository;

use crate::sources::files;

/// Each is written in two parts, so that this file does not hold it.
const FORBIDDEN: [(&str, &str); 12] = [
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("files.python", "hosted.org"),
    ("deb.debian", ".org"),
    ("registry.npm", "js.org"),
    ("/wo", "rk/"),
    ("/root/.car", "go"),
    ("Claude", " "),
    ("anthro", "pic"),
    ("Co-Authored", "-By"),
    ("open", "ai"),
    ("lang", "uage model"),
];

#[test]
fn no_file_names_the_machine_it_was_made_on_or_the_tools_of_its_making() {
    let root = repository().canonicalize().expect("the repository");
    let mut count = 0;
    for path in files(&root, &["target", ".git", "corpus", "artifacts", "golden"]) {
        // Licences and lock files are not ours to word.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if name == "Cargo.lock" || name == "LICENSE" {
            continue;
        }
        let text = text.to_lowercase();
        for (begin, end) in FORBIDDEN {
            let word = format!("{begin}{end}").to_lowercase();
            assert!(!text.contains(&word), "{} holds `{word}`", path.display());
        }
        count += 1;
    }
    assert!(count > 150, "{count} files");
}

#[test]
fn unfinished_work_is_an_issue_and_not_a_note_in_the_code() {
    let root = repository().canonicalize().expect("the repository");
    for path in files(&root, &["target", ".git", "corpus", "artifacts", "golden"]) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (begin, end) in [("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("HA", "CK:")] {
            let word = format!("{begin}{end}");
            let found = text.match_indices(&word).any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric()));
            assert!(!found || path.ends_with("Cargo.lock"), "{} holds `{word}`", path.display());
        }
    }
}
