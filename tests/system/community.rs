//! Boxes that belong together: one comes in, packs spread over the others, and a lost box comes back out of its kit.

use std::path::Path;

use datis_engine::format::{decode_all, encode};
use datis_engine::ids::{EntryHash, ShardId};
use datis_engine::wire::peers::{
    Condemn, Exchange, Exchanged, HeadPage, ListHeads, ListShards, OfferShard, SHARD_PATH, Wish,
};
use datis_engine::wire::reach::Ping;
use datis_engine::wire::{Message, RefusalCode};
use harness::community::{community, members, neighbour, neighbour_with, unite, wait_until_outside};
use harness::people::admin;
use harness::wire::Recorder;
use harness::{Invocation, Random, TestBox, wait_for};
use minicbor::bytes::ByteVec;
use serde_json::Value;

use crate::saved::{CANARIES, SPREAD, Saved, as_the_box, blank, boxes, files_of, newest_file, wait_until_whole};

#[test]
fn a_lost_box_comes_back_out_of_its_kit_when_as_many_others_are_lost_as_may_be() {
    // Four others: two data shards and two of parity.
    let mut saved = Saved::new();
    saved.burn(2);
    let blank = blank();
    let recovered = saved.recover(&blank).expect_success().json();
    assert_eq!((recovered["answering"].as_u64(), recovered["members"].as_u64()), (Some(2), Some(4)));
    assert_eq!(saved.kit.matches("# Peer: ").count(), 4, "half of the places in the kit are dead");
    assert_eq!(recovered["snapshots"], 2);
    let is_pack = |name: &&String| name.ends_with(".pack");
    assert_eq!(files_of(&blank.data().join("store")).keys().filter(is_pack).count(), 0, "packs can wait");
    let _told = saved.recover(&blank).expect_refusal(1, &["is not empty"]);
    // As a try that has ended right before it was done with leaves it.
    let vault = saved.kit.split("# Vault: ").nth(1).and_then(|rest| rest.lines().next()).expect("its vault");
    let mark = blank.data().join("recovering");
    std::fs::write(&mark, vault).expect("the mark is put back");
    let _no_box = blank.command(["status"]).run().expect_refusal(1, &["is being brought back"]);
    let _alone = saved.recover_with_sheets(&blank, &[2]).expect_refusal(1, &["sheet 3 of 3", "one more is needed"]);
    let _twice = saved.recover_with_sheets(&blank, &[1, 1]).expect_refusal(1, &["sheet 2 is there more than once"]);
    let again = saved.recover_with_sheets(&blank, &[2, 0]).expect_success().json();
    assert_eq!((again["packs"].as_u64(), mark.exists()), (recovered["packs"].as_u64(), false));

    let back = neighbour().data(blank.data()).start();
    assert_eq!(
        newest_file(&back, CANARIES[2]),
        format!("{}, once more", CANARIES[0]),
        "whether its pack is here or not"
    );
    wait_until_whole(&back);
    let missing = saved.missing_in(&back);
    assert!(missing.is_empty(), "byte for byte: {missing:?}");
    let _sound = back.command(["verify"]).run().expect_success();
    assert_eq!(members(&back).len(), 5, "it is the same member again");

    // The others take it for what it is, and it goes on as before.
    let founder = &saved.others[0];
    let standing = || {
        let told = community(founder, &["show", "--json"]).run().expect_success().json();
        let all = told["members"].as_array().expect("members").clone();
        let lost = all.into_iter().find(|member| member["name"] == "bakery").expect("it is there");
        lost["standing"].as_str().expect("a word").to_owned()
    };
    assert_eq!(standing(), "on a new box, not confirmed yet");
    let unchecked = back.status()["outside"]["fragments_unchecked"].as_u64();
    assert!(unchecked > Some(0), "nobody has said since that it is there: {unchecked:?}");
    let _confirmed = community(founder, &["confirm", "bakery"]).run().expect_success();
    assert_eq!(standing(), "in");
    saved.others[1..=2].iter_mut().for_each(TestBox::start_again);
    let desk = back.enrol("new desk");
    let papers = back.beside().join("new papers");
    std::fs::create_dir(&papers).expect("a folder");
    std::fs::write(papers.join("note"), Random::new(2).bytes(100_000)).expect("a file");
    let _saved = desk.backup(&papers);
    wait_for("what is new is outside", SPREAD, || {
        let outside = back.status()["outside"]["machines"].clone();
        let is_full = |machine: &Value| machine["packs_in_place"] == machine["packs_needed"];
        let machines = outside.as_array()?;
        let new = machines.iter().find(|machine| machine["machine"] == "new desk")?;
        (machines.iter().all(is_full) && new["last_full"].is_i64()).then_some(())
    });
}

