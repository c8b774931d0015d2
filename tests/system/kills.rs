//! A host and an owner that are killed (SIGKILL) at any point while packs spread: what a host has signed for is there, bit by
//! bit, and what it has not is taken again.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use datis_engine::community::signed::Signed;
use datis_engine::erasure::answer::Answer;
use datis_engine::erasure::shard::name_shard;
use datis_engine::format::decode_all;
use datis_engine::ids::ShardId;
use datis_engine::keys::{PublicKey, SigningKey};
use datis_engine::units::UnixMillis;
use datis_engine::wire::Refusal;
use datis_engine::wire::peers::{
    Audit, AuditRange, Audited, Condemn, ListShards, OfferShard, SHARD_PATH, ShardOffer, ShardReceipt, Wish,
};
use harness::community::wait_until_outside;
use harness::raw::{Identity, Raw};
use harness::{Random, TestBox, wait_for};

use crate::saved::{SPREAD, Saved, blank, boxes, files_of, wait_until_whole};

/// Kills of a host: `DATIS_CYCLES` sets another number.
const KILLS: u32 = 40;

/// Bytes that are sent in one piece.
const PIECE: usize = 100_000;

/// A member that speaks to a host by hand, with the key of its box, and keeps in mind what it was promised.
struct Scripted {
    identity: Identity,
    host: SocketAddr,
    host_key: PublicKey,
    random: Random,
    /// What there is a receipt for, and since when it counts.
    promised: BTreeMap<ShardId, (Vec<u8>, UnixMillis)>,
    /// What was begun and broke off.
    begun: Option<Vec<u8>>,
    /// Shards that the host has resumed in the middle.
    resumed: u32,
}

impl Scripted {
    fn new(owner: &TestBox, host: &TestBox, random: Random) -> Self {
        let key = |of: &TestBox| std::fs::read(of.data().join("keys/tls.pkcs8")).expect("its key");
        Self {
            identity: Identity::of_box(&key(owner)),
            host: (Ipv4Addr::LOCALHOST, host.machine_port()).into(),
            host_key: SigningKey::from_pkcs8(&key(host)).expect("a key").public_key(),
            random,
            promised: BTreeMap::new(),
            begun: None,
            resumed: 0,
        }
    }

    /// Sends shards, asks for proofs and condemns, until the host is gone.
    fn go_on(&mut self) -> io::Error {
        loop {
            if let Err(error) = self.send_next() {
                return error;
            }
        }
    }

    fn send_next(&mut self) -> io::Result<()> {
        let mut raw = Raw::open(self.host, Some(&self.identity))?;
        loop {
            let bytes = self.begun.take().unwrap_or_else(|| {
                let len = *self.random.choose(&[64, 4_096, 99_968, 700_032]);
                self.random.bytes(len)
            });
            self.begun = Some(bytes.clone());
            let receipt = self.send(&mut raw, &bytes)?;
            self.begun = None;
            let receipt = ShardReceipt::verify(&receipt, &self.host_key).expect("the host's word");
            assert_eq!((receipt.shard, receipt.len as usize), (name_shard(&bytes), bytes.len()));
            self.promised.insert(receipt.shard, (bytes, receipt.received_at));
            match self.random.below(6) {
                0 => self.audit(&mut raw)?,
                1 => self.condemn(&mut raw)?,
                _ => {}
            }
        }
    }

    fn send(&mut self, raw: &mut Raw, bytes: &[u8]) -> io::Result<Signed> {
        let (shard, len) = (name_shard(bytes), u32::try_from(bytes.len()).expect("short"));
        let offer = OfferShard { shard, len, window_days: 1 };
        let mut from = match raw.try_ask(&offer)?.expect("room") {
            ShardOffer::Held { receipt } => return Ok(receipt),
            ShardOffer::Send { from } => from as usize,
            full @ (ShardOffer::OverQuota { .. } | ShardOffer::NoRoom) => panic!("{full:?}"),
        };
        self.resumed += u32::from(from > 0);
        loop {
            let end = bytes.len().min(from + PIECE);
            let range = format!("bytes {from}-{}/{len}", end - 1);
            let answer = raw.exchange_with("PUT", &path_of(shard), &[("content-range", &range)], &bytes[from..end])?;
            match answer.status {
                204 => from = end,
                200 => return Ok(decode_all("receipt", &answer.body).expect("a receipt")),
                _ => panic!("{:?}", answer.refusal()),
            }
        }
    }

    fn any(&mut self) -> ShardId {
        let all: Vec<ShardId> = self.promised.keys().copied().collect();
        *self.random.choose(&all)
    }

    fn audit(&mut self, raw: &mut Raw) -> io::Result<()> {
        let (shard, nonce) = (self.any(), [9; 32]);
        let (bytes, _) = &self.promised[&shard];
        let mut expected = Answer::new(&nonce);
        let some = &bytes[..bytes.len().min(16 << 10)];
        expected.add(shard, 0, some);
        let range = AuditRange { shard, start: 0, len: u32::try_from(some.len()).expect("short") };
        match raw.try_ask(&Audit { nonce: nonce.into(), ranges: vec![range], with_proofs: false })? {
            Ok(Audited::Digest(digest)) => assert_eq!(*digest, expected.finish(), "bit by bit"),
            other => panic!("of what was promised: {other:?}"),
        }
        Ok(())
    }

