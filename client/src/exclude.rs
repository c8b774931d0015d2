//! What is left out of a backup: `--exclude` patterns, `.datisignore` files, directories marked as caches.
//!
//! Patterns are those of `.gitignore`; the nearest file decides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Name of the files with patterns, in any directory that is backed up.
pub const IGNORE_FILE: &str = ".datisignore";

/// Name of the file that marks a cache (Cache Directory Tagging Specification).
pub const CACHE_TAG: &str = "CACHEDIR.TAG";

const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The longest `.datisignore` that is read.
const IGNORE_FILE_MAX: u64 = 1 << 20;

/// Why patterns were refused.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` in {origin} is not a pattern: {reason}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// Where it stands.
    pub origin: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Patterns in force at one place of the tree, and those of the places above it.
#[derive(Debug, Clone)]
pub struct Excludes(Arc<Level>);

#[derive(Debug)]
struct Level {
    patterns: Gitignore,
    above: Option<Excludes>,
}

impl Excludes {
    /// The patterns of the command line; they hold for absolute paths and for names anywhere.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        Ok(Self(Arc::new(Level { patterns: build(Path::new("/"), patterns, "--exclude")?, above: None })))
    }

    /// The patterns in force below `directory`, which holds a `.datisignore`.
    ///
    /// # Errors
    /// [`PatternError`]; also when the file cannot be read, since guessing would leave out the wrong things.
    pub fn with_file(&self, directory: &Path) -> Result<Self, PatternError> {
        let file = directory.join(IGNORE_FILE);
        let refused = |reason: String| PatternError {
            pattern: IGNORE_FILE.into(),
            origin: directory.display().to_string(),
            reason,
        };
        let text = read_limited(&file).map_err(|e| refused(e.to_string()))?;
        let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        let patterns = build(directory, &lines, &file.display().to_string())?;
        Ok(Self(Arc::new(Level { patterns, above: Some(self.clone()) })))
    }

    /// Whether `path` (absolute) is left out.
    #[must_use]
    pub fn excludes(&self, path: &Path, is_directory: bool) -> bool {
        let mut level = Some(self);
        while let Some(Self(here)) = level {
            match here.patterns.matched(path, is_directory) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => level = here.above.as_ref(),
            }
        }
        false
    }
}

fn build(root: &Path, patterns: &[String], origin: &str) -> Result<Gitignore, PatternError> {
    let mut builder = GitignoreBuilder::new(root);
    for pattern in patterns {
        let refused = |reason: String| PatternError { pattern: pattern.clone(), origin: origin.to_owned(), reason };
        builder.add_line(None, pattern).map_err(|e| refused(e.to_string()))?;
    }
    builder.build().map_err(|e| PatternError {
        pattern: String::new(),
        origin: origin.to_owned(),
        reason: e.to_string(),
    })
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    crate::platform::scan::open_file(path)?.take(IGNORE_FILE_MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// Whether the directory's tag file really is one.
#[must_use]
pub fn is_cache(directory: &Path) -> bool {
    use std::io::Read;
    let tag: PathBuf = directory.join(CACHE_TAG);
    let mut start = [0_u8; CACHE_SIGNATURE.len()];
    crate::platform::scan::open_file(&tag).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *CACHE_SIGNATURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_decides() {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::write(dir.path().join(IGNORE_FILE), "!keep.tmp\n/only-here\nbuild/\n").expect("write");
        let outer = Excludes::new(&["*.tmp".into(), "/proc".into()]).expect("patterns");
        let inner = outer.with_file(dir.path()).expect("file");
        assert!(outer.excludes(Path::new("/a/b.tmp"), false) && outer.excludes(Path::new("/proc"), true));
        assert!(!outer.excludes(Path::new("/a/proc"), true));
        let below = |name: &str| dir.path().join(name);
        assert!(inner.excludes(&below("x.tmp"), false) && !inner.excludes(&below("keep.tmp"), false));
        assert!(inner.excludes(&below("only-here"), false) && !inner.excludes(&below("deep/only-here"), false));
        assert!(inner.excludes(&below("deep/build"), true) && !inner.excludes(&below("deep/build"), false));
        assert!(Excludes::new(&["{a".into()]).is_err());
    }

    #[test]
    fn only_a_signed_tag_marks_a_cache() {
        let dir = tempfile::tempdir().expect("folder");
        std::fs::write(dir.path().join(CACHE_TAG), "Signature: nothing of the sort, but long enough to be one")
            .expect("write");
        assert!(!is_cache(dir.path()));
        std::fs::write(dir.path().join(CACHE_TAG), CACHE_SIGNATURE).expect("write");
        assert!(is_cache(dir.path()));
    }
}