#[test]
fn with_one_box_more_lost_nothing_is_made_up_and_it_goes_on_when_that_one_is_back() {
    let mut saved = Saved::new();
    let drill = || saved.lost.command(["drill", "--json"]);
    let drilled = drill().run().expect_success().json();
    assert_eq!((drilled["snapshots"].as_u64(), drilled["answering"].as_u64()), (Some(2), Some(4)));
    assert!(drilled["files"].as_u64() >= Some(2), "{drilled}");
    let strangers = saved.others[0].command(["kit"]).run().expect_success().text();
    let paper = saved.lost.beside().join("others.txt");
    std::fs::write(&paper, strangers).expect("a kit");
    let _other = drill().arg("--kit").arg(&paper).run().expect_refusal(1, &["the kit of another box"]);
    assert!(!saved.lost.data().join("drill").exists(), "nothing of it is left");
    assert_eq!(members(&saved.lost).len(), 5, "the box is what it was");
    saved.burn(3);
    let blank = blank();
    let told = saved.recover(&blank);
    assert!(told.code() != Some(0), "{told}");
    assert!(told.error_text().contains("cannot be put together"), "{told}");
    assert!(!blank.data().join("store/vault.age").exists(), "what is there is not taken for a box");
    saved.others[1].start_again();
    let recovered = saved.recover(&blank).expect_success().json();
    assert_eq!((recovered["answering"].as_u64(), recovered["snapshots"].as_u64()), (Some(2), Some(2)));
}

#[test]
fn who_has_taken_a_box_over_with_all_its_keys_removes_nothing_of_what_others_keep_for_it() {
    let mut saved = Saved::among(1);
    let host = &saved.others[0];
    let kept = || host.shards().into_iter().map(|(path, _)| std::fs::read(path).expect("a shard")).collect::<Vec<_>>();
    saved.lost.kill();
    let before = kept();
    let mut taken = as_the_box(&saved.lost, host);
    let listed = taken.ask(&ListShards { after: None }).expect("its list").shards;
    let shards: Vec<ShardId> = listed.iter().map(|one| one.shard).collect();
    assert!(shards.len() > 2 && shards.len() == before.len());
    for wish in [Wish::Delete, Wish::DeleteWithinBrake, Wish::Delete] {
        let condemned = taken.ask(&Condemn { shards: shards.clone(), wish }).expect("an answer");
        assert!(condemned.noted == 0 && condemned.frozen_until.is_some(), "{condemned:?}");
    }
    // Nor is there another way to have a shard go, or be another one.
    let path = SHARD_PATH.replace("{shard}", &shards[0].to_string());
    let deleted = taken.exchange("DELETE", &path, b"").expect("an answer");
    assert!(deleted.status >= 400, "{deleted:?}");
    let mut taken = as_the_box(&saved.lost, host);
    let other = OfferShard { shard: shards[0], len: listed[0].len + 64, window_days: 1 };
    assert_eq!(taken.ask(&other).expect_err("it has that").code, RefusalCode::Corrupt);
    let listed = taken.ask(&ListShards { after: None }).expect("its list").shards;
    assert!(listed.iter().all(|one| one.is_kept), "{listed:?}");
    assert!(kept() == before, "byte for byte");
    // The host's people are told, and the owner's kit brings everything back.
    let mut admin = admin(host, "claire");
    wait_for("the alert", SPREAD, || {
        let page = admin.get("/alerts").body;
        page.contains("wants more of its data deleted here than is usual").then_some(())
    });
    std::fs::remove_dir_all(saved.lost.data()).expect("it is gone");
    let blank = blank();
    assert_eq!(saved.recover(&blank).expect_success().json()["snapshots"], 2);
}

