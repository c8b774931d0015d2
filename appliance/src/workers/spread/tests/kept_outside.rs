//! Snapshots that external retention alone keeps: they leave this disk once the others have them, and come from there.

use datis_engine::ids::SnapshotId;
use datis_engine::store::PackStore;
use datis_engine::store::folder::FolderStore;
use datis_engine::units::Seconds;
use datis_engine::wire::{Abandon, ListSnapshots, RefusalCode};

use super::outside_again::Member;
use super::*;
use crate::catalog::testing::age;
use crate::operations::accounts::Actor;
use crate::operations::awaited::{Home, bring_home, bring_home_for};
use crate::operations::community::{CommunityError, Decided, forget, leave};
use crate::operations::testing::owned;
use crate::operations::{
    OperationError, PolicyChange, PruneOptions, PruneReport, Site, abandon, list_snapshots, prune_with, scrub_pack,
    set_policy, verify_pack,
};
use crate::workers::steps::{self, Done};

const DAY: Seconds = Seconds::DAY;

/// A member with a machine that keeps two days here and many outside.
struct Owner {
    member: Member,
    client: Client,
}

impl Owner {
    fn start() -> Self {
        Self::start_among(4)
    }

    /// With so many other boxes.
    fn start_among(others: u8) -> Self {
        let member = Member::start(others);
        let client = Client::enrol(member.test.site(), "alice");
        let owner = Self { member, client };
        owner.keep("2d/1d", "90d/1d");
        owner.reach_others();
        owner
    }

    fn site(&self) -> &Arc<Site> {
        self.member.test.site()
    }

    fn reach_others(&self) {
        let (boxes, secret) = (self.member.boxes.clone(), self.site().vault.dispersal.clone());
        self.site().awaited.reach_by(Arc::new(looks::Given { boxes, secret }));
    }

    fn restart(&mut self) {
        self.member.test.restart();
        self.reach_others();
    }

    fn keep(&self, local: &str, external: &str) {
        let policy = |text: &str| Some(text.parse().expect(text));
        let change = PolicyChange { local: policy(local), external: policy(external), ..PolicyChange::default() };
        set_policy(self.site(), &Actor::console(), &self.client.machine.name, &change).expect("policy");
    }

    fn back_up(&self, seed: u64) -> SnapshotId {
        self.client.back_up(self.site(), &files(6, seed)).0.snapshot
    }

    fn pass(&self, time: Seconds) {
        self.site().catalog.writer().write(|tx| age(tx, time)).expect("age");
    }

    /// Until everything is outside, and heads that say so are kept.
    fn bring_out(&self) {
        for _ in 0..4 {
            self.member.round();
        }
    }

    fn prune(&self) -> PruneReport {
        self.try_prune(&PruneOptions { force: true, ..PruneOptions::default() }).expect("prune")
    }

    fn try_prune(&self, options: &PruneOptions) -> Result<PruneReport, OperationError> {
        prune_with(self.site(), Some(&self.member.circle), options)
    }

    /// Three days later what was here is outside only, and its file is gone.
    fn let_go(&self) {
        self.bring_out();
        self.pass(Seconds(3 * DAY.0));
        self.back_up(100);
        self.bring_out();
        assert_eq!(self.prune().sent_outside.len(), 1);
        self.pass(Seconds(DAY.0 + 3_600));
        self.back_up(101);
        self.bring_out();
        assert_eq!(self.prune().given_up_packs, 1);
    }

    fn newest_pack(&self) -> PackId {
        let packs = self.site().catalog.reader().read(|tx| pack_rows::all(tx)).expect("read");
        packs.iter().max_by_key(|pack| pack.row).expect("a pack").id
    }

    fn listed(&self) -> Vec<(SnapshotId, bool)> {
        let all = ListSnapshots { source: None, after: None };
        let page = list_snapshots(self.site(), &self.client.machine, &all).expect("list");
        page.snapshots.iter().map(|s| (s.signed.id(), s.outside_only)).collect()
    }

    fn files_here(&self) -> usize {
        let folder = FolderStore::open(&self.member.test.dir().store_dir()).expect("store");
        folder.list(ObjectKind::Pack).expect("list").len()
    }

    /// The stripe of the one pack that is outside only.
    fn stripe_outside(&self) -> dispersal::PlacedStripe {
        let found = self.site().catalog.reader().read(|tx| {
            let outside = pack_rows::all(tx)?.into_iter().find(|pack| pack.state == pack_rows::PackState::Outside);
            stripe_rows::by_pack(tx, &outside.expect("one is outside").id)
        });
        found.expect("read").expect("a stripe")
    }

