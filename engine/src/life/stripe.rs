//! The stripe map: which member holds which shard of which pack, and what that makes of the pack.
//!
//! | state | when |
//! |---|---|
//! | unplaced | no member was chosen yet |
//! | spreading | fewer than k + ⌈m/2⌉ shards are durable, and never were more |
//! | off-site safe | at least k + ⌈m/2⌉ are healthy |
//! | fully protected | all k + m are healthy |
//! | degraded | it was off-site safe, and is not any more |
//! | unreadable | its local copy is gone, and fewer than k shards can ever come back |
//!
//! *Durable* is what a member signed for; *healthy* is durable at a member whose shards count ([`Presence::counts`]). A
//! shard index counts once, however many members hold it. Source: mutual-backup 4.3, 4.4, 4.6.
//!
//! The map is made for tens of thousands of packs: 4 bytes a shard. Shard ids are not in it; the catalog has them.

use std::collections::BTreeMap;

use super::Redundancy;
use super::peer::{Presence, Standing};
use super::placement::Group;
use crate::ids::{MemberId, PackId};
use crate::units::Seconds;

/// What a pack is outside, told by its shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeState {
    /// No member was chosen yet.
    Unplaced,
    /// On its way, and never off-site safe before.
    Spreading {
        /// Shards that are healthy.
        healthy: usize,
    },
    /// It survives the loss of the box and of half of the parity.
    OffSiteSafe {
        /// Shards that are healthy.
        healthy: usize,
    },
    /// Every shard is healthy.
    FullyProtected,
    /// It was off-site safe, and has to be repaired.
    Degraded {
        /// Shards that are healthy.
        healthy: usize,
    },
    /// Nobody has it any more.
    Unreadable,
}

/// A shard's state at one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardState {
    /// Chosen, and not signed for yet.
    Sending,
    /// The member signed that it is durable.
    Held,
    /// Proven not to be there.
    Lost,
}

/// What a receipt changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was known.
    Known,
    /// One more.
    Counted,
    /// With it the pack is off-site safe, for the first time: this may be said to people now.
    OffSiteSafe,
    /// With it every shard is durable.
    FullyProtected,
}

/// Why a verb on a stripe was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// No such pack in the map.
    #[error("pack {0} is not in the stripe map")]
    Unknown(PackId),
    /// It has its members already.
    #[error("pack {0} was placed before")]
    Placed(PackId),
    /// The member was never chosen for this shard.
    #[error("shard {index} of pack {pack} was never meant for member {member}")]
    NotMeant {
        /// The pack.
        pack: PackId,
        /// The shard.
        index: usize,
        /// Who it came from.
        member: MemberId,
    },
    /// One shard of a pack for each member, and no more.
    #[error("member {member} holds a shard of pack {pack} already")]
    Occupied {
        /// The pack.
        pack: PackId,
        /// The member.
        member: MemberId,
    },
    /// The local copy may go only while the pack is safe outside.
    #[error("pack {pack} has {healthy} healthy shards outside, {needed} are needed before its local copy may go")]
    NotSafe {
        /// The pack.
        pack: PackId,
        /// Shards that are healthy now.
        healthy: usize,
        /// k + ⌈m/2⌉.
        needed: usize,
    },
}

/// 4 bytes, of which a large box has a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Position in [`StripeMap::members`].
    pub(super) member: u16,
    pub(super) index: u8,
    pub(super) state: ShardState,
}

#[derive(Debug, Clone)]
pub(super) struct Stripe {
    pub(super) redundancy: Redundancy,
    /// Whether the box has the pack itself.
    pub(super) local: bool,
    /// Whether it has ever been off-site safe.
    acknowledged: bool,
    pub(super) places: Vec<Place>,
}

impl Stripe {
    /// How many indices have a place that `fits`.
    pub(super) fn distinct(&self, fits: impl Fn(&Place) -> bool) -> usize {
        self.covered(fits).count_ones() as usize
    }

    /// The indices that have a place that `fits`, a bit each.
    pub(super) fn covered(&self, fits: impl Fn(&Place) -> bool) -> u64 {
        self.places.iter().filter(|place| fits(place)).fold(0, |bits, place| bits | 1 << place.index)
    }

