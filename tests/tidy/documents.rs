//! Documents, the Makefile and the portal's languages against the tree.

use std::collections::{BTreeMap, BTreeSet};

use harness::repository;

use crate::sources::{files, sources};

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

/// The sentences of a language by their keys, `key` or `key.attribute`; those that run over several lines are joined.
fn sentences(language: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<(String, String)> = None;
    for table in ["alerts", "checks", "directory", "machines", "portal", "setup", "system"] {
        for line in read(&format!("portal-templates/locales/{language}/{table}.ftl")).lines() {
            let key =
                line.split_once(" = ").filter(|(key, _)| !key.starts_with([' ', '#']) || key.trim().starts_with('.'));
            match (key, &mut last) {
                (Some((key, text)), last) => {
                    let key = match (key.trim().strip_prefix('.'), &*last) {
                        (Some(attribute), Some((message, _))) => {
                            format!("{}.{attribute}", message.split('.').next().unwrap_or_default())
                        }
                        _ => key.to_owned(),
                    };
                    assert!(!found.contains_key(&key), "{language}: {key} is there twice");
                    found.insert(key.clone(), text.to_owned());
                    *last = Some((key, String::new()));
                }
                (None, Some((key, _))) if line.starts_with(' ') => {
                    let text = found.entry(key.clone()).or_default();
                    text.push(' ');
                    text.push_str(line.trim());
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn the_product_says_the_same_in_every_language() {
    let variables = |text: &str| -> BTreeSet<String> {
        let names = text.split('$').skip(1);
        names.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()).collect()
    };
    let english = sentences("en");
    assert!(english.len() > 120, "{}", english.len());
    for language in ["fr", "ru"] {
        let other = sentences(language);
        let keys = |table: &BTreeMap<String, String>| table.keys().cloned().collect::<BTreeSet<_>>();
        let missing: Vec<_> = keys(&english).symmetric_difference(&keys(&other)).cloned().collect();
        assert!(missing.is_empty(), "{language} and English differ in {missing:?}");
        for (key, text) in &english {
            assert_eq!(variables(text), variables(&other[key]), "{key} speaks of other things in {language}");
            // A sentence that was copied and not translated.
            assert!(text.split(' ').count() <= 3 || *text != other[key], "{key} is not translated into {language}");
        }
    }
}

#[test]
fn every_sentence_is_said_somewhere_and_every_one_that_is_said_exists() {
    let mut code = String::new();
    for entry in std::fs::read_dir(repository().join("portal-templates/pages")).expect("pages") {
        code.push_str(&std::fs::read_to_string(entry.expect("page").path()).expect("page"));
    }
    let page = code.clone();
    for source in sources("appliance") {
        code.push_str(&source.text);
    }
    let english = sentences("en");
    for said in page.split("locale.word(\"").skip(1) {
        let key = said.split('"').next().unwrap_or_default();
        assert!(english.contains_key(key), "the page says {key}, which is in no table");
    }
    // Keys that are put together: by the id of a check, the word of a state, and so on.
    let put_together = [
        "account-",
        "alert-",
        "answer-",
        "ask-",
        "audit-",
        "channel-",
        "check-",
        "directory-",
        "fact-",
        "health-",
        "kind-",
        "mail-",
        "peer-",
        "preset-",
        "post-",
        "role-",
        "scope-",
        "security-",
        "service-",
        "severity-",
        "setup-",
        "state-",
        "unit-",
        "work-",
    ];
    for key in english.keys().filter(|key| !key.contains('.')) {
        let is_said = code.contains(&format!("\"{key}\"")) || put_together.iter().any(|prefix| key.starts_with(prefix));
        assert!(is_said, "nobody says {key}");
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let (dashboard, guide) = (read("docs/grafana.json"), read("docs/OPERATING.md"));
    let mut asked = std::collections::BTreeSet::new();
    for rest in dashboard.split("datis_").skip(1) {
        asked.insert(rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>());
    }
    assert!(asked.len() >= 10, "{asked:?}");
    for name in asked {
        assert!(
            guide.contains(&format!("`datis_{name}`")),
            "the dashboard asks for datis_{name}, which is not in the guide"
        );
    }
}

#[test]
fn every_piece_of_evidence_has_a_name_in_the_tables() {
    let english = sentences("en");
    let mut count = 0;
    for source in sources("appliance/src/commissioning/checks") {
        for call in ["Fact::text(\"", "Fact::number(\"", "Fact::lines(\""] {
            for name in source.text.split(call).skip(1) {
                let name = name.split('"').next().unwrap_or_default();
                // These are words that sentences choose by, and are not shown.
                if ["direction", "duplex", "how"].contains(&name) {
                    continue;
                }
                assert!(english.contains_key(&format!("fact-{name}")), "{}: {name} has no name", source.path);
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count}");
}
