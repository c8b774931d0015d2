//! Packs go to boxes in memory, get lost there, and come back with the kit alone.

mod kept_outside;
mod leaving;
mod looks;
mod outside_again;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use datis_engine::community::head::{HEAD_MAX, Head};
use datis_engine::community::signed::Signed;
use datis_engine::erasure::answer::Answer;
use datis_engine::erasure::layout::PACK_LEN_MAX;
use datis_engine::erasure::proof::{GROUP_LEN, prove};
use datis_engine::erasure::restore::restore;
use datis_engine::erasure::shard::{ShardFile, name_shard};
use datis_engine::format::decode_all;
use datis_engine::ids::{CommunityId, MemberId, PackId, ShardId};
use datis_engine::keys::{DispersalSecret, SigningKey, VaultIdentity};
use datis_engine::life::audit::{RETURN_RANGES, Round as Findings};
use datis_engine::life::peer::{Check, Event, Standing};
use datis_engine::outside::head_content::HeadContent;
use datis_engine::outside::map_part::{MapPart, merge};
use datis_engine::outside::stripes::StripeRef;
use datis_engine::store::{ObjectKind, ObjectName};
use datis_engine::units::UnixMillis;
use datis_engine::wire::peers::{
    AgreeStatement, Audit, AuditRange, Audited, Condemn, Condemned, HeadKept, HeadPage, KeepHead, LeaseAnswer,
    ListHeads, ListShards, OfferShard, RenewLease, ShardOffer, ShardPage, ShardReceipt, StatementAnswer, Wish,
};

use super::super::audit::{self, OwnSide};
use super::super::lines::{Line, LineError, Lines};
use super::{QUEUE, REFUSALS_MAX, Rounded, round};
use crate::catalog::dispersal::{holders, outside, stripes as stripe_rows};
use crate::catalog::{CatalogError, packs as pack_rows};
use crate::operations::accounts::Actor;
use crate::operations::awaited::{Fetch, FetchError, Memory, Mended, mend, mend_for};
use crate::operations::bandwidth::{BandwidthPlan, HourClass, Megabits, WeekGrid, set_bandwidth};
use crate::operations::dispersal::{
    self, Circle, DispersalStatus, Fellow, Task, Tried, check_so_far, dispersal_status, next_to_spread, note_peer,
    presences,
};
use crate::operations::testing::{Client, TestBox, files, noise};
use crate::operations::{Pace, compact, verify};

/// A box that keeps what it is given in memory.
struct Host {
    device: SigningKey,
    shards: BTreeMap<ShardId, Vec<u8>>,
    begun: BTreeMap<ShardId, Vec<u8>>,
    /// How often a whole shard came.
    came: BTreeMap<ShardId, usize>,
    condemned: BTreeSet<ShardId>,
    head: Option<Vec<u8>>,
    is_away: bool,
    is_full: bool,
    is_slow: bool,
    /// Its disk is not there.
    is_unmounted: bool,
    /// It signs with another key.
    forges: bool,
    /// After so many shards it is away.
    goes_after: Option<usize>,
    /// It deletes nothing for now.
    is_frozen: bool,
    /// It takes no shard, and says nothing of being full.
    refuses: bool,
    /// How often it has done so.
    refused: usize,
    /// It says that it keeps a head of this number, which nobody has signed.
    boasts: Option<u64>,
    /// How often it was asked for a proof.
    asked: usize,
    /// How many ranges of which it gave the bytes.
    proved: usize,
}

struct Boxes {
    owner: MemberId,
    hosts: BTreeMap<MemberId, Mutex<Host>>,
}

impl Boxes {
    fn new(count: u8) -> Arc<Self> {
        let host = |number: u8| {
            let device = SigningKey::from_seed(&[number; 32]);
            let host = Host {
                device,
                shards: BTreeMap::new(),
                begun: BTreeMap::new(),
                came: BTreeMap::new(),
                condemned: BTreeSet::new(),
                head: None,
                is_away: false,
                is_full: false,
                is_slow: false,
                is_unmounted: false,
                forges: false,
                goes_after: None,
                is_frozen: false,
                refuses: false,
                refused: 0,
                boasts: None,
                asked: 0,
                proved: 0,
            };
            (MemberId::from_bytes([number; 32]), Mutex::new(host))
        };
        Arc::new(Self { owner: MemberId::from_bytes([0xee; 32]), hosts: (1..=count).map(host).collect() })
    }

    fn circle(&self) -> Circle {
        let fellow = |(member, host): (&MemberId, &Mutex<Host>)| Fellow {
            member: *member,
            device: lock(host).device.public_key(),
            domains: Default::default(),
            leaves: false,
            room_bytes: 1 << 40,
        };
        let community = CommunityId::from_bytes([1; CommunityId::LEN]);
        Circle { community, me: self.owner, fellows: self.hosts.iter().map(fellow).collect() }
    }

