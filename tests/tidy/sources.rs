//! The sources as text, and rules for each file of them.

use std::path::{Path, PathBuf};

use harness::repository;

/// Lines of production code that a module may have: neither blank nor comment nor test.
const LINES_MAX: usize = 500;

/// A source file.
pub(crate) struct Source {
    /// Below the repository, such as `client/src/walk.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The code without comments and without what is only compiled for tests.
    pub(crate) fn production(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let mut kept = String::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let code = line.trim();
            if code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test") {
                skip_item(&mut lines);
            } else if !code.is_empty() && !code.starts_with("//") {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        kept
    }

    /// A module that its parent has under `#[cfg(test)]`.
    fn is_test(&self) -> bool {
        let path = Path::new(&self.path);
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { return false };
        let folder_is_test = path.components().any(|part| part.as_os_str() == "tests");
        folder_is_test || matches!(name, "tests" | "testing")
    }
}

/// Skips the item that an attribute belongs to: to the end of its braces, or of its one line.
fn skip_item<'t>(lines: &mut impl Iterator<Item = &'t str>) {
    let mut depth = 0_i64;
    for line in lines {
        let code = line.trim();
        if depth == 0 && code.starts_with("#[") {
            continue;
        }
        let count = |wanted: char| code.chars().filter(|c| *c == wanted).count();
        depth += i64::try_from(count('{')).expect("a line") - i64::try_from(count('}')).expect("a line");
        if depth <= 0 {
            return;
        }
    }
}

/// All Rust files below `folder` of the repository.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let root = repository().canonicalize().expect("the repository");
    let mut found = Vec::new();
    for path in files(&root.join(folder), &["target"]) {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source is UTF-8");
            let path = path.strip_prefix(&root).expect("below the repository").to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// All files below `folder`, without folders of these names.
pub(crate) fn files(folder: &Path, without: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            if !without.contains(&name.as_str()) {
                found.extend(files(&path, without));
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn no_module_is_longer_than_one_can_keep_in_mind() {
    for folder in ["engine", "appliance", "client", "tests"] {
        for source in sources(folder) {
            let lines = source.production().lines().count();
            assert!(lines < LINES_MAX, "{} has {lines} lines of code: split it by reasons to exist", source.path);
        }
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for folder in ["engine", "appliance", "client", "tests"] {
        for source in sources(folder) {
            assert!(source.text.starts_with("//!"), "{} does not open with what it is for (`//! …`)", source.path);
        }
    }
}

#[test]
fn every_package_is_held_to_the_workspaces_lints() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).expect(path);
    let workspace = read("Cargo.toml");
    for lint in
        ["unsafe_code = \"forbid\"", "missing_docs = \"deny\"", "unwrap_used = \"warn\"", "wildcard_imports = \"warn\""]
    {
        assert!(workspace.contains(lint), "Cargo.toml does not set {lint}");
    }
    for package in ["engine", "appliance", "client", "tests"] {
        let manifest = read(&format!("{package}/Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{package}/Cargo.toml does not take the workspace's lints"
        );
    }
}

/// A lint is switched off in one place, with its reason, and `expect` tells when that is no longer needed.
#[test]
fn no_lint_is_switched_off_without_a_reason() {
    for folder in ["engine", "appliance", "client", "tests"] {
        for source in sources(folder) {
            if source.path.starts_with("tests/tidy") {
                continue;
            }
            for (number, line) in source.text.lines().enumerate() {
                let line = line.trim();
                let place = format!("{}:{}", source.path, number + 1);
                assert!(
                    !line.contains("#[allow(") && !line.contains("#![allow("),
                    "{place} switches a lint off: write #[expect(…, reason = \"…\")], or mend what it says"
                );
                let is_whole = line.contains("reason = ") || !line.ends_with(']') || !line.contains("#[expect(");
                assert!(is_whole, "{place} expects a lint and does not say why");
            }
        }
    }
}

#[test]
fn only_code_that_is_planted_on_purpose_depends_on_the_feature_for_it() {
    for package in ["engine", "appliance", "client"] {
        let manifest = std::fs::read_to_string(repository().join(package).join("Cargo.toml")).expect("a manifest");
        let default = manifest.lines().find(|line| line.trim().starts_with("default ="));
        assert!(default.is_none_or(|line| !line.contains("plant")), "{package} plants bugs by default");
    }
    // Whoever asks for the planted programs has to get some with bugs.
    let planted = sources("engine").into_iter().chain(sources("appliance"));
    let count = planted.filter(|source| source.text.contains("feature = \"plant\"")).count();
    assert!(count >= 3, "the fault harnesses have nothing to catch");
}
