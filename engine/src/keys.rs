//! Keys: where each comes from, what it opens, and that it is wiped when it goes out of use.
//!
//! | key | who holds it | what it does |
//! |---|---|---|
//! | [`DedupSecret`] | box, its machines, vault file | names chunks, cuts them, derives [`ChunkKeys`] |
//! | [`PackKey`] | only inside a pack's age header | seals the segments and the directory of one pack |
//! | [`DispersalSecret`] | box, head | seals shards once more before they leave for peers |
//! | [`VaultIdentity`] | box; another one on the recovery kit | opens pack keys, snapshot files, the vault file |
//! | [`SigningKey`] | one on each machine, one on the box; resellers | snapshot records; receipts; bundles; a community |
//! | [`recovery_key`] | derived from the kit's identity | proves a member of a community that lost its box |
//!
//! Nothing here prints a secret: `Debug` says only the type.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use ring::rand::SecureRandom;
use ring::signature::KeyPair;
use zeroize::Zeroizing;

use crate::ids::{ChunkId, MemberId, SpkiPin, Witness};

/// What can go wrong with keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system's random numbers are not to be had; nothing may go on without them.
    #[error("the system gives no random numbers")]
    NoRandom,
    /// Text that is no age recipient (`age1…`).
    #[error("not an age recipient")]
    Recipient,
    /// Text that is no age identity (`AGE-SECRET-KEY-1…`).
    #[error("not an age identity; it starts with AGE-SECRET-KEY-1")]
    Identity,
    /// The bytes cannot be sealed.
    #[error("cannot seal for the vault's recipients")]
    Seal(#[source] std::io::Error),
    /// Not an age file, cut short, altered, or for other recipients.
    #[error("cannot be opened with this identity: {0}")]
    Open(String),
    /// Longer than this kind of file may be.
    #[error("the sealed content is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// Not an Ed25519 key in PKCS#8.
    #[error("not an Ed25519 key in PKCS#8 form")]
    SigningKey,
    /// The signature does not fit the bytes and the key.
    #[error("the signature does not fit")]
    Signature,
}

/// Fresh random bytes from the system.
///
/// # Errors
/// [`KeyError::NoRandom`]; the caller must stop.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0_u8; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::NoRandom)?;
    Ok(bytes)
}

macro_rules! secret_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Zeroizing<[u8; 32]>);

        impl $name {
            /// A fresh random one.
            ///
            /// # Errors
            /// [`KeyError::NoRandom`].
            pub fn generate() -> Result<Self, KeyError> {
                Ok(Self(Zeroizing::new(random_bytes()?)))
            }

            /// Takes 32 bytes read back from where they are kept.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(Zeroizing::new(bytes))
            }

            /// The bytes, to be put where they are kept.
            #[must_use]
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

secret_bytes! {
    /// What all machines of one vault share, so that equal content gets equal names. Peers never get it.
    DedupSecret
}

secret_bytes! {
    /// Seals one pack. Random, used for this pack only, so that a counter is a safe nonce.
    PackKey
}

secret_bytes! {
    /// Seals what leaves the box for peers: the headers and bodies of shards. One a vault; machines and peers never get it, and
    /// the recovery kit reaches it through the head.
    DispersalSecret
}

/// Keys derived from the [`DedupSecret`], ready for use: naming, cutting, and the cuts between listing nodes.
#[derive(Clone)]
pub struct ChunkKeys {
    naming: Zeroizing<[u8; 32]>,
    boundary: Zeroizing<[u8; 32]>,
    gear: Box<[u64; 256]>,
}

impl fmt::Debug for ChunkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkKeys(secret)")
    }
}

impl ChunkKeys {
    /// Derives the keys with BLAKE3's key derivation; the contexts are part of the format (`docs/FORMAT.md`, "Keys").
    #[must_use]
    pub fn derive(secret: &DedupSecret) -> Self {
        let naming = blake3::derive_key("datis 2026 v1 chunk name", secret.expose());
        let boundary = blake3::derive_key("datis 2026 v1 node boundary", secret.expose());
        let mut gear = Box::new([0_u64; 256]);
        let mut reader =
            blake3::Hasher::new_derive_key("datis 2026 v1 gear table").update(secret.expose()).finalize_xof();
        for word in gear.iter_mut() {
            let mut bytes = [0_u8; 8];
            reader.fill(&mut bytes);
            *word = u64::from_le_bytes(bytes);
        }
        Self { naming: Zeroizing::new(naming), boundary: Zeroizing::new(boundary), gear }
    }