    fn host(&self, number: u8) -> MutexGuard<'_, Host> {
        lock(&self.hosts[&MemberId::from_bytes([number; 32])])
    }

    /// Those that hold something.
    fn holding(&self) -> Vec<u8> {
        (1..).take(self.hosts.len()).filter(|number| !self.host(*number).shards.is_empty()).collect()
    }

    fn round(self: &Arc<Self>, test: &TestBox) -> Rounded {
        round(test.site(), &self.circle(), self, 30, &|_| ()).expect("round")
    }

    /// What a blank box makes of the kit and the boxes in `there`.
    fn recover(&self, kit: &VaultIdentity, there: &[u8]) -> BTreeMap<PackId, Vec<u8>> {
        let heads = there.iter().filter_map(|number| self.host(*number).head.clone());
        let heads = heads.map(|bytes| {
            let signed = Signed::decode("head", &bytes, HEAD_MAX).expect("signed");
            decode_all::<Head>("head", &signed.body).expect("head")
        });
        let head = heads.max_by_key(|head| head.sequence).expect("a head");
        let content = HeadContent::open(&head.catalog, kit).expect("content");
        let fetch = |stripe: &StripeRef| self.fetch(stripe, &content.dispersal, there);
        let parts = content.parts.iter().map(|part| MapPart::open(&fetch(part), kit).expect("part"));
        let map = merge(parts);
        map.stripes.values().map(|stripe| (stripe.pack, fetch(stripe))).collect()
    }

    fn fetch(&self, stripe: &StripeRef, secret: &DispersalSecret, there: &[u8]) -> Vec<u8> {
        let found = stripe.shards.iter().filter_map(|(member, shard)| {
            let is_there = there.iter().any(|number| *member == MemberId::from_bytes([*number; 32]));
            let bytes = is_there.then(|| lock(&self.hosts[member]).shards.get(shard).cloned())??;
            Some((*shard, bytes))
        });
        let found: Vec<_> = found.take(usize::from(stripe.layout.scheme().data())).collect();
        let opened: Vec<_> =
            found.iter().map(|(id, bytes)| ShardFile::open(bytes, Some(*id), secret).expect("shard")).collect();
        restore(&opened, secret).expect("any k of them suffice").bytes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct InMemory {
    boxes: Arc<Boxes>,
    member: MemberId,
}

impl Lines for Arc<Boxes> {
    type Line = InMemory;

    fn open(&self, member: MemberId) -> Result<InMemory, LineError> {
        let line = InMemory { boxes: Self::clone(self), member };
        line.reach().map(drop)?;
        Ok(line)
    }
}

impl InMemory {
    fn reach(&self) -> Result<MutexGuard<'_, Host>, LineError> {
        let host = &self.boxes.hosts[&self.member];
        let is_slow = lock(host).is_slow;
        if is_slow {
            std::thread::sleep(Duration::from_millis(300));
        }
        let host = lock(host);
        if host.is_away { Err(LineError::Broken("away".to_owned())) } else { Ok(host) }
    }

    fn receipt(&self, host: &Host, shard: ShardId, len: usize) -> Signed {
        let len = u32::try_from(len).expect("short");
        let owner = self.boxes.owner;
        let receipt = ShardReceipt { owner, host: self.member, shard, len, received_at: UnixMillis(1) };
        let forged = SigningKey::from_seed(&[0xff; 32]);
        receipt.sign(if host.forges { &forged } else { &host.device })
    }
}

impl Line for InMemory {
    fn offer(&mut self, offer: &OfferShard) -> Result<ShardOffer, LineError> {
        let (shard, len) = (offer.shard, offer.len as usize);
        let mut host = self.reach()?;
        if host.refuses {
            host.refused += 1;
            return Err(LineError::Refused("not today".to_owned()));
        }
        if host.shards.contains_key(&shard) {
            return Ok(ShardOffer::Held { receipt: self.receipt(&host, shard, len) });
        }
        if host.is_full {
            return Ok(ShardOffer::NoRoom);
        }
        Ok(ShardOffer::Send { from: u32::try_from(host.begun.get(&shard).map_or(0, Vec::len)).expect("short") })
    }

    fn put(&mut self, shard: ShardId, from: u32, total: u32, bytes: Bytes) -> Result<Option<Signed>, LineError> {
        let mut host = self.reach()?;
        let begun = host.begun.entry(shard).or_default();
        assert_eq!(begun.len(), from as usize);
        begun.extend_from_slice(&bytes);
        if begun.len() < total as usize {
            return Ok(None);
        }
        let whole = host.begun.remove(&shard).expect("begun");
        assert_eq!(name_shard(&whole), shard);
        *host.came.entry(shard).or_default() += 1;
        let receipt = self.receipt(&host, shard, whole.len());
        host.shards.insert(shard, whole);
        if host.goes_after.is_some_and(|count| host.shards.len() >= count) {
            host.is_away = true;
        }
        Ok(Some(receipt))
    }

    fn keep_head(&mut self, head: &KeepHead) -> Result<HeadKept, LineError> {
        let mut host = self.reach()?;
        let signed = Signed::decode("head", &head.head, HEAD_MAX).expect("signed");
        let read: Head = decode_all("head", &signed.body).expect("head");
        if let Some(sequence) = host.boasts {
            return Ok(HeadKept { sequence });
        }
        host.head = Some(head.head.to_vec());
        Ok(HeadKept { sequence: read.sequence })
    }

    fn list_heads(&mut self, _: &ListHeads) -> Result<HeadPage, LineError> {
        let host = self.reach()?;
        Ok(HeadPage { heads: host.head.iter().map(|head| head.clone().into()).collect() })
    }

