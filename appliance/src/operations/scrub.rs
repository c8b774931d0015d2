//! Reading packs again and again, so that a disk that forgets is found out while there is still another copy somewhere.

use std::io::Read;

use datis_engine::ids::PackId;
use datis_engine::store::{ObjectName, StoreError};
use datis_engine::units::UnixMillis;

use super::OperationError;
use super::error::chain;
use super::opened::as_damage;
use super::pace::Pace;
use super::site::Site;
use super::verify::is_to_be_here;
use crate::catalog::packs::{self, Pack, PackState};

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// The pack that was not looked at for longest, if that was before `before`.
pub(crate) fn next_unscrubbed(site: &Site, before: UnixMillis) -> Result<Option<Pack>, OperationError> {
    Ok(site.catalog.reader().read(|tx| packs::next_unscrubbed(tx, before, &|pack| !site.awaited.has(pack)))?)
}

/// Checks that a pack's file is what its name says, and notes what comes out. What the disk cannot read counts as
/// damaged until a verification finds it sound again: meanwhile machines send it anew.
///
/// # Errors
/// [`OperationError::DamagedPack`]; [`OperationError`].
pub(crate) fn scrub_pack(site: &Site, pack: &Pack, pace: Pace) -> Result<(), OperationError> {
    if !is_to_be_here(site, pack)? {
        return Ok(());
    }
    let found = hash(site, &pack.id, pace);
    if found.is_err() && !is_to_be_here(site, pack)? {
        // Deleted or given up meanwhile.
        return Ok(());
    }
    if found? != pack.id {
        return Err(site.found_damaged(&pack.id, "its bytes are not those that its name stands for"));
    }
    let at = site.clock.now();
    let noted = site.catalog.writer().write(|tx| packs::mark_scrubbed(tx, pack.row, at));
    noted.map_err(|e| site.noted(e.into()))
}

fn hash(site: &Site, id: &PackId, pace: Pace) -> Result<PackId, OperationError> {
    let mut reader = match site.store.reader(ObjectName::Pack(*id)) {
        Ok(reader) => reader,
        Err(e @ StoreError::Absent { .. }) => {
            let rows = site.catalog.reader().read(|tx| packs::all_by_id(tx, id))?;
            let gone = rows.iter().all(|pack| pack.state == PackState::Outside);
            return Err(if gone { as_damage(id, e) } else { site.found_damaged(id, &chain(&e)) });
        }
        Err(e) => return Err(e.into()),
    };
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    loop {
        site.breathe(pace)?;
        let read = match reader.read(&mut piece) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let count = read.map_err(|e| site.found_damaged(id, &format!("the disk cannot read it: {e}")))?;
        if count == 0 {
            return Ok(PackId::from_bytes(*hasher.finalize().as_bytes()));
        }
        hasher.update(&piece[..count]);
    }
}
