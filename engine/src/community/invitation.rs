//! Invitations as one line, and the request to join that answers a line or a spoken code.
//!
//! The line holds a secret; who joins proves to have it without sending it, bound to both boxes and to their
//! connection.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::address::{ADDRESSES_MAX, Address};
use super::check::{Pairing, PairingKey};
use super::entry::{Admission, Consent};
use super::signed::decode_record;
use crate::format::{FormatError, VERSION, encode};
use crate::ids::{CommunityId, InvitationId, SpkiPin};
use crate::keys::{KeyError, random_bytes};
use crate::units::{Seconds, UnixMillis};

/// How long an invitation is valid (mutual-backup 4.11).
pub const INVITATION_VALID: Seconds = Seconds(7 * 86_400);

/// The most hints where the inviting box may be.
pub const HINTS_MAX: usize = 4;

/// The longest request to join, in bytes.
pub const JOIN_MAX: usize = 4 << 10;

const SCHEME: &str = "datis-community:";
const LINE_MAX: usize = 4 << 10;
const CHECKSUM_LEN: usize = 4;
const LINE: &str = "invitation";
const JOIN: &str = "request to join";
const PROOF: &str = "datis 2026 v1 join proof";

const _: () = assert!(HINTS_MAX <= ADDRESSES_MAX);

/// Base 32 with Crockford's alphabet in small letters: no i, l, o, u. Capital letters, dashes and spaces are taken too.
fn base32() -> Result<data_encoding::Encoding, data_encoding::SpecificationError> {
    let mut spec = data_encoding::Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.translate.from.push_str("ABCDEFGHJKMNPQRSTVWXYZoOiIlL");
    spec.translate.to.push_str("abcdefghjkmnpqrstvwxyz001111");
    spec.ignore.push_str("- \t\r\n");
    spec.encoding()
}

/// 128 random bits, which are worth one admission.
#[derive(Clone, PartialEq, Eq)]
struct Secret(Zeroizing<[u8; 16]>);

impl<C> Encode<C> for Secret {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.as_slice())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Secret {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes: Result<[u8; 16], _> = d.bytes()?.try_into();
        bytes
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .map_err(|_| minicbor::decode::Error::message("length of a secret"))
    }
}

/// What the line says.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Invitation {
    /// [`VERSION`].
    #[n(0)]
    version: u8,
    /// Into which community.
    #[n(1)]
    pub community: CommunityId,
    #[n(2)]
    secret: Secret,
    /// Of the box that invites.
    #[n(3)]
    pub inviter: SpkiPin,
    /// Until when, by the inviting box's clock.
    #[n(4)]
    pub expires: UnixMillis,
    /// Where the box may be, at most [`HINTS_MAX`].
    #[n(5)]
    pub hints: Vec<Address>,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation(secret)")
    }
}

