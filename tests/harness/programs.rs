//! Where the two programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A folder with a `datisd` and a `datis`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The programs as they are shipped, from `DATIS_BIN_DIR`. Without it they are built once, as the tests were.
    ///
    /// # Panics
    /// When they are not there and cannot be built.
    #[must_use]
    pub fn plain() -> Self {
        static PLAIN: OnceLock<Programs> = OnceLock::new();
        let find = || match std::env::var_os("DATIS_BIN_DIR") {
            Some(folder) => Self::in_folder(folder),
            None => Self::in_folder(build_beside_the_tests()),
        };
        PLAIN.get_or_init(find).clone()
    }

    /// The programs with the bugs that `DATIS_PLANT` turns on, from `DATIS_PLANTED_BIN_DIR`; `None` when it is not set.
    ///
    /// # Panics
    /// When the folder does not have them.
    #[must_use]
    pub fn planted() -> Option<Self> {
        std::env::var_os("DATIS_PLANTED_BIN_DIR").map(Self::in_folder)
    }

    /// The programs in `folder`.
    ///
    /// # Panics
    /// When it does not have them.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let folder =
            folder.canonicalize().unwrap_or_else(|e| panic!("{}: {e}; `make programs` builds it", folder.display()));
        let programs = Self { folder };
        let helpers = ["datis-probe", "datis-hand"].map(|name| programs.folder.join(name));
        for program in [programs.datisd(), programs.datis()].into_iter().chain(helpers) {
            assert!(program.is_file(), "{} is missing; `make programs` builds it", program.display());
        }
        programs
    }

    /// The daemon.
    #[must_use]
    pub fn datisd(&self) -> PathBuf {
        self.folder.join("datisd")
    }

    /// The client.
    #[must_use]
    pub fn datis(&self) -> PathBuf {
        self.folder.join("datis")
    }
}

/// The folder that has the source of all: `Cargo.toml`, `docs`, `engine` and so on.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn build_beside_the_tests() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps").to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--bins"]).current_dir(repository());
    if folder.file_name().is_some_and(|profile| profile == "release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "the programs under test do not build; see what cargo says above");
    folder
}
