//! Nothing that a snapshot needs ever goes, and everything else does in the end.

use std::sync::atomic::{AtomicBool, Ordering};

use datis_engine::ids::{ChunkId, PackId, SnapshotId};
use datis_engine::store::{ObjectKind, ObjectName};
use datis_engine::units::Seconds;
use datis_engine::wire::{ListSnapshots, RefusalCode};

use super::super::accounts::Actor;
use super::super::testing::{Client, TestBox, files, noise, owned, pack_of};
use super::super::{PolicyChange, compact, list_snapshots, set_policy, verify};
use super::*;
use crate::catalog::testing::age;

const AT_ONCE: PruneOptions =
    PruneOptions { dry_run: false, force: true, grace: Seconds(0), pace: super::super::Pace::Steady };

fn forced() -> PruneOptions {
    PruneOptions { force: true, ..PruneOptions::default() }
}

fn pass(site: &Site, time: Seconds) {
    site.catalog.writer().write(|tx| age(tx, time)).expect("age");
}

fn keep(site: &Site, client: &Client, policy: &str) {
    let change = PolicyChange { local: Some(policy.parse().expect(policy)), ..PolicyChange::default() };
    set_policy(site, &Actor::console(), &client.machine.name, &change).expect("policy");
}

fn stored_packs(site: &Site) -> usize {
    site.store.list(ObjectKind::Pack).expect("list").len()
}

fn listed(site: &Site, client: &Client) -> Vec<SnapshotId> {
    let page = list_snapshots(site, &client.machine, &ListSnapshots { source: None, after: None }).expect("list");
    page.snapshots.iter().map(|s| s.signed.id()).collect()
}

fn all_restore(site: &Site, client: &Client) {
    for id in listed(site, client) {
        client.restore(site, &id).expect("restore");
    }
}

#[test]
fn snapshots_go_by_their_policy_and_their_chunks_a_day_later() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "2d/1d");
    let (old, _) = client.back_up(site, &files(5, 1));
    pass(site, Seconds(5 * 86_400));
    let (new, _) = client.back_up(site, &files(5, 2));

    let report = prune(site, &forced()).expect("prune");
    assert_eq!(report.expired.iter().map(|e| e.snapshot).collect::<Vec<_>>(), [old.snapshot]);
    assert_eq!((report.kept_snapshots, report.condemned_packs, report.deleted_packs), (1, 1, 0));
    assert_eq!(listed(site, &client), [new.snapshot]);
    assert_eq!(site.store.list(ObjectKind::Snapshot).expect("list"), [ObjectName::Snapshot(new.snapshot)]);
    assert_eq!(stored_packs(site), 2, "the grace period is not over");

    pass(site, Seconds(23 * 3_600));
    assert_eq!(prune(site, &forced()).expect("prune").deleted_packs, 0);
    pass(site, Seconds(2 * 3_600));
    assert_eq!(prune(site, &forced()).expect("prune").deleted_packs, 1);
    assert_eq!(stored_packs(site), 1);
    assert_eq!(client.restore(site, &new.snapshot).expect("restore"), owned(&files(5, 2)));
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
}

#[test]
fn a_dry_run_tells_the_same_and_changes_nothing() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "2d/1d");
    client.back_up(site, &files(5, 1));
    pass(site, Seconds(5 * 86_400));
    client.back_up(site, &files(5, 2));
    let dry = prune(site, &PruneOptions { dry_run: true, ..PruneOptions::default() }).expect("dry");
    assert_eq!(listed(site, &client).len(), 2);
    let again = prune(site, &PruneOptions { dry_run: true, ..PruneOptions::default() }).expect("dry");
    assert_eq!(dry, again);
    let done = prune(site, &forced()).expect("prune");
    assert_eq!(PruneReport { dry_run: true, ..done }, dry);
    assert_eq!(dry.expired.len(), 1);
}

