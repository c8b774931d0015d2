//! Heads: the small record at the top of a member's vault, of which every peer keeps copies.
//!
//! Heads are chained, so that a peer that shows an old one, or two of one number, is found out when several are
//! asked. Hosts take heads of the present box only; who recovers also reads those that the lost box had signed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::roster::Roster;
use super::signed::{Signed, decode_record};
use crate::format::{FormatError, VERSION, encode};
use crate::ids::{CommunityId, HeadHash, MemberId};
use crate::keys::{SigningContext, SigningKey};
use crate::units::UnixMillis;

/// The longest signed head, in bytes.
pub const HEAD_MAX: usize = 64 << 10;

/// The longest catalog reference, in bytes.
pub const CATALOG_MAX: usize = 48 << 10;

const HEAD: &str = "head record";

/// Where a member's vault stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// Of which community.
    #[n(1)]
    pub community: CommunityId,
    /// Whose.
    #[n(2)]
    pub member: MemberId,
    /// 0 for the first, one more each time, over all boxes that the member ever has.
    #[n(3)]
    pub sequence: u64,
    /// The head before; zeros in the first.
    #[n(4)]
    pub previous: HeadHash,
    /// By the owner's clock: information only.
    #[n(5)]
    pub made_at: UnixMillis,
    /// Where the catalog is, as an age file for the vault's recipients; at most [`CATALOG_MAX`] bytes.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub catalog: Vec<u8>,
}

/// Whose signature counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBy {
    /// The present box only: for hosts that are given a head.
    PresentBox,
    /// Any box that the member ever had: for a member that recovers what a lost box left.
    AnyBox,
}

/// Why a head was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// Not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Of another community.
    #[error("the head is of another community")]
    Community,
    /// Nobody who is or was in.
    #[error("the head is of {0}, who is not a member")]
    Member(MemberId),
    /// By another key, or altered.
    #[error("the head is not signed by a box of {0} that may")]
    Signature(MemberId),
}

/// A head whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHead {
    head: Head,
    signed: Signed,
    /// Which of the member's boxes signed it: the later one has the greater number.
    box_number: usize,
}

impl VerifiedHead {
    /// What it says.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The bytes that were verified, to be kept and passed on.
    #[must_use]
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// BLAKE3 of the signed bytes.
    #[must_use]
    pub fn hash(&self) -> HeadHash {
        HeadHash::from_bytes(self.signed.body_hash())
    }

    /// Its place in the order of a member's heads: those of later boxes come later, then those of greater sequence.
    #[must_use]
    pub fn rank(&self) -> (usize, u64) {
        (self.box_number, self.head.sequence)
    }

    /// Whether `self` may come right after `before`.
    #[must_use]
    pub fn follows(&self, before: &Self) -> bool {
        self.head.member == before.head.member
            && Some(self.head.sequence) == before.head.sequence.checked_add(1)
            && self.head.previous == before.hash()
    }
}

impl Head {
    /// The first head, or the one after `previous`.
    ///
    /// # Errors
    /// [`FormatError::Damaged`] if the catalog reference is longer than [`CATALOG_MAX`].
    pub fn next(
        community: CommunityId,
        member: MemberId,
        previous: Option<&VerifiedHead>,
        made_at: UnixMillis,
        catalog: Vec<u8>,
    ) -> Result<Self, FormatError> {
        check_catalog(&catalog)?;
        let sequence = match previous {
            None => 0,
            Some(before) => {
                before.head.sequence.checked_add(1).ok_or_else(|| FormatError::damaged(HEAD, "no number is left"))?
            }
        };
        let previous = previous.map_or(HeadHash::from_bytes([0; HeadHash::LEN]), VerifiedHead::hash);
        Ok(Self { version: VERSION, community, member, sequence, previous, made_at, catalog })
    }

    /// Signs it with the present box's device key.
    #[must_use]
    pub fn sign(&self, device: &SigningKey) -> Signed {
        Signed::new(encode(self), SigningContext::Head, device)
    }

    /// Reads a head, and checks that a box of a member signed it. Whether that member may write now is for its rights
    /// to say.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn verify(bytes: &[u8], roster: &Roster, by: SignedBy) -> Result<VerifiedHead, HeadError> {
        let signed = Signed::decode(HEAD, bytes, HEAD_MAX)?;
        let head: Self = decode_record(HEAD, &signed.body)?;
        check_catalog(&head.catalog)?;
        if head.community != roster.community() {
            return Err(HeadError::Community);
        }
        let member = roster.member(head.member).ok_or(HeadError::Member(head.member))?;
        let fits = |key| signed.verify(SigningContext::Head, key).is_ok();
        let by_present_box = (member.is_active() && fits(&member.device)).then_some(member.revoked.len());
        let by_former_box = || member.revoked.iter().position(fits).filter(|_| by == SignedBy::AnyBox);
        match by_present_box.or_else(by_former_box) {
            Some(box_number) => Ok(VerifiedHead { head, signed, box_number }),
            None => Err(HeadError::Signature(head.member)),
        }
    }
}