    /// Where it is.
    fn places_outside(&self) -> Vec<dispersal::Place> {
        let stripe = self.stripe_outside().row;
        self.site().catalog.reader().read(|tx| stripe_rows::places(tx, stripe)).expect("read")
    }

    /// What these boxes have of the pack that is outside only is gone, and they have said so.
    fn lose_outside(&self, members: usize) {
        for place in self.places_outside().iter().take(members) {
            super::lock(&self.member.boxes.hosts[&place.member]).shards.remove(&place.shard);
            dispersal::note_lost(self.site(), &place.member, &[place.shard]).expect("noted");
        }
    }

    fn write<T>(&self, change: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, CatalogError>) -> T {
        self.site().catalog.writer().write(change).expect("written")
    }

    /// No pack is taken for damaged, and this one is outside only.
    fn assert_outside(&self) {
        let all = self.site().catalog.reader().read(|tx| pack_rows::all(tx)).expect("read");
        let count = |state| all.iter().filter(|pack| pack.state == state).count();
        assert_eq!((count(pack_rows::PackState::Outside), count(pack_rows::PackState::Damaged)), (1, 0), "{all:?}");
    }

    fn set_away(&self, are_away: bool) {
        for host in self.member.boxes.hosts.values() {
            super::lock(host).is_away = are_away;
        }
    }
}

#[test]
fn what_only_external_retention_keeps_leaves_the_disk_and_is_restored_from_the_others() {
    let mut owner = Owner::start();
    let old = owner.back_up(1);
    owner.bring_out();
    owner.pass(Seconds(3 * DAY.0));
    let new = owner.back_up(2);
    owner.bring_out();
    let before = owner.files_here();

    let report = owner.prune();
    assert!(report.expired.is_empty() && report.sent_outside.len() == 1, "{report:?}");
    assert_eq!((report.kept_snapshots, report.outside_snapshots, report.condemned_packs), (1, 1, 1));
    assert_eq!(owner.listed(), [(new, false), (old, true)], "it stays on the list, and is marked");
    assert_eq!(owner.files_here(), before, "the grace period is not over");

    owner.pass(Seconds(DAY.0 + 3_600));
    let report = owner.prune();
    assert_eq!((report.given_up_packs, report.deleted_packs), (1, 0), "{report:?}");
    assert!(report.given_up_bytes > 0);
    assert_eq!(owner.files_here(), before - 1, "its place here is free");

    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)));
    assert_eq!(owner.client.restore(owner.site(), &new).expect("restore"), owned(&files(6, 2)));
    owner.restart();
    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)), "after a restart too");
    let verified = verify(owner.site(), None, &mut |_| {}).expect("verify");
    assert!(verified.is_sound(), "outside only is no damage: {verified:?}");
    assert_eq!((verified.outside_packs, verified.snapshots_outside), (1, 1));
    let again = owner.prune();
    assert_eq!((again.condemned_packs, again.given_up_packs, again.outside_snapshots), (0, 0, 1), "nothing more goes");

    // What was read a moment ago is remembered.
    owner.restart();
    owner.set_away(true);
    let refused = owner.client.restore(owner.site(), &old).map(drop).expect_err("nobody answers");
    assert_eq!(refused.code, RefusalCode::Fault);
    assert!(refused.sentence.contains("other boxes") && refused.sentence.contains("try again later"), "{refused:?}");
    assert_eq!(owner.client.restore(owner.site(), &new).expect("restore"), owned(&files(6, 2)));
    assert!(verify(owner.site(), None, &mut |_| {}).expect("verify").is_sound(), "away is no damage either");
}

#[test]
fn nothing_leaves_before_it_is_fully_protected_outside() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.pass(Seconds(3 * DAY.0));
    owner.back_up(2);
    // Nobody has anything.
    let report = owner.prune();
    assert!(report.expired.is_empty() && report.sent_outside.is_empty(), "{report:?}");
    assert_eq!(report.kept_snapshots, 2, "external retention wants it, so it stays here until then");
    owner.bring_out();
    // One shard of one pack is lost: it would still come back, but it is not fully protected.
    let lost = owner.member.boxes.holding()[0];
    let shards: Vec<ShardId> = owner.member.boxes.host(lost).shards.keys().copied().collect();
    dispersal::note_lost(owner.site(), &MemberId::from_bytes([lost; 32]), &shards).expect("noted");
    assert!(owner.prune().sent_outside.is_empty());
    assert!(owner.listed().contains(&(old, false)));
}

