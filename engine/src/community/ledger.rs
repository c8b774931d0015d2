//! What members keep for one another, and how much each may have kept (mutual-backup 4.8).
//!
//! Quotas stop writes, never reads, audits or restores, and never delete anything.

use minicbor::{Decode, Encode};

use super::roster::Roster;
use super::signed::decode_record;
use crate::format::{FormatError, VERSION, decode_all, encode};
use crate::ids::{CommunityId, MemberId};
use crate::keys::{PublicKey, Signature, SigningContext, SigningKey};
use crate::units::Seconds;

/// The longest signed statement, in bytes.
pub const STATEMENT_MAX: usize = 1 << 10;

/// Audits a new member has to pass before it gets all of its quota.
pub const PROBATION_AUDITS: u32 = 100;

/// How long a member is new at least.
pub const PROBATION_TIME: Seconds = Seconds(21 * 86_400);

const PROBATION_PERCENT: u128 = 25;
const GRACE_PERCENT: u128 = 5;
const STATEMENT: &str = "statement";

/// What one member keeps for another at the end of a day: what the owner needs, without what it has condemned.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// Of which community.
    #[n(1)]
    pub community: CommunityId,
    /// Whose data it is.
    #[n(2)]
    pub owner: MemberId,
    /// Who keeps it.
    #[n(3)]
    pub host: MemberId,
    /// Raw bytes of all shards.
    #[n(4)]
    pub bytes: u64,
    /// How many shards.
    #[n(5)]
    pub count: u64,
    /// As leases have it ([`crate::life::hosting::list_hash`]).
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub list_hash: [u8; 32],
    /// Days since 1970-01-01, in UTC.
    #[n(7)]
    pub day: u32,
}

/// A statement, and the words of both sides for it as far as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedStatement {
    /// [`Statement`].
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// Over the body.
    #[n(1)]
    pub owner: Option<Signature>,
    /// Over the body.
    #[n(2)]
    pub host: Option<Signature>,
}

/// Whose words a statement carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Only the owner's.
    Owner,
    /// Only the host's.
    Host,
    /// Those of both: it counts.
    Both,
}

/// Why a statement was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Of another community, or about oneself.
    #[error("the statement is of another community, or owner and host are one")]
    Parties,
    /// Nobody who is in.
    #[error("the statement names {0}, who is not a member now")]
    Member(MemberId),
    /// Nobody's word, or one that does not fit.
    #[error("the statement is not signed by the present box of its owner or host")]
    Signature,
    /// The signing key is neither side's.
    #[error("only owner and host sign a statement")]
    Stranger,
}

impl SignedStatement {
    /// A statement that nobody has signed yet; the version is set.
    #[must_use]
    pub fn unsigned(statement: &Statement) -> Self {
        Self { body: encode(&Statement { version: VERSION, ..statement.clone() }), owner: None, host: None }
    }

    /// Adds the word of the side whose present box `device` is.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn sign(&mut self, device: &SigningKey, roster: &Roster) -> Result<(), StatementError> {
        let (owner, host) = self.keys(roster)?;
        let signature = device.sign(SigningContext::Statement, &self.body);
        match device.public_key() {
            key if key == owner => self.owner = Some(signature),
            key if key == host => self.host = Some(signature),
            _ => return Err(StatementError::Stranger),
        }
        Ok(())
    }

    /// What it says, and whose words it carries. Every signature that is there has to hold.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn open(&self, roster: &Roster) -> Result<(Statement, Words), StatementError> {
        let (owner, host) = self.keys(roster)?;
        let holds = |key: &PublicKey, signature: &Signature| {
            key.verify(SigningContext::Statement, &self.body, signature).map_err(|_| StatementError::Signature)
        };
        let words = match (&self.owner, &self.host) {
            (None, None) => return Err(StatementError::Signature),
            (Some(word), None) => holds(&owner, word).map(|()| Words::Owner)?,
            (None, Some(word)) => holds(&host, word).map(|()| Words::Host)?,
            (Some(one), Some(other)) => holds(&owner, one).and_then(|()| holds(&host, other)).map(|()| Words::Both)?,
        };
        Ok((self.statement()?, words))
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a statement; checks no signature.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > STATEMENT_MAX {
            return Err(FormatError::damaged(STATEMENT, format!("longer than {STATEMENT_MAX} bytes")));
        }
        let signed: Self = decode_all(STATEMENT, bytes)?;
        signed.statement().map(|_| signed)
    }

    /// What it says, whoever has signed it: for what one has taken down oneself.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn statement(&self) -> Result<Statement, FormatError> {
        decode_record(STATEMENT, &self.body)
    }

    fn keys(&self, roster: &Roster) -> Result<(PublicKey, PublicKey), StatementError> {
        let statement = self.statement()?;
        if statement.community != roster.community() || statement.owner == statement.host {
            return Err(StatementError::Parties);
        }
        let key = |id| {
            let member = roster.member(id).filter(|member| member.is_active());
            member.map(|member| member.device).ok_or(StatementError::Member(id))
        };
        Ok((key(statement.owner)?, key(statement.host)?))
    }
}