fn check_catalog(catalog: &[u8]) -> Result<(), FormatError> {
    if catalog.len() > CATALOG_MAX {
        return Err(FormatError::damaged(HEAD, format!("its catalog reference is longer than {CATALOG_MAX} bytes")));
    }
    Ok(())
}

/// What several peers' heads of one member come to.
#[derive(Debug)]
pub struct Choice {
    /// The head to go on with: one that the latest of the member's boxes signed, since only the recovery kit makes a box the
    /// member's; of these the highest sequence; of several, the one that more peers have. `None`: no peer has a sound one.
    pub chosen: Option<VerifiedHead>,
    /// The others, in the same order: for when the chosen one leads nowhere, because whoever had the box's key signed nonsense.
    pub others: Vec<VerifiedHead>,
    /// Peers that have the chosen one. Fewer than two: ask more before it is believed.
    pub held_by: Vec<MemberId>,
    /// Peers whose highest head is older, and its sequence: they were away, or roll back.
    pub behind: Vec<(MemberId, u64)>,
    /// Heads that cannot both be right: a member's key was in two hands, or a copy of its box ran.
    pub forks: Vec<HeadFork>,
    /// Peers that gave something else, and what was wrong with it.
    pub refused: Vec<(MemberId, HeadError)>,
}

/// Two heads of one number, or of neighbouring ones that are not chained: the evidence of a fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadFork {
    /// The lower sequence of both.
    pub at: u64,
    /// One.
    pub one: VerifiedHead,
    /// Another.
    pub other: VerifiedHead,
}

/// Chooses among what peers gave as `member`'s heads; each peer may give several.
///
/// `given`: who gave it, and the bytes. Heads of a lost box count (mutual-backup 4.9).
#[must_use]
pub fn choose(given: &[(MemberId, Vec<u8>)], member: MemberId, roster: &Roster) -> Choice {
    let mut found: BTreeMap<(u64, HeadHash), (VerifiedHead, Vec<MemberId>)> = BTreeMap::new();
    let mut highest: BTreeMap<MemberId, u64> = BTreeMap::new();
    let mut refused = Vec::new();
    for (peer, bytes) in given {
        let head = Head::verify(bytes, roster, SignedBy::AnyBox).and_then(|head| {
            if head.head.member == member { Ok(head) } else { Err(HeadError::Member(head.head.member)) }
        });
        match head {
            Ok(head) => {
                let sequence = head.head.sequence;
                let top = highest.entry(*peer).or_insert(sequence);
                *top = sequence.max(*top);
                let (_, holders) = found.entry((sequence, head.hash())).or_insert_with(|| (head, Vec::new()));
                if !holders.contains(peer) {
                    holders.push(*peer);
                }
            }
            Err(error) => refused.push((*peer, error)),
        }
    }
    let forks = forks(&found);
    let mut sound: Vec<(VerifiedHead, Vec<MemberId>)> = found.into_values().collect();
    sound.sort_by_cached_key(|(head, holders)| (Reverse((head.rank(), holders.len())), head.hash()));
    #[cfg(feature = "plant")]
    if crate::plant::planted("newest-head-of-one") {
        sound.sort_by_key(|(_, holders)| !given.iter().take(1).any(|(peer, _)| holders.contains(peer)));
    }
    let mut sound = sound.into_iter();
    let (chosen, held_by) = sound.next().map_or((None, Vec::new()), |(head, holders)| (Some(head), holders));
    let others = sound.map(|(head, _)| head).collect();
    let top = chosen.as_ref().map_or(0, |head| head.head.sequence);
    let behind = highest.into_iter().filter(|(_, sequence)| *sequence < top).collect();
    Choice { chosen, others, held_by, behind, forks, refused }
}

