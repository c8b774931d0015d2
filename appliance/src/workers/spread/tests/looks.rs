//! Close looks at members, and what the box's own rotten packs have to do with them.

use super::*;
use crate::operations::{Pace, scrub_pack};

#[test]
fn a_close_look_that_a_stop_has_broken_off_is_begun_again() {
    let (mut test, boxes) = (TestBox::start(), Boxes::new(7));
    back_up(&test, 0..2);
    boxes.round(&test);
    let suspected = boxes.holding()[0];
    let member = MemberId::from_bytes([suspected; 32]);
    let loss = Event::Round(Findings { good: 9, lost: 1, absent: 0 });
    assert_eq!(note_peer(test.site(), &member, loss).expect("noted"), Some(Check::Sweep));
    test.restart();
    assert_eq!(standing(&test, &boxes, suspected), Standing::Suspect);
    audit_all(&test, &boxes);
    assert_eq!(standing(&test, &boxes, suspected), Standing::Ok, "it has all that it was asked for");
}

#[test]
fn a_close_look_that_takes_too_long_goes_on_where_it_was() {
    let (mut test, boxes) = (TestBox::start(), Boxes::new(7));
    back_up(&test, 0..2);
    boxes.round(&test);
    let slow = boxes.holding()[0];
    let member = MemberId::from_bytes([slow; 32]);
    for silent_days in [0, 0, 10] {
        crate::operations::hosting::testing::pass_days(test.site(), silent_days);
        note_peer(test.site(), &member, Event::Round(Findings { good: 0, lost: 0, absent: 10 })).expect("noted");
    }
    let answer = Event::Round(Findings { good: 10, lost: 0, absent: 0 });
    assert_eq!(note_peer(test.site(), &member, answer).expect("noted"), Some(Check::Return));
    let look = |test: &TestBox, until: Instant| {
        let before = boxes.host(slow).asked;
        audit::look(&OwnSide::new(test.site()), &boxes, member, Check::Return, until).expect("looked");
        boxes.host(slow).asked - before
    };
    assert_eq!(look(&test, Instant::now()), 0, "there is no time at all");
    boxes.host(slow).is_slow = true;
    let first = look(&test, Instant::now() + Duration::from_millis(700));
    boxes.host(slow).is_slow = false;
    let so_far = check_so_far(test.site(), &member).expect("read").expect("it has begun");
    assert!(first > 0 && so_far.asked as usize == 10 * first && so_far.found.good == so_far.asked, "{so_far:?}");
    assert_eq!(standing(&test, &boxes, slow), Standing::Absent, "it is not over");
    test.restart();
    let rest = look(&test, Instant::now() + Duration::from_secs(600));
    assert_eq!(10 * (first + rest), RETURN_RANGES as usize, "nothing is asked for twice");
    assert_eq!(standing(&test, &boxes, slow), Standing::Ok);
    assert_eq!(check_so_far(test.site(), &member).expect("read"), None);
}

#[test]
fn a_sample_that_has_found_a_loss_is_not_asked_to_its_end() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    // More shards than a round asks for.
    back_up(&test, 0..12);
    boxes.round(&test);
    let rotten = boxes.holding()[0];
    let shards = boxes.host(rotten).shards.len();
    for bytes in boxes.host(rotten).shards.values_mut() {
        bytes.iter_mut().for_each(|byte| *byte ^= 1);
    }
    audit_all(&test, &boxes);
    // The round, the first question of the sweep, every shard: each question that does not fit is taken apart.
    let asked = boxes.host(rotten).asked;
    assert!(asked <= 2 * 11 + 2 * shards + 2, "{asked} questions for {shards} shards");
    assert_eq!(standing(&test, &boxes, rotten), Standing::Suspect);
}

#[test]
fn what_rots_on_the_boxs_own_disk_is_held_against_nobody_and_is_not_sent_again() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    back_up(&test, 0..2);
    boxes.round(&test);
    let rotten = rot(&test);
    let holding = boxes.holding();
    for _ in 0..3 {
        assert_eq!(audit_all(&test, &boxes), 0);
    }
    assert!(holding.iter().all(|number| standing(&test, &boxes, *number) == Standing::Ok));
    let (damaged, durable) = test
        .site()
        .catalog
        .reader()
        .read(|tx| {
            let damaged = pack_rows::any_damaged(tx)?;
            let stripe = stripe_rows::by_pack(tx, &rotten)?.expect("a stripe");
            Ok::<_, CatalogError>((damaged, stripe_rows::count_durable(tx, stripe.row)?))
        })
        .expect("read");
    assert!(damaged, "it is told");
    assert_eq!(usize::from(durable), holding.len(), "what the others have is sound");
    // What somebody does lose of it cannot be made again here, and is not tried again and again.
    let lose = |tx: &rusqlite::Transaction<'_>| {
        let stripe = stripe_rows::by_pack(tx, &rotten)?.expect("a stripe");
        let sql = "UPDATE shard SET state = 'wanted', at = 0 WHERE stripe = ?1 AND shard_index = 0";
        Ok::<_, CatalogError>(tx.execute(sql, [stripe.row])?)
    };
    assert_eq!(test.site().catalog.writer().write(lose).expect("lost"), 1);
    assert_eq!((wanted(&test, &boxes), audit_all(&test, &boxes)), (0, 0));
}

