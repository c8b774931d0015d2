//! A part of the map of all packs outside.
//!
//! Later parts say what has changed since the earlier ones: what is in several counts as the last one says. A part is an age
//! file around a zstd frame around CBOR; its name is the BLAKE3 hash of the file, and it is dispersed like any pack.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::OutsideError;
use super::stripes::{self, RawStripe, StripeRef};
use crate::erasure::layout::PACK_LEN_MAX;
use crate::format::snapshot::check_version;
use crate::format::{FormatError, VERSION, decode_all, encode};
use crate::ids::{MemberId, PackId, SnapshotId};
use crate::keys::{Recipients, VaultIdentity};

/// The longest plain part, in bytes: with what sealing adds it still is no longer than the longest pack.
pub const MAP_PART_PLAIN_MAX: usize = 60 << 20;

const WHAT: &str = "part of the map";

/// The level that zstd compresses at: most of it are hashes, which do not shrink.
const LEVEL: i32 = 3;

/// A part of the map. Everything in it is in the order of its ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MapPart {
    /// Where packs are.
    pub stripes: BTreeMap<PackId, StripeRef>,
    /// Directories of packs, encoded (`docs/FORMAT.md`, "Directory"). A pack without one has its own at its end.
    pub directories: BTreeMap<PackId, Vec<u8>>,
    /// Snapshots: the files of the store, sealed as they are there.
    pub snapshots: BTreeMap<SnapshotId, Vec<u8>>,
    /// Packs of earlier parts that are there no more.
    pub gone_packs: BTreeSet<PackId>,
    /// Snapshots of earlier parts that are there no more.
    pub gone_snapshots: BTreeSet<SnapshotId>,
}

/// A part that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPart {
    /// BLAKE3 of the bytes.
    pub id: PackId,
    /// An age file; at most [`PACK_LEN_MAX`] bytes.
    pub bytes: Vec<u8>,
}

#[derive(Encode, Decode)]
struct RawPart {
    #[n(0)]
    version: u8,
    #[n(1)]
    members: Vec<MemberId>,
    #[n(2)]
    stripes: Vec<RawStripe>,
    #[n(3)]
    directories: Vec<(PackId, ByteVec)>,
    #[n(4)]
    snapshots: Vec<(SnapshotId, ByteVec)>,
    #[n(5)]
    gone_packs: Vec<PackId>,
    #[n(6)]
    gone_snapshots: Vec<SnapshotId>,
}

impl MapPart {
    /// Whether it says nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Lets `newer` have the last word. What is gone stays named, since there may be still older parts.
    #[must_use]
    pub fn followed_by(mut self, newer: Self) -> Self {
        for pack in &newer.gone_packs {
            self.stripes.remove(pack);
            self.directories.remove(pack);
        }
        for snapshot in &newer.gone_snapshots {
            self.snapshots.remove(snapshot);
        }
        self.gone_packs.retain(|pack| !newer.stripes.contains_key(pack));
        self.gone_snapshots.retain(|snapshot| !newer.snapshots.contains_key(snapshot));
        self.stripes.extend(newer.stripes);
        self.directories.extend(newer.directories);
        self.snapshots.extend(newer.snapshots);
        self.gone_packs.extend(newer.gone_packs);
        self.gone_snapshots.extend(newer.gone_snapshots);
        self
    }

    /// The same as the first part of all: nothing is older, so nobody has to be told of what is gone.
    #[must_use]
    pub fn as_base(mut self) -> Self {
        self.gone_packs.clear();
        self.gone_snapshots.clear();
        self
    }

    /// About how many bytes it takes, sealed: what is in it, without looking at how it shrinks.
    #[must_use]
    pub fn weight(&self) -> usize {
        let stripes = self.stripes.values().map(Self::weight_of_stripe);
        let directories = self.directories.values().map(|directory| 40 + directory.len());
        let snapshots = self.snapshots.values().map(|snapshot| Self::weight_of_snapshot(snapshot));
        let gone = Self::WEIGHT_OF_GONE * (self.gone_packs.len() + self.gone_snapshots.len());
        stripes.chain(directories).chain(snapshots).sum::<usize>() + gone + Self::WEIGHT_OF_NOTHING
    }

