//! The recovery kit on paper: the key as a QR code, in words and in letters, and which boxes are asked first.

use datis_engine::format::kit::RecoveryKit;
use datis_engine::units::UnixMillis;

use super::{SheetError, minute};
use crate::locale::Locale;
use crate::paper::{Paper, Tone};
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
    // Part by part: a paragraph that is too long would be cut.
    for part in vault::kit_page(kit).split_inclusive("\n#\n") {
        paper.paragraph(part.trim_end());
    }
    paper
}

#[cfg(test)]
mod tests {
    use datis_engine::format::kit::{KitCommunity, KitHint};
    use datis_engine::ids::{CommunityId, SpkiPin, VaultId};
    use datis_engine::keys::VaultIdentity;

    use super::*;
    use crate::locale::Language;

    /// With as many hints as there can be, each as long as it can be.
    #[test]
    fn what_stands_on_the_sheet_is_the_whole_kit() {
        let hint = |n: u8| KitHint {
            place: format!("{}.n{n}.example.org:20600", "long".repeat(15)),
            pin: SpkiPin::from_bytes([n; 32]),
        };
        let community = KitCommunity { id: CommunityId::from_bytes([7; 32]), hints: (0..16).map(hint).collect() };
        let kit = RecoveryKit {
            vault: VaultId::from_bytes([1; 16]),
            box_name: "harbour".to_owned(),
            identity: VaultIdentity::generate(),
            community: Some(community),
        };
        for language in Language::ALL {
            let locale = Locale::open(language).expect("locale");
            let paper = paper(&kit, UnixMillis(0), &locale);
            let said = paper
                .paragraphs()
                .filter(|text| text.starts_with('#') || text.starts_with("AGE-"))
                .collect::<Vec<_>>()
                .join("\n");
            let back = RecoveryKit::parse(&said).expect("the kit");
            assert_eq!(back.identity.expose().as_str(), kit.identity.expose().as_str());
            assert_eq!(back.community, kit.community);
            assert!(paper.pdf().expect("PDF").starts_with(b"%PDF-"));
        }
    }
}
