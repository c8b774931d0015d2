//! What a head says to whoever can open it: all that a blank box needs besides the shards.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::OutsideError;
use super::stripes::{self, RawStripe, StripeRef};
use crate::format::snapshot::check_version;
use crate::format::{FormatError, VERSION, decode_all, encode};
use crate::ids::MemberId;
use crate::keys::{DispersalSecret, KeptSigningKey, Recipients, VaultIdentity};

/// The longest sealed content, in bytes: what a head has room for.
pub const HEAD_CONTENT_MAX: usize = 48 << 10;

/// From this many parts on the map is to be put together anew: the head must not outgrow its room.
pub const MAP_PARTS_MAX: usize = 12;

const WHAT: &str = "content of a head";

/// The content of a head.
#[derive(Debug, Clone)]
pub struct HeadContent {
    /// The vault file, sealed as it is in the store.
    pub vault_file: Vec<u8>,
    /// What opens the shards.
    pub dispersal: DispersalSecret,
    /// What the lost box opened its packs with: the new box is its heir.
    pub identity: VaultIdentity,
    /// What it signed receipts with: the new box goes on with it, so that those of the lost one count.
    pub receipt_key: KeptSigningKey,
    /// What people called it.
    pub box_name: String,
    /// The parts of the map in their order, each with where it is.
    pub parts: Vec<StripeRef>,
}

#[derive(Encode, Decode)]
struct RawHead {
    #[n(0)]
    version: u8,
    #[n(1)]
    vault_file: ByteVec,
    #[n(2)]
    dispersal: ByteVec,
    #[n(3)]
    identity: String,
    #[n(4)]
    box_name: String,
    #[n(5)]
    members: Vec<MemberId>,
    #[n(6)]
    parts: Vec<RawStripe>,
    #[n(7)]
    receipt_key: ByteVec,
}

impl Drop for RawHead {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut *self.dispersal);
        zeroize::Zeroize::zeroize(&mut self.identity);
        zeroize::Zeroize::zeroize(&mut *self.receipt_key);
    }
}

impl HeadContent {
    /// Seals it for the vault's recipients.
    ///
    /// # Errors
    /// [`OutsideError::TooLong`] if it does not fit into a head: the map has too many parts. [`OutsideError::Key`].
    pub fn seal(&self, recipients: &Recipients) -> Result<Vec<u8>, OutsideError> {
        let sealed = recipients.seal(&self.encode())?;
        if sealed.len() > HEAD_CONTENT_MAX {
            return Err(OutsideError::TooLong { what: WHAT, len: sealed.len(), max: HEAD_CONTENT_MAX });
        }
        Ok(sealed)
    }

    /// Opens it with the kit's identity, or the box's.
    ///
    /// # Errors
    /// [`OutsideError::Key`], [`OutsideError::Format`].
    pub fn open(sealed: &[u8], identity: &VaultIdentity) -> Result<Self, OutsideError> {
        Ok(Self::decode(&identity.open(sealed, HEAD_CONTENT_MAX)?)?)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (members, parts) = stripes::write(&self.parts);
        Zeroizing::new(encode(&RawHead {
            version: VERSION,
            vault_file: self.vault_file.clone().into(),
            dispersal: self.dispersal.expose().to_vec().into(),
            identity: self.identity.expose().as_str().to_owned(),
            box_name: self.box_name.clone(),
            members,
            parts,
            receipt_key: self.receipt_key.expose().to_vec().into(),
        }))
    }

