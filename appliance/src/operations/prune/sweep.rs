//! How much of each pack is alive, and what follows from that.

use std::collections::{BTreeMap, HashMap, HashSet};

use datis_engine::ids::ChunkId;
use datis_engine::units::UnixMillis;

use super::super::OperationError;
use super::super::marks::{Marking, for_each_chunk};
use super::super::pace::Pace;
use super::super::site::Site;
use super::outside::Outside;
use crate::catalog::packs::{Pack, PackState};
use crate::catalog::runs::MachineSize;
use crate::catalog::{MachineRow, PackRow};

/// Finds the packs in which a chunk has to stay.
pub(super) struct Homes<'h> {
    /// The packs that are judged. Others, which came later, count as not there, so that none is relied on.
    pub(super) packs: &'h HashMap<PackRow, Pack>,
    pub(super) marking: &'h Marking<'h>,
}

impl Homes<'_> {
    /// Puts the packs into `homes` in which a chunk has to stay: one of each machine that sent it and refers to it, with a damaged
    /// one where the file of that is not here, and one that other machines may use, if any does.
    pub(super) fn find(&self, id: &ChunkId, places: impl Iterator<Item = PackRow> + Clone, homes: &mut Vec<PackRow>) {
        homes.clear();
        let Some(number) = self.marking.index.number(id) else { return };
        let packs = places.filter_map(|row| self.packs.get(&row));
        let mut foreign = false;
        for machine in self.marking.marked_by(number) {
            let all_own = packs.clone().filter(|pack| pack.machine == machine);
            let own = all_own.clone().max_by_key(|pack| worth(pack));
            homes.extend(own.map(|own| own.row));
            if own.is_some_and(|own| own.state == PackState::Outside) {
                // It is wanted here: a damaged one can be mended.
                let damaged = all_own.filter(|pack| pack.state == PackState::Damaged);
                homes.extend(damaged.max_by_key(|pack| worth(pack)).map(|damaged| damaged.row));
            }
            foreign |= own.is_none_or(|own| own.state != PackState::Stored);
        }
        let shared = |pack: &&Pack| pack.state == PackState::Stored && pack.verified_at.is_some();
        let provided = homes.iter().filter_map(|row| self.packs.get(row)).any(|pack| shared(&pack));
        if foreign
            && !provided
            && let Some(best) = packs.max_by_key(|pack| worth(pack))
            && !homes.contains(&best.row)
        {
            homes.push(best.row);
        }
    }
}

/// How good a place a pack is, in the order in which a restore reads: sound before condemned before one kept outside only, and all
/// of them before damaged; checked before unchecked, new before old (a new one may have been made to replace the old one).
fn worth(pack: &Pack) -> (u8, bool, PackRow) {
    let state = match pack.state {
        PackState::Stored => 3,
        PackState::Condemned => 2,
        PackState::Outside => 1,
        PackState::Damaged => 0,
    };
    (state, pack.verified_at.is_some(), pack.row)
}

/// How much of a pack is alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Plain bytes of all its chunks.
    plain_bytes: u64,
    /// Chunks that have to stay in it.
    live_chunks: u64,
    /// Their plain bytes.
    live_bytes: u64,
}

impl Usage {
    /// The part of `bytes` that nothing refers to.
    fn dead_part(&self, bytes: u64) -> u64 {
        let dead = u128::from(self.plain_bytes.saturating_sub(self.live_bytes));
        let part = u128::from(bytes) * dead / u128::from(self.plain_bytes.max(1));
        u64::try_from(part).unwrap_or(bytes)
    }
}

/// Plain bytes of a pack that the snapshots of one machine need.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    /// Those that no other machine needs.
    unique: u64,
    /// Those that others need as well; where they are in several packs, in one of them.
    shared: u64,
}

/// What was measured.
pub(super) struct Measured {
    pub(super) usages: HashMap<PackRow, Usage>,
    shares: HashMap<(PackRow, MachineRow), Share>,
}

impl Measured {
    /// What each machine's snapshots take on the disk: of each pack the part that they need.
    pub(super) fn sizes(
        &self,
        packs: &HashMap<PackRow, Pack>,
        weighed_at: UnixMillis,
    ) -> Vec<(MachineRow, MachineSize)> {
        let mut sizes: BTreeMap<MachineRow, MachineSize> = BTreeMap::new();
        for ((row, machine), share) in &self.shares {
            let (Some(pack), Some(usage)) = (packs.get(row), self.usages.get(row)) else { continue };
            let stored = |part: u64| {
                let bytes = u128::from(pack.bytes) * u128::from(part) / u128::from(usage.plain_bytes.max(1));
                u64::try_from(bytes).unwrap_or(pack.bytes)
            };
            let none = MachineSize { unique_bytes: 0, shared_bytes: 0, weighed_at };
            let size = sizes.entry(*machine).or_insert(none);
            size.unique_bytes += stored(share.unique);
            size.shared_bytes += stored(share.shared);
        }
        sizes.into_iter().collect()
    }
}

