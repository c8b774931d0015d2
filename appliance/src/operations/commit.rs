//! The end of a backup: everything it refers to is checked to be there, then it is made visible, then acknowledged.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, PoisonError};

use datis_engine::format::VERSION;
use datis_engine::format::snapshot::{
    OpenRecordError, Receipt, SNAPSHOT_FILE_MAX, SignedRecord, SnapshotFile, SnapshotRecord,
};
use datis_engine::ids::{ChunkId, SnapshotId};
use datis_engine::store::ObjectName;
use datis_engine::wire::{Commit, Refusal, RefusalCode};

use super::Machine;
use super::check::{OpenedSnapshot, open_snapshot};
use super::error::{Failure, OperationError, chain};
use super::lookups::shared_out;
use super::sessions::Session;
use super::site::{Site, lock};
use super::walk::{Guide, NodePlace, NodeRef, Walk};
use crate::catalog::chunks::{ChunkAt, ChunkFinder};
use crate::catalog::closure::{ClosureLookup, NodeKind};
use crate::catalog::packs::PackState;
use crate::catalog::snapshots::NewSnapshot;
use crate::catalog::{CatalogError, MachineRow, PackRow, closure, machines, packs, snapshots};

/// How often a commit checks again when collection got in between; that happens once a day at most.
const ATTEMPTS: usize = 4;

/// Ends a backup. When this returns `Ok`, the snapshot survives a power cut. A commit that was answered already is
/// answered again in the same way.
///
/// # Errors
/// [`RefusalCode::SessionUnknown`], [`RefusalCode::BadSignature`], [`RefusalCode::ChunksMissing`],
/// [`RefusalCode::Corrupt`], [`RefusalCode::Busy`], [`RefusalCode::Full`]; [`Refusal`].
pub fn commit(site: &Site, machine: &Machine, message: &Commit) -> Result<Receipt, Refusal> {
    try_commit(site, machine, message).map_err(|failure| site.refusal(failure))
}

fn try_commit(site: &Site, machine: &Machine, message: &Commit) -> Result<Receipt, Failure> {
    site.check_running()?;
    let signed = &message.signed;
    let _claim = Claim::wait_for(site, signed.id());
    if let Some(receipt) = given_before(site, machine, &signed.id())? {
        // Only a session of this machine's own.
        if let Ok(session) = site.sessions.find(machine.row, message.session) {
            site.sessions.close(session.id);
        }
        return Ok(receipt);
    }
    let session = site.sessions.find(machine.row, message.session)?;
    let record = open_record(signed, machine, &session)?;
    session.wait_for_packs()?;
    let receipt = check_and_enter(site, machine, &session, signed, &record)?;
    site.sessions.close(session.id);
    Ok(receipt)
}

/// Snapshots that are being committed, each by one request at a time: the second one, of a machine that lost its
/// connection and asks again, waits for what the first one comes to, and must not take away what that has put.
#[derive(Debug, Default)]
pub(super) struct Claims {
    taken: Mutex<HashSet<SnapshotId>>,
    changed: Condvar,
}

struct Claim<'c> {
    claims: &'c Claims,
    id: SnapshotId,
}

impl Claims {
    /// What is being committed at this moment.
    pub(super) fn taken(&self) -> HashSet<SnapshotId> {
        lock(&self.taken).clone()
    }
}

