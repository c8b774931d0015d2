//! The catalog's schema against the code: migrations that never change, and words that both sides spell alike.

use std::collections::{BTreeMap, BTreeSet};

use datis_engine::ids::{Profile, SourceKind};
use datis_engine::wire::SnapshotState;
use harness::repository;

use crate::sources::sources;

/// Every migration that was released, with the BLAKE3 of its text. Boxes have run it: a change comes as a new file.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_initial.sql", "ab50769569db0edff78f66a2f34e4d6e2cfb27ca4ae7f0fac1d95fc9522e54e2"),
    ("0002_checks.sql", "03074f8a87827d8c606a72066b14cbf0d58daecac7eef231b088502648c17d8f"),
    ("0003_accounts.sql", "f8710b1886b544db0bfebdabeff07a19037d672c181d460278a950a06e38d368"),
    ("0004_names.sql", "f5acf120239a97494f4eb99fcbc3dbb87f53aaa7c9622a83113efbfa26d9931c"),
    ("0005_mail.sql", "83ac9de8a98dc193b098d02cdeb5327a5a4e0fb923cdae87f216299bf2121379"),
    ("0006_totals.sql", "ad81ef30612c75ad677ccc70397d92c824ca1343975a21f31ac93797327e5211"),
    ("0007_signoff.sql", "7e945feb05c83fffa9bd3c38a940b34a45602d5cdcd3d04db7baba401150a6b2"),
    ("0008_machines.sql", "dc4de7869e9664cfd10c56a759416f8d01ca1e18eba9f75ee784fd468c1a488b"),
    ("0009_alerts.sql", "68114dd6e55d9aa8ba381ebb0411e0ff466db821a35cbfc4c5cc4a879a1e32af"),
    ("0010_system.sql", "d147b8ab38e7d3b4a1bc54b2a285d2ac41737ef22559473796f90973f69c928d"),
    ("0011_directory.sql", "50e3ab45c7de5bc42dfd33ee9a143896ec4ad1d19cb0f536979a31c90cf463ee"),
    ("0012_post_order.sql", "50aa6f2a8b1e609465e2b78f4c1f5ff2e784709f13bd5334605ba59177fce9aa"),
    ("0013_report_pdf.sql", "718485cd4c27c8d804529f927f48234e947c21e58ec5e0b68fabc7b3c7a3c949"),
    ("0014_restores.sql", "d85ab0e2ed9946cff0dd169454eb76101b6bcd6abf3aa090dbf70472aee0db03"),
    ("0015_webdav.sql", "2785a50eb56496ff9b551bbd89ca73420ee3793e904d1f3f52f76ce611865ab6"),
    ("0016_bundle.sql", "c0d9b845d42363d4881d2912539695df7ae878f6c4a7484598ed448f1dd90349"),
    ("0017_community.sql", "9f678377c40178efc5b4b2e9f9f9ac8f0732c4d9f428cbb73b5460f8fbe49859"),
    ("0018_hosting.sql", "bfdf87734729afc93dedb4880e9ddaa000a875eaeedbe6104b2d7705fb4c55c9"),
    ("0019_dispersal.sql", "26b93020c3c2bf95f0787c522999677c1c7c2d03b99005c0557935ecd90df3f4"),
    ("0020_proposals.sql", "44f13060738c0e0319225511f12a5e3b4b89d50602cbd2e5943a5a4a08bedd67"),
    ("0021_ledger.sql", "8149aeeab9f9aeaed26f2e897b21c8bb1198de897d35af91c8586ceb517b0d13"),
    ("0022_heads.sql", "80e3719d07a75925c30bceb07f2c2211d37eff90dec4cc68be8d394a2e08aae3"),
    ("0023_former_stripes.sql", "8feda1609897465c3875270d62cf428853233a9a84fcda77cb54bbf3d423c325"),
    ("0024_holder_check.sql", "b85d113848b61effb7ebd7b63064cb21a55360714bba8e3f172720bf888b1f44"),
    ("0025_bandwidth.sql", "5e6734b0ffba4edd5727b0b08bb3627f2840741875c813aad0fe718078b09739"),
    ("0026_kept_outside.sql", "780b7b2b4c2e9218f95644401c5a03d7a76b24ccf4c66d299c7bf055b9a19172"),
    ("0027_hosted_scrub.sql", "54b00134c4bc864c468a5838b22f1f5fa4db43b07a9415108d9eb1e3c29b8351"),
    ("0028_reach.sql", "cc9419ef42a32e0c0163304da5abab635577cfc320944b53d4656cf1cc1c1d89"),
    ("0029_stripe_version.sql", "c191b9b3aed9238b0d9852afec2aecbe02bce1ca68d266c9b4780d802023aa6f"),
];

#[test]
fn migrations_that_boxes_have_run_are_not_edited() {
    let folder = repository().join("appliance/migrations");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("migrations")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, MIGRATIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "list it in tests/tidy/catalog.rs");
    for (name, wanted) in MIGRATIONS {
        let hash = blake3::hash(&std::fs::read(folder.join(name)).expect(name)).to_hex();
        assert_eq!(
            hash.as_str(),
            *wanted,
            "{name} was changed; once released it may not be: put it back and add a new file. Before the first release, \
             write the new hash here"
        );
    }
}

