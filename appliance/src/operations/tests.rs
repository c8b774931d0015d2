//! The way of a backup through the operations: in, back out, and nothing to anybody else.

use datis_engine::ids::SnapshotId;
use datis_engine::store::{ObjectKind, ObjectName};
use datis_engine::units::UnixMillis;
use datis_engine::wire::{Abandon, Commit, Heartbeat, ListSnapshots, Locate, ReadSegment, RefusalCode, SnapshotState};

use super::accounts::Actor;
use super::testing::{Client, TestBox, body_of, files, new_key, noise, owned, pack_of, source};
use super::*;

#[test]
fn what_was_acknowledged_comes_back_also_after_a_restart() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let files = files(12, 1);
    let (receipt, sent) = client.back_up(test.site(), &files);
    assert!(sent > 12);
    assert!(receipt.verify(&test.site().vault.receipt_key.public_key()).is_ok());
    assert_eq!(client.restore(test.site(), &receipt.snapshot).expect("restore"), owned(&files));
    test.restart();
    assert_eq!(client.restore(test.site(), &receipt.snapshot).expect("restore"), owned(&files));
    assert_eq!(test.site().store.list(ObjectKind::Snapshot).expect("list"), [ObjectName::Snapshot(receipt.snapshot)]);
}

#[test]
fn an_unchanged_backup_sends_nothing_and_a_commit_may_be_asked_for_twice() {
    let test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    client.back_up(test.site(), &files(8, 1));
    let (_, sent) = client.back_up(test.site(), &files(8, 1));
    assert_eq!(sent, 0);

    let made = client.make(&test.site().vault.keys, &files(8, 1));
    let begun = client.begin(test.site(), None);
    assert!(!begun.nothing_known);
    let first = client.commit(test.site(), begun.session, &made).expect("commit");
    assert_eq!(client.commit(test.site(), begun.session, &made).expect("again"), first);
    assert_eq!(
        list_snapshots(test.site(), &client.machine, &ListSnapshots { source: None, after: None })
            .expect("list")
            .snapshots
            .len(),
        3
    );
}

#[test]
fn a_snapshot_that_names_a_missing_chunk_is_refused_and_leaves_nothing() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    let made = client.make(&site.vault.keys, &files(12, 1));
    for left_out in [0, made.chunks.len() / 2, made.chunks.len() - 1] {
        let session = client.begin(site, None).session;
        let mut chunks = made.chunks.clone();
        let gone = chunks.remove(left_out);
        chunks.retain(|chunk| *chunk != gone);
        // Each time another machine name would be known; the chunk itself was never sent by this one.
        let fresh = Client::enrol(site, &format!("m{left_out}"));
        let made = fresh.make(&site.vault.keys, &files(12, 1));
        let own = fresh.begin(site, None).session;
        fresh.put(site, own, &pack_of(site, &chunks)).expect("put");
        let refusal = fresh.commit(site, own, &made).expect_err("incomplete");
        assert_eq!(refusal.code, RefusalCode::ChunksMissing, "{refusal}");
        abandon(site, &client.machine, &Abandon { session }).expect("abandon");
        // What was missing can still be sent.
        fresh.put(site, own, &pack_of(site, &[gone])).expect("put");
        fresh.commit(site, own, &made).expect("commit");
    }
    assert_eq!(site.store.list(ObjectKind::Snapshot).expect("list").len(), 3);
}

#[test]
fn packs_that_are_not_what_they_say_are_refused() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    let session = client.begin(site, None).session;
    let pack = pack_of(site, &[noise(500_000, 1), noise(500_000, 2)]);
    let body = body_of(&pack);
    let refused = |body: &[u8]| client.put_bytes(site, session, pack.id, body, 70_000).expect_err("altered").code;
    // Where the ids stand, an altered directory is still one; that it is not the pack's own, verification finds.
    let start = body.len() - pack.bytes.len();
    for at in [0, 3, 5, start, start + 9, body.len() / 2, body.len() - 1] {
        let mut altered = body.clone();
        altered[at] ^= 1;
        assert_eq!(refused(&altered), RefusalCode::Corrupt, "byte {at}");
    }
    assert_eq!(refused(&body[..body.len() - 1]), RefusalCode::Corrupt);
    let huge = receive_pack(site, &client.machine, session, pack.id, 1 << 40).err().map(|r| r.code);
    assert_eq!(huge, Some(RefusalCode::TooLarge));
    for piece in [1, 7, 300_000, 5_000_000] {
        client.put_bytes(site, session, pack.id, &body, piece).expect("unaltered");
    }
    assert!(site.store.list(ObjectKind::Snapshot).expect("list").is_empty());
}

