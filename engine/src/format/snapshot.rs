//! Snapshot records, which machines sign, and receipts, which the box signs.

use minicbor::{Decode, Encode};

use super::content::Content;
use super::listing::{ListingRoot, Totals};
use super::path::PATH_MAX;
use super::{FormatError, VERSION, decode_all, to_vec};
use crate::ids::{MachineId, MachineName, SnapshotId, SourceKind, SourceName};
use crate::keys::{KeyError, PublicKey, Signature, SigningContext, SigningKey};
use crate::units::UnixMillis;

/// The longest encoded record or snapshot file, in bytes.
pub const SNAPSHOT_FILE_MAX: usize = 4 << 20;

/// The most roots of one source.
pub const ROOTS_MAX: usize = 64;

const RECORD: &str = "snapshot record";
const FILE: &str = "snapshot file";
const RECEIPT: &str = "receipt";

/// One point in time of one source, as the machine that made it describes it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotRecord {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// Who made it.
    #[n(1)]
    pub machine: MachineId,
    /// The name of that machine at that time, for people who have nothing but the vault and the kit.
    #[n(2)]
    pub machine_name: MachineName,
    /// What was backed up.
    #[n(3)]
    pub source: SourceName,
    /// How it was cut.
    #[n(4)]
    pub kind: SourceKind,
    /// When the backup began, by the machine's clock: information only.
    #[n(5)]
    pub started_at: UnixMillis,
    /// When it ended, by the machine's clock: information only.
    #[n(6)]
    pub finished_at: UnixMillis,
    /// The paths that were asked for, absolute on the machine; empty for a stream.
    #[n(7)]
    #[cbor(with = "byte_strings")]
    pub roots: Vec<Vec<u8>>,
    /// The listing.
    #[n(8)]
    pub listing: ListingRoot,
    /// What the listing holds.
    #[n(9)]
    pub totals: Totals,
    /// How many entries could not be read, or changed while they were. 0 means that the snapshot is complete.
    #[n(10)]
    pub problem_count: u64,
    /// The list of these, as text, one a line: the reason, a tab, the path. Present if and only if the count is not 0.
    #[n(11)]
    pub problems: Option<Content>,
    /// Version of the program that made it.
    #[n(12)]
    pub client_version: String,
}

mod byte_strings {
    use minicbor::decode::{Decoder, Error};
    use minicbor::encode::{Encoder, Write};

    use super::ROOTS_MAX;

    pub(super) fn encode<C, W: Write>(
        list: &[Vec<u8>],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(list.len() as u64)?;
        list.iter().try_for_each(|item| e.bytes(item)?.ok())
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Vec<u8>>, Error> {
        let count = d.array()?.ok_or_else(|| Error::message("indefinite array"))?;
        if count > ROOTS_MAX as u64 {
            return Err(Error::message("too many roots"));
        }
        (0..count).map(|_| d.bytes().map(<[u8]>::to_vec)).collect()
    }
}

impl SnapshotRecord {
    /// Reads a record and checks what its fields promise one another.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        check_version(RECORD, bytes)?;
        let record: Self = decode_all(RECORD, bytes)?;
        let sound = (record.problem_count > 0) == record.problems.is_some()
            && record.client_version.len() <= 64
            && record.roots.iter().all(|root| root.len() <= PATH_MAX && root.starts_with(b"/"));
        if sound { Ok(record) } else { Err(FormatError::damaged(RECORD, "its fields contradict one another")) }
    }

    /// The record as the bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_vec(self)
    }

    /// Signs the record.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedRecord {
        let record = self.encode();
        let signature = key.sign(SigningContext::SnapshotRecord, &record);
        SignedRecord { record, signature: signature.as_bytes().to_vec() }
    }
}

/// A record and its machine's signature over exactly these bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedRecord {
    /// [`SnapshotRecord::encode`]'s result.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub record: Vec<u8>,
    /// 64 bytes.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

impl SignedRecord {
    /// The snapshot's name.
    #[must_use]
    pub fn id(&self) -> SnapshotId {
        SnapshotId::from_bytes(*blake3::hash(&self.record).as_bytes())
    }

    /// Checks the signature, then reads the record.
    ///
    /// # Errors
    /// [`OpenRecordError`].
    pub fn open(&self, machine: &PublicKey) -> Result<SnapshotRecord, OpenRecordError> {
        let signature = Signature::from_slice(&self.signature).ok_or(KeyError::Signature)?;
        machine.verify(SigningContext::SnapshotRecord, &self.record, &signature)?;
        Ok(SnapshotRecord::decode(&self.record)?)
    }
}

