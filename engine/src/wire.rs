//! Messages of the machine port: HTTP/1.1 over mutual TLS, bodies in CBOR. `docs/PROTOCOL.md` describes the exchange.
//!
//! Types only: `appliance::intake` serves them, `client::link` asks for them. A request names its path and its response,
//! so that neither side spells them twice.

use minicbor::{Decode, Encode, Encoder};

use crate::chunk::seal::SEGMENT_PLAIN_MAX;
use crate::format::encode;
use crate::format::snapshot::{Receipt, SignedRecord};
use crate::ids::{ChunkId, MachineId, MachineName, PackId, Profile, RunId, SnapshotId, SourceName, Witness};
use crate::retention::RetentionPolicy;
use crate::units::{Seconds, UnixMillis};

/// Media type of all CBOR bodies.
pub const CBOR: &str = "application/cbor";

/// The default machine port.
pub const MACHINE_PORT: u16 = 20600;

/// The most chunks in one [`Have`] or [`Locate`].
pub const BATCH_MAX: usize = 16_384;

/// The longest CBOR request body, in bytes.
pub const REQUEST_MAX: usize = 4 << 20;

/// The longest CBOR response body that a client accepts unless the message says otherwise, in bytes.
const RESPONSE_MAX: usize = 1 << 20;

/// The most snapshots in one [`SnapshotPage`].
pub const PAGE_MAX: usize = 1_000;

/// A request that is one CBOR body, answered by one CBOR body.
pub trait Message: Encode<()> + for<'b> Decode<'b, ()> {
    /// What the box answers.
    type Response: Encode<()> + for<'b> Decode<'b, ()>;
    /// The path it is posted to.
    const PATH: &'static str;
    /// The longest response that a client accepts, in bytes.
    const RESPONSE_MAX: usize = RESPONSE_MAX;

    /// The response as it crosses the line: two parts, one after the other, so that many bytes need not be copied.
    fn parts(response: Self::Response) -> [Vec<u8>; 2] {
        [encode(&response), Vec::new()]
    }
}

macro_rules! message {
    ($request:ty => $response:ty, $path:literal $(, $max:expr $(, $parts:path)?)?) => {
        impl Message for $request {
            type Response = $response;
            const PATH: &'static str = $path;
            $(
                const RESPONSE_MAX: usize = $max;
                $(
                    fn parts(response: $response) -> [Vec<u8>; 2] {
                        $parts(response)
                    }
                )?
            )?
        }
    };
}

pub mod peers;
pub mod reach;

/// The one request that needs no certificate.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Enrol {
    /// The one-use code of the enrolment URI.
    #[n(0)]
    pub code: String,
    /// A certificate signing request (PKCS#10, DER) for an Ed25519 key that never leaves the machine.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub signing_request: Vec<u8>,
}
message!(Enrol => Enrolled, "/v1/enrol");

/// What a machine needs to work from now on.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Enrolled {
    /// Its id.
    #[n(0)]
    pub machine: MachineId,
    /// Its name, as the admin chose it.
    #[n(1)]
    pub machine_name: MachineName,
    /// Its profile.
    #[n(2)]
    pub profile: Profile,
    /// Its certificate (X.509, DER).
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// The vault's dedup secret, 32 bytes.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub dedup_secret: Vec<u8>,
    /// The vault's recipients (`age1…`).
    #[n(5)]
    pub recipients: Vec<String>,
    /// The key that receipts are signed with, 32 bytes.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub receipt_key: Vec<u8>,
    /// What people call the box.
    #[n(7)]
    pub box_name: String,
}

/// Asks for a fresh certificate before the present one expires.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Renew {
    /// As in [`Enrol`]; for the same key.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub signing_request: Vec<u8>,
}
message!(Renew => Renewed, "/v1/renew");

/// A fresh certificate.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Renewed {
    /// X.509, DER.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
}

