//! The index of names: what it finds, how it follows snapshots as they come and go.

use std::time::Instant;

use super::*;
use crate::catalog::{names, snapshots};
use crate::operations::Pace;

fn index(site: &Arc<Site>) {
    while index_next(site, Pace::Steady, &|_| ()).expect("index") {}
}

fn hits(site: &Arc<Site>, words: &str) -> Vec<Found> {
    search(site, &Scope::All, words, HITS_MAX).expect("search").found
}

fn found(site: &Arc<Site>, words: &str) -> Vec<String> {
    hits(site, words).iter().map(|f| format!("{}{}", f.path, if f.is_present { "" } else { " gone" })).collect()
}

/// Takes a snapshot away, as retention does.
fn expire(site: &Site, id: &SnapshotId) {
    let gone = site.catalog.writer().write(|tx| {
        let row = snapshots::all(tx)?.into_iter().find(|s| s.id == *id).expect("snapshot").row;
        snapshots::mark_expiring(tx, row)?;
        snapshots::delete_expired(tx, row)
    });
    gone.expect("expired");
}

fn names_held(site: &Site) -> u64 {
    site.catalog.reader().read(|tx| names::count(tx)).expect("count")
}

#[test]
fn a_part_of_a_name_finds_it_on_all_dates() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let base = [
        ("docs", Planted::Dir),
        ("docs/Invoice 2025-11.pdf", file(b"12345")),
        ("docs/Été.txt", file(b"1")),
        ("docs/reports/invoice.ods", file(b"1")),
    ];
    let first = client.back_up_tree(site, tree(&base));
    let second = client.back_up_tree(site, tree(&base[..2]));
    let mut third = base[..2].to_vec();
    third.push(("docs/new-invoice", Planted::Symlink(b"x")));
    let third = client.back_up_tree(site, tree(&third));
    index(site);
    assert_eq!(found(site, "nvoi"), ["docs/Invoice 2025-11.pdf", "docs/new-invoice", "docs/reports/invoice.ods gone"]);
    assert_eq!(found(site, "2025 INV pdf"), ["docs/Invoice 2025-11.pdf"]);
    assert_eq!(found(site, "été"), ["docs/Été.txt gone"]);
    assert_eq!(found(site, "reports/inv"), ["docs/reports/invoice.ods gone"]);
    assert_eq!(found(site, "in"), found(site, "invo"), "two letters find what three find");
    assert_eq!(found(site, "docs"), ["docs"]);
    let pdf = &hits(site, "pdf")[0];
    assert_eq!((pdf.first_seen, pdf.last_seen, pdf.size), (first.received_at, third.received_at, 5));
    assert_eq!((pdf.machine, pdf.snapshot, pdf.kind), (client.machine.id, third.snapshot, EntryKind::File));
    let gone = &hits(site, ".ods")[0];
    assert_eq!((gone.last_seen, gone.snapshot), (first.received_at, first.snapshot));
    assert!(second.received_at > first.received_at);

    // It comes back, and is deleted again.
    let fourth = client.back_up_tree(site, tree(&base));
    index(site);
    let back = &hits(site, ".ods")[0];
    assert!(back.is_present && back.first_seen == fourth.received_at, "{back:?}");
    client.back_up_tree(site, tree(&base[..1]));
    index(site);
    assert_eq!(hits(site, ".ods")[0].snapshot, fourth.snapshot);
}

#[test]
fn nothing_that_is_typed_is_an_error() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let odd: Vec<(Vec<u8>, Planted)> = [&b"quote\"d"[..], b"star*", b"100% (a) OR b", b"\xff\xferaw", b"a\nb", b"x"]
        .iter()
        .map(|name| (name.to_vec(), Planted::Fifo))
        .collect();
    client.back_up_tree(site, odd);
    index(site);
    let long = "long".repeat(10_000);
    let many = "abcd ".repeat(1_000);
    for typed in [
        "",
        " ",
        "/",
        "///",
        "\"",
        "\"\"",
        "'",
        "*",
        "a*",
        "^a",
        "NOT",
        "AND OR",
        "NEAR(a b)",
        "shown:a",
        "-x",
        "(",
        "\0",
        "a\0bc",
        "\u{202e}abc",
        "\\",
        "%",
        "_",
        "é",
        "ab\"",
        "\"abc",
        "abc\"",
        "{shown}:abc",
        "+abc",
        "name_words:x",
        &long,
        &many,
    ] {
        search(site, &Scope::All, typed, 10).unwrap_or_else(|e| panic!("{typed}: {e}"));
    }
    assert_eq!(found(site, "te\"d"), ["quote\"d"]);
    assert_eq!(found(site, "tar*"), ["star*"]);
    assert_eq!(found(site, "% (a) or"), ["100% (a) OR b"]);
    assert_eq!(found(site, "raw").len(), 1);
    assert_eq!(hits(site, "raw")[0].path.as_bytes(), b"\xff\xferaw");
    assert_eq!(found(site, "a\\nb"), ["a\\nb"]);
    assert_eq!(found(site, "x"), ["x"]);
    assert_eq!(search(site, &Scope::All, "a", 1).expect("search").found.len(), 1);
    assert!(search(site, &Scope::All, "a", 1).expect("search").is_cut);
}