fn forks(found: &BTreeMap<(u64, HeadHash), (VerifiedHead, Vec<MemberId>)>) -> Vec<HeadFork> {
    let heads: Vec<&VerifiedHead> = found.values().map(|(head, _)| head).collect();
    let fork = |one: &VerifiedHead, other: &VerifiedHead| HeadFork {
        at: one.head.sequence,
        one: one.clone(),
        other: other.clone(),
    };
    let mut forks = Vec::new();
    for pair in heads.windows(2) {
        let [one, other] = pair else { continue };
        let is_next = Some(other.head.sequence) == one.head.sequence.checked_add(1);
        if one.head.sequence == other.head.sequence || (is_next && !other.follows(one)) {
            forks.push(fork(one, other));
        }
    }
    forks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::community::entry::Change;
    use crate::community::log::Log;
    use crate::community::testing::{Person, community, key, say};

    fn make(log: &Log, owner: &Person, device: &SigningKey, before: Option<&VerifiedHead>, text: &str) -> VerifiedHead {
        let head = Head::next(log.community(), owner.id(), before, UnixMillis(1), text.into()).expect("head");
        Head::verify(&head.sign(device).encode(), log.roster(), SignedBy::AnyBox).expect("own head")
    }

    fn given(heads: &[(&Person, &VerifiedHead)]) -> Vec<(MemberId, Vec<u8>)> {
        heads.iter().map(|(peer, head)| (peer.id(), head.signed().encode())).collect()
    }

    #[test]
    fn the_highest_head_of_several_peers_is_taken_and_who_is_behind_is_named() {
        let (log, people) = community(5, 1);
        let owner = &people[0];
        let first = make(&log, owner, &owner.device, None, "a");
        let second = make(&log, owner, &owner.device, Some(&first), "b");
        assert!(second.follows(&first) && !first.follows(&second));
        let heads = given(&[(&people[1], &first), (&people[2], &second), (&people[3], &second), (&people[3], &first)]);
        let choice = choose(&heads, owner.id(), log.roster());
        assert_eq!(choice.chosen, Some(second));
        assert_eq!(choice.others, [first]);
        assert_eq!(choice.held_by, vec![people[2].id(), people[3].id()]);
        assert_eq!(choice.behind, vec![(people[1].id(), 0)]);
        assert!(choice.forks.is_empty() && choice.refused.is_empty());
    }

    #[test]
    fn two_heads_of_one_number_are_evidence_and_the_one_that_more_have_is_taken() {
        let (log, people) = community(5, 1);
        let owner = &people[0];
        let (one, other) = (make(&log, owner, &owner.device, None, "a"), make(&log, owner, &owner.device, None, "b"));
        let heads = given(&[(&people[1], &one), (&people[2], &other), (&people[3], &other)]);
        let choice = choose(&heads, owner.id(), log.roster());
        assert_eq!(choice.chosen, Some(other.clone()));
        assert_eq!(choice.forks.len(), 1);
        let unchained = make(&log, owner, &owner.device, Some(&one), "c");
        let choice = choose(&given(&[(&people[1], &unchained), (&people[2], &other)]), owner.id(), log.roster());
        assert_eq!(choice.chosen, Some(unchained));
        assert_eq!(choice.forks.len(), 1);
    }

    #[test]
    fn a_new_box_reads_the_heads_of_the_lost_one_but_hosts_take_none_of_it_any_more() {
        let (mut log, people) = community(4, 1);
        let (owner, new) = (&people[1], key(1, 77));
        let last = make(&log, owner, &owner.device, None, "a");
        let rebind = Change::Rebind { member: owner.id(), device: new.public_key() };
        say(&mut log, rebind, &[&owner.recovery, &new]).expect("rebinding");
        let bytes = last.signed().encode();
        assert!(matches!(Head::verify(&bytes, log.roster(), SignedBy::PresentBox), Err(HeadError::Signature(_))));
        assert_eq!(
            choose(&given(&[(&people[2], &last)]), owner.id(), log.roster()).chosen.map(|h| h.hash()),
            Some(last.hash())
        );
        // Old and new box both go on: the new one's head is taken, though more peers have the other.
        let old = make(&log, owner, &owner.device, Some(&last), "old box");
        let new = make(&log, owner, &new, Some(&last), "new box");
        let heads = given(&[(&people[0], &old), (&people[2], &old), (&people[3], &new)]);
        let choice = choose(&heads, owner.id(), log.roster());
        assert_eq!(choice.chosen, Some(new.clone()));
        assert_eq!(choice.forks.len(), 1);
        // Nor does it help whoever has the old one to count on.
        let later = make(&log, owner, &owner.device, Some(&old), "old box again");
        let choice = choose(&given(&[(&people[0], &later), (&people[3], &new)]), owner.id(), log.roster());
        assert_eq!((choice.chosen, choice.others), (Some(new), vec![later]));
    }

    #[test]
    fn heads_of_others_and_strangers_are_refused_by_name_of_the_peer() {
        let (log, people) = community(3, 1);
        let (theirs, stranger) = (make(&log, &people[1], &people[1].device, None, "a"), Person::new(9));
        let forged = Head::next(log.community(), people[0].id(), None, UnixMillis(1), Vec::new()).expect("head");
        let heads = vec![
            (people[1].id(), theirs.signed().encode()),
            (people[2].id(), forged.sign(&stranger.device).encode()),
            (people[2].id(), b"noise".to_vec()),
        ];
        let choice = choose(&heads, people[0].id(), log.roster());
        assert!(choice.chosen.is_none());
        assert_eq!(choice.refused.len(), 3);
    }

    #[test]
    fn a_head_fits_its_limit_with_the_longest_catalog_and_no_longer() {
        let (log, people) = community(1, 1);
        let next = |len: usize| Head::next(log.community(), people[0].id(), None, UnixMillis(1), vec![7; len]);
        assert!(next(CATALOG_MAX + 1).is_err());
        let bytes = next(CATALOG_MAX).expect("head").sign(&people[0].device).encode();
        assert!(bytes.len() <= HEAD_MAX);
        assert!(Head::verify(&bytes, log.roster(), SignedBy::PresentBox).is_ok());
    }

    proptest! {
        #[test]
        fn noise_and_altered_heads_are_refused(
            noise in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let (log, people) = community(1, 1);
            let mut bytes = make(&log, &people[0], &people[0].device, None, "catalog").signed().encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            for bad in [noise, bytes] {
                prop_assert!(Head::verify(&bad, log.roster(), SignedBy::AnyBox).is_err());
            }
        }
    }
}