    /// Nothing of it is 30 days old, so the brake holds.
    fn condemn(&mut self, raw: &mut Raw) -> io::Result<()> {
        let condemned = raw.try_ask(&Condemn { shards: vec![self.any()], wish: Wish::Delete })?.expect("an answer");
        assert!(condemned.noted == 0 && condemned.frozen_until.is_some(), "{condemned:?}");
        Ok(())
    }

    /// All that was promised is there, bit by bit. What is asked of the host: the newest shards, or all.
    fn check(&self, count: usize) -> io::Result<()> {
        let mut raw = Raw::open(self.host, Some(&self.identity))?;
        let mut newest: Vec<_> = self.promised.iter().collect();
        newest.sort_by_key(|(_, (_, received_at))| std::cmp::Reverse(*received_at));
        for (shard, (bytes, _)) in newest.into_iter().take(count) {
            let answer = raw.exchange("GET", &path_of(*shard), b"")?;
            assert!(answer.status == 200 && answer.body == *bytes, "{shard} was promised: {}", answer.status);
        }
        Ok(())
    }
}

fn path_of(shard: ShardId) -> String {
    SHARD_PATH.replace("{shard}", &shard.to_string())
}

#[test]
fn a_host_that_is_killed_at_any_point_has_what_it_signed_for_and_goes_on_with_the_rest() {
    let mut random = Random::from_environment();
    let mut both = boxes(&["inn", "bakery"]);
    let (mut host, mut owner) = (both.remove(0), both.remove(0));
    owner.kill();
    let kills = std::env::var("DATIS_CYCLES").map_or(KILLS, |text| text.parse().expect("DATIS_CYCLES is a number"));
    let mut scripted = Scripted::new(&owner, &host, Random::new(random.number()));
    for _ in 0..kills {
        let life = Duration::from_micros(random.below(400_000));
        std::thread::scope(|scope| {
            let going_on = scope.spawn(|| scripted.go_on());
            std::thread::sleep(life);
            host.kill();
            let _gone = going_on.join().expect("what was promised holds");
        });
        host.start_again();
        scripted.check(8).expect("it answers");
    }
    println!("{} shards promised, {} gone on with in the middle", scripted.promised.len(), scripted.resumed);
    assert!(!scripted.promised.is_empty());
    scripted.check(usize::MAX).expect("it answers");
    // Its books say the same as its receipts, once it has compared them with its folder.
    let listed = wait_for("its list", SPREAD, || {
        let mut raw = Raw::open(scripted.host, Some(&scripted.identity)).expect("a connection");
        let mut all = Vec::new();
        loop {
            let page: Result<_, Refusal> = raw.ask(&ListShards { after: all.last().map(|(shard, _)| *shard) });
            let page = page.ok()?.shards;
            if page.is_empty() {
                return Some(all);
            }
            assert!(page.iter().all(|one| one.is_kept), "nothing was condemned");
            all.extend(page.iter().map(|one| (one.shard, one.received_at)));
        }
    });
    // A receipt may have been lost on its way: then there is one more.
    let lost_on_the_way = scripted.begun.as_deref().map(name_shard);
    let listed: BTreeMap<_, _> = listed.into_iter().filter(|(shard, _)| Some(*shard) != lost_on_the_way).collect();
    let promised: BTreeMap<_, _> = scripted.promised.iter().map(|(shard, (_, since))| (*shard, *since)).collect();
    assert_eq!(listed, promised);
}

#[test]
fn an_owner_that_is_killed_at_any_point_while_its_packs_spread_comes_back_out_of_its_kit() {
    let mut random = Random::from_environment();
    let names = ["harbour master", "bakery", "smithy", "inn"];
    let mut others = boxes(&names);
    let mut lost = others.remove(1);
    let desk = lost.enrol("desk");
    let papers = lost.beside().join("papers");
    std::fs::create_dir(&papers).expect("a folder");
    for seed in 0..4 {
        std::fs::write(papers.join(format!("ledger {seed}")), Random::new(seed).bytes(3_000_000)).expect("a file");
        let _saved = desk.backup(&papers);
        // A look at what is to go out comes every ten seconds.
        std::thread::sleep(Duration::from_millis(random.below(11_000)));
        lost.kill();
        lost.start_again();
    }
    let outside = wait_until_outside(&lost, SPREAD);
    println!("{outside:?}");
    let kit = lost.command(["kit"]).run().expect_success().text();
    let stored = files_of(&lost.data().join("store"));
    let names = names.iter().filter(|name| **name != "bakery").map(|name| (*name).to_owned()).collect();
    let mut saved = Saved { lost, others, names, stored, kit, sheets: Vec::new() };
    let one_holder = saved.holders()[0];
    saved.burn_these(&[one_holder]);
    let blank = blank();
    assert_eq!(saved.recover(&blank).expect_success().json()["snapshots"], 4);
    let back = harness::community::neighbour().data(blank.data()).start();
    wait_until_whole(&back);
    let missing = saved.missing_in(&back);
    assert!(missing.is_empty(), "byte for byte: {missing:?}");
}
