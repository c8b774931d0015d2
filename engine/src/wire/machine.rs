//! A machine and its box: how it comes in, that it lives, and how its work went.

use minicbor::{Decode, Encode};

use super::{Done, Message};
use crate::ids::{MachineId, MachineName, Profile, RunId, SnapshotId, SourceName};
use crate::retention::RetentionPolicy;
use crate::units::{Seconds, UnixMillis};

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