    fn condemn(&mut self, condemn: &Condemn) -> Result<Condemned, LineError> {
        let mut host = self.reach()?;
        if host.is_frozen && condemn.wish != Wish::Spare {
            return Ok(Condemned { noted: 0, taken: 0, frozen_until: Some(UnixMillis(i64::MAX)) });
        }
        for shard in &condemn.shards {
            if condemn.wish == Wish::Spare {
                host.condemned.remove(shard);
            } else {
                host.condemned.insert(*shard);
            }
        }
        let count = u32::try_from(condemn.shards.len()).expect("few");
        Ok(Condemned { noted: count, taken: count, frozen_until: None })
    }

    fn audit(&mut self, audit: &Audit) -> Result<Audited, LineError> {
        let mut host = self.reach()?;
        host.asked += 1;
        if host.is_unmounted {
            return Ok(Audited::Unavailable);
        }
        let missing: Vec<ShardId> =
            audit.ranges.iter().map(|range| range.shard).filter(|shard| !host.shards.contains_key(shard)).collect();
        if !missing.is_empty() {
            return Ok(Audited::NotFound(missing));
        }
        if audit.with_proofs {
            let proof = |range: &AuditRange| {
                let (start, end) = (range.start as usize, (range.start + range.len) as usize);
                prove(&host.shards[&range.shard], &(start / GROUP_LEN..end.div_ceil(GROUP_LEN)))
                    .expect("a range")
                    .into()
            };
            let proofs = audit.ranges.iter().map(proof).collect();
            host.proved += audit.ranges.len();
            return Ok(Audited::Proofs(proofs));
        }
        let mut answer = Answer::new(&audit.nonce);
        for range in &audit.ranges {
            let (start, end) = (range.start as usize, (range.start + range.len) as usize);
            answer.add(range.shard, start, &host.shards[&range.shard][start..end]);
        }
        Ok(Audited::Digest(answer.finish().into()))
    }

    // Books are compared with boxes that have some: see `super::super::books`.
    fn renew_lease(&mut self, _: &RenewLease) -> Result<LeaseAnswer, LineError> {
        Err(LineError::Refused("no books".to_owned()))
    }

    fn list_shards(&mut self, _: &ListShards) -> Result<ShardPage, LineError> {
        Err(LineError::Refused("no books".to_owned()))
    }

    fn agree_statement(&mut self, _: &AgreeStatement) -> Result<StatementAnswer, LineError> {
        Err(LineError::Refused("no books".to_owned()))
    }
}

/// Backups of one machine, each in packs of its own.
fn back_up(test: &TestBox, seeds: std::ops::Range<u64>) -> Client {
    let client = Client::enrol(test.site(), "alice");
    for seed in seeds {
        client.back_up(test.site(), &files(6, seed));
    }
    client
}

fn packs(test: &TestBox) -> BTreeMap<PackId, Vec<u8>> {
    let names = test.site().store.list(ObjectKind::Pack).expect("list");
    let read = |name: ObjectName| match name {
        ObjectName::Pack(id) => Some((id, test.site().store.read_all(name, PACK_LEN_MAX).expect("read"))),
        _ => None,
    };
    names.into_iter().filter_map(read).collect()
}

fn status(test: &TestBox) -> DispersalStatus {
    dispersal_status(test.site()).expect("status")
}

fn kit(test: &TestBox) -> VaultIdentity {
    test.vault().recovery_kit(&test.dir()).expect("kit").identity
}

fn wanted(test: &TestBox, boxes: &Boxes) -> usize {
    let all: Vec<MemberId> = boxes.hosts.keys().copied().collect();
    next_to_spread(test.site(), &boxes.circle(), &all, 1_000, &mut Tried::default()).expect("tasks").len()
}

#[test]
fn every_member_gets_another_shard_of_every_pack_and_the_kit_brings_all_back() {
    let (test, boxes) = (TestBox::start(), Boxes::new(10));
    back_up(&test, 0..3);
    let rounded = boxes.round(&test);
    assert!(rounded.silent.is_empty() && !rounded.more);
    // 5+3: eight of ten hold something, and nobody holds two shards of a stripe.
    let all: Vec<ShardId> =
        (1..=10).flat_map(|number| boxes.host(number).shards.keys().copied().collect::<Vec<_>>()).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    let stripes = packs(&test).len() + 1;
    assert_eq!(all.len(), 8 * stripes);
    let counts: Vec<usize> = (1..=10).map(|number| boxes.host(number).shards.len()).collect();
    assert!(counts.iter().all(|count| *count == stripes || *count == 0), "{counts:?}");
    let status = status(&test);
    assert_eq!(status.scheme.as_deref(), Some("5+3"));
    let alice = &status.machines[0];
    assert!(alice.last_safe.is_some() && alice.last_safe == alice.last_full);
    assert_eq!((alice.packs_in_place, alice.oldest_missing), (alice.packs_needed, None));
    // Any five of those that hold something.
    let holding = boxes.holding();
    let kept = packs(&test);
    for there in holding.windows(5) {
        assert_eq!(boxes.recover(&kit(&test), there), kept);
    }
    // Nothing is left to do, and nothing is done again.
    let again = boxes.round(&test);
    assert_eq!(again.receipts, 0);
    assert!((1..=10).all(|number| boxes.host(number).came.values().all(|count| *count == 1)));
}