#[test]
fn the_brake_stops_a_run_that_would_empty_many_days_until_it_is_forced() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    for day in 0..8 {
        client.back_up(site, &files(2, day));
        client.back_up(site, &files(3, day));
        pass(site, Seconds::DAY);
    }
    // The daily course of a policy thins days out and does not brake.
    let thinned = prune(site, &PruneOptions::default()).expect("prune");
    assert_eq!((thinned.expired.len(), thinned.days, thinned.days_lost), (8, 8, 0));
    keep(site, &client, "1h/1h");
    let dry = prune(site, &PruneOptions { dry_run: true, ..PruneOptions::default() }).expect("dry");
    assert!(dry.over_brake);
    let braked = prune(site, &PruneOptions::default()).expect_err("too much");
    assert!(matches!(braked, OperationError::Brake { days_lost: 7, days: 8, .. }), "{braked}");
    assert_eq!(listed(site, &client).len(), 8);
    prune(site, &forced()).expect("forced");
    assert_eq!(listed(site, &client).len(), 1);
}

#[test]
fn the_brake_stops_a_run_that_would_remove_a_tenth_of_all_bytes() {
    let mut test = TestBox::start();
    test.limits.brake_floor = 10_000;
    test.restart();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "2d/1d");
    client.back_up(site, &files(2, 1));
    pass(site, Seconds(3 * 86_400));
    client.back_up(site, &files(12, 2));
    assert!(prune(site, &PruneOptions::default()).is_ok(), "below the floor");
    client.back_up(site, &files(6, 3));
    pass(site, Seconds(3 * 86_400));
    client.back_up(site, &files(12, 2));
    let braked = prune(site, &PruneOptions::default()).expect_err("too much");
    assert!(matches!(braked, OperationError::Brake { doomed_bytes: 60_000.., .. }), "{braked}");
    prune(site, &forced()).expect("forced");
}

#[test]
fn a_pack_that_is_needed_again_in_its_grace_period_stays() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "2d/1d");
    client.back_up(site, &files(5, 1));
    pass(site, Seconds(5 * 86_400));
    client.back_up(site, &files(5, 2));
    // A backup was told that the chunks are there; while it runs they are condemned.
    let made = client.make(&site.vault.keys, &files(5, 1));
    let session = client.begin(site, None).session;
    let have = client.have(site, session, &made.chunks);
    assert!(have.iter().all(|have| *have));
    let report = prune(site, &AT_ONCE).expect("prune");
    assert_eq!((report.condemned_packs, report.deleted_packs), (1, 0), "an open backup is waited for");
    let receipt = client.commit(site, session, &made).expect("commit");
    prune(site, &AT_ONCE).expect("prune");
    assert_eq!(client.restore(site, &receipt.snapshot).expect("restore"), owned(&files(5, 1)));
}

#[test]
fn chunks_of_a_condemned_pack_are_asked_for_again() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "2d/1d");
    client.back_up(site, &files(5, 1));
    pass(site, Seconds(5 * 86_400));
    client.back_up(site, &files(5, 2));
    prune(site, &forced()).expect("prune");
    let (receipt, sent) = client.back_up(site, &files(5, 1));
    assert!(sent > 5);
    prune(site, &AT_ONCE).expect("prune");
    assert_eq!(client.restore(site, &receipt.snapshot).expect("restore"), owned(&files(5, 1)));
}

#[test]
fn what_a_backup_that_died_has_sent_waits_for_its_next_run() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    client.back_up(site, &files(2, 1));
    let made = client.make(&site.vault.keys, &files(6, 9));
    let session = client.begin(site, None).session;
    client.put(site, session, &pack_of(site, &made.chunks)).expect("put");
    site.sessions.find(client.machine.row, session).expect("open").wait_for_packs().expect("entered");
    site.sessions.close_all();
    assert_eq!(prune(site, &forced()).expect("prune").condemned_packs, 0);
    let session = client.begin(site, None).session;
    assert!(client.have(site, session, &made.chunks).iter().all(|have| *have), "found by the next run");
    site.sessions.close_all();
    pass(site, Seconds(25 * 3_600));
    assert_eq!(prune(site, &forced()).expect("prune").condemned_packs, 1);
    pass(site, Seconds(25 * 3_600));
    assert_eq!(prune(site, &forced()).expect("prune").deleted_packs, 1);
}

