//! Paths inside a snapshot: bytes, `/` between components, sorted so that a directory stands before its content.

use std::cmp::Ordering;
use std::fmt;

/// The longest path, in bytes. Linux refuses more than 4 096 in one call, but deeper trees can be built step by step.
pub const PATH_MAX: usize = 32 << 10;

/// The longest component, in bytes.
pub const NAME_MAX: usize = 255;

/// The most components: as many as one system call can name.
pub const DEPTH_MAX: usize = 2_048;

/// A path relative to the file system's root: no leading or trailing `/`, no empty, `.` or `..` component, no NUL byte.
///
/// The order is that of a walk: components compare as bytes, so a directory, then everything below it, then its next
/// sibling. It is the same as comparing whole paths with `/` taken as the lowest byte.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryPath(Vec<u8>);

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path that a snapshot may hold")]
pub struct PathError(String);

impl PathError {
    /// Shows the beginning of `bytes`, with control characters written out: they would act on a terminal.
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self(
            text.chars()
                .take(80)
                .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
                .collect(),
        )
    }
}

impl EntryPath {
    /// Checks and takes the bytes.
    ///
    /// # Errors
    /// [`PathError`] when a rule of the type does not hold.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, PathError> {
        let sound = bytes.len() <= PATH_MAX
            && bytes.split(|b| *b == b'/').all(is_name)
            && bytes.iter().filter(|b| **b == b'/').count() < DEPTH_MAX;
        if sound { Ok(Self(bytes)) } else { Err(PathError::of(&bytes)) }
    }

    /// Takes an absolute or relative path as people write it: slashes at both ends and doubled ones are dropped.
    ///
    /// # Errors
    /// [`PathError`] for the root itself, and for `.` and `..`.
    pub fn from_user(bytes: &[u8]) -> Result<Self, PathError> {
        let parts: Vec<&[u8]> = bytes.split(|b| *b == b'/').filter(|part| !part.is_empty()).collect();
        Self::parse(parts.join(&b'/'))
    }

    /// The path of the child `name`.
    ///
    /// # Errors
    /// [`PathError`] when `name` is no single component, or the result is too long.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        if is_name(name) { Self::parse(bytes) } else { Err(PathError::of(name)) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components, top down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/')
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// The directory it is in; `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.iter().rposition(|b| *b == b'/').map(|at| Self(self.0[..at].to_vec()))
    }

    /// Whether `self` is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match self.0.strip_prefix(other.0.as_slice()) {
            Some(rest) => rest.first().is_none_or(|b| *b == b'/'),
            None => false,
        }
    }

    /// What is left of `self` below `base`; `None` when it is `base` itself or lies elsewhere.
    #[must_use]
    pub fn below(&self, base: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(base.0.as_slice())?.strip_prefix(b"/")?;
        Some(Self(rest.to_vec()))
    }
}

/// Compares two paths in the order of a walk, as [`EntryPath`] does.
#[must_use]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let shared = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    match (a.get(shared), b.get(shared)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(b'/'), Some(_)) => Ordering::Less,
        (Some(_), Some(b'/')) => Ordering::Greater,
        (Some(x), Some(y)) => x.cmp(y),
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != b"."
        && name != b".."
        && !name.iter().any(|b| matches!(b, 0 | b'/'))
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl fmt::Display for EntryPath {
    /// For people: bytes that are not UTF-8 are shown as replacement characters, control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in String::from_utf8_lossy(&self.0).chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_could_leave_the_target_are_refused() {
        for bad in [&b""[..], b"/", b"a/", b"/a", b"a//b", b".", b"..", b"a/../b", b"a/./b", b"a\0b", &[b'a'; 256]] {
            assert!(EntryPath::parse(bad.to_vec()).is_err(), "{bad:?}");
        }
        assert_eq!(EntryPath::from_user(b"//usr//share/").expect("path").as_bytes(), b"usr/share");
        assert!(EntryPath::from_user(b"/usr/../etc").is_err());
        let deep = |levels: usize| EntryPath::parse(vec!["a"; levels].join("/").into_bytes());
        assert!(deep(DEPTH_MAX).is_ok() && deep(DEPTH_MAX + 1).is_err());
        assert_eq!(
            EntryPath::parse(b"a\x1b[2J\0".to_vec()).expect_err("NUL").to_string(),
            "`a\\u{1b}[2J\\u{0}` is not a path that a snapshot may hold"
        );
    }

    #[test]
    fn a_directory_stands_before_its_content_and_that_before_the_next_sibling() {
        let mut paths: Vec<_> =
            [&b"a.b"[..], b"a/c", b"a", b"a/b/c", b"a-", b"a/b", b"b"].iter().map(|p| p.to_vec()).collect();
        paths.sort_by(|a, b| compare(a, b));
        assert_eq!(paths, [&b"a"[..], b"a/b", b"a/b/c", b"a/c", b"a-", b"a.b", b"b"].map(<[u8]>::to_vec));
    }

    #[test]
    fn within_means_whole_components() {
        let path = |p: &[u8]| EntryPath::parse(p.to_vec()).expect("path");
        assert!(path(b"a/b").is_within(&path(b"a")) && path(b"a").is_within(&path(b"a")));
        assert!(!path(b"ab").is_within(&path(b"a")));
        assert_eq!(path(b"a/b/c").below(&path(b"a")), Some(path(b"b/c")));
        assert_eq!(path(b"ab").below(&path(b"a")), None);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_components(a in "[ab/.]{1,8}", b in "[ab/.]{1,8}") {
            if let (Ok(a), Ok(b)) = (EntryPath::parse(a.into_bytes()), EntryPath::parse(b.into_bytes())) {
                prop_assert_eq!(a.cmp(&b), a.components().cmp(b.components()));
            }
        }
    }
}