/// What comes of comparing the other side's statement with one's own books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// Sign it.
    Agreed,
    /// About other members, or another day.
    Unrelated,
    /// Show both to people; `theirs` minus `ours`.
    Differs {
        /// Of the bytes.
        bytes: i128,
        /// Of the number of shards. 0 of both means: other shards.
        count: i128,
    },
}

impl Statement {
    /// Compares `theirs` with what this side has in its books.
    #[must_use]
    pub fn compare(&self, theirs: &Self) -> Agreement {
        let about = |s: &Self| (s.community, s.owner, s.host, s.day);
        if about(self) != about(theirs) {
            return Agreement::Unrelated;
        }
        let sums = |s: &Self| (s.bytes, s.count, s.list_hash);
        if sums(self) == sums(theirs) {
            return Agreement::Agreed;
        }
        Agreement::Differs {
            bytes: i128::from(theirs.bytes) - i128::from(self.bytes),
            count: i128::from(theirs.count) - i128::from(self.count),
        }
    }
}

/// Whether a member still has to show that it can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probation {
    /// It is new: a quarter of its quota.
    New,
    /// It has passed [`PROBATION_AUDITS`] audits and [`PROBATION_TIME`].
    Passed,
    /// An admin vouches for it.
    Waived,
}

impl Probation {
    /// What follows from audits passed and time since admission; `waived`: an admin said so.
    #[must_use]
    pub fn of(audits_passed: u32, since_admission: Seconds, waived: bool) -> Self {
        if waived {
            Self::Waived
        } else if audits_passed >= PROBATION_AUDITS && since_admission >= PROBATION_TIME {
            Self::Passed
        } else {
            Self::New
        }
    }
}

/// How many bytes of its own data a member may have others keep, before erasure coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What it is told.
    pub usable_bytes: u64,
    /// From here on writes are refused.
    pub grace_bytes: u64,
}

impl Quota {
    /// `contributed_bytes`: raw, given to the others. `data_shards` of `shards` pieces suffice to restore.
    ///
    /// Usable is contributed × k / n, a quarter of it for a new member, and 5 % more as grace. With no shards it is
    /// nothing.
    #[must_use]
    pub fn of(contributed_bytes: u64, data_shards: u16, shards: u16, probation: Probation) -> Self {
        let percent = match probation {
            Probation::New => PROBATION_PERCENT,
            Probation::Passed | Probation::Waived => 100,
        };
        let data_shards = u128::from(data_shards.min(shards));
        let usable =
            (u128::from(contributed_bytes) * data_shards * percent).checked_div(u128::from(shards) * 100).unwrap_or(0);
        let grace = usable + usable * GRACE_PERCENT / 100;
        let fit = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { usable_bytes: fit(usable), grace_bytes: fit(grace) }
    }

    /// Whether `more_bytes` may be written where `stored_bytes` are already.
    #[must_use]
    pub fn check(&self, stored_bytes: u64, more_bytes: u64) -> Write {
        let after = stored_bytes.saturating_add(more_bytes);
        if after <= self.usable_bytes {
            Write::Within
        } else if after <= self.grace_bytes {
            Write::InGrace { over_bytes: after - self.usable_bytes }
        } else {
            Write::Refused { over_bytes: after - self.usable_bytes }
        }
    }
}