#[test]
fn a_pack_that_loses_shards_in_its_grace_period_keeps_its_file() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.bring_out();
    owner.pass(Seconds(3 * DAY.0));
    owner.back_up(2);
    owner.bring_out();
    assert_eq!(owner.prune().sent_outside.len(), 1);
    let before = owner.files_here();
    owner.pass(Seconds(DAY.0 + 3_600));
    let lost = owner.member.boxes.holding()[0];
    let shards: Vec<ShardId> = owner.member.boxes.host(lost).shards.keys().copied().collect();
    dispersal::note_lost(owner.site(), &MemberId::from_bytes([lost; 32]), &shards).expect("noted");
    let report = owner.prune();
    assert_eq!((report.given_up_packs, report.deleted_packs), (0, 0), "it waits");
    assert_eq!(owner.files_here(), before);
    owner.set_away(true);
    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)), "it is here still");
}

#[test]
fn what_is_outside_only_is_not_offered_to_backups_and_what_is_sent_again_is_here() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let made = owner.client.make(&owner.site().vault.keys, &files(6, 1));
    let begun = owner.client.begin(owner.site(), Some(old));
    assert!(!begun.base_kept, "nothing is built on what is not here");
    let known = owner.client.have(owner.site(), begun.session, &made.chunks);
    assert!(known.iter().all(|is_known| !is_known), "{known:?}");
    let ended = abandon(owner.site(), &owner.client.machine, &Abandon { session: begun.session });
    ended.expect("ended");
    let again = owner.back_up(1);
    owner.set_away(true);
    assert_eq!(owner.client.restore(owner.site(), &again).expect("restore"), owned(&files(6, 1)));
    assert_eq!(
        owner.client.restore(owner.site(), &old).expect("restore"),
        owned(&files(6, 1)),
        "the same chunks are here"
    );
}

#[test]
fn what_external_retention_lets_go_of_too_goes_for_good() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    owner.keep("2d/1d", "3d/1d");
    let report = owner.prune();
    assert_eq!(report.expired.iter().map(|e| e.snapshot).collect::<Vec<_>>(), [old]);
    assert!(owner.listed().iter().all(|(id, _)| *id != old));
    assert_eq!(report.deleted_packs, 1, "nobody can refer to it any more");
    owner.bring_out();
    let gone = dispersal::packs_gone(owner.site()).expect("gone");
    let condemned: usize = owner.member.boxes.hosts.values().map(|host| super::lock(host).condemned.len()).sum();
    assert!(gone + condemned > 0, "the others are told");
    assert!(verify(owner.site(), None, &mut |_| {}).expect("verify").is_sound());
}

#[test]
fn a_longer_local_retention_brings_it_home() {
    let mut owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let before = owner.files_here();
    owner.keep("90d/1d", "90d/1d");
    let report = owner.prune();
    assert!(report.expired.is_empty() && report.condemned_packs == 0, "{report:?}");
    owner.set_away(true);
    assert_eq!(bring_home(owner.site(), &|_| ()).expect("home"), Home { left: 1, ..Home::default() });
    assert!(owner.listed().contains(&(old, true)), "not before its packs are here");
    owner.set_away(false);
    owner.restart();
    let home = bring_home(owner.site(), &|_| ()).expect("home");
    assert_eq!(home, Home { snapshots: 1, packs: 1, ..Home::default() });
    assert_eq!(owner.files_here(), before + 1);
    assert!(owner.listed().iter().all(|(_, outside_only)| !outside_only));
    owner.set_away(true);
    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)));
    owner.set_away(false);
    let report = owner.prune();
    assert_eq!((report.condemned_packs, report.outside_snapshots), (0, 0), "{report:?}");
    assert_eq!(bring_home(owner.site(), &|_| ()).expect("home"), Home::default());
}

