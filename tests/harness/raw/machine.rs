//! A machine that is enrolled and backs up by hand, chunk by chunk, so that a test knows every id.

use std::net::{IpAddr, SocketAddr};

use datis_engine::chunk::seal::{Effort, FrameEncoder, SEGMENT_PLAIN_MAX};
use datis_engine::enrolment::EnrolmentUri;
use datis_engine::format::VERSION;
use datis_engine::format::content::{Content, Ref};
use datis_engine::format::directory::ChunkInfo;
use datis_engine::format::listing::{Entry, ListingBuilder, ListingRoot, Node, Totals};
use datis_engine::format::path::EntryPath;
use datis_engine::format::snapshot::{SignedRecord, SnapshotRecord};
use datis_engine::ids::{ChunkId, PackId, RunId, SnapshotId, SourceKind, Witness};
use datis_engine::keys::{ChunkKeys, DedupSecret, PublicKey, Recipients, SigningKey, random_bytes};
use datis_engine::pack::{FinishedPack, PackWriter};
use datis_engine::units::{FileTime, UnixMillis};
use datis_engine::wire::{Begin, Commit, Enrol, Enrolled, Have, Refusal, SessionId, pack_path, put_body_head};

use super::{Answer, Identity, Raw, fresh_key};

/// A machine without a client.
pub struct RawMachine {
    /// What it proves itself with.
    pub identity: Identity,
    /// What the box said when it enrolled.
    pub enrolled: Enrolled,
    /// The vault's keys.
    pub keys: ChunkKeys,
    /// The machine port.
    pub port: SocketAddr,
    /// Where it connects from.
    pub from: Option<IpAddr>,
    signing_key: SigningKey,
}

/// A pack and a record that are made but not sent.
pub struct Made {
    /// All chunks, nodes too.
    pub pack: FinishedPack,
    /// The record.
    pub signed: SignedRecord,
    /// The chunks of content with their witnesses, in the order of the files.
    pub chunks: Vec<(ChunkId, Witness)>,
}

/// A snapshot that the box has acknowledged.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id.
    pub snapshot: SnapshotId,
    /// The one pack it is in.
    pub pack: PackId,
    /// The chunks of content with their witnesses, in the order of the files.
    pub chunks: Vec<(ChunkId, Witness)>,
}

impl RawMachine {
    /// Enrols with the URI that the box has printed.
    ///
    /// # Errors
    /// The box's refusal.
    ///
    /// # Panics
    /// When the URI or the box's answer is none.
    pub fn enrol(uri: &str) -> Result<Self, Refusal> {
        let uri: EnrolmentUri = uri.trim().parse().expect("an enrolment URI");
        let port = SocketAddr::new(uri.host.parse().expect("an address"), uri.port);
        let key = fresh_key();
        let request = Enrol { code: uri.code.expose().to_owned(), signing_request: Self::signing_request(&key) };
        let enrolled = Raw::open(port, None).expect("connect").ask(&request)?;
        let secret = enrolled.dedup_secret.as_slice().try_into().expect("32 bytes");
        let key = key.serialize_der();
        Ok(Self {
            signing_key: SigningKey::from_pkcs8(&key).expect("a key"),
            identity: Identity { key, certificate: enrolled.certificate.clone() },
            keys: ChunkKeys::derive(&DedupSecret::from_bytes(secret)),
            enrolled,
            port,
            from: None,
        })
    }

