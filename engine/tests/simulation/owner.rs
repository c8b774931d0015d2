//! A simulated owner: it drives the machines as an appliance would, and keeps beside it what they must not know.

use std::collections::BTreeMap;
use std::rc::Rc;

use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::life::Redundancy;
use datis_engine::life::audit::Shelf;
use datis_engine::life::peer::{Peer, Presence};
use datis_engine::life::placement::{Candidate, Group, independent};
use datis_engine::life::stripe::{ShardState, StripeMap};
use datis_engine::units::UnixMillis;

/// A pack, and what truly happened to it.
pub(crate) struct Pack {
    pub(crate) id: PackId,
    pub(crate) shard_bytes: u32,
    pub(crate) safe: bool,
    pub(crate) fully: bool,
    pub(crate) local: bool,
    /// Boxes that truly lost a shard of it, a bit each.
    pub(crate) destroyed: u64,
    /// Boxes that were silent long enough for a repair, a bit each.
    pub(crate) missed: u64,
    /// Losses that were proven.
    pub(crate) losses: u32,
    pub(crate) repairs: u32,
    /// Repairs for which an extra was given up.
    pub(crate) swaps: u32,
    /// Shards that a member would not take.
    pub(crate) withdrawn: u32,
}

/// What one peer is audited for.
pub(crate) struct Audited {
    version: u64,
    pub(crate) shelf: Shelf,
    /// The shards, and the pack of each; no pack: ballast.
    pub(crate) shards: Rc<[(ShardId, Option<PackId>)]>,
}

pub(crate) struct Owner {
    pub(crate) number: usize,
    pub(crate) map: StripeMap,
    pub(crate) group: Option<Group>,
    pub(crate) peers: BTreeMap<usize, Peer>,
    /// As they were when they were last saved.
    pub(crate) saved_peers: BTreeMap<usize, Peer>,
    pub(crate) packs: Vec<Pack>,
    /// Shards beside the packs, so that one of them is less than a tenth: by host.
    pub(crate) ballast: BTreeMap<usize, Vec<ShardId>>,
    /// Counts changes of who holds what.
    pub(crate) version: u64,
    audited: BTreeMap<usize, Audited>,
    /// Members that would not take something, and until when they are passed over.
    pub(crate) full: BTreeMap<usize, u64>,
    pub(crate) taken_over: bool,
    pub(crate) alerted: bool,
}

pub(crate) const BALLAST_BYTES: u32 = 20_000;

impl Owner {
    pub(crate) fn new(number: usize, candidates: &[Candidate], now: UnixMillis) -> Self {
        let group = scheme(independent(candidates)).and_then(|scheme| Group::found(candidates, scheme).ok());
        let numbers = candidates.iter().map(|one| usize::from(one.member.as_bytes()[0]));
        let peers: BTreeMap<usize, Peer> = numbers.map(|peer| (peer, Peer::met(now))).collect();
        Self {
            number,
            map: StripeMap::new(),
            group,
            saved_peers: peers.clone(),
            peers,
            packs: Vec::new(),
            ballast: BTreeMap::new(),
            version: 1,
            audited: BTreeMap::new(),
            full: BTreeMap::new(),
            taken_over: false,
            alerted: false,
        }
    }

    pub(crate) fn presences(&self, now: UnixMillis) -> BTreeMap<MemberId, Presence> {
        self.peers.iter().map(|(peer, view)| (crate::host::member(*peer), view.presence(now))).collect()
    }

    pub(crate) fn pack(&mut self, id: &PackId) -> &mut Pack {
        self.packs.iter_mut().find(|pack| pack.id == *id).expect("a pack of this owner")
    }

    pub(crate) fn shard_id(&self, pack: &PackId, index: usize) -> ShardId {
        let mut bytes = *pack.as_bytes();
        bytes[31] = u8::try_from(index).expect("small");
        ShardId::from_bytes(bytes)
    }

    /// The pack and the index of a shard; `None` for ballast.
    pub(crate) fn pack_of(&self, shard: &ShardId) -> Option<PackId> {
        let mut bytes = *shard.as_bytes();
        bytes[31] = 0;
        let id = PackId::from_bytes(bytes);
        self.packs.iter().any(|pack| pack.id == id).then_some(id)
    }

    /// Everything that the owner believes to be at a peer, ready to be audited.
    pub(crate) fn audited(&mut self, peer: usize) -> &Audited {
        let version = self.version;
        if self.audited.get(&peer).is_none_or(|audited| audited.version != version) {
            let member = crate::host::member(peer);
            let mut shards = Vec::new();
            let mut lens = Vec::new();
            for (pack, index, state) in self.map.of_member(&member) {
                if state == ShardState::Held {
                    shards.push((self.shard_id(&pack, index), Some(pack)));
                    lens.push(self.packs.iter().find(|one| one.id == pack).expect("known").shard_bytes);
                }
            }
            for id in self.ballast.get(&peer).into_iter().flatten() {
                shards.push((*id, None));
                lens.push(BALLAST_BYTES);
            }
            self.audited.insert(peer, Audited { version, shelf: Shelf::new(lens), shards: shards.into() });
        }
        &self.audited[&peer]
    }
}

/// Table 4.2 of the design: how stripes are cut for so many independent sites.
pub(crate) fn scheme(sites: usize) -> Option<Redundancy> {
    let (data, parity) = match sites {
        0 => return None,
        1 => (1, 0),
        2..=3 => (1, 1),
        4..=5 => (2, 2),
        6..=7 => (3, 2),
        8..=9 => (4, 3),
        10..=11 => (5, 3),
        12..=15 => (6, 4),
        16..=19 => (9, 5),
        20..=23 => (12, 6),
        24..=31 => (14, 7),
        32..=47 => (20, 10),
        _ => (30, 15),
    };
    Redundancy::new(data, parity)
}
