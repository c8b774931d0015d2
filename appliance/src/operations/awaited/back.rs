//! The whole box comes back: pack after pack, several at a time, those first that somebody waits for.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use datis_engine::ids::PackId;
use datis_engine::store::{ObjectName, StoreError};

use super::{Awaited, Fetch, FetchError, Memory, order};
use crate::operations::site::lock;
use crate::operations::{OperationError, Site};

/// Packs that are put together at a time. Each is held in memory with its shards: some 80 MiB.
const AT_A_TIME: usize = 3;
/// A step ends after this, so that it is told how far it is.
pub(super) const STEP_MAX: Duration = Duration::from_secs(30);

/// What a step has brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Brought {
    /// Packs that are on the disk now.
    pub(crate) packs: usize,
    /// Packs of which too few shards are left; they are marked as damaged.
    pub(crate) lost: usize,
    /// Packs that could not be had when they were asked for last, since boxes do not answer.
    pub(crate) unanswered: usize,
    /// Whether all is done.
    pub(crate) is_over: bool,
}

/// Brings packs back for a while. Whatever breaks off, each pack is either on the disk as a whole or still awaited.
///
/// # Errors
/// [`OperationError`]. Packs that cannot be had are none.
pub(crate) fn bring_back(site: &Site, working: &dyn Fn(Option<String>)) -> Result<Brought, OperationError> {
    let awaited = site.awaited.as_ref();
    if awaited.is_empty() {
        // A stop may have come between the last pack and this.
        forget(awaited)?;
        return Ok(Brought { is_over: true, ..Brought::default() });
    }
    let Some(fetch) = awaited.fetch.get() else { return Ok(Brought::default()) };
    say(awaited, working);
    order_once(site)?;
    let turns = Turns::new(awaited);
    let (told, outcomes) = channel();
    let mut brought = Brought::default();
    let ended = std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            let (told, turns) = (told.clone(), &turns);
            scope.spawn(move || {
                let mut memory = Memory::default();
                while let Some(pack) = turns.next() {
                    let outcome = site.check_running().and_then(|()| bring(site, fetch.as_ref(), &pack, &mut memory));
                    let is_over = outcome.is_err();
                    if told.send((pack, outcome)).is_err() || is_over {
                        return;
                    }
                }
            });
        }
        drop(told);
        let mut failed = Ok(());
        for (pack, outcome) in outcomes {
            match outcome {
                Ok(Came::Here) => brought.packs += 1,
                Ok(Came::Lost) => brought.lost += 1,
                // To the end of those that wait.
                Ok(Came::NotNow) => {
                    let mut unanswered = lock(&awaited.unanswered);
                    unanswered.retain(|known| *known != pack);
                    unanswered.push(pack);
                }
                Err(error) => failed = failed.and(Err(error)),
            }
            say(awaited, working);
        }
        failed
    });
    brought.unanswered = lock(&awaited.unanswered).len();
    ended.map_err(|error| site.noted(error))?;
    brought.is_over = awaited.is_empty();
    if brought.is_over {
        forget(awaited)?;
        tracing::info!(packs = awaited.all.0, "The box is back: all that it knows is on its disk");
    }
    Ok(brought)
}

fn forget(awaited: &Awaited) -> Result<(), OperationError> {
    let step = "clear away the list of packs that have come back";
    awaited.forget().map_err(|source| OperationError::Io { step, source })
}

fn say(awaited: &Awaited, working: &dyn Fn(Option<String>)) {
    if let Some(at) = awaited.standing() {
        let (done, done_mib) = (at.all_packs - at.packs, (at.all_bytes - at.bytes) >> 20);
        let (all, all_mib) = (at.all_packs, at.all_bytes >> 20);
        working(Some(format!("{done} of {all} packs are back, {done_mib} of {all_mib} MiB")));
    }
}

/// The order is that of the backups; while they cannot be read, any is good.
fn order_once(site: &Site) -> Result<(), OperationError> {
    if let Some(known) = lock(&site.awaited.order).as_mut() {
        known.retain(|pack| site.awaited.has(pack));
        return Ok(());
    }
    let found = match order::newest_first(site) {
        Ok(found) => found,
        Err(OperationError::Store(StoreError::Away { .. })) => return Ok(()),
        Err(error) => return Err(error),
    };
    *lock(&site.awaited.order) = Some(found);
    Ok(())
}

/// Which pack is next. Those that could not be had when they were asked for last come after all others, or a few that take long to
/// fail would fill each step and keep everything else away.
struct Turns<'t> {
    awaited: &'t Awaited,
    until: Instant,
    taken: Mutex<HashSet<PackId>>,
    /// What could not be had before, what was asked for longest ago at the start.
    late: Vec<PackId>,
}

impl<'t> Turns<'t> {
    fn new(awaited: &'t Awaited) -> Self {
        let late = lock(&awaited.unanswered).clone();
        Self { awaited, until: Instant::now() + STEP_MAX, taken: Mutex::default(), late }
    }

    fn next(&self) -> Option<PackId> {
        if Instant::now() > self.until {
            return None;
        }
        let mut taken = lock(&self.taken);
        let is_free = |pack: &PackId| !taken.contains(pack) && self.awaited.has(pack);
        let is_hopeful = |pack: &PackId| is_free(pack) && !self.late.contains(pack);
        let asked = lock(&self.awaited.asked_for).iter().rev().copied().find(is_hopeful);
        let ordered = || lock(&self.awaited.order).iter().flatten().copied().find(is_hopeful);
        let any = || self.awaited.names().into_iter().find(is_hopeful);
        let late = || self.late.iter().copied().find(is_free);
        let next = asked.or_else(ordered).or_else(any).or_else(late)?;
        taken.insert(next);
        Some(next)
    }
}

/// The reserve is not for what comes back either: the box needs it to work at all.
pub(super) fn check_room(site: &Site, needed_bytes: u64) -> Result<(), OperationError> {
    let Some(space) = site.store.space()? else { return Ok(()) };
    if space.free_bytes >= site.reserve(&space).saturating_add(needed_bytes) {
        return Ok(());
    }
    let (path, source) = (site.awaited.folder.clone(), std::io::ErrorKind::StorageFull.into());
    Err(StoreError::Full { step: "bring a pack back", path, needed_bytes, source }.into())
}

enum Came {
    Here,
    Lost,
    NotNow,
}

fn bring(site: &Site, fetch: &dyn Fetch, pack: &PackId, memory: &mut Memory) -> Result<Came, OperationError> {
    let Some(stripe) = site.awaited.stripe(pack) else { return Ok(Came::Here) };
    check_room(site, stripe.layout.pack_len() as u64)?;
    let bytes = match fetch.whole(&stripe, memory) {
        Ok(bytes) => bytes,
        Err(FetchError::Away { .. }) => return Ok(Came::NotNow),
        Err(error @ FetchError::Lost { .. }) => {
            return match site.found_damaged(pack, &format!("it is lost: {error}")) {
                OperationError::DamagedPack { .. } => {
                    site.awaited.settle(pack);
                    Ok(Came::Lost)
                }
                error => Err(error),
            };
        }
    };
    let mut staged = site.store.stage()?;
    staged.write_all(bytes)?;
    site.store.put_new(ObjectName::Pack(*pack), staged)?;
    site.awaited.settle(pack);
    Ok(Came::Here)
}

/// All packs in the order in which they would be brought.
#[cfg(test)]
pub(super) fn turns_for_tests(awaited: &Awaited) -> Vec<PackId> {
    let turns = Turns::new(awaited);
    std::iter::from_fn(|| turns.next()).collect()
}
