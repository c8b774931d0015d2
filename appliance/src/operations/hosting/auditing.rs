//! Showing an owner that its shards are here. Only missing and damaged bytes are a loss, so these two words are said only where
//! the store is sound.

use std::collections::BTreeMap;

use datis_engine::erasure::answer::Answer;
use datis_engine::erasure::proof::{self, GROUP_LEN, PROOF_GROUPS_MAX};
use datis_engine::ids::ShardId;
use datis_engine::store::folder::FolderStore;
use datis_engine::store::{ObjectName, PackStore, StoreError};
use datis_engine::wire::peers::{Audit, AuditRange, Audited, PEER_BATCH_MAX};
use datis_engine::wire::{Refusal, RefusalCode};

use super::super::error::{Failure, OperationError};
use super::super::site::Site;
use super::Peer;

/// Bytes that one answer may be about.
const BYTES_MAX: u64 = 64 << 20;
/// Bytes that one answer may give back, with a proof each: they are in memory until the owner has taken them.
const PROVED_MAX: u64 = 8 << 20;
/// Bytes of whole shards that are read for the proofs of one answer: what a disk reads in the time that an owner waits.
const READ_MAX: u64 = 1 << 30;

/// Answers an audit. A shard of somebody else is not found.
///
/// # Errors
/// [`RefusalCode::Malformed`] for ranges that are none; [`Refusal`]. All else is an answer.
pub fn audit(site: &Site, peer: &Peer, message: &Audit) -> Result<Audited, Refusal> {
    try_audit(site, peer, message).map_err(|failure| site.refusal(failure))
}

fn try_audit(site: &Site, peer: &Peer, message: &Audit) -> Result<Audited, Failure> {
    let ranges = &message.ranges;
    let bytes: u64 = ranges.iter().map(|range| u64::from(range.len)).sum();
    let bytes_max = if message.with_proofs { PROVED_MAX } else { BYTES_MAX };
    if ranges.is_empty() || ranges.len() > PEER_BATCH_MAX || bytes > bytes_max {
        let sentence = format!("such an audit is of 1 to {PEER_BATCH_MAX} ranges with at most {bytes_max} bytes");
        return Err(Failure::refuse(RefusalCode::TooLarge, sentence));
    }
    // First: what is away is not missing.
    let store = match site.hosted.folder.store(site) {
        Ok(store) => store,
        Err(OperationError::HostedAway { .. } | OperationError::HostedBarred { .. }) => {
            return Ok(Audited::Unavailable);
        }
        Err(error) => return Err(error.into()),
    };
    let (lens, missing, damaged) = site.with_owner(peer.member, |owner| {
        let (mut lens, mut missing, mut damaged) = (BTreeMap::new(), Vec::new(), Vec::new());
        for range in ranges {
            match owner.hosting.get(&range.shard) {
                Some(held) => {
                    lens.insert(range.shard, held.len);
                    damaged.extend(held.is_damaged.then_some(range.shard));
                }
                None => missing.push(range.shard),
            }
        }
        Ok((lens, missing, damaged))
    })?;
    let is_fine =
        |range: &AuditRange| lens.get(&range.shard).is_none_or(|len| is_range(range, *len, message.with_proofs));
    if !ranges.iter().all(is_fine) {
        let sentence = "a range is whole groups of 16 KiB, except at the end of its shard";
        return Err(Failure::refuse(RefusalCode::Malformed, sentence));
    }
    if !missing.is_empty() {
        let is_sure = |shard: &ShardId| site.hosted.is_missing_for_sure(peer.member, *shard);
        let all_is_known = missing.iter().all(is_sure);
        return Ok(if all_is_known { Audited::NotFound(unique(missing)) } else { Audited::Unavailable });
    }
    if !damaged.is_empty() {
        return Ok(Audited::Corrupt(unique(damaged)));
    }
    let looked = Look { store: &store, peer, lens: &lens };
    let answered = if message.with_proofs { looked.proofs(ranges) } else { looked.digest(&message.nonce, ranges) };
    match answered {
        // The disk may have gone while it was read.
        Ok(Audited::NotFound(_) | Audited::Corrupt(_)) if site.hosted.folder.store(site).is_err() => {
            Ok(Audited::Unavailable)
        }
        Ok(answer) => Ok(answer),
        Err(unread) => {
            let (shard, error) = *unread;
            // Of a folder that is away nothing is said to be unreadable.
            if site.hosted.folder.store(site).is_ok() {
                site.hosted.note_unreadable(peer.member, shard, &error);
            }
            Ok(Audited::Unavailable)
        }
    }
}

