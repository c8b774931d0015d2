//! Secrets of a recovery kit in words, for people who type them off a page: each line ends with a word that checks it, so that a
//! mistyped line is found at once. Here also the kit's key as the bytes that these words stand for.
//!
//! The letters after `AGE-SECRET-KEY-1` stand for 5 bits each, in the order of their alphabet (BIP 173); 58 of them and six zero
//! bits are 37 bytes. A word is a byte; a line has five, the last one those that are left. Source: docs/FORMAT.md, "Recovery kit".

use zeroize::Zeroizing;

use super::words::WORDS;
use crate::keys::VaultIdentity;

/// The letters of the key's text form, by their value.
const LETTERS: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const PREFIX: &str = "AGE-SECRET-KEY-1";
/// Letters after the prefix.
const LETTER_COUNT: usize = 58;
/// Bytes that they make.
pub(super) const KEY_BYTES: usize = (LETTER_COUNT * 5).div_ceil(8);
/// The zero bits at the end of the last one.
const PADDING: u8 = 0xFF >> (8 - (KEY_BYTES * 8 - LETTER_COUNT * 5));
/// Words in a line, without the one that checks it.
const IN_LINE: usize = 5;
/// How many lines a key has.
pub const LINES: usize = line_count(KEY_BYTES);
/// By so many letters a word can be told from all others.
const TELLING: usize = 4;
const CHECK_CONTEXT: &str = "datis 2026 v1 kit words";

/// Why words are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Some are missing, or there are too many.
    #[error("the words have {of} lines, numbered from 1; line {line} is missing or has another number of words")]
    Count {
        /// The first line that is not as it should be.
        line: usize,
        /// How many there should be.
        of: usize,
    },
    /// No word of the list.
    #[error("`{word}` in line {line} of the words is not one of them; compare this line with the paper")]
    Unknown {
        /// Which line.
        line: usize,
        /// What was typed, its first letters.
        word: String,
    },
    /// All are words, but not those that were printed.
    #[error("line {line} of the words does not fit its last word; compare this line with the paper")]
    Check {
        /// Which line.
        line: usize,
    },
    /// Every line fits, and together they are no key: lines of two kits.
    #[error("the kit's words are those of several kits; take all lines of one page")]
    Mixed,
}

/// How many lines of words so many bytes have.
pub(super) const fn line_count(bytes: usize) -> usize {
    bytes.div_ceil(IN_LINE)
}

/// The key in words, line by line.
#[must_use]
pub fn to_lines(identity: &VaultIdentity) -> Vec<Zeroizing<String>> {
    to_words(CHECK_CONTEXT, key_bytes(identity).as_slice())
}

/// Reads the lines again, in their order. Capitals count as small letters, and four letters are enough for a word.
///
/// # Errors
/// [`WordsError`] names the line.
pub fn parse(lines: &[&str]) -> Result<VaultIdentity, WordsError> {
    let bytes = from_words(CHECK_CONTEXT, KEY_BYTES, lines)?;
    key_of(&bytes).ok_or(WordsError::Mixed)
}

/// What the letters of the key stand for, its checksum among them.
pub(super) fn key_bytes(identity: &VaultIdentity) -> Zeroizing<[u8; KEY_BYTES]> {
    let key = identity.expose();
    let letters = key.strip_prefix(PREFIX).unwrap_or_default().bytes();
    let values = letters.filter_map(|letter| LETTERS.iter().position(|known| *known == letter));
    let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
    for (at, value) in values.enumerate() {
        for bit in 0..5 {
            if value >> (4 - bit) & 1 == 1 {
                let place = at * 5 + bit;
                bytes[place / 8] |= 0x80 >> (place % 8);
            }
        }
    }
    bytes
}

/// The key that these bytes stand for; `None`: its checksum does not fit, so it is none.
pub(super) fn key_of(bytes: &[u8]) -> Option<VaultIdentity> {
    // What the key's own sum does not check.
    if bytes.len() != KEY_BYTES || bytes.last().is_none_or(|last| last & PADDING != 0) {
        return None;
    }
    let mut key = Zeroizing::new(String::with_capacity(PREFIX.len() + LETTER_COUNT));
    key.push_str(PREFIX);
    for at in 0..LETTER_COUNT {
        let bit = |place: usize| bytes[place / 8] >> (7 - place % 8) & 1;
        let value = (0..5).fold(0, |value, n| value << 1 | usize::from(bit(at * 5 + n)));
        key.push(char::from(LETTERS[value]));
    }
    VaultIdentity::parse(&key).ok()
}

/// `bytes` in words, line by line. `context`: of the words that check, so that lines of another sort do not fit.
pub(super) fn to_words(context: &str, bytes: &[u8]) -> Vec<Zeroizing<String>> {
    let line = |(number, some): (usize, &[u8])| {
        let mut words = Zeroizing::new(String::with_capacity(64));
        for byte in some {
            words.push_str(WORDS[usize::from(*byte)]);
            words.push(' ');
        }
        words.push_str(WORDS[usize::from(check_of(context, number, some))]);
        words
    };
    bytes.chunks(IN_LINE).enumerate().map(line).collect()
}

