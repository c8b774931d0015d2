//! What released versions have written is read by this one, and this one still writes the same.
//!
//! `tests/golden/v1` was written once by `examples/make_golden.rs`; `tests/golden/hostile-v1` is a vault that lies.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datis_engine::chunk::seal::FrameDecoder;
use datis_engine::format::FormatError;
use datis_engine::format::content::{ContentNode, Ref};
use datis_engine::format::kit::{RecoveryKit, VaultFile};
use datis_engine::format::listing::{Entry, ListingNode, Node};
use datis_engine::format::path::EntryPath;
use datis_engine::format::snapshot::{OpenRecordError, SNAPSHOT_FILE_MAX, SnapshotFile, SnapshotRecord};
use datis_engine::ids::{ChunkId, SnapshotId};
use datis_engine::keys::{ChunkKeys, PublicKey};
use datis_engine::pack::{PackReader, name_pack};

#[path = "../golden_vault/mod.rs"]
mod golden_vault;
mod reader;

use golden_vault::{Outcome, Vault, hostile, receipt_key, started_at, tree};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

/// All files below `dir`, sorted.
fn files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for shard in fs::read_dir(dir)? {
        for file in fs::read_dir(shard?.path())? {
            found.push(file?.path());
        }
    }
    found.sort();
    Ok(found)
}

/// A vault opened with its kit alone.
struct Opened {
    kit: RecoveryKit,
    keys: ChunkKeys,
    snapshots: Vec<SnapshotFile>,
    chunks: HashMap<ChunkId, Vec<u8>>,
}

impl Opened {
    fn open(dir: &Path) -> Outcome<Self> {
        let kit = RecoveryKit::parse(&fs::read_to_string(dir.join("kit.txt"))?)?;
        let open = |path: &Path| -> Outcome<_> { Ok(kit.identity.open(&fs::read(path)?, SNAPSHOT_FILE_MAX)?) };
        let vault = VaultFile::decode(&open(&dir.join("store/vault.age"))?)?;
        assert_eq!(vault.vault(), kit.vault);
        let keys = ChunkKeys::derive(&vault.dedup_secret().ok_or("length of the secret")?);
        let mut snapshots = Vec::new();
        for path in files(&dir.join("store/snapshots"))? {
            let file = SnapshotFile::decode(&open(&path)?)?;
            assert_eq!(path.file_stem().and_then(|s| s.to_str()), Some(file.signed.id().to_string().as_str()));
            snapshots.push(file);
        }
        let mut chunks = HashMap::new();
        for path in files(&dir.join("store/packs"))? {
            let id = name_pack(&mut File::open(&path)?)?;
            assert!(path.ends_with(format!("{id}.pack")), "{path:?} is {id}");
            let mut pack = PackReader::open(File::open(&path)?, &kit.identity)?;
            let (mut decoder, mut plain) = (FrameDecoder::new()?, Vec::new());
            for (id, place) in pack.directory().locations().collect::<Vec<_>>() {
                pack.segment(place.segment, &mut decoder, &mut plain)?;
                let end = (place.offset + place.len) as usize;
                chunks.insert(id, plain.get(place.offset as usize..end).ok_or("place of a chunk")?.to_vec());
            }
        }
        Ok(Self { kit, keys, snapshots, chunks })
    }

    fn record(file: &SnapshotFile) -> Result<SnapshotRecord, OpenRecordError> {
        file.signed.open(&PublicKey::from_slice(&file.machine_key).expect("32 bytes"))
    }

    fn chunk(&self, id: &ChunkId) -> Outcome<&[u8]> {
        let bytes = self.chunks.get(id).ok_or_else(|| format!("{id} is in no pack"))?;
        if self.keys.name(bytes).0 == *id { Ok(bytes) } else { Err(format!("{id} names other bytes").into()) }
    }

    fn entries(&self, id: &ChunkId, level: u8) -> Outcome<Vec<(EntryPath, Entry)>> {
        match ListingNode::decode(level, self.chunk(id)?)? {
            ListingNode::Leaf(entries) => Ok(entries),
            ListingNode::Inner(children) => {
                let mut all: Vec<(EntryPath, Entry)> = Vec::new();
                for child in children {
                    let below = self.entries(&child.id, level - 1)?;
                    if below.first().is_none_or(|(path, _)| path.as_bytes() != child.first) {
                        return Err("a node starts at another path than its parent says".into());
                    }
                    all.extend(below);
                }
                Ok(all)
            }
        }
    }

