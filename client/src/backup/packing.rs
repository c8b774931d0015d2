//! From compressed segments to packs on the box: one pack is filled while the one before it is sent.
//!
//! At most two packs are in memory. Whoever fills waits while the line is slower.

use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use datis_engine::chunk::seal::FrameEncoder;
use datis_engine::format::directory::ChunkInfo;
use datis_engine::keys::Recipients;
use datis_engine::pack::PackWriter;
use datis_engine::wire::SessionId;

use super::BackupError;
use crate::link::{Link, PackUpload};
use crate::progress::Progress;

/// Takes frames from all workers into the open pack.
pub(super) struct Packer<'r> {
    recipients: &'r Recipients,
    state: Mutex<State>,
}

struct State {
    open: Option<PackWriter>,
    /// Gone once there will be no more packs.
    finished: Option<Sender<PackUpload>>,
}

impl<'r> Packer<'r> {
    pub(super) fn new(recipients: &'r Recipients, finished: Sender<PackUpload>) -> Self {
        Self { recipients, state: Mutex::new(State { open: None, finished: Some(finished) }) }
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
    progress: &Progress,
) -> Result<(), BackupError> {
    let Ok(first) = finished.recv() else { return Ok(()) };
    let mut connection = link.connect()?;
    for pack in std::iter::once(first).chain(finished) {
        connection.put_pack(session, &pack)?;
        progress.packs_sent.add(1);
        progress.bytes_sent.add(pack.line_bytes());
    }
    Ok(())
}
