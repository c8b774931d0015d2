//! Blank boxes that have shown a member's recovery kit: they may read what is kept for it, on connections with their key.

use std::collections::HashMap;
use std::sync::Mutex;

use datis_engine::ids::MemberId;
use datis_engine::keys::{PublicKey, SigningContext};
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::peers::{ClaimOwner, Claimed, KITS_SHOWN_MAX, claim_message};

use super::super::Site;
use super::super::accounts::{Action, Actor, record};
use super::super::site::lock;
use super::CommunityError;
use crate::catalog::{CatalogError, community as catalog};

/// A claim is good for this long; the box claims again.
const VALID: Seconds = Seconds(3_600);
/// Claims of one member at a time: the oldest goes first, so that nobody shuts out another one.
const CLAIMS_MAX: usize = 4;

/// Who has shown which kit. Kept in memory: after a restart the box claims again.
#[derive(Debug, Default)]
pub(crate) struct KitClaims(Mutex<HashMap<PublicKey, (MemberId, UnixMillis)>>);

impl KitClaims {
    /// The member whose kit the box with this key has shown.
    pub(crate) fn member(&self, device: &PublicKey, now: UnixMillis) -> Option<MemberId> {
        lock(&self.0).get(device).filter(|(_, until)| now < *until).map(|(member, _)| *member)
    }

    fn add(&self, device: PublicKey, member: MemberId, now: UnixMillis) -> First {
        let mut claims = lock(&self.0);
        claims.retain(|_, (_, until)| now < *until);
        let mut own: Vec<(UnixMillis, PublicKey)> = claims
            .iter()
            .filter(|(key, (of, _))| *of == member && **key != device)
            .map(|(key, (_, until))| (*until, *key))
            .collect();
        own.sort_unstable();
        for (_, oldest) in own.iter().take((own.len() + 1).saturating_sub(CLAIMS_MAX)) {
            claims.remove(oldest);
        }
        let before = claims.insert(device, (member, now.plus(VALID)));
        let of_device = before.is_none_or(|(of, _)| of != member);
        First { of_device, of_member: of_device && own.is_empty() }
    }
}

/// Of what a claim is the first one for a while.
struct First {
    /// By this box for this member.
    of_device: bool,
    /// For this member.
    of_member: bool,
}

/// A blank box shows a recovery kit; it is given the community, and may read from now on.
///
/// # Errors
/// [`CommunityError::OtherKit`] for whoever has none.
pub(crate) fn claim(
    site: &Site,
    asked: &ClaimOwner,
    device: PublicKey,
    channel: &[u8; 32],
) -> Result<Claimed, CommunityError> {
    let known = site.in_community()?;
    let member = known.roster().member(asked.member).filter(|_| asked.community == known.log.community());
    let member = member.filter(|member| member.is_active()).ok_or(CommunityError::OtherKit)?;
    let message = claim_message(asked.community, asked.member, &device, channel);
    member.recovery.verify(SigningContext::Claim, &message, &asked.signature).map_err(|_| CommunityError::OtherKit)?;
    let now = site.clock.now();
    let first = site.kit_claims.add(device, member.id, now);
    if first.of_device {
        let (name, pin) = (member.name.to_string(), device.spki_pin().to_string());
        let written = site.catalog.writer().write(|tx| {
            // Of each box: whoever has stolen a kit is not to go unseen because the owner shows it too.
            catalog::note_kit_shown(tx, &member.id, &device.spki_pin(), now, KITS_SHOWN_MAX)?;
            // A line for each would fill the log.
            if first.of_member { record(tx, site, &Actor::the_box(), Action::KitClaimed, &name, &pin) } else { Ok(()) }
        });
        written.map_err(|e: CatalogError| site.noted(e.into()))?;
    }
    Ok(Claimed { log: known.log.encode().into(), records: super::addresses::known(site)? })
}