    fn content(&self, level: u8, refs: &[Ref]) -> Outcome<Vec<u8>> {
        let mut data = Vec::new();
        for r in refs {
            let part = match level {
                0 => self.chunk(&r.id)?.to_vec(),
                _ => self.content(level - 1, &ContentNode::decode(self.chunk(&r.id)?)?.refs)?,
            };
            if part.len() as u64 != r.len {
                return Err(format!("{} has {} bytes instead of {}", r.id, part.len(), r.len).into());
            }
            data.extend(part);
        }
        Ok(data)
    }

    /// The whole file, holes as zeros.
    fn data(&self, entry: &Entry) -> Outcome<Vec<u8>> {
        let Node::File { size, extents, content } = &entry.node else { return Ok(Vec::new()) };
        let data = self.content(content.level, &content.refs)?;
        let Some(extents) = extents else { return Ok(data) };
        let (mut whole, mut rest) = (vec![0; usize::try_from(*size)?], data.as_slice());
        for (at, len) in extents {
            let (part, after) = rest.split_at(usize::try_from(*len)?);
            whole[usize::try_from(*at)?..][..part.len()].copy_from_slice(part);
            rest = after;
        }
        Ok(whole)
    }
}

#[test]
fn every_entry_of_the_golden_vault_comes_back() {
    let opened = Opened::open(&golden("v1")).expect("open");
    let mut rows = Vec::new();
    let mut levels = BTreeSet::new();
    for file in &opened.snapshots {
        let record = Opened::record(file).expect("record");
        file.receipt.verify(&receipt_key().expect("key").public_key()).expect("receipt");
        assert_eq!(file.receipt.snapshot, file.signed.id());
        let day = usize::try_from((record.started_at.0 - started_at(0)) / 86_400_000).expect("day");
        let entries = opened.entries(&record.listing.id, record.listing.level).expect("listing");
        assert_eq!(record.totals.entries, entries.len() as u64);
        assert_eq!(record.totals.bytes, entries.iter().map(|(_, e)| e.size()).sum::<u64>());
        levels.insert(("listing", record.listing.level));
        for (path, entry) in entries {
            let data = opened.data(&entry).expect("data");
            levels.extend(entry.content().map(|c| ("content", c.level)));
            rows.push(tree::row(record.source.as_str(), day, path.as_bytes(), &entry, &data));
        }
    }
    rows.sort();
    let expected = fs::read_to_string(golden("v1/expected.txt")).expect("table");
    for (row, expected) in rows.iter().zip(expected.split_inclusive('\n')) {
        assert_eq!(row, expected);
    }
    assert_eq!(rows.concat(), expected);
    // The vault is worth its name only while it holds trees, not just leaves.
    assert_eq!(levels, BTreeSet::from([("content", 0), ("content", 1), ("listing", 0), ("listing", 1)]));
}

