//! Entries of a community's log: what each may say, and the signatures beside it.

use minicbor::{Decode, Encode};

use super::signed::decode_record;
use crate::format::{FormatError, VERSION, decode_all, encode};
use crate::ids::{CommunityId, CommunityName, DomainLabel, EntryHash, MemberId, MemberName};
use crate::keys::{KeyError, PublicKey, Signature, SigningContext, SigningKey};
use crate::units::UnixMillis;

/// The longest entry with its signatures, in bytes.
pub const ENTRY_MAX: usize = 16 << 10;

/// The most signatures of one entry.
pub const SIGNATURES_MAX: usize = 34;

const ENTRY: &str = "community entry";

/// What members may have in common, so that one event takes them all. Shards of one pack are spread over these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Domains {
    /// Whose box it is.
    #[n(0)]
    pub customer: Option<DomainLabel>,
    /// Where it stands.
    #[n(1)]
    pub site: Option<DomainLabel>,
    /// Who looks after it.
    #[n(2)]
    pub reseller: Option<DomainLabel>,
    /// With which others it is updated.
    #[n(3)]
    pub update_ring: Option<DomainLabel>,
}

/// What the log says of somebody who comes in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Admission {
    /// As the others see it.
    #[n(0)]
    pub name: MemberName,
    /// Names the member for good.
    #[n(1)]
    pub recovery: PublicKey,
    /// Of the box that joins; its pin follows from it.
    #[n(2)]
    pub device: PublicKey,
    /// As the admin entered them.
    #[n(3)]
    pub domains: Domains,
}

impl Admission {
    /// BLAKE3 of the recovery key.
    #[must_use]
    pub fn member(&self) -> MemberId {
        self.recovery.member_id()
    }

    /// The joining side's word, by both of its keys, that it wants to be this member of `community`.
    #[must_use]
    pub fn consent(&self, community: CommunityId, device: &SigningKey, recovery: &SigningKey) -> Consent {
        let message = encode(&(community, self));
        Consent {
            device: device.sign(SigningContext::Admission, &message),
            recovery: recovery.sign(SigningContext::Admission, &message),
        }
    }

    /// Checks [`Self::consent`], so that nobody is admitted under a key that is not theirs.
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn check_consent(&self, community: CommunityId, consent: &Consent) -> Result<(), KeyError> {
        let message = encode(&(community, self));
        self.device.verify(SigningContext::Admission, &message, &consent.device)?;
        self.recovery.verify(SigningContext::Admission, &message, &consent.recovery)
    }
}

/// Signatures over `[community, admission]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Consent {
    /// By the device key.
    #[n(0)]
    pub device: Signature,
    /// By the recovery key.
    #[n(1)]
    pub recovery: Signature,
}

/// What an entry changes. Who has to sign each is in `community/rules.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Change {
    /// The first entry, and no other: the community, and its first member and admin.
    #[n(0)]
    Found {
        /// Of the community.
        #[n(0)]
        name: CommunityName,
        /// The first member.
        #[n(1)]
        founder: Box<Admission>,
        /// How many admins have to sign what one alone may not do.
        #[n(2)]
        removal_threshold: u8,
        /// For how many days hosts refuse to delete.
        #[n(3)]
        window_days: u16,
    },
    /// Somebody comes in, or comes back.
    #[n(1)]
    Admit {
        /// Who.
        #[n(0)]
        admission: Box<Admission>,
        /// That it is so wished.
        #[n(1)]
        consent: Box<Consent>,
    },
    /// A member is called otherwise.
    #[n(2)]
    Rename {
        /// Who.
        #[n(0)]
        member: MemberId,
        /// From now on.
        #[n(1)]
        name: MemberName,
    },
    /// A member becomes an admin.
    #[n(3)]
    Appoint {
        /// Who.
        #[n(0)]
        member: MemberId,
    },
    /// An admin is none any more.
    #[n(4)]
    Dismiss {
        /// Who.
        #[n(0)]
        member: MemberId,
    },
    /// Another number of admins is needed for a removal.
    #[n(5)]
    SetRemovalThreshold {
        /// At least 1.
        #[n(0)]
        threshold: u8,
    },
    /// A member is put out at once.
    #[n(6)]
    Remove {
        /// Who.
        #[n(0)]
        member: MemberId,
    },
    /// A member goes; what it holds stays readable for 30 days.
    #[n(7)]
    Leave {
        /// Who.
        #[n(0)]
        member: MemberId,
    },
    /// A member has another box; the key of the old one is revoked.
    #[n(8)]
    Rebind {
        /// Who.
        #[n(0)]
        member: MemberId,
        /// Of the new box.
        #[n(1)]
        device: PublicKey,
    },
    /// The member behind a [`Change::Rebind`] is who it says.
    #[n(9)]
    Confirm {
        /// Who.
        #[n(0)]
        member: MemberId,
    },
    /// Hosts refuse to delete for longer than so far.
    #[n(10)]
    SetWindow {
        /// From now on.
        #[n(0)]
        days: u16,
    },
    /// What a member shares with others is said anew.
    #[n(11)]
    SetDomains {
        /// Who.
        #[n(0)]
        member: MemberId,
        /// All of it, in place of what was said before.
        #[n(1)]
        domains: Domains,
    },
    /// A new member need not show first that it can be relied on.
    #[n(12)]
    Vouch {
        /// Who.
        #[n(0)]
        member: MemberId,
    },
}

