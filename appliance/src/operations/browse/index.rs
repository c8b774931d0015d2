//! Keeps the index of names up with the snapshots there are: looks which of them are not in it, enters what is different
//! from the one before, and takes out what no snapshot has any more.
//!
//! A step that is cut short is done again; entering the same twice changes nothing. The catalog is written in small
//! transactions, so that backups do not wait. A snapshot whose listing cannot be read is passed over.

use std::sync::Arc;

use datis_engine::format::listing::ListingRoot;
use datis_engine::units::UnixMillis;

use super::chunks::{Chunks, is_local};
use super::difference::{Broken, Step, difference};
use super::listing::Cursor;
use super::scope::listing_of;
use crate::catalog::history::Seen;
use crate::catalog::names::{self, EntryKind, NameChange, NameSource, NameWork};
use crate::operations::{OperationError, Pace, Site};

/// Changes entered, or rows looked at, in one transaction: some ten milliseconds.
const AT_A_TIME: usize = 1_000;

/// Changes that are remembered until all of a listing was read, some 100 bytes each.
const REMEMBERED_MAX: usize = 50_000;

/// Does the next piece of work; false when there is none. `working` hears how many snapshots wait.
pub(crate) fn index_next(site: &Arc<Site>, pace: Pace, working: &dyn Fn(u64)) -> Result<bool, OperationError> {
    let Some((work, waiting)) = site.catalog.reader().read(|tx| names::next_work(tx))? else { return Ok(false) };
    working(waiting);
    match work {
        NameWork::Trim(source) => trim(site, &source, pace)?,
        NameWork::Index(source, snapshot) => index(site, source, &snapshot, pace)?,
    }
    Ok(true)
}

fn trim(site: &Site, source: &NameSource, pace: Pace) -> Result<(), OperationError> {
    let mut after = Some(0);
    while let Some(at) = after {
        site.breathe(pace)?;
        let trimmed = site.catalog.writer().write(|tx| names::trim(tx, source, at, AT_A_TIME as i64));
        after = trimmed.map_err(|e| site.noted(OperationError::from(e)))?;
    }
    Ok(())
}

/// Takes all names of a source out; it is indexed anew from its oldest snapshot on.
fn forget(site: &Site, source: &NameSource, pace: Pace) -> Result<(), OperationError> {
    loop {
        site.breathe(pace)?;
        let forgotten = site.catalog.writer().write(|tx| names::forget(tx, source, AT_A_TIME as i64));
        if !forgotten.map_err(|e| site.noted(OperationError::from(e)))? {
            return Ok(());
        }
    }
}

fn index(site: &Arc<Site>, source: NameSource, snapshot: &Seen, pace: Pace) -> Result<(), OperationError> {
    let entered = site.catalog.writer().write(|tx| names::enter_source(tx, source));
    let source = entered.map_err(|e| site.noted(OperationError::from(e)))?;
    let root = match listing_of(snapshot) {
        Ok(root) => root,
        Err(error) if is_local(&error) => return pass_over(site, &source, snapshot, &error),
        Err(error) => return Err(error),
    };
    let compared = Compared { site, source: &source, snapshot, root, pace };

    // First all of it is read, so that nothing is entered of a listing that turns out to be unreadable further on.
    let (mut changes, mut is_all) = (Vec::new(), true);
    let read = compared.run(&mut |change| {
        if changes.len() < REMEMBERED_MAX {
            changes.push(change);
        } else {
            is_all = false;
        }
        Ok(())
    });
    match read {
        Ok(()) => {}
        Err(Broken::Before(error)) if is_local(&error) => return forget(site, &source, pace),
        Err(Broken::After(error)) if is_local(&error) => return pass_over(site, &source, snapshot, &error),
        Err(Broken::Before(error) | Broken::After(error) | Broken::Taker(error)) => return Err(error),
    }
    if is_all {
        for some in changes.chunks(AT_A_TIME) {
            compared.enter(some)?;
        }
    } else {
        changes.clear();
        let entered = compared.run(&mut |change| {
            changes.push(change);
            if changes.len() >= AT_A_TIME {
                compared.enter(&changes)?;
                changes.clear();
            }
            Ok(())
        });
        match entered {
            Ok(()) => compared.enter(&changes)?,
            // It could be read a moment ago: what was entered of it has no snapshot to compare it with any more.
            Err(Broken::Before(error) | Broken::After(error)) if is_local(&error) => {
                return forget(site, &source, pace);
            }
            Err(Broken::Before(error) | Broken::After(error) | Broken::Taker(error)) => return Err(error),
        }
    }
    end(site, &source, snapshot, Some(root))
}

/// A snapshot that is compared with the one before it.
struct Compared<'c> {
    site: &'c Arc<Site>,
    source: &'c NameSource,
    snapshot: &'c Seen,
    root: ListingRoot,
    pace: Pace,
}

impl Compared<'_> {
    fn run(&self, take: &mut dyn FnMut(NameChange) -> Result<(), OperationError>) -> Result<(), Broken> {
        let mut chunks = Chunks::new(self.site, self.snapshot.machine).map_err(Broken::Taker)?;
        let mut before = self.source.root.as_ref().map_or_else(Cursor::empty, Cursor::new);
        let mut steps = 0;
        difference(&mut before, &mut Cursor::new(&self.root), &mut chunks, &mut |step| {
            steps += 1;
            if steps % AT_A_TIME == 0 {
                self.site.breathe(self.pace)?;
            }
            change_of(step).map_or(Ok(()), &mut *take)
        })
    }

    fn enter(&self, changes: &[NameChange]) -> Result<(), OperationError> {
        self.site.breathe(self.pace)?;
        let at = self.snapshot.received_at;
        let before = self.source.indexed_at.unwrap_or(UnixMillis(0));
        let entered = self.site.catalog.writer().write(|tx| names::apply(tx, self.source, before, at, changes));
        entered.map_err(|e| self.site.noted(OperationError::from(e)))
    }
}

/// `None`: nothing that the index holds has changed.
fn change_of(step: Step) -> Option<NameChange> {
    match step {
        Step::Added(path, entry) => Some(NameChange::There(path, EntryKind::of(&entry.node), entry.size())),
        Step::Removed(path) => Some(NameChange::Gone(path)),
        Step::Changed(path, a, b) => {
            let of = |entry: &datis_engine::format::listing::Entry| (EntryKind::of(&entry.node), entry.size());
            (of(&a) != of(&b)).then(|| NameChange::There(path, of(&b).0, of(&b).1))
        }
    }
}

fn pass_over(site: &Site, source: &NameSource, snapshot: &Seen, why: &OperationError) -> Result<(), OperationError> {
    let error = crate::operations::chain(why);
    tracing::warn!(snapshot = %snapshot.id, error, "The names in a snapshot cannot be read, so searches pass it over");
    end(site, source, snapshot, None)
}

fn end(site: &Site, source: &NameSource, snapshot: &Seen, root: Option<ListingRoot>) -> Result<(), OperationError> {
    let at = snapshot.received_at;
    let ended = site.catalog.writer().write(|tx| names::end_snapshot(tx, source, at, root));
    ended.map_err(|e| site.noted(OperationError::from(e)))
}