/// "I am alive"; the answer brings the policy.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Heartbeat {
    /// Version of the client.
    #[n(0)]
    pub client_version: String,
    /// The machine's clock: the box shows a warning when it is far off.
    #[n(1)]
    pub now: UnixMillis,
}
message!(Heartbeat => Policy, "/v1/heartbeat");

/// What the box wants of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Policy {
    /// How often each source is backed up.
    #[n(0)]
    pub every: Seconds,
    /// How long the box keeps snapshots.
    #[n(1)]
    pub local: RetentionPolicy,
    /// How long peers keep them.
    #[n(2)]
    pub external: RetentionPolicy,
    /// The box's clock.
    #[n(3)]
    pub now: UnixMillis,
    /// Until when the machine is asked to rest, by the box's clock; older boxes and clients do not know this.
    #[n(4)]
    pub paused_until: Option<UnixMillis>,
    /// How many requests to put something back wait for the machine ([`ListPutBacks`]); older boxes have none.
    #[n(5)]
    pub requests: Option<u32>,
}

/// The most requests of one machine that are open at a time.
pub const PUT_BACKS_MAX: usize = 16;

/// The most paths of one [`PutBack`].
pub const PUT_BACK_PATHS_MAX: usize = 200;

/// What is the machine asked to put back? A box can only ask: nothing is done unless somebody at the machine agrees.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ListPutBacks {}
message!(ListPutBacks => PutBacks, "/v1/requests");

/// The requests that wait, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutBacks {
    /// At most [`PUT_BACKS_MAX`], each number once.
    #[n(0)]
    pub requests: Vec<PutBack>,
}

/// Something of a snapshot is to be put back where it was.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PutBack {
    /// Its number on the box.
    #[n(0)]
    pub id: u64,
    /// One of the machine's own snapshots.
    #[n(1)]
    pub snapshot: SnapshotId,
    /// What of it, as paths of the listing; at most [`PUT_BACK_PATHS_MAX`].
    #[n(2)]
    pub paths: Vec<minicbor::bytes::ByteVec>,
    /// What is done about names that are taken.
    #[n(3)]
    pub mode: PutBackMode,
    /// Who has asked on the box.
    #[n(4)]
    pub asked_by: String,
    /// When, by the box's clock.
    #[n(5)]
    pub asked_at: UnixMillis,
    /// Until when it waits.
    #[n(6)]
    pub expires_at: UnixMillis,
}

/// What is done about names that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum PutBackMode {
    /// What is there stays; what is put back gets a name with the snapshot's date.
    #[n(0)]
    Beside,
    /// What is there is replaced.
    #[n(1)]
    Overwrite,
}

/// How far a request is, as the machine says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TellPutBack {
    /// Which request.
    #[n(0)]
    pub request: u64,
    /// How far it is.
    #[n(1)]
    pub step: PutBackStep,
    /// Who at the machine has agreed, or refused.
    #[n(2)]
    pub by: String,
    /// Files that are back so far, each byte of which was checked against its hash.
    #[n(3)]
    pub files: u64,
    /// Their bytes.
    #[n(4)]
    pub bytes: u64,
    /// Entries that could not be put back.
    #[n(5)]
    pub problems: u64,
    /// The first reason for that; empty when there is none.
    #[n(6)]
    pub reason: String,
}
message!(TellPutBack => PutBackAnswer, "/v1/requests/tell");

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum PutBackStep {
    /// Somebody has agreed, and it is under way.
    #[n(0)]
    Working,
    /// Somebody has refused.
    #[n(1)]
    Refused,
    /// All of it is back.
    #[n(2)]
    Done,
    /// Some of it is back.
    #[n(3)]
    Incomplete,
    /// Nothing is back.
    #[n(4)]
    Failed,
}

/// Whether anybody still wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PutBackAnswer {
    /// False: it was cancelled, has expired or is over, and the machine stops.
    #[n(0)]
    pub goes_on: bool,
}