/// The `count` bytes that these lines stand for.
pub(super) fn from_words(context: &str, count: usize, lines: &[&str]) -> Result<Zeroizing<Vec<u8>>, WordsError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(count));
    let of = line_count(count);
    for number in 0..of {
        let line = number + 1;
        let expected = IN_LINE.min(count - number * IN_LINE);
        let typed: Vec<&str> = lines.get(number).copied().unwrap_or_default().split_whitespace().collect();
        if typed.len() != expected + 1 {
            return Err(WordsError::Count { line, of });
        }
        let known: Result<Zeroizing<Vec<u8>>, WordsError> =
            typed.iter().map(|word| byte_of(word, line)).collect::<Result<_, _>>().map(Zeroizing::new);
        let known = known?;
        let (check, some) = known.split_last().ok_or(WordsError::Count { line, of })?;
        if check_of(context, number, some) != *check {
            return Err(WordsError::Check { line });
        }
        bytes.extend_from_slice(some);
    }
    if lines.len() > of { Err(WordsError::Count { line: of + 1, of }) } else { Ok(bytes) }
}

fn byte_of(typed: &str, line: usize) -> Result<u8, WordsError> {
    let word = typed.to_ascii_lowercase();
    let tells = |known: &&str| word.get(..TELLING).is_some_and(|start| known.starts_with(start));
    let found = WORDS.iter().position(tells).and_then(|at| u8::try_from(at).ok());
    found.ok_or_else(|| WordsError::Unknown { line, word: typed.chars().take(12).collect() })
}

/// Tells a line from others, and from itself in another place.
fn check_of(context: &str, number: usize, some: &[u8]) -> u8 {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&[u8::try_from(number).unwrap_or(u8::MAX)]).update(some);
    hasher.finalize().as_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(lines: &[Zeroizing<String>]) -> Result<VaultIdentity, WordsError> {
        parse(&lines.iter().map(|line| line.as_str()).collect::<Vec<_>>())
    }

    #[test]
    fn words_come_back_as_the_key_that_they_were_made_of() {
        for _ in 0..50 {
            let identity = VaultIdentity::generate();
            let mut lines = to_lines(&identity);
            assert_eq!(lines.len(), LINES);
            assert_eq!(parse_all(&lines).expect("parse").expose(), identity.expose());
            for line in &mut lines {
                let short: Vec<String> = line.split(' ').map(|word| word[..TELLING].to_uppercase()).collect();
                *line = Zeroizing::new(short.join("  "));
            }
            assert_eq!(parse_all(&lines).expect("four letters").expose(), identity.expose());
        }
    }

    #[test]
    fn the_line_that_is_mistyped_is_named() {
        let identity = VaultIdentity::generate();
        let lines = to_lines(&identity);
        let changed = |at: usize, change: &dyn Fn(&str) -> String| {
            let mut lines = lines.clone();
            lines[at] = Zeroizing::new(change(&lines[at]));
            parse_all(&lines).map(|key| key.recipient())
        };
        let unknown = changed(2, &|line| line.replacen(line.split(' ').next().expect("a word"), "qqqq", 1));
        assert_eq!(unknown, Err(WordsError::Unknown { line: 3, word: "qqqq".to_owned() }));
        assert_eq!(changed(4, &|line| format!("{line} zebra")), Err(WordsError::Count { line: 5, of: LINES }));
        assert_eq!(changed(7, &|_| String::new()), Err(WordsError::Count { line: 8, of: LINES }));
        // One word for another: a check of a byte misses one in 256.
        let mut missed = 0;
        for (at, line) in lines.iter().enumerate() {
            let count = line.split(' ').count();
            for place in 0..count {
                for word in WORDS.iter().filter(|word| line.split(' ').nth(place) != Some(**word)) {
                    let mut words: Vec<&str> = line.split(' ').collect();
                    words[place] = word;
                    match changed(at, &|_| words.join(" ")) {
                        Err(WordsError::Check { line }) => assert_eq!(line, at + 1),
                        Err(WordsError::Mixed) => missed += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert!(missed < 120, "{missed} of some 11 000");
    }

    #[test]
    fn bits_that_no_letter_has_are_refused() {
        let mut lines = to_lines(&VaultIdentity::generate());
        let last = LINES - 1;
        let mut some: Vec<u8> =
            lines[last].split(' ').map(|word| byte_of(word, LINES).expect("a word of the list")).collect();
        let _check = some.pop();
        *some.last_mut().expect("bytes") |= 1;
        some.push(check_of(CHECK_CONTEXT, last, &some));
        lines[last] = Zeroizing::new(some.iter().map(|byte| WORDS[usize::from(*byte)]).collect::<Vec<_>>().join(" "));
        assert_eq!(parse_all(&lines).map(|key| key.recipient()), Err(WordsError::Mixed));
    }

    #[test]
    fn lines_in_another_order_or_of_another_kit_are_refused() {
        let (mine, other) = (to_lines(&VaultIdentity::generate()), to_lines(&VaultIdentity::generate()));
        let mut swapped = mine.clone();
        swapped.swap(0, 1);
        assert!(parse_all(&swapped).is_err());
        let mut mixed = mine.clone();
        mixed[3] = other[3].clone();
        assert_eq!(parse_all(&mixed).map(|key| key.recipient()), Err(WordsError::Mixed));
        let more = [mine.as_slice(), &other[..1]].concat();
        assert_eq!(parse_all(&more).map(|key| key.recipient()), Err(WordsError::Count { line: LINES + 1, of: LINES }));
    }

    /// Kits that were printed must be read by every later version.
    #[test]
    fn words_are_the_same_over_versions_of_the_program() {
        let key = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let identity = VaultIdentity::parse(key).expect("a key");
        let lines = to_lines(&identity);
        assert_eq!(lines[0].as_str(), "dentist dentist dentist dentist dentist cotton");
        assert_eq!(lines[1].as_str(), "dentist dentist dentist dentist dentist fountain");
        assert_eq!(lines[6].as_str(), "dentist dentist attic tornado bubble spiral");
        assert_eq!(lines[7].as_str(), "quarter ivory robot");
    }
}