    fn healthy(&self, view: &View) -> usize {
        self.distinct(|place| place.state == ShardState::Held && view.of(place).counts)
    }

    /// Whether neither the box nor the members can ever give it back.
    pub(super) fn is_unreadable(&self, view: &View) -> bool {
        let hoped_for = self.distinct(|place| place.state == ShardState::Held && !view.of(place).is_dead());
        !self.local && hoped_for < self.redundancy.data()
    }
}

/// All peers as they are believed to be, ready to be asked for by their number in the map.
pub struct View(Vec<Presence>);

impl View {
    /// Who came into the map after the view was made counts as a stranger.
    pub(super) fn of(&self, place: &Place) -> Presence {
        self.0.get(usize::from(place.member)).copied().unwrap_or(STRANGER)
    }
}

/// Who is not in the roster any more.
const STRANGER: Presence = Presence { standing: Standing::Expelled, counts: false, silent: Seconds(u64::MAX) };

/// Every pack of an owner that is, or is to be, outside.
#[derive(Debug, Clone, Default)]
pub struct StripeMap {
    /// Every member that ever had a shard; their positions are what stripes hold.
    pub(super) members: Vec<MemberId>,
    pub(super) stripes: BTreeMap<PackId, Stripe>,
}

impl StripeMap {
    /// A map without packs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Readies what is known of peers for the questions below. Whoever is not in `presences` counts as expelled.
    #[must_use]
    pub fn view(&self, presences: &BTreeMap<MemberId, Presence>) -> View {
        #[cfg(feature = "plant")]
        if crate::plant::planted("put-out-counts") {
            let here = Presence { standing: Standing::Ok, counts: true, silent: Seconds(0) };
            return View(self.members.iter().map(|member| presences.get(member).copied().unwrap_or(here)).collect());
        }
        View(self.members.iter().map(|member| presences.get(member).copied().unwrap_or(STRANGER)).collect())
    }

    /// Takes in a pack that the box has, and chooses who gets its shards. To be saved before anything is sent.
    ///
    /// # Errors
    /// [`StripeError::Placed`].
    pub fn place(&mut self, pack: PackId, group: &Group) -> Result<(), StripeError> {
        if self.stripes.contains_key(&pack) {
            return Err(StripeError::Placed(pack));
        }
        let width = group.redundancy.width();
        let mut places = Vec::with_capacity(width);
        for index in 0..width {
            let member = self.number_of(group.member_for(&pack, index));
            places.push(Place { member, index: narrow(index), state: ShardState::Sending });
        }
        let redundancy = group.redundancy;
        self.stripes.insert(pack, Stripe { redundancy, local: true, acknowledged: false, places });
        Ok(())
    }

    /// Takes in a shard that a member's inventory names, when the map is rebuilt. The pack counts as only outside until
    /// [`Self::set_local`] says otherwise.
    ///
    /// # Errors
    /// [`StripeError::Occupied`] when the member holds another shard of the pack, [`StripeError::NotMeant`] when the pack
    /// has no such index or is cut in another way.
    pub fn adopt(
        &mut self,
        pack: PackId,
        redundancy: Redundancy,
        index: usize,
        member: MemberId,
    ) -> Result<(), StripeError> {
        let number = self.number_of(member);
        let stripe = self.stripes.entry(pack).or_insert_with(|| Stripe {
            redundancy,
            local: false,
            acknowledged: true,
            places: Vec::new(),
        });
        if stripe.redundancy != redundancy || index >= redundancy.width() {
            return Err(StripeError::NotMeant { pack, index, member });
        }
        match stripe.places.iter_mut().find(|place| place.member == number) {
            Some(place) if usize::from(place.index) == index => place.state = ShardState::Held,
            Some(_) => return Err(StripeError::Occupied { pack, member }),
            None => stripe.places.push(Place { member: number, index: narrow(index), state: ShardState::Held }),
        }
        Ok(())
    }