#[test]
fn with_one_member_away_all_is_off_site_safe_and_fully_protected_once_it_is_back() {
    let (test, boxes) = (TestBox::start(), Boxes::new(6));
    back_up(&test, 0..2);
    // The group is that of the first round, 3+2.
    boxes.round(&test);
    let away = boxes.holding()[0];
    boxes.host(away).is_away = true;
    let client = Client::enrol(test.site(), "bob");
    client.back_up(test.site(), &files(6, 77));
    let rounded = boxes.round(&test);
    assert_eq!(rounded.silent.len(), 1);
    let bob = status(&test).machines[1].clone();
    assert!(bob.last_safe.is_some() && bob.last_full.is_none(), "{bob:?}");
    boxes.host(away).is_away = false;
    boxes.round(&test);
    let bob = status(&test).machines[1].clone();
    assert_eq!(bob.last_full, bob.last_safe);
    assert_eq!(wanted(&test, &boxes), 0);
}

#[test]
fn with_too_few_members_nothing_is_called_safe() {
    let (test, boxes) = (TestBox::start(), Boxes::new(6));
    back_up(&test, 0..1);
    for number in 1..=3 {
        boxes.host(number).is_away = true;
    }
    boxes.round(&test);
    let alice = status(&test).machines[0].clone();
    assert_eq!((alice.last_safe, alice.packs_in_place), (None, 0));
    assert!(alice.oldest_missing.is_some());
    assert!((1..=6).all(|number| boxes.host(number).head.is_none()));
}

#[test]
fn whatever_moment_the_box_stops_at_nothing_durable_is_sent_twice_and_nothing_is_forgotten() {
    for stop_after in 1..6 {
        let (mut test, boxes) = (TestBox::start(), Boxes::new(6));
        back_up(&test, 0..3);
        for number in 1..=6 {
            boxes.host(number).goes_after = Some(stop_after);
        }
        boxes.round(&test);
        test.restart();
        for number in 1..=6 {
            let mut host = boxes.host(number);
            (host.goes_after, host.is_away) = (None, false);
        }
        boxes.round(&test);
        boxes.round(&test);
        assert_eq!(wanted(&test, &boxes), 0, "stopped after {stop_after}");
        let alice = status(&test).machines[0].clone();
        assert!(alice.last_full.is_some(), "stopped after {stop_after}: {alice:?}");
        assert!((1..=6).all(|number| boxes.host(number).came.values().all(|count| *count == 1)));
        let holding: Vec<u8> = (1..=6).filter(|number| boxes.host(*number).head.is_some()).collect();
        assert_eq!(boxes.recover(&kit(&test), &holding), packs(&test));
    }
}

#[test]
fn a_receipt_that_was_lost_with_the_box_costs_a_question_and_no_bytes() {
    let (test, boxes) = (TestBox::start(), Boxes::new(4));
    back_up(&test, 0..1);
    for number in 1..=4 {
        boxes.host(number).forges = true;
    }
    // They have it, but what they sign does not count.
    assert_eq!(boxes.round(&test).receipts, 0);
    assert_eq!(status(&test).machines[0].packs_in_place, 0);
    for number in 1..=4 {
        boxes.host(number).forges = false;
    }
    boxes.round(&test);
    assert!(status(&test).machines[0].last_full.is_some());
    assert!((1..=4).all(|number| boxes.host(number).came.values().all(|count| *count == 1)));
}

#[test]
fn a_slow_member_holds_up_nobody() {
    let (test, boxes) = (TestBox::start(), Boxes::new(4));
    back_up(&test, 0..8);
    boxes.host(1).is_slow = true;
    let rounded = boxes.round(&test);
    assert_eq!(rounded.more, wanted(&test, &boxes) > 0, "what it missed comes without a pause");
    let alice = status(&test).machines[0].clone();
    assert_eq!(alice.packs_in_place, alice.packs_needed);
    assert!(alice.last_safe.is_some());
    boxes.host(1).is_slow = false;
    boxes.round(&test);
    boxes.round(&test);
    assert_eq!(wanted(&test, &boxes), 0);
    assert!(status(&test).machines[0].last_full.is_some());
}

#[test]
fn a_member_that_is_full_is_passed_over_and_another_one_takes_its_place() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    back_up(&test, 0..1);
    boxes.round(&test);
    let full = (1..=7).find(|number| !boxes.host(*number).shards.is_empty()).expect("a holder");
    boxes.host(full).is_full = true;
    Client::enrol(test.site(), "bob").back_up(test.site(), &files(6, 9));
    boxes.round(&test);
    audit::round(test.site(), &boxes.circle(), &boxes, &|_| ()).expect("audit");
    boxes.round(&test);
    let all = status(&test).machines;
    assert!(all.iter().all(|machine| machine.last_full.is_some()), "{all:?}");
}

