//! The key of a recovery kit in three shares, any two of which give it back while one says nothing about it.
//!
//! Replicated secret sharing (Ito, Saito, Nishizeki 1987): two random parts and a third one that makes up the key with them, by
//! exclusive or; each share lacks another one of the three. No arithmetic beyond that, so there is nothing here to get wrong
//! that a test would not show. Source: docs/FORMAT.md, "Sheets of a kit"; decision 0039.

use std::fmt;
use std::num::NonZeroU8;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::kit_words::{self, KEY_BYTES, WordsError};
use crate::ids::KitSetId;
use crate::keys::{KeyError, VaultIdentity, random_bytes};

/// How the code of a share begins; digit 1 is no letter of what follows.
pub(super) const CODE: &str = "DATIS-KIT-SHEET-1";
/// What paper does not break of it.
pub(super) const CODE_NAME: &str = "DATIS-KIT";
/// How many shares a key has.
pub const SHARES: usize = 3;
const WORDS_CONTEXT: &str = "datis 2026 v1 kit sheet words";
const SUM_CONTEXT: &str = "datis 2026 v1 kit sheet";
const SUM_BYTES: usize = 6;
const SHARE_BYTES: usize = 1 + KitSetId::LEN + 2 * KEY_BYTES + SUM_BYTES;
/// How long the code is.
pub(super) const CODE_LETTERS: usize = CODE.len() + SHARE_BYTES / 5 * 8;
/// How many lines of words a share has.
pub(super) const WORD_LINES: usize = kit_words::line_count(SHARE_BYTES);

type Part = Zeroizing<[u8; KEY_BYTES]>;

/// Which of the three, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShareNumber(NonZeroU8);

impl ShareNumber {
    fn new(number: u8) -> Option<Self> {
        NonZeroU8::new(number).filter(|number| usize::from(number.get()) <= SHARES).map(Self)
    }

    /// The parts of the key that the share has, in order, by their places: all but the one of its own number.
    fn places(self) -> [usize; 2] {
        match self.0.get() {
            1 => [1, 2],
            2 => [0, 2],
            _ => [0, 1],
        }
    }
}

impl fmt::Display for ShareNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of three shares of a kit's key: what is secret on a sheet.
#[derive(Clone)]
pub struct KitShare {
    number: ShareNumber,
    set: KitSetId,
    parts: [Part; 2],
}

impl fmt::Debug for KitShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KitShare({} of {}, secret)", self.number, self.set)
    }
}

/// Why what was typed is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Neither of the two forms is there.
    #[error("it has neither the line that begins with {CODE} nor numbered lines of words; one of them is needed")]
    Missing,
    /// The code cannot be read.
    #[error("the line that begins with {CODE} is mistyped; compare it with the paper, or type the words in its place")]
    Code,
    /// A line of words is wrong.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// Each line of words fits, and they do not fit together.
    #[error(
        "its lines of words do not fit together: a word is wrong, or a line is of another sheet; compare all of them"
    )]
    Sum,
}

/// Why shares give no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// There is but one.
    #[error(
        "this is sheet {number} of 3, and alone it opens nothing: one more is needed; add another sheet of set {set}"
    )]
    OneMore {
        /// The one that is there.
        number: ShareNumber,
        /// Of which set the other one has to be.
        set: KitSetId,
    },
    /// All are the same one.
    #[error(
        "sheet {number} is there more than once, and alone it opens nothing; take another sheet of set {set} with it"
    )]
    Same {
        /// Which one.
        number: ShareNumber,
        /// Of which set the other one has to be.
        set: KitSetId,
    },
    /// They were printed at different times, or of different kits.
    #[error("these are sheets of two sets, {one} and {other}; take two on which the same set is named")]
    TwoSets {
        /// The set of the first.
        one: KitSetId,
        /// The first other one.
        other: KitSetId,
    },
    /// They name one set, and do not make up a key.
    #[error(
        "the sheets name the same set and do not fit together: one of them was altered; take the third one in its place"
    )]
    Altered,
}

impl KitShare {
    /// Which of the three it is.
    #[must_use]
    pub fn number(&self) -> ShareNumber {
        self.number
    }

    /// With which others it goes together.
    #[must_use]
    pub fn set(&self) -> KitSetId {
        self.set
    }

    /// The share in words, line by line.
    #[must_use]
    pub fn to_words(&self) -> Vec<Zeroizing<String>> {
        kit_words::to_words(WORDS_CONTEXT, &self.to_bytes())
    }