#[test]
fn the_base_of_an_open_backup_does_not_expire() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "2d/1d");
    let (base, _) = client.back_up(site, &files(5, 1));
    pass(site, Seconds(5 * 86_400));
    client.back_up(site, &files(5, 2));
    let begun = client.begin(site, Some(base.snapshot));
    assert!(begun.base_kept);
    assert!(prune(site, &AT_ONCE).expect("prune").expired.is_empty());
    let made = client.make(&site.vault.keys, &files(5, 1));
    client.commit(site, begun.session, &made).expect("all of it is there");
    let expired = prune(site, &AT_ONCE).expect("prune").expired;
    assert!(expired.iter().any(|e| e.snapshot == base.snapshot));
    all_restore(site, &client);
}

#[test]
fn a_mostly_dead_pack_is_rewritten_and_what_is_alive_stays_readable_for_all() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    for client in [&alice, &bob] {
        keep(site, client, "2d/1d");
    }
    let all = files(8, 1);
    alice.back_up(site, &all);
    verify(site, None, &mut |_| {}).expect("verify");
    // Bob refers to one file of the eight out of Alice's pack, Alice herself soon to another one.
    let (bobs, sent) = bob.back_up(site, &all[1..2]);
    assert!(sent <= 1, "all but the listing is known");
    pass(site, Seconds(5 * 86_400));
    let (alices, _) = alice.back_up(site, &all[0..1]);
    verify(site, None, &mut |_| {}).expect("verify");
    let before: u64 =
        site.store.list(ObjectKind::Pack).expect("list").iter().map(|p| site.store.size(*p).expect("size")).sum();

    let report = prune(site, &AT_ONCE).expect("prune");
    assert_eq!((report.rewritten_packs, report.deleted_packs), (1, 1), "{report:?}");
    let after: u64 =
        site.store.list(ObjectKind::Pack).expect("list").iter().map(|p| site.store.size(*p).expect("size")).sum();
    assert!(after < before / 2, "{before} became {after}");
    assert_eq!(alice.restore(site, &alices.snapshot).expect("restore"), owned(&all[0..1]));
    assert_eq!(bob.restore(site, &bobs.snapshot).expect("restore"), owned(&all[1..2]));
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
    // Bob's right is to that file, not to Alice's.
    let secret: ChunkId = site.vault.keys.name(&all[0].1).0;
    assert!(bob.read(site, &secret).is_none());
    // When it is all gone for both, nothing stays.
    let settled = prune(site, &AT_ONCE).expect("prune");
    assert_eq!((settled.rewritten_packs, settled.condemned_packs, settled.deleted_packs), (0, 0, 0));
}

#[test]
fn what_another_machine_refers_to_stays_when_its_sender_lets_it_go() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    keep(site, &alice, "2d/1d");
    alice.back_up(site, &files(6, 1));
    verify(site, None, &mut |_| {}).expect("verify");
    let (bobs, sent) = bob.back_up(site, &files(6, 1));
    assert_eq!(sent, 0);
    pass(site, Seconds(5 * 86_400));
    alice.back_up(site, &files(2, 7));
    prune(site, &AT_ONCE).expect("prune");
    assert_eq!(listed(site, &alice).len(), 1);
    assert_eq!(bob.restore(site, &bobs.snapshot).expect("restore"), owned(&files(6, 1)));
    // Once bob has no snapshot of it either, it goes.
    keep(site, &bob, "2d/1d");
    bob.back_up(site, &files(2, 8));
    prune(site, &AT_ONCE).expect("prune");
    pass(site, Seconds(10));
    assert_eq!(stored_packs(site), 2);
    all_restore(site, &alice);
    all_restore(site, &bob);
}

