//! Errors as people read them.

use std::error::Error;

/// The message of `error` and of everything that caused it, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Transparent errors repeat what they wrap.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// A path as people read it: control characters and marks of the direction of writing escaped, bytes that are not UTF-8 shown
/// as replacement characters.
#[must_use]
pub fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(path).chars() {
        if c.is_control() || is_direction(c) { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// Marks of the direction of writing: they make `exe.fdp` out of `pdf.exe` for whoever reads it.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_path_can_change_how_the_rest_is_read() {
        assert_eq!(shown("a\u{202e}fdp.exe".as_bytes()), "a\\u{202e}fdp.exe");
        for mark in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{2066}', '\u{2069}', '\u{1b}', '\n', '\u{9b}'] {
            let shown = shown(format!("a{mark}b").as_bytes());
            assert!(!shown.contains(mark) && shown.contains('\\'), "{shown}");
        }
        assert_eq!(shown("файл שלום é".as_bytes()), "файл שלום é");
        assert_eq!(shown(b"a\xff"), "a\u{fffd}");
    }
}
