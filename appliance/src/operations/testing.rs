//! A box in a temporary folder and machines that back up to it, for the tests of all operations.

use std::sync::Arc;

use datis_engine::chunk::seal::{Effort, FrameDecoder, FrameEncoder, SEGMENT_PLAIN_MAX};
use datis_engine::format::VERSION;
use datis_engine::format::content::{Content, ContentBuilder, ContentNode, Ref};
use datis_engine::format::directory::ChunkInfo;
use datis_engine::format::listing::{Entry, HardLink, ListingBuilder, ListingNode, Node};
use datis_engine::format::path::{EntryPath, compare};
use datis_engine::format::snapshot::{Receipt, SignedRecord, SnapshotRecord};
use datis_engine::ids::{ChunkId, PackId, Profile, RunId, SnapshotId, SourceKind, SourceName};
use datis_engine::keys::{ChunkKeys, SigningKey, random_bytes};
use datis_engine::pack::{FinishedPack, PackWriter};
use datis_engine::units::{FileTime, UnixMillis};
use datis_engine::wire::{
    Begin, Begun, Commit, Have, ListSnapshots, Locate, ReadSegment, Refusal, SessionId, SnapshotState, put_body_head,
};

use super::accounts::Actor;
use super::browse::Moment;
use super::{
    Limits, Machine, MailSecurity, MailSetting, Site, begin, commit, create_enrolment_code, have, locate, read_segment,
    receive_pack, redeem_enrolment_code,
};
use crate::config::DataDir;
use crate::vault::Vault;

/// How a box that needs no password sends mail to Claire, at seven in the morning.
pub(crate) fn mail_setting_for_tests() -> MailSetting {
    MailSetting {
        host: "mail.example.org".to_owned(),
        port: 25,
        security: MailSecurity::None,
        user: None,
        password: None,
        sender: "box@example.org".to_owned(),
        recipients: vec!["claire@example.org".to_owned()],
        language: "en".to_owned(),
        report_minute: 420,
        weekends: false,
    }
}

/// One date of a source, received `at`.
pub(crate) fn moment(id: u8, at: i64) -> Moment {
    Moment {
        id: SnapshotId::from_bytes([id; 32]),
        received_at: UnixMillis(at),
        state: SnapshotState::Complete,
        entries: 1,
        bytes: 1,
        problems: 0,
        is_outside: false,
    }
}

/// A box that can be stopped and started.
pub(crate) struct TestBox {
    folder: tempfile::TempDir,
    site: Option<Arc<Site>>,
    pub(crate) limits: Limits,
}

impl TestBox {
    pub(crate) fn start() -> Self {
        let limits = Limits { disk_reserve: Some(0), ..Limits::default() };
        let mut new = Self { folder: tempfile::tempdir().expect("folder"), site: None, limits };
        new.restart();
        new
    }

    pub(crate) fn dir(&self) -> DataDir {
        DataDir::new(self.folder.path())
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::open_or_make(&self.dir(), None, &mut |_| {}).expect("vault")
    }

    pub(crate) fn stop(&mut self) {
        self.site = None;
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        let site = Site::open(&self.dir(), self.vault(), self.limits.clone()).expect("open");
        self.site = Some(Arc::new(site));
    }

    pub(crate) fn site(&self) -> &Arc<Site> {
        self.site.as_ref().expect("a started box")
    }
}

pub(crate) fn new_key() -> SigningKey {
    let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("key");
    SigningKey::from_pkcs8(document.as_ref()).expect("pkcs8")
}

/// A workstation with its key.
pub(crate) struct Client {
    pub(crate) machine: Machine,
    pub(crate) key: SigningKey,
}

/// A snapshot that is made but not sent.
pub(crate) struct Made {
    pub(crate) signed: SignedRecord,
    /// All chunks that it refers to, nodes first.
    pub(crate) chunks: Vec<Vec<u8>>,
}

pub(crate) fn source() -> SourceName {
    "system".parse().expect("name")
}

