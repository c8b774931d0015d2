//! A catalog that was made anew knows what the old one knew, and gives nobody more than before.

use datis_engine::ids::ChunkId;
use datis_engine::store::{ObjectKind, ObjectName};
use datis_engine::units::Seconds;
use datis_engine::wire::{ListSnapshots, ReadSegment, SnapshotState};

use super::super::accounts::Actor;
use super::super::testing::{Client, TestBox, files, noise, owned, pack_of};
use super::super::{
    OpenError, PolicyChange, PruneOptions, list_machines, list_snapshots, machine_by_key, prune, retire_machine,
    set_policy, verify,
};
use super::*;
use crate::catalog::machines::MachineState;
use crate::catalog::testing::{age, digest};

fn rebuilt(test: &mut TestBox) -> RebuildReport {
    test.stop();
    let report = rebuild(&test.dir(), test.vault(), None, &mut |_| {}).expect("rebuild");
    test.restart();
    report
}

/// Without a readable old catalog.
fn rebuilt_from_nothing(test: &mut TestBox) -> RebuildReport {
    test.stop();
    std::fs::write(test.dir().catalog_file(), b"what a broken disk leaves of a catalog".repeat(200)).expect("damage");
    rebuilt(test)
}

fn rows(site: &Site) -> Vec<String> {
    site.catalog.reader().read(digest).expect("digest")
}

#[test]
fn the_new_catalog_says_what_the_old_one_said() {
    let mut test = TestBox::start();
    let (alice, bob) = (Client::enrol(test.site(), "alice"), Client::enrol(test.site(), "bob"));
    let (first, _) = alice.back_up(test.site(), &files(8, 1));
    verify(test.site(), None, &mut |_| {}).expect("verify");
    let (second, sent) = bob.back_up(test.site(), &files(4, 1));
    assert!(sent <= 1, "most of it is alice's");
    bob.back_up(test.site(), &files(9, 2));
    let change = PolicyChange { local: Some("7d/1d".parse().expect("policy")), ..PolicyChange::default() };
    set_policy(test.site(), &Actor::console(), &alice.machine.name, &change).expect("policy");
    let retired = Client::enrol(test.site(), "old-laptop");
    retire_machine(test.site(), &Actor::console(), &retired.machine.name).expect("retire");
    let before = rows(test.site());

    let report = rebuilt(&mut test);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.packs, report.snapshots, report.machines.len()), (3, 3, 3));
    let site = test.site();
    assert_eq!(rows(site), before);
    let machines = list_machines(site).expect("machines");
    assert_eq!(machines[0].policy.local, "7d/1d".parse().expect("policy"));
    assert_eq!(machines[2].state, MachineState::Retired);
    assert_eq!(alice.restore(site, &first.snapshot).expect("restore"), owned(&files(8, 1)));
    assert_eq!(bob.restore(site, &second.snapshot).expect("restore"), owned(&files(4, 1)));
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
    assert!(test.dir().root().join(OLD).join("catalog.db").exists());
}

#[test]
fn with_nothing_left_of_the_old_catalog_machines_work_on_with_their_keys() {
    let mut test = TestBox::start();
    let alice = Client::enrol(test.site(), "alice");
    let (first, _) = alice.back_up(test.site(), &files(5, 1));
    test.stop();
    std::fs::remove_dir_all(test.dir().catalog_dir()).expect("remove");
    let refused = Site::open(&test.dir(), test.vault(), Limits::default()).err();
    assert!(matches!(refused, Some(OpenError::CatalogMissing)));

    let report = rebuilt(&mut test);
    assert_eq!(report.machines.len(), 1);
    assert_eq!((report.machines[0].origin, report.machines[0].state), (MachineOrigin::Snapshots, MachineState::Active));
    let site = test.site();
    let mut alice = alice;
    alice.machine = machine_by_key(site, &alice.key.public_key()).expect("known");
    assert_eq!(alice.machine.name.as_str(), "alice");
    assert_eq!(alice.restore(site, &first.snapshot).expect("restore"), owned(&files(5, 1)));
    let (next, sent) = alice.back_up(site, &files(5, 1));
    assert_eq!(sent, 0, "what it has sent before is known");
    assert_eq!(alice.restore(site, &next.snapshot).expect("restore"), owned(&files(5, 1)));
}

#[test]
fn of_two_machines_with_one_name_the_newer_one_keeps_its_access() {
    let mut test = TestBox::start();
    let old = Client::enrol(test.site(), "caisse-1");
    let (kept, _) = old.back_up(test.site(), &files(3, 1));
    retire_machine(test.site(), &Actor::console(), &old.machine.name).expect("retire");
    std::thread::sleep(std::time::Duration::from_millis(5));
    let new = Client::enrol(test.site(), "caisse-1");
    new.back_up(test.site(), &files(3, 2));
    let report = rebuilt_from_nothing(&mut test);
    assert!(report.is_sound());
    assert!(machine_by_key(test.site(), &old.key.public_key()).is_err());
    assert!(machine_by_key(test.site(), &new.key.public_key()).is_ok());
    let listed = test.site().store.list(ObjectKind::Snapshot).expect("list");
    assert!(listed.contains(&ObjectName::Snapshot(kept.snapshot)));
}