#[test]
fn a_box_that_answers_alone_is_believed_only_where_somebody_says_so() {
    let mut saved = Saved::among(2);
    // One host is set back to what it was before the newest backup.
    let (host, earlier) = (saved.others[0].data().to_owned(), saved.lost.beside().join("earlier"));
    let copy = |from: &Path, to: &Path| Invocation::new("cp").arg("-a").arg(from).arg(to).run().expect_success();
    saved.others[0].stop();
    let _copied = copy(&host, &earlier);
    saved.others[0].start_again();
    let papers = saved.lost.beside().join("papers");
    std::fs::write(papers.join("the newest"), Random::new(9).bytes(50_000)).expect("a file");
    let _saved = saved.lost.machine(CANARIES[1]).backup(&papers);
    let _outside = wait_until_outside(&saved.lost, SPREAD);
    saved.burn(1);
    saved.others[0].kill();
    std::fs::remove_dir_all(&host).expect("it is gone");
    let _copied = copy(&earlier, &host);
    saved.others[0].start_again();

    let blank = blank();
    let silent = &saved.names[1];
    let told = saved.recover(&blank).expect_code(1);
    let alone_is = format!("rests on the word of {} alone", saved.names[0]);
    for said in ["only one box that answers", silent, "--one-peer", &alone_is] {
        assert!(told.error_text().contains(said), "{said}\n{told}");
    }
    let alone = crate::saved::blank();
    let agreed = saved.recover_with(&alone, &["--one-peer"]).expect_success().json();
    assert_eq!(agreed["snapshots"], 2, "what that one knows");
    saved.others[1].start_again();
    let recovered = saved.recover(&blank).expect_success().json();
    assert_eq!((&recovered["answering"], &recovered["snapshots"]), (&2.into(), &3.into()), "{recovered}");
}

#[test]
fn what_is_lost_for_good_is_named_and_the_rest_comes_back_without_it() {
    let mut saved = Saved::new();
    saved.burn(2);
    // Two others are left, and one of them has lost its largest shard: that of the pack with the ledger.
    let survivor = &saved.others[0];
    let (largest, _) = survivor.shards().into_iter().max_by_key(|(_, len)| *len).expect("it keeps something");
    std::fs::remove_file(largest).expect("it is lost");
    let blank = blank();
    let told = saved.recover(&blank).expect_code(3);
    assert!(told.error_text().contains("1 of"), "{told}");
    let paper = blank.beside().join("kit.txt");
    let without = blank.command(["recover", "--near", "--without-lost", "--json", "--kit"]).arg(&paper).run();
    let recovered = without.expect_code(3).json();
    assert_eq!(recovered["snapshots"], 2);
    let back = neighbour().data(blank.data()).start();
    assert_eq!(members(&back).len(), 5);
    // The two that are burnt may come back with it, so it stays open; everything else is here.
    wait_for("all but one pack", SPREAD, || {
        (back.status()["coming_back"]["unanswered"].as_array()?.len() == 1).then_some(())
    });
}

#[test]
fn a_file_is_restored_while_its_pack_is_elsewhere_and_the_rest_comes_when_boxes_are_back() {
    let mut saved = Saved::new();
    saved.burn(1);
    let blank = blank();
    let _recovered = saved.recover(&blank).expect_success();
    // Of the three that are left, two are needed: with one, nothing can be read; it waits, and nothing counts as damaged.
    saved.others[2].kill();
    saved.others[3].kill();
    let mut back = neighbour().data(blank.data()).start();
    wait_for("it has asked", SPREAD, || {
        let waiting = back.status()["coming_back"]["unanswered"].as_array()?.len();
        (waiting > 0).then_some(())
    });
    assert_eq!(back.status()["damaged"]["packs"], 0);
    let told = back.command(["status"]).run().expect_success().text();
    assert!(told.contains("cannot be had until more of the other boxes answer"), "{told}");
    saved.others[2].start_again();
    assert_eq!(newest_file(&back, CANARIES[2]), format!("{}, once more", CANARIES[0]));
    back.kill();
    back.start_again();
    wait_until_whole(&back);
    let _sound = back.command(["verify"]).run().expect_success();
}

