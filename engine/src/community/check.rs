//! What two boxes share after an invitation was used, and the six digits that people compare on both screens.

use std::fmt;

use zeroize::Zeroizing;

use crate::format::encode;
use crate::ids::CommunityId;
use crate::keys::PublicKey;

/// The two boxes of one pairing, and the TLS connection between them.
///
/// `channel`: the exporter of that connection (RFC 9266), so that nothing said on one connection counts on another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Into which community.
    pub community: CommunityId,
    /// Device key of the box that invited.
    pub inviter: PublicKey,
    /// Device key of the box that joins.
    pub joiner: PublicKey,
    /// 32 bytes.
    pub channel: [u8; 32],
}

/// The two boxes of one pairing and their connection, before the joining one has heard of the community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Device key of the box that invited.
    pub inviter: PublicKey,
    /// Device key of the box that joins.
    pub joiner: PublicKey,
    /// As of [`Pairing::channel`].
    pub channel: [u8; 32],
}

impl Ends {
    /// CBOR `[inviter, joiner, channel]`.
    pub(super) fn bytes(&self) -> Vec<u8> {
        encode(&(self.inviter, self.joiner, minicbor::bytes::ByteArray::from(self.channel)))
    }

    /// The pairing that it becomes with a community.
    #[must_use]
    pub fn pairing(self, community: CommunityId) -> Pairing {
        let Self { inviter, joiner, channel } = self;
        Pairing { community, inviter, joiner, channel }
    }
}

impl Pairing {
    /// The same without the community.
    #[must_use]
    pub fn ends(&self) -> Ends {
        Ends { inviter: self.inviter, joiner: self.joiner, channel: self.channel }
    }

    /// CBOR `[community, inviter, joiner, channel]`.
    pub(super) fn bytes(&self) -> Vec<u8> {
        encode(&(self.community, self.inviter, self.joiner, minicbor::bytes::ByteArray::from(self.channel)))
    }
}

/// A secret that only the two boxes of one pairing have.
pub struct PairingKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for PairingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingKey(secret)")
    }
}

impl PairingKey {
    pub(super) fn derive(secret: &[u8], pairing: &Pairing) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("datis 2026 v1 pairing");
        hasher.update(&pairing.bytes()).update(secret);
        Self(Zeroizing::new(*hasher.finalize().as_bytes()))
    }

    /// A keyed hash of `message` for one purpose.
    pub(super) fn mac(&self, purpose: &'static str, message: &[u8]) -> blake3::Hash {
        let key = Zeroizing::new(blake3::derive_key(purpose, self.0.as_slice()));
        blake3::keyed_hash(&key, message)
    }

    /// The digits for both screens: equal if and only if nobody stands between the two boxes, but for one in a million.
    #[must_use]
    pub fn check_digits(&self) -> CheckDigits {
        let hash = self.mac("datis 2026 v1 check digits", &[]);
        let mut first = [0_u8; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        CheckDigits((u64::from_be_bytes(first) % 1_000_000) as u32)
    }
}

/// Six digits, shown as `042 917`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckDigits(u32);

impl fmt::Display for CheckDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {:03}", self.0 / 1_000, self.0 % 1_000)
    }
}
