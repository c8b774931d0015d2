//! Invitations that are read out, such as `7-crossover-clockwork`, and the exchange that makes one guess of it.
//!
//! The words are short, so they are the password of SPAKE2 (crate `spake2`): whoever stands between the boxes, or
//! tries a code, has one guess at 1 in 65 536 for two words, and learns nothing from it. The types allow one attempt:
//! each step consumes the one before. Number, both device keys and the connection go into the identities of the exchange, and
//! the community into the key that comes out of it.
//!
//! The joining box commits itself before it sees anything, and confirms first: `joiner → inviter: commitment; inviter → joiner:
//! message; joiner → inviter: message, confirmation; inviter → joiner: confirmation`. So neither side chooses its message after
//! the other's: whoever knows the code and stands in between could else try messages until both screens show the same digits.

use std::fmt;
use std::str::FromStr;

use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use super::check::{Ends, PairingKey};
use crate::format::words::WORDS;
use crate::ids::CommunityId;
use crate::keys::{KeyError, random_bytes};
use crate::units::Seconds;

/// How long a code is valid at the box that shows it.
pub const CODE_VALID: Seconds = Seconds(15 * 60);

/// Length of an exchange message, in bytes.
pub const MESSAGE_LEN: usize = 33;

/// Length of a commitment, in bytes.
pub const COMMITMENT_LEN: usize = 32;

/// Length of a confirmation, in bytes.
pub const CONFIRMATION_LEN: usize = 32;

/// The largest number in front of the words.
pub const NUMBER_MAX: u16 = 999;

/// What the joining box says of its message before it sees the other one's.
#[must_use]
pub fn commitment(message: &[u8; MESSAGE_LEN]) -> [u8; COMMITMENT_LEN] {
    blake3::derive_key("datis 2026 v1 spoken commitment", message)
}

/// How many words a code has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordCount {
    /// 16 bits.
    Two,
    /// 24 bits.
    Three,
}

/// A code for one attempt. The number says which of the inviting box's open codes is meant, and is no secret.
pub struct SpokenCode {
    number: u16,
    words: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SpokenCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpokenCode({}, secret)", self.number)
    }
}

/// Why a spoken code led to nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpokenError {
    /// Not of this form.
    #[error("a code is a number from 1 to {NUMBER_MAX} and two or three words, such as 7-crossover-clockwork")]
    Form,
    /// A word that is not on the list.
    #[error("`{0}` is not a word of these codes; listen again")]
    Word(String),
    /// Not a message of this exchange.
    #[error("the other box sent something that is no part of this exchange")]
    Message,
    /// Another code at the other end, or somebody in between.
    #[error("the other box has another code, or somebody stands between; ask for a new code")]
    Wrong,
}

impl SpokenCode {
    /// A fresh one. `number`: 1 to [`NUMBER_MAX`], of no other open code; others are brought into range.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn generate(number: u16, count: WordCount) -> Result<Self, KeyError> {
        let len = match count {
            WordCount::Two => 2,
            WordCount::Three => 3,
        };
        let random = Zeroizing::new(random_bytes::<3>()?);
        Ok(Self { number: number.clamp(1, NUMBER_MAX), words: Zeroizing::new(random[..len].to_vec()) })
    }

    /// The number in front.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The code as it is read out.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(self.number.to_string());
        for word in self.words.iter() {
            text.push('-');
            text.push_str(WORDS[usize::from(*word)]);
        }
        text
    }

    /// The inviting box's side, and its message. The code is gone with it.
    #[must_use]
    pub fn start_inviter(self, ends: &Ends) -> (Exchange, [u8; MESSAGE_LEN]) {
        self.start(ends, Side::Inviter)
    }

    /// The joining box's side, and its message. The code is gone with it.
    #[must_use]
    pub fn start_joiner(self, ends: &Ends) -> (Exchange, [u8; MESSAGE_LEN]) {
        self.start(ends, Side::Joiner)
    }

    fn start(self, ends: &Ends, side: Side) -> (Exchange, [u8; MESSAGE_LEN]) {
        let identity = |role: &[u8]| Identity::new(&[role, &self.number.to_be_bytes(), &ends.bytes()].concat());
        let (inviter, joiner) = (identity(b"datis v1 spoken inviter\0"), identity(b"datis v1 spoken joiner\0"));
        let password = Password::new(self.expose().as_bytes());
        let (state, message) = match side {
            Side::Inviter => Spake2::<Ed25519Group>::start_a(&password, &inviter, &joiner),
            Side::Joiner => Spake2::<Ed25519Group>::start_b(&password, &inviter, &joiner),
        };
        let mut bytes = [0_u8; MESSAGE_LEN];
        for (to, from) in bytes.iter_mut().zip(message) {
            *to = from;
        }
        (Exchange { state, side, ends: *ends }, bytes)
    }
}