#[test]
fn a_backup_that_died_is_not_sent_again() {
    let mut test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let made = client.make(&test.site().vault.keys, &files(6, 1));
    let session = client.begin(test.site(), None).session;
    client.put(test.site(), session, &pack_of(test.site(), &made.chunks)).expect("put");
    test.restart();
    let refusal = client.commit(test.site(), session, &made).expect_err("sessions end with the process");
    assert_eq!(refusal.code, RefusalCode::SessionUnknown);
    let session = client.begin(test.site(), None).session;
    assert!(client.have(test.site(), session, &made.chunks).iter().all(|have| *have));
    client.commit(test.site(), session, &made).expect("commit");
}

#[test]
fn one_machine_can_neither_read_nor_detect_what_another_has() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, mallory) = (Client::enrol(site, "alice"), Client::enrol(site, "mallory"));
    let files = files(5, 1);
    let made = alice.make(&site.vault.keys, &files);
    let (receipt, _) = alice.back_up(site, &files);
    verify(site, None, &mut |_| {}).expect("verify");

    let ids: Vec<_> = made.chunks.iter().map(|c| site.vault.keys.name(c).0).collect();
    let all_ids: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
    let located = locate(site, &mallory.machine, &Locate { ids: all_ids.clone() }).expect("locate");
    assert!(located.packs.is_empty() && located.places.iter().all(Option::is_none));

    let pack = locate(site, &alice.machine, &Locate { ids: all_ids }).expect("locate").packs[0];
    let ask = |pack| {
        let message = ReadSegment { pack, segment: 0, ids: ids[0].as_bytes().to_vec() };
        read_segment(site, &mallory.machine, &message).expect_err("foreign")
    };
    let absent = datis_engine::ids::PackId::from_bytes([9; 32]);
    assert_eq!(ask(pack).code, RefusalCode::NotFound);
    assert_eq!(
        ask(pack).sentence.replace(&pack.to_string(), ""),
        ask(absent).sentence.replace(&absent.to_string(), "")
    );

    // Without the witness, an id is worth nothing.
    let session = mallory.begin(site, None).session;
    let mut guess = datis_engine::wire::Have { session, chunks: Vec::new() };
    for id in &ids {
        guess.push(id, &datis_engine::ids::Witness::from_bytes([0; 16]));
    }
    let known = have(site, &mallory.machine, &guess).expect("have");
    assert!((0..ids.len()).all(|at| !known.get(at)));
    let stolen = mallory.make(&site.vault.keys, &files);
    assert_eq!(mallory.commit(site, session, &stolen).expect_err("not proven").code, RefusalCode::ChunksMissing);

    // Nor can the session or the record of another be used.
    let foreign = Commit { session, signed: made.signed.clone() };
    assert_eq!(commit(site, &alice.machine, &foreign).expect_err("foreign session").code, RefusalCode::SessionUnknown);
    assert_eq!(commit(site, &mallory.machine, &foreign).expect_err("foreign record").code, RefusalCode::BadSignature);
    assert!(!mallory.try_begin(site, Some(receipt.snapshot), [1; 16]).is_ok_and(|begun| begun.base_kept));
}

#[test]
fn what_two_machines_have_is_stored_once_after_verification() {
    let mut test = TestBox::start();
    let (alice, bob) = (Client::enrol(test.site(), "alice"), Client::enrol(test.site(), "bob"));
    let shared = files(6, 1);
    alice.back_up(test.site(), &shared);
    assert!(bob.begin(test.site(), None).nothing_known, "nothing is verified yet");
    let report = verify(test.site(), None, &mut |_| {}).expect("verify");
    assert!(report.is_sound() && report.packs == 1);
    test.restart();
    let (receipt, sent) = bob.back_up(test.site(), &shared);
    assert_eq!(sent, 0, "all of it is known from alice");
    assert_eq!(bob.restore(test.site(), &receipt.snapshot).expect("restore"), owned(&shared));
    assert_eq!(test.site().store.list(ObjectKind::Pack).expect("list").len(), 1);
}

#[test]
fn the_same_run_gets_its_session_back_and_another_does_not() {
    let test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let first = client.try_begin(test.site(), None, [1; 16]).expect("begin");
    assert_eq!(client.try_begin(test.site(), None, [1; 16]).expect("again").session, first.session);
    assert_eq!(client.try_begin(test.site(), None, [2; 16]).expect_err("other run").code, RefusalCode::SessionTaken);
    abandon(test.site(), &client.machine, &Abandon { session: first.session }).expect("abandon");
    client.try_begin(test.site(), None, [2; 16]).expect("free now");
}

