//! Reading everything back: is each pack what its name says, each chunk what its id says, each snapshot whole?
//!
//! A pack that passes is marked as checked, with the witnesses of its chunks: from then on other machines may refer to
//! them. Memory: one segment for each thread, sealed and plain.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use datis_engine::chunk::seal::{FrameDecoder, Place, SEGMENT_PLAIN_MAX};
use datis_engine::format::directory::Directory;
use datis_engine::ids::{ChunkId, PackId, SnapshotId, Witness};
use datis_engine::keys::random_bytes;
use datis_engine::pack::{PackError, PackReader};
use datis_engine::store::{ObjectName, PackStore, StoreError};
use serde::Serialize;

use super::check::check_snapshots;
use super::error::chain;
use super::site::Site;
use super::{OperationError, opened};
use crate::catalog::packs::{Pack, PackState};
use crate::catalog::{CatalogError, chunks, packs};

/// How far a long operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is being done: `packs` (counted in bytes) or `snapshots` (counted one by one).
    pub phase: &'static str,
    /// How much is done.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// A pack that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedPack {
    /// Its name.
    #[serde(serialize_with = "as_text")]
    pub pack: PackId,
    /// What does not hold.
    pub reason: String,
}

/// What a verification has found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// Packs that were read.
    pub packs: u64,
    /// Chunks in them, each hashed.
    pub chunks: u64,
    /// Bytes of these packs.
    pub bytes: u64,
    /// Packs that were not read, since they are with other boxes only.
    pub awaited_packs: u64,
    /// Packs that were not read, since they are kept outside only.
    pub outside_packs: u64,
    /// Packs that are damaged or gone.
    pub damaged: Vec<DamagedPack>,
    /// Snapshots that were followed to their last chunk.
    pub snapshots: u64,
    /// Snapshots that were not followed, since they are kept outside only.
    pub snapshots_outside: u64,
    /// Snapshots of which something is missing.
    #[serde(serialize_with = "all_as_text")]
    pub snapshots_affected: Vec<SnapshotId>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.snapshots_affected.is_empty()
    }
}

pub(super) fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

pub(super) fn all_as_text<S: serde::Serializer>(values: &[impl std::fmt::Display], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(values.iter().map(ToString::to_string))
}

/// Reads and opens everything; with `sample_percent`, about that part of the packs and all listings.
///
/// # Errors
/// [`OperationError`]; damage is no error but a part of the report.
pub fn verify(
    site: &Site,
    sample_percent: Option<u8>,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, OperationError> {
    let Ok(_running) = site.verifying.try_lock() else {
        return Err(OperationError::Running { what: "verification" });
    };
    let all = site.catalog.reader().read(|tx| packs::all(tx))?;
    // What is not on this disk yet is checked by its name when it comes.
    let (awaited, all): (Vec<Pack>, Vec<Pack>) = all.into_iter().partition(|pack| site.awaited.has(&pack.id));
    let (outside, all): (Vec<Pack>, Vec<Pack>) = all.into_iter().partition(|pack| pack.state == PackState::Outside);
    let chosen = match sample_percent {
        None => all,
        Some(percent) => sample(all, percent)?,
    };
    let mut report = VerifyReport {
        awaited_packs: awaited.len() as u64,
        outside_packs: outside.len() as u64,
        ..VerifyReport::default()
    };
    verify_packs(site, &chosen, &mut report, progress)?;
    check_snapshots(site, &mut report, progress)?;
    Ok(report)
}

/// About `percent` of the packs, others each time; at least one, if there is one.
fn sample(all: Vec<Pack>, percent: u8) -> Result<Vec<Pack>, OperationError> {
    let seed: [u8; 32] = random_bytes()?;
    let mut drawn: Vec<(u64, Pack)> = all
        .into_iter()
        .map(|pack| {
            let hash = blake3::keyed_hash(&seed, pack.id.as_bytes());
            let mut first = [0; 8];
            first.copy_from_slice(&hash.as_bytes()[..8]);
            (u64::from_le_bytes(first), pack)
        })
        .collect();
    drawn.sort_by_key(|(draw, _)| *draw);
    let count = (drawn.len() * usize::from(percent.min(100))).div_ceil(100);
    drawn.truncate(count.max(1));
    Ok(drawn.into_iter().map(|(_, pack)| pack).collect())
}

/// What came out for one pack.
struct Outcome {
    bytes: u64,
    result: Result<Option<u64>, OperationError>,
}

fn verify_packs(
    site: &Site,
    chosen: &[Pack],
    report: &mut VerifyReport,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), OperationError> {
    let total = chosen.iter().map(|pack| pack.bytes).sum();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4).min(chosen.len().max(1));
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = channel();
    progress(Progress { phase: "packs", done: 0, total });
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || verify_some(site, chosen, next, &sender));
        }
        drop(sender);
        let mut done = 0;
        let mut failed = None;
        while let Ok(Outcome { bytes, result }) = outcomes.recv() {
            done += bytes;
            progress(Progress { phase: "packs", done, total });
            match result {
                // Deleted or given up since the list was made.
                Ok(None) => {}
                Ok(Some(chunks)) => {
                    report.packs += 1;
                    report.chunks += chunks;
                    report.bytes += bytes;
                }
                Err(OperationError::DamagedPack { pack, reason }) => {
                    report.packs += 1;
                    report.bytes += bytes;
                    report.damaged.push(DamagedPack { pack, reason });
                }
                Err(error) => {
                    next.store(chosen.len(), Ordering::SeqCst);
                    failed.get_or_insert(error);
                }
            }
        }
        report.damaged.sort_by_key(|damaged| damaged.pack);
        failed.map_or(Ok(()), |error| Err(site.noted(error)))
    })
}

