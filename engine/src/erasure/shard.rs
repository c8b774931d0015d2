//! The shard file: a sealed header of 128 bytes that only the owner can open, and a body that looks random as well.
//!
//! ```text
//! header: salt 32 | sealed: version u8 | k u8 | m u8 | index u8 | pack length u64 | pack id 32 | zero 36 | tag 16
//! body of a data shard:   sealed blocks of 64 KiB (65 520 bytes of the padded pack, tag 16); the last may be shorter
//! body of a parity shard: Reed-Solomon code over the bodies of the data shards
//! ```
//! Nothing stands in the clear, not even a magic or a version: a peer that cannot tell shards from random bytes cannot tell
//! versions apart either. The owner finds the version inside the seal; a later header layout has keys of its own.
//!
//! **Nonces.** A counter is safe since no key ever seals two texts. The key of the blocks comes from the secret, the pack id,
//! `k` and the length of the body. The pack id is a hash of all that is sealed, checked before ([`super::stripe::Stripe`]);
//! `k` and the length decide how it is cut. So equal key and nonce mean equal plain bytes, and equal sealed bytes. The key of
//! a header comes from the secret and the salt, which is a keyed hash of the header's plain bytes.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use zeroize::Zeroizing;

use super::layout::{BLOCK_PLAIN, HEADER_LEN, Layout, PACK_LEN_MAX, SHARD_LEN_MAX, StripeVersion, TAG_LEN};
use super::scheme::Scheme;
use crate::format::FormatError;
use crate::ids::{PackId, ShardId};
use crate::keys::DispersalSecret;

const WHAT: &str = "shard";
const SALT_LEN: usize = 32;
const PLAIN_LEN: usize = HEADER_LEN - SALT_LEN - TAG_LEN;
/// Where the pack id ends in the plain header; zeros follow.
const FIELDS_LEN: usize = 44;

const SALT_CONTEXT: &str = "datis 2026 v1 shard salt";
const HEADER_CONTEXT: &str = "datis 2026 v1 shard header";
const BLOCKS_CONTEXT: &str = "datis 2026 v1 shard blocks";

/// Why bytes are not the shard that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The bytes do not hash to the name: damaged, or another shard.
    #[error("the bytes are not those of shard {0}")]
    Name(ShardId),
    /// The header does not open under this secret.
    #[error("the shard's header was altered, or belongs to another vault")]
    Header,
    /// What stands in the header is of a later version, or contradicts itself.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Cut short, or with bytes behind its end.
    #[error("the shard has {found} bytes, its header says {expected}")]
    Length {
        /// What it should have.
        expected: usize,
        /// What it has.
        found: usize,
    },
}

/// What a shard says about itself to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardHeader {
    /// The pack that it is a part of.
    pub pack: PackId,
    /// Its place in the stripe: data shards first, then parity shards; below the scheme's width.
    pub index: u8,
    /// How the stripe is made, and how long everything is.
    pub layout: Layout,
}

impl ShardHeader {
    /// The first [`HEADER_LEN`] bytes of the shard file: the same for the same header and secret.
    #[must_use]
    pub fn seal(&self, secret: &DispersalSecret) -> [u8; HEADER_LEN] {
        let plain = self.plain();
        let salt_key = Zeroizing::new(blake3::derive_key(SALT_CONTEXT, secret.expose()));
        let salt = *blake3::keyed_hash(&salt_key, &plain).as_bytes();
        let (mut header, mut sealed) = ([0; HEADER_LEN], plain);
        let tag = seal_in_place(&header_key(secret, &salt), [0; NONCE_LEN], &mut sealed);
        header[..SALT_LEN].copy_from_slice(&salt);
        header[SALT_LEN..SALT_LEN + PLAIN_LEN].copy_from_slice(&sealed);
        header[SALT_LEN + PLAIN_LEN..].copy_from_slice(tag.as_ref());
        header
    }

    fn plain(&self) -> [u8; PLAIN_LEN] {
        let scheme = self.layout.scheme();
        let mut plain = [0; PLAIN_LEN];
        plain[..4].copy_from_slice(&[self.layout.version().number(), scheme.data(), scheme.parity(), self.index]);
        plain[4..12].copy_from_slice(&(self.layout.pack_len() as u64).to_le_bytes());
        plain[12..FIELDS_LEN].copy_from_slice(self.pack.as_bytes());
        plain
    }

    /// Opens the header at the start of `file`, of which [`HEADER_LEN`] bytes suffice.
    ///
    /// # Errors
    /// [`ShardError::Header`] also when `file` is shorter; [`ShardError::Format`].
    pub fn open(file: &[u8], secret: &DispersalSecret) -> Result<Self, ShardError> {
        let (salt, rest) = file.split_first_chunk::<SALT_LEN>().ok_or(ShardError::Header)?;
        let mut sealed = *rest.first_chunk::<{ PLAIN_LEN + TAG_LEN }>().ok_or(ShardError::Header)?;
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let plain = header_key(secret, salt).open_in_place(nonce, Aad::empty(), &mut sealed);
        Self::read(plain.map_err(|_| ShardError::Header)?)
    }