impl Client {
    pub(crate) fn enrol(site: &Site, name: &str) -> Self {
        let key = new_key();
        let code = create_enrolment_code(site, &Actor::console(), &name.parse().expect("name"), Profile::Server)
            .expect("code");
        let machine = redeem_enrolment_code(site, &code, key.public_key()).expect("redeem");
        Self { machine, key }
    }

    pub(crate) fn begin(&self, site: &Site, base: Option<SnapshotId>) -> Begun {
        self.try_begin(site, base, random_bytes().expect("random")).expect("begin")
    }

    pub(crate) fn try_begin(&self, site: &Site, base: Option<SnapshotId>, run: [u8; 16]) -> Result<Begun, Refusal> {
        begin(site, &self.machine, &Begin { source: source(), base, run: RunId::from_bytes(run) })
    }

    /// Which of these chunks the box has for the machine.
    pub(crate) fn have(&self, site: &Site, session: SessionId, chunks: &[Vec<u8>]) -> Vec<bool> {
        let mut message = Have { session, chunks: Vec::new() };
        for chunk in chunks {
            let (id, witness) = site.vault.keys.name(chunk);
            message.push(&id, &witness);
        }
        let known = have(site, &self.machine, &message).expect("have");
        (0..chunks.len()).map(|at| known.get(at)).collect()
    }

    pub(crate) fn put(&self, site: &Site, session: SessionId, pack: &FinishedPack) -> Result<(), Refusal> {
        self.put_bytes(site, session, pack.id, &body_of(pack), 1_000)
    }

    pub(crate) fn put_bytes(
        &self,
        site: &Site,
        session: SessionId,
        id: PackId,
        body: &[u8],
        piece: usize,
    ) -> Result<(), Refusal> {
        let mut intake = receive_pack(site, &self.machine, session, id, body.len() as u64)?;
        body.chunks(piece).try_for_each(|piece| intake.write(piece))?;
        intake.finish()
    }

    /// A snapshot of small files: path and content of each, in the order of a walk.
    pub(crate) fn make(&self, keys: &ChunkKeys, files: &[(&str, Vec<u8>)]) -> Made {
        let planted = files.iter().map(|(path, content)| (path.as_bytes().to_vec(), Planted::File(content.clone())));
        self.make_tree(keys, planted.collect())
    }

    /// A snapshot of any entries, in any order.
    pub(crate) fn make_tree(&self, keys: &ChunkKeys, mut entries: Vec<(Vec<u8>, Planted)>) -> Made {
        entries.sort_by(|a, b| compare(&a.0, &b.0));
        let mut chunks = Vec::new();
        let mut store = |bytes: Vec<u8>| {
            let id = keys.name(&bytes).0;
            chunks.push(bytes);
            id
        };
        let mut listing = ListingBuilder::new(keys);
        for (path, planted) in entries {
            let entry = planted.entry(&mut store);
            let path = EntryPath::parse(path).expect("path");
            listing.push(&path, &entry.encode(), entry.size(), &mut store);
        }
        let (root, totals) = listing.finish(&mut store);
        let record = SnapshotRecord {
            version: VERSION,
            machine: self.machine.id,
            machine_name: self.machine.name.clone(),
            source: source(),
            kind: SourceKind::Files,
            started_at: UnixMillis(1),
            finished_at: UnixMillis(i64::from(u16::from_le_bytes(random_bytes().expect("random")))),
            roots: vec![b"/srv".to_vec()],
            listing: root,
            totals,
            problem_count: 0,
            problems: None,
            client_version: "test".to_owned(),
        };
        Made { signed: record.sign(&self.key), chunks }
    }

    /// A whole backup of any entries.
    pub(crate) fn back_up_tree(&self, site: &Site, entries: Vec<(Vec<u8>, Planted)>) -> Receipt {
        self.send(site, &self.make_tree(&site.vault.keys, entries)).0
    }

