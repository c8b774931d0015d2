//! What is known of whole closures: nodes below which everything is there, and chunks of others that a machine may use.

use datis_engine::ids::ChunkId;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

use super::values::bytes_at;
use super::{CatalogError, MachineRow};

/// Which sort of node a chunk is taken for, and at which level; see the `kind` column of `node`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A node of a listing; 0 is a leaf.
    Listing(u8),
    /// A node of a file's content; 1 and more.
    Content(u8),
}

const CONTENT_BASE: u16 = 64;

impl NodeKind {
    fn column(self) -> u16 {
        match self {
            Self::Listing(level) => u16::from(level),
            Self::Content(level) => CONTENT_BASE + u16::from(level),
        }
    }

    fn from_column(kind: u16) -> Option<Self> {
        match kind.checked_sub(CONTENT_BASE) {
            None => u8::try_from(kind).ok().map(Self::Listing),
            Some(level) => u8::try_from(level).ok().map(Self::Content),
        }
    }
}

/// Answers, one after the other, what is known of chunks for one machine.
pub struct ClosureLookup<'c> {
    machine: MachineRow,
    node: CachedStatement<'c>,
    foreign: CachedStatement<'c>,
}

impl<'c> ClosureLookup<'c> {
    /// Prepares the questions.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn new(c: &'c Connection, machine: MachineRow) -> Result<Self, CatalogError> {
        Ok(Self {
            machine,
            node: c.prepare_cached("SELECT kind FROM node WHERE machine = ?1 AND chunk_id = ?2")?,
            foreign: c.prepare_cached("SELECT 1 FROM foreign_ref WHERE machine = ?1 AND chunk_id = ?2")?,
        })
    }

    /// Whether everything below this node is there for the machine.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn is_complete(&mut self, id: &ChunkId, kind: NodeKind) -> Result<bool, CatalogError> {
        let found: Option<u16> =
            self.node.query_row(params![self.machine, id.as_bytes()], |row| row.get(0)).optional()?;
        Ok(found == Some(kind.column()))
    }

    /// Whether the machine may use this chunk out of another machine's pack.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn may_use_foreign(&mut self, id: &ChunkId) -> Result<bool, CatalogError> {
        Ok(self.foreign.exists(params![self.machine, id.as_bytes()])?)
    }
}

/// Remembers nodes as complete.
///
/// # Errors
/// [`CatalogError`].
pub fn insert_nodes(
    tx: &Transaction<'_>,
    machine: MachineRow,
    nodes: &mut [(ChunkId, NodeKind)],
) -> Result<(), CatalogError> {
    nodes.sort_unstable();
    let mut statement =
        tx.prepare_cached("INSERT OR REPLACE INTO node (machine, chunk_id, kind) VALUES (?1, ?2, ?3)")?;
    for (id, kind) in nodes.iter() {
        statement.execute(params![machine, id.as_bytes(), kind.column()])?;
    }
    Ok(())
}

/// Lets a machine use chunks out of other machines' packs.
///
/// # Errors
/// [`CatalogError`].
pub fn insert_foreign(tx: &Transaction<'_>, machine: MachineRow, ids: &mut [ChunkId]) -> Result<(), CatalogError> {
    ids.sort_unstable();
    let mut statement = tx.prepare_cached("INSERT OR IGNORE INTO foreign_ref (machine, chunk_id) VALUES (?1, ?2)")?;
    for id in ids.iter() {
        statement.execute(params![machine, id.as_bytes()])?;
    }
    Ok(())
}

/// Shows all chunks that a machine may use out of other machines' packs.
///
/// # Errors
/// [`CatalogError`].
pub fn for_each_foreign(
    c: &Connection,
    machine: MachineRow,
    visit: &mut dyn FnMut(ChunkId),
) -> Result<(), CatalogError> {
    let mut statement = c.prepare_cached("SELECT chunk_id FROM foreign_ref WHERE machine = ?1")?;
    let mut rows = statement.query([machine])?;
    while let Some(row) = rows.next()? {
        visit(bytes_at(row, 0)?);
    }
    Ok(())
}

/// Forgets the nodes of a machine that `keep` does not want.
///
/// # Errors
/// [`CatalogError`].
pub fn retain_nodes(
    tx: &Transaction<'_>,
    machine: MachineRow,
    keep: &dyn Fn(&ChunkId, NodeKind) -> bool,
) -> Result<(), CatalogError> {
    let mut gone = Vec::new();
    {
        let mut statement = tx.prepare_cached("SELECT chunk_id, kind FROM node WHERE machine = ?1")?;
        let mut rows = statement.query([machine])?;
        while let Some(row) = rows.next()? {
            let id = bytes_at(row, 0)?;
            let wanted = NodeKind::from_column(row.get(1)?).is_some_and(|kind| keep(&id, kind));
            if !wanted {
                gone.push(id);
            }
        }
    }
    let mut statement = tx.prepare_cached("DELETE FROM node WHERE machine = ?1 AND chunk_id = ?2")?;
    for id in &gone {
        statement.execute(params![machine, id.as_bytes()])?;
    }
    Ok(())
}

/// Takes the use of other machines' chunks away where `keep` does not want it.
///
/// # Errors
/// [`CatalogError`].
pub fn retain_foreign(
    tx: &Transaction<'_>,
    machine: MachineRow,
    keep: &dyn Fn(&ChunkId) -> bool,
) -> Result<(), CatalogError> {
    let mut gone = Vec::new();
    for_each_foreign(tx, machine, &mut |id| {
        if !keep(&id) {
            gone.push(id);
        }
    })?;
    let mut statement = tx.prepare_cached("DELETE FROM foreign_ref WHERE machine = ?1 AND chunk_id = ?2")?;
    for id in &gone {
        statement.execute(params![machine, id.as_bytes()])?;
    }
    Ok(())
}