#[test]
fn small_packs_become_one_and_everything_in_them_stays() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    let contents: Vec<_> = (0..10).map(|seed| files(3, seed)).collect();
    let back_up = |files: &Vec<_>| {
        pass(site, Seconds::DAY);
        client.back_up(site, files).0
    };
    let receipts: Vec<_> = contents.iter().map(back_up).collect();
    assert_eq!(compact(site, super::super::Pace::Steady).expect("compact").packs, 0, "unchecked packs are left alone");
    verify(site, None, &mut |_| {}).expect("verify");
    let report = compact(site, super::super::Pace::Steady).expect("compact");
    assert_eq!(report.packs, 10);
    assert_eq!(stored_packs(site), 11);
    for _ in 0..2 {
        for (receipt, files) in receipts.iter().zip(&contents) {
            assert_eq!(client.restore(site, &receipt.snapshot).expect("restore"), owned(files));
        }
        prune(site, &AT_ONCE).expect("prune");
    }
    assert_eq!(stored_packs(site), 1);
    let (_, sent) = client.back_up(site, &contents[9]);
    assert_eq!(sent, 0, "the new pack is as good as the old ones");
    assert_eq!(compact(site, super::super::Pace::Steady).expect("compact").packs, 0);
}

#[test]
fn a_listing_that_cannot_be_read_is_never_taken_for_an_empty_one() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "2d/1d");
    client.back_up(site, &files(6, 1));
    pass(site, Seconds(5 * 86_400));
    // The node and the contents come in packs of their own, so that one can be damaged alone.
    let made = client.make(&site.vault.keys, &files(6, 2));
    let session = client.begin(site, None).session;
    let (nodes, contents): (Vec<_>, Vec<_>) = made.chunks.iter().cloned().partition(|chunk| chunk.len() < 3_000);
    let node_pack = pack_of(site, &nodes);
    client.put(site, session, &node_pack).expect("put");
    client.put(site, session, &pack_of(site, &contents)).expect("put");
    client.commit(site, session, &made).expect("commit");
    damage(&test, node_pack.id);

    let report = prune(site, &AT_ONCE).expect("prune");
    assert_eq!(report.held_back.len(), 1);
    assert_eq!((report.condemned_packs, report.deleted_packs), (0, 0));
    assert_eq!(stored_packs(site), 3);
}

fn damage(test: &TestBox, id: PackId) {
    let path = test.dir().store_dir().join(ObjectName::Pack(id).to_string());
    let mut bytes = std::fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("damage");
}

#[test]
fn a_damaged_pack_that_nothing_needs_goes() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    client.back_up(site, &files(6, 1));
    let ObjectName::Pack(id) = site.store.list(ObjectKind::Pack).expect("list")[0] else { panic!("a pack") };
    damage(&test, id);
    verify(site, None, &mut |_| {}).expect("verify");
    assert_eq!(prune(site, &AT_ONCE).expect("prune").deleted_packs, 0, "a snapshot needs what is left of it");
    let (healed, _) = client.back_up(site, &files(6, 1));
    let report = prune(site, &AT_ONCE).expect("prune");
    assert_eq!((report.held_back.len(), report.deleted_packs), (0, 1), "{report:?}");
    assert_eq!(client.restore(site, &healed.snapshot).expect("restore"), owned(&files(6, 1)));
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
}

