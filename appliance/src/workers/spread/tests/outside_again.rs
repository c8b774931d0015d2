//! What is outside is known again after a catalog was made anew, and stays there as far as it can.

use std::sync::Arc;

use datis_engine::community::head::{HEAD_MAX, Head};
use datis_engine::community::signed::Signed;
use datis_engine::erasure::layout::{Layout, StripeVersion};
use datis_engine::erasure::scheme::Scheme;
use datis_engine::erasure::stripe::Stripe;
use datis_engine::format::decode_all;
use datis_engine::format::directory::Directory;
use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::outside::head_content::HeadContent;
use datis_engine::outside::map_part::{MapPart, merge};
use datis_engine::units::Seconds;
use rusqlite::Transaction;

use super::{Boxes, back_up, kit, packs, status, wanted};
use crate::catalog::HolderRow;
use crate::catalog::community::{Membership, append, enter};
use crate::catalog::dispersal::{holders, outside, stripes};
use crate::catalog::packs::{self as pack_rows, NewPack};
use crate::catalog::{CatalogError, machines};
use crate::operations::dispersal::{
    Circle, MachineDispersal, Place, PlacedStripe, ShardState, StripeKind, choose_group, note_leased, note_lost,
    order_repairs, place,
};
use crate::operations::hosting::testing::join_two;
use crate::operations::rebuild;
use crate::operations::testing::TestBox;
use crate::workers::spread::{Rounded, round};

/// A box that is in a community, so that a new catalog goes on with it, and whose packs go to boxes in memory.
pub(super) struct Member {
    pub(super) test: TestBox,
    pub(super) boxes: Arc<Boxes>,
    pub(super) circle: Circle,
}

