//! Messages between boxes of a community, on the machine port below `/v1/peers/`. `docs/PROTOCOL.md` describes them.
//!
//! Who asks is known from its certificate: the device key of a member, of somebody who was invited ([`AskToJoin`]), or of a
//! blank box with a recovery kit ([`ClaimOwner`]). Logs, records and heads travel as the bytes that were signed.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::Message;
use crate::community::signed::Signed;
use crate::community::spoken;
use crate::format::{FormatError, decode_all, encode};
use crate::ids::{CommunityId, EntryHash, InvitationId, MemberId, ShardId, SpkiPin};
use crate::keys::{KeyError, PublicKey, Signature, SigningContext, SigningKey};
use crate::units::UnixMillis;

pub use crate::community::proposals::PROPOSALS_MAX;

/// `PUT` one piece of a shard (`Content-Range`), `GET` one range of it (`Range`); the answer to the last piece is a
/// [`ShardReceipt`] as [`Signed`].
pub const SHARD_PATH: &str = "/v1/peers/shards/{shard}";

/// The label of what both ends of a TLS connection can derive and nobody else (RFC 9266): what is signed over it counts on no other
/// connection.
pub const CHANNEL_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The most entries, records, ids or ranges in one message.
pub const PEER_BATCH_MAX: usize = 4_096;

/// Of so many boxes that have shown a member's recovery kit the member is told.
pub const KITS_SHOWN_MAX: usize = 4;

/// So many bytes of entries one side gives at once, where the other one goes on from what it has; one entry at least. What a slow line
/// carries in the time that an answer may take.
pub const ENTRIES_AT_ONCE: usize = 1 << 20;

/// The longest answer that carries a log, in bytes.
const LOG_ANSWER_MAX: usize = 32 << 20;

/// Two members tell each other what they know of the community. Whoever knows more gives it.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Exchange {
    /// Sequence of the last entry of the asking side's log.
    #[n(0)]
    pub sequence: u64,
    /// Hash of that entry.
    #[n(1)]
    pub last: EntryHash,
    /// Entries that the asked side lacks, as far as the asking one knows, in order.
    #[n(2)]
    pub entries: Vec<ByteVec>,
    /// Address records, each signed by its member.
    #[n(3)]
    pub records: Vec<ByteVec>,
    /// Entries that may come next, and have not the signatures of enough admins yet; at most [`PROPOSALS_MAX`].
    #[n(4)]
    #[cbor(default)]
    pub proposals: Vec<ByteVec>,
    /// So many bytes of entries the asking side takes at once, and it asks again; one entry comes in any case. `None`: all of them.
    #[n(5)]
    pub entries_at_most: Option<u32>,
}
message!(Exchange => Exchanged, "/v1/peers/exchange", LOG_ANSWER_MAX);

/// What the asked side knows, after it has taken what it was given.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Exchanged {
    /// Sequence of its last entry.
    #[n(0)]
    pub sequence: u64,
    /// Hash of that entry.
    #[n(1)]
    pub last: EntryHash,
    /// Entries after [`Exchange::sequence`], up to [`Exchange::entries_at_most`]; none when the logs part before.
    #[n(2)]
    pub entries: Vec<ByteVec>,
    /// Address records.
    #[n(3)]
    pub records: Vec<ByteVec>,
    /// Entries that may come next, as of [`Exchange::proposals`].
    #[n(4)]
    #[cbor(default)]
    pub proposals: Vec<ByteVec>,
    /// Who has shown the asking member's recovery kit here lately, the last one first; at most [`KITS_SHOWN_MAX`].
    #[n(5)]
    #[cbor(default)]
    pub kits_shown: Vec<KitShown>,
}

/// A box has shown a member's recovery kit. What the asked side says; nobody has signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct KitShown {
    /// Of the key of that box.
    #[n(0)]
    pub pin: SpkiPin,
    /// By the asked side's clock.
    #[n(1)]
    pub at: UnixMillis,
}

/// Somebody with an invitation wants to come in. To be asked on the connection that the proof is bound to.
#[derive(Debug, Clone, Encode, Decode)]
pub struct AskToJoin {
    /// Which invitation.
    #[n(0)]
    pub invitation: InvitationId,
    /// [`crate::community::invitation::JoinRequest`], encoded.
    #[n(1)]
    pub request: ByteVec,
}
message!(AskToJoin => JoinAnswer, "/v1/peers/join", LOG_ANSWER_MAX);