    /// Names a chunk and proves possession of it, in one hash.
    #[must_use]
    pub fn name(&self, plain: &[u8]) -> (ChunkId, Witness) {
        let hash = blake3::keyed_hash(&self.naming, plain);
        let (mut id, mut witness) = ([0_u8; ChunkId::LEN], [0_u8; Witness::LEN]);
        id.copy_from_slice(&hash.as_bytes()[..ChunkId::LEN]);
        witness.copy_from_slice(&hash.as_bytes()[ChunkId::LEN..]);
        (ChunkId::from_bytes(id), Witness::from_bytes(witness))
    }

    /// The keyed gear table of the cutter.
    #[must_use]
    pub fn gear(&self) -> &[u64; 256] {
        &self.gear
    }

    /// A keyed 64-bit value of `bytes` that decides where listing and content nodes end.
    #[must_use]
    pub fn boundary_value(&self, bytes: &[u8]) -> u64 {
        let hash = blake3::keyed_hash(&self.boundary, bytes);
        let mut first = [0_u8; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

/// The public side of everyone who can open the vault: the box and the recovery kit.
#[derive(Clone)]
pub struct Recipients(Vec<age::x25519::Recipient>);

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.to_strings()).finish()
    }
}

impl Recipients {
    /// Reads recipients in their text form (`age1…`); at least one.
    ///
    /// # Errors
    /// [`KeyError::Recipient`].
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, KeyError> {
        let parsed = texts
            .iter()
            .map(|text| age::x25519::Recipient::from_str(text.as_ref()).map_err(|_| KeyError::Recipient))
            .collect::<Result<Vec<_>, _>>()?;
        if parsed.is_empty() { Err(KeyError::Recipient) } else { Ok(Self(parsed)) }
    }

    /// The text forms, as in [`Self::parse`].
    #[must_use]
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// An age file (binary form) with `plain` in it, for all recipients.
    ///
    /// # Errors
    /// [`KeyError::Seal`].
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let encryptor = age::Encryptor::with_recipients(self.0.iter().map(|r| r as &dyn age::Recipient))
            .map_err(|e| KeyError::Seal(std::io::Error::other(e)))?;
        let mut sealed = Vec::with_capacity(plain.len() + 512);
        let mut writer = encryptor.wrap_output(&mut sealed).map_err(KeyError::Seal)?;
        writer.write_all(plain).map_err(KeyError::Seal)?;
        writer.finish().map_err(KeyError::Seal)?;
        Ok(sealed)
    }
}

/// The secret side of one recipient: the box's own, or the recovery kit's.
#[derive(Clone)]
pub struct VaultIdentity(age::x25519::Identity);

impl fmt::Debug for VaultIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultIdentity(secret)")
    }
}

impl VaultIdentity {
    /// A fresh one.
    #[must_use]
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads `AGE-SECRET-KEY-1…`; surrounding white space is dropped.
    ///
    /// # Errors
    /// [`KeyError::Identity`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        age::x25519::Identity::from_str(text.trim()).map(Self).map_err(|_| KeyError::Identity)
    }

    /// The text form, to be put where it is kept.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// The public side, in text form.
    #[must_use]
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Opens an age file made by [`Recipients::seal`] or the stock tool; at most `max` plain bytes.
    ///
    /// # Errors
    /// [`KeyError::Open`], [`KeyError::TooLong`].
    pub fn open(&self, sealed: &[u8], max: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let decryptor = age::Decryptor::new_buffered(sealed).map_err(|e| KeyError::Open(e.to_string()))?;
        let reader = decryptor
            .decrypt(std::iter::once(&self.0 as &dyn age::Identity))
            .map_err(|e| KeyError::Open(e.to_string()))?;
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        let mut plain = Zeroizing::new(Vec::new());
        reader.take(limit).read_to_end(&mut plain).map_err(|e| KeyError::Open(e.to_string()))?;
        if plain.len() > max { Err(KeyError::TooLong { max }) } else { Ok(plain) }
    }
}

/// An Ed25519 key (RFC 8032) that signs snapshot records (a machine's), receipts (the box's) or bundles (a reseller's).
pub struct SigningKey(ring::signature::Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(secret)")
    }
}

