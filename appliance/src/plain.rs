//! Text from outside, made fit to be kept and shown: what machines, servers and people say is cut, and moves no cursor.

/// The first `max` characters of `text`, without control characters.
pub(crate) fn plain(text: &str, max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_goes_and_the_rest_is_cut_by_characters() {
        assert_eq!(plain("cl\u{1b}[2Jai\nre\u{9b}", 100), "cl[2Jaire");
        assert_eq!(plain("ééééé", 3), "ééé");
        assert_eq!(plain("\n\n\nabc", 2), "ab", "what goes does not count");
    }
}