impl FromStr for SpokenCode {
    type Err = SpokenError;

    /// Case does not matter, and spaces count as dashes.
    fn from_str(raw: &str) -> Result<Self, SpokenError> {
        if raw.len() > 80 {
            return Err(SpokenError::Form);
        }
        let lower = Zeroizing::new(raw.to_lowercase());
        let mut parts = lower.split(|c: char| c == '-' || c.is_whitespace()).filter(|part| !part.is_empty());
        let number = parts.next().and_then(|number| number.parse().ok()).ok_or(SpokenError::Form)?;
        let index = |word: &str| {
            let index = WORDS.binary_search(&word).ok().and_then(|index| u8::try_from(index).ok());
            index.ok_or_else(|| SpokenError::Word(word.chars().filter(|c| !c.is_control()).collect()))
        };
        let words = Zeroizing::new(parts.map(index).collect::<Result<Vec<u8>, _>>()?);
        if (1..=NUMBER_MAX).contains(&number) && (2..=3).contains(&words.len()) {
            Ok(Self { number, words })
        } else {
            Err(SpokenError::Form)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inviter,
    Joiner,
}

impl Side {
    fn confirms(self) -> &'static str {
        match self {
            Self::Inviter => "datis 2026 v1 spoken inviter confirms",
            Self::Joiner => "datis 2026 v1 spoken joiner confirms",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Inviter => Self::Joiner,
            Self::Joiner => Self::Inviter,
        }
    }
}

/// One attempt whose own message is out.
pub struct Exchange {
    state: Spake2<Ed25519Group>,
    side: Side,
    ends: Ends,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(secret)")
    }
}

impl Exchange {
    /// Takes the other side's message; `community` is the one that the joining box is to come into.
    ///
    /// # Errors
    /// [`SpokenError::Message`]; the attempt is over.
    pub fn finish(self, community: CommunityId, message: &[u8]) -> Result<Unconfirmed, SpokenError> {
        let shared = Zeroizing::new(self.state.finish(message).map_err(|_| SpokenError::Message)?);
        Ok(Unconfirmed { key: PairingKey::derive(&shared, &self.ends.pairing(community)), side: self.side })
    }
}

/// A key that the other side may or may not have.
#[derive(Debug)]
pub struct Unconfirmed {
    key: PairingKey,
    side: Side,
}

impl Unconfirmed {
    /// This side's confirmation. The inviting box sends it after it has checked the other one.
    #[must_use]
    pub fn confirmation(&self) -> [u8; CONFIRMATION_LEN] {
        *self.key.mac(self.side.confirms(), &[]).as_bytes()
    }

