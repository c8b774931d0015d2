//! Offers, pieces, receipts, audits, lists and heads, with restarts in between.

use std::fs;

use datis_engine::community::address::{AddressRecord, TTL_DEFAULT};
use datis_engine::community::entry::Change;
use datis_engine::community::head::{Head, SignedBy, VerifiedHead};
use datis_engine::erasure::answer::Answer;
use datis_engine::erasure::proof;
use datis_engine::ids::{HeadHash, ShardId};
use datis_engine::keys::SigningKey;
use datis_engine::life::hosting::list_hash;
use datis_engine::units::UnixMillis;
use datis_engine::wire::RefusalCode;
use datis_engine::wire::peers::{
    Audit, AuditRange, Audited, Condemn, KeepHead, LeaseAnswer, ListHeads, ListShards, OfferShard, RenewLease,
    ShardOffer, ShardReceipt, Wish,
};

use super::super::testing::{TestBox, new_key};
use super::super::{Pace, Site};
use super::testing::{Circle, keep, offer, shard};
use super::*;

fn started() -> (TestBox, Circle) {
    let mut test = TestBox::start();
    test.limits.given_bytes = Some(80 << 20);
    test.restart();
    let circle = Circle::around(test.site());
    // There is nothing in the folder that the catalog does not know.
    test.site().hosted.set_compared();
    (test, circle)
}

fn restart(test: &mut TestBox, circle: &Circle) {
    test.restart();
    circle.enter(test.site());
    test.site().hosted.set_compared();
}

fn range(shard: ShardId, start: u32, len: u32) -> AuditRange {
    AuditRange { shard, start, len }
}

fn ask(site: &Site, peer: &Peer, ranges: &[AuditRange], with_proofs: bool) -> Audited {
    audit(site, peer, &Audit { nonce: [5; 32].into(), ranges: ranges.to_vec(), with_proofs }).expect("audit")
}

fn condemn_all(site: &Site, peer: &Peer, shards: &[ShardId], spare: bool) -> datis_engine::wire::peers::Condemned {
    let wish = if spare { Wish::Spare } else { Wish::Delete };
    condemn(site, peer, &Condemn { shards: shards.to_vec(), wish }).expect("condemn")
}

fn listed(site: &Site, peer: &Peer) -> Vec<ShardId> {
    list_shards(site, peer, &ListShards { after: None }).expect("list").shards.iter().map(|s| s.shard).collect()
}

#[test]
fn a_shard_comes_in_pieces_over_restarts_and_is_held_with_a_receipt() {
    let (mut test, circle) = started();
    let (id, bytes) = shard(100_000, 1);
    let peer = circle.one.peer(test.site());
    assert!(matches!(offer(test.site(), &peer, id, bytes.len()), ShardOffer::Send { from: 0 }));
    let mut piece = receive_piece(test.site(), &peer, id, 0, 100_000, 70_000).expect("piece");
    piece.write(&bytes[..40_000]).expect("write");
    let second = receive_piece(test.site(), &peer, id, 0, 100_000, 70_000);
    assert_eq!(second.err().map(|why| why.code), Some(RefusalCode::Busy));
    // The connection is cut, and the box starts again.
    drop(piece);
    restart(&mut test, &circle);
    let site = test.site();
    let early = receive_piece(site, &peer, id, 40_000, 100_000, 60_000);
    assert_eq!(early.err().map(|why| why.code), Some(RefusalCode::SessionUnknown), "it was not offered again");
    assert!(matches!(offer(site, &peer, id, bytes.len()), ShardOffer::Send { from: 40_000 }));
    let elsewhere = receive_piece(site, &peer, id, 0, 100_000, 60_000);
    assert_eq!(elsewhere.err().map(|why| why.code), Some(RefusalCode::SessionUnknown));
    let mut piece = receive_piece(site, &peer, id, 40_000, 100_000, 30_000).expect("piece");
    piece.write(&bytes[40_000..70_000]).expect("write");
    assert!(piece.finish().expect("finish").is_none(), "it is not all there");
    assert!(listed(site, &peer).is_empty());
    let mut piece = receive_piece(site, &peer, id, 70_000, 100_000, 30_000).expect("piece");
    piece.write(&bytes[70_000..]).expect("write");
    let receipt = piece.finish().expect("finish").expect("all is there");
    let told = ShardReceipt::verify(&receipt, &site.vault.device_key.public_key()).expect("receipt");
    assert_eq!((told.owner, told.host, told.shard, told.len), (circle.one.id(), circle.me, id, 100_000));

    restart(&mut test, &circle);
    let site = test.site();
    let ShardOffer::Held { receipt } = offer(site, &peer, id, bytes.len()) else { panic!("it is held") };
    let again = ShardReceipt::verify(&receipt, &site.vault.device_key.public_key()).expect("receipt");
    assert_eq!(again, told, "the window began when it came");
    assert_eq!(read_shard(site, &peer, id, 99_990..100_000).expect("read"), bytes[99_990..]);
    assert_eq!(shard_len(site, &peer, id), Ok(100_000));
    for (from, to) in [(0, 100_001), (7, 6), (u32::MAX, u32::MAX)] {
        let refused = read_shard(site, &peer, id, Range { start: from, end: to }).expect_err("none");
        assert_eq!(refused.code, RefusalCode::Malformed);
    }
    assert_eq!(listed(site, &peer), [id]);
}

