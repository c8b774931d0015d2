//! Snapshots that were kept outside only and are wanted here again: their packs come back, pack by pack.

use std::time::{Duration, Instant};

use datis_engine::ids::PackId;
use datis_engine::store::ObjectName;

use super::back::{STEP_MAX, check_room};
use super::shelf::{OutsidePlace, outside_place};
use super::{Fetch, Memory};
use crate::catalog::dispersal::kept_outside;
use crate::catalog::{CatalogError, SnapshotRow, packs};
use crate::operations::site::lock;
use crate::operations::{OperationError, Site};

/// What a step has brought home.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Home {
    /// Snapshots that are kept here again.
    pub(crate) snapshots: usize,
    /// Packs that are on the disk again.
    pub(crate) packs: usize,
    /// Packs that could not be had from the others now.
    pub(crate) left: usize,
    /// Packs for which there was no time.
    pub(crate) untried: usize,
}

/// Brings packs home for a while, and goes on with those that were not tried since all had been: those that cannot be had hold up no
/// others. A snapshot counts as kept here once all its packs are.
///
/// # Errors
/// [`OperationError`]. Packs that cannot be had are none.
pub(crate) fn bring_home(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Home, OperationError> {
    bring_home_for(site, STEP_MAX, working)
}

/// The same for so long.
pub(crate) fn bring_home_for(
    site: &Site,
    patience: Duration,
    working: &dyn Fn(Option<String>),
) -> Result<Home, OperationError> {
    let mut home = Home::default();
    let Some(fetch) = site.awaited.fetch.get() else { return Ok(home) };
    let until = Instant::now() + patience;
    let asked = &site.awaited.brought_home;
    let mut has_tried = false;
    for snapshot in site.catalog.reader().read(|tx| kept_outside::recalled(tx))? {
        for pack in site.catalog.reader().read(|tx| kept_outside::missing_here(tx, snapshot))? {
            site.check_running()?;
            if asked.has(&pack) {
                continue;
            }
            // One is tried in each step, however slow it is.
            if has_tried && Instant::now() >= until {
                home.untried += 1;
                continue;
            }
            working(Some("getting snapshots back that are wanted here again".to_owned()));
            has_tried = true;
            asked.add(pack);
            let counted = if bring(site, fetch.as_ref(), &pack)? { &mut home.packs } else { &mut home.left };
            *counted += 1;
        }
        home.snapshots += usize::from(settle(site, snapshot)?);
    }
    if home.untried == 0 {
        asked.forget_all();
    }
    Ok(home)
}

fn settle(site: &Site, snapshot: SnapshotRow) -> Result<bool, OperationError> {
    let settled = site.catalog.writer().write(|tx| kept_outside::come_home(tx, snapshot));
    settled.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Whether the pack is here now.
fn bring(site: &Site, fetch: &dyn Fetch, pack: &PackId) -> Result<bool, OperationError> {
    let OutsidePlace::At(stripe) = site.catalog.reader().read(|tx| outside_place(tx, pack))? else { return Ok(false) };
    check_room(site, stripe.layout.pack_len() as u64)?;
    let mut memory = Memory::default();
    let bytes = match fetch.whole(&stripe, &mut memory) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::info!(%pack, reason = %error, "A pack that is wanted here again cannot be had from the other boxes now");
            return Ok(false);
        }
    };
    let mut staged = site.store.stage()?;
    staged.write_all(bytes)?;
    {
        // Until the catalog says that it is here, the object could be taken for one that is to be deleted.
        let _gate = lock(&site.objects);
        site.store.put_new(ObjectName::Pack(*pack), staged)?;
        let noted = site.catalog.writer().write(|tx| packs::set_here(tx, pack));
        noted.map_err(|e: CatalogError| site.noted(e.into()))?;
    }
    site.awaited.forget_directory(pack)?;
    Ok(true)
}
