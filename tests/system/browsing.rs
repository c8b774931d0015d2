//! Looking into snapshots: `snapshots`, `ls`, `find`, `diff`, `cat`.

use std::path::Path;

use harness::{Machine, TestBox, scratch, tree, within};
use serde_json::Value;

struct Scene {
    the_box: TestBox,
    machine: Machine,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let the_box = TestBox::start();
        let machine = the_box.enrol("pc");
        let folder = scratch();
        tree::many_files(&folder.path().join("source"), 230, 1);
        Self { the_box, machine, folder }
    }

    fn source(&self) -> std::path::PathBuf {
        self.folder.path().join("source")
    }

    fn paths(&self, words: &[&str]) -> Vec<String> {
        let finished = self.machine.run(words).expect_success();
        let all = finished.json();
        let rows = all.as_array().unwrap_or_else(|| panic!("not a list\n{finished}"));
        rows.iter()
            .map(|row| row["path"].as_str().unwrap_or_else(|| panic!("no path\n{finished}")).to_owned())
            .collect()
    }
}

fn listed(path: &Path) -> String {
    path.strip_prefix("/").expect("absolute").to_string_lossy().into_owned()
}

#[test]
fn snapshots_are_listed_newest_first_with_all_that_scripts_need() {
    let scene = Scene::new();
    let first = scene.machine.backup(&scene.source()).snapshot;
    let second = scene.machine.backup_with(&scene.source(), ["--source", "other", "--kind", "image"]).snapshot;
    let rows = scene.machine.snapshots();
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [second.as_str(), first.as_str()]);
    assert_eq!((rows[0].source.as_str(), rows[0].kind.as_str()), ("other", "image"));
    assert_eq!(
        (rows[1].source.as_str(), rows[1].kind.as_str(), rows[1].state.as_str()),
        ("source", "files", "complete")
    );
    let table = scene.machine.run(["snapshots"]).expect_success().text();
    assert!(table.contains(&first[..8]) && table.contains(&second[..8]), "{table}");
    assert!(scene.the_box.status()["machines"][0]["sources"].as_array().is_some_and(|sources| sources.len() == 2));
}

#[test]
fn ls_shows_a_folder_or_all_below_it() {
    let scene = Scene::new();
    let snapshot = scene.machine.backup(&scene.source()).snapshot;
    let here = within(&snapshot, &scene.source());
    let here = here.to_str().expect("text");
    let mut children = scene.paths(&["ls", here, "--json"]);
    children.sort();
    let source = listed(&scene.source());
    assert_eq!(children, ["folder 0", "folder 1", "folder 2"].map(|name| format!("{source}/{name}")));
    assert_eq!(scene.paths(&["ls", "-R", here, "--json"]).len(), 233);
    let text = scene.machine.run(["ls", &format!("{here}/folder 2")]).expect_success().text();
    assert_eq!(text.lines().count(), 30, "{text}");
    assert!(text.contains("file 229"), "{text}");
    let one = scene.machine.run(["ls", &format!("{here}/folder 2/file 229"), "--json"]).expect_success().json();
    let size = scene.source().join("folder 2/file 229").metadata().expect("file").len();
    assert_eq!(one[0]["size"].as_u64(), Some(size), "{one}");
}

#[test]
fn find_finds_by_name_in_every_version() {
    let scene = Scene::new();
    let _first = scene.machine.backup(&scene.source());
    let file = scene.source().join("folder 1/file 123");
    std::fs::write(&file, b"another version").expect("file");
    let _second = scene.machine.backup(&scene.source());
    std::fs::remove_file(&file).expect("file");
    let _third = scene.machine.backup(&scene.source());
    let found = scene.paths(&["find", "file 123", "--json"]);
    assert_eq!(found, [listed(&file), listed(&file)], "deleted since, but both versions are found");
    assert_eq!(scene.paths(&["find", "file 22?", "--json"]).len(), 10);
    assert!(scene.paths(&["find", "no such name", "--json"]).is_empty());
}

#[test]
fn diff_names_what_was_added_removed_and_changed() {
    let scene = Scene::new();
    let before = scene.machine.backup(&scene.source()).snapshot;
    std::fs::write(scene.source().join("added"), b"new").expect("file");
    std::fs::remove_file(scene.source().join("folder 0/file 7")).expect("file");
    std::fs::write(scene.source().join("folder 0/file 8"), b"changed").expect("file");
    let after = scene.machine.backup(&scene.source()).snapshot;
    let all = scene.machine.run(["diff", &before, &after, "--json"]).expect_success().json();
    let rows = all.as_array().expect("a list");
    let source = listed(&scene.source());
    let row = |name: &str| -> &Value {
        let path = format!("{source}/{name}");
        rows.iter().find(|row| row["path"] == path.as_str()).unwrap_or_else(|| panic!("{name}: {all}"))
    };
    for (name, word) in [("added", "added"), ("folder 0/file 7", "removed"), ("folder 0/file 8", "changed")] {
        assert!(row(name).to_string().contains(word), "{}", row(name));
    }
    assert!(!all.to_string().contains("file 9\""), "{all}");
    assert_eq!(scene.machine.run(["diff", &before, &before, "--json"]).expect_success().json(), serde_json::json!([]));
}

#[test]
fn cat_gives_the_bytes_and_nothing_else() {
    let scene = Scene::new();
    let snapshot = scene.machine.backup(&scene.source()).snapshot;
    let file = scene.source().join("folder 0/file 42");
    let what = within(&snapshot[..12], &file);
    let finished = scene.machine.command(["cat"]).arg(what).run().expect_success();
    assert!(finished.stdout == std::fs::read(file).expect("file"), "{finished}");
    let folder = scene.machine.command(["cat"]).arg(within(&snapshot, &scene.source())).run();
    let _refused = folder.expect_refusal(1, &["source"]);
}

#[test]
fn nothing_to_list_is_an_empty_list() {
    let the_box = TestBox::start();
    let machine = the_box.enrol("pc");
    assert_eq!(machine.run(["snapshots", "--json"]).expect_success().json(), serde_json::json!([]));
    assert_eq!(machine.run(["find", "x", "--json"]).expect_success().json(), serde_json::json!([]));
    let _refused = machine.run(["ls", "latest"]).expect_refusal(1, &["no snapshot", "datis backup"]);
}
