//! The connections: one that writes, a few that read. Here, and nowhere else, transactions begin and end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::{CatalogError, open};

/// How many connections read at a time; more would only wait for one another's cores.
const READERS: usize = 3;

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

pub(super) fn is_io_or_damage(error: &rusqlite::Error) -> bool {
    is_damage(error) || error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// The one connection that changes the catalog. Cheap to clone; callers wait for one another.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<WriterShared>,
}

struct WriterShared {
    connection: Mutex<Connection>,
    poisoned: AtomicBool,
    commits: AtomicU64,
    path: PathBuf,
}

impl Writer {
    pub(super) fn new(connection: Connection, path: &Path) -> Self {
        let shared = WriterShared {
            connection: Mutex::new(connection),
            poisoned: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            path: path.to_owned(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `change` in a transaction. When this returns `Ok`, what it did survives a power cut; when `change` fails,
    /// nothing of it was done.
    ///
    /// # Errors
    /// What `change` gives; [`CatalogError::Commit`], after which the process has to stop.
    pub fn write<T, E: From<CatalogError>>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_poisoned() {
            return Err(CatalogError::Poisoned.into());
        }
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|e| self.judged(e))?;
        let value = change(&transaction)?;
        transaction.commit().map_err(|source| {
            self.shared.poisoned.store(true, Ordering::SeqCst);
            CatalogError::Commit(source)
        })?;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        Ok(value)
    }

    /// Runs `look` while no transaction of the writer is under way: what is read afterwards is no older than what `look`
    /// saw.
    pub fn between<T>(&self, look: impl FnOnce() -> T) -> T {
        let _idle = self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
        look()
    }

    /// Whether a commit has failed, so that nothing may be promised any more.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.poisoned.load(Ordering::SeqCst)
    }

    /// How many changes there were since the catalog was opened: whoever shows it looks again when the number is another.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Gives a damaged database its own error, with the advice that helps.
    fn judged(&self, source: rusqlite::Error) -> CatalogError {
        if is_damage(&source) {
            CatalogError::Damaged { path: self.shared.path.clone(), source }
        } else {
            CatalogError::Sql(source)
        }
    }

    /// Copies the WAL back as far as readers allow, so that it does not grow.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn checkpoint(&self) -> Result<(), CatalogError> {
        let connection = self.shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(|e| self.judged(e))
    }
}

/// Connections that only read. Cheap to clone; callers wait when all are in use.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<ReaderShared>,
}

struct ReaderShared {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
    path: PathBuf,
}

/// Gives the connection back, also when the reader panics.
struct Lent<'p> {
    pool: &'p ReaderShared,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            self.pool.returned.notify_one();
        }
    }
}

impl Reader {
    /// Opens the catalog at `path` for looks alone.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let idle = (0..READERS).map(|_| open::open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        let shared = ReaderShared { idle: Mutex::new(idle), returned: Condvar::new(), path: path.to_owned() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs `look` on one state of the catalog, the latest committed one.
    ///
    /// `look` must not read again through the same pool: it could wait for itself.
    ///
    /// # Errors
    /// What `look` gives; [`CatalogError`].
    pub fn read<T, E: From<CatalogError>>(&self, look: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut lent = self.lend();
        let Some(connection) = lent.connection.as_mut() else { return Err(CatalogError::Poisoned.into()) };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred);
        let transaction = transaction.map_err(|source| {
            if is_damage(&source) {
                CatalogError::Damaged { path: self.shared.path.clone(), source }
            } else {
                CatalogError::Sql(source)
            }
        })?;
        look(&transaction)
    }

    fn lend(&self) -> Lent<'_> {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.pop() {
                return Lent { pool: &self.shared, connection: Some(connection) };
            }
            idle = self.shared.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads through the whole database.
    ///
    /// # Errors
    /// [`CatalogError::Damaged`].
    pub fn check(&self) -> Result<(), CatalogError> {
        let path = self.shared.path.clone();
        self.read(|tx| open::quick_check(tx).map_err(|source| CatalogError::Damaged { path, source }))
    }
}
