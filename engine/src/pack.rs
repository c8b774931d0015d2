//! Packs: files of sealed segments that nobody needs a database to read.
//!
//! ```text
//! "DATISPK" 01 | age length u32 | age file: the pack key | sealed segments … | sealed directory | trailer
//! trailer: directory offset u64 | sealed length u32 | plain length u32 | "DATISEND"      (numbers least byte first)
//! ```
//! The whole is described for strangers in `docs/FORMAT.md`.

use std::io::{Read, Seek, SeekFrom};

use crate::chunk::seal::{FrameDecoder, FrameEncoder, PackCipher, Place, SEGMENT_PLAIN_MAX, SealError, TAG_LEN};
use crate::format::FormatError;
use crate::format::directory::{CHUNKS_MAX, ChunkInfo, Directory, ENCODED_MAX, SEGMENTS_MAX, SegmentInfo};
use crate::ids::PackId;
use crate::keys::{KeyError, PackKey, Recipients, VaultIdentity};

/// A pack is finished once it has this many bytes.
pub const PACK_TARGET: usize = 32 << 20;

/// No pack is longer: a full one, one more segment, the directory and both ends.
pub const PACK_MAX: u64 = (PACK_TARGET + SEGMENT_PLAIN_MAX + ENCODED_MAX + (64 << 10)) as u64;

const MAGIC: &[u8; 8] = b"DATISPK\x01";
const END_MAGIC: &[u8; 8] = b"DATISEND";
const TRAILER_LEN: usize = 24;
const AGE_MAX: usize = 16 << 10;
const WHAT: &str = "pack";

/// What can go wrong with a pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Cannot be read from where it is.
    #[error("the pack cannot be read")]
    Io(#[from] std::io::Error),
    /// Not a pack, or damaged, or of a later version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The key in its header does not open.
    #[error("the pack key cannot be opened")]
    Key(#[from] KeyError),
    /// A segment or the directory cannot be opened.
    #[error("the pack cannot be opened")]
    Seal(#[from] SealError),
}

/// A finished pack, in memory.
#[derive(Debug, Clone)]
pub struct FinishedPack {
    /// Its name.
    pub id: PackId,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub directory: Directory,
}

/// Builds one pack in memory.
pub struct PackWriter {
    cipher: PackCipher,
    bytes: Vec<u8>,
    hasher: blake3::Hasher,
    directory: Directory,
}

impl PackWriter {
    /// Starts a pack with a key of its own that the recipients can open.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn create(recipients: &Recipients) -> Result<Self, KeyError> {
        let key = PackKey::generate()?;
        let age = recipients.seal(key.expose())?;
        let mut bytes = Vec::with_capacity(1 << 20);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length_u32(age.len()).to_le_bytes());
        bytes.extend_from_slice(&age);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        let directory = Directory { first_offset: length_u32(bytes.len()), ..Directory::default() };
        Ok(Self { cipher: PackCipher::new(&key), bytes, hasher, directory })
    }

    /// Seals the next segment: `frame` is [`FrameEncoder::encode`]'s result for the `chunks` one after the other.
    pub fn push(&mut self, mut frame: Vec<u8>, chunks: &[ChunkInfo]) {
        self.cipher.seal(Place::Segment(length_u32(self.directory.segments.len())), &mut frame);
        self.directory.segments.push(SegmentInfo {
            sealed_len: length_u32(frame.len()),
            plain_len: chunks.iter().map(|c| c.len).sum(),
            chunks: length_u32(chunks.len()),
        });
        self.directory.chunks.extend_from_slice(chunks);
        self.hasher.update(&frame);
        self.bytes.extend_from_slice(&frame);
    }

    /// Whether nothing has been added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.directory.segments.is_empty()
    }

    /// How long it is so far, in bytes, without its directory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it is time to finish: long enough, or a segment of `chunks` more chunks would be too many.
    #[must_use]
    pub fn is_full_for(&self, chunks: usize) -> bool {
        self.bytes.len() >= PACK_TARGET
            || self.directory.chunks.len() + chunks > CHUNKS_MAX
            || self.directory.segments.len() == SEGMENTS_MAX
    }

    /// Adds the directory and the trailer, and names the pack.
    ///
    /// # Errors
    /// [`SealError::Encode`].
    pub fn finish(mut self, encoder: &mut FrameEncoder) -> Result<FinishedPack, SealError> {
        let plain = self.directory.encode();
        let mut frame = encoder.encode(&plain, ENCODED_MAX)?;
        self.cipher.seal(Place::Directory, &mut frame);
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(&frame);
        self.bytes.extend_from_slice(&(offset as u64).to_le_bytes());
        self.bytes.extend_from_slice(&length_u32(frame.len()).to_le_bytes());
        self.bytes.extend_from_slice(&length_u32(plain.len()).to_le_bytes());
        self.bytes.extend_from_slice(END_MAGIC);
        self.hasher.update(&self.bytes[offset..]);
        let id = PackId::from_bytes(*self.hasher.finalize().as_bytes());
        Ok(FinishedPack { id, bytes: self.bytes, directory: self.directory })
    }
}

