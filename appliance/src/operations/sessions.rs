//! Open backups. They live in memory only: after a restart machines begin again, and find their packs.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datis_engine::ids::{ChunkId, RunId, SnapshotId, SourceName};
use datis_engine::keys::random_bytes;
use datis_engine::units::UnixMillis;
use datis_engine::wire::{
    Abandon, Begin, Begun, Done, Refusal, RefusalCode, SESSION_IDLE_MAX, SessionId, SnapshotState,
};

use super::Machine;
use super::error::Failure;
use super::pauses::{date, paused_until};
use super::site::{Limits, Site, lock};
use crate::catalog::snapshots::Lifecycle;
use crate::catalog::{MachineRow, SnapshotRow, packs, snapshots};

/// All open backups.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<SessionId, Arc<Session>>>,
    proven: Arc<AtomicUsize>,
}

/// One open backup.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) machine: MachineRow,
    pub(super) source: SourceName,
    run: RunId,
    /// The snapshot it takes entries over from: not removed while the session is open.
    base: Option<(SnapshotId, SnapshotRow)>,
    began_at: UnixMillis,
    state: Mutex<SessionState>,
    changed: Condvar,
    /// Proven chunks of all sessions together.
    all_proven: Arc<AtomicUsize>,
}

struct SessionState {
    last_used: Instant,
    /// Packs that are queued but not in the catalog yet.
    outstanding: usize,
    /// What the first pack that could not be kept failed with: then the backup cannot be committed.
    failure: Option<Refusal>,
    /// Chunks of other machines that this one has shown to have had.
    proven: HashSet<ChunkId>,
}

impl Drop for Session {
    fn drop(&mut self) {
        let proven = lock(&self.state).proven.len();
        self.all_proven.fetch_sub(proven, Ordering::SeqCst);
    }
}

impl Session {
    /// One more pack is on its way to the catalog.
    pub(super) fn queued(&self) {
        let mut state = lock(&self.state);
        state.outstanding += 1;
        state.last_used = Instant::now();
    }

    /// One pack is in the catalog, or never will be.
    pub(super) fn registered(&self, done: Result<(), Refusal>) {
        let mut state = lock(&self.state);
        state.outstanding = state.outstanding.saturating_sub(1);
        if let Err(refusal) = done {
            state.failure.get_or_insert(refusal);
        }
        self.changed.notify_all();
    }

    /// Waits until every queued pack is in the catalog.
    pub(super) fn wait_for_packs(&self) -> Result<(), Refusal> {
        let mut state = lock(&self.state);
        while state.outstanding > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failure.clone().map_or(Ok(()), Err)
    }

    pub(super) fn touch(&self) {
        lock(&self.state).last_used = Instant::now();
    }

    /// Remembers that the machine had a chunk of another one; false when there is no room to remember it.
    pub(super) fn prove(&self, id: ChunkId, limits: &Limits) -> bool {
        let mut state = lock(&self.state);
        if state.proven.contains(&id) {
            return true;
        }
        if self.all_proven.fetch_add(1, Ordering::SeqCst) >= limits.max_proven_chunks {
            self.all_proven.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        state.proven.insert(id)
    }

    pub(super) fn has_proven(&self, id: &ChunkId) -> bool {
        lock(&self.state).proven.contains(id)
    }

    fn idle(&self) -> Duration {
        lock(&self.state).last_used.elapsed()
    }

    fn is_stale(&self) -> bool {
        let waiting = lock(&self.state).outstanding > 0;
        !waiting && self.idle() > Duration::from_secs(SESSION_IDLE_MAX.0)
    }

    fn has_failed(&self) -> bool {
        lock(&self.state).failure.is_some()
    }
}

impl Sessions {
    /// The open session of this machine; that of another machine is as unknown as none.
    pub(super) fn find(&self, machine: MachineRow, id: SessionId) -> Result<Arc<Session>, Refusal> {
        let found = lock(&self.open).get(&id).filter(|session| session.machine == machine).cloned();
        let session = found.ok_or_else(|| {
            Refusal::new(RefusalCode::SessionUnknown, "this backup is not open any more on the box; begin it again")
        })?;
        session.touch();
        Ok(session)
    }

    #[cfg(test)]
    pub(super) fn close_all(&self) {
        lock(&self.open).clear();
    }

    pub(super) fn close(&self, id: SessionId) {
        lock(&self.open).remove(&id);
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.open).len()
    }