#[test]
fn the_others_prove_what_is_kept_outside_only_and_what_they_lose_is_made_again_out_of_the_rest() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let boxes = owner.member.boxes.clone();
    let place = owner.places_outside()[0];
    let audit = || super::audit::round(owner.site(), &owner.member.circle, &boxes, &|_| ()).expect("audit");
    let proved = || boxes.hosts.values().map(|host| super::lock(host).proved).sum::<usize>();
    // Which ranges are asked for is left to chance.
    for _ in 0..100 {
        audit();
        if proved() > 0 {
            break;
        }
    }
    assert!(proved() > 0, "its bytes were asked for");
    assert!(owner.places_outside().contains(&place), "and are right");

    // Other bytes than those that the name stands for.
    let rotten = || super::lock(&boxes.hosts[&place.member]);
    rotten().shards.get_mut(&place.shard).expect("there").iter_mut().for_each(|byte| *byte ^= 1);
    for _ in 0..100 {
        audit();
        if !owner.places_outside().contains(&place) {
            break;
        }
    }
    assert!(!owner.places_outside().contains(&place), "nobody takes them for it");
    rotten().shards.remove(&place.shard);
    // Whoever has lost all that it had is given nothing before a day is over.
    crate::operations::hosting::testing::pass_days(owner.site(), 1);
    audit();
    audit();
    owner.bring_out();
    let is_held =
        |host: &Mutex<Host>| super::lock(host).shards.get(&place.shard).is_some_and(|s| name_shard(s) == place.shard);
    assert!(boxes.hosts.values().any(is_held), "it was made again, out of the others' shards");
    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)));
}

#[test]
fn a_catalog_that_is_made_anew_knows_what_is_kept_outside_only() {
    let mut owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let (listed, here) = (owner.listed(), owner.files_here());
    owner.member.rebuild(|_| Ok(0));
    owner.reach_others();
    assert_eq!(owner.listed(), listed);
    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)));
    owner.bring_out();
    assert_eq!((dispersal::packs_gone(owner.site()).expect("gone"), owner.files_here()), (0, here));
    let verified = verify(owner.site(), None, &mut |_| {}).expect("verify");
    assert!(verified.is_sound() && verified.outside_packs == 1, "{verified:?}");
}

#[test]
fn a_catalog_that_knows_nothing_of_it_says_so_and_takes_nothing_away_from_the_others() {
    let mut owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let places = owner.places_outside();
    owner.member.test.stop();
    std::fs::remove_dir_all(owner.member.test.dir().outside_dir()).expect("removed");
    let report = crate::operations::rebuild(&owner.member.test.dir(), owner.member.test.vault(), None, &mut |_| {});
    assert_eq!(report.expect("rebuild").snapshots_affected, [old], "it is said");
    owner.restart();
    owner.bring_out();
    owner.bring_out();
    assert_eq!(dispersal::packs_gone(owner.site()).expect("gone"), 0);
    let is_kept = |place: &dispersal::Place| {
        let host = super::lock(&owner.member.boxes.hosts[&place.member]);
        host.shards.contains_key(&place.shard) && !host.condemned.contains(&place.shard)
    };
    assert!(places.iter().all(is_kept), "the kit still leads to it");
}

#[test]
fn a_box_does_not_leave_what_is_kept_outside_only_behind() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let refused = leave(owner.site(), &Actor::console()).expect_err("it would be lost");
    assert!(matches!(refused, CommunityError::OnlyOutside(1)), "{refused}");
    let name = owner.site().community().expect("in").roster().name().clone();
    let refused = forget(owner.site(), &Actor::console(), &name).expect_err("nobody would know where it is");
    assert!(matches!(refused, CommunityError::OnlyOutside(1)), "{refused}");
    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)), "all is as it was");
    owner.keep("2d/1d", "2d/1d");
    owner.prune();
    forget(owner.site(), &Actor::console(), &name).expect("nothing is lost with it");
    assert!(owner.site().community().is_none());
}

#[test]
fn a_box_that_keeps_nothing_outside_only_leaves() {
    let owner = Owner::start();
    owner.back_up(1);
    owner.let_go();
    leave(owner.site(), &Actor::console()).expect_err("it would be lost");
    owner.keep("2d/1d", "2d/1d");
    owner.prune();
    assert_eq!(leave(owner.site(), &Actor::console()).expect("left"), Decided::Done);
}

