//! Taking a pack in: its bytes go to a staged file while they are hashed; nothing of it is kept unless its name is right.

use std::sync::Arc;

use datis_engine::format::directory::{Directory, ENCODED_MAX};
use datis_engine::ids::PackId;
use datis_engine::pack::{PACK_MAX, parse_header};
use datis_engine::store::Staged;
use datis_engine::wire::{Refusal, RefusalCode, SessionId};

use super::Machine;
use super::error::Failure;
use super::registrar::{Received, RegistrarQueue};
use super::sessions::Session;
use super::site::{Poison, Site};
use crate::catalog::packs::{self, NewPack, PackState};

/// Length of the directory's length.
const HEAD_LEN: usize = 4;

/// Length of the fixed start of a pack.
const PACK_HEAD_LEN: usize = 12;

/// Bytes are hashed and written in pieces of this many.
const PIECE: usize = 256 << 10;

/// A pack that is coming in. Dropping it before [`Self::finish`] leaves nothing behind.
pub struct PackIntake {
    id: PackId,
    session: Arc<Session>,
    poison: Arc<Poison>,
    queue: RegistrarQueue,
    /// What is still to come of the whole body, in bytes.
    left: u64,
    step: Step,
}

enum Step {
    /// The bytes of the directory and its length, as far as they have come.
    Directory { bytes: Vec<u8>, needed: usize, staged: Staged },
    /// The pack itself.
    Pack(Box<Body>),
    /// The box has it already: what comes is dropped.
    Known,
    /// Something was wrong with it; nothing more is taken.
    Broken,
}

struct Body {
    directory: Directory,
    staged: Staged,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
    /// The first bytes of the pack were looked at.
    checked: bool,
}

/// Begins to take a pack in. `total_len`: length of the whole body in bytes.
///
/// # Errors
/// [`RefusalCode::SessionUnknown`], [`RefusalCode::TooLarge`], [`RefusalCode::Full`]; [`Refusal`].
pub fn receive_pack(
    site: &Site,
    machine: &Machine,
    session: SessionId,
    pack: PackId,
    total_len: u64,
) -> Result<PackIntake, Refusal> {
    try_receive(site, machine, session, pack, total_len).map_err(|failure| site.refusal(failure))
}

fn try_receive(
    site: &Site,
    machine: &Machine,
    session: SessionId,
    id: PackId,
    total_len: u64,
) -> Result<PackIntake, Failure> {
    site.check_running()?;
    let session = site.sessions.find(machine.row, session)?;
    if total_len > PACK_MAX + (HEAD_LEN + ENCODED_MAX) as u64 {
        return Err(Failure::refuse(RefusalCode::TooLarge, format!("pack {id} is longer than any pack may be")));
    }
    let known = site.catalog.reader().read(|tx| packs::by_id(tx, machine.row, &id))?;
    let step = match known.map(|pack| pack.state) {
        Some(PackState::Stored) => Step::Known,
        Some(PackState::Condemned | PackState::Outside | PackState::Damaged) | None => {
            site.check_room(total_len)?;
            Step::Directory { bytes: Vec::new(), needed: HEAD_LEN, staged: site.store.stage()? }
        }
    };
    let (poison, queue) = (Arc::clone(&site.poison), site.registrar.queue());
    Ok(PackIntake { id, session, poison, queue, left: total_len, step })
}