impl SigningKey {
    /// Reads a private key in PKCS#8 (RFC 8410), with or without the public part.
    ///
    /// # Errors
    /// [`KeyError::SigningKey`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self).map_err(|_| KeyError::SigningKey)
    }

    /// The key that belongs to `seed`, the 32 bytes of RFC 8032.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        match ring::signature::Ed25519KeyPair::from_seed_unchecked(seed) {
            Ok(pair) => Self(pair),
            Err(_) => unreachable!("any 32 bytes are a seed"),
        }
    }

    /// Makes a new private key, in PKCS#8.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new());
        document.map(|document| Zeroizing::new(document.as_ref().to_vec())).map_err(|_| KeyError::NoRandom)
    }

    /// Signs `message` under `context`, which keeps signatures of one kind from being taken for another.
    #[must_use]
    pub fn sign(&self, context: SigningContext, message: &[u8]) -> Signature {
        let mut bytes = [0_u8; 64];
        bytes.copy_from_slice(self.0.sign(&context.bind(message)).as_ref());
        Signature(bytes)
    }

    /// The public key, 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0_u8; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }
}

/// A private Ed25519 key in PKCS#8, as it is kept and handed on.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptSigningKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for KeptSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptSigningKey(secret)")
    }
}

impl KeptSigningKey {
    /// Takes bytes that are a key.
    ///
    /// # Errors
    /// [`KeyError::SigningKey`].
    pub fn new(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8(&pkcs8).map(|_| Self(pkcs8))
    }

    /// The bytes, to be put where they are kept.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningContext {
    /// A machine signs a snapshot record.
    SnapshotRecord,
    /// The box signs that it has a snapshot.
    Receipt,
    /// A reseller signs what boxes start with (docs/BUNDLE.md).
    Bundle,
    /// Members sign an entry of their community's log (docs/PROTOCOL.md, "Communities").
    CommunityEntry,
    /// Somebody who wants to join a community signs what its log will say.
    Admission,
    /// A member signs where it can be reached.
    AddressRecord,
    /// A member signs the head of its vault.
    Head,
    /// Owner and host sign what one keeps for the other.
    Statement,
    /// A host signs that a shard is durable with it.
    ShardReceipt,
    /// A recovery key signs for the blank box that it is typed into.
    Claim,
    /// A recovery key lets a host's brake go.
    LiftBrake,
}

impl SigningContext {
    /// Prefixes the message: a text of its own for each kind, ended by a zero byte.
    fn bind(self, message: &[u8]) -> Vec<u8> {
        let prefix: &[u8] = match self {
            Self::SnapshotRecord => b"datis v1 snapshot record\0",
            Self::Receipt => b"datis v1 receipt\0",
            Self::Bundle => b"datis v1 bundle\0",
            Self::CommunityEntry => b"datis v1 community entry\0",
            Self::Admission => b"datis v1 admission\0",
            Self::AddressRecord => b"datis v1 address record\0",
            Self::Head => b"datis v1 head\0",
            Self::Statement => b"datis v1 statement\0",
            Self::ShardReceipt => b"datis v1 shard receipt\0",
            Self::Claim => b"datis v1 claim\0",
            Self::LiftBrake => b"datis v1 lift brake\0",
        };
        [prefix, message].concat()
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes a slice of exactly 64 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes a slice of exactly 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The pin of a certificate for this key: SHA-256 of its subject public key info (RFC 8410, section 4).
    #[must_use]
    pub fn spki_pin(&self) -> SpkiPin {
        const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        context.update(&ED25519_SPKI);
        context.update(&self.0);
        let mut bytes = [0_u8; SpkiPin::LEN];
        bytes.copy_from_slice(context.finish().as_ref());
        SpkiPin::from_bytes(bytes)
    }

    /// The member whose recovery key this is: BLAKE3 of the 32 bytes.
    #[must_use]
    pub fn member_id(&self) -> MemberId {
        MemberId::from_bytes(*blake3::hash(&self.0).as_bytes())
    }

    /// Checks a signature made with [`SigningKey::sign`].
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify(&self, context: SigningContext, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &self.0)
            .verify(&context.bind(message), &signature.0)
            .map_err(|_| KeyError::Signature)
    }
}

macro_rules! as_cbor_bytes {
    ($name:ident, $what:literal) => {
        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message($what))
            }
        }
    };
}

