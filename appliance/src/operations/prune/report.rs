//! What a collection is asked to do, and what it tells.

use datis_engine::ids::SnapshotId;
use datis_engine::units::Seconds;
use serde::Serialize;

use super::super::pace::Pace;
use super::super::verify::as_text;

/// What a collection is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneOptions {
    /// Tell what would be done, and change nothing.
    pub dry_run: bool,
    /// Go on although more than 10 % would be removed.
    pub force: bool,
    /// How long a pack stays after the last reference to it is gone; 24 hours. Shorter ones are for tests.
    pub grace: Seconds,
    /// Whether it gives way to backups.
    pub pace: Pace,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self { dry_run: false, force: false, grace: Seconds::DAY, pace: Pace::Steady }
    }
}

/// What a collection did; with `dry_run`, what it would do now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Nothing of this was done.
    pub dry_run: bool,
    /// Whether this is more than may go at once, so that it is done only with `force`.
    pub over_brake: bool,
    /// Snapshots that no policy wants any more.
    pub expired: Vec<ExpiredSnapshot>,
    /// Snapshots that only the external policy of their machine wants, and that are kept outside only from now on.
    pub sent_outside: Vec<ExpiredSnapshot>,
    /// Snapshots that stay here.
    pub kept_snapshots: u64,
    /// Snapshots that are kept outside only, these included.
    pub outside_snapshots: u64,
    /// Days (of one source each) that have a snapshot before.
    pub days: u64,
    /// Of these, days that have none afterwards.
    pub days_lost: u64,
    /// Bytes of all packs before.
    pub stored_bytes: u64,
    /// Bytes among them that nothing will refer to: whole packs, and the dead part of packs that are rewritten.
    pub doomed_bytes: u64,
    /// Packs that nothing refers to any more; they are deleted after the grace period.
    pub condemned_packs: u64,
    /// Their bytes.
    pub condemned_bytes: u64,
    /// Packs on their way out that are referred to again, so that they stay.
    pub revived_packs: u64,
    /// Packs of which less than half is alive: what is alive was copied, and they are condemned.
    pub rewritten_packs: u64,
    /// Bytes of the packs that were made for that; 0 in a dry run, which makes none.
    pub rewritten_bytes: u64,
    /// Packs whose grace period was over and that are gone.
    pub deleted_packs: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Packs whose files this box has given up, since only snapshots need them that are kept outside only; 0 in a dry run.
    pub given_up_packs: u64,
    /// Their bytes.
    pub given_up_bytes: u64,
    /// Packs in the store that the catalog does not know, left by crashes, that are gone now.
    pub deleted_orphans: u64,
    /// Machines of which nothing was collected, because one of their listings cannot be read to its end.
    pub held_back: Vec<HeldBack>,
}

/// A snapshot that goes, or goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpiredSnapshot {
    /// Which one.
    #[serde(serialize_with = "as_text")]
    pub snapshot: SnapshotId,
    /// Name of its machine.
    pub machine: String,
    /// Of which source.
    pub source: String,
    /// When the box had all of it, milliseconds since 1970.
    pub received_at: i64,
}

/// A machine of which nothing was collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldBack {
    /// Its name.
    pub machine: String,
    /// What cannot be read.
    pub reason: String,
}