    pub(crate) fn commit(&self, site: &Site, session: SessionId, made: &Made) -> Result<Receipt, Refusal> {
        commit(site, &self.machine, &Commit { session, signed: made.signed.clone() })
    }

    /// A whole backup that sends only what the box asks for; gives the receipt and how many chunks were sent.
    pub(crate) fn back_up(&self, site: &Site, files: &[(&str, Vec<u8>)]) -> (Receipt, usize) {
        self.send(site, &self.make(&site.vault.keys, files))
    }

    /// Sends what the box asks for, and commits.
    pub(crate) fn send(&self, site: &Site, made: &Made) -> (Receipt, usize) {
        let session = self.begin(site, None).session;
        let mut missing: Vec<Vec<u8>> = Vec::new();
        for some in made.chunks.chunks(1_000) {
            let have = self.have(site, session, some);
            missing.extend(some.iter().zip(have).filter(|(_, have)| !have).map(|(c, _)| c.clone()));
        }
        // Packs have limits of their own.
        for some in missing.chunks(10_000) {
            self.put(site, session, &pack_of(site, some)).expect("put");
        }
        (self.commit(site, session, made).expect("commit"), missing.len())
    }

    /// One chunk, as a restore gets it; `None` when the box says that there is none.
    pub(crate) fn read(&self, site: &Site, id: &ChunkId) -> Option<Result<Vec<u8>, Refusal>> {
        let located = locate(site, &self.machine, &Locate { ids: id.as_bytes().to_vec() }).expect("locate");
        let place = located.places[0]?;
        let pack = located.packs[place.pack as usize];
        let message = ReadSegment { pack, segment: place.segment, ids: id.as_bytes().to_vec() };
        let frame = match read_segment(site, &self.machine, &message) {
            Ok(frame) => frame,
            Err(refusal) => return Some(Err(refusal)),
        };
        let mut plain = Vec::new();
        FrameDecoder::new()
            .expect("decoder")
            .decode(&frame.frame, frame.plain_len as usize, SEGMENT_PLAIN_MAX, &mut plain)
            .expect("decode");
        let chunk = if frame.whole {
            plain[place.offset as usize..(place.offset + place.len) as usize].to_vec()
        } else {
            plain
        };
        Some(Ok(chunk))
    }

    /// All files of a snapshot, restored, each chunk checked against its id.
    pub(crate) fn restore(&self, site: &Site, id: &SnapshotId) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let page = super::list_snapshots(site, &self.machine, &ListSnapshots { source: None, after: None })?;
        let found = page.snapshots.iter().find(|s| s.signed.id() == *id).expect("the snapshot is listed");
        let record = found.signed.open(&self.key.public_key()).expect("record");
        let mut files = Vec::new();
        self.restore_node(site, record.listing.id, record.listing.level, &mut files)?;
        Ok(files)
    }

    fn restore_node(
        &self,
        site: &Site,
        id: ChunkId,
        level: u8,
        files: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<(), Refusal> {
        match ListingNode::decode(level, &self.checked(site, id)?).expect("node") {
            ListingNode::Inner(children) => {
                children.iter().try_for_each(|child| self.restore_node(site, child.id, level - 1, files))
            }
            ListingNode::Leaf(entries) => entries.iter().try_for_each(|(path, entry)| {
                let mut bytes = Vec::new();
                let content = entry.content().expect("a file");
                self.restore_refs(site, content.level, &content.refs, &mut bytes)?;
                files.push((String::from_utf8(path.as_bytes().to_vec()).expect("text"), bytes));
                Ok(())
            }),
        }
    }

    fn restore_refs(&self, site: &Site, level: u8, refs: &[Ref], bytes: &mut Vec<u8>) -> Result<(), Refusal> {
        for r in refs {
            let chunk = self.checked(site, r.id)?;
            if level == 0 {
                bytes.extend(chunk);
            } else {
                let node = ContentNode::decode(&chunk).expect("node");
                self.restore_refs(site, level - 1, &node.refs, bytes)?;
            }
        }
        Ok(())
    }

    fn checked(&self, site: &Site, id: ChunkId) -> Result<Vec<u8>, Refusal> {
        let bytes = self.read(site, &id).expect("the chunk is there")?;
        assert_eq!(site.vault.keys.name(&bytes).0, id);
        Ok(bytes)
    }
}

