//! Documents, the Makefile and the portal's languages against the tree.

use std::collections::BTreeSet;

use harness::repository;

use crate::sources::files;

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn links_in_documents_lead_somewhere() {
    let root = repository().canonicalize().expect("the repository");
    let mut count = 0;
    for path in files(&root, &["target", ".git", "corpus", "artifacts"]) {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let folder = path.parent().expect("a folder");
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', ' ']).next().unwrap_or_default();
            let place = target.split('#').next().unwrap_or_default();
            if place.is_empty() || place.contains("://") || place.starts_with("mailto:") {
                continue;
            }
            assert!(folder.join(place).exists(), "{} links to {place}, which is not there", path.display());
            count += 1;
        }
    }
    assert!(count > 5, "{count} links");
}

/// Targets of the Makefile that people call: those with an explanation.
fn targets() -> BTreeSet<String> {
    let makefile = read("Makefile");
    let explained =
        makefile.lines().filter(|line| line.contains(":") && line.contains("## ") && !line.starts_with(['\t', '#']));
    explained.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

#[test]
fn every_command_of_the_makefile_is_told_and_every_told_one_exists() {
    let targets = targets();
    for wanted in ["demo", "test", "bench", "fuzz", "lint", "soak"] {
        assert!(targets.contains(wanted), "the Makefile has no `{wanted}`");
    }
    let documents: String = ["README.md", "docs/TESTING.md"].map(read).join("\n");
    for target in targets.iter().filter(|target| *target != "help" && *target != "programs") {
        assert!(
            documents.contains(&format!("make {target}")),
            "`make {target}` is in neither README.md nor docs/TESTING.md"
        );
    }
    for (at, _) in documents.match_indices("`make ") {
        let command = documents[at + 6..].split('`').next().unwrap_or_default();
        let named = command.split(' ').find(|word| !word.contains('=')).unwrap_or_default();
        assert!(targets.contains(named), "`make {command}` is told, but the Makefile has no such command");
    }
}

#[test]
fn what_ci_runs_is_make_test() {
    assert!(read(".ci/run").lines().any(|line| line.trim() == "make test"));
}

#[test]
fn every_exit_code_is_in_the_operating_guide() {
    let guide = read("docs/OPERATING.md");
    let source = read("client/src/exit.rs");
    let mut count = 0;
    for line in source.lines().filter(|line| line.trim().starts_with("Self::") && line.contains("=> ")) {
        let Some(code) = line.rsplit("=> ").next().map(|code| code.trim_end_matches(',')) else { continue };
        if code.parse::<u8>().is_ok() {
            assert!(guide.contains(&format!("| {code} |")), "exit code {code} of datis is not in docs/OPERATING.md");
            count += 1;
        }
    }
    assert!(count >= 11, "{count} codes");
}

#[test]
fn the_portal_says_the_same_in_every_language() {
    let keys = |language: &str| -> BTreeSet<String> {
        let table = read(&format!("portal-templates/locales/{language}.toml"));
        table.lines().filter_map(|line| Some(line.split_once(" = ")?.0.trim().to_owned())).collect()
    };
    let english = keys("en");
    assert!(english.len() > 20, "{}", english.len());
    for language in ["fr", "ru"] {
        let other = keys(language);
        let missing: Vec<_> = english.symmetric_difference(&other).collect();
        assert!(missing.is_empty(), "{language}.toml and en.toml differ in {missing:?}");
    }
    // A sentence that was copied and not translated.
    let value = |language: &str, key: &str| {
        let table = read(&format!("portal-templates/locales/{language}.toml"));
        let line =
            table.lines().find(|line| line.split_once(" = ").is_some_and(|(k, _)| k.trim() == key)).map(str::to_owned);
        line.and_then(|line| Some(line.split_once(" = ")?.1.to_owned())).unwrap_or_default()
    };
    for key in english.iter().filter(|key| value("en", key).split(' ').count() > 3) {
        assert_ne!(value("en", key), value("ru", key), "{key} is not translated");
        assert_ne!(value("en", key), value("fr", key), "{key} is not translated");
    }
}
