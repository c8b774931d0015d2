//! The recovery kit on three sheets, as text: each has a share of the key in place of the key.

use std::fmt;

use zeroize::Zeroizing;

use super::kit::{KitError, Page, RecoveryKit, numbered_words};
use super::kit_shares::{self, KitShare, SHARES, ShareError};
use crate::keys::{KeyError, VaultIdentity};

/// The first line of a sheet.
pub(super) const HEADER: &str = "DATIS RECOVERY SHEET 1";

/// One of three sheets.
#[derive(Clone)]
pub struct KitSheet {
    /// What is secret on it.
    pub share: KitShare,
    text: Zeroizing<String>,
}

/// Without the text, which has the share in it.
impl fmt::Debug for KitSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KitSheet").field("share", &self.share).finish_non_exhaustive()
    }
}

impl KitSheet {
    /// The text to print.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A sheet that cannot be read, and its place among those that were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("in the {}: {problem}", of_those_given(*.nth))]
pub struct SheetError {
    /// From 1.
    pub nth: usize,
    /// What is wrong with it.
    #[source]
    pub problem: ShareError,
}

impl RecoveryKit {
    /// The kit on three sheets, any two of which are as good as the kit. Each time another set is made, and sheets of two sets do not
    /// go together. `printed_on`: a date, for people.
    ///
    /// # Errors
    /// [`KeyError::NoRandom`].
    pub fn to_sheets(&self, printed_on: &str) -> Result<[KitSheet; SHARES], KeyError> {
        let shares = kit_shares::split(&self.identity)?;
        Ok(shares.map(|share| KitSheet { text: self.sheet(&share, printed_on), share }))
    }

