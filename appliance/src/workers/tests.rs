//! Workers do what is to be done, give way, and end when they are told to.

use std::time::{Duration, Instant};

use super::*;
use crate::operations::testing::{Client, TestBox, files};

/// The site is checked in a laboratory (`tests/commissioning`), not wherever the tests run.
fn no_site(site: &Arc<Site>) -> Orders {
    let commissioning = CommissioningConfig { automatic: false, ..CommissioningConfig::default() };
    Orders {
        commissioning,
        door: Door::of_nobody(),
        portal_url: String::new(),
        certificate_ends: Arc::new(|| None),
        peers: Arc::new(Peers::of_nobody(site)),
        drill: Arc::new(|| Ok(())),
    }
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn unverified(site: &Site) -> u64 {
    crate::operations::status(site).expect("status").unverified_packs
}

#[test]
fn what_came_in_is_checked_soon_so_that_others_can_refer_to_it() {
    let test = TestBox::start();
    let site = test.site();
    let (alice, bob) = (Client::enrol(site, "alice"), Client::enrol(site, "bob"));
    let workers = start(Arc::clone(site), &no_site(site)).expect("start");
    alice.back_up(site, &files(6, 1));
    wait_for("verified", || unverified(site) == 0);
    let (_, sent) = bob.back_up(site, &files(6, 1));
    assert_eq!(sent, 0);
    let states = workers.states();
    assert_eq!(
        states.iter().map(|s| s.name).collect::<Vec<_>>(),
        [
            "verifier",
            "scrub",
            "prune",
            "compaction",
            "index",
            "proofs",
            "commissioning",
            "router",
            "reports",
            "mail",
            "webhook",
            "directory",
            "community",
            "spread",
            "audit",
            "hosting",
            "recovery",
            "drill",
        ]
    );
    assert!(states.iter().all(|s| s.last_error.is_none()));
    wait_for("a round ended", || workers.states()[0].last_run.is_some());
    let began = Instant::now();
    workers.stop();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_backup_that_goes_on_has_the_right_of_way() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    client.back_up(site, &files(6, 1));
    let session = client.begin(site, None).session;
    let workers = start(Arc::clone(site), &no_site(site)).expect("start");
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2_500) {
        client.have(site, session, &[vec![1; 10]]);
        assert_eq!(unverified(site), 1);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(workers.states()[0].state, WorkState::Waiting);
    wait_for("verified once it is quiet", || unverified(site) == 0);
}

#[test]
fn each_worker_ends_its_round_on_a_box_in_order() {
    let test = TestBox::start();
    let site = test.site();
    let client = Client::enrol(site, "alice");
    for seed in 0..9 {
        client.back_up(site, &files(2, seed));
    }
    for worker in Worker::ALL {
        let mut steps = 0;
        while worker.step(site, &no_site(site), &|_| ()).expect("step") == Done::Part {
            steps += 1;
            assert!(steps < 100, "{worker:?}");
        }
    }
    assert_eq!(unverified(site), 0);
    assert_eq!(crate::operations::status(site).expect("status").condemned.packs, 9, "compacted");
}

#[test]
fn a_step_that_fails_is_shown_until_one_succeeds() {
    let board = Board::new(["verifier"].into_iter());
    board.failed(0, "the disk is away".to_owned());
    assert_eq!(board.states()[0].state, WorkState::Failed);
    board.note(0, WorkState::Waiting, None);
    assert_eq!(board.states()[0].last_error.as_deref(), Some("the disk is away"));
    board.succeeded(0, datis_engine::units::UnixMillis(7));
    assert_eq!((board.states()[0].last_error.clone(), board.states()[0].last_run), (None, Some(7)));
    board.stop();
    assert!(!board.sleep(0, Duration::from_secs(60)));
}

#[test]
fn who_is_nudged_does_not_sleep_on_and_the_others_do() {
    let board = Arc::new(Board::new(["one", "other"].into_iter()));
    let hour = Duration::from_secs(3_600);
    // Also before it sleeps, once.
    board.nudge(0);
    assert!(board.sleep(0, hour));
    let (tell, told) = std::sync::mpsc::channel();
    let sleeper = |at: usize| {
        let (board, tell) = (Arc::clone(&board), tell.clone());
        std::thread::spawn(move || {
            let goes_on = board.sleep(at, hour);
            tell.send((at, goes_on)).expect("somebody listens");
        })
    };
    let threads = [sleeper(0), sleeper(1)];
    board.nudge(1);
    let patience = Duration::from_secs(20);
    assert_eq!(told.recv_timeout(patience), Ok((1, true)));
    board.stop();
    assert_eq!(told.recv_timeout(patience), Ok((0, false)), "it was not meant");
    for thread in threads {
        thread.join().expect("it ends");
    }
}
