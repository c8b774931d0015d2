//! The golden vault: fixed content with every sort of entry, written with the engine alone.
//!
//! `examples/make_golden.rs` writes it to `tests/golden/v1` once per format version; `tests/golden` reads what was
//! written then, and writes it again to see that today's engine cuts, names and signs the same. Keys and times are
//! fixed, so snapshot ids are too; only pack keys and age files differ from run to run.

pub(crate) mod hostile;
pub(crate) mod tree;

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use datis_engine::chunk::cut::{CutProfile, Cutter};
use datis_engine::chunk::seal::{Effort, FrameEncoder, SEGMENT_PLAIN_MAX};
use datis_engine::format::VERSION;
use datis_engine::format::content::{Content, ContentBuilder, Ref};
use datis_engine::format::directory::ChunkInfo;
use datis_engine::format::kit::{RecoveryKit, VaultFile};
use datis_engine::format::listing::{ListingBuilder, ListingRoot, Totals};
use datis_engine::format::path::EntryPath;
use datis_engine::format::snapshot::{Receipt, SignedRecord, SnapshotFile, SnapshotRecord};
use datis_engine::ids::{ChunkId, MachineId, PackId, SourceKind, VaultId};
use datis_engine::keys::{ChunkKeys, DedupSecret, Recipients, SigningKey, VaultIdentity};
use datis_engine::pack::{FinishedPack, PackWriter};
use datis_engine::units::UnixMillis;

use tree::Item;

/// Any error: the golden vault is made by hand or in a test, where the message is all that matters.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// 2026-01-15 02:00 UTC, when the first of the golden backups began.
const STARTED_AT: i64 = 1_768_442_400_000;

/// Profiles of the golden vault: writers choose their own, and may choose others tomorrow; the cutter may not change.
const DATABASE_PROFILE: CutProfile = CutProfile { min: 4 << 10, average: 16 << 10, max: 64 << 10 };
const FILES_PROFILE: CutProfile = CutProfile { min: 16 << 10, average: 64 << 10, max: 256 << 10 };

/// Segments end early here, so that a small vault has several of them.
const SEGMENT_TARGET: usize = 48 << 10;

/// The key with this seed, the same in every run.
pub(crate) fn signing_key(seed: u8) -> Outcome<SigningKey> {
    // RFC 8410: PKCS#8 version 0 around a private key of 32 bytes.
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend_from_slice(&[seed; 32]);
    Ok(SigningKey::from_pkcs8(&der)?)
}

/// The key that signs the golden receipts.
pub(crate) fn receipt_key() -> Outcome<SigningKey> {
    signing_key(0xb0)
}

/// Everything that the golden packs are sealed and named with, and where they are put.
pub(crate) struct Vault<'d> {
    dir: &'d Path,
    keys: ChunkKeys,
    recipients: Recipients,
    stored: HashSet<ChunkId>,
}

impl<'d> Vault<'d> {
    /// Writes `kit.txt`, `store/vault.age` and nothing else yet.
    pub(crate) fn create(dir: &'d Path) -> Outcome<Self> {
        let vault = VaultId::from_bytes(*b"golden vault v1.");
        let secret = DedupSecret::from_bytes([0xd5; 32]);
        let (boxed, kit) = (VaultIdentity::generate(), VaultIdentity::generate());
        let recipients = Recipients::parse(&[boxed.recipient(), kit.recipient()])?;
        let kit = RecoveryKit { vault, box_name: "golden box".to_owned(), identity: kit, community: None };
        put(&dir.join("kit.txt"), kit.to_text().as_bytes())?;
        let file = VaultFile::new(vault, &secret, recipients.to_strings());
        put(&dir.join("store/vault.age"), &recipients.seal(&file.encode())?)?;
        Ok(Self { dir, keys: ChunkKeys::derive(&secret), recipients, stored: HashSet::new() })
    }

    /// Stores `source` as one snapshot and one pack; chunks that are stored already are referred to.
    pub(crate) fn back_up(&mut self, source: &Source, items: &[Item]) -> Outcome<FinishedPack> {
        let mut packer = Packer::create(&self.keys, &self.recipients, &mut self.stored)?;
        let (listing, totals) = packer.listing(source.kind, items)?;
        let problems = match source.problems {
            [] => None,
            lines => Some(packer.content(SourceKind::Files, &lines.join(&b'\n'))?),
        };
        let pack = packer.finish()?;
        self.put_pack(&pack)?;
        let record = source.record(listing, totals, problems)?;
        self.put_snapshot(&record.sign(&signing_key(0xa0)?), source.day)?;
        Ok(pack)
    }

    fn put_pack(&self, pack: &FinishedPack) -> Outcome<()> {
        Ok(put(&self.dir.join(format!("store/{}", pack_path(&pack.id))), &pack.bytes)?)
    }

    fn put_snapshot(&self, signed: &SignedRecord, day: i64) -> Outcome<()> {
        let id = signed.id();
        let receipt = Receipt::sign(id, UnixMillis(started_at(day) + 9_000), &receipt_key()?);
        let machine_key = signing_key(0xa0)?.public_key().as_bytes().to_vec();
        let file = SnapshotFile { version: VERSION, signed: signed.clone(), machine_key, receipt };
        let name = id.to_string();
        let path = format!("store/snapshots/{}/{name}.age", &name[..2]);
        Ok(put(&self.dir.join(path), &self.recipients.seal(&file.encode())?)?)
    }
}

