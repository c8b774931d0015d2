//! From compressed segments to packs on the box: one pack is filled while the one before it is sent.
//!
//! At most two packs are in memory. Whoever fills waits while the line is slower; while the line has nothing to do, half a
//! pack is enough to go, so that less is left to send and to keep at the end, when nothing else is going on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use datis_engine::chunk::seal::FrameEncoder;
use datis_engine::format::directory::ChunkInfo;
use datis_engine::keys::Recipients;
use datis_engine::pack::{PACK_TARGET, PackWriter};
use datis_engine::wire::SessionId;

use super::BackupError;
use crate::link::{Link, PackUpload};
use crate::progress::Progress;

/// As much goes to a line that has nothing to do, in bytes.
const IDLE_TARGET: usize = PACK_TARGET / 2;

/// Whether the uploader waits for a pack.
#[derive(Debug, Default)]
pub(super) struct Line {
    is_idle: AtomicBool,
}

/// Takes frames from all workers into the open pack.
pub(super) struct Packer<'r> {
    recipients: &'r Recipients,
    line: &'r Line,
    state: Mutex<State>,
}

struct State {
    open: Option<PackWriter>,
    /// Gone once there will be no more packs.
    finished: Option<Sender<PackUpload>>,
}

impl<'r> Packer<'r> {
    pub(super) fn new(recipients: &'r Recipients, line: &'r Line, finished: Sender<PackUpload>) -> Self {
        Self { recipients, line, state: Mutex::new(State { open: None, finished: Some(finished) }) }
    }

    /// Adds a segment; sends the pack off when it is full, and waits for that.
    pub(super) fn push(
        &self,
        frame: Vec<u8>,
        chunks: &[ChunkInfo],
        encoder: &mut FrameEncoder,
    ) -> Result<(), BackupError> {
        // Held while a full pack waits for the line, so that no third one is begun meanwhile.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open.as_ref().is_some_and(|pack| pack.is_full_for(chunks.len())) {
            state.send(encoder)?;
        }
        let pack = match &mut state.open {
            Some(pack) => pack,
            none => none.insert(PackWriter::create(self.recipients)?),
        };
        pack.push(frame, chunks);
        if pack.bytes() >= IDLE_TARGET && self.line.is_idle.load(Ordering::Relaxed) {
            state.send(encoder)?;
        }
        Ok(())
    }

    /// Sends off what is left, and tells the uploader that this was all.
    pub(super) fn finish(&self, encoder: &mut FrameEncoder) -> Result<(), BackupError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = state.send(encoder);
        state.finished = None;
        sent
    }

    /// Tells the uploader that there is no more; what is left is dropped.
    pub(super) fn abort(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open = None;
        state.finished = None;
    }
}

impl State {
    fn send(&mut self, encoder: &mut FrameEncoder) -> Result<(), BackupError> {
        let Some(pack) = self.open.take() else { return Ok(()) };
        let upload = PackUpload::new(pack.finish(encoder)?);
        // The receiver is gone only after it has failed; its own error is the one to report.
        let sent = self.finished.as_ref().map(|finished| finished.send(upload));
        if let Some(Ok(())) = sent { Ok(()) } else { Err(BackupError::Stopped) }
    }
}

/// Sends packs until there are no more.
pub(super) fn upload(
    link: &Link,
    session: SessionId,
    finished: Receiver<PackUpload>,
    line: &Line,
    progress: &Progress,
) -> Result<(), BackupError> {
    let mut connection = None;
    loop {
        line.is_idle.store(true, Ordering::Relaxed);
        let Ok(pack) = finished.recv() else { return Ok(()) };
        line.is_idle.store(false, Ordering::Relaxed);
        let connection = match &mut connection {
            Some(connection) => connection,
            none => none.insert(link.connect()?),
        };
        connection.put_pack(session, &pack)?;
        progress.packs_sent.add(1);
        progress.bytes_sent.add(pack.line_bytes());
    }
}
