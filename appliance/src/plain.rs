//! Text from outside, made fit to be kept and shown: what machines, servers and people say is cut, and moves no cursor.

/// The first `max` characters of `text`, without control characters.
pub(crate) fn plain(text: &str, max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(max).collect()
}

/// Marks of the direction of writing: they make `exe.fdp` out of `pdf.exe` for whoever reads it.
pub(crate) fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_of_direction_is_known_and_no_letter_is_one() {
        let marks = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        assert!(marks.chars().all(is_direction) && !"aéж ا\u{200d}".chars().any(is_direction));
    }

    #[test]
    fn what_moves_the_cursor_goes_and_the_rest_is_cut_by_characters() {
        assert_eq!(plain("cl\u{1b}[2Jai\nre\u{9b}", 100), "cl[2Jaire");
        assert_eq!(plain("ééééé", 3), "ééé");
        assert_eq!(plain("\n\n\nabc", 2), "ab", "what goes does not count");
    }
}