/// Measures all packs.
pub(super) fn measure(site: &Site, homes: &Homes<'_>, pace: Pace) -> Result<Measured, OperationError> {
    let mut usages: HashMap<PackRow, Usage> = homes.packs.keys().map(|row| (*row, Usage::default())).collect();
    let mut shares: HashMap<(PackRow, MachineRow), Share> = HashMap::new();
    let (mut found, mut users) = (Vec::new(), Vec::new());
    for_each_chunk(site, pace, &mut |id, places| {
        users.clear();
        users.extend(homes.marking.index.number(id).into_iter().flat_map(|number| homes.marking.marked_by(number)));
        if let [only] = users[..] {
            for (pack, len) in places {
                shares.entry((*pack, only)).or_default().unique += u64::from(*len);
            }
        } else if let Some((pack, len)) = places.first() {
            for user in &users {
                shares.entry((*pack, *user)).or_default().shared += u64::from(*len);
            }
        }
        homes.find(id, places.iter().map(|(pack, _)| *pack), &mut found);
        for (pack, len) in places {
            let Some(usage) = usages.get_mut(pack) else { continue };
            usage.plain_bytes += u64::from(*len);
            if found.contains(pack) {
                usage.live_chunks += 1;
                usage.live_bytes += u64::from(*len);
            }
        }
    })?;
    Ok(Measured { usages, shares })
}

/// What keeps packs that nothing refers to yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shelter {
    /// Packs that came after this time stay: a backup that died may go on with them.
    pub(super) received_after: UnixMillis,
}

/// What is to become of packs.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// Nothing refers to them any more.
    pub(super) condemn: Vec<Pack>,
    /// What is alive of them is to be copied; then nothing refers to them.
    pub(super) rewrite: Vec<Pack>,
    /// They were condemned, and are referred to again.
    pub(super) revive: Vec<Pack>,
    /// They were condemned, and still nothing refers to them.
    pub(super) waiting: Vec<Pack>,
    /// Damaged ones, and such without a file here, that nothing refers to; nobody can do so any more, so they need not wait.
    pub(super) useless: Vec<Pack>,
    /// Bytes that nothing will refer to.
    pub(super) doomed_bytes: u64,
    /// Bytes of all packs that are not condemned yet.
    pub(super) stored_bytes: u64,
    /// What each machine's snapshots take.
    pub(super) sizes: Vec<(MachineRow, MachineSize)>,
}

/// What keeps packs besides the snapshots that were followed.
pub(super) struct JudgeFacts<'f> {
    /// Of these machines nothing may go.
    pub(super) held_back: &'f dyn Fn(MachineRow) -> bool,
    /// What is kept outside only rests on packs as they are: they are not rewritten, and give up their files at most.
    pub(super) outside: &'f Outside,
    /// What nothing refers to yet.
    pub(super) shelter: Shelter,
}

/// Decides about all packs.
pub(super) fn decide(
    packs: &HashMap<PackRow, Pack>,
    usages: &HashMap<PackRow, Usage>,
    facts: &JudgeFacts<'_>,
) -> Decisions {
    let mut decisions = Decisions::default();
    let mut in_order: Vec<&Pack> = packs.values().collect();
    in_order.sort_by_key(|pack| pack.row);
    for pack in in_order {
        if pack.state != PackState::Condemned {
            decisions.stored_bytes += pack.bytes;
        }
        let usage = usages.get(&pack.row).copied().unwrap_or_default();
        if (facts.held_back)(pack.machine) {
            continue;
        }
        let dead = usage.live_chunks == 0 && !facts.outside.recalls(pack.row);
        let is_needed_outside = facts.outside.needs(pack.row);
        let sheltered = pack.received_at > facts.shelter.received_after;
        match pack.state {
            PackState::Condemned if dead => decisions.waiting.push(pack.clone()),
            PackState::Condemned => decisions.revive.push(pack.clone()),
            // Without chunks nothing is known of it: a rebuild could not read its directory.
            PackState::Damaged if dead && pack.chunks > 0 && !is_needed_outside => {
                decisions.doomed_bytes += pack.bytes;
                decisions.useless.push(pack.clone());
            }
            PackState::Outside if dead && !is_needed_outside => {
                decisions.doomed_bytes += pack.bytes;
                decisions.useless.push(pack.clone());
            }
            PackState::Stored if dead && !sheltered => {
                decisions.doomed_bytes += pack.bytes;
                decisions.condemn.push(pack.clone());
            }
            PackState::Stored
                if is_mostly_dead(&usage) && !sheltered && !is_needed_outside && pack.verified_at.is_some() =>
            {
                decisions.doomed_bytes += usage.dead_part(pack.bytes);
                decisions.rewrite.push(pack.clone());
            }
            PackState::Stored | PackState::Damaged | PackState::Outside => {}
        }
    }
    decisions
}

/// Less than half of it is alive.
fn is_mostly_dead(usage: &Usage) -> bool {
    usage.live_chunks > 0 && usage.live_bytes.saturating_mul(2) < usage.plain_bytes
}

/// The packs out of `packs` that hold none of `chunks`.
pub(super) fn without(packs: Vec<Pack>, holders: &HashSet<PackRow>) -> Vec<Pack> {
    packs.into_iter().filter(|pack| !holders.contains(&pack.row)).collect()
}