    fn read(plain: &[u8]) -> Result<Self, ShardError> {
        let damaged = |reason: &str| FormatError::damaged(WHAT, reason);
        let [version, data, parity, index, rest @ ..] = plain else {
            return Err(damaged("its header is short").into());
        };
        let future = || FormatError::Future { what: WHAT, found: u64::from(*version) };
        let version = StripeVersion::of(*version).ok_or_else(future)?;
        let scheme = Scheme::new(*data, *parity).ok_or_else(|| damaged("no such scheme"))?;
        let (len, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("its header is short"))?;
        let (pack, zeros) =
            rest.split_first_chunk::<{ PackId::LEN }>().ok_or_else(|| damaged("its header is short"))?;
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let layout = Layout::of(version, scheme, len)
            .ok_or_else(|| damaged(&format!("a pack has 1 to {PACK_LEN_MAX} bytes, this one {len}")))?;
        if *index >= scheme.width() || zeros.iter().any(|byte| *byte != 0) {
            return Err(damaged("its header contradicts itself").into());
        }
        Ok(Self { pack: PackId::from_bytes(*pack), index: *index, layout })
    }
}

fn header_key(secret: &DispersalSecret, salt: &[u8; SALT_LEN]) -> LessSafeKey {
    derive(HEADER_CONTEXT, &[secret.expose(), salt])
}

fn derive(context: &str, material: &[&[u8]]) -> LessSafeKey {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in material {
        hasher.update(part);
    }
    let key = Zeroizing::new(*hasher.finalize().as_bytes());
    match UnboundKey::new(&AES_256_GCM, key.as_slice()) {
        Ok(key) => LessSafeKey::new(key),
        Err(_) => unreachable!("an AES-256 key has 32 bytes"),
    }
}

fn seal_in_place(key: &LessSafeKey, nonce: [u8; NONCE_LEN], bytes: &mut [u8]) -> Tag {
    match key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), bytes) {
        Ok(tag) => tag,
        Err(_) => unreachable!("a block is far below the limit of AES-GCM"),
    }
}

/// Seals and opens the blocks of one stripe.
pub(super) struct BlockKey(LessSafeKey);

impl BlockKey {
    pub(super) fn derive(secret: &DispersalSecret, pack: PackId, layout: &Layout) -> Self {
        let (k, body_len) = ([layout.scheme().data()], (layout.body_len() as u64).to_le_bytes());
        Self(derive(BLOCKS_CONTEXT, &[secret.expose(), pack.as_bytes(), &k, &body_len]))
    }

    /// Index of the shard and number of the block, 4 and 8 bytes.
    fn nonce(shard: u8, block: usize) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[0] = shard;
        nonce[4..].copy_from_slice(&(block as u64).to_le_bytes());
        nonce
    }

    /// Appends a sealed block of `len` plain bytes to `body`: those of `plain`, then zeros.
    pub(super) fn seal(&self, shard: u8, block: usize, plain: &[u8], len: usize, body: &mut Vec<u8>) {
        let start = body.len();
        body.extend_from_slice(plain);
        body.resize(start + len, 0);
        let tag = seal_in_place(&self.0, Self::nonce(shard, block), &mut body[start..]);
        body.extend_from_slice(tag.as_ref());
    }

    /// Opens a sealed block into `plain`, which has the block's plain length; whether it is authentic. When it is not, `plain`
    /// holds nothing of use.
    pub(super) fn open(&self, shard: u8, block: usize, sealed: &[u8], plain: &mut [u8]) -> bool {
        let Some((text, tag)) = sealed.split_last_chunk::<TAG_LEN>() else { return false };
        if text.len() != plain.len() || text.len() > BLOCK_PLAIN {
            return false;
        }
        plain.copy_from_slice(text);
        let nonce = Nonce::assume_unique_for_key(Self::nonce(shard, block));
        self.0.open_in_place_separate_tag(nonce, Aad::empty(), Tag::from(*tag), plain, 0..).is_ok()
    }
}

/// A shard as it goes to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its place in the stripe.
    pub index: u8,
    /// Its name.
    pub id: ShardId,
    /// The whole file.
    pub bytes: Vec<u8>,
}

impl Shard {
    pub(super) fn finish(index: u8, bytes: Vec<u8>) -> Self {
        Self { index, id: name_shard(&bytes), bytes }
    }
}