    /// A member signed that it holds a shard.
    ///
    /// # Errors
    /// [`StripeError::Unknown`], [`StripeError::NotMeant`].
    pub fn receipt(&mut self, pack: PackId, index: usize, member: MemberId) -> Result<Progress, StripeError> {
        let number = self.known(&member);
        let stripe = self.stripes.get_mut(&pack).ok_or(StripeError::Unknown(pack))?;
        let meant = |place: &&mut Place| Some(place.member) == number && usize::from(place.index) == index;
        let place = stripe.places.iter_mut().find(meant).ok_or(StripeError::NotMeant { pack, index, member })?;
        if place.state == ShardState::Held {
            return Ok(Progress::Known);
        }
        place.state = ShardState::Held;
        let durable = stripe.distinct(|place| place.state == ShardState::Held);
        let needed = stripe.redundancy.off_site_safe();
        #[cfg(feature = "plant")]
        let needed = if crate::plant::planted("safe-at-k") { stripe.redundancy.data() } else { needed };
        let first_time = !stripe.acknowledged && durable >= needed;
        stripe.acknowledged |= first_time;
        Ok(match (durable == stripe.redundancy.width(), first_time) {
            (true, _) => Progress::FullyProtected,
            (false, true) => Progress::OffSiteSafe,
            (false, false) => Progress::Counted,
        })
    }

