//! Bugs that are planted for the simulator and the fault harnesses, to prove that they find them. Never part of a release.

/// Whether this bug is to be planted.
pub(crate) fn planted(bug: &str) -> bool {
    static BUGS: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let bugs = BUGS.get_or_init(|| std::env::var("DATIS_PLANT").unwrap_or_default());
    bugs.split([',', ' ']).any(|word| word == bug)
}
