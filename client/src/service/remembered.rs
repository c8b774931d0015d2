//! What the box wanted when it last answered, so that a machine away from it still knows.

use std::path::Path;

use datis_engine::units::Seconds;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::state::StateError;

const FILE: &str = "policy.toml";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Fields {
    version: u32,
    every: String,
}

/// How often the box wants each source, as it last said; `None` when it never said, or when that cannot be read any more.
#[must_use]
pub fn every(state_dir: &Path) -> Option<Seconds> {
    let text = std::fs::read_to_string(state_dir.join(FILE)).ok()?;
    let fields: Fields = toml::from_str(&text).ok()?;
    fields.every.parse().ok().filter(|_| fields.version == VERSION)
}

/// Remembers it. Durable when this returns.
///
/// # Errors
/// [`StateError::Write`].
pub fn remember(state_dir: &Path, wanted: Seconds) -> Result<(), StateError> {
    if every(state_dir) == Some(wanted) {
        return Ok(());
    }
    let path = state_dir.join(FILE);
    let fields = Fields { version: VERSION, every: wanted.to_string() };
    durable::write_toml(&path, &fields).map_err(|source| StateError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_box_wants_reads_back_and_nonsense_counts_as_nothing() {
        let dir = tempfile::tempdir().expect("temporary folder");
        assert_eq!(every(dir.path()), None);
        for wanted in [Seconds(7), Seconds::DAY] {
            remember(dir.path(), wanted).expect("remember");
            assert_eq!(every(dir.path()), Some(wanted));
        }
        std::fs::write(dir.path().join(FILE), "version = 9\nevery = \"1d\"\n").expect("write");
        assert_eq!(every(dir.path()), None);
    }
}