fn contents(store: &mut dyn FnMut(Vec<u8>) -> ChunkId, content: &[u8]) -> (Content, u64) {
    let mut builder = ContentBuilder::new();
    for piece in content.chunks(4_096) {
        let id = store(piece.to_vec());
        builder.push(Ref { id, len: piece.len() as u64 }, store);
    }
    (builder.finish(store), content.len() as u64)
}

/// What a snapshot is to hold at a path.
#[derive(Debug, Clone)]
pub(crate) enum Planted {
    Dir,
    File(Vec<u8>),
    /// A file with these names: equal numbers are one inode.
    Linked(u64, Vec<u8>),
    /// Length, where the data stands, the data.
    Sparse(u64, Vec<(u64, u64)>, Vec<u8>),
    Symlink(&'static [u8]),
    Fifo,
}

impl Planted {
    fn entry(self, store: &mut dyn FnMut(Vec<u8>) -> ChunkId) -> Entry {
        let mut hard_link = None;
        let file = |bytes: Vec<u8>, store: &mut dyn FnMut(Vec<u8>) -> ChunkId| {
            let (content, size) = contents(store, &bytes);
            Node::File { size, extents: None, content }
        };
        let node = match self {
            Self::Dir => Node::Directory,
            Self::File(bytes) => file(bytes, store),
            Self::Linked(inode, bytes) => {
                hard_link = Some(HardLink { device: 0, inode });
                file(bytes, store)
            }
            Self::Sparse(size, extents, data) => {
                Node::File { size, extents: Some(extents), content: contents(store, &data).0 }
            }
            Self::Symlink(target) => Node::Symlink { target: target.to_vec() },
            Self::Fifo => Node::Fifo,
        };
        let modified = FileTime { seconds: 1_700_000_000, nanoseconds: 5 };
        let mode = if matches!(node, Node::Directory) { 0o755 } else { 0o644 };
        Entry { mode, uid: 0, gid: 0, modified, xattrs: Vec::new(), hard_link, node }
    }
}

/// A pack of these chunks, about 100 to a segment.
pub(crate) fn pack_of(site: &Site, chunks: &[Vec<u8>]) -> FinishedPack {
    let mut encoder = FrameEncoder::new(Effort::Passing).expect("encoder");
    let mut writer = PackWriter::create(&site.vault.recipients).expect("create");
    for some in chunks.chunks(100) {
        let info =
            |c: &Vec<u8>| ChunkInfo { id: site.vault.keys.name(c).0, len: u32::try_from(c.len()).expect("short") };
        let infos: Vec<_> = some.iter().map(info).collect();
        writer.push(encoder.encode(&some.concat(), SEGMENT_PLAIN_MAX).expect("frame"), &infos);
    }
    writer.finish(&mut encoder).expect("finish")
}

/// The body of a `PUT`.
pub(crate) fn body_of(pack: &FinishedPack) -> Vec<u8> {
    let directory = pack.directory.encode();
    let head = put_body_head(u32::try_from(directory.len()).expect("short"));
    [head.as_slice(), &directory, &pack.bytes].concat()
}

/// Bytes that no compressor shrinks, the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Some files whose content follows from the seed.
pub(crate) fn files(count: usize, seed: u64) -> Vec<(&'static str, Vec<u8>)> {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let content = |at: usize| noise(3_000 * (at + 1), seed * 1_000 + at as u64);
    NAMES.iter().take(count).enumerate().map(|(at, name)| (*name, content(at))).collect()
}

/// What [`Client::restore`] should give for `files`.
pub(crate) fn owned(files: &[(&str, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect()
}