/// Names a shard file.
#[must_use]
pub fn name_shard(bytes: &[u8]) -> ShardId {
    ShardId::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// A shard that came back from a peer: its header opens and its length is right.
///
/// The body may still be damaged unless the name was known. Damage in a data shard shows in each block; damage in a parity
/// shard shows in what is made from it.
#[derive(Debug, Clone, Copy)]
pub struct ShardFile<'a> {
    /// What its header says.
    pub header: ShardHeader,
    pub(super) body: &'a [u8],
    pub(super) is_named: bool,
}

impl<'a> ShardFile<'a> {
    /// Opens a whole shard file. `id`: its name, if the caller knows it; then every byte is checked.
    ///
    /// # Errors
    /// [`ShardError`].
    pub fn open(bytes: &'a [u8], id: Option<ShardId>, secret: &DispersalSecret) -> Result<Self, ShardError> {
        if bytes.len() > SHARD_LEN_MAX {
            return Err(ShardError::Length { expected: SHARD_LEN_MAX, found: bytes.len() });
        }
        if let Some(id) = id.filter(|id| *id != name_shard(bytes)) {
            return Err(ShardError::Name(id));
        }
        let header = ShardHeader::open(bytes, secret)?;
        let expected = header.layout.shard_len();
        match bytes.split_at_checked(HEADER_LEN) {
            Some((_, body)) if bytes.len() == expected => Ok(Self { header, body, is_named: id.is_some() }),
            _ => Err(ShardError::Length { expected, found: bytes.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(index: u8) -> ShardHeader {
        let layout = Layout::new(Scheme::new(6, 4).expect("scheme"), 100_000).expect("layout");
        ShardHeader { pack: PackId::from_bytes([9; 32]), index, layout }
    }

    fn secret() -> DispersalSecret {
        DispersalSecret::from_bytes([7; 32])
    }

    #[test]
    fn a_header_opens_for_its_owner_alone_and_unaltered() {
        let sealed = header(3).seal(&secret());
        assert_eq!(ShardHeader::open(&sealed, &secret()).expect("open"), header(3));
        assert!(ShardHeader::open(&sealed, &DispersalSecret::from_bytes([8; 32])).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(ShardHeader::open(&altered, &secret()), Err(ShardError::Header)));
        }
        for len in 0..sealed.len() {
            assert!(ShardHeader::open(&sealed[..len], &secret()).is_err());
        }
    }

    #[test]
    fn headers_of_one_stripe_have_nothing_in_common() {
        let (one, other) = (header(0).seal(&secret()), header(1).seal(&secret()));
        let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert!(equal < 8, "{equal} bytes are equal");
        assert_eq!(one, header(0).seal(&secret()));
    }

    #[test]
    fn headers_that_contradict_themselves_and_later_versions_are_refused() {
        let read = |change: fn(&mut [u8; PLAIN_LEN])| {
            let mut plain = header(3).plain();
            change(&mut plain);
            ShardHeader::read(&plain)
        };
        assert_eq!(read(|_| ()).expect("unchanged"), header(3));
        let first = read(|p| p[0] = 1).expect("a shard of the first version");
        assert_eq!((first.layout.version(), first.index), (StripeVersion::First, 3));
        assert!(matches!(read(|p| p[0] = 3), Err(ShardError::Format(FormatError::Future { found: 3, .. }))));
        assert!(read(|p| p[1] = 0).is_err());
        assert!(read(|p| p[2] = 250).is_err());
        assert!(read(|p| p[3] = 10).is_err());
        assert!(read(|p| p[4..12].fill(0)).is_err());
        assert!(read(|p| p[11] = 1).is_err());
        assert!(read(|p| p[PLAIN_LEN - 1] = 1).is_err());
    }

    #[test]
    fn a_block_opens_only_in_its_own_place() {
        let layout = header(0).layout;
        let key = BlockKey::derive(&secret(), header(0).pack, &layout);
        let mut sealed = Vec::new();
        key.seal(2, 5, b"abc", 10, &mut sealed);
        let mut plain = [0; 10];
        assert!(key.open(2, 5, &sealed, &mut plain));
        assert_eq!(&plain, b"abc\0\0\0\0\0\0\0");
        assert!(!key.open(2, 4, &sealed, &mut plain) && !key.open(1, 5, &sealed, &mut plain));
        let wider = Layout::new(Scheme::new(5, 3).expect("scheme"), layout.pack_len()).expect("layout");
        assert!(!BlockKey::derive(&secret(), header(0).pack, &wider).open(2, 5, &sealed, &mut plain));
        assert!(!BlockKey::derive(&secret(), PackId::from_bytes([8; 32]), &layout).open(2, 5, &sealed, &mut plain));
        assert!(!key.open(2, 5, &sealed[..9], &mut plain) && !key.open(2, 5, &sealed, &mut plain[..9]));
    }

    proptest! {
        #[test]
        fn noise_is_no_shard(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(ShardFile::open(&bytes, None, &secret()).is_err());
            prop_assert!(ShardHeader::read(&bytes).is_err() || bytes.len() >= FIELDS_LEN);
        }
    }
}