#[test]
fn bytes_of_another_name_are_not_kept_and_it_begins_again() {
    let (test, circle) = started();
    let site = test.site();
    let peer = circle.one.peer(site);
    let ((id, _), (_, wrong)) = (shard(50_000, 1), shard(50_000, 2));
    offer(site, &peer, id, 50_000);
    let mut piece = receive_piece(site, &peer, id, 0, 50_000, 50_000).expect("piece");
    piece.write(&wrong).expect("write");
    assert_eq!(piece.finish().expect_err("wrong").code, RefusalCode::Corrupt);
    assert!(matches!(offer(site, &peer, id, 50_000), ShardOffer::Send { from: 0 }));
    let mut piece = receive_piece(site, &peer, id, 0, 50_000, 10).expect("piece");
    assert_eq!(piece.write(&vec![0; 50_001]).expect_err("too long").code, RefusalCode::Corrupt);
    let bad = OfferShard { shard: id, len: 0, window_days: 1 };
    assert_eq!(offer_shard(site, &peer, &bad).expect_err("empty").code, RefusalCode::Malformed);
}

#[test]
fn an_answer_lost_at_the_end_is_given_by_the_next_offer() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let (id, bytes) = shard(50_000, 1);
    offer(test.site(), &peer, id, 50_000);
    let mut piece = receive_piece(test.site(), &peer, id, 0, 50_000, 50_000).expect("piece");
    piece.write(&bytes).expect("write");
    drop(piece);
    restart(&mut test, &circle);
    assert!(matches!(offer(test.site(), &peer, id, 50_000), ShardOffer::Held { .. }));
    assert_eq!(read_shard(test.site(), &peer, id, 0..50_000).expect("read"), bytes);
}

#[test]
fn who_is_no_member_or_was_put_out_or_is_new_is_told_so() {
    let (test, mut circle) = started();
    let site = test.site();
    let unknown = |key: &SigningKey| peer_by_key(site, &key.public_key()).expect_err("unknown").code;
    assert_eq!(unknown(&new_key()), RefusalCode::UnknownMachine);
    assert_eq!(unknown(&site.vault.device_key), RefusalCode::UnknownMachine, "the box itself");
    let (id, bytes) = shard(20_000, 1);
    keep(site, &circle.one.peer(site), id, &bytes);

    // A new box of the member reads what is here, and changes nothing for a day.
    let (old, new) = (circle.one.device.public_key(), new_key());
    let rebind = Change::Rebind { member: circle.one.id(), device: new.public_key() };
    circle.say_for_one(site, rebind, &new);
    assert_eq!(peer_by_key(site, &old).expect_err("revoked").code, RefusalCode::UnknownMachine);
    let peer = peer_by_key(site, &new.public_key()).expect("the new box");
    assert_eq!(read_shard(site, &peer, id, 0..20_000).expect("read"), bytes);
    let refused = offer_shard(site, &peer, &OfferShard { shard: id, len: 20_000, window_days: 1 });
    assert_eq!(refused.expect_err("reads only").code, RefusalCode::UnknownMachine);
    let refused = condemn(site, &peer, &Condemn { shards: vec![id], wish: Wish::Delete });
    assert_eq!(refused.expect_err("reads only").code, RefusalCode::UnknownMachine);
    assert!(renew_lease(site, &peer, &RenewLease { list_hash: [0; 32].into() }).is_err());
    assert!(keep_head(site, &peer, &KeepHead { head: vec![1].into() }).is_err());
}

#[test]
fn an_audit_gives_what_the_owner_computes_and_proofs_that_hold() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let ((a, a_bytes), (b, b_bytes)) = (shard(100_000, 1), shard(9_000, 2));
    keep(test.site(), &peer, a, &a_bytes);
    keep(test.site(), &peer, b, &b_bytes);
    restart(&mut test, &circle);
    let site = test.site();
    let ranges = [range(a, 16_384, 32_768), range(b, 0, 9_000), range(a, 98_304, 1_696)];
    let mut expected = Answer::new(&[5; 32]);
    expected.add(a, 16_384, &a_bytes[16_384..49_152]);
    expected.add(b, 0, &b_bytes);
    expected.add(a, 98_304, &a_bytes[98_304..]);
    match ask(site, &peer, &ranges, false) {
        Audited::Digest(digest) => assert_eq!(*digest, expected.finish()),
        other => panic!("{other:?}"),
    }
    let Audited::Proofs(proofs) = ask(site, &peer, &ranges, true) else { panic!("no proofs") };
    let proved = proof::verify(a, 100_000, &(1..3), &proofs[0]).expect("proof");
    assert_eq!(proved, a_bytes[16_384..49_152]);
    assert_eq!(proof::verify(b, 9_000, &(0..1), &proofs[1]).expect("proof"), b_bytes);
    assert_eq!(proof::verify(a, 100_000, &(6..7), &proofs[2]).expect("proof"), a_bytes[98_304..]);

    for bad in
        [range(a, 1, 100), range(a, 0, 100), range(a, 0, 0), range(a, 98_304, 16_384), range(a, 16_384, u32::MAX)]
    {
        let refused = audit(site, &peer, &Audit { nonce: [5; 32].into(), ranges: vec![bad], with_proofs: false });
        assert!(matches!(refused.expect_err("bad").code, RefusalCode::Malformed | RefusalCode::TooLarge), "{bad:?}");
    }
}

