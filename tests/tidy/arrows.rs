//! Which module may import which. Everything that is not drawn here is forbidden.

use std::collections::BTreeSet;

use harness::repository;

use crate::sources::{Source, sources};

/// A module, and what it may import of its crate.
type Arrows = &'static [(&'static str, &'static [&'static str])];

/// `portal`, `intake`, `peering`, `control`, `coordinator` and `workers` are the edges: they never import one another. Every change
/// goes through `operations`, every look through the readers of `catalog`.
const APPLIANCE: Arrows = &[
    ("main", &["cli"]),
    ("cli", &["app", "bundle", "commissioning", "config", "control", "files", "hand", "locale", "peers"]),
    (
        "app",
        &[
            "bundle",
            "certs",
            "channels",
            "commissioning",
            "config",
            "control",
            "coordinator",
            "discovery",
            "files",
            "host",
            "intake",
            "meters",
            "operations",
            "partner",
            "peering",
            "peers",
            "portal",
            "recovery",
            "vault",
            "workers",
        ],
    ),
    (
        "portal",
        &[
            "bundle",
            "catalog",
            "certs",
            "commissioning",
            "config",
            "figures",
            "hand",
            "host",
            "links",
            "locale",
            "meters",
            "operations",
            "partner",
            "peers",
            "plain",
            "reports",
            "sheets",
            "vault",
        ],
    ),
    ("intake", &["catalog", "certs", "channels", "config", "doorway", "meters", "operations", "rates", "vault"]),
    ("peering", &["channels", "doorway", "meters", "operations", "peers", "rates"]),
    ("channels", &[]),
    ("doorway", &["meters"]),
    ("coordinator", &["certs", "config", "partner", "rates"]),
    (
        "control",
        &[
            "bundle",
            "catalog",
            "certs",
            "channels",
            "commissioning",
            "config",
            "figures",
            "hand",
            "host",
            "locale",
            "operations",
            "partner",
            "peers",
            "plain",
            "recovery",
            "sheets",
            "vault",
        ],
    ),
    (
        "workers",
        &[
            "catalog",
            "commissioning",
            "config",
            "links",
            "locale",
            "meters",
            "operations",
            "partner",
            "peers",
            "reports",
        ],
    ),
    ("reports", &["catalog", "commissioning", "figures", "locale", "operations", "paper", "plain"]),
    ("bundle", &["config", "files", "links", "locale", "operations", "plain"]),
    ("links", &["channels", "operations", "partner", "plain"]),
    ("peers", &["channels", "links", "operations"]),
    ("recovery", &["certs", "config", "files", "links", "operations", "vault"]),
    (
        "commissioning",
        &["config", "discovery", "locale", "mapping", "operations", "partner", "plain", "probe", "vault"],
    ),
    ("host", &["commissioning", "config", "files", "hand", "operations"]),
    ("hand", &["files", "helpers", "plain", "probe"]),
    ("probe", &["helpers"]),
    ("helpers", &[]),
    ("bin", &["hand", "probe"]),
    ("operations", &["catalog", "certs", "config", "files", "plain", "vault"]),
    ("catalog", &[]),
    ("certs", &["config", "files", "vault"]),
    ("vault", &["config", "files"]),
    ("discovery", &[]),
    ("files", &[]),
    ("config", &[]),
    ("figures", &[]),
    ("locale", &["figures"]),
    ("meters", &["partner"]),
    ("paper", &["locale"]),
    ("sheets", &["bundle", "commissioning", "config", "locale", "operations", "paper", "partner", "vault"]),
    ("mapping", &[]),
    ("partner", &["plain"]),
    ("plain", &[]),
    ("rates", &[]),
];

