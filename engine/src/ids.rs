//! Identifiers and names. Each is parsed once, at the edge; afterwards its type is the proof.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

/// Why an identifier or a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not the right number of hexadecimal digits.
    #[error("`{raw}` is not {what}: {digits} hexadecimal digits are expected")]
    Hex {
        /// What was expected, for the person.
        what: &'static str,
        /// How many digits it has.
        digits: usize,
        /// The first characters of what came.
        raw: String,
    },
    /// A name with characters or a length that are not allowed.
    #[error(
        "`{raw}` cannot be used as {what}: 1 to 64 characters out of letters, digits, `.`, `_`, `-` and, inside, spaces"
    )]
    Name {
        /// What was expected, for the person.
        what: &'static str,
        /// The first characters of what came.
        raw: String,
    },
    /// A word that is none of the known ones.
    #[error("`{raw}` is not {what}: use one of {known}")]
    Word {
        /// What was expected, for the person.
        what: &'static str,
        /// The words that are known.
        known: &'static str,
        /// The first characters of what came.
        raw: String,
    },
}

fn shorten(raw: &str) -> String {
    raw.chars().take(80).filter(|c| !c.is_control()).collect()
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Takes the bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Takes a slice of exactly [`Self::LEN`] bytes.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), HEXLOWER.encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(raw: &str) -> Result<Self, IdError> {
                HEXLOWER
                    .decode(raw.as_bytes())
                    .ok()
                    .and_then(|bytes| Self::from_slice(&bytes))
                    .ok_or_else(|| IdError::Hex { what: $what, digits: 2 * $len, raw: shorten(raw) })
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message(concat!("length of ", $what)))
            }
        }
    };
}

byte_id! {
    /// Name of a chunk: the first 16 bytes of BLAKE3 over its plain bytes, keyed by the vault's dedup secret.
    ///
    /// See `docs/FORMAT.md`, "Chunk", and `docs/decisions/0012-chunk-ids.md` for why 16 are enough.
    ChunkId, 16, "a chunk id"
}

byte_id! {
    /// Proof of having had a chunk's plain bytes: bytes 16 to 31 of the same BLAKE3 output that names it.
    ///
    /// Listings and packs never hold it, so that knowing a chunk's id is not enough to be given the chunk.
    /// See `docs/decisions/0003-possession-witness.md`.
    Witness, 16, "a witness"
}

byte_id! {
    /// Name of a pack: BLAKE3 (no key) of the whole file, so that anyone can check a pack without being able to open
    /// it.
    PackId, 32, "a pack id"
}

byte_id! {
    /// Name of a snapshot: BLAKE3 (no key) of its signed record.
    SnapshotId, 32, "a snapshot id"
}

byte_id! {
    /// Name of a workstation: random, given by the box at enrolment.
    MachineId, 16, "a machine id"
}

byte_id! {
    /// One run of a backup on a workstation: random, and the same when the run begins again after a broken connection.
    RunId, 16, "a run id"
}

byte_id! {
    /// Name of a vault: random, made with the vault.
    VaultId, 16, "a vault id"
}

byte_id! {
    /// Names the sheets of a recovery kit that were printed together: random, for people to tell two sets apart.
    KitSetId, 4, "a set of a kit's sheets"
}

byte_id! {
    /// Name of a shard: BLAKE3 (no key) of the whole shard file, which is also the root that ranges of it are proved
    /// against.
    ShardId, 32, "a shard id"
}

byte_id! {
    /// Name of a member of a community: BLAKE3 (no key) of the public recovery key, which outlives every box of the
    /// member.
    MemberId, 32, "a member id"
}

byte_id! {
    /// Name of a community: BLAKE3 (no key) of the first entry of its log.
    CommunityId, 32, "a community id"
}

byte_id! {
    /// Name of an entry of a community's log: BLAKE3 (no key) of the signed bytes, without the signatures.
    EntryHash, 32, "an entry hash"
}

byte_id! {
    /// Name of a head record: BLAKE3 (no key) of the signed bytes, without the signature.
    HeadHash, 32, "a head hash"
}