#[test]
fn one_that_lost_all_that_it_can_spare_is_restored_made_again_and_brought_home() {
    for (others, spare) in [(4, 2), (2, 1)] {
        let mut owner = Owner::start_among(others);
        let old = owner.back_up(1);
        owner.let_go();
        owner.lose_outside(spare);
        owner.restart();
        assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)), "{spare} lost");
        let verified = verify(owner.site(), None, &mut |_| {}).expect("verify");
        assert!(verified.is_sound() && verified.outside_packs == 1, "{verified:?}");
        owner.assert_outside();
        owner.keep("90d/1d", "90d/1d");
        owner.prune();
        assert_eq!(
            bring_home(owner.site(), &|_| ()).expect("home"),
            Home { snapshots: 1, packs: 1, ..Home::default() }
        );

        let mut owner = Owner::start_among(others);
        let old = owner.back_up(1);
        owner.let_go();
        owner.lose_outside(spare);
        owner.restart();
        owner.member.orders();
        owner.bring_out();
        owner.assert_outside();
        let durable = |place: &dispersal::Place| place.state == dispersal::ShardState::Durable;
        let indexes: std::collections::BTreeSet<u8> =
            owner.places_outside().iter().filter(|place| durable(place)).map(|place| place.index).collect();
        let width = usize::from(owner.stripe_outside().layout.scheme().width());
        assert_eq!(indexes.len(), width, "made again, of {others}");
        assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)));
    }
}

#[test]
fn where_one_is_that_no_box_is_known_for_is_no_damage() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let stripe = owner.stripe_outside().row;
    owner.write(|tx| {
        tx.execute("DELETE FROM shard WHERE stripe = ?1", [stripe])?;
        Ok(tx.execute("DELETE FROM stripe WHERE id = ?1", [stripe])?)
    });
    let refused = owner.client.restore(owner.site(), &old).map(drop).expect_err("nobody knows where it is");
    assert!(refused.code == RefusalCode::Fault && refused.sentence.contains("other boxes"), "{refused:?}");
    owner.bring_out();
    owner.assert_outside();
}

#[test]
fn what_is_sent_again_and_rots_is_had_from_outside_as_long_as_a_snapshot_needs_it() {
    let mut owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let again = owner.back_up(1);
    let sent_again = owner.newest_pack();
    super::rot_one(&owner.member.test, &sent_again);
    owner.write(|tx| pack_rows::mark_damaged(tx, &sent_again));
    owner.keep("2d/1d", "3d/1d");
    let report = owner.prune();
    assert_eq!(report.expired.iter().filter(|gone| gone.snapshot == old).count(), 1);
    assert_eq!(report.deleted_packs, 0, "the one is the only sound place, the other can be mended");
    owner.restart();
    assert_eq!(owner.client.restore(owner.site(), &again).expect("restore"), owned(&files(6, 1)));
}

#[test]
fn a_thin_pack_outside_holds_up_no_snapshot_that_is_here() {
    let owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let stripe = owner.stripe_outside().row;
    owner.write(|tx| {
        tx.execute("UPDATE stripe SET safe_at = NULL, full_at = NULL WHERE id = ?1", [stripe])?;
        Ok(tx.execute("DELETE FROM snapshot_outside", [])?)
    });
    let read = |tx: &rusqlite::Transaction<'_>| outside::ready_snapshots(tx);
    let ready: Vec<SnapshotId> =
        owner.site().catalog.reader().read(read).expect("ready").iter().map(|ready| ready.id).collect();
    let here: Vec<SnapshotId> =
        owner.listed().iter().rev().filter(|(_, outside_only)| !outside_only).map(|(id, _)| *id).collect();
    assert_eq!(ready, here, "they do not rest on it");
    let now = owner.site().clock.now();
    owner.write(|tx| {
        outside::ready_snapshots(tx)?.iter().try_for_each(|ready| outside::add_snapshot(tx, ready, now))?;
        outside::adopt_snapshot(tx, &old, now)?;
        outside::note_safe(tx, now, true, now)
    });
    let sql = "SELECT count(full_at), count(*) FROM snapshot_outside";
    let full: (i64, i64) = owner.write(|tx| Ok(tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?));
    let count = i64::try_from(here.len()).expect("few");
    assert_eq!(full, (count, count + 1), "all are fully protected but the one that needs it");
}

