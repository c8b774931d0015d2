//! By which address of the box somebody came over SSH: what sshd has told the shell, found again where `sudo` and `su` have
//! dropped it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::path::Path;

/// `THEIR-ADDRESS THEIR-PORT OUR-ADDRESS OUR-PORT` (sshd(8)).
const VARIABLE: &str = "SSH_CONNECTION";
/// No command is further down from the shell of a login.
const PARENTS_MAX: usize = 32;
/// No environment is looked through further, in bytes.
const ENVIRON_MAX: u64 = 1 << 20;

/// The box's address of this SSH session; `None` for somebody who sits at the box.
///
/// # Errors
/// When it cannot be told, as a sentence: then it must not count as said at the box.
pub(super) fn own_end() -> Result<Option<IpAddr>, String> {
    let told = match std::env::var(VARIABLE) {
        Ok(told) => Some(told),
        Err(std::env::VarError::NotPresent) => of_parents(Path::new("/proc"), std::os::unix::process::parent_id())?,
        Err(std::env::VarError::NotUnicode(_)) => return Err(unclear("it is no text")),
    };
    told.map(|told| parse(&told)).transpose()
}

fn parse(told: &str) -> Result<IpAddr, String> {
    let ours = told.split(' ').nth(2).and_then(|address| address.parse().ok());
    ours.ok_or_else(|| {
        unclear(&format!("it is `{}`", told.chars().filter(|c| !c.is_control()).take(80).collect::<String>()))
    })
}

fn unclear(reason: &str) -> String {
    format!(
        "by which address you came over SSH cannot be told from {VARIABLE} ({reason}); confirm by the link, or at the box itself"
    )
}

/// The variable of the next process upwards that has it.
fn of_parents(proc: &Path, first: u32) -> Result<Option<String>, String> {
    let mut pid = first;
    for _ in 0..PARENTS_MAX {
        // The first process of all is nobody's shell.
        if pid <= 1 {
            return Ok(None);
        }
        let folder = proc.join(pid.to_string());
        let environ = match read(&folder.join("environ")) {
            Ok(environ) => environ,
            // It has just ended, and everything above it is somebody else.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                return Err(format!(
                    "whether you came over SSH cannot be seen ({e}); confirm as root, by the link, or at the box itself"
                ));
            }
        };
        if let Some(told) = value_in(&environ) {
            return Ok(Some(told));
        }
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
        let Some(parent) = parent_in(&stat) else { return Ok(None) };
        pid = parent;
    }
    Ok(None)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ENVIRON_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn value_in(environ: &[u8]) -> Option<String> {
    let mut all = environ.split(|byte| *byte == 0);
    let value = all.find_map(|pair| pair.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Behind the name in brackets, which may hold anything: state and parent (proc(5)).
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/proc` with these processes: number, parent, environment.
    fn processes(all: &[(u32, u32, &str)]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().expect("folder");
        for (pid, parent, environ) in all {
            let folder = proc.path().join(pid.to_string());
            std::fs::create_dir(&folder).expect("folder");
            std::fs::write(folder.join("environ"), environ.replace(' ', "\0").replace('+', " ")).expect("environ");
            std::fs::write(folder.join("stat"), format!("{pid} (a ) b) S {parent} 7 7")).expect("stat");
        }
        proc
    }

    #[test]
    fn what_sudo_has_dropped_is_found_at_its_parents() {
        let session = "HOME=/root SSH_CONNECTION=10.0.0.9+50000+10.0.0.2+22 LANG=C";
        let proc = processes(&[(40, 30, "HOME=/root"), (30, 20, "TERM=x"), (20, 10, session), (10, 1, "")]);
        let told = of_parents(proc.path(), 40).expect("seen").expect("over SSH");
        assert_eq!(parse(&told), Ok("10.0.0.2".parse().expect("an address")));
        assert_eq!(of_parents(proc.path(), 10), Ok(None));
        assert_eq!(of_parents(proc.path(), 99), Ok(None), "it has ended");
        let circle = processes(&[(40, 41, ""), (41, 40, "NO_SSH_CONNECTION=x")]);
        assert_eq!(of_parents(circle.path(), 40), Ok(None), "the walk has an end");
    }

    #[test]
    fn what_cannot_be_told_is_refused_and_does_not_count_as_at_the_box() {
        for nonsense in ["", "10.0.0.9 50000", "10.0.0.9 50000 x 22", "UNKNOWN 65535 UNKNOWN 65535"] {
            assert!(parse(nonsense).expect_err(nonsense).contains("confirm by the link"), "{nonsense}");
        }
        let proc = processes(&[(40, 1, "")]);
        std::fs::remove_file(proc.path().join("40/environ")).expect("file");
        std::fs::create_dir(proc.path().join("40/environ")).expect("folder");
        assert!(of_parents(proc.path(), 40).expect_err("it cannot be read").contains("cannot be seen"));
    }
}
