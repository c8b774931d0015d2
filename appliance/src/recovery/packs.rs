//! Packs out of shards: any k of a stripe, from those members that answer, several packs at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use datis_engine::erasure::restore::{RestoreError, restore};
use datis_engine::erasure::shard::ShardFile;
use datis_engine::ids::{MemberId, PackId, ShardId};
use datis_engine::keys::DispersalSecret;
use datis_engine::outside::map_part::MapPart;
use datis_engine::outside::stripes::StripeRef;
use datis_engine::store::{ObjectKind, ObjectName, PackStore};

use super::RecoveryError;
use super::peers::Community;
use crate::links::peers::PeerLink;

/// Packs that are put together at a time. Each is held in memory with its shards: some 80 MiB.
const AT_A_TIME: usize = 3;

/// Fetches packs.
pub(super) struct Fetcher<'f> {
    community: &'f Community<'f>,
    secret: &'f DispersalSecret,
}

/// What is asked for at once: a slow line gives it in the time that one answer may take, and a broken one loses no more.
const PIECE: u32 = 1 << 20;
/// A member that does not answer is left alone for so long.
const LEFT_ALONE: Duration = Duration::from_secs(60);
/// How often a shard is begun again where it broke off.
const TRIES: u32 = 3;

/// Connections of one thread, made when they are needed.
type Links = HashMap<MemberId, Way>;

/// The way to one member.
#[derive(Default)]
struct Way {
    link: Option<PeerLink>,
    /// When it did not answer.
    failed: Option<Instant>,
}

impl Way {
    /// A whole shard, piece by piece. A connection that breaks, or on which the kit counts no more, is made again.
    fn shard(&mut self, community: &Community<'_>, member: MemberId, shard: ShardId, len: u32) -> Option<Bytes> {
        if self.failed.is_some_and(|at| at.elapsed() < LEFT_ALONE) {
            return None;
        }
        let (mut bytes, mut tries) = (Vec::with_capacity(len as usize), 0);
        while let Some(from) = u32::try_from(bytes.len()).ok().filter(|from| *from < len) {
            if self.link.is_none() {
                self.link = community.connect_again(member).ok();
            }
            let range = from..len.min(from.saturating_add(PIECE));
            match self.link.as_mut().map(|link| link.get_shard(shard, range)) {
                Some(Ok(piece)) => bytes.extend_from_slice(&piece),
                Some(Err(error)) if tries < TRIES => {
                    tracing::debug!(%member, %shard, error = %error, "A shard broke off; it is asked for again");
                    (self.link, tries) = (None, tries + 1);
                }
                Some(Err(_)) | None => {
                    (self.link, self.failed) = (None, Some(Instant::now()));
                    return None;
                }
            }
        }
        Some(bytes.into())
    }
}

/// What came into the store.
pub(super) struct Filled {
    /// How many packs.
    pub(super) packs: usize,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Packs of which too few shards are to be had.
    pub(super) lost: Vec<PackId>,
}

impl<'f> Fetcher<'f> {
    pub(super) fn new(community: &'f Community<'f>, secret: &'f DispersalSecret) -> Self {
        Self { community, secret }
    }

    /// One pack, its bytes checked.
    ///
    /// # Errors
    /// [`RecoveryError::Restore`].
    pub(super) fn fetch(&self, stripe: &StripeRef) -> Result<Vec<u8>, RecoveryError> {
        self.fetch_with(&mut Links::new(), stripe, 0)
    }

