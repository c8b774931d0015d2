//! The catalog: all SQL of the box. What is where, who has sent what, who may read it.
//!
//! One connection writes ([`Writer`]), a few others only read ([`Reader`]). WAL and `synchronous=FULL`: once
//! [`Writer::write`] returns, its transaction survives a power cut. After a failed commit nothing is tried again: the
//! process stops and starts from what is on disk.
//!
//! Nothing here looks into packs or knows the wire. Except for machines' names and policies, accounts with what they
//! did, and what commissioning found, all of it can be made again from the store (`operations::rebuild`).

pub mod accounts;
pub mod alerts;
pub mod audit;
pub mod bandwidth;
pub mod bundle;
pub mod capacity;
pub mod checks;
pub mod chunks;
pub mod closure;
pub mod community;
pub mod directory;
pub mod dispersal;
pub mod entry;
#[cfg(any(test, feature = "bench"))]
pub mod generated;
pub mod history;
pub mod hosting;
pub mod machines;
pub mod mail;
pub mod names;
mod open;
pub mod own_certificate;
pub mod packs;
pub mod pauses;
pub mod people;
mod pool;
pub mod proofs;
pub mod putbacks;
pub mod runs;
pub mod signoff;
pub mod snapshots;
pub mod statements;
pub mod support;
#[cfg(test)]
pub(crate) mod testing;
mod values;
pub mod webhook;

pub use open::{MIGRATIONS, SCHEMA_VERSION};
pub use pool::{Reader, Writer};
pub use values::{
    AccountRow, AlertRow, HolderRow, MachineRow, MailRow, OwnerRow, PackRow, PostRow, PutBackRow, SnapshotRow,
    StripeRow, TokenRow, UnknownWord,
};

use std::path::{Path, PathBuf};

use datis_engine::ids::VaultId;

/// What can go wrong with the catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The folder or file cannot be opened.
    #[error("the catalog {path} cannot be opened")]
    Open {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder of the catalog cannot be made.
    #[error("the folder of the catalog {path} cannot be made")]
    Folder {
        /// The database.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Written by a later version of the program.
    #[error("the catalog {path} is of version {found}, this program knows {known}; install the later version again")]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The last version this program knows.
        known: u32,
    },
    /// Not a sound database any more.
    #[error(
        "the catalog {path} is damaged; stop the box and run `datisd rebuild`, which makes a new one from the packs"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The catalog belongs to another vault.
    #[error(
        "the catalog {path} belongs to another vault; put the right one back, or move it away and run `datisd rebuild`"
    )]
    OtherVault {
        /// The database.
        path: PathBuf,
    },
    /// The SQLite library is too old: before 3.51.3 a WAL reset could lose committed data.
    #[error("the SQLite library has version {found}, at least {needed} is needed")]
    Library {
        /// The version number of the library.
        found: i32,
        /// The lowest accepted one.
        needed: i32,
    },
    /// A commit failed: what is on disk is unknown until the database is opened again.
    #[error("a change of the catalog could not be made durable; the process must stop and start again from disk")]
    Commit(#[source] rusqlite::Error),
    /// A commit has failed before.
    #[error("the catalog takes no more changes: an earlier one could not be made durable")]
    Poisoned,
    /// A statement failed.
    #[error("the catalog cannot be read or changed")]
    Sql(#[from] rusqlite::Error),
}

impl CatalogError {
    /// Whether the process must stop and start again from disk.
    #[must_use]
    pub fn is_durability(&self) -> bool {
        match self {
            Self::Commit(_) | Self::Poisoned => true,
            Self::Sql(source) | Self::Damaged { source, .. } => pool::is_io_or_damage(source),
            Self::Open { .. }
            | Self::Folder { .. }
            | Self::Newer { .. }
            | Self::OtherVault { .. }
            | Self::Library { .. } => false,
        }
    }

    /// Whether there was no room on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Sql(source) if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}

/// The open catalog. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    writer: Writer,
    reader: Reader,
}

impl Catalog {
    /// Opens the catalog at `path`, makes it where it is not there, and brings it to the present version.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn open(path: &Path, vault: VaultId) -> Result<Self, CatalogError> {
        let connection = open::open_writer(path, vault)?;
        let writer = Writer::new(connection, path);
        let reader = Reader::open(path)?;
        Ok(Self { writer, reader })
    }

    /// The machines in the catalog at `path`, as far as it can still be read. Nothing else of it is trusted.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_machines(path: &Path, vault: VaultId) -> Result<Vec<machines::Machine>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        machines::all(&connection)
    }

    /// The accounts in the catalog at `path`, as far as they can still be read; none where it had none yet.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_accounts(path: &Path, vault: VaultId) -> Result<Vec<people::SavedPerson>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        if !open::has_table(&connection, "account")? {
            return Ok(Vec::new());
        }
        people::read_accounts(&connection)
    }

    /// The audit log in the catalog at `path`, if all of it can still be read.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_log(path: &Path, vault: VaultId) -> Result<Vec<audit::AuditEntry>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        if open::has_table(&connection, "audit_entry")? { people::read_log(&connection) } else { Ok(Vec::new()) }
    }

    /// What a reseller had prepared, in the catalog at `path`: the bundle, and what machines begin with. Catalogs of
    /// earlier versions have neither.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_defaults(path: &Path, vault: VaultId) -> Result<Vec<bundle::SavedDefaults>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        if !open::has_table(&connection, "machine_default")? {
            return Ok(Vec::new());
        }
        Ok(vec![bundle::read_defaults(&connection)?])
    }

    /// The community that the box was in, as far as the catalog at `path` can still be read; at most one.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_community(path: &Path, vault: VaultId) -> Result<Vec<community::SavedCommunity>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        if !open::has_table(&connection, "head")? {
            return Ok(Vec::new());
        }
        Ok(community::read_saved(&connection)?.into_iter().collect())
    }

    /// What marks the folder of other members' shards, as far as the catalog at `path` can still be read; at most one.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_hosted_marker(path: &Path, vault: VaultId) -> Result<Vec<[u8; 16]>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        if !open::has_table(&connection, "hosting_folder")? {
            return Ok(Vec::new());
        }
        Ok(hosting::marker(&connection)?.into_iter().collect())
    }

    /// The sealed parts of the map of what is outside that the catalog at `path` still gives.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_map(path: &Path, vault: VaultId) -> Result<Vec<Vec<u8>>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        if !open::has_table(&connection, "map_part")? {
            return Ok(Vec::new());
        }
        dispersal::outside::part_contents(&connection)
    }

    /// What the catalog at `path` still says of what is kept outside only; at most one.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn salvage_outside(
        path: &Path,
        vault: VaultId,
    ) -> Result<Vec<dispersal::kept_outside::SavedOutside>, CatalogError> {
        let connection = open::open_old(path, vault)?;
        if !open::has_table(&connection, "outside_need")? {
            return Ok(Vec::new());
        }
        Ok(vec![dispersal::kept_outside::saved(&connection)?])
    }

    /// Every change.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Every look.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}
