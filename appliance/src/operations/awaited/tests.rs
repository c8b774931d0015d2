//! What is with other boxes only is read there, and comes back.

use std::collections::BTreeSet;

use datis_engine::erasure::layout::Layout;
use datis_engine::erasure::scheme::Scheme;
use datis_engine::ids::{MemberId, ShardId};
use datis_engine::pack::PackReader;
use datis_engine::units::Seconds;

use super::*;
use crate::operations::testing::{Client, TestBox, files, noise, owned};
use crate::operations::{OperationError, PruneOptions, Site, prune, rebuild, verify};

/// The other boxes: what packs they have, and which of them they do not give.
#[derive(Default)]
struct Others {
    packs: BTreeMap<PackId, Vec<u8>>,
    silent: Mutex<BTreeSet<PackId>>,
    lost: Mutex<BTreeSet<PackId>>,
    /// What was asked for: of which pack, and whether all of it.
    asked: Mutex<Vec<(PackId, bool)>>,
}

impl Others {
    fn give(&self, stripe: &StripeRef, range: Option<Range<usize>>) -> Result<Vec<u8>, FetchError> {
        lock(&self.asked).push((stripe.pack, range.is_none()));
        if lock(&self.silent).contains(&stripe.pack) {
            return Err(FetchError::Away { there: 1, needed: 2 });
        }
        if lock(&self.lost).contains(&stripe.pack) {
            return Err(FetchError::Lost { there: 1, needed: 2 });
        }
        let pack = &self.packs[&stripe.pack];
        Ok(range.map_or_else(|| pack.clone(), |range| pack[range].to_vec()))
    }
}

impl Fetch for Others {
    fn range(&self, stripe: &StripeRef, range: Range<usize>) -> Result<Vec<u8>, FetchError> {
        self.give(stripe, Some(range))
    }

    fn whole<'m>(&self, stripe: &StripeRef, memory: &'m mut Memory) -> Result<&'m [u8], FetchError> {
        memory.pack = self.give(stripe, None)?;
        Ok(&memory.pack)
    }
}

/// A box whose packs are with the others only, and whose catalog was made anew.
struct Lost {
    test: TestBox,
    others: Arc<Others>,
    packs: Vec<PackId>,
}

impl Lost {
    /// `before`: what happens on the box before it is lost.
    fn after<T>(before: impl FnOnce(&Site) -> T) -> (Self, T) {
        let mut test = TestBox::start();
        let made = before(test.site());
        let names = test.site().store.list(ObjectKind::Pack).expect("list");
        let mut others = Others::default();
        let mut map = MapPart::default();
        for name in names {
            let ObjectName::Pack(pack) = name else { continue };
            let bytes = test.site().store.read_all(name, PACK_LEN_MAX).expect("pack");
            let reader = PackReader::open(std::io::Cursor::new(bytes.clone()), &test.vault().identity).expect("open");
            let layout = Layout::new(Scheme::new(2, 2).expect("scheme"), bytes.len()).expect("layout");
            let shards = (0..4).map(|n| (MemberId::from_bytes([n; 32]), ShardId::from_bytes([n; 32]))).collect();
            map.stripes.insert(pack, StripeRef { pack, layout, shards });
            others.packs.insert(pack, bytes);
            files::make_private_dir(&test.dir().awaited_dir()).expect("folder");
            keep_directory(&test.dir(), &pack, reader.directory()).expect("directory");
        }
        write_down(&test.dir(), &[map.seal(&test.vault().recipients).expect("seal").bytes]).expect("map");
        test.stop();
        std::fs::remove_dir_all(test.dir().store_dir().join("packs")).expect("lost");
        std::fs::remove_dir_all(test.dir().catalog_dir()).expect("lost");
        let (packs, others) = (others.packs.keys().copied().collect(), Arc::new(others));
        let fetch: Arc<dyn Fetch> = others.clone();
        let report = rebuild(&test.dir(), test.vault(), Some(fetch), &mut |_| {}).expect("rebuild");
        assert!(report.is_sound(), "{report:?}");
        let mut lost = Self { test, others, packs };
        lost.start();
        (lost, made)
    }