/// What has become of an [`AskToJoin`]: the key of the certificate says whose.
#[derive(Debug, Clone, Encode, Decode)]
pub struct AskAgain {
    /// Into which community.
    #[n(0)]
    pub community: CommunityId,
}
message!(AskAgain => JoinAnswer, "/v1/peers/join-state", LOG_ANSWER_MAX);

/// How far a request to join is.
#[derive(Debug, Clone, Encode, Decode)]
pub enum JoinAnswer {
    /// An admin has to compare the digits and agree.
    #[n(0)]
    Waiting,
    /// It is in.
    #[n(1)]
    Admitted {
        /// The whole log ([`crate::community::log::Log::encode`]).
        #[n(0)]
        log: ByteVec,
        /// Address records of the others.
        #[n(1)]
        records: Vec<ByteVec>,
    },
    /// An admin has refused, or nobody knows of the request any more.
    #[n(2)]
    Refused,
}

/// Somebody to whom a code was read out begins the exchange of [`crate::community::spoken`]. Nothing of the code is in it.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct BeginSpoken {
    /// The number in front of the words.
    #[n(0)]
    pub number: u16,
    /// To the message that it will send.
    #[n(1)]
    pub commitment: ByteArray<{ spoken::COMMITMENT_LEN }>,
}
message!(BeginSpoken => SpokenBegun, "/v1/peers/spoken");

/// The inviting box's side of it.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct SpokenBegun {
    /// Into which community.
    #[n(0)]
    pub community: CommunityId,
    /// Its message.
    #[n(1)]
    pub message: ByteArray<{ spoken::MESSAGE_LEN }>,
}

/// The joining box's side: it confirms first, which is its one guess on this connection.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct ConfirmSpoken {
    /// Its message.
    #[n(0)]
    pub message: ByteArray<{ spoken::MESSAGE_LEN }>,
    /// That it has the code.
    #[n(1)]
    pub confirmation: ByteArray<{ spoken::CONFIRMATION_LEN }>,
}
message!(ConfirmSpoken => SpokenConfirmed, "/v1/peers/spoken-confirm");

/// It has the code, and so has the inviting box.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct SpokenConfirmed {
    /// That the inviting box has it.
    #[n(0)]
    pub confirmation: ByteArray<{ spoken::CONFIRMATION_LEN }>,
}

/// Somebody with whom a code was confirmed on this connection wants to come in.
#[derive(Debug, Clone, Encode, Decode)]
pub struct JoinSpoken {
    /// [`crate::community::invitation::JoinRequest`], encoded.
    #[n(0)]
    pub request: ByteVec,
}
message!(JoinSpoken => JoinAnswer, "/v1/peers/spoken-join", LOG_ANSWER_MAX);

/// An owner asks for room for a shard.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct OfferShard {
    /// Which.
    #[n(0)]
    pub shard: ShardId,
    /// Bytes.
    #[n(1)]
    pub len: u32,
    /// For how many days the host shall refuse to delete it, at least.
    #[n(2)]
    pub window_days: u16,
}
message!(OfferShard => ShardOffer, "/v1/peers/offer");

/// What the host says.
#[derive(Debug, Clone, Encode, Decode)]
pub enum ShardOffer {
    /// It is there already, and durable.
    #[n(0)]
    Held {
        /// [`ShardReceipt`].
        #[n(0)]
        receipt: Signed,
    },
    /// Send the bytes from here on.
    #[n(1)]
    Send {
        /// First byte that is not there.
        #[n(0)]
        from: u32,
    },
    /// The owner has used up what it may store here. Nothing that is held is touched.
    #[n(2)]
    OverQuota {
        /// Bytes that may still come.
        #[n(0)]
        left: u64,
    },
    /// The host's disk is full, not there, or takes nothing now.
    #[n(3)]
    NoRoom,
}

/// The host's word that a shard is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ShardReceipt {
    /// Whose.
    #[n(0)]
    pub owner: MemberId,
    /// Who holds it.
    #[n(1)]
    pub host: MemberId,
    /// Which.
    #[n(2)]
    pub shard: ShardId,
    /// Bytes.
    #[n(3)]
    pub len: u32,
    /// By the host's counted clock: the window begins here.
    #[n(4)]
    pub received_at: UnixMillis,
}