    fn sheet(&self, share: &KitShare, printed_on: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(8 << 10));
        text.push_str(&format!(
            "# {HEADER}\n# Box: {}\n# Vault: {}\n# Kit: {}\n# Sheet: {} of {SHARES}\n# Set: {}, printed on {printed_on}\n#\n\
             # Any two of the three sheets of this set are the recovery kit: whoever holds two can read\n\
             # every backup of this box. This sheet alone opens nothing.\n\
             # Keep each one in another place, and none of them with the box.\n",
            self.box_name,
            self.vault,
            self.identity.recipient(),
            share.number(),
            share.set(),
        ));
        text.push_str(&self.community.as_ref().map(super::kit::KitCommunity::lines).unwrap_or_default());
        text.push_str(
            "#\n# What is secret on this sheet, in words; they can be typed in place of the last line.\n\
             # The last word of each line checks it.\n",
        );
        for (number, line) in (1..).zip(share.to_words()) {
            text.push_str(&format!("# Words {number}: "));
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str("#\n");
        text.push_str(&share.to_code());
        text.push('\n');
        text
    }
}

/// The key that these sheets make up.
pub(super) fn join(sheets: &[Page<'_>]) -> Result<VaultIdentity, KitError> {
    let shares: Result<Vec<KitShare>, SheetError> =
        (1..).zip(sheets).map(|(nth, sheet)| read(sheet).map_err(|problem| SheetError { nth, problem })).collect();
    Ok(kit_shares::join(&shares?)?)
}

/// The code of a sheet, however many lines it takes on paper; or, where somebody has typed the words instead, what they say. What
/// stands before and behind the code comes from the page, where the sheet was copied out of a document.
fn read(sheet: &Page<'_>) -> Result<KitShare, ShareError> {
    let is_before = |line: &&str| !line.to_ascii_uppercase().starts_with(kit_shares::CODE_NAME);
    let lines = sheet.bare_lines().skip_while(is_before);
    let letters = lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace());
    let code: Zeroizing<String> = Zeroizing::new(letters.take(kit_shares::CODE_LETTERS).collect());
    if !code.is_empty() {
        return KitShare::from_code(&code);
    }
    let words = numbered_words(&sheet.lines, kit_shares::WORD_LINES)?;
    if words.is_empty() { Err(ShareError::Missing) } else { KitShare::from_words(&words) }
}

fn of_those_given(nth: usize) -> String {
    match nth {
        1 => "first sheet".to_owned(),
        2 => "second sheet".to_owned(),
        3 => "third sheet".to_owned(),
        more => format!("sheet at place {more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{HINTS_MAX, KitCommunity, KitHint};
    use super::super::kit_words::WordsError;
    use super::*;
    use crate::ids::{CommunityId, SpkiPin, VaultId};

    fn kit() -> RecoveryKit {
        let hint = |n: u8| KitHint { place: format!("box-{n}.example.org:20600"), pin: SpkiPin::from_bytes([n; 32]) };
        RecoveryKit {
            vault: VaultId::from_bytes([7; 16]),
            box_name: "harbour".into(),
            identity: VaultIdentity::generate(),
            community: Some(KitCommunity {
                id: CommunityId::from_bytes([5; 32]),
                hints: (0..HINTS_MAX as u8).map(hint).collect(),
            }),
        }
    }

    fn sheets(of: &RecoveryKit) -> [String; SHARES] {
        of.to_sheets("2026-11-23").expect("sheets").map(|sheet| sheet.text().to_owned())
    }

    /// As somebody types it who takes the words in place of the code.
    fn in_words(sheet: &str) -> String {
        let lines = sheet.lines().filter(|line| !line.starts_with(kit_shares::CODE));
        lines.map(|line| format!("{}\n", line.replace("# Words", "Words"))).collect()
    }

    fn told(text: &str) -> String {
        RecoveryKit::parse(text).expect_err("refused").to_string()
    }

    #[test]
    fn a_sheet_in_a_log_says_nothing_of_its_share() {
        let [sheet, ..] = kit().to_sheets("2026-11-23").expect("sheets");
        let (logged, code) = (format!("{sheet:?}"), sheet.share.to_code());
        assert!(!logged.contains(&**code) && !logged.contains(kit_shares::CODE), "{logged}");
    }

    #[test]
    fn two_sheets_are_as_good_as_the_kit_in_any_order_and_form() {
        let kit = kit();
        let [one, two, three] = sheets(&kit);
        let (start, end) = two.split_at(two.len() - 60);
        let broken_by_paper = format!("{one}{start}\n{end}");
        let out_of_a_document =
            format!("harbour\n{one}Datis 0.1.0   1 / 1\n{}\nDatis   1 / 1", two.replace("read\n#", "read\n"));
        let code = two.lines().last().expect("the code");
        let only_a_header_and_the_code = format!("{one}# {HEADER}\n{code}");
        let texts = [
            format!("{one}{two}"),
            format!("{three}\n\n{one}"),
            format!("{two}{}", in_words(&three)),
            format!("{}{}", in_words(&three), in_words(&two)),
            format!("{one}{two}{three}"),
            format!("{one}{two}").replace(", printed on 2026-11-23", "").replace('\n', "\r\n"),
            broken_by_paper,
            out_of_a_document,
            only_a_header_and_the_code,
        ];
        for text in texts {
            let back = RecoveryKit::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(back.identity.expose(), kit.identity.expose());
            assert_eq!((back.vault, back.box_name.as_str()), (kit.vault, "harbour"));
            assert_eq!(back.community, kit.community);
        }
    }

    #[test]
    fn the_kit_itself_counts_where_it_lies_among_its_sheets() {
        let (kit, other) = (kit(), kit());
        let [one, ..] = sheets(&other);
        let text = format!("{one}{}", kit.to_text().as_str());
        assert_eq!(RecoveryKit::parse(&text).expect("the kit").identity.recipient(), kit.identity.recipient());
    }

    #[test]
    fn one_sheet_the_same_twice_and_sheets_of_two_sets_or_boxes_are_refused_and_told_apart() {
        let kit = kit();
        let [one, two, _] = sheets(&kit);
        assert!(told(&two).starts_with("this is sheet 2 of 3, and alone it opens nothing: one more is needed"));
        assert!(told(&format!("{one}{}", in_words(&one))).starts_with("sheet 1 is there more than once"));
        let [.., later] = sheets(&kit);
        assert!(told(&format!("{one}{later}")).starts_with("these are sheets of two sets"));
        let other = RecoveryKit { identity: VaultIdentity::generate(), ..kit.clone() };
        assert!(told(&format!("{one}{}", sheets(&other)[1])).starts_with("these are sheets of two sets"));
        let neighbour = RecoveryKit { vault: VaultId::from_bytes([8; 16]), ..kit };
        assert!(told(&format!("{one}{}", sheets(&neighbour)[1])).starts_with("these are sheets of two boxes"));
    }

    #[test]
    fn what_is_mistyped_is_named_with_the_sheet_that_it_is_on() {
        let kit = kit();
        let [one, two, _] = sheets(&kit);
        let line = |sheet: &str, number: usize| {
            let start = format!("Words {number}:");
            in_words(sheet).lines().find(|line| line.starts_with(&start)).expect("a line").to_owned()
        };
        let wrong = in_words(&two).replace(&line(&two, 4), "Words 4: zebra zebra zebra zebra zebra zigzag");
        let problem = ShareError::Words(WordsError::Check { line: 4 });
        let refused = RecoveryKit::parse(&format!("{one}{wrong}")).expect_err("mistyped");
        assert!(matches!(refused, KitError::Sheet(error) if error == SheetError { nth: 2, problem }));
        assert_eq!(
            told(&format!("{wrong}{one}")),
            "in the first sheet: line 4 of the words does not fit its last word; compare this line with the paper"
        );
        let short = in_words(&one).replace(&line(&one, 9), "");
        assert!(told(&format!("{short}{two}")).contains("line 9 is missing"));
        let last_letter = one.trim_end().len() - 1;
        let code = format!("{}{}\n", &one[..last_letter], if one.trim_end().ends_with('A') { "B" } else { "A" });
        assert!(told(&format!("{two}{code}")).starts_with("in the second sheet: the line that begins with DATIS-KIT"));
        let nothing: String = one.lines().filter(|line| !line.contains("Words") && line.starts_with('#')).collect();
        assert!(told(&nothing.replace('#', "\n#")).contains("in the first sheet: it has neither"));
        let recipient = kit.identity.recipient();
        let other = VaultIdentity::generate().recipient();
        assert!(told(&format!("{one}{two}").replace(&recipient, &other)).contains("do not fit their line `Kit:`"));
    }

    #[test]
    fn a_sheet_has_nothing_of_the_key_but_its_share() {
        let kit = kit();
        let key = kit.identity.expose();
        let letters = &key["AGE-SECRET-KEY-1".len()..];
        for sheet in kit.to_sheets("2026-11-23").expect("sheets") {
            assert!(!sheet.text().contains("AGE-SECRET-KEY") && !sheet.text().contains(&letters[..8]));
            for line in super::super::kit_words::to_lines(&kit.identity) {
                assert!(!sheet.text().contains(line.as_str()));
            }
            assert!(sheet.text().contains(&format!(
                "# Sheet: {} of 3\n# Set: {}",
                sheet.share.number(),
                sheet.share.set()
            )));
        }
    }
}
