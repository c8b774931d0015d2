//! Whether the other boxes have something so surely that this box may give up its own copy.

use std::collections::BTreeSet;

use datis_engine::ids::{MemberId, PackId};

use super::spreading::counting;
use super::{Circle, ShardState, heads};
use crate::catalog::CatalogError;
use crate::catalog::dispersal::{kept_outside, outside, stripes};
use crate::operations::{OperationError, Site};

/// The other boxes, as those that keep what is not here any more.
pub(in crate::operations) struct Keepers {
    /// Members whose shards count now.
    counting: BTreeSet<MemberId>,
}

impl Keepers {
    /// As they are now; `None`: nothing may be left to them alone, as long as not enough of them keep a head that says where
    /// everything is.
    ///
    /// # Errors
    /// [`OperationError`].
    pub(in crate::operations) fn of(site: &Site, circle: &Circle) -> Result<Option<Self>, OperationError> {
        let (last_part, last_head) = site
            .catalog
            .reader()
            .read(|tx| Ok::<_, CatalogError>((outside::last_part_at(tx)?, outside::last_head(tx)?)))?;
        let names_all = last_part.zip(last_head).is_some_and(|(part, head)| part <= head.made_at);
        if !names_all || !heads::is_last_kept(site, circle)? {
            return Ok(None);
        }
        Ok(Some(Self { counting: counting(site, circle)? }))
    }

    /// Whether every shard of a pack is durable with a member that counts now, and the map says so.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub(in crate::operations) fn have(
        &self,
        tx: &rusqlite::Transaction<'_>,
        pack: &PackId,
    ) -> Result<bool, CatalogError> {
        let Some(stripe) = kept_outside::full_stripe(tx, pack)? else { return Ok(false) };
        let places = stripes::places(tx, stripe.row)?;
        let is_there =
            |place: &&stripes::Place| place.state == ShardState::Durable && self.counting.contains(&place.member);
        let there: BTreeSet<u8> = places.iter().filter(is_there).map(|place| place.index).collect();
        Ok(there.len() == usize::from(stripe.layout.scheme().width()))
    }
}
