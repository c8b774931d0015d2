//! By which address of the box somebody came over SSH: what sshd has told the shell, found again where `sudo` and `su` have
//! dropped it.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

/// `THEIR-ADDRESS THEIR-PORT OUR-ADDRESS OUR-PORT` (sshd(8)).
const VARIABLE: &str = "SSH_CONNECTION";
/// No command is further down from the shell of a login.
const PARENTS_MAX: usize = 32;
/// No environment is looked through further, in bytes.
const ENVIRON_MAX: u64 = 1 << 20;
/// Terminals that a program makes, old ones and those under `/dev/pts`, by their major numbers (the kernel's
/// `admin-guide/devices.txt`). SSH, `tmux` and windows have these; screens and serial lines have others.
const MADE_TERMINALS: [u32; 10] = [2, 3, 136, 137, 138, 139, 140, 141, 142, 143];

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

fn unseen(reason: &str) -> String {
    format!("whether you came over SSH cannot be seen ({reason}); confirm as root, by the link, or at the box itself")
}

/// The variable of the next process upwards that has it; `None` when nobody has it and one of them has a terminal of the
/// box itself. A login has one, and what `sudo` runs may have another; what was left running by somebody has none.
///
/// # Errors
/// When it cannot be seen up to the first process, or no terminal of the box is there, as a sentence.
fn of_parents(proc: &Path, first: u32) -> Result<Option<String>, String> {
    let mut pid = first;
    let mut has_terminal = false;
    for _ in 0..PARENTS_MAX {
        // The first process of all is nobody's shell.
        if pid <= 1 {
            let none = "nothing above this command has a terminal of the box; in tmux or a window, leave it";
            return if has_terminal { Ok(None) } else { Err(unseen(none)) };
        }
        let folder = proc.join(pid.to_string());
        // One that is not there has just ended, or is hidden: what is above it is not known.
        let environ = read(&folder.join("environ")).map_err(|e| unseen(&e.to_string()))?;
        if let Some(told) = value_in(&environ) {
            return Ok(Some(told));
        }
        let stat = std::fs::read_to_string(folder.join("stat")).map_err(|e| unseen(&e.to_string()))?;
        let process =
            Process::of(&stat).ok_or_else(|| unseen("a process above this command is told in another form"))?;
        has_terminal |= process.is_at_the_box();
        pid = process.parent;
    }
    Err(unseen("too many commands are above this one"))
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

/// What the kernel says of a process.
struct Process {
    parent: u32,
    /// The number of its terminal; 0: none.
    terminal: u32,
}

impl Process {
    /// Behind the name in brackets, which may hold anything: state, parent, group, session, terminal (proc(5)).
    fn of(stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(1);
        let parent = fields.next()?.parse().ok()?;
        let terminal: i32 = fields.nth(2)?.parse().ok()?;
        Some(Self { parent, terminal: terminal.cast_unsigned() })
    }

    /// Whether its terminal is a screen or a serial line of the box. The major number is in bits 8 to 19.
    fn is_at_the_box(&self) -> bool {
        self.terminal != 0 && !MADE_TERMINALS.contains(&((self.terminal >> 8) & 0xfff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/dev/tty1`, `/dev/ttyS0`, `/dev/pts/3`, and none.
    const SCREEN: u32 = (4 << 8) | 1;
    const SERIAL: u32 = (4 << 8) | 64;
    const MADE: u32 = (136 << 8) | 3;
    const NONE: u32 = 0;

    /// A `/proc` with these processes: number, parent, terminal, environment.
    fn processes(all: &[(u32, u32, u32, &str)]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().expect("folder");
        for (pid, parent, terminal, environ) in all {
            let folder = proc.path().join(pid.to_string());
            std::fs::create_dir(&folder).expect("folder");
            std::fs::write(folder.join("environ"), environ.replace(' ', "\0").replace('+', " ")).expect("environ");
            let stat = format!("{pid} (a ) b) S {parent} 7 7 {terminal} -1 0");
            std::fs::write(folder.join("stat"), stat).expect("stat");
        }
        proc
    }

    #[test]
    fn what_sudo_has_dropped_is_found_at_its_parents() {
        let session = "HOME=/root SSH_CONNECTION=10.0.0.9+50000+10.0.0.2+22 LANG=C";
        let proc = processes(&[
            (40, 30, MADE, "HOME=/root"),
            (30, 20, MADE, "TERM=x"),
            (20, 10, MADE, session),
            (10, 1, NONE, ""),
        ]);
        let told = of_parents(proc.path(), 40).expect("seen").expect("over SSH");
        assert_eq!(parse(&told), Ok("10.0.0.2".parse().expect("an address")));
    }

    #[test]
    fn a_login_at_the_box_is_known_by_its_terminal() {
        for terminal in [SCREEN, SERIAL] {
            // `sudo` may give what it runs a terminal of its own.
            let login = [(40, 30, MADE, ""), (30, 20, terminal, ""), (20, 10, terminal, ""), (10, 1, NONE, "")];
            assert_eq!(of_parents(processes(&login).path(), 40), Ok(None), "{terminal}");
        }
        // What was begun over SSH and went on: its parents are gone, and the first process has it.
        for terminal in [MADE, NONE] {
            let left = processes(&[(40, 30, terminal, "NO_SSH_CONNECTION=x"), (30, 1, NONE, "")]);
            assert!(of_parents(left.path(), 40).expect_err("nobody knows").contains("terminal"), "{terminal}");
        }
        assert!(of_parents(Path::new("/nowhere"), 1).is_err());
    }

    #[test]
    fn what_cannot_be_told_is_refused_and_does_not_count_as_at_the_box() {
        for nonsense in ["", "10.0.0.9 50000", "10.0.0.9 50000 x 22", "UNKNOWN 65535 UNKNOWN 65535"] {
            assert!(parse(nonsense).expect_err(nonsense).contains("confirm by the link"), "{nonsense}");
        }
        let is_refused = |proc: &tempfile::TempDir| {
            assert!(of_parents(proc.path(), 40).expect_err("it is not known").contains("cannot be seen"));
        };
        let proc = processes(&[(40, 1, SCREEN, "")]);
        std::fs::remove_file(proc.path().join("40/environ")).expect("file");
        std::fs::create_dir(proc.path().join("40/environ")).expect("folder");
        is_refused(&proc);
        // It has ended, or the kernel hides it.
        is_refused(&processes(&[(40, 30, SCREEN, "")]));
        is_refused(&processes(&[(40, 41, SCREEN, ""), (41, 40, SCREEN, "")]));
        let proc = processes(&[(40, 1, SCREEN, "")]);
        for stat in ["40 (a", "40 (a) S x 7 7 1025", "40 (a) S 1 7 7"] {
            std::fs::write(proc.path().join("40/stat"), stat).expect("stat");
            is_refused(&proc);
        }
        std::fs::remove_file(proc.path().join("40/stat")).expect("file");
        is_refused(&proc);
    }
}
