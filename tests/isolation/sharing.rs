//! What one machine may learn or use of another's data: what it can prove to have had, once the box has checked it, and
//! nothing else.

use datis_engine::enrolment::{EnrolmentCode, EnrolmentUri};
use datis_engine::ids::{ChunkId, Witness};
use datis_engine::wire::{Commit, ListSnapshots, Locate, ReadSegment, RefusalCode, Renew};
use harness::raw::{RawMachine, fresh_key};
use rcgen::KeyPair;

use crate::scene::{Scene, enrol};

/// Whether the chunks need not be sent, as the box says to machine b.
fn asked_by_b(scene: &Scene, chunks: &[(ChunkId, Witness)]) -> Vec<bool> {
    scene.b.raw.have(&mut scene.b.connect(), scene.b.session, chunks).expect("an answer")
}

#[test]
fn chunks_of_others_are_known_only_to_those_who_prove_to_have_had_them_and_only_after_the_box_has_checked_them() {
    let scene = Scene::set();
    let uncommitted = scene.a.raw.keys.name(b"not committed by machine-a");
    let (right, id) = (scene.a.stored.chunks[0], scene.a.stored.chunks[0].0);
    let of_b = scene.b.stored.chunks[0];
    scene.boxed.wait_until_verified();
    let guesses = [
        (id, Witness::from_bytes([0; 16])),
        (id, of_b.1),
        (id, scene.a.stored.chunks[1].1),
        (scene.a.stored.chunks[1].0, right.1),
        (ChunkId::from_bytes([0xcc; ChunkId::LEN]), right.1),
    ];
    assert_eq!(asked_by_b(&scene, &guesses), [false; 5], "a guess was taken for a proof");
    assert_eq!(asked_by_b(&scene, &[right, of_b]), [true, true], "a proof was not taken");
    // What only lies in an open backup of another machine is nobody else's business yet, proof or not: the box may or may
    // not have checked it by now, but its own machine knows it in either case.
    let own = scene.a.raw.have(&mut scene.a.connect(), scene.a.session, &[uncommitted]).expect("an answer");
    assert_eq!(own, [true]);
}

#[test]
fn a_pack_of_an_open_backup_can_neither_be_located_nor_read_nor_named_by_another_machine() {
    let scene = Scene::set();
    let (id, _) = scene.a.raw.keys.name(b"not committed by machine-a");
    let pack = scene.a.uncommitted.id;
    let mut b = scene.b.connect();
    let located = b.ask(&Locate { ids: id.as_bytes().to_vec() }).expect("an answer");
    assert_eq!((located.packs.len(), located.places), (0, vec![None]));
    let read = b.ask(&ReadSegment { pack, segment: 0, ids: id.as_bytes().to_vec() }).expect_err("refused");
    assert_eq!(read.code, RefusalCode::NotFound);
    let made = scene.b.raw.make("open", &[], &[("stolen", id, 26)]);
    let mut connection = scene.b.connect();
    assert_eq!(scene.b.raw.put(&mut connection, scene.b.session, &made.pack).expect("put").status, 204);
    let commit = connection.ask(&Commit { session: scene.b.session, signed: made.signed }).expect_err("refused");
    assert_eq!(commit.code, RefusalCode::ChunksMissing);
    // Its own machine finds it.
    let located = scene.a.connect().ask(&Locate { ids: id.as_bytes().to_vec() }).expect("an answer");
    assert_eq!(located.packs, [pack]);
}