as_cbor_bytes!(PublicKey, "length of a public key");
as_cbor_bytes!(Signature, "length of a signature");

/// The key that speaks for a member of a community whatever became of its box, out of the identity on its recovery kit.
///
/// The seed is BLAKE3's key derivation of the identity's text form (`AGE-SECRET-KEY-1…`).
#[must_use]
pub fn recovery_key(kit: &VaultIdentity) -> SigningKey {
    let seed = Zeroizing::new(blake3::derive_key("datis 2026 v1 recovery key", kit.expose().as_bytes()));
    SigningKey::from_seed(&seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_get_equal_names_in_one_vault_and_others_in_another() {
        let (a, b) = (DedupSecret::from_bytes([1; 32]), DedupSecret::from_bytes([2; 32]));
        let (ka, kb) = (ChunkKeys::derive(&a), ChunkKeys::derive(&b));
        assert_eq!(ka.name(b"same"), ChunkKeys::derive(&a).name(b"same"));
        assert_ne!(ka.name(b"same").0, kb.name(b"same").0);
        assert_ne!(ka.gear()[0], kb.gear()[0]);
        assert_ne!(ka.name(b"same").0.as_bytes(), ka.name(b"same").1.as_bytes());
    }

    #[test]
    fn what_is_sealed_opens_for_each_recipient_and_for_nobody_else() {
        let (boxed, kit, stranger) = (VaultIdentity::generate(), VaultIdentity::generate(), VaultIdentity::generate());
        let recipients = Recipients::parse(&[boxed.recipient(), kit.recipient()]).expect("recipients");
        let sealed = recipients.seal(b"pack key").expect("seal");
        for identity in [&boxed, &kit] {
            assert_eq!(identity.open(&sealed, 100).expect("open").as_slice(), b"pack key");
        }
        assert!(matches!(stranger.open(&sealed, 100), Err(KeyError::Open(_))));
        assert!(matches!(kit.open(&sealed, 3), Err(KeyError::TooLong { max: 3 })));
        assert!(kit.open(&sealed[..sealed.len() - 1], 100).is_err());
        let reread = VaultIdentity::parse(&kit.expose()).expect("text form");
        assert_eq!(reread.recipient(), kit.recipient());
    }

    #[test]
    fn a_signature_of_one_kind_is_not_one_of_another() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().expect("key")).expect("pkcs8");
        let signature = key.sign(SigningContext::Receipt, b"m");
        assert!(key.public_key().verify(SigningContext::Receipt, b"m", &signature).is_ok());
        assert!(key.public_key().verify(SigningContext::SnapshotRecord, b"m", &signature).is_err());
        assert!(key.public_key().verify(SigningContext::Bundle, b"m", &signature).is_err());
        assert!(key.public_key().verify(SigningContext::Receipt, b"n", &signature).is_err());
    }

    #[test]
    fn the_kit_s_text_gives_the_same_recovery_key_each_time_and_another_kit_another() {
        let kit = VaultIdentity::generate();
        let again = VaultIdentity::parse(&kit.expose()).expect("text form");
        assert_eq!(recovery_key(&kit).public_key(), recovery_key(&again).public_key());
        assert_ne!(recovery_key(&kit).public_key(), recovery_key(&VaultIdentity::generate()).public_key());
    }

    #[test]
    fn the_pin_of_a_key_is_the_one_of_its_certificate() {
        // RFC 8410, section 10.1: the subject public key info of the example key.
        let key = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        let key =
            PublicKey::from_slice(&data_encoding::HEXLOWER.decode(key.as_bytes()).expect("hex")).expect("32 bytes");
        let info = format!("302a300506032b6570032100{}", data_encoding::HEXLOWER.encode(key.as_bytes()));
        let info = data_encoding::HEXLOWER.decode(info.as_bytes()).expect("hex");
        let digest = ring::digest::digest(&ring::digest::SHA256, &info);
        assert_eq!(key.spki_pin().as_bytes().as_slice(), digest.as_ref());
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let secret = DedupSecret::from_bytes([0xab; 32]);
        let shown = format!("{secret:?} {:?} {:?}", ChunkKeys::derive(&secret), VaultIdentity::generate());
        assert!(!shown.contains("171") && !shown.contains("ab") && !shown.contains("AGE"), "{shown}");
    }
}
