//! Segments: compressed, then sealed under the pack's key; and back, with limits that hold for hostile input.
//!
//! A frame is one coding byte and the payload. What is compressed is decoded again and compared before it may leave the
//! workstation: compressors have lost data before (restic issue 4523).

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zstd::zstd_safe::CParameter;

use crate::ids::SourceKind;
use crate::keys::PackKey;

/// The most plain bytes in one segment: 4 MiB.
///
/// Larger ones compress better, smaller ones cost less when a single chunk is read; measured in
/// `docs/decisions/0004-chunk-sizes.md`.
pub const SEGMENT_PLAIN_MAX: usize = 4 << 20;

/// What sealing adds to a frame: the AES-GCM tag, in bytes.
pub const TAG_LEN: usize = 16;

/// zstd window limit accepted when decoding, as a power of two: 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;

const CODING_RAW: u8 = 0;
const CODING_ZSTD: u8 = 1;

/// What can go wrong between plain bytes and a sealed segment.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The compressor failed, or what it made does not decode to what went in.
    #[error("the compressed bytes do not decode to what they were made from")]
    Encode(#[source] std::io::Error),
    /// Wrong key, wrong place or altered bytes.
    #[error("sealed bytes were altered, or belong to another place or key")]
    Tag,
    /// A coding that this version does not know.
    #[error("coding {0} is of a newer format; update this program")]
    Coding(u8),
    /// Does not decode, or not to the length it should have.
    #[error("does not decode to the {expected} bytes it should hold")]
    Decode {
        /// The length it should have.
        expected: usize,
    },
    /// Declared longer than any segment or directory may be.
    #[error("{len} bytes are more than the {max} allowed")]
    TooLong {
        /// The declared length.
        len: usize,
        /// The limit.
        max: usize,
    },
}

/// How hard to compress, and where to look for what repeats. Measured in `docs/decisions/0004-chunk-sizes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What is kept, of any sort: level 3 with tables that fit into the nearest cache, which costs 2 % of size on programs'
    /// sources and images and gives a sixth of the time back, and on many small files makes both better.
    Mixed,
    /// What is kept of many small files: what repeats in them is words and formats, which a small table finds as well as a
    /// large one. On files of a kilobyte it is nearly twice as fast as `Mixed`, for 2 to 4 % of size.
    Small,
    /// What is kept of rows that resemble their neighbours: level 1 that looks back 128 KiB only, which on such data is
    /// both faster and smaller than any level that looks further.
    Rows,
    /// What only travels and is not kept: level 1.
    Passing,
}

/// Chunks shorter than this on average are many small files, in bytes: with longer ones `Small` costs more of size than it
/// brings of time.
const SMALL_MEAN: usize = 1_536;

impl Effort {
    /// The effort for a segment of `chunks` chunks and `plain_len` bytes of a source of `kind`.
    #[must_use]
    pub const fn choose(kind: SourceKind, plain_len: usize, chunks: usize) -> Self {
        match kind {
            SourceKind::Database => Self::Rows,
            SourceKind::Files if plain_len / SMALL_MEAN < chunks => Self::Small,
            SourceKind::Files | SourceKind::Image => Self::Mixed,
        }
    }

    /// The level and what differs from it. All parameters are named by each, since one encoder serves several efforts; 0 is
    /// what the level has.
    const fn parameters(self) -> (i32, [CParameter; 5]) {
        use CParameter::{ChainLog, HashLog, MinMatch, Strategy, WindowLog};
        use zstd::zstd_safe::Strategy::{ZSTD_dfast, ZSTD_fast};
        match self {
            Self::Mixed => (3, [WindowLog(21), ChainLog(13), HashLog(16), MinMatch(0), Strategy(ZSTD_dfast)]),
            Self::Small => (3, [WindowLog(21), ChainLog(0), HashLog(13), MinMatch(6), Strategy(ZSTD_fast)]),
            Self::Rows => (1, [WindowLog(17), ChainLog(0), HashLog(12), MinMatch(7), Strategy(ZSTD_fast)]),
            Self::Passing => (1, [WindowLog(0), ChainLog(0), HashLog(0), MinMatch(0), Strategy(ZSTD_fast)]),
        }
    }