impl Change {
    /// The member that this is about, if it may say so itself and it concerns nobody else.
    #[must_use]
    pub fn said_of_itself(&self) -> Option<MemberId> {
        match self {
            Self::Rename { member, .. } | Self::SetDomains { member, .. } | Self::Leave { member } => Some(*member),
            Self::Found { .. }
            | Self::Admit { .. }
            | Self::Appoint { .. }
            | Self::Dismiss { .. }
            | Self::SetRemovalThreshold { .. }
            | Self::Remove { .. }
            | Self::Rebind { .. }
            | Self::Confirm { .. }
            | Self::SetWindow { .. }
            | Self::Vouch { .. } => None,
        }
    }

    /// Whether a member can be put out or come back by it: the end of the log is kept for that.
    #[must_use]
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Self::Dismiss { .. }
            | Self::Remove { .. }
            | Self::Leave { .. }
            | Self::Rebind { .. }
            | Self::Confirm { .. } => true,
            Self::Found { .. }
            | Self::Admit { .. }
            | Self::Rename { .. }
            | Self::Appoint { .. }
            | Self::SetRemovalThreshold { .. }
            | Self::SetWindow { .. }
            | Self::SetDomains { .. }
            | Self::Vouch { .. } => false,
        }
    }
}

/// One entry, as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// The entry before this; zeros in the first.
    #[n(1)]
    pub previous: EntryHash,
    /// 0 for the first, one more each time.
    #[n(2)]
    pub sequence: u64,
    /// By the clock of whoever wrote it: information only.
    #[n(3)]
    pub at: UnixMillis,
    /// What it says.
    #[n(4)]
    pub change: Change,
}

/// One signature and the key that made it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KeyedSignature {
    /// A device key or a recovery key.
    #[n(0)]
    pub key: PublicKey,
    /// Over [`SignedEntry::body`].
    #[n(1)]
    pub signature: Signature,
}

/// An entry's bytes, and the signatures over exactly these.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedEntry {
    /// [`Entry`].
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// At most [`SIGNATURES_MAX`], each by another key.
    #[n(1)]
    pub signatures: Vec<KeyedSignature>,
}

impl SignedEntry {
    /// An entry that nobody has signed yet.
    #[must_use]
    pub fn unsigned(previous: EntryHash, sequence: u64, at: UnixMillis, change: Change) -> Self {
        let entry = Entry { version: VERSION, previous, sequence, at, change };
        Self { body: encode(&entry), signatures: Vec::new() }
    }

    /// Adds a signature; a second one by the same key changes nothing.
    pub fn sign(&mut self, key: &SigningKey) {
        let public = key.public_key();
        if self.signatures.iter().all(|other| other.key != public) {
            let signature = key.sign(SigningContext::CommunityEntry, &self.body);
            self.signatures.push(KeyedSignature { key: public, signature });
        }
    }

    /// Takes over the signatures that `other` has more over the same body; whether there were any. Checks none of them.
    pub fn merge(&mut self, other: &Self) -> bool {
        let before = self.signatures.len();
        if self.body == other.body {
            for signed in &other.signatures {
                if self.signatures.iter().all(|own| own.key != signed.key) {
                    self.signatures.push(signed.clone());
                }
            }
        }
        self.signatures.len() > before
    }

    /// BLAKE3 of the body: the same whoever signed, and however many.
    #[must_use]
    pub fn hash(&self) -> EntryHash {
        EntryHash::from_bytes(*blake3::hash(&self.body).as_bytes())
    }

    /// What it says; checks no signature.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn entry(&self) -> Result<Entry, FormatError> {
        decode_record(ENTRY, &self.body)
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads an entry; checks its size and the number of its signatures, and no signature.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > ENTRY_MAX {
            return Err(FormatError::damaged(ENTRY, format!("longer than {ENTRY_MAX} bytes")));
        }
        let entry: Self = decode_all(ENTRY, bytes)?;
        entry.entry()?;
        if entry.signatures.len() > SIGNATURES_MAX {
            return Err(FormatError::damaged(ENTRY, format!("more than {SIGNATURES_MAX} signatures")));
        }
        Ok(entry)
    }
}
