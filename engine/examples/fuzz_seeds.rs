//! Writes what the golden vault holds as seeds for the fuzz targets: `… --example fuzz_seeds -- tests/fuzz/corpus`.
//!
//! One folder a target, one file a seed, named by a hash of its bytes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datis_engine::chunk::seal::FrameDecoder;
use datis_engine::enrolment::{EnrolmentCode, EnrolmentUri};
use datis_engine::format::content::ContentNode;
use datis_engine::format::encode;
use datis_engine::format::kit::RecoveryKit;
use datis_engine::format::listing::{ListingNode, Node};
use datis_engine::format::snapshot::{Receipt, SNAPSHOT_FILE_MAX, SnapshotFile};
use datis_engine::ids::{ChunkId, MachineId, PackId, Profile, RunId, SpkiPin, Witness};
use datis_engine::pack::PackReader;
use datis_engine::retention::RetentionPolicy;
use datis_engine::units::{Seconds, UnixMillis};
use datis_engine::wire::{self, SessionId};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// No seed is longer than what the targets are given.
const SEED_MAX: usize = 65_536;

struct Seeds(PathBuf);

impl Seeds {
    fn add(&self, target: &str, bytes: &[u8]) -> Outcome<()> {
        if bytes.len() > SEED_MAX {
            return Ok(());
        }
        let dir = self.0.join(target);
        fs::create_dir_all(&dir)?;
        Ok(fs::write(dir.join(&blake3::hash(bytes).to_hex()[..16]), bytes)?)
    }

    /// A seed whose first byte tells the target which sort it is.
    fn add_sort(&self, target: &str, sort: u8, bytes: &[u8]) -> Outcome<()> {
        self.add(target, &[&[sort], bytes].concat())
    }
}

fn main() -> Outcome<()> {
    let seeds = Seeds(std::env::args().nth(1).ok_or("the folder to write to is missing")?.into());
    let vault = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/v1");
    let text = fs::read_to_string(vault.join("kit.txt"))?;
    seeds.add("kit", text.as_bytes())?;
    seeds.add("kit", &fs::read(vault.join("sheets.txt"))?)?;
    let kit = RecoveryKit::parse(&text)?;

    let sealed = fs::read(vault.join("store/vault.age"))?;
    seeds.add("age", &sealed)?;
    seeds.add("vault_file", &kit.identity.open(&sealed, SNAPSHOT_FILE_MAX)?)?;
    for path in files(&vault.join("store/packs"))? {
        seed_pack(&seeds, &path, &kit)?;
    }
    for path in files(&vault.join("store/snapshots"))? {
        let sealed = fs::read(path)?;
        let plain = kit.identity.open(&sealed, SNAPSHOT_FILE_MAX)?;
        let file = SnapshotFile::decode(&plain)?;
        seeds.add("age", &sealed)?;
        seeds.add("snapshot_file", &plain)?;
        seeds.add("snapshot_record", &file.signed.record)?;
        seeds.add("receipt", &file.receipt.encode())?;
        seed_commit(&seeds, &file)?;
    }
    seed_messages(&seeds)?;
    seed_texts(&seeds)
}

fn files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for shard in fs::read_dir(dir)? {
        for file in fs::read_dir(shard?.path())? {
            found.push(file?.path());
        }
    }
    Ok(found)
}

/// The pack, its directory, its frames, and each of its chunks as every sort of node that it can be read as.
fn seed_pack(seeds: &Seeds, path: &Path, kit: &RecoveryKit) -> Outcome<()> {
    seeds.add("pack", &fs::read(path)?)?;
    let mut pack = PackReader::open(File::open(path)?, &kit.identity)?;
    seeds.add("directory", &pack.directory().encode())?;
    for (number, segment) in (0..).zip(pack.directory().segments.clone()) {
        let length = segment.plain_len.to_be_bytes();
        seeds.add("segment", &[&length[1..], &pack.frame(number)?].concat())?;
    }
    let (mut decoder, mut plain) = (FrameDecoder::new()?, Vec::new());
    for (_, place) in pack.directory().locations().collect::<Vec<_>>() {
        pack.segment(place.segment, &mut decoder, &mut plain)?;
        let chunk = &plain[place.offset as usize..][..place.len as usize];
        if ContentNode::decode(chunk).is_ok() {
            seeds.add("content", chunk)?;
        }
        for level in 0..3 {
            let Ok(node) = ListingNode::decode(level, chunk) else { continue };
            seeds.add_sort("listing", level, chunk)?;
            let ListingNode::Leaf(entries) = node else { continue };
            for (path, entry) in entries {
                seeds.add("path", path.as_bytes())?;
                seeds.add("entry", &entry.encode())?;
                if let Node::File { content, .. } = &entry.node {
                    seeds.add("content", &encode(content))?;
                }
            }
        }
    }
    Ok(())
}