#[test]
fn a_crash_between_any_two_steps_is_made_good() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let (kept, _) = client.back_up(test.site(), &files(4, 1));
    let (gone, _) = client.back_up(test.site(), &files(4, 2));
    // Taken off the list, its file still there; taken off, its file gone.
    let row = |site: &Site, id: &SnapshotId| {
        site.catalog.reader().read(|tx| snapshots::by_id(tx, client.machine.row, id)).expect("read").expect("there").row
    };
    let site = test.site();
    site.catalog.writer().write(|tx| snapshots::mark_expiring(tx, row(site, &gone.snapshot))).expect("mark");
    test.restart();
    assert_eq!(test.site().store.list(ObjectKind::Snapshot).expect("list").len(), 1);

    // Rows of a pack gone, its object still there.
    let site = test.site();
    prune(site, &PruneOptions { grace: Seconds(86_000), ..forced() }).expect("too young");
    assert_eq!(stored_packs(site), 2);
    let dead = site.catalog.reader().read(|tx| packs::all(tx)).expect("packs").remove(1);
    site.catalog.writer().write(|tx| packs::delete(tx, &dead, None)).expect("delete");
    test.restart();
    assert_eq!(stored_packs(test.site()), 1);

    // An object put, its row not written.
    let site = test.site();
    let stray = pack_of(site, &[noise(5_000, 77)]);
    let mut staged = site.store.stage().expect("stage");
    staged.write_all(&stray.bytes).expect("write");
    site.store.put_new(ObjectName::Pack(stray.id), staged).expect("put");
    for hours in [0, 10, 10] {
        pass(site, Seconds(hours * 3_600));
        assert_eq!(prune(site, &forced()).expect("prune").deleted_orphans, 0);
    }
    pass(site, Seconds(5 * 3_600));
    assert_eq!(prune(site, &forced()).expect("prune").deleted_orphans, 1);
    assert_eq!(stored_packs(site), 1);
    assert_eq!(client.restore(site, &kept.snapshot).expect("restore"), owned(&files(4, 1)));
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
}

#[test]
fn a_catalog_that_is_behind_its_store_loses_nothing() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    client.back_up(test.site(), &files(2, 1));
    test.stop();
    let older = std::fs::read(test.dir().catalog_file()).expect("read");
    test.restart();
    let (newer, _) = client.back_up(test.site(), &files(4, 2));
    test.stop();
    std::fs::write(test.dir().catalog_file(), older).expect("put back");
    test.restart();
    for options in [AT_ONCE, PruneOptions { dry_run: true, ..AT_ONCE }] {
        let behind = prune(test.site(), &options).expect_err("the store has more than the catalog");
        assert!(matches!(behind, OperationError::CatalogBehind { snapshots: 1 }), "{behind}");
    }
    assert_eq!(stored_packs(test.site()), 2);

    // Also when the copy is from the very moment of the commit: the receipt may have been given since.
    let records = |site: &Site| site.store.list(ObjectKind::Snapshot).expect("list");
    test.site().catalog.writer().write(|tx| snapshots::announce(tx, &newer.snapshot)).expect("announce");
    test.restart();
    assert!(records(test.site()).contains(&ObjectName::Snapshot(newer.snapshot)));
    let behind = prune(test.site(), &AT_ONCE).expect_err("its packs are not in this catalog");
    assert!(matches!(behind, OperationError::CatalogBehind { snapshots: 1 }), "{behind}");

    // A record that no rebuild could bring back holds nothing up.
    let path = test.dir().store_dir().join(ObjectName::Snapshot(newer.snapshot).to_string());
    std::fs::write(path, b"damaged").expect("write");
    prune(test.site(), &AT_ONCE).expect("prune");
}

#[test]
fn a_commit_that_was_cut_off_is_completed_at_the_next_start() {
    let mut test = TestBox::start();
    let (first, second) = (Client::enrol(test.site(), "caisse-1"), Client::enrol(test.site(), "caisse-2"));
    first.back_up(test.site(), &files(4, 1));
    verify(test.site(), None, &mut |_| {}).expect("verify");
    // The second machine has sent none of the chunks: it has shown that it has them.
    let made = second.make(&test.site().vault.keys, &files(4, 1));
    let session = second.begin(test.site(), None).session;
    let have = second.have(test.site(), session, &made.chunks);
    let own: Vec<_> = made.chunks.iter().zip(&have).filter(|(_, have)| !**have).map(|(c, _)| c.clone()).collect();
    assert!(own.len() < made.chunks.len());
    if !own.is_empty() {
        second.put(test.site(), session, &pack_of(test.site(), &own)).expect("put");
    }
    let receipt = second.commit(test.site(), session, &made).expect("commit");
    // As it was before the last transaction.
    let before_the_last = |tx: &rusqlite::Transaction<'_>| {
        tx.execute("DELETE FROM snapshot WHERE snapshot_id = ?1", [receipt.snapshot.as_bytes()])?;
        tx.execute("DELETE FROM foreign_ref WHERE machine = ?1", [second.machine.row])?;
        tx.execute("DELETE FROM node WHERE machine = ?1", [second.machine.row])?;
        snapshots::announce(tx, &receipt.snapshot)
    };
    test.site().catalog.writer().write(before_the_last).expect("cut off");
    // What it rests on is not collected meanwhile.
    let behind = prune(test.site(), &AT_ONCE).expect_err("a record that nobody commits");
    assert!(matches!(behind, OperationError::CatalogBehind { snapshots: 1 }), "{behind}");
    test.restart();
    let site = test.site();
    assert!(site.catalog.reader().read(|tx| snapshots::announced(tx)).expect("read").is_empty());
    assert_eq!(second.restore(site, &receipt.snapshot).expect("restore"), owned(&files(4, 1)));
    // The machine that never heard of it asks again.
    let session = second.begin(site, None).session;
    assert_eq!(second.commit(site, session, &made).expect("again"), receipt);
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
}

