//! What has another copy elsewhere is given up only where that copy is sure, and where whoever recovers finds it.

use super::*;
use crate::operations::dispersal::{note_lost, order_repairs, release_leavers};

const GOOD: Findings = Findings { good: 10, lost: 0, absent: 0 };
const LOST: Findings = Findings { good: 9, lost: 1, absent: 0 };
const SILENT: Findings = Findings { good: 0, lost: 0, absent: 10 };

/// Eight members of which one leaves, and all of its shards are elsewhere too.
struct Leaving {
    test: TestBox,
    boxes: Arc<Boxes>,
    circle: Circle,
    leaver: u8,
}

impl Leaving {
    fn begin() -> Self {
        let (test, boxes) = (TestBox::start(), Boxes::new(8));
        back_up(&test, 0..2);
        boxes.round(&test);
        let (leaver, mut circle) = (boxes.holding()[0], boxes.circle());
        let of_it = |fellow: &&mut Fellow| fellow.member == MemberId::from_bytes([leaver; 32]);
        let fellow = circle.fellows.iter_mut().find(of_it).expect("it is in");
        (fellow.leaves, fellow.room_bytes) = (true, 0);
        let begun = Self { test, boxes, circle, leaver };
        audit::round(begun.test.site(), &begun.circle, &begun.boxes, &|_| ()).expect("audit");
        begun.round();
        begun
    }

    fn round(&self) {
        round(self.test.site(), &self.circle, &self.boxes, 30, &|_| ()).expect("round");
    }

    fn all_others(&self, event: Event) {
        let others = self.boxes.hosts.keys().filter(|member| **member != MemberId::from_bytes([self.leaver; 32]));
        for member in others {
            note_peer(self.test.site(), member, event).expect("noted");
        }
    }

    fn released(&self) -> usize {
        release_leavers(self.test.site(), &self.circle).expect("released")
    }
}

#[test]
fn a_leaver_keeps_what_another_one_has_while_that_one_is_in_doubt_or_silent() {
    let leaving = Leaving::begin();
    leaving.all_others(Event::Round(LOST));
    assert_eq!(leaving.released(), 0, "they are suspect");
    leaving.all_others(Event::Checked(Check::Sweep, GOOD));
    let long_ago = |tx: &rusqlite::Transaction<'_>| {
        Ok::<_, CatalogError>(tx.execute("UPDATE holder SET met_at = met_at - ?1", [5 * 3_600_000_i64])?)
    };
    leaving.test.site().catalog.writer().write(long_ago).expect("long ago");
    leaving.all_others(Event::Round(SILENT));
    leaving.all_others(Event::Round(SILENT));
    assert_eq!(leaving.released(), 0, "they are away");
    leaving.all_others(Event::Round(GOOD));
    leaving.all_others(Event::Round(GOOD));
    assert!(leaving.released() > 0, "they are well");
}

#[test]
fn nothing_that_has_moved_is_given_up_before_a_head_that_leads_to_it_is_kept() {
    let leaving = Leaving::begin();
    let held = leaving.boxes.host(leaving.leaver).shards.clone();
    let told = || leaving.boxes.host(leaving.leaver).condemned.clone();
    let before = told();
    // They do not keep what they are given.
    (1..=8).for_each(|number| leaving.boxes.host(number).boasts = Some(0));
    leaving.round();
    leaving.round();
    assert_eq!(told(), before, "a recovery would begin at a head of before");
    (1..=8).for_each(|number| leaving.boxes.host(number).boasts = None);
    leaving.round();
    assert!(held.keys().all(|shard| told().contains(shard)), "it may go");
}

#[test]
fn what_a_member_has_lost_is_condemned_there_once_another_one_has_it() {
    let (test, boxes) = (TestBox::start(), Boxes::new(8));
    back_up(&test, 0..2);
    boxes.round(&test);
    let (site, number) = (test.site(), boxes.holding()[0]);
    let member = MemberId::from_bytes([number; 32]);
    // It is suspect, so that it does not get them again itself.
    note_peer(site, &member, Event::Round(LOST)).expect("noted");
    let rotten: Vec<ShardId> = boxes.host(number).shards.keys().copied().collect();
    assert!(note_lost(site, &member, &rotten).expect("noted") > 0);
    assert!(order_repairs(site, &boxes.circle(), 100).expect("ordered") > 0);
    for _ in 0..3 {
        boxes.round(&test);
    }
    assert!(rotten.iter().all(|shard| boxes.host(number).condemned.contains(shard)), "none is left behind");
}
