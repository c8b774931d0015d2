//! Packs whose key is open: segments are read and opened here, for machines that restore and for walks over listings.

use std::sync::{Arc, Mutex};

use datis_engine::chunk::seal::{FrameDecoder, PackCipher, Place, SEGMENT_PLAIN_MAX, TAG_LEN};
use datis_engine::format::directory::{Directory, SegmentInfo};
use datis_engine::ids::PackId;
use datis_engine::keys::PackKey;
use datis_engine::pack::parse_header;
use datis_engine::store::{ObjectName, StoreError};

use super::OperationError;
use super::error::chain;
use super::site::{Site, lock};
use crate::catalog::{CatalogError, PackRow, packs};
use crate::vault::Vault;

/// How many packs stay open: each is a key and 20 bytes a segment, some 10 KiB at most.
const OPEN_MAX: usize = 64;

/// The packs that were used last.
#[derive(Default)]
pub(super) struct OpenedPacks(Mutex<Vec<Arc<OpenedPack>>>);

/// A pack whose key is open.
pub(super) struct OpenedPack {
    pub(super) row: PackRow,
    pub(super) id: PackId,
    cipher: PackCipher,
    segments: Vec<(u64, SegmentInfo)>,
}

impl OpenedPack {
    /// Length of a segment's plain bytes; `None` when there is no such segment.
    pub(super) fn plain_len(&self, segment: u32) -> Option<u32> {
        self.segments.get(segment as usize).map(|(_, info)| info.plain_len)
    }
}

impl Site {
    /// The pack with its key open.
    pub(super) fn open_pack(&self, row: PackRow) -> Result<Arc<OpenedPack>, OperationError> {
        let known = {
            let mut open = lock(&self.opened.0);
            let at = open.iter().position(|pack| pack.row == row);
            at.map(|at| {
                // The one used last stands at the end.
                let pack = open.remove(at);
                open.push(Arc::clone(&pack));
                pack
            })
        };
        if let Some(pack) = known {
            return Ok(pack);
        }
        let (pack, directory) = self.catalog.reader().read(|tx| {
            let pack = packs::by_row(tx, row)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            Ok::<_, CatalogError>((pack, packs::segments(tx, row)?))
        })?;
        let cipher = self.open_cipher(&pack.id, &directory)?;
        let segments = directory.offsets().zip(directory.segments.iter().copied()).collect();
        let opened = Arc::new(OpenedPack { row, id: pack.id, cipher, segments });
        let mut open = lock(&self.opened.0);
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push(Arc::clone(&opened));
        Ok(opened)
    }

    fn open_cipher(&self, id: &PackId, directory: &Directory) -> Result<PackCipher, OperationError> {
        let header = self.read_pack(id, 0, directory.first_offset as usize)?;
        cipher_of(&self.vault, &header).map_err(|reason| self.found_damaged(id, &reason))
    }

    /// The opened frame of one segment. The seal was checked, the hashes of its chunks were not.
    pub(super) fn read_frame(&self, pack: &OpenedPack, segment: u32) -> Result<Vec<u8>, OperationError> {
        let (offset, info) =
            pack.segments.get(segment as usize).ok_or_else(|| self.found_damaged(&pack.id, "it lacks a segment"))?;
        let mut sealed = self.read_pack(&pack.id, *offset, info.sealed_len as usize)?;
        let opened = pack.cipher.open(Place::Segment(segment), &mut sealed).map(<[u8]>::len);
        opened.map_err(|e| self.found_damaged(&pack.id, &format!("segment {segment}: {e}")))?;
        sealed.truncate(sealed.len() - TAG_LEN);
        Ok(sealed)
    }

    /// The plain bytes of one segment. `plain` is replaced.
    pub(super) fn read_plain(
        &self,
        pack: &OpenedPack,
        segment: u32,
        decoder: &mut FrameDecoder,
        plain: &mut Vec<u8>,
    ) -> Result<(), OperationError> {
        let frame = self.read_frame(pack, segment)?;
        let expected = pack.plain_len(segment).unwrap_or(0) as usize;
        decoder
            .decode(&frame, expected, SEGMENT_PLAIN_MAX, plain)
            .map_err(|e| self.found_damaged(&pack.id, &format!("segment {segment}: {e}")))
    }

    fn read_pack(&self, id: &PackId, offset: u64, len: usize) -> Result<Vec<u8>, OperationError> {
        let read = self.store.read_range(ObjectName::Pack(*id), offset, len);
        read.map_err(|error| {
            // A disk that cannot be read may be readable again: then nothing is written down about the pack.
            let gone = !matches!(error, StoreError::Io { .. });
            match as_damage(id, error) {
                OperationError::DamagedPack { reason, .. } if gone => self.found_damaged(id, &reason),
                other => other,
            }
        })
    }

    /// Writes down that a pack is damaged, so that nobody refers to it anew.
    pub(super) fn found_damaged(&self, id: &PackId, reason: &str) -> OperationError {
        tracing::error!(pack = %id, reason, "Pack `{id}` is damaged");
        let marked = self.catalog.writer().write(|tx| {
            self.sweeps.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            packs::mark_damaged(tx, id)
        });
        match marked {
            Ok(()) => OperationError::DamagedPack { pack: *id, reason: reason.to_owned() },
            Err(error) => self.noted(error.into()),
        }
    }
}

/// The cipher of the pack that starts with `header`: magic, length and age file. `Err` says what is wrong with it.
pub(super) fn cipher_of(vault: &Vault, header: &[u8]) -> Result<PackCipher, String> {
    let (head, age) = header.split_first_chunk::<12>().ok_or("it is cut short")?;
    if parse_header(head).map_err(|e| e.to_string())? != age.len() {
        return Err("its directory does not fit its header".to_owned());
    }
    let key = vault.identity.open(age, 32).map_err(|e| format!("its key {e}"))?;
    let key: [u8; 32] = key.as_slice().try_into().map_err(|_| "its key is too short")?;
    Ok(PackCipher::new(&PackKey::from_bytes(key)))
}

/// An object that is gone, cut short or unreadable is a damaged pack; everything else is a fault of the box.
pub(super) fn as_damage(id: &PackId, error: StoreError) -> OperationError {
    match error {
        StoreError::Absent { .. } | StoreError::Short { .. } | StoreError::TooLong { .. } | StoreError::Io { .. } => {
            OperationError::DamagedPack { pack: *id, reason: chain(&error) }
        }
        other => other.into(),
    }
}
