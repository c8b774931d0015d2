//! Proving that a machine's backups can be restored: files are drawn out of the newest snapshot of each source, and read
//! to nowhere, every chunk checked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use datis_engine::format::listing::{Entry, ListingNode, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::format::snapshot::SnapshotRecord;
use datis_engine::ids::{ChunkId, MachineId};
use datis_engine::keys::random_bytes;
use datis_engine::units::Seconds;

use super::bytes::FileBytes;
use super::chunks::{Chunks, is_local};
use super::scope::{BrowseError, Scope, machine};
use crate::catalog::history::{self, Seen};
use crate::catalog::proofs::{self, Proof, ProofFailure};
use crate::operations::{OperationError, Pace, Site, chain};

/// How many files a proof reads, unless somebody wants another number.
pub const PROOF_SAMPLE: usize = 20;

/// How long a proof is good for.
const GOOD_FOR: Seconds = Seconds(7 * 86_400);

/// Of a longer file this much is read, in bytes, from somewhere in it on.
const FILE_MAX: u64 = 4 << 30;

/// Once so many bytes were read, no further file is drawn.
const PROOF_MAX: u64 = 16 << 30;

/// Draws in a row may hit folders or what was drawn before, this many times.
const IN_VAIN_MAX: usize = 200;

/// Failures that are kept with their reasons.
const FAILURES_KEPT: usize = 20;

/// Reads up to `sample` files, which follow from `seed`, out of the newest snapshot of each source of a machine, and keeps
/// what came out. A file above 4 GiB is read in part, and a proof ends after some 16 GiB.
///
/// # Errors
/// [`BrowseError::NotFound`], also when the machine has no snapshot; [`BrowseError`]. A file that cannot be read is no
/// error but in the proof.
pub fn prove(
    site: &Arc<Site>,
    scope: &Scope,
    of: &MachineId,
    sample: usize,
    seed: [u8; 32],
) -> Result<Proof, BrowseError> {
    prove_at(site, scope, of, sample, seed, Pace::Steady)
}

/// The last proof of a machine; `None` when there was none yet.
///
/// # Errors
/// [`BrowseError::NotFound`]; [`BrowseError`].
pub fn last_proof(site: &Site, scope: &Scope, of: &MachineId) -> Result<Option<Proof>, BrowseError> {
    let row = machine(site, scope, of)?;
    Ok(site.catalog.reader().read(|tx| proofs::last(tx, row))?)
}

/// The last proof of each machine of the scope that has one, without what failed in it.
///
/// # Errors
/// [`BrowseError`].
pub fn last_proofs(site: &Site, scope: &Scope) -> Result<Vec<(MachineId, Proof)>, BrowseError> {
    let all = site.catalog.reader().read(|tx| proofs::last_of_each(tx))?;
    Ok(all.into_iter().filter(|(machine, _)| scope.holds(machine)).collect())
}

/// Proves the machine that has waited longest; false when none has waited for a week. `working` hears that there is one.
pub(crate) fn prove_next(site: &Arc<Site>, pace: Pace, working: &dyn Fn()) -> Result<bool, OperationError> {
    let since = site.clock.now().minus(GOOD_FOR);
    let Some(of) = site.catalog.reader().read(|tx| proofs::next_due(tx, since))? else { return Ok(false) };
    working();
    match prove_at(site, &Scope::All, &of, PROOF_SAMPLE, random_bytes()?, pace) {
        Ok(proof) if proof.failures > 0 => {
            tracing::error!(machine = %of, files = proof.files, failures = proof.failures, "A proof of restoring failed");
            Ok(true)
        }
        Ok(proof) => {
            tracing::info!(machine = %of, files = proof.files, bytes = proof.bytes, "Restoring was proved");
            Ok(true)
        }
        // Its last snapshot has expired meanwhile.
        Err(BrowseError::NotFound) => Ok(true),
        Err(BrowseError::Fault(error) | BrowseError::Unreadable(error)) => Err(error),
        Err(BrowseError::NoFile { .. }) => Ok(true),
        Err(BrowseError::Sink(source)) => Err(OperationError::Io { step: "prove a restore", source }),
    }
}

fn prove_at(
    site: &Arc<Site>,
    scope: &Scope,
    of: &MachineId,
    sample: usize,
    seed: [u8; 32],
    pace: Pace,
) -> Result<Proof, BrowseError> {
    let row = machine(site, scope, of)?;
    let seen = site.catalog.reader().read(|tx| history::newest_of_each_source(tx, row))?;
    if seen.is_empty() {
        return Err(BrowseError::NotFound);
    }
    let (started_at, began) = (site.clock.now(), Instant::now());
    let proof = Proof { started_at, took_ms: 0, files: 0, bytes: 0, failures: 0, failed: Vec::new() };
    let mut proving = Proving { chunks: Chunks::new(site, row)?, draw: Draw::new(&seed), pace, proof };
    proving.run(&seen, sample)?;
    let mut proof = proving.proof;
    proof.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let kept = site.catalog.writer().write(|tx| proofs::keep(tx, row, &proof));
    kept.map_err(|e| BrowseError::Fault(site.noted(OperationError::from(e))))?;
    Ok(proof)
}

