//! A pack and who holds which of its shards; and how lists of that are written down in little room.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::erasure::layout::{Layout, StripeVersion};
use crate::erasure::scheme::Scheme;
use crate::format::FormatError;
use crate::ids::{MemberId, PackId, ShardId};

/// The most different members that one record names.
const MEMBERS_MAX: usize = 1 << 16;

/// Where a pack is outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeRef {
    /// Which pack.
    pub pack: PackId,
    /// How it is coded, and how long it is.
    pub layout: Layout,
    /// Who was chosen to hold which shard, in the order of their indexes; as many as the scheme has. Not each of them need
    /// have it yet, or still.
    pub shards: Vec<(MemberId, ShardId)>,
}

impl StripeRef {
    /// Who was chosen to hold a shard of it.
    pub fn holders(&self) -> impl Iterator<Item = MemberId> {
        self.shards.iter().map(|(member, _)| *member)
    }
}

/// The members of a list, each once; stripes name them by their number.
#[derive(Default)]
pub(super) struct Members {
    list: Vec<MemberId>,
    numbers: BTreeMap<MemberId, u16>,
}

impl Members {
    fn number(&mut self, member: MemberId) -> u16 {
        // A community has far fewer; a reader would refuse more.
        let next = u16::try_from(self.list.len()).unwrap_or(u16::MAX);
        *self.numbers.entry(member).or_insert_with(|| {
            self.list.push(member);
            next
        })
    }

    pub(super) fn into_list(self) -> Vec<MemberId> {
        self.list
    }
}

/// A stripe as it is written down: 34 bytes a shard.
#[derive(Encode, Decode)]
pub(super) struct RawStripe {
    #[n(0)]
    pack: PackId,
    #[n(1)]
    scheme: Scheme,
    #[n(2)]
    pack_len: u32,
    /// 2 bytes a shard, little endian: the number of its member.
    #[n(3)]
    holders: ByteVec,
    /// 32 bytes a shard: its name.
    #[n(4)]
    names: ByteVec,
    /// Not there for the first one.
    #[n(5)]
    version: Option<u8>,
}

impl RawStripe {
    pub(super) fn of(stripe: &StripeRef, members: &mut Members) -> Self {
        let holders: Vec<u8> =
            stripe.shards.iter().flat_map(|(member, _)| members.number(*member).to_le_bytes()).collect();
        let names: Vec<u8> = stripe.shards.iter().flat_map(|(_, shard)| *shard.as_bytes()).collect();
        let pack_len = u32::try_from(stripe.layout.pack_len()).unwrap_or(u32::MAX);
        let (holders, names) = (holders.into(), names.into());
        let version = match stripe.layout.version() {
            StripeVersion::First => None,
            later @ StripeVersion::Second => Some(later.number()),
        };
        Self { pack: stripe.pack, scheme: stripe.layout.scheme(), pack_len, holders, names, version }
    }

    /// The stripe, if it agrees with itself and with the list of members.
    pub(super) fn read(&self, what: &'static str, members: &[MemberId]) -> Result<StripeRef, FormatError> {
        let damaged = |reason: &str| FormatError::damaged(what, format!("pack {}: {reason}", self.pack));
        let number = self.version.unwrap_or(StripeVersion::First.number());
        let version = StripeVersion::of(number).ok_or(FormatError::Future { what, found: u64::from(number) })?;
        let layout = usize::try_from(self.pack_len).ok().and_then(|len| Layout::of(version, self.scheme, len));
        let layout = layout.ok_or_else(|| damaged("no pack has this length"))?;
        let (holders, rest) = self.holders.as_chunks::<2>();
        let (names, more) = self.names.as_chunks::<{ ShardId::LEN }>();
        let width = usize::from(self.scheme.width());
        if holders.len() != width || names.len() != width || !rest.is_empty() || !more.is_empty() {
            return Err(damaged("another number of shards than its scheme has"));
        }
        let shard = |(holder, name): (&[u8; 2], &[u8; ShardId::LEN])| {
            let member = members.get(usize::from(u16::from_le_bytes(*holder)));
            Ok((*member.ok_or_else(|| damaged("a member that is not in the list"))?, ShardId::from_bytes(*name)))
        };
        let shards = holders.iter().zip(names).map(shard).collect::<Result<_, _>>()?;
        Ok(StripeRef { pack: self.pack, layout, shards })
    }
}

/// Writes stripes down with the list of their members.
pub(super) fn write(stripes: &[StripeRef]) -> (Vec<MemberId>, Vec<RawStripe>) {
    let mut members = Members::default();
    let raw = stripes.iter().map(|stripe| RawStripe::of(stripe, &mut members)).collect();
    (members.into_list(), raw)
}

/// Reads them back.
pub(super) fn read(what: &'static str, members: &[MemberId], raw: &[RawStripe]) -> Result<Vec<StripeRef>, FormatError> {
    if members.len() > MEMBERS_MAX {
        return Err(FormatError::damaged(what, "more members than there can be"));
    }
    raw.iter().map(|stripe| stripe.read(what, members)).collect()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// The same stripe made by this version.
    pub(crate) fn made_by(version: StripeVersion, stripe: &StripeRef) -> StripeRef {
        let (scheme, pack_len) = (stripe.layout.scheme(), stripe.layout.pack_len());
        let layout = Layout::of(version, scheme, pack_len).expect("layout");
        StripeRef { layout, ..stripe.clone() }
    }

    /// A stripe of the scheme for `n` peers, its shards with members 0, 1, 2 …; both versions are about.
    pub(crate) fn stripe(number: u32, n: usize) -> StripeRef {
        let version = if number.is_multiple_of(2) { StripeVersion::Second } else { StripeVersion::First };
        let hash = |text: String| *blake3::hash(text.as_bytes()).as_bytes();
        let scheme = Scheme::for_peers(n).expect("scheme");
        let shard = |index| {
            let member = MemberId::from_bytes(hash(format!("member {index}")));
            (member, ShardId::from_bytes(hash(format!("shard {number} {index}"))))
        };
        let layout = Layout::of(version, scheme, 1_000 + number as usize).expect("layout");
        let shards = (0..scheme.width()).map(shard).collect();
        StripeRef { pack: PackId::from_bytes(hash(format!("pack {number}"))), layout, shards }
    }
}