/// What one member may keep at one other, in bytes of shards and without grace: an equal part of what it gives itself, a quarter
/// of that while it is new. `places`: how many others its shards are spread over.
///
/// A member that gives 7 TB and has 14 places may have 500 GB at each of them.
#[must_use]
pub fn share_of(gives_bytes: u64, places: u8, probation: Probation) -> u64 {
    // Raw bytes are compared with raw bytes: one data shard in each place.
    Quota::of(gives_bytes, 1, u16::from(places), probation).usable_bytes
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Taken.
    Within,
    /// Taken, and people are told.
    InGrace {
        /// Beyond the quota.
        over_bytes: u64,
    },
    /// Not taken: 507.
    Refused {
        /// Beyond the quota.
        over_bytes: u64,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::community::testing::{Person, community};

    fn statement(community: CommunityId, owner: &Person, host: &Person) -> Statement {
        let (owner, host) = (owner.id(), host.id());
        Statement { version: VERSION, community, owner, host, bytes: 1_000, count: 10, list_hash: [5; 32], day: 20_000 }
    }

    #[test]
    fn a_statement_counts_when_both_sides_have_signed_it() {
        let (log, people) = community(3, 1);
        let (owner, host, other) = (&people[1], &people[2], &people[0]);
        let plain = statement(log.community(), owner, host);
        let mut signed = SignedStatement::unsigned(&plain);
        assert!(matches!(signed.open(log.roster()), Err(StatementError::Signature)));
        assert!(matches!(signed.sign(&other.device, log.roster()), Err(StatementError::Stranger)));
        signed.sign(&host.device, log.roster()).expect("host");
        assert_eq!(signed.open(log.roster()).expect("half"), (plain.clone(), Words::Host));
        signed.sign(&owner.device, log.roster()).expect("owner");
        let back = SignedStatement::decode(&signed.encode()).expect("own bytes");
        assert_eq!(back.open(log.roster()).expect("whole"), (plain.clone(), Words::Both));
        let exchanged = SignedStatement { owner: signed.host, host: signed.owner, ..signed };
        assert!(matches!(exchanged.open(log.roster()), Err(StatementError::Signature)));
        let alone = SignedStatement::unsigned(&Statement { host: owner.id(), ..plain });
        assert!(matches!(alone.open(log.roster()), Err(StatementError::Parties)));
    }

    #[test]
    fn books_that_differ_say_by_how_much() {
        let (log, people) = community(2, 1);
        let ours = statement(log.community(), &people[0], &people[1]);
        assert_eq!(ours.compare(&ours), Agreement::Agreed);
        let fewer = Statement { bytes: 900, count: 9, ..ours.clone() };
        assert_eq!(ours.compare(&fewer), Agreement::Differs { bytes: -100, count: -1 });
        let others = Statement { list_hash: [6; 32], ..ours.clone() };
        assert_eq!(ours.compare(&others), Agreement::Differs { bytes: 0, count: 0 });
        assert_eq!(ours.compare(&Statement { day: 20_001, ..ours.clone() }), Agreement::Unrelated);
    }

    #[test]
    fn a_quota_is_what_was_given_times_k_of_n() {
        const TB: u64 = 1_000_000_000_000;
        let full = Quota::of(6 * TB, 10, 15, Probation::Passed);
        assert_eq!(full, Quota { usable_bytes: 4 * TB, grace_bytes: 4 * TB + TB / 5 });
        assert_eq!(Quota::of(6 * TB, 10, 15, Probation::New).usable_bytes, TB);
        assert_eq!(Quota::of(6 * TB, 10, 15, Probation::Waived), full);
        assert_eq!(Quota::of(TB, 0, 0, Probation::Passed).grace_bytes, 0);
        assert_eq!(Quota::of(u64::MAX, u16::MAX, 1, Probation::Passed).grace_bytes, u64::MAX);
        assert_eq!(full.check(4 * TB, 0), Write::Within);
        assert_eq!(full.check(4 * TB, 1), Write::InGrace { over_bytes: 1 });
        assert_eq!(full.check(4 * TB + TB / 5, 1), Write::Refused { over_bytes: TB / 5 + 1 });
        assert_eq!(full.check(u64::MAX, u64::MAX), Write::Refused { over_bytes: u64::MAX - 4 * TB });
    }

    #[test]
    fn what_a_member_may_keep_at_another_is_a_part_of_what_it_gives() {
        const GB: u64 = 1_000_000_000;
        assert_eq!(share_of(7_000 * GB, 14, Probation::Passed), 500 * GB);
        assert_eq!(share_of(7_000 * GB, 14, Probation::New), 125 * GB);
        assert_eq!(share_of(100 * GB, 1, Probation::Waived), 100 * GB, "a copy at the only other one");
        assert_eq!(share_of(100 * GB, 0, Probation::Waived), 0);
        assert_eq!(share_of(0, 14, Probation::Waived), 0);
    }

    #[test]
    fn a_member_is_new_until_both_audits_and_days_have_passed() {
        let check = |audits, days: u64, waived| Probation::of(audits, Seconds(days * 86_400), waived);
        assert_eq!(check(99, 30, false), Probation::New);
        assert_eq!(check(500, 20, false), Probation::New);
        assert_eq!(check(100, 21, false), Probation::Passed);
        assert_eq!(check(0, 0, true), Probation::Waived);
    }

    proptest! {
        #[test]
        fn noise_and_altered_statements_are_refused(
            noise in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let (log, people) = community(2, 1);
            let mut signed = SignedStatement::unsigned(&statement(log.community(), &people[0], &people[1]));
            signed.sign(&people[0].device, log.roster()).expect("owner");
            signed.sign(&people[1].device, log.roster()).expect("host");
            let mut bytes = signed.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            for bad in [noise, bytes] {
                let opened = SignedStatement::decode(&bad).map(|signed| signed.open(log.roster()));
                prop_assert!(!matches!(opened, Ok(Ok((_, Words::Both)))));
            }
        }
    }
}