    /// The share as one word of capital letters and digits, as a QR code has it.
    #[must_use]
    pub fn to_code(&self) -> Zeroizing<String> {
        let letters = Zeroizing::new(BASE32_NOPAD.encode(&self.to_bytes()));
        let mut code = Zeroizing::new(String::with_capacity(CODE.len() + letters.len()));
        code.push_str(CODE);
        code.push_str(&letters);
        code
    }

    /// Reads the words again.
    ///
    /// # Errors
    /// [`ShareError::Words`] names the line; [`ShareError::Sum`].
    pub fn from_words(lines: &[&str]) -> Result<Self, ShareError> {
        let bytes = kit_words::from_words(WORDS_CONTEXT, SHARE_BYTES, lines)?;
        Self::from_bytes(&bytes).ok_or(ShareError::Sum)
    }

    /// Reads the code again; white space within it does not count, nor does the size of letters.
    ///
    /// # Errors
    /// [`ShareError::Code`].
    pub fn from_code(typed: &str) -> Result<Self, ShareError> {
        let mut code = Zeroizing::new(String::with_capacity(typed.len()));
        code.extend(typed.chars().filter(|letter| !letter.is_whitespace()).map(|letter| letter.to_ascii_uppercase()));
        let letters = code.strip_prefix(CODE).ok_or(ShareError::Code)?;
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| ShareError::Code)?);
        Self::from_bytes(&bytes).ok_or(ShareError::Code)
    }

    /// Number, set, two parts, and a sum over all of them.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SHARE_BYTES));
        bytes.push(self.number.0.get());
        bytes.extend_from_slice(self.set.as_bytes());
        self.parts.iter().for_each(|part| bytes.extend_from_slice(part.as_slice()));
        let sum = sum_of(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != SHARE_BYTES {
            return None;
        }
        let (said, sum) = bytes.split_at(SHARE_BYTES - SUM_BYTES);
        let (number, rest) = said.split_first()?;
        let (set, parts) = rest.split_at(KitSetId::LEN);
        let (first, second) = parts.split_at(KEY_BYTES);
        let part = |bytes: &[u8]| bytes.try_into().ok().map(Part::new);
        let share = Self {
            number: ShareNumber::new(*number)?,
            set: KitSetId::from_slice(set)?,
            parts: [part(first)?, part(second)?],
        };
        (sum == sum_of(said)).then_some(share)
    }
}

/// A fresh set of shares of the key: any two of them give it back.
///
/// # Errors
/// [`KeyError::NoRandom`].
pub fn split(key: &VaultIdentity) -> Result<[KitShare; SHARES], KeyError> {
    let set = KitSetId::from_bytes(random_bytes()?);
    let (one, two) = (Part::new(random_bytes()?), Part::new(random_bytes()?));
    let mut three = kit_words::key_bytes(key);
    xor(&mut three, &one);
    xor(&mut three, &two);
    let share = |number: NonZeroU8, parts: [&Part; 2]| KitShare {
        number: ShareNumber(number),
        set,
        parts: parts.map(Clone::clone),
    };
    const TWO: NonZeroU8 = NonZeroU8::MIN.saturating_add(1);
    const THREE: NonZeroU8 = NonZeroU8::MIN.saturating_add(2);
    Ok([share(NonZeroU8::MIN, [&two, &three]), share(TWO, [&one, &three]), share(THREE, [&one, &two])])
}

/// The key that shares of one set make up, in whatever order.
///
/// # Errors
/// [`JoinError`].
pub fn join(shares: &[KitShare]) -> Result<VaultIdentity, JoinError> {
    let first = shares.first().ok_or(JoinError::Altered)?;
    let (number, set) = (first.number, first.set);
    if let Some(other) = shares.iter().find(|share| share.set != set) {
        return Err(JoinError::TwoSets { one: set, other: other.set });
    }
    if shares.iter().all(|share| share.number == number) {
        return Err(match shares.len() {
            1 => JoinError::OneMore { number, set },
            _ => JoinError::Same { number, set },
        });
    }
    let mut known: [Option<&Part>; SHARES] = [None; SHARES];
    for share in shares {
        for (place, part) in share.number.places().into_iter().zip(&share.parts) {
            if known[place].is_some_and(|known| known != part) {
                return Err(JoinError::Altered);
            }
            known[place] = Some(part);
        }
    }
    let mut key = Part::new([0; KEY_BYTES]);
    known.into_iter().flatten().for_each(|part| xor(&mut key, part));
    kit_words::key_of(key.as_slice()).ok_or(JoinError::Altered)
}

fn xor(into: &mut Part, part: &Part) {
    into.iter_mut().zip(part.iter()).for_each(|(byte, other)| *byte ^= other);
}

