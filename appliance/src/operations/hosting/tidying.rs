//! What comes of its own as time passes: shards whose time is over go, parts of which nothing more came go, and what stands in
//! the folder without a row is entered again.

use std::time::{Duration, SystemTime};

use datis_engine::ids::{MemberId, ShardId};
use datis_engine::life::hosting::{Effect, Window};
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectKind, ObjectName, PackStore, StoreError};
use datis_engine::units::{Seconds, UnixMillis};

use super::super::OperationError;
use super::super::error::Failure;
use super::super::site::{Site, lock};
use super::folder::on_disk;
use super::receiving::hash_of;
use super::{Owner, PART_KEPT};
use crate::catalog::hosting;

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostingReport {
    /// Shards whose window and delay are over; they are deleted in a week.
    pub trashed: u64,
    /// Shards that were deleted.
    pub erased: u64,
    /// Shards that stood in the folder and not in the catalog.
    pub entered: u64,
    /// Owners about whom people have to be asked, and for how long they were silent. Nothing of theirs is deleted.
    pub silent: Vec<(MemberId, Seconds)>,
}

/// Does what is due. To be called every few minutes, so that time is counted.
///
/// # Errors
/// [`OperationError`]; what was done stays done, and the next call goes on.
pub fn hosting_step(site: &Site) -> Result<HostingReport, OperationError> {
    let mut report = HostingReport::default();
    let done = step(site, &mut report);
    done.map(|()| report).map_err(|failure| match failure {
        Failure::Fault(error) => site.noted(error),
        Failure::Refused(refusal) => OperationError::Words(refusal.sentence),
    })
}

fn step(site: &Site, report: &mut HostingReport) -> Result<(), Failure> {
    if site.catalog.reader().read(|tx| hosting::marker(tx))?.is_none() && !site.hosted.folder.is_made() {
        return Ok(());
    }
    let look = site.hosted.clock.look();
    site.catalog.writer().write(|tx| hosting::keep_clock(tx, &look))?;
    // While the disk is away nothing moves on: what cannot be seen is not deleted either.
    let store = site.hosted.folder.store_or_make(site)?;
    for member in site.catalog.reader().read(|tx| hosting::owners(tx))? {
        move_on(site, &store, member, report)?;
    }
    drop_old_parts(site, &store)?;
    // A box that is in no community (its catalog was made anew out of nothing) is asked by nobody, and does not know for how long
    // others want things kept.
    if let Some(known) = site.community().filter(|_| !site.hosted.is_compared()) {
        let window = Window::of_days(u32::from(known.roster().window_days()));
        report.entered = enter_unknown(site, &store, window)?;
        site.hosted.set_compared();
    }
    Ok(())
}

fn move_on(site: &Site, store: &FolderStore, member: MemberId, report: &mut HostingReport) -> Result<(), Failure> {
    site.with_owner(member, |owner| {
        let effects = owner.hosting.tick(site.counted_now());
        let mut changed = Vec::new();
        for effect in &effects {
            match effect {
                Effect::Trash(id) => {
                    report.trashed += 1;
                    changed.push(*id);
                }
                Effect::Erase(id) => changed.push(*id),
                Effect::AskPeople(silent) => report.silent.push((member, *silent)),
            }
        }
        if !effects.is_empty() {
            owner.save(site, &changed)?;
        }
        let Some(row) = owner.row else { return Ok(()) };
        // Also those of a step that was cut off.
        for id in site.catalog.reader().read(|tx| hosting::doomed(tx, row))? {
            site.check_running()?;
            if owner.hosting.get(&id).is_none() {
                match store.delete(ObjectName::Shard(member, id)) {
                    Ok(()) => report.erased += 1,
                    // The next step tries again.
                    Err(error) => {
                        pass_over(site, member, id, error)?;
                        continue;
                    }
                }
            }
            site.catalog.writer().write(|tx| hosting::forget_doomed(tx, row, &id))?;
        }
        Ok(())
    })
}

fn drop_old_parts(site: &Site, store: &FolderStore) -> Result<(), Failure> {
    for part in store.parts()? {
        let age = SystemTime::now().duration_since(part.changed_at).unwrap_or(Duration::ZERO);
        if age.as_secs() < PART_KEPT.0 {
            continue;
        }
        let dropped = site.with_owner(part.owner, |owner| {
            if lock(&site.hosted.receiving).contains(&(part.owner, part.shard)) {
                return Ok(Ok(()));
            }
            owner.coming.remove(&part.shard);
            Ok(store.drop_part(part.owner, part.shard))
        })?;
        dropped.or_else(|error| pass_over(site, part.owner, part.shard, error))?;
    }
    Ok(())
}