#[test]
fn what_is_lost_damaged_or_away_is_told_apart() {
    let (test, circle) = started();
    let site = test.site();
    let peer = circle.one.peer(site);
    let ((a, a_bytes), (b, b_bytes), (c, c_bytes)) = (shard(40_000, 1), shard(40_000, 2), shard(40_000, 3));
    for (id, bytes) in [(a, &a_bytes), (b, &b_bytes), (c, &c_bytes)] {
        keep(site, &peer, id, bytes);
    }
    let folder = test.dir().hosted_dir();
    let path = |id: ShardId| folder.join(ObjectName::Shard(circle.one.id(), id).to_string());
    let whole = |id| [range(id, 0, 16_384)];
    fs::remove_file(path(b)).expect("remove");
    let mut rotten = c_bytes.clone();
    rotten[20_000] ^= 1;
    fs::write(path(c), &rotten).expect("write");
    assert!(matches!(ask(site, &peer, &whole(a), true), Audited::Proofs(_)));
    assert!(matches!(ask(site, &peer, &whole(b), false), Audited::NotFound(ids) if ids == [b]));
    assert!(matches!(ask(site, &peer, &whole(c), true), Audited::Corrupt(ids) if ids == [c]));
    fs::write(path(c), &c_bytes[..10]).expect("write");
    assert!(matches!(ask(site, &peer, &whole(c), false), Audited::Corrupt(ids) if ids == [c]));
    assert!(matches!(ask(site, &peer, &whole(ShardId::from_bytes([9; 32])), false), Audited::NotFound(_)));
    // What is lost or damaged may come again, in its place.
    for (id, bytes) in [(b, &b_bytes), (c, &c_bytes)] {
        keep(site, &peer, id, bytes);
        assert_eq!(read_shard(site, &peer, id, 0..40_000).expect("read"), *bytes);
    }

    let elsewhere = test.dir().root().join("elsewhere");
    fs::rename(&folder, &elsewhere).expect("unmount");
    for empty in [false, true] {
        if empty {
            fs::create_dir(&folder).expect("mount point");
        }
        assert!(matches!(ask(site, &peer, &whole(a), false), Audited::Unavailable));
        assert!(matches!(ask(site, &peer, &whole(a), true), Audited::Unavailable));
        assert_eq!(read_shard(site, &peer, a, 0..10).expect_err("away").code, RefusalCode::Fault);
        assert!(matches!(offer(site, &peer, shard(10, 9).0, 10), ShardOffer::NoRoom));
        assert!(hosting_step(site).is_err());
    }
    fs::remove_dir(&folder).expect("unmount");
    fs::rename(&elsewhere, &folder).expect("mount");
    assert!(matches!(ask(site, &peer, &whole(a), false), Audited::Digest(_)));
}

#[test]
fn shards_of_others_are_neither_read_nor_found_nor_condemned() {
    let (test, circle) = started();
    let site = test.site();
    let (one, other) = (circle.one.peer(site), circle.other.peer(site));
    let (id, bytes) = shard(20_000, 1);
    keep(site, &one, id, &bytes);
    assert_eq!(read_shard(site, &other, id, 0..10).expect_err("foreign").code, RefusalCode::NotFound);
    assert_eq!(shard_len(site, &other, id).expect_err("foreign").code, RefusalCode::NotFound);
    assert!(matches!(ask(site, &other, &[range(id, 0, 16_384)], false), Audited::NotFound(_)));
    assert!(listed(site, &other).is_empty());
    assert_eq!(condemn_all(site, &other, &[id], false).noted, 0);
    // It may have the same bytes here, in a file of its own.
    keep(site, &other, id, &bytes);
    assert_eq!((listed(site, &one), listed(site, &other)), (vec![id], vec![id]));
    let page = ListShards { after: Some(id) };
    assert!(list_shards(site, &one, &page).expect("list").shards.is_empty());
}

#[test]
fn more_than_the_quota_is_not_taken_and_what_is_here_is_not_touched() {
    let mut test = TestBox::start();
    // In three there are two places, and a quarter is for who is new.
    test.limits.given_bytes = Some(800_000);
    test.restart();
    let circle = Circle::around(test.site());
    let site = test.site();
    let peer = circle.one.peer(site);
    let (a, bytes) = shard(60_000, 1);
    keep(site, &peer, a, &bytes);
    let (b, _) = shard(40_000, 2);
    assert!(matches!(offer(site, &peer, b, 40_000), ShardOffer::Send { from: 0 }));
    // What was offered counts as if it were here.
    assert!(matches!(offer(site, &peer, shard(10_000, 3).0, 10_000), ShardOffer::OverQuota { left: 5_000 }));
    assert!(matches!(offer(site, &peer, a, 60_000), ShardOffer::Held { .. }));
    assert!(matches!(offer(site, &circle.other.peer(site), b, 40_000), ShardOffer::Send { .. }), "each has its own");

    test.limits.disk_reserve = Some(u64::MAX / 2);
    test.limits.given_bytes = None;
    restart(&mut test, &circle);
    assert!(matches!(offer(test.site(), &peer, b, 40_000), ShardOffer::NoRoom));
}