#[test]
fn a_cut_off_commit_that_rests_on_a_damaged_pack_is_no_reason_not_to_start() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let (receipt, _) = client.back_up(test.site(), &files(4, 1));
    let before_the_last = |tx: &rusqlite::Transaction<'_>| {
        tx.execute("DELETE FROM snapshot", [])?;
        tx.execute("DELETE FROM node", [])?;
        snapshots::announce(tx, &receipt.snapshot)
    };
    test.site().catalog.writer().write(before_the_last).expect("cut off");
    let pack = test.site().store.list(ObjectKind::Pack).expect("list")[0];
    let path = test.dir().store_dir().join(pack.to_string());
    test.stop();
    std::fs::write(path, b"damaged").expect("write");
    test.restart();
    let record = ObjectName::Snapshot(receipt.snapshot);
    assert_eq!(test.site().store.list(ObjectKind::Snapshot).expect("list"), [record], "it may have been acknowledged");
    let behind = prune(test.site(), &AT_ONCE).expect_err("only a rebuild tells what is left of it");
    assert!(matches!(behind, OperationError::CatalogBehind { snapshots: 1 }), "{behind}");
}

#[test]
fn an_announcement_without_a_record_is_forgotten() {
    let mut test = TestBox::start();
    let id = SnapshotId::from_bytes([7; 32]);
    test.site().catalog.writer().write(|tx| snapshots::announce(tx, &id)).expect("announce");
    test.restart();
    assert!(test.site().catalog.reader().read(|tx| snapshots::announced(tx)).expect("read").is_empty());
}

#[test]
fn one_snapshot_committed_twice_at_the_same_time_is_kept_once_and_answered_alike() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    let made = client.make(&site.vault.keys, &files(6, 1));
    let session = client.begin(site, None).session;
    client.put(site, session, &pack_of(site, &made.chunks)).expect("put");
    let commit = || client.commit(site, session, &made).expect("commit");
    let (one, other) = std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(commit), scope.spawn(commit));
        (one.join().expect("no panic"), other.join().expect("no panic"))
    });
    assert_eq!(one, other);
    assert_eq!(client.restore(site, &one.snapshot).expect("restore"), owned(&files(6, 1)));
}