/// Every length in a pack is bounded far below 4 GiB; [`PACK_MAX`] says why.
fn length_u32(len: usize) -> u32 {
    match u32::try_from(len) {
        Ok(len) => len,
        Err(_) => unreachable!("a length in a pack is below 4 GiB"),
    }
}

/// Names a pack by reading all of it.
///
/// # Errors
/// What reading gives.
pub fn name_pack(reader: &mut dyn Read) -> std::io::Result<PackId> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(PackId::from_bytes(*hasher.finalize().as_bytes()));
        }
        hasher.update(&buffer[..count]);
    }
}

/// The fixed start of a pack: where its age file ends.
///
/// # Errors
/// [`FormatError`] when this is no pack, or one of a later version.
pub fn parse_header(start: &[u8; 12]) -> Result<usize, FormatError> {
    let (magic, len) = start.split_at(8);
    if magic[..7] != MAGIC[..7] {
        return Err(FormatError::damaged(WHAT, "it does not start like a pack"));
    }
    if magic[7] != MAGIC[7] {
        return Err(FormatError::Future { what: WHAT, found: u64::from(magic[7]) });
    }
    let len = len.iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    if len == 0 || len > AGE_MAX { Err(FormatError::damaged(WHAT, "its age file is too long")) } else { Ok(len) }
}

/// An opened pack: key and directory in memory, segments read as they are asked for.
pub struct PackReader<R> {
    source: R,
    cipher: PackCipher,
    directory: Directory,
    offsets: Vec<u64>,
}

impl<R: Read + Seek> PackReader<R> {
    /// Opens the header and the directory.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn open(mut source: R, identity: &VaultIdentity) -> Result<Self, PackError> {
        let cipher = Self::open_key(&mut source, identity)?;
        let directory = Self::open_directory(&mut source, &cipher)?;
        let offsets = directory.offsets().collect();
        Ok(Self { source, cipher, directory, offsets })
    }

    /// Opens a pack whose directory is known already (from a catalog that took it in).
    ///
    /// # Errors
    /// [`PackError`].
    pub fn open_known(mut source: R, identity: &VaultIdentity, directory: Directory) -> Result<Self, PackError> {
        let cipher = Self::open_key(&mut source, identity)?;
        let offsets = directory.offsets().collect();
        Ok(Self { source, cipher, directory, offsets })
    }

    fn open_key(source: &mut R, identity: &VaultIdentity) -> Result<PackCipher, PackError> {
        source.seek(SeekFrom::Start(0))?;
        let mut start = [0_u8; 12];
        read_exactly(source, &mut start)?;
        let mut age = vec![0; parse_header(&start)?];
        read_exactly(source, &mut age)?;
        let key = identity.open(&age, 32)?;
        let key: [u8; 32] =
            key.as_slice().try_into().map_err(|_| FormatError::damaged(WHAT, "its key is not 32 bytes long"))?;
        Ok(PackCipher::new(&PackKey::from_bytes(key)))
    }

    fn open_directory(source: &mut R, cipher: &PackCipher) -> Result<Directory, PackError> {
        let damaged = |reason: &str| PackError::from(FormatError::damaged(WHAT, reason));
        let len = source.seek(SeekFrom::End(0))?;
        let trailer_at = len.checked_sub(TRAILER_LEN as u64).ok_or_else(|| damaged("it is cut short"))?;
        source.seek(SeekFrom::Start(trailer_at))?;
        let mut trailer = [0_u8; TRAILER_LEN];
        read_exactly(source, &mut trailer)?;
        if trailer[16..] != END_MAGIC[..] {
            return Err(damaged("it does not end like a pack"));
        }
        let number = |range: std::ops::Range<usize>| {
            trailer[range].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let (offset, sealed_len, plain_len) = (number(0..8), number(8..12), number(12..16));
        if offset.checked_add(sealed_len) != Some(trailer_at) || sealed_len > (ENCODED_MAX + TAG_LEN + 1) as u64 {
            return Err(damaged("its trailer contradicts its length"));
        }
        source.seek(SeekFrom::Start(offset))?;
        let mut sealed = vec![0; usize::try_from(sealed_len).map_err(|_| damaged("too long"))?];
        read_exactly(source, &mut sealed)?;
        let frame = cipher.open(Place::Directory, &mut sealed)?;
        let mut plain = Vec::new();
        let plain_len = usize::try_from(plain_len).map_err(|_| damaged("too long"))?;
        FrameDecoder::new()?.decode(frame, plain_len, ENCODED_MAX, &mut plain)?;
        let directory = Directory::decode(&plain)?;
        if directory.end_offset() == offset {
            Ok(directory)
        } else {
            Err(damaged("its directory contradicts its length"))
        }
    }

    /// What is in the pack.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The frame of one segment, opened but not decoded.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn frame(&mut self, segment: u32) -> Result<Vec<u8>, PackError> {
        let damaged = || FormatError::damaged(WHAT, "it has no such segment");
        let info = self.directory.segments.get(segment as usize).ok_or_else(damaged)?;
        let offset = self.offsets.get(segment as usize).ok_or_else(damaged)?;
        self.source.seek(SeekFrom::Start(*offset))?;
        let mut sealed = vec![0; info.sealed_len as usize];
        read_exactly(&mut self.source, &mut sealed)?;
        self.cipher.open(Place::Segment(segment), &mut sealed)?;
        sealed.truncate(sealed.len() - TAG_LEN);
        Ok(sealed)
    }

    /// The plain bytes of one segment: all its chunks one after the other. `plain` is replaced.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn segment(&mut self, segment: u32, decoder: &mut FrameDecoder, plain: &mut Vec<u8>) -> Result<(), PackError> {
        let frame = self.frame(segment)?;
        let expected = self.directory.segments.get(segment as usize).map_or(0, |info| info.plain_len as usize);
        Ok(decoder.decode(&frame, expected, SEGMENT_PLAIN_MAX, plain)?)
    }
}

