//! What comes of its own as time passes: shards whose time is over go, parts of which nothing more came go, and what stands in
//! the folder without a row is entered again.

use std::time::{Duration, SystemTime};

use datis_engine::ids::MemberId;
use datis_engine::life::hosting::{Effect, Stored, Window};
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectKind, ObjectName, PackStore};
use datis_engine::units::{Seconds, UnixMillis};

use super::super::OperationError;
use super::super::error::Failure;
use super::super::site::{Site, lock};
use super::PART_KEPT;
use super::receiving::hash;
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
    if !site.hosted.is_compared() {
        report.entered = enter_unknown(site, &store)?;
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
                store.delete(ObjectName::Shard(member, id))?;
                report.erased += 1;
            }
            site.catalog.writer().write(|tx| hosting::forget_doomed(tx, row, &id))?;
        }
        Ok(())
    })
}

fn drop_old_parts(site: &Site, store: &FolderStore) -> Result<(), Failure> {
    for part in store.parts()? {
        let age = SystemTime::now().duration_since(part.changed_at).unwrap_or(Duration::ZERO);
        let key = (part.owner, part.shard);
        if age.as_secs() < PART_KEPT.0 || lock(&site.hosted.receiving).contains(&key) {
            continue;
        }
        site.with_owner(part.owner, |owner| {
            owner.coming.remove(&part.shard);
            Ok(store.drop_part(part.owner, part.shard)?)
        })?;
    }
    Ok(())
}

/// Enters sound shards that the catalog does not know: it was made anew, or the box stopped between both. They count as just
/// received, which keeps them longer and never shorter.
fn enter_unknown(site: &Site, store: &FolderStore) -> Result<u64, Failure> {
    let mut entered = 0;
    for name in store.list(ObjectKind::Shard)? {
        let ObjectName::Shard(member, shard) = name else { continue };
        site.check_running()?;
        entered += u64::from(site.with_owner(member, |owner| {
            if owner.hosting.get(&shard).is_some() {
                return Ok(false);
            }
            let len = u32::try_from(store.size(name)?).unwrap_or(0);
            if len == 0 || hash(store.reader(name)?)? != shard {
                tracing::warn!(%member, %shard, "A damaged shard that nobody knows of is left alone");
                return Ok(false);
            }
            let window = site
                .community()
                .map_or(Window::DEFAULT, |community| Window::of_days(u32::from(community.roster().window_days())));
            match owner.hosting.store(site.counted_now(), shard, len, window) {
                Stored::New | Stored::Already | Stored::Spared => owner.save(site, &[shard])?,
                Stored::OverQuota { .. } | Stored::Differs => return Ok(false),
            }
            Ok(true)
        })?);
    }
    Ok(entered)
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
            })
        });
        reports.push(report.map_err(|failure| match failure {
            Failure::Fault(error) => site.noted(error),
            Failure::Refused(refusal) => OperationError::Words(refusal.sentence),
        })?);
    }
    Ok(reports)
}
