//! What all tests of the whole product are made of: a real box, real machines, trees of files, and a comparer.
//!
//! Nothing in here knows how the product works inside: it starts the two programs and looks at what they print and write.
//! A helper that cannot do its work panics with a sentence, because the test is then worth nothing.

pub mod browser;
pub mod clicks;
pub mod community;
mod lab;
mod long_line;
mod machine;
mod networkd;
pub mod people;
pub mod portal;
mod process;
mod programs;
mod random;
pub mod raw;
mod test_box;
pub mod tree;
pub mod wire;

use std::time::{Duration, Instant};

pub use lab::Lab;
pub use long_line::{Length, LongLine};
pub use machine::{Machine, SnapshotRow, Summary, within};
pub use networkd::Managed;
pub use process::{Finished, Invocation, Running};
pub use programs::{Programs, repository};
pub use random::Random;
pub use test_box::{BoxOptions, TestBox, flip_byte};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks `check` every few milliseconds until it gives something.
///
/// # Panics
/// When it has given nothing for `within`; `what` says what was waited for.
pub fn wait_for<T>(what: &str, within: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain for {what}", within.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A folder for one test, removed with what is in it when it is dropped. `DATIS_KEEP_FOLDERS` keeps them, for looking.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn scratch() -> tempfile::TempDir {
    let mut folder = tempfile::Builder::new().prefix("datis-test-").tempdir().expect("a temporary folder is needed");
    folder.disable_cleanup(std::env::var_os("DATIS_KEEP_FOLDERS").is_some());
    folder
}
