//! What the people at this machine have agreed to beforehand. Unless they say otherwise, they are asked each time.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use datis_engine::wire::PutBackMode;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::state::StateError;

const FILE: &str = "requests.toml";
const VERSION: u32 = 1;

/// Which requests are carried out without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beforehand {
    /// None: each needs `datis requests accept`.
    Ask,
    /// Those that replace nothing.
    Beside,
    /// All of them.
    All,
}

impl Beforehand {
    const ALL: [Self; 3] = [Self::Ask, Self::Beside, Self::All];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Beside => "beside",
            Self::All => "all",
        }
    }

    /// Whether a request of this sort is agreed to already.
    #[must_use]
    pub const fn covers(self, mode: PutBackMode) -> bool {
        match (self, mode) {
            (Self::Ask, _) | (Self::Beside, PutBackMode::Overwrite) => false,
            (Self::Beside, PutBackMode::Beside) | (Self::All, _) => true,
        }
    }
}

impl fmt::Display for Beforehand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Beforehand {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.word() == raw).ok_or_else(|| "use one of ask, beside, all".to_owned())
    }
}

#[derive(Serialize, Deserialize)]
struct Fields {
    version: u32,
    without_asking: String,
}

/// What was agreed to; what cannot be read agrees to nothing.
#[must_use]
pub fn beforehand(state_dir: &Path) -> Beforehand {
    let read = || -> Option<Beforehand> {
        let fields: Fields = toml::from_str(&std::fs::read_to_string(state_dir.join(FILE)).ok()?).ok()?;
        fields.without_asking.parse().ok().filter(|_| fields.version == VERSION)
    };
    read().unwrap_or(Beforehand::Ask)
}

/// Agrees to it. Durable when this returns.
///
/// # Errors
/// [`StateError::Write`].
pub fn set_beforehand(state_dir: &Path, agreed: Beforehand) -> Result<(), StateError> {
    let path = state_dir.join(FILE);
    let fields = Fields { version: VERSION, without_asking: agreed.word().to_owned() };
    durable::write_toml(&path, &fields).map_err(|source| StateError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_asked_unless_they_said_otherwise() {
        let dir = tempfile::tempdir().expect("temporary folder");
        assert_eq!(beforehand(dir.path()), Beforehand::Ask);
        for agreed in Beforehand::ALL {
            set_beforehand(dir.path(), agreed).expect("set");
            assert_eq!(beforehand(dir.path()), agreed);
        }
        for nonsense in [
            "version = 2\nwithout_asking = \"all\"\n",
            "without_asking = \"al",
            "version = 1\nwithout_asking = \"yes\"\n",
        ] {
            std::fs::write(dir.path().join(FILE), nonsense).expect("write");
            assert_eq!(beforehand(dir.path()), Beforehand::Ask, "{nonsense}");
        }
        assert!(!Beforehand::Beside.covers(PutBackMode::Overwrite));
        assert!(!Beforehand::Ask.covers(PutBackMode::Beside));
    }
}