impl PackIntake {
    /// Takes the next bytes of the body, in pieces of any length.
    ///
    /// # Errors
    /// [`RefusalCode::Corrupt`], [`RefusalCode::Full`]; [`Refusal`]. Nothing more is taken afterwards.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        self.session.touch();
        let taken = self.take(piece);
        if taken.is_err() {
            self.step = Step::Broken;
        }
        taken.map_err(|failure| self.poison.refusal(failure))
    }

    fn take(&mut self, mut piece: &[u8]) -> Result<(), Failure> {
        self.left =
            self.left.checked_sub(piece.len() as u64).ok_or_else(|| self.corrupt("it is longer than announced"))?;
        while !piece.is_empty() {
            match &mut self.step {
                Step::Known => return Ok(()),
                Step::Broken => return Err(self.corrupt("an earlier part of it was refused").into()),
                Step::Directory { bytes, needed, .. } => {
                    let (now, later) = piece.split_at(piece.len().min(*needed - bytes.len()));
                    bytes.extend_from_slice(now);
                    piece = later;
                    if bytes.len() == *needed {
                        self.directory_part_complete()?;
                    }
                }
                Step::Pack(body) => {
                    let (now, later) = piece.split_at(piece.len().min(PIECE - body.buffer.len()));
                    body.buffer.extend_from_slice(now);
                    piece = later;
                    if body.buffer.len() == PIECE {
                        self.flush()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Either the length of the directory is complete, or the directory is.
    fn directory_part_complete(&mut self) -> Result<(), Failure> {
        let Step::Directory { bytes, needed, staged } = std::mem::replace(&mut self.step, Step::Broken) else {
            return Ok(());
        };
        if needed == HEAD_LEN {
            let len = bytes.iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            if len == 0 || len > ENCODED_MAX {
                return Err(self.corrupt("its directory has an impossible length").into());
            }
            self.step = Step::Directory { bytes, needed: HEAD_LEN + len, staged };
            return Ok(());
        }
        let directory =
            Directory::decode(&bytes[HEAD_LEN..]).map_err(|e| self.corrupt(&format!("its directory: {e}")))?;
        if directory.segments.is_empty() {
            return Err(self.corrupt("it has no segment").into());
        }
        let buffer = Vec::with_capacity(PIECE);
        let body = Body { directory, staged, hasher: blake3::Hasher::new(), buffer, checked: false };
        self.step = Step::Pack(Box::new(body));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let id = self.id;
        let Step::Pack(body) = &mut self.step else { return Ok(()) };
        if !body.checked {
            check_start(&body.buffer, &body.directory).map_err(|reason| corrupt(&id, reason))?;
            body.checked = true;
        }
        body.hasher.update(&body.buffer);
        body.staged.write_all(&body.buffer)?;
        body.buffer.clear();
        Ok(())
    }

    /// Ends the body. The pack is queued to be made durable; a commit waits for that.
    ///
    /// # Errors
    /// [`RefusalCode::Corrupt`] when the bytes are not what the pack's name or directory says; [`Refusal`].
    pub fn finish(mut self) -> Result<(), Refusal> {
        let finished = self.close();
        finished.map_err(|failure| self.poison.refusal(failure))
    }

    fn close(&mut self) -> Result<(), Failure> {
        if self.left > 0 {
            return Err(self.corrupt("it ends before its announced length").into());
        }
        self.flush()?;
        let body = match std::mem::replace(&mut self.step, Step::Broken) {
            Step::Known => return Ok(()),
            Step::Directory { .. } | Step::Broken => return Err(self.corrupt("it is cut short").into()),
            Step::Pack(body) => *body,
        };
        let bytes = body.staged.len_bytes();
        if body.directory.end_offset() >= bytes {
            return Err(self.corrupt("its directory names more than there is").into());
        }
        if bytes > PACK_MAX {
            return Err(Failure::refuse(
                RefusalCode::TooLarge,
                format!("pack {} is longer than any pack may be", self.id),
            ));
        }
        if PackId::from_bytes(*body.hasher.finalize().as_bytes()) != self.id {
            return Err(self.corrupt("its bytes are not those that its name stands for").into());
        }
        let pack =
            NewPack { id: self.id, machine: self.session.machine, bytes, directory: body.directory, is_copy: false };
        self.session.queued();
        let queued = self.queue.register(Received { pack, staged: body.staged, session: Arc::clone(&self.session) });
        if let Err(refusal) = &queued {
            self.session.registered(Err(refusal.clone()));
        }
        Ok(queued?)
    }

    fn corrupt(&self, reason: &str) -> Refusal {
        corrupt(&self.id, reason)
    }
}

fn corrupt(id: &PackId, reason: &str) -> Refusal {
    Refusal::new(RefusalCode::Corrupt, format!("pack {id} was not kept, it did not arrive as it was made: {reason}"))
}

/// The pack must start like one, and its first segment must stand where the directory says.
fn check_start(start: &[u8], directory: &Directory) -> Result<(), &'static str> {
    let head = start.first_chunk::<PACK_HEAD_LEN>().ok_or("it is too short")?;
    let age_len = parse_header(head).map_err(|_| "it does not start like a pack")?;
    if directory.first_offset as usize == PACK_HEAD_LEN + age_len {
        Ok(())
    } else {
        Err("its directory does not fit its header")
    }
}