#[test]
fn a_condemned_shard_stays_for_its_window_and_goes_by_way_of_the_trash() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let shards: Vec<(ShardId, Vec<u8>)> = (0..12).map(|seed| shard(20_000, seed)).collect();
    for (id, bytes) in &shards {
        keep(test.site(), &peer, *id, bytes);
    }
    let ids: Vec<ShardId> = shards.iter().map(|(id, _)| *id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    let lease = |site: &Site, ids: &[ShardId]| {
        let list_hash = list_hash(ids.iter().map(|id| (*id, 20_000)));
        renew_lease(site, &peer, &RenewLease { list_hash: list_hash.into() }).expect("lease")
    };
    assert_eq!(lease(test.site(), &sorted), LeaseAnswer::Same);
    let within = Condemn { shards: ids.clone(), wish: Wish::DeleteWithinBrake };
    let early = condemn(test.site(), &peer, &within).expect("condemn");
    assert_eq!((early.noted, early.taken, early.frozen_until), (0, 0, None), "what is new waits");
    test.site().hosted.clock.pass_days(30);
    assert_eq!(condemn_all(test.site(), &peer, &[ids[0]], false).noted, 1);
    assert_eq!(lease(test.site(), &sorted), LeaseAnswer::Differs);
    test.site().hosted.clock.pass_days(13);
    assert_eq!(hosting_step(test.site()).expect("step"), HostingReport::default());
    restart(&mut test, &circle);
    let site = test.site();
    site.hosted.clock.pass_days(2);
    let report = hosting_step(site).expect("step");
    assert_eq!((report.trashed, report.erased, report.entered), (1, 0, 0));
    assert_eq!(read_shard(site, &peer, ids[0], 0..20_000).expect("still there"), shards[0].1);
    site.hosted.clock.pass_days(8);
    assert_eq!(hosting_step(site).expect("step").erased, 1);
    assert_eq!(read_shard(site, &peer, ids[0], 0..10).expect_err("gone").code, RefusalCode::NotFound);
    assert!(!test.dir().hosted_dir().join(ObjectName::Shard(circle.one.id(), ids[0]).to_string()).exists());
    assert_eq!(listed(site, &peer).len(), 11);
    // What went may come again.
    keep(site, &peer, ids[0], &shards[0].1);
}

#[test]
fn a_box_that_was_taken_over_cannot_remove_much_and_the_brake_outlives_a_restart() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let shards: Vec<(ShardId, Vec<u8>)> = (0..20).map(|seed| shard(20_000, seed)).collect();
    for (id, bytes) in &shards {
        keep(test.site(), &peer, *id, bytes);
    }
    let ids: Vec<ShardId> = shards.iter().map(|(id, _)| *id).collect();
    test.site().hosted.clock.pass_days(30);
    assert_eq!(condemn_all(test.site(), &peer, &ids[..1], false).noted, 1);
    // An owner that asks for no more than is usual gets so much, and pulls nothing.
    let message = Condemn { shards: ids.clone(), wish: Wish::DeleteWithinBrake };
    let within = condemn(test.site(), &peer, &message).expect("condemn");
    assert_eq!((within.noted, within.taken, within.frozen_until), (1, 2, None));
    let pulled = condemn_all(test.site(), &peer, &ids, false);
    assert!(pulled.noted == 0 && pulled.frozen_until.is_some());
    restart(&mut test, &circle);
    let site = test.site();
    let frozen = condemn_all(site, &peer, &ids[2..3], false);
    assert_eq!((frozen.noted, frozen.frozen_until), (0, pulled.frozen_until));
    assert_eq!(hosted_for(site).expect("look")[0].frozen_until, pulled.frozen_until);
    site.hosted.clock.pass_days(31);
    assert_eq!(hosting_step(site).expect("step").trashed, 2, "those from before, two weeks later than else");
    assert_eq!(condemn_all(site, &peer, &ids[..2], true).noted, 2, "they are spared");
    site.hosted.clock.pass_days(30);
    assert_eq!(hosting_step(site).expect("step").erased, 0);
    assert_eq!(listed(site, &peer).len(), 20);
    // Silence deletes nothing either; people are asked.
    site.hosted.clock.pass_days(200);
    let report = hosting_step(site).expect("step");
    assert_eq!((report.erased, report.silent.len()), (0, 1));
    assert_eq!(listed(site, &peer).len(), 20);
}

#[test]
fn whom_an_admin_vouches_for_may_keep_at_once_what_others_may_after_their_first_weeks() {
    let (test, mut circle) = started();
    let new = share::quota_of(test.site(), circle.one.id()).expect("quota");
    let vouch = Change::Vouch { member: circle.one.id() };
    let mut entry = circle.log.draft(UnixMillis(3), vouch);
    entry.sign(&test.site().vault.device_key);
    circle.log.append(entry).expect("entry");
    circle.enter(test.site());
    let vouched = share::quota_of(test.site(), circle.one.id()).expect("quota");
    assert!(new > 0 && vouched >= new * 4, "{new} {vouched}");
    assert_eq!(share::quota_of(test.site(), circle.other.id()).expect("quota"), new, "the other one is new");
}

