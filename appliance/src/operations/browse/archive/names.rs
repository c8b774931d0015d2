//! Names in an archive: such that stock tools of every system unpack them, below the place they are unpacked to.

use datis_engine::format::path::EntryPath;

/// The note at the end of an archive.
pub(super) const PROBLEMS: &str = "DATIS-PROBLEMS.txt";

/// Names that are devices on Windows, whatever their ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// No name of an entry is longer, in bytes: its length is a number of 16 bits.
const NAME_MAX: usize = 60_000;

/// The name of an entry, components joined by `/`; `None` when it would be too long.
pub(super) fn safe_path(path: &EntryPath) -> Option<String> {
    let mut name = String::new();
    for component in path.components() {
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(&safe_name(component, name.is_empty()));
    }
    (name.len() <= NAME_MAX).then_some(name)
}

/// One component: unchanged if it is text that every system takes for one name. Else what is in the way is replaced, and
/// a digest of the original bytes follows, so that two names never become one.
fn safe_name(bytes: &[u8], is_top: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let is_bad =
        |c: char| c.is_control() || matches!(c, '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*' | '/' | '\u{fffd}');
    let is_note = is_top && text.eq_ignore_ascii_case(PROBLEMS);
    // Windows drops dots and spaces at the end, so that `..` could come out of `.. .`.
    let is_cut = text.ends_with(['.', ' ']);
    if !text.contains(is_bad) && !is_note && !is_cut && !is_device(&text) {
        return text.into_owned();
    }
    let kept: String = text.chars().map(|c| if is_bad(c) { '_' } else { c }).collect();
    let digest = blake3::hash(bytes).to_hex();
    format!("_{}~{}", kept.trim_end_matches(['.', ' ']), &digest[..8])
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_port =
        |kind: &str| stem.strip_prefix(kind).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    DEVICES.contains(&stem.as_str()) || is_port("com") || is_port("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_harmless_and_stay_different() {
        let safe = |raw: &[u8]| safe_path(&EntryPath::parse(raw.to_vec()).expect("path")).expect("short");
        for good in [
            "a",
            "dir/été 2025.pdf",
            "архив/Отчёт.xlsx",
            ".hidden",
            "a..b",
            "console.log",
            "com/x",
            "x/DATIS-PROBLEMS.txt",
        ] {
            assert_eq!(safe(good.as_bytes()), good);
        }
        let bad: [&[u8]; 17] = [
            b"..\\..\\evil",
            b"C:evil",
            b"a\nb",
            b"a\x1b[2J",
            b"\xff\xfe",
            b"\xff\xfd",
            b".. ",
            b"...",
            b"a.",
            b"a ",
            b"NUL",
            b"com1.txt",
            b"aux.c",
            b"a*",
            b"a?",
            b"datis-problems.TXT",
            "\u{fffd}".as_bytes(),
        ];
        let names: std::collections::BTreeSet<String> = bad.iter().map(|raw| safe(raw)).collect();
        assert_eq!(names.len(), bad.len(), "{names:?}");
        for name in &names {
            assert!(name.starts_with('_') && name.contains('~'), "{name}");
            assert!(!name.contains(['\\', ':', '*', '?']) && !name.contains(char::is_control), "{name}");
        }
        let long = vec!["é".repeat(100); 160].join("/");
        assert!(safe_path(&EntryPath::parse(long.into_bytes()).expect("path")).is_some());
        let longer = vec![vec![0xff; 200]; 150].join(&b'/');
        assert!(safe_path(&EntryPath::parse(longer).expect("path")).is_some_and(|name| name.len() < 60_000));
    }
}
