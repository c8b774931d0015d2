//! What a round has tried already, so that it tries nothing twice, and does not look at all of it again for each pack.

use std::collections::HashSet;

use datis_engine::ids::{MemberId, PackId, ShardId};

use super::{Place, Task};
use crate::catalog::StripeRow;

/// What was tried.
#[derive(Debug, Default)]
pub struct Tried {
    /// Packs that were nowhere yet.
    new: HashSet<PackId>,
    /// Which shards were to go to whom.
    shards: HashSet<(ShardId, MemberId)>,
    /// Stripes of which nothing else was wanted.
    done: HashSet<StripeRow>,
    /// How often lost shards had been ordered anew when `done` was right.
    orders: u64,
}

impl Tried {
    /// This is tried now.
    pub fn add(&mut self, task: &Task) {
        match task {
            Task::New { pack, .. } => {
                self.new.insert(*pack);
            }
            Task::Again { stripe, missing, .. } => {
                self.add_places(missing);
                self.done.insert(stripe.row);
            }
        }
    }

    /// These shards are tried now: their pack was placed.
    pub fn add_places(&mut self, places: &[Place]) {
        self.shards.extend(places.iter().map(|place| (place.shard, place.member)));
    }

    pub(super) fn has_new(&self, pack: &PackId) -> bool {
        self.new.contains(pack)
    }

    pub(super) fn has_place(&self, place: &Place) -> bool {
        self.shards.contains(&(place.shard, place.member))
    }

    /// Whether a stripe need not be looked at.
    pub(super) fn has_all_of(&self, stripe: StripeRow) -> bool {
        self.done.contains(&stripe)
    }

    /// All that is wanted of a stripe was tried.
    pub(super) fn note_done(&mut self, stripe: StripeRow) {
        self.done.insert(stripe);
    }

    /// More may be wanted of any stripe once something was ordered.
    pub(super) fn hear_of(&mut self, orders: u64) {
        if self.orders != orders {
            self.orders = orders;
            self.done.clear();
        }
    }
}