/// A column with a list of words, and the enumeration that it holds.
const WORDS: &[(&str, &str, &str)] = &[
    ("machine", "profile", "Profile"),
    ("machine", "state", "MachineState"),
    ("enrolment_code", "profile", "Profile"),
    ("account", "role", "Role"),
    ("account", "state", "AccountState"),
    ("account_service", "service", "Service"),
    ("web_session", "stage", "Stage"),
    ("api_token", "scope", "TokenScope"),
    ("pack", "state", "PackWord"),
    ("check_outcome", "state", "CheckState"),
    ("mail_setting", "security", "MailSecurity"),
    ("mail", "kind", "MailKind"),
    ("mail", "state", "MailState"),
    ("alert_route", "channel", "Channel"),
    ("alert_route", "severity", "Severity"),
    ("webhook_post", "event", "WebhookEvent"),
    ("webhook_post", "state", "PostState"),
    ("directory_setting", "security", "DirectorySecurity"),
    ("directory_group", "role", "Role"),
    ("bundle_refused", "reason", "BundleRefusal"),
    ("machine_default", "profile", "Profile"),
    ("name", "kind", "EntryKind"),
    ("site_answer", "question", "Question"),
    ("run", "outcome", "RunOutcome"),
    ("put_back", "kind", "PutBackKind"),
    ("put_back", "state", "PutBackState"),
    ("community_request", "state", "RequestState"),
    ("hosted_shard", "fate", "FateWord"),
    ("holder_event", "what", "HolderEventKind"),
    ("placement_member", "role", "GroupRole"),
    ("stripe", "kind", "StripeKind"),
    ("shard", "state", "ShardState"),
    ("snapshot", "kind", "SourceKind"),
    ("snapshot", "state", "SnapshotState"),
    ("snapshot", "lifecycle", "Lifecycle"),
];

#[test]
fn the_words_of_a_column_are_those_of_its_enumeration() {
    let mut checked = BTreeSet::new();
    for (table, column, words) in checks() {
        if (table.as_str(), column.as_str()) == ("meta", "name") {
            // Names of single values, not an enumeration.
            continue;
        }
        let known = WORDS.iter().find(|(t, c, _)| (*t, *c) == (table.as_str(), column.as_str()));
        let Some((_, _, name)) = known else {
            panic!("{table}.{column} has a list of words: name its enumeration in tests/tidy/catalog.rs");
        };
        assert_eq!(words, words_of(name), "{table}.{column} and {name} differ");
        checked.insert((table, column));
    }
    assert_eq!(checked.len(), WORDS.len(), "a column of tests/tidy/catalog.rs is gone");
}

fn words_of(name: &str) -> BTreeSet<String> {
    fn of<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> BTreeSet<String> {
        all.iter().map(|value| word(*value).to_owned()).collect()
    }
    match name {
        "Profile" => of(Profile::ALL, Profile::word),
        "SourceKind" => of(SourceKind::ALL, SourceKind::word),
        "SnapshotState" => of(SnapshotState::ALL, SnapshotState::word),
        appliances => words_in_source(appliances),
    }
}

/// The words of an enumeration that the catalog makes with its macro `state_words`.
fn words_in_source(name: &str) -> BTreeSet<String> {
    for source in sources("appliance/src/catalog") {
        for (at, _) in source.text.match_indices("state_words! {") {
            let body = source.text[at..].split("\n}").next().unwrap_or_default();
            if body.lines().any(|line| line.trim() == format!("{name} {{")) {
                let words = body.lines().filter_map(|line| line.split_once("=> \"")?.1.split_once('"'));
                return words.map(|(word, _)| word.to_owned()).collect();
            }
        }
    }
    panic!("{name} is not made by state_words! in appliance/src/catalog");
}

/// Every `column … CHECK (column IN ('a', 'b'))` of all migrations. Of a table that is made again the last one counts.
fn checks() -> Vec<(String, String, BTreeSet<String>)> {
    let mut found = BTreeMap::new();
    for (name, _) in MIGRATIONS {
        let sql = std::fs::read_to_string(repository().join("appliance/migrations").join(name)).expect(name);
        let mut table = String::new();
        for line in sql.lines() {
            if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                // One that others refer to is made beside the old one and takes its name.
                let name = rest.split_whitespace().next().unwrap_or_default();
                table = name.strip_suffix("_new").unwrap_or(name).to_owned();
                found.retain(|(of, _): &(String, String), _| *of != table);
            }
            let Some((column, list)) = line.split_once(" IN (") else { continue };
            let column = column.rsplit('(').next().unwrap_or_default().trim().to_owned();
            let list = list.split_once(')').expect("the list ends in its line").0;
            let words = list.split(',').map(|word| word.trim().trim_matches('\'').to_owned()).collect();
            found.insert((table.clone(), column), words);
        }
    }
    found.into_iter().map(|((table, column), words)| (table, column, words)).collect()
}

#[test]
fn every_table_is_strict() {
    for (name, _) in MIGRATIONS {
        let sql = std::fs::read_to_string(repository().join("appliance/migrations").join(name)).expect(name);
        let tables = sql.matches("CREATE TABLE").count();
        let strict = sql.matches(") STRICT").count();
        assert_eq!(tables, strict, "{name} has a table that is not STRICT");
    }
}