    fn start(&mut self) {
        self.test.restart();
        self.test.site().awaited.reach_by(self.others.clone());
        lock(&self.others.asked).clear();
    }

    fn site(&self) -> &Arc<Site> {
        self.test.site()
    }

    fn bring_back(&self) -> Brought {
        bring_back(self.site(), &|_| ()).expect("step")
    }

    fn files_here(&self) -> usize {
        let store = FolderStore::open(&self.test.dir().store_dir()).expect("store");
        store.list(ObjectKind::Pack).expect("list").len()
    }
}

#[test]
fn a_box_that_has_no_pack_yet_restores_all_the_same_and_is_whole_in_the_end() {
    let (mut lost, (alice, receipt)) = Lost::after(|site| {
        let alice = Client::enrol(site, "alice");
        let (receipt, _) = alice.back_up(site, &files(8, 1));
        alice.back_up(site, &files(9, 2));
        (alice, receipt)
    });
    assert_eq!(lost.files_here(), 0);
    let restored = alice.restore(lost.site(), &receipt.snapshot).expect("restore");
    assert_eq!(restored, owned(&files(8, 1)));
    assert!(lock(&lost.others.asked).iter().all(|(_, is_whole)| !is_whole), "only what was needed was fetched");
    let standing = lost.site().awaited.standing().expect("it is not whole");
    assert_eq!((standing.packs, standing.all_packs), (lost.packs.len(), lost.packs.len()));
    assert!(standing.bytes > 0 && standing.bytes == standing.all_bytes);

    let told = Mutex::new(Vec::new());
    let brought = bring_back(lost.site(), &|progress| lock(&told).extend(progress)).expect("step");
    assert_eq!(brought, Brought { packs: lost.packs.len(), is_over: true, ..Brought::default() });
    assert!(lock(&told)[0].starts_with("0 of 2 packs are back"), "{told:?}");
    assert_eq!((lost.files_here(), lost.site().awaited.standing()), (lost.packs.len(), None));
    assert!(!lost.test.dir().awaited_dir().exists(), "nothing is left of the list");
    lost.test.restart();
    assert!(verify(lost.site(), None, &mut |_| {}).expect("verify").is_sound());
    assert_eq!(alice.restore(lost.site(), &receipt.snapshot).expect("restore"), owned(&files(8, 1)));
}

#[test]
fn what_was_broken_off_goes_on_where_it_was() {
    let (mut lost, ()) = Lost::after(|site| {
        let alice = Client::enrol(site, "alice");
        (0..4).for_each(|seed| drop(alice.back_up(site, &files(3, seed))));
    });
    let later = lost.packs[1];
    lock(&lost.others.silent).insert(later);
    let brought = lost.bring_back();
    assert_eq!(brought, Brought { packs: 3, unanswered: 1, ..Brought::default() });
    assert_eq!(lost.site().awaited.standing().expect("not whole").unanswered, [later.to_string()]);
    lost.start();
    assert_eq!(lost.site().awaited.standing().expect("not whole").packs, 1);
    lock(&lost.others.silent).clear();
    assert_eq!(lost.bring_back(), Brought { packs: 1, is_over: true, ..Brought::default() });
    // The order of what is wanted may be read out of it before.
    let whole: Vec<PackId> =
        lock(&lost.others.asked).iter().filter(|(_, is_whole)| *is_whole).map(|one| one.0).collect();
    assert_eq!(whole, [later], "nothing was fetched twice");
}