    fn decode(plain: &[u8]) -> Result<Self, FormatError> {
        check_version(WHAT, plain)?;
        let raw: RawHead = decode_all(WHAT, plain)?;
        let secret =
            raw.dispersal.as_slice().try_into().map_err(|_| FormatError::damaged(WHAT, "length of a secret"))?;
        Ok(Self {
            vault_file: raw.vault_file.to_vec(),
            dispersal: DispersalSecret::from_bytes(secret),
            identity: VaultIdentity::parse(&raw.identity).map_err(|e| FormatError::damaged(WHAT, e))?,
            receipt_key: KeptSigningKey::new(Zeroizing::new(raw.receipt_key.to_vec()))
                .map_err(|e| FormatError::damaged(WHAT, e))?,
            box_name: raw.box_name.clone(),
            parts: stripes::read(WHAT, &raw.members, &raw.parts)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stripes::testing::{made_by, stripe};
    use super::*;
    use crate::community::head::CATALOG_MAX;
    use crate::erasure::layout::StripeVersion;
    use crate::format::kit::RecoveryKit;

    /// The same each time: RFC 8410, section 10.3.
    fn receipt_key() -> KeptSigningKey {
        let text = b"302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
        let der = data_encoding::HEXLOWER.decode(text).expect("digits");
        KeptSigningKey::new(Zeroizing::new(der)).expect("a key")
    }

    fn content(parts: usize, peers: usize) -> HeadContent {
        HeadContent {
            vault_file: vec![5; 700],
            dispersal: DispersalSecret::from_bytes([3; 32]),
            identity: VaultIdentity::generate(),
            receipt_key: receipt_key(),
            box_name: "x".repeat(64),
            parts: (0..parts).map(|number| stripe(u32::try_from(number).expect("few"), peers)).collect(),
        }
    }

    #[test]
    fn a_content_comes_back_with_the_kit_as_with_the_box() {
        let (kit, content) = (VaultIdentity::generate(), content(3, 10));
        let recipients = Recipients::parse(&[content.identity.recipient(), kit.recipient()]).expect("recipients");
        let sealed = content.seal(&recipients).expect("seal");
        for identity in [&kit, &content.identity] {
            let opened = HeadContent::open(&sealed, identity).expect("open");
            assert_eq!((&opened.vault_file, &opened.parts), (&content.vault_file, &content.parts));
            assert_eq!(opened.dispersal.expose(), content.dispersal.expose());
            assert_eq!(opened.identity.expose(), content.identity.expose());
            assert_eq!((&opened.receipt_key, &opened.box_name), (&content.receipt_key, &content.box_name));
        }
        assert!(HeadContent::open(&sealed, &VaultIdentity::generate()).is_err());
    }

    #[test]
    fn all_parts_that_may_be_fit_into_a_head_of_forty_eight_peers() {
        assert_eq!(HEAD_CONTENT_MAX, CATALOG_MAX);
        let recipients: Vec<_> = (0..4).map(|_| VaultIdentity::generate().recipient()).collect();
        let recipients = Recipients::parse(&recipients).expect("recipients");
        let sealed = content(2 * MAP_PARTS_MAX, 48).seal(&recipients).expect("twice as many still fit");
        assert!(sealed.len() <= HEAD_CONTENT_MAX);
        let beyond = content(3 * MAP_PARTS_MAX, 48).seal(&recipients);
        assert!(matches!(beyond, Err(OutsideError::TooLong { .. })));
    }

    /// Fixed content; if this fails, heads that peers keep would be read in another way: that is another version.
    #[test]
    fn contents_are_written_the_same_over_versions_of_the_program() {
        let kit = RecoveryKit::parse(include_str!("../../../tests/golden/v1/kit.txt")).expect("kit");
        let identity = kit.identity;
        let mut content = HeadContent { identity, ..content(2, 4) };
        for (version, golden) in [(StripeVersion::First, GOLDEN), (StripeVersion::Second, GOLDEN_SECOND)] {
            content.parts.iter_mut().for_each(|part| *part = made_by(version, part));
            let plain = content.encode();
            assert_eq!((plain.len(), blake3::hash(&plain).to_string().as_str()), golden, "{version:?}");
        }
    }

    const GOLDEN_SECOND: (usize, &str) = (1431, "2b159d3d96351302d499fa61e0ac73269f76cc896a8737f8b2a5a5d43f4d3512");

    const GOLDEN: (usize, &str) = (1429, "88cc8bf9a563bd0c1fa3a008916486adb32660c48ff0e3816a16a3ac575f626f");

    #[test]
    fn later_versions_are_refused_with_a_sentence() {
        let mut plain = content(1, 4).encode();
        plain[1] = 2;
        let refused = HeadContent::decode(&plain);
        assert!(matches!(refused, Err(FormatError::Future { found: 2, .. })));
    }

    proptest! {
        #[test]
        fn noise_and_altered_contents_never_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>(), to in any::<u8>(),
        ) {
            prop_assert!(HeadContent::decode(&noise).is_err());
            let mut plain = content(2, 6).encode();
            let at = at.index(plain.len());
            plain[at] = to;
            let _ = HeadContent::decode(&plain);
            plain.truncate(at);
            prop_assert!(HeadContent::decode(&plain).is_err());
        }
    }
}