    /// What an empty part weighs, members and keys included.
    pub const WEIGHT_OF_NOTHING: usize = 512;

    /// What a pack or a snapshot adds that is gone.
    pub const WEIGHT_OF_GONE: usize = 34;

    /// What a stripe adds.
    #[must_use]
    pub fn weight_of_stripe(stripe: &StripeRef) -> usize {
        52 + 34 * stripe.shards.len()
    }

    /// What a snapshot file adds.
    #[must_use]
    pub fn weight_of_snapshot(file: &[u8]) -> usize {
        40 + file.len()
    }

    /// Seals it for the vault's recipients. Each time gives other bytes, and another name.
    ///
    /// # Errors
    /// [`OutsideError::TooLong`], [`OutsideError::Key`], [`OutsideError::Compress`].
    pub fn seal(&self, recipients: &Recipients) -> Result<SealedPart, OutsideError> {
        let plain = self.encode();
        if plain.len() > MAP_PART_PLAIN_MAX {
            return Err(OutsideError::TooLong { what: WHAT, len: plain.len(), max: MAP_PART_PLAIN_MAX });
        }
        let frame = zstd::bulk::compress(&plain, LEVEL).map_err(OutsideError::Compress)?;
        let bytes = recipients.seal(&frame)?;
        if bytes.len() > PACK_LEN_MAX {
            return Err(OutsideError::TooLong { what: WHAT, len: bytes.len(), max: PACK_LEN_MAX });
        }
        Ok(SealedPart { id: PackId::from_bytes(*blake3::hash(&bytes).as_bytes()), bytes })
    }

    /// Opens a sealed part. Whether the bytes are those that its name stands for is for the caller to check, or for the
    /// restoring of the stripe.
    ///
    /// # Errors
    /// [`OutsideError::Key`], [`OutsideError::Format`].
    pub fn open(bytes: &[u8], identity: &VaultIdentity) -> Result<Self, OutsideError> {
        let frame = identity.open(bytes, PACK_LEN_MAX)?;
        let damaged = |e: std::io::Error| FormatError::damaged(WHAT, e);
        let mut plain = Vec::new();
        let reader = zstd::stream::read::Decoder::with_buffer(frame.as_slice()).map_err(damaged)?.single_frame();
        reader.take(MAP_PART_PLAIN_MAX as u64 + 1).read_to_end(&mut plain).map_err(damaged)?;
        if plain.len() > MAP_PART_PLAIN_MAX {
            return Err(FormatError::damaged(WHAT, "it is longer than any part is").into());
        }
        Ok(Self::decode(&plain)?)
    }

    fn encode(&self) -> Vec<u8> {
        let stripes: Vec<StripeRef> = self.stripes.values().cloned().collect();
        let (members, stripes) = stripes::write(&stripes);
        let bytes = |bytes: &Vec<u8>| ByteVec::from(bytes.clone());
        encode(&RawPart {
            version: VERSION,
            members,
            stripes,
            directories: self.directories.iter().map(|(pack, directory)| (*pack, bytes(directory))).collect(),
            snapshots: self.snapshots.iter().map(|(snapshot, file)| (*snapshot, bytes(file))).collect(),
            gone_packs: self.gone_packs.iter().copied().collect(),
            gone_snapshots: self.gone_snapshots.iter().copied().collect(),
        })
    }

