//! Packs that have rotted on the box's own disk: they come from the other boxes too, as long as these have enough of them.

use std::time::{Duration, Instant};

use datis_engine::erasure::layout::PACK_LEN_MAX;
use datis_engine::ids::PackId;
use datis_engine::outside::stripes::StripeRef;
use datis_engine::store::ObjectName;

use super::back::{STEP_MAX, check_room};
use super::{Fetch, Memory};
use crate::catalog::dispersal::stripes;
use crate::catalog::{CatalogError, packs};
use crate::operations::dispersal::place_of;
use crate::operations::{OperationError, Site, verify_pack};

/// What a step has mended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mended {
    /// Packs that are sound again.
    pub(crate) packs: usize,
    /// Packs that could not be had from the others.
    pub(crate) left: usize,
    /// Packs for which there was no time.
    pub(crate) untried: usize,
}

/// Mends damaged packs for a while, and goes on with those that were not tried since all had been: those that cannot be had hold up no
/// others. A pack that is broken off is damaged still, and is tried again.
///
/// # Errors
/// [`OperationError`]. Packs that cannot be had are none.
pub(crate) fn mend(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Mended, OperationError> {
    mend_for(site, STEP_MAX, working)
}

/// The same for so long.
pub(crate) fn mend_for(
    site: &Site,
    patience: Duration,
    working: &dyn Fn(Option<String>),
) -> Result<Mended, OperationError> {
    let mut mended = Mended::default();
    let Some(fetch) = site.awaited.fetch.get() else { return Ok(mended) };
    let mut damaged: Vec<StripeRef> = site.catalog.reader().read(|tx| {
        let mut found = Vec::new();
        for stripe in stripes::damaged_here(tx)? {
            found.extend(place_of(&stripe, &stripes::places(tx, stripe.row)?));
        }
        Ok::<_, CatalogError>(found)
    })?;
    let asked = &site.awaited.mended;
    damaged.retain(|stripe| !asked.has(&stripe.pack));
    damaged.sort_by_key(|stripe| stripe.pack);
    let until = Instant::now() + patience;
    for (tried, stripe) in damaged.iter().enumerate() {
        site.check_running()?;
        // One is tried in each step, however slow it is.
        if tried > 0 && Instant::now() >= until {
            mended.untried = damaged.len() - tried;
            break;
        }
        asked.add(stripe.pack);
        if is_what_its_name_says(site, &stripe.pack) {
            // A stop came before it was said to be sound, or something else is wrong with it, which the others have as well.
            mended.packs += usize::from(is_sound(site, &stripe.pack)?);
            continue;
        }
        working(Some("getting damaged packs back from the other boxes".to_owned()));
        if replace(site, fetch.as_ref(), stripe)? {
            tracing::warn!(pack = %stripe.pack, "A damaged pack was replaced by what the other boxes keep of it");
            mended.packs += 1;
        } else {
            mended.left += 1;
        }
    }
    if mended.untried == 0 {
        asked.forget_all();
    }
    Ok(mended)
}

fn is_what_its_name_says(site: &Site, pack: &PackId) -> bool {
    let bytes = site.store.read_all(ObjectName::Pack(*pack), PACK_LEN_MAX);
    bytes.is_ok_and(|bytes| blake3::hash(&bytes).as_bytes() == pack.as_bytes())
}

/// Looks at all of the pack, and notes what it finds.
fn is_sound(site: &Site, pack: &PackId) -> Result<bool, OperationError> {
    for pack in site.catalog.reader().read(|tx| packs::all_by_id(tx, pack))? {
        match verify_pack(site, &pack) {
            Ok(_) => {}
            Err(OperationError::DamagedPack { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Whether the pack is here now. The damaged file goes only once the sound one is here to take its place.
fn replace(site: &Site, fetch: &dyn Fetch, stripe: &StripeRef) -> Result<bool, OperationError> {
    check_room(site, stripe.layout.pack_len() as u64)?;
    let mut memory = Memory::default();
    let bytes = match fetch.whole(stripe, &mut memory) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::info!(pack = %stripe.pack, reason = %error, "A damaged pack cannot be had from the other boxes now");
            return Ok(false);
        }
    };
    let mut staged = site.store.stage()?;
    staged.write_all(bytes)?;
    let name = ObjectName::Pack(stripe.pack);
    site.store.delete(name)?;
    site.store.put_new(name, staged)?;
    is_sound(site, &stripe.pack)
}
