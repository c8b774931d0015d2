//! The end of a backup: everything it refers to is checked to be there, then it is made visible, then acknowledged.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datis_engine::format::VERSION;
use datis_engine::format::snapshot::{
    OpenRecordError, Receipt, SNAPSHOT_FILE_MAX, SignedRecord, SnapshotFile, SnapshotRecord,
};
use datis_engine::ids::{ChunkId, SnapshotId};
use datis_engine::store::ObjectName;
use datis_engine::wire::{Commit, Refusal, RefusalCode};

use super::Machine;
use super::error::{Failure, OperationError};
use super::lookups::shared_out;
use super::sessions::Session;
use super::site::{Site, lock};
use super::walk::{Guide, NodePlace, NodeRef, Walk};
use crate::catalog::chunks::{ChunkAt, ChunkFinder};
use crate::catalog::closure::{ClosureLookup, NodeKind};
use crate::catalog::packs::PackState;
use crate::catalog::snapshots::NewSnapshot;
use crate::catalog::{CatalogError, MachineRow, PackRow, closure, packs, snapshots};

/// How often a commit checks again when collection got in between; that happens once a day at most.
const ATTEMPTS: usize = 4;

/// Ends a backup. When this returns `Ok`, the snapshot survives a power cut. A commit that was answered already is
/// answered again in the same way.
///
/// # Errors
/// [`RefusalCode::SessionUnknown`], [`RefusalCode::BadSignature`], [`RefusalCode::ChunksMissing`],
/// [`RefusalCode::Corrupt`], [`RefusalCode::Full`]; [`Refusal`].
pub fn commit(site: &Site, machine: &Machine, message: &Commit) -> Result<Receipt, Refusal> {
    try_commit(site, machine, message).map_err(|failure| site.refusal(failure))
}

fn try_commit(site: &Site, machine: &Machine, message: &Commit) -> Result<Receipt, Failure> {
    site.check_running()?;
    let signed = &message.signed;
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
    let _claim = Claim::take(site, signed.id())?;
    let receipt = check_and_enter(site, machine, &session, signed, &record)?;
    site.sessions.close(session.id);
    Ok(receipt)
}

/// Of two requests for the same snapshot, the one that failed must not take away what the other one has put.
struct Claim<'c> {
    site: &'c Site,
    id: SnapshotId,
}

impl<'c> Claim<'c> {
    fn take(site: &'c Site, id: SnapshotId) -> Result<Self, Failure> {
        if lock(&site.committing).insert(id) {
            return Ok(Self { site, id });
        }
        Err(Failure::refuse(RefusalCode::Busy, "this snapshot is being kept already; ask again in a moment"))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        lock(&self.site.committing).remove(&self.id);
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
    session: &Arc<Session>,
    signed: &SignedRecord,
    record: &SnapshotRecord,
) -> Result<Receipt, Failure> {
    let (checked, sweeps) = check_at(site, machine, session, record)?;
    // A request before this one may have kept it meanwhile.
    if let Some(receipt) = given_before(site, machine, &signed.id())? {
        return Ok(receipt);
    }
    let receipt = put_file(site, machine, signed)?;
    let entry = Entry { machine: machine.row, signed, record, receipt: &receipt };
    #[cfg(feature = "plant")]
    if super::site::planted("ack-before-commit") {
        // Planted bug: the receipt is given while the transaction is still to come.
        return Ok(entry.enter_late(site.catalog.clone(), checked));
    }
    match enter(site, machine, session, &entry, (checked, sweeps)) {
        Ok(()) => Ok(receipt),
        Err(failure) => {
            if site.check_running().is_ok() {
                site.withdraw(&signed.id())?;
            }
            Err(failure)
        }
    }
}

/// A check, and how many sweeps there had been before it.
type CheckedAt = (Checked, u64);

fn check_at(site: &Site, machine: &Machine, session: &Session, record: &SnapshotRecord) -> Result<CheckedAt, Failure> {
    // Counted up within transactions: read in the middle of one, it would be new while what is checked is still old.
    let sweeps = site.catalog.writer().between(|| site.sweeps.load(Ordering::SeqCst));
    Ok((check(site, machine, session, record)?, sweeps))
}

/// Makes the snapshot visible, after another check where collection has got in between.
fn enter(
    site: &Site,
    machine: &Machine,
    session: &Session,
    entry: &Entry<'_>,
    mut last: CheckedAt,
) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let (checked, sweeps) = last;
        let entered = site.catalog.writer().write(|tx| {
            if site.sweeps.load(Ordering::SeqCst) != sweeps {
                return Ok(false);
            }
            entry.enter(tx, checked).map(|()| true)
        });
        if entered.map_err(|e: CatalogError| site.noted(e.into()))? {
            return Ok(());
        }
        last = check_at(site, machine, session, entry.record)?;
    }
    Err(Failure::refuse(RefusalCode::Busy, "the box is cleaning up; commit again in a minute"))
}

