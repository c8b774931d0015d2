//! A simulated owner: it drives the machines as an appliance would, and keeps beside it what they must not know.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use datis_engine::community::head::VerifiedHead;
use datis_engine::erasure::scheme::Scheme;
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
    pub(crate) redundancy: Redundancy,
    pub(crate) shard_bytes: u32,
    pub(crate) safe: bool,
    pub(crate) fully: bool,
    pub(crate) local: bool,
    /// Boxes that truly lost a shard of it, or deny it, a bit each.
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
    map: StripeMap,
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
    /// Peers that said that they go.
    pub(crate) leaving: BTreeSet<usize>,
    /// Whom the group was chosen from, and who of them was gone.
    pub(crate) chosen_from: Vec<(usize, bool)>,
    /// Every head that its box ever made.
    pub(crate) heads: Vec<VerifiedHead>,
    /// Whether the member has another box than at first, with another key.
    pub(crate) rebound: bool,
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
            leaving: BTreeSet::new(),
            chosen_from: Vec::new(),
            heads: Vec::new(),
            rebound: false,
            taken_over: false,
            alerted: false,
        }
    }

    pub(crate) fn presences(&self, now: UnixMillis) -> BTreeMap<MemberId, Presence> {
        let as_seen = |(peer, view): (&usize, &Peer)| {
            let presence = view.presence(now);
            (crate::host::member(*peer), if self.leaving.contains(peer) { presence.leaving() } else { presence })
        };
        self.peers.iter().map(as_seen).collect()
    }

    pub(crate) fn map(&self) -> &StripeMap {
        &self.map
    }

    /// Whatever is done with it counts as a change.
    pub(crate) fn map_mut(&mut self) -> &mut StripeMap {
        self.version += 1;
        &mut self.map
    }

    /// Whether a shard has its place at a peer, in whatever state.
    pub(crate) fn knows(&self, peer: usize, shard: &ShardId) -> bool {
        let is_here = |(holder, index, _): (MemberId, usize, ShardState)| {
            holder == crate::host::member(peer) && index == usize::from(shard.as_bytes()[31])
        };
        let is_ballast = || self.ballast.get(&peer).is_some_and(|ids| ids.contains(shard));
        is_ballast() || self.pack_of(shard).is_some_and(|pack| self.map.places(&pack).any(is_here))
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

    /// How many shards its stripes have.
    pub(crate) fn width(&self) -> Option<usize> {
        self.group.as_ref().map(|group| group.redundancy.width())
    }

    pub(crate) fn others(&self) -> Vec<usize> {
        self.peers.keys().copied().collect()
    }

    /// Shards that the owner believes to be at a peer, the pack of each (none: ballast), and the length.
    fn held_at(&self, peer: usize) -> Vec<(ShardId, Option<PackId>, u32)> {
        let member = crate::host::member(peer);
        let held = self.map.of_member(&member);
        let held = held.filter(|(.., state)| *state == ShardState::Held).map(|(pack, index, _)| {
            let len = self.packs.iter().find(|one| one.id == pack).expect("known").shard_bytes;
            (self.shard_id(&pack, index), Some(pack), len)
        });
        held.chain(self.ballast.get(&peer).into_iter().flatten().map(|id| (*id, None, BALLAST_BYTES))).collect()
    }

    /// The same for the books: names and lengths, in order of names.
    pub(crate) fn believed(&self, peer: usize) -> BTreeMap<ShardId, u32> {
        self.held_at(peer).into_iter().map(|(id, _, len)| (id, len)).collect()
    }

    /// Everything that the owner believes to be at a peer, ready to be audited.
    pub(crate) fn audited(&mut self, peer: usize) -> &Audited {
        let version = self.version;
        if self.audited.get(&peer).is_none_or(|audited| audited.version != version) {
            let held = self.held_at(peer);
            let shards = held.iter().map(|(id, pack, _)| (*id, *pack)).collect();
            let lens = held.iter().map(|(.., len)| *len).collect();
            self.audited.insert(peer, Audited { version, shelf: Shelf::new(lens), shards });
        }
        &self.audited[&peer]
    }
}

/// Table 4.2 of the design: how stripes are cut for so many independent sites.
pub(crate) fn scheme(sites: usize) -> Option<Redundancy> {
    Scheme::for_peers(sites).and_then(|scheme| Redundancy::new(scheme.data(), scheme.parity()))
}