/// How a run of a source went, for the people who look at the box. Sent when it has ended; a box need not know this message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RunReport {
    /// Which source.
    #[n(0)]
    pub source: SourceName,
    /// As in [`Begin`].
    #[n(1)]
    pub run: RunId,
    /// How it ended.
    #[n(2)]
    pub outcome: RunOutcome,
    /// How long it looked, read and sent, in milliseconds.
    #[n(3)]
    pub reading_ms: u64,
    /// How long the commit took.
    #[n(4)]
    pub commit_ms: u64,
    /// How long all of it took.
    #[n(5)]
    pub took_ms: u64,
    /// Entries in the snapshot.
    #[n(6)]
    pub entries: u64,
    /// Bytes that the box did not have.
    #[n(7)]
    pub new_bytes: u64,
    /// Entries that could not be read.
    #[n(8)]
    pub problems: u64,
    /// Why it failed; empty when it did not.
    #[n(9)]
    pub message: String,
    /// What the source leaves out, as patterns.
    #[n(10)]
    pub excludes: Vec<String>,
}
message!(RunReport => Done, "/v1/run");

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RunOutcome {
    /// With a snapshot of everything.
    #[n(0)]
    Complete,
    /// With a snapshot that lacks some entries.
    #[n(1)]
    Incomplete,
    /// Without a snapshot.
    #[n(2)]
    Failed,
}

/// What came of a restore, for the people who look at the box. Sent when it has ended; a box need not know this message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RestoreReport {
    /// Out of which snapshot.
    #[n(0)]
    pub snapshot: SnapshotId,
    /// Files that are back, each byte of which was checked against its hash.
    #[n(1)]
    pub files: u64,
    /// Their bytes.
    #[n(2)]
    pub bytes: u64,
    /// Entries that could not be restored.
    #[n(3)]
    pub problems: u64,
}
message!(RestoreReport => Done, "/v1/restored");

/// Opens a backup of one source. At most one is open per machine and source.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Begin {
    /// Which source.
    #[n(0)]
    pub source: SourceName,
    /// The snapshot that unchanged entries are taken over from, as the machine remembers it.
    #[n(1)]
    pub base: Option<SnapshotId>,
    /// Random, made for this run: the same run may ask again after its connection broke.
    #[n(2)]
    pub run: RunId,
}
message!(Begin => Begun, "/v1/begin");

/// A backup is open.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Begun {
    /// To be named in what follows.
    #[n(0)]
    pub session: SessionId,
    /// Whether the box has the base and keeps it until the session ends. Otherwise everything is asked for anew.
    #[n(1)]
    pub base_kept: bool,
    /// Whether the box has nothing at all that this machine could refer to, so that asking [`Have`] is of no use.
    #[n(2)]
    pub nothing_known: bool,
}

/// An open backup; valid until commit, a restart of the box, or [`SESSION_IDLE_MAX`] without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SessionId(#[n(0)] pub u64);

/// After this long without a request a session may be taken over by another run.
pub const SESSION_IDLE_MAX: Seconds = Seconds(600);

/// Which of these chunks may be referred to without sending them?
#[derive(Debug, Clone, Encode, Decode)]
pub struct Have {
    /// The open backup.
    #[n(0)]
    pub session: SessionId,
    /// At most [`BATCH_MAX`] chunks, each as 16 bytes of id and 16 bytes of witness.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub chunks: Vec<u8>,
}
message!(Have => Known, "/v1/have");

impl Have {
    /// Bytes of one chunk in [`Self::chunks`].
    pub const ITEM_LEN: usize = ChunkId::LEN + Witness::LEN;

    /// Adds a chunk.
    pub fn push(&mut self, id: &ChunkId, witness: &Witness) {
        self.chunks.extend_from_slice(id.as_bytes());
        self.chunks.extend_from_slice(witness.as_bytes());
    }

    /// The chunks; `None` when there are too many, or bytes are left over.
    #[must_use]
    pub fn items(&self) -> Option<Vec<(ChunkId, Witness)>> {
        if !self.chunks.len().is_multiple_of(Self::ITEM_LEN) || self.chunks.len() / Self::ITEM_LEN > BATCH_MAX {
            return None;
        }
        let item = |bytes: &[u8]| {
            let (id, witness) = bytes.split_at(ChunkId::LEN);
            ChunkId::from_slice(id).zip(Witness::from_slice(witness))
        };
        self.chunks.chunks_exact(Self::ITEM_LEN).map(item).collect()
    }
}