    /// Checks the other side's confirmation.
    ///
    /// # Errors
    /// [`SpokenError::Wrong`]; the attempt is over, and the code with it.
    pub fn confirm(self, theirs: &[u8]) -> Result<PairingKey, SpokenError> {
        let theirs: [u8; CONFIRMATION_LEN] = theirs.try_into().map_err(|_| SpokenError::Wrong)?;
        // Compares in constant time.
        let fits = self.key.mac(self.side.other().confirms(), &[]) == blake3::Hash::from_bytes(theirs);
        if fits { Ok(self.key) } else { Err(SpokenError::Wrong) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::community::check::Pairing;
    use crate::community::testing::Person;

    fn pairing(channel: u8) -> Pairing {
        Pairing {
            community: CommunityId::from_bytes([1; 32]),
            inviter: Person::new(0).device.public_key(),
            joiner: Person::new(1).device.public_key(),
            channel: [channel; 32],
        }
    }

    /// Both sides' results.
    fn run(
        (inviter, one): (&str, &Pairing),
        (joiner, other): (&str, &Pairing),
    ) -> (Result<PairingKey, SpokenError>, Result<PairingKey, SpokenError>) {
        let (a, message_a) = inviter.parse::<SpokenCode>().expect("code").start_inviter(&one.ends());
        let (b, message_b) = joiner.parse::<SpokenCode>().expect("code").start_joiner(&other.ends());
        let (a, b) = (a.finish(one.community, &message_b), b.finish(other.community, &message_a));
        let (a, b) = (a.expect("message"), b.expect("message"));
        let (word_a, word_b) = (a.confirmation(), b.confirmation());
        (a.confirm(&word_b), b.confirm(&word_a))
    }

    #[test]
    fn the_same_code_gives_both_boxes_the_same_digits() {
        for count in [WordCount::Two, WordCount::Three] {
            let code = SpokenCode::generate(7, count).expect("random").expose();
            let (a, b) = run((code.as_str(), &pairing(1)), (code.as_str(), &pairing(1)));
            assert_eq!(a.expect("inviter").check_digits(), b.expect("joiner").check_digits());
        }
    }

    #[test]
    fn another_word_number_connection_box_or_community_ends_the_attempt_on_both_sides() {
        let right = ("7-crossover-clockwork", &pairing(1));
        let check = |joiner: (&str, &Pairing)| {
            let (a, b) = run(right, joiner);
            assert!(matches!((a, b), (Err(SpokenError::Wrong), Err(SpokenError::Wrong))), "{joiner:?}");
        };
        check(("7-crossover-zeppelin", right.1));
        check(("7-clockwork-crossover", right.1));
        check(("7-crossover-clockwork-zeppelin", right.1));
        check(("8-crossover-clockwork", right.1));
        check((right.0, &pairing(2)));
        check((right.0, &Pairing { inviter: Person::new(5).device.public_key(), ..pairing(1) }));
        check((right.0, &Pairing { joiner: Person::new(5).device.public_key(), ..pairing(1) }));
        check((right.0, &Pairing { community: CommunityId::from_bytes([2; 32]), ..pairing(1) }));
    }

    #[test]
    fn a_message_sent_back_or_no_message_at_all_ends_the_attempt() {
        let start = || "7-crossover-clockwork".parse::<SpokenCode>().expect("code").start_inviter(&pairing(1).ends());
        let (exchange, own) = start();
        assert!(matches!(exchange.finish(pairing(1).community, &own), Err(SpokenError::Message)));
        assert!(matches!(start().0.finish(pairing(1).community, &[]), Err(SpokenError::Message)));
        let (exchange, _) = start();
        let (_, message) =
            "7-crossover-clockwork".parse::<SpokenCode>().expect("code").start_joiner(&pairing(1).ends());
        let unconfirmed = exchange.finish(pairing(1).community, &message).expect("message");
        let own = unconfirmed.confirmation();
        assert!(matches!(unconfirmed.confirm(&own), Err(SpokenError::Wrong)));
    }

    #[test]
    fn codes_are_read_as_people_say_them() {
        let read = |raw: &str| raw.parse::<SpokenCode>().map(|code| code.expose().to_string());
        for raw in ["7-crossover-clockwork", " 7 Crossover  CLOCKWORK\n", "007-crossover-clockwork"] {
            assert_eq!(read(raw).as_deref(), Ok("7-crossover-clockwork"));
        }
        assert_eq!(read("7-crossover-clockwok").err(), Some(SpokenError::Word("clockwok".into())));
        for raw in ["", "7", "7-crossover", "0-crossover-clockwork", "1000-crossover-clockwork", "crossover-clockwork"]
        {
            assert_eq!(read(raw).err(), Some(SpokenError::Form), "{raw}");
        }
        let shown = format!("{:?}", "7-crossover-clockwork".parse::<SpokenCode>());
        assert!(!shown.contains("crossover"), "{shown}");
    }

    proptest! {
        #[test]
        fn noise_does_not_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..40), point in any::<[u8; 32]>(), text in ".{0,90}",
        ) {
            let _ = text.parse::<SpokenCode>();
            for message in [bytes, [&b"B"[..], &point].concat()] {
                let code: SpokenCode = "7-crossover-clockwork".parse().expect("code");
                if let Ok(unconfirmed) = code.start_inviter(&pairing(1).ends()).0.finish(pairing(1).community, &message) {
                    prop_assert!(unconfirmed.confirm(&message).is_err());
                }
            }
        }
    }
}