#[test]
fn what_the_box_deletes_is_taken_out_of_the_map_and_then_condemned() {
    let (test, boxes) = (TestBox::start(), Boxes::new(4));
    back_up(&test, 0..2);
    boxes.round(&test);
    let site = test.site();
    let first = site.catalog.reader().read(|tx| pack_rows::all(tx)).expect("packs").remove(0);
    let places = site.catalog.reader().read(|tx| {
        let stripe = stripe_rows::by_pack(tx, &first.id)?.expect("a stripe");
        stripe_rows::places(tx, stripe.row)
    });
    let places = places.expect("places");
    assert!(places.len() == 4 && boxes.host(1).condemned.is_empty());
    site.catalog.writer().write(|tx| pack_rows::delete(tx, &first, None)).expect("delete");
    // One that deletes nothing for now is told again later.
    boxes.host(2).is_frozen = true;
    boxes.round(&test);
    assert!(boxes.host(2).condemned.is_empty());
    let waiting = site.catalog.reader().read(|tx| stripe_rows::by_pack(tx, &first.id)).expect("stripe");
    assert!(waiting.is_some_and(|stripe| stripe.gone_at.is_some()));
    boxes.host(2).is_frozen = false;
    boxes.round(&test);
    let recovered = boxes.recover(&kit(&test), &[1, 2, 3, 4]);
    assert!(!recovered.contains_key(&first.id) && !recovered.is_empty());
    for place in places {
        assert!(lock(&boxes.hosts[&place.member]).condemned.contains(&place.shard));
    }
    let forgotten = site.catalog.reader().read(|tx| stripe_rows::by_pack(tx, &first.id)).expect("stripe");
    assert_eq!(forgotten, None);
}

#[test]
fn lost_shards_are_found_out_and_made_again_elsewhere_and_an_unmounted_disk_is_no_loss() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    back_up(&test, 0..2);
    boxes.round(&test);
    let holding = boxes.holding();
    boxes.host(holding[0]).is_unmounted = true;
    let lost: BTreeSet<ShardId> = std::mem::take(&mut boxes.host(holding[1]).shards).into_keys().collect();
    audit::round(test.site(), &boxes.circle(), &boxes, &|_| ()).expect("audit");
    assert_eq!(wanted(&test, &boxes), lost.len());
    boxes.round(&test);
    assert!(boxes.host(holding[0]).came.values().all(|count| *count == 1), "a disk that is not there has lost nothing");
    let spares: Vec<u8> = (1..=7).filter(|number| !holding.contains(number)).collect();
    let made_again: BTreeSet<ShardId> =
        spares.iter().flat_map(|number| boxes.host(*number).shards.keys().copied().collect::<Vec<_>>()).collect();
    assert!(lost.is_subset(&made_again));
    // The map and the head say where they are now: of those that had all at first, two still have the packs and three the map.
    let there = [holding[1], holding[2], holding[3], spares[0], spares[1]];
    assert_eq!(boxes.recover(&kit(&test), &there), packs(&test));
}

#[test]
fn what_rots_on_a_peers_disk_is_found() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    back_up(&test, 0..1);
    boxes.round(&test);
    let rotten = boxes.holding()[0];
    for bytes in boxes.host(rotten).shards.values_mut() {
        bytes.iter_mut().for_each(|byte| *byte ^= 1);
    }
    audit::round(test.site(), &boxes.circle(), &boxes, &|_| ()).expect("audit");
    assert_eq!(wanted(&test, &boxes), boxes.host(rotten).shards.len());
}

#[test]
fn another_secret_is_noticed_before_anything_is_sealed_with_it() {
    let (mut test, boxes) = (TestBox::start(), Boxes::new(2));
    back_up(&test, 0..1);
    boxes.round(&test);
    test.stop();
    std::fs::remove_file(test.dir().keys_dir().join("dispersal.key")).expect("remove");
    test.restart();
    let refused = round(test.site(), &boxes.circle(), &boxes, 30, &|_| ());
    assert!(matches!(refused, Err(crate::operations::OperationError::OtherDispersalSecret)));
}

/// The whole week of one class; 8 Mbit/s where that is a rate.
fn set_week(test: &TestBox, class: HourClass) {
    let plan = BandwidthPlan { hours: WeekGrid::all(class), full: None, reduced: Megabits::new(8).expect("rate") };
    set_bandwidth(test.site(), &Actor::console(), &plan).expect("set");
}

#[test]
fn in_a_pause_nothing_goes_out_but_shards_of_packs_that_hardly_enough_is_left_of() {
    let (test, boxes) = (TestBox::start(), Boxes::new(10));
    let site = test.site();
    set_week(&test, HourClass::Pause);
    back_up(&test, 0..2);
    assert_eq!(boxes.round(&test).receipts, 0);
    assert!(boxes.holding().is_empty() && status(&test).outgoing.paused);
    set_week(&test, HourClass::Full);
    let all = boxes.round(&test).receipts;
    // 5+3: with seven left a repair can wait, with six it cannot.
    let lose = |number: u8| {
        let mut host = boxes.host(number);
        let shards: Vec<ShardId> = std::mem::take(&mut host.shards).into_keys().collect();
        let member = MemberId::from_bytes([number; 32]);
        dispersal::note_lost(site, &member, &shards).expect("lost");
        host.is_away = true;
        drop(host);
        dispersal::order_repairs(site, &boxes.circle(), 1_000).expect("orders")
    };
    set_week(&test, HourClass::Pause);
    let holding = boxes.holding();
    assert!(all > 0 && lose(holding[0]) > 0);
    assert_eq!(boxes.round(&test).receipts, 0);
    assert!(lose(holding[1]) > 0);
    assert!(boxes.round(&test).receipts > 0);
}