/// One bit a chunk, in the order asked, lowest bit of the first byte first: 1 means "need not be sent".
#[derive(Debug, Clone, Encode, Decode)]
pub struct Known {
    /// As many bits as chunks were asked for, filled up with zeros to whole bytes.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub bits: Vec<u8>,
}

impl Known {
    /// Packs the answers.
    #[must_use]
    pub fn from_flags(flags: &[bool]) -> Self {
        let bits =
            flags.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(*flag))).collect();
        Self { bits }
    }

    /// Whether the chunk asked for at `index` is known; out of range means it is not.
    #[must_use]
    pub fn get(&self, index: usize) -> bool {
        self.bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}

/// Path of a pack to `PUT`: the body is [`put_body_head`], the directory, then the pack, and nothing else.
///
/// The answer is 204. The pack is durable only after [`Commit`]; putting the same pack again does nothing.
pub const PACK_PATH: &str = "/v1/packs/{session}/{pack}";

/// [`PACK_PATH`] filled in.
#[must_use]
pub fn pack_path(session: SessionId, pack: &PackId) -> String {
    format!("/v1/packs/{}/{pack}", session.0)
}

/// The four bytes before the directory in the body of a `PUT`: its length, least byte first.
#[must_use]
pub const fn put_body_head(directory_len: u32) -> [u8; 4] {
    directory_len.to_le_bytes()
}

/// Ends a backup: from the answer on, the snapshot is there whatever happens to the box's power.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Commit {
    /// The open backup.
    #[n(0)]
    pub session: SessionId,
    /// The record.
    #[n(1)]
    pub signed: SignedRecord,
}
message!(Commit => Receipt, "/v1/commit");

/// Ends a backup without a snapshot; what was sent may be used by the next run.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Abandon {
    /// The open backup.
    #[n(0)]
    pub session: SessionId,
}
message!(Abandon => Done, "/v1/abandon");

/// Nothing more to say.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Done {}

/// Asks for this machine's snapshots, newest first.
#[derive(Debug, Clone, Encode, Decode)]
pub struct ListSnapshots {
    /// Only of this source.
    #[n(0)]
    pub source: Option<SourceName>,
    /// Only those after this one in the order of the list.
    #[n(1)]
    pub after: Option<SnapshotId>,
}
message!(ListSnapshots => SnapshotPage, "/v1/snapshots", 64 << 20);

/// At most [`PAGE_MAX`] snapshots.
#[derive(Debug, Clone, Encode, Decode)]
pub struct SnapshotPage {
    /// Newest first.
    #[n(0)]
    pub snapshots: Vec<SnapshotInfo>,
    /// Whether there are more after the last one.
    #[n(1)]
    pub more: bool,
}

/// A snapshot that the box has.
#[derive(Debug, Clone, Encode, Decode)]
pub struct SnapshotInfo {
    /// Its signed record.
    #[n(0)]
    pub signed: SignedRecord,
    /// When the box had all of it.
    #[n(1)]
    pub received_at: UnixMillis,
    /// What is known of it now.
    #[n(2)]
    pub state: SnapshotState,
}

/// What is known of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum SnapshotState {
    /// Everything of its source is in it.
    #[n(0)]
    Complete,
    /// Some entries could not be read when it was made.
    #[n(1)]
    Incomplete,
    /// The box has found that a pack it needs is damaged; the rest can be restored.
    #[n(2)]
    Damaged,
}

impl SnapshotState {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Complete, Self::Incomplete, Self::Damaged];

    /// The word for it on screens and in the catalog.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Damaged => "damaged",
        }
    }
}