/// Numbers that follow from a seed.
struct Draw(blake3::OutputReader);

impl Draw {
    fn new(seed: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(seed).finalize_xof())
    }

    /// Below `limit`; 0 when that is 0.
    fn below(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(limit).unwrap_or(0)
    }
}

/// Where a part of a listing begins that cannot be read, and why.
type Unreadable = (Vec<u8>, Box<OperationError>);

/// A proof that is being made.
struct Proving {
    chunks: Chunks,
    draw: Draw,
    pace: Pace,
    proof: Proof,
}

impl Proving {
    fn run(&mut self, seen: &[Seen], sample: usize) -> Result<(), OperationError> {
        let mut records = Vec::new();
        for seen in seen {
            match SnapshotRecord::decode(&seen.record) {
                Ok(record) => records.push((seen, record)),
                Err(error) => self.failed(seen, &[], &error.into()),
            }
        }
        let total = records.iter().fold(0_u64, |sum, (_, record)| sum.saturating_add(record.totals.entries));
        let mut drawn: BTreeSet<(usize, EntryPath)> = BTreeSet::new();
        let mut broken: BTreeSet<(usize, Vec<u8>)> = BTreeSet::new();
        // Draws in a row that gave nothing new: a small machine has fewer files than are wanted.
        let mut in_vain = 0;
        while drawn.len() < sample && self.proof.bytes < PROOF_MAX && in_vain < IN_VAIN_MAX {
            in_vain += 1;
            let mut number = self.draw.below(total);
            let mut which = records.iter().enumerate();
            let Some((at, (seen, record))) = which.find(|(_, (_, record))| {
                let is_here = number < record.totals.entries;
                number = if is_here { number } else { number - record.totals.entries };
                is_here
            }) else {
                break;
            };
            match self.file_at(record.listing.level, record.listing.id, number) {
                Ok(Some((path, entry))) => {
                    if drawn.insert((at, path.clone())) {
                        in_vain = 0;
                        self.read(seen, &path, entry)?;
                    }
                }
                Ok(None) => {}
                Err((first, error)) if is_local(&error) => {
                    // The same part is met again and again.
                    if broken.insert((at, first.clone())) {
                        self.failed(seen, &first, &error);
                    }
                }
                Err((_, error)) => return Err(*error),
            }
        }
        Ok(())
    }

    /// The entry with this number, or the next file in the same block; `None` when there is none.
    fn file_at(
        &mut self,
        mut level: u8,
        mut id: ChunkId,
        mut number: u64,
    ) -> Result<Option<(EntryPath, Entry)>, Unreadable> {
        let mut first = Vec::new();
        loop {
            let node = self.chunks.get(&id).and_then(|bytes| Ok(ListingNode::decode(level, &bytes)?));
            match node.map_err(|error| (first.clone(), Box::new(error)))? {
                ListingNode::Inner(children) => {
                    let chosen = children.iter().find(|child| {
                        let is_here = number < child.totals.entries;
                        number = if is_here { number } else { number - child.totals.entries };
                        is_here
                    });
                    // Totals are what the machine says: they may not add up.
                    let Some(child) = chosen.or(children.last()) else { return Ok(None) };
                    (level, id, first) = (level.saturating_sub(1), child.id, child.first.clone());
                }
                ListingNode::Leaf(entries) => {
                    let skipped = usize::try_from(number).unwrap_or(usize::MAX);
                    let is_file = |(_, entry): &(EntryPath, Entry)| matches!(entry.node, Node::File { .. });
                    return Ok(entries.into_iter().skip(skipped).find(is_file));
                }
            }
        }
    }

    fn read(&mut self, seen: &Seen, path: &EntryPath, entry: Entry) -> Result<(), OperationError> {
        let size = entry.size();
        let offset = if size > FILE_MAX { self.draw.below(size - FILE_MAX) } else { 0 };
        let Some(mut bytes) = FileBytes::of(entry, offset, FILE_MAX) else { return Ok(()) };
        loop {
            self.chunks.site().breathe(self.pace)?;
            match bytes.next(&mut self.chunks, usize::MAX) {
                Ok(Some(piece)) => self.proof.bytes += piece.len() as u64,
                Ok(None) => break,
                Err(error) if is_local(&error) => {
                    self.failed(seen, path.as_bytes(), &error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.proof.files += 1;
        Ok(())
    }

    fn failed(&mut self, seen: &Seen, path: &[u8], error: &OperationError) {
        self.proof.failures += 1;
        if self.proof.failed.len() < FAILURES_KEPT {
            self.proof.failed.push(ProofFailure { snapshot: seen.id, path: path.to_vec(), reason: chain(error) });
        }
    }
}
