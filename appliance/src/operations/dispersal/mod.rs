//! The vault's packs at other boxes: who is to hold them, what is still to be sent, what is there.
//!
//! Nothing here talks to anybody: workers read what should be ([`next_to_spread`], [`next_map_part`], [`next_head`],
//! [`condemned_for`]), do it, and say what came of it ([`note_receipts`], [`note_lost`], [`note_head_kept`]). A shard is written
//! down before it is sent, and counts once its member's signed receipt is here. Decision 0030.

mod adopted;
mod books;
mod group;
mod heads;
mod keepers;
mod map;
mod orders;
mod repair;
mod spreading;
mod standing;
mod status;
mod tried;

pub use adopted::{TakeOverError, take_over_map};
pub use books::{
    Difference, StatementRefusal, condemnable, differences, leases_due, note_leased, note_statement, statement_for,
};
pub(in crate::operations) use group::forget_holders;
pub use group::{choose_group, forget_leavers, place_wide_again, release_leavers};
pub use heads::{
    AdoptHeadError, HeadSettled, adopt_head, head_for, hear_heads, next_head, note_head_kept, settle_head,
};
pub(in crate::operations) use keepers::Keepers;
pub use map::{is_map_due, next_map_part, place_of};
pub(in crate::operations) use orders::Orders;
pub use orders::on_orders;
pub use repair::order_repairs;
pub use spreading::{
    ReceiptRefusal, Received, Task, condemned_for, encode, encode_some, next_to_spread, note_condemned, note_full,
    note_lost, note_receipts, note_refused, packs_gone, place, read_source,
};
pub use standing::{
    Shelves, check_so_far, expected_digest, is_sound_here, note_check_so_far, note_peer, presences, shelf_of,
};
pub use status::{DispersalStatus, MachineDispersal, dispersal_status};
pub use tried::Tried;

pub use crate::catalog::dispersal::holders::SoFar;
pub use crate::catalog::dispersal::stripes::{HeldShard, Place, ShardState, Stripe as PlacedStripe, StripeKind};

use datis_engine::community::dial::{AllowPrivate, Dial};
use datis_engine::community::roster::{Member, Rights};
use datis_engine::ids::{CommunityId, MemberId};
use datis_engine::keys::PublicKey;
use datis_engine::life::placement::{AddressBlock, Candidate, Domains};

use super::community::{self, CommunityError};
use super::{OperationError, Site};

/// What a member is taken to have room for until it says that it has none.
const ROOM_BYTES: u64 = 1 << 50;

/// Who may hold shards, as the community says at present.
#[derive(Debug, Clone)]
pub struct Circle {
    /// Which community.
    pub community: CommunityId,
    /// The box's own member.
    pub me: MemberId,
    /// The active members besides.
    pub fellows: Vec<Fellow>,
}

/// Another member.
#[derive(Debug, Clone)]
pub struct Fellow {
    /// Who it is.
    pub member: MemberId,
    /// What its receipts are signed with.
    pub device: PublicKey,
    /// What it shares with others.
    pub domains: Domains,
    /// Whether it has said that it goes: it is still read from, and what it holds is made again elsewhere.
    pub leaves: bool,
    /// What may still be stored there, in bytes.
    pub room_bytes: u64,
}

impl Circle {
    /// As the community says now; `None`: the box is in none, or may not write there yet.
    ///
    /// Members that leave get nothing new.
    ///
    /// # Errors
    /// [`OperationError`].
    pub fn of(site: &Site) -> Result<Option<Self>, OperationError> {
        let Some(known) = site.community() else { return Ok(None) };
        let now = site.clock.now();
        if known.rights_of(known.me, now) != Rights::All {
            return Ok(None);
        }
        let mut fellows = Vec::new();
        for member in known.others() {
            let stays = match known.rights_of(member.id, now) {
                Rights::All | Rights::ReadOnly { .. } => true,
                Rights::Leaving { .. } => false,
                Rights::None => continue,
            };
            let domains = domains_of(site, member)?;
            let room_bytes = if stays { ROOM_BYTES } else { 0 };
            fellows.push(Fellow { member: member.id, device: member.device, domains, leaves: !stays, room_bytes });
        }
        Ok(Some(Self { community: known.log.community(), me: known.me, fellows }))
    }

    /// One of the others.
    #[must_use]
    pub fn fellow(&self, member: &MemberId) -> Option<&Fellow> {
        self.fellows.iter().find(|fellow| fellow.member == *member)
    }

    /// All of them, with room where `takes` says so and the member stays.
    fn candidates(&self, takes: impl Fn(&MemberId) -> bool) -> Vec<Candidate> {
        let candidate = |fellow: &Fellow| Candidate {
            member: fellow.member,
            domains: fellow.domains.clone(),
            room_bytes: if takes(&fellow.member) { fellow.room_bytes } else { 0 },
        };
        self.fellows.iter().map(candidate).collect()
    }
}

/// What a member says that it shares with others, and the blocks of its public addresses.
fn domains_of(site: &Site, member: &Member) -> Result<Domains, OperationError> {
    let places = match community::places_of(site, member.id) {
        Ok(places) => places,
        Err(CommunityError::Operation(error)) => return Err(error),
        Err(_) => Vec::new(),
    };
    let block = |place: &datis_engine::community::address::Address| match place.dial(AllowPrivate::No) {
        Ok(Dial::Connect(address)) => Some(match address.ip() {
            std::net::IpAddr::V4(ip) => AddressBlock::of_v4(ip.octets()),
            std::net::IpAddr::V6(ip) => AddressBlock::of_v6(ip.octets()),
        }),
        Ok(Dial::Resolve { .. }) | Err(_) => None,
    };
    let label = |label: &Option<_>| label.as_ref().map(ToString::to_string);
    let known = &member.domains;
    Ok(Domains {
        customer: label(&known.customer),
        site: label(&known.site),
        blocks: places.iter().filter_map(block).collect(),
        reseller: label(&known.reseller),
        ring: label(&known.update_ring),
    })
}