    fn tune(self, compressor: &mut zstd::bulk::Compressor<'static>) -> std::io::Result<()> {
        let (level, parameters) = self.parameters();
        compressor.set_compression_level(level)?;
        parameters.into_iter().try_for_each(|parameter| compressor.set_parameter(parameter))
    }
}

/// Makes frames of plain bytes. Keeps its compression state; one per thread.
pub struct FrameEncoder {
    compressor: zstd::bulk::Compressor<'static>,
    effort: Effort,
    check: FrameDecoder,
    decoded: Vec<u8>,
}

impl FrameEncoder {
    /// An encoder at `effort`.
    ///
    /// # Errors
    /// [`SealError::Encode`] when there is no memory for it.
    pub fn new(effort: Effort) -> Result<Self, SealError> {
        let mut compressor = zstd::bulk::Compressor::default();
        effort.tune(&mut compressor).map_err(SealError::Encode)?;
        Ok(Self { compressor, effort, check: FrameDecoder::new()?, decoded: Vec::new() })
    }

    /// Makes the frames that follow at `effort`.
    ///
    /// # Errors
    /// [`SealError::Encode`] when there is no memory for it.
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), SealError> {
        if self.effort != effort {
            effort.tune(&mut self.compressor).map_err(SealError::Encode)?;
            self.effort = effort;
        }
        Ok(())
    }

    /// The frame for `plain`, checked by decoding it.
    ///
    /// # Errors
    /// [`SealError::Encode`], [`SealError::TooLong`].
    pub fn encode(&mut self, plain: &[u8], max: usize) -> Result<Vec<u8>, SealError> {
        if plain.len() > max {
            return Err(SealError::TooLong { len: plain.len(), max });
        }
        if looks_random(plain) {
            return Ok(raw_frame(plain));
        }
        // Room for the payload, then for the tag, so that sealing in place does not move it.
        let mut frame = Vec::with_capacity(1 + zstd::zstd_safe::compress_bound(plain.len()) + TAG_LEN);
        frame.push(CODING_ZSTD);
        let mut target = std::io::Cursor::new(frame);
        target.set_position(1);
        self.compressor.compress_to_buffer(plain, &mut target).map_err(SealError::Encode)?;
        let frame = target.into_inner();
        if frame.len() > plain.len() {
            return Ok(raw_frame(plain));
        }
        self.check.decode(&frame, plain.len(), max, &mut self.decoded)?;
        if self.decoded == plain {
            Ok(frame)
        } else {
            Err(SealError::Encode(std::io::Error::other("decoded bytes differ")))
        }
    }
}

fn raw_frame(plain: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(1 + plain.len() + TAG_LEN);
    frame.push(CODING_RAW);
    frame.extend_from_slice(plain);
    frame
}

/// Whether a sample of the bytes is spread so evenly that no compressor would shrink them.
///
/// Order-0 entropy of 16 KiB taken in 64 places. Random bytes give 7.99 bits, compressed media 7.95 and more, text
/// and machine code less than 7.
fn looks_random(plain: &[u8]) -> bool {
    const PIECE: usize = 256;
    const PIECES: usize = 64;
    if plain.len() < PIECE * PIECES * 2 {
        return false;
    }
    let mut counts = [0_u32; 256];
    for piece in plain.chunks(plain.len() / PIECES).take(PIECES) {
        for byte in piece.iter().take(PIECE) {
            counts[usize::from(*byte)] += 1;
        }
    }
    let total = f64::from(counts.iter().sum::<u32>());
    let entropy: f64 = counts
        .iter()
        .filter(|c| **c > 0)
        .map(|c| {
            let p = f64::from(*c) / total;
            -p * p.log2()
        })
        .sum();
    entropy > 7.96
}