/// Why a line was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Something else.
    #[error("this is not an invitation; copy the whole line that starts with {SCHEME}")]
    Form,
    /// Mistyped, or cut short.
    #[error("the invitation is mistyped or cut short; copy the whole line again")]
    Checksum,
    /// Sound, but not understood.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl Invitation {
    /// A fresh one; hints beyond [`HINTS_MAX`] are left out.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn new(
        community: CommunityId,
        inviter: SpkiPin,
        now: UnixMillis,
        mut hints: Vec<Address>,
    ) -> Result<Self, KeyError> {
        hints.truncate(HINTS_MAX);
        let secret = Secret(Zeroizing::new(random_bytes()?));
        Ok(Self { version: VERSION, community, secret, inviter, expires: now.plus(INVITATION_VALID), hints })
    }

    /// The line, for the one person who is invited.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(encode(self));
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        let text = base32().map(|base32| base32.encode(&bytes)).unwrap_or_default();
        Zeroizing::new(format!("{SCHEME}{text}"))
    }

    /// What both sides call it on the wire.
    #[must_use]
    pub fn id(&self) -> InvitationId {
        let hash = blake3::derive_key("datis 2026 v1 invitation id", self.secret.0.as_slice());
        let mut id = [0_u8; InvitationId::LEN];
        id.copy_from_slice(&hash[..InvitationId::LEN]);
        InvitationId::from_bytes(id)
    }

    /// What the joining side has in common with the inviting one; nothing if the box at the other end is not the one
    /// that invited.
    #[must_use]
    pub fn pairing_key(&self, pairing: &Pairing) -> Option<PairingKey> {
        let fits = pairing.community == self.community && pairing.inviter.spki_pin() == self.inviter;
        fits.then(|| PairingKey::derive(self.secret.0.as_slice(), pairing))
    }

    /// Lets in whoever proves to have the line. An invitation that was used is gone; after a failed attempt it comes
    /// back with the reason, since 128 bits are not guessed.
    ///
    /// # Errors
    /// [`JoinError`], and the invitation, which the caller drops once it has expired.
    pub fn redeem(
        self,
        request: &JoinRequest,
        pairing: &Pairing,
        now: UnixMillis,
    ) -> Result<Joined, Box<(Self, JoinError)>> {
        if now >= self.expires {
            return Err(Box::new((self, JoinError::Expired)));
        }
        let Some(key) = self.pairing_key(pairing) else { return Err(Box::new((self, JoinError::Proof))) };
        request.open(key, pairing).map_err(|error| Box::new((self, error)))
    }
}

impl FromStr for Invitation {
    type Err = LineError;

    fn from_str(raw: &str) -> Result<Self, LineError> {
        let raw = raw.trim();
        let scheme = raw.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        let text = scheme.and_then(|_| raw.get(SCHEME.len()..)).filter(|text| text.len() <= LINE_MAX);
        let text = text.ok_or(LineError::Form)?;
        let base32 = base32().map_err(|_| LineError::Form)?;
        let bytes = Zeroizing::new(base32.decode(text.as_bytes()).map_err(|_| LineError::Checksum)?);
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or(LineError::Checksum)?;
        if *sum != checksum(body) {
            return Err(LineError::Checksum);
        }
        let invitation: Self = decode_record(LINE, body)?;
        if invitation.hints.len() > HINTS_MAX {
            return Err(FormatError::damaged(LINE, "too many hints").into());
        }
        Ok(invitation)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let hash = blake3::derive_key("datis 2026 v1 invitation checksum", bytes);
    let mut sum = [0_u8; CHECKSUM_LEN];
    sum.copy_from_slice(&hash[..CHECKSUM_LEN]);
    sum
}

/// What a box sends to be let in: what the log shall say of it, and the proof that it was invited.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JoinRequest {
    /// [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// To become an entry of the log.
    #[n(1)]
    pub admission: Admission,
    /// By both keys of the joining member.
    #[n(2)]
    pub consent: Consent,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    proof: [u8; 32],
}

/// Why a request to join was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Too late.
    #[error("the invitation has expired; ask for another one")]
    Expired,
    /// Not by someone who has the invitation, or for another connection or community.
    #[error("the request does not prove that its sender was invited here")]
    Proof,
    /// For keys that the sender does not have.
    #[error("the request is not signed by both keys that it names")]
    Consent,
}

impl JoinRequest {
    /// A request with its proof. `admission.device` has to be the key behind `pairing.joiner`.
    #[must_use]
    pub fn new(key: &PairingKey, admission: Admission, consent: Consent) -> Self {
        let proof = *key.mac(PROOF, &encode(&(&admission, &consent))).as_bytes();
        Self { version: VERSION, admission, consent, proof }
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a request; checks no proof.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > JOIN_MAX {
            return Err(FormatError::damaged(JOIN, format!("longer than {JOIN_MAX} bytes")));
        }
        decode_record(JOIN, bytes)
    }

    /// Checks the proof and the consent. After a spoken code this is all there is to check.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn open(&self, key: PairingKey, pairing: &Pairing) -> Result<Joined, JoinError> {
        let wanted = key.mac(PROOF, &encode(&(&self.admission, &self.consent)));
        // Compares in constant time.
        if wanted != blake3::Hash::from_bytes(self.proof) || self.admission.device != pairing.joiner {
            return Err(JoinError::Proof);
        }
        self.admission.check_consent(pairing.community, &self.consent).map_err(|_| JoinError::Consent)?;
        Ok(Joined { admission: self.admission.clone(), consent: self.consent.clone(), key })
    }
}