/// Changes one bit of a shard's file, as a disk does that forgets.
fn rot(test: &TestBox, circle: &Circle, shard: ShardId) {
    let path = test.dir().hosted_dir().join(ObjectName::Shard(circle.one.id(), shard).to_string());
    let mut bytes = fs::read(&path).expect("read");
    bytes[9_999] ^= 1;
    fs::remove_file(&path).expect("remove");
    crate::files::replace(&path, &bytes).expect("rot");
}

/// Reads on until there is nothing more to read; how many shards that were.
fn scrub_all(site: &Site) -> usize {
    let mut read = 0;
    while scrub_next(site, Pace::Steady, &|| ()).expect("scrub") {
        read += 1;
    }
    read
}

#[test]
fn what_is_kept_is_read_over_every_25_days_and_goes_on_where_a_stop_was() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    for seed in 0..5 {
        let (id, bytes) = shard(20_000, seed);
        keep(test.site(), &peer, id, &bytes);
    }
    assert_eq!((scrub_all(test.site()), read_over(test.site()).expect("look")), (0, None), "it was read as it came");
    test.site().hosted.clock.pass_days(24);
    assert_eq!(scrub_all(test.site()), 0);
    test.site().hosted.clock.pass_days(2);
    for _ in 0..2 {
        assert!(scrub_next(test.site(), Pace::Steady, &|| ()).expect("scrub"));
    }
    // It keeps the time, as it does every ten minutes.
    hosting_step(test.site()).expect("step");
    restart(&mut test, &circle);
    assert_eq!(scrub_all(test.site()), 3, "the rest");
    assert!(read_over(test.site()).expect("look").is_some_and(|at| at <= test.site().counted_now()));
    assert_eq!(scrub_all(test.site()), 0);
    test.site().hosted.clock.pass_days(26);
    assert_eq!(scrub_all(test.site()), 5, "all of it again");
    // While the disk is away, nothing is read and nothing is lost.
    test.site().hosted.clock.pass_days(26);
    let (there, away) = (test.dir().hosted_dir(), test.dir().hosted_dir().with_extension("away"));
    fs::rename(&there, &away).expect("take away");
    assert_eq!(scrub_all(test.site()), 0);
    fs::rename(&away, &there).expect("bring back");
    assert_eq!(scrub_all(test.site()), 5);
    assert_eq!(hosted_for(test.site()).expect("look")[0].damaged, 0);
}

#[test]
fn a_shard_that_has_rotted_is_out_of_the_list_and_called_corrupt_until_it_is_sent_again() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let (sound, other) = (shard(20_000, 1), shard(20_000, 2));
    for (id, bytes) in [&sound, &other] {
        keep(test.site(), &peer, *id, bytes);
    }
    let believed = [sound.0, other.0].into_iter().collect::<std::collections::BTreeSet<_>>();
    let believed = list_hash(believed.into_iter().map(|id| (id, 20_000)));
    let lease =
        |test: &TestBox| renew_lease(test.site(), &peer, &RenewLease { list_hash: believed.into() }).expect("lease");
    scrub_all(test.site());
    test.site().hosted.clock.pass_days(26);
    rot(&test, &circle, other.0);
    assert_eq!(lease(&test), LeaseAnswer::Same, "nobody has looked");
    assert_eq!(scrub_all(test.site()), 2);
    restart(&mut test, &circle);
    assert_eq!(hosted_for(test.site()).expect("look")[0].damaged, 1);
    assert_eq!((lease(&test), listed(test.site(), &peer)), (LeaseAnswer::Differs, vec![sound.0]));
    // Also where the bytes that are asked for are the right ones.
    let answer = ask(test.site(), &peer, &[range(sound.0, 0, 16_384), range(other.0, 16_384, 3_616)], false);
    assert!(matches!(&answer, Audited::Corrupt(which) if *which == [other.0]), "{answer:?}");
    keep(test.site(), &peer, other.0, &other.1);
    restart(&mut test, &circle);
    assert_eq!((lease(&test), listed(test.site(), &peer).len()), (LeaseAnswer::Same, 2));
    assert_eq!(hosted_for(test.site()).expect("look")[0].damaged, 0);
}

/// As a catalog has it that was made out of nothing.
fn forget_all(site: &Site) {
    let emptied = site.catalog.writer().write(|tx| {
        for table in ["hosted_shard", "hosted_owner", "hosting_folder", "counted_clock"] {
            tx.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok::<_, CatalogError>(())
    });
    emptied.expect("empty");
}

#[test]
fn what_stands_in_the_folder_without_a_row_is_entered_again() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let (id, bytes) = shard(20_000, 1);
    keep(test.site(), &peer, id, &bytes);
    forget_all(test.site());
    test.restart();
    // In no community nobody asks, and nothing is known of how long others want things kept.
    assert_eq!(hosting_step(test.site()).expect("step").entered, 0);
    circle.enter(test.site());
    let site = test.site();
    // Until it has looked, nothing is called missing.
    assert_eq!(list_shards(site, &peer, &ListShards { after: None }).expect_err("unknown").code, RefusalCode::Busy);
    assert_eq!(read_shard(site, &peer, id, 0..10).expect_err("unknown").code, RefusalCode::Busy);
    assert!(matches!(ask(site, &peer, &[range(id, 0, 16_384)], false), Audited::Unavailable));
    assert_eq!(hosting_step(site).expect("step").entered, 1);
    assert_eq!(read_shard(site, &peer, id, 0..20_000).expect("read"), bytes);
    assert_eq!(hosting_step(site).expect("step").entered, 0);
}