/// Enters sound shards that the catalog does not know: it was made anew, or the box stopped between both. They count as just
/// received, which keeps them longer and never shorter. One that cannot be read stops none of the others.
fn enter_unknown(site: &Site, store: &FolderStore, window: Window) -> Result<u64, Failure> {
    let mut entered = 0;
    for name in store.list(ObjectKind::Shard)? {
        let ObjectName::Shard(member, shard) = name else { continue };
        site.check_running()?;
        let found = site.with_owner(member, |owner| {
            if owner.hosting.get(&shard).is_some() {
                return Ok(Ok(false));
            }
            let len = match durable_len(store, member, shard) {
                Ok(Some(len)) => len,
                Ok(None) => return Ok(Ok(false)),
                Err(error) => return Ok(Err(error)),
            };
            owner.enter(site, shard, len, window)?;
            Ok(Ok(true))
        })?;
        match found {
            Ok(is_new) => entered += u64::from(is_new),
            Err(error) => pass_over(site, member, shard, error)?,
        }
    }
    Ok(entered)
}

/// The length of a shard whose bytes are those of its name, and would survive a power cut from now on.
fn durable_len(store: &FolderStore, member: MemberId, shard: ShardId) -> Result<Option<u32>, StoreError> {
    let name = ObjectName::Shard(member, shard);
    let len = u32::try_from(store.size(name)?).unwrap_or(0);
    let found = hash_of(store, name)?;
    if len == 0 || found != shard {
        tracing::warn!(%member, %shard, "A damaged shard that nobody knows of is left alone");
        return Ok(None);
    }
    // Whoever put it may have died before it synced, and its owner may get a receipt for it from now on.
    store.make_durable(name)?;
    Ok(Some(len))
}

impl Owner {
    /// Enters a shard that was found. Its bytes are on the disk already, so what its owner may have here is no matter.
    fn enter(&mut self, site: &Site, shard: ShardId, len: u32, window: Window) -> Result<(), Failure> {
        self.hosting.found(site.counted_now(), shard, len, window);
        self.save(site, &[shard])
    }
}

/// Goes on after one file that the disk does not give, unless all of it is away.
pub(super) fn pass_over(site: &Site, member: MemberId, shard: ShardId, error: StoreError) -> Result<(), Failure> {
    if matches!(error, StoreError::Durability { .. }) {
        return Err(on_disk(error).into());
    }
    site.hosted.folder.store(site)?;
    site.hosted.note_unreadable(member, shard, &error);
    Ok(())
}

/// What is here of one member, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerReport {
    /// Whose.
    pub member: MemberId,
    /// Shards, with those on their way out.
    pub shards: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the owner was heard of last, in counted time.
    pub lease_at: UnixMillis,
    /// Until when deletions stand still, because more was condemned in a week than is usual; counted time.
    pub frozen_until: Option<UnixMillis>,
    /// Shards that the owner has not said that it needs no more.
    pub needed: u64,
    /// Shards that have rotted here and were not sent again yet.
    pub damaged: u64,
}

/// What is here of each member.
///
/// # Errors
/// [`OperationError`].
pub fn hosted_for(site: &Site) -> Result<Vec<OwnerReport>, OperationError> {
    let mut reports = Vec::new();
    for member in site.catalog.reader().read(|tx| hosting::owners(tx))? {
        let report = site.with_owner(member, |owner| {
            Ok(OwnerReport {
                member,
                shards: owner.hosting.count() as u64,
                bytes: owner.hosting.held_bytes(),
                lease_at: owner.hosting.state().lease_at,
                frozen_until: owner.hosting.frozen_until(site.counted_now()),
                needed: owner.hosting.needed() as u64,
                damaged: owner.hosting.inventory(None, usize::MAX).filter(|(_, held)| held.is_damaged).count() as u64,
            })
        });
        reports.push(report.map_err(|failure| match failure {
            Failure::Fault(error) => site.noted(error),
            Failure::Refused(refusal) => OperationError::Words(refusal.sentence),
        })?);
    }
    Ok(reports)
}