#[test]
fn what_is_lost_for_good_is_named_and_what_is_only_away_is_not_damaged() {
    let (lost, (alice, receipt)) = Lost::after(|site| {
        let alice = Client::enrol(site, "alice");
        let (receipt, _) = alice.back_up(site, &files(3, 1));
        (alice, receipt)
    });
    let pack = lost.packs[0];
    lock(&lost.others.silent).insert(pack);
    let refused = alice.restore(lost.site(), &receipt.snapshot).expect_err("nobody answers");
    assert!(refused.sentence.contains("still with other boxes"), "{}", refused.sentence);
    assert_eq!(lost.bring_back(), Brought { unanswered: 1, ..Brought::default() });
    let damaged = || crate::operations::status(lost.site()).expect("status").damaged.packs;
    assert_eq!(damaged(), 0);
    lock(&lost.others.silent).clear();
    lock(&lost.others.lost).insert(pack);
    assert_eq!(lost.bring_back(), Brought { lost: 1, is_over: true, ..Brought::default() });
    assert_eq!(damaged(), 1);
}

#[test]
fn nothing_is_removed_or_called_unsound_while_packs_are_elsewhere() {
    let (lost, _) = Lost::after(|site| Client::enrol(site, "alice").back_up(site, &files(3, 1)));
    let options = PruneOptions { grace: Seconds(0), ..PruneOptions::default() };
    assert!(matches!(prune(lost.site(), &options), Err(OperationError::ComingBack { packs: 1 })));
    assert!(crate::operations::next_unverified(lost.site()).expect("verifier").is_none());
    let report = verify(lost.site(), None, &mut |_| {}).expect("verify");
    assert!(report.is_sound() && (report.packs, report.awaited_packs) == (0, 1), "{report:?}");
    assert!(lost.bring_back().is_over);
    assert!(crate::operations::next_unverified(lost.site()).expect("verifier").is_some());
    assert!(prune(lost.site(), &options).is_ok());
}

#[test]
fn the_newest_backup_comes_first_and_before_it_what_somebody_reads() {
    // Each backup is a pack of its own.
    let (mut lost, (alice, receipts)) = Lost::after(|site| {
        let alice = Client::enrol(site, "alice");
        let receipts: Vec<_> = (0..6).map(|seed| alice.back_up(site, &[("file", noise(9_000, seed))]).0).collect();
        (alice, receipts)
    });
    let read = |lost: &mut Lost, at: usize| {
        lost.start();
        alice.restore(lost.site(), &receipts[at].snapshot).expect("restore");
        lock(&lost.others.asked)[0].0
    };
    let newest = read(&mut lost, 5);
    let wanted = read(&mut lost, 2);
    let order = order::newest_first(lost.site()).expect("order");
    assert_eq!((order[0], order.len()), (newest, 6));
    *lock(&lost.site().awaited.order) = Some(order);
    lock(&lost.site().awaited.asked_for).retain(|pack| *pack == wanted);
    let turns = back::turns_for_tests(&lost.site().awaited);
    assert_eq!((turns[0], turns[1], turns.len()), (wanted, newest, 6));
}

#[test]
fn what_cannot_be_had_comes_after_all_that_can() {
    let (lost, ()) = Lost::after(|site| {
        let alice = Client::enrol(site, "alice");
        (0..6).for_each(|seed| drop(alice.back_up(site, &[("file", noise(9_000, seed))])));
    });
    let first = back::turns_for_tests(&lost.site().awaited);
    // The two that would come first are with boxes that do not answer.
    lock(&lost.others.silent).extend(&first[..2]);
    *lock(&lost.site().awaited.unanswered) = vec![first[1], first[0]];
    let turns = back::turns_for_tests(&lost.site().awaited);
    assert_eq!((&turns[..4], &turns[4..]), (&first[2..], &[first[1], first[0]][..]));
    // As after a step that had no time for them: they are not forgotten, and what came back is waited for no more.
    let brought = lost.bring_back();
    assert_eq!((brought.packs, brought.unanswered), (4, 2));
    lock(&lost.others.silent).remove(&first[0]);
    let brought = lost.bring_back();
    assert_eq!((brought.packs, brought.unanswered), (1, 1));
    assert_eq!(lost.site().awaited.standing().expect("not whole").unanswered, [first[1].to_string()]);
}