    /// Fetches every pack of the map that the store does not have.
    ///
    /// # Errors
    /// [`RecoveryError`] of the store; packs that cannot be put together are none.
    pub(super) fn fill(
        &self,
        store: &dyn PackStore,
        map: &MapPart,
        progress: &mut dyn FnMut(String),
    ) -> Result<Filled, RecoveryError> {
        let there: std::collections::HashSet<_> = store.list(ObjectKind::Pack)?.into_iter().collect();
        let missing: Vec<&StripeRef> =
            map.stripes.values().filter(|stripe| !there.contains(&ObjectName::Pack(stripe.pack))).collect();
        let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let (lost, failed) = (Mutex::new(Vec::new()), Mutex::new(None));
        let (told, tell) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                let told = told.clone();
                let (next, bytes, lost, failed, missing) = (&next, &bytes, &lost, &failed, &missing);
                scope.spawn(move || {
                    let mut links = Links::new();
                    while let Some((turn, stripe)) = next_of(next, missing) {
                        if failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                            return;
                        }
                        match self.fetch_with(&mut links, stripe, turn).and_then(|pack| keep(store, stripe.pack, &pack))
                        {
                            Ok(len) => {
                                bytes.fetch_add(len, Ordering::Relaxed);
                            }
                            Err(RecoveryError::Restore(_)) => {
                                lost.lock().unwrap_or_else(PoisonError::into_inner).push(stripe.pack);
                            }
                            Err(error) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
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
                if done % 16 == 0 || done == missing.len() {
                    let mib = bytes.load(Ordering::Relaxed) >> 20;
                    progress(format!("{done} of {} packs, {mib} MiB", missing.len()));
                }
            }
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Filled { packs: missing.len() - lost.len(), bytes: bytes.into_inner(), lost })
    }

    /// `turn`: with which shard to begin, so that all members have their share of the work.
    fn fetch_with(&self, links: &mut Links, stripe: &StripeRef, turn: usize) -> Result<Vec<u8>, RecoveryError> {
        let (width, wanted) = (stripe.shards.len(), usize::from(stripe.layout.scheme().data()));
        let mut order: Vec<usize> = (0..width).map(|at| (at + turn) % width.max(1)).collect();
        let mut shards: Vec<Bytes> = Vec::new();
        let mut files: Vec<(usize, usize)> = Vec::new();
        while files.len() < wanted && !order.is_empty() {
            let some: Vec<usize> = order.drain(..order.len().min(wanted - files.len())).collect();
            for (at, bytes) in self.fetch_shards(links, stripe, &some) {
                files.push((at, shards.len()));
                shards.push(bytes);
            }
        }
        let files: Vec<ShardFile<'_>> = files
            .iter()
            .filter_map(|(at, place)| ShardFile::open(&shards[*place], Some(stripe.shards[*at].1), self.secret).ok())
            .collect();
        if files.len() < wanted {
            let there = files.iter().map(|file| file.header.index).collect();
            return Err(RestoreError::TooFew { pack: stripe.pack, scheme: stripe.layout.scheme(), there }.into());
        }
        let restored = restore(&files, self.secret)?;
        if restored.pack == stripe.pack { Ok(restored.bytes) } else { Err(RestoreError::Name(stripe.pack).into()) }
    }

    /// Those of `wanted` that their members give and whose bytes are what their names say, asked for at the same time.
    fn fetch_shards(&self, links: &mut Links, stripe: &StripeRef, wanted: &[usize]) -> Vec<(usize, Bytes)> {
        let len = u32::try_from(stripe.layout.shard_len()).unwrap_or(u32::MAX);
        let mut asked: Vec<(usize, MemberId, Way)> = wanted
            .iter()
            .map(|at| {
                let member = stripe.shards[*at].0;
                (*at, member, links.remove(&member).unwrap_or_default())
            })
            .collect();
        let answers: Vec<Option<Bytes>> = std::thread::scope(|scope| {
            let asking: Vec<_> = asked
                .iter_mut()
                .map(|(at, member, way)| {
                    let shard = stripe.shards[*at].1;
                    scope.spawn(move || way.shard(self.community, *member, shard, len))
                })
                .collect();
            asking.into_iter().map(|one| one.join().unwrap_or_default()).collect()
        });
        let mut good = Vec::new();
        for ((at, member, way), bytes) in asked.into_iter().zip(answers) {
            let is_named = |bytes: &Bytes| datis_engine::erasure::shard::name_shard(bytes) == stripe.shards[at].1;
            links.insert(member, way);
            good.extend(bytes.filter(is_named).map(|bytes| (at, bytes)));
        }
        good
    }
}

fn next_of<'s>(next: &AtomicUsize, missing: &[&'s StripeRef]) -> Option<(usize, &'s StripeRef)> {
    let turn = next.fetch_add(1, Ordering::Relaxed);
    missing.get(turn).map(|stripe| (turn, *stripe))
}

fn keep(store: &dyn PackStore, id: PackId, bytes: &[u8]) -> Result<u64, RecoveryError> {
    let mut staged = store.stage()?;
    staged.write_all(bytes)?;
    store.put_new(ObjectName::Pack(id), staged)?;
    Ok(bytes.len() as u64)
}
