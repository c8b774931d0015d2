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
use crate::operations::awaited::{Home, bring_home};
use crate::operations::community::{CommunityError, leave};
use crate::operations::testing::owned;
use crate::operations::{
    OperationError, PolicyChange, PruneOptions, PruneReport, Site, abandon, list_snapshots, prune_with, set_policy,
};

const DAY: Seconds = Seconds::DAY;

/// A member with a machine that keeps two days here and many outside.
struct Owner {
    member: Member,
    client: Client,
}

impl Owner {
    fn start() -> Self {
        let member = Member::start(4);
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

    fn listed(&self) -> Vec<(SnapshotId, bool)> {
        let all = ListSnapshots { source: None, after: None };
        let page = list_snapshots(self.site(), &self.client.machine, &all).expect("list");
        page.snapshots.iter().map(|s| (s.signed.id(), s.outside_only)).collect()
    }

    fn files_here(&self) -> usize {
        let folder = FolderStore::open(&self.member.test.dir().store_dir()).expect("store");
        folder.list(ObjectKind::Pack).expect("list").len()
    }

    /// Where the one pack is that is outside only.
    fn places_outside(&self) -> Vec<dispersal::Place> {
        let found = self.site().catalog.reader().read(|tx| {
            let outside = pack_rows::all(tx)?.into_iter().find(|pack| pack.state == pack_rows::PackState::Outside);
            let stripe = stripe_rows::by_pack(tx, &outside.expect("one is outside").id)?.expect("a stripe");
            stripe_rows::places(tx, stripe.row)
        });
        found.expect("read")
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
    assert_eq!(owner.prune().deleted_packs, 1, "nobody can refer to it any more");
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
    assert_eq!(home, Home { snapshots: 1, packs: 1, left: 0 });
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
    owner.back_up(1);
    owner.let_go();
    let refused = leave(owner.site(), &Actor::console()).expect_err("it would be lost");
    assert!(matches!(refused, CommunityError::OnlyOutside(1)), "{refused}");
    owner.keep("2d/1d", "2d/1d");
    owner.prune();
    let left = leave(owner.site(), &Actor::console());
    assert!(!matches!(left, Err(CommunityError::OnlyOutside(_))), "nothing of it is left: {left:?}");
}
