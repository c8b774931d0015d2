//! Versions of one entry over many snapshots.

use std::time::Instant;

use super::*;

fn look(site: &Arc<Site>, client: &Client, at: &str) -> Result<Versions, BrowseError> {
    versions(site, &Scope::All, &client.machine.id, &source(), &path(at))
}

#[test]
fn versions_are_newest_first_and_equal_neighbours_are_one() {
    let test = TestBox::start();
    let site = test.site();
    let (client, other) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    let states: [Option<&[u8]>; 7] =
        [Some(b"1"), Some(b"1"), Some(b"22"), None, Some(b"22"), Some(b"333"), Some(b"333")];
    let mut receipts = Vec::new();
    for (number, state) in states.iter().enumerate() {
        let mut entries = vec![("d", Planted::Dir), ("z", Planted::Fifo)];
        // The inode is another one in each snapshot, which is no change.
        entries.extend(state.map(|bytes| ("d/f", Planted::Linked(number as u64, bytes.to_vec()))));
        receipts.push(client.back_up_tree(site, tree(&entries)));
    }
    let found = look(site, &client, "d/f").expect("versions");
    let shown: Vec<_> = found.versions.iter().map(|v| (v.detail.size, v.snapshot, v.from, v.to, v.snapshots)).collect();
    let at = |number: usize| receipts[number].received_at;
    let of = |number: usize| receipts[number].snapshot;
    assert_eq!(
        shown,
        [
            (3, of(6), at(5), at(6), 2),
            (2, of(4), at(4), at(4), 1),
            (2, of(2), at(2), at(2), 1),
            (1, of(1), at(0), at(1), 2)
        ]
    );
    assert!(found.is_in_newest && found.unreadable == 0 && !found.is_cut);
    let folder = look(site, &client, "d").expect("versions");
    assert_eq!((folder.versions.len(), folder.versions[0].snapshots), (1, 7));
    assert!(is_not_found(look(site, &client, "d/g")));
    assert!(is_not_found(look(site, &other, "d/f")));
    let foreign = versions(site, &only(&[other.machine.id]), &client.machine.id, &source(), &path("d/f"));
    assert!(is_not_found(foreign));
}

#[test]
fn a_block_that_many_snapshots_share_is_opened_once() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    for _ in 0..20 {
        let mut entries: Vec<_> = (0..3_000).map(|n| (format!("d/{n:05}").into_bytes(), Planted::Fifo)).collect();
        entries.push((b"e".to_vec(), file(b"same")));
        client.back_up_tree(site, entries);
    }
    let (snapshots, opened) = cost(site, &client.machine.id, &source(), &path("d/01500"));
    // The fixture draws the time of a snapshot: two that are equal in everything are one.
    assert!(snapshots > 15 && opened <= 3, "{opened} segments for {snapshots} snapshots");
}

#[test]
fn a_snapshot_that_cannot_be_looked_into_is_counted_and_the_others_are_shown() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    client.back_up_tree(site, tree(&[("f", file(b"old"))]));
    let old = packs(site);
    client.back_up_tree(site, tree(&[("f", file(b"new"))]));
    for name in old {
        site.store.delete(name).expect("delete");
    }
    let found = look(site, &client, "f").expect("versions");
    assert_eq!((found.versions.len(), found.unreadable, found.is_in_newest), (1, 1, true));
    lose_packs(site);
    assert_eq!(look(site, &client, "f").expect("versions").unreadable, 2);
}

/// `cargo test --release -p datis-appliance --lib five_hundred -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn versions_over_five_hundred_snapshots() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    for round in 0..500_u32 {
        let mut entries: Vec<_> =
            (0..2_000).map(|n| (format!("home/user/documents/{n:06}.odt").into_bytes(), Planted::Fifo)).collect();
        // Every snapshot differs at two places, one of them beside the path.
        entries.push((b"home/user/documents/001000.txt".to_vec(), file(&(round / 3).to_le_bytes())));
        entries.push((b"home/zz".to_vec(), file(&round.to_le_bytes())));
        client.back_up_tree(site, entries);
    }
    for (name, expected) in [("home/user/documents/001000.txt", 167), ("home/user/documents/000001.odt", 1)] {
        let began = Instant::now();
        let found = look(site, &client, name).expect("versions");
        let took = began.elapsed();
        assert_eq!(found.versions.len(), expected);
        let (_, opened) = cost(site, &client.machine.id, &source(), &path(name));
        println!("{name}: {expected} versions in {took:?}, {opened} segments opened");
    }
}
