//! Recoveries that are killed (SIGKILL) at any point: of a lost box, which goes on and takes its place once; of its packs, which come
//! back while it runs; and a drill, of which nothing stays.
//!
//! When they are killed is chosen by a seed that is printed: `DATIS_SEED` brings the choice back.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use datis_engine::community::entry::{Change, SignedEntry};
use datis_engine::ids::{EntryHash, ShardId};
use datis_engine::keys::{PublicKey, SigningKey};
use datis_engine::wire::RefusalCode;
use datis_engine::wire::peers::{Condemn, Exchange, Exchanged, ListShards, OfferShard, Wish};
use harness::community::neighbour;
use harness::{PATIENCE, Random, TestBox, wait_for};
use serde_json::Value;

use crate::saved::{SPREAD, Saved, as_the_box, blank, key_in, wait_until_whole, with_the_key};

/// What a recovery leaves in its folder, in the order in which it comes there, and how many microseconds later it is killed at
/// most. After the last ones the box has soon taken the lost one's place.
const STAGES: [(&str, u64); 6] = [
    ("recovering", MOMENT),
    ("keys/tls.pkcs8", MOMENT),
    ("awaited/map-0.age", MOMENT),
    ("store/vault.age", MOMENT),
    ("catalog", MOMENT / 4),
    ("rebinding", MOMENT / 4),
];
/// In microseconds.
const MOMENT: u64 = 200_000;
/// Kills besides, at no matter which stage; `DATIS_CYCLES` sets another number.
const MORE_KILLS: u32 = 6;
/// So many microseconds after the start at most: about as long as a recovery of so little takes.
const ANY_MOMENT: u64 = 1_200_000;
const KILLS_WHILE_PACKS_COME: usize = 3;

/// How far a community's log is.
#[derive(Clone, Copy)]
struct Known {
    sequence: u64,
    last: EntryHash,
}

/// What `host` tells the holder of this key of the log beyond what is known.
fn exchange(key: &[u8], host: &TestBox, known: Known) -> Exchanged {
    let Known { sequence, last } = known;
    let (entries, records, proposals) = (Vec::new(), Vec::new(), Vec::new());
    let asked = Exchange { sequence, last, entries, records, proposals, entries_at_most: None };
    with_the_key(key, host).ask(&asked).expect("its log")
}

fn known_to(key: &[u8], host: &TestBox) -> Known {
    let nothing = Known { sequence: 0, last: EntryHash::from_bytes([0; EntryHash::LEN]) };
    let told = exchange(key, host, nothing);
    Known { sequence: told.sequence, last: told.last }
}

/// The keys of boxes that took a member's place since then, as `host` tells.
fn rebound_since(known: Known, key: &[u8], host: &TestBox) -> Vec<PublicKey> {
    let entries = exchange(key, host, known).entries;
    let entry = |bytes: &[u8]| SignedEntry::decode(bytes).and_then(|entry| entry.entry()).expect("an entry");
    let device = |change| if let Change::Rebind { device, .. } = change { Some(device) } else { None };
    entries.iter().filter_map(|bytes| device(entry(bytes).change)).collect()
}

fn public(key: &[u8]) -> PublicKey {
    SigningKey::from_pkcs8(key).expect("a key").public_key()
}

fn refuses(host: &TestBox, key: &[u8]) -> bool {
    let shard = ShardId::from_bytes([7; ShardId::LEN]);
    // The connection ends with the refusal.
    let told = [
        with_the_key(key, host).ask(&OfferShard { shard, len: 64, window_days: 1 }).map(drop),
        with_the_key(key, host).ask(&Condemn { shards: vec![shard], wish: Wish::Delete }).map(drop),
    ];
    told.iter().all(|told| matches!(told, Err(refusal) if refusal.code == RefusalCode::UnknownMachine))
}

/// The packs that are on a box's disk, each as the file that it is.
fn files(of: &TestBox) -> Vec<(PathBuf, (u64, i64, i64))> {
    let file = |path: PathBuf| {
        let about = std::fs::metadata(&path).expect("it is there");
        (path, (about.ino(), about.mtime(), about.mtime_nsec()))
    };
    of.packs().into_iter().map(file).collect()
}

/// Kills the box while it drills, as soon as this is there and a moment later; the key of the sandbox.
fn kill_in_drill(the_box: &mut TestBox, stage: &str, random: &mut Random) -> Vec<u8> {
    let sandbox = the_box.data().join("drill");
    for _ in 0..20 {
        let mut drill = the_box.command(["drill", "--json"]).start();
        wait_for("the drill", PATIENCE, || (sandbox.join(stage).exists() || drill.has_ended()).then_some(()));
        std::thread::sleep(Duration::from_micros(random.below(MOMENT / 4)));
        the_box.kill();
        if sandbox.join("keys/tls.pkcs8").exists() {
            println!("a drill was killed at {stage}");
            return key_in(&sandbox);
        }
        // It was done before.
        the_box.start_again();
    }
    panic!("the drill is always faster");
}

