//! Which chunks need not be sent.

use datis_engine::ids::{ChunkId, Witness};
use datis_engine::wire::{Have, Known, Refusal, RefusalCode};

use super::Machine;
use super::error::{Failure, OperationError};
use super::lookups::shared_out;
use super::site::Site;
use crate::catalog::chunks::{ChunkAt, ChunkFinder};
use crate::catalog::packs::PackState;
use crate::catalog::{CatalogError, MachineRow};

/// A chunk that was asked for, and at which place of the request.
type Asked = (ChunkId, Witness, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// In a pack of the machine itself.
    Own,
    /// In a checked pack of another machine, and the machine has proven to have had it.
    Foreign,
    /// Neither.
    Missing,
}

/// Tells which chunks the machine may refer to without sending them.
///
/// # Errors
/// [`RefusalCode::SessionUnknown`], [`RefusalCode::Malformed`]; [`Refusal`].
pub fn have(site: &Site, machine: &Machine, message: &Have) -> Result<Known, Refusal> {
    try_have(site, machine, message).map_err(|failure| site.refusal(failure))
}

fn try_have(site: &Site, machine: &Machine, message: &Have) -> Result<Known, Failure> {
    site.check_running()?;
    let session = site.sessions.find(machine.row, message.session)?;
    let items = message
        .items()
        .ok_or_else(|| Failure::refuse(RefusalCode::Malformed, "the list of chunks has an impossible length"))?;
    let mut asked: Vec<Asked> = items.into_iter().zip(0..).map(|((id, witness), at)| (id, witness, at)).collect();
    // Neighbours in the catalog are looked up one after the other.
    asked.sort_unstable();
    let mut flags = vec![false; asked.len()];
    for ((id, _, at), found) in asked.iter().zip(find_all(site, machine.row, &asked)?) {
        flags[*at] = match found {
            Found::Own => true,
            Found::Foreign => session.prove(*id, &site.limits),
            Found::Missing => false,
        };
    }
    Ok(Known::from_flags(&flags))
}

/// What is found for each, in the order of `asked`.
fn find_all(site: &Site, machine: MachineRow, asked: &[Asked]) -> Result<Vec<Found>, OperationError> {
    let mut found = Vec::with_capacity(asked.len());
    for part in shared_out(asked, &|part| find_some(site, machine, part)) {
        found.extend(part?);
    }
    Ok(found)
}

fn find_some(site: &Site, machine: MachineRow, asked: &[Asked]) -> Result<Vec<Found>, OperationError> {
    site.catalog
        .reader()
        .read(|tx| {
            let mut finder = ChunkFinder::new(tx)?;
            let mut places = Vec::new();
            let mut found = Vec::with_capacity(asked.len());
            for (id, witness, _) in asked {
                finder.find(id, &mut places)?;
                found.push(judge(&places, machine, witness));
            }
            Ok::<_, CatalogError>(found)
        })
        .map_err(OperationError::from)
}

fn judge(places: &[ChunkAt], machine: MachineRow, witness: &Witness) -> Found {
    let mut stored = places.iter().filter(|place| place.state == PackState::Stored);
    if stored.clone().any(|place| place.machine == machine) {
        Found::Own
    } else if stored.any(|place| place.verified && place.witness == Some(*witness)) {
        Found::Foreign
    } else {
        Found::Missing
    }
}