/// Somebody who was invited; an admin compares the digits and signs the entry.
#[derive(Debug)]
pub struct Joined {
    /// For the entry.
    pub admission: Admission,
    /// For the entry.
    pub consent: Consent,
    /// For the digits on both screens.
    pub key: PairingKey,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::community::entry::Change;
    use crate::community::testing::{Person, community, say};

    fn pairing(community: CommunityId, inviter: &Person, joiner: &Person) -> Pairing {
        let (inviter, joiner) = (inviter.device.public_key(), joiner.device.public_key());
        Pairing { community, inviter, joiner, channel: [7; 32] }
    }

    fn invite(community: CommunityId, inviter: &Person) -> Invitation {
        let hints = ["81.2.69.142:20600", "[2a00:1450::1]:443", "box.example.org:1"];
        let hints = hints.map(|hint| hint.parse().expect("hint")).to_vec();
        Invitation::new(community, inviter.pin(), UnixMillis(0), hints).expect("random")
    }

    #[test]
    fn a_line_reads_what_it_prints_in_any_letters_and_no_typing_mistake_passes() {
        let invitation = invite(CommunityId::from_bytes([3; 32]), &Person::new(0));
        let line = invitation.expose();
        assert!(line.len() < 320, "{} characters", line.len());
        assert_eq!(line.parse::<Invitation>().expect("printed form"), invitation);
        assert_eq!(line.to_uppercase().parse::<Invitation>().expect("capitals"), invitation);
        let typed = format!("  {}-{}\n", &line[..40], &line[40..].replace('0', "O").replace('1', "l"));
        assert_eq!(typed.parse::<Invitation>().expect("look-alikes"), invitation);
        for at in SCHEME.len()..line.len() {
            let other = if line.as_bytes()[at] == b'2' { "3" } else { "2" };
            let wrong = format!("{}{other}{}", &line[..at], &line[at + 1..]);
            assert!(matches!(wrong.parse::<Invitation>(), Err(LineError::Checksum)), "{at}");
            assert!(line[..at].parse::<Invitation>().is_err(), "{at}");
        }
        assert!(matches!("datis://box".parse::<Invitation>(), Err(LineError::Form)));
        assert!(!format!("{invitation:?}").contains('['));
    }

    #[test]
    fn who_has_the_line_is_let_in_once_and_both_sides_see_the_same_digits() {
        let (mut log, people) = community(1, 1);
        let (inviter, joiner) = (&people[0], Person::new(9));
        let invitation = invite(log.community(), inviter);
        let pairing = pairing(log.community(), inviter, &joiner);
        let theirs = invitation.expose().parse::<Invitation>().expect("line").pairing_key(&pairing).expect("key");
        let admission = joiner.admission();
        let consent = admission.consent(log.community(), &joiner.device, &joiner.recovery);
        let request = JoinRequest::decode(&JoinRequest::new(&theirs, admission, consent).encode()).expect("own bytes");
        let joined = invitation.redeem(&request, &pairing, UnixMillis(1)).expect("let in");
        assert_eq!(joined.key.check_digits(), theirs.check_digits());
        assert_eq!(joined.key.check_digits().to_string().len(), 7);
        let change = Change::Admit { admission: Box::new(joined.admission), consent: Box::new(joined.consent) };
        say(&mut log, change, &[&inviter.device]).expect("admission");
    }