impl<'c> Claim<'c> {
    fn wait_for(site: &'c Site, id: SnapshotId) -> Self {
        let claims = &site.claims;
        let mut taken = lock(&claims.taken);
        while !taken.insert(id) {
            taken = claims.changed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Self { claims, id }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        lock(&self.claims.taken).remove(&self.id);
        self.claims.changed.notify_all();
    }
}

fn given_before(site: &Site, machine: &Machine, id: &SnapshotId) -> Result<Option<Receipt>, Failure> {
    let bytes = site.catalog.reader().read(|tx| snapshots::receipt(tx, machine.row, id))?;
    Ok(bytes.map(|bytes| Receipt::decode(&bytes)).transpose().map_err(OperationError::from)?)
}

fn open_record(signed: &SignedRecord, machine: &Machine, session: &Session) -> Result<SnapshotRecord, Failure> {
    if signed.record.len() > SNAPSHOT_FILE_MAX / 2 {
        return Err(Failure::refuse(RefusalCode::TooLarge, "the snapshot record is longer than any may be"));
    }
    let record = signed.open(&machine.public_key).map_err(|e| match e {
        OpenRecordError::Signature(_) => {
            Failure::refuse(RefusalCode::BadSignature, "the snapshot record is not signed by this machine")
        }
        OpenRecordError::Format(e) => {
            Failure::refuse(RefusalCode::Corrupt, format!("the snapshot record is not understood: {e}"))
        }
    })?;
    if record.machine != machine.id || record.source != session.source {
        return Err(Failure::refuse(
            RefusalCode::BadSignature,
            "the snapshot record is about another machine or source than this backup",
        ));
    }
    Ok(record)
}

/// What a check has found out, to be written down with the snapshot.
#[derive(Default)]
struct Checked {
    /// Nodes below which everything is there.
    nodes: Vec<(ChunkId, NodeKind)>,
    /// Chunks of other machines that the snapshot rests on.
    foreign: Vec<ChunkId>,
    /// Packs that were on their way out.
    revived: Vec<PackRow>,
}

fn check_and_enter(
    site: &Site,
    machine: &Machine,
    session: &Session,
    signed: &SignedRecord,
    record: &SnapshotRecord,
) -> Result<Receipt, Failure> {
    let proof = Proof::Session(session);
    let last = check_at(site, machine.row, proof, record)?;
    let receipt = Receipt::sign(signed.id(), site.clock.stamp(), &site.vault.receipt_key);
    let entry = Entry { machine: machine.row, signed, record, receipt: &receipt };
    #[cfg(feature = "plant")]
    if super::site::planted("ack-before-commit") {
        // Planted bug: the receipt is given while the transaction is still to come.
        put_file(site, machine, &entry)?;
        return Ok(entry.enter_late(site.catalog.clone(), last.0));
    }
    let entered = put_file(site, machine, &entry).and_then(|()| enter(site, proof, &entry, last));
    match entered {
        Ok(()) => Ok(receipt),
        Err(failure) => {
            let failure = match failure {
                Failure::Fault(error) => Failure::Fault(site.noted(error)),
                refused @ Failure::Refused(_) => refused,
            };
            // After a failed write nobody knows what the disk has: the next start looks.
            if site.check_running().is_ok()
                && let Err(error) = site.withdraw(&signed.id())
            {
                tracing::error!(error = %chain(&site.noted(error)), "A snapshot that was not kept left its record behind");
            }
            Err(failure)
        }
    }
}

/// A check, and how many sweeps there had been before it.
type CheckedAt = (Checked, u64);

fn check_at(site: &Site, machine: MachineRow, proof: Proof<'_>, record: &SnapshotRecord) -> Result<CheckedAt, Failure> {
    // Counted up within transactions: read in the middle of one, it would be new while what is checked is still old.
    let sweeps = site.catalog.writer().between(|| site.sweeps.load(Ordering::SeqCst));
    Ok((check(site, machine, proof, record)?, sweeps))
}

/// Makes the snapshot visible, after another check where collection has got in between.
fn enter(site: &Site, proof: Proof<'_>, entry: &Entry<'_>, mut last: CheckedAt) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let (checked, sweeps) = last;
        let entered = site.catalog.writer().write(|tx| {
            if site.sweeps.load(Ordering::SeqCst) != sweeps {
                return Ok(false);
            }
            entry.enter(tx, checked).map(|()| true)
        });
        if entered.map_err(|e: CatalogError| OperationError::from(e))? {
            return Ok(());
        }
        last = check_at(site, entry.machine, proof, entry.record)?;
    }
    Err(Failure::refuse(RefusalCode::Busy, "the box is cleaning up; commit again in a minute"))
}

/// Brings the commits to their end that a crash or an older copy of the catalog has left announced.
///
/// Their records were put after everything had been checked, and the machine may have the receipt that is in them: so a
/// record is never deleted on the word of a catalog. What cannot be entered stays, as one that the catalog does not know,
/// and is no reason not to start.
pub(super) fn finish_announced(site: &Site) -> Result<(), OperationError> {
    for id in site.catalog.reader().read(|tx| snapshots::announced(tx))? {
        match finish(site, &id) {
            Ok(()) => tracing::info!(snapshot = %id, "A commit that was cut off is complete now"),
            Err(Failure::Fault(error)) if error.is_durability() => return Err(error),
            Err(failure) => {
                let reason = match &failure {
                    Failure::Refused(refusal) => refusal.sentence.clone(),
                    Failure::Fault(error) => chain(error),
                };
                tracing::warn!(snapshot = %id, reason, "A commit that was cut off cannot be completed");
                match site.catalog.writer().write(|tx| snapshots::retract(tx, &id)).map_err(OperationError::from) {
                    Err(error) if error.is_durability() => return Err(error),
                    // Where the disk is full, the next start tries again.
                    Err(error) => tracing::warn!(snapshot = %id, error = %chain(&error), "It stays announced"),
                    Ok(()) => {}
                }
            }
        }
    }
    Ok(())
}

