//! What all operations work on: keys, catalog, store, open sessions.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use datis_engine::ids::{PackId, SnapshotId};
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectKind, ObjectName, PackStore, Space, StoreError};
use datis_engine::units::UnixMillis;
use datis_engine::wire::Refusal;

use super::accounts::{Delays, Questions};
use super::awaited::{Awaited, AwaitedError, Shelf};
use super::bandwidth::Bandwidth;
use super::commit::{Claims, finish_announced};
use super::community::{CommunityError, KitClaims, Present, SpokenCodes};
use super::dispersal::Orders;
use super::error::{Failure, OperationError, chain, full, refusal_of};
use super::hosting::Hosted;
use super::opened::OpenedPacks;
use super::registrar::{Registrar, Shelves};
use super::sessions::Sessions;
use crate::catalog::{Catalog, CatalogError, bandwidth, packs, snapshots};
use crate::config::DataDir;
use crate::vault::Vault;

/// Limits that hold whatever machines do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the disk that intake leaves free; `None` means 2 % of the disk, and at least 2 GiB.
    pub disk_reserve: Option<u64>,
    /// Open backups at a time; 64.
    pub max_sessions: usize,
    /// Open backups of one machine at a time; 8.
    pub max_sessions_per_machine: usize,
    /// Chunks of other machines that open backups have proven and not yet committed, all together; 1 Mi, 34 MiB.
    pub max_proven_chunks: usize,
    /// Collection stops when it would remove more than a tenth of all bytes, unless it is no more than this; 64 MiB.
    pub brake_floor: u64,
    /// Bytes that the box gives to the other members in all; `None` means half of the disk.
    pub given_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            disk_reserve: None,
            max_sessions: 64,
            max_sessions_per_machine: 8,
            max_proven_chunks: 1 << 20,
            brake_floor: 64 << 20,
            given_bytes: None,
        }
    }
}

/// The smallest reserve by default: room for the catalog to shrink and for logs.
const RESERVE_MIN: u64 = 2 << 30;

/// The wall clock, except that it never goes back behind the last time that was written down.
#[derive(Debug)]
pub struct Clock {
    floor: AtomicI64,
}

impl Clock {
    /// A clock that never shows less than `floor`.
    #[must_use]
    pub fn starting_at(floor: UnixMillis) -> Self {
        Self { floor: AtomicI64::new(floor.0) }
    }

    /// The time now. Never less than what an earlier call gave.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let wall = wall_millis();
        UnixMillis(self.floor.fetch_max(wall, Ordering::SeqCst).max(wall))
    }

    /// Never shows less than `at` from now on.
    pub(super) fn catch_up(&self, at: UnixMillis) {
        self.floor.fetch_max(at.0, Ordering::SeqCst);
    }

    /// A time later than all that were given before, so that what is stamped with it stands in the order of its coming
    /// even while the wall clock is behind: retention must not take the newest snapshot for an equal of an older one.
    #[must_use]
    pub fn stamp(&self) -> UnixMillis {
        let wall = wall_millis();
        let before = self
            .floor
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |floor| Some(wall.max(floor.saturating_add(1))));
        UnixMillis(before.map_or(wall, |floor| wall.max(floor.saturating_add(1))))
    }
}

fn wall_millis() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

