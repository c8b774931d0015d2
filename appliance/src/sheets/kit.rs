//! The recovery kit on paper: the key as a QR code, in words and in letters, and which boxes are asked first.

use datis_engine::format::kit::RecoveryKit;
use datis_engine::format::kit_sheets::KitSheet;
use datis_engine::units::UnixMillis;
use fluent_bundle::FluentArgs;

use super::{SheetError, day, minute};
use crate::locale::Locale;
use crate::paper::{Cell, Paper, Tone};
use crate::vault;

/// The kit as PDF.
///
/// # Errors
/// [`SheetError`].
pub(crate) fn print_kit(kit: &RecoveryKit, now: UnixMillis, locale: &Locale) -> Result<Vec<u8>, SheetError> {
    Ok(paper(kit, now, locale).pdf()?)
}

fn paper(kit: &RecoveryKit, now: UnixMillis, locale: &Locale) -> Paper {
    let footer = format!("Datis {} · {}", env!("CARGO_PKG_VERSION"), minute(now));
    let mut paper = Paper::new(locale.language, locale.word("kit-sheet"), now).header(&kit.box_name).footer(footer);
    paper.verdict(locale.word("kit-sheet-secret"), Tone::Warn);
    paper.heading(locale.word("kit-sheet-code"));
    paper.paragraph(locale.word("kit-sheet-code-text"));
    paper.code(kit.identity.expose().as_str());
    paper.heading(locale.word("kit-sheet-whole"));
    paper.paragraph(locale.word("kit-sheet-whole-text"));
    word_for_word(&mut paper, &vault::kit_page(kit));
    paper
}

/// Part by part: a paragraph that is too long would be cut.
fn word_for_word(paper: &mut Paper, text: &str) {
    for part in text.split_inclusive("\n#\n") {
        paper.paragraph(part.trim_end());
    }
}

/// The kit on three sheets as PDF; each can lie apart from the others.
///
/// # Errors
/// [`SheetError`].
pub(crate) fn print_kit_sheets(
    box_name: &str,
    sheets: &[KitSheet],
    now: UnixMillis,
    locale: &Locale,
) -> Result<Vec<u8>, SheetError> {
    Ok(three_papers(box_name, sheets, now, locale).pdf()?)
}

fn three_papers(box_name: &str, sheets: &[KitSheet], now: UnixMillis, locale: &Locale) -> Paper {
    let footer = format!("Datis {} · {}", env!("CARGO_PKG_VERSION"), minute(now));
    let said = |key: &str, sheet: &KitSheet| {
        let mut args = FluentArgs::new();
        args.set("sheet", sheet.share.number().to_string());
        args.set("set", sheet.share.set().to_string());
        locale.say(key, &args)
    };
    let header = |sheet: &KitSheet| format!("{box_name} · {}", said("kit-part-of-set", sheet));
    let mut paper: Option<Paper> = None;
    for sheet in sheets {
        let title = said("kit-part", sheet);
        let paper = match &mut paper {
            Some(paper) => paper.sheet(title, header(sheet)),
            none => none.insert(Paper::new(locale.language, title, now).header(header(sheet)).footer(&footer)),
        };
        paper.verdict(locale.word("kit-part-what"), Tone::Warn);
        paper.facts(vec![
            (locale.word("cert-box"), Cell::strong(box_name)),
            (locale.word("kit-part-set"), Cell::strong(sheet.share.set().to_string())),
            (locale.word("kit-part-printed"), day(now).into()),
        ]);
        paper.paragraph(locale.word("kit-part-keep"));
        paper.heading(locale.word("kit-part-code"));
        paper.paragraph(locale.word("kit-part-code-text"));
        paper.code(sheet.share.to_code().as_str());
        paper.heading(locale.word("kit-part-whole"));
        paper.paragraph(locale.word("kit-part-whole-text"));
        word_for_word(paper, sheet.text());
    }
    paper.unwrap_or_else(|| Paper::new(locale.language, "", now))
}

#[cfg(test)]
mod tests {
    use datis_engine::format::kit::{KitCommunity, KitHint};
    use datis_engine::ids::{CommunityId, SpkiPin, VaultId};
    use datis_engine::keys::VaultIdentity;

    use super::*;
    use crate::locale::Language;

    /// With as many hints as there can be, each as long as it can be.
    fn kit() -> RecoveryKit {
        let hint = |n: u8| KitHint {
            place: format!("{}.n{n}.example.org:20600", "long".repeat(15)),
            pin: SpkiPin::from_bytes([n; 32]),
        };
        let community = KitCommunity { id: CommunityId::from_bytes([7; 32]), hints: (0..16).map(hint).collect() };
        RecoveryKit {
            vault: VaultId::from_bytes([1; 16]),
            box_name: "harbour".to_owned(),
            identity: VaultIdentity::generate(),
            community: Some(community),
        }
    }

    fn word_for_word(paper: &Paper) -> String {
        let is_of_the_kit =
            |text: &&str| text.starts_with('#') || text.starts_with("AGE-") || text.starts_with("DATIS-");
        paper.paragraphs().filter(is_of_the_kit).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_stands_on_the_sheet_is_the_whole_kit() {
        let kit = kit();
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            let paper = paper(&kit, UnixMillis(0), &locale);
            let back = RecoveryKit::parse(&word_for_word(&paper)).expect("the kit");
            assert_eq!(back.identity.expose().as_str(), kit.identity.expose().as_str());
            assert_eq!(back.community, kit.community);
            assert!(paper.pdf().expect("PDF").starts_with(b"%PDF-"));
        }
    }

    #[test]
    fn what_stands_on_two_of_three_sheets_is_the_whole_kit_and_each_says_which_it_is() {
        let kit = kit();
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            let sheets = kit.to_sheets("2026-11-23").expect("sheets");
            for lost in 0..sheets.len() {
                let two: Vec<KitSheet> =
                    sheets.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, sheet)| sheet.clone()).collect();
                let said = word_for_word(&three_papers("harbour", &two, UnixMillis(0), &locale));
                let back = RecoveryKit::parse(&said).expect("the kit");
                assert_eq!(back.identity.expose().as_str(), kit.identity.expose().as_str());
                assert_eq!(back.community, kit.community);
            }
            let pdf = print_kit_sheets("harbour", &sheets, UnixMillis(1_795_000_000_000), &locale).expect("PDF");
            assert!(pdf.starts_with(b"%PDF-"));
        }
    }
}