/// Turns frames back into plain bytes. Keeps its state; one per thread.
pub struct FrameDecoder(zstd::bulk::Decompressor<'static>);

impl FrameDecoder {
    /// A decoder that refuses windows above 8 MiB.
    ///
    /// # Errors
    /// [`SealError::Encode`] when there is no memory for it.
    pub fn new() -> Result<Self, SealError> {
        let mut decompressor = zstd::bulk::Decompressor::new().map_err(SealError::Encode)?;
        decompressor
            .set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(WINDOW_LOG_MAX))
            .map_err(SealError::Encode)?;
        Ok(Self(decompressor))
    }

    /// Decodes `frame` into `plain` (replaced), which then has exactly `expected` bytes, at most `max`.
    ///
    /// # Errors
    /// [`SealError::TooLong`] before anything is allocated; [`SealError::Coding`]; [`SealError::Decode`].
    pub fn decode(&mut self, frame: &[u8], expected: usize, max: usize, plain: &mut Vec<u8>) -> Result<(), SealError> {
        if let Some(payload) = uncompressed(frame, expected, max)? {
            plain.clear();
            plain.extend_from_slice(payload);
            return Ok(());
        }
        let refused = || SealError::Decode { expected };
        let payload = frame.get(1..).ok_or_else(refused)?;
        // A slice, not the vector: its capacity may be larger than `expected`, what zstd may fill must not be.
        plain.resize(expected, 0);
        let written = self.0.decompress_to_buffer(payload, plain.as_mut_slice()).map_err(|_| refused())?;
        if written == expected { Ok(()) } else { Err(refused()) }
    }
}

/// The plain bytes of a frame that is not compressed, where they are; `None` for one that has to be decoded.
///
/// # Errors
/// [`SealError::TooLong`]; [`SealError::Coding`]; [`SealError::Decode`].
pub fn uncompressed(frame: &[u8], expected: usize, max: usize) -> Result<Option<&[u8]>, SealError> {
    if expected > max {
        return Err(SealError::TooLong { len: expected, max });
    }
    match frame.split_first() {
        Some((&CODING_RAW, payload)) if payload.len() == expected => Ok(Some(payload)),
        Some((&CODING_ZSTD, _)) => Ok(None),
        Some((&CODING_RAW, _)) | None => Err(SealError::Decode { expected }),
        Some((other, _)) => Err(SealError::Coding(*other)),
    }
}

/// Where in a pack sealed bytes stand; each place has a nonce of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The segment with this number, counted from 0.
    Segment(u32),
    /// The directory.
    Directory,
}

impl Place {
    /// One byte for the sort of place, seven zero bytes, four bytes of number, most significant first.
    fn nonce(self) -> Nonce {
        let (sort, number) = match self {
            Self::Segment(number) => (0, number),
            Self::Directory => (1, 0),
        };
        let mut bytes = [0_u8; NONCE_LEN];
        bytes[0] = sort;
        bytes[NONCE_LEN - 4..].copy_from_slice(&number.to_be_bytes());
        Nonce::assume_unique_for_key(bytes)
    }
}

/// Seals and opens frames under one pack's key.
pub struct PackCipher(LessSafeKey);

impl PackCipher {
    /// The cipher of the pack with `key`.
    #[must_use]
    pub fn new(key: &PackKey) -> Self {
        match UnboundKey::new(&AES_256_GCM, key.expose()) {
            Ok(unbound) => Self(LessSafeKey::new(unbound)),
            Err(_) => unreachable!("AES-256 takes every key of 32 bytes"),
        }
    }

    /// Seals `frame` in place and appends the tag. Each place must be sealed at most once per key.
    pub fn seal(&self, place: Place, frame: &mut Vec<u8>) {
        if self.0.seal_in_place_append_tag(place.nonce(), Aad::empty(), frame).is_err() {
            unreachable!("AES-GCM seals every frame below 64 GiB");
        }
    }