/// The sheets were made after docs/FORMAT.md, by another program than this one.
#[test]
fn any_two_of_the_golden_sheets_are_the_golden_kit() {
    let read = |name: &str| fs::read_to_string(golden("v1").join(name)).expect("a text");
    let (kit, sheets) = (RecoveryKit::parse(&read("kit.txt")).expect("the kit"), read("sheets.txt"));
    let sheets: Vec<String> = sheets.split("# DATIS").skip(1).map(|sheet| format!("# DATIS{sheet}")).collect();
    assert_eq!(sheets.len(), 3);
    for left_out in 0..3 {
        let mut two = sheets.clone();
        let _third = two.remove(left_out);
        let in_words: String = two.concat().lines().filter(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
        for text in [two.concat(), in_words] {
            let back = RecoveryKit::parse(&text).expect("two sheets");
            assert_eq!((back.vault, back.identity.expose()), (kit.vault, kit.identity.expose()));
        }
    }
}

#[test]
fn problems_of_an_incomplete_snapshot_come_back() {
    let opened = Opened::open(&golden("v1")).expect("open");
    let lists: Vec<_> = opened
        .snapshots
        .iter()
        .filter_map(|file| Opened::record(file).expect("record").problems)
        .map(|problems| opened.content(problems.level, &problems.refs).expect("problems"))
        .collect();
    let expected = b"permission denied\t/srv/sales/locked.db\nchanged while it was read\t/srv/sales/\xff.log";
    assert_eq!(lists, [expected.to_vec()]);
}

#[test]
fn today_s_engine_cuts_and_names_and_signs_as_it_did() {
    let dir = tempfile::tempdir().expect("folder");
    let (table, _) = tree::write_vault(&mut Vault::create(dir.path()).expect("create")).expect("write");
    assert_eq!(table, fs::read_to_string(golden("v1/expected.txt")).expect("table"));
    let (then, now) = (Opened::open(&golden("v1")).expect("then"), Opened::open(dir.path()).expect("now"));
    let signed =
        |opened: &Opened| opened.snapshots.iter().map(|s| (s.signed.clone(), s.receipt.clone())).collect::<Vec<_>>();
    assert_eq!(signed(&now), signed(&then));
    let names = |opened: &Opened| opened.chunks.keys().copied().collect::<BTreeSet<_>>();
    assert_eq!(names(&now), names(&then));
    assert_ne!(now.kit.identity.recipient(), then.kit.identity.recipient());
}

#[test]
fn the_hostile_vault_holds_what_its_maker_writes() {
    let dir = tempfile::tempdir().expect("folder");
    hostile::write_vault(&mut Vault::create(dir.path()).expect("create")).expect("write");
    let ids = |dir: &Path| -> BTreeSet<SnapshotId> {
        Opened::open(dir).expect("open").snapshots.iter().map(|s| s.signed.id()).collect()
    };
    assert_eq!(ids(dir.path()), ids(&golden("hostile-v1")));
}

#[test]
fn every_lie_of_the_hostile_vault_is_found_or_left_to_the_restore() {
    let opened = Opened::open(&golden("hostile-v1")).expect("open");
    assert_eq!(opened.snapshots.len(), hostile::LIES.len());
    let read = |id: SnapshotId| -> Outcome<String> {
        let file = opened.snapshots.iter().find(|s| s.signed.id() == id).ok_or("snapshot")?;
        let record = Opened::record(file)?;
        for (_, entry) in
            opened.entries(&record.listing.id, record.listing.level).map_err(|e| format!("{}: {e}", record.source))?
        {
            opened.data(&entry).map_err(|e| format!("{}: {e}", record.source))?;
        }
        Ok(record.source.to_string())
    };
    let mut verdicts: Vec<String> = opened
        .snapshots
        .iter()
        .map(|s| match read(s.signed.id()) {
            Ok(source) => format!("{source}: can be read"),
            Err(refused) => refused.to_string(),
        })
        .collect();
    verdicts.sort();
    let expected = [
        ("above-the-target", "is not a path that a snapshot may hold"),
        ("absolute-path", "is not a path that a snapshot may hold"),
        ("another-chunk", "names other bytes"),
        // Each entry is sound by itself: what refuses them is opening names from their parent, without following links.
        ("below-a-file", "can be read"),
        ("below-a-symlink", "can be read"),
        ("later-listing", "has format version 2"),
        ("longer-than-its-chunk", "has 8 bytes instead of 524288"),
        ("longer-than-its-node", "has 8 bytes instead of 524288"),
        ("one-leaf-twice", "starts at another path than its parent says"),
        ("out-of-order", "paths are out of order"),
        ("", "snapshot record has format version 2"),
        ("two-of-one-name", "paths are out of order"),
        ("without-its-chunk", "is in no pack"),
    ];
    for (verdict, (source, reason)) in verdicts.iter().zip(expected) {
        assert!(verdict.starts_with(source) && verdict.contains(reason), "`{verdict}` should be {source}: {reason}");
    }
}

#[test]
fn a_damaged_snapshot_file_is_refused() {
    let opened = Opened::open(&golden("v1")).expect("open");
    let file = opened.snapshots.first().expect("a snapshot");
    let mut later = file.encode();
    later[1] = 2;
    assert!(matches!(SnapshotFile::decode(&later), Err(FormatError::Future { found: 2, .. })));
    let mut altered = file.clone();
    altered.signed.record[40] ^= 1;
    assert!(matches!(Opened::record(&altered), Err(OpenRecordError::Signature(_))));
}

#[test]
fn the_worked_example_of_the_format_document_is_a_golden_pack() {
    let document = include_str!("../../../docs/FORMAT.md");
    let is_hex = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes: Vec<u8> = document
        .lines()
        .filter_map(|line| line.split_once("  ").filter(|(offset, _)| is_hex(offset, 4)))
        .flat_map(|(_, row)| row.split(' ').take_while(|pair| is_hex(pair, 2)).collect::<Vec<_>>())
        .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
        .collect();
    let id = name_pack(&mut bytes.as_slice()).expect("name");
    assert!(document.contains(&id.to_string()), "the document names {id}");
    let path = golden("v1/store").join(golden_vault::pack_path(&id));
    assert_eq!(fs::read(&path).expect("pack"), bytes);
}
