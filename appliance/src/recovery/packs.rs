//! What a catalog needs of packs that stay where they are: their directories, which stand at their ends.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use datis_engine::ids::PackId;
use datis_engine::keys::VaultIdentity;
use datis_engine::outside::map_part::MapPart;
use datis_engine::outside::stripes::StripeRef;
use datis_engine::pack::PackReader;

use super::RecoveryError;
use crate::config::DataDir;
use crate::operations::awaited::{self, Fetch, FetchError};

/// Directories that are fetched at a time: most of the time goes by waiting for the first byte.
const AT_A_TIME: usize = 16;
/// What is fetched at once: a block of a shard, about.
const WINDOW: usize = 64 << 10;

/// Fetches the directory of every pack of the map that the folder does not have; packs of which it cannot be had.
///
/// # Errors
/// [`RecoveryError`] of the folder.
pub(super) fn fetch_directories(
    dir: &DataDir,
    fetch: &dyn Fetch,
    identity: &VaultIdentity,
    map: &MapPart,
    progress: &mut dyn FnMut(String),
) -> Result<Vec<PackId>, RecoveryError> {
    let missing: Vec<&StripeRef> =
        map.stripes.values().filter(|stripe| !awaited::has_directory(dir, &stripe.pack)).collect();
    let next = AtomicUsize::new(0);
    let (lost, failed) = (Mutex::new(Vec::new()), Mutex::new(None));
    let (told, tell) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(missing.len()) {
            let told = told.clone();
            let (next, lost, failed, missing) = (&next, &lost, &failed, &missing);
            scope.spawn(move || {
                while let Some(stripe) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match PackReader::open(Remote { fetch, stripe, at: 0, window: None }, identity) {
                        Ok(reader) => {
                            if let Err(error) = awaited::keep_directory(dir, &stripe.pack, reader.directory()) {
                                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                                return;
                            }
                        }
                        Err(error) => {
                            tracing::warn!(pack = %stripe.pack, error = %error, "The directory of a pack cannot be had");
                            lost.lock().unwrap_or_else(PoisonError::into_inner).push(stripe.pack);
                        }
                    }
                    // Nobody listens any more when the end has come.
                    let _ = told.send(());
                }
            });
        }
        drop(told);
        let mut done = 0;
        while tell.recv().is_ok() {
            done += 1;
            if done % 100 == 0 || done == missing.len() {
                progress(format!("{done} of {} packs are known", missing.len()));
            }
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    let mut lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    lost.sort_unstable();
    Ok(lost)
}

/// A pack with the others, as a file.
struct Remote<'r> {
    fetch: &'r dyn Fetch,
    stripe: &'r StripeRef,
    at: usize,
    window: Option<(usize, Vec<u8>)>,
}

impl Remote<'_> {
    /// The bytes from the present place on, as far as they are fetched together.
    fn window(&mut self) -> Result<&[u8], FetchError> {
        let start = self.at / WINDOW * WINDOW;
        let known = self.window.take().filter(|(from, _)| *from == start);
        let bytes = match known {
            Some((_, bytes)) => bytes,
            None => self.fetch.range(self.stripe, start..self.stripe.layout.pack_len().min(start + WINDOW))?,
        };
        let (from, bytes) = self.window.insert((start, bytes));
        Ok(bytes.get(self.at - *from..).unwrap_or_default())
    }
}

impl Read for Remote<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.stripe.layout.pack_len() {
            return Ok(0);
        }
        let there = self.window().map_err(io::Error::other)?;
        let len = buffer.len().min(there.len());
        buffer[..len].copy_from_slice(&there[..len]);
        self.at += len;
        Ok(len)
    }
}

impl Seek for Remote<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => (self.stripe.layout.pack_len() as u64).checked_add_signed(by),
            SeekFrom::Current(by) => (self.at as u64).checked_add_signed(by),
        };
        let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.at = usize::try_from(target).map_err(io::Error::other)?;
        Ok(target)
    }
}
