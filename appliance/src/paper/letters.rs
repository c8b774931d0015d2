//! How wide words are, which letters there are, and where lines end.

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider};

use super::{PaperError, TEXT_MAX};

/// DejaVu Sans, which has the letters of all languages of the product and of most file names.
const REGULAR: &[u8] = include_bytes!("../../../portal-templates/fonts/DejaVuSans.ttf");
const BOLD: &[u8] = include_bytes!("../../../portal-templates/fonts/DejaVuSans-Bold.ttf");

/// Stands for a letter that the font does not have.
const REPLACEMENT: char = '\u{fffd}';

/// The two faces.
pub(super) struct Letters {
    regular: Face,
    bold: Face,
}

/// One face of the font.
struct Face {
    font: Font,
    letters: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    units: f32,
}

impl Face {
    fn open(bytes: &'static [u8]) -> Result<Self, PaperError> {
        let face = FontRef::new(bytes).map_err(|_| PaperError::Font)?;
        let font = Font::new(bytes.into(), 0).ok_or(PaperError::Font)?;
        let units = font.units_per_em();
        let metrics = face.glyph_metrics(Size::unscaled(), LocationRef::default());
        Ok(Self { letters: face.charmap(), metrics, units, font })
    }

    /// The letter's glyph, and how wide it is at size 1. There is one for each letter that [`Letters::clean`] lets
    /// through.
    fn glyph(&self, letter: char) -> (u32, f32) {
        let glyph = self.letters.map(letter).or_else(|| self.letters.map(REPLACEMENT)).unwrap_or_default();
        (glyph.to_u32(), self.metrics.advance_width(glyph).unwrap_or(self.units / 2.0) / self.units)
    }
}

impl Letters {
    pub(super) fn open() -> Result<Self, PaperError> {
        Ok(Self { regular: Face::open(REGULAR)?, bold: Face::open(BOLD)? })
    }

    fn face(&self, is_bold: bool) -> &Face {
        if is_bold { &self.bold } else { &self.regular }
    }

    pub(super) fn font(&self, is_bold: bool) -> Font {
        self.face(is_bold).font.clone()
    }

    /// Whether both faces have the letter.
    pub(super) fn has(&self, letter: char) -> bool {
        [&self.regular, &self.bold].iter().all(|face| face.letters.map(letter).is_some())
    }

    /// The same text with nothing in it that cannot be printed: controls and marks of direction are gone, letters that
    /// the font lacks are replaced, the rest of what is too long is cut off.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len().min(TEXT_MAX));
        for (count, letter) in text.chars().enumerate() {
            if count == TEXT_MAX {
                clean.push('…');
                break;
            }
            match letter {
                // One empty line is enough.
                '\n' if clean.ends_with("\n\n") => {}
                '\n' => clean.push('\n'),
                '\t' => clean.push(' '),
                _ if letter.is_control() || is_mark_of_direction(letter) => {}
                _ if self.has(letter) => clean.push(letter),
                _ => clean.push(REPLACEMENT),
            }
        }
        clean
    }

    pub(super) fn width(&self, text: &str, size: f32, is_bold: bool) -> f32 {
        let face = self.face(is_bold);
        text.chars().map(|letter| face.glyph(letter).1).sum::<f32>() * size
    }

    /// What a line is drawn with.
    pub(super) fn glyphs(&self, text: &str, is_bold: bool) -> Vec<KrillaGlyph> {
        let face = self.face(is_bold);
        let glyph = |(at, letter): (usize, char)| {
            let (glyph, width) = face.glyph(letter);
            KrillaGlyph::new(GlyphId::new(glyph), width, 0.0, 0.0, 0.0, at..at + letter.len_utf8(), None)
        };
        text.char_indices().map(glyph).collect()
    }

    /// The lines of a clean text, none wider than `width` unless a single letter is.
    pub(super) fn lines(&self, text: &str, size: f32, is_bold: bool, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        for part in text.split('\n') {
            let mut line = String::new();
            for word in words(part) {
                if !line.is_empty()
                    && self.width(&line, size, is_bold) + self.width(word.trim_end(), size, is_bold) > width
                {
                    lines.push(std::mem::take(&mut line));
                }
                line.push_str(word);
                // A word that is wider than a line is cut where the line ends.
                while self.width(line.trim_end(), size, is_bold) > width {
                    let fits = self.fitting(&line, size, is_bold, width);
                    if fits >= line.trim_end().len() {
                        break;
                    }
                    let rest = line.split_off(fits);
                    lines.push(std::mem::replace(&mut line, rest));
                }
            }
            lines.push(line);
        }
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }

    /// How many bytes of a line fit; at least one letter.
    fn fitting(&self, line: &str, size: f32, is_bold: bool, width: f32) -> usize {
        let face = self.face(is_bold);
        let mut used = 0.0;
        for (at, letter) in line.char_indices() {
            used += face.glyph(letter).1 * size;
            if used > width && at > 0 {
                return at;
            }
        }
        line.chars().next().map_or(0, char::len_utf8)
    }
}

/// Marks that turn the direction of what follows, and such as are not seen.
fn is_mark_of_direction(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// Words with the spaces behind them. A line may also end behind a hyphen, a slash or a comma: addresses and paths are
/// long.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut before = None;
    for (at, letter) in text.char_indices() {
        let ends = |before: char| matches!(before, ' ' | '/' | '-' | ',') && letter != ' ';
        if before.is_some_and(ends) {
            words.push(&text[start..at]);
            start = at;
        }
        before = Some(letter);
    }
    words.push(&text[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_they_may_be_and_lose_no_word() {
        let letters = Letters::open().expect("font");
        let text = "Ouvrez le port 20600 vers 192.168.1.60, puis vérifiez.";
        for width in [40.0, 80.0, 300.0] {
            let lines = letters.lines(text, 10.0, false, width);
            assert!(lines.iter().all(|line| letters.width(line, 10.0, false) <= width), "{lines:?}");
            let joined: String = lines.join(" ").split_whitespace().collect();
            assert_eq!(joined, text.split_whitespace().collect::<String>());
        }
        assert_eq!(letters.lines("a\n\nb", 10.0, false, 100.0), ["a", "", "b"]);
        assert_eq!(letters.lines("", 10.0, false, 100.0), [""]);
        // Narrower than any letter: one a line, and an end.
        assert_eq!(letters.lines("abc", 10.0, true, 0.1), ["a", "b", "c"]);
    }

    #[test]
    fn what_cannot_be_printed_is_replaced_or_gone() {
        let letters = Letters::open().expect("font");
        assert_eq!(letters.clean("a\u{0}\u{1b}[31mb\tc\u{202e}d\r\ne"), "a[31mb cd\ne");
        assert_eq!(letters.clean("漢🦀"), "\u{fffd}\u{fffd}");
        let long = letters.clean(&"x".repeat(10_000));
        assert_eq!(long.chars().count(), TEXT_MAX + 1);
        assert!(letters.has(REPLACEMENT) && letters.has('…'));
    }
}