#[test]
fn a_code_enrols_one_machine_once() {
    let test = TestBox::start();
    let site = test.site();
    let name = "caisse-1".parse().expect("name");
    let code = create_enrolment_code(site, &Actor::console(), &name, datis_engine::ids::Profile::Laptop).expect("code");
    let wrong = datis_engine::enrolment::EnrolmentCode::generate().expect("random");
    let refused = |code: &_| redeem_enrolment_code(site, code, new_key().public_key()).expect_err("refused");
    let text = refused(&wrong);
    let key = new_key();
    let machine = redeem_enrolment_code(site, &code, key.public_key()).expect("enrol");
    assert_eq!(refused(&code), text, "used and wrong codes look alike");
    assert_eq!(machine_by_key(site, &key.public_key()).expect("known").id, machine.id);
    assert!(matches!(
        create_enrolment_code(site, &Actor::console(), &name, datis_engine::ids::Profile::Laptop),
        Err(OperationError::NameTaken { .. })
    ));
    retire_machine(site, &Actor::console(), &name).expect("retire");
    assert_eq!(machine_by_key(site, &key.public_key()).expect_err("retired").code, RefusalCode::UnknownMachine);
    create_enrolment_code(site, &Actor::console(), &name, datis_engine::ids::Profile::Laptop)
        .expect("the name is free again");
}

#[test]
fn a_policy_reaches_the_machine() {
    let test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let local: datis_engine::retention::RetentionPolicy = "7d/1d".parse().expect("policy");
    let change = PolicyChange { local: Some(local.clone()), ..PolicyChange::default() };
    set_policy(test.site(), &Actor::console(), &client.machine.name, &change).expect("set");
    let message = Heartbeat { client_version: "1\n2".to_owned(), now: UnixMillis(0) };
    let told = heartbeat(test.site(), &client.machine, &message).expect("heartbeat");
    assert_eq!(told.local, local);
    assert_eq!(list_machines(test.site()).expect("list")[0].client_version.as_deref(), Some("12"));
}

#[test]
fn a_damaged_pack_is_named_and_its_chunks_are_asked_for_again() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "caisse-1");
    let files = files(6, 1);
    let (receipt, sent) = client.back_up(site, &files);
    let ObjectName::Pack(pack) = site.store.list(ObjectKind::Pack).expect("list")[0] else { panic!("a pack") };
    let path = test.dir().store_dir().join(ObjectName::Pack(pack).to_string());
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[5_000] ^= 1;
    std::fs::write(&path, &bytes).expect("damage");

    let refusal = client.restore(site, &receipt.snapshot).expect_err("damaged");
    assert_eq!(refusal.code, RefusalCode::Damaged);
    assert!(refusal.sentence.contains(&pack.to_string()), "{refusal}");
    let report = verify(site, None, &mut |_| {}).expect("verify");
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(report.snapshots_affected, [receipt.snapshot]);
    let page = list_snapshots(site, &client.machine, &ListSnapshots { source: Some(source()), after: None });
    assert_eq!(page.expect("list").snapshots[0].state, SnapshotState::Damaged);

    // The next backup is not built on the damaged one, and heals what it still has.
    assert!(!client.begin(site, Some(receipt.snapshot)).base_kept);
    site.sessions.close_all();
    let (healed, again) = client.back_up(site, &files);
    assert_eq!(again, sent);
    assert_eq!(client.restore(site, &healed.snapshot).expect("restore"), owned(&files));
    assert_eq!(client.restore(site, &receipt.snapshot).expect("the old one too"), owned(&files));
}

#[test]
fn snapshots_come_in_pages_newest_first() {
    let test = TestBox::start();
    let client = Client::enrol(test.site(), "caisse-1");
    let mut ids: Vec<SnapshotId> = (0..5).map(|n| client.back_up(test.site(), &files(2, n)).0.snapshot).collect();
    ids.reverse();
    let list =
        |after| list_snapshots(test.site(), &client.machine, &ListSnapshots { source: None, after }).expect("list");
    let listed = |after| list(after).snapshots.iter().map(|s| s.signed.id()).collect::<Vec<_>>();
    assert_eq!(listed(None), ids);
    assert_eq!(listed(Some(ids[2])), ids[3..]);
    let unknown = ListSnapshots { source: None, after: Some(SnapshotId::from_bytes([1; 32])) };
    assert_eq!(
        list_snapshots(test.site(), &client.machine, &unknown).expect_err("unknown").code,
        RefusalCode::NotFound
    );
}