fn head(circle: &Circle, before: Option<&VerifiedHead>, text: &str) -> VerifiedHead {
    let made = Head::next(circle.log.community(), circle.one.id(), before, UnixMillis(1), text.into()).expect("head");
    let bytes = made.sign(&circle.one.device).encode();
    Head::verify(&bytes, circle.log.roster(), SignedBy::PresentBox).expect("head")
}

#[test]
fn heads_grow_and_the_newest_are_given_back() {
    let (mut test, circle) = started();
    let (peer, stranger) = (circle.one.peer(test.site()), circle.other.peer(test.site()));
    let give = |site: &Site, peer: &Peer, head: &VerifiedHead| {
        keep_head(site, peer, &KeepHead { head: head.signed().encode().into() })
    };
    let first = head(&circle, None, "a");
    let second = head(&circle, Some(&first), "b");
    let fork = head(&circle, Some(&first), "c");
    assert_eq!(give(test.site(), &peer, &second).expect("kept").sequence, 1);
    restart(&mut test, &circle);
    let site = test.site();
    assert_eq!(give(site, &peer, &second).expect("again").sequence, 1);
    for late in [&first, &fork] {
        assert_eq!(give(site, &peer, late).expect_err("not later").code, RefusalCode::Malformed);
    }
    assert_eq!(give(site, &stranger, &second).expect_err("foreign").code, RefusalCode::BadSignature);
    let noise = keep_head(site, &peer, &KeepHead { head: vec![7; 100].into() });
    assert_eq!(noise.expect_err("noise").code, RefusalCode::BadSignature);

    let mut last = second;
    let mut refused = 0;
    for _ in 0..200 {
        last = head(&circle, Some(&last), "next");
        refused += usize::from(give(site, &peer, &last).is_err());
    }
    assert_eq!(refused, 200 + 1 - 144, "the rest waits for another day");
    site.hosted.clock.pass_days(40);
    last = head(&circle, Some(&last), "much later");
    give(site, &peer, &last).expect("kept");
    let page = list_heads(site, &peer, &ListHeads { limit: 200, before: None }).expect("list");
    assert_eq!(page.heads.len(), 16);
    assert_eq!(page.heads[0].as_slice(), last.signed().encode());
    assert!(list_heads(site, &stranger, &ListHeads { limit: 9, before: None }).expect("list").heads.is_empty());
    let left = site.catalog.reader().read(|tx| {
        let (row, _) = hosting::owner(tx, &circle.one.id())?.expect("owner");
        hosting::heads(tx, row, None, u8::MAX)
    });
    assert_eq!(left.expect("read").len(), 64, "the newest of those whose window is over stay");
}

#[test]
fn what_is_here_is_entered_whatever_the_quota_and_one_bad_file_stops_none_of_the_others() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let shards: Vec<(ShardId, Vec<u8>)> = (0..4).map(|seed| shard(40_000, seed)).collect();
    for (id, bytes) in &shards {
        keep(test.site(), &peer, *id, bytes);
    }
    forget_all(test.site());
    // A quarter of it, for half of the places, is less than one of them.
    test.limits.given_bytes = Some(80_000);
    test.restart();
    circle.enter(test.site());
    let site = test.site();
    let path = |id: ShardId| test.dir().hosted_dir().join(ObjectName::Shard(circle.one.id(), id).to_string());
    let (orphan, bad) = (shards[0].0, shards[1].0);
    assert!(matches!(offer(site, &peer, orphan, 40_000), ShardOffer::Held { .. }), "its bytes are here");
    assert!(matches!(offer(site, &peer, shard(40_000, 9).0, 40_000), ShardOffer::OverQuota { .. }));
    fs::rename(path(bad), test.dir().root().join("bad")).expect("move");
    // It is there, and reading it fails.
    fs::create_dir(path(bad)).expect("folder");
    assert_eq!(hosting_step(site).expect("step").entered, 2);
    assert_eq!(listed(site, &peer).len(), 3);
    assert!(matches!(ask(site, &peer, &[range(bad, 0, 16_384)], false), Audited::Unavailable), "no verdict");
    assert_eq!(read_shard(site, &peer, bad, 0..10).expect_err("unread").code, RefusalCode::Fault);
    let offered = offer_shard(site, &peer, &OfferShard { shard: bad, len: 40_000, window_days: 1 });
    assert!(offered.expect_err("unread").sentence.contains("no loss"));
    let (gone, _) = shard(10, 8);
    assert!(matches!(ask(site, &peer, &[range(gone, 0, 10)], false), Audited::NotFound(ids) if ids == [gone]));
}