fn seed_commit(seeds: &Seeds, file: &SnapshotFile) -> Outcome<()> {
    let commit = wire::Commit { session: SessionId(1), signed: file.signed.clone() };
    seeds.add_sort("wire", 10, &encode(&commit))?;
    seeds.add_sort("wire", 11, &file.receipt.encode())?;
    let Receipt { received_at, .. } = file.receipt;
    let info = wire::SnapshotInfo {
        signed: file.signed.clone(),
        received_at,
        state: wire::SnapshotState::Complete,
        outside_only: false,
    };
    seeds.add_sort("wire", 14, &encode(&wire::SnapshotPage { snapshots: vec![info], more: true }))
}

/// One of each message; the numbers are those of the target `wire`.
fn seed_messages(seeds: &Seeds) -> Outcome<()> {
    let (id, witness, pack) =
        (ChunkId::from_bytes([1; ChunkId::LEN]), Witness::from_bytes([2; 16]), PackId::from_bytes([3; 32]));
    let session = SessionId(7);
    let mut have = wire::Have { session, chunks: Vec::new() };
    have.push(&id, &witness);
    let enrolled = wire::Enrolled {
        machine: MachineId::from_bytes([4; 16]),
        machine_name: "caisse-1".parse()?,
        profile: Profile::Desktop,
        certificate: vec![0x30; 40],
        dedup_secret: vec![5; 32],
        recipients: vec!["age1x".to_owned()],
        receipt_key: vec![6; 32],
        box_name: "box".to_owned(),
    };
    let policy = wire::Policy {
        every: Seconds::HOUR,
        local: RetentionPolicy::default_local(),
        external: RetentionPolicy::default_external(),
        now: UnixMillis(1),
        paused_until: Some(UnixMillis(2)),
        requests: Some(3),
    };
    let place = wire::ChunkPlace { pack: 0, segment: 1, offset: 2, len: 3 };
    let ids = id.as_bytes().to_vec();
    let begin = wire::Begin { source: "system".parse()?, base: None, run: RunId::from_bytes([8; 16]) };
    let messages = [
        encode(&wire::Enrol { code: "A".repeat(24), signing_request: vec![0x30; 40] }),
        encode(&enrolled),
        encode(&wire::Renew { signing_request: vec![0x30; 40] }),
        encode(&wire::Renewed { certificate: vec![0x30; 40] }),
        encode(&wire::Heartbeat { client_version: "0.1.0".to_owned(), now: UnixMillis(1) }),
        encode(&policy),
        encode(&begin),
        encode(&wire::Begun { session, base_kept: true, nothing_known: false }),
        encode(&have),
        encode(&wire::Known::from_flags(&[true, false, true])),
    ];
    for (sort, message) in (0..).zip(&messages) {
        seeds.add_sort("wire", sort, message)?;
    }
    let located = wire::Located { packs: vec![pack], places: vec![None, Some(place)] };
    let refusal = wire::Refusal::new(wire::RefusalCode::Busy, "Too many.");
    for (sort, message) in [
        (12, encode(&wire::Abandon { session })),
        (13, encode(&wire::ListSnapshots { source: Some("system".parse()?), after: None })),
        (15, encode(&wire::Locate { ids: ids.clone() })),
        (16, encode(&located)),
        (17, encode(&wire::ReadSegment { pack, segment: 1, ids })),
        (18, encode(&wire::SegmentFrame { whole: true, plain_len: 2, frame: vec![0, 1, 2] })),
        (19, encode(&refusal)),
        (20, encode(&wire::Done {})),
    ] {
        seeds.add_sort("wire", sort, &message)?;
    }
    Ok(())
}

fn seed_texts(seeds: &Seeds) -> Outcome<()> {
    for host in ["192.168.1.20", "fd00::1", "datis-0a1b.local"] {
        let code = EnrolmentCode::generate()?;
        let uri = EnrolmentUri { host: host.to_owned(), port: 20600, code, pin: SpkiPin::from_bytes([9; 32]) };
        seeds.add("enrolment_uri", uri.to_string().as_bytes())?;
    }
    for path in [&b"a/b\0a-"[..], b"a/b/c\0a/b", b"//usr//share/\0usr"] {
        seeds.add("path", path)?;
    }
    let (hex, short) = ("ab".repeat(32), "ab".repeat(16));
    let key = format!("packs/ab/{hex}.pack");
    for text in ["continuous: 2h/5m, 4h/15m, 24h/1h, 30d/1d", "30d", "caisse 1", "laptop", "image", &hex, &short, &key]
    {
        seeds.add("names", text.as_bytes())?;
    }
    Ok(())
}
