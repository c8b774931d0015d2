//! What the box's programs are made of (`appliance/components.cdx.json`, CycloneDX 1.5) against `Cargo.lock`.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Invocation, repository};
use serde_json::{Value, json};

/// The file that the portal shows and gives away.
const BILL: &str = "appliance/components.cdx.json";
/// The programs of the box.
const PROGRAMS: &str = "datis-appliance";

/// What is in the programs without being a package of Cargo: name, version, licence, where it is known, the file, and its
/// SHA-256, so that nobody changes it unseen.
const CARRIED: [(&str, &str, &str, &str, &str, &str); 4] = [
    (
        "DejaVu Sans",
        "2.37",
        "Bitstream-Vera",
        "pkg:generic/dejavu-sans@2.37",
        "portal-templates/fonts/DejaVuSans.ttf",
        "abdc775b21b1bc470d50c97e790d276f2054b7504e56e5bd3e64f48d68582322",
    ),
    (
        "DejaVu Sans Bold",
        "2.37",
        "Bitstream-Vera",
        "pkg:generic/dejavu-sans-bold@2.37",
        "portal-templates/fonts/DejaVuSans-Bold.ttf",
        "0d977336a6d5fba34eab8e3199eb218327161b5143749f802982c2bc34df0c96",
    ),
    (
        "uPlot",
        "1.6.32",
        "MIT",
        "pkg:npm/uplot@1.6.32",
        "portal-templates/static/uplot-1.6.32.min.js",
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    ),
    (
        "uPlot styles",
        "1.6.32",
        "MIT",
        "pkg:npm/uplot@1.6.32#dist/uPlot.min.css",
        "portal-templates/static/uplot-1.6.32.min.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
];

/// The digests of `Cargo.lock`, by name and version.
fn checksums() -> BTreeMap<(String, String), String> {
    let lock = std::fs::read_to_string(repository().join("Cargo.lock")).expect("Cargo.lock");
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter_map(|block| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?)))
        .collect()
}

/// Packages by their ids, and what each of them links.
struct Graph {
    packages: BTreeMap<String, Value>,
    links: BTreeMap<String, Vec<String>>,
}

impl Graph {
    /// What Cargo knows, without asking anybody. Linux alone: what is for others is not in the box.
    fn look() -> Self {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let words = ["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform"];
        let asked = Invocation::new(cargo).args(words).arg("x86_64-unknown-linux-gnu").in_folder(repository());
        let told = asked.run().expect_success().json();
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let packages = array(&told["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
        let nodes = array(&told["resolve"]["nodes"]);
        let links = nodes.iter().map(|node| {
            // What only builds or tests need is not in the programs.
            let is_linked = |dep: &Value| array(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let deps = array(&node["deps"]).into_iter().filter(is_linked);
            (text(&node["id"]), deps.map(|dep| text(&dep["pkg"])).collect())
        });
        Self { packages, links: links.collect() }
    }

    /// Everything that is linked into a package, and the package itself.
    fn reached_from(&self, root: &str) -> BTreeSet<String> {
        let (mut found, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
        while let Some(id) = open.pop() {
            if found.insert(id.clone()) {
                open.extend(self.links[&id].iter().cloned());
            }
        }
        found
    }

    fn reference(&self, id: &str) -> String {
        let package = &self.packages[id];
        format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// The list as it has to be.
fn bill() -> String {
    let (graph, checksums) = (Graph::look(), checksums());
    let root = graph.packages.iter().find(|(_, package)| package["name"] == PROGRAMS).expect("the box").0.clone();
    let reached = graph.reached_from(&root);
    let component = |id: &String| {
        let package = &graph.packages[id];
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        // A slash is an older way to write “or”.
        let licence = text(&package["license"]).replace('/', " OR ");
        let mut component = json!({
            "type": "library",
            "bom-ref": graph.reference(id),
            "name": name,
            "version": version,
            "licenses": [{ "expression": licence }],
            "purl": graph.reference(id),
        });
        if let Some(checksum) = checksums.get(&(name, version)) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    };
    let mut components: Vec<Value> = reached.iter().filter(|id| **id != root).map(component).collect();
    components.extend(CARRIED.iter().map(|(name, version, licence, known_as, _, digest)| {
        json!({
            "type": "library",
            "bom-ref": known_as,
            "name": name,
            "version": version,
            "licenses": [{ "expression": licence }],
            "purl": known_as,
            "hashes": [{ "alg": "SHA-256", "content": digest }],
        })
    }));
    components.sort_by_key(|component| component["bom-ref"].to_string());
    let dependency = |id: &String| {
        let on: BTreeSet<String> = graph.links[id].iter().map(|id| graph.reference(id)).collect();
        json!({ "ref": graph.reference(id), "dependsOn": on })
    };
    let mut dependencies: Vec<Value> = reached.iter().map(dependency).collect();
    dependencies.sort_by_key(|dependency| dependency["ref"].to_string());
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "bom-ref": graph.reference(&root),
            "name": "datisd",
            "version": graph.packages[&root]["version"],
            "licenses": [{ "expression": graph.packages[&root]["license"] }],
        } },
        "components": components,
        "dependencies": dependencies,
    });
    serde_json::to_string_pretty(&bill).expect("JSON") + "\n"
}

/// `make components` writes it.
#[test]
fn the_list_of_components_is_that_of_the_lock_file() {
    let (path, wanted) = (repository().join(BILL), bill());
    if std::env::var_os("DATIS_WRITE_COMPONENTS").is_some() {
        std::fs::write(&path, &wanted).expect("the list can be written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == wanted, "{BILL} is not what Cargo.lock says; `make components` writes it anew");
    let parsed: Value = serde_json::from_str(&there).expect("JSON");
    let count = parsed["components"].as_array().map_or(0, Vec::len);
    assert!(count > 200, "{count} components");
    assert!(there.contains("pkg:cargo/rustls@") && !there.contains("pkg:cargo/proptest@"), "linked, not tested with");
}

#[test]
fn what_is_carried_along_is_what_its_authors_gave_out() {
    for (name, _, _, _, file, digest) in CARRIED {
        let told = Invocation::new("sha256sum").arg(repository().join(file)).run();
        assert!(told.expect_success().text().starts_with(digest), "{name}: {file} is another file");
    }
}