    /// Opens `sealed` in place; the result is the frame without the tag.
    ///
    /// # Errors
    /// [`SealError::Tag`].
    pub fn open<'b>(&self, place: Place, sealed: &'b mut [u8]) -> Result<&'b [u8], SealError> {
        self.0.open_in_place(place.nonce(), Aad::empty(), sealed).map(|frame| &*frame).map_err(|_| SealError::Tag)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(plain: &[u8]) -> Vec<u8> {
        let frame = FrameEncoder::new(Effort::Mixed).expect("encoder").encode(plain, SEGMENT_PLAIN_MAX).expect("frame");
        let mut back = Vec::new();
        FrameDecoder::new()
            .expect("decoder")
            .decode(&frame, plain.len(), SEGMENT_PLAIN_MAX, &mut back)
            .expect("decode");
        assert_eq!(back, plain);
        frame
    }

    #[test]
    fn text_shrinks_and_noise_costs_one_byte() {
        assert!(round_trip(&b"the same sentence again. ".repeat(4_000)).len() < 1_000);
        let mut noise = vec![0; 300_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        assert_eq!(round_trip(&noise).len(), noise.len() + 1);
        assert_eq!(round_trip(b""), [CODING_RAW]);
    }

    #[test]
    fn a_bomb_is_refused_before_memory_is_taken() {
        let mut bomb = vec![CODING_ZSTD];
        bomb.extend(zstd::bulk::compress(&vec![0; 64 << 20], 19).expect("bomb"));
        let mut decoder = FrameDecoder::new().expect("decoder");
        let mut plain = Vec::new();
        assert!(matches!(
            decoder.decode(&bomb, 64 << 20, SEGMENT_PLAIN_MAX, &mut plain),
            Err(SealError::TooLong { .. })
        ));
        assert!(matches!(decoder.decode(&bomb, 100, SEGMENT_PLAIN_MAX, &mut plain), Err(SealError::Decode { .. })));
        assert!(plain.capacity() <= SEGMENT_PLAIN_MAX);
        assert!(matches!(decoder.decode(&[9, 1], 1, 10, &mut plain), Err(SealError::Coding(9))));
        assert!(matches!(decoder.decode(&[], 0, 10, &mut plain), Err(SealError::Decode { .. })));
    }

    #[test]
    fn sealed_bytes_open_only_in_their_place_and_unaltered() {
        let cipher = PackCipher::new(&PackKey::from_bytes([5; 32]));
        let mut sealed = b"frame".to_vec();
        cipher.seal(Place::Segment(3), &mut sealed);
        assert_eq!(sealed.len(), 5 + TAG_LEN);
        assert_eq!(cipher.open(Place::Segment(3), &mut sealed.clone()).expect("open"), b"frame");
        for place in [Place::Segment(4), Place::Directory] {
            assert!(matches!(cipher.open(place, &mut sealed.clone()), Err(SealError::Tag)));
        }
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(cipher.open(Place::Segment(3), &mut altered).is_err(), "byte {index}");
        }
    }

    #[test]
    fn an_encoder_makes_what_a_new_one_would_whatever_it_made_before() {
        let plain = b"server card order tax opening record 562.69\n".repeat(3_000);
        let efforts = [Effort::Mixed, Effort::Small, Effort::Rows, Effort::Passing, Effort::Small, Effort::Mixed];
        let mut encoder = FrameEncoder::new(Effort::Passing).expect("encoder");
        for effort in efforts {
            encoder.set_effort(effort).expect("effort");
            let fresh = FrameEncoder::new(effort).expect("encoder").encode(&plain, SEGMENT_PLAIN_MAX).expect("frame");
            assert_eq!(encoder.encode(&plain, SEGMENT_PLAIN_MAX).expect("frame"), fresh, "{effort:?}");
        }
    }

    #[test]
    fn only_many_small_files_are_compressed_as_such() {
        let files = |bytes, chunks| Effort::choose(SourceKind::Files, bytes, chunks);
        assert_eq!(files(2 << 20, 2_000), Effort::Small);
        assert_eq!(
            (files(2 << 20, 1_000), files(2 << 20, 1), files(0, 0)),
            (Effort::Mixed, Effort::Mixed, Effort::Mixed)
        );
        assert_eq!(Effort::choose(SourceKind::Image, 2 << 20, 2_000), Effort::Mixed);
    }

    proptest! {
        #[test]
        fn every_plain_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..4096), repeat in 1_usize..60) {
            round_trip(&plain.repeat(repeat));
        }

        #[test]
        fn hostile_frames_neither_panic_nor_grow(frame in proptest::collection::vec(any::<u8>(), 0..512), expected in 0_usize..70_000) {
            let mut plain = Vec::new();
            let _ = FrameDecoder::new().expect("decoder").decode(&frame, expected, 65_536, &mut plain);
            prop_assert!(plain.capacity() <= 2 * 65_536);
        }
    }
}
