//! Linux: where state is kept.

use std::path::PathBuf;

/// Where the state directory is by default: `/var/lib/datis-client` for root, because a box on the same computer has
/// `/var/lib/datis`; else `datis` in the user's state directory.
#[must_use]
pub fn default_state_dir() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/datis-client"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|dir| dir.join("datis"))
}
