//! Owner and host compare their books each day: by hash, and where that differs by list. A list is a word and no proof.

use std::collections::{BTreeMap, BTreeSet};

use datis_engine::ids::ShardId;
use datis_engine::life::audit::{Finding, Range};
use datis_engine::life::hosting::{Condemned, Fate, HeldShard, Lease, list_hash};
use datis_engine::life::peer;
use datis_engine::units::Seconds;

use super::{Event, World};
use crate::host::{DAY, Disk};

/// What a host has and the owner does not know may be on its way into the owner's books for so long.
const UNKNOWN_AFTER: Seconds = Seconds(48 * 3_600);

impl World {
    pub(super) fn books(&mut self, owner: usize) {
        self.after(DAY, Event::Books(owner));
        if !self.hosts[owner].is_up(self.t) || self.owners[owner].taken_over {
            return;
        }
        for peer in self.owners[owner].others() {
            if self.reach(owner, peer) && self.hosts[peer].disk != Disk::Unmounted {
                self.compare(owner, peer);
            }
        }
    }

    fn compare(&mut self, owner: usize, peer: usize) {
        let believed: BTreeMap<ShardId, u32> = self.owners[owner].believed(peer);
        let hash = list_hash(believed.iter().map(|(id, len)| (*id, *len)));
        if self.hosts[peer].renew_lease(self.t, owner, hash) == Lease::Agreed {
            return;
        }
        let listed = self.hosts[peer].list(owner);
        let names: BTreeSet<ShardId> = listed.iter().map(|(id, _)| *id).collect();
        let missing = believed.keys().copied().filter(|id| !names.contains(id)).collect();
        self.confirm(owner, peer, &missing);
        let is_wrong = |(id, held): &&(ShardId, HeldShard)| held.fate != Fate::Kept && believed.contains_key(id);
        let condemned: Vec<ShardId> = listed.iter().filter(is_wrong).map(|(id, _)| *id).collect();
        self.hosts[peer].spare(owner, &condemned);
        self.condemn_unknown(owner, peer, &listed);
    }

    /// What a list leaves out is asked for, and only the answer counts.
    fn confirm(&mut self, owner: usize, peer: usize, missing: &BTreeSet<ShardId>) {
        if missing.is_empty() {
            return;
        }
        #[cfg(feature = "plant")]
        if crate::planted::is_planted("list-is-proof") {
            for id in missing {
                let pack = self.owners[owner].pack_of(id);
                self.proven_lost(owner, peer, *id, pack, datis_engine::life::audit::Answer::NotFound);
            }
            return;
        }
        let seed = self.rng.next().to_le_bytes();
        let audited = self.owners[owner].audited(peer);
        let is_missing = |range: &Range| missing.contains(&audited.shards[range.shard].0);
        let ranges: Vec<Range> = audited.shelf.draw_each(&seed).into_iter().filter(is_missing).collect();
        let round = self.ask(owner, peer, &ranges);
        self.seen.contradicted += u64::from(round.good);
        self.step(owner, peer, peer::Event::Round(round));
    }

    /// What has been there for long and has no place in the map is condemned, as far as the brake lets it.
    fn condemn_unknown(&mut self, owner: usize, peer: usize, listed: &[(ShardId, HeldShard)]) {
        let before = self.hosts[owner].now(self.t).minus(UNKNOWN_AFTER);
        let one = &self.owners[owner];
        let is_unknown = |(id, held): &&(ShardId, HeldShard)| {
            held.fate == Fate::Kept && held.received_at < before && !one.knows(peer, id)
        };
        let mut unknown: Vec<ShardId> = listed.iter().filter(is_unknown).map(|(id, _)| *id).collect();
        unknown.truncate(self.hosts[peer].fitting(self.t, owner, &unknown));
        if unknown.is_empty() {
            return;
        }
        match self.hosts[peer].condemn(self.t, owner, &unknown) {
            Some(Condemned::Taken { shards, .. }) => self.seen.unknown += shards as u64,
            None | Some(Condemned::Frozen { .. }) => {}
            Some(Condemned::BrakePulled { .. }) => panic!("an honest owner pulled the brake"),
        }
    }

    /// What an answer means; nothing may be taken for there that is not, or the other way round.
    pub(super) fn is_true(&self, owner: usize, peer: usize, id: &ShardId, finding: Finding) {
        let host = &self.hosts[peer];
        match finding {
            Finding::Good => {
                assert!(host.truly_has(owner, id), "{:?}: what is not there was taken for there", host.lie);
            }
            Finding::Loss => {
                let is_fair = !host.truly_has(owner, id) || host.denies();
                assert!(is_fair, "{:?}: what is there was taken for lost", host.lie);
            }
            Finding::Absence => {}
        }
    }
}