impl ShardReceipt {
    /// Signed with the host's device key.
    #[must_use]
    pub fn sign(&self, device: &SigningKey) -> Signed {
        Signed::new(encode(self), SigningContext::ShardReceipt, device)
    }

    /// Reads a receipt that was signed with `device`.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(signed: &Signed, device: &PublicKey) -> Result<Self, ReceiptError> {
        signed.verify(SigningContext::ShardReceipt, device)?;
        Ok(decode_all("shard receipt", &signed.body)?)
    }
}

/// Why a receipt does not count.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// By another key, or altered.
    #[error(transparent)]
    Signature(#[from] KeyError),
    /// Not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Bytes of one shard, in whole groups of 16 KiB except at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AuditRange {
    /// Which.
    #[n(0)]
    pub shard: ShardId,
    /// First byte.
    #[n(1)]
    pub start: u32,
    /// How many.
    #[n(2)]
    pub len: u32,
}

/// An owner wants to see that its shards are there.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Audit {
    /// Fresh random bytes.
    #[n(0)]
    pub nonce: ByteArray<32>,
    /// At most [`PEER_BATCH_MAX`].
    #[n(1)]
    pub ranges: Vec<AuditRange>,
    /// The owner cannot compute the bytes itself and wants them with a proof each.
    #[n(2)]
    pub with_proofs: bool,
}
message!(Audit => Audited, "/v1/peers/audit", 16 << 20);

/// The host's answer. Only missing and damaged bytes are a loss; the rest is absence.
#[derive(Debug, Clone, Encode, Decode)]
pub enum Audited {
    /// One keyed hash over all ranges ([`crate::erasure::Answer`]).
    #[n(0)]
    Digest(#[n(0)] ByteArray<32>),
    /// One proof a range ([`crate::erasure::proof::verify`]), in order.
    #[n(1)]
    Proofs(#[n(0)] Vec<ByteVec>),
    /// The store is sound and these are not in it.
    #[n(2)]
    NotFound(#[n(0)] Vec<ShardId>),
    /// These are damaged, by the host's own word.
    #[n(3)]
    Corrupt(#[n(0)] Vec<ShardId>),
    /// The disk is not there, or cannot be read.
    #[n(4)]
    Unavailable,
    /// Too much to do at present.
    #[n(5)]
    Overloaded,
}

/// An owner asks what of its own is there.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct ListShards {
    /// Begins after this one.
    #[n(0)]
    pub after: Option<ShardId>,
}
message!(ListShards => ShardPage, "/v1/peers/inventory", 4 << 20);

/// A part of the list, by id; the last one is shorter than [`PEER_BATCH_MAX`].
#[derive(Debug, Clone, Encode, Decode)]
pub struct ShardPage {
    /// What is there.
    #[n(0)]
    pub shards: Vec<ListedShard>,
}

/// One shard that a host holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ListedShard {
    /// Which.
    #[n(0)]
    pub shard: ShardId,
    /// Bytes.
    #[n(1)]
    pub len: u32,
    /// Since when, by the host's counted clock.
    #[n(2)]
    pub received_at: UnixMillis,
    /// Whether the owner needs it, as far as the host was told: neither condemned nor in the trash.
    #[n(3)]
    pub is_kept: bool,
}

/// An owner does not need these any more. The host deletes none before its window is over.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Condemn {
    /// At most [`PEER_BATCH_MAX`].
    #[n(0)]
    pub shards: Vec<ShardId>,
    /// What is to become of them.
    #[n(1)]
    pub wish: Wish,
}
message!(Condemn => Condemned, "/v1/peers/condemn");

/// What an owner wants to become of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Wish {
    /// It does not need them. A list that is longer than the brake allows pulls it.
    #[n(0)]
    Delete,
    /// The same for as many of them, from the first on, as do not pull the brake. The rest is sent again when days have passed.
    #[n(1)]
    DeleteWithinBrake,
    /// It needs them after all.
    #[n(2)]
    Spare,
}

/// What the host does with it.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct Condemned {
    /// How many it took down.
    #[n(0)]
    pub noted: u32,
    /// How many of the list, from the first on, it has dealt with.
    #[n(2)]
    pub taken: u32,
    /// Deletions rest until then: more was condemned in a week than is usual.
    #[n(1)]
    pub frozen_until: Option<UnixMillis>,
}