fn finish(site: &Site, id: &SnapshotId) -> Result<(), Failure> {
    let opened = open_snapshot(site, id)?.map_err(|reason| Failure::refuse(RefusalCode::Corrupt, reason))?;
    let OpenedSnapshot { file, record, machine_key } = &opened;
    let known = site.catalog.reader().read(|tx| machines::by_key(tx, machine_key))?;
    let machine = known.ok_or_else(|| Failure::refuse(RefusalCode::NotFound, "its machine is not known"))?.row;
    let entry = Entry { machine, signed: &file.signed, record, receipt: &file.receipt };
    let last = check_at(site, machine, Proof::Receipt, record)?;
    enter(site, Proof::Receipt, &entry, last)?;
    site.clock.catch_up(file.receipt.received_at);
    Ok(())
}

/// Puts the sealed record beside the packs: with it, packs and a recovery kit are all that a restore needs.
fn put_file(site: &Site, machine: &Machine, entry: &Entry<'_>) -> Result<(), Failure> {
    let id = entry.signed.id();
    let file = SnapshotFile {
        version: VERSION,
        signed: entry.signed.clone(),
        machine_key: machine.public_key.as_bytes().to_vec(),
        receipt: entry.receipt.clone(),
    };
    let sealed = site.vault.recipients.seal(&file.encode())?;
    let mut staged = site.store.stage()?;
    staged.write_all(&sealed)?;
    // Announced first, so that the next start finds what a crash leaves here.
    site.catalog.writer().write(|tx| snapshots::announce(tx, &id)).map_err(OperationError::from)?;
    Ok(site.store.put_new(ObjectName::Snapshot(id), staged)?)
}

struct Entry<'e> {
    machine: MachineRow,
    signed: &'e SignedRecord,
    record: &'e SnapshotRecord,
    receipt: &'e Receipt,
}

impl Entry<'_> {
    fn enter(&self, tx: &rusqlite::Transaction<'_>, mut checked: Checked) -> Result<(), CatalogError> {
        for pack in &checked.revived {
            packs::revive(tx, *pack)?;
        }
        closure::insert_foreign(tx, self.machine, &mut checked.foreign)?;
        closure::insert_nodes(tx, self.machine, &mut checked.nodes)?;
        let Self { machine, signed, record, receipt } = *self;
        snapshots::insert(tx, &NewSnapshot { machine, signed, record, receipt })
    }

    #[cfg(feature = "plant")]
    fn enter_late(self, catalog: crate::catalog::Catalog, checked: Checked) -> Receipt {
        let (machine, signed, record) = (self.machine, self.signed.clone(), self.record.clone());
        let receipt = self.receipt.clone();
        let answer = receipt.clone();
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let entry = Entry { machine, signed: &signed, record: &record, receipt: &receipt };
            if let Err(error) = catalog.writer().write(|tx| entry.enter(tx, checked)) {
                tracing::error!(%error, "The late commit failed");
            }
        });
        answer
    }
}

/// What shows that a machine has had the chunks of others that its snapshot names.
#[derive(Clone, Copy)]
enum Proof<'p> {
    /// What it has shown in its open backup.
    Session(&'p Session),
    /// The box has signed that it was shown all of it.
    Receipt,
}

impl Proof<'_> {
    fn covers(self, id: &ChunkId) -> bool {
        match self {
            Self::Session(session) => session.has_proven(id),
            Self::Receipt => true,
        }
    }
}

/// Checks that everything a snapshot refers to is there for its machine.
fn check(site: &Site, machine: MachineRow, proof: Proof<'_>, record: &SnapshotRecord) -> Result<Checked, Failure> {
    #[cfg(feature = "plant")]
    if super::site::planted("skip-closure-check") {
        // Planted bug: whatever the machine says is believed.
        return Ok(Checked::default());
    }
    let mut check =
        Check { site, machine, proof, nodes: HashSet::new(), foreign: HashSet::new(), revived: HashSet::new() };
    let walked = Walk::new(site)?.snapshot(record, &mut check);
    walked.map_err(|failure| match failure {
        Failure::Fault(OperationError::Node(e)) => {
            Failure::refuse(RefusalCode::Corrupt, format!("the listing of the snapshot is not sound: {e}"))
        }
        other => other,
    })?;
    Ok(Checked {
        nodes: check.nodes.into_iter().collect(),
        foreign: check.foreign.into_iter().collect(),
        revived: check.revived.into_iter().collect(),
    })
}

