//! Copies chunks out of checked packs of one machine into new packs of the same machine, each chunk hashed on the way.
//!
//! A copy is put and entered like a pack that came in, so that after a crash the chunks are there twice and never less
//! than once. What becomes of the old packs is up to the caller. Memory: one pack and two segments.

use std::collections::HashSet;

use datis_engine::chunk::seal::{Effort, FrameDecoder, FrameEncoder, SEGMENT_PLAIN_MAX};
use datis_engine::format::directory::ChunkInfo;
use datis_engine::ids::{ChunkId, Witness};
use datis_engine::pack::{FinishedPack, PACK_MAX, PackWriter};
use datis_engine::store::ObjectName;

use super::OperationError;
use super::pace::Pace;
use super::site::{Site, lock};
use super::verify::read_directory;
use crate::catalog::packs::{NewPack, Pack};
use crate::catalog::{CatalogError, MachineRow, chunks, packs};

/// Copies for one machine.
pub(super) struct Copier<'s> {
    site: &'s Site,
    machine: MachineRow,
    encoder: FrameEncoder,
    decoder: FrameDecoder,
    writer: Option<PackWriter>,
    /// The next segment, and what is in it.
    plain: Vec<u8>,
    infos: Vec<ChunkInfo>,
    witnesses: Vec<(ChunkId, Witness)>,
    copied: HashSet<ChunkId>,
    /// Bytes of the packs that were made.
    pub(super) written_bytes: u64,
}

impl<'s> Copier<'s> {
    pub(super) fn new(site: &'s Site, machine: MachineRow) -> Result<Self, OperationError> {
        Ok(Self {
            site,
            machine,
            encoder: FrameEncoder::new(Effort::Mixed)?,
            decoder: FrameDecoder::new()?,
            writer: None,
            plain: Vec::new(),
            infos: Vec::new(),
            witnesses: Vec::new(),
            copied: HashSet::new(),
            written_bytes: 0,
        })
    }

    /// Copies those chunks of `pack` that are `wanted`.
    ///
    /// Nothing may be done to `pack` before [`Self::finish`] has returned.
    pub(super) fn copy(
        &mut self,
        pack: &Pack,
        wanted: &dyn Fn(&ChunkId) -> Result<bool, OperationError>,
        pace: Pace,
    ) -> Result<(), OperationError> {
        let directory = read_directory(self.site, &pack.id).map_err(|error| self.judged(error))?;
        let opened = self.site.open_pack(pack.row)?;
        let mut chunks = directory.chunks.iter();
        let mut segment_bytes = Vec::new();
        for (segment, info) in (0_u32..).zip(&directory.segments) {
            let mut offset = 0_usize;
            let mut take = Vec::new();
            for chunk in chunks.by_ref().take(info.chunks as usize) {
                if wanted(&chunk.id)? && !self.copied.contains(&chunk.id) {
                    take.push((*chunk, offset));
                }
                offset += chunk.len as usize;
            }
            if take.is_empty() {
                continue;
            }
            self.site.breathe(pace)?;
            self.site.read_plain(&opened, segment, &mut self.decoder, &mut segment_bytes)?;
            for (chunk, offset) in take {
                let bytes = segment_bytes.get(offset..offset + chunk.len as usize);
                let bytes = bytes.ok_or_else(|| self.site.found_damaged(&pack.id, "a short segment"))?;
                self.add(pack, &chunk, bytes)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, pack: &Pack, chunk: &ChunkInfo, bytes: &[u8]) -> Result<(), OperationError> {
        let (id, witness) = self.site.vault.keys.name(bytes);
        if id != chunk.id {
            return Err(self.site.found_damaged(&pack.id, "a chunk is not what its id says"));
        }
        if !self.copied.insert(id) {
            return Ok(());
        }
        if self.plain.len() + bytes.len() > SEGMENT_PLAIN_MAX {
            self.end_segment()?;
        }
        self.plain.extend_from_slice(bytes);
        self.infos.push(*chunk);
        self.witnesses.push((id, witness));
        Ok(())
    }

    fn end_segment(&mut self) -> Result<(), OperationError> {
        if self.infos.is_empty() {
            return Ok(());
        }
        if self.writer.as_ref().is_some_and(|writer| writer.is_full_for(self.infos.len())) {
            self.end_pack()?;
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(PackWriter::create(&self.site.vault.recipients)?),
        };
        writer.push(self.encoder.encode(&self.plain, SEGMENT_PLAIN_MAX)?, &self.infos);
        self.plain.clear();
        self.infos.clear();
        Ok(())
    }

    fn end_pack(&mut self) -> Result<(), OperationError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        // Witnesses of the segment that waits stay for the next pack.
        let later = self.witnesses.split_off(self.witnesses.len() - self.infos.len());
        let mut witnesses = std::mem::replace(&mut self.witnesses, later);
        let finished = writer.finish(&mut self.encoder)?;
        self.written_bytes += finished.bytes.len() as u64;
        enter(self.site, self.machine, finished, &mut witnesses)
    }

    /// Ends the last pack. When this returns, everything that was copied is durable and entered.
    pub(super) fn finish(mut self) -> Result<u64, OperationError> {
        self.end_segment()?;
        self.end_pack()?;
        Ok(self.written_bytes)
    }

    fn judged(&self, error: OperationError) -> OperationError {
        match error {
            OperationError::DamagedPack { pack, reason } => self.site.found_damaged(&pack, &reason),
            other => other,
        }
    }
}

/// Puts a pack that the box itself made and enters it as checked, since every chunk of it was just hashed.
fn enter(
    site: &Site,
    machine: MachineRow,
    pack: FinishedPack,
    witnesses: &mut [(ChunkId, Witness)],
) -> Result<(), OperationError> {
    let mut staged = site.store.stage()?;
    staged.write_all(&pack.bytes)?;
    let (id, bytes) = (pack.id, pack.bytes.len() as u64);
    // Until its row is written nobody may take the object for one that nothing needs.
    let _gate = lock(&site.objects);
    site.store.put_new(ObjectName::Pack(id), staged)?;
    let at = site.clock.now();
    let entered = site.catalog.writer().write(|tx| {
        packs::insert_many(tx, &[NewPack { id, machine, bytes, directory: pack.directory, is_copy: true }], at)?;
        let row = packs::by_id(tx, machine, &id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?.row;
        chunks::set_witnesses(tx, row, witnesses)?;
        packs::mark_verified(tx, row, at)
    });
    entered.map_err(|e: CatalogError| site.noted(e.into()))
}

/// Whether there is room for another pack beside what must stay free.
pub(super) fn has_room(site: &Site) -> Result<bool, OperationError> {
    use super::error::Failure;
    match site.check_room(PACK_MAX) {
        Ok(()) => Ok(true),
        Err(Failure::Refused(_)) => Ok(false),
        Err(Failure::Fault(error)) => Err(error),
    }
}
