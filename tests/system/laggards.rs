//! A recovery among boxes that answer and then stand still, or crawl: others are asked in their place (overdrive).

use std::time::{Duration, Instant};

use harness::community::{neighbour, neighbour_with, unite};
use harness::wire::Bottleneck;
use harness::{PATIENCE, Random, TestBox, wait_for};

use crate::saved::{Saved, blank, wait_until_whole};

/// What the slow one gives from then on, in bytes a second.
const CRAWL: u32 = 20_000;
/// From the kit to the last byte. It is twelve seconds that are waited for those that may answer yet, and a few for each of both until
/// others are asked in their place; were they asked for their part of each pack, it would be minutes.
const WITHIN: Duration = Duration::from_secs(45);

#[test]
fn a_holder_that_stops_in_the_middle_of_a_recovery_and_one_that_crawls_hold_it_up_for_seconds() {
    let mut random = Random::from_environment();
    let names = ["harbour master", "bakery", "smithy", "inn", "mill"];
    let line = Bottleneck::start();
    let at_its_end = format!("[machine_port]\naddress = \"127.0.0.1\"\noutside_port = {}\n", line.port());
    let start = |at: usize| if at == 3 { neighbour_with(&at_its_end) } else { neighbour() }.start();
    let all: Vec<TestBox> = (0..names.len()).map(start).collect();
    line.lead_to(all[3].machine_port());
    unite(&all.iter().collect::<Vec<_>>(), &names);
    let mut saved = Saved::in_community(all, names.map(str::to_owned).to_vec());
    saved.save_more(14);
    assert_eq!(saved.holders().len(), 4, "two data shards and two of parity");
    let crawling = saved.names.iter().position(|name| name == "inn").expect("it is there");
    let kept: u64 = saved.others[crawling].shards().iter().map(|(_, len)| len).sum();
    assert!(kept > u64::from(CRAWL) * 2 * WITHIN.as_secs(), "its line would take far longer: {kept} bytes");

    saved.burn_these(&[]);
    let blank = blank();
    let began = Instant::now();
    let mut recovery = saved.recovery(&blank, &[]).start();
    // All have answered, or there would be no map; then one stands still, at no matter which moment.
    let mark = blank.data().join("awaited/map-0.age");
    wait_for("the map", PATIENCE, || (mark.exists() || recovery.has_ended()).then_some(()));
    std::thread::sleep(Duration::from_micros(random.below(100_000)));
    let candidates: Vec<usize> = (0..4).filter(|at| *at != crawling).collect();
    let frozen = *random.choose(&candidates);
    saved.others[frozen].freeze();
    line.narrow_to(CRAWL);
    println!("{} stands still after {:.1} s", saved.names[frozen], began.elapsed().as_secs_f64());
    let recovered = recovery.wait().expect_success();
    println!("recovered after {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(recovered.json()["snapshots"], 16);
    let back = neighbour().data(blank.data()).start();
    wait_until_whole(&back);
    let took = began.elapsed();
    println!("whole after {:.1} s", took.as_secs_f64());
    assert!(took < WITHIN, "{took:?}");
    let missing = saved.missing_in(&back);
    assert!(missing.is_empty(), "byte for byte: {missing:?}");
    saved.others[frozen].thaw();
}