#[test]
fn a_search_sees_the_machines_of_its_scope_and_no_others() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    for client in [&alice, &bob] {
        client.back_up_tree(site, tree(&[("salary.ods", file(b"1"))]));
    }
    index(site);
    for (scope, count) in [
        (Scope::All, 2),
        (only(&[alice.machine.id]), 1),
        (only(&[alice.machine.id, bob.machine.id]), 2),
        (only(&[]), 0),
        (only(&[MachineId::from_bytes([9; 16])]), 0),
    ] {
        let found = search(site, &scope, "salary", 10).expect("search");
        assert_eq!((found.found.len(), found.is_cut), (count, false));
        assert!(found.found.iter().all(|f| scope.holds(&f.machine)));
    }
}

#[test]
fn what_no_snapshot_has_any_more_leaves_the_index() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let back_up = |names: &[&str]| {
        let entries: Vec<_> = names.iter().map(|name| (*name, Planted::Fifo)).collect();
        client.back_up_tree(site, tree(&entries)).snapshot
    };
    let ids = [back_up(&["every", "first"]), back_up(&["every", "second"]), back_up(&["every", "third"])];
    index(site);
    assert_eq!((names_held(site), found(site, "second")), (4, vec!["second gone".to_owned()]));
    expire(site, &ids[1]);
    // Before the index has followed, what cannot be restored is not shown.
    assert_eq!(found(site, "second"), [""; 0]);
    index(site);
    assert_eq!((names_held(site), found(site, "every")), (3, vec!["every".to_owned()]));
    expire(site, &ids[2]);
    index(site);
    assert_eq!((found(site, "third"), found(site, "first")), (vec![], vec!["first gone".to_owned()]));
    let id = back_up(&["every", "fourth"]);
    index(site);
    assert_eq!((found(site, "fourth"), names_held(site)), (vec!["fourth".to_owned()], 3));
    expire(site, &ids[0]);
    expire(site, &id);
    index(site);
    assert_eq!((names_held(site), found(site, "every")), (0, vec![]));
    assert!(!index_next(site, Pace::Steady, &|_| ()).expect("nothing to do"));
}

#[test]
fn a_listing_that_cannot_be_read_is_passed_over_and_one_that_was_lost_is_indexed_anew() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    client.back_up_tree(site, tree(&[("first", file(b"1"))]));
    index(site);
    let old = packs(site);
    client.back_up_tree(site, tree(&[("second", file(b"2"))]));
    for name in old {
        site.store.delete(name).expect("delete");
    }
    index(site);
    assert_eq!(found(site, "second"), ["second"]);
    assert_eq!(found(site, "first"), [""; 0]);
    lose_packs(site);
    client.back_up_tree(site, tree(&[("third", file(b"3"))]));
    index(site);
    assert_eq!(found(site, "third"), ["third"]);
    assert!(!index_next(site, Pace::Steady, &|_| ()).expect("nothing to do"));
}

#[test]
fn a_step_that_is_done_twice_changes_nothing() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    client.back_up_tree(site, tree(&[("a-name", file(b"1")), ("b-name", file(b"1"))]));
    client.back_up_tree(site, tree(&[("b-name", file(b"22")), ("c-name", file(b"1"))]));
    index_next(site, Pace::Steady, &|_| ()).expect("first");
    let (work, _) = site.catalog.reader().read(|tx| names::next_work(tx)).expect("look").expect("work");
    let names::NameWork::Index(source, seen) = work else { panic!("a snapshot waits") };
    let changes = [
        names::NameChange::Gone(path("a-name")),
        names::NameChange::There(path("b-name"), EntryKind::File, 2),
        names::NameChange::There(path("c-name"), EntryKind::File, 1),
    ];
    // As if the process had ended after a part of the changes, twice.
    for _ in 0..2 {
        let before = source.indexed_at.expect("indexed");
        let entered = site.catalog.writer().write(|tx| names::apply(tx, &source, before, seen.received_at, &changes));
        entered.expect("enter");
    }
    index(site);
    assert_eq!(
        (names_held(site), found(site, "name")),
        (3, vec!["b-name", "c-name", "a-name gone"].into_iter().map(str::to_owned).collect())
    );
    assert_eq!(hits(site, "b-name")[0].size, 2);
}

/// `cargo test --release -p datis-appliance --lib a_million -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn a_million_names_are_indexed_and_searched() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let name = |n: u32| {
        format!("home/user{:02}/project {:03}/document {n:07} of the year {}.odt", n / 20_000, n / 1_000, 1990 + n % 35)
    };
    let mut entries: Vec<_> = (0..1_000_000).map(|n| (name(n).into_bytes(), Planted::Fifo)).collect();
    let began = Instant::now();
    client.back_up_tree(site, entries.clone());
    println!("backed up in {:?}", began.elapsed());
    let began = Instant::now();
    index(site);
    println!("indexed {} names in {:?}", names_held(site), began.elapsed());
    let size = std::fs::metadata(test.dir().catalog_file()).expect("catalog").len();
    println!("catalog {} MiB", size >> 20);
    entries.truncate(999_000);
    entries.push((b"home/zz/needle in the haystack.pdf".to_vec(), Planted::Fifo));
    client.back_up_tree(site, entries);
    let began = Instant::now();
    index(site);
    println!("1 001 changes indexed in {:?}", began.elapsed());
    for words in
        ["haystack", "0500000", "document 2001 0777777", "year", "do", "z", "nothing like it", "user07/project"]
    {
        let began = Instant::now();
        let found = search(site, &Scope::All, words, 100).expect("search");
        println!(
            "`{words}`: {} found in {:?}{}",
            found.found.len(),
            began.elapsed(),
            if found.is_cut { ", cut" } else { "" }
        );
    }
}