/// Why a site did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store.
    #[error("the store of packs cannot be opened")]
    Store(#[from] StoreError),
    /// There are packs, but the catalog that knew them is gone.
    #[error("the catalog is missing although there are packs; run `datisd rebuild`, which makes a new one from them")]
    CatalogMissing,
    /// The community's log does not hold.
    #[error("what the box knows of its community is damaged")]
    Community(#[source] Box<CommunityError>),
    /// The list of packs that are still with other boxes.
    #[error(transparent)]
    Awaited(#[from] AwaitedError),
    /// A thread cannot be started.
    #[error("the box cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// What an earlier run left half deleted cannot be cleared away.
    #[error("what an earlier run left half done cannot be completed")]
    Leftovers(#[source] Box<OperationError>),
}

/// The first failure after which nothing may be promised any more.
#[derive(Debug, Default)]
pub(crate) struct Poison(OnceLock<String>);

impl Poison {
    /// Remembers `error` if it is one after which the process must stop.
    pub(crate) fn note(&self, error: &OperationError) {
        if error.is_durability() {
            let reason = chain(error);
            tracing::error!(error = %reason, "Durability failed: the box stops and starts again from disk");
            // Only the first reason counts.
            let _ = self.0.set(reason);
        }
    }

    /// Turns what went wrong into what the machine is told.
    pub(super) fn refusal(&self, failure: Failure) -> Refusal {
        match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Fault(error) => {
                self.note(&error);
                refusal_of(&error)
            }
        }
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

/// Everything an operation works on. Shared by all threads as `Arc<Site>`.
pub struct Site {
    /// What the box can open and sign with.
    pub vault: Vault,
    /// What is where.
    pub catalog: Catalog,
    /// The objects.
    pub store: Arc<dyn PackStore>,
    /// Which of them are with other boxes only; [`Self::store`] reads them there.
    pub(crate) awaited: Arc<Awaited>,
    /// Open backups.
    pub sessions: Sessions,
    /// Limits.
    pub limits: Limits,
    /// Time.
    pub clock: Arc<Clock>,
    pub(super) delays: Delays,
    /// Those of proofs: whoever mistypes the kit can still sign in.
    pub(super) proof_delays: Delays,
    pub(super) directory_questions: Questions,
    /// Of tokens for network folders: drives try again by themselves, and people must still come in.
    pub(super) folder_delays: Delays,
    pub(super) opened: OpenedPacks,
    pub(super) registrar: Registrar,
    pub(super) poison: Arc<Poison>,
    /// Goes up whenever chunks may have become unavailable: whoever checked a closure before has to check again.
    pub(super) sweeps: AtomicU64,
    /// Packs with a lost shard that no member is free to take, by the last plan.
    pub(super) homeless: AtomicU64,
    pub(super) orders: Orders,
    /// Held while an object is put and its row written, or its row found absent and the object deleted.
    pub(super) objects: Arc<Mutex<()>>,
    pub(super) claims: Claims,
    /// Held by whoever begins a backup, which pins its base; by whoever takes snapshots off the list or condemns packs.
    pub(super) pins: Mutex<()>,
    pub(super) pruning: Mutex<()>,
    pub(super) verifying: Mutex<()>,
    pub(super) stopping: AtomicBool,
    pub(super) community: Present,
    /// Held by whoever appends to the community's log.
    pub(super) joining: Mutex<()>,
    /// Who has shown which recovery kit.
    pub(crate) kit_claims: KitClaims,
    /// Invitations that are read out.
    pub(crate) spoken: SpokenCodes,
    /// Held by whoever tries a recovery, in a folder that there is one of.
    pub(crate) drilling: Mutex<()>,
    pub(super) hosted: Hosted,
    /// What goes to the other boxes now.
    pub(super) bandwidth: Bandwidth,
}

impl Site {
    /// Opens catalog (migrating it) and store, and completes deletions and commits that an earlier run left half done.
    ///
    /// The caller holds the lock on the folder.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &DataDir, vault: Vault, limits: Limits) -> Result<Self, OpenError> {
        if !dir.catalog_file().exists() && has_snapshots(dir)? {
            return Err(OpenError::CatalogMissing);
        }
        let site = Self::assemble(dir, &dir.catalog_file(), vault, limits)?;
        let cleared = site.complete_deletions().and_then(|_| finish_announced(&site));
        cleared.map_err(|e| OpenError::Leftovers(Box::new(e)))?;
        Ok(site)
    }

    /// Opens the store of the folder together with the catalog at `catalog`, which is made if it is not there.
    pub(super) fn assemble(dir: &DataDir, catalog: &Path, vault: Vault, limits: Limits) -> Result<Self, OpenError> {
        std::fs::create_dir_all(dir.store_dir()).map_err(|source| StoreError::Io {
            step: "make the folder",
            path: dir.store_dir(),
            source,
        })?;
        let folder = FolderStore::open(&dir.store_dir())?;
        let awaited = Arc::new(Awaited::open(dir, &vault.identity, &folder)?);
        let catalog = Catalog::open(catalog, vault.id)?;
        let shelf = Shelf { folder, awaited: Arc::clone(&awaited), catalog: catalog.clone() };
        let store: Arc<dyn PackStore> = Arc::new(shelf);
        let floor = catalog.reader().read(|tx| snapshots::last_received_at(tx))?;
        let community = Present::default();
        community.set(catalog.reader().read(super::community::read).map_err(|e| OpenError::Community(Box::new(e)))?);
        let clock = Arc::new(Clock::starting_at(floor));
        let plan = catalog.reader().read(|tx| bandwidth::plan(tx))?.unwrap_or_default();
        let bandwidth = Bandwidth::new(plan);
        let hosted = Hosted::new(dir, &catalog, &clock)?;
        let poison = Arc::new(Poison::default());
        let objects = Arc::new(Mutex::new(()));
        let registrar = Registrar::start(Shelves {
            catalog: catalog.clone(),
            store: Arc::clone(&store),
            poison: Arc::clone(&poison),
            objects: Arc::clone(&objects),
            clock: Arc::clone(&clock),
        })
        .map_err(OpenError::Thread)?;
        Ok(Self {
            vault,
            catalog,
            store,
            awaited,
            sessions: Sessions::default(),
            limits,
            clock,
            delays: Delays::default(),
            proof_delays: Delays::default(),
            directory_questions: Questions::default(),
            folder_delays: Delays::default(),
            opened: OpenedPacks::default(),
            registrar,
            poison,
            sweeps: AtomicU64::new(0),
            homeless: AtomicU64::new(0),
            orders: Orders::default(),
            objects,
            claims: Claims::default(),
            pins: Mutex::new(()),
            pruning: Mutex::new(()),
            verifying: Mutex::new(()),
            stopping: AtomicBool::new(false),
            community,
            joining: Mutex::new(()),
            kit_claims: KitClaims::default(),
            spoken: SpokenCodes::default(),
            drilling: Mutex::new(()),
            hosted,
            bandwidth,
        })
    }

    /// Why the process must stop and start again from disk; `None` while all is well.
    #[must_use]
    pub fn poisoned(&self) -> Option<String> {
        self.poison.reason()
    }

    /// Makes long operations end at their next safe point.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// How many changes there were since the box was opened: whoever shows it looks again when the number is another.
    pub(crate) fn changes(&self) -> u64 {
        self.catalog.writer().commits()
    }

    pub(crate) fn check_running(&self) -> Result<(), OperationError> {
        if let Some(reason) = self.poisoned() {
            return Err(OperationError::Poisoned { reason });
        }
        if self.stopping.load(Ordering::SeqCst) { Err(OperationError::Stopped) } else { Ok(()) }
    }

    /// Turns what went wrong into what the machine is told.
    pub(super) fn refusal(&self, failure: Failure) -> Refusal {
        self.poison.refusal(failure)
    }

    /// Passes an error on, and stops the box if it must be.
    pub(super) fn noted(&self, error: OperationError) -> OperationError {
        self.poison.note(&error);
        error
    }

    /// Refuses when `more` bytes would eat into the reserve.
    pub(super) fn check_room(&self, more: u64) -> Result<(), Failure> {
        let Some(space) = self.store.space()? else { return Ok(()) };
        if space.free_bytes < self.reserve(&space).saturating_add(more) { Err(full().into()) } else { Ok(()) }
    }

    /// Whether collection may write `bytes`: half of the reserve is its own, since it gives back more than it takes. A box
    /// that is full of packs that are mostly dead could otherwise never make room again.
    pub(super) fn has_room_to_collect(&self, bytes: u64) -> Result<bool, OperationError> {
        let Some(space) = self.store.space()? else { return Ok(true) };
        Ok(space.free_bytes >= (self.reserve(&space) / 2).saturating_add(bytes))
    }

    pub(super) fn reserve(&self, space: &Space) -> u64 {
        self.limits.disk_reserve.unwrap_or_else(|| RESERVE_MIN.max(space.total_bytes / 50))
    }

    /// Deletes the objects of packs and snapshots that are on their way out.
    pub(super) fn complete_deletions(&self) -> Result<u64, OperationError> {
        let (doomed, expiring) = self.catalog.reader().read(|tx| {
            let expiring = snapshots::all(tx)?.into_iter().filter(|s| s.lifecycle == snapshots::Lifecycle::Expiring);
            Ok::<_, CatalogError>((packs::doomed(tx)?, expiring.collect::<Vec<_>>()))
        })?;
        for id in &doomed {
            self.delete_doomed(id)?;
        }
        for snapshot in expiring {
            self.store.delete(ObjectName::Snapshot(snapshot.id))?;
            self.catalog.writer().write(|tx| snapshots::delete_expired(tx, snapshot.row))?;
        }
        Ok(doomed.len() as u64)
    }

    /// Deletes the record of a snapshot that was announced in this run of the process and is refused after all.
    pub(super) fn withdraw(&self, id: &SnapshotId) -> Result<(), OperationError> {
        self.store.delete(ObjectName::Snapshot(*id))?;
        Ok(self.catalog.writer().write(|tx| snapshots::retract(tx, id))?)
    }

    fn delete_doomed(&self, id: &PackId) -> Result<(), OperationError> {
        let _gate = lock(&self.objects);
        // A machine may have sent it again meanwhile; then its new row has taken it off the list of the doomed.
        let known = self.catalog.reader().read(|tx| packs::all_by_id(tx, id))?;
        if known.iter().all(|pack| pack.state == packs::PackState::Outside) {
            self.store.delete(ObjectName::Pack(*id))?;
        }
        if known.is_empty() {
            self.awaited.forget_directory(id)?;
        }
        Ok(self.catalog.writer().write(|tx| packs::forget_doomed(tx, id))?)
    }
}

/// Whether there are snapshots in the store; a folder that is not there has none.
fn has_snapshots(dir: &DataDir) -> Result<bool, StoreError> {
    if !dir.store_dir().exists() {
        return Ok(false);
    }
    Ok(!FolderStore::open(&dir.store_dir())?.list(ObjectKind::Snapshot)?.is_empty())
}

/// A lock whose holder panicked protects data that is changed in single steps only, so it is taken over.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a bug is to be planted, for the fault harnesses to prove that they find it. Never part of a release.
#[cfg(feature = "plant")]
pub(crate) fn planted(bug: &str) -> bool {
    std::env::var("DATIS_PLANT").is_ok_and(|bugs| bugs.split([',', ' ']).any(|word| word == bug))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_go_up_while_the_clock_stands_still_behind_them() {
        let clock = Clock::starting_at(UnixMillis(i64::MAX / 2));
        let stamps: Vec<i64> = (0..50).map(|_| clock.stamp().0).collect();
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
        assert_eq!(clock.now().0, stamps[49]);
    }
}
