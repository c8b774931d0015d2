//! Trying a recovery, since somebody has asked for it.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpResponse;
use datis_engine::units::UnixMillis;

use super::super::super::TryRecovery;
use super::super::super::answer::{PageError, Reply};
use super::super::super::visit::Visit;
use crate::operations;

/// A recovery that is being tried, and since when. What came of it is in the audit log.
#[derive(Default)]
pub(in crate::portal) struct Drilling(Mutex<Option<UnixMillis>>);

impl Drilling {
    /// Since when one is being tried.
    pub(in crate::portal) fn since(&self) -> Option<UnixMillis> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins on a thread of its own, unless one is under way.
    fn start(self: &Arc<Self>, now: UnixMillis, drill: TryRecovery) -> std::io::Result<()> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_some() {
            return Ok(());
        }
        let drilling = Arc::clone(self);
        std::thread::Builder::new().name("drill".into()).spawn(move || {
            let _ended = Ended(&drilling);
            if let Err(why) = drill() {
                tracing::warn!(why, "A recovery was tried in vain");
            }
        })?;
        *since = Some(now);
        Ok(())
    }
}

/// Says that none is under way any more, however it ended.
struct Ended<'d>(&'d Drilling);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

pub(in crate::portal) async fn drill(visit: Visit) -> HttpResponse {
    visit
        .answer(|visit| {
            let (portal, now) = (&visit.portal, visit.site().clock.now());
            // The button is not there then.
            if !operations::is_recovery_possible(visit.site())? {
                return Ok(Reply::Go("/peers".to_owned()));
            }
            let started = portal.drilling.start(now, Arc::clone(&portal.ways.drill));
            started.map_err(|e| PageError::Other(format!("the recovery cannot be tried: {e}")))?;
            Ok(Reply::Go("/peers".to_owned()))
        })
        .await
}