#[test]
fn backups_and_collections_at_the_same_time_lose_nothing() {
    let test = TestBox::start();
    let site = test.site();
    let stop = AtomicBool::new(false);
    let clients: Vec<_> = (0..3).map(|n| Client::enrol(site, &format!("machine-{n}"))).collect();
    for client in &clients {
        keep(site, client, "1s/1s");
    }
    std::thread::scope(|scope| {
        for client in &clients {
            let stop = &stop;
            scope.spawn(move || {
                for round in 0..40_u64 {
                    // Few contents, so that chunks die and are needed again all the time.
                    let files = files(4, round * 7 % 5);
                    let made = client.make(&site.vault.keys, &files);
                    let receipt = loop {
                        let session = client.begin(site, None).session;
                        let have = client.have(site, session, &made.chunks);
                        let missing: Vec<_> =
                            made.chunks.iter().zip(have).filter(|(_, have)| !have).map(|(c, _)| c.clone()).collect();
                        if !missing.is_empty() {
                            client.put(site, session, &pack_of(site, &missing)).expect("put");
                        }
                        match client.commit(site, session, &made) {
                            Ok(receipt) => break receipt,
                            Err(refusal) => {
                                assert_eq!(refusal.code, RefusalCode::Busy, "{refusal}");
                                site.sessions.close(session);
                            }
                        }
                    };
                    // The newest snapshot never expires.
                    assert_eq!(client.restore(site, &receipt.snapshot).expect("restore"), owned(&files));
                }
                stop.store(true, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                prune(site, &AT_ONCE).expect("prune");
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                verify(site, None, &mut |_| {}).expect("verify");
            }
        });
    });
    clients.iter().for_each(|client| all_restore(site, client));
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
    std::thread::sleep(std::time::Duration::from_millis(5));
    prune(site, &AT_ONCE).expect("prune");
    clients.iter().for_each(|client| all_restore(site, client));
}

#[test]
fn what_a_policy_would_take_is_what_the_collection_takes_when_it_is_in_force() {
    let test = TestBox::start();
    let site = test.site();
    let (client, other) = (Client::enrol(site, "caisse-1"), Client::enrol(site, "caisse-2"));
    keep(site, &client, "365d/1d");
    let shared = files(5, 1);
    client.back_up(site, &shared);
    other.back_up(site, &shared);
    pass(site, Seconds(2 * 86_400));
    let (own, _) = client.back_up(site, &files(7, 2));
    pass(site, Seconds(40 * 86_400));
    client.back_up(site, &files(2, 3));
    let policy = "7d/1d".parse().expect("policy");

    let preview = preview_policy(site, &client.machine, &policy).expect("preview");
    let weight = weigh_policy(site, &client.machine, &policy).expect("weight");
    assert_eq!((preview.expired.len(), preview.kept.len()), (2, 1));
    assert_eq!(preview.kept[0].why, Why::Policy(datis_engine::retention::KeepReason::Newest));
    assert_eq!(preview.expired[0].id, own.snapshot, "the newest first");
    assert_eq!(listed(site, &client).len(), 3, "nothing was changed");
    // The files that both have stay for the other one.
    let packs = site.catalog.reader().read(|tx| crate::catalog::packs::all(tx)).expect("packs");
    let own_bytes = |at: usize| packs.iter().filter(|p| p.machine == client.machine.row).nth(at).map(|p| p.bytes);
    let (first, second) = (own_bytes(0).expect("first"), own_bytes(1).expect("second"));
    assert!(weight.freed_bytes >= second && weight.freed_bytes < first + second, "{weight:?} of {first} and {second}");
    assert!(!weight.is_at_least);

    keep(site, &client, "7d/1d");
    let done = prune(site, &forced()).expect("prune");
    assert_eq!(
        done.expired.iter().map(|s| s.snapshot).collect::<std::collections::BTreeSet<_>>(),
        preview.expired.iter().map(|s| s.id).collect()
    );
}

#[test]
fn a_preview_says_when_snapshots_go_and_when_the_brake_would_hold() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    keep(site, &client, "365d/1d");
    for day in 0..8 {
        client.back_up(site, &files(2, day));
        pass(site, Seconds::DAY);
    }
    let machine = &client.machine;
    let preview = preview_policy(site, machine, &"30d/1d".parse().expect("policy")).expect("preview");
    assert_eq!((preview.expired.len(), preview.kept.len(), preview.over_brake), (0, 8, false));
    // All but the newest one, which stays until another one comes.
    assert_eq!(preview.soon.len(), 7);
    assert!(preview.soon.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let oldest = &preview.soon[0];
    assert_eq!(oldest.at, oldest.snapshot.received_at.plus(Seconds(30 * 86_400)));

    let lean = preview_policy(site, machine, &"2d/1d".parse().expect("policy")).expect("preview");
    assert!(lean.over_brake && lean.days_lost > 3, "{lean:?}");
}
