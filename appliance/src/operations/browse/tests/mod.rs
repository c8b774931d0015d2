//! Looks into snapshots, on a real site with real packs.

mod archives;
mod bytes;
mod folders;
mod proofs;
mod searches;
mod versions;

use std::collections::BTreeSet;
use std::sync::Arc;

use datis_engine::format::path::EntryPath;
use datis_engine::ids::{MachineId, SnapshotId};
use datis_engine::store::{ObjectKind, ObjectName};

use super::versions::cost;
use super::*;
use crate::operations::Site;
use crate::operations::testing::{Client, Planted, TestBox, noise, source};

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes().to_vec()).expect("path")
}

fn file(content: &[u8]) -> Planted {
    Planted::File(content.to_vec())
}

fn tree(entries: &[(&str, Planted)]) -> Vec<(Vec<u8>, Planted)> {
    entries.iter().map(|(path, planted)| (path.as_bytes().to_vec(), planted.clone())).collect()
}

fn only(machines: &[MachineId]) -> Scope {
    Scope::Only(machines.iter().copied().collect::<BTreeSet<_>>())
}

fn is_not_found<T: std::fmt::Debug>(result: Result<T, BrowseError>) -> bool {
    matches!(result, Err(BrowseError::NotFound))
}

/// Removes every pack, as a disk would that has lost them.
fn lose_packs(site: &Site) {
    for name in site.store.list(ObjectKind::Pack).expect("list") {
        site.store.delete(name).expect("delete");
    }
}

fn packs(site: &Site) -> BTreeSet<ObjectName> {
    site.store.list(ObjectKind::Pack).expect("list").into_iter().collect()
}

#[test]
fn a_deleted_file_is_searched_looked_at_and_taken_out_also_after_a_restart() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "alice");
    let content = noise(50_000, 1);
    let with = tree(&[("srv", Planted::Dir), ("srv/Accounts 2025.ods", file(&content)), ("srv/b", file(b"b"))]);
    client.back_up_tree(test.site(), with);
    client.back_up_tree(test.site(), tree(&[("srv", Planted::Dir), ("srv/b", file(b"b"))]));
    test.restart();
    let site = test.site();
    while index_next(site, crate::operations::Pace::Steady, &|_| ()).expect("index") {}

    let mine = only(&[client.machine.id]);
    let found = search(site, &mine, "accounts", 10).expect("search").found.remove(0);
    assert!(!found.is_present);
    let all = versions(site, &mine, &found.machine, &found.source, &found.path).expect("versions");
    assert!(!all.is_in_newest && all.versions.len() == 1 && all.versions[0].snapshot == found.snapshot);
    let page = folder(site, &mine, &found.snapshot, found.path.parent().as_ref(), None, 10).expect("folder");
    assert_eq!(page.entries[0].name, b"Accounts 2025.ods");
    let mut reader = read_file(site, &mine, &found.snapshot, &found.path, 0, u64::MAX).expect("open");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut bytes).expect("read");
    assert_eq!(bytes, content);
    let mut out = Vec::new();
    let report = archive(site, &mine, &found.snapshot, &[found.path], &mut out).expect("archive");
    assert_eq!((report.files, report.bytes, report.written), (1, 50_000, out.len() as u64));
}