const CLIENT: Arrows = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "backup",
            "browse",
            "enrol",
            "errors",
            "exit",
            "link",
            "mount",
            "platform",
            "progress",
            "reader",
            "requests",
            "restore",
            "runs",
            "service",
            "snapshots",
            "state",
            "status",
            "walk",
        ],
    ),
    ("service", &["durable", "enrol", "errors", "exit", "link", "platform", "progress", "requests", "runs", "state"]),
    ("status", &["exit", "link", "service", "snapshots", "state"]),
    ("runs", &["backup", "enrol", "errors", "exit", "progress", "state", "walk"]),
    ("backup", &["errors", "exit", "ledger", "link", "platform", "progress", "state", "walk"]),
    ("requests", &["durable", "errors", "exit", "link", "platform", "progress", "restore", "snapshots", "state"]),
    ("restore", &["errors", "exit", "link", "platform", "progress", "reader", "snapshots", "state"]),
    ("browse", &["exit", "platform", "reader", "snapshots"]),
    ("mount", &["errors", "exit", "platform", "reader", "snapshots", "state"]),
    ("enrol", &["exit", "link", "state"]),
    ("reader", &["errors", "exit", "link", "state"]),
    ("snapshots", &["link"]),
    ("walk", &["errors", "exclude", "platform"]),
    ("exclude", &["platform"]),
    ("ledger", &["platform"]),
    ("state", &["durable", "errors", "exit", "link", "platform"]),
    ("link", &["errors", "exit"]),
    ("durable", &["platform"]),
    ("progress", &[]),
    ("errors", &[]),
    ("exit", &[]),
    // The kernel asks the mounted tree: this is the one arrow upwards.
    ("platform", &["mount"]),
];

const ENGINE: Arrows = &[
    ("pack", &["chunk", "format", "ids", "keys", "units"]),
    ("wire", &["chunk", "community", "format", "ids", "keys", "retention", "units"]),
    ("store", &["format", "ids", "keys", "plant", "units"]),
    ("retention", &["units"]),
    ("enrolment", &["ids", "keys", "units"]),
    ("erasure", &["format", "ids", "keys", "units"]),
    ("community", &["format", "ids", "keys", "plant", "units"]),
    ("outside", &["erasure", "format", "ids", "keys", "units"]),
    ("life", &["community", "erasure", "ids", "plant", "units"]),
    ("format", &["chunk", "ids", "keys", "units"]),
    ("chunk", &["ids", "keys", "units"]),
    ("keys", &["ids"]),
    ("plant", &[]),
    ("ids", &[]),
    ("units", &[]),
];

#[test]
fn the_appliances_arrows_go_one_way() {
    hold("appliance", APPLIANCE);
}

#[test]
fn the_clients_arrows_go_one_way() {
    hold("client", CLIENT);
}

#[test]
fn the_engines_arrows_go_one_way() {
    hold("engine", ENGINE);
}

fn hold(package: &str, arrows: Arrows) {
    let mut seen = BTreeSet::new();
    for source in sources(&format!("{package}/src")) {
        let Some(module) = module_of(&source, package) else { continue };
        seen.insert(module.clone());
        let allowed = arrows.iter().find(|(name, _)| *name == module);
        let Some((_, allowed)) = allowed else {
            panic!("{}: the module `{module}` is new; draw its arrows in tests/tidy/arrows.rs", source.path);
        };
        for import in imports(&source, package) {
            let is_fine = import == module || allowed.contains(&import.as_str());
            assert!(is_fine, "{} imports `{import}`, which `{module}` may not (tests/tidy/arrows.rs)", source.path);
        }
    }
    for (name, _) in arrows {
        assert!(seen.contains(*name), "{package} has no module `{name}` any more: take it out of tests/tidy/arrows.rs");
    }
}

/// The top module that a file belongs to; `None` for `lib.rs`, which only names them all.
fn module_of(source: &Source, package: &str) -> Option<String> {
    let below = source.path.strip_prefix(&format!("{package}/src/"))?;
    let first = below.split('/').next()?.trim_end_matches(".rs");
    (first != "lib").then(|| first.to_owned())
}

/// Top modules that production code names, as `crate::x`, through `super`, or from the program as `datis_client::x`.
fn imports(source: &Source, package: &str) -> BTreeSet<String> {
    let code = source.production();
    let own_name = format!("datis_{package}::");
    let mut found: BTreeSet<String> =
        [own_name.as_str(), "crate::"].iter().flat_map(|root| names_after(&code, root)).collect();
    let below = source.path.trim_start_matches(&format!("{package}/src/"));
    let is_folder_itself = below.ends_with("/mod.rs");
    // A file a/b.rs is two levels deep, a/mod.rs and a.rs are one.
    let depth = below.split('/').count() - usize::from(is_folder_itself);
    let to_the_root = "super::".repeat(depth);
    found.extend(names_after(&code, &to_the_root));
    found.remove("super");
    found
}