    /// A PKCS#10 request for `key`, without a name.
    ///
    /// # Panics
    /// When the key cannot sign.
    #[must_use]
    pub fn signing_request(key: &rcgen::KeyPair) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.serialize_request(key).expect("a signing request").der().to_vec()
    }

    /// Connects with its certificate.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn connect(&self) -> Raw {
        Raw::open_from(self.port, self.from, Some(&self.identity)).expect("connect")
    }

    /// Opens a backup of `source` as a run of its own.
    ///
    /// # Errors
    /// The box's refusal.
    ///
    /// # Panics
    /// When `source` is no name.
    pub fn begin(&self, raw: &mut Raw, source: &str) -> Result<SessionId, Refusal> {
        let run = RunId::from_bytes(random_bytes().expect("random"));
        let begin = Begin { source: source.parse().expect("a name"), base: None, run };
        Ok(raw.ask(&begin)?.session)
    }

    /// Asks which chunks need not be sent.
    ///
    /// # Errors
    /// The box's refusal.
    pub fn have(&self, raw: &mut Raw, session: SessionId, chunks: &[(ChunkId, Witness)]) -> Result<Vec<bool>, Refusal> {
        let mut message = Have { session, chunks: Vec::new() };
        chunks.iter().for_each(|(id, witness)| message.push(id, witness));
        let known = raw.ask(&message)?;
        Ok((0..chunks.len()).map(|index| known.get(index)).collect())
    }

    /// The recipients that packs are sealed for.
    ///
    /// # Panics
    /// When the box has named none.
    #[must_use]
    pub fn recipients(&self) -> Recipients {
        Recipients::parse(&self.enrolled.recipients).expect("recipients")
    }

    /// A pack of one segment with these chunks.
    ///
    /// # Panics
    /// When they are too many or too long for a segment.
    #[must_use]
    pub fn pack(&self, chunks: &[&[u8]]) -> FinishedPack {
        let infos: Vec<ChunkInfo> = chunks
            .iter()
            .map(|plain| ChunkInfo { id: self.keys.name(plain).0, len: u32::try_from(plain.len()).expect("short") })
            .collect();
        let mut encoder = FrameEncoder::new(Effort::Mixed).expect("encoder");
        let mut writer = PackWriter::create(&self.recipients()).expect("pack");
        writer.push(encoder.encode(&chunks.concat(), SEGMENT_PLAIN_MAX).expect("frame"), &infos);
        writer.finish(&mut encoder).expect("pack")
    }

    /// A record of `source` about a listing, signed by this machine.
    ///
    /// # Panics
    /// When `source` is no name.
    #[must_use]
    pub fn record(&self, source: &str, listing: ListingRoot, totals: Totals) -> SnapshotRecord {
        SnapshotRecord {
            version: VERSION,
            machine: self.enrolled.machine,
            machine_name: self.enrolled.machine_name.clone(),
            source: source.parse().expect("a name"),
            kind: SourceKind::Files,
            started_at: UnixMillis(1_800_000_000_000),
            finished_at: UnixMillis(1_800_000_001_000),
            roots: vec![b"/".to_vec()],
            listing,
            totals,
            problem_count: 0,
            problems: None,
            client_version: "raw".to_owned(),
        }
    }

    /// Signs a record, be it about this machine or not.
    #[must_use]
    pub fn sign(&self, record: &SnapshotRecord) -> SignedRecord {
        record.sign(&self.signing_key)
    }

    /// What its records are checked with.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.signing_key.public_key()
    }

    /// A snapshot of files of one chunk each. Those in `sent` are in the pack, those in `named` only in the listing.
    ///
    /// # Panics
    /// When a name is no path, or the files are too long for one segment.
    #[must_use]
    pub fn make(&self, source: &str, sent: &[(&str, &[u8])], named: &[(&str, ChunkId, u64)]) -> Made {
        let chunks: Vec<_> = sent.iter().map(|(_, plain)| self.keys.name(plain)).collect();
        let of_sent = sent.iter().zip(&chunks).map(|((path, plain), (id, _))| (*path, *id, plain.len() as u64));
        let mut files: Vec<(EntryPath, Entry)> = of_sent
            .chain(named.iter().copied())
            .map(|(path, id, len)| (EntryPath::parse(path.as_bytes().to_vec()).expect("a path"), file(id, len)))
            .collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let mut nodes: Vec<Vec<u8>> = Vec::new();
        let mut store = |bytes: Vec<u8>| {
            let id = self.keys.name(&bytes).0;
            nodes.push(bytes);
            id
        };
        let mut builder = ListingBuilder::new(&self.keys);
        for (path, entry) in &files {
            builder.push(path, &entry.encode(), entry.size(), &mut store);
        }
        let (root, totals) = builder.finish(&mut store);
        let plain: Vec<&[u8]> = sent.iter().map(|(_, plain)| *plain).chain(nodes.iter().map(Vec::as_slice)).collect();
        Made { pack: self.pack(&plain), signed: self.sign(&self.record(source, root, totals)), chunks }
    }

    /// Sends a pack under its own name.
    ///
    /// # Errors
    /// What the connection says.
    pub fn put(&self, raw: &mut Raw, session: SessionId, pack: &FinishedPack) -> std::io::Result<Answer> {
        raw.exchange("PUT", &pack_path(session, &pack.id), &put_body(pack))
    }

    /// Backs up files of one chunk each.
    ///
    /// # Panics
    /// When the box refuses anything of it.
    #[must_use]
    pub fn back_up(&self, source: &str, files: &[(&str, &[u8])]) -> Stored {
        let mut raw = self.connect();
        let session = self.begin(&mut raw, source).expect("begin");
        let Made { pack, signed, chunks } = self.make(source, files, &[]);
        let put = self.put(&mut raw, session, &pack).expect("put");
        assert_eq!(put.status, 204, "{put:?}");
        let receipt = raw.ask(&Commit { session, signed }).expect("commit");
        Stored { snapshot: receipt.snapshot, pack: pack.id, chunks }
    }
}

/// What is sent for a pack.
///
/// # Panics
/// Never: a directory is far shorter than 4 GiB.
#[must_use]
pub fn put_body(pack: &FinishedPack) -> Vec<u8> {
    let directory = pack.directory.encode();
    let head = put_body_head(u32::try_from(directory.len()).expect("short"));
    [&head[..], &directory, &pack.bytes].concat()
}

fn file(id: ChunkId, len: u64) -> Entry {
    Entry {
        mode: 0o644,
        uid: 0,
        gid: 0,
        modified: FileTime { seconds: 1_700_000_000, nanoseconds: 0 },
        xattrs: vec![],
        hard_link: None,
        node: Node::File { size: len, extents: None, content: Content { level: 0, refs: vec![Ref { id, len }] } },
    }
}