/// Why a signed record was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OpenRecordError {
    /// Altered, or signed by somebody else.
    #[error("the snapshot record is not signed by its machine")]
    Signature(#[from] KeyError),
    /// Signed, but not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// The box's word that it has a snapshot: every byte of it was durable when this was signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// Which snapshot.
    #[n(1)]
    pub snapshot: SnapshotId,
    /// When the box had all of it, by the box's clock. Retention counts from here.
    #[n(2)]
    pub received_at: UnixMillis,
    /// The box's signature over the receipt with this field empty.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

impl Receipt {
    /// Signs that `snapshot` was complete and durable at `received_at`.
    #[must_use]
    pub fn sign(snapshot: SnapshotId, received_at: UnixMillis, key: &SigningKey) -> Self {
        let mut receipt = Self { version: VERSION, snapshot, received_at, signature: Vec::new() };
        receipt.signature = key.sign(SigningContext::Receipt, &to_vec(&receipt)).as_bytes().to_vec();
        receipt
    }

    /// Checks the box's signature.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), KeyError> {
        let signature = Signature::from_slice(&self.signature).ok_or(KeyError::Signature)?;
        let unsigned = Self { signature: Vec::new(), ..self.clone() };
        key.verify(SigningContext::Receipt, &to_vec(&unsigned), &signature)
    }

    /// The receipt as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_vec(self)
    }

    /// Reads a receipt; does not check the signature.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        check_version(RECEIPT, bytes)?;
        decode_all(RECEIPT, bytes)
    }
}

/// What the store keeps of a snapshot beside the packs, as the plain content of an age file.
///
/// With it, packs and a kit are all that anybody needs: no catalog.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotFile {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// The record.
    #[n(1)]
    pub signed: SignedRecord,
    /// The machine's public key, to check the record with.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub machine_key: Vec<u8>,
    /// The box's receipt.
    #[n(3)]
    pub receipt: Receipt,
}

impl SnapshotFile {
    /// The file's plain bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_vec(self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        check_version(FILE, bytes)?;
        decode_all(FILE, bytes)
    }
}

/// The version stands right after the array header, so it is read before anything else is.
pub(crate) fn check_version(what: &'static str, bytes: &[u8]) -> Result<(), FormatError> {
    let mut d = minicbor::Decoder::new(bytes);
    let version = d.array().and_then(|_| d.u64()).map_err(|e| FormatError::damaged(what, e))?;
    if version == u64::from(VERSION) { Ok(()) } else { Err(FormatError::Future { what, found: version }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::ChunkId;

    fn key() -> SigningKey {
        let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("key");
        SigningKey::from_pkcs8(document.as_ref()).expect("pkcs8")
    }

    fn record() -> SnapshotRecord {
        SnapshotRecord {
            version: VERSION,
            machine: MachineId::from_bytes([1; 16]),
            machine_name: "caisse-1".parse().expect("name"),
            source: "system".parse().expect("name"),
            kind: SourceKind::Files,
            started_at: UnixMillis(1_790_000_000_000),
            finished_at: UnixMillis(1_790_000_005_000),
            roots: vec![b"/etc".to_vec(), b"/srv/\xff".to_vec()],
            listing: ListingRoot { id: ChunkId::from_bytes([2; ChunkId::LEN]), level: 1, len: 9 },
            totals: Totals { entries: 3, bytes: 4 },
            problem_count: 0,
            problems: None,
            client_version: "0.1.0".into(),
        }
    }

    #[test]
    fn a_record_opens_only_with_its_machine_s_key_and_unaltered() {
        let (machine, other) = (key(), key());
        let signed = record().sign(&machine);
        assert_eq!(signed.open(&machine.public_key()).expect("open"), record());
        assert!(matches!(signed.open(&other.public_key()), Err(OpenRecordError::Signature(_))));
        for index in 0..signed.record.len() {
            let mut altered = signed.clone();
            altered.record[index] ^= 1;
            assert!(altered.open(&machine.public_key()).is_err());
            assert_ne!(altered.id(), signed.id());
        }
    }

    #[test]
    fn a_receipt_speaks_for_one_snapshot_and_time() {
        let boxed = key();
        let receipt = Receipt::sign(SnapshotId::from_bytes([3; 32]), UnixMillis(5), &boxed);
        let back = Receipt::decode(&receipt.encode()).expect("decode");
        assert!(back.verify(&boxed.public_key()).is_ok());
        assert!(Receipt { received_at: UnixMillis(6), ..back.clone() }.verify(&boxed.public_key()).is_err());
        assert!(Receipt { snapshot: SnapshotId::from_bytes([4; 32]), ..back }.verify(&boxed.public_key()).is_err());
    }

    #[test]
    fn records_that_contradict_themselves_and_later_versions_are_refused() {
        let decode = |r: SnapshotRecord| SnapshotRecord::decode(&r.encode());
        assert!(decode(record()).is_ok());
        assert!(decode(SnapshotRecord { problem_count: 1, ..record() }).is_err());
        assert!(decode(SnapshotRecord { roots: vec![b"relative".to_vec()], ..record() }).is_err());
        assert!(matches!(decode(SnapshotRecord { version: 2, ..record() }), Err(FormatError::Future { found: 2, .. })));
    }

    proptest! {
        #[test]
        fn noise_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (SnapshotRecord::decode(&bytes), Receipt::decode(&bytes), SnapshotFile::decode(&bytes));
        }
    }
}