/// Nothing of a drill stays that was killed, and the next one goes well.
fn kill_drills(saved: &mut Saved, before: Known, random: &mut Random) {
    let own = key_in(saved.lost.data());
    // Once it can be shown, and when it was.
    for stage in ["keys/tls.pkcs8", "catalog"] {
        let key = kill_in_drill(&mut saved.lost, stage, random);
        saved.lost.start_again();
        let sandbox = saved.lost.data().join("drill");
        wait_for("the sandbox to go", PATIENCE, || (!sandbox.exists()).then_some(()));
        for host in &saved.others {
            assert!(refuses(host, &key), "what was in the sandbox may change nothing");
            assert_eq!(exchange(&own, host, before).entries.len(), 0, "the community heard of no other box");
        }
    }
    let drilled = saved.lost.command(["drill", "--json"]).run().expect_success().json();
    assert_eq!((drilled["snapshots"].as_u64(), drilled["answering"].as_u64()), (Some(8), Some(4)), "{drilled}");
    assert!(!saved.lost.data().join("drill").exists(), "nothing of it is left");
}

/// Kills recoveries at each stage and at any moment, until one is done; what it tells.
fn kill_recoveries(saved: &Saved, blank: &TestBox, random: &mut Random) -> Value {
    let mut moments: Vec<(&str, u64)> =
        STAGES.into_iter().map(|(stage, within)| (stage, random.below(within))).collect();
    let more = std::env::var("DATIS_CYCLES").map_or(MORE_KILLS, |text| text.parse().expect("DATIS_CYCLES is a number"));
    moments.extend((0..more).map(|_| (STAGES[0].0, random.below(ANY_MOMENT))));
    let killed = moments.into_iter().find_map(|(stage, moment)| {
        let mut recovery = saved.recovery(blank, &[]).start();
        let mark = blank.data().join(stage);
        wait_for(stage, PATIENCE, || (mark.exists() || recovery.has_ended()).then_some(()));
        std::thread::sleep(Duration::from_micros(moment));
        let killed = recovery.kill();
        println!("{stage}: {:.2} s, {:?}", killed.seconds, killed.code());
        // It was done before.
        killed.code().is_some().then_some(killed)
    });
    killed.unwrap_or_else(|| saved.recover(blank)).expect_success().json()
}

/// What is back stays as it is, whenever the box is killed, and the rest follows. A box that is whole.
fn kill_while_packs_come_back(saved: &Saved, blank: &TestBox, random: &mut Random) -> TestBox {
    let mut back = neighbour().data(blank.data()).start();
    let all = saved.stored.keys().filter(|name| name.ends_with(".pack")).count();
    let mut here = Vec::new();
    for _ in 0..KILLS_WHILE_PACKS_COME {
        let there = back.packs().len();
        wait_for("one more pack", SPREAD, || (back.packs().len() > there).then_some(()));
        std::thread::sleep(Duration::from_micros(random.below(MOMENT)));
        back.kill();
        here = files(&back);
        println!("{} of {all} packs were back", here.len());
        assert!(here.len() < all, "killed too late");
        back.start_again();
        let awaited = back.status()["coming_back"]["packs"].as_u64().unwrap_or_default();
        assert!(usize::try_from(awaited).expect("few") <= all - here.len(), "{awaited} are awaited again");
    }
    wait_until_whole(&back);
    let after = files(&back);
    assert!(here.iter().all(|pack| after.contains(pack)), "nothing was written twice");
    let missing = saved.missing_in(&back);
    assert!(missing.is_empty(), "byte for byte: {missing:?}");
    back.assert_sound();
    back
}

#[test]
fn drills_and_recoveries_that_are_killed_at_any_point_leave_one_box_with_every_byte_in_the_place_of_the_lost_one() {
    let mut random = Random::from_environment();
    let mut saved = Saved::new();
    saved.save_more(6);
    let former = key_in(saved.lost.data());
    let before = known_to(&former, &saved.others[1]);
    kill_drills(&mut saved, before, &mut random);

    // The founder, who is the only admin, and another one are gone for good: half of the places on the kit are dead.
    let also = 1 + usize::try_from(random.below(3)).expect("few");
    saved.burn_these(&[0, also]);
    for gone in [0, also] {
        std::fs::remove_dir_all(saved.others[gone].data()).expect("it is gone");
    }
    let left: Vec<&TestBox> = (1..4).filter(|at| *at != also).map(|at| &saved.others[at]).collect();
    let blank = blank();
    let recovered = kill_recoveries(&saved, &blank, &mut random);
    assert_eq!((recovered["answering"].as_u64(), recovered["snapshots"].as_u64()), (Some(2), Some(8)), "{recovered}");
    // So that it takes a while until all is back.
    for host in &left {
        let _slowly = host.command(["bandwidth", "set", "--full", "8"]).run().expect_success();
    }
    let back = kill_while_packs_come_back(&saved, &blank, &mut random);
    for (host, asking) in [(left[0], left[1]), (left[1], left[0])] {
        let bound = rebound_since(before, &key_in(asking.data()), host);
        assert_eq!(bound, [public(&key_in(back.data()))], "one box took its place, once");
        assert!(as_the_box(&back, host).ask(&ListShards { after: None }).is_ok(), "it is the member now");
        assert!(refuses(host, &former), "the lost one is not taken for it any more");
    }
}