/// Puts the sealed record beside the packs: with it, packs and a recovery kit are all that a restore needs.
fn put_file(site: &Site, machine: &Machine, signed: &SignedRecord) -> Result<Receipt, Failure> {
    let receipt = Receipt::sign(signed.id(), site.clock.stamp(), &site.vault.receipt_key);
    let file = SnapshotFile {
        version: VERSION,
        signed: signed.clone(),
        machine_key: machine.public_key.as_bytes().to_vec(),
        receipt: receipt.clone(),
    };
    let sealed = site.vault.recipients.seal(&file.encode())?;
    let id = signed.id();
    let mut staged = site.store.stage()?;
    staged.write_all(&sealed)?;
    // Announced first: by that, what a crash leaves of a commit differs from what a catalog that is behind has lost.
    site.catalog.writer().write(|tx| snapshots::announce(tx, &id)).map_err(OperationError::from)?;
    site.store.put_new(ObjectName::Snapshot(id), staged)?;
    Ok(receipt)
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

fn check(site: &Site, machine: &Machine, session: &Session, record: &SnapshotRecord) -> Result<Checked, Failure> {
    #[cfg(feature = "plant")]
    if super::site::planted("skip-closure-check") {
        // Planted bug: whatever the machine says is believed.
        return Ok(Checked::default());
    }
    check_closure(site, machine.row, Some(session), record)
}

/// Checks that everything a snapshot refers to is there for its machine. Without a session, chunks of other machines
/// count only if the machine may use them already.
fn check_closure(
    site: &Site,
    machine: MachineRow,
    session: Option<&Session>,
    record: &SnapshotRecord,
) -> Result<Checked, Failure> {
    let mut check =
        Check { site, machine, session, nodes: HashSet::new(), foreign: HashSet::new(), revived: HashSet::new() };
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
    session: Option<&'c Session>,
    nodes: HashSet<(ChunkId, NodeKind)>,
    foreign: HashSet<ChunkId>,
    revived: HashSet<PackRow>,
}

/// Finds the places that a machine may use, and remembers what follows from using them.
struct Places<'c> {
    machine: MachineRow,
    session: Option<&'c Session>,
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
    fn new(
        tx: &'c rusqlite::Connection,
        machine: MachineRow,
        session: Option<&'c Session>,
    ) -> Result<Self, CatalogError> {
        Ok(Self {
            machine,
            session,
            lookup: ClosureLookup::new(tx, machine)?,
            finder: ChunkFinder::new(tx)?,
            found: Vec::new(),
            used: Used::default(),
        })
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
        let proven = self.session.is_some_and(|session| session.has_proven(id));
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
            let mut places = Places::new(tx, self.machine, self.session)?;
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
        let Self { site, machine, session, .. } = *self;
        let (chosen, used) = site.catalog.reader().read(|tx| {
            let mut complete = ClosureLookup::new(tx, machine)?;
            let mut places = Places::new(tx, machine, session)?;
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
