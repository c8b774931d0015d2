//! Proofs: what they read, what they find, when they are due.

use super::*;
use crate::operations::Pace;

fn due(site: &Arc<Site>) -> bool {
    prove_next(site, Pace::Steady, &|| ()).expect("prove")
}

#[test]
fn a_proof_reads_files_out_of_the_newest_snapshot_and_is_kept() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    let mut entries: Vec<_> =
        (0..200).map(|n| (format!("d/f{n:03}").into_bytes(), file(&noise(500 + n, n as u64)))).collect();
    entries.push((b"d".to_vec(), Planted::Dir));
    entries.push((b"large".to_vec(), file(&noise(200_000, 9_999))));
    alice.back_up_tree(site, entries);
    let id = alice.machine.id;
    assert_eq!(last_proof(site, &Scope::All, &id).expect("none yet"), None);
    let proof = prove(site, &Scope::All, &id, 30, [1; 32]).expect("proof");
    assert_eq!((proof.files, proof.failures), (30, 0));
    assert!(proof.bytes >= 30 * 500, "{proof:?}");
    assert_eq!(last_proof(site, &Scope::All, &id).expect("kept"), Some(proof.clone()));
    let same = prove(site, &Scope::All, &id, 30, [1; 32]).expect("proof");
    assert_eq!((same.files, same.bytes), (proof.files, proof.bytes), "the same seed draws the same files");
    let all = prove(site, &Scope::All, &id, 100_000, [2; 32]).expect("proof");
    assert!(all.files > 120 && all.files <= 201, "{all:?}");

    assert!(is_not_found(prove(site, &Scope::All, &bob.machine.id, 1, [1; 32])), "no snapshot");
    assert!(is_not_found(prove(site, &only(&[bob.machine.id]), &id, 1, [1; 32])));
    assert!(is_not_found(last_proof(site, &only(&[bob.machine.id]), &id)));
}

#[test]
fn a_proof_finds_what_cannot_be_read() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    let id = client.machine.id;
    client.back_up_tree(site, tree(&[("lost", file(&noise(9_000, 1)))]));
    let before = packs(site);
    let snapshot = client.back_up_tree(site, tree(&[("lost", file(&noise(9_000, 1))), ("new", file(b"new"))])).snapshot;
    for name in before {
        site.store.delete(name).expect("delete");
    }
    let proof = prove(site, &Scope::All, &id, 10, [1; 32]).expect("proof");
    assert_eq!((proof.files, proof.bytes, proof.failures), (1, 3, 1));
    assert_eq!((proof.failed[0].snapshot, proof.failed[0].path.as_slice()), (snapshot, &b"lost"[..]));
    lose_packs(site);
    let proof = prove(site, &Scope::All, &id, 10, [1; 32]).expect("proof");
    assert_eq!((proof.files, proof.failures), (0, 1), "the listing itself");
    assert_eq!(last_proof(site, &Scope::All, &id).expect("kept"), Some(proof));
}

#[test]
fn each_machine_with_snapshots_is_proved_once_a_week() {
    let test = TestBox::start();
    let site = test.site();
    let clients = ["alice", "bob", "none"].map(|name| Client::enrol(site, name));
    for client in &clients[..2] {
        client.back_up_tree(site, tree(&[("a", file(b"1"))]));
    }
    assert_eq!([due(site), due(site), due(site)], [true, true, false]);
    let files = |client: &Client| last_proof(site, &Scope::All, &client.machine.id).expect("look").map(|p| p.files);
    assert_eq!(clients.each_ref().map(files), [Some(1), Some(1), None]);
    // An empty snapshot has nothing to read, and is not tried again and again.
    clients[2].back_up_tree(site, Vec::new());
    assert_eq!([due(site), due(site)], [true, false]);
    assert_eq!(files(&clients[2]), Some(0));
}
