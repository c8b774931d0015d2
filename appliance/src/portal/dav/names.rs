//! Names in network folders. A backup holds any bytes; Windows refuses some characters, a dot or space at the end, and the
//! names of its old devices. Each such character, and each byte that is no text, stands as `^` and two digits, and so does
//! `^` itself: no two names become one, and every name that is shown leads back to the bytes.

use data_encoding::HEXUPPER;

use crate::plain::is_direction;

/// What a name begins with, before its first dot, that means a device to Windows (Microsoft, "Naming Files, Paths, and
/// Namespaces").
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// The same, with one digit behind it.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// How a name is shown.
pub(super) fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_refused(c) {
                escape(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            } else {
                text.push(c);
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    if let Some(last @ ('.' | ' ')) = text.chars().next_back() {
        text.pop();
        escape(&[last as u8], &mut text);
    }
    if is_device(&text) {
        let mut escaped = String::new();
        let (first, rest) = text.split_at(1);
        escape(first.as_bytes(), &mut escaped);
        return escaped + rest;
    }
    text
}

/// The bytes of the name that is shown like this; `None` when no name is.
pub(super) fn meant(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.as_bytes().split(|b| *b == b'^');
    let mut name = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        name.extend(HEXUPPER.decode(digits).ok()?);
        name.extend_from_slice(rest);
    }
    // Each name has one address, so that what was let through under one cannot be had under another.
    let is_name = !name.is_empty() && !name.iter().any(|b| matches!(b, 0 | b'/'));
    (is_name && shown(&name) == text).then_some(name)
}

fn is_refused(c: char) -> bool {
    c.is_control() || is_direction(c) || matches!(c, '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '^' | '|')
}

fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_numbered = NUMBERED_DEVICES.iter().any(|device| {
        let number = stem.strip_prefix(device).unwrap_or_default();
        matches!(number, "¹" | "²" | "³") || number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit())
    });
    DEVICES.contains(&stem.as_str()) || is_numbered
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        text.push('^');
        text.push_str(&HEXUPPER.encode(&[*byte]));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_read_as_they_are_and_what_windows_refuses_is_written_out() {
        for (name, expected) in [
            (&b"Bilan 2026.ods"[..], "Bilan 2026.ods"),
            ("été – Отчёт, 100 %.pdf".as_bytes(), "été – Отчёт, 100 %.pdf"),
            (b"12:30", "12^3A30"),
            (b"a\\b*c?\"<>|", "a^5Cb^2Ac^3F^22^3C^3E^7C"),
            (b"caf\xe9", "caf^E9"),
            (b"a^3Ab", "a^5E3Ab"),
            (b"end.", "end^2E"),
            (b"end ", "end^20"),
            (b".hidden", ".hidden"),
            (b"line\nbreak\x7f", "line^0Abreak^7F"),
            ("fdp\u{202e}exe".as_bytes(), "fdp^E2^80^AEexe"),
            (b"CON", "^43ON"),
            (b"nul.txt", "^6Eul.txt"),
            (b"com1 .txt", "^63om1 .txt"),
            ("LPT³".as_bytes(), "^4CPT³"),
            (b"com", "com"),
            (b"com12", "com12"),
            (b"console", "console"),
        ] {
            assert_eq!(shown(name), expected);
            assert_eq!(meant(expected).as_deref(), Some(name), "{expected}");
        }
    }

    #[test]
    fn no_other_text_leads_to_a_name() {
        for other in [
            "", "^", "a^4", "^zz", "^00", "a^2Fb", "..^2F", "^e9", "^41", "a^2Fb^", "end.", "CON", "a:b", "^43on^",
            "^C3^A9", "a^2E.x",
        ] {
            assert_eq!(meant(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_from_what_is_shown(mut name in prop::collection::vec(1_u8.., 1..60)) {
            name.iter_mut().filter(|b| **b == b'/').for_each(|b| *b = b'.');
            let text = shown(&name);
            prop_assert!(!text.chars().any(|c| c.is_control() || matches!(c, ':' | '\\' | '/' | '?' | '*')));
            prop_assert!(!text.ends_with(['.', ' ']));
            prop_assert_eq!(meant(&text), Some(name));
        }
    }
}