fn is_range(range: &AuditRange, len: u32, with_proofs: bool) -> bool {
    let end = u64::from(range.start) + u64::from(range.len);
    let is_group = |at: u64| at.is_multiple_of(GROUP_LEN as u64);
    let many = (range.len as usize).div_ceil(GROUP_LEN);
    range.len > 0
        && end <= u64::from(len)
        && is_group(range.start.into())
        && (is_group(end) || end == u64::from(len))
        && (!with_proofs || many <= PROOF_GROUPS_MAX)
}

fn unique(mut ids: Vec<ShardId>) -> Vec<ShardId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What the disk does not give.
type Unread = Box<(ShardId, StoreError)>;

struct Look<'a> {
    store: &'a FolderStore,
    peer: &'a Peer,
    lens: &'a BTreeMap<ShardId, u32>,
}

impl Look<'_> {
    fn digest(&self, nonce: &[u8; 32], ranges: &[AuditRange]) -> Result<Audited, Unread> {
        let (mut answer, mut trouble) = (Answer::new(nonce), Trouble::default());
        for range in ranges {
            let name = ObjectName::Shard(self.peer.member, range.shard);
            let read = self.store.read_range(name, u64::from(range.start), range.len as usize);
            if let Some(bytes) = trouble.sort(range.shard, read)? {
                answer.add(range.shard, range.start as usize, &bytes);
            }
        }
        Ok(trouble.or(|| Audited::Digest(answer.finish().into())))
    }

    fn proofs(&self, ranges: &[AuditRange]) -> Result<Audited, Unread> {
        if self.lens.values().map(|len| u64::from(*len)).sum::<u64>() > READ_MAX {
            return Ok(Audited::Overloaded);
        }
        let mut proofs: Vec<Vec<u8>> = vec![Vec::new(); ranges.len()];
        let mut trouble = Trouble::default();
        // Each shard is read once, whatever is asked of it.
        for (shard, len) in self.lens {
            let name = ObjectName::Shard(self.peer.member, *shard);
            let Some(file) = trouble.sort(*shard, self.store.read_range(name, 0, *len as usize))? else { continue };
            let hashes = proof::GroupHashes::of(&file).filter(|hashes| hashes.root() == *shard);
            let Some(hashes) = hashes else {
                trouble.corrupt.push(*shard);
                continue;
            };
            for (range, place) in ranges.iter().zip(&mut proofs).filter(|(range, _)| range.shard == *shard) {
                let (start, end) = (range.start as usize, (range.start + range.len) as usize);
                let groups = start / GROUP_LEN..end.div_ceil(GROUP_LEN);
                match hashes.prove(&groups, &file[start..end]) {
                    Ok(proof) => *place = proof,
                    // The ranges were checked against the length before.
                    Err(_) => trouble.corrupt.push(*shard),
                }
            }
        }
        Ok(trouble.or(|| Audited::Proofs(proofs.into_iter().map(Into::into).collect())))
    }
}

/// What is wrong with some of the shards.
#[derive(Default)]
struct Trouble {
    missing: Vec<ShardId>,
    corrupt: Vec<ShardId>,
}

impl Trouble {
    /// The bytes; `None` when they are lost. What the disk does not give is no verdict.
    fn sort(&mut self, shard: ShardId, read: Result<Vec<u8>, StoreError>) -> Result<Option<Vec<u8>>, Unread> {
        match read {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(StoreError::Absent { .. }) => self.missing.push(shard),
            Err(StoreError::Short { .. }) => self.corrupt.push(shard),
            Err(error) => return Err(Box::new((shard, error))),
        }
        Ok(None)
    }

    fn or(self, fine: impl FnOnce() -> Audited) -> Audited {
        if !self.missing.is_empty() {
            Audited::NotFound(unique(self.missing))
        } else if !self.corrupt.is_empty() {
            Audited::Corrupt(unique(self.corrupt))
        } else {
            fine()
        }
    }
}