    /// A shard is proven lost at a member. Returns whether that is news.
    pub fn lost(&mut self, pack: &PackId, member: &MemberId) -> bool {
        let number = self.known(member);
        let places = self.stripes.get_mut(pack).map(|stripe| stripe.places.iter_mut());
        let place = places.and_then(|mut places| places.find(|place| Some(place.member) == number));
        match place {
            Some(place) if place.state == ShardState::Held => {
                place.state = ShardState::Lost;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Begins to send a shard to one more member, or again to one that lost it.
    ///
    /// # Errors
    /// [`StripeError::Unknown`], [`StripeError::Occupied`].
    pub fn begin(&mut self, pack: PackId, index: usize, member: MemberId) -> Result<(), StripeError> {
        let number = self.number_of(member);
        let stripe = self.stripes.get_mut(&pack).ok_or(StripeError::Unknown(pack))?;
        let place = Place { member: number, index: narrow(index), state: ShardState::Sending };
        match stripe.places.iter_mut().find(|place| place.member == number) {
            Some(old) if old.state == ShardState::Lost || *old == place => *old = place,
            Some(_) => return Err(StripeError::Occupied { pack, member }),
            None => stripe.places.push(place),
        }
        Ok(())
    }

    /// Takes back a shard that a member will not take (it is over quota, full or read-only), so that the next plan finds
    /// another. Whoever plans leaves the member out of the targets for a while. Returns whether there was one on its way.
    pub fn withdraw(&mut self, pack: &PackId, member: &MemberId) -> bool {
        let number = self.known(member);
        let Some(stripe) = self.stripes.get_mut(pack) else { return false };
        let before = stripe.places.len();
        stripe.places.retain(|place| Some(place.member) != number || place.state != ShardState::Sending);
        stripe.places.len() < before
    }

    /// Says whether the box has the pack itself.
    ///
    /// # Errors
    /// [`StripeError::Unknown`].
    pub fn set_local(&mut self, pack: PackId, local: bool) -> Result<(), StripeError> {
        self.stripes.get_mut(&pack).ok_or(StripeError::Unknown(pack))?.local = local;
        Ok(())
    }

    /// Lets the local copy of a pack go, since it is safe outside; from then on it is repaired from peers.
    ///
    /// # Errors
    /// [`StripeError::Unknown`], [`StripeError::NotSafe`].
    pub fn forget_local(&mut self, pack: PackId, view: &View) -> Result<(), StripeError> {
        let stripe = self.stripes.get_mut(&pack).ok_or(StripeError::Unknown(pack))?;
        let (healthy, needed) = (stripe.healthy(view), stripe.redundancy.off_site_safe());
        if healthy < needed {
            return Err(StripeError::NotSafe { pack, healthy, needed });
        }
        stripe.local = false;
        Ok(())
    }

    /// What a pack is outside; `None` when the map does not have it.
    #[must_use]
    pub fn state(&self, pack: &PackId, view: &View) -> Option<StripeState> {
        let stripe = self.stripes.get(pack)?;
        let healthy = stripe.healthy(view);
        Some(if stripe.places.is_empty() {
            StripeState::Unplaced
        } else if stripe.is_unreadable(view) {
            StripeState::Unreadable
        } else if healthy == stripe.redundancy.width() {
            StripeState::FullyProtected
        } else if !stripe.acknowledged {
            StripeState::Spreading { healthy }
        } else if healthy >= stripe.redundancy.off_site_safe() {
            StripeState::OffSiteSafe { healthy }
        } else {
            StripeState::Degraded { healthy }
        })
    }

    /// Packs that nobody has any more, in order: what people have to be told by name.
    #[must_use]
    pub fn unreadable(&self, view: &View) -> Vec<PackId> {
        let lost = self.stripes.iter().filter(|(_, stripe)| stripe.is_unreadable(view));
        lost.map(|(pack, _)| *pack).collect()
    }

    /// Packs that cannot be read at this moment, though they may come back when more peers answer.
    #[must_use]
    pub fn blocked(&self, view: &View) -> Vec<PackId> {
        let answers = |place: &Place| place.state == ShardState::Held && view.of(place).answers();
        let is_blocked = |stripe: &Stripe| !stripe.local && stripe.distinct(answers) < stripe.redundancy.data();
        let blocked = self.stripes.iter().filter(|(_, stripe)| is_blocked(stripe) && !stripe.is_unreadable(view));
        blocked.map(|(pack, _)| *pack).collect()
    }

    /// Who has which shard of a pack, as far as is known.
    pub fn places(&self, pack: &PackId) -> impl Iterator<Item = (MemberId, usize, ShardState)> {
        let places = self.stripes.get(pack).map_or(&[][..], |stripe| &stripe.places);
        places.iter().map(|place| (self.members[usize::from(place.member)], usize::from(place.index), place.state))
    }

    /// What one member has, or is to get, in order of packs.
    pub fn of_member(&self, member: &MemberId) -> impl Iterator<Item = (PackId, usize, ShardState)> {
        let number = self.known(member);
        self.stripes.iter().filter_map(move |(pack, stripe)| {
            let place = stripe.places.iter().find(|place| Some(place.member) == number)?;
            Some((*pack, usize::from(place.index), place.state))
        })
    }

    /// Shards that more than one healthy member holds, but for one of each: what may be condemned when space is short.
    #[must_use]
    pub fn extras(&self, pack: &PackId, view: &View) -> Vec<(MemberId, usize)> {
        let Some(stripe) = self.stripes.get(pack) else { return Vec::new() };
        let mut seen = 0_u64;
        let healthy = stripe.places.iter().filter(|place| place.state == ShardState::Held && view.of(place).answers());
        let extra = healthy.filter(|place| {
            let is_extra = seen & 1 << place.index != 0;
            seen |= 1 << place.index;
            is_extra
        });
        extra.map(|place| (self.members[usize::from(place.member)], usize::from(place.index))).collect()
    }

    /// Forgets what one member has of a pack, after it was told to condemn it.
    pub fn release(&mut self, pack: &PackId, member: &MemberId) {
        let number = self.known(member);
        if let Some(stripe) = self.stripes.get_mut(pack) {
            stripe.places.retain(|place| Some(place.member) != number);
        }
    }

    /// Packs in the map, in order.
    pub fn packs(&self) -> impl Iterator<Item = &PackId> {
        self.stripes.keys()
    }

    /// Bytes of memory that the map takes, without what the allocator adds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let places = self.stripes.values().map(|stripe| stripe.places.capacity() * size_of::<Place>()).sum::<usize>();
        // Nodes of a B-tree are at least half full.
        2 * self.stripes.len() * (size_of::<PackId>() + size_of::<Stripe>()) + places
    }

    pub(super) fn known(&self, member: &MemberId) -> Option<u16> {
        self.members.iter().position(|known| known == member).and_then(|at| u16::try_from(at).ok())
    }

    /// There are never more members in the life of a community than fit into 16 bits; beyond, they share the last number.
    fn number_of(&mut self, member: MemberId) -> u16 {
        self.known(&member).unwrap_or_else(|| {
            self.members.push(member);
            u16::try_from(self.members.len() - 1).unwrap_or(u16::MAX)
        })
    }
}

/// An index of a stripe, which is at most [`Redundancy::WIDTH_MAX`] wide.
fn narrow(index: usize) -> u8 {
    u8::try_from(index).unwrap_or(u8::MAX).min(63)
}