    #[test]
    fn a_proof_counts_for_one_connection_two_boxes_and_seven_days() {
        let (log, people) = community(2, 1);
        let (inviter, joiner) = (&people[0], Person::new(9));
        let right = pairing(log.community(), inviter, &joiner);
        let invitation = invite(log.community(), inviter);
        let admission = joiner.admission();
        let consent = admission.consent(log.community(), &joiner.device, &joiner.recovery);
        let key = invitation.pairing_key(&right).expect("key");
        let request = JoinRequest::new(&key, admission.clone(), consent.clone());
        let check = |invitation: Invitation, request: &JoinRequest, pairing: &Pairing, now, expected| {
            let (back, error) = *invitation.redeem(request, pairing, now).expect_err("refused");
            assert_eq!(error, expected);
            back
        };
        let other_channel = Pairing { channel: [8; 32], ..right.clone() };
        let other_inviter = Pairing { inviter: people[1].device.public_key(), ..right.clone() };
        let other_joiner = Pairing { joiner: people[1].device.public_key(), ..right.clone() };
        assert!(invitation.pairing_key(&other_inviter).is_none());
        let mut invitation = invitation;
        for wrong in [other_channel, other_inviter, other_joiner] {
            invitation = check(invitation, &request, &wrong, UnixMillis(1), JoinError::Proof);
        }
        let stranger = invite(log.community(), inviter).pairing_key(&right).expect("key");
        let guessed = JoinRequest::new(&stranger, admission.clone(), consent);
        invitation = check(invitation, &guessed, &right, UnixMillis(1), JoinError::Proof);
        let thief = admission.consent(log.community(), &joiner.device, &people[1].recovery);
        invitation =
            check(invitation, &JoinRequest::new(&key, admission, thief), &right, UnixMillis(1), JoinError::Consent);
        let late = UnixMillis(0).plus(INVITATION_VALID);
        invitation = check(invitation, &request, &right, late, JoinError::Expired);
        assert!(invitation.redeem(&request, &right, UnixMillis(1)).is_ok());
    }

    #[test]
    fn the_bytes_of_version_1_stay_as_they_are() {
        let (inviter, joiner, community) = (Person::new(0), Person::new(9), CommunityId::from_bytes([3; 32]));
        let secret = Secret(Zeroizing::new([5; 16]));
        let hints = vec!["box.example.org:20600".parse().expect("hint")];
        let expires = UnixMillis(1_800_000_000_000);
        let invitation = Invitation { version: VERSION, community, secret, inviter: inviter.pin(), expires, hints };
        let text = "gr0ng8030c1g60r30c1g60r30c1g60r30c1g60r30c1g60r30c1g60r30d80a1850m2ga1850m2ga1850m2gap103gzt5d2ah\
            dgc96mnbe1d3jcsw0jyhw8w0t3bvw709gbwjt32s8xhp00006hhgq2g020qarkff0q6ay31dnr6rs9edxs6eehj60v30c5nznmxj";
        assert_eq!(invitation.expose().as_str(), format!("{SCHEME}{text}"));
        let key = invitation.pairing_key(&pairing(community, &inviter, &joiner)).expect("key");
        let shown = format!("{} {}", invitation.id(), key.check_digits());
        assert_eq!(shown, "b806335bddd7edeb1779a79740c82f85 164 584");
    }

    proptest! {
        #[test]
        fn noise_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
            let _ = (JoinRequest::decode(&bytes), text.parse::<Invitation>());
            let _ = format!("{SCHEME}{text}").parse::<Invitation>();
            // With a sound checksum, so that the content is looked at.
            let line = base32().expect("alphabet").encode(&[bytes.as_slice(), &checksum(&bytes)].concat());
            let line = format!("{SCHEME}{line}");
            prop_assert!(line.parse::<Invitation>().is_err());
        }

        #[test]
        fn an_altered_request_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let (inviter, joiner, community) = (Person::new(0), Person::new(9), CommunityId::from_bytes([3; 32]));
            let (invitation, pairing) = (invite(community, &inviter), pairing(community, &inviter, &joiner));
            let admission = joiner.admission();
            let consent = admission.consent(community, &joiner.device, &joiner.recovery);
            let key = invitation.pairing_key(&pairing).expect("key");
            let mut bytes = JoinRequest::new(&key, admission, consent).encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let request = JoinRequest::decode(&bytes);
            if let Ok(request) = request {
                prop_assert!(invitation.redeem(&request, &pairing, UnixMillis(1)).is_err());
            }
        }
    }
}
