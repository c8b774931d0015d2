//! The snapshots of one source: the points of its timeline.

use datis_engine::ids::{MachineId, SourceName};
use datis_engine::units::UnixMillis;

use super::scope::{BrowseError, Scope, machine};
use crate::catalog::history::{self, Moment};
use crate::operations::Site;

/// All snapshots of a source, newest first.
///
/// # Errors
/// [`BrowseError::NotFound`], also when the source has no snapshot; [`BrowseError`].
pub fn timeline(site: &Site, scope: &Scope, of: &MachineId, source: &SourceName) -> Result<Vec<Moment>, BrowseError> {
    let row = machine(site, scope, of)?;
    let all = site.catalog.reader().read(|tx| history::timeline(tx, row, source))?;
    if all.is_empty() { Err(BrowseError::NotFound) } else { Ok(all) }
}

/// The sources of a machine that have snapshots, by their names, and when the newest of each came.
///
/// # Errors
/// [`BrowseError::NotFound`]; [`BrowseError`].
pub fn sources(site: &Site, scope: &Scope, of: &MachineId) -> Result<Vec<(SourceName, UnixMillis)>, BrowseError> {
    let row = machine(site, scope, of)?;
    let newest = site.catalog.reader().read(|tx| history::newest_of_each_source(tx, row))?;
    Ok(newest.into_iter().map(|seen| (seen.source, seen.received_at)).collect())
}
