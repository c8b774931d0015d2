//! Where the chunks of a machine are best read.

use datis_engine::ids::ChunkId;
use rusqlite::Transaction;

use super::OperationError;
use crate::catalog::chunks::{ChunkAt, ChunkFinder};
use crate::catalog::closure::ClosureLookup;
use crate::catalog::packs::PackState;
use crate::catalog::{CatalogError, MachineRow};

/// Finds, in one look at the catalog, where each chunk is read for one machine.
pub(super) struct Readable<'c> {
    machine: MachineRow,
    finder: ChunkFinder<'c>,
    lookup: ClosureLookup<'c>,
    /// All places of the chunk that was looked for last, whoever may read there.
    places: Vec<ChunkAt>,
}

impl<'c> Readable<'c> {
    pub(super) fn new(tx: &'c Transaction<'_>, machine: MachineRow) -> Result<Self, CatalogError> {
        let (finder, lookup) = (ChunkFinder::new(tx)?, ClosureLookup::new(tx, machine)?);
        Ok(Self { machine, finder, lookup, places: Vec::new() })
    }

    /// The best place to read a chunk from that the machine has a right to: what is here first, damaged packs last, of several its
    /// own.
    pub(super) fn find(&mut self, id: &ChunkId) -> Result<Option<ChunkAt>, CatalogError> {
        self.finder.find(id, &mut self.places)?;
        let machine = self.machine;
        let foreign_allowed = self.places.iter().any(|p| p.machine != machine) && self.lookup.may_use_foreign(id)?;
        let order = |p: &&ChunkAt| {
            let state = match p.state {
                PackState::Stored => 0,
                PackState::Condemned => 1,
                PackState::Outside => 2,
                PackState::Damaged => 3,
            };
            (state, p.machine != machine, !p.verified)
        };
        Ok(self.places.iter().filter(|p| p.machine == machine || foreign_allowed).min_by_key(order).copied())
    }

    /// The same of a chunk that must be there.
    ///
    /// # Errors
    /// [`OperationError::ChunkGone`]; the catalog failed.
    pub(super) fn demand(&mut self, id: &ChunkId) -> Result<ChunkAt, OperationError> {
        self.find(id)?.ok_or(OperationError::ChunkGone(*id))
    }
}