impl Member {
    pub(super) fn start(others: u8) -> Self {
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

    pub(super) fn round(&self) -> Rounded {
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
    pub(super) fn rebuild(&mut self, before: fn(&Transaction<'_>) -> Result<usize, CatalogError>) {
        self.test.site().catalog.writer().write(before).expect("change");
        self.test.stop();
        let report = rebuild(&self.test.dir(), self.test.vault(), None, &mut |_| {}).expect("rebuild");
        assert!(report.is_sound(), "{report:?}");
        self.test.restart();
    }

    fn alice(&self) -> MachineDispersal {
        status(&self.test).machines.into_iter().find(|machine| machine.machine == "alice").expect("alice")
    }

    /// Shards that were taken over and not asked for since.
    fn unchecked(&self) -> u64 {
        let found = self.test.site().catalog.reader().read(|tx| {
            let all: Vec<HolderRow> = holders::all(tx)?.into_iter().map(|holder| holder.row).collect();
            outside::unchecked(tx, &all)
        });
        found.expect("read")
    }

    fn packs_in_place(&self) -> (u64, u64) {
        let all = status(&self.test).machines;
        (all.iter().map(|one| one.packs_in_place).sum(), all.iter().map(|one| one.packs_needed).sum())
    }

    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T, CatalogError>) -> T {
        self.test.site().catalog.writer().write(change).expect("written")
    }

    pub(super) fn orders(&self) -> usize {
        order_repairs(self.test.site(), &self.circle, 1_000).expect("orders")
    }

    /// The stripe of one of the packs, and where its shards are.
    fn stripe(&self) -> (PlacedStripe, Vec<Place>) {
        let pack = *packs(&self.test).keys().next().expect("a pack");
        let found = self.test.site().catalog.reader().read(|tx| {
            let stripe = stripes::by_pack(tx, &pack)?.expect("a stripe");
            let places = stripes::places(tx, stripe.row)?;
            Ok::<_, CatalogError>((stripe, places))
        });
        found.expect("read")
    }

    /// A member that has nothing of the stripe.
    fn free(&self, places: &[Place]) -> MemberId {
        let is_free = |member: &MemberId| places.iter().all(|place| place.member != *member);
        self.circle.fellows.iter().map(|fellow| fellow.member).find(is_free).expect("a spare")
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
    assert_eq!(member.unchecked(), 0, "a receipt is somebody's word");
    member.rebuild(|_| Ok(0));
    let shards = member.boxes.hosts.values().map(|host| super::lock(host).shards.len() as u64).sum::<u64>();
    assert_eq!(member.unchecked(), shards, "what the map says nobody has said since");
    let (in_place, needed) = member.packs_in_place();
    assert!(in_place == needed && needed > 0, "{in_place} of {needed}");
    assert_eq!(member.round().receipts, 0, "nothing is brought out again");
    let (next, map) = member.newest();
    assert_eq!(next, last + 1);
    assert!(member.is_all_there(&map));
    assert!(member.alice().last_safe.is_some());
    for (fellow, compared) in member.circle.fellows.iter().zip(1..) {
        note_leased(member.test.site(), &fellow.member).expect("noted");
        assert_eq!(member.unchecked() == 0, compared == member.circle.fellows.len());
    }
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

fn row(tx: &Transaction<'_>, member: &MemberId) -> HolderRow {
    holders::number(tx, member).expect("a number")
}

#[test]
fn the_map_names_the_member_that_has_a_shard_after_another_one_has_lost_it() {
    let member = Member::start(7);
    back_up(&member.test, 0..1);
    member.round();
    let (stripe, places) = member.stripe();
    let (first, spare) = (places[1], member.free(&places));
    let now = member.test.site().clock.now();
    // It was away for long, and another one has it as well.
    member.write(|tx| stripes::want(tx, stripe.row, first.index, row(tx, &spare), &first.shard, now));
    member.round();
    let named = || member.newest().1.stripes[&stripe.pack].shards[usize::from(first.index)];
    assert_eq!(named(), (spare, first.shard));
    assert_eq!(note_lost(member.test.site(), &spare, &[first.shard]).expect("noted"), 1);
    member.round();
    assert_eq!(named(), (first.member, first.shard));
}

#[test]
fn what_a_member_has_counts_though_it_has_lost_another_shard_of_the_pack() {
    let member = Member::start(7);
    back_up(&member.test, 0..1);
    member.round();
    let (stripe, places) = member.stripe();
    let (lost, moved, spare) = (places[0], places[3], member.free(&places));
    let now = member.test.site().clock.now();
    member.write(|tx| {
        let (loser, spare) = (row(tx, &lost.member), row(tx, &spare));
        stripes::turn(tx, stripe.row, lost.index, loser, ShardState::Lost, now)?;
        stripes::turn(tx, stripe.row, moved.index, row(tx, &moved.member), ShardState::Lost, now)?;
        for (index, holder, shard) in [(lost.index, spare, lost.shard), (moved.index, loser, moved.shard)] {
            stripes::want(tx, stripe.row, index, holder, &shard, now)?;
            assert!(stripes::turn(tx, stripe.row, index, holder, ShardState::Durable, now)?);
            // Whoever wants it once more changes nothing.
            stripes::want(tx, stripe.row, index, holder, &shard, now)?;
        }
        Ok(())
    });
    assert_eq!(member.orders(), 0, "all five are there");
    let durable = member.test.site().catalog.reader().read(|tx| stripes::count_durable(tx, stripe.row));
    assert_eq!(durable.expect("read"), 5);
}

#[test]
fn a_member_that_came_after_the_group_was_chosen_takes_over_what_is_lost() {
    let mut member = Member::start(7);
    let newcomer = member.circle.fellows.pop().expect("seven");
    back_up(&member.test, 0..1);
    member.round();
    member.circle.fellows.push(newcomer.clone());
    let (stripe, places) = member.stripe();
    // One of five goes to the spare, the other one to whoever came later.
    for place in &places[..2] {
        let leaver = member.circle.fellows.iter_mut().find(|fellow| fellow.member == place.member).expect("in");
        (leaver.leaves, leaver.room_bytes) = (true, 0);
    }
    assert!(member.orders() >= 2);
    let places = member.test.site().catalog.reader().read(|tx| stripes::places(tx, stripe.row)).expect("places");
    let wanted = |place: &&Place| place.state == ShardState::Wanted;
    assert_eq!(places.iter().filter(wanted).count(), 2);
    assert!(places.iter().any(|place| place.member == newcomer.member));
}

#[test]
fn what_was_cut_for_more_members_than_there_are_is_placed_again_and_the_old_shards_go_last() {
    let mut member = Member::start(4);
    back_up(&member.test, 0..3);
    member.round();
    let (last, map) = member.newest();
    assert!(map.stripes.values().all(|stripe| stripe.shards.len() == 4));
    let old: Vec<(MemberId, ShardId)> = map.stripes.values().flat_map(|stripe| stripe.shards.clone()).collect();
    // Two leave, and a backup comes after that.
    member.circle.fellows.truncate(2);
    back_up_more(&member);
    // One of the two that are left takes nothing for now: the old stripes are what there is.
    let left: Vec<MemberId> = member.circle.fellows.iter().map(|fellow| fellow.member).collect();
    let host = |member: &Member, id: &MemberId| -> usize { super::lock(&member.boxes.hosts[id]).condemned.len() };
    super::lock(&member.boxes.hosts[&left[0]]).is_away = true;
    member.round();
    assert_eq!(member.newest().0, last);
    assert!(left.iter().all(|id| host(&member, id) == 0), "they are all that there is");
    super::lock(&member.boxes.hosts[&left[0]]).is_away = false;
    member.round();
    member.round();
    let (next, map) = member.newest();
    assert!(next > last);
    assert!(map.stripes.keys().eq(packs(&member.test).keys()) && map.snapshots.len() == 4);
    assert!(
        map.stripes.values().all(|stripe| stripe
            .shards
            .iter()
            .map(|(member, _)| *member)
            .all(|one| left.contains(&one)))
    );
    let (in_place, needed) = member.packs_in_place();
    assert_eq!(in_place, needed);
    assert!(status(&member.test).machines.iter().all(|machine| machine.oldest_missing.is_none()));
    for (holder, shard) in old.iter().filter(|(holder, _)| left.contains(holder)) {
        assert!(super::lock(&member.boxes.hosts[holder]).condemned.contains(shard));
    }
    // Any of the two gives all back.
    for number in 1..=4_u8 {
        if left.contains(&MemberId::from_bytes([number; 32])) {
            assert_eq!(member.boxes.recover(&kit(&member.test), &[number]), packs(&member.test));
        }
    }
    assert_eq!(member.round().receipts, 0, "once is enough");
}

#[test]
fn what_the_first_version_of_stripes_brought_out_is_made_again_as_it_was_and_comes_back() {
    let (test, boxes) = (TestBox::start(), Boxes::new(6));
    back_up(&test, 0..2);
    let kept = packs(&test);
    let group = choose_group(test.site(), &boxes.circle()).expect("chosen").expect("enough members");
    let scheme = Scheme::for_peers(6).expect("a scheme");
    for (pack, bytes) in &kept {
        let layout = Layout::of(StripeVersion::First, scheme, bytes.len()).expect("a layout");
        let stripe = Stripe::again(*pack, bytes, layout, &test.site().vault.dispersal).expect("its bytes");
        place(test.site(), &group, (*pack, StripeKind::Pack), layout, &stripe.encode()).expect("placed");
    }
    // What is wanted by its name is coded anew, and goes only when it has that name.
    boxes.round(&test);
    assert_eq!((wanted(&test, &boxes), packs_outside(&test)), (0, kept.len()));
    let holding = boxes.holding();
    assert_eq!(boxes.recover(&kit(&test), &holding[2..]), kept);
}

/// Stripes of the first version of which all shards are there.
fn packs_outside(test: &TestBox) -> usize {
    let stripes = test.site().catalog.reader().read(|tx| stripes::all_codable(tx)).expect("stripes");
    let first = stripes.iter().filter(|stripe| stripe.layout.version() == StripeVersion::First);
    first.filter(|stripe| stripe.full_at.is_some()).count()
}
