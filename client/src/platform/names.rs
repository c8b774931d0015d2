//! Linux: paths as this system has them, and as snapshots keep them: bytes, with a slash between the names. Here both
//! are the same, byte by byte, and names need not be text.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The bytes that snapshots keep of a path; borrowed wherever the system's own form is the same.
#[must_use]
pub fn bytes_of(path: &Path) -> Cow<'_, [u8]> {
    Cow::Borrowed(path.as_os_str().as_bytes())
}

/// The path that [`bytes_of`] gives these bytes for.
#[must_use]
pub fn path_of(bytes: &[u8]) -> Cow<'_, Path> {
    Cow::Borrowed(Path::new(OsStr::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_the_same_after_there_and_back() {
        for bytes in [&b""[..], b"/", b"home/a:b", b"/data/\xff\xfe", "/é/ü".as_bytes()] {
            assert_eq!(&*bytes_of(&path_of(bytes)), bytes);
        }
    }
}
