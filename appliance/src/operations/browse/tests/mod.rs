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
