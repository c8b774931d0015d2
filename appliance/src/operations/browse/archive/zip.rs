//! Writes a ZIP file front to back: stored entries, ZIP64 where it is needed, nothing sought, nothing kept but the
//! central directory.
//!
//! Rules: PKWARE's APPNOTE 6.3.10. Entries that are handed over whole have their sum in front; longer ones have it behind
//! (a data descriptor). The central directory waits compressed, some 40 bytes an entry.

use std::io::{self, Write};

use datis_engine::chunk::seal::{Effort, FrameDecoder, FrameEncoder};
use datis_engine::units::FileTime;

use crate::operations::OperationError;

/// Records of the central directory are compressed in portions of about this many bytes.
const PORTION: usize = 256 << 10;

/// More compressed bytes of directory than this are not kept: about three million entries.
const DIRECTORY_MAX: usize = 128 << 20;

/// 4.5: the first version that knows ZIP64. Made by Unix (3), so that permissions are understood.
const MADE_BY: u16 = (3 << 8) | 45;
const NEEDED: u16 = 45;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// The sum stands behind the bytes.
const DESCRIPTOR: u16 = 1 << 3;
/// In a field of 32 bits: look into the ZIP64 field.
const IN_ZIP64: u32 = u32::MAX;

/// What an entry is called, and what is known of it.
pub(super) struct Head<'n> {
    /// Components joined by `/`; with one at the end for a folder.
    pub(super) name: &'n str,
    /// Type and permissions, as `st_mode` has them.
    pub(super) mode: u32,
    pub(super) modified: FileTime,
}

/// Takes bytes of an entry.
pub(super) type Put<'p> = dyn FnMut(&[u8]) -> io::Result<()> + 'p;

/// Hands the bytes of an entry over. The outer error is that of [`Put`].
pub(super) type Give<'g> = dyn FnMut(&mut Put<'_>) -> io::Result<Result<(), OperationError>> + 'g;

/// A ZIP file that is being written.
pub(super) struct ZipWriter<W: Write> {
    sink: W,
    written: u64,
    entries: u64,
    directory: Directory,
}

/// The entry that is being written.
struct Open {
    flags: u16,
    crc: u32,
    size: u64,
    offset: u64,
}

impl<W: Write> ZipWriter<W> {
    pub(super) fn new(sink: W) -> io::Result<Self> {
        Ok(Self { sink, written: 0, entries: 0, directory: Directory::new()? })
    }

    /// Whether one more entry can be remembered until the end.
    pub(super) fn has_room(&self) -> bool {
        self.directory.kept < DIRECTORY_MAX
    }

    /// An entry whose bytes are all at hand.
    pub(super) fn add(&mut self, head: &Head<'_>, bytes: &[u8]) -> io::Result<()> {
        let open = Open { flags: UTF8, crc: crc32fast::hash(bytes), size: bytes.len() as u64, offset: self.written };
        self.put(&local_header(head, &open, open.size))?;
        self.put(bytes)?;
        self.keep(head, &open)
    }

    /// An entry of about `size` bytes, which `give` hands over piece by piece. Fewer may come, but not more.
    ///
    /// `Ok(Err(e))`: `give` ended with an error; what came before is in the file.
    pub(super) fn stream(
        &mut self,
        head: &Head<'_>,
        size: u64,
        give: &mut Give<'_>,
    ) -> io::Result<Result<(), OperationError>> {
        let mut open = Open { flags: UTF8 | DESCRIPTOR, crc: 0, size: 0, offset: self.written };
        self.put(&local_header(head, &open, size))?;
        let mut crc = crc32fast::Hasher::new();
        let given = give(&mut |piece| {
            crc.update(piece);
            open.size += piece.len() as u64;
            self.put(piece)
        })?;
        open.crc = crc.finalize();
        let mut descriptor = Vec::with_capacity(24);
        descriptor.extend_from_slice(&0x0807_4b50_u32.to_le_bytes());
        descriptor.extend_from_slice(&open.crc.to_le_bytes());
        // As long as the local header has said, by having a ZIP64 field or not.
        if is_long(size) {
            descriptor.extend_from_slice(&open.size.to_le_bytes());
            descriptor.extend_from_slice(&open.size.to_le_bytes());
        } else {
            descriptor.extend_from_slice(&short(open.size).to_le_bytes());
            descriptor.extend_from_slice(&short(open.size).to_le_bytes());
        }
        self.put(&descriptor)?;
        self.keep(head, &open)?;
        Ok(given)
    }