#[test]
fn in_a_pause_backups_stay_here_and_afterwards_they_go_out_by_themselves() {
    let all = boxes(&["harbour master", "bakery"]);
    let paused = all[0].command(["bandwidth", "set", "--hours", "mon-sun 0-24 pause"]).run().expect_success().text();
    assert!(paused.contains("mon-sun 0-24 pause") && paused.contains("is paused"), "{paused}");
    let _refused = all[0].command(["bandwidth", "set", "--hours", "sat-mon 0-24 pause"]).run().expect_code(2);
    let desk = all[0].enrol("desk");
    let source = all[0].beside().join("papers");
    std::fs::create_dir(&source).expect("a folder");
    std::fs::write(source.join("ledger"), Random::new(7).bytes(300_000)).expect("a file");
    let _saved = desk.backup(&source);
    let outside = |one: &TestBox| one.status()["outside"].clone();
    // The worker has looked at it by then.
    wait_for("a group", SPREAD, || outside(&all[0])["scheme"].as_str().map(drop));
    let held = outside(&all[0]);
    assert_eq!((&held["machines"][0]["packs_in_place"], &held["outgoing"]["paused"]), (&0.into(), &true.into()));
    all[0].command(["bandwidth", "set", "--hours", "mon-sun 0-24 reduced", "--reduced", "8"]).run().expect_success();
    let _outside = wait_until_outside(&all[0], SPREAD);
}

/// What nobody but the owner is to see: words out of its files and names, and what packs, snapshots and machines are called,
/// in letters and as bytes.
fn secrets_of(saved: &Saved) -> Vec<(String, Vec<u8>)> {
    let status = saved.lost.status();
    let machines = status["machines"].as_array().expect("machines").iter();
    let mut ids: Vec<String> = machines.filter_map(|machine| machine["id"].as_str().map(str::to_owned)).collect();
    let stored = saved.stored.keys().filter_map(|name| name.strip_suffix(".pack").or(name.strip_suffix(".age")));
    ids.extend(stored.filter(|name| name.len() == 64).map(str::to_owned));
    assert!(ids.len() > 4, "a machine, packs and two snapshots: {ids:?}");
    let raw = |id: &String| {
        let digits = id.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("hex"), 16));
        (format!("{id}, as bytes"), digits.collect::<Result<Vec<u8>, _>>().expect("hex"))
    };
    let canaries = CANARIES.iter().map(|canary| ((*canary).to_owned(), canary.as_bytes().to_vec()));
    let shown = ids.iter().map(|id| (id.clone(), id.as_bytes().to_vec()));
    canaries.chain(shown).chain(ids.iter().map(raw)).collect()
}

/// Which of them are in these bytes.
fn found_in<'s>(bytes: &[u8], secrets: &'s [(String, Vec<u8>)]) -> Vec<&'s str> {
    let found = secrets
        .iter()
        .filter(|(_, secret)| bytes.windows(secret.len()).any(|window| window[0] == secret[0] && window == secret));
    found.map(|(name, _)| name.as_str()).collect()
}

#[test]
fn others_learn_nothing_of_what_they_keep() {
    // All that goes to one of the hosts passes somebody who listens.
    let recorder = Recorder::start();
    let names = ["harbour master", "bakery", "smithy", "inn", "mill"];
    let at_the_recorder = format!("[machine_port]\naddress = \"127.0.0.1\"\noutside_port = {}\n", recorder.port());
    let all: Vec<TestBox> = (0..names.len())
        .map(|at| if at == 3 { neighbour_with(&at_the_recorder) } else { neighbour() }.start())
        .collect();
    recorder.lead_to(all[3].machine_port());
    unite(&all.iter().collect::<Vec<_>>(), &names);
    let saved = Saved::in_community(all, names.map(str::to_owned).to_vec());
    let secrets = secrets_of(&saved);

    for other in &saved.others {
        let files = files_of(other.data());
        assert!(files.keys().any(|name| name.ends_with(".shard")), "it keeps something");
        for (name, bytes) in &files {
            assert_eq!(found_in(bytes, &secrets), [""; 0], "in {name} of another box");
            assert_eq!(found_in(name.as_bytes(), &secrets), [""; 0], "in what a file of another box is called");
        }
        assert_eq!(found_in(other.log().as_bytes(), &secrets), [""; 0], "nor in its log");
    }
    let recorded = recorder.recorded();
    let all_of = |of: fn(&(Vec<u8>, Vec<u8>)) -> usize| recorded.iter().map(of).sum::<usize>();
    let (there, back) = (all_of(|(there, _)| there.len()), all_of(|(_, back)| back.len()));
    assert!(there > 1_000_000 && back > 1_000, "shards went over the wire: {there} and {back} bytes");
    for (there, back) in &recorded {
        assert_eq!((found_in(there, &secrets), found_in(back, &secrets)), (vec![], vec![]), "on the wire");
    }

    // Whoever looks in the same way at the owner finds each of them.
    let own = files_of(saved.lost.data());
    let papers = files_of(&saved.lost.beside().join("papers"));
    let places = own.iter().chain(&papers);
    let everything: Vec<u8> = places.flat_map(|(name, bytes)| [name.as_bytes(), bytes].concat()).collect();
    let found = found_in(&everything, &secrets);
    let missed: Vec<&str> =
        secrets.iter().map(|(name, _)| name.as_str()).filter(|name| !found.contains(name)).collect();
    // The machine's number is in letters nowhere.
    assert!(missed.len() <= 1, "the scan is blind for {missed:?}");
}