byte_id! {
    /// Names an open invitation to a community without giving it away: derived from its secret.
    InvitationId, 16, "an invitation id"
}

byte_id! {
    /// SHA-256 of a certificate's subject public key info (RFC 7469, section 2.4).
    SpkiPin, 32, "a key pin"
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(raw: &str) -> Result<Self, IdError> {
                if is_name(raw) { Ok(Self(raw.to_owned())) } else { Err(IdError::Name { what: $what, raw: shorten(raw) }) }
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.str()?.parse().map_err(|_| minicbor::decode::Error::message(concat!("not ", $what)))
            }
        }
    };
}

name_type! {
    /// What people call a workstation: 1 to 64 letters, digits, `.`, `_`, `-` and inner spaces.
    MachineName, "a machine name"
}

name_type! {
    /// What people call a source of one machine: the same rule as [`MachineName`].
    SourceName, "a source name"
}

name_type! {
    /// What people call a member of a community: the same rule as [`MachineName`].
    MemberName, "a member name"
}

name_type! {
    /// What people call a community: the same rule as [`MachineName`].
    CommunityName, "a community name"
}

name_type! {
    /// What members of one failure domain have in common (a customer, a site): the same rule as [`MachineName`].
    DomainLabel, "a failure domain"
}

fn is_name(raw: &str) -> bool {
    let count = raw.chars().count();
    (1..=64).contains(&count)
        && raw.trim() == raw
        && raw != "."
        && raw != ".."
        && raw.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' '))
}

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal, $known:literal, { $($(#[$vdoc:meta])* $variant:ident = $num:literal => $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum $name {
            $($(#[$vdoc])* #[n($num)] $variant,)+
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it on screens, in the catalog and on the command line.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(raw: &str) -> Result<Self, IdError> {
                match raw {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(IdError::Word { what: $what, known: $known, raw: shorten(raw) }),
                }
            }
        }
    };
}

word_enum! {
    /// What a source is, which decides how it is cut.
    SourceKind, "a kind of source", "files, database, image", {
        /// A tree of files.
        Files = 0 => "files",
        /// A database dump or data file: large, with small edits in place.
        Database = 1 => "database",
        /// A disk image.
        Image = 2 => "image",
    }
}

word_enum! {
    /// What a machine is for, which decides the defaults of its policy.
    Profile, "a profile", "server, desktop, laptop", {
        /// Always on, holds data of several people.
        Server = 0 => "server",
        /// On in working hours.
        Desktop = 1 => "desktop",
        /// Away, asleep or on battery much of the time.
        Laptop = 2 => "laptop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_what_they_print() {
        let id = ChunkId::from_bytes([0xa5; ChunkId::LEN]);
        assert_eq!(id.to_string().parse::<ChunkId>().expect("printed form"), id);
        for raw in ["", "../", "a5", &"A5".repeat(16), &"a5".repeat(17), &"a5".repeat(32), "foo/config"] {
            assert!(raw.parse::<ChunkId>().is_err(), "{raw}");
        }
    }

    #[test]
    fn names_refuse_what_could_be_mistaken_for_a_path_or_markup() {
        for good in ["caisse-1", "Bureau Élodie", "касса 2", "a"] {
            assert!(good.parse::<MachineName>().is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "..", "a/b", "a\\b", "<b>", "a\0", "a\nb", &"x".repeat(65)] {
            assert!(bad.parse::<MachineName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_and_words_survive_cbor() {
        let bytes = minicbor::to_vec((MachineId::from_bytes([7; 16]), SourceKind::Image)).expect("encode");
        let back: (MachineId, SourceKind) = minicbor::decode(&bytes).expect("decode");
        assert_eq!(back, (MachineId::from_bytes([7; 16]), SourceKind::Image));
        assert!(minicbor::decode::<SourceKind>(&[0x18, 0x63]).is_err());
        assert!(minicbor::decode::<MachineId>(&[0x41, 0x00]).is_err());
    }
}