    /// Closes those that nobody has used for longer than allowed; tells how many.
    pub fn close_stale(&self) -> usize {
        let mut open = lock(&self.open);
        let before = open.len();
        open.retain(|_, session| !session.is_stale());
        before - open.len()
    }

    /// How long ago the last request of any open session was; `None` when none is open.
    #[must_use]
    pub fn quiet_for(&self) -> Option<Duration> {
        lock(&self.open).values().map(|session| session.idle()).min()
    }

    /// Snapshots that open backups rest on.
    pub(super) fn pinned(&self) -> HashSet<SnapshotRow> {
        lock(&self.open).values().filter_map(|session| session.base.map(|(_, row)| row)).collect()
    }

    /// When the oldest open backup began.
    pub(super) fn oldest(&self) -> Option<UnixMillis> {
        lock(&self.open).values().map(|session| session.began_at).min()
    }
}

/// Opens a backup of one source, or hands the open one back to the same run.
///
/// # Errors
/// [`RefusalCode::SessionTaken`], [`RefusalCode::Busy`], [`RefusalCode::Full`]; [`Refusal`].
pub fn begin(site: &Site, machine: &Machine, message: &Begin) -> Result<Begun, Refusal> {
    try_begin(site, machine, message).map_err(|failure| site.refusal(failure))
}

fn try_begin(site: &Site, machine: &Machine, message: &Begin) -> Result<Begun, Failure> {
    site.check_running()?;
    if let Some(until) = paused_until(site, machine)? {
        // Of this code every client thinks that it passes by itself, and does not wait for it.
        return Err(Failure::refuse(
            RefusalCode::SessionTaken,
            format!("the box's admin has paused this machine until {}; it is backed up again afterwards", date(until)),
        ));
    }
    site.check_room(0)?;
    // Between looking whether the base is there and pinning it, it must not be taken away.
    let _pins = lock(&site.pins);
    let (base, nothing_known) = site.catalog.reader().read(|tx| {
        let base = match &message.base {
            Some(id) => snapshots::by_id(tx, machine.row, id)?,
            None => None,
        };
        Ok::<_, Failure>((base, !packs::any_usable(tx, machine.row)?))
    })?;
    let base = base
        .filter(|b| b.source == message.source && b.lifecycle == Lifecycle::Live && b.state != SnapshotState::Damaged)
        // What it refers to may not be here: the machine sends it again.
        .filter(|b| !b.is_outside)
        .map(|b| (b.id, b.row));
    let id = SessionId(u64::from_le_bytes(random_bytes()?));
    let mut open = lock(&site.sessions.open);
    let same_source = |s: &Session| s.machine == machine.row && s.source == message.source;
    if let Some(other) = open.values().find(|s| same_source(s)).cloned() {
        if other.run == message.run && other.base == base && !other.has_failed() {
            other.touch();
            return Ok(Begun { session: other.id, base_kept: base.is_some(), nothing_known });
        }
        if other.run != message.run && !other.is_stale() {
            return Err(Failure::refuse(
                RefusalCode::SessionTaken,
                format!(
                    "another backup of source `{}` of this machine is running; it gives way 10 minutes after it was \
                     last heard of",
                    message.source
                ),
            ));
        }
        open.remove(&other.id);
    }
    open.retain(|_, session| !session.is_stale());
    let of_machine = open.values().filter(|session| session.machine == machine.row).count();
    if open.len() >= site.limits.max_sessions || of_machine >= site.limits.max_sessions_per_machine {
        return Err(Failure::refuse(RefusalCode::Busy, "too many backups are running at a time; try again later"));
    }
    let state = SessionState { last_used: Instant::now(), outstanding: 0, failure: None, proven: HashSet::new() };
    let session = Session {
        id,
        machine: machine.row,
        source: message.source.clone(),
        run: message.run,
        base,
        began_at: site.clock.now(),
        state: Mutex::new(state),
        changed: Condvar::new(),
        all_proven: Arc::clone(&site.sessions.proven),
    };
    open.insert(id, Arc::new(session));
    Ok(Begun { session: id, base_kept: base.is_some(), nothing_known })
}

/// Ends a backup without a snapshot. What was sent stays for a while, for the next run.
///
/// # Errors
/// [`RefusalCode::SessionUnknown`].
pub fn abandon(site: &Site, machine: &Machine, message: &Abandon) -> Result<Done, Refusal> {
    let session = site.sessions.find(machine.row, message.session)?;
    site.sessions.close(session.id);
    Ok(Done {})
}