    /// Writes the central directory, which makes the file whole, and gives its length.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let start = self.written;
        let Directory { portions, last, .. } = std::mem::replace(&mut self.directory, Directory::new()?);
        let mut decoder = FrameDecoder::new().map_err(io::Error::other)?;
        let mut plain = Vec::new();
        for (frame, len) in portions {
            decoder.decode(&frame, len, PORTION * 2, &mut plain).map_err(io::Error::other)?;
            self.put(&plain)?;
        }
        self.put(&last)?;
        let (len, end) = (self.written - start, self.written);
        let mut tail = Vec::with_capacity(98);
        // ZIP64 end of central directory record and its locator.
        if self.entries >= u64::from(u16::MAX) || is_long(len) || is_long(start) {
            tail.extend_from_slice(&0x0606_4b50_u32.to_le_bytes());
            tail.extend_from_slice(&44_u64.to_le_bytes());
            tail.extend_from_slice(&MADE_BY.to_le_bytes());
            tail.extend_from_slice(&NEEDED.to_le_bytes());
            tail.extend_from_slice(&[0; 8]);
            for number in [self.entries, self.entries, len, start] {
                tail.extend_from_slice(&number.to_le_bytes());
            }
            tail.extend_from_slice(&0x0706_4b50_u32.to_le_bytes());
            tail.extend_from_slice(&0_u32.to_le_bytes());
            tail.extend_from_slice(&end.to_le_bytes());
            tail.extend_from_slice(&1_u32.to_le_bytes());
        }
        // End of central directory record.
        tail.extend_from_slice(&0x0605_4b50_u32.to_le_bytes());
        tail.extend_from_slice(&[0; 4]);
        let entries = u16::try_from(self.entries).unwrap_or(u16::MAX);
        tail.extend_from_slice(&entries.to_le_bytes());
        tail.extend_from_slice(&entries.to_le_bytes());
        tail.extend_from_slice(&short(len).to_le_bytes());
        tail.extend_from_slice(&short(start).to_le_bytes());
        tail.extend_from_slice(&0_u16.to_le_bytes());
        self.put(&tail)?;
        self.sink.flush()?;
        Ok(self.written)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn keep(&mut self, head: &Head<'_>, open: &Open) -> io::Result<()> {
        self.entries += 1;
        let mut zip64 = Vec::new();
        if is_long(open.size) {
            zip64.extend_from_slice(&open.size.to_le_bytes());
            zip64.extend_from_slice(&open.size.to_le_bytes());
        }
        if is_long(open.offset) {
            zip64.extend_from_slice(&open.offset.to_le_bytes());
        }
        let mut extra = time_field(head.modified);
        if !zip64.is_empty() {
            extra.extend_from_slice(&0x0001_u16.to_le_bytes());
            extra.extend_from_slice(&len16(zip64.len()).to_le_bytes());
            extra.extend_from_slice(&zip64);
        }
        let record = self.directory.record();
        record.extend_from_slice(&0x0201_4b50_u32.to_le_bytes());
        record.extend_from_slice(&MADE_BY.to_le_bytes());
        common(record, head, open.flags);
        record.extend_from_slice(&open.crc.to_le_bytes());
        record.extend_from_slice(&short(open.size).to_le_bytes());
        record.extend_from_slice(&short(open.size).to_le_bytes());
        record.extend_from_slice(&len16(head.name.len()).to_le_bytes());
        record.extend_from_slice(&len16(extra.len()).to_le_bytes());
        // No comment, first disk, no internal attributes; Unix mode, and the bit that DOS has for folders.
        record.extend_from_slice(&[0; 6]);
        let folder = u32::from(head.name.ends_with('/')) << 4;
        record.extend_from_slice(&((head.mode << 16) | folder).to_le_bytes());
        record.extend_from_slice(&short(open.offset).to_le_bytes());
        record.extend_from_slice(head.name.as_bytes());
        record.extend_from_slice(&extra);
        self.directory.end_record()
    }
}