/// The lower-case names that follow `prefix`, also those in braces after it.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        // `super::super::x` contains `super::x`: only the whole chain counts.
        if code[..at].ends_with("::") || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let inside = rest.strip_prefix('{').map(|rest| rest.split_once('}').map_or(rest, |(inside, _)| inside));
        let words = inside.map_or_else(|| vec![rest], |inside| inside.split(',').collect());
        for word in words {
            let name: String = word.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.is_empty() {
                names.push(name);
            }
        }
    }
    names
}

#[test]
fn forbidden_arrows_would_be_seen() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let found = |path: &str, text: &str| imports(&source(path, text), "appliance").into_iter().collect::<Vec<_>>();
    assert_eq!(found("appliance/src/catalog/x.rs", "use crate::app::App;"), ["app"]);
    assert_eq!(found("appliance/src/catalog/x.rs", "use super::super::{app, portal::Page};"), ["app", "portal"]);
    assert_eq!(found("appliance/src/catalog.rs", "use super::app::App;"), ["app"]);
    assert_eq!(found("appliance/src/catalog/mod.rs", "    super::app::run();"), ["app"]);
    assert_eq!(found("appliance/src/catalog/x.rs", "use super::values::Row;"), [""; 0]);
    assert_eq!(found("appliance/src/main.rs", "datis_appliance::cli::main()"), ["cli"]);
    let test = "#[cfg(test)]\nmod tests {\n    use crate::operations::testing;\n}\nuse crate::intake::Gate;\n";
    assert_eq!(found("appliance/src/catalog/x.rs", test), ["intake"]);
    assert_eq!(found("appliance/src/catalog/x.rs", "// see crate::app\n"), [""; 0]);
}

#[test]
fn sql_is_written_in_the_catalog_alone_and_changed_through_operations_alone() {
    for source in sources("appliance/src") {
        let code = source.production();
        let is_in = |folder: &str| source.path.starts_with(&format!("appliance/src/{folder}"));
        if !is_in("catalog/") {
            for statement in ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "rusqlite::Connection"] {
                assert!(
                    !code.contains(statement),
                    "{} has SQL of its own: put the statement into catalog/",
                    source.path
                );
            }
            let is_fine = is_in("operations/") || !code.contains("rusqlite");
            assert!(
                is_fine,
                "{} knows the database: look through catalog::Reader, change through operations",
                source.path
            );
        }
        if !is_in("catalog/") && !is_in("operations/") {
            assert!(
                !code.contains(".writer()"),
                "{} changes the catalog itself: make it a verb in operations/",
                source.path
            );
        }
    }
}

#[test]
fn the_engine_knows_neither_network_nor_database_nor_clock() {
    let manifest = std::fs::read_to_string(repository().join("engine/Cargo.toml")).expect("manifest");
    let dependencies = manifest.split_once("[dependencies]").expect("dependencies").1;
    let dependencies = dependencies.split("\n[").next().expect("a section");
    for foreign in ["tokio", "actix", "hyper", "rusqlite", "rustls", "askama", "datis-appliance", "datis-client"] {
        assert!(!dependencies.contains(foreign), "the engine depends on {foreign}");
    }
    for source in sources("engine/src") {
        let code = source.production();
        // Addresses are values as others; what opens a socket or asks a resolver is not.
        let sockets = ["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs"];
        for foreign in ["SystemTime::now", "Instant::now", "async fn", ".await"].into_iter().chain(sockets) {
            assert!(!code.contains(foreign), "{} uses {foreign}: let the caller give it", source.path);
        }
    }
}

#[test]
fn what_is_special_to_an_operating_system_is_in_platform() {
    for source in sources("client/src") {
        if source.path.starts_with("client/src/platform") {
            continue;
        }
        let code = source.production();
        let found = ["std::os::", "libc::", "rustix::", "cfg(unix)", "cfg(target_os"]
            .into_iter()
            .find(|word| code.contains(word));
        if let Some(word) = found {
            panic!("{} uses {word}: that belongs into client/src/platform", source.path);
        }
    }
}
