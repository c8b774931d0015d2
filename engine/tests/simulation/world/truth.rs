//! What must hold, by what is truly there.

use datis_engine::life::peer::Standing;
use datis_engine::life::stripe::{ShardState, StripeState};

use super::World;
use crate::owner::{Owner, Pack};

impl World {
    /// Shards of a pack that are truly there, by index.
    fn truly_there(&self, owner: &Owner, pack: &Pack) -> usize {
        let mut indices = 0_u64;
        for (holder, index, _) in owner.map.places(&pack.id) {
            let host = &self.hosts[usize::from(holder.as_bytes()[0])];
            if host.truly_has(owner.number, &owner.shard_id(&pack.id, index)) {
                indices |= 1 << index;
            }
        }
        indices.count_ones() as usize
    }

    /// What was called safe outside can be read outside, as long as no more boxes failed it than was promised.
    pub(super) fn packs_are_still_there(&self) {
        for owner in &self.owners {
            let Some(group) = &owner.group else { continue };
            let redundancy = group.redundancy;
            for pack in owner.packs.iter().filter(|pack| pack.safe) {
                let failed = pack.destroyed.count_ones() as usize;
                let borne =
                    if pack.fully { redundancy.parity() } else { redundancy.off_site_safe() - redundancy.data() };
                let there = self.truly_there(owner, pack);
                assert!(
                    failed > borne || there >= redundancy.data(),
                    "{there} of {redundancy:?} shards are left, though only {failed} boxes failed the pack"
                );
            }
        }
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
            let Some(group) = &owner.group else { continue };
            let presences = owner.presences(now);
            let view = owner.map.view(&presences);
            let alive = owner.peers.keys().filter(|peer| !self.hosts[**peer].dead).count();
            for pack in &owner.packs {
                for (holder, index, state) in owner.map.places(&pack.id) {
                    let host = &self.hosts[usize::from(holder.as_bytes()[0])];
                    let truly = host.truly_has(number, &owner.shard_id(&pack.id, index));
                    assert!(host.dead || state != ShardState::Held || truly, "a lost shard is still believed in");
                }
                let there = self.truly_there(owner, pack);
                let can_be_made = pack.local || there >= group.redundancy.data();
                if alive >= group.redundancy.width() && can_be_made {
                    let state = owner.map.state(&pack.id, &view);
                    assert_eq!(state, Some(StripeState::FullyProtected), "{there} shards there, {alive} boxes alive");
                }
            }
        }
    }
}