#[test]
fn a_disk_that_was_away_while_the_catalog_was_made_anew_is_missed_and_found_again() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let (id, bytes) = shard(20_000, 1);
    keep(test.site(), &peer, id, &bytes);
    let (folder, root) = (test.dir().hosted_dir(), test.dir().root().to_owned());
    let elsewhere = root.join("elsewhere");
    let unmount = || {
        fs::rename(&folder, &elsewhere).expect("unmount");
        fs::create_dir(&folder).expect("mount point");
    };
    let mount = |to: &str| {
        fs::rename(&folder, root.join(to)).expect("mount point");
        fs::rename(&elsewhere, &folder).expect("mount");
    };

    // The catalog before gave its marker.
    unmount();
    test.stop();
    crate::operations::rebuild::rebuild(&test.dir(), test.vault(), None, &mut |_| {}).expect("rebuild");
    test.restart();
    circle.enter(test.site());
    assert!(matches!(offer(test.site(), &peer, id, 20_000), ShardOffer::NoRoom));
    mount("first");
    assert_eq!(hosting_step(test.site()).expect("step").entered, 1);

    // Nothing of it was left: a folder is made in the mount point, and gives way while nothing was promised in it.
    forget_all(test.site());
    unmount();
    test.restart();
    circle.enter(test.site());
    assert!(matches!(offer(test.site(), &peer, id, 20_000), ShardOffer::Send { .. }));
    mount("second");
    assert!(matches!(ask(test.site(), &peer, &[range(id, 0, 16_384)], false), Audited::Unavailable));
    assert_eq!(hosting_step(test.site()).expect("step").entered, 1);
    assert!(matches!(ask(test.site(), &peer, &[range(id, 0, 16_384)], false), Audited::Digest(_)));

    // What was promised in it is not given up for what is on the disk.
    forget_all(test.site());
    unmount();
    test.restart();
    circle.enter(test.site());
    let (other, other_bytes) = shard(30_000, 2);
    keep(test.site(), &peer, other, &other_bytes);
    mount("third");
    for id in [id, other] {
        assert!(matches!(ask(test.site(), &peer, &[range(id, 0, 16_384)], false), Audited::Unavailable));
    }
    assert!(matches!(offer(test.site(), &peer, id, 20_000), ShardOffer::NoRoom));
    // Until a person has brought both together.
    test.stop();
    let copied = std::process::Command::new("cp").arg("-a").args([&root.join("third/."), &folder]).status();
    assert!(copied.expect("cp").success());
    test.restart();
    circle.enter(test.site());
    assert_eq!(hosting_step(test.site()).expect("step").entered, 1);
    for id in [id, other] {
        assert!(matches!(ask(test.site(), &peer, &[range(id, 0, 16_384)], false), Audited::Digest(_)));
    }
}

#[test]
fn a_disk_that_went_and_came_back_is_used_and_a_folder_without_its_marker_is_not() {
    let (mut test, circle) = started();
    let peer = circle.one.peer(test.site());
    let ((a, a_bytes), (b, b_bytes)) = (shard(20_000, 1), shard(20_000, 2));
    keep(test.site(), &peer, a, &a_bytes);
    let site = test.site();
    assert!(matches!(offer(site, &peer, b, 20_000), ShardOffer::Send { from: 0 }));
    let mut piece = receive_piece(site, &peer, b, 0, 20_000, 20_000).expect("piece");
    piece.write(&b_bytes).expect("write");
    // Whoever held it open holds another folder now.
    let (folder, elsewhere) = (test.dir().hosted_dir(), test.dir().root().join("elsewhere"));
    fs::rename(&folder, &elsewhere).expect("unmount");
    assert!(std::process::Command::new("cp").arg("-a").args([&elsewhere, &folder]).status().expect("cp").success());
    assert_eq!(piece.finish().expect_err("not into that one").code, RefusalCode::Fault);
    keep_again(site, &peer, b, &b_bytes);
    let path = |folder: &std::path::Path| folder.join(ObjectName::Shard(circle.one.id(), b).to_string());
    assert!(path(&folder).exists() && !path(&elsewhere).exists());

    forget_all(test.site());
    fs::remove_file(folder.join("datis-hosted")).expect("remove");
    test.restart();
    circle.enter(test.site());
    assert!(matches!(offer(test.site(), &peer, a, 20_000), ShardOffer::NoRoom), "no marker is made beside shards");
    assert!(!folder.join("datis-hosted").exists());
}

/// Sends a shard from wherever it goes on.
fn keep_again(site: &Arc<Site>, peer: &Peer, shard: ShardId, bytes: &[u8]) {
    let from = match offer(site, peer, shard, bytes.len()) {
        ShardOffer::Held { .. } => return,
        ShardOffer::Send { from } => from,
        other => panic!("{other:?}"),
    };
    let len = u32::try_from(bytes.len()).expect("short");
    let mut piece = receive_piece(site, peer, shard, from, len, len - from).expect("piece");
    piece.write(&bytes[from as usize..]).expect("write");
    piece.finish().expect("finish").expect("all is there");
}

#[test]
fn a_failed_sync_bars_the_folder_and_not_the_box() {
    let (test, _circle) = started();
    let failed = StoreError::Durability { step: "sync", path: "x".into(), source: std::io::Error::other("gone") };
    let refusal = test.site().refusal(folder::on_disk(failed).into());
    assert_eq!(refusal.code, RefusalCode::Fault);
    assert!(test.site().poisoned().is_none());
}