#[test]
fn a_round_is_no_faster_than_the_rate_of_the_hour() {
    let (test, boxes) = (TestBox::start(), Boxes::new(4));
    set_week(&test, HourClass::Reduced);
    let client = Client::enrol(test.site(), "alice");
    client.back_up(test.site(), &[("film", noise(3 << 20, 1))]);
    let began = std::time::Instant::now();
    boxes.round(&test);
    let seconds = began.elapsed().as_secs_f64();
    let sent: usize = (1..=4).map(|number| boxes.host(number).shards.values().map(Vec::len).sum::<usize>()).sum();
    let rate = sent as f64 / seconds;
    assert!(sent > 3 << 20 && status(&test).machines[0].last_full.is_some(), "{sent} bytes");
    // What may go at once comes on top, once; a busy machine takes longer.
    assert!((0.5e6..1.1e6).contains(&rate), "{rate} bytes/s, where 1 MB/s was set");
}

fn set_away(boxes: &Boxes, is_away: bool) {
    for host in boxes.hosts.values() {
        lock(host).is_away = is_away;
    }
}

#[test]
fn a_snapshot_is_not_ready_before_what_the_box_made_of_its_packs_is_outside() {
    let (test, boxes) = (TestBox::start(), Boxes::new(4));
    let site = test.site();
    set_away(&boxes, true);
    back_up(&test, 0..10);
    verify(site, None, &mut |_| {}).expect("verify");
    let compacted = compact(site, Pace::Steady).expect("compact");
    assert_eq!(compacted.packs, 10);
    let ready = || site.catalog.reader().read(|tx| outside::ready_snapshots(tx)).expect("ready").len();
    assert_eq!(ready(), 0);
    boxes.round(&test);
    assert_eq!(ready(), 0);
    assert_eq!(status(&test).machines[0].last_safe, None);
    set_away(&boxes, false);
    boxes.round(&test);
    assert!(status(&test).machines[0].last_full.is_some());
    assert_eq!(boxes.recover(&kit(&test), &[1, 2, 3, 4]).len(), 1);
}

#[test]
fn nothing_leaves_the_map_before_what_takes_its_place_is_outside() {
    let (test, boxes) = (TestBox::start(), Boxes::new(4));
    let site = test.site();
    back_up(&test, 0..10);
    boxes.round(&test);
    let old: BTreeSet<PackId> = packs(&test).into_keys().collect();
    set_away(&boxes, true);
    verify(site, None, &mut |_| {}).expect("verify");
    compact(site, Pace::Steady).expect("compact");
    let all = site.catalog.reader().read(|tx| pack_rows::all(tx)).expect("packs");
    for pack in all.iter().filter(|pack| old.contains(&pack.id)) {
        site.catalog.writer().write(|tx| pack_rows::delete(tx, pack, None)).expect("delete");
    }
    boxes.round(&test);
    let in_map: BTreeSet<PackId> = boxes.recover(&kit(&test), &[1, 2, 3, 4]).into_keys().collect();
    assert_eq!(in_map, old);
    let is_gone = |pack| {
        let stripe = site.catalog.reader().read(|tx| stripe_rows::by_pack(tx, pack)).expect("stripe");
        stripe.is_none_or(|stripe| stripe.gone_at.is_some())
    };
    assert!(!old.iter().any(is_gone));
    set_away(&boxes, false);
    boxes.round(&test);
    assert!(old.iter().all(is_gone));
    let in_map: BTreeSet<PackId> = boxes.recover(&kit(&test), &[1, 2, 3, 4]).into_keys().collect();
    assert!(in_map.len() == 1 && in_map.is_disjoint(&old));
}

#[test]
fn a_member_that_never_takes_anything_loses_its_place_to_a_spare() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    let site = test.site();
    back_up(&test, 0..1);
    boxes.round(&test);
    let holding = boxes.holding();
    let never = holding[0];
    boxes.host(never).is_away = true;
    Client::enrol(site, "bob").back_up(site, &files(6, 9));
    boxes.round(&test);
    // It answers, but nothing is brought there.
    boxes.host(never).is_away = false;
    let ordered = || audit::round(site, &boxes.circle(), &boxes, &|_| ()).expect("audit");
    assert_eq!(ordered(), 0, "there is time still");
    let later = |tx: &rusqlite::Transaction<'_>| {
        Ok::<_, CatalogError>(tx.execute("UPDATE shard SET at = at - 13 * 3600000 WHERE state = 'wanted'", [])?)
    };
    let late = site.catalog.writer().write(later).expect("later");
    assert!(late > 0);
    assert_eq!(ordered(), late);
    assert_eq!(ordered(), 0, "once");
    boxes.host(never).is_away = true;
    boxes.round(&test);
    let stripes = site.catalog.reader().read(|tx| stripe_rows::all_codable(tx)).expect("stripes");
    let kept = packs(&test);
    assert!(stripes.iter().filter(|stripe| kept.contains_key(&stripe.pack)).all(|stripe| stripe.full_at.is_some()));
}