/// What the boxes give of the packs of `test`.
pub(super) struct Given {
    pub(super) boxes: Arc<Boxes>,
    pub(super) secret: DispersalSecret,
}

impl Fetch for Given {
    fn range(&self, stripe: &StripeRef, range: std::ops::Range<usize>) -> Result<Vec<u8>, FetchError> {
        self.whole(stripe, &mut Memory::default()).map(|bytes| bytes[range].to_vec())
    }

    fn whole<'m>(&self, stripe: &StripeRef, memory: &'m mut Memory) -> Result<&'m [u8], FetchError> {
        let there: Vec<u8> =
            self.boxes.holding().into_iter().filter(|number| !self.boxes.host(*number).is_away).collect();
        let needed = usize::from(stripe.layout.scheme().data());
        if there.len() < needed {
            return Err(FetchError::Away { there: there.len(), needed });
        }
        memory.pack = self.boxes.fetch(stripe, &self.secret, &there);
        Ok(&memory.pack)
    }
}

#[test]
fn what_rots_on_the_boxs_own_disk_comes_back_from_the_others() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    let site = test.site();
    back_up(&test, 0..2);
    boxes.round(&test);
    site.awaited.reach_by(Arc::new(Given { boxes: boxes.clone(), secret: site.vault.dispersal.clone() }));
    let before = packs(&test);
    let rotten = rot(&test);
    audit_all(&test, &boxes);
    let is_damaged = || site.catalog.reader().read(|tx| pack_rows::any_damaged(tx)).expect("read");
    assert!(is_damaged());
    set_away(&boxes, true);
    assert_eq!(mend(site, &|_| ()).expect("mend"), Mended { left: 1, ..Mended::default() });
    assert!(is_damaged() && packs(&test)[&rotten] != before[&rotten], "what is here is not touched before");
    set_away(&boxes, false);
    assert_eq!(mend(site, &|_| ()).expect("mend"), Mended { packs: 1, ..Mended::default() });
    assert!(!is_damaged() && packs(&test) == before);
    assert!(verify(site, None, &mut |_| {}).expect("verify").is_sound());
    assert_eq!(mend(site, &|_| ()).expect("mend"), Mended::default());
}

/// Gives what it is asked for, except one pack.
pub(super) struct AllBut {
    pub(super) given: Given,
    pub(super) not: PackId,
}

impl Fetch for AllBut {
    fn range(&self, stripe: &StripeRef, range: std::ops::Range<usize>) -> Result<Vec<u8>, FetchError> {
        self.whole(stripe, &mut Memory::default()).map(|bytes| bytes[range].to_vec())
    }

    fn whole<'m>(&self, stripe: &StripeRef, memory: &'m mut Memory) -> Result<&'m [u8], FetchError> {
        if stripe.pack == self.not {
            return Err(FetchError::Away { there: 0, needed: 1 });
        }
        self.given.whole(stripe, memory)
    }
}

#[test]
fn a_damaged_pack_that_cannot_be_had_holds_up_no_other() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    let site = test.site();
    back_up(&test, 0..6);
    boxes.round(&test);
    let mut rotten: Vec<PackId> = packs(&test).into_keys().take(2).collect();
    rotten.sort_unstable();
    for pack in &rotten {
        rot_one(&test, pack);
        let rows = site.catalog.reader().read(|tx| pack_rows::all_by_id(tx, pack)).expect("read");
        rows.iter().for_each(|row| assert!(scrub_pack(site, row, Pace::Steady).is_err(), "it is noted"));
    }
    let given = Given { boxes: boxes.clone(), secret: site.vault.dispersal.clone() };
    site.awaited.reach_by(Arc::new(AllBut { given, not: rotten[0] }));
    // There is time for one in each step.
    let step = || mend_for(site, Duration::ZERO, &|_| ()).expect("mend");
    assert_eq!(step(), Mended { left: 1, untried: 1, ..Mended::default() });
    assert_eq!(step(), Mended { packs: 1, ..Mended::default() });
    assert_eq!(step(), Mended { left: 1, ..Mended::default() });
}

#[test]
fn when_no_damaged_pack_can_be_had_all_are_tried_and_then_there_is_a_rest() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    let site = test.site();
    back_up(&test, 0..6);
    boxes.round(&test);
    for pack in packs(&test).into_keys().take(2) {
        rot_one(&test, &pack);
        site.catalog.writer().write(|tx| pack_rows::mark_damaged(tx, &pack)).expect("noted");
    }
    site.awaited.reach_by(Arc::new(Given { boxes: boxes.clone(), secret: site.vault.dispersal.clone() }));
    set_away(&boxes, true);
    let step = || mend_for(site, Duration::ZERO, &|_| ()).expect("mend");
    for _ in 0..2 {
        assert_eq!(step(), Mended { left: 1, untried: 1, ..Mended::default() });
        assert_eq!(step(), Mended { left: 1, ..Mended::default() }, "both were tried");
    }
}
