//! Every row of the table of schemes (mutual-backup 4.2) with real boxes: so many others of which so many are lost with the owner,
//! and one more.
//!
//! Which ones are lost is chosen by a seed that is printed: `DATIS_SEED` brings the choice back.

use std::time::Instant;

use datis_engine::erasure::scheme::Scheme;
use harness::community::{Outside, neighbour};
use harness::{Random, TestBox};

use crate::saved::{Saved, blank, wait_until_whole};

/// The smallest communities of the rows that are left to `make soak`: how many others there are. `DATIS_OTHERS` sets others.
const LARGE: [usize; 7] = [10, 12, 16, 20, 24, 32, 48];

/// What the table promises for so many others is kept, and more is told as what it is.
fn lose_as_many_as_may_be_and_one_more(others: usize, random: &mut Random) {
    let began = Instant::now();
    let told = |what: &str| println!("{others} others: {what} after {:.0} s", began.elapsed().as_secs_f64());
    let scheme = Scheme::for_peers(others).expect("a scheme");
    let mut saved = Saved::among(others);
    told("everything is outside");
    let outside = Outside::of(&saved.lost);
    assert_eq!(outside.scheme, Some(scheme.to_string()));
    assert!(outside.packs.0 >= 2 && outside.packs.0 == outside.packs.1, "{outside:?}");
    let mut holders = saved.holders();
    assert_eq!(holders.len(), usize::from(scheme.width()), "{others} others: one shard of each pack for each");

    let may_be_lost = usize::from(scheme.parity());
    let mut burnt = Vec::new();
    while burnt.len() <= may_be_lost {
        let at = usize::try_from(random.below(holders.len() as u64)).expect("an index");
        burnt.push(holders.swap_remove(at));
    }
    println!("{others} others: burnt are {burnt:?}");
    saved.burn_these(&burnt);
    let blank = blank();
    one_too_many_is_told_by_name(&saved, &burnt, &blank);
    told("one too many is told");

    saved.others[burnt[0]].start_again();
    let answering = u64::try_from(others - may_be_lost).expect("few");
    // One box's word is enough only when somebody says so, as long as others are silent.
    let words: &[&str] = if answering == 1 && others > 1 { &["--one-peer"] } else { &[] };
    let recovered = saved.recover_with(&blank, words).expect_success().json();
    assert_eq!((recovered["answering"].as_u64(), recovered["snapshots"].as_u64()), (Some(answering), Some(2)));
    let back = neighbour().data(blank.data()).start();
    wait_until_whole(&back);
    let missing = saved.missing_in(&back);
    assert!(missing.is_empty(), "{others} others, byte for byte: {missing:?}");
    let _sound = back.command(["verify"]).run().expect_success();
    told("everything is back");
}

/// Nothing is made up, and those are named that would help.
fn one_too_many_is_told_by_name(saved: &Saved, burnt: &[usize], blank: &TestBox) {
    let told = saved.recover(blank);
    assert!(told.code() != Some(0), "{told}");
    let said = told.error_text();
    let sentence = said.lines().rfind(|line| !line.trim().is_empty()).expect("a sentence");
    if burnt.len() == saved.others.len() {
        // What they are called is what nobody tells: the kit has where they were.
        assert!(sentence.contains("none of the boxes that the kit names answers"), "{told}");
        burnt.iter().for_each(|at| {
            let place = format!("127.0.0.1:{} is not to be had", saved.others[*at].machine_port());
            assert!(said.contains(&place), "{told}");
        });
    } else {
        let list = sentence.split_once("these boxes do not answer: ").expect("a list").1;
        let mut names: Vec<&str> = burnt.iter().map(|at| saved.names[*at].as_str()).collect();
        names.sort_unstable();
        assert_eq!(list.split(": ").next().map(|list| list.split(", ").collect()), Some(names), "{told}");
    }
    assert!(!blank.data().join("store/vault.age").exists(), "what is there is not taken for a box\n{told}");
}

/// Side by side, some rows at a time: most of it is waiting. Four others: see `community.rs`.
#[test]
fn however_many_others_there_are_as_many_may_be_lost_as_is_promised_and_one_more_is_told() {
    let mut random = Random::from_environment();
    for rows in [[1, 3, 8], [2, 5, 6]] {
        std::thread::scope(|scope| {
            for others in rows {
                let mut random = Random::new(random.number());
                scope.spawn(move || lose_as_many_as_may_be_and_one_more(others, &mut random));
            }
        });
    }
}

#[test]
#[ignore = "up to 49 boxes: make soak"]
fn in_the_largest_communities_as_many_may_be_lost_as_is_promised_and_one_more_is_told() {
    let mut random = Random::from_environment();
    let chosen = std::env::var("DATIS_OTHERS").ok();
    let chosen = chosen.map(|rows| rows.split_whitespace().map(|row| row.parse().expect("a number")).collect());
    for others in chosen.unwrap_or_else(|| LARGE.to_vec()) {
        lose_as_many_as_may_be_and_one_more(others, &mut random);
    }
}