#[test]
fn a_damaged_pack_is_named_and_the_rest_comes_back() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let (lost, _) = client.back_up(test.site(), &files(4, 1));
    let site = test.site();
    let ObjectName::Pack(bad) = site.store.list(ObjectKind::Pack).expect("list")[0] else { panic!("a pack") };
    // In a second of its own, so that a policy can keep both.
    std::thread::sleep(std::time::Duration::from_millis(1_001));
    let (whole, _) = client.back_up(site, &files(4, 2));
    let path = test.dir().store_dir().join(ObjectName::Pack(bad).to_string());
    let bytes = std::fs::read(&path).expect("read");
    std::fs::write(&path, &bytes[..bytes.len() - 30]).expect("damage");
    let report = rebuilt_from_nothing(&mut test);
    assert_eq!(report.damaged.iter().map(|d| d.pack).collect::<Vec<_>>(), [bad]);
    assert_eq!(report.snapshots_affected, [lost.snapshot]);
    let site = test.site();
    let mut client = client;
    client.machine = machine_by_key(site, &client.key.public_key()).expect("known");
    let page = list_snapshots(site, &client.machine, &ListSnapshots { source: None, after: None }).expect("list");
    let states: Vec<_> = page.snapshots.iter().map(|s| (s.signed.id(), s.state)).collect();
    assert_eq!(states, [(whole.snapshot, SnapshotState::Complete), (lost.snapshot, SnapshotState::Damaged)]);
    assert_eq!(client.restore(site, &whole.snapshot).expect("restore"), owned(&files(4, 2)));

    let change = PolicyChange { local: Some("30d/1s".parse().expect("policy")), ..PolicyChange::default() };
    set_policy(site, &Actor::console(), &client.machine.name, &change).expect("policy");
    // Nothing takes its file for garbage: when the disk gives it back, so does the next rebuild.
    site.catalog.writer().write(|tx| age(tx, Seconds(90_000))).expect("age");
    prune(site, &PruneOptions { force: true, grace: Seconds(0), ..PruneOptions::default() }).expect("prune");
    std::fs::write(&path, &bytes).expect("put back");
    assert!(rebuilt(&mut test).is_sound());
    assert_eq!(client.restore(test.site(), &lost.snapshot).expect("restore"), owned(&files(4, 1)));
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_left() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let (lost, _) = client.back_up(test.site(), &files(2, 1));
    let (kept, _) = client.back_up(test.site(), &files(2, 2));
    let path = test.dir().store_dir().join(ObjectName::Snapshot(lost.snapshot).to_string());
    std::fs::write(&path, b"noise").expect("damage");
    let report = rebuilt(&mut test);
    assert_eq!(report.snapshots_unreadable, [lost.snapshot]);
    assert!(path.exists());
    assert_eq!(client.restore(test.site(), &kept.snapshot).expect("restore"), owned(&files(2, 2)));
}

#[test]
fn a_pack_of_which_only_a_part_is_referred_to_is_nobodys() {
    let mut test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    let made = alice.make(&site.vault.keys, &files(4, 1));
    let session = alice.begin(site, None).session;
    // Beside what the snapshot needs, the pack holds something that no snapshot refers to any more.
    let secret = noise(4_000, 999);
    let chunks: Vec<_> = made.chunks.iter().cloned().chain([secret.clone()]).collect();
    let pack = pack_of(site, &chunks);
    alice.put(site, session, &pack).expect("put");
    let kept = alice.commit(site, session, &made).expect("commit");
    verify(site, None, &mut |_| {}).expect("verify");
    let (bobs, sent) = bob.back_up(site, &files(4, 1));
    assert_eq!(sent, 0);

    rebuilt_from_nothing(&mut test);
    let site = test.site();
    let id: ChunkId = site.vault.keys.name(&secret).0;
    for (client, snapshot) in [(alice, kept.snapshot), (bob, bobs.snapshot)] {
        let mut client = client;
        client.machine = machine_by_key(site, &client.key.public_key()).expect("known");
        assert_eq!(client.restore(site, &snapshot).expect("restore"), owned(&files(4, 1)));
        assert!(client.read(site, &id).is_none());
        let whole = ReadSegment { pack: pack.id, segment: 0, ids: id.as_bytes().to_vec() };
        assert!(super::super::read_segment(site, &client.machine, &whole).is_err());
    }
}

#[test]
fn an_interrupted_rebuild_leaves_the_old_catalog_in_its_place() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let (kept, _) = client.back_up(test.site(), &files(2, 1));
    test.stop();
    // What a killed rebuild leaves: half a catalog beside the old one.
    let half = test.dir().root().join(NEW);
    std::fs::create_dir(&half).expect("make");
    std::fs::write(half.join("catalog.db"), b"half").expect("write");
    test.restart();
    assert_eq!(client.restore(test.site(), &kept.snapshot).expect("restore"), owned(&files(2, 1)));
    assert!(rebuilt(&mut test).is_sound());
    assert!(!half.exists());
    assert_eq!(client.restore(test.site(), &kept.snapshot).expect("restore"), owned(&files(2, 1)));
}