#[test]
fn a_snapshot_that_names_chunks_of_others_without_proof_is_refused_and_leaves_nothing() {
    let scene = Scene::set();
    scene.boxed.wait_until_verified();
    let ((foreign, witness), len) = (scene.a.stored.chunks[0], 39);
    for id in [foreign, ChunkId::from_bytes([0xcc; ChunkId::LEN])] {
        let mut connection = scene.b.connect();
        let made = scene.b.raw.make("open", &[("own", b"sent by b")], &[("stolen", id, len)]);
        assert_eq!(scene.b.raw.put(&mut connection, scene.b.session, &made.pack).expect("put").status, 204);
        let refused = connection.ask(&Commit { session: scene.b.session, signed: made.signed }).expect_err("refused");
        assert_eq!(refused.code, RefusalCode::ChunksMissing);
        assert!(connection.ask(&Locate { ids: id.as_bytes().to_vec() }).expect("an answer").places[0].is_none());
        let listed = connection.ask(&ListSnapshots { source: None, after: None }).expect("an answer");
        assert_eq!(listed.snapshots.len(), 1, "a snapshot that was refused is listed");
    }
    // With the proof, the same snapshot is taken.
    let mut connection = scene.b.connect();
    let known = scene.b.raw.have(&mut connection, scene.b.session, &[(foreign, witness)]).expect("an answer");
    assert_eq!(known, [true]);
    let made = scene.b.raw.make("open", &[("own", b"sent by b")], &[("shared", foreign, len)]);
    assert_eq!(scene.b.raw.put(&mut connection, scene.b.session, &made.pack).expect("put").status, 204);
    let receipt = connection.ask(&Commit { session: scene.b.session, signed: made.signed.clone() }).expect("a receipt");
    assert_eq!(receipt.snapshot, made.signed.id());
}

#[test]
fn who_shares_one_chunk_of_a_segment_reads_that_chunk_and_none_of_its_neighbours() {
    let scene = Scene::set();
    scene.boxed.wait_until_verified();
    let [(shared, witness), (neighbour, _)] = scene.a.stored.chunks[..] else { panic!("two files") };
    let pack = scene.a.stored.pack;
    let mut b = scene.b.connect();
    assert_eq!(scene.b.raw.have(&mut b, scene.b.session, &[(shared, witness)]).expect("an answer"), [true]);
    let read = |b: &mut harness::raw::Raw, ids: &[ChunkId]| {
        let ids = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        b.ask(&ReadSegment { pack, segment: 0, ids })
    };
    assert!(read(&mut b, &[shared]).is_err(), "a proof alone gives no right to read");
    let made = scene.b.raw.make("open", &[], &[("shared", shared, 39)]);
    assert_eq!(scene.b.raw.put(&mut b, scene.b.session, &made.pack).expect("put").status, 204);
    b.ask(&Commit { session: scene.b.session, signed: made.signed }).expect("a receipt");

    let frame = read(&mut b, &[shared]).expect("its own file");
    assert!(!frame.whole && frame.plain_len == 39, "more than was asked for: {} bytes", frame.plain_len);
    for ids in [&[neighbour][..], &[shared, neighbour], &[neighbour, shared], &[]] {
        let refused = read(&mut b, ids).expect_err("a neighbour was read");
        assert_eq!(refused.code, RefusalCode::NotFound, "{ids:?}");
    }
    let located = b.ask(&Locate { ids: [*shared.as_bytes(), *neighbour.as_bytes()].concat() }).expect("an answer");
    assert!(located.places[0].is_some() && located.places[1].is_none());
    assert!(read(&mut scene.a.connect(), &[neighbour]).expect("its own pack").whole);
}

#[test]
fn a_record_about_another_machine_or_signed_by_one_or_of_another_source_is_refused() {
    let scene = Scene::set();
    let made = scene.a.raw.make("open", &[("file", b"content")], &[]);
    let record = |change: &dyn Fn(&mut datis_engine::format::snapshot::SnapshotRecord)| {
        let own = scene.b.raw.make("open", &[("file", b"content")], &[]);
        let mut connection = scene.b.connect();
        assert_eq!(scene.b.raw.put(&mut connection, scene.b.session, &own.pack).expect("put").status, 204);
        let mut record = own.signed.open(&scene.b.raw.public_key()).expect("own record");
        change(&mut record);
        let signed = scene.b.raw.sign(&record);
        connection.ask(&Commit { session: scene.b.session, signed }).err().map(|refusal| refusal.code)
    };
    let of_a = scene.a.raw.enrolled.machine;
    assert_eq!(record(&|r| r.machine = of_a), Some(RefusalCode::BadSignature), "about another machine");
    assert_eq!(record(&|r| r.source = "documents".parse().expect("name")), Some(RefusalCode::BadSignature));
    let mut connection = scene.b.connect();
    let session = scene.b.raw.begin(&mut connection, "open again").expect("begin");
    let refused = connection.ask(&Commit { session, signed: made.signed }).expect_err("signed by another machine");
    assert_eq!(refused.code, RefusalCode::BadSignature);
}

