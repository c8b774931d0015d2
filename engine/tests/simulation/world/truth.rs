//! What must hold, by what is truly there.

use datis_engine::life::peer::Standing;
use datis_engine::life::stripe::{Progress, ShardState, StripeState};

use super::World;
use crate::owner::{Owner, Pack};

impl World {
    /// What has to hold at any time; to be asked after each event. It is looked at again when anything has changed that it is
    /// about: what is truly on a disk, or what an owner has in its map.
    pub(super) fn look(&mut self) {
        let disks: u64 = self.hosts.iter().map(|host| host.changes).sum();
        let maps: u64 = self.owners.iter().map(|owner| owner.version).sum();
        if self.looked_at == disks + maps {
            return;
        }
        self.looked_at = disks + maps;
        for owner in &self.owners {
            for pack in &owner.packs {
                self.is_still_there(owner, pack);
                has_its_places(owner, pack);
            }
        }
    }

    /// Shards of a pack that are truly there, by index.
    pub(super) fn truly_there(&self, owner: &Owner, pack: &Pack) -> usize {
        let mut indices = 0_u64;
        for (holder, index, _) in owner.map().places(&pack.id) {
            let host = &self.hosts[usize::from(holder.as_bytes()[0])];
            if host.truly_has(owner.number, &owner.shard_id(&pack.id, index)) {
                indices |= 1 << index;
            }
        }
        indices.count_ones() as usize
    }

    /// What was called safe outside can be read outside, as long as no more boxes failed it than was promised.
    fn is_still_there(&self, owner: &Owner, pack: &Pack) {
        if !pack.safe {
            return;
        }
        let parity = pack.redundancy.parity();
        let failed = pack.destroyed.count_ones() as usize;
        let borne = if pack.fully { parity } else { parity.div_ceil(2) };
        let there = self.truly_there(owner, pack);
        assert!(
            failed > borne || there >= pack.redundancy.data(),
            "{there} of {:?} shards are left, though only {failed} boxes failed the pack",
            pack.redundancy
        );
    }

    /// Nothing is called safe outside before k and half of m are there, but for boxes that lie.
    pub(super) fn is_as_safe_as_said(&self, owner: usize, pack: usize, progress: Progress) {
        let owner = &self.owners[owner];
        let pack = &owner.packs[pack];
        let (data, parity) = (pack.redundancy.data(), pack.redundancy.parity());
        let needed = match progress {
            Progress::OffSiteSafe => data + parity.div_ceil(2),
            Progress::FullyProtected => data + parity,
            Progress::Known | Progress::Counted => return,
        };
        let (there, failed) = (self.truly_there(owner, pack), pack.destroyed.count_ones() as usize);
        assert!(there + failed >= needed, "{progress:?} was said of {there} shards of {:?}", pack.redundancy);
    }

    /// After days without trouble every belief is true, and everything that can be repaired is.
    pub(super) fn everybody_knows_the_truth(&mut self) {
        for number in 0..self.owners.len() {
            let now = self.hosts[number].now(self.t);
            let owner = &self.owners[number];
            for (peer, view) in &owner.peers {
                let is_there = self.hosts[*peer].is_up(self.t);
                assert!(
                    !is_there || view.standing() == Standing::Ok,
                    "peer {peer} is there and taken for {:?}: {view:?}",
                    view.standing()
                );
                assert!(is_there || !view.presence(now).counts, "peer {peer} is dead and still counts");
            }
            let presences = owner.presences(now);
            let view = owner.map().view(&presences);
            let stay = self.who_stays(owner);
            for pack in &owner.packs {
                for (holder, index, state) in owner.map().places(&pack.id) {
                    let host = &self.hosts[usize::from(holder.as_bytes()[0])];
                    let truly = host.truly_has(number, &owner.shard_id(&pack.id, index));
                    assert!(host.is_dead() || state != ShardState::Held || truly, "a lost shard is still believed in");
                }
                let there = self.truly_there(owner, pack);
                let can_be_made = pack.local || there >= pack.redundancy.data();
                if stay >= pack.redundancy.width() && can_be_made {
                    let state = owner.map().state(&pack.id, &view);
                    assert_eq!(state, Some(StripeState::FullyProtected), "{there} shards there, {stay} boxes stay");
                    assert_eq!(there, pack.redundancy.width(), "a pack is called fully protected, and is not");
                }
            }
        }
    }
}

/// No member has two shards of a pack, and no shard is one that the pack has not.
fn has_its_places(owner: &Owner, pack: &Pack) {
    let mut holders = 0_u64;
    for (holder, index, state) in owner.map().places(&pack.id) {
        let bit = 1 << holder.as_bytes()[0];
        assert!(state == ShardState::Lost || holders & bit == 0, "a member holds two shards of a pack");
        assert!(index < pack.redundancy.width(), "shard {index} of {:?}", pack.redundancy);
        holders |= bit;
    }
}