#[test]
fn packs_that_cannot_be_had_hold_up_no_others_that_come_home() {
    let mut owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    // Another one goes a day later.
    owner.pass(Seconds(3 * DAY.0));
    owner.back_up(102);
    owner.bring_out();
    assert!(!owner.prune().sent_outside.is_empty());
    owner.pass(Seconds(DAY.0 + 3_600));
    owner.back_up(103);
    owner.bring_out();
    assert!(owner.prune().given_up_packs > 0);
    owner.keep("90d/1d", "90d/1d");
    owner.prune();
    owner.set_away(true);
    let step = || bring_home_for(owner.site(), Duration::ZERO, &|_| ()).expect("home");
    let first = step();
    assert!(first.left == 1 && first.untried > 0, "{first:?}");
    let all = 1 + first.untried;
    for untried in (0..first.untried).rev() {
        assert_eq!(step(), Home { left: 1, untried, ..Home::default() });
    }
    owner.set_away(false);
    // Nor does a damaged one.
    owner.member.test.restart();
    let rotten = owner.newest_pack();
    super::rot_one(&owner.member.test, &rotten);
    owner.write(|tx| pack_rows::mark_damaged(tx, &rotten));
    let given = looks::Given { boxes: owner.member.boxes.clone(), secret: owner.site().vault.dispersal.clone() };
    owner.site().awaited.reach_by(Arc::new(looks::AllBut { given, not: rotten }));
    let step = || steps::bring_back(owner.site(), &|_| ()).expect("step");
    assert_eq!(step(), Done::Part, "{all} packs come");
    assert!(owner.listed().iter().all(|(_, outside_only)| !outside_only), "they are here");
    assert!(matches!(step(), Done::For(_)), "the damaged one is asked for again later");
    assert_eq!(owner.client.restore(owner.site(), &old).expect("restore"), owned(&files(6, 1)));
}

#[test]
fn the_brake_counts_what_is_outside_only_in_the_run_that_lets_go_of_it() {
    let mut owner = Owner::start();
    owner.member.test.limits.brake_floor = 10_000;
    owner.restart();
    owner.back_up(1);
    owner.let_go();
    assert!(owner.try_prune(&PruneOptions::default()).is_ok(), "nothing goes");
    owner.keep("2d/1d", "3d/1d");
    let listed = owner.listed();
    let braked = owner.try_prune(&PruneOptions::default()).expect_err("too much");
    assert!(matches!(braked, OperationError::Brake { days_lost: 1, doomed_bytes: 60_000.., .. }), "{braked}");
    assert_eq!(owner.listed(), listed);
}

#[test]
fn a_verification_passes_over_what_was_given_up_since_it_began() {
    let mut owner = Owner::start();
    owner.back_up(1);
    let before = owner.newest_pack();
    let listed = owner.site().catalog.reader().read(|tx| pack_rows::all_by_id(tx, &before)).expect("read");
    owner.let_go();
    owner.restart();
    owner.set_away(true);
    assert_eq!(verify_pack(owner.site(), &listed[0]).expect("verify"), None);
    scrub_pack(owner.site(), &listed[0], Pace::Steady).expect("scrub");
    owner.assert_outside();
}

#[test]
fn rights_to_chunks_of_others_go_also_where_a_snapshot_is_kept_outside_only() {
    let owner = Owner::start();
    owner.back_up(1);
    owner.let_go();
    let bob = Client::enrol(owner.site(), "bob");
    bob.back_up(owner.site(), &files(2, 50));
    let (alice, outside, of_bob) = (owner.client.machine.row, owner.stripe_outside().pack, owner.newest_pack());
    owner.write(|tx| {
        let sql = "INSERT OR IGNORE INTO foreign_ref (machine, chunk_id) SELECT ?1, id FROM chunk";
        Ok(tx.execute(sql, [alice])?)
    });
    let rights = |pack: &PackId| {
        let sql = "SELECT count(*) FROM foreign_ref WHERE machine = ?1 AND chunk_id IN
                       (SELECT chunk.id FROM chunk JOIN pack ON pack.id = chunk.pack WHERE pack_id = ?2)";
        let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        owner.write(|tx| Ok(tx.query_row(sql, rusqlite::params![alice, pack.as_bytes()], count)?))
    };
    let before = rights(&outside);
    assert!(before > 0 && rights(&of_bob) > 0);
    owner.prune();
    assert_eq!((rights(&outside), rights(&of_bob)), (before, 0), "what is kept outside only may rest on the former");
}

#[test]
fn a_new_catalog_says_which_snapshots_nobody_is_known_to_have() {
    let mut owner = Owner::start();
    let old = owner.back_up(1);
    owner.let_go();
    let map = owner.write(|tx| Ok(tx.execute("DELETE FROM map_part", [])?));
    assert!(map > 0);
    owner.member.test.stop();
    let report = crate::operations::rebuild(&owner.member.test.dir(), owner.member.test.vault(), None, &mut |_| {});
    assert_eq!(report.expect("rebuild").snapshots_affected, [old], "it is said");
    owner.restart();
    owner.bring_out();
    owner.assert_outside();
}
