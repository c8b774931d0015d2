//! What only external retention keeps: it leaves the box once the others have all of it, and is read from them.

use std::path::{Path, PathBuf};

use harness::community::{community, wait_until_outside};
use harness::{Finished, Machine, Random, TestBox, wait_for, within};
use serde_json::Value;

use crate::saved::{SPREAD, boxes};

/// What each version of the source has, in packs of its own.
const LEDGER_BYTES: usize = 3_000_000;

/// A source of one folder, of which each version shares nothing with the one before.
struct Papers {
    folder: PathBuf,
}

impl Papers {
    fn beside(the_box: &TestBox) -> Self {
        let folder = the_box.beside().join("papers");
        std::fs::create_dir(&folder).expect("a folder");
        Self { folder }
    }

    /// Backs the next version up, and keeps a copy of it beside the source.
    fn back_up(&self, machine: &Machine, version: u64) -> (String, PathBuf) {
        let copy = self.folder.with_extension(version.to_string());
        std::fs::create_dir(&copy).expect("a folder");
        for folder in [&copy, &self.folder] {
            std::fs::write(folder.join("ledger"), Random::new(version).bytes(LEDGER_BYTES)).expect("a file");
        }
        (machine.backup(&self.folder).snapshot, copy)
    }
}

fn prune(owner: &TestBox) -> Value {
    owner.command(["prune", "--force", "--grace", "0", "--json"]).run().expect_success().json()
}

/// An empty list.
fn none() -> Value {
    Value::Array(Vec::new())
}

fn keep(owner: &TestBox, local: &str, external: &str) {
    let _set =
        owner.command(["policy", "--machine", "desk", "--local", local, "--external", external]).run().expect_success();
}

/// Whether the box keeps a snapshot outside only, as it tells the workstation.
fn is_outside_only(machine: &Machine, snapshot: &str) -> bool {
    let listed = machine.run(["snapshots", "--json"]).expect_success().json();
    let row = listed.as_array().into_iter().flatten().find(|row| row["id"] == snapshot);
    row.expect("it is on the list")["outside_only"].as_bool().expect("it is said")
}

/// What the files of all packs take on the box's disk.
fn bytes_of_packs(owner: &TestBox) -> u64 {
    owner.packs().iter().map(|pack| pack.metadata().expect("a pack").len()).sum()
}

fn try_restore(machine: &Machine, what: (&str, &Papers), target: &Path) -> Finished {
    machine.command(["restore", "--json"]).arg(within(what.0, &what.1.folder)).arg("--to").arg(target).run()
}

fn assert_comes_back(machine: &Machine, (snapshot, papers): (&str, &Papers), was: &Path, target: &Path) {
    machine.restore_folder(snapshot, &papers.folder, target);
    let read = |folder: &Path| std::fs::read(folder.join("ledger")).expect("the ledger");
    assert!(read(was) == read(target), "byte for byte");
}

#[test]
fn what_only_external_retention_keeps_is_with_the_other_boxes_and_comes_from_there() {
    let mut all = boxes(&["bakery", "harbour master", "chandler", "smithy"]);
    let mut others = all.split_off(1);
    let mut owner = all.remove(0);
    let desk = owner.enrol("desk");
    let papers = Papers::beside(&owner);
    // The newest one stays here, whatever the local policy says; every other one leaves.
    keep(&owner, "1s/1s", "90d/1s");

    let (first, _) = papers.back_up(&desk, 0);
    let _outside = wait_until_outside(&owner, SPREAD);

    // Each pack is to be at two of three boxes, and two are away: not all of what comes now can be outside.
    others[1..].iter_mut().for_each(TestBox::kill);
    let logged = owner.log().len();
    let (old, was) = papers.back_up(&desk, 1);
    wait_for("the box to try", SPREAD, || owner.log()[logged..].contains("A peer does not answer").then_some(()));
    // By now another second has begun, of which a policy may keep one too.
    let (new, newest) = papers.back_up(&desk, 2);
    let (before, bytes_before) = (owner.packs(), bytes_of_packs(&owner));
    let waits = prune(&owner);
    let sent = waits["sent_outside"].as_array().expect("a list");
    assert!(waits["expired"] == none() && sent.iter().all(|sent| sent["snapshot"] == first.as_str()), "{waits}");
    assert!(!is_outside_only(&desk, &old), "it stays here until it is fully protected: {waits}");
    others[1..].iter_mut().for_each(TestBox::start_again);

    let _outside = wait_until_outside(&owner, SPREAD);
    let two_have_left = |report: &Value| report["outside_snapshots"] == 2;
    let sent = wait_for("the others have all", SPREAD, || Some(prune(&owner)).filter(two_have_left));
    assert_eq!((&sent["kept_snapshots"], &sent["expired"]), (&1.into(), &none()), "{sent}");
    wait_for("the packs give up their place", SPREAD, || {
        let _report = prune(&owner);
        (bytes_of_packs(&owner) + 2 * LEDGER_BYTES as u64 <= bytes_before).then_some(())
    });
    assert!(owner.packs().iter().all(|pack| before.contains(pack)), "nothing was written anew");
    assert!(is_outside_only(&desk, &old) && !is_outside_only(&desk, &new));
    let status = owner.status();
    assert_eq!(status["snapshots_outside"], 2, "{status}");
    assert!(status["kept_outside"]["bytes"].as_u64() >= Some(2 * LEDGER_BYTES as u64), "{status}");
    assert_eq!(status["damaged"]["packs"], 0, "{status}");
    let checked = owner.command(["verify", "--json"]).run().expect_success().json();
    assert_eq!(checked["snapshots_outside"], 2, "it is no damage: {checked}");
    let beside = owner.beside().to_owned();
    let target = |name: &str| beside.join(name);

    // One of two shards is enough, and of three boxes two have them.
    others.iter_mut().for_each(TestBox::kill);
    let refused = try_restore(&desk, (&old, &papers), &target("refused"));
    assert_ne!(refused.code(), Some(0), "{refused}");
    assert!(refused.error_text().contains("too few of them answer now"), "it says why: {refused}");
    assert!(!target("refused").join("ledger").exists(), "and makes nothing up");
    assert_comes_back(&desk, (&new, &papers), &newest, &target("newest"));
    owner.assert_sound();
    others[1..].iter_mut().for_each(TestBox::start_again);
    // A box that did not answer is left alone for a minute; one that has started anew asks at once.
    owner.stop();
    owner.start_again();
    wait_for("what is outside again", SPREAD, || {
        let _gone = std::fs::remove_dir_all(target("back"));
        (try_restore(&desk, (&old, &papers), &target("back")).code() == Some(0)).then_some(())
    });
    assert_comes_back(&desk, (&old, &papers), &was, &target("again"));
    others[0].start_again();

    let refused = community(&owner, &["leave"]).run();
    let _refused = refused.expect_refusal(1, &["2 snapshots are kept outside only"]);
    keep(&owner, "90d/1s", "90d/1s");
    let _report = prune(&owner);
    wait_for("they are home", SPREAD, || (owner.status()["snapshots_outside"] == 0).then_some(()));
    assert!(owner.packs() == before, "its files are here again");
    others.iter_mut().for_each(TestBox::kill);
    assert_comes_back(&desk, (&old, &papers), &was, &target("home"));
    owner.assert_sound();
}