fn verify_some(site: &Site, chosen: &[Pack], next: &AtomicUsize, outcomes: &Sender<Outcome>) {
    while let Some(pack) = chosen.get(next.fetch_add(1, Ordering::SeqCst)) {
        let result = site.check_running().and_then(|()| verify_pack(site, pack));
        if outcomes.send(Outcome { bytes: pack.bytes, result }).is_err() {
            return;
        }
    }
}

/// The pack that has waited longest to be checked, and how many wait.
pub(crate) fn next_unverified(site: &Site) -> Result<Option<(Pack, u64)>, OperationError> {
    site.catalog
        .reader()
        .read(|tx| match packs::next_unverified(tx, &|pack| !site.awaited.has(pack))? {
            Some(pack) => Ok::<_, CatalogError>(Some((pack, packs::count_unverified(tx)?))),
            None => Ok(None),
        })
        .map_err(OperationError::from)
}

/// Whether the file of a pack is to be here: it was not deleted or given up since somebody made a list.
pub(super) fn is_to_be_here(site: &Site, pack: &Pack) -> Result<bool, OperationError> {
    let now = site.catalog.reader().read(|tx| packs::by_row(tx, pack.row))?;
    Ok(now.is_some_and(|now| now.state != PackState::Outside))
}

/// Reads one pack and notes what comes out. Gives the number of its chunks; `None` when it was deleted or given up meanwhile: the
/// others are asked for proofs of what they have, and nobody reads it from them for this.
pub(crate) fn verify_pack(site: &Site, pack: &Pack) -> Result<Option<u64>, OperationError> {
    if !is_to_be_here(site, pack)? {
        return Ok(None);
    }
    let read = read_through(site, pack);
    if read.is_err() && !is_to_be_here(site, pack)? {
        return Ok(None);
    }
    let Contents { directory, mut witnesses } = match read {
        Ok(contents) => contents,
        Err(OperationError::DamagedPack { pack, reason }) => return Err(site.found_damaged(&pack, &reason)),
        Err(error) => return Err(error),
    };
    let matches = site.catalog.reader().read(|tx| chunks::match_directory(tx, pack.row, pack.chunks, &directory))?;
    if !matches {
        // A machine sent another directory beside the pack than the one inside it.
        return Err(site.found_damaged(&pack.id, "its directory is not the one that was announced"));
    }
    let at = site.clock.now();
    let count = witnesses.len() as u64;
    site.catalog
        .writer()
        .write(|tx| {
            let Some(now) = packs::by_row(tx, pack.row)? else { return Ok(()) };
            if now.state == PackState::Damaged {
                packs::mark_sound(tx, pack.row)?;
            }
            if now.verified_at.is_none() {
                chunks::set_witnesses(tx, pack.row, &mut witnesses)?;
            }
            packs::mark_verified(tx, pack.row, at)
        })
        .map_err(|e: CatalogError| site.noted(e.into()))?;
    Ok(Some(count))
}