#[test]
fn a_commit_that_was_answered_before_closes_no_session_of_another_machine() {
    let scene = Scene::set();
    let mut b = scene.b.connect();
    let made = scene.b.raw.make("open", &[("file", b"content")], &[]);
    assert_eq!(scene.b.raw.put(&mut b, scene.b.session, &made.pack).expect("put").status, 204);
    let commit = |session| Commit { session, signed: made.signed.clone() };
    let receipt = b.ask(&commit(scene.b.session)).expect("a receipt");
    // The answer may have been lost, so the machine may ask again; it names a session of another machine this time.
    assert!(b.ask(&commit(scene.a.session)).map_or(true, |again| again == receipt));
    let chunks = [scene.a.stored.chunks[0]];
    assert!(scene.a.raw.have(&mut scene.a.connect(), scene.a.session, &chunks).is_ok(), "the session was closed");
}

#[test]
fn a_snapshot_is_listed_to_its_own_machine_alone() {
    let scene = Scene::set();
    for (who, other) in [(&scene.a, &scene.b), (&scene.b, &scene.a)] {
        for source in [None, Some("documents".parse().expect("name")), Some("open".parse().expect("name"))] {
            let listed = who.connect().ask(&ListSnapshots { source, after: None }).expect("an answer");
            let ids: Vec<_> = listed.snapshots.iter().map(|info| info.signed.id()).collect();
            assert!(!ids.contains(&other.stored.snapshot) && ids.len() <= 1, "{ids:?}");
        }
    }
}

#[test]
fn a_certificate_is_renewed_for_the_machine_s_own_key_alone() {
    let scene = Scene::set();
    let request = |key: &KeyPair| Renew { signing_request: RawMachine::signing_request(key) };
    let of_a = KeyPair::try_from(scene.a.raw.identity.key.as_slice()).expect("a key");
    let mut b = scene.b.connect();
    for key in [&of_a, &fresh_key()] {
        assert_eq!(b.ask(&request(key)).expect_err("refused").code, RefusalCode::BadSignature);
    }
    assert!(scene.a.connect().ask(&request(&of_a)).is_ok());
}

#[test]
fn a_code_enrols_once_and_a_wrong_one_is_refused_in_the_same_words_as_a_used_one() {
    let scene = Scene::set();
    let uri = scene.boxed.enrol_code("third", "laptop");
    assert!(RawMachine::enrol(&uri).is_ok());
    let used = RawMachine::enrol(&uri).err().expect("a used code");
    let mut guessed: EnrolmentUri = uri.trim().parse().expect("a URI");
    guessed.code = EnrolmentCode::generate().expect("random");
    let wrong = RawMachine::enrol(&guessed.to_string()).err();
    assert_eq!(used.code, RefusalCode::BadCode);
    assert_eq!(Some(used), wrong, "a used code is told from a wrong one");
    // A retired machine's name may be enrolled again; what the old one has is still nobody else's.
    scene.boxed.command(["retire", "--machine", "machine-a"]).run().expect_success();
    let successor = enrol(&scene.boxed, "machine-a");
    let listed = successor.connect().ask(&ListSnapshots { source: None, after: None }).expect("an answer");
    assert_eq!(listed.snapshots.len(), 0);
    let ids = scene.a.stored.chunks[0].0.as_bytes().to_vec();
    assert_eq!(successor.connect().ask(&Locate { ids }).expect("an answer").places, [None]);
}