    fn decode(plain: &[u8]) -> Result<Self, FormatError> {
        check_version(WHAT, plain)?;
        let raw: RawPart = decode_all(WHAT, plain)?;
        let stripes = stripes::read(WHAT, &raw.members, &raw.stripes)?;
        let part = Self {
            stripes: stripes.into_iter().map(|stripe| (stripe.pack, stripe)).collect(),
            directories: raw.directories.into_iter().map(|(pack, directory)| (pack, directory.into())).collect(),
            snapshots: raw.snapshots.into_iter().map(|(snapshot, file)| (snapshot, file.into())).collect(),
            gone_packs: raw.gone_packs.into_iter().collect(),
            gone_snapshots: raw.gone_snapshots.into_iter().collect(),
        };
        let contradicts = part.gone_packs.iter().any(|pack| part.stripes.contains_key(pack))
            || part.gone_snapshots.iter().any(|snapshot| part.snapshots.contains_key(snapshot));
        if contradicts {
            return Err(FormatError::damaged(WHAT, "something is there and gone at once"));
        }
        Ok(part)
    }
}

/// What all parts together say, given in their order.
#[must_use]
pub fn merge(parts: impl IntoIterator<Item = MapPart>) -> MapPart {
    parts.into_iter().fold(MapPart::default(), MapPart::followed_by).as_base()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stripes::testing::{made_by, stripe};
    use super::*;
    use crate::erasure::layout::StripeVersion;

    fn snapshot(number: u8) -> SnapshotId {
        SnapshotId::from_bytes([number; SnapshotId::LEN])
    }

    fn part(packs: std::ops::Range<u32>, peers: usize) -> MapPart {
        let mut part = MapPart::default();
        for number in packs {
            let stripe = stripe(number, peers);
            part.directories.insert(stripe.pack, vec![7; number as usize]);
            part.stripes.insert(stripe.pack, stripe);
        }
        part.snapshots.insert(snapshot(1), b"a snapshot file".to_vec());
        part
    }

    fn keys() -> (VaultIdentity, Recipients) {
        let identity = VaultIdentity::generate();
        let recipients = Recipients::parse(&[identity.recipient()]).expect("recipients");
        (identity, recipients)
    }

    #[test]
    fn a_part_comes_back_for_its_recipients_alone() {
        let (identity, recipients) = keys();
        let mut part = part(0..20, 10);
        part.gone_packs.insert(stripe(99, 10).pack);
        part.gone_snapshots.insert(snapshot(9));
        let sealed = part.seal(&recipients).expect("seal");
        assert_eq!(sealed.id.as_bytes(), blake3::hash(&sealed.bytes).as_bytes());
        assert_eq!(MapPart::open(&sealed.bytes, &identity).expect("open"), part);
        let stranger = VaultIdentity::generate();
        assert!(matches!(MapPart::open(&sealed.bytes, &stranger), Err(OutsideError::Key(_))));
    }

    #[test]
    fn later_parts_have_the_last_word() {
        let (first, mut second, mut third) = (part(0..4, 10), part(3..6, 4), MapPart::default());
        second.gone_packs.insert(stripe(0, 10).pack);
        second.gone_snapshots.insert(snapshot(7));
        third.gone_packs.insert(stripe(1, 10).pack);
        third.gone_snapshots.insert(snapshot(1));
        // What was gone comes back.
        third.stripes.insert(stripe(0, 2).pack, stripe(0, 2));
        third.directories.insert(stripe(0, 2).pack, Vec::new());
        let together = merge([first.clone(), second.clone(), third.clone()]);
        let packs: Vec<_> = together.stripes.values().cloned().collect();
        let mut expected = vec![stripe(0, 2), stripe(2, 10), stripe(3, 4), stripe(4, 4), stripe(5, 4)];
        expected.sort_by_key(|stripe| stripe.pack);
        assert_eq!(packs, expected);
        assert!(together.snapshots.is_empty() && together.gone_packs.is_empty());
        // In whatever order neighbours are put together, the same comes out.
        let late = second.clone().followed_by(third.clone());
        assert!(late.gone_packs.contains(&stripe(1, 10).pack) && !late.gone_packs.contains(&stripe(0, 2).pack));
        assert_eq!(merge([first.clone(), late]), together);
        assert_eq!(merge([first.followed_by(second), third]), together);
    }

    #[test]
    fn thirty_thousand_packs_of_forty_five_shards_fit_into_one_part() {
        let members = stripe(0, 48).shards;
        let mut part = MapPart::default();
        for number in 0..30_000_u32 {
            let pack = PackId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
            part.stripes.insert(pack, StripeRef { pack, layout: stripe(1, 48).layout, shards: members.clone() });
        }
        let len = part.encode().len();
        assert!(len <= MAP_PART_PLAIN_MAX && part.weight() <= 64 << 20, "{len}");
        assert!(part.weight() >= len);
    }

    /// Fixed content; if this fails, parts that peers keep would be read in another way: that is another version.
    #[test]
    fn parts_are_written_the_same_over_versions_of_the_program() {
        let mut part = part(0..3, 4);
        part.gone_packs.insert(stripe(99, 4).pack);
        for (version, golden) in [(StripeVersion::First, GOLDEN), (StripeVersion::Second, GOLDEN_SECOND)] {
            part.stripes.values_mut().for_each(|stripe| *stripe = made_by(version, stripe));
            let plain = part.encode();
            assert_eq!((plain.len(), blake3::hash(&plain).to_string().as_str()), golden, "{version:?}");
        }
    }

    const GOLDEN_SECOND: (usize, &str) = (883, "13516f474dc2dc35506accd15e7841c83b8a354adfe8e5c42af3309186ca9f31");

    const GOLDEN: (usize, &str) = (880, "d655ea3585cf18c557ba34c861a6dbf80c2d4162d69161b0ce455549f00d0ef9");

    #[test]
    fn what_contradicts_itself_is_refused() {
        let sound = || {
            let stripes: Vec<_> = part(0..2, 4).stripes.into_values().collect();
            let (members, stripes) = stripes::write(&stripes);
            let (directories, snapshots) = (Vec::new(), Vec::new());
            let (gone_packs, gone_snapshots) = (Vec::new(), Vec::new());
            RawPart { version: VERSION, members, stripes, directories, snapshots, gone_packs, gone_snapshots }
        };
        assert!(MapPart::decode(&encode(&sound())).is_ok());
        let refused = |change: fn(&mut RawPart)| {
            let mut raw = sound();
            change(&mut raw);
            MapPart::decode(&encode(&raw)).is_err()
        };
        assert!(refused(|raw| raw.version = 2));
        assert!(refused(|raw| {
            raw.members.pop();
        }));
        assert!(refused(|raw| raw.members.clear()));
        assert!(refused(|raw| raw.gone_packs.push(stripe(1, 4).pack)));
        let later = MapPart::decode(&encode(&RawPart { version: 2, ..sound() }));
        assert!(matches!(later, Err(FormatError::Future { found: 2, .. })));
    }

    #[test]
    fn a_part_that_would_unpack_to_more_than_any_is_refused() {
        let (identity, recipients) = keys();
        let bomb = zstd::bulk::compress(&vec![0; MAP_PART_PLAIN_MAX + 1], LEVEL).expect("compress");
        assert!(bomb.len() < 100_000);
        let opened = MapPart::open(&recipients.seal(&bomb).expect("seal"), &identity);
        assert!(matches!(opened, Err(OutsideError::Format(_))));
    }

    proptest! {
        #[test]
        fn noise_and_altered_parts_never_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>(), to in any::<u8>(),
        ) {
            prop_assert!(MapPart::decode(&noise).is_err());
            let mut plain = part(0..3, 6).encode();
            let at = at.index(plain.len());
            plain[at] = to;
            let _ = MapPart::decode(&plain);
            plain.truncate(at);
            prop_assert!(MapPart::decode(&plain).is_err());
        }
    }
}