/// The central directory so far, compressed.
struct Directory {
    encoder: FrameEncoder,
    /// Compressed bytes, and how many they are plain.
    portions: Vec<(Vec<u8>, usize)>,
    kept: usize,
    last: Vec<u8>,
}

impl Directory {
    fn new() -> io::Result<Self> {
        let encoder = FrameEncoder::new(Effort::Passing).map_err(io::Error::other)?;
        Ok(Self { encoder, portions: Vec::new(), kept: 0, last: Vec::new() })
    }

    fn record(&mut self) -> &mut Vec<u8> {
        &mut self.last
    }

    fn end_record(&mut self) -> io::Result<()> {
        if self.last.len() < PORTION {
            return Ok(());
        }
        let mut frame = self.encoder.encode(&self.last, PORTION * 2).map_err(io::Error::other)?;
        frame.shrink_to_fit();
        self.kept += frame.len();
        self.portions.push((frame, self.last.len()));
        self.last.clear();
        Ok(())
    }
}

fn local_header(head: &Head<'_>, open: &Open, size: u64) -> Vec<u8> {
    let mut extra = time_field(head.modified);
    let is_known = open.flags & DESCRIPTOR == 0;
    if is_long(size) {
        let now = if is_known { size } else { 0 };
        extra.extend_from_slice(&0x0001_u16.to_le_bytes());
        extra.extend_from_slice(&16_u16.to_le_bytes());
        extra.extend_from_slice(&now.to_le_bytes());
        extra.extend_from_slice(&now.to_le_bytes());
    }
    let size = match (is_long(size), is_known) {
        (true, _) => IN_ZIP64,
        (false, true) => short(size),
        (false, false) => 0,
    };
    let mut header = Vec::with_capacity(64 + head.name.len());
    header.extend_from_slice(&0x0403_4b50_u32.to_le_bytes());
    common(&mut header, head, open.flags);
    header.extend_from_slice(&open.crc.to_le_bytes());
    header.extend_from_slice(&size.to_le_bytes());
    header.extend_from_slice(&size.to_le_bytes());
    header.extend_from_slice(&len16(head.name.len()).to_le_bytes());
    header.extend_from_slice(&len16(extra.len()).to_le_bytes());
    header.extend_from_slice(head.name.as_bytes());
    header.extend_from_slice(&extra);
    header
}

/// What local header and central directory have in common: version, flags, method (stored), time.
fn common(record: &mut Vec<u8>, head: &Head<'_>, flags: u16) {
    let (date, time) = dos_time(head.modified);
    for field in [NEEDED, flags, 0, time, date] {
        record.extend_from_slice(&field.to_le_bytes());
    }
}

fn is_long(number: u64) -> bool {
    number >= u64::from(IN_ZIP64)
}

fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(IN_ZIP64)
}

/// Names and fields are kept short by whoever makes them.
fn len16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// The exact time, in seconds since 1970 (field 0x5455); nothing when it does not fit.
fn time_field(at: FileTime) -> Vec<u8> {
    let Ok(seconds) = i32::try_from(at.seconds) else { return Vec::new() };
    let mut field = Vec::with_capacity(9);
    field.extend_from_slice(&0x5455_u16.to_le_bytes());
    field.extend_from_slice(&5_u16.to_le_bytes());
    field.push(1);
    field.extend_from_slice(&seconds.to_le_bytes());
    field
}

/// Date and time for those who do not know the field; UTC, 1980 to 2107, every other second.
fn dos_time(at: FileTime) -> (u16, u16) {
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(at.seconds) else { return (0x21, 0) };
    let years = at.year() - 1980;
    if !(0..=127).contains(&years) {
        return if years < 0 { (0x21, 0) } else { (0xff9f, 0xbf7d) };
    }
    let years = u16::try_from(years).unwrap_or(0);
    let date = (years << 9) | (u16::from(u8::from(at.month())) << 5) | u16::from(at.day());
    let time = (u16::from(at.hour()) << 11) | (u16::from(at.minute()) << 5) | (u16::from(at.second()) / 2);
    (date, time)
}