#[test]
fn members_that_hold_nothing_are_greeted_and_what_the_box_cannot_say_it_asks_nobody() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    let site = test.site();
    back_up(&test, 0..2);
    boxes.round(&test);
    let spare = (1..=7).find(|number| boxes.host(*number).shards.is_empty()).expect("a spare");
    boxes.host(spare).is_away = true;
    audit::round(site, &boxes.circle(), &boxes, &|_| ()).expect("audit");
    let met = |number: u8| {
        let member = MemberId::from_bytes([number; 32]);
        site.catalog.reader().read(|tx| {
            let holder = holders::by_member(tx, &member)?.expect("a holder");
            Ok::<_, CatalogError>((holder.met_at.is_some(), holders::events(tx, holder.row)?.len()))
        })
    };
    assert_eq!(met(spare).expect("met"), (true, 1));
    let there = (1..=7).find(|number| *number != spare).expect("another");
    assert_eq!(met(there).expect("met"), (true, 0));
    // What the box cannot say itself it asks nobody, and believes nothing of anybody.
    let before = boxes.host(there).asked;
    for pack in packs(&test).into_keys() {
        site.store.delete(ObjectName::Pack(pack)).expect("delete");
    }
    site.catalog.writer().write(|tx| Ok::<_, CatalogError>(tx.execute("DELETE FROM map_part", [])?)).expect("delete");
    audit::round(site, &boxes.circle(), &boxes, &|_| ()).expect("audit");
    assert_eq!(boxes.host(there).asked, before);
    assert_eq!(met(there).expect("met"), (true, 0));
}

#[test]
fn what_a_leaving_member_holds_is_made_again_elsewhere_and_stays_where_it_is() {
    // 4+3 over seven of eight.
    let (test, boxes) = (TestBox::start(), Boxes::new(8));
    back_up(&test, 0..2);
    boxes.round(&test);
    let kept = packs(&test);
    let leaver = boxes.holding()[0];
    let mut circle = boxes.circle();
    let left = circle.fellows.iter_mut().find(|fellow| fellow.member == MemberId::from_bytes([leaver; 32]));
    let left = left.expect("it is in");
    (left.leaves, left.room_bytes) = (true, 0);
    let held = boxes.host(leaver).shards.clone();
    let again = || round(test.site(), &circle, &boxes, 30, &|_| ()).expect("round");
    again();
    assert_eq!(boxes.host(leaver).shards, held, "it gets nothing new");
    let ordered = audit::round(test.site(), &circle, &boxes, &|_| ()).expect("audit");
    assert!(ordered >= kept.len(), "{ordered} of {}", kept.len());
    again();
    for shard in held.keys() {
        let elsewhere = (1..=8).filter(|number| *number != leaver);
        assert_eq!(elsewhere.filter(|number| boxes.host(*number).shards.contains_key(shard)).count(), 1);
    }
    // All but the part of the map that a later one has replaced meanwhile.
    let left = held.keys().filter(|shard| !boxes.host(leaver).condemned.contains(shard)).count();
    assert_eq!(left, kept.len(), "it is still read from");
    // Once the map says where the others are, it is told that it is not needed any more.
    again();
    again();
    assert!(held.keys().all(|shard| boxes.host(leaver).condemned.contains(shard)), "it may go");
    let ordered = audit::round(test.site(), &circle, &boxes, &|_| ()).expect("audit");
    assert_eq!(ordered, 0, "once is enough");
    // With it gone and three more, the rest suffices.
    let there: Vec<u8> = boxes.holding().into_iter().filter(|number| *number != leaver).take(4).collect();
    assert_eq!(boxes.recover(&kit(&test), &there), kept);
}

/// One of the box's packs rots on its disk. Which one.
fn rot(test: &TestBox) -> PackId {
    let (pack, _) = packs(test).pop_first().expect("a pack");
    rot_one(test, &pack);
    pack
}

fn rot_one(test: &TestBox, pack: &PackId) {
    let mut bytes = test.site().store.read_all(ObjectName::Pack(*pack), PACK_LEN_MAX).expect("read");
    bytes.iter_mut().for_each(|byte| *byte ^= 1);
    let file = test.dir().store_dir().join(ObjectName::Pack(*pack).to_string());
    std::fs::remove_file(&file).expect("remove");
    crate::files::replace(&file, &bytes).expect("rot");
}

fn audit_all(test: &TestBox, boxes: &Arc<Boxes>) -> usize {
    audit::round(test.site(), &boxes.circle(), boxes, &|_| ()).expect("audit")
}

fn standing(test: &TestBox, boxes: &Boxes, number: u8) -> Standing {
    presences(test.site(), &boxes.circle()).expect("presences")[&MemberId::from_bytes([number; 32])].standing
}

#[test]
fn one_false_number_of_one_member_stops_nothing() {
    let (test, boxes) = (TestBox::start(), Boxes::new(6));
    back_up(&test, 0..2);
    boxes.round(&test);
    let liar = boxes.holding()[0];
    boxes.host(liar).boasts = Some(1 << 60);
    Client::enrol(test.site(), "bob").back_up(test.site(), &files(6, 77));
    boxes.round(&test);
    boxes.round(&test);
    assert_eq!(wanted(&test, &boxes), 0);
    let bob = status(&test).machines[1].clone();
    assert!(bob.last_safe.is_some() && bob.last_full.is_none(), "the others keep the head: {bob:?}");
    boxes.host(liar).boasts = None;
    boxes.round(&test);
    assert!(status(&test).machines[1].last_full.is_some());
}

