//! A box that leaves its community, and what it held.

use harness::community::{community, neighbour, unite};
use harness::{BoxOptions, Programs, Random, TestBox, wait_for};
use serde_json::Value;

use crate::saved::{SPREAD, Saved, blank, wait_until_whole};

/// The owner is the second one.
const NAMES: [&str; 6] = ["harbour master", "bakery", "chandler", "smithy", "inn", "mill"];

#[test]
fn who_leaves_goes_when_it_is_told_so_and_as_many_more_may_die_as_the_rest_may_lose() {
    let Some(programs) = Programs::planted() else {
        eprintln!("SKIPPED: DATIS_PLANTED_BIN_DIR is not set; `make test` sets it");
        return;
    };
    let mut random = Random::from_environment();
    // What is missing is ordered anew with each round of audits, so its owner makes haste with them.
    let hurried = neighbour().programs(programs).env("DATIS_PLANT", "hurried-audits");
    let others = NAMES.iter().skip(1).map(|_| neighbour());
    let mut all: Vec<TestBox> = others.map(BoxOptions::start).collect();
    all.insert(1, hurried.start());
    unite(&all.iter().collect::<Vec<_>>(), &NAMES);
    // Two data shards and two of parity, and one that is spare.
    let mut saved = Saved::in_community(all, NAMES.map(str::to_owned).to_vec());
    let holders = saved.holders();
    assert_eq!(holders.len(), 4);
    // Not the founder, who is the only admin.
    let leaver = *random.choose(&holders.iter().copied().filter(|at| *at != 0).collect::<Vec<_>>());
    println!("{} leaves", saved.names[leaver]);
    let going = |saved: &Saved| {
        let shown = community(&saved.others[leaver], &["show", "--json"]).run().expect_success().json();
        shown["going"].clone()
    };
    assert_eq!(going(&saved), Value::Null, "it stays");
    // So that the owner does not begin before somebody has looked.
    saved.lost.freeze();
    let _left = community(&saved.others[leaver], &["leave"]).run().expect_success();
    let told = going(&saved);
    assert_eq!((&told["may_go"], &told["needed_by"][0]), (&false.into(), &"bakery".into()), "{told}");
    saved.lost.thaw();
    wait_for("the word that it may go", SPREAD, || (going(&saved)["may_go"] == true).then_some(()));

    // It is switched off for good; then the site burns down, and two of those that had something from the start. What is left of
    // that is with one box; the rest is what was made again.
    let mut gone: Vec<usize> = holders.into_iter().filter(|at| *at != leaver).collect();
    let _left = gone.swap_remove(usize::try_from(random.below(3)).expect("few"));
    gone.push(leaver);
    println!("gone are {gone:?}");
    saved.burn_these(&gone);
    for at in gone {
        std::fs::remove_dir_all(saved.others[at].data()).expect("it is gone");
    }
    let blank = blank();
    let recovered = saved.recover(&blank).expect_success().json();
    assert_eq!((recovered["answering"].as_u64(), recovered["snapshots"].as_u64()), (Some(2), Some(2)), "{recovered}");
    let back = neighbour().data(blank.data()).start();
    wait_until_whole(&back);
    let missing = saved.missing_in(&back);
    assert!(missing.is_empty(), "byte for byte: {missing:?}");
    back.assert_sound();
}