impl std::fmt::Display for SnapshotState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Where are these chunks? Only those that the machine's own packs or snapshots hold are answered.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Locate {
    /// At most [`BATCH_MAX`] ids of 16 bytes.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub ids: Vec<u8>,
}
message!(Locate => Located, "/v1/locate", 4 << 20);

impl Locate {
    /// The ids; `None` when there are too many, or bytes are left over.
    #[must_use]
    pub fn items(&self) -> Option<Vec<ChunkId>> {
        if !self.ids.len().is_multiple_of(ChunkId::LEN) || self.ids.len() / ChunkId::LEN > BATCH_MAX {
            return None;
        }
        self.ids.chunks_exact(ChunkId::LEN).map(ChunkId::from_slice).collect()
    }
}

/// Places of chunks, in the order asked.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Located {
    /// Packs that the places refer to.
    #[n(0)]
    pub packs: Vec<PackId>,
    /// `None`: the box has no such chunk, or it is none of this machine's.
    #[n(1)]
    pub places: Vec<Option<ChunkPlace>>,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChunkPlace {
    /// Index into [`Located::packs`].
    #[n(0)]
    pub pack: u32,
    /// Number of the segment in the pack.
    #[n(1)]
    pub segment: u32,
    /// First byte within the segment's plain bytes.
    #[n(2)]
    pub offset: u32,
    /// Length in bytes.
    #[n(3)]
    pub len: u32,
}

/// Reads chunks of one segment.
///
/// Answered with one frame (as in a pack, opened): of the whole segment when the machine sent the pack itself, else of
/// the asked chunks alone, one after the other in the order asked.
#[derive(Debug, Clone, Encode, Decode)]
pub struct ReadSegment {
    /// Which pack.
    #[n(0)]
    pub pack: PackId,
    /// Which segment of it.
    #[n(1)]
    pub segment: u32,
    /// The chunks that are needed, each 16 bytes of id.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub ids: Vec<u8>,
}
message!(ReadSegment => SegmentFrame, "/v1/read", SEGMENT_PLAIN_MAX + 4_096, SegmentFrame::into_parts);

/// The bytes that were asked for.
#[derive(Debug, Clone, Encode, Decode)]
pub struct SegmentFrame {
    /// True: the whole segment; places are those of [`Located`]. False: only the asked chunks, in the order asked.
    #[n(0)]
    pub whole: bool,
    /// Plain length in bytes.
    #[n(1)]
    pub plain_len: u32,
    /// The frame.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub frame: Vec<u8>,
}

impl SegmentFrame {
    /// See [`Message::parts`]: the frame stays where it is.
    fn into_parts(self) -> [Vec<u8>; 2] {
        let Self { whole, plain_len, frame } = self;
        let mut head = Encoder::new(Vec::new());
        match head.array(3).and_then(|e| e.bool(whole)?.u32(plain_len)?.bytes_len(frame.len() as u64)) {
            Ok(_) => [head.into_writer(), frame],
            Err(_) => unreachable!("encoding into memory cannot fail"),
        }
    }
}

/// As [`SegmentFrame`], left where it was received: it is nearly all of what crosses the line in a restore.
#[derive(Debug, Clone, Copy, Decode)]
pub struct ReceivedFrame<'b> {
    /// See [`SegmentFrame::whole`].
    #[n(0)]
    pub whole: bool,
    /// See [`SegmentFrame::plain_len`].
    #[n(1)]
    pub plain_len: u32,
    /// See [`SegmentFrame::frame`].
    #[b(2)]
    #[cbor(with = "minicbor::bytes")]
    pub frame: &'b [u8],
}

/// Why the box refuses; the body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// For programs.
    #[n(0)]
    pub code: RefusalCode,
    /// For people: what happened and what to do, in one sentence.
    #[n(1)]
    pub sentence: String,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $num:literal, $status:literal;)+) => {
        /// What a refusal is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum RefusalCode {
            $($(#[$doc])* #[n($num)] $variant,)+
        }

        impl RefusalCode {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The HTTP status that it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }
        }
    };
}

