//! What needs no boxes to be measured: the memory of a map, and how surely silent loss is found.

use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::life::Redundancy;
use datis_engine::life::audit::{RANGE_BYTES, RANGES_A_ROUND, ROUND, Shelf};
use datis_engine::life::placement::{Candidate, Domains, Group};
use datis_engine::life::stripe::StripeMap;

const PACKS: u32 = 30_000;
const WIDTH: u32 = 48;
/// Peers that have dropped one percent of what they hold.
const PEERS: u64 = 20_000;

/// Memory of the map of 30 000 packs of 48 shards, with the names of all shards, in MiB.
pub(crate) fn map_mib() -> f64 {
    let member = |number: u32| MemberId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
    let candidate =
        |number| Candidate { member: member(number), domains: Domains::default(), room_bytes: u64::from(PACKS) << 25 };
    let candidates: Vec<Candidate> = (0..WIDTH).map(candidate).collect();
    let redundancy = Redundancy::new(32, 16).expect("a scheme");
    let group = Group::found(&candidates, redundancy).expect("enough members");
    let mut map = StripeMap::new();
    for number in 0..PACKS {
        let pack = PackId::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes());
        map.place(pack, &group).expect("a new pack");
    }
    let names = u64::from(PACKS * WIDTH) * ShardId::LEN as u64;
    (map.memory_bytes() as u64 + names) as f64 / f64::from(1 << 20)
}

/// The share of peers that are found within a day of having dropped one percent of their bytes: one shard in a hundred.
pub(crate) fn found_within_a_day() -> f64 {
    let shards: u32 = 100;
    let shelf = Shelf::new(vec![16 * RANGE_BYTES; shards as usize]);
    let rounds = 86_400 / ROUND.0;
    let is_found = |peer: &u64| {
        (0..rounds).any(|round| {
            let seed = *blake3::hash(&[peer.to_le_bytes(), round.to_le_bytes()].concat()).as_bytes();
            shelf.draw(&seed, RANGES_A_ROUND).iter().any(|range| range.shard == 0)
        })
    };
    (0..PEERS).filter(is_found).count() as f64 / PEERS as f64
}