/// Where a pack stands in a store.
pub(crate) fn pack_path(id: &PackId) -> String {
    let name = id.to_string();
    format!("packs/{}/{name}.pack", &name[..2])
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)
}

pub(crate) fn started_at(day: i64) -> i64 {
    STARTED_AT + day * 86_400_000
}

/// What is backed up, and how the record describes it.
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) kind: SourceKind,
    pub(crate) day: i64,
    pub(crate) roots: &'static [&'static [u8]],
    pub(crate) problems: &'static [&'static [u8]],
}

impl Source {
    fn record(&self, listing: ListingRoot, totals: Totals, problems: Option<Content>) -> Outcome<SnapshotRecord> {
        Ok(SnapshotRecord {
            version: VERSION,
            machine: MachineId::from_bytes(*b"golden machine 1"),
            machine_name: "caisse-1".parse()?,
            source: self.name.parse()?,
            kind: self.kind,
            started_at: UnixMillis(started_at(self.day)),
            finished_at: UnixMillis(started_at(self.day) + 5_000),
            roots: self.roots.iter().map(|r| r.to_vec()).collect(),
            listing,
            totals,
            problem_count: self.problems.len() as u64,
            problems,
            client_version: "0.1.0".to_owned(),
        })
    }
}

/// Gathers new chunks into segments of one pack.
struct Packer<'v> {
    keys: &'v ChunkKeys,
    stored: &'v mut HashSet<ChunkId>,
    writer: PackWriter,
    encoder: FrameEncoder,
    plain: Vec<u8>,
    chunks: Vec<ChunkInfo>,
}

impl<'v> Packer<'v> {
    fn create(keys: &'v ChunkKeys, recipients: &Recipients, stored: &'v mut HashSet<ChunkId>) -> Outcome<Self> {
        let (writer, encoder) = (PackWriter::create(recipients)?, FrameEncoder::new(Effort::Mixed)?);
        Ok(Self { keys, stored, writer, encoder, plain: Vec::new(), chunks: Vec::new() })
    }

    fn add(&mut self, plain: &[u8]) -> Outcome<ChunkId> {
        let id = self.keys.name(plain).0;
        if self.stored.insert(id) {
            if self.plain.len() + plain.len() > SEGMENT_TARGET {
                self.end_segment()?;
            }
            self.plain.extend_from_slice(plain);
            self.chunks.push(ChunkInfo { id, len: u32::try_from(plain.len())? });
        }
        Ok(id)
    }

    fn end_segment(&mut self) -> Outcome<()> {
        if !self.chunks.is_empty() {
            let frame = self.encoder.encode(&self.plain, SEGMENT_PLAIN_MAX)?;
            self.writer.push(frame, &self.chunks);
            self.plain.clear();
            self.chunks.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Outcome<FinishedPack> {
        self.end_segment()?;
        Ok(self.writer.finish(&mut self.encoder)?)
    }

    /// Cuts, names and stores `bytes`.
    fn content(&mut self, kind: SourceKind, bytes: &[u8]) -> Outcome<Content> {
        let profile = if kind == SourceKind::Database { DATABASE_PROFILE } else { FILES_PROFILE };
        let cutter = Cutter::new(self.keys, profile);
        let mut refs = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let whole = kind == SourceKind::Files && bytes.len() <= FILES_PROFILE.average;
            let len = if whole { Some(rest.len()) } else { cutter.next(rest, true) };
            let (chunk, after) = rest.split_at(len.ok_or("the cutter found no end")?);
            refs.push(Ref { id: self.add(chunk)?, len: chunk.len() as u64 });
            rest = after;
        }
        let mut nodes = Nodes::new(self.keys);
        let mut builder = ContentBuilder::new();
        for chunk in refs {
            builder.push(chunk, &mut |bytes| nodes.name(bytes));
        }
        let content = builder.finish(&mut |bytes| nodes.name(bytes));
        self.add_nodes(nodes)?;
        Ok(content)
    }

    fn listing(&mut self, kind: SourceKind, items: &[Item]) -> Outcome<(ListingRoot, Totals)> {
        let mut entries = Vec::new();
        for item in items {
            entries.push((EntryPath::parse(item.path.clone())?, item.entry(|bytes| self.content(kind, bytes))?));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let mut nodes = Nodes::new(self.keys);
        let mut builder = ListingBuilder::new(self.keys);
        for (path, entry) in &entries {
            builder.push(path, &entry.encode(), entry.size(), &mut |bytes| nodes.name(bytes));
        }
        let built = builder.finish(&mut |bytes| nodes.name(bytes));
        self.end_segment()?;
        self.add_nodes(nodes)?;
        Ok(built)
    }

    fn add_nodes(&mut self, nodes: Nodes<'_>) -> Outcome<()> {
        nodes.made.iter().try_for_each(|bytes| self.add(bytes).map(|_| ()))
    }
}

/// Names nodes at once and keeps their bytes for the pack: the builders' callbacks cannot fail.
struct Nodes<'k> {
    keys: &'k ChunkKeys,
    made: Vec<Vec<u8>>,
}

impl<'k> Nodes<'k> {
    fn new(keys: &'k ChunkKeys) -> Self {
        Self { keys, made: Vec::new() }
    }

    fn name(&mut self, bytes: Vec<u8>) -> ChunkId {
        let id = self.keys.name(&bytes).0;
        self.made.push(bytes);
        id
    }
}