struct Check<'c> {
    site: &'c Site,
    machine: MachineRow,
    proof: Proof<'c>,
    nodes: HashSet<(ChunkId, NodeKind)>,
    foreign: HashSet<ChunkId>,
    revived: HashSet<PackRow>,
}

/// Finds the places that a machine may use, and remembers what follows from using them.
struct Places<'c> {
    machine: MachineRow,
    proof: Proof<'c>,
    lookup: ClosureLookup<'c>,
    finder: ChunkFinder<'c>,
    found: Vec<ChunkAt>,
    used: Used,
}

/// What follows from the places that were used.
#[derive(Default)]
struct Used {
    foreign: Vec<ChunkId>,
    revived: Vec<PackRow>,
}

impl<'c> Places<'c> {
    fn new(machine: MachineRow, proof: Proof<'c>, lookup: ClosureLookup<'c>, finder: ChunkFinder<'c>) -> Self {
        Self { machine, proof, lookup, finder, found: Vec::new(), used: Used::default() }
    }

    /// The place out of which the machine may use a chunk: its own packs first, packs on their way out last.
    fn usable(&mut self, id: &ChunkId) -> Result<ChunkAt, Failure> {
        self.finder.find(id, &mut self.found)?;
        let usable = |state| self.found.iter().filter(move |p| p.state == state);
        let own = |state| usable(state).find(|p| p.machine == self.machine);
        if let Some(place) = own(PackState::Stored) {
            return Ok(*place);
        }
        if let Some(place) = own(PackState::Condemned) {
            self.used.revived.push(place.pack);
            return Ok(*place);
        }
        let proven = self.proof.covers(id);
        let allowed = self.lookup.may_use_foreign(id)?;
        let of_others = |state| usable(state).find(|p| allowed || proven && p.verified);
        let place =
            of_others(PackState::Stored).or_else(|| of_others(PackState::Condemned)).ok_or_else(|| missing(id))?;
        if place.state == PackState::Condemned {
            self.used.revived.push(place.pack);
        }
        if !allowed {
            self.used.foreign.push(*id);
        }
        Ok(*place)
    }
}

impl Check<'_> {
    fn note(&mut self, used: Used) {
        self.foreign.extend(used.foreign);
        self.revived.extend(used.revived);
    }

    /// Checks that these chunks are there, with the lengths that they should have.
    fn look_for(&self, chunks: &[(ChunkId, u64)]) -> Result<Used, Failure> {
        self.site.catalog.reader().read(|tx| {
            let (lookup, finder) = (ClosureLookup::new(tx, self.machine)?, ChunkFinder::new(tx)?);
            let mut places = Places::new(self.machine, self.proof, lookup, finder);
            for (id, len) in chunks {
                if u64::from(places.usable(id)?.location.len) != *len {
                    return Err(Failure::refuse(
                        RefusalCode::Corrupt,
                        format!("the snapshot was not kept: chunk {id} has another length than its listing says"),
                    ));
                }
            }
            Ok(places.used)
        })
    }
}

fn missing(id: &ChunkId) -> Failure {
    Failure::refuse(
        RefusalCode::ChunksMissing,
        format!(
            "the snapshot was not kept, it refers to data that this machine has not sent (chunk {id}); back up again"
        ),
    )
}

impl Guide for Check<'_> {
    type Error = Failure;

    fn choose(&mut self, nodes: &[NodeRef]) -> Result<Vec<Option<NodePlace>>, Failure> {
        let Self { site, machine, proof, .. } = *self;
        let (chosen, used) = site.catalog.reader().read(|tx| {
            let mut complete = ClosureLookup::new(tx, machine)?;
            let (lookup, finder) = (ClosureLookup::new(tx, machine)?, ChunkFinder::new(tx)?);
            let mut places = Places::new(machine, proof, lookup, finder);
            let mut chosen = Vec::with_capacity(nodes.len());
            for node in nodes {
                let known = !self.nodes.insert((node.id, node.kind));
                if known || complete.is_complete(&node.id, node.kind)? {
                    chosen.push(None);
                    continue;
                }
                chosen.push(Some(NodePlace::of(&places.usable(&node.id)?)));
            }
            Ok::<_, Failure>((chosen, places.used))
        })?;
        self.note(used);
        Ok(chosen)
    }

    fn chunks(&mut self, chunks: &[(ChunkId, u64)]) -> Result<(), Failure> {
        // The machine waits, and has nothing else to do meanwhile.
        for used in shared_out(chunks, &|part| self.look_for(part)) {
            self.note(used?);
        }
        Ok(())
    }
}