struct Contents {
    directory: Directory,
    witnesses: Vec<(ChunkId, Witness)>,
}

/// Reads every byte of a pack once and in order, hashing the file, and opens and hashes every chunk on the way.
fn read_through(site: &Site, pack: &Pack) -> Result<Contents, OperationError> {
    let damaged = |reason: &str| OperationError::DamagedPack { pack: pack.id, reason: reason.to_owned() };
    let name = ObjectName::Pack(pack.id);
    let size = site.store.size(name).map_err(|e| opened::as_damage(&pack.id, e))?;
    let directory = read_directory(site, &pack.id)?;
    let read =
        |offset: u64, len: usize| site.store.read_range(name, offset, len).map_err(|e| opened::as_damage(&pack.id, e));
    let mut hasher = blake3::Hasher::new();
    let header = read(0, directory.first_offset as usize)?;
    hasher.update(&header);
    let cipher = opened::cipher_of(&site.vault, &header).map_err(|reason| damaged(&reason))?;
    let mut decoder = FrameDecoder::new()?;
    let mut plain = Vec::new();
    let mut witnesses = Vec::with_capacity(directory.chunks.len());
    let mut expected = directory.chunks.iter();
    for ((segment, info), offset) in (0_u32..).zip(&directory.segments).zip(directory.offsets()) {
        let mut sealed = read(offset, info.sealed_len as usize)?;
        hasher.update(&sealed);
        let at = |e: datis_engine::chunk::seal::SealError| damaged(&format!("segment {segment}: {e}"));
        let frame = cipher.open(Place::Segment(segment), &mut sealed).map_err(at)?;
        decoder.decode(frame, info.plain_len as usize, SEGMENT_PLAIN_MAX, &mut plain).map_err(at)?;
        let mut rest = plain.as_slice();
        for chunk in expected.by_ref().take(info.chunks as usize) {
            let (bytes, later) = rest.split_at_checked(chunk.len as usize).ok_or_else(|| damaged("a short segment"))?;
            let (id, witness) = site.vault.keys.name(bytes);
            if id != chunk.id {
                return Err(damaged(&format!("a chunk in segment {segment} is not what its id says")));
            }
            witnesses.push((id, witness));
            rest = later;
        }
    }
    let end = directory.end_offset();
    let tail =
        size.checked_sub(end).and_then(|len| usize::try_from(len).ok()).ok_or_else(|| damaged("it is cut short"))?;
    hasher.update(&read(end, tail)?);
    if PackId::from_bytes(*hasher.finalize().as_bytes()) != pack.id {
        return Err(damaged("its bytes are not those that its name stands for"));
    }
    Ok(Contents { directory, witnesses })
}

/// The directory inside a pack. Nothing is noted in the catalog when it cannot be read.
pub(super) fn read_directory(site: &Site, id: &PackId) -> Result<Directory, OperationError> {
    if let Some(known) = site.awaited.directory(id) {
        return Ok(known);
    }
    let name = ObjectName::Pack(*id);
    let size = site.store.size(name).map_err(|e| opened::as_damage(id, e))?;
    let source = StoreSource { store: site.store.as_ref(), name, size, at: 0 };
    match PackReader::open(source, &site.vault.identity) {
        Ok(reader) => Ok(reader.directory().clone()),
        Err(PackError::Io(e)) => Err(OperationError::DamagedPack { pack: *id, reason: chain(&e) }),
        Err(e) => Err(OperationError::DamagedPack { pack: *id, reason: chain(&e) }),
    }
}

/// Reads an object as a file.
struct StoreSource<'s> {
    store: &'s dyn PackStore,
    name: ObjectName,
    size: u64,
    at: u64,
}

impl Read for StoreSource<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        if len == 0 {
            return Ok(0);
        }
        let bytes = self.store.read_range(self.name, self.at, len).map_err(|e| match e {
            StoreError::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        buffer[..len].copy_from_slice(&bytes);
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for StoreSource<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