/// Tells a share from one that was mistyped.
fn sum_of(said: &[u8]) -> [u8; SUM_BYTES] {
    let hash = *blake3::Hasher::new_derive_key(SUM_CONTEXT).update(said).finalize().as_bytes();
    std::array::from_fn(|at| hash[at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::words::WORDS;
    use super::*;

    fn key(of: &VaultIdentity) -> String {
        of.expose().as_str().to_owned()
    }

    fn refs(lines: &[Zeroizing<String>]) -> Vec<&str> {
        lines.iter().map(|line| line.as_str()).collect()
    }

    #[test]
    fn any_two_of_three_give_the_key_back_in_any_order_and_so_do_all() {
        for _ in 0..50 {
            let identity = VaultIdentity::generate();
            let shares = split(&identity).expect("shares");
            for (one, two) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
                let two = [shares[one].clone(), shares[two].clone()];
                assert_eq!(key(&join(&two).expect("two")), key(&identity));
            }
            assert_eq!(key(&join(&shares).expect("all")), key(&identity));
        }
    }

    /// Whatever the key is, there is another share with which the first one gives it: so the first one excludes no key.
    #[test]
    fn with_one_share_every_key_remains_possible() {
        let shares = split(&VaultIdentity::generate()).expect("shares");
        for other in (0..20).map(|_| VaultIdentity::generate()) {
            for (have, lacks) in [(0, 1), (1, 0), (2, 0)] {
                let have = &shares[have];
                let mut missing = kit_words::key_bytes(&other);
                have.parts.iter().for_each(|part| xor(&mut missing, part));
                let mut partner = shares[lacks].clone();
                for (place, part) in partner.number.places().into_iter().zip(&mut partner.parts) {
                    match have.number.places().iter().position(|known| *known == place) {
                        Some(at) => *part = have.parts[at].clone(),
                        None => *part = missing.clone(),
                    }
                }
                assert_eq!(key(&join(&[have.clone(), partner]).expect("a key")), key(&other));
            }
        }
    }

    /// Each bit of what a share holds is 0 about as often as 1, whatever the key: over 400 sets of one key, no bit is fixed.
    #[test]
    fn shares_of_one_key_are_new_each_time() {
        let identity = VaultIdentity::generate();
        let sets: Vec<_> = (0..400).map(|_| split(&identity).expect("shares")).collect();
        for number in 0..SHARES {
            for (part, byte, bit) in
                (0..2).flat_map(|part| (0..KEY_BYTES).flat_map(move |byte| (0..8).map(move |bit| (part, byte, bit))))
            {
                // The last six bits of a key are zeros, which are as random in a part as the others.
                let ones = sets.iter().filter(|set| set[number].parts[part][byte] >> bit & 1 == 1).count();
                assert!((100..300).contains(&ones), "share {number}, part {part}, byte {byte}, bit {bit}: {ones}");
            }
        }
    }

    #[test]
    fn one_share_or_the_same_twice_or_those_of_two_sets_give_nothing() {
        let identity = VaultIdentity::generate();
        let (mine, later) = (split(&identity).expect("shares"), split(&identity).expect("shares"));
        let told = |shares: &[&KitShare]| {
            let shares: Vec<KitShare> = shares.iter().map(|share| (*share).clone()).collect();
            join(&shares).map(|key| key.recipient())
        };
        let (number, set) = (mine[1].number(), mine[1].set());
        assert_eq!(told(&[&mine[1]]), Err(JoinError::OneMore { number, set }));
        assert_eq!(told(&[&mine[1], &mine[1]]), Err(JoinError::Same { number, set }));
        assert_eq!(told(&[&mine[1], &later[2]]), Err(JoinError::TwoSets { one: set, other: later[2].set() }));
        assert_eq!(told(&[&mine[1], &mine[0], &mine[1]]), Ok(identity.recipient()), "two are enough");
    }

    #[test]
    fn shares_that_were_altered_with_their_sums_do_not_pass() {
        let shares = split(&VaultIdentity::generate()).expect("shares");
        for part in 0..2 {
            let mut altered = shares[0].clone();
            altered.parts[part][7] ^= 1;
            assert_eq!(join(&[altered, shares[1].clone()]).map(|key| key.recipient()), Err(JoinError::Altered));
        }
    }

    #[test]
    fn every_mistyped_word_is_found() {
        let share = &split(&VaultIdentity::generate()).expect("shares")[2];
        let lines = share.to_words();
        assert_eq!(lines.len(), 17);
        let mut only_by_sum = 0;
        for (at, line) in lines.iter().enumerate() {
            let right: Vec<&str> = line.split(' ').collect();
            assert_eq!(right.len(), 6);
            for place in 0..right.len() {
                for word in WORDS.iter().filter(|word| right[place] != **word) {
                    let mut words = right.clone();
                    words[place] = word;
                    let mut typed = refs(&lines);
                    let line = words.join(" ");
                    typed[at] = &line;
                    match KitShare::from_words(&typed) {
                        Err(ShareError::Words(WordsError::Check { line })) => assert_eq!(line, at + 1),
                        Err(ShareError::Sum) => only_by_sum += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert!(only_by_sum < 220, "{only_by_sum} of 26 010");
    }

    #[test]
    fn a_line_of_the_kit_or_of_another_sheet_does_not_pass_for_one_of_this_sheet() {
        let identity = VaultIdentity::generate();
        let split = || split(&identity).expect("shares");
        let (lines, others) = (split()[0].to_words(), split()[0].to_words());
        for at in 1..lines.len() - 1 {
            let mut mixed = refs(&lines);
            mixed[at] = &others[at];
            assert_eq!(KitShare::from_words(&mixed).map(|share| share.number), Err(ShareError::Sum), "line {}", at + 1);
        }
        let kit = kit_words::to_lines(&identity);
        assert!(matches!(KitShare::from_words(&refs(&kit)), Err(ShareError::Words(_))));
    }

    #[test]
    fn a_code_that_is_mistyped_in_one_letter_is_refused() {
        let share = &split(&VaultIdentity::generate()).expect("shares")[0];
        let code = share.to_code();
        assert_eq!(code.len(), 153);
        for at in CODE.len()..code.len() {
            for letter in ["A", "7", "1", "é"] {
                let mut wrong = code.as_str().to_owned();
                if &wrong[at..=at] != letter {
                    wrong.replace_range(at..=at, letter);
                    assert_eq!(KitShare::from_code(&wrong).map(|share| share.number), Err(ShareError::Code), "{at}");
                }
            }
        }
        assert!(KitShare::from_code(&code[..code.len() - 1]).is_err());
        let (start, end) = code.split_at(90);
        let on_two_lines = format!(" {}\n{end}\n", start.to_lowercase());
        assert_eq!(KitShare::from_code(&on_two_lines).expect("the same").to_code(), code);
    }

    /// The values were worked out from docs/FORMAT.md by another program. Sheets that were printed must be read by every later version.
    #[test]
    fn shares_are_the_same_over_versions_of_the_program() {
        let share = |number, parts: [u8; 2]| KitShare {
            number: ShareNumber::new(number).expect("a number"),
            set: KitSetId::from_bytes([0x5f, 0x3a, 0x90, 0xc1]),
            parts: parts.map(|byte| Part::new([byte; KEY_BYTES])),
        };
        let share = share(2, [0x42, 0x17]);
        assert_eq!(share.to_words()[0].as_str(), "album fossil crossover lantern pirate clarinet");
        assert_eq!(share.to_words()[16].as_str(), "acorn kitchen saxophone pilot bubble badge");
        assert_eq!(
            share.to_code().as_str(),
            "DATIS-KIT-SHEET-1AJPTVEGBIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBBOFYXC\
             4LROFYXC4LROFYXC4LROFYXC4LROFYXC4LROFYXC4LROFYXC4LROF4BAGF5HQA5"
        );
    }

    proptest! {
        #[test]
        fn a_share_comes_back_in_both_forms(
            number in 1_u8..=3,
            set: [u8; 4],
            one in prop::array::uniform32(any::<u8>()),
            two in prop::array::uniform32(any::<u8>()),
        ) {
            let part = |bytes: [u8; 32]| Part::new(std::array::from_fn(|at| bytes[at % 32]));
            let number = ShareNumber::new(number).expect("a number");
            let share = KitShare { number, set: KitSetId::from_bytes(set), parts: [part(one), part(two)] };
            for back in [KitShare::from_words(&refs(&share.to_words())), KitShare::from_code(&share.to_code())] {
                let back = back.expect("a share");
                prop_assert_eq!((back.number, back.set), (share.number, share.set));
                prop_assert_eq!(&back.parts, &share.parts);
            }
        }

        #[test]
        fn no_text_makes_the_reader_fail_otherwise_than_by_an_error(text in ".{0,400}") {
            prop_assert!(KitShare::from_code(&text).is_err());
            prop_assert!(KitShare::from_words(&text.lines().collect::<Vec<_>>()).is_err());
        }
    }
}