/// How `one` sees the standing of the member `name`; `None`: nobody of that name.
fn standing_of(one: &TestBox, name: &str) -> Option<String> {
    let told = community(one, &["show", "--json"]).run().expect_success().json();
    let all = told["members"].as_array().expect("members").clone();
    let found = all.into_iter().find(|member| member["name"] == name)?;
    found["standing"].as_str().map(str::to_owned)
}

#[test]
fn a_code_that_is_read_out_brings_two_boxes_together() {
    let (first, second) = (neighbour().start(), neighbour().start());
    let _founded = community(&first, &["found", "harbour", "--as", "inn"]).run().expect_success();
    let told = community(&first, &["invite", "--aloud", "--json"]).run().expect_success().json();
    let (code, place) = (told["code"].as_str().expect("a code"), told["places"][0].as_str().expect("a place"));
    let other = if code.ends_with("zeppelin") { "crossover" } else { "zeppelin" };
    let misheard = format!("{}-{other}", code.rsplit_once('-').expect("words").0);
    let join = |code: &str| community(&second, &["join", code, "--at", place, "--as", "smithy", "--json"]).run();
    let _refused = join(&misheard).expect_refusal(1, &["another code"]);
    let digits = join(code).expect_success().json()["digits"].as_str().expect("digits").to_owned();
    let waiting = community(&first, &["requests", "--json"]).run().expect_success().json();
    assert_eq!(waiting[0]["digits"], digits.as_str(), "both screens show the same");
    let _admitted = community(&first, &["admit", "smithy", &digits]).run().expect_success();
    wait_for("the community", SPREAD, || (members(&second).len() == 2).then_some(()));
}

#[test]
fn admins_put_a_box_out_each_at_their_own_and_it_is_refused() {
    let boxes = boxes(&["harbour master", "bakery", "smithy", "inn"]);
    let [first, second, third, fourth] = &boxes[..] else { panic!("four boxes") };
    for name in ["bakery", "smithy"] {
        let _appointed = community(first, &["appoint", name]).run().expect_success();
    }
    let told = community(first, &["remove", "inn", "--json"]).run().expect_success().json();
    assert_eq!((told["waiting"]["agreed"].as_u64(), told["waiting"]["needed"].as_u64()), (Some(1), Some(2)));
    let proposal = wait_for("the proposal at another admin's box", SPREAD, || {
        let open = community(second, &["proposals", "--json"]).run().expect_success().json();
        open[0]["proposal"].as_str().map(str::to_owned)
    });
    let short = proposal.get(..8).expect("its name");
    let agreed = community(second, &["agree", short, "--json"]).run().expect_success().json();
    assert!(agreed["waiting"].is_null(), "two of three are enough: {agreed}");
    for one in [first, second, third] {
        wait_for("the removal", SPREAD, || (standing_of(one, "inn")? == "removed").then_some(()));
    }
    // It is refused wherever it asks, and hears nothing of the community any more.
    let _renamed = community(first, &["rename", "bakery", "mill"]).run().expect_success();
    wait_for("the new name", SPREAD, || standing_of(third, "mill"));
    wait_for("the refusal", SPREAD, || fourth.log().contains("no box of a member").then_some(()));
    assert_eq!(standing_of(fourth, "mill"), None);
}

