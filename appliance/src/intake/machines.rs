//! Whose request it is: from the key that TLS has checked to the machine that the catalog knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use datis_engine::keys::PublicKey;
use datis_engine::wire::{Refusal, RefusalCode};

use crate::operations::{self, Machine, Site};

/// For this long a machine is not looked up again; so a retired one may go on for this long.
const REMEMBERED: Duration = Duration::from_secs(2);
/// Machines that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// The key of a certificate that the box's authority signed and that is valid now.
#[derive(Debug, Clone, Copy)]
pub(super) struct CertifiedKey(pub(super) PublicKey);

impl CertifiedKey {
    /// The key of the connection that the request came on.
    ///
    /// # Errors
    /// [`RefusalCode::NoCertificate`].
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        request.conn_data::<Self>().copied().ok_or_else(|| {
            Refusal::new(
                RefusalCode::NoCertificate,
                "this machine has shown no certificate; enrol it with a code from the box first",
            )
        })
    }
}

/// Machines that were looked up a moment ago, so that a busy connection does not ask the catalog each time.
#[derive(Default)]
pub(super) struct KnownMachines(Mutex<HashMap<PublicKey, (Arc<Machine>, Instant)>>);

impl KnownMachines {
    /// The active machine with this key. Blocks on the catalog.
    ///
    /// # Errors
    /// [`RefusalCode::UnknownMachine`] and what the catalog may refuse.
    pub(super) fn get(&self, site: &Site, key: CertifiedKey) -> Result<Arc<Machine>, Refusal> {
        let now = Instant::now();
        let fresh = |at: Instant| now.saturating_duration_since(at) < REMEMBERED;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key.0).cloned();
        if let Some((machine, at)) = known
            && fresh(at)
        {
            return Ok(machine);
        }
        let machine = Arc::new(operations::machine_by_key(site, &key.0)?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, (_, at)| fresh(*at));
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(key.0, (Arc::clone(&machine), now));
        }
        Ok(machine)
    }
}