#[test]
fn a_shard_that_is_coming_in_is_not_offered_as_another_one() {
    let (test, circle) = started();
    let site = test.site();
    let peer = circle.one.peer(site);
    let (id, bytes) = shard(50_000, 1);
    offer(site, &peer, id, 50_000);
    let mut piece = receive_piece(site, &peer, id, 0, 50_000, 50_000).expect("piece");
    piece.write(&bytes[..49_999]).expect("write");
    let shorter = offer_shard(site, &peer, &OfferShard { shard: id, len: 1, window_days: 1 });
    assert_eq!(shorter.expect_err("it comes in").code, RefusalCode::Busy);
    piece.write(&bytes[49_999..]).expect("write");
    piece.finish().expect("finish").expect("all is there");
    // Nor does a part stay that is longer than what is offered then.
    let (other, bytes) = shard(50_000, 2);
    offer(site, &peer, other, 50_000);
    let mut piece = receive_piece(site, &peer, other, 0, 50_000, 50_000).expect("piece");
    piece.write(&bytes[..49_999]).expect("write");
    drop(piece);
    assert!(matches!(offer(site, &peer, other, 1), ShardOffer::Send { from: 0 }));
    let store = site.hosted.folder.store(site).expect("folder");
    assert_eq!(store.part_len(circle.one.id(), other).expect("look"), 0);
}

#[test]
fn a_new_member_that_says_it_gives_everything_gets_no_more_than_a_quarter_of_a_place() {
    let mut test = TestBox::start();
    test.limits.given_bytes = Some(800_000);
    test.restart();
    let circle = Circle::around(test.site());
    let site = test.site();
    let peer = circle.one.peer(site);
    for (said, left) in [(u64::MAX / 2, 105_000), (400_000, 52_500)] {
        let record = AddressRecord {
            version: datis_engine::format::VERSION,
            community: circle.log.community(),
            member: circle.one.id(),
            addresses: Vec::new(),
            sequence: 1,
            ttl: TTL_DEFAULT,
            issued_at: UnixMillis(1),
            gives_bytes: Some(said),
        };
        let signed = record.sign(&circle.one.device).encode();
        let told = site
            .catalog
            .writer()
            .write(|tx| crate::catalog::community::set_record(tx, &circle.one.id(), &signed, UnixMillis(1)));
        told.expect("told");
        testing::forget(site);
        let answer = offer(site, &peer, shard(10, 1).0, 200_000);
        assert!(matches!(answer, ShardOffer::OverQuota { left: found } if found == left), "{said}: {answer:?}");
    }
}

#[test]
fn a_box_that_was_taken_over_cannot_hide_its_heads_nor_use_up_their_numbers() {
    let (test, mut circle) = started();
    let site = test.site();
    let owner = circle.one.id();
    let signed = |circle: &Circle, device: &SigningKey, sequence: u64| {
        let head = Head {
            version: datis_engine::format::VERSION,
            community: circle.log.community(),
            member: owner,
            sequence,
            previous: HeadHash::from_bytes([0; HeadHash::LEN]),
            made_at: UnixMillis(1),
            catalog: b"noise".to_vec(),
        };
        head.sign(device).encode()
    };
    let give = |peer: &Peer, head: &[u8]| keep_head(site, peer, &KeepHead { head: head.to_vec().into() });
    let peer = circle.one.peer(site);
    let good = signed(&circle, &circle.one.device, 7);
    give(&peer, &good).expect("kept");
    let too_far = signed(&circle, &circle.one.device, i64::MAX as u64);
    assert_eq!(give(&peer, &too_far).expect_err("far above").code, RefusalCode::Malformed);
    for sequence in 8..48 {
        give(&peer, &signed(&circle, &circle.one.device, sequence * 1_000)).expect("kept");
    }
    // Page by page, all that is kept is given.
    let sequence_of =
        |bytes: &[u8]| Head::verify(bytes, circle.log.roster(), SignedBy::AnyBox).expect("head").head().sequence;
    let (mut before, mut found) = (None, Vec::new());
    loop {
        let page = list_heads(site, &peer, &ListHeads { limit: 16, before }).expect("list").heads;
        let Some(last) = page.last() else { break };
        before = Some(sequence_of(last));
        found.extend(page.iter().map(|head| head.to_vec()));
    }
    assert_eq!((found.len(), found.last()), (41, Some(&good)));

    // The box that takes the place goes on after the one that it chose, also where a number was used.
    let new = new_key();
    circle.say_for_one(site, Change::Rebind { member: owner, device: new.public_key() }, &new);
    let peer = Peer { may_write: true, ..peer_by_key(site, &new.public_key()).expect("the new box") };
    for sequence in [8_000, 8_001] {
        give(&peer, &signed(&circle, &new, sequence)).expect("kept");
    }
    assert_eq!(give(&peer, &signed(&circle, &new, 8_000)).expect_err("its own").code, RefusalCode::Malformed);
    let page = list_heads(site, &peer, &ListHeads { limit: 3, before: None }).expect("list").heads;
    let numbers: Vec<u64> = page
        .iter()
        .map(|head| Head::verify(head, circle.log.roster(), SignedBy::AnyBox).expect("head").head().sequence)
        .collect();
    assert_eq!(numbers, [8_001, 8_000, 47_000]);
    let choice = datis_engine::community::head::choose(
        &page.iter().map(|head| (circle.me, head.to_vec())).collect::<Vec<_>>(),
        owner,
        circle.log.roster(),
    );
    assert_eq!(choice.chosen.map(|head| head.head().sequence), Some(8_001));
}