#[test]
fn of_two_boxes_that_claim_one_owner_the_one_with_the_kit_stays_and_the_other_is_refused_and_says_so() {
    let mut saved = Saved::among(2);
    let kept =
        |saved: &Saved| -> Vec<_> { saved.others.iter().map(|one| files_of(&one.data().join("hosted"))).collect() };
    let before = kept(&saved);
    // It was thought lost, and is switched on again while the new one is in its first day.
    saved.lost.kill();
    let blank = blank();
    let recovered = saved.recover(&blank).expect_success().json();
    assert_eq!(recovered["answering"], 2);
    let back = neighbour().data(blank.data()).start();
    saved.lost.start_again();
    let desk = saved.lost.machine("late desk");
    desk.run(["enrol", &saved.lost.enrol_code("late desk", "server")]).expect_success();
    let papers = saved.lost.beside().join("late papers");
    std::fs::create_dir(&papers).expect("a folder");
    std::fs::write(papers.join("note"), Random::new(3).bytes(300_000)).expect("a file");
    let _saved = desk.backup(&papers);
    for host in &saved.others {
        // The connection ends with the refusal.
        let former = || as_the_box(&saved.lost, host);
        let shard = ShardId::from_bytes([7; ShardId::LEN]);
        let refused = [
            former().ask(&ListShards { after: None }).map(drop),
            former().ask(&Condemn { shards: vec![shard], wish: Wish::Delete }).map(drop),
            former().ask(&OfferShard { shard, len: 64, window_days: 1 }).map(drop),
        ];
        for refusal in refused {
            assert_eq!(refusal.expect_err("it is revoked").code, RefusalCode::UnknownMachine);
        }
        assert_eq!(standing_of(host, "bakery").as_deref(), Some("on a new box, not confirmed yet"));
    }
    wait_for("the former box says so", SPREAD, || {
        let told = community(&saved.lost, &["show", "--json"]).run().expect_success().json();
        (told["refused_by"].as_array()?.len() == 2).then_some(())
    });
    let said = community(&saved.lost, &["show"]).run().expect_success().text();
    assert!(said.contains("another box was brought back in its place"), "{said}");
    assert!(!community(&back, &["show"]).run().expect_success().text().contains("Refused by"));
    wait_until_whole(&back);
    assert!(saved.missing_in(&back).is_empty(), "byte for byte");
    assert_eq!(kept(&saved), before, "what is kept for it is as it was");
    // With an admin's word the new one goes on, and the former one stays out.
    let _confirmed = community(&saved.others[0], &["confirm", "bakery"]).run().expect_success();
    let desk = back.enrol("new desk");
    let _saved = desk.backup(&papers);
    let _outside = wait_until_outside(&back, SPREAD);
    let still = as_the_box(&saved.lost, &saved.others[0]).ask(&ListShards { after: None });
    assert_eq!(still.expect_err("it is revoked").code, RefusalCode::UnknownMachine);
}

#[test]
fn boxes_of_before_and_of_later_are_understood_and_what_is_not_known_is_refused_by_its_number() {
    let mut both = boxes(&["inn", "bakery"]);
    let (host, mut other) = (both.remove(0), both.remove(0));
    other.kill();
    let mut spoken = as_the_box(&other, &host);
    let (last, none) = (EntryHash::from_bytes([5; EntryHash::LEN]), Vec::<ByteVec>::new());
    // Before there were proposals, and with fields that nobody knows yet.
    let before = encode(&(0_u64, last, none.clone(), none.clone()));
    // Before it was said how much of a log comes at once.
    let whole = encode(&(0_u64, last, none.clone(), none.clone(), none.clone()));
    let later = encode(&(0_u64, last, none.clone(), none.clone(), none, None::<u32>, "later", 7_u8));
    for message in [before, whole, later] {
        let answer = spoken.exchange("POST", Exchange::PATH, &message).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        let told: Exchanged = decode_all("exchanged", &answer.body).expect("an answer");
        assert_eq!(told.sequence, 1, "founded, and one let in");
    }
    for message in [encode(&(4_u8,)), encode(&(4_u8, None::<u64>, "later"))] {
        let answer = spoken.exchange("POST", ListHeads::PATH, &message).expect("an answer");
        let _heads: HeadPage = decode_all("heads", &answer.body).expect("an answer");
    }
    for path in ["/v1/peers/what-is-to-come", "/v2/peers/exchange"] {
        let mut spoken = as_the_box(&other, &host);
        let answer = spoken.exchange("POST", path, b"\x80").expect("an answer");
        assert_eq!((answer.status, answer.refusal().code), (404, RefusalCode::NotFound), "{path}");
    }
    let pong = spoken.ask(&Ping { nonce: [1; 8].into() }).expect("an answer");
    assert_eq!(pong.nonce, [1; 8].into(), "the connection goes on");
}