/// A short file is damage, not an I/O error.
fn read_exactly(source: &mut dyn Read, buffer: &mut [u8]) -> Result<(), PackError> {
    source.read_exact(buffer).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => PackError::Format(FormatError::damaged(WHAT, "it is cut short")),
        _ => PackError::Io(e),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::chunk::seal::Effort;
    use crate::ids::ChunkId;
    use crate::keys::{ChunkKeys, DedupSecret};

    fn pack_of(segments: &[Vec<Vec<u8>>], identity: &VaultIdentity) -> FinishedPack {
        let keys = ChunkKeys::derive(&DedupSecret::from_bytes([1; 32]));
        let recipients = Recipients::parse(&[identity.recipient()]).expect("recipients");
        let mut encoder = FrameEncoder::new(Effort::Mixed).expect("encoder");
        let mut writer = PackWriter::create(&recipients).expect("create");
        for chunks in segments {
            let infos: Vec<_> = chunks
                .iter()
                .map(|c| ChunkInfo { id: keys.name(c).0, len: u32::try_from(c.len()).expect("short") })
                .collect();
            writer.push(encoder.encode(&chunks.concat(), SEGMENT_PLAIN_MAX).expect("frame"), &infos);
        }
        writer.finish(&mut encoder).expect("finish")
    }

    #[test]
    fn every_flipped_bit_is_found_before_it_is_used() {
        let identity = VaultIdentity::generate();
        let pack = pack_of(&[vec![b"one".repeat(30), b"two".to_vec()], vec![b"three".to_vec()]], &identity);
        let mut decoder = FrameDecoder::new().expect("decoder");
        let mut read = |bytes: &[u8]| -> Result<Vec<u8>, PackError> {
            let mut reader = PackReader::open(Cursor::new(bytes), &identity)?;
            let mut all = Vec::new();
            for segment in 0..2 {
                let mut plain = Vec::new();
                reader.segment(segment, &mut decoder, &mut plain)?;
                all.extend(plain);
            }
            Ok(all)
        };
        let expected = read(&pack.bytes).expect("read");
        assert_eq!(name_pack(&mut pack.bytes.as_slice()).expect("name"), pack.id);
        for index in 0..pack.bytes.len() {
            let mut altered = pack.bytes.clone();
            altered[index] ^= 0x10;
            assert_ne!(name_pack(&mut altered.as_slice()).expect("name"), pack.id);
            // A change in a line of the age header that the identity does not need may go unseen by it: the name shows it.
            if let Ok(plain) = read(&altered) {
                assert_eq!(plain, expected, "byte {index}");
            }
        }
        for len in 0..pack.bytes.len() {
            assert!(read(&pack.bytes[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn a_later_version_is_named_as_such() {
        let identity = VaultIdentity::generate();
        let mut pack = pack_of(&[vec![b"one".to_vec()]], &identity);
        pack.bytes[7] = 2;
        let refused = PackReader::open(Cursor::new(&pack.bytes), &identity).err();
        assert!(matches!(refused, Some(PackError::Format(FormatError::Future { found: 2, .. }))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn packs_give_back_every_chunk(
            segments in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 1..8), 1..6)
        ) {
            let identity = VaultIdentity::generate();
            let pack = pack_of(&segments, &identity);
            let mut reader = PackReader::open(Cursor::new(&pack.bytes), &identity).expect("open");
            prop_assert_eq!(reader.directory(), &pack.directory);
            let keys = ChunkKeys::derive(&DedupSecret::from_bytes([1; 32]));
            let places: Vec<(ChunkId, _)> = reader.directory().locations().collect();
            let mut decoder = FrameDecoder::new().expect("decoder");
            for (id, place) in places {
                let mut plain = Vec::new();
                reader.segment(place.segment, &mut decoder, &mut plain).expect("segment");
                let chunk = &plain[place.offset as usize..(place.offset + place.len) as usize];
                prop_assert_eq!(keys.name(chunk).0, id);
            }
        }
    }
}