/// The owner lives, and this is what it believes to have here.
#[derive(Debug, Clone, Encode, Decode)]
pub struct RenewLease {
    /// Hash of its own list of what is here, by id.
    #[n(0)]
    pub list_hash: ByteArray<32>,
}
message!(RenewLease => LeaseAnswer, "/v1/peers/lease");

/// Whether both lists are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum LeaseAnswer {
    /// They are.
    #[n(0)]
    Same,
    /// They are not: the inventories have to be compared.
    #[n(1)]
    Differs,
}

/// What one keeps for the other, as the owner's books have it at the end of a day.
#[derive(Debug, Clone, Encode, Decode)]
pub struct AgreeStatement {
    /// [`crate::community::ledger::SignedStatement`], encoded, with the owner's word.
    #[n(0)]
    pub statement: ByteVec,
}
message!(AgreeStatement => StatementAnswer, "/v1/peers/statement");

/// The host's books.
#[derive(Debug, Clone, Encode, Decode)]
pub struct StatementAnswer {
    /// The same statement with both words when the books agree; else the host's own, with its word alone.
    #[n(0)]
    pub statement: ByteVec,
}

/// The brake holds deletions up, and the owner's people have looked and want them. Only the recovery kit can say so: what
/// has taken the box over does not have it.
#[derive(Debug, Clone, Encode, Decode)]
pub struct LiftBrake {
    /// By the recovery key over [`lift_message`].
    #[n(0)]
    pub signature: Signature,
}
message!(LiftBrake => BrakeLifted, "/v1/peers/lift-brake");

/// For seven days there is no brake.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct BrakeLifted {
    /// Whether it held before.
    #[n(0)]
    pub held: bool,
}

/// What lets a host's brake go: the owner, the host and the TLS connection, so that it counts nowhere else, and no longer than that.
#[must_use]
pub fn lift_message(community: CommunityId, owner: MemberId, host: MemberId, channel: &[u8; 32]) -> Vec<u8> {
    encode(&(community, owner, host, ByteArray::from(*channel)))
}

/// Where the owner's vault stands, to be kept for it.
#[derive(Debug, Clone, Encode, Decode)]
pub struct KeepHead {
    /// [`crate::community::head::Head`], signed.
    #[n(0)]
    pub head: ByteVec,
}
message!(KeepHead => HeadKept, "/v1/peers/head");

/// It is durable.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct HeadKept {
    /// Of the head that was brought.
    #[n(0)]
    pub sequence: u64,
}

/// The newest heads that are kept for the asking member.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub struct ListHeads {
    /// How many, at most 16.
    #[n(0)]
    pub limit: u8,
    /// Only those that came before the one of this sequence; `None`: from the newest on. Boxes of before know no such field and give
    /// the newest.
    #[n(1)]
    pub before: Option<u64>,
}
message!(ListHeads => HeadPage, "/v1/peers/heads", 2 << 20);

/// Heads as they were signed, that which came last first.
#[derive(Debug, Clone, Encode, Decode)]
pub struct HeadPage {
    /// The heads.
    #[n(0)]
    pub heads: Vec<ByteVec>,
}

/// A blank box shows that it has the recovery kit of a member. It may read from then on, on connections with this key.
#[derive(Debug, Clone, Encode, Decode)]
pub struct ClaimOwner {
    /// Into which community the kit belongs.
    #[n(0)]
    pub community: CommunityId,
    /// Whose kit.
    #[n(1)]
    pub member: MemberId,
    /// By the recovery key over [`claim_message`].
    #[n(2)]
    pub signature: Signature,
}
message!(ClaimOwner => Claimed, "/v1/peers/claim", LOG_ANSWER_MAX);

/// The community, so that the blank box can check all else.
#[derive(Debug, Clone, Encode, Decode)]
pub struct Claimed {
    /// The whole log.
    #[n(0)]
    pub log: ByteVec,
    /// Address records of the members.
    #[n(1)]
    pub records: Vec<ByteVec>,
}

/// What a claim signs: the device key of the blank box and the TLS connection (its exporter, RFC 9266), so that it counts
/// nowhere else.
#[must_use]
pub fn claim_message(community: CommunityId, member: MemberId, device: &PublicKey, channel: &[u8; 32]) -> Vec<u8> {
    encode(&(community, member, device, ByteArray::from(*channel)))
}
