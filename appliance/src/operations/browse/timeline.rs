//! The snapshots of one source: the points of its timeline.

use datis_engine::ids::{MachineId, SourceName};

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
