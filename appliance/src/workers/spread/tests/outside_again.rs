//! What is outside is known again after a catalog was made anew, and stays there as far as it can.

use std::sync::Arc;

use datis_engine::community::head::{HEAD_MAX, Head};
use datis_engine::community::signed::Signed;
use datis_engine::format::decode_all;
use datis_engine::format::directory::Directory;
use datis_engine::ids::PackId;
use datis_engine::outside::head_content::HeadContent;
use datis_engine::outside::map_part::{MapPart, merge};
use datis_engine::units::Seconds;
use rusqlite::Transaction;

use super::{Boxes, back_up, kit, packs, status};
use crate::catalog::community::{Membership, append, enter};
use crate::catalog::dispersal::outside;
use crate::catalog::packs::{self as pack_rows, NewPack};
use crate::catalog::{CatalogError, machines};
use crate::operations::dispersal::{Circle, MachineDispersal};
use crate::operations::hosting::testing::join_two;
use crate::operations::rebuild;
use crate::operations::testing::TestBox;
use crate::workers::spread::{Rounded, round};

/// A box that is in a community, so that a new catalog goes on with it, and whose packs go to boxes in memory.
struct Member {
    test: TestBox,
    boxes: Arc<Boxes>,
    circle: Circle,
}

impl Member {
    fn start(others: u8) -> Self {
        let (founder, test) = (TestBox::start(), TestBox::start());
        join_two(founder.site(), test.site());
        let known = test.site().community().expect("a community");
        let now = test.site().clock.now();
        let entered = test.site().catalog.writer().write(|tx| {
            enter(tx, &Membership { community: known.log.community(), member: known.me, joined_at: now })?;
            (0..).zip(known.log.entries()).try_for_each(|(sequence, entry)| append(tx, sequence, &entry.encode(), now))
        });
        entered.expect("entered");
        let mut boxes = Arc::into_inner(Boxes::new(others)).expect("nobody else has it");
        boxes.owner = known.me;
        let circle = Circle { community: known.log.community(), me: known.me, ..boxes.circle() };
        Self { test, boxes: Arc::new(boxes), circle }
    }

    fn round(&self) -> Rounded {
        round(self.test.site(), &self.circle, &self.boxes, 30, &|_| ()).expect("round")
    }

    /// The newest head that anybody keeps, and the map that it names.
    fn newest(&self) -> (u64, MapPart) {
        let heads = self.boxes.hosts.values().filter_map(|host| super::lock(host).head.clone());
        let heads = heads.map(|bytes| {
            let signed = Signed::decode("head", &bytes, HEAD_MAX).expect("signed");
            decode_all::<Head>("head", &signed.body).expect("head")
        });
        let head = heads.max_by_key(|head| head.sequence).expect("a head");
        let kit = kit(&self.test);
        let content = HeadContent::open(&head.catalog, &kit).expect("content");
        let all: Vec<u8> = (1..).take(self.boxes.hosts.len()).collect();
        let open = |part| MapPart::open(&self.boxes.fetch(part, &content.dispersal, &all), &kit).expect("part");
        (head.sequence, merge(content.parts.iter().map(open)))
    }

    /// Makes the catalog anew; `before` changes the old one.
    fn rebuild(&mut self, before: fn(&Transaction<'_>) -> Result<usize, CatalogError>) {
        self.test.site().catalog.writer().write(before).expect("change");
        self.test.stop();
        let report = rebuild(&self.test.dir(), self.test.vault(), None, &mut |_| {}).expect("rebuild");
        assert!(report.is_sound(), "{report:?}");
        self.test.restart();
    }

    fn alice(&self) -> MachineDispersal {
        status(&self.test).machines.into_iter().find(|machine| machine.machine == "alice").expect("alice")
    }

    fn packs_in_place(&self) -> (u64, u64) {
        let all = status(&self.test).machines;
        (all.iter().map(|one| one.packs_in_place).sum(), all.iter().map(|one| one.packs_needed).sum())
    }

    fn is_all_there(&self, map: &MapPart) -> bool {
        map.stripes.keys().eq(packs(&self.test).keys()) && map.snapshots.len() == 3
    }
}

#[test]
fn a_new_catalog_knows_what_is_outside_and_the_next_head_says_no_less() {
    let mut member = Member::start(4);
    back_up(&member.test, 0..3);
    member.round();
    let (last, map) = member.newest();
    assert!(member.is_all_there(&map));
    member.rebuild(|_| Ok(0));
    let (in_place, needed) = member.packs_in_place();
    assert!(in_place == needed && needed > 0, "{in_place} of {needed}");
    assert_eq!(member.round().receipts, 0, "nothing is brought out again");
    let (next, map) = member.newest();
    assert_eq!(next, last + 1);
    assert!(member.is_all_there(&map));
    assert!(member.alice().last_safe.is_some());
    // What comes now is added to it.
    back_up_more(&member);
    member.round();
    let (_, map) = member.newest();
    assert!(map.stripes.keys().eq(packs(&member.test).keys()) && map.snapshots.len() == 4);
}

fn back_up_more(member: &Member) {
    let bob = crate::operations::testing::Client::enrol(member.test.site(), "bob");
    bob.back_up(member.test.site(), &crate::operations::testing::files(6, 99));
}

#[test]
fn without_the_old_map_the_last_head_stays_until_everything_is_outside_again() {
    let mut member = Member::start(4);
    back_up(&member.test, 0..3);
    member.round();
    let (last, _) = member.newest();
    member.rebuild(|tx| Ok(tx.execute("DELETE FROM map_part", [])?));
    assert_eq!(member.packs_in_place().0, 0);
    // Of a backup that is under way, so it is not sent yet.
    let site = member.test.site();
    let coming = PackId::from_bytes([7; 32]);
    let later = site.clock.now().plus(Seconds::DAY);
    let entered = site.catalog.writer().write(|tx| {
        let machine = machines::all(tx)?[0].row;
        let new = NewPack { id: coming, machine, bytes: 1_000, directory: Directory::default(), is_copy: false };
        pack_rows::insert_many(tx, &[new], later)
    });
    entered.expect("entered");
    member.round();
    let (in_place, needed) = member.packs_in_place();
    assert_eq!(in_place + 1, needed);
    let parts = site.catalog.reader().read(|tx| outside::parts(tx)).expect("parts");
    assert_eq!((parts.len(), member.newest().0), (1, last), "there is a map, and it says less than the last one");
    let broken_off = site.catalog.reader().read(|tx| pack_rows::all(tx)).expect("packs");
    let broken_off = broken_off.into_iter().find(|pack| pack.id == coming).expect("it came");
    site.catalog.writer().write(|tx| pack_rows::delete(tx, &broken_off, None)).expect("deleted");
    member.round();
    let (next, map) = member.newest();
    assert_eq!(next, last + 1);
    assert!(member.is_all_there(&map));
}