refusals! {
    /// No certificate, where one is needed.
    NoCertificate = 0, 401;
    /// The certificate is none of this box's machines', or the machine was retired.
    UnknownMachine = 1, 403;
    /// The enrolment code is wrong, used or expired.
    BadCode = 2, 403;
    /// The request cannot be understood.
    Malformed = 3, 400;
    /// A limit of size or count is passed.
    TooLarge = 4, 413;
    /// Too many requests or sessions at a time; try again later.
    Busy = 5, 429;
    /// Another run of the same source is open.
    SessionTaken = 6, 409;
    /// The session is not open any more; begin again.
    SessionUnknown = 7, 410;
    /// The bytes are not what their name or directory says.
    Corrupt = 8, 422;
    /// The snapshot refers to chunks that the box does not have for this machine.
    ChunksMissing = 9, 409;
    /// No such thing for this machine.
    NotFound = 10, 404;
    /// The disk of the box is full.
    Full = 11, 507;
    /// The record is not signed by this machine, or is not about it.
    BadSignature = 12, 422;
    /// Bytes on the box's disk are damaged.
    Damaged = 13, 500;
    /// The box has a fault of its own; its log says which.
    Fault = 14, 500;
    /// The box is stopping.
    Stopping = 15, 503;
}

impl Refusal {
    /// A refusal with its sentence.
    #[must_use]
    pub fn new(code: RefusalCode, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::decode_all;

    proptest! {
        #[test]
        fn answers_to_have_keep_their_order(flags in proptest::collection::vec(any::<bool>(), 0..100)) {
            let known: Known = decode_all("known", &encode(&Known::from_flags(&flags))).expect("decode");
            let back: Vec<bool> = (0..flags.len()).map(|i| known.get(i)).collect();
            prop_assert_eq!(back, flags);
        }

        #[test]
        fn noise_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_all::<Have>("have", &bytes).map(|m| m.items());
            let _ = decode_all::<Locate>("locate", &bytes).map(|m| m.items());
            let _ = decode_all::<Commit>("commit", &bytes);
            let _ = decode_all::<Located>("located", &bytes);
            let _ = decode_all::<Refusal>("refusal", &bytes);
            let _ = decode_all::<SnapshotPage>("snapshots", &bytes);
            let _ = decode_all::<PutBacks>("requests", &bytes);
            let _ = decode_all::<TellPutBack>("request", &bytes);
        }
    }

    #[test]
    fn a_policy_is_understood_by_those_who_know_less_or_more_of_it() {
        /// As it was before machines could be paused.
        #[derive(Encode, Decode)]
        struct Earlier {
            #[n(0)]
            every: Seconds,
            #[n(1)]
            local: RetentionPolicy,
            #[n(2)]
            external: RetentionPolicy,
            #[n(3)]
            now: UnixMillis,
        }
        let (local, external) = (RetentionPolicy::default_local(), RetentionPolicy::default_external());
        let now = UnixMillis(7);
        let plain = Policy { every: Seconds(5), local, external, now, paused_until: None, requests: None };
        let Policy { every, local, external, .. } = plain.clone();
        let earlier = encode(&Earlier { every, local, external, now });
        assert_eq!(decode_all::<Policy>("policy", &earlier).expect("decode"), plain);
        assert_eq!(encode(&plain), earlier, "who wants nothing new says nothing new");
        let paused = encode(&Policy { paused_until: Some(UnixMillis(9)), requests: Some(2), ..plain });
        assert_eq!(decode_all::<Earlier>("policy", &paused).expect("decode").now, now);
    }

    #[test]
    fn a_segment_in_parts_is_the_same_as_in_one() {
        for len in [0, 1, 23, 24, 300, 70_000] {
            let frame = SegmentFrame { whole: len % 2 == 0, plain_len: len, frame: vec![7; len as usize] };
            assert_eq!(encode(&frame), ReadSegment::parts(frame).concat(), "{len}");
        }
    }

    #[test]
    fn refusals_have_error_statuses() {
        assert!(RefusalCode::ALL.iter().all(|code| (400..600).contains(&code.status())));
    }
}