#[test]
fn a_member_that_refuses_is_not_asked_to_no_end_and_loses_its_place_when_that_lasts() {
    let (test, boxes) = (TestBox::start(), Boxes::new(7));
    let site = test.site();
    back_up(&test, 0..1);
    boxes.round(&test);
    let refusing = boxes.holding()[0];
    boxes.host(refusing).refuses = true;
    let bob = Client::enrol(site, "bob");
    (10..26).for_each(|seed| drop(bob.back_up(site, &files(2, seed))));
    boxes.round(&test);
    let safe = status(&test).machines[1].clone();
    assert_eq!(safe.packs_in_place, safe.packs_needed, "the others have them");
    // Those that were on their way when it had refused often enough are refused too.
    let in_a_round = REFUSALS_MAX + QUEUE + 1;
    let before = boxes.host(refusing).refused;
    boxes.round(&test);
    assert!(boxes.host(refusing).refused - before <= in_a_round, "and nothing more is made for it");
    assert_eq!(audit_all(&test, &boxes), 0, "there is time still");
    let later = |tx: &rusqlite::Transaction<'_>| {
        Ok::<_, CatalogError>(tx.execute("UPDATE shard SET at = at - 13 * 3600000 WHERE state = 'wanted'", [])?)
    };
    let late = site.catalog.writer().write(later).expect("later");
    assert!(late > REFUSALS_MAX, "{late}");
    set_week(&test, HourClass::Pause);
    assert_eq!(audit_all(&test, &boxes), 0, "while this box sends nothing, nobody is slow");
    set_week(&test, HourClass::Full);
    boxes.round(&test);
    assert_eq!(wanted(&test, &boxes), 0, "nothing waits for it any more");
    audit_all(&test, &boxes);
    boxes.round(&test);
    let before = boxes.host(refusing).refused;
    boxes.round(&test);
    assert_eq!(boxes.host(refusing).refused, before, "it is left alone");
    let stripes = site.catalog.reader().read(|tx| stripe_rows::all_codable(tx)).expect("stripes");
    let kept = packs(&test);
    assert!(stripes.iter().filter(|stripe| kept.contains_key(&stripe.pack)).all(|stripe| stripe.full_at.is_some()));
}

#[test]
fn what_is_new_and_what_is_not_safe_take_turns() {
    let (test, boxes) = (TestBox::start(), Boxes::new(2));
    back_up(&test, 0..4);
    boxes.host(2).refuses = true;
    boxes.round(&test);
    Client::enrol(test.site(), "bob").back_up(test.site(), &files(6, 77));
    let all: Vec<MemberId> = boxes.hosts.keys().copied().collect();
    let tasks = next_to_spread(test.site(), &boxes.circle(), &all, 2, &mut Tried::default()).expect("tasks");
    assert!(
        matches!(tasks[..], [Task::Again { .. }, Task::New { .. }]),
        "however much waits for one member: {tasks:?}"
    );
}

#[test]
fn people_are_told_of_what_is_lost_while_no_box_is_free_to_take_it() {
    let (test, boxes) = (TestBox::start(), Boxes::new(2));
    back_up(&test, 0..2);
    boxes.round(&test);
    assert_eq!((audit_all(&test, &boxes), status(&test).homeless_packs), (0, 0));
    // The other one holds a shard of each pack already.
    boxes.host(1).is_away = true;
    for _ in 0..3 {
        crate::operations::hosting::testing::pass_days(test.site(), 2);
        assert_eq!(audit_all(&test, &boxes), 0);
    }
    assert_eq!(standing(&test, &boxes, 1), Standing::Absent);
    assert!(status(&test).homeless_packs > 0);
}

#[test]
fn nothing_is_tried_twice_in_a_round_but_what_was_ordered_meanwhile_is() {
    let (test, boxes) = (TestBox::start(), Boxes::new(10));
    let site = test.site();
    back_up(&test, 0..3);
    boxes.round(&test);
    let heard = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&heard);
    dispersal::on_orders(site, move || *counted.lock().expect("lock") += 1);
    let lose = |number: u8| {
        let shards: Vec<ShardId> = boxes.host(number).shards.keys().copied().collect();
        dispersal::note_lost(site, &MemberId::from_bytes([number; 32]), &shards).expect("lost");
        dispersal::order_repairs(site, &boxes.circle(), 1_000).expect("orders")
    };
    let all: Vec<MemberId> = boxes.hosts.keys().copied().collect();
    let mut tried = Tried::default();
    let mut ask = |limit: usize| {
        let tasks = next_to_spread(site, &boxes.circle(), &all, limit, &mut tried).expect("tasks");
        tasks.iter().for_each(|task| tried.add(task));
        tasks
    };
    let wanted = |tasks: &[Task]| {
        let missing = tasks.iter().filter_map(|task| match task {
            Task::Again { missing, .. } => Some(missing.iter().map(|place| (place.shard, place.member))),
            Task::New { .. } => None,
        });
        missing.flatten().collect::<BTreeSet<_>>()
    };
    let holding = boxes.holding();
    let first = lose(holding[0]);
    assert!(first > 1 && *heard.lock().expect("lock") == 1);
    // One after the other, and what was tried hides nothing that comes behind it.
    let tried_first: Vec<Task> = (0..first).flat_map(|_| ask(1)).collect();
    assert_eq!((wanted(&tried_first).len(), ask(1_000)), (first, Vec::new()));
    let second = lose(holding[1]);
    let again = ask(1_000);
    assert!(second > 0 && wanted(&again).len() == second, "of packs that were tried before: {again:?}");
    assert!(wanted(&again).is_disjoint(&wanted(&tried_first)));
    assert_eq!((ask(1_000), *heard.lock().expect("lock")), (Vec::new(), 2));
    assert_eq!(dispersal::order_repairs(site, &boxes.circle(), 1_000).expect("orders"), 0);
    assert_eq!(*heard.lock().expect("lock"), 2, "nothing was ordered");
}
